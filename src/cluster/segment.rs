//! The segment of a lab's phones: its DHCP server, and what that tells each phone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::Lab;
use crate::dhcp::{Answers, ConfigError, Mac, Scope, Server, ServerConfig};
use crate::time::Time;

/// The server's own address, and the mask of its network. No node has an address there.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 254);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 0, 0, 0);
/// The first phone of a scenario has the address after this, the others follow.
const BEFORE_PHONES: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);
/// Addresses for phones that no scenario knows.
const POOL: (Ipv4Addr, Ipv4Addr) = (
    Ipv4Addr::new(10, 254, 0, 1),
    Ipv4Addr::new(10, 254, 255, 254),
);

/// The DHCP server of a segment.
#[derive(Debug)]
pub(super) struct Segment {
    server: Server,
    is_on: bool,
}

/// The address of the phone with this number, from 1.
pub fn phone_address(number: usize) -> Ipv4Addr {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    BEFORE_PHONES.to_bits().saturating_add(number).into()
}

impl Lab {
    /// Puts a DHCP server onto the phones' segment that gives these phones these addresses, each
    /// with a scope of its own, for `lease_secs`.
    ///
    /// # Errors
    /// A scope does not fit into options, or two phones have one address.
    pub fn start_dhcp(
        &mut self,
        phones: impl Iterator<Item = (Mac, Ipv4Addr, Scope)>,
        lease_secs: u32,
    ) -> Result<(), ConfigError> {
        let answers = phones.map(|(mac, address, scope)| {
            let answers = Answers {
                address: Some(address),
                scope: Some(scope),
            };
            (mac, answers)
        });
        let server = Server::new(ServerConfig {
            address: SERVER,
            mask: MASK,
            pool: POOL,
            lease_secs,
            scope: Scope::default(),
            answers: answers.collect::<BTreeMap<_, _>>(),
        })?;
        self.segment = Some(Segment {
            server,
            is_on: true,
        });
        Ok(())
    }

    /// Tells a phone something else from its next question on.
    ///
    /// # Errors
    /// It does not fit into options.
    pub fn set_dhcp_scope(&mut self, mac: Mac, scope: Scope) -> Result<(), ConfigError> {
        match &mut self.segment {
            Some(segment) => segment.server.set_scope_of(mac, scope),
            None => Ok(()),
        }
    }

    /// Lets the DHCP server answer, or not.
    pub fn switch_dhcp(&mut self, on: bool) {
        if let Some(segment) = &mut self.segment {
            segment.is_on = on;
        }
    }

    /// What the DHCP server answers to a datagram, if it does.
    pub fn ask_dhcp(&mut self, now: Time, datagram: &[u8]) -> Option<Vec<u8>> {
        let segment = self.segment.as_mut().filter(|s| s.is_on)?;
        let reply = segment.server.handle_datagram(now, datagram);
        // The phones tell what became of them.
        while segment.server.poll_event().is_some() {}
        reply.map(|r| r.payload)
    }
}
