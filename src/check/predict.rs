//! What will become of a phone: its machine boots against what was read, until it has followed or
//! another reset changes nothing.

use std::net::Ipv4Addr;

use super::evidence::{At, Sides};
use super::places::Placed;
use super::rehearsal::{self, Gap};
use super::verdict::{self, Judged, Life};
use crate::event::{Event, Kind, ReasonFacts, SignerFacts};
use crate::phone::flash::CONFIG;
use crate::phone::{Flash, PhoneSetup};
use crate::scenario::judge::why;
use crate::scenario::words::Verdict;
use crate::time::Time;
use crate::trust::rules::Key;
use crate::wire::ListKind;

/// A phone that is asked about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who it is, its firmware, its rules and its clock. Its servers are those of the [`Move`].
    pub setup: PhoneSetup,
    /// Its flash before the move.
    pub before: Flash,
    /// Its flash now.
    pub flash: Flash,
    /// What it told in earlier boots, where that is known.
    pub earlier: Vec<Event>,
    /// The time on the clock by which its kept TVS answers run out.
    pub now: Time,
    /// What of it nobody read nor said.
    pub taken: Taken,
}

/// What of a phone is taken from elsewhere, since nobody read or said what it is and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// Its configuration is that of another phone, which nobody said to be of the same group.
    pub configuration: bool,
    /// The node whose lists of now are taken for those that it holds.
    pub lists: Option<At>,
    /// Its CTL is among these lists.
    pub ctl: bool,
    /// Its ITL is.
    pub itl: bool,
    /// Of these lists it is the CTL alone that nobody said, and that node serves none.
    pub no_ctl: bool,
    /// Its model is the one that phones are taken for of which nobody says it.
    pub model: bool,
    /// Its model is of no family whose firmware is known, and that of its profile stands in.
    pub firmware: bool,
}

/// What is going to be done with phones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Addresses that option 150 will name, in order.
    pub option_150: Vec<Ipv4Addr>,
    /// How often they are reset at most.
    pub resets: usize,
}

/// How a phone that follows comes to trust the other cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Its own lists are enough.
    Directly,
    /// TVS vouches.
    ThroughTvs,
}

/// What will become of a phone.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The verdict; [`Verdict::Unknown`] where there is a gap.
    pub verdict: Verdict,
    /// How it follows, if it does.
    pub way: Option<Way>,
    /// Why, in order; the last is the decisive one. Of several boots that failed, of the first.
    pub reasons: Vec<ReasonFacts>,
    /// The signer that the decisive reason is about.
    pub signer: Option<SignerFacts>,
    /// The file that the decisive reason is about.
    pub file: Option<String>,
    /// What is missing to say more.
    pub gap: Option<Gap>,
    /// Resets that it takes.
    pub resets: usize,
    /// Lists, whom it follows, where it was sent.
    pub judged: Judged,
    /// What it will tell.
    pub events: Vec<Event>,
    /// Its flash afterwards.
    pub flash: Flash,
    /// The rules that it used.
    pub used: Vec<Key>,
    /// Those of them whose watched other choice could have made a difference.
    pub felt: Vec<Key>,
}

impl Prediction {
    /// True if it trusts and obeys the other cluster.
    pub fn follows(&self) -> bool {
        matches!(self.verdict, Verdict::Migrated | Verdict::Unchanged)
    }

    /// The lines that the phone's status screen will show, in order. A boot that shows what the one
    /// before did is told once.
    pub fn status(&self) -> Vec<String> {
        let text = |e: &Event| match &e.kind {
            Kind::Status { text, .. } => Some(text.clone()),
            _ => None,
        };
        let is_in_boot = |_: &Event, next: &Event| !matches!(next.kind, Kind::Boot { .. });
        let boots = self.events.chunk_by(is_in_boot);
        let mut shown: Vec<Vec<String>> = boots
            .map(|boot| boot.iter().filter_map(text).collect())
            .collect();
        shown.dedup();
        shown.concat()
    }

    /// Code of the decisive reason.
    pub fn reason(&self) -> Option<&'static str> {
        self.reasons.last().map(|r| r.code)
    }
}

/// Says what will become of a phone.
pub fn predict(sides: &Sides, subject: &Subject, plan: &Move) -> Prediction {
    let mut flash = subject.flash.clone();
    let mut start = subject.now;
    let mut events: Vec<Event> = Vec::new();
    let (mut used, mut felt): (Vec<Key>, Vec<Key>) = Default::default();
    let mut resets = 0;
    let mut first_failure = None;
    loop {
        resets += 1;
        let setup = PhoneSetup {
            option_150: plan.option_150.clone(),
            dhcp: None,
            ..subject.setup.clone()
        };
        let before = flash.clone();
        let boot = rehearsal::boot(sides, setup, flash, start);
        let last = events.len();
        events.extend(boot.events);
        used.extend(boot.used);
        felt.extend(boot.felt);
        let life = Life {
            earlier: [&subject.earlier, &events[..last]],
            last: &events[last..],
            before: &subject.before,
            flash: &boot.flash,
            servers: &plan.option_150,
            is_open: boot.gap.is_some() || !boot.is_over,
        };
        let places = Placed {
            sides,
            configured_by: boot.configured_by,
            flash: &boot.flash,
        };
        let judged = verdict::judge(&life, &places);
        let follows = matches!(judged.verdict, Verdict::Migrated | Verdict::Unchanged);
        let settled =
            follows || boot.gap.is_some() || is_same(&before, &boot.flash, &events[last..]);
        flash = boot.flash;
        start += boot.took;
        if settled || resets >= plan.resets.max(1) {
            // What goes wrong in a later boot mostly follows from what went wrong in the first.
            let of_last = || why(&events[last..], follows);
            let (reasons, signer, file) =
                first_failure.filter(|_| !follows).unwrap_or_else(of_last);
            let is_asked = |e: &Event| matches!(e.kind, Kind::TvsAsked { .. });
            let way = follows.then(|| match events.iter().any(is_asked) {
                true => Way::ThroughTvs,
                false => Way::Directly,
            });
            used.sort_unstable();
            used.dedup();
            return Prediction {
                verdict: judged.verdict,
                way,
                reasons,
                signer,
                file,
                gap: boot.gap,
                resets,
                judged,
                events,
                flash,
                used,
                felt,
            };
        }
        if first_failure.is_none() {
            let failure = why(&events[last..], false);
            first_failure = Some(failure).filter(|(reasons, ..)| !reasons.is_empty());
        }
    }
}

/// True if another boot would be like this one: the phone holds what it held, and keeps no new answer
/// of TVS. Its notes change in every boot.
fn is_same(before: &Flash, after: &Flash, boot: &[Event]) -> bool {
    let held = [ListKind::Ctl.file_name(), ListKind::Itl.file_name(), CONFIG];
    let keeps = |e: &Event| matches!(e.kind, Kind::TvsCached { .. });
    held.iter().all(|file| before.get(file) == after.get(file)) && !boot.iter().any(keeps)
}
