//! `trustline provision ca` and `serve`: what the authority signs, byte for byte, what it refuses, and
//! who gets which profile from the server.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test fails by panicking, and runs a program"
)]

mod roots;
mod serve;
mod signing;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use der::asn1::ObjectIdentifier;
use der::{Any, Encode, Tag};
use tempfile::TempDir;
use trustline::cluster::key::{KeyBits, KeyPool, PrivateKey};
use trustline::provisioning::authority::{self, Issuer, Root, ServerForm, Terms};
use trustline::provisioning::device::{Device, Form};
use trustline::provisioning::request::{self, Request, RequestError};
use trustline::provisioning::signed::{SignaturePolicy, issued_by};
use trustline::trust::certificate::{Certificate, name_text};
use trustline::wire::Digest;
use x509_cert::certificate::{CertificateInner, Raw, Version};

const MAC: &str = "000e08abcdef";
const DATE: &str = "2026-03-01T09:00:00Z";
const AT: u64 = 1_772_355_600;
const DAY: u64 = 86_400;

/// One authority for all tests: to make its keys takes a while.
static AUTHORITY: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let made = ca(&["init", "--dir", path(dir.path()), "--date", DATE]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    dir
});

fn ca(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustline"));
    command.args(["provision", "ca"]).args(args);
    command.output().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/provisioning")
        .join(name)
}

/// The DER of a PEM file with one section.
fn der(path: &Path) -> Vec<u8> {
    der::pem::decode_vec(&fs::read(path).unwrap()).unwrap().1
}

fn sign(request: &Path, out: &Path, more: &[&str]) -> Output {
    let dir = path(AUTHORITY.path());
    let mut args = vec!["sign", path(request), "--dir", dir, "--out", path(out)];
    args.extend(["--date", DATE]);
    args.extend(more);
    ca(&args)
}

/// The extensions of a certificate, by their dotted names; none of version 1.
fn extensions(certificate: &[u8]) -> Option<Vec<String>> {
    let parsed = <CertificateInner<Raw> as der::Decode>::from_der(certificate).unwrap();
    let tbs = parsed.tbs_certificate();
    let all = tbs.extensions();
    assert_eq!(tbs.version() == Version::V3, all.is_some());
    all.map(|all| all.iter().map(|e| e.extn_id.to_string()).collect())
}

#[test]
fn an_authority_is_made_once_and_its_keys_are_secret() {
    let dir = AUTHORITY.path();
    let mut serials = Vec::new();
    for (root, other) in [("server-root", "Client"), ("client-root", "Server")] {
        let certificate = dir.join(format!("{root}.crt"));
        let key = dir.join(format!("{root}.key"));
        assert_eq!((mode(&certificate), mode(&key)), (0o644, 0o600));
        let certificate = der(&certificate);
        let read = Certificate::parse(&certificate).unwrap();
        let subject = name_text(read.subject, ',');
        assert!(
            subject.contains("lab") && subject.contains("Lab"),
            "{subject}"
        );
        assert!(!subject.contains(other), "{subject}");
        assert_eq!(issued_by(&read, &read, &SignaturePolicy::default()), Ok(()));
        assert_eq!(read.not_before, AT as i64);
        assert_eq!(read.not_after, (AT + 7_300 * DAY) as i64);
        assert_eq!(PrivateKey::from_pkcs8(der(&key)).unwrap().spki(), read.spki);
        serials.push(read.serial.to_vec());
        assert_eq!(extensions(&certificate).unwrap().len(), 3);
    }
    assert_ne!(serials[0], serials[1]);
    let before: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    let key = fs::read(dir.join("server-root.key")).unwrap();
    let again = ca(&["init", "--dir", path(dir)]);
    assert_eq!(again.status.code(), Some(3));
    assert!(
        stderr(&again).contains("never written over"),
        "{}",
        stderr(&again)
    );
    let after: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert!(before.iter().all(|path| after.contains(path)));
    assert_eq!(fs::read(dir.join("server-root.key")).unwrap(), key);
}

#[test]
fn what_is_asked_for_is_signed_byte_for_byte() {
    let root = der(&AUTHORITY.path().join("server-root.crt"));
    let root = Certificate::parse(&root).unwrap();
    let out = tempfile::tempdir().unwrap();
    for (file, subject, remark) in [
        (
            "plain-1024.csr",
            "C=US,ST=Texas,O=Call Me,CN=sprov.callme.com",
            "1024 bits",
        ),
        (
            "mailto.csr",
            "O=Telco,CN=pv.telco.net/mailto:admin@telco.net",
            "",
        ),
        (
            "slash.csr",
            "CN=prof.voice.com/info@voice.com,O=Voice,C=MX",
            "",
        ),
        (
            "slash.der",
            "CN=prof.voice.com/info@voice.com,O=Voice,C=MX",
            "",
        ),
        (
            "text-before.csr",
            "CN=prof.voice.com/info@voice.com,O=Voice,C=MX",
            "",
        ),
        (
            "printable.csr",
            "C=MX,O=Señal,CN=prof.voice.com/info@voice.com",
            "SHA-1",
        ),
        (
            "two-rdns.csr",
            "CN=sprov.callme.com,emailAddress=info@callme.com",
            "",
        ),
        ("san.csr", "CN=sprov.callme.com", "mpp113 takes them along"),
        ("md5.csr", "CN=sprov.callme.com", "signed with MD5"),
        ("ec.csr", "CN=sprov.callme.com", ""),
    ] {
        let asked_der = request::der_of_file(&fs::read(data(file)).unwrap()).unwrap();
        let asked = Request::parse(&asked_der).unwrap();
        for (form, algorithm) in [
            ("sipura", "sha256"),
            ("mpp113", "sha512"),
            ("sipura", "sha1"),
        ] {
            let crt = out.path().join(format!("{file}-{form}-{algorithm}.crt"));
            let more = ["--profile", form, "--digest", algorithm, "--days", "30"];
            let signed = sign(&data(file), &crt, &more);
            assert_eq!(signed.status.code(), Some(0), "{file}: {}", stderr(&signed));
            if form == "sipura" {
                assert!(
                    stderr(&signed).contains(remark),
                    "{file}: {}",
                    stderr(&signed)
                );
                assert!(!remark.is_empty() || stderr(&signed).is_empty(), "{file}");
            }
            assert!(stdout(&signed).contains(path(&crt)));
            assert_eq!(mode(&crt), 0o644);
            let certificate = der(&crt);
            let read = Certificate::parse(&certificate).unwrap();
            assert_eq!(name_text(read.subject, ','), subject);
            assert_eq!(read.subject, asked.subject, "{file}: not one byte differs");
            assert_eq!(read.spki, asked.spki);
            assert_eq!(read.issuer, root.subject);
            assert_eq!(issued_by(&read, &root, &SignaturePolicy::default()), Ok(()));
            assert_eq!(read.not_after - read.not_before, 30 * DAY as i64);
            let found = extensions(&certificate);
            match form {
                "sipura" => assert_eq!(found, None),
                _ => {
                    let has_names = found.unwrap().contains(&"2.5.29.17".to_owned());
                    assert_eq!(has_names, file == "san.csr", "{file}");
                }
            }
        }
    }
}

#[test]
fn the_names_of_a_certificate_are_those_that_were_asked_for() {
    let asked = request::der_of_file(&fs::read(data("san.csr")).unwrap()).unwrap();
    let asked = Request::parse(&asked).unwrap();
    let names = asked.alternative_names.unwrap();
    assert!(names.windows(12).any(|w| w == b"*.callme.com"));
    let out = tempfile::tempdir().unwrap();
    let crt = out.path().join("provserver.crt");
    sign(&data("san.csr"), &crt, &["--profile", "mpp113"]);
    let certificate = der(&crt);
    assert!(certificate.windows(names.len()).any(|w| w == names));
}

#[test]
fn a_name_is_taken_from_the_request_and_a_certificate_may_be_renewed() {
    let out = tempfile::tempdir().unwrap();
    let request = out.path().join("provserver.csr");
    fs::copy(data("slash.csr"), &request).unwrap();
    let args = [
        "sign",
        path(&request),
        "--dir",
        path(AUTHORITY.path()),
        "--date",
        DATE,
    ];
    assert_eq!(ca(&args).status.code(), Some(0));
    let first = fs::read(out.path().join("provserver.crt")).unwrap();
    assert_eq!(ca(&args).status.code(), Some(0));
    let second = fs::read(out.path().join("provserver.crt")).unwrap();
    assert_ne!(first, second, "each has a serial number of its own");
    // Whatever else is there stays.
    let key = out.path().join("privkey.pem");
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    let refused = sign(&request, &key, &[]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(stderr(&refused).contains("is no certificate, so it is left alone"));
    assert_eq!(fs::read(&key).unwrap(), b"-----BEGIN PRIVATE KEY-----\n");
    let left: Vec<_> = fs::read_dir(out.path()).unwrap().collect();
    assert_eq!(left.len(), 3, "nothing unfinished is left");
}

/// What a file is, its bytes, more arguments, the exit code, and parts of the text.
type Refusal<'a> = (&'a str, Vec<u8>, &'a [&'a str], i32, &'a [&'a str]);

#[test]
fn what_cannot_be_signed_is_refused_with_the_way_out() {
    let good = fs::read_to_string(data("slash.csr")).unwrap();
    let good_der = fs::read(data("slash.der")).unwrap();
    let key = KeyPool::new(1).take(KeyBits::B2048);
    let pem =
        |label, der: &[u8]| der::pem::encode_string(label, der::pem::LineEnding::LF, der).unwrap();
    let key_pem = pem("PRIVATE KEY", key.pkcs8());
    let changed = |at: usize| {
        let mut der = good_der.clone();
        der[at] ^= 1;
        der
    };
    let with_name = |cn: Option<(Tag, &[u8])>| made(&key, cn);
    let of_a_phone = |parts: &[(&str, &str)]| {
        let server = ("2.5.4.3", "sprov.callme.com");
        made_for(&key, &name(&[parts, &[server]].concat()))
    };
    let (ou, l, st) = ("2.5.4.11", "2.5.4.7", "2.5.4.8");
    let root = fs::read(AUTHORITY.path().join("server-root.crt")).unwrap();
    let root_der = der(&AUTHORITY.path().join("server-root.crt"));
    let cases: Vec<Refusal<'_>> = vec![
        (
            "a private key beside the request",
            format!("{key_pem}{good}").into(),
            &[],
            2,
            &[
                "holds a private key (PRIVATE KEY)",
                "Keep that file secret",
                "openssl req -out",
            ],
        ),
        (
            "a private key behind it",
            format!("{good}{key_pem}").into(),
            &[],
            2,
            &["holds a private key"],
        ),
        (
            "an encrypted key",
            pem("ENCRYPTED PRIVATE KEY", b"x").into(),
            &[],
            2,
            &["holds a private key (ENCRYPTED PRIVATE KEY)"],
        ),
        (
            "an old key",
            pem("RSA PRIVATE KEY", b"x").into(),
            &[],
            2,
            &["holds a private key"],
        ),
        (
            "half a key",
            b"-----BEGIN PRIVATE KEY-----\nMIIE".to_vec(),
            &[],
            2,
            &["holds a private key"],
        ),
        (
            "a private key in DER",
            key.pkcs8().to_vec(),
            &[],
            2,
            &["holds a private key (DER)"],
        ),
        (
            "a certificate",
            root,
            &[],
            2,
            &["a CERTIFICATE in PEM", "openssl req -new -out"],
        ),
        (
            "a certificate in DER",
            root_der,
            &[],
            2,
            &["it is a certificate"],
        ),
        ("an empty file", Vec::new(), &[], 2, &["it is empty"]),
        ("blanks", b" \n\n".to_vec(), &[], 2, &["it is empty"]),
        (
            "a web page",
            b"<!DOCTYPE html>".to_vec(),
            &[],
            2,
            &["not a request: offset 0"],
        ),
        (
            "a huge file",
            vec![0x30; 70_000],
            &[],
            2,
            &["more than 65536 bytes"],
        ),
        (
            "no end",
            good.replace("-----END", "=====END").into(),
            &[],
            2,
            &["no END line"],
        ),
        (
            "no base64",
            good.replace("MII", "M!I").into(),
            &[],
            2,
            &["not base64"],
        ),
        (
            "two requests",
            good.repeat(2).into(),
            &[],
            2,
            &["a CERTIFICATE REQUEST stands after"],
        ),
        (
            "text behind",
            format!("{good}so long\n").into(),
            &[],
            2,
            &["more text stands after"],
        ),
        (
            "bytes behind",
            [&good_der[..], b"\0\0"].concat(),
            &[],
            2,
            &["2 more bytes after"],
        ),
        (
            "cut off",
            good_der[..300].to_vec(),
            &[],
            2,
            &["not a request", "offset 0"],
        ),
        (
            "a changed name",
            changed(30),
            &[],
            1,
            &[
                "signature is not made with the key in it",
                "openssl req -new",
            ],
        ),
        (
            "a changed signature",
            changed(good_der.len() - 1),
            &[],
            1,
            &["signature is not made"],
        ),
        (
            "no common name",
            fs::read(data("no-cn.csr")).unwrap(),
            &[],
            1,
            &["(O=Call Me) has no common name", "answer `Common Name`"],
        ),
        (
            "an empty name",
            with_name(Some((Tag::Utf8String, b""))),
            &[],
            1,
            &["is empty"],
        ),
        (
            "a blank name",
            with_name(Some((Tag::Utf8String, b"  "))),
            &[],
            1,
            &["is empty"],
        ),
        (
            "nothing before the slash",
            with_name(Some((Tag::Utf8String, b"/a@b"))),
            &[],
            1,
            &["no host name before its /"],
        ),
        (
            "a NUL",
            with_name(Some((Tag::Utf8String, b"a.b\0.c"))),
            &[],
            1,
            &["control characters"],
        ),
        (
            "a name that is no text",
            with_name(Some((Tag::OctetString, b"a.b"))),
            &[],
            1,
            &["is no text"],
        ),
        (
            "an empty subject",
            with_name(None),
            &[],
            1,
            &["() has no common name"],
        ),
        (
            "a phone's subject",
            of_a_phone(&[(ou, "CP-8832-3PCC"), (l, "88012BA01234"), (st, MAC)]),
            &[],
            1,
            &["is a phone's", "trustline provision ca device"],
        ),
        (
            "that of two phones",
            of_a_phone(&[(ou, "CP-8832-3PCC"), (l, "000e08abcdee"), (st, MAC)]),
            &["--profile", "mpp113"],
            1,
            &["is a phone's"],
        ),
        (
            "that of all early phones",
            of_a_phone(&[(ou, "cisco.com"), (l, "ciscogeneric")]),
            &[],
            1,
            &["is a phone's"],
        ),
        (
            "an enterprise phone's",
            with_name(Some((Tag::Utf8String, b"CP-8861-SEP2C3124C9F8E1"))),
            &[],
            1,
            &["is a phone's"],
        ),
        (
            "a small key",
            fs::read(data("plain-1024.csr")).unwrap(),
            &["--min-rsa", "2048"],
            1,
            &["1024 bits, and --min-rsa asks for 2048", "rsa:2048"],
        ),
        (
            "a tiny key",
            fs::read(data("rsa-512.csr")).unwrap(),
            &[],
            1,
            &["512 bits"],
        ),
        (
            "an Ed25519 key",
            fs::read(data("ed25519.csr")).unwrap(),
            &[],
            1,
            &["neither RSA nor EC"],
        ),
        (
            "a long life",
            good.clone().into(),
            &["--days", "9000"],
            2,
            &["at most 7300 days are left", "--days"],
        ),
        (
            "before the root",
            good.clone().into(),
            &["--date", "2020-01-01T00:00:00Z"],
            2,
            &["not valid at that date"],
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    let request = dir.path().join("asked.csr");
    let out = dir.path().join("out.crt");
    for (what, bytes, more, code, expected) in cases {
        fs::write(&request, bytes).unwrap();
        let mut args = vec!["sign", path(&request), "--dir", path(AUTHORITY.path())];
        args.extend(["--out", path(&out)]);
        if !more.contains(&"--date") {
            args.extend(["--date", DATE]);
        }
        args.extend(more);
        let refused = ca(&args);
        let text = stderr(&refused);
        assert_eq!(refused.status.code(), Some(code), "{what}: {text}");
        for part in expected {
            assert!(text.contains(part), "{what}: {part:?} is not in {text}");
        }
        assert!(stdout(&refused).is_empty(), "{what}");
        assert!(!out.exists(), "{what}");
    }
    let missing = sign(&dir.path().join("missing.csr"), &out, &[]);
    assert_eq!(missing.status.code(), Some(3));
    let nowhere = ca(&["sign", path(&request), "--dir", path(dir.path())]);
    assert_eq!(nowhere.status.code(), Some(3));
}

#[test]
fn the_smallest_key_is_a_choice() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a.crt");
    let small = data("rsa-512.csr");
    assert_eq!(
        sign(&small, &out, &["--min-rsa", "512"]).status.code(),
        Some(0)
    );
}

#[test]
fn a_phone_gets_a_certificate_and_a_secret_key() {
    let out = tempfile::tempdir().unwrap();
    let dir = path(AUTHORITY.path());
    let into = ["--dir", dir, "--out", path(out.path()), "--date", DATE];
    let make = |args: &[&str]| ca(&[&["device"], args, &into].concat());
    let made = make(&["00:0E:08:AB:CD:EF", "--serial", "88012BA01234"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let (crt, key) = (
        out.path().join("000e08abcdef.crt"),
        out.path().join("000e08abcdef.key"),
    );
    assert_eq!((mode(&crt), mode(&key)), (0o644, 0o600));
    let certificate = der(&crt);
    let read = Certificate::parse(&certificate).unwrap();
    let subject = name_text(read.subject, ',');
    assert_eq!(subject, "OU=CP-8832-3PCC,L=88012BA01234,ST=000e08abcdef");
    let (device, form) = Device::of_subject(read.subject, None).unwrap();
    assert_eq!((device.serial.as_str(), form), ("88012BA01234", Form::Unit));
    let root = der(&AUTHORITY.path().join("client-root.crt"));
    let root = Certificate::parse(&root).unwrap();
    assert_eq!(issued_by(&read, &root, &SignaturePolicy::default()), Ok(()));
    assert_eq!(PrivateKey::from_pkcs8(der(&key)).unwrap().spki(), read.spki);
    let purposes = extensions(&certificate).unwrap();
    assert!(purposes.contains(&"2.5.29.37".to_owned()));

    let before = (fs::read(&crt).unwrap(), fs::read(&key).unwrap());
    let again = make(&["000e08abcdef"]);
    assert_eq!(again.status.code(), Some(3));
    assert!(stderr(&again).contains("is there already and is left alone"));
    fs::remove_file(&crt).unwrap();
    assert_eq!(make(&["000e08abcdef"]).status.code(), Some(3));
    assert!(!crt.exists(), "no certificate for another key");
    assert_eq!(fs::read(&key).unwrap(), before.1);

    let other = make(&[
        "000e08abcdee",
        "--mac-in",
        "surname",
        "--bits",
        "1024",
        "--product",
        "SPA-962",
    ]);
    assert_eq!(other.status.code(), Some(0), "{}", stderr(&other));
    let other = der(&out.path().join("000e08abcdee.crt"));
    let subject = name_text(Certificate::parse(&other).unwrap().subject, ',');
    assert_eq!(subject, "OU=SPA-962,L=LAB000E08ABCDEE,SN=000e08abcdee");
    for (args, expected) in [
        (&["000e08abcde"][..], "is no MAC address"),
        (&["000e08abcded", "--serial", "a/b"], "--serial: expected"),
        (&["000e08abcded", "--product", ""], "--product: expected"),
        (
            &["000e08abcded", "--serial", "000e08abcdef"],
            "a serial number that reads as the MAC address of another phone",
        ),
        (
            &["000e08abcded", "--product", "CP-000e08abcdef"],
            "a product that reads",
        ),
    ] {
        let refused = make(args);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
    }
}

#[test]
fn the_same_terms_give_the_same_bytes() {
    let mut keys = KeyPool::new(7);
    let (root_key, own_key) = (keys.take(KeyBits::B1024), keys.take(KeyBits::B1024));
    let terms = Terms {
        serial: [0xff; authority::SERIAL_BYTES],
        not_before: AT,
        not_after: AT + DAY,
        digest: Digest::Sha1,
    };
    let make = || {
        let root = authority::root(Root::Server, "trustline lab", &*root_key, &terms).unwrap();
        let asked = made(&own_key, Some((Tag::Utf8String, b"sprov.callme.com")));
        let asked = Request::parse(&asked).unwrap();
        asked.check(1024).unwrap();
        let issuer = Issuer::new(&root, &*root_key).unwrap();
        issuer.server(&asked, ServerForm::Sipura, &terms).unwrap()
    };
    assert_eq!(make(), make());
    let certificate = make();
    let read = Certificate::parse(&certificate).unwrap();
    assert_eq!(read.serial[0], 0x7f, "a serial number is positive");
    let root = authority::root(Root::Server, "trustline lab", &*root_key, &terms).unwrap();
    assert!(
        Issuer::new(&root, &*own_key).is_err(),
        "a key of another root"
    );
}

fn node(tag: Tag, parts: &[&[u8]]) -> Vec<u8> {
    Any::new(tag, parts.concat()).unwrap().to_der().unwrap()
}

fn oid(text: &str) -> Vec<u8> {
    ObjectIdentifier::new_unwrap(text).to_der().unwrap()
}

/// A Name of these types and values.
fn name(parts: &[(&str, &str)]) -> Vec<u8> {
    let rdns = parts
        .iter()
        .map(|(kind, value)| rdn(kind, Tag::Utf8String, value.as_bytes()));
    node(Tag::Sequence, &[&rdns.collect::<Vec<_>>().concat()])
}

fn rdn(kind: &str, tag: Tag, value: &[u8]) -> Vec<u8> {
    let pair = node(Tag::Sequence, &[&oid(kind), &node(tag, &[value])]);
    node(Tag::Set, &[&pair])
}

/// A request for this key, whose subject has this common name alone.
fn made(key: &PrivateKey, common_name: Option<(Tag, &[u8])>) -> Vec<u8> {
    let part = common_name.map(|(tag, value)| rdn("2.5.4.3", tag, value));
    made_for(key, &node(Tag::Sequence, &[&part.unwrap_or_default()]))
}

/// A request for this key and subject.
fn made_for(key: &PrivateKey, subject: &[u8]) -> Vec<u8> {
    let attributes = Tag::ContextSpecific {
        constructed: true,
        number: der::TagNumber(0),
    };
    let version = node(Tag::Integer, &[&[0]]);
    let info = node(
        Tag::Sequence,
        &[&version, subject, key.spki(), &node(attributes, &[])],
    );
    let algorithm = node(
        Tag::Sequence,
        &[&oid("1.2.840.113549.1.1.11"), &node(Tag::Null, &[])],
    );
    let signature = key.sign(Digest::Sha256, &info).unwrap();
    let signature = node(Tag::BitString, &[&[0], &signature]);
    node(Tag::Sequence, &[&info, &algorithm, &signature])
}

#[test]
fn damaged_requests_are_no_panic_and_no_request() {
    let good = fs::read(data("san.csr")).unwrap();
    let good = request::der_of_file(&good).unwrap();
    Request::parse(&good).unwrap().check(1024).unwrap();
    for cut in 0..good.len() {
        assert!(Request::parse(&good[..cut]).is_err(), "{cut}");
    }
    for bit in 0..good.len() * 8 {
        let mut damaged = good.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let _ = request::der_of_file(&damaged);
        let checked = Request::parse(&damaged).and_then(|r| r.check(1024));
        // Parameters of the signature's algorithm are not signed, and nobody reads them.
        let is_parameter = damaged.len() - 261 - 2 <= bit / 8 && bit / 8 < damaged.len() - 261;
        assert!(checked.is_err() || is_parameter, "bit {bit}");
    }
    let damaged = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(
        Request::parse(&damaged),
        Err(RequestError::Malformed { .. })
    ));
}
