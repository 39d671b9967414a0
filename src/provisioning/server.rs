//! What a provisioning server gives to whom.
//!
//! A phone is who its certificate says, and gets what is its own: files that its MAC address or its
//! serial number names, and those that its product names for all phones of a kind. Everything else
//! is refused alike, there or not, so that nobody learns which phones exist. The guides leave the
//! layout to the provider; this one is that of their examples and of wazo's plugins: `$MA.xml`,
//! `$SN.cfg`, `$PSN.xml`, `Cisco/$MA.cfg`, `Cisco/$PN/$MA.cfg`, `spa$PSN.cfg`.

use std::fmt;
use std::iter;
use std::time::Duration;

use thiserror::Error;

use super::device::{Device, Form, NoDevice, mac_behind_sep, mac_text};
use super::signed::{SignatureFault, SignaturePolicy, issued_by};
use super::usage::{End, Usage};
use crate::dhcp::Mac;
use crate::time::UnixSeconds;
use crate::trust::certificate::{
    Certificate, CertificateError, Dates, PublicKey, escape_for_terminal, name_text,
};

/// Bytes of a profile that is given out. Phones take some megabytes at most; no source has a figure.
pub const MAX_PROFILE: u64 = 16 * 1024 * 1024;

/// What a phone is told over HTTP that presents no certificate, in nginx's words (measured): phones
/// know by them why they get nothing.
pub const NO_CERTIFICATE_PAGE: &str = "400 No required SSL certificate was sent";

/// The same for a certificate that does not count.
pub const CERTIFICATE_PAGE: &str = "400 The SSL certificate error";

/// Bytes of a path that is looked at; what is longer is no profile's.
const MAX_PATH: usize = 1_024;

/// Extensions that are tried for a phone that asks for `/`.
const EXTENSIONS: [&str; 2] = ["xml", "cfg"];

/// What counts as an extension behind a name: those of the guides' examples, and what profiles are
/// made into (compressed, encrypted). Anything else could be part of another phone's name.
const KNOWN_EXTENSIONS: [&str; 10] = [
    "xml", "cfg", "cnf", "conf", "txt", "bin", "gz", "enc", "aes", "sgn",
];

/// The certificates that phones must be signed with. Each counts by itself: for phones that an
/// intermediate authority signed, that one belongs here.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    certificates: Vec<Vec<u8>>,
    policy: SignaturePolicy,
}

/// Why a phone's certificate does not count.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientFault {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Malformed(#[from] CertificateError),
    /// None of the roots has its issuer's name.
    #[error(
        "{subject} was issued by {issuer}, which is none of the roots for phones: if it should \
         count, put that certificate among them"
    )]
    UnknownIssuer {
        /// Its subject.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// A root has its issuer's name, and did not sign it, or the signature does not count.
    #[error("{subject}: {fault}")]
    Signature {
        /// Its subject.
        subject: String,
        /// Why.
        fault: SignatureFault,
    },
    /// It is a server's, or an authority's, and not a phone's.
    #[error(
        "{subject} is no certificate for TLS clients: {why}; have the phone's certificate signed with \
         clientAuth, or without an extended key usage"
    )]
    Purpose {
        /// Its subject.
        subject: String,
        /// What it says.
        why: &'static str,
    },
    /// It has an extension that must be understood, and is not.
    #[error(
        "{subject} has the extension {oid}, which must be understood and is not: have it signed \
         without, or not as a critical one"
    )]
    Extension {
        /// Its subject.
        subject: String,
        /// The extension.
        oid: String,
    },
    /// Whose name and key its issuer has may not sign.
    #[error(
        "{subject} was signed by a certificate that is among the roots and may not sign: {why}; put \
         the authority itself there"
    )]
    Issuer {
        /// Its subject.
        subject: String,
        /// Why not.
        why: &'static str,
    },
    /// Its own key is too small.
    #[error("the RSA key of {subject} has {bits} bits, the least allowed is {min}")]
    KeyTooSmall {
        /// Its subject.
        subject: String,
        /// Bits of the modulus.
        bits: usize,
        /// The bound.
        min: usize,
    },
    /// It, or the root that signed it, is over.
    #[error("{subject} has expired: it was valid until {}", date(*.not_after))]
    Expired {
        /// Whose certificate it is.
        subject: String,
        /// Its last second, since 1970.
        not_after: i64,
    },
    /// It, or the root that signed it, has not begun.
    #[error("{subject} is not valid yet: it will be from {} on; check this server's clock", date(*.not_before))]
    NotYet {
        /// Whose certificate it is.
        subject: String,
        /// Its first second, since 1970.
        not_before: i64,
    },
}

impl ClientFault {
    /// Kebab-case and stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "certificate-malformed",
            Self::UnknownIssuer { .. } => "certificate-unknown-issuer",
            Self::Signature { .. } => "certificate-signature",
            Self::Purpose { .. } => "certificate-purpose",
            Self::Extension { .. } => "certificate-extension-unknown",
            Self::Issuer { .. } => "certificate-issuer-no-authority",
            Self::KeyTooSmall { .. } => "certificate-key-too-small",
            Self::Expired { .. } => "certificate-expired",
            Self::NotYet { .. } => "certificate-not-yet-valid",
        }
    }
}

impl Roots {
    /// These roots, in DER, under the default policy: RSA from 1024 bits up, SHA-1 and better.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn new(certificates: Vec<Vec<u8>>) -> Result<Self, CertificateError> {
        for der in &certificates {
            Certificate::parse(der)?;
        }
        Ok(Self {
            certificates,
            policy: SignaturePolicy::default(),
        })
    }

    /// Whether a certificate (DER) that a phone presents counts at this moment.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, der: &[u8], now: UnixSeconds) -> Result<(), ClientFault> {
        let certificate = Certificate::parse(der)?;
        let subject = || shown(certificate.subject);
        let min = self.policy.min_rsa_bits;
        if let PublicKey::Rsa { bits, .. } = certificate.public_key
            && bits < min
        {
            let subject = subject();
            return Err(ClientFault::KeyTooSmall { subject, bits, min });
        }
        let mut unsigned = None;
        let mut unfit = None;
        // What was read once can be read again.
        let roots = self.certificates.iter().map(|r| Certificate::parse(r));
        for root in roots.filter_map(Result::ok) {
            match issued_by(&certificate, &root, &self.policy) {
                Ok(()) => match check_root(&root, &certificate, now) {
                    Ok(()) => {
                        check_dates(&certificate, now)?;
                        return check_use(&certificate);
                    }
                    // Its renewed one, with the same name and key, may be among those that follow.
                    Err(fault) => unfit = unfit.or(Some(fault)),
                },
                Err(fault) => unsigned = unsigned.or(fault),
            }
        }
        if let Some(fault) = unfit {
            return Err(fault);
        }
        Err(match unsigned {
            Some(fault) => {
                let subject = subject();
                ClientFault::Signature { subject, fault }
            }
            None => ClientFault::UnknownIssuer {
                subject: subject(),
                issuer: shown(certificate.issuer),
            },
        })
    }
}

/// Whether a root that signed the certificate counts. One that is the certificate itself signs no
/// other.
fn check_root(
    root: &Certificate<'_>,
    certificate: &Certificate<'_>,
    now: UnixSeconds,
) -> Result<(), ClientFault> {
    check_dates(root, now)?;
    let usage = Usage::of(root)?;
    if let Some(oid) = usage.unknown {
        let subject = shown(root.subject);
        return Err(ClientFault::Extension { subject, oid });
    }
    match usage.against_signing(End::Client) {
        Some(why) if root.der != certificate.der => Err(ClientFault::Issuer {
            subject: shown(certificate.subject),
            why,
        }),
        _ => Ok(()),
    }
}

/// Whether the certificate is one for phones.
fn check_use(certificate: &Certificate<'_>) -> Result<(), ClientFault> {
    let usage = Usage::of(certificate)?;
    let subject = || shown(certificate.subject);
    if let Some(oid) = usage.unknown {
        let subject = subject();
        return Err(ClientFault::Extension { subject, oid });
    }
    match usage.against(End::Client) {
        Some(why) => {
            let subject = subject();
            Err(ClientFault::Purpose { subject, why })
        }
        None => Ok(()),
    }
}

fn check_dates(certificate: &Certificate<'_>, now: UnixSeconds) -> Result<(), ClientFault> {
    let dates = Dates::of(certificate);
    if dates.contain(now) {
        return Ok(());
    }
    let subject = shown(certificate.subject);
    let Dates {
        not_before,
        not_after,
    } = dates;
    Err(if i64::try_from(now).is_ok_and(|now| now < not_before) {
        ClientFault::NotYet {
            subject,
            not_before,
        }
    } else {
        ClientFault::Expired { subject, not_after }
    })
}

/// A moment as certificates have it: `2026-03-01T09:00:00Z`.
fn date(at: i64) -> String {
    let since = u64::try_from(at).map(Duration::from_secs);
    let date = since
        .ok()
        .and_then(|s| der::DateTime::from_unix_duration(s).ok());
    date.map_or_else(|| format!("{at} s since 1970"), |date| date.to_string())
}

/// A Name as it may be printed.
fn shown(name: &[u8]) -> String {
    escape_for_terminal(name_text(name, ',').as_bytes())
}

/// Why the holder of a certificate that counts gets nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NobodyKnown {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Malformed(#[from] CertificateError),
    /// It is the one certificate of all early phones.
    #[error(
        "the certificate is the generic one of all phones before firmware 2.0, which proves nothing: \
         give the phone one of its own, or start with --allow-generic, and whoever has such a \
         phone's key can read every profile"
    )]
    Generic,
    /// It names no phone.
    #[error(transparent)]
    NoPhone(#[from] NoDevice),
}

impl NobodyKnown {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Generic | Self::NoPhone(_) => 403,
        }
    }

    /// Kebab-case and stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "certificate-malformed",
            Self::Generic => "generic-certificate",
            Self::NoPhone(_) => "no-phone",
        }
    }
}

/// The phone that holds a certificate (DER) that counts, and how it is known. With `takes_generic`
/// the one of all early phones is taken for the phone that the User-Agent names.
///
/// # Errors
/// It is nobody's.
pub fn identify(
    der: &[u8],
    agent: Option<&str>,
    takes_generic: bool,
) -> Result<(Device, Form), NobodyKnown> {
    let read = Certificate::parse(der)?;
    let named = Device::of_subject(read.subject, agent);
    let is_generic = matches!(named, Ok((_, Form::Generic)) | Err(NoDevice::Agent { .. }));
    if is_generic && !takes_generic {
        return Err(NobodyKnown::Generic);
    }
    Ok(named?)
}

/// Why a path is not looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// It is no path of a profile: 400.
    Malformed(&'static str),
    /// It is not this phone's: 403.
    Foreign,
}

impl PathFault {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Foreign => 403,
        }
    }

    /// Kebab-case and stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed(_) => "bad-path",
            Self::Foreign => "not-this-phones",
        }
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "no path of a profile: {what}"),
            Self::Foreign => f.write_str(
                "not this phone's: neither its MAC address, its serial number nor its product \
                 names it",
            ),
        }
    }
}

/// The files that a phone may get for a path (which begins with a slash and has no query), the best
/// first: names relative to the folder of profiles, their parts joined by `/`. No part is empty or
/// begins with a dot, so none leads out of the folder.
///
/// # Errors
/// The path is malformed, or not the phone's.
pub fn files_for(device: &Device, path: &str) -> Result<Vec<String>, PathFault> {
    let parts = parts_of(path)?;
    let Some((name, folders)) = parts.split_last() else {
        return Ok(own_files(device));
    };
    let owner = Owner::of(device);
    let own_folder = folders.iter().any(|folder| owner.is_own(folder));
    let are_known = folders.iter().all(|folder| owner.may_hold(folder));
    let stem = stems(name).find(|stem| owner.may_get(stem));
    if !are_known || !(own_folder || stem.is_some()) {
        return Err(PathFault::Foreign);
    }
    let joined = |name: &str| {
        let parts = folders.iter().map(String::as_str).chain([name]);
        parts.collect::<Vec<_>>().join("/")
    };
    let mut files = vec![joined(name)];
    // The rule may have the address in another form than the file.
    if let (Some(stem), Some(mac)) = (stem, owner.mac)
        && mac_behind_sep(stem) == Some(mac)
    {
        let extension = &name[stem.len()..];
        let mac = mac_text(mac);
        for form in [mac.clone(), mac.to_uppercase()] {
            let file = joined(&format!("{form}{extension}"));
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// What a file's name may be without its extensions, of which there may be some, as in `.cnf.xml`:
/// the name itself first. What is no extension belongs to the name: serial numbers may have dots, as
/// `$MA` in the form 000e.08ab.cdef has, and `PRODUCT.MAC.cfg` is a name of that phone alone.
fn stems(name: &str) -> impl Iterator<Item = &str> {
    iter::successors(Some(name), |stem| {
        let (stem, extension) = stem.rsplit_once('.')?;
        let is_one = KNOWN_EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension));
        is_one.then_some(stem)
    })
}

/// What a phone gets that asks for `/`.
fn own_files(device: &Device) -> Vec<String> {
    let mac = device.mac.map(mac_text).unwrap_or_default();
    let upper = mac.to_uppercase();
    let names = [
        mac.as_str(),
        &upper,
        &device.serial,
        device.short_product(),
        &device.product,
    ];
    let mut files: Vec<String> = Vec::new();
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        for extension in EXTENSIONS {
            let file = format!("{name}.{extension}");
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    files
}

/// The parts of a path, decoded. The last one is a file's name; `/` has none.
fn parts_of(path: &str) -> Result<Vec<String>, PathFault> {
    if path.len() > MAX_PATH {
        return Err(PathFault::Malformed("too long"));
    }
    let path = path
        .strip_prefix('/')
        .ok_or(PathFault::Malformed("no slash at its start"))?;
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let parts = path.split('/').map(|part| {
        let part = decoded(part)?;
        if part.is_empty() {
            return Err(PathFault::Malformed("an empty part"));
        }
        if part.starts_with('.') {
            return Err(PathFault::Malformed("a part that begins with a dot"));
        }
        if part.contains(['/', '\\']) || part.chars().any(char::is_control) {
            return Err(PathFault::Malformed("a separator or a control character"));
        }
        Ok(part)
    });
    parts.collect()
}

/// `%41` is `A`.
fn decoded(text: &str) -> Result<String, PathFault> {
    let wrong = PathFault::Malformed("a % without two hex digits, or no UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = after else {
            return Err(wrong);
        };
        let digit = |b: &u8| {
            char::from(*b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        match (digit(high), digit(low)) {
            (Some(high), Some(low)) => bytes.push(high << 4 | low),
            _ => return Err(wrong),
        }
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| wrong)
}

/// The names that belong to a phone.
struct Owner<'a> {
    mac: Option<Mac>,
    /// Empty where nobody says.
    serial: &'a str,
    /// The product, whole and short, as [`key`] has them; none of them empty.
    products: Vec<String>,
}

impl<'a> Owner<'a> {
    fn of(device: &'a Device) -> Self {
        let products = [&*device.product, device.short_product()].map(key);
        let known = products.into_iter().filter(|key| !key.is_empty());
        Self {
            mac: device.mac,
            serial: &device.serial,
            products: known.collect(),
        }
    }

    /// The phone's MAC address in any form, alone or behind `SEP`, or its serial number.
    fn is_own(&self, name: &str) -> bool {
        let is_mac = self.mac.is_some() && mac_behind_sep(name) == self.mac;
        is_mac || !name.is_empty() && name.eq_ignore_ascii_case(self.serial)
    }

    /// The phone's product, with or without `CP-`, or with `spa` before it.
    fn is_product(&self, name: &str) -> bool {
        let key = key(name);
        let spa = key.strip_prefix("spa").unwrap_or_default();
        self.products.iter().any(|p| *p == key || *p == spa)
    }

    /// A file's name, without its extensions, that the phone may get: its own, its product, or both
    /// with a dot between them.
    fn may_get(&self, stem: &str) -> bool {
        let is_both = |(at, _)| {
            let (product, own) = (&stem[..at], &stem[at + 1..]);
            self.is_product(product) && self.is_own(own)
        };
        self.is_own(stem) || self.is_product(stem) || stem.match_indices('.').any(is_both)
    }

    /// A folder that leads to the phone's files.
    fn may_hold(&self, folder: &str) -> bool {
        folder.eq_ignore_ascii_case("cisco") || self.is_own(folder) || self.is_product(folder)
    }
}

/// A product as it is compared: small letters and digits alone.
fn key(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    // Anything else than separators makes it another name.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
    match name.chars().all(is_plain) {
        true => letters.map(|c| c.to_ascii_lowercase()).collect(),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone() -> Device {
        Device {
            product: "CP-8832-3PCC".into(),
            serial: "88012BA01234".into(),
            mac: Some(Mac([0x00, 0x0e, 0x08, 0xab, 0xcd, 0xef])),
        }
    }

    fn first(path: &str) -> Result<String, u16> {
        let files = files_for(&phone(), path);
        files.map(|f| f[0].clone()).map_err(PathFault::status)
    }

    #[test]
    fn a_phone_gets_what_names_it() {
        for path in [
            "/000e08abcdef.xml",
            "/000E08ABCDEF.cfg",
            "/00-0e-08-ab-cd-ef.xml",
            "/000e08abcdef.xml.gz",
            "/000e08abcdef",
            "/SEP000E08ABCDEF.cnf.xml",
            "/000e.08ab.cdef.xml",
            "/88012BA01234.xml",
            "/88012ba01234.xml",
            "/8832-3PCC.xml",
            "/CP-8832-3PCC.cfg",
            "/Cisco/000e08abcdef.cfg",
            "/Cisco/CP-8832-3PCC/000e08abcdef.cfg",
            "/000e08abcdef/profile.xml",
            "/88012BA01234/any name.txt",
            "/CP-8832-3PCC.000e08abcdef.cfg",
            "/8832-3PCC.88012BA01234.cnf.xml",
        ] {
            assert_eq!(first(path), Ok(path[1..].to_owned()), "{path}");
        }
        assert_eq!(
            first("/%30%300e08abcdef.xml"),
            Ok("000e08abcdef.xml".into())
        );
    }

    #[test]
    fn whatever_names_another_or_nobody_is_refused() {
        for path in [
            "/000e08abcdee.xml",
            "/xml",
            "/config",
            "/88012BA01235.xml",
            "/8841-3PCC.xml",
            "/CP-8841-3PCC/8832-3PCC.xml",
            "/000e08abcdee/8832-3PCC.xml",
            "/000e08abcdee/000e08abcdef.xml",
            "/profiles/000e08abcdef.xml",
            "/000e08abcdef-.xml~/x",
            "/000e08abcdefg.xml",
            "/0000e08abcdef.xml",
            "/000e08abcdef%20.xml",
            "/-.xml",
            "/SEP.xml",
            // Its product, and another phone behind it.
            "/CP-8832-3PCC.000e08abcdee.cfg",
            "/8832-3PCC.aabbccddeeff.xml",
            "/CP-8832-3PCC.88012BA01235.cnf.xml",
            "/Cisco/CP-8832-3PCC.SEP000e08abcdee.cfg",
            "/88012BA01234.1.xml",
        ] {
            assert_eq!(first(path), Err(403), "{path}");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in [
            "",
            "000e08abcdef.xml",
            "//000e08abcdef.xml",
            "/000e08abcdef//x",
            "/../000e08abcdef.xml",
            "/000e08abcdef/..",
            "/000e08abcdef/../../x",
            "/000e08abcdef/%2e%2e/x",
            "/000e08abcdef/%2E./x",
            "/./000e08abcdef.xml",
            "/000e08abcdef/.ssh",
            "/000e08abcdef/..%2fx",
            "/000e08abcdef/a%2fb",
            "/000e08abcdef/a\\b",
            "/000e08abcdef/a%00b",
            "/000e08abcdef/a%0ab",
            "/000e08abcdef/%",
            "/000e08abcdef/%4",
            "/000e08abcdef/%+1",
            "/000e08abcdef/%ff",
            &format!("/000e08abcdef/{}", "x".repeat(2_000)),
        ] {
            assert_eq!(first(path), Err(400), "{path}");
        }
    }

    #[test]
    fn other_forms_of_the_address_are_looked_for_too() {
        let of = |path: &str| files_for(&phone(), path).unwrap();
        assert_eq!(
            of("/Cisco/00:0e:08:ab:cd:ef.xml"),
            [
                "Cisco/00:0e:08:ab:cd:ef.xml",
                "Cisco/000e08abcdef.xml",
                "Cisco/000E08ABCDEF.xml"
            ]
        );
        assert_eq!(
            of("/"),
            [
                "000e08abcdef.xml",
                "000e08abcdef.cfg",
                "000E08ABCDEF.xml",
                "000E08ABCDEF.cfg",
                "88012BA01234.xml",
                "88012BA01234.cfg",
                "8832-3PCC.xml",
                "8832-3PCC.cfg",
                "CP-8832-3PCC.xml",
                "CP-8832-3PCC.cfg"
            ]
        );
        // Of a phone that is known by its serial number alone nothing else counts.
        let nameless = Device {
            product: String::new(),
            serial: "CBT1".into(),
            mac: None,
        };
        assert_eq!(files_for(&nameless, "/").unwrap(), ["CBT1.xml", "CBT1.cfg"]);
        assert_eq!(
            files_for(&nameless, "/.xml"),
            Err(PathFault::Malformed("a part that begins with a dot"))
        );
        assert_eq!(files_for(&nameless, "/-.xml"), Err(PathFault::Foreign));
        assert_eq!(files_for(&nameless, "/spa.xml"), Err(PathFault::Foreign));
        let dotted = Device {
            serial: "88.1".into(),
            ..nameless.clone()
        };
        for path in ["/88.1.xml", "/88.1.cnf.xml", "/88.1"] {
            let expected = vec![path[1..].to_owned()];
            assert_eq!(files_for(&dotted, path), Ok(expected));
        }
        let plain = Device {
            serial: "88".into(),
            ..nameless.clone()
        };
        let other = Device {
            serial: "881".into(),
            ..nameless.clone()
        };
        for (device, path) in [
            (&dotted, "/88.xml"),
            (&dotted, "/881.xml"),
            (&plain, "/88.1.xml"),
            (&other, "/88.1.xml"),
        ] {
            assert_eq!(files_for(device, path), Err(PathFault::Foreign), "{path}");
        }
        let spa = Device {
            product: "SPA504G".into(),
            ..nameless
        };
        for path in ["/spa504G.cfg", "/504G.cfg"] {
            let expected = if path == "/504G.cfg" {
                Err(PathFault::Foreign)
            } else {
                Ok(vec![path[1..].to_owned()])
            };
            assert_eq!(files_for(&spa, path), expected);
        }
    }

    #[test]
    fn a_certificate_counts_under_its_root_and_in_its_time() {
        const ROOT: &[u8] = include_bytes!("../../testdata/tvs/a-tvs.der");
        const OTHER: &[u8] = include_bytes!("../../testdata/tvs/b-tvs.der");
        const EXPIRED: &[u8] = include_bytes!("../../testdata/tvs/v-expired.der");
        let read = Certificate::parse(ROOT).unwrap();
        let now = u64::try_from(read.not_before).unwrap() + 60;
        let roots = Roots::new(vec![EXPIRED.to_vec(), ROOT.to_vec()]).unwrap();
        assert_eq!(roots.judge(ROOT, now), Ok(()));
        let code = |der: &[u8], at| roots.judge(der, at).unwrap_err().code();
        assert_eq!(code(OTHER, now), "certificate-unknown-issuer");
        assert_eq!(code(EXPIRED, now), "certificate-expired");
        assert_eq!(code(ROOT, now - 61), "certificate-not-yet-valid");
        assert_eq!(code(ROOT, u64::MAX), "certificate-expired");
        assert_eq!(code(&ROOT[1..], now), "certificate-malformed");
        let mut changed = ROOT.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(code(&changed, now), "certificate-signature");
        assert!(Roots::new(vec![OTHER[1..].to_vec()]).is_err());
        assert!(Roots::default().judge(ROOT, now).is_err());
    }
}
