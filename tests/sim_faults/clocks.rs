//! Wall clocks that jump, and each use of them.

use trustline::event::Kind;

use crate::lab::{Lab, Run, resets};

fn jump(by: &str, whose: &str) -> String {
    format!("[[step]]\ndo = \"jump-clock\"\nby = \"{by}\"\n{whose}\n")
}

const PHONES: &str = "phones = \"all\"";

fn stamps(run: &Run) -> Vec<String> {
    let stamped = |k: &Kind| match k {
        Kind::Status { stamped, .. } => Some(stamped.clone()),
        _ => None,
    };
    run.of_phone()
        .iter()
        .filter_map(|e| stamped(&e.kind))
        .collect()
}

#[test]
fn status_messages_follow_the_phones_clock() {
    let lab = Lab::default();
    let plain = lab.run(&resets(1));
    let ahead = lab.run(&format!("{}{}", jump("+2h", PHONES), resets(1)));
    // Each step counts for a second, so runs of equally many are compared.
    let there_and_back = |there, back| {
        let (there, back) = (jump(there, PHONES), jump(back, PHONES));
        lab.run(&format!("{there}{back}{}", resets(1)))
    };
    let back = there_and_back("+2h", "-120m");
    assert!(
        stamps(&plain).iter().all(|s| s.contains("9:00")),
        "{:?}",
        stamps(&plain)
    );
    assert!(
        stamps(&ahead).iter().all(|s| s.contains("11:00")),
        "{:?}",
        stamps(&ahead)
    );
    assert!(
        stamps(&back).iter().all(|s| s.contains("9:00")),
        "{:?}",
        stamps(&back)
    );
    assert_eq!(stamps(&there_and_back("+1m", "-60s")), stamps(&back));
    assert_eq!(ahead.migrated(), 1, "dates are not looked at by default");
}

#[test]
fn dates_of_certificates_count_by_the_phones_clock_where_the_rule_says_so() {
    let lab = Lab {
        settings: "\"phone.ignores_expiry\" = \"no\"",
        ..Lab::default()
    };
    let run = |by| lab.run(&format!("{}{}", jump(by, PHONES), resets(1)));
    assert_eq!(run("+2h").migrated(), 1);
    let late = run("+3650d");
    assert_eq!(late.migrated(), 0);
    let early = run("-3650d");
    assert_eq!(early.migrated(), 0, "before it is valid");
    // The nodes' clocks are not asked.
    let nodes = jump("+3650d", "nodes = \"all\"");
    assert_eq!(lab.run(&format!("{nodes}{}", resets(1))).migrated(), 1);
}

/// Whether a phone turns to a TVS again although it keeps an answer. It could not use that one: the
/// list comes damaged.
fn asks_again(clock: &'static str, between: &str) -> bool {
    let settings = match clock {
        "wall" => "\"tvs.cache_survives_boot\" = \"yes\"\n\"tvs.cache_clock\" = \"wall\"",
        _ => "\"tvs.cache_survives_boot\" = \"yes\"",
    };
    let lab = Lab {
        settings,
        ..Lab::default()
    };
    let damage =
        "[[step]]\ndo = \"damage-file\"\nnode = \"dst-pub\"\nfile = \"itl\"\nhow = \"flip-bit\"\n";
    let run = lab.run(&format!("{damage}{}{between}{}", resets(1), resets(1)));
    let phone = &run.rehearsed.phones[0];
    let turns = |k: &Kind| matches!(k, Kind::TvsConnecting { .. });
    assert!(
        phone.events[..phone.last_boot]
            .iter()
            .any(|e| turns(&e.kind))
    );
    phone.events[phone.last_boot..]
        .iter()
        .any(|e| turns(&e.kind))
}

#[test]
fn a_kept_answer_runs_out_by_the_clock_of_the_rule() {
    let day = "[[step]]\ndo = \"wait\"\nseconds = 90000\n";
    let ahead = jump("+25h", PHONES);
    let both = format!("{day}{}", jump("-25h", PHONES));
    assert!(!asks_again("running", ""), "kept over the boot");
    assert!(!asks_again("wall", ""));
    assert!(asks_again("running", day), "a day has passed");
    assert!(asks_again("wall", day));
    assert!(!asks_again("running", &ahead), "no time has passed");
    assert!(asks_again("wall", &ahead), "by the wall clock it ran out");
    assert!(asks_again("running", &both));
    assert!(!asks_again("wall", &both), "by the wall clock it did not");
}

/// Found while exploring: a jump past an answer's end was forgotten, and the way back then gave the
/// answer more than its life.
#[test]
fn a_clock_that_jumps_there_and_back_adds_nothing_to_an_answer() {
    let at_home = "[[step]]\ndo = \"set-option-150\"\nto = [\"src-pub\"]\n";
    let away = "[[step]]\ndo = \"set-option-150\"\nto = [\"dst-pub\"]\n";
    let (ahead, back) = (jump("+48h", PHONES), jump("-48h", PHONES));
    let days = "[[step]]\ndo = \"wait\"\nseconds = 90000\n";
    // A boot at home asks nobody, and keeps what it has.
    let between = format!("{at_home}{ahead}{}{back}{days}{away}", resets(1));
    assert!(asks_again("wall", &between));
    assert!(asks_again(
        "wall",
        &format!("{at_home}{}{days}{away}", resets(1))
    ));
}

#[test]
fn what_a_node_publishes_bears_its_own_time() {
    let anew =
        "[[step]]\ndo = \"regenerate-certificate\"\nnode = \"dst-pub\"\ncertificate = \"TVS\"\n";
    let steps = |jump: &str| format!("{}{jump}{anew}{}", resets(1), resets(1));
    let back = jump("-30d", "nodes = [\"dst-pub\"]");
    let strict = Lab {
        settings: "\"list.older_timestamp\" = \"refuse\"",
        ..Lab::default()
    };
    let installed = |run: &Run| run.count(|k| matches!(k, Kind::ListInstalled { .. }));
    assert_eq!(installed(&strict.run(&steps(""))), 2);
    let older = strict.run(&steps(&back));
    assert_eq!(installed(&older), 1, "{}", older.lines());
    assert_eq!(installed(&Lab::default().run(&steps(&back))), 2);
    // Another node's clock does not matter.
    let other = jump("-30d", "nodes = [\"src-pub\"]");
    assert_eq!(installed(&strict.run(&steps(&other))), 2);
}
