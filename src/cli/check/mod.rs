//! `trustline check`: will the phones of one cluster follow to another?

pub mod args;
pub mod files;
pub mod inputs;

mod answered;
mod emulated;
mod gathered;
mod live;
mod mix;
mod phones;
mod plan;
mod written;

use std::net::Ipv4Addr;

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
use crate::check::evidence::{At, Door, Known, Sides};
use crate::check::predict::Move;
use crate::check::{folder, inventory};
use crate::net::tls::Identity;
use crate::report::check as report;
use crate::report::text::did_you_mean;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::rules::{Key, Settings};
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
    let option_150 = option_150(&sides, args).inspect_err(|_| {
        for note in &notes {
            output.note(&escape_for_terminal(note.as_bytes()));
        }
    })?;
    let plan = Move {
        option_150,
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
                change: &|settings| Setting::apply_all(&args.set, settings),
                flashes: &gathered.flashes,
            },
        );
        phones = found.asked;
        notes.extend(found.notes);
    }
    notes.extend(inventory.as_ref().and_then(phones::left_out));
    let answer = answered::answer(&sides, &phones, &plan, args, clock, notes);
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

/// Addresses that option 150 will name.
fn option_150(sides: &Sides, args: &CheckArgs) -> Result<Vec<Ipv4Addr>, Failure> {
    let most = {
        let mut rules = Settings::default();
        Setting::apply_all(&args.set, &mut rules);
        usize::try_from(rules.peek(Key::DhcpMaxServers)).unwrap_or(usize::MAX)
    };
    // The last side is the one that phones are to follow to; from and to may be one.
    let s = sides.sides.len().saturating_sub(1);
    let Some(to) = sides.sides.get(s) else {
        return Ok(Vec::new());
    };
    if args.option_150.is_empty() {
        let open = Known::Yes(Door::Open);
        let serves = |n: &usize| {
            let node = &to.nodes[*n];
            node.tftp.door == open || node.http.door == open
        };
        let serving: Vec<_> = (0..to.nodes.len()).filter(serves).collect();
        let named = match serving.is_empty() {
            true => (0..to.nodes.len()).collect(),
            false => serving,
        };
        let addresses = named.into_iter().map(|n| sides.address(At(s, n)));
        return Ok(addresses.take(most).collect());
    }
    if args.option_150.len() > most {
        let text = format!(
            "--option-150 names {} servers; a phone keeps {most} at most (setting dhcp.max_servers)",
            args.option_150.len()
        );
        return Err(Failure::new(ExitCode::Usage, text));
    }
    let of_to = |name: &str| to.nodes.iter().position(|n| n.is_host(name));
    let address = |name: &String| {
        let at = of_to(name).map(|n| At(s, n));
        if let Some(at) = at.or_else(|| sides.host_from(s, name)) {
            return Ok(sides.address(at));
        }
        name.parse().map_err(|_| {
            let names = sides.nodes().map(|(_, n)| n.name.as_str());
            let hint = did_you_mean(name, names);
            let text = format!(
                "--option-150 {}: no node that was looked at has this name, and it is no address{hint}",
                escape_for_terminal(name.as_bytes())
            );
            Failure::new(ExitCode::Usage, text)
        })
    };
    let addresses: Vec<Ipv4Addr> = args
        .option_150
        .iter()
        .map(address)
        .collect::<Result<_, _>>()?;
    // A phone asks the second server only where the first is silent.
    if let Some(at) = addresses.first().and_then(|a| sides.at(*a))
        && at.0 != s
    {
        let node = sides.node(at).map_or("", |n| n.name.as_str());
        let stays = &sides.sides[at.0].name;
        let text = format!(
            "--option-150 begins with {node} of {stays}: phones would stay there; begin with a node of {}",
            to.name
        );
        return Err(Failure::new(ExitCode::Usage, text));
    }
    Ok(addresses)
}
