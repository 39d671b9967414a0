//! What the proof of a fix rests on: rules of the clusters and of the phone whose other choice would
//! leave the phone where it is, and what nobody could try.

use super::apply::{CALLMANAGER_SERVICE, Changed, Ground};
use super::scene::Looked;
use crate::check::answer::{Action, RestsOn};
use crate::check::basis;
use crate::check::evidence::{Door, Known, Sides};
use crate::check::predict::{Prediction, predict};
use crate::trust::rules::{Basis, Key, Settings, rule};

/// Finds out by trying, as for a fate.
pub(super) fn rests_on(
    looked: &Looked<'_>,
    actions: &[Action],
    changed: &Changed,
    after: &Prediction,
) -> Option<RestsOn> {
    let mut used = after.used.clone();
    used.extend(changed.at_home.iter().flat_map(|home| &home.used));
    used.sort_unstable();
    used.dedup();
    // What a phone takes at home on its way hangs on rules as well, so each trial begins before that.
    let mut run = |settings: Settings| {
        let mut subject = looked.subject.clone();
        subject.setup.settings = settings;
        let nothing = Changed::nothing(looked.sides, &subject, looked.plan);
        let changed = nothing.make(actions, looked.ground)?;
        let after = predict(&changed.sides, &changed.subject, &changed.plan);
        let mut felt = after.felt;
        felt.extend(changed.at_home.iter().flat_map(|home| &home.felt));
        Some((after.verdict, felt))
    };
    let settings = &looked.subject.setup.settings;
    let mut found = basis::by_trying(settings, &used, after.verdict, &mut run);
    // Of the rules of clusters these alone decide what an action comes to; which store makes an LSC
    // trusted the phone's registration asked for, and that was tried above.
    for key in [Key::TvsRolesOfStore, Key::DigestScope, Key::TftpStartMends] {
        if is_decisive(looked, actions, key) {
            let of_rule = basis::told(looked.ground.rules.basis(key), &[key]);
            found = basis::weaker(found, of_rule);
        }
    }
    if !changed.sides.stand_ins.is_empty() {
        found = basis::weaker(found, published(actions));
    }
    let opened = ports_to_open(looked.sides, actions);
    if !opened.is_empty() {
        let mut untried = basis::told(Basis::Assumed, &[]);
        untried.rules = opened;
        found = basis::weaker(found, untried);
    }
    Some(found)
}

/// That a cluster publishes what the phone was given here: lists out of the certificates that were read
/// are what the sources say, with a signer as before; a configuration like another phone's is a guess.
fn published(actions: &[Action]) -> RestsOn {
    let is_guess = actions
        .iter()
        .any(|a| matches!(a, Action::AddPhones { .. }));
    let (basis, text) = match is_guess {
        true => (
            Basis::Assumed,
            "its configuration there is like that of another phone",
        ),
        false => (
            Basis::Inferred,
            "TFTP publishes what the certificates that were read make",
        ),
    };
    let mut told = basis::told(basis, &[]);
    told.rules.push(text.into());
    told
}

/// True if the phone does not follow with another choice of this rule.
fn is_decisive(looked: &Looked<'_>, actions: &[Action], key: Key) -> bool {
    let hangs_on_rules = |a: &Action| {
        matches!(
            a,
            Action::Import { .. } | Action::Restart { .. } | Action::SetParameter { .. }
        )
    };
    if !actions.iter().any(hangs_on_rules) {
        return false;
    }
    let follows_with = |rules: &Settings| {
        let ground = Ground {
            rules,
            ..looked.ground
        };
        let nothing = Changed::nothing(looked.sides, looked.subject, looked.plan);
        let changed = nothing.make(actions, ground);
        changed.is_some_and(|c| predict(&c.sides, &c.subject, &c.plan).follows())
    };
    let rules = looked.ground.rules;
    let mut others = rule(key).others(rules.peek(key)).into_iter();
    others.any(|value| {
        let mut tried = rules.clone();
        tried.choose(rule(key), value);
        !follows_with(&tried)
    })
}

/// CallManager runs, and a port of it is closed: that a restart opens it nobody could try.
fn ports_to_open(sides: &Sides, actions: &[Action]) -> Vec<String> {
    let mut all = Vec::new();
    for action in actions {
        let Action::Restart {
            service,
            cluster,
            nodes,
        } = action
        else {
            continue;
        };
        if service != CALLMANAGER_SERVICE {
            continue;
        }
        let side = sides.sides.iter().find(|side| side.name == *cluster);
        let of_side = side.into_iter().flat_map(|side| &side.nodes);
        let runs = |door: &Known<Door>| *door == Known::Yes(Door::Open);
        for node in of_side.filter(|n| nodes.contains(&n.name) && runs(&n.callmanager)) {
            let ports = node.callmanager_ports.iter();
            let closed = ports.filter(|(_, door)| **door == Known::Yes(Door::Refused));
            let closed: Vec<_> = closed.map(|(port, _)| port.to_string()).collect();
            if !closed.is_empty() {
                all.push(format!(
                    "CallManager of {} answers at TCP {} once it was restarted",
                    node.name,
                    closed.join(", ")
                ));
            }
        }
    }
    all
}
