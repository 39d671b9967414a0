//! Remembered decisions: always those that would be made anew.

use std::sync::Arc;

use trustline::rng::Rng;
use trustline::time::Time;
use trustline::trust::cache::DecisionCache;
use trustline::trust::decide::{ListQuestion, decide_list};
use trustline::trust::rules::rule;
use trustline::trust::signature::SignatureCheck;
use trustline::wire::ListKind;

use crate::{Phone, lab};

const NEW: &str = "tool/itl-a-next.tlv";

fn phone() -> Phone {
    Phone::new("", "tool/itl-a-v10-sha1.tlv", &["b-sast: SAST TFTP"], &[])
}

/// Asks twice, and tells whether the second answer was remembered.
fn remembers(cache: &mut DecisionCache, first: &ListQuestion<'_>, then: &ListQuestion<'_>) -> bool {
    let mut check = SignatureCheck::new();
    let before = cache.decide(first, &mut check);
    assert_eq!(*before, decide_list(first, &mut check));
    let after = cache.decide(then, &mut check);
    assert_eq!(*after, decide_list(then, &mut check));
    Arc::ptr_eq(&before, &after)
}

#[test]
fn the_same_question_is_answered_once() {
    let mut cache = DecisionCache::new(4);
    let (a, b) = (phone(), phone());
    let bytes = [lab::file_once(NEW), lab::file_once(NEW)];
    let first = a.list_question(ListKind::Itl, &bytes[0]);
    assert!(cache.is_empty());
    // Another phone with lists and settings of its own that are equal.
    let then = b.list_question(ListKind::Itl, &bytes[1]);
    assert!(remembers(&mut cache, &first, &then));
    assert_eq!(cache.len(), 1);
}

#[test]
fn whatever_differs_is_another_question() {
    let a = phone();
    let bytes = lab::file_once(NEW);
    let first = a.list_question(ListKind::Itl, &bytes);
    let differs = |then: &ListQuestion<'_>, what: &str| {
        assert!(
            !remembers(&mut DecisionCache::new(4), &first, then),
            "{what}"
        );
    };
    // Most of these bytes are not in the fingerprint.
    for at in (0..bytes.len()).step_by(97) {
        let mut other = bytes.clone();
        other[at] ^= 1;
        differs(&a.list_question(ListKind::Itl, &other), "a byte");
    }
    differs(
        &a.list_question(ListKind::Itl, &bytes[..bytes.len() - 1]),
        "cut",
    );
    differs(&a.list_question(ListKind::Ctl, &bytes), "kind");
    for (ctl, itl) in [
        ("", ""),
        ("", "new:tool/itl-a-v10-sha1.tlv"),
        ("", "tool/itl-a-v10-sha512.tlv"),
        ("tool/itl-a-v10-sha1.tlv", ""),
        ("tool/ctl-b.tlv", "tool/itl-a-v10-sha1.tlv"),
    ] {
        let other = Phone {
            vouches: phone().vouches,
            ..Phone::new(ctl, itl, &[], &[])
        };
        differs(&other.list_question(ListKind::Itl, &bytes), itl);
    }
    for setting in ["trust.min_rsa_bits = 512", "list.older_timestamp = refuse"] {
        let other = Phone {
            settings: lab::settings(&[setting]),
            ..phone()
        };
        differs(&other.list_question(ListKind::Itl, &bytes), setting);
    }
    for vouches in [&[][..], &["b-sast: SAST"], &["a-sast2: SAST TFTP"]] {
        let vouches = vouches.iter().map(|v| lab::vouch(v)).collect();
        let other = Phone { vouches, ..phone() };
        differs(&other.list_question(ListKind::Itl, &bytes), "vouches");
    }
    let version = ListQuestion {
        known_version: (1, 2),
        ..first
    };
    differs(&version, "known version");
}

#[test]
fn a_vouch_is_the_same_whenever_it_runs_out() {
    let mut other = phone();
    other.vouches[0].expires = Time::from_millis(7);
    let a = phone();
    let bytes = lab::file_once("tool/itl-b.tlv");
    let first = a.list_question(ListKind::Itl, &bytes);
    let then = other.list_question(ListKind::Itl, &bytes);
    assert!(remembers(&mut DecisionCache::new(1), &first, &then));
}

#[test]
fn the_clock_counts_by_the_signers_dates_alone() {
    let now = |now| move |q: ListQuestion<'static>| ListQuestion { now, ..q };
    let phone: &'static Phone = Box::leak(Box::new(Phone::new(
        "",
        "tool/itl-sast-expired.tlv",
        &[],
        &["list.equal = reinstall", "phone.ignores_expiry = no"],
    )));
    let bytes: &'static [u8] = lab::file_once("tool/itl-sast-expired.tlv").leak();
    let q = phone.list_question(ListKind::Itl, bytes);
    // The certificate is of 2020.
    let (in_2020, later_in_2020, in_2027, in_2028) =
        (1_590_000_000, 1_595_000_000, 1_800_000_000, 1_830_000_000);
    let mut cache = DecisionCache::new(8);
    assert!(remembers(
        &mut cache,
        &now(in_2020)(q),
        &now(later_in_2020)(q)
    ));
    assert!(!remembers(&mut cache, &now(in_2020)(q), &now(in_2027)(q)));
    assert!(remembers(&mut cache, &now(in_2027)(q), &now(in_2028)(q)));
}

#[test]
fn a_remembered_decision_marks_the_rules_it_rests_on() {
    let (a, b) = (phone(), phone());
    let bytes = lab::file_once("tool/itl-a-older.tlv");
    let mut cache = DecisionCache::new(1);
    let mut check = SignatureCheck::new();
    a.settings.number(rule_key("tftp.retries"));
    cache.decide(&a.list_question(ListKind::Itl, &bytes), &mut check);
    assert!(a.settings.used().contains(&rule_key("tftp.retries")));
    assert!(
        a.settings
            .used()
            .contains(&rule_key("list.older_timestamp"))
    );
    b.settings.number(rule_key("tvs.miss"));
    cache.decide(&b.list_question(ListKind::Itl, &bytes), &mut check);
    let used: Vec<_> = b.settings.used().iter().map(|&k| rule(k).name).collect();
    assert!(
        used.contains(&"list.older_timestamp") && used.contains(&"tvs.miss"),
        "{used:?}"
    );
    assert!(!used.contains(&"tftp.retries"), "{used:?}");
}

fn rule_key(name: &str) -> trustline::trust::rules::Key {
    trustline::trust::rules::find(name).unwrap().key
}

#[test]
fn it_stays_within_its_bounds() {
    let a = phone();
    let mut check = SignatureCheck::new();
    let mut cache = DecisionCache::new(3);
    let decisions: Vec<_> = (0..20_u8)
        .map(|n| cache.decide(&a.list_question(ListKind::Itl, &[n; 40]), &mut check))
        .collect();
    assert_eq!(cache.len(), 3);
    // The last three are held by the cache too.
    let holders: Vec<_> = decisions.iter().map(Arc::strong_count).collect();
    assert_eq!(holders, [&[1; 17][..], &[2; 3]].concat());

    let q = a.list_question(ListKind::Itl, b"");
    assert!(!remembers(&mut DecisionCache::new(0), &q, &q));
    // A file that is too large is not kept.
    let large = vec![1; 70_000];
    let mut cache = DecisionCache::new(3);
    cache.decide(&a.list_question(ListKind::Itl, &large), &mut check);
    assert!(cache.is_empty());
}

#[test]
fn it_never_says_another_thing_than_a_new_decision() {
    let names = [
        "tool/itl-a-next.tlv",
        "tool/itl-b.tlv",
        "tool/itl-a-older.tlv",
        "hostile/h002-sig-flip-last.tlv",
        "hostile/h132-signer-is-tvs-only.tlv",
        "hostile/h080-reclen-65535.tlv",
        "tool/itl-sast-expired.tlv",
    ];
    let mut rng = Rng::new(5);
    let mut cache = DecisionCache::new(16);
    let mut check = SignatureCheck::new();
    for _ in 0..400 {
        let itl = ["", "tool/itl-a-v10-sha1.tlv", "tool/itl-sast-expired.tlv"];
        let itl = itl[rng.below(3) as usize];
        let vouches: &[&str] = if rng.chance(500) {
            &["b-sast: SAST"]
        } else {
            &[]
        };
        let settings: &[&str] = if rng.chance(300) {
            &["phone.ignores_expiry = no"]
        } else {
            &[]
        };
        let phone = Phone::new("", itl, vouches, settings);
        let bytes = lab::file_once(names[rng.below(7) as usize]);
        let now = [lab::NOW, lab::NOW + 9, 1_590_000_000][rng.below(3) as usize];
        let q = ListQuestion {
            now,
            ..phone.list_question(ListKind::Itl, &bytes)
        };
        let cached = cache.decide(&q, &mut check);
        let used = phone.settings.take_used();
        assert_eq!(*cached, decide_list(&q, &mut check));
        assert_eq!(used, phone.settings.take_used());
    }
}
