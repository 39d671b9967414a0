//! What a client is told: the SFTP form of the page, and how careful to be.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use russh::keys::{Algorithm, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

use super::key::PinnedKey;
use crate::cluster::bulk::p12;

/// Where a client goes and as whom: the fields of the page (PCD15: server, port, user, password,
/// directory), and what an SSH client needs besides.
#[derive(Clone, Debug)]
pub struct SftpSettings {
    /// A name or an address.
    pub host: String,
    /// SSH's own is 22.
    pub port: u16,
    /// The account.
    pub user: String,
    /// How it proves itself.
    pub login: Login,
    /// As the server knows it; relative to the account's home where it does not begin with `/`,
    /// and the home itself where it is empty.
    pub directory: String,
    /// Which server is the right one.
    pub host_key: HostKeyPolicy,
    /// Which algorithms are offered.
    pub offer: Offer,
    /// How long each part may take.
    pub deadlines: Deadlines,
    /// How much is taken.
    pub limits: SizeLimits,
}

impl SftpSettings {
    /// Settings for a server whose host key is not known yet, with the usual deadlines and limits.
    pub fn new(
        host: impl Into<String>,
        port: u16,
        user: impl Into<String>,
        login: Login,
        directory: impl Into<String>,
    ) -> Self {
        Self {
            host: host.into(),
            port,
            user: user.into(),
            login,
            directory: directory.into(),
            host_key: HostKeyPolicy::FirstUse,
            offer: Offer::default(),
            deadlines: Deadlines::default(),
            limits: SizeLimits::default(),
        }
    }

    /// Host and port, for messages.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            return format!("[{}]:{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }
}

/// How an account proves itself.
#[derive(Clone)]
pub enum Login {
    /// A password.
    Password(String),
    /// A private key in PEM, without a pass phrase.
    Key(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(..)",
            Self::Key(_) => "Key(..)",
        })
    }
}

/// Which server is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// Whoever answers; [`SftpDirectory::host_key`](super::SftpDirectory::host_key) says who it
    /// was, to be pinned from then on.
    FirstUse,
    /// The one with this key.
    Pinned(PinnedKey),
}

/// Which algorithms a client offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// What a present client offers, the strongest first.
    #[default]
    Modern,
    /// What a CUCM 12.5SU5 offers (SG125X), so that a server that a CUCM cannot use fails here too:
    /// host key rsa-sha2-256 only, as its bulk exchange always asks; aes-ctr; hmac-sha2-256 and
    /// hmac-sha1; ecdh-sha2-nistp521 and -nistp384, then Diffie-Hellman with group 14, group 1 and
    /// group exchange. In which order a CUCM prefers them within a kind is not known; this is the
    /// order of the document.
    Cucm,
}

impl Offer {
    /// True if a key can be asked for with this offer. One of which only the fingerprint is known
    /// can be of any type.
    pub fn asks_for(self, key: &PinnedKey) -> bool {
        let preferred = self.preferred(None);
        key.algorithm()
            .is_none_or(|algorithm| preferred.key.iter().any(|o| is_of_type(o, algorithm)))
    }

    pub(super) fn preferred(self, pinned: Option<&PinnedKey>) -> Preferred {
        let mut preferred = match self {
            Self::Modern => Preferred::default(),
            Self::Cucm => Preferred {
                kex: Cow::Borrowed(&[
                    kex::ECDH_SHA2_NISTP521,
                    kex::ECDH_SHA2_NISTP384,
                    kex::DH_G14_SHA1,
                    kex::DH_G1_SHA1,
                    kex::DH_GEX_SHA256,
                    kex::DH_GEX_SHA1,
                ]),
                key: Cow::Borrowed(&[Algorithm::Rsa {
                    hash: Some(HashAlg::Sha256),
                }]),
                host_key_certificates: Cow::Borrowed(&[]),
                cipher: Cow::Borrowed(&[
                    cipher::AES_128_CTR,
                    cipher::AES_192_CTR,
                    cipher::AES_256_CTR,
                ]),
                mac: Cow::Borrowed(&[mac::HMAC_SHA256, mac::HMAC_SHA1]),
                compression: Cow::Borrowed(&[compression::NONE]),
            },
        };
        // A server with several keys shows the first that is asked for, so a pinned one is asked
        // for alone.
        if let Some(pinned) = pinned.and_then(PinnedKey::algorithm) {
            let offered = preferred.key.iter();
            let key: Vec<_> = offered
                .filter(|offered| is_of_type(offered, pinned))
                .cloned()
                .collect();
            // Where the offer has none of that type, it stays, and the keys will differ.
            if !key.is_empty() {
                preferred.key = Cow::Owned(key);
            }
        }
        preferred
    }
}

/// How long each part may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For the host's address and the TCP connection.
    pub connect: Duration,
    /// From there until the directory is open: key exchange, login, start of SFTP.
    pub login: Duration,
    /// For one call: a listing, a whole file.
    pub call: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            login: Duration::from_secs(20),
            call: Duration::from_secs(30),
        }
    }
}

/// True if keys for two algorithms are of one type: with RSA the hash is no matter of the key.
fn is_of_type(offered: &Algorithm, pinned: &Algorithm) -> bool {
    match pinned {
        Algorithm::Rsa { .. } => matches!(offered, Algorithm::Rsa { .. }),
        other => offered == other,
    }
}

/// How much is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimits {
    /// Bytes of one file, either way. A consolidated file of a large cluster has some 100 KB.
    pub file_bytes: u64,
    /// Entries of the directory, of any kind.
    pub entries: usize,
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self {
            file_bytes: p12::MAX_BYTES as u64,
            entries: 10_000,
        }
    }
}
