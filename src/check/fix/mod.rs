//! The smallest change after which a phone follows: found by trying sets of actions, cheapest first,
//! each by running the phone's machine again against what was read with the actions made.

mod advice;
mod apply;
mod candidates;
mod certificates;
mod proof;
mod publish;
mod scene;
mod stand_in;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};

pub use apply::{Changed, Ground, servers_of, service};
pub use certificates::Certificates;

use super::answer::{Action, Fix, RestsOn};
use super::evidence::Sides;
use super::predict::{Move, Prediction, Subject, predict};
use candidates::{Met, RESET, cost, together};
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
        Some((actions, changed, after)) => {
            let rests_on = proof::rests_on(&looked, &actions, &changed, &after);
            proven(&looked, actions, rests_on, changed, after)
        }
        None => Mended {
            fix: unproven(&looked),
            after: None,
        },
    })
}

/// The advice for the reason. Where that can be tried, what is in the way then: alone it does not help.
fn unproven(looked: &Looked<'_>) -> Fix {
    let fix = advice::unproven(looked);
    // Of a CTL that is signed anew, and of a file that comes back, the actions make nothing.
    if fix.actions.is_empty() || looked.needs_new_ctl() || looked.lacks_file() {
        return fix;
    }
    let nothing = Changed::nothing(looked.sides, looked.subject, looked.plan);
    let Some(erased) = nothing.make(&fix.actions, looked.ground) else {
        return fix;
    };
    let then = predict(&erased.sides, &erased.subject, &erased.plan);
    if fix.actions != [Action::EraseLists] {
        return advice::not_enough(fix, &then);
    }
    advice::after_erasing(&Looked {
        sides: &erased.sides,
        subject: &erased.subject,
        plan: &erased.plan,
        prediction: &then,
        ground: looked.ground,
    })
}

/// Tells what it rests on that a phone follows after these actions; where nobody knows it yet, whatever
/// is called last finds it out, which takes many boots.
pub type Recall<'a> = &'a mut dyn FnMut(
    &[Action],
    &Subject,
    &Prediction,
    &dyn Fn() -> Option<RestsOn>,
) -> Option<RestsOn>;

/// The fix of another phone, if this one of which `prediction` says that it does not follow does so
/// with it too.
pub fn with_fix_of(
    other: &Fix,
    sides: &Sides,
    subject: &Subject,
    plan: &Move,
    prediction: &Prediction,
    ground: Ground<'_>,
    known: Recall<'_>,
) -> Option<Mended> {
    let changed = Changed::nothing(sides, subject, plan).make(&other.actions, ground)?;
    let after = predict(&changed.sides, &changed.subject, &changed.plan);
    if !other.proven || !after.follows() {
        return None;
    }
    let looked = Looked {
        sides,
        subject,
        plan,
        prediction,
        ground,
    };
    let actions = other.actions.clone();
    let find = || proof::rests_on(&looked, &actions, &changed, &after);
    let rests_on = known(&actions, &changed.subject, &after, &find);
    Some(proven(&looked, actions, rests_on, changed, after))
}

/// A fix with which the phone's machine was run again, and follows.
fn proven(
    looked: &Looked<'_>,
    actions: Vec<Action>,
    rests_on: Option<RestsOn>,
    changed: Changed,
    after: Prediction,
) -> Mended {
    Mended {
        fix: Fix {
            text: advice::sentence(&actions, after.resets, looked),
            rests_on,
            actions,
            proven: true,
            status: after.status(),
        },
        after: Some((changed, after)),
    }
}

/// A set of actions to try, or one that was tried and helps.
struct Open {
    set: Vec<Action>,
    /// How many things it is made of.
    picks: usize,
    /// Where it leads, where that is known: it needs more than one reset, so others may be cheaper.
    leads_to: Option<(Changed, Prediction)>,
}

/// Sets by cost, by size, in the order in which they were found.
#[derive(Default)]
struct Queue {
    open: BTreeMap<(u32, usize, usize), Open>,
    seen: BTreeSet<Vec<Action>>,
    found: usize,
}

impl Queue {
    fn put(&mut self, cost: u32, open: Open) {
        self.found += 1;
        self.open.insert((cost, open.set.len(), self.found), open);
    }

    /// Goes on from a boot that failed.
    fn extend(&mut self, met: &Met<'_>, made: &[Action], picks: usize) {
        for more in met.candidates(made) {
            let set = together(made, &more);
            if set != made && self.seen.insert(set.clone()) {
                let open = Open {
                    set,
                    picks: picks + 1,
                    leads_to: None,
                };
                self.put(cost(&open.set), open);
            }
        }
    }
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
    let mut queue = Queue::default();
    queue.extend(&Met::new(&nothing, prediction, ground, to), &[], 0);
    let mut trials = 0;
    while let Some(((cost, ..), next)) = queue.open.pop_first() {
        let Open {
            set,
            picks,
            leads_to,
        } = next;
        if let Some((changed, after)) = leads_to {
            return Some((set, changed, after));
        }
        // Beyond the limit nothing is tried any more but the last resort.
        trials += 1;
        if trials > TRIALS && set != [Action::EraseLists] {
            continue;
        }
        let Some(changed) = nothing.clone().make(&set, ground) else {
            continue;
        };
        let after = predict(&changed.sides, &changed.subject, &changed.plan);
        if picks < SET {
            let met = Met::new(&changed, &after, ground, to);
            queue.extend(&met, &set, picks);
        }
        if after.follows() {
            let more = u32::try_from(after.resets.saturating_sub(1)).unwrap_or(u32::MAX);
            let cost = cost.saturating_add(RESET.saturating_mul(more));
            let leads_to = Some((changed, after));
            let open = Open {
                set,
                picks,
                leads_to,
            };
            queue.put(cost, open);
        }
    }
    None
}
