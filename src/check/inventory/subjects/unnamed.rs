//! Phones that nobody named: in front of each TFTP node one of each kind that configurations show.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Home, How, MAX_COMPARED, files_of, is_alike};
use crate::check::evidence::{At, FileReply, Known, Node, Sides};
use crate::check::groups::Asked;
use crate::check::held::is_unread;
use crate::check::inventory::Entry;
use crate::check::predict::Taken;
use crate::check::rehearsal::Gap;
use crate::phone::flash::CONFIG;
use crate::wire::ListKind;
use crate::wire::phone_config::PhoneConfig;

/// How many kinds of phones are looked at one by one.
const MAX_KINDS: usize = 32;

/// The phones that are asked about where nobody named any.
pub(super) fn phones(home: &mut Home<'_>, sides: &Sides, how: &How<'_>) -> Vec<Asked> {
    let kinds = kinds(home);
    let mut all = Vec::new();
    for at in tftp_nodes(sides) {
        let node = sides.node(at).map_or("", |n| n.name.as_str());
        if kinds.is_empty() {
            let why = format!(
                "no input has one: put SEP<MAC>.cnf.xml.sgn of one of its phones beside the lists of \
                 {node}, or give an inventory"
            );
            let what = format!("the configuration that a phone of {node} holds");
            all.push(unknown(
                format!("a phone of {node}"),
                how,
                Gap { what, why },
            ));
        }
        for kind in kinds.iter().take(MAX_KINDS) {
            all.push(phone_of(home, sides, at, kind, kinds.len() == 1));
        }
        if let Some(more @ 1..) = kinds.len().checked_sub(MAX_KINDS) {
            let why = "there are too many to look at each: give an inventory".into();
            let what = format!("what phones of {more} more kinds of configurations hold");
            let name = format!("phones of {node} of {more} more kinds");
            all.push(unknown(name, how, Gap { what, why }));
        }
    }
    if all.is_empty() {
        let side = sides.sides.first();
        let name = side.map_or("the cluster that phones are in", |s| &s.name);
        let what = format!("ITLFile.tlv of {name}");
        let why = "no input has a list of any of its nodes".into();
        return vec![unknown(
            format!("a phone of {name}"),
            how,
            Gap { what, why },
        )];
    }
    for node in unread_nodes(sides) {
        let what = format!("{} of {}", ListKind::Itl.file_name(), node.name);
        let why = "no input has its list: give it, or NODE/services.txt if TFTP does not run there"
            .into();
        all.push(unknown(
            format!("a phone of {}", node.name),
            how,
            Gap { what, why },
        ));
    }
    all
}

/// The nodes of the phones' cluster that serve lists.
pub(super) fn tftp_nodes(sides: &Sides) -> impl Iterator<Item = At> {
    sides
        .nodes()
        .filter(|(at, node)| at.0 == 0 && files_of(node).any(|(name, _)| name.contains(".tlv")))
        .map(|(at, _)| at)
}

/// The nodes of the phones' cluster that may hand out lists, of which nobody read any.
fn unread_nodes(sides: &Sides) -> impl Iterator<Item = &Node> {
    let nodes = sides.nodes().filter(|(at, _)| at.0 == 0);
    let has_list = |node: &Node| files_of(node).any(|(name, _)| name.contains(".tlv"));
    nodes
        .map(|(_, node)| node)
        .filter(move |node| is_unread(node, ListKind::Itl) && !has_list(node))
}

/// A phone of which something is missing to say what becomes of it.
fn unknown(name: String, how: &How<'_>, gap: Gap) -> Asked {
    Asked {
        name,
        model: how.model.to_owned(),
        subject: Err(gap),
    }
}

/// The devices whose configurations were read, those together that are alike as far as trust goes.
/// Those that tell nothing are one kind.
fn kinds(home: &Home<'_>) -> Vec<Vec<String>> {
    let mut kinds: Vec<(Option<Arc<PhoneConfig>>, Vec<String>)> = Vec::new();
    for device in home.configs.keys().take(MAX_COMPARED) {
        let parsed = home.read(device).ok().flatten().map(|c| c.parsed);
        let is_of = |kind: &Option<Arc<PhoneConfig>>| match (kind, &parsed) {
            (Some(kind), Some(parsed)) => is_alike(kind, parsed),
            (None, None) => true,
            _ => false,
        };
        match kinds.iter_mut().find(|(kind, _)| is_of(kind)) {
            Some((_, devices)) => devices.push((*device).to_owned()),
            None => kinds.push((parsed, vec![(*device).to_owned()])),
        }
    }
    kinds.into_iter().map(|(_, devices)| devices).collect()
}

/// A phone of a kind in front of a node.
fn phone_of(home: &mut Home<'_>, sides: &Sides, at: At, kind: &[String], is_only: bool) -> Asked {
    let node = sides.node(at).map_or("", |n| n.name.as_str());
    let device = device_of(sides, at, kind);
    let entry = Entry::named(device);
    let model = home.how.model.to_owned();
    let (whom, of_whom) = match is_only {
        true => (format!("a phone of {node}"), "of all"),
        false => (
            format!("a phone of {node} like {device}"),
            "of all that name the same servers and the same security",
        ),
    };
    let is_guess = !home.how.is_model_said;
    if is_guess {
        home.remark(format!("of an unknown model, taken for a {model}"), &whom);
    }
    let text = format!(
        "holds the lists that this node serves now, and the configuration of {device}, which stands for \
         those {of_whom}; give an inventory for what yours hold"
    );
    home.remark(text, &whom);
    let flash = home.lists_at(&entry, Some(at)).and_then(|mut flash| {
        let config = home.config(&entry)?;
        flash.put(CONFIG, config.xml);
        let taken = Taken {
            model: is_guess,
            ..Taken::default()
        };
        Ok((flash, taken))
    });
    let subject = flash.and_then(|held| home.subject(device, &model, None, held));
    Asked {
        name: whom,
        model: match is_guess {
            true => String::new(),
            false => model,
        },
        subject,
    }
}

/// The device of a kind that stands for it in front of a node: one whose files the node has and that
/// another cluster knows too, if there is any.
fn device_of<'a>(sides: &Sides, at: At, kind: &'a [String]) -> &'a str {
    let files = sides.node(at).into_iter().flat_map(files_of);
    let here: BTreeSet<&str> = files
        .filter_map(|(name, _)| Some(name.split_at_checked(15)?.0))
        .collect();
    // A subscriber's folder may have its lists alone.
    let (of_node, others): (Vec<&str>, Vec<&str>) = kind
        .iter()
        .map(String::as_str)
        .partition(|device| here.contains(device));
    let known: Vec<&str> = of_node.into_iter().chain(others).collect();
    let is_there = |device: &&&str| {
        let name = format!("{device}.cnf.xml.sgn");
        let mut nodes = sides.nodes().filter(|(at, _)| at.0 != 0);
        nodes.any(|(_, node)| {
            let reply = node.tftp.replies.get(&name);
            matches!(reply, Some(Known::Yes(FileReply::File(_))))
        })
    };
    let found = known.iter().find(is_there).or_else(|| known.first());
    found.copied().unwrap_or_default()
}
