//! One run of one scenario, and what the reports say of it.

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::code::{Ended, code_of};
use super::repeat;
use super::select::{Broken, File};
use crate::cli::args::{Format, Network, Pace, RehearseArgs};
use crate::cli::exit_code::ExitCode;
use crate::cli::keep;
use crate::event::{Event, Kind};
use crate::phone;
use crate::report::junit::{self, CaseResult};
use crate::report::story::Story;
use crate::report::text::Paint;
use crate::report::verdicts::Verdicts;
use crate::scenario::outcome::{self, Search};
use crate::scenario::{self, Scenario};

/// The most lines of a story that a failure shows: its end, where things went wrong.
const MAX_STORY_LINES: usize = 60;

/// How runs are made.
pub(super) struct Manner<'a> {
    /// The arguments.
    pub args: &'a RehearseArgs,
    /// True if this run is one of several, so that it is told at its end and in short.
    pub is_one_of_many: bool,
    /// How stdout is coloured.
    pub paint: Paint,
}

/// A run that is to be made.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// The scenario.
    pub file: &'a File,
    /// The seed.
    pub seed: u64,
    /// Where its world is left.
    pub keep: Option<PathBuf>,
}

/// A run that is over.
#[derive(Debug)]
pub(super) struct Run {
    /// What it adds to the exit code.
    pub code: ExitCode,
    /// What stdout says of it.
    pub text: String,
    /// What went wrong beside its expectations, for stderr.
    pub errors: Vec<String>,
    /// Where its world was left, where that is worth a word.
    pub note: Option<String>,
    /// Its case for JUnit.
    pub case: junit::Case,
    /// Its document, where JSON is wanted.
    pub document: Option<Value>,
}

impl Manner<'_> {
    /// What runs are made on, unless a scenario needs virtual time.
    pub(super) fn network(&self) -> scenario::Network {
        match self.args.network {
            Some(Network::Sim) => scenario::Network::Sim,
            Some(Network::Loopback) => scenario::Network::Loopback,
            None if self.is_one_of_many => scenario::Network::Sim,
            None => scenario::Network::Loopback,
        }
    }

    fn network_of(&self, scenario: &Scenario) -> scenario::Network {
        // On sockets multiplatform phones need a Cargo feature.
        let has_sockets = scenario.provisioning.is_none() || cfg!(feature = "provisioning");
        let is_simulated = scenario.needs_virtual_time().is_some() || !has_sockets;
        if self.args.network.is_none() && is_simulated {
            scenario::Network::Sim
        } else {
            self.network()
        }
    }

    /// Makes a run. `live` gets each line as it happens, where the run is the only one.
    pub(super) fn perform(&self, job: &Job<'_>, live: &mut dyn FnMut(&str)) -> Run {
        let network = self.network_of(&job.file.scenario);
        // Virtual time costs nothing, so phones always wait there as real ones do.
        let pace = match (network, self.args.pace) {
            (scenario::Network::Loopback, Pace::Fast) => phone::Pace::Fast,
            _ => phone::Pace::Real,
        };
        let scenario = Scenario {
            seed: job.seed,
            #[cfg(feature = "planted-defects")]
            planted: self.args.plant,
            ..job.file.scenario.clone()
        };
        let is_human = self.args.format == Format::Human;
        let is_told_live = is_human && !self.is_one_of_many;
        // A line a run says nothing of what verdicts rest on.
        let search = if is_human && self.is_one_of_many && job.keep.is_none() {
            Search::WhenNeeded
        } else {
            Search::Always
        };
        let started = Instant::now();
        let mut story = Story::new(self.paint, self.args.verbose);
        let mut verdicts = Verdicts::default();
        let mut events: Vec<Event> = Vec::new();
        // What cannot run there has no story.
        if is_told_live && scenario::run::check_network(&scenario, network).is_ok() {
            live(&format!("{}\n\n", headline(&scenario, network)));
        }
        let result = panic::catch_unwind(AssertUnwindSafe(|| {
            outcome::run_searching(&scenario, network, pace, search, &mut |event| {
                verdicts.take(event);
                if is_told_live {
                    for line in story.tell(event) {
                        live(&format!("{line}\n"));
                    }
                }
                events.push(event.clone());
            })
        }));
        let ended = match result {
            Ok(Ok(outcome)) => Ended::Judged(Box::new(outcome)),
            Ok(Err(error)) => Ended::NotRun(error),
            Err(payload) => Ended::Panicked(message_of(payload.as_ref())),
        };
        let told = Told {
            job,
            scenario: &scenario,
            network,
            events: &events,
            verdicts: &verdicts,
            again: repeat::command(&job.file.path, job.seed, network, self.args),
            seconds: started.elapsed().as_secs_f64(),
        };
        let mut run = Run {
            code: code_of(&ended),
            text: if is_human {
                self.text(&told, &ended)
            } else {
                String::new()
            },
            errors: told.error(&ended).into_iter().collect(),
            note: None,
            case: told.case(&ended),
            document: (self.args.format == Format::Json).then(|| self.document(&told, &ended)),
        };
        if let (Some(dir), Ended::Judged(outcome)) = (&job.keep, &ended) {
            match keep::write(dir, &job.file.text, &outcome.rehearsed, &events) {
                Ok(()) if is_told_live => {
                    run.note = Some(format!("kept in {}", dir.display()));
                }
                Ok(()) => {}
                Err(e) => {
                    let shown = dir.display();
                    run.errors
                        .push(format!("cannot keep the files in {shown}: {e}"));
                    run.code = run.code.worst(ExitCode::Unreachable);
                }
            }
        }
        run
    }

    /// What stdout says at the end of the run.
    fn text(&self, told: &Told<'_>, ended: &Ended) -> String {
        let paint = self.paint;
        let seconds = Some(told.seconds);
        match ended {
            Ended::Judged(_) if !self.is_one_of_many => {
                told.verdicts.text(paint, &told.again, seconds)
            }
            Ended::Judged(outcome) => {
                let mut text = String::new();
                // Of many seeds only those are told one by one that failed.
                let is_line_due = !outcome.holds() || self.args.repeat == 1;
                if is_line_due {
                    let broken = outcome.broken.first().map(|broken| broken.law.name());
                    text += &told.verdicts.line(paint, &told.shown(), broken);
                    text += "\n";
                }
                if self.args.verbose {
                    text += &told.story(paint, true).join("\n");
                    text += "\n";
                } else if !outcome.holds() {
                    text += &told.end_of_story(paint);
                }
                if !outcome.holds() {
                    text += &told.verdicts.text(paint, &told.again, seconds);
                    text += "\n";
                }
                text
            }
            // Of the only run the error on stderr says all.
            Ended::NotRun(_) if !self.is_one_of_many => String::new(),
            Ended::NotRun(_) | Ended::Panicked(_) => {
                let (mark, what) = match ended {
                    Ended::Panicked(_) => ("BUG   ", "stopped by a bug of trustline"),
                    _ => ("ERROR ", "could not run"),
                };
                let (mark, shown, again) = (paint.bad(mark), told.shown(), &told.again);
                format!("{mark} {shown}: {what}\n repeat with: {again}\n")
            }
        }
    }

    fn document(&self, told: &Told<'_>, ended: &Ended) -> Value {
        let chosen = |e: &&Event| {
            let is_result = matches!(e.kind, Kind::Verdict { .. } | Kind::Expectation { .. });
            is_result || self.args.verbose
        };
        let mut document = json!({
            "file": told.job.file.path.display().to_string(),
            "name": told.scenario.name.value,
            "source": told.scenario.source.value,
            "seed": told.scenario.seed,
            "network": told.network.as_str(),
            "holds": matches!(ended, Ended::Judged(outcome) if outcome.holds()),
            "events": told.events.iter().filter(chosen).collect::<Vec<_>>(),
        });
        if let Some(error) = told.error(ended) {
            document["error"] = error.into();
        }
        if let Ended::Judged(outcome) = ended
            && !outcome.broken.is_empty()
        {
            let told = |b: &scenario::invariants::Broken| {
                json!({
                    "law": b.law.name(),
                    "t_us": b.at.as_micros(),
                    "device": b.device,
                    "text": b.text,
                })
            };
            document["broken_laws"] = outcome.broken.iter().map(told).collect();
        }
        document
    }
}

/// A run with all that is told of it.
struct Told<'a> {
    job: &'a Job<'a>,
    scenario: &'a Scenario,
    network: scenario::Network,
    events: &'a [Event],
    verdicts: &'a Verdicts,
    again: String,
    seconds: f64,
}

impl Told<'_> {
    /// The file and, where the run has another than the file's, the seed.
    fn shown(&self) -> String {
        let path = self.job.file.path.display();
        if self.job.seed == self.job.file.scenario.seed {
            path.to_string()
        } else {
            format!("{path}, seed {}", self.job.seed)
        }
    }

    fn error(&self, ended: &Ended) -> Option<String> {
        let shown = self.shown();
        match ended {
            Ended::Judged(outcome) => {
                let first = outcome.broken.first()?;
                let more = match outcome.broken.len() {
                    1 => String::new(),
                    n => format!(" (and {} more)", n - 1),
                };
                Some(format!(
                    "{shown} broke a law that holds in every run, a bug of trustline: {first}{more}\n \
                     repeat with: {}",
                    self.again
                ))
            }
            Ended::NotRun(error) => Some(format!("{shown} could not run: {error}")),
            Ended::Panicked(message) => Some(format!(
                "{shown} was stopped by a bug of trustline: {message}"
            )),
        }
    }

    fn story(&self, paint: Paint, verbose: bool) -> Vec<String> {
        let mut story = Story::new(paint, verbose);
        self.events.iter().flat_map(|e| story.tell(e)).collect()
    }

    fn end_of_story(&self, paint: Paint) -> String {
        let lines = self.story(paint, false);
        let left_out = lines.len().saturating_sub(MAX_STORY_LINES);
        let mut text = String::new();
        if left_out > 0 {
            text = format!(" ({left_out} earlier lines left out)\n");
        }
        text + &lines[left_out..].join("\n") + "\n"
    }

    fn case(&self, ended: &Ended) -> junit::Case {
        let again = &self.again;
        let result = match ended {
            Ended::Judged(outcome) if !outcome.broken.is_empty() => {
                let message = self.error(ended).unwrap_or_default();
                let broken: Vec<_> = outcome.broken.iter().map(ToString::to_string).collect();
                CaseResult::Error {
                    kind: "bug",
                    text: format!("{}\nrepeat with: {again}", broken.join("\n")),
                    message,
                }
            }
            Ended::Judged(outcome) if outcome.holds() => CaseResult::Passed,
            Ended::Judged(_) => {
                let failed = self.verdicts.failed();
                let first = failed
                    .first()
                    .map(|(expected, found)| format!("expected {expected}; found {found}"));
                let more = match failed.len() {
                    0 | 1 => String::new(),
                    n => format!(" (and {} more)", n - 1),
                };
                let plain = Paint::new(false);
                CaseResult::Failed {
                    message: first.unwrap_or_default() + &more,
                    text: self.end_of_story(plain) + &self.verdicts.text(plain, again, None),
                }
            }
            Ended::NotRun(_) | Ended::Panicked(_) => {
                let message = self.error(ended).unwrap_or_default();
                CaseResult::Error {
                    kind: match ended {
                        Ended::Panicked(_) => "bug",
                        _ => "not-run",
                    },
                    text: format!("{message}\nrepeat with: {again}"),
                    message,
                }
            }
        };
        let is_virtual = self.network == scenario::Network::Sim;
        let last = self.events.last().filter(|_| is_virtual);
        junit::Case {
            name: format!("{} (seed {})", self.scenario.name.value, self.job.seed),
            time: last.map(|e| Duration::from_micros(e.at.as_micros())),
            expectations: self.verdicts.expectations(),
            properties: vec![
                ("seed", self.job.seed.to_string()),
                ("network", self.network.as_str().to_owned()),
                ("repeat", again.clone()),
            ],
            result,
        }
    }
}

/// The case of a path that gave no scenario.
pub(super) fn broken_case(b: &Broken) -> junit::Case {
    let kind = match b.code {
        ExitCode::Usage => "malformed",
        _ => "not-opened",
    };
    junit::Case {
        name: "is a scenario".into(),
        time: None,
        expectations: 0,
        properties: Vec::new(),
        result: CaseResult::Error {
            kind,
            message: b.text.lines().next().unwrap_or_default().to_owned(),
            text: b.text.clone(),
        },
    }
}

/// The document of a path that gave no scenario.
pub(super) fn broken_document(b: &Broken) -> Value {
    json!({ "file": b.path.display().to_string(), "holds": false, "error": b.text })
}

/// The folder of a run's world below `dir`, or `dir` itself for the only run.
pub(super) fn keep_dir(
    dir: &Path,
    file: &File,
    seed: u64,
    args: &RehearseArgs,
    many: bool,
) -> PathBuf {
    let stem = file.path.file_stem().unwrap_or_default();
    match (many, args.repeat) {
        (false, _) => dir.to_owned(),
        (true, 1) => dir.join(stem),
        (true, _) => {
            let mut name = stem.to_owned();
            name.push(format!("-seed-{seed}"));
            dir.join(name)
        }
    }
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

/// What a panic said.
fn message_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Args, Command};
    use crate::scenario::Rules;

    const TEXT: &str = include_str!("../../../testdata/scenarios/suite/follows.toml");

    /// Performs the scenario with these arguments; its live lines go to `live`.
    fn perform(args: &[&str], live: &mut dyn FnMut(&str)) -> Run {
        let line = ["trustline", "rehearse", "a.toml", "--network", "sim"];
        let parsed = Args::try_parse_from(line.iter().chain(args)).unwrap();
        let Command::Rehearse(args) = parsed.command else {
            panic!("another command");
        };
        let file = File {
            path: "a.toml".into(),
            text: TEXT.into(),
            scenario: scenario::parse("a.toml", TEXT, &Rules).unwrap(),
        };
        let manner = Manner {
            args: &args,
            is_one_of_many: args.repeat > 1,
            paint: Paint::new(false),
        };
        let job = Job {
            file: &file,
            seed: 3,
            keep: None,
        };
        manner.perform(&job, live)
    }

    #[test]
    fn a_panic_is_the_failure_of_its_run_alone() {
        let mut lines = 0;
        let run = perform(&["--format", "human"], &mut |_| {
            lines += 1;
            assert!(lines < 4, "on purpose");
        });
        assert_eq!(run.code, ExitCode::Bug);
        let again = "repeat with: trustline rehearse a.toml --seed 3 --network sim";
        assert!(run.text.contains(again), "{}", run.text);
        assert_eq!(run.errors.len(), 1);
        assert!(run.errors[0].contains("a.toml, seed 3 was stopped by a bug"));
        assert!(run.errors[0].ends_with("on purpose"), "{:?}", run.errors);
        let CaseResult::Error { kind, text, .. } = run.case.result else {
            panic!("{:?}", run.case);
        };
        assert_eq!(kind, "bug");
        assert!(
            text.contains("on purpose") && text.contains(again),
            "{text}"
        );
        // The next run in the process is none the worse.
        let next = perform(&["--repeat", "2"], &mut |_| panic!("nothing is told live"));
        assert_eq!(next.code, ExitCode::Good);
        assert_eq!(next.case.result, CaseResult::Passed);
        assert_eq!(
            next.text, "",
            "of many seeds the good ones are told together"
        );
    }
}
