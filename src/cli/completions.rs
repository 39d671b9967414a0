//! `trustline completions` and `trustline man`: what the shell and `man` want to know, made from
//! the arguments themselves.

use std::io;

use clap::{Command, CommandFactory};

use super::args::{Args, CompletionsArgs, ManArgs};
use super::exit_code::ExitCode;
use super::output::Output;
use crate::report::text::did_you_mean;

/// Prints a completion script.
pub fn completions(args: &CompletionsArgs, output: &Output) -> ExitCode {
    let mut script = Vec::new();
    let mut command = Args::command();
    clap_complete::generate(args.shell, &mut command, "trustline", &mut script);
    output.result(&String::from_utf8_lossy(&script));
    ExitCode::Good
}

/// Prints a manual page.
pub fn man(args: &ManArgs, output: &Output) -> ExitCode {
    let mut root = Args::command();
    root.build();
    let page = match &args.command {
        None => page(root),
        Some(name) => {
            let Some(found) = root.find_subcommand(name) else {
                let names = root.get_subcommands().map(Command::get_name);
                let hint = did_you_mean(name, names);
                output.error(&format!("no command {name}{hint}"));
                return ExitCode::Usage;
            };
            page(found.clone())
        }
    };
    match page {
        Ok(page) => {
            output.result(&String::from_utf8_lossy(&page));
            ExitCode::Good
        }
        Err(e) => {
            output.error(&format!("cannot make the manual page: {e}"));
            ExitCode::Bug
        }
    }
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut roff = Vec::new();
    clap_mangen::Man::new(command).render(&mut roff)?;
    Ok(roff)
}
