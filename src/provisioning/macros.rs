//! Macro expansion: `$NAME` and `$(NAME)` in rules, triggers and log messages.
//!
//! Source: Cisco's 7832 guide, Provisioning Formats (macro expansion), and the table of variables
//! of its Provisioning Parameters. What a name expands to is not expanded again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use thiserror::Error;

/// Bytes of a text with macros, before and after it is expanded, and of a value that macros see, at
/// most. No source gives a bound; rules and messages of real phones have a few hundred.
pub const MAX_EXPANDED: usize = 8 * 1024;

/// An expansion that would grow past its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the text has more than {MAX_EXPANDED} bytes, or expands to more: shorten it, or the parameters \
     that it names"
)]
pub struct TooLong;

/// Where a text is expanded: the keys and passwords in `$SA` to `$SD` are known in the arguments of
/// a rule's options alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Anywhere else.
    Text,
    /// The argument of an option such as `--key`.
    OptionArgument,
}

/// What the names stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    values: BTreeMap<&'static str, String>,
}

/// Every name that is known, so that a value can be set for no other one.
pub const NAMES: &[&str] = &[
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "SA", "SB",
    "SC", "SD", "MA", "MAU", "MAC", "PN", "PSN", "SN", "CCERT", "IP", "EXTIP", "SWVER", "HWVER",
    "PRVST", "UPGST", "UPGERR", "PRVTMR", "UPGTMR", "REGTMR1", "REGTMR2", "UPGCOND", "SCHEME",
    "SERV", "SERVIP", "PORT", "PATH", "ERR", "UID1", "UID2", "EMS", "MUID", "MPWD", "ISCUST",
];

/// The names that only the arguments of options know.
const SECRET: [&str; 4] = ["SA", "SB", "SC", "SD"];

impl Values {
    /// No name has a value yet: all known ones expand to nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what `name` expands to. A name that no phone knows stays unknown. Of a value past
    /// [`MAX_EXPANDED`] bytes as much is kept as makes its expansion fail: a profile may hold
    /// megabytes of them, and a text may name each a thousand times.
    pub fn set<'v>(&mut self, name: &str, value: impl Into<Cow<'v, str>>) {
        if let Some(name) = NAMES.iter().find(|n| **n == name) {
            let value = value.into();
            let value = match value.len() {
                0..=MAX_EXPANDED => value.into_owned(),
                _ => beginning(&value, MAX_EXPANDED + 4).to_owned(),
            };
            self.values.insert(name, value);
        }
    }

    /// What `name` stands for in `place`; none for a name that is unknown there.
    pub fn get(&self, name: &str, place: Place) -> Option<&str> {
        if place == Place::Text && SECRET.contains(&name) {
            return None;
        }
        NAMES
            .contains(&name)
            .then(|| self.values.get(name).map_or("", String::as_str))
    }

    /// Expands `text` once. Unknown names stay as they stand.
    ///
    /// # Errors
    /// The text has more than [`MAX_EXPANDED`] bytes, or the result would.
    pub fn expand<'t>(&self, text: &'t str, place: Place) -> Result<Cow<'t, str>, TooLong> {
        if text.len() > MAX_EXPANDED {
            return Err(TooLong);
        }
        if !text.contains('$') {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let (taken, value) = match Reference::read(rest) {
                Some(reference) => (
                    reference.length,
                    match reference.name {
                        "$" => Some("$"),
                        name => self.get(name, place).map(|value| reference.part_of(value)),
                    },
                ),
                None => (1, None),
            };
            out.push_str(value.unwrap_or(&rest[..taken]));
            rest = &rest[taken..];
            if out.len() > MAX_EXPANDED {
                return Err(TooLong);
            }
        }
        out.push_str(rest);
        match out.len() {
            0..=MAX_EXPANDED => Ok(Cow::Owned(out)),
            _ => Err(TooLong),
        }
    }
}

/// One `$NAME`, `$(NAME)`, `$(NAME:p)` or `$(NAME:p:q)`.
struct Reference<'t> {
    name: &'t str,
    /// Bytes from the `$` to the end.
    length: usize,
    skip: usize,
    /// None: to the end.
    take: Option<usize>,
}

impl<'t> Reference<'t> {
    /// The reference at the start of `text`, which begins with `$`.
    fn read(text: &'t str) -> Option<Self> {
        let after = &text[1..];
        if after.starts_with('$') {
            return Some(Self::whole("$", 2));
        }
        let Some(inner) = after.strip_prefix('(') else {
            let name = leading_name(after);
            return (!name.is_empty()).then(|| Self::whole(name, 1 + name.len()));
        };
        let name = leading_name(inner);
        if name.is_empty() {
            return None;
        }
        let tail = &inner[name.len()..];
        let close = tail.find(')')?;
        let length = 2 + name.len() + close + 1;
        let whole = Self::whole(name, length);
        if close == 0 {
            return Some(whole);
        }
        let mut numbers = tail[..close].strip_prefix(':')?.split(':');
        let skip = number(numbers.next()?)?;
        let take = match numbers.next() {
            Some(text) => Some(number(text)?),
            None => None,
        };
        numbers.next().is_none().then_some(Self {
            skip,
            take,
            ..whole
        })
    }

    fn whole(name: &'t str, length: usize) -> Self {
        Self {
            name,
            length,
            skip: 0,
            take: None,
        }
    }

    /// The part of `value` that is asked for, counted in characters.
    fn part_of<'v>(&self, value: &'v str) -> &'v str {
        // No text has more characters than bytes, and most have as many.
        let at = |count: usize, text: &str| match text.is_ascii() || count >= text.len() {
            true => count.min(text.len()),
            false => text
                .char_indices()
                .nth(count)
                .map_or(text.len(), |(at, _)| at),
        };
        let rest = &value[at(self.skip, value)..];
        match self.take {
            Some(take) => &rest[..at(take, rest)],
            None => rest,
        }
    }
}

/// The first `most` bytes of a text, or fewer, so that no character is cut.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The letters and digits at the start: a name ends where neither follows.
fn leading_name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}

/// Digits alone; a number too large for any text is as good as the largest.
fn number(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let mut values = Values::new();
        for (name, value) in [
            ("MAU", "000E08012345"),
            ("MA", "000e08012345"),
            ("A", "ABCDEF"),
            ("B", "$A"),
            ("SA", "secret"),
            ("E", "äöü"),
        ] {
            values.set(name, value);
        }
        values
    }

    fn expand(text: &str) -> String {
        values().expand(text, Place::Text).unwrap().into_owned()
    }

    #[test]
    fn the_documents_examples_hold() {
        for (text, expanded) in [
            ("$(MAU)config.cfg", "000E08012345config.cfg"),
            ("$STRANGE$MAU.cfg", "$STRANGE000E08012345.cfg"),
            ("$$MAU", "$MAU"),
            ("$(A:2)", "CDEF"),
            ("$(A:2:3)", "CDE"),
        ] {
            assert_eq!(expand(text), expanded, "{text}");
        }
    }

    #[test]
    fn edges() {
        for (text, expanded) in [
            ("", ""),
            ("$", "$"),
            ("$$", "$"),
            ("$$$", "$$"),
            ("$$$MA", "$000e08012345"),
            ("$()", "$()"),
            ("$(", "$("),
            ("$(A", "$(A"),
            ("$(A:)", "$(A:)"),
            ("$(A:x)", "$(A:x)"),
            ("$(A:1:2:3)", "$(A:1:2:3)"),
            ("$(A:-1)", "$(A:-1)"),
            ("$(A:6)", ""),
            ("$(A:99999999999999999999999)", ""),
            ("$(A:1:0)", ""),
            ("$(A:4:99999999999999999999999)", "EF"),
            ("$(STRANGE:1)", "$(STRANGE:1)"),
            ("$ma", "$ma"),
            ("$MAx", "$MAx"),
            ("$MA_x", "000e08012345_x"),
            // Known, and without a value.
            ("<$EXTIP>", "<>"),
            // Not expanded again.
            ("$B", "$A"),
            ("$(E:1:1)", "ö"),
            ("ä$MAé", "ä000e08012345é"),
        ] {
            assert_eq!(expand(text), expanded, "{text}");
        }
    }

    #[test]
    fn keys_are_known_in_arguments_of_options_alone() {
        assert_eq!(expand("$SA"), "$SA");
        let there = values().expand("$SA", Place::OptionArgument).unwrap();
        assert_eq!(there, "secret");
    }

    #[test]
    fn nothing_grows_without_bound() {
        let mut values = Values::new();
        values.set("P", "x".repeat(1_000));
        assert!(values.expand(&"$P".repeat(8), Place::Text).is_ok());
        assert_eq!(values.expand(&"$P".repeat(9), Place::Text), Err(TooLong));
        assert_eq!(
            values.expand(&format!("$P{}", "y".repeat(MAX_EXPANDED)), Place::Text),
            Err(TooLong)
        );
    }

    #[test]
    fn large_values_and_texts_take_no_time() {
        let mut values = Values::new();
        for (name, large) in [("A", "x".repeat(4 << 20)), ("B", "ä".repeat(2 << 20))] {
            values.set(name, large);
            let kept = values.get(name, Place::Text).unwrap().len();
            assert!(
                (MAX_EXPANDED + 1..=MAX_EXPANDED + 4).contains(&kept),
                "{kept}"
            );
            assert_eq!(
                values.expand(&format!("${name}"), Place::Text),
                Err(TooLong)
            );
            let nothing = format!("$({name}:99999999)").repeat(500);
            assert_eq!(values.expand(&nothing, Place::Text).unwrap(), "");
        }
        // Without a macro too.
        let text = "x".repeat(MAX_EXPANDED);
        assert!(values.expand(&text, Place::Text).is_ok());
        let text = text + "x";
        assert_eq!(values.expand(&text, Place::Text), Err(TooLong));
    }
}
