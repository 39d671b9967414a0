//! What a rehearsal costs in virtual time, in V, one RSA-2048 SHA-512 verification of 6 KiB with
//! ring: the run itself, and with the search for what its verdicts rest on.

#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

mod common;

use std::hint::black_box;
use std::time::Instant;

use common::{median, v_nanos};
use trustline::phone::Pace;
use trustline::scenario::judge::fates;
use trustline::scenario::run::rehearse;
use trustline::scenario::words::Verdict;
use trustline::scenario::{self, Network, Rules, Scenario, outcome};

const FILE: &str = "scenarios/non-secure-migration.toml";

/// DESIGN, "Numbers to reach": one built-in scenario of 5 phones, simulated.
const GOAL: f64 = 200.0;

fn run(scenario: &Scenario) {
    let rehearsed = rehearse(scenario, Network::Sim, Pace::Real, None, &mut |e| {
        black_box(e);
    });
    let fates = fates(&rehearsed.expect("the scenario runs"));
    assert!(fates.iter().all(|f| f.verdict == Verdict::Migrated));
}

fn run_with_basis(scenario: &Scenario) {
    let outcome = outcome::run(scenario, Network::Sim, Pace::Real, &mut |e| {
        black_box(e);
    });
    assert!(outcome.expect("the scenario runs").holds());
}

fn main() {
    let rounds = if std::env::args().any(|a| a == "--bench") {
        15
    } else {
        1
    };
    let text = std::fs::read_to_string(FILE).expect("a built-in scenario");
    let scenario = scenario::parse(FILE, &text, &Rules).expect("a built-in scenario is right");
    assert_eq!(scenario.phone_count(), 5);

    let nanos = |work: fn(&Scenario)| {
        let start = Instant::now();
        work(&scenario);
        start.elapsed().as_nanos() as f64
    };
    // The first of each pays for what the process keeps: loaded keys, signatures.
    let first = nanos(run);
    let first_with_basis = nanos(run_with_basis);
    let (mut v, mut again, mut again_with_basis) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        v.push(v_nanos());
        again.push(nanos(run));
        again_with_basis.push(nanos(run_with_basis));
    }
    let v = median(&mut v);
    let again = median(&mut again);
    println!("V {:.1} us, {FILE}, 5 phones", v / 1e3);
    let line = |what: &str, nanos: f64| {
        println!("{what:<44} {:>9.2} ms {:>8.0} V", nanos / 1e6, nanos / v);
    };
    line("run, first in the process", first);
    line("run and basis, after it", first_with_basis);
    line("run, again", again);
    line("run and basis, again", median(&mut again_with_basis));
    let verdict = if again / v <= GOAL { "holds" } else { "MISSED" };
    println!("run / V: {:.0}, goal {GOAL:.0}: {verdict}", again / v);
}
