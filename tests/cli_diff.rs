//! `trustline diff`: golden texts, exit codes, and lists that are changed on purpose.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests read and write files, and fail by panic"
)]

mod golden;

use golden::{check, run};
use serde_json::Value;
use trustline::report::diff::{Change, Difference, OwnSignature, Replacement, Side};
use trustline::wire::element::{Element, record_tag};
use trustline::wire::{ListKind, Role, Strictness, TrustList};

const LAYOUT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/testdata/vectors/good/cucm-layout.tlv"
);

fn owned() -> TrustList<Vec<u8>> {
    let bytes = std::fs::read(LAYOUT).unwrap();
    TrustList::parse(&bytes, &Strictness::default())
        .unwrap()
        .to_owned()
}

/// What differs between two lists that are written and read. Their signatures, which no change
/// survives, are left out.
fn between(a: &TrustList<Vec<u8>>, b: &TrustList<Vec<u8>>) -> Difference {
    let (a, b) = (a.emit().unwrap(), b.emit().unwrap());
    let read = |bytes| TrustList::parse(bytes, &Strictness::default()).unwrap();
    let (a, b) = (read(&a), read(&b));
    let side = |name, list| Side {
        name,
        kind: ListKind::Itl,
        list,
        own: OwnSignature::NotChecked,
    };
    Difference::between(side("a", &a), side("b", &b))
}

#[test]
fn golden_texts() {
    for (name, line) in [
        (
            "diff-same",
            "diff testdata/vectors/good/cucm-layout.tlv testdata/vectors/good/cucm-layout.tlv",
        ),
        (
            "diff-roles",
            "diff testdata/vectors/good/cucm-layout.tlv \
             testdata/vectors/tool/itl-a-allroles-v11-sha512.tlv",
        ),
        (
            "diff-json",
            "diff testdata/vectors/good/cucm-layout.tlv testdata/vectors/tool/ctl-a-v11-sha1.tlv \
             --format json",
        ),
        (
            "diff-not-a-list",
            "diff Cargo.toml testdata/vectors/good/cucm-layout.tlv",
        ),
        ("diff-both-missing", "diff no-such-a.tlv no-such-b.tlv"),
        ("help-diff", "diff -h"),
    ] {
        check(name, line);
    }
}

#[test]
fn exit_codes_say_what_came_of_it() {
    let code = |a: &str, b: &str| run(&["diff", a, b]).status.code();
    let other = "testdata/vectors/tool/ctl-a-v11-sha1.tlv";
    assert_eq!(code(LAYOUT, LAYOUT), Some(0));
    assert_eq!(code(LAYOUT, other), Some(1));
    assert_eq!(code("Cargo.toml", LAYOUT), Some(2));
    assert_eq!(code("no-such.tlv", LAYOUT), Some(3));
    // The worse of the two.
    assert_eq!(code("Cargo.toml", "no-such.tlv"), Some(3));
}

#[test]
fn order_and_date_mean_nothing() {
    let list = owned();
    let mut turned = list.clone();
    turned.records.reverse();
    let difference = between(&list, &turned);
    assert!(difference.is_none(), "{difference:?}");
    assert_eq!(difference.remarks.len(), 1);
    assert!(difference.consequences.is_empty());
}

#[test]
fn each_kind_of_change_is_told() {
    let list = owned();
    let certificates = between(&list, &list).same;
    for n in 0..list.records.len() {
        let mut without = list.clone();
        let gone = without.records.remove(n);
        let there_twice = without
            .records
            .iter()
            .any(|r| r.certificate() == gone.certificate());
        match (&between(&list, &without).changes[..], there_twice) {
            ([Change::Removed(held)], false) => assert!(held.roles.contains(&gone.role())),
            ([Change::Roles { lost, .. }], true) => assert_eq!(lost[..], [gone.role()]),
            // The certificate stands in the list a third time, with this role.
            ([], true) => {}
            (other, _) => panic!("record {n}: {other:?}"),
        }
        match (&between(&without, &list).changes[..], there_twice) {
            ([Change::Added(held)], false) => assert!(held.roles.contains(&gone.role())),
            ([Change::Roles { gained, .. }], true) => assert_eq!(gained[..], [gone.role()]),
            ([], true) => {}
            (other, _) => panic!("record {n}: {other:?}"),
        }
    }
    assert!(certificates > 0);
}

#[test]
fn a_list_without_its_tvs_says_what_that_costs() {
    let list = owned();
    let mut without = list.clone();
    let had = without.records.len();
    without.records.retain(|r| r.role() != Role::Tvs);
    assert!(without.records.len() < had, "the vector has a TVS");
    let told = between(&list, &without).consequences;
    assert!(told.iter().any(|t| t.contains("names no TVS")), "{told:?}");
    // The other way round nothing is lost.
    assert!(between(&without, &list).consequences.is_empty());
}

#[test]
fn another_signer_is_known_or_not() {
    let list = owned();
    let mut other = list.clone();
    other.records.retain(|r| !r.role().signs_lists());
    // The holder of the first knows the signer; the holder of the second does not.
    let known = between(&list, &other);
    assert!(!known.signer_changed);
    assert!(
        known
            .consequences
            .iter()
            .any(|t| t.contains("a SAST that is gone"))
    );
    let unknown = between(&other, &list);
    let text = "does not know the second one's signer";
    assert!(unknown.consequences.iter().any(|t| t.contains(text)));
}

#[test]
fn records_without_a_certificate_are_told_apart_by_issuer_and_serial() {
    let mut list = owned();
    let without = &mut list.records[0];
    without
        .elements
        .retain(|e| e.tag != record_tag::CERTIFICATE);
    assert!(between(&list, &list).is_none());
    let mut other = list.clone();
    for e in &mut other.records[0].elements {
        if e.tag == record_tag::SERIAL_NUMBER {
            *e = Element::value(record_tag::SERIAL_NUMBER, vec![0x12, 0x34]);
        }
    }
    let difference = between(&list, &other);
    assert!(!difference.is_none());
    let held = difference.changes.iter().any(|c| match c {
        Change::Replaced { after, .. } => after.serial == [0x12, 0x34] && after.sha256.is_none(),
        _ => false,
    });
    assert!(held, "{:?}", difference.changes);
}

#[test]
fn json_names_both_files() {
    let output = run(&["diff", LAYOUT, LAYOUT, "--format", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["same"], true);
    assert_eq!(json["files"].as_array().unwrap().len(), 2);
}

/// Writes the list with the lowest bit of one byte flipped, and gives its path.
fn flipped(folder: &tempfile::TempDir, at: impl Fn(&[u8]) -> usize) -> String {
    let mut bytes = std::fs::read(LAYOUT).unwrap();
    let at = at(&bytes);
    bytes[at] ^= 1;
    let path = folder.path().join("ITLFile.tlv");
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn text_and_json(a: &str, b: &str) -> (Option<i32>, String, Value) {
    let human = run(&["diff", a, b]);
    let json = run(&["diff", a, b, "--format", "json"]);
    assert_eq!(human.status.code(), json.status.code());
    (
        human.status.code(),
        String::from_utf8(human.stdout).unwrap(),
        serde_json::from_slice(&json.stdout).unwrap(),
    )
}

#[test]
fn a_signature_that_does_not_hold_is_no_equal_list() {
    let folder = tempfile::tempdir().unwrap();
    let broken = flipped(&folder, |bytes| {
        let list = TrustList::parse(bytes, &Strictness::default()).unwrap();
        let signature = list.header.signature();
        signature.as_ptr().addr() - bytes.as_ptr().addr() + signature.len() - 1
    });
    for (a, b, bad) in [(LAYOUT, &*broken, 1), (&*broken, LAYOUT, 0)] {
        let (code, text, json) = text_and_json(a, b);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("does not hold"), "{text}");
        assert!(text.contains("phones refuse"), "{text}");
        assert!(!text.contains("mean the same"), "{text}");
        assert_eq!(json["same"], false);
        assert_eq!(json["files"][bad]["own_signature"], "does-not-hold");
        assert!(json["files"][bad]["own_signature_fault"].is_string());
        assert_eq!(json["files"][1 - bad]["own_signature"], "holds");
    }
    // Twice the same file is the same, and refused.
    let (code, text, json) = text_and_json(&broken, &broken);
    assert_eq!((code, &json["same"]), (Some(0), &Value::Bool(true)));
    assert!(text.contains("it refuses both"), "{text}");
}

#[test]
fn a_damaged_certificate_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    // The last byte of a list's last certificate lies in that certificate's own signature.
    let broken = flipped(&folder, |bytes| {
        let list = TrustList::parse(bytes, &Strictness::default()).unwrap();
        let der = list.records.last().unwrap().certificate().unwrap();
        der.as_ptr().addr() - bytes.as_ptr().addr() + der.len() - 1
    });
    let (code, text, json) = text_and_json(LAYOUT, &broken);
    assert_eq!(code, Some(1));
    assert!(!text.contains("made anew"), "{text}");
    assert!(text.contains("other bytes"), "{text}");
    assert!(text.contains("does not hold"), "{text}");
    assert_eq!(json["changes"][0]["replacement"], "other-bytes");
}

#[test]
fn a_list_without_its_signer_is_not_checked() {
    let mut list = owned();
    list.records.retain(|r| !r.role().signs_lists());
    let bytes = list.emit().unwrap();
    let list = TrustList::parse(&bytes, &Strictness::default()).unwrap();
    assert_eq!(OwnSignature::of(&list, &bytes), OwnSignature::NotChecked);
}

#[test]
fn the_names_of_a_record_count_as_well_as_its_certificate() {
    let list = owned();
    for (tag, value) in [
        (record_tag::SERIAL_NUMBER, vec![0x12, 0x34]),
        (record_tag::ISSUER_NAME, b"CN=other\0".to_vec()),
    ] {
        let mut other = list.clone();
        let last = other.records.last_mut().unwrap();
        for e in &mut last.elements {
            if e.tag == tag {
                *e = Element::value(tag, value.clone());
            }
        }
        let difference = between(&list, &other);
        assert!(!difference.is_none());
        let [Change::Replaced { before, after }] = &difference.changes[..] else {
            panic!("{:?}", difference.changes);
        };
        assert_eq!(after.replaces(before), Replacement::OtherNames);
        assert_eq!(after.misnamed, tag == record_tag::SERIAL_NUMBER);
    }
}

#[test]
fn the_empty_list_of_a_rollback_is_told_for_phones_with_and_without_a_ctl() {
    let list = owned();
    let mut empty = list.clone();
    empty
        .records
        .retain(|r| !r.role().signs_files() && r.role() != Role::Tvs);
    let told = between(&list, &empty).consequences;
    let text = told.iter().find(|t| t.contains("of a rollback")).unwrap();
    assert!(text.contains("holds no CTL takes any list"), "{text}");
    assert!(text.contains("left without TVS"), "{text}");
}
