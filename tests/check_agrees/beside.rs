//! A run with a prediction beside every boot.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::rc::Rc;

use trustline::check::evidence::{Door, Known, Side, Sides};
use trustline::check::predict::{Move, Prediction, Subject, Taken, predict};
use trustline::cluster::Lab;
use trustline::event::{Event, Kind};
use trustline::phone::power::BootEnd;
use trustline::phone::{BootCause, Flash, PhoneSetup};
use trustline::scenario::judge::{Fate, fates};
use trustline::scenario::model::Scenario;
use trustline::scenario::run::{LabPhone, rehearse_watched};
use trustline::scenario::{Rules, exported, parse};
use trustline::sim::Witness;
use trustline::time::Time;
use trustline::trust::rules::Settings;

use crate::files::{read, write};

/// One boot as it was.
#[derive(Clone)]
pub(crate) struct Boot {
    /// Number of the step that boots, from 1; 0 at home.
    pub(crate) step: usize,
    pub(crate) sides: Rc<Sides>,
    pub(crate) at: Time,
    pub(crate) setup: PhoneSetup,
    pub(crate) before: Flash,
    pub(crate) after: Flash,
    pub(crate) end: BootEnd,
    pub(crate) events: Vec<Event>,
}

impl Boot {
    /// The servers that the phone asked.
    pub(crate) fn servers(&self) -> Vec<Ipv4Addr> {
        let chosen = self.events.iter().find_map(|e| match &e.kind {
            Kind::ServersChosen { servers, .. } => Some(servers),
            _ => None,
        });
        let addresses = |s: &Vec<String>| s.iter().filter_map(|a| a.parse().ok()).collect();
        chosen.map_or_else(|| self.setup.option_150.clone(), addresses)
    }
}

/// Everything that a run of a scenario shows.
pub(crate) struct Beside {
    pub(crate) boots: BTreeMap<String, Vec<Boot>>,
    pub(crate) fates: Vec<Fate>,
    pub(crate) phones: Vec<LabPhone>,
}

struct Watch {
    /// What the clusters show goes through files.
    is_by_files: bool,
    devices: Vec<String>,
    /// Number of the step that is under way.
    step: usize,
    sides: Option<Rc<Sides>>,
    boots: BTreeMap<String, Vec<Boot>>,
}

impl Witness for Watch {
    fn lab(&mut self, _at: Time, step: usize, _lab: &Lab) {
        self.step = step + 1;
    }

    fn boots(&mut self, _at: Time, lab: &mut Lab) {
        let shown = exported::sides(lab, &self.devices);
        self.sides = Some(Rc::new(match self.is_by_files {
            true => read(&write(&shown), &Settings::default()),
            false => shown,
        }));
    }

    fn boot(&mut self, at: Time, device: &str, setup: &PhoneSetup, flash: &Flash) {
        let sides = self.sides.clone().expect("the clusters were looked at");
        self.boots.entry(device.to_owned()).or_default().push(Boot {
            step: self.step,
            sides,
            at,
            setup: setup.clone(),
            before: flash.clone(),
            after: flash.clone(),
            end: BootEnd::Overdue,
            events: Vec::new(),
        });
    }

    fn over(&mut self, _at: Time, device: &str, end: BootEnd, flash: &Flash) {
        if let Some(boot) = self.boots.get_mut(device).and_then(|b| b.last_mut()) {
            boot.end = end;
            boot.after = flash.clone();
        }
    }

    fn event(&mut self, event: &Event) {
        if let Some(boot) = self.boots.get_mut(&event.actor).and_then(|b| b.last_mut()) {
            boot.events.push(event.clone());
        }
    }
}

/// Reads a scenario.
pub(crate) fn scenario(text: &str) -> Scenario {
    parse("world.toml", text, &Rules).unwrap_or_else(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", errors.join("\n"))
    })
}

/// Runs a scenario, with what the clusters show taken out of files.
pub(crate) fn run(scenario: &Scenario) -> Beside {
    run_by(scenario, true)
}

/// Runs a scenario, with what the clusters show taken as it is: no file loses anything of it, and many
/// worlds are done sooner.
pub(crate) fn run_soon(scenario: &Scenario) -> Beside {
    run_by(scenario, false)
}

fn run_by(scenario: &Scenario, is_by_files: bool) -> Beside {
    let numbers = scenario.phones.iter().flat_map(|g| g.numbers());
    let devices = numbers
        .map(trustline::scenario::model::device_name)
        .collect();
    let mut watch = Watch {
        is_by_files,
        devices,
        step: 0,
        sides: None,
        boots: BTreeMap::new(),
    };
    let rehearsed = rehearse_watched(scenario, None, &mut watch).unwrap();
    let fates = fates(&rehearsed);
    Beside {
        boots: watch.boots,
        fates,
        phones: rehearsed.phones,
    }
}

/// The prediction of one boot.
pub(crate) fn predicted(boot: &Boot, before: &Flash, earlier: Vec<Event>) -> Prediction {
    let (subject, plan) = asked(boot, before, earlier);
    predict(&boot.sides, &subject, &plan)
}

/// The phone before this boot, and where it is sent.
pub(crate) fn asked(boot: &Boot, before: &Flash, earlier: Vec<Event>) -> (Subject, Move) {
    let subject = Subject {
        setup: boot.setup.clone(),
        before: before.clone(),
        flash: boot.before.clone(),
        earlier,
        now: boot.at,
        taken: Taken::default(),
    };
    let plan = Move {
        option_150: boot.servers(),
        resets: 1,
    };
    (subject, plan)
}

/// What disagrees between the boots of a run and their predictions. A boot that something disturbed
/// cannot be foreseen, and a renewal is none.
pub(crate) fn disagreements(
    beside: &Beside,
    mut is_disturbed: impl FnMut(&str, &Boot) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for (phone, fate) in beside.phones.iter().zip(&beside.fates) {
        let device = &phone.setup.identity.device;
        let boots = beside.boots.get(device).map_or(&[][..], Vec::as_slice);
        for (number, boot) in (1..).zip(boots) {
            if boot.setup.cause == BootCause::Renewal
                || boot.end != BootEnd::Done
                || boot.servers().is_empty()
                // A check looks at clusters, not at who gives leases.
                || boot.events.iter().any(|e| matches!(e.kind, Kind::DhcpFailed { .. }))
                || is_disturbed(device, boot)
            {
                continue;
            }
            let is_last = number == boots.len();
            let earlier = boots[..number - 1].iter().flat_map(|b| b.events.clone());
            let prediction = predicted(boot, &phone.before, earlier.collect());
            let place = format!("{device}, boot {number}");
            if let Some(gap) = &prediction.gap {
                // Who is in a database cannot be seen where no TFTP node of the cluster answers.
                let is_dark = |side: &Side| {
                    let open = Known::Yes(Door::Open);
                    gap.what.ends_with(&format!("database of {}", side.name))
                        && side.nodes.iter().all(|n| n.tftp.door != open)
                };
                if boot.sides.sides.iter().any(is_dark) {
                    continue;
                }
                found.push(format!("{place}: {} was not read: {}", gap.what, gap.why));
                continue;
            }
            for file in ["CTLFile.tlv", "ITLFile.tlv", "config.xml"] {
                if prediction.flash.get(file) != boot.after.get(file) {
                    found.push(format!("{place}: another {file}"));
                }
            }
            let asked = |events: &[Event]| {
                let asked = |e: &&Event| matches!(e.kind, Kind::TvsAsked { .. });
                events.iter().filter(asked).count()
            };
            let (found_asked, then_asked) = (asked(&prediction.events), asked(&boot.events));
            if found_asked != then_asked {
                found.push(format!(
                    "{place}: TVS asked {found_asked} times, then {then_asked}"
                ));
            }
            if is_last && phone.end == BootEnd::Done {
                if prediction.verdict != fate.verdict {
                    found.push(format!(
                        "{place}: {} ({:?}) predicted, {} ({:?}) found",
                        prediction.verdict,
                        prediction.reason(),
                        fate.verdict,
                        fate.reason()
                    ));
                } else if prediction.reason() != fate.reason() {
                    found.push(format!(
                        "{place}: {:?} predicted, {:?} found",
                        prediction.reason(),
                        fate.reason()
                    ));
                }
            }
        }
    }
    found
}
