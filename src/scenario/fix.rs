//! The way out: for each reason, what an engineer does about it, with names.

use super::judge::Fate;
use super::run::LabPhone;
use crate::cluster::{CertificateKind, Lab};
use crate::event::{Kind, SignerFacts};
use crate::phone::flash::CONFIG;
use crate::trust::search::hex;
use crate::wire::phone_config::PhoneConfig;

/// What to do about the decisive reason.
pub(super) fn way_out(
    fate: &Fate,
    phone: &LabPhone,
    lab: &Lab,
    destination: &str,
    file: Option<&str>,
) -> String {
    let home = home_of(phone, lab);
    let tvs = tvs_nodes(phone, &home);
    let signer = fate.signer.as_ref().and_then(|s| certificate_of(lab, s));
    let what = signer.as_ref().map_or_else(
        || "the certificate of the signer".to_owned(),
        |(kind, node, _)| format!("{} of {node}", kind.name()),
    );
    let from = signer.map(|(_, _, cluster)| cluster);
    let Some(code) = fate.reason() else {
        return "no boot came to an end: look at the events of the phone".into();
    };
    match code {
        "signer-unknown-to-tvs" | "tvs-wrong-certificate" if from.is_some() => format!(
            "import {what} into Phone-SAST-trust and CallManager-trust of {home}, then restart TVS on {tvs}, then reset the phone"
        ),
        "tvs-role-missing" => format!(
            "import {what} into Phone-SAST-trust of {home} (the role SAST comes from there), then restart TVS on {tvs}, then reset the phone"
        ),
        "tvs-unreachable" | "tvs-no-answer" | "tvs-handshake-failed" | "tvs-answer-malformed" => {
            format!(
                "bring TVS back on {tvs} (TCP 2445 must be open to the phones) and keep {home} up until every phone has moved, then reset the phone"
            )
        }
        "tvs-certificate-not-in-list" => format!(
            "the phone's ITL is older than the TVS certificate of {home}: point option 150 back to {home} and reset, so that it takes the current ITL, then move it; if {home} cannot give it one that it trusts, erase the ITL on the phone"
        ),
        "no-tvs-in-list" => {
            let rollback = lab
                .clusters()
                .iter()
                .any(|c| c.id() == home && c.parameters().prepare_cluster_for_rollback);
            if rollback {
                format!(
                    "set \"Prepare Cluster for Rollback to pre 8.0\" of {home} back to False, point option 150 back to {home} and reset, so that the phone's ITL holds TVS again, then move it; the parameter helps non-secure clusters only"
                )
            } else {
                "the phone cannot ask anybody: erase its CTL and ITL by hand (Settings, Admin settings, Reset settings, Security)".into()
            }
        }
        "no-tvs-in-configuration" => format!(
            "point option 150 back to {home} and reset, so that the phone has a configuration with TVS servers, then move it"
        ),
        "file-malformed"
        | "signature-mismatch"
        | "record-mismatch"
        | "file-empty"
        | "own-signature-fails" => format!(
            "{} is damaged on its way or on the server: restart TFTP on the node that served it ({}), compare `show itl` and `show ctl` there, then reset the phone",
            file.unwrap_or("the file"),
            serving_nodes(phone, lab)
        ),
        "file-too-large" => format!(
            "take certificates out of the lists of {destination} until they have fewer than 40, then restart TFTP there"
        ),
        "download-failed" => format!(
            "start TFTP on {}, check that UDP 69 is open to the phones, then reset the phone",
            serving_nodes(phone, lab)
        ),
        "file-missing" => format!(
            "add {} to the database of {destination}, then reset it",
            fate.device
        ),
        "role-missing"
        | "signer-not-in-list"
        | "signer-unknown-to-tvs"
        | "tvs-wrong-certificate" => {
            format!(
                "nobody that the phone trusts knows the signer: move it back to {home}, or erase its CTL and ITL by hand"
            )
        }
        other => format!("see `trustline rules` and the events for {other}"),
    }
}

/// The cluster whose configuration the phone holds.
fn home_of(phone: &LabPhone, lab: &Lab) -> String {
    let config = phone
        .flash
        .get(CONFIG)
        .and_then(|b| PhoneConfig::parse(b).ok());
    config
        .iter()
        .flat_map(|c| &c.callmanager_group)
        .find_map(|m| lab.host(&m.host))
        .map_or_else(
            || phone.home.clone(),
            |id| lab.clusters()[id.cluster].id().to_owned(),
        )
}

/// The TVS servers of the phone's configuration.
fn tvs_nodes(phone: &LabPhone, home: &str) -> String {
    let config = phone
        .flash
        .get(CONFIG)
        .and_then(|b| PhoneConfig::parse(b).ok());
    let hosts: Vec<_> = config
        .iter()
        .flat_map(|c| &c.tvs)
        .map(|t| t.host.clone())
        .collect();
    if hosts.is_empty() {
        format!("the nodes of {home}")
    } else {
        hosts.join(" and ")
    }
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
    let all: Vec<_> = phone.setup.option_150.iter().map(name).collect();
    by.unwrap_or_else(|| all.join(" and "))
}

/// Whose certificate a signer is.
fn certificate_of(lab: &Lab, signer: &SignerFacts) -> Option<(CertificateKind, String, String)> {
    const SIGNERS: [CertificateKind; 4] = [
        CertificateKind::CallManager,
        CertificateKind::ItlRecovery,
        CertificateKind::Capf,
        CertificateKind::Tvs,
    ];
    for cluster in lab.clusters() {
        for (node, c) in cluster.certificates_to_exchange(&SIGNERS) {
            let same = hex(crate::wire::header::serial_number(&c.public.serial)) == signer.serial;
            if same && c.public.issuer_text == signer.issuer {
                return Some((c.kind, node.to_owned(), cluster.id().to_owned()));
            }
        }
    }
    None
}
