//! Every built-in scenario, in virtual time.

use trustline::phone::Pace;
use trustline::scenario::{self, Network, Rules, outcome};

fn run(path: &std::path::Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.display().to_string();
    let scenario = match scenario::parse(&name, &text, &Rules) {
        Ok(s) => s,
        Err(errors) => panic!(
            "{}",
            errors.iter().map(ToString::to_string).collect::<String>()
        ),
    };
    let mut events = Vec::new();
    let outcome = outcome::run(&scenario, Network::Sim, Pace::Real, &mut |e| {
        events.push(e.clone())
    });
    let outcome = outcome.unwrap();
    if !outcome.holds() || std::env::var_os("SHOW").is_some() {
        for e in &events {
            println!("{}", serde_json::to_string(e).unwrap());
        }
    }
    for c in &outcome.checked {
        assert!(c.failed.is_none(), "{name}: {}: {:?}", c.text, c.failed);
    }
}

#[test]
fn every_built_in_scenario_holds() {
    let mut files: Vec<_> = std::fs::read_dir("scenarios")
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for f in files {
        run(&f);
    }
}
