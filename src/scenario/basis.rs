//! What a verdict rests on: the weakest rule whose other listed choice would change it.
//!
//! It is found by trying: the scenario runs again in virtual time with each other choice of each
//! rule that was used, and the phones' verdicts are compared.

use std::collections::BTreeMap;

use super::driver::Network;
use super::judge::{Fate, fates};
use super::model::Scenario;
use super::run::{LabPhone, rehearse};
use super::words::Verdict;
use crate::phone::Pace;
use crate::trust::rules::{self, Basis, Key, RULES};

/// What the verdict of one phone rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestsOn {
    /// The basis of the weakest rule that matters.
    pub basis: Basis,
    /// The rules of that basis whose other choice changes the verdict.
    pub rules: Vec<String>,
    /// The other rules that were used.
    pub trace: Vec<String>,
}

/// Finds out for every phone. Rules of the clusters count for each phone, whether or not its own
/// boot used them.
pub(super) fn rests_on(scenario: &Scenario, phones: &[LabPhone], fates: &[Fate]) -> Vec<RestsOn> {
    let mut matters: Vec<Vec<Key>> = phones.iter().map(|_| Vec::new()).collect();
    let mut cache: BTreeMap<(Key, i64), Vec<Verdict>> = BTreeMap::new();
    for rule in RULES {
        let users: Vec<usize> = (0..phones.len())
            .filter(|&i| is_candidate(rule.key, &phones[i]))
            .collect();
        let Some(&first) = users.first() else {
            continue;
        };
        let value = phones[first].setup.settings.peek(rule.key);
        for other in rule.others(value) {
            let verdicts = cache
                .entry((rule.key, other))
                .or_insert_with(|| verdicts_with(scenario, rule.key, other));
            for &i in &users {
                let differs = verdicts.get(i).is_some_and(|&v| v != fates[i].verdict);
                if differs && !matters[i].contains(&rule.key) {
                    matters[i].push(rule.key);
                }
            }
        }
    }
    phones
        .iter()
        .zip(matters)
        .map(|(p, keys)| weakest(p, &keys))
        .collect()
}

/// Rules that are sure cannot weaken a verdict, so they need not be tried.
fn is_candidate(key: Key, phone: &LabPhone) -> bool {
    phone.setup.settings.basis(key) > Basis::Documented
        && (phone.used.contains(&key) || is_of_cluster(key))
}

/// Rules that the clusters follow.
fn is_of_cluster(key: Key) -> bool {
    matches!(
        key,
        Key::TvsRestartNeeded
            | Key::TvsRolesOfStore
            | Key::TvsMiss
            | Key::BlankItl
            | Key::DigestScope
            | Key::SignerKeyBits
    )
}

fn verdicts_with(scenario: &Scenario, key: Key, value: i64) -> Vec<Verdict> {
    let forced = Some((key, value));
    match rehearse(scenario, Network::Sim, Pace::Real, forced, &mut |_| {}) {
        Ok(rehearsed) => fates(&rehearsed).iter().map(|f| f.verdict).collect(),
        // A world that cannot even be built under the other choice is another outcome.
        Err(_) => vec![Verdict::Unknown; scenario.phone_count()],
    }
}

fn weakest(phone: &LabPhone, keys: &[Key]) -> RestsOn {
    let basis_of = |k: &Key| phone.setup.settings.basis(*k);
    let basis = keys.iter().map(basis_of).max().unwrap_or(Basis::Documented);
    let named = |k: &Key| rules::rule(*k).name.to_owned();
    let decisive = keys
        .iter()
        .filter(|k| basis_of(k) == basis)
        .map(named)
        .collect();
    let trace = phone
        .used
        .iter()
        .filter(|k| !keys.contains(k))
        .map(named)
        .collect();
    RestsOn {
        basis,
        rules: decisive,
        trace,
    }
}
