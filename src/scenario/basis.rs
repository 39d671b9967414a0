//! What a verdict rests on: the weakest rule whose other listed choice would change it.
//!
//! It is found by trying: the scenario runs again in virtual time with each other choice of each
//! rule that was used, and the phones' verdicts are compared. The weakest rules are tried first, and
//! a phone whose verdict one of them changes needs no trial of a stronger one.

use std::collections::BTreeSet;

use super::diagnostic::Span;
use super::driver::Network;
use super::judge::fates;
use super::model::{Action, Scenario, Step};
use super::run::{LabPhone, rehearse};
use super::select::Selector;
use super::words::{Verb, Verdict};
use crate::phone::Pace;
use crate::trust::rules::{self, Basis, Key};

/// What the verdict of one phone rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestsOn {
    /// The basis of the weakest rule that matters; documented where none does.
    pub basis: Basis,
    /// The rules of that basis whose other choice changes the verdict.
    pub rules: Vec<String>,
    /// The other rules that the phone used since the first step.
    pub trace: Vec<String>,
}

/// Finds out for every phone.
pub(super) fn rests_on(scenario: &Scenario, phones: &[LabPhone]) -> Vec<RestsOn> {
    // Trials run in virtual time, so they are compared with a run there.
    let baseline = verdicts_in_sim(scenario, None);
    let used = used(scenario, phones);
    let mut decisive: Vec<Vec<Key>> = phones.iter().map(|_| Vec::new()).collect();
    for basis in [Basis::Assumed, Basis::Inferred, Basis::Documented] {
        let open: Vec<usize> = (0..phones.len())
            .filter(|&i| decisive[i].is_empty())
            .collect();
        for &key in &used {
            let settings = |i: usize| &phones[i].setup.settings;
            let concerned = || open.iter().filter(|&&i| settings(i).basis(key) == basis);
            // Phones of two families may follow the rule differently.
            let values: BTreeSet<i64> = concerned().map(|&i| settings(i).peek(key)).collect();
            let others: BTreeSet<i64> = values
                .iter()
                .flat_map(|&value| rules::rule(key).others(value))
                .collect();
            for other in others {
                let verdicts = verdicts_in_sim(scenario, Some((key, other)));
                for &i in concerned().filter(|&&i| settings(i).peek(key) != other) {
                    let same = verdicts.get(i) == baseline.get(i);
                    if !same && !decisive[i].contains(&key) {
                        decisive[i].push(key);
                    }
                }
            }
        }
    }
    phones
        .iter()
        .zip(&decisive)
        .map(|(phone, decisive)| told(phone, decisive))
        .collect()
}

/// Rules on which a verdict can hang: those that a phone used, and those of the clusters. A rule
/// that nobody looked at has no other outcome.
fn used(scenario: &Scenario, phones: &[LabPhone]) -> BTreeSet<Key> {
    let by_phones = phones.iter().flat_map(|p| p.used.iter().copied());
    let mut used: BTreeSet<Key> = by_phones.collect();
    used.extend(used_at_home(scenario));
    used.extend(OF_CLUSTERS);
    let is_exchange = |s: &Step| matches!(s.action, Action::Bulk { .. });
    if scenario.steps.iter().any(is_exchange) {
        used.extend(OF_EXCHANGES);
    }
    used
}

/// Rules that the clusters follow: they count whether or not a phone looked at them.
const OF_CLUSTERS: [Key; 8] = [
    Key::TvsRestartNeeded,
    Key::TvsRolesOfStore,
    Key::TvsMiss,
    Key::BlankItl,
    Key::DigestScope,
    Key::SignerKeyBits,
    Key::TvsAnswerTtl,
    Key::SignerVersion,
];

/// Rules of bulk certificate management that can decide what an import brings. File names, password,
/// form and a second consolidation cannot: both clusters follow them alike, and the certificates are
/// the same.
const OF_EXCHANGES: [Key; 7] = [
    Key::BulkTftpTypeCarriesItlRecovery,
    Key::BulkCapfType,
    Key::BulkImportOwn,
    Key::BulkImportStale,
    Key::BulkExpired,
    Key::BulkRejectNewerRelease,
    Key::BulkImportResetsPhones,
];

/// Rules that phones use when they first boot, in their own cluster: what they hold afterwards, and
/// so the verdict, can hang on these too. That boot ends before the first step, so it is made once
/// more, as one.
fn used_at_home(scenario: &Scenario) -> Vec<Key> {
    let first_boot = Step {
        span: Span { start: 0, end: 0 },
        verb: Verb::FactoryReset,
        action: Action::FactoryReset {
            phones: Selector::all(),
        },
    };
    let at_home = Scenario {
        steps: vec![first_boot],
        expectations: Vec::new(),
        ..scenario.clone()
    };
    let booted = rehearse(&at_home, Network::Sim, Pace::Real, None, &mut |_| {});
    // It was built before, so it can be built.
    let phones = booted.map(|r| r.phones).unwrap_or_default();
    phones.into_iter().flat_map(|p| p.used).collect()
}

fn verdicts_in_sim(scenario: &Scenario, forced: Option<(Key, i64)>) -> Vec<Verdict> {
    match rehearse(scenario, Network::Sim, Pace::Real, forced, &mut |_| {}) {
        Ok(rehearsed) => fates(&rehearsed).iter().map(|f| f.verdict).collect(),
        // A world that cannot even be built under the other choice is another outcome.
        Err(_) => vec![Verdict::Unknown; scenario.phone_count()],
    }
}

fn told(phone: &LabPhone, decisive: &[Key]) -> RestsOn {
    let named = |k: &Key| rules::rule(*k).name.to_owned();
    let basis = decisive
        .first()
        .map_or(Basis::Documented, |&k| phone.setup.settings.basis(k));
    let rest = phone.used.iter().filter(|k| !decisive.contains(k));
    RestsOn {
        basis,
        rules: decisive.iter().map(named).collect(),
        trace: rest.map(named).collect(),
    }
}
