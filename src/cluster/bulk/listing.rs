//! What the directory holds, as the page shows it.

use std::collections::BTreeSet;

use super::directory::Listed;
use super::names::{FileNames, Parsed, Unit, is_same_cluster};
use super::outcome::Action;

/// What a file in the directory is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// A node's certificates of one unit.
    Exported {
        /// The cluster that exported it.
        cluster: String,
        /// Its node.
        node: String,
        /// What it holds.
        unit: Unit,
    },
    /// All clusters' certificates of one unit.
    Consolidated {
        /// What it holds.
        unit: Unit,
    },
    /// What an interrupted run of a cluster left behind; it counts for nothing, and the cluster's
    /// next run that writes removes it.
    Unfinished {
        /// The cluster.
        cluster: String,
    },
    /// Not made by this page; neither read nor changed.
    Foreign,
}

/// A file in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Its name.
    pub name: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// What it is.
    pub role: FileRole,
}

/// The page's list of files, in the order of their names. Every cluster sees the files of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    files: Vec<ListedFile>,
}

impl Listing {
    pub(super) fn new(listed: Vec<Listed>, names: FileNames) -> Self {
        let mut files: Vec<_> = listed
            .into_iter()
            .filter(|f| f.name != "." && f.name != "..")
            .map(|Listed { name, bytes }| ListedFile {
                role: match names.parse(&name) {
                    Parsed::Exported {
                        cluster,
                        node,
                        unit,
                    } => FileRole::Exported {
                        cluster: cluster.to_owned(),
                        node: node.to_owned(),
                        unit,
                    },
                    Parsed::Consolidated { unit } => FileRole::Consolidated { unit },
                    Parsed::Unfinished { cluster } => FileRole::Unfinished {
                        cluster: cluster.to_owned(),
                    },
                    Parsed::Foreign => FileRole::Foreign,
                },
                name,
                bytes,
            })
            .collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Self { files }
    }

    /// The files.
    pub fn files(&self) -> &[ListedFile] {
        &self.files
    }

    /// The file with this name.
    pub fn file(&self, name: &str) -> Option<&ListedFile> {
        self.files.iter().find(|f| f.name == name)
    }

    /// The exported files of these units.
    pub fn exported<'a>(&'a self, units: &'a [Unit]) -> impl Iterator<Item = &'a ListedFile> {
        self.files.iter().filter(
            move |f| matches!(&f.role, FileRole::Exported { unit, .. } if units.contains(unit)),
        )
    }

    /// The cluster that exported this file; none for any other file.
    pub fn exporter(&self, name: &str) -> Option<&str> {
        match &self.file(name)?.role {
            FileRole::Exported { cluster, .. } => Some(cluster),
            _ => None,
        }
    }

    /// The clusters that exported something of these units, each as its first file writes it.
    pub fn clusters(&self, units: &[Unit]) -> BTreeSet<&str> {
        let mut clusters: BTreeSet<&str> = BTreeSet::new();
        for file in &self.files {
            if let FileRole::Exported { cluster, unit, .. } = &file.role
                && units.contains(unit)
                && !clusters.iter().any(|known| is_same_cluster(known, cluster))
            {
                clusters.insert(cluster.as_str());
            }
        }
        clusters
    }

    /// The consolidated file of a unit.
    pub fn consolidated(&self, unit: Unit) -> Option<&ListedFile> {
        self.files
            .iter()
            .find(|f| f.role == FileRole::Consolidated { unit })
    }

    /// The buttons of the page. Import is not there until two clusters have exported and one has
    /// consolidated (admin guide 14). When Consolidate is there no source says; here after two
    /// exports.
    pub fn buttons(&self) -> Vec<Action> {
        let mut buttons = vec![Action::Refresh, Action::Export];
        if self.clusters(&Unit::ALL).len() >= 2 {
            buttons.push(Action::Consolidate);
            if Unit::ALL.iter().any(|&u| self.consolidated(u).is_some()) {
                buttons.push(Action::Import);
            }
        }
        buttons
    }
}
