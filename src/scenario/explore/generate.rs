//! From a seed to a world: clusters, phones, settings, and steps in an order that an engineer
//! could have had in mind. Same seed, same text, in every version that has the same generator.

mod clusters;
mod exchange;
mod faults;
mod plan;
mod unrest;

use super::draft::{Draft, StepDraft};
use crate::cluster::Release;
use crate::rng::Rng;

/// Seeds of the scenarios themselves. Few of them, so that keys and most signatures are those of
/// an earlier world.
const SCENARIO_SEEDS: u64 = 4;

/// Nodes of all clusters together: with these the ready-made keys suffice.
const MAX_NODES: usize = 8;

/// The world of this number.
pub fn generate(world: u64) -> Draft {
    let mut hand = Hand::new(world);
    hand.clusters();
    hand.phones();
    hand.settings();
    hand.plan();
    hand.draft
}

/// What the generator has put together so far, and what it must remember to mend.
struct Hand {
    rng: Rng,
    draft: Draft,
    regenerated: usize,
    /// Services that are stopped, and nodes that are off: cluster, node, service.
    stopped: Vec<(usize, String, &'static str)>,
    off: Vec<String>,
    /// Phones that a database lost, as the steps that removed them.
    removed: Vec<StepDraft>,
    /// True while a power cut waits for the next boot.
    cut_waits: bool,
    /// Chance of its own for what was thought of later, so that worlds without it stay as they are.
    later: Rng,
}

impl Hand {
    fn new(world: u64) -> Self {
        let draft = Draft {
            name: format!("Explored world {world}"),
            seed: 1 + world % SCENARIO_SEEDS,
            clusters: Vec::new(),
            phones: Vec::new(),
            settings: Vec::new(),
            steps: Vec::new(),
            expected: Vec::new(),
        };
        Self {
            rng: Rng::stream(world, "explore"),
            draft,
            regenerated: 0,
            stopped: Vec::new(),
            off: Vec::new(),
            removed: Vec::new(),
            later: Rng::stream(world, "explore-later"),
            cut_waits: false,
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.rng.chance(percent * 10)
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let index = self.rng.below(all.len() as u64);
        all.get(usize::try_from(index).unwrap_or(usize::MAX))
            .cloned()
    }

    fn index(&mut self, below: usize) -> usize {
        usize::try_from(self.rng.below(below as u64)).unwrap_or(0)
    }

    fn step(&mut self, step: StepDraft) {
        self.draft.steps.push(step);
    }

    fn id(&self, cluster: usize) -> String {
        self.draft.clusters[cluster].id.clone()
    }

    fn is_since(&self, cluster: usize, first: Release) -> bool {
        let release = self.draft.clusters[cluster].release.parse::<Release>();
        release.is_ok_and(|release| release >= first)
    }

    /// At least one of these, in their order.
    fn some(&mut self, all: &[&str]) -> Vec<String> {
        let sure = self.index(all.len());
        let mut chosen = Vec::new();
        for (i, word) in all.iter().enumerate() {
            if i == sure || self.chance(35) {
                chosen.push((*word).to_owned());
            }
        }
        chosen
    }

    /// Adds a group to the step, unless it is for all phones as it is in `percent` of the cases.
    fn for_phones(&mut self, step: StepDraft, percent: u64) -> StepDraft {
        if self.chance(percent) {
            return step;
        }
        let groups: Vec<_> = self.draft.phones.iter().map(|g| g.name.clone()).collect();
        match self.pick(&groups) {
            Some(group) => step.with("phones", group),
            None => step,
        }
    }

    fn running(&self, cluster: usize, service: &str) -> Vec<String> {
        let nodes = self.draft.clusters[cluster].nodes.iter();
        nodes
            .filter(|n| n.runs(service))
            .map(|n| n.name.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Rules, parse};

    #[test]
    fn every_world_is_a_scenario() {
        for world in 0..2_000 {
            let text = generate(world).to_toml();
            if let Err(errors) = parse("world.toml", &text, &Rules) {
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                panic!("world {world}:\n{}\n{text}", errors.join("\n"));
            }
        }
    }

    #[test]
    fn same_number_same_world() {
        assert_eq!(generate(7), generate(7));
        assert_ne!(generate(7).steps, generate(11).steps);
    }

    #[test]
    fn worlds_differ_in_everything() {
        let worlds: Vec<_> = (0..500).map(generate).collect();
        let count = |wanted: &dyn Fn(&Draft) -> bool| worlds.iter().filter(|w| wanted(w)).count();
        assert!(count(&|w| w.clusters.len() == 3) > 50);
        assert!(count(&|w| w.clusters.iter().any(|c| c.mixed)) > 100);
        assert!(count(&|w| w.phone_count() > 3) > 50);
        for verb in [
            "power-cut",
            "switch-off",
            "stop-service",
            "bulk-import",
            "wait",
            "upload-certificate",
            "jump-clock",
            "http-answers",
        ] {
            let has = |w: &Draft| w.steps.iter().any(|s| s.verb == verb);
            assert!(count(&has) > 20, "{verb}");
        }
        let adds = |w: &Draft| w.steps.iter().any(|s| s.verb == "add-phones");
        assert!((3..50).contains(&count(&adds)), "{}", count(&adds));
        for verb in ["stop-service", "restart-service", "set-link", "switch-off"] {
            let is_later = |s: &StepDraft| s.verb == verb && s.has("after");
            assert!(count(&|w| w.steps.iter().any(is_later)) > 5, "{verb}");
        }
        assert!(worlds.iter().all(|w| w.nodes().count() <= MAX_NODES));
    }
}
