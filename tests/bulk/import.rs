//! What an import and an upload do to the stores, and what TVS then says.

use std::sync::Arc;

use trustline::cluster::bulk::{
    BulkSettings, ConsolidatedFile, EcdsaStore, End, Expired, FollowUp, Import, ImportPlan,
    ImportRefusal, Importer, KnownBy, LeftOut, Unit, Uploaded, apply, certificates_of,
    p12::P12Entry, plan_import, upload,
};
use trustline::cluster::release::BulkType;
use trustline::cluster::{
    CertificateKind, Cluster, ClusterMode, ClusterSettings, PublicCertificate, Release, Service,
    Target, TrustStore, Trusted,
};
use trustline::wire::Role;

use crate::lab::{DATE, Lab, cluster_with, settings};

fn fetched(lab: &mut Lab, id: &str, bulk_type: BulkType) -> Vec<ConsolidatedFile> {
    match lab.import(id, bulk_type).end {
        End::Fetched(files) => files,
        other => panic!("{other:?}"),
    }
}

fn plan(lab: &mut Lab, id: &str, bulk_type: BulkType) -> Result<ImportPlan, ImportRefusal> {
    let files = fetched(lab, id, bulk_type);
    let importer = Importer::of(lab.cluster(id), DATE);
    plan_import(&files, &importer, &lab.settings)
}

fn import_into(lab: &mut Lab, id: &str, bulk_type: BulkType) -> Import {
    let plan = plan(lab, id, bulk_type).unwrap();
    let cluster = match id {
        "src" => &mut lab.src,
        _ => &mut lab.dst,
    };
    apply(cluster, &plan)
}

fn roles(cluster: &Cluster, node: &str, c: &PublicCertificate) -> Option<Vec<Role>> {
    let (subject, issuer) = (c.subject_text.as_bytes(), c.issuer_text.as_bytes());
    let answer = cluster.tvs_query(node, subject, issuer, &c.serial)?;
    assert_eq!(answer.certificate, c.der);
    Some(answer.roles)
}

fn signers(cluster: &Cluster) -> Vec<Arc<PublicCertificate>> {
    use CertificateKind::{CallManager, ItlRecovery};
    cluster
        .certificates_to_exchange(&[CallManager, ItlRecovery])
        .into_iter()
        .map(|(_, c)| Arc::clone(&c.public))
        .collect()
}

fn held(cluster: &Cluster, store: TrustStore) -> Vec<Vec<u8>> {
    let publisher = cluster.nodes().find(|n| n.publisher).unwrap();
    let held = cluster.store(&publisher.name, store).unwrap();
    held.iter().map(|c| c.der.clone()).collect()
}

#[test]
fn after_the_exchange_each_vouches_for_the_others_signers() {
    let mut lab = Lab::new().ready(BulkType::All);
    for id in ["dst", "src"] {
        let import = import_into(&mut lab, id, BulkType::All);
        assert!(import.resets_phones);
        assert!(
            import
                .omitted
                .iter()
                .all(|omitted| omitted.why == LeftOut::Own)
        );
    }
    for (asked, other) in [("src", "dst"), ("dst", "src")] {
        for signer in signers(lab.cluster(other)) {
            for node in ["pub", "sub"] {
                assert_eq!(
                    roles(lab.cluster(asked), &format!("{asked}-{node}"), &signer),
                    Some(vec![Role::Sast, Role::Tftp]),
                    "{}",
                    signer.subject_text
                );
            }
        }
    }
}

#[test]
fn each_kind_goes_where_the_page_puts_it() {
    use CertificateKind::{CallManager, Capf, ItlRecovery, Tomcat};
    let mut lab = Lab::new().ready(BulkType::All);
    let import = import_into(&mut lab, "src", BulkType::All);
    let of = |kinds: &[CertificateKind]| {
        let mut ders: Vec<_> = certificates_of(&lab.dst)
            .into_iter()
            .filter(|c| kinds.contains(&c.kind))
            .map(|c| c.der)
            .collect();
        ders.sort();
        ders
    };
    let sorted = |store| {
        let mut ders = held(&lab.src, store);
        ders.sort();
        ders
    };
    assert_eq!(sorted(TrustStore::Tomcat), of(&[Tomcat]));
    assert_eq!(
        sorted(TrustStore::PhoneSast),
        of(&[CallManager, ItlRecovery])
    );
    assert_eq!(
        sorted(TrustStore::CallManager),
        of(&[CallManager, ItlRecovery, Capf])
    );
    assert!(sorted(TrustStore::Capf).is_empty());
    for imported in &import.imported {
        let from = imported.from.as_ref().unwrap();
        assert_eq!(from.cluster, "dst");
        assert_eq!(from.kind, imported.kind);
        assert!(imported.stores.iter().all(|(_, t)| *t == Trusted::Added));
    }
    // The same again changes nothing.
    let again = import_into(&mut lab, "src", BulkType::All);
    let results = again.imported.iter().flat_map(|i| &i.stores);
    for (_, result) in results {
        assert_eq!(*result, Trusted::AlreadyThere);
    }
}

#[test]
fn type_tftp_leaves_itlrecovery_out_and_tvs_does_not_know_it() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    import_into(&mut lab, "src", BulkType::Tftp);
    let (_, recovery) = lab
        .dst
        .certificates_to_exchange(&[CertificateKind::ItlRecovery])[0];
    assert_eq!(roles(&lab.src, "src-pub", &recovery.public), None);

    let with = BulkSettings {
        tftp_type_carries_itlrecovery: true,
        ..settings()
    };
    let mut lab = Lab::of(Release::V10_5_2, Release::V12_5, with).ready(BulkType::Tftp);
    import_into(&mut lab, "src", BulkType::Tftp);
    let (_, recovery) = lab
        .dst
        .certificates_to_exchange(&[CertificateKind::ItlRecovery])[0];
    assert!(roles(&lab.src, "src-pub", &recovery.public).is_some());
}

#[test]
fn own_certificates_are_imported_where_the_setting_says_so() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    assert_eq!(
        plan(&mut lab, "src", BulkType::Tftp).unwrap().planned.len(),
        2
    );
    lab.settings.import_own = true;
    let all = plan(&mut lab, "src", BulkType::Tftp).unwrap();
    assert_eq!((all.planned.len(), all.omitted.len()), (4, 0));
}

#[test]
fn an_older_certificate_of_the_same_name_is_dropped_and_reported() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    let old = certificates_of(&lab.dst);
    let (dst, keys) = (&mut lab.dst, &mut lab.keys);
    dst.regenerate("dst-pub", CertificateKind::CallManager, DATE, keys)
        .unwrap();
    let new = certificates_of(&lab.dst);
    let new = new
        .iter()
        .find(|c| c.node == "dst-pub" && c.kind == CertificateKind::CallManager)
        .unwrap();
    assert!(!old.contains(new));
    // The newer one came by hand, the older one comes by bulk.
    upload(&mut lab.src, &new.der, TrustStore::PhoneSast).unwrap();
    let import = import_into(&mut lab, "src", BulkType::Tftp);
    let dropped: Vec<_> = import
        .imported
        .iter()
        .flat_map(|i| &i.stores)
        .filter(|(_, t)| matches!(t, Trusted::DroppedOlder { .. }))
        .collect();
    assert!(
        matches!(&dropped[..], [(TrustStore::PhoneSast, Trusted::DroppedOlder { existing })]
        if existing.der == new.der)
    );
    assert!(held(&lab.src, TrustStore::PhoneSast).contains(&new.der));
}

#[test]
fn an_expired_certificate_is_refused_left_out_or_imported() {
    let mut lab = Lab::new().ready(BulkType::All);
    let files = fetched(&mut lab, "src", BulkType::All);
    // Five years and a day later only the ITLRecovery of 20 years holds.
    let importer = Importer::of(&lab.src, DATE + 5 * 366 * 86_400);
    let before = held(&lab.src, TrustStore::CallManager);
    let refusal = plan_import(&files, &importer, &lab.settings).unwrap_err();
    assert!(matches!(refusal, ImportRefusal::Expired { .. }));
    assert!(refusal.to_string().contains("nothing was imported"));
    assert_eq!(held(&lab.src, TrustStore::CallManager), before);

    lab.settings.expired = Expired::LeaveOut;
    let plan = plan_import(&files, &importer, &lab.settings).unwrap();
    let kinds: Vec<_> = plan.planned.iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [CertificateKind::ItlRecovery]);
    let expired = plan.omitted.iter().filter(|o| o.why == LeftOut::Expired);
    assert_eq!(expired.count(), 6);

    lab.settings.expired = Expired::Import;
    let plan = plan_import(&files, &importer, &lab.settings).unwrap();
    assert_eq!(plan.planned.iter().filter(|p| p.is_expired).count(), 6);
}

#[test]
fn old_releases_may_fail_on_certificates_of_new_ones() {
    let mut lab = Lab::of(Release::V9_1, Release::V12_5, settings()).ready(BulkType::All);
    assert!(plan(&mut lab, "src", BulkType::All).is_ok());
    lab.settings.reject_newer_release = true;
    let refusal = plan(&mut lab, "src", BulkType::All).unwrap_err();
    assert!(refusal.to_string().contains("CSCuy43181"), "{refusal}");
    // The other way round, and from 10.5.2 on, it works.
    assert!(plan(&mut lab, "dst", BulkType::All).is_ok());
    let mut lab = Lab::new();
    lab.settings.reject_newer_release = true;
    let mut lab = lab.ready(BulkType::All);
    assert!(plan(&mut lab, "src", BulkType::All).is_ok());
}

#[test]
fn what_follows_depends_on_the_cluster() {
    let mut lab = Lab::new();
    let settings = ClusterSettings {
        tvs_restart_needed: true,
        ..ClusterSettings::default()
    };
    let (release, mode) = (Release::V10_5_2, ClusterMode::Mixed);
    lab.src = cluster_with("src", release, mode, settings, &mut lab.keys);
    let mut lab = lab.ready(BulkType::All);
    let import = import_into(&mut lab, "src", BulkType::All);
    let signer = &signers(&lab.dst)[0];
    assert_eq!(roles(&lab.src, "src-pub", signer), None);
    let needed: Vec<_> = import.follow_ups.iter().filter(|f| f.is_needed).collect();
    assert!(matches!(&needed[..], [one] if one.what == "restart TVS on every node"));
    lab.src.restart_service(Target::All, Service::Tvs).unwrap();
    assert!(roles(&lab.src, "src-pub", signer).is_some());
    let ctl = |f: &&FollowUp| f.what.contains("utils ctl update CTLFile");
    assert_eq!(import.follow_ups.iter().filter(ctl).count(), 1);
    // In a cluster that is not in mixed mode there is no CTL, and nothing has to be restarted.
    let import = import_into(&mut lab, "dst", BulkType::All);
    assert_eq!(import.follow_ups.iter().filter(ctl).count(), 0);
    assert!(import.follow_ups.iter().all(|f| !f.is_needed));
}

#[test]
fn only_some_types_reset_phones() {
    let mut lab = Lab::new().ready(BulkType::All);
    for (bulk_type, resets) in [
        (BulkType::Tomcat, false),
        (BulkType::ItlRecovery, false),
        (BulkType::Capf, true),
        (BulkType::Tftp, true),
    ] {
        let import = import_into(&mut lab, "dst", bulk_type);
        assert_eq!(import.resets_phones, resets, "{bulk_type}");
    }
    lab.dst.stop_service(Target::All, Service::Tftp).unwrap();
    assert!(!import_into(&mut lab, "dst", BulkType::Tftp).resets_phones);
}

fn file(entries: Vec<(Option<&str>, &[u8])>) -> ConsolidatedFile {
    ConsolidatedFile {
        name: "of-another-tool.p12".into(),
        unit: None,
        entries: entries
            .into_iter()
            .map(|(alias, der)| P12Entry {
                alias: alias.map(str::to_owned),
                der: der.to_vec(),
            })
            .collect(),
    }
}

#[test]
fn certificates_of_other_tools_are_known_by_their_subject_or_not_at_all() {
    let lab = Lab::new();
    let of = |kind| {
        let all = certificates_of(&lab.dst);
        all.into_iter().find(|c| c.kind == kind).unwrap().der
    };
    let recovery = of(CertificateKind::ItlRecovery);
    let capf = of(CertificateKind::Capf);
    let callmanager = of(CertificateKind::CallManager);
    let importer = Importer::of(&lab.src, DATE);
    let files = [file(vec![
        (None, &recovery),
        (Some("two"), &capf),
        (None, &callmanager),
        (Some("dst/dst-pub/CallManager/12.5"), &callmanager),
        (Some("dst/dst-pub/CAPF/12.5"), &recovery),
        (Some("dst/dst-pub/TVS/12.5"), &callmanager),
    ])];
    let plan = plan_import(&files, &importer, &lab.settings).unwrap();
    let planned: Vec<_> = plan.planned.iter().map(|p| (p.kind, p.known_by)).collect();
    assert_eq!(
        planned,
        [
            (CertificateKind::ItlRecovery, KnownBy::Subject),
            (CertificateKind::Capf, KnownBy::Subject),
            (CertificateKind::CallManager, KnownBy::FriendlyName),
        ]
    );
    let why: Vec<_> = plan.omitted.iter().map(|o| o.why.clone()).collect();
    assert_eq!(
        why,
        [
            LeftOut::UnknownKind,
            LeftOut::Contradiction {
                said: CertificateKind::Capf,
                subject: CertificateKind::ItlRecovery
            },
            LeftOut::NotImported(CertificateKind::Tvs),
        ]
    );
}

#[test]
fn a_file_of_another_tool_says_by_its_name_what_it_holds() {
    let mut lab = Lab::new();
    let own = certificates_of(&lab.dst);
    let of_kind = |kind| own.iter().find(|c| c.kind == kind).unwrap().der.clone();
    let callmanager = of_kind(CertificateKind::CallManager);
    let recovery = of_kind(CertificateKind::ItlRecovery);
    // As `openssl pkcs12 -export -nokeys` does it: no friendlyName.
    let nameless = |der: &Vec<u8>| P12Entry {
        alias: None,
        der: der.clone(),
    };
    let named = ConsolidatedFile {
        name: "consolidated_tftp.p12".to_owned(),
        unit: Unit::of_file("consolidated_tftp.p12"),
        entries: vec![nameless(&callmanager), nameless(&recovery)],
    };
    let importer = Importer::of(&lab.src, DATE);
    let plan = plan_import(&[named], &importer, &lab.settings).unwrap();
    let planned: Vec<_> = plan.planned.iter().map(|p| (p.kind, p.known_by)).collect();
    assert_eq!(planned, [(CertificateKind::CallManager, KnownBy::File)]);
    // What its subject says goes before what the file says.
    let why: Vec<_> = plan.omitted.iter().map(|o| o.why.clone()).collect();
    assert_eq!(why, [LeftOut::WrongFile(CertificateKind::ItlRecovery)]);
    let import = apply(&mut lab.src, &plan);
    let stores: Vec<_> = import.imported[0].stores.iter().map(|(s, _)| *s).collect();
    assert_eq!(stores, [TrustStore::PhoneSast, TrustStore::CallManager]);
}

#[test]
fn one_damaged_certificate_and_nothing_is_imported() {
    let lab = Lab::new();
    let good = certificates_of(&lab.dst);
    let alias = "dst/dst-pub/CallManager/12.5";
    let files = [file(vec![(Some(alias), &good[0].der), (None, b"0\x01")])];
    let importer = Importer::of(&lab.src, DATE);
    let refusal = plan_import(&files, &importer, &lab.settings).unwrap_err();
    assert!(matches!(refusal, ImportRefusal::Damaged { entry: 1, .. }));
    let nothing = plan_import(&[file(Vec::new())], &importer, &lab.settings).unwrap_err();
    assert!(matches!(nothing, ImportRefusal::Nothing { .. }));
}

#[test]
fn an_upload_fills_one_store_and_the_trap_is_named() {
    let mut lab = Lab::new();
    let signer = &signers(&lab.dst)[0];
    let uploaded = upload(&mut lab.src, &signer.der, TrustStore::CallManager).unwrap();
    assert_eq!(uploaded.result, Trusted::Added);
    assert_eq!(uploaded.stays_on, None);
    assert_eq!(*uploaded.certificate, **signer);
    assert_eq!(roles(&lab.src, "src-sub", signer), Some(vec![Role::Tftp]));
    upload(&mut lab.src, &signer.der, TrustStore::PhoneSast).unwrap();
    assert_eq!(
        roles(&lab.src, "src-sub", signer),
        Some(vec![Role::Sast, Role::Tftp])
    );
    // One way: the other cluster knows nothing of this one's signers.
    let own = &signers(&lab.src)[0];
    assert_eq!(roles(&lab.dst, "dst-pub", own), None);
    assert!(Uploaded::TRAP.contains("one way"));
    let stays = upload(&mut lab.src, &signer.der, TrustStore::Capf).unwrap();
    assert_eq!(stays.stays_on.as_deref(), Some("src-pub"));
    assert!(upload(&mut lab.src, b"no certificate", TrustStore::Tomcat).is_err());
}

#[test]
fn companions_go_where_the_rule_says_and_replace_nobody() {
    let stores = [TrustStore::PhoneSast, TrustStore::CallManager];
    for (ecdsa_store, expected) in [
        (EcdsaStore::CallManagerTrust, [false, true]),
        (EcdsaStore::RsaStores, [true, true]),
        (EcdsaStore::LeftOut, [false, false]),
    ] {
        let settings = BulkSettings {
            ecdsa_store,
            ..settings()
        };
        let mut lab = Lab::of(Release::V11_0, Release::V12_5, settings).ready(BulkType::All);
        import_into(&mut lab, "src", BulkType::All);
        for node in ["dst-pub", "dst-sub"] {
            let own = |kind| lab.dst.certificate(node, kind).unwrap();
            let companion = own(CertificateKind::CallManagerEcdsa);
            let is_held = |store| held(&lab.src, store).contains(&companion.public.der);
            assert_eq!(stores.map(is_held), expected, "{node} {ecdsa_store:?}");
            // The names differ, so neither takes the other's place.
            let rsa = own(CertificateKind::CallManager);
            assert_ne!(companion.public.subject_text, rsa.public.subject_text);
            for store in stores {
                assert!(held(&lab.src, store).contains(&rsa.public.der), "{node}");
            }
        }
    }
}
