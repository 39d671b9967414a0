//! What TVS says, by the certificates and trust stores of the cluster: for folders whose TVS nobody
//! asked. Order and roles as in [`crate::cluster`]: own certificates, then trust stores, then the CTL
//! file. What lies in a CAPF-trust or a tomcat-trust that nobody read is left out: its roles let
//! nobody sign a list or a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::said::{Told, told};
use crate::check::evidence::{Known, Node, SignerKey, TvsReply};
use crate::cluster::{CertificateKind, PublicCertificate, TrustStore};
use crate::trust::rules::{Key, Settings, TvsRestartNeeded, TvsRolesOfStore};
use crate::tvs::Found;
use crate::wire::{ListKind, Role};

/// A certificate that a TVS knows, and what for.
struct Entry {
    certificate: Arc<PublicCertificate>,
    roles: Vec<Role>,
}

/// Why stores tell nothing of a TVS that answers from what it loaded at its start.
const NOT_ASKED: &str = "nobody asked TVS, and it may not have loaded what its stores hold since \
    its last start (tvs.restart_needed): let a check ask it live; a recording of that check will do";

/// Says for every node whose TVS nobody asked ([`TvsService::derived`]) what that would answer, with
/// the sentences that tell what was concluded. Where a TVS must be restarted to know what was imported,
/// stores do not tell that. Whatever was concluded before, by whichever rules, is forgotten.
///
/// [`TvsService::derived`]: crate::check::evidence::TvsService::derived
pub fn conclude(nodes: &mut [Node], settings: &Settings) -> Vec<String> {
    let lists = told(&*nodes);
    let own = own(nodes, is_mixed(&lists));
    let untold: Vec<String> = nodes
        .iter()
        .filter(|node| !has_callmanager(node))
        .map(|node| node.name.clone())
        .collect();
    let restart = settings.word::<TvsRestartNeeded>();
    let (mut of_lists, mut derived) = (Vec::new(), Vec::new());
    for node in nodes.iter_mut().filter(|n| n.tvs.derived) {
        let shown = node.tvs.certificate.get();
        if shown.is_some_and(|der| node.listed.iter().any(|c| c.der == *der)) {
            of_lists.push(node.name.clone());
        }
        let concluded = match restart {
            TvsRestartNeeded::Yes => Err(NOT_ASKED.into()),
            TvsRestartNeeded::No => entries(node, &own, &lists, settings),
        };
        node.tvs.replies = BTreeMap::new();
        node.tvs.others = match concluded {
            Err(why) => Known::No(why),
            Ok(entries) => {
                derived.push(node.name.clone());
                node.tvs.replies = replies(&entries, settings);
                if untold.is_empty() {
                    Known::Yes(TvsReply::Unknown)
                } else {
                    Known::No(format!(
                        "nobody asked it, and it may be an own certificate of a node whose own ones \
                         no input has: export those of {}, and put them into NODE/certificates",
                        untold.join(" and of ")
                    ))
                }
            }
        };
    }
    let mut notes = Vec::new();
    if !of_lists.is_empty() {
        of_lists.sort();
        notes.push(format!(
            "nobody saw what certificate TVS of {} shows: the one that the lists name is taken for it",
            of_lists.join(" and ")
        ));
    }
    if !derived.is_empty() {
        notes.push(format!(
            "nobody asked TVS of {}: its answers are derived from own certificates and trust stores, \
             as if it had been restarted since the last import (rule tvs.restart_needed)",
            derived.join(" and ")
        ));
    }
    notes
}

fn has_callmanager(node: &Node) -> bool {
    let mut exported = node.exported();
    exported.any(|(kind, _)| kind == CertificateKind::CallManager.name())
}

/// True if the lists are those of a cluster in mixed mode.
fn is_mixed(lists: &[Told]) -> bool {
    lists.iter().any(|t| t.role == Role::CcmTftp)
}

/// Own certificates of all nodes: what was exported, since a list that a node still serves may have
/// ones that are gone.
fn own(nodes: &[Node], is_mixed: bool) -> Vec<Entry> {
    let file_role = if is_mixed { Role::CcmTftp } else { Role::Tftp };
    let mut entries = Vec::new();
    for (kind, certificate) in nodes.iter().flat_map(Node::exported) {
        let roles: &[Role] = match CertificateKind::from_name(kind) {
            Some(CertificateKind::CallManager) => &[Role::Sast, file_role],
            Some(CertificateKind::CallManagerEcdsa) => &[file_role],
            Some(CertificateKind::ItlRecovery) => &[Role::Sast],
            Some(CertificateKind::Capf) => &[Role::Capf],
            Some(CertificateKind::Tvs) => &[Role::Tvs],
            Some(CertificateKind::Tomcat | CertificateKind::TomcatEcdsa) => &[Role::AppServer],
            Some(CertificateKind::Token | CertificateKind::Lsc) | None => &[],
        };
        // Of a certificate whose purpose nobody knows no role is known either.
        if !roles.is_empty() {
            add(&mut entries, certificate, roles);
        }
    }
    entries
}

/// All that the TVS of a node knows; why nothing is known of it.
fn entries(
    node: &Node,
    own: &[Entry],
    lists: &[Told],
    settings: &Settings,
) -> Result<Vec<Entry>, String> {
    let store = |store: TrustStore| match node.stores.get(&store) {
        Some(Known::Yes(held)) => Ok(held),
        Some(Known::No(why)) => Err(format!("nobody asked it, and of {store} {why}")),
        None => Err(format!("nobody asked it, and nobody looked into {store}")),
    };
    let from_callmanager_trust: &[Role] = match settings.word::<TvsRolesOfStore>() {
        TvsRolesOfStore::ByStore => &[Role::Tftp],
        TvsRolesOfStore::CallManagerGivesBoth => &[Role::Sast, Role::Tftp],
    };
    let needed: [(_, &[Role]); 2] = [
        (store(TrustStore::PhoneSast)?, &[Role::Sast]),
        (store(TrustStore::CallManager)?, from_callmanager_trust),
    ];
    let others = [
        (TrustStore::Capf, &[Role::Capf]),
        (TrustStore::Tomcat, &[Role::AppServer]),
    ];
    let mut entries: Vec<Entry> = Vec::new();
    for entry in own {
        add(&mut entries, &entry.certificate, &entry.roles);
    }
    for (held, roles) in needed {
        for certificate in held {
            add(&mut entries, certificate, roles);
        }
    }
    for (store, roles) in others {
        let held = node.stores.get(&store).and_then(Known::get);
        for certificate in held.into_iter().flatten() {
            add(&mut entries, certificate, roles);
        }
    }
    // The CTL file is looked into for what the database does not have.
    let mut of_ctl = Vec::new();
    for told in lists.iter().filter(|t| t.list == ListKind::Ctl) {
        if let Some(certificate) = &told.certificate
            && !entries.iter().any(|e| e.certificate == *certificate)
        {
            add(&mut of_ctl, certificate, &[told.role]);
        }
    }
    entries.extend(of_ctl);
    Ok(entries)
}

fn add(entries: &mut Vec<Entry>, certificate: &Arc<PublicCertificate>, roles: &[Role]) {
    match entries.iter_mut().find(|e| e.certificate == *certificate) {
        Some(entry) => entry.roles.extend(roles),
        None => entries.push(Entry {
            certificate: Arc::clone(certificate),
            roles: roles.to_vec(),
        }),
    }
}

/// Answers by signer. TVS takes an issuer whose parts are joined by `;` or by `,`; of two certificates
/// with one issuer and serial it finds the first.
fn replies(entries: &[Entry], settings: &Settings) -> BTreeMap<SignerKey, Known<TvsReply>> {
    let ttl = settings.count(Key::TvsAnswerTtl);
    let ttl_secs = u32::try_from(ttl).unwrap_or(u32::MAX);
    let mut replies = BTreeMap::new();
    for entry in entries {
        let certificate = &entry.certificate;
        let codes = entry.roles.iter().map(|r| r.code());
        let mut roles: Vec<u8> = codes.filter_map(|c| u8::try_from(c).ok()).collect();
        roles.sort_unstable();
        roles.dedup();
        let found = TvsReply::Found(Found {
            certificate: certificate.der.clone(),
            roles,
            ttl_secs,
        });
        for between in [";", ",", ", "] {
            let issuer = certificate.issuer_text.replace(';', between);
            let key = SignerKey::new(issuer.as_bytes(), &certificate.serial);
            let reply = replies.entry(key);
            reply.or_insert_with(|| Known::Yes(found.clone()));
        }
    }
    replies
}
