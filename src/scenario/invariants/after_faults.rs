//! The law that needs a second run: once nothing disturbs their boots any more, phones come where
//! they come in a world that nothing ever disturbed.
//!
//! Both runs take the same steps in the same order, so the clusters are the same after each. In the
//! calm one links stay whole, no power fails, and what comes in the middle of a boot comes at its
//! end. Then both mend what the disturbances broke, and reset every phone [`TRIES`] times. A phone
//! that the calm run sees migrated has to have migrated in the other one too.
//!
//! Of two kinds of phones the law says nothing, because no source does ([`LeftOut`]), and of a third
//! one a model of undisturbed boots cannot speak. They are known by what they hold in flash, not by
//! how they came to it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::super::judge::{Fate, fates};
use super::super::model::{Action, BulkButton, ClockJump, Scenario, ServiceChange, Target};
use super::super::run::{LabPhone, Run, RunError, lock};
use super::super::select::Selector;
use super::super::words::{Service, Verb, Verdict};
use super::held as list;
use super::law::{Broken, Law};
use crate::cluster::{self, Lab};
use crate::event::{Event, Kind};
use crate::phone::Flash;
use crate::phone::flash::CONFIG;
use crate::time::Time;
use crate::trust::rules::Key;
use crate::wire::phone_config::PhoneConfig;
use crate::wire::{ListKind, Role};

/// Boots over whole links, with every service as the scenario's plain steps left it, within which a
/// phone has to come to what it would have come to without disturbances.
pub const TRIES: usize = 3;

/// Why a phone cannot be compared with one that nothing disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftOut {
    /// It took one file and lost another for good: when the disturbance was over it held lists and a
    /// configuration that the phone of the calm run held together neither when it began nor since, its lists were not
    /// that phone's either, and they know no TVS that its configuration names. No source says that it
    /// finds a way out.
    Torn,
    /// The clusters, or its option 150, changed before it had its boots over whole links, or the files
    /// of a node did in the middle of a disturbed boot. What it missed may have been its only chance,
    /// as for a phone that was switched off.
    Behind,
    /// It holds what the phone of the calm run held together neither when the disturbance began nor
    /// since, and has a way on: the
    /// other one's lists, or a TVS to ask. The law holds it to come as far, and it may come further.
    OwnWay,
}

impl LeftOut {
    /// True if the law says nothing of such a phone either.
    pub fn lifts_law(self) -> bool {
        self != Self::OwnWay
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Torn => {
                "took one file and lost another, and its lists know no TVS of its configuration"
            }
            Self::Behind => "the clusters changed before it booted undisturbed again",
            Self::OwnWay => "took files as no undisturbed boot does, and has a way on",
        })
    }
}

/// What the law found.
#[derive(Debug, Default)]
pub struct AfterFaults {
    /// The phones that broke it.
    pub broken: Vec<Broken>,
    /// Of each phone, why it cannot be compared with an undisturbed one, if so.
    pub left_out: Vec<Option<LeftOut>>,
}

/// Holds a scenario against the law. One without disturbances costs nothing; another one is run
/// twice more, with modelled signatures.
pub fn after_faults(scenario: &Scenario) -> AfterFaults {
    if !scenario.steps.iter().any(|step| disturbs(&step.action)) {
        return AfterFaults::default();
    }
    // A step that cannot be carried out fails the run itself, which says so.
    let (Ok(run), Ok(calm)) = (record(scenario, false), record(scenario, true)) else {
        return AfterFaults::default();
    };
    judge(&run, &calm)
}

/// Compares the two runs.
fn judge(run: &Record, calm: &Record) -> AfterFaults {
    let left_out: Vec<_> = (0..run.fates.len())
        .map(|phone| left_out(run, calm, phone))
        .collect();
    let pairs = run.fates.iter().zip(&calm.fates).zip(&left_out);
    let broken = pairs.filter_map(|((fate, calm), left_out)| {
        let breaks = !left_out.is_some_and(LeftOut::lifts_law)
            && calm.verdict == Verdict::Migrated
            && fate.verdict != Verdict::Migrated;
        breaks.then(|| Broken {
            law: Law::MigratesAfterFaults,
            at: run.end,
            device: fate.device.clone(),
            text: format!(
                "{TRIES} boots after the last fault it is {} ({}); where nothing fails it is {}",
                fate.verdict,
                fate.reason().unwrap_or("no reason"),
                calm.verdict
            ),
        })
    });
    AfterFaults {
        broken: broken.collect(),
        left_out,
    }
}

/// True for what can disturb a boot.
fn disturbs(action: &Action) -> bool {
    matches!(
        action,
        Action::SetLink { .. } | Action::Later { .. } | Action::PowerCut { .. }
    )
}

/// What a phone holds: its lists and its configuration.
type Held = [Option<Arc<[u8]>>; 3];

fn held(flash: &Flash) -> Held {
    [ListKind::Ctl.file_name(), ListKind::Itl.file_name(), CONFIG].map(|f| flash.get(f).cloned())
}

/// What became of a phone in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boot {
    /// It did not boot.
    None,
    /// It booted, and something disturbed it.
    Disturbed {
        /// Its lists know a TVS that its configuration names.
        knows_tvs: bool,
    },
    /// It booted as in the calm run.
    Whole,
}

/// A step as it was taken.
#[derive(Debug)]
struct Taken {
    /// It changed what phones may come to.
    changes: bool,
    /// A node started its TFTP, maybe in the middle of a boot, and serves other files since.
    mends: bool,
    /// By phone.
    boots: Vec<Boot>,
    /// What each phone held after it.
    held: Vec<Held>,
}

/// A run, step by step.
#[derive(Debug)]
struct Record {
    steps: Vec<Taken>,
    fates: Vec<Fate>,
    end: Time,
}

fn left_out(run: &Record, calm: &Record, phone: usize) -> Option<LeftOut> {
    // Before the disturbances began the calm phone may have been in the very same trouble, and out of
    // it by a step: that does not count. What both held when they began does.
    let ever = |held: &Held, since: usize| {
        let steps = calm.steps.iter().skip(since.saturating_sub(1));
        steps.map(|step| &step.held[phone]).any(|calm| calm == held)
    };
    // Since the last disturbed boot, while that one may still show.
    let mut unsettled: Option<Unsettled> = None;
    let mut last: Option<(&Held, &Held)> = None;
    let mut own_way = None;
    for (index, (step, same)) in run.steps.iter().zip(&calm.steps).enumerate() {
        if let (Some(unsettled), Some((held, calm))) = (&unsettled, last)
            && held != calm
        {
            if step.changes {
                return Some(LeftOut::Behind);
            }
            // The lists; the configuration comes last.
            let has_lists = held[..2] == calm[..2];
            if step.boots[phone] == Boot::Whole && !ever(held, unsettled.since) {
                if !unsettled.knows_tvs && !has_lists {
                    return Some(LeftOut::Torn);
                }
                own_way = Some(LeftOut::OwnWay);
            }
        }
        let (held, calm) = (&step.held[phone], &same.held[phone]);
        let is_disturbed = matches!(step.boots[phone], Boot::Disturbed { .. });
        if is_disturbed && step.mends && held != calm {
            return Some(LeftOut::Behind);
        }
        unsettled = match (step.boots[phone], unsettled) {
            (Boot::Disturbed { knows_tvs }, before) => Some(Unsettled {
                since: before.map_or(index, |u| u.since),
                knows_tvs,
                boots: 0,
            }),
            (Boot::Whole, Some(mut unsettled)) if held != calm => {
                unsettled.boots += 1;
                Some(unsettled).filter(|u| u.boots < TRIES)
            }
            (Boot::Whole, _) => None,
            (Boot::None, unsettled) => unsettled,
        };
        last = Some((held, calm));
    }
    own_way
}

/// A phone whose last boots were disturbed.
#[derive(Clone, Copy)]
struct Unsettled {
    /// Index of the step with the first of them.
    since: usize,
    /// After the last disturbed one its lists knew a TVS that its configuration names.
    knows_tvs: bool,
    /// Whole boots since.
    boots: usize,
}

/// Runs a scenario, mends what its disturbances broke, and resets every phone [`TRIES`] times.
fn record(scenario: &Scenario, is_calm: bool) -> Result<Record, RunError> {
    let mut silent = |_: &Event| {};
    let mut run = Run::start_trial(scenario, None, &mut silent)?;
    run.calm = is_calm.then(Default::default);
    run.boot_at_home()?;
    let mut recorder = Recorder::default();
    for step in &scenario.steps {
        recorder.take(&mut run, &step.action, step.verb)?;
    }
    run.forget_disturbances();
    for (action, verb) in mending(scenario) {
        recorder.take(&mut run, &action, verb)?;
    }
    for _ in 0..TRIES {
        let phones = Selector::all();
        recorder.take(&mut run, &Action::ResetPhones { phones }, Verb::ResetPhones)?;
    }
    let rehearsed = run.end()?;
    Ok(Record {
        steps: recorder.steps,
        fates: fates(&rehearsed),
        end: rehearsed.now,
    })
}

/// Starts what stopped in the middle of a boot. Where it is started already nothing happens.
fn mending(scenario: &Scenario) -> Vec<(Action, Verb)> {
    let opposite = |action: &Action| match action {
        Action::ChangeService {
            change: ServiceChange::Stop,
            target,
            service,
        } => Some((
            Action::ChangeService {
                change: ServiceChange::Start,
                target: target.clone(),
                service: *service,
            },
            Verb::StartService,
        )),
        Action::SwitchPower { on: false, target } => Some((
            Action::SwitchPower {
                on: true,
                target: target.clone(),
            },
            Verb::SwitchOn,
        )),
        _ => None,
    };
    let later = scenario.steps.iter().filter_map(|step| match &step.action {
        Action::Later { action, .. } => opposite(action),
        _ => None,
    });
    let mut all: Vec<_> = later.collect();
    // A node that is on again starts all its services.
    all.sort_by_key(|(action, _)| matches!(action, Action::ChangeService { .. }));
    all
}

/// What can stop in the middle of a boot: a service of a node, or all of it.
type Part = (String, Option<Service>);

/// Takes steps and notes what came of them.
#[derive(Debug, Default)]
struct Recorder {
    steps: Vec<Taken>,
    /// What stopped in the middle of a boot, now or earlier.
    stopped: BTreeSet<Part>,
    /// What waits for the next boot stops these.
    stopping: BTreeSet<Part>,
}

impl Recorder {
    fn take(&mut self, run: &mut Run<'_>, action: &Action, verb: Verb) -> Result<(), RunError> {
        run.step = self.steps.len() + 1;
        let changes = self.changes(run, action);
        let faults_before = lock(&run.lab).file_faults();
        if let Action::Later { action, .. } = action {
            self.stopping.extend(parts(run.scenario, action));
        }
        let has_plans = run.driver.world().is_some_and(|w| w.has_plans());
        let was_down = self.is_down(run);
        let told: Vec<_> = run.phones.iter().map(|p| p.events.len()).collect();
        let whole_before = whole_links(run);
        run.carry_out(action, verb.to_string())?;
        let mends = !faults_before.is_subset(&lock(&run.lab).file_faults());
        let has_come = has_plans && run.driver.world().is_some_and(|w| !w.has_plans());
        if has_come {
            self.stopped.append(&mut self.stopping);
        }
        let disturbed = has_come || was_down || self.is_down(run);
        let whole_links = whole_links(run);
        let boot = |(i, phone): (usize, &LabPhone)| {
            let new = phone.events.get(told[i]..).unwrap_or_default();
            let has = |kind: fn(&Kind) -> bool| new.iter().any(|e| kind(&e.kind));
            if !has(|kind| matches!(kind, Kind::Boot { .. })) {
                return Boot::None;
            }
            let is_cut = has(|kind| matches!(kind, Kind::PowerCut { .. }));
            if disturbed || is_cut || !whole_before[i] || !whole_links[i] {
                let knows_tvs = knows_tvs(phone, &lock(&run.lab));
                Boot::Disturbed { knows_tvs }
            } else {
                Boot::Whole
            }
        };
        let boots = run.phones.iter().enumerate().map(boot).collect();
        let taken = Taken {
            changes: changes || mends,
            mends,
            boots,
            held: run.phones.iter().map(|p| held(&p.flash)).collect(),
        };
        self.steps.push(taken);
        Ok(())
    }

    /// True if something that stopped in the middle of a boot has not started since.
    fn is_down(&self, run: &Run<'_>) -> bool {
        let lab = lock(&run.lab);
        self.stopped.iter().any(|part| is_down(&lab, part))
    }

    /// True if what a phone may come to can hang on whether it boots before or after this step.
    fn changes(&self, run: &Run<'_>, action: &Action) -> bool {
        let starts = match action {
            Action::ResetPhones { .. }
            | Action::EraseLists { .. }
            | Action::FactoryReset { .. }
            | Action::RenewLeases { .. }
            | Action::PowerCut { .. }
            | Action::SetLink { .. }
            | Action::ClearLinks
            | Action::Later { .. }
            | Action::JumpClock(ClockJump { nodes: None, .. })
            | Action::Wait { .. }
            | Action::Note { .. }
            | Action::BulkSftp { .. }
            | Action::BulkFault { .. }
            | Action::Bulk {
                button: BulkButton::Export | BulkButton::Consolidate,
                ..
            } => return false,
            Action::ChangeService {
                change: ServiceChange::Start,
                ..
            }
            | Action::SwitchPower { on: true, .. } => parts(run.scenario, action),
            _ => return true,
        };
        // To start what a disturbance stopped ends the disturbance.
        let lab = lock(&run.lab);
        let mut down = starts.iter().filter(|part| is_down(&lab, part));
        down.any(|part| !self.stopped.contains(part))
    }
}

/// True if a list of the phone holds the certificate of a TVS that it would ask.
fn knows_tvs(phone: &LabPhone, lab: &Lab) -> bool {
    let config = phone.flash.get(CONFIG).map(|c| PhoneConfig::parse(c));
    let mut servers = config.and_then(Result::ok).unwrap_or_default().tvs;
    servers.sort_by_key(|server| server.priority);
    let asked = phone.setup.settings.peek(Key::TvsMaxServers);
    let servers = servers.iter().take(usize::try_from(asked).unwrap_or(0));
    let own: Vec<_> = servers
        .filter_map(|server| lab.tvs_identity(lab.host(&server.host)?))
        .map(|identity| identity.certificate)
        .collect();
    let lists = [ListKind::Ctl, ListKind::Itl].into_iter();
    let lists = lists.filter_map(|kind| list::Held::read(phone.flash.get(kind.file_name())?));
    lists.into_iter().any(|list| {
        let mut known = list.certificates(|role| role == Role::Tvs);
        known.any(|known| own.iter().any(|own| **own == *known))
    })
}

fn whole_links(run: &mut Run<'_>) -> Vec<bool> {
    let phones = run.phones.iter();
    let devices: Vec<_> = phones.map(|p| p.setup.identity.device.clone()).collect();
    let Some(world) = run.driver.world() else {
        return vec![true; devices.len()];
    };
    devices.iter().map(|d| world.has_whole_links(d)).collect()
}

fn is_down(lab: &Lab, (name, service): &Part) -> bool {
    let Some(node) = lab.host(name) else {
        return false;
    };
    let service = match service {
        None => return !lab.is_on(node),
        Some(Service::Tftp) => cluster::Service::Tftp,
        Some(Service::Tvs) => cluster::Service::Tvs,
        Some(Service::Capf) => cluster::Service::Capf,
        Some(Service::CallManager | Service::Publisher) => cluster::Service::CallManager,
    };
    !lab.serves(node, service)
}

/// What a change stops or starts.
fn parts(scenario: &Scenario, action: &Action) -> Vec<Part> {
    let (target, service) = match action {
        Action::ChangeService {
            target, service, ..
        } => (target, Some(service.service())),
        Action::SwitchPower { target, .. } => (target, None),
        _ => return Vec::new(),
    };
    let names: Vec<String> = match target {
        Target::Node(name) => vec![name.value.clone()],
        Target::Cluster(id) => {
            let nodes = scenario.cluster(&id.value).into_iter();
            let nodes = nodes.flat_map(|cluster| &cluster.nodes);
            let running = nodes.filter(|node| service.is_none_or(|s| node.runs(s)));
            running.map(|node| node.name.value.clone()).collect()
        }
    };
    names.into_iter().map(|name| (name, service)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::{Rules, parse};
    use super::*;

    /// A move of one phone, with these steps in place of the usual reset.
    fn scenario(steps: &str) -> Scenario {
        let text = format!(
            r#"format = 1
name = "a move"
source = "none: made for a test"
date = 2020-03-01T09:00:00Z
[cluster.source]
release = "10.5.2"
nodes = [{{ name = "src-pub", services = ["publisher", "tftp", "tvs"] }}]
[cluster.destination]
release = "11.5.1"
nodes = [{{ name = "dst-pub", services = ["publisher", "tftp", "tvs"] }}]
[[phones]]
count = 1
model = "CP-8861"
cluster = "source"
[[step]]
do = "trust-certificates"
from = "destination"
into = "source"
[[step]]
do = "set-option-150"
to = ["dst-pub"]
{steps}"#
        );
        parse("a.toml", &text, &Rules).unwrap_or_else(|errors| panic!("{}", errors[0]))
    }

    fn left_out_of(steps: &str) -> Option<LeftOut> {
        let found = after_faults(&scenario(steps));
        assert!(found.broken.is_empty(), "{:?}", found.broken);
        found.left_out[0]
    }

    const RESET: &str = "[[step]]\ndo = \"reset-phones\"\n";
    const PARTITION: &str =
        "[[step]]\ndo = \"set-link\"\nnodes = [\"dst-pub\"]\npartition = true\n";
    const CLEAR: &str = "[[step]]\ndo = \"clear-links\"\n";

    /// A step in the middle of the next boot, or at its start where the time is zero.
    fn later(verb: &str, service: &str, after: &str) -> String {
        let node = if service == "tvs" {
            "src-pub"
        } else {
            "dst-pub"
        };
        format!(
            "[[step]]\ndo = \"{verb}\"\nnode = \"{node}\"\nservice = \"{service}\"\nafter = \"{after}\"\n"
        )
    }

    #[test]
    fn a_scenario_without_disturbances_is_not_run_again() {
        let found = after_faults(&scenario(RESET));
        assert!(found.left_out.is_empty() && found.broken.is_empty());
    }

    #[test]
    fn a_phone_that_missed_its_boot_is_held_to_the_law() {
        let is_held = |steps: &str| !left_out_of(steps).is_some_and(LeftOut::lifts_law);
        assert!(is_held(&format!("{PARTITION}{RESET}")));
        assert!(is_held(&format!("{PARTITION}{RESET}{CLEAR}{RESET}")));
        for after in ["0ms", "20ms", "600ms", "5m"] {
            for service in ["tftp", "tvs"] {
                let stop = later("stop-service", service, after);
                assert!(is_held(&format!("{stop}{RESET}")), "{service} {after}");
            }
        }
        for write in 1..8 {
            let cut = format!("[[step]]\ndo = \"power-cut\"\nat = \"inside\"\nwrite = {write}\n");
            assert!(is_held(&format!("{cut}{RESET}")), "{write}");
        }
    }

    /// The old cluster is renewed while the phone waits for its next boot.
    #[test]
    fn a_phone_whose_chance_is_gone_is_left_out() {
        let renew = "[[step]]\ndo = \"regenerate-certificate\"\nnode = \"src-pub\"\ncertificate = \"TVS\"\n";
        let steps = format!("{PARTITION}{RESET}{renew}{CLEAR}{RESET}");
        assert_eq!(left_out_of(&steps), Some(LeftOut::Behind));
    }

    /// The destination serves the list that the source's TVS vouches for until its TFTP starts again,
    /// in the middle of the boot or by a step that ends a disturbance.
    #[test]
    fn a_phone_that_missed_old_files_is_left_out() {
        let keep = "[[step]]\ndo = \"keep-old-files\"\nnode = \"dst-pub\"\n\
                    [[step]]\ndo = \"regenerate-certificate\"\nnode = \"dst-pub\"\ncertificate = \"CallManager\"\n";
        let restart = later("restart-service", "tftp", "0ms");
        let stop = later("stop-service", "tftp", "0ms");
        let start = "[[step]]\ndo = \"start-service\"\nnode = \"dst-pub\"\nservice = \"tftp\"\n";
        for steps in [
            format!("{keep}{restart}{RESET}"),
            format!("{keep}{stop}{RESET}{start}{RESET}"),
            format!("{keep}{stop}{RESET}"),
        ] {
            assert_eq!(left_out_of(&steps), Some(LeftOut::Behind), "{steps}");
        }
        // With nothing wrong with its files the node serves the same before and after.
        for steps in [
            format!("{restart}{RESET}"),
            format!("{stop}{RESET}{start}{RESET}"),
        ] {
            let is_held = !left_out_of(&steps).is_some_and(LeftOut::lifts_law);
            assert!(is_held, "{steps}");
        }
    }

    /// TVS goes before the list, and is back for the configuration.
    #[test]
    fn a_torn_phone_is_left_out() {
        let torn = ["16ms", "20ms", "23ms"].into_iter().find_map(|after| {
            let stop = later("stop-service", "tvs", "0ms");
            let start = later("start-service", "tvs", after);
            left_out_of(&format!("{stop}{start}{RESET}{RESET}"))
        });
        assert_eq!(torn, Some(LeftOut::Torn));
    }

    /// TFTP goes between the list and the configuration: the list is the right one.
    #[test]
    fn a_phone_with_a_way_on_is_held_to_the_law() {
        let stop = later("stop-service", "tftp", "20ms");
        let left_out = left_out_of(&format!("{stop}{RESET}"));
        assert_eq!(left_out, Some(LeftOut::OwnWay));
        assert!(!LeftOut::OwnWay.lifts_law());
    }

    /// What the comparison is for: nobody vouches for the destination in one of the two.
    #[test]
    fn a_phone_that_stays_behind_for_no_reason_breaks_the_law() {
        let calm = scenario(RESET);
        let mut other = calm.clone();
        other.steps.remove(0);
        let (run, calm) = (record(&other, false).unwrap(), record(&calm, true).unwrap());
        let found = judge(&run, &calm);
        let [broken] = &found.broken[..] else {
            panic!("{:?}", found.broken);
        };
        assert_eq!(broken.law, Law::MigratesAfterFaults);
        assert!(broken.text.contains("stranded"), "{}", broken.text);
        assert!(judge(&calm, &calm).broken.is_empty());
    }
}
