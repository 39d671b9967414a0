# `just` lists the tasks. CI runs `bash .ci/run`, which is these in one.

default:
    @just --list

# Everything that a change must pass
ci:
    bash .ci/run

# Format, lints, documentation
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --lib --bins --test planted_defects --features planted-defects -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# All tests that need a Rust toolchain alone
test:
    cargo test

# Install the Debian packages of the interop tests (root)
packages:
    bash .ci/packages

# Real servers and clients
interop:
    cargo test --test interop -- --ignored --nocapture --test-threads=1

# The main job
rehearse *ARGS='scenarios/non-secure-migration.toml':
    cargo run --release -- rehearse {{ARGS}}

# A folder of scenarios, with a report for CI
suite *ARGS='scenarios/':
    cargo run --release -- rehearse --junit target/rehearse.xml {{ARGS}}

# Some seconds of libFuzzer for each target of fuzz/ (nightly and cargo-fuzz)
fuzz SECONDS='20':
    FUZZ_SECONDS={{SECONDS}} bash .ci/fuzz

# Random worlds against the laws of every run and the model of who migrates
explore WORLDS='1000' *ARGS='':
    cargo run --release -- rehearse --explore {{WORLDS}} {{ARGS}}

# What a check predicts of 10,000 generated pairs of clusters against their rehearsals; minutes
check-pairs:
    cargo test --release --test check_agrees -- --ignored --nocapture

# Exploration finds each deliberate defect, and nothing without one; minutes
planted-defects:
    cargo test --release --features planted-defects --test planted_defects -- --ignored --nocapture --test-threads=1

# Figures, as ratios in one run
bench:
    cargo bench

# Write the golden files anew; read the diff
bless:
    TRUSTLINE_BLESS=1 cargo test --test cli_inspect --test cli_rules --test scenario_errors --test cli_bulk --test cli_diff --test fault_matrix
