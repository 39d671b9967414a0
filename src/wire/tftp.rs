//! TFTP packets: RFC 1350 (requests, data, errors), 2347 (options and their acknowledgement),
//! 2348 (`blksize`), 2349 (`timeout`, `tsize`) and 7440 (`windowsize`).
//!
//! A [`Packet`] borrows from the datagram. What was parsed is written back byte for byte: names of
//! modes and options keep their spelling, unknown options stay, and the text of an error keeps
//! whatever follows its end mark.

use std::fmt;

use super::{Reader, WireError, WireErrorKind};

/// The port on which a server waits for requests (RFC 1350, section 4).
pub const PORT: u16 = 69;

/// A request has at most this many bytes (RFC 2347). The same bound is kept for the
/// acknowledgement of options, which is made of what a request asked.
pub const MAX_REQUEST: usize = 512;

/// Bytes of data in a block when no other size was agreed (RFC 1350).
pub const DEFAULT_BLKSIZE: u16 = 512;

/// The smallest block that may be agreed, in bytes (RFC 2348).
pub const MIN_BLKSIZE: u16 = 8;

/// The largest block that may be agreed, in bytes (RFC 2348).
pub const MAX_BLKSIZE: u16 = 65_464;

/// No packet is shorter; RFC 1350's shortest is an acknowledgement.
pub const MIN_PACKET: usize = 4;

/// One datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: the sender wants to read a file.
    ReadRequest(Request<'a>),
    /// WRQ: the sender wants to write a file.
    WriteRequest(Request<'a>),
    /// DATA: one block.
    Data {
        /// Its number; the first block has 1.
        block: u16,
        /// Its bytes. Fewer than the block size: this is the last one.
        data: &'a [u8],
    },
    /// ACK: everything up to this block has arrived.
    Ack {
        /// The block's number; 0 acknowledges an OACK.
        block: u16,
    },
    /// ERROR: the transfer is over. Never acknowledged, never repeated.
    Error(ErrorMessage<'a>),
    /// OACK: the options that the server takes.
    OptionAck(Options<'a>),
}

impl<'a> Packet<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    /// With the offset in the datagram: fewer than [`MIN_PACKET`] bytes, an opcode that no RFC
    /// gives, a request over [`MAX_REQUEST`] bytes, a text without its NUL, an option without a
    /// value, an acknowledgement with bytes behind it.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, WireError> {
        if datagram.len() < MIN_PACKET {
            return Err(WireError::new(
                0,
                "packet",
                WireErrorKind::Truncated {
                    needed: MIN_PACKET,
                    left: datagram.len(),
                },
            ));
        }
        let mut reader = Reader::new(datagram);
        match reader.u16("opcode")? {
            opcode::RRQ => Request::read(datagram.len(), &mut reader).map(Self::ReadRequest),
            opcode::WRQ => Request::read(datagram.len(), &mut reader).map(Self::WriteRequest),
            opcode::DATA => Ok(Self::Data {
                block: reader.u16("block number")?,
                data: reader.rest(),
            }),
            opcode::ACK => {
                let block = reader.u16("block number")?;
                if !reader.is_empty() {
                    let kind = WireErrorKind::Trailing {
                        length: reader.left(),
                    };
                    return Err(WireError::new(reader.offset(), "acknowledgement", kind));
                }
                Ok(Self::Ack { block })
            }
            opcode::ERROR => Ok(Self::Error(ErrorMessage {
                code: ErrorCode(reader.u16("error code")?),
                raw: reader.rest(),
            })),
            opcode::OACK => {
                check_size(datagram.len(), "option acknowledgement")?;
                Options::read(&mut reader).map(Self::OptionAck)
            }
            other => Err(WireError::new(
                0,
                "opcode",
                WireErrorKind::Value {
                    expected: "1 to 6",
                    actual: u64::from(other),
                },
            )),
        }
    }

    /// Appends the datagram to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::ReadRequest(request) => {
                out.extend_from_slice(&opcode::RRQ.to_be_bytes());
                request.emit(out);
            }
            Self::WriteRequest(request) => {
                out.extend_from_slice(&opcode::WRQ.to_be_bytes());
                request.emit(out);
            }
            Self::Data { block, data } => {
                out.reserve_exact(MIN_PACKET + data.len());
                out.extend_from_slice(&opcode::DATA.to_be_bytes());
                out.extend_from_slice(&block.to_be_bytes());
                out.extend_from_slice(data);
            }
            Self::Ack { block } => {
                out.extend_from_slice(&opcode::ACK.to_be_bytes());
                out.extend_from_slice(&block.to_be_bytes());
            }
            Self::Error(error) => {
                out.extend_from_slice(&opcode::ERROR.to_be_bytes());
                out.extend_from_slice(&error.code.0.to_be_bytes());
                out.extend_from_slice(error.raw);
            }
            Self::OptionAck(options) => {
                out.extend_from_slice(&opcode::OACK.to_be_bytes());
                options.emit(out);
            }
        }
    }

    /// The datagram in a buffer of its own.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.emit(&mut out);
        out
    }
}

/// True if the datagram says that it is an ERROR, readable or not. An error is never answered with
/// another one, else two ends could keep each other busy for ever.
pub fn is_error(datagram: &[u8]) -> bool {
    datagram.get(..2) == Some(&opcode::ERROR.to_be_bytes())
}

/// What a read or write request asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The file's name: bytes, in no encoding that an RFC would give. Show it with
    /// [`slice::escape_ascii`].
    pub file: &'a [u8],
    /// The mode as the sender spells it.
    pub mode: &'a [u8],
    /// The options in the sender's order.
    pub options: Options<'a>,
}

impl<'a> Request<'a> {
    /// The mode that the spelling names.
    pub fn known_mode(&self) -> Mode {
        Mode::named(self.mode)
    }

    fn read(size: usize, reader: &mut Reader<'a>) -> Result<Self, WireError> {
        check_size(size, "request")?;
        Ok(Self {
            file: text(reader, "file name")?,
            mode: text(reader, "mode")?,
            options: Options::read(reader)?,
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        emit_text(self.file, out);
        emit_text(self.mode, out);
        self.options.emit(out);
    }
}

/// How the bytes of a file travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As they are.
    Octet,
    /// As text of RFC 764: a line ends in CR LF, a lone CR is CR NUL.
    Netascii,
    /// To a mailbox. RFC 1123 advises against it.
    Mail,
    /// None of these.
    Unknown,
}

impl Mode {
    /// The mode of this name, in any case.
    pub fn named(name: &[u8]) -> Self {
        if name.eq_ignore_ascii_case(b"octet") {
            Self::Octet
        } else if name.eq_ignore_ascii_case(b"netascii") {
            Self::Netascii
        } else if name.eq_ignore_ascii_case(b"mail") {
            Self::Mail
        } else {
            Self::Unknown
        }
    }
}

/// Options in the order in which they stand, with the sender's spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    list: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Options<'a> {
    /// No options.
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Appends an option. Neither part may hold a NUL: it would end there for the reader.
    pub fn push(&mut self, name: &'a [u8], value: &'a [u8]) {
        self.list.push((name, value));
    }

    /// The options as `(name, value)`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + '_ {
        self.list.iter().copied()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let mut options = Self::new();
        while !reader.is_empty() {
            let name = text(reader, "option name")?;
            options.push(name, text(reader, "option value")?);
        }
        Ok(options)
    }

    fn emit(&self, out: &mut Vec<u8>) {
        for (name, value) in self.iter() {
            emit_text(name, out);
            emit_text(value, out);
        }
    }
}

/// The options that have an RFC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownOption {
    /// Bytes of data in a block (RFC 2348).
    Blksize,
    /// Bytes in the file; a reader asks with 0 (RFC 2349).
    Tsize,
    /// Seconds before a retransmission (RFC 2349).
    Timeout,
    /// Blocks before an acknowledgement (RFC 7440).
    Windowsize,
}

impl KnownOption {
    /// The option of this name, in any case.
    pub fn named(name: &[u8]) -> Option<Self> {
        [Self::Blksize, Self::Tsize, Self::Timeout, Self::Windowsize]
            .into_iter()
            .find(|option| name.eq_ignore_ascii_case(option.name().as_bytes()))
    }

    /// The name as the RFC spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blksize => "blksize",
            Self::Tsize => "tsize",
            Self::Timeout => "timeout",
            Self::Windowsize => "windowsize",
        }
    }
}

/// An option's value as a number: decimal digits and nothing else, at most `u64::MAX`.
pub fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Why a transfer ended early, as the peer says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorMessage<'a> {
    /// The kind of error.
    pub code: ErrorCode,
    /// All bytes after the code: the text, its NUL, and what may follow. Some peers leave the NUL
    /// out.
    pub raw: &'a [u8],
}

impl<'a> ErrorMessage<'a> {
    /// The text, without its NUL. Show it with [`slice::escape_ascii`].
    pub fn text(&self) -> &'a [u8] {
        self.raw.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// The datagram that says `code` and `text`. A NUL in `text` would end it for the reader.
pub fn error_packet(code: ErrorCode, text: &str) -> Vec<u8> {
    let mut raw = Vec::with_capacity(text.len() + 1);
    emit_text(text.as_bytes(), &mut raw);
    Packet::Error(ErrorMessage { code, raw: &raw }).to_bytes()
}

/// The kind of an error. A number of its own meaning is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// 0: see the text.
    pub const NOT_DEFINED: Self = Self(0);
    /// 1: file not found.
    pub const NOT_FOUND: Self = Self(1);
    /// 2: access violation.
    pub const ACCESS_VIOLATION: Self = Self(2);
    /// 3: disk full or allocation exceeded.
    pub const DISK_FULL: Self = Self(3);
    /// 4: illegal TFTP operation.
    pub const ILLEGAL_OPERATION: Self = Self(4);
    /// 5: unknown transfer ID. The only error that does not end the sender's own transfer.
    pub const UNKNOWN_TRANSFER: Self = Self(5);
    /// 6: file already exists.
    pub const FILE_EXISTS: Self = Self(6);
    /// 7: no such user.
    pub const NO_SUCH_USER: Self = Self(7);
    /// 8: option negotiation refused (RFC 2347).
    pub const OPTION_REFUSED: Self = Self(8);
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match *self {
            Self::NOT_DEFINED => "not defined",
            Self::NOT_FOUND => "file not found",
            Self::ACCESS_VIOLATION => "access violation",
            Self::DISK_FULL => "disk full or allocation exceeded",
            Self::ILLEGAL_OPERATION => "illegal TFTP operation",
            Self::UNKNOWN_TRANSFER => "unknown transfer ID",
            Self::FILE_EXISTS => "file already exists",
            Self::NO_SUCH_USER => "no such user",
            Self::OPTION_REFUSED => "option negotiation refused",
            Self(_) => "unknown code",
        };
        write!(f, "{} ({meaning})", self.0)
    }
}

fn check_size(size: usize, element: &'static str) -> Result<(), WireError> {
    if size > MAX_REQUEST {
        let kind = WireErrorKind::TooLarge {
            limit: MAX_REQUEST,
            actual: size,
        };
        return Err(WireError::new(MAX_REQUEST, element, kind));
    }
    Ok(())
}

/// Reads a text up to its NUL.
fn text<'a>(reader: &mut Reader<'a>, element: &'static str) -> Result<&'a [u8], WireError> {
    let mut ahead = *reader;
    let left = ahead.rest();
    match left.iter().position(|byte| *byte == 0) {
        Some(length) => {
            let text = reader.take(length, element)?;
            reader.u8(element)?;
            Ok(text)
        }
        None => Err(WireError::new(
            reader.offset(),
            element,
            WireErrorKind::Truncated {
                needed: left.len() + 1,
                left: left.len(),
            },
        )),
    }
}

fn emit_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(text);
    out.push(0);
}

mod opcode {
    pub(super) const RRQ: u16 = 1;
    pub(super) const WRQ: u16 = 2;
    pub(super) const DATA: u16 = 3;
    pub(super) const ACK: u16 = 4;
    pub(super) const ERROR: u16 = 5;
    pub(super) const OACK: u16 = 6;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Datagrams as the RFCs draw them, and as clients on the wire spell them.
    const SAMPLES: &[&[u8]] = &[
        b"\x00\x01ITLSEP001122334401.tlv\0octet\0",
        // curl 7.88.1
        b"\x00\x01f\0octet\0tsize\x000\0blksize\x00512\0timeout\x006\0",
        b"\x00\x01New_Zealand\\x.sgn\0OCTET\0BLKSIZE\x001428\0multicast\0\0",
        b"\x00\x02up\0NetAscii\0",
        b"\x00\x03\x00\x01hello",
        b"\x00\x03\xff\xff",
        b"\x00\x04\x00\x00",
        b"\x00\x05\x00\x01File not found\0",
        b"\x00\x05\x00\x00no end",
        b"\x00\x05\x00\x09\0trailing\0",
        b"\x00\x06blksize\x001428\0windowsize\x004\0",
        b"\x00\x06\0\0",
    ];

    #[test]
    fn what_was_parsed_is_written_back() {
        for sample in SAMPLES {
            let packet = Packet::parse(sample).unwrap();
            assert_eq!(&packet.to_bytes(), sample, "{packet:?}");
        }
    }

    #[test]
    fn a_request_is_read() {
        let Ok(Packet::ReadRequest(request)) = Packet::parse(SAMPLES[2]) else {
            panic!("not a read request")
        };
        assert_eq!(request.file, b"New_Zealand\\x.sgn");
        assert_eq!(request.known_mode(), Mode::Octet);
        let options: Vec<_> = request.options.iter().collect();
        assert_eq!(options[0], (&b"BLKSIZE"[..], &b"1428"[..]));
        assert_eq!(KnownOption::named(options[0].0), Some(KnownOption::Blksize));
        assert_eq!(KnownOption::named(options[1].0), None);
        assert_eq!(b"a\x1b\\\xff".escape_ascii().to_string(), "a\\x1b\\\\\\xff");
    }

    #[test]
    fn error_text_ends_at_its_nul_or_at_the_end() {
        for (sample, expected) in [
            (SAMPLES[7], "File not found"),
            (SAMPLES[8], "no end"),
            (SAMPLES[9], ""),
        ] {
            let Ok(Packet::Error(error)) = Packet::parse(sample) else {
                panic!("not an error")
            };
            assert_eq!(error.text(), expected.as_bytes());
        }
        assert_eq!(
            error_packet(ErrorCode::NOT_FOUND, "File not found"),
            SAMPLES[7]
        );
        assert_eq!(ErrorCode(9).to_string(), "9 (unknown code)");
    }

    #[test]
    fn errors_name_the_place() {
        let cases: &[(&[u8], usize, &str)] = &[
            (b"", 0, "packet"),
            (b"\x00\x03\x00", 0, "packet"),
            (b"\x00\x07\x00\x01", 0, "opcode"),
            (b"\x00\x00\x00\x01", 0, "opcode"),
            (b"\x00\x01file", 2, "file name"),
            (b"\x00\x01file\0octet", 7, "mode"),
            (b"\x00\x01file\0", 7, "mode"),
            (b"\x00\x01f\0octet\0tsize", 10, "option name"),
            (b"\x00\x01f\0octet\0tsize\0", 16, "option value"),
            (b"\x00\x04\x00\x01x", 4, "acknowledgement"),
            (b"\x00\x06blksize\0", 10, "option value"),
        ];
        for (bytes, offset, element) in cases {
            let error = Packet::parse(bytes).unwrap_err();
            assert_eq!(
                (error.offset, error.element),
                (*offset, *element),
                "{bytes:?}: {error}"
            );
        }
        let mut long = b"\x00\x01".to_vec();
        long.resize(MAX_REQUEST - 7, b'a');
        long.extend_from_slice(b"\0octet\0");
        assert_eq!(long.len(), MAX_REQUEST);
        assert!(Packet::parse(&long).is_ok());
        long.insert(2, b'a');
        assert_eq!(
            Packet::parse(&long).unwrap_err().to_string(),
            "offset 512: request: 513, the limit is 512"
        );
    }

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        assert_eq!(number(b"65464"), Some(65_464));
        assert_eq!(number(b"007"), Some(7));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for bad in [
            &b""[..],
            b"-1",
            b"+1",
            b" 1",
            b"1 ",
            b"abc",
            b"18446744073709551616",
        ] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn cut_and_flipped_datagrams_are_refused_or_written_back() {
        for sample in SAMPLES {
            for length in 0..sample.len() {
                check_law(&sample[..length]);
            }
            for bit in 0..sample.len() * 8 {
                let mut flipped = sample.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                check_law(&flipped);
            }
        }
    }

    fn check_law(bytes: &[u8]) {
        if let Ok(packet) = Packet::parse(bytes) {
            assert_eq!(packet.to_bytes(), bytes);
        }
    }
}
