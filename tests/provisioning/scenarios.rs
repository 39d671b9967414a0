//! The built-in scenarios of multiplatform phones.

use std::path::Path;

use trustline::event::{Event, Kind};
use trustline::phone::Pace;
use trustline::provisioning::resync::CODES;
use trustline::scenario::{self, Network, Rules, outcome};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/provisioning");

const NAMES: [&str; 7] = [
    "client-certificates",
    "names-and-issuers",
    "old-phones",
    "plain-http",
    "special-names",
    "two-servers",
    "wrong-certificate",
];

#[allow(clippy::disallowed_methods, reason = "reads its own test data")]
fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(FOLDER).join(name).with_extension("toml")).unwrap()
}

fn run(name: &str, text: &str) -> (outcome::Outcome, Vec<Event>) {
    let scenario = scenario::parse(name, text, &Rules);
    let scenario = scenario.unwrap_or_else(|errors| {
        panic!(
            "{}",
            errors.iter().map(ToString::to_string).collect::<String>()
        )
    });
    let mut events = Vec::new();
    let ended = outcome::run(&scenario, Network::Sim, Pace::Real, &mut |event| {
        events.push(event.clone());
    });
    (ended.unwrap(), events)
}

#[test]
fn every_built_in_scenario_holds() {
    for name in NAMES {
        let (outcome, events) = run(name, &text(name));
        let failed: Vec<_> = outcome
            .checked
            .iter()
            .filter(|c| c.failed.is_some())
            .collect();
        assert!(failed.is_empty(), "{name}: {failed:#?}");
        assert!(outcome.checked.len() > 1, "{name}");
        // The same again, event by event.
        assert_eq!(run(name, &text(name)).1, events, "{name}");
    }
}

#[test]
fn every_file_has_a_test() {
    #[allow(clippy::disallowed_methods, reason = "reads its own test data")]
    let mut files: Vec<_> = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|e| {
            e.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    files.sort();
    assert_eq!(files, NAMES);
}

#[test]
fn an_expectation_can_fail() {
    let wrong = text("wrong-certificate").replace("dns-mismatch", "issuer-unknown");
    let (outcome, _) = run("wrong", &wrong);
    let failed: Vec<_> = outcome
        .checked
        .iter()
        .filter_map(|c| c.failed.as_ref())
        .collect();
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].starts_with("dns-mismatch: the server answers at 10.1.1.2"),
        "{failed:?}"
    );
    // A phone that no expectation names must be provisioned.
    let silent = text("wrong-certificate").replace("\"000e08000002\" = \"dns-mismatch\"", "");
    let (outcome, _) = run("silent", &silent);
    assert!(!outcome.holds());
}

#[test]
fn reasons_are_codes_of_the_list_and_have_a_way_out() {
    for name in NAMES {
        for event in run(name, &text(name)).1 {
            let Kind::Resynced {
                verdict,
                reasons,
                fix,
                ..
            } = event.kind
            else {
                continue;
            };
            assert_eq!(verdict == "provisioned", reasons.is_empty(), "{name}");
            assert!(
                reasons.iter().all(|r| CODES.contains(&r.code)),
                "{reasons:?}"
            );
            assert_eq!(fix.is_some(), !reasons.is_empty(), "{name}");
        }
    }
}

#[test]
fn slips_are_shown_where_they_stand() {
    let good = text("wrong-certificate");
    for (from, to, message) in [
        (
            "dns-mismatch",
            "dns-mismatches",
            "no resync ends with `dns-mismatches`",
        ),
        (
            "down = [\"one\"]",
            "down = [\"won\"]",
            "no server is called `won`",
        ),
        (
            "\"000e08000002\" =",
            "\"000e08000009\" =",
            "no phone has the MAC address",
        ),
        (
            "mac = \"000e08000002\"",
            "mac = \"000e08\"",
            "is no MAC address",
        ),
        (
            "mac = \"000e08000002\"",
            "mac = \"000e08000001\"",
            "has this MAC address already",
        ),
        (
            "address = \"10.1.1.2\"",
            "address = \"two\"",
            "is no address",
        ),
        (
            "address = \"10.1.1.2\"",
            "address = \"10.1.1.1\"",
            "a server is at 10.1.1.1 already",
        ),
        (
            "shows-certificate-of = \"one\"",
            "shows-certificate-of = \"x\"",
            "no server is called",
        ),
        ("shows-certificate-of", "shows-certificate", "unknown key"),
        (
            "\"/8832-3PCC.xml\"",
            "\"8832-3PCC.xml\"",
            "does not begin with a slash",
        ),
        (
            "https://two",
            "(1 = 1 https://two",
            "the rule cannot be read",
        ),
        ("common-name = \"two.callme.com\"", "", "common-name"),
        (
            "\"two.callme.com\" =",
            "\"two.localhost\" =",
            "DNS is never asked for `two.localhost`: it is the phone itself",
        ),
        (
            "\"two.callme.com\" =",
            "\"two.callme.invalid\" =",
            "DNS is never asked for `two.callme.invalid`: there is no such name",
        ),
        (
            "\"two.callme.com\" =",
            "\"two..com\" =",
            "DNS is never asked for `two..com`: a name has",
        ),
        (
            "[[provisioning.resync]]",
            "[[provisioning.sync]]",
            "unknown key",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        let errors = scenario::parse("bad.toml", &bad, &Rules).expect_err(message);
        let shown: String = errors.iter().map(ToString::to_string).collect();
        assert!(shown.contains(message), "{message}:\n{shown}");
    }
}
