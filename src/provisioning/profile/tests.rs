use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<flat-profile>\n\
    <Resync_Periodic ua=\"na\"> 600 </Resync_Periodic>\n\
    <GPP_A>one\n two</GPP_A><GPP_B>a&amp;b&#x41;</GPP_B>\n\
    <GPP_C ua=\"rw\"/><Unknown_1_ group=\"x\">&#49;</Unknown_1_>\n\
    <GPP_A>last</GPP_A><!-- x --><Nested><Inner>1</Inner></Nested>\n</flat-profile>\n";

const SMALL: &str = "<flat-profile><GPP_A>x</GPP_A></flat-profile>";

fn wrapping() -> Wrapping<'static> {
    Wrapping {
        max_bytes: 100_000,
        ..Wrapping::default()
    }
}

fn keyed(key: &str) -> Wrapping<'_> {
    Wrapping {
        key: Some(key),
        ..wrapping()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn code(result: Result<Profile, ProfileFault>) -> &'static str {
    result.map_or_else(|fault| fault.code(), |_| "taken")
}

#[test]
fn parameters_are_read_as_the_guide_says() {
    let profile = Profile::read(XML.as_bytes(), &wrapping()).unwrap();
    let all: Vec<_> = profile
        .parameters
        .iter()
        .map(|p| (p.name.as_str(), p.value.as_str(), p.user_access.as_deref()))
        .collect();
    assert_eq!(
        all,
        [
            ("Resync_Periodic", "600", Some("na")),
            ("GPP_A", "one  two", None),
            ("GPP_B", "a&bA", None),
            ("GPP_C", "", Some("rw")),
            ("Unknown_1_", "1", None),
            ("GPP_A", "last", None),
        ]
    );
    assert!(profile.parameters[3].keeps_value());
    assert!(!profile.parameters[0].keeps_value());
    let nested = "<device><x/><flat-profile><A>1</A></flat-profile></device>";
    assert_eq!(Profile::parse(nested).unwrap().parameters.len(), 1);
    let with_bom = format!("\u{feff}\n{SMALL}");
    assert_eq!(Profile::parse(&with_bom).unwrap().parameters.len(), 1);
    let umlaut = Profile::parse("<flat-profile><A>ä</A></flat-profile>").unwrap();
    assert_eq!(umlaut.not_ascii, ["A"]);
}

#[test]
fn what_is_no_profile_is_refused() {
    for bad in [
        "",
        "x",
        "<flat-profile>",
        "<html/>",
        "<device/>",
        "<flat-profile></Flat-Profile>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><flat-profile><A>&b;</A></flat-profile>",
        "<flat-profile>&nbsp;</flat-profile>",
    ] {
        assert_eq!(
            code(Profile::read(bad.as_bytes(), &wrapping())),
            "profile-corrupt",
            "{bad}"
        );
    }
    assert_eq!(
        code(Profile::read(b"\xff\xfe<", &wrapping())),
        "profile-corrupt"
    );
    let deep = format!("<flat-profile>{}", "<a>".repeat(30_000));
    assert_eq!(
        code(Profile::read(deep.as_bytes(), &wrapping())),
        "profile-corrupt"
    );
}

#[test]
fn many_attributes_are_refused_before_they_are_compared() {
    // Some seconds for 20,000 if each is compared with all others, and hours for these.
    let attributes: String = (0..400_000).map(|i| format!(" a{i}=''")).collect();
    let names: String = (0..400_000).map(|i| format!(" xmlns:a{i}=''")).collect();
    for all in [attributes, names] {
        let text = format!("<flat-profile><a{all}/></flat-profile>");
        let fault = Profile::parse(&text).unwrap_err();
        assert_eq!(fault.code(), "profile-corrupt");
    }
}

#[test]
fn gzip_is_found_by_its_first_bytes_and_bounded() {
    let packed = gzip(XML.as_bytes());
    let profile = Profile::read(&packed, &wrapping()).unwrap();
    assert_eq!(profile.unwrapped, ["gzip"]);
    let named = Wrapping {
        content_encoding: Some("GZIP"),
        ..wrapping()
    };
    assert_eq!(code(Profile::read(&packed, &named)), "taken");
    assert_eq!(code(Profile::read(XML.as_bytes(), &named)), "taken");
    for cut in [2, 9, packed.len() / 2, packed.len() - 1] {
        assert_eq!(
            code(Profile::read(&packed[..cut], &wrapping())),
            "profile-corrupt",
            "{cut}"
        );
    }
    let bomb = gzip(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 100_000);
    assert_eq!(code(Profile::read(&bomb, &wrapping())), "profile-too-large");
    assert_eq!(
        code(Profile::read(&[b' '; 100_001], &wrapping())),
        "profile-too-large"
    );
    let odd = Wrapping {
        content_encoding: Some("br"),
        ..wrapping()
    };
    assert_eq!(
        code(Profile::read(XML.as_bytes(), &odd)),
        "profile-coding-unknown"
    );
}

/// Made with OpenSSL 3.0.19: `openssl enc -e -aes-256-cbc -k SecretPhrase1234 -md sha256`.
const BY_SHA256: &str = "53616c7465645f5ffc5b3c6c30c2e773c59a880c80fddef7a6361229928ce59c865fbd6ace06ba36d2957f184ebbc1b1b49ad5b902d865c2d529b5606f807930";
/// The same with `-md md5`, the default up to 1.0.2.
const BY_MD5: &str = "53616c7465645f5fbd9a6fdcc54af1a7e5044acccf2464fe222dfc21e6e5c2590a852d84ed723f44ca77c5d411138ed85bc7db8a97ae32069a40798592ad52a1";
/// The same of the gzipped text, `-md sha256`.
const GZIPPED: &str = "53616c7465645f5f7d8459c4c13f1bfb96e63d20d91698b049e378cd0ffa66b53580a69052e7b10e1a75dca2a2349bf613ea33248eac020f2480066b4585dd411ff7125a7556354ebb69d6470d276882";

#[test]
fn what_openssl_encrypts_is_opened() {
    let phrase = "SecretPhrase1234";
    for (body, how) in [
        (BY_SHA256, &["AES-256-CBC, key by SHA-256"][..]),
        (BY_MD5, &["AES-256-CBC, key by MD5"]),
        (GZIPPED, &["AES-256-CBC, key by SHA-256", "gzip"]),
    ] {
        let profile = Profile::read(&hex(body), &keyed(phrase)).unwrap();
        assert_eq!(profile.unwrapped, how);
        assert_eq!(
            profile.parameters,
            Profile::parse(SMALL).unwrap().parameters
        );
    }
    let made = Profile::seal(SMALL.as_bytes(), phrase, b"saltsalt");
    assert_eq!(code(Profile::read(&made, &keyed(phrase))), "taken");
    let only = |key_digest| Wrapping {
        key_digest,
        ..keyed(phrase)
    };
    let wrong = "profile-key-wrong";
    assert_eq!(
        code(Profile::read(&hex(BY_MD5), &only(KeyDigest::Sha256))),
        wrong
    );
    assert_eq!(
        code(Profile::read(&hex(BY_SHA256), &only(KeyDigest::Md5))),
        wrong
    );
}

#[test]
fn a_wrong_key_is_told_however_the_padding_falls() {
    let body = hex(BY_SHA256);
    for key in 0..3_000 {
        let key = format!("wrong {key}");
        assert_eq!(
            code(Profile::read(&body, &keyed(&key))),
            "profile-key-wrong",
            "{key}"
        );
    }
    assert_eq!(
        code(Profile::read(&body, &wrapping())),
        "profile-key-missing"
    );
    let plain = Profile::read(SMALL.as_bytes(), &keyed("x"));
    assert_eq!(code(plain), "profile-not-encrypted");
    for cut in [8, 15, 16, 17, body.len() - 1] {
        assert_eq!(
            code(Profile::read(&body[..cut], &keyed("x"))),
            "profile-corrupt",
            "{cut}"
        );
    }
}

#[test]
fn aes128gcm_is_opened_for_every_record_size() {
    let material = b"sixteen bytes ok";
    let with = |material: Option<&'static [u8]>| Wrapping {
        content_encoding: Some("aes128gcm"),
        keying_material: material,
        // The header goes before it.
        key: Some("x"),
        ..wrapping()
    };
    for size in [18, 25, 40, 4_096] {
        let body = seal(SMALL.as_bytes(), size, material);
        let profile = Profile::read(&body, &with(Some(material))).unwrap();
        assert_eq!(profile.unwrapped, ["aes128gcm"], "{size}");
        assert_eq!(profile.parameters.len(), 1);
        let other = Profile::read(&body, &with(Some(b"another material")));
        assert_eq!(code(other), "profile-key-wrong");
        assert_eq!(
            code(Profile::read(&body, &with(None))),
            "profile-key-missing"
        );
        for cut in 0..body.len() {
            assert_ne!(
                code(Profile::read(&body[..cut], &with(Some(material)))),
                "taken",
                "{cut}"
            );
        }
    }
}

/// RFC 8188, the sending side: full records, the key's name `a1`.
fn seal(plain: &[u8], size: usize, material: &[u8]) -> Vec<u8> {
    use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    use ring::hmac;

    let salt = [7; 16];
    // HKDF by hand: one block is enough for both.
    let prk = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salt), material);
    let prk = hmac::Key::new(hmac::HMAC_SHA256, prk.as_ref());
    let derived = |info: &[u8]| hmac::sign(&prk, &[info, &[1]].concat()).as_ref().to_vec();
    let key = derived(b"Content-Encoding: aes128gcm\0");
    let base = derived(b"Content-Encoding: nonce\0");
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key[..16]).unwrap());
    let mut out = salt.to_vec();
    out.extend_from_slice(&u32::try_from(size).unwrap().to_be_bytes());
    out.extend_from_slice(&[2, b'a', b'1']);
    let chunks: Vec<_> = plain.chunks(size - 17).collect();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut nonce: [u8; 12] = base[..12].try_into().unwrap();
        let counter = (index as u64).to_be_bytes();
        nonce[4..]
            .iter_mut()
            .zip(counter)
            .for_each(|(byte, part)| *byte ^= part);
        let delimiter = if index + 1 == chunks.len() { 2 } else { 1 };
        let mut record = [*chunk, &[delimiter]].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record)
            .unwrap();
        out.extend_from_slice(&record);
    }
    out
}
