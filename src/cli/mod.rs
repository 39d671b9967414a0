//! Layer 6: arguments, exit codes, text. The only layer that opens files and writes to streams.

pub mod args;
pub mod bulk;
pub mod check;
pub mod completions;
pub mod diff;
pub mod exit_code;
pub mod failure;
pub mod inspect;
pub mod keep;
pub mod output;
pub mod password;
pub mod phone;
pub mod provision;
pub mod rehearse;
pub mod rules;
pub mod serve;
pub mod world;

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process;

use clap::Parser;

use args::{Args, Command};
use exit_code::ExitCode;
use output::Output;

/// Runs the command line.
pub fn main() -> process::ExitCode {
    panic::set_hook(Box::new(report_panic));
    guarded(run).into()
}

fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => return usage(&e),
    };
    let output = Output::new(args.color);
    let code = match &args.command {
        Command::Rehearse(args) => rehearse::run(args, &output),
        Command::Inspect(args) => inspect::run(args, &output),
        Command::Check(args) => check::run(args, &output),
        Command::Diff(args) => diff::run(args, &output),
        Command::Serve(args) => serve::run(args, &output),
        Command::Bulk(args) => bulk::run(args, &output),
        Command::Phone(args) => phone::run(args, &output),
        Command::Provision(args) => provision::run(args, &output),
        Command::Rules(args) => rules::run(args, &output),
        Command::Completions(args) => completions::completions(args, &output),
        Command::Man(args) => completions::man(args, &output),
    };
    code.worst(output.exit_code())
}

/// `--help` and `--version` come as errors too, and are none.
fn usage(e: &clap::Error) -> ExitCode {
    // A closed stream is no reason to fail: nobody reads it.
    let _ = e.print();
    if e.use_stderr() {
        ExitCode::Usage
    } else {
        ExitCode::Good
    }
}

/// Turns a panic into its exit code.
fn guarded(f: impl FnOnce() -> ExitCode) -> ExitCode {
    panic::catch_unwind(AssertUnwindSafe(f)).unwrap_or(ExitCode::Bug)
}

fn report_panic(info: &PanicHookInfo<'_>) {
    use std::io::Write as _;

    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info
        .location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let command: Vec<_> = std::env::args_os()
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    // stderr may be closed; a panic here would abort.
    let _ = writeln!(
        std::io::stderr(),
        "trustline {version} has a bug: {message}\n  at       {place}\n  command  {command}\n\
         This is not your doing. Please report it with these lines and, if you may, the input.",
        version = env!("CARGO_PKG_VERSION"),
        command = command.join(" "),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug_of_ours() {
        assert_eq!(guarded(|| panic!("on purpose")), ExitCode::Bug);
        assert_eq!(guarded(|| ExitCode::Negative), ExitCode::Negative);
    }
}
