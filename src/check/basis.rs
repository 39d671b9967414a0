//! What a fate rests on: the weakest rule whose other listed choice would change it.
//!
//! It is found by trying: each rule that the prediction used is set to each of its other choices, and
//! the phone's machine runs again. Rules of clusters are left out, since what clusters do was looked
//! at; only where answers of TVS were concluded ([`with_concluded`]) they count.

use super::answer::RestsOn;
use super::evidence::Sides;
use super::predict::{Move, Prediction, Subject, predict};
use crate::event::Kind;
use crate::scenario::words::Verdict;
use crate::trust::rules::{self, Basis, Key, Settings};

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
    Some(by_trying(
        &subject.setup.settings,
        &prediction.used,
        prediction.verdict,
        &mut |settings| {
            let mut tried = subject.clone();
            tried.setup.settings = settings;
            let then = predict(sides, &tried, plan);
            Some((then.verdict, then.felt))
        },
    ))
}

/// The weakest of the used rules whose other choice leads to another verdict than this one. `run` tells
/// what phones with such rules come to, and which of the watched rules they felt; nothing where that is
/// not known, which counts as another verdict.
pub(super) fn by_trying(
    settings: &Settings,
    used: &[Key],
    verdict: Verdict,
    run: &mut dyn FnMut(Settings) -> Option<(Verdict, Vec<Key>)>,
) -> RestsOn {
    let others = |key: Key| {
        let others = rules::rule(key).others(settings.peek(key));
        others.into_iter().map(move |value| (key, value))
    };
    let used = || used.iter().copied();
    let mut watched = settings.clone();
    watched.watch(used().flat_map(others).collect());
    // What no boot felt has no other outcome.
    let felt = run(watched).map_or_else(|| used().collect(), |(_, felt)| felt);
    let mut changes = |(key, value): (Key, i64)| {
        let mut tried = settings.clone();
        tried.choose(rules::rule(key), value);
        run(tried).is_none_or(|(then, _)| then != verdict)
    };
    for basis in [Basis::Assumed, Basis::Inferred, Basis::Documented] {
        let of_basis = used().filter(|&k| settings.basis(k) == basis && felt.contains(&k));
        let decisive: Vec<_> = of_basis.filter(|&k| others(k).any(&mut changes)).collect();
        if !decisive.is_empty() {
            return told(basis, &decisive);
        }
    }
    told(Basis::Documented, &[])
}

/// The same, with what was concluded rather than read: the answers of a TVS that it asked and that
/// nobody heard follow from rules of its cluster, of which one is assumed; that a server hands out the
/// files that lie in a folder, that the phone holds what another one holds or a node serves, and that it
/// is of a model that nobody said or does what those of another family do, is assumed too.
pub fn with_concluded(
    found: Option<RestsOn>,
    sides: &Sides,
    subject: &Subject,
    prediction: &Prediction,
) -> Option<RestsOn> {
    let found = found?;
    let mut concluded = told(Basis::Assumed, &[]);
    let host_of = |server: &str| {
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        host.to_owned()
    };
    let mut folders: Vec<String> = Vec::new();
    let mut asks_derived = false;
    for event in &prediction.events {
        match &event.kind {
            Kind::TvsAsked { server, .. } => {
                let nodes = sides.hosts(&host_of(server)).into_iter();
                let mut nodes = nodes.filter_map(|at| sides.node(at));
                asks_derived |= nodes.any(|n| n.tvs.derived);
            }
            Kind::Requested {
                server, transport, ..
            } => {
                let address = host_of(server).parse().ok();
                let at = address.and_then(|address| sides.at(address));
                let Some(node) = at.and_then(|at| sides.node(at)) else {
                    continue;
                };
                let is_concluded = match transport.as_str() {
                    "tftp" => node.tftp.concluded,
                    "http" => node.http.concluded,
                    _ => node.https.concluded,
                };
                let text = format!("{} hands out the files that lie in its folder", node.name);
                if is_concluded && !folders.contains(&text) {
                    folders.push(text);
                }
            }
            _ => {}
        }
    }
    if asks_derived {
        let rules = [Key::TvsRestartNeeded, Key::TvsRolesOfStore];
        concluded.rules = told(Basis::Assumed, &rules).rules;
    }
    let setup = &subject.setup;
    if subject.taken.model {
        let text = format!("it is a {}", setup.identity.model);
        concluded.rules.push(text);
    }
    if subject.taken.firmware {
        let text = format!("its firmware does what that of {} does", setup.profile.name);
        concluded.rules.push(text);
    }
    if subject.taken.configuration {
        concluded.rules.push(OTHERS_CONFIGURATION.into());
    }
    if let Some(node) = subject.taken.lists.and_then(|at| sides.node(at)) {
        let text = match subject.taken.no_ctl {
            false => format!("it holds the list that {} serves now", node.name),
            true => format!("it holds no CTL, as {} serves none now", node.name),
        };
        concluded.rules.push(text);
    }
    concluded.rules.extend(folders);
    if concluded.rules.is_empty() {
        return Some(found);
    }
    if found.basis == concluded.basis {
        return Some(weaker(found, concluded));
    }
    Some(concluded)
}

/// The weaker of two, or both where they are alike.
pub fn weaker(one: RestsOn, other: RestsOn) -> RestsOn {
    let rank = |r: &RestsOn| match r.basis {
        "documented" => 0,
        "inferred" => 1,
        _ => 2,
    };
    match rank(&one).cmp(&rank(&other)) {
        std::cmp::Ordering::Greater => one,
        std::cmp::Ordering::Less => other,
        std::cmp::Ordering::Equal => {
            let mut both = one;
            for rule in other.rules {
                if !both.rules.contains(&rule) {
                    both.rules.push(rule);
                }
            }
            both
        }
    }
}

pub(super) fn told(basis: Basis, decisive: &[Key]) -> RestsOn {
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
