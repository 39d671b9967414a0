//! The targets of `fuzz/` on stable Rust: every seed, and seeded changes of it. A few seconds, so
//! that it is always part of the tests; libFuzzer looks longer and deeper.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

#[allow(dead_code, reason = "the programs of fuzz/ start at `run`")]
mod fuzz_targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fuzz_targets::{TARGETS, Target};
use trustline::rng::Rng;

/// The seed of every change here.
const SEED: u64 = 4;

/// Bytes that a target looks at: small inputs are tried more often than large ones.
const BYTES: usize = 4_000_000;
/// The most and the least inputs of one target, beside its seeds.
const MAX_INPUTS: usize = 4_000;
const MIN_INPUTS: usize = 200;

/// Runs an input; where a law is broken, says which input and leaves it beside the others.
fn run(target: &Target, input: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let file = std::env::temp_dir().join(format!("trustline-fuzz-{}", target.name));
        let kept = match std::fs::write(&file, input) {
            Ok(()) => format!("the input is in {}", file.display()),
            Err(_) => format!("the input is {}", input.escape_ascii()),
        };
        panic!("{}: {what}: {kept}", target.name);
    }
}

/// The seeds and their changes.
fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|t| t.name == name).unwrap();
    let seeds = (target.seeds)();
    for (i, seed) in seeds.iter().enumerate() {
        run(target, seed, &format!("seed {i}"));
    }
    let average = seeds.iter().map(Vec::len).sum::<usize>() / seeds.len();
    let inputs = (BYTES / average.max(1)).clamp(MIN_INPUTS, MAX_INPUTS);
    for n in 0..inputs {
        let mut rng = Rng::stream(SEED + n as u64, name);
        let input = changed(&seeds, &mut rng);
        run(target, &input, &format!("change {n}"));
    }
}

fn pick(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

/// A seed with one to four changes of the kinds that break readers.
fn changed(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = seeds[pick(rng, seeds.len())].clone();
    for _ in 0..=pick(rng, 4) {
        let at = pick(rng, input.len() + 1);
        let end = (at + 1 + pick(rng, 32)).min(input.len());
        match pick(rng, 8) {
            0 => input.truncate(at),
            1 if at < input.len() => input[at] ^= 1 << pick(rng, 8),
            2 if at < input.len() => {
                input[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][pick(rng, 6)];
            }
            3 => drop(input.drain(at.min(end)..end)),
            4 => {
                let copy = input[at.min(end)..end].to_vec();
                input.splice(at..at, copy);
            }
            5 => {
                let mut noise = vec![0; 1 + pick(rng, 16)];
                rng.fill(&mut noise);
                input.splice(at..at, noise);
            }
            // A length that is a little off.
            6 if at + 1 < input.len() => {
                let value = u16::from_be_bytes([input[at], input[at + 1]]);
                let off = value.wrapping_add(pick(rng, 9) as u16).wrapping_sub(4);
                input[at..at + 2].copy_from_slice(&off.to_be_bytes());
            }
            7 => {
                let other = &seeds[pick(rng, seeds.len())];
                let from = pick(rng, other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            // The change would be beside the input.
            _ => {}
        }
    }
    input
}

macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                fuzz(stringify!($name));
            }
        )+

        const NAMES: &[&str] = &[$(stringify!($name)),+];
    };
}

targets! {
    trust_list, signed_file, encrypted_file, certificate, tvs_message, tftp_packet, phone_config,
    pkcs12, scenario, tvs_machines, tftp_machines, dhcp_message, dhcp_machines,
    provisioning_rule, provisioning_profile,
}

/// Every target is run here, and has a program for libFuzzer of the same name.
#[test]
fn every_target_has_a_test_and_a_program() {
    let names: Vec<_> = TARGETS.iter().map(|t| t.name).collect();
    assert_eq!(names, NAMES);
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for name in names {
        let program = fuzz.join("fuzz_targets").join(name).with_extension("rs");
        let text = std::fs::read_to_string(&program).unwrap();
        assert!(
            text.contains(&format!("run(\"{name}\"")),
            "{}",
            program.display()
        );
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

#[test]
fn a_broken_law_fails() {
    let target = Target {
        name: "on_purpose",
        run: |data| assert!(data.is_empty(), "a law"),
        seeds: Vec::new,
    };
    run(&target, b"", "no input");
    let failed = catch_unwind(|| run(&target, b"x", "an input")).unwrap_err();
    let text = failed.downcast_ref::<String>().unwrap();
    assert!(
        text.starts_with("on_purpose: an input: the input is in "),
        "{text}"
    );
}

/// `TRUSTLINE_FUZZ_CORPUS=DIR cargo test --test fuzz_seeded write_corpus` lays the seeds out for
/// libFuzzer, a folder a target.
#[test]
fn write_corpus() {
    let Some(dir) = std::env::var_os("TRUSTLINE_FUZZ_CORPUS") else {
        return;
    };
    for target in TARGETS {
        let folder = Path::new(&dir).join(target.name);
        std::fs::create_dir_all(&folder).unwrap();
        for (i, seed) in (target.seeds)().into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{i:03}")), seed).unwrap();
        }
    }
}
