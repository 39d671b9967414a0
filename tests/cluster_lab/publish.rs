//! What each release publishes.

use trustline::cluster::{
    BlankItl, CertificateKind, Cluster, ClusterError, ClusterMode, ClusterSettings, FileAnswer,
    KeyBits, KeyPool, Lab, NodeSpec, Parameter, Release, ServerNames, Service,
};
use trustline::trust::rules::Settings;
use trustline::wire::element::{Body, Element};
use trustline::wire::phone_config::{PhoneConfig, SecurityMode};
use trustline::wire::{Digest, ListKind, Role, SignedFile, Strictness, TrustList};

use super::{DATE, DEVICE, bytes, cluster, cluster_with, holds, itl, list, spec, strict};

/// `role kind@node` of each record, in order, and the signer in front.
fn describe(cluster: &Cluster, list: &TrustList<Vec<u8>>) -> String {
    let kinds = [
        CertificateKind::CallManager,
        CertificateKind::ItlRecovery,
        CertificateKind::Tvs,
        CertificateKind::Capf,
        CertificateKind::Tomcat,
    ];
    let own = cluster.certificates_to_exchange(&kinds);
    let name = |serial: &[u8]| {
        own.iter()
            .find(|(_, c)| c.public.serial == serial)
            .map_or_else(
                || "token".to_owned(),
                |(node, c)| format!("{}@{}", c.kind, &node[4..]),
            )
    };
    let records = list.records.iter().map(|r| {
        let certificate = r.serial().map_or_else(|| "empty".to_owned(), name);
        format!("{} {certificate}", r.role())
    });
    let records: Vec<_> = records.collect();
    format!("[{}] {}", name(list.header.serial()), records.join(", "))
}

#[test]
fn itls_of_a_non_secure_cluster_by_release() {
    let table: Vec<_> = Release::ALL
        .iter()
        .map(|&release| {
            let mut c = cluster(release, ClusterMode::NonSecure);
            let sub = itl(&mut c, "src-sub");
            format!("{release}: {}", describe(&c, &sub))
        })
        .collect();
    let tvs = "TVS TVS@pub, TVS TVS@sub, TVS TVS@third";
    let old = format!("SAST CallManager@sub, TFTP CallManager@sub, CAPF CAPF@pub, {tvs}");
    let middle = format!(
        "SAST CallManager@sub, SAST ITLRecovery@sub, TFTP CallManager@sub, CAPF CAPF@pub, {tvs}"
    );
    let new = format!(
        "SAST ITLRecovery@pub, SAST CallManager@sub, TFTP CallManager@sub, CAPF CAPF@pub, {tvs}"
    );
    assert_eq!(
        table,
        [
            format!("8.6: [CallManager@sub] {old}"),
            format!("9.1: [CallManager@sub] {old}"),
            format!("10.5.2: [CallManager@sub] {middle}"),
            format!("11.0: [CallManager@sub] {middle}"),
            format!("11.5.1: [CallManager@sub] {middle}"),
            format!("12.5: [ITLRecovery@pub] {new}"),
            format!("14: [ITLRecovery@pub] {new}"),
            format!("15: [ITLRecovery@pub] {new}"),
        ]
    );
}

#[test]
fn ctls_of_a_mixed_cluster_by_release() {
    let table: Vec<_> = Release::ALL
        .iter()
        .map(|&release| {
            let mut c = cluster(release, ClusterMode::Mixed);
            let ctl = list(&bytes(&mut c, "src-pub", "CTLFile.tlv"));
            assert_eq!(
                bytes(&mut c, "src-pub", "CTLFile.tlv"),
                bytes(&mut c, "src-sub", "CTLFile.tlv"),
                "one CTL for the cluster"
            );
            assert!(itl(&mut c, "src-sub").has_certificate_with(|r| r == Role::CcmTftp));
            format!("{release}: {}", describe(&c, &ctl))
        })
        .collect();
    let nodes = "CCM+TFTP CallManager@pub, CAPF CAPF@pub, CCM+TFTP CallManager@sub, CCM+TFTP CallManager@third";
    let tokens = format!("[token] SAST token, SAST token, {nodes}");
    let old = format!("[CallManager@pub] SAST CallManager@pub, {nodes}, SAST ITLRecovery@pub");
    let new = format!("[ITLRecovery@pub] SAST ITLRecovery@pub, SAST CallManager@pub, {nodes}");
    assert_eq!(
        table,
        [
            format!("8.6: {tokens}"),
            format!("9.1: {tokens}"),
            format!("10.5.2: {old}"),
            format!("11.0: {old}"),
            format!("11.5.1: {old}"),
            format!("12.5: {new}"),
            format!("14: {new}"),
            format!("15: {new}"),
        ]
    );
}

#[test]
fn lists_hold_under_their_signer_and_are_written_back() {
    for release in Release::ALL {
        for mode in [ClusterMode::NonSecure, ClusterMode::Mixed] {
            let mut c = cluster(release, mode);
            for node in ["src-pub", "src-sub"] {
                let file = bytes(&mut c, node, "ITLFile.tlv");
                assert_eq!(file, bytes(&mut c, node, "ITLSEP001122334401.tlv"));
                let kind = c.profile().itl_signer.value.certificate_kind();
                let signer = c.certificate(node, kind).unwrap();
                assert!(
                    holds(&file, Some(ListKind::Itl), signer),
                    "{release} {node}"
                );
                assert_eq!(list(&file).emit().unwrap(), file);
                let other = c
                    .certificate("src-third", CertificateKind::CallManager)
                    .unwrap();
                assert!(!holds(&file, Some(ListKind::Itl), other));
            }
            let ctl = c.file("src-sub", "CTLSEP001122334401.tlv");
            match (mode, ctl) {
                (ClusterMode::NonSecure, answer) => assert_eq!(answer, FileAnswer::NotFound),
                (ClusterMode::Mixed, FileAnswer::NotFound) => panic!("{release}: no CTL"),
                (ClusterMode::Mixed, FileAnswer::Found(file)) => {
                    assert_eq!(list(&file).emit().unwrap(), *file);
                    let kind = c.profile().ctl_signer.value.certificate_kind();
                    if let Some(signer) = c.certificate("src-pub", kind) {
                        assert!(holds(&file, Some(ListKind::Ctl), signer), "{release}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_token_signs_the_ctl_of_old_releases() {
    let mut c = cluster(Release::V9_1, ClusterMode::Mixed);
    let file = bytes(&mut c, "src-pub", "CTLFile.tlv");
    let ctl = list(&file);
    let token = &ctl.records[0];
    assert_eq!(token.serial(), Some(ctl.header.serial()));
    assert_eq!(ctl.header.serial().len(), 10);
    assert_eq!(ctl.header.modulus_code(), Some(1));
    assert_eq!(token.dns_name(), Some(&b""[..]));
    assert!(
        token.elements.iter().all(|e| e.tag != 8),
        "a token has no SIGNATURE"
    );
    assert_eq!(token.public_key().unwrap().len(), 140);
}

#[test]
fn the_layout_is_that_of_cucm() {
    fn tags(elements: &[Element<Vec<u8>>], out: &mut Vec<u8>) {
        for e in elements {
            out.push(e.tag);
            if let Body::Elements(inner) = &e.body {
                tags(inner, out);
            }
        }
    }
    let theirs = include_bytes!("../../testdata/cluster/cucm-layout.tlv");
    let theirs = TrustList::parse(theirs, &Strictness::default())
        .unwrap()
        .to_owned();
    let mut c = cluster(Release::V10_5_2, ClusterMode::NonSecure);
    let ours = itl(&mut c, "src-pub");
    let (mut a, mut b) = (Vec::new(), Vec::new());
    tags(&theirs.header.elements, &mut a);
    tags(&ours.header.elements, &mut b);
    // Whether there is padding depends on the length of the names.
    a.retain(|&t| t != 13);
    b.retain(|&t| t != 13);
    assert_eq!(a, b);
    assert_eq!(b, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15]);
    for record in &ours.records {
        let mut got = Vec::new();
        tags(&record.elements, &mut got);
        let mut wanted = Vec::new();
        tags(&theirs.records[0].elements, &mut wanted);
        assert_eq!(got, wanted);
        assert_eq!(got, [2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }
    assert_eq!(ours.header.version(), (1, 2));
    assert_eq!(ours.header.digest(), Digest::Sha1);
    assert_eq!(ours.header.length() % 4, 0);
    assert_eq!(ours.header.timestamp(), Some(DATE as u32));
    let name = ours.header.signer_name().unwrap();
    assert_eq!(
        name,
        b"CN=src-pub;OU=src;O=trustline lab;L=Loopback;ST=Lab;C=ZZ"
    );
    let record = &ours.records[0];
    assert_eq!(record.dns_name(), Some(&b"src-pub"[..]));
    assert_eq!(record.ip_address(), Some([127, 0, 1, 1]));
    assert_eq!(record.public_key().unwrap().len(), 270);
}

#[test]
fn same_seed_same_bytes_and_another_seed_others() {
    let build = |seed: u64| {
        let mut keys = KeyPool::new(seed);
        let spec = spec("src", Release::V12_5, ClusterMode::Mixed);
        let settings = ClusterSettings::default();
        let mut c = Cluster::new(spec, settings, DATE, &mut keys, seed).unwrap();
        c.add_phone(DEVICE, SecurityMode::Encrypted).unwrap();
        c.regenerate(
            "src-sub",
            CertificateKind::CallManager,
            DATE + 60,
            &mut keys,
        )
        .unwrap();
        c.update_ctl(DATE + 90).unwrap();
        [c.published("src-pub"), c.published("src-sub")]
    };
    let first = build(1);
    assert_eq!(first, build(1));
    assert_eq!(first[0].len(), 5);
    let second = build(2);
    for (a, b) in first.iter().flatten().zip(second.iter().flatten()) {
        let is_plain = a.0.ends_with(".xml") && !a.0.starts_with("SEP");
        assert_eq!(a.1 == b.1, is_plain, "{}", a.0);
    }
}

#[test]
fn configurations_are_signed_by_the_callmanager_of_the_node() {
    for release in [Release::V9_1, Release::V11_5_1, Release::V15] {
        let mut c = cluster(release, ClusterMode::NonSecure);
        let name = format!("{DEVICE}.cnf.xml.sgn");
        for node in ["src-pub", "src-sub"] {
            let file = bytes(&mut c, node, &name);
            let signer = c.certificate(node, CertificateKind::CallManager).unwrap();
            assert!(holds(&file, None, signer), "{release} {node}");
            let signed = SignedFile::parse(&file, &strict()).unwrap();
            assert_eq!(signed.header.version(), (1, 0));
            assert_eq!(signed.header.file_name(), Some(name.as_bytes()));
            assert_eq!(signed.to_owned().emit().unwrap(), file);
            let plain = c.file(node, &format!("{DEVICE}.cnf.xml"));
            assert_eq!(plain.bytes(), Some(signed.body));
            assert_eq!(bytes(&mut c, node, &name), file, "signed once");
        }
    }
}

#[test]
fn the_configuration_names_group_and_tvs_in_order() {
    let mut c = cluster(Release::V11_5_1, ClusterMode::Mixed);
    c.add_phone(DEVICE, SecurityMode::Encrypted).unwrap();
    let read = |c: &mut Cluster| {
        PhoneConfig::parse(&bytes(c, "src-pub", "SEP001122334401.cnf.xml")).unwrap()
    };
    let config = read(&mut c);
    let group: Vec<_> = config.callmanager_group.iter().map(|m| &*m.host).collect();
    assert_eq!(group, ["src-sub", "src-pub"]);
    let tvs: Vec<_> = config.tvs.iter().map(|t| (&*t.host, t.port)).collect();
    assert_eq!(tvs, [("src-sub", 2_445), ("src-pub", 2_445)]);
    assert_eq!(config.device_security_mode, SecurityMode::Encrypted);
    assert_eq!(config.capf[0].host, "src-pub");

    let mut plain = cluster(Release::V11_5_1, ClusterMode::NonSecure);
    plain.add_phone(DEVICE, SecurityMode::Encrypted).unwrap();
    let config = read(&mut plain);
    assert_eq!(config.device_security_mode, SecurityMode::NonSecure);
}

/// The TVS section mirrors the group, whatever its members run (Cisco 215539 and 118893, notes).
#[test]
fn a_member_of_the_group_without_tvs_is_named_as_tvs() {
    let mut spec = spec("src", Release::V11_5_1, ClusterMode::NonSecure);
    for node in &mut spec.nodes {
        if node.name == "src-sub" {
            node.services.remove(&Service::Tvs);
        }
    }
    let mut keys = KeyPool::new(1);
    let mut c = Cluster::new(spec, ClusterSettings::default(), DATE, &mut keys, 1).unwrap();
    c.add_phone(DEVICE, SecurityMode::NonSecure).unwrap();
    let config = bytes(&mut c, "src-pub", "SEP001122334401.cnf.xml");
    let config = PhoneConfig::parse(&config).unwrap();
    let tvs: Vec<_> = config.tvs.iter().map(|t| &*t.host).collect();
    assert_eq!(tvs, ["src-sub", "src-pub"]);
}

#[test]
fn configurations_follow_a_tvs_that_moved_and_name_addresses_where_nodes_have_no_names() {
    let settings = ClusterSettings {
        server_names: ServerNames::Address,
        ..ClusterSettings::default()
    };
    let mut c = cluster_with(Release::V11_5_1, ClusterMode::NonSecure, settings);
    let before = bytes(&mut c, "src-pub", "ITLFile.tlv");
    let published = c.publications().len();
    c.move_tvs("src-pub", 40_001, DATE).unwrap();
    let config = bytes(&mut c, "src-sub", "SEP001122334401.cnf.xml");
    let config = PhoneConfig::parse(&config).unwrap();
    let group: Vec<_> = config.callmanager_group.iter().map(|m| &*m.host).collect();
    assert_eq!(group, ["127.0.1.2", "127.0.1.1"]);
    let tvs: Vec<_> = config.tvs.iter().map(|t| (&*t.host, t.port)).collect();
    assert_eq!(tvs, [("127.0.1.2", 2_445), ("127.0.1.1", 40_001)]);
    assert_eq!(config.capf[0].host, "127.0.1.1");
    // Lists name no port.
    assert_eq!(bytes(&mut c, "src-pub", "ITLFile.tlv"), before);
    assert_eq!(c.publications().len(), published);
    assert!(c.move_tvs("nobody", 1, DATE).is_err());
}

#[test]
fn a_lab_remembers_as_many_names_as_it_is_told() {
    let c = cluster(Release::V11_5_1, ClusterMode::NonSecure);
    let mut lab = Lab::new(vec![c], &Settings::default());
    lab.remember_at_most(2);
    let node = lab.host("src-pub").unwrap();
    for name in [
        "ITLFile.tlv",
        "ITLSEP001122334401.tlv",
        "ITLSEP001122334402.tlv",
        "ITLFile.tlv",
    ] {
        assert!(lab.open(node, name).is_ok(), "{name}");
    }
    let names: Vec<_> = lab.served().map(|(_, name, _)| name).collect();
    assert_eq!(names, ["ITLFile.tlv", "ITLSEP001122334401.tlv"]);
}

#[test]
fn phones_without_an_entry_and_nodes_without_tftp_have_no_files() {
    let mut c = cluster(Release::V11_5_1, ClusterMode::Mixed);
    for name in [
        "SEP001122334402.cnf.xml",
        "SEP001122334402.cnf.xml.sgn",
        "sep001122334401.cnf.xml",
        "SEP001122334401.cnf.xml.enc.sgn",
        "../ITLFile.tlv",
        "",
    ] {
        assert_eq!(c.file("src-pub", name), FileAnswer::NotFound, "{name}");
    }
    assert!(
        c.file("src-pub", "ITLSEP001122334402.tlv")
            .bytes()
            .is_some()
    );
    assert_eq!(c.file("src-third", "ITLFile.tlv"), FileAnswer::NotFound);
    assert_eq!(c.file("nobody", "ITLFile.tlv"), FileAnswer::NotFound);
    assert!(c.published("src-third").is_empty());
    assert!(c.remove_phone(DEVICE).is_some() && c.remove_phone(DEVICE).is_none());
    assert_eq!(
        c.file("src-pub", "SEP001122334401.cnf.xml"),
        FileAnswer::NotFound
    );
    assert!(
        c.add_phone("SEP00112233440g", SecurityMode::NonSecure)
            .is_err()
    );

    let settings = ClusterSettings {
        lists_for_unknown_phones: false,
        ..ClusterSettings::default()
    };
    let mut c = cluster_with(Release::V11_5_1, ClusterMode::Mixed, settings);
    assert_eq!(
        c.file("src-pub", "ITLSEP001122334402.tlv"),
        FileAnswer::NotFound
    );
    assert_eq!(
        c.file("src-pub", "CTLSEP001122334402.tlv"),
        FileAnswer::NotFound
    );
    assert!(
        c.file("src-pub", "CTLSEP001122334401.tlv")
            .bytes()
            .is_some()
    );
    assert!(c.file("src-pub", "ITLFile.tlv").bytes().is_some());
}

#[test]
fn the_rollback_parameter_blanks_the_itl_in_both_shapes_and_never_the_ctl() {
    for (shape, expected) in [
        (
            BlankItl::NoRecords,
            "[CallManager@pub] SAST CallManager@pub, SAST ITLRecovery@pub, CAPF CAPF@pub",
        ),
        (
            BlankItl::EmptyRecords,
            "[CallManager@pub] SAST CallManager@pub, SAST ITLRecovery@pub, CCM+TFTP empty, CAPF CAPF@pub, \
             TVS empty, TVS empty, TVS empty",
        ),
    ] {
        let settings = ClusterSettings {
            blank_itl: shape,
            ..ClusterSettings::default()
        };
        let mut c = cluster_with(Release::V11_5_1, ClusterMode::Mixed, settings);
        let (before, ctl) = (
            itl(&mut c, "src-pub"),
            bytes(&mut c, "src-pub", "CTLFile.tlv"),
        );
        assert!(!before.is_empty_for_rollback());
        c.set_parameter(Parameter::PrepareClusterForRollback(true), DATE + 600)
            .unwrap();
        let blank = itl(&mut c, "src-pub");
        assert!(blank.is_empty_for_rollback());
        assert_eq!(describe(&c, &blank), expected);
        assert_eq!(bytes(&mut c, "src-pub", "CTLFile.tlv"), ctl);
        let signer = c
            .certificate("src-pub", CertificateKind::CallManager)
            .unwrap()
            .clone();
        assert!(holds(
            &bytes(&mut c, "src-pub", "ITLFile.tlv"),
            Some(ListKind::Itl),
            &signer
        ));
        if shape == BlankItl::EmptyRecords {
            // RECORDLENGTH 5, DNSNAME 3 + 8, FUNCTION 5, IPADDRESS 7.
            assert_eq!(blank.records[2].size(), 28);
        }
        c.set_parameter(Parameter::PrepareClusterForRollback(false), DATE + 900)
            .unwrap();
        assert_eq!(itl(&mut c, "src-pub").records, before.records);
    }
}

#[test]
fn the_signature_algorithm_and_key_sizes_are_choices() {
    for (applies, list_digest) in [(true, Digest::Sha512), (false, Digest::Sha1)] {
        for bits in [KeyBits::B1024, KeyBits::B2048, KeyBits::B4096] {
            let settings = ClusterSettings {
                digest_applies_to_lists: applies,
                signer_key_bits: bits,
                signer_version: Some((1, 1)),
                ..ClusterSettings::default()
            };
            let mut c = cluster_with(Release::V12_5, ClusterMode::NonSecure, settings);
            let sha512 = Parameter::from_words("tftp-file-signature-algorithm", "sha512").unwrap();
            c.set_parameter(sha512, DATE + 1).unwrap();
            let file = bytes(&mut c, "src-sub", "ITLFile.tlv");
            let header = list(&file).header;
            assert_eq!(header.digest(), list_digest);
            assert_eq!(header.signer_version(), Some((1, 1)));
            assert_eq!(header.signature().len(), bits.bits() / 8);
            let signer = c
                .certificate("src-sub", CertificateKind::ItlRecovery)
                .unwrap();
            assert!(holds(&file, Some(ListKind::Itl), signer));
            let config = bytes(&mut c, "src-sub", "SEP001122334401.cnf.xml.sgn");
            let config_digest = SignedFile::parse(&config, &strict())
                .unwrap()
                .header
                .digest();
            assert_eq!(config_digest, Digest::Sha512);
        }
    }
    assert!(Parameter::from_words("tftp-file-signature-algorithm", "md5").is_err());
    assert!(Parameter::from_words("prepare-cluster-for-rollback", "maybe").is_err());
    assert!(Parameter::from_words("x", "true").is_err());

    let mut c = cluster(Release::V12_5, ClusterMode::NonSecure);
    let odd = Parameter::TftpFileSignatureAlgorithm(Digest::Other(9));
    let refused = c.set_parameter(odd, DATE).unwrap_err();
    assert!(matches!(refused, ClusterError::ParameterValue { .. }));
    assert_eq!(c.parameters().tftp_file_signature_algorithm, None);
}

#[test]
fn a_service_that_a_release_has_on_the_publisher_only_is_not_offered_elsewhere() {
    for (release, servers) in [(Release::V12_5, 2), (Release::V14, 1)] {
        let mut spec = spec("src", release, ClusterMode::NonSecure);
        spec.nodes[1].services.insert(Service::Capf);
        let mut keys = KeyPool::new(1);
        let mut c = Cluster::new(spec, ClusterSettings::default(), DATE, &mut keys, 1).unwrap();
        c.add_phone(DEVICE, SecurityMode::NonSecure).unwrap();
        let config = bytes(&mut c, "src-pub", "SEP001122334401.cnf.xml");
        assert_eq!(PhoneConfig::parse(&config).unwrap().capf.len(), servers);
        let list = itl(&mut c, "src-pub");
        let records = list.records.iter().filter(|r| r.role() == Role::Capf);
        assert_eq!(records.count(), servers);
    }
}

#[test]
fn publishing_again_without_a_change_gives_the_same_files() {
    let mut c = cluster(Release::V12_5, ClusterMode::Mixed);
    let before = c.published("src-pub");
    let count = c.publications().len();
    c.publish(DATE + 5_000).unwrap();
    assert_eq!(c.published("src-pub"), before);
    assert_eq!(c.publications().len(), count);
    let file = bytes(&mut c, "src-sub", "ITLFile.tlv");
    let owner = c.owner_of(&file).unwrap();
    assert_eq!(
        (owner.kind, owner.node.as_str(), owner.at),
        (ListKind::Itl, "src-sub", DATE)
    );
    let ctl = bytes(&mut c, "src-sub", "CTLFile.tlv");
    let owner = c.owner_of(&ctl).unwrap();
    assert_eq!(
        (owner.kind, owner.node.as_str()),
        (ListKind::Ctl, "src-pub")
    );
    assert!(c.owner_of(b"").is_none());
}

#[test]
fn a_spec_that_cannot_be_is_refused() {
    let of = |change: &dyn Fn(&mut trustline::cluster::ClusterSpec)| {
        let mut spec = spec("src", Release::V12_5, ClusterMode::NonSecure);
        change(&mut spec);
        let made = Cluster::new(
            spec,
            ClusterSettings::default(),
            DATE,
            &mut KeyPool::new(1),
            1,
        );
        made.map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        of(&|s| s.nodes[0].publisher = false),
        "cluster `src` has 0 publishers, expected 1"
    );
    assert_eq!(
        of(&|s| s.nodes[1].publisher = true),
        "cluster `src` has 2 publishers, expected 1"
    );
    assert_eq!(
        of(&|s| s.nodes.clear()),
        "cluster `src` has 0 publishers, expected 1"
    );
    assert_eq!(
        of(&|s| s.nodes[1].name = "src-pub".into()),
        "cluster `src` has two nodes `src-pub`"
    );
    assert!(of(&|s| s.nodes[1].name = "a;b".into()).contains("is no host name"));
    assert!(of(&|s| s.id = "x".repeat(64)).contains("is no host name"));
    assert_eq!(
        of(&|s| s.callmanager_group.push("nobody".into())),
        "cluster `src` has no node `nobody`"
    );
}

#[test]
fn a_cluster_without_services_publishes_nothing_and_far_dates_do_no_harm() {
    let mut spec = spec("src", Release::V15, ClusterMode::Mixed);
    for NodeSpec { services, .. } in &mut spec.nodes {
        services.clear();
    }
    let mut keys = KeyPool::new(1);
    let settings = ClusterSettings::default();
    let mut c = Cluster::new(spec, settings, u64::MAX, &mut keys, 1).unwrap();
    assert!(c.published("src-pub").is_empty());
    assert!(!c.is_up("src-pub", Service::Tftp));
    let spec = super::spec("dst", Release::V15, ClusterMode::Mixed);
    let mut c = Cluster::new(spec, settings, u64::MAX, &mut keys, 1).unwrap();
    assert_eq!(itl(&mut c, "dst-pub").header.timestamp(), Some(u32::MAX));
    assert_eq!(
        cluster(Release::V15, ClusterMode::NonSecure).update_ctl(DATE),
        Err(ClusterError::NotMixed {
            cluster: "src".into()
        })
    );
}
