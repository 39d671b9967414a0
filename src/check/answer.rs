//! What a check answers: a fate for each group of phones, what must be true first, and what the move
//! will ask of each node. Reports are made from this alone.

use serde::Serialize;

use crate::event::{ReasonFacts, SignerFacts};

/// What will become of phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// They follow: their own lists are enough.
    FollowsDirectly,
    /// They follow: TVS of the old cluster vouches.
    FollowsThroughTvs,
    /// They reach the new CallManager and refuse its files, so they ignore its settings.
    RegistersUntrusted,
    /// They do not reach it.
    Stranded,
    /// Something that it hangs on was not read.
    Unknown,
}

impl Fate {
    /// For a table.
    pub fn text(self) -> &'static str {
        match self {
            Self::FollowsDirectly => "follows directly",
            Self::FollowsThroughTvs => "follows through TVS",
            Self::RegistersUntrusted => "registers untrusted",
            Self::Stranded => "stranded",
            Self::Unknown => "unknown",
        }
    }

    /// True if they trust and obey the new cluster.
    pub fn follows(self) -> bool {
        matches!(self, Self::FollowsDirectly | Self::FollowsThroughTvs)
    }
}

/// What a fate rests on (DESIGN, "What must be true", 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestsOn {
    /// `documented`, `inferred` or `assumed`: the weakest rule whose other choice would change the
    /// fate.
    pub basis: &'static str,
    /// The rules of that basis whose other choice changes the fate; what is assumed of the phones
    /// themselves, in words.
    pub rules: Vec<String>,
}

/// A certificate, as an engineer looks for it in a list of certificates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Whose {
    /// What it is for: `CallManager`, `ITLRecovery`, `CAPF`; empty where that is not known.
    pub kind: String,
    /// The node whose it is; empty where that is not known.
    pub node: String,
    /// Subject name.
    pub subject: String,
    /// Issuer name.
    pub issuer: String,
    /// Serial number, upper hex without separators.
    pub serial: String,
}

/// One action on a cluster or a phone that a fix is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(
    tag = "do",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case"
)]
pub enum Action {
    /// Import a certificate into a trust store.
    Import {
        /// Which.
        certificate: Whose,
        /// The cluster that it comes from.
        from: String,
        /// The cluster whose store it goes into.
        into: String,
        /// The store: `Phone-SAST-trust`, `CallManager-trust`, `CAPF-trust`.
        store: String,
    },
    /// Restart (or start) a service on nodes.
    Restart {
        /// `TVS`, `TFTP` or `CallManager`.
        service: String,
        /// The cluster.
        cluster: String,
        /// The nodes.
        nodes: Vec<String>,
    },
    /// Set an enterprise parameter.
    SetParameter {
        /// The cluster.
        cluster: String,
        /// The parameter.
        parameter: String,
        /// Its value.
        value: String,
    },
    /// Add the phones to a cluster's database.
    AddPhones {
        /// The cluster.
        cluster: String,
    },
    /// Let option 150 name other servers.
    SetOption150 {
        /// The nodes, in order.
        nodes: Vec<String>,
    },
    /// Point option 150 back at the old cluster and reset, then move.
    HomeFirst {
        /// The old cluster.
        cluster: String,
    },
    /// Erase CTL and ITL at each phone by hand.
    EraseLists,
}

/// The name that Cisco Unified CM Administration shows for a parameter of [`Action::SetParameter`], and
/// for its value.
pub fn parameter_titles<'a>(parameter: &'a str, value: &'a str) -> (&'a str, &'a str) {
    let parameter = match parameter {
        "prepare-cluster-for-rollback" => "Prepare Cluster for Rollback to pre 8.0",
        "tftp-file-signature-algorithm" => "TFTP File Signature Algorithm",
        other => other,
    };
    let value = match value {
        "true" => "True",
        "false" => "False",
        "sha1" => "SHA-1",
        other => other,
    };
    (parameter, value)
}

/// The smallest change found after which phones follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// In this order; a reset of the phones ends them.
    pub actions: Vec<Action>,
    /// True if the phone's machine was run again with these changes made to what was read, and
    /// follows then. A fix that is not proven names what cannot be modelled from what was read.
    pub proven: bool,
    /// What it rests on that the phone follows then; none for a fix that is not proven.
    pub rests_on: Option<RestsOn>,
    /// One sentence.
    pub text: String,
    /// Status messages that one of the phones will show once these changes are made, in order; none
    /// where nobody ran its machine with them.
    pub status: Vec<String>,
}

/// Whether phones that followed can return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WayBack {
    /// Their fate if option 150 names the old cluster again.
    pub fate: Fate,
    /// Why not, or what is missing to say.
    pub why: Option<String>,
    /// What that fate rests on, of phones that have moved; none where it is unknown.
    pub rests_on: Option<RestsOn>,
}

/// Phones that share a fate for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Names of the phones: device names of the inventory, or `a phone of src-pub`.
    pub phones: Vec<String>,
    /// Their models.
    pub models: Vec<String>,
    /// What will become of them.
    pub fate: Fate,
    /// Resets that it takes.
    pub resets: usize,
    /// Why, in order; the last is the decisive one.
    pub reasons: Vec<ReasonFacts>,
    /// The signer that the decisive reason is about.
    pub signer: Option<SignerFacts>,
    /// What is missing to say more, with why it was not read.
    pub missing: Option<String>,
    /// What the fate rests on; none where it is unknown.
    pub rests_on: Option<RestsOn>,
    /// The way out, for phones that do not follow.
    pub fix: Option<Fix>,
    /// The way back, for phones that follow, now or with the fix.
    pub back: Option<WayBack>,
    /// Status messages that one of these phones will show, in order.
    pub status: Vec<String>,
}

/// How a condition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It holds.
    Good,
    /// It holds, and something is to be known about it.
    Note,
    /// It does not hold.
    Bad,
    /// Nobody can say from what was read.
    Unknown,
}

/// Something that must be true before the move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Stable name, kebab-case: `destination-lists`, `signers-known-to-tvs`.
    pub name: &'static str,
    /// What it is about: a node, a cluster, a certificate, an entry of option 150.
    pub about: String,
    /// How it stands.
    pub state: State,
    /// What was found, in a sentence.
    pub text: String,
    /// What to do, where it does not hold or is not known.
    pub fix: Option<String>,
    /// How sure the rule behind it is: `documented`, `inferred`, `assumed`.
    pub basis: &'static str,
}

/// What a node will be asked if all phones reset at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeLoad {
    /// The cluster.
    pub cluster: String,
    /// The node.
    pub node: String,
    /// Requests for files, those too for files that are not there.
    pub requests: u64,
    /// Downloads.
    pub downloads: u64,
    /// Bytes of these downloads.
    pub bytes: u64,
    /// Questions to its TVS.
    pub tvs_questions: u64,
}

/// What the move asks of the nodes, and the batches that follow from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    /// Phones in all.
    pub phones: u64,
    /// Each node that is asked.
    pub nodes: Vec<NodeLoad>,
    /// Phones to reset together at most.
    pub batch: u64,
    /// How many batches that are.
    pub batches: u64,
    /// Seconds between two batches.
    pub pause_secs: u64,
    /// What these numbers are reckoned from.
    pub basis: String,
}

/// All that a check says.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The cluster that the phones are in.
    pub from: String,
    /// The cluster that they are to follow to.
    pub to: String,
    /// The servers that option 150 will name, in order: nodes, or addresses that are none's.
    pub option_150: Vec<String>,
    /// Groups, those that do not follow first.
    pub groups: Vec<Group>,
    /// What must be true first.
    pub conditions: Vec<Condition>,
    /// What is asked of the nodes.
    pub load: Load,
    /// What could not be read.
    pub failures: Vec<String>,
    /// What was concluded rather than read, and what else is to be known.
    pub notes: Vec<String>,
}
