//! The nodes of a side: which of them a host means, and what they are called.

use std::net::Ipv4Addr;

use super::{CACHED_FILES, Looked, asked};
use crate::check::evidence::{At, Door, FileReply, Known, Node, Side};
use crate::check::folder::{cached_files, host_of_list};

/// The address of the node that a host means, where that is known.
pub(super) fn known_address(side: &Side, host: &str) -> Option<Ipv4Addr> {
    side.nodes.iter().find(|n| n.is_host(host))?.address
}

/// The node that a host of side `s` means: one of any side, or a new one of this side.
pub(super) fn at_host(sides: &mut [Looked], s: usize, host: &str, address: Option<Ipv4Addr>) -> At {
    let is_own = |side: &Side| side.nodes.iter().position(|n| n.is_host(host));
    if is_own(&sides[s].side).is_none() {
        for (o, other) in sides.iter().enumerate() {
            if let Some(n) = is_own(&other.side) {
                return At(o, n);
            }
        }
    }
    At(s, node_of(&mut sides[s].side, host, address))
}

/// The node of a side that a host means, a new one if there is none. A node that is known by its
/// address alone takes the name that a configuration gives it.
pub(super) fn node_of(side: &mut Side, host: &str, address: Option<Ipv4Addr>) -> usize {
    let address = address.or_else(|| host.parse().ok());
    if let Some(n) = side.nodes.iter().position(|n| n.is_host(host)) {
        let node = &mut side.nodes[n];
        node.address = node.address.or(address);
        return n;
    }
    let has_address = |n: &Node| n.address.is_some() && n.address == address;
    let found = side.nodes.iter().position(has_address);
    let is_dotted = |text: &str| text.parse::<Ipv4Addr>().is_ok();
    if let Some(n) = found {
        if is_dotted(host) {
            return n;
        }
        if is_dotted(&side.nodes[n].name) {
            host.clone_into(&mut side.nodes[n].name);
            return n;
        }
    }
    side.nodes.push(Node {
        name: host.to_owned(),
        // Two names of one address are two nodes, and the address means the first of them.
        address: address.filter(|_| found.is_none()),
        ..Node::default()
    });
    side.nodes.len() - 1
}

/// Calls nodes that are known by their address alone as their lists do, and the side after the first
/// of them. Their addresses go on to mean them.
pub(super) fn name_nodes(side: &mut Side) {
    let is_dotted = |text: &str| text.parse::<Ipv4Addr>().is_ok();
    for n in 0..side.nodes.len() {
        let node = &side.nodes[n];
        if node.address.is_none() || !is_dotted(&node.name) {
            continue;
        }
        let Some(name) = host_of_list(node).filter(|name| !is_dotted(name)) else {
            continue;
        };
        let is_taken = side.nodes.iter().any(|n| n.is_host(&name));
        // Nodes that serve one list between them are not told apart by it.
        let host = Some(&name);
        let lists = side
            .nodes
            .iter()
            .filter(|n| host_of_list(n).as_ref() == host);
        if is_taken || lists.count() > 1 {
            continue;
        }
        if side.name == side.nodes[n].name {
            side.name.clone_from(&name);
        }
        side.nodes[n].name = name;
    }
}

/// Says that a configuration names CallManager of a node, and not where its phones register.
pub(super) fn no_port(node: &mut Node) {
    if node.callmanager == Known::not_looked_at() {
        let why = "its port for SCCP over TLS stands in no configuration";
        node.callmanager = Known::No(why.into());
    }
}

/// Says why TVS and CallManager of a node were not looked at.
pub(super) fn nobody_named(side: &mut Side) {
    let unseen = |door: &Known<Door>| *door == Known::not_looked_at();
    for node in &mut side.nodes {
        if unseen(&node.tvs.door) {
            let why = "no configuration of a phone that was read names it";
            node.tvs.door = Known::No(why.into());
            if node.tvs.certificate == Known::not_looked_at() {
                node.tvs.certificate = Known::No(why.into());
            }
            if node.tvs.others == Known::not_looked_at() {
                node.tvs.others = Known::No(why.into());
            }
        }
        if unseen(&node.callmanager) {
            let why = "no configuration that was read names it";
            node.callmanager = Known::No(why.into());
        }
    }
}

/// Keeps the list of cached files, if a node gave it.
pub(super) fn note_cached_files(side: &mut Side) {
    if side.parameters.cached_files.get().is_some() {
        return;
    }
    let services = side.nodes.iter().flat_map(|n| [&n.http, &n.tftp]);
    let mut lists = services.filter_map(|s| match s.replies.get(CACHED_FILES) {
        Some(Known::Yes(FileReply::File(bytes))) => Some(cached_files(bytes)),
        _ => None,
    });
    side.parameters.cached_files = match lists.next() {
        Some(names) => Known::Yes(names),
        None => Known::No(format!("no node that was looked at gives {CACHED_FILES}")),
    };
}

/// A phone of a side: one whose configuration was read, else the first of the cached files.
pub(super) fn a_device(side: &Side) -> Vec<String> {
    let read = side.nodes.iter().flat_map(asked::files);
    let read: Vec<_> = read.map(|(name, _)| name.to_owned()).collect();
    let cached = side.parameters.cached_files.get();
    let mut devices = asked::devices(&read);
    devices.extend(cached.map(|c| asked::devices(c)).unwrap_or_default());
    devices.truncate(1);
    devices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callmanager_that_is_named_without_a_port_is_not_one_that_nobody_names() {
        let mut side = Side::default();
        for host in ["named", "other"] {
            node_of(&mut side, host, None);
        }
        no_port(&mut side.nodes[0]);
        nobody_named(&mut side);
        let why = |n: usize| format!("{:?}", side.nodes[n].callmanager);
        assert!(why(0).contains("SCCP over TLS"), "{}", why(0));
        assert!(why(1).contains("no configuration"), "{}", why(1));
    }

    #[test]
    fn a_node_takes_the_name_that_configurations_give_it() {
        let mut side = Side::default();
        let address = Some([10, 0, 0, 5].into());
        assert_eq!(node_of(&mut side, "10.0.0.5", address), 0);
        assert_eq!(node_of(&mut side, "cucm-pub", address), 0);
        assert_eq!(side.nodes[0].name, "cucm-pub");
        assert_eq!(node_of(&mut side, "10.0.0.5", None), 0);
        // Another name of the same address is a node of its own.
        assert_eq!(node_of(&mut side, "cucm-pub.example.com", address), 1);
        assert_eq!(side.nodes[1].address, None);
        assert_eq!(node_of(&mut side, "elsewhere", None), 2);
    }
}
