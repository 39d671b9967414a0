//! Phones that share a fate, what it rests on, and whether they can return.

use std::sync::Arc;
use std::time::Instant;

use trustline::check::answer::{Fate, Group};
use trustline::check::evidence::{At, FileReply, Known};
use trustline::check::groups::{Asked, groups};
use trustline::check::predict::Subject;
use trustline::check::rehearsal::Gap;
use trustline::cluster::TrustStore::{CallManager as CallManagerTrust, PhoneSast};
use trustline::cluster::{CertificateKind, ClusterMode, KeyBits, Release, Service, Target};
use trustline::phone::Profile;
use trustline::phone::flash::CONFIG;
use trustline::trust::rules::{Basis, DigestSha512, Key};
use trustline::wire::Digest;

use crate::lab::{DATE, DEVICE, Kind, Lab, asked};

fn device(n: usize) -> String {
    format!("SEP0011223{n:05X}")
}

/// The same phone under another name: its configuration names it.
fn under(phone: &Subject, name: &str) -> Subject {
    let mut phone = phone.clone();
    let old = std::mem::replace(&mut phone.setup.identity.device, name.to_owned());
    for flash in [&mut phone.before, &mut phone.flash] {
        let files: Vec<_> = flash
            .files()
            .map(|(n, b)| (n.to_owned(), Arc::clone(b)))
            .collect();
        for (file, bytes) in files {
            if let Ok(text) = std::str::from_utf8(&bytes) {
                flash.put(&file, text.replace(&old, name).into_bytes().into());
            }
        }
    }
    phone
}

#[test]
fn phones_of_few_kinds_are_rehearsed_once_a_kind() {
    const PHONES: usize = 600;
    let mut kind = Kind::new(Release::V11_5_1, ClusterMode::NonSecure);
    kind.settings.signer_key_bits = KeyBits::B1024;
    let devices: Vec<_> = (0..PHONES).map(device).collect();
    let mut lab = Lab::with_phones(&kind, &kind, &devices);
    lab.import(
        "dst-pub",
        CertificateKind::CallManager,
        &[PhoneSast, CallManagerTrust],
    );
    let first = lab.phone();
    // Every tenth is not in the database of the destination.
    for name in devices.iter().step_by(10) {
        lab.dst().remove_phone(name);
    }
    let mut phones: Vec<Asked> = devices.iter().map(|d| asked(&under(&first, d))).collect();
    // One has a configuration that is damaged on the server.
    let mut sides = lab.sides();
    for node in &mut sides.sides[1].nodes {
        for service in [&mut node.tftp, &mut node.http] {
            let known = service
                .replies
                .get_mut(&format!("{}.cnf.xml.sgn", device(7)));
            let Some(Known::Yes(FileReply::File(bytes))) = known else {
                panic!("no file");
            };
            let mut changed = bytes.to_vec();
            let end = changed.len() - 10;
            changed[end] ^= 1;
            *bytes = changed.into();
        }
    }
    phones.push(Asked {
        name: "SEP0000000000FF".into(),
        model: String::new(),
        subject: Err(Gap {
            what: "the ITL of SEP0000000000FF".into(),
            why: "no input has it".into(),
        }),
    });
    let start = Instant::now();
    let all = groups(&sides, &phones, &lab.to(&["dst-pub"]), &lab.rules);
    println!("{} groups in {:?}", all.len(), start.elapsed());
    let told: Vec<_> = all.iter().map(|g| (g.fate, g.phones.len())).collect();
    assert_eq!(
        told,
        [
            (Fate::Stranded, 60),
            (Fate::Stranded, 1),
            (Fate::Unknown, 1),
            (Fate::FollowsThroughTvs, 539),
        ],
        "{all:#?}"
    );
    let names: Vec<_> = all.iter().flat_map(|g| &g.phones).collect();
    assert_eq!(names.len(), PHONES + 1);
    // Words about many name none of them; words about one do.
    let fix = &all[0].fix.as_ref().unwrap().text;
    assert!(fix.contains("add the phones"), "{fix}");
    assert!(!fix.contains("SEP00"), "{fix}");
    assert_eq!(all[1].phones, [device(7)]);
    let reason = &all[1].fix.as_ref().unwrap().text;
    assert!(reason.contains(&device(7)), "{reason}");
    assert!(all[2].missing.as_ref().unwrap().contains("SEP0000000000FF"));
}

#[test]
fn a_fate_rests_on_the_weakest_rule_that_could_change_it() {
    // A subscriber is no SAST in the CTL of a release before 12.0: whether TVS is asked then, no
    // source says.
    let mixed = |release| Kind::new(release, ClusterMode::Mixed);
    let mut lab = Lab::new(&mixed(Release::V10_5_2), &mixed(Release::V11_5_1));
    for node in ["dst-pub", "dst-sub"] {
        lab.import(
            node,
            CertificateKind::CallManager,
            &[PhoneSast, CallManagerTrust],
        );
    }
    let phone = lab.phone();
    let group = lab.check(&phone, &["dst-sub"]);
    assert_eq!(group.fate, Fate::FollowsThroughTvs);
    let rests_on = group.rests_on.unwrap();
    assert_eq!(rests_on.basis, "assumed");
    assert_eq!(rests_on.rules, ["trust.wrong_role"]);
    // At the publisher nothing hangs on it.
    let group = lab.check(&phone, &["dst-pub"]);
    let rests_on = group.rests_on.unwrap();
    assert!(
        !rests_on.rules.contains(&"trust.wrong_role".to_owned()),
        "{rests_on:?}"
    );
    assert_ne!(rests_on.basis, "assumed", "{rests_on:?}");
}

#[test]
fn a_fate_that_hangs_on_what_was_concluded_is_assumed() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let kind = CertificateKind::CallManager;
    lab.import("dst-pub", kind, &[PhoneSast, CallManagerTrust]);
    let mut phone = lab.phone();
    let mut sides = lab.sides();
    let told = |group: Group| {
        assert_eq!(group.fate, Fate::FollowsThroughTvs);
        let rests_on = group.rests_on.unwrap();
        (rests_on.basis, rests_on.rules.join("; "))
    };
    let (read, _) = told(lab.check_of(&sides, &phone, &["dst-pub"]));
    assert_ne!(read, "assumed");
    phone.taken.lists = Some(At(0, 0));
    let (basis, rules) = told(lab.check_of(&sides, &phone, &["dst-pub"]));
    assert_eq!(basis, "assumed");
    assert_eq!(rules, "it holds the list that src-pub serves now");
    phone.taken.lists = None;
    for node in &mut sides.sides[1].nodes {
        node.tftp.concluded = true;
        node.http.concluded = true;
    }
    let (basis, rules) = told(lab.check_of(&sides, &phone, &["dst-pub"]));
    assert_eq!(basis, "assumed");
    assert_eq!(rules, "dst-pub hands out the files that lie in its folder");
}

/// Of many kinds of phones one takes over the fix of another, and what its proof rests on is its own.
#[test]
fn a_fix_of_another_kind_rests_on_what_it_does_for_this_one() {
    const KINDS: usize = 65;
    let mut dst = Kind::new(Release::V12_5, ClusterMode::NonSecure);
    dst.digest = Some(Digest::Sha512);
    let mut lab = Lab::new(&Kind::new(Release::V11_5_1, ClusterMode::NonSecure), &dst);
    let first = lab.phone();
    let of_model = |model: String, profile: &'static Profile| {
        let mut phone = first.clone();
        phone.setup.identity.model.clone_from(&model);
        phone.setup.profile = profile;
        phone.setup.settings = profile.settings();
        Asked {
            name: model,
            ..asked(&phone)
        }
    };
    let newer = Profile::named("8800").unwrap();
    let mut phones: Vec<Asked> = (0..KINDS)
        .map(|n| of_model(format!("CP-8861-{n}"), newer))
        .collect();
    let older = Profile::named("7900").unwrap();
    phones.push(of_model("CP-7975".into(), older));
    let all = groups(&lab.sides(), &phones, &lab.to(&["dst-pub"]), &lab.rules);
    let fix = |model: &str| {
        let mut of_phone = all.iter().filter(|g| g.phones.iter().any(|p| p == model));
        let group = of_phone.next().unwrap();
        assert_eq!(group.fate, Fate::Stranded, "{model}");
        group.fix.clone().unwrap()
    };
    let [newer, older] = ["CP-8861-0", "CP-7975"].map(fix);
    assert!(newer.proven && older.proven);
    assert_eq!(newer.actions, older.actions);
    let [newer, older] = [newer, older].map(|fix| fix.rests_on.unwrap());
    assert_eq!(newer.basis, "documented", "{newer:?}");
    assert_eq!(older.basis, "assumed", "{older:?}");
    assert_eq!(older.rules, ["trust.digest_sha512"]);
}

/// A CTL is signed anew by hand: what was tried without that says nothing of the advice, and an engineer
/// who carries it out sees the phone follow.
#[test]
fn the_digest_of_a_ctl_is_advised_and_helps() {
    let mut dst = Kind::new(Release::V12_5, ClusterMode::Mixed);
    dst.digest = Some(Digest::Sha512);
    let mut lab = Lab::new(&Kind::new(Release::V12_5, ClusterMode::NonSecure), &dst);
    let mut phone = lab.phone();
    let refuse = DigestSha512::Refuse as i64;
    let settings = &mut phone.setup.settings;
    settings.set(Key::DigestSha512, refuse, Basis::Assumed);
    let signer = CertificateKind::ItlRecovery;
    lab.import("dst-pub", signer, &[PhoneSast]);
    let group = lab.check(&phone, &["dst-pub"]);
    assert_eq!(group.fate, Fate::Stranded, "{group:#?}");
    assert_eq!(group.reasons.last().unwrap().code, "digest-unsupported");
    let fix = group.fix.unwrap();
    assert!(
        !fix.proven && fix.text.contains("utils ctl update CTLFile"),
        "{fix:#?}"
    );
    assert!(!fix.text.contains("not enough"), "{fix:#?}");
    let mut plan = lab.to(&["dst-pub"]);
    for action in &fix.actions {
        lab.carry_out(action, &mut plan, &mut phone);
    }
    assert!(!lab.moved(&phone, &["dst-pub"]).follows());
    lab.dst().update_ctl(DATE + 180).unwrap();
    let tftp = Service::Tftp;
    lab.dst()
        .restart_service(Target::Node("dst-pub"), tftp)
        .unwrap();
    assert!(lab.moved(&phone, &["dst-pub"]).follows());
}

#[test]
fn an_exchange_both_ways_lets_phones_return() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let kind = CertificateKind::CallManager;
    lab.import("dst-pub", kind, &[PhoneSast, CallManagerTrust]);
    let phone = lab.phone();
    let one_way = lab.check(&phone, &["dst-pub"]).back.unwrap();
    assert_eq!(one_way.fate, Fate::Stranded);
    assert!(one_way.why.unwrap().contains("does not know CN=src-pub"));
    let own = Arc::clone(&lab.src().certificate("src-pub", kind).unwrap().public);
    lab.dst().trust(PhoneSast, Arc::clone(&own));
    lab.dst().trust(CallManagerTrust, own);
    let both_ways = lab.check(&phone, &["dst-pub"]).back.unwrap();
    assert_eq!(both_ways.fate, Fate::FollowsThroughTvs);
    assert_eq!(both_ways.why, None);
    // What nobody read of the old cluster leaves the way back open.
    let mut sides = lab.sides();
    for node in &mut sides.sides[0].nodes {
        node.tftp.replies.clear();
        node.http.replies.clear();
    }
    let open = lab.check_of(&sides, &phone, &["dst-pub"]).back.unwrap();
    assert_eq!(open.fate, Fate::Unknown);
    assert!(open.why.is_some());
}

#[test]
fn the_status_screen_shows_what_a_boot_shows_once() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let phone = lab.phone();
    let group = lab.check(&phone, &["dst-pub"]);
    assert_eq!(
        group.status,
        [
            "Restart requested by Cisco Unified Communications Manager",
            "File Not Found <CTLFile.tlv>",
            "Trust List update failed",
            &format!("invalid file {DEVICE}.cnf.xml.sgn, authenticated fail. Reason:14"),
        ]
    );
    assert!(phone.flash.get(CONFIG).is_some());
}
