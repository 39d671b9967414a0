//! What a verdict rests on: the weakest rule whose other listed choice would change it.
//!
//! It is found by trying: the scenario runs again in virtual time with each other choice of each
//! rule that was used, and the phones' verdicts are compared. The weakest rules are tried first, and
//! a phone whose verdict one of them changes needs no trial of a stronger one. Of phones that live
//! through the same whatever is chosen (`classes`) one is tried for all.

use std::collections::{BTreeMap, BTreeSet};

use super::alike::{self, Moment};
use super::classes::classes;
use super::lanes::{Forced, Lane, counts_between_boots, trial, trials};
use super::model::{Action, Scenario, ServiceChange, Step, StoppableService};
use super::run::LabPhone;
use super::words::{Tls, Verdict};
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

/// Finds out for every phone.
pub(super) fn rests_on(scenario: &Scenario, phones: &[LabPhone], depth: Depth) -> Vec<RestsOn> {
    searched(scenario, phones, &classes(scenario, phones), depth)
}

/// The same, where the first phone of each class stands for it.
fn searched(
    scenario: &Scenario,
    phones: &[LabPhone],
    classes: &[Vec<usize>],
    depth: Depth,
) -> Vec<RestsOn> {
    let all: Vec<usize> = classes.iter().filter_map(|c| c.first().copied()).collect();
    let mut found: Vec<Vec<Key>> = phones.iter().map(|_| Vec::new()).collect();
    // Trials run in virtual time, so they are compared with a run there. No choice hangs on the
    // cryptography of TLS.
    let scenario = &Scenario {
        tls: Tls::Modelled,
        ..scenario.clone()
    };
    let used = used(scenario, phones);
    let bases: &[Basis] = match depth {
        // Documented is what remains.
        Depth::Basis => &[Basis::Assumed, Basis::Inferred],
        Depth::Rules => &[Basis::Assumed, Basis::Inferred, Basis::Documented],
    };
    let mut search = Search::begin(scenario, phones, &all, &used, bases);
    for &basis in bases {
        let open: Vec<usize> = all
            .iter()
            .copied()
            .filter(|&i| found[i].is_empty())
            .collect();
        let questions = questions(phones, &open, &used, basis);
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
            for i in search.changed(&questions[place..], still, &tried) {
                found[i].push(forced.0);
            }
        }
        // The same choice may be asked about again, for phones with another basis.
        search.answers.clear();
    }
    for class in classes {
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

/// How many trials run beside each other, once the weakest rules are answered. One run for all would
/// be one more lab saved, and trials in vain where an early one decides.
const LANES: usize = 24;

/// The trials so far.
struct Search<'a> {
    scenario: &'a Scenario,
    /// The run without a choice forced.
    usual: Trial,
    /// What its phones felt.
    felt: BTreeSet<(usize, Key)>,
    /// Its boots.
    moments: Vec<Moment>,
    /// Its phones at the end.
    ends: Vec<LabPhone>,
    /// To questions of the basis in turn.
    answers: BTreeMap<Forced, Trial>,
}

impl<'a> Search<'a> {
    /// The run that trials are compared with, and beside it the trials of the weakest rules.
    fn begin(
        scenario: &'a Scenario,
        phones: &[LabPhone],
        tried: &[usize],
        used: &BTreeSet<Key>,
        bases: &[Basis],
    ) -> Self {
        let asked = |&basis: &Basis| questions(phones, tried, used, basis);
        let all = bases.iter().flat_map(asked).map(|q| q.forced).collect();
        let weakest = bases.first().map(asked).unwrap_or_default();
        let lanes = weakest
            .into_iter()
            .filter(|_| Lane::can_run_beside(scenario))
            .filter_map(|q| Some((Lane::new(scenario, q.forced, &q.tried)?, q)));
        let (lanes, asked): (Vec<_>, Vec<_>) = lanes.unzip();
        let beside = trials(scenario, tried, lanes, all);
        let answers = asked.into_iter().zip(beside.lanes);
        Self {
            scenario,
            usual: Trial {
                phones: tried.to_vec(),
                verdicts: beside.verdicts,
            },
            felt: beside.felt,
            moments: beside.moments,
            ends: beside.phones,
            answers: answers
                .map(|(Question { forced, tried }, verdicts)| {
                    let phones = tried;
                    (forced, Trial { phones, verdicts })
                })
                .collect(),
        }
    }

    /// The phones of `tried` whose verdict the first of these questions changes. `still` says about
    /// which phones a question is still open.
    fn changed(
        &mut self,
        questions: &[Question],
        still: impl Fn(&Question) -> Vec<usize>,
        tried: &[usize],
    ) -> Vec<usize> {
        let Some(Question { forced, .. }) = questions.first() else {
            return Vec::new();
        };
        if !self.answers.contains_key(forced) {
            let answers = self.ask(questions, still);
            self.answers.extend(answers);
        }
        let Some(trial) = self.answers.get(forced) else {
            return Vec::new();
        };
        let is_changed = |&i: &usize| trial.verdict(i) != self.usual.verdict(i);
        tried.iter().copied().filter(is_changed).collect()
    }

    /// The verdicts of these phones in a lab of their own.
    fn by_itself(&self, forced: Forced, phones: &[usize]) -> Vec<Verdict> {
        let is_felt = counts_between_boots(self.scenario, forced.0)
            || phones.iter().any(|&i| self.felt.contains(&(i, forced.0)));
        let beside = (!is_felt && !self.moments.is_empty()).then(|| {
            let usual = |i| self.usual.verdict(i);
            let noted = (&*self.moments, &*self.ends);
            alike::trial(self.scenario, forced, phones, noted, usual)
        });
        beside
            .flatten()
            .unwrap_or_else(|| trial(self.scenario, Some(forced), phones))
    }

    /// Answers the first of these questions, unless no verdict can hang on it, and others where that
    /// costs little more.
    fn ask(
        &self,
        questions: &[Question],
        still: impl Fn(&Question) -> Vec<usize>,
    ) -> Vec<(Forced, Trial)> {
        let Some((first, more)) = questions.split_first() else {
            return Vec::new();
        };
        let tried = still(first);
        let first_lane = match Lane::new(self.scenario, first.forced, &tried) {
            Some(lane) if !lane.is_concerned(&self.felt) => return Vec::new(),
            Some(lane) if Lane::can_run_beside(self.scenario) => lane,
            _ => {
                let verdicts = self.by_itself(first.forced, &tried);
                let trial = Trial {
                    phones: tried,
                    verdicts,
                };
                return vec![(first.forced, trial)];
            }
        };
        let lane = |q: &Question| {
            let tried = still(q);
            let lane =
                (!tried.is_empty()).then(|| Lane::new(self.scenario, q.forced, &tried))??;
            lane.is_concerned(&self.felt)
                .then_some(((q.forced, tried), lane))
        };
        let first = ((first.forced, tried), first_lane);
        let more = more.iter().filter_map(lane);
        let (asked, lanes): (Vec<_>, Vec<_>) =
            std::iter::once(first).chain(more).take(LANES).unzip();
        let watched = asked.iter().map(|(forced, _)| *forced).collect();
        let answers = asked
            .into_iter()
            .zip(trials(self.scenario, &[], lanes, watched).lanes);
        answers
            .map(|((forced, phones), verdicts)| (forced, Trial { phones, verdicts }))
            .collect()
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
    let has = |wanted: fn(&Action) -> bool| {
        scenario.steps.iter().any(|s| match &s.action {
            Action::Later { action, .. } => wanted(action),
            action => wanted(action),
        })
    };
    if has(|a| matches!(a, Action::DamageFile { .. })) && has(starts_tftp) {
        used.insert(Key::TftpStartMends);
    }
    // No phone need have taken the lease whose servers the verdict compares with.
    if counts_between_boots(scenario, Key::DhcpPrecedence) {
        used.insert(Key::DhcpPrecedence);
    }
    let is_exchange = |s: &Step| matches!(s.action, Action::Bulk { .. });
    if scenario.steps.iter().any(is_exchange) {
        used.extend(OF_EXCHANGES);
    }
    used
}

fn starts_tftp(action: &Action) -> bool {
    match action {
        Action::ChangeService {
            change, service, ..
        } => *change != ServiceChange::Stop && *service == StoppableService::Tftp,
        Action::SwitchPower { on, .. } => *on,
        _ => false,
    }
}

/// Rules that the clusters follow: they count whether or not a phone looked at them.
const OF_CLUSTERS: [Key; 9] = [
    Key::TvsRestartNeeded,
    Key::TvsRolesOfStore,
    Key::TvsMiss,
    Key::LscTrustedBy,
    Key::SignerKeyBits,
    Key::TvsAnswerTtl,
    Key::SignerVersion,
    Key::SignedDefault,
    Key::HttpMissing,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::Pace;
    use crate::scenario::explore::generate;
    use crate::scenario::run::rehearse;
    use crate::scenario::{Network, Rules, parse};

    /// In generated worlds a phone that another one stood for rests on what it rests on alone.
    #[test]
    fn shared_answers_are_each_phones_own() {
        let mut shared = 0;
        for world in 0..200 {
            if shared >= 6 {
                break;
            }
            let text = generate(world).to_toml();
            let scenario = parse("world", &text, &Rules).unwrap();
            let run = rehearse(&scenario, Network::Sim, Pace::Real, None, &mut |_| {});
            let phones = run.unwrap().phones;
            let classes = classes(&scenario, &phones);
            if classes.len() == phones.len() {
                continue;
            }
            shared += phones.len() - classes.len();
            let alone: Vec<_> = (0..phones.len()).map(|i| vec![i]).collect();
            let of = |classes: &[Vec<usize>]| searched(&scenario, &phones, classes, Depth::Rules);
            assert_eq!(of(&classes), of(&alone), "world {world}:\n{text}");
        }
        assert!(shared >= 6, "only {shared} phones shared an answer");
    }
}
