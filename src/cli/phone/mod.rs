//! `trustline phone`: one phone against any servers.

pub mod args;

mod flash;
pub(super) mod identity;
mod life;
mod seed;
pub(super) mod servers;

use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use args::PhoneArgs;

use super::args::{Pace, Setting};
use super::exit_code::ExitCode;
use super::failure::Failure;
use super::inspect;
use super::output::Output;
use crate::phone::{self, BootCause, DhcpSetup, PhoneSetup};
use crate::trust::certificate::escape_for_terminal;
use crate::trust::rules::{Basis, Key, TvsCacheClock};
use flash::FlashFolder;
use life::Life;

/// Lets the phone live.
pub fn run(args: &PhoneArgs, output: &Output) -> ExitCode {
    match try_run(args, output) {
        Ok(code) => code,
        Err(failure) => {
            failure.tell(output);
            failure.code
        }
    }
}

fn try_run(args: &PhoneArgs, output: &Output) -> Result<ExitCode, Failure> {
    let profile = identity::profile(args)?;
    let tvs_tls = identity::tvs_tls(args, profile)?;
    let identity = identity::identity(args)?;
    let seeds = seed::read(&args.installed, args.config.as_deref())?;
    let mut settings = profile.settings();
    // Between two runs the phone has no power, and only the wall clock goes on: the machine's own
    // time starts anew with each process.
    settings.set(
        Key::TvsCacheClock,
        TvsCacheClock::Wall as i64,
        Basis::Inferred,
    );
    Setting::apply_all(&args.set, &mut settings);
    // The rule has a range within a few dozens.
    let most = usize::try_from(settings.peek(Key::DhcpMaxServers)).unwrap_or(usize::MAX);
    let (servers, addresses) = servers::named(&args.tftp, args.lab.as_deref(), most)?;
    let folder = FlashFolder::open(&args.flash, &identity.device)?;
    if let Some(note) = &seeds.note {
        output.note(note);
    }
    if seed::plant(&folder, &seeds, args.force_seed)? {
        let names: Vec<_> = seeds.files.iter().map(|(name, _)| *name).collect();
        output.note(&format!("put {} into {}", names.join(", "), folder.shown()));
    }
    let setup = PhoneSetup {
        identity,
        profile,
        settings,
        pace: match args.pace {
            Pace::Fast => phone::Pace::Fast,
            Pace::Real => phone::Pace::Real,
        },
        clock: inspect::now(),
        clock_ahead: 0,
        option_150: servers,
        dhcp: args.dhcp.is_some().then(|| DhcpSetup {
            seed: chance(),
            // Nothing here touches the interface.
            holds_address: false,
            lease: None,
        }),
        cause: BootCause::Power,
    };
    Life::new(args, output, setup, (addresses, tvs_tls), folder).live()
}

/// Another number in every run: transactions of an earlier one may still be answered.
fn chance() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is as good as any.
    let nanos = since.unwrap_or_default().as_nanos();
    // The low half of the nanoseconds is what changes.
    (nanos as u64) ^ (u64::from(process::id()) << 32)
}

/// A text of somebody else, as it may be printed.
fn clean(text: &str) -> String {
    escape_for_terminal(text.as_bytes())
}
