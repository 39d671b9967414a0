//! The one place that says which exit code comes of a run.

use crate::cli::exit_code::ExitCode;
use crate::scenario::outcome::Outcome;
use crate::scenario::run::RunError;

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Its phones were judged.
    Judged(Box<Outcome>),
    /// It could not be carried out.
    NotRun(RunError),
    /// It panicked, with this message.
    Panicked(String),
}

/// The exit code of a run.
pub(super) fn code_of(ended: &Ended) -> ExitCode {
    match ended {
        Ended::Judged(outcome) if !outcome.broken.is_empty() => ExitCode::Bug,
        // A server that was not reached comes before what it made fail.
        Ended::Judged(outcome) if outcome.rehearsed.unreached => ExitCode::Unreachable,
        Ended::Judged(outcome) if outcome.holds() => ExitCode::Good,
        Ended::Judged(_) => ExitCode::Negative,
        Ended::NotRun(RunError::System(_)) => ExitCode::Unreachable,
        Ended::NotRun(
            RunError::Step { .. }
            | RunError::Provisioning(_)
            | RunError::NeedsFeature(_)
            | RunError::NeedsVirtualTime { .. },
        ) => ExitCode::Usage,
        Ended::Panicked(_) => ExitCode::Bug,
    }
}
