//! Running a scenario: its steps in order, on either driver.

mod certificates;
mod database;
mod entry;
mod leases;
mod snapshot;
mod tell;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use thiserror::Error;

use super::alike::Beside;
use super::build::{self, Site};
use super::driver::{Driver, Network};
use super::exchange::{Exchange, Press};
use super::expect::Checked;
use super::faults::{self, Calm};
use super::lanes::Lane;
use super::model::{self, Action, Scenario};
use super::registry::parameter_of;
use super::steps;
use super::words::Verb;
use crate::cluster::key::KeyError;
use crate::cluster::{Cluster, ClusterError, Damage, DamagedFile, KeyPool, Lab, Turn};
use crate::dhcp::Scope;
use crate::event::{Event, Kind};
use crate::phone::power::{BootEnd, Booting, Cut};
use crate::phone::{BootCause, Flash, Pace, PhoneSetup};
use crate::provisioning::authority::IssueError;
use crate::sim::Witness;
use crate::time::{Time, UnixSeconds};
use crate::trust::rules::{Key, Settings};

pub use entry::{at_start, check_network, rehearse, rehearse_watched};
pub(super) use entry::{rehearse_told, until};
pub(super) use snapshot::Snapshot;

/// Name of the actor of steps.
pub const LAB: &str = "lab";

/// Why a scenario could not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// A socket or a thread could not be had.
    #[error("{0}")]
    System(#[from] io::Error),
    /// A cluster cannot do what it was told.
    #[error("step {step}: {error}")]
    Step {
        /// Number of the step, from 1; 0 for the start.
        step: usize,
        /// Why.
        error: ClusterError,
    },
    /// The lab's authority cannot make a certificate that the scenario asks for.
    #[error("[provisioning]: {0}")]
    Provisioning(#[from] IssueError<KeyError>),
    /// This program was built without what the scenario needs on sockets.
    #[error(
        "[provisioning] on sockets needs the Cargo feature `{0}`, without which this trustline was built: \
         build with it, or say `--network sim`"
    )]
    NeedsFeature(&'static str),
    /// The scenario has faults that sockets do not have.
    #[error(
        "{} exists in virtual time alone: leave `--network loopback` out, or say `--network sim`",
        match is_later { true => format!("step `{verb}` with `after`"), false => format!("step `{verb}`") }
    )]
    NeedsVirtualTime {
        /// The first such step.
        verb: Verb,
        /// True if it has `after`.
        is_later: bool,
    },
}

/// A phone of the lab, between its boots.
#[derive(Clone, Debug)]
pub struct LabPhone {
    /// How it is set up.
    pub setup: PhoneSetup,
    /// Its flash.
    pub flash: Flash,
    /// Its flash before the first step.
    pub before: Flash,
    /// Id of the cluster in which it booted first.
    pub home: String,
    /// What DHCP tells it now; where phones take no lease, what is set on it by hand.
    pub scope: Scope,
    /// What it was told in its first boot.
    pub home_scope: Scope,
    /// What it told in that boot.
    pub home_events: Vec<Event>,
    /// Rules that it used in that boot.
    pub home_used: Vec<Key>,
    /// How its last boot ended.
    pub end: BootEnd,
    /// Rules that it used since the first step.
    pub used: Vec<Key>,
    /// What it told since the first step.
    pub events: Vec<Event>,
    /// Where among `events` its last boot begins.
    pub last_boot: usize,
    /// Where the power fails in its next boot.
    pub(super) cut: Option<Cut>,
}

/// What is left when all steps are done.
#[derive(Debug)]
pub struct Rehearsed {
    /// The clusters.
    pub lab: Arc<Mutex<Lab>>,
    /// The phones.
    pub phones: Vec<LabPhone>,
    /// The lab's clock.
    pub now: Time,
    /// What steps said of their own result.
    pub checked: Vec<Checked>,
    /// What the lab's own SFTP server holds, by path: `/bulk/NAME`. Where the exchange was in memory,
    /// also what the servers that the scenario names would hold, below `/HOST-PORT`.
    pub exchanged: BTreeMap<String, Vec<u8>>,
    /// True if a step needed a directory on an SFTP server that the scenario names, and could not
    /// open it.
    pub unreached: bool,
}

impl Rehearsed {
    /// The clusters.
    pub fn lab(&self) -> MutexGuard<'_, Lab> {
        lock(&self.lab)
    }
}

pub(super) fn lock(lab: &Mutex<Lab>) -> MutexGuard<'_, Lab> {
    // A panic elsewhere must not hide behind a second one here.
    lab.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Why a step could not be taken.
enum StepError {
    Cluster(ClusterError),
    System(io::Error),
}

impl From<ClusterError> for StepError {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

impl From<io::Error> for StepError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

pub(super) struct Run<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) lab: Arc<Mutex<Lab>>,
    keys: KeyPool,
    pub(super) driver: Driver,
    pub(super) phones: Vec<LabPhone>,
    /// The phones that boot, where the others stay off.
    pub(super) only: Option<BTreeSet<usize>>,
    /// Runs beside this one, under other rules of the phones.
    pub(super) lanes: Vec<Lane>,
    /// Rules that phones felt in the boots since this was last emptied, for the lanes.
    pub(super) felt: BTreeSet<(usize, Key)>,
    /// What it is beside another run.
    pub(super) beside: Beside<'a>,
    /// Number of the step, from 1.
    pub(super) step: usize,
    /// Seconds that steps let pass.
    waited: u64,
    /// Publications of each cluster that were told.
    told: Vec<usize>,
    /// False if nobody hears what is told.
    pub(super) is_heard: bool,
    pub(super) sink: &'a mut dyn FnMut(&Event),
    pub(super) witness: Option<&'a mut dyn Witness>,
    /// The directory that the clusters exchange certificates through.
    exchange: Exchange,
    /// What databases had of the phones that are not in them.
    removed: database::Removed,
    /// What steps said of their own result.
    pub(super) checked: Vec<Checked>,
    /// See [`Rehearsed::unreached`].
    pub(super) unreached: bool,
    /// What was put off, where nothing disturbs boots.
    pub(super) calm: Option<Calm>,
}

impl<'a> Run<'a> {
    pub(super) fn start(
        scenario: &'a Scenario,
        network: Network,
        pace: Pace,
        forced: Option<(Key, i64)>,
        sink: &'a mut dyn FnMut(&Event),
        witness: Option<&'a mut dyn Witness>,
    ) -> Result<Self, RunError> {
        check_network(scenario, network)?;
        let keys = KeyPool::new(scenario.seed);
        let start = |lab| Driver::start(network, lab, scenario);
        let place = (&Site::default(), keys);
        Self::start_with(scenario, place, start, (pace, forced), sink, witness)
    }

    /// The same on a driver that is started for the lab, at a site.
    pub(super) fn start_on(
        scenario: &'a Scenario,
        site: &Site,
        start: impl FnOnce(Arc<Mutex<Lab>>) -> io::Result<Driver>,
        pace: Pace,
        forced: Option<(Key, i64)>,
        sink: &'a mut dyn FnMut(&Event),
        witness: Option<&'a mut dyn Witness>,
    ) -> Result<Self, RunError> {
        let place = (site, KeyPool::new(scenario.seed));
        Self::start_with(scenario, place, start, (pace, forced), sink, witness)
    }

    /// A run in virtual time that nobody sees: its signatures are modelled.
    pub(super) fn start_trial(
        scenario: &'a Scenario,
        forced: Option<(Key, i64)>,
        silent: &'a mut dyn FnMut(&Event),
    ) -> Result<Self, RunError> {
        let place = (&Site::default(), KeyPool::modelled(scenario.seed));
        let start = |lab| Ok(Driver::for_trials(lab, scenario));
        let how = (Pace::Real, forced);
        let mut run = Self::made(scenario, place, start, how, silent, None)?;
        run.is_heard = false;
        Ok(run)
    }

    fn start_with(
        scenario: &'a Scenario,
        place: (&Site, KeyPool),
        start: impl FnOnce(Arc<Mutex<Lab>>) -> io::Result<Driver>,
        how: (Pace, Option<(Key, i64)>),
        sink: &'a mut dyn FnMut(&Event),
        witness: Option<&'a mut dyn Witness>,
    ) -> Result<Self, RunError> {
        let mut run = Self::made(scenario, place, start, how, sink, witness)?;
        run.tell_start();
        run.tell_nodes();
        run.tell_publications();
        run.show_lab();
        Ok(run)
    }

    fn made(
        scenario: &'a Scenario,
        (site, mut keys): (&Site, KeyPool),
        start: impl FnOnce(Arc<Mutex<Lab>>) -> io::Result<Driver>,
        (pace, forced): (Pace, Option<(Key, i64)>),
        sink: &'a mut dyn FnMut(&Event),
        witness: Option<&'a mut dyn Witness>,
    ) -> Result<Self, RunError> {
        let at_start = |error| RunError::Step { step: 0, error };
        let settings = build::settings(Settings::default(), scenario, forced);
        let mut lab = build::lab(scenario, site, &settings, &mut keys).map_err(at_start)?;
        let mut phones = Vec::new();
        for group in &scenario.phones {
            for number in group.numbers() {
                let (setup, scope) =
                    build::phone(scenario, &mut lab, group, number, pace, forced, &mut keys)
                        .map_err(at_start)?;
                phones.push(LabPhone {
                    home_scope: scope.clone(),
                    scope,
                    setup,
                    flash: Flash::default(),
                    before: Flash::default(),
                    home: group.cluster.value.clone(),
                    home_events: Vec::new(),
                    home_used: Vec::new(),
                    end: BootEnd::Overdue,
                    used: Vec::new(),
                    events: Vec::new(),
                    last_boot: 0,
                    cut: None,
                });
            }
        }
        build::start_dhcp(scenario, &mut lab, &phones);
        let told = lab.clusters().iter().map(|_| 0).collect();
        let lab = Arc::new(Mutex::new(lab));
        let driver = start(Arc::clone(&lab))?;
        let network = driver.network();
        Ok(Self {
            scenario,
            lab,
            keys,
            driver,
            phones,
            only: None,
            lanes: Vec::new(),
            felt: BTreeSet::new(),
            beside: Beside::Nothing,
            step: 0,
            waited: 0,
            told,
            is_heard: true,
            sink,
            witness,
            exchange: Exchange::new(scenario, network, &settings),
            removed: database::Removed::new(),
            checked: Vec::new(),
            unreached: false,
            calm: None,
        })
    }

    /// Boots the phones at home, carries the steps out, and says what is left.
    pub(super) fn finish(mut self) -> Result<Rehearsed, RunError> {
        self.take_steps()?;
        self.end()
    }

    /// Says what is left.
    pub(super) fn end(mut self) -> Result<Rehearsed, RunError> {
        let now = self.driver.now();
        let exchanged = self.exchange.into_files(&mut self.driver)?;
        Ok(Rehearsed {
            lab: self.lab,
            phones: self.phones,
            now,
            checked: self.checked,
            exchanged,
            unreached: self.unreached,
        })
    }

    /// Boots the phones at home, then carries the steps out.
    pub(super) fn take_steps(&mut self) -> Result<(), RunError> {
        self.boot_at_home()?;
        for (index, step) in self.scenario.steps.iter().enumerate() {
            self.step = index + 1;
            self.carry_out(&step.action, step.verb.to_string())?;
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, actor: &str, kind: Kind) {
        self.tell_with(actor, || kind);
    }

    /// The same for what is made only if somebody hears it.
    pub(super) fn tell_with(&mut self, actor: &str, kind: impl FnOnce() -> Kind) {
        if !self.is_heard {
            return;
        }
        let kind = kind();
        let event = Event {
            at: self.driver.now(),
            actor: actor.to_owned(),
            kind,
        };
        (self.sink)(&event);
        if let Some(witness) = &mut self.witness {
            witness.event(&event);
        }
    }

    /// Shows the clusters as they are to the witness.
    fn show_lab(&mut self) {
        if let Some(witness) = &mut self.witness {
            witness.lab(self.driver.now(), self.step, &lock(&self.lab));
        }
    }

    /// When a step publishes: the world's date and one second a step, the same on every driver.
    fn at(&self) -> UnixSeconds {
        self.scenario.date.value + self.step as u64 + self.waited
    }

    /// The boots before the first step.
    pub(super) fn boot_at_home(&mut self) -> Result<(), RunError> {
        let at_start = |error| RunError::Step { step: 0, error };
        let count = self.phones.len();
        self.tell_with(LAB, || Kind::Step {
            verb: "boot-at-home".into(),
            text: format!("{count} phones boot in their own cluster, so they hold its lists"),
        });
        let all: Vec<_> = (0..count).collect();
        self.boot(&all, BootCause::Power).map_err(at_start)?;
        self.each_phone(0..count, |p| {
            p.before = p.flash.clone();
            p.home_events = std::mem::take(&mut p.events);
            p.home_used = std::mem::take(&mut p.used);
            p.last_boot = 0;
        });
        Ok(())
    }

    /// Boots phones together; those whose power was cut come back by themselves.
    fn boot(&mut self, indices: &[usize], cause: BootCause) -> Result<(), ClusterError> {
        if self.is_boot_known(indices, cause) {
            return Ok(());
        }
        if self.lanes.is_empty() {
            return self.boot_here(indices, cause);
        }
        self.boot_lanes(indices, &|i, _, _| indices.contains(&i), cause)
    }

    /// The same, in this run alone.
    pub(super) fn boot_here(
        &mut self,
        indices: &[usize],
        cause: BootCause,
    ) -> Result<(), ClusterError> {
        let mut booting = indices.to_vec();
        if let Some(only) = &self.only {
            booting.retain(|i| only.contains(i));
        }
        if cause == BootCause::Renewal {
            return self.renew_here(&booting);
        }
        let mut cause = cause;
        // A cut is spent when it strikes, so the second boot of a phone is its last.
        for _ in 0..2 {
            if booting.is_empty() {
                break;
            }
            self.boot_once(&booting, cause);
            booting.retain(|&i| self.phones[i].end == BootEnd::PowerCut);
            cause = BootCause::Power;
        }
        self.settle()
    }

    /// Runs phones until they are done; says which of them restart by themselves.
    fn boot_once(&mut self, indices: &[usize], cause: BootCause) -> Vec<usize> {
        // A renewal is no boot: it leaves what the last one came to, and the next one its power cut.
        let boots = cause != BootCause::Renewal;
        let step = self.step as u64;
        if let Some(calm) = &mut self.calm {
            calm.comes();
        }
        let mut starting = Vec::with_capacity(indices.len());
        let mut waiting_cuts = Vec::new();
        for &i in indices {
            let p = &mut self.phones[i];
            if boots && p.cut.is_some() {
                waiting_cuts.push(i);
            }
            if boots {
                p.last_boot = p.events.len();
            }
            p.setup.cause = cause;
            p.setup.clock_ahead = step;
            let (setup, flash) = (p.setup.clone(), p.flash.clone());
            starting.push(Booting {
                setup,
                flash,
                cut: p.cut.take_if(|_| boots),
            });
        }
        let Self {
            driver,
            phones,
            sink,
            witness,
            ..
        } = self;
        let by_device: HashMap<String, usize> = indices
            .iter()
            .map(|&i| (phones[i].setup.identity.device.clone(), i))
            .collect();
        let mut events = |event: Event| {
            sink(&event);
            if let Some(&i) = by_device.get(&event.actor) {
                phones[i].events.push(event);
            }
        };
        let booted = driver.boot(starting, &mut events, reborrow(witness));
        let mut restarting = Vec::new();
        for (&i, b) in indices.iter().zip(booted) {
            let p = &mut self.phones[i];
            p.flash = b.flash;
            if boots {
                p.end = b.end;
            }
            if b.restarts {
                restarting.push(i);
            }
            self.felt.extend(b.felt.iter().map(|&key| (i, key)));
            for key in b.used {
                if !p.used.contains(&key) {
                    p.used.push(key);
                }
            }
        }
        for i in waiting_cuts {
            self.check_cut(i);
        }
        restarting
    }

    /// A power cut that never came is a slip in the scenario: what it should show was not shown.
    fn check_cut(&mut self, i: usize) {
        let p = &self.phones[i];
        if p.end == BootEnd::PowerCut {
            return;
        }
        let boot = &p.events[p.last_boot.min(p.events.len())..];
        let writes: Vec<_> = boot
            .iter()
            .filter_map(|e| match &e.kind {
                Kind::FlashWrite { write, file, .. } => Some(format!("{write} {file}")),
                _ => None,
            })
            .collect();
        self.checked.push(Checked {
            text: format!("{}: the power fails", p.setup.identity.device),
            failed: Some(format!(
                "the boot had no such flash write; it had {} ({})",
                writes.len(),
                writes.join(", ")
            )),
        });
    }

    pub(super) fn carry_out(&mut self, action: &Action, verb: String) -> Result<(), RunError> {
        let scenario = self.scenario;
        self.tell_with(LAB, || Kind::Step {
            text: steps::sentence(action, scenario),
            verb,
        });
        let step = self.step;
        self.act(action).map_err(|error| match error {
            StepError::Cluster(error) => RunError::Step { step, error },
            StepError::System(error) => RunError::System(error),
        })?;
        self.tell_publications();
        self.driver.follow()?;
        self.show_lab();
        Ok(())
    }

    fn act(&mut self, action: &Action) -> Result<(), StepError> {
        let at = self.at();
        match action {
            Action::TrustCertificates { .. } => self.trust_certificates(action)?,
            Action::SetOption150 { to, phones } => {
                let addresses: Vec<Ipv4Addr> = {
                    let lab = lock(&self.lab);
                    to.iter()
                        .filter_map(|n| Some(lab.address(lab.host(&n.value)?)))
                        .collect()
                };
                self.set_scope(phones, |scope| {
                    scope.option_150.clone_from(&addresses);
                    scope.option_66 = None;
                });
            }
            Action::SetOption66 {
                to,
                beside_150,
                phones,
            } => self.set_scope(phones, |scope| {
                scope.option_66 = Some(to.value.clone());
                if !beside_150 {
                    scope.option_150.clear();
                }
            }),
            Action::RenewLeases { phones } => self.renew_leases(phones)?,
            Action::SwitchDhcp { on } => lock(&self.lab).switch_dhcp(*on),
            Action::ResetPhones { phones } => {
                let indices = self.selected(phones);
                self.boot(&indices, BootCause::Reset)?;
            }
            Action::EraseLists { phones } => {
                let indices = self.selected(phones);
                self.each_phone(indices.iter().copied(), |p| p.flash.erase_lists());
                self.boot(&indices, BootCause::ListsErased)?;
            }
            Action::FactoryReset { phones } => {
                let indices = self.selected(phones);
                self.each_phone(indices.iter().copied(), |p| p.flash.erase());
                self.boot(&indices, BootCause::FactoryReset)?;
            }
            Action::ChangeService {
                change,
                target,
                service,
            } => {
                self.change(target, faults::turn(*change, *service), at)?;
            }
            Action::SwitchPower { on, target } => {
                let turn = if *on { Turn::On } else { Turn::Off };
                self.change(target, turn, at)?;
            }
            Action::SetParameter { cluster, parameter } => {
                // Name and value were checked when the file was read.
                if let Ok(p) = parameter_of(&parameter.name.value, &parameter.value.value) {
                    self.on_cluster(&cluster.value, |c| c.set_parameter(p, at))?;
                }
            }
            Action::RegenerateCertificate { node, certificate } => {
                let kind = steps::own_kind(certificate.value);
                let mut lab = lock(&self.lab);
                if let Some(id) = lab.host(&node.value)
                    && let Some(cluster) = lab.cluster_mut(id.cluster)
                {
                    cluster.regenerate(&node.value, kind, at, &mut self.keys)?;
                }
            }
            Action::UploadCertificate {
                from,
                certificate,
                into,
                store,
            } => {
                let kind = steps::certificate_kind(certificate.value);
                let told = {
                    let mut lab = lock(&self.lab);
                    certificates::upload(&mut lab, &from.value, kind, &into.value, *store)
                };
                for event in told {
                    self.tell(&into.value, event);
                }
            }
            Action::UpdateCtl { cluster } => {
                self.on_cluster(&cluster.value, |c| c.update_ctl(at))?;
            }
            Action::DamageFile {
                node,
                file,
                how,
                at,
            } => {
                let file = served_file(*file);
                let at = at.and_then(|n| usize::try_from(n).ok());
                let damage = match how {
                    model::Damage::FlipBit => Damage::FlipBit { at },
                    model::Damage::Truncate => Damage::Truncate { at },
                    model::Damage::Empty => Damage::Empty,
                };
                self.on_node(&node.value, |c, n| c.damage_file(n, file, damage))?;
            }
            Action::AnswerHttp { node, file, status } => {
                let file = file.map(served_file);
                self.on_node(&node.value, |c, n| c.answer_http(n, file, *status))?;
            }
            Action::BulkSftp { cluster, server } => {
                self.exchange.fill_in(self.scenario, &cluster.value, server);
            }
            Action::Bulk {
                button,
                cluster,
                node,
                kind,
                result,
            } => {
                let press = Press {
                    cluster: &cluster.value,
                    node: node.as_ref().map(|n| n.value.as_str()),
                    button: *button,
                    kind: *kind,
                    now: at,
                };
                let done = self.exchange.press(&mut self.driver, &self.lab, &press)?;
                if let Some(done) = done {
                    self.pressed(&press, result.as_ref(), done)?;
                }
            }
            Action::BulkFault { fault } => self.exchange.set_fault(&mut self.driver, *fault)?,
            Action::KeepOldFiles { node } => {
                self.on_node(&node.value, Cluster::keep_old_files)?;
            }
            Action::RemovePhones { phones, cluster } => {
                self.remove_phones(phones, &cluster.value, at)?;
            }
            Action::AddPhones { phones, cluster } => {
                self.add_phones(phones, &cluster.value, at)?;
            }
            Action::PowerCut { phones, at, write } => {
                let cut = faults::cut(*at, *write);
                let cut = self.calm.is_none().then_some(cut);
                self.each_phone(self.selected(phones), |p| p.cut = cut);
            }
            Action::SetLink { .. } | Action::ClearLinks | Action::Later { .. } => {
                self.disturb(action, at);
            }
            Action::JumpClock(jump) => self.jump_clock(jump)?,
            Action::Wait { duration } => {
                self.driver.wait(*duration);
                for lane in &mut self.lanes {
                    lane.wait(*duration);
                }
                self.waited += duration.as_secs();
            }
            Action::Note { .. } => {}
        }
        Ok(())
    }

    /// True if the lab has no phones of its own that boot.
    pub(super) fn boots_nobody(&self) -> bool {
        self.only.as_ref().is_some_and(BTreeSet::is_empty)
    }

    pub(super) fn selected(&self, phones: &super::Selector) -> Vec<usize> {
        let numbers = phones.resolve(&self.scenario.phones);
        numbers
            .into_iter()
            .filter_map(|n| n.checked_sub(1))
            .collect()
    }

    fn on_cluster(
        &self,
        id: &str,
        act: impl FnOnce(&mut Cluster) -> Result<(), ClusterError>,
    ) -> Result<(), ClusterError> {
        let mut lab = lock(&self.lab);
        match lab.cluster_index(id).and_then(|i| lab.cluster_mut(i)) {
            Some(cluster) => act(cluster),
            None => Ok(()),
        }
    }

    fn on_node(
        &self,
        name: &str,
        act: impl FnOnce(&mut Cluster, &str) -> Result<(), ClusterError>,
    ) -> Result<(), ClusterError> {
        let mut lab = lock(&self.lab);
        match lab.host(name).and_then(|id| lab.cluster_mut(id.cluster)) {
            Some(cluster) => act(cluster, name),
            None => Ok(()),
        }
    }
}

/// The same witness, for a while.
pub(super) fn reborrow<'b>(
    witness: &'b mut Option<&mut dyn Witness>,
) -> Option<&'b mut dyn Witness> {
    match witness {
        Some(witness) => Some(&mut **witness),
        None => None,
    }
}

fn served_file(file: model::ServedFile) -> DamagedFile {
    match file {
        model::ServedFile::Itl => DamagedFile::Itl,
        model::ServedFile::Ctl => DamagedFile::Ctl,
        model::ServedFile::Config => DamagedFile::Config,
    }
}
