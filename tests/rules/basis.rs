//! What verdicts rest on: the search that a run makes against one that tries everything.

use trustline::phone::Pace;
use trustline::scenario::explore::generate;
use trustline::scenario::judge::fates;
use trustline::scenario::run::{LabPhone, rehearse};
use trustline::scenario::settings::apply_overrides;
use trustline::scenario::words::{FirmwareProfile, Verdict};
use trustline::scenario::{Network, RestsOn, Rules, Scenario, outcome};
use trustline::trust::rules::{Basis, Key, RULES, find, rule};

use crate::rehearsals::{FOLDERS, load};

/// The phones, their verdicts, and what a run finds that these rest on.
fn searched(scenario: &Scenario) -> (Vec<LabPhone>, Vec<Verdict>, Vec<RestsOn>) {
    let outcome = outcome::run(scenario, Network::Sim, Pace::Real, &mut |_| {}).unwrap();
    let verdicts = outcome.fates.iter().map(|f| f.verdict).collect();
    (outcome.rehearsed.phones, verdicts, outcome.rests)
}

fn verdicts_with(scenario: &Scenario, key: Key, value: i64) -> Vec<Verdict> {
    let forced = Some((key, value));
    match rehearse(scenario, Network::Sim, Pace::Real, forced, &mut |_| {}) {
        Ok(rehearsed) => fates(&rehearsed).iter().map(|f| f.verdict).collect(),
        Err(_) => vec![Verdict::Unknown; scenario.phone_count()],
    }
}

/// The same by trying each other choice of every rule, whether it was used or not.
fn tried(
    scenario: &Scenario,
    phones: &[LabPhone],
    verdicts: &[Verdict],
) -> Vec<(Basis, Vec<String>)> {
    let mut matters: Vec<Vec<Key>> = phones.iter().map(|_| Vec::new()).collect();
    for tried in RULES {
        let key = tried.key;
        for other in tried.others(i64::MIN) {
            if phones.iter().all(|p| p.setup.settings.peek(key) == other) {
                continue;
            }
            let found = verdicts_with(scenario, key, other);
            for i in 0..phones.len() {
                if found[i] != verdicts[i] && !matters[i].contains(&key) {
                    matters[i].push(key);
                }
            }
        }
    }
    let weakest = |(phone, keys): (&LabPhone, Vec<Key>)| {
        let basis_of = |k: &Key| phone.setup.settings.basis(*k);
        let basis = keys.iter().map(basis_of).max().unwrap_or(Basis::Documented);
        let named = keys.iter().filter(|k| basis_of(k) == basis);
        let named = named.map(|k| rule(*k).name.to_owned());
        (basis, named.collect())
    };
    phones.iter().zip(matters).map(weakest).collect()
}

#[test]
fn the_search_finds_what_trying_everything_finds() {
    let all: Vec<_> = FOLDERS.into_iter().flat_map(load).collect();
    search_beside_trying_everything(&all);
}

/// Scenarios in which phones that are set up alike rest on different rules, or rest on rules that
/// matter in few worlds.
const UNLIKE: &str = "testdata/scenarios/shared";

#[test]
fn no_phone_is_given_what_another_one_rests_on() {
    let mut all = load(UNLIKE);
    for (_, scenario) in &mut all {
        let group = &mut scenario.phones[0];
        // Over lossy links each of so many has luck of its own.
        group.count = group.count.min(8);
    }
    search_beside_trying_everything(&all);
}

/// The environment says with `TRUSTLINE_WORLDS=40` how many; each takes seconds.
#[test]
fn in_generated_worlds_too_the_search_finds_what_trying_everything_finds() {
    let worlds = (0..).map(|world| {
        let name = format!("world {world}");
        let text = generate(world).to_toml();
        let scenario = trustline::scenario::parse(&name, &text, &Rules).unwrap();
        (name, scenario)
    });
    let shared = worlds.filter(|(_, world)| world.phone_count() > 1);
    let wanted = std::env::var("TRUSTLINE_WORLDS").map_or(3, |n| n.parse().unwrap());
    search_beside_trying_everything(&shared.take(wanted).collect::<Vec<_>>());
}

fn search_beside_trying_everything(all: &[(String, Scenario)]) {
    let compared = crate::in_threads(all, |(name, scenario)| {
        let (phones, verdicts, rests) = searched(scenario);
        let slow = tried(scenario, &phones, &verdicts);
        let fast: Vec<_> = rests.into_iter().map(|r| (r.basis, r.rules)).collect();
        (name.clone(), verdicts, fast, slow)
    });
    let mut wrong = Vec::new();
    for (name, verdicts, fast, slow) in compared {
        for ((verdict, fast), slow) in verdicts.iter().zip(&fast).zip(&slow) {
            let text =
                |(basis, rules): &(Basis, Vec<String>)| format!("{basis}: {}", rules.join(", "));
            println!("{name}: {verdict} rests on {}", text(fast));
            if fast != slow {
                wrong.push(format!(
                    "{name}, {verdict}: {}, not {}",
                    text(slow),
                    text(fast)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A choice of one rule that changes the verdicts of some of many phones, each of which loses other
/// datagrams than the others.
#[test]
fn over_lossy_links_each_phone_rests_on_what_changes_its_own_verdict() {
    let all = load(UNLIKE);
    for (name, rule, other) in [
        ("lossy-links.toml", "tftp.backoff", "constant"),
        ("missing-over-http.toml", "cluster.http_missing", "503"),
    ] {
        let (_, scenario) = all.iter().find(|(n, _)| n.ends_with(name)).unwrap();
        let (phones, verdicts, rests) = searched(scenario);
        let rule = find(rule).unwrap();
        let found = verdicts_with(scenario, rule.key, rule.parse(other).unwrap());
        let changed: Vec<_> = (0..phones.len())
            .filter(|&i| found[i] != verdicts[i])
            .collect();
        assert!(
            !changed.is_empty() && changed.len() < phones.len(),
            "{name}"
        );
        for i in changed {
            let device = &phones[i].setup.identity.device;
            assert_eq!(rests[i].basis, Basis::Assumed, "{name}, {device}");
            let is_named = rests[i].rules.iter().any(|r| r == rule.name);
            assert!(is_named, "{name}, {device}: {:?}", rests[i]);
        }
    }
}

/// The scenario of that name among those made for rules, with settings of the user.
fn made(name: &str, sets: &[&str]) -> Scenario {
    let all = load(FOLDERS[0]);
    let (_, mut scenario) = all.into_iter().find(|(n, _)| n.ends_with(name)).unwrap();
    let sets: Vec<_> = sets.iter().map(|s| (*s).to_owned()).collect();
    apply_overrides(&mut scenario, None, &sets, &Rules).unwrap();
    scenario
}

fn rests(scenario: &Scenario) -> RestsOn {
    let (_, _, rests) = searched(scenario);
    rests.into_iter().next().unwrap()
}

#[test]
fn what_only_documented_rules_change_rests_on_documented() {
    let rests = rests(&made("mixed.toml", &[]));
    assert_eq!(rests.basis, Basis::Documented);
    assert!(rests.rules.iter().any(|r| r == "trust.leap_of_faith"));
    let documented = |name: &String| find(name).unwrap().basis == Basis::Documented;
    assert!(rests.rules.iter().all(documented), "{:?}", rests.rules);
    // Weaker rules were used, and are told as such.
    assert!(!rests.trace.iter().all(documented), "{:?}", rests.trace);
    assert!(!rests.trace.iter().any(|r| rests.rules.contains(r)));
}

/// The same lists with SHA-512, read by phones of a family about which no source speaks.
#[test]
fn what_no_source_says_of_a_family_is_assumed_for_it_alone() {
    let sha512 = |rests: &RestsOn| rests.rules.iter().any(|r| r == "trust.digest_sha512");
    let newer = rests(&made("mixed.toml", &[]));
    assert!(sha512(&newer) && newer.basis == Basis::Documented);
    let mut scenario = made("mixed.toml", &[]);
    for group in &mut scenario.phones {
        group.profile = FirmwareProfile::Series7900;
    }
    let older = rests(&scenario);
    assert!(sha512(&older), "{older:?}");
    assert_eq!(older.basis, Basis::Assumed);
}

#[test]
fn what_the_user_set_away_from_its_default_is_assumed() {
    // A documented rule, which other documented rules stand beside no longer.
    let refused = rests(&made("mixed.toml", &["trust.leap_of_faith=refuse"]));
    assert_eq!(refused.basis, Basis::Assumed);
    assert!(
        refused.rules.iter().any(|r| r == "trust.leap_of_faith"),
        "{refused:?}"
    );
    assert!(
        !refused.rules.iter().any(|r| r == "list.max_bytes"),
        "{refused:?}"
    );
    // Set to what it is anyway it stays documented.
    let accepted = rests(&made("mixed.toml", &["trust.leap_of_faith=accept"]));
    assert_eq!(accepted, rests(&made("mixed.toml", &[])));
    // Where the user's choice changes nothing, nothing rests on it.
    let inert = rests(&made("mixed.toml", &["tvs.connect_timeout_ms=10000"]));
    assert_eq!(inert.basis, Basis::Documented);
    assert!(inert.trace.iter().any(|r| r == "tvs.connect_timeout_ms"));
}
