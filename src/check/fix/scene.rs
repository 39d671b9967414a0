//! A phone and what was read around it, for the words of the way out.

use std::net::Ipv4Addr;

use super::apply::{Ground, is_mixed, running};
use super::certificates::is_of;
use super::words::Scene;
use crate::check::evidence::{Door, Known, Node, Sides, TvsReply};
use crate::check::predict::{Move, Prediction, Subject};
use crate::check::registration::has_phone;
use crate::check::verdict;
use crate::cluster::{PublicCertificate, TrustStore};
use crate::event::Kind;
use crate::phone::flash::CONFIG;
use crate::trust::rules::LscTrustedBy;
use crate::wire::ListKind;
use crate::wire::phone_config::PhoneConfig;

/// A phone that does not follow, as it is before it moves: that is when it is mended.
pub(super) struct Looked<'a> {
    pub(super) sides: &'a Sides,
    pub(super) subject: &'a Subject,
    pub(super) plan: &'a Move,
    pub(super) prediction: &'a Prediction,
    pub(super) ground: Ground<'a>,
}

impl Looked<'_> {
    fn name_at(&self, address: Ipv4Addr) -> String {
        let at = self.sides.at(address);
        let node = at.and_then(|at| self.sides.node(at));
        node.map_or_else(|| address.to_string(), |n| n.name.clone())
    }

    fn config_home(&self) -> Option<String> {
        let flash = &self.subject.flash;
        let bytes = flash.get(CONFIG)?;
        let config = PhoneConfig::parse(bytes).ok()?;
        let mut hosts = config.callmanager_group.iter();
        let at = hosts.find_map(|m| self.sides.named_in(bytes, &m.host))?;
        Some(self.sides.sides[at.0].name.clone())
    }

    fn itl_home(&self) -> Option<String> {
        verdict::owner(self.sides, &self.subject.flash, ListKind::Itl)?.cluster
    }

    /// The nodes that served or should have.
    pub(super) fn serving(&self) -> Vec<String> {
        let served = self
            .prediction
            .events
            .iter()
            .rev()
            .find_map(|e| match &e.kind {
                Kind::Downloaded { server, .. } => server.parse().ok(),
                _ => None,
            });
        match served {
            Some(address) => vec![self.name_at(address)],
            None => self.named(),
        }
    }

    /// True if its firmware refuses a digest of a cluster with a CTL, which is signed by hand.
    pub(super) fn needs_new_ctl(&self) -> bool {
        let destination = self.destination();
        let side = self.sides.sides.iter().find(|s| s.name == destination);
        self.prediction.reason() == Some("digest-unsupported") && side.is_some_and(is_mixed)
    }

    /// True if a node does not hand out the configuration of a phone that its cluster has.
    pub(super) fn lacks_file(&self) -> bool {
        self.prediction.reason() == Some("file-missing") && self.is_in_database()
    }

    /// True if the cluster that the phone goes to is known to have it in its database.
    pub(super) fn is_in_database(&self) -> bool {
        let destination = self.destination();
        let side = self.sides.sides.iter().find(|s| s.name == destination);
        side.is_some_and(|s| has_phone(s, &self.device()) == Known::Yes(true))
    }

    /// The nodes of option 150.
    pub(super) fn named(&self) -> Vec<String> {
        let servers = self.plan.option_150.iter();
        servers.map(|a| self.name_at(*a)).collect()
    }

    /// The nodes of a cluster that run TVS, or are to: those that the phone's configuration names,
    /// else those where it was looked for.
    pub(super) fn tvs(&self, cluster: &str) -> Vec<String> {
        let flash = &self.subject.flash;
        let bytes = flash.get(CONFIG).map_or(&[][..], |bytes| &bytes[..]);
        let config = PhoneConfig::parse(bytes).ok();
        let hosts = config.iter().flat_map(|c| &c.tvs);
        let hosts = hosts.filter_map(|t| self.sides.named_in(bytes, &t.host));
        let of_cluster = hosts.filter(|at| self.sides.sides[at.0].name == cluster);
        let mut named: Vec<_> = of_cluster
            .filter_map(|at| Some(self.sides.node(at)?.name.clone()))
            .collect();
        if named.is_empty() {
            let side = self.sides.sides.iter().find(|s| s.name == cluster);
            let nodes = side.into_iter().flat_map(|s| &s.nodes);
            let looked = nodes.filter(|n| n.tvs.certificate.get().is_some());
            named = looked.map(|n| n.name.clone()).collect();
        }
        named
    }

    /// The nodes of a cluster on which a service answers.
    pub(super) fn running(&self, cluster: &str, door: fn(&Node) -> &Known<Door>) -> Vec<String> {
        let side = self.sides.sides.iter().find(|s| s.name == cluster);
        side.map_or_else(Vec::new, |side| running(side, door))
    }
}

impl Scene for Looked<'_> {
    fn device(&self) -> String {
        self.subject.setup.identity.device.clone()
    }

    fn destination(&self) -> String {
        let known = self.prediction.judged.destination.clone();
        known.unwrap_or_else(|| self.named().join(" and "))
    }

    fn home(&self) -> String {
        let first = || self.sides.sides.first().map(|s| s.name.clone());
        self.itl_home()
            .or_else(|| self.config_home())
            .or_else(first)
            .unwrap_or_default()
    }

    fn lsc_home(&self) -> String {
        let issuer = self
            .subject
            .setup
            .identity
            .certificate
            .as_ref()
            .and_then(|c| PublicCertificate::from_der(&c.certificate).ok())
            .map(|c| c.issuer_text);
        let held = issuer
            .as_deref()
            .and_then(|i| self.ground.certificates.capf(i));
        let side = held.and_then(|h| self.sides.sides.get(h.side?));
        match (side, issuer) {
            (Some(side), _) => side.name.clone(),
            (None, Some(issuer)) => format!("the cluster of {issuer}"),
            (None, None) => self.home(),
        }
    }

    fn split_home(&self) -> Option<(String, String)> {
        let (config, itl) = (self.config_home()?, self.itl_home()?);
        (config != itl).then_some((config, itl))
    }

    fn tvs_nodes(&self, cluster: &str) -> String {
        match self.tvs(cluster).as_slice() {
            [] => "a node that the phone's configuration names".into(),
            names => names.join(" and "),
        }
    }

    fn serving_nodes(&self) -> String {
        self.serving().join(" and ")
    }

    fn named_nodes(&self) -> String {
        self.named().join(" and ")
    }

    fn signer(&self) -> Option<(String, String)> {
        let signer = self.prediction.signer.as_ref()?;
        match self.ground.certificates.of(signer) {
            Some(held) if held.is_current && !held.whose.kind.is_empty() => {
                Some((held.whose.kind.clone(), held.whose.node.clone()))
            }
            Some(held) if held.is_current => Some((
                format!("the certificate {}", held.whose.subject),
                held.whose.node.clone(),
            )),
            Some(_) => None,
            // Whose it is nobody knows; that it is needed is known.
            None => Some((
                format!(
                    "the certificate with subject {}, issuer {}, serial {}",
                    signer.subject, signer.issuer, signer.serial
                ),
                self.serving_nodes(),
            )),
        }
    }

    fn is_known_now(&self, cluster: &str) -> bool {
        let Some(signer) = &self.prediction.signer else {
            return false;
        };
        let side = self.sides.sides.iter().find(|s| s.name == cluster);
        let mut nodes = side.into_iter().flat_map(|s| &s.nodes);
        nodes.any(|node| {
            let vouches = |reply: &Known<TvsReply>| match reply {
                Known::Yes(TvsReply::Found(found)) => {
                    PublicCertificate::from_der(&found.certificate).is_ok_and(|c| is_of(&c, signer))
                }
                _ => false,
            };
            node.tvs.door == Known::Yes(Door::Open) && node.tvs.replies.values().any(vouches)
        })
    }

    fn is_imported(&self, cluster: &str) -> bool {
        let Some(signer) = &self.prediction.signer else {
            return false;
        };
        let side = self.sides.sides.iter().find(|s| s.name == cluster);
        let mut nodes = side.into_iter().flat_map(|s| &s.nodes);
        nodes.any(|node| {
            let held = node.stores.get(&TrustStore::PhoneSast);
            let held = held.and_then(Known::get).into_iter().flatten();
            held.into_iter().any(|c| is_of(c, signer))
        })
    }

    /// Where one of two stores would be enough, both are named: sources disagree which it is.
    fn stores_without_issuer(&self) -> String {
        match self.ground.rules.word::<LscTrustedBy>() {
            LscTrustedBy::EitherStore => "CAPF-trust and CallManager-trust",
            LscTrustedBy::CallManagerTrust => "CallManager-trust",
            LscTrustedBy::CapfTrust => "CAPF-trust",
        }
        .into()
    }

    fn is_prepared_for_rollback(&self, cluster: &str) -> bool {
        let side = self.sides.sides.iter().find(|s| s.name == cluster);
        side.is_some_and(|s| s.parameters.prepare_for_rollback == Known::Yes(true))
    }

    fn file(&self) -> Option<String> {
        self.prediction.file.clone()
    }
}
