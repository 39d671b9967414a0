//! What a rehearsal costs in virtual time, in V, one RSA-2048 SHA-512 verification of 6 KiB with
//! ring: the run itself, and with the search for what its verdicts rest on; and what a suite costs,
//! the built-in scenarios over and over on two threads, as `rehearse FOLDER` runs them.

#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

mod common;

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use common::{best_v_nanos, median, v_nanos};
use trustline::phone::Pace;
use trustline::scenario::judge::fates;
use trustline::scenario::outcome::{self, Search};
use trustline::scenario::run::rehearse;
use trustline::scenario::words::Verdict;
use trustline::scenario::{self, Network, Rules, Scenario};

const FOLDER: &str = "scenarios";
const FILE: &str = "scenarios/non-secure-migration.toml";

/// Runs of a suite, and the threads that make them.
const RUNS: usize = 200;
const THREADS: usize = 2;
/// Issue 4: 200 scenario runs on 2 cores.
const SUITE_GOAL: f64 = 40_000.0;

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

fn read(path: &str) -> Scenario {
    let text = std::fs::read_to_string(path).expect("a built-in scenario");
    scenario::parse(path, &text, &Rules).expect("a built-in scenario is right")
}

fn read_all() -> Vec<Scenario> {
    let entries = std::fs::read_dir(FOLDER).expect("the built-in scenarios");
    let paths = entries.map(|e| e.expect("an entry").path());
    let mut paths: Vec<_> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    let name = |p: &std::path::PathBuf| p.to_str().expect("a plain name").to_owned();
    paths.iter().map(|p| read(&name(p))).collect()
}

/// Processor time of this process and its threads so far, in nanoseconds, where the system tells it
/// as Linux does: in hundredths of a second.
fn cpu_nanos() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which may hold anything: the twelfth and the thirteenth.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: Vec<f64> = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse().ok())
        .collect();
    Some(ticks.iter().sum::<f64>() * 1e7)
}

/// Real time of so many runs of these scenarios in turn, and processor time, in nanoseconds.
fn suite(scenarios: &[Scenario], runs: usize) -> (f64, Option<f64>) {
    let start = Instant::now();
    let cpu = cpu_nanos();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= runs {
                        return;
                    }
                    let scenario = &scenarios[i % scenarios.len()];
                    let (network, search) = (Network::Sim, Search::WhenNeeded);
                    let outcome =
                        outcome::run_searching(scenario, network, Pace::Real, search, &mut |e| {
                            black_box(e);
                        });
                    assert!(outcome.expect("the scenario runs").holds());
                }
            });
        }
    });
    let used = cpu_nanos().zip(cpu).map(|(now, before)| now - before);
    (start.elapsed().as_nanos() as f64, used)
}

fn main() {
    let is_bench = std::env::args().any(|a| a == "--bench");
    let (rounds, runs) = if is_bench { (15, RUNS) } else { (1, THREADS) };
    let scenario = read(FILE);
    assert_eq!(scenario.phone_count(), 5);
    let all = read_all();
    // First, while the process has no key and no signature at hand, as in CI.
    let mut v: Vec<f64> = (0..rounds).map(|_| v_nanos()).collect();
    let mut best_v = best_v_nanos();
    let (cold, cold_cpu) = suite(&all, runs);
    let (warm, warm_cpu) = suite(&all, runs);
    v.extend((0..rounds).map(|_| v_nanos()));
    best_v = best_v.min(best_v_nanos());
    let v = median(&mut v);
    let holds = |is: f64, goal: f64| if is <= goal { "holds" } else { "MISSED" };
    let line = |what: &str, nanos: f64| {
        println!("{what:<44} {:>9.2} ms {:>8.0} V", nanos / 1e6, nanos / v);
    };
    println!(
        "V {:.1} us, {runs} runs of {} scenarios on {THREADS} threads",
        v / 1e3,
        all.len()
    );
    line("suite, first in the process", cold);
    line("suite, again", warm);
    // What it would take alone on the machine; the goal is for a machine with nothing else to do.
    // So V is that of a round in which nobody else had the core.
    println!("V at best {:.1} us", best_v / 1e3);
    for (what, cpu) in [("first", cold_cpu), ("again", warm_cpu)] {
        if let Some(cpu) = cpu {
            let what = format!("suite, {what}: processor time / {THREADS}");
            let nanos = cpu / THREADS as f64;
            println!(
                "{what:<44} {:>9.2} ms {:>8.0} V",
                nanos / 1e6,
                nanos / best_v
            );
        }
    }
    let verdict = holds(cold / v, SUITE_GOAL);
    println!(
        "suite / V: {:.0}, goal {SUITE_GOAL:.0}: {verdict}\n",
        cold / v
    );

    let mut crowd = scenario.clone();
    crowd.phones[0].count = 400;
    let start = Instant::now();
    outcome::run(&crowd, Network::Sim, Pace::Real, &mut |e| {
        black_box(e);
    })
    .expect("the scenario runs");
    line(
        "400 phones, run and basis",
        start.elapsed().as_nanos() as f64,
    );

    let nanos = |work: fn(&Scenario)| {
        let start = Instant::now();
        work(&scenario);
        start.elapsed().as_nanos() as f64
    };
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
    line("run, again", again);
    line("run and basis, again", median(&mut again_with_basis));
    let verdict = holds(again / v, GOAL);
    println!("run / V: {:.0}, goal {GOAL:.0}: {verdict}", again / v);
}
