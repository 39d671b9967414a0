//! What the page does not do, and which step is missing. The real page's texts are not known.

use thiserror::Error;

use super::names::Unit;
use super::outcome::Action;
use super::p12::P12Error;
use crate::cluster::release::{BulkType, Release};

/// Why an action is refused. Nothing was written and nothing imported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The page was opened on a subscriber (Cisco 215539: on the publisher).
    #[error("{node} is a subscriber: the page is the publisher's, here {publisher}")]
    NotThePublisher {
        /// The node.
        node: String,
        /// The cluster's publisher.
        publisher: String,
    },
    /// The release does not have this type in its list.
    #[error("release {release} does not offer certificate type {bulk_type}")]
    TypeNotOffered {
        /// The type.
        bulk_type: BulkType,
        /// The cluster's release.
        release: Release,
    },
    /// The cluster has no certificate of the type.
    #[error("{cluster} has no certificate of type {bulk_type}")]
    NothingToExport {
        /// The type.
        bulk_type: BulkType,
        /// The cluster.
        cluster: String,
    },
    /// Too few clusters have exported (admin guide 14: at least two).
    #[error("{action} of type {bulk_type} needs the exports of two clusters; there are those of {}", none_or(.exported))]
    ExportMissing {
        /// What was to be done.
        action: Action,
        /// Of which type.
        bulk_type: BulkType,
        /// The clusters that have exported: none or one.
        exported: Vec<String>,
    },
    /// Nobody has consolidated (admin guide 14: there is no Import button before).
    #[error("there is nothing to import: {unit} is exported, but not consolidated")]
    NotConsolidated {
        /// What is not consolidated.
        unit: Unit,
    },
    /// The consolidated files hold just what the exported ones do (Cisco 215539: consolidation on
    /// one of the clusters only).
    #[error("type {bulk_type} is consolidated already, and nothing was exported since")]
    AlreadyConsolidated {
        /// The type.
        bulk_type: BulkType,
    },
    /// A consolidated file does not hold what the exported files hold now.
    #[error("{file} is out of date: {why}")]
    Stale {
        /// The consolidated file.
        file: String,
        /// What the difference is.
        why: String,
    },
    /// A file that the action needs cannot be used.
    #[error("{file}: {error}")]
    BadFile {
        /// The file.
        file: String,
        /// What is wrong.
        error: P12Error,
        /// The cluster that exported it; none for a consolidated file.
        exported_by: Option<String>,
    },
    /// A file cannot be made of these certificates.
    #[error("{file} cannot be written: {error}")]
    CannotWrite {
        /// The file.
        file: String,
        /// Why.
        error: P12Error,
    },
    /// More would have to be read than an exchange of clusters has.
    #[error(
        "{files} exported files, {bytes} bytes, would have to be read: more than the limit of {} files or {} bytes",
        .limits.0,
        .limits.1
    )]
    TooMuchToRead {
        /// How many files.
        files: usize,
        /// Bytes of all of them, as the server says or as they came.
        bytes: u64,
        /// The most files, and the most bytes.
        limits: (usize, u64),
    },
    /// The directory holds more files than are looked at.
    #[error("the directory holds {files} files, more than the limit of {limit}")]
    TooManyFiles {
        /// How many.
        files: usize,
        /// The limit.
        limit: usize,
    },
}

impl Refusal {
    /// What to do first.
    pub fn missing_step(&self) -> String {
        match self {
            Self::NotThePublisher { publisher, .. } => format!("open the page on {publisher}"),
            Self::TypeNotOffered { .. } => "choose another type, All for instance".to_owned(),
            Self::NothingToExport { .. } => "choose another type".to_owned(),
            Self::ExportMissing {
                exported,
                bulk_type,
                ..
            } => match exported.as_slice() {
                [] => format!("export type {bulk_type} on both clusters, into this directory"),
                // It may be this page's cluster that has not.
                some => format!(
                    "export type {bulk_type} on a cluster other than {} too, into this directory",
                    some.join(", ")
                ),
            },
            Self::NotConsolidated { unit } => {
                let alone = unit.bulk_type();
                format!("consolidate type All or {alone} on one of the clusters")
            }
            Self::AlreadyConsolidated { .. } => "import on each cluster".to_owned(),
            Self::Stale { .. } => "consolidate again on one of the clusters".to_owned(),
            Self::BadFile {
                exported_by, error, ..
            } => {
                let again = match exported_by {
                    Some(cluster) => format!("export again on {cluster}, then consolidate"),
                    None => "consolidate again on one of the clusters".to_owned(),
                };
                match error {
                    P12Error::WrongPassword => {
                        format!("make sure that all clusters have the same bulk.password; {again}")
                    }
                    _ => again,
                }
            }
            Self::CannotWrite { error, .. } => match error {
                P12Error::TooManyCertificates { .. } | P12Error::TooLarge { .. } => {
                    "remove the exported files of clusters that have no part in this exchange"
                }
                P12Error::Alias(_) => "give the node or the cluster a plain host name",
                P12Error::DuplicateAlias(_) => {
                    "give nodes and clusters names that differ in more than their case"
                }
                P12Error::TooManyRounds { .. } => "ask for a number of rounds within the limit",
                // The bytes are at fault.
                _ => "regenerate the certificate, export again, then consolidate",
            }
            .to_owned(),
            Self::TooMuchToRead { .. } => {
                "remove the files of clusters that have no part in this exchange".to_owned()
            }
            Self::TooManyFiles { .. } => "use a directory of its own for the exchange".to_owned(),
        }
    }
}

fn none_or(clusters: &[String]) -> String {
    match clusters {
        [] => "none".to_owned(),
        some => some.join(", "),
    }
}
