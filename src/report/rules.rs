//! The registry of rules, and the settings of multiplatform phones, as text and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::text::{Paint, wrap};
use crate::phone::profile::Profile;
use crate::provisioning::settings::Setting;
use crate::trust::rules::{Basis, Choices, Rule, Settings};

/// Version of the JSON document's form.
pub const SCHEMA_VERSION: u32 = 1;

/// Width of lines that are wrapped.
const WIDTH: usize = 100;

/// Something that can be set.
#[derive(Clone, Copy, Debug)]
pub enum Item {
    /// A rule of the registry.
    Rule(&'static Rule),
    /// A setting of a multiplatform phone.
    Provisioning(&'static Setting),
}

impl Item {
    /// `area.name`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.name,
            Self::Provisioning(setting) => setting.key,
        }
    }

    /// The part of its name before the dot.
    pub fn area(&self) -> &'static str {
        let name = self.name();
        name.split_once('.').map_or(name, |(area, _)| area)
    }
}

/// One of them with its value under a profile.
struct Line {
    name: &'static str,
    what: &'static str,
    value: String,
    /// Words, or the number with its unit and range.
    can_be: CanBe,
    basis: Basis,
    source: &'static str,
}

enum CanBe {
    Words(&'static [&'static str]),
    Number {
        unit: &'static str,
        min: i64,
        max: i64,
        /// The value, and others that are worth a look.
        samples: Vec<String>,
    },
}

impl Line {
    fn of(item: &Item, profile: Option<&Profile>) -> Self {
        match item {
            Item::Rule(rule) => Self::of_rule(rule, profile),
            Item::Provisioning(setting) => Self::of_setting(setting),
        }
    }

    fn of_rule(rule: &'static Rule, profile: Option<&Profile>) -> Self {
        let settings = profile.map_or_else(Settings::default, Profile::settings);
        let source = profile
            .and_then(|p| p.overrides.iter().rev().find(|o| o.key == rule.key))
            .map_or(rule.source, |o| o.source);
        let value = settings.peek(rule.key);
        Self {
            name: rule.name,
            what: rule.what,
            value: rule.text_of(value),
            can_be: match rule.choices {
                Choices::Words(words) => CanBe::Words(words),
                Choices::Number { unit, min, max, .. } => {
                    let mut samples = vec![value];
                    samples.extend(rule.others(value));
                    CanBe::Number {
                        unit,
                        min,
                        max,
                        samples: samples.iter().map(|&v| rule.text_of(v)).collect(),
                    }
                }
            },
            basis: settings.basis(rule.key),
            source,
        }
    }

    /// No firmware family of enterprise phones changes these.
    fn of_setting(setting: &'static Setting) -> Self {
        let value = setting.default_text();
        let (min, max) = setting.range;
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            name: setting.key,
            what: setting.about,
            can_be: match setting.choices {
                [] => CanBe::Number {
                    unit: setting.unit(),
                    min: number(min),
                    max: number(max),
                    samples: vec![value.clone(), min.to_string(), max.to_string()],
                },
                words => CanBe::Words(words),
            },
            value,
            basis: setting.basis,
            source: setting.source,
        }
    }
}

/// Rules for people, grouped by area in the order of the areas' first rules.
pub fn human(rules: &[Item], profile: Option<&Profile>, paint: Paint) -> String {
    let mut out = String::new();
    let mut areas: Vec<&str> = Vec::new();
    for rule in rules {
        if !areas.contains(&rule.area()) {
            areas.push(rule.area());
        }
    }
    for name in areas {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "{}", paint.strong(name));
        for rule in rules.iter().filter(|r| r.area() == name) {
            one(&mut out, &Line::of(rule, profile), paint);
        }
    }
    out
}

fn one(out: &mut String, line: &Line, paint: Paint) {
    let _ = writeln!(out, "\n  {} = {}", paint.strong(line.name), line.value);
    let basis = match line.basis {
        Basis::Assumed => paint.warn(&line.basis.to_string()),
        Basis::Documented | Basis::Inferred => line.basis.to_string(),
    };
    field(out, "decides", line.what);
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
    match &line.can_be {
        CanBe::Words(words) => words
            .iter()
            .map(|w| {
                if *w == line.value {
                    format!("[{w}]")
                } else {
                    (*w).to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join("  "),
        CanBe::Number { unit, min, max, .. } => {
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
pub fn json(rules: &[Item], profile: Option<&Profile>) -> String {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        profile: profile.map(|p| p.name),
        rules: rules
            .iter()
            .map(|item| facts(&Line::of(item, profile)))
            .collect(),
    };
    // These types have no map with keys that are no text: nothing here can fail.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn facts(line: &Line) -> RuleFacts {
    let (choices, number) = match &line.can_be {
        CanBe::Words(words) => (words.iter().map(ToString::to_string).collect(), None),
        CanBe::Number {
            unit,
            min,
            max,
            samples,
        } => {
            let (min, max) = (*min, *max);
            (samples.clone(), Some(NumberFacts { unit, min, max }))
        }
    };
    RuleFacts {
        name: line.name,
        value: line.value.clone(),
        choices,
        number,
        basis: line.basis.to_string(),
        source: line.source,
        what: line.what,
    }
}
