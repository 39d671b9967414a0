//! TVS messages: a phone asks a trust verification service about a certificate, on TCP port 2445
//! inside TLS.
//!
//! A message is a header of ten bytes (`57`, version 1, command, a reserved byte, session number
//! u32, body length u16, all big-endian) and a body of elements (tag u8, length u16, value).
//! Header, commands and the tags 1, 2, 3 and 7 are in the hex dumps of Cisco document 213407 and
//! on the wire of the open `tvsd`; the tags of issuer, serial, roles and life time are inferred, so
//! they are an argument ([`Tags`]).
//!
//! [`Message`] keeps every element in its order, known or not, so that what was read is written
//! back byte for byte. [`Request`] and [`Answer`] are what the elements mean.

mod message;
mod question;

pub use message::{Message, Prefix};
pub use question::{Answer, Request};

use super::{Reader, WireError, WireErrorKind};

/// The TCP port on which real clusters answer.
pub const PORT: u16 = 2445;
/// Bytes of the header.
pub const HEADER_LEN: usize = 10;
/// Bytes before the value of an element: tag and length.
pub const ELEMENT_HEAD_LEN: usize = 3;
/// The first byte of every message, `W`.
pub const MESSAGE_ID: u8 = 0x57;
/// The only protocol version that was ever seen.
pub const VERSION: u8 = 1;
/// Elements a message may have. Real ones have two to four; without a limit a body of 64 KB could
/// hold twenty thousand empty elements, ten times its size in memory.
pub const MAX_ELEMENTS: usize = 64;
/// Life time of an answer that real clusters give, in seconds: 24 hours (Cisco 213407).
pub const DEFAULT_TTL_SECS: u32 = 86_400;

/// The certificate is valid, or was found.
pub const STATUS_FOUND: u8 = 0;
/// The certificate is not known.
pub const STATUS_UNKNOWN: u8 = 1;

const TAG_DEVICE: u8 = 1;
const TAG_CERTIFICATE: u8 = 2;
const TAG_SUBJECT: u8 = 3;
const TAG_STATUS: u8 = 7;

/// The byte before the device name in its element; servers drop it unseen.
const DEVICE_LEAD: u8 = 1;

/// What the element with a tag is, for the tags that sources show.
pub fn fixed_tag(tag: u8) -> Option<&'static str> {
    match tag {
        TAG_DEVICE => Some("device name"),
        TAG_CERTIFICATE => Some("certificate"),
        TAG_SUBJECT => Some("subject"),
        TAG_STATUS => Some("status"),
        _ => None,
    }
}

/// The element tags that no source shows. The defaults follow from the lengths in the recording of
/// Cisco 213407 and from the VERIFY message of `tvsd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tags {
    /// Issuer name in a query. Inferred: 4.
    pub issuer: u8,
    /// Serial number in a query. Inferred: 5.
    pub serial: u8,
    /// Roles in an answer, one byte each: 8 (`tvsd`).
    pub roles: u8,
    /// Life time of an answer in seconds, u32: 9 (`tvsd`).
    pub ttl: u8,
}

impl Tags {
    /// A tag that two elements would share, so that no message could be understood.
    pub fn clash(&self) -> Option<u8> {
        let tags = [
            TAG_DEVICE,
            TAG_CERTIFICATE,
            TAG_SUBJECT,
            TAG_STATUS,
            self.issuer,
            self.serial,
            self.roles,
            self.ttl,
        ];
        tags.iter()
            .enumerate()
            .find(|(i, tag)| tags[..*i].contains(tag))
            .map(|(_, tag)| *tag)
    }

    /// The element's name in the field's words.
    fn name(&self, tag: u8) -> &'static str {
        fixed_tag(tag).unwrap_or(match tag {
            _ if tag == self.issuer => "issuer",
            _ if tag == self.serial => "serial",
            _ if tag == self.roles => "roles",
            _ if tag == self.ttl => "life time",
            _ => "unknown element",
        })
    }
}

impl Default for Tags {
    fn default() -> Self {
        Self {
            issuer: 4,
            serial: 5,
            roles: 8,
            ttl: 9,
        }
    }
}

/// What to do with an element that stands twice. `tvsd` takes the last; what a phone or CUCM does
/// is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The message is malformed.
    #[default]
    Refuse,
    /// The last one counts.
    LastWins,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// 1: is this certificate valid?
    VerifyRequest,
    /// 2: the answer to 1.
    VerifyResponse,
    /// 3: which certificate has this issuer and serial?
    QueryRequest,
    /// 4: the answer to 3.
    QueryResponse,
}

impl Command {
    /// The command that `number` stands for.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::VerifyRequest),
            2 => Some(Self::VerifyResponse),
            3 => Some(Self::QueryRequest),
            4 => Some(Self::QueryResponse),
            _ => None,
        }
    }

    /// The number in the header.
    pub const fn number(self) -> u8 {
        match self {
            Self::VerifyRequest => 1,
            Self::VerifyResponse => 2,
            Self::QueryRequest => 3,
            Self::QueryResponse => 4,
        }
    }

    /// The command that answers this one; `None` for an answer.
    pub const fn response(self) -> Option<Self> {
        match self {
            Self::VerifyRequest => Some(Self::VerifyResponse),
            Self::QueryRequest => Some(Self::QueryResponse),
            Self::VerifyResponse | Self::QueryResponse => None,
        }
    }
}

/// The first ten bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the message is.
    pub command: Command,
    /// The byte after it, which readers ignore: CUCM left `F7` there in an answer (Cisco 213407).
    pub reserved: u8,
    /// Chosen by the client, echoed by the server.
    pub session: u32,
    /// Bytes of the body, after the header.
    pub body_len: u16,
}

impl Header {
    /// Reads the header at the start of `bytes`, which may go on after it.
    ///
    /// # Errors
    /// Fewer than ten bytes, another first byte than `57`, another version than 1, a command that
    /// is not 1 to 4.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let value = |offset, element, expected, actual: u8| {
            let kind = WireErrorKind::Value {
                expected,
                actual: u64::from(actual),
            };
            WireError::new(offset, element, kind)
        };
        let mut reader = Reader::new(bytes).child(HEADER_LEN, "header")?;
        let id = reader.u8("message id")?;
        if id != MESSAGE_ID {
            return Err(value(0, "message id", "87", id));
        }
        let version = reader.u8("version")?;
        if version != VERSION {
            return Err(value(1, "version", "1", version));
        }
        let number = reader.u8("command")?;
        let command =
            Command::from_number(number).ok_or_else(|| value(2, "command", "1 to 4", number))?;
        Ok(Self {
            command,
            reserved: reader.u8("reserved byte")?,
            session: reader.u32("session")?,
            body_len: reader.u16("body length")?,
        })
    }

    /// Bytes of the whole message, header and body.
    pub const fn message_len(&self) -> usize {
        HEADER_LEN + self.body_len as usize
    }
}

/// One element of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// What it is.
    pub tag: u8,
    /// Its value, without tag and length; up to 65,535 bytes.
    pub value: Vec<u8>,
}

#[cfg(test)]
mod tests;
