//! The check of a server's certificate, case by case: what OpenSSL's rules and the settings say.

use trustline::cluster::key::KeyBits;
use trustline::provisioning::server::Roots;
use trustline::provisioning::settings::Settings;
use trustline::provisioning::verify::{Checker, Lookup, Refusal, Refused, Trusted};

use crate::certificates::{
    Draft, Hash, NOW, YEAR, address_name, ca, ca_above, ca_with, dns_names, key, no_ca, null,
    purpose, unknown, usage,
};
use crate::world::{FOREIGN, ROOT, ip};

const HOST: &str = "sprov.callme.com";

fn checker(set: &[(&str, &str)]) -> Checker {
    let mut settings = Settings::default();
    for (key, value) in set {
        settings.set(key, value).unwrap();
    }
    Checker::new(&[ROOT.self_signed()], &settings, NOW).unwrap()
}

fn judge(checker: &Checker, chain: &[Vec<u8>]) -> Result<Trusted, Refused> {
    let chain: Vec<_> = chain.iter().map(Vec::as_slice).collect();
    checker.certificate(&chain, HOST)
}

fn codes(judged: &Result<Trusted, Refused>) -> Vec<&'static str> {
    match judged {
        Ok(_) => vec!["taken"],
        Err(refused) => refused.refusals.iter().map(Refusal::code).collect(),
    }
}

#[track_caller]
fn expect(set: &[(&str, &str)], chain: &[Vec<u8>], expected: &[&str]) {
    assert_eq!(codes(&judge(&checker(set), chain)), expected);
}

#[test]
fn the_chain_leads_to_a_root() {
    let leaf = Draft::of(HOST);
    expect(&[], &[leaf.by(&ROOT)], &["taken"]);
    // The root itself may come along, and anything else that does not matter.
    expect(&[], &[leaf.by(&ROOT), ROOT.self_signed()], &["taken"]);
    expect(
        &[],
        &[leaf.by(&ROOT), b"x".to_vec(), FOREIGN.self_signed()],
        &["taken"],
    );
    expect(
        &[],
        &[leaf.by(&FOREIGN), FOREIGN.self_signed()],
        &["issuer-unknown"],
    );
    expect(&[], &[leaf.self_signed()], &["issuer-unknown"]);
    expect(&[], &[], &["certificate-missing"]);
    expect(
        &[],
        &[b"\x30\x03\x02\x01\x05".to_vec()],
        &["certificate-malformed"],
    );
    // A server that presents a root of the phone's holds a key that the phone trusts.
    let own = Draft::of(HOST).with(ca());
    let pinned = own.self_signed();
    let checker = Checker::new(std::slice::from_ref(&pinned), &Settings::default(), NOW).unwrap();
    assert_eq!(codes(&judge(&checker, &[pinned])), ["taken"]);
}

#[test]
fn authorities_between_are_followed_in_any_order() {
    let first = Draft::authority("First");
    let second = Draft::authority("Second");
    let leaf = Draft::of(HOST).by(&second);
    let (a, b) = (first.by(&ROOT), second.by(&first));
    expect(&[], &[leaf.clone(), b.clone(), a.clone()], &["taken"]);
    expect(&[], &[leaf.clone(), a.clone(), b.clone()], &["taken"]);
    expect(&[], &[leaf.clone(), b.clone()], &["issuer-unknown"]);
    // A server's certificate issues nothing: neither of version 3 nor of version 1.
    for middle in [Draft::of("Middle"), Draft::of("Middle").with(purpose(1))] {
        let chain = [Draft::of(HOST).by(&middle), middle.by(&ROOT)];
        expect(&[], &chain, &["issuer-not-an-authority"]);
    }
    // Two that issued each other lead nowhere.
    let circle = [leaf, second.by(&first), first.by(&second)];
    expect(&[], &circle, &["issuer-unknown"]);
    // As long as it may be, and longer.
    let mut issuers: Vec<Draft> = vec![(*ROOT).clone()];
    let shared = key(KeyBits::B2048);
    for i in 0..9 {
        let mut next = Draft::of(&format!("Level {i}")).with(ca());
        next.key = shared.clone();
        issuers.push(next);
    }
    for (levels, expected) in [(6, "taken"), (9, "issuer-unknown")] {
        let mut chain = vec![Draft::of(HOST).by(&issuers[levels])];
        chain.extend((1..=levels).rev().map(|i| issuers[i].by(&issuers[i - 1])));
        expect(&[], &chain, &[expected]);
    }
}

#[test]
fn signatures_count_as_the_settings_say() {
    let with = |hash| {
        let mut leaf = Draft::of(HOST);
        leaf.hash = hash;
        [leaf.by(&ROOT)]
    };
    let weakest = "provision.weakest_hash";
    expect(&[], &with(Hash::Sha1), &["taken"]);
    expect(
        &[(weakest, "sha256")],
        &with(Hash::Sha1),
        &["signature-weak"],
    );
    expect(&[], &with(Hash::Md5), &["signature-weak"]);
    expect(&[(weakest, "md5")], &with(Hash::Md5), &["taken"]);
    let mut small = Draft::of(HOST);
    small.key = key(KeyBits::B1024);
    let small = [small.by(&ROOT)];
    expect(&[], &small, &["taken"]);
    expect(
        &[("provision.min_rsa_bits", "2048")],
        &small,
        &["server-key-too-small"],
    );
    // The root's name, and another key.
    let mut twin = (*FOREIGN).clone();
    twin.subject.clone_from(&ROOT.subject);
    expect(&[], &[Draft::of(HOST).by(&twin)], &["signature-bad"]);
    let mut damaged = Draft::of(HOST).by(&ROOT);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    expect(&[], &[damaged], &["signature-bad"]);
}

#[test]
fn dates_are_those_of_every_certificate() {
    let mut leaf = Draft::of(HOST);
    (leaf.not_before, leaf.not_after) = (NOW - YEAR, NOW - 1);
    expect(&[], &[leaf.by(&ROOT)], &["certificate-expired"]);
    expect(
        &[("provision.dates", "ignored")],
        &[leaf.by(&ROOT)],
        &["taken"],
    );
    leaf.not_after = NOW;
    expect(&[], &[leaf.by(&ROOT)], &["taken"]);
    leaf.not_before = NOW;
    expect(&[], &[leaf.by(&ROOT)], &["taken"]);
    leaf.not_after = NOW + YEAR;
    leaf.not_before = NOW + 1;
    expect(&[], &[leaf.by(&ROOT)], &["certificate-not-yet-valid"]);
    // An authority between, and the root.
    let mut middle = Draft::authority("Middle");
    middle.not_after = NOW - 1;
    let chain = [Draft::of(HOST).by(&middle), middle.by(&ROOT)];
    expect(&[], &chain, &["certificate-expired"]);
    let after = checker(&[]).at(NOW + 20 * YEAR);
    let chain = [Draft::of(HOST).by(&ROOT)];
    assert_eq!(
        codes(&judge(&after, &chain)),
        ["certificate-expired", "certificate-expired"]
    );
}

#[test]
fn all_that_is_wrong_is_told_the_deciding_thing_first() {
    let mut leaf = Draft::of("/x").with(purpose(2));
    leaf.not_after = NOW - 1;
    let all = [
        "issuer-unknown",
        "certificate-wrong-purpose",
        "certificate-expired",
        "name-missing",
    ];
    expect(&[], &[leaf.by(&FOREIGN)], &all);
    let Err(refused) = judge(&checker(&[]), &[leaf.by(&FOREIGN)]) else {
        panic!("taken");
    };
    for refusal in &refused.refusals {
        assert!(!refusal.fix().is_empty() && !refusal.curl_text().is_empty());
        assert!(!refusal.to_string().ends_with('.'), "{refusal}");
    }
    assert_eq!(
        refused.refusals[2].to_string(),
        "the certificate CN=/x expired on 2026-03-01T08:59:59Z, the phone's clock says \
         2026-03-01T09:00:00Z"
    );
}

#[test]
fn purposes_and_names_of_version_3() {
    expect(
        &[],
        &[Draft::of(HOST).with(purpose(1)).by(&ROOT)],
        &["taken"],
    );
    let client = [Draft::of(HOST).with(purpose(2)).by(&ROOT)];
    expect(&[], &client, &["certificate-wrong-purpose"]);
    let mpp113 = &[("provision.name_check", "mpp113")][..];
    for (common, dns, is_taken) in [
        (HOST, &[][..], true),
        ("sprov.callme.com/info", &[], false),
        ("other.example", &[HOST], true),
        ("other.example", &["*.callme.com"], true),
        (HOST, &["other.example"], false),
    ] {
        let mut leaf = Draft::of(common);
        if !dns.is_empty() {
            leaf = leaf.with(dns_names(dns));
        }
        let expected = if is_taken { "taken" } else { "name-mismatch" };
        expect(mpp113, &[leaf.by(&ROOT)], &[expected]);
    }
}

#[test]
fn a_judgement_names_what_it_rests_on() {
    let rests_on = |set: &[(&str, &str)], leaf: Draft| match judge(&checker(set), &[leaf.by(&ROOT)])
    {
        Ok(trusted) => trusted.rests_on,
        Err(refused) => refused.rests_on,
    };
    let none: Vec<&str> = Vec::new();
    assert_eq!(rests_on(&[], Draft::of(HOST)), none);
    assert_eq!(
        rests_on(&[], Draft::of("sprov.callme.com/x")),
        ["provision.name_check"]
    );
    let mut small = Draft::of(HOST);
    small.key = key(KeyBits::B1024);
    assert_eq!(rests_on(&[], small), ["provision.min_rsa_bits"]);
    let mut old = Draft::of(HOST);
    old.hash = Hash::Sha1;
    assert_eq!(rests_on(&[], old.clone()), ["provision.weakest_hash"]);
    old.not_after = NOW - 1;
    assert_eq!(rests_on(&[], old.clone()), ["provision.dates"]);
    // Two things are wrong: no single choice would turn it.
    old.hash = Hash::Md5;
    assert_eq!(rests_on(&[], old), none);
}

#[test]
fn dns_must_have_the_servers_address() {
    let found = |all: &[&str]| Lookup::Found(all.iter().map(|a| ip(a)).collect());
    let silent = Lookup::Unavailable("no answer in time".into());
    for (set, peer, dns, expected) in [
        (&[][..], "10.0.0.1", found(&["10.0.0.1"]), "taken"),
        (&[], "10.0.0.1", found(&["10.0.0.2", "10.0.0.1"]), "taken"),
        (
            &[],
            "10.0.0.1",
            found(&["2001:db8::1", "10.0.0.1"]),
            "taken",
        ),
        (
            &[],
            "10.0.0.1",
            found(&["10.0.0.2", "10.0.0.3"]),
            "dns-mismatch",
        ),
        (&[], "10.0.0.1", Lookup::NoSuchName, "dns-name-unknown"),
        (&[], "10.0.0.1", silent.clone(), "dns-unavailable"),
        (
            &[("provision.dns_check", "skipped")],
            "10.0.0.1",
            silent,
            "taken",
        ),
        (
            &[],
            "2001:db8::1",
            found(&["10.0.0.1", "2001:db8::1"]),
            "taken",
        ),
        (&[], "2001:db8::1", found(&["10.0.0.1"]), "dns-mismatch"),
        (
            &[("provision.dns_aaaa", "ignored")],
            "2001:db8::1",
            found(&["10.0.0.1", "2001:db8::1"]),
            "dns-mismatch",
        ),
        (
            &[("provision.dns_aaaa", "ignored")],
            "2001:db8::1",
            found(&["2001:db8::1"]),
            "dns-name-unknown",
        ),
        // One address, written in two families.
        (&[], "::ffff:10.0.0.1", found(&["10.0.0.1"]), "taken"),
    ] {
        let judged = checker(set).address(HOST, ip(peer), &dns);
        let code = judged
            .as_ref()
            .map_or_else(|r| r.refusals[0].code(), |_| "taken");
        assert_eq!(code, expected, "{set:?} {peer} {dns:?}");
    }
}

#[test]
fn no_damage_to_a_certificate_is_a_panic() {
    let leaf = Draft::of(HOST)
        .with(dns_names(&[HOST]))
        .with(purpose(1))
        .by(&ROOT);
    let checker = checker(&[("provision.name_check", "mpp113")]);
    for cut in 0..leaf.len() {
        assert!(judge(&checker, &[leaf[..cut].to_vec()]).is_err());
    }
    for bit in (0..leaf.len() * 8).step_by(7) {
        let mut damaged = leaf.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // Every byte is signed, but those of the outer algorithm identifier, which stand in what is
        // signed too.
        assert!(judge(&checker, &[damaged]).is_err(), "bit {bit}");
    }
}

#[test]
fn a_certificate_that_counts_goes_before_one_of_its_name_and_key_that_does_not() {
    let mut old = (*ROOT).clone();
    old.not_after = NOW - 1;
    let (old, new) = (old.self_signed(), ROOT.self_signed());
    let leaf = || [Draft::of(HOST).by(&ROOT)];
    for roots in [[old.clone(), new.clone()], [new, old.clone()]] {
        let checker = Checker::new(&roots, &Settings::default(), NOW).unwrap();
        assert_eq!(codes(&judge(&checker, &leaf())), ["taken"]);
    }
    let alone = Checker::new(&[old], &Settings::default(), NOW).unwrap();
    assert_eq!(codes(&judge(&alone, &leaf())), ["certificate-expired"]);
    // So between the server and the root, with one that is no authority too.
    let middle = Draft::authority("Middle");
    let mut expired = middle.clone();
    expired.not_after = NOW - 1;
    let mut no_authority = middle.clone();
    no_authority.extensions.clear();
    let leaf = Draft::of(HOST).by(&middle);
    for other in [expired, no_authority] {
        let (other, middle) = (other.by(&ROOT), middle.by(&ROOT));
        for pair in [[other.clone(), middle.clone()], [middle, other]] {
            let [one, two] = pair;
            expect(&[], &[leaf.clone(), one, two], &["taken"]);
        }
    }
}

#[test]
fn constraints_of_authorities_hold() {
    let through = |extensions: &[Vec<u8>]| {
        let mut upper = Draft::of("Upper");
        upper.extensions = extensions.to_vec();
        let lower = Draft::authority("Lower");
        let leaf = Draft::of(HOST);
        [
            vec![leaf.by(&upper), upper.by(&ROOT)],
            vec![leaf.by(&lower), lower.by(&upper), upper.by(&ROOT)],
        ]
    };
    for (extensions, direct, over_another) in [
        (vec![ca()], "taken", "taken"),
        (vec![ca_above(1)], "taken", "taken"),
        (vec![ca_above(0)], "taken", "issuer-path-too-long"),
        (vec![ca(), usage(0x04)], "taken", "taken"),
        (
            vec![ca(), usage(0x80)],
            "issuer-not-an-authority",
            "issuer-not-an-authority",
        ),
        (vec![ca(), unknown(false)], "taken", "taken"),
        (
            vec![ca(), unknown(true)],
            "certificate-extension-unknown",
            "certificate-extension-unknown",
        ),
    ] {
        let [one, two] = through(&extensions);
        expect(&[], &one, &[direct]);
        expect(&[], &two, &[over_another]);
    }
    let leaf = Draft::of(HOST).with(unknown(true)).by(&ROOT);
    let judged = judge(&checker(&[]), &[leaf]);
    assert_eq!(codes(&judged), ["certificate-extension-unknown"]);
    let text = judged.unwrap_err().refusals[0].to_string();
    assert!(text.contains("2.5.29.99"), "{text}");
    // A server's own key usage must allow TLS, not signing of certificates.
    for (bits, expected) in [
        (0x80, "taken"),
        (0x20, "taken"),
        (0x04, "certificate-wrong-purpose"),
    ] {
        let leaf = Draft::of(HOST).with(usage(bits)).by(&ROOT);
        expect(&[], &[leaf], &[expected]);
    }
}

#[test]
fn authorities_are_what_openssl_takes_for_one() {
    let through = |extensions: &[Vec<u8>]| {
        let mut middle = Draft::of("Middle");
        middle.extensions = extensions.to_vec();
        [Draft::of(HOST).by(&middle), middle.by(&ROOT)]
    };
    for (extensions, expected) in [
        (vec![no_ca()], "issuer-not-an-authority"),
        (vec![unknown(false)], "issuer-not-an-authority"),
        // Of version 1, and not in its own name.
        (vec![], "issuer-not-an-authority"),
        // Old ones that say it by the key usage alone.
        (vec![usage(0x04)], "taken"),
        (vec![ca(), purpose(1)], "taken"),
        (vec![ca(), purpose(2)], "issuer-not-an-authority"),
        // Name constraints are not applied, so they refuse.
        (vec![ca(), null(30, false)], "certificate-extension-unknown"),
        (vec![ca(), null(31, true)], "taken"),
        (vec![ca_with(&[0, 0])], "certificate-malformed"),
        (vec![ca_with(&[0xff])], "certificate-malformed"),
        (vec![ca_with(&[0, 0x80])], "taken"),
        (vec![ca(), no_ca()], "certificate-malformed"),
    ] {
        expect(&[], &through(&extensions), &[expected]);
    }
    // A phone's roots too, but those of version 1 in their own name.
    for (extensions, expected) in [
        (vec![], "taken"),
        (vec![ca()], "taken"),
        (vec![no_ca()], "issuer-not-an-authority"),
        (vec![unknown(false)], "issuer-not-an-authority"),
        (vec![ca(), usage(0x80)], "issuer-not-an-authority"),
    ] {
        let mut root = Draft::of("A root");
        root.extensions = extensions;
        let leaf = Draft::of(HOST).by(&root);
        let roots = [root.self_signed()];
        let checker = Checker::new(&roots, &Settings::default(), NOW).unwrap();
        assert_eq!(codes(&judge(&checker, &[leaf])), [expected]);
    }
}

#[test]
fn a_phones_certificate_is_judged_as_a_servers_is() {
    let phone = || Draft::of("a phone");
    for (issuer, leaf, expected) in [
        (vec![ca()], vec![], "counts"),
        (vec![], vec![purpose(2)], "counts"),
        (vec![ca()], vec![purpose(2), usage(0x80)], "counts"),
        (vec![ca()], vec![unknown(false)], "counts"),
        (
            vec![ca()],
            vec![unknown(true)],
            "certificate-extension-unknown",
        ),
        (vec![ca()], vec![purpose(1)], "certificate-purpose"),
        (vec![no_ca()], vec![], "certificate-issuer-no-authority"),
        (
            vec![unknown(false)],
            vec![],
            "certificate-issuer-no-authority",
        ),
        (
            vec![ca(), usage(0x80)],
            vec![],
            "certificate-issuer-no-authority",
        ),
        (
            vec![ca(), unknown(true)],
            vec![],
            "certificate-extension-unknown",
        ),
        (
            vec![ca(), purpose(1)],
            vec![],
            "certificate-issuer-no-authority",
        ),
    ] {
        let mut root = Draft::of("A root");
        root.extensions = issuer;
        let mut leaf_draft = phone();
        leaf_draft.extensions = leaf;
        let leaf = leaf_draft.by(&root);
        let judged = Roots::new(vec![root.self_signed()])
            .unwrap()
            .judge(&leaf, NOW);
        let code = judged.map_or_else(|fault| fault.code(), |()| "counts");
        assert_eq!(code, expected);
        // The authority of that name that counts may stand behind one that does not.
        let both = vec![root.self_signed(), {
            root.extensions = vec![ca()];
            root.self_signed()
        }];
        let judged = Roots::new(both).unwrap().judge(&leaf, NOW);
        let code = judged.map_or_else(|fault| fault.code(), |()| "counts");
        let is_the_leafs = matches!(expected, "counts" | "certificate-purpose")
            || leaf_draft.extensions == [unknown(true)];
        assert_eq!(code, if is_the_leafs { expected } else { "counts" });
    }
    // A phone's certificate in the bundle signs no other phone's, whatever its version.
    let one = phone();
    let other = Draft::of("another").by(&one);
    let roots = Roots::new(vec![ROOT.self_signed(), one.by(&ROOT)]).unwrap();
    assert!(roots.judge(&one.by(&ROOT), NOW).is_ok());
    let fault = roots.judge(&other, NOW).unwrap_err();
    assert_eq!(fault.code(), "certificate-issuer-no-authority");
}

#[test]
fn the_way_out_of_a_wrong_name_is_one_that_the_check_takes() {
    for (check, host, expected) in [
        ("sipura", HOST, "CN=sprov.callme.com/info"),
        ("sipura", "10.0.0.1", "not its address"),
        ("mpp113", HOST, "DNS:sprov.callme.com"),
        ("mpp113", "10.0.0.1", "IP:10.0.0.1"),
    ] {
        let leaf = Draft::of("/").by(&ROOT);
        let checker = checker(&[("provision.name_check", check)]);
        let refused = checker.certificate(&[&leaf], host).unwrap_err();
        let fix = refused.refusals[0].fix();
        assert!(fix.contains(expected), "{check} {host}: {fix}");
        assert!(check == "sipura" || !fix.contains("/info"), "{fix}");
        assert!(!fix.contains("CN=10"), "{fix}");
    }
    let leaf = Draft::of("any").with(address_name([10, 0, 0, 1])).by(&ROOT);
    let checker = checker(&[("provision.name_check", "mpp113")]);
    let trusted = checker.certificate(&[&leaf], "10.0.0.1").unwrap();
    assert_eq!(trusted.name, "10.0.0.1");
}

#[test]
fn no_record_is_wanted_for_a_name_that_dns_is_not_asked_for() {
    let itself = Lookup::Found(vec![ip("127.0.0.1")]);
    for (name, dns, expected) in [
        ("a.onion", Lookup::NoSuchName, "dns-name-unknown"),
        ("a.localhost", itself, "dns-mismatch"),
    ] {
        let refused = checker(&[])
            .address(name, ip("10.0.0.1"), &dns)
            .unwrap_err();
        let [refusal] = refused.refusals.as_slice() else {
            panic!("{refused:?}");
        };
        assert_eq!(refusal.code(), expected);
        assert!(refusal.is_of_assumed_name(), "{refusal:?}");
        let text = refusal.to_string();
        assert!(text.starts_with("DNS is not asked for a."), "{text}");
        let fix = refusal.fix();
        assert!(
            fix.starts_with("have a certificate signed under another name"),
            "{fix}"
        );
    }
}
