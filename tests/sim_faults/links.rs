//! Links: time, losses, partitions.

use trustline::event::Kind;
use trustline::phone::power::BootEnd;

use crate::lab::{Lab, Run, resets};

fn under(link: &str) -> String {
    format!("[[step]]\ndo = \"set-link\"\n{link}\n{}", resets(1))
}

const MS: u64 = 1_000;

#[test]
fn latency_counts_for_every_datagram_and_every_round_trip() {
    let lab = Lab {
        settings: "\"tvs.poll_ms\" = 0\n\"http.first\" = \"no\"",
        ..Lab::default()
    };
    let run = lab.run(&under("latency = \"50ms\""));
    assert_eq!(run.migrated(), 1);
    let itl = |file: &str| file.starts_with("ITLSEP");
    let asked = run.when(|k| matches!(k, Kind::Requested { file, .. } if itl(file)));
    let whole = run.when(|k| matches!(k, Kind::Downloaded { facts, .. } if itl(&facts.file)));
    let bytes = run.of_phone().iter().find_map(|e| match &e.kind {
        Kind::Downloaded { facts, .. } if itl(&facts.file) => Some(facts.bytes),
        _ => None,
    });
    // Every block of 512 bytes, the last one shorter, waits for the acknowledgement before it.
    let blocks = bytes.unwrap() as u64 / 512 + 1;
    assert_eq!(whole - asked, blocks * 100 * MS);
    let connecting = run.when(|k| matches!(k, Kind::TvsConnecting { .. }));
    let connected = run.when(|k| matches!(k, Kind::TvsConnected { .. }));
    assert_eq!(connected - connecting, 200 * MS, "TCP, then TLS");
    let question = run.when(|k| matches!(k, Kind::TvsAsked { .. }));
    let answer = run.when(|k| matches!(k, Kind::TvsAnswered { .. }));
    assert_eq!(answer - question, 100 * MS);
    let registering = run.when(|k| matches!(k, Kind::Registering { .. }));
    let registered = run.when(|k| matches!(k, Kind::Registered { .. }));
    assert_eq!(registered - registering, 100 * MS);
}

#[test]
fn a_file_over_http_takes_two_round_trips() {
    let run = Lab::default().run(&under("latency = \"50ms\""));
    let itl = |file: &str| file.starts_with("ITLSEP");
    let asked = run.when(|k| matches!(k, Kind::Requested { file, .. } if itl(file)));
    let whole = run.when(
        |k| matches!(k, Kind::Downloaded { facts, transport, .. } if itl(&facts.file) && transport == "http"),
    );
    assert_eq!(whole - asked, 200 * MS, "TCP, then the file");
}

#[test]
fn over_a_partition_http_is_given_up_before_tftp() {
    let run = Lab::default().run(&under("nodes = [\"dst-pub\"]\npartition = true"));
    let asked = run.when(|k| matches!(k, Kind::Requested { .. }));
    let failed = run.when(|k| matches!(k, Kind::HttpFailed { .. }));
    assert_eq!(failed - asked, 5_000 * MS, "http.timeout_ms");
    let over_tftp =
        |k: &Kind| matches!(k, Kind::Requested { transport, .. } if transport == "tftp");
    assert_eq!(run.when(over_tftp), failed);
}

#[test]
fn the_first_datagrams_are_lost_and_no_more() {
    let lab = Lab {
        settings: "\"http.first\" = \"no\"",
        ..Lab::default()
    };
    let again = |run: &Run| run.count(|k| matches!(k, Kind::Retransmitted { .. }));
    for lost in [0, 1, 2] {
        let run = lab.run(&under(&format!(
            "nodes = [\"dst-pub\"]\nlose-first = {lost}"
        )));
        assert_eq!(again(&run), lost, "{}", run.lines());
        assert_eq!(run.migrated(), 1);
    }
    // A connection is not made of datagrams.
    let run = Lab::default().run(&under("lose-first = 1"));
    assert!(run.has(r#""status":503"#));
}

#[test]
fn a_link_is_of_one_phone_and_one_node() {
    let lab = Lab {
        phones: 2,
        ..Lab::default()
    };
    let run = lab.run(&under(
        "phones = [1]\nnodes = [\"src-pub\"]\npartition = true",
    ));
    assert_eq!(run.migrated(), 2);
    let failed = |i: usize| {
        let events = run.rehearsed.phones[i].events.iter();
        let failed = |k: &Kind| matches!(k, Kind::TvsFailed { .. });
        events.filter(|e| failed(&e.kind)).count()
    };
    assert_eq!((failed(0), failed(1)), (1, 0));
}

#[test]
fn a_partition_lets_the_connect_time_out_run() {
    let run = Lab::default().run(&under("nodes = [\"src-pub\"]\npartition = true"));
    let connecting = run.when(|k| matches!(k, Kind::TvsConnecting { .. }));
    let failed = run.when(|k| matches!(k, Kind::TvsFailed { .. }));
    assert_eq!(failed - connecting, 5_000 * MS, "tvs.connect_timeout_ms");
    assert!(run.has("src-pub:2445 did not answer in time"));
    assert_eq!(run.migrated(), 1, "the other TVS is asked");
}

#[test]
fn a_phone_that_reaches_nobody_ends_its_boot_and_keeps_its_lists() {
    for link in [
        "loss = 100",
        "partition = true",
        "corrupt = 100\nloss = 100",
    ] {
        let run = Lab::default().run(&under(link));
        let phone = &run.rehearsed.phones[0];
        assert_eq!(phone.end, BootEnd::Done, "{link}");
        for file in ["CTLFile.tlv", "ITLFile.tlv", "config.xml"] {
            assert_eq!(phone.flash.get(file), phone.before.get(file), "{link}");
        }
        assert!(phone.flash.get("ITLFile.tlv").is_some());
        let start = run.when(|k| matches!(k, Kind::Boot { .. }));
        let end = run.when(|k| matches!(k, Kind::BootEnded { .. }));
        let minutes = (end - start) / 60_000_000;
        assert!(minutes < 10, "{link}: {minutes} min");
        assert!(run.has("no CallManager answers"), "{link}");
    }
}

#[test]
fn damaged_datagrams_never_reach_the_flash() {
    // Every datagram has a flipped bit: no list can come through whole.
    let run = Lab::default().run(&under("corrupt = 100"));
    let phone = &run.rehearsed.phones[0];
    assert_eq!(
        phone.flash.get("ITLFile.tlv"),
        phone.before.get("ITLFile.tlv")
    );
    assert_eq!(run.migrated(), 0);
    // A damaged segment breaks a connection; it is not read as something else.
    let steps = under("nodes = [\"src-pub\", \"src-sub\"]\ncorrupt = 100");
    let run = Lab::default().run(&steps);
    assert!(run.has("a record was damaged on the way"));
    assert!(!run.has("tvs-answer-malformed"));
    assert_eq!(run.count(|k| matches!(k, Kind::TvsAnswered { .. })), 0);
}

#[test]
fn duplicates_alone_change_no_outcome() {
    let run = Lab::default().run(&under("duplicate = 100"));
    assert_eq!(run.migrated(), 1);
    let again = |k: &Kind| matches!(k, Kind::Retransmitted { .. });
    assert_eq!(run.count(again), 0, "nothing is lost");
}

#[test]
fn links_stay_until_they_are_cleared_or_set_anew() {
    let partition = "[[step]]\ndo = \"set-link\"\npartition = true\n";
    let anew = "[[step]]\ndo = \"set-link\"\nlatency = \"2ms\"\n";
    let clear = "[[step]]\ndo = \"clear-links\"\n";
    let run = |then: &str| {
        let steps = format!("{partition}{}{then}{}", resets(1), resets(1));
        Lab::default().run(&steps).migrated()
    };
    assert_eq!((run(""), run(anew), run(clear)), (0, 1, 1));
}

#[test]
fn a_link_can_break_and_heal_in_the_middle_of_a_boot() {
    let steps = r#"
[[step]]
do = "set-link"
partition = true
after = "20ms"
[[step]]
do = "clear-links"
after = "3s"
[[step]]
do = "reset-phones"
"#;
    let lab = Lab {
        settings: "\"http.first\" = \"no\"",
        ..Lab::default()
    };
    let run = lab.run(steps);
    assert_eq!(run.migrated(), 1);
    assert!(run.count(|k| matches!(k, Kind::Retransmitted { .. })) > 0);
    let start = run.when(|k| matches!(k, Kind::Boot { .. }));
    let told: Vec<u64> = run
        .events
        .iter()
        .filter(|e| matches!(&e.kind, Kind::Step { text, .. } if text.starts_with("the links between") || text.starts_with("every link")))
        .map(|e| e.at.as_micros() - start)
        .collect();
    assert_eq!(told, [20 * MS, 3_000 * MS]);
}

#[test]
fn another_phone_does_not_change_the_luck_of_the_first() {
    let steps = under("loss = 30\njitter = \"9ms\"");
    let told = |phones| -> String {
        let run = Lab {
            phones,
            ..Lab::default()
        }
        .run(&steps);
        // What the phone knows; a node's own port is in none of it.
        let lines = run.of_phone().iter().map(|e| {
            let since = e.at.as_micros() - run.of_phone()[0].at.as_micros();
            format!("{since} {:?}\n", e.kind)
        });
        lines.collect()
    };
    assert_eq!(told(1), told(3));
}

#[test]
fn the_seed_decides() {
    let steps = under("loss = 30");
    let run = |seed| -> Run {
        Lab {
            seed,
            ..Lab::default()
        }
        .run(&steps)
    };
    assert_eq!(run(5).lines(), run(5).lines());
    let retries = |seed| run(seed).count(|k| matches!(k, Kind::Retransmitted { .. }));
    let all: std::collections::BTreeSet<_> = (0..8).map(retries).collect();
    assert!(all.len() > 2, "{all:?}");
}
