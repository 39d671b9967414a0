//! What is fuzzed: one function a target, which panics where a law is broken. `fuzz/` drives these
//! with libFuzzer, `tests/fuzz_seeded.rs` with seeded changes of the same seeds.
//!
//! The laws of all: no input panics, hangs or makes something grow that the input does not pay for.

mod dhcp;
mod provisioning;
mod seeds;
mod tftp;
mod tvs;
mod wire;

/// One target.
pub(crate) struct Target {
    /// Its name, and that of the program that fuzzes it.
    pub(crate) name: &'static str,
    /// Runs it on one input.
    pub(crate) run: fn(&[u8]),
    /// Inputs to begin with.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub(crate) const TARGETS: &[Target] = &[
    target("trust_list", wire::trust_list, seeds::trust_lists),
    target("signed_file", wire::signed_file, seeds::signed_files),
    target(
        "encrypted_file",
        wire::encrypted_file,
        seeds::encrypted_files,
    ),
    target("certificate", wire::certificate, seeds::certificates),
    target("tvs_message", wire::tvs_message, seeds::tvs_messages),
    target("tftp_packet", wire::tftp_packet, seeds::tftp_packets),
    target("phone_config", wire::phone_config, seeds::phone_configs),
    target("pkcs12", wire::pkcs12, seeds::pkcs12_files),
    target("scenario", wire::scenario, seeds::scenarios),
    target("tvs_machines", tvs::both_ends, seeds::scripts),
    target("tftp_machines", tftp::both_ends, seeds::scripts),
    target("dhcp_message", dhcp::message, dhcp::messages),
    target("dhcp_machines", dhcp::both_ends, dhcp::scripts),
    target("provisioning_rule", provisioning::rule, provisioning::rules),
    target(
        "provisioning_profile",
        provisioning::profile,
        provisioning::profiles,
    ),
];

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

/// Runs the target of this name.
///
/// # Panics
/// There is none, or a law is broken.
pub(crate) fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|t| t.name == name);
    (target.expect("the program is named after a target").run)(data);
}

/// A script of inputs, taken from the front of the fuzzer's bytes.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// The next byte; none at the end.
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// The next byte, 0 at the end.
    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// So many bytes, or those that are left.
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
