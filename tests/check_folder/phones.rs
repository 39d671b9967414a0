//! Phones of an inventory, over what folders hold.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use trustline::check::answer::{Fate, State};
use trustline::check::conditions;
use trustline::check::evidence::{At, FileReply, Known, Side, Sides};
use trustline::check::folder::Files;
use trustline::check::groups::groups;
use trustline::check::inventory::{self, Held, How};
use trustline::check::predict::{Move, Subject};
use trustline::phone::Flash;
use trustline::scenario::words::Verdict;
use trustline::trust::rules::Settings;

use crate::{by_hand, follows, looked, migration, scenario_text, sent, sides_of};

pub(crate) fn how(flashes: &BTreeMap<String, Flash>) -> How<'_> {
    How {
        clock: 1_583_053_200,
        model: "CP-8861",
        is_model_said: false,
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
    let held: Vec<&Subject> = [0, 1].map(|at| &**subject(at).unwrap()).to_vec();
    assert_eq!(
        [0, 1].map(|n: usize| held[n].taken.lists),
        [None, Some(At(0, 0))]
    );
    let clock = held[0].setup.clock;
    let all = conditions::all(sides, &plan, &found.asked[..2], clock, &[]);
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

/// Each TFTP node has its own list, and a phone has that of one of them: where the lists decide and nobody
/// said which it is, its fate is unknown, whichever node comes first and whatever else is withheld.
#[test]
fn of_several_lists_that_a_phone_may_hold_the_worst_counts() {
    let looked = looked(&scenario_text("stale-itl.toml")).unwrap();
    let folders = looked.sides.sides.iter();
    let mut folders: Vec<_> = folders.map(|s| (s.name.clone(), by_hand(s))).collect();
    // Under the phones' names one node still gives what they took before its certificates were made anew.
    for (_, phone) in &looked.phones {
        let old = phone.flash.get("ITLFile.tlv").unwrap();
        let path = format!("src-pub/tftp/ITL{}.tlv", phone.setup.identity.device);
        folders[0].1.insert(path, old.clone());
    }
    let none = BTreeMap::new();
    let device = &looked.phones[0].1.setup.identity.device;
    let csv = format!("device,model,has_lsc\n{device},CP-8861,no\n");
    let inventory = inventory::read("phones.csv", csv.as_bytes()).unwrap();
    let fate = |folders: &[(String, Files)]| {
        let sides = sides_of(folders);
        let found = inventory::subjects(&sides, &inventory.entries, &how(&none));
        let plan = Move {
            option_150: vec![sides.address(At(1, 0))],
            resets: 3,
        };
        let mut groups = groups(&sides, &found.asked, &plan, &Settings::default());
        let all = conditions::all(&sides, &plan, &found.asked, how(&none).clock, &groups);
        let state = |name: &str| all.iter().filter(|c| c.name == name).map(|c| c.state).max();
        let group = groups.remove(0);
        (group.fate, group.missing, state("tvs-certificates"))
    };
    let (whole, missing, tvs) = fate(&folders);
    assert_eq!(whole, Fate::Unknown, "{missing:?}");
    let missing = missing.unwrap();
    for part in [
        "which ITL SEP",
        "of src-pub",
        "of src-sub",
        "stranded",
        "follows",
        "itl_sha1",
    ] {
        assert!(missing.contains(part), "{part} in {missing}");
    }
    assert_eq!(tvs, Some(State::Bad));
    let mut less = 0;
    for path in folders[0].1.keys() {
        let is_told = path.contains("ITL") || path.contains("certificates");
        if !path.starts_with("src-pub/") || !is_told {
            continue;
        }
        let mut fewer = folders.clone();
        fewer[0].1.remove(path);
        let (fate, missing, _) = fate(&fewer);
        assert_eq!(fate, Fate::Unknown, "without {path}: {missing:?}");
        less += 1;
    }
    assert!(less > 2, "{less}");
}

/// A node that hands out files has a list, read or not: where nobody said what a phone holds, it may be
/// that one.
#[test]
fn a_list_that_nobody_read_may_be_what_a_phone_holds() {
    let looked = looked(&scenario_text("stale-itl.toml")).unwrap();
    let folders = looked.sides.sides.iter();
    let mut folders: Vec<_> = folders.map(|s| (s.name.clone(), by_hand(s))).collect();
    let old = looked.phones[0].1.flash.get("ITLFile.tlv").unwrap();
    let of = |node: &str| format!("{node}/tftp/ITLFile.tlv");
    folders[0].1.retain(|path, _| !path.contains("/ITLSEP"));
    folders[0].1.insert(of("src-sub"), old.clone());
    let none = BTreeMap::new();
    let device = &looked.phones[0].1.setup.identity.device;
    let rows = |itl_sha1: &str| {
        let csv = format!("device,model,itl_sha1\n{device},CP-8861,{itl_sha1}\n");
        inventory::read("phones.csv", csv.as_bytes())
            .unwrap()
            .entries
    };
    let fates = |folders: &[(String, Files)], entries: &[inventory::Entry]| {
        let sides = sides_of(folders);
        let found = inventory::subjects(&sides, entries, &how(&none));
        let plan = Move {
            option_150: vec![sides.address(At(1, 0))],
            resets: 3,
        };
        let groups = groups(&sides, &found.asked, &plan, &Settings::default());
        let fates = groups
            .into_iter()
            .map(|g| (g.fate, g.phones.concat(), g.missing));
        fates.collect::<Vec<_>>()
    };
    let whole = fates(&folders, &rows(""));
    assert_eq!(whole[0].0, Fate::Unknown, "{whole:?}");
    let guessed = fates(&folders, &[]);
    assert!(
        guessed.iter().any(|(fate, ..)| *fate == Fate::Stranded),
        "{guessed:?}"
    );

    let mut fewer = folders.clone();
    fewer[0].1.remove(&of("src-sub")).unwrap();
    let unread = fates(&fewer, &rows(""));
    assert_eq!(unread[0].0, Fate::Unknown, "{unread:?}");
    let missing = unread[0].2.as_deref().unwrap();
    for part in ["which lists SEP", "the ITL of src-sub", "itl_sha1"] {
        assert!(missing.contains(part), "{part} in {missing}");
    }
    let guessed = fates(&fewer, &[]);
    let of_sub = guessed
        .iter()
        .find(|(_, phones, _)| phones.contains("src-sub"));
    let (fate, _, missing) = of_sub.unwrap();
    assert_eq!(*fate, Fate::Unknown);
    assert!(
        missing.as_ref().unwrap().contains("ITLFile.tlv of src-sub"),
        "{missing:?}"
    );

    // Who says which one a phone holds is not asked for the other.
    let new = trustline::phone::file_facts("", &fewer[0].1[&of("src-pub")]).sha1;
    let said = fates(&fewer, &rows(&new));
    assert!(said[0].0.follows(), "{said:?}");
}

/// Without an inventory nobody said what phones there are, of what model: a configuration that was read
/// stands for them, and is no phone that was counted.
#[test]
fn phones_that_nobody_named_are_of_a_guessed_model() {
    let looked = looked(&scenario_text("sha-512.toml")).unwrap();
    let (sides, none) = (&looked.sides, BTreeMap::new());
    let plan = Move {
        option_150: vec![sides.address(At(1, 0))],
        resets: 3,
    };
    for is_model_said in [false, true] {
        let how = How {
            is_model_said,
            ..how(&none)
        };
        let found = inventory::subjects(sides, &[], &how);
        assert!(found.asked.len() > 1);
        let groups = groups(sides, &found.asked, &plan, &Settings::default());
        let guess = "it is a CP-8861".to_owned();
        for group in groups.iter().filter(|g| g.fate.follows()) {
            let rules = &group.rests_on.as_ref().unwrap().rules;
            assert_eq!(rules.contains(&guess), !is_model_said, "{rules:?}");
        }
        let is_told = |part: &str| found.notes.iter().any(|n| n.contains(part));
        assert!(is_told("a phone of src-pub") && is_told("stands for those of all"));
        assert_eq!(is_told("taken for a CP-8861"), !is_model_said);
        let all = conditions::all(sides, &plan, &found.asked, how.clock, &groups);
        let of = |name: &'static str| all.iter().filter(move |c| c.name == name);
        let there: Vec<_> = of("phones-at-destination").collect();
        assert_eq!(there.len(), 1, "{there:?}");
        assert_eq!(there[0].state, State::Note, "{there:?}");
        assert_eq!(there[0].text.matches("SEP0").count(), 1, "{there:?}");
        let digests: Vec<_> = of("digests").collect();
        assert!(
            digests[0].about.contains("a phone of src-pub"),
            "{digests:?}"
        );
        let is_good = digests.iter().any(|c| c.state == State::Good);
        assert!(is_model_said || !is_good, "{digests:?}");
    }
}

/// Cisco 118893: many TelePresence and Jabber have no Security By Default. No desk phone's firmware
/// stands for theirs.
#[test]
fn soft_phones_and_rooms_are_not_taken_for_desk_phones() {
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let none = BTreeMap::new();
    for (model, is_known) in [
        ("Cisco IP Communicator", false),
        ("Cisco Unified Client Services Framework", false),
        ("Cisco Dual Mode for iPhone", false),
        ("cisco jabber for Tablet", false),
        ("Cisco TelePresence SX20", false),
        ("Cisco 7960", false),
        ("Cisco 8861", true),
        ("Cisco 9971", true),
    ] {
        let csv = format!("device,model\nSEP001122334401,{model}\n");
        let inventory = inventory::read("phones.csv", csv.as_bytes()).unwrap();
        let found = inventory::subjects(&looked.sides, &inventory.entries, &how(&none));
        let subject = &found.asked[0].subject;
        assert_eq!(subject.is_ok(), is_known, "{model}");
        if let Err(gap) = subject {
            assert!(gap.why.contains("no Security by Default"), "{gap:?}");
        }
    }
}

/// The columns are swapped: no phone has an ITL in the place of its CTL.
#[test]
fn a_checksum_of_the_other_list_is_no_list() {
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let none = BTreeMap::new();
    let itl = looked.phones[0].1.flash.get("ITLFile.tlv").unwrap();
    let sha1 = trustline::phone::file_facts("", itl).sha1;
    let csv = format!("device,ctl_sha1,itl_sha1\nSEP001122334401,{sha1},\n");
    let inventory = inventory::read("phones.csv", csv.as_bytes()).unwrap();
    let found = inventory::subjects(&looked.sides, &inventory.entries, &how(&none));
    let gap = found.asked[0].subject.as_ref().unwrap_err();
    assert_eq!(gap.what, "the CTL that SEP001122334401 holds");
    let told = "is the checksum of the ITL of src-pub: mend the column, or put it into itl_sha1";
    assert!(gap.why.contains(told), "{gap:?}");
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
    let nothing = Sides::of(vec![Side::default()]);
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

/// An inventory as its cells, of which some are empty.
const COLUMNS: [&str; 6] = [
    "device",
    "model",
    "ctl_sha1",
    "itl_sha1",
    "callmanager_group",
    "has_lsc",
];

/// What a check says of a phone.
struct Said {
    fate: Fate,
    /// How sure it is, and what it hangs on; nothing where the fate is not known.
    basis: u8,
    rules: String,
    missing: String,
    /// The worst that each condition says, with how sure that is.
    conditions: BTreeMap<&'static str, (u8, u8)>,
}

fn sureness(basis: &str) -> u8 {
    match basis {
        "documented" => 3,
        "inferred" => 2,
        "assumed" => 1,
        other => panic!("{other}"),
    }
}

/// Checks the phone of the last row.
fn said(sides: &Sides, rows: &[[String; 6]]) -> Said {
    let lines: Vec<_> = rows.iter().map(|row| row.join(",")).collect();
    let csv = format!("{}\n{}\n", COLUMNS.join(","), lines.join("\n"));
    let inventory = inventory::read("phones.csv", csv.as_bytes()).unwrap();
    assert_eq!(inventory.entries.len(), rows.len(), "{csv}");
    let none = BTreeMap::new();
    let found = inventory::subjects(sides, &inventory.entries, &how(&none));
    let nodes = sides.nodes().filter(|(at, node)| {
        let mut replies = node.tftp.replies.values();
        at.0 == 1 && replies.any(|r| r.get().is_some_and(|r| r.file().is_some()))
    });
    let plan = Move {
        option_150: nodes.map(|(at, _)| sides.address(at)).collect(),
        resets: 3,
    };
    let groups = groups(sides, &found.asked, &plan, &Settings::default());
    let name = &found.asked.last().unwrap().name;
    let group = groups.iter().find(|g| g.phones.contains(name)).unwrap();
    let mut worst = BTreeMap::new();
    for condition in conditions::all(sides, &plan, &found.asked, how(&none).clock, &groups) {
        let state = match condition.state {
            State::Good => 2,
            State::Note => 1,
            State::Bad | State::Unknown => 0,
        };
        let said = (state, sureness(condition.basis));
        let worst = worst.entry(condition.name).or_insert(said);
        *worst = said.min(*worst);
    }
    let rests_on = group.rests_on.as_ref();
    Said {
        fate: group.fate,
        basis: rests_on.map_or(0, |r| sureness(r.basis)),
        rules: rests_on.map_or_else(String::new, |r| r.rules.join("; ")),
        missing: group.missing.clone().unwrap_or_default(),
        conditions: worst,
    }
}

/// A cell that nobody filled in is worth less than any word in it: what is not said is assumed at
/// best. That a phone is of a model that is not modelled nobody can know who was not told.
#[test]
fn a_withheld_column_makes_nothing_better() {
    const NOT_MODELLED: &str = "CP-7960";
    let mut less_sure = 0;
    for name in ["sha-512.toml", "non-secure-migration.toml"] {
        let looked = looked(&scenario_text(name)).unwrap();
        let mut sides = looked.sides;
        let phones: Vec<_> = looked.phones.iter().map(|(_, s)| s).collect();
        let [first, second, ..] = &phones[..] else {
            panic!("{name}: two phones");
        };
        // What the second one holds its group has to tell.
        let device = &second.setup.identity.device;
        for node in &mut sides.sides[0].nodes {
            for service in [&mut node.tftp, &mut node.http] {
                service
                    .replies
                    .retain(|file, _| !file.starts_with(device.as_str()));
            }
        }
        let row = |subject: &Subject, model: &str| {
            let sha1 = |list: &str| match subject.flash.get(list) {
                Some(bytes) => trustline::phone::file_facts("", bytes).sha1,
                None => "none".into(),
            };
            let (ctl, itl) = (sha1("CTLFile.tlv"), sha1("ITLFile.tlv"));
            let device = subject.setup.identity.device.clone();
            [device, model.into(), ctl, itl, "g1".into(), "no".into()]
        };
        for model in ["CP-8861", "CP-7975", "", "XYZ", "CP-9971", NOT_MODELLED] {
            let rows = [row(first, "CP-8861"), row(second, model)];
            let whole = said(&sides, &rows);
            let place = format!("{name}, {model}");
            let told = &whole.rules;
            match model {
                "CP-8861" => {
                    assert!(whole.fate.follows() && whole.basis > 1, "{place}: {told}");
                }
                "CP-7975" => assert!(whole.fate.follows(), "{place}"),
                NOT_MODELLED => {
                    assert_eq!(whole.fate, Fate::Unknown, "{place}");
                    let why = &whole.missing;
                    assert!(why.contains("no Security by Default"), "{place}: {why}");
                }
                _ => {
                    assert!(whole.fate.follows() && whole.basis == 1, "{place}: {told}");
                    let guess = match model {
                        "" => "it is a CP-8861",
                        _ => "its firmware does what that of 8800 does",
                    };
                    assert!(told.contains(guess), "{place}: {told}");
                    // Every firmware with Security by Default knows SHA-1.
                    let digests = match name {
                        "sha-512.toml" => (1, 1),
                        _ => (2, 3),
                    };
                    assert_eq!(whole.conditions["digests"], digests, "{place}");
                }
            }
            for (column, title) in COLUMNS.iter().enumerate().skip(1) {
                // Of both, as a column that is not there, and of this one alone.
                for from in [0, 1] {
                    let mut fewer = rows.clone();
                    for row in &mut fewer[from..] {
                        row[column].clear();
                    }
                    let less = said(&sides, &fewer);
                    let place = format!("{place} without {title} from {from}");
                    let is_told_more = model == NOT_MODELLED && *title == "model";
                    for (name, worst) in less.conditions.iter().filter(|_| !is_told_more) {
                        let told = whole.conditions[name];
                        assert!(*worst <= told, "{place}, {name}: {worst:?}, {told:?}");
                    }
                    if is_told_more {
                        assert!(less.basis <= 1, "{place}: {}", less.rules);
                        assert!(less.rules.contains("it is a CP-8861"), "{place}");
                        continue;
                    }
                    let is_same = less.fate == whole.fate || less.fate == Fate::Unknown;
                    assert!(is_same, "{place}: {:?}, not {:?}", less.fate, whole.fate);
                    assert!(less.basis <= whole.basis, "{place}: {}", less.rules);
                    less_sure += usize::from(less.basis < whole.basis);
                }
            }
        }
    }
    assert!(less_sure > 4, "{less_sure}");
}

/// Phones of a cluster that once was in mixed mode may hold its CTL still, and follow it.
#[test]
fn a_ctl_that_nobody_said_is_assumed_not_to_be_there_if_the_cluster_had_one() {
    let looked_at = looked(&scenario_text("sha-512.toml")).unwrap();
    let mixed = looked(&scenario_text("secure-migration.toml")).unwrap();
    let old = mixed.phones[0].1.flash.get("CTLFile.tlv").unwrap();
    let mut sides = looked_at.sides;
    let phone = &looked_at.phones[0].1;
    let itl = phone.flash.get("ITLFile.tlv").unwrap();
    let sha1 = |bytes| trustline::phone::file_facts("", bytes).sha1;
    let device = phone.setup.identity.device.clone();
    let row = |ctl: String| {
        let (itl, model) = (sha1(itl), "CP-8861".to_owned());
        [device.clone(), model, ctl, itl, "g1".into(), "no".into()]
    };
    let never = said(&sides, &[row(String::new())]);
    assert!(never.fate.follows() && never.basis > 1, "{}", never.rules);
    let node = &mut sides.sides[0].nodes[0];
    let reply = Known::Yes(FileReply::File(old.clone()));
    node.tftp.replies.insert("old/CTLFile.tlv".into(), reply);
    let none = said(&sides, &[row("none".into())]);
    assert!(none.fate.follows() && none.basis > 1, "{}", none.rules);
    let held = said(&sides, &[row(sha1(old))]);
    let unsaid = said(&sides, &[row(String::new())]);
    assert_eq!(unsaid.basis, 1);
    assert!(unsaid.rules.contains("it holds no CTL"), "{}", unsaid.rules);
    let lists = |said: &Said| said.conditions["phones-lists"];
    assert!(lists(&unsaid) < lists(&none).min(lists(&held)));
}
