//! `trustline check`: will the phones of one cluster follow to another?

pub mod args;
pub mod files;
pub mod inputs;

mod answered;
mod emulated;
mod gathered;
mod live;
mod mix;
mod option_150;
mod phones;
mod plan;
mod written;

use args::CheckArgs;
use gathered::{Gathered, targets};
use inputs::Input;
use live::{How, Looked};
use plan::Plan;

use super::args::{Format, Setting};
use super::exit_code::ExitCode;
use super::failure::Failure;
use super::inspect;
use super::output::Output;
use super::phone::{identity, servers};
use super::world::shown;
use crate::check::evidence::Sides;
use crate::check::predict::Move;
use crate::check::{folder, inventory};
use crate::net::tls::Identity;
use crate::report::check as report;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::rules::Settings;
use crate::tvs::ClientSettings;

/// The model of a phone where nobody says one.
const USUAL_MODEL: &str = "CP-8861";

/// Checks.
pub fn run(args: &CheckArgs, output: &Output) -> ExitCode {
    check(args, output).unwrap_or_else(|failure| {
        failure.tell(output);
        failure.code
    })
}

fn check(args: &CheckArgs, output: &Output) -> Result<ExitCode, Failure> {
    let is_one = args.from == args.to;
    let inputs: Vec<(&'static str, &[Input])> = match is_one {
        true => vec![("from", &args.from)],
        false => vec![("from", &args.from), ("to", &args.to)],
    };
    let inventory = phones::inventory(args)?;
    let entries = inventory.as_ref().map_or(&[][..], |i| &i.entries);
    let how = how(args, phones::sample(entries, args.sample))?;
    if args.dry_run {
        let targets: Vec<_> = inputs.iter().map(|(s, i)| (*s, targets(i))).collect();
        let shown: Vec<_> = targets.iter().map(|(s, t)| (*s, t.as_slice())).collect();
        let plan = Plan::of(&shown, &how);
        output.result(&match args.format {
            Format::Human => plan.human(),
            Format::Json => plan.json(),
        });
        return Ok(ExitCode::Good);
    }
    written::may_write_all(args)?;
    let mut gathered = Gathered::default();
    let mut looked = Vec::new();
    for (side, inputs) in &inputs {
        looked.push(gathered.side(*side == "from", inputs, args, &how.devices)?);
    }
    let is_live = !how.tvs.is_empty() || looked.iter().any(|l| !l.targets.is_empty());
    if is_live {
        look(&mut looked, &how, output)?;
    }
    let targets = looked.last().map_or_else(Vec::new, |l| l.targets.clone());
    let mut sides = Sides::of(looked.into_iter().map(|l| l.side).collect());
    name_apart(&mut sides);
    let mut rules = Settings::default();
    Setting::apply_all(&args.set, &mut rules);
    let mut notes = Vec::new();
    for side in &mut sides.sides {
        notes.extend(side.notes.iter().cloned());
        notes.extend(folder::conclude(&mut side.nodes, &rules));
    }
    notes.extend(sides.namesakes());
    if let Some(dir) = &args.record {
        written::record(dir, &inputs, &sides)?;
        output.note(&format!("recorded in {}", shown(dir)));
    }
    // An end before the answer takes nothing away that was to be known.
    let servers = option_150::servers(&sides, args, &targets).inspect_err(|_| {
        for note in &notes {
            output.note(&escape_for_terminal(note.as_bytes()));
        }
    })?;
    notes.extend(servers.note);
    let plan = Move {
        option_150: servers.addresses,
        resets: usize::from(args.resets),
    };
    let clock = args.date.or(gathered.date).unwrap_or_else(inspect::now);
    let mut phones = match inventory {
        None => gathered.phones(),
        Some(_) => Vec::new(),
    };
    if phones.is_empty() {
        let found = inventory::subjects(
            &sides,
            entries,
            &inventory::How {
                clock,
                model: model(args),
                is_model_said: args.model.is_some(),
                change: &|settings| Setting::apply_all(&args.set, settings),
                flashes: &gathered.flashes,
            },
        );
        phones = found.asked;
        notes.extend(found.notes);
    }
    notes.extend(inventory.as_ref().and_then(phones::left_out));
    let guess = servers.guess.as_deref();
    let answer = answered::answer(&sides, &phones, (&plan, guess), args, clock, notes);
    output.result(&match args.format {
        Format::Human => report::human(&answer, output.paint()),
        Format::Json => report::json(&answer),
    });
    let mut code = answered::exit_code(&answer);
    for problem in inventory.iter().flat_map(|i| &i.problems) {
        output.error(problem);
        code = code.worst(ExitCode::Usage);
    }
    if let Some(path) = &args.csv {
        let list = report::work_list(&answer, &phones::columns(inventory));
        written::write("--csv", path, &list)?;
    }
    if let Some(path) = &args.runbook {
        written::write("--runbook", path, &report::runbook(&answer))?;
    }
    Ok(code)
}

/// What a phone is taken for of which nobody says the model.
fn model(args: &CheckArgs) -> &str {
    args.model.as_deref().unwrap_or(USUAL_MODEL)
}

/// Looks at live nodes.
fn look(looked: &mut [Looked], how: &How, output: &Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| {
            let text = format!("the system gives no sockets: {e}");
            Failure::new(ExitCode::Unreachable, text)
        })?;
    let progress = |text: &str| output.note(text);
    runtime.block_on(live::look(looked, how, &progress));
    // A name that is still being resolved must not hold up the end.
    runtime.shutdown_background();
    Ok(())
}

/// How live nodes are looked at, for these phones.
fn how(args: &CheckArgs, devices: Vec<String>) -> Result<How, Failure> {
    let mut rules = Settings::default();
    Setting::apply_all(&args.set, &mut rules);
    let shown = match (&args.client_cert, &args.client_key) {
        (Some(certificate), Some(key)) => {
            let own = identity::lsc("--client-cert", certificate, key)?;
            Some(Identity {
                certificate: own.certificate.to_vec(),
                key: own.key.to_vec(),
            })
        }
        // clap takes both or none.
        _ => None,
    };
    Ok(How {
        within: args.timeout,
        rate: args.rate,
        devices,
        model: model(args).to_owned(),
        tvs: args.tvs.clone(),
        identity: shown,
        settings: ClientSettings {
            tags: rules.tvs_tags(),
            ..ClientSettings::default()
        },
        lab: match &args.lab {
            Some(path) => servers::read_lab(path)?,
            None => Vec::new(),
        },
    })
}

/// Gives each side a name of its own: verdicts tell them apart by it.
fn name_apart(sides: &mut Sides) {
    if let [from, to] = sides.sides.as_mut_slice()
        && from.name == to.name
    {
        from.name.push_str(" (from)");
        to.name.push_str(" (to)");
    }
}
