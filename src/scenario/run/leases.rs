//! What phones are told by DHCP, and the renewal of their leases.

use std::net::Ipv4Addr;

use super::{LabPhone, Run, lock};
use crate::cluster::{ClusterError, Lab};
use crate::dhcp::{Mac, Scope};
use crate::phone::BootCause;
use crate::scenario::Selector;
use crate::trust::rules::{DhcpPrecedence, Key, Word};

impl LabPhone {
    /// The servers that it should ask, by what it is told.
    pub fn servers(&self, lab: &Lab) -> Vec<Ipv4Addr> {
        let named = self.scope.option_66.as_ref();
        let of_66 = named.and_then(|host| Some(lab.address(lab.host(host)?)));
        let option_66 = of_66.into_iter().collect();
        let rule = self.setup.settings.peek(Key::DhcpPrecedence);
        let (first, second) = match DhcpPrecedence::from_index(rule) {
            DhcpPrecedence::Option66First => (option_66, self.scope.option_150.clone()),
            DhcpPrecedence::Option150First | DhcpPrecedence::WithoutSiaddr => {
                (self.scope.option_150.clone(), option_66)
            }
        };
        if first.is_empty() { second } else { first }
    }
}

impl Run<'_> {
    /// Phones renew their leases, in this run and beside it.
    pub(super) fn renew_leases(&mut self, phones: &Selector) -> Result<(), ClusterError> {
        let indices = self.selected(phones);
        self.boot(&indices, BootCause::Renewal)
    }

    /// Phones renew their leases; those that restart for it boot.
    pub(super) fn renew_here(&mut self, indices: &[usize]) -> Result<(), ClusterError> {
        let restarting = self.boot_once(indices, BootCause::Renewal);
        if restarting.is_empty() {
            return self.settle();
        }
        self.boot_here(&restarting, BootCause::Restart)
    }

    /// Changes what phones are told: by DHCP, or by hand where they take no lease.
    pub(super) fn set_scope(&mut self, phones: &Selector, change: impl Fn(&mut Scope)) {
        let indices = self.selected(phones);
        let by_hand = !self.scenario.dhcp.on;
        self.each_phone(indices.iter().copied(), |p| {
            change(&mut p.scope);
            if by_hand {
                p.setup.option_150.clone_from(&p.scope.option_150);
            }
        });
        let mut lab = lock(&self.lab);
        for i in indices {
            let p = &self.phones[i];
            if let Some(mac) = Mac::of_device(&p.setup.identity.device) {
                // Two servers and names of nodes fit into options.
                let set = lab.set_dhcp_scope(mac, p.scope.clone());
                debug_assert!(set.is_ok(), "{set:?}");
            }
        }
    }
}
