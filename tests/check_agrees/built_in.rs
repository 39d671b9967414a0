//! Every built-in scenario.

use std::fs;
use std::path::Path;

use crate::beside::{disagreements, run, scenario};

#[test]
fn every_built_in_scenario_ends_as_predicted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut found = Vec::new();
    let mut scenarios = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        scenarios += 1;
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let beside = run(&scenario(&fs::read_to_string(&path).unwrap()));
        let all = disagreements(&beside, |_, _| false);
        found.extend(all.into_iter().map(|d| format!("{name}: {d}")));
    }
    assert!(scenarios > 50, "only {scenarios}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
