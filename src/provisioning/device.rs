//! Who a multiplatform phone is, and how its certificate says so.
//!
//! The provider's guides show one form: `OU=CP-8841-3PCC, L=88012BA01234, S=000e08abcdef`, with the
//! product, the serial number and the MAC address. Phones before firmware 2.0 of the Sipura line
//! all share one certificate, and say who they are in their User-Agent alone. Enterprise phones
//! present what they were manufactured with, whose CN ends in `SEP` and the MAC address; which of
//! these an 8832 presents, no source says, so all are read.

use std::fmt;

use der::Tag;
use der::asn1::ObjectIdentifier;
use thiserror::Error;

use crate::dhcp::Mac;
use crate::trust::certificate::{Attribute, attributes, name_text};
use crate::wire::der::{node, oid_der};

/// A phone, as its provider knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The product name, such as `CP-8832-3PCC`; empty where nobody says.
    pub product: String,
    /// The serial number, such as `88012BA01234`; empty where nobody says.
    pub serial: String,
    /// The MAC address; none where nobody says.
    pub mac: Option<Mac>,
}

/// Which attribute of a subject the guides' `S=` is. No source says; mod_ssl takes `S` for the
/// surname, and tools that print certificates write the state so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MacAttribute {
    /// stateOrProvinceName, 2.5.4.8: nginx prints it as `ST` (inferred).
    #[default]
    State,
    /// surname, 2.5.4.4 (assumed).
    Surname,
}

/// How a certificate said who a phone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OU, L and S of the subject (documented).
    Unit,
    /// The subject is that of all phones of the first firmware; the User-Agent says who it is, and
    /// nothing proves it (documented).
    Generic,
    /// serialNumber and CN, as enterprise phones are manufactured (documented for these alone).
    Manufactured,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unit => "its certificate's OU, L and S",
            Self::Generic => "its User-Agent alone, for its certificate is the generic one",
            Self::Manufactured => "its certificate's CN",
        })
    }
}

/// Why a certificate's subject names no phone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoDevice {
    /// It has none of the known forms.
    #[error(
        "the certificate's subject ({subject}) names no phone: expected OU=PRODUCT, L=SERIAL, \
         S=MAC, or a CN that ends in SEP and a MAC address"
    )]
    Form {
        /// The subject.
        subject: String,
    },
    /// An attribute stands there twice, so anybody could be meant.
    #[error("the certificate's subject ({subject}) has {attribute} more than once")]
    Twice {
        /// The subject.
        subject: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// What stands for the MAC address is none.
    #[error("the certificate's subject ({subject}) has {value:?} where its MAC address belongs")]
    Mac {
        /// The subject.
        subject: String,
        /// What stands there.
        value: String,
    },
    /// Its serial number or its product reads as the MAC address of another phone, whose files it
    /// would get.
    #[error(
        "the certificate's subject ({subject}) has {attribute} that reads as the MAC address of \
         another phone"
    )]
    Another {
        /// The subject.
        subject: String,
        /// What reads so.
        attribute: &'static str,
    },
    /// The certificate is the generic one, and the User-Agent has nothing that tells phones apart.
    #[error(
        "the certificate is the generic one of all phones, and the User-Agent ({agent}) names \
         neither a serial number nor a MAC address"
    )]
    Agent {
        /// The User-Agent.
        agent: String,
    },
}

const CN: &[u8] = &[0x55, 4, 3];
const SURNAME: &[u8] = &[0x55, 4, 4];
const SERIAL_NUMBER: &[u8] = &[0x55, 4, 5];
const LOCALITY: &[u8] = &[0x55, 4, 7];
const STATE: &[u8] = &[0x55, 4, 8];
const UNIT: &[u8] = &[0x55, 4, 11];

/// Characters of a User-Agent that are shown and looked at; real ones have some sixty.
const MAX_AGENT: usize = 256;

impl Device {
    /// The phone that a certificate's subject (a DER Name) names. `agent` is the User-Agent of its
    /// request, which counts for the generic certificate alone.
    ///
    /// # Errors
    /// The subject names no phone, or more than one.
    pub fn of_subject(subject: &[u8], agent: Option<&str>) -> Result<(Self, Form), NoDevice> {
        let subject = Subject { der: subject };
        let unit = subject.one(UNIT, "OU")?;
        let locality = subject.one(LOCALITY, "L")?;
        let state = subject.one(STATE, "ST")?;
        let mac = match (state, subject.one(SURNAME, "SN")?) {
            (Some(_), Some(_)) => return Err(subject.twice("S (as ST and as SN)")),
            (state, surname) => state.or(surname),
        };
        if locality.as_deref() == Some("ciscogeneric") && unit.as_deref() == Some("cisco.com") {
            let agent: String = agent.unwrap_or_default().chars().take(MAX_AGENT).collect();
            let device = Self::of_agent(&agent).ok_or(NoDevice::Agent { agent })?;
            return Ok((device, Form::Generic));
        }
        if let (Some(product), Some(serial), Some(mac)) = (&unit, &locality, &mac) {
            let Some(address) = mac_of(mac) else {
                return Err(NoDevice::Mac {
                    subject: subject.text(),
                    value: mac.clone(),
                });
            };
            let device = Self {
                product: product.clone(),
                serial: serial.clone(),
                mac: Some(address),
            };
            return subject.alone(device, Form::Unit);
        }
        let name = subject.one(CN, "CN")?.unwrap_or_default();
        let number = subject.one(SERIAL_NUMBER, "serialNumber")?;
        match Self::manufactured(&name, number.as_deref()) {
            Some(device) => subject.alone(device, Form::Manufactured),
            None => Err(NoDevice::Form {
                subject: subject.text(),
            }),
        }
    }

    /// `CN=CP-8861-SEP2C3124C9F8E1`, `serialNumber=PID:CP-8861 SN:FCH2133E8B9` (Cisco 215014).
    fn manufactured(name: &str, number: Option<&str>) -> Option<Self> {
        let (product, mac) = match name.rsplit_once("-SEP") {
            Some(parts) => parts,
            None => ("", name.strip_prefix("SEP")?),
        };
        let mac = Some(mac_of(mac)?);
        let words = number.unwrap_or_default().split_whitespace();
        let value = |kind| {
            let values = words.clone().filter_map(|word| word.strip_prefix(kind));
            values.into_iter().find(|value| is_plain(value))
        };
        let (pid, serial) = (value("PID:"), value("SN:"));
        Some(Self {
            product: pid.unwrap_or(product).to_owned(),
            serial: serial.unwrap_or_default().to_owned(),
            mac,
        })
    }

    /// What of this phone reads as the MAC address of another one, so that it would get that one's
    /// files: "a serial number", "a product". A serial number in the form of the guides'
    /// `88012BA01234` (five digits, two letters, five digits) is one, though it could be an address.
    pub fn names_another(&self) -> Option<&'static str> {
        let names = |text: &str| {
            let addresses = mac_addresses_in(text).into_iter();
            addresses.map(Some).any(|mac| mac != self.mac)
        };
        if names(&self.product) {
            return Some("a product");
        }
        // A folder of such a name holds the profiles of many phones.
        let is_folder = |serial: &str| {
            serial == "cisco" || serial.starts_with("cp-") || serial.starts_with("spa")
        };
        let serial = self.serial.to_ascii_lowercase();
        let product = self.product.to_ascii_lowercase();
        let is_product = !serial.is_empty()
            && (serial == product || product.strip_prefix("cp-") == Some(serial.as_str()));
        if is_folder(&serial) || is_product {
            return Some("a serial number");
        }
        (names(&self.serial) && !is_serial(&self.serial)).then_some("a serial number")
    }

    /// What a User-Agent says, as phones of three lines write it:
    /// `Cisco-CP-8841-3PCC/11.0 (00562b043615)`, `Cisco/SPA501G-7.4.4 (8843E157DDCC)(CBT141100HR)`,
    /// `Linksys/SPA-942-6.1.5(a) (88019FA42805)`. The guides call what is in brackets the serial
    /// number; deployed phones send the MAC address there.
    pub fn of_agent(agent: &str) -> Option<Self> {
        let (maker, rest) = agent.split_once('/')?;
        let product = match maker.strip_prefix("Cisco-") {
            Some(product) => product,
            // The version stands behind the last dash of the second part.
            None => rest.split([' ', '(']).next()?.rsplit_once('-')?.0,
        };
        let mut mac = None;
        let mut serial = String::new();
        // What is in brackets behind the first blank; before it `(a)` is part of a version.
        let (_, brackets) = rest.split_once(' ')?;
        for part in brackets.split(['(', ')']).filter(|p| !p.trim().is_empty()) {
            match mac_of(part) {
                Some(address) if mac.is_none() => mac = Some(address),
                _ if serial.is_empty() && is_plain(part) => part.clone_into(&mut serial),
                _ => return None,
            }
        }
        if mac.is_none() && serial.is_empty() || !is_plain(product) {
            return None;
        }
        Some(Self {
            product: product.to_owned(),
            serial,
            mac,
        })
    }

    /// The subject of this phone's certificate, a DER Name, as the guides show it: OU, L, S.
    pub fn subject(&self, mac_in: MacAttribute) -> Vec<u8> {
        let mac_type = match mac_in {
            MacAttribute::State => "2.5.4.8",
            MacAttribute::Surname => "2.5.4.4",
        };
        let mac = self.mac.map(mac_text).unwrap_or_default();
        let parts = [
            ("2.5.4.11", self.product.as_str()),
            ("2.5.4.7", self.serial.as_str()),
            (mac_type, mac.as_str()),
        ];
        let parts = parts.map(|(oid, value)| {
            let oid = oid_der(ObjectIdentifier::new_unwrap(oid));
            let value = node(Tag::Utf8String, &[value.as_bytes()]);
            node(Tag::Set, &[&node(Tag::Sequence, &[&oid, &value])])
        });
        node(Tag::Sequence, &parts.each_ref().map(Vec::as_slice))
    }

    /// `$PSN`: the product without `CP-`, such as `8832-3PCC`, as deployed servers name the file of
    /// all phones of a product (inferred from wazo's).
    pub fn short_product(&self) -> &str {
        self.product.strip_prefix("CP-").unwrap_or(&self.product)
    }
}

/// The phone in one line: MAC address, product, serial number, as far as they are known.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mac = self.mac.map(mac_text);
        let parts = [mac.as_deref().unwrap_or(""), &self.product, &self.serial];
        let known: Vec<_> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        f.write_str(&known.join(" "))
    }
}

/// A MAC address as subjects and file names have it: `000e08abcdef`.
pub fn mac_text(mac: Mac) -> String {
    mac.0.iter().map(|b| format!("{b:02x}")).collect()
}

/// A MAC address in any usual form: `000e08abcdef`, `00:0E:08:AB:CD:EF`, `00-0e-08-ab-cd-ef`,
/// `000e.08ab.cdef`.
pub fn mac_of(text: &str) -> Option<Mac> {
    let digits = match text.len() {
        12 => text.to_owned(),
        14 | 17 => {
            let (size, separators): (_, &[char]) = match text.len() {
                14 => (4, &['.']),
                _ => (2, &[':', '-']),
            };
            let separator = separators.iter().find(|s| text.contains(**s))?;
            let parts: Vec<_> = text.split(*separator).collect();
            if parts.iter().any(|part| part.len() != size) {
                return None;
            }
            parts.concat()
        }
        _ => return None,
    };
    let is_hex = digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u64::from_str_radix(&digits, 16).ok().filter(|_| is_hex)?;
    let [_, _, mac @ ..] = number.to_be_bytes();
    Some(Mac(mac))
}

/// The MAC address that a name is, alone or behind `SEP`.
pub(super) fn mac_behind_sep(name: &str) -> Option<Mac> {
    let is_behind = name.get(..3).is_some_and(|p| p.eq_ignore_ascii_case("sep"));
    mac_of(if is_behind { &name[3..] } else { name })
}

/// The MAC addresses that a product or a serial number could be taken for, whole or in part: parts
/// of it between separators, one or some together, behind any of the prefixes that file names and
/// products have.
fn mac_addresses_in(text: &str) -> Vec<Mac> {
    const PREFIXES: [&str; 3] = ["sep", "cp", "spa"];
    let text = text.to_ascii_lowercase();
    let parts: Vec<_> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let mut found = Vec::new();
    for first in 0..parts.len() {
        let mut joined = String::new();
        for part in &parts[first..] {
            joined.push_str(part);
            let mut bare = joined.as_str();
            while let Some(rest) = PREFIXES.iter().find_map(|p| bare.strip_prefix(p)) {
                bare = rest;
            }
            found.extend(mac_of(bare));
            if bare.len() > 12 {
                break;
            }
        }
    }
    found
}

/// True of a serial number as the guides show them, such as `88012BA01234`.
fn is_serial(text: &str) -> bool {
    let is_fine = |(at, b): (usize, u8)| match at {
        5 | 6 => b.is_ascii_uppercase(),
        _ => b.is_ascii_digit(),
    };
    text.len() == 12 && text.bytes().enumerate().all(is_fine)
}

/// True of what may stand in a product name or a serial number, so that it can be part of a file's
/// name: letters, digits, `-`, `_`, and `.` unless it comes first.
pub fn is_plain(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_short = (1..=64).contains(&text.len()) && !text.starts_with('.');
    is_short && text.bytes().all(is_letter)
}

/// A subject that is looked through.
struct Subject<'a> {
    der: &'a [u8],
}

impl Subject<'_> {
    /// The text of the one attribute of this type; none where there is none, or it is no text.
    fn one(&self, oid: &[u8], attribute: &'static str) -> Result<Option<String>, NoDevice> {
        let mut found = attributes(self.der).filter(|a| a.oid == oid);
        let first = found.next().as_ref().and_then(Attribute::text);
        match found.next() {
            None => Ok(first.filter(|text| is_plain(text) || oid == SERIAL_NUMBER)),
            Some(_) => Err(self.twice(attribute)),
        }
    }

    /// The phone, unless another one would be meant too.
    fn alone(&self, device: Device, form: Form) -> Result<(Device, Form), NoDevice> {
        match device.names_another() {
            None => Ok((device, form)),
            Some(attribute) => Err(NoDevice::Another {
                subject: self.text(),
                attribute,
            }),
        }
    }

    fn twice(&self, attribute: &'static str) -> NoDevice {
        NoDevice::Twice {
            subject: self.text(),
            attribute,
        }
    }

    fn text(&self) -> String {
        name_text(self.der, ',')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x00, 0x0e, 0x08, 0xab, 0xcd, 0xef]);

    fn device(product: &str, serial: &str, mac: Option<Mac>) -> Device {
        Device {
            product: product.into(),
            serial: serial.into(),
            mac,
        }
    }

    /// A Name of these types and values.
    fn name(parts: &[(&str, &str)]) -> Vec<u8> {
        let rdns = parts.iter().map(|(oid, value)| {
            let oid = oid_der(ObjectIdentifier::new_unwrap(oid));
            let value = node(Tag::Utf8String, &[value.as_bytes()]);
            node(Tag::Set, &[&node(Tag::Sequence, &[&oid, &value])])
        });
        node(Tag::Sequence, &[&rdns.collect::<Vec<_>>().concat()])
    }

    const OU: &str = "2.5.4.11";
    const L: &str = "2.5.4.7";
    const ST: &str = "2.5.4.8";
    const SN: &str = "2.5.4.4";
    const SERIAL: &str = "2.5.4.5";
    const NAME: &str = "2.5.4.3";

    #[test]
    fn a_serial_number_is_no_folder_of_many() {
        let with = |serial: &str| Device {
            product: "CP-8832-3PCC".into(),
            serial: serial.into(),
            mac: None,
        };
        for serial in [
            "Cisco",
            "CP-8832-3PCC",
            "8832-3PCC",
            "cp-7841-3pcc",
            "SPA504G",
        ] {
            assert_eq!(
                with(serial).names_another(),
                Some("a serial number"),
                "{serial}"
            );
        }
        for serial in ["", "FCH2232D4AB", "88012BA01234"] {
            assert_eq!(with(serial).names_another(), None, "{serial}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let phone = device("CP-8832-3PCC", "88012BA01234", Some(MAC));
        for mac_in in [MacAttribute::State, MacAttribute::Surname] {
            let subject = phone.subject(mac_in);
            let read = Device::of_subject(&subject, None);
            assert_eq!(read, Ok((phone.clone(), Form::Unit)));
        }
        let text = name_text(&phone.subject(MacAttribute::State), ',');
        assert_eq!(text, "OU=CP-8832-3PCC,L=88012BA01234,ST=000e08abcdef");
        assert_eq!(phone.to_string(), "000e08abcdef CP-8832-3PCC 88012BA01234");
        assert_eq!(phone.short_product(), "8832-3PCC");
    }

    #[test]
    fn a_serial_number_may_be_the_phones_own_address() {
        for serial in [
            "000e08abcdef",
            "SEP000E08ABCDEF",
            "88012BA01234",
            "LAB000E08ABCDEE",
        ] {
            let phone = device("CP-8832-3PCC", serial, Some(MAC));
            let read = Device::of_subject(&phone.subject(MacAttribute::State), None);
            assert_eq!(read, Ok((phone, Form::Unit)));
        }
    }

    #[test]
    fn every_form_of_subject_is_known() {
        let spa = device("SPA-962", "88012BA01234", Some(MAC));
        let generic = [(OU, "cisco.com"), (L, "ciscogeneric"), (ST, "ciscogeneric")];
        let enterprise = Mac([0x2c, 0x31, 0x24, 0xc9, 0xf8, 0xe1]);
        for (parts, agent, expected, form) in [
            (
                // With the country that nginx's documentation shows, and the MAC in capitals.
                &[
                    ("2.5.4.6", "US"),
                    (OU, "SPA-962"),
                    (L, "88012BA01234"),
                    (ST, "000E08ABCDEF"),
                ][..],
                None,
                spa.clone(),
                Form::Unit,
            ),
            (
                &generic,
                Some("Cisco/SPA501G-7.4.4 (8843E157DDCC)(CBT141100HR)"),
                device("SPA501G", "CBT141100HR", mac_of("8843E157DDCC")),
                Form::Generic,
            ),
            (
                &[
                    (SERIAL, "PID:CP-8861 SN:FCH2133E8B9"),
                    (OU, "CTG"),
                    (NAME, "CP-8861-SEP2C3124C9F8E1"),
                ],
                None,
                device("CP-8861", "FCH2133E8B9", Some(enterprise)),
                Form::Manufactured,
            ),
            (
                &[(OU, "IST"), (NAME, "CP-8861-SEP2C3124C9F8E1")],
                None,
                device("CP-8861", "", Some(enterprise)),
                Form::Manufactured,
            ),
            (
                // What could lead elsewhere counts as not said.
                &[(SERIAL, "PID:../CP SN:../../x"), (NAME, "SEP2C3124C9F8E1")],
                None,
                device("", "", Some(enterprise)),
                Form::Manufactured,
            ),
            (
                &[(NAME, "SEP2C3124C9F8E1")],
                None,
                device("", "", Some(enterprise)),
                Form::Manufactured,
            ),
        ] {
            let read = Device::of_subject(&name(parts), agent);
            assert_eq!(read, Ok((expected, form)), "{parts:?}");
        }
    }

    #[test]
    fn a_subject_that_names_nobody_or_two_is_refused() {
        for (parts, agent, expected) in [
            (&[(NAME, "provserver")][..], None, "names no phone"),
            (&[], None, "names no phone"),
            (&[(OU, "CP-8832-3PCC"), (L, "1")], None, "names no phone"),
            (
                &[(OU, "a"), (L, "b"), (ST, "Sonora")],
                None,
                "\"Sonora\" where its MAC",
            ),
            (
                &[(OU, "a"), (OU, "b"), (L, "c"), (ST, "000e08abcdef")],
                None,
                "OU more than once",
            ),
            (
                &[
                    (OU, "a"),
                    (L, "c"),
                    (ST, "000e08abcdef"),
                    (ST, "000e08abcdee"),
                ],
                None,
                "ST more",
            ),
            (
                &[
                    (OU, "a"),
                    (L, "c"),
                    (ST, "000e08abcdef"),
                    (SN, "000e08abcdef"),
                ],
                None,
                "S (as ST",
            ),
            // What cannot be part of a file name is no serial number.
            (
                &[(OU, "a"), (L, "../c"), (ST, "000e08abcdef")],
                None,
                "names no phone",
            ),
            (
                &[(OU, "a"), (L, "c\0"), (ST, "000e08abcdef")],
                None,
                "names no phone",
            ),
            (&[(NAME, "CP-8861-SEP2C3124C9F8E")], None, "names no phone"),
            // Whose files it would get.
            (
                &[(OU, "a"), (L, "000e08abcdee"), (ST, "000e08abcdef")],
                None,
                "a serial number that reads as the MAC address of another",
            ),
            (
                &[(OU, "a"), (L, "00-0E-08-AB-CD-EE"), (ST, "000e08abcdef")],
                None,
                "a serial number that reads",
            ),
            (
                &[(OU, "a"), (L, "SEP000E08ABCDEE"), (ST, "000e08abcdef")],
                None,
                "a serial number that reads",
            ),
            (
                // Small letters are an address, not a serial number.
                &[(OU, "a"), (L, "88012ba01234"), (ST, "000e08abcdef")],
                None,
                "a serial number that reads",
            ),
            (
                &[(OU, "CP-000e08abcdee"), (L, "1"), (ST, "000e08abcdef")],
                None,
                "a product that reads",
            ),
            (
                &[(OU, "CP-SEP000E08ABCDEE"), (L, "1"), (ST, "000e08abcdef")],
                None,
                "a product that reads",
            ),
            (
                &[
                    (OU, "spa-cp-000e.08ab.cdee"),
                    (L, "1"),
                    (ST, "000e08abcdef"),
                ],
                None,
                "a product that reads",
            ),
            // A file that product and address name together.
            (
                &[
                    (OU, "CP-8832-3PCC.000e08abcdee"),
                    (L, "1"),
                    (ST, "000e08abcdef"),
                ],
                None,
                "a product that reads",
            ),
            (
                &[
                    (OU, "a"),
                    (L, "CP-8832-3PCC-000e08abcdee"),
                    (ST, "000e08abcdef"),
                ],
                None,
                "a serial number that reads",
            ),
            (
                &[
                    (NAME, "SEP2C3124C9F8E1"),
                    (SERIAL, "PID:CP-8861 SN:000e08abcdee"),
                ],
                None,
                "a serial number that reads",
            ),
            (
                &[(OU, "cisco.com"), (L, "ciscogeneric")],
                None,
                "neither a serial",
            ),
            (
                &[(OU, "cisco.com"), (L, "ciscogeneric")],
                Some("curl/7.88.1"),
                "neither a serial",
            ),
        ] {
            let error = Device::of_subject(&name(parts), agent).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(expected), "{parts:?}: {text}");
        }
        // A damaged name ends where the damage is.
        let whole = device("CP-8832-3PCC", "88012BA01234", Some(MAC)).subject(MacAttribute::State);
        for cut in 0..whole.len() {
            assert!(Device::of_subject(&whole[..cut], None).is_err());
        }
    }

    #[test]
    fn user_agents_say_who_it_is() {
        let of = |agent: &str| Device::of_agent(agent);
        for (agent, expected) in [
            (
                "Cisco-CP-7832-3PCC/11.0.1 (00562b043615)",
                device("CP-7832-3PCC", "", mac_of("00562b043615")),
            ),
            (
                "Cisco/SPA525G-7.4.4 (CBT141900G7)",
                device("SPA525G", "CBT141900G7", None),
            ),
            (
                "Linksys/SPA-942-6.1.5(a) (88019FA42805)",
                device("SPA-942", "", mac_of("88019FA42805")),
            ),
        ] {
            assert_eq!(of(agent), Some(expected), "{agent}");
        }
        for agent in [
            "",
            "curl/8",
            "a/b",
            "Cisco/SPA525G-7.4.4",
            "Cisco/S-1 (a/b)",
            "Cisco/S-1 (a)(b)",
            "Cisco-../../x/1 (00562b043615)",
            "Cisco-.x/1 (00562b043615)",
        ] {
            assert_eq!(of(agent), None, "{agent}");
        }
    }

    #[test]
    fn mac_addresses_have_four_forms() {
        for text in [
            "000e08abcdef",
            "000E08ABCDEF",
            "00:0E:08:AB:CD:EF",
            "00-0e-08-ab-cd-ef",
            "000e.08ab.cdef",
        ] {
            assert_eq!(mac_of(text), Some(MAC), "{text}");
        }
        for text in [
            "",
            "000e08abcde",
            "000e08abcdeg",
            "+00e08abcdef",
            "00:0e:08:ab:cdef:",
            "0:00e:08:ab:cd:ef",
            "00:0e-08:ab-cd:ef",
            "000e:08ab:cdef",
            "ééé08abc",
        ] {
            assert_eq!(mac_of(text), None, "{text}");
        }
        assert_eq!(mac_text(MAC), "000e08abcdef");
    }
}
