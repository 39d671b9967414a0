//! What a verdict rests on: the weakest rule whose other listed choice would change it.
//!
//! It is found by trying: the scenario runs again in virtual time with each other choice of each
//! rule that was used, and the phones' verdicts are compared. The weakest rules are tried first, and
//! a phone whose verdict one of them changes needs no trial of a stronger one. Of phones that lived
//! through the same one is tried for all.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{Discriminant, discriminant};

use super::judge::Fate;
use super::lanes::{Forced, Lane, trial, trials};
use super::model::{Action, Scenario, Step};
use super::run::LabPhone;
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
        let open: Vec<usize> = all
            .iter()
            .copied()
            .filter(|&i| found[i].is_empty())
            .collect();
        let questions = questions(phones, &open, &used, basis);
        let mut answers: BTreeMap<Forced, Trial> = BTreeMap::new();
        for (place, Question { forced, .. }) in questions.iter().enumerate() {
            let is_open = |i: usize, key: Key| match depth {
                Depth::Basis => found[i].is_empty(),
                Depth::Rules => !found[i].contains(&key),
            };
            let still = |q: &Question| {
                let mut tried = q.tried.clone();
                tried.retain(|&i| is_open(i, q.forced.0));
                tried
            };
            let tried = still(&questions[place]);
            if tried.is_empty() {
                continue;
            }
            if !answers.contains_key(forced) {
                answers.extend(ask(scenario, &questions[place..], still));
            }
            let Some(trial) = answers.get(forced) else {
                continue;
            };
            for i in tried {
                if trial.verdict(i) != baseline.verdict(i) {
                    found[i].push(forced.0);
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

/// Whether another choice of a rule changes the verdict of these phones.
struct Question {
    forced: Forced,
    tried: Vec<usize>,
}

/// What there is to ask of phones whose verdict no weaker rule changes, in the order of the rules.
fn questions(
    phones: &[LabPhone],
    open: &[usize],
    used: &BTreeSet<Key>,
    basis: Basis,
) -> Vec<Question> {
    let settings = |i: usize| &phones[i].setup.settings;
    let mut questions = Vec::new();
    for &key in used {
        let mut concerned = open.to_vec();
        concerned.retain(|&i| settings(i).basis(key) == basis);
        // Phones of two families may follow the rule differently.
        let values: BTreeSet<i64> = concerned.iter().map(|&i| settings(i).peek(key)).collect();
        let others: BTreeSet<i64> = values
            .iter()
            .flat_map(|&value| rules::rule(key).others(value))
            .collect();
        questions.extend(others.into_iter().map(|other| {
            let mut tried = concerned.clone();
            tried.retain(|&i| settings(i).peek(key) != other);
            Question {
                forced: (key, other),
                tried,
            }
        }));
    }
    questions
}

/// How many trials run beside each other. One run for all would be one more lab saved, and trials
/// in vain where an early one decides.
const LANES: usize = 24;

/// Answers the first of these questions, and others where that costs little more. `still` says
/// about which phones a question is still open.
fn ask(
    scenario: &Scenario,
    questions: &[Question],
    still: impl Fn(&Question) -> Vec<usize>,
) -> Vec<(Forced, Trial)> {
    let lane = |q: &Question| {
        let tried = still(q);
        let lane = (!tried.is_empty()).then(|| Lane::new(scenario, q.forced, &tried))??;
        Some(((q.forced, tried), lane))
    };
    let Some(first) = questions.first() else {
        return Vec::new();
    };
    let Some(first_lane) = lane(first) else {
        let tried = still(first);
        return vec![(
            first.forced,
            Trial::run(scenario, Some(first.forced), &tried),
        )];
    };
    let more = questions.iter().skip(1).filter_map(lane);
    let (asked, lanes): (Vec<_>, Vec<_>) =
        std::iter::once(first_lane).chain(more).take(LANES).unzip();
    let answers = asked.into_iter().zip(trials(scenario, lanes));
    answers
        .map(|((forced, phones), verdicts)| (forced, Trial { phones, verdicts }))
        .collect()
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
    let is_set = |parameter: &str| {
        let of_clusters = scenario.clusters.iter().flat_map(|c| &c.parameters);
        let of_steps = scenario.steps.iter().filter_map(|s| match &s.action {
            Action::SetParameter { parameter, .. } => Some(parameter),
            _ => None,
        });
        of_clusters
            .chain(of_steps)
            .any(|p| p.name.value == parameter)
    };
    for (key, parameter) in OF_PARAMETERS {
        if is_set(parameter) {
            used.insert(key);
        }
    }
    let removes = |s: &Step| matches!(s.action, Action::RemovePhones { .. });
    if scenario.steps.iter().any(removes) {
        used.insert(Key::SignedDefault);
    }
    let is_exchange = |s: &Step| matches!(s.action, Action::Bulk { .. });
    if scenario.steps.iter().any(is_exchange) {
        used.extend(OF_EXCHANGES);
    }
    used
}

/// Rules that the clusters follow: they count whether or not a phone looked at them.
const OF_CLUSTERS: [Key; 7] = [
    Key::TvsRestartNeeded,
    Key::TvsRolesOfStore,
    Key::TvsMiss,
    Key::LscTrustedBy,
    Key::SignerKeyBits,
    Key::TvsAnswerTtl,
    Key::SignerVersion,
];

/// Rules of the clusters about what an enterprise parameter does. Where it is not set, neither at
/// first nor by a step, nobody looks at them.
const OF_PARAMETERS: [(Key, &str); 2] = [
    (Key::BlankItl, "prepare-cluster-for-rollback"),
    (Key::DigestScope, "tftp-file-signature-algorithm"),
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
    fn run(scenario: &Scenario, forced: Option<Forced>, phones: &[usize]) -> Self {
        Self {
            phones: phones.to_vec(),
            verdicts: trial(scenario, forced, phones),
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
