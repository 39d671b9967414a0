//! HTTP logins: Basic and Digest, after a 401 or a 407.
//!
//! Source: Cisco's 7832 guide (an immediate retry with Basic or Digest); RFC 7617; RFC 2617 for
//! Digest with MD5, with and without `qop=auth`, which is what phones of the time have (assumed).

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use super::rule::Account;
use crate::rng::Rng;

/// A way to log in that a server offers and a phone can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// The password goes over the connection.
    Basic,
    /// A hash of it goes.
    Digest {
        /// The server's realm.
        realm: String,
        /// Its number for once.
        nonce: String,
        /// What it wants to have back.
        opaque: Option<String>,
        /// True with `qop=auth`.
        with_qop: bool,
    },
}

impl Challenge {
    /// The best one of the headers `WWW-Authenticate` or `Proxy-Authenticate`: Digest before Basic.
    /// None if there is none that a phone can take.
    pub fn best<'h>(headers: impl IntoIterator<Item = &'h str>) -> Option<Self> {
        let mut best = None;
        for header in headers {
            for (scheme, parameters) in challenges(header) {
                match scheme.to_ascii_lowercase().as_str() {
                    "digest" => match digest(&parameters) {
                        Some(found) => return Some(found),
                        None => continue,
                    },
                    "basic" => best = Some(Self::Basic),
                    _ => {}
                }
            }
        }
        best
    }

    /// The value of `Authorization` or `Proxy-Authorization` for a request of `path`.
    pub fn answer(&self, account: &Account, method: &str, path: &str, rng: &mut Rng) -> String {
        let Account { user, password } = account;
        match self {
            Self::Basic => format!("Basic {}", base64(format!("{user}:{password}").as_bytes())),
            Self::Digest {
                realm,
                nonce,
                opaque,
                with_qop,
            } => {
                let secret = hex_md5(&format!("{user}:{realm}:{password}"));
                let request = hex_md5(&format!("{method}:{path}"));
                let mut out = format!(
                    "Digest username={}, realm={}, nonce={}, uri={}, algorithm=MD5",
                    quoted(user),
                    quoted(realm),
                    quoted(nonce),
                    quoted(path)
                );
                let response = if *with_qop {
                    let mine = format!("{:016x}", rng.next_u64());
                    let _ = write!(out, ", qop=auth, nc=00000001, cnonce=\"{mine}\"");
                    hex_md5(&format!("{secret}:{nonce}:00000001:{mine}:auth:{request}"))
                } else {
                    hex_md5(&format!("{secret}:{nonce}:{request}"))
                };
                let _ = write!(out, ", response=\"{response}\"");
                if let Some(opaque) = opaque {
                    let _ = write!(out, ", opaque={}", quoted(opaque));
                }
                out
            }
        }
    }
}

/// A Digest challenge that can be answered: MD5, and no `qop` or one with `auth`.
fn digest(parameters: &[(String, String)]) -> Option<Challenge> {
    let get = |name: &str| {
        let found = parameters
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    if get("algorithm").is_some_and(|a| !a.eq_ignore_ascii_case("md5")) {
        return None;
    }
    let with_qop = match get("qop") {
        None => false,
        Some(all)
            if all
                .split(',')
                .any(|q| q.trim().eq_ignore_ascii_case("auth")) =>
        {
            true
        }
        Some(_) => return None,
    };
    Some(Challenge::Digest {
        realm: get("realm")?.to_owned(),
        nonce: get("nonce")?.to_owned(),
        opaque: get("opaque").map(str::to_owned),
        with_qop,
    })
}

/// The schemes of a header, each with its parameters (RFC 9110, 11.6.1).
fn challenges(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for part in split_outside_quotes(header) {
        let part = part.trim();
        let (head, value) = match part.split_once('=') {
            Some((head, value)) => (head.trim(), Some(value)),
            None => (part, None),
        };
        // `Scheme name=value` begins a challenge; so does a word alone.
        let name = match (head.split_once(char::is_whitespace), value) {
            (Some((scheme, name)), _) => {
                found.push((scheme.to_owned(), Vec::new()));
                name.trim()
            }
            (None, None) if !head.is_empty() => {
                found.push((head.to_owned(), Vec::new()));
                continue;
            }
            (None, _) => head,
        };
        if let (Some(value), Some((_, parameters))) = (value, found.last_mut()) {
            parameters.push((name.to_owned(), unquoted(value.trim())));
        }
    }
    found
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let mut out = String::new();
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            _ if escaped => {
                out.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => break,
            _ => out.push(c),
        }
    }
    out
}

/// A quoted string; what a header cannot carry is left out.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

fn hex_md5(text: &str) -> String {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, b| bits << 8 | u32::from(*b));
        let bits = bits << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * index) & 0x3f) as usize];
            out.push(if index <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(user: &str, password: &str) -> Account {
        Account {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    #[test]
    fn basic_is_the_rfcs() {
        let challenge = Challenge::best(["Basic realm=\"WallyWorld\""]).unwrap();
        let answer = challenge.answer(
            &account("Aladdin", "open sesame"),
            "GET",
            "/",
            &mut Rng::new(1),
        );
        assert_eq!(answer, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn digest_is_the_rfcs() {
        // RFC 2069's example, with the response that its errata give.
        let header = "Digest realm=\"testrealm@host.com\", \
                      nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let challenge = Challenge::best([header]).unwrap();
        let who = account("Mufasa", "CircleOfLife");
        let answer = challenge.answer(&who, "GET", "/dir/index.html", &mut Rng::new(1));
        assert!(
            answer.contains("response=\"1949323746fe6a43ef61f9606e7febea\""),
            "{answer}"
        );
        assert!(answer.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
        let with_qop = format!("{header}, qop=\"auth,auth-int\"");
        let challenge = Challenge::best([with_qop.as_str()]).unwrap();
        let first = challenge.answer(&who, "GET", "/dir/index.html", &mut Rng::new(1));
        let mine = first
            .split("cnonce=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let secret = hex_md5("Mufasa:testrealm@host.com:CircleOfLife");
        let request = hex_md5("GET:/dir/index.html");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let expected = hex_md5(&format!("{secret}:{nonce}:00000001:{mine}:auth:{request}"));
        assert!(
            first.contains(&format!("response=\"{expected}\"")),
            "{first}"
        );
    }

    #[test]
    fn the_best_challenge_is_taken() {
        let is_digest = |headers: &[&str]| {
            let best = Challenge::best(headers.iter().copied());
            best.map(|c| matches!(c, Challenge::Digest { .. }))
        };
        for (headers, expected) in [
            (&["Basic realm=\"a, Digest nonce=b\""][..], Some(false)),
            (
                &["Basic realm=a, Digest realm=\"x\", nonce=\"y\""],
                Some(true),
            ),
            (&["Digest realm=x, nonce=y", "Basic realm=a"], Some(true)),
            (
                &["Digest realm=x, nonce=y, algorithm=SHA-256", "Basic"],
                Some(false),
            ),
            (&["Digest realm=x, nonce=y, qop=auth-int"], None),
            (&["Digest realm=x"], None),
            (&["Negotiate", "Bearer realm=x"], None),
            (&["", ",", "=", "\"", "Basic"], Some(false)),
            (&[], None),
        ] {
            assert_eq!(is_digest(headers), expected, "{headers:?}");
        }
    }
}
