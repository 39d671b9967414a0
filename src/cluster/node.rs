//! One node: its certificates, whether it runs, and the files it serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::spec::{NodeSpec, Service};
use super::store::Store;
use super::tvs::Entry;
use super::x509::{CertificateKind, LabCertificate, PublicCertificate};
use crate::time::UnixSeconds;
use crate::wire::phone_config::PhoneConfig;
use crate::wire::{Digest, Record};

/// A file that a node can be told to serve damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DamagedFile {
    /// The CTL, under all its names.
    Ctl,
    /// The ITL, under all its names.
    Itl,
    /// Phone configurations, signed and plain.
    Config,
}

impl DamagedFile {
    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ctl => "ctl",
            Self::Itl => "itl",
            Self::Config => "config",
        }
    }
}

/// What is done to a file on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The lowest bit of the byte at this offset is flipped. Without an offset, or with one past
    /// the end: of the byte in the middle, or of the last.
    FlipBit {
        /// Offset in bytes.
        at: Option<usize>,
    },
    /// Only this many bytes are left, half of them without a number.
    Truncate {
        /// Bytes that are left.
        at: Option<usize>,
    },
    /// The file has no bytes.
    Empty,
}

impl Damage {
    /// The bytes as they are served.
    pub(super) fn apply(self, bytes: &Arc<[u8]>) -> Arc<[u8]> {
        match self {
            Self::FlipBit { at } => {
                let mut changed = bytes.to_vec();
                let at = at.unwrap_or(bytes.len() / 2);
                let at = at.min(bytes.len().saturating_sub(1));
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= 1;
                }
                changed.into()
            }
            Self::Truncate { at } => {
                let at = at.unwrap_or(bytes.len() / 2).min(bytes.len());
                bytes[..at].into()
            }
            Self::Empty => Arc::from([]),
        }
    }
}

/// A node as it is now.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) spec: NodeSpec,
    pub(super) certificates: BTreeMap<CertificateKind, LabCertificate>,
    /// How often each of its certificates was made anew.
    pub(super) generations: BTreeMap<CertificateKind, u32>,
    /// CAPF-trust does not replicate.
    pub(super) capf_trust: Store,
    /// How far its wall clock is ahead of the lab's date, in seconds.
    pub(super) clock_ahead: i64,
    pub(super) is_on: bool,
    pub(super) stopped: BTreeSet<Service>,
    /// What its TVS has loaded of the database.
    pub(super) tvs: Vec<Entry>,
    /// What its TFTP service has; none before the first publishing and without TFTP.
    pub(super) files: Option<Files>,
    /// What it goes on serving instead.
    pub(super) kept: Option<Files>,
    pub(super) damage: BTreeMap<DamagedFile, Damage>,
    /// What it answers over HTTP for these files, and for all where there is no file, whatever it
    /// has.
    pub(super) http_status: BTreeMap<Option<DamagedFile>, u16>,
}

impl Node {
    pub(super) fn new(spec: NodeSpec) -> Self {
        Self {
            spec,
            certificates: BTreeMap::new(),
            generations: BTreeMap::new(),
            capf_trust: Store::default(),
            clock_ahead: 0,
            is_on: true,
            stopped: BTreeSet::new(),
            tvs: Vec::new(),
            files: None,
            kept: None,
            damage: BTreeMap::new(),
            http_status: BTreeMap::new(),
        }
    }

    /// True if the service is the node's, started or not.
    pub(super) fn has(&self, service: Service) -> bool {
        self.spec.services.contains(&service)
    }

    pub(super) fn is_up(&self, service: Service) -> bool {
        self.is_on && self.has(service) && !self.stopped.contains(&service)
    }

    /// What its wall clock shows when the lab's date is `at`.
    pub(super) fn clock(&self, at: UnixSeconds) -> UnixSeconds {
        at.saturating_add_signed(self.clock_ahead)
    }

    /// Host name and address, for records.
    pub(super) fn place(&self) -> Option<(&str, std::net::Ipv4Addr)> {
        Some((&self.spec.name, self.spec.address))
    }
}

/// What a TFTP service has at one time.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) itl: Arc<[u8]>,
    /// What the ITL was made of: unchanged, it is not made anew (files are signed again when the
    /// data changed, Cisco security guide 14SU2).
    pub(super) itl_input: Arc<ItlInput>,
    pub(super) ctl: Option<Arc<[u8]>>,
    pub(super) config: Arc<ConfigSource>,
}

/// All that decides the bytes of an ITL, except the time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ItlInput {
    pub(super) signer: Arc<PublicCertificate>,
    pub(super) digest: Digest,
    pub(super) records: Vec<Record<Vec<u8>>>,
}

/// All that decides the bytes of phone configurations, except the phone.
#[derive(Debug)]
pub(super) struct ConfigSource {
    pub(super) signer: LabCertificate,
    pub(super) digest: Digest,
    pub(super) at: UnixSeconds,
    /// The configuration without a phone's own lines and without its version stamp.
    pub(super) base: PhoneConfig,
    pub(super) version_stamp: String,
    pub(super) is_mixed: bool,
    /// Where the keys of encrypted configurations come from.
    pub(super) seed: u64,
}
