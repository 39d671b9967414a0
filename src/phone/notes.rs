//! The phone's own notes in flash (`state.json`): which configuration it took, what it showed, and,
//! by setting, the TVS answers that it keeps.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::time::{Time, UnixSeconds};
use crate::trust::search::{SignerId, hex};
use crate::trust::vouch::Vouch;
use crate::wire::Role;

/// The notes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notes {
    /// Version of this file.
    pub(super) schema_version: u32,
    /// The device.
    pub(super) device: String,
    /// Name of the configuration in flash, as it was asked for.
    pub(super) config_file: Option<String>,
    /// Status messages, oldest first.
    pub(super) status: Vec<String>,
    /// Kept TVS answers.
    pub(super) tvs_answers: Vec<KeptAnswer>,
    /// The last lease, if it ever had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<KeptLease>,
}

/// What is kept of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptLease {
    /// The phone's address.
    pub(super) address: Ipv4Addr,
    /// The DHCP server.
    pub(super) dhcp_server: Ipv4Addr,
    /// The servers that it named; empty if it named none.
    pub(super) servers: Vec<Ipv4Addr>,
}

/// A kept TVS answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptAnswer {
    subject: String,
    issuer: String,
    serial: String,
    certificate: String,
    roles: Vec<u16>,
    ttl_secs: u32,
    expires_us: u64,
    /// What the wall clock was at the world's start when the answer came: it moves when the clock
    /// jumps.
    clock: UnixSeconds,
    server: String,
}

impl KeptAnswer {
    pub(super) fn of(v: &Vouch, clock: UnixSeconds) -> Self {
        Self {
            subject: hex(&v.signer.subject),
            issuer: hex(&v.signer.issuer),
            serial: hex(&v.signer.serial),
            certificate: hex(&v.certificate),
            roles: v.roles.iter().map(|r| r.code()).collect(),
            ttl_secs: v.ttl_secs,
            expires_us: v.expires.as_micros(),
            clock,
            server: v.server.clone(),
        }
    }

    /// How far the wall clock has jumped since the answer came, in seconds.
    pub(super) fn jumped(&self, clock: UnixSeconds) -> i64 {
        let forward = i64::try_from(clock.saturating_sub(self.clock)).unwrap_or(i64::MAX);
        let back = i64::try_from(self.clock.saturating_sub(clock)).unwrap_or(i64::MAX);
        forward - back
    }

    pub(super) fn vouch(&self) -> Option<Vouch> {
        Some(Vouch {
            signer: SignerId {
                subject: unhex(&self.subject)?,
                issuer: unhex(&self.issuer)?,
                serial: unhex(&self.serial)?,
            },
            certificate: unhex(&self.certificate)?.into(),
            roles: self.roles.iter().map(|&c| Role::from_code(c)).collect(),
            ttl_secs: self.ttl_secs,
            expires: Time::from_micros(self.expires_us),
            server: self.server.clone(),
        })
    }
}

impl Notes {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    }

    pub(super) fn emit(&self) -> Vec<u8> {
        // Strings, numbers and lists of them always serialise.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |c: &[u8]| u8::from_str_radix(std::str::from_utf8(c).ok()?, 16).ok();
    let bytes = text.as_bytes();
    bytes.len().is_multiple_of(2).then_some(())?;
    bytes.chunks(2).map(pair).collect()
}
