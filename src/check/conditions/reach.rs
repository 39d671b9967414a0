//! Who answers, and under which names: nodes, option 150, centralized TFTP, DNS.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::Said;
use super::question::{ALL_LISTS, Hosts, Question, and, offered, parse};
use crate::check::answer::{Condition, State};
use crate::check::evidence::{At, Door, FileService, Known, Node};
use crate::check::places::signer_of;
use crate::trust::rules::{Basis, Key, Settings, rule};
use crate::wire::ListKind;

pub(super) const NODES_REACHABLE: &str = "nodes-reachable";
/// The servers that option 150 names.
pub const OPTION_150: &str = "option-150";
pub(super) const CENTRALIZED_TFTP: &str = "centralized-tftp";
pub(super) const DNS_NAMES: &str = "dns-names";

/// How many names are shown of those that phones must resolve; clusters have few nodes.
const NAMES_SHOWN: usize = 24;

/// Each node's services answer, those at least that phones need for the move (Cisco 215539: both
/// clusters up and reachable by phones).
pub(super) fn nodes_reachable(q: &Question<'_>) -> Vec<Condition> {
    if q.sides.nodes().next().is_none() {
        let said = Said::new(NODES_REACHABLE, "both clusters", Basis::Documented);
        return vec![said.unknown("no node of either cluster was looked at", LOOK)];
    }
    q.sides
        .nodes()
        .map(|(at, node)| reachable(q, at, node))
        .collect()
}

/// A service counts as there because somebody has files of it.
const NOT_ASKED: &str = "not asked: files lie in the folder";

const LOOK: &str = "give the cluster's TFTP nodes (tftp://HOST), or a folder with what they serve and the output of `utils service list` as services.txt";

/// What a service does, for one line.
struct Seen {
    state: State,
    text: String,
    fix: Option<String>,
}

impl Seen {
    /// Of a service that the move needs, or does not; an error says what would tell, and was not read.
    fn of(name: &str, door: &Known<Door>, is_needed: Result<bool, &str>, fix: &str) -> Self {
        let (state, word) = match door {
            Known::Yes(Door::Open) => (State::Good, "answers".to_owned()),
            Known::Yes(Door::Refused) => (State::Bad, "refuses connections".to_owned()),
            Known::Yes(Door::Silent) => (State::Bad, "does not answer".to_owned()),
            Known::No(why) => (State::Unknown, format!("not known ({why})")),
        };
        let (state, aside) = match (state, is_needed) {
            (State::Good, _) | (_, Ok(true)) => (state, ""),
            (_, Ok(false)) => (State::Note, ", and the move does not need it there"),
            (_, Err(unread)) => (State::Unknown, unread),
        };
        Self {
            state,
            text: format!("{name} {word}{aside}"),
            fix: match state {
                State::Bad => Some(fix.to_owned()),
                State::Unknown => Some(LOOK.to_owned()),
                State::Good | State::Note => None,
            },
        }
    }

    /// Of CallManager, at those of its ports that configurations name.
    fn of_ports(node: &Node, ports: &BTreeSet<Option<u16>>) -> Self {
        let (mut closed, mut unread) = (Vec::new(), Vec::new());
        for &port in ports {
            match node.callmanager_at(port) {
                Known::Yes(Door::Open) => {}
                Known::Yes(Door::Refused | Door::Silent) => {
                    closed.extend(port.map(|port| port.to_string()));
                }
                Known::No(why) if !unread.contains(&why) => unread.push(why),
                Known::No(_) => {}
            }
        }
        let mut texts = Vec::new();
        if closed.len() + unread.len() < ports.len() {
            texts.push("CallManager answers".to_owned());
        }
        if !closed.is_empty() {
            texts.push(format!(
                "CallManager is closed at TCP {}, where phones register",
                closed.join(", ")
            ));
        }
        if !unread.is_empty() {
            texts.push(format!(
                "whether CallManager answers at each port is not known ({})",
                and(&unread)
            ));
        }
        let start = || {
            format!(
                "start Cisco CallManager, and open TCP {}",
                closed.join(", ")
            )
        };
        let (state, fix) = match (closed.is_empty(), unread.is_empty()) {
            (false, _) => (State::Bad, Some(start())),
            (true, false) => (State::Unknown, Some(LOOK.to_owned())),
            (true, true) => (State::Good, None),
        };
        Self {
            state,
            text: texts.join(", "),
            fix,
        }
    }
}

fn reachable(q: &Question<'_>, at: At, node: &Node) -> Condition {
    let is_named = q.plan.option_150.contains(&q.sides.address(at));
    let is_asked = q.asked_tvs().0.iter().any(|(asked, _)| *asked == at);
    let asked = match at.0 == 0 && !is_asked && !q.unread.is_empty() {
        true => {
            Err(", and not every configuration was read that may say whether phones need it there")
        }
        false => Ok(is_asked),
    };
    let of_destination = q.sides.nodes().filter(|(other, _)| other.0 == q.to_index());
    let served = of_destination.filter_map(|(other, _)| q.served_hosts.get(&other));
    let served: Vec<&Hosts> = served.collect();
    let named = served.iter().flat_map(|hosts| &hosts.ports);
    let named = named.filter(|(host, _)| q.sides.host_from(q.to_index(), host) == Some(at));
    let ports: BTreeSet<Option<u16>> = named.map(|(_, port)| *port).collect();
    let is_read = at.0 != q.to_index() || served.iter().any(|hosts| hosts.read > 0);
    let registers = match ports.is_empty() {
        false => Ok(true),
        true if is_read => Ok(false),
        true => Err(", and no configuration was read that says whether phones need it there"),
    };
    let files = |name: &str, service: &FileService, is_needed, fix| match service.concluded {
        true => Seen {
            state: State::Note,
            text: format!("{name} {NOT_ASKED}"),
            fix: None,
        },
        false => Seen::of(name, &service.door, Ok(is_needed), fix),
    };
    let all = [
        files("TFTP", &node.tftp, is_named, "start Cisco Tftp"),
        files("HTTP", &node.http, false, "open TCP port 6970"),
        Seen::of(
            "TVS",
            &node.tvs.door,
            asked,
            "start Cisco Trust Verification Service, and open TCP port 2445 to the phones",
        ),
        match node.callmanager_ports.is_empty() || ports.is_empty() {
            true => Seen::of(
                "CallManager",
                &node.callmanager,
                registers,
                "start Cisco CallManager",
            ),
            false => Seen::of_ports(node, &ports),
        },
    ];
    let state = all
        .iter()
        .fold(State::Good, |state, seen| worse(state, seen.state));
    let texts: Vec<_> = all.iter().map(|seen| seen.text.as_str()).collect();
    let mut fixes: Vec<_> = all.iter().filter_map(|seen| seen.fix.as_deref()).collect();
    fixes.dedup();
    let side = q.sides.sides.get(at.0).map_or("", |s| &s.name);
    let about = format!("{} of {side}", node.name);
    let fix = (!fixes.is_empty()).then(|| fixes.join("; "));
    Said::new(NODES_REACHABLE, about, Basis::Documented).with(state, texts.join(", "), fix)
}

/// Of two states the one that matters more: what does not hold before what is not known.
fn worse(a: State, b: State) -> State {
    let rank = |s| match s {
        State::Good => 0,
        State::Note => 1,
        State::Unknown => 2,
        State::Bad => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// Each entry of option 150: which node, whether it answers, whether it hands out an ITL.
pub(super) fn option_150(q: &Question<'_>) -> Vec<Condition> {
    if q.plan.option_150.is_empty() {
        let said = Said::new(OPTION_150, "option 150", Basis::Documented);
        let fix = format!(
            "let option 150 name the TFTP nodes of {}",
            q.destination_name()
        );
        return vec![said.bad("no server is given for it", fix)];
    }
    let settings = q.settings();
    let kept = usize::try_from(settings.count(Key::DhcpMaxServers)).unwrap_or(usize::MAX);
    let entries = q.plan.option_150.iter().enumerate();
    let entry = |(n, &address): (usize, &Ipv4Addr)| entry(q, n, address, kept, &settings);
    entries.map(entry).collect()
}

fn entry(
    q: &Question<'_>,
    n: usize,
    address: Ipv4Addr,
    kept: usize,
    settings: &Settings,
) -> Condition {
    let Some((at, node)) = q
        .sides
        .at(address)
        .and_then(|at| Some((at, q.sides.node(at)?)))
    else {
        let said = Said::new(
            OPTION_150,
            format!("entry {}: {address}", n + 1),
            Basis::Documented,
        );
        return said.unknown(
            format!("{address} is none of the nodes that were looked at"),
            "correct the address, or let the check look at this node too",
        );
    };
    let about = format!("entry {}: {}", n + 1, node.name);
    let said = Said::new(OPTION_150, about, Basis::Documented);
    if at.0 != q.to_index() {
        let text = format!(
            "{} belongs to {}: phones that take it stay there",
            node.name,
            q.source_name()
        );
        let fix = format!(
            "let option 150 name nodes of {} alone",
            q.destination_name()
        );
        return said.bad(text, fix);
    }
    match &node.tftp.door {
        Known::Yes(Door::Open) => {}
        Known::Yes(_) => {
            let text = match n {
                0 => {
                    "its TFTP does not answer: every phone waits for it and then asks the next entry"
                }
                _ => {
                    "its TFTP does not answer: phones have nobody left if the entries before fail too"
                }
            };
            return said.bad(text, format!("start Cisco Tftp on {}", node.name));
        }
        Known::No(why) => return said.unknown(format!("whether its TFTP answers: {why}"), LOOK),
    }
    match offered(node, ListKind::Itl) {
        Known::Yes(Some(bytes)) if parse(bytes).is_none() => said.bad(
            "its TFTP answers, and what it serves as ITL is no list",
            format!("look at ITLFile.tlv with `trustline inspect`, then restart Cisco Tftp on {}", node.name),
        ),
        Known::Yes(Some(_)) if n >= kept => {
            let rule = rule(Key::DhcpMaxServers);
            let text = format!(
                "a phone keeps {kept} servers of its lease ({}), so this one is not asked",
                rule.name
            );
            let basis = settings.basis(Key::DhcpMaxServers);
            Said { basis, ..said }.note(text, None)
        }
        Known::Yes(Some(_)) if node.tftp.concluded => {
            said.note(format!("{address}, TFTP {NOT_ASKED}, an ITL too"), None)
        }
        Known::Yes(Some(_)) => said.good(format!("{address}, its TFTP answers and serves an ITL")),
        Known::Yes(None) => said.bad(
            "its TFTP answers and has no ITL: phones keep the list that they have, and refuse its files",
            format!("restart Cisco Tftp on {} so that it publishes its ITL, or name another node", node.name),
        ),
        Known::No(why) => said.unknown(format!("whether it serves an ITL: {why}"), LOOK),
    }
}

/// A TFTP node that serves phones of another cluster: its own files then have a signature that those
/// phones do not know (Cisco System Configuration Guide 15, centralized TFTP).
pub(super) fn centralized_tftp(q: &Question<'_>) -> Vec<Condition> {
    let mut found = Vec::new();
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for (at, node) in q.sides.nodes() {
        let side = |at: At| q.sides.sides.get(at.0).map_or("", |s| s.name.as_str());
        let hosts = q.served_hosts.get(&at);
        let named = hosts.into_iter().flat_map(|h| &h.callmanager);
        let others: BTreeSet<&str> = named
            .filter_map(|host| q.sides.host_from(at.0, host))
            .filter(|host| host.0 != at.0)
            .map(side)
            .collect();
        let has_list = |kind| matches!(offered(node, kind), Known::Yes(Some(_)));
        let is_named = q.plan.option_150.contains(&q.sides.address(at));
        if hosts.is_some_and(|h| h.read > 0) {
            read.push(node.name.as_str());
        } else if is_named || ALL_LISTS.into_iter().any(has_list) {
            unread.push(node.name.as_str());
        }
        let foreign = foreign_list(q, at, node);
        let said = || {
            Said::new(
                CENTRALIZED_TFTP,
                format!("{} of {}", node.name, side(at)),
                Basis::Documented,
            )
        };
        if let Some(text) = foreign {
            found.push(said().bad(
                text,
                format!("let option 150 name the TFTP nodes of the phones' own cluster, or restart Cisco Tftp on {}", node.name),
            ));
        }
        if !others.is_empty() {
            let others: Vec<_> = others.into_iter().collect();
            let text = format!(
                "it serves configurations whose CallManagers are of {}: it is their central TFTP, and what it signs itself (ring lists, locales) phones of {} refuse",
                and(&others),
                and(&others)
            );
            let fix = format!(
                "put CallManager of {} into Phone-SAST-trust of {}; after a move wait 30 minutes or restart its TFTP, since it remembers who had a phone",
                node.name,
                and(&others)
            );
            found.push(said().note(text, Some(fix)));
        }
    }
    let said = Said::new(CENTRALIZED_TFTP, "both clusters", Basis::Documented);
    let look = "let the check read the configuration of a phone at each TFTP node (--phones)";
    if read.is_empty() || !unread.is_empty() {
        let text = match unread.is_empty() {
            true => "no configuration was read, so whose phones each TFTP node serves is not known"
                .into(),
            false => format!(
                "no configuration of {} was read, so whose phones it serves is not known",
                and(&unread)
            ),
        };
        found.push(said.unknown(text, look));
    } else if found.is_empty() {
        found.push(said.good("each TFTP node serves phones of its own cluster"));
    }
    found
}

/// A list of this node that a node of another cluster has signed.
fn foreign_list(q: &Question<'_>, at: At, node: &Node) -> Option<String> {
    let list = |kind| match offered(node, kind) {
        Known::Yes(Some(bytes)) => signer_of(bytes).map(|signer| (kind, signer)),
        _ => None,
    };
    let mut signed = ALL_LISTS.into_iter().filter_map(list);
    signed.find_map(|(kind, signer)| {
        let is_own = |c: &Node| c.certificates.iter().any(|(_, c)| signer.is_of(c));
        let mut own = q.sides.nodes().filter(|(other, _)| other.0 == at.0);
        let mut others = q.sides.nodes().filter(|(other, _)| other.0 != at.0);
        if own.any(|(_, n)| is_own(n)) {
            return None;
        }
        let (other, by) = others.find(|(_, n)| is_own(n))?;
        let cluster = q.sides.sides.get(other.0).map_or("", |s| &s.name);
        Some(format!(
            "its {kind} is signed by {} of {cluster}, not by its own cluster",
            by.name
        ))
    })
}

/// Names that phones must be able to resolve: those of the configuration that they have, whose TVS
/// they ask during the move, and those of the one that they will get.
pub(super) fn dns_names(q: &Question<'_>) -> Vec<Condition> {
    let destination = q.served_hosts.iter().filter(|(at, _)| at.0 == q.to_index());
    let served: Vec<&Hosts> = destination.map(|(_, hosts)| hosts).collect();
    let mut conditions = vec![
        names_of(
            format!("configurations of {}", q.destination_name()),
            &served,
        ),
        names_of("configurations that phones hold".into(), &[&q.own_hosts]),
    ];
    if q.own_hosts.read > 0 {
        conditions.extend(q.not_read_of_phones(DNS_NAMES));
    }
    conditions
}

fn names_of(about: String, hosts: &[&Hosts]) -> Condition {
    let said = Said::new(DNS_NAMES, about, Basis::Documented);
    if hosts.iter().all(|h| h.read == 0) {
        return said.unknown(
            "no configuration was read",
            "let the check read the configuration of a phone (--phones)",
        );
    }
    let all = hosts
        .iter()
        .flat_map(|h| h.tvs.iter().chain(&h.callmanager));
    let is_name = |host: &&str| host.parse::<Ipv4Addr>().is_err();
    let names: BTreeSet<&str> = all.map(String::as_str).filter(is_name).collect();
    if names.is_empty() {
        return said.good("servers are named by address: phones need no DNS for them");
    }
    let names: Vec<_> = names.into_iter().collect();
    let shown = match names.len().saturating_sub(NAMES_SHOWN) {
        0 => and(&names),
        more => format!("{} and {more} more names", names[..NAMES_SHOWN].join(", ")),
    };
    let fix = "look these names up at the DNS server that the phones' segment has, where nobody \
               else did: phones find no TVS and no CallManager whose name they cannot resolve";
    said.note(format!("phones must resolve {shown}"), Some(fix.into()))
}
