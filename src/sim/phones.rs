//! The phones' side: what their machines want done, and their flash.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::witness::Seen;
use super::world::{Happening, World, lock};
use crate::dhcp::LeaseTimes;
use crate::event::Kind;
use crate::phone::flash::FlashOperation;
use crate::phone::power::{BootEnd, Booted, Booting, Cut};
use crate::phone::{DeviceIdentity, Flash, Output, Phone};
use crate::time::Time;
use crate::trust::rules::Key;

/// Ports of a phone's transfers begin here.
const FIRST_PHONE_PORT: u16 = 49_152;
/// Address of the first phone; the others follow.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A phone in its boot.
#[derive(Debug)]
pub(super) struct Running {
    /// None once the boot is over.
    phone: Option<Phone>,
    flash: Flash,
    cut: Option<Cut>,
    pub(super) device: String,
    /// What it offers to a server that asks for a certificate.
    pub(super) identity: Option<DeviceIdentity>,
    address: Ipv4Addr,
    end: BootEnd,
    used: Vec<Key>,
    lease: Option<LeaseTimes>,
    restarts: bool,
    felt: Vec<Key>,
    /// Number of its last attempt to register.
    pub(super) attempt: u32,
    /// The earliest time at which it will be woken.
    wake: Option<Time>,
}

impl Running {
    /// Whatever answers the phone answers it by this rule.
    pub(super) fn feel(&self, key: Key) {
        if let Some(phone) = &self.phone {
            phone.settings().feel(key);
        }
    }

    pub(super) fn booted(self) -> Booted {
        Booted {
            flash: self.flash,
            used: self.used,
            felt: self.felt,
            end: self.end,
            lease: self.lease,
            restarts: self.restarts,
        }
    }
}

impl World {
    pub(super) fn start_phone(&mut self, index: usize, booting: Booting) {
        let Booting { setup, flash, cut } = booting;
        if self.is_watched {
            self.seen.push(Seen::Boot {
                at: self.now,
                setup: Box::new(setup.clone()),
                flash: flash.clone(),
            });
        }
        let device = setup.identity.device.clone();
        let identity = setup.identity.certificate.clone();
        let boot = match self.is_unheard {
            true => Phone::boot_unheard,
            false => Phone::boot,
        };
        let mut phone = boot(setup, &flash, self.now);
        if self.has_modelled_signatures {
            phone.model_signatures();
        }
        let offset = u32::try_from(index).unwrap_or(u32::MAX);
        self.phones.push(Running {
            phone: Some(phone),
            flash,
            cut,
            device,
            identity,
            address: Ipv4Addr::from(u32::from(FIRST_ADDRESS).wrapping_add(offset)),
            end: BootEnd::Overdue,
            used: Vec::new(),
            lease: None,
            restarts: false,
            felt: Vec::new(),
            attempt: 0,
            wake: None,
        });
        self.booting += 1;
        self.drive(index);
    }

    pub(super) fn wake_phone(&mut self, index: usize) {
        if let Some(running) = self.phones.get_mut(index) {
            running.wake = None;
            self.reach_phone(index, |phone, now| phone.handle_timeout(now));
        }
    }

    /// Lets something reach a phone, and does what it then wants. Nothing reaches one whose boot is
    /// over.
    pub(super) fn reach_phone(&mut self, index: usize, reach: impl FnOnce(&mut Phone, Time)) {
        let now = self.now;
        if let Some(phone) = self.phones.get_mut(index).and_then(|r| r.phone.as_mut()) {
            reach(phone, now);
            self.drive(index);
        }
    }

    /// The phone with this address.
    pub(super) fn phone_at(&self, address: IpAddr) -> Option<usize> {
        let IpAddr::V4(address) = address else {
            return None;
        };
        let offset = u32::from(address).wrapping_sub(u32::from(FIRST_ADDRESS));
        let index = usize::try_from(offset).ok()?;
        (index < self.phones.len()).then_some(index)
    }

    /// What events call the client with this address.
    pub(super) fn client_name(&self, client: SocketAddr) -> String {
        let phone = self.phone_at(client.ip()).and_then(|i| self.phones.get(i));
        phone.map_or_else(|| client.to_string(), |p| p.device.clone())
    }

    /// A node sends a datagram to a phone.
    pub(super) fn send_to_phone(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let Some(phone) = self.phone_at(to.ip()) else {
            return;
        };
        let transfer = u32::from(to.port().wrapping_sub(FIRST_PHONE_PORT));
        let arriving = |bytes| Happening::ToPhone {
            phone,
            transfer,
            from,
            bytes,
        };
        self.send(phone, from.ip(), bytes, arriving);
    }

    /// Sends a datagram between a phone and the node with this address.
    fn send(
        &mut self,
        phone: usize,
        node: IpAddr,
        bytes: Vec<u8>,
        arriving: impl Fn(Vec<u8>) -> Happening,
    ) {
        let node = match node {
            IpAddr::V4(address) => lock(&self.lab).at(address),
            IpAddr::V6(_) => None,
        };
        let mut arrivals = Vec::with_capacity(1);
        let device = &self.phones[phone].device;
        self.links.datagram(device, node, bytes, |after, bytes| {
            arrivals.push((after, bytes));
        });
        for (after, bytes) in arrivals {
            self.schedule(self.now + after, arriving(bytes));
        }
    }

    /// Does what a phone wants done.
    fn drive(&mut self, index: usize) {
        while let Some(output) = self.phones[index]
            .phone
            .as_mut()
            .and_then(Phone::poll_output)
        {
            self.carry_out(index, output);
        }
        let running = &mut self.phones[index];
        let Some(phone) = running.phone.as_ref() else {
            return;
        };
        if phone.is_over() {
            return self.over(index, BootEnd::Done);
        }
        let wanted = phone.next_timeout();
        if let Some(at) = wanted.filter(|&at| running.wake.is_none_or(|w| at < w)) {
            running.wake = Some(at);
            self.schedule(at, Happening::WakePhone(index));
        }
    }

    fn carry_out(&mut self, phone: usize, output: Output) {
        match output {
            Output::Datagram {
                transfer,
                to,
                payload,
            } => {
                // Transfers of a boot are few; a port that comes again is that of one long closed.
                let port = FIRST_PHONE_PORT.wrapping_add(transfer as u16);
                let from = SocketAddr::new(IpAddr::V4(self.phones[phone].address), port);
                self.send(phone, to.ip(), payload, |bytes| Happening::ToNode {
                    from,
                    to,
                    bytes,
                });
            }
            Output::CloseTransfer { .. } => {}
            Output::Dhcp { to: _, payload } => self.ask_dhcp(phone, payload),
            Output::Resolve { host } => self.resolve(phone, host),
            Output::HttpOpen { request, to, tls } => {
                let node = match to.ip() {
                    IpAddr::V4(address) => lock(&self.lab).at(address),
                    IpAddr::V6(_) => None,
                };
                self.http_open(phone, request, node, tls);
            }
            Output::HttpGet {
                request,
                path,
                max_bytes,
            } => self.http_get(phone, request, path, max_bytes),
            Output::HttpClose { request } => {
                self.http.remove(&(phone, request));
            }
            Output::TvsConnect {
                connection,
                host,
                port: _,
                pins,
            } => self.tvs_connect(phone, connection, &host, pins),
            Output::TvsWrite { connection, bytes } => self.tvs_write(phone, connection, bytes),
            Output::TvsClose { connection } => {
                self.connections.remove(&(phone, connection));
            }
            Output::Flash { number, operation } => self.write_flash(phone, number, &operation),
            Output::Register { host, lsc } => self.register(phone, host, lsc),
            Output::Event(event) => self.seen.push(Seen::Event(event)),
        }
    }

    fn write_flash(&mut self, index: usize, number: u32, operation: &FlashOperation) {
        let at = self.now;
        let running = &mut self.phones[index];
        let before = self.is_watched.then(|| running.flash.clone());
        let cut = Cut::carry_out(running.cut.as_ref(), &mut running.flash, number, operation);
        if let Some(before) = before {
            self.seen.push(Seen::Flash {
                at,
                device: running.device.clone(),
                before,
                after: running.flash.clone(),
                cut: cut.is_some(),
            });
        }
        if let Some(text) = cut {
            let actor = running.device.clone();
            self.event(actor, Kind::PowerCut { text });
            self.over(index, BootEnd::PowerCut);
        }
    }

    fn over(&mut self, index: usize, end: BootEnd) {
        let running = &mut self.phones[index];
        let Some(phone) = running.phone.take() else {
            return;
        };
        running.used = phone.settings().used();
        running.lease = phone.lease_times();
        running.restarts = phone.restarts();
        running.felt = phone.settings().felt();
        running.end = end;
        self.booting = self.booting.saturating_sub(1);
        if self.is_watched {
            self.seen.push(Seen::Over {
                at: self.now,
                device: running.device.clone(),
                end,
                flash: running.flash.clone(),
            });
        }
    }

    /// Ends every boot that has not ended by itself.
    pub(super) fn give_up(&mut self) {
        for index in 0..self.phones.len() {
            self.over(index, BootEnd::Overdue);
        }
    }
}
