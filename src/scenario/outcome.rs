//! A whole rehearsal: the steps, the verdicts, the expectations, told as events.

use super::basis::{self, RestsOn};
use super::driver::Network;
use super::expect::{self, Checked};
use super::judge::{Fate, fates, owner_text, verdict_text};
use super::model::Scenario;
use super::run::{LAB, Rehearsed, RunError, rehearse};
use crate::event::{Event, Kind};
use crate::phone::Pace;

/// What came of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// The lab as it was left.
    pub rehearsed: Rehearsed,
    /// What became of each phone.
    pub fates: Vec<Fate>,
    /// What each verdict rests on.
    pub rests: Vec<RestsOn>,
    /// The expectations.
    pub checked: Vec<Checked>,
}

impl Outcome {
    /// True if every expectation holds.
    pub fn holds(&self) -> bool {
        self.checked.iter().all(|c| c.failed.is_none())
    }
}

/// Runs a scenario and judges it. `sink` gets every event as it happens, verdicts last.
///
/// # Errors
/// No sockets, or a step that the clusters cannot carry out.
pub fn run(
    scenario: &Scenario,
    network: Network,
    pace: Pace,
    sink: &mut dyn FnMut(&Event),
) -> Result<Outcome, RunError> {
    let rehearsed = rehearse(scenario, network, pace, None, sink)?;
    let fates = fates(&rehearsed);
    let rests = basis::rests_on(scenario, &rehearsed.phones, &fates);
    let mut checked = rehearsed.checked.clone();
    checked.extend(expect::check(scenario, &rehearsed.phones, &fates, &rests));
    let at = rehearsed.now;
    for (fate, rests) in fates.iter().zip(&rests) {
        let kind = verdict_event(fate, rests);
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
    Ok(Outcome {
        rehearsed,
        fates,
        rests,
        checked,
    })
}

fn verdict_event(f: &Fate, r: &RestsOn) -> Kind {
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
        rests_on: r.basis.to_string(),
        rules: r.rules.clone(),
        trace: r.trace.clone(),
        reasons: f.reasons.clone(),
        fix: f.fix.clone(),
    }
}
