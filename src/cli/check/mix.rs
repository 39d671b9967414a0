//! One side out of several inputs.

use std::net::Ipv4Addr;

use crate::check::evidence::{FileService, Known, Node, Parameters, Side, TvsService};
use crate::check::folder::is_same_host;

/// Adds what another input says of the same side. What both know is as the first says it.
pub(super) fn add(side: &mut Side, other: Side) {
    if side.nodes.is_empty() {
        side.name = other.name;
    }
    for node in other.nodes {
        let known = position(side, &node.name, node.address);
        match known.and_then(|n| side.nodes.get_mut(n)) {
            Some(known) => add_node(known, node),
            None => side.nodes.push(node),
        }
    }
    let Parameters {
        auto_registration,
        prepare_for_rollback,
        cached_files,
    } = other.parameters;
    let known = &mut side.parameters;
    learn(&mut known.auto_registration, auto_registration);
    learn(&mut known.prepare_for_rollback, prepare_for_rollback);
    learn(&mut known.cached_files, cached_files);
    add_sentences(&mut side.failures, other.failures);
    add_sentences(&mut side.notes, other.notes);
}

/// The node of a side that another input calls so: by its name or address, else the only one whose name
/// has a domain where this one has none, or the other way round.
pub(super) fn position(side: &Side, host: &str, address: Option<Ipv4Addr>) -> Option<usize> {
    let is_there = |n: &Node| n.address.is_some() && n.address == address;
    let mut nodes = side.nodes.iter();
    if let Some(n) = nodes.position(|n| n.is_host(host) || is_there(n)) {
        return Some(n);
    }
    let fits = |n: &Node| n.address.is_none() || address.is_none() || n.address == address;
    let is_same = |n: &Node| is_same_host(&n.name, host) && fits(n);
    let mut same = (0..side.nodes.len()).filter(|&n| is_same(&side.nodes[n]));
    same.next().filter(|_| same.next().is_none())
}

/// A folder and its recording say the same.
fn add_sentences(known: &mut Vec<String>, other: Vec<String>) {
    for sentence in other {
        if !known.contains(&sentence) {
            known.push(sentence);
        }
    }
}

/// Adds what another input says of the same node.
pub(super) fn add_node(known: &mut Node, other: Node) {
    // What one of them exported is no mere word of lists.
    let mut listed = known.listed.clone();
    listed.extend(other.listed.iter().cloned());
    listed.retain(|listed| {
        let mut exported = known.exported().chain(other.exported());
        !exported.any(|(_, certificate)| certificate == listed)
    });
    known.listed = listed;
    known.address = known.address.or(other.address);
    add_files(&mut known.tftp, other.tftp);
    add_files(&mut known.http, other.http);
    add_files(&mut known.https, other.https);
    add_tvs(&mut known.tvs, other.tvs);
    learn(&mut known.callmanager, other.callmanager);
    for (port, door) in other.callmanager_ports {
        let known = known.callmanager_ports.entry(port);
        learn(known.or_default(), door);
    }
    for certificate in other.certificates {
        if !known.certificates.contains(&certificate) {
            known.certificates.push(certificate);
        }
    }
    for (store, held) in other.stores {
        learn(known.stores.entry(store).or_default(), held);
    }
}

/// What a TVS was heard to say counts before what anybody concluded of it, whoever comes first.
fn add_tvs(known: &mut TvsService, other: TvsService) {
    let was_asked = |tvs: &TvsService| {
        !tvs.derived && (!tvs.replies.is_empty() || tvs.certificate.get().is_some())
    };
    let (mut first, mut second) = (std::mem::take(known), other);
    if first.derived && was_asked(&second) {
        std::mem::swap(&mut first, &mut second);
    }
    *known = first;
    let TvsService {
        port,
        door,
        certificate,
        replies,
        others,
        derived,
    } = second;
    known.port = known.port.or(port);
    learn(&mut known.door, door);
    if derived && was_asked(known) {
        return;
    }
    known.derived |= derived;
    learn(&mut known.certificate, certificate);
    for (signer, reply) in replies {
        let known = known.replies.entry(signer);
        learn(known.or_default(), reply);
    }
    learn(&mut known.others, others);
}

fn add_files(known: &mut FileService, other: FileService) {
    // Who asked knows better than who has files of it.
    if known.concluded && !other.concluded && other.door.get().is_some() {
        known.door = other.door;
        known.concluded = false;
    } else if known.door.get().is_none() {
        known.concluded = other.concluded;
        learn(&mut known.door, other.door);
    }
    known.certificate = known.certificate.take().or(other.certificate);
    for (name, reply) in other.replies {
        learn(known.replies.entry(name).or_default(), reply);
    }
    learn(&mut known.others, other.others);
}

/// Takes what is known elsewhere, or why it is not known where nobody has said why.
fn learn<T>(known: &mut Known<T>, other: Known<T>) {
    let nobody_looked = Known::<T>::not_looked_at();
    let is_silent = match (&*known, &nobody_looked) {
        (Known::No(why), Known::No(nobody)) => why == nobody,
        _ => false,
    };
    if known.get().is_none() && (other.get().is_some() || is_silent) {
        *known = other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::evidence::{Door, FileReply, SignerKey, TvsReply};

    fn node(name: &str, file: Option<(&str, Known<FileReply>)>) -> Side {
        let mut node = Node {
            name: name.into(),
            ..Node::default()
        };
        let file = file.map(|(name, reply)| (name.to_owned(), reply));
        node.tftp.replies.extend(file);
        Side {
            name: "a".into(),
            nodes: vec![node],
            ..Side::default()
        }
    }

    #[test]
    fn what_one_input_does_not_know_the_other_tells() {
        let found = Known::Yes(FileReply::File(b"x"[..].into()));
        let mut side = node("Pub", Some(("f", Known::No("cut off".into()))));
        side.nodes[0].tvs.door = Known::Yes(Door::Open);
        add(&mut side, node("pub", Some(("f", found.clone()))));
        add(&mut side, node("sub", None));
        assert_eq!(side.nodes.len(), 2);
        assert_eq!(*side.nodes[0].tftp.reply("f"), found);
        assert_eq!(side.nodes[0].tvs.door, Known::Yes(Door::Open));
        // What is known stays, and so does the first reason.
        add(
            &mut side,
            node("PUB", Some(("f", Known::Yes(FileReply::NotFound)))),
        );
        assert_eq!(*side.nodes[0].tftp.reply("f"), found);
        let mut lost = node("p", Some(("f", Known::No("cut off".into()))));
        add(&mut lost, node("p", Some(("f", Known::No("gone".into())))));
        assert_eq!(*lost.nodes[0].tftp.reply("f"), Known::No("cut off".into()));
    }

    #[test]
    fn what_a_tvs_said_counts_before_what_its_stores_let_conclude() {
        let key = SignerKey::new(b"CN=a", &[1]);
        let tvs = |derived: bool, reply: TvsReply| {
            let mut side = node("pub", None);
            let tvs = &mut side.nodes[0].tvs;
            tvs.derived = derived;
            tvs.replies.insert(key.clone(), Known::Yes(reply));
            if derived {
                tvs.others = Known::Yes(TvsReply::Unknown);
            }
            side
        };
        let heard = || tvs(false, TvsReply::Unknown);
        let concluded = || tvs(true, TvsReply::Closed);
        for (mut first, second) in [(heard(), concluded()), (concluded(), heard())] {
            add(&mut first, second);
            let tvs = &first.nodes[0].tvs;
            assert!(!tvs.derived && tvs.others.get().is_none());
            assert_eq!(*tvs.reply(&key), Known::Yes(TvsReply::Unknown));
        }
        // One that was reached was heard, though nobody had a question to it.
        let shown = || {
            let mut side = node("pub", None);
            side.nodes[0].tvs.certificate = Known::Yes(b"shown".to_vec());
            side
        };
        for (mut first, second) in [(shown(), concluded()), (concluded(), shown())] {
            first.nodes[0].tvs.door = Known::Yes(Door::Open);
            add(&mut first, second);
            let tvs = &first.nodes[0].tvs;
            assert!(!tvs.derived && tvs.replies.is_empty());
            assert_eq!(tvs.certificate, Known::Yes(b"shown".to_vec()));
        }
        // Of a TVS that was not asked anything, conclusions stay what they are.
        let mut first = node("pub", None);
        add(&mut first, concluded());
        assert!(first.nodes[0].tvs.derived);
    }
}
