//! Which phones a step or an expectation is about.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use super::diagnostic::{Located, Span, quote};
use super::model::PhoneGroup;

/// A choice of phones: `"all"`, the name of a group, `"1-3"`, a number, or a list of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    parts: Vec<Located<Part>>,
}

/// One word of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All phones.
    All,
    /// The phones of the group of this name.
    Group(String),
    /// The phones with these numbers, from 1 over the whole file.
    Numbers(RangeInclusive<usize>),
}

/// What is wrong with a part of a selector, given the phones that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The part.
    pub span: Span,
    /// What is wrong, in one line.
    pub message: String,
    /// The group name that was not found, so that a similar one can be offered.
    pub unknown_group: Option<String>,
}

impl Part {
    /// Reads one word: `all`, `3`, `1-3` or a group's name.
    ///
    /// # Errors
    ///
    /// Says in a few words what is wrong with `text`.
    pub fn from_text(text: &str) -> Result<Self, &'static str> {
        if text == "all" {
            return Ok(Self::All);
        }
        if is_group_name(text) {
            return Ok(Self::Group(text.to_owned()));
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            // More digits than a number has room for name a phone that cannot exist.
            plain.then(|| digits.parse().unwrap_or(usize::MAX))
        };
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(
                "phones are \"all\", the name of a group, a number or a range as in \"1-3\"",
            );
        };
        if first == 0 {
            Err("phones are numbered from 1")
        } else if first > last {
            Err("the range runs backwards")
        } else {
            Ok(Self::Numbers(first..=last))
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Group(name) => f.write_str(name),
            Self::Numbers(numbers) if numbers.start() == numbers.end() => {
                write!(f, "{}", numbers.start())
            }
            Self::Numbers(numbers) => write!(f, "{}-{}", numbers.start(), numbers.end()),
        }
    }
}

/// Whether a group may be called so: a letter, then letters, digits, `-` and `_`; never `all`.
pub fn is_group_name(text: &str) -> bool {
    text != "all"
        && text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

impl Selector {
    /// All phones, by default: no place in the file says so.
    pub fn all() -> Self {
        Self {
            parts: vec![Located::new(Part::All, Span::default())],
        }
    }

    /// The phones of all `parts` together.
    pub fn of(parts: Vec<Located<Part>>) -> Self {
        Self { parts }
    }

    /// What it is made of.
    pub fn parts(&self) -> &[Located<Part>] {
        &self.parts
    }

    /// The numbers of the phones, from 1, each once, in order. What does not exist is left out; a
    /// selector of a parsed scenario names nothing that does not exist.
    pub fn resolve(&self, phones: &[PhoneGroup]) -> Vec<usize> {
        let total = phones.iter().map(|group| group.count).sum();
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for part in &self.parts {
            match &part.value {
                Part::All => ranges.push((1, total)),
                Part::Group(name) => ranges.extend(
                    phones
                        .iter()
                        .filter(|group| group.name.as_ref().is_some_and(|own| own.value == *name))
                        .map(|group| (*group.numbers().start(), *group.numbers().end())),
                ),
                Part::Numbers(numbers) => {
                    ranges.push((*numbers.start(), (*numbers.end()).min(total)));
                }
            }
        }
        // Merged first, so that a selector that names a phone many times costs no more than one.
        ranges.sort_unstable();
        let mut numbers = Vec::new();
        let mut next = 1;
        for (first, last) in ranges {
            numbers.extend(first.max(next)..=last);
            next = next.max(last.saturating_add(1));
        }
        numbers
    }

    /// What it names that does not exist among `phones`.
    pub fn mismatches(&self, phones: &[PhoneGroup]) -> Vec<Mismatch> {
        let total: usize = phones.iter().map(|group| group.count).sum();
        let names: BTreeSet<&str> = if self.parts.iter().any(|p| matches!(**p, Part::Group(_))) {
            phones
                .iter()
                .filter_map(|group| Some(group.name.as_ref()?.value.as_str()))
                .collect()
        } else {
            BTreeSet::new()
        };
        let mut found = Vec::new();
        for part in &self.parts {
            let (message, unknown_group) = match &part.value {
                Part::All => continue,
                Part::Group(name) => {
                    if names.contains(name.as_str()) {
                        continue;
                    }
                    (
                        format!("no group of phones is called {}", quote(name)),
                        Some(name.clone()),
                    )
                }
                Part::Numbers(numbers) if *numbers.end() <= total => continue,
                Part::Numbers(numbers) => {
                    let there_are = match total {
                        1 => "there is 1 phone".to_owned(),
                        _ => format!("there are {total} phones"),
                    };
                    (
                        format!("phone {} does not exist: {there_are}", numbers.end()),
                        None,
                    )
                }
            };
            found.push(Mismatch {
                span: part.span,
                message,
                unknown_group,
            });
        }
        found
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{}", part.value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::{FirmwareProfile, PhoneSecurity};
    use super::*;

    fn here<T>(value: T) -> Located<T> {
        Located::new(value, 0..1)
    }

    fn groups(counts: &[(Option<&str>, usize)]) -> Vec<PhoneGroup> {
        let mut first = 1;
        counts
            .iter()
            .map(|&(name, count)| {
                let group = PhoneGroup {
                    name: name.map(|name| here(name.to_owned())),
                    first,
                    count,
                    model: here("CP-8861".to_owned()),
                    profile: FirmwareProfile::Series8800,
                    cluster: here("a".to_owned()),
                    security: PhoneSecurity::NonSecure,
                    lsc: false,
                    encrypted_config: false,
                    certificate_records: Vec::new(),
                };
                first += count;
                group
            })
            .collect()
    }

    fn selector(words: &[&str]) -> Selector {
        Selector::of(
            words
                .iter()
                .map(|word| here(Part::from_text(word).unwrap()))
                .collect(),
        )
    }

    #[test]
    fn resolves_in_order_and_once() {
        let phones = groups(&[(None, 2), (Some("lobby"), 3), (Some("far"), 1)]);
        for (words, expected) in [
            (&["all"][..], &[1, 2, 3, 4, 5, 6][..]),
            (&["lobby"], &[3, 4, 5]),
            (&["6", "1-2", "2-4"], &[1, 2, 3, 4, 6]),
            (&["far", "lobby", "all"], &[1, 2, 3, 4, 5, 6]),
            (&[], &[]),
            (&["nobody", "7-9"], &[]),
        ] {
            assert_eq!(selector(words).resolve(&phones), expected, "{words:?}");
        }
        assert_eq!(selector(&["6", "1-2", "far"]).to_string(), "6, 1-2, far");
        assert_eq!(Selector::all().resolve(&[]), [0; 0]);
    }

    #[test]
    fn says_what_does_not_exist() {
        let phones = groups(&[(Some("lobby"), 3)]);
        assert!(
            selector(&["all", "lobby", "1-3"])
                .mismatches(&phones)
                .is_empty()
        );
        let found = selector(&["loby", "2-4", "99999999999999999999999"]).mismatches(&phones);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].unknown_group.as_deref(), Some("loby"));
        assert_eq!(
            found[1].message,
            "phone 4 does not exist: there are 3 phones"
        );
    }

    #[test]
    fn refuses_other_words() {
        for bad in [
            "", "0", "0-3", "3-1", "1-", "-1", "1-2-3", "1 - 3", "+1", "a b", "\u{e4}",
        ] {
            assert!(Part::from_text(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Part::from_text("a-1"), Ok(Part::Group("a-1".to_owned())));
        assert!(!is_group_name("all"));
    }
}
