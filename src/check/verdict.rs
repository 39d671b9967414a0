//! The verdict on a phone: what it holds, whom it follows, what it refused.

use std::net::Ipv4Addr;

use crate::event::{Event, Kind};
use crate::phone::Flash;
use crate::phone::flash::CONFIG;
use crate::scenario::words::Verdict;
use crate::trust::reason::Code;
use crate::wire::ListKind;
use crate::wire::phone_config::PhoneConfig;

/// Whose list a phone holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Id of the cluster; none for a list that nobody known published.
    pub cluster: Option<String>,
    /// The node.
    pub node: String,
}

/// The clusters, in so far as a verdict hangs on them.
pub trait Places {
    /// Who published a list.
    fn owner_of(&self, list: &[u8]) -> Owner;
    /// Cluster and node of a host name or a dotted address.
    fn host(&self, host: &str) -> Option<(String, String)>;
    /// The cluster of the node with this address.
    fn cluster_at(&self, address: Ipv4Addr) -> Option<String>;
}

/// What a phone lived through, as a verdict looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Life<'a> {
    /// Its boots before the one that counts, oldest first, in any number of pieces.
    pub earlier: [&'a [Event]; 2],
    /// The boot that counts.
    pub last: &'a [Event],
    /// Its flash before the move.
    pub before: &'a Flash,
    /// Its flash now.
    pub flash: &'a Flash,
    /// Addresses of the TFTP servers that it is to ask.
    pub servers: &'a [Ipv4Addr],
    /// True if nothing can be said yet: the boot did not end, or another is due.
    pub is_open: bool,
}

/// What a verdict is made of, and the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Owner of the CTL.
    pub ctl: Option<Owner>,
    /// Owner of the ITL.
    pub itl: Option<Owner>,
    /// The cluster whose CallManager group it follows, and the node.
    pub follows: Option<(String, String)>,
    /// The cluster that its TFTP servers belong to.
    pub destination: Option<String>,
    /// It accepted a configuration.
    pub accepted: bool,
    /// The verdict.
    pub verdict: Verdict,
}

/// Owner of the list that a flash holds.
pub fn owner(places: &dyn Places, flash: &Flash, kind: ListKind) -> Option<Owner> {
    let bytes = flash.get(kind.file_name());
    bytes.map(|bytes| places.owner_of(bytes))
}

/// Judges a phone.
pub fn judge(life: &Life<'_>, places: &dyn Places) -> Judged {
    let events = life.last;
    let ctl = owner(places, life.flash, ListKind::Ctl);
    let itl = owner(places, life.flash, ListKind::Itl);
    let registered = events.iter().rev().find_map(|e| match &e.kind {
        Kind::Registered {
            server: Some(server),
            ..
        } => Some(server),
        _ => None,
    });
    let follows = registered.and_then(|host| places.host(host));
    let is_accepted = |e: &Event| matches!(e.kind, Kind::ConfigAccepted { .. });
    let accepted = events.iter().any(is_accepted);
    let mut servers = life.servers.iter();
    let destination = servers.find_map(|a| places.cluster_at(*a));
    let same = |kind: ListKind| {
        let name = kind.file_name();
        life.flash.get(name) == life.before.get(name)
    };
    let lists_same = same(ListKind::Ctl) && same(ListKind::Itl);
    let holds = |o: &Option<Owner>| {
        o.as_ref()
            .is_some_and(|o| o.cluster.is_some() && o.cluster == destination)
    };
    let is_refused = |e: &Event| matches!(e.kind, Kind::ListRefused { .. }) && is_refusal(e);
    let refused = events.iter().any(is_refused);
    let follows_destination = follows.as_ref().map(|(c, _)| c) == destination.as_ref();
    // A list that could not be downloaded is no distrust, as long as the destination's is held;
    // nor is a boot in which no server of option 150 answers at all.
    let obeys = accepted
        || (is_silent(events)
            && trusted_last(life)
            && config_of(places, life.flash).is_some_and(|c| Some(c) == destination));
    let trusts = obeys && holds(&itl) && !refused;
    // What becomes of a phone that goes to CAPF hangs on CAPF, which is not emulated.
    let needs_capf = |e: &Event| matches!(e.kind, Kind::CapfNeeded { .. });
    let is_open = life.is_open || events.iter().any(needs_capf);
    let verdict = if is_open || destination.is_none() {
        Verdict::Unknown
    } else if trusts && follows_destination {
        if lists_same {
            Verdict::Unchanged
        } else {
            Verdict::Migrated
        }
    } else if follows_destination {
        Verdict::RegistersUntrusted
    } else {
        Verdict::Stranded
    };
    Judged {
        ctl,
        itl,
        follows,
        destination,
        accepted,
        verdict,
    }
}

/// True if a boot ended and no server gave the phone an answer to any file.
pub fn is_silent(events: &[Event]) -> bool {
    let is_answer = |e: &Event| {
        let is_file = matches!(e.kind, Kind::Downloaded { .. } | Kind::NotFound { .. });
        is_file || is_refusal(e)
    };
    !events.iter().any(is_answer)
}

/// True if the phone refused a file: one that did not come is none that it refused.
fn is_refusal(event: &Event) -> bool {
    match &event.kind {
        Kind::ListRefused { reasons, .. } | Kind::ConfigRefused { reasons, .. } => {
            let download_failed = Code::DownloadFailed.as_str();
            reasons.last().is_none_or(|r| r.code != download_failed)
        }
        _ => false,
    }
}

/// True if the phone refused nothing in the last boot in which a server answered.
fn trusted_last(life: &Life<'_>) -> bool {
    let earlier: Vec<&Event> = life.earlier.iter().copied().flatten().collect();
    let mut boots = earlier.chunk_by(|_, next| !matches!(next.kind, Kind::Boot { .. }));
    let answered = |boot: &&[&Event]| !boot.iter().all(|e| is_silent(std::slice::from_ref(*e)));
    let last = boots.rfind(answered);
    last.is_some_and(|boot| !boot.iter().any(|e| is_refusal(e)))
}

/// The cluster whose configuration the phone holds: that of the first CallManager.
fn config_of(places: &dyn Places, flash: &Flash) -> Option<String> {
    let config = PhoneConfig::parse(flash.get(CONFIG)?).ok()?;
    let mut hosts = config.callmanager_group.iter();
    let (cluster, _) = hosts.find_map(|member| places.host(&member.host))?;
    Some(cluster)
}
