//! Phones that share a fate: each kind is rehearsed once, and those with the same fate for the same
//! reason and with the same fix are one group.

mod alike;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer::{Action, Fate, Fix, Group, RestsOn, WayBack};
use super::back::{Return, way_back};
use super::basis::{rests_on, with_concluded};
use super::evidence::Sides;
use super::fix::{self, Ground, Mended};
use super::held::{Held, Served};
use super::predict::{Move, Prediction, Subject, Way, predict};
use super::rehearsal::Gap;
use crate::cluster::is_device_name;
use crate::event::{Kind, SignerFacts};
use crate::scenario::words::Verdict;
use crate::trust::rules::{Key, Settings};
use crate::wire::ListKind;
use alike::Apart;

/// The cluster that the phones are in.
const HOME: usize = 0;

/// Kinds of phones up to which each has its own search for a fix. Of more, a fix that was found for
/// the same reason and signer is tried first.
const SEARCHES: usize = 64;

/// What stands for a phone's name in the words about several.
const ANY_DEVICE: &str = "SEP<MAC>";

/// A phone that is asked about.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What the report calls it: its device name, or `a phone of src-pub`.
    pub name: String,
    /// Its model; empty where nobody said.
    pub model: String,
    /// What it holds, or what is missing to say.
    pub subject: Result<Box<Subject>, Gap>,
}

/// What a prediction means for a report.
pub fn fate_of(prediction: &Prediction) -> Fate {
    match (prediction.verdict, prediction.way) {
        (Verdict::Migrated | Verdict::Unchanged, Some(Way::ThroughTvs)) => Fate::FollowsThroughTvs,
        (Verdict::Migrated | Verdict::Unchanged, _) => Fate::FollowsDirectly,
        (Verdict::RegistersUntrusted, _) => Fate::RegistersUntrusted,
        (Verdict::Stranded, _) => Fate::Stranded,
        (Verdict::Unknown, _) => Fate::Unknown,
    }
}

/// Says for every phone what will become of it. `rules` are those of the clusters, of which a fix
/// depends: which roles a store gives, which store makes an LSC trusted.
///
/// Those that do not follow come first, in the order of their number.
pub fn groups(sides: &Sides, phones: &[Asked], plan: &Move, rules: &Settings) -> Vec<Group> {
    let mut apart = Apart::new(sides);
    let mut kinds: Vec<Kin<'_>> = Vec::new();
    let mut places: BTreeMap<[u8; 32], usize> = BTreeMap::new();
    let mut groups = Groups::default();
    for phone in phones {
        match &phone.subject {
            Err(gap) => groups.put(unread(phone, gap)),
            Ok(subject) => {
                let likeness = apart.likeness(subject);
                let place = *places.entry(likeness).or_insert(kinds.len());
                if let Some(kin) = kinds.get_mut(place) {
                    kin.phones.push(phone);
                } else {
                    let phones = vec![phone];
                    kinds.push(Kin { subject, phones });
                }
            }
        }
    }
    let mut asking = Asking {
        apart,
        served: Served::of(sides),
        plan,
        rules,
        is_many: kinds.len() > SEARCHES,
        fixes: BTreeMap::new(),
        bases: BTreeMap::new(),
        proofs: BTreeMap::new(),
        backs: BTreeMap::new(),
    };
    for kin in &kinds {
        let found = asking.about(kin);
        groups.put(found);
    }
    let mut groups: Vec<_> = groups.found.into_iter().map(Found::told).collect();
    let order = |fate: Fate| match fate {
        Fate::Stranded => 0,
        Fate::RegistersUntrusted => 1,
        Fate::Unknown => 2,
        Fate::FollowsThroughTvs => 3,
        Fate::FollowsDirectly => 4,
    };
    groups.sort_by_key(|g| (order(g.fate), std::cmp::Reverse(g.phones.len())));
    groups
}

/// Phones that nothing tells apart.
struct Kin<'a> {
    subject: &'a Subject,
    phones: Vec<&'a Asked>,
}

/// A group, and what makes phones belong to it.
struct Found {
    group: Group,
    /// The device whose words they are.
    device: String,
}

/// Groups in the order in which they were found, by what makes phones belong to them.
#[derive(Default)]
struct Groups {
    found: Vec<Found>,
    places: BTreeMap<String, usize>,
}

impl Groups {
    /// Adds phones to the group that they belong to.
    fn put(&mut self, found: Found) {
        let g = &found.group;
        let code = g.reasons.last().map(|r| r.code);
        let missing = g.missing.as_deref().map(without_sha1);
        let key = format!(
            "{:?}",
            (
                g.fate,
                code,
                &g.signer,
                g.resets,
                &missing,
                &g.fix,
                &g.back,
                &g.rests_on
            )
        );
        let place = *self.places.entry(key).or_insert(self.found.len());
        let Some(same) = self.found.get_mut(place) else {
            self.found.push(found);
            return;
        };
        if same.group.missing != found.group.missing {
            same.group.missing = missing;
        }
        same.group.phones.extend(found.group.phones);
        for model in found.group.models {
            if !same.group.models.contains(&model) {
                same.group.models.push(model);
            }
        }
    }
}

/// Lists that nobody has are one thing that is missing, however many they are.
fn without_sha1(text: &str) -> String {
    const DIGITS: usize = 40;
    let is_sha1 = |word: &str| word.len() == DIGITS && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = text.split(' ');
    let words = words.map(|word| if is_sha1(word) { "(several)" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

impl Found {
    /// The words about one phone have its name.
    fn told(self) -> Group {
        let mut group = self.group;
        if group.phones.len() == 1 && !self.device.is_empty() {
            each_text(&mut group, &|text| {
                *text = text.replace(ANY_DEVICE, &self.device);
            });
        }
        group
    }
}

/// Every text of a group that may have a phone's name in it.
fn each_text(group: &mut Group, change: &dyn Fn(&mut String)) {
    for reason in &mut group.reasons {
        change(&mut reason.text);
        if let Some(evidence) = &mut reason.evidence {
            change(evidence);
        }
    }
    let after = group.fix.as_mut().map(|f| &mut f.status);
    let status = after.into_iter().chain([&mut group.status]);
    status.flatten().for_each(change);
    let missing = group.missing.as_mut();
    let fix = group.fix.as_mut().map(|f| &mut f.text);
    let why = group.back.as_mut().and_then(|b| b.why.as_mut());
    missing.into_iter().chain(fix).chain(why).for_each(change);
}

fn unread(phone: &Asked, gap: &Gap) -> Found {
    let text = told_gap(gap);
    // A phone that nobody named has no device name to put into the words.
    let device = Some(&phone.name).filter(|name| is_device_name(name));
    let missing = match device {
        Some(device) => text.replace(device, ANY_DEVICE),
        None => text,
    };
    Found {
        group: unknown(vec![phone.name.clone()], models(&[phone]), missing),
        device: device.cloned().unwrap_or_default(),
    }
}

/// Phones of which something is missing to say what will become of them.
fn unknown(phones: Vec<String>, models: Vec<String>, missing: String) -> Group {
    Group {
        phones,
        models,
        fate: Fate::Unknown,
        resets: 0,
        reasons: Vec::new(),
        signer: None,
        missing: Some(missing),
        rests_on: None,
        fix: None,
        back: None,
        status: Vec::new(),
    }
}

fn told_gap(gap: &Gap) -> String {
    format!("{}: {}", gap.what, gap.why)
}

fn models(phones: &[&Asked]) -> Vec<String> {
    let mut models: Vec<String> = Vec::new();
    for phone in phones.iter().filter(|p| !p.model.is_empty()) {
        if !models.contains(&phone.model) {
            models.push(phone.model.clone());
        }
    }
    models
}

/// What phones share for whom one rule decides like for another: another list or another signer may
/// make another rule the weakest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SameBasis {
    fate: Fate,
    codes: Vec<&'static str>,
    used: Vec<Key>,
    model: String,
    resets: usize,
    signer: Option<String>,
    lists: [Option<Arc<[u8]>>; 2],
}

impl SameBasis {
    fn of(subject: &Subject, prediction: &Prediction) -> Self {
        Self {
            fate: fate_of(prediction),
            codes: prediction.reasons.iter().map(|r| r.code).collect(),
            used: prediction.used.clone(),
            model: subject.setup.identity.model.clone(),
            resets: prediction.resets,
            signer: prediction.signer.as_ref().map(signer_key),
            lists: [ListKind::Ctl, ListKind::Itl]
                .map(|kind| subject.flash.get(kind.file_name()).cloned()),
        }
    }
}

/// What stays the same from one kind of phones to the next.
struct Asking<'a> {
    apart: Apart,
    served: Served<'a>,
    plan: &'a Move,
    rules: &'a Settings,
    is_many: bool,
    /// Fixes that were found, by reason and signer.
    fixes: BTreeMap<(Option<&'static str>, String), Fix>,
    bases: BTreeMap<SameBasis, Option<RestsOn>>,
    /// The same of phones after a fix that was another one's.
    proofs: BTreeMap<(Vec<Action>, SameBasis), Option<RestsOn>>,
    /// The same of phones that return, after the fix with which they had moved.
    backs: BTreeMap<(Vec<Action>, SameBasis), Option<RestsOn>>,
}

impl<'a> Asking<'a> {
    fn about(&mut self, kin: &Kin<'a>) -> Found {
        let device = kin.subject.setup.identity.device.clone();
        let sides = self.apart.for_device(&device, &kin.subject.flash);
        let (held, prediction) = match self.worst(&sides, kin.subject) {
            Ok(worst) => worst,
            Err(missing) => {
                let phones = kin.phones.iter().map(|p| p.name.clone()).collect();
                let mut group = unknown(phones, models(&kin.phones), missing);
                each_text(&mut group, &|text| {
                    *text = text.replace(&device, ANY_DEVICE);
                });
                return Found { group, device };
            }
        };
        let held = held.map(|held| held.by(kin.subject));
        let subject = held.as_ref().unwrap_or(kin.subject);
        let fate = fate_of(&prediction);
        let mended = (!fate.follows())
            .then(|| self.mended(&sides, subject, &prediction))
            .flatten();
        let mended = mended.map(|mut mended| {
            if let Some((changed, after)) = &mended.after {
                let mut found = mended.fix.rests_on.take();
                for boots in changed.at_home.as_deref().into_iter().chain([after]) {
                    found = with_concluded(found, &changed.sides, &changed.subject, boots);
                }
                mended.fix.rests_on = found;
            }
            mended
        });
        let back = self.back(&sides, subject, &prediction, mended.as_ref());
        let mut group = Group {
            phones: kin.phones.iter().map(|p| p.name.clone()).collect(),
            models: models(&kin.phones),
            fate,
            resets: prediction.resets,
            reasons: prediction.reasons.clone(),
            signer: prediction.signer.clone(),
            missing: missing(&prediction),
            rests_on: self.rests_on(&sides, subject, &prediction),
            fix: mended.map(|m| m.fix),
            back,
            status: prediction.status(),
        };
        each_text(&mut group, &|text| {
            *text = text.replace(&device, ANY_DEVICE);
        });
        Found { group, device }
    }

    /// What becomes of a phone with the worst of the lists that it may hold, and these, unless they are
    /// those that it is taken to hold.
    ///
    /// # Errors
    /// With some of them it follows, with others not, or nobody knows: which lists these are.
    fn worst<'s>(
        &self,
        sides: &Sides,
        subject: &'s Subject,
    ) -> Result<(Option<Held<'s>>, Prediction), String>
    where
        'a: 's,
    {
        let first = predict(sides, subject, self.plan);
        let others = self.served.others(subject);
        let is_known = fate_of(&first) != Fate::Unknown;
        let Some(taken) = subject.taken.lists.filter(|_| is_known) else {
            return Ok((None, first));
        };
        let mut fates = vec![(fate_of(&first), taken, None)];
        let mut worst = (None, first);
        for held in others {
            let prediction = predict(sides, &held.by(subject), self.plan);
            let fate = fate_of(&prediction);
            if fates.iter().all(|(known, ..)| *known != fate) {
                fates.push((fate, held.at, missing(&prediction)));
            }
            if fate > fate_of(&worst.1) {
                worst = (Some(held), prediction);
            }
        }
        let follow = fates.iter().filter(|(fate, ..)| fate.follows()).count();
        let is_known = fates.iter().all(|(fate, ..)| *fate != Fate::Unknown);
        if is_known && follow == fates.len() {
            let unread = self.served.unread(subject);
            if unread.is_empty() {
                return Ok(worst);
            }
            return Err(format!(
                "which lists {} holds: nobody said it, and {}, which it may hold, nobody read: give that file, \
                 name it in NODE/not-served.txt if the node has none, say in NODE/services.txt if TFTP does not \
                 run there, or put itl_sha1 and ctl_sha1 of the phone into the inventory",
                subject.setup.identity.device,
                unread.join(" and ")
            ));
        }
        if is_known && follow == 0 {
            return Ok(worst);
        }
        let kind = match subject.taken.itl {
            true => ListKind::Itl,
            false => ListKind::Ctl,
        };
        let ends = fates.iter().map(|(fate, at, missing)| {
            let node = sides.node(*at).map_or("", |n| n.name.as_str());
            let missing = missing
                .as_ref()
                .map_or_else(String::new, |m| format!(" ({m})"));
            format!("with that of {node} it is \"{}\"{missing}", fate.text())
        });
        let device = &subject.setup.identity.device;
        Err(format!(
            "which {kind} {device} holds: nodes of its cluster serve different ones, and nobody said which it \
             took; {}: put {}_sha1 of the phone into the inventory",
            ends.collect::<Vec<_>>().join(", "),
            kind.to_string().to_lowercase()
        ))
    }

    fn mended(
        &mut self,
        sides: &Sides,
        subject: &Subject,
        prediction: &Prediction,
    ) -> Option<Mended> {
        let ground = Ground {
            certificates: &self.apart.certificates,
            rules: self.rules,
        };
        let signer = prediction.signer.as_ref().map(signer_key);
        let key = (prediction.reason(), signer.unwrap_or_default());
        let known = self.fixes.get(&key).filter(|_| self.is_many);
        let proofs = &mut self.proofs;
        let mut recall = |actions: &[Action],
                          subject: &Subject,
                          after: &Prediction,
                          find: &dyn Fn() -> Option<RestsOn>| {
            let same = (actions.to_vec(), SameBasis::of(subject, after));
            proofs.entry(same).or_insert_with(find).clone()
        };
        let again = known.and_then(|fix| {
            fix::with_fix_of(
                fix,
                sides,
                subject,
                self.plan,
                prediction,
                ground,
                &mut recall,
            )
        });
        let mended =
            again.or_else(|| fix::smallest(sides, subject, self.plan, prediction, ground))?;
        self.fixes.entry(key).or_insert_with(|| mended.fix.clone());
        Some(mended)
    }

    fn back(
        &mut self,
        sides: &Sides,
        subject: &Subject,
        prediction: &Prediction,
        mended: Option<&Mended>,
    ) -> Option<WayBack> {
        let (sides, returned) = match mended.map(|m| &m.after) {
            Some(Some((changed, after))) => {
                let (subject, plan) = (&changed.subject, &changed.plan);
                let returned = way_back(&changed.sides, HOME, subject, plan, after);
                (&changed.sides, returned)
            }
            Some(None) => return None,
            None => (sides, way_back(sides, HOME, subject, self.plan, prediction)),
        };
        let Return {
            mut way,
            subject,
            plan,
            prediction,
        } = returned?;
        let actions = mended.map_or_else(Vec::new, |m| m.fix.actions.clone());
        let same = (actions, SameBasis::of(&subject, &prediction));
        let found = self
            .backs
            .entry(same)
            .or_insert_with(|| rests_on(sides, &subject, &plan, &prediction));
        way.rests_on = with_concluded(found.clone(), sides, &subject, &prediction);
        Some(way)
    }

    /// Phones of one model that hold the same lists, used the same rules and come to the same end for
    /// the same reasons rest on the same.
    fn rests_on(
        &mut self,
        sides: &Sides,
        subject: &Subject,
        prediction: &Prediction,
    ) -> Option<RestsOn> {
        let same = SameBasis::of(subject, prediction);
        let plan = self.plan;
        let found = self
            .bases
            .entry(same)
            .or_insert_with(|| rests_on(sides, subject, plan, prediction));
        with_concluded(found.clone(), sides, subject, prediction)
    }
}

fn signer_key(signer: &SignerFacts) -> String {
    format!("{} {}", signer.issuer, signer.serial)
}

/// What is missing to say what will become of a phone.
fn missing(prediction: &Prediction) -> Option<String> {
    if let Some(gap) = &prediction.gap {
        return Some(told_gap(gap));
    }
    let is_unknown = prediction.verdict == Verdict::Unknown;
    let capf = prediction.events.iter().find_map(|e| match &e.kind {
        Kind::CapfNeeded { reason, .. } => Some(reason.text.clone()),
        _ => None,
    });
    match capf {
        Some(why) => Some(format!("what CAPF gives the phone: {why}")),
        None if is_unknown => Some("the phone's boot does not come to an end".into()),
        None => None,
    }
}
