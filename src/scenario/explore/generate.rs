//! From a seed to a world: clusters, phones, settings, and steps in an order that an engineer
//! could have had in mind. Same seed, same text, in every version that has the same generator.

use super::draft::{ClusterDraft, Draft, NodeDraft, PhonesDraft, StepDraft, Value};
use crate::cluster::Release;
use crate::cluster::release::Scope;
use crate::rng::Rng;

/// Seeds of the scenarios themselves. Few of them, so that keys and most signatures are those of
/// an earlier world.
const SCENARIO_SEEDS: u64 = 4;

/// Nodes of all clusters together: with these the ready-made keys suffice.
const MAX_NODES: usize = 8;

/// Nodes of one cluster.
const MAX_CLUSTER_NODES: u64 = 4;

/// Certificates that steps make anew, for the same reason.
const MAX_REGENERATED: usize = 6;

/// Resets of all phones at the end, with all faults cleared.
const LAST_RESETS: usize = 2;

const CLUSTERS: [(&str, &str); 3] = [("source", "src"), ("destination", "dst"), ("third", "trd")];

const MODELS: [&str; 6] = [
    "CP-8861", "CP-8845", "CP-7841", "CP-7821", "CP-7965", "CP-7942",
];

/// Settings that worlds try, each with the values other than its default.
const SETTINGS: &[(&str, &[&str])] = &[
    ("tvs.restart_needed", &["yes"]),
    ("tvs.roles_of_store", &["callmanager-trust-gives-both"]),
    ("tvs.miss", &["close"]),
    ("tvs.negative_cache", &["yes"]),
    ("tvs.answer_ttl", &["3600", "60", "0"]),
    ("tvs.cache_flush", &["never"]),
    ("trust.wrong_role", &["refuse"]),
    ("trust.first_ctl_checked", &["no"]),
    ("trust.first_contact_self_signature", &["ignored"]),
    ("trust.rollback_with_ctl", &["accept-any"]),
    ("trust.ctl_searched_in", &["ctl-if-installed"]),
    ("trust.itl_searched_in", &["ctl-and-itl"]),
    ("trust.new_ctl_in_force", &["next-boot"]),
    ("trust.digest_sha512", &["refuse"]),
    ("list.equal", &["reinstall"]),
    ("cluster.blank_itl", &["empty-records"]),
    ("phone.after_refusal", &["tftp-server"]),
    ("tftp.options", &["tsize", "tsize-blksize"]),
];

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
    /// True while a power cut waits for the next boot.
    cut_waits: bool,
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

    // The world.

    fn clusters(&mut self) {
        let count = match self.rng.below(10) {
            0 => 1,
            1..=7 => 2,
            _ => 3,
        };
        let mixed_everywhere = self.chance(30);
        let mut left = MAX_NODES;
        for (i, (id, prefix)) in CLUSTERS.iter().take(count).enumerate() {
            let releases = Release::ALL;
            let release = self.pick(&releases).unwrap_or(Release::V11_5_1);
            let mixed = mixed_everywhere || self.chance(25);
            // Every cluster that is still to come has a node at least.
            let most = left.saturating_sub(count - 1 - i).max(1);
            let wanted = match self.rng.below(10) {
                0..=3 => 1,
                4..=7 => 2,
                _ => 1 + self.rng.below(MAX_CLUSTER_NODES),
            };
            let wanted = usize::try_from(wanted).unwrap_or(1).min(most);
            left = left.saturating_sub(wanted);
            let nodes = self.nodes(prefix, wanted);
            let rollback = self.chance(4);
            self.draft.clusters.push(ClusterDraft {
                id: (*id).to_owned(),
                release: release.name().to_owned(),
                mixed,
                rollback,
                nodes,
            });
        }
    }

    fn nodes(&mut self, prefix: &str, count: usize) -> Vec<NodeDraft> {
        let mut nodes = Vec::new();
        let name_callmanagers = self.chance(15);
        for i in 0..count {
            let name = match i {
                0 => format!("{prefix}-pub"),
                1 => format!("{prefix}-sub"),
                n => format!("{prefix}-sub{n}"),
            };
            let mut services = Vec::new();
            if i == 0 {
                services.push("publisher");
            }
            let chances = [
                ("tftp", 75),
                ("tvs", 85),
                ("capf", if i == 0 { 50 } else { 10 }),
            ];
            for (service, percent) in chances {
                if self.chance(percent) {
                    services.push(service);
                }
            }
            if name_callmanagers && self.chance(60) {
                services.push("callmanager");
            }
            nodes.push(NodeDraft { name, services });
        }
        if !nodes.iter().any(|n| n.runs("tftp"))
            && let Some(first) = nodes.first_mut()
        {
            first.services.push("tftp");
        }
        nodes
    }

    fn phones(&mut self) {
        let groups = 1 + self.rng.below(2);
        for name in ["desks", "lobby"]
            .iter()
            .take(usize::try_from(groups).unwrap_or(1))
        {
            let at = if self.chance(85) {
                0
            } else {
                self.index(self.draft.clusters.len())
            };
            let mixed = self.draft.clusters[at].mixed;
            let security = match self.rng.below(12) {
                0 if mixed => Some("authenticated"),
                1 if mixed => Some("encrypted"),
                _ => None,
            };
            let count = 1 + self.rng.below(3);
            let group = PhonesDraft {
                name: (*name).to_owned(),
                count: usize::try_from(count).unwrap_or(1),
                model: self.pick(&MODELS).unwrap_or("CP-8861"),
                cluster: self.draft.clusters[at].id.clone(),
                security,
                lsc: self.chance(5),
            };
            self.draft.phones.push(group);
        }
    }

    fn settings(&mut self) {
        let count = match self.rng.below(10) {
            0..=4 => 0,
            5..=7 => 1,
            _ => 1 + self.rng.below(4),
        };
        for _ in 0..count {
            if let Some((name, values)) = self.pick(SETTINGS)
                && let Some(value) = self.pick(values)
            {
                self.set(name, value);
            }
        }
        if self.chance(2) {
            self.set("list.older_timestamp", "refuse");
        }
        // Answers that outlive a boot matter only together with what keeps them.
        if self.chance(5) {
            self.set("tvs.cache_survives_boot", "yes");
            self.set("tvs.cache_flush", "never");
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        let value = value
            .parse()
            .map_or_else(|_| Value::from(value), Value::Number);
        self.draft.settings.retain(|(known, _)| known != name);
        self.draft.settings.push((name.to_owned(), value));
    }

    // The plan.

    fn plan(&mut self) {
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
                self.change_service("restart-service", at, "tvs");
            }
            self.unrest(2);
            self.faults();
            let links_fail = self.chance(20);
            if links_fail {
                self.break_links();
            }
            self.point(to);
            self.reset();
            self.cut_waits = false;
            if links_fail {
                self.step(StepDraft::new("clear-links"));
                self.step(StepDraft::new("reset-phones"));
            }
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

    /// True if answers of a TVS outlive a boot and a new list.
    fn keeps_answers(&self) -> bool {
        let is_set = |name: &str| self.draft.settings.iter().any(|(known, _)| known == name);
        is_set("tvs.cache_survives_boot") && is_set("tvs.cache_flush")
    }

    /// The first two clusters trust each other in full.
    fn exchange_all(&mut self) {
        for (from, into) in [(0, 1), (1, 0)] {
            let step = StepDraft::new("trust-certificates")
                .with("from", self.id(from))
                .with("into", self.id(into))
                .with(
                    "certificates",
                    vec!["CallManager".to_owned(), "ITLRecovery".to_owned()],
                );
            self.step(step);
        }
    }

    fn id(&self, cluster: usize) -> String {
        self.draft.clusters[cluster].id.clone()
    }

    /// Certificates of one cluster come into the stores of another, or some of them, or none.
    fn exchange(&mut self, from: usize, into: usize) {
        let (from_id, into_id) = (self.id(from), self.id(into));
        let step = StepDraft::new("trust-certificates")
            .with("from", from_id.clone())
            .with("into", into_id.clone());
        // What "all" is to a release before 10.5.2 nobody says, so it is mostly said.
        let is_open =
            self.is_since(from, Release::V10_5_2) && !self.is_since(into, Release::V10_5_2);
        let named = || vec!["CallManager".to_owned(), "ITLRecovery".to_owned()];
        let all = if is_open && self.chance(90) {
            step.clone().with("certificates", named())
        } else {
            step.clone()
        };
        match self.rng.below(20) {
            0 => {}
            1..=8 => self.step(all),
            9..=11 => {
                let kinds = self.some(&["CallManager", "ITLRecovery", "CAPF", "Tomcat"]);
                self.step(step.with("certificates", kinds));
            }
            12..=13 => {
                let nodes: Vec<_> = self.draft.clusters[from]
                    .nodes
                    .iter()
                    .map(|n| n.name.clone())
                    .collect();
                let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
                let nodes = self.some(&nodes);
                self.step(all.with("nodes", nodes));
            }
            14..=16 => {
                let stores = self.some(&[
                    "Phone-SAST-trust",
                    "CallManager-trust",
                    "CAPF-trust",
                    "tomcat-trust",
                ]);
                self.step(all.with("stores", stores));
            }
            // What the exchange carries before 10.5.2 nobody says: tried, but seldom.
            _ if [from, into]
                .iter()
                .all(|&c| self.is_since(c, Release::V10_5_2))
                || self.chance(10) =>
            {
                self.bulk(&from_id, &into_id);
            }
            _ => self.step(all),
        }
    }

    /// The pages of bulk certificate management, now and then with a page left out.
    fn bulk(&mut self, from: &str, into: &str) {
        let kind = match self.rng.below(6) {
            0 => "TFTP",
            1 => "ITL_Recovery",
            2 => "Tomcat",
            _ => "All",
        };
        let pages = [
            ("bulk-sftp", from, false),
            ("bulk-sftp", into, false),
            ("bulk-export", from, true),
            ("bulk-export", into, true),
            ("bulk-consolidate", from, true),
            ("bulk-import", into, true),
        ];
        for (verb, cluster, typed) in pages {
            if self.chance(6) {
                continue;
            }
            let step = StepDraft::new(verb).with("cluster", cluster);
            self.step(if typed { step.with("type", kind) } else { step });
        }
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

    fn update_ctl(&mut self, cluster: usize) {
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

    fn reset(&mut self) {
        let step = self.for_phones(StepDraft::new("reset-phones"), 85);
        self.step(step);
    }

    fn wait(&mut self) {
        // A second, an hour, and more than any answer of a TVS lives.
        let seconds = self.pick(&[1_u64, 120, 3_700, 90_000]).unwrap_or(1);
        self.step(StepDraft::new("wait").with("seconds", seconds));
    }

    fn running(&self, cluster: usize, service: &str) -> Vec<String> {
        let nodes = self.draft.clusters[cluster].nodes.iter();
        nodes
            .filter(|n| n.runs(service))
            .map(|n| n.name.clone())
            .collect()
    }

    /// What happens in clusters between the moves, up to `most` times.
    fn unrest(&mut self, most: u64) {
        for _ in 0..self.rng.below(most + 1) {
            let cluster = self.index(self.draft.clusters.len());
            match self.rng.below(12) {
                0..=3 => self.regenerate(cluster),
                4 if self.draft.clusters[cluster].mixed => self.update_ctl(cluster),
                5 => self.change_service("restart-service", cluster, "tvs"),
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

    fn change_service(&mut self, verb: &'static str, cluster: usize, service: &'static str) {
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
        self.step(step.with("service", service));
        let touched = if whole { nodes } else { vec![node] };
        for node in touched {
            self.stopped.retain(|(_, n, s)| *n != node || *s != service);
            if verb == "stop-service" {
                self.stopped.push((cluster, node, service));
            }
        }
    }

    /// What fails while phones move.
    fn faults(&mut self) {
        for _ in 0..self.rng.below(3) {
            let cluster = self.index(self.draft.clusters.len());
            match self.rng.below(10) {
                0..=1 => {
                    let service = self.pick(&["tvs", "tftp"]).unwrap_or("tvs");
                    self.change_service("stop-service", cluster, service);
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
                _ => {
                    if self.chance(30) {
                        let step =
                            StepDraft::new("remove-phones").with("cluster", self.id(cluster));
                        let step = self.for_phones(step, 40);
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

    /// Links fail in one way or in several.
    fn break_links(&mut self) {
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
        }
        let step = self.for_phones(step, 70);
        self.step(step);
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
    fn mend(&mut self) {
        let off = std::mem::take(&mut self.off);
        let mut on: Vec<String> = Vec::new();
        for node in off {
            if !on.contains(&node) {
                self.step(StepDraft::new("switch-on").with("node", node.clone()));
                on.push(node);
            }
        }
        for (_, node, service) in std::mem::take(&mut self.stopped) {
            // A node that was off has all its services again.
            if !on.contains(&node) {
                let step = StepDraft::new("start-service").with("node", node);
                self.step(step.with("service", service));
            }
        }
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
        ] {
            let has = |w: &Draft| w.steps.iter().any(|s| s.verb == verb);
            assert!(count(&has) > 20, "{verb}");
        }
        assert!(worlds.iter().all(|w| w.nodes().count() <= MAX_NODES));
    }
}
