//! `trustline provision ca sign`: what it writes over, and what it shows.

use std::fs;

use der::Tag;
use trustline::cluster::key::{KeyBits, KeyPool};

use super::{AUTHORITY, DATE, ca, data, made, path, sign, stderr, stdout};

#[test]
fn a_certificate_takes_the_place_of_one_certificate_and_of_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("combo.pem");
    let request = data("slash.csr");
    assert_eq!(sign(&request, &out, &[]).status.code(), Some(0));
    let crt = fs::read_to_string(&out).unwrap();
    let key = KeyPool::new(8).take(KeyBits::B1024);
    let pem = |label, der: &[u8]| -> String {
        der::pem::encode_string(label, der::pem::LineEnding::LF, der).unwrap()
    };
    let key_pem = pem("PRIVATE KEY", key.pkcs8());
    // PEM readers know this kind least of all.
    let encrypted = pem("ENCRYPTED PRIVATE KEY", key.pkcs8());
    let others = dir.path().join("others.pem");
    assert_eq!(sign(&data("san.csr"), &others, &[]).status.code(), Some(0));
    let other = fs::read_to_string(&others).unwrap();
    let root = fs::read_to_string(AUTHORITY.path().join("server-root.crt")).unwrap();
    let authority = path(AUTHORITY.path()).to_owned();
    let phones = dir.path().join("phones");
    let made_phone = ca(&[
        "device",
        "000e08abcd77",
        "--serial",
        "88012BA01299",
        "--dir",
        &authority,
        "--date",
        DATE,
        "--out",
        path(&phones),
    ]);
    assert_eq!(made_phone.status.code(), Some(0), "{}", stderr(&made_phone));
    let phone = fs::read_to_string(phones.join("000e08abcd77.crt")).unwrap();
    for (what, content, expected) in [
        (
            "a key before it",
            format!("{key_pem}{crt}"),
            "more than a certificate",
        ),
        (
            "a key behind it",
            format!("{crt}{key_pem}"),
            "more than a certificate",
        ),
        (
            "an encrypted key",
            format!("{encrypted}{crt}"),
            "more than a certificate",
        ),
        (
            "half a key",
            format!("{crt}-----BEGIN PRIVATE KEY-----\nMIIE"),
            "is no certificate",
        ),
        (
            "somebody's notes",
            format!("Ask Ann first\n{crt}"),
            "more than a certificate",
        ),
        ("a bundle", crt.repeat(2), "more certificates than one"),
        ("a root", root, "is a root's certificate"),
        ("a phone's", phone, "is a phone's certificate"),
        (
            "another server's",
            other,
            "combo.pem is there and is the certificate of another server (",
        ),
        (
            "blanks, and then a key",
            format!("{}{key_pem}", "\n".repeat(1024 * 1024)),
            "is larger than any certificate",
        ),
    ] {
        fs::write(&out, &content).unwrap();
        let refused = sign(&request, &out, &[]);
        let text = stderr(&refused);
        assert_eq!(refused.status.code(), Some(3), "{what}: {text}");
        assert!(text.contains(expected), "{what}: {text}");
        assert!(text.contains("name another file with --out"), "{text}");
        assert_eq!(fs::read_to_string(&out).unwrap(), content, "{what}");
    }
    // Its own kind may have blank lines, or be DER.
    let plain = format!("\n{}\r\n\n", crt.replace('\n', "\r\n"));
    for content in [plain.into_bytes(), pem_content(&crt)] {
        fs::write(&out, &content).unwrap();
        let renewed = sign(&request, &out, &[]);
        assert_eq!(renewed.status.code(), Some(0), "{}", stderr(&renewed));
        assert_ne!(fs::read(&out).unwrap(), content);
    }
}

fn pem_content(pem: &str) -> Vec<u8> {
    der::pem::decode_vec(pem.as_bytes()).unwrap().1
}

/// With firmware 11.3 an alternative name decides, so who signs must see it.
#[test]
fn the_names_that_are_signed_are_shown_and_those_that_phones_refuse_are_remarked() {
    let out = tempfile::tempdir().unwrap();
    let crt = out.path().join("san.crt");
    let signed = sign(&data("san.csr"), &crt, &["--profile", "mpp113"]);
    let text = stdout(&signed);
    assert!(text.contains("  name     DNS:*.callme.com\n"), "{text}");
    let signed = sign(&data("san.csr"), &crt, &[]);
    assert!(!stdout(&signed).contains("DNS:"), "they are left out");

    let key = KeyPool::new(1).take(KeyBits::B2048);
    let request = out.path().join("asked.csr");
    for (name, expected) in [
        ("*.callme.com", "is a wildcard"),
        ("my server", "\"my server\" is no host name"),
        ("https://sprov.callme.com", "\"https:\" is no host name"),
    ] {
        let asked = made(&key, Some((Tag::Utf8String, name.as_bytes())));
        fs::write(&request, asked).unwrap();
        let crt = tempfile::tempdir().unwrap();
        let signed = sign(&request, &crt.path().join("asked.crt"), &[]);
        let text = stderr(&signed);
        assert_eq!(signed.status.code(), Some(0), "{name}: {text}");
        assert!(
            text.contains("phones of the Sipura line refuse this server")
                && text.contains(expected),
            "{name}: {text}"
        );
    }
}
