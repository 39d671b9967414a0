//! The independent model of who migrates against what the built-in scenarios say, and row by row
//! against `docs/who-migrates.md`.

#![allow(clippy::disallowed_methods, reason = "reads the scenarios")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::collections::BTreeMap;
use std::path::Path;

use trustline::scenario::explore::expected::{Expected, Reason, Unsupported, expected};
use trustline::scenario::{Rules, Scenario, parse};

/// Built-in scenarios that the model does not decide, each with the word for why. None so far.
const UNSUPPORTED: &[(&str, &str)] = &[];

/// Built-in scenarios at the time of writing; new ones may come, none may go.
const BUILT_IN: usize = 33;

fn built_in() -> BTreeMap<String, Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            all.insert(name.clone(), scenario(&name, &text));
        }
    }
    all
}

fn scenario(name: &str, text: &str) -> Scenario {
    match parse(name, text, &Rules) {
        Ok(scenario) => scenario,
        Err(errors) => panic!("{name}: {}", errors[0]),
    }
}

/// The verdicts and reasons that `scenario` states and `found` lacks.
fn differences(scenario: &Scenario, found: &[Expected]) -> Vec<String> {
    let mut all = Vec::new();
    for expectation in &scenario.expectations {
        for number in expectation.phones.resolve(&scenario.phones) {
            let phone = found[number - 1];
            assert_eq!(phone.phone, number);
            if let Some(verdict) = &expectation.verdict
                && verdict.value != phone.verdict
            {
                all.push(format!(
                    "phone {number}: stated {verdict}, the table says {} ({})",
                    phone.verdict,
                    phone.reason,
                    verdict = verdict.value
                ));
            }
            if let Some(reason) = &expectation.reason
                && phone.reason != Reason::Damaged
                && reason.as_str() != phone.reason.as_str()
            {
                all.push(format!(
                    "phone {number}: stated {}, the table says {}",
                    reason.as_str(),
                    phone.reason
                ));
            }
        }
    }
    all
}

#[test]
fn the_table_gives_the_verdicts_of_the_built_in_scenarios() {
    let all = built_in();
    assert!(all.len() >= BUILT_IN, "{} scenarios", all.len());
    let mut wrong = Vec::new();
    let mut stated = 0;
    let mut unsupported = BTreeMap::new();
    for (name, scenario) in &all {
        match expected(scenario) {
            Ok(found) => {
                assert_eq!(found.len(), scenario.phone_count(), "{name}");
                stated += usize::from(scenario.expectations.iter().any(|e| e.verdict.is_some()));
                let differences = differences(scenario, &found);
                wrong.extend(differences.into_iter().map(|d| format!("{name}: {d}")));
            }
            Err(Unsupported { what }) => {
                unsupported.insert(name.as_str(), what);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let known: BTreeMap<&str, String> = UNSUPPORTED
        .iter()
        .map(|(n, w)| (*n, (*w).to_owned()))
        .collect();
    assert_eq!(unsupported, known);
    assert_eq!(
        stated,
        all.len() - UNSUPPORTED.len(),
        "a scenario states no verdict"
    );
}
