//! Phones that nothing can tell apart: the same firmware and rules, the same flash but for their
//! names, and the same answers of every node to what they ask for under their own names. One of them
//! is rehearsed for all.

use std::collections::BTreeMap;
use std::sync::Arc;

use ring::digest::{Context, SHA256};

use crate::check::evidence::{At, FileReply, FileService, Known, Node, Sides, SignerKey};
use crate::check::fix::Certificates;
use crate::check::predict::Subject;
use crate::cluster::{PublicCertificate, is_device_name};
use crate::phone::Flash;
use crate::phone::flash::{CONFIG, STATE};
use crate::trust::certificate::Certificate;
use crate::trust::rules::RULES;
use crate::trust::signature::{Policy, SignatureCheck};
use crate::wire::element::header_tag::TIMESTAMP;
use crate::wire::phone_config::PhoneConfig;
use crate::wire::{ListKind, SignedFile, Strictness, TrustList};

/// `SEP` and 12 digits.
const DEVICE_LENGTH: usize = 15;
/// The element with a header's timestamp: tag, two bytes of length, four of time.
const TIMESTAMP_VALUE: std::ops::Range<usize> = 3..7;

/// A certificate in DER, and how files name it.
type Signer = (SignerKey, Vec<u8>);

/// What was read, with that which is about one phone apart.
pub(super) struct Apart {
    /// What every phone can ask for.
    general: Sides,
    of_device: BTreeMap<String, OfDevice>,
    /// All configurations, where hosts mean one thing in those of one cluster and another in the other's.
    configurations: Vec<Reply>,
    signers: Vec<Signer>,
    /// The certificates of lists that phones hold.
    of_lists: BTreeMap<Arc<[u8]>, Arc<[Signer]>>,
    /// The certificates that were read.
    pub(super) certificates: Certificates,
}

/// What a service of a node said of a file.
type Reply = (At, usize, String, Known<FileReply>);

/// What is about one phone.
#[derive(Default)]
struct OfDevice {
    replies: Vec<Reply>,
    /// Names in lists of cached files, by cluster.
    cached: Vec<(usize, String)>,
}

/// The name of a phone in the name of a file.
fn device_in(name: &str) -> Option<&str> {
    let places = name.match_indices("SEP").map(|(place, _)| place);
    places
        .filter_map(|place| name.get(place..place + DEVICE_LENGTH))
        .find(|device| is_device_name(device))
}

fn services(node: &mut Node) -> [&mut FileService; 3] {
    [&mut node.tftp, &mut node.http, &mut node.https]
}

/// Lets the service say it again.
fn put(sides: &mut Sides, (at, number, name, reply): &Reply) {
    if let Some(node) = sides.node_mut(*at) {
        let [tftp, http, https] = services(node);
        let service = match number {
            0 => tftp,
            1 => http,
            _ => https,
        };
        service.replies.insert(name.clone(), reply.clone());
    }
}

impl Apart {
    pub(super) fn new(sides: &Sides) -> Self {
        let mut general = sides.clone();
        let mut of_device: BTreeMap<String, OfDevice> = BTreeMap::new();
        let mut configurations = Vec::new();
        let has_namesakes = !sides.namesakes().is_empty();
        for (s, side) in general.sides.iter_mut().enumerate() {
            for (n, node) in side.nodes.iter_mut().enumerate() {
                for (number, service) in services(node).into_iter().enumerate() {
                    let all = std::mem::take(&mut service.replies);
                    let (own, rest): (BTreeMap<_, _>, _) = all
                        .into_iter()
                        .partition(|(name, _)| device_in(name).is_some());
                    service.replies = rest;
                    for (name, reply) in own {
                        // Whose a list is that a phone holds may show in another phone's alone.
                        let is_new_list = name.ends_with(".tlv")
                            && !service.replies.values().any(|known| *known == reply);
                        if is_new_list {
                            service.replies.insert(name.clone(), reply.clone());
                        }
                        if has_namesakes && name.contains(".cnf.xml") {
                            configurations.push((At(s, n), number, name.clone(), reply.clone()));
                        }
                        let device = device_in(&name).unwrap_or_default().to_owned();
                        let of = of_device.entry(device).or_default();
                        of.replies.push((At(s, n), number, name, reply));
                    }
                }
            }
            if let Known::Yes(cached) = &mut side.parameters.cached_files {
                for name in std::mem::take(cached) {
                    match device_in(&name).map(str::to_owned) {
                        Some(device) => {
                            of_device.entry(device).or_default().cached.push((s, name));
                        }
                        None => cached.push(name),
                    }
                }
            }
        }
        let mut certificates = Certificates::read(&general);
        certificates.read_configurations(sides);
        let key = |c: &Arc<PublicCertificate>| (SignerKey::of(c), c.der.clone());
        Self {
            general,
            of_device,
            configurations,
            signers: certificates.all().map(key).collect(),
            of_lists: BTreeMap::new(),
            certificates,
        }
    }

    /// What was read, without what is about other phones: but whose the configuration is that this
    /// phone holds may show in another phone's alone.
    pub(super) fn for_device(&self, device: &str, flash: &Flash) -> Sides {
        let mut sides = self.of_device(device);
        if let Some(held) = flash.get(CONFIG)
            && !self.configurations.is_empty()
            && sides.cluster_of_configuration(held).is_none()
        {
            let is_held = |(_, _, _, reply): &&Reply| match reply {
                Known::Yes(FileReply::File(bytes)) => bytes.ends_with(held),
                _ => false,
            };
            for reply in self.configurations.iter().filter(is_held) {
                put(&mut sides, reply);
            }
        }
        sides
    }

    fn of_device(&self, device: &str) -> Sides {
        let mut sides = self.general.clone();
        let Some(of) = self.of_device.get(device) else {
            return sides;
        };
        for reply in &of.replies {
            put(&mut sides, reply);
        }
        for (side, name) in &of.cached {
            let side = sides.sides.get_mut(*side);
            if let Some(Known::Yes(cached)) = side.map(|s| &mut s.parameters.cached_files) {
                cached.push(name.clone());
            }
        }
        sides
    }

    /// The certificates of the lists in a flash, read once for all phones that hold them.
    fn held(&mut self, flash: &Flash) -> Vec<Arc<[Signer]>> {
        let lists = [ListKind::Ctl, ListKind::Itl].map(ListKind::file_name);
        let held = lists.iter().filter_map(|name| flash.get(name));
        let mut read = |list: &Arc<[u8]>| {
            let known = self.of_lists.entry(Arc::clone(list));
            Arc::clone(known.or_insert_with(|| signers_in(list).into()))
        };
        held.map(&mut read).collect()
    }

    /// A digest that is the same for phones that are alike.
    pub(super) fn likeness(&mut self, subject: &Subject) -> [u8; 32] {
        let held = self.held(&subject.flash);
        let setup = &subject.setup;
        let device = setup.identity.device.as_str();
        let mut likeness = Likeness {
            context: Context::new(&SHA256),
            device,
            files: Vec::new(),
        };
        likeness.text(&setup.identity.model);
        likeness.text(setup.profile.name);
        for rule in RULES {
            let settings = &setup.settings;
            likeness.bytes(&settings.peek(rule.key).to_be_bytes());
            likeness.bytes(&[settings.basis(rule.key) as u8]);
        }
        likeness.text(&format!(
            "{:?} {} {} {:?} {:?} {:?}",
            setup.pace, setup.clock, setup.clock_ahead, setup.cause, subject.now, subject.taken
        ));
        match &setup.identity.certificate {
            None => likeness.text("no certificate"),
            Some(own) => {
                let issuer = PublicCertificate::from_der(&own.certificate).map(|c| c.issuer_text);
                likeness.text(own.kind);
                likeness.text(&issuer.unwrap_or_default());
            }
        }
        likeness.text(&format!("{:?}", subject.earlier));
        likeness.flash(&subject.flash);
        if subject.before == subject.flash {
            likeness.text("as before");
        } else {
            likeness.flash(&subject.before);
        }
        let signers = Signers {
            read: &self.signers,
            held: &held,
        };
        if let Some(of) = self.of_device.get(device) {
            for (at, number, name, reply) in &of.replies {
                likeness.text(&format!("{at:?} {number} {name}"));
                likeness.reply(name, reply, signers);
            }
            for (side, name) in &of.cached {
                likeness.text(&format!("{side} {name}"));
            }
        }
        likeness.digest()
    }
}

/// Whoever can vouch for a signed file.
#[derive(Clone, Copy)]
struct Signers<'a> {
    /// By what was read.
    read: &'a [Signer],
    /// By the phone's own lists.
    held: &'a [Arc<[Signer]>],
}

impl Signers<'_> {
    /// Their certificates, by their key.
    fn with_key(&self, key: &SignerKey) -> impl Iterator<Item = &[u8]> {
        let held = self.held.iter().flat_map(|of_list| of_list.iter());
        let all = self.read.iter().chain(held);
        all.filter(move |(k, _)| k == key).map(|(_, der)| &der[..])
    }
}

/// The certificates of a list.
fn signers_in(list: &[u8]) -> Vec<Signer> {
    let Ok(list) = TrustList::parse(list, &Strictness::default()) else {
        return Vec::new();
    };
    let certificates = list.records.iter().filter_map(|r| r.certificate());
    let read = certificates.filter_map(|der| PublicCertificate::from_der(der).ok());
    read.map(|c| (SignerKey::of(&c), c.der)).collect()
}

struct Likeness<'a> {
    context: Context,
    device: &'a str,
    /// Files that were looked at: nodes mostly serve the same, and over each transport.
    files: Vec<&'a Arc<[u8]>>,
}

impl<'a> Likeness<'a> {
    /// Each piece with its length, so that no two rows of pieces are the same bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        self.context.update(&(bytes.len() as u64).to_be_bytes());
        self.context.update(bytes);
    }

    /// Text in which the phone's own name does not count.
    fn text(&mut self, text: &str) {
        let text = text.replace(self.device, "#");
        self.bytes(text.as_bytes());
    }

    /// Something that no other phone has.
    fn own(&mut self, bytes: &[u8]) {
        self.bytes(self.device.as_bytes());
        self.bytes(bytes);
    }

    fn digest(self) -> [u8; 32] {
        let digest = self.context.finish();
        let mut array = [0; 32];
        array.copy_from_slice(digest.as_ref());
        array
    }

    fn flash(&mut self, flash: &Flash) {
        for (name, bytes) in flash.files() {
            self.text(name);
            match name {
                CONFIG => self.config(bytes),
                STATE => self.notes(bytes),
                _ => self.bytes(bytes),
            }
        }
    }

    /// A phone's notes, but for what it showed and which address it had: nothing hangs on that.
    fn notes(&mut self, bytes: &[u8]) {
        match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(serde_json::Value::Object(mut notes)) => {
                for unimportant in ["status", "lease", "device"] {
                    notes.remove(unimportant);
                }
                self.text(&serde_json::Value::Object(notes).to_string());
            }
            _ => self.own(bytes),
        }
    }

    fn reply(&mut self, name: &str, reply: &'a Known<FileReply>, signers: Signers<'_>) {
        if let Known::Yes(FileReply::File(bytes)) = reply {
            if let Some(place) = self.files.iter().position(|f| *f == bytes) {
                return self.bytes(&place.to_be_bytes());
            }
            self.files.push(bytes);
        }
        match reply {
            Known::No(why) => self.text(&format!("not known: {why}")),
            Known::Yes(FileReply::NotFound) => self.text("not found"),
            Known::Yes(FileReply::Status(status)) => self.text(&format!("status {status}")),
            Known::Yes(FileReply::File(bytes)) if name.ends_with(".tlv") => self.bytes(bytes),
            // Whether a phone can open it hangs on its own key.
            Known::Yes(FileReply::File(bytes)) if name.ends_with(".enc.sgn") => self.own(bytes),
            Known::Yes(FileReply::File(bytes)) if name.ends_with(".sgn") => {
                self.signed(bytes, signers);
            }
            Known::Yes(FileReply::File(bytes)) => self.config(bytes),
        }
    }

    /// A signed configuration. Of two whose signatures hold only what they say counts.
    fn signed(&mut self, bytes: &[u8], signers: Signers<'_>) {
        let Ok(file) = SignedFile::parse(bytes, &Strictness::default()) else {
            return self.own(bytes);
        };
        let [_, issuer, serial] = file.header.signer();
        let key = SignerKey::new(issuer, serial);
        let span = file.header.signature_span();
        let holds = |der: &[u8]| {
            let certificate = Certificate::parse(der).ok();
            certificate.is_some_and(|certificate| {
                let checked = SignatureCheck::new().verify(
                    &EVERY,
                    file.header.digest(),
                    &certificate,
                    bytes,
                    span.clone(),
                    file.header.signature(),
                );
                checked.is_ok()
            })
        };
        if !signers.with_key(&key).all(holds) {
            return self.own(bytes);
        }
        let Some(mut header) = bytes.get(..file.header.length()).map(<[u8]>::to_vec) else {
            return self.own(bytes);
        };
        if let Some(signature) = header.get_mut(span.clone()) {
            signature.fill(0);
        }
        let at = file.header.offset_of(TIMESTAMP);
        let time =
            at.and_then(|at| header.get_mut(at + TIMESTAMP_VALUE.start..at + TIMESTAMP_VALUE.end));
        if let Some(time) = time {
            time.fill(0);
        }
        let device = self.device.as_bytes();
        while let Some(at) = header.windows(device.len()).position(|w| w == device) {
            header[at..at + device.len()].fill(b'#');
        }
        self.bytes(&header);
        self.config(file.body);
    }

    /// A configuration, but for its version stamp. One that is about the phone's own key is its own.
    fn config(&mut self, bytes: &[u8]) {
        match PhoneConfig::parse(bytes) {
            Ok(config) if !config.encr_config && config.cert_hash.is_none() => {
                let config = PhoneConfig {
                    version_stamp: None,
                    ..config
                };
                self.text(&format!("{config:?}"));
            }
            _ => self.own(bytes),
        }
    }
}

/// Takes whatever a phone might take: what it refuses it refuses of all alike.
const EVERY: Policy = Policy {
    min_rsa_bits: 512,
    accept_sha256: true,
    accept_sha512: true,
};
