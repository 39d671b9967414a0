//! Rounds of resyncs, told as events.

use std::sync::Arc;
use std::time::Duration;

use super::around::Around;
use super::world::{Error, World, device};
use super::{Carried, PROVISIONED, Phone, Provisioning};
use crate::event::{Event, Kind, ReasonFacts};
use crate::provisioning::device::mac_text;
use crate::provisioning::parameters::{Parameters, RULES};
use crate::provisioning::resync::{End, Resync, Setup};
use crate::provisioning::schedule::Cause;
use crate::provisioning::verify::Checker;
use crate::rng::Rng;
use crate::scenario::driver::Network;
use crate::scenario::expect::Checked;
use crate::scenario::run::RunError;
use crate::scenario::words::Tls;
use crate::time::{Time, UnixSeconds};

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(60);

/// The firmware of every phone.
const SOFTWARE: &str = "sip8832.11-3-2MPP0001-609";

/// What came of all rounds.
#[derive(Debug)]
pub(in crate::scenario) struct Resynced {
    /// One for each phone and round.
    pub(in crate::scenario) checked: Vec<Checked>,
    /// The time after the last one.
    pub(in crate::scenario) now: Time,
    pub(in crate::scenario) carried: Carried,
}

/// Runs all rounds from `now` on: the clock of events, whatever the network is.
///
/// # Errors
/// A certificate that the lab cannot make, or no sockets.
pub(in crate::scenario) fn run(
    scenario: &Provisioning,
    date: UnixSeconds,
    seed: u64,
    (network, tls): (Network, Tls),
    mut now: Time,
    sink: &mut dyn FnMut(&Event),
) -> Result<Resynced, RunError> {
    let world = World::new(scenario, date, seed)?;
    let mut kept: Vec<Parameters> = scenario.phones.iter().map(parameters).collect();
    let mut checked = Vec::new();
    let mut carried = Carried::default();
    for (index, round) in scenario.rounds.iter().enumerate() {
        let number = index + 1;
        now += PAUSE;
        sink(&Event {
            at: now,
            actor: super::super::run::LAB.into(),
            kind: Kind::Step {
                verb: "resync".into(),
                text: round_text(scenario, number),
            },
        });
        let clock = round.date.unwrap_or(date);
        let around = Around::start(network, &world, round, clock, tls)?;
        for (i, (phone, parameters)) in scenario.phones.iter().zip(&mut kept).enumerate() {
            let actor = mac_text(phone.mac.value);
            let checker = Checker::new(std::slice::from_ref(&world.root), &phone.settings, clock);
            let setup = Setup {
                device: device(phone),
                software: SOFTWARE.into(),
                hardware: String::new(),
                has_certificate: world.phone(i).is_some(),
                address: None,
                option_66: None,
                checker: checker.map_err(Error::Root)?,
                settings: phone.settings.clone(),
            };
            let cause = match index {
                0 => Cause::PowerUp,
                _ => Cause::Explicit,
            };
            let rng = Rng::stream(seed, &actor);
            let before = parameters.clone();
            let mut resync = Resync::new(Arc::new(setup), before, cause, PAUSE, rng);
            let end = around.run(&world, i, &mut resync, |happening| {
                sink(&Event {
                    at: now,
                    actor: actor.clone(),
                    kind: Kind::Provisioning {
                        what: happening.kind().into(),
                        text: happening.to_string(),
                    },
                });
            })?;
            parameters.clone_from(resync.parameters());
            sink(&Event {
                at: now,
                actor: actor.clone(),
                kind: ended(number, &end),
            });
            let expected = round
                .expected
                .iter()
                .find(|(mac, _)| *mac == phone.mac.value);
            let expected = expected.map_or(PROVISIONED, |(_, code)| code.value.as_str());
            checked.push(check(number, &actor, expected, &end));
        }
        let of_round = around.carried();
        carried.questions += of_round.questions;
        carried.handshakes += of_round.handshakes;
    }
    Ok(Resynced {
        checked,
        now,
        carried,
    })
}

fn parameters(phone: &Phone) -> Parameters {
    let mut parameters = Parameters::new();
    for (name, value) in &phone.parameters {
        parameters.set(name, value);
    }
    parameters.set(RULES[0], &phone.rule);
    parameters
}

fn round_text(scenario: &Provisioning, number: usize) -> String {
    let round = &scenario.rounds[number - 1];
    let mut text = match scenario.phones.len() {
        1 => format!("round {number}: 1 multiplatform phone resyncs"),
        n => format!("round {number}: {n} multiplatform phones resync"),
    };
    let down: Vec<_> = round.down.iter().map(|d| d.value.as_str()).collect();
    if !down.is_empty() {
        text += &format!(", {} down", down.join(" and "));
    }
    if round.dns_down {
        text += ", DNS down";
    }
    text
}

fn code(end: &End) -> &'static str {
    match &end.result {
        Ok(_) => end.verdict(),
        Err(failure) => failure.fault.code(),
    }
}

fn ended(round: usize, end: &End) -> Kind {
    let reasons = match &end.result {
        Ok(_) => Vec::new(),
        Err(failure) => failure.fault.reasons(),
    };
    Kind::Resynced {
        round,
        verdict: end.verdict().into(),
        rests_on: end.basis().to_string(),
        rules: end.rests_on.iter().map(ToString::to_string).collect(),
        fix: reasons.first().map(|reason| reason.fix.clone()),
        reasons: reasons
            .into_iter()
            .map(|reason| ReasonFacts {
                code: reason.code,
                text: reason.text,
                evidence: None,
            })
            .collect(),
    }
}

fn check(round: usize, actor: &str, expected: &str, end: &End) -> Checked {
    let found = code(end);
    let text = format!("{actor} in round {round}: {expected}");
    let why = match &end.result {
        Ok(_) => String::new(),
        Err(failure) => format!(": {}", failure.fault),
    };
    Checked {
        text,
        failed: (found != expected).then(|| format!("{found}{why}")),
    }
}
