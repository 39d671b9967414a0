//! Scenario files: what a good one says, and what is said about every bad one.
//!
//! Each `testdata/scenarios/bad/NAME.toml` has the expected text beside it, in `NAME.err`.
//! `TRUSTLINE_BLESS=1 cargo test --test scenario_errors` writes them anew; read the difference.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

mod bad;
mod damaged;
mod good;

use trustline::scenario::{Diagnostic, Registry, Scenario, SettingValue, parse};

/// A registry that does not change when the real settings do.
struct Known;

impl Registry for Known {
    fn check(&self, name: &str, value: &SettingValue) -> Result<(), String> {
        match (name, value) {
            ("tvs.restart_needed", SettingValue::Flag(_)) => Ok(()),
            ("tvs.restart_needed", _) => Err("expected true or false".to_owned()),
            ("list.max_bytes", SettingValue::Number(1..=65_535)) => Ok(()),
            ("list.max_bytes", _) => Err("expected 1 to 65535".to_owned()),
            ("tvs.miss", SettingValue::Word(word))
                if word == "close" || word == "status-1-only" =>
            {
                Ok(())
            }
            _ => Err("expected close or status-1-only".to_owned()),
        }
    }

    fn names(&self) -> Vec<&'static str> {
        vec!["list.max_bytes", "tvs.miss", "tvs.restart_needed"]
    }

    fn check_parameter(&self, name: &str, value: &SettingValue) -> Result<(), String> {
        match (name, value) {
            ("prepare-cluster-for-rollback", SettingValue::Flag(_)) => Ok(()),
            ("prepare-cluster-for-rollback", _) => Err("expected true or false".to_owned()),
            (_, SettingValue::Word(word)) if word == "sha1" || word == "sha512" => Ok(()),
            _ => Err("expected sha1 or sha512".to_owned()),
        }
    }

    fn parameter_names(&self) -> Vec<&'static str> {
        vec![
            "prepare-cluster-for-rollback",
            "tftp-file-signature-algorithm",
        ]
    }

    fn reason_codes(&self) -> Vec<&'static str> {
        vec![
            "signer-unknown-to-tvs",
            "tvs-certificate-not-in-list",
            "role-missing",
        ]
    }

    fn event_kinds(&self) -> Vec<&'static str> {
        vec!["request", "status", "tvs-answer"]
    }

    fn event_fields(&self, kind: &str) -> Option<Vec<&'static str>> {
        (kind == "status").then(|| vec!["actor", "t_us", "text", "stamped"])
    }
}

/// The sample of the format.
const SAMPLE: &str = r#"format = 1
name = "Non-secure migration, 10.5.2 to 11.5.1"
source = "004_a744759d0d6986ba.txt"       # where the outcome is documented
date = 2020-03-01T09:00:00Z               # the world's clock at the start, on both drivers
seed = 1

[cluster.source]
release = "10.5.2"
mode = "non-secure"                       # or "mixed"
parameters = { prepare-cluster-for-rollback = false }
nodes = [
  { name = "src-pub", services = ["publisher", "tftp", "tvs", "capf"] },
  { name = "src-sub", services = ["tftp", "tvs"] },
]

[cluster.destination]
release = "11.5.1"
mode = "non-secure"
nodes = [{ name = "dst-pub", services = ["publisher", "tftp", "tvs"] }]

[[phones]]
count = 5
model = "CP-8861"
cluster = "source"                        # boots there first, so it holds that cluster's lists

[settings]                                # any setting that `trustline rules` lists
"tvs.restart_needed" = true

[[step]]
do = "trust-certificates"                 # verbs are a closed list; each documents its keys
from = "destination"
into = "source"
[[step]]
do = "set-option-150"
to = ["dst-pub"]
[[step]]
do = "reset-phones"

[[expect]]
phones = "all"
verdict = "migrated"
status = ["Trust List updated"]
tvs-asked = 1
"#;

/// The sample's head, for scenarios with other steps and expectations.
fn with(rest: &str) -> String {
    let head = SAMPLE.split("[settings]").next().unwrap();
    format!("{head}{rest}")
}

fn good(text: &str) -> Scenario {
    parse("good.toml", text, &Known).unwrap_or_else(|errors| panic!("{}", shown(&errors)))
}

fn shown(errors: &[Diagnostic]) -> String {
    errors
        .iter()
        .map(|error| format!("{error}\n"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn errors(text: &str) -> Vec<Diagnostic> {
    match parse("bad.toml", text, &Known) {
        Ok(_) => panic!("no error in:\n{text}"),
        Err(errors) => errors,
    }
}

/// The only error of `text`.
fn error(text: &str) -> String {
    let errors = errors(text);
    assert_eq!(errors.len(), 1, "{}", shown(&errors));
    errors[0].to_string()
}
