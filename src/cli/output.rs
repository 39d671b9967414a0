//! Streams: results on stdout, notes and errors on stderr.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Color;
use super::exit_code::ExitCode;
use crate::report::text::Paint;

/// Where a command writes.
pub struct Output {
    paint: Paint,
    error_paint: Paint,
    /// Why stdout takes no more, once it does not.
    closed: Mutex<Option<io::ErrorKind>>,
}

impl Output {
    /// The process's own streams. `auto` colours on a terminal, unless `NO_COLOR` is set to
    /// something or `TERM` is `dumb`.
    pub fn new(color: Color) -> Self {
        let paint = |terminal: bool| match color {
            Color::Always => Paint::new(true),
            Color::Never => Paint::new(false),
            Color::Auto => Paint::new(terminal && wants_color()),
        };
        Self {
            paint: paint(io::stdout().is_terminal()),
            error_paint: paint(io::stderr().is_terminal()),
            closed: Mutex::new(None),
        }
    }

    /// How results are coloured.
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// Writes to stdout, as it stands. A reader that has gone (`| head`) is no error: the rest is
    /// dropped.
    pub fn result(&self, text: &str) {
        let Ok(mut closed) = self.closed.lock() else {
            return;
        };
        if closed.is_some() {
            return;
        }
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        if let Err(e) = written {
            *closed = Some(e.kind());
            if e.kind() != io::ErrorKind::BrokenPipe {
                self.error(&format!("cannot write the result: {e}"));
            }
        }
    }

    /// Writes a line to stderr: progress, a remark.
    pub fn note(&self, text: &str) {
        // Nobody is left to hear that stderr is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Writes an error to stderr: where, what, and what to do.
    pub fn error(&self, text: &str) {
        let label = self.error_paint.bad("error:");
        self.note(&format!("{label} {text}"));
    }

    /// A bar on stderr for so many pieces of work, if stderr is a terminal; else one that shows
    /// nothing.
    pub fn progress(&self, pieces: usize) -> Progress {
        let bar = if io::stderr().is_terminal() && !is_dumb() {
            ProgressBar::new(pieces as u64)
        } else {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
        };
        // The template is fixed, so it holds; a bar without it is one of another look.
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len}{msg}") {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// What the streams themselves add to the exit code: a full disk is "cannot be reached".
    pub fn exit_code(&self) -> ExitCode {
        match self.closed.lock().map(|closed| *closed) {
            Ok(None | Some(io::ErrorKind::BrokenPipe)) => ExitCode::Good,
            Ok(Some(_)) => ExitCode::Unreachable,
            Err(_) => ExitCode::Bug,
        }
    }
}

/// How far the work is, shown as a bar.
pub struct Progress(ProgressBar);

impl Progress {
    /// Lets something else be written, above the bar.
    pub fn print(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }

    /// One more piece is done; so many have failed until now.
    pub fn step(&self, failed: usize) {
        if failed > 0 {
            self.0.set_message(format!(", {failed} failed"));
        }
        self.0.inc(1);
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// `NO_COLOR` counts when it is not empty (no-color.org).
fn wants_color() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    !no_color && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|v| v == "dumb")
}
