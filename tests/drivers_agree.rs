//! Each built-in scenario comes out the same in virtual time and on loopback sockets.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use trustline::event::Kind;
use trustline::phone::Pace;
use trustline::scenario::judge::{fates, owner_text, verdict_text};
#[cfg(feature = "provisioning")]
use trustline::scenario::provisioning::Carried;
use trustline::scenario::run::rehearse;
use trustline::scenario::settings::apply_overrides;
use trustline::scenario::{self, Network, Rules, Scenario};

/// Scenarios at the same time. Some wait for time-outs, so more than there are cores.
const AT_ONCE: usize = 6;

/// The scenario in which phones ask a TFTP server that is off, in every boot: half a minute each on
/// sockets with the usual time-outs, three seconds with a tenth of them.
const SILENT_SERVER: &str = "second-tftp-node-down";

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    let read = |p: &PathBuf| {
        let name = p.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(p).unwrap();
        let mut scenario = scenario::parse(&name, &text, &Rules).unwrap();
        if name == SILENT_SERVER {
            let sooner = ["tftp.timeout_ms=50".to_owned()];
            apply_overrides(&mut scenario, None, &sooner, &Rules).unwrap();
        }
        (name, scenario)
    };
    let mut all: Vec<_> = files.iter().map(read).collect();
    // Sockets have no links to set.
    all.retain(|(_, scenario)| scenario.needs_virtual_time().is_none());
    all
}

/// What both drivers have to agree on, a line a phone.
fn summary(scenario: &Scenario, network: Network) -> Vec<String> {
    // As the command does: virtual time costs nothing, so phones wait there as real ones do.
    let pace = match network {
        Network::Sim => Pace::Real,
        Network::Loopback => Pace::Fast,
    };
    let rehearsed = rehearse(scenario, network, pace, None, &mut |_| {}).unwrap();
    let fates = fates(&rehearsed);
    let lines = fates.iter().zip(&rehearsed.phones).map(|(fate, phone)| {
        let requests: Vec<_> = phone
            .events
            .iter()
            .filter_map(|e| match &e.kind {
                Kind::Requested { file, server, .. } => Some(format!("{file} from {server}")),
                _ => None,
            })
            .collect();
        let status: Vec<_> = phone
            .events
            .iter()
            .filter_map(|e| match &e.kind {
                Kind::Status { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let codes: Vec<_> = fate.reasons.iter().map(|r| r.code).collect();
        format!(
            "{}: {}, because {codes:?}, TVS asked {}, CTL {} then {}, ITL {} then {}, follows {:?}, requests {requests:?}, status {status:?}, end {:?}",
            fate.device,
            verdict_text(fate.verdict),
            fate.tvs_asked,
            owner_text(fate.ctl_before.as_ref()),
            owner_text(fate.ctl.as_ref()),
            owner_text(fate.itl_before.as_ref()),
            owner_text(fate.itl.as_ref()),
            fate.follows,
            phone.end,
        )
    });
    lines.collect()
}

/// The scenarios of multiplatform phones.
#[cfg(feature = "provisioning")]
fn provisioning() -> Vec<(String, Scenario)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/provisioning");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let read = |p: &PathBuf| {
        let name = p.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(p).unwrap();
        (name.clone(), scenario::parse(&name, &text, &Rules).unwrap())
    };
    files.iter().map(read).collect()
}

/// What both drivers have to agree on, a line for each thing that happens to a phone and for each
/// end of a resync: all reasons, and what the verdict rests on. Of connections that nobody answers
/// sockets know more, so that texts differ. And what real ends did for it.
///
/// DNS, TLS with its certificates and alerts, and HTTP are compared. What a server gives to whom, and
/// which phones' certificates count, is one and the same code on both sides: tests/provisioning and
/// tests/provision_ca look at that.
#[cfg(feature = "provisioning")]
fn resyncs(scenario: &Scenario, network: Network) -> (Vec<String>, Carried) {
    let mut lines = Vec::new();
    let outcome = scenario::outcome::run(scenario, network, Pace::Real, &mut |event| {
        let line = match &event.kind {
            Kind::Provisioning { what, text } if what != "syslog" => format!("{what}: {text}"),
            Kind::Provisioning { what, .. } => what.clone(),
            Kind::Resynced {
                round,
                verdict,
                reasons,
                rules,
                rests_on,
                fix,
            } => {
                let reasons: Vec<_> = reasons
                    .iter()
                    .map(|reason| match reason.code {
                        "server-unreachable" | "dns-unavailable" | "no-answer" => {
                            reason.code.into()
                        }
                        code => format!("{code}: {}", reason.text),
                    })
                    .collect();
                format!("round {round}: {verdict}, {reasons:?}, {rests_on} {rules:?}, {fix:?}")
            }
            _ => return,
        };
        lines.push(format!("{} {line}", event.actor));
    });
    let outcome = outcome.unwrap();
    assert!(outcome.holds(), "{network:?}: {lines:#?}");
    (lines, outcome.carried)
}

#[cfg(feature = "provisioning")]
#[test]
fn multiplatform_phones_come_out_the_same_on_sockets_with_real_tls() {
    let scenarios = provisioning();
    assert!(scenarios.len() >= 7);
    let mut refused = 0;
    for (name, scenario) in scenarios {
        let (sim, modelled) = resyncs(&scenario, Network::Sim);
        let (loopback, carried) = resyncs(&scenario, Network::Loopback);
        assert_eq!(modelled, Carried::default(), "{name}");
        let is_real = carried.questions > 0 && carried.handshakes > 0;
        assert!(is_real, "{name} does not run on sockets: {carried:?}");
        refused += loopback
            .iter()
            .filter(|l| l.contains(": refused, "))
            .count();
        let differs = sim.iter().zip(&loopback).find(|(a, b)| a != b);
        assert!(
            sim.len() == loopback.len() && differs.is_none(),
            "{name}: {differs:#?}"
        );
    }
    assert!(refused > 10, "refusals come over sockets too: {refused}");
}

#[test]
fn virtual_time_and_loopback_sockets_agree() {
    let scenarios = scenarios();
    assert!(scenarios.iter().any(|(name, _)| name == SILENT_SERVER));
    assert!(scenarios.len() > 40, "{}", scenarios.len());
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, scenario)) =
                    scenarios.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let sim = summary(scenario, Network::Sim);
                    let loopback = summary(scenario, Network::Loopback);
                    if sim != loopback {
                        let differs = sim.iter().zip(&loopback).find(|(a, b)| a != b);
                        failures.lock().unwrap().push(format!(
                            "{name}, seed {}: in virtual time and on loopback:\n{differs:#?}",
                            scenario.seed
                        ));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
