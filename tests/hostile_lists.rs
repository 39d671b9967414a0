//! Lists and signed files that were cut, flipped or made up: nothing panics, nothing is wrongly
//! accepted, and every rejection gives a reason.
//!
//! A flipped bit is never accepted. The signature covers all of the file but its own element, and
//! in that element no bit is free: the tag is looked for, the length must be that of the key, and
//! PKCS#1 v1.5 has one signature for one content and key.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::ops::Range;

use trustline::rng::Rng;
use trustline::trust::certificate::{
    Certificate, PublicKey, escape_for_terminal, name_text, same_name,
};
use trustline::trust::decrypt::{decrypt, encrypt};
use trustline::trust::own_signature::OwnSignatureFault;
use trustline::trust::signature::SignatureCheck;
use trustline::wire::element::{Body, Element, header_tag};
use trustline::wire::{SignedFile, Strictness, TrustList};

use support::{Choices, Entry, Fault, entries, judge_file, judge_list, vector};

/// One of each shape that is small enough to try every bit.
const SMALL: [&str; 4] = [
    "tool/itl-a-v10-sha1.tlv",
    "good/cucm-layout.tlv",
    "tool/SEP001122334455.cnf.xml.wrongfilename.sgn",
    "tool/SEP001122334455.cnf.xml.d-lsc.sha512.enc.sgn",
];

/// Lists of which every bit of a head is tried, and a sample of the rest.
const LARGE: [&str; 3] = [
    "tool/itl-a-https-ec.tlv",
    "good/unused-roles.tlv",
    "good/many-records-200.tlv",
];

/// The seed of every sample here.
const SEED: u64 = 2;

/// A file and how it is judged.
struct Subject {
    name: &'static str,
    bytes: Vec<u8>,
    /// The certificate of a signed file's signer; none for a list.
    signer: Option<Vec<u8>>,
}

impl Subject {
    fn new(name: &'static str) -> Self {
        let entry = entry(name);
        Self {
            name,
            bytes: entry.bytes(),
            signer: (!entry.is_list()).then(|| entry.signer_certificate()),
        }
    }

    /// Judges `bytes` in place of the file, and checks what must hold of every verdict.
    fn judge(&self, bytes: &[u8], check: &mut SignatureCheck) -> Result<(), Fault> {
        let choices = Choices::default();
        let verdict = match &self.signer {
            None => judge_list(bytes, &choices, check).map(|_| ()),
            Some(signer) => judge_file(bytes, signer, &choices, check),
        };
        let Err(fault) = verdict else {
            return Ok(());
        };
        assert!(!fault.to_string().is_empty());
        match fault {
            Fault::Wire(error) => assert!(error.offset <= bytes.len(), "{}: {error}", self.name),
            // What could be read is written back as it was.
            _ => assert!(self.written_back(bytes) == bytes, "{}: {fault}", self.name),
        }
        Err(fault)
    }

    fn written_back(&self, bytes: &[u8]) -> Vec<u8> {
        let strictness = Strictness::default();
        match self.signer {
            None => TrustList::parse(bytes, &strictness).unwrap().emit(),
            Some(_) => SignedFile::parse(bytes, &strictness).unwrap().emit(),
        }
        .unwrap()
    }

    /// Flips each bit of the bytes at `offsets`, on every core.
    fn flip_all(&self, offsets: &[usize]) {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let share = offsets.len().div_ceil(cores).max(1);
        std::thread::scope(|scope| {
            for part in offsets.chunks(share) {
                scope.spawn(move || self.flip(part));
            }
        });
    }

    fn flip(&self, offsets: &[usize]) {
        let mut bytes = self.bytes.clone();
        let mut check = SignatureCheck::new();
        for &at in offsets {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                let verdict = self.judge(&bytes, &mut check);
                assert!(verdict.is_err(), "{}: byte {at} bit {bit}", self.name);
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

fn entry(name: &str) -> Entry {
    let found = entries().into_iter().find(|e| e.file() == name);
    found.unwrap()
}

#[test]
fn files_cut_at_every_length_are_rejected() {
    let mut check = SignatureCheck::new();
    for name in SMALL {
        let subject = Subject::new(name);
        assert_eq!(subject.judge(&subject.bytes, &mut check), Ok(()), "{name}");
        for length in 0..subject.bytes.len() {
            let verdict = subject.judge(&subject.bytes[..length], &mut check);
            let fault = verdict.expect_err(name);
            // A list that ends between two records is whole, and its signature tells.
            let wire = matches!(fault, Fault::Wire(_));
            let own = matches!(
                fault,
                Fault::Own(OwnSignatureFault::Signature { .. } | OwnSignatureFault::NoSast)
            );
            let list = subject.signer.is_none();
            assert!(wire || own == list, "{name} cut at {length}: {fault}");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_tool_list_is_rejected() {
    flip_every_bit(SMALL[0]);
}

#[test]
fn every_flipped_bit_of_a_cucm_list_is_rejected() {
    flip_every_bit(SMALL[1]);
}

#[test]
fn every_flipped_bit_of_a_signed_file_is_rejected() {
    flip_every_bit(SMALL[2]);
}

#[test]
fn every_flipped_bit_of_an_encrypted_file_is_rejected() {
    flip_every_bit(SMALL[3]);
}

fn flip_every_bit(name: &'static str) {
    let subject = Subject::new(name);
    assert!(subject.bytes.len() <= 8 * 1024, "{name}");
    let offsets: Vec<usize> = (0..subject.bytes.len()).collect();
    subject.flip_all(&offsets);
}

#[test]
fn flipped_bits_of_large_lists_are_rejected() {
    for name in LARGE {
        let subject = Subject::new(name);
        let list = TrustList::parse(&subject.bytes, &Strictness::default()).unwrap();
        let mut offsets = Vec::new();
        push_heads(&list.header.elements, 0, &mut offsets);
        // Of the longest the first, a middle and the last record, of the others all.
        let last = list.records.len() - 1;
        for (i, record) in list.records.iter().enumerate() {
            if last > 50 && ![0, last / 2, last].contains(&i) {
                continue;
            }
            let start = list.record_offset(i);
            offsets.extend(start..start + 5);
            push_heads(&record.elements, start + 5, &mut offsets);
        }
        let mut rng = Rng::stream(SEED, name);
        let sample = if last > 50 { 20 } else { 300 };
        offsets.extend((0..sample).map(|_| rng.below(subject.bytes.len() as u64) as usize));
        subject.flip_all(&offsets);
    }
}

/// Adds the offsets of tags, lengths and short values of `elements`, which start at `at`.
fn push_heads(elements: &[Element<&[u8]>], mut at: usize, offsets: &mut Vec<usize>) {
    for element in elements {
        match &element.body {
            Body::Elements(inner) => {
                offsets.extend(at..at + 3);
                push_heads(inner, at + 3, offsets);
            }
            Body::Value(value) => offsets.extend(at..at + 3 + value.len().min(4)),
            Body::Padding(n) => offsets.extend(at..at + n),
        }
        at += element.size();
    }
}

/// Several changes at once, as no single flip makes them: parts copied over others, cut out,
/// doubled, filled.
#[test]
fn made_up_damage_is_rejected() {
    for name in SMALL {
        let subject = Subject::new(name);
        let mut check = SignatureCheck::new();
        let mut rng = Rng::stream(SEED, name);
        for round in 0..3_000 {
            let mut bytes = subject.bytes.clone();
            for _ in 0..=rng.below(3) {
                damage(&mut bytes, &mut rng);
            }
            if bytes == subject.bytes {
                continue;
            }
            let verdict = subject.judge(&bytes, &mut check);
            assert!(verdict.is_err(), "{name}, seed {SEED}, round {round}");
        }
    }
}

fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let from = part(bytes.len(), rng);
    let to = rng.below(bytes.len() as u64 + 1) as usize;
    match rng.below(5) {
        0 => {
            bytes.drain(from);
        }
        1 => {
            let copy = bytes[from].to_vec();
            bytes.splice(to..to, copy);
        }
        2 => {
            let n = from.len().min(bytes.len() - to);
            bytes.copy_within(from.start..from.start + n, to);
        }
        3 => {
            let value = [0, 1, 0x0d, 0x7f, 0xff][rng.below(5) as usize];
            bytes[from].fill(value);
        }
        _ => rng.fill(&mut bytes[from]),
    }
}

/// A part of `length` bytes, mostly short.
fn part(length: usize, rng: &mut Rng) -> Range<usize> {
    let start = rng.below(length as u64 + 1) as usize;
    let longest = [3, 16, 256, length as u64][rng.below(4) as usize];
    let end = start + rng.below(longest + 1) as usize;
    start..end.min(length)
}

/// The signature keeps a phone from opening a flipped file. Opened without it, a file gives its
/// plain text or a reason, never another text.
#[test]
fn a_flipped_encrypted_file_never_opens_to_another_text() {
    let entry = entry(SMALL[3]);
    let original = entry.bytes();
    let key = entry.device_key();
    let strictness = Strictness::default();
    let file = SignedFile::parse(&original, &strictness).unwrap();
    let plain = decrypt(&file, &key).unwrap();
    let information = file.header.offset_of(header_tag::ENCRYPTION_INFO).unwrap();
    // Heads, algorithms, vector and padding count, then a sample of key, digest and body.
    let mut offsets: Vec<usize> = (information..information + 45).collect();
    let mut rng = Rng::new(SEED);
    let rest = (original.len() - information - 45) as u64;
    offsets.extend((0..40).map(|_| information + 45 + rng.below(rest) as usize));
    let mut bytes = original.clone();
    for at in offsets {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            if let Ok(file) = SignedFile::parse(&bytes, &strictness) {
                match decrypt(&file, &key) {
                    Ok(text) => assert!(text == plain, "byte {at} bit {bit}"),
                    Err(fault) => assert!(!fault.to_string().is_empty()),
                }
            }
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn certificates_and_names_of_any_bytes_are_read_without_panic() {
    let mut accepted = 0;
    for name in [
        "a-sast",
        "n-utf8",
        "n-multirdn",
        "s-negative",
        "a-tftp-ec521",
    ] {
        let der = vector(&format!("keys/{name}.der"));
        for length in 0..der.len() {
            let fault = Certificate::parse(&der[..length]).expect_err(name);
            assert!(fault.offset <= length, "{name} cut at {length}: {fault}");
        }
        let mut longer = der.clone();
        longer.push(0);
        assert!(Certificate::parse(&longer).is_err(), "{name}");
        let mut bytes = der.clone();
        for at in 0..der.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                match Certificate::parse(&bytes) {
                    Ok(certificate) => {
                        accepted += 1;
                        let text = name_text(certificate.subject, ';');
                        assert!(text.len() <= 8 * der.len());
                        let printed = escape_for_terminal(certificate.subject);
                        assert!(!printed.chars().any(char::is_control));
                        same_name(text.as_bytes(), certificate.issuer);
                        same_name(certificate.issuer, certificate.issuer);
                    }
                    Err(fault) => assert!(fault.offset <= der.len(), "{name}: {fault}"),
                }
                bytes[at] ^= 1 << bit;
            }
        }
    }
    // The certificate's own signature is not looked at, so most flips leave a certificate.
    assert!(accepted > 10_000, "{accepted}");
}

/// Keys that no generator makes: the libraries give an error for them, and nothing holds.
#[test]
fn damaged_keys_verify_nothing() {
    let mut choices = Choices::default();
    choices.policy.min_rsa_bits = 512;
    let mut check = SignatureCheck::new();
    let mut rng = Rng::new(SEED);
    for (list, key) in [
        ("tool/itl-sast512-sha1.tlv", "keys/a-sast-512.der"),
        ("tool/itl-sast1024-sha1.tlv", "keys/a-sast-1024.der"),
        ("tool/itl-a-v10-sha1.tlv", "keys/a-sast.der"),
    ] {
        let file = vector(list);
        let header = TrustList::parse(&file, &choices.strictness).unwrap().header;
        let original = vector(key);
        let PublicKey::Rsa { pkcs1, .. } = Certificate::parse(&original).unwrap().public_key else {
            panic!("{key}");
        };
        let start = pkcs1.as_ptr().addr() - original.as_ptr().addr();
        let mut der = original.clone();
        for at in start..start + pkcs1.len() {
            for bit in 0..8 {
                der[at] ^= 1 << bit;
                if let Ok(certificate) = Certificate::parse(&der) {
                    let verdict = check.verify(
                        &choices.policy,
                        header.digest(),
                        &certificate,
                        &file,
                        header.signature_span(),
                        header.signature(),
                    );
                    assert!(verdict.is_err(), "{key}: byte {at} bit {bit}");
                    // Wrapping for such a key fails or not; it must not panic.
                    let digest = header.digest();
                    let _ = encrypt(b"x", &certificate, [1; 16], [2; 16], digest, &mut rng);
                }
                der[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn full_size_nonsense_ends_in_a_reason() {
    let start = [1, 0, 2, 1, 2, 2, 0, 2, 0xff, 0xff];
    let mut files: Vec<Vec<u8>> = Vec::new();
    for byte in [0, 1, 3, 7, 9, 0x0c, 0x0d, 0x10, 0x80, 0xff] {
        files.push(vec![byte; 65_535]);
        let mut file = start.to_vec();
        file.resize(65_535, byte);
        files.push(file);
    }
    // Containers in each other as deep as they fit.
    let mut nested = start.to_vec();
    while nested.len() + 3 <= 65_535 {
        let left = (65_535 - nested.len() - 3) as u16;
        nested.push(if nested.len() % 2 == 0 { 3 } else { 16 });
        nested.extend_from_slice(&left.to_be_bytes());
    }
    files.push(nested);
    // A whole header, then as many of the smallest records as fit.
    let mut records = vector("tool/itl-a-v10-sha1.tlv")[..456].to_vec();
    while records.len() + 10 <= 65_535 {
        records.extend_from_slice(&[1, 0, 2, 0, 10, 4, 0, 2, 0, 0]);
    }
    files.push(records);

    let mut check = SignatureCheck::new();
    let signer = vector("keys/a-tftp.der");
    let strict = Strictness {
        refuse_unknown: true,
        refuse_missing: true,
        require_containers: true,
        refuse_trailing: true,
        refuse_odd_names: true,
        refuse_version: true,
        ..Strictness::default()
    };
    let loose = Strictness {
        refuse_duplicates: false,
        ..Strictness::default()
    };
    for bytes in files {
        for strictness in [Strictness::default(), strict, loose] {
            let choices = Choices {
                strictness,
                ..Choices::default()
            };
            let fault = judge_list(&bytes, &choices, &mut check).expect_err("a list");
            assert!(!fault.to_string().is_empty());
            let fault = judge_file(&bytes, &signer, &choices, &mut check).expect_err("a file");
            assert!(!fault.to_string().is_empty());
        }
    }
}

/// With duplicates let through, the last signature counts, and it does not sign itself: a second
/// one inside a container or before it changes nothing.
#[test]
fn a_second_signature_never_replaces_the_signed_one() {
    let bytes = vector("tool/itl-a-v10-sha1.tlv");
    let loose = Strictness {
        refuse_duplicates: false,
        ..Strictness::default()
    };
    let choices = Choices {
        strictness: loose,
        ..Choices::default()
    };
    let list = TrustList::parse(&bytes, &loose).unwrap().to_owned();
    let signature: Element<Vec<u8>> =
        Element::value(header_tag::SIGNATURE, list.header.signature());
    let mut check = SignatureCheck::new();
    for place in 0..=list.header.elements.len() {
        let mut changed = list.clone();
        changed.header.elements.insert(place, signature.clone());
        let bytes = changed.emit().unwrap();
        assert!(judge_list(&bytes, &choices, &mut check).is_err(), "{place}");
    }
    for container in 0..list.header.elements.len() {
        let mut changed = list.clone();
        if let Body::Elements(inner) = &mut changed.header.elements[container].body {
            inner.push(signature.clone());
            let bytes = changed.emit().unwrap();
            assert!(
                judge_list(&bytes, &choices, &mut check).is_err(),
                "{container}"
            );
        }
    }
}
