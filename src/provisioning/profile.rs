//! Configuration profiles: from what a server sends to parameters.
//!
//! A profile is XML, `<flat-profile>` with one element a parameter. It may be compressed with gzip,
//! found by its first bytes, and encrypted after that: with AES-256-CBC as `openssl enc -k` does
//! it, or with `aes128gcm` of RFC 8188, which a header announces.
//!
//! Source: Cisco's 7832 guide, Provisioning Formats; `openssl enc` 3.0.19 (measured). Nothing is
//! unpacked past a bound, and a wrong key is told from a damaged profile as far as that is
//! possible: a wrong key passes the padding once in 256 times, so the plain text must begin as a
//! profile does.

use std::io::Read as _;

use flate2::bufread::GzDecoder;
use roxmltree::{Document, Node, ParsingOptions};
use thiserror::Error;

use super::settings::KeyDigest;

mod bounds;
mod decrypt;

/// Elements and texts of a profile, at most. A real one has some thousand. `bounds` has those of
/// attributes, which the reader of XML does not count.
const MAX_NODES: u32 = 200_000;

/// The first bytes of gzip (RFC 1952 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The content coding of RFC 8188.
pub const AES128GCM: &str = "aes128gcm";

/// How a profile may be wrapped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wrapping<'a> {
    /// The header `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// The pass phrase of the rule's `--key`: text, even if it looks like hex.
    pub key: Option<&'a str>,
    /// `IKM_HTTP_Encrypt_Content`, the keying material of RFC 8188.
    pub keying_material: Option<&'a [u8]>,
    /// Which digests make a key of the pass phrase.
    pub key_digest: KeyDigest,
    /// Bytes at most, after each step.
    pub max_bytes: usize,
}

/// What a profile sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The parameters, in order. A name may come again: the last one counts.
    pub parameters: Vec<Parameter>,
    /// How it was unwrapped, in order, such as `AES-256-CBC, key by SHA-256` and `gzip`.
    pub unwrapped: Vec<&'static str>,
    /// Bytes of its largest form: as it came, or unpacked.
    pub bytes: usize,
    /// Names of parameters whose value is not ASCII, which the guide does not allow.
    pub not_ascii: Vec<String>,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; case counts.
    pub name: String,
    /// Its value, without blanks at either end, newlines as blanks.
    pub value: String,
    /// The attribute `ua`: what the user may do with it.
    pub user_access: Option<String>,
}

impl Parameter {
    /// True for an empty element with `ua`: the value that the user has set stays.
    pub fn keeps_value(&self) -> bool {
        self.value.is_empty() && self.user_access.is_some()
    }
}

/// Why what came is no profile. All of these are the class "corrupt".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileFault {
    /// Too large, as it came or unpacked.
    #[error("the profile has more than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// Encrypted, and the rule has no key.
    #[error("the profile is encrypted (it begins with Salted__), and the rule has no --key")]
    NoKey,
    /// The rule has a key, and the profile is not encrypted.
    #[error("the rule has a --key, and the profile is not encrypted with openssl enc")]
    NotEncrypted,
    /// The cipher text is not made of whole blocks.
    #[error("the encrypted profile is cut off: {0} bytes after the salt are no whole blocks")]
    CutOff(usize),
    /// The key does not open it.
    #[error("the key does not open the profile: it was encrypted with another key")]
    WrongKey,
    /// RFC 8188, and the phone has no keying material.
    #[error("the profile is encrypted (aes128gcm), and IKM_HTTP_Encrypt_Content is not set")]
    NoKeyingMaterial,
    /// RFC 8188: the header of the body is damaged.
    #[error("the aes128gcm profile is damaged: {0}")]
    Aes128Gcm(&'static str),
    /// A content coding that the phone does not know.
    #[error("the profile has the content coding {0:?}, which the phone does not know")]
    ContentCoding(String),
    /// gzip does not unpack.
    #[error("the compressed profile is damaged: {0}")]
    Gzip(String),
    /// Not UTF-8.
    #[error("the profile is not UTF-8: byte {0} begins no character")]
    NotUtf8(usize),
    /// Not XML.
    #[error("the profile is no XML: {0}")]
    Xml(String),
    /// XML of something else.
    #[error("the profile's element is <{0}>, expected <flat-profile>, alone or inside <device>")]
    Root(String),
}

impl ProfileFault {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "profile-too-large",
            Self::NoKey | Self::NoKeyingMaterial => "profile-key-missing",
            Self::NotEncrypted => "profile-not-encrypted",
            Self::WrongKey => "profile-key-wrong",
            Self::ContentCoding(_) => "profile-coding-unknown",
            Self::CutOff(_)
            | Self::Aes128Gcm(_)
            | Self::Gzip(_)
            | Self::NotUtf8(_)
            | Self::Xml(_)
            | Self::Root(_) => "profile-corrupt",
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "shorten the profile, or raise provision.max_profile_bytes",
            Self::NoKey => "put [--key PHRASE] before the URL of the rule",
            Self::NoKeyingMaterial => "set IKM_HTTP_Encrypt_Content in an earlier profile",
            Self::NotEncrypted => "encrypt the profile, or take --key out of the rule",
            Self::WrongKey => {
                "use the phrase that openssl enc -aes-256-cbc -k was given, without -pbkdf2"
            }
            Self::ContentCoding(_) => "serve the profile without Content-Encoding",
            _ => "make the profile anew: xmllint shows what is wrong with its XML",
        }
    }
}

impl Profile {
    /// Unwraps and reads a profile.
    ///
    /// # Errors
    /// The first step that fails.
    pub fn read(body: &[u8], wrapping: &Wrapping<'_>) -> Result<Self, ProfileFault> {
        let limit = wrapping.max_bytes;
        if body.len() > limit {
            return Err(ProfileFault::TooLarge { limit });
        }
        let mut unwrapped = Vec::new();
        let mut plain = match wrapping.content_encoding.map(str::trim) {
            // The header goes before --key.
            Some(coding) if coding.eq_ignore_ascii_case(AES128GCM) => {
                let material = wrapping.keying_material;
                let material = material.ok_or(ProfileFault::NoKeyingMaterial)?;
                unwrapped.push("aes128gcm");
                decrypt::aes128gcm(body, material)?
            }
            Some("" | "identity") | None => Self::by_key(body, wrapping, &mut unwrapped)?,
            // gzip is found by its first bytes, whatever a header says.
            Some(coding)
                if ["gzip", "x-gzip"]
                    .iter()
                    .any(|g| coding.eq_ignore_ascii_case(g)) =>
            {
                Self::by_key(body, wrapping, &mut unwrapped)?
            }
            Some(other) => return Err(ProfileFault::ContentCoding(other.to_owned())),
        };
        if plain.starts_with(GZIP) {
            unwrapped.push("gzip");
            plain = gunzip(&plain, limit)?;
        }
        let text = std::str::from_utf8(&plain);
        let text = text.map_err(|e| ProfileFault::NotUtf8(e.valid_up_to()))?;
        let mut profile = Self::parse(text)?;
        profile.unwrapped = unwrapped;
        profile.bytes = plain.len().max(body.len());
        Ok(profile)
    }

    fn by_key(
        body: &[u8],
        wrapping: &Wrapping<'_>,
        unwrapped: &mut Vec<&'static str>,
    ) -> Result<Vec<u8>, ProfileFault> {
        let is_salted = body.starts_with(decrypt::SALTED);
        match wrapping.key {
            None if is_salted => Err(ProfileFault::NoKey),
            None => Ok(body.to_vec()),
            Some(_) if !is_salted => Err(ProfileFault::NotEncrypted),
            Some(key) => {
                let (plain, how) = decrypt::salted(body, key, wrapping.key_digest)?;
                unwrapped.push(how);
                Ok(plain)
            }
        }
    }

    /// A profile as `openssl enc -e -aes-256-cbc -k phrase` encrypts it, with this salt and a key by
    /// SHA-256.
    pub fn seal(plain: &[u8], phrase: &str, salt: &[u8; 8]) -> Vec<u8> {
        decrypt::seal(plain, phrase, salt)
    }

    /// Reads the XML of a profile.
    ///
    /// # Errors
    /// It is no XML, or of something else.
    pub fn parse(text: &str) -> Result<Self, ProfileFault> {
        let options = ParsingOptions {
            // A document type could define entities; no profile has one.
            allow_dtd: false,
            nodes_limit: MAX_NODES,
            ..ParsingOptions::default()
        };
        let text = text.trim_start_matches('\u{feff}').trim_start();
        bounds::check(text)?;
        let document = Document::parse_with_options(text, options);
        let document = document.map_err(|e| ProfileFault::Xml(e.to_string()))?;
        let root = document.root_element();
        let is_profile = |node: &Node<'_, '_>| node.has_tag_name("flat-profile");
        let root = match root.tag_name().name() {
            "flat-profile" => root,
            "device" => match root.children().find(is_profile) {
                Some(inner) => inner,
                None => return Err(ProfileFault::Root("device".into())),
            },
            other => return Err(ProfileFault::Root(other.to_owned())),
        };
        let mut profile = Self::default();
        for element in root.children().filter(Node::is_element) {
            // What holds further elements is no parameter.
            if element.children().any(|child| child.is_element()) {
                continue;
            }
            let parameter = parameter(element);
            if !parameter.value.is_ascii() {
                profile.not_ascii.push(parameter.name.clone());
            }
            profile.parameters.push(parameter);
        }
        Ok(profile)
    }
}

fn parameter(element: Node<'_, '_>) -> Parameter {
    // A comment splits a text in two.
    let texts = element
        .children()
        .filter_map(|child| match child.is_text() {
            true => child.text(),
            false => None,
        });
    let text: String = texts.collect();
    let value = text.replace("\r\n", "\n").replace(['\n', '\r'], " ");
    Parameter {
        name: element.tag_name().name().to_owned(),
        value: value.trim().to_owned(),
        user_access: element.attribute("ua").map(str::to_owned),
    }
}

fn gunzip(packed: &[u8], limit: usize) -> Result<Vec<u8>, ProfileFault> {
    let mut plain = Vec::new();
    let one_more = limit as u64 + 1;
    let read = GzDecoder::new(packed)
        .take(one_more)
        .read_to_end(&mut plain);
    read.map_err(|e| ProfileFault::Gzip(e.to_string()))?;
    match plain.len() > limit {
        true => Err(ProfileFault::TooLarge { limit }),
        false => Ok(plain),
    }
}

/// True if a plain text begins as a profile does: with gzip, or with XML.
fn begins_as_profile(plain: &[u8]) -> bool {
    let text = plain.strip_prefix(b"\xef\xbb\xbf").unwrap_or(plain);
    plain.starts_with(GZIP) || text.trim_ascii_start().starts_with(b"<")
}

#[cfg(test)]
mod tests;
