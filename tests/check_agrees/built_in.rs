//! Every built-in scenario.

use std::fs;
use std::path::Path;

use crate::beside::{disagreements, run, scenario};
use crate::fixed::{Fixes, fixes};

#[test]
fn every_built_in_scenario_ends_as_predicted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut found = Vec::new();
    let (mut scenarios, mut fixed) = (0, Fixes::default());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        scenarios += 1;
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let beside = run(&scenario(&text));
        let all = disagreements(&beside, |_, _| false);
        let of_scenario = fixes(&text, &beside);
        let wrong = of_scenario.wrong.iter().cloned();
        found.extend(all.into_iter().chain(wrong).map(|d| format!("{name}: {d}")));
        fixed.add(of_scenario);
    }
    println!("{} fixes proven, {} not", fixed.proven, fixed.unproven);
    assert!(scenarios > 50, "only {scenarios}");
    assert!(fixed.proven > 0);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
