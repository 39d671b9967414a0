//! What a decision says beside its ruling, and the parts that it is made of.

use trustline::trust::decide::{Decision, Ruling, asks_for_signed_files};
use trustline::trust::reason::Code;
use trustline::trust::search::SignerId;
use trustline::trust::vouch::check_answer;
use trustline::wire::{Digest, ListKind, TrustList};

use crate::{Phone, lab};

fn signer_of(name: &str) -> SignerId {
    lab::vouch(&format!("{name}: SAST")).signer
}

#[test]
fn an_answer_must_hold_the_certificate_that_was_asked_for() {
    let asked = signer_of("a-sast");
    let refused = |der: &[u8]| {
        let reason = check_answer(&asked, der, "src-pub:2445").unwrap_err();
        assert_eq!(reason.code, Code::TvsWrongCertificate);
        assert_eq!(reason.evidence().as_deref(), Some("src-pub:2445"));
        reason.text()
    };
    assert_eq!(
        check_answer(&asked, &lab::certificate("a-sast"), "src-pub:2445"),
        Ok(())
    );
    // The twin took name and number; only its signature, which fails later, tells.
    assert_eq!(
        check_answer(&asked, &lab::certificate("rogue-twin"), "src-pub:2445"),
        Ok(())
    );
    // Same name, another number.
    assert!(refused(&lab::certificate("rogue-sast")).contains("serial"));
    assert!(refused(&lab::certificate("b-sast")).contains("serial"));
    assert!(refused(b"").contains("no certificate"));
    assert!(refused(b"HTTP/1.1 404").contains("no certificate"));
    // Same number, another name.
    let other = SignerId {
        issuer: b"CN=SAST-B,O=LabB,OU=Voice".to_vec(),
        ..asked.clone()
    };
    let reason = check_answer(&other, &lab::certificate("a-sast"), "tvs").unwrap_err();
    assert!(reason.text().contains("another issuer"), "{reason}");
    // CUCM separates the parts of a name otherwise.
    let cucm = SignerId {
        issuer: b"CN=SAST-A;O=LabA;OU=Voice;L=Testville;ST=Teststate;C=US".to_vec(),
        ..asked
    };
    assert_eq!(
        check_answer(&cucm, &lab::certificate("a-sast"), "tvs"),
        Ok(())
    );
}

#[test]
fn a_decision_says_where_it_looked_and_what_it_found() {
    let phone = Phone::new("tool/ctl-b.tlv", "tool/itl-a-v10-sha1.tlv", &[], &[]);
    let d = phone.list(ListKind::Ctl, &lab::file("tool/ctl-a-v10-sha512.tlv"));
    let searched = |d: &Decision| d.searched.unwrap().to_string();
    assert_eq!(
        searched(&d),
        "installed CTL (2 records) and installed ITL (4 records)"
    );
    assert_eq!(d.signer.as_deref(), Some(&signer_of("a-sast")));
    assert_eq!(d.compared, Some((Digest::Sha512, true)));
    assert_eq!(d.reasons[0].evidence().as_deref(), Some("record 1"));
    assert_eq!(
        d.note.unwrap().to_string(),
        "hdr ver 1.2 (knows only upto 1.1)"
    );
    assert!(
        d.reasons[0].text().starts_with("signer CN=SAST-A "),
        "{}",
        d.reasons[0]
    );

    let d = phone.list(ListKind::Itl, &lab::file("tool/itl-a-next.tlv"));
    assert_eq!(searched(&d), "installed CTL (2 records)");
    assert_eq!(d.compared, None);

    let phone = Phone::new("", "", &[], &[]);
    let d = phone.list(ListKind::Itl, &lab::file("tool/itl-a-next.tlv"));
    assert_eq!(searched(&d), "no installed list");
    assert_eq!(d.compared, Some((Digest::Sha512, true)));
}

#[test]
fn a_hash_counts_as_compared_where_it_was() {
    let phone = Phone::new("", "tool/itl-a-v10-sha1.tlv", &[], &[]);
    let d = phone.list(ListKind::Itl, &lab::file("tool/itl-rogue-twin.tlv"));
    assert_eq!(d.compared, Some((Digest::Sha1, false)));
    let d = phone.list(ListKind::Itl, &lab::file("hostile/h035-digest-id-4.tlv"));
    assert_eq!(d.compared, None);
}

#[test]
fn damage_is_shown_at_its_offset() {
    let phone = Phone::new("", "tool/itl-a-v10-sha1.tlv", &[], &[]);
    let bytes = lab::file("lab/itl-damaged-record");
    let d = phone.list(ListKind::Itl, &bytes);
    let fault = TrustList::parse(&bytes, &Default::default()).unwrap_err();
    let reason = d.decisive().unwrap();
    assert_eq!(reason.evidence(), Some(format!("offset {}", fault.offset)));
    assert!(
        reason
            .text()
            .starts_with("ITLFile.tlv is damaged: RECORDLENGTH: "),
        "{reason}"
    );
    // A wrong signature is shown where it stands.
    let d = phone.list(ListKind::Itl, &lab::file("hostile/h002-sig-flip-last.tlv"));
    let bytes = lab::file("hostile/h002-sig-flip-last.tlv");
    let list = TrustList::parse(&bytes, &Default::default()).unwrap();
    let start = list.header.signature_span().start;
    assert_eq!(
        d.decisive().unwrap().evidence(),
        Some(format!("offset {start}"))
    );
}

#[test]
fn names_in_a_decision_are_safe_to_print() {
    let phone = Phone::new(
        "",
        "lab/itl-tftp",
        &[],
        &["trust.list_file_name = must-match"],
    );
    let d = phone.list(
        ListKind::Itl,
        &lab::file("hostile/h152-filename-escape.tlv"),
    );
    assert_eq!(d.ruling, Ruling::Refuse);
    let text = d.decisive().unwrap().text();
    assert!(text.contains("ITL\\x1b[2J\\x07.tlv"), "{text:?}");
}

#[test]
fn signed_files_are_asked_for_with_a_tftp_certificate() {
    for (ctl, itl, expected) in [
        ("", "", false),
        ("", "tool/itl-a-v10-sha1.tlv", true),
        ("", "lab/itl-tftp", true),
        ("", "lab/itl-blank", false),
        ("", "lab/itl-blank-empty-records", false),
        ("lab/ctl-non-secure", "lab/itl-blank", false),
        ("tool/ctl-a-v10-sha1.tlv", "lab/itl-blank", true),
    ] {
        let phone = Phone::new(ctl, itl, &[], &[]);
        let asks = asks_for_signed_files(&phone.in_force());
        assert_eq!(asks, expected, "CTL {ctl:?}, ITL {itl:?}");
    }
}

#[test]
fn tvs_certificates_come_from_both_lists() {
    let phone = Phone::new("tool/ctl-b.tlv", "tool/itl-a-v10-sha1.tlv", &[], &[]);
    let in_force = phone.in_force();
    let found = in_force.tvs_certificates();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0.label(), "installed ITL");
    assert_eq!(found[0].1, lab::certificate("a-tvs"));
    let blank = Phone::new("", "lab/itl-blank-empty-records", &[], &[]);
    assert!(blank.in_force().tvs_certificates().is_empty());
}

/// A rule counts as used only where its other choice could have changed the decision.
#[test]
fn only_the_rules_that_mattered_are_marked() {
    let used = |itl: &str, offer: &str| {
        let phone = Phone::new("", itl, &[], &[]);
        phone.list(ListKind::Itl, &lab::file(offer));
        let names = phone.settings.used().into_iter();
        names
            .map(|k| trustline::trust::rules::rule(k).name)
            .collect::<Vec<_>>()
    };
    let all = used("tool/itl-a-v10-sha1.tlv", "tool/itl-a-older.tlv");
    assert!(
        all.contains(&"list.older_timestamp") && !all.contains(&"list.equal"),
        "{all:?}"
    );
    let all = used("tool/itl-a-v10-sha1.tlv", "tool/itl-a-next.tlv");
    assert!(!all.contains(&"list.older_timestamp"), "{all:?}");
    assert!(!all.contains(&"phone.ignores_expiry"), "{all:?}");
    let all = used("tool/itl-sast-expired.tlv", "tool/itl-sast-expired.tlv");
    assert_eq!(all, ["list.max_bytes", "list.equal"]);
    let all = used("", "tool/itl-a-next.tlv");
    assert!(
        all.contains(&"trust.first_contact_self_signature"),
        "{all:?}"
    );
    assert!(!all.contains(&"trust.wrong_role"), "{all:?}");
}
