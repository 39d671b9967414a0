//! Who is known to whom: the signers of what phones will be offered, at each TVS that they ask.

use std::collections::BTreeMap;

use super::Said;
use super::files::not_read;
use super::question::{
    ALL_LISTS, Held, Question, TftpNode, and, configs, is_of, offered, parse, who,
};
use crate::check::answer::Condition;
use crate::check::evidence::{At, Door, Known, Node, SignerKey, TvsReply};
use crate::cluster::TrustStore;
use crate::trust::rules::{Basis, TvsCacheSurvivesBoot};
use crate::trust::search::{SignerId, hex};
use crate::wire::{ListKind, Role, SignedFile, Strictness, TrustList};

pub(super) const TVS_CERTIFICATES: &str = "tvs-certificates";
pub(super) const SIGNERS_KNOWN: &str = "signers-known-to-tvs";
pub(super) const CONFIGURATION_SIGNERS: &str = "configuration-signers";
pub(super) const STALE_ANSWERS: &str = "stale-tvs-answers";

/// Each TVS that phones ask shows a certificate that their lists hold with the role TVS: else they
/// hang up (Cisco 213407: a stale ITL).
pub(super) fn tvs_certificates(q: &Question<'_>) -> Vec<Condition> {
    let (asked, strangers) = q.asked_tvs();
    let mut conditions: Vec<_> = asked
        .iter()
        .map(|(_, node)| tvs_certificate(q, node))
        .collect();
    for host in strangers {
        let said = Said::new(
            TVS_CERTIFICATES,
            format!("TVS of {host}"),
            Basis::Documented,
        );
        conditions.push(said.unknown(
            "phones' configurations name it, and it is none of the nodes that were looked at",
            "let the check look at this node too, or say who it is",
        ));
    }
    if conditions.is_empty() {
        let said = Said::new(TVS_CERTIFICATES, q.source_name(), Basis::Documented);
        conditions.push(match q.own_hosts.read {
            0 => said.unknown("no TVS is known", "give a phone's configuration, or --tvs HOST:PORT"),
            _ => said.bad(
                "phones' configurations name no TVS: they can ask nobody",
                "put their device pools into a CallManager group whose servers run TVS, and reset them at home",
            ),
        });
    }
    conditions.extend(q.not_read_of_phones(TVS_CERTIFICATES));
    conditions
}

fn tvs_certificate(q: &Question<'_>, node: &Node) -> Condition {
    let said = Said::new(
        TVS_CERTIFICATES,
        format!("TVS of {}", node.name),
        match node.tvs.derived {
            true => Basis::Assumed,
            false => Basis::Documented,
        },
    );
    let der = match &node.tvs.certificate {
        Known::Yes(der) => der,
        Known::No(why) => {
            return said.unknown(
                format!("the certificate that it shows was not read: {why}"),
                format!(
                    "give TVS.pem of {}, or let the check reach its TCP port 2445",
                    node.name
                ),
            );
        }
    };
    let lacks = |held: &&Held<'_>| {
        let mut lists = [held.ctl, held.itl].into_iter().flatten();
        !lists.any(|bytes| {
            parse(bytes).is_some_and(|list| {
                let mut records = list.records.iter();
                records.any(|r| r.role() == Role::Tvs && r.certificate() == Some(&der[..]))
            })
        })
    };
    let lacking = || q.held.iter().filter(lacks);
    let may = lacking().all(|held| held.is_guess);
    let mut without: Vec<&str> = lacking().flat_map(|h| &h.phones).copied().collect();
    without.sort_unstable();
    without.dedup();
    match (q.held.is_empty(), without.is_empty()) {
        (true, _) => said.unknown(
            "whether phones' lists hold its certificate: no list of theirs was read",
            "give the ITL that the phones hold",
        ),
        (false, true) if node.tvs.derived => said.note(
            "nobody asked: concluded from the certificates that inputs and lists have; if it shows \
             that one, the phones' lists hold it",
            Some(ask_live(q)),
        ),
        (false, true) => said.good("the phones' lists hold the certificate that it shows"),
        (false, false) => said.bad(
            format!(
                "{} {}hold a list without the certificate that it shows, and would hang up",
                who(&without),
                if may { "may " } else { "" }
            ),
            match q.from().map(|side| &side.parameters.prepare_for_rollback) {
                // Until then a reset brings the empty ITL again.
                Some(Known::Yes(true)) => format!(
                    "set \"Prepare Cluster for Rollback to pre 8.0\" of {0} to False and restart TVS and TFTP \
                     there, then reset these phones at {0}, so that they take its newest ITL",
                    q.source_name()
                ),
                _ => format!(
                    "reset these phones at {} first, so that they take its newest ITL",
                    q.source_name()
                ),
            },
        ),
    }
}

/// What turns a conclusion about TVS into something that was read.
fn ask_live(q: &Question<'_>) -> String {
    let from = q.source_name();
    format!("let the check ask TVS of {from} (TCP port 2445), or give a recording that did")
}

/// A signer of lists that phones will be offered.
struct Signer<'a> {
    id: SignerId,
    /// `ITL of dst-pub`.
    signs: Vec<String>,
    /// Nodes whose lists it signs.
    nodes: Vec<&'a str>,
    /// True if option 150 names one of these nodes.
    is_named: bool,
    /// True if a phone must ask TVS about it.
    is_asked: bool,
}

/// What a TVS makes of a signer.
enum Cell {
    Knows,
    LacksRole,
    KnowsNot,
    NotRead(String),
}

/// The signer of each list is in the phones' lists, or each TVS that they ask knows it: a matrix of
/// signers and TVS (Cisco 215539; the import of the publisher's certificates alone is its trap).
pub(super) fn signers_known(q: &Question<'_>) -> Vec<Condition> {
    let mut signers: BTreeMap<SignerKey, Signer<'_>> = BTreeMap::new();
    for n in q.tftp_nodes() {
        take_signers(q, n, &mut signers);
    }
    if signers.is_empty() {
        let said = Said::new(SIGNERS_KNOWN, q.destination_name(), Basis::Documented);
        return vec![said.unknown(
            "who signs its lists is not known: none was read",
            "give the lists of its TFTP nodes",
        )];
    }
    let (asked, strangers) = q.asked_tvs();
    let known: Vec<&SignerKey> = signers
        .iter()
        .filter(|(key, s)| {
            s.is_asked
                && asked
                    .iter()
                    .any(|(_, n)| matches!(cell(n, key), Cell::Knows))
        })
        .map(|(key, _)| key)
        .collect();
    let of = |(key, signer): (&SignerKey, &Signer<'_>)| {
        let others = known.iter().any(|k| *k != key);
        signer_known(q, key, signer, (&asked, &strangers), others)
    };
    let mut conditions: Vec<_> = signers.iter().map(of).collect();
    let unread = q.unread_lists();
    if !unread.is_empty() {
        let said = Said::new(SIGNERS_KNOWN, q.destination_name(), Basis::Documented);
        conditions.push(not_read(said, &unread));
    }
    conditions.extend(q.not_read_of_phones(SIGNERS_KNOWN));
    conditions
}

fn take_signers<'a>(
    q: &Question<'_>,
    n: TftpNode<'a>,
    signers: &mut BTreeMap<SignerKey, Signer<'a>>,
) {
    let list = |kind| match offered(n.node, kind) {
        Known::Yes(Some(bytes)) => parse(bytes),
        _ => None,
    };
    let new_ctl = list(ListKind::Ctl);
    for kind in ALL_LISTS {
        let Some(list) = list(kind) else { continue };
        let id = SignerId::of(&list.header);
        let key = SignerKey::new(&id.issuer, &id.serial);
        // The new CTL counts for the ITL of the same boot (Cisco 215539, secure cluster, step 9).
        let by_new_ctl =
            kind == ListKind::Itl && new_ctl.as_ref().is_some_and(|ctl| is_sast_of(ctl, &key));
        let signer = signers.entry(key.clone()).or_insert_with(|| Signer {
            id,
            signs: Vec::new(),
            nodes: Vec::new(),
            is_named: false,
            is_asked: false,
        });
        signer.signs.push(format!("{kind} of {}", n.node.name));
        if !signer.nodes.contains(&n.node.name.as_str()) {
            signer.nodes.push(&n.node.name);
        }
        signer.is_named |= n.is_named;
        signer.is_asked |= !by_new_ctl && !is_held(q, kind, &key);
    }
}

/// True if the lists of every phone hold this signer as one who may sign lists. Of a new ITL a CTL
/// alone tells, where there is one (CUCM 14SU2 Security Guide).
fn is_held(q: &Question<'_>, kind: ListKind, key: &SignerKey) -> bool {
    let holds = |held: &Held<'_>| {
        let searched = match (kind, held.ctl) {
            (ListKind::Itl, Some(ctl)) => [Some(ctl), None],
            _ => [held.ctl, held.itl],
        };
        let mut lists = searched.into_iter().flatten();
        lists.any(|bytes| parse(bytes).is_some_and(|list| is_sast_of(&list, key)))
    };
    !q.held.is_empty() && q.held.iter().all(holds)
}

fn is_sast_of(list: &TrustList<&[u8]>, key: &SignerKey) -> bool {
    list.records
        .iter()
        .any(|r| r.role().signs_lists() && is_of(r, key))
}

fn cell(node: &Node, key: &SignerKey) -> Cell {
    match node.tvs.reply(key) {
        Known::Yes(TvsReply::Found(found)) => {
            let signs = |role: &u8| Role::from_code(u16::from(*role)).signs_lists();
            match found.roles.iter().any(signs) {
                true => Cell::Knows,
                false => Cell::LacksRole,
            }
        }
        Known::Yes(TvsReply::Unknown | TvsReply::Closed) => Cell::KnowsNot,
        Known::No(why) => Cell::NotRead(why.clone()),
    }
}

fn signer_known(
    q: &Question<'_>,
    key: &SignerKey,
    signer: &Signer<'_>,
    (asked, strangers): (&[(At, &Node)], &[&str]),
    others_known: bool,
) -> Condition {
    let signs = and(&signer.signs);
    let whose = q.whose(&signer.id);
    let concluded: Vec<&str> = asked
        .iter()
        .filter(|(_, n)| signer.is_asked && n.tvs.derived && n.tvs.reply(key).get().is_some())
        .map(|(_, n)| n.name.as_str())
        .collect();
    let said = Said::new(
        SIGNERS_KNOWN,
        format!("{whose} (signs {signs})"),
        match concluded.is_empty() {
            true => Basis::Documented,
            false => Basis::Assumed,
        },
    );
    if !signer.is_asked {
        return said
            .good("the phones' lists hold it, or the CTL that comes before it: no TVS is asked");
    }
    let (mut knows, mut lacks, mut without_role, mut unread) = (vec![], vec![], vec![], vec![]);
    for (_, node) in asked {
        let name = node.name.as_str();
        match cell(node, key) {
            Cell::Knows => knows.push(name),
            Cell::LacksRole => without_role.push(name),
            Cell::KnowsNot => lacks.push(name),
            Cell::NotRead(why) => unread.push((name, why)),
        }
    }
    for host in strangers {
        unread.push((host, "it is none of the nodes that were looked at".into()));
    }
    let mut texts = Vec::new();
    if !knows.is_empty() {
        texts.push(format!(
            "TVS of {} {} it",
            and(&knows),
            verb(&knows, "knows", "know")
        ));
    }
    if !lacks.is_empty() {
        texts.push(format!(
            "TVS of {} {} not know it",
            and(&lacks),
            verb(&lacks, "does", "do")
        ));
    }
    if !without_role.is_empty() {
        texts.push(format!(
            "TVS of {} {} it without the role SAST, so not as one who signs lists",
            and(&without_role),
            verb(&without_role, "knows", "know")
        ));
    }
    for (name, why) in &unread {
        texts.push(format!("what TVS of {name} says is not known ({why})"));
    }
    if !concluded.is_empty() {
        texts.push(format!(
            "nobody asked: concluded from the stores of {} (tvs.restart_needed, tvs.roles_of_store)",
            and(&concluded)
        ));
    }
    let text = texts.join("; ");
    let missing: Vec<&str> = lacks.iter().chain(&without_role).copied().collect();
    let from = q.source_name();
    if !missing.is_empty() {
        let mut fix = format!(
            "import {whose} (serial {}) into Phone-SAST-trust and CallManager-trust of {from}, then restart TVS on {}",
            hex(&signer.id.serial),
            and(&missing)
        );
        let is_stored = |name: &&str| {
            let mut nodes = asked.iter().filter(|(_, n)| n.name == **name);
            nodes.any(|(_, n)| is_in_store(n, key))
        };
        if missing.iter().all(is_stored) {
            fix = format!(
                "restart TVS on {}: Phone-SAST-trust there holds {whose}, and TVS has not loaded it",
                and(&missing)
            );
        } else if !knows.is_empty() {
            fix = format!(
                "{}'s certificate reached {} and not {}: restart TVS on {}, and look whether the import reached every node",
                signer.id,
                and(&knows),
                and(&missing),
                and(&missing)
            );
        } else if others_known {
            fix.push_str(
                "; other signers of the destination are known, so only some certificates were exchanged: each TFTP node signs with its own up to 11.5",
            );
        }
        if !signer.is_named {
            let nodes = and(&signer.nodes);
            let fix = format!("{fix}; or keep {nodes} out of option 150");
            return said.note(
                format!("{text}; option 150 does not name {nodes}"),
                Some(fix),
            );
        }
        return said.bad(text, fix);
    }
    if asked.is_empty() || !unread.is_empty() {
        let text = if text.is_empty() {
            "no TVS is known".into()
        } else {
            text
        };
        let mut fix = format!("let the check reach TVS of {from} (TCP port 2445)");
        let stores = [TrustStore::PhoneSast, TrustStore::CallManager];
        let has_stores = |node: &Node| {
            let mut held = stores.iter().map(|store| node.stores.get(store));
            held.all(|held| held.and_then(Known::get).is_some())
        };
        if asked.is_empty() || !asked.iter().all(|(_, node)| has_stores(node)) {
            fix.push_str(", or give its stores Phone-SAST-trust and CallManager-trust");
        }
        return said.unknown(text, fix);
    }
    let running = |name: &&str| {
        let mut nodes = asked.iter().filter(|(_, n)| n.name == **name);
        nodes.any(|(_, n)| n.tvs.door == Known::Yes(Door::Open))
    };
    if !knows.iter().any(running) {
        return said.unknown(
            format!("{text}; whether one of them runs is not known"),
            "give `utils service list` of these nodes, or let the check reach their TCP port 2445",
        );
    }
    if !concluded.is_empty() {
        return said.note(text, Some(ask_live(q)));
    }
    said.good(text)
}

fn is_in_store(node: &Node, key: &SignerKey) -> bool {
    match node.stores.get(&TrustStore::PhoneSast) {
        Some(Known::Yes(held)) => held.iter().any(|c| key.is_of(c)),
        _ => false,
    }
}

fn verb<'v>(names: &[&str], one: &'v str, many: &'v str) -> &'v str {
    if names.len() == 1 { one } else { many }
}

/// Each configuration is signed by a certificate that its own node's lists hold for files.
pub(super) fn configuration_signers(q: &Question<'_>) -> Vec<Condition> {
    let mut found: BTreeMap<(String, SignerKey), (SignerId, u64)> = BTreeMap::new();
    let nodes = q.tftp_nodes();
    for n in &nodes {
        let signed = configs(n.node).filter(|(name, _)| name.ends_with(".sgn"));
        for (_, bytes) in signed {
            let Ok(file) = SignedFile::parse(bytes, &Strictness::default()) else {
                continue;
            };
            let id = SignerId::of(&file.header);
            let key = SignerKey::new(&id.issuer, &id.serial);
            let name = n.node.name.clone();
            found.entry((name, key)).or_insert((id, 0)).1 += 1;
        }
    }
    if found.is_empty() {
        let said = Said::new(
            CONFIGURATION_SIGNERS,
            q.destination_name(),
            Basis::Documented,
        );
        return vec![said.unknown(
            "no signed configuration was read",
            "let the check read SEP<MAC>.cnf.xml.sgn of a phone at the destination (--phones)",
        )];
    }
    let of = |((name, key), (id, count)): (&(String, SignerKey), &(SignerId, u64))| {
        let said = Said::new(
            CONFIGURATION_SIGNERS,
            format!("configurations of {name}"),
            Basis::Documented,
        );
        let whose = q.whose(id);
        let lists = nodes.iter().filter(|n| n.node.name == *name).flat_map(|n| {
            ALL_LISTS
                .into_iter()
                .filter_map(|kind| match offered(n.node, kind) {
                    Known::Yes(Some(bytes)) => parse(bytes),
                    _ => None,
                })
        });
        let lists: Vec<_> = lists.collect();
        let signs = |l: &TrustList<&[u8]>| {
            l.records
                .iter()
                .any(|r| r.role().signs_files() && is_of(r, key))
        };
        if lists.is_empty() {
            return said.unknown(
                format!("{count} signed by {whose}; no list of the node was read"),
                "give its ITLFile.tlv",
            );
        }
        if lists.iter().any(signs) {
            return said.good(format!(
                "{count} read, signed by {whose}, which the node's list has for files"
            ));
        }
        said.bad(
            format!("{count} signed by {whose}, which no list of the node has for files: phones take the list and refuse the configuration"),
            format!("restart Cisco Tftp on {name}, so that list and configurations have one signer"),
        )
    };
    let mut conditions: Vec<_> = found.iter().map(of).collect();
    let is_read = |n: &&TftpNode<'_>| found.keys().any(|(name, _)| *name == n.node.name);
    let unread = nodes.iter().filter(|n| !is_read(n));
    let unread: Vec<&str> = unread.map(|n| n.node.name.as_str()).collect();
    if !unread.is_empty() {
        let said = Said::new(
            CONFIGURATION_SIGNERS,
            q.destination_name(),
            Basis::Documented,
        );
        conditions.push(said.unknown(
            format!("no signed configuration of {} was read", and(&unread)),
            "let the check read SEP<MAC>.cnf.xml.sgn of a phone at each of these nodes (--phones)",
        ));
    }
    conditions
}

/// How long phones go on with what TVS told them (Cisco 213407: 24 hours).
pub(super) fn stale_answers(q: &Question<'_>) -> Vec<Condition> {
    let (asked, _) = q.asked_tvs();
    let said = Said::new(STALE_ANSWERS, q.source_name(), Basis::Documented);
    let answers = asked.iter().flat_map(|(_, n)| n.tvs.replies.values());
    let longest = answers.filter_map(|reply| match reply {
        Known::Yes(TvsReply::Found(found)) => Some(found.ttl_secs),
        _ => None,
    });
    let Some(longest) = longest.max() else {
        return vec![said.unknown(
            "no TVS was heard to vouch for anybody, so how long phones keep its answers is not known",
            "CUCM says 24 hours: count on that",
        )];
    };
    if longest == 0 {
        return vec![said.good("TVS lets phones keep no answer")];
    }
    let settings = q.settings();
    let restart = match settings.word::<TvsCacheSurvivesBoot>() {
        TvsCacheSurvivesBoot::No => {
            "a reset is taken to make it forget (tvs.cache_survives_boot: assumed)"
        }
        TvsCacheSurvivesBoot::Yes => "a reset is taken to change nothing (tvs.cache_survives_boot)",
    };
    let hours = f64::from(longest) / 3_600.0;
    vec![said.note(
        format!("a phone keeps an answer for up to {hours:.0} h: what you take out of a store or correct there reaches a phone that asked before only then, or with its next new list; {restart}"),
        Some("finish the certificate exchange before the first phone moves; after a correction reset the phones that had asked".into()),
    )]
}
