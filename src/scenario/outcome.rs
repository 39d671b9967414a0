//! A whole rehearsal: the steps, the verdicts, the expectations, told as events.

use super::basis::{self, Depth, RestsOn};
use super::driver::Network;
use super::expect::{self, Checked};
use super::invariants::{Broken, Laws, after_faults};
use super::judge::{Fate, fates, owner_text, verdict_text};
use super::model::Scenario;
use super::provisioning::{self, Carried};
use super::run::{LAB, Rehearsed, RunError, rehearse, rehearse_told};
use crate::event::{Event, Kind};
use crate::phone::Pace;

/// In place of a basis, where nobody looked for it.
const NOT_SEARCHED: &str = "not-searched";

/// What came of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// The lab as it was left.
    pub rehearsed: Rehearsed,
    /// What became of each phone.
    pub fates: Vec<Fate>,
    /// What each verdict rests on; empty where that was not looked for.
    pub rests: Vec<RestsOn>,
    /// The expectations.
    pub checked: Vec<Checked>,
    /// The laws of every run that this one broke: bugs of this program. Only a run in virtual time
    /// is watched.
    pub broken: Vec<Broken>,
    /// What real ends did for the phones of `[provisioning]`.
    pub carried: Carried,
}

impl Outcome {
    /// True if every expectation and every law holds.
    pub fn holds(&self) -> bool {
        self.broken.is_empty() && self.checked.iter().all(|c| c.failed.is_none())
    }
}

/// When a run looks for what its verdicts rest on. That takes a trial of every rule that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Always.
    Always,
    /// Where an expectation speaks of it, and where one fails, so that its report has it.
    WhenNeeded,
}

/// Runs a scenario, judges it and finds what the verdicts rest on. `sink` gets every event as it happens, verdicts last.
///
/// # Errors
/// No sockets, or a step that the clusters cannot carry out.
pub fn run(
    scenario: &Scenario,
    network: Network,
    pace: Pace,
    sink: &mut dyn FnMut(&Event),
) -> Result<Outcome, RunError> {
    run_searching(scenario, network, pace, Search::Always, sink)
}

/// The same, with the choice of when to look for what the verdicts rest on.
///
/// # Errors
/// No sockets, or a step that the clusters cannot carry out.
pub fn run_searching(
    scenario: &Scenario,
    network: Network,
    pace: Pace,
    search: Search,
    sink: &mut dyn FnMut(&Event),
) -> Result<Outcome, RunError> {
    let mut laws = Laws::new();
    let rehearsed = match network {
        Network::Sim => rehearse_told(scenario, pace, sink, &mut laws)?,
        Network::Loopback => rehearse(scenario, network, pace, None, sink)?,
    };
    let fates = fates(&rehearsed);
    let check = |rests: &[RestsOn]| {
        let mut checked = rehearsed.checked.clone();
        checked.extend(expect::check(scenario, &rehearsed.phones, &fates, rests));
        checked.extend(expect::uncovered(scenario, &fates));
        checked
    };
    let is_asked = scenario.expectations.iter().any(|e| e.rests_on.is_some());
    let searched = |depth| basis::rests_on(scenario, &rehearsed.phones, depth);
    let mut rests = match search {
        Search::Always => searched(Depth::Rules),
        Search::WhenNeeded if is_asked => searched(Depth::Basis),
        Search::WhenNeeded => Vec::new(),
    };
    let mut checked = check(&rests);
    if search == Search::WhenNeeded && checked.iter().any(|c| c.failed.is_some()) {
        rests = searched(Depth::Rules);
        checked = check(&rests);
    }
    let mut at = rehearsed.now;
    let mut carried = Carried::default();
    if let Some(provisioning) = &scenario.provisioning {
        let date = scenario.date.value;
        let driver = (network, scenario.tls);
        let resynced = provisioning::run(provisioning, date, scenario.seed, driver, at, sink)?;
        checked.extend(resynced.checked);
        at = resynced.now;
        carried = resynced.carried;
    }
    for (i, fate) in fates.iter().enumerate() {
        let kind = verdict_event(fate, rests.get(i));
        sink(&Event {
            at,
            actor: fate.device.clone(),
            kind,
        });
    }
    for c in &checked {
        let kind = Kind::Expectation {
            text: c.text.clone(),
            holds: c.failed.is_none(),
            found: c.failed.clone(),
        };
        sink(&Event {
            at,
            actor: LAB.into(),
            kind,
        });
    }
    let held = checked.iter().filter(|c| c.failed.is_none()).count();
    let ended = Kind::RunEnded {
        held,
        expectations: checked.len(),
    };
    sink(&Event {
        at,
        actor: LAB.into(),
        kind: ended,
    });
    let mut broken = laws.into_broken();
    if network == Network::Sim {
        broken.extend(after_faults(scenario).broken);
    }
    Ok(Outcome {
        rehearsed,
        fates,
        rests,
        checked,
        broken,
        carried,
    })
}

fn verdict_event(f: &Fate, r: Option<&RestsOn>) -> Kind {
    Kind::Verdict {
        verdict: verdict_text(f.verdict),
        ctl_before: owner_text(f.ctl_before.as_ref()),
        itl_before: owner_text(f.itl_before.as_ref()),
        ctl_after: owner_text(f.ctl.as_ref()),
        itl_after: owner_text(f.itl.as_ref()),
        tvs_asked: f.tvs_asked,
        follows: f
            .follows
            .as_ref()
            .map_or_else(|| "nobody".to_owned(), |(c, _)| c.clone()),
        configuration: f.configuration.into(),
        rests_on: r.map_or_else(|| NOT_SEARCHED.to_owned(), |r| r.basis.to_string()),
        rules: r.map(|r| r.rules.clone()).unwrap_or_default(),
        trace: r.map(|r| r.trace.clone()).unwrap_or_default(),
        reasons: f.reasons.clone(),
        fix: f.fix.clone(),
    }
}
