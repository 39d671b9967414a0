//! A fault at every operation of every run: a clear end, nothing half done, and the same run again
//! does it.

use trustline::cluster::bulk::directory::{DirectoryFault, DirectoryOperation, DirectoryResult};
use trustline::cluster::bulk::{End, FileRole, Note, Outcome, Run, Unit};
use trustline::cluster::release::BulkType;

use crate::lab::Lab;
use crate::types::SEALED;

fn faults() -> Vec<DirectoryFault> {
    vec![
        DirectoryFault::Unreachable("connection refused".into()),
        DirectoryFault::HostKeyChanged {
            expected: "SHA256:a".into(),
            found: "SHA256:b".into(),
        },
        DirectoryFault::LoginRefused,
        DirectoryFault::NoDirectory,
        DirectoryFault::ReadOnly,
        DirectoryFault::DiskFull,
        DirectoryFault::Cut,
        DirectoryFault::Other("failure".into()),
    ]
}

/// Every fault at every operation of what `make` makes in the lab.
fn at_every_operation(lab: &mut Lab, is_done: fn(&End) -> bool, make: impl Fn(&Lab) -> Run) {
    let clean = lab.directory.clone();
    let outcome = lab.carry_out(make(lab));
    assert!(is_done(&outcome.end), "{:?}", outcome.end);
    let operations = lab.directory.executed() - clean.executed();
    let after = lab.contents();
    for nth in 0..operations {
        for fault in faults() {
            lab.directory = clean.clone();
            let before = lab.contents();
            lab.directory.fail_at(nth, fault.clone());
            let outcome = lab.carry_out(make(lab));
            check_end(&outcome, &fault, is_done, nth);
            // Under its final name every file is whole: what it was, or what it was to become.
            let unfinished = take_unfinished(lab);
            for (name, certificates) in lab.contents() {
                let is_old = before.get(&name) == Some(&certificates);
                let is_new = after.get(&name) == Some(&certificates);
                assert!(is_old || is_new, "{name} after {fault} at {nth}");
            }
            for (name, bytes) in clean.files() {
                let ours = name.contains(&format!("@{}_", outcome.cluster))
                    || name.starts_with("consolidated");
                if !ours {
                    assert_eq!(lab.directory.files().get(name), Some(bytes), "{name}");
                }
            }
            // The same again, with what was left behind.
            for (name, bytes) in unfinished {
                lab.directory.put(name, bytes);
            }
            lab.directory.reconnect();
            let again = lab.carry_out(make(lab));
            let was_last = matches!(&again.end, End::Refused(r) if r.missing_step() == "import on each cluster");
            assert!(is_done(&again.end) || was_last, "{:?}", again.end);
            if !was_last {
                assert!(take_unfinished(lab).is_empty(), "{fault} at {nth}");
                assert_eq!(lab.contents(), after);
            }
        }
    }
}

fn check_end(outcome: &Outcome, fault: &DirectoryFault, is_done: fn(&End) -> bool, nth: u64) {
    match &outcome.end {
        End::Failed(failure) => {
            assert_eq!(failure.fault, *fault);
            let text = failure.to_string();
            let is_of_connection = fault.ends_connection() && *fault != DirectoryFault::Cut;
            assert_eq!(text.starts_with("failed to "), !is_of_connection, "{text}");
            assert!(text.contains(&fault.to_string()));
        }
        // Only the list afterwards failed, or a look that the run did not need.
        end => {
            assert!(is_done(end), "{end:?} after {fault} at {nth}");
            let not_compared =
                |note: &Note| matches!(note, Note::NotCompared { fault: f, .. } if f == fault);
            if outcome.notes.iter().any(not_compared) {
                assert!(!fault.ends_connection());
            } else {
                assert!(outcome.notes.contains(&Note::NotListed(fault.clone())));
                assert_eq!(outcome.listing, None);
            }
        }
    }
}

fn take_unfinished(lab: &mut Lab) -> Vec<(String, Vec<u8>)> {
    let names: Vec<_> = lab.directory.files().keys().cloned().collect();
    let mut taken = Vec::new();
    for name in names.into_iter().filter(|n| n.starts_with('.')) {
        let bytes = lab.directory.take(&name).unwrap();
        taken.push((name, bytes));
    }
    taken
}

#[test]
fn a_first_export() {
    let mut lab = Lab::new();
    lab.export("dst", BulkType::Tftp);
    let is_done = |end: &End| *end == End::Exported;
    at_every_operation(&mut lab, is_done, |lab| {
        lab.export_run("src", BulkType::Tftp)
    });
}

#[test]
fn an_export_over_an_earlier_one() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    let kind = trustline::cluster::CertificateKind::CallManager;
    let (src, keys) = (&mut lab.src, &mut lab.keys);
    src.regenerate("src-sub", kind, crate::lab::DATE, keys)
        .unwrap();
    let is_done = |end: &End| *end == End::Exported;
    at_every_operation(&mut lab, is_done, |lab| {
        lab.export_run("src", BulkType::Tftp)
    });
}

#[test]
fn a_consolidation() {
    let mut lab = Lab::new();
    for id in ["src", "dst"] {
        lab.export(id, BulkType::Tftp);
        lab.export(id, BulkType::Tomcat);
    }
    let is_done = |end: &End| *end == End::Consolidated;
    at_every_operation(&mut lab, is_done, |lab| {
        lab.page("src").consolidate(BulkType::All)
    });
}

#[test]
fn an_import() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    let is_done = |end: &End| matches!(end, End::Fetched(_));
    at_every_operation(&mut lab, is_done, |lab| {
        lab.page("dst").import(BulkType::Tftp)
    });
}

#[test]
fn a_full_disk_keeps_what_is_whole() {
    let mut lab = Lab::new();
    lab.export("dst", BulkType::Tftp);
    let used: usize = lab.directory.files().values().map(Vec::len).sum();
    let one = lab.directory.files()["dst-pub@dst_tftp.p12"].len();
    lab.directory
        .set_capacity(Some((used + one + one / 2) as u64));
    let outcome = lab.export("src", BulkType::Tftp);
    let End::Failed(failure) = &outcome.end else {
        panic!("{:?}", outcome.end);
    };
    assert_eq!(failure.fault, DirectoryFault::DiskFull);
    assert_eq!(outcome.written, ["src-pub@src_tftp.p12"]);
    // Two nodes with a companion each, and the one file that had room.
    assert_eq!(lab.contents().len(), 5);
    assert_eq!(outcome.listing.unwrap().files().len(), 5);
}

#[test]
fn a_read_only_directory_can_be_imported_from() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    lab.directory.set_read_only(true);
    let outcome = lab.export("src", BulkType::Tftp);
    let End::Failed(failure) = outcome.end else {
        panic!("{:?}", outcome.end);
    };
    assert_eq!(failure.fault, DirectoryFault::ReadOnly);
    assert!(
        failure
            .operation
            .starts_with("write .src-pub@src_tftp.p12@src.part")
    );
    assert!(matches!(
        lab.import("src", BulkType::Tftp).end,
        End::Fetched(_)
    ));
}

#[test]
fn a_cut_after_the_old_file_was_removed_is_said() {
    let mut lab = Lab::new();
    lab.export("src", BulkType::Tftp);
    // List, write, remove; the rename is cut.
    lab.directory.fail_at(3, DirectoryFault::Cut);
    let outcome = lab.export("src", BulkType::Tftp);
    let file = "src-pub@src_tftp.p12".to_owned();
    let part = ".src-pub@src_tftp.p12@src.part".to_owned();
    let note = Note::NotRenamed {
        file: file.clone(),
        part: part.clone(),
    };
    assert!(outcome.notes.contains(&note), "{:?}", outcome.notes);
    assert!(!lab.directory.files().contains_key(&file));
    assert!(lab.directory.files().contains_key(&part));
}

#[test]
fn a_rename_that_fails_leaves_the_only_whole_file() {
    for replaces in [true, false] {
        let mut lab = Lab::new();
        if replaces {
            lab.export("src", BulkType::Tftp);
        }
        // List, write, where there is an old file remove; the rename is refused.
        let rename = if replaces { 3 } else { 2 };
        let fault = DirectoryFault::Other("no".to_owned());
        lab.directory.fail_at(rename, fault);
        let outcome = lab.export("src", BulkType::Tftp);
        assert!(matches!(outcome.end, End::Failed(_)));
        let part = ".src-pub@src_tftp.p12@src.part";
        assert_eq!(lab.directory.files().contains_key(part), replaces);
        let said = outcome
            .notes
            .iter()
            .any(|n| matches!(n, Note::NotRenamed { .. }));
        assert_eq!(said, replaces);
        // The next export puts it right.
        assert_eq!(lab.export("src", BulkType::Tftp).end, End::Exported);
        assert!(!lab.directory.files().contains_key(part));
        assert!(lab.directory.files().contains_key("src-pub@src_tftp.p12"));
    }
}

#[test]
fn what_a_cluster_no_longer_has_is_said() {
    let mut lab = Lab::new();
    lab.export("src", BulkType::All);
    let of_pub = lab.directory.files()["src-pub@src_tftp.p12"].clone();
    lab.directory.put("gone-sub@SRC_tftp.p12", of_pub.clone());
    lab.directory.put("gone-sub@other_tftp.p12", of_pub);
    let outcome = lab.export("src", BulkType::Tftp);
    let abandoned = |n: &&Note| matches!(n, Note::Abandoned { .. });
    let notes: Vec<_> = outcome.notes.iter().filter(abandoned).collect();
    assert_eq!(
        notes,
        [&Note::Abandoned {
            file: "gone-sub@SRC_tftp.p12".to_owned(),
            cluster: "src".to_owned(),
        }]
    );
}

#[test]
fn what_another_cluster_left_unfinished_is_not_touched() {
    let mut lab = Lab::new();
    lab.directory.fail_at(1, DirectoryFault::Cut);
    let outcome = lab.export("dst", BulkType::Tftp);
    let file = ".dst-pub@dst_tftp.p12@dst.part".to_owned();
    assert!(
        outcome
            .notes
            .contains(&Note::Unfinished { file: file.clone() })
    );
    lab.directory.reconnect();
    let outcome = lab.export("src", BulkType::Tftp);
    let listing = outcome.listing.unwrap();
    let cluster = "dst".to_owned();
    assert_eq!(
        listing.file(&file).unwrap().role,
        FileRole::Unfinished { cluster }
    );
    // It counts for nothing.
    assert!(matches!(
        lab.consolidate("src", BulkType::Tftp).end,
        End::Refused(_)
    ));
    assert!(lab.directory.files().contains_key(&file));
}

#[test]
fn a_consolidation_beside_an_export_that_broke_off_says_so() {
    let mut lab = Lab::new();
    lab.export("src", BulkType::Tftp);
    // The second node's file is cut: the first one's is there, whole.
    lab.directory.fail_at(3, DirectoryFault::Cut);
    let outcome = lab.export("dst", BulkType::Tftp);
    assert_eq!(outcome.written, ["dst-pub@dst_tftp.p12"]);
    lab.directory.reconnect();
    let outcome = lab.consolidate("src", BulkType::Tftp);
    assert_eq!(outcome.end, End::Consolidated);
    let (file, cluster) = (".dst-sub@dst_tftp.p12@dst.part".into(), "dst".into());
    assert_eq!(outcome.notes, [Note::OthersUnfinished { file, cluster }]);
    // What the note asks for makes it good.
    lab.export("dst", BulkType::Tftp);
    let outcome = lab.consolidate("src", BulkType::Tftp);
    let (unit, cluster) = (Unit::CallManagerEcdsa, "dst".into());
    let notes = vec![Note::OneClusterOnly { unit, cluster }];
    assert_eq!((outcome.end, outcome.notes), (End::Consolidated, notes));
}

#[test]
fn an_export_does_not_need_the_consolidated_file() {
    let mut lab = Lab::new().ready(BulkType::Tftp);
    let file = "consolidated_tftp.p12".to_owned();
    // List, then the read: it belongs to another user, or is being replaced.
    let denied = DirectoryFault::Other("permission denied".into());
    for (fault, notes) in [
        (
            denied.clone(),
            vec![
                SEALED,
                Note::NotCompared {
                    file: file.clone(),
                    fault: denied.clone(),
                },
            ],
        ),
        (DirectoryFault::NoFile, vec![SEALED]),
    ] {
        lab.directory.fail_at(1, fault);
        let outcome = lab.export("src", BulkType::Tftp);
        assert_eq!((outcome.end, outcome.notes), (End::Exported, notes));
    }
    // Nor does a consolidation, which makes it anew; an import does.
    for (nth, fault) in [(7, denied.clone()), (7, DirectoryFault::NoFile)] {
        lab.directory.fail_at(nth, fault);
        let outcome = lab.consolidate("src", BulkType::Tftp);
        assert_eq!(outcome.end, End::Consolidated);
    }
    lab.directory.fail_at(1, denied.clone());
    match lab.import("dst", BulkType::Tftp).end {
        End::Failed(failure) => assert_eq!(failure.fault, denied),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_driver_that_answers_out_of_turn_does_no_harm() {
    let lab = Lab::new();
    let mut run = lab.page("src").refresh();
    run.handle_result(DirectoryResult::Done);
    assert_eq!(run.outcome(), None);
    assert_eq!(run.poll_operation(), Some(DirectoryOperation::List));
    assert_eq!(run.poll_operation(), None);
    run.handle_result(DirectoryResult::Read(vec![1]));
    assert!(matches!(run.outcome().unwrap().end, End::Failed(_)));
    run.handle_result(DirectoryResult::Listed(Vec::new()));
    assert!(matches!(run.outcome().unwrap().end, End::Failed(_)));
    assert_eq!(run.poll_operation(), None);
}
