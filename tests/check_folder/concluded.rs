//! What the certificates and trust stores of a folder let conclude of a TVS that nobody asked.

use trustline::check::answer::State;
use trustline::check::evidence::{Door, Known, Sides, TvsReply};
use trustline::check::folder::Files;
use trustline::check::groups::{Asked, groups};
use trustline::check::predict::Move;
use trustline::check::{conditions, recording};
use trustline::scenario::words::Verdict;
use trustline::trust::rules::{self, Key, Settings};

use crate::{built_in, by_hand, migration, read, read_by, sent, sides_of};

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

#[test]
fn a_tvs_that_may_not_have_been_restarted_is_not_told_by_its_stores() {
    let (folders, subject) = migration();
    let mut settings = Settings::default();
    let rule = rules::rule(Key::TvsRestartNeeded);
    settings.choose(rule, rule.parse("yes").unwrap());
    let sides = Sides::of(
        folders
            .iter()
            .map(|(name, files)| read_by(name, files, &settings).side)
            .collect(),
    );
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
        let all = conditions::all(sides, &plan, &asked, clock, &groups);
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
