//! How expectations name files and events.

use std::fmt;

/// A file name in which `*` stands for any characters, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePattern(String);

impl FilePattern {
    /// The pattern written as `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` fits, upper and lower case being different.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            // The leftmost place leaves most room for what follows, so no other need be tried.
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for FilePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An event of one kind, some of whose fields have these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPattern {
    /// The kind.
    pub kind: String,
    /// Fields by name, with their values as text.
    pub fields: Vec<(String, String)>,
}

impl EventPattern {
    /// Reads `kind field=value field="two words"`.
    ///
    /// # Errors
    ///
    /// Says in a few words what is wrong with `text`.
    pub fn from_text(text: &str) -> Result<Self, &'static str> {
        let mut rest = text.trim_start();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let kind = &rest[..end];
        if kind.is_empty() {
            return Err("an event starts with its kind");
        }
        if kind.contains('=') {
            return Err("an event starts with its kind, then come its fields");
        }
        let mut fields = Vec::new();
        rest = rest[end..].trim_start();
        while !rest.is_empty() {
            let Some((name, tail)) = rest.split_once('=') else {
                return Err("after the kind come fields: name=value");
            };
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '"') {
                return Err("after the kind come fields: name=value");
            }
            let (value, tail) = match tail.strip_prefix('"') {
                Some(quoted) => quoted
                    .split_once('"')
                    .ok_or("a quoted value does not end")?,
                None => tail.split_at(tail.find(char::is_whitespace).unwrap_or(tail.len())),
            };
            if !tail.is_empty() && !tail.starts_with(char::is_whitespace) {
                return Err("a space belongs between two fields");
            }
            fields.push((name.to_owned(), value.to_owned()));
            rest = tail.trim_start();
        }
        Ok(Self {
            kind: kind.to_owned(),
            fields,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_patterns() {
        for (pattern, name, fits) in [
            ("ITLFile.tlv", "ITLFile.tlv", true),
            ("ITLFile.tlv", "ITLFile.tlv.x", false),
            ("*", "", true),
            ("CTLSEP*.tlv", "CTLSEP001122334401.tlv", true),
            ("CTLSEP*.tlv", "ITLSEP001122334401.tlv", false),
            ("*.cnf.xml*", "SEP1.cnf.xml.sgn", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*ab*b", "abab", true),
            ("*ab*b", "ab", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(
                FilePattern::new(pattern).matches(name),
                fits,
                "{pattern} {name}"
            );
        }
        // Many stars stay linear in the number of tries.
        assert!(!FilePattern::new("*a".repeat(5_000)).matches(&"a".repeat(4_999)));
    }

    #[test]
    fn event_patterns() {
        let read = EventPattern::from_text("status  text=\"Trust List updated\" code=4=5").unwrap();
        assert_eq!(read.kind, "status");
        assert_eq!(
            read.fields,
            [
                ("text".to_owned(), "Trust List updated".to_owned()),
                ("code".to_owned(), "4=5".to_owned())
            ]
        );
        for bad in [
            "",
            "  ",
            "a=b",
            "k v",
            "k =v",
            "k a=\"b",
            "k a=\"b\"c=d",
            "k a b=c",
            "k \"a\"=c",
        ] {
            assert!(EventPattern::from_text(bad).is_err(), "{bad:?}");
        }
    }
}
