//! `trustline serve` as a process: its ready line, its files and answers, orders, signals, and what
//! it says of arguments that cannot be.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests start processes and read files, and fail by panic"
)]

#[allow(dead_code, reason = "other test files use all of it")]
mod golden;
#[path = "cli_serve/served.rs"]
mod served;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tokio::runtime::Runtime;
use trustline::net::tls::{ClientTls, TlsOptions};
use trustline::net::tvs::{Deadlines, ask};
use trustline::scenario::{self, Rules};
use trustline::tftp::Outcome;
use trustline::trust::search::SignerId;
use trustline::tvs::ClientSettings;
use trustline::wire::tvs::{Answer, Request};
use trustline::wire::{Role, Strictness, TrustList};

use golden::{command, run};
use served::{Served, bytes, fetch};

/// Two clusters with a node each, two phones, four steps: trust, TVS restart, option 150, reset.
const SCENARIO: &str = "testdata/scenarios/suite/follows.toml";

fn serve(args: &[&str]) -> Command {
    command(&[&["serve", SCENARIO], args].concat())
}

/// The list that a node publishes at the scenario's start.
fn published(node: &str) -> Vec<u8> {
    let text = include_str!("../testdata/scenarios/suite/follows.toml");
    let scenario = scenario::parse(SCENARIO, text, &Rules).unwrap();
    let world = scenario::run::at_start(&scenario, &mut |_| {}).unwrap();
    let mut lab = world.lab();
    let id = lab.host(node).unwrap();
    lab.open(id, "ITLFile.tlv").unwrap().to_vec()
}

fn parsed(list: &[u8]) -> TrustList<&[u8]> {
    TrustList::parse(list, &Strictness::default()).unwrap()
}

/// Asks a TVS, which the list vouches for, about the signer of another list.
fn asked(runtime: &Runtime, tvs: SocketAddr, list: &[u8], about: &[u8]) -> Answer {
    let list = parsed(list);
    let servers = list.records.iter().filter(|r| r.role() == Role::Tvs);
    let pins = servers.filter_map(|r| Some(r.certificate()?.to_vec()));
    let tls = ClientTls::new(pins.collect(), None, TlsOptions::default()).unwrap();
    let signer = SignerId::of(&parsed(about).header);
    let request = Request::Query {
        device: b"CP-8861-SEP001122334401".to_vec(),
        subject: signer.subject,
        issuer: signer.issuer,
        serial: signer.serial,
    };
    let settings = ClientSettings::default();
    let asking = ask(tvs, &tls, &request, 7, settings, Deadlines::default());
    runtime.block_on(asking).unwrap().0
}

fn is(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["kind"] == kind
}

#[test]
fn it_serves_what_the_scenario_publishes_until_it_is_told_to_stop() {
    let mut served = Served::start(&mut serve(&[]));
    let runtime = Runtime::new().unwrap();
    assert_eq!(served.ready["ports"], "high");
    assert_eq!(served.ready["schema_version"], 1);
    let lists: Vec<_> = ["src-pub", "dst-pub"]
        .map(|node| {
            let list = bytes(fetch(&runtime, served.at(node, "tftp"), "ITLFile.tlv"));
            assert!(list == published(node), "{node} serves another list");
            list
        })
        .into();
    let phones = fetch(
        &runtime,
        served.at("src-pub", "tftp"),
        "ITLSEP0A0A0A0A0A0A.tlv",
    );
    assert!(bytes(phones) == lists[0], "a phone's own name");

    let tvs = served.at("src-pub", "tvs");
    let known = asked(&runtime, tvs, &lists[0], &lists[0]);
    assert_eq!(known.status, 0, "its own signer");
    let unknown = asked(&runtime, tvs, &lists[0], &lists[1]);
    assert_eq!(unknown.status, 1, "the other cluster's signer");

    // A phone without the ready line finds TVS by the configuration alone.
    let config = fetch(
        &runtime,
        served.at("src-pub", "tftp"),
        "SEP001122334401.cnf.xml",
    );
    let config = String::from_utf8(bytes(config)).unwrap();
    let address = served.node("src-pub")["address"].as_str().unwrap();
    let member = format!(
        "<port>{}</port>\n<address>{address}</address>",
        served.at("src-pub", "tvs").port()
    );
    assert!(config.contains(&member), "{config}");

    let event = served.wait_for(|e| e["file"] == "SEP001122334401.cnf.xml");
    assert_eq!(
        (&event["kind"], &event["actor"]),
        (&"served".into(), &"src-pub".into())
    );
    assert_eq!(event["result"], "sent");
    let seqs: Vec<_> = served.events.iter().map(|e| e["seq"].as_u64()).collect();
    let counted: Vec<_> = (0..seqs.len() as u64).map(Some).collect();
    assert_eq!(seqs, counted, "no event is left out");

    assert!(served.goes_on(), "a stdin that was never there is no order");
    served.signal("TERM");
    let ended = served.ended();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn steps_are_taken_while_it_runs() {
    let mut served = Served::start_with_orders(&mut serve(&[]));
    let runtime = Runtime::new().unwrap();
    let (from, to) = (published("src-pub"), published("dst-pub"));
    let tvs = served.at("src-pub", "tvs");
    assert_eq!(asked(&runtime, tvs, &from, &to).status, 1);

    served.order("steps");
    let steps = served.wait_for(is("steps"));
    let states: Vec<_> = steps["steps"].as_array().unwrap().iter().collect();
    assert_eq!(states.len(), 4);
    assert!(states.iter().all(|s| s["state"] == "to-come"));
    assert_eq!(states[0]["do"], "trust-certificates");

    served.order("step");
    let taken = served.wait_for(is("step-taken"));
    assert_eq!(
        (&taken["step"]["state"], &taken["left"]),
        (&"done".into(), &3.into())
    );
    let told = |e: &Value| e["kind"] == "trusted" && e["actor"] == "source";
    assert!(served.events.iter().any(told));
    // The restart of TVS is over when the step is, at the same port.
    served.order("step");
    served.wait_for(is("step-taken"));
    let answer = asked(&runtime, tvs, &from, &to);
    assert_eq!(answer.status, 0, "now it knows the destination's signer");

    served.order("step");
    let taken = served.wait_for(is("step-taken"));
    assert_eq!(taken["step"]["state"], "left-out");
    served.order("status");
    let status = served.wait_for(is("status"));
    assert_eq!(
        (&status["steps"], &status["steps_taken"]),
        (&4.into(), &3.into())
    );
    let up = &status["nodes"][0]["up"];
    assert!(up.as_array().unwrap().contains(&"tvs".into()), "{status}");
    served.order("step");
    served.wait_for(is("step-taken"));
    served.order("step");
    let taken = served.wait_for(is("step-taken"));
    assert_eq!((&taken["step"], &taken["left"]), (&Value::Null, &0.into()));

    served.order("stpe");
    served.order("quit");
    let ended = served.ended();
    assert_eq!(ended.code, Some(0));
    let expected = "no order `stpe`: expected step, steps, status or quit";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

#[test]
fn steps_can_be_taken_before_it_is_ready() {
    let mut served = Served::start_with_orders(&mut serve(&["--steps", "3"]));
    let runtime = Runtime::new().unwrap();
    let (from, to) = (published("src-pub"), published("dst-pub"));
    let answer = asked(&runtime, served.at("src-pub", "tvs"), &from, &to);
    assert_eq!(answer.status, 0);
    served.order("steps");
    let steps = served.wait_for(is("steps"));
    let done: Vec<_> = (0..4).map(|n| &steps["steps"][n]["state"]).collect();
    assert_eq!(done, ["done", "done", "left-out", "to-come"]);
    // Orders came, so their end is an order too.
    served.close_stdin();
    let ended = served.ended();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.starts_with("step 3 is left out: option 150"));
}

#[test]
fn sigint_ends_it_and_leaves_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let phone = "SEPAABBCCDDEEFF";
    let mut served = Served::start(&mut serve(&[
        "--keep",
        kept.to_str().unwrap(),
        "--phone",
        &format!("{phone}=destination"),
        "--server-names",
        "host-name",
        "--seed",
        "7",
    ]));
    let runtime = Runtime::new().unwrap();
    let tftp = served.at("dst-pub", "tftp");
    let signed = format!("{phone}.cnf.xml.sgn");
    let config = bytes(fetch(&runtime, tftp, &signed));
    let plain = bytes(fetch(&runtime, tftp, &format!("{phone}.cnf.xml")));
    let plain = String::from_utf8(plain).unwrap();
    assert!(plain.contains("<address>dst-pub</address>"), "{plain}");
    let other = fetch(&runtime, served.at("src-pub", "tftp"), &signed);
    assert!(matches!(other, Outcome::Refused { .. }), "{other:?}");
    served.wait_for(|e| e["file"] == signed.as_str() && e["actor"] == "src-pub");

    served.signal("INT");
    let ended = served.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let at = kept.join("clusters/destination/dst-pub/tftp").join(&signed);
    assert!(std::fs::read(at).unwrap() == config);
    let events = std::fs::read_to_string(kept.join("events.jsonl")).unwrap();
    let told: Vec<_> = events.lines().filter(|l| l.contains(&signed)).collect();
    assert_eq!(told.len(), 2, "{events}");
    assert!(events.contains("\"seed\":7"));
    trustline::cli::keep::prepare(&kept).unwrap();
}

/// Boots a phone as a process of its own; how its ITL came into its flash.
fn boots(flash: &Path, more: &[&str]) -> String {
    let flash = flash.to_str().unwrap();
    let phone = ["phone", "--mac", "001122334401", "--model", "CP-8861"];
    let manner = ["--once", "--pace", "fast", "--format", "json", "--flash"];
    let output = run(&[&phone[..], &manner, &[flash], more].concat());
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let mut events = told.lines().map(|l| serde_json::from_str(l).unwrap());
    let installed = events.rfind(is("list-installed"));
    let how = |e: Value| e["how"].as_str().unwrap().to_owned();
    installed.map(how).unwrap_or_default()
}

#[test]
fn phones_of_their_own_migrate_with_the_ready_line_and_without() {
    let mut served = Served::start(&mut serve(&["--steps", "2"]));
    let folder = tempfile::tempdir().unwrap();
    let lab = folder.path().join("ready.json");
    std::fs::write(&lab, served.ready.to_string()).unwrap();
    let lab = ["--lab", lab.to_str().unwrap(), "--tftp"];
    let port = |node| served.at(node, "tftp").to_string();
    let (from, to) = (port("src-pub"), port("dst-pub"));
    for (name, home, away) in [
        (
            "lab",
            [&lab[..], &["src-pub"]].concat(),
            [&lab[..], &["dst-pub"]].concat(),
        ),
        ("alone", vec!["--tftp", &from], vec!["--tftp", &to]),
    ] {
        let flash = folder.path().join(name);
        assert_eq!(boots(&flash, &home), "leap-of-faith", "{name}");
        assert_eq!(boots(&flash, &away), "tvs", "{name}");
        let installed = std::fs::read(flash.join("ITLFile.tlv")).unwrap();
        assert!(installed == published("dst-pub"), "{name}");
    }
    served.signal("TERM");
    assert_eq!(served.ended().code, Some(0));
}

#[test]
fn people_get_a_story_after_the_ready_line() {
    let mut served = Served::start_with_orders(&mut serve(&["--format", "human"]));
    let runtime = Runtime::new().unwrap();
    let outcome = fetch(&runtime, served.at("src-pub", "tftp"), "no-such-file");
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    while !served.line().contains("no-such-file to 127.") {}
    served.order("step");
    while !served.line().contains("next is step 2: TVS restarts") {}
    served.order("status");
    while !served.line().starts_with("source       src-pub      127.") {}
    served.order("quit");
    assert_eq!(served.ended().code, Some(0));
}

#[test]
fn arguments_that_cannot_be_are_explained() {
    let address = "src-pub=127.0.0.9";
    for (args, code, expected) in [
        (
            vec!["--ports", "real", "--bind", address],
            2,
            "add --bind dst-pub=ADDRESS",
        ),
        (
            vec!["--bind", "src-pup=127.0.0.9"],
            2,
            "no node src-pup; it has src-pub, dst-pub; did you mean src-pub?",
        ),
        (
            vec!["--bind", address, "--bind", "dst-pub=127.0.0.9"],
            2,
            "each node needs an address of its own",
        ),
        (
            vec!["--bind", address, "--bind", "src-pub=127.0.0.8"],
            2,
            "--bind names src-pub twice",
        ),
        (vec!["--bind", "src-pub=127.1.2.1"], 2, "but dst-pub has it"),
        (vec!["--bind", "src-pub=0.0.0.0"], 2, "is no node's address"),
        (
            vec!["--bind", "src-pub=localhost"],
            2,
            "expected NODE=ADDRESS",
        ),
        (vec!["--steps", "5"], 2, "the scenario has 4 steps"),
        (vec!["--steps", "some"], 2, "expected a number of steps"),
        (
            vec!["--phone", "SEPAABBCCDDEEFF=destinatio"],
            2,
            "no cluster destinatio; it has source, destination; did you mean destination?",
        ),
        (
            vec!["--phone", "SEPaabbccddeeff=source"],
            2,
            "12 hex digits in upper case",
        ),
        // An address for documents (RFC 5737), so nobody's.
        (
            vec!["--bind", "src-pub=192.0.2.1"],
            3,
            "192.0.2.1 is not an address of this machine",
        ),
        (vec!["--keep", "src"], 3, "holds something else"),
    ] {
        let output = run(&[&["serve", SCENARIO], &args[..]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        // clap breaks lines where the terminal ends.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(expected), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    // What was not to be had leaves the folder for the next try.
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().to_str().unwrap();
    let nobodys = ["--keep", kept, "--bind", "src-pub=192.0.2.1"];
    let output = run(&[&["serve", SCENARIO], &nobodys[..]].concat());
    assert_eq!(output.status.code(), Some(3));
    trustline::cli::keep::prepare(folder.path()).unwrap();
    let output = run(&["serve", "no-such.toml"]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn the_help_names_the_orders() {
    let help = String::from_utf8(run(&["serve", "--help"]).stdout).unwrap();
    for order in ["  step ", "  steps ", "  status ", "  quit "] {
        assert!(help.contains(order), "{help}");
    }
    assert!(help.starts_with("Leave the clusters"), "{help}");
}
