//! Services and nodes that change while phones boot.

use trustline::event::Kind;

use crate::lab::{Lab, Run, resets};

/// A slow link, so that there is a middle to strike in, then a change at this time of the boot.
fn struck(change: &str, after_ms: u64) -> String {
    format!(
        "[[step]]\ndo = \"set-link\"\nlatency = \"50ms\"\n[[step]]\n{change}\nafter = \"{after_ms}ms\"\n{}",
        resets(1)
    )
}

fn lab() -> Lab {
    Lab {
        settings: "\"tvs.poll_ms\" = 0",
        ..Lab::default()
    }
}

/// When, in milliseconds of the boot, the phone asks TVS on such a link.
fn asks_at() -> u64 {
    let run = lab().run(&struck(
        "do = \"start-service\"\nnode = \"src-pub\"\nservice = \"tvs\"",
        3_000_000,
    ));
    run.when(|k| matches!(k, Kind::TvsAsked { .. })) / 1_000 - boot_at(&run)
}

fn boot_at(run: &Run) -> u64 {
    run.when(|k| matches!(k, Kind::Boot { .. })) / 1_000
}

#[test]
fn a_tvs_that_stops_breaks_its_connections() {
    // The question takes 50 ms, so it has not arrived.
    let at = asks_at() + 20;
    for change in ["stop", "restart"] {
        let step = format!("do = \"{change}-service\"\nnode = \"src-pub\"\nservice = \"tvs\"");
        let run = lab().run(&struck(&step, at));
        let failed = run.when(|k| matches!(k, Kind::TvsFailed { .. })) / 1_000 - boot_at(&run);
        assert_eq!(failed, at + 50, "{change}: the end takes one way");
        assert!(run.has("tvs-no-answer"), "{change}");
        assert_eq!(run.count(|k| matches!(k, Kind::TvsAsked { .. })), 2);
        assert_eq!(run.migrated(), 1, "{change}: the other TVS is asked");
    }
}

#[test]
fn a_node_that_is_switched_off_says_nothing() {
    let at = asks_at() + 20;
    let run = lab().run(&struck("do = \"switch-off\"\nnode = \"src-pub\"", at));
    let asked = run.when(|k| matches!(k, Kind::TvsAsked { .. }));
    let failed = run.when(|k| matches!(k, Kind::TvsFailed { .. }));
    assert_eq!((failed - asked) / 1_000, 5_000, "tvs.answer_timeout_ms");
    assert_eq!(run.migrated(), 1);
}

#[test]
fn a_tvs_that_starts_in_time_is_found() {
    let stop = "[[step]]\ndo = \"stop-service\"\ncluster = \"source\"\nservice = \"tvs\"\n";
    let start = "do = \"start-service\"\nnode = \"src-sub\"\nservice = \"tvs\"";
    let run = |after| {
        let steps = format!("{stop}{}", struck(start, after));
        lab().run(&steps).migrated()
    };
    assert_eq!((run(500), run(60_000)), (1, 0));
}

#[test]
fn a_tftp_service_that_stops_breaks_its_transfers() {
    for (change, why) in [
        (
            "do = \"stop-service\"\nnode = \"dst-pub\"\nservice = \"tftp\"",
            "broken off: the service stopped",
        ),
        (
            "do = \"restart-service\"\nnode = \"dst-pub\"\nservice = \"tftp\"",
            "broken off: the service stopped",
        ),
        (
            "do = \"switch-off\"\nnode = \"dst-pub\"",
            "broken off: the node was switched off",
        ),
    ] {
        let lab = Lab {
            settings: "\"http.first\" = \"no\"",
            ..Lab::default()
        };
        // In the middle of the list, which takes 15 round trips of 100 ms after one for the CTL.
        let run = lab.run(&struck(change, 700));
        assert!(run.has(why), "{change}\n{}", run.lines());
        let failed = |k: &Kind| matches!(k, Kind::DownloadFailed { file, .. } if file == "ITLSEP001122334401.tlv");
        assert_eq!(run.count(failed), 1, "{change}\n{}", run.lines());
        assert_eq!(run.migrated(), 0, "{change}");
        let phone = &run.rehearsed.phones[0];
        let itl = |f: &trustline::phone::Flash| f.get("ITLFile.tlv").cloned();
        assert_eq!(itl(&phone.flash), itl(&phone.before));
    }
}

#[test]
fn a_tftp_service_that_stops_breaks_its_http_connections() {
    let asks_at = {
        let run = lab().run(&struck(
            "do = \"switch-off\"\nnode = \"src-pub\"",
            3_000_000,
        ));
        let itl =
            |k: &Kind| matches!(k, Kind::Requested { file, .. } if file.starts_with("ITLSEP"));
        run.when(itl) / 1_000 - boot_at(&run)
    };
    let itl = |k: &Kind| matches!(k, Kind::HttpFailed { file, .. } if file.starts_with("ITLSEP"));
    // A round trip for TCP, then the question, which takes 50 ms and has not arrived.
    let at = asks_at + 120;
    let stop = "do = \"stop-service\"\nnode = \"dst-pub\"\nservice = \"tftp\"";
    let run = lab().run(&struck(stop, at));
    assert_eq!(run.when(itl) / 1_000 - boot_at(&run), at + 50, "one way");
    assert!(run.has("the server closed without an answer"));
    assert_eq!(run.migrated(), 0, "TFTP has stopped as well");
    // A node that is off says nothing: the phone's own time runs out.
    let run = lab().run(&struck("do = \"switch-off\"\nnode = \"dst-pub\"", at));
    assert_eq!(run.when(itl) / 1_000 - boot_at(&run), asks_at + 100 + 5_000);
}

#[test]
fn what_is_planned_for_later_than_the_boot_still_comes() {
    let steps = "[[step]]\ndo = \"switch-off\"\nnode = \"dst-pub\"\nafter = \"30m\"\n";
    let run = Lab::default().run(&format!("{steps}{}", resets(2)));
    let installed = run.count(|k| matches!(k, Kind::ListInstalled { .. }));
    assert_eq!(installed, 1, "the first boot was over by then");
    let text = |k: &Kind| matches!(k, Kind::Step { text, .. } if text == "dst-pub is switched off");
    let told: Vec<_> = run.events.iter().filter(|e| text(&e.kind)).collect();
    assert_eq!(told.len(), 1);
    let first = boot_at(&run);
    assert_eq!(told[0].at.as_micros() / 1_000, first + 30 * 60_000);
    let boots: Vec<_> = run
        .of_phone()
        .iter()
        .filter(|e| matches!(e.kind, Kind::Boot { .. }))
        .collect();
    assert!(boots[1].at >= told[0].at, "the world waited");
    assert!(run.has("no answer"), "the second boot finds it off");
}

#[test]
fn a_node_that_is_switched_on_publishes_what_it_missed() {
    let steps = r#"
[[step]]
do = "switch-off"
node = "dst-pub"
[[step]]
do = "switch-on"
node = "dst-pub"
after = "2s"
"#;
    let run = Lab::default().run(&format!("{steps}{}", resets(1)));
    assert_eq!(run.migrated(), 1, "{}", run.lines());
}
