//! Errors in a text that a user wrote: where, what, and what to do.
//!
//! A [`Diagnostic`] keeps the few characters that it shows, so it outlives the text. Whatever it
//! prints is safe for a terminal: control characters and characters that reorder text are escaped,
//! and long lines are cut around the caret.

use std::fmt;
use std::ops::{Deref, Range};

/// Display columns of a source line; a longer one is cut around the caret.
const EXCERPT_COLUMNS: usize = 100;
/// Columns kept before the caret of a line that is cut.
const EXCERPT_BEFORE: usize = 40;
/// Columns a tab takes in an excerpt.
const TAB_COLUMNS: usize = 4;
/// Characters of a user's value that a message repeats.
const QUOTED_CHARS: usize = 60;
/// Characters of a word for which a similar one is looked for; no known word is longer.
const SUGGEST_CHARS: usize = 64;

/// A range of bytes in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self {
            start: range.start,
            end: range.end,
        }
    }
}

/// A value, and where in the text it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// What was read.
    pub value: T,
    /// Where it was read.
    pub span: Span,
}

impl<T> Located<T> {
    /// `value`, read at `span`.
    pub fn new(value: T, span: impl Into<Span>) -> Self {
        Self {
            value,
            span: span.into(),
        }
    }

    /// The same place with another value.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Located<U> {
        Located {
            value: f(self.value),
            span: self.span,
        }
    }
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// One error, ready to print. [`fmt::Display`] gives the lines without a last newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    origin: String,
    message: String,
    place: Option<Box<Place>>,
    label: String,
    help: Vec<String>,
}

/// Where in the text, with the part of the line that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    span: Span,
    /// Line and column from 1, the column in characters; `None` on the command line.
    position: Option<(usize, usize)>,
    excerpt: String,
    caret_column: usize,
    caret_columns: usize,
}

impl Diagnostic {
    /// An error about the whole of `file`.
    pub fn in_file(file: &str, message: impl AsRef<str>) -> Self {
        Self {
            origin: escape(file),
            message: escape(message.as_ref()),
            place: None,
            label: String::new(),
            help: Vec::new(),
        }
    }

    /// An error at `span` of `text`, which was read from `file`. A span outside of the text is
    /// moved to its end.
    pub fn at(file: &str, text: &str, span: Span, message: impl AsRef<str>) -> Self {
        let start = floor_boundary(text, span.start);
        let line = text[..start].bytes().filter(|&b| b == b'\n').count() + 1;
        let (mut place, column) = Place::find(text, start, span);
        place.position = Some((line, column));
        Self {
            place: Some(Box::new(place)),
            ..Self::in_file(file, message)
        }
    }

    /// An error in the argument of a command line option, at `span` of the argument.
    pub fn in_argument(option: &str, argument: &str, span: Span, message: impl AsRef<str>) -> Self {
        let text = format!("{option} {argument}");
        let shift = option.len() + 1;
        let span = Span {
            start: span.start.saturating_add(shift),
            end: span.end.saturating_add(shift),
        };
        let (place, _) = Place::find(&text, floor_boundary(&text, span.start), span);
        Self {
            place: Some(Box::new(place)),
            ..Self::in_file("command line", message)
        }
    }

    /// Adds the few words beside the caret.
    #[must_use]
    pub fn with_label(mut self, label: impl AsRef<str>) -> Self {
        self.label = escape(label.as_ref());
        self
    }

    /// Adds a line below: what to do, or what is known.
    #[must_use]
    pub fn with_help(mut self, help: impl AsRef<str>) -> Self {
        self.help.push(escape(help.as_ref()));
        self
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Line and column, both from 1, the column in characters. `None` for an error about the whole
    /// file and for one on the command line.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.as_ref()?.position
    }

    /// The bytes of the text that the caret points at, if it points at any.
    pub fn span(&self) -> Option<Span> {
        self.place.as_ref().map(|place| place.span)
    }
}

impl Place {
    /// The line around `start`, which is a character boundary of `text`, and the column of `start`.
    fn find(text: &str, start: usize, span: Span) -> (Self, usize) {
        let mut line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        if line_start == 0 && start > 0 && text.starts_with('\u{feff}') {
            // A byte order mark belongs to the encoding, not to the first line.
            line_start = '\u{feff}'.len_utf8();
        }
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        // A caret behind the last character of a CRLF line may stand on the CR itself.
        let line_end = match text[start..line_end].strip_suffix('\r') {
            Some(rest) => start + rest.len(),
            None => line_end,
        };
        let before = &text[line_start..start];
        let end = floor_boundary(text, span.end).clamp(start, line_end.max(start));
        let marked = &text[start..end];
        let after = &text[end..line_end.max(end)];

        // What is shown is at most EXCERPT_COLUMNS wide, so no more than that is ever built.
        let all_before = columns(before, EXCERPT_COLUMNS + 1);
        let all = all_before + columns(&text[start..line_end.max(end)], EXCERPT_COLUMNS + 1);
        let (budget_before, fits) = if all <= EXCERPT_COLUMNS {
            (EXCERPT_COLUMNS, true)
        } else {
            (EXCERPT_BEFORE, all_before <= EXCERPT_BEFORE)
        };
        let mut pieces = Vec::new();
        let mut width = 0;
        for c in before.chars().rev() {
            let piece = shown(c);
            if width + piece.chars().count() > budget_before {
                break;
            }
            width += piece.chars().count();
            pieces.push(piece);
        }
        let mut excerpt = String::new();
        if !fits {
            excerpt.push_str("...");
            width += 3;
        }
        excerpt.extend(pieces.into_iter().rev());
        let caret_column = width;
        let cut = push_shown(&mut excerpt, &mut width, marked);
        let caret_columns = (width - caret_column).max(1);
        if cut || push_shown(&mut excerpt, &mut width, after) {
            excerpt.push_str("...");
        }
        let place = Self {
            span: Span { start, end },
            position: None,
            excerpt: excerpt.trim_end().to_owned(),
            caret_column,
            caret_columns,
        };
        (place, before.chars().count() + 1)
    }
}

/// Appends `text` as shown until the excerpt is full; true if something was left out.
fn push_shown(excerpt: &mut String, width: &mut usize, text: &str) -> bool {
    for c in text.chars() {
        let piece = shown(c);
        let piece_width = piece.chars().count();
        if *width + piece_width > EXCERPT_COLUMNS {
            return true;
        }
        *width += piece_width;
        excerpt.push_str(&piece);
    }
    false
}

/// Columns that `text` takes in an excerpt, counted up to `limit`.
fn columns(text: &str, limit: usize) -> usize {
    let mut width = 0;
    for c in text.chars() {
        width += shown(c).chars().count();
        if width >= limit {
            break;
        }
    }
    width
}

/// A character as an excerpt shows it.
fn shown(c: char) -> String {
    match c {
        '\t' => " ".repeat(TAB_COLUMNS),
        c if unsafe_to_print(c) => c.escape_default().to_string(),
        c => c.to_string(),
    }
}

/// Control characters, and those that hide or reorder what stands beside them.
fn unsafe_to_print(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// `text` with everything escaped that a terminal would obey.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if unsafe_to_print(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A user's value for a message: in back quotes, escaped, cut when long.
pub(crate) fn quote(value: &str) -> String {
    match value.char_indices().nth(QUOTED_CHARS) {
        Some((at, _)) => format!("`{}...`", escape(&value[..at])),
        None => format!("`{}`", escape(value)),
    }
}

/// Words for a message: `a, b, c`.
pub(crate) fn listed<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    let mut out = String::new();
    for word in words {
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(word.as_ref());
    }
    out
}

/// The candidate that `given` most likely stands for: case and the kind of hyphen do not count, and
/// about one character in three may differ.
pub(crate) fn similar<'c>(
    given: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    if given.chars().nth(SUGGEST_CHARS).is_some() {
        return None;
    }
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let given = plain(given);
    let allowed = given.chars().count() / 3;
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&given, &plain(candidate)),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The last character boundary of `text` at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = self.position();
        let number = position.map_or_else(String::new, |(line, _)| line.to_string());
        let gutter = number.len().max(1);
        write!(
            f,
            "error: {}\n{:gutter$} --> {}",
            self.message, "", self.origin
        )?;
        if let Some((line, column)) = position {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(place) = &self.place {
            write!(f, "\n{:gutter$}  |", "")?;
            write!(f, "\n {number:gutter$} |")?;
            if !place.excerpt.is_empty() {
                write!(f, " {}", place.excerpt)?;
            }
            let carets = "^".repeat(place.caret_columns);
            write!(
                f,
                "\n{:gutter$}  | {:2$}{carets}",
                "", "", place.caret_column
            )?;
            if !self.label.is_empty() {
                write!(f, " {}", self.label)?;
            }
        }
        for help in &self.help {
            write!(f, "\n{:gutter$}  = {help}", "")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, start: usize, end: usize) -> String {
        Diagnostic::at("f.toml", text, Span { start, end }, "m").to_string()
    }

    fn last_two(rendered: &str) -> (String, String) {
        let lines: Vec<&str> = rendered.lines().collect();
        (
            lines[lines.len() - 2].to_owned(),
            lines[lines.len() - 1].to_owned(),
        )
    }

    #[test]
    fn layout_is_the_documented_one() {
        let text = "a\nb\nrelase = \"10.5.2\"\n";
        let shown = Diagnostic::at(
            "scenarios/x.toml",
            text,
            Span { start: 4, end: 10 },
            "unknown key `relase` in [cluster.source]",
        )
        .with_label("did you mean `release`?")
        .with_help("known keys: release, mode");
        assert_eq!(
            shown.to_string(),
            "error: unknown key `relase` in [cluster.source]\n\
             \x20 --> scenarios/x.toml:3:1\n\
             \x20  |\n\
             \x203 | relase = \"10.5.2\"\n\
             \x20  | ^^^^^^ did you mean `release`?\n\
             \x20  = known keys: release, mode"
        );
        assert_eq!(shown.position(), Some((3, 1)));
        assert_eq!(shown.span(), Some(Span { start: 4, end: 10 }));
    }

    #[test]
    fn gutter_grows_with_the_line_number() {
        let text = format!("{}x", "\n".repeat(99));
        assert_eq!(
            at(&text, 99, 100),
            "error: m\n    --> f.toml:100:1\n     |\n 100 | x\n     | ^"
        );
    }

    #[test]
    fn columns_count_characters_and_tabs_are_widened() {
        let text = "\tn\u{e4}me = \u{1b}x";
        let start = text.find('=').unwrap();
        let shown = at(text, start, start + 1);
        assert!(shown.contains("f.toml:1:7"), "{shown}");
        let (line, caret) = last_two(&shown);
        assert_eq!(line, " 1 |     n\u{e4}me = \\u{1b}x");
        assert_eq!(caret, "   |          ^");
    }

    #[test]
    fn caret_underlines_an_escaped_character_whole() {
        let text = "a\u{202e}b";
        let (line, caret) = last_two(&at(text, 1, 4));
        assert_eq!(line, " 1 | a\\u{202e}b");
        assert_eq!(caret, "   |  ^^^^^^^^");
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let text = format!("{}HERE{}", "a".repeat(5_000), "b".repeat(5_000));
        let shown = at(&text, 5_000, 5_004);
        assert!(shown.contains("f.toml:1:5001"), "{shown}");
        let (line, caret) = last_two(&shown);
        assert!(
            line.starts_with(" 1 | ...aaa") && line.ends_with("bbb..."),
            "{line}"
        );
        assert!(line.len() < 120, "{line}");
        assert_eq!(line.find("HERE"), caret.find("^^^^"));
        assert_eq!(caret.matches('^').count(), 4);

        let (line, caret) = last_two(&at(&text, 0, text.len()));
        assert!(line.len() < 120 && caret.len() < 120, "{line}\n{caret}");
    }

    #[test]
    fn spans_off_the_text_off_a_boundary_or_over_lines_are_tamed() {
        for (text, start, end) in [
            ("", 0, 0),
            ("", 7, 9),
            ("\u{e4}", 1, 2),
            ("a\nb", 0, 3),
            ("a\r\nb", 1, 3),
            ("x", 5, 1),
        ] {
            let shown = at(text, start, end);
            assert_eq!(shown.matches('^').count(), 1, "{text:?}: {shown}");
        }
        assert!(at("a\n", 2, 2).contains("f.toml:2:1"));
        assert!(at("\u{feff}ab", 4, 5).contains("f.toml:1:2"));
    }

    #[test]
    fn nothing_printed_can_drive_a_terminal() {
        let shown = Diagnostic::at(
            "a\u{1b}[2J",
            "\u{7}",
            Span { start: 0, end: 1 },
            "b\u{1b}c\n",
        )
        .with_label("d\re")
        .with_help("f\u{9b}g");
        let bad = shown
            .to_string()
            .chars()
            .filter(|&c| c != '\n' && c.is_control())
            .count();
        assert_eq!(bad, 0, "{shown}");
        assert_eq!(shown.to_string().lines().count(), 6);
    }

    #[test]
    fn an_argument_is_shown_with_its_option() {
        let shown = Diagnostic::in_argument("--set", "a.b=c", Span { start: 0, end: 3 }, "unknown")
            .with_label("here");
        assert_eq!(
            shown.to_string(),
            "error: unknown\n  --> command line\n   |\n   | --set a.b=c\n   |       ^^^ here"
        );
    }

    #[test]
    fn similar_words() {
        let known = ["release", "mode", "callmanager-group"];
        assert_eq!(similar("relase", known), Some("release"));
        assert_eq!(
            similar("CallManager_Group", known),
            Some("callmanager-group")
        );
        assert_eq!(similar("modes", known), Some("mode"));
        assert_eq!(similar("parameters", known), None);
        assert_eq!(similar("to", ["do"]), None, "two letters say too little");
        assert_eq!(similar(&"mode".repeat(1_000), known), None);
    }

    #[test]
    fn quoted_values_are_cut() {
        assert_eq!(quote("a\nb"), "`a\\nb`");
        assert_eq!(
            quote(&"\u{e4}".repeat(100)),
            format!("`{}...`", "\u{e4}".repeat(60))
        );
    }
}
