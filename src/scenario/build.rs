//! From a scenario to a lab: clusters with their certificates, and phones.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::model::{
    self, CertificateRecord, FirmwareProfile, Mode, PhoneFile, PhoneGroup, PhoneSecurity, Scenario,
};
use super::registry::{parameter_of, value_of};
use super::run::LabPhone;
use super::words::ClosedWord;
use crate::cluster::{
    BlankItl, CertificateKind, Cluster, ClusterError, ClusterMode, ClusterSettings, ClusterSpec,
    HttpMissing, KeyBits, KeyPool, Lab, LscTrustedBy, NodeSpec, Parameter, Parameters, PhoneFiles,
    Release, RolesOfStore, ServerNames, Service, SignedDefault, phone_address,
};
use crate::dhcp::{Mac, Scope};
use crate::phone::{BootCause, DeviceIdentity, DhcpSetup, Identity, Pace, PhoneSetup, Profile};
use crate::time::UnixSeconds;
use crate::trust::rules::{
    self, DigestScope, HttpsRecord, Key, Settings, SignerKeyBits, SignerVersion, TftpStartMends,
    TvsRestartNeeded, TvsRolesOfStore,
};
use crate::wire::phone_config::{NamedFiles, SecurityMode};

/// What a lab has that its scenario does not say.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Addresses of nodes by name; the others have loopback addresses.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// Phones beside the scenario's: device name, and the cluster whose database knows it.
    pub phones: Vec<(String, String)>,
    /// How phone configurations name nodes.
    pub server_names: ServerNames,
}

impl Site {
    fn place(&self, mut spec: ClusterSpec) -> ClusterSpec {
        for node in &mut spec.nodes {
            if let Some(address) = self.addresses.get(&node.name) {
                node.address = *address;
            }
        }
        spec
    }
}

/// The port of TVS.
const TVS_PORT: u16 = 2_445;

/// Rules with what the scenario sets.
pub(super) fn settings(
    base: Settings,
    scenario: &Scenario,
    forced: Option<(Key, i64)>,
) -> Settings {
    let mut settings = base;
    for s in &scenario.settings {
        // Names and values were checked when the file was read.
        if let Some(rule) = rules::find(&s.name.value)
            && let Ok(value) = value_of(rule, &s.value.value)
        {
            settings.choose(rule, value);
        }
    }
    if let Some((key, value)) = forced {
        settings.choose(rules::rule(key), value);
    }
    #[cfg(feature = "planted-defects")]
    settings.plant(scenario.planted);
    settings
}

/// Makes the clusters.
///
/// # Errors
/// What a cluster cannot be.
pub(super) fn lab(
    scenario: &Scenario,
    site: &Site,
    settings: &Settings,
    keys: &mut KeyPool,
) -> Result<Lab, ClusterError> {
    let cluster_settings = ClusterSettings {
        server_names: site.server_names,
        ..cluster_settings(settings)
    };
    let mut clusters = Vec::new();
    for (index, c) in scenario.clusters.iter().enumerate() {
        let mut cluster = Cluster::new(
            site.place(spec(c, index)?),
            cluster_settings,
            scenario.date.value,
            keys,
            scenario.seed,
        )?;
        for group in &scenario.phones {
            for number in group.numbers() {
                let device = model::device_name(number);
                cluster.add_phone(&device, security(group.security))?;
                cluster.set_encrypted_config(&device, group.encrypted_config);
            }
        }
        for (device, _) in site.phones.iter().filter(|(_, id)| *id == c.id.value) {
            cluster.add_phone(device, SecurityMode::NonSecure)?;
        }
        clusters.push(cluster);
    }
    for (index, c) in scenario.clusters.iter().enumerate() {
        if !c.phone_files.names.is_empty() {
            let files = phone_files(&c.phone_files, &clusters);
            clusters[index].set_phone_files(files, scenario.date.value)?;
        }
    }
    Ok(Lab::new(clusters, settings))
}

/// The rules that count for the clusters of a scenario.
pub fn rules(scenario: &Scenario) -> Settings {
    settings(Settings::default(), scenario, None)
}

/// What each cluster of a scenario is to be, without making it.
///
/// # Errors
/// A release that there is none of.
pub fn clusters(scenario: &Scenario) -> Result<Vec<(ClusterSpec, ClusterSettings)>, ClusterError> {
    let settings = cluster_settings(&rules(scenario));
    let numbered = scenario.clusters.iter().enumerate();
    numbered
        .map(|(index, c)| Ok((spec(c, index)?, settings)))
        .collect()
}

fn spec(c: &model::Cluster, index: usize) -> Result<ClusterSpec, ClusterError> {
    let mut parameters = Parameters::default();
    for p in &c.parameters {
        // Names and values were checked when the file was read.
        match parameter_of(&p.name.value, &p.value.value) {
            Ok(Parameter::PrepareClusterForRollback(on)) => {
                parameters.prepare_cluster_for_rollback = on;
            }
            Ok(Parameter::TftpFileSignatureAlgorithm(digest)) => {
                parameters.tftp_file_signature_algorithm = Some(digest);
            }
            Ok(Parameter::AutoRegistration(on)) => parameters.auto_registration = on,
            Err(_) => {}
        }
    }
    let all_run_callmanager = !c.nodes.iter().any(|n| n.runs(model::Service::CallManager));
    let nodes = c.nodes.iter().enumerate().map(|(i, n)| {
        let mut services: std::collections::BTreeSet<_> =
            n.services.iter().filter_map(|s| service(*s)).collect();
        if all_run_callmanager {
            services.insert(Service::CallManager);
        }
        NodeSpec {
            name: n.name.value.clone(),
            publisher: n.runs(model::Service::Publisher),
            services,
            address: address(index, i),
            tvs_port: TVS_PORT,
        }
    });
    Ok(ClusterSpec {
        id: c.id.value.clone(),
        release: c
            .release
            .value
            .parse::<Release>()
            .map_err(|_| ClusterError::HostName {
                name: c.release.value.clone(),
            })?,
        mode: match c.mode {
            Mode::NonSecure => ClusterMode::NonSecure,
            Mode::Mixed => ClusterMode::Mixed,
        },
        nodes: nodes.collect(),
        callmanager_group: c
            .callmanager_group
            .iter()
            .map(|n| n.value.clone())
            .collect(),
        parameters,
    })
}

/// The files that a cluster's configurations name, and who signs them.
fn phone_files(files: &model::PhoneFiles, clusters: &[Cluster]) -> PhoneFiles {
    let name = |file| files.name(file).map(str::to_owned);
    let named = NamedFiles {
        soft_keys: name(PhoneFile::SoftKeys),
        dial_template: name(PhoneFile::DialPlan),
        feature_policy: name(PhoneFile::FeaturePolicy),
        user_locale: name(PhoneFile::UserLocale),
        network_locale: name(PhoneFile::NetworkLocale),
    };
    let mut installed = named.clone();
    for file in &files.missing {
        match file {
            PhoneFile::SoftKeys => installed.soft_keys = None,
            PhoneFile::DialPlan => installed.dial_template = None,
            PhoneFile::FeaturePolicy => installed.feature_policy = None,
            PhoneFile::UserLocale => installed.user_locale = None,
            PhoneFile::NetworkLocale => installed.network_locale = None,
        }
    }
    let signer = files.signed_by.as_ref().and_then(|node| {
        let mut all = clusters.iter();
        all.find_map(|c| c.certificate(&node.value, CertificateKind::CallManager))
    });
    PhoneFiles {
        named,
        installed,
        signer: signer.cloned(),
    }
}

/// A loopback address for each node: 127.1, the cluster, the node.
fn address(cluster: usize, node: usize) -> Ipv4Addr {
    let byte = |n: usize| u8::try_from(n + 1).unwrap_or(u8::MAX);
    Ipv4Addr::new(127, 1, byte(cluster), byte(node))
}

fn service(s: model::Service) -> Option<Service> {
    match s {
        model::Service::Publisher => None,
        model::Service::CallManager => Some(Service::CallManager),
        model::Service::Tftp => Some(Service::Tftp),
        model::Service::Tvs => Some(Service::Tvs),
        model::Service::Capf => Some(Service::Capf),
    }
}

fn security(s: PhoneSecurity) -> SecurityMode {
    match s {
        PhoneSecurity::NonSecure => SecurityMode::NonSecure,
        PhoneSecurity::Authenticated => SecurityMode::Authenticated,
        PhoneSecurity::Encrypted => SecurityMode::Encrypted,
    }
}

/// What the clusters make of the rules.
pub(super) fn cluster_settings(s: &Settings) -> ClusterSettings {
    ClusterSettings {
        tvs_restart_needed: s.word::<TvsRestartNeeded>() == TvsRestartNeeded::Yes,
        roles_of_store: match s.word::<TvsRolesOfStore>() {
            TvsRolesOfStore::ByStore => RolesOfStore::ByStore,
            TvsRolesOfStore::CallManagerGivesBoth => RolesOfStore::CallManagerTrustGivesBoth,
        },
        lsc_trusted_by: match s.word::<rules::LscTrustedBy>() {
            rules::LscTrustedBy::EitherStore => LscTrustedBy::EitherStore,
            rules::LscTrustedBy::CallManagerTrust => LscTrustedBy::CallManagerTrust,
            rules::LscTrustedBy::CapfTrust => LscTrustedBy::CapfTrust,
        },
        blank_itl: match s.word::<rules::BlankItl>() {
            rules::BlankItl::NoRecords => BlankItl::NoRecords,
            rules::BlankItl::EmptyRecords => BlankItl::EmptyRecords,
        },
        signer_key_bits: match s.word::<SignerKeyBits>() {
            SignerKeyBits::B1024 => KeyBits::B1024,
            SignerKeyBits::B2048 => KeyBits::B2048,
            SignerKeyBits::B4096 => KeyBits::B4096,
        },
        http_missing: match s.word::<rules::HttpMissing>() {
            rules::HttpMissing::Unavailable => HttpMissing::Unavailable,
            rules::HttpMissing::NotFound => HttpMissing::NotFound,
        },
        signed_default: match s.word::<rules::SignedDefault>() {
            rules::SignedDefault::AutoRegistration => SignedDefault::AutoRegistration,
            rules::SignedDefault::Always => SignedDefault::Always,
            rules::SignedDefault::Never => SignedDefault::Never,
        },
        tftp_start_mends: s.word::<TftpStartMends>() == TftpStartMends::Yes,
        https_record: s.word::<HttpsRecord>() == HttpsRecord::Yes,
        digest_applies_to_lists: s.word::<DigestScope>() == DigestScope::All,
        // The rule allows nothing larger.
        tvs_ttl_secs: u32::try_from(s.count(Key::TvsAnswerTtl)).unwrap_or(u32::MAX),
        signer_version: match s.word::<SignerVersion>() {
            SignerVersion::Absent => None,
            SignerVersion::V1_0 => Some((1, 0)),
            SignerVersion::V1_1 => Some((1, 1)),
        },
        ..ClusterSettings::default()
    }
}

/// How long ago the certificate was issued that a cluster has of a phone, where it is an old one.
const OLD_CERTIFICATE: UnixSeconds = 180 * 86_400;

/// Makes the phone's LSC, and tells the clusters what they have of its certificates.
fn certificates(
    scenario: &Scenario,
    lab: &mut Lab,
    group: &PhoneGroup,
    device: &str,
    keys: &mut KeyPool,
) -> Result<Option<DeviceIdentity>, ClusterError> {
    let Some(home) = lab
        .cluster_index(&group.cluster.value)
        .filter(|_| group.lsc)
    else {
        return Ok(None);
    };
    let name = format!("{}-{device}", group.model.value);
    let date = scenario.date.value;
    let lsc = lab.clusters()[home].issue_lsc(&name, date, keys)?;
    let current: Arc<[u8]> = lsc.public.der.as_slice().into();
    let records = &group.certificate_records;
    let old = if records.iter().any(|(_, r)| *r == CertificateRecord::Old) {
        let before = date.saturating_sub(OLD_CERTIFICATE);
        let old = lab.clusters()[home].issue_lsc(&name, before, keys)?;
        Some(Arc::from(old.public.der.as_slice()))
    } else {
        None
    };
    for (index, c) in scenario.clusters.iter().enumerate() {
        let given = records.iter().find(|(id, _)| id.value == c.id.value);
        let usual = if index == home {
            CertificateRecord::Current
        } else {
            CertificateRecord::None
        };
        let certificate = match given.map_or(usual, |(_, record)| *record) {
            CertificateRecord::Current => Some(Arc::clone(&current)),
            CertificateRecord::Old => old.clone(),
            CertificateRecord::None => None,
        };
        if let Some(cluster) = lab.cluster_mut(index) {
            cluster.record_certificate(device, certificate);
        }
    }
    Ok(Some(DeviceIdentity {
        kind: "LSC",
        certificate: current,
        key: lsc.key.pkcs8().into(),
    }))
}

/// Sets a phone up as it first starts, in its own cluster, and what DHCP tells it there.
///
/// # Errors
/// Its LSC cannot be made.
pub(super) fn phone(
    scenario: &Scenario,
    lab: &mut Lab,
    group: &PhoneGroup,
    number: usize,
    pace: Pace,
    forced: Option<(Key, i64)>,
    keys: &mut KeyPool,
) -> Result<(PhoneSetup, Scope), ClusterError> {
    let device = model::device_name(number);
    let identity = Identity {
        certificate: certificates(scenario, lab, group, &device, keys)?,
        device,
        model: group.model.value.clone(),
    };
    let profile = profile(group.profile);
    let servers: Vec<Ipv4Addr> = scenario
        .cluster(&group.cluster.value)
        .into_iter()
        .flat_map(|c| c.nodes_running(model::Service::Tftp))
        .filter_map(|n| Some(lab.address(lab.host(&n.name.value)?)))
        .take(2)
        .collect();
    let setup = PhoneSetup {
        identity,
        profile,
        settings: settings(profile.settings(), scenario, forced),
        pace,
        clock: scenario.date.value,
        clock_ahead: 0,
        // A phone that takes a lease has none by hand.
        option_150: if scenario.dhcp.on {
            Vec::new()
        } else {
            servers.clone()
        },
        dhcp: scenario.dhcp.on.then_some(DhcpSetup {
            seed: scenario.seed,
            holds_address: true,
            lease: None,
        }),
        cause: BootCause::Power,
    };
    let scope = Scope {
        option_150: servers,
        ..Scope::default()
    };
    Ok((setup, scope))
}

/// Starts the DHCP server of the phones, if there is one.
pub(super) fn start_dhcp(scenario: &Scenario, lab: &mut Lab, phones: &[LabPhone]) {
    if !scenario.dhcp.on {
        return;
    }
    let each = phones.iter().enumerate().filter_map(|(index, p)| {
        let mac = Mac::of_device(&p.setup.identity.device)?;
        Some((mac, phone_address(index + 1), p.scope.clone()))
    });
    // Two servers and names of nodes fit, and each phone has a number of its own.
    let started = lab.start_dhcp(each, scenario.dhcp.lease_seconds);
    debug_assert!(started.is_ok(), "{started:?}");
}

fn profile(p: FirmwareProfile) -> &'static Profile {
    // Every word of the closed list has a profile; a test says so.
    Profile::named(p.as_str()).unwrap_or(&crate::phone::profile::PROFILES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_firmware_profile_exists() {
        for p in FirmwareProfile::ALL {
            assert_eq!(profile(*p).name, p.as_str());
        }
    }
}
