//! Ways to run a scenario: whole, before a witness, up to a step, or not at all.

use std::collections::BTreeMap;

use super::{Rehearsed, Run, RunError};
use crate::event::Event;
use crate::phone::Pace;
use crate::scenario::driver::Network;
use crate::scenario::model::{Action, Scenario};
use crate::sim::Witness;
use crate::trust::rules::Key;

/// Runs the steps of a scenario. `forced` sets one rule over all else, to see what hangs on it.
///
/// # Errors
/// No sockets, or a step that the clusters cannot carry out.
pub fn rehearse(
    scenario: &Scenario,
    network: Network,
    pace: Pace,
    forced: Option<(Key, i64)>,
    sink: &mut dyn FnMut(&Event),
) -> Result<Rehearsed, RunError> {
    let run = Run::start(scenario, network, pace, forced, sink, None)?;
    run.finish()
}

/// Whether the scenario can run there.
///
/// # Errors
/// [`RunError::NeedsVirtualTime`] for sockets and a step that they do not have.
pub fn check_network(scenario: &Scenario, network: Network) -> Result<(), RunError> {
    match (network, scenario.needs_virtual_time()) {
        (Network::Loopback, Some(step)) => Err(RunError::NeedsVirtualTime {
            verb: step.verb,
            is_later: matches!(step.action, Action::Later { .. }),
        }),
        _ => Ok(()),
    }
}

/// [`rehearse`] in virtual time, where phones wait as real ones do, before a witness.
///
/// # Errors
/// A step that the clusters cannot carry out.
pub fn rehearse_watched(
    scenario: &Scenario,
    forced: Option<(Key, i64)>,
    witness: &mut dyn Witness,
) -> Result<Rehearsed, RunError> {
    let mut sink = |_: &Event| {};
    let (network, pace) = (Network::Sim, Pace::Real);
    let run = Run::start(scenario, network, pace, forced, &mut sink, Some(witness))?;
    run.finish()
}

/// [`rehearse`] in virtual time, before a witness and with the events for a report.
pub(in crate::scenario) fn rehearse_told(
    scenario: &Scenario,
    pace: Pace,
    sink: &mut dyn FnMut(&Event),
    witness: &mut dyn Witness,
) -> Result<Rehearsed, RunError> {
    let run = Run::start(scenario, Network::Sim, pace, None, sink, Some(witness))?;
    run.finish()
}

/// The lab as it stands before the first step, and what is told of it: made and published, in
/// virtual time. No phone has booted, so none holds anything.
///
/// # Errors
/// What a cluster cannot be.
pub fn at_start(scenario: &Scenario, sink: &mut dyn FnMut(&Event)) -> Result<Rehearsed, RunError> {
    let run = Run::start(scenario, Network::Sim, Pace::Real, None, sink, None)?;
    let now = run.driver.now();
    Ok(Rehearsed {
        lab: run.lab,
        phones: run.phones,
        now,
        checked: run.checked,
        exchanged: BTreeMap::new(),
        unreached: false,
    })
}

/// Boots the phones at home, in virtual time, and takes the steps before the first for which `stops`
/// is true.
///
/// # Errors
/// A step that the clusters cannot carry out.
pub(in crate::scenario) fn until(
    scenario: &Scenario,
    stops: impl Fn(&Action) -> bool,
) -> Result<Rehearsed, RunError> {
    let mut silent = |_: &Event| {};
    let mut run = Run::start(scenario, Network::Sim, Pace::Real, None, &mut silent, None)?;
    run.boot_at_home()?;
    let before = scenario.steps.iter().take_while(|s| !stops(&s.action));
    for (index, step) in before.enumerate() {
        run.step = index + 1;
        run.carry_out(&step.action, step.verb.to_string())?;
    }
    run.end()
}
