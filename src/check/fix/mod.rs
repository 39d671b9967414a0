//! The smallest change after which a phone follows: found by trying sets of actions, cheapest first,
//! each by running the phone's machine again against what was read with the actions made.

mod advice;
mod apply;
mod candidates;
mod certificates;
mod scene;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};

pub use apply::{Changed, Ground, servers_of, service};
pub use certificates::Certificates;

use super::answer::{Action, Fix};
use super::evidence::Sides;
use super::predict::{Move, Prediction, Subject, predict};
use candidates::{Met, cost, together};
use scene::Looked;

/// How many actions that do not belong together a fix has at most.
const SET: usize = 3;
/// How many sets are tried at most.
const TRIALS: usize = 120;

/// A way out, and where it leads.
#[derive(Clone, Debug)]
pub struct Mended {
    /// What to do.
    pub fix: Fix,
    /// What was read with the actions made, and what becomes of the phone then; none for a fix that
    /// is not proven.
    pub after: Option<(Changed, Prediction)>,
}

/// Searches the smallest fix of a phone of which `prediction` says that it does not follow. None for
/// a phone whose fate is not known because something was not read: nobody knows what it needs.
pub fn smallest(
    sides: &Sides,
    subject: &Subject,
    plan: &Move,
    prediction: &Prediction,
    ground: Ground<'_>,
) -> Option<Mended> {
    if prediction.gap.is_some() {
        return None;
    }
    let looked = Looked {
        sides,
        subject,
        plan,
        prediction,
        ground,
    };
    let found = search(sides, subject, plan, prediction, ground);
    Some(match found {
        Some((actions, changed, after)) => Mended {
            fix: Fix {
                text: advice::sentence(&actions, &looked),
                actions,
                proven: true,
                status: after.status(),
            },
            after: Some((changed, after)),
        },
        None => Mended {
            fix: advice::unproven(&looked),
            after: None,
        },
    })
}

/// The fix of another phone, if this one follows with it too.
pub fn with_fix_of(
    other: &Fix,
    sides: &Sides,
    subject: &Subject,
    plan: &Move,
    ground: Ground<'_>,
) -> Option<Mended> {
    let changed = Changed::nothing(sides, subject, plan).make(&other.actions, ground)?;
    let after = predict(&changed.sides, &changed.subject, &changed.plan);
    (other.proven && after.follows()).then(|| Mended {
        fix: other.clone(),
        after: Some((changed, after)),
    })
}

/// Tries sets in the order of their cost.
fn search(
    sides: &Sides,
    subject: &Subject,
    plan: &Move,
    prediction: &Prediction,
    ground: Ground<'_>,
) -> Option<(Vec<Action>, Changed, Prediction)> {
    let destination = plan.option_150.iter().find_map(|a| sides.at(*a));
    let to = destination?.0;
    let nothing = Changed::nothing(sides, subject, plan);
    // Sets to try, by cost, by size, in the order in which they were found.
    let mut open: BTreeMap<(u32, usize, usize), (Vec<Action>, usize)> = BTreeMap::new();
    let mut seen: BTreeSet<Vec<Action>> = BTreeSet::new();
    let mut found = 0;
    let mut extend = |open: &mut BTreeMap<_, _>, met: &Met<'_>, made: &[Action], picks: usize| {
        for more in met.candidates(made) {
            let set = together(made, &more);
            if set != made && seen.insert(set.clone()) {
                found += 1;
                open.insert((cost(&set), set.len(), found), (set, picks + 1));
            }
        }
    };
    extend(
        &mut open,
        &Met::new(&nothing, prediction, ground, to),
        &[],
        0,
    );
    for trial in 0..=TRIALS {
        if trial == TRIALS {
            // What is left is tried no more, but for the last resort.
            open.retain(|_, (set, _)| *set == [Action::EraseLists]);
        }
        let (_, (set, picks)) = open.pop_first()?;
        let Some(changed) = nothing.clone().make(&set, ground) else {
            continue;
        };
        let after = predict(&changed.sides, &changed.subject, &changed.plan);
        if after.follows() {
            return Some((set, changed, after));
        }
        if picks < SET {
            let met = Met::new(&changed, &after, ground, to);
            extend(&mut open, &met, &set, picks);
        }
    }
    None
}
