//! What a fate rests on: the weakest rule whose other listed choice would change it.
//!
//! It is found by trying: each rule that the prediction used is set to each of its other choices, and
//! the phone's machine runs again. Rules of clusters are left out, since what clusters do was looked
//! at; only where answers of TVS were concluded ([`with_concluded`]) they count.

use super::answer::RestsOn;
use super::evidence::Sides;
use super::predict::{Move, Prediction, Subject, predict};
use crate::event::{Event, Kind};
use crate::trust::rules::{self, Basis, Key};

/// Stands among the rules where no rule says it, but a guess about the phone.
const OTHERS_CONFIGURATION: &str = "its configuration names the servers that another phone's does";

/// Finds out for a phone. None where the fate is not known. A choice that needs something that nobody
/// read counts as one that changes the fate: nobody can say that it does not.
pub fn rests_on(
    sides: &Sides,
    subject: &Subject,
    plan: &Move,
    prediction: &Prediction,
) -> Option<RestsOn> {
    if prediction.gap.is_some() {
        return None;
    }
    let settings = &subject.setup.settings;
    let others = |key: Key| {
        let others = rules::rule(key).others(settings.peek(key));
        others.into_iter().map(move |value| (key, value))
    };
    let used = || prediction.used.iter().copied();
    let mut watched = subject.clone();
    let all = used().flat_map(others).collect();
    watched.setup.settings.watch(all);
    // What no boot felt has no other outcome.
    let felt = predict(sides, &watched, plan).felt;
    let mut tried = subject.clone();
    let mut changes = |(key, value): (Key, i64)| {
        tried.setup.settings = settings.clone();
        tried.setup.settings.choose(rules::rule(key), value);
        predict(sides, &tried, plan).verdict != prediction.verdict
    };
    for basis in [Basis::Assumed, Basis::Inferred, Basis::Documented] {
        let of_basis = used().filter(|&k| settings.basis(k) == basis && felt.contains(&k));
        let decisive: Vec<_> = of_basis.filter(|&k| others(k).any(&mut changes)).collect();
        if !decisive.is_empty() {
            return Some(told(basis, &decisive));
        }
    }
    Some(told(Basis::Documented, &[]))
}

/// The same, with what was concluded about the phone: the answers of a TVS that it asked and that
/// nobody heard follow from rules of its cluster, of which one is assumed; that it holds what another
/// phone holds is assumed too.
pub fn with_concluded(
    found: Option<RestsOn>,
    sides: &Sides,
    subject: &Subject,
    prediction: &Prediction,
) -> Option<RestsOn> {
    let asks_derived = |e: &Event| match &e.kind {
        Kind::TvsAsked { server, .. } => {
            let host = server
                .rsplit_once(':')
                .map_or(&server[..], |(host, _)| host);
            let nodes = sides.hosts(host).into_iter();
            let mut nodes = nodes.filter_map(|at| sides.node(at));
            nodes.any(|n| n.tvs.derived)
        }
        _ => false,
    };
    let mut concluded = told(Basis::Assumed, &[]);
    if prediction.events.iter().any(asks_derived) {
        let rules = [Key::TvsRestartNeeded, Key::TvsRolesOfStore];
        concluded.rules = told(Basis::Assumed, &rules).rules;
    }
    if subject.taken.configuration {
        concluded.rules.push(OTHERS_CONFIGURATION.into());
    }
    let mut found = found?;
    if concluded.rules.is_empty() {
        return Some(found);
    }
    if found.basis == concluded.basis {
        found.rules.extend(concluded.rules);
        return Some(found);
    }
    Some(concluded)
}

fn told(basis: Basis, decisive: &[Key]) -> RestsOn {
    RestsOn {
        basis: match basis {
            Basis::Documented => "documented",
            Basis::Inferred => "inferred",
            Basis::Assumed => "assumed",
        },
        rules: decisive
            .iter()
            .map(|&k| rules::rule(k).name.to_owned())
            .collect(),
    }
}
