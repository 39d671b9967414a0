//! The clusters of a scenario and their nodes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use toml::de::DeValue;

use super::super::diagnostic::{Located, listed, quote};
use super::super::model::{Cluster, MAX_GROUP_MEMBERS, Node, PhoneFiles, RELEASES};
use super::super::words::{Mode, Service};
use super::read::{Entry, Problem, Section, in_file_order};
use super::{MAX_CLUSTERS, MAX_NODES, Parser, nothing};

impl Parser<'_, '_> {
    pub(super) fn clusters(&mut self, root: &Section<'_>) -> Vec<Cluster> {
        let what = "a table for each cluster, written as [cluster.NAME]";
        let entry = root.required(self.problems, "cluster", what);
        let Some(table) = entry.and_then(|entry| entry.table(self.problems)) else {
            return Vec::new();
        };
        let entries = in_file_order(table);
        if let Some(extra) = entries.get(MAX_CLUSTERS) {
            let message = format!("{} clusters, more than {MAX_CLUSTERS}", entries.len());
            self.problems.add(Problem::at(extra.key_span, message));
        }
        let mut clusters = Vec::new();
        let mut taken = BTreeMap::new();
        for entry in entries.into_iter().take(MAX_CLUSTERS) {
            if let Some(cluster) = self.cluster(entry) {
                self.unique_names(&mut taken, &cluster);
                clusters.push(cluster);
            }
        }
        clusters
    }

    fn cluster(&mut self, entry: Entry<'_>) -> Option<Cluster> {
        let id = Located::new(entry.key.to_owned(), entry.key_span);
        self.host_name(&id, "the name of a cluster");
        let DeValue::Table(table) = entry.value() else {
            entry.wrong_type(
                self.problems,
                "the table of a cluster, written as [cluster.NAME]",
            );
            return None;
        };
        // A key may be as long as the file.
        let title = match is_host_name(&id) {
            true => format!("[cluster.{}]", entry.key),
            false => "the cluster".to_owned(),
        };
        let section = Section::new(
            self.problems,
            table,
            Some(entry.key_span),
            &title,
            &[
                "release",
                "mode",
                "parameters",
                "nodes",
                "callmanager-group",
                "phone-files",
            ],
        );
        let release = section
            .required(
                self.problems,
                "release",
                "the release that the cluster runs",
            )
            .and_then(|entry| entry.string(self.problems));
        if let Some(release) = &release
            && !RELEASES.contains(&release.value)
        {
            self.problems.add(
                Problem::at(
                    release.span,
                    format!("unknown release {}", quote(release.value)),
                )
                // No "did you mean": releases look alike and are far apart.
                .help(format!("known releases: {}", listed(RELEASES))),
            );
        }
        let mode = section
            .optional("mode")
            .and_then(|entry| entry.word(self.problems))
            .map_or(Mode::NonSecure, |mode| mode.value);
        let mut parameters = Vec::new();
        if let Some(entry) = section.optional("parameters")
            && let Some(table) = entry.table(self.problems)
        {
            for entry in in_file_order(table) {
                if self.problems.full() {
                    break;
                }
                let name = Located::new(entry.key.to_owned(), entry.key_span);
                parameters.extend(self.parameter(name, entry));
            }
        }
        let mut nodes = self.nodes(&section);
        if !nodes.iter().any(|node| node.runs(Service::CallManager)) {
            for node in &mut nodes {
                node.services.push(Service::CallManager);
            }
        }
        let callmanager_group = match section.optional("callmanager-group") {
            Some(entry) => self.callmanager_group(entry, &id, &nodes),
            None => nodes
                .iter()
                .filter(|node| node.runs(Service::CallManager))
                .take(MAX_GROUP_MEMBERS)
                .map(|node| node.name.clone())
                .collect(),
        };
        let phone_files = match section.optional("phone-files") {
            Some(entry) => self.phone_files(entry),
            None => PhoneFiles::default(),
        };
        Some(Cluster {
            id,
            release: release.map_or_else(nothing, |release| release.map(str::to_owned)),
            mode,
            parameters,
            nodes,
            callmanager_group,
            phone_files,
        })
    }

    fn nodes(&mut self, cluster: &Section<'_>) -> Vec<Node> {
        let what = "the list of its nodes: [{ name = \"...\", services = [\"publisher\", ...] }]";
        let Some(entry) = cluster.required(self.problems, "nodes", what) else {
            return Vec::new();
        };
        let Some(list) = entry.list(self.problems, "a list of nodes", MAX_NODES) else {
            return Vec::new();
        };
        let before = self.problems.count();
        let mut nodes = Vec::new();
        let mut publisher: Option<Located<String>> = None;
        for entry in &list {
            let Some(table) = entry.table(self.problems) else {
                continue;
            };
            let span = Some(entry.span());
            let section = Section::new(self.problems, table, span, "a node", &["name", "services"]);
            let name = section
                .required(self.problems, "name", "its host name")
                .and_then(|entry| entry.text(self.problems));
            if let Some(name) = &name {
                self.host_name(name, "the name of a node");
            }
            let services: Vec<Located<Service>> = section
                .required(self.problems, "services", "the list of what it runs")
                // An empty list is a node that has only what all of them run.
                .filter(|entry| !entry.is_empty_list())
                .and_then(|entry| entry.words(self.problems))
                .unwrap_or_default();
            let Some(name) = name else { continue };
            for service in services
                .iter()
                .filter(|word| word.value == Service::Publisher)
            {
                if let Some(first) = &publisher {
                    let message = "a cluster has one publisher";
                    self.problems.add(
                        Problem::at(service.span, message)
                            .label(format!("{} is the publisher already", quote(first))),
                    );
                } else {
                    publisher = Some(name.clone());
                }
            }
            nodes.push(Node {
                name,
                services: services.into_iter().map(|service| service.value).collect(),
            });
        }
        if list.is_empty() {
            self.problems
                .add(Problem::at(entry.span(), "a cluster needs a node"));
        } else if self.problems.count() == before {
            // With an error among the nodes nobody knows what the wrong word would have been.
            if publisher.is_none() {
                let message = "no node of the cluster is its publisher";
                self.problems.add(
                    Problem::at(entry.key_span, message)
                        .help("list `publisher` among the services of one node"),
                );
            }
            if !nodes.iter().any(|node| node.runs(Service::Tftp)) {
                let message = "no node of the cluster runs TFTP";
                self.problems.add(
                    Problem::at(entry.key_span, message)
                        .help("list `tftp` among the services of the nodes that phones boot from"),
                );
            }
        }
        nodes
    }

    fn callmanager_group(
        &mut self,
        entry: Entry<'_>,
        cluster: &Located<String>,
        nodes: &[Node],
    ) -> Vec<Located<String>> {
        let group = entry.names(self.problems).unwrap_or_default();
        if let Some(extra) = group.get(MAX_GROUP_MEMBERS) {
            let message = format!(
                "{} nodes in the group, more than {MAX_GROUP_MEMBERS}",
                group.len()
            );
            self.problems.add(Problem::at(extra.span, message));
        }
        for member in &group {
            let problem = match nodes.iter().find(|node| node.name.value == member.value) {
                Some(node) if node.runs(Service::CallManager) => continue,
                Some(_) => Problem::at(
                    member.span,
                    format!("{} does not run callmanager", quote(member)),
                )
                .help("list `callmanager` among its services, or leave it out of all nodes"),
                None => {
                    let names: Vec<&str> =
                        nodes.iter().map(|node| node.name.value.as_str()).collect();
                    let message =
                        format!("cluster {} has no node {}", quote(cluster), quote(member));
                    Problem::at(member.span, message).suggest(member, "its nodes", &names)
                }
            };
            self.problems.add(problem);
        }
        group
    }

    /// Steps, expectations and folders tell clusters and nodes by name alone, so no two may have
    /// the same, not even where case does not count. `taken` holds the names so far in lower case,
    /// and what each is of.
    fn unique_names(&mut self, taken: &mut BTreeMap<String, &'static str>, cluster: &Cluster) {
        let nodes = cluster.nodes.iter().map(|node| (&node.name, "a node"));
        for (name, what) in std::iter::once((&cluster.id, "a cluster")).chain(nodes) {
            match taken.entry(name.to_ascii_lowercase()) {
                Slot::Vacant(free) => {
                    free.insert(what);
                }
                Slot::Occupied(other) => {
                    let message = format!("{} is called {} already", other.get(), quote(name));
                    self.problems.add(
                        Problem::at(name.span, message)
                            .help("steps and expectations tell clusters and nodes by name alone"),
                    );
                }
            }
        }
    }

    /// Names of clusters and nodes become host names and folders.
    fn host_name(&mut self, name: &Located<String>, what: &str) {
        let message = if name.value == "none" {
            "`none` stands for no cluster and no node".to_owned()
        } else if is_host_name(&name.value) {
            return;
        } else {
            format!("{} cannot be {what}", quote(&name.value))
        };
        self.problems.add(
            Problem::at(name.span, message)
                .help("a name has up to 63 letters, digits, hyphens and single dots inside"),
        );
    }
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.len() <= 63 && name.split('.').all(label)
}
