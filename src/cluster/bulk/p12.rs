//! PKCS#12 files that hold certificates only (RFC 7292).
//!
//! The encryption, the MAC and the parsing are `p12-keystore`'s. Before it works on a file, the
//! file's shape is checked, inside its encrypted parts too: that bounds what the library is made to
//! do, and sees what it accepts in silence, a file without a MAC. The library takes the salts of a
//! file from the system's randomness, so two files of the same certificates differ; nothing else
//! here is random.

mod decrypt;
mod kept;
mod shape;

use p12_keystore::error::Error;
use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12Archive,
};
use thiserror::Error;

use crate::trust::certificate::escape_for_terminal;
use shape::Shape;

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;
/// The most certificates that a file may hold.
pub const MAX_CERTIFICATES: usize = 1_000;
/// Rounds of key derivation in a file, unless told otherwise: what OpenSSL writes.
pub const DEFAULT_ROUNDS: u32 = 2_048;
/// The most rounds that one key is written with; the library reads no more.
pub const MAX_ROUNDS: u32 = 1_000_000;
/// The most rounds that all the keys of one file may ask for together: about a second of work.
/// Browsers write 600,000 for the MAC and as many for the certificates.
pub const MAX_ROUNDS_OF_FILE: u64 = 2_000_000;

/// How a file is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC, MAC with SHA-256: OpenSSL 3 and Java 17.
    #[default]
    Modern,
    /// SHA-1 and three-key triple DES, MAC with SHA-1: old tools read it, and new ones without
    /// asking.
    TripleDes,
    /// SHA-1 and RC2 with 40 bits, MAC with SHA-1: old tools; OpenSSL 3 wants `-legacy`.
    Rc2,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Modern, Self::TripleDes, Self::Rc2];

    /// The word in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::TripleDes => "triple-des",
            Self::Rc2 => "rc2",
        }
    }
}

/// A certificate in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct P12Entry {
    /// The friendlyName; OpenSSL writes none unless told to.
    pub alias: Option<String>,
    /// The certificate, DER.
    pub der: Vec<u8>,
}

/// What a file holds, whatever is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The certificates, in the file's order.
    pub entries: Vec<P12Entry>,
    /// False if nothing protects the file from changes.
    pub has_mac: bool,
    /// How many private and secret keys there are beside the certificates.
    pub keys: usize,
}

/// Why a file cannot be used, or cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum P12Error {
    /// It is larger than anything that is read.
    #[error("{bytes} bytes, more than the limit of {MAX_BYTES}")]
    TooLarge {
        /// Its size in bytes.
        bytes: u64,
    },
    /// It holds too many certificates.
    #[error("{count} certificates, more than the limit of {MAX_CERTIFICATES}")]
    TooManyCertificates {
        /// How many.
        count: usize,
    },
    /// Its keys take too long to derive, or are to be derived in no round at all.
    #[error("{rounds} rounds of key derivation, expected 1 to {limit}")]
    TooManyRounds {
        /// How many.
        rounds: u64,
        /// The limit.
        limit: u64,
    },
    /// The bytes are not PKCS#12.
    #[error("not a PKCS#12 file, or not all of one: expected {what}")]
    NotPkcs12 {
        /// What was expected and not there.
        what: &'static str,
    },
    /// The MAC does not hold.
    #[error("the password is wrong, or the file was changed: its MAC does not hold")]
    WrongPassword,
    /// What is inside cannot be read, although the MAC holds or there is none.
    #[error("damaged, or the password is wrong: {0}")]
    Damaged(String),
    /// It is encrypted in a way that is not known here.
    #[error(
        "{0} is of a kind that is not known here; write it with PBES2 (PBKDF2, AES), triple DES or RC2, and a plain HMAC"
    )]
    Unsupported(String),
    /// It has no MAC, so nobody can say whether it was changed.
    #[error("it has no MAC, so nothing protects it from changes: write it again with one")]
    NoMac,
    /// It holds private keys, which an exchange of certificates never needs.
    #[error("it holds private or secret keys ({0}): write it again with certificates only")]
    HoldsKeys(usize),
    /// Two entries have one name.
    #[error("two entries are called `{}`", escape_for_terminal(.0.as_bytes()))]
    DuplicateAlias(String),
    /// An entry that is to be written has no name, or one that the format has no characters for.
    #[error("`{}` cannot be the name of an entry", escape_for_terminal(.0.as_bytes()))]
    Alias(String),
}

/// Writes certificates into a file. The entries come to stand in the order of their aliases, which
/// all must have, no two the same whatever their case (Java makes no difference).
///
/// # Errors
/// [`P12Error`]: an alias that is missing, double or not writable; more certificates, bytes or
/// rounds than are read back; bytes that are no certificate.
pub fn write(
    entries: &[P12Entry],
    password: &str,
    form: Form,
    rounds: u32,
) -> Result<Vec<u8>, P12Error> {
    if entries.len() > MAX_CERTIFICATES {
        return Err(P12Error::TooManyCertificates {
            count: entries.len(),
        });
    }
    if !(1..=MAX_ROUNDS).contains(&rounds) {
        return Err(P12Error::TooManyRounds {
            rounds: rounds.into(),
            limit: MAX_ROUNDS.into(),
        });
    }
    // Nothing protects a file with one round: only virtual time writes it.
    let content = (rounds == 1).then(|| kept::content(entries, password, form));
    if let Some(bytes) = content.as_ref().and_then(kept::written) {
        return Ok(bytes);
    }
    let mut store = KeyStore::new();
    let mut seen = std::collections::BTreeSet::new();
    for entry in entries {
        let alias = entry.alias.as_deref().unwrap_or_default();
        // A friendlyName is a BMPString: 16 bits a character.
        if alias.is_empty() || alias.chars().any(|c| u32::from(c) > 0xffff) {
            return Err(P12Error::Alias(alias.to_owned()));
        }
        if !seen.insert(alias.to_lowercase()) {
            return Err(P12Error::DuplicateAlias(alias.to_owned()));
        }
        let certificate = Certificate::from_der(&entry.der).map_err(damaged)?;
        store.add_entry(alias, KeyStoreEntry::Certificate(certificate));
    }
    let (encryption, mac) = match form {
        Form::Modern => (
            EncryptionAlgorithm::PbeWithHmacSha256AndAes256,
            MacAlgorithm::HmacSha256,
        ),
        Form::TripleDes => (
            EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc,
            MacAlgorithm::HmacSha1,
        ),
        // The library's name says RC4; what it writes is RC2.
        Form::Rc2 => (
            EncryptionAlgorithm::PbeWithShaAnd40BitRc4Cbc,
            MacAlgorithm::HmacSha1,
        ),
    };
    let bytes = store
        .writer(password)
        .encryption_algorithm(encryption)
        .encryption_iterations(rounds)
        .mac_algorithm(mac)
        .mac_iterations(rounds)
        .write()
        .map_err(damaged)?;
    if bytes.len() > MAX_BYTES {
        return Err(too_large(bytes.len()));
    }
    if let Some(content) = content {
        kept::keep(content, &bytes, password);
    }
    Ok(bytes)
}

/// Reads a file that is to be used: certificates only, protected by a MAC.
///
/// # Errors
/// [`P12Error`], among them [`P12Error::NoMac`] and [`P12Error::HoldsKeys`].
pub fn read(bytes: &[u8], password: &str) -> Result<Vec<P12Entry>, P12Error> {
    kept::read(bytes, password, || read_anew(bytes, password))
}

fn read_anew(bytes: &[u8], password: &str) -> Result<Vec<P12Entry>, P12Error> {
    let shape = checked(bytes)?;
    if !shape.has_mac {
        return Err(P12Error::NoMac);
    }
    // Where keys stand as everywhere, in a part of their own, they are not even decrypted.
    if shape.keys > 0 {
        return Err(P12Error::HoldsKeys(shape.keys));
    }
    let contents = opened(bytes, password, shape)?;
    if contents.keys > 0 {
        return Err(P12Error::HoldsKeys(contents.keys));
    }
    Ok(contents.entries)
}

/// Reads a file that is only to be looked at: one without a MAC is read too, and so is one with
/// keys, which are counted and dropped.
///
/// # Errors
/// [`P12Error`].
pub fn open(bytes: &[u8], password: &str) -> Result<Contents, P12Error> {
    opened(bytes, password, checked(bytes)?)
}

/// True if the bytes begin as a PKCS#12 file does: a SEQUENCE of version 3 and another SEQUENCE. No
/// certificate begins so.
pub fn looks_like(bytes: &[u8]) -> bool {
    let [0x30, length, rest @ ..] = bytes else {
        return false;
    };
    // Lengths of more than one byte say how many follow; 0x80 ends with a mark.
    let more = match length {
        0x00..=0x80 => 0,
        _ => usize::from(length & 0x7f),
    };
    let content = rest.get(more..).unwrap_or_default();
    content.starts_with(&[0x02, 0x01, 0x03, 0x30])
}

fn checked(bytes: &[u8]) -> Result<Shape<'_>, P12Error> {
    if bytes.len() > MAX_BYTES {
        return Err(too_large(bytes.len()));
    }
    shape::check(bytes)
}

fn opened(bytes: &[u8], password: &str, mut shape: Shape<'_>) -> Result<Contents, P12Error> {
    shape.look_inside(password)?;
    let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| match error {
        Error::MacError(_) => P12Error::WrongPassword,
        // The encryption is known, or the shape would not have passed.
        Error::UnsupportedEncryptionScheme | Error::UnsupportedMacAlgorithm => {
            P12Error::Unsupported("its MAC".to_owned())
        }
        other => damaged(other),
    })?;
    if archive.certs.len() > MAX_CERTIFICATES {
        return Err(P12Error::TooManyCertificates {
            count: archive.certs.len(),
        });
    }
    let entry = |bag: p12_keystore::CertificateBag| P12Entry {
        alias: bag.friendly_name,
        der: bag.cert.as_der().to_vec(),
    };
    Ok(Contents {
        // A key that the library cannot decrypt is not in its archive, but in the shape.
        keys: (archive.keys.len() + archive.secrets.len()).max(shape.keys),
        entries: archive.certs.into_iter().map(entry).collect(),
        has_mac: shape.has_mac,
    })
}

fn too_large(bytes: usize) -> P12Error {
    P12Error::TooLarge {
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
    }
}

fn damaged(error: Error) -> P12Error {
    P12Error::Damaged(error.to_string().to_lowercase())
}

#[cfg(test)]
mod tests;
