//! From a scenario to a lab: clusters with their certificates, and phones.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::model::{self, FirmwareProfile, Mode, PhoneGroup, PhoneSecurity, Scenario};
use super::registry::{parameter_of, value_of};
use super::words::ClosedWord;
use crate::cluster::{
    BlankItl, Cluster, ClusterError, ClusterMode, ClusterSettings, ClusterSpec, HttpMissing,
    KeyBits, KeyPool, Lab, LscTrustedBy, NodeSpec, Parameter, Parameters, Release, RolesOfStore,
    ServerNames, Service,
};
use crate::phone::{BootCause, DeviceIdentity, Identity, Pace, PhoneSetup, Profile};
use crate::trust::rules::{
    self, DigestScope, HttpsRecord, Key, Settings, SignerKeyBits, SignerVersion, TvsRestartNeeded,
    TvsRolesOfStore,
};
use crate::wire::phone_config::SecurityMode;

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
                cluster.add_phone(&model::device_name(number), security(group.security))?;
            }
        }
        for (device, _) in site.phones.iter().filter(|(_, id)| *id == c.id.value) {
            cluster.add_phone(device, SecurityMode::NonSecure)?;
        }
        clusters.push(cluster);
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

/// Sets a phone up as it first starts, in its own cluster.
///
/// # Errors
/// Its LSC cannot be made.
pub(super) fn phone(
    scenario: &Scenario,
    lab: &Lab,
    group: &PhoneGroup,
    number: usize,
    pace: Pace,
    forced: Option<(Key, i64)>,
    keys: &mut KeyPool,
) -> Result<PhoneSetup, ClusterError> {
    let device = model::device_name(number);
    let identity = Identity {
        certificate: match lab.cluster_index(&group.cluster.value) {
            Some(home) if group.lsc => {
                let name = format!("{}-{device}", group.model.value);
                let date = scenario.date.value;
                let lsc = lab.clusters()[home].issue_lsc(&name, date, keys)?;
                Some(DeviceIdentity {
                    kind: "LSC",
                    certificate: lsc.public.der.as_slice().into(),
                    key: lsc.key.pkcs8().into(),
                })
            }
            _ => None,
        },
        device,
        model: group.model.value.clone(),
    };
    let profile = profile(group.profile);
    let option_150 = scenario
        .cluster(&group.cluster.value)
        .into_iter()
        .flat_map(|c| c.nodes_running(model::Service::Tftp))
        .filter_map(|n| Some(lab.address(lab.host(&n.name.value)?)))
        .take(2)
        .collect();
    Ok(PhoneSetup {
        identity,
        profile,
        settings: settings(profile.settings(), scenario, forced),
        pace,
        clock: scenario.date.value,
        clock_ahead: 0,
        option_150,
        cause: BootCause::Power,
    })
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
