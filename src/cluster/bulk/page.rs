//! The page of the publisher: what can be done there.

use super::names::{EntryName, Unit};
use super::outcome::{Action, Note};
use super::p12::{self, P12Entry};
use super::refusal::Refusal;
use super::run::{Run, Work};
use super::settings::BulkSettings;
use crate::cluster::release::{BulkType, Release};
use crate::cluster::spec::{check_host_name, clip};
use crate::cluster::state::Cluster;
use crate::cluster::x509::CertificateKind;

/// A certificate that a cluster can export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCertificate {
    /// The node that it is from.
    pub node: String,
    /// What it is for.
    pub kind: CertificateKind,
    /// The certificate, DER.
    pub der: Vec<u8>,
}

/// What a cluster can export: its nodes' own certificates of all kinds that an exchange carries, one
/// that all nodes share once.
pub fn certificates_of(cluster: &Cluster) -> Vec<NodeCertificate> {
    cluster
        .certificates_to_exchange(&Unit::ALL.map(Unit::kind))
        .into_iter()
        .map(|(node, certificate)| NodeCertificate {
            node: node.to_owned(),
            kind: certificate.kind,
            der: certificate.public.der.clone(),
        })
        .collect()
}

/// Bulk Certificate Management, as the publisher of one cluster shows it. It keeps nothing between
/// two actions: what can be done is decided by what the directory holds.
#[derive(Clone, Debug)]
pub struct Page {
    cluster: String,
    release: Release,
    settings: BulkSettings,
}

impl Page {
    /// The page on the publisher of the cluster with this id and release.
    pub fn new(cluster: impl Into<String>, release: Release, settings: BulkSettings) -> Self {
        Self {
            cluster: cluster.into(),
            release,
            settings,
        }
    }

    /// The page on a node of a cluster.
    ///
    /// # Errors
    /// [`Refusal::NotThePublisher`] for any other node.
    pub fn open(cluster: &Cluster, node: &str, settings: BulkSettings) -> Result<Self, Refusal> {
        let publisher = cluster.nodes().find(|n| n.publisher);
        let publisher = publisher.map_or("", |n| n.name.as_str());
        if node != publisher {
            return Err(Refusal::NotThePublisher {
                node: node.to_owned(),
                publisher: publisher.to_owned(),
            });
        }
        Ok(Self::new(cluster.id(), cluster.profile().release, settings))
    }

    /// The cluster's id.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The types in the drop-down list.
    pub fn types(&self) -> Vec<BulkType> {
        let mut types = self.release.profile().bulk_types.value.to_vec();
        if self.settings.capf_type {
            types.push(BulkType::Capf);
        }
        types
    }

    /// Looks into the directory.
    pub fn refresh(&self) -> Run {
        Run::new(&self.cluster, &self.settings, None, Work::Refresh)
    }

    /// Exports the certificates of a type: one file a node and unit, each written under another name
    /// and then renamed. Earlier exports of the same nodes are replaced.
    pub fn export(&self, bulk_type: BulkType, certificates: &[NodeCertificate]) -> Run {
        match self.exports(bulk_type, certificates) {
            Ok((files, notes)) => {
                let work = Work::Export { files };
                let mut run = Run::new(&self.cluster, &self.settings, Some(bulk_type), work);
                run.note_all(notes);
                run.note_if_written(Note::Sealed {
                    form: self.settings.form,
                    has_password: !self.settings.password.is_empty(),
                });
                run
            }
            Err(refusal) => self.refused(Action::Export, bulk_type, refusal),
        }
    }

    /// Consolidates a type: one file a unit that holds the certificates of all clusters.
    pub fn consolidate(&self, bulk_type: BulkType) -> Run {
        self.over_units(Action::Consolidate, bulk_type, |units| Work::Consolidate {
            units,
        })
    }

    /// Fetches the consolidated files of a type. Nothing is imported yet: the run ends with
    /// [`End::Fetched`](super::End::Fetched), which [`plan_import`](super::plan_import) judges.
    pub fn import(&self, bulk_type: BulkType) -> Run {
        let has_ecdsa = self.release.has_ecdsa();
        self.over_units(Action::Import, bulk_type, |mut units| {
            // An old page knows nothing of them. It consolidates them all the same: the files are
            // there, and the newer cluster imports them.
            units.retain(|u| has_ecdsa || !u.is_ecdsa());
            Work::Import { units }
        })
    }

    fn over_units(
        &self,
        action: Action,
        bulk_type: BulkType,
        work: impl FnOnce(Vec<Unit>) -> Work,
    ) -> Run {
        match self.units(bulk_type) {
            Ok(units) => Run::new(&self.cluster, &self.settings, Some(bulk_type), work(units)),
            Err(refusal) => self.refused(action, bulk_type, refusal),
        }
    }

    fn refused(&self, action: Action, bulk_type: BulkType, refusal: Refusal) -> Run {
        let work = Work::Refused { action, refusal };
        Run::new(&self.cluster, &self.settings, Some(bulk_type), work)
    }

    fn units(&self, bulk_type: BulkType) -> Result<Vec<Unit>, Refusal> {
        if !self.types().contains(&bulk_type) {
            return Err(Refusal::TypeNotOffered {
                bulk_type,
                release: self.release,
            });
        }
        Ok(Unit::of_type(bulk_type, &self.settings))
    }

    fn exports(
        &self,
        bulk_type: BulkType,
        certificates: &[NodeCertificate],
    ) -> Result<(Vec<Export>, Vec<Note>), Refusal> {
        let mut files = Vec::new();
        let mut notes = Vec::new();
        let mut units = self.units(bulk_type)?;
        units.retain(|u| self.release.has_ecdsa() || !u.is_ecdsa());
        for unit in units {
            let of_unit: Vec<_> = certificates
                .iter()
                .filter(|c| c.kind == unit.kind())
                .collect();
            if of_unit.is_empty() {
                notes.push(Note::NoCertificate { unit });
            }
            let mut nodes: Vec<_> = of_unit.iter().map(|c| c.node.as_str()).collect();
            nodes.sort_unstable();
            nodes.dedup();
            for node in nodes {
                self.check_names(node)?;
                let of_node = of_unit.iter().filter(|c| c.node == node);
                let entries: Vec<_> = of_node
                    .map(|c| P12Entry {
                        alias: Some(self.alias(c)),
                        der: c.der.clone(),
                    })
                    .collect();
                let settings = &self.settings;
                let name = settings.file_names.exported(&self.cluster, node, unit);
                let bytes = write(&entries, settings).map_err(|error| Refusal::CannotWrite {
                    file: name.clone(),
                    error,
                })?;
                files.push(Export {
                    name,
                    unit,
                    bytes,
                    ders: entries.into_iter().map(|e| e.der).collect(),
                });
            }
        }
        if files.is_empty() {
            return Err(Refusal::NothingToExport {
                bulk_type,
                cluster: self.cluster.clone(),
            });
        }
        Ok((files, notes))
    }

    /// A name that no host has would not be read back out of a file's name.
    fn check_names(&self, node: &str) -> Result<(), Refusal> {
        for name in [node, &self.cluster] {
            check_host_name(name).map_err(|_| Refusal::CannotWrite {
                file: clip(name),
                error: p12::P12Error::Alias(clip(name)),
            })?;
        }
        Ok(())
    }

    fn alias(&self, certificate: &NodeCertificate) -> String {
        EntryName {
            cluster: self.cluster.clone(),
            node: certificate.node.clone(),
            kind: certificate.kind,
            release: self.release,
        }
        .to_string()
    }
}

/// A file that an export writes.
#[derive(Clone, Debug)]
pub(super) struct Export {
    pub(super) name: String,
    pub(super) unit: Unit,
    pub(super) bytes: Vec<u8>,
    pub(super) ders: Vec<Vec<u8>>,
}

pub(super) fn write(
    entries: &[P12Entry],
    settings: &BulkSettings,
) -> Result<Vec<u8>, p12::P12Error> {
    p12::write(entries, &settings.password, settings.form, settings.rounds)
}
