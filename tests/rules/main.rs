//! The registry of rules: every rule is switched to each of its other choices, and something must
//! come out otherwise, a decision about a vector or a scenario. A rule that changes nothing is one
//! that the code does not follow.
//!
//! `cargo test --test rules every_rule -- --nocapture` prints what each choice changes.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

mod basis;
mod conversation;
mod decisions;
#[allow(dead_code, reason = "made for another test, which uses all of it")]
#[path = "../decisions/lab.rs"]
mod lab;
mod leases;
mod rehearsals;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use trustline::trust::rules::{Choices, RULES, Rule, find};

use conversation::Conversation;
use decisions::Decisions;
use leases::Leases;
use rehearsals::Rehearsals;

/// What is done under the default of every rule, to compare with.
struct Witnesses {
    decisions: Decisions,
    conversation: Conversation,
    leases: Leases,
    rehearsals: Rehearsals,
}

impl Witnesses {
    fn new() -> Self {
        Self {
            decisions: Decisions::new(),
            conversation: Conversation::new(),
            leases: Leases::new(),
            rehearsals: Rehearsals::new(),
        }
    }

    /// What a choice changes, the cheap witnesses first.
    fn change(&self, rule: &Rule, other: i64) -> Option<String> {
        self.decisions
            .change(rule, other)
            .or_else(|| self.conversation.change(rule, other))
            .or_else(|| self.leases.change(rule, other))
            .or_else(|| self.rehearsals.change(rule, other))
    }
}

/// A rule, one of its other choices, and what it changes.
type Found = (&'static str, String, Option<String>);

/// Switches each rule to each of its other choices.
fn switch(rules: &[Rule], witnesses: &Witnesses) -> Vec<Found> {
    let work: Vec<(&Rule, i64)> = rules
        .iter()
        .flat_map(|rule| {
            rule.others(rule.default)
                .into_iter()
                .map(move |o| (rule, o))
        })
        .collect();
    let found = in_threads(&work, |(rule, other)| {
        let change = witnesses.change(rule, *other);
        (rule.name, rule.text_of(*other), change)
    });
    for (name, other, change) in &found {
        let change = change.as_deref().unwrap_or("NOTHING");
        println!("{name} = {other}: {change}");
    }
    found
}

/// The first line that differs, from shortly before the place where it does.
fn difference(default: &[String], found: &[String]) -> Option<String> {
    let mut lines = 0..default.len().max(found.len());
    let at = lines.find(|&i| default.get(i) != found.get(i))?;
    let [default, found] =
        [default, found].map(|lines| lines.get(at).map_or("nothing more", String::as_str));
    let common = default
        .chars()
        .zip(found.chars())
        .take_while(|(a, b)| a == b);
    let start = common.count().saturating_sub(40);
    let part = |line: &str| line.chars().skip(start).take(100).collect::<String>();
    let (default, found) = (part(default), part(found));
    Some(format!("line {}: ..{found}, not ..{default}", at + 1))
}

/// Does the work on all processors; results in the order of the work.
fn in_threads<T: Sync, R: Send>(work: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((i, item)) = {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    work.get(i).map(|item| (i, item))
                } {
                    let result = act(item);
                    done.lock().unwrap().push((i, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

#[test]
fn every_rule_changes_something_with_each_of_its_choices() {
    // Two that cannot: the value that the rule has anyway, and a word that the code does not know,
    // so that it follows the default.
    let mut planted = [
        *find("tvs.connect_timeout_ms").unwrap(),
        *find("trust.wrong_role").unwrap(),
    ];
    planted[0].name = "planted.same_value";
    planted[0].default = 1;
    if let Choices::Number { others, .. } = &mut planted[0].choices {
        *others = &[5_000];
    }
    planted[1].name = "planted.word_that_nobody_reads";
    planted[1].choices = Choices::Words(&["ask-tvs", "refuse", "planted"]);

    let witnesses = Witnesses::new();
    let rules: Vec<Rule> = RULES.iter().chain(&planted).copied().collect();
    let found = switch(&rules, &witnesses);

    let without: Vec<_> = found
        .iter()
        .filter(|(.., change)| change.is_none())
        .map(|(name, other, _)| format!("{name} = {other}"))
        .collect();
    assert_eq!(
        without,
        [
            "planted.same_value = 5000",
            "planted.word_that_nobody_reads = planted"
        ],
        "rules without effect; the planted ones must be among them, and no other"
    );
    let tried = RULES
        .iter()
        .map(|r| r.others(r.default).len())
        .sum::<usize>();
    assert_eq!(found.len(), tried + 1 + 2, "nothing was left out");
}
