//! An independent model of who migrates: the table of `docs/who-migrates.md` as a small abstract
//! simulation.
//!
//! Certificates are tokens, lists are sets of tokens with roles, stores are sets, a phone is what it
//! holds. No bytes, no signatures, no time. It shares no decision with `trust`, `phone` or `cluster`
//! (`tests/layering.rs` holds it to that), so that a slip there is not repeated here: two answers
//! that differ mean that one of them, or the table, is wrong.
//!
//! Where the table leaves something open, the answer is [`Unsupported`] and not a guess. A question
//! of that kind that may not matter (does a bulk import reset the phones?) is answered both ways, and
//! only a difference in the verdicts is unsupported.
//!
//! ```
//! use trustline::scenario::explore::expected::{Reason, expected};
//! use trustline::scenario::words::Verdict;
//! use trustline::scenario::{Rules, parse};
//!
//! let text = r#"
//! format = 1
//! name = "Nobody exchanged certificates"
//! source = "Cisco 215539"
//! date = 2020-03-01T09:00:00Z
//! [cluster.source]
//! release = "10.5.2"
//! nodes = [{ name = "src", services = ["publisher", "tftp", "tvs"] }]
//! [cluster.destination]
//! release = "11.5.1"
//! nodes = [{ name = "dst", services = ["publisher", "tftp", "tvs"] }]
//! [[phones]]
//! count = 1
//! model = "CP-8861"
//! cluster = "source"
//! [[step]]
//! do = "set-option-150"
//! to = ["dst"]
//! [[step]]
//! do = "reset-phones"
//! [[expect]]
//! phones = "all"
//! verdict = "stranded"
//! "#;
//! let scenario = parse("a.toml", text, &Rules).unwrap();
//! let phones = expected(&scenario).unwrap();
//! assert_eq!(phones[0].verdict, Verdict::Stranded);
//! assert_eq!(phones[0].reason, Reason::SignerUnknownToTvs);
//! ```

mod bulk;
mod choices;
mod judge;
mod lists;
mod phone;
mod steps;
mod world;

use std::fmt;

use super::super::model::{Action, Scenario};
use super::super::words::Verdict;

/// Phones of a scenario that the model goes through; a fleet is a matter of speed, not of trust.
pub const MAX_PHONES: usize = 10_000;

/// What becomes of one phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its number, from 1 over the whole file.
    pub phone: usize,
    /// What has become of it.
    pub verdict: Verdict,
    /// Why, coarsely.
    pub reason: Reason,
}

/// Why a phone ends as it does. Where files were refused it is the first one's reason in its last
/// boot; a damaged file counts as damaged whoever signed it. Several TVS servers that fail each in its
/// own way count as the one that came furthest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It did not boot after the first time.
    NotReset,
    /// It was offered what it holds.
    NothingNew,
    /// An installed list or TVS vouched for each signer.
    SignatureHolds,
    /// It held no list, and took the first one.
    LeapOfFaith,
    /// It held the empty ITL of a rollback, and took any.
    RollbackItl,
    /// The signer is in an installed list, with a role that may not sign this.
    RoleMissing,
    /// TVS knows the signer, with a role that may not sign this.
    TvsRoleMissing,
    /// TVS does not know the signer.
    SignerUnknownToTvs,
    /// The certificate of each TVS that answers is not in the installed lists.
    TvsCertificateNotInList,
    /// TVS closes the connection where it does not know the signer (`tvs.miss = close`).
    TvsNoAnswer,
    /// No TVS answers.
    TvsUnreachable,
    /// No installed list has the certificate of any TVS.
    NoTvsInList,
    /// The phone has no configuration, so it knows no TVS.
    NoTvsInConfiguration,
    /// The file is damaged.
    Damaged,
    /// The phone does not take this digest.
    DigestRefused,
    /// The destination has no configuration for the phone.
    FileMissing,
    /// No TFTP node of option 150 answers.
    DownloadFailed,
}

impl Reason {
    /// A word for it. Where the product gives a reason code for the same thing, it is the same word;
    /// [`Self::Damaged`] has several codes there.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotReset => "not-reset",
            Self::NothingNew => "nothing-new",
            Self::SignatureHolds => "signature-holds",
            Self::LeapOfFaith => "leap-of-faith",
            Self::RollbackItl => "rollback-itl",
            Self::RoleMissing => "role-missing",
            Self::TvsRoleMissing => "tvs-role-missing",
            Self::SignerUnknownToTvs => "signer-unknown-to-tvs",
            Self::TvsCertificateNotInList => "tvs-certificate-not-in-list",
            Self::TvsNoAnswer => "tvs-no-answer",
            Self::TvsUnreachable => "tvs-unreachable",
            Self::NoTvsInList => "no-tvs-in-list",
            Self::NoTvsInConfiguration => "no-tvs-in-configuration",
            Self::Damaged => "damaged",
            Self::DigestRefused => "digest-refused",
            Self::FileMissing => "file-missing",
            Self::DownloadFailed => "download-failed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The table does not decide this scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// What it is that the table does not decide: a step, a setting, a combination.
    pub what: String,
}

impl Unsupported {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the table does not decide: {}", self.what)
    }
}

impl std::error::Error for Unsupported {}

/// A question that sources leave open and no setting answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Open {
    /// Whether a bulk import resets the phones of the cluster (Administration Guide 14 says so).
    import_resets_phones: bool,
    /// Whether a bulk import takes the cluster's own certificates too.
    import_takes_own: bool,
    /// Whether the type TFTP carries ITLRecovery.
    tftp_carries_itl_recovery: bool,
    /// Whether a damaged file is sound again once the node publishes it anew.
    publishing_mends: bool,
}

impl Open {
    /// Every combination of answers that could matter to `scenario`.
    fn answers(scenario: &Scenario) -> Vec<Self> {
        let has = |wanted: fn(&Action) -> bool| scenario.steps.iter().any(|s| wanted(&s.action));
        let mut all = vec![Self::default()];
        let mut ask = |relevant: bool, set: fn(&mut Self)| {
            if relevant {
                let mut others = all.clone();
                others.iter_mut().for_each(set);
                all.extend(others);
            }
        };
        let bulk = has(|action| matches!(action, Action::Bulk { .. }));
        ask(bulk, |open| open.import_resets_phones = true);
        ask(bulk, |open| open.import_takes_own = true);
        ask(bulk, |open| open.tftp_carries_itl_recovery = true);
        let damage = has(|action| matches!(action, Action::DamageFile { .. }));
        ask(damage, |open| open.publishing_mends = true);
        all
    }

    /// The questions that `self` and `other` answer differently.
    fn difference(self, other: Self) -> String {
        let questions = [
            (
                self.import_resets_phones != other.import_resets_phones,
                "whether a bulk import resets phones",
            ),
            (
                self.import_takes_own != other.import_takes_own,
                "whether a bulk import takes the cluster's own certificates",
            ),
            (
                self.tftp_carries_itl_recovery != other.tftp_carries_itl_recovery,
                "whether the type TFTP carries ITLRecovery",
            ),
            (
                self.publishing_mends != other.publishing_mends,
                "whether publishing anew mends a damaged file",
            ),
        ];
        let differing = questions.iter().filter(|q| q.0).map(|q| q.1);
        differing.collect::<Vec<_>>().join(" or ")
    }
}

/// What becomes of each phone of `scenario`, in the order of their numbers.
///
/// # Errors
///
/// The table does not decide the scenario: it says what of it.
pub fn expected(scenario: &Scenario) -> Result<Vec<Expected>, Unsupported> {
    if scenario.phone_count() > MAX_PHONES {
        return Err(Unsupported::new(format!("more than {MAX_PHONES} phones")));
    }
    let choices = choices::Choices::of(scenario)?;
    let mut answer: Option<(Open, Vec<Expected>)> = None;
    for open in Open::answers(scenario) {
        let phones = steps::run(scenario, &choices, open)?;
        let same = |(_, first): &(Open, Vec<Expected>)| {
            let verdicts = first.iter().zip(&phones);
            verdicts.into_iter().all(|(a, b)| a.verdict == b.verdict)
        };
        match &answer {
            None => answer = Some((open, phones)),
            Some(first) if same(first) => {}
            Some((first, _)) => return Err(Unsupported::new(first.difference(open))),
        }
    }
    Ok(answer.map(|(_, phones)| phones).unwrap_or_default())
}
