//! DHCP for phones, both ends, as machines without IO: [`Client`] takes a lease and keeps it,
//! [`Server`] is a small one for the lab. The servers that a phone fetches from are in option 150
//! (RFC 5859) or option 66 (RFC 2132 section 9.4); changing them is what makes phones move.
//!
//! Both have the shape of the other machines. `handle_*` takes what happened, with the time; then
//! the caller polls until nothing comes, and `next_timeout` says when to call `handle_timeout`. A
//! call adds a few entries at most, so a caller that polls after each bounds every queue.
//!
//! Bytes are read with `dhcproto`'s borrowing reader and written as options of plain bytes: its
//! owning reader drops an option 150 of two addresses, and every option after it.

mod backoff;
mod client;
mod lease;
mod message;
mod pool;
mod server;

use std::fmt;
use std::net::Ipv4Addr;

pub use backoff::Backoff;
pub use client::{Client, ClientConfig, ClientEvent, Ignored, PHONE_PARAMETERS};
pub use lease::{Host, Lease, LeaseTimes, Remark, ServerSource, Servers};
pub use message::{Message, MessageError, MessageKind, Operation, Options, option};
pub use server::{Answers, ConfigError, Reply, ReplyTo, Scope, Server, ServerConfig, ServerEvent};

/// Where servers listen.
pub const SERVER_PORT: u16 = 67;
/// Where clients listen.
pub const CLIENT_PORT: u16 = 68;

/// The longest datagram that is read, in bytes: what fits on an Ethernet. A client that does not
/// ask for more gets 576 (RFC 2131 section 2).
pub const MAX_MESSAGE: usize = 1_500;

/// A datagram that the client sends, to [`SERVER_PORT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where it goes: a server, or [`Ipv4Addr::BROADCAST`].
    pub to: Ipv4Addr,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// A hardware address of Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address in a device's name, such as `SEP001122334401`; none if it holds none.
    pub fn of_device(device: &str) -> Option<Self> {
        let digits = device.strip_prefix("SEP")?;
        let is_hex = digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u64::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
        let [_, _, mac @ ..] = number.to_be_bytes();
        Some(Self(mac))
    }
}

/// `00:11:22:33:44:01`
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_name_holds_its_hardware_address() {
        let mac = Mac::of_device("SEP0011223344FF").unwrap();
        assert_eq!(mac.to_string(), "00:11:22:33:44:ff");
        for bad in [
            "",
            "SEP",
            "SEP0011223344F",
            "SEP+011223344FF",
            "ATA0011223344FF",
        ] {
            assert_eq!(Mac::of_device(bad), None, "{bad}");
        }
    }
}
