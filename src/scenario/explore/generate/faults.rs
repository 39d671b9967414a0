//! What fails while phones move, and what is mended in the end.

use super::super::draft::{StepDraft, Value};
use super::Hand;

/// Times in a boot: between two packets, two files, two servers, and past its end.
const MOMENTS: [&str; 10] = [
    "0ms", "2ms", "7ms", "20ms", "60ms", "300ms", "600ms", "2s", "9s", "5m",
];

/// What comes in the middle of a boot, as far as it has to be mended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Disturbed {
    /// Links fail.
    pub(super) links: bool,
    /// A service stops.
    pub(super) services: bool,
}

impl Hand {
    /// What fails while phones move.
    pub(super) fn faults(&mut self) {
        for _ in 0..self.rng.below(3) {
            let cluster = self.index(self.draft.clusters.len());
            match self.rng.below(12) {
                0..=1 => {
                    let service = self.pick(&["tvs", "tftp"]).unwrap_or("tvs");
                    self.change_service("stop-service", cluster, service, None);
                }
                2 => self.switch_off(cluster),
                3..=6 => self.power_cut(),
                7 => self.damage(cluster),
                8 => {
                    let nodes = self.running(cluster, "tftp");
                    if let Some(node) = self.pick(&nodes).filter(|n| !self.off.contains(n)) {
                        self.step(StepDraft::new("keep-old-files").with("node", node));
                    }
                }
                9..=10 => self.answer_http(cluster),
                _ => {
                    if self.chance(30) {
                        let step =
                            StepDraft::new("remove-phones").with("cluster", self.id(cluster));
                        let step = self.for_phones(step, 40);
                        self.removed.push(step.clone());
                        self.step(step);
                    }
                }
            }
        }
    }

    fn switch_off(&mut self, cluster: usize) {
        let names: Vec<_> = self.draft.clusters[cluster]
            .nodes
            .iter()
            .map(|n| n.name.clone())
            .collect();
        let Some(node) = self.pick(&names) else {
            return;
        };
        if self.chance(30) {
            let step = StepDraft::new("switch-off").with("cluster", self.id(cluster));
            self.step(step);
            self.off.extend(names);
        } else {
            self.step(StepDraft::new("switch-off").with("node", node.clone()));
            self.off.push(node);
        }
    }

    /// Something comes in the middle of the next boot; `at` and `to` are where phones are and where
    /// they go.
    pub(super) fn disturb(&mut self, at: usize, to: usize) -> Disturbed {
        let mut disturbed = Disturbed::default();
        for _ in 0..1 + self.rng.below(2) {
            let after = self.moment();
            match self.rng.below(10) {
                0..=5 => {
                    // TVS of the old home, TFTP of the new one, or any.
                    let (cluster, service) = match self.rng.below(5) {
                        0..=1 => (at, "tvs"),
                        2..=3 => (to, "tftp"),
                        _ => {
                            let service = self.pick(&["tvs", "tftp"]).unwrap_or("tvs");
                            (self.index(self.draft.clusters.len()), service)
                        }
                    };
                    if self.chance(30) {
                        self.change_service("restart-service", cluster, service, Some(after));
                        continue;
                    }
                    self.change_service("stop-service", cluster, service, Some(after));
                    disturbed.services = true;
                    if self.chance(20) {
                        let later = self.moment();
                        self.change_service("start-service", cluster, service, Some(later));
                    }
                }
                6..=8 => {
                    self.break_links(Some(after));
                    disturbed.links = true;
                    if self.chance(40) {
                        let later = self.moment();
                        self.step(StepDraft::new("clear-links").with("after", later));
                    }
                }
                _ => {
                    let cluster = if self.chance(50) { at } else { to };
                    let nodes = self.draft.clusters[cluster].nodes.iter();
                    let nodes: Vec<_> = nodes.map(|n| n.name.clone()).collect();
                    if let Some(node) = self.pick(&nodes).filter(|n| !self.off.contains(n)) {
                        let step = StepDraft::new("switch-off").with("node", node.clone());
                        self.step(step.with("after", after));
                        self.off.push(node);
                    }
                }
            }
        }
        disturbed
    }

    fn moment(&mut self) -> &'static str {
        self.pick(&MOMENTS).unwrap_or("1s")
    }

    /// Links fail in one way or in several, at once or in the middle of the next boot.
    pub(super) fn break_links(&mut self, after: Option<&str>) {
        let mut step = StepDraft::new("set-link");
        let faults: [(&'static str, &[u64]); 4] = [
            ("loss", &[5, 20, 50]),
            ("duplicate", &[5, 30]),
            ("reorder", &[5, 30]),
            ("corrupt", &[1, 5]),
        ];
        let sure = self.index(faults.len() + 1);
        for (i, (key, shares)) in faults.into_iter().enumerate() {
            if (i == sure || self.chance(15))
                && let Some(share) = self.pick(shares)
            {
                step = step.with(key, share);
            }
        }
        if sure == faults.len() {
            let nodes: Vec<_> = self.draft.nodes().map(|(_, n)| n.name.clone()).collect();
            let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
            let nodes = self.some(&nodes);
            step = step.with("nodes", nodes).with("partition", true);
        } else if self.chance(40) {
            let latency = self.pick(&["1ms", "30ms", "400ms"]).unwrap_or("1ms");
            step = step.with("latency", latency).with("jitter", "20ms");
        } else if self.chance(10) {
            let first = self.pick(&[1_u64, 4, 9]).unwrap_or(1);
            step = step.with("lose-first", first);
        }
        let step = self.for_phones(step, 70);
        self.step(match after {
            Some(after) => step.with("after", after),
            None => step,
        });
    }

    fn power_cut(&mut self) {
        // A second cut before the next boot would only take the first one's place.
        if std::mem::replace(&mut self.cut_waits, true) {
            return;
        }
        let at = self
            .pick(&["before", "inside", "after"])
            .unwrap_or("inside");
        let step = StepDraft::new("power-cut").with("at", at);
        let write = match self.rng.below(8) {
            0 => Value::from("ctl"),
            1 => Value::from("itl"),
            2 => Value::from("config"),
            3 => Value::from("state"),
            _ => Value::Number(1 + self.rng.below(8)),
        };
        let step = self.for_phones(step.with("write", write), 50);
        self.step(step);
    }

    /// A node answers requests over HTTP with a status; TFTP stays as it is.
    fn answer_http(&mut self, cluster: usize) {
        let nodes = self.running(cluster, "tftp");
        let (Some(node), Some(status)) =
            (self.pick(&nodes), self.pick(&[200_u64, 403, 404, 500, 503]))
        else {
            return;
        };
        let step = StepDraft::new("http-answers").with("node", node);
        let step = match self.pick(&["itl", "config", "ctl"]) {
            Some(file) if self.chance(50) => step.with("file", file),
            _ => step,
        };
        self.step(step.with("status", status));
    }

    fn damage(&mut self, cluster: usize) {
        let nodes = self.running(cluster, "tftp");
        let mixed = self.draft.clusters[cluster].mixed;
        let files: &[&str] = if mixed {
            &["itl", "config", "ctl"]
        } else {
            &["itl", "config"]
        };
        let (Some(node), Some(file)) = (self.pick(&nodes), self.pick(files)) else {
            return;
        };
        let how = self
            .pick(&["flip-bit", "truncate", "empty"])
            .unwrap_or("flip-bit");
        let step = StepDraft::new("damage-file")
            .with("node", node)
            .with("file", file)
            .with("how", how);
        self.step(step);
    }

    /// Clears what can be cleared, so that what follows has no fault but those that stay.
    pub(super) fn mend(&mut self) {
        let off = std::mem::take(&mut self.off);
        let mut on: Vec<String> = Vec::new();
        for node in off {
            if !on.contains(&node) {
                self.step(StepDraft::new("switch-on").with("node", node.clone()));
                on.push(node);
            }
        }
        // A node that was off has all its services again.
        self.stopped.retain(|(_, node, _)| !on.contains(node));
        self.start_services();
        for removal in std::mem::take(&mut self.removed) {
            if self.later.chance(500) {
                let verb = "add-phones";
                self.step(StepDraft { verb, ..removal });
            }
        }
    }

    /// Starts every service that is stopped on a node that is on.
    pub(super) fn start_services(&mut self) {
        let stopped = std::mem::take(&mut self.stopped);
        let is_off = |(_, node, _): &(usize, String, &'static str)| self.off.contains(node);
        let (waiting, due): (Vec<_>, Vec<_>) = stopped.into_iter().partition(is_off);
        self.stopped = waiting;
        for (_, node, service) in due {
            let step = StepDraft::new("start-service").with("node", node);
            self.step(step.with("service", service));
        }
    }
}
