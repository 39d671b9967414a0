//! What a decision costs beside the one thing that it cannot avoid, the check of one signature.
//! Every figure is a ratio within this run: machines drift by a quarter from one minute to the
//! next, so the cases take turns of a third of a millisecond.
//!
//! V is one ring RSA-2048 SHA-512 verification of 6 KiB.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads its vectors and the clock"
)]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{
    KeyPair as _, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_SHA512, UnparsedPublicKey,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use trustline::trust::cache::DecisionCache;
use trustline::trust::certificate::{Certificate, PublicKey};
use trustline::trust::decide::{How, ListQuestion, Ruling, decide_list};
use trustline::trust::installed::{InForce, InstalledList};
use trustline::trust::rules::Settings;
use trustline::trust::signature::SignatureCheck;
use trustline::wire::{Digest, ListKind, Strictness, TrustList};

/// 2027-01-01, within the dates of the lab's certificates.
const NOW: u64 = 1_798_761_600;

fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/vectors")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn installed(kind: ListKind, name: &str) -> InstalledList {
    InstalledList::parse(kind, Arc::from(vector(name))).expect("the vector is a list")
}

/// A check of a signature that holds: what it covers, the signature and the key, ready for ring.
struct Bare {
    message: Vec<u8>,
    signature: Vec<u8>,
    key: UnparsedPublicKey<Vec<u8>>,
}

impl Bare {
    /// The yardstick.
    fn v() -> Self {
        let pem = vector("keys/a-sast.pem");
        let Ok(PrivateKeyDer::Pkcs8(der)) = PrivateKeyDer::from_pem_slice(&pem) else {
            panic!("the lab key is PKCS#8");
        };
        let key = KeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("ring reads the lab key");
        let message: Vec<u8> = (0..6 * 1_024_u32).map(|i| (i % 251) as u8).collect();
        let mut signature = vec![0; key.public().modulus_len()];
        let random = SystemRandom::new();
        key.sign(&RSA_PKCS1_SHA512, &random, &message, &mut signature)
            .expect("a key of this size signs");
        Self {
            message,
            signature,
            key: UnparsedPublicKey::new(
                &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
                key.public_key().as_ref().to_vec(),
            ),
        }
    }

    /// The same bytes that the decision about `file` checks.
    fn of_list(file: &[u8], signer: &str) -> Self {
        let list = TrustList::parse(file, &Strictness::default()).expect("the vector is a list");
        let mut message = file.to_vec();
        message.drain(list.header.signature_span());
        let der = vector(&format!("keys/{signer}.der"));
        let certificate = Certificate::parse(&der).expect("the lab's certificate loads");
        let PublicKey::Rsa { pkcs1, .. } = certificate.public_key else {
            panic!("the lab's signer has an RSA key");
        };
        let algorithm = match list.header.digest() {
            Digest::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            _ => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        };
        Self {
            message,
            signature: list.header.signature().to_vec(),
            key: UnparsedPublicKey::new(algorithm, pkcs1.to_vec()),
        }
    }

    fn verify(&self) {
        let result = self
            .key
            .verify(black_box(&self.message), black_box(&self.signature));
        assert!(result.is_ok(), "the signature holds");
    }
}

/// One thing that is measured, and the time it took in each round.
struct Case<'a> {
    name: String,
    work: Box<dyn FnMut() + 'a>,
    nanos: Vec<f64>,
}

impl<'a> Case<'a> {
    fn new(name: impl Into<String>, work: impl FnMut() + 'a) -> Self {
        Self {
            name: name.into(),
            work: Box::new(work),
            nanos: Vec::new(),
        }
    }
}

/// Runs the cases in turn: `turns` of about 0.3 ms each make one round. A round's figure is the
/// first quartile of its turns: what else the machine does falls on some turns and only adds to
/// them.
fn measure(cases: &mut [Case<'_>], rounds: usize, turns: usize) {
    let per_turn: Vec<u32> = cases
        .iter_mut()
        .map(|case| {
            let start = Instant::now();
            let mut n = 0;
            while start.elapsed() < Duration::from_millis(3) {
                (case.work)();
                n += 1;
            }
            (n / 10).max(1)
        })
        .collect();
    for _ in 0..rounds {
        let mut nanos = vec![Vec::with_capacity(turns); cases.len()];
        for _ in 0..turns {
            for (case, (n, nanos)) in cases.iter_mut().zip(per_turn.iter().zip(&mut nanos)) {
                let start = Instant::now();
                for _ in 0..*n {
                    (case.work)();
                }
                nanos.push(start.elapsed().as_nanos() as f64 / f64::from(*n));
            }
        }
        for (case, nanos) in cases.iter_mut().zip(&mut nanos) {
            nanos.sort_by(f64::total_cmp);
            case.nanos.push(nanos[nanos.len() / 4]);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What one case is compared with.
struct Goal {
    case: usize,
    base: usize,
    at_most: f64,
}

fn report(cases: &[Case<'_>], goals: &[Goal]) {
    println!("{:<52} {:>10} {:>10} {:>10}", "", "median ns", "min", "max");
    for case in cases {
        let min = case.nanos.iter().copied().fold(f64::INFINITY, f64::min);
        let max = case.nanos.iter().copied().fold(0.0, f64::max);
        let median = median(case.nanos.clone());
        println!("{:<52} {median:>10.0} {min:>10.0} {max:>10.0}", case.name);
    }
    println!();
    for goal in goals {
        let (case, base) = (&cases[goal.case], &cases[goal.base]);
        let ratio = median(
            case.nanos
                .iter()
                .zip(&base.nanos)
                .map(|(a, b)| a / b)
                .collect(),
        );
        let verdict = if ratio <= goal.at_most {
            "holds"
        } else {
            "MISSED"
        };
        println!(
            "{} / {}: {ratio:.4}, goal {:.4}: {verdict}",
            case.name, base.name, goal.at_most
        );
    }
}

fn main() {
    // Without `cargo bench` (that is, under `cargo test --benches`) one short round shows that it
    // runs.
    let (rounds, turns) = if std::env::args().any(|a| a == "--bench") {
        (11, 100)
    } else {
        (1, 1)
    };
    let ctl = installed(ListKind::Ctl, "tool/ctl-a-v10-sha1.tlv");
    let itl = installed(ListKind::Itl, "tool/itl-a-v10-sha1.tlv");
    let settings = Settings::default();
    let question = |kind, bytes| ListQuestion {
        kind,
        bytes,
        in_force: InForce {
            ctl: Some(&ctl),
            itl: Some(&itl),
        },
        vouches: &[],
        settings: &settings,
        known_version: (1, 1),
        now: NOW,
    };

    let v = Bare::v();
    let lists = [
        (ListKind::Ctl, "tool/ctl-a-v11-sha512.tlv"),
        (ListKind::Itl, "tool/itl-a-v11-sha512.tlv"),
        (ListKind::Itl, "tool/itl-a-next.tlv"),
        (ListKind::Itl, "tool/itl-a-v11-sha1.tlv"),
    ]
    .map(|(kind, name)| (kind, name, vector(name)));
    // Here the signer's record alone is known; the certificates of the others are read anew.
    let signer_alone = installed(ListKind::Ctl, "tool/itl-a-min.tlv");
    let large = vector("tool/itl-a-allroles-v11-sha512.tlv");
    let strictness = Strictness::default();

    let mut cases = Vec::new();
    let mut goals = Vec::new();
    cases.push(Case::new("V", || v.verify()));

    for (kind, name, bytes) in &lists {
        let known = question(*kind, bytes);
        let new = ListQuestion {
            in_force: InForce {
                ctl: Some(&signer_alone),
                itl: None,
            },
            ..known
        };
        let bare = Bare::of_list(bytes, "a-sast");
        let size = bytes.len();
        cases.push(Case::new(
            format!("ring alone, {size} bytes of {name}"),
            move || bare.verify(),
        ));
        let base = cases.len() - 1;
        for (what, q) in [("full decision", known), ("with new records", new)] {
            let mut check = SignatureCheck::new();
            let ruling = decide_list(&q, &mut check).ruling;
            assert_eq!(ruling, Ruling::Accept(How::Signer), "{what}, {name}");
            cases.push(Case::new(format!("{what}, {name}"), move || {
                black_box(decide_list(black_box(&q), &mut check));
            }));
            goals.push(Goal {
                case: cases.len() - 1,
                base,
                at_most: 1.05,
            });
        }
    }

    cases.push(Case::new(format!("parse of {} bytes", large.len()), || {
        let list = TrustList::parse(black_box(&large), &strictness);
        assert!(black_box(list).is_ok());
    }));
    goals.push(Goal {
        case: cases.len() - 1,
        base: 0,
        at_most: 1.0 / 25.0,
    });

    for (kind, name, bytes) in lists.iter().take(3) {
        let q = question(*kind, bytes);
        let mut cache = DecisionCache::new(64);
        let mut check = SignatureCheck::new();
        // Other decisions under the same lists stand before it.
        for (kind, _, bytes) in &lists {
            cache.decide(&question(*kind, bytes), &mut check);
        }
        cases.push(Case::new(format!("decided before, {name}"), move || {
            black_box(cache.decide(black_box(&q), &mut check));
        }));
        goals.push(Goal {
            case: cases.len() - 1,
            base: 0,
            at_most: 1.0 / 50.0,
        });
    }

    measure(&mut cases, rounds, turns);
    report(&cases, &goals);
}
