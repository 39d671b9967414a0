//! What a verdict rests on: the weakest rule whose other listed choice would change it.
//!
//! It is found by trying: the scenario runs again in virtual time with each other choice of each
//! rule that was used, and the phones' verdicts are compared. The weakest rules are tried first, and
//! a phone whose verdict one of them changes needs no trial of a stronger one. Of phones that lived
//! through the same one is tried for all.

use std::collections::BTreeSet;
use std::mem::{Discriminant, discriminant};

use super::judge::{Fate, verdicts};
use super::model::{Action, Scenario, Step};
use super::run::{LabPhone, trial};
use super::words::{Tls, Verdict};
use crate::event::Kind;
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

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// For the basis, and one rule of it.
    Basis,
    /// For every rule of that basis.
    Rules,
}

/// Finds out for every phone. `fates` are theirs, in the same order.
pub(super) fn rests_on(
    scenario: &Scenario,
    phones: &[LabPhone],
    fates: &[Fate],
    depth: Depth,
) -> Vec<RestsOn> {
    let classes = classes(scenario, phones, fates);
    // The first phone of each class stands for it.
    let all: Vec<usize> = classes.iter().filter_map(|c| c.first().copied()).collect();
    let mut found: Vec<Vec<Key>> = phones.iter().map(|_| Vec::new()).collect();
    // Trials run in virtual time, so they are compared with a run there. No choice hangs on the
    // cryptography of TLS.
    let scenario = &Scenario {
        tls: Tls::Modelled,
        ..scenario.clone()
    };
    let used = used(scenario, phones);
    let baseline = Trial::run(scenario, None, &all);
    for basis in [Basis::Assumed, Basis::Inferred, Basis::Documented] {
        if depth == Depth::Basis && basis == Basis::Documented {
            // It is what remains.
            break;
        }
        let mut open: Vec<usize> = all.clone();
        open.retain(|&i| found[i].is_empty());
        for &key in &used {
            let settings = |i: usize| &phones[i].setup.settings;
            let concerned = |i: usize| {
                let is_decided = depth == Depth::Basis && !found[i].is_empty();
                settings(i).basis(key) == basis && !is_decided
            };
            let concerned: Vec<usize> = open.iter().copied().filter(|&i| concerned(i)).collect();
            // Phones of two families may follow the rule differently.
            let values: BTreeSet<i64> = concerned.iter().map(|&i| settings(i).peek(key)).collect();
            let others: BTreeSet<i64> = values
                .iter()
                .flat_map(|&value| rules::rule(key).others(value))
                .collect();
            for other in others {
                let mut tried = concerned.clone();
                tried.retain(|&i| settings(i).peek(key) != other && !found[i].contains(&key));
                if tried.is_empty() {
                    continue;
                }
                let trial = Trial::run(scenario, Some((key, other)), &tried);
                for &i in &tried {
                    if trial.verdict(i) != baseline.verdict(i) {
                        found[i].push(key);
                    }
                }
            }
        }
    }
    for class in &classes {
        if let [first, rest @ ..] = class.as_slice() {
            for &i in rest {
                found[i] = found[*first].clone();
            }
        }
    }
    let told = |(phone, mut found): (&LabPhone, Vec<Key>)| {
        found.sort_unstable();
        told(phone, &found)
    };
    phones.iter().zip(found).map(told).collect()
}

/// Phones that no rule can tell apart: the same model in the same group, in the same steps, with
/// the same events in the same order, and the same fate.
fn classes(scenario: &Scenario, phones: &[LabPhone], fates: &[Fate]) -> Vec<Vec<usize>> {
    let mut groups = vec![0; phones.len()];
    for (number, group) in scenario.phones.iter().enumerate() {
        for place in group.numbers().filter_map(|n| n.checked_sub(1)) {
            if let Some(g) = groups.get_mut(place) {
                *g = number;
            }
        }
    }
    let mut classes: Vec<(Life<'_>, Vec<usize>)> = Vec::new();
    for (i, (phone, fate)) in phones.iter().zip(fates).enumerate() {
        let life = Life::of(groups[i], phone, fate);
        match classes.iter_mut().find(|(l, _)| *l == life) {
            Some((_, class)) => class.push(i),
            None => classes.push((life, vec![i])),
        }
    }
    classes.into_iter().map(|(_, class)| class).collect()
}

/// What makes phones alike.
#[derive(PartialEq)]
struct Life<'a> {
    group: usize,
    verdict: Verdict,
    reasons: Vec<&'static str>,
    used: [&'a [Key]; 2],
    /// Every boot with its cause and its servers, which also tells in which steps it took part.
    events: Vec<(Discriminant<Kind>, Option<&'a Kind>)>,
}

impl<'a> Life<'a> {
    fn of(group: usize, phone: &'a LabPhone, fate: &Fate) -> Self {
        let events = phone.home_events.iter().chain(&phone.events);
        Self {
            group,
            verdict: fate.verdict,
            reasons: fate.reasons.iter().map(|r| r.code).collect(),
            used: [&phone.home_used, &phone.used],
            events: events
                .map(|e| {
                    let is_boot = matches!(e.kind, Kind::Boot { .. });
                    (discriminant(&e.kind), is_boot.then_some(&e.kind))
                })
                .collect(),
        }
    }
}

/// Rules on which a verdict can hang: those that a phone used, at home and since, and those of the
/// clusters. A rule that nobody looked at has no other outcome.
fn used(scenario: &Scenario, phones: &[LabPhone]) -> BTreeSet<Key> {
    let of_phone = |p: &LabPhone| {
        p.home_used
            .iter()
            .chain(&p.used)
            .copied()
            .collect::<Vec<_>>()
    };
    let mut used: BTreeSet<Key> = phones.iter().flat_map(of_phone).collect();
    used.extend(OF_CLUSTERS);
    let is_exchange = |s: &Step| matches!(s.action, Action::Bulk { .. });
    if scenario.steps.iter().any(is_exchange) {
        used.extend(OF_EXCHANGES);
    }
    used
}

/// Rules that the clusters follow: they count whether or not a phone looked at them.
const OF_CLUSTERS: [Key; 9] = [
    Key::TvsRestartNeeded,
    Key::TvsRolesOfStore,
    Key::TvsMiss,
    Key::LscTrustedBy,
    Key::BlankItl,
    Key::DigestScope,
    Key::SignerKeyBits,
    Key::TvsAnswerTtl,
    Key::SignerVersion,
];

/// Rules of bulk certificate management that can decide what an import brings. File names, password,
/// form and a second consolidation cannot: both clusters follow them alike, and the certificates are
/// the same.
const OF_EXCHANGES: [Key; 8] = [
    Key::BulkTftpTypeCarriesItlRecovery,
    Key::BulkCapfType,
    Key::BulkImportOwn,
    Key::BulkImportStale,
    Key::BulkExpired,
    Key::BulkRejectNewerRelease,
    Key::BulkEcdsaStore,
    Key::BulkImportResetsPhones,
];

/// A run with a rule set to another choice.
struct Trial {
    phones: Vec<usize>,
    verdicts: Vec<Verdict>,
}

impl Trial {
    fn run(scenario: &Scenario, forced: Option<(Key, i64)>, phones: &[usize]) -> Self {
        let verdicts = match trial(scenario, forced, phones) {
            Ok(rehearsed) => verdicts(&rehearsed, phones),
            // A world that cannot even be built under the other choice is another outcome.
            Err(_) => vec![Verdict::Unknown; phones.len()],
        };
        Self {
            phones: phones.to_vec(),
            verdicts,
        }
    }

    /// The verdict of a phone that took part.
    fn verdict(&self, phone: usize) -> Option<Verdict> {
        let place = self.phones.iter().position(|&p| p == phone)?;
        self.verdicts.get(place).copied()
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
