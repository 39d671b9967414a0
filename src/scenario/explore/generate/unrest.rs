//! What happens in clusters between the moves.

use super::super::draft::{NodeDraft, StepDraft};
use super::Hand;
use crate::cluster::Release;
use crate::cluster::release::Scope;

/// Certificates that steps make anew, for the same reason.
const MAX_REGENERATED: usize = 6;

/// How far clocks jump: within an answer's life, past it, past a certificate's.
const JUMPS: [&str; 8] = [
    "+1m", "-1m", "+2h", "-2h", "+25h", "-25h", "+3000d", "-3000d",
];

impl Hand {
    /// What happens in clusters between the moves, up to `most` times.
    pub(super) fn unrest(&mut self, most: u64) {
        for _ in 0..self.rng.below(most + 1) {
            let cluster = self.index(self.draft.clusters.len());
            match self.rng.below(13) {
                0..=3 => self.regenerate(cluster),
                4 if self.draft.clusters[cluster].mixed => self.update_ctl(cluster),
                5 => self.change_service("restart-service", cluster, "tvs", None),
                6 => {
                    let on = self.chance(70);
                    let step = StepDraft::new("set-parameter")
                        .with("cluster", self.id(cluster))
                        .with("name", "prepare-cluster-for-rollback")
                        .with("value", on);
                    self.step(step);
                    if on && self.chance(60) {
                        self.reset();
                    }
                }
                7 => {
                    let digest = self.pick(&["sha1", "sha512"]).unwrap_or("sha1");
                    let step = StepDraft::new("set-parameter")
                        .with("cluster", self.id(cluster))
                        .with("name", "tftp-file-signature-algorithm")
                        .with("value", digest);
                    self.step(step);
                }
                8 => self.reset(),
                9 => self.wait(),
                10 if self.chance(30) => {
                    let step = self.for_phones(StepDraft::new("factory-reset"), 40);
                    self.step(step);
                }
                11 if self.chance(60) => self.jump_clock(),
                _ => {}
            }
        }
    }

    fn regenerate(&mut self, cluster: usize) {
        if self.regenerated >= MAX_REGENERATED {
            return;
        }
        let c = &self.draft.clusters[cluster];
        let Ok(release) = c.release.parse::<Release>() else {
            return;
        };
        let profile = release.profile();
        let has = |scope: Scope, node: &NodeDraft| match scope {
            Scope::Absent => false,
            Scope::EachNode => true,
            Scope::Publisher | Scope::Cluster => node.runs("publisher"),
        };
        let mut all = Vec::new();
        for node in &c.nodes {
            all.push((node.name.clone(), "CallManager"));
            if node.runs("tvs") {
                all.push((node.name.clone(), "TVS"));
            }
            if node.runs("capf") && has(profile.capf.value, node) {
                all.push((node.name.clone(), "CAPF"));
            }
            if has(profile.itl_recovery.value, node) {
                all.push((node.name.clone(), "ITLRecovery"));
            }
        }
        if let Some((node, certificate)) = self.pick(&all) {
            self.regenerated += 1;
            let step = StepDraft::new("regenerate-certificate")
                .with("node", node)
                .with("certificate", certificate);
            self.step(step);
        }
    }

    /// Wall clocks of phones, of nodes or of both jump.
    pub(super) fn jump_clock(&mut self) {
        let by = self.pick(&JUMPS).unwrap_or("+1m");
        let mut step = StepDraft::new("jump-clock").with("by", by);
        let whose = self.rng.below(4);
        if whose != 0 {
            let groups: Vec<_> = self.draft.phones.iter().map(|g| g.name.clone()).collect();
            let group = self.pick(&groups).filter(|_| self.chance(20));
            step = step.with("phones", group.unwrap_or_else(|| "all".to_owned()));
        }
        if whose <= 1 {
            let nodes: Vec<_> = self.draft.nodes().map(|(_, n)| n.name.clone()).collect();
            let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
            let nodes = self.some(&nodes);
            step = step.with("nodes", nodes);
        }
        self.step(step);
    }

    /// A service stops, starts or both on one node or on all that run it; `after` puts it off into
    /// the next boot.
    pub(super) fn change_service(
        &mut self,
        verb: &'static str,
        cluster: usize,
        service: &'static str,
        after: Option<&str>,
    ) {
        let nodes = self.running(cluster, service);
        let Some(node) = self.pick(&nodes) else {
            return;
        };
        let step = StepDraft::new(verb);
        let whole = self.chance(50);
        let step = if whole {
            step.with("cluster", self.id(cluster))
        } else {
            step.with("node", node.clone())
        };
        let step = step.with("service", service);
        self.step(match after {
            Some(after) => step.with("after", after),
            None => step,
        });
        let touched = if whole { nodes } else { vec![node] };
        for node in touched {
            self.stopped.retain(|(_, n, s)| *n != node || *s != service);
            if verb == "stop-service" {
                self.stopped.push((cluster, node, service));
            }
        }
    }
}
