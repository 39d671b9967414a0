//! Encrypted configurations, the signed default, and the files that configurations name.

use std::sync::Arc;

use trustline::cluster::Lab;
use trustline::cluster::{
    CertificateKind, Cluster, ClusterMode, ClusterSettings, FileAnswer, KeyPool, LabCertificate,
    Parameter, PhoneFiles, Registration, Release, SignedDefault,
};
use trustline::trust::decrypt::{DecryptFault, DeviceKey, certificate_hash, decrypt};
use trustline::trust::rules::Settings;
use trustline::wire::SignedFile;
use trustline::wire::phone_config::{NamedFiles, PhoneConfig, SecurityMode};

use super::{DATE, DEVICE, bytes, cluster, cluster_with, holds, strict};

const PLAIN: &str = "SEP001122334401.cnf.xml";
const SIGNED: &str = "SEP001122334401.cnf.xml.sgn";
const ENCRYPTED: &str = "SEP001122334401.cnf.xml.enc.sgn";

/// A mixed cluster that encrypts for the phone, and the phone's LSC.
fn encrypting(release: Release) -> (Cluster, LabCertificate) {
    let mut c = cluster(release, ClusterMode::Mixed);
    let lsc = c
        .issue_lsc("CP-8861-SEP001122334401", DATE, &mut KeyPool::new(7))
        .expect("the cluster has CAPF");
    c.add_phone(DEVICE, SecurityMode::Encrypted)
        .expect("a device name");
    assert!(c.set_encrypted_config(DEVICE, true));
    assert!(c.record_certificate(DEVICE, Some(lsc.public.der.as_slice().into())));
    (c, lsc)
}

#[test]
fn a_configuration_is_encrypted_for_the_phones_certificate() {
    for release in [Release::V9_1, Release::V15] {
        let (mut c, lsc) = encrypting(release);
        let file = bytes(&mut c, "src-pub", ENCRYPTED);
        let signer = c.certificate("src-pub", CertificateKind::CallManager);
        assert!(holds(&file, None, signer.unwrap()), "{release}");
        let parsed = SignedFile::parse(&file, &strict()).unwrap();
        assert_eq!(parsed.header.version(), (2, 0));
        assert_eq!(parsed.header.file_name(), Some(ENCRYPTED.as_bytes()));
        assert_eq!(parsed.header.length() % 4, 0);
        let key = DeviceKey::from_pkcs8(lsc.key.pkcs8()).unwrap();
        let plain = decrypt(&parsed, &key).unwrap();
        let config = PhoneConfig::parse(&plain).unwrap();
        assert!(config.full_config && config.encr_config);
        assert_eq!(config.callmanager_group.len(), 2);
        let hash = certificate_hash(&lsc.public.der);
        assert_eq!(config.cert_hash.as_deref(), Some(hash.as_str()));
        // What is not encrypted says how to come to it, and nothing else.
        for name in [PLAIN, SIGNED] {
            let file = bytes(&mut c, "src-pub", name);
            let body = match name {
                SIGNED => SignedFile::parse(&file, &strict()).unwrap().body.to_vec(),
                _ => file,
            };
            let companion = PhoneConfig::parse(&body).unwrap();
            assert!(!companion.full_config && companion.encr_config, "{name}");
            assert_eq!(companion.cert_hash.as_deref(), Some(hash.as_str()));
            assert!(companion.callmanager_group.is_empty() && companion.tvs.is_empty());
            assert_eq!(companion.capf, config.capf);
        }
        // Asked again, it is the same file; another seed gives another key.
        assert_eq!(bytes(&mut c, "src-pub", ENCRYPTED), file);
        let other = LabCertificate::clone(c.certificate("src-pub", CertificateKind::Tvs).unwrap());
        let other = DeviceKey::from_pkcs8(other.key.pkcs8()).unwrap();
        assert_eq!(decrypt(&parsed, &other), Err(DecryptFault::WrongDeviceKey));
    }
}

#[test]
fn without_a_certificate_there_is_nothing_to_encrypt_for() {
    let (mut c, _) = encrypting(Release::V12_5);
    let companion = |c: &mut Cluster| {
        let file = bytes(c, "src-sub", SIGNED);
        let body = SignedFile::parse(&file, &strict()).unwrap().body.to_vec();
        PhoneConfig::parse(&body).unwrap()
    };
    // An EC key, and what is no certificate at all.
    let ec = c.certificate("src-pub", CertificateKind::CallManagerEcdsa);
    let ec: Arc<[u8]> = ec.unwrap().public.der.as_slice().into();
    for certificate in [None, Some(ec), Some(b"no certificate"[..].into())] {
        let hash = certificate.as_ref().map(|c| certificate_hash(c));
        assert!(c.record_certificate(DEVICE, certificate));
        assert_eq!(c.file("src-sub", ENCRYPTED), FileAnswer::NotFound);
        let companion = companion(&mut c);
        assert!(!companion.full_config && companion.encr_config);
        assert_eq!(companion.cert_hash, hash);
    }
    assert!(c.set_encrypted_config(DEVICE, false));
    assert!(companion(&mut c).full_config);
    assert!(!c.set_encrypted_config("SEP0011223344FF", true));
    assert!(!c.record_certificate("nobody", None));
}

#[test]
fn a_cluster_that_is_not_mixed_encrypts_nothing() {
    let mut c = cluster(Release::V12_5, ClusterMode::NonSecure);
    let lsc = c
        .issue_lsc("CP-8861-SEP001122334401", DATE, &mut KeyPool::new(7))
        .unwrap();
    c.set_encrypted_config(DEVICE, true);
    c.record_certificate(DEVICE, Some(lsc.public.der.as_slice().into()));
    assert_eq!(c.file("src-pub", ENCRYPTED), FileAnswer::NotFound);
    let config = PhoneConfig::parse(&bytes(&mut c, "src-pub", PLAIN)).unwrap();
    assert!(config.full_config && !config.encr_config && config.cert_hash.is_none());
}

#[test]
fn the_default_is_signed_as_the_setting_has_it() {
    const DEFAULT: &str = "XMLDefault.cnf.xml.sgn";
    for (setting, without, with) in [
        (SignedDefault::AutoRegistration, false, true),
        (SignedDefault::Always, true, true),
        (SignedDefault::Never, false, false),
    ] {
        let settings = ClusterSettings {
            signed_default: setting,
            ..ClusterSettings::default()
        };
        let mut c = cluster_with(Release::V12_5, ClusterMode::NonSecure, settings);
        let is_served = |c: &mut Cluster| c.file("src-pub", DEFAULT).bytes().is_some();
        assert_eq!(is_served(&mut c), without, "{setting:?}");
        let enabled = Parameter::from_words("auto-registration", "true").unwrap();
        c.set_parameter(enabled, DATE).unwrap();
        assert_eq!(is_served(&mut c), with, "{setting:?}");
        if with {
            let file = bytes(&mut c, "src-pub", DEFAULT);
            let signer = c.certificate("src-pub", CertificateKind::CallManager);
            assert!(holds(&file, None, signer.unwrap()));
            let body = SignedFile::parse(&file, &strict()).unwrap().body;
            let plain = c.file("src-pub", "XMLDefault.cnf.xml");
            assert_eq!(plain.bytes(), Some(body));
        }
    }
}

#[test]
fn a_phone_that_nobody_knows_registers_by_auto_registration_alone() {
    let c = cluster(Release::V12_5, ClusterMode::NonSecure);
    let mut lab = Lab::new(vec![c], &Settings::default());
    let answer = |lab: &Lab, device| lab.register("src-pub", device, None);
    assert_eq!(answer(&lab, DEVICE), Registration::Accepted);
    let unknown = answer(&lab, "SEP0011223344FF");
    let Registration::Refused(reason) = unknown else {
        panic!("{unknown:?}");
    };
    assert_eq!(reason.code.as_str(), "phone-not-in-database");
    let cluster = lab.cluster_mut(0).unwrap();
    cluster
        .set_parameter(Parameter::AutoRegistration(true), DATE)
        .unwrap();
    assert_eq!(answer(&lab, "SEP0011223344FF"), Registration::Accepted);
}

#[test]
fn named_files_are_served_plain_and_signed() {
    let mut c = cluster(Release::V12_5, ClusterMode::NonSecure);
    let named = NamedFiles {
        soft_keys: Some("SK1.xml".into()),
        user_locale: Some("German_Germany".into()),
        ..NamedFiles::default()
    };
    let installed = NamedFiles {
        user_locale: None,
        ..named.clone()
    };
    let stranger = Cluster::new(
        super::spec("dst", Release::V12_5, ClusterMode::NonSecure),
        ClusterSettings::default(),
        DATE,
        &mut KeyPool::new(9),
        9,
    )
    .unwrap();
    let stranger = stranger.certificate("dst-pub", CertificateKind::CallManager);
    let stranger = stranger.unwrap().clone();
    let mut files = PhoneFiles {
        named: named.clone(),
        installed,
        signer: None,
    };
    c.set_phone_files(files.clone(), DATE + 1).unwrap();
    let config = PhoneConfig::parse(&bytes(&mut c, "src-pub", PLAIN)).unwrap();
    assert_eq!(config.files, named);
    let plain = bytes(&mut c, "src-sub", "SK1.xml");
    let own = c.certificate("src-sub", CertificateKind::CallManager);
    let own = own.unwrap().clone();
    let signed = bytes(&mut c, "src-sub", "SK1.xml.sgn");
    let file = SignedFile::parse(&signed, &strict()).unwrap();
    assert_eq!(file.header.file_name(), Some(&b"SK1.xml.sgn"[..]));
    assert_eq!(file.body, plain);
    assert!(holds(&signed, None, &own));
    for name in [
        "German_Germany/sl-be-sip.jar.sgn",
        "SK1.xml.sgn.sgn",
        "SK2.xml",
        ".sgn",
    ] {
        assert_eq!(c.file("src-pub", name), FileAnswer::NotFound, "{name}");
    }
    assert_eq!(c.file("src-third", "SK1.xml"), FileAnswer::NotFound);
    files.signer = Some(stranger.clone());
    c.set_phone_files(files, DATE + 2).unwrap();
    let signed = bytes(&mut c, "src-sub", "SK1.xml.sgn");
    assert!(holds(&signed, None, &stranger) && !holds(&signed, None, &own));
    let config = bytes(&mut c, "src-sub", SIGNED);
    assert!(
        holds(&config, None, &own),
        "the configuration stays the node's"
    );
}
