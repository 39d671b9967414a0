//! `trustline check`: will the phones of one cluster follow to another?

pub mod args;
pub mod inputs;

mod answered;
mod emulated;
mod live;
mod plan;
mod written;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use args::CheckArgs;
use emulated::World;
use inputs::{Input, Target};
use live::{How, Looked};
use plan::Plan;

use super::args::{Format, Setting};
use super::exit_code::ExitCode;
use super::failure::Failure;
use super::inspect;
use super::output::Output;
use super::phone::{identity, servers};
use crate::check::evidence::{At, Door, FileReply, Known, Side, Sides};
use crate::check::groups::Asked;
use crate::check::predict::{Move, Subject};
use crate::net::tls::Identity;
use crate::phone::flash::CONFIG;
use crate::phone::{self, BootCause, Flash, PhoneSetup, Profile};
use crate::report::check::{self as report, Columns};
use crate::report::text::did_you_mean;
use crate::time::{Time, UnixSeconds};
use crate::trust::certificate::escape_for_terminal;
use crate::trust::rules::{Key, Settings};
use crate::tvs::ClientSettings;
use crate::wire::{ListKind, SignedFile, Strictness};

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
    let how = how(args)?;
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
    // Before anybody is asked: nothing is as bad as a report that cannot be kept.
    if let Some(path) = &args.csv {
        written::may_write("--csv", path, written::WORK_LIST)?;
    }
    if let Some(path) = &args.runbook {
        written::may_write("--runbook", path, written::RUNBOOK)?;
    }
    let mut gathered = Gathered::default();
    let mut looked = Vec::new();
    for (side, inputs) in &inputs {
        looked.push(gathered.side(side, inputs, args, &how)?);
    }
    let is_live = !how.tvs.is_empty() || looked.iter().any(|l| !l.targets.is_empty());
    if is_live {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| {
                let text = format!("the system gives no sockets: {e}");
                Failure::new(ExitCode::Unreachable, text)
            })?;
        let progress = |text: &str| output.note(text);
        runtime.block_on(live::look(&mut looked, &how, &progress));
        // A name that is still being resolved must not hold up the end.
        runtime.shutdown_background();
    }
    let mut sides = Sides {
        sides: looked.into_iter().map(|l| l.side).collect(),
    };
    name_apart(&mut sides);
    let plan = Move {
        option_150: option_150(&sides, args)?,
        resets: usize::from(args.resets),
    };
    let clock = args.date.or(gathered.date).unwrap_or_else(inspect::now);
    let phones = gathered.phones(&sides, &how, args, clock);
    let answer = answered::answer(&sides, &phones, &plan, args, clock);
    output.result(&match args.format {
        Format::Human => report::human(&answer, output.paint()),
        Format::Json => report::json(&answer),
    });
    if let Some(path) = &args.csv {
        let list = report::work_list(&answer, &Columns::default());
        written::write("--csv", path, &list)?;
    }
    if let Some(path) = &args.runbook {
        written::write("--runbook", path, &report::runbook(&answer))?;
    }
    Ok(answered::exit_code(&answer))
}

/// How live nodes are looked at.
fn how(args: &CheckArgs) -> Result<How, Failure> {
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
        devices: args.device.iter().map(|d| d.0.clone()).collect(),
        model: args.model.clone(),
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

fn targets(inputs: &[Input]) -> Vec<Target> {
    let node = |input: &Input| match input {
        Input::Node(target) => Some(target.clone()),
        Input::Folder(_) | Input::Emulated { .. } => None,
    };
    inputs.iter().filter_map(node).collect()
}

/// What was gathered of inputs that are not live.
#[derive(Default)]
struct Gathered {
    /// Scenarios that were run, by their path.
    worlds: BTreeMap<PathBuf, World>,
    /// The date of the first of them.
    date: Option<UnixSeconds>,
    /// The phones of the emulated clusters that phones are in.
    phones: Vec<Subject>,
}

impl Gathered {
    /// A side, as far as it is not live.
    fn side(
        &mut self,
        which: &'static str,
        inputs: &[Input],
        args: &CheckArgs,
        how: &How,
    ) -> Result<Looked, Failure> {
        let mut side = Side {
            name: which.to_owned(),
            ..Side::default()
        };
        for input in inputs {
            match input {
                Input::Node(_) => {}
                Input::Folder(path) => {
                    let text = format!("{} cannot be read yet", path.display());
                    return Err(Failure::new(ExitCode::Unreachable, text));
                }
                Input::Emulated { scenario, cluster } => {
                    let world = self.world(scenario, args)?;
                    let emulated = world.side(scenario, cluster, &how.devices)?;
                    let phones = world.subjects(cluster);
                    if which == "from" {
                        self.phones.extend(phones);
                    }
                    side = emulated;
                }
            }
        }
        let targets = targets(inputs);
        if let Some(first) = targets.first().filter(|_| side.nodes.is_empty()) {
            side.name.clone_from(&first.host);
        }
        Ok(Looked { side, targets })
    }

    fn world(&mut self, path: &PathBuf, args: &CheckArgs) -> Result<&World, Failure> {
        if !self.worlds.contains_key(path) {
            let world = World::run(path, &args.set, args.steps)?;
            self.date.get_or_insert(world.date);
            self.worlds.insert(path.clone(), world);
        }
        // It was put there just now, if it was not there before.
        self.worlds
            .get(path)
            .ok_or_else(|| Failure::new(ExitCode::Bug, "a scenario that was run is gone"))
    }

    /// The phones that are asked about.
    fn phones(
        &mut self,
        sides: &Sides,
        how: &How,
        args: &CheckArgs,
        clock: UnixSeconds,
    ) -> Vec<Asked> {
        if !self.phones.is_empty() {
            let asked = |subject: Subject| Asked {
                name: subject.setup.identity.device.clone(),
                model: subject.setup.identity.model.clone(),
                subject: Ok(Box::new(subject)),
            };
            return std::mem::take(&mut self.phones)
                .into_iter()
                .map(asked)
                .collect();
        }
        let device = how
            .devices
            .first()
            .cloned()
            .unwrap_or_else(|| "SEP000000000000".into());
        let Some(home) = sides.sides.first() else {
            return Vec::new();
        };
        let profile = Profile::of_model(&args.model).unwrap_or(&phone::profile::PROFILES[0]);
        let mut settings = profile.settings();
        Setting::apply_all(&args.set, &mut settings);
        let mut flash = Flash::default();
        for node in &home.nodes {
            let file = |name: &str| {
                let services = [&node.tftp, &node.http];
                services.into_iter().find_map(|s| match s.reply(name) {
                    Known::Yes(FileReply::File(bytes)) => Some(bytes.clone()),
                    _ => None,
                })
            };
            for kind in [ListKind::Ctl, ListKind::Itl] {
                if let Some(bytes) = file(kind.file_name()) {
                    flash.put(kind.file_name(), bytes);
                }
            }
            if let Some(bytes) = file(&format!("{device}.cnf.xml.sgn"))
                && let Ok(signed) = SignedFile::parse(&bytes, &Strictness::default())
            {
                flash.put(CONFIG, signed.body.into());
            }
        }
        let name = device.clone();
        let subject = Subject {
            setup: PhoneSetup {
                identity: phone::Identity {
                    device,
                    model: args.model.clone(),
                    certificate: None,
                },
                profile,
                settings,
                pace: phone::Pace::Real,
                clock,
                clock_ahead: 0,
                option_150: Vec::new(),
                dhcp: None,
                cause: BootCause::Reset,
            },
            before: flash.clone(),
            flash,
            earlier: Vec::new(),
            now: Time::ZERO,
        };
        vec![Asked {
            name,
            model: args.model.clone(),
            subject: Ok(Box::new(subject)),
        }]
    }
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
    let address = |name: &String| {
        if let Some(at) = sides.host(name) {
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
    args.option_150.iter().map(address).collect()
}
