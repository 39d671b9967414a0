#![no_main]

#[allow(dead_code, reason = "a program runs one target, and libFuzzer brings the seeds")]
#[path = "../../tests/fuzz_targets/mod.rs"]
mod fuzz_targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("provisioning_rule", data));
