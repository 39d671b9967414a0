//! Paths sorted by node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Files, MAX_FILE, MAX_FILES, MAX_JSON, MAX_NODES, MAX_TOTAL, Options, Problems};
use crate::cluster::TrustStore;
use crate::trust::certificate::escape_for_terminal;

/// The most letters of a path; that of every usual file system.
const MAX_PATH: usize = 1_024;
/// Folders of one node, which at the top mean that there is one node alone.
const OF_NODE: [&str; 7] = [
    "tftp",
    "certificates",
    "http",
    "https",
    "tls",
    "tvs",
    "bodies",
];

/// Files by their path below a folder.
pub(in crate::check) type Folder<'a> = BTreeMap<&'a str, &'a Arc<[u8]>>;

/// The files of a cluster.
#[derive(Debug, Default)]
pub(super) struct Pile<'a> {
    /// Those that lie in no node's folder.
    pub(super) root: Folder<'a>,
    /// Those of each node's folder.
    pub(super) nodes: BTreeMap<&'a str, Folder<'a>>,
    /// Folders that are too many.
    left_out: BTreeSet<&'a str>,
}

impl<'a> Pile<'a> {
    pub(super) fn sort(files: &'a Files, options: &Options<'_>, problems: &mut Problems) -> Self {
        let mut pile = Self::default();
        let place = options.place;
        let mut total = 0_usize;
        let mut is_world = false;
        let mut too_many = 0_usize;
        for (number, (path, bytes)) in files.iter().enumerate() {
            let shown = escape_for_terminal(path.as_bytes());
            if !is_path(path) {
                problems.fail(format!(
                    "{place}/{shown} is not used: no file below a folder has such a path"
                ));
                continue;
            }
            let limit = limit_of(path);
            if bytes.len() > limit {
                let length = bytes.len();
                problems.fail(format!(
                    "{place}/{shown}: {length} bytes, the limit is {limit}; it is not used"
                ));
                continue;
            }
            total = total.saturating_add(bytes.len());
            if number >= MAX_FILES || total > MAX_TOTAL {
                too_many += 1;
                continue;
            }
            is_world |= path.starts_with("clusters/");
            pile.put(path, bytes);
        }
        if too_many > 0 {
            problems.fail(format!(
                "{place}: {too_many} of {} files are not used: the limit is {MAX_FILES} files and \
                 {MAX_TOTAL} bytes; keep those that a check needs",
                files.len()
            ));
        }
        if let Some(first) = pile.left_out.first() {
            problems.fail(format!(
                "{place} has {} folders more than the limit of {MAX_NODES} nodes; {} and those after \
                 it are not used",
                pile.left_out.len(),
                escape_for_terminal(first.as_bytes())
            ));
        }
        if is_world {
            problems.fail(format!(
                "{place} is the folder of a world, with several clusters: name the folder of one, \
                 {place}/clusters/ID"
            ));
        }
        pile
    }

    fn put(&mut self, path: &'a str, bytes: &'a Arc<[u8]>) {
        let Some((first, rest)) = path.split_once('/') else {
            if !matches!(path, "scenario.toml" | "events.jsonl") {
                self.root.insert(path, bytes);
            }
            return;
        };
        let is_store = first == "stores" || TrustStore::from_name(first).is_some();
        if is_store || OF_NODE.contains(&first) {
            self.root.insert(path, bytes);
            return;
        }
        let is_folder = path.ends_with('/');
        let of_world = matches!(first, "clusters" | "phones" | "sftp");
        if of_world || first.starts_with('.') || is_folder && !rest.contains('/') {
            return;
        }
        if !self.nodes.contains_key(first) && self.nodes.len() >= MAX_NODES {
            self.left_out.insert(first);
            return;
        }
        self.nodes.entry(first).or_default().insert(rest, bytes);
    }
}

fn limit_of(path: &str) -> usize {
    if path.ends_with(".json") {
        MAX_JSON
    } else {
        MAX_FILE
    }
}

/// True of a path that stays below its folder on every system.
fn is_path(path: &str) -> bool {
    let is_part = |part: &str| !matches!(part, "" | "." | "..");
    path.len() <= MAX_PATH
        && !path.contains(['\\', ':'])
        && !path.contains(char::is_control)
        && path
            .strip_suffix('/')
            .unwrap_or(path)
            .split('/')
            .all(is_part)
}
