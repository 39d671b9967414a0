//! What phones may hold of which nobody said it: any list that a node of their cluster hands out now.
//! Each TFTP node has its own ITL, and which of them a phone took last nobody reads off a cluster.

use std::sync::Arc;

use super::evidence::{At, Door, FileReply, FileService, Known, Node, Sides};
use super::predict::{Subject, Taken};
use crate::phone::Flash;
use crate::phone::flash::CONFIG;
use crate::wire::ListKind;

/// The most different lists of one kind of a node that are looked at: a node in good order has one.
const MAX_LISTS: usize = 16;

/// The CTLs and the ITLs of a node.
type Lists<'a> = [Vec<&'a Arc<[u8]>>; 2];

/// The lists that the nodes of the phones' cluster hand out, each once.
pub(super) struct Served<'a> {
    nodes: Vec<(At, &'a Node, Lists<'a>)>,
}

/// The lists that a phone may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held<'a> {
    /// Who serves those of them that nobody said.
    pub(super) at: At,
    /// Its CTL.
    pub(super) ctl: Option<&'a Arc<[u8]>>,
    /// Its ITL.
    pub(super) itl: Option<&'a Arc<[u8]>>,
}

impl<'a> Served<'a> {
    pub(super) fn of(sides: &'a Sides) -> Self {
        let home = sides.nodes().filter(|(at, _)| at.0 == 0);
        let lists = |node| [ListKind::Ctl, ListKind::Itl].map(|kind| lists_of(node, kind));
        let nodes = home.map(|(at, node)| (at, node, lists(node)));
        Self {
            nodes: nodes.collect(),
        }
    }

    /// What else a phone may hold than it is taken to; nothing where somebody said what it holds.
    pub(super) fn others<'s>(&self, subject: &'s Subject) -> Vec<Held<'s>>
    where
        'a: 's,
    {
        let taken = &subject.taken;
        if taken.lists.is_none() {
            return Vec::new();
        }
        let device = &subject.setup.identity.device;
        let own = Held {
            at: At(0, 0),
            ctl: subject.flash.get(ListKind::Ctl.file_name()),
            itl: subject.flash.get(ListKind::Itl.file_name()),
        };
        let mut others: Vec<Held<'s>> = Vec::new();
        for (at, node, [ctls, itls]) in &self.nodes {
            let given = |kind: ListKind, all: &[&'a Arc<[u8]>]| -> Vec<&'s Arc<[u8]>> {
                // What the node gives to this very phone comes before what it gives to all.
                match node.file(&format!("{kind}{device}.tlv")) {
                    Known::Yes(Some(own)) => vec![own],
                    _ => all.to_vec(),
                }
            };
            let (ctls, itls) = (given(ListKind::Ctl, ctls), given(ListKind::Itl, itls));
            let ctls: Vec<_> = match (taken.ctl, ctls.is_empty()) {
                (false, _) => vec![own.ctl],
                (true, false) => ctls.into_iter().map(Some).collect(),
                (true, true) => match node.file(ListKind::Ctl.file_name()) {
                    Known::Yes(_) => vec![None],
                    Known::No(_) => vec![own.ctl],
                },
            };
            let itls: Vec<_> = match taken.itl {
                false => vec![own.itl],
                true => itls.into_iter().map(Some).collect(),
            };
            for (ctl, itl) in ctls.iter().flat_map(|c| itls.iter().map(move |i| (*c, *i))) {
                let same = |held: &Held<'_>| (held.ctl, held.itl) == (ctl, itl);
                if !same(&own) && !others.iter().any(same) {
                    others.push(Held { at: *at, ctl, itl });
                }
            }
        }
        others
    }
}

impl Served<'_> {
    /// Lists that nodes may hand out and that nobody read: a phone of which nobody said what it holds may
    /// hold them.
    pub(super) fn unread(&self, subject: &Subject) -> Vec<String> {
        let taken = &subject.taken;
        let kinds = [(ListKind::Ctl, taken.ctl, 0), (ListKind::Itl, taken.itl, 1)];
        let mut unread = Vec::new();
        for (kind, _, place) in kinds.into_iter().filter(|(_, is_taken, _)| *is_taken) {
            let own = format!("{kind}{}.tlv", subject.setup.identity.device);
            let is_told = |node: &Node| matches!(node.file(&own), Known::Yes(Some(_)));
            for (_, node, lists) in &self.nodes {
                if lists[place].is_empty() && !is_told(node) && is_unread(node, kind) {
                    unread.push(format!("the {kind} of {}", node.name));
                }
            }
        }
        unread
    }
}

/// True if a node may hand out a list of a kind that nobody read: it hands out files, or somebody asked
/// it for that one in vain, or other files of it were exported and not what says whether it does. Of one
/// that configurations alone name it is not supposed.
pub(super) fn is_unread(node: &Node, kind: ListKind) -> bool {
    let name = kind.file_name();
    let is_given = node.exported().next().is_some();
    let may_serve = |service: &FileService| match &service.door {
        Known::Yes(Door::Open) => true,
        _ if service.replies.contains_key(name) => true,
        Known::Yes(_) => false,
        Known::No(_) => is_given,
    };
    let is_known = matches!(node.file(name), Known::Yes(_));
    !is_known && [&node.tftp, &node.http].into_iter().any(may_serve)
}

impl Held<'_> {
    /// The phone, if it holds these.
    pub(super) fn by(&self, subject: &Subject) -> Subject {
        let mut flash = Flash::default();
        let config = subject.flash.get(CONFIG);
        let files = [
            (ListKind::Ctl.file_name(), self.ctl),
            (ListKind::Itl.file_name(), self.itl),
            (CONFIG, config),
        ];
        for (name, bytes) in files {
            if let Some(bytes) = bytes {
                flash.put(name, Arc::clone(bytes));
            }
        }
        let taken = Taken {
            lists: Some(self.at),
            no_ctl: subject.taken.no_ctl && self.ctl.is_none(),
            ..subject.taken
        };
        Subject {
            before: flash.clone(),
            flash,
            taken,
            ..subject.clone()
        }
    }
}

/// The different lists of a kind that a node hands out, under whatever phone's name.
fn lists_of(node: &Node, kind: ListKind) -> Vec<&Arc<[u8]>> {
    let mut found: Vec<&Arc<[u8]>> = Vec::new();
    let general = kind.file_name();
    let is_list = |name: &str| {
        name.ends_with(".tlv") && !name.contains('/') && ListKind::of_file_name(name) == Some(kind)
    };
    let services = [&node.tftp, &node.http];
    let first = services.iter().filter_map(|s| s.replies.get(general));
    let named = services.iter().flat_map(|s| &s.replies);
    let named = named
        .filter(|(name, _)| is_list(name))
        .map(|(_, reply)| reply);
    for reply in first.chain(named) {
        if let Known::Yes(FileReply::File(bytes)) = reply
            && !found.contains(&bytes)
        {
            found.push(bytes);
            if found.len() == MAX_LISTS {
                break;
            }
        }
    }
    found
}
