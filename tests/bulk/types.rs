//! Certificate types: what each carries, and which are offered.

use std::collections::BTreeSet;

use trustline::cluster::Release;
use trustline::cluster::bulk::{
    BulkSettings, End, FileNames, Importer, Note, Refusal, Unit, p12::Form, plan_import,
};
use trustline::cluster::release::BulkType;

use crate::lab::{DATE, Lab, settings};

/// What every export says last.
pub(crate) const SEALED: Note = Note::Sealed {
    form: Form::Modern,
    has_password: true,
};

fn written(lab: &mut Lab, id: &str, bulk_type: BulkType) -> BTreeSet<String> {
    let outcome = lab.export(id, bulk_type);
    assert_eq!(outcome.end, End::Exported, "{bulk_type}");
    outcome.written.into_iter().collect()
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn each_type_writes_its_files() {
    let mut lab = Lab::new();
    let of_both = |unit: &str| {
        names(&[
            &format!("dst-pub@dst_{unit}.p12"),
            &format!("dst-sub@dst_{unit}.p12"),
        ])
    };
    // From 11.0 the companion with an EC key comes with it.
    let tftp = &of_both("tftp") | &of_both("callmanager-ecdsa");
    assert_eq!(written(&mut lab, "dst", BulkType::Tftp), tftp);
    assert_eq!(
        written(&mut lab, "dst", BulkType::Tomcat),
        of_both("tomcat")
    );
    assert_eq!(written(&mut lab, "dst", BulkType::Capf), of_both("capf"));
    // From 12.5 one for the cluster, and the publisher's.
    assert_eq!(
        written(&mut lab, "dst", BulkType::ItlRecovery),
        names(&["dst-pub@dst_itlrecovery.p12"])
    );
    assert_eq!(written(&mut lab, "dst", BulkType::All).len(), 11);
    // 10.5.2 has none.
    assert_eq!(written(&mut lab, "src", BulkType::Tftp).len(), 2);
}

#[test]
fn tftp_may_carry_itlrecovery_and_files_may_be_called_otherwise() {
    let settings = BulkSettings {
        tftp_type_carries_itlrecovery: true,
        file_names: FileNames::TypeNode,
        ..settings()
    };
    let mut lab = Lab::of(Release::V10_5_2, Release::V12_5, settings);
    assert_eq!(
        written(&mut lab, "dst", BulkType::Tftp),
        names(&[
            "tftp_dst-pub@dst.p12",
            "tftp_dst-sub@dst.p12",
            "callmanager-ecdsa_dst-pub@dst.p12",
            "callmanager-ecdsa_dst-sub@dst.p12",
            "itlrecovery_dst-pub@dst.p12"
        ])
    );
}

#[test]
fn a_type_that_the_release_does_not_offer_is_refused() {
    let mut lab = Lab::new();
    let outcome = lab.export("src", BulkType::ItlRecovery);
    assert_eq!(
        outcome.end,
        End::Refused(Refusal::TypeNotOffered {
            bulk_type: BulkType::ItlRecovery,
            release: Release::V10_5_2
        })
    );
    assert_eq!(lab.directory.executed(), 0);
    lab.settings.capf_type = false;
    for outcome in [
        lab.export("src", BulkType::Capf),
        lab.consolidate("src", BulkType::Capf),
        lab.import("src", BulkType::Capf),
    ] {
        assert!(matches!(
            outcome.end,
            End::Refused(Refusal::TypeNotOffered { .. })
        ));
    }
}

#[test]
fn what_a_node_does_not_have_is_said_and_not_faked() {
    let mut lab = Lab::of(Release::V8_6, Release::V14, settings());
    let unit = Unit::ItlRecovery;
    let old = lab.export("src", BulkType::All);
    assert_eq!(old.notes, [Note::NoCertificate { unit }, SEALED]);
    let new = lab.export("dst", BulkType::All);
    assert_eq!(new.notes, [SEALED]);
    assert_eq!(lab.export("dst", BulkType::Tomcat).notes, [SEALED]);
    let tftp = lab.export("dst", BulkType::Tftp);
    assert_eq!(tftp.notes, [SEALED]);
    // CAPF of 14 is the publisher's only.
    assert!(!new.written.contains(&"dst-sub@dst_capf.p12".to_owned()));
    let outcome = lab.consolidate("src", BulkType::All);
    let one_only = |unit| {
        let cluster = "dst".to_owned();
        Note::OneClusterOnly { unit, cluster }
    };
    let units = [unit, Unit::CallManagerEcdsa, Unit::TomcatEcdsa];
    assert_eq!(outcome.notes, units.map(one_only));
    // An old cluster lacks the companions, and there is nothing to do about it.
    let warnings = outcome.notes.iter().filter(|n| n.is_warning());
    assert_eq!(warnings.collect::<Vec<_>>(), [&one_only(unit)]);
    assert_eq!(outcome.written.len(), 6);
}

#[test]
fn names_that_no_host_has_are_refused() {
    let mut lab = Lab::new();
    let mut certificates = trustline::cluster::bulk::certificates_of(&lab.src);
    for name in ["", "../up", "a b", "a@b", "a/b"] {
        certificates[0].node = name.into();
        let outcome = lab.carry_out(lab.page("src").export(BulkType::All, &certificates));
        assert!(
            matches!(outcome.end, End::Refused(Refusal::CannotWrite { .. })),
            "{name}"
        );
    }
    assert!(lab.directory.files().is_empty());
}

#[test]
fn types_do_not_mix() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    // Consolidated is TFTP; Tomcat is not even exported.
    assert!(matches!(
        lab.import("src", BulkType::Tomcat).end,
        End::Refused(Refusal::ExportMissing { .. })
    ));
    let End::Fetched(files) = lab.import("src", BulkType::All).end else {
        panic!("what is exported is consolidated");
    };
    let plan = plan_import(&files, &Importer::of(&lab.src, DATE), &lab.settings).unwrap();
    assert_eq!(plan.planned.len(), 2);
    // Now the directory has more than was consolidated.
    lab.export("src", BulkType::Tomcat);
    let unit = Unit::Tomcat;
    assert_eq!(
        lab.import("src", BulkType::All).end,
        End::Refused(Refusal::NotConsolidated { unit })
    );
    assert!(matches!(
        lab.import("src", BulkType::Tftp).end,
        End::Fetched(_)
    ));
}

#[test]
fn a_third_cluster_makes_the_consolidated_file_old() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    let third = crate::lab::cluster("third", Release::V11_5_1, &mut lab.keys);
    let page =
        trustline::cluster::bulk::Page::open(&third, "third-pub", lab.settings.clone()).unwrap();
    let certificates = trustline::cluster::bulk::certificates_of(&third);
    let outcome = lab.carry_out(page.export(BulkType::Tftp, &certificates));
    let file = "consolidated_tftp.p12".to_owned();
    assert!(outcome.notes.contains(&Note::OutOfDate { file }));
    assert!(matches!(
        lab.import("src", BulkType::Tftp).end,
        End::Refused(Refusal::Stale { .. })
    ));
    assert_eq!(
        lab.consolidate("dst", BulkType::Tftp).end,
        End::Consolidated
    );
    let End::Fetched(files) = lab.import("src", BulkType::Tftp).end else {
        panic!("it is consolidated anew");
    };
    assert_eq!(files[0].entries.len(), 6);
}

#[test]
fn a_stale_file_is_imported_where_the_setting_says_so() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    let kind = trustline::cluster::CertificateKind::CallManager;
    let (src, keys) = (&mut lab.src, &mut lab.keys);
    src.regenerate("src-pub", kind, DATE, keys).unwrap();
    let outcome = lab.export("src", BulkType::Tftp);
    assert!(
        outcome
            .notes
            .iter()
            .any(|n| matches!(n, Note::OutOfDate { .. }))
    );
    lab.settings.import_stale = true;
    assert!(matches!(
        lab.import("dst", BulkType::Tftp).end,
        End::Fetched(_)
    ));
}
