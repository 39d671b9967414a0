//! Damaged and foreign files in the directory.

use trustline::cluster::bulk::directory::{DirectoryResult, Listed};
use trustline::cluster::bulk::p12::{self, Form, P12Entry, P12Error};
use trustline::cluster::bulk::{End, FileRole, Note, Refusal, Unit};
use trustline::cluster::release::BulkType;

use crate::lab::Lab;

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/testdata/vectors/p12/{name}", env!("CARGO_MANIFEST_DIR"));
    #[allow(clippy::disallowed_methods, reason = "a test may read files")]
    std::fs::read(path).unwrap()
}

#[test]
fn foreign_files_are_shown_and_never_touched() {
    let mut lab = Lab::new();
    let foreign = ["backup.tar", "modern.p12", "id_rsa", "a b@c_tftp.p12"];
    for name in foreign {
        lab.directory.put(name, vector("modern.p12"));
    }
    lab = lab.ready(BulkType::All);
    let End::Fetched(_) = lab.import("dst", BulkType::All).end else {
        panic!("foreign files do no harm");
    };
    let listing = lab.carry_out(lab.page("src").refresh()).listing.unwrap();
    for name in foreign {
        assert_eq!(listing.file(name).unwrap().role, FileRole::Foreign);
        assert_eq!(lab.directory.files()[name], vector("modern.p12"));
    }
}

#[test]
fn a_damaged_export_stops_the_consolidation() {
    let name = "dst-pub@dst_tftp.p12";
    let small = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
    let mut flipped = vector("modern.p12");
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    type Case = (Vec<u8>, fn(&P12Error) -> bool);
    let cases: Vec<Case> = vec![
        (Vec::new(), |e| matches!(e, P12Error::NotPkcs12 { .. })),
        (b"<html>".to_vec(), |e| {
            matches!(e, P12Error::NotPkcs12 { .. })
        }),
        (small(&vector("modern.p12")), |e| {
            matches!(e, P12Error::NotPkcs12 { .. })
        }),
        (vector("nomac.p12"), |e| *e == P12Error::NoMac),
        // Another password than the page's.
        (vector("modern.p12"), |e| *e == P12Error::WrongPassword),
        (flipped, |e| *e == P12Error::WrongPassword),
        (vec![0x30; p12::MAX_BYTES + 1], |e| {
            matches!(e, P12Error::TooLarge { .. })
        }),
    ];
    for (bytes, is_expected) in cases {
        let mut lab = Lab::new();
        lab.export("src", BulkType::Tftp);
        lab.export("dst", BulkType::Tftp);
        lab.directory.put(name, bytes);
        let before = lab.directory.files().clone();
        match lab.consolidate("src", BulkType::Tftp).end {
            End::Refused(refusal @ Refusal::BadFile { .. }) => {
                let step = refusal.missing_step();
                let Refusal::BadFile { file, error, .. } = refusal else {
                    unreachable!()
                };
                assert_eq!(file, name);
                assert!(is_expected(&error), "{error:?}");
                let again = "export again on dst, then consolidate";
                assert!(step.ends_with(again), "{step}");
                // Exporting again is of no use where the passwords differ.
                let names_the_password = step.contains("the same bulk.password");
                assert_eq!(names_the_password, error == P12Error::WrongPassword);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(*lab.directory.files(), before);
    }
}

#[test]
fn a_damaged_consolidated_file_is_not_imported_and_is_made_anew() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    let name = "consolidated_tftp.p12";
    let mut bytes = lab.directory.files()[name].clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    lab.directory.put(name, bytes);
    match lab.import("dst", BulkType::Tftp).end {
        End::Refused(refusal) => assert!(
            refusal
                .missing_step()
                .ends_with("; consolidate again on one of the clusters")
        ),
        other => panic!("{other:?}"),
    }
    let outcome = lab.consolidate("dst", BulkType::Tftp);
    assert_eq!(outcome.end, End::Consolidated);
    let is_anew = |note: &Note| matches!(note, Note::MadeAnew { file, .. } if file == name);
    assert!(outcome.notes.iter().any(is_anew), "{:?}", outcome.notes);
    assert!(matches!(
        lab.import("dst", BulkType::Tftp).end,
        End::Fetched(_)
    ));
}

#[test]
fn an_export_of_another_tool_is_consolidated_under_names_of_its_own() {
    let mut lab = Lab::new();
    lab.settings.password = "cisco".into();
    lab.export("src", BulkType::Tftp);
    lab.directory
        .put("cucm1@other_tftp.p12", vector("legacy.p12"));
    lab.directory
        .put("cucm2@other_tftp.p12", vector("modern-caname.p12"));
    assert_eq!(
        lab.consolidate("src", BulkType::Tftp).end,
        End::Consolidated
    );
    let file = &lab.directory.files()["consolidated_tftp.p12"];
    let entries = p12::read(file, "cisco").unwrap();
    assert_eq!(entries.len(), 8);
    let aliases: Vec<_> = entries.iter().filter_map(|e| e.alias.as_deref()).collect();
    assert!(aliases.contains(&"one"));
    assert!(aliases.contains(&"cucm1@other_tftp.p12#0"));
    assert!(aliases.contains(&"src/src-pub/CallManager/10.5.2"));
}

#[test]
fn too_many_certificates_and_too_many_files_are_refused() {
    let mut lab = Lab::new();
    lab.export("src", BulkType::Tftp);
    let der = vector("../keys/a-ccm.der");
    let many: Vec<_> = (0..600)
        .map(|n| P12Entry {
            alias: Some(format!("{n}")),
            der: der.clone(),
        })
        .collect();
    let bytes = p12::write(&many, &lab.settings.password, Form::Modern, 1).unwrap();
    for node in ["a", "b"] {
        lab.directory
            .put(format!("{node}@other_tftp.p12"), bytes.clone());
    }
    match lab.consolidate("src", BulkType::Tftp).end {
        End::Refused(Refusal::CannotWrite { error, .. }) => {
            assert!(matches!(error, P12Error::TooManyCertificates { .. }));
        }
        other => panic!("{other:?}"),
    }
    // No file is looked at any more after one that cannot be used.
    let mut lab = Lab::new();
    lab.export("src", BulkType::Tftp);
    for node in ["a", "b", "c"] {
        lab.directory.put(format!("{node}@dst_tftp.p12"), vec![0]);
    }
    let before = lab.directory.executed();
    assert!(matches!(
        lab.consolidate("src", BulkType::Tftp).end,
        End::Refused(Refusal::BadFile { file, .. }) if file == "a@dst_tftp.p12"
    ));
    assert_eq!(lab.directory.executed() - before, 2, "a list and a read");

    let mut run = lab.page("src").refresh();
    run.poll_operation();
    let file = |n: usize| Listed {
        name: n.to_string(),
        bytes: 1,
    };
    run.handle_result(DirectoryResult::Listed((0..10_001).map(file).collect()));
    assert!(matches!(
        run.into_outcome().unwrap().end,
        End::Refused(Refusal::TooManyFiles { files: 10_001, .. })
    ));
}

#[test]
fn what_a_run_reads_is_bounded() {
    let lab = Lab::new();
    let exported = |n: usize, bytes| Listed {
        name: format!("n{n}@c{}_tftp.p12", n % 2),
        bytes,
    };
    for (files, bytes, is_refused) in [
        (1_000, 1, false),
        (1_001, 1, true),
        (17, p12::MAX_BYTES as u64, true),
        (16, p12::MAX_BYTES as u64, false),
    ] {
        let mut run = lab.page("src").consolidate(BulkType::Tftp);
        run.poll_operation();
        let listed = (0..files).map(|n| exported(n, bytes)).collect();
        run.handle_result(DirectoryResult::Listed(listed));
        let outcome = run.outcome();
        assert_eq!(outcome.is_some(), is_refused, "{files} of {bytes}");
        if let Some(outcome) = outcome {
            assert!(matches!(
                &outcome.end,
                End::Refused(Refusal::TooMuchToRead { files: n, .. }) if *n == files
            ));
        }
    }

    // A server that says one size and sends another.
    let good = {
        let mut lab = Lab::new();
        lab.export("src", BulkType::Tftp);
        lab.directory.files()["src-pub@src_tftp.p12"].clone()
    };
    let mut run = lab.page("src").export(
        BulkType::All,
        &trustline::cluster::bulk::certificates_of(&lab.src),
    );
    run.poll_operation();
    let consolidated = |unit| Listed {
        name: lab.settings.file_names.consolidated(unit),
        bytes: 1,
    };
    let listed = Unit::ALL.map(consolidated).to_vec();
    run.handle_result(DirectoryResult::Listed(listed));
    assert!(run.poll_operation().is_some());
    let mut large = good;
    large.resize(33 * 1024 * 1024, 0);
    run.handle_result(DirectoryResult::Read(large));
    assert!(matches!(
        run.into_outcome().unwrap().end,
        End::Refused(Refusal::TooMuchToRead { files: 1, .. })
    ));
}
