//! The import: which certificate goes where.
//!
//! A file is judged as a whole before a store changes ([`plan_import`]), and filling the stores
//! cannot fail ([`apply`]), so nothing is ever half imported.

use std::sync::Arc;

use thiserror::Error;

use super::names::{EntryName, Unit, is_same_cluster};
use super::outcome::ConsolidatedFile;
use super::settings::{BulkSettings, Expired};
use crate::cluster::release::{Basis, Release};
use crate::cluster::spec::Service;
use crate::cluster::state::Cluster;
use crate::cluster::store::{TrustStore, Trusted};
use crate::cluster::x509::{CertificateKind, PublicCertificate};
use crate::time::UnixSeconds;
use crate::trust::certificate::{CertificateError, escape_for_terminal};

/// From which release on older ones may refuse the certificates (CSCuy43181).
const REFUSED_BELOW: Release = Release::V10_5_2;

/// How it is known what a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// The friendlyName that an export of this lab wrote.
    FriendlyName,
    /// The subject: `ITLRECOVERY_...` or `CAPF-...`.
    Subject,
    /// The name of the file that it is in, which says what all of it is.
    File,
}

/// Who imports.
#[derive(Clone, Debug)]
pub struct Importer {
    /// The cluster's id.
    pub cluster: String,
    /// Its release.
    pub release: Release,
    /// Its own certificates, DER.
    pub own: Vec<Vec<u8>>,
    /// The time by which a certificate is expired.
    pub now: UnixSeconds,
}

impl Importer {
    /// This cluster.
    pub fn of(cluster: &Cluster, now: UnixSeconds) -> Self {
        let own = super::page::certificates_of(cluster);
        Self {
            cluster: cluster.id().to_owned(),
            release: cluster.profile().release,
            own: own.into_iter().map(|c| c.der).collect(),
            now,
        }
    }
}

/// A certificate that will be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The file that it is in.
    pub file: String,
    /// The certificate.
    pub certificate: Arc<PublicCertificate>,
    /// What it is for.
    pub kind: CertificateKind,
    /// The stores that it goes to.
    pub stores: &'static [TrustStore],
    /// How that is known.
    pub known_by: KnownBy,
    /// Cluster and node that exported it, where the file says so.
    pub from: Option<EntryName>,
    /// True if it has expired.
    pub is_expired: bool,
}

/// Why a certificate of a file is left out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LeftOut {
    /// It is the importer's own.
    #[error("it is this cluster's own")]
    Own,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// Neither friendlyName nor subject nor the file says what it is for.
    #[error(
        "neither its friendlyName nor its subject nor its file says what it is for; upload it to the store where it belongs"
    )]
    UnknownKind,
    /// The friendlyName says another kind than the subject.
    #[error("its friendlyName says {said}, its subject {subject}")]
    Contradiction {
        /// By the friendlyName.
        said: CertificateKind,
        /// By the subject.
        subject: CertificateKind,
    },
    /// It is of another kind than the file that it is in.
    #[error("a {0} certificate does not belong into this file")]
    WrongFile(CertificateKind),
    /// A bulk import takes no certificate of this kind (Cisco 215539).
    #[error("an import takes no {0} certificate")]
    NotImported(CertificateKind),
}

/// A certificate that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omitted {
    /// The file that it is in.
    pub file: String,
    /// Its friendlyName.
    pub alias: Option<String>,
    /// The certificate.
    pub certificate: Arc<PublicCertificate>,
    /// Why.
    pub why: LeftOut,
}

/// An import that can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportPlan {
    /// What goes into the stores, in the order of the files.
    pub planned: Vec<Planned>,
    /// What does not.
    pub omitted: Vec<Omitted>,
    /// `bulk.import_resets_phones`.
    pub may_reset_phones: bool,
}

/// Why nothing is imported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportRefusal {
    /// An entry is no certificate.
    #[error("{file}, entry {entry}: {error}; nothing was imported: export and consolidate again")]
    Damaged {
        /// The file.
        file: String,
        /// The entry, counted from 0.
        entry: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// A certificate has expired.
    #[error(
        "{file}: {} has expired; nothing was imported: regenerate it, export and consolidate again",
        escape_for_terminal(.subject.as_bytes())
    )]
    Expired {
        /// The file.
        file: String,
        /// Its subject.
        subject: String,
        /// When it expired.
        not_after: UnixSeconds,
    },
    /// The importer's release fails on certificates of newer ones.
    #[error(
        "{file}: certificates of {from}, release {newer}, cannot be imported into release {release} (CSCuy43181); upload them one by one"
    )]
    NewerRelease {
        /// The file.
        file: String,
        /// The cluster that exported them.
        from: String,
        /// Its release.
        newer: Release,
        /// The importer's release.
        release: Release,
    },
    /// No certificate is left that could be imported.
    #[error(
        "there is no certificate to import in {files}; export on the other cluster, then consolidate"
    )]
    Nothing {
        /// The files.
        files: String,
    },
}

/// What a certificate is for, and how that is known. `unit` is what its file holds, where that is
/// known; it counts where the certificate says nothing itself.
///
/// # Errors
/// [`LeftOut::UnknownKind`], [`LeftOut::Contradiction`].
pub fn identify(
    alias: Option<&str>,
    certificate: &PublicCertificate,
    unit: Option<Unit>,
) -> Result<(CertificateKind, KnownBy), LeftOut> {
    let said = alias.and_then(EntryName::parse).map(|name| name.kind);
    match (said, kind_of_subject(&certificate.subject_text)) {
        (Some(said), Some(subject)) if said != subject => {
            Err(LeftOut::Contradiction { said, subject })
        }
        (Some(said), _) => Ok((said, KnownBy::FriendlyName)),
        (None, Some(subject)) => Ok((subject, KnownBy::Subject)),
        (None, None) => match unit {
            Some(unit) => Ok((unit.kind(), KnownBy::File)),
            None => Err(LeftOut::UnknownKind),
        },
    }
}

/// Only two kinds have names of their own (cluster.md's samples: `CN=ITLRECOVERY_<fqdn>`, and
/// `CN=CAPF-` with eight hex digits).
fn kind_of_subject(subject: &str) -> Option<CertificateKind> {
    let common_name = subject
        .split([';', '+'])
        .find_map(|p| p.strip_prefix("CN="))?;
    if common_name.starts_with("ITLRECOVERY_") {
        return Some(CertificateKind::ItlRecovery);
    }
    let id = common_name.strip_prefix("CAPF-")?;
    let is_id = id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then_some(CertificateKind::Capf)
}

/// Judges the files of an import as a whole.
///
/// # Errors
/// [`ImportRefusal`]: nothing of it is imported.
pub fn plan_import(
    files: &[ConsolidatedFile],
    importer: &Importer,
    settings: &BulkSettings,
) -> Result<ImportPlan, ImportRefusal> {
    let mut plan = ImportPlan {
        planned: Vec::new(),
        omitted: Vec::new(),
        may_reset_phones: settings.import_resets_phones,
    };
    for file in files {
        for (number, entry) in file.entries.iter().enumerate() {
            let certificate = PublicCertificate::from_der(&entry.der).map_err(|error| {
                ImportRefusal::Damaged {
                    file: file.name.clone(),
                    entry: number,
                    error,
                }
            })?;
            let certificate = Arc::new(certificate);
            let from = entry.alias.as_deref().and_then(EntryName::parse);
            let is_own = importer.own.contains(&entry.der)
                || from
                    .as_ref()
                    .is_some_and(|f| is_same_cluster(&f.cluster, &importer.cluster));
            let is_expired = certificate.not_after < importer.now;
            let judged = if is_own && !settings.import_own {
                Err(LeftOut::Own)
            } else {
                identify(entry.alias.as_deref(), &certificate, file.unit)
                    .and_then(|known| belongs(known, file.unit, settings))
            };
            let why = match judged {
                Ok((kind, known_by)) => {
                    check_release(&file.name, from.as_ref(), importer, settings)?;
                    if !is_expired || settings.expired == Expired::Import {
                        plan.planned.push(Planned {
                            file: file.name.clone(),
                            certificate,
                            kind,
                            stores: settings.stores_of(kind),
                            known_by,
                            from,
                            is_expired,
                        });
                        continue;
                    }
                    if settings.expired == Expired::Refuse {
                        return Err(ImportRefusal::Expired {
                            file: file.name.clone(),
                            subject: certificate.subject_text.clone(),
                            not_after: certificate.not_after,
                        });
                    }
                    LeftOut::Expired
                }
                Err(why) => why,
            };
            plan.omitted.push(Omitted {
                file: file.name.clone(),
                alias: entry.alias.clone(),
                certificate,
                why,
            });
        }
    }
    if plan.planned.is_empty() {
        let names: Vec<_> = files.iter().map(|f| f.name.as_str()).collect();
        return Err(ImportRefusal::Nothing {
            files: names.join(", "),
        });
    }
    Ok(plan)
}

/// Whether a certificate of this kind is imported out of a file of this unit.
fn belongs(
    (kind, known_by): (CertificateKind, KnownBy),
    unit: Option<Unit>,
    settings: &BulkSettings,
) -> Result<(CertificateKind, KnownBy), LeftOut> {
    if settings.stores_of(kind).is_empty() {
        return Err(LeftOut::NotImported(kind));
    }
    if unit.is_some_and(|unit| unit.kind() != kind) {
        return Err(LeftOut::WrongFile(kind));
    }
    Ok((kind, known_by))
}

/// CSCuy43181: the import fails where certificates come from 10.5.2.13900 or later into a lower
/// version. The table of releases has no builds, so every 10.5.2 counts as 10.5.2.13900.
fn check_release(
    file: &str,
    from: Option<&EntryName>,
    importer: &Importer,
    settings: &BulkSettings,
) -> Result<(), ImportRefusal> {
    match from {
        Some(from)
            if settings.reject_newer_release
                && importer.release < REFUSED_BELOW
                && from.release >= REFUSED_BELOW =>
        {
            Err(ImportRefusal::NewerRelease {
                file: file.to_owned(),
                from: from.cluster.clone(),
                newer: from.release,
                release: importer.release,
            })
        }
        _ => Ok(()),
    }
}

/// A certificate that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The certificate.
    pub certificate: Arc<PublicCertificate>,
    /// What it is for.
    pub kind: CertificateKind,
    /// Cluster and node that exported it, where the file says so.
    pub from: Option<EntryName>,
    /// Each store, with what became of the certificate there. They reach every node of the cluster.
    pub stores: Vec<(TrustStore, Trusted)>,
}

/// What follows from an import, or is still to be done by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// What, as a sentence.
    pub what: &'static str,
    /// True if this lab's cluster does not answer for the new certificates before it is done.
    pub is_needed: bool,
    /// How sure it is.
    pub basis: Basis,
    /// Who says so, and who does not.
    pub source: &'static str,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The certificates, in the order of the files.
    pub imported: Vec<Imported>,
    /// Those that were left out.
    pub omitted: Vec<Omitted>,
    /// True if all phones of the cluster reset by themselves (admin guide 14).
    pub resets_phones: bool,
    /// What to do now.
    pub follow_ups: Vec<FollowUp>,
}

/// What an import fills, and what its consequences hang on.
pub trait ImportTarget {
    /// Puts a certificate into a trust store, as an upload on the publisher does.
    fn trust(&mut self, store: TrustStore, certificate: Arc<PublicCertificate>) -> Trusted;

    /// True if the service runs on some node.
    fn runs(&self, service: Service) -> bool;

    /// True in mixed mode.
    fn is_mixed(&self) -> bool;

    /// `tvs.restart_needed`.
    fn tvs_restart_needed(&self) -> bool;
}

impl ImportTarget for Cluster {
    fn trust(&mut self, store: TrustStore, certificate: Arc<PublicCertificate>) -> Trusted {
        self.trust(store, certificate)
    }

    fn runs(&self, service: Service) -> bool {
        self.nodes().any(|n| self.is_up(&n.name, service))
    }

    fn is_mixed(&self) -> bool {
        self.is_mixed()
    }

    fn tvs_restart_needed(&self) -> bool {
        self.settings().tvs_restart_needed
    }
}

/// Puts the certificates of a plan into the stores of the cluster. The phones' reset is left to the
/// caller.
pub fn apply(cluster: &mut impl ImportTarget, plan: &ImportPlan) -> Import {
    let mut imported = Vec::with_capacity(plan.planned.len());
    for planned in &plan.planned {
        let put = |&store| {
            let result = cluster.trust(store, Arc::clone(&planned.certificate));
            (store, result)
        };
        imported.push(Imported {
            certificate: Arc::clone(&planned.certificate),
            kind: planned.kind,
            from: planned.from.clone(),
            stores: planned.stores.iter().map(put).collect(),
        });
    }
    let has = |kind| plan.planned.iter().any(|p| p.kind == kind);
    Import {
        imported,
        omitted: plan.omitted.clone(),
        resets_phones: plan.may_reset_phones
            && ((has(CertificateKind::CallManager) && cluster.runs(Service::Tftp))
                || (has(CertificateKind::Capf) && cluster.runs(Service::Capf))),
        follow_ups: follow_ups(cluster),
    }
}

fn follow_ups(cluster: &impl ImportTarget) -> Vec<FollowUp> {
    let mut all = vec![
        FollowUp {
            what: "restart TVS on every node",
            is_needed: cluster.tvs_restart_needed(),
            basis: Basis::Assumed,
            source: "Cisco 213407 after an upload by hand; security guide 14SU2: changes are reflected by themselves; Cisco 215539 names no restart",
        },
        FollowUp {
            what: "restart CallManager on every node that runs it, if the exchange is for Extension Mobility Cross Cluster",
            is_needed: false,
            basis: Basis::Documented,
            source: "Cisco 200599",
        },
    ];
    if cluster.is_mixed() {
        all.push(FollowUp {
            what: "utils ctl update CTLFile on the publisher",
            is_needed: false,
            basis: Basis::Documented,
            source: "Cisco 118893; security guide 12.5(1)SU5: it puts the other cluster's signers into the CTL",
        });
        all.push(FollowUp {
            what: "after that, restart TFTP and CallManager on the nodes that run them",
            is_needed: false,
            basis: Basis::Assumed,
            source: "Cisco 118893; field notice 70613 and Cisco 221657 name CallManager and CTIManager instead",
        });
    }
    all
}
