//! The DHCP server of the phones' segment.

use super::super::model::Dhcp;
use super::Parser;
use super::read::Section;

impl Parser<'_, '_> {
    /// The key `dhcp` of the scenario.
    pub(super) fn dhcp(&mut self, root: &Section<'_>) -> Dhcp {
        let usual = Dhcp::default();
        let entry = root.optional("dhcp");
        let Some((table, span)) = entry.and_then(|e| Some((e.table(self.problems)?, e.key_span)))
        else {
            return usual;
        };
        let keys = &["on", "lease-seconds"];
        let section = Section::new(self.problems, table, Some(span), "`dhcp`", keys);
        let on = section.optional("on").and_then(|e| e.flag(self.problems));
        let lease_seconds = section
            .optional("lease-seconds")
            .and_then(|e| e.number(self.problems, 1..=u64::from(u32::MAX)))
            .and_then(|n| u32::try_from(n.value).ok());
        Dhcp {
            on: on.unwrap_or(usual.on),
            lease_seconds: lease_seconds.unwrap_or(usual.lease_seconds),
        }
    }
}
