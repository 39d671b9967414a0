//! Conditions of rules and triggers.

use std::cmp::Ordering;

use super::{EvaluationError, MAX_RULE, RuleError};
use crate::provisioning::macros::{Place, Values};

/// Comparisons joined by `and`: all must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    comparisons: Vec<Comparison>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    left: Operand,
    operator: Operator,
    right: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Each operator's two spellings, the longer symbols first.
const OPERATORS: [(Operator, &str, &str); 6] = [
    (Operator::NotEqual, "!=", "ne"),
    (Operator::LessOrEqual, "<=", "le"),
    (Operator::GreaterOrEqual, ">=", "ge"),
    (Operator::Equal, "=", "eq"),
    (Operator::Less, "<", "lt"),
    (Operator::Greater, ">", "gt"),
];

impl Operator {
    fn word(self) -> &'static str {
        let spelt = OPERATORS.iter().find(|(operator, _, _)| *operator == self);
        spelt.map_or("", |(_, _, word)| word)
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Quoted(String),
    Bare(String),
}

enum Value {
    Text(String),
    Number(i64),
    Version(Version),
}

/// A firmware version: `sip8832.11-3-2MPP0001-609`, or `sip7832.11-0-1MPP-312` of older ones.
/// Compared by its numbers in their order; the model before the dot does not count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u32; 5]);

impl Version {
    /// Reads a version; none if the text has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        let (model, rest) = text.strip_prefix("sip")?.split_once('.')?;
        let is_model = (1..=8).contains(&model.len());
        if !is_model || !model.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let (release, build) = rest.split_once("MPP")?;
        let mut numbers = release.split('-').map(number);
        let (major, minor, micro) = (numbers.next()??, numbers.next()??, numbers.next()??);
        if numbers.next().is_some() {
            return None;
        }
        let (variant, build) = build.split_once('-')?;
        let variant = match variant {
            "" => 0,
            digits => number(digits)?,
        };
        Some(Self([major, minor, micro, variant, number(build)?]))
    }
}

fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

impl Operand {
    fn shown(&self) -> String {
        match self {
            Self::Quoted(text) => format!("\"{text}\""),
            Self::Bare(text) => text.clone(),
        }
    }

    fn value(&self, values: &Values) -> Result<Value, EvaluationError> {
        let text = match self {
            Self::Quoted(text) => {
                return Ok(Value::Text(values.expand(text, Place::Text)?.into_owned()));
            }
            Self::Bare(text) => values.expand(text, Place::Text)?,
        };
        // `+5` is no number of these rules.
        let digits = text.strip_prefix('-').unwrap_or(&text);
        if !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && let Ok(number) = text.parse()
        {
            return Ok(Value::Number(number));
        }
        match Version::parse(&text) {
            Some(version) => Ok(Value::Version(version)),
            None => Err(EvaluationError::Operand {
                operand: self.shown(),
                value: text.into_owned(),
            }),
        }
    }
}

impl Condition {
    /// Reads a condition on its own, as `Resync_Trigger_1` has it.
    ///
    /// # Errors
    /// The first place where the text is no condition, or more bytes than a rule may have.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.len() > MAX_RULE {
            let what = format!("the condition has {} bytes, at most {MAX_RULE}", text.len());
            return Err(RuleError::new(MAX_RULE, what));
        }
        Self::parse_at(text, 0)
    }

    /// [`Self::parse`] of a part of a rule that begins at `offset`.
    pub(super) fn parse_at(text: &str, offset: usize) -> Result<Self, RuleError> {
        let mut reader = Reader {
            text,
            at: 0,
            offset,
        };
        let mut comparisons = Vec::new();
        loop {
            comparisons.push(Comparison {
                left: reader.operand()?,
                operator: reader.operator()?,
                right: reader.operand()?,
            });
            reader.skip_blanks();
            if reader.rest().is_empty() {
                return Ok(Self { comparisons });
            }
            if reader.word() != "and" {
                return Err(reader.fail("expected and, or the end of the condition"));
            }
            reader.at += "and".len();
        }
    }

    /// Whether all comparisons hold with these values.
    ///
    /// # Errors
    /// A comparison that makes no sense; those after one that is false are not looked at.
    pub fn holds(&self, values: &Values) -> Result<bool, EvaluationError> {
        for comparison in &self.comparisons {
            if !comparison.holds(values)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Comparison {
    fn holds(&self, values: &Values) -> Result<bool, EvaluationError> {
        let fail = |why| {
            Err(EvaluationError::Comparison {
                left: self.left.shown(),
                operator: self.operator.word(),
                right: self.right.shown(),
                why,
            })
        };
        match (self.left.value(values)?, self.right.value(values)?) {
            (Value::Number(l), Value::Number(r)) => Ok(self.operator.holds(l.cmp(&r))),
            (Value::Version(l), Value::Version(r)) => Ok(self.operator.holds(l.cmp(&r))),
            (Value::Text(l), Value::Text(r)) => match self.operator {
                Operator::Equal => Ok(l == r),
                Operator::NotEqual => Ok(l != r),
                _ => fail("texts have eq and ne alone"),
            },
            _ => fail("both sides must be numbers, versions, or texts in quotes"),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    offset: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn fail(&self, what: &str) -> RuleError {
        RuleError::new(self.offset + self.at, what)
    }

    /// What stands here up to a blank, a quote or a symbol.
    fn word(&self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || "=!<>\"".contains(c));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn operand(&mut self) -> Result<Operand, RuleError> {
        self.skip_blanks();
        if let Some(after) = self.rest().strip_prefix('"') {
            let Some((text, _)) = after.split_once('"') else {
                return Err(self.fail("this quote is not closed"));
            };
            self.at += text.len() + 2;
            return Ok(Operand::Quoted(text.to_owned()));
        }
        let word = self.word();
        if word.is_empty() || word == "and" {
            return Err(self.fail("expected a number, a version, a macro or a text in quotes"));
        }
        self.at += word.len();
        Ok(Operand::Bare(word.to_owned()))
    }

    fn operator(&mut self) -> Result<Operator, RuleError> {
        self.skip_blanks();
        let word = self.word();
        let found = OPERATORS.iter().find_map(|&(operator, symbol, spelt)| {
            if self.rest().starts_with(symbol) {
                return Some((operator, symbol.len()));
            }
            (word == spelt).then_some((operator, spelt.len()))
        });
        let Some((operator, length)) = found else {
            let what = "expected an operator: = != < <= > >= or eq ne lt le gt ge";
            return Err(self.fail(what));
        };
        self.at += length;
        Ok(operator)
    }
}
