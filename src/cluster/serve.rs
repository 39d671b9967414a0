//! What a node's TFTP service hands out: one set of files over TFTP, HTTP and HTTPS.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::list::{PublishError, Unsigned};
use super::node::{DamagedFile, Files, Node};
use super::spec::{HttpMissing, Service, SignedDefault};
use super::state::{Cluster, sha256};
use super::x509::{CertificateKind, LabCertificate};

/// The answer to a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAnswer {
    /// The file.
    Found(Arc<[u8]>),
    /// There is no such file.
    NotFound,
}

impl FileAnswer {
    /// The file, if there is one.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Found(bytes) => Some(bytes),
            Self::NotFound => None,
        }
    }
}

/// The answer to a GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpAnswer {
    /// 200 with the file.
    Found(Arc<[u8]>),
    /// Another status, without a body.
    Status(u16),
}

impl HttpAnswer {
    /// The status code.
    pub fn status(&self) -> u16 {
        match self {
            Self::Found(_) => 200,
            Self::Status(status) => *status,
        }
    }

    /// The words behind the status code.
    pub fn reason(&self) -> &'static str {
        match self.status() {
            200 => "OK",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            _ => "",
        }
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Found(bytes) => bytes,
            Self::Status(_) => &[],
        }
    }
}

/// As a node tells of it: `HTTP 503 Service Unavailable`.
impl fmt::Display for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(_) => f.write_str("sent"),
            Self::Status(status) => {
                let text = format!("HTTP {status} {}", self.reason());
                f.write_str(text.trim_end())
            }
        }
    }
}

/// Signed configurations by SHA-256 of what is signed, so that each is signed once.
#[derive(Debug, Default)]
pub(super) struct SignedCache {
    files: BTreeMap<[u8; 32], Arc<[u8]>>,
    order: VecDeque<[u8; 32]>,
}

impl SignedCache {
    /// A few megabytes; a fleet's phones each ask once, so more would not help.
    const LIMIT: usize = 1_024;

    pub(super) fn get_or_sign(
        &mut self,
        unsigned: Unsigned,
        signer: &LabCertificate,
    ) -> Result<Arc<[u8]>, PublishError> {
        let key = sha256(&unsigned.message);
        if let Some(found) = self.files.get(&key) {
            return Ok(Arc::clone(found));
        }
        let file: Arc<[u8]> = unsigned.sign(signer)?.into();
        if self.order.len() >= Self::LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.files.remove(&oldest);
        }
        self.order.push_back(key);
        self.files.insert(key, Arc::clone(&file));
        Ok(file)
    }
}

/// A name that CUCM's TFTP service knows. Names are matched exactly: upper-case hex in a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// `CTLFile.tlv`, or with a MAC `CTLSEP<MAC>.tlv`.
    Ctl(Option<[u8; 6]>),
    /// `ITLFile.tlv`, or with a MAC `ITLSEP<MAC>.tlv`.
    Itl(Option<[u8; 6]>),
    /// `SEP<MAC>.cnf.xml`.
    Config([u8; 6]),
    /// `SEP<MAC>.cnf.xml.sgn`.
    SignedConfig([u8; 6]),
    /// `SEP<MAC>.cnf.xml.enc.sgn`.
    EncryptedConfig([u8; 6]),
    /// `XMLDefault.cnf.xml`.
    Default,
    /// `XMLDefault.cnf.xml.sgn`.
    SignedDefault,
}

impl Asked {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "CTLFile.tlv" => return Some(Self::Ctl(None)),
            "ITLFile.tlv" => return Some(Self::Itl(None)),
            "XMLDefault.cnf.xml" => return Some(Self::Default),
            "XMLDefault.cnf.xml.sgn" => return Some(Self::SignedDefault),
            _ => {}
        }
        // A device name has 15 bytes.
        let mac_in =
            |prefix: &str, suffix: &str| mac_of(name.strip_prefix(prefix)?.strip_suffix(suffix)?);
        let list =
            |prefix, make: fn(Option<[u8; 6]>) -> Self| mac_in(prefix, ".tlv").map(Some).map(make);
        list("CTL", Self::Ctl)
            .or_else(|| list("ITL", Self::Itl))
            .or_else(|| mac_in("", ".cnf.xml").map(Self::Config))
            .or_else(|| mac_in("", ".cnf.xml.sgn").map(Self::SignedConfig))
            .or_else(|| mac_in("", ".cnf.xml.enc.sgn").map(Self::EncryptedConfig))
    }

    fn damaged_as(self) -> Option<DamagedFile> {
        match self {
            Self::Ctl(_) => Some(DamagedFile::Ctl),
            Self::Itl(_) => Some(DamagedFile::Itl),
            Self::Config(_) | Self::SignedConfig(_) | Self::EncryptedConfig(_) => {
                Some(DamagedFile::Config)
            }
            Self::Default | Self::SignedDefault => None,
        }
    }
}

/// The MAC address in a device name, `SEP` and 12 hex digits in upper case.
pub(super) fn mac_of(device: &str) -> Option<[u8; 6]> {
    let digits = device.strip_prefix("SEP")?.as_bytes();
    let value = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    };
    if digits.len() != 12 {
        return None;
    }
    let mut mac = [0; 6];
    for (byte, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(mac)
}

/// True of a device name, `SEP` and 12 hex digits in upper case.
pub fn is_device_name(name: &str) -> bool {
    mac_of(name).is_some()
}

fn device_name(mac: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("SEP{a:02X}{b:02X}{c:02X}{d:02X}{e:02X}{f:02X}")
}

impl Cluster {
    /// What the node's TFTP service answers to a request for `name`. Whether the service runs at
    /// all is [`Cluster::is_up`]'s to say. A phone without an entry in the database has no
    /// configuration.
    pub fn file(&mut self, node: &str, name: &str) -> FileAnswer {
        match Asked::parse(name) {
            Some(asked) => self.answer_to(node, name, asked),
            None => self.phone_file(node, name),
        }
    }

    /// What the same files are over HTTP (port 6970), or over HTTPS (6971), where a signed name
    /// brings the unsigned configuration (usecallmanager.nz). `path` begins with a slash.
    pub fn http(&mut self, node: &str, path: &str, is_tls: bool) -> HttpAnswer {
        let missing = match self.settings.http_missing {
            HttpMissing::Unavailable => 503,
            HttpMissing::NotFound => 404,
        };
        let name = path.strip_prefix('/').unwrap_or(path);
        let asked = Asked::parse(name);
        if let Ok(node) = self.node(node) {
            let of_file = asked.and_then(Asked::damaged_as);
            let forced = node.http_status.get(&of_file).filter(|_| of_file.is_some());
            if let Some(status) = forced.or_else(|| node.http_status.get(&None)) {
                return HttpAnswer::Status(*status);
            }
        }
        let asked = match asked {
            Some(Asked::SignedConfig(mac)) if is_tls => Some(Asked::Config(mac)),
            other => other,
        };
        let answer = match asked {
            Some(asked) => self.answer_to(node, name, asked),
            None => self.phone_file(node, name),
        };
        match answer {
            FileAnswer::Found(bytes) => HttpAnswer::Found(bytes),
            FileAnswer::NotFound => HttpAnswer::Status(missing),
        }
    }

    /// The certificate and private key (PKCS#8) with which the node speaks HTTPS for its files.
    /// None for a node without TFTP, and for one without an EC certificate.
    pub fn https_identity(&self, node: &str) -> Option<(&[u8], &[u8])> {
        let node = self.node(node).ok().filter(|n| n.has(Service::Tftp))?;
        let own = node.certificates.get(&CertificateKind::CallManagerEcdsa)?;
        Some((&own.public.der, own.key.pkcs8()))
    }

    fn answer_to(&mut self, node: &str, name: &str, asked: Asked) -> FileAnswer {
        let Some(node) = self.nodes.iter().find(|n| n.spec.name == node) else {
            return FileAnswer::NotFound;
        };
        let Some(files) = served(node) else {
            return FileAnswer::NotFound;
        };
        let knows = |mac: Option<[u8; 6]>| {
            self.settings.lists_for_unknown_phones
                || mac.is_none_or(|mac| self.phones.contains_key(&mac))
        };
        let found = match asked {
            Asked::Ctl(mac) => files.ctl.clone().filter(|_| knows(mac)),
            Asked::Itl(mac) => Some(Arc::clone(&files.itl)).filter(|_| knows(mac)),
            Asked::Default => Some(files.config.base.emit_default().into_bytes().into()),
            Asked::SignedDefault => {
                let is_served = match self.settings.signed_default {
                    SignedDefault::AutoRegistration => self.spec.parameters.auto_registration,
                    SignedDefault::Always => true,
                    SignedDefault::Never => false,
                };
                let text = files.config.base.emit_default();
                let config = &files.config;
                let signed = is_served
                    .then(|| config.sign(&mut self.signed, &config.signer, text.as_bytes(), name));
                signed.and_then(Result::ok)
            }
            Asked::Config(mac) => {
                let phone = self.phones.get(&mac);
                phone.map(|phone| files.config.plain(phone).into())
            }
            // A pool's key signs with every digest that a parameter can have.
            Asked::SignedConfig(mac) => {
                let phone = self.phones.get(&mac);
                phone.and_then(|p| files.config.signed(&mut self.signed, p, name).ok())
            }
            Asked::EncryptedConfig(mac) => {
                let phone = self.phones.get(&mac);
                phone.and_then(|p| files.config.encrypted(&mut self.signed, p, name))
            }
        };
        let Some(bytes) = found else {
            return FileAnswer::NotFound;
        };
        let damage = asked.damaged_as().and_then(|file| node.damage.get(&file));
        FileAnswer::Found(match damage {
            Some(damage) => damage.apply(&bytes),
            None => bytes,
        })
    }

    /// A file that configurations name, plain or signed.
    fn phone_file(&mut self, node: &str, name: &str) -> FileAnswer {
        let node = self.nodes.iter().find(|n| n.spec.name == node);
        let Some(files) = node.and_then(served) else {
            return FileAnswer::NotFound;
        };
        let (plain, is_signed) = match name.strip_suffix(".sgn") {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        let Some(content) = self.phone_files.content(plain) else {
            return FileAnswer::NotFound;
        };
        let body = content.into_bytes();
        if !is_signed {
            return FileAnswer::Found(body.into());
        }
        let config = &files.config;
        let signer = self.phone_files.signer.as_ref().unwrap_or(&config.signer);
        match config.sign(&mut self.signed, signer, &body, name) {
            Ok(bytes) => FileAnswer::Found(bytes),
            Err(_) => FileAnswer::NotFound,
        }
    }

    /// All that the node serves now, by name: lists under their general names (those with a MAC
    /// are the same bytes), the default configuration, each form of each phone's, and both forms of
    /// the files that they name outside folders. Empty for a node without TFTP.
    pub fn published(&mut self, node: &str) -> Vec<(String, Arc<[u8]>)> {
        let mut names = vec![
            "CTLFile.tlv".to_owned(),
            "ITLFile.tlv".to_owned(),
            "XMLDefault.cnf.xml".to_owned(),
            "XMLDefault.cnf.xml.sgn".to_owned(),
        ];
        let phone_files = self.phone_files.names();
        names.extend(phone_files.flat_map(|name| [name.to_owned(), format!("{name}.sgn")]));
        for mac in self.phones.keys() {
            let device = device_name(*mac);
            names.push(format!("{device}.cnf.xml"));
            names.push(format!("{device}.cnf.xml.sgn"));
            names.push(format!("{device}.cnf.xml.enc.sgn"));
        }
        let mut all = Vec::new();
        for name in names {
            if let FileAnswer::Found(bytes) = self.file(node, &name) {
                all.push((name, bytes));
            }
        }
        all
    }
}

pub(super) fn served(node: &Node) -> Option<&Files> {
    if !node.has(Service::Tftp) {
        return None;
    }
    node.kept.as_ref().or(node.files.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_exactly() {
        let mac = [0x00, 0x11, 0x22, 0x33, 0x44, 0xaf];
        assert_eq!(device_name(mac), "SEP0011223344AF");
        assert_eq!(mac_of("SEP0011223344AF"), Some(mac));
        for (name, asked) in [
            ("CTLFile.tlv", Asked::Ctl(None)),
            ("ITLFile.tlv", Asked::Itl(None)),
            ("CTLSEP0011223344AF.tlv", Asked::Ctl(Some(mac))),
            ("ITLSEP0011223344AF.tlv", Asked::Itl(Some(mac))),
            ("SEP0011223344AF.cnf.xml", Asked::Config(mac)),
            ("SEP0011223344AF.cnf.xml.sgn", Asked::SignedConfig(mac)),
            (
                "SEP0011223344AF.cnf.xml.enc.sgn",
                Asked::EncryptedConfig(mac),
            ),
            ("XMLDefault.cnf.xml", Asked::Default),
            ("XMLDefault.cnf.xml.sgn", Asked::SignedDefault),
        ] {
            assert_eq!(Asked::parse(name), Some(asked), "{name}");
        }
        for name in [
            "",
            "ctlfile.tlv",
            "CTLSEP0011223344af.tlv",
            "CTLSEP0011223344A.tlv",
            "CTLSEP0011223344AFF.tlv",
            "ITLSEP0011223344A\u{e9}.tlv",
            "/ITLFile.tlv",
            "SEP0011223344AF.cnf.xml.enc",
            "SEP0011223344AF.cnf",
            "CTL",
            ".tlv",
        ] {
            assert_eq!(Asked::parse(name), None, "{name}");
        }
    }
}
