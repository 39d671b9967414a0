//! The machine that takes a lease and keeps it.

use std::collections::VecDeque;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::lease::{Lease, LeaseTimes, may_be_server};
use super::message::{Message, MessageError, MessageKind, Operation, option};
use super::{Backoff, Mac, Transmit};
use crate::rng::Rng;
use crate::time::Time;

/// The options that a phone asks for, in its order: a CP-7911G in a public capture
/// (flan/staticdhcpd issue 28).
pub const PHONE_PARAMETERS: [u8; 7] = [
    option::MASK,
    option::TFTP_NAME,
    option::DNS,
    option::ROUTERS,
    option::DOMAIN,
    option::TFTP_ADDRESSES,
    option::ARP_TIMEOUT,
];

/// RFC 2131 section 4.4.5: a renewal goes out again after half of the time that is left, but not
/// sooner than this.
const MIN_RENEWAL_WAIT: Duration = Duration::from_secs(60);

/// Who asks, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The phone's hardware address.
    pub mac: Mac,
    /// Option 12: `SEP001122334401`.
    pub host_name: String,
    /// Option 60, with the NUL that phones end it with.
    pub vendor_class: Vec<u8>,
    /// Option 55.
    pub parameters: Vec<u8>,
    /// Whether answers must be broadcast until the client has an address.
    pub broadcast: bool,
    /// Whether the interface really gets the address. Without it no unicast arrives, so renewals
    /// are asked for as after a restart (RFC 2131 section 3.2), and the answers broadcast.
    pub holds_address: bool,
    /// When questions go out again, and how often.
    pub backoff: Backoff,
}

impl ClientConfig {
    /// A phone as a CP-7911G shows itself (flan/staticdhcpd issue 28): the broadcast flag, its name,
    /// `Cisco Systems, Inc. IP Phone ` with the model and a NUL, and [`PHONE_PARAMETERS`].
    pub fn of_phone(mac: Mac, device: &str, model: &str) -> Self {
        Self {
            mac,
            host_name: device.to_owned(),
            vendor_class: format!("Cisco Systems, Inc. IP Phone {model}\0").into_bytes(),
            parameters: PHONE_PARAMETERS.to_vec(),
            broadcast: true,
            holds_address: true,
            backoff: Backoff::default(),
        }
    }
}

/// What happened, for a log and for the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// A server offered an address, and the client asks for it.
    Offered {
        /// The server.
        server: Ipv4Addr,
        /// The address.
        address: Ipv4Addr,
    },
    /// The client has a new lease.
    Bound(Box<Lease>),
    /// The lease goes on, perhaps with other options.
    Renewed(Box<Lease>),
    /// A server refused what was asked for; the client begins anew if it has tries left.
    Refused {
        /// The server.
        server: Ipv4Addr,
        /// Option 56, if it says why.
        text: Option<String>,
    },
    /// A question went out again for lack of an answer.
    Retransmitted {
        /// What was asked.
        kind: MessageKind,
        /// Counts from 1.
        attempt: u32,
    },
    /// Nobody answered often enough; the client has stopped.
    NoAnswer,
    /// Nobody answered [`Client::renew`]; the lease stays as it is.
    RenewalUnanswered,
    /// The lease ended without renewal; the client begins anew.
    Expired,
    /// A datagram was dropped.
    Ignored(Ignored),
}

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It cannot be read.
    Malformed(MessageError),
    /// It is not the answer to what was asked: another client's, another transaction, an earlier
    /// question, or the second answer to one.
    NotAsked,
    /// It comes from a server that was not asked.
    OtherServer(Ipv4Addr),
    /// It acknowledges an address that was not asked for.
    OtherAddress(Ipv4Addr),
    /// It offers an address that no phone can have.
    UnusableAddress(Ipv4Addr),
    /// It does not say which server it comes from (option 54), or names none that there can be.
    NoServerId,
    /// It does not say for how long (option 51), or gives no time.
    NoLeaseTime,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::NotAsked => f.write_str("it answers nothing that is asked now"),
            Self::OtherServer(server) => write!(f, "{server} was not asked"),
            Self::OtherAddress(address) => write!(f, "{address} was not asked for"),
            Self::UnusableAddress(address) => write!(f, "{address} is no address for a phone"),
            Self::NoServerId => f.write_str("no option 54 says which server it comes from"),
            Self::NoLeaseTime => f.write_str("no option 51 says for how long"),
        }
    }
}

/// Takes a lease and keeps it.
///
/// After each call, poll [`Self::poll_transmit`] and [`Self::poll_event`] until each gives None. It
/// never sends DECLINE: nothing here can see that an address is in use.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    rng: Rng,
    state: State,
    /// Transaction of the question under way.
    xid: u32,
    /// When the client began, for the field `secs`.
    began: Time,
    /// When the question under way first went out: a lease counts from there.
    asked: Time,
    /// Sendings of the question under way.
    attempt: u32,
    /// Beginnings since the client was last bound.
    rounds: u32,
    due: Time,
    transmits: VecDeque<Transmit>,
    events: VecDeque<ClientEvent>,
}

#[derive(Debug)]
enum State {
    /// DISCOVER is out, or a refusal is being waited over.
    Selecting,
    /// REQUEST is out for an offer.
    Requesting {
        server: Ipv4Addr,
        address: Ipv4Addr,
    },
    Bound(Held),
    /// REQUEST is out for the lease in hand.
    Renewing {
        held: Held,
        asks: Asks,
    },
    Over,
}

/// A lease with its times.
#[derive(Clone, Debug)]
struct Held {
    lease: Box<Lease>,
    renew: Time,
    rebind: Time,
    expires: Time,
}

/// Whom a renewal asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// The server of the lease, before T1, because somebody said so.
    Now,
    /// The server of the lease.
    Server,
    /// Any server.
    Anyone,
}

impl Held {
    fn new(lease: Lease, asked: Time) -> Self {
        let after = |secs: u32| {
            if lease.lease_secs == u32::MAX {
                Time::NEVER
            } else {
                asked + Duration::from_secs(secs.into())
            }
        };
        Self {
            renew: after(lease.renew_secs),
            rebind: after(lease.rebind_secs),
            expires: after(lease.lease_secs),
            lease: Box::new(lease),
        }
    }

    /// Whom a renewal asks at this time; before T1 those that it asked so far.
    fn asks_at(&self, now: Time, so_far: Asks) -> Asks {
        if now >= self.rebind {
            Asks::Anyone
        } else if now >= self.renew {
            Asks::Server
        } else {
            so_far
        }
    }
}

impl Client {
    /// Starts by looking for servers.
    pub fn new(config: ClientConfig, rng: Rng, now: Time) -> Self {
        let mut client = Self::idle(config, rng, now);
        client.begin(now);
        client
    }

    fn idle(config: ClientConfig, rng: Rng, now: Time) -> Self {
        Self {
            config,
            rng,
            state: State::Over,
            xid: 0,
            began: now,
            asked: now,
            attempt: 0,
            rounds: 0,
            due: Time::NEVER,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A client that has this lease and asks its server to renew it, now. If nobody answers, the
    /// lease stays as it is until T1, counted from `now`.
    pub fn renewing(config: ClientConfig, lease: Lease, rng: Rng, now: Time) -> Self {
        let mut client = Self::idle(config, rng, now);
        client.ask_renewal(Held::new(lease, now), Asks::Now, now);
        client
    }

    /// A client that goes on with a lease where another left it. From T1 on it asks for as long as the
    /// lease lasts, and begins anew after that (RFC 2131 section 4.4.5).
    pub fn resuming(
        config: ClientConfig,
        lease: Lease,
        times: LeaseTimes,
        rng: Rng,
        now: Time,
    ) -> Self {
        let mut client = Self::idle(config, rng, now);
        client.due = times.next;
        client.state = State::Bound(Held {
            lease: Box::new(lease),
            renew: times.renew,
            rebind: times.rebind,
            expires: times.expires,
        });
        client.handle_timeout(now);
        client
    }

    /// The times of the lease in hand, for [`Self::resuming`].
    pub fn times(&self) -> Option<LeaseTimes> {
        let (State::Bound(held) | State::Renewing { held, .. }) = &self.state else {
            return None;
        };
        Some(LeaseTimes {
            next: self.due,
            renew: held.renew,
            rebind: held.rebind,
            expires: held.expires,
        })
    }

    /// The lease in hand.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Bound(held) | State::Renewing { held, .. } => Some(&held.lease),
            _ => None,
        }
    }

    /// True when nothing more will happen: nobody answered, or the lease was given back.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// A datagram to send, to the server's port.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; none for a lease without end, or when it is over.
    pub fn next_timeout(&self) -> Option<Time> {
        Some(self.due).filter(|due| *due != Time::NEVER)
    }

    /// Asks the server of the lease for a renewal now. Without a lease, or with a renewal under
    /// way, nothing happens.
    pub fn renew(&mut self, now: Time) {
        if let State::Bound(held) = &self.state {
            let held = held.clone();
            self.ask_renewal(held, Asks::Now, now);
        }
    }

    /// Gives the lease back and stops. The message is sent once and not answered (RFC 2131
    /// section 4.4.6).
    pub fn release(&mut self, now: Time) {
        if let Some(lease) = self.lease() {
            let (server, address) = (lease.server, lease.address);
            self.xid = self.new_xid();
            let mut message = self.message(MessageKind::Release, now);
            message.broadcast = false;
            message.ciaddr = address;
            set_address(&mut message, option::SERVER_ID, server);
            self.send(server, &message);
        }
        self.stop();
    }

    /// Takes a datagram that arrived at `now`. Anything may arrive.
    pub fn handle_datagram(&mut self, now: Time, datagram: &[u8]) {
        if let Err(ignored) = self.try_handle(now, datagram) {
            self.events.push_back(ClientEvent::Ignored(ignored));
        }
    }

    fn try_handle(&mut self, now: Time, datagram: &[u8]) -> Result<(), Ignored> {
        let message = Message::parse(datagram).map_err(Ignored::Malformed)?;
        let is_answer = message.operation == Operation::Reply
            && message.mac == self.config.mac
            && message.xid == self.xid;
        if !is_answer {
            return Err(Ignored::NotAsked);
        }
        let server = message.options.address(option::SERVER_ID);
        let server = server.filter(|s| may_be_server(*s));
        let server = server.ok_or(Ignored::NoServerId)?;
        let given = message.yiaddr;
        match (&self.state, message.kind) {
            (State::Selecting, MessageKind::Offer) if self.attempt > 0 => {
                if !is_usable(given) {
                    return Err(Ignored::UnusableAddress(given));
                }
                self.request(server, given, now);
                Ok(())
            }
            (State::Requesting { server: asked, .. }, MessageKind::Ack | MessageKind::Nak)
                if server != *asked =>
            {
                Err(Ignored::OtherServer(server))
            }
            (State::Renewing { held, asks }, MessageKind::Ack | MessageKind::Nak)
                if *asks != Asks::Anyone && server != held.lease.server =>
            {
                Err(Ignored::OtherServer(server))
            }
            (State::Requesting { address, .. }, MessageKind::Ack) if given != *address => {
                Err(Ignored::OtherAddress(given))
            }
            (State::Renewing { held, .. }, MessageKind::Ack) if given != held.lease.address => {
                Err(Ignored::OtherAddress(given))
            }
            (State::Requesting { .. }, MessageKind::Ack) => {
                let lease = Lease::of(&message, server).ok_or(Ignored::NoLeaseTime)?;
                self.bind(lease.clone());
                self.rounds = 0;
                self.events.push_back(ClientEvent::Bound(Box::new(lease)));
                Ok(())
            }
            (State::Renewing { .. }, MessageKind::Ack) => {
                let lease = Lease::of(&message, server).ok_or(Ignored::NoLeaseTime)?;
                self.bind(lease.clone());
                self.events.push_back(ClientEvent::Renewed(Box::new(lease)));
                Ok(())
            }
            (State::Requesting { .. } | State::Renewing { .. }, MessageKind::Nak) => {
                let text = message.options.text(option::TEXT);
                self.events.push_back(ClientEvent::Refused { server, text });
                self.begin_later(now);
                Ok(())
            }
            _ => Err(Ignored::NotAsked),
        }
    }

    /// Looks at the time. Too early does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        if now < self.due {
            return;
        }
        match &self.state {
            State::Over => {}
            // A refusal was waited over.
            State::Selecting if self.attempt == 0 => self.begin(now),
            State::Selecting => self.again(MessageKind::Discover, now),
            State::Requesting { .. } => self.again(MessageKind::Request, now),
            State::Bound(held) => {
                let held = held.clone();
                self.ask_renewal(held, Asks::Server, now);
            }
            State::Renewing { held, asks } => {
                let (held, asks) = (held.clone(), *asks);
                self.renewal_unanswered(held, asks, now);
            }
        }
    }

    /// DISCOVER, in a round of its own; or the end, if there were enough rounds.
    fn begin(&mut self, now: Time) {
        if self.rounds >= self.config.backoff.tries.max(1) {
            return self.give_up();
        }
        if self.rounds == 0 {
            self.began = now;
        }
        self.rounds += 1;
        self.xid = self.new_xid();
        self.state = State::Selecting;
        self.attempt = 0;
        self.discover(now);
    }

    /// As [`Self::begin`], after a wait: a server that refuses everything is not asked as fast as
    /// it answers.
    fn begin_later(&mut self, now: Time) {
        self.state = State::Selecting;
        self.attempt = 0;
        self.due = now + self.config.backoff.wait(self.rounds.max(1), &mut self.rng);
    }

    fn discover(&mut self, now: Time) {
        let message = self.message(MessageKind::Discover, now);
        self.send(Ipv4Addr::BROADCAST, &message);
        self.count(now);
    }

    fn request(&mut self, server: Ipv4Addr, address: Ipv4Addr, now: Time) {
        self.events
            .push_back(ClientEvent::Offered { server, address });
        self.state = State::Requesting { server, address };
        self.asked = now;
        self.attempt = 0;
        self.request_again(now);
    }

    fn request_again(&mut self, now: Time) {
        let State::Requesting { server, address } = self.state else {
            return;
        };
        let mut message = self.message(MessageKind::Request, now);
        set_address(&mut message, option::SERVER_ID, server);
        set_address(&mut message, option::REQUESTED_ADDRESS, address);
        // To all, so that the other servers see that their offers were not taken.
        self.send(Ipv4Addr::BROADCAST, &message);
        self.count(now);
    }

    /// The question under way goes out again, or was asked often enough.
    fn again(&mut self, kind: MessageKind, now: Time) {
        if self.attempt >= self.config.backoff.tries {
            // An offer whose request nobody answers: RFC 2131 section 3.1 step 5 begins anew.
            return match self.state {
                State::Requesting { .. } => self.begin(now),
                _ => self.give_up(),
            };
        }
        let attempt = self.attempt;
        self.events
            .push_back(ClientEvent::Retransmitted { kind, attempt });
        match kind {
            MessageKind::Discover => self.discover(now),
            _ => self.request_again(now),
        }
    }

    /// Counts a sending and sets the alarm for the next.
    fn count(&mut self, now: Time) {
        self.attempt += 1;
        self.due = now + self.config.backoff.wait(self.attempt, &mut self.rng);
    }

    fn bind(&mut self, lease: Lease) {
        let held = Held::new(lease, self.asked);
        self.due = held.renew;
        self.attempt = 0;
        self.state = State::Bound(held);
    }

    fn ask_renewal(&mut self, held: Held, asks: Asks, now: Time) {
        if now >= held.expires {
            return self.expire(now);
        }
        let asks = held.asks_at(now, asks);
        (self.began, self.asked) = (now, now);
        self.xid = self.new_xid();
        self.attempt = 0;
        self.send_renewal(held, asks, now);
    }

    fn send_renewal(&mut self, held: Held, asks: Asks, now: Time) {
        let mut message = self.message(MessageKind::Request, now);
        let own = held.lease.address;
        if self.config.holds_address {
            message.broadcast = false;
            message.ciaddr = own;
        } else {
            set_address(&mut message, option::REQUESTED_ADDRESS, own);
        }
        let is_unicast = self.config.holds_address && asks != Asks::Anyone;
        let to = if is_unicast {
            held.lease.server
        } else {
            Ipv4Addr::BROADCAST
        };
        self.send(to, &message);
        let end = match asks {
            Asks::Now => held.renew,
            Asks::Server => held.rebind,
            Asks::Anyone => held.expires,
        };
        self.attempt += 1;
        let wait = match asks {
            Asks::Now => self.config.backoff.wait(self.attempt, &mut self.rng),
            Asks::Server | Asks::Anyone => (end.since(now) / 2).max(MIN_RENEWAL_WAIT),
        };
        self.due = (now + wait).min(end);
        self.state = State::Renewing { held, asks };
    }

    fn renewal_unanswered(&mut self, held: Held, asks: Asks, now: Time) {
        if now >= held.expires {
            return self.expire(now);
        }
        let asks = held.asks_at(now, asks);
        if asks == Asks::Now && self.attempt >= self.config.backoff.tries {
            self.events.push_back(ClientEvent::RenewalUnanswered);
            self.due = held.renew;
            self.state = State::Bound(held);
            return;
        }
        let (kind, attempt) = (MessageKind::Request, self.attempt);
        self.events
            .push_back(ClientEvent::Retransmitted { kind, attempt });
        self.send_renewal(held, asks, now);
    }

    fn expire(&mut self, now: Time) {
        self.events.push_back(ClientEvent::Expired);
        self.rounds = 0;
        self.begin(now);
    }

    fn give_up(&mut self) {
        self.events.push_back(ClientEvent::NoAnswer);
        self.stop();
    }

    fn stop(&mut self) {
        self.state = State::Over;
        self.due = Time::NEVER;
    }

    fn new_xid(&mut self) -> u32 {
        // The low half of a random number is one.
        self.rng.next_u64() as u32
    }

    /// A message with what all have.
    fn message(&self, kind: MessageKind, now: Time) -> Message {
        let mut message = Message::new(Operation::Request, kind, self.xid, self.config.mac);
        message.secs = u16::try_from(now.since(self.began).as_secs()).unwrap_or(u16::MAX);
        message.broadcast = self.config.broadcast;
        let options = &mut message.options;
        let mac = &self.config.mac.0;
        options.set(option::CLIENT_ID, [&[1], &mac[..]].concat());
        if kind != MessageKind::Release {
            options.set(option::HOST_NAME, self.config.host_name.as_bytes());
            options.set(option::VENDOR_CLASS, self.config.vendor_class.as_slice());
            options.set(option::PARAMETERS, self.config.parameters.as_slice());
        }
        message
    }

    fn send(&mut self, to: Ipv4Addr, message: &Message) {
        let payload = message.to_bytes();
        self.transmits.push_back(Transmit { to, payload });
    }
}

fn set_address(message: &mut Message, code: u8, address: Ipv4Addr) {
    message.options.set(code, address.octets());
}

/// Whether a phone could have this address.
fn is_usable(address: Ipv4Addr) -> bool {
    !(address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_loopback())
}

#[cfg(test)]
mod tests;
