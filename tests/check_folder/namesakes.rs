//! Two clusters with nodes of one name or address.

use trustline::check::answer::Group;
use trustline::check::conditions;
use trustline::check::evidence::{At, Sides};
use trustline::check::folder::Files;
use trustline::check::groups::{Asked, groups};
use trustline::check::predict::{Move, Prediction, Subject, predict};
use trustline::scenario::words::Verdict;
use trustline::trust::rules::Settings;

use crate::{by_hand, looked, pem, scenario_text, sides_of, subjects};

/// Folders of a cluster A, and of a cluster B of another world whose only node is called `name`; each
/// has the other's signers in its trust stores. With a phone of A.
fn two_worlds(name: &str) -> (Vec<(String, Files)>, Subject) {
    let text = scenario_text("non-secure-migration.toml");
    let ours = looked(&text).unwrap();
    let text = text.replace("src-", "old-").replace("dst-pub", name);
    let theirs = looked(&text.replace("seed = 1", "seed = 77")).unwrap();
    let pair = [&ours.sides.sides[0], &theirs.sides.sides[1]];
    let folders = [(pair[0], pair[1]), (pair[1], pair[0])].map(|(own, other)| {
        let mut files = by_hand(own);
        for into in &own.nodes {
            for from in &other.nodes {
                for (kind, certificate) in &from.certificates {
                    for store in ["Phone-SAST-trust", "CallManager-trust"] {
                        let path =
                            format!("{}/stores/{store}/of-{}-{kind}.pem", into.name, from.name);
                        if kind == "CallManager" || kind == "ITLRecovery" {
                            files.insert(path, pem(certificate));
                        }
                    }
                }
            }
        }
        (own.name.clone(), files)
    });
    (folders.into(), subjects(&ours)["source"].clone())
}

/// A phone sent to the second of these clusters, the states of all conditions, and its group.
fn moved(folders: &[(String, Files)], subject: &Subject) -> (Prediction, Vec<String>, Group) {
    let sides = sides_of(folders);
    let plan = Move {
        option_150: vec![sides.address(At(1, 0))],
        resets: 3,
    };
    let asked = [Asked {
        name: subject.setup.identity.device.clone(),
        model: String::new(),
        subject: Ok(Box::new(subject.clone())),
    }];
    let mut groups = groups(&sides, &asked, &plan, &Settings::default());
    let all = conditions::all(&sides, &plan, &asked, subject.setup.clock, &groups);
    let mut states: Vec<_> = all
        .iter()
        .map(|c| format!("{} {:?}", c.name, c.state))
        .collect();
    states.sort();
    (predict(&sides, subject, &plan), states, groups.remove(0))
}

/// Both clusters call a node alike: each configuration means its own cluster's.
#[test]
fn a_namesake_of_the_other_cluster_is_not_taken_for_a_node() {
    let (folders, subject) = two_worlds("dst-pub");
    let (plain, states, group) = moved(&folders, &subject);
    assert_eq!(plain.verdict, Verdict::Migrated, "{:?}", plain.gap);
    assert!(states.iter().all(|s| !s.ends_with("Bad")), "{states:?}");
    for name in ["src-pub", "src-sub", "SRC-PUB"] {
        let (folders, subject) = two_worlds(name);
        let (found, found_states, found_group) = moved(&folders, &subject);
        assert_eq!(found.verdict, plain.verdict, "{name}: {:?}", found.gap);
        assert_eq!(found.judged.follows.unwrap().0, "destination", "{name}");
        assert_eq!(found_states, states, "{name}");
        assert_eq!(found_group.fate, group.fate, "{name}");
        assert_eq!(found_group.back, group.back, "{name}");
        if name == "src-sub" {
            // The phone asks TVS of src-pub alone.
            continue;
        }
        // Only another phone's file shows whose configuration the phone holds.
        let device = &subject.setup.identity.device;
        let mut taken = folders.clone();
        taken[0].1.retain(|path, _| !path.contains(device.as_str()));
        let (_, _, taken) = moved(&taken, &subject);
        assert_eq!(taken.fate, group.fate, "{name}: {:?}", taken.missing);
        // Nobody serves the configuration that the phone holds: nobody knows whose TVS it means.
        let mut folders = folders;
        let of_a = &mut folders[0].1;
        of_a.retain(|path, _| !path.contains(".cnf.xml"));
        let (found, ..) = moved(&folders, &subject);
        assert_eq!(found.verdict, Verdict::Unknown, "{name}");
        let gap = found.gap.unwrap();
        let is_told = gap.why.contains("both clusters have a node of this name");
        assert!(is_told, "{name}: {gap:?}");
    }
}

/// An engineer has to know in which of the clusters a node is.
#[test]
fn a_fix_says_of_which_cluster_a_namesake_is() {
    for (name, expected) in [
        ("src-pub", "of src-pub of destination"),
        ("dst-pub", "of dst-pub ("),
    ] {
        let (mut folders, subject) = two_worlds(name);
        let of_a = &mut folders[0].1;
        // The stores were read, and hold a certificate of its own alone.
        let own = of_a
            .iter()
            .find(|(path, _)| path.ends_with("certificates/CallManager.pem"));
        let own = own.unwrap().1.clone();
        let stores = of_a.iter_mut().filter(|(path, _)| path.contains("stores/"));
        stores.for_each(|(_, pem)| pem.clone_from(&own));
        let (_, _, group) = moved(&folders, &subject);
        let fix = group
            .fix
            .unwrap_or_else(|| panic!("{name}: {:?}", group.missing));
        assert!(fix.text.contains(expected), "{name}: {}", fix.text);
        let is_told = fix.text.contains("on src-pub of source");
        assert_eq!(is_told, name == "src-pub", "{}", fix.text);
    }
}

/// Of two nodes with one address a phone reaches the one in whose network it is.
#[test]
fn a_node_with_the_address_of_another_is_not_taken_for_it() {
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let subject = subjects(&looked)["source"];
    let mut sides = looked.sides.clone();
    let to = |sides: &Sides, side: usize| {
        let plan = Move {
            option_150: vec![sides.address(At(side, 0))],
            resets: 3,
        };
        predict(sides, subject, &plan)
    };
    assert_eq!(to(&sides, 1).verdict, Verdict::Migrated);
    sides.sides[1].nodes[0].address = sides.sides[0].nodes[0].address;
    let found = to(&sides, 1);
    assert_eq!(found.verdict, Verdict::Unknown);
    let gap = found.gap.unwrap();
    assert!(gap.why.contains("the same address"), "{gap:?}");
    // At home nothing is asked of the other.
    let stays = to(&sides, 0);
    assert_eq!(stays.verdict, Verdict::Unchanged, "{:?}", stays.gap);
}
