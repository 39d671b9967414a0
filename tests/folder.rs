//! A folder of scenarios as a suite for CI: the same bytes for the same seeds, the right exit
//! codes, failures that can be repeated.

#![allow(
    clippy::disallowed_methods,
    reason = "tests read what the command wrote"
)]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use roxmltree::{Document, Node};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A suite in which two scenarios fail on purpose and the others hold.
const SUITE: &str = "testdata/scenarios/suite";

fn rehearse(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trustline"))
        .arg("rehearse")
        .args(args)
        .current_dir(ROOT)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Runs with both reports; gives JSON and JUnit.
fn reports(args: &[&str]) -> (String, String) {
    let dir = TempDir::new().unwrap();
    let junit = dir.path().join("report.xml");
    let mut all = vec!["--format", "json", "--junit", junit.to_str().unwrap()];
    all.extend(args);
    let output = rehearse(&all);
    let xml = std::fs::read_to_string(&junit).unwrap();
    (stdout(&output), xml)
}

fn elements<'a>(xml: &'a Document<'a>, name: &str) -> Vec<Node<'a, 'a>> {
    xml.descendants().filter(|n| n.has_tag_name(name)).collect()
}

/// A folder with these files of the suite, and others.
fn folder(of_suite: &[&str], others: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for name in of_suite {
        let from = Path::new(ROOT).join(SUITE).join(name);
        std::fs::copy(&from, dir.path().join(name)).unwrap();
    }
    for (name, text) in others {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn the_same_folder_and_seed_give_the_same_bytes_on_any_number_of_threads() {
    let (json, xml) = reports(&[SUITE, "--seed", "5", "--jobs", "1"]);
    for jobs in ["1", "2", "7"] {
        let (again, xml_again) = reports(&[SUITE, "--seed", "5", "--jobs", jobs]);
        assert!(json == again, "JSON with {jobs} threads");
        assert!(xml == xml_again, "JUnit with {jobs} threads");
    }
    let (other, other_xml) = reports(&[SUITE, "--seed", "6"]);
    assert_ne!(json, other, "another seed makes other certificates");
    assert_ne!(xml, other_xml);
    // With every event: times, digests and serials too.
    let all = [SUITE, "--seed", "5", "--verbose"];
    assert!(reports(&all) == reports(&all));
}

#[test]
fn many_runs_in_one_process_do_not_disturb_each_other() {
    // What a run leaves in the process, keys and signatures, must not show in the next.
    let (json, _) = reports(&[SUITE, "--repeat", "3", "--verbose"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    for run in json["scenarios"].as_array().unwrap() {
        let (file, seed) = (run["file"].as_str().unwrap(), run["seed"].to_string());
        if !file.contains("follows") {
            continue;
        }
        let (alone, _) = reports(&[file, "--seed", &seed, "--network", "sim", "--verbose"]);
        let alone: serde_json::Value = serde_json::from_str(&alone).unwrap();
        assert!(&alone["scenarios"][0] == run, "{file}, seed {seed}");
    }
}

#[test]
fn one_line_a_scenario_and_a_summary() {
    let output = rehearse(&["scenarios", "--filter", "tvs"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}");
    assert_eq!(stderr(&output), "", "no progress bar away from a terminal");
    let lines: Vec<_> = text.lines().collect();
    let (last, scenarios) = lines.split_last().unwrap();
    assert!(scenarios.len() > 2);
    assert!(scenarios.iter().all(|l| l.starts_with("ok     scenarios/")));
    assert!(scenarios.is_sorted(), "in the order of the files: {text}");
    let n = scenarios.len();
    assert!(
        last.starts_with(&format!("{n} of {n} scenarios as expected (")),
        "{last}"
    );
    assert!(last.ends_with("s, sim)"), "{last}");
}

#[test]
fn a_failure_tells_seed_events_and_the_command_that_repeats_it() {
    let output = rehearse(&[SUITE, "--seed", "7"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 1, "{text}");
    let file = format!("{SUITE}/other-reason.toml");
    let again = format!("trustline rehearse {file} --seed 7 --network sim");
    for part in [
        format!("FAILED {file}: "),
        "all phones reset".into(),
        "expected all phones: stranded, because of tvs-unreachable".into(),
        "found    SEP001122334401: the reason is signer-unknown-to-tvs".into(),
        "expected all phones: stranded, because of signer-unknown-to-tvs".into(),
        "found    SEP001122334401: migrated".into(),
        format!("repeat with: {again}\n"),
        format!("\n  {file} (seed 7)\n"),
        "2 of 4 scenarios as expected (".into(),
    ] {
        assert!(text.contains(&part), "no {part:?} in\n{text}");
    }
    // The command does what it says.
    let args: Vec<_> = again.split(' ').skip(2).collect();
    let repeated = rehearse(&args);
    assert_eq!(code(&repeated), 1);
    assert!(stdout(&repeated).contains("the reason is signer-unknown-to-tvs"));
}

#[test]
fn junit_is_well_formed_and_holds_the_failures() {
    let (_, text) = reports(&[SUITE, "--repeat", "2"]);
    let xml = Document::parse(&text).unwrap();
    let root = xml.root_element();
    assert_eq!(root.attribute("tests"), Some("8"));
    assert_eq!(root.attribute("failures"), Some("4"));
    assert_eq!(root.attribute("errors"), Some("0"));
    assert_eq!(elements(&xml, "testsuite").len(), 4);
    for case in elements(&xml, "testcase") {
        let file = case.attribute("classname").unwrap();
        let failure = case.children().find(|n| n.has_tag_name("failure"));
        let is_bad = file.ends_with("other-reason.toml") || file.ends_with("success.toml");
        assert_eq!(failure.is_some(), is_bad, "{file}");
        if let Some(failure) = failure {
            let name = case.attribute("name").unwrap();
            let (_, seed) = name.rsplit_once("(seed ").unwrap();
            let seed = seed.trim_end_matches(')');
            let text = failure.text().unwrap();
            let again = format!("repeat with: trustline rehearse {file} --seed {seed} ");
            assert!(text.contains(&again), "{text}");
            assert!(text.contains("all phones reset"), "{text}");
            let message = failure.attribute("message").unwrap();
            assert!(
                message.starts_with("expected ") && message.contains("; found "),
                "{message}"
            );
        }
    }
}

#[test]
fn a_filter_takes_paths_and_names_and_says_what_there_is() {
    let chosen = |filter: &str| {
        let output = rehearse(&[SUITE, "--format", "json", "--filter", filter]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let all = json["scenarios"].as_array().unwrap().clone();
        all.iter()
            .map(|s| {
                s["file"]
                    .as_str()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(chosen("follows.toml"), ["follows.toml"]);
    // A name, in other letters.
    assert_eq!(chosen("EXPECTED TO BE STRANDED"), ["stranded.toml"]);
    let none = rehearse(&[SUITE, "--filter", "no such thing"]);
    assert_eq!(code(&none), 2);
    let text = stderr(&none);
    assert!(text.contains("\"no such thing\""), "{text}");
    assert!(text.contains("follows.toml: "), "{text}");
    assert_eq!(stdout(&none), "");
    // A filter leaves out what cannot be read elsewhere.
    let dir = folder(&["follows.toml"], &[("broken.toml", "format = 2")]);
    let path = dir.path().to_str().unwrap();
    assert_eq!(code(&rehearse(&[path, "--filter", "follows"])), 0);
    assert_eq!(code(&rehearse(&[path, "--filter", "broken"])), 2);
}

#[test]
fn repeating_takes_the_seeds_from_the_first_on() {
    let text = stdout(&rehearse(&[SUITE, "--repeat", "3", "--seed", "10"]));
    let file = |name: &str| format!("{SUITE}/{name}");
    assert!(text.contains("(3 seeds, 10 to 12)"), "{text}");
    assert!(
        text.contains("(3 seeds, 10 to 12, 3 failed: 10, 11, 12)"),
        "{text}"
    );
    assert!(
        text.contains("6 of 12 runs of 4 scenarios as expected"),
        "{text}"
    );
    for seed in 10..13 {
        let again = format!("rehearse {} --seed {seed} ", file("success.toml"));
        assert!(text.contains(&again), "{text}");
    }
    assert!(!text.contains(&format!("rehearse {}", file("follows.toml"))));
    let last = u64::MAX.to_string();
    let far = rehearse(&[&file("follows.toml"), "--seed", &last, "--repeat", "2"]);
    assert_eq!(code(&far), 2);
    assert!(stderr(&far).contains("give a smaller --seed"));
    for wrong in ["0", "-1", "x", "100001"] {
        let output = rehearse(&[&file("follows.toml"), &format!("--repeat={wrong}")]);
        assert_eq!(code(&output), 2, "{wrong}");
    }
}

#[test]
fn what_cannot_be_read_does_not_stop_the_others() {
    let dir = folder(
        &["follows.toml", "success.toml"],
        &[
            ("a-broken.toml", "format = 1\nnam = \"x\""),
            ("note.txt", "no scenario"),
        ],
    );
    let path = dir.path().to_str().unwrap();
    let output = rehearse(&[path]);
    let (text, errors) = (stdout(&output), stderr(&output));
    // Malformed counts more than a failed expectation.
    assert_eq!(code(&output), 2, "{text}");
    assert!(
        text.contains("1 of 2 scenarios as expected, 1 path cannot be read"),
        "{text}"
    );
    assert!(errors.contains("did you mean `name`?"), "{errors}");
    assert!(!errors.contains("note.txt"), "{errors}");
    let (json, xml) = reports(&[path]);
    let xml = Document::parse(&xml).unwrap();
    let error = elements(&xml, "error");
    assert_eq!(error.len(), 1);
    assert_eq!(error[0].attribute("type"), Some("malformed"));
    assert!(error[0].text().unwrap().contains("did you mean `name`?"));
    assert!(
        elements(&xml, "testsuite")[0]
            .attribute("name")
            .unwrap()
            .ends_with("a-broken.toml")
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let all = json["scenarios"].as_array().unwrap();
    let holds: Vec<_> = all.iter().map(|s| s["holds"].as_bool().unwrap()).collect();
    assert_eq!(holds, [false, true, false]);
    assert!(all[0]["error"].as_str().unwrap().contains("did you mean"));
    // A path that is not there counts more than a failure, less than what is malformed.
    let gone = dir.path().join("gone.toml");
    let gone = gone.to_str().unwrap();
    let good = format!("{SUITE}/follows.toml");
    let bad = format!("{SUITE}/success.toml");
    assert_eq!(code(&rehearse(&[gone, &good])), 3);
    assert_eq!(code(&rehearse(&[gone, &bad])), 3);
    assert_eq!(code(&rehearse(&[path, gone])), 2);
}

#[test]
fn an_empty_folder_is_a_slip() {
    let dir = TempDir::new().unwrap();
    let output = rehearse(&[dir.path().to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("holds no .toml file"));
}

#[test]
fn a_report_that_cannot_be_written_stops_before_the_first_run() {
    let dir = TempDir::new().unwrap();
    let junit = dir.path().join("no/such/folder/report.xml");
    let output = rehearse(&[SUITE, "--junit", junit.to_str().unwrap()]);
    assert_eq!(code(&output), 3);
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("report.xml"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn every_event_is_told_of_several_runs_too() {
    let file = format!("{SUITE}/follows.toml");
    let text = stdout(&rehearse(&[&file, "--repeat", "2", "-v"]));
    let told = text.matches("flash").count();
    assert!(told >= 4, "{text}");
    let alone = stdout(&rehearse(&[&file, "--repeat", "2"]));
    assert_eq!(alone.lines().count(), 2, "{alone}");
}

#[test]
fn each_run_keeps_its_world_in_a_folder_of_its_own() {
    let dir = TempDir::new().unwrap();
    let world = |name: &str| -> PathBuf { dir.path().join("kept").join(name) };
    let kept = dir.path().join("kept");
    let kept = kept.to_str().unwrap();
    let file = format!("{SUITE}/follows.toml");
    let output = rehearse(&[&file, "--repeat", "2", "--keep", kept]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    for seed in [1, 2] {
        let events = world(&format!("follows-seed-{seed}")).join("events.jsonl");
        let events = std::fs::read_to_string(events).unwrap();
        assert!(events.contains(&format!("\"seed\":{seed}")));
        // Who keeps the events wants all of them.
        assert!(!events.contains("not-searched"));
    }
    // The folder of another run is not mixed with these.
    let other = dir.path().join("kept/notes.txt");
    std::fs::write(other, "mine").unwrap();
    assert_eq!(code(&rehearse(&[SUITE, "--keep", kept])), 3);
}

#[test]
fn an_expected_failure_holds_for_its_reason_alone() {
    let of = |name: &str| rehearse(&[&format!("{SUITE}/{name}"), "--network", "sim"]);
    // Stranded, and for the reason that the scenario states.
    let output = of("stranded.toml");
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    // Stranded for another one.
    let output = of("other-reason.toml");
    assert_eq!(code(&output), 1);
    assert!(
        stdout(&output).contains("found    SEP001122334401: the reason is signer-unknown-to-tvs")
    );
    // Not stranded at all.
    let output = of("success.toml");
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("found    SEP001122334401: migrated"));
}
