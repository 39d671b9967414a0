//! A message, from bytes and back (RFC 2131 section 2, RFC 2132, RFC 3396).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcproto::Encodable;
use dhcproto::v4::{self, borrowed};

use super::{MAX_MESSAGE, Mac};

/// Codes of the options that are read or written here.
pub mod option {
    /// Subnet mask.
    pub const MASK: u8 = 1;
    /// Routers.
    pub const ROUTERS: u8 = 3;
    /// DNS servers.
    pub const DNS: u8 = 6;
    /// Host name of the client.
    pub const HOST_NAME: u8 = 12;
    /// Domain.
    pub const DOMAIN: u8 = 15;
    /// ARP cache time-out. A 7911 asks for it.
    pub const ARP_TIMEOUT: u8 = 35;
    /// The address that the client would like to have.
    pub const REQUESTED_ADDRESS: u8 = 50;
    /// Life of the lease, in seconds.
    pub const LEASE_SECS: u8 = 51;
    /// Options go on in the fields `file` (1), `sname` (2) or both (3).
    pub const OVERLOAD: u8 = 52;
    /// Kind of the message.
    pub const KIND: u8 = 53;
    /// The server's address, by which clients tell servers apart.
    pub const SERVER_ID: u8 = 54;
    /// Options that the client asks for.
    pub const PARAMETERS: u8 = 55;
    /// Why, in a NAK.
    pub const TEXT: u8 = 56;
    /// T1, in seconds from the acknowledgement.
    pub const RENEW_SECS: u8 = 58;
    /// T2, in seconds from the acknowledgement.
    pub const REBIND_SECS: u8 = 59;
    /// What the client is.
    pub const VENDOR_CLASS: u8 = 60;
    /// Who the client is.
    pub const CLIENT_ID: u8 = 61;
    /// TFTP server, as a name or an address in text.
    pub const TFTP_NAME: u8 = 66;
    /// What a relay says to a server (RFC 3046).
    pub const RELAY: u8 = 82;
    /// TFTP servers, 4 bytes each.
    pub const TFTP_ADDRESSES: u8 = 150;
}

/// The fields before the options, and the cookie.
const HEAD: usize = 240;
const SNAME: std::ops::Range<usize> = 44..108;
const FILE: std::ops::Range<usize> = 108..236;
const COOKIE: std::ops::Range<usize> = 236..240;

/// Hardware type and address length of Ethernet.
const ETHERNET: (u8, u8) = (1, 6);

/// Bytes that an option has without parts.
const MAX_VALUE: usize = u8::MAX as usize;

/// Shorter messages are dropped by old relays and servers (RFC 1542 section 2.1).
const MIN_SENT: usize = 300;

/// Who sends such messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A client (BOOTREQUEST).
    Request,
    /// A server (BOOTREPLY).
    Reply,
}

/// Option 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of RFC 2131")]
pub enum MessageKind {
    Discover = 1,
    Offer,
    Request,
    Decline,
    Ack,
    Nak,
    Release,
    Inform,
}

impl MessageKind {
    const ALL: [Self; 8] = [
        Self::Discover,
        Self::Offer,
        Self::Request,
        Self::Decline,
        Self::Ack,
        Self::Nak,
        Self::Release,
        Self::Inform,
    ];

    /// As logs write it: `DISCOVER`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "DISCOVER",
            Self::Offer => "OFFER",
            Self::Request => "REQUEST",
            Self::Decline => "DECLINE",
            Self::Ack => "ACK",
            Self::Nak => "NAK",
            Self::Release => "RELEASE",
            Self::Inform => "INFORM",
        }
    }
}

/// Why a datagram is not a message for or from a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Too short for the fixed fields.
    #[error("{actual} bytes are too few for a DHCP message, which has at least {HEAD}")]
    TooShort {
        /// Its bytes.
        actual: usize,
    },
    /// Longer than what is read.
    #[error("{actual} bytes are more than the {MAX_MESSAGE} that are read")]
    TooLong {
        /// Its bytes.
        actual: usize,
    },
    /// Neither a request nor a reply.
    #[error("operation {0} at offset 0 is neither 1 (request) nor 2 (reply)")]
    Operation(u8),
    /// Not for Ethernet.
    #[error("hardware type {kind} with {length} bytes of address at offset 1 is not Ethernet")]
    Hardware {
        /// `htype`.
        kind: u8,
        /// `hlen`.
        length: u8,
    },
    /// BOOTP, or something else.
    #[error("there is no DHCP cookie at offset 236")]
    NoCookie,
    /// Option 53 is missing, doubled or unknown.
    #[error("option 53 names no kind of message")]
    Kind,
}

/// Options by code. What one code has in several places is one value (RFC 3396), in the order of
/// the options, the field `file` and the field `sname`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<u8, Vec<u8>>);

impl Options {
    /// The value of an option.
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        self.0.get(&code).map(Vec::as_slice)
    }

    /// Codes and values, in the order of the codes.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.0.iter().map(|(code, value)| (*code, value.as_slice()))
    }

    /// Sets an option. A value that does not fit into one part is cut off, at 255 bytes.
    pub fn set(&mut self, code: u8, value: impl Into<Vec<u8>>) {
        let mut value = value.into();
        value.truncate(MAX_VALUE);
        self.0.insert(code, value);
    }

    /// Sets a list of addresses, unless it is empty.
    pub fn set_addresses(&mut self, code: u8, addresses: &[Ipv4Addr]) {
        if !addresses.is_empty() {
            let bytes: Vec<u8> = addresses.iter().flat_map(Ipv4Addr::octets).collect();
            self.set(code, bytes);
        }
    }

    /// One address; none if the option is not exactly that.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = self.get(code)?.try_into().ok()?;
        Some(bytes.into())
    }

    /// A number of 4 bytes; none if the option is not exactly that.
    pub fn number(&self, code: u8) -> Option<u32> {
        let bytes = self.get(code)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    /// A list of addresses of at least one; none if the option's length is no multiple of 4.
    pub fn addresses(&self, code: u8) -> Option<Vec<Ipv4Addr>> {
        let (all, rest) = self.get(code)?.as_chunks::<4>();
        let is_list = rest.is_empty() && !all.is_empty();
        is_list.then(|| all.iter().map(|a| Ipv4Addr::from(*a)).collect())
    }

    /// A text without the NUL that some servers end it with (RFC 2132 section 2); none if that
    /// leaves nothing, or something that is not printable ASCII.
    pub fn text(&self, code: u8) -> Option<String> {
        let value = self.get(code)?;
        let nuls = value.iter().rev().take_while(|b| **b == 0).count();
        let text = &value[..value.len() - nuls];
        let is_text = !text.is_empty() && text.iter().all(|b| matches!(b, 0x20..0x7f));
        is_text.then(|| String::from_utf8_lossy(text).into_owned())
    }

    fn append(&mut self, option: &borrowed::DhcpOption<'_>) {
        let value = self.0.entry(option.code().into()).or_default();
        value.extend_from_slice(option.data());
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who sends it.
    pub operation: Operation,
    /// What it is.
    pub kind: MessageKind,
    /// Transaction, chosen by the client.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// The client cannot take a unicast yet.
    pub broadcast: bool,
    /// The client's address, if it may already use it.
    pub ciaddr: Ipv4Addr,
    /// The address that the server gives.
    pub yiaddr: Ipv4Addr,
    /// The next server.
    pub siaddr: Ipv4Addr,
    /// The relay.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address.
    pub mac: Mac,
    /// Options but for 53, 52, and 82, which is between relays and servers.
    pub options: Options,
}

impl Message {
    /// A message with all addresses unspecified and without options.
    pub fn new(operation: Operation, kind: MessageKind, xid: u32, mac: Mac) -> Self {
        Self {
            operation,
            kind,
            xid,
            secs: 0,
            broadcast: false,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            mac,
            options: Options::default(),
        }
    }

    /// Reads a datagram. Options after a cut-off one do not count.
    ///
    /// # Errors
    /// It is no DHCP message of an Ethernet client.
    pub fn parse(datagram: &[u8]) -> Result<Self, MessageError> {
        let actual = datagram.len();
        if actual > MAX_MESSAGE {
            return Err(MessageError::TooLong { actual });
        }
        let Ok(head) = borrowed::Message::new(datagram) else {
            return Err(MessageError::TooShort { actual });
        };
        let operation = match head.opcode() {
            v4::Opcode::BootRequest => Operation::Request,
            v4::Opcode::BootReply => Operation::Reply,
            v4::Opcode::Unknown(other) => return Err(MessageError::Operation(other)),
        };
        let (kind, length) = (head.htype().into(), head.hlen());
        // Checked before the address is taken: the reader would follow any length.
        if (kind, length) != ETHERNET {
            return Err(MessageError::Hardware { kind, length });
        }
        let mac = head.chaddr().try_into().map(Mac);
        let mac = mac.map_err(|_| MessageError::Hardware { kind, length })?;
        if datagram[COOKIE] != v4::MAGIC {
            return Err(MessageError::NoCookie);
        }
        let mut options = Options::default();
        head.opts().for_each(|o| options.append(&o));
        let overload = options.0.remove(&option::OVERLOAD).unwrap_or_default();
        let fields: &[_] = match overload[..] {
            [1] => &[FILE],
            [2] => &[SNAME],
            [3] => &[FILE, SNAME],
            _ => &[],
        };
        for field in fields {
            let more = borrowed::DhcpOptionIterator::new(&datagram[field.clone()]);
            more.for_each(|o| options.append(&o));
        }
        // An overload in a field is nobody's option. What a relay adds is not for either end here,
        // and the writer would write it twice.
        for code in [option::OVERLOAD, option::RELAY] {
            options.0.remove(&code);
        }
        let kind = options.0.remove(&option::KIND);
        let kind = MessageKind::ALL
            .into_iter()
            .find(|k| kind.as_deref() == Some(&[*k as u8]))
            .ok_or(MessageError::Kind)?;
        Ok(Self {
            operation,
            kind,
            xid: head.xid(),
            secs: head.secs(),
            broadcast: head.flags().broadcast(),
            ciaddr: head.ciaddr(),
            yiaddr: head.yiaddr(),
            siaddr: head.siaddr(),
            giaddr: head.giaddr(),
            mac,
            options,
        })
    }

    /// Its bytes, filled up to the length that old relays ask for. An option without a value is
    /// left out, one of more than 255 bytes goes in parts (RFC 3396).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut message = v4::Message::new_with_id(
            self.xid,
            self.ciaddr,
            self.yiaddr,
            self.siaddr,
            self.giaddr,
            &self.mac.0,
        );
        message.set_opcode(match self.operation {
            Operation::Request => v4::Opcode::BootRequest,
            Operation::Reply => v4::Opcode::BootReply,
        });
        message.set_secs(self.secs);
        if self.broadcast {
            message.set_flags(v4::Flags::default().set_broadcast());
        }
        let options = message.opts_mut();
        let mut set = |code: u8, value: Vec<u8>| {
            options.insert(v4::DhcpOption::Unknown(v4::UnknownOption::new(
                code.into(),
                value,
            )));
        };
        set(option::KIND, vec![self.kind as u8]);
        for (code, value) in self.options.iter() {
            set(code, value.to_vec());
        }
        // Writing into memory does not fail.
        let mut bytes = message.to_vec().unwrap_or_default();
        bytes.resize(bytes.len().max(MIN_SENT), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0, 0x11, 0x22, 0x33, 0x44, 1]);

    fn offer() -> Message {
        let mut m = Message::new(Operation::Reply, MessageKind::Offer, 7, MAC);
        m.yiaddr = Ipv4Addr::new(10, 99, 1, 100);
        m.siaddr = Ipv4Addr::new(10, 99, 1, 1);
        m.broadcast = true;
        m.secs = 3;
        m
    }

    /// The bytes of a reply with these options, which begin after the cookie.
    fn with_options(options: &[u8]) -> Vec<u8> {
        let mut bytes = offer().to_bytes();
        bytes.truncate(HEAD);
        bytes.extend_from_slice(&[53, 1, 2]);
        bytes.extend_from_slice(options);
        bytes
    }

    fn parse(options: &[u8]) -> Options {
        Message::parse(&with_options(options)).unwrap().options
    }

    #[test]
    fn what_a_relay_adds_is_left_out() {
        let options = parse(b"\x52\x04\x01\x02ab\x96\x04\x0a\x63\x01\x01\xff");
        let codes: Vec<u8> = options.iter().map(|(code, _)| code).collect();
        assert_eq!(codes, [150]);
    }

    #[test]
    fn two_addresses_in_option_150_cost_no_other_option() {
        let options =
            parse(b"\x42\x0ctftp1.a.lab\0\x96\x08\x0a\x63\x01\x01\x0a\x63\x01\x02\xa0\x03url\xff");
        let both = [Ipv4Addr::new(10, 99, 1, 1), Ipv4Addr::new(10, 99, 1, 2)];
        assert_eq!(options.addresses(150).unwrap(), both);
        assert_eq!(options.text(66).unwrap(), "tftp1.a.lab");
        assert_eq!(options.text(160).unwrap(), "url");
        // As they were read they are written.
        let mut m = offer();
        m.options = options;
        assert_eq!(Message::parse(&m.to_bytes()).unwrap(), m);
        // The reader that must not be used loses two of the three; if this fails, it was mended.
        use dhcproto::Decodable;
        let bytes = m.to_bytes();
        let owned = v4::Message::decode(&mut v4::Decoder::new(&bytes)).unwrap();
        let left: Vec<u8> = owned.opts().iter().map(|(c, _)| (*c).into()).collect();
        assert_eq!(left, [53, 66]);
    }

    #[test]
    fn everything_is_read_as_it_was_written() {
        let mut m = offer();
        m.options.set_addresses(150, &[Ipv4Addr::LOCALHOST; 63]);
        m.options.set(51, 3_600_u32.to_be_bytes());
        m.options.set(66, *b"tftp");
        m.options.set_addresses(3, &[]);
        let bytes = m.to_bytes();
        assert!(bytes.len() > MIN_SENT);
        assert_eq!(Message::parse(&bytes).unwrap(), m);
        assert_eq!(m.options.number(51), Some(3_600));
        assert_eq!(m.options.get(3), None);
        assert_eq!(offer().to_bytes().len(), MIN_SENT);
    }

    #[test]
    fn lengths_that_fit_nothing_are_no_value() {
        let options = parse(&[
            150, 5, 10, 0, 0, 1, 9, 54, 3, 1, 2, 3, 51, 5, 0, 0, 0, 1, 0, 66, 2, 0, 0, 6, 0, 255,
        ]);
        assert_eq!(options.addresses(150), None);
        assert_eq!(options.address(54), None);
        assert_eq!(options.number(51), None);
        assert_eq!(options.text(66), None);
        assert_eq!(options.addresses(6), None);
        assert_eq!(options.get(6), Some(&[][..]));
        assert_eq!(parse(b"\x42\x03a\x1bb\xff").text(66), None);
    }

    #[test]
    fn parts_of_one_option_are_one_value() {
        // Side by side, and apart (RFC 3396).
        let options = parse(&[
            150, 2, 10, 0, 150, 2, 0, 1, 6, 4, 8, 8, 8, 8, 150, 4, 10, 0, 0, 2, 255,
        ]);
        let both = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        assert_eq!(options.addresses(150).unwrap(), both);
        assert_eq!(options.addresses(6).unwrap(), [Ipv4Addr::new(8, 8, 8, 8)]);
    }

    #[test]
    fn options_go_on_in_other_fields() {
        let mut bytes = with_options(&[52, 1, 3, 150, 2, 10, 0, 255]);
        bytes[FILE][..5].copy_from_slice(&[150, 2, 0, 1, 255]);
        bytes[SNAME][..6].copy_from_slice(b"\x42\x03abc\xff");
        let options = Message::parse(&bytes).unwrap().options;
        assert_eq!(
            options.addresses(150).unwrap(),
            [Ipv4Addr::new(10, 0, 0, 1)]
        );
        assert_eq!(options.text(66).unwrap(), "abc");
        // Not asked to, nobody looks there.
        bytes[HEAD + 5] = 2;
        let options = Message::parse(&bytes).unwrap().options;
        assert_eq!(options.get(150), Some(&[10, 0][..]));
        // An overload in the field itself leads nowhere.
        bytes[SNAME][..4].copy_from_slice(&[52, 1, 1, 255]);
        let options = Message::parse(&bytes).unwrap().options;
        assert_eq!(
            (options.get(66), options.get(option::OVERLOAD)),
            (None, None)
        );
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        let good = with_options(&[255]);
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Message::parse(&bytes).unwrap_err()
        };
        assert_eq!(with(0, 3), MessageError::Operation(3));
        assert_eq!(with(1, 6), MessageError::Hardware { kind: 6, length: 6 });
        // The address would reach past the message.
        let hardware = MessageError::Hardware {
            kind: 1,
            length: 255,
        };
        assert_eq!(with(2, 255), hardware);
        assert_eq!(with(236, 0), MessageError::NoCookie);
        assert_eq!(with(HEAD + 2, 0), MessageError::Kind);
        assert_eq!(with(HEAD + 2, 9), MessageError::Kind);
        let doubled = with_options(&[53, 1, 2, 255]);
        assert_eq!(Message::parse(&doubled), Err(MessageError::Kind));
        let long = vec![0; MAX_MESSAGE + 1];
        let actual = long.len();
        assert_eq!(Message::parse(&long), Err(MessageError::TooLong { actual }));
    }

    #[test]
    fn a_cut_at_any_byte_is_an_error_or_fewer_options() {
        let whole = with_options(b"\x42\x04name\x96\x04\x0a\0\0\x01\x33\x04\0\0\x0e\x10\xff");
        let all = Message::parse(&whole).unwrap().options;
        for length in 0..whole.len() {
            match Message::parse(&whole[..length]) {
                Ok(m) => assert!(m.options.iter().all(|(c, v)| all.get(c) == Some(v))),
                Err(MessageError::TooShort { actual }) => assert_eq!(actual, length),
                Err(error) => assert_eq!(error, MessageError::Kind, "{length}"),
            }
        }
    }
}
