//! Bulk certificate management in a scenario: the pages of the clusters, and the servers where
//! they exchange their files.
//!
//! On loopback the pages speak SFTP, with the lab's own server or with one that the scenario names.
//! Virtual time, and a build without the Cargo feature `sftp`, have directories in memory instead.

mod memory;
mod place;
#[cfg(feature = "sftp")]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::sync::Mutex;

use super::driver::{Driver, Network};
use super::model::{BulkButton, Scenario, SftpServer};
use super::run::lock;
use super::words::{BulkFault, BulkKind, ClosedWord};
use crate::cluster::bulk::{
    self, BulkSettings, End, FileRole, Import, ImportRefusal, Importer, LeftOut, Listing, Note,
    Omitted, Outcome, Page, Refusal, Run, Unit,
};
use crate::cluster::release::BulkType;
use crate::cluster::{Cluster, Lab};
use crate::event::Kind;
use crate::report::text::count;
use crate::time::UnixSeconds;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::rules::Settings;
use memory::MemoryServers;
use place::{LabServer, Place};
#[cfg(feature = "sftp")]
use server::SftpServers;

/// The SFTP servers of a rehearsal, and what each page says of them.
#[derive(Debug)]
pub(super) struct Exchange {
    forms: BTreeMap<String, Place>,
    memory: MemoryServers,
    #[cfg(feature = "sftp")]
    servers: SftpServers,
    settings: BulkSettings,
    network: Network,
}

/// What an action on a page came to.
pub(super) struct Done {
    /// For the event stream: the action, then each certificate that came into a store.
    pub(super) events: Vec<Kind>,
    /// `done`, `refused` or `failed`.
    pub(super) result: &'static str,
    /// What the page says, in a sentence.
    pub(super) text: String,
    /// True if the phones of the cluster reset by themselves.
    pub(super) resets_phones: bool,
    /// True if the directory of a server that the scenario names could not be opened.
    pub(super) not_opened: bool,
}

/// A button of a cluster's page.
pub(super) struct Press<'a> {
    /// Id of the cluster.
    pub(super) cluster: &'a str,
    /// The node whose page it is; `None` is the publisher.
    pub(super) node: Option<&'a str>,
    pub(super) button: BulkButton,
    pub(super) kind: BulkKind,
    pub(super) now: UnixSeconds,
}

impl Press<'_> {
    pub(super) fn action(&self) -> bulk::Action {
        match self.button {
            BulkButton::Export => bulk::Action::Export,
            BulkButton::Consolidate => bulk::Action::Consolidate,
            BulkButton::Import => bulk::Action::Import,
        }
    }
}

/// How a run was carried out.
#[derive(Debug, Default)]
struct Carried {
    /// Where the directory is, for events.
    directory: String,
    /// What to know beside.
    notes: Vec<String>,
    /// See [`Done::not_opened`].
    not_opened: bool,
    /// Files in the directory afterwards.
    files: Vec<String>,
}

impl Exchange {
    pub(super) fn new(scenario: &Scenario, network: Network, rules: &Settings) -> Self {
        let lab = LabServer::of(scenario);
        let form = scenario.sftp.as_ref();
        let ids = scenario.clusters.iter().map(|c| c.id.value.clone());
        Self {
            forms: form.map_or_else(BTreeMap::new, |form| {
                ids.map(|id| (id, Place::of(form))).collect()
            }),
            #[cfg(feature = "sftp")]
            servers: SftpServers::new(lab.clone()),
            memory: MemoryServers::new(lab),
            settings: bulk_settings(network, rules),
            network,
        }
    }

    /// Fills in the form of a cluster's page.
    pub(super) fn fill_in(&mut self, scenario: &Scenario, cluster: &str, form: &SftpServer) {
        let place = Place::of(&place::resolved(form, scenario));
        self.forms.insert(cluster.to_owned(), place);
    }

    /// Something goes wrong at the lab's own server.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn set_fault(&mut self, driver: &mut Driver, fault: BulkFault) -> io::Result<()> {
        #[cfg(feature = "sftp")]
        if let Driver::Loopback(loopback) = driver {
            return self.servers.set_fault(loopback, fault);
        }
        let _ = driver;
        self.memory.set_fault(fault);
        Ok(())
    }

    /// Presses a button. The lab is free while files are on their way: its nodes go on serving.
    ///
    /// # Errors
    /// The lab's own server cannot be started.
    pub(super) fn press(
        &mut self,
        driver: &mut Driver,
        lab: &Mutex<Lab>,
        press: &Press<'_>,
    ) -> io::Result<Option<Done>> {
        let Some(opened) = self.open(&lock(lab), press) else {
            return Ok(None);
        };
        let (outcome, carried) = match opened {
            Err(text) => {
                let carried = match self.forms.get(press.cluster) {
                    Some(place) => self.look(driver, &place.clone())?,
                    None => Carried::default(),
                };
                return Ok(Some(told(press, &carried, "refused", Said::short(text))));
            }
            Ok((place, mut run)) => {
                let mut carried = self.carry_out(driver, &place, &mut run)?;
                let ended = run.into_outcome();
                let outcome = ended.ok_or_else(|| io::Error::other("the page is not done"))?;
                self.count(driver, &place, &outcome, &mut carried)?;
                (outcome, carried)
            }
        };
        let mut lab = lock(lab);
        let index = lab.cluster_index(press.cluster);
        let cluster = index.and_then(|index| lab.cluster_mut(index));
        Ok(cluster.map(|cluster| self.ended(cluster, press, outcome, &carried)))
    }

    /// The page, and what its button does; a refusal where there is no such page.
    fn open(&self, lab: &Lab, press: &Press<'_>) -> Option<Result<(Place, Run), String>> {
        let index = lab.cluster_index(press.cluster)?;
        let cluster = lab.clusters().get(index)?;
        let publisher = || Some(cluster.nodes().find(|n| n.publisher)?.name.as_str());
        let node = press.node.or_else(publisher)?;
        let page = match Page::open(cluster, node, self.settings.clone()) {
            Ok(page) => page,
            Err(refusal) => return Some(Err(refusal_text(&refusal))),
        };
        let Some(place) = self.forms.get(press.cluster) else {
            return Some(Err(format!(
                "the SFTP form of {} is empty: fill it in first (step `bulk-sftp`)",
                press.cluster
            )));
        };
        let bulk_type = bulk_type(press.kind);
        let run = match press.button {
            BulkButton::Export => page.export(bulk_type, &bulk::certificates_of(cluster)),
            BulkButton::Consolidate => page.consolidate(bulk_type),
            BulkButton::Import => page.import(bulk_type),
        };
        Some(Ok((place.clone(), run)))
    }

    fn carry_out(
        &mut self,
        driver: &mut Driver,
        place: &Place,
        run: &mut Run,
    ) -> io::Result<Carried> {
        // What is refused without a look at the directory needs no connection.
        if run.outcome().is_some() {
            return self.look(driver, place);
        }
        #[cfg(feature = "sftp")]
        if let Driver::Loopback(loopback) = driver {
            return self.servers.carry_out(loopback, place, run);
        }
        self.memory.carry_out(place, run);
        self.look(driver, place)
    }

    /// Where the directory is, without a connection to it.
    fn look(&self, driver: &mut Driver, place: &Place) -> io::Result<Carried> {
        let mut carried = Carried::default();
        #[cfg(feature = "sftp")]
        if let Driver::Loopback(loopback) = driver {
            carried.directory = self.servers.url(loopback, place)?;
            if place.server.is_none() {
                carried.files = self.servers.names(loopback, place)?;
            }
            return Ok(carried);
        }
        let _ = driver;
        let why = match (self.network, &place.server) {
            (Network::Loopback, _) => "; built without the Cargo feature `sftp`",
            (Network::Sim, Some(_)) => "; virtual time reaches no server",
            (Network::Sim, None) => "",
        };
        carried.directory = format!("{} in memory{why}", place.path());
        carried.files = self.memory.names(place);
        Ok(carried)
    }

    /// What the directory holds afterwards: in the lab as it is, elsewhere as the page lists it.
    fn count(
        &self,
        driver: &mut Driver,
        place: &Place,
        outcome: &Outcome,
        carried: &mut Carried,
    ) -> io::Result<()> {
        carried.files = match (&place.server, &outcome.listing) {
            (Some(_), Some(listing)) => listing.files().iter().map(|f| f.name.clone()).collect(),
            _ => self.look(driver, place)?.files,
        };
        Ok(())
    }

    /// What the lab's own server holds in the end, by path: `/bulk/NAME`; and in memory what the
    /// servers that the scenario names would.
    ///
    /// # Errors
    /// The lab's own server cannot be started.
    pub(super) fn into_files(self, driver: &mut Driver) -> io::Result<BTreeMap<String, Vec<u8>>> {
        #[cfg(feature = "sftp")]
        if let Driver::Loopback(loopback) = driver {
            return self.servers.files(loopback);
        }
        let _ = driver;
        Ok(self.memory.into_files())
    }

    fn ended(
        &self,
        cluster: &mut Cluster,
        press: &Press<'_>,
        outcome: Outcome,
        carried: &Carried,
    ) -> Done {
        let (warnings, details): (Vec<_>, Vec<_>) =
            outcome.notes.iter().partition(|n| n.is_warning());
        let texts = |notes: Vec<&Note>| notes.into_iter().map(ToString::to_string).collect();
        let mut said = Said {
            text: String::new(),
            notes: texts(warnings),
            details: texts(details),
            written: outcome.written.clone(),
        };
        said.notes.extend_from_slice(&carried.notes);
        let told = |result, text: String| {
            let said = Said {
                text,
                ..said.clone()
            };
            told(press, carried, result, said)
        };
        match outcome.end {
            End::Listed => told("done", "listed".into()),
            End::Exported => told("done", exported(&outcome)),
            End::Consolidated => told("done", consolidated(&outcome)),
            End::Refused(refusal) => told("refused", refusal_text(&refusal)),
            End::Failed(failure) => told("failed", failure.to_string()),
            End::Fetched(files) => {
                // The page reads the wall clock of the node that it is on.
                let publisher = || {
                    cluster
                        .nodes()
                        .find(|n| n.publisher)
                        .map(|n| n.name.as_str())
                };
                let clock = press.node.or_else(publisher);
                let now = clock.and_then(|node| cluster.clock_of(node, press.now).ok());
                let importer = Importer::of(cluster, now.unwrap_or(press.now));
                match bulk::plan_import(&files, &importer, &self.settings) {
                    Ok(plan) => imported(press, carried, bulk::apply(cluster, &plan), said),
                    Err(refusal) => {
                        let result = match refusal {
                            ImportRefusal::Damaged { .. } => "failed",
                            _ => "refused",
                        };
                        told(result, refusal.to_string())
                    }
                }
            }
        }
    }
}

/// The settings of the pages. In virtual time the key derivation of the files is one round long:
/// they do not leave the process unless they are kept, and no verdict depends on it.
pub(super) fn bulk_settings(network: Network, rules: &Settings) -> BulkSettings {
    let mut settings = BulkSettings::of(rules);
    if network == Network::Sim {
        settings.rounds = 1;
    }
    settings
}

/// What an action has to say.
#[derive(Clone, Debug, Default)]
struct Said {
    text: String,
    /// What to do or to be careful about now.
    notes: Vec<String>,
    /// What else is good to know.
    details: Vec<String>,
    /// The files that were written.
    written: Vec<String>,
}

impl Said {
    fn short(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

/// `exported 6 files: certificates of 2 nodes`.
fn exported(outcome: &Outcome) -> String {
    let files = count(outcome.written.len(), "file");
    let listing = outcome.listing.iter().flat_map(Listing::files);
    let nodes: BTreeSet<_> = listing
        .filter(|f| outcome.written.contains(&f.name))
        .filter_map(|f| match &f.role {
            FileRole::Exported { node, .. } => Some(node),
            _ => None,
        })
        .collect();
    match nodes.len() {
        // The directory could not be listed again.
        0 => format!("exported {files}"),
        nodes => format!("exported {files}: certificates of {}", count(nodes, "node")),
    }
}

/// `consolidated into 4 files: certificates of destination and source`.
fn consolidated(outcome: &Outcome) -> String {
    let files = count(outcome.written.len(), "file");
    let clusters = outcome.listing.as_ref().map(|l| l.clusters(&Unit::ALL));
    let clusters: Vec<_> = clusters.into_iter().flatten().collect();
    match clusters.as_slice() {
        [] => format!("consolidated into {files}"),
        some => format!(
            "consolidated into {files}: certificates of {}",
            some.join(" and ")
        ),
    }
}

fn imported(press: &Press<'_>, carried: &Carried, import: Import, mut said: Said) -> Done {
    let mut text = format!("imported {}", count(import.imported.len(), "certificate"));
    let is_own = |o: &&Omitted| matches!(o.why, LeftOut::Own);
    let own = import.omitted.iter().filter(is_own).count();
    if own > 0 {
        let _ = write!(text, ", left out {own} of its own");
    }
    let others = import.omitted.iter().filter(|o| !is_own(o));
    said.notes.extend(others.map(|o| {
        let subject = escape_for_terminal(o.certificate.subject_text.as_bytes());
        format!("left out {subject}: {}", o.why)
    }));
    for follow_up in &import.follow_ups {
        let (what, basis, source) = (follow_up.what, follow_up.basis, follow_up.source);
        if follow_up.is_needed {
            let needed = format!("now {what}: before that TVS does not answer for them ({basis})");
            said.notes.push(needed);
        } else {
            let not = format!("not needed in this lab: {what} ({basis}: {source})");
            said.details.push(not);
        }
    }
    said.text = text;
    let mut done = told(press, carried, "done", said);
    done.resets_phones = import.resets_phones;
    for i in &import.imported {
        for (store, result) in &i.stores {
            let trusted = super::steps::trusted(*store, &i.certificate, result);
            done.events.push(trusted);
        }
    }
    done
}

fn told(press: &Press<'_>, carried: &Carried, result: &'static str, said: Said) -> Done {
    let event = Kind::Bulk {
        action: press.action().to_string(),
        certificate_type: press.kind.as_str().into(),
        directory: carried.directory.clone(),
        result: result.into(),
        text: said.text.clone(),
        notes: said.notes,
        details: said.details,
        written: said.written,
        files: carried.files.clone(),
    };
    Done {
        events: vec![event],
        result,
        text: said.text,
        resets_phones: false,
        not_opened: carried.not_opened,
    }
}

/// What is missing, and what to do first.
fn refusal_text(refusal: &Refusal) -> String {
    format!("{refusal}: {}", refusal.missing_step())
}

fn bulk_type(kind: BulkKind) -> BulkType {
    match kind {
        BulkKind::All => BulkType::All,
        BulkKind::Tomcat => BulkType::Tomcat,
        BulkKind::Tftp => BulkType::Tftp,
        BulkKind::Capf => BulkType::Capf,
        BulkKind::ItlRecovery => BulkType::ItlRecovery,
    }
}
