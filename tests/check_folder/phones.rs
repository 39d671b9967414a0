//! Phones of an inventory, over what folders hold.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use trustline::check::answer::{Fate, State};
use trustline::check::conditions;
use trustline::check::evidence::{At, FileReply, Known, Side, Sides};
use trustline::check::groups::groups;
use trustline::check::inventory::{self, Held, How};
use trustline::check::predict::{Move, Subject};
use trustline::phone::Flash;
use trustline::scenario::words::Verdict;
use trustline::trust::rules::Settings;

use crate::{follows, looked, migration, scenario_text, sent, sides_of};

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
