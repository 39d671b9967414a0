//! Every built-in scenario, in virtual time.
//!
//! `SHOW=1 cargo test --test scenarios NAME -- --nocapture` prints the events of one.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::collections::BTreeSet;
use std::path::Path;

use trustline::event::{Event, Kind};
use trustline::phone::Pace;
use trustline::scenario::outcome::{Outcome, Search};
use trustline::scenario::pattern::FilePattern;
use trustline::scenario::{self, Network, Rules, Scenario, outcome};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");

/// As a folder runs: what verdicts rest on is looked for where an expectation names it. `tests/rules`
/// looks for it in every scenario.
fn run(scenario: &Scenario, sink: &mut dyn FnMut(&Event)) -> Outcome {
    let search = Search::WhenNeeded;
    outcome::run_searching(scenario, Network::Sim, Pace::Real, search, sink).unwrap()
}

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
    let outcome = run(&scenario, &mut sink);
    if std::env::var_os("SHOW").is_some() {
        println!("{lines}");
    }
    assert!(!outcome.checked.is_empty(), "{name} expects nothing");
    let unknown = scenario::words::Verdict::Unknown;
    let verdicts = scenario
        .expectations
        .iter()
        .filter_map(|e| e.verdict.as_ref());
    let expects_unknown = verdicts.clone().any(|v| v.value == unknown);
    for fate in &outcome.fates {
        assert!(fate.verdict != unknown || expects_unknown, "{name}");
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
    capf_in_the_wrong_store = "capf-in-the-wrong-store",
    capf_uploaded_astray = "capf-uploaded-astray",
    certificate_unknown_to_cluster = "certificate-unknown-to-cluster",
    certificates_not_imported = "certificates-not-imported",
    default_configuration = "default-configuration",
    destination_without_ctl = "destination-without-ctl",
    dhcp_act_at_once = "dhcp-act-at-once",
    dhcp_renewal = "dhcp-renewal",
    dhcp_silent = "dhcp-silent",
    emcc_exchange = "emcc-exchange",
    encrypted_configuration = "encrypted-configuration",
    encrypted_for_another_key = "encrypted-for-another-key",
    factory_reset = "factory-reset",
    factory_reset_mixed = "factory-reset-mixed",
    first_ctl = "first-ctl",
    http_404 = "http-404",
    http_404_final = "http-404-final",
    http_closed = "http-closed",
    https_by_tvs = "https-by-tvs",
    https_record = "https-record",
    https_unknown = "https-unknown",
    itlrecovery_left_out = "itlrecovery-left-out",
    itlrecovery_roles_both = "itlrecovery-roles-both",
    itlrecovery_roles_by_store = "itlrecovery-roles-by-store",
    lists_erased_by_hand = "lists-erased-by-hand",
    locale_missing = "locale-missing",
    newer_release_refused = "newer-release-refused",
    no_way_back = "no-way-back",
    non_secure_migration = "non-secure-migration",
    one_certificate_at_a_time = "one-certificate-at-a-time",
    phone_added_to_database = "phone-added-to-database",
    phone_not_in_database = "phone-not-in-database",
    option_66 = "option-66",
    plain_configuration = "plain-configuration",
    power_cut = "power-cut",
    publisher_certificate_only = "publisher-certificate-only",
    recording_7821_emcc = "recording-7821-emcc",
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
    soft_keys_of_a_stranger = "soft-keys-of-a-stranger",
    source_switched_off = "source-switched-off",
    source_tvs_stopped = "source-tvs-stopped",
    stale_itl = "stale-itl",
    tftp_restart_mends_list = "tftp-restart-mends-list",
    tftp_restart_serves_new_files = "tftp-restart-serves-new-files",
    there_and_back = "there-and-back",
    third_cluster = "third-cluster",
    tvs_failover = "tvs-failover",
    tvs_not_restarted = "tvs-not-restarted",
    two_certificates_at_once = "two-certificates-at-once",
    two_models = "two-models",
}

fn events_of(path: &str) -> Vec<Event> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path).unwrap();
    let scenario = scenario::parse(&path.display().to_string(), &text, &Rules).unwrap();
    let mut events = Vec::new();
    let mut sink = |e: &Event| events.push(e.clone());
    let outcome = run(&scenario, &mut sink);
    let failed: Vec<_> = outcome
        .checked
        .iter()
        .filter(|c| c.failed.is_some())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    events
}

/// Each refusal of the page names the step that is missing.
#[test]
fn the_wrong_order_of_a_bulk_exchange_is_refused() {
    let events = events_of("testdata/scenarios/bulk-order.toml");
    let refusals: Vec<String> = events
        .iter()
        .filter_map(|e| match &e.kind {
            Kind::Bulk { result, text, .. } if result == "refused" => {
                Some(format!("{}: {text}", e.actor))
            }
            _ => None,
        })
        .collect();
    let missing = [
        "source: the SFTP form of source is empty: fill it in first",
        "open the page on src-pub",
        "open the page on src-pub",
        "open the page on src-pub",
        "those of none: export type All on both clusters",
        "those of none: export type All on both clusters",
        "destination: * those of destination: export type All on a cluster other than destination too",
        "destination: * those of destination: export type All on a cluster other than destination too",
        "source: *: consolidate type All or Tomcat on one of the clusters",
        "destination: *: consolidate type All or Tomcat on one of the clusters",
        "source: * consolidated already*: import on each cluster",
        "destination: * consolidated already*: import on each cluster",
        "release 10.5.2 does not offer certificate type ITL_Recovery: choose another type",
        "out of date: *: consolidate again on one of the clusters",
    ];
    for (refusal, missing) in refusals.iter().zip(missing) {
        let pattern = FilePattern::new(format!("*{missing}*"));
        assert!(pattern.matches(refusal), "{refusal}\nlacks {missing}");
    }
    assert_eq!(refusals.len(), missing.len(), "{refusals:#?}");
}

/// What came into a store of a cluster, or did not: store, subject, result, note.
fn trusted<'e>(events: &'e [Event], cluster: &str) -> Vec<(&'e str, &'e str, &'e str, &'e str)> {
    let of_cluster = events.iter().filter(|e| e.actor == cluster);
    let trusted = of_cluster.filter_map(|e| match &e.kind {
        Kind::Trusted {
            store,
            certificate,
            result,
            note,
            ..
        } => Some((
            store.as_str(),
            certificate.subject.as_str(),
            result.as_str(),
            note.as_deref().unwrap_or_default(),
        )),
        _ => None,
    });
    trusted.collect()
}

#[test]
fn an_older_certificate_of_the_same_name_is_dropped_and_reported() {
    let events = events_of("scenarios/same-name-older.toml");
    let dropped: Vec<_> = trusted(&events, "source")
        .into_iter()
        .filter(|(_, subject, result, _)| {
            assert!(*result != "dropped-older" || subject.starts_with("CN=dst-sub;"));
            *result == "dropped-older"
        })
        .map(|(store, ..)| store)
        .collect();
    assert_eq!(dropped, ["Phone-SAST-trust", "CallManager-trust"]);
}

/// The trap of uploads by hand is told while the other cluster has nothing of this one, and not
/// after an exchange in both directions.
#[test]
fn an_upload_by_hand_tells_its_trap() {
    let has_trap = |path| {
        let events = events_of(path);
        let notes = trusted(&events, "source")
            .into_iter()
            .map(|t| t.3.to_owned());
        notes.filter(|n| n.contains("one way only")).count()
    };
    assert_eq!(has_trap("scenarios/no-way-back.toml"), 2);
    assert_eq!(has_trap("scenarios/newer-release-refused.toml"), 0);
    assert_eq!(has_trap("scenarios/there-and-back.toml"), 0);
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

/// What a scenario's first phone is to do, after some text of the scenario was replaced.
fn fix_of_the_first(name: &str, replace: &[(&str, &str)]) -> String {
    let path = Path::new(FOLDER).join(name).with_extension("toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in replace {
        assert!(text.contains(from), "{name}: {from}");
        text = text.replace(from, to);
    }
    let scenario = scenario::parse(name, &text, &Rules).unwrap();
    let outcome = run(&scenario, &mut |_| {});
    outcome.fates[0].fix.clone().unwrap()
}

#[test]
fn the_way_out_for_an_lsc_names_the_store_that_lacks_its_issuer() {
    let stores = "CAPF-trust and CallManager-trust of destination";
    let expected = format!("upload CAPF of source into {stores}, restart CallManager there");
    let fix = fix_of_the_first("capf-uploaded-astray", &[]);
    assert!(fix.starts_with(&expected), "{fix}");

    let wrong_store = "capf-in-the-wrong-store";
    // Somebody uploads it before the end, for other phones.
    let fix = fix_of_the_first(wrong_store, &[]);
    assert!(fix.contains("by now: reset the phone"), "{fix}");
    let upload = ("store = \"CAPF-trust\"", "store = \"tomcat-trust\"");
    let fix = fix_of_the_first(wrong_store, &[upload]);
    let expected = "upload CAPF of source into CAPF-trust of destination, restart";
    assert!(fix.starts_with(expected), "{fix}");
}
