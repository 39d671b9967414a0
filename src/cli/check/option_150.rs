//! Which servers option 150 will name.

use std::net::Ipv4Addr;

use super::args::CheckArgs;
use super::inputs::Target;
use super::mix;
use crate::check::evidence::{At, Door, FileReply, Known, Node, Side, Sides};
use crate::cli::args::Setting;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::report::text::did_you_mean;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::rules::{Key, Settings};

/// What option 150 will name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Servers {
    /// Addresses, in order.
    pub(super) addresses: Vec<Ipv4Addr>,
    /// Why a node of the destination is not among them, where nobody said that it is none.
    pub(super) note: Option<String>,
    /// What every fate then rests on.
    pub(super) guess: Option<String>,
}

/// The servers that the command line names; else the TFTP nodes of the destination. `targets` are its
/// live nodes.
///
/// # Errors
/// The command line names a host that nobody looked at, or more than a phone keeps.
pub(super) fn servers(
    sides: &Sides,
    args: &CheckArgs,
    targets: &[Target],
) -> Result<Servers, Failure> {
    let most = {
        let mut rules = Settings::default();
        Setting::apply_all(&args.set, &mut rules);
        usize::try_from(rules.peek(Key::DhcpMaxServers)).unwrap_or(usize::MAX)
    };
    // The last side is the one that phones are to follow to; from and to may be one.
    let s = sides.sides.len().saturating_sub(1);
    let Some(to) = sides.sides.get(s) else {
        return Ok(Servers::default());
    };
    if args.option_150.is_empty() {
        let mut servers = of_side(to, targets);
        servers.named.truncate(most);
        let addresses = servers.named.into_iter().map(|n| sides.address(At(s, n)));
        return Ok(Servers {
            addresses: addresses.collect(),
            note: servers.note,
            guess: servers.guess,
        });
    }
    if args.option_150.len() > most {
        let text = format!(
            "--option-150 names {} servers; a phone keeps {most} at most (setting dhcp.max_servers)",
            args.option_150.len()
        );
        return Err(Failure::new(ExitCode::Usage, text));
    }
    let of_to = |name: &str| mix::position(to, name, None);
    let address = |name: &String| {
        let at = of_to(name).map(|n| At(s, n));
        if let Some(at) = at.or_else(|| sides.host_from(s, name)) {
            return Ok(sides.address(at));
        }
        name.parse().map_err(|_| {
            let names = sides.nodes().map(|(_, n)| n.name.as_str());
            let hint = did_you_mean(name, names);
            let text = format!(
                "--option-150 {}: no node that was looked at has this name, and it is no address{hint}",
                escape_for_terminal(name.as_bytes())
            );
            Failure::new(ExitCode::Usage, text)
        })
    };
    let addresses: Vec<Ipv4Addr> = args
        .option_150
        .iter()
        .map(address)
        .collect::<Result<_, _>>()?;
    // A phone asks the second server only where the first is silent.
    if let Some(at) = addresses.first().and_then(|a| sides.at(*a))
        && at.0 != s
    {
        let node = sides.node(at).map_or("", |n| n.name.as_str());
        let stays = &sides.sides[at.0].name;
        let text = format!(
            "--option-150 begins with {node} of {stays}: phones would stay there; begin with a node of {}",
            to.name
        );
        return Err(Failure::new(ExitCode::Usage, text));
    }
    Ok(Servers {
        addresses,
        ..Servers::default()
    })
}

/// The TFTP nodes of a side.
#[derive(Debug, Default)]
struct Found {
    named: Vec<usize>,
    note: Option<String>,
    guess: Option<String>,
}

/// The TFTP nodes of a side: those that the command line names, in its order and whether they answer or
/// not, then those that hand out files, or of which files were read. Others are none as far as anybody
/// knows: that is a guess where nobody read whether they are, unless the live nodes are all that there
/// is.
fn of_side(to: &Side, targets: &[Target]) -> Found {
    let mut named: Vec<usize> = Vec::new();
    for target in targets {
        let n = mix::position(to, &target.host, None);
        named.extend(n.filter(|n| !named.contains(n)));
    }
    let all = 0..to.nodes.len();
    let serves = |n: &usize| !named.contains(n) && is_tftp(&to.nodes[*n]);
    let serving: Vec<_> = all.clone().filter(serves).collect();
    named.extend(serving);
    if named.is_empty() {
        return Found {
            named: all.collect(),
            ..Found::default()
        };
    }
    let is_unread = |node: &Node| {
        let is_given = targets.is_empty() || node.exported().next().is_some();
        let doors = [&node.tftp.door, &node.http.door];
        is_given && doors.iter().all(|door| door.get().is_none())
    };
    let left = all.filter(|n| !named.contains(n));
    let unread: Vec<&str> = left
        .filter_map(|n| to.nodes.get(n))
        .filter(|node| is_unread(node))
        .map(|node| node.name.as_str())
        .collect();
    if unread.is_empty() {
        return Found {
            named,
            ..Found::default()
        };
    }
    let unread = unread.join(", ");
    let kept = named.iter().map(|&n| to.nodes[n].name.as_str());
    let kept = kept.collect::<Vec<_>>().join(", ");
    Found {
        note: Some(format!(
            "option 150 is taken to name {kept} and not {unread}: nobody read whether TFTP runs there; say \
             what it will name with --option-150"
        )),
        guess: Some(format!("option 150 does not name {unread}")),
        named,
    }
}

/// True of a node that hands out files, or of which lists were read.
fn is_tftp(node: &Node) -> bool {
    let mut services = [&node.tftp, &node.http].into_iter();
    services.any(|service| {
        let is_list = |(name, reply): (&String, &Known<FileReply>)| {
            name.ends_with(".tlv") && matches!(reply, Known::Yes(FileReply::File(_)))
        };
        service.door == Known::Yes(Door::Open) || service.replies.iter().any(is_list)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, door: Known<Door>, has_list: bool) -> Node {
        let mut node = Node {
            name: name.into(),
            ..Node::default()
        };
        if has_list {
            let list = Known::Yes(FileReply::File([1][..].into()));
            node.tftp.replies.insert("ITLFile.tlv".into(), list);
        }
        node.tftp.door = door;
        node
    }

    fn side(nodes: Vec<Node>) -> Side {
        Side {
            nodes,
            ..Side::default()
        }
    }

    fn target(host: &str) -> Target {
        Target {
            host: host.into(),
            tftp_port: 69,
            http_port: 6_970,
        }
    }

    const OPEN: Known<Door> = Known::Yes(Door::Open);
    const STOPPED: Known<Door> = Known::Yes(Door::Silent);

    #[test]
    fn live_nodes_stay_in_their_order_whether_they_answer_or_not() {
        let unread = Known::not_looked_at;
        let to = side(vec![
            node("of-folder", OPEN, true),
            node("pub", OPEN, true),
            node("sub", unread(), false),
            node("named-by-configurations", unread(), false),
        ]);
        let found = of_side(
            &to,
            &[target("sub.example.com"), target("PUB"), target("pub")],
        );
        assert_eq!(found.named, [2, 1, 0]);
        assert_eq!((found.note, found.guess), (None, None));
    }

    #[test]
    fn a_node_without_files_that_may_be_a_tftp_node_is_left_out_aloud() {
        let to = side(vec![
            node("pub", Known::not_looked_at(), false),
            node("sub", OPEN, true),
            node("down", STOPPED, true),
            node("no-tftp", STOPPED, false),
        ]);
        let found = of_side(&to, &[]);
        assert_eq!(found.named, [1, 2]);
        let note = found.note.unwrap();
        assert!(
            note.contains("name sub, down and not pub: nobody"),
            "{note}"
        );
        assert_eq!(found.guess.unwrap(), "option 150 does not name pub");
        // Of known nodes nothing is guessed.
        let to = side(vec![
            node("sub", OPEN, true),
            node("no-tftp", STOPPED, false),
        ]);
        assert_eq!(of_side(&to, &[]).guess, None);
        // Where nobody knows any, each may be one.
        let to = side(vec![
            node("a", STOPPED, false),
            node("b", Known::not_looked_at(), false),
        ]);
        assert_eq!(of_side(&to, &[]).named, [0, 1]);
    }
}
