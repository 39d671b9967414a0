//! The phones' own segment: DHCP, and the names that it gives. Nothing is lost there, whatever the
//! links to the nodes are like.

use super::link::LATENCY;
use super::world::{Happening, World, lock};

impl World {
    /// A phone sends a datagram to the DHCP server.
    pub(super) fn ask_dhcp(&mut self, phone: usize, bytes: Vec<u8>) {
        self.schedule(self.now + LATENCY, Happening::DhcpAtServer { phone, bytes });
    }

    pub(super) fn dhcp_asked(&mut self, phone: usize, bytes: &[u8]) {
        let answer = lock(&self.lab).ask_dhcp(self.now, bytes);
        if let Some(bytes) = answer {
            self.schedule(self.now + LATENCY, Happening::DhcpToPhone { phone, bytes });
        }
    }

    /// A phone asks for the address of a name: there and back.
    pub(super) fn resolve(&mut self, phone: usize, host: String) {
        let there_and_back = LATENCY * 2;
        self.schedule(
            self.now + there_and_back,
            Happening::Resolved { phone, host },
        );
    }

    pub(super) fn resolved(&mut self, phone: usize, host: &str) {
        let address = {
            let lab = lock(&self.lab);
            lab.host(host).map(|node| lab.address(node))
        };
        self.reach_phone(phone, |p, now| p.handle_resolved(now, host, address));
    }
}
