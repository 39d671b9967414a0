//! Names that no DNS server is asked for: the resolver knows what to say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name::{MAX_LABEL, MAX_NAME};
use super::verify::Lookup;

/// A name that no DNS server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// `localhost` and what is below it: the phone itself (RFC 6761, 6.3).
    Localhost,
    /// What is below `invalid` (RFC 6761, 6.4) or `onion` (RFC 7686): no such name.
    NoName,
    /// A name that no question has room for (RFC 1035, 2.3.4), with nothing between two dots, or
    /// with a part that begins with a hyphen (RFC 1123, 2.1).
    NotAName,
}

impl Unasked {
    /// Whether a name is one of these; a dot at its end does not count.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.trim_end_matches('.');
        let is_label =
            |label: &str| (1..=MAX_LABEL).contains(&label.len()) && !label.starts_with('-');
        if name.len() > MAX_NAME || !name.split('.').all(is_label) {
            return Some(Self::NotAName);
        }
        let top = name.rsplit('.').next().unwrap_or_default();
        match top.to_ascii_lowercase().as_str() {
            "localhost" => Some(Self::Localhost),
            "invalid" | "onion" => Some(Self::NoName),
            _ => None,
        }
    }

    /// Whether that rests on how resolvers should behave alone: no source says what a phone's does.
    /// What is no name cannot be asked for.
    pub fn is_assumed(self) -> bool {
        self != Self::NotAName
    }

    /// What the resolver says; with `aaaa` of AAAA records too.
    pub fn lookup(self, aaaa: bool) -> Lookup {
        match self {
            Self::Localhost => {
                let six = aaaa.then_some(IpAddr::V6(Ipv6Addr::LOCALHOST));
                let four = IpAddr::V4(Ipv4Addr::LOCALHOST);
                Lookup::Found([four].into_iter().chain(six).collect())
            }
            Self::NoName | Self::NotAName => Lookup::NoSuchName,
        }
    }
}

/// Why, for people.
impl fmt::Display for Unasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Localhost => f.write_str(
                "it is the phone itself, whatever DNS says (RFC 6761; assumed of phones)",
            ),
            Self::NoName => f.write_str(
                "there is no such name, whatever DNS says (RFC 6761, RFC 7686; assumed of phones)",
            ),
            Self::NotAName => write!(
                f,
                "a name has {MAX_NAME} characters at most, and from 1 to {MAX_LABEL} between two \
                 dots, the first of them no hyphen"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_label_and_the_lengths_decide() {
        let long = format!("{}.example", "a".repeat(MAX_LABEL + 1));
        let whole = ["a"; 127].join(".");
        let larger = format!("{whole}.a");
        for (name, expected) in [
            ("localhost", Some(Unasked::Localhost)),
            ("a.LocalHost.", Some(Unasked::Localhost)),
            ("a.lab.invalid", Some(Unasked::NoName)),
            ("onion", Some(Unasked::NoName)),
            ("", Some(Unasked::NotAName)),
            ("a..example", Some(Unasked::NotAName)),
            ("a.-b.example", Some(Unasked::NotAName)),
            (&long, Some(Unasked::NotAName)),
            (&larger, Some(Unasked::NotAName)),
            (&whole, None),
            ("notlocalhost", None),
            ("localhost.example", None),
            ("a.local", None),
            ("under_score.example", None),
            ("hyphen-.example", None),
            ("xn--99999.example", None),
        ] {
            assert_eq!(Unasked::of(name), expected, "{name}");
        }
    }
}
