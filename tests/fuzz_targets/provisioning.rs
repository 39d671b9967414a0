//! What a multiplatform phone reads: rules, and what servers answer.

use trustline::provisioning::login::Challenge;
use trustline::provisioning::macros::{MAX_EXPANDED, Place, Values};
use trustline::provisioning::profile::{Profile, Wrapping};
use trustline::provisioning::rule::{Account, Condition, Rule, Url};
use trustline::provisioning::schedule::Delays;
use trustline::rng::Rng;

fn values() -> Values {
    let mut values = Values::new();
    for (name, value) in [
        ("MA", "000e08abcdef"),
        ("PSN", "8832-3PCC"),
        ("SWVER", "sip8832.11-3-2MPP0001-609"),
        ("PRVTMR", "700"),
        ("A", "äöü \" ] | ("),
        ("SA", "secret"),
    ] {
        values.set(name, value);
    }
    values
}

/// A rule is read or refused at a place inside it, and chooses a URL that can be read again. The
/// same text is tried as the other small languages of profiles and answers.
pub(super) fn rule(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let values = values();
    match Rule::parse(text) {
        Ok(rule) => {
            assert!(rule.alternatives.len() <= text.len() + 1);
            if let Ok(Some(chosen)) = rule.choose(&values)
                && let Ok(Some(target)) = chosen.target(&values)
            {
                again(&target.url);
            }
        }
        Err(error) => assert!(error.offset <= text.len(), "{error}"),
    }
    if let Ok(condition) = Condition::parse(text) {
        let first = condition.holds(&values);
        assert!(condition.holds(&values) == first);
    }
    for place in [Place::Text, Place::OptionArgument] {
        if let Ok(expanded) = values.expand(text, place) {
            assert!(expanded.len() <= MAX_EXPANDED.max(text.len()));
        }
    }
    if let Ok(url) = Url::parse(text) {
        again(&url);
    }
    let from = Url::parse("https://h:8443/a/b?c").expect("a URL");
    if let Ok(url) = from.join(text) {
        again(&url);
    }
    if let Some(challenge) = Challenge::best([text]) {
        let account = Account {
            user: "me".into(),
            password: "\"".into(),
        };
        if let Some(answer) = challenge.answer(&account, "GET", "/x", &mut Rng::new(1)) {
            // A tab may stand in a header (RFC 9110, 5.5), so it may in the realm that is given back.
            let ends_it = |c: char| c.is_control() && c != '\t';
            assert!(!answer.contains(ends_it), "{answer:?}");
        }
    }
    if let Ok(delays) = Delays::parse(text) {
        delays.nth(usize::MAX, &mut Rng::new(1));
    }
}

/// A URL means the same when it is read again, and fits into a request's head.
fn again(url: &Url) {
    assert!(url.path.starts_with('/'));
    assert!(url.path.bytes().all(|b| b.is_ascii_graphic()));
    // Written out it may be longer than a URL may be: its scheme need not have been given.
    let written = url.to_string();
    assert!(
        written.len() > 2_000 || Url::parse(&written).as_ref() == Ok(url),
        "{url}"
    );
}

pub(super) fn rules() -> Vec<Vec<u8>> {
    let all = [
        "https://sprov.callme.com/$MA.xml",
        "[--key \"$SA\" --uid me --pwd x --post a --srv] https://[2001:db8::1]:8443/$(A:1:2)?q",
        "(\"$CCERT\" eq \"Installed\" and $PRVTMR >= 600)? (GPP_C = \"$$\" ; d = \"\")! /$PSN.xml | host:69/x",
        "($SWVER lt sip8832.12-0-1MPP0001-1)? http://h/a | http://h/b",
        "Digest realm=\"a, b\", nonce=x, qop=\"auth,auth-int\", Basic realm=y",
        "600,1200+30,0",
        "//other/x?y#z",
    ];
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A profile is read or refused, in bounds, under each way of wrapping; and what `seal` wraps is
/// opened again.
pub(super) fn profile(data: &[u8]) {
    const LIMIT: usize = 256 * 1024;
    for (content_encoding, key) in [
        (None, None),
        (None, Some("phrase")),
        (Some("aes128gcm"), None),
        (Some("gzip"), None),
    ] {
        let wrapping = Wrapping {
            content_encoding,
            key,
            keying_material: Some(b"sixteen bytes ok"),
            max_bytes: LIMIT,
            ..Wrapping::default()
        };
        match Profile::read(data, &wrapping) {
            Ok(profile) => {
                let values = profile.parameters.iter().map(|p| p.value.len());
                assert!(values.sum::<usize>() <= LIMIT);
            }
            Err(fault) => assert!(!fault.code().is_empty() && !fault.fix().is_empty()),
        }
    }
    let plain = Wrapping {
        max_bytes: LIMIT,
        ..Wrapping::default()
    };
    let keyed = Wrapping {
        key: Some("phrase"),
        ..plain
    };
    let sealed = Profile::seal(data, "phrase", b"saltsalt");
    let (opened, open) = (Profile::read(&sealed, &keyed), Profile::read(data, &plain));
    if let (Ok(opened), Ok(open)) = (opened, open) {
        assert!(opened.parameters == open.parameters);
    }
}

pub(super) fn profiles() -> Vec<Vec<u8>> {
    let text = b"<?xml version=\"1.0\"?>\n<device><flat-profile>\n<GPP_A ua=\"na\"> a &amp; &#65;\n b</GPP_A>\
        <!-- c --><GPP_B/><Nested><X>1</X></Nested></flat-profile></device>";
    let sealed = Profile::seal(text, "phrase", b"saltsalt");
    let mut gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    gzip.extend_from_slice(&[0x4b, 0x04, 0x00]);
    vec![text.to_vec(), sealed, gzip, b"Salted__".to_vec()]
}
