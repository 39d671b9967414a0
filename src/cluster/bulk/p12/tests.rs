use super::*;

const LEGACY: &[u8] = include_bytes!("../../../../testdata/vectors/p12/legacy.p12");
const MODERN: &[u8] = include_bytes!("../../../../testdata/vectors/p12/modern.p12");
const NAMED: &[u8] = include_bytes!("../../../../testdata/vectors/p12/modern-caname.p12");
const NO_MAC: &[u8] = include_bytes!("../../../../testdata/vectors/p12/nomac.p12");
const PLAIN: &[u8] = include_bytes!("../../../../testdata/vectors/p12/plain.p12");
const TRIPLE_DES: &[u8] = include_bytes!("../../../../testdata/vectors/p12/tripledes.p12");

#[test]
fn openssl_files_are_read_in_their_order() {
    let modern = read(MODERN, "cisco").unwrap();
    assert_eq!(modern.len(), 3);
    assert!(modern.iter().all(|e| e.alias.is_none()));
    for other in [LEGACY, TRIPLE_DES] {
        assert_eq!(read(other, "cisco").unwrap(), modern);
    }
    assert_eq!(open(NO_MAC, "cisco").unwrap().entries, modern);
    let named = read(NAMED, "cisco").unwrap();
    // `-caname one -caname two`: one name a certificate, the third has none.
    let aliases: Vec<_> = named.iter().map(|e| e.alias.as_deref()).collect();
    assert_eq!(aliases, [Some("one"), Some("two"), None]);
    let ders = |entries: &[P12Entry]| entries.iter().map(|e| e.der.clone()).collect::<Vec<_>>();
    assert_eq!(ders(&named), ders(&modern));
}

/// A file of virtual time is the same bytes again, and comes back the same, the first time and
/// later; under another password, in another form or damaged it is another file.
#[test]
fn a_file_with_one_round_is_made_once() {
    let entries: Vec<_> = read(MODERN, "cisco")
        .unwrap()
        .into_iter()
        .zip(["b", "a", "c"])
        .collect();
    let named = |(entry, alias): (P12Entry, &str)| P12Entry {
        alias: Some(alias.to_owned()),
        ..entry
    };
    let entries: Vec<_> = entries.into_iter().map(named).collect();
    let file = write(&entries, "once", Form::Modern, 1).unwrap();
    assert_eq!(write(&entries, "once", Form::Modern, 1).unwrap(), file);
    let first = read(&file, "once").unwrap();
    let aliases: Vec<_> = first.iter().map(|e| e.alias.as_deref()).collect();
    assert_eq!(aliases, [Some("a"), Some("b"), Some("c")]);
    assert_eq!(read(&file, "once").unwrap(), first);
    assert_eq!(read(&file, "other"), Err(P12Error::WrongPassword));
    assert!(read(&file[..file.len() / 2], "once").is_err());
    assert_ne!(write(&entries, "other", Form::Modern, 1).unwrap(), file);
    assert_ne!(write(&entries, "once", Form::Rc2, 1).unwrap(), file);
    assert_ne!(write(&entries[1..], "once", Form::Modern, 1).unwrap(), file);
    // What leaves the process has salts of its own.
    let sealed = |_| write(&entries, "once", Form::Modern, 2).unwrap();
    assert_ne!(sealed(0), sealed(1));
}

#[test]
fn an_empty_password_is_a_password() {
    assert_eq!(read(PLAIN, "").unwrap().len(), 3);
    assert_eq!(read(PLAIN, "cisco"), Err(P12Error::WrongPassword));
}

#[test]
fn unusable_files_say_why() {
    assert_eq!(read(MODERN, "wrong"), Err(P12Error::WrongPassword));
    assert_eq!(read(NO_MAC, "cisco"), Err(P12Error::NoMac));
    assert!(matches!(
        read(b"-----BEGIN CERTIFICATE-----", "cisco"),
        Err(P12Error::NotPkcs12 { .. })
    ));
    assert!(matches!(
        read(&[], "cisco"),
        Err(P12Error::NotPkcs12 { .. })
    ));
    let large = vec![0; MAX_BYTES + 1];
    assert!(matches!(
        read(&large, "cisco"),
        Err(P12Error::TooLarge { bytes: 2_097_153 })
    ));
}

#[test]
fn what_is_written_is_read_back_and_by_alias() {
    let certificates = read(MODERN, "cisco").unwrap();
    let entries: Vec<_> = ["b/2", "a/1", "c/3"]
        .iter()
        .zip(&certificates)
        .map(|(alias, c)| P12Entry {
            alias: Some((*alias).to_owned()),
            der: c.der.clone(),
        })
        .collect();
    for form in [Form::Modern, Form::TripleDes, Form::Rc2] {
        let bytes = write(&entries, "pass word ä", form, 16).unwrap();
        let mut sorted = entries.clone();
        sorted.sort_by(|a, b| a.alias.cmp(&b.alias));
        assert_eq!(read(&bytes, "pass word ä"), Ok(sorted), "{form:?}");
        assert_eq!(read(&bytes, "password"), Err(P12Error::WrongPassword));
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let der = read(MODERN, "cisco").unwrap()[0].der.clone();
    let entry = |alias: &str| P12Entry {
        alias: Some(alias.to_owned()),
        der: der.clone(),
    };
    let refused = |entries: &[P12Entry], rounds| write(entries, "x", Form::Modern, rounds);
    assert_eq!(
        refused(&[entry("a"), entry("A")], 1),
        Err(P12Error::DuplicateAlias("A".into()))
    );
    assert!(matches!(refused(&[entry("")], 1), Err(P12Error::Alias(_))));
    assert!(matches!(
        refused(&[entry("😀")], 1),
        Err(P12Error::Alias(_))
    ));
    assert!(matches!(
        refused(&[entry("a")], 0),
        Err(P12Error::TooManyRounds { .. })
    ));
    let mut cut = entry("a");
    cut.der.pop();
    assert!(matches!(refused(&[cut], 1), Err(P12Error::Damaged(_))));
    let many: Vec<_> = (0..=MAX_CERTIFICATES)
        .map(|n| entry(&n.to_string()))
        .collect();
    assert_eq!(
        refused(&many, 1),
        Err(P12Error::TooManyCertificates { count: 1_001 })
    );
}

/// A file cut at any length, and one with any bit flipped, is refused: the MAC sees every change of
/// what it covers, the rest is shape. The bits of the MAC's own round count are left out, for they
/// only cost time.
#[test]
fn no_cut_and_no_flipped_bit_gives_other_certificates() {
    let certificates = read(MODERN, "cisco").unwrap();
    let one = P12Entry {
        alias: Some("a".into()),
        der: certificates[0].der.clone(),
    };
    let whole = write(std::slice::from_ref(&one), "x", Form::Modern, 1).unwrap();
    for length in 0..whole.len() {
        assert!(read(&whole[..length], "x").is_err(), "cut at {length}");
    }
    for at in 0..whole.len() - 4 {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        if let Ok(entries) = read(&flipped, "x") {
            assert_eq!(entries, std::slice::from_ref(&one), "byte {at}");
        }
    }
}

#[test]
fn rounds_are_bounded_before_any_work() {
    let certificates = read(MODERN, "cisco").unwrap();
    let one = P12Entry {
        alias: Some("a".into()),
        der: certificates[0].der.clone(),
    };
    // The last element of the file is the round count of the MAC: 02 02 10 01.
    let mut bytes = write(&[one], "x", Form::Modern, 0x1001).unwrap();
    let at = bytes.len() - 4;
    assert_eq!(bytes[at..], [2, 2, 0x10, 1]);
    bytes.truncate(at);
    bytes.extend([2, 4, 0x7f, 0xff, 0xff, 0xff]);
    // Two bytes more in the MAC and in the file; both lengths are of the long form.
    grow_outer_sequences(&mut bytes, 2);
    assert!(
        matches!(read(&bytes, "x"), Err(P12Error::TooManyRounds { rounds, .. }) if rounds >= 0x7fff_ffff)
    );
}

/// An element of DER.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut all = vec![tag];
    match content.len() {
        short @ 0..0x80 => all.push(short as u8),
        middle @ 0x80..0x100 => all.extend([0x81, middle as u8]),
        long => {
            all.push(0x82);
            all.extend((long as u16).to_be_bytes());
        }
    }
    all.extend(content);
    all
}

fn oid(text: &str) -> Vec<u8> {
    use der::Encode;
    let oid = der::asn1::ObjectIdentifier::new(text).unwrap();
    oid.to_der().unwrap()
}

/// Encrypted under "x": the algorithm and the bytes.
fn encrypted(plain: &[u8], rounds: u32) -> (Vec<u8>, Vec<u8>) {
    use der::Encode;
    use pkcs5::pbes2::Parameters;
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(rounds, &[7; 16], [8; 16]);
    let parameters = parameters.unwrap();
    let bytes = parameters.encrypt("x", plain).unwrap();
    let pbes2 = oid("1.2.840.113549.1.5.13");
    let algorithm = tlv(0x30, &[&pbes2, &parameters.to_der().unwrap()]);
    (algorithm, bytes)
}

/// A file without a MAC, of one encrypted part with these bags.
fn file_of(bags: &[Vec<u8>]) -> Vec<u8> {
    let bags: Vec<_> = bags.iter().map(Vec::as_slice).collect();
    let (algorithm, bytes) = encrypted(&tlv(0x30, &bags), 1);
    let (data, encrypted) = (oid("1.2.840.113549.1.7.1"), oid("1.2.840.113549.1.7.6"));
    let info = tlv(0x30, &[&data, &algorithm, &tlv(0x80, &[&bytes])]);
    let part = tlv(0xa0, &[&tlv(0x30, &[&[2, 1, 0], &info])]);
    let safe = tlv(0x30, &[&tlv(0x30, &[&encrypted, &part])]);
    let content = tlv(0xa0, &[&tlv(0x04, &[&safe])]);
    tlv(0x30, &[&[2, 1, 3], &tlv(0x30, &[&data, &content])])
}

/// Each key inside an encrypted part has rounds of its own, and a file has room for thousands.
#[test]
fn rounds_of_keys_inside_encrypted_parts_count() {
    let key = |rounds| {
        // Of what is inside nothing is needed; the library would derive the key first.
        let (mut algorithm, bytes) = encrypted(b"no key", 1);
        let at = algorithm.windows(3).position(|w| w == [2, 1, 1]).unwrap();
        let whole = algorithm.len();
        algorithm.splice(at..at + 3, [&[2, 3][..], rounds].concat());
        // Two bytes more in the algorithm, its parameters, the derivation and its parameters.
        let grown = (algorithm.len() - whole) as u8;
        for at in [1, 14, 16, 29] {
            assert_eq!(algorithm[at - 1], 0x30, "{algorithm:x?}");
            algorithm[at] += grown;
        }
        let key = tlv(0x30, &[&algorithm, &tlv(0x04, &[&bytes])]);
        let shrouded = oid("1.2.840.113549.1.12.10.1.2");
        tlv(0x30, &[&shrouded, &tlv(0xa0, &[&key])])
    };
    let million: &[u8] = &[0x0f, 0x42, 0x40];
    let bytes = file_of(&[key(million), key(million)]);
    assert!(matches!(
        open(&bytes, "x"),
        Err(P12Error::TooManyRounds {
            rounds: 2_000_001,
            ..
        })
    ));
    // The part does not open under another password, so nothing is inside.
    assert!(matches!(open(&bytes, "y"), Err(P12Error::Damaged(_))));
    // One key would be decrypted, were it one.
    let bytes = file_of(&[key(&[0, 0x80, 1])]);
    assert!(matches!(open(&bytes, "x"), Err(P12Error::Damaged(_))));
    let secret = oid("1.2.840.113549.1.12.10.1.5");
    let secret = tlv(0x30, &[&secret, &tlv(0xa0, &[&[5, 0]])]);
    let bytes = file_of(&[secret]);
    assert_eq!(open(&bytes, "x"), Err(P12Error::HoldsKeys(1)));
    assert_eq!(open(&file_of(&[]), "x").unwrap().entries, []);
}

/// Adds to the length of the file's outer SEQUENCE (30 82 xx xx) and of the MAC, the last SEQUENCE
/// of short length that ends with the file.
fn grow_outer_sequences(bytes: &mut [u8], by: u8) {
    let outer = u16::from_be_bytes([bytes[2], bytes[3]]) + u16::from(by);
    bytes[2..4].copy_from_slice(&outer.to_be_bytes());
    let end = bytes.len() - usize::from(by);
    let mac = (0..end - 2)
        .find(|&at| {
            bytes[at] == 0x30 && bytes[at + 1] < 0x80 && at + 2 + usize::from(bytes[at + 1]) == end
        })
        .unwrap();
    bytes[mac + 1] += by;
}

#[test]
fn a_file_is_known_by_its_beginning() {
    let bytes = write(&[], "", Form::Modern, 1).unwrap();
    assert!(looks_like(&bytes));
    // Of indefinite length, as some tools write.
    assert!(looks_like(&[0x30, 0x80, 2, 1, 3, 0x30]));
    for end in 0..7 {
        assert!(!looks_like(&bytes[..end]), "{end}");
    }
    for other in [
        &b"-----BEGIN"[..],
        &[0x30, 0xff, 2, 1, 3, 0x30],
        &[0x30, 0x82, 1, 0, 0x30, 0x82, 0, 0x80],
        &[0x30, 4, 2, 1, 1, 0x30],
    ] {
        assert!(!looks_like(other), "{other:x?}");
    }
}
