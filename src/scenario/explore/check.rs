//! Running one world and holding it against the laws.

use std::fmt;

use super::super::invariants::{Broken, Law, Laws};
use super::super::judge::fates;
use super::super::model::Scenario;
use super::super::run::{RunError, rehearse_watched};
use super::super::words::Verdict;
use super::super::{Diagnostic, Rules, parse};

/// What is wrong with a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A law was broken.
    Broken(Broken),
    /// The text that the generator made is no scenario, or cannot run.
    CannotRun(String),
}

/// What a finding is about: findings of one kind are one finding, however a world is shrunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// This law was broken.
    Broken(Law),
    /// The world cannot run.
    CannotRun,
}

impl Finding {
    /// Its kind.
    pub fn kind(&self) -> FindingKind {
        match self {
            Self::Broken(broken) => FindingKind::Broken(broken.law),
            Self::CannotRun(_) => FindingKind::CannotRun,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(broken) => broken.fmt(f),
            Self::CannotRun(why) => write!(f, "cannot run: {why}"),
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(law) => law.fmt(f),
            Self::CannotRun => f.write_str("cannot-run"),
        }
    }
}

/// What came of a world.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// The verdict of each phone.
    pub verdicts: Vec<Verdict>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Runs a world from its text.
pub fn check(text: &str) -> Judged {
    match parse("world.toml", text, &Rules) {
        Ok(scenario) => check_scenario(&scenario),
        Err(errors) => {
            let errors: Vec<_> = errors.iter().map(Diagnostic::to_string).collect();
            Judged {
                verdicts: Vec::new(),
                findings: vec![Finding::CannotRun(errors.join("; "))],
            }
        }
    }
}

/// Runs a world that was read.
pub fn check_scenario(scenario: &Scenario) -> Judged {
    let mut laws = Laws::new();
    let rehearsed = rehearse_watched(scenario, None, &mut laws);
    let mut findings: Vec<_> = laws
        .into_broken()
        .into_iter()
        .map(Finding::Broken)
        .collect();
    let verdicts = match rehearsed {
        Ok(rehearsed) => fates(&rehearsed).iter().map(|f| f.verdict).collect(),
        Err(error) => {
            findings.push(Finding::CannotRun(cannot_run(&error)));
            Vec::new()
        }
    };
    Judged { verdicts, findings }
}

fn cannot_run(error: &RunError) -> String {
    error.to_string()
}
