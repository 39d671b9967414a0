//! `trustline rehearse`: the main job.

mod code;
mod explore;
mod many;
mod one;
mod repeat;
mod select;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::args::{Format, RehearseArgs};
use super::exit_code::ExitCode;
use super::keep;
use super::output::Output;
use crate::event::SCHEMA_VERSION;
use crate::report::junit::{self, Suite};
use one::{Job, Manner, Run};
use select::{Entry, File, Selection};

/// Runs scenarios.
pub fn run(args: &RehearseArgs, output: &Output) -> ExitCode {
    if let Some(worlds) = args.explore {
        return explore::run(worlds, args, output);
    }
    let started = Instant::now();
    let selection = match select::select(args, output) {
        Ok(selection) => selection,
        Err(code) => return code,
    };
    let is_one_of_many = selection.is_suite || args.repeat > 1;
    let plan = match Plan::new(&selection, args, is_one_of_many) {
        Ok(plan) => plan,
        Err((code, text)) => {
            output.error(&text);
            return code;
        }
    };
    let mut tally = Tally::new(&selection, args);
    let manner = Manner {
        args,
        is_one_of_many,
        paint: output.paint(),
    };
    if is_one_of_many {
        let threads = args.jobs.map_or_else(many::cores, usize::from);
        let progress = output.progress(plan.count());
        let work = |i| manner.perform(&plan.job(i), &mut |_| {});
        many::side_by_side(plan.count(), threads, work, |i, run| {
            progress.print(|| tally.take(&plan, i, run, output));
            progress.step(tally.runs - tally.good);
        });
        progress.clear();
        if args.format == Format::Human {
            let seconds = started.elapsed().as_secs_f64();
            output.result(&tally.summary(output, seconds, manner.network().as_str()));
        }
    } else {
        for i in 0..plan.count() {
            let run = manner.perform(&plan.job(i), &mut |text| output.result(text));
            tally.take(&plan, i, run, output);
        }
    }
    if args.format == Format::Json {
        let document = json!({ "schema_version": SCHEMA_VERSION, "scenarios": tally.documents() });
        output.result(&format!("{document:#}\n"));
    }
    if let Some(path) = &args.junit {
        match junit::document(&tally.suites).map(|xml| fs::write(path, xml)) {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                output.error(&cannot_write(path, &e));
                tally.code = tally.code.worst(ExitCode::Unreachable);
            }
            Err(e) => {
                output.error(&format!("the JUnit report cannot be made: {e}"));
                tally.code = tally.code.worst(ExitCode::Bug);
            }
        }
    }
    tally.code
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    let shown = path.display();
    format!(
        "cannot write {shown}: {error}; name a file in a folder that exists and may be written to"
    )
}

/// Which runs there are, and where each leaves its world.
struct Plan<'a> {
    /// The scenarios, each with the index of its entry.
    ready: Vec<(usize, &'a File)>,
    args: &'a RehearseArgs,
    is_one_of_many: bool,
}

impl<'a> Plan<'a> {
    /// Plans, and makes ready what results are written to: nothing runs whose result could not be
    /// kept.
    fn new(
        selection: &'a Selection,
        args: &'a RehearseArgs,
        is_one_of_many: bool,
    ) -> Result<Self, (ExitCode, String)> {
        let entries = selection.entries.iter().enumerate();
        let plan = Self {
            ready: entries
                .filter_map(|(i, e)| match e {
                    Entry::Ready(file) => Some((i, &**file)),
                    Entry::Broken(_) => None,
                })
                .collect(),
            args,
            is_one_of_many,
        };
        let others = u64::from(args.repeat).saturating_sub(1);
        let too_far = |seed: &u64| seed.checked_add(others).is_none();
        let mut seeds = plan.ready.iter().map(|(_, f)| f.scenario.seed);
        if let Some(seed) = seeds.find(too_far) {
            let text = format!(
                "there are no {} seeds from {seed} on; give a smaller --seed or --repeat",
                args.repeat
            );
            return Err((ExitCode::Usage, text));
        }
        if let Some(path) = &args.junit {
            let open = fs::OpenOptions::new().create(true).append(true).open(path);
            open.map_err(|e| (ExitCode::Unreachable, cannot_write(path, &e)))?;
        }
        if let Some(dir) = &args.keep {
            plan.prepare(dir)?;
        }
        Ok(plan)
    }

    fn prepare(&self, dir: &Path) -> Result<(), (ExitCode, String)> {
        let mut seen = BTreeSet::new();
        let dirs: Vec<PathBuf> = (0..self.count()).filter_map(|i| self.job(i).keep).collect();
        if let Some(twice) = dirs.iter().find(|d| !seen.insert(*d)) {
            let name = twice.file_name().unwrap_or_default().display();
            return Err((
                ExitCode::Usage,
                format!(
                    "two scenarios are called {name}, and each needs a folder of its own; keep them one by one"
                ),
            ));
        }
        if self.is_one_of_many {
            keep::prepare_many(dir).map_err(|text| (ExitCode::Unreachable, text))?;
        }
        for dir in &dirs {
            keep::prepare(dir).map_err(|text| (ExitCode::Unreachable, text))?;
        }
        Ok(())
    }

    fn repeat(&self) -> usize {
        // Bounded by the arguments far below any `usize`.
        self.args.repeat as usize
    }

    /// How many runs there are.
    fn count(&self) -> usize {
        self.ready.len() * self.repeat()
    }

    /// The run of this number: all seeds of a file, then the next file.
    fn job(&self, i: usize) -> Job<'a> {
        let (_, file) = self.ready[i / self.repeat()];
        let seed = file.scenario.seed + (i % self.repeat()) as u64;
        let keep = self.args.keep.as_ref();
        Job {
            file,
            seed,
            keep: keep.map(|d| one::keep_dir(d, file, seed, self.args, self.is_one_of_many)),
        }
    }

    fn entry_of(&self, i: usize) -> usize {
        self.ready[i / self.repeat()].0
    }

    fn is_human(&self) -> bool {
        self.args.format == Format::Human
    }

    /// True if this is the last run of its file.
    fn ends_file(&self, i: usize) -> bool {
        (i + 1).is_multiple_of(self.repeat())
    }
}

/// What the runs came to, all together.
struct Tally {
    code: ExitCode,
    runs: usize,
    good: usize,
    /// Paths that gave no scenario.
    broken: usize,
    /// By entry, so that they can be put in order.
    documents: Vec<(usize, Value)>,
    /// One an entry.
    suites: Vec<Suite>,
    /// Runs that did not come out as expected, as a list of them names them.
    failed: Vec<String>,
    /// Seeds of the file at hand that failed.
    failed_seeds: Vec<u64>,
    wants_documents: bool,
}

impl Tally {
    fn new(selection: &Selection, args: &RehearseArgs) -> Self {
        let mut tally = Self {
            code: ExitCode::Good,
            runs: 0,
            good: 0,
            broken: 0,
            documents: Vec::new(),
            suites: Vec::new(),
            failed: Vec::new(),
            failed_seeds: Vec::new(),
            wants_documents: args.format == Format::Json,
        };
        for (i, e) in selection.entries.iter().enumerate() {
            let path = match e {
                Entry::Ready(f) => &f.path,
                Entry::Broken(b) => &b.path,
            };
            let mut suite = Suite {
                name: path.display().to_string(),
                cases: Vec::new(),
            };
            if let Entry::Broken(b) = e {
                suite.cases.push(one::broken_case(b));
                tally
                    .failed
                    .push(format!("{} (cannot be read)", suite.name));
                tally.broken += 1;
                tally.code = tally.code.worst(b.code);
                if tally.wants_documents {
                    tally.documents.push((i, one::broken_document(b)));
                }
            }
            tally.suites.push(suite);
        }
        tally
    }

    /// Takes the run of this number, and tells it.
    fn take(&mut self, plan: &Plan<'_>, i: usize, run: Run, output: &Output) {
        let job = plan.job(i);
        self.runs += 1;
        self.code = self.code.worst(run.code);
        output.result(&run.text);
        for error in &run.errors {
            output.error(error);
        }
        if let Some(note) = &run.note {
            output.note(note);
        }
        let entry = plan.entry_of(i);
        if run.code == ExitCode::Good {
            self.good += 1;
        } else {
            let path = job.file.path.display();
            self.failed.push(format!("{path} (seed {})", job.seed));
            self.failed_seeds.push(job.seed);
        }
        self.documents.extend(run.document.map(|d| (entry, d)));
        if let Some(suite) = self.suites.get_mut(entry) {
            suite.cases.push(run.case);
        }
        if plan.ends_file(i) {
            if plan.is_human() && plan.repeat() > 1 {
                output.result(&self.line_of_seeds(plan, &job, output));
            }
            self.failed_seeds.clear();
        }
    }

    /// The line of a scenario that ran under several seeds.
    fn line_of_seeds(&self, plan: &Plan<'_>, job: &Job<'_>, output: &Output) -> String {
        let (paint, n) = (output.paint(), plan.repeat());
        let (path, name) = (job.file.path.display(), &job.file.scenario.name.value);
        let (first, last) = (job.file.scenario.seed, job.seed);
        let seeds: Vec<_> = self.failed_seeds.iter().map(u64::to_string).collect();
        let (mark, what) = match seeds.as_slice() {
            [] => (paint.good("ok    "), String::new()),
            failed => (
                paint.bad("FAILED"),
                format!(", {} failed: {}", failed.len(), short_list(failed, ", ")),
            ),
        };
        format!("{mark} {path}: {name} ({n} seeds, {first} to {last}{what})\n")
    }

    /// The documents, in the order of the paths.
    fn documents(&mut self) -> Vec<Value> {
        self.documents.sort_by_key(|(entry, _)| *entry);
        self.documents.drain(..).map(|(_, d)| d).collect()
    }

    /// The last lines: what failed once more, and the counts.
    fn summary(&self, output: &Output, seconds: f64, network: &str) -> String {
        let paint = output.paint();
        let mut text = String::new();
        if !self.failed.is_empty() {
            text = format!(
                "\nnot as expected:\n  {}\n",
                short_list(&self.failed, "\n  ")
            );
        }
        let scenarios = self.suites.len() - self.broken;
        let counts = if self.runs == scenarios {
            format!("{} of {} scenarios as expected", self.good, self.runs)
        } else {
            format!(
                "{} of {} runs of {scenarios} scenarios as expected",
                self.good, self.runs
            )
        };
        let is_good = self.good == self.runs && self.broken == 0;
        let counts = if is_good {
            paint.good(&counts)
        } else {
            paint.bad(&counts)
        };
        let broken = match self.broken {
            0 => String::new(),
            1 => ", 1 path cannot be read".into(),
            n => format!(", {n} paths cannot be read"),
        };
        text + &format!("{counts}{broken} ({seconds:.1} s, {network})\n")
    }
}

/// The first of a list that may be long, and how many more there are.
fn short_list(all: &[String], between: &str) -> String {
    const SHOWN: usize = 20;
    let more = match all.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!("{between}and {n} more"),
    };
    all[..all.len().min(SHOWN)].join(between) + &more
}
