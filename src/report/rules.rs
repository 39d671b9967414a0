//! The registry of rules, as text and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::text::{Paint, wrap};
use crate::phone::profile::Profile;
use crate::trust::rules::{Basis, Choices, Rule, Settings};

/// Version of the JSON document's form.
pub const SCHEMA_VERSION: u32 = 1;

/// Width of lines that are wrapped.
const WIDTH: usize = 100;

/// One rule with its value under a profile.
struct Line {
    rule: &'static Rule,
    value: i64,
    basis: Basis,
    source: &'static str,
}

impl Line {
    fn of(rule: &'static Rule, profile: Option<&Profile>) -> Self {
        let settings = profile.map_or_else(Settings::default, Profile::settings);
        let source = profile
            .and_then(|p| p.overrides.iter().rev().find(|o| o.key == rule.key))
            .map_or(rule.source, |o| o.source);
        Self {
            rule,
            value: settings.peek(rule.key),
            basis: settings.basis(rule.key),
            source,
        }
    }
}

/// The part of a name before the dot.
pub fn area(rule: &Rule) -> &'static str {
    rule.name
        .split_once('.')
        .map_or(rule.name, |(area, _)| area)
}

/// Rules for people, grouped by area in the order of the areas' first rules.
pub fn human(rules: &[&'static Rule], profile: Option<&Profile>, paint: Paint) -> String {
    let mut out = String::new();
    let mut areas: Vec<&str> = Vec::new();
    for rule in rules {
        if !areas.contains(&area(rule)) {
            areas.push(area(rule));
        }
    }
    for name in areas {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "{}", paint.strong(name));
        for rule in rules.iter().filter(|r| area(r) == name) {
            one(&mut out, &Line::of(rule, profile), paint);
        }
    }
    out
}

fn one(out: &mut String, line: &Line, paint: Paint) {
    let rule = line.rule;
    let _ = writeln!(
        out,
        "\n  {} = {}",
        paint.strong(rule.name),
        rule.text_of(line.value)
    );
    let basis = match line.basis {
        Basis::Assumed => paint.warn(&line.basis.to_string()),
        Basis::Documented | Basis::Inferred => line.basis.to_string(),
    };
    field(out, "decides", rule.what);
    field(out, "choices", &choices(line));
    field(out, "basis", &basis);
    field(out, "source", line.source);
}

fn field(out: &mut String, label: &str, text: &str) {
    let mut label = label;
    for line in wrap(text, WIDTH - 13) {
        let _ = writeln!(out, "    {label:<9}{line}");
        label = "";
    }
}

/// `[ask-tvs]  refuse`: the current one in brackets.
fn choices(line: &Line) -> String {
    match line.rule.choices {
        Choices::Words(words) => words
            .iter()
            .map(|w| {
                if *w == line.rule.text_of(line.value) {
                    format!("[{w}]")
                } else {
                    (*w).to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join("  "),
        Choices::Number { unit, min, max, .. } => {
            format!("[{}]  a number of {unit} from {min} to {max}", line.value)
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    profile: Option<&'a str>,
    rules: Vec<RuleFacts>,
}

#[derive(Serialize)]
struct RuleFacts {
    name: &'static str,
    value: String,
    choices: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<NumberFacts>,
    basis: String,
    source: &'static str,
    what: &'static str,
}

#[derive(Serialize)]
struct NumberFacts {
    unit: &'static str,
    min: i64,
    max: i64,
}

/// Rules as one JSON document. Of a number, `choices` are the value and the listed others.
pub fn json(rules: &[&'static Rule], profile: Option<&Profile>) -> String {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        profile: profile.map(|p| p.name),
        rules: rules
            .iter()
            .map(|rule| facts(&Line::of(rule, profile)))
            .collect(),
    };
    // These types have no map with keys that are no text: nothing here can fail.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn facts(line: &Line) -> RuleFacts {
    let rule = line.rule;
    let mut values = match rule.choices {
        Choices::Words(_) => Vec::new(),
        Choices::Number { .. } => vec![line.value],
    };
    values.extend(rule.others(line.value));
    RuleFacts {
        name: rule.name,
        value: rule.text_of(line.value),
        choices: match rule.choices {
            Choices::Words(words) => words.iter().map(ToString::to_string).collect(),
            Choices::Number { .. } => values.iter().map(|&v| rule.text_of(v)).collect(),
        },
        number: match rule.choices {
            Choices::Words(_) => None,
            Choices::Number { unit, min, max, .. } => Some(NumberFacts { unit, min, max }),
        },
        basis: line.basis.to_string(),
        source: line.source,
        what: rule.what,
    }
}
