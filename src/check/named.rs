//! Which node a configuration means by a host, where several clusters have a node of that name or
//! address: the one of the cluster that serves the configuration. What nobody can tell apart is a gap.

use super::evidence::{At, FileReply, Known, Side, Sides};

/// What helps, whatever the clusters are read from.
const ADVICE: &str = "call it otherwise in one of the clusters (System > Server), and read that \
    cluster again";

impl Sides {
    /// The node that a configuration means, where `named_by` finds out which cluster serves that; it is
    /// asked only if several clusters have such a node.
    ///
    /// # Errors
    /// Nobody can tell which it is: why, and what to do.
    pub fn named(
        &self,
        host: &str,
        named_by: impl FnOnce() -> Option<usize>,
    ) -> Result<Option<At>, String> {
        let found = self.hosts(host);
        if let [] | [_] = found[..] {
            return Ok(found.first().copied());
        }
        let side = named_by();
        match found.into_iter().find(|at| Some(at.0) == side) {
            Some(own) => Ok(Some(own)),
            None => Err(format!(
                "both clusters have a node of this name, and which of them serves this configuration \
                 is not known: {ADVICE}"
            )),
        }
    }

    /// The same for a phone that goes there: `network` is the cluster that its option 150 names. Of two
    /// nodes with one address it reaches that one's alone.
    ///
    /// # Errors
    /// Likewise.
    pub fn reached(
        &self,
        host: &str,
        named_by: impl FnOnce() -> Option<usize>,
        network: Option<usize>,
    ) -> Result<Option<At>, String> {
        let Some(own) = self.named(host, named_by)? else {
            return Ok(None);
        };
        let address = self.node(own).and_then(|node| node.address);
        let mut others = self.nodes().filter(|(at, _)| at.0 != own.0);
        let twin = others.find(|(_, node)| address.is_some() && node.address == address);
        match (twin, address) {
            (Some((_, other)), Some(address)) if network != Some(own.0) => Err(format!(
                "{} of the other cluster has the same address, {address}, and a network has one of \
                 them: give one of them another address, and read its cluster again",
                other.name
            )),
            _ => Ok(Some(own)),
        }
    }

    /// The node that a configuration means which a phone keeps: none too if that is not clear.
    pub fn named_in(&self, configuration: &[u8], host: &str) -> Option<At> {
        let named = self.named(host, || self.cluster_of_configuration(configuration));
        named.ok().flatten()
    }

    /// The cluster that serves this configuration, as a phone keeps it; none if no cluster does, or
    /// several do.
    pub fn cluster_of_configuration(&self, xml: &[u8]) -> Option<usize> {
        let mut serving = (0..self.sides.len()).filter(|&s| serves(&self.sides[s], xml));
        serving.next().filter(|_| serving.next().is_none())
    }

    /// What both clusters have a node for, in sentences: names and addresses.
    pub fn namesakes(&self) -> Vec<String> {
        let mut told = Vec::new();
        for (at, node) in self.nodes() {
            for (_, other) in self.nodes().filter(|(other, _)| other.0 > at.0) {
                let name = &node.name;
                if name.eq_ignore_ascii_case(&other.name) {
                    told.push(format!(
                        "both clusters call a node {name}: what a configuration calls so is taken for \
                         the node of the cluster that serves it. Phones ask DNS, which knows one of the \
                         two: before the move {ADVICE}"
                    ));
                }
                if let Some(address) = node.address.filter(|_| node.address == other.address) {
                    told.push(format!(
                        "{name} and {} of the other cluster have one address, {address}: a phone reaches \
                         that of the cluster whose TFTP it asks, and what it wants of the other is \
                         unknown",
                        other.name
                    ));
                }
            }
        }
        told
    }
}

/// True if a node hands out this configuration, signed or not: the body ends a signed file.
fn serves(side: &Side, xml: &[u8]) -> bool {
    let services = side.nodes.iter().flat_map(|n| [&n.tftp, &n.http, &n.https]);
    let mut replies = services.flat_map(|s| &s.replies);
    replies.any(|(name, reply)| match reply {
        Known::Yes(FileReply::File(bytes)) => name.contains(".cnf.xml") && bytes.ends_with(xml),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::check::evidence::Node;

    const CONFIG: &[u8] = b"<device/>";

    fn node(name: &str, address: Option<[u8; 4]>, config: Option<&[u8]>) -> Node {
        let mut node = Node {
            name: name.into(),
            address: address.map(Ipv4Addr::from),
            ..Node::default()
        };
        if let Some(config) = config {
            let signed = [b"header", config].concat();
            let reply = Known::Yes(FileReply::File(signed.into()));
            let name = "SEP001122334455.cnf.xml.sgn".to_owned();
            node.tftp.replies.insert(name, reply);
        }
        node
    }

    fn sides(nodes: [Vec<Node>; 2]) -> Sides {
        let side = |nodes| Side {
            nodes,
            ..Side::default()
        };
        Sides::of(nodes.map(side).into())
    }

    #[test]
    fn a_name_means_the_node_of_the_cluster_whose_configuration_it_is() {
        let of =
            |config: Option<&[u8]>| vec![node("x", None, None), node("CUCM-pub", None, config)];
        let both = sides([of(Some(b"<old/>")), of(Some(CONFIG))]);
        assert_eq!(both.named("cucm-pub", || Some(0)), Ok(Some(At(0, 1))));
        assert_eq!(both.named("cucm-pub", || Some(1)), Ok(Some(At(1, 1))));
        assert!(both.named("cucm-pub", || None).is_err());
        assert_eq!(both.named_in(CONFIG, "cucm-pub"), Some(At(1, 1)));
        assert_eq!(both.named_in(b"<old/>", "cucm-pub"), Some(At(0, 1)));
        assert_eq!(both.named_in(b"<older/>", "cucm-pub"), None);
        assert_eq!(both.named("stranger", || None), Ok(None));
        assert_eq!(both.namesakes().len(), 2);
        // Both serve the same.
        let same = sides([of(Some(CONFIG)), of(Some(CONFIG))]);
        assert_eq!(same.named_in(CONFIG, "cucm-pub"), None);
        // One alone has it, whoever names it.
        let one = sides([vec![node("a", None, None)], of(None)]);
        let named = one.named("cucm-pub", || panic!("nobody need ask"));
        assert_eq!(named, Ok(Some(At(1, 1))));
        assert!(one.namesakes().is_empty());
    }

    #[test]
    fn of_two_nodes_with_one_address_a_phone_reaches_one() {
        let address = Some([10, 0, 0, 1]);
        let sides = sides([
            vec![node("a-pub", address, None)],
            vec![node("b-pub", address, Some(CONFIG))],
        ]);
        assert_eq!(sides.named("10.0.0.1", || Some(1)), Ok(Some(At(1, 0))));
        for host in ["a-pub", "10.0.0.1"] {
            let reached = sides.reached(host, || Some(0), Some(1));
            assert!(reached.is_err_and(|why| why.contains("b-pub")), "{host}");
            let reached = sides.reached(host, || Some(0), Some(0));
            assert_eq!(reached, Ok(Some(At(0, 0))), "{host}");
        }
        // Option 150 tells them apart.
        for at in [At(0, 0), At(1, 0)] {
            assert_eq!(sides.at(sides.address(at)), Some(at));
        }
        assert_eq!(sides.namesakes().len(), 1);
    }
}
