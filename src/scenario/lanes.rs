//! Trials: runs with a rule set to another choice, to see what hangs on it.
//!
//! A rule that the clusters follow makes another lab, so its trial is a run of its own. A rule that
//! phones alone follow, or clusters only while they answer, leaves the lab as it is, and no phone
//! changes what a cluster does: such trials run beside each other as lanes of one run, over one lab. In a lane a phone has
//! a clock and a network of its own, and has them only from the first boot on in which the run's own
//! phone feels the lane's rule; before that nothing can differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::alike::{Beside, Moment};
use super::build;
use super::driver::{Driver, Network};
use super::exchange::bulk_settings;
use super::judge::{verdict, verdicts};
use super::model::{Action, Scenario, Step};
use super::run::{LabPhone, Rehearsed, Run, RunError, Snapshot, lock};
use super::words::Verdict;
use crate::cluster::{Answers, ClusterError, Lab, answers_of_tvs};
use crate::event::Event;
use crate::phone::BootCause;
use crate::time::Time;
use crate::trust::rules::{Key, Settings, rule};

/// A rule, and the choice that it is set to.
pub(super) type Forced = (Key, i64);

/// The verdicts of these phones, in their order, where the others stay off.
pub(super) fn trial(scenario: &Scenario, forced: Option<Forced>, phones: &[usize]) -> Vec<Verdict> {
    let run = || -> Result<Rehearsed, RunError> {
        let mut silent = |_: &Event| {};
        let mut run = Run::start_trial(scenario, forced, &mut silent)?;
        run.only = Some(phones.iter().copied().collect());
        run.finish()
    };
    match run() {
        Ok(rehearsed) => verdicts(&rehearsed, phones),
        // A world that cannot even be built under the other choice is another outcome.
        Err(_) => unknown(phones),
    }
}

/// What came of a run without a choice forced, and of the lanes beside it.
pub(super) struct Usual {
    /// The verdicts of the run's own phones, in their order.
    pub(super) verdicts: Vec<Verdict>,
    /// The verdicts of each lane's phones, in their order.
    pub(super) lanes: Vec<Vec<Verdict>>,
    /// The rules that the run's own phones felt, of those that were watched.
    pub(super) felt: BTreeSet<(usize, Key)>,
    /// Its boots, where trials can be taken beside it.
    pub(super) moments: Vec<Moment>,
    /// All its phones at the end.
    pub(super) phones: Vec<LabPhone>,
}

/// The same for several choices, of which each makes a [`Lane`], beside a run of these phones without
/// a choice forced. `watched` are the choices of which to know whether the phones feel them: those of
/// the lanes at least.
pub(super) fn trials(
    scenario: &Scenario,
    phones: &[usize],
    lanes: Vec<Lane>,
    watched: Arc<[Forced]>,
) -> Usual {
    let of_lanes: Vec<_> = lanes.iter().map(|l| l.phones.clone()).collect();
    let run = || -> Result<Usual, RunError> {
        let mut silent = |_: &Event| {};
        let mut run = Run::start_trial(scenario, None, &mut silent)?;
        run.only = Some(
            phones
                .iter()
                .chain(of_lanes.iter().flatten())
                .copied()
                .collect(),
        );
        for phone in &mut run.phones {
            phone.setup.settings.watch(Arc::clone(&watched));
        }
        run.lanes = lanes;
        if Lane::can_run_beside(scenario) {
            run.beside = Beside::Noting(Vec::new());
        }
        run.take_steps()?;
        let moments = match run.beside {
            Beside::Noting(moments) => moments,
            _ => Vec::new(),
        };
        let felt = std::mem::take(&mut run.felt);
        let lab = lock(&run.lab);
        let of_lane = |lane: &Lane| {
            let of = |i: &usize| match lane.own.get(i) {
                Some(own) => verdict(&own.phone, &lab),
                None => verdict(&run.phones[*i], &lab),
            };
            lane.phones.iter().map(of).collect()
        };
        let verdicts = phones.iter().map(|&i| verdict(&run.phones[i], &lab));
        Ok(Usual {
            verdicts: verdicts.collect(),
            lanes: run.lanes.iter().map(of_lane).collect(),
            felt,
            moments,
            phones: std::mem::take(&mut run.phones),
        })
    };
    // As for one trial: the lab is the same for all.
    run().unwrap_or_else(|_| Usual {
        verdicts: unknown(phones),
        lanes: of_lanes.iter().map(|p| unknown(p)).collect(),
        felt: BTreeSet::new(),
        moments: Vec::new(),
        phones: Vec::new(),
    })
}

fn unknown(phones: &[usize]) -> Vec<Verdict> {
    vec![Verdict::Unknown; phones.len()]
}

/// True if a rule of phones counts between their boots too, where no phone feels it: with options 66
/// and 150 at once it says which servers a phone should ask. The verdict compares with them.
pub(super) fn counts_between_boots(scenario: &Scenario, key: Key) -> bool {
    let has_both = |s: &Step| {
        matches!(
            s.action,
            Action::SetOption66 {
                beside_150: true,
                ..
            }
        )
    };
    key == Key::DhcpPrecedence && scenario.steps.iter().any(has_both)
}

/// Says of a phone with this index whether it is one of those that are meant.
pub(super) type Which<'a> = &'a dyn Fn(usize, &LabPhone, &Lab) -> bool;

/// A trial of a rule that leaves the lab as it is.
#[derive(Debug)]
pub(super) struct Lane {
    forced: Forced,
    /// The phones that it is about.
    phones: Vec<usize>,
    /// How the clusters answer phones, where the rule is about that.
    answers: Option<Answers>,
    /// Those of the phones that have felt the rule.
    own: BTreeMap<usize, Own>,
}

/// A phone that goes its own way.
#[derive(Debug)]
struct Own {
    phone: LabPhone,
    driver: Driver,
}

impl Lane {
    /// A lane for these phones; none where the rule makes another lab, or counts between boots.
    pub(super) fn new(scenario: &Scenario, forced: Forced, phones: &[usize]) -> Option<Self> {
        if counts_between_boots(scenario, forced.0) {
            return None;
        }
        let settings = |forced| build::settings(Settings::default(), scenario, forced);
        let (usual, other) = (settings(None), settings(Some(forced)));
        let answers = |s: &Settings| Answers::new(answers_of_tvs(s), &build::cluster_settings(s));
        let (usual_answers, answers) = (answers(&usual), answers(&other));
        let mut clusters = build::cluster_settings(&usual);
        answers.apply(&mut clusters);
        let exchange = |s| bulk_settings(Network::Sim, s);
        let is_same_lab =
            clusters == build::cluster_settings(&other) && exchange(&usual) == exchange(&other);
        is_same_lab.then(|| Self {
            forced,
            phones: phones.to_vec(),
            answers: (answers != usual_answers).then_some(answers),
            own: BTreeMap::new(),
        })
    }

    /// True if lanes can run beside a run of the scenario. Links, and what is planned for the middle
    /// of a boot, are part of a run's world.
    pub(super) fn can_run_beside(scenario: &Scenario) -> bool {
        scenario.needs_virtual_time().is_none()
    }

    /// Time passes between boots.
    pub(super) fn wait(&mut self, duration: Duration) {
        for own in self.own.values_mut() {
            own.driver.wait(duration);
        }
    }

    /// True if boots are other ones in this lane than they were with these rules felt.
    pub(super) fn is_concerned(&self, felt: &BTreeSet<(usize, Key)>) -> bool {
        self.concerned(felt).next().is_some()
    }

    /// The phones whose boots are other ones.
    fn concerned(&self, felt: &BTreeSet<(usize, Key)>) -> impl Iterator<Item = usize> {
        let is_concerned = |&i: &usize| {
            // What clusters do no phone feels. A TVS answers whoever puts a question, which has tags.
            let is_answered = self.answers.is_some() && felt.contains(&(i, Key::QueryIssuerTag));
            is_answered || felt.contains(&(i, self.forced.0))
        };
        self.phones.iter().copied().filter(is_concerned)
    }
}

impl Run<'_> {
    /// Changes phones between their boots, in every lane.
    pub(super) fn each_phone(
        &mut self,
        indices: impl IntoIterator<Item = usize>,
        change: impl Fn(&mut LabPhone),
    ) {
        for i in indices {
            change(&mut self.phones[i]);
            for lane in &mut self.lanes {
                if let Some(own) = lane.own.get_mut(&i) {
                    change(&mut own.phone);
                }
            }
        }
    }

    /// Boots the phones of which this is true: in this run, and in each lane, where it may be true of
    /// others.
    pub(super) fn boot_where(
        &mut self,
        is_one: Which<'_>,
        cause: BootCause,
    ) -> Result<(), ClusterError> {
        // A trial that has been like the usual run has not booted its phones: the usual one's count.
        let noted = self.noted_boot();
        let indices = noted.unwrap_or_else(|| self.phones_where(is_one));
        if self.is_boot_known(&indices, cause) {
            return Ok(());
        }
        let indices = self.phones_where(is_one);
        if self.lanes.is_empty() {
            return self.boot_here(&indices, cause);
        }
        self.boot_lanes(&indices, is_one, cause)
    }

    fn phones_where(&self, is_one: Which<'_>) -> Vec<usize> {
        let lab = lock(&self.lab);
        let phones = self.phones.iter().enumerate();
        let those = phones.filter(|(i, p)| is_one(*i, p, &lab));
        those.map(|(i, _)| i).collect()
    }

    /// Boots phones in this run, then in each lane those of its own that `is_one` of, where that is
    /// another boot.
    pub(super) fn boot_lanes(
        &mut self,
        indices: &[usize],
        is_one: Which<'_>,
        cause: BootCause,
    ) -> Result<(), ClusterError> {
        let now = self.driver.now();
        let before: Vec<(usize, Snapshot)> = self
            .only
            .iter()
            .flatten()
            .map(|&i| (i, Snapshot::of(&self.phones[i])))
            .collect();
        let felt_before = std::mem::take(&mut self.felt);
        self.boot_here(indices, cause)?;
        let felt = std::mem::take(&mut self.felt);
        let mut lanes = std::mem::take(&mut self.lanes);
        for lane in &mut lanes {
            let mut parting: Vec<_> = lane.concerned(&felt).collect();
            parting.retain(|i| !lane.own.contains_key(i));
            for i in parting {
                let own = self.part(lane.forced, i, &before, now);
                lane.own.insert(i, own);
            }
            self.boot_lane(lane, is_one, cause)?;
        }
        self.lanes = lanes;
        // What the lanes' phones felt is their own affair.
        self.felt = felt_before;
        self.felt.extend(felt);
        Ok(())
    }

    /// A phone with a world of its own, as the run's were before this boot.
    fn part(&self, (key, value): Forced, i: usize, before: &[(usize, Snapshot)], now: Time) -> Own {
        let known = before.iter().find(|(p, _)| *p == i);
        let usual = &self.phones[i];
        let mut phone = known.map_or_else(|| usual.clone(), |(_, p)| p.restored(usual));
        phone.setup.settings.choose(rule(key), value);
        phone.setup.settings.watch(Arc::default());
        let mut driver = Driver::for_trials(Arc::clone(&self.lab), self.scenario);
        driver.wait(now - Time::ZERO);
        Own { phone, driver }
    }

    /// Boots the lane's own phones in place of the run's, each by itself.
    fn boot_lane(
        &mut self,
        lane: &mut Lane,
        is_one: Which<'_>,
        cause: BootCause,
    ) -> Result<(), ClusterError> {
        let usual_answers = lock(&self.lab).answers();
        if let Some(answers) = lane.answers {
            lock(&self.lab).set_answers(answers);
        }
        let booting = |(i, own): &(&usize, &mut Own)| is_one(**i, &own.phone, &lock(&self.lab));
        let booting: Vec<_> = lane.own.iter_mut().filter(booting).collect();
        let booted = booting.into_iter().try_for_each(|(&i, own)| {
            let usual_only = self.only.replace(BTreeSet::from([i]));
            self.exchange_places(i, own);
            let booted = self.boot_here(&[i], cause);
            self.exchange_places(i, own);
            self.only = usual_only;
            booted
        });
        lock(&self.lab).set_answers(usual_answers);
        booted
    }

    fn exchange_places(&mut self, i: usize, own: &mut Own) {
        std::mem::swap(&mut self.driver, &mut own.driver);
        std::mem::swap(&mut self.phones[i], &mut own.phone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Rules, parse};
    use crate::trust::rules::RULES;

    /// Every choice of every rule that can be a lane, beside each other and each by itself.
    #[test]
    fn a_lane_comes_to_what_a_run_of_its_own_comes_to() {
        for text in [
            include_str!("../../testdata/scenarios/rules/mixed.toml"),
            include_str!("../../scenarios/tvs-failover.toml"),
        ] {
            let scenario = parse("lanes", text, &Rules).unwrap();
            let forced = |r: &'static crate::trust::rules::Rule| {
                let others = r.others(r.default).into_iter();
                others.map(move |other| (r.key, other))
            };
            let lane = |forced| Some((forced, Lane::new(&scenario, forced, &[0])?));
            let lanes = RULES.iter().flat_map(forced).filter_map(lane);
            let (forced, lanes): (Vec<_>, Vec<_>) = lanes.unzip();
            let is_lane = |key| forced.iter().any(|(k, _)| *k == key);
            assert!(forced.len() > 50 && is_lane(Key::TvsMiss) && is_lane(Key::LscTrustedBy));
            assert!(!is_lane(Key::SignerKeyBits) && !is_lane(Key::BulkImportOwn));
            let usual = trial(&scenario, None, &[0]);
            let beside = trials(&scenario, &[0], lanes, forced.as_slice().into());
            assert_eq!(beside.verdicts, usual);
            let beside = beside.lanes;
            assert!(beside.iter().any(|v| *v != usual), "no rule matters");
            for (forced, beside) in forced.into_iter().zip(beside) {
                let alone = trial(&scenario, Some(forced), &[0]);
                assert_eq!(beside, alone, "{}", rule(forced.0).name);
            }
        }
    }
}
