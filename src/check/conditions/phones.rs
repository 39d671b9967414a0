//! Phones: whether the destination has them, whether it trusts their LSC, until when they need the
//! source.

use std::collections::{BTreeMap, BTreeSet};

use super::Said;
use super::question::{Question, and, parse, who};
use crate::check::answer::{Condition, Fate, Group};
use crate::check::evidence::{Door, Known, Node, Side};
use crate::check::registration::{has_phone, stores_of_issuers, trusts_issuer};
use crate::cluster::{PublicCertificate, TrustStore, is_device_name};
use crate::trust::certificate::escape_for_terminal;
use crate::trust::rules::Basis;
use crate::wire::Role;

pub(super) const PHONES_AT_DESTINATION: &str = "phones-at-destination";
pub(super) const LSC_ISSUER: &str = "lsc-issuer";
pub(super) const SOURCE_STAYS_UP: &str = "source-stays-up";

/// How many phones are named one by one.
const NAMED: usize = 5;

/// Each phone is in the destination's database: it has a configuration there (Cisco 215539; 8800
/// Administration Guide: else the phone shows that its file was not found).
pub(super) fn phones_at_destination(q: &Question<'_>) -> Vec<Condition> {
    let Some(side) = q.to() else {
        return Vec::new();
    };
    let said = || Said::new(PHONES_AT_DESTINATION, &side.name, Basis::Documented);
    let (mut there, mut missing, mut unknown) = (0_usize, Vec::new(), Vec::new());
    let mut whys: BTreeSet<String> = BTreeSet::new();
    // Devices whose configuration stands for phones that nobody named.
    let mut stand_ins: BTreeSet<&str> = BTreeSet::new();
    for phone in q.phones {
        // What a phone holds need not be known to look for it.
        let device = match &phone.subject {
            Ok(subject) => subject.setup.identity.device.as_str(),
            Err(_) if is_device_name(&phone.name) => phone.name.as_str(),
            Err(_) => {
                unknown.push(phone.name.as_str());
                whys.insert("its device name is not known".into());
                continue;
            }
        };
        if phone.subject.is_ok() && phone.name != device && !stand_ins.insert(device) {
            continue;
        }
        match has_phone(side, device) {
            Known::Yes(true) => there += 1,
            Known::Yes(false) => missing.push(device),
            Known::No(why) => {
                unknown.push(device);
                whys.insert(why.replace(device, "SEP<MAC>"));
            }
        }
    }
    let total = there + missing.len() + unknown.len();
    let mut conditions = Vec::new();
    if !missing.is_empty() {
        let text = format!(
            "{} of {total} phones have no configuration there: {}",
            missing.len(),
            named(&missing)
        );
        let add = format!(
            "add them to the database of {} (BAT, or the phone page)",
            side.name
        );
        conditions.push(match side.parameters.auto_registration {
            Known::Yes(true) => said().note(
                format!("{text}; auto-registration is on, so they would come up with new numbers"),
                Some(add),
            ),
            _ => said().bad(text, add),
        });
    }
    if !unknown.is_empty() || total == 0 {
        let text = match total {
            0 => "no phone is known".into(),
            _ => format!(
                "of {} of {total} phones it is not known whether it has them ({}): {}",
                unknown.len(),
                whys.first().map_or("nobody looked", String::as_str),
                named(&unknown)
            ),
        };
        let fix = format!(
            "give ConfigFileCacheList.txt of {} (http://NODE:6970/ConfigFileCacheList.txt), or let the check fetch their configurations",
            side.name
        );
        conditions.push(said().unknown(text, fix));
    }
    if !stand_ins.is_empty() {
        let devices: Vec<_> = stand_ins.into_iter().collect();
        let (were, configurations) = match devices.len() {
            1 => ("was", "configuration stands"),
            _ => ("were", "configurations stand"),
        };
        let text = format!(
            "no phone was named, so {} alone {were} looked for, whose {configurations} for those of all",
            named(&devices)
        );
        let fix = "give an inventory of the phones that are to move";
        conditions.push(said().note(text, Some(fix.into())));
    } else if conditions.is_empty() {
        conditions.push(said().good(format!("all {there} phones have a configuration there")));
    }
    conditions
}

fn named(phones: &[&str]) -> String {
    match phones.len() > NAMED {
        true => format!("{}, ... (--csv lists them all)", phones[..NAMED].join(", ")),
        false => phones.join(", "),
    }
}

/// Phones that register over TLS with an LSC of the source: the destination must trust its CAPF
/// (CUCM 12.5(1)SU5 Security Guide: CAPF-trust; Cisco 215539: CallManager-trust).
pub(super) fn lsc_issuer(q: &Question<'_>) -> Vec<Condition> {
    let Some(side) = q.to() else {
        return Vec::new();
    };
    let mut with_lsc: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for &(name, subject) in &q.subjects {
        let identity = &subject.setup.identity;
        let lsc = identity.certificate.as_ref().filter(|c| c.kind == "LSC");
        if let Some(Ok(lsc)) = lsc.map(|c| PublicCertificate::from_der(&c.certificate)) {
            with_lsc.entry(lsc.issuer_text).or_default().push(name);
        }
    }
    let mut issuers: BTreeSet<String> = with_lsc.keys().cloned().collect();
    issuers.extend(capf_of(q));
    if issuers.is_empty() {
        let said = Said::new(LSC_ISSUER, q.source_name(), Basis::Assumed);
        return vec![said.unknown(
            "which CAPF gave phones their LSC is not known: no list of theirs has a CAPF record",
            "give CAPF.pem of the source, or the LSC of a phone",
        )];
    }
    let of = |issuer: &String| {
        let phones = with_lsc.get(issuer).map_or(&[][..], Vec::as_slice);
        lsc(q, side, issuer, phones)
    };
    let mut conditions: Vec<_> = issuers.iter().map(of).collect();
    conditions.extend(q.not_read_of_phones(LSC_ISSUER));
    conditions
}

/// Names of the CAPF in phones' lists: those that run. Where no list has one, of the certificates that
/// the source exported.
fn capf_of(q: &Question<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let lists = q.held.iter().flat_map(|h| [h.ctl, h.itl]).flatten();
    for list in lists.filter_map(|bytes| parse(bytes)) {
        let records = list.records.iter().filter(|r| r.role() == Role::Capf);
        let read = records.filter_map(|r| PublicCertificate::from_der(r.certificate()?).ok());
        names.extend(read.map(|c| c.subject_text));
    }
    if names.is_empty() {
        let nodes = q.from().into_iter().flat_map(|s| &s.nodes);
        let exported = nodes.flat_map(|n| &n.certificates);
        let capf = exported.filter(|(kind, _)| kind == "CAPF");
        names.extend(capf.map(|(_, c)| c.subject_text.clone()));
    }
    names
}

fn lsc(q: &Question<'_>, side: &Side, issuer: &str, phones: &[&str]) -> Condition {
    let name = issuer.split(';').next().unwrap_or(issuer);
    let name = escape_for_terminal(name.as_bytes());
    let said = Said::new(LSC_ISSUER, name, Basis::Assumed);
    let own = side.nodes.iter().flat_map(|n| &n.certificates);
    if own
        .into_iter()
        .any(|(kind, c)| kind == "CAPF" && c.subject_text == issuer)
    {
        return said.good(format!("{} issued it itself", side.name));
    }
    let rules = q.settings();
    let is_callmanager = |n: &&Node| {
        let served = q.served_hosts.iter();
        let mut named = served.flat_map(|(by, h)| h.callmanager.iter().map(|h| (by.0, h)));
        let is_meant = |(by, host): (usize, &String)| {
            let at = q.sides.host_from(by, host);
            n.is_host(host) && at.is_some_and(|at| at.0 == q.to_index())
        };
        n.callmanager == Known::Yes(Door::Open) || named.any(is_meant)
    };
    let nodes: Vec<&Node> = side.nodes.iter().filter(is_callmanager).collect();
    let (mut lacking, mut unread, mut half) = (Vec::new(), Vec::new(), Vec::new());
    let stores = stores_of_issuers(&rules);
    for node in &nodes {
        match trusts_issuer(side, node, issuer, &rules) {
            Ok(true) if stores.iter().all(|&store| holds(node, store, issuer)) => {}
            Ok(true) => half.push(node.name.as_str()),
            Ok(false) => lacking.push(node.name.as_str()),
            Err(_) => unread.push(node.name.as_str()),
        }
    }
    let concerned = match phones {
        [] => "phones with an LSC of it, if any register over TLS,".to_owned(),
        phones => who(phones),
    };
    let names: Vec<_> = stores.iter().map(|s| s.name()).collect();
    let upload = format!(
        "upload this CAPF certificate into CAPF-trust (on each node that runs CallManager: it does not replicate) and CallManager-trust of {}, and restart CallManager",
        side.name
    );
    if !lacking.is_empty() {
        let text = format!(
            "it is not in {} of {}: {concerned} would be refused",
            names.join(" or "),
            and(&lacking)
        );
        return match phones.is_empty() {
            true => said.note(text, Some(upload)),
            false => said.bad(text, upload),
        };
    }
    if !unread.is_empty() || nodes.is_empty() {
        let text = match unread.is_empty() {
            true => "which nodes run CallManager is not known".to_owned(),
            false => format!("{} of {} were not read", names.join(" and "), and(&unread)),
        };
        return said.unknown(
            format!("{text}; it matters to {concerned}"),
            "give the certificates in these stores, or try one phone that has an LSC first",
        );
    }
    let text = format!("each CallManager of {} holds it", side.name);
    match half.is_empty() {
        true => said.good(format!("{text} in {}", names.join(" and "))),
        false => said.note(
            format!(
                "{text}, {} in one of {} alone: that one is enough is assumed (cluster.lsc_trusted_by)",
                and(&half),
                names.join(" and ")
            ),
            Some(upload),
        ),
    }
}

fn holds(node: &Node, store: TrustStore, issuer: &str) -> bool {
    match node.stores.get(&store) {
        Some(Known::Yes(held)) => held.iter().any(|c| c.subject_text == issuer),
        _ => false,
    }
}

/// Until when the phones' cluster must run: its TVS vouches for the destination (Cisco 215539 and
/// CUCM 12.5 Security Guide: needed until the last phone has moved).
pub(super) fn source_stays_up(from: &str, groups: &[Group]) -> Condition {
    let said = Said::new(SOURCE_STAYS_UP, from, Basis::Documented);
    let count = |wanted: fn(&Group) -> bool| {
        let phones = groups.iter().filter(|g| wanted(g)).map(|g| g.phones.len());
        phones.sum::<usize>()
    };
    let through = count(|g| g.fate == Fate::FollowsThroughTvs);
    let unknown = count(|g| g.fate == Fate::Unknown);
    let left = count(|g| matches!(g.fate, Fate::Stranded | Fate::RegistersUntrusted));
    let mut texts = Vec::new();
    if through > 0 {
        texts.push(format!(
            "{} through its TVS",
            phones(through, "follows", "follow")
        ));
    }
    if left > 0 {
        texts.push(format!("{} not follow yet", phones(left, "does", "do")));
    }
    if unknown > 0 {
        texts.push(format!(
            "of {} it is not known",
            phones(unknown, "", "").trim_end()
        ));
    }
    let text = texts.join("; ");
    if through + left > 0 {
        return said.note(
            format!("{text}: keep TVS, CallManager and TFTP of {from} up until every phone has moved, those too that are switched off now"),
            Some("count the phones that still register there, and keep the certificates of its TVS as they are until that number is 0".into()),
        );
    }
    if unknown > 0 || groups.is_empty() {
        return said.unknown(
            if text.is_empty() {
                "no phone is known".into()
            } else {
                text
            },
            format!("keep {from} up until every phone has moved"),
        );
    }
    said.good("no phone needs its TVS for the move: its lists are enough (it is the way back all the same)")
}

fn phones(n: usize, one: &str, many: &str) -> String {
    match n {
        1 => format!("1 phone {one}"),
        n => format!("{n} phones {many}"),
    }
}
