//! What is there before the first step: clusters, phones, settings.

use super::super::draft::{ClusterDraft, NodeDraft, PhonesDraft, Value};
use super::{Hand, MAX_NODES};
use crate::cluster::Release;

/// Nodes of one cluster.
const MAX_CLUSTER_NODES: u64 = 4;

/// Their ids, and what the names of their nodes begin with.
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
    ("tvs.max_servers", &["1", "2"]),
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
    ("http.first", &["no"]),
    ("http.fallback_on", &["5xx"]),
    ("cluster.http_missing", &["404"]),
    // 1.1 leads a phone to HTTPS.
    ("cluster.signer_version", &["1.1"]),
    ("cluster.https_record", &["yes"]),
];

impl Hand {
    pub(super) fn clusters(&mut self) {
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

    pub(super) fn phones(&mut self) {
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

    pub(super) fn settings(&mut self) {
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
            if self.chance(30) {
                self.set("tvs.cache_clock", "wall");
            }
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
}
