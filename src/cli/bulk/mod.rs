//! `trustline bulk`: bulk certificate management for the emulated clusters of a world's folder.

pub mod args;
pub mod server;

#[cfg(feature = "sftp")]
mod exchange;
#[cfg(feature = "sftp")]
mod known_hosts;

use args::{BulkArgs, BulkCommand, InitArgs, ShowArgs};

use super::args::Setting;
use super::exit_code::ExitCode;
use super::failure::Failure;
use super::inspect::{each, now};
use super::output::Output;
use super::world::{is_world, read_scenario, shown};
use super::{keep, password};
use crate::phone::profile::PROFILES;
use crate::report::inspect::{Judge, Kind};
use crate::scenario::run::at_start;

/// Does what was asked for.
pub fn run(args: &BulkArgs, output: &Output) -> ExitCode {
    let done = match &args.command {
        BulkCommand::Init(args) => init(args, output),
        BulkCommand::Show(args) => show(args, output),
        command => on_server(command, output),
    };
    done.unwrap_or_else(|failure| {
        failure.tell(output);
        failure.code
    })
}

#[cfg(feature = "sftp")]
fn on_server(command: &BulkCommand, output: &Output) -> Result<ExitCode, Failure> {
    exchange::run(command, output)
}

#[cfg(not(feature = "sftp"))]
fn on_server(_: &BulkCommand, _: &Output) -> Result<ExitCode, Failure> {
    Err(Failure::new(
        ExitCode::Usage,
        "built without the feature sftp, so no server can be reached: build trustline with its \
         default features; `bulk init` and `bulk show` work without",
    ))
}

/// Makes a world's folder without running phones.
fn init(args: &InitArgs, output: &Output) -> Result<ExitCode, Failure> {
    let dir = shown(&args.dir);
    let unreachable = |text: String| Failure::new(ExitCode::Unreachable, text);
    if is_world(&args.dir) {
        // It may hold what was imported.
        return Err(unreachable(format!(
            "{dir} holds a world already: name another folder, or remove this one"
        )));
    }
    let (text, scenario) = read_scenario(&args.scenario, &args.set)?;
    keep::prepare(&args.dir).map_err(unreachable)?;
    let mut events = Vec::new();
    let world = at_start(&scenario, &mut |event| events.push(event.clone()));
    let world = world.map_err(|e| {
        let text = format!("{} cannot be made: {e}", shown(&args.scenario));
        Failure::new(ExitCode::Usage, text)
    })?;
    keep::write(&args.dir, &text, &world, &events)
        .map_err(|e| unreachable(format!("cannot write {dir}: {e}")))?;
    let mut lines = String::new();
    for cluster in world.lab().clusters() {
        let nodes: Vec<_> = cluster.nodes().map(|n| n.name.as_str()).collect();
        lines.push_str(&format!(
            "{}  release {}, {}: {}\n",
            cluster.id(),
            cluster.profile().release,
            cluster.mode(),
            nodes.join(", ")
        ));
    }
    output.result(&lines);
    output.note(&format!(
        "written to {dir}; next: trustline bulk export {dir} --cluster ID --server \
         sftp://USER@HOST/DIRECTORY, for each cluster"
    ));
    Ok(ExitCode::Good)
}

/// Shows .p12 files.
fn show(args: &ShowArgs, output: &Output) -> Result<ExitCode, Failure> {
    // What a phone would do is not asked for, so any will do.
    let profile = &PROFILES[0];
    let mut settings = profile.settings();
    Setting::apply_all(&args.set, &mut settings);
    let passwords = password::of_p12(args.p12_password_file.as_deref(), &settings)?;
    let judge = Judge {
        profile,
        settings: &settings,
        installed: None,
        device_key: None,
        passwords: &passwords,
        now: args.date.unwrap_or_else(now),
    };
    let kind = Some(Kind::Pkcs12);
    Ok(each(&args.files, kind, &judge, args.format, output))
}
