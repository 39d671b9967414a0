//! The way back: can phones return that have followed?

use super::answer::WayBack;
use super::evidence::{At, Sides};
use super::fix::servers_of;
use super::groups::fate_of;
use super::predict::{Move, Prediction, Subject, predict};

/// A phone on its way back.
#[derive(Debug)]
pub struct Return {
    /// What becomes of it; what that rests on is not found yet.
    pub way: WayBack,
    /// The phone as it sets out.
    pub subject: Subject,
    /// What is done with it.
    pub plan: Move,
    /// What it does then.
    pub prediction: Prediction,
}

/// What becomes of a phone that has followed and whose option 150 names its old cluster again:
/// `home` is that cluster, by index. None if it never left it.
pub fn way_back(
    sides: &Sides,
    home: usize,
    subject: &Subject,
    plan: &Move,
    followed: &Prediction,
) -> Option<Return> {
    let side = sides.sides.get(home)?;
    let gone_to = followed.judged.destination.as_deref();
    if !followed.follows() || gone_to == Some(side.name.as_str()) {
        return None;
    }
    let servers = servers_of(side).into_iter();
    let back = Move {
        option_150: servers.map(|n| sides.address(At(home, n))).collect(),
        resets: plan.resets,
    };
    let mut earlier = subject.earlier.clone();
    earlier.extend(followed.events.iter().cloned());
    let last = followed.events.last().map_or(subject.now, |e| e.at);
    let there = Subject {
        before: followed.flash.clone(),
        flash: followed.flash.clone(),
        now: subject.now.max(last),
        earlier,
        ..subject.clone()
    };
    let returned = predict(sides, &there, &back);
    let why = match &returned.gap {
        Some(gap) => Some(format!("{}: {}", gap.what, gap.why)),
        None if returned.follows() => None,
        None => {
            let decisive = returned.reasons.last().map(|r| r.text.clone());
            Some(decisive.unwrap_or_else(|| format!("it does not register with {}", side.name)))
        }
    };
    Some(Return {
        way: WayBack {
            fate: fate_of(&returned),
            why,
            rests_on: None,
        },
        subject: there,
        plan: back,
        prediction: returned,
    })
}
