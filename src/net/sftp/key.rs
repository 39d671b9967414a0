//! SSH keys: the server's, what a client pins, and what an account may log in with.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use russh::keys::ssh_key;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey, decode_secret_key};
use thiserror::Error;

/// A host key's SHA-256, as `ssh-keygen -l` prints it: `SHA256:` and 43 letters of Base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(ssh_key::Fingerprint);

impl Fingerprint {
    fn of(key: &PublicKey) -> Self {
        Self(key.fingerprint(HashAlg::Sha256))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Fingerprint {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text.trim().parse() {
            Ok(fingerprint @ ssh_key::Fingerprint::Sha256(_)) => Ok(Self(fingerprint)),
            _ => Err(KeyError::Fingerprint),
        }
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not a fingerprint as `ssh-keygen -l` prints it.
    #[error("expected SHA256: and 43 letters, as ssh-keygen -l prints them")]
    Fingerprint,
    /// Not a line of a public key.
    #[error("expected a public key's line, like that of a .pub file: ssh-rsa AAAA...")]
    Public,
    /// The private key is behind a pass phrase.
    #[error("it is behind a pass phrase; give one without")]
    Locked,
    /// Not a private key in a form that is known.
    #[error("expected a private key in PEM: OpenSSH's form, PKCS#8 or PKCS#1")]
    Private,
}

/// The key that a server has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// Its SHA-256.
    pub fingerprint: Fingerprint,
    /// Its type by the SSH name, such as `ssh-rsa`.
    pub algorithm: String,
    /// Type and key as a `.pub` file or `known_hosts` has them.
    pub line: String,
}

impl HostKey {
    pub(super) fn of(key: &PublicKey) -> Self {
        Self {
            fingerprint: Fingerprint::of(key),
            algorithm: key.algorithm().to_string(),
            line: key.to_openssh().unwrap_or_default(),
        }
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.fingerprint, self.algorithm)
    }
}

/// The host key that a server must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedKey {
    fingerprint: Fingerprint,
    /// Known where the whole key was given. A server that has several is then asked for this one.
    algorithm: Option<Algorithm>,
}

impl PinnedKey {
    /// What must be found.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn algorithm(&self) -> Option<&Algorithm> {
        self.algorithm.as_ref()
    }
}

impl From<Fingerprint> for PinnedKey {
    fn from(fingerprint: Fingerprint) -> Self {
        Self {
            fingerprint,
            algorithm: None,
        }
    }
}

impl FromStr for PinnedKey {
    type Err = KeyError;

    /// From a fingerprint, or from a public key's line.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with("SHA256:") {
            return text.parse().map(Fingerprint::into);
        }
        let key = PublicKey::from_openssh(text).map_err(|_| KeyError::Public)?;
        Ok(Self {
            fingerprint: Fingerprint::of(&key),
            algorithm: Some(key.algorithm()),
        })
    }
}

/// A public key that an account may log in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedKey(PublicKey);

impl AuthorizedKey {
    pub(super) fn is(&self, key: &PublicKey) -> bool {
        // The comment is no part of a key.
        self.0.key_data() == key.key_data()
    }
}

impl FromStr for AuthorizedKey {
    type Err = KeyError;

    /// From the line of a `.pub` file.
    fn from_str(line: &str) -> Result<Self, KeyError> {
        let key = PublicKey::from_openssh(line.trim()).map_err(|_| KeyError::Public)?;
        Ok(Self(key))
    }
}

/// A server's host key.
#[derive(Clone)]
pub struct ServerKey(PrivateKey);

impl ServerKey {
    /// The lab's RSA-2048 key. It is published with the source: it proves nothing to anybody. It is
    /// an RSA key because a CUCM's bulk exchange takes no other (SG125X, 12.5SU5: rsa-sha2-256).
    ///
    /// # Errors
    /// Never in a build whose tests have passed.
    pub fn lab() -> Result<Self, KeyError> {
        Self::from_pem(include_str!("../../../testdata/sftp/host-rsa.pem"))
    }

    /// Another one of the lab's, for a server whose key has changed. It is published too.
    ///
    /// # Errors
    /// Never in a build whose tests have passed.
    pub fn lab_other() -> Result<Self, KeyError> {
        Self::from_pem(include_str!("../../../testdata/sftp/host-other.pem"))
    }

    /// A private key in OpenSSH's form, PKCS#8 or PKCS#1.
    ///
    /// # Errors
    /// [`KeyError::Locked`] or [`KeyError::Private`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        private(pem).map(Self)
    }

    /// The key as a client sees it.
    pub fn host_key(&self) -> HostKey {
        HostKey::of(self.0.public_key())
    }

    pub(super) fn private(&self) -> &PrivateKey {
        &self.0
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerKey({})", self.host_key())
    }
}

/// A login key.
pub(super) fn login(pem: &str) -> Result<Arc<PrivateKey>, KeyError> {
    private(pem).map(Arc::new)
}

fn private(pem: &str) -> Result<PrivateKey, KeyError> {
    let key = decode_secret_key(pem, None).map_err(|error| match error {
        russh::keys::Error::KeyIsEncrypted => KeyError::Locked,
        _ => KeyError::Private,
    })?;
    if key.is_encrypted() {
        return Err(KeyError::Locked);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = include_str!("../../../testdata/sftp/host-rsa.pub");
    /// By `ssh-keygen -lf testdata/sftp/host-rsa.pub`.
    const FINGERPRINT: &str = "SHA256:Hn/JuDPnWla+gUsSGmLCaBuJbp/u+rzSTjQPnucLWr8";

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        let key = ServerKey::lab().unwrap().host_key();
        assert_eq!(key.fingerprint.to_string(), FINGERPRINT);
        assert_eq!(key.algorithm, "ssh-rsa");
        assert!(HOST.starts_with(&key.line), "{}", key.line);
        assert_eq!(FINGERPRINT.parse(), Ok(key.fingerprint));
        let pinned: PinnedKey = HOST.parse().unwrap();
        assert_eq!(pinned.fingerprint(), key.fingerprint);
        let pinned: PinnedKey = FINGERPRINT.parse().unwrap();
        assert_eq!(pinned.fingerprint(), key.fingerprint);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "SHA256:",
            "SHA256:AAAA",
            "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
            "ssh-rsa",
            "ssh-rsa AAAA",
            "ssh-rsa \u{1F511}",
        ] {
            assert!(text.parse::<PinnedKey>().is_err(), "{text:?}");
            assert!(text.parse::<Fingerprint>().is_err(), "{text:?}");
            assert!(text.parse::<AuthorizedKey>().is_err(), "{text:?}");
        }
        assert_eq!(ServerKey::from_pem("").unwrap_err(), KeyError::Private);
        assert_eq!(ServerKey::from_pem(HOST).unwrap_err(), KeyError::Private);
    }

    #[test]
    fn private_keys_are_read_in_their_forms() {
        for pem in [
            include_str!("../../../testdata/sftp/host-other.pem"),
            include_str!("../../../testdata/sftp/login-ed25519.pem"),
            include_str!("../../../testdata/sftp/login-rsa.pem"),
        ] {
            login(pem).unwrap();
            // Cut anywhere, it is an error and no panic.
            for end in (0..pem.len() - 40).step_by(37) {
                assert!(login(&pem[..end]).is_err(), "{end}");
            }
        }
        let locked = include_str!("../../../testdata/sftp/login-locked.pem");
        assert_eq!(login(locked).unwrap_err(), KeyError::Locked);
    }
}
