//! A small server for the lab: one segment, one pool, and options that change while it runs.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::Mac;
use super::message::{Message, MessageError, MessageKind, Operation, option};
use super::pool::Pool;
use crate::time::Time;

/// The most addresses of a pool: 16 bits of them.
const MAX_POOL: u32 = 1 << 16;

/// How long an offered address is kept for the client.
const OFFER_HOLDS: Duration = Duration::from_secs(60);

/// The most addresses in one option (63 of 4 bytes in 255).
const MAX_ADDRESSES: usize = 63;

/// What clients of a scope are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Option 150.
    pub option_150: Vec<Ipv4Addr>,
    /// Option 66.
    pub option_66: Option<String>,
    /// The field `siaddr`.
    pub siaddr: Option<Ipv4Addr>,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<String>,
}

/// What one client is told instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Its address, in the pool or beside it; none takes one from the pool.
    pub address: Option<Ipv4Addr>,
    /// Its options; none has those of the scope.
    pub scope: Option<Scope>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Its address, by which clients tell servers apart.
    pub address: Ipv4Addr,
    /// Option 1.
    pub mask: Ipv4Addr,
    /// First and last address that it gives.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// Life of a lease in seconds, [`u32::MAX`] for one without end.
    pub lease_secs: u32,
    /// What clients are told.
    pub scope: Scope,
    /// What some are told instead.
    pub answers: BTreeMap<Mac, Answers>,
}

/// Why a server cannot be like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No address between first and last, or too many.
    #[error("a pool from {0} to {1} has no address, or more than {MAX_POOL}")]
    Pool(Ipv4Addr, Ipv4Addr),
    /// A lease of no time.
    #[error("a lease lives for at least 1 second")]
    LeaseTime,
    /// More addresses than an option holds.
    #[error("an option holds at most {MAX_ADDRESSES} addresses, not {0}")]
    Addresses(usize),
    /// A text that an option cannot hold.
    #[error("\"{}\" is no text of 1 to 255 printable ASCII characters", .0.escape_default())]
    Text(String),
    /// Two clients with one address.
    #[error("{0} is reserved for two phones")]
    Reserved(Ipv4Addr),
}

/// What a server did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// It offered an address.
    Offered {
        /// To whom.
        mac: Mac,
        /// The address.
        address: Ipv4Addr,
    },
    /// It gave a lease, or went on with one.
    Acknowledged {
        /// To whom.
        mac: Mac,
        /// The address.
        address: Ipv4Addr,
        /// The client had it already.
        renewed: bool,
    },
    /// It said NAK.
    Refused {
        /// To whom.
        mac: Mac,
        /// Why, as option 56 says it.
        text: &'static str,
    },
    /// A client gave its address back.
    Released {
        /// Who.
        mac: Mac,
    },
    /// A client says that somebody else uses the address.
    Declined {
        /// Who.
        mac: Mac,
    },
    /// Nothing was answered.
    Ignored(Unanswered),
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It cannot be read.
    Malformed(MessageError),
    /// It is no question.
    NotAsked,
    /// It took another server's offer.
    OtherServer(Ipv4Addr),
    /// All addresses are taken.
    PoolEmpty,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::NotAsked => f.write_str("it is no question to a server"),
            Self::OtherServer(server) => write!(f, "it is for {server}"),
            Self::PoolEmpty => f.write_str("all addresses of the pool are taken"),
        }
    }
}

/// Where an answer goes (RFC 2131 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyTo {
    /// To all on the segment, at the client's port: the client has no address yet. A machine
    /// without raw sockets cannot unicast to it, and the RFC allows the broadcast.
    Broadcast,
    /// To the client at its own address.
    Client(Ipv4Addr),
    /// To a relay, at the server's port.
    Relay(Ipv4Addr),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where it goes.
    pub to: ReplyTo,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// Answers phones.
///
/// After each datagram, poll [`Self::poll_event`] until it gives None. There is nothing to wait
/// for: leases end when somebody else needs the address.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    pool: Pool,
    events: VecDeque<ServerEvent>,
}

impl Server {
    /// A server without leases.
    ///
    /// # Errors
    /// The configuration makes no sense, see [`ConfigError`].
    pub fn new(config: ServerConfig) -> Result<Self, ConfigError> {
        let (first, last) = config.pool;
        if first > last || last.to_bits() - first.to_bits() >= MAX_POOL {
            return Err(ConfigError::Pool(first, last));
        }
        if config.lease_secs == 0 {
            return Err(ConfigError::LeaseTime);
        }
        check(&config.scope)?;
        let mut reserved = std::collections::BTreeSet::from([config.address]);
        for answers in config.answers.values() {
            answers.scope.as_ref().map_or(Ok(()), check)?;
            if let Some(address) = answers.address
                && !reserved.insert(address)
            {
                return Err(ConfigError::Reserved(address));
            }
        }
        Ok(Self {
            pool: Pool::new(first, last, reserved.into_iter()),
            config,
            events: VecDeque::new(),
        })
    }

    /// Its own address.
    pub fn address(&self) -> Ipv4Addr {
        self.config.address
    }

    /// What clients are told now.
    pub fn scope(&self) -> &Scope {
        &self.config.scope
    }

    /// Tells clients something else from now on: those who ask, and those who renew.
    ///
    /// # Errors
    /// It does not fit into options; then nothing changes.
    pub fn set_scope(&mut self, scope: Scope) -> Result<(), ConfigError> {
        check(&scope)?;
        self.config.scope = scope;
        Ok(())
    }

    /// The address that this client has or had last.
    pub fn address_of(&self, mac: Mac) -> Option<Ipv4Addr> {
        let own = self.config.answers.get(&mac).and_then(|a| a.address);
        own.or_else(|| self.pool.address_of(mac))
    }

    /// How many clients have an address of the pool, or had one that nobody else has since.
    pub fn clients(&self) -> usize {
        self.pool.len()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// Takes a datagram that arrived at `now`, and answers it or not. Anything may arrive.
    pub fn handle_datagram(&mut self, now: Time, datagram: &[u8]) -> Option<Reply> {
        let answer = Message::parse(datagram)
            .map_err(Unanswered::Malformed)
            .and_then(|message| self.answer(now, &message));
        match answer {
            Ok(reply) => reply,
            Err(unanswered) => {
                self.events.push_back(ServerEvent::Ignored(unanswered));
                None
            }
        }
    }

    fn answer(&mut self, now: Time, message: &Message) -> Result<Option<Reply>, Unanswered> {
        if message.operation != Operation::Request {
            return Err(Unanswered::NotAsked);
        }
        let mac = message.mac;
        let server = message.options.address(option::SERVER_ID);
        if let Some(server) = server.filter(|s| *s != self.config.address) {
            return Err(Unanswered::OtherServer(server));
        }
        match message.kind {
            MessageKind::Discover => {
                let wish = message.options.address(option::REQUESTED_ADDRESS);
                let address = self.address_for(mac, wish, now, now + OFFER_HOLDS);
                let address = address.ok_or(Unanswered::PoolEmpty)?;
                self.events.push_back(ServerEvent::Offered { mac, address });
                Ok(Some(self.give(MessageKind::Offer, message, address)))
            }
            MessageKind::Request => Ok(self.requested(now, message, server.is_some())),
            MessageKind::Release => {
                self.pool.release(mac);
                self.events.push_back(ServerEvent::Released { mac });
                Ok(None)
            }
            MessageKind::Decline => {
                self.pool.decline(mac);
                self.events.push_back(ServerEvent::Declined { mac });
                Ok(None)
            }
            MessageKind::Inform => Ok(Some(self.inform(message))),
            MessageKind::Offer | MessageKind::Ack | MessageKind::Nak => Err(Unanswered::NotAsked),
        }
    }

    /// RFC 2131 section 4.3.2: a client takes an offer, comes back with an address, or renews.
    fn requested(&mut self, now: Time, message: &Message, takes_offer: bool) -> Option<Reply> {
        let mac = message.mac;
        let wish = message.options.address(option::REQUESTED_ADDRESS);
        let own = Some(message.ciaddr).filter(|a| !a.is_unspecified());
        let Some(asked) = wish.or(own) else {
            return Some(self.refuse(message, "no address was asked for"));
        };
        let had = self.address_of(mac);
        // Whom this server never gave anything, another one may serve: it stays silent, unless the
        // address is one of its own.
        if had.is_none() && !takes_offer && !self.is_ours(asked) {
            self.events
                .push_back(ServerEvent::Ignored(Unanswered::NotAsked));
            return None;
        }
        let life = match self.config.lease_secs {
            u32::MAX => Time::NEVER,
            secs => now + Duration::from_secs(secs.into()),
        };
        let may_have = match had {
            Some(had) => had == asked,
            None => self.pool.is_free(asked, now),
        };
        if !may_have || self.address_for(mac, Some(asked), now, life) != Some(asked) {
            return Some(self.refuse(message, "the address is not this client's"));
        }
        let renewed = !takes_offer;
        self.events.push_back(ServerEvent::Acknowledged {
            mac,
            address: asked,
            renewed,
        });
        Some(self.give(MessageKind::Ack, message, asked))
    }

    fn is_ours(&self, address: Ipv4Addr) -> bool {
        let mask = self.config.mask.to_bits();
        address.to_bits() & mask == self.config.address.to_bits() & mask
    }

    /// The address reserved for `mac`, or one of the pool.
    fn address_for(
        &mut self,
        mac: Mac,
        wish: Option<Ipv4Addr>,
        now: Time,
        until: Time,
    ) -> Option<Ipv4Addr> {
        match self.config.answers.get(&mac).and_then(|a| a.address) {
            Some(own) => Some(own),
            None => self.pool.take(mac, wish, now, until),
        }
    }

    fn give(&self, kind: MessageKind, asked: &Message, address: Ipv4Addr) -> Reply {
        let mut reply = self.reply(kind, asked);
        reply.yiaddr = address;
        let options = &mut reply.options;
        options.set(option::LEASE_SECS, self.config.lease_secs.to_be_bytes());
        if self.config.lease_secs != u32::MAX {
            let (half, eighth) = (self.config.lease_secs / 2, self.config.lease_secs / 8);
            let rebind = self.config.lease_secs - eighth;
            options.set(option::RENEW_SECS, half.to_be_bytes());
            options.set(option::REBIND_SECS, rebind.to_be_bytes());
        }
        self.describe(asked, &mut reply);
        self.send(asked, &reply)
    }

    /// RFC 2131 section 4.3.5: options alone, for a client that has its address from elsewhere.
    fn inform(&self, asked: &Message) -> Reply {
        let mut reply = self.reply(MessageKind::Ack, asked);
        self.describe(asked, &mut reply);
        self.send(asked, &reply)
    }

    fn refuse(&mut self, asked: &Message, text: &'static str) -> Reply {
        let mac = asked.mac;
        self.events.push_back(ServerEvent::Refused { mac, text });
        let mut reply = self.reply(MessageKind::Nak, asked);
        reply.options.set(option::TEXT, text.as_bytes());
        self.send(asked, &reply)
    }

    fn reply(&self, kind: MessageKind, asked: &Message) -> Message {
        let mut reply = Message::new(Operation::Reply, kind, asked.xid, asked.mac);
        reply.broadcast = asked.broadcast;
        reply.giaddr = asked.giaddr;
        if kind == MessageKind::Ack {
            reply.ciaddr = asked.ciaddr;
        }
        let own = self.config.address.octets();
        reply.options.set(option::SERVER_ID, own);
        reply
    }

    /// Sets what the client asked for. dnsmasq, ISC dhcpd and Kea send option 150 only so.
    fn describe(&self, asked: &Message, reply: &mut Message) {
        let answers = self.config.answers.get(&asked.mac);
        let own = answers.and_then(|a| a.scope.as_ref());
        let scope = own.unwrap_or(&self.config.scope);
        reply.siaddr = scope.siaddr.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let wanted = asked.options.get(option::PARAMETERS).unwrap_or_default();
        let options = &mut reply.options;
        for &code in wanted {
            match code {
                option::MASK => options.set(code, self.config.mask.octets()),
                option::ROUTERS => options.set_addresses(code, &scope.routers),
                option::DNS => options.set_addresses(code, &scope.dns),
                option::TFTP_ADDRESSES => options.set_addresses(code, &scope.option_150),
                option::DOMAIN => set_text(options, code, &scope.domain),
                option::TFTP_NAME => set_text(options, code, &scope.option_66),
                _ => {}
            }
        }
    }

    fn send(&self, asked: &Message, reply: &Message) -> Reply {
        let has_address = reply.kind != MessageKind::Nak && !asked.ciaddr.is_unspecified();
        let to = if !asked.giaddr.is_unspecified() {
            ReplyTo::Relay(asked.giaddr)
        } else if has_address {
            ReplyTo::Client(asked.ciaddr)
        } else {
            ReplyTo::Broadcast
        };
        let payload = reply.to_bytes();
        Reply { to, payload }
    }
}

fn set_text(options: &mut super::Options, code: u8, text: &Option<String>) {
    if let Some(text) = text {
        options.set(code, text.as_bytes());
    }
}

fn check(scope: &Scope) -> Result<(), ConfigError> {
    for addresses in [&scope.option_150, &scope.routers, &scope.dns] {
        if addresses.len() > MAX_ADDRESSES {
            return Err(ConfigError::Addresses(addresses.len()));
        }
    }
    for text in [&scope.option_66, &scope.domain].into_iter().flatten() {
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| matches!(b, 0x20..0x7f));
        if !fits {
            return Err(ConfigError::Text(text.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
