//! The nodes of a side: which of them a host means, and what they are called.

use std::net::Ipv4Addr;

use super::read::Service;
use super::{CACHED_FILES, Looked, asked};
use crate::check::evidence::{At, Door, FileReply, FileService, Known, Node, Side};
use crate::check::folder::{cached_files, host_of_list, hosts_of_lists, is_same_host};
use crate::cli::check::mix;

/// The address of a host that side `s` names. What the resolver says counts, unless another side has a
/// node of that name or address beside this side's own: the resolver knows one of the two, and this
/// side's is where it was looked at. Of a side that was given without its own, its lists tell that it
/// has one.
pub(super) fn address_of(
    sides: &[Looked],
    s: usize,
    host: &str,
    resolved: Result<Ipv4Addr, String>,
) -> Result<Ipv4Addr, String> {
    let own = sides[s].side.nodes.iter().find(|n| n.is_host(host));
    let known = own.and_then(|n| n.address);
    let address = match resolved {
        Ok(address) => address,
        Err(why) => return known.ok_or(why),
    };
    let is_namesake = |n: &Node| n.address == Some(address) || n.is_host(host);
    let Some((at, other)) = others(sides, s).find(|(_, n)| is_namesake(n)) else {
        return Ok(address);
    };
    let has_one = match own {
        Some(_) => known != Some(address),
        None => has_its_own(&sides[s].side, &sides[at.0].side, host),
    };
    if !has_one {
        return Ok(address);
    }
    known.ok_or_else(|| {
        format!(
            "{host} resolves to {address}, which may be {} of the other cluster, and this cluster has a \
             {host} too: name the address of its own among its inputs",
            other.name
        )
    })
}

/// True if a side has a node of this name that is not the other side's, or nobody can tell: its lists
/// name it with certificates that no list of the other side has.
fn has_its_own(side: &Side, other: &Side, host: &str) -> bool {
    let [own, others] = [side, other].map(hosts_of_lists);
    if host.parse::<Ipv4Addr>().is_ok() {
        return false;
    }
    let mut of_host = own.iter().filter(|(name, _)| is_same_host(name, host));
    own.is_empty() || of_host.any(|told| !others.contains(told))
}

/// The node that a host of side `s` means: its own, that of another side which has this address, or a
/// new one of this side. A name alone does not make it another side's: both may have it.
pub(super) fn at_host(sides: &mut [Looked], s: usize, host: &str, address: Option<Ipv4Addr>) -> At {
    let is_there = |node: &Node| address.is_some() && node.address == address;
    let mut own = sides[s].side.nodes.iter();
    let is_own = own.any(|n| n.is_host(host) || is_there(n));
    let elsewhere = others(sides, s).find(|(_, node)| is_there(node));
    match elsewhere.map(|(at, _)| at) {
        Some(at) if !is_own => at,
        _ => At(s, node_of(&mut sides[s].side, host, address)),
    }
}

/// The nodes of the other sides.
fn others(sides: &[Looked], s: usize) -> impl Iterator<Item = (At, &Node)> {
    let others = sides.iter().enumerate().filter(move |(o, _)| *o != s);
    others.flat_map(|(o, looked)| {
        let nodes = looked.side.nodes.iter().enumerate();
        nodes.map(move |(n, node)| (At(o, n), node))
    })
}

/// The node of a side that a host means, a new one if there is none. A node that is known by its
/// address alone takes the name that a configuration gives it.
pub(super) fn node_of(side: &mut Side, host: &str, address: Option<Ipv4Addr>) -> usize {
    let address = address.or_else(|| host.parse().ok());
    if let Some(n) = side.nodes.iter().position(|n| n.is_host(host)) {
        let is_taken = side.nodes.iter().any(|n| n.address == address);
        let node = &mut side.nodes[n];
        // An address means one node of a side.
        node.address = node.address.or_else(|| address.filter(|_| !is_taken));
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
/// of them. Their addresses go on to mean them. One that has the name of a node of another input is that
/// node, and what was just seen of it counts: the place of each such node of a folder that took it in is
/// called with that of the one that is gone.
pub(super) fn name_nodes(
    side: &mut Side,
    is_live: impl Fn(usize) -> bool,
    mut gone: impl FnMut(usize, usize),
) {
    let is_dotted = |text: &str| text.parse::<Ipv4Addr>().is_ok();
    let mut united = Vec::new();
    for n in 0..side.nodes.len() {
        let node = &side.nodes[n];
        if node.address.is_none() || !is_dotted(&node.name) {
            continue;
        }
        let Some(name) = host_of_list(node).filter(|name| !is_dotted(name)) else {
            continue;
        };
        let taken = mix::position(side, &name, None);
        // Nodes that serve one list between them are not told apart by it.
        let host = Some(&name);
        let others = (0..side.nodes.len()).filter(|&o| o != n && Some(o) != taken);
        let mut others = others.map(|o| host_of_list(&side.nodes[o]));
        if others.any(|other| other.as_ref() == host) {
            continue;
        }
        if let Some(m) = taken {
            let address = side.nodes[m].address;
            if !is_live(m) && (address.is_none() || address == side.nodes[n].address) {
                united.push((n, m));
            }
            continue;
        }
        if side.name == side.nodes[n].name {
            side.name.clone_from(&name);
        }
        side.nodes[n].name = name;
    }
    // The last first: each leaves the places before it as they are.
    while let Some((n, m)) = united.pop() {
        let mut seen = side.nodes.remove(n);
        let m = m - usize::from(m > n);
        for (_, other) in &mut united {
            *other -= usize::from(*other > n);
        }
        let known = &mut side.nodes[m];
        if side.name == seen.name {
            side.name.clone_from(&known.name);
        }
        unite(known, &mut seen);
        gone(n, m);
    }
}

/// Puts a node that was just looked at into the one of a folder that it is. What it said of itself
/// counts, and so does what it did not say.
fn unite(known: &mut Node, seen: &mut Node) {
    let mut of_folder = std::mem::take(known);
    seen.name.clone_from(&of_folder.name);
    let mut doors = Vec::new();
    for service in Service::ALL {
        let looked = service.of(seen);
        let door = (looked.door.clone(), looked.concluded);
        let replies = &mut service.of(&mut of_folder).replies;
        replies.retain(|name, _| !looked.replies.contains_key(name));
        doors.push((service, door));
    }
    mix::add_node(seen, of_folder);
    for (service, (door, concluded)) in doors {
        let looked = service.of(seen);
        (looked.door, looked.concluded) = (door, concluded);
    }
    *known = std::mem::take(seen);
}

/// Forgets what folders say of the servers of a node that may be one of those that were just looked at,
/// and that nobody could unite with it: what it serves now nobody can tell, and old files are no word of
/// that.
pub(super) fn doubt_twins(side: &mut Side, is_live: impl Fn(usize) -> bool) {
    let is_dotted = |text: &str| text.parse::<Ipv4Addr>().is_ok();
    let mut twins: Vec<(usize, usize)> = Vec::new();
    for (n, node) in side.nodes.iter().enumerate().filter(|(n, _)| is_live(*n)) {
        let host = host_of_list(node).filter(|host| !is_dotted(host));
        let may_be = |other: &Node| match &host {
            // It is the one whose list it serves, unless it was named so.
            Some(host) => {
                let is_named = |n: &Node| n.is_host(host) || is_same_host(&n.name, host);
                is_named(other) && !is_named(node)
            }
            None => is_dotted(&node.name) && other.address.is_none(),
        };
        let others = side.nodes.iter().enumerate();
        let others = others.filter(|(o, other)| !is_live(*o) && serves(other) && may_be(other));
        twins.extend(others.map(|(o, _)| (n, o)));
    }
    for (n, o) in twins {
        let seen = side.nodes[n].name.clone();
        let node = &mut side.nodes[o];
        let name = node.name.clone();
        side.failures.push(format!(
            "{seen} may be {name}, of which there are files in a folder, and what it serves does not \
             tell: what {name} serves now is not known; name it, as in tftp://{name}, or leave these files \
             out"
        ));
        let why = format!("{seen} may be this node, and nobody can tell");
        for service in Service::ALL {
            *service.of(node) = FileService {
                door: Known::No(why.clone()),
                others: Known::No(why.clone()),
                ..FileService::default()
            };
        }
    }
}

/// True if anything is known of a node's file servers.
fn serves(node: &Node) -> bool {
    let services = [&node.tftp, &node.http, &node.https];
    let is_known = |s: &&FileService| s.door.get().is_some() || !s.replies.is_empty();
    services.iter().any(is_known)
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

    /// A live node that was named by its address is the folder's node whose list it serves, and what it
    /// serves now counts, not what lay in the folder.
    #[test]
    fn a_live_node_is_the_node_of_a_folder_that_its_list_names() {
        let mut of_folder = Looked {
            side: Side::default(),
            targets: Vec::new(),
        };
        node_of(&mut of_folder.side, "cucm-pub", None);
        let mut live = Looked {
            side: Side::default(),
            targets: Vec::new(),
        };
        node_of(&mut live.side, "10.0.0.5", None);
        with_list(&mut of_folder, 1);
        with_list(&mut live, 2);
        let now = live.side.nodes[0].tftp.replies["ITLFile.tlv"].clone();
        let files = |side: &mut Side| side.nodes[0].tftp.replies.clone();
        assert_ne!(files(&mut of_folder.side)["ITLFile.tlv"], now);
        // The folder has a door and a file of which the live node said nothing.
        let folder = &mut of_folder.side.nodes[0];
        folder.tftp.door = Known::Yes(Door::Open);
        let old = Known::Yes(FileReply::File([1, 2, 3][..].into()));
        for name in ["CTLFile.tlv", "SEP001122334401.cnf.xml"] {
            folder.tftp.replies.insert(name.into(), old.clone());
        }
        let lost = Known::No("timed out".into());
        let seen = &mut live.side.nodes[0];
        seen.tftp.door = lost_door();
        seen.tftp.replies.insert("CTLFile.tlv".into(), lost.clone());
        let mut side = of_folder.side;
        side.nodes.insert(
            0,
            Node {
                name: "other".into(),
                ..Node::default()
            },
        );
        side.nodes.insert(1, live.side.nodes.remove(0));
        let mut gone = Vec::new();
        name_nodes(&mut side, |n| n == 1, |n, m| gone.push((n, m)));
        assert_eq!(gone, [(1, 1)]);
        assert_eq!(side.nodes.len(), 2);
        let node = &side.nodes[1];
        assert_eq!(node.name, "cucm-pub");
        assert_eq!(node.address, Some([10, 0, 0, 5].into()));
        assert_eq!(node.tftp.replies["ITLFile.tlv"], now);
        assert_eq!(node.tftp.replies["CTLFile.tlv"], lost);
        assert_eq!(node.tftp.replies["SEP001122334401.cnf.xml"], old);
        assert_eq!(node.tftp.door, lost_door());
    }

    /// Two live nodes serve one list, or a live node serves none, or one that was named otherwise serves
    /// it: the folder's node may be any of them, and its files do not stand for what it serves now.
    #[test]
    fn the_files_of_a_node_that_may_be_a_live_one_are_no_word_of_it() {
        let folder = || {
            let mut looked = Looked {
                side: Side::default(),
                targets: Vec::new(),
            };
            node_of(&mut looked.side, "cucm-pub", None);
            with_list(&mut looked, 1);
            looked.side.nodes[0].tftp.door = Known::Yes(Door::Open);
            looked.side
        };
        let served = folder().nodes[0].tftp.replies.clone();
        let with_live = |hosts: &[&str], has_list: bool| {
            let mut side = folder();
            for (n, host) in hosts.iter().enumerate() {
                let last = u8::try_from(n).unwrap() + 5;
                let n = node_of(&mut side, host, Some([10, 0, 0, last].into()));
                side.nodes[n].tftp.door = Known::Yes(Door::Open);
                if has_list {
                    side.nodes[n].tftp.replies = served.clone();
                }
            }
            name_nodes(&mut side, |n| n > 0, |_, _| {});
            let is_united = side.nodes.len() == hosts.len();
            doubt_twins(&mut side, |n| n > 0 || is_united);
            side
        };
        for (hosts, has_list) in [
            (&["10.0.0.5", "10.0.0.6"][..], true),
            (&["10.0.0.5"], false),
            (&["alias"], true),
        ] {
            let side = with_live(hosts, has_list);
            let node = &side.nodes[0];
            assert_eq!((node.name.as_str(), serves(node)), ("cucm-pub", false));
            assert_eq!(side.failures.len(), hosts.len(), "{:?}", side.failures);
            let told = side.failures[0].contains("name it, as in tftp://cucm-pub");
            assert!(told, "{:?}", side.failures);
        }
        // They are one node, or it says that it is another one.
        for (hosts, has_list) in [(&["10.0.0.5"][..], true), (&["cucm-sub"], false)] {
            let side = with_live(hosts, has_list);
            assert!(serves(&side.nodes[0]), "{hosts:?}");
            assert_eq!(side.failures, Vec::<String>::new());
        }
    }

    #[test]
    fn an_address_means_one_node() {
        let mut side = Side::default();
        let address = Some([10, 0, 0, 5].into());
        node_of(&mut side, "cucm-pub", None);
        node_of(&mut side, "10.0.0.5", None);
        assert_eq!(node_of(&mut side, "cucm-pub", address), 0);
        let with_it = side.nodes.iter().filter(|n| n.address == address);
        assert_eq!(with_it.count(), 1);
    }

    fn lost_door() -> Known<Door> {
        Known::No("this machine cannot connect to it".into())
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

    /// Two sides, each with a `cucm-pub` at an address of its own; the first has it in its second node.
    fn namesakes() -> [Looked; 2] {
        let side = |hosts: &[(&str, u8)]| {
            let mut side = Side::default();
            for &(host, last) in hosts {
                node_of(&mut side, host, Some([10, 0, 0, last].into()));
            }
            let targets = Vec::new();
            Looked { side, targets }
        };
        [
            side(&[("old-sub", 2), ("cucm-pub", 1)]),
            side(&[("cucm-pub", 21)]),
        ]
    }

    #[test]
    fn a_name_that_both_sides_have_is_looked_at_where_its_own_side_has_it() {
        let mut sides = namesakes();
        let at = |last: u8| Ok([10, 0, 0, last].into());
        // The resolver knows one of the two.
        for resolved in [1, 21] {
            assert_eq!(address_of(&sides, 0, "cucm-pub", at(resolved)), at(1));
            assert_eq!(address_of(&sides, 1, "cucm-pub", at(resolved)), at(21));
        }
        assert_eq!(address_of(&sides, 1, "cucm-pub", at(99)), at(21));
        assert_eq!(address_of(&sides, 0, "old-sub", at(99)), at(99));
        assert_eq!(address_of(&sides, 1, "cucm-pub", Err("no".into())), at(21));
        sides[1].side.nodes[0].address = None;
        let unclear = address_of(&sides, 1, "cucm-pub", at(1));
        assert!(unclear.is_err_and(|why| why.contains("of the other cluster")));
    }

    /// Gives a side the ITL of a cluster whose publisher is `cucm-pub`; of another one for each seed.
    fn with_list(looked: &mut Looked, seed: u64) {
        use crate::cluster::{
            Cluster, ClusterMode, ClusterSettings, ClusterSpec, KeyPool, NodeSpec, Parameters,
            Release, Service,
        };
        let name = "cucm-pub";
        let publisher = NodeSpec {
            name: name.into(),
            publisher: true,
            services: [Service::Tftp, Service::Tvs].into(),
            address: Ipv4Addr::new(10, 0, 0, 1),
            tvs_port: 2_445,
        };
        let spec = ClusterSpec {
            id: "lab".into(),
            release: Release::V11_5_1,
            mode: ClusterMode::NonSecure,
            callmanager_group: vec![name.into()],
            nodes: vec![publisher],
            parameters: Parameters::default(),
        };
        let (mut keys, settings) = (KeyPool::new(seed), ClusterSettings::default());
        let mut cluster = Cluster::new(spec, settings, 1_583_053_200, &mut keys, seed).unwrap();
        let served = cluster.published(name).into_iter();
        let replies = served.map(|(name, bytes)| (name, Known::Yes(FileReply::File(bytes))));
        looked.side.nodes[0].tftp.replies = replies.collect();
    }

    #[test]
    fn a_side_without_its_publisher_does_not_take_the_other_sides_for_it() {
        let mut sides = namesakes();
        sides[0].side.nodes.pop();
        let there = Ok([10, 0, 0, 21].into());
        let unclear = |sides: &[Looked]| {
            let address = address_of(sides, 0, "cucm-pub", there.clone());
            address.is_err_and(|why| why.contains("among its inputs"))
        };
        assert!(unclear(&sides), "no list tells");
        with_list(&mut sides[0], 1);
        assert!(unclear(&sides));
        with_list(&mut sides[1], 2);
        assert!(unclear(&sides));
        // Both sides are nodes of one cluster.
        with_list(&mut sides[0], 2);
        assert!(!unclear(&sides));
        // Its lists name no such node: a node of the new cluster serves its phones.
        let there = Ok([10, 0, 0, 21].into());
        assert_eq!(address_of(&sides, 0, "alias", there.clone()), there);
        assert_eq!(address_of(&sides, 0, "10.0.0.21", there.clone()), there);
    }

    #[test]
    fn a_host_is_another_sides_node_by_its_address_alone() {
        let mut sides = namesakes();
        let address = |last: u8| Some([10, 0, 0, last].into());
        // The second side names a host of the first.
        assert_eq!(at_host(&mut sides, 1, "old-sub", address(2)), At(0, 0));
        assert_eq!(at_host(&mut sides, 1, "alias", address(2)), At(0, 0));
        // The first side was given without its publisher.
        sides[0].side.nodes.pop();
        let host = "cucm-pub";
        assert_eq!(at_host(&mut sides, 0, host, address(1)), At(0, 1));
        assert_eq!(sides[0].side.nodes[1].address, address(1));
        assert_eq!(at_host(&mut sides, 1, host, address(21)), At(1, 0));
        // Nobody knows where it is.
        sides[0].side.nodes.pop();
        assert_eq!(at_host(&mut sides, 0, host, None), At(0, 1));
    }
}
