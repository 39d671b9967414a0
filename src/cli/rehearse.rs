//! `trustline rehearse`: the main job.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::args::{Format, Network, Pace, RehearseArgs};
use super::exit_code::ExitCode;
use super::keep;
use super::output::Output;
use crate::event::{Event, Kind, SCHEMA_VERSION};
use crate::phone;
use crate::report::story::Story;
use crate::report::verdicts::Verdicts;
use crate::scenario::{self, Diagnostic, Rules, Scenario, outcome};

/// A scenario file, read.
struct Read {
    path: PathBuf,
    text: String,
    scenario: Scenario,
}

/// Runs scenarios.
pub fn run(args: &RehearseArgs, output: &Output) -> ExitCode {
    let mut code = ExitCode::Good;
    let (paths, is_folder, missing) = files(&args.paths);
    for (path, error) in &missing {
        output.error(&cannot_open(path, error));
        code = code.worst(ExitCode::Unreachable);
    }
    if paths.is_empty() && missing.is_empty() {
        output.error("no scenario there: the folder holds no .toml file");
        return ExitCode::Usage;
    }
    let mut scenarios = Vec::new();
    for path in paths {
        match read(&path, args, output) {
            Ok(read) => scenarios.push(read),
            Err(worse) => code = code.worst(worse),
        }
    }
    let many = is_folder || scenarios.len() > 1;
    if let Some(dir) = &args.keep {
        if let Some(twice) = same_stem(&scenarios).filter(|_| many) {
            output.error(&format!(
                "two scenarios are called {twice}, and each needs a folder of its own; keep them one by one"
            ));
            return code.worst(ExitCode::Usage);
        }
        // Nothing runs whose result could not be kept.
        let ready = if many {
            keep::prepare_many(dir)
        } else {
            Ok(())
        };
        let each = || {
            scenarios
                .iter()
                .try_for_each(|s| keep::prepare(&keep_dir(dir, s, many)))
        };
        if let Err(text) = ready.and_then(|()| each()) {
            output.error(&text);
            return code.worst(ExitCode::Unreachable);
        }
    }
    let mut documents = Vec::new();
    for s in &scenarios {
        let (result, document) = run_one(s, args, output, many);
        code = code.worst(result);
        documents.extend(document);
    }
    if args.format == Format::Json {
        let document = json!({ "schema_version": SCHEMA_VERSION, "scenarios": documents });
        output.result(&format!("{document:#}\n"));
    }
    code
}

/// A name that two scenario files share.
fn same_stem(scenarios: &[Read]) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut stems = scenarios
        .iter()
        .map(|s| s.path.file_stem().unwrap_or_default());
    stems
        .find(|stem| !seen.insert(stem.to_os_string()))
        .map(|stem| stem.display().to_string())
}

/// The scenario files that the arguments mean, whether one of them was a folder, and what could not
/// be opened.
fn files(paths: &[PathBuf]) -> (Vec<PathBuf>, bool, Vec<(PathBuf, io::Error)>) {
    let mut all = Vec::new();
    let mut missing = Vec::new();
    let mut is_folder = false;
    for path in paths {
        match files_of(path) {
            Ok((inside, folder)) => {
                all.extend(inside);
                is_folder |= folder;
            }
            Err(e) => missing.push((path.clone(), e)),
        }
    }
    (all, is_folder, missing)
}

/// The file itself, or a folder's scenario files in the order of their names.
fn files_of(path: &Path) -> io::Result<(Vec<PathBuf>, bool)> {
    if !fs::metadata(path)?.is_dir() {
        return Ok((vec![path.to_owned()], false));
    }
    let mut inside = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        if entry.extension().is_some_and(|e| e == "toml") {
            inside.push(entry);
        }
    }
    inside.sort();
    Ok((inside, true))
}

fn read(path: &Path, args: &RehearseArgs, output: &Output) -> Result<Read, ExitCode> {
    let name = path.display().to_string();
    let bytes = read_bounded(path).map_err(|e| {
        output.error(&cannot_open(path, &e));
        ExitCode::Unreachable
    })?;
    let wrong = |errors: &[Diagnostic]| {
        for e in errors {
            output.note(&e.to_string());
        }
        ExitCode::Usage
    };
    let text = scenario::parse::decode(&name, &bytes)
        .map_err(|e| wrong(&[e]))?
        .to_owned();
    let mut parsed = scenario::parse(&name, &text, &Rules).map_err(|e| wrong(&e))?;
    let seed = args.seed.map(|s| s.to_string());
    let sets: Vec<_> = args
        .set
        .iter()
        .map(|s| format!("{}={}", s.rule.name, s.rule.text_of(s.value)))
        .collect();
    scenario::settings::apply_overrides(&mut parsed, seed.as_deref(), &sets, &Rules)
        .map_err(|e| wrong(&e))?;
    Ok(Read {
        path: path.to_owned(),
        text,
        scenario: parsed,
    })
}

/// The file, or so much of it that the reader of scenarios sees that it is too large.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read;

    let mut bytes = Vec::new();
    let limit = scenario::parse::MAX_TEXT as u64 + 1;
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cannot_open(path: &Path, error: &io::Error) -> String {
    format!("cannot open {}: {error}", path.display())
}

fn keep_dir(dir: &Path, s: &Read, many: bool) -> PathBuf {
    let stem = s.path.file_stem().unwrap_or_default();
    if many { dir.join(stem) } else { dir.to_owned() }
}

fn run_one(
    s: &Read,
    args: &RehearseArgs,
    output: &Output,
    many: bool,
) -> (ExitCode, Option<Value>) {
    let network = match args.network {
        Some(Network::Sim) => scenario::Network::Sim,
        Some(Network::Loopback) => scenario::Network::Loopback,
        None if many || s.scenario.needs_virtual_time().is_some() => scenario::Network::Sim,
        None => scenario::Network::Loopback,
    };
    // Virtual time costs nothing, so phones always wait there as real ones do.
    let pace = match (network, args.pace) {
        (scenario::Network::Loopback, Pace::Fast) => phone::Pace::Fast,
        _ => phone::Pace::Real,
    };
    if let Err(error) = scenario::run::check_network(&s.scenario, network) {
        output.error(&format!("{}: {error}", s.path.display()));
        return (ExitCode::Usage, None);
    }
    let started = Instant::now();
    let told = args.format == Format::Human && !many;
    let mut story = Story::new(output.paint(), args.verbose);
    let mut verdicts = Verdicts::default();
    let mut events = Vec::new();
    if told {
        output.result(&format!("{}\n\n", headline(&s.scenario, network)));
    }
    let outcome = outcome::run(&s.scenario, network, pace, &mut |event| {
        verdicts.take(event);
        if told {
            for line in story.tell(event) {
                output.result(&format!("{line}\n"));
            }
        }
        events.push(event.clone());
    });
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let name = s.path.display();
            output.error(&format!("{name} could not run: {error}"));
            let code = match error {
                scenario::run::RunError::System(_) => ExitCode::Unreachable,
                scenario::run::RunError::Step { .. }
                | scenario::run::RunError::NeedsVirtualTime { .. } => ExitCode::Usage,
            };
            return (code, None);
        }
    };
    let again = repeat(s, args, network);
    match args.format {
        Format::Human if many => {
            output.result(&format!(
                "{}\n",
                verdicts.line(output.paint(), &s.path.display().to_string())
            ));
            if !verdicts.holds() {
                let seconds = started.elapsed().as_secs_f64();
                output.result(&verdicts.text(output.paint(), &again, seconds));
            }
        }
        Format::Human => {
            let seconds = started.elapsed().as_secs_f64();
            output.result(&verdicts.text(output.paint(), &again, seconds));
        }
        Format::Json => {}
    }
    let mut code = if outcome.holds() {
        ExitCode::Good
    } else {
        ExitCode::Negative
    };
    if let Some(dir) = &args.keep {
        let dir = keep_dir(dir, s, many);
        match keep::write(&dir, &s.text, &outcome.rehearsed, &events) {
            Ok(()) if told => output.note(&format!("kept in {}", dir.display())),
            Ok(()) => {}
            Err(e) => {
                output.error(&format!("cannot keep the files in {}: {e}", dir.display()));
                code = code.worst(ExitCode::Unreachable);
            }
        }
    }
    let document = (args.format == Format::Json)
        .then(|| document(s, network, &events, outcome.holds(), args.verbose));
    (code, document)
}

fn headline(s: &Scenario, network: scenario::Network) -> String {
    format!(
        "{} - {} clusters, {} phones, seed {}, {}",
        s.name.value,
        s.clusters.len(),
        s.phone_count(),
        s.seed,
        network.as_str()
    )
}

/// The command that repeats a run.
fn repeat(s: &Read, args: &RehearseArgs, network: scenario::Network) -> String {
    let path = quoted(&s.path.display().to_string());
    let (seed, network) = (s.scenario.seed, network.as_str());
    let mut command = format!("trustline rehearse {path} --seed {seed} --network {network}");
    if args.pace == Pace::Real {
        command += " --pace real";
    }
    for set in &args.set {
        command += &format!(" --set {}={}", set.rule.name, set.rule.text_of(set.value));
    }
    command
}

/// A word for a shell, in quotes where it needs them.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn document(
    s: &Read,
    network: scenario::Network,
    events: &[Event],
    holds: bool,
    verbose: bool,
) -> Value {
    let chosen = |e: &&Event| {
        let is_result = matches!(e.kind, Kind::Verdict { .. } | Kind::Expectation { .. });
        is_result || verbose
    };
    json!({
        "file": s.path.display().to_string(),
        "name": s.scenario.name.value,
        "source": s.scenario.source.value,
        "seed": s.scenario.seed,
        "network": network.as_str(),
        "holds": holds,
        "events": events.iter().filter(chosen).collect::<Vec<_>>(),
    })
}
