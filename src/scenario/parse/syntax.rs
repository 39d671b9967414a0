//! What is not TOML at all.

use super::super::diagnostic::{Span, quote};
use super::read::{Problem, Problems};

/// Syntax errors shown: behind the first ones the reader of TOML may be out of step.
const MAX_SHOWN: usize = 3;

/// Reports the `errors` of the reader of TOML; true if the rest of the file cannot be relied on.
pub(super) fn report(
    problems: &mut Problems<'_>,
    text: &str,
    errors: Vec<toml::de::Error>,
) -> bool {
    let mut errors: Vec<(Span, String)> = errors
        .into_iter()
        .map(|error| {
            (
                error.span().unwrap_or(0..0).into(),
                error.message().to_owned(),
            )
        })
        .collect();
    errors.sort();
    let mut lines = Lines::new(text);
    let mut unreliable = false;
    let mut shown = 0;
    // Of several complaints about one line only the first is to the point, and of a table that is
    // given twice, every key would be.
    let mut settled = 0;
    for (span, message) in errors {
        if shown == MAX_SHOWN || problems.full() {
            break;
        }
        if span.start < settled {
            continue;
        }
        let line = lines.around(span.start);
        if message == "duplicate key" {
            let key = text.get(span.start..span.end).unwrap_or_default();
            problems.add(
                Problem::at(span, format!("{} is given twice", quote(key))).label("the second one"),
            );
            if is_header(line) {
                unreliable = true;
                settled = lines.next_header();
            }
        } else {
            unreliable = true;
            shown += 1;
            settled = lines.end;
            problems.add(Problem::at(span, format!("not TOML: {message}")));
        }
    }
    unreliable
}

/// Whether a line opens a table.
fn is_header(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

/// Walks over the lines of a text once, so that many errors cost no more than one.
struct Lines<'t> {
    text: &'t str,
    start: usize,
    /// Behind the line feed.
    end: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let mut lines = Self {
            text,
            start: 0,
            end: 0,
        };
        lines.advance();
        lines
    }

    fn advance(&mut self) {
        self.start = self.end;
        let rest = &self.text[self.start..];
        self.end += rest.find('\n').map_or(rest.len(), |at| at + 1);
    }

    /// The line that holds the byte `at`, which is not before the last one asked for.
    fn around(&mut self, at: usize) -> &'t str {
        while at >= self.end && self.end < self.text.len() {
            self.advance();
        }
        &self.text[self.start..self.end]
    }

    /// Where the next line starts that opens a table; the end of the text if none does.
    fn next_header(&mut self) -> usize {
        while self.end < self.text.len() {
            self.advance();
            if is_header(&self.text[self.start..self.end]) {
                return self.start;
            }
        }
        self.text.len()
    }
}
