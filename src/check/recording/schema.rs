//! The JSON of a recording.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::check::evidence::{Door, Known};

/// Version of all three kinds of file.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// Something that was looked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Look<T> {
    /// What it is.
    Is(T),
    /// Why it is not known.
    Unknown(String),
}

impl<T, U: From<T>> From<Look<T>> for Known<U> {
    fn from(look: Look<T>) -> Self {
        match look {
            Look::Is(value) => Self::Yes(value.into()),
            Look::Unknown(why) => Self::No(why),
        }
    }
}

impl<T> Look<T> {
    pub(super) fn of<U>(known: &Known<U>, make: impl FnOnce(&U) -> T) -> Self {
        match known {
            Known::Yes(value) => Self::Is(make(value)),
            Known::No(why) => Self::Unknown(why.clone()),
        }
    }
}

/// `cluster.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) schema_version: u32,
    pub(super) name: String,
    pub(super) nodes: Vec<ListedNode>,
    pub(super) parameters: ParametersFile,
    pub(super) failures: Vec<String>,
    /// What was concluded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListedNode {
    pub(super) name: String,
    pub(super) folder: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParametersFile {
    pub(super) auto_registration: Look<bool>,
    pub(super) prepare_for_rollback: Look<bool>,
    pub(super) cached_files: Look<Vec<String>>,
}

/// `node.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeFile {
    pub(super) schema_version: u32,
    pub(super) name: String,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) tftp: Service,
    pub(super) http: Service,
    pub(super) https: Service,
    pub(super) callmanager: Look<DoorWord>,
    /// By TCP port, where it was looked at so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) callmanager_ports: BTreeMap<u16, Look<DoorWord>>,
    pub(super) certificates: Vec<Own>,
    pub(super) stores: BTreeMap<String, Look<Vec<Body>>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    pub(super) kind: String,
    pub(super) file: Body,
    /// True if nobody exported it, and only lists name it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) listed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub(super) door: Look<DoorWord>,
    pub(super) certificate: Option<Body>,
    pub(super) replies: BTreeMap<String, Look<Said>>,
    pub(super) others: Look<Said>,
    /// True if nobody asked, and the door counts as open because files lie in a folder.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) concluded: bool,
}

/// A file of the recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Its path below the node's folder.
    pub(super) path: String,
    /// Its size.
    pub(super) bytes: usize,
    /// Its SHA-256 in hex.
    pub(super) sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Said {
    File(Body),
    NotFound,
    Status(u16),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DoorWord {
    Open,
    Refused,
    Silent,
}

impl From<DoorWord> for Door {
    fn from(word: DoorWord) -> Self {
        match word {
            DoorWord::Open => Self::Open,
            DoorWord::Refused => Self::Refused,
            DoorWord::Silent => Self::Silent,
        }
    }
}

impl From<Door> for DoorWord {
    fn from(door: Door) -> Self {
        match door {
            Door::Open => Self::Open,
            Door::Refused => Self::Refused,
            Door::Silent => Self::Silent,
        }
    }
}

/// `tvs.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tvs {
    pub(super) schema_version: u32,
    pub(super) port: Option<u16>,
    pub(super) door: Look<DoorWord>,
    pub(super) certificate: Look<Body>,
    pub(super) replies: Vec<Asked>,
    pub(super) others: Look<Answer>,
    /// True if nobody asked it: it has no answers here, and what its certificates and trust stores let
    /// conclude is concluded when this is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) derived: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Issuer as lists write it, for people where `issuer_hex` is there.
    pub(super) issuer: String,
    /// The same in hex, where it is no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) issuer_hex: Option<String>,
    /// Serial number in hex.
    pub(super) serial: String,
    pub(super) answer: Look<Answer>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Found {
        certificate: Body,
        roles: Vec<u8>,
        ttl_secs: u32,
    },
    Unknown,
    Closed,
}

/// Reads one of the files.
///
/// # Errors
/// A sentence: where it is damaged, or of another version.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], path: &str) -> Result<T, String> {
    /// What every version has.
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
    }
    let wrong = |e: serde_json::Error| {
        format!("{path} is not a recording's: {e}; record the cluster again")
    };
    let version: Version = serde_json::from_slice(bytes).map_err(wrong)?;
    if version.schema_version != SCHEMA_VERSION {
        return Err(format!(
            "{path}: version {} of recordings, expected {SCHEMA_VERSION}; record the cluster again",
            version.schema_version
        ));
    }
    serde_json::from_slice(bytes).map_err(wrong)
}

/// Bytes of hex digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let pair = |pair: &[u8]| match pair {
        [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
        }
        _ => None,
    };
    pairs.map(pair).collect()
}
