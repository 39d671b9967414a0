//! What a server gives to a phone, and which servers follow from it.

use std::fmt;
use std::net::Ipv4Addr;

use super::message::{Message, option};
use crate::time::Time;

/// What an acknowledgement gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The phone's address.
    pub address: Ipv4Addr,
    /// The server's address (option 54).
    pub server: Ipv4Addr,
    /// Subnet mask.
    pub mask: Option<Ipv4Addr>,
    /// Routers, the first is preferred.
    pub routers: Vec<Ipv4Addr>,
    /// DNS servers, the first is preferred.
    pub dns: Vec<Ipv4Addr>,
    /// Domain.
    pub domain: Option<String>,
    /// Option 150: TFTP servers, the first is preferred.
    pub option_150: Vec<Ipv4Addr>,
    /// Option 66: a TFTP server's name, or its address in text.
    pub option_66: Option<String>,
    /// The field `siaddr`. dnsmasq puts itself there unasked, so it may mean nothing.
    pub siaddr: Option<Ipv4Addr>,
    /// Life in seconds; [`u32::MAX`] has no end.
    pub lease_secs: u32,
    /// T1 in seconds: when the phone asks its server again.
    pub renew_secs: u32,
    /// T2 in seconds: when it asks any server.
    pub rebind_secs: u32,
    /// What was odd, and was left out.
    pub remarks: Vec<Remark>,
}

/// When a lease wants something, in the clock of its client. [`Time::NEVER`] all through for a lease
/// without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// When its client has to be woken next: at T1, or for the next question of a renewal.
    pub next: Time,
    /// T1: from here on its server is asked.
    pub renew: Time,
    /// T2: from here on any server is.
    pub rebind: Time,
    /// Its end.
    pub expires: Time,
}

/// What of an answer could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A whole option.
    Option {
        /// The option.
        option: u8,
        /// Its bytes.
        length: usize,
    },
    /// An address that no server can have.
    Address {
        /// The option that names it.
        option: u8,
        /// The address.
        address: Ipv4Addr,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (option, length) = match self {
            Self::Option { option, length } => (option, length),
            Self::Address { option, address } => {
                return write!(f, "option {option} names {address}, which no server has");
            }
        };
        let wanted = match *option {
            option::MASK => "one address of 4 bytes",
            option::TFTP_NAME | option::DOMAIN => "printable text",
            option::RENEW_SECS | option::REBIND_SECS => "4 bytes, below the lease's life",
            // Etherboot and GRUB had text in option 150 before RFC 5859 gave it addresses.
            _ => "addresses of 4 bytes each",
        };
        write!(
            f,
            "option {option} of {length} bytes is not used: it should hold {wanted}"
        )
    }
}

/// Where a phone may take its servers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerSource {
    /// Option 150.
    Option150,
    /// Option 66.
    Option66,
    /// The field `siaddr`.
    Siaddr,
}

impl ServerSource {
    /// For events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Option150 => "option 150",
            Self::Option66 => "option 66",
            Self::Siaddr => "siaddr",
        }
    }
}

/// A server as a lease names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By address.
    Address(Ipv4Addr),
    /// By a name that must be looked up.
    Name(String),
}

/// The servers that follow from a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// Where they were named.
    pub source: ServerSource,
    /// In order; at least one.
    pub hosts: Vec<Host>,
}

impl Lease {
    /// What is left of a lease of which only the two addresses are remembered: nothing else, and no
    /// end.
    pub fn remembered(address: Ipv4Addr, server: Ipv4Addr) -> Self {
        Self {
            address,
            server,
            mask: None,
            routers: Vec::new(),
            dns: Vec::new(),
            domain: None,
            option_150: Vec::new(),
            option_66: None,
            siaddr: None,
            lease_secs: u32::MAX,
            renew_secs: u32::MAX,
            rebind_secs: u32::MAX,
            remarks: Vec::new(),
        }
    }

    /// Reads an acknowledgement; none if it does not say for how long, or gives no time at all.
    pub(super) fn of(ack: &Message, server: Ipv4Addr) -> Option<Self> {
        let options = &ack.options;
        let lease_secs = options.number(option::LEASE_SECS).filter(|s| *s > 0)?;
        let (renew, rebind) = (
            options.number(option::RENEW_SECS),
            options.number(option::REBIND_SECS),
        );
        // RFC 2131 section 4.4.5: half and seven eighths, unless the server says otherwise and it
        // makes sense.
        let half = lease_secs / 2;
        let seven_eighths = lease_secs - lease_secs / 8;
        let rebind_secs = rebind
            .filter(|r| (1..=lease_secs).contains(r))
            .unwrap_or(seven_eighths);
        // Never at once: a server that says so would be asked as fast as it answers.
        let renew_secs = renew.unwrap_or(half).clamp(1, rebind_secs);
        let mut lease = Self {
            address: ack.yiaddr,
            server,
            mask: options.address(option::MASK),
            routers: options.addresses(option::ROUTERS).unwrap_or_default(),
            dns: options.addresses(option::DNS).unwrap_or_default(),
            domain: options.text(option::DOMAIN),
            option_150: options
                .addresses(option::TFTP_ADDRESSES)
                .unwrap_or_default(),
            option_66: options.text(option::TFTP_NAME),
            siaddr: Some(ack.siaddr).filter(|a| may_be_server(*a)),
            lease_secs,
            renew_secs,
            rebind_secs,
            remarks: Vec::new(),
        };
        let used = [
            (option::MASK, lease.mask.is_some()),
            (option::ROUTERS, !lease.routers.is_empty()),
            (option::DNS, !lease.dns.is_empty()),
            (option::DOMAIN, lease.domain.is_some()),
            (option::TFTP_ADDRESSES, !lease.option_150.is_empty()),
            (option::TFTP_NAME, lease.option_66.is_some()),
            (option::RENEW_SECS, renew == Some(renew_secs)),
            (option::REBIND_SECS, rebind == Some(rebind_secs)),
        ];
        for (option, is_used) in used {
            if let (Some(value), false) = (options.get(option), is_used) {
                let length = value.len();
                lease.remarks.push(Remark::Option { option, length });
            }
        }
        lease.drop_impossible_servers();
        Some(lease)
    }

    /// Leaves out what options 150 and 66 name and no server can have.
    fn drop_impossible_servers(&mut self) {
        let Self {
            option_150,
            option_66,
            remarks,
            ..
        } = self;
        let mut note = |option, address: Ipv4Addr| {
            let may = may_be_server(address);
            if !may {
                remarks.push(Remark::Address { option, address });
            }
            may
        };
        option_150.retain(|a| note(option::TFTP_ADDRESSES, *a));
        let named = option_66.as_deref().and_then(|text| text.parse().ok());
        if named.is_some_and(|address| !note(option::TFTP_NAME, address)) {
            *option_66 = None;
        }
    }

    /// The servers to fetch from: the first of these sources that names any.
    pub fn servers(&self, order: &[ServerSource]) -> Option<Servers> {
        order.iter().find_map(|&source| {
            let hosts: Vec<Host> = match source {
                ServerSource::Option150 => {
                    self.option_150.iter().copied().map(Host::Address).collect()
                }
                ServerSource::Option66 => self.option_66.iter().map(|t| host(t)).collect(),
                ServerSource::Siaddr => self.siaddr.into_iter().map(Host::Address).collect(),
            };
            (!hosts.is_empty()).then_some(Servers { source, hosts })
        })
    }
}

/// Whether one machine could have this address. Those of this machine itself count: a lab on
/// loopback has them.
pub(super) fn may_be_server(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast())
}

fn host(text: &str) -> Host {
    let address = text.parse().map(Host::Address);
    address.unwrap_or_else(|_| Host::Name(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::{Mac, MessageKind, Operation};

    const ORDER: [ServerSource; 3] = [
        ServerSource::Option150,
        ServerSource::Option66,
        ServerSource::Siaddr,
    ];

    fn ack(change: impl FnOnce(&mut Message)) -> Option<Lease> {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let mut m = Message::new(Operation::Reply, MessageKind::Ack, 1, mac);
        m.options.set(51, 3_600_u32.to_be_bytes());
        change(&mut m);
        Lease::of(&m, Ipv4Addr::LOCALHOST)
    }

    #[test]
    fn option_150_comes_before_66_before_siaddr() {
        let a = Ipv4Addr::new(10, 0, 0, 1);
        let b = Ipv4Addr::new(10, 0, 0, 2);
        let full = ack(|m| {
            m.options.set_addresses(150, &[a, b]);
            m.options.set(66, *b"tftp.lab\0");
            m.siaddr = b;
        })
        .unwrap();
        let servers = full.servers(&ORDER).unwrap();
        assert_eq!(servers.source, ServerSource::Option150);
        assert_eq!(servers.hosts, [Host::Address(a), Host::Address(b)]);
        let mpp = [ServerSource::Option66, ServerSource::Option150];
        let named = Host::Name("tftp.lab".into());
        assert_eq!(full.servers(&mpp).unwrap().hosts, [named]);

        let lease = ack(|m| {
            m.options.set(66, *b"10.0.0.2");
            m.siaddr = a;
        })
        .unwrap();
        assert_eq!(lease.servers(&ORDER).unwrap().hosts, [Host::Address(b)]);
        let lease = ack(|m| m.siaddr = a).unwrap();
        assert_eq!(lease.servers(&ORDER).unwrap().hosts, [Host::Address(a)]);
        assert_eq!(lease.servers(&ORDER[..2]), None);
        assert_eq!(ack(|_| {}).unwrap().servers(&ORDER), None);
    }

    #[test]
    fn an_odd_option_is_left_out_whole_and_said() {
        let lease = ack(|m| {
            m.options.set(150, [10, 0, 0, 1, 10]);
            m.options.set(1, [255, 255, 255]);
            m.options.set(66, *b"\xff\xfe");
        })
        .unwrap();
        assert!(lease.option_150.is_empty() && lease.option_66.is_none() && lease.mask.is_none());
        let said: Vec<_> = lease.remarks.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "option 1 of 3 bytes is not used: it should hold one address of 4 bytes",
                "option 150 of 5 bytes is not used: it should hold addresses of 4 bytes each",
                "option 66 of 2 bytes is not used: it should hold printable text",
            ]
        );
    }

    #[test]
    fn addresses_that_no_server_has_are_left_out_and_said() {
        let good = Ipv4Addr::new(10, 0, 0, 1);
        let bad = [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST];
        let lease = ack(|m| {
            m.options.set_addresses(150, &[bad[0], good, bad[1]]);
            m.options.set(66, *b"224.0.0.1");
            m.siaddr = bad[1];
        })
        .unwrap();
        assert_eq!(lease.option_150, [good]);
        assert_eq!((lease.option_66, lease.siaddr), (None, None));
        let said: Vec<_> = lease.remarks.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "option 150 names 0.0.0.0, which no server has",
                "option 150 names 255.255.255.255, which no server has",
                "option 66 names 224.0.0.1, which no server has",
            ]
        );
        // Others are taken in their place.
        let lease = ack(|m| {
            m.options.set_addresses(150, &bad);
            m.siaddr = good;
        })
        .unwrap();
        assert_eq!(lease.servers(&ORDER).unwrap().hosts, [Host::Address(good)]);
    }

    #[test]
    fn times_make_sense_whatever_the_server_says() {
        let times = |renew: Option<u32>, rebind: Option<u32>| {
            let lease = ack(|m| {
                if let Some(t) = renew {
                    m.options.set(58, t.to_be_bytes());
                }
                if let Some(t) = rebind {
                    m.options.set(59, t.to_be_bytes());
                }
            })
            .unwrap();
            (lease.renew_secs, lease.rebind_secs, lease.remarks.len())
        };
        assert_eq!(times(None, None), (1_800, 3_150, 0));
        assert_eq!(times(Some(10), Some(20)), (10, 20, 0));
        assert_eq!(times(Some(20), Some(10)), (10, 10, 1));
        assert_eq!(times(Some(9_999), Some(9_999)), (3_150, 3_150, 2));
        assert_eq!(times(Some(0), Some(0)), (1, 3_150, 2));
        assert_eq!(ack(|m| m.options.set(51, [0; 4])), None);
        assert_eq!(ack(|m| m.options.set(51, [0; 3])), None);
        assert_eq!(
            ack(|m| m.options.set(51, [0, 0, 0, 1])).unwrap().renew_secs,
            1
        );
    }
}
