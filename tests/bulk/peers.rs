//! Files of this crate in the hands of OpenSSL and Java, and OpenSSL's here. A program that is not
//! installed is left out aloud.

use std::process::{Command, Stdio};

use trustline::cluster::bulk::certificates_of;
use trustline::cluster::bulk::p12::{self, Form, P12Entry};

use crate::lab::Lab;

fn entries() -> Vec<P12Entry> {
    let lab = Lab::new();
    let mut entries: Vec<_> = certificates_of(&lab.dst)
        .into_iter()
        .map(|c| P12Entry {
            alias: Some(format!("dst/{}/{}/12.5", c.node, c.kind)),
            der: c.der,
        })
        .collect();
    entries.sort_by(|a, b| a.alias.cmp(&b.alias));
    entries
}

/// The output of a program, or None if it is not installed. It panics if the program fails.
fn run(command: &mut Command) -> Option<String> {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {:?} is not installed", command.get_program());
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}{text}");
    Some(text)
}

#[test]
#[allow(clippy::disallowed_methods, reason = "other programs read files")]
fn openssl_and_java_read_what_is_written() {
    let entries = entries();
    let folder = tempfile::tempdir().unwrap();
    for (form, legacy) in [
        (Form::Modern, false),
        (Form::TripleDes, false),
        (Form::Rc2, true),
    ] {
        let path = folder.path().join(format!("{form:?}.p12"));
        let bytes = p12::write(&entries, "pass 1", form, p12::DEFAULT_ROUNDS).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let mut openssl = Command::new("openssl");
        openssl
            .args(["pkcs12", "-nokeys", "-passin", "pass:pass 1", "-in"])
            .arg(&path);
        if legacy {
            openssl.arg("-legacy");
        }
        if let Some(text) = run(&mut openssl) {
            assert_eq!(text.matches("BEGIN CERTIFICATE").count(), entries.len());
            for entry in &entries {
                let name = format!("friendlyName: {}\n", entry.alias.as_deref().unwrap());
                assert!(text.contains(&name), "{form:?}: {name}");
            }
        }
        let mut keytool = Command::new("keytool");
        keytool
            .args([
                "-list",
                "-storetype",
                "PKCS12",
                "-storepass",
                "pass 1",
                "-keystore",
            ])
            .arg(&path);
        if let Some(text) = run(&mut keytool) {
            assert_eq!(text.matches("trustedCertEntry").count(), entries.len());
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "other programs read files")]
fn what_openssl_writes_is_read() {
    let entries = entries();
    let folder = tempfile::tempdir().unwrap();
    let (source, made) = (folder.path().join("in.p12"), folder.path().join("in.pem"));
    let bytes = p12::write(&entries, "x", Form::Modern, 1).unwrap();
    std::fs::write(&source, bytes).unwrap();
    let mut to_pem = Command::new("openssl");
    to_pem
        .args(["pkcs12", "-nokeys", "-passin", "pass:x", "-in"])
        .arg(&source)
        .arg("-out")
        .arg(&made);
    if run(&mut to_pem).is_none() {
        return;
    }
    for legacy in [false, true] {
        let path = folder.path().join("out.p12");
        let mut export = Command::new("openssl");
        export
            .args(["pkcs12", "-export", "-nokeys", "-passout", "pass:y", "-in"])
            .arg(&made)
            .arg("-out")
            .arg(&path);
        if legacy {
            export.arg("-legacy");
        }
        run(&mut export);
        let read = p12::read(&std::fs::read(&path).unwrap(), "y").unwrap();
        let ders = |e: &[P12Entry]| e.iter().map(|e| e.der.clone()).collect::<Vec<_>>();
        assert_eq!(ders(&read), ders(&entries), "legacy: {legacy}");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "other programs read files")]
fn what_is_encrypted_otherwise_is_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.p12");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/testdata/vectors/keys/d-lsc.pem"
    );
    for (scheme, unknown) in [
        ("aes-128-cbc", None),
        ("aes-192-cbc", None),
        (
            "camellia-256-cbc",
            Some("the cipher (1.2.392.200011.61.1.1.1.4)"),
        ),
        ("aria-256-cbc", Some("the cipher (1.2.410.200046.1.1.12)")),
        (
            "PBE-SHA1-RC2-128",
            Some("the encryption (1.2.840.113549.1.12.1.5)"),
        ),
    ] {
        let mut export = Command::new("openssl");
        export
            .args(["pkcs12", "-export", "-nokeys", "-legacy", "-certpbe"])
            .args([scheme, "-passout", "pass:y", "-in", source, "-out"])
            .arg(&path);
        if run(&mut export).is_none() {
            return;
        }
        let read = p12::read(&std::fs::read(&path).unwrap(), "y");
        match unknown {
            None => assert_eq!(read.map(|entries| entries.len()), Ok(1), "{scheme}"),
            Some(what) => {
                assert_eq!(read, Err(p12::P12Error::Unsupported(what.to_owned())));
            }
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "other programs read files")]
fn a_file_with_a_private_key_is_reported_and_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.p12");
    let key = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/testdata/vectors/keys/d-lsc.pem"
    );
    let mut export = Command::new("openssl");
    export
        .args([
            "pkcs12", "-export", "-passout", "pass:y", "-in", key, "-out",
        ])
        .arg(&path);
    if run(&mut export).is_none() {
        return;
    }
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(p12::read(&bytes, "y"), Err(p12::P12Error::HoldsKeys(1)));
    let contents = p12::open(&bytes, "y").unwrap();
    assert_eq!((contents.entries.len(), contents.keys), (1, 1));
}
