//! What must be true before the move, each as a condition with a stable name: looked up in what was
//! read, and unknown where nobody read it. They say where to look; what becomes of a phone only its
//! own machine says ([`crate::check::predict`]).

mod files;
mod lists;
mod phones;
mod question;
mod reach;
mod signers;

use super::answer::{Condition, Group, State};
use super::evidence::Sides;
use super::groups::Asked;
use super::predict::Move;
use crate::time::UnixSeconds;
use crate::trust::rules::Basis;
use question::Question;

/// The name of the condition about the servers that option 150 names.
pub use reach::OPTION_150;

/// Names of all conditions, in the order in which they are given.
pub const NAMES: &[&str] = &[
    reach::NODES_REACHABLE,
    OPTION_150,
    lists::PHONES_LISTS,
    signers::TVS_CERTIFICATES,
    lists::ROLLBACK_PARAMETER,
    lists::DESTINATION_LISTS,
    signers::SIGNERS_KNOWN,
    signers::CONFIGURATION_SIGNERS,
    files::CERTIFICATE_DATES,
    files::DIGESTS,
    files::LIST_SIZES,
    phones::PHONES_AT_DESTINATION,
    phones::LSC_ISSUER,
    reach::CENTRALIZED_TFTP,
    reach::DNS_NAMES,
    signers::STALE_ANSWERS,
    phones::SOURCE_STAYS_UP,
];

/// Every condition, in the order of [`NAMES`]. `now` is the date that certificates are looked at
/// with; `groups` are the fates that were found. Of phones of which nobody can say what they hold
/// ([`Asked::subject`]) each condition that hangs on it is unknown.
pub fn all(
    sides: &Sides,
    plan: &Move,
    phones: &[Asked],
    now: UnixSeconds,
    groups: &[Group],
) -> Vec<Condition> {
    type Ask = fn(&Question<'_>) -> Vec<Condition>;
    const ASKED: &[Ask] = &[
        reach::nodes_reachable,
        reach::option_150,
        lists::phones_lists,
        signers::tvs_certificates,
        lists::rollback_parameter,
        lists::destination_lists,
        signers::signers_known,
        signers::configuration_signers,
        files::certificate_dates,
        files::digests,
        files::list_sizes,
        phones::phones_at_destination,
        phones::lsc_issuer,
        reach::centralized_tftp,
        reach::dns_names,
        signers::stale_answers,
    ];
    let question = Question::new(sides, plan, phones, now);
    let mut all: Vec<_> = ASKED.iter().flat_map(|ask| ask(&question)).collect();
    all.push(phones::source_stays_up(question.source_name(), groups));
    all
}

/// A condition that is being said.
struct Said {
    name: &'static str,
    about: String,
    basis: Basis,
}

impl Said {
    fn new(name: &'static str, about: impl Into<String>, basis: Basis) -> Self {
        Self {
            name,
            about: about.into(),
            basis,
        }
    }

    fn with(self, state: State, text: impl Into<String>, fix: Option<String>) -> Condition {
        Condition {
            name: self.name,
            about: self.about,
            state,
            text: text.into(),
            fix,
            basis: match self.basis {
                Basis::Documented => "documented",
                Basis::Inferred => "inferred",
                Basis::Assumed => "assumed",
            },
        }
    }

    fn good(self, text: impl Into<String>) -> Condition {
        self.with(State::Good, text, None)
    }

    fn note(self, text: impl Into<String>, fix: Option<String>) -> Condition {
        self.with(State::Note, text, fix)
    }

    fn bad(self, text: impl Into<String>, fix: impl Into<String>) -> Condition {
        self.with(State::Bad, text, Some(fix.into()))
    }

    fn unknown(self, text: impl Into<String>, fix: impl Into<String>) -> Condition {
        self.with(State::Unknown, text, Some(fix.into()))
    }
}

#[cfg(test)]
mod tests;
