//! Whether what a scenario names exists, and whether its steps can be taken there at all.

use std::collections::BTreeMap;

use super::super::diagnostic::{Located, Span, listed, quote, similar};
use super::super::model::{
    Action, Cluster, Dhcp, Node, Nodes, PhoneGroup, SftpServer, Step, Target,
};
use super::super::select::Selector;
use super::super::steps::{certificate_kind, own_kind};
use super::super::words::{Mode, OwnCertificate, ServedFile, Service};
use super::read::{Problem, Problems};
use crate::cluster::release::Scope;
use crate::cluster::{CertificateKind, Release};

/// What a name turned out to be of.
pub(super) enum Found {
    /// A cluster.
    Cluster,
    /// A node.
    Node,
}

/// The clusters, nodes and phones of a scenario, by name.
pub(super) struct Names<'s> {
    clusters: BTreeMap<&'s str, &'s Cluster>,
    /// Ids in the order of the file, for messages.
    ids: Vec<&'s str>,
    nodes: BTreeMap<&'s str, (&'s Cluster, &'s Node)>,
    phones: &'s [PhoneGroup],
    /// Whether the clusters were read without errors. Otherwise a service that a node seems to lack
    /// may be the one that could not be read, and complaining about it would mislead.
    clusters_sound: bool,
    /// The same of the phones.
    phones_sound: bool,
}

impl<'s> Names<'s> {
    pub(super) fn new(
        clusters: &'s [Cluster],
        clusters_sound: bool,
        phones: &'s [PhoneGroup],
        phones_sound: bool,
    ) -> Self {
        let nodes = clusters.iter().flat_map(|cluster| {
            cluster
                .nodes
                .iter()
                .map(move |node| (node.name.value.as_str(), (cluster, node)))
        });
        Self {
            clusters: clusters
                .iter()
                .map(|cluster| (cluster.id.value.as_str(), cluster))
                .collect(),
            ids: clusters
                .iter()
                .map(|cluster| cluster.id.value.as_str())
                .collect(),
            nodes: nodes.collect(),
            phones,
            clusters_sound,
            phones_sound,
        }
    }

    /// The cluster called `name`; reports that there is none.
    fn cluster(&self, problems: &mut Problems<'_>, name: &Located<String>) -> Option<&'s Cluster> {
        let found = self.clusters.get(name.value.as_str()).copied();
        if found.is_none() && !self.ids.is_empty() {
            let problem = Problem::at(name.span, format!("no cluster is called {}", quote(name)));
            problems.add(if self.nodes.contains_key(name.value.as_str()) {
                problem
                    .label("this is a node")
                    .help(format!("clusters: {}", listed(&self.ids)))
            } else {
                problem.suggest(name, "clusters", &self.ids)
            });
        }
        found
    }

    /// The node called `name`, with its cluster; reports that there is none.
    fn node(
        &self,
        problems: &mut Problems<'_>,
        name: &Located<String>,
    ) -> Option<(&'s Cluster, &'s Node)> {
        let found = self.nodes.get(name.value.as_str()).copied();
        if found.is_none() && !self.nodes.is_empty() {
            let known = self.node_names(self.ids.iter().copied());
            let problem = Problem::at(name.span, format!("no node is called {}", quote(name)));
            problems.add(if self.clusters.contains_key(name.value.as_str()) {
                problem
                    .label("this is a cluster")
                    .help(format!("nodes: {}", listed(&known)))
            } else {
                problem.suggest(name, "nodes", &known)
            });
        }
        found
    }

    /// Whether `name` is of a cluster or of a node; reports that it is of neither.
    pub(super) fn either(
        &self,
        problems: &mut Problems<'_>,
        name: &Located<String>,
    ) -> Option<Found> {
        if self.clusters.contains_key(name.value.as_str()) {
            return Some(Found::Cluster);
        }
        if self.nodes.contains_key(name.value.as_str()) {
            return Some(Found::Node);
        }
        if !self.ids.is_empty() {
            let mut known = self.ids.clone();
            known.extend(self.node_names(self.ids.iter().copied()));
            let message = format!("no cluster and no node is called {}", quote(name));
            problems.add(Problem::at(name.span, message).suggest(
                name,
                "clusters and nodes",
                &known,
            ));
        }
        None
    }

    /// Names of the nodes of these clusters, in the order of the file.
    fn node_names<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Vec<&'s str> {
        ids.filter_map(|id| self.clusters.get(id))
            .flat_map(|cluster| cluster.nodes.iter().map(|node| node.name.value.as_str()))
            .collect()
    }

    /// Reports phones that do not exist.
    pub(super) fn check_selector(&self, problems: &mut Problems<'_>, selector: &Selector) {
        if !self.phones_sound {
            return;
        }
        for mismatch in selector.mismatches(self.phones) {
            let mut problem = Problem::at(mismatch.span, mismatch.message);
            if let Some(group) = mismatch.unknown_group {
                let groups: Vec<&str> = self
                    .phones
                    .iter()
                    .filter_map(|group| Some(group.name.as_ref()?.value.as_str()))
                    .collect();
                if let Some(meant) = similar(&group, groups.iter().copied().chain(["all"])) {
                    problem = problem.label(format!("did you mean `{meant}`?"));
                }
                problem = problem.help(match groups.as_slice() {
                    [] => {
                        "no group has a name: give [[phones]] a `name`, or use numbers".to_owned()
                    }
                    _ => format!("groups: {}", listed(&groups)),
                });
            }
            problems.add(problem);
        }
    }

    /// Checks the clusters that phones boot in.
    pub(super) fn check_phones(&self, problems: &mut Problems<'_>) {
        for group in self.phones {
            if !group.cluster.value.is_empty() {
                self.cluster(problems, &group.cluster);
            }
            for (cluster, _) in &group.certificate_records {
                self.cluster(problems, cluster);
            }
        }
    }

    /// Checks the nodes that clusters name beside their own.
    pub(super) fn check_clusters(&self, problems: &mut Problems<'_>) {
        for cluster in self.clusters.values() {
            if let Some(signer) = &cluster.phone_files.signed_by {
                self.node(problems, signer);
            }
        }
    }

    /// Checks what a step names, and whether it can be done there.
    pub(super) fn check_step(&self, problems: &mut Problems<'_>, step: &Step) {
        self.check_action(problems, &step.action);
    }

    fn check_action(&self, problems: &mut Problems<'_>, action: &Action) {
        match action {
            Action::TrustCertificates {
                from, into, nodes, ..
            } => {
                let source = self.cluster(problems, from);
                self.cluster(problems, into);
                if from.value == into.value {
                    let message = "a cluster trusts its own certificates already";
                    problems.add(
                        Problem::at(into.span, message)
                            .help("`from` and `into` are two different clusters"),
                    );
                }
                for name in nodes.iter().flatten() {
                    let Some((cluster, _)) = self.node(problems, name) else {
                        continue;
                    };
                    if let Some(source) = source
                        && source.id.value != cluster.id.value
                    {
                        let message =
                            format!("{} is not a node of {}", quote(name), quote(&source.id));
                        let own = self.node_names([source.id.value.as_str()].into_iter());
                        problems.add(
                            Problem::at(name.span, message)
                                .help(format!("its nodes: {}", listed(&own))),
                        );
                    }
                }
            }
            Action::SetOption150 { to, phones } => {
                for name in to {
                    self.node_running(problems, name, Service::Tftp);
                }
                self.check_selector(problems, phones);
            }
            Action::SetOption66 { to, phones, .. } => {
                self.node_running(problems, to, Service::Tftp);
                self.check_selector(problems, phones);
            }
            Action::ResetPhones { phones }
            | Action::RenewLeases { phones }
            | Action::EraseLists { phones }
            | Action::FactoryReset { phones }
            | Action::PowerCut { phones, .. } => self.check_selector(problems, phones),
            Action::ChangeService {
                target, service, ..
            } => {
                let service = service.service();
                match target {
                    Target::Node(name) => self.node_running(problems, name, service),
                    Target::Cluster(id) => {
                        if let Some(cluster) = self.cluster(problems, id)
                            && self.clusters_sound
                            && cluster.nodes_running(service).next().is_none()
                        {
                            let message = format!("no node of {} runs {service}", quote(id));
                            problems.add(Problem::at(id.span, message));
                        }
                    }
                }
            }
            Action::SwitchPower { target, .. } => match target {
                Target::Node(name) => {
                    self.node(problems, name);
                }
                Target::Cluster(id) => {
                    self.cluster(problems, id);
                }
            },
            Action::SetParameter { cluster, .. } => {
                self.cluster(problems, cluster);
            }
            Action::RegenerateCertificate { node, certificate } => {
                let kind = own_kind(certificate.value);
                match certificate.value {
                    OwnCertificate::Tvs => self.node_running(problems, node, Service::Tvs),
                    OwnCertificate::Capf => self.node_running(problems, node, Service::Capf),
                    OwnCertificate::CallManager | OwnCertificate::ItlRecovery => {
                        self.node(problems, node);
                    }
                }
                if let Some((cluster, node)) = self.nodes.get(node.value.as_str()) {
                    self.has_own(problems, certificate.span, kind, cluster, Some(node));
                }
            }
            Action::UploadCertificate {
                from,
                certificate,
                into,
                ..
            } => {
                let target = self.cluster(problems, into);
                let (source, node) = match self.either(problems, from) {
                    Some(Found::Cluster) => (self.clusters.get(from.value.as_str()).copied(), None),
                    Some(Found::Node) => {
                        let found = self.nodes.get(from.value.as_str()).copied();
                        (found.map(|(c, _)| c), found.map(|(_, n)| n))
                    }
                    None => (None, None),
                };
                if let (Some(source), Some(target)) = (source, target)
                    && source.id.value == target.id.value
                {
                    let message = "a cluster trusts its own certificates already";
                    problems.add(
                        Problem::at(into.span, message)
                            .help("`from` and `into` are of two different clusters"),
                    );
                }
                if let Some(source) = source {
                    let kind = certificate_kind(certificate.value);
                    // What is made once for the cluster is distributed: every node has it to give.
                    let release = source.release.value.parse::<Release>();
                    let scope = release.map(|release| release.profile().scope_of(kind));
                    let node = node.filter(|_| scope != Ok(Scope::Cluster));
                    self.has_own(problems, certificate.span, kind, source, node);
                }
            }
            Action::UpdateCtl { cluster } => {
                if let Some(found) = self.cluster(problems, cluster) {
                    self.mixed(problems, found, cluster);
                }
            }
            Action::DamageFile { node, file, .. } => {
                self.node_running(problems, node, Service::Tftp);
                if *file == ServedFile::Ctl
                    && let Some((cluster, _)) = self.nodes.get(node.value.as_str())
                {
                    self.mixed(problems, cluster, node);
                }
            }
            Action::AnswerHttp { node, .. } => self.node_running(problems, node, Service::Tftp),
            Action::BulkSftp { cluster, .. } => {
                self.cluster(problems, cluster);
            }
            Action::Bulk { cluster, node, .. } => {
                self.cluster(problems, cluster);
                if let Some(node) = node {
                    self.node(problems, node);
                }
            }
            Action::KeepOldFiles { node } => self.node_running(problems, node, Service::Tftp),
            Action::RemovePhones { phones, cluster } | Action::AddPhones { phones, cluster } => {
                self.check_selector(problems, phones);
                self.cluster(problems, cluster);
            }
            Action::SetLink { phones, nodes, .. } => {
                self.check_selector(problems, phones);
                self.check_nodes(problems, nodes);
            }
            Action::JumpClock(jump) => {
                if let Some(phones) = &jump.phones {
                    self.check_selector(problems, phones);
                }
                if let Some(nodes) = &jump.nodes {
                    self.check_nodes(problems, nodes);
                }
            }
            Action::Later { action, .. } => self.check_action(problems, action),
            Action::BulkFault { .. }
            | Action::ClearLinks
            | Action::SwitchDhcp { .. }
            | Action::Wait { .. }
            | Action::Note { .. } => {}
        }
    }

    fn check_nodes(&self, problems: &mut Problems<'_>, nodes: &Nodes) {
        if let Nodes::Named(names) = nodes {
            for name in names {
                self.node(problems, name);
            }
        }
    }

    /// Reports that no node is called `name`, or that it does not run `service`.
    fn node_running(&self, problems: &mut Problems<'_>, name: &Located<String>, service: Service) {
        let Some((cluster, node)) = self.node(problems, name) else {
            return;
        };
        if !self.clusters_sound || node.runs(service) {
            return;
        }
        let running: Vec<&str> = cluster
            .nodes_running(service)
            .map(|node| node.name.value.as_str())
            .collect();
        let problem = Problem::at(name.span, format!("{} does not run {service}", quote(name)));
        problems.add(match running.as_slice() {
            [] => problem.help(format!("no node of {} does", quote(&cluster.id))),
            _ => problem.help(format!("in {}: {}", quote(&cluster.id), listed(&running))),
        });
    }

    /// Reports that a certificate of this kind is not made in the cluster, or not on this node.
    fn has_own(
        &self,
        problems: &mut Problems<'_>,
        span: Span,
        kind: CertificateKind,
        cluster: &Cluster,
        node: Option<&Node>,
    ) {
        let Ok(release) = cluster.release.value.parse::<Release>() else {
            return;
        };
        let scope = release.profile().scope_of(kind);
        let publisher = cluster.publisher();
        let problem = match (scope, node) {
            (Scope::Absent, _) => {
                let message = format!("release {release} has no {kind} certificate");
                Problem::at(span, message).help(format!(
                    "cluster {} runs {release}; choose another certificate",
                    quote(&cluster.id)
                ))
            }
            (Scope::Publisher | Scope::Cluster, Some(node)) if !node.runs(Service::Publisher) => {
                let message = format!("{} has no {kind} certificate of its own", quote(&node.name));
                let place = publisher.map_or("the publisher", |p| p.name.value.as_str());
                Problem::at(span, message)
                    .help(format!("in release {release} {place} makes it: {scope}"))
            }
            _ => return,
        };
        if self.clusters_sound {
            problems.add(problem);
        }
    }

    /// Reports that `cluster`, which the file mentions as `name`, has no CTL.
    fn mixed(&self, problems: &mut Problems<'_>, cluster: &Cluster, name: &Located<String>) {
        if self.clusters_sound && cluster.mode != Mode::Mixed {
            let message = format!(
                "cluster {} is non-secure: it has no CTL",
                quote(&cluster.id)
            );
            problems.add(
                Problem::at(name.span, message)
                    .help("write mode = \"mixed\" in the cluster, or leave this step out"),
            );
        }
    }
}

/// Steps that have no meaning where phones take no lease.
pub(super) fn dhcp(problems: &mut Problems<'_>, dhcp: Dhcp, steps: &[Step]) {
    let is_about_leases = |step: &&Step| {
        matches!(
            step.action,
            Action::SetOption66 { .. } | Action::RenewLeases { .. } | Action::SwitchDhcp { .. }
        )
    };
    for step in steps.iter().filter(|_| !dhcp.on).filter(is_about_leases) {
        let message = format!("step `{}` needs phones that take a lease", step.verb);
        problems.add(
            Problem::at(step.span, message)
                .label("`dhcp` says `on = false`")
                .help("leave `on` out, or set the servers with `set-option-150`"),
        );
    }
}

/// Reports forms of the lab's own SFTP server with what only another server has, and faults of the
/// lab's own where every page names another.
pub(super) fn sftp(problems: &mut Problems<'_>, default: Option<&SftpServer>, steps: &[Step]) {
    let forms = steps.iter().filter_map(|step| match &step.action {
        Action::BulkSftp { server, .. } => Some(server),
        _ => None,
    });
    let whole = |form: &SftpServer| default.map_or_else(|| form.clone(), |d| form.or(d));
    for form in default.into_iter().chain(forms) {
        if let Some(host) = whole(form).host {
            let whole = whole(form);
            for (given, what) in [(&whole.user, "user"), (&whole.password, "password")] {
                if given.is_none() {
                    let message = format!("a server with a `host` needs a `{what}`");
                    problems.add(
                        Problem::at(host.span, message)
                            .help("only the lab's own server has an account for everybody"),
                    );
                }
            }
            continue;
        }
        let port = form.port.as_ref().map(|port| (port.span, "port"));
        let key = form.host_key.as_ref().map(|key| (key.span, "host-key"));
        for (span, what) in port.into_iter().chain(key) {
            let message = format!("`{what}` is of a server that has a `host`");
            problems.add(
                Problem::at(span, message)
                    .help("without `host` the page names the lab's own server, on a free port"),
            );
        }
    }
    let named = default.is_some_and(|form| form.host.is_some());
    for step in steps {
        if named && let Action::BulkFault { .. } = step.action {
            problems.add(
                Problem::at(step.span, "`bulk-fault` is of the lab's own SFTP server")
                    .help("`sftp` names another server; take its `host` away"),
            );
        }
    }
}
