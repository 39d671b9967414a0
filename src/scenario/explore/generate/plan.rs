//! The order of the steps: moves from cluster to cluster, and what each needs.

use super::super::draft::StepDraft;
use super::Hand;
use super::faults::Disturbed;
use crate::cluster::Release;

/// Resets of all phones at the end, with all faults cleared.
const LAST_RESETS: usize = 2;

impl Hand {
    pub(super) fn plan(&mut self) {
        let count = self.draft.clusters.len();
        self.unrest(2);
        let mut at = 0;
        let shuttles = count > 1 && self.keeps_answers();
        if shuttles {
            self.exchange_all();
        }
        let legs =
            if shuttles { 3 } else { 1 } + u64::from(self.chance(35)) + u64::from(self.chance(20));
        for _ in 0..legs {
            if shuttles {
                // By then every kept answer has run out.
                self.step(StepDraft::new("wait").with("seconds", 90_000));
                if self.chance(30) {
                    self.jump_clock();
                }
            }
            let to = if count == 1 {
                0
            } else if shuttles {
                1 - at.min(1)
            } else {
                (at + 1 + self.index(count - 1)) % count
            };
            if to != at {
                self.exchange(to, at);
                if self.chance(50) {
                    self.exchange(at, to);
                }
            }
            if self.draft.clusters[at].mixed && self.chance(40) {
                self.update_ctl(at);
            }
            if self.chance(30) {
                self.change_service("restart-service", at, "tvs", None);
            }
            self.unrest(2);
            self.faults();
            let links_fail = self.chance(20);
            if links_fail {
                self.break_links(None);
            }
            let disturbed = if self.chance(20) {
                self.disturb(at, to)
            } else {
                Disturbed::default()
            };
            self.point(to);
            self.reset();
            self.cut_waits = false;
            self.settle(links_fail, disturbed);
            self.unrest(1);
            if self.chance(25) {
                self.wait();
            }
            at = to;
        }
        self.mend();
        for _ in 0..LAST_RESETS {
            self.step(StepDraft::new("reset-phones"));
        }
    }

    /// Mends what failed in the last boot, and lets phones boot once more.
    fn settle(&mut self, links_fail: bool, disturbed: Disturbed) {
        let links = links_fail || disturbed.links;
        if links {
            self.step(StepDraft::new("clear-links"));
        }
        // Else they stay away until the end.
        let services = disturbed.services && self.chance(75);
        if services {
            self.start_services();
        }
        if links || services {
            self.step(StepDraft::new("reset-phones"));
        }
    }

    /// True if answers of a TVS outlive a boot and a new list.
    fn keeps_answers(&self) -> bool {
        let is_set = |name: &str| self.draft.settings.iter().any(|(known, _)| known == name);
        is_set("tvs.cache_survives_boot") && is_set("tvs.cache_flush")
    }

    pub(super) fn update_ctl(&mut self, cluster: usize) {
        // Before 10.5.2 a token signs it, which is nobody's to renew here.
        if !self.is_since(cluster, Release::V10_5_2) && self.chance(90) {
            return;
        }
        let step = StepDraft::new("update-ctl").with("cluster", self.id(cluster));
        self.step(step);
    }

    /// Points phones at one or two TFTP nodes of a cluster.
    fn point(&mut self, cluster: usize) {
        let mut nodes = self.running(cluster, "tftp");
        let mut to = Vec::new();
        for _ in 0..1 + self.rng.below(2) {
            if nodes.is_empty() {
                break;
            }
            let index = self.index(nodes.len());
            to.push(nodes.remove(index));
        }
        let step = StepDraft::new("set-option-150").with("to", to);
        let step = self.for_phones(step, 90);
        self.step(step);
    }

    pub(super) fn reset(&mut self) {
        let step = self.for_phones(StepDraft::new("reset-phones"), 85);
        self.step(step);
    }

    pub(super) fn wait(&mut self) {
        // A second, an hour, and more than any answer of a TVS lives.
        let seconds = self.pick(&[1_u64, 120, 3_700, 90_000]).unwrap_or(1);
        self.step(StepDraft::new("wait").with("seconds", seconds));
    }
}
