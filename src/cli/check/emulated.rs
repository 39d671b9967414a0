//! The clusters of a scenario as inputs: they run in virtual time until somebody looks at them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::check::evidence::Side;
use crate::check::predict::{Subject, Taken};
use crate::cli::args::Setting;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::world::{read_scenario, shown};
use crate::phone::Pace;
use crate::report::text::did_you_mean;
use crate::scenario::model::Action;
use crate::scenario::run::{Rehearsed, rehearse};
use crate::scenario::{Network, Scenario, exported};
use crate::time::UnixSeconds;
use crate::trust::certificate::escape_for_terminal;

/// The clusters of a scenario after some of its steps.
pub(super) struct World {
    rehearsed: Rehearsed,
    /// The scenario's date.
    pub(super) date: UnixSeconds,
}

impl World {
    /// Runs the first `steps` steps of a scenario; without a number, those before the first that
    /// moves phones.
    ///
    /// # Errors
    /// It cannot be opened or run, or has no such cluster.
    pub(super) fn run(
        path: &Path,
        sets: &[Setting],
        steps: Option<usize>,
    ) -> Result<Self, Failure> {
        let (_, mut scenario) = read_scenario(path, sets)?;
        let steps = steps.unwrap_or_else(|| until_the_move(&scenario));
        if steps > scenario.steps.len() {
            let text = format!(
                "--steps {steps}: {} has {} steps",
                shown(path),
                scenario.steps.len()
            );
            return Err(Failure::new(ExitCode::Usage, text));
        }
        scenario.steps.truncate(steps);
        scenario.expectations.clear();
        let rehearsed = rehearse(&scenario, Network::Sim, Pace::Real, None, &mut |_| {});
        let rehearsed = rehearsed.map_err(|e| {
            let text = format!("{} cannot be run: {e}", shown(path));
            Failure::new(ExitCode::Usage, text)
        })?;
        Ok(Self {
            rehearsed,
            date: scenario.date.value,
        })
    }

    /// A cluster, looked at for these devices and the scenario's own phones.
    ///
    /// # Errors
    /// It has no such cluster.
    pub(super) fn side(&self, path: &Path, id: &str, devices: &[String]) -> Result<Side, Failure> {
        let mut all: Vec<_> = self.devices();
        let own: BTreeSet<String> = all.iter().cloned().collect();
        all.extend(devices.iter().filter(|d| !own.contains(*d)).cloned());
        let sides = exported::sides(&mut self.rehearsed.lab(), &all).sides;
        let ids: Vec<_> = sides.iter().map(|s| s.name.clone()).collect();
        sides.into_iter().find(|s| s.name == id).ok_or_else(|| {
            let hint = did_you_mean(id, ids.iter().map(String::as_str));
            let text = format!(
                "{} has no cluster {}; it has {}{hint}",
                shown(path),
                escape_for_terminal(id.as_bytes()),
                ids.join(" and ")
            );
            Failure::new(ExitCode::Usage, text)
        })
    }

    /// The scenario's phones, by name.
    fn devices(&self) -> Vec<String> {
        let phones = self.rehearsed.phones.iter();
        phones.map(|p| p.setup.identity.device.clone()).collect()
    }

    /// The phones of a cluster as they are now.
    pub(super) fn subjects(&self, id: &str) -> Vec<Subject> {
        let own = self.rehearsed.phones.iter().filter(|p| p.home == id);
        own.map(|p| Subject {
            setup: p.setup.clone(),
            before: p.flash.clone(),
            flash: p.flash.clone(),
            earlier: p.home_events.iter().chain(&p.events).cloned().collect(),
            now: self.rehearsed.now,
            taken: Taken::default(),
        })
        .collect()
    }
}

/// Steps before the first that sends phones elsewhere or resets them.
fn until_the_move(scenario: &Scenario) -> usize {
    let moves = |action: &Action| {
        matches!(
            action,
            Action::SetOption150 { .. }
                | Action::SetOption66 { .. }
                | Action::RenewLeases { .. }
                | Action::ResetPhones { .. }
                | Action::EraseLists { .. }
                | Action::FactoryReset { .. }
        )
    };
    let all = &scenario.steps;
    let first = all.iter().position(|step| moves(&step.action));
    first.unwrap_or(all.len())
}
