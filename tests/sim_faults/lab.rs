//! A migration between two clusters, with faults in the middle.

use trustline::event::{Event, Kind};
use trustline::phone::Pace;
use trustline::scenario::judge::fates;
use trustline::scenario::run::{Rehearsed, rehearse};
use trustline::scenario::words::Verdict;
use trustline::scenario::{self, Network, Rules, Scenario};

/// Two clusters and phones of the first one.
pub(crate) struct Lab {
    pub(crate) phones: usize,
    pub(crate) seed: u64,
    pub(crate) settings: &'static str,
}

impl Default for Lab {
    fn default() -> Self {
        Self {
            phones: 1,
            seed: 1,
            settings: "",
        }
    }
}

impl Lab {
    /// The migration up to the moment before the phones reset, then these steps.
    pub(crate) fn scenario(&self, steps: &str) -> Scenario {
        let Self {
            phones,
            seed,
            settings,
        } = self;
        let text = format!(
            r#"format = 1
name = "faults"
source = "none: made for a test"
date = 2020-03-01T09:00:00Z
seed = {seed}
[cluster.source]
release = "10.5.2"
nodes = [
  {{ name = "src-pub", services = ["publisher", "tftp", "tvs"] }},
  {{ name = "src-sub", services = ["tftp", "tvs"] }},
]
[cluster.destination]
release = "11.5.1"
nodes = [{{ name = "dst-pub", services = ["publisher", "tftp", "tvs"] }}]
[[phones]]
count = {phones}
model = "CP-8861"
cluster = "source"
[settings]
{settings}
[[step]]
do = "trust-certificates"
from = "destination"
into = "source"
[[step]]
do = "set-option-150"
to = ["dst-pub"]
{steps}
"#
        );
        match scenario::parse("faults", &text, &Rules) {
            Ok(scenario) => scenario,
            Err(errors) => panic!("{}", errors[0]),
        }
    }

    pub(crate) fn run(&self, steps: &str) -> Run {
        Run::of(&self.scenario(steps))
    }
}

/// What came of it.
pub(crate) struct Run {
    pub(crate) events: Vec<Event>,
    pub(crate) rehearsed: Rehearsed,
}

impl Run {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let mut events = Vec::new();
        let sink = &mut |e: &Event| events.push(e.clone());
        let rehearsed = rehearse(scenario, Network::Sim, Pace::Real, None, sink).unwrap();
        Self { events, rehearsed }
    }

    /// The events as the command writes them.
    pub(crate) fn lines(&self) -> String {
        let line = |e: &Event| serde_json::to_string(e).unwrap() + "\n";
        self.events.iter().map(line).collect()
    }

    /// Events of the first phone since the first step.
    pub(crate) fn of_phone(&self) -> &[Event] {
        &self.rehearsed.phones[0].events
    }

    /// When something happened to the first phone for the first time since the first step.
    pub(crate) fn when(&self, is: impl Fn(&Kind) -> bool) -> u64 {
        let found = self.of_phone().iter().find(|e| is(&e.kind));
        match found {
            Some(event) => event.at.as_micros(),
            None => panic!("it did not happen:\n{}", self.lines()),
        }
    }

    pub(crate) fn count(&self, is: impl Fn(&Kind) -> bool) -> usize {
        self.of_phone().iter().filter(|e| is(&e.kind)).count()
    }

    pub(crate) fn has(&self, part: &str) -> bool {
        self.lines().contains(part)
    }

    pub(crate) fn migrated(&self) -> usize {
        let fates = fates(&self.rehearsed);
        let migrated = |v: Verdict| v == Verdict::Migrated;
        fates.iter().filter(|f| migrated(f.verdict)).count()
    }
}

/// Steps that reset the phones this often.
pub(crate) fn resets(count: usize) -> String {
    "[[step]]\ndo = \"reset-phones\"\n".repeat(count)
}
