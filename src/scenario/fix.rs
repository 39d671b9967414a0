//! The way out: for each reason, what an engineer does about it, with names.

use std::sync::Arc;

use super::judge::Fate;
use super::run::LabPhone;
use crate::cluster::{CertificateKind, Lab, PublicCertificate, Service, TrustStore};
use crate::event::{Kind, SignerFacts};
use crate::phone::flash::CONFIG;
use crate::trust::search::hex;
use crate::wire::phone_config::PhoneConfig;

/// What is left where nobody can vouch (8800 and 7800 Administration Guides, Trust List update
/// failed: the last resort).
const ERASE: &str = "erase CTL and ITL on the phone by hand";

/// Certificates that may sign something, or be taken for it.
const SIGNERS: [CertificateKind; 4] = [
    CertificateKind::CallManager,
    CertificateKind::ItlRecovery,
    CertificateKind::Capf,
    CertificateKind::Tvs,
];

/// What to do about the decisive reason.
pub(super) fn way_out(
    fate: &Fate,
    phone: &LabPhone,
    lab: &Lab,
    destination: &str,
    file: Option<&str>,
) -> String {
    let Some(code) = fate.reason() else {
        return match &fate.follows {
            None => format!("start CallManager on a node of {destination}, then reset the phone"),
            Some(_) => "look at the events of the phone".into(),
        };
    };
    let action = action(code, fate, phone, lab, destination, file);
    match split_home(fate, phone, lab) {
        // Whom the phone would ask it does not trust, and whom it trusts it does not ask.
        Some((config, itl)) if asks_tvs(code) && is_known_now(fate, lab, &itl) => format!(
            "the phone has the configuration of {config} and the ITL of {itl}: point option 150 back to {itl} and reset, so that it asks TVS of {itl} again, which knows the signer now; then point option 150 at {destination} and reset"
        ),
        Some((config, itl)) if asks_tvs(code) => format!(
            "the phone has the configuration of {config} and the ITL of {itl}: point option 150 back to {itl} and reset, so that it asks TVS of {itl} again; before it moves a second time, {action}"
        ),
        _ => action,
    }
}

/// Reasons that come of asking TVS.
fn asks_tvs(code: &str) -> bool {
    code.starts_with("tvs-") || code.starts_with("no-tvs-") || code == "signer-unknown-to-tvs"
}

/// The cluster of the phone's configuration and that of its ITL, where they differ.
fn split_home(fate: &Fate, phone: &LabPhone, lab: &Lab) -> Option<(String, String)> {
    let config = config_home(phone, lab)?;
    let itl = fate.itl.as_ref()?.cluster.clone()?;
    (config != itl).then_some((config, itl))
}

fn action(
    code: &str,
    fate: &Fate,
    phone: &LabPhone,
    lab: &Lab,
    destination: &str,
    file: Option<&str>,
) -> String {
    let home = home_of(fate, phone, lab);
    let tvs = tvs_nodes(lab, &home);
    let signer = fate.signer.as_ref().and_then(|s| certificate_of(lab, s));
    let serving = serving_nodes(phone, lab);
    match code {
        "signer-unknown-to-tvs" if is_known_now(fate, lab, &home) => {
            format!("reset the phone: TVS of {home} knows the signer now")
        }
        "signer-unknown-to-tvs" if is_imported(fate, lab, &home) => format!(
            "restart TVS on {tvs}: the signer's certificate is in Phone-SAST-trust of {home}, but TVS has not loaded it; then reset the phone"
        ),
        "signer-unknown-to-tvs" | "tvs-wrong-certificate" | "tvs-role-missing" => match signer {
            None => format!(
                "restart TFTP on {serving}: no node has the certificate of that signer now, so the list is an old one; then reset the phone"
            ),
            Some((kind, node)) => format!(
                "import {kind} of {node} into Phone-SAST-trust of {home} (it gives the role SAST) and into CallManager-trust, then restart TVS on {tvs}, then reset the phone"
            ),
        },
        "tvs-unreachable" | "tvs-no-answer" | "tvs-handshake-failed" | "tvs-answer-malformed" => {
            format!(
                "bring TVS back on {tvs} (TCP 2445 must be open to the phones) and keep {home} up until every phone has moved, then reset the phone; if {home} is gone for good, {ERASE}"
            )
        }
        "tvs-certificate-not-in-list" if home == destination => {
            format!("{ERASE}, or restore the old certificates of {home} from a backup")
        }
        "tvs-certificate-not-in-list" if split_home(fate, phone, lab).is_some() => {
            match signer.filter(|_| !is_known_now(fate, lab, &home)) {
                None => format!("make sure that TVS answers on {tvs}"),
                Some((kind, node)) => format!(
                    "import {kind} of {node} into Phone-SAST-trust and CallManager-trust of {home} and restart TVS on {tvs}"
                ),
            }
        }
        "lsc-not-trusted" => match stores_without_issuer(phone, lab, destination).as_str() {
            "" => format!(
                "CallManager of {destination} trusts the issuer of the LSC by now: reset the phone"
            ),
            stores => format!(
                "upload CAPF of {} into {stores} of {destination}, restart CallManager there, then reset the phone; or give the phone an LSC of {destination}",
                phone.home
            ),
        },
        "encrypted-for-another-key" | "capf-session-needed" | "device-key-missing" => format!(
            "clear TFTP Encrypted Config in the phone's security profile in {destination} until the phone has moved, then reset it; or let CAPF of {destination} install an LSC first, so that {destination} encrypts for the key that the phone has"
        ),
        "decryption-failed" | "config-malformed" => format!(
            "{} is damaged on the server: apply the phone's configuration again in {destination}, then reset it",
            file.unwrap_or("the configuration"),
        ),
        "config-incomplete" => format!(
            "clear TFTP Encrypted Config in the phone's security profile in {destination}: without a TFTP certificate in its lists the phone asks for no signed file; then reset it"
        ),
        "phone-not-in-database" => format!(
            "add {} to the database of {destination}, or enable auto-registration there, then reset it",
            fate.device
        ),
        "not-booted" => "reset the phone".into(),
        "no-lease" => format!(
            "let a DHCP server on the phone's segment name {} in option 150, then reset the phone",
            named_nodes(phone, lab)
        ),
        "tvs-certificate-not-in-list" => format!(
            "the phone's ITL is older than the TVS certificates of {home}: point option 150 back to {home} and reset, so that it takes the current ITL, then move it; if it refuses that one too, {ERASE}"
        ),
        "no-tvs-in-list" if is_prepared_for_rollback(lab, &home) => format!(
            "set \"Prepare Cluster for Rollback to pre 8.0\" of {home} back to False, point option 150 back to {home} and reset, so that the phone's ITL holds TVS again, then move it; the parameter helps non-secure clusters only"
        ),
        "installed-list-damaged" => {
            format!("its list in flash is damaged and it can ask nobody: {ERASE}")
        }
        "no-tvs-in-list" => format!("the phone cannot ask anybody: {ERASE}"),
        "no-tvs-in-configuration" => format!(
            "point option 150 back to {home} and reset, so that the phone has a configuration with TVS servers, then move it"
        ),
        "role-missing" => format!(
            "point option 150 at a node of {destination} whose signer is SAST in the list: its publisher; then reset the phone"
        ),
        "file-malformed"
        | "signature-mismatch"
        | "record-mismatch"
        | "file-empty"
        | "own-signature-fails" => format!(
            "{} is damaged on its way or on the server: restart TFTP on the node that served it ({serving}), compare `show itl` and `show ctl` there, then reset the phone",
            file.unwrap_or("the file"),
        ),
        "file-too-large" => format!(
            "take certificates out of the lists of {destination} until they have fewer than 40, then restart TFTP there"
        ),
        "download-failed" => format!(
            "start TFTP on {serving}, check that UDP 69 is open to the phones, then reset the phone"
        ),
        "file-missing" => format!(
            "add {} to the database of {destination}, then reset it",
            fate.device
        ),
        "signer-not-in-list" => format!("move the phone back to {home}, or {ERASE}"),
        other => format!("see `trustline rules` and the events for {other}"),
    }
}

fn is_prepared_for_rollback(lab: &Lab, cluster: &str) -> bool {
    let cluster = lab.clusters().iter().find(|c| c.id() == cluster);
    cluster.is_some_and(|c| c.parameters().prepare_cluster_for_rollback)
}

/// True if a TVS of the cluster vouches for the signer as things stand now.
fn is_known_now(fate: &Fate, lab: &Lab, cluster: &str) -> bool {
    let Some(signer) = &fate.signer else {
        return false;
    };
    let Some(certificate) = public_of(lab, signer) else {
        return false;
    };
    let (subject, issuer) = (
        certificate.subject_text.as_bytes(),
        certificate.issuer_text.as_bytes(),
    );
    lab.nodes().into_iter().any(|node| {
        lab.clusters()[node.cluster].id() == cluster
            && lab
                .query(node, subject, issuer, &certificate.serial)
                .is_some()
    })
}

/// The certificate of a signer, if a node has it.
fn public_of(lab: &Lab, signer: &SignerFacts) -> Option<Arc<PublicCertificate>> {
    let all = lab
        .clusters()
        .iter()
        .flat_map(|c| c.certificates_to_exchange(&SIGNERS));
    all.map(|(_, c)| Arc::clone(&c.public))
        .find(|c| is_of(c, signer))
}

/// True if the signer's certificate is in Phone-SAST-trust of the cluster.
fn is_imported(fate: &Fate, lab: &Lab, cluster: &str) -> bool {
    let Some(signer) = &fate.signer else {
        return false;
    };
    let cluster = lab.clusters().iter().find(|c| c.id() == cluster);
    let is_there = cluster.and_then(|c| {
        let publisher = c.nodes().find(|n| n.publisher)?;
        let store = c.store(&publisher.name, TrustStore::PhoneSast).ok()?;
        Some(store.iter().any(|c| is_of(c, signer)))
    });
    is_there.unwrap_or(false)
}

/// The stores of the destination that lack the certificate of who issued the phone's LSC. Where one
/// of two would be enough, both are named: sources disagree which it is.
fn stores_without_issuer(phone: &LabPhone, lab: &Lab, destination: &str) -> String {
    let cluster = lab.clusters().iter().find(|c| c.id() == destination);
    let shown = phone.setup.identity.certificate.as_ref();
    let lsc = shown.and_then(|c| PublicCertificate::from_der(&c.certificate).ok());
    let missing = match (cluster, lsc) {
        (Some(cluster), Some(lsc)) => cluster.stores_without_issuer(&lsc),
        _ => &[TrustStore::Capf, TrustStore::CallManager],
    };
    let names: Vec<_> = missing.iter().map(|s| s.name()).collect();
    names.join(" and ")
}

/// True if the certificate is the signer's.
fn is_of(certificate: &PublicCertificate, signer: &SignerFacts) -> bool {
    hex(crate::wire::header::serial_number(&certificate.serial)) == signer.serial
        && certificate.issuer_text == signer.issuer
}

/// The cluster whose TVS can vouch for the phone: that of its ITL, else that of its configuration.
fn home_of(fate: &Fate, phone: &LabPhone, lab: &Lab) -> String {
    let itl = fate.itl.as_ref().and_then(|o| o.cluster.clone());
    itl.or_else(|| config_home(phone, lab))
        .unwrap_or_else(|| phone.home.clone())
}

/// The cluster whose configuration the phone holds.
fn config_home(phone: &LabPhone, lab: &Lab) -> Option<String> {
    let config = PhoneConfig::parse(phone.flash.get(CONFIG)?).ok()?;
    let node = config
        .callmanager_group
        .iter()
        .find_map(|m| lab.host(&m.host))?;
    Some(lab.clusters()[node.cluster].id().to_owned())
}

/// The nodes of a cluster that run TVS.
fn tvs_nodes(lab: &Lab, cluster: &str) -> String {
    let cluster = lab.clusters().iter().find(|c| c.id() == cluster);
    let nodes = cluster.into_iter().flat_map(|c| c.nodes());
    let names: Vec<_> = nodes
        .filter(|n| n.services.contains(&Service::Tvs))
        .map(|n| n.name.as_str())
        .collect();
    match names.as_slice() {
        [] => "a node that the phone's configuration names".into(),
        names => names.join(" and "),
    }
}

/// The nodes that the phone is to ask.
fn named_nodes(phone: &LabPhone, lab: &Lab) -> String {
    let servers = phone.servers(lab);
    let names: Vec<_> = servers
        .iter()
        .filter_map(|a| Some(lab.name(lab.at(*a)?)))
        .collect();
    names.join(" and ")
}

/// The nodes of option 150.
fn serving_nodes(phone: &LabPhone, lab: &Lab) -> String {
    let name = |a: &std::net::Ipv4Addr| {
        lab.at(*a)
            .map_or_else(|| a.to_string(), |id| lab.name(id).to_owned())
    };
    let served = phone.events.iter().rev().find_map(|e| match &e.kind {
        Kind::Downloaded { server, .. } => Some(server.clone()),
        _ => None,
    });
    let by = served.and_then(|s| s.parse().ok()).map(|a| name(&a));
    let all: Vec<_> = phone.servers(lab).iter().map(name).collect();
    by.unwrap_or_else(|| all.join(" and "))
}

/// Whose certificate a signer is.
fn certificate_of(lab: &Lab, signer: &SignerFacts) -> Option<(CertificateKind, String)> {
    for cluster in lab.clusters() {
        for (node, c) in cluster.certificates_to_exchange(&SIGNERS) {
            if is_of(&c.public, signer) {
                return Some((c.kind, node.to_owned()));
            }
        }
    }
    None
}
