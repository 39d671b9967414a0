//! `trustline rehearse --explore`: worlds that chance makes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::{many, repeat};
use crate::cli::args::{Format, RehearseArgs};
use crate::cli::exit_code::ExitCode;
use crate::cli::output::Output;
use crate::event::SCHEMA_VERSION;
use crate::report::story::thousands;
use crate::scenario::explore::{self, Draft, FindingKind, Judged};
use crate::scenario::invariants::{Law, LeftOut};
use crate::scenario::words::Verdict;

/// Failing worlds of one kind that are made smaller and written; more of a kind show nothing new.
const WRITTEN_OF_A_KIND: usize = 3;

/// Reasons of the model for not deciding a world that the summary names.
const REASONS_SHOWN: usize = 5;

/// Explores worlds.
pub(super) fn run(worlds: u64, args: &RehearseArgs, output: &Output) -> ExitCode {
    let started = Instant::now();
    let first = args.seed.unwrap_or(1);
    let Some(count) = usize::try_from(worlds)
        .ok()
        .filter(|_| first.checked_add(worlds).is_some())
    else {
        output.error(&format!(
            "there are no {worlds} worlds from {first} on; give a smaller --seed"
        ));
        return ExitCode::Usage;
    };
    if let Some(dir) = &args.failures
        && let Err(e) = fs::create_dir_all(dir)
    {
        output.error(&cannot_write(dir, &e));
        return ExitCode::Unreachable;
    }
    let threads = args.jobs.map_or_else(many::cores, usize::from);
    let progress = output.progress(count);
    let planted = repeat::planted(args);
    let mut tally = Tally {
        planted,
        ..Tally::default()
    };
    let work = |i: usize| check(&explore::generate(first + i as u64), args);
    many::side_by_side(count, threads, work, |i, judged| {
        let world = first + i as u64;
        let text = tally.take(world, &judged);
        if args.format == Format::Human && !text.is_empty() {
            progress.print(|| output.result(&text));
        }
        progress.step(tally.failed);
    });
    progress.clear();
    let mut code = tally.code;
    let mut written = Vec::new();
    if let Some(dir) = &args.failures {
        let due = &tally.to_write;
        let work = |i: usize| smallest(due[i].0, due[i].1, args);
        many::side_by_side(due.len(), threads, work, |i, (draft, judged)| {
            let (world, kind) = due[i];
            let planted = &tally.planted;
            match write(dir, (world, kind), draft, &judged, planted) {
                Ok(path) => written.push(path),
                Err(e) => {
                    output.error(&cannot_write(dir, &e));
                    code = code.worst(ExitCode::Unreachable);
                }
            }
        });
    }
    let seconds = started.elapsed().as_secs_f64();
    match args.format {
        Format::Human => output.result(&tally.summary(first, &written, seconds, output)),
        Format::Json => {
            let document = tally.document(first, &written);
            output.result(&format!("{document:#}\n"));
        }
    }
    code
}

fn cannot_write(dir: &Path, error: &std::io::Error) -> String {
    let shown = dir.display();
    format!("cannot write into {shown}: {error}; name a folder that may be written to")
}

/// Runs a world.
fn check(draft: &Draft, args: &RehearseArgs) -> Judged {
    #[cfg(feature = "planted-defects")]
    if let Some(defect) = args.plant {
        return explore::check_planted(&draft.to_toml(), defect);
    }
    let _ = args;
    explore::check(&draft.to_toml())
}

/// The smallest world that shows the finding, and what comes of it.
fn smallest(world: u64, kind: FindingKind, args: &RehearseArgs) -> (Draft, Judged) {
    let mut shows = |draft: &Draft| check(draft, args).shows(kind);
    let mut draft = explore::shrink(&explore::generate(world), &mut shows);
    let judged = check(&draft, args);
    // What the model expects makes the file a scenario that fails until one of both is mended.
    draft.expected = explore::expected_verdicts(&draft.to_toml());
    (draft, judged)
}

fn write(
    dir: &Path,
    (world, kind): (u64, FindingKind),
    mut draft: Draft,
    judged: &Judged,
    planted: &str,
) -> std::io::Result<String> {
    let path = dir.join(format!("world-{world}-{}.toml", kind.word()));
    let shown = path.display().to_string();
    draft.name = format!("World {world}: {kind}");
    let mut text =
        format!("# From trustline rehearse --explore 1 --seed {world}{planted}, made smaller.\n");
    for finding in judged.findings.iter().filter(|f| f.kind() == kind) {
        // Writing into a string does not fail.
        let _ = writeln!(text, "# {}", finding.to_string().replace('\n', " "));
    }
    let _ = writeln!(
        text,
        "# Repeat with: trustline rehearse {shown} --network sim{planted}"
    );
    fs::write(&path, text + &draft.to_toml())?;
    Ok(shown)
}

/// What the worlds came to, all together.
struct Tally {
    /// The argument that plants a defect, for who repeats a world.
    planted: String,
    code: ExitCode,
    worlds: usize,
    phones: usize,
    /// Worlds with a finding.
    failed: usize,
    verdicts: BTreeMap<Verdict, usize>,
    /// Why the model did not decide worlds.
    unsupported: BTreeMap<String, usize>,
    /// Phones of which no source says what comes of them, by why.
    left_out: BTreeMap<LeftOut, usize>,
    /// Worlds by kind of finding.
    findings: BTreeMap<FindingKind, Vec<u64>>,
    /// Worlds to be made smaller and written.
    to_write: Vec<(u64, FindingKind)>,
    /// For JSON.
    told: Vec<Value>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            planted: String::new(),
            code: ExitCode::Good,
            worlds: 0,
            phones: 0,
            failed: 0,
            verdicts: BTreeMap::new(),
            unsupported: BTreeMap::new(),
            left_out: BTreeMap::new(),
            findings: BTreeMap::new(),
            to_write: Vec::new(),
            told: Vec::new(),
        }
    }
}

impl Tally {
    /// Takes the world of this number; gives what is to be said of it.
    fn take(&mut self, world: u64, judged: &Judged) -> String {
        self.worlds += 1;
        self.phones += judged.verdicts.len();
        for &verdict in &judged.verdicts {
            *self.verdicts.entry(verdict).or_default() += 1;
        }
        if let Some(what) = &judged.unsupported {
            *self.unsupported.entry(what.clone()).or_default() += 1;
        }
        for &why in &judged.left_out {
            *self.left_out.entry(why).or_default() += 1;
        }
        if judged.findings.is_empty() {
            return String::new();
        }
        self.failed += 1;
        for kind in judged.kinds() {
            let worlds = self.findings.entry(kind).or_default();
            worlds.push(world);
            if worlds.len() <= WRITTEN_OF_A_KIND {
                self.to_write.push((world, kind));
            }
            let is_bug = kind.is_bug();
            let code = if is_bug {
                ExitCode::Bug
            } else {
                ExitCode::Negative
            };
            self.code = self.code.worst(code);
        }
        let mut text = String::new();
        let mut seen = BTreeSet::new();
        for finding in &judged.findings {
            self.told.push(json!({
                "world": world,
                "finding": finding.kind().word(),
                "text": finding.to_string(),
            }));
            if seen.insert(finding.kind()) {
                let _ = writeln!(text, "world {world}  {finding}");
            }
        }
        let _ = writeln!(
            text,
            " repeat with: trustline rehearse --explore 1 --seed {world}{}",
            self.planted
        );
        text
    }

    fn summary(&self, first: u64, written: &[String], seconds: f64, output: &Output) -> String {
        let paint = output.paint();
        let n = thousands;
        let mut text = String::new();
        if self.failed > 0 {
            text.push('\n');
        }
        for (kind, worlds) in &self.findings {
            let shown: Vec<_> = worlds.iter().take(8).map(u64::to_string).collect();
            let more = if worlds.len() > shown.len() {
                " ..."
            } else {
                ""
            };
            let line = format!(
                "{kind}: {} worlds: {}{more}",
                n(worlds.len()),
                shown.join(", ")
            );
            let _ = writeln!(text, "{}", paint.bad(&line));
        }
        for path in written {
            let _ = writeln!(text, "written: {path}");
        }
        if self.failed > 0 && written.is_empty() {
            text += "to have the first of each kind made small and written: --failures DIR\n";
        }
        let verdicts: Vec<_> = self
            .verdicts
            .iter()
            .map(|(v, c)| format!("{} {v}", n(*c)))
            .collect();
        let undecided: usize = self.unsupported.values().sum();
        let _ = writeln!(text, "{} phones: {}", n(self.phones), verdicts.join(", "));
        let _ = writeln!(
            text,
            "the model decides {} of {} worlds",
            n(self.worlds - undecided),
            n(self.worlds)
        );
        let mut reasons: Vec<_> = self.unsupported.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (what, count) in reasons.into_iter().take(REASONS_SHOWN) {
            let _ = writeln!(text, "  not {}: {what}", n(*count));
        }
        let left_out: usize = self.left_out.values().sum();
        if left_out > 0 {
            let _ = writeln!(
                text,
                "not compared with the model: {} of {} phones",
                n(left_out),
                n(self.phones)
            );
        }
        for (why, count) in &self.left_out {
            let held = if why.lifts_law() { "nor" } else { "but" };
            let law = Law::MigratesAfterFaults;
            let _ = writeln!(text, "  {}, {held} held to {law}: {why}", n(*count));
        }
        let last = first + (self.worlds as u64).saturating_sub(1);
        let counts = format!(
            "{} of {} worlds without a finding",
            n(self.worlds - self.failed),
            n(self.worlds)
        );
        let counts = if self.failed == 0 {
            paint.good(&counts)
        } else {
            paint.bad(&counts)
        };
        let _ = writeln!(text, "{counts} (worlds {first} to {last}, {seconds:.1} s)");
        text
    }

    fn document(&self, first: u64, written: &[String]) -> Value {
        let verdicts: BTreeMap<_, _> = self
            .verdicts
            .iter()
            .map(|(v, n)| (v.to_string(), n))
            .collect();
        let left_out: BTreeMap<_, _> = self
            .left_out
            .iter()
            .map(|(why, n)| (why.to_string(), n))
            .collect();
        json!({
            "schema_version": SCHEMA_VERSION,
            "first_world": first,
            "worlds": self.worlds,
            "phones": self.phones,
            "verdicts": verdicts,
            "not_decided_by_the_model": self.unsupported,
            "phones_left_out": left_out,
            "findings": self.told,
            "written": written,
        })
    }
}
