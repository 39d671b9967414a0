//! A cluster out of a folder of files: what a rehearsal left, what an engineer put together by hand,
//! or the recording of an earlier look.
//!
//! ```text
//! NODE/tftp/NAME                       what the node serves; or NODE/NAME
//! NODE/certificates/KIND.pem           its own certificates; or NODE/KIND.pem, where the name inside fits
//! NODE/stores/STORE/*.pem              its trust stores; stores/STORE/*.pem for those that replicate
//! NODE/not-served.txt                  names of files that it does not have, one a line
//! NODE/services.txt                    what `utils service list` prints on it
//! NODE/tvs.json                        what its TVS said, of a recording
//! ConfigFileCacheList.txt              the phones of the cluster's database
//! parameters.txt                       `auto-registration = no`, `prepare-cluster-for-rollback = no`
//! ```
//!
//! The folder of a single node needs no folder NODE. Whatever no file tells stays unknown: a file that
//! is not there is not taken for one that the node does not have, unless `not-served.txt` says so.

mod certificates;
mod node;
mod pile;
mod said;
mod vouching;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::evidence::{Known, Node, Parameters, Side, TvsService};
use super::recording;
use crate::cluster::TrustStore;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::rules::Settings;
use certificates::Loose;
use node::How;
use pile::Pile;

pub use certificates::certificates_of;
pub use said::{cached_files, configuration, host_of_list, hosts_of_lists, is_same_host};
pub use vouching::conclude;

/// Files by their path below the folder, parts joined by `/`. A path that ends in `/` says that there
/// is a folder, which matters for a trust store without certificates.
pub type Files = BTreeMap<String, Arc<[u8]>>;

/// The most files of a folder that are read.
pub const MAX_FILES: usize = 50_000;
/// The most bytes of a file that are read: the largest that a phone takes has half of that.
pub const MAX_FILE: usize = 4 * 1024 * 1024;
/// The most bytes of the files of a recording that list others.
pub const MAX_JSON: usize = 64 * 1024 * 1024;
/// The most bytes of all files together.
pub const MAX_TOTAL: usize = 512 * 1024 * 1024;
/// The most nodes of a cluster; a real one has some twenty.
pub const MAX_NODES: usize = 64;
/// The most sentences about what is wrong.
const MAX_SENTENCES: usize = 200;

/// How a folder is read.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// What the report calls the cluster; each side should have another name. A recording has its own.
    pub name: &'a str,
    /// How sentences call the folder: its path.
    pub place: &'a str,
    /// Passwords that .p12 files are tried with, in this order.
    pub passwords: &'a [String],
    /// The rules by which TVS's answers follow from trust stores: `tvs.roles_of_store` and
    /// `tvs.answer_ttl`.
    pub settings: &'a Settings,
}

/// What came of a folder.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The cluster.
    pub side: Side,
    /// What was concluded rather than read, in sentences.
    pub notes: Vec<String>,
}

/// Reads a folder that is all there is of a cluster. What cannot be read stands in
/// [`Side::failures`], by path.
pub fn read(files: &Files, options: &Options<'_>) -> Read {
    let mut side = gather(files, options);
    let mut notes = side.notes.clone();
    notes.extend(conclude(&mut side.nodes, options.settings));
    Read { side, notes }
}

/// Reads a folder as one input of several: of a TVS that nobody asked nothing is concluded yet. Once
/// all is put together, [`conclude`] does that.
pub fn gather(files: &Files, options: &Options<'_>) -> Side {
    let mut problems = Problems::default();
    let pile = Pile::sort(files, options, &mut problems);
    let listed = recording::listed(&pile.root, options.place, &mut problems);
    let is_recording =
        listed.is_some() || pile.nodes.values().any(|f| f.contains_key(recording::NODE));
    let mut drafts = drafts(&pile, listed.as_ref(), options, &mut problems);
    let mut parameters = Parameters::default();
    if let Some(listed) = &listed {
        parameters = listed.parameters.clone();
    } else if is_recording {
        let file = format!("{}/{}", options.place, recording::CLUSTER);
        problems.fail(format!(
            "{file} is gone, which lists the nodes of this recording: record the cluster again"
        ));
        let why = || format!("{file} is gone");
        parameters.auto_registration = Known::No(why());
        parameters.prepare_for_rollback = Known::No(why());
        parameters.cached_files = Known::No(why());
        problems.lose(why());
    } else {
        parameters = said::parameters(&pile, options);
        by_hand(&pile, &mut drafts, options, &mut problems);
    }
    if let Some(why) = &problems.capf_lost {
        // Own CAPF certificates make LSCs trusted too, so nobody knows all that does.
        for draft in &mut drafts {
            let store = draft.node.stores.entry(TrustStore::Capf);
            *store.or_default() = Known::No(why.clone());
        }
    }
    if let Some(why) = problems.lost.as_ref().filter(|_| is_recording) {
        // What its TVS would say was concluded from more than is left.
        for tvs in drafts.iter_mut().map(|d| &mut d.node.tvs) {
            if tvs.derived {
                *tvs = TvsService {
                    port: tvs.port,
                    door: std::mem::take(&mut tvs.door),
                    ..TvsService::unknown(&format!("nobody asked it, and {why}"))
                };
            }
        }
    }
    let (mut failures, mut notes) = match &listed {
        Some(listed) => (listed.failures.clone(), listed.notes.clone()),
        None => (Vec::new(), Vec::new()),
    };
    let name = listed.map_or_else(|| options.name.to_owned(), |l| l.name);
    failures.extend(problems.failures.into_sentences());
    notes.extend(problems.notes.into_sentences());
    Side {
        name,
        nodes: drafts.into_iter().map(|d| d.node).collect(),
        parameters,
        failures,
        notes,
    }
}

/// The nodes as their own folders have them.
fn drafts(
    pile: &Pile<'_>,
    listed: Option<&recording::Listed>,
    options: &Options<'_>,
    problems: &mut Problems,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut left: BTreeMap<&str, &pile::Folder<'_>> =
        pile.nodes.iter().map(|(name, f)| (*name, f)).collect();
    let nothing = pile::Folder::new();
    for (name, folder) in listed.iter().flat_map(|l| &l.nodes) {
        let place = format!("{}/{folder}", options.place);
        let files = left.remove(folder.as_str()).unwrap_or(&nothing);
        if !files.contains_key(recording::NODE) {
            let gone = format!("{place}/{} is gone", recording::NODE);
            problems.fail(format!(
                "{gone}, which says what {} did: record the cluster again",
                escape_for_terminal(name.as_bytes())
            ));
            problems.lose(gone);
        }
        let draft = recorded(name, &place, files, problems)
            .unwrap_or_else(|| node::plain(name, &place, files, How::Recorded, options, problems));
        drafts.push(draft);
    }
    for (folder, files) in left {
        let place = format!("{}/{folder}", options.place);
        let draft = recorded(folder, &place, files, problems)
            .unwrap_or_else(|| node::plain(folder, &place, files, How::ByHand, options, problems));
        drafts.push(draft);
    }
    drafts
}

/// The node of a recording; none where what lists it is gone or damaged.
fn recorded(
    name: &str,
    place: &str,
    files: &pile::Folder<'_>,
    problems: &mut Problems,
) -> Option<Draft> {
    match recording::node(place, files, problems)? {
        Ok(node) => Some(Draft {
            node,
            place: place.to_owned(),
            loose: Vec::new(),
        }),
        Err(why) => {
            problems.lose(why.clone());
            problems.fail(why);
            let shown = escape_for_terminal(name.as_bytes());
            problems.note(format!("of {shown} only what its files tell is used"));
            None
        }
    }
}

/// What files put together by hand tell beyond their own node.
fn by_hand(
    pile: &Pile<'_>,
    drafts: &mut Vec<Draft>,
    options: &Options<'_>,
    problems: &mut Problems,
) {
    let mut pool = node::root(pile, drafts, options, problems);
    let hosts = said::hosts(drafts);
    said::call_as_configured(drafts, &hosts);
    said::find_addresses(drafts, &hosts);
    said::add_hosts(drafts, &hosts, options, problems);
    if drafts.is_empty() {
        certificates::make_nodes(drafts, &pool, options);
    }
    certificates::attach(drafts, &mut pool, problems);
    said::attach_certificates(drafts);
    said::find_tvs_certificates(drafts);
    said::publisher_first(drafts);
    node::shared_stores(pile, drafts, options, problems);
    node::not_served_anywhere(pile, drafts);
    if drafts.is_empty() {
        problems.fail(format!(
            "{} holds nothing of a cluster: expected ITLFile.tlv, SEP*.cnf.xml.sgn and certificates, \
             or a folder for each node with them",
            options.place
        ));
    }
}

/// A node while it is put together.
#[derive(Debug)]
struct Draft {
    node: Node,
    /// Its folder, for sentences.
    place: String,
    /// Certificates that lie beside what it serves.
    loose: Vec<Loose>,
}

impl Draft {
    /// A node that something else names.
    fn named(name: &str, place: String) -> Self {
        let node = Node {
            name: name.to_owned(),
            address: name.parse().ok(),
            ..Node::default()
        };
        Self {
            node,
            place,
            loose: Vec::new(),
        }
    }
}

/// Sentences, a bounded number of them.
#[derive(Debug, Default)]
struct Sentences {
    texts: Vec<String>,
    dropped: usize,
}

impl Sentences {
    fn push(&mut self, text: String) {
        if self.texts.len() < MAX_SENTENCES {
            self.texts.push(text);
        } else {
            self.dropped += 1;
        }
    }

    fn into_sentences(mut self) -> Vec<String> {
        if self.dropped > 0 {
            self.texts.push(format!("and {} more", self.dropped));
        }
        self.texts
    }
}

/// What is to be said about a folder.
#[derive(Debug, Default)]
pub(super) struct Problems {
    failures: Sentences,
    notes: Sentences,
    /// Why an own CAPF certificate of the cluster is not there that was.
    pub(super) capf_lost: Option<String>,
    /// Why something is not there from which a recording's answers of TVS were concluded.
    lost: Option<String>,
}

impl Problems {
    /// Something could not be read.
    pub(super) fn fail(&mut self, text: String) {
        self.failures.push(text);
    }

    /// Something is not there any more from which answers of TVS are concluded.
    pub(super) fn lose(&mut self, why: String) {
        self.lost.get_or_insert(why);
    }

    /// Something was concluded.
    pub(super) fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

#[cfg(test)]
mod tests;
