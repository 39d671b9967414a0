//! Phones that nobody named.

use std::collections::BTreeMap;

use trustline::check::answer::{Fate, Group, State};
use trustline::check::conditions;
use trustline::check::evidence::At;
use trustline::check::folder::Files;
use trustline::check::groups::groups;
use trustline::check::inventory::{self, Found};
use trustline::check::predict::Move;
use trustline::trust::rules::Settings;

use crate::phones::how;
use crate::{by_hand, looked, scenario_text, sides_of};

/// What is said of the phones of a folder without an inventory.
fn told(folders: &[(String, Files)]) -> (Found, Vec<Group>, String) {
    let (sides, none) = (sides_of(folders), BTreeMap::new());
    let found = inventory::subjects(&sides, &[], &how(&none));
    let plan = Move {
        option_150: vec![sides.address(At(1, 0))],
        resets: 3,
    };
    let groups = groups(&sides, &found.asked, &plan, &Settings::default());
    let all = conditions::all(&sides, &plan, &found.asked, how(&none).clock, &groups);
    let there = all
        .into_iter()
        .filter(|c| c.name == "phones-at-destination");
    let there: Vec<_> = there
        .filter(|c| c.state == State::Note)
        .map(|c| c.text)
        .collect();
    (found, groups, there.concat())
}

/// Secure phones and others are two kinds: one does not stand for the other, and without what the new
/// cluster has for the one nothing is known of its kind.
#[test]
fn a_phone_of_each_kind_stands_for_its_kind() {
    let looked = looked(&scenario_text("capf-uploaded-astray.toml")).unwrap();
    let folders = looked.sides.sides.iter();
    let folders: Vec<_> = folders.map(|s| (s.name.clone(), by_hand(s))).collect();
    let (found, whole, there) = told(&folders);
    let names: Vec<_> = found.asked.iter().map(|a| a.name.as_str()).collect();
    let [secure, other] = ["SEP001122334401", "SEP001122334402"];
    let like = |node: &str, device: &str| format!("a phone of {node} like {device}");
    let all = ["src-pub", "src-sub"].map(|n| [like(n, secure), like(n, other)]);
    assert_eq!(names, all.concat());
    assert!(
        there.contains(&format!("{secure}, {other} alone were looked for")),
        "{there}"
    );
    let fate = |groups: &[Group], name: &String| {
        let mut of_name = groups.iter().filter(|g| g.phones.contains(name));
        of_name.next().unwrap().fate
    };
    let [secure, other] = [secure, other].map(|device| like("src-pub", device));
    assert_eq!(fate(&whole, &secure), Fate::Unknown, "its LSC was not read");
    assert!(fate(&whole, &other).follows());
    let mut less = 0;
    for path in folders[1].1.keys().filter(|p| p.contains(".cnf.xml")) {
        let mut fewer = folders.clone();
        fewer[1].1.remove(path);
        let (_, groups, _) = told(&fewer);
        assert_eq!(fate(&groups, &secure), Fate::Unknown, "without {path}");
        less += 1;
    }
    assert!(less > 3, "{less}");
}

/// A cluster with a configuration of its own for each phone is not looked at phone by phone, and what was
/// left out is unknown.
#[test]
fn kinds_without_end_are_not_all_looked_at() {
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let folders = looked.sides.sides.iter();
    let mut folders: Vec<_> = folders.map(|s| (s.name.clone(), by_hand(s))).collect();
    let path = |device: &str| format!("src-pub/tftp/{device}.cnf.xml");
    let text = String::from_utf8(folders[0].1[&path("SEP001122334401")].to_vec()).unwrap();
    assert!(text.contains("src-sub"), "{text}");
    for n in 0..40 {
        let own = text.replace("src-sub", &format!("src-{n}"));
        let device = format!("SEPAAAAAAAA{n:04}");
        folders[0].1.insert(path(&device), own.into_bytes().into());
    }
    let (found, groups, _) = told(&folders);
    let names: Vec<_> = found.asked.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names.len(), 2 * 33, "{names:?}");
    let more = "phones of src-pub of 9 more kinds";
    let of_more = groups
        .iter()
        .find(|g| g.phones.iter().any(|p| p == more))
        .unwrap();
    assert_eq!(of_more.fate, Fate::Unknown);
    assert!(
        of_more
            .missing
            .as_ref()
            .unwrap()
            .contains("give an inventory")
    );
}
