//! Each fix where it is the smallest, and where it must not be offered.

use std::sync::Arc;

use trustline::check::answer::{Action, Fate, Fix, Group};
use trustline::check::evidence::{At, Door, FileReply, Known, Sides};
use trustline::check::predict::Subject;
use trustline::cluster::TrustStore::{CallManager as CallManagerTrust, PhoneSast};
use trustline::cluster::{
    CertificateKind, ClusterMode, Damage, DamagedFile, Parameter, Release, Service, Target,
    TrustStore,
};
use trustline::phone::DeviceIdentity;
use trustline::wire::phone_config::SecurityMode;
use trustline::wire::{Strictness, TrustList};

use crate::lab::{DATE, DEVICE, Kind, Lab};

const BOTH: &[TrustStore] = &[PhoneSast, CallManagerTrust];

fn fix(group: &Group) -> &Fix {
    group.fix.as_ref().unwrap()
}

/// An action in short.
fn short(action: &Action) -> String {
    match action {
        Action::Import {
            certificate: c,
            from,
            into,
            store,
        } => format!("{} of {} ({from}) into {store} of {into}", c.kind, c.node),
        Action::Restart {
            service,
            cluster,
            nodes,
        } => format!("{service} of {cluster}: {}", nodes.join(", ")),
        Action::SetParameter {
            cluster,
            parameter,
            value,
        } => format!("{parameter} of {cluster}: {value}"),
        Action::AddPhones { cluster } => format!("add to {cluster}"),
        Action::SetOption150 { nodes } => format!("option 150: {}", nodes.join(", ")),
        Action::HomeFirst { cluster } => format!("home to {cluster}"),
        Action::EraseLists => "erase".into(),
    }
}

fn actions(group: &Group) -> Vec<String> {
    fix(group).actions.iter().map(short).collect()
}

const TVS_OF_SRC: &str = "TVS of src: src-pub, src-sub";

#[test]
fn a_missing_signer_is_imported() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let phone = lab.phone();
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(group.fate, Fate::Stranded);
    let import = "CallManager of dst-pub (dst) into Phone-SAST-trust of src";
    assert_eq!(actions(&group), [import, TVS_OF_SRC]);
    let text = &fix(&group).text;
    assert!(text.contains("CN=dst-pub;"), "{text}");
    assert!(text.contains("serial 5"), "{text}");
    assert!(
        text.contains("restart TVS on src-pub and src-sub"),
        "{text}"
    );
    assert!(!text.contains("24 h"), "{text}");
    // One way only.
    assert_eq!(group.back.unwrap().fate, Fate::Stranded);
}

#[test]
fn the_signer_of_the_node_that_serves_is_imported_and_no_other() {
    // Publisher-only imports are the classic trap.
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    let group = lab.mended(&phone, &["dst-sub", "dst-pub"]);
    let import = "CallManager of dst-sub (dst) into Phone-SAST-trust of src";
    assert_eq!(actions(&group), [import, TVS_OF_SRC]);
}

#[test]
fn from_12_0_itlrecovery_is_imported() {
    let mut lab = Lab::non_secure(Release::V11_5_1, Release::V12_5);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(group.fate, Fate::RegistersUntrusted);
    assert!(
        actions(&group)[0].starts_with("ITLRecovery of dst-pub (dst) into Phone-SAST-trust"),
        "{group:#?}"
    );
}

#[test]
fn two_signers_are_imported_where_two_are_asked_about() {
    let mixed = |release| Kind::new(release, ClusterMode::Mixed);
    let mut lab = Lab::new(&mixed(Release::V10_5_2), &mixed(Release::V11_5_1));
    let phone = lab.phone();
    let group = lab.mended(&phone, &["dst-sub"]);
    assert_eq!(
        actions(&group),
        [
            "CallManager of dst-pub (dst) into Phone-SAST-trust of src",
            "CallManager of dst-sub (dst) into Phone-SAST-trust of src",
            TVS_OF_SRC
        ]
    );
    // With the second alone phones take the ITL, follow the new cluster, and its TVS vouches for the
    // CTL in the next boot: that is one reset more of every phone.
    assert!(fix(&group).text.ends_with("reset the phones"), "{group:#?}");
}

#[test]
fn a_role_that_is_missing_needs_the_other_store() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    lab.import("dst-pub", CertificateKind::CallManager, &[CallManagerTrust]);
    let phone = lab.phone();
    // In the next boot it asks TVS of the new cluster, whose certificate it does not have. What is to
    // be mended is what went wrong first.
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(group.reasons.last().unwrap().code, "tvs-role-missing");
    let import = "CallManager of dst-pub (dst) into Phone-SAST-trust of src";
    assert_eq!(actions(&group), [import, TVS_OF_SRC]);
    assert!(fix(&group).text.contains("24 h"), "{}", fix(&group).text);
}

#[test]
fn a_store_that_tvs_has_not_loaded_needs_a_restart_alone() {
    let mut src = Kind::new(Release::V10_5_2, ClusterMode::NonSecure);
    src.settings.tvs_restart_needed = true;
    let dst = Kind::new(Release::V11_5_1, ClusterMode::NonSecure);
    let mut lab = Lab::new(&src, &dst);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    let sides = lab.sides();
    let without_stores = {
        let mut sides = sides.clone();
        for node in &mut sides.sides[0].nodes {
            node.stores.clear();
        }
        lab.check_of(&sides, &phone, &["dst-pub"])
    };
    // Where the stores were not read nobody knows that a restart is enough.
    let import = "CallManager of dst-pub (dst) into Phone-SAST-trust of src";
    assert_eq!(actions(&without_stores), [import, TVS_OF_SRC]);
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(actions(&group), [TVS_OF_SRC]);
    assert!(
        fix(&group).text.starts_with("restart TVS"),
        "{}",
        fix(&group).text
    );
}

#[test]
fn an_import_that_the_store_drops_is_not_offered() {
    // Of two certificates of one subject the one that starts later stays.
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let certificate = lab
        .dst()
        .certificate("dst-pub", CertificateKind::CallManager);
    let mut newer = (*certificate.unwrap().public).clone();
    newer.not_before += 86_400;
    newer.serial = vec![1, 2, 3];
    lab.src().trust(PhoneSast, Arc::new(newer));
    let phone = lab.phone();
    let group = lab.check(&phone, &["dst-pub"]);
    let import = "CallManager of dst-pub (dst) into Phone-SAST-trust of src";
    assert!(!actions(&group).iter().any(|a| a == import), "{group:#?}");
}

#[test]
fn a_stopped_tvs_is_started() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    lab.src().stop_service(Target::All, Service::Tvs).unwrap();
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(actions(&group), ["TVS of src: src-sub"]);
    assert!(
        fix(&group).text.starts_with("start TVS"),
        "{}",
        fix(&group).text
    );
}

#[test]
fn what_is_missing_beside_a_stopped_tvs_is_found_too() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let phone = lab.phone();
    lab.src().stop_service(Target::All, Service::Tvs).unwrap();
    let group = lab.mended(&phone, &["dst-pub"]);
    let import = "CallManager of dst-pub (dst) into Phone-SAST-trust of src";
    assert_eq!(actions(&group), [import, "TVS of src: src-sub"]);
}

#[test]
fn a_cluster_that_is_gone_leaves_a_visit_to_each_phone() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    lab.off = ["src-pub", "src-sub"].map(str::to_owned).into();
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(actions(&group), ["erase"]);
    let text = &fix(&group).text;
    assert!(text.contains("bring TVS back on"), "{text}");
    // There is nowhere to return to.
    let back = group.back.unwrap();
    assert!(!back.fate.follows(), "{back:?}");
}

#[test]
fn callmanager_is_started_where_nobody_takes_the_phone() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    let stopped = Service::CallManager;
    lab.dst().stop_service(Target::All, stopped).unwrap();
    // That of the old cluster is of no use.
    lab.src().stop_service(Target::All, stopped).unwrap();
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(actions(&group), ["CallManager of dst: dst-sub"]);
}

/// Whether its port opens then nobody could try.
#[test]
fn callmanager_is_restarted_where_its_port_alone_is_closed() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    let mut sides = lab.sides();
    for node in &mut sides.sides[1].nodes {
        let doors = [(5_060, Door::Refused), (5_061, Door::Open)];
        node.callmanager_ports = doors.map(|(port, door)| (port, Known::Yes(door))).into();
    }
    let group = lab.check_of(&sides, &phone, &["dst-pub"]);
    assert_eq!(group.fate, Fate::Stranded);
    assert_eq!(actions(&group), ["CallManager of dst: dst-sub"]);
    assert!(fix(&group).proven);
    let rests_on = fix(&group).rests_on.as_ref().unwrap();
    assert_eq!(rests_on.basis, "assumed");
    let says = |r: &String| r == "CallManager of dst-sub answers at TCP 5060 once it was restarted";
    assert!(rests_on.rules.iter().any(says), "{rests_on:?}");
}

/// Which role a store gives decides whether an import helps; that a phone holds what a node serves is
/// a guess with the fix as without it.
#[test]
fn a_proof_rests_on_what_the_actions_rest_on() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let phone = lab.phone();
    let sides = lab.sides();
    let rests_on = |phone: &Subject| {
        let group = lab.check_of(&sides, phone, &["dst-pub"]);
        assert!(fix(&group).proven);
        fix(&group).rests_on.clone().unwrap()
    };
    let (read, mut guessed) = (rests_on(&phone), phone.clone());
    assert_ne!(read.basis, "assumed", "{read:?}");
    guessed.taken.lists = Some(At(0, 0));
    let guessed = rests_on(&guessed);
    assert_eq!(guessed.basis, "assumed");
    assert!(
        guessed
            .rules
            .iter()
            .any(|r| r.contains("src-pub serves now"))
    );
}

#[test]
fn another_node_is_named_where_one_serves_a_damaged_list() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    lab.import("dst-sub", CertificateKind::CallManager, BOTH);
    let damage = Damage::FlipBit { at: None };
    lab.dst()
        .damage_file("dst-sub", DamagedFile::Itl, damage)
        .unwrap();
    let phone = lab.phone();
    let group = lab.mended(&phone, &["dst-sub"]);
    assert_eq!(actions(&group), ["TFTP of dst: dst-sub"]);
}

/// Who exports once and fetches lists later has a certificate that its node has no longer.
#[test]
fn an_old_export_is_not_what_a_node_publishes() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let kind = CertificateKind::CallManager;
    lab.import("dst-sub", kind, BOTH);
    let old = Arc::clone(&lab.dst().certificate("dst-sub", kind).unwrap().public);
    let phone = lab.phone();
    let mut keys = lab.keys();
    lab.dst()
        .regenerate("dst-sub", kind, DATE + 60, &mut keys)
        .unwrap();
    let mut sides = lab.sides();
    for (name, certificate) in &mut sides.sides[1].nodes[1].certificates {
        if name == kind.name() {
            *certificate = Arc::clone(&old);
        }
    }
    let group = lab.check_of(&sides, &phone, &["dst-sub"]);
    assert_eq!(group.fate, Fate::Stranded);
    let starts_tftp =
        |a: &Action| matches!(a, Action::Restart { service, .. } if service == "TFTP");
    assert!(!fix(&group).actions.iter().any(starts_tftp), "{group:#?}");
}

/// A node may lack the file of a phone that the database has.
#[test]
fn a_phone_that_is_in_the_database_is_not_added() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    lab.devices.push("SEP001122334402".into());
    lab.dst()
        .add_phone("SEP001122334402", SecurityMode::NonSecure)
        .unwrap();
    let phone = lab.phone();
    let mut sides = lab.sides();
    let node = &mut sides.sides[1].nodes[0];
    for service in [&mut node.tftp, &mut node.http] {
        for (name, reply) in &mut service.replies {
            if name.contains(".cnf.xml") && !name.contains("402") {
                *reply = Known::Yes(FileReply::NotFound);
            }
        }
    }
    let group = lab.check_of(&sides, &phone, &["dst-pub"]);
    let added = |a: &Action| matches!(a, Action::AddPhones { .. });
    assert!(!fix(&group).actions.iter().any(added), "{group:#?}");
    // The other node has the file, and its own signer.
    assert_eq!(
        actions(&group),
        [
            "CallManager of dst-sub (dst) into Phone-SAST-trust of src",
            TVS_OF_SRC,
            "option 150: dst-sub"
        ]
    );
}

/// What is one phone's own stands in no other phone's configuration.
#[test]
fn a_phone_with_a_security_profile_is_not_given_the_configuration_of_another() {
    let mixed = |release| Kind::new(release, ClusterMode::Mixed);
    let mut lab = Lab::new(&mixed(Release::V10_5_2), &mixed(Release::V11_5_1));
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    lab.dst().remove_phone(DEVICE);
    let other = "SEP001122334402";
    lab.dst()
        .add_phone(other, SecurityMode::Authenticated)
        .unwrap();
    lab.devices.push(other.into());
    let group = lab.check(&phone, &["dst-pub"]);
    assert_eq!(actions(&group), ["add to dst"]);
    assert!(!fix(&group).proven);
    assert!(
        !fix(&group).text.contains("not enough"),
        "{}",
        fix(&group).text
    );
}

#[test]
fn a_damaged_list_names_no_certificate() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let mut sides = lab.sides();
    let own = sides.nodes().flat_map(|(_, n)| &n.certificates);
    let own: Vec<_> = own.map(|(_, c)| c.der.clone()).collect();
    let count = |sides: &Sides| {
        trustline::check::fix::Certificates::read(sides)
            .all()
            .count()
    };
    for side in &mut sides.sides {
        for node in &mut side.nodes {
            node.certificates.clear();
            node.stores.clear();
            node.tvs.replies.clear();
        }
    }
    let listed = count(&sides);
    assert!(listed > 0);
    let node = &mut sides.sides[1].nodes[1];
    for service in [&mut node.tftp, &mut node.http] {
        for (name, reply) in &mut service.replies {
            let Known::Yes(FileReply::File(bytes)) = reply else {
                continue;
            };
            if name.starts_with("ITL") {
                // In the serial number of a certificate.
                let wanted = own.iter().find_map(|der| {
                    let at = bytes.windows(der.len()).rposition(|w| w == der)?;
                    Some(at + 16)
                });
                let mut changed = bytes.to_vec();
                changed[wanted.unwrap()] ^= 1;
                *bytes = changed.into();
            }
        }
    }
    let certificates = trustline::check::fix::Certificates::read(&sides);
    assert!(certificates.all().all(|c| own.contains(&c.der)));
    assert!(count(&sides) < listed);
}

#[test]
fn an_old_list_is_not_mended_by_its_old_signer() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let phone = lab.phone();
    lab.dst().keep_old_files("dst-pub").unwrap();
    let mut keys = lab.keys();
    let kind = CertificateKind::CallManager;
    lab.dst()
        .regenerate("dst-pub", kind, DATE + 60, &mut keys)
        .unwrap();
    let group = lab.mended(&phone, &["dst-pub"]);
    // Its signer of now: the node serves what that signs once its TFTP was restarted.
    assert_eq!(
        actions(&group),
        [
            "CallManager of dst-pub (dst) into Phone-SAST-trust of src",
            "TFTP of dst: dst-pub",
            TVS_OF_SRC
        ]
    );
}

#[test]
fn who_issued_an_lsc_is_uploaded() {
    let mixed = |release| Kind::new(release, ClusterMode::Mixed);
    let mut lab = Lab::new(&mixed(Release::V11_5_1), &mixed(Release::V12_5));
    lab.import("dst-pub", CertificateKind::ItlRecovery, BOTH);
    for cluster in &mut lab.clusters {
        cluster.add_phone(DEVICE, SecurityMode::Encrypted).unwrap();
    }
    let mut keys = lab.keys();
    let name = format!("CP-8861-{DEVICE}");
    let lsc = lab.src().issue_lsc(&name, DATE, &mut keys).unwrap();
    let mut new = crate::lab::subject(DEVICE);
    new.setup.identity.certificate = Some(DeviceIdentity {
        kind: "LSC",
        certificate: lsc.public.der.as_slice().into(),
        key: lsc.key.pkcs8().into(),
    });
    let phone = lab.at_home(new);
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(group.reasons.last().unwrap().code, "lsc-not-trusted");
    assert_eq!(
        actions(&group),
        [
            "CAPF of src-pub (src) into CallManager-trust of dst",
            "CAPF of src-pub (src) into CAPF-trust of dst",
            "CallManager of dst: dst-pub, dst-sub"
        ]
    );
}

/// A phone that took the new cluster's configuration with the old cluster's ITL.
fn half_moved(lab: &mut Lab) -> Subject {
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    let moved = lab.moved(&phone, &["dst-pub"]);
    assert!(!moved.follows());
    Subject {
        flash: moved.flash,
        ..phone
    }
}

#[test]
fn a_phone_between_two_clusters_goes_home_first() {
    let mut lab = Lab::non_secure(Release::V11_5_1, Release::V12_5);
    let phone = half_moved(&mut lab);
    lab.import("dst-pub", CertificateKind::ItlRecovery, BOTH);
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(actions(&group), ["home to src"]);
}

#[test]
fn before_it_goes_home_the_signer_is_imported() {
    let mut lab = Lab::non_secure(Release::V11_5_1, Release::V12_5);
    let phone = half_moved(&mut lab);
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(
        actions(&group),
        [
            "ITLRecovery of dst-pub (dst) into Phone-SAST-trust of src",
            TVS_OF_SRC,
            "home to src"
        ]
    );
}

#[test]
fn a_stale_itl_is_renewed_at_home() {
    // The new list is signed by ITLRecovery, which the phone's list has; TVS was made anew.
    let mut lab = Lab::non_secure(Release::V12_5, Release::V12_5);
    lab.import("dst-pub", CertificateKind::ItlRecovery, BOTH);
    let phone = lab.phone();
    let mut keys = lab.keys();
    for node in ["src-pub", "src-sub"] {
        let kind = CertificateKind::Tvs;
        lab.src()
            .regenerate(node, kind, DATE + 60, &mut keys)
            .unwrap();
    }
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(actions(&group), ["home to src"]);
}

/// A phone of a mixed cluster that took the empty ITL of a rollback, and keeps its CTL.
fn emptied(lab: &mut Lab) -> Subject {
    let before = lab.phone();
    let rollback = Parameter::PrepareClusterForRollback(true);
    lab.src().set_parameter(rollback, DATE + 60).unwrap();
    let flash = lab.moved(&before, &["src-pub"]).flash;
    Subject { flash, ..before }
}

/// TVS too is started anew, as guides have it, whether or not a signer is imported as well.
#[test]
fn the_parameter_is_set_back_for_an_empty_list_beside_a_ctl() {
    let mixed = |release| Kind::new(release, ClusterMode::Mixed);
    let signer = "CallManager of dst-pub (dst) into Phone-SAST-trust of src";
    let published = [
        "prepare-cluster-for-rollback of src: false",
        "TFTP of src: src-pub, src-sub",
        "TVS of src: src-pub, src-sub",
        "home to src",
    ];
    for is_imported in [false, true] {
        let mut lab = Lab::new(&mixed(Release::V10_5_2), &mixed(Release::V11_5_1));
        if is_imported {
            lab.import("dst-pub", CertificateKind::CallManager, BOTH);
        }
        let phone = emptied(&mut lab);
        let group = lab.mended(&phone, &["dst-pub"]);
        assert_eq!(group.reasons.last().unwrap().code, "no-tvs-in-list");
        let all: Vec<_> = (!is_imported).then_some(signer).into_iter().collect();
        assert_eq!(actions(&group), [&all[..], &published].concat());
        let text = &fix(&group).text;
        assert!(text.contains("Prepare Cluster for Rollback"), "{text}");
    }
}

#[test]
fn a_phone_that_nobody_knows_is_added() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    lab.dst().remove_phone(DEVICE);
    let group = lab.check(&phone, &["dst-pub"]);
    // No configuration of the new cluster was read: what it would serve then nobody knows.
    assert_eq!(actions(&group), ["add to dst"]);
    assert!(!fix(&group).proven);
    assert!(fix(&group).text.contains(DEVICE), "{}", fix(&group).text);
    assert!(group.back.is_none());
    lab.dst()
        .add_phone("SEP001122334402", SecurityMode::NonSecure)
        .unwrap();
    lab.devices.push("SEP001122334402".into());
    let group = lab.mended(&phone, &["dst-pub"]);
    assert_eq!(actions(&group), ["add to dst"]);
    let rests_on = fix(&group).rests_on.as_ref().unwrap();
    assert_eq!(rests_on.basis, "assumed");
}

#[test]
fn a_certificate_that_nobody_read_is_named_and_not_proven() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let phone = lab.phone();
    let mut sides = lab.sides();
    for node in &mut sides.sides[1].nodes {
        node.certificates.clear();
        for service in [&mut node.tftp, &mut node.http] {
            for (name, reply) in &mut service.replies {
                if name.ends_with(".tlv")
                    && let Known::Yes(FileReply::File(bytes)) = reply
                {
                    *reply = Known::Yes(FileReply::File(without_records(bytes)));
                }
            }
        }
        node.tvs.replies.clear();
    }
    let group = lab.check_of(&sides, &phone, &["dst-pub"]);
    assert_eq!(group.fate, Fate::Stranded, "{group:#?}");
    assert!(!fix(&group).proven, "{group:#?}");
    let Some(Action::Import { certificate, .. }) = fix(&group).actions.first() else {
        panic!("{group:#?}");
    };
    assert_eq!(certificate.node, "dst-pub");
    assert_eq!(
        Some(&certificate.serial),
        group.signer.as_ref().map(|s| &s.serial)
    );
}

fn without_records(list: &[u8]) -> Arc<[u8]> {
    let mut list = TrustList::parse(list, &Strictness::default())
        .unwrap()
        .to_owned();
    list.records.clear();
    list.emit().unwrap().into()
}

/// What is read of live clusters: no exported certificate, no store.
fn live(lab: &mut Lab) -> Sides {
    let mut sides = lab.sides();
    for node in sides.sides.iter_mut().flat_map(|s| &mut s.nodes) {
        node.certificates.clear();
        node.stores.clear();
        node.tvs.others = Known::not_looked_at();
    }
    sides
}

#[test]
fn certificates_of_lists_alone_are_enough() {
    for release in [Release::V11_5_1, Release::V12_5] {
        let mut lab = Lab::non_secure(Release::V10_5_2, release);
        let phone = lab.phone();
        let sides = live(&mut lab);
        let group = lab.check_of(&sides, &phone, &["dst-pub"]);
        let kind = if release == Release::V12_5 {
            "ITLRecovery"
        } else {
            "CallManager"
        };
        let import = format!("{kind} of dst-pub (dst) into Phone-SAST-trust of src");
        assert_eq!(actions(&group), [&import, TVS_OF_SRC]);
        assert!(fix(&group).proven);
    }
}

#[test]
fn what_a_stopped_tvs_would_say_nobody_knows() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    lab.import("dst-pub", CertificateKind::CallManager, BOTH);
    let phone = lab.phone();
    lab.src().stop_service(Target::All, Service::Tvs).unwrap();
    let sides = live(&mut lab);
    let group = lab.check_of(&sides, &phone, &["dst-pub"]);
    let import = "CallManager of dst-pub (dst) into Phone-SAST-trust of src";
    assert_eq!(actions(&group), [import, "TVS of src: src-sub"]);
    assert!(fix(&group).proven);
}

#[test]
fn a_visit_that_does_not_help_is_not_advised_alone() {
    // Up to 11.5 a subscriber of a mixed cluster is no SAST in the CTL, and a phone without lists
    // takes the CTL first.
    let mixed = |release| Kind::new(release, ClusterMode::Mixed);
    let mut lab = Lab::new(&mixed(Release::V10_5_2), &mixed(Release::V11_5_1));
    let phone = emptied(&mut lab);
    lab.src()
        .set_parameter(Parameter::PrepareClusterForRollback(false), DATE + 120)
        .unwrap();
    lab.off = ["src-pub", "src-sub", "dst-pub"].map(str::to_owned).into();
    let group = lab.check(&phone, &["dst-sub"]);
    assert_eq!(group.reasons.last().unwrap().code, "no-tvs-in-list");
    assert!(!fix(&group).proven, "{group:#?}");
    assert!(actions(&group).is_empty(), "{group:#?}");
    let text = &fix(&group).text;
    assert!(text.contains("is not enough, since then"), "{text}");
}

#[test]
fn what_was_not_read_is_no_reason_for_a_fix() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let phone = lab.phone();
    let mut sides = lab.sides();
    for node in &mut sides.sides[1].nodes {
        for service in [&mut node.tftp, &mut node.http] {
            service.replies.retain(|name, _| !name.contains("ITL"));
        }
    }
    let group = lab.check_of(&sides, &phone, &["dst-pub"]);
    assert_eq!(group.fate, Fate::Unknown);
    assert!(
        group.missing.as_ref().is_some_and(|m| m.contains("ITL")),
        "{group:#?}"
    );
    assert!(group.fix.is_none() && group.back.is_none() && group.rests_on.is_none());
}
