//! What a cluster is to be: its nodes, its mode, its parameters, and the settings for what no
//! source says.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use thiserror::Error;

use super::key::{KeyBits, KeyError};
use super::list::PublishError;
use super::release::Release;
use super::x509::CertificateKind;
use crate::wire::Digest;

/// A service that a node can run. TFTP, CallManager and CAPF are activated; TVS runs everywhere in
/// CUCM, and here on the nodes that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Signalling; phones register with it.
    CallManager,
    /// Files for phones.
    Tftp,
    /// The trust verification service.
    Tvs,
    /// Issues phone certificates.
    Capf,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::CallManager, Self::Tftp, Self::Tvs, Self::Capf];

    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::CallManager => "callmanager",
            Self::Tftp => "tftp",
            Self::Tvs => "tvs",
            Self::Capf => "capf",
        }
    }

    /// The service with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a cluster has a CTL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterMode {
    /// No CTL; the ITL says TFTP.
    #[default]
    NonSecure,
    /// A CTL; the ITL says CCM+TFTP.
    Mixed,
}

/// The name in scenarios.
impl fmt::Display for ClusterMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NonSecure => "non-secure",
            Self::Mixed => "mixed",
        })
    }
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Host name: letters, digits, `-`, `_`, `.`; at most 63.
    pub name: String,
    /// True for the one publisher.
    pub publisher: bool,
    /// What it runs.
    pub services: BTreeSet<Service>,
    /// Its address, which records and the TVS list carry.
    pub address: Ipv4Addr,
    /// TCP port of its TVS: 2445, or what a lab with one address needs.
    pub tvs_port: u16,
}

/// Enterprise parameters that trust depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Prepare Cluster for Rollback to Pre 8.0.
    pub prepare_cluster_for_rollback: bool,
    /// TFTP File Signature Algorithm; without a value the release's default.
    pub tftp_file_signature_algorithm: Option<Digest>,
    /// Whether CallManager takes phones that are not in the database. CUCM has it for each
    /// CallManager; here it is for all of them. Disabled unless an engineer enables it (6901 and
    /// 6911 Administration Guide).
    pub auto_registration: bool,
}

impl Parameters {
    /// Checks that the digest is one that keys sign with.
    pub(super) fn check(self) -> Result<(), ClusterError> {
        match self.tftp_file_signature_algorithm {
            Some(digest @ Digest::Other(_)) => Err(ClusterError::ParameterValue {
                name: "tftp-file-signature-algorithm".into(),
                value: digest.to_string(),
                expected: "sha1 or sha512",
            }),
            _ => Ok(()),
        }
    }
}

/// One enterprise parameter with its new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Prepare Cluster for Rollback to Pre 8.0.
    PrepareClusterForRollback(bool),
    /// TFTP File Signature Algorithm: SHA-1 or SHA-512.
    TftpFileSignatureAlgorithm(Digest),
    /// Auto-registration of phones that are not in the database.
    AutoRegistration(bool),
}

impl Parameter {
    /// Names of all parameters, as scenarios write them.
    pub const NAMES: [&str; 3] = [
        "prepare-cluster-for-rollback",
        "tftp-file-signature-algorithm",
        "auto-registration",
    ];

    /// A parameter from its name and a value in words: `true`, `false`, `sha1`, `sha512`.
    ///
    /// # Errors
    /// [`ClusterError::UnknownParameter`] or [`ClusterError::ParameterValue`].
    pub fn from_words(name: &str, value: &str) -> Result<Self, ClusterError> {
        let wrong = |expected| ClusterError::ParameterValue {
            name: clip(name),
            value: clip(value),
            expected,
        };
        match name {
            "prepare-cluster-for-rollback" => match value {
                "true" => Ok(Self::PrepareClusterForRollback(true)),
                "false" => Ok(Self::PrepareClusterForRollback(false)),
                _ => Err(wrong("true or false")),
            },
            "tftp-file-signature-algorithm" => match value {
                "sha1" => Ok(Self::TftpFileSignatureAlgorithm(Digest::Sha1)),
                "sha512" => Ok(Self::TftpFileSignatureAlgorithm(Digest::Sha512)),
                _ => Err(wrong("sha1 or sha512")),
            },
            "auto-registration" => match value {
                "true" => Ok(Self::AutoRegistration(true)),
                "false" => Ok(Self::AutoRegistration(false)),
                _ => Err(wrong("true or false")),
            },
            _ => Err(ClusterError::UnknownParameter { name: clip(name) }),
        }
    }
}

/// What a cluster is to be.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// Its name in the scenario; made of the same characters as a host name.
    pub id: String,
    /// Its release.
    pub release: Release,
    /// Its mode.
    pub mode: ClusterMode,
    /// Its nodes; one is the publisher.
    pub nodes: Vec<NodeSpec>,
    /// Names of the nodes in the phones' CallManager group, the first choice in front. Those that
    /// run TVS are also the phones' TVS servers.
    pub callmanager_group: Vec<String>,
    /// Enterprise parameters.
    pub parameters: Parameters,
}

/// Which roles a TVS gives to a certificate for the store it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RolesOfStore {
    /// Phone-SAST-trust gives SAST, CallManager-trust gives TFTP; both give both, as recorded in
    /// Cisco 213407.
    #[default]
    ByStore,
    /// CallManager-trust alone gives SAST and TFTP, as the engineers' advice to put ITLRecovery
    /// there only would need.
    CallManagerTrustGivesBoth,
}

/// Which store must hold another cluster's CAPF certificate, so that phones with its LSC register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LscTrustedBy {
    /// CallManager-trust, or CAPF-trust of the node.
    #[default]
    EitherStore,
    /// CallManager-trust, where a bulk import puts it (Cisco 215539).
    CallManagerTrust,
    /// CAPF-trust of the node (security guide 12.5(1)SU5).
    CapfTrust,
}

/// What the "empty" ITL of a rollback holds beside SAST and CAPF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlankItl {
    /// Nothing: phones of 12.5 are seen to list CAPF only.
    #[default]
    NoRecords,
    /// Records for TFTP and TVS without certificate, as in a CTL after mixed mode (Cisco 118892).
    EmptyRecords,
}

/// When the default configuration is served in its signed form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignedDefault {
    /// While auto-registration is enabled: the default is for phones that register by it (guides of
    /// 6900 to 7900 phones).
    #[default]
    AutoRegistration,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What CUCM answers over HTTP for a file that it does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpMissing {
    /// 503, as for the CTL of a non-secure cluster (EMCC technote).
    #[default]
    Unavailable,
    /// 404.
    NotFound,
}

/// What an administrator entered as the nodes' names (System > Server), which phone configurations
/// repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerNames {
    /// Host names, which phones resolve by DNS.
    #[default]
    HostName,
    /// Addresses, for a network without DNS.
    Address,
}

/// Choices where sources are silent or disagree. A registry of rules fills them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// `tvs.restart_needed`: TVS answers from what it loaded when it started. Cisco 213407 restarts
    /// TVS after an upload, the security guide says changes are reflected by themselves.
    pub tvs_restart_needed: bool,
    /// `tvs.roles_of_store`.
    pub roles_of_store: RolesOfStore,
    /// Life of a TVS answer in the phone, in seconds; 86,400 is recorded.
    pub tvs_ttl_secs: u32,
    /// `cluster.blank_itl`.
    pub blank_itl: BlankItl,
    /// `cluster.lsc_trusted_by`.
    pub lsc_trusted_by: LscTrustedBy,
    /// `cluster.signed_default`.
    pub signed_default: SignedDefault,
    /// `cluster.tftp_start_mends`: TFTP writes its files anew when it starts, so that none is
    /// damaged any more.
    pub tftp_start_mends: bool,
    /// `cluster.http_missing`.
    pub http_missing: HttpMissing,
    /// `cluster.https_record`: an ITL lists the EC certificate of HTTPS with role TFTP.
    pub https_record: bool,
    /// Size of CallManager and ITLRecovery keys; all others have 2048 bits.
    pub signer_key_bits: KeyBits,
    /// Whether TFTP File Signature Algorithm counts for CTL and ITL too.
    pub digest_applies_to_lists: bool,
    /// Signer version element of lists; without a value the release's.
    pub signer_version: Option<(u8, u8)>,
    /// Whether `CTLSEP<MAC>.tlv` and `ITLSEP<MAC>.tlv` of a phone without an entry in the database
    /// are served.
    pub lists_for_unknown_phones: bool,
    /// How long before the world's start the first certificates were made, in days.
    pub installed_days_ago: u32,
    /// How phone configurations name CallManager, TVS and CAPF.
    pub server_names: ServerNames,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            tvs_restart_needed: false,
            roles_of_store: RolesOfStore::default(),
            lsc_trusted_by: LscTrustedBy::default(),
            tvs_ttl_secs: 86_400,
            blank_itl: BlankItl::default(),
            signed_default: SignedDefault::default(),
            tftp_start_mends: true,
            http_missing: HttpMissing::default(),
            https_record: false,
            signer_key_bits: KeyBits::default(),
            digest_applies_to_lists: true,
            signer_version: None,
            lists_for_unknown_phones: true,
            installed_days_ago: 30,
            server_names: ServerNames::default(),
        }
    }
}

/// Why a cluster cannot be, or cannot do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClusterError {
    /// No node is the publisher, or more than one.
    #[error("cluster `{cluster}` has {count} publishers, expected 1")]
    Publishers {
        /// The cluster.
        cluster: String,
        /// How many it has.
        count: usize,
    },
    /// A name that no host has.
    #[error("`{name}` is no host name, expected 1 to 63 of letters, digits, `-`, `_`, `.`")]
    HostName {
        /// The name.
        name: String,
    },
    /// Two nodes have one name.
    #[error("cluster `{cluster}` has two nodes `{node}`")]
    NodeTwice {
        /// The cluster.
        cluster: String,
        /// The node.
        node: String,
    },
    /// A node that the cluster does not have.
    #[error("cluster `{cluster}` has no node `{node}`")]
    UnknownNode {
        /// The cluster.
        cluster: String,
        /// The node.
        node: String,
    },
    /// A service that runs on none of the nodes named.
    #[error("`{target}` does not run {service}")]
    UnknownService {
        /// The node or the cluster.
        target: String,
        /// The service.
        service: Service,
    },
    /// A parameter that is not known.
    #[error(
        "unknown parameter `{name}`, expected prepare-cluster-for-rollback, tftp-file-signature-algorithm or auto-registration"
    )]
    UnknownParameter {
        /// The name.
        name: String,
    },
    /// A value that the parameter cannot have.
    #[error("parameter {name}: found `{value}`, expected {expected}")]
    ParameterValue {
        /// The parameter.
        name: String,
        /// The value.
        value: String,
        /// What it could be.
        expected: &'static str,
    },
    /// A certificate that the node does not have in this release.
    #[error("`{node}` has no {kind} certificate of its own in release {release}")]
    NoCertificate {
        /// The node.
        node: String,
        /// The kind.
        kind: CertificateKind,
        /// The release.
        release: Release,
    },
    /// A CTL is asked for where there is none.
    #[error("cluster `{cluster}` is not in mixed mode, so it has no CTL")]
    NotMixed {
        /// The cluster.
        cluster: String,
    },
    /// A file that the node does not serve.
    #[error("`{node}` serves no {file}")]
    NoFile {
        /// The node.
        node: String,
        /// The file.
        file: &'static str,
    },
    /// A device name that no phone has.
    #[error("`{name}` is no device name, expected SEP and 12 hex digits in upper case")]
    DeviceName {
        /// The name.
        name: String,
    },
    /// A list or signed file cannot be made.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A certificate cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The start of a name from outside, for a message.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

impl ClusterSpec {
    /// Checks the names and that there is one publisher.
    pub(super) fn check(&self) -> Result<(), ClusterError> {
        // The cluster's name is the OU of its certificates.
        check_host_name(&self.id)?;
        self.parameters.check()?;
        let mut names = BTreeSet::new();
        for node in &self.nodes {
            check_host_name(&node.name)?;
            if !names.insert(&node.name) {
                return Err(ClusterError::NodeTwice {
                    cluster: self.id.clone(),
                    node: node.name.clone(),
                });
            }
        }
        let count = self.nodes.iter().filter(|n| n.publisher).count();
        if count != 1 {
            return Err(ClusterError::Publishers {
                cluster: self.id.clone(),
                count,
            });
        }
        match self.callmanager_group.iter().find(|n| !names.contains(n)) {
            None => Ok(()),
            Some(unknown) => Err(ClusterError::UnknownNode {
                cluster: self.id.clone(),
                node: clip(unknown),
            }),
        }
    }
}

/// Names go into certificates and lists, where `;` and `,` part them, and into file names.
pub(super) fn check_host_name(name: &str) -> Result<(), ClusterError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=63).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(ClusterError::HostName { name: clip(name) })
}
