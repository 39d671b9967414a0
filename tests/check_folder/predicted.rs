//! Files put together by hand predict what their clusters do, and with less or with damage never better.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use trustline::check::answer::State;
use trustline::check::conditions;
use trustline::check::evidence::At;
use trustline::check::folder::Files;
use trustline::check::groups::groups;
use trustline::check::inventory::{self, How};
use trustline::check::predict::Move;
use trustline::scenario::words::Verdict;
use trustline::trust::rules::Settings;

use crate::{
    built_in, by_hand, follows, looked, migration, read, scenario_text, sent, sides_of, subjects,
};

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

/// What is taken away makes no condition better: at best it is said as before.
#[test]
fn without_any_one_file_no_condition_is_better() {
    let none = BTreeMap::new();
    let how = How {
        clock: 1_583_053_200,
        model: "CP-8861",
        is_model_said: true,
        change: &|_| {},
        flashes: &none,
    };
    for name in ["publisher-certificate-only", "certificates-not-imported"] {
        let looked = looked(&scenario_text(&format!("{name}.toml"))).unwrap();
        let folders = looked.sides.sides.iter();
        let folders: Vec<_> = folders.map(|s| (s.name.clone(), by_hand(s))).collect();
        let subject = subjects(&looked)["source"];
        let itl = subject.flash.get("ITLFile.tlv").unwrap();
        let csv = format!(
            "device,ctl_sha1,itl_sha1,has_lsc\n{},none,{},no\n",
            subject.setup.identity.device,
            trustline::phone::file_facts("", itl).sha1
        );
        let entries = inventory::read("p.csv", csv.as_bytes()).unwrap().entries;
        let mut servers: Vec<String> = Vec::new();
        let mut worst = |folders: &[(String, Files)]| {
            let sides = sides_of(folders);
            if servers.is_empty() {
                servers.extend(sides.sides[1].nodes.iter().map(|n| n.name.clone()));
            }
            let to = |name: &String| {
                let n = sides.sides[1].nodes.iter().position(|n| n.name == *name);
                n.map_or(Ipv4Addr::new(192, 0, 2, 1), |n| sides.address(At(1, n)))
            };
            let plan = Move {
                option_150: servers.iter().map(to).collect(),
                resets: 3,
            };
            let asked = inventory::subjects(&sides, &entries, &how).asked;
            let groups = groups(&sides, &asked, &plan, &Settings::default());
            let mut worst: BTreeMap<&str, (u8, String)> = BTreeMap::new();
            for c in conditions::all(&sides, &plan, &asked, how.clock, &groups) {
                let rank = match c.state {
                    State::Good => 2,
                    State::Note => 1,
                    State::Bad | State::Unknown => 0,
                };
                let told = (rank, format!("{:?} {}: {}", c.state, c.about, c.text));
                let worst = worst.entry(c.name).or_insert_with(|| told.clone());
                *worst = told.min(worst.clone());
            }
            worst
        };
        let whole = worst(&folders);
        let mut better = Vec::new();
        for (number, (_, files)) in folders.iter().enumerate() {
            for path in files.keys() {
                let mut less = folders.clone();
                less[number].1.remove(path);
                for (condition, found) in worst(&less) {
                    let told = &whole[condition];
                    if found.0 > told.0 {
                        better.push(format!(
                            "{name} without {path}, {condition}: {found:?}, {told:?}"
                        ));
                    }
                }
            }
        }
        assert!(better.is_empty(), "{}", better.join("\n"));
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
