//! Lists: those that phones hold, and those that they will be offered.

use std::sync::Arc;

use super::Said;
use super::question::{
    ALL_LISTS, Held, Question, TftpNode, and, list_replies, offered, parse, services, who,
};
use crate::check::answer::Condition;
use crate::check::evidence::{FileReply, Known};
use crate::check::held::is_unread;
use crate::check::whole::whole_list;
use crate::trust::rules::Basis;
use crate::trust::search::SignerId;
use crate::wire::{ListKind, Role};

pub(super) const PHONES_LISTS: &str = "phones-lists";
pub(super) const ROLLBACK_PARAMETER: &str = "rollback-parameter";
pub(super) const DESTINATION_LISTS: &str = "destination-lists";

const LOOK_AT_PARAMETER: &str = "look at Enterprise Parameters, and say it in parameters.txt: prepare-cluster-for-rollback = no";
const ERASE: &str = "erase CTL and ITL at these phones by hand, or let them take a good list while they are at home";

/// The phones' own lists are whole, and name a TVS to ask (Cisco 215539: the phone has a valid CTL
/// or ITL of the source).
pub(super) fn phones_lists(q: &Question<'_>) -> Vec<Condition> {
    if q.held.is_empty() {
        let said = Said::new(PHONES_LISTS, q.source_name(), Basis::Documented);
        return vec![said.unknown(
            "which lists the phones hold is not known",
            "give the ITL (and CTL) that the cluster serves, or an inventory with itl_sha1 (--phones)",
        )];
    }
    let mut conditions: Vec<Condition> = Vec::new();
    for held in &q.held {
        let condition = phones_list(q, held);
        if !conditions.contains(&condition) {
            conditions.push(condition);
        }
    }
    conditions.extend(q.not_read_of_phones(PHONES_LISTS));
    conditions
}

fn phones_list(q: &Question<'_>, held: &Held<'_>) -> Condition {
    let basis = match held.is_guess {
        true => Basis::Assumed,
        false => Basis::Documented,
    };
    let said = Said::new(PHONES_LISTS, who(&held.phones), basis);
    let mut has_tvs = false;
    let mut is_blank = false;
    let mut stale = Vec::new();
    let mut read = Vec::new();
    for (kind, bytes) in [(ListKind::Ctl, held.ctl), (ListKind::Itl, held.itl)] {
        let Some(bytes) = bytes else { continue };
        let list = match whole_list(bytes) {
            Ok(list) => list,
            Err(fault) => return said.bad(format!("the {kind} {fault}"), ERASE),
        };
        has_tvs |= list.has_certificate_with(|role| role == Role::Tvs);
        is_blank |= kind == ListKind::Itl && list.is_empty_for_rollback();
        if is_served(q, kind, bytes) == Some(false) {
            stale.push(kind.to_string());
        }
        read.push(format!("{kind} ({} records)", list.records.len()));
    }
    if read.is_empty() {
        return said.note(
            "no list is installed: such a phone takes the first one that it meets, whoever signed it",
            None,
        );
    }
    let read = and(&read);
    if is_blank {
        return said.note(
            format!("{read}: the empty ITL of a rollback, with which a phone takes any ITL and asks no TVS"),
            None,
        );
    }
    if !has_tvs {
        return said.bad(
            format!(
                "{read} hold no TVS: the phone can ask nobody about a signer that it does not know"
            ),
            "let the phones take a list with TVS while they are at home, then move them",
        );
    }
    // One that is taken for theirs is served, if under another phone's name.
    if !stale.is_empty() && !held.is_guess {
        let text = format!(
            "{read} are whole; no node of {} serves this {} any more",
            q.source_name(),
            and(&stale)
        );
        let fix = "reset the phones at home first, so that they take the newest list";
        return said.note(text, Some(fix.into()));
    }
    if held.is_guess {
        let several = match q.of_several {
            true => " (its nodes serve different ones)",
            false => "",
        };
        let text = format!(
            "nobody said which lists these phones hold; those that {} serves now{several}, {read}, are whole",
            q.source_name()
        );
        let fix = "put itl_sha1 of the phones into the inventory (--phones)";
        return said.note(text, Some(fix.into()));
    }
    said.good(format!(
        "{read}: whole, signed by their own signer, with TVS"
    ))
}

/// Whether a node of the phones' cluster serves this list now; none where no list of that kind was
/// read.
fn is_served(q: &Question<'_>, kind: ListKind, bytes: &Arc<[u8]>) -> Option<bool> {
    let nodes = q.from().into_iter().flat_map(|s| &s.nodes);
    let mut is_read = false;
    for node in nodes {
        if let Known::Yes(Some(served)) = offered(node, kind) {
            if served == bytes {
                return Some(true);
            }
            is_read = true;
        }
    }
    is_read.then_some(false)
}

/// "Prepare Cluster for Rollback to pre 8.0" of the phones' cluster: TVS helps only while it is False
/// (Cisco 215539, 213407), and phones with the empty ITL need no TVS (CUCM 14SU2 Security Guide).
pub(super) fn rollback_parameter(q: &Question<'_>) -> Vec<Condition> {
    let Some(side) = q.from() else {
        return Vec::new();
    };
    let name = "\"Prepare Cluster for Rollback to pre 8.0\"";
    let lists = side
        .nodes
        .iter()
        .filter_map(|n| match offered(n, ListKind::Itl) {
            Known::Yes(Some(bytes)) => {
                parse(bytes).map(|l| (l.is_empty_for_rollback(), n.name.as_str()))
            }
            _ => None,
        });
    let (blank, full): (Vec<_>, Vec<_>) = lists.partition(|(is_blank, _)| *is_blank);
    let names = |of: &[(bool, &str)]| and(&of.iter().map(|(_, n)| *n).collect::<Vec<_>>());
    let said = Said::new(ROLLBACK_PARAMETER, &side.name, Basis::Documented);
    let parameter = side.parameters.prepare_for_rollback.get();
    let back = format!(
        "set {name} of {} to False, restart TVS and TFTP there, and reset the phones at home",
        side.name
    );
    let is_mixed = q.held.iter().any(|h| h.ctl.is_some());
    let unread = side.nodes.iter().filter(|n| is_unread(n, ListKind::Itl));
    let unread: Vec<&str> = unread.map(|n| n.name.as_str()).collect();
    let still = (parameter == Some(&false) && !unread.is_empty()).then(|| {
        Said::new(ROLLBACK_PARAMETER, &side.name, Basis::Documented).unknown(
            format!(
                "it is False, and whether {} still serve the empty ITL nobody read",
                and(&unread)
            ),
            format!("give ITLFile.tlv of {}", and(&unread)),
        )
    });
    // What only a list shows was so when the node published it.
    let (said, is_on) = match parameter {
        Some(_) => (said, "it is True".to_owned()),
        None => (
            Said {
                basis: Basis::Inferred,
                ..said
            },
            format!(
                "it was not read, and the empty ITL of {} shows it as True",
                names(&blank)
            ),
        ),
    };
    let told = match (parameter, blank.is_empty(), full.is_empty()) {
        (Some(true), _, _) | (None, false, _) if is_mixed => said.bad(
            format!("{is_on}, and phones hold a CTL: the empty ITL takes TVS away from them, and the CTL stays"),
            back,
        ),
        (Some(false), false, _) => said.bad(
            format!("it is False, and {} still serve the empty ITL", names(&blank)),
            format!("restart Cisco Tftp on {}, then reset the phones at home", names(&blank)),
        ),
        (None, false, false) => said.bad(
            format!("{is_on}, but {} serve a full one: what phones take hangs on whom they ask", names(&full)),
            format!("look at Enterprise Parameters of {}, and restart Cisco Tftp on each of these nodes", side.name),
        ),
        (Some(true), _, _) | (None, false, _) => {
            let not_yet = q.held.iter().filter(|h| !holds_blank(h)).flat_map(|h| &h.phones);
            let mut not_yet: Vec<&str> = not_yet.copied().collect();
            not_yet.sort_unstable();
            not_yet.dedup();
            let unread = match q.held.is_empty() {
                true => Some("the phones".to_owned()),
                false => q.unread_phones(),
            };
            match (not_yet.is_empty(), unread) {
                (true, Some(phones)) => said.unknown(
                    format!("{is_on}, and whether {phones} hold the empty ITL is not known"),
                    "give the lists that they hold: itl_sha1 in the inventory (--phones)",
                ),
                (true, None) => said.note(
                    format!("{is_on}, and every phone holds the empty ITL: they take any ITL, and no TVS is needed"),
                    Some(format!("set it back to False if {} stays in service", side.name)),
                ),
                (false, _) => said.bad(
                    format!("{is_on}, and {} without the empty ITL: a phone that was off keeps the old one", has(&not_yet)),
                    "reset these phones at home and wait ten minutes before the move; or set the parameter to False, and let TVS vouch",
                ),
            }
        }
        (Some(false), true, _) if still.is_some() => return still.into_iter().collect(),
        (Some(false), true, _) => said.good("it is False: TVS of the cluster stays in the phones' ITL"),
        (None, true, false) => said.note(
            format!("it was not read; the ITL of {} holds TVS and TFTP, so it was not in force when that was made", names(&full)),
            Some(LOOK_AT_PARAMETER.into()),
        ),
        (None, true, true) => said.unknown(
            format!("{name} was not read, nor an ITL that would show it"),
            format!("{LOOK_AT_PARAMETER}; or give the cluster's ITLFile.tlv"),
        ),
    };
    std::iter::once(told).chain(still).collect()
}

fn has(phones: &[&str]) -> String {
    let verb = if phones.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", who(phones))
}

fn holds_blank(held: &Held<'_>) -> bool {
    let list = held.itl.and_then(|bytes| parse(bytes));
    list.is_some_and(|list| list.is_empty_for_rollback())
}

/// The lists that the destination's TFTP nodes hand out: signed by a SAST record of their own.
pub(super) fn destination_lists(q: &Question<'_>) -> Vec<Condition> {
    let nodes = q.tftp_nodes();
    if nodes.is_empty() {
        let said = Said::new(DESTINATION_LISTS, q.destination_name(), Basis::Documented);
        return vec![said.unknown(
            "no list of any of its nodes was read",
            "give the addresses of its TFTP nodes, or their ITLFile.tlv and CTLFile.tlv",
        )];
    }
    let of_node = |n: TftpNode<'_>| ALL_LISTS.map(|kind| destination_list(n, kind));
    nodes.into_iter().flat_map(of_node).collect()
}

fn destination_list(n: TftpNode<'_>, kind: ListKind) -> Condition {
    let name = &n.node.name;
    let said = Said::new(
        DESTINATION_LISTS,
        format!("{kind} of {name}"),
        Basis::Documented,
    );
    let publish = format!("restart Cisco Tftp on {name}, so that it publishes its {kind} anew");
    let bytes = match offered(n.node, kind) {
        Known::Yes(Some(bytes)) => bytes,
        Known::Yes(None) if kind == ListKind::Ctl => {
            return said.good("there is none: the cluster is not in mixed mode");
        }
        Known::Yes(None) => return said.bad("the node has none", publish),
        Known::No(why) => {
            let fix = format!(
                "fetch {} from {name} by TFTP or from TCP port 6970",
                kind.file_name()
            );
            return said.unknown(format!("not read: {why}"), fix);
        }
    };
    let list = match whole_list(bytes) {
        Ok(list) => list,
        Err(fault) => return said.bad(format!("it {fault}"), publish),
    };
    let all = services(n.node)
        .into_iter()
        .flat_map(|(_, s)| list_replies(s, kind));
    let others = all.filter(|(_, reply)| match reply {
        Known::Yes(FileReply::File(other)) => other != bytes,
        _ => false,
    });
    if let Some((other, _)) = others.into_iter().next() {
        return said.note(
            format!(
                "its own signature holds; under the name {other} the node hands out another one"
            ),
            Some(publish),
        );
    }
    let signer = SignerId::of(&list.header);
    let records = list.records.len();
    said.good(format!(
        "{} bytes, {records} records, signed by {signer}",
        bytes.len()
    ))
}
