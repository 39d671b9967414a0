//! What stops a command: a text for people, and the exit code.

use super::exit_code::ExitCode;
use super::output::Output;

/// What stops a command.
#[derive(Debug)]
pub struct Failure {
    /// What it says to the shell.
    pub code: ExitCode,
    /// Where, what, and what to do.
    pub text: String,
    /// True if the text comes with its own `error:`, as a scenario's diagnostics do.
    is_labelled: bool,
}

impl Failure {
    /// A failure that is told as one error.
    pub fn new(code: ExitCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            is_labelled: false,
        }
    }

    /// A failure whose text says itself that it is an error.
    pub fn labelled(code: ExitCode, text: impl Into<String>) -> Self {
        Self {
            is_labelled: true,
            ..Self::new(code, text)
        }
    }

    /// Says it on stderr.
    pub fn tell(&self, output: &Output) {
        if self.is_labelled {
            output.note(&self.text);
        } else {
            output.error(&self.text);
        }
    }
}
