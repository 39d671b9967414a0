//! The yardstick of all benches, so that figures of machines and days can be compared as ratios.

#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{
    KeyPair as _, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_SHA512,
    UnparsedPublicKey,
};

/// A lab key without any worth, made with `openssl genpkey`.
const KEY: &[u8] = include_bytes!("lab-rsa-2048.p8");

/// V: nanoseconds for one verification with ring of an RSA-2048 SHA-512 PKCS#1 signature over
/// 6 KiB, the work that a phone cannot avoid for a trust list. Median of rounds of about 20 ms.
pub(crate) fn v_nanos() -> f64 {
    median(&mut v_rounds())
}

/// V in the best of the rounds: what it takes while nobody else has the core.
#[allow(dead_code, reason = "of the benches one compares processor time")]
pub(crate) fn best_v_nanos() -> f64 {
    v_rounds().into_iter().fold(f64::INFINITY, f64::min)
}

fn v_rounds() -> Vec<f64> {
    let key = KeyPair::from_pkcs8(KEY).expect("the fixture is a key");
    let message: Vec<u8> = (0..6 * 1_024_u32).map(|i| (i % 251) as u8).collect();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA512,
        &SystemRandom::new(),
        &message,
        &mut signature,
    )
    .expect("a key of this size signs");
    let public = UnparsedPublicKey::new(
        &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        key.public_key().as_ref().to_vec(),
    );
    let rounds = (0..11).map(|_| {
        let start = Instant::now();
        let mut done = 0_u32;
        while start.elapsed() < Duration::from_millis(20) {
            let result = public.verify(black_box(&message), black_box(&signature));
            assert!(result.is_ok(), "the signature holds");
            done += 1;
        }
        start.elapsed().as_nanos() as f64 / f64::from(done)
    });
    rounds.collect()
}

/// The middle value; sorts `values`, of which there must be one at least.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
