//! Phones that leave a cluster's database, and come back into it.

use std::collections::BTreeMap;

use super::Run;
use crate::cluster::{ClusterError, PhoneRecord};
use crate::scenario::Selector;
use crate::time::UnixSeconds;

/// What databases had of phones that were removed from them, by cluster and device.
pub(super) type Removed = BTreeMap<(String, String), PhoneRecord>;

impl Run<'_> {
    pub(super) fn remove_phones(
        &mut self,
        phones: &Selector,
        cluster: &str,
        at: UnixSeconds,
    ) -> Result<(), ClusterError> {
        let devices = self.devices(phones);
        let mut removed = std::mem::take(&mut self.removed);
        let done = self.on_cluster(cluster, |c| {
            for device in devices {
                if let Some(record) = c.remove_phone(&device) {
                    removed.insert((cluster.to_owned(), device), record);
                }
            }
            c.publish(at)
        });
        self.removed = removed;
        done
    }

    /// Every cluster's database has all phones of a scenario at first, so one that it does not have
    /// was removed.
    pub(super) fn add_phones(
        &mut self,
        phones: &Selector,
        cluster: &str,
        at: UnixSeconds,
    ) -> Result<(), ClusterError> {
        let places = self.devices(phones).into_iter();
        let places = places.map(|device| (cluster.to_owned(), device));
        let back: Vec<_> = places
            .filter_map(|place| self.removed.remove_entry(&place))
            .collect();
        self.on_cluster(cluster, |c| {
            for ((_, device), record) in back {
                c.put_phone_back(&device, record)?;
            }
            c.publish(at)
        })
    }

    fn devices(&self, phones: &Selector) -> Vec<String> {
        let selected = self.selected(phones).into_iter();
        selected
            .map(|i| self.phones[i].setup.identity.device.clone())
            .collect()
    }
}
