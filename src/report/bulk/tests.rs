use super::*;
use crate::cluster::bulk::directory::Listed;
use crate::cluster::bulk::p12::P12Error;
use crate::cluster::bulk::{BulkSettings, MemoryDirectory, NodeCertificate, Page, directory};
use crate::cluster::release::{BulkType, Release};
use crate::cluster::x509::CertificateKind;

const CERTIFICATE: &[u8] = include_bytes!("../../../testdata/vectors/keys/a-ccm.der");

fn page(cluster: &str) -> Page {
    let settings = BulkSettings {
        rounds: 1,
        ..BulkSettings::default()
    };
    Page::new(cluster, Release::V10_5_2, settings)
}

fn export(cluster: &str, directory: &mut MemoryDirectory) -> Outcome {
    let certificate = NodeCertificate {
        node: format!("{cluster}-pub"),
        kind: CertificateKind::CallManager,
        der: CERTIFICATE.to_vec(),
    };
    let mut run = page(cluster).export(BulkType::Tftp, &[certificate]);
    directory.carry_out(&mut run);
    run.into_outcome().unwrap()
}

fn report(outcome: &Outcome) -> Report<'_> {
    Report {
        server: "sftp://bulk@host/bulk",
        outcome,
        import: None,
        phones: &[],
    }
}

#[test]
fn each_ending_says_what_comes_next() {
    let mut directory = MemoryDirectory::new();
    let refresh = |directory: &mut MemoryDirectory| {
        let mut run = page("a").refresh();
        directory.carry_out(&mut run);
        run.into_outcome().unwrap()
    };
    let next = |outcome: &Outcome| report(outcome).next().join("");
    let empty = refresh(&mut directory);
    assert_eq!(next(&empty), "export on both clusters");
    assert!(report(&empty).human(Paint::new(false)).contains("is empty"));
    assert_eq!(
        next(&export("a", &mut directory)),
        "export on the other cluster"
    );
    assert_eq!(
        next(&refresh(&mut directory)),
        "export on the other cluster"
    );
    assert_eq!(
        next(&export("b", &mut directory)),
        "consolidate on one of the clusters"
    );
    assert_eq!(
        next(&refresh(&mut directory)),
        "consolidate on one of the clusters"
    );
    let mut run = page("a").consolidate(BulkType::Tftp);
    directory.carry_out(&mut run);
    assert_eq!(next(&run.into_outcome().unwrap()), "import on each cluster");
    assert_eq!(next(&refresh(&mut directory)), "import on each cluster");
}

#[test]
fn refusals_name_the_step_and_bad_files_are_no_refusals() {
    let mut directory = MemoryDirectory::new();
    let mut run = page("a").import(BulkType::Tftp);
    directory.carry_out(&mut run);
    let outcome = run.into_outcome().unwrap();
    let refused = report(&outcome);
    assert_eq!(refused.ending(), Ending::Refused);
    let text = refused.human(Paint::new(false));
    assert!(text.contains("a cannot import now:"), "{text}");
    assert!(text.contains("export type TFTP on both clusters"), "{text}");

    export("a", &mut directory);
    directory.put("b-pub@b_tftp.p12", b"<html>".to_vec());
    let mut run = page("a").consolidate(BulkType::Tftp);
    directory.carry_out(&mut run);
    let outcome = run.into_outcome().unwrap();
    let malformed = report(&outcome);
    assert_eq!(malformed.ending(), Ending::Malformed);
    let obstacle = malformed.obstacle().unwrap();
    assert_eq!(obstacle.fix, "export again on b, then consolidate");

    directory.set_capacity(Some(0));
    let failed = export("a", &mut directory);
    let failed = report(&failed);
    assert_eq!(failed.ending(), Ending::Failed);
    assert!(failed.obstacle().unwrap().fix.contains("make room"));
}

#[test]
fn names_from_elsewhere_do_not_steer_the_terminal() {
    let listed = Listed {
        name: "a\u{1b}[31m.p12".into(),
        bytes: 1,
    };
    let mut run = page("a").refresh();
    run.poll_operation().unwrap();
    run.handle_result(directory::DirectoryResult::Listed(vec![listed]));
    let outcome = run.into_outcome().unwrap();
    let text = report(&outcome).human(Paint::new(false));
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert!(text.contains("foreign"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&report(&outcome).json()).unwrap();
    assert_eq!(json["files"][0]["role"], "foreign");
    assert_eq!(json["files"][0]["type"], serde_json::Value::Null);
}

#[test]
fn files_of_others_are_cut_and_counted_and_json_has_all() {
    for (foreign, cut) in [(10, None), (11, Some(1)), (300, Some(290))] {
        let mut directory = MemoryDirectory::new();
        export("a", &mut directory);
        for number in 0..foreign {
            directory.put(format!("backup-{number:03}.tar"), vec![0; 3]);
        }
        let mut run = page("b").refresh();
        directory.carry_out(&mut run);
        let outcome = run.into_outcome().unwrap();
        let text = report(&outcome).human(Paint::new(false));
        assert_eq!(text.matches(".tar").count(), foreign.min(10));
        assert!(text.contains("a-pub@a_tftp.p12"), "{text}");
        let more = |n: i32| if n == 1 { "file:" } else { "files:" };
        match cut {
            None => assert!(!text.contains("more foreign"), "{text}"),
            Some(n) => {
                let line = format!("and {n} more foreign {}", more(n));
                assert!(text.contains(&line), "{line} is not in {text}");
            }
        }
        let json: serde_json::Value = serde_json::from_str(&report(&outcome).json()).unwrap();
        let files = json["files"].as_array().unwrap();
        let is_foreign = |f: &&serde_json::Value| f["role"] == "foreign";
        assert_eq!(files.iter().filter(is_foreign).count(), foreign);
    }
}

#[test]
fn every_refused_import_says_what_to_do() {
    for refusal in [
        ImportRefusal::Expired {
            file: "f".into(),
            subject: "CN=x".into(),
            not_after: 0,
        },
        ImportRefusal::Nothing { files: "f".into() },
        ImportRefusal::NewerRelease {
            file: "f".into(),
            from: "b".into(),
            newer: Release::V12_5,
            release: Release::V9_1,
        },
    ] {
        assert!(!after_import_refusal(&refusal).is_empty());
    }
    assert_eq!(
        of_refusal(&Refusal::CannotWrite {
            file: "f".into(),
            error: P12Error::DuplicateAlias("a".into()),
        }),
        Ending::Malformed
    );
}
