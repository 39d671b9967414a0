//! `trustline rules`, and what all commands share.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests read and write files, and fail by panic"
)]

mod golden;

use golden::{check, run};
use trustline::provisioning::settings::TABLE;
use trustline::trust::rules::RULES;

#[test]
fn golden() {
    for (name, line) in [
        ("rules-names", "rules trust.wrong_role list.max_bytes"),
        ("rules-profile", "rules tvs.poll_ms --profile 7800"),
        (
            "rules-json",
            "rules trust.wrong_role list.max_bytes --format json --profile 8800",
        ),
        (
            "rules-provision",
            "rules provision.min_rsa_bits provision.name_check",
        ),
        ("rules-wrong-name", "rules trust.wrongrole list"),
        ("rules-wrong-profile", "rules --profile 9900"),
        ("no-such-command", "inspct x"),
        ("help-rules", "rules -h"),
    ] {
        check(name, line);
    }
}

#[test]
fn every_rule_is_listed_with_all_that_belongs_to_it() {
    let output = run(&["rules"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let flat = words(&text);
    for rule in RULES {
        let value = rule.text_of(rule.default);
        let head = format!("\n  {} = {value}\n", rule.name);
        assert!(text.contains(&head), "{} is not listed", rule.name);
        let end = format!("basis {} source {}", rule.basis, words(rule.source));
        assert!(flat.contains(&end), "{}: no {end}", rule.name);
        assert!(flat.contains(&words(rule.what)), "{}", rule.name);
        assert!(flat.contains(&format!("[{value}]")), "{}", rule.name);
    }
}

#[test]
fn json_lists_the_same_rules() {
    let output = run(&["rules", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["schema_version"], 1);
    let rules = json["rules"].as_array().unwrap();
    assert_eq!(rules.len(), RULES.len() + TABLE.len());
    for (json, setting) in rules[RULES.len()..].iter().zip(TABLE) {
        assert_eq!(json["name"], setting.key);
        assert_eq!(json["value"], setting.default_text());
        assert_eq!(json["basis"], setting.basis.to_string());
        assert_eq!(json["source"], setting.source);
    }
    for (json, rule) in rules.iter().zip(RULES) {
        assert_eq!(json["name"], rule.name);
        assert_eq!(json["basis"], rule.basis.to_string());
        let choices = json["choices"].as_array().unwrap();
        assert!(choices.contains(&json["value"]), "{}", rule.name);
        assert!(choices.len() > 1, "{}", rule.name);
    }
}

#[test]
fn every_command_shows_examples_first_and_exit_codes() {
    for command in ["rehearse", "inspect", "rules", "completions", "man"] {
        let output = run(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        let text = String::from_utf8(output.stdout).unwrap();
        let at = |what: &str| {
            text.find(what)
                .unwrap_or_else(|| panic!("{command}: no {what}"))
        };
        assert!(at("Examples:") < at("Usage:"), "{command}");
        assert!(at("Usage:") < at("Exit codes:"), "{command}");
    }
}

#[test]
fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("inspect"), "{shell}");
    }
    for (args, what) in [
        (&["man"][..], ".TH trustline 1"),
        (&["man", "inspect"], ".TH trustline-inspect 1"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains(what));
    }
    assert_eq!(run(&["man", "nothing"]).status.code(), Some(2));
}
