//! What a node would publish: its ITL out of the certificates of its cluster, its CTL and a phone's
//! configuration as they are, each signed anew. What is made of something that nobody read is not made.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::{is_mixed, signer_of_file};
use super::certificates::{CALLMANAGER, CAPF, Certificates, Held, ITLRECOVERY, TVS};
use super::stand_in::{self, Made};
use crate::check::evidence::{At, Door, FileReply, FileService, Known, Node, Side, Sides};
use crate::check::places::signer_of;
use crate::cluster::{PublicCertificate, list_record};
use crate::trust::certificate::{Certificate, PublicKey};
use crate::trust::rules::{DigestScope, Settings, TftpStartMends};
use crate::trust::signature::{Policy, SignatureCheck};
use crate::wire::phone_config::{PhoneConfig, SecurityMode};
use crate::wire::{Digest, Record, Role, SignedFile, Strictness, TrustList};

const ITL: &str = "ITLFile.tlv";
const CTL: &str = "CTLFile.tlv";

/// A node of a cluster that was looked at, as who publishes.
#[derive(Clone, Copy)]
pub(super) struct Publisher<'a> {
    pub(super) sides: &'a Sides,
    pub(super) certificates: &'a Certificates,
    pub(super) rules: &'a Settings,
    pub(super) at: At,
    /// What it signs with, if that is not what it signed with before.
    pub(super) digest: Option<Digest>,
}

/// What becomes of a file that a node serves.
pub(super) enum Written {
    /// The node serves it as it should.
    Stays,
    /// It serves another one then.
    Becomes(Made),
    /// It serves what another node serves.
    Copied(Arc<[u8]>),
    /// Nobody knows.
    Unknown,
}

impl Publisher<'_> {
    fn side(&self) -> Option<&Side> {
        self.sides.sides.get(self.at.0)
    }

    fn node(&self) -> Option<&Node> {
        self.sides.node(self.at)
    }

    /// What becomes of a file that the node serves once its TFTP starts.
    pub(super) fn written(&self, name: &str, bytes: &[u8]) -> Written {
        if name.starts_with("ITL") && name.ends_with(".tlv") {
            return self.list_written(bytes);
        }
        if name.starts_with("CTL") && name.ends_with(".tlv") {
            // A CTL is the cluster's, and made by hand: the node has it from the database.
            return match self.sides.whole_list(bytes) {
                Ok(_) => Written::Stays,
                Err(_) => self.of_another(CTL, |b| self.sides.whole_list(b).is_ok()),
            };
        }
        if !name.contains(".cnf.xml") {
            return Written::Stays;
        }
        if name.ends_with(".sgn") {
            return self.signed(name, bytes);
        }
        let is_configuration = |bytes: &[u8]| PhoneConfig::parse(bytes).is_ok();
        match is_configuration(bytes) {
            true => Written::Stays,
            false => self.of_another(name, is_configuration),
        }
    }

    /// True if a node whose TFTP starts writes a damaged file anew.
    fn mends(&self) -> bool {
        self.rules.word::<TftpStartMends>() == TftpStartMends::Yes
    }

    /// The file of this name of another node of the cluster that is as it should be.
    fn of_another(&self, name: &str, is_good: impl Fn(&[u8]) -> bool) -> Written {
        if !self.mends() {
            return Written::Stays;
        }
        let nodes = self.side().into_iter().flat_map(|side| &side.nodes);
        let files = nodes.flat_map(|n| [&n.tftp, &n.http]);
        let mut files = files.filter_map(|s| s.reply(name).get()?.file());
        match files.find(|bytes| is_good(bytes)) {
            Some(bytes) => Written::Copied(Arc::clone(bytes)),
            None => Written::Unknown,
        }
    }

    /// A list that is whole and says what a new one would say stays as it is.
    fn list_written(&self, bytes: &[u8]) -> Written {
        let made = self.itl();
        let is_whole = self.sides.whole_list(bytes).is_ok();
        match made {
            Some(made) if is_whole && says_the_same(&made.bytes, bytes) => Written::Stays,
            Some(made) if is_whole || self.mends() => Written::Becomes(made),
            _ if is_whole || !self.mends() => Written::Stays,
            _ => Written::Unknown,
        }
    }

    /// A signed configuration: with its own body where its signature holds, else with that of another
    /// node's.
    fn signed(&self, name: &str, bytes: &[u8]) -> Written {
        let holds = |bytes: &[u8]| self.holds(bytes);
        let signer = self.own(CALLMANAGER);
        if !holds(bytes) {
            let other = match self.of_another(name, holds) {
                Written::Copied(other) => other,
                other => return other,
            };
            return self
                .resigned(name, name, &other)
                .map_or(Written::Unknown, Written::Becomes);
        }
        let is_current = match (signer, signer_of_file(bytes)) {
            (Some(own), Some(key)) => key.is_of(&own.certificate),
            // That it has another certificate now nobody read.
            _ => true,
        };
        if is_current && self.digest.is_none() {
            return Written::Stays;
        }
        self.resigned(name, name, bytes)
            .map_or(Written::Unknown, Written::Becomes)
    }

    /// The body of this signed file, signed by the node under another name. An encrypted one is for one
    /// phone alone.
    pub(super) fn resigned(&self, name: &str, old: &str, bytes: &[u8]) -> Option<Made> {
        let file = SignedFile::parse(bytes, &Strictness::default()).ok()?;
        if name != old && file.encryption().is_some() {
            return None;
        }
        let digest = self.digest.unwrap_or_else(|| file.header.digest());
        let signer = &self.own(CALLMANAGER)?.certificate;
        stand_in::file(&file, name, file.body, signer, digest)
    }

    /// True if the signature of a signed file holds, by a certificate that was read.
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        let Ok(file) = SignedFile::parse(bytes, &Strictness::default()) else {
            return false;
        };
        let key = signer_of_file(bytes);
        let held = key.and_then(|key| self.certificates.with_key(&key));
        let Some(held) = held else { return false };
        let Ok(certificate) = Certificate::parse(&held.certificate.der) else {
            return false;
        };
        let any = Policy {
            accept_sha256: true,
            accept_sha512: true,
            ..Policy::default()
        };
        let header = &file.header;
        SignatureCheck::with_stand_ins(Arc::clone(&self.sides.stand_ins))
            .verify(
                &any,
                header.digest(),
                &certificate,
                bytes,
                header.signature_span(),
                header.signature(),
            )
            .is_ok()
    }

    /// The node's certificate of this kind, RSA; none if nobody read it, or several may be it.
    fn own(&self, kind: &str) -> Option<&Held> {
        self.certificates
            .current(self.at.0, &self.node()?.name, kind)
    }

    /// The configuration of a phone that is new in the cluster: that of another one, under its name, if it
    /// holds nothing of that phone alone.
    pub(super) fn configuration_like_another(&self, name: &str) -> Option<Made> {
        let (other, bytes) = self.certificates.configuration(self.at.0)?;
        let file = SignedFile::parse(bytes, &Strictness::default()).ok()?;
        let is_good = is_for_any(file.body) && self.holds(bytes);
        is_good.then(|| self.resigned(name, other, bytes))?
    }

    /// The ITL that it would publish, with the rollback parameter at False.
    ///
    /// Which records: CUCM security guide 14SU2. Who signs and which anchors there are is as in the ITL
    /// that it has, or that another node of its cluster has.
    pub(super) fn itl(&self) -> Option<Made> {
        let (side, node) = (self.side()?, self.node()?);
        let mut nodes = std::iter::once(node).chain(&side.nodes);
        let template = nodes.find_map(|n| self.whole_itl(n))?;
        let list = self.sides.whole_list(template).ok()?;
        let has_tvs = || list.records.iter().any(|r| r.role() == Role::Tvs);
        match side.parameters.prepare_for_rollback {
            Known::Yes(false) => {}
            Known::No(_) if has_tvs() => {}
            // It would publish an empty one.
            Known::Yes(true) | Known::No(_) => return None,
        }
        let signer = self.certificates.with_key(&signer_of(template)?)?;
        let signer = self.successor(signer)?;
        let address = |name: &str| {
            let n = side.nodes.iter().position(|n| n.name == name)?;
            Some(self.sides.address(At(self.at.0, n)))
        };
        let mut records: Vec<Record<Vec<u8>>> = Vec::new();
        let mut add = |certificate: &PublicCertificate, role: Role, node: &str| {
            let place = address(node).map(|address| (node, address));
            let record = list_record(certificate, None, role, place);
            if !records.contains(&record) {
                records.push(record);
            }
        };
        for record in list.records.iter().filter(|r| r.role() == Role::Sast) {
            let anchor = self.certificates.with_der(record.certificate()?)?;
            let anchor = self.successor(anchor)?;
            add(&anchor.certificate, Role::Sast, &anchor.whose.node);
        }
        let files = match is_mixed(side) {
            true => Role::CcmTftp,
            false => Role::Tftp,
        };
        let own = self.own(CALLMANAGER)?;
        add(&own.certificate, files, &node.name);
        for record in list.records.iter().filter(|r| r.role().signs_files()) {
            let elliptic = record.certificate().filter(|der| !is_rsa(der));
            let elliptic = elliptic.and_then(|der| self.certificates.with_der(der));
            if let Some(held) = elliptic.filter(|h| h.whose.node == node.name) {
                add(&held.certificate, files, &node.name);
            }
        }
        for record in list.records.iter().filter(|r| r.role() == Role::Capf) {
            let capf = self.certificates.with_der(record.certificate()?)?;
            let capf = self.successor(capf)?;
            add(&capf.certificate, Role::Capf, &capf.whose.node);
        }
        // A node whose TVS refuses may have none, unless a list says that it has.
        let listed = list.records.iter().filter(|r| r.role() == Role::Tvs);
        let listed: Vec<_> = listed
            .filter_map(|r| self.certificates.with_der(r.certificate()?))
            .collect();
        let lists_tvs = |node: &Node| {
            let runs = node.tvs.door == Known::Yes(Door::Open);
            runs || listed.iter().any(|held| held.whose.node == node.name)
        };
        let mut has_tvs = false;
        for node in side.nodes.iter().filter(|n| lists_tvs(n)) {
            let shown = node.tvs.certificate.get();
            let shown = shown.and_then(|der| PublicCertificate::from_der(der).ok());
            let read = || self.certificates.current(self.at.0, &node.name, TVS);
            let tvs = shown.or_else(|| Some((*read()?.certificate).clone()));
            if let Some(tvs) = tvs {
                has_tvs = true;
                add(&tvs, Role::Tvs, &node.name);
            }
        }
        let scope = self.rules.word::<DigestScope>();
        let digest = self.digest.filter(|_| scope == DigestScope::All);
        let digest = digest.unwrap_or_else(|| list.header.digest());
        has_tvs.then(|| stand_in::list(&list, records, &signer.certificate, digest))?
    }

    /// The certificate that stands where this one stood: the node's own of now, or the ITLRecovery or CAPF
    /// of whoever had it.
    fn successor(&self, held: &Held) -> Option<&Held> {
        if held.side != Some(self.at.0) {
            return None;
        }
        match held.whose.kind.as_str() {
            kind @ (ITLRECOVERY | CAPF) => {
                let node = &held.whose.node;
                self.certificates.current(self.at.0, node, kind)
            }
            _ => self.own(CALLMANAGER),
        }
    }

    /// The ITL of a node, if its own signature holds.
    fn whole_itl<'a>(&self, node: &'a Node) -> Option<&'a Arc<[u8]>> {
        let services = [&node.tftp, &node.http];
        let mut served = services
            .into_iter()
            .filter_map(|s| s.reply(ITL).get()?.file());
        served.find(|bytes| self.sides.whole_list(bytes).is_ok())
    }
}

/// True of a configuration that says nothing of one phone's certificate or security profile.
pub(super) fn is_for_any(xml: &[u8]) -> bool {
    let config = PhoneConfig::parse(xml);
    config.is_ok_and(|c| {
        let is_secure = c.device_security_mode != SecurityMode::NonSecure;
        !is_secure && !c.encr_config && c.cert_hash.is_none_or(|hash| hash.is_empty())
    })
}

fn is_rsa(der: &[u8]) -> bool {
    let read = Certificate::parse(der);
    read.is_ok_and(|c| matches!(c.public_key, PublicKey::Rsa { .. }))
}

/// True if two lists have one signer, one digest, and the same certificates in the same roles.
fn says_the_same(a: &[u8], b: &[u8]) -> bool {
    let said = |bytes: &[u8]| {
        let list = TrustList::parse(bytes, &Strictness::default()).ok()?;
        let records = list.records.iter();
        let records = records.map(|r| (r.role().code(), r.certificate().map(<[u8]>::to_vec)));
        let records: BTreeSet<_> = records.collect();
        let signer = list.header.signer().map(<[u8]>::to_vec);
        Some((signer, list.header.digest(), records))
    };
    said(a) == said(b)
}

/// The transports of a node that hand out signed files, to change them: over HTTPS configurations are
/// plain.
pub(super) fn services_mut(node: &mut Node) -> [&mut FileService; 2] {
    [&mut node.tftp, &mut node.http]
}

/// The files that a node serves to this phone and to all, by name, each once.
pub(super) fn served(node: &Node, device: &str) -> Vec<(String, Arc<[u8]>)> {
    let services = [&node.tftp, &node.http];
    let mut all: Vec<(String, Arc<[u8]>)> = Vec::new();
    for (name, reply) in services.into_iter().flat_map(|s| &s.replies) {
        let is_list = name.ends_with(".tlv");
        let is_its = name.contains(device) || [ITL, CTL].contains(&name.as_str());
        let is_default = name.starts_with("XMLDefault.cnf.xml");
        if (is_its && (is_list || name.contains(".cnf.xml")) || is_default)
            && let Known::Yes(FileReply::File(bytes)) = reply
            && !all.iter().any(|(n, b)| n == name && b == bytes)
        {
            all.push((name.clone(), Arc::clone(bytes)));
        }
    }
    all
}
