use super::*;
use crate::check::evidence::{Door, Side};
use crate::check::folder::{self, Files, Options};
use crate::cluster::x509::{self, Name, Request, self_signed};
use crate::cluster::{CertificateKind, KeyBits, KeyPool};
use crate::rng::Rng;
use crate::trust::rules::Settings;
use crate::wire::Digest;

fn read(files: &Files) -> Side {
    folder::gather(
        files,
        &Options {
            name: "elsewhere",
            place: "rec",
            passwords: &[],
            settings: &Settings::default(),
        },
    )
}

/// Certificates of the lab, made once.
fn certificates() -> Vec<Arc<PublicCertificate>> {
    let mut keys = KeyPool::new(1);
    let mut make = |name: &str, kind| {
        let request = Request {
            kind,
            subject: Name::new(name, "Voice"),
            host: name,
            serial: x509::serial(&mut Rng::new(name.len() as u64), 16),
            not_before: 1_583_053_200,
            not_after: 1_683_053_200,
            digest: Digest::Sha256,
        };
        self_signed(&request, keys.take(KeyBits::B1024))
            .unwrap()
            .public
    };
    vec![
        make("a-pub", CertificateKind::CallManager),
        make("ITLRECOVERY_a-pub", CertificateKind::ItlRecovery),
        make("CAPF-01234567", CertificateKind::Capf),
        make("b-publisher", CertificateKind::Tvs),
    ]
}

/// A cluster of any kind.
struct Dice<'a> {
    rng: Rng,
    certificates: &'a [Arc<PublicCertificate>],
}

impl Dice<'_> {
    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.rng.below(all.len() as u64) as usize].clone()
    }

    fn known<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Known<T> {
        if self.rng.chance(700) {
            Known::Yes(make(self))
        } else {
            Known::No(
                self.one_of(&["nobody looked", "", "timed out \u{1b}[0m\n"])
                    .into(),
            )
        }
    }

    fn bytes(&mut self) -> Arc<[u8]> {
        let mut bytes = vec![0; self.rng.below(40) as usize];
        self.rng.fill(&mut bytes);
        // Some files are the same.
        if self.rng.chance(300) {
            bytes = b"same".to_vec();
        }
        bytes.into()
    }

    fn certificate(&mut self) -> Arc<PublicCertificate> {
        self.one_of(self.certificates)
    }

    fn door(&mut self) -> Known<Door> {
        self.known(|d| d.one_of(&[Door::Open, Door::Refused, Door::Silent]))
    }

    fn reply(&mut self) -> Known<FileReply> {
        self.known(|d| match d.rng.below(3) {
            0 => FileReply::NotFound,
            1 => FileReply::Status(d.rng.below(700) as u16),
            _ => FileReply::File(d.bytes()),
        })
    }

    fn service(&mut self) -> FileService {
        const NAMES: [&str; 12] = [
            "ITLFile.tlv",
            "CTLFile.tlv",
            "SEP001122334455.cnf.xml.sgn",
            "itlFILE.tlv",
            "../../etc/passwd",
            "/etc/passwd",
            "English_United_States/sp-sip.jar",
            "con.xml",
            "",
            "..",
            "server.der",
            "a name\u{0}\n\u{202e}",
        ];
        let mut replies = BTreeMap::new();
        for _ in 0..self.rng.below(8) {
            replies.insert(self.one_of(&NAMES).to_owned(), self.reply());
        }
        FileService {
            door: self.door(),
            concluded: self.rng.chance(300),
            certificate: self.rng.chance(300).then(|| self.certificate().der.clone()),
            replies,
            others: self.reply(),
        }
    }

    fn tvs_reply(&mut self) -> Known<TvsReply> {
        self.known(|d| match d.rng.below(3) {
            0 => TvsReply::Unknown,
            1 => TvsReply::Closed,
            _ => TvsReply::Found(Found {
                certificate: d.certificate().der.clone(),
                roles: d.bytes().to_vec(),
                ttl_secs: d.rng.next_u64() as u32,
            }),
        })
    }

    fn tvs(&mut self) -> TvsService {
        let mut replies = BTreeMap::new();
        for _ in 0..self.rng.below(5) {
            let signer = SignerKey::new(&self.bytes(), &self.bytes());
            replies.insert(signer, self.tvs_reply());
        }
        let mut tvs = TvsService {
            port: self.rng.chance(500).then_some(2_446),
            door: self.door(),
            certificate: self.known(|d| d.certificate().der.clone()),
            replies,
            others: self.tvs_reply(),
            derived: self.rng.chance(300),
        };
        if tvs.derived {
            tvs.replies.clear();
            tvs.others = Known::No(NOT_KEPT.into());
        }
        tvs
    }

    fn node(&mut self, name: &str) -> Node {
        let mut certificates = Vec::new();
        for _ in 0..self.rng.below(4) {
            let kind = self.one_of(&["CallManager", "CAPF", "", "../x", "tomcat-ECDSA", "tVs"]);
            certificates.push((kind.to_owned(), self.certificate()));
        }
        // Lists name all of a node's own ones, or none.
        let all = certificates.iter().map(|(_, c)| Arc::clone(c));
        let listed = all.filter(|_| name.len().is_multiple_of(2)).collect();
        let mut stores = BTreeMap::new();
        for store in TrustStore::ALL {
            if self.rng.chance(600) {
                let held = self.known(|d| {
                    let count = d.rng.below(4);
                    (0..count).map(|_| d.certificate()).collect()
                });
                stores.insert(store, held);
            }
        }
        let tftp = self.service();
        Node {
            name: name.to_owned(),
            address: self.rng.chance(500).then_some([10, 0, 0, 1].into()),
            http: if self.rng.chance(500) {
                tftp.clone()
            } else {
                self.service()
            },
            tftp,
            https: self.service(),
            tvs: self.tvs(),
            callmanager: self.door(),
            callmanager_ports: (0..self.rng.below(3) as u16)
                .map(|port| (5_060 + port, self.door()))
                .collect(),
            certificates,
            listed,
            stores,
        }
    }

    fn side(&mut self) -> Side {
        const NAMES: [&str; 9] = [
            "a-pub",
            "A-PUB",
            "tftp",
            "stores",
            "../..",
            "",
            "a_b",
            "a b",
            "CAPF-trust",
        ];
        let count = self.rng.below(4) as usize;
        let first = self.rng.below(NAMES.len() as u64 - 3) as usize;
        let names = NAMES[first..first + count].iter();
        Side {
            name: self.one_of(&["source", "two words\n", ""]).into(),
            nodes: names.map(|name| self.node(name)).collect(),
            parameters: Parameters {
                auto_registration: self.known(|d| d.rng.chance(500)),
                prepare_for_rollback: self.known(|d| d.rng.chance(500)),
                cached_files: self.known(|_| vec!["b".into(), "a".into()]),
            },
            failures: self.one_of(&[vec![], vec!["TVS of a-sub: timed out".to_owned()]]),
            notes: self.one_of(&[vec![], vec!["one list is taken for another".to_owned()]]),
        }
    }
}

fn generated(seed: u64, certificates: &[Arc<PublicCertificate>]) -> Side {
    let rng = Rng::new(seed);
    Dice { rng, certificates }.side()
}

#[test]
fn what_is_recorded_is_read_again() {
    let certificates = certificates();
    for seed in 0..400 {
        let side = generated(seed, &certificates);
        let files = write(&side);
        let again = read(&files);
        assert_eq!(again, side, "seed {seed}");
        assert_eq!(write(&again), files, "seed {seed}");
    }
}

#[test]
fn what_was_concluded_of_a_tvs_is_not_kept() {
    let certificates = certificates();
    for seed in 0..40 {
        let mut side = generated(seed, &certificates);
        let plain = write(&side);
        for tvs in side.nodes.iter_mut().map(|n| &mut n.tvs) {
            if tvs.derived {
                let signer = SignerKey::new(b"CN=a", &[1]);
                tvs.replies.insert(signer, Known::Yes(TvsReply::Unknown));
                tvs.others = Known::Yes(TvsReply::Unknown);
            }
        }
        assert_eq!(write(&side), plain, "seed {seed}");
    }
}

#[test]
fn every_path_of_a_recording_is_a_file_below_its_folder_on_every_system() {
    let certificates = certificates();
    for seed in 0..400 {
        let mut lower = std::collections::BTreeSet::new();
        for path in write(&generated(seed, &certificates)).keys() {
            assert!(lower.insert(path.to_lowercase()), "seed {seed}: {path}");
            for part in path.split('/') {
                let is_letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                assert!(part.chars().all(is_letter), "seed {seed}: {path}");
                assert!(!part.is_empty() && !part.starts_with('.'), "{path}");
                assert!(!part.eq_ignore_ascii_case("con.xml"), "{path}");
            }
        }
    }
}

/// Everything that is known in `now` was known before, and the same.
fn is_no_better(now: &Side, before: &Side) -> Result<(), String> {
    fn fits<T: PartialEq>(what: &str, now: &Known<T>, before: &Known<T>) -> Result<(), String> {
        match now {
            Known::No(_) => Ok(()),
            known if known == before => Ok(()),
            Known::Yes(_) => Err(what.to_owned()),
        }
    }
    let (a, b) = (&now.parameters, &before.parameters);
    fits(
        "auto_registration",
        &a.auto_registration,
        &b.auto_registration,
    )?;
    fits("rollback", &a.prepare_for_rollback, &b.prepare_for_rollback)?;
    fits("cached files", &a.cached_files, &b.cached_files)?;
    for node in &now.nodes {
        // A node's folder is called otherwise where its name is no file name.
        let mut same = before.nodes.iter();
        let Some(old) = same.find(|n| n.name == node.name) else {
            return Err(format!("there was no node {:?}", node.name));
        };
        if node.address.is_some() && node.address != old.address {
            return Err("address".into());
        }
        let services = [
            ("tftp", &node.tftp, &old.tftp),
            ("http", &node.http, &old.http),
            ("https", &node.https, &old.https),
        ];
        for (what, now, old) in services {
            fits(&format!("door of {what}"), &now.door, &old.door)?;
            fits(&format!("others of {what}"), &now.others, &old.others)?;
            for name in now.replies.keys().chain(old.replies.keys()) {
                fits(
                    &format!("{what} {name:?}"),
                    now.reply(name),
                    old.reply(name),
                )?;
            }
            if now.certificate != old.certificate && now.door.get().is_some() {
                return Err(format!("certificate of {what}"));
            }
        }
        fits("door of TVS", &node.tvs.door, &old.tvs.door)?;
        fits(
            "certificate of TVS",
            &node.tvs.certificate,
            &old.tvs.certificate,
        )?;
        fits("others of TVS", &node.tvs.others, &old.tvs.others)?;
        for signer in node.tvs.replies.keys().chain(old.tvs.replies.keys()) {
            fits("answer", node.tvs.reply(signer), old.tvs.reply(signer))?;
        }
        fits("CallManager", &node.callmanager, &old.callmanager)?;
        for (port, door) in &node.callmanager_ports {
            let old = old.callmanager_ports.get(port);
            let old = old.ok_or_else(|| format!("CallManager at {port}"))?;
            fits("CallManager at a port", door, old)?;
        }
        if let Some(new) = node.certificates.iter().find(|c| {
            let is_same = |(kind, o): &(String, Arc<PublicCertificate>)| {
                o.der == c.1.der && (*kind == c.0 || c.0.is_empty())
            };
            !old.certificates.iter().any(is_same)
        }) {
            return Err(format!("certificate {}", new.0));
        }
        for (store, held) in &node.stores {
            let none = Known::not_looked_at();
            fits(store.name(), held, old.stores.get(store).unwrap_or(&none))?;
        }
    }
    Ok(())
}

#[test]
fn without_any_one_file_nothing_is_better_and_something_is_said() {
    let certificates = certificates();
    for seed in 0..60 {
        let side = generated(seed, &certificates);
        let files = write(&side);
        for path in files.keys() {
            let mut without = files.clone();
            without.remove(path);
            let read = read(&without);
            if let Err(what) = is_no_better(&read, &side) {
                panic!("seed {seed}: without {path} the {what} is better");
            }
            let is_new = |failure: &String| !side.failures.contains(failure);
            assert!(
                read.failures.iter().any(is_new),
                "seed {seed}: {path} is not missed"
            );
        }
    }
}

#[test]
fn a_changed_file_counts_as_gone() {
    let certificates = certificates();
    for seed in 0..60 {
        let side = generated(seed, &certificates);
        let files = write(&side);
        for (path, bytes) in &files {
            let mut changed = files.clone();
            let other = [&b"x"[..], bytes].concat();
            changed.insert(path.clone(), other.into());
            let read = read(&changed);
            if !path.ends_with(CLUSTER) && !path.ends_with(NODE) {
                assert_eq!(is_no_better(&read, &side), Ok(()), "seed {seed}: {path}");
            }
            let is_new = |failure: &String| !side.failures.contains(failure);
            assert!(read.failures.iter().any(is_new), "seed {seed}: {path}");
        }
    }
}

#[test]
fn garbage_in_the_listing_files_is_named() {
    let certificates = certificates();
    let sides = (0..).map(|seed| generated(seed, &certificates));
    let side = sides.into_iter().find(|s| s.nodes.len() == 2).unwrap();
    let files = write(&side);
    let garbage: [&[u8]; 7] = [
        b"",
        b"{}",
        b"null",
        b"{\"schema_version\":2}",
        b"{\"schema_version\":1,\"name\":\"a\"}",
        &[0xff; 64],
        &[b'['; 100_000],
    ];
    for path in files.keys().filter(|p| p.ends_with(".json")) {
        for garbage in garbage {
            let mut changed = files.clone();
            changed.insert(path.clone(), garbage.into());
            let read = read(&changed);
            let name = path.as_str();
            assert!(read.failures.iter().any(|f| f.contains(name)), "{name}");
        }
    }
}

#[test]
fn hex_is_read_and_nothing_else() {
    assert_eq!(schema::unhex("00fF"), Some(vec![0, 255]));
    assert_eq!(schema::unhex(""), Some(Vec::new()));
    for wrong in ["0", "0g", "+1", "0\u{e9}", " 1"] {
        assert_eq!(schema::unhex(wrong), None, "{wrong}");
    }
}
