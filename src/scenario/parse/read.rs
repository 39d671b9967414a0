//! Reading typed values out of TOML tables with closed lists of keys, so that every wrong key and
//! value is reported where it stands, and reading goes on behind it.

use std::ops::RangeInclusive;

use toml::de::{DeInteger, DeTable, DeValue};

use super::super::diagnostic::{Diagnostic, Located, Span, listed, quote, similar};
use super::super::settings::SettingValue;
use super::super::words::ClosedWord;

/// Errors shown of one file; the rest are counted.
const MAX_SHOWN: usize = 100;
/// Errors kept of one file before they are sorted.
const MAX_KEPT: usize = 1_000;
/// Bytes of one string.
const MAX_STRING: usize = 4_096;
/// Elements of one list; lists that hold more (phones, steps) have limits of their own.
pub(super) const MAX_LIST: usize = 256;

/// The errors found so far.
pub(super) struct Problems<'t> {
    file: &'t str,
    text: &'t str,
    kept: Vec<Problem>,
    count: usize,
}

/// An error before it is shown: finding its line costs a pass over the text.
pub(super) struct Problem {
    span: Option<Span>,
    message: String,
    label: String,
    help: String,
}

impl Problem {
    /// An error at `span`.
    pub(super) fn at(span: impl Into<Span>, message: impl Into<String>) -> Self {
        Self {
            span: Some(span.into()),
            ..Self::in_file(message)
        }
    }

    /// An error about the whole file.
    pub(super) fn in_file(message: impl Into<String>) -> Self {
        Self {
            span: None,
            message: message.into(),
            label: String::new(),
            help: String::new(),
        }
    }

    /// The words beside the caret.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The line below.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Offers the most similar of the `known` words, and lists them all below.
    pub(super) fn suggest(self, given: &str, what: &str, known: &[&str]) -> Self {
        let problem = match similar(given, known.iter().copied()) {
            Some(word) => self.label(format!("did you mean `{word}`?")),
            None => self,
        };
        match known {
            [] => problem,
            _ => problem.help(format!("{what}: {}", listed(known))),
        }
    }
}

impl<'t> Problems<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            kept: Vec::new(),
            count: 0,
        }
    }

    pub(super) fn add(&mut self, problem: Problem) {
        self.count += 1;
        if self.kept.len() < MAX_KEPT {
            self.kept.push(problem);
        }
    }

    /// Whether more than anybody reads were found: looking further is then a waste of time.
    pub(super) fn full(&self) -> bool {
        self.count >= MAX_KEPT
    }

    /// Forgets all that were found.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.count = 0;
    }

    /// How many were found.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The errors as shown, by their place in the file; those about the whole file come first.
    pub(super) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.kept
            .sort_by_key(|problem| problem.span.map(|span| span.start));
        let mut shown: Vec<Diagnostic> = self
            .kept
            .into_iter()
            .take(MAX_SHOWN)
            .map(|problem| {
                let mut diagnostic = match problem.span {
                    Some(span) => Diagnostic::at(self.file, self.text, span, problem.message),
                    None => Diagnostic::in_file(self.file, problem.message),
                };
                if !problem.label.is_empty() {
                    diagnostic = diagnostic.with_label(problem.label);
                }
                if !problem.help.is_empty() {
                    diagnostic = diagnostic.with_help(problem.help);
                }
                diagnostic
            })
            .collect();
        if self.count > shown.len() {
            let least = if self.count < MAX_KEPT {
                ""
            } else {
                "at least "
            };
            let more = format!(
                "{least}{} more errors in this file",
                self.count - shown.len()
            );
            shown.push(Diagnostic::in_file(self.file, more));
        }
        shown
    }
}

/// A table whose keys are a closed list.
pub(super) struct Section<'a> {
    table: &'a DeTable<'a>,
    /// Where a missing key is reported.
    pub(super) span: Option<Span>,
    /// What messages call it: "[cluster.source]", "step `wait`".
    title: String,
    known: &'static [&'static str],
    /// Misspelled keys: the key meant, and the one that stands in the file. They are read as what
    /// they mean, so that one slip is one error.
    misspelled: Vec<(&'static str, &'a str)>,
}

impl<'a> Section<'a> {
    /// Reports every key of `table` that is not `known`.
    pub(super) fn new(
        problems: &mut Problems<'_>,
        table: &'a DeTable<'a>,
        span: Option<Span>,
        title: impl Into<String>,
        known: &'static [&'static str],
    ) -> Self {
        let title = title.into();
        let mut misspelled = Vec::new();
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            if problems.full() {
                break;
            }
            // A key that is given cannot be the one that was meant.
            let meant = similar(
                name,
                known
                    .iter()
                    .copied()
                    .filter(|key| !table.contains_key(*key)),
            )
            .and_then(|word| known.iter().copied().find(|key| *key == word));
            let problem = Problem::at(
                key.span(),
                format!("unknown key {} in {title}", quote(name)),
            )
            .help(format!("known keys: {}", listed(known)));
            problems.add(match meant {
                Some(meant) => {
                    misspelled.push((meant, name));
                    problem.label(format!("did you mean `{meant}`?"))
                }
                None => problem,
            });
        }
        Self {
            table,
            span,
            title,
            known,
            misspelled,
        }
    }

    /// The value of `key`, if it is given.
    pub(super) fn optional(&self, key: &'static str) -> Option<Entry<'a>> {
        debug_assert!(
            self.known.contains(&key),
            "{key} is not listed for {}",
            self.title
        );
        let misspelled = self.misspelled.iter().find(|(meant, _)| *meant == key);
        let (found, value) = self
            .table
            .get_key_value(misspelled.map_or(key, |(_, written)| *written))?;
        Some(Entry {
            key,
            key_span: found.span().into(),
            value,
        })
    }

    /// The value of `key`; reports that it is missing, and `what` it would say.
    pub(super) fn required(
        &self,
        problems: &mut Problems<'_>,
        key: &'static str,
        what: &str,
    ) -> Option<Entry<'a>> {
        let entry = self.optional(key);
        if entry.is_none() {
            let message = format!("{} lacks the key `{key}`", self.title);
            let problem = match self.span {
                Some(span) => Problem::at(span, message),
                None => Problem::in_file(message),
            };
            problems.add(problem.help(format!("`{key}` is {what}")));
        }
        entry
    }

    /// Where `key` is written, if it is.
    pub(super) fn key_span(&self, key: &'static str) -> Option<Span> {
        self.optional(key).map(|entry| entry.key_span)
    }
}

/// The value of a key, or an element of the list that is its value.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) key_span: Span,
    value: &'a toml::Spanned<DeValue<'a>>,
}

impl<'a> Entry<'a> {
    /// The value of `key` in `table`.
    pub(super) fn find(table: &'a DeTable<'a>, key: &str) -> Option<Self> {
        let (key, value) = table.get_key_value(key)?;
        Some(Self {
            key: key.get_ref().as_ref(),
            key_span: key.span().into(),
            value,
        })
    }

    /// Where the value stands.
    pub(super) fn span(&self) -> Span {
        self.value.span().into()
    }

    /// The value itself.
    pub(super) fn value(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    /// Reports that the value is not `expected`.
    pub(super) fn wrong_type(&self, problems: &mut Problems<'_>, expected: &str) {
        let message = format!(
            "{} must be {expected}, not {}",
            quote(self.key),
            kind(self.value())
        );
        // Only the start of a table or a list matters: the rest may span many lines.
        problems.add(Problem::at(self.span(), message));
    }

    /// A string of at most [`MAX_STRING`] bytes.
    pub(super) fn string(&self, problems: &mut Problems<'_>) -> Option<Located<&'a str>> {
        let DeValue::String(text) = self.value() else {
            self.wrong_type(problems, "a string");
            return None;
        };
        if text.len() > MAX_STRING {
            let message = format!(
                "{} has {} bytes, more than {MAX_STRING}",
                quote(self.key),
                text.len()
            );
            problems.add(Problem::at(self.span(), message));
            return None;
        }
        Some(Located::new(text.as_ref(), self.span()))
    }

    /// A string that says something.
    pub(super) fn text(&self, problems: &mut Problems<'_>) -> Option<Located<String>> {
        let text = self.string(problems)?;
        if text.trim().is_empty() {
            problems.add(Problem::at(
                text.span,
                format!("{} is empty", quote(self.key)),
            ));
            return None;
        }
        Some(text.map(str::to_owned))
    }

    /// A word of a closed list. A misspelled one is reported and read as what it means.
    pub(super) fn word<T: ClosedWord>(&self, problems: &mut Problems<'_>) -> Option<Located<T>> {
        let text = self.string(problems)?;
        if let Some(word) = T::from_word(text.value) {
            return Some(text.map(|_| word));
        }
        let known: Vec<&str> = T::ALL.iter().map(|word| word.as_str()).collect();
        problems.add(
            Problem::at(
                text.span,
                format!("unknown {} {}", T::WHAT, quote(text.value)),
            )
            .suggest(text.value, "known", &known),
        );
        let meant = similar(text.value, known).and_then(T::from_word)?;
        Some(text.map(|_| meant))
    }

    /// True or false.
    pub(super) fn flag(&self, problems: &mut Problems<'_>) -> Option<bool> {
        if let DeValue::Boolean(flag) = self.value() {
            return Some(*flag);
        }
        self.wrong_type(problems, "true or false");
        None
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &self,
        problems: &mut Problems<'_>,
        range: RangeInclusive<u64>,
    ) -> Option<Located<u64>> {
        let DeValue::Integer(integer) = self.value() else {
            self.wrong_type(problems, "a whole number");
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(Located::new(number, self.span()));
        }
        let message = format!("{} is out of range", quote(self.key));
        problems.add(Problem::at(self.span(), message).label(format!(
            "{} to {}",
            range.start(),
            range.end()
        )));
        None
    }

    /// The table that the value is.
    pub(super) fn table(&self, problems: &mut Problems<'_>) -> Option<&'a DeTable<'a>> {
        if let DeValue::Table(table) = self.value() {
            return Some(table);
        }
        self.wrong_type(problems, "a table");
        None
    }

    /// The elements of a list of at most `limit`.
    pub(super) fn list(
        &self,
        problems: &mut Problems<'_>,
        expected: &str,
        limit: usize,
    ) -> Option<Vec<Self>> {
        let DeValue::Array(array) = self.value() else {
            self.wrong_type(problems, expected);
            return None;
        };
        if array.len() > limit {
            let message = format!(
                "{} has {} elements, more than {limit}",
                quote(self.key),
                array.len()
            );
            let at = array
                .get(limit)
                .map_or_else(|| self.span(), |value| value.span().into());
            problems.add(Problem::at(at, message));
        }
        Some(
            array
                .iter()
                .take(limit)
                .map(|value| Self { value, ..*self })
                .collect(),
        )
    }

    /// Whether the value is `[]`.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(self.value(), DeValue::Array(array) if array.is_empty())
    }

    /// A list with at least one element.
    pub(super) fn filled_list(
        &self,
        problems: &mut Problems<'_>,
        expected: &str,
    ) -> Option<Vec<Self>> {
        let list = self.list(problems, expected, MAX_LIST)?;
        if list.is_empty() {
            problems.add(
                Problem::at(self.span(), format!("{} is an empty list", quote(self.key)))
                    .help("leave the key out, or name something"),
            );
            return None;
        }
        Some(list)
    }

    /// A list of strings, none of them twice.
    pub(super) fn names(&self, problems: &mut Problems<'_>) -> Option<Vec<Located<String>>> {
        let list = self.filled_list(problems, "a list of strings")?;
        let mut names: Vec<Located<String>> = Vec::with_capacity(list.len());
        for entry in list {
            if let Some(name) = entry.text(problems) {
                if names.iter().any(|other| other.value == name.value) {
                    let message = format!("{} is named twice", quote(&name.value));
                    problems.add(Problem::at(name.span, message));
                } else {
                    names.push(name);
                }
            }
        }
        Some(names)
    }

    /// A list of words of a closed list, none of them twice.
    pub(super) fn words<T: ClosedWord>(
        &self,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Located<T>>> {
        let list = self.filled_list(problems, "a list of strings")?;
        let mut words: Vec<Located<T>> = Vec::with_capacity(list.len());
        for entry in list {
            if let Some(word) = entry.word::<T>(problems) {
                if words.iter().any(|other| other.value == word.value) {
                    let message = format!("`{}` is named twice", word.value.as_str());
                    problems.add(Problem::at(word.span, message));
                } else {
                    words.push(word);
                }
            }
        }
        Some(words)
    }

    /// The value of a setting or a parameter: a word, a whole number or a flag.
    pub(super) fn setting(&self, problems: &mut Problems<'_>) -> Option<Located<SettingValue>> {
        let value = match self.value() {
            DeValue::String(_) => SettingValue::Word(self.text(problems)?.value),
            DeValue::Boolean(flag) => SettingValue::Flag(*flag),
            DeValue::Integer(integer) => match signed(integer) {
                Some(number) => SettingValue::Number(number),
                None => {
                    let message = format!("{} is out of range", quote(self.key));
                    problems.add(Problem::at(self.span(), message));
                    return None;
                }
            },
            _ => {
                self.wrong_type(problems, "a string, a whole number, true or false");
                return None;
            }
        };
        Some(Located::new(value, self.span()))
    }
}

/// The keys of `table` with their values, in the order of the file.
pub(super) fn in_file_order<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().as_ref(),
            key_span: key.span().into(),
            value,
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span);
    entries
}

/// The number, if 64 bits hold it.
fn signed(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// What a value is, for messages.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
