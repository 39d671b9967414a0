//! Trials that need no boots of their own: a rule that the clusters follow makes another lab, and
//! often one that phones cannot tell from the usual one.
//!
//! The run that trials are compared with notes how the lab looks to phones before each boot. A trial
//! takes its steps beside these notes; as long as its lab looks the same when phones boot, they
//! live through the same, so the boot is left out. From the first boot on in which it looks
//! otherwise the trial boots its phones itself.

use super::judge::verdict;
use super::lanes::Forced;
use super::model::Scenario;
use super::run::{LabPhone, Run, RunError, Snapshot, lock};
use super::words::Verdict;
use crate::cluster::Face;
use crate::event::Event;
use crate::phone::BootCause;
use crate::time::Time;

/// What the usual run was like as phones began to boot.
#[derive(Debug)]
pub(super) struct Moment {
    step: usize,
    indices: Vec<usize>,
    cause: BootCause,
    now: Time,
    face: Face,
    /// Those that boot, as they were.
    phones: Vec<(usize, Snapshot)>,
}

/// How a run stands to the usual one.
#[derive(Debug, Default)]
pub(super) enum Beside<'a> {
    /// By itself.
    #[default]
    Nothing,
    /// It is the usual one.
    Noting(Vec<Moment>),
    /// It is a trial, and has been like the usual one so far.
    Alike {
        /// The boots to come.
        moments: &'a [Moment],
        /// The usual one's phones at its end.
        ends: &'a [LabPhone],
    },
    /// It is a trial in which other phones boot, or at another step: the notes do not fit.
    Astray,
}

/// The verdicts of these phones under another choice; none if the usual run's notes are of no use.
pub(super) fn trial(
    scenario: &Scenario,
    forced: Forced,
    phones: &[usize],
    (moments, ends): (&[Moment], &[LabPhone]),
    usual: impl Fn(usize) -> Option<Verdict>,
) -> Option<Vec<Verdict>> {
    let run = || -> Result<Option<Vec<Verdict>>, RunError> {
        let mut silent = |_: &Event| {};
        let mut run = Run::start_trial(scenario, Some(forced), &mut silent)?;
        run.only = Some(phones.iter().copied().collect());
        run.beside = Beside::Alike { moments, ends };
        run.take_steps()?;
        Ok(match run.beside {
            Beside::Alike { moments: [], .. } => phones.iter().map(|&i| usual(i)).collect(),
            Beside::Alike { .. } | Beside::Astray => None,
            Beside::Nothing | Beside::Noting(_) => {
                let lab = lock(&run.lab);
                Some(
                    phones
                        .iter()
                        .map(|&i| verdict(&run.phones[i], &lab))
                        .collect(),
                )
            }
        })
    };
    // A world that cannot even be built under the other choice is another outcome.
    run().unwrap_or_else(|_| Some(vec![Verdict::Unknown; phones.len()]))
}

impl Run<'_> {
    /// The phones that booted next in the usual run, for a trial that has been like it so far.
    pub(super) fn noted_boot(&self) -> Option<Vec<usize>> {
        match &self.beside {
            Beside::Alike { moments, .. } => Some(moments.first()?.indices.clone()),
            Beside::Nothing | Beside::Noting(_) | Beside::Astray => None,
        }
    }

    /// Notes a boot, or compares it with what was noted. True if it is to be left out.
    pub(super) fn is_boot_known(&mut self, indices: &[usize], cause: BootCause) -> bool {
        match &mut self.beside {
            Beside::Nothing => return false,
            Beside::Astray => return true,
            Beside::Noting(_) => {
                let moment = self.moment(indices, cause);
                if let Beside::Noting(moments) = &mut self.beside {
                    moments.push(moment);
                }
                return false;
            }
            Beside::Alike { .. } => {}
        }
        let Beside::Alike { moments, ends } = std::mem::take(&mut self.beside) else {
            return false;
        };
        let Some((moment, more)) = moments.split_first() else {
            self.beside = Beside::Astray;
            return true;
        };
        if (moment.step, &*moment.indices, moment.cause) != (self.step, indices, cause) {
            self.beside = Beside::Astray;
            return true;
        }
        let is_same_phone =
            |(i, p): &(usize, Snapshot)| p.setup().identity == self.phones[*i].setup.identity;
        if moment.phones.iter().all(is_same_phone) && lock(&self.lab).face() == moment.face {
            self.beside = Beside::Alike {
                moments: more,
                ends,
            };
            return true;
        }
        self.take_up(moment, ends);
        false
    }

    fn moment(&self, indices: &[usize], cause: BootCause) -> Moment {
        let is_on = |i: &usize| self.only.as_ref().is_none_or(|only| only.contains(i));
        let phones = self.phones.iter().enumerate();
        Moment {
            step: self.step,
            indices: indices.to_vec(),
            cause,
            now: self.driver.now(),
            face: lock(&self.lab).face(),
            phones: phones
                .filter(|(i, _)| is_on(i))
                .map(|(i, p)| (i, Snapshot::of(p)))
                .collect(),
        }
    }

    /// Goes on with the phones and at the time of the usual run.
    fn take_up(&mut self, moment: &Moment, ends: &[LabPhone]) {
        for (i, phone) in &moment.phones {
            let phone = phone.restored(&ends[*i]);
            let own = std::mem::replace(&mut self.phones[*i], phone);
            // The same steps have set it up, under the other choice.
            self.phones[*i].setup = own.setup;
        }
        self.driver.wait(moment.now - self.driver.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::lanes::{self, Lane, trials};
    use crate::scenario::{Rules, parse};
    use std::sync::Arc;

    use crate::trust::rules::{Key, RULES, rule};

    /// Every choice of every rule that makes another lab, beside the usual run and by itself.
    #[test]
    fn a_trial_beside_the_usual_run_comes_to_what_one_by_itself_comes_to() {
        let (mut unlike, mut left_out) = (0, 0);
        for text in [
            include_str!("../../testdata/scenarios/rules/mixed.toml"),
            include_str!("../../scenarios/tvs-not-restarted.toml"),
            include_str!("../../scenarios/itlrecovery-roles-by-store.toml"),
            include_str!("../../scenarios/rollback-non-secure.toml"),
            include_str!("../../scenarios/bulk-type-tftp.toml"),
        ] {
            let scenario = parse("alike", text, &Rules).unwrap();
            let usual = trials(&scenario, &[0], Vec::new(), Arc::default());
            assert!(!usual.moments.is_empty());
            let choices = RULES.iter().flat_map(|r| {
                let others = r.others(build_value(&scenario, r.key));
                others.into_iter().map(move |other| (r.key, other))
            });
            let makes_a_lab = |forced: &Forced| Lane::new(&scenario, *forced, &[0]).is_none();
            for forced in choices.filter(makes_a_lab) {
                let verdict_of = |_| Some(usual.verdicts[0]);
                let beside = trial(
                    &scenario,
                    forced,
                    &[0],
                    (&usual.moments, &usual.phones),
                    verdict_of,
                );
                let alone = lanes::trial(&scenario, Some(forced), &[0]);
                let name = rule(forced.0).name;
                left_out += usize::from(beside.is_none());
                unlike += usize::from(alone != usual.verdicts);
                assert_eq!(beside.unwrap_or_else(|| alone.clone()), alone, "{name}");
            }
        }
        assert!(unlike > 0, "no rule matters");
        assert!(left_out < 5, "{left_out} trials were of no use");
    }

    fn build_value(scenario: &Scenario, key: Key) -> i64 {
        crate::scenario::build::rules(scenario).peek(key)
    }
}
