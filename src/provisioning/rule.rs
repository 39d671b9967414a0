//! Profile rules: alternatives, conditions, assignments, options, and the URL.
//!
//! ```text
//! rule         alternative | alternative | ..
//! alternative  (condition)?  (assignments)!  [--options]  URL      each part may be missing
//! condition    operand operator operand  and  ..
//! assignments  Parameter = "value" ; ..
//! URL          [scheme://][server[:port]]/path
//! ```
//!
//! Source: Cisco's 7832 guide, Provisioning Formats (conditional expressions, assignment
//! expressions, URL syntax, optional resync arguments). A rule is split first and its parts are
//! expanded after, so that a quote or a bar in a parameter's value cannot change the rule's shape:
//! inferred, since `$SA` to `$SD` are expanded in the arguments of options alone.

use std::fmt;

use thiserror::Error;

use super::macros::{Place, TooLong, Values};

mod condition;
mod url;

pub use condition::{Condition, Version};
pub use url::{Scheme, Server, Url, UrlError};

/// Bytes of a rule, at most. No source gives a bound.
pub const MAX_RULE: usize = 4 * 1024;

/// A rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("character {} of the rule: {what}", offset + 1)]
pub struct RuleError {
    /// Bytes from the rule's start.
    pub offset: usize,
    /// What is wrong there, and what is expected.
    pub what: String,
}

impl RuleError {
    fn new(offset: usize, what: impl Into<String>) -> Self {
        Self {
            offset,
            what: what.into(),
        }
    }
}

/// A rule whose shape is right, but whose parts make no sense with the phone's values.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EvaluationError {
    /// A part grows too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// An operand is no number, no version and no text in quotes.
    #[error(
        "the operand {operand} is {value:?}: expected a number, a version such as \
         sip8832.11-3-2MPP0001-609, or a text in quotes"
    )]
    Operand {
        /// As the rule has it.
        operand: String,
        /// What it expands to.
        value: String,
    },
    /// The two sides cannot be compared so.
    #[error("{left} {operator} {right} cannot be compared: {why}")]
    Comparison {
        /// Left side.
        left: String,
        /// The operator, as the rule has it.
        operator: &'static str,
        /// Right side.
        right: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The URL.
    #[error(transparent)]
    Url(#[from] UrlError),
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// What it chooses from, left to right. Empty for an empty rule.
    pub alternatives: Vec<Alternative>,
}

/// One alternative, nothing in it expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alternative {
    /// When it is taken; none: always.
    pub condition: Option<Condition>,
    /// Parameters that it sets before the download: name, and value with its macros.
    pub assignments: Vec<(String, String)>,
    /// The options, and their arguments with macros.
    pub options: RawOptions,
    /// The URL with its macros; empty if nothing is downloaded.
    pub url: String,
}

/// The options before a URL, with macros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawOptions {
    /// `--key`.
    pub key: Option<String>,
    /// `--uid`.
    pub uid: Option<String>,
    /// `--pwd`.
    pub pwd: Option<String>,
    /// `--post`.
    pub post: Option<String>,
    /// `--alias`, which no resync over HTTP uses.
    pub alias: Option<String>,
    /// `--srv`: look for SRV records of the server's name.
    pub srv: bool,
}

/// What an alternative says to download.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// From where.
    pub url: Url,
    /// The pass phrase of the profile.
    pub key: Option<String>,
    /// The account that HTTP authentication uses.
    pub account: Option<Account>,
    /// The body of a POST; none for a GET.
    pub post: Option<String>,
    /// Whether SRV records are asked for.
    pub srv: bool,
}

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// `--uid`.
    pub user: String,
    /// `--pwd`.
    pub password: String,
}

/// Never shows a key or a password.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account.as_ref();
        f.debug_struct("Target")
            .field("url", &self.url)
            .field("has_key", &self.key.is_some())
            .field("user", &account.map(|a| &a.user))
            .field("posts", &self.post.is_some())
            .field("srv", &self.srv)
            .finish()
    }
}

/// Never shows the password.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({:?}, password not shown)", self.user)
    }
}

impl Rule {
    /// Reads a rule. An empty one has no alternative.
    ///
    /// # Errors
    /// The first place where the text is no rule.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.len() > MAX_RULE {
            let what = format!("the rule has {} bytes, at most {MAX_RULE}", text.len());
            return Err(RuleError::new(MAX_RULE, what));
        }
        let mut alternatives = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self { alternatives });
        }
        let mut cursor = Cursor { text, at: 0 };
        loop {
            let start = cursor.at;
            let alternative = cursor.alternative()?;
            let is_last = cursor.peek() != Some('|');
            if !is_last && alternative.condition.is_none() {
                let what = "an alternative without a condition must be the last one: \
                            put (condition)? before it, or remove what follows";
                return Err(RuleError::new(start, what));
            }
            alternatives.push(alternative);
            if is_last {
                return Ok(Self { alternatives });
            }
            cursor.at += 1;
        }
    }

    /// The alternative that these values choose; none if no condition is true, or for an empty
    /// rule: then the phone goes on with the next rule.
    ///
    /// # Errors
    /// A condition that cannot be evaluated.
    pub fn choose(&self, values: &Values) -> Result<Option<&Alternative>, EvaluationError> {
        for alternative in &self.alternatives {
            match &alternative.condition {
                Some(condition) if !condition.holds(values)? => {}
                _ => return Ok(Some(alternative)),
            }
        }
        Ok(None)
    }
}

impl Alternative {
    /// What is downloaded, with these values; none if the alternative has no URL. The assignments
    /// must have been made before.
    ///
    /// # Errors
    /// A part grows too long, or the URL is none.
    pub fn target(&self, values: &Values) -> Result<Option<Target>, EvaluationError> {
        if self.url.is_empty() {
            return Ok(None);
        }
        let url = Url::parse(values.expand(&self.url, Place::Text)?.trim())?;
        let argument = |raw: &Option<String>| -> Result<Option<String>, TooLong> {
            let Some(raw) = raw else { return Ok(None) };
            Ok(Some(
                values.expand(raw, Place::OptionArgument)?.into_owned(),
            ))
        };
        let post = match &self.options.post {
            // A lower-case letter names a general purpose parameter, whose content is expanded.
            Some(letter) if general_purpose(letter).is_some() => {
                let name = letter.to_ascii_uppercase();
                let content = values.get(&name, Place::Text).unwrap_or_default();
                Some(values.expand(content, Place::Text)?.into_owned())
            }
            other => argument(other)?,
        };
        let account = match (argument(&self.options.uid)?, argument(&self.options.pwd)?) {
            (None, None) => None,
            (user, password) => Some(Account {
                user: user.unwrap_or_default(),
                password: password.unwrap_or_default(),
            }),
        };
        Ok(Some(Target {
            url,
            key: argument(&self.options.key)?,
            account,
            post,
            srv: self.options.srv,
        }))
    }
}

/// `GPP_A` for `a`, to `GPP_P` for `p`; none for anything else.
pub fn general_purpose(letter: &str) -> Option<String> {
    match letter.as_bytes() {
        [b'a'..=b'p'] => Some(format!("GPP_{}", letter.to_ascii_uppercase())),
        _ => None,
    }
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Goes on to the first of `ends` outside quotes. None if there is none before the end.
    fn until(&self, ends: &[char]) -> Option<usize> {
        let mut quoted = false;
        for (at, c) in self.rest().char_indices() {
            match c {
                '"' => quoted = !quoted,
                c if !quoted && ends.contains(&c) => return Some(self.at + at),
                _ => {}
            }
        }
        None
    }

    fn alternative(&mut self) -> Result<Alternative, RuleError> {
        let mut found = Alternative::default();
        self.skip_blanks();
        while self.peek() == Some('(') {
            self.parenthesis(&mut found)?;
            self.skip_blanks();
        }
        let after = self.rest();
        if after.starts_with('[') && after[1..].trim_start().starts_with("--") {
            self.options(&mut found.options)?;
        }
        let start = self.at;
        // A URL holds no quotes; a bar ends it.
        let length = self.rest().find('|').unwrap_or_else(|| self.rest().len());
        self.at += length;
        found.url = self.text[start..self.at].trim().to_owned();
        Ok(found)
    }

    /// `( .. )?` or `( .. )!`.
    fn parenthesis(&mut self, found: &mut Alternative) -> Result<(), RuleError> {
        let open = self.at;
        self.at += 1;
        let inner = self.at;
        // A macro such as $(A:1) has parentheses of its own.
        let mut depth = 1_usize;
        let close = loop {
            let Some(at) = self.until(&['(', ')']) else {
                let what = "this parenthesis, or a quote after it, is not closed";
                return Err(RuleError::new(open, what));
            };
            let is_close = self.text[at..].starts_with(')');
            self.at = at + 1;
            depth = if is_close { depth - 1 } else { depth + 1 };
            if depth == 0 {
                break at;
            }
        };
        let content = &self.text[inner..close];
        self.skip_blanks();
        match self.peek() {
            Some('?') if found.condition.is_none() && found.assignments.is_empty() => {
                found.condition = Some(Condition::parse_at(content, inner)?);
            }
            Some('!') if found.assignments.is_empty() => {
                found.assignments = assignments(content, inner)?;
            }
            Some('?' | '!') => {
                let what = "expected one condition (..)? at most, then one assignment (..)!";
                return Err(RuleError::new(open, what));
            }
            _ => {
                let what = "expected ? after a condition, or ! after an assignment";
                return Err(RuleError::new(self.at, what));
            }
        }
        self.at += 1;
        Ok(())
    }

    /// `[ --key k --uid u .. ]`.
    fn options(&mut self, options: &mut RawOptions) -> Result<(), RuleError> {
        let open = self.at;
        self.at += 1;
        let Some(close) = self.until(&[']']) else {
            let what = "this bracket, or a quote after it, is not closed";
            return Err(RuleError::new(open, what));
        };
        let mut words = Words {
            text: &self.text[..close],
            at: self.at,
        };
        while let Some((at, name)) = words.next() {
            let slot = match name.as_str() {
                "--srv" => {
                    options.srv = true;
                    continue;
                }
                "--key" => &mut options.key,
                "--uid" => &mut options.uid,
                "--pwd" => &mut options.pwd,
                "--post" => &mut options.post,
                "--alias" => &mut options.alias,
                other => {
                    let what = format!(
                        "{other} is no option: expected --key, --uid, --pwd, --post, --alias or --srv"
                    );
                    return Err(RuleError::new(at, what));
                }
            };
            let Some((_, argument)) = words.next() else {
                return Err(RuleError::new(at, format!("{name} needs an argument")));
            };
            if slot.replace(argument).is_some() {
                return Err(RuleError::new(at, format!("{name} stands here twice")));
            }
        }
        self.at = close + 1;
        Ok(())
    }
}

/// Words between blanks, or in quotes.
struct Words<'t> {
    text: &'t str,
    at: usize,
}

impl Iterator for Words<'_> {
    type Item = (usize, String);

    fn next(&mut self) -> Option<(usize, String)> {
        let rest = self.text.get(self.at..)?;
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let rest = &self.text[start..];
        if rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = rest.char_indices().find(|&(_, c)| {
            quoted ^= c == '"';
            !quoted && c.is_whitespace()
        });
        let end = end.map_or(rest.len(), |(at, _)| at);
        self.at += end;
        Some((start, rest[..end].replace('"', "")))
    }
}

/// `Name = "value" ; Name = "value" ;`
fn assignments(content: &str, offset: usize) -> Result<Vec<(String, String)>, RuleError> {
    let mut found = Vec::new();
    let mut rest = content;
    let here = |rest: &str| offset + content.len() - rest.len();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(found);
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        if name.is_empty() {
            return Err(RuleError::new(here(rest), "expected a parameter's name"));
        }
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        let value = value.and_then(|v| v.strip_prefix('"'));
        let Some((value, after)) = value.and_then(|v| v.split_once('"')) else {
            let what = format!("expected {name} = \"value\"");
            return Err(RuleError::new(here(after), what));
        };
        let name = general_purpose(name).unwrap_or_else(|| name.to_owned());
        found.push((name, value.to_owned()));
        rest = after.trim_start();
        match rest.strip_prefix(';') {
            Some(after) => rest = after,
            // The last one needs no semicolon.
            None if rest.is_empty() => {}
            None => {
                let what = "expected ; between two assignments";
                return Err(RuleError::new(here(rest), what));
            }
        }
    }
}

#[cfg(test)]
mod tests;
