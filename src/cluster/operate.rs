//! What an engineer does to a cluster, and what goes wrong on its own.

use super::key::KeyPool;
use super::node::{Damage, DamagedFile};
use super::phone_files::PhoneFiles;
use super::release::Scope;
use super::serve::served;
use super::spec::{ClusterError, Parameter, Service};
use super::state::Cluster;
use super::x509::{CertificateKind, LabCertificate};
use crate::time::UnixSeconds;

/// One node or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// The node with this name.
    Node(&'a str),
    /// Every node of the cluster.
    All,
}

impl Cluster {
    /// True if the node is on and runs the service.
    pub fn is_up(&self, node: &str, service: Service) -> bool {
        self.node(node).is_ok_and(|n| n.is_up(service))
    }

    /// Stops a service.
    ///
    /// # Errors
    /// [`ClusterError::UnknownNode`], or [`ClusterError::UnknownService`] if none of the nodes
    /// named has it.
    pub fn stop_service(
        &mut self,
        target: Target<'_>,
        service: Service,
    ) -> Result<(), ClusterError> {
        for index in self.nodes_with(target, service)? {
            self.nodes[index].stopped.insert(service);
        }
        Ok(())
    }

    /// Starts a service where it is stopped: a TVS loads what the database says now, and TFTP serves
    /// what the cluster has now.
    ///
    /// # Errors
    /// As [`Cluster::stop_service`].
    pub fn start_service(
        &mut self,
        target: Target<'_>,
        service: Service,
    ) -> Result<(), ClusterError> {
        for index in self.nodes_with(target, service)? {
            let was_stopped = self.nodes[index].stopped.remove(&service);
            if was_stopped && service == Service::Tvs {
                self.load_tvs(index);
            }
            // On a node that is off nothing starts before the power does.
            if was_stopped && service == Service::Tftp && self.nodes[index].is_on {
                self.start_tftp(index);
            }
        }
        Ok(())
    }

    /// Stops a service, where it runs, and starts it.
    ///
    /// # Errors
    /// As [`Cluster::stop_service`].
    pub fn restart_service(
        &mut self,
        target: Target<'_>,
        service: Service,
    ) -> Result<(), ClusterError> {
        self.stop_service(target, service)?;
        self.start_service(target, service)
    }

    /// Switches nodes off. They keep their files and learn nothing until they are on again.
    ///
    /// # Errors
    /// [`ClusterError::UnknownNode`].
    pub fn switch_off(&mut self, target: Target<'_>) -> Result<(), ClusterError> {
        for index in self.targets(target)? {
            self.nodes[index].is_on = false;
        }
        Ok(())
    }

    /// Switches nodes on. Those that were off start all their services and catch up with what the
    /// others publish.
    ///
    /// # Errors
    /// [`ClusterError::UnknownNode`], or that a list cannot be made.
    pub fn switch_on(&mut self, target: Target<'_>, at: UnixSeconds) -> Result<(), ClusterError> {
        for index in self.targets(target)? {
            if !self.nodes[index].is_on {
                self.nodes[index].is_on = true;
                self.nodes[index].stopped.clear();
                self.load_tvs(index);
                self.start_tftp(index);
            }
        }
        self.publish(at)
    }

    /// Moves the wall clock of nodes by this many seconds. What they publish and which certificates
    /// they make from now on bears the new time; what they have served so far stays as it is, and a
    /// TVS answer lives as long as it says, because it says a duration.
    ///
    /// # Errors
    /// [`ClusterError::UnknownNode`].
    pub fn jump_clock(&mut self, target: Target<'_>, by: i64) -> Result<(), ClusterError> {
        for index in self.targets(target)? {
            let ahead = &mut self.nodes[index].clock_ahead;
            *ahead = ahead.saturating_add(by);
        }
        Ok(())
    }

    /// What the node's wall clock shows when the lab's date is `at`.
    ///
    /// # Errors
    /// [`ClusterError::UnknownNode`].
    pub fn clock_of(&self, node: &str, at: UnixSeconds) -> Result<UnixSeconds, ClusterError> {
        Ok(self.node(node)?.clock(at))
    }

    /// From now on the node's TVS has this port, and configurations say so at once.
    ///
    /// # Errors
    /// [`ClusterError::UnknownNode`], or that a configuration cannot be made.
    pub fn move_tvs(&mut self, node: &str, port: u16, at: UnixSeconds) -> Result<(), ClusterError> {
        let index = self.node_index(node)?;
        self.nodes[index].spec.tvs_port = port;
        self.publish(at)
    }

    /// Sets an enterprise parameter; what depends on it is published at once.
    ///
    /// # Errors
    /// [`ClusterError::ParameterValue`] for a digest that nobody signs with.
    pub fn set_parameter(
        &mut self,
        parameter: Parameter,
        at: UnixSeconds,
    ) -> Result<(), ClusterError> {
        let mut parameters = self.spec.parameters;
        match parameter {
            Parameter::PrepareClusterForRollback(value) => {
                parameters.prepare_cluster_for_rollback = value;
            }
            Parameter::TftpFileSignatureAlgorithm(digest) => {
                parameters.tftp_file_signature_algorithm = Some(digest);
            }
            Parameter::AutoRegistration(value) => parameters.auto_registration = value,
        }
        parameters.check()?;
        self.spec.parameters = parameters;
        self.publish(at)
    }

    /// Makes a node's certificate anew, with another key and serial. The ITLs follow by
    /// themselves, the CTL waits for [`Cluster::update_ctl`], and a TVS restarts by itself when
    /// its own certificate changed (Cisco security guide 12.5(1)SU3).
    ///
    /// # Errors
    /// [`ClusterError::NoCertificate`] if the node has none of this kind, or only a copy of the
    /// publisher's.
    pub fn regenerate(
        &mut self,
        node: &str,
        kind: CertificateKind,
        at: UnixSeconds,
        keys: &mut KeyPool,
    ) -> Result<(), ClusterError> {
        let index = self.node_index(node)?;
        if !self.makes(&self.nodes[index], kind) {
            return Err(ClusterError::NoCertificate {
                node: node.to_owned(),
                kind,
                release: self.profile.release,
            });
        }
        *self.nodes[index].generations.entry(kind).or_default() += 1;
        let made = self.make_certificate(index, kind, self.nodes[index].clock(at), keys)?;
        self.nodes[index].certificates.insert(kind, made);
        self.database_changed();
        if kind == CertificateKind::Tvs {
            self.load_tvs(index);
        }
        self.publish(at)
    }

    /// From now on the node answers with this status over HTTP and HTTPS, for this file or for all;
    /// 200 lets it answer as it should. TFTP goes on as before.
    ///
    /// # Errors
    /// [`ClusterError::UnknownNode`] or [`ClusterError::UnknownService`].
    pub fn answer_http(
        &mut self,
        node: &str,
        file: Option<DamagedFile>,
        status: u16,
    ) -> Result<(), ClusterError> {
        let index = self.node_index(node)?;
        let node = &mut self.nodes[index];
        if !node.has(Service::Tftp) {
            return Err(ClusterError::UnknownService {
                target: node.spec.name.clone(),
                service: Service::Tftp,
            });
        }
        if status == 200 {
            match file {
                Some(file) => drop(node.http_status.remove(&Some(file))),
                None => node.http_status.clear(),
            }
        } else {
            node.http_status.insert(file, status);
        }
        Ok(())
    }

    /// From now on the node serves this file damaged, whatever is published, until its TFTP starts
    /// again (`cluster.tftp_start_mends`).
    ///
    /// # Errors
    /// [`ClusterError::NoFile`] if it serves none.
    pub fn damage_file(
        &mut self,
        node: &str,
        file: DamagedFile,
        damage: Damage,
    ) -> Result<(), ClusterError> {
        let index = self.node_index(node)?;
        let files = served(&self.nodes[index]);
        let is_served = match file {
            DamagedFile::Ctl => files.is_some_and(|f| f.ctl.is_some()),
            DamagedFile::Itl | DamagedFile::Config => files.is_some(),
        };
        if !is_served {
            return Err(ClusterError::NoFile {
                node: node.to_owned(),
                file: file.name(),
            });
        }
        self.nodes[index].damage.insert(file, damage);
        Ok(())
    }

    /// From now on the node goes on serving the lists and configurations that it has, whatever is
    /// published, until its TFTP starts again. Which phones there are it still learns.
    ///
    /// # Errors
    /// [`ClusterError::NoFile`] if it serves none.
    pub fn keep_old_files(&mut self, node: &str) -> Result<(), ClusterError> {
        let index = self.node_index(node)?;
        let Some(files) = served(&self.nodes[index]).cloned() else {
            return Err(ClusterError::NoFile {
                node: node.to_owned(),
                file: "files",
            });
        };
        self.nodes[index].kept = Some(files);
        Ok(())
    }

    /// Names these files in the configurations of all phones, and installs them on the TFTP nodes.
    ///
    /// # Errors
    /// [`ClusterError::Publish`] if a list cannot be made.
    pub fn set_phone_files(
        &mut self,
        files: PhoneFiles,
        at: UnixSeconds,
    ) -> Result<(), ClusterError> {
        self.phone_files = files;
        self.publish(at)
    }

    /// The certificates that this cluster can give to another, with the node that each is from:
    /// every node's own of these kinds, one that all share once.
    pub fn certificates_to_exchange(
        &self,
        kinds: &[CertificateKind],
    ) -> Vec<(&str, &LabCertificate)> {
        let mut all = Vec::new();
        for node in &self.nodes {
            for kind in kinds {
                let own = node.certificates.get(kind);
                all.extend(own.map(|c| (node.spec.name.as_str(), c)));
            }
        }
        all
    }

    /// The certificates of these kinds that these nodes have, each once. One that the publisher makes
    /// for the whole cluster and distributes is every node's.
    pub fn certificates_of_nodes<'a>(
        &'a self,
        nodes: &[&'a str],
        kinds: &[CertificateKind],
    ) -> Vec<(&'a str, &'a LabCertificate)> {
        let mut all: Vec<(&str, &LabCertificate)> = Vec::new();
        for &node in nodes {
            let of_node = kinds.iter().filter_map(|&k| self.certificate(node, k));
            for certificate in of_node {
                if !all.iter().any(|(_, c)| c.public == certificate.public) {
                    all.push((node, certificate));
                }
            }
        }
        all
    }

    /// True if the release has ITLRecovery.
    pub fn has_itl_recovery(&self) -> bool {
        self.profile.itl_recovery.value != Scope::Absent
    }

    /// What starting TFTP does to a node's files. Until then the service serves what it has cached
    /// (Cisco security guide 12.5(1)SU3). What the node answers over HTTP stays as it is set.
    fn start_tftp(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.kept = None;
        if self.settings.tftp_start_mends {
            node.damage.clear();
        }
    }

    fn targets(&self, target: Target<'_>) -> Result<Vec<usize>, ClusterError> {
        match target {
            Target::Node(name) => Ok(vec![self.node_index(name)?]),
            Target::All => Ok((0..self.nodes.len()).collect()),
        }
    }

    fn nodes_with(&self, target: Target<'_>, service: Service) -> Result<Vec<usize>, ClusterError> {
        let mut found = self.targets(target)?;
        found.retain(|&index| self.nodes[index].has(service));
        if found.is_empty() {
            let target = match target {
                Target::Node(name) => name.to_owned(),
                Target::All => self.spec.id.clone(),
            };
            return Err(ClusterError::UnknownService { target, service });
        }
        Ok(found)
    }
}
