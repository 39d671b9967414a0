//! What a resync gives out and takes in.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Fault;
use crate::provisioning::log::Message;
use crate::provisioning::schedule::Cause;
use crate::provisioning::settings::weakest_basis;
use crate::provisioning::verify::{Checker, Refused};
use crate::trust::rules::Basis;

/// What to do next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Something has happened.
    Tell(Happening),
    /// Ask DNS for the addresses of a name, within this time.
    Resolve {
        /// The name.
        host: String,
        /// The server, if its address must be among those of the name: then the answer of that
        /// family must have come.
        peer: Option<IpAddr>,
        /// Whether AAAA records count; else they need not be asked for.
        aaaa: bool,
        /// The time, for each question.
        within: Duration,
    },
    /// Connect, after closing what is open.
    Connect(Connect),
    /// Send a request over the open connection.
    Send(Request),
    /// Nothing more: close what is open.
    End(End),
}

/// A connection to open.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Where to.
    pub address: SocketAddr,
    /// With TLS: the URL's host, and who judges the server's certificate during the handshake.
    pub tls: Option<(String, Checker)>,
    /// Whether the host is named in the handshake, if it is a name.
    pub names_host: bool,
    /// For the connection and its handshake.
    pub within: Duration,
}

/// A request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Begins with a slash.
    pub path: String,
    /// All headers that the request has, beside those that only say where its body ends.
    pub headers: Vec<(&'static str, String)>,
    /// Empty for a GET.
    pub body: Vec<u8>,
    /// Bytes of the answer's body, at most.
    pub max_bytes: usize,
    /// For the whole answer.
    pub within: Duration,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header `Location`.
    pub location: Option<String>,
    /// The headers `WWW-Authenticate` and `Proxy-Authenticate`.
    pub challenges: Vec<String>,
    /// The header `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    /// Nobody answers there, for this reason.
    Unreachable(String),
    /// The server's certificate is not taken.
    Refused(Refused),
    /// The server ended the handshake with a TLS alert.
    Alert {
        /// Its number.
        code: u8,
        /// Its name.
        name: String,
    },
    /// The handshake failed otherwise.
    Tls(String),
}

/// What happens, for whoever looks on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A resync begins.
    Started(Cause),
    /// A message to syslog, in the phone's words.
    Syslog(Message, String),
    /// A rule has nothing to download.
    RuleSkipped {
        /// The rule's parameter.
        rule: &'static str,
        /// Why.
        why: &'static str,
    },
    /// A trigger or a condition makes no sense; it counts as false.
    BadTrigger(String),
    /// DNS has answered for the URL's host.
    Resolved {
        /// The name.
        host: String,
        /// Its addresses, in the order in which they are tried.
        addresses: Vec<IpAddr>,
        /// How many it has; of more than `provision.max_addresses` the first are tried.
        all: usize,
    },
    /// An address does not answer; the next one is tried.
    NoConnection {
        /// The address.
        address: SocketAddr,
        /// Why not.
        why: String,
    },
    /// The server's certificate is taken.
    Trusted {
        /// The name that it stands for.
        name: String,
        /// The server.
        address: SocketAddr,
        /// True if DNS was asked for the name, and has this address.
        in_dns: bool,
    },
    /// A profile is asked for.
    Requested {
        /// Its URL.
        url: String,
        /// The server.
        address: SocketAddr,
    },
    /// The server has answered.
    Answered {
        /// The status code.
        status: u16,
        /// Bytes of the body.
        bytes: usize,
    },
    /// The server sends the phone elsewhere.
    Redirected(String),
    /// The server wants a login, which the phone tries.
    LogsIn(&'static str),
    /// A file that is not there counts as a success.
    MissingFileAccepted,
    /// A profile is taken over.
    Applied {
        /// Its parameters.
        parameters: usize,
        /// Those that change.
        changed: usize,
        /// How it was wrapped.
        unwrapped: Vec<&'static str>,
    },
}

/// How a resync ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The number of profiles that were taken over, or why the sequence ended early.
    pub result: Result<usize, Failure>,
    /// True if no server was asked and nothing failed: no trigger is true, or no rule applies.
    pub is_idle: bool,
    /// The settings of which another choice might have ended it otherwise.
    pub rests_on: Vec<&'static str>,
    /// True if it rests on a name that DNS is not asked for: no source says what a phone's resolver
    /// does with it.
    pub has_assumed_name: bool,
}

impl End {
    /// How sure it is: as the weakest of what it rests on.
    pub fn basis(&self) -> Basis {
        match self.has_assumed_name {
            true => Basis::Assumed,
            false => weakest_basis(&self.rests_on),
        }
    }

    /// In a word: `provisioned`, [`NOTHING_TO_DO`], `refused`, or `unreachable` where nobody said
    /// yes or no.
    pub fn verdict(&self) -> &'static str {
        match &self.result {
            Ok(_) if self.is_idle => NOTHING_TO_DO,
            Ok(_) => "provisioned",
            Err(failure) if failure.fault.is_unreachable() => "unreachable",
            Err(_) => "refused",
        }
    }
}

/// The verdict on a resync that asked no server and did not fail.
pub const NOTHING_TO_DO: &str = "nothing-to-do";

/// Why a resync failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule's parameter.
    pub rule: &'static str,
    /// The URL, once it was known.
    pub url: Option<String>,
    /// What happened.
    pub fault: Fault,
}
