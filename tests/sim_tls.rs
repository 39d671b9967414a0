//! Real TLS over simulated bytes: the model of TLS says the same, and what is told is repeatable
//! although the packets are not.

#![allow(clippy::disallowed_methods, reason = "reads the built-in scenarios")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::path::Path;

use trustline::event::{Event, Kind};
use trustline::phone::Pace;
use trustline::scenario::judge::fates;
use trustline::scenario::outcome;
use trustline::scenario::provisioning::Carried;
use trustline::scenario::run::rehearse;
use trustline::scenario::words::Tls;
use trustline::scenario::{self, Network, Rules, Scenario};

fn read(name: &str, extra: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    // Faults go before the first reset of the phones.
    let text = text.replacen(
        "[[step]]\ndo = \"reset-phones\"",
        &format!("{extra}\n[[step]]\ndo = \"reset-phones\""),
        1,
    );
    scenario::parse(name, &text, &Rules).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

/// The events with what TLS was, apart; and what became of the phones.
struct Told {
    events: Vec<Event>,
    tls: Vec<String>,
    https: Vec<String>,
    fates: Vec<String>,
}

impl Told {
    /// What each said, in order. The times differ by a few ways through the network: a connection
    /// that is refused is refused to TCP, which the model does not tell from TLS.
    fn by_actor(&self) -> Vec<(&str, &Kind)> {
        let mut all: Vec<_> = self
            .events
            .iter()
            .map(|e| (e.actor.as_str(), &e.kind))
            .collect();
        all.sort_by_key(|(actor, _)| *actor);
        all
    }
}

fn run(scenario: &Scenario, tls: Tls) -> Told {
    let scenario = Scenario {
        tls,
        ..scenario.clone()
    };
    let mut told = Vec::new();
    let mut https = Vec::new();
    let mut events = Vec::new();
    let sink = &mut |e: &Event| {
        let mut event = e.clone();
        match &mut event.kind {
            Kind::TvsConnected { tls, .. } => told.push(std::mem::take(tls)),
            Kind::HttpsConnected { tls, .. } => https.push(std::mem::take(tls)),
            _ => {}
        }
        events.push(event);
    };
    let rehearsed = rehearse(&scenario, Network::Sim, Pace::Real, None, sink).unwrap();
    let fates = fates(&rehearsed);
    Told {
        events,
        tls: told,
        https,
        fates: fates.iter().map(|f| format!("{f:?}")).collect(),
    }
}

/// Both agree on everything but the name of what was spoken; gives those names.
fn compare(scenario: &Scenario) -> Spoken {
    let modelled = run(scenario, Tls::Modelled);
    let real = run(scenario, Tls::Real);
    let (ours, theirs) = (modelled.by_actor(), real.by_actor());
    let differs = ours.iter().zip(&theirs).find(|(a, b)| a != b);
    assert!(differs.is_none(), "{}: {differs:#?}", scenario.name.value);
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(modelled.fates, real.fates);
    let again = run(scenario, Tls::Real);
    assert!(again.events == real.events, "events are repeatable");
    assert!(modelled.tls.iter().all(|t| t.starts_with("TLS modelled")));
    assert!(
        real.tls.iter().all(|t| t.starts_with("TLS 1.")),
        "{:?}",
        real.tls
    );
    let is_real = |tls: &String| tls.starts_with("TLS 1.");
    assert!(modelled.https.iter().all(|t| t == "TLS modelled"));
    assert!(real.https.iter().all(is_real), "{:?}", real.https);
    Spoken {
        tvs: real.tls,
        https: real.https,
    }
}

/// What was really spoken.
struct Spoken {
    tvs: Vec<String>,
    https: Vec<String>,
}

#[test]
fn the_model_says_what_rustls_says() {
    let mut https = 0;
    for name in [
        "non-secure-migration",
        "secure-migration",
        "tvs-failover",
        "certificates-not-imported",
        "source-tvs-stopped",
        "source-switched-off",
        "stale-itl",
        "power-cut",
        "https-by-tvs",
        "https-record",
        "https-unknown",
    ] {
        let spoken = compare(&read(name, ""));
        let silent = matches!(name, "source-tvs-stopped" | "source-switched-off");
        assert!(
            silent || !spoken.tvs.is_empty(),
            "{name}: no TLS was spoken"
        );
        https += spoken.https.len();
    }
    assert!(https > 3, "HTTPS was spoken {https} times");
}

/// All that is told of multiplatform phones, and how many handshakes rustls did for it.
fn resyncs(scenario: &Scenario, tls: Tls) -> (Vec<Event>, Carried) {
    let scenario = Scenario {
        tls,
        ..scenario.clone()
    };
    let mut events = Vec::new();
    let sink = &mut |event: &Event| events.push(event.clone());
    let ended = outcome::run(&scenario, Network::Sim, Pace::Real, sink).unwrap();
    assert!(ended.holds(), "{}: {events:#?}", scenario.name.value);
    (events, ended.carried)
}

#[test]
fn https_of_multiplatform_phones_is_told_alike_to_the_letter() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/provisioning");
    let mut count = 0;
    let mut refused = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let scenario = read(&format!("provisioning/{name}"), "");
        let (modelled, without) = resyncs(&scenario, Tls::Modelled);
        let (real, with) = resyncs(&scenario, Tls::Real);
        let differs = modelled.iter().zip(&real).find(|(a, b)| a != b);
        assert!(differs.is_none(), "{name}: {differs:#?}");
        assert_eq!(modelled.len(), real.len(), "{name}");
        assert_eq!(without, Carried::default(), "{name}");
        assert!(with.handshakes > 0, "{name}: no TLS was spoken");
        // Real TLS draws real random numbers; nothing that is told does.
        assert!(resyncs(&scenario, Tls::Real) == (real, with), "{name}");
        count += 1;
        refused += modelled
            .iter()
            .filter(|e| matches!(&e.kind, Kind::Resynced { verdict, .. } if verdict == "refused"))
            .count();
    }
    assert!(count >= 6 && refused > 10, "{count} scenarios, {refused}");
}

#[test]
fn slow_links_and_partitions_are_the_same_to_both() {
    for link in [
        "latency = \"70ms\"",
        "nodes = [\"src-pub\"]\npartition = true",
    ] {
        let fault = format!("[[step]]\ndo = \"set-link\"\n{link}\n");
        compare(&read("non-secure-migration", &fault));
    }
}

#[test]
fn luck_is_repeatable_although_packets_are_not() {
    let fault = "[[step]]\ndo = \"set-link\"\nloss = 25\ncorrupt = 2\njitter = \"9ms\"\n";
    let scenario = read("non-secure-migration", fault);
    let (one, two) = (run(&scenario, Tls::Real), run(&scenario, Tls::Real));
    assert!(one.events == two.events);
    assert_eq!(one.fates, two.fates);
}

#[test]
fn a_tvs_that_stops_breaks_real_tls_too() {
    for after in ["501ms", "540ms", "600ms", "800ms"] {
        let fault = format!(
            "[[step]]\ndo = \"set-link\"\nlatency = \"20ms\"\n[[step]]\ndo = \"stop-service\"\nnode = \"src-pub\"\nservice = \"tvs\"\nafter = \"{after}\"\n"
        );
        let told = run(&read("non-secure-migration", &fault), Tls::Real);
        assert!(
            told.fates.iter().all(|f| f.contains("verdict: Migrated")),
            "{after}: {:?}",
            told.fates
        );
    }
}
