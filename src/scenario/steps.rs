//! Steps in words, and what they carry.

use std::fmt::Display;
use std::time::Duration;

use super::model::{
    self, Action, BulkButton, BulkFault, CarriedCertificate, FlashWrite, Nodes, OwnCertificate,
    Scenario, ServiceChange,
};
use super::words::ClosedWord;
use crate::cluster::bulk::Uploaded;
use crate::cluster::{CertificateKind, PublicCertificate, TrustStore, Trusted};
use crate::event::{Kind, SignerFacts};
use crate::sim::{Link, PerMille};
use crate::trust::search::hex;

/// What a bulk exchange of type All carries (Cisco 215539).
pub(super) const BULK_CERTIFICATES: [CertificateKind; 4] = [
    CertificateKind::CallManager,
    CertificateKind::ItlRecovery,
    CertificateKind::Capf,
    CertificateKind::Tomcat,
];

pub(super) fn certificate_kind(c: CarriedCertificate) -> CertificateKind {
    match c {
        CarriedCertificate::CallManager => CertificateKind::CallManager,
        CarriedCertificate::ItlRecovery => CertificateKind::ItlRecovery,
        CarriedCertificate::Capf => CertificateKind::Capf,
        CarriedCertificate::Tomcat => CertificateKind::Tomcat,
    }
}

pub(super) fn trust_store(s: model::Store) -> TrustStore {
    match s {
        model::Store::PhoneSastTrust => TrustStore::PhoneSast,
        model::Store::CallManagerTrust => TrustStore::CallManager,
        model::Store::CapfTrust => TrustStore::Capf,
        model::Store::TomcatTrust => TrustStore::Tomcat,
    }
}

/// The kind of a certificate that a step makes anew.
pub(super) fn own_kind(certificate: OwnCertificate) -> CertificateKind {
    match certificate {
        OwnCertificate::CallManager => CertificateKind::CallManager,
        OwnCertificate::Tvs => CertificateKind::Tvs,
        OwnCertificate::Capf => CertificateKind::Capf,
        OwnCertificate::ItlRecovery => CertificateKind::ItlRecovery,
    }
}

/// Where a certificate goes: where the scenario says, else where a bulk import puts it.
pub(super) fn stores(kind: CertificateKind, wanted: Option<&[model::Store]>) -> Vec<TrustStore> {
    match wanted {
        None => TrustStore::of_bulk_import(kind).to_vec(),
        Some(wanted) => wanted.iter().copied().map(trust_store).collect(),
    }
}

/// The event of a certificate that was put into a store.
pub(super) fn trusted(store: TrustStore, c: &PublicCertificate, result: &Trusted) -> Kind {
    Kind::Trusted {
        store: store.name().into(),
        certificate: SignerFacts {
            subject: c.subject_text.clone(),
            issuer: c.issuer_text.clone(),
            serial: hex(&c.serial),
        },
        result: match result {
            Trusted::Added => "added",
            Trusted::Replaced { .. } => "replaced",
            Trusted::DroppedOlder { .. } => "dropped-older",
            Trusted::AlreadyThere => "already-there",
        }
        .into(),
        stays_on: None,
        note: None,
    }
}

/// The event of a certificate that was uploaded by hand. `is_one_way` says that the trap of such
/// uploads is open: the other cluster does not vouch for this one's signers.
pub(super) fn uploaded(uploaded: &Uploaded, is_one_way: bool) -> Kind {
    let mut told = trusted(uploaded.store, &uploaded.certificate, &uploaded.result);
    if let Kind::Trusted { stays_on, note, .. } = &mut told {
        stays_on.clone_from(&uploaded.stays_on);
        *note = is_one_way.then(|| Uploaded::TRAP.to_owned());
    }
    told
}

/// What a step does, as a sentence.
pub(super) fn sentence(action: &Action, scenario: &Scenario) -> String {
    let phones = |s: &super::Selector| {
        let chosen = s.resolve(&scenario.phones);
        if chosen.len() == scenario.phone_count() {
            "all phones".to_owned()
        } else {
            let names: Vec<_> = chosen.iter().map(|&n| model::device_name(n)).collect();
            match names.as_slice() {
                [one] => one.clone(),
                [first, .., last] => format!("{} phones, {first} to {last}", names.len()),
                [] => "no phones".to_owned(),
            }
        }
    };
    match action {
        Action::TrustCertificates {
            from,
            into,
            certificates,
            nodes,
            stores,
        } => {
            let what = match certificates {
                None => "CallManager, ITLRecovery, CAPF and Tomcat".to_owned(),
                Some(list) => join(list.iter().map(|c| c.as_str())),
            };
            let of = nodes.as_ref().map_or_else(
                || from.value.clone(),
                |n| join(n.iter().map(|n| n.value.as_str())),
            );
            let to = stores.as_ref().map_or_else(
                || "the stores of a bulk import".to_owned(),
                |s| join(s.iter().map(|s| s.as_str())),
            );
            format!("{} trusts {what} of {of}, in {to}", into.value)
        }
        Action::SetOption150 { to, phones: who } => {
            let to = join(to.iter().map(|n| n.value.as_str()));
            format!("option 150 now names {to} for {}", phones(who))
        }
        Action::SetOption66 {
            to,
            beside_150,
            phones: who,
        } => {
            let instead = if *beside_150 {
                "beside option 150"
            } else {
                "in place of option 150"
            };
            format!(
                "option 66 now names {} for {}, {instead}",
                to.value,
                phones(who)
            )
        }
        Action::RenewLeases { phones: who } => format!("{} renew their leases", phones(who)),
        Action::SwitchDhcp { on: true } => "the DHCP server answers again".to_owned(),
        Action::SwitchDhcp { on: false } => "the DHCP server answers nobody".to_owned(),
        Action::ResetPhones { phones: who } => format!("{} reset", phones(who)),
        Action::EraseLists { phones: who } => {
            format!(
                "CTL and ITL erased at {}, which keep their configuration",
                phones(who)
            )
        }
        Action::FactoryReset { phones: who } => {
            format!(
                "{} reset to factory defaults: no list, no configuration",
                phones(who)
            )
        }
        Action::ChangeService {
            change,
            target,
            service,
        } => {
            let what = match change {
                ServiceChange::Stop => "stops",
                ServiceChange::Start => "starts",
                ServiceChange::Restart => "restarts",
            };
            format!(
                "{} {what} on {}",
                service_name(service.as_str()),
                target_name(target)
            )
        }
        Action::SwitchPower { on, target } => {
            format!(
                "{} is switched {}",
                target_name(target),
                if *on { "on" } else { "off" }
            )
        }
        Action::SetParameter { cluster, parameter } => format!(
            "parameter {} of {} is now {}",
            parameter.name.value, cluster.value, parameter.value.value
        ),
        Action::RegenerateCertificate { node, certificate } => {
            format!("{} of {} is made anew", certificate.value, node.value)
        }
        Action::UploadCertificate {
            from,
            certificate,
            into,
            store,
        } => format!(
            "{certificate} of {} is uploaded by hand to {store} of {}",
            from.value,
            into.value,
            certificate = certificate.value,
        ),
        Action::UpdateCtl { cluster } => {
            format!(
                "utils ctl update CTLFile on the publisher of {}",
                cluster.value
            )
        }
        Action::DamageFile {
            node, file, how, ..
        } => {
            format!(
                "{} serves its {} damaged: {}",
                node.value,
                file.as_str(),
                how.as_str()
            )
        }
        Action::AnswerHttp {
            node,
            file,
            status: 200,
        } => {
            let file = file.map_or("everything", ClosedWord::as_str);
            format!("{} answers over HTTP as it should: {file}", node.value)
        }
        Action::AnswerHttp { node, file, status } => {
            let file = file.map_or("everything", ClosedWord::as_str);
            format!("{} answers over HTTP with {status}: {file}", node.value)
        }
        Action::BulkSftp { cluster, server } => match &server.host {
            Some(host) => format!(
                "the page of {} names the SFTP server {}",
                cluster.value, host.value
            ),
            None => {
                let default = scenario.sftp.as_ref().and_then(|s| s.host.as_ref());
                let server = default.map_or("the lab's own SFTP server", |h| h.value.as_str());
                format!("the page of {} names {server}", cluster.value)
            }
        },
        Action::Bulk {
            button,
            cluster,
            node,
            kind,
            ..
        } => {
            let what = match button {
                BulkButton::Export => "exports",
                BulkButton::Consolidate => "consolidates",
                BulkButton::Import => "imports",
            };
            let at = node
                .as_ref()
                .map_or_else(String::new, |n| format!(" on {}", n.value));
            format!(
                "{}{at} {what} certificates of type {}",
                cluster.value,
                kind.as_str()
            )
        }
        Action::BulkFault { fault } => match fault {
            BulkFault::Unreachable => "nothing listens at the SFTP server's port any more",
            BulkFault::HostKeyChanged => "the SFTP server has another host key",
            BulkFault::WrongPassword => "the SFTP server takes no password any more",
            BulkFault::DirectoryMissing => "the directory is gone from the SFTP server",
            BulkFault::ReadOnly => "the SFTP server's file system is read-only",
            BulkFault::DiskFull => "the SFTP server's disk is full",
            BulkFault::Cut => "the SFTP server's connections are cut in the middle of a file",
            BulkFault::DamagedFile => "every file on the SFTP server loses its second half",
            BulkFault::ForeignFile => "somebody else's file lies in the directory",
            BulkFault::Clear => "the SFTP server is well again",
        }
        .to_owned(),
        Action::KeepOldFiles { node } => {
            format!("{} goes on serving the files that it has now", node.value)
        }
        Action::RemovePhones {
            phones: who,
            cluster,
        } => {
            format!(
                "{} removed from the database of {}",
                phones(who),
                cluster.value
            )
        }
        Action::AddPhones {
            phones: who,
            cluster,
        } => {
            format!("{} added to the database of {}", phones(who), cluster.value)
        }
        Action::PowerCut {
            phones: who,
            at,
            write,
        } => {
            let write = match write {
                FlashWrite::Of(file) => format!("the write of the {}", file.as_str()),
                FlashWrite::Nth(n) => format!("flash write {n}"),
            };
            format!(
                "{}: the power will fail {} {write}",
                phones(who),
                at.as_str()
            )
        }
        Action::SetLink {
            phones: who,
            nodes,
            link,
        } => format!(
            "the links between {} and {}: {}",
            phones(who),
            node_names(nodes),
            link_text(link)
        ),
        Action::ClearLinks => "every link is whole again".to_owned(),
        Action::JumpClock(jump) => {
            let of_phones = jump.phones.as_ref().map(phones);
            let of_nodes = jump.nodes.as_ref().map(node_names);
            format!(
                "the clocks of {} jump by {}",
                join(of_phones.into_iter().chain(of_nodes)),
                jump_text(jump.by)
            )
        }
        Action::Later { after, action } => format!(
            "{} into the next boot: {}",
            time_text(after.value),
            sentence(action, scenario)
        ),
        Action::Wait { duration } => format!("{} s pass", duration.as_secs_f64()),
        Action::Note { text } => text.clone(),
    }
}

fn node_names(nodes: &Nodes) -> String {
    match nodes {
        Nodes::All => "all nodes".to_owned(),
        Nodes::Named(names) => join(names.iter().map(|n| n.value.as_str())),
    }
}

/// What happens on a link, as far as it is not a whole one.
fn link_text(link: &Link) -> String {
    if link.partition {
        return "nothing arrives".to_owned();
    }
    let whole = Link::default();
    let mut parts = Vec::new();
    let mut share = |what: &str, share: PerMille| {
        if share != PerMille::NONE {
            parts.push(format!("{} % {what}", f64::from(share.get()) / 10.0));
        }
    };
    share("lost", link.loss);
    share("come twice", link.duplicate);
    share("come late", link.reorder);
    share("come damaged", link.corrupt);
    if link.lose_first > 0 {
        parts.push(format!("the first {} datagrams lost", link.lose_first));
    }
    if link.latency != whole.latency || link.jitter != whole.jitter {
        let mut way = format!("{} one way", time_text(link.latency));
        if !link.jitter.is_zero() {
            way += &format!(", up to {} more", time_text(link.jitter));
        }
        parts.push(way);
    }
    if parts.is_empty() {
        "whole".to_owned()
    } else {
        parts.join(", ")
    }
}

fn time_text(time: Duration) -> String {
    match time.as_micros() {
        us if us.is_multiple_of(1_000_000) => format!("{} s", us / 1_000_000),
        us if us.is_multiple_of(1_000) => format!("{} ms", us / 1_000),
        us => format!("{us} us"),
    }
}

/// A jump in its largest unit that leaves no rest.
fn jump_text(by: i64) -> String {
    let (length, unit) = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")]
        .into_iter()
        .find(|(length, _)| by % length == 0)
        .unwrap_or((1, "s"));
    format!("{:+} {unit}", by / length)
}

fn service_name(s: &str) -> String {
    match s {
        "callmanager" => "CallManager".to_owned(),
        other => other.to_uppercase(),
    }
}

fn target_name(t: &model::Target) -> String {
    match t {
        model::Target::Node(n) => n.value.clone(),
        model::Target::Cluster(c) => format!("every node of {}", c.value),
    }
}

fn join<T: Display>(all: impl Iterator<Item = T>) -> String {
    let all: Vec<_> = all.map(|x| x.to_string()).collect();
    match all.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}
