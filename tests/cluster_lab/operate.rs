//! What an engineer does, and what goes wrong.

use trustline::cluster::{
    CertificateKind, Cluster, ClusterError, ClusterMode, ClusterSettings, Damage, DamagedFile,
    FileAnswer, KeyPool, Release, Service, Target,
};
use trustline::wire::phone_config::SecurityMode;

use super::{DATE, bytes, cluster, cluster_with, itl, spec};

#[test]
fn services_stop_and_start() {
    let mut c = cluster(Release::V11_5_1, ClusterMode::NonSecure);
    assert!(c.is_up("src-sub", Service::Tvs));
    c.stop_service(Target::All, Service::Tvs).unwrap();
    assert!(!c.is_up("src-sub", Service::Tvs));
    assert!(c.is_up("src-sub", Service::Tftp));
    let own = c
        .certificate("src-sub", CertificateKind::CallManager)
        .unwrap()
        .public
        .der
        .clone();
    assert!(c.tvs_verify("src-sub", &own).is_none(), "nobody answers");
    c.start_service(Target::Node("src-sub"), Service::Tvs)
        .unwrap();
    assert!(c.is_up("src-sub", Service::Tvs) && !c.is_up("src-pub", Service::Tvs));
    assert!(c.tvs_verify("src-sub", &own).is_some());
    assert_eq!(
        c.stop_service(Target::Node("src-third"), Service::Tftp),
        Err(ClusterError::UnknownService {
            target: "src-third".into(),
            service: Service::Tftp
        })
    );
    let unknown = c.stop_service(Target::Node("x"), Service::Tvs).unwrap_err();
    assert_eq!(unknown.to_string(), "cluster `src` has no node `x`");
    assert!(!c.is_up("x", Service::Tvs));
}

#[test]
fn a_node_that_was_off_catches_up_when_it_is_on_again() {
    let mut keys = KeyPool::new(1);
    let spec = spec("src", Release::V12_5, ClusterMode::Mixed);
    let settings = ClusterSettings {
        tvs_restart_needed: true,
        ..ClusterSettings::default()
    };
    let mut c = Cluster::new(spec, settings, DATE, &mut keys, 1).unwrap();
    c.stop_service(Target::Node("src-sub"), Service::Tftp)
        .unwrap();
    c.switch_off(Target::Node("src-sub")).unwrap();
    assert!(Service::ALL.iter().all(|s| !c.is_up("src-sub", *s)));
    let old = bytes(&mut c, "src-sub", "ITLFile.tlv");
    c.regenerate("src-pub", CertificateKind::Tvs, DATE + 60, &mut keys)
        .unwrap();
    c.update_ctl(DATE + 61).unwrap();
    assert_eq!(bytes(&mut c, "src-sub", "ITLFile.tlv"), old);
    assert_ne!(
        bytes(&mut c, "src-pub", "CTLFile.tlv"),
        bytes(&mut c, "src-sub", "CTLFile.tlv")
    );
    c.switch_on(Target::All, DATE + 120).unwrap();
    assert_ne!(bytes(&mut c, "src-sub", "ITLFile.tlv"), old);
    assert_eq!(
        bytes(&mut c, "src-pub", "CTLFile.tlv"),
        bytes(&mut c, "src-sub", "CTLFile.tlv")
    );
    assert!(
        c.is_up("src-sub", Service::Tftp),
        "a boot starts all services"
    );
    let (tvs, _) = c.tvs_identity("src-pub").unwrap();
    assert!(c.tvs_verify("src-sub", tvs).is_some());
}

#[test]
fn a_regenerated_certificate_is_in_the_itl_at_once_and_in_the_ctl_later() {
    let mut keys = KeyPool::new(1);
    let spec = spec("src", Release::V11_5_1, ClusterMode::Mixed);
    let mut c = Cluster::new(spec, ClusterSettings::default(), DATE, &mut keys, 1).unwrap();
    let names = ["src-pub", "src-sub"];
    let before = names.map(|n| bytes(&mut c, n, "ITLFile.tlv"));
    let ctl = bytes(&mut c, "src-pub", "CTLFile.tlv");
    let old = c
        .certificate("src-sub", CertificateKind::CallManager)
        .unwrap()
        .clone();
    c.regenerate(
        "src-sub",
        CertificateKind::CallManager,
        DATE + 60,
        &mut keys,
    )
    .unwrap();
    let new = c
        .certificate("src-sub", CertificateKind::CallManager)
        .unwrap()
        .clone();
    assert_ne!(old.key.spki(), new.key.spki());
    assert_ne!(old.public.serial, new.public.serial);
    assert_eq!(new.public.not_before, DATE + 60);
    assert_eq!(
        bytes(&mut c, "src-pub", "ITLFile.tlv"),
        before[0],
        "not its certificate"
    );
    assert_ne!(bytes(&mut c, "src-sub", "ITLFile.tlv"), before[1]);
    assert_eq!(itl(&mut c, "src-sub").header.serial(), new.public.serial);
    assert_eq!(bytes(&mut c, "src-sub", "CTLFile.tlv"), ctl);
    c.update_ctl(DATE + 90).unwrap();
    assert_ne!(bytes(&mut c, "src-sub", "CTLFile.tlv"), ctl);
}

#[test]
fn tvs_restarts_by_itself_when_its_certificate_changed() {
    let mut keys = KeyPool::new(1);
    let spec = spec("src", Release::V11_5_1, ClusterMode::NonSecure);
    let settings = ClusterSettings {
        tvs_restart_needed: true,
        ..ClusterSettings::default()
    };
    let mut c = Cluster::new(spec, settings, DATE, &mut keys, 1).unwrap();
    let old = c.tvs_identity("src-sub").unwrap().0.to_vec();
    c.regenerate("src-sub", CertificateKind::Tvs, DATE + 60, &mut keys)
        .unwrap();
    let new = c.tvs_identity("src-sub").unwrap().0.to_vec();
    assert_ne!(old, new);
    assert!(c.tvs_verify("src-sub", &new).is_some());
    assert!(
        c.tvs_verify("src-pub", &new).is_none(),
        "another node's TVS did not restart"
    );
    for node in ["src-pub", "src-sub"] {
        let list = itl(&mut c, node);
        assert!(
            list.records
                .iter()
                .any(|r| r.certificate() == Some(&new[..]))
        );
        assert!(
            list.records
                .iter()
                .all(|r| r.certificate() != Some(&old[..]))
        );
    }
}

#[test]
fn a_node_has_only_the_certificates_of_its_release() {
    let mut keys = KeyPool::new(1);
    let mut c = Cluster::new(
        spec("src", Release::V14, ClusterMode::NonSecure),
        ClusterSettings::default(),
        DATE,
        &mut keys,
        1,
    )
    .unwrap();
    assert!(c.certificate("src-sub", CertificateKind::Capf).is_none());
    assert!(
        c.certificate("src-sub", CertificateKind::ItlRecovery)
            .is_some(),
        "distributed"
    );
    for kind in [
        CertificateKind::Capf,
        CertificateKind::ItlRecovery,
        CertificateKind::Lsc,
    ] {
        let refused = c.regenerate("src-sub", kind, DATE, &mut keys).unwrap_err();
        assert!(
            matches!(refused, ClusterError::NoCertificate { .. }),
            "{refused}"
        );
    }
    c.regenerate("src-pub", CertificateKind::ItlRecovery, DATE + 1, &mut keys)
        .unwrap();
    let serial = c
        .certificate("src-sub", CertificateKind::ItlRecovery)
        .unwrap()
        .public
        .serial
        .clone();
    assert_eq!(itl(&mut c, "src-sub").header.serial(), serial);

    let old = cluster(Release::V9_1, ClusterMode::NonSecure);
    assert!(!old.has_itl_recovery());
    assert!(
        old.certificate("src-pub", CertificateKind::ItlRecovery)
            .is_none()
    );
    assert!(old.certificate("src-sub", CertificateKind::Capf).is_some());
    let serial = &old
        .certificate("src-pub", CertificateKind::Tvs)
        .unwrap()
        .public
        .serial;
    assert_eq!(serial.len(), 8);
}

#[test]
fn damage_is_done_on_the_way_out() {
    let mut c = cluster(Release::V12_5, ClusterMode::Mixed);
    let good = bytes(&mut c, "src-sub", "ITLFile.tlv");
    let name = "ITLSEP001122334401.tlv";
    let mut with = |damage| {
        c.damage_file("src-sub", DamagedFile::Itl, damage).unwrap();
        bytes(&mut c, "src-sub", name)
    };
    let flipped = with(Damage::FlipBit { at: Some(7) });
    let differing: Vec<_> = (0..good.len()).filter(|&n| flipped[n] != good[n]).collect();
    assert_eq!((flipped.len(), differing), (good.len(), vec![7]));
    let last = with(Damage::FlipBit {
        at: Some(usize::MAX),
    });
    assert_eq!(last[..good.len() - 1], good[..good.len() - 1]);
    assert_ne!(last, good);
    assert_ne!(with(Damage::FlipBit { at: None }), good);
    assert_eq!(with(Damage::Truncate { at: Some(9) }), &good[..9]);
    assert_eq!(with(Damage::Truncate { at: None }).len(), good.len() / 2);
    assert_eq!(
        with(Damage::Truncate {
            at: Some(usize::MAX)
        }),
        good
    );
    assert!(with(Damage::Empty).is_empty());
    assert_ne!(bytes(&mut c, "src-pub", name), b"", "only this node");

    let config = format!("{}.cnf.xml.sgn", super::DEVICE);
    let good = bytes(&mut c, "src-sub", &config);
    c.damage_file("src-sub", DamagedFile::Config, Damage::FlipBit { at: None })
        .unwrap();
    assert_ne!(bytes(&mut c, "src-sub", &config), good);
    assert!(
        c.damage_file("src-third", DamagedFile::Itl, Damage::Empty)
            .is_err()
    );
    let mut plain = cluster(Release::V12_5, ClusterMode::NonSecure);
    assert_eq!(
        plain.damage_file("src-pub", DamagedFile::Ctl, Damage::Empty),
        Err(ClusterError::NoFile {
            node: "src-pub".into(),
            file: "ctl"
        })
    );
}

#[test]
fn a_node_can_go_on_serving_what_it_has() {
    let mut keys = KeyPool::new(1);
    let spec = spec("src", Release::V11_5_1, ClusterMode::Mixed);
    let mut c = Cluster::new(spec, ClusterSettings::default(), DATE, &mut keys, 1).unwrap();
    c.add_phone(super::DEVICE, Default::default()).unwrap();
    let before = c.published("src-sub");
    c.keep_old_files("src-sub").unwrap();
    c.regenerate(
        "src-sub",
        CertificateKind::CallManager,
        DATE + 60,
        &mut keys,
    )
    .unwrap();
    c.update_ctl(DATE + 61).unwrap();
    assert_eq!(c.published("src-sub"), before);
    assert_ne!(c.published("src-pub")[0], before[0], "the others go on");
    let other = "SEP001122334402";
    c.add_phone(other, Default::default()).unwrap();
    assert_ne!(
        c.file("src-sub", &format!("{other}.cnf.xml.sgn")),
        FileAnswer::NotFound
    );
    assert!(c.keep_old_files("src-third").is_err());
}

/// Takes these steps on the subscriber.
fn take(c: &mut Cluster, way: &str) {
    let sub = Target::Node("src-sub");
    let at = DATE + 120;
    for step in way.split(' ') {
        match step {
            "restart" => c.restart_service(sub, Service::Tftp),
            "restart-all" => c.restart_service(Target::All, Service::Tftp),
            "restart-tvs" => c.restart_service(sub, Service::Tvs),
            "restart-other" => c.restart_service(Target::Node("src-pub"), Service::Tftp),
            "stop" => c.stop_service(sub, Service::Tftp),
            "start" => c.start_service(sub, Service::Tftp),
            "off" => c.switch_off(sub),
            "on" => c.switch_on(sub, at),
            other => panic!("{other}"),
        }
        .unwrap_or_else(|error| panic!("{step}: {error}"));
    }
}

/// They start its TFTP.
const STARTS: [&str; 5] = [
    "restart",
    "restart-all",
    "stop start",
    "off on",
    "off stop start on",
];

/// They do not.
const STARTS_NOT: [&str; 7] = [
    "start",
    "on",
    "restart-tvs",
    "restart-other",
    "stop",
    "off",
    // Without power.
    "stop off start",
];

#[test]
fn what_starts_tftp_ends_old_files() {
    // A subscriber whose certificate is renewed while it may keep its files.
    let renewed = |keeps_old: bool| {
        let mut keys = KeyPool::new(1);
        let spec = spec("src", Release::V11_5_1, ClusterMode::Mixed);
        let mut c = Cluster::new(spec, ClusterSettings::default(), DATE, &mut keys, 1).unwrap();
        c.add_phone(super::DEVICE, SecurityMode::NonSecure).unwrap();
        let old = c.published("src-sub");
        if keeps_old {
            c.keep_old_files("src-sub").unwrap();
        }
        let kind = CertificateKind::CallManager;
        c.regenerate("src-sub", kind, DATE + 60, &mut keys).unwrap();
        c.update_ctl(DATE + 61).unwrap();
        (c, old)
    };
    let new = renewed(false).0.published("src-sub");
    for (ways, is_started) in [(&STARTS[..], true), (&STARTS_NOT[..], false)] {
        for way in ways {
            let (mut c, old) = renewed(true);
            assert_ne!(old, new);
            take(&mut c, way);
            let expected = if is_started { &new } else { &old };
            assert_eq!(c.published("src-sub"), *expected, "{way}");
        }
    }
}

#[test]
fn what_starts_tftp_mends_damage_as_the_rule_says() {
    for (tftp_start_mends, ways, is_mended) in [
        (true, &STARTS[..], true),
        (true, &STARTS_NOT[..], false),
        (false, &STARTS[..], false),
    ] {
        for way in ways {
            let settings = ClusterSettings {
                tftp_start_mends,
                ..ClusterSettings::default()
            };
            let mut c = cluster_with(Release::V11_5_1, ClusterMode::Mixed, settings);
            let sound = c.published("src-sub");
            let pub_sound = c.published("src-pub");
            for node in ["src-pub", "src-sub"] {
                for file in [DamagedFile::Ctl, DamagedFile::Itl, DamagedFile::Config] {
                    c.damage_file(node, file, Damage::Empty).unwrap();
                }
            }
            c.answer_http("src-sub", None, 503).unwrap();
            let damaged = c.published("src-sub");
            assert_ne!(damaged, sound);
            take(&mut c, way);
            let expected = if is_mended { sound } else { damaged };
            assert_eq!(c.published("src-sub"), expected, "{way}");
            if !way.contains("all") && !way.contains("other") {
                assert_ne!(c.published("src-pub"), pub_sound, "{way}: only this node");
            }
            let http = c.http("src-sub", "/ITLFile.tlv", false);
            assert_eq!(http.status(), 503, "{way}: HTTP stays as it is set");
        }
    }
}

/// The rule is about damage alone.
#[test]
fn old_files_end_whatever_a_start_mends() {
    let settings = ClusterSettings {
        tftp_start_mends: false,
        ..ClusterSettings::default()
    };
    let mut c = cluster_with(Release::V11_5_1, ClusterMode::Mixed, settings);
    c.keep_old_files("src-sub").unwrap();
    let old = c.published("src-sub");
    c.update_ctl(DATE + 61).unwrap();
    assert_eq!(c.published("src-sub"), old);
    take(&mut c, "restart");
    assert_ne!(c.published("src-sub"), old);
}

#[test]
fn a_phone_comes_back_into_the_database_as_it_was() {
    let mut c = cluster(Release::V11_5_1, ClusterMode::Mixed);
    let other = "SEP001122334402";
    c.add_phone(other, SecurityMode::Encrypted).unwrap();
    let der: std::sync::Arc<[u8]> = {
        let own = c.certificate("src-pub", CertificateKind::Capf).unwrap();
        own.public.der.as_slice().into()
    };
    c.set_encrypted_config(other, true);
    c.record_certificate(other, Some(der));
    let before = c.published("src-pub");
    let record = c.remove_phone(other).unwrap();
    assert!(!c.has_phone(other));
    assert_ne!(c.published("src-pub"), before);
    c.put_phone_back(other, record.clone()).unwrap();
    assert_eq!(c.published("src-pub"), before);
    // One that is there stays as it is.
    c.set_encrypted_config(other, false);
    let changed = c.published("src-pub");
    assert_ne!(changed, before);
    c.put_phone_back(other, record.clone()).unwrap();
    assert_eq!(c.published("src-pub"), changed);
    assert!(c.put_phone_back("SEP", record).is_err());
}

#[test]
fn phones_get_certificates_from_capf() {
    let mut keys = KeyPool::new(1);
    let c = Cluster::new(
        spec("src", Release::V14, ClusterMode::Mixed),
        ClusterSettings::default(),
        DATE,
        &mut keys,
        1,
    )
    .unwrap();
    let lsc = c
        .issue_lsc("CP-8861-SEP001122334401", DATE, &mut keys)
        .unwrap();
    let capf = c.certificate("src-pub", CertificateKind::Capf).unwrap();
    assert_eq!(lsc.public.issuer_text, capf.public.subject_text);
    assert!(
        lsc.public
            .subject_text
            .starts_with("CN=CP-8861-SEP001122334401;")
    );
    assert!(capf.public.subject_text.starts_with("CN=CAPF-"));
    assert!(c.issue_lsc("a;b", DATE, &mut keys).is_err());
}
