//! Clusters put into folders by hand and read again: what is predicted from the files is what is
//! predicted from the clusters, or unknown, and never better.

#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]
#![allow(clippy::disallowed_methods, reason = "tests read scenarios")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use der::pem::{LineEnding, encode_string};
use trustline::check::answer::{Fate, State};
use trustline::check::conditions;
use trustline::check::evidence::{At, Door, FileReply, Known, Node, Side, Sides, TvsReply};
use trustline::check::folder::{self, Files, Options, Read};
use trustline::check::groups::{Asked, groups};
use trustline::check::inventory::{self, Held, How};
use trustline::check::predict::{Move, Prediction, Subject, predict};
use trustline::check::recording;
use trustline::cli::check::files::read_folder;
use trustline::cluster::{PublicCertificate, TrustStore};
use trustline::phone::Flash;
use trustline::scenario::exported::{self, Looked};
use trustline::scenario::words::Verdict;
use trustline::scenario::{Rules, parse};
use trustline::trust::rules::{self, Key, Settings};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn scenario_text(name: &str) -> String {
    let path = Path::new(ROOT).join("scenarios").join(name);
    fs::read_to_string(path).unwrap()
}

fn looked(text: &str) -> Option<Looked> {
    let scenario = parse("world.toml", text, &Rules).unwrap();
    exported::before_move(&scenario).ok()
}

fn read(name: &str, files: &Files) -> Read {
    read_by(name, files, &Settings::default())
}

fn read_by(name: &str, files: &Files, settings: &Settings) -> Read {
    let options = Options {
        name,
        place: name,
        passwords: &["secret".to_owned(), String::new()],
        settings,
    };
    folder::read(files, &options)
}

fn pem(certificate: &PublicCertificate) -> Arc<[u8]> {
    let pem = encode_string("CERTIFICATE", LineEnding::LF, &certificate.der);
    pem.unwrap().into_bytes().into()
}

/// The folder that an engineer would make of a node.
fn put_node(files: &mut Files, at: &str, node: &Node) {
    let mut put = |path: String, bytes: &[u8]| {
        files.insert(format!("{at}{path}"), bytes.into());
    };
    let mut not_served = String::from("# what the node does not have\n");
    for (name, reply) in &node.tftp.replies {
        match reply {
            Known::Yes(FileReply::File(bytes)) => put(format!("tftp/{name}"), bytes),
            Known::Yes(_) => not_served.push_str(&format!("{name}\n")),
            Known::No(_) => {}
        }
    }
    put("not-served.txt".into(), not_served.as_bytes());
    for (kind, certificate) in &node.certificates {
        put(format!("certificates/{kind}.pem"), &pem(certificate));
    }
    for (store, held) in &node.stores {
        put(format!("stores/{store}/.keep"), b"");
        for (number, certificate) in held.get().unwrap().iter().enumerate() {
            put(format!("stores/{store}/{number}.pem"), &pem(certificate));
        }
    }
    let state = |door: &Known<Door>| match door.get() {
        Some(Door::Open) => "[STARTED]",
        _ => "[STOPPED]  Commanded Out of Service",
    };
    let services = format!(
        "Requesting service status, please wait...\nCisco Tftp{}\nCisco CallManager{}\n\
         Cisco CallManager Serviceability[STARTED]\nCisco Trust Verification Service{}\n",
        state(&node.tftp.door),
        state(&node.callmanager),
        state(&node.tvs.door)
    );
    put("services.txt".into(), services.as_bytes());
}

fn by_hand(side: &Side) -> Files {
    let mut files = Files::new();
    for node in &side.nodes {
        put_node(&mut files, &format!("{}/", node.name), node);
    }
    let yes = |known: &Known<bool>| {
        if known.get() == Some(&true) {
            "yes"
        } else {
            "no"
        }
    };
    let parameters = format!(
        "auto-registration = {}\nprepare-cluster-for-rollback = {}\n",
        yes(&side.parameters.auto_registration),
        yes(&side.parameters.prepare_for_rollback)
    );
    files.insert("parameters.txt".into(), parameters.as_bytes().into());
    files
}

fn sides_of(folders: &[(String, Files)]) -> Sides {
    let read = |(name, files): &(String, Files)| read(name, files).side;
    Sides {
        sides: folders.iter().map(read).collect(),
    }
}

/// Sends a phone to all TFTP nodes of a cluster.
fn sent(sides: &Sides, subject: &Subject, to: &str) -> Prediction {
    let of_side = |at: &At| sides.sides[at.0].name == to;
    let serves = |node: &Node| {
        node.tftp
            .replies
            .values()
            .any(|r| r.get().is_some_and(|r| r.file().is_some()))
    };
    let nodes = sides
        .nodes()
        .filter(|(at, node)| of_side(at) && serves(node));
    let plan = Move {
        option_150: nodes.map(|(at, _)| sides.address(at)).collect(),
        resets: 3,
    };
    predict(sides, subject, &plan)
}

fn follows(prediction: &Prediction) -> bool {
    matches!(prediction.verdict, Verdict::Migrated | Verdict::Unchanged)
}

/// One phone of each cluster.
fn subjects(looked: &Looked) -> BTreeMap<&str, &Subject> {
    let mut subjects = BTreeMap::new();
    for (home, subject) in &looked.phones {
        subjects.entry(home.as_str()).or_insert(subject);
    }
    subjects
}

fn built_in() -> Vec<(String, Looked)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(Path::new(ROOT).join("scenarios")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            all.extend(looked(&text).map(|looked| (name, looked)));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn files_of_every_built_in_scenario_predict_what_its_clusters_do() {
    let mut same = 0;
    let mut others = Vec::new();
    for (name, looked) in built_in() {
        // What was imported after TVS started cannot be seen in its store: that is noted.
        if name == "tvs-not-restarted" {
            continue;
        }
        let clusters = &looked.sides;
        let folders = clusters.sides.iter();
        let folders: Vec<_> = folders.map(|s| (s.name.clone(), by_hand(s))).collect();
        let of_files = sides_of(&folders);
        for side in &of_files.sides {
            assert_eq!(side.failures, Vec::<String>::new(), "{name}");
        }
        for (home, subject) in subjects(&looked) {
            for to in clusters.sides.iter().map(|s| &s.name) {
                let expected = sent(clusters, subject, to);
                let found = sent(&of_files, subject, to);
                let what = format!(
                    "{name}, {home} to {to}: {} {:?} of clusters, {} {:?} {:?} of files",
                    expected.verdict,
                    expected.reason(),
                    found.verdict,
                    found.reason(),
                    found.gap
                );
                assert!(follows(&expected) || !follows(&found), "{what}");
                if expected.verdict == found.verdict && expected.flash == found.flash {
                    same += 1;
                } else {
                    others.push(what);
                }
            }
        }
    }
    // What a node says over HTTP alone, and certificates of its HTTPS server, no folder tells.
    assert!(
        same > 100 && others.len() * 10 < same,
        "{same}:\n{}",
        others.join("\n")
    );
}

#[test]
fn what_tvs_says_is_derived_as_a_cluster_says_it() {
    let mut found = 0;
    for (name, looked) in built_in() {
        for side in &looked.sides.sides {
            let files = by_hand(side);
            let read = read(&side.name, &files);
            assert!(read.notes.iter().any(|n| n.contains("tvs.restart_needed")));
            for node in &side.nodes {
                let again = read.side.node(&node.name).unwrap();
                assert_eq!(again.tvs.certificate, node.tvs.certificate, "{name}");
                let open = Known::Yes(Door::Open);
                assert_eq!(
                    again.callmanager == open,
                    node.callmanager == open,
                    "{name}"
                );
                assert_eq!(again.stores, node.stores, "{name}");
                if node.tvs.door != Known::Yes(Door::Open) {
                    continue;
                }
                for (signer, said) in &node.tvs.replies {
                    let derived = again.tvs.reply(signer);
                    let mut is_own = |r: &Known<TvsReply>| match r {
                        Known::Yes(TvsReply::Found(f)) => {
                            found += 1;
                            Some((f.certificate.clone(), f.ttl_secs))
                        }
                        _ => None,
                    };
                    // Roles hang on the scenario's own rules.
                    if name.contains("roles") || name.contains("restart") {
                        continue;
                    }
                    let is_same = is_own(derived) == is_own(said);
                    assert!(is_same, "{name}, {}: {signer:?}", node.name);
                }
            }
        }
    }
    assert!(found > 200, "{found}");
}

/// Of a scenario whose phones follow through TVS: both folders and the phone.
fn migration() -> (Vec<(String, Files)>, Subject) {
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let folders = looked.sides.sides.iter();
    let folders: Vec<_> = folders.map(|s| (s.name.clone(), by_hand(s))).collect();
    let subject = subjects(&looked)["source"].clone();
    (folders, subject)
}

#[test]
fn a_tvs_that_may_not_have_been_restarted_is_not_told_by_its_stores() {
    let (folders, subject) = migration();
    let mut settings = Settings::default();
    let rule = rules::rule(Key::TvsRestartNeeded);
    settings.choose(rule, rule.parse("yes").unwrap());
    let sides = Sides {
        sides: folders
            .iter()
            .map(|(name, files)| read_by(name, files, &settings).side)
            .collect(),
    };
    let found = sent(&sides, &subject, "destination");
    assert_eq!(found.verdict, Verdict::Unknown);
    let gap = found.gap.unwrap();
    assert!(gap.why.contains("tvs.restart_needed"), "{gap:?}");
}

/// Whatever was concluded when a folder was recorded, the recording says by the rules of its reader
/// what the folder says.
#[test]
fn a_folder_and_its_recording_are_one_cluster_by_any_rules() {
    let all = choices_of_tvs();
    let mut told = 0;
    for (name, looked) in built_in().into_iter().take(12) {
        for side in &looked.sides.sides {
            let whole = by_hand(side);
            // Only lists tell whose TVS it is, and which certificate it shows.
            let mut listed = whole.clone();
            listed.retain(|path, _| !path.contains("/certificates/"));
            for files in [whole, listed] {
                let recordings: Vec<Files> = all
                    .iter()
                    .map(|rules| recording::write(&read_by(&side.name, &files, rules).side))
                    .collect();
                assert!(recordings.iter().all(|r| *r == recordings[0]), "{name}");
                for rules in &all {
                    let first = read_by(&side.name, &files, rules);
                    let again = read_by(&side.name, &recordings[0], rules);
                    assert!(again.side == first.side, "{name}, {}", side.name);
                    assert_eq!(again.notes, first.notes, "{name}, {}", side.name);
                    told += first.notes.len();
                }
            }
        }
    }
    assert!(told > 100, "{told}");
}

/// Both choices of both rules by which answers follow from stores.
fn choices_of_tvs() -> Vec<Settings> {
    let mut all = Vec::new();
    for restart in ["no", "yes"] {
        for roles in ["by-store", "callmanager-trust-gives-both"] {
            let mut settings = Settings::default();
            for (key, word) in [
                (Key::TvsRestartNeeded, restart),
                (Key::TvsRolesOfStore, roles),
            ] {
                let rule = rules::rule(key);
                settings.choose(rule, rule.parse(word).unwrap());
            }
            all.push(settings);
        }
    }
    all
}

/// A part of a recording that is gone leaves TVS's answers unknown, and nobody takes them for heard.
#[test]
fn answers_are_not_concluded_from_half_a_recording() {
    let (folders, _) = migration();
    let (name, files) = &folders[0];
    let recorded = recording::write(&read(name, files).side);
    let is_part = |path: &&String| {
        path.contains("/certificates/") || path.ends_with(".tlv") || path.contains("/stores/P")
    };
    let parts: Vec<_> = recorded.keys().filter(is_part).cloned().collect();
    assert!(parts.len() > 8, "{parts:?}");
    for path in parts {
        let mut less = recorded.clone();
        less.remove(&path);
        let read = read(name, &less);
        let of_part = path.split('/').next();
        for node in &read.side.nodes {
            if path.contains("/stores/") && of_part != Some(node.name.as_str()) {
                continue;
            }
            assert!(node.tvs.replies.is_empty(), "without {path}");
            assert!(node.tvs.others.get().is_none(), "without {path}");
        }
    }
}

#[test]
fn what_rests_on_stores_alone_says_so() {
    let (folders, subject) = migration();
    let sides = sides_of(&folders);
    let plan = Move {
        option_150: sides
            .nodes()
            .filter(|(at, _)| at.0 == 1)
            .map(|(at, _)| sides.address(at))
            .collect(),
        resets: 3,
    };
    let asked = [Asked {
        name: subject.setup.identity.device.clone(),
        model: String::new(),
        subject: Ok(Box::new(subject.clone())),
    }];
    let said = |sides: &Sides| {
        let groups = groups(sides, &asked, &plan, &Settings::default());
        let clock = subject.setup.clock;
        let all = conditions::all(sides, &plan, std::slice::from_ref(&subject), clock, &groups);
        let of_tvs = ["signers-known-to-tvs", "tvs-certificates"];
        let told: Vec<_> = all
            .into_iter()
            .filter(|c| of_tvs.contains(&c.name))
            .collect();
        (groups, told)
    };
    let (groups, told) = said(&sides);
    assert!(groups[0].fate.follows());
    let rests_on = groups[0].rests_on.as_ref().unwrap();
    assert_eq!(rests_on.basis, "assumed");
    for rule in ["tvs.restart_needed", "tvs.roles_of_store"] {
        assert!(rests_on.rules.iter().any(|r| r == rule), "{rests_on:?}");
    }
    for name in ["signers-known-to-tvs", "tvs-certificates"] {
        assert!(told.iter().any(|c| c.name == name), "{told:?}");
    }
    for c in &told {
        let is_told = c.state == State::Note && c.text.contains("nobody asked: concluded");
        assert!(is_told && c.basis == "assumed", "{c:?}");
    }
    // The same of a TVS that was heard: nothing is assumed of it.
    let mut heard = sides.clone();
    for side in &mut heard.sides {
        for node in &mut side.nodes {
            node.tvs.derived = false;
        }
    }
    let (groups, told) = said(&heard);
    let rests_on = groups[0].rests_on.as_ref().unwrap();
    assert!(!rests_on.rules.iter().any(|r| r == "tvs.restart_needed"));
    assert!(told.iter().all(|c| c.state == State::Good), "{told:?}");
}

#[test]
fn without_any_one_file_a_prediction_is_never_better() {
    let (mut folders, subject) = migration();
    for (_, files) in &mut folders {
        // What was served under phones' names stands for what was asked under them.
        files.retain(|path, _| !path.contains("/ITLSEP"));
    }
    let all = sent(&sides_of(&folders), &subject, "destination");
    assert_eq!(all.verdict, Verdict::Migrated, "{:?}", all.gap);
    for (number, (_, files)) in folders.iter().enumerate() {
        for path in files.keys() {
            let mut less = folders.clone();
            less[number].1.remove(path);
            let found = sent(&sides_of(&less), &subject, "destination");
            let is_list = path.ends_with("ITLFile.tlv") && number == 1;
            let decides = is_list || path.ends_with("not-served.txt") && number == 1;
            assert!(!decides || found.verdict == Verdict::Unknown, "{path}");
        }
    }
    // The same of a phone that does not follow: nothing that is taken away makes it follow.
    let looked = looked(&scenario_text("certificates-not-imported.toml")).unwrap();
    let folders = looked.sides.sides.iter();
    let folders: Vec<_> = folders.map(|s| (s.name.clone(), by_hand(s))).collect();
    let subject = subjects(&looked)["source"].clone();
    let all = sent(&sides_of(&folders), &subject, "destination");
    assert_eq!(all.verdict, Verdict::Stranded, "{:?}", all.gap);
    for (number, (_, files)) in folders.iter().enumerate() {
        for path in files.keys() {
            let mut less = folders.clone();
            less[number].1.remove(path);
            let found = sent(&sides_of(&less), &subject, "destination");
            let is_no_better = matches!(found.verdict, Verdict::Stranded | Verdict::Unknown);
            assert!(is_no_better, "{path}: {}", found.verdict);
        }
    }
}

#[test]
fn garbage_in_any_file_is_named_and_never_makes_a_phone_follow() {
    let looked = looked(&scenario_text("certificates-not-imported.toml")).unwrap();
    let folders = looked.sides.sides.iter();
    let folders: Vec<_> = folders.map(|s| (s.name.clone(), by_hand(s))).collect();
    let subject = subjects(&looked)["source"].clone();
    let garbage: [&[u8]; 6] = [
        b"",
        b"\x30\x82\xff\xff",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &[0xff; 300],
        b"Cisco Tftp[[[STARTED\nCisco Tftp]",
        "\u{feff}\u{0}ITLFile.tlv\n\u{202e}".as_bytes(),
    ];
    for (number, (name, files)) in folders.iter().enumerate() {
        for (path, bytes) in files {
            let half = &bytes[..bytes.len() / 2];
            for garbage in garbage.into_iter().chain([half]) {
                let mut other = folders.clone();
                other[number].1.insert(path.clone(), garbage.into());
                let found = sent(&sides_of(&other), &subject, "destination");
                assert!(!follows(&found), "{path}");
                if path.ends_with(".pem") {
                    let failures = read(name, &other[number].1).side.failures;
                    let base = path.rsplit('/').next().unwrap();
                    assert!(failures.iter().any(|f| f.contains(base)), "{path}");
                }
            }
        }
    }
}

#[test]
fn recordings_of_every_built_in_scenario_are_lossless() {
    for (name, looked) in built_in() {
        for side in looked.sides.sides {
            let files = recording::write(&side);
            let again = read("elsewhere", &files);
            assert_eq!(again.side, side, "{name}");
            assert_eq!(again.notes, Vec::<String>::new(), "{name}");
        }
    }
}

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
    let sides = Sides {
        sides: vec![less.clone()],
    };
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
    let sides = Sides {
        sides: vec![found.side, read("destination", &by_hand(destination)).side],
    };
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

fn how(flashes: &BTreeMap<String, Flash>) -> How<'_> {
    How {
        clock: 1_583_053_200,
        model: "CP-8861",
        change: &|_| {},
        flashes,
    }
}

#[test]
fn phones_of_an_inventory_hold_what_was_read() {
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let sides = &looked.sides;
    let of_phones = |home: &str| {
        let phones = looked.phones.iter().filter(move |(h, _)| h == home);
        phones.map(|(_, s)| s.clone()).collect::<Vec<_>>()
    };
    let real = of_phones("source");
    let none = BTreeMap::new();
    let device = &real[0].setup.identity.device;
    let itl = real[0].flash.get("ITLFile.tlv").unwrap();
    let sha1 = trustline::phone::file_facts("", itl).sha1.to_uppercase();
    let csv = format!(
        "Owner;device;itl_sha1;callmanager_group;model;has_lsc\r\n\
         Ana;{};{sha1};g1;Cisco 8851;no\r\n\
         Bo;SEPAAAAAAAAAAAA;;g1;CP-7841;\r\n\
         Cy;SEPBBBBBBBBBBBB;{};g1;;yes\r\n\
         Di;SEPCCCCCCCCCCCC;none;g1;XX-1;no\r\n",
        device.to_lowercase(),
        "0".repeat(40)
    );
    let inventory = inventory::read("phones.csv", csv.as_bytes()).unwrap();
    assert_eq!(inventory.problems, Vec::<String>::new());
    assert_eq!(inventory.extra, ["Owner"]);
    assert_eq!(inventory.entries[2].extra, ["Cy"]);
    assert_eq!(inventory.entries[3].itl, Some(Held::Nothing));
    let found = inventory::subjects(sides, &inventory.entries, &how(&none));
    let subject = |at: usize| found.asked[at].subject.as_ref();
    for file in ["CTLFile.tlv", "ITLFile.tlv", "config.xml"] {
        assert_eq!(
            subject(0).unwrap().flash.get(file),
            real[0].flash.get(file),
            "{file}"
        );
        assert_eq!(
            subject(1).unwrap().flash.get(file),
            real[0].flash.get(file),
            "{file}"
        );
    }
    assert_eq!(subject(0).unwrap().setup.profile.name, "8800");
    assert_eq!(subject(1).unwrap().setup.profile.name, "7800");
    let gap = subject(2).unwrap_err();
    assert!(gap.why.contains("itl_sha1 000"), "{gap:?}");
    assert!(subject(3).unwrap().flash.get("ITLFile.tlv").is_none());
    let notes = found.notes.join("\n");
    for part in [
        "SEPAAAAAAAAAAAA",
        "of the same group",
        "XX-1",
        "unknown model",
        "SEPAAAAAAAAAAAA: of which nobody said what ITL they hold: the one that src-pub serves",
    ] {
        assert!(notes.contains(part), "{part} in {notes}");
    }
    // A list that is taken for theirs is no good news of these phones.
    let plan = Move {
        option_150: vec![sides.address(At(1, 0))],
        resets: 3,
    };
    let held: Vec<Subject> = [0, 1].map(|at| (**subject(at).unwrap()).clone()).to_vec();
    assert_eq!(
        [0, 1].map(|n: usize| held[n].taken.lists),
        [None, Some(At(0, 0))]
    );
    let clock = held[0].setup.clock;
    let all = conditions::all(sides, &plan, &held, clock, &[]);
    let lists = all.iter().filter(|c| c.name == "phones-lists");
    let states: Vec<_> = lists.map(|c| (c.state, c.basis)).collect();
    assert_eq!(states.len(), 2, "{states:?}");
    assert!(states.contains(&(State::Good, "documented")));
    assert!(states.contains(&(State::Note, "assumed")));
    // Whoever is known behaves as the real one does.
    let prediction = sent(sides, subject(0).unwrap(), "destination");
    assert_eq!(prediction.verdict, Verdict::Migrated);
    // Without an inventory: one phone a TFTP node.
    let found = inventory::subjects(sides, &[], &how(&none));
    let names: Vec<_> = found.asked.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["a phone of src-pub", "a phone of src-sub"]);
    for asked in &found.asked {
        let subject = asked.subject.as_ref().unwrap();
        let prediction = sent(sides, subject, "destination");
        assert_eq!(prediction.verdict, Verdict::Migrated, "{}", asked.name);
    }
}

#[test]
fn a_phone_of_a_group_whose_configuration_nobody_read_is_not_taken_for_another() {
    let (folders, _) = migration();
    let sides = sides_of(&folders);
    let none = BTreeMap::new();
    let configured = |side: &Side| {
        let replies = side.nodes.iter().flat_map(|n| &n.tftp.replies);
        let names = replies.filter(|(_, r)| matches!(r, Known::Yes(FileReply::File(_))));
        let mut devices = names.filter_map(|(name, _)| name.strip_suffix(".cnf.xml.sgn"));
        devices.find(|d| d.starts_with("SEP")).unwrap().to_owned()
    };
    let device = configured(&sides.sides[0]);
    let csv = |rows: &str| {
        let text = format!("device,callmanager_group\n{device},g1\n{rows}");
        inventory::read("phones.csv", text.as_bytes()).unwrap()
    };
    let of_rows = |rows: &str| inventory::subjects(&sides, &csv(rows).entries, &how(&none));
    // The other group's only configuration was withheld.
    let found = of_rows("SEPAAAAAAAAAAAA,g2\n");
    assert!(found.asked[0].subject.is_ok());
    let gap = found.asked[1].subject.as_ref().unwrap_err();
    assert!(gap.why.contains("group g2"), "{gap:?}");
    // Of the same group it is known; where nobody says a group it is a guess, and told as one.
    let found = of_rows("SEPAAAAAAAAAAAA,g1\nSEPBBBBBBBBBBBB,\n");
    let taken = |at: usize| found.asked[at].subject.as_ref().unwrap().taken;
    assert!(!taken(0).configuration && !taken(1).configuration && taken(2).configuration);
    let note = |n: &String| n.starts_with("SEPBBBBBBBBBBBB: whose configuration no input has");
    assert!(found.notes.iter().any(note), "{:?}", found.notes);
    let plan = Move {
        option_150: vec![sides.address(At(1, 0))],
        resets: 3,
    };
    let groups = groups(&sides, &found.asked, &plan, &Settings::default());
    let of_guess = groups
        .iter()
        .find(|g| g.phones.iter().any(|p| p == "SEPBBBBBBBBBBBB"));
    let of_guess = of_guess.unwrap();
    if let Some(rests_on) = &of_guess.rests_on {
        assert_eq!(rests_on.basis, "assumed");
        assert!(rests_on.rules.iter().any(|r| r.contains("another phone")));
    } else {
        assert_eq!(of_guess.fate, Fate::Unknown);
    }
}

#[test]
fn a_list_that_was_not_looked_for_is_a_gap_and_not_a_phone_without_lists() {
    let (folders, _) = migration();
    let mut files = folders[0].1.clone();
    files.remove("src-pub/not-served.txt");
    let sides = sides_of(&[("source".into(), files), folders[1].clone()]);
    let none = BTreeMap::new();
    let found = inventory::subjects(&sides, &[], &how(&none));
    let gap = found.asked[0].subject.as_ref().unwrap_err();
    assert_eq!(gap.what, "CTLFile.tlv of src-pub");
    let nothing = Sides {
        sides: vec![Side::default()],
    };
    let found = inventory::subjects(&nothing, &[], &how(&none));
    assert!(found.asked[0].subject.is_err());
}

#[test]
fn an_lsc_that_nobody_read_leaves_a_secure_phone_unknown() {
    let Some(looked) = looked(&scenario_text("secure-migration.toml")) else {
        panic!("a scenario")
    };
    let none = BTreeMap::new();
    let found = inventory::subjects(&looked.sides, &[], &how(&none));
    for asked in &found.asked {
        let subject = asked.subject.as_ref().unwrap();
        let to = &looked.sides.sides[1].name;
        let prediction = sent(&looked.sides, subject, to);
        let mode = trustline::wire::phone_config::PhoneConfig::parse(
            subject.flash.get("config.xml").unwrap(),
        );
        let is_secure = mode.unwrap().device_security_mode
            != trustline::wire::phone_config::SecurityMode::NonSecure;
        if is_secure {
            assert!(!follows(&prediction), "{}", asked.name);
            let gap = prediction.gap.unwrap();
            assert!(gap.what.contains("LSC"), "{gap:?}");
        }
    }
}

#[test]
fn a_hundred_thousand_rows_are_read_in_a_moment() {
    let mut csv = String::from("device,itl_sha1,site\n");
    for number in 0..100_000 {
        csv.push_str(&format!("SEP{number:012x},,\"Room, {number}\"\n"));
    }
    let start = Instant::now();
    let inventory = inventory::read("phones.csv", csv.as_bytes()).unwrap();
    assert_eq!(inventory.entries.len(), 100_000);
    assert_eq!(inventory.entries[99_999].extra, ["Room, 99999"]);
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let none = BTreeMap::new();
    let found = inventory::subjects(&looked.sides, &inventory.entries, &how(&none));
    assert_eq!(found.asked.len(), 100_000);
    assert!(found.asked.iter().all(|a| a.subject.is_ok()));
    assert!(found.notes.len() < 5, "{:?}", found.notes);
    assert!(start.elapsed() < Duration::from_secs(60));
}

/// Two clusters as an engineer puts them into folders, for trying the command out. Made anew with
/// `TRUSTLINE_BLESS=1`.
#[test]
fn the_sample_folders_are_what_this_lab_makes() {
    let (folders, _) = migration();
    let sample = Path::new(ROOT).join("testdata/check");
    for (name, (_, mut files)) in ["old", "new"].into_iter().zip(folders) {
        // Two phones are enough for a sample.
        let others = ["/ITLSEP", "34403.", "34404.", "34405."];
        files.retain(|path, _| !others.iter().any(|o| path.contains(o)));
        let dir = sample.join(name);
        if std::env::var_os("TRUSTLINE_BLESS").is_some() {
            if dir.exists() {
                fs::remove_dir_all(&dir).unwrap();
            }
            trustline::cli::check::files::write_folder(&dir, &files).unwrap();
        }
        let found = read_folder(&dir).unwrap();
        assert_eq!(
            found.files, files,
            "{name}: renew it with TRUSTLINE_BLESS=1"
        );
    }
}

#[test]
fn the_command_reads_the_sample_folders() {
    let check = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_trustline"))
            .args(["check", "--date", "2020-03-01T10:00:00Z"])
            .args(["--from", "testdata/check/old", "--to", "testdata/check/new"])
            .args(args)
            .current_dir(ROOT)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let output = check(&["--phones", "testdata/check/phones.csv"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let noted = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("follows through TVS"), "{said}{noted}");
    // One phone of the inventory holds a list that nobody has.
    assert!(
        said.contains("holds a list that no input has"),
        "{said}{noted}"
    );
    assert_eq!(output.status.code(), Some(3), "{said}{noted}");
    let output = check(&[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let noted = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{noted}");
    assert!(
        said.contains("src-pub") && said.contains("follows through TVS"),
        "{said}"
    );
}
