//! Every built-in scenario, in virtual time.
//!
//! `SHOW=1 cargo test --test scenarios NAME -- --nocapture` prints the events of one.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::collections::BTreeSet;
use std::path::Path;

use trustline::event::Event;
use trustline::phone::Pace;
use trustline::scenario::{self, Network, Rules, outcome};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");

/// Runs a scenario. What does not hold is told with the seed, the command that repeats it, and the
/// events.
fn rehearse(name: &str) {
    let path = Path::new(FOLDER).join(name).with_extension("toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let scenario = match scenario::parse(&path.display().to_string(), &text, &Rules) {
        Ok(scenario) => scenario,
        Err(errors) => panic!(
            "{}",
            errors.iter().map(ToString::to_string).collect::<String>()
        ),
    };
    let mut lines = String::new();
    let mut sink = |e: &Event| {
        lines += &serde_json::to_string(e).unwrap();
        lines += "\n";
    };
    let outcome = outcome::run(&scenario, Network::Sim, Pace::Real, &mut sink).unwrap();
    if std::env::var_os("SHOW").is_some() {
        println!("{lines}");
    }
    assert!(!outcome.checked.is_empty(), "{name} expects nothing");
    for fate in &outcome.fates {
        assert_ne!(fate.verdict, scenario::words::Verdict::Unknown, "{name}");
        let followed = fate.fix.is_none();
        assert!(
            !fate.reasons.is_empty(),
            "{name}: {} has no reason",
            fate.device
        );
        let fix = fate.fix.as_deref().unwrap_or_default();
        assert!(
            followed || !fix.contains("trustline rules"),
            "{name}: {} has no way out: {fix}",
            fate.device
        );
    }
    let failed: Vec<_> = outcome
        .checked
        .iter()
        .filter_map(|c| Some(format!("{}\n    but {}", c.text, c.failed.as_ref()?)))
        .collect();
    assert!(
        failed.is_empty(),
        "{lines}\n{name}:\n  {}\nrepeat with: trustline rehearse scenarios/{name}.toml --seed {}",
        failed.join("\n  "),
        scenario.seed
    );
}

macro_rules! scenarios {
    ($($test:ident = $name:literal,)+) => {
        $(
            #[test]
            fn $test() {
                rehearse($name);
            }
        )+

        const NAMES: &[&str] = &[$($name),+];
    };
}

scenarios! {
    anchors_in_the_ctl = "anchors-in-the-ctl",
    bulk_import_one_side = "bulk-import-one-side",
    bulk_type_tftp = "bulk-type-tftp",
    certificates_not_imported = "certificates-not-imported",
    destination_without_ctl = "destination-without-ctl",
    emcc_exchange = "emcc-exchange",
    factory_reset = "factory-reset",
    factory_reset_mixed = "factory-reset-mixed",
    first_ctl = "first-ctl",
    itlrecovery_left_out = "itlrecovery-left-out",
    itlrecovery_roles_both = "itlrecovery-roles-both",
    itlrecovery_roles_by_store = "itlrecovery-roles-by-store",
    newer_release_refused = "newer-release-refused",
    no_way_back = "no-way-back",
    non_secure_migration = "non-secure-migration",
    one_certificate_at_a_time = "one-certificate-at-a-time",
    phone_not_in_database = "phone-not-in-database",
    power_cut = "power-cut",
    publisher_certificate_only = "publisher-certificate-only",
    role_missing = "role-missing",
    role_missing_asks_tvs = "role-missing-asks-tvs",
    rollback_non_secure = "rollback-non-secure",
    rollback_secure = "rollback-secure",
    same_name_older = "same-name-older",
    second_tftp_node_damaged = "second-tftp-node-damaged",
    second_tftp_node_down = "second-tftp-node-down",
    second_tftp_node_old = "second-tftp-node-old",
    secure_migration = "secure-migration",
    sha_512 = "sha-512",
    source_switched_off = "source-switched-off",
    source_tvs_stopped = "source-tvs-stopped",
    stale_itl = "stale-itl",
    there_and_back = "there-and-back",
    third_cluster = "third-cluster",
    tvs_failover = "tvs-failover",
    tvs_not_restarted = "tvs-not-restarted",
    two_certificates_at_once = "two-certificates-at-once",
    two_models = "two-models",
}

#[test]
fn every_file_has_a_test() {
    let files: BTreeSet<String> = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let tested: BTreeSet<String> = NAMES.iter().map(ToString::to_string).collect();
    assert_eq!(files, tested);
}
