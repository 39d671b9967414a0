//! Files, headers, records, certificates and names are as the index describes them.

use serde_json::Value;
use trustline::trust::certificate::{Certificate, PublicKey, name_text, same_name};
use trustline::trust::signature::digest_of;
use trustline::wire::element::Body;
use trustline::wire::header::same_serial;
use trustline::wire::{Digest, Header, Role, SignedFile, Strictness, TrustList};

use crate::support::{Entry, entries, vector};
use crate::{accepted, hex, keys, unhex};

#[test]
fn every_file_is_the_one_that_the_index_describes() {
    let mut count = 0;
    for entry in entries() {
        let bytes = entry.bytes();
        let sha256 = digest_of(Digest::Sha256, &bytes).unwrap();
        assert_eq!(entry.text("sha256"), hex(&sha256), "{}", entry.file());
        assert_eq!(entry.0["bytes"], bytes.len(), "{}", entry.file());
        count += 1;
    }
    assert_eq!(count, 168);
    for key in keys() {
        let der = vector(key["der"].as_str().unwrap());
        let sha256 = digest_of(Digest::Sha256, &der).unwrap();
        assert_eq!(key["sha256"], hex(&sha256), "{}", key["name"]);
    }
}

#[test]
fn headers_and_records_are_as_the_index_describes() {
    let (mut headers, mut records) = (0, 0);
    for entry in entries() {
        let name = entry.file();
        let bytes = entry.bytes();
        // The index describes what its own reader could read, so of damaged files too.
        let (header, list) = if entry.is_list() {
            let partial = TrustList::parse_partial(&bytes, &Strictness::default());
            (partial.list.header.clone(), Some(partial.list))
        } else {
            let (file, _) = SignedFile::parse_partial(&bytes, &Strictness::default());
            if entry.text("expect") != "reject" {
                assert_eq!(entry.0["payload_bytes"], file.body.len(), "{name}");
            }
            (file.header, None)
        };
        let expected = &entry.0["header"];
        if expected.is_object() {
            compare_header(name, &header, expected);
            headers += 1;
        }
        match (&entry.0["records"], list) {
            (Value::Array(expected), Some(list)) => {
                compare_records(name, &list, expected);
                records += 1;
            }
            (Value::String(text), Some(list)) => {
                assert_eq!(*text, format!("{} records", list.records.len()), "{name}");
                records += 1;
            }
            _ => {}
        }
    }
    assert_eq!((headers, records), (133, 74));
}

fn compare_header(name: &str, header: &Header<&[u8]>, expected: &Value) {
    let version = |(major, minor): (u8, u8)| format!("{major}.{minor}");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (key, value) in expected.as_object().unwrap() {
        let ours: Value = match key.as_str() {
            "version" => version(header.version()).into(),
            "signer_version" => header.signer_version().map(version).into(),
            "header_length" => header.length().into(),
            "padding" => header
                .elements
                .iter()
                .map(|e| match e.body {
                    Body::Padding(n) => n,
                    _ => 0,
                })
                .sum::<usize>()
                .into(),
            "signer_name" => header.signer_name().map(text).into(),
            "issuer_name" => header.issuer_name().map(text).into(),
            "serial" => hex(header.serial()).into(),
            "filename" => header.file_name().map(text).into(),
            "timestamp" => header.timestamp().into(),
            "modulus" => header.modulus_code().into(),
            other => panic!("{name}: the index has an unknown field {other}"),
        };
        assert_eq!(&ours, value, "{name}: {key}");
    }
}

fn compare_records(name: &str, list: &TrustList<&[u8]>, expected: &[Value]) {
    assert_eq!(list.records.len(), expected.len(), "{name}");
    for (i, (record, expected)) in list.records.iter().zip(expected).enumerate() {
        let role: Value = match record.role() {
            Role::Other(code) => code.into(),
            known => known.to_string().into(),
        };
        assert_eq!(role, expected[0], "{name}, record {i}");
        let der = record.certificate().unwrap();
        let certificate = Certificate::parse(der).unwrap();
        let key = match certificate.public_key {
            PublicKey::Rsa { bits, .. } => format!("RSA-{bits}"),
            PublicKey::Ec { point, .. } => match point.len() {
                65 => "EC-secp256r1".to_owned(),
                97 => "EC-secp384r1".to_owned(),
                _ => "EC-secp521r1".to_owned(),
            },
            PublicKey::Other => "?".to_owned(),
        };
        assert_eq!(key, expected[2], "{name}, record {i}");
        // "?" is a certificate that is not among the named ones.
        if expected[1] != "?" {
            let named = vector(&format!("keys/{}.der", expected[1].as_str().unwrap()));
            assert!(der == named, "{name}, record {i}: {}", expected[1]);
        }
    }
}

#[test]
fn every_certificate_is_read_and_named() {
    for key in keys() {
        let name = key["name"].as_str().unwrap();
        let der = vector(key["der"].as_str().unwrap());
        let certificate = Certificate::parse(&der).expect(name);
        assert_eq!(certificate.der.len(), key["der_bytes"], "{name}");
        let serial = match key["serial"].as_str().unwrap() {
            // Two's complement.
            "-0x5" => vec![0xfb],
            hex => unhex(&hex[2..]),
        };
        assert!(same_serial(certificate.serial, &serial), "{name}");
        let kind = match certificate.public_key {
            PublicKey::Rsa { bits, .. } => format!("RSAPublicKey {bits}"),
            PublicKey::Ec { point, .. } => {
                let bits = match point.len() / 2 {
                    66 => 521,
                    bytes => bytes * 8,
                };
                format!("ECPublicKey {bits}")
            }
            PublicKey::Other => panic!("{name}"),
        };
        assert_eq!(key["key"], kind, "{name}");
        let subject = key["subject"].as_str().unwrap();
        let ours = name_text(certificate.subject, ',');
        let dotted = ours
            .replace("serialNumber=", "2.5.4.5=")
            .replace("emailAddress=", "1.2.840.113549.1.9.1=");
        // The index joins the two parts of this one RDN like two RDNs.
        let flat = dotted.replace("CN=multi+", "CN=multi,");
        assert_eq!(flat, subject, "{name}");
        for text in [&ours, &dotted, &name_text(certificate.subject, ';')] {
            assert!(same_name(text.as_bytes(), certificate.subject), "{text}");
        }
        assert!(certificate.not_before < certificate.not_after, "{name}");
    }
    let der = vector("keys/v-expired.der");
    let expired = Certificate::parse(&der).unwrap();
    let der = vector("keys/v-future.der");
    let future = Certificate::parse(&der).unwrap();
    let signed_at = 1_768_478_400;
    assert!(expired.not_after < signed_at && signed_at < future.not_before);
}

#[test]
fn the_names_of_accepted_lists_are_those_of_their_certificates() {
    let mut count = 0;
    for entry in accepted().filter(Entry::is_list) {
        let bytes = entry.bytes();
        let list = TrustList::parse(&bytes, &Strictness::default()).unwrap();
        for (i, record) in list.records.iter().enumerate() {
            let certificate = Certificate::parse(record.certificate().unwrap()).unwrap();
            let issuer = record.issuer().unwrap();
            let subject = record.subject().unwrap();
            assert!(
                same_name(issuer, certificate.issuer),
                "{} {i}",
                entry.file()
            );
            assert!(
                same_name(subject, certificate.subject),
                "{} {i}",
                entry.file()
            );
            count += 1;
        }
    }
    assert!(count > 400, "{count}");
}
