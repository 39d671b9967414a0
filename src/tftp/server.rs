//! The machine that judges requests.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::blocks::{MAX_WINDOWSIZE, Rollover};
use super::timing::Retransmission;
use super::transfer::{Transfer, TransferId, TransferSetup};
use super::{Negotiated, Transmit};
use crate::time::Time;
use crate::wire::WireError;
use crate::wire::tftp::{
    self as wire, ErrorCode, KnownOption, MIN_BLKSIZE, Mode, Options, Packet, Request, number,
};

/// Where a server's files come from. It is asked while a request is handled, so it should answer
/// from memory.
pub trait FileSource {
    /// The content of the file `name`. The name is checked: not empty, no leading slash, no part
    /// `..`, no backslash, no drive letter.
    ///
    /// # Errors
    /// Why there is no content; the client is told.
    fn open(&self, name: &str) -> Result<Arc<[u8]>, FileError>;
}

impl FileSource for BTreeMap<String, Arc<[u8]>> {
    fn open(&self, name: &str) -> Result<Arc<[u8]>, FileError> {
        self.get(name).cloned().ok_or(FileError::NotFound)
    }
}

/// Why a file cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// There is none: ERROR 1.
    NotFound,
    /// It is not for everybody: ERROR 2.
    AccessDenied,
    /// Anything else: ERROR 0 with this text, which should not tell paths of the server.
    Other(String),
}

/// Which options a server takes, and up to which value. A larger value of block or window size is
/// lowered to the limit, as the RFCs allow; a larger time-out is left out of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionLimits {
    /// The largest block, in bytes; None: the option is not known.
    pub blksize: Option<u16>,
    /// The largest window, in blocks; None: the option is not known.
    pub windowsize: Option<u16>,
    /// The longest agreed time-out, in seconds; None: the option is not known.
    pub timeout_secs: Option<u8>,
    /// The size of the file is told.
    pub tsize: bool,
}

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The options that it takes.
    pub options: OptionLimits,
    /// When it repeats a window.
    pub retransmission: Retransmission,
    /// The longest that a transfer may take, however steadily it crawls.
    pub deadline: Duration,
    /// The block number after 65535.
    pub rollover: Rollover,
    /// Transfers at the same time. One more is refused with ERROR 0, not with silence.
    pub max_transfers: usize,
}

impl Default for ServerConfig {
    /// All options to the RFCs' limits, but windows to 64 blocks (the largest that RFC 7440
    /// measures, and at Ethernet's block sizes less than a usual receive buffer), repeats after 1, 3, 7,
    /// 15 and 31 s as tftpd-hpa does, two minutes for a transfer, 1,000 transfers at a time.
    fn default() -> Self {
        Self {
            options: OptionLimits {
                blksize: Some(wire::MAX_BLKSIZE),
                windowsize: Some(64),
                timeout_secs: Some(u8::MAX),
                tsize: true,
            },
            retransmission: Retransmission {
                first: Duration::from_secs(1),
                min: Duration::from_millis(200),
                max: Duration::from_secs(16),
                retries: 5,
            },
            deadline: Duration::from_secs(120),
            rollover: Rollover::Zero,
            max_transfers: 1_000,
        }
    }
}

/// A request, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The sender wants to write.
    pub write: bool,
    /// The file's name. Show it with [`slice::escape_ascii`].
    pub file: Vec<u8>,
    /// The mode, in the sender's spelling.
    pub mode: Vec<u8>,
    /// The options as `(name, value)`, in the sender's order and spelling.
    pub options: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Asked {
    fn new(request: &Request<'_>, write: bool) -> Self {
        Self {
            write,
            file: request.file.to_vec(),
            mode: request.mode.to_vec(),
            options: request
                .options
                .iter()
                .map(|(n, v)| (n.to_vec(), v.to_vec()))
                .collect(),
        }
    }
}

/// What becomes of a datagram at the request port.
#[derive(Debug)]
pub enum Answer {
    /// A file is sent: drive this machine, from a port of its own.
    Transfer(Box<Transfer>),
    /// No.
    Refused(Refusal),
    /// Nothing is sent.
    Ignored(Ignored),
}

/// A request that gets an ERROR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The datagram to send. Any port may send it.
    pub transmit: Transmit,
    /// What was asked, if it could be read.
    pub asked: Option<Arc<Asked>>,
    /// The error's code.
    pub code: ErrorCode,
    /// The error's text.
    pub text: String,
    /// What could not be read.
    pub malformed: Option<WireError>,
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Shorter than any packet.
    TooShort,
    /// An ERROR: those are never answered.
    Error,
    /// The same request from the same port again, while the answer to the first is under way. That
    /// transfer repeats itself.
    Duplicate,
}

/// The request port of a server. It starts [`Transfer`]s and counts them; its driver reports back
/// with [`Self::handle_answered`] and [`Self::handle_ended`].
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    next_id: u64,
    active: BTreeMap<TransferId, SocketAddr>,
    /// By the client's end: the newest transfer, as long as the client has not answered it.
    unanswered: BTreeMap<(IpAddr, u16), (TransferId, Arc<Asked>)>,
}

impl Server {
    /// A server without transfers.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            next_id: 0,
            active: BTreeMap::new(),
            unanswered: BTreeMap::new(),
        }
    }

    /// Transfers under way.
    pub fn transfers(&self) -> usize {
        self.active.len()
    }

    /// Takes a datagram that arrived at the request port. Anything may arrive.
    pub fn handle_request(
        &mut self,
        now: Time,
        from: SocketAddr,
        datagram: &[u8],
        files: &dyn FileSource,
    ) -> Answer {
        if datagram.len() < wire::MIN_PACKET {
            return Answer::Ignored(Ignored::TooShort);
        }
        if wire::is_error(datagram) {
            return Answer::Ignored(Ignored::Error);
        }
        let refuse = |asked: Option<Arc<Asked>>, no: No| Answer::Refused(no.refuse(from, asked));
        let request = match Packet::parse(datagram) {
            Ok(Packet::ReadRequest(request)) => request,
            Ok(Packet::WriteRequest(request)) => {
                let asked = Arc::new(Asked::new(&request, true));
                return refuse(Some(asked), No::denied("Files cannot be written here"));
            }
            Ok(
                Packet::Data { .. } | Packet::Ack { .. } | Packet::OptionAck(_) | Packet::Error(_),
            ) => {
                let text = "No transfer on this port";
                return refuse(None, No::new(ErrorCode::UNKNOWN_TRANSFER, text));
            }
            Err(error) => return refuse(None, No::malformed(error)),
        };
        let asked = Arc::new(Asked::new(&request, false));
        let end = (from.ip(), from.port());
        if self
            .unanswered
            .get(&end)
            .is_some_and(|(_, earlier)| *earlier == asked)
        {
            return Answer::Ignored(Ignored::Duplicate);
        }
        if self.active.len() >= self.config.max_transfers {
            return refuse(Some(asked), No::busy());
        }
        let (body, mode) = match open(&request, files) {
            Ok(opened) => opened,
            Err(no) => return refuse(Some(asked), no),
        };
        let id = TransferId(self.next_id);
        self.next_id += 1;
        let (negotiated, oack) = negotiate(
            &request.options,
            &self.config.options,
            mode,
            body.len() as u64,
        );
        self.active.insert(id, from);
        self.unanswered.insert(end, (id, Arc::clone(&asked)));
        Answer::Transfer(Box::new(Transfer::new(
            TransferSetup {
                id,
                peer: from,
                asked,
                body,
                negotiated,
                oack,
            },
            &self.config,
            now,
        )))
    }

    /// The driver cannot give this transfer a port: it is over before it began.
    pub fn handle_unserved(&mut self, transfer: &Transfer) -> Refusal {
        self.handle_ended(transfer.id());
        No::busy().refuse(transfer.peer(), Some(Arc::clone(transfer.asked())))
    }

    /// The client has answered this transfer: the same request from the same port is now a new one.
    pub fn handle_answered(&mut self, id: TransferId) {
        if let Some(peer) = self.active.get(&id) {
            let end = (peer.ip(), peer.port());
            if self
                .unanswered
                .get(&end)
                .is_some_and(|(newest, _)| *newest == id)
            {
                self.unanswered.remove(&end);
            }
        }
    }

    /// This transfer is over, or its driver has dropped it.
    pub fn handle_ended(&mut self, id: TransferId) {
        self.handle_answered(id);
        self.active.remove(&id);
    }
}

/// Why not.
struct No {
    code: ErrorCode,
    text: String,
    malformed: Option<WireError>,
}

impl No {
    fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            malformed: None,
        }
    }

    fn denied(text: &str) -> Self {
        Self::new(ErrorCode::ACCESS_VIOLATION, text)
    }

    fn busy() -> Self {
        Self::new(ErrorCode::NOT_DEFINED, "Server busy, try later")
    }

    fn malformed(error: WireError) -> Self {
        let text = format!("Malformed request: {error}");
        Self {
            malformed: Some(error),
            ..Self::new(ErrorCode::ILLEGAL_OPERATION, text)
        }
    }

    fn refuse(self, to: SocketAddr, asked: Option<Arc<Asked>>) -> Refusal {
        let Self {
            code,
            text,
            malformed,
        } = self;
        let transmit = Transmit {
            to,
            payload: wire::error_packet(code, &text),
        };
        Refusal {
            transmit,
            asked,
            code,
            text,
            malformed,
        }
    }
}

/// The bytes to send for a request, and how.
fn open(request: &Request<'_>, files: &dyn FileSource) -> Result<(Arc<[u8]>, Mode), No> {
    let mode = request.known_mode();
    if !matches!(mode, Mode::Octet | Mode::Netascii) {
        return Err(No::new(
            ErrorCode::ILLEGAL_OPERATION,
            "Mode is neither octet nor netascii",
        ));
    }
    let body = files
        .open(checked_name(request.file)?)
        .map_err(|error| match error {
            FileError::NotFound => No::new(ErrorCode::NOT_FOUND, "File not found"),
            FileError::AccessDenied => No::denied("Access violation"),
            FileError::Other(text) => No::new(ErrorCode::NOT_DEFINED, text.replace('\0', " ")),
        })?;
    Ok((
        if mode == Mode::Netascii {
            netascii(&body)
        } else {
            body
        },
        mode,
    ))
}

/// The name as a path inside the root, or why it is not one.
fn checked_name(name: &[u8]) -> Result<&str, No> {
    let Ok(name) = std::str::from_utf8(name) else {
        return Err(No::new(ErrorCode::NOT_FOUND, "File not found"));
    };
    // Phones ask with and without the leading slash; both mean the root.
    let name = name.strip_prefix('/').unwrap_or(name);
    if name.is_empty() {
        return Err(No::new(ErrorCode::ILLEGAL_OPERATION, "No file name"));
    }
    let drive = name.as_bytes()[0].is_ascii_alphabetic() && name[1..].starts_with(':');
    let outside = name.starts_with('/')
        || name.contains('\\')
        || name.split('/').any(|part| part == "..")
        || drive;
    if outside {
        return Err(No::denied("Name leaves the root"));
    }
    Ok(name)
}

/// A file as netascii: LF becomes CR LF, CR becomes CR NUL (RFC 764).
fn netascii(file: &[u8]) -> Arc<[u8]> {
    let mut text = Vec::with_capacity(file.len() + file.len() / 16);
    for byte in file {
        match byte {
            b'\n' => text.extend_from_slice(b"\r\n"),
            b'\r' => text.extend_from_slice(b"\r\0"),
            other => text.push(*other),
        }
    }
    text.into()
}

/// What holds for a transfer, and the OACK that says so, if any option is taken. The OACK has the
/// client's order and spelling. An option with a value outside its RFC is left out, as an unknown
/// one is. Of an option that stands twice, which RFC 2347 forbids, the last counts, as with atftpd
/// and dnsmasq.
fn negotiate(
    options: &Options<'_>,
    limits: &OptionLimits,
    mode: Mode,
    size: u64,
) -> (Negotiated, Option<Vec<u8>>) {
    let mut negotiated = Negotiated::DEFAULT;
    let mut taken: Vec<(KnownOption, &[u8], Vec<u8>)> = Vec::new();
    for (name, value) in options.iter() {
        let (Some(option), Some(asked)) = (KnownOption::named(name), number(value)) else {
            continue;
        };
        let answer = match option {
            KnownOption::Blksize => lowered(asked, MIN_BLKSIZE, limits.blksize).map(|size| {
                negotiated.blksize = size;
                size.to_string().into_bytes()
            }),
            KnownOption::Windowsize => {
                let limit = limits.windowsize.map(|blocks| blocks.min(MAX_WINDOWSIZE));
                lowered(asked, 1, limit).map(|blocks| {
                    negotiated.windowsize = blocks;
                    blocks.to_string().into_bytes()
                })
            }
            KnownOption::Timeout => u8::try_from(asked)
                .ok()
                .filter(|secs| *secs >= 1 && limits.timeout_secs.is_some_and(|most| *secs <= most))
                .map(|secs| {
                    negotiated.timeout_secs = Some(secs);
                    // Exactly as it was written (RFC 2349).
                    value.to_vec()
                }),
            // Of netascii nobody knows the size before it is made, and the client would compare it
            // with what it stores.
            KnownOption::Tsize => (limits.tsize && mode == Mode::Octet).then(|| {
                negotiated.tsize = Some(size);
                size.to_string().into_bytes()
            }),
        };
        if let Some(answer) = answer {
            taken.retain(|(earlier, _, _)| *earlier != option);
            taken.push((option, name, answer));
        }
    }
    if taken.is_empty() {
        return (negotiated, None);
    }
    let mut oack = Options::new();
    for (_, name, value) in &taken {
        oack.push(name, value);
    }
    (negotiated, Some(Packet::OptionAck(oack).to_bytes()))
}

/// The value asked for, lowered to the limit; None if it is too small or the option not known.
fn lowered(asked: u64, least: u16, limit: Option<u16>) -> Option<u16> {
    let most = limit?;
    let value = u16::try_from(asked).map_or(most, |asked| asked.min(most));
    (value >= least).then_some(value)
}

#[cfg(test)]
mod tests;
