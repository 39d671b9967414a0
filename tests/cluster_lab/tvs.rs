//! What TVS knows and which roles it gives.

use std::sync::Arc;

use trustline::cluster::{
    CertificateKind, Cluster, ClusterMode, ClusterSettings, KeyPool, LabCertificate, Release,
    RolesOfStore, Service, Target, TrustStore, Trusted, TvsAnswer, TvsCache,
};
use trustline::wire::Role;

use super::{DATE, bytes, cluster, cluster_with, list, spec};

fn foreign(kind: CertificateKind) -> LabCertificate {
    let mut keys = KeyPool::new(9);
    let spec = spec("dst", Release::V12_5, ClusterMode::Mixed);
    let c =
        Cluster::new(spec, ClusterSettings::default(), DATE, &mut keys, 9).expect("a sound spec");
    c.certificate("dst-pub", kind)
        .expect("the publisher has all")
        .clone()
}

fn ask(c: &Cluster, node: &str, certificate: &LabCertificate) -> Option<TvsAnswer> {
    let public = &certificate.public;
    let answer = c.tvs_query(node, b"any", public.issuer_text.as_bytes(), &public.serial);
    assert_eq!(answer, c.tvs_verify(node, &public.der), "both ways agree");
    if let Some(answer) = &answer {
        assert_eq!(answer.certificate, public.der);
    }
    answer
}

fn roles(c: &Cluster, node: &str, certificate: &LabCertificate) -> Vec<Role> {
    ask(c, node, certificate).map_or_else(Vec::new, |a| a.roles)
}

#[test]
fn own_certificates_have_their_roles() {
    for (mode, file_role) in [
        (ClusterMode::NonSecure, Role::Tftp),
        (ClusterMode::Mixed, Role::CcmTftp),
    ] {
        let c = cluster(Release::V12_5, mode);
        let of = |kind| roles(&c, "src-third", c.certificate("src-sub", kind).unwrap());
        assert_eq!(of(CertificateKind::CallManager), [Role::Sast, file_role]);
        assert_eq!(of(CertificateKind::ItlRecovery), [Role::Sast]);
        assert_eq!(of(CertificateKind::Capf), [Role::Capf]);
        assert_eq!(of(CertificateKind::Tvs), [Role::Tvs]);
        assert_eq!(of(CertificateKind::Tomcat), [Role::AppServer]);
        assert!(ask(&c, "src-pub", &foreign(CertificateKind::CallManager)).is_none());
    }
}

#[test]
fn the_store_decides_the_roles_of_a_foreign_certificate() {
    use TrustStore::{CallManager, PhoneSast, Tomcat};
    let certificate = foreign(CertificateKind::CallManager);
    let table = [
        (RolesOfStore::ByStore, vec![PhoneSast], vec![Role::Sast]),
        (RolesOfStore::ByStore, vec![CallManager], vec![Role::Tftp]),
        (
            RolesOfStore::ByStore,
            vec![CallManager, PhoneSast],
            vec![Role::Sast, Role::Tftp],
        ),
        (RolesOfStore::ByStore, vec![Tomcat], vec![Role::AppServer]),
        (
            RolesOfStore::CallManagerTrustGivesBoth,
            vec![PhoneSast],
            vec![Role::Sast],
        ),
        (
            RolesOfStore::CallManagerTrustGivesBoth,
            vec![CallManager],
            vec![Role::Sast, Role::Tftp],
        ),
        (
            RolesOfStore::CallManagerTrustGivesBoth,
            vec![PhoneSast, CallManager],
            vec![Role::Sast, Role::Tftp],
        ),
    ];
    for (roles_of_store, stores, expected) in table {
        let settings = ClusterSettings {
            roles_of_store,
            ..ClusterSettings::default()
        };
        let mut c = cluster_with(Release::V10_5_2, ClusterMode::Mixed, settings);
        for store in &stores {
            let answer = c.trust(*store, Arc::clone(&certificate.public));
            assert_eq!(answer, Trusted::Added);
        }
        for node in ["src-pub", "src-sub", "src-third"] {
            assert_eq!(roles(&c, node, &certificate), expected, "{stores:?}");
        }
        let answer = ask(&c, "src-pub", &certificate).unwrap();
        assert_eq!(
            (answer.ttl_secs, answer.found_in),
            (86_400, TvsCache::Database)
        );
    }
}

#[test]
fn capf_trust_stays_on_the_publisher() {
    let mut c = cluster(Release::V11_5_1, ClusterMode::NonSecure);
    let capf = foreign(CertificateKind::Capf);
    c.trust(TrustStore::Capf, Arc::clone(&capf.public));
    assert_eq!(roles(&c, "src-pub", &capf), [Role::Capf]);
    assert!(ask(&c, "src-sub", &capf).is_none());
    assert_eq!(c.store("src-pub", TrustStore::Capf).unwrap().len(), 1);
    assert!(c.store("src-sub", TrustStore::Capf).unwrap().is_empty());
    assert!(c.store("nobody", TrustStore::Capf).is_err());
}

#[test]
fn issuer_as_text_and_serial_as_a_number() {
    let c = cluster(Release::V11_5_1, ClusterMode::NonSecure);
    let public = &c
        .certificate("src-sub", CertificateKind::CallManager)
        .unwrap()
        .public;
    let issuer = public.issuer_text.as_bytes();
    let mut longer = vec![0];
    longer.extend(&public.serial);
    assert!(c.tvs_query("src-pub", b"", issuer, &longer).is_some());
    let commas = public.issuer_text.replace(';', ",");
    assert!(
        c.tvs_query("src-pub", b"", commas.as_bytes(), &public.serial)
            .is_some()
    );
    assert!(
        c.tvs_query("src-pub", b"", issuer, &public.serial[1..])
            .is_none()
    );
    assert!(
        c.tvs_query("src-pub", b"", &issuer[1..], &public.serial)
            .is_none()
    );
    assert!(c.tvs_query("src-pub", b"", b"", b"").is_none());
    assert!(c.tvs_query("nobody", b"", issuer, &public.serial).is_none());
}

#[test]
fn what_was_loaded_at_the_start_counts_only_where_a_restart_is_needed() {
    let certificate = foreign(CertificateKind::ItlRecovery);
    for needed in [false, true] {
        let settings = ClusterSettings {
            tvs_restart_needed: needed,
            ..ClusterSettings::default()
        };
        let mut c = cluster_with(Release::V10_5_2, ClusterMode::NonSecure, settings);
        c.trust(TrustStore::PhoneSast, Arc::clone(&certificate.public));
        assert_eq!(ask(&c, "src-pub", &certificate).is_none(), needed);
        c.start_service(Target::All, Service::Tvs).unwrap();
        assert_eq!(
            ask(&c, "src-pub", &certificate).is_none(),
            needed,
            "it ran already"
        );
        c.restart_service(Target::Node("src-pub"), Service::Tvs)
            .unwrap();
        assert_eq!(roles(&c, "src-pub", &certificate), [Role::Sast]);
        assert_eq!(ask(&c, "src-sub", &certificate).is_none(), needed);
        c.restart_service(Target::All, Service::Tvs).unwrap();
        assert!(ask(&c, "src-sub", &certificate).is_some());
    }
}

#[test]
fn the_ctl_file_is_the_second_cache_and_needs_no_restart() {
    let settings = ClusterSettings {
        tvs_restart_needed: true,
        ..ClusterSettings::default()
    };
    let mut c = cluster_with(Release::V10_5_2, ClusterMode::Mixed, settings);
    let certificate = foreign(CertificateKind::ItlRecovery);
    c.trust(TrustStore::PhoneSast, Arc::clone(&certificate.public));
    let before = bytes(&mut c, "src-sub", "CTLFile.tlv");
    assert!(ask(&c, "src-sub", &certificate).is_none());
    c.update_ctl(DATE + 100).unwrap();
    let answer = ask(&c, "src-sub", &certificate).unwrap();
    assert_eq!(
        (answer.roles, answer.found_in),
        (vec![Role::Sast], TvsCache::CtlFile)
    );

    let (before, after) = (
        list(&before),
        list(&bytes(&mut c, "src-sub", "CTLFile.tlv")),
    );
    assert_eq!(after.records.len(), before.records.len() + 1);
    let import = after.records.last().unwrap();
    assert_eq!(import.role(), Role::Sast);
    assert_eq!(import.certificate(), Some(&*certificate.public.der));
    assert_eq!(import.dns_name(), Some(&b""[..]));
    assert_eq!(import.ip_address(), None);
}

#[test]
fn a_token_is_known_from_the_ctl() {
    let mut c = cluster(Release::V9_1, ClusterMode::Mixed);
    let ctl = list(&bytes(&mut c, "src-pub", "CTLFile.tlv"));
    let token = &ctl.records[0];
    let answer = c.tvs_query(
        "src-pub",
        b"",
        token.issuer().unwrap(),
        token.serial().unwrap(),
    );
    assert_eq!(answer.unwrap().roles, [Role::Sast]);
}

#[test]
fn of_two_with_the_same_name_the_newer_stays() {
    let mut keys = KeyPool::new(9);
    let spec = spec("dst", Release::V10_5_2, ClusterMode::NonSecure);
    let mut dst = Cluster::new(spec, ClusterSettings::default(), DATE, &mut keys, 9).unwrap();
    let of = |dst: &Cluster| {
        dst.certificate("dst-pub", CertificateKind::CallManager)
            .unwrap()
            .clone()
    };
    let old = of(&dst);
    dst.regenerate("dst-pub", CertificateKind::CallManager, DATE, &mut keys)
        .unwrap();
    let new = of(&dst);
    assert_eq!(old.public.subject_text, new.public.subject_text);
    assert_ne!(old.public.serial, new.public.serial);

    let mut c = cluster(Release::V10_5_2, ClusterMode::NonSecure);
    let mut put = |l: &LabCertificate| c.trust(TrustStore::PhoneSast, Arc::clone(&l.public));
    assert_eq!(put(&old), Trusted::Added);
    assert_eq!(put(&old), Trusted::AlreadyThere);
    assert_eq!(
        put(&new),
        Trusted::Replaced {
            old: Arc::clone(&old.public)
        }
    );
    assert_eq!(
        put(&old),
        Trusted::DroppedOlder {
            existing: Arc::clone(&new.public)
        }
    );
    assert!(ask(&c, "src-pub", &old).is_none());
    assert!(ask(&c, "src-pub", &new).is_some());
}

#[test]
fn tvs_has_the_identity_that_the_itl_names() {
    let mut c = cluster(Release::V12_5, ClusterMode::NonSecure);
    let itl = super::itl(&mut c, "src-sub");
    for node in ["src-pub", "src-sub", "src-third"] {
        let (certificate, key) = c.tvs_identity(node).unwrap();
        let named = itl
            .records
            .iter()
            .find(|r| r.role() == Role::Tvs && r.dns_name() == Some(node.as_bytes()));
        assert_eq!(named.unwrap().certificate(), Some(certificate));
        assert!(!key.is_empty());
    }
    assert!(c.tvs_identity("nobody").is_none());
}
