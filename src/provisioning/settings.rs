//! What the sources leave open about a multiplatform phone, as named settings: each with its
//! choices, its source, and how sure it is.

use std::time::Duration;

use strsim::jaro_winkler;
use thiserror::Error;

use super::name::NameCheck;
use super::signed::{Hash, SignaturePolicy};
use crate::trust::rules::Basis;

/// One setting, as a list of them shows it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key.
    pub key: &'static str,
    /// What it decides.
    pub about: &'static str,
    /// What it may be; empty for a number within `range`.
    pub choices: &'static [&'static str],
    /// Smallest and largest number.
    pub range: (u64, u64),
    /// The number unless something sets it; of choices the first counts.
    pub default_number: u64,
    /// How sure the default is.
    pub basis: Basis,
    /// Where the default comes from.
    pub source: &'static str,
}

const fn words(
    key: &'static str,
    about: &'static str,
    choices: &'static [&'static str],
    basis: Basis,
    source: &'static str,
) -> Setting {
    Setting {
        key,
        about,
        choices,
        range: (0, 0),
        default_number: 0,
        basis,
        source,
    }
}

const fn number(
    key: &'static str,
    about: &'static str,
    range: (u64, u64),
    default_number: u64,
    basis: Basis,
    source: &'static str,
) -> Setting {
    Setting {
        key,
        about,
        choices: &[],
        range,
        default_number,
        basis,
        source,
    }
}

/// The least that `provision.max_profile_bytes` can be: no choice of it refuses a profile so small.
pub(super) const LEAST_PROFILE_BOUND: usize = 1_024;

/// All settings, in the order of a resync. The default is the first choice.
pub const TABLE: &[Setting] = &[
    words(
        "provision.name_check",
        "which name of the server's certificate counts: the common name up to the first slash, or \
         libcurl's rules with the URL's host",
        &["sipura", "mpp113"],
        Basis::Inferred,
        "8832 guide, HTTPS provisioning; 7832 guide 11.3, security",
    ),
    words(
        "provision.dns_check",
        "whether the server's address must be one that DNS gives for the certificate's name",
        &["required", "skipped"],
        Basis::Documented,
        "8832 guide, HTTPS provisioning",
    ),
    words(
        "provision.dns_aaaa",
        "whether AAAA records count for a server at an IPv6 address",
        &["counted", "ignored"],
        Basis::Assumed,
        "the guides speak of a DNS lookup, elsewhere of A records",
    ),
    words(
        "provision.dates",
        "whether the phone's clock must lie between the dates of each certificate",
        &["enforced", "ignored"],
        Basis::Assumed,
        "the guides say nothing; libcurl enforces them",
    ),
    number(
        "provision.min_rsa_bits",
        "the smallest RSA key in the server's chain",
        (512, 8_192),
        1024,
        Basis::Assumed,
        "8832 guide: openssl makes 1024 bits; today's firmware may want more",
    ),
    words(
        "provision.weakest_hash",
        "the weakest hash of a signature in the server's chain",
        &["sha1", "md5", "sha256"],
        Basis::Assumed,
        "the vendor's portal signs with MD5, SHA-1 or SHA-256; OpenSSL refuses MD5",
    ),
    words(
        "provision.sni",
        "whether the phone names the URL's host in the TLS handshake",
        &["sent", "omitted"],
        Basis::Assumed,
        "not documented; libcurl sends it",
    ),
    number(
        "provision.max_addresses",
        "addresses of a name that are tried, and connections of one download that may fail",
        (1, 1_000),
        8,
        Basis::Assumed,
        "the guides try A records until one answers; no limit is documented",
    ),
    number(
        "provision.max_redirects",
        "redirects of one download that are followed",
        (0, 100),
        10,
        Basis::Assumed,
        "no limit is documented",
    ),
    words(
        "provision.redirect_to_http",
        "whether a redirect from HTTPS to HTTP is followed",
        &["followed", "refused"],
        Basis::Assumed,
        "not documented; libcurl follows",
    ),
    words(
        "provision.redirect_of_post",
        "what a phone sends after 301 or 302 where its rule says --post",
        &["get", "post"],
        Basis::Inferred,
        "libcurl sends a GET without a body; the guides speak of an immediate retry",
    ),
    number(
        "provision.max_logins",
        "how often a request is repeated after 401 or 407",
        (0, 10),
        2,
        Basis::Documented,
        "7832 guide, provisioning: twice",
    ),
    words(
        "provision.agent_identity",
        "what stands in parentheses in the User-Agent header",
        &["mac", "serial"],
        Basis::Inferred,
        "the guide's prose says serial number, its examples and real phones show the MAC address",
    ),
    words(
        "provision.key_digest",
        "the digest that makes an AES-256 key of a pass phrase",
        &["sha256-then-md5", "sha256", "md5"],
        Basis::Inferred,
        "OpenSSL's default: MD5 up to 1.0.2, SHA-256 since",
    ),
    number(
        "provision.max_profile_bytes",
        "bytes of a profile, as downloaded and as unpacked",
        (LEAST_PROFILE_BOUND as u64, 64 * 1024 * 1024),
        4 * 1024 * 1024,
        Basis::Assumed,
        "no limit is documented",
    ),
    number(
        "provision.connect_secs",
        "seconds for a connection, with its TLS handshake",
        (1, 600),
        15,
        Basis::Assumed,
        "not documented",
    ),
    number(
        "provision.answer_secs",
        "seconds for a whole answer",
        (1, 3_600),
        60,
        Basis::Assumed,
        "not documented",
    ),
    number(
        "provision.dns_secs",
        "seconds for an answer of DNS",
        (1, 120),
        10,
        Basis::Assumed,
        "not documented",
    ),
    number(
        "provision.random_delay_unit_secs",
        "seconds of one unit of Resync_Random_Delay",
        (1, 60),
        20,
        Basis::Assumed,
        "20 in the 8832 guide, 1 in the parameter references",
    ),
    words(
        "provision.retry_delay_0",
        "what a Resync_Error_Retry_Delay of 0 means",
        &["no-retry", "at-once"],
        Basis::Documented,
        "7832 guide; the SPA112 retries at once",
    ),
    words(
        "provision.idle",
        "when a phone whose Resync_Trigger was not true looks again, before its first success",
        &["looks-again", "sleeps"],
        Basis::Assumed,
        "not documented; a failure before is tried again, else after Resync_Periodic",
    ),
];

/// The settings' values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `provision.name_check`.
    pub name_check: NameCheck,
    /// `provision.dns_check`.
    pub dns_check: bool,
    /// `provision.dns_aaaa`.
    pub dns_aaaa: bool,
    /// `provision.dates`.
    pub dates: bool,
    /// `provision.min_rsa_bits` and `provision.weakest_hash`.
    pub signatures: SignaturePolicy,
    /// `provision.sni`.
    pub sni: bool,
    /// `provision.max_addresses`.
    pub max_addresses: usize,
    /// `provision.max_redirects`.
    pub max_redirects: u32,
    /// `provision.redirect_to_http`.
    pub redirect_to_http: bool,
    /// `provision.redirect_of_post`: true to send the body again.
    pub redirect_keeps_post: bool,
    /// `provision.max_logins`.
    pub max_logins: u32,
    /// `provision.agent_identity`: the MAC address; else the serial number.
    pub agent_mac: bool,
    /// `provision.key_digest`.
    pub key_digest: KeyDigest,
    /// `provision.max_profile_bytes`.
    pub max_profile_bytes: usize,
    /// `provision.connect_secs`.
    pub connect: Duration,
    /// `provision.answer_secs`.
    pub answer: Duration,
    /// `provision.dns_secs`.
    pub dns: Duration,
    /// `provision.random_delay_unit_secs`.
    pub random_delay_unit: Duration,
    /// `provision.retry_delay_0`: true to retry at once.
    pub retry_at_once: bool,
    /// `provision.idle`: true to look again.
    pub idle_looks_again: bool,
}

/// Which digests are tried on a pass phrase, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyDigest {
    /// SHA-256, then MD5.
    #[default]
    Both,
    /// SHA-256 alone.
    Sha256,
    /// MD5 alone.
    Md5,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name_check: NameCheck::Sipura,
            dns_check: true,
            dns_aaaa: true,
            dates: true,
            signatures: SignaturePolicy::default(),
            sni: true,
            max_addresses: 8,
            max_redirects: 10,
            redirect_to_http: true,
            redirect_keeps_post: false,
            max_logins: 2,
            agent_mac: true,
            key_digest: KeyDigest::Both,
            max_profile_bytes: 4 * 1024 * 1024,
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(60),
            dns: Duration::from_secs(10),
            random_delay_unit: Duration::from_secs(20),
            retry_at_once: false,
            idle_looks_again: true,
        }
    }
}

/// A setting that cannot be set so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingError {
    /// No setting has this key.
    #[error("there is no setting {key}: did you mean {nearest}?")]
    Unknown {
        /// What was asked for.
        key: String,
        /// The key most like it.
        nearest: &'static str,
    },
    /// The value is none of the choices.
    #[error("{key} cannot be {value:?}: expected {expected}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What was asked for.
        value: String,
        /// What it may be.
        expected: String,
    },
}

/// The setting with this key.
pub fn setting(key: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.key == key)
}

/// How sure the weakest of these settings is; what rests on none is documented.
pub fn weakest_basis(keys: &[&str]) -> Basis {
    let bases = keys.iter().filter_map(|key| setting(key));
    let weakest = bases.map(|setting| setting.basis).max();
    weakest.unwrap_or(Basis::Documented)
}

impl Setting {
    /// The value unless something sets it.
    pub fn default_text(&self) -> String {
        match self.choices {
            [] => self.default_number.to_string(),
            [first, ..] => (*first).to_owned(),
        }
    }

    /// What a number counts.
    pub fn unit(&self) -> &'static str {
        let units = [("_secs", "seconds"), ("_bytes", "bytes"), ("_bits", "bits")];
        let unit = units.iter().find(|(end, _)| self.key.ends_with(end));
        unit.map_or("times", |(_, unit)| unit)
    }

    /// What it may be, for people.
    pub fn expected(&self) -> String {
        match self.choices {
            [] => format!("a number from {} to {}", self.range.0, self.range.1),
            choices => choices.join(" or "),
        }
    }
}

impl Settings {
    /// Sets one.
    ///
    /// # Errors
    /// No setting has the key, or it cannot have the value.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        let Some(found) = setting(key) else {
            let likeness = |s: &&Setting| (jaro_winkler(s.key, key) * 1e6) as u64;
            let nearest = TABLE.iter().max_by_key(likeness).map_or("", |s| s.key);
            let key = key.to_owned();
            return Err(SettingError::Unknown { key, nearest });
        };
        let refused = || SettingError::Value {
            key: found.key,
            value: value.to_owned(),
            expected: found.expected(),
        };
        if found.choices.is_empty() {
            let (min, max) = found.range;
            let number: u64 = value.parse().map_err(|_| refused())?;
            if !(min..=max).contains(&number) {
                return Err(refused());
            }
            self.set_number(found.key, number);
        } else {
            let choice = found.choices.iter().position(|c| *c == value);
            self.set_choice(found.key, choice.ok_or_else(refused)?);
        }
        Ok(())
    }

    /// `number` lies in the setting's range, so that nothing is cut.
    fn set_number(&mut self, key: &str, number: u64) {
        let small = u32::try_from(number).unwrap_or(u32::MAX);
        let size = usize::try_from(number).unwrap_or(usize::MAX);
        let seconds = Duration::from_secs(number);
        match key {
            "provision.min_rsa_bits" => self.signatures.min_rsa_bits = size,
            "provision.max_addresses" => self.max_addresses = size,
            "provision.max_redirects" => self.max_redirects = small,
            "provision.max_logins" => self.max_logins = small,
            "provision.max_profile_bytes" => self.max_profile_bytes = size,
            "provision.connect_secs" => self.connect = seconds,
            "provision.answer_secs" => self.answer = seconds,
            "provision.dns_secs" => self.dns = seconds,
            "provision.random_delay_unit_secs" => self.random_delay_unit = seconds,
            _ => {}
        }
    }

    /// `choice` counts the setting's choices from 0.
    fn set_choice(&mut self, key: &str, choice: usize) {
        let first = choice == 0;
        match key {
            "provision.name_check" if first => self.name_check = NameCheck::Sipura,
            "provision.name_check" => self.name_check = NameCheck::Mpp113,
            "provision.dns_check" => self.dns_check = first,
            "provision.dns_aaaa" => self.dns_aaaa = first,
            "provision.dates" => self.dates = first,
            "provision.weakest_hash" => {
                self.signatures.weakest = [Hash::Sha1, Hash::Md5, Hash::Sha256][choice.min(2)];
            }
            "provision.sni" => self.sni = first,
            "provision.redirect_to_http" => self.redirect_to_http = first,
            "provision.agent_identity" => self.agent_mac = first,
            "provision.key_digest" => {
                let all = [KeyDigest::Both, KeyDigest::Sha256, KeyDigest::Md5];
                self.key_digest = all[choice.min(2)];
            }
            "provision.redirect_of_post" => self.redirect_keeps_post = !first,
            "provision.retry_delay_0" => self.retry_at_once = !first,
            "provision.idle" => self.idle_looks_again = first,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_can_be_set_and_changes_something() {
        for setting in TABLE {
            let values: Vec<String> = match setting.choices {
                [] => vec![setting.range.0.to_string(), setting.range.1.to_string()],
                choices => choices.iter().map(|c| (*c).to_owned()).collect(),
            };
            let mut seen: Vec<Settings> = Vec::new();
            for value in values {
                let mut settings = Settings::default();
                settings.set(setting.key, &value).unwrap();
                assert!(!seen.contains(&settings), "{} {value}", setting.key);
                seen.push(settings);
            }
            let mut settings = Settings::default();
            settings.set(setting.key, &setting.default_text()).unwrap();
            assert_eq!(settings, Settings::default(), "{}", setting.key);
            assert!(Settings::default().set(setting.key, "x").is_err());
        }
    }

    #[test]
    fn a_key_that_is_none_gets_a_hint() {
        let error = Settings::default().set("provision.date", "ignored");
        assert_eq!(
            error.unwrap_err().to_string(),
            "there is no setting provision.date: did you mean provision.dates?"
        );
        let error = Settings::default().set("provision.max_redirects", "101");
        assert_eq!(
            error.unwrap_err().to_string(),
            "provision.max_redirects cannot be \"101\": expected a number from 0 to 100"
        );
    }
}
