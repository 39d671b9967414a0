//! Encrypted configuration files, both ways.

use trustline::trust::certificate::Certificate;
use trustline::trust::decrypt::{DecryptFault, DeviceKey, decrypt, encrypt};
use trustline::trust::signature::SignatureCheck;
use trustline::wire::element::{find_mut, header_tag};
use trustline::wire::{SignedFile, Strictness};

use crate::support::{Choices, judge_file, vector};
use crate::{accepted, signed_again};

#[test]
fn encrypted_files_open_to_the_plain_file() {
    let signed = vector("tool/SEP001122334455.cnf.xml.wrongfilename.sgn");
    let plain = SignedFile::parse(&signed, &Strictness::default())
        .unwrap()
        .body;
    let mut count = 0;
    for entry in accepted().filter(|e| e.file().ends_with(".enc.sgn")) {
        let bytes = entry.bytes();
        let file = SignedFile::parse(&bytes, &Strictness::default()).unwrap();
        assert_eq!(file.header.version(), (2, 0));
        let opened = decrypt(&file, &entry.device_key());
        assert!(opened.as_deref() == Ok(plain), "{}", entry.file());
        // The key of another phone does not open it.
        let other = DeviceKey::from_pem(&vector("keys/a-tftp.pem")).unwrap();
        let fault = decrypt(&file, &other).expect_err(entry.file());
        let fits = matches!(
            fault,
            DecryptFault::WrongDeviceKey | DecryptFault::WrappedKeyLength { key: 256, .. }
        );
        assert!(fits, "{}: {fault}", entry.file());
        count += 1;
    }
    assert_eq!(count, 4);
    let file = SignedFile::parse(&signed, &Strictness::default()).unwrap();
    let key = DeviceKey::from_pem(&vector("keys/d-lsc.pem")).unwrap();
    assert_eq!(decrypt(&file, &key), Err(DecryptFault::NotEncrypted));
}

#[test]
fn what_is_encrypted_here_is_what_the_independent_writer_made() {
    let signed = vector("tool/SEP001122334455.cnf.xml.wrongfilename.sgn");
    let plain = SignedFile::parse(&signed, &Strictness::default())
        .unwrap()
        .body;
    let theirs = vector("good/SEP001122334455.cnf.xml.fixedkey.enc.sgn");
    let mut theirs = SignedFile::parse(&theirs, &Strictness::default())
        .unwrap()
        .to_owned();
    let der = vector("keys/d-lsc.der");
    let device = Certificate::parse(&der).unwrap();
    let mut rng = trustline::rng::Rng::new(1);
    let digest = theirs.encryption().unwrap().plain_digest_algorithm;
    let mut ours = encrypt(plain, &device, [b'K'; 16], [b'I'; 16], digest, &mut rng).unwrap();
    assert_eq!(ours.body, theirs.body);

    // The padding of the wrapped key differs, so its bytes do; all else is equal.
    let wrapped = find_mut(&mut ours.elements, header_tag::WRAPPED_KEY)
        .unwrap()
        .clone();
    let place = find_mut(&mut theirs.header.elements, header_tag::WRAPPED_KEY).unwrap();
    assert_ne!(*place, wrapped);
    *place = wrapped;
    let from_them: Vec<_> = theirs
        .header
        .elements
        .iter()
        .filter(|e| (header_tag::ENCRYPTION_INFO..header_tag::SIGNER_VERSION).contains(&e.tag))
        .cloned()
        .collect();
    assert_eq!(ours.elements, from_them);

    // With our wrapped key in it, and signed again, it opens.
    let bytes = signed_again(&mut theirs.header.clone(), "a-tftp", |header| {
        SignedFile {
            header: header.clone(),
            body: theirs.body.clone(),
        }
        .emit()
        .unwrap()
    });
    let signer = vector("keys/a-tftp.der");
    let choices = Choices::default();
    judge_file(&bytes, &signer, &choices, &mut SignatureCheck::new()).unwrap();
    let file = SignedFile::parse(&bytes, &Strictness::default()).unwrap();
    let key = DeviceKey::from_pem(&vector("keys/d-lsc.pem")).unwrap();
    assert!(decrypt(&file, &key).unwrap() == plain);
}
