//! Lists: those that phones hold, those that they will be offered, their sizes, digests and dates.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Said;
use super::question::{
    ALL_LISTS, Held, Question, TftpNode, and, configs, list_replies, offered, parse, services, who,
};
use crate::check::answer::Condition;
use crate::check::evidence::{FileReply, Known};
use crate::report::text::day;
use crate::trust::certificate::Certificate;
use crate::trust::decide::policy;
use crate::trust::own_signature::check_list;
use crate::trust::rules::{Basis, IgnoresExpiry, Key, Settings, Word};
use crate::trust::search::SignerId;
use crate::trust::signature::{Policy, SignatureCheck};
use crate::wire::{Digest, ListKind, Role, SignedFile, Strictness, TrustList};

pub(super) const PHONES_LISTS: &str = "phones-lists";
pub(super) const ROLLBACK_PARAMETER: &str = "rollback-parameter";
pub(super) const DESTINATION_LISTS: &str = "destination-lists";
pub(super) const CERTIFICATE_DATES: &str = "certificate-dates";
pub(super) const DIGESTS: &str = "digests";
pub(super) const LIST_SIZES: &str = "list-sizes";

/// Days before its end from which a certificate is worth a remark.
const SOON_DAYS: u64 = 30;
const DAY: u64 = 86_400;
/// Seconds by which a certificate may begin late: clocks differ.
const CLOCKS_DIFFER: i64 = 86_400;
/// Hundredths of the largest list from which its size is worth a remark.
const NEARLY_FULL: u64 = 90;

const ERASE: &str = "erase CTL and ITL at these phones by hand, or let them take a good list while they are at home";

/// What is wrong with a list by itself: it is none, or its own signature does not hold.
fn fault(bytes: &[u8]) -> Result<TrustList<&[u8]>, String> {
    let list = TrustList::parse(bytes, &Strictness::default())
        .map_err(|e| format!("is no trust list: {e}"))?;
    // Which digests a phone takes is a condition of its own.
    let any = Policy {
        accept_sha256: true,
        accept_sha512: true,
        ..Policy::default()
    };
    match check_list(&list, bytes, &any, &mut SignatureCheck::new()) {
        Ok(_) => Ok(list),
        Err(fault) => Err(format!("is not signed as it says: {fault}")),
    }
}

/// The phones' own lists are whole, and name a TVS to ask (Cisco 215539: the phone has a valid CTL
/// or ITL of the source).
pub(super) fn phones_lists(q: &Question<'_>) -> Vec<Condition> {
    if q.held.is_empty() {
        let said = Said::new(PHONES_LISTS, q.from_name(), Basis::Documented);
        return vec![said.unknown(
            "which lists the phones hold is not known",
            "give the ITL (and CTL) that the cluster serves, or an inventory with itl_sha1 (--phones)",
        )];
    }
    q.held.iter().map(|held| phones_list(q, held)).collect()
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
        let list = match fault(bytes) {
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
    if !stale.is_empty() {
        let text = format!(
            "{read} are whole; no node of {} serves this {} any more",
            q.from_name(),
            and(&stale)
        );
        let fix = "reset the phones at home first, so that they take the newest list";
        return said.note(text, Some(fix.into()));
    }
    if held.is_guess {
        let text = format!(
            "nobody said which lists these phones hold; those that {} serves now, {read}, are whole",
            q.from_name()
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
    vec![match (parameter, blank.is_empty(), full.is_empty()) {
        (Some(true), _, _) | (None, false, _) if is_mixed => said.bad(
            "it is True, and phones hold a CTL: the empty ITL takes TVS away from them, and the CTL stays",
            back,
        ),
        (Some(false), false, _) => said.bad(
            format!("it is False, and {} still serve the empty ITL", names(&blank)),
            format!("restart Cisco Tftp on {}, then reset the phones at home", names(&blank)),
        ),
        (Some(true), _, _) | (None, false, _) => {
            let not_yet = q.held.iter().filter(|h| !holds_blank(h)).flat_map(|h| &h.phones);
            let not_yet: Vec<&str> = not_yet.copied().collect();
            match not_yet.is_empty() {
                true => said.note(
                    "it is True, and every phone holds the empty ITL: they take any ITL, and no TVS is needed",
                    Some(format!("set it back to False if {} stays in service", side.name)),
                ),
                false => said.bad(
                    format!("it is True, and {} without the empty ITL: a phone that was off keeps the old one", has(&not_yet)),
                    "reset these phones at home and wait ten minutes before the move; or set the parameter to False, and let TVS vouch",
                ),
            }
        }
        (Some(false), true, _) => said.good("it is False: TVS of the cluster stays in the phones' ITL"),
        (None, true, false) => said.good(format!("the ITL of {} holds TVS and TFTP: it is not in force", names(&full))),
        (None, true, true) => said.unknown(
            format!("{name} was not read, nor an ITL that would show it"),
            "look at Enterprise Parameters, or give the cluster's ITLFile.tlv",
        ),
    }]
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
        let said = Said::new(DESTINATION_LISTS, q.to_name(), Basis::Documented);
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
    let list = match fault(bytes) {
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

/// Certificates of the lists that phones hold or will be offered, and of TVS, near their end or past
/// it.
pub(super) fn certificate_dates(q: &Question<'_>) -> Vec<Condition> {
    let mut found: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    let mut take = |der: &[u8], place: String| {
        let places = found.entry(der.to_vec()).or_default();
        if !places.contains(&place) {
            places.push(place);
        }
    };
    let offered_lists = q.tftp_nodes().into_iter().flat_map(|n| {
        ALL_LISTS
            .into_iter()
            .filter_map(move |kind| match offered(n.node, kind) {
                Known::Yes(Some(bytes)) => Some((bytes, format!("{kind} of {}", n.node.name))),
                _ => None,
            })
    });
    let own_lists = q.held.iter().flat_map(|h| {
        let of = move |(kind, bytes): (ListKind, Option<&'_ Arc<[u8]>>)| {
            bytes.map(|_| (kind, who(&h.phones)))
        };
        let pairs = [(ListKind::Ctl, h.ctl), (ListKind::Itl, h.itl)];
        pairs.into_iter().filter_map(move |(kind, bytes)| {
            let (kind, who) = of((kind, bytes))?;
            Some((bytes?, format!("{kind} of {who}")))
        })
    });
    for (bytes, place) in own_lists.chain(offered_lists) {
        let Some(list) = parse(bytes) else { continue };
        for record in list.records.iter().filter(|r| decides(r.role())) {
            if let Some(der) = record.certificate() {
                take(der, place.clone());
            }
        }
    }
    for (_, node) in q.sides.nodes() {
        if let Known::Yes(der) = &node.tvs.certificate {
            take(der, format!("TVS of {}", node.name));
        }
    }
    let mut certificates: Vec<_> = found
        .iter()
        .filter_map(|(der, places)| Some((Certificate::parse(der).ok()?, places)))
        .collect();
    certificates.sort_by_key(|(c, _)| c.not_after);
    let Some((first, _)) = certificates.first() else {
        let said = Said::new(CERTIFICATE_DATES, "both clusters", Basis::Documented);
        return vec![said.unknown("no certificate was read", "give lists of both clusters")];
    };
    let first_end = first.not_after;
    let count = certificates.len();
    let of = |(c, places): &(Certificate<'_>, &Vec<String>)| date(q, c, places);
    let mut conditions: Vec<_> = certificates.iter().filter_map(of).collect();
    if conditions.is_empty() {
        let said = Said::new(CERTIFICATE_DATES, "both clusters", Basis::Documented);
        conditions.push(said.good(format!(
            "{count} certificates of lists and TVS are valid; the first of them ends on {}",
            day(first_end)
        )));
    }
    conditions
}

/// True for roles whose certificates the move hangs on.
fn decides(role: Role) -> bool {
    role.signs_lists() || role.signs_files() || role == Role::Tvs
}

/// What is to be said about the dates of a certificate; nothing about one that is valid for long.
fn date(q: &Question<'_>, c: &Certificate<'_>, places: &[String]) -> Option<Condition> {
    let settings = q.settings();
    let ignored = settings.word::<IgnoresExpiry>() == IgnoresExpiry::Yes;
    let basis = settings.basis(IgnoresExpiry::KEY);
    let now = i64::try_from(q.now).unwrap_or(i64::MAX);
    let soon = i64::try_from(q.now.saturating_add(SOON_DAYS * DAY)).unwrap_or(i64::MAX);
    let signer = SignerId::of_certificate(c);
    let said = Said::new(
        CERTIFICATE_DATES,
        format!("{signer} ({})", and(places)),
        basis,
    );
    let phones = match ignored {
        true => "phones are taken to ignore dates (phone.ignores_expiry), which no source says",
        false => "phones are taken to refuse it (phone.ignores_expiry)",
    };
    let renew = "renew it before the move, one kind of certificate at a time, and let the phones take the new list at home; then exchange certificates again";
    if c.not_after < now {
        return Some(said.bad(
            format!("it expired on {}; {phones}", day(c.not_after)),
            renew,
        ));
    }
    if c.not_before > now.saturating_add(CLOCKS_DIFFER) {
        let text = format!("it is valid from {} on; {phones}", day(c.not_before));
        return Some(said.bad(
            text,
            "look at the clocks of the nodes and at the date of this check (--date)",
        ));
    }
    (c.not_after <= soon).then(|| {
        let text = format!("it ends on {}, within {SOON_DAYS} days", day(c.not_after));
        Said {
            basis: Basis::Documented,
            ..said
        }
        .note(text, Some(renew.into()))
    })
}

/// Each family of phones knows the digests that the destination signs with (CUCM Security Guide, TFTP
/// File Signature Algorithm: phones without SHA-512 stop working).
pub(super) fn digests(q: &Question<'_>) -> Vec<Condition> {
    let mut used: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for n in q.tftp_nodes() {
        let mut note = |digest: Digest, what: String| {
            let places = used.entry(digest.code()).or_default();
            if !places.contains(&what) {
                places.push(what);
            }
        };
        for kind in ALL_LISTS {
            if let Known::Yes(Some(bytes)) = offered(n.node, kind)
                && let Some(list) = parse(bytes)
            {
                note(list.header.digest(), format!("{kind} of {}", n.node.name));
            }
        }
        for (name, bytes) in configs(n.node).filter(|(name, _)| name.ends_with(".sgn")) {
            if let Ok(file) = SignedFile::parse(bytes, &Strictness::default()) {
                let _ = name;
                note(
                    file.header.digest(),
                    format!("configurations of {}", n.node.name),
                );
            }
        }
    }
    let mut families: BTreeMap<(&str, [bool; 2]), (&Settings, Vec<&str>)> = BTreeMap::new();
    for subject in q.subjects {
        let settings = &subject.setup.settings;
        let policy = policy(&settings.clone());
        let key = (
            subject.setup.profile.name,
            [policy.accept_sha256, policy.accept_sha512],
        );
        let family = families
            .entry(key)
            .or_insert_with(|| (settings, Vec::new()));
        family.1.push(&subject.setup.identity.device);
    }
    if used.is_empty() || families.is_empty() {
        let said = Said::new(DIGESTS, q.to_name(), Basis::Documented);
        return vec![said.unknown(
            "no signed file of the destination was read, or no phone is known",
            "give the lists of its TFTP nodes",
        )];
    }
    let pairs = families.iter().flat_map(|(key, family)| {
        used.iter()
            .map(move |(code, places)| (key, family, Digest::from_code(*code), places))
    });
    pairs
        .map(|(&(family, [sha256, sha512]), (settings, phones), digest, places)| {
            let (takes, basis) = match digest {
                Digest::Sha1 => (true, Basis::Documented),
                Digest::Sha256 => (sha256, settings.basis(Key::DigestSha256)),
                Digest::Sha512 => (sha512, settings.basis(Key::DigestSha512)),
                Digest::Other(_) => (false, Basis::Assumed),
            };
            let about = format!("{family} phones ({})", who(phones));
            let said = Said::new(DIGESTS, about, basis);
            let text = format!("{} signed with {digest}", and(places));
            let fix = format!(
                "set TFTP File Signature Algorithm of {} to SHA-1 until the phones have moved, and restart Cisco Tftp",
                q.to_name()
            );
            match (takes, basis) {
                (false, _) => said.bad(format!("{text}: this firmware is taken to refuse it"), fix),
                (true, Basis::Assumed) => said.note(
                    format!("{text}: no source says whether this firmware knows it"),
                    Some(format!("try one phone first; or {fix}")),
                ),
                (true, _) => said.good(format!("{text}, which this firmware knows")),
            }
        })
        .collect()
}

/// Lists near the size that phones do not load any more (CUCM 14SU2 Security Guide: 64 KB).
pub(super) fn list_sizes(q: &Question<'_>) -> Vec<Condition> {
    let settings = q.settings();
    let limit = settings.count(Key::ListMaxBytes);
    let mut largest: Option<(u64, String)> = None;
    let mut conditions = Vec::new();
    for n in q.tftp_nodes() {
        for kind in ALL_LISTS {
            let Known::Yes(Some(bytes)) = offered(n.node, kind) else {
                continue;
            };
            let size = bytes.len() as u64;
            let about = format!("{kind} of {}", n.node.name);
            let said = Said::new(LIST_SIZES, about.clone(), settings.basis(Key::ListMaxBytes));
            let fix = "remove certificates that nobody needs any more from the cluster's stores (each node adds its own to the list)";
            if size > limit {
                conditions
                    .push(said.bad(format!("{size} bytes: phones load at most {limit}"), fix));
            } else if size >= limit.saturating_mul(NEARLY_FULL) / 100 {
                let text = format!("{size} bytes, near the {limit} that phones load at most");
                conditions.push(said.note(text, Some(fix.into())));
            }
            if largest.as_ref().is_none_or(|(most, _)| size > *most) {
                largest = Some((size, about));
            }
        }
    }
    if conditions.is_empty() {
        let said = Said::new(LIST_SIZES, q.to_name(), settings.basis(Key::ListMaxBytes));
        conditions.push(match largest {
            Some((size, what)) => said.good(format!(
                "the largest is {what} with {size} bytes; phones load {limit}"
            )),
            None => said.unknown("no list was read", "give the lists of its TFTP nodes"),
        });
    }
    conditions
}
