//! Scenarios in virtual time: every event as its JSON line, and the phones' verdicts.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use trustline::phone::Pace;
use trustline::scenario::judge::fates;
use trustline::scenario::run::rehearse;
use trustline::scenario::{self, Network, Rules, Scenario};
use trustline::trust::rules::{Key, RULES, Rule, find};

/// The scenarios made for rules come first: they are small, and say which rules they are for.
pub(crate) const FOLDERS: [&str; 2] = ["testdata/scenarios/rules", "scenarios"];

/// The scenarios of a folder, by name.
pub(crate) fn load(folder: &str) -> Vec<(String, Scenario)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root.join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    assert!(!paths.is_empty(), "{folder} has no scenario");
    let named = paths.into_iter().map(|path| {
        let name = format!("{folder}/{}", path.file_name().unwrap().to_string_lossy());
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario = scenario::parse(&name, &text, &Rules).unwrap_or_else(|errors| {
            let errors = errors.iter().map(ToString::to_string);
            panic!("{}", errors.collect::<String>())
        });
        (name, scenario)
    });
    named.collect()
}

/// What a run tells: its events, and last a line for each verdict.
pub(crate) fn lines(scenario: &Scenario, forced: Option<(Key, i64)>) -> Vec<String> {
    let mut lines = Vec::new();
    let rehearsed = rehearse(scenario, Network::Sim, Pace::Real, forced, &mut |event| {
        lines.push(serde_json::to_string(event).unwrap());
    });
    match rehearsed {
        Ok(rehearsed) => lines.extend(
            fates(&rehearsed)
                .iter()
                .map(|fate| format!("verdict of {}: {}", fate.device, fate.verdict)),
        ),
        Err(error) => lines.push(format!("could not run: {error}")),
    }
    lines
}

struct Rehearsal {
    name: String,
    /// The rules that the file's comments name.
    aims: Vec<&'static str>,
    scenario: Scenario,
    under_defaults: OnceLock<Vec<String>>,
}

pub(crate) struct Rehearsals {
    all: Vec<Rehearsal>,
}

impl Rehearsals {
    pub(crate) fn new() -> Self {
        let loaded = FOLDERS.into_iter().flat_map(load);
        let all = loaded.map(|(name, scenario)| Rehearsal {
            aims: aims(&name),
            name,
            scenario,
            under_defaults: OnceLock::new(),
        });
        Self { all: all.collect() }
    }

    /// What a choice changes in the first scenario where it changes anything; scenarios made for
    /// the rule first.
    pub(crate) fn change(&self, rule: &Rule, other: i64) -> Option<String> {
        let aimed = |r: &&Rehearsal| r.aims.contains(&rule.name);
        let first = self.all.iter().filter(aimed);
        let rest = self.all.iter().filter(|r| !aimed(r));
        first.chain(rest).find_map(|r| r.change(rule, other))
    }
}

impl Rehearsal {
    fn change(&self, rule: &Rule, other: i64) -> Option<String> {
        // A file that sets the rule does not show its default.
        let key = |name: &str| find(name).map(|r| r.key);
        let mut settings = self.scenario.settings.iter();
        if settings.any(|s| key(&s.name.value) == Some(rule.key)) {
            return None;
        }
        let default = self
            .under_defaults
            .get_or_init(|| lines(&self.scenario, None));
        let found = lines(&self.scenario, Some((rule.key, other)));
        let difference = crate::difference(default, &found)?;
        Some(format!("{}, {difference}", self.name))
    }
}

/// The rules that the comments of a file name.
fn aims(name: &str) -> Vec<&'static str> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let comments = text.lines().filter_map(|line| line.strip_prefix('#'));
    let words = comments.flat_map(|line| line.split([' ', ',', ':']));
    words
        .filter_map(|word| find(word.trim_end_matches('.')))
        .map(|rule| rule.name)
        .collect()
}

#[test]
fn a_scenario_made_for_a_rule_shows_it() {
    let rehearsals = Rehearsals::new();
    let made = rehearsals
        .all
        .iter()
        .filter(|r| r.name.starts_with(FOLDERS[0]));
    let pairs: Vec<_> = made
        .flat_map(|r| r.aims.iter().map(move |aim| (r, find(aim).unwrap())))
        .collect();
    assert!(
        pairs.len() > 15,
        "the files name their rules: {}",
        pairs.len()
    );
    let shown = crate::in_threads(&pairs, |(r, rule)| {
        let others = rule.others(rule.default);
        others
            .into_iter()
            .any(|other| r.change(rule, other).is_some())
    });
    for ((r, rule), shown) in pairs.iter().zip(shown) {
        assert!(shown, "{} does not show {}", r.name, rule.name);
    }
}

#[test]
fn same_scenario_and_seed_give_the_same_bytes() {
    let all: Vec<_> = FOLDERS.into_iter().flat_map(load).collect();
    let bytes = |_: &()| {
        let runs = crate::in_threads(&all, |(_, scenario)| lines(scenario, None).join("\n"));
        runs.into_iter().zip(&all).collect::<Vec<_>>()
    };
    for ((first, (name, _)), (second, _)) in bytes(&()).into_iter().zip(bytes(&())) {
        assert_eq!(first, second, "{name}");
        assert!(first.lines().count() > 20, "{name} tells its events");
    }
    // The seed does count: another one makes other certificates.
    let (_, scenario) = &all[0];
    let other = Scenario {
        seed: scenario.seed + 1,
        ..scenario.clone()
    };
    assert_ne!(lines(scenario, None), lines(&other, None));
}

#[test]
fn every_rule_name_is_found_in_comments() {
    assert!(RULES.iter().all(|r| !r.name.contains([' ', ',', ':'])));
    assert_eq!(
        aims("testdata/scenarios/rules/rollback.toml"),
        ["cluster.blank_itl", "trust.empty_itl"]
    );
}
