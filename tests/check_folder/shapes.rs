//! Folders of every shape: flat, hostile, of a whole world.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use trustline::check::answer::State;
use trustline::check::conditions;
use trustline::check::evidence::{At, Door, FileReply, Known, Side, Sides};
use trustline::check::folder::{self, Files};
use trustline::check::inventory;
use trustline::check::predict::Move;
use trustline::cli::check::files::read_folder;
use trustline::cluster::TrustStore;
use trustline::scenario::words::Verdict;

use crate::{ROOT, by_hand, looked, migration, pem, put_node, read, scenario_text, sent, subjects};

/// One node of a cluster, everything in one folder.
fn flat(side: &Side, node: &str) -> Files {
    let mut nested = Files::new();
    put_node(&mut nested, "", side.node(node).unwrap());
    let flat = |(path, bytes): (String, Arc<[u8]>)| {
        let lies_flat = path.starts_with("tftp/") || path.starts_with("certificates/");
        let path = if lies_flat {
            path.rsplit('/').next().unwrap().to_owned()
        } else {
            path
        };
        (path, bytes)
    };
    nested.into_iter().map(flat).collect()
}

#[test]
fn a_flat_folder_is_a_node_with_the_name_that_its_lists_have() {
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let side = &looked.sides.sides[0];
    let files = flat(side, "src-pub");
    let found = read("somewhere", &files);
    assert_eq!(found.side.failures, Vec::<String>::new());
    let node = &found.side.nodes[0];
    assert_eq!(node.name, "src-pub");
    let own = side.node("src-pub").unwrap();
    assert_eq!(
        node.tftp.replies["ITLFile.tlv"],
        own.tftp.replies["ITLFile.tlv"]
    );
    assert_eq!(node.tftp.door, Known::Yes(Door::Open));
    assert_eq!(node.https.door, Known::Yes(Door::Refused));
    assert_eq!(node.tvs.certificate, own.tvs.certificate);
    // The other node is known from the configuration, its TVS certificate from the list.
    let sub = found.side.node("src-sub").unwrap();
    let real = side.node("src-sub").unwrap();
    assert_eq!(sub.tvs.certificate, real.tvs.certificate);
    assert!(sub.tftp.door.get().is_none() && sub.tvs.door.get().is_none());
    // Nobody looked for what is not there, unless somebody says so.
    let other = node.tftp.reply("SEPFFFFFFFFFFFF.cnf.xml.sgn");
    let Known::No(why) = other else {
        panic!("{other:?}")
    };
    assert!(why.contains("not-served.txt"), "{why}");
    let mut less = files.clone();
    less.remove("services.txt");
    let less = read("somewhere", &less).side;
    assert_eq!(less.nodes[0].tftp.door, Known::Yes(Door::Open));
    assert!(less.nodes[0].tftp.concluded && less.nodes[0].http.concluded);
    assert!(!node.tftp.concluded && !node.https.concluded);
    let sides = Sides::of(vec![less.clone()]);
    let plan = Move {
        option_150: vec![sides.address(At(0, 0))],
        resets: 3,
    };
    let clock = looked.phones[0].1.setup.clock;
    let all = conditions::all(&sides, &plan, &[], clock, &[]);
    let entry = all.iter().find(|c| c.name == "option-150").unwrap();
    assert_eq!(entry.state, State::Note, "{entry:?}");
    let told = all.iter().filter(|c| c.name == "nodes-reachable");
    let mut told = told.filter(|c| c.about.contains("src-pub"));
    let found = told.next().unwrap();
    assert!(
        found
            .text
            .contains("TFTP not asked: files lie in the folder"),
        "{found:?}"
    );
    let Known::No(why) = &less.nodes[0].tvs.door else {
        panic!("TVS was not looked at")
    };
    assert!(why.contains("utils service list"), "{why}");
}

#[test]
fn a_list_under_a_phones_name_and_names_in_other_cases_count() {
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let side = &looked.sides.sides[0];
    let mut files = flat(side, "src-pub");
    let list = files.remove("ITLFile.tlv").unwrap();
    files.retain(|name, _| !name.starts_with("ITLSEP"));
    files.insert("itlsep0011223344ff.TLV".into(), Arc::clone(&list));
    let found = read("x", &files);
    let node = &found.side.nodes[0];
    let expected = Known::Yes(FileReply::File(list));
    assert_eq!(*node.tftp.reply("ITLSEP0011223344FF.tlv"), expected);
    assert_eq!(*node.tftp.reply("ITLFile.tlv"), expected);
    assert!(
        found
            .notes
            .iter()
            .any(|n| n.contains("ITLSEP0011223344FF.tlv"))
    );
    // Two that differ stand for neither.
    files.insert("ITLSEP001122334499.tlv".into(), b"other"[..].into());
    let found = read("x", &files);
    assert!(
        found.side.nodes[0]
            .tftp
            .reply("ITLFile.tlv")
            .get()
            .is_none()
    );
    assert!(
        found
            .side
            .failures
            .iter()
            .any(|f| f.contains("ITLSEP001122334499.tlv"))
    );
}

#[test]
fn a_foreign_certificate_in_a_flat_folder_is_no_own_one() {
    let looked = looked(&scenario_text("certificates-not-imported.toml")).unwrap();
    let [source, destination] = &looked.sides.sides[..] else {
        panic!("two clusters")
    };
    let foreign = &destination.node("dst-pub").unwrap().certificates;
    let mut files = by_hand(source);
    for (kind, certificate) in foreign {
        files.insert(format!("src-pub/{kind}-of-dst.cer"), pem(certificate));
        files.insert(format!("{kind}.pem"), pem(certificate));
    }
    let found = read("source", &files);
    for node in &found.side.nodes {
        for (_, own) in &node.certificates {
            assert!(!foreign.iter().any(|(_, f)| f.der == own.der));
        }
    }
    let subject = subjects(&looked)["source"];
    let sides = Sides::of(vec![
        found.side,
        read("destination", &by_hand(destination)).side,
    ]);
    assert_eq!(
        sent(&sides, subject, "destination").verdict,
        Verdict::Stranded
    );
    assert!(found.notes.iter().any(|n| n.contains("not counted")));
}

#[test]
fn nodes_are_called_as_configurations_call_them() {
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let mut side = looked.sides.sides[0].clone();
    for node in &mut side.nodes {
        node.name = format!("{}.voice.example.com", node.name.to_uppercase());
    }
    let found = read("source", &by_hand(&side)).side;
    let names: Vec<_> = found.nodes.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["src-pub", "src-sub"]);
}

#[test]
fn hostile_paths_and_sizes_end_well() {
    let (folders, _) = migration();
    let mut files = folders[0].1.clone();
    for path in [
        "../ITLFile.tlv",
        "/etc/passwd",
        "src-pub/../../x.tlv",
        "src-pub/tftp/../../../ITLFile.tlv",
        "src-pub\\tftp\\ITLFile.tlv",
        "C:/ITLFile.tlv",
        "src-pub//tftp/ITLFile.tlv",
        "",
        "\u{1b}[2J/ITLFile.tlv",
        &"a/".repeat(2_000),
    ] {
        files.insert(path.to_owned(), b"x"[..].into());
    }
    let huge: Arc<[u8]> = vec![0; folder::MAX_FILE + 1].into();
    files.insert("src-pub/tftp/CTLFile.tlv".into(), Arc::clone(&huge));
    files.insert("src-pub/stores/CallManager-trust/huge.pem".into(), huge);
    for number in 0..500 {
        files.insert(format!("node-{number:03}/ITLFile.tlv"), b"x"[..].into());
    }
    let found = read("source", &files).side;
    assert!(found.nodes.len() <= folder::MAX_NODES);
    assert!(found.failures.len() <= 201, "{}", found.failures.len());
    let all = found.failures.join("\n");
    for part in [
        "/etc/passwd",
        "C:/ITLFile.tlv",
        "huge.pem",
        "limit of 64 nodes",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
    assert!(!all.contains('\u{1b}'));
    let mut many = Files::new();
    for number in 0..folder::MAX_FILES + 10 {
        many.insert(format!("n/tftp/SEP{number:012X}.cnf.xml"), b"x"[..].into());
    }
    let found = read("source", &many).side;
    assert!(
        found
            .failures
            .iter()
            .any(|f| f.contains("10 of 50010 files"))
    );
}

#[test]
fn a_world_and_an_empty_folder_are_told() {
    let mut files = Files::new();
    let told = read("x", &files).side.failures;
    assert!(told[0].contains("holds nothing of a cluster"), "{told:?}");
    files.insert("clusters/source/src-pub/tftp/ITLFile.tlv".into(), [].into());
    files.insert("scenario.toml".into(), [].into());
    let told = read("x", &files).side.failures;
    assert!(told[0].contains("x/clusters/ID"), "{told:?}");
}

fn kept(scenario: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let world = dir.path().join("world");
    let status = Command::new(env!("CARGO_BIN_EXE_trustline"))
        .args(["rehearse", "--keep", world.to_str().unwrap()])
        .arg(format!("{ROOT}/scenarios/{scenario}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    (dir, world)
}

#[test]
fn what_a_rehearsal_keeps_is_a_cluster() {
    let (_dir, world) = kept("non-secure-migration.toml");
    let files = read_folder(&world.join("clusters/source")).unwrap();
    assert_eq!(files.failures, Vec::<String>::new());
    let found = read("source", &files.files);
    assert_eq!(found.side.failures, Vec::<String>::new());
    let names: Vec<_> = found.side.nodes.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["src-pub", "src-sub"]);
    for node in &found.side.nodes {
        assert!(node.stores[&TrustStore::PhoneSast].get().unwrap().len() > 1);
        assert!(node.tvs.replies.len() > 5);
    }
    let flashes = inventory::flashes(&read_folder(&world).unwrap().files);
    assert_eq!(flashes.len(), 5);
    for flash in flashes.values() {
        assert!(flash.get("ITLFile.tlv").is_some() && flash.get("config.xml").is_some());
        let state = flash.get("state.json").unwrap();
        let state: serde_json::Value = serde_json::from_slice(state).unwrap();
        assert_eq!(state["tvs_answers"], serde_json::json!([]));
    }
    let told = read("world", &read_folder(&world).unwrap().files)
        .side
        .failures;
    assert!(told.iter().any(|f| f.contains("clusters/ID")), "{told:?}");
}
