//! Expectations: what a scenario says must come out, against what did.

use super::basis::RestsOn;
use super::judge::{Fate, Owner, owner_text};
use super::model::{self, Expectation, ListOwner, Scenario, Target};
use super::pattern::{EventPattern, FilePattern};
use super::run::LabPhone;
use super::words::ClosedWord;
use crate::event::{Event, Kind};

/// One expectation about one thing, and whether it holds for every phone that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What was expected.
    pub text: String,
    /// What was found, for the first phone where it does not hold.
    pub failed: Option<String>,
}

/// Checks all expectations of a scenario.
pub(super) fn check(
    scenario: &Scenario,
    phones: &[LabPhone],
    fates: &[Fate],
    rests: &[RestsOn],
) -> Vec<Checked> {
    scenario
        .expectations
        .iter()
        .map(|e| check_one(scenario, e, phones, fates, rests))
        .collect()
}

fn check_one(
    scenario: &Scenario,
    e: &Expectation,
    phones: &[LabPhone],
    fates: &[Fate],
    rests: &[RestsOn],
) -> Checked {
    let numbers = e.phones.resolve(&scenario.phones);
    let total = scenario.phone_count();
    let who = match numbers.as_slice() {
        all if all.len() == total => "all phones".to_owned(),
        [one] => model::device_name(*one),
        [first, .., last] => {
            let (first, last) = (model::device_name(*first), model::device_name(*last));
            format!("{} phones, {first} to {last}", numbers.len())
        }
        [] => "no phones".to_owned(),
    };
    let text = format!("{who}: {}", words(e).join(", "));
    let failed = numbers
        .iter()
        .filter_map(|n| n.checked_sub(1))
        .find_map(|i| {
            let (phone, fate) = (phones.get(i)?, fates.get(i)?);
            let found = mismatch(e, phone, fate, rests.get(i))?;
            Some(format!("{}: {found}", fate.device))
        });
    Checked { text, failed }
}

/// The expectation in words.
fn words(e: &Expectation) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(v) = &e.verdict {
        all.push(v.value.as_str().to_owned());
    }
    if let Some(r) = &e.reason {
        all.push(format!("because of {}", r.value));
    }
    all.extend(e.status.iter().map(|s| format!("status \"{}\"", s.value)));
    if let Some(n) = &e.tvs_asked {
        all.push(format!("TVS asked {} times", n.value));
    }
    if !e.requests.is_empty() {
        let names: Vec<_> = e.requests.iter().map(|r| r.value.as_str()).collect();
        all.push(format!("requests {}", names.join(", ")));
    }
    if !e.silent.is_empty() {
        let names: Vec<_> = e.silent.iter().map(|r| r.value.as_str()).collect();
        all.push(format!("never asks {}", names.join(", ")));
    }
    if let Some(o) = &e.ctl {
        all.push(format!("CTL of {}", owner_name(&o.value)));
    }
    if let Some(o) = &e.itl {
        all.push(format!("ITL of {}", owner_name(&o.value)));
    }
    if let Some(t) = &e.follows {
        all.push(format!("follows {}", target_name(t)));
    }
    if let Some(b) = &e.rests_on {
        all.push(format!("rests on {}", b.value.as_str()));
    }
    if !e.events.is_empty() {
        all.push(format!("{} events in order", e.events.len()));
    }
    all
}

/// The first thing that is not as expected.
fn mismatch(
    e: &Expectation,
    phone: &LabPhone,
    fate: &Fate,
    rests: Option<&RestsOn>,
) -> Option<String> {
    if let Some(v) = &e.verdict
        && v.value != fate.verdict
    {
        let why = fate
            .reasons
            .last()
            .map(|r| format!(" ({})", r.text))
            .unwrap_or_default();
        return Some(format!("{}{why}", fate.verdict.as_str()));
    }
    if let Some(r) = &e.reason
        && Some(r.value.as_str()) != fate.reason()
    {
        return Some(format!("the reason is {}", fate.reason().unwrap_or("none")));
    }
    if let Some(missing) = missing_status(e, phone) {
        return Some(missing);
    }
    if let Some(n) = &e.tvs_asked
        && n.value != fate.tvs_asked
    {
        return Some(format!("TVS was asked {} times", fate.tvs_asked));
    }
    let requested: Vec<&str> = phone
        .events
        .iter()
        .filter_map(|e| match &e.kind {
            Kind::Requested { file, .. } => Some(file.as_str()),
            _ => None,
        })
        .collect();
    let mut rest = requested.iter();
    for pattern in &e.requests {
        if !rest.any(|name| pattern.value.matches(name)) {
            let (pattern, made) = (pattern.value.as_str(), requested.join(", "));
            return Some(format!("{pattern} was not asked there; asked were {made}"));
        }
    }
    let broken = |p: &FilePattern| requested.iter().find(|n| p.matches(n));
    if let Some(name) = e.silent.iter().find_map(|p| broken(&p.value)) {
        return Some(format!("{name} was asked"));
    }
    if let Some(o) = &e.ctl
        && !owns(&o.value, fate.ctl.as_ref())
    {
        return Some(format!("the CTL is of {}", owner_text(fate.ctl.as_ref())));
    }
    if let Some(o) = &e.itl
        && !owns(&o.value, fate.itl.as_ref())
    {
        return Some(format!("the ITL is of {}", owner_text(fate.itl.as_ref())));
    }
    if let Some(t) = &e.follows {
        let holds = fate
            .follows
            .as_ref()
            .is_some_and(|(cluster, node)| match t {
                Target::Node(n) => n.value == *node,
                Target::Cluster(c) => c.value == *cluster,
            });
        if !holds {
            let found = fate
                .follows
                .as_ref()
                .map_or("nobody", |(cluster, _)| cluster);
            return Some(format!("it follows {found}"));
        }
    }
    if let (Some(b), Some(rests)) = (&e.rests_on, rests)
        && b.value.as_str() != rests.basis.to_string()
    {
        let (basis, rules) = (rests.basis, rests.rules.join(", "));
        return Some(format!("it rests on {basis}: {rules}"));
    }
    missing_event(e, phone)
}

fn missing_status(e: &Expectation, phone: &LabPhone) -> Option<String> {
    let shown: Vec<&str> = phone
        .events
        .iter()
        .filter_map(|e| match &e.kind {
            Kind::Status { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let mut rest = shown.iter();
    for wanted in &e.status {
        if !rest.any(|s| s.eq_ignore_ascii_case(&wanted.value)) {
            return Some(format!(
                "\"{}\" was not shown; shown were: {}",
                wanted.value,
                shown.join(" | ")
            ));
        }
    }
    None
}

fn missing_event(e: &Expectation, phone: &LabPhone) -> Option<String> {
    let mut rest = phone.events.iter();
    for pattern in &e.events {
        if !rest.any(|event| event_matches(&pattern.value, event)) {
            return Some(format!(
                "the event `{}` did not come there",
                text_of(&pattern.value)
            ));
        }
    }
    None
}

/// True if the event is of the pattern's kind and has its fields.
pub fn event_matches(pattern: &EventPattern, event: &Event) -> bool {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(event) else {
        return false;
    };
    if fields.get("kind").and_then(|k| k.as_str()) != Some(&pattern.kind) {
        return false;
    }
    pattern.fields.iter().all(|(name, wanted)| {
        fields
            .get(&name.replace('-', "_"))
            .is_some_and(|found| match found {
                serde_json::Value::String(s) => FilePattern::new(wanted.clone()).matches(s),
                other => *wanted == format!("{other}"),
            })
    })
}

fn text_of(p: &EventPattern) -> String {
    let fields = p.fields.iter().map(|(n, v)| format!(" {n}={v}"));
    p.kind.clone() + &fields.collect::<String>()
}

fn owner_name(o: &ListOwner) -> String {
    match o {
        ListOwner::Nobody => "none".into(),
        ListOwner::Cluster(n) | ListOwner::Node(n) => n.clone(),
    }
}

fn target_name(t: &Target) -> String {
    match t {
        Target::Node(n) | Target::Cluster(n) => n.value.clone(),
    }
}

fn owns(wanted: &ListOwner, found: Option<&Owner>) -> bool {
    match (wanted, found) {
        (ListOwner::Nobody, None) => true,
        (ListOwner::Node(n), Some(o)) => *n == o.node,
        (ListOwner::Cluster(c), Some(o)) => o.cluster.as_ref() == Some(c),
        _ => false,
    }
}
