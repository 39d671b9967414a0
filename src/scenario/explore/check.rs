//! Running one world and holding it against the laws.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use super::super::invariants::{Broken, Law, Laws, LeftOut, after_faults};
use super::super::judge::{Fate, fates};
use super::super::model::Scenario;
use super::super::run::rehearse_watched;
use super::super::words::Verdict;
use super::super::{Diagnostic, Rules, parse};
use super::expected::{Expected, Unsupported, expected};
use super::quiet::quiet;

/// What is wrong with a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A law was broken.
    Broken(Broken),
    /// The independent model says something else of a phone.
    Disagrees {
        /// What the model says, with the phone's number.
        expected: Expected,
        /// What came of the phone.
        found: Verdict,
        /// The run's own decisive reason.
        reason: String,
    },
    /// The text that the generator made is no scenario, or cannot run.
    CannotRun(String),
    /// The run panicked, with this message.
    Panicked(String),
}

/// What a finding is about: findings of one kind are one finding, however a world is shrunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// This law was broken.
    Broken(Law),
    /// The model expects the first verdict where the second is found.
    Disagrees(Verdict, Verdict),
    /// The world cannot run.
    CannotRun,
    /// The run panicked.
    Panicked,
}

impl FindingKind {
    /// A word for it: the law's name, or what else is wrong.
    pub fn word(self) -> &'static str {
        match self {
            Self::Broken(law) => law.name(),
            Self::Disagrees(..) => "model-disagrees",
            Self::CannotRun => "cannot-run",
            Self::Panicked => "panic",
        }
    }

    /// True for a bug of this program; where the model disagrees, either may be wrong.
    pub fn is_bug(self) -> bool {
        !matches!(self, Self::Disagrees(..))
    }
}

impl Finding {
    /// Its kind.
    pub fn kind(&self) -> FindingKind {
        match self {
            Self::Broken(broken) => FindingKind::Broken(broken.law),
            Self::Disagrees {
                expected, found, ..
            } => FindingKind::Disagrees(expected.verdict, *found),
            Self::CannotRun(_) => FindingKind::CannotRun,
            Self::Panicked(_) => FindingKind::Panicked,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(broken) => broken.fmt(f),
            Self::Disagrees {
                expected,
                found,
                reason,
            } => write!(
                f,
                "model-disagrees: phone {} is {found} ({reason}), the model expects {} ({})",
                expected.phone, expected.verdict, expected.reason
            ),
            Self::CannotRun(why) => write!(f, "cannot-run: {why}"),
            Self::Panicked(why) => write!(f, "panic: {why}"),
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disagrees(expected, found) => {
                write!(f, "{} ({expected} expected, {found} found)", self.word())
            }
            _ => f.write_str(self.word()),
        }
    }
}

/// What came of a world.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// The verdict of each phone.
    pub verdicts: Vec<Verdict>,
    /// What of it the model does not decide, so that only the laws were checked.
    pub unsupported: Option<String>,
    /// Of each phone that is not compared with the model, because what disturbed it shows, why.
    pub left_out: Vec<LeftOut>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Judged {
    fn of(finding: Finding) -> Self {
        Self {
            findings: vec![finding],
            ..Self::default()
        }
    }

    /// True if it has a finding of this kind.
    pub fn shows(&self, kind: FindingKind) -> bool {
        self.findings.iter().any(|finding| finding.kind() == kind)
    }

    /// The kinds of its findings, each once.
    pub fn kinds(&self) -> BTreeSet<FindingKind> {
        self.findings.iter().map(Finding::kind).collect()
    }
}

/// Runs a world from its text.
pub fn check(text: &str) -> Judged {
    match parse("world.toml", text, &Rules) {
        Ok(scenario) => check_scenario(&scenario),
        Err(errors) => {
            let errors: Vec<_> = errors.iter().map(Diagnostic::to_string).collect();
            Judged::of(Finding::CannotRun(errors.join("; ")))
        }
    }
}

/// Runs a world from its text, with a defect in every phone.
#[cfg(feature = "planted-defects")]
pub fn check_planted(text: &str, defect: crate::trust::planted::Defect) -> Judged {
    match parse("world.toml", text, &Rules) {
        Ok(mut scenario) => {
            scenario.planted = Some(defect);
            check_scenario(&scenario)
        }
        Err(_) => check(text),
    }
}

/// Runs a world that was read.
pub fn check_scenario(scenario: &Scenario) -> Judged {
    let run = AssertUnwindSafe(|| run_and_judge(scenario));
    panic::catch_unwind(run).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Judged::of(Finding::Panicked(text.unwrap_or_default()))
    })
}

fn run_and_judge(scenario: &Scenario) -> Judged {
    let mut laws = Laws::new();
    let rehearsed = match rehearse_watched(scenario, None, &mut laws) {
        Ok(rehearsed) => rehearsed,
        Err(error) => return Judged::of(Finding::CannotRun(error.to_string())),
    };
    let fates = fates(&rehearsed);
    let after = after_faults(scenario);
    let broken = laws.into_broken().into_iter().chain(after.broken);
    let mut findings: Vec<_> = broken.map(Finding::Broken).collect();
    let unsupported = match expected_of(scenario) {
        Ok(all) => {
            let is_open = |i: usize| after.left_out.get(i).copied().flatten().is_some();
            let pairs = all.iter().zip(&fates).enumerate();
            let decided = pairs.filter(|(i, _)| !is_open(*i));
            findings.extend(decided.filter_map(|(_, pair)| disagreement(pair)));
            let open = after.left_out.iter().flatten().next();
            open.map(ToString::to_string)
        }
        Err(unsupported) => Some(unsupported.what),
    };
    Judged {
        verdicts: fates.iter().map(|f| f.verdict).collect(),
        unsupported,
        left_out: after.left_out.into_iter().flatten().collect(),
        findings,
    }
}

fn disagreement((expected, fate): (&Expected, &Fate)) -> Option<Finding> {
    (expected.verdict != fate.verdict).then(|| Finding::Disagrees {
        expected: *expected,
        found: fate.verdict,
        reason: fate.reason().unwrap_or("no reason").to_owned(),
    })
}

/// What the model says of a world, with what disturbs boots left out where it cannot matter in the end.
fn expected_of(scenario: &Scenario) -> Result<Vec<Expected>, Unsupported> {
    match quiet(scenario) {
        Some(quiet) => expected(&quiet),
        None => expected(scenario),
    }
}

/// What the model expects of each phone of a world, by number; nothing where it does not decide.
pub fn expected_verdicts(text: &str) -> Vec<(usize, String)> {
    let Ok(scenario) = parse("world.toml", text, &Rules) else {
        return Vec::new();
    };
    let all = expected_of(&scenario).unwrap_or_default();
    all.iter()
        .map(|e| (e.phone, e.verdict.to_string()))
        .collect()
}
