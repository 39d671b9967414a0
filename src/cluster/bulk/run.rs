//! One action of the page as a machine: it asks for operations, one at a time, and is told what
//! came of each. It has no timers of its own; a driver that gives up an operation says that the
//! connection was cut.
//!
//! A file is written under a temporary name and renamed when it is whole, so nobody ever takes half
//! a file for a whole one. In SFTP version 3 no rename replaces a file: an older file of the name is
//! removed just before, and a cut in that moment leaves none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::directory::{DirectoryFault, DirectoryOperation, DirectoryResult};
use super::listing::{FileRole, ListedFile, Listing};
use super::names::{FileNames, Unit, is_same_cluster};
use super::outcome::{Action, ConsolidatedFile, End, Failure, Note, Outcome};
use super::p12::{self, MAX_BYTES, MAX_CERTIFICATES, P12Entry, P12Error};
use super::page::{Export, write};
use super::refusal::Refusal;
use super::settings::BulkSettings;
use crate::cluster::release::BulkType;

/// The most files that a directory may hold, whatever they are: many times what a directory has that
/// is used for other things too.
const MAX_FILES: usize = 10_000;
/// The most files that one run reads: ten clusters of 25 nodes have so many of all types.
const MAX_READ_FILES: usize = 1_000;
/// The most bytes that one run reads. An exported file has a few KB.
const MAX_READ_BYTES: u64 = 32 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(super) enum Work {
    Refresh,
    Export { files: Vec<Export> },
    Consolidate { units: Vec<Unit> },
    Import { units: Vec<Unit> },
    Refused { action: Action, refusal: Refusal },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Look,
    Read,
    Write,
    CleanUp,
    LookAgain,
    Done,
}

/// The operation that is being carried out.
#[derive(Debug)]
struct Asked {
    words: String,
    kind: AskedKind,
}

#[derive(Debug)]
enum AskedKind {
    List,
    Read { name: String },
    Write { name: String },
    Rename { to: String },
    Remove { name: String },
}

impl Asked {
    fn new(operation: &DirectoryOperation) -> Self {
        Self {
            words: operation.to_string(),
            kind: match operation {
                DirectoryOperation::List => AskedKind::List,
                DirectoryOperation::Read { name } => AskedKind::Read { name: name.clone() },
                DirectoryOperation::Write { name, .. } => AskedKind::Write { name: name.clone() },
                DirectoryOperation::Rename { to, .. } => AskedKind::Rename { to: to.clone() },
                DirectoryOperation::Remove { name } => AskedKind::Remove { name: name.clone() },
            },
        }
    }
}

/// An action of the page while it is carried out.
#[derive(Debug)]
pub struct Run {
    settings: BulkSettings,
    work: Work,
    phase: Phase,
    queue: VecDeque<DirectoryOperation>,
    asked: Option<Asked>,
    /// The temporary file that exists, in whole or in part.
    unfinished: Option<String>,
    /// The file that was removed to make room for the next.
    removed: Option<String>,
    read: BTreeMap<String, Result<Vec<P12Entry>, P12Error>>,
    read_bytes: u64,
    /// The consolidated files that could not be read and are written anew, and why.
    anew: Vec<(String, P12Error)>,
    /// What to say of the files if any is written, and its place among the notes.
    of_written: Option<(usize, Note)>,
    outcome: Outcome,
}

impl Run {
    pub(super) fn new(
        cluster: &str,
        settings: &BulkSettings,
        bulk_type: Option<BulkType>,
        work: Work,
    ) -> Self {
        let (action, end) = match &work {
            Work::Refresh => (Action::Refresh, End::Listed),
            Work::Export { .. } => (Action::Export, End::Exported),
            Work::Consolidate { .. } => (Action::Consolidate, End::Consolidated),
            Work::Import { .. } => (Action::Import, End::Fetched(Vec::new())),
            Work::Refused { action, refusal } => (*action, End::Refused(refusal.clone())),
        };
        let is_refused = matches!(work, Work::Refused { .. });
        Self {
            settings: settings.clone(),
            phase: if is_refused { Phase::Done } else { Phase::Look },
            queue: if is_refused {
                VecDeque::new()
            } else {
                VecDeque::from([DirectoryOperation::List])
            },
            work,
            asked: None,
            unfinished: None,
            removed: None,
            read: BTreeMap::new(),
            read_bytes: 0,
            anew: Vec::new(),
            of_written: None,
            outcome: Outcome {
                cluster: cluster.to_owned(),
                action,
                bulk_type,
                end,
                written: Vec::new(),
                listing: None,
                notes: Vec::new(),
            },
        }
    }

    pub(super) fn note_all(&mut self, notes: Vec<Note>) {
        self.outcome.notes.extend(notes);
    }

    /// A note that holds only if a file gets written.
    pub(super) fn note_if_written(&mut self, note: Note) {
        self.of_written = Some((self.outcome.notes.len(), note));
    }

    /// The operation to carry out now. None while one is being carried out, and at the end.
    pub fn poll_operation(&mut self) -> Option<DirectoryOperation> {
        if self.asked.is_some() {
            return None;
        }
        let operation = self.queue.pop_front()?;
        self.asked = Some(Asked::new(&operation));
        Some(operation)
    }

    /// What came of the operation that was asked for. A result that nothing was asked for is
    /// ignored.
    pub fn handle_result(&mut self, result: DirectoryResult) {
        let Some(Asked { words, kind }) = self.asked.take() else {
            return;
        };
        match (kind, result) {
            (AskedKind::List, DirectoryResult::Listed(listed)) => {
                if listed.len() > MAX_FILES {
                    self.refuse(Refusal::TooManyFiles {
                        files: listed.len(),
                        limit: MAX_FILES,
                    });
                } else {
                    let listing = Listing::new(listed, self.settings.file_names);
                    self.outcome.listing = Some(listing);
                }
            }
            (AskedKind::Read { name }, DirectoryResult::Read(bytes)) => {
                self.handle_file(name, &bytes);
            }
            (AskedKind::Read { name }, DirectoryResult::Failed(fault))
                if !self.is_needed(&name) && !fault.ends_connection() =>
            {
                // Another cluster may be replacing it at this moment.
                let is_there = fault != DirectoryFault::NoFile;
                if is_there && matches!(self.work, Work::Export { .. }) {
                    let note = Note::NotCompared { file: name, fault };
                    self.outcome.notes.push(note);
                }
            }
            (AskedKind::Write { name }, DirectoryResult::Done) => self.unfinished = Some(name),
            (AskedKind::Rename { to }, DirectoryResult::Done) => {
                self.unfinished = None;
                self.removed = None;
                self.note_written(&to);
                self.outcome.written.push(to);
            }
            (
                AskedKind::Remove { name },
                DirectoryResult::Done | DirectoryResult::Failed(DirectoryFault::NoFile),
            ) => {
                let makes_room = self.phase == Phase::Write && self.unfinished.is_some();
                self.removed = makes_room.then_some(name);
            }
            (kind, DirectoryResult::Failed(fault)) => self.fail(words, kind, fault),
            (kind, _) => {
                let fault = DirectoryFault::Other("the answer is to another operation".into());
                self.fail(words, kind, fault);
            }
        }
        while self.queue.is_empty() && self.phase != Phase::Done {
            self.advance();
        }
    }

    /// What came of the run; none before its end.
    pub fn outcome(&self) -> Option<&Outcome> {
        (self.phase == Phase::Done).then_some(&self.outcome)
    }

    /// What came of the run, with the files that it fetched; none before its end.
    pub fn into_outcome(self) -> Option<Outcome> {
        (self.phase == Phase::Done).then_some(self.outcome)
    }

    /// A file is there, whole: what waited for that can be said.
    fn note_written(&mut self, file: &str) {
        if let Some((at, note)) = self.of_written.take() {
            // Notes are only ever added behind it, so the place is still there.
            self.outcome.notes.insert(at, note);
        }
        for (file, error) in self.anew.extract_if(.., |(name, _)| name == file) {
            self.outcome.notes.push(Note::MadeAnew { file, error });
        }
    }

    fn handle_file(&mut self, name: String, bytes: &[u8]) {
        self.read_bytes = self.read_bytes.saturating_add(bytes.len() as u64);
        if self.read_bytes > MAX_READ_BYTES {
            return self.refuse(too_much(self.read.len() + 1, self.read_bytes));
        }
        match p12::read(bytes, &self.settings.password) {
            // The others are not worth their key derivation any more.
            Err(error) if self.is_needed(&name) => {
                let refusal = self.bad_file(&name, error);
                self.refuse(refusal);
            }
            read => {
                self.read.insert(name, read);
            }
        }
    }

    /// Whether the action cannot go on without a file. An export and a consolidation only compare
    /// consolidated files with what they write.
    fn is_needed(&self, name: &str) -> bool {
        match &self.work {
            Work::Refresh | Work::Export { .. } | Work::Refused { .. } => false,
            Work::Consolidate { .. } => self.exporter(name).is_some(),
            Work::Import { .. } => true,
        }
    }

    fn exporter(&self, file: &str) -> Option<&str> {
        self.outcome.listing.as_ref()?.exporter(file)
    }

    fn bad_file(&self, file: &str, error: P12Error) -> Refusal {
        Refusal::BadFile {
            file: file.to_owned(),
            error,
            exported_by: self.exporter(file).map(str::to_owned),
        }
    }

    /// All operations of a phase are done.
    fn advance(&mut self) {
        match self.phase {
            Phase::Look => {
                self.phase = Phase::Read;
                if let Err(refusal) = self.after_look() {
                    self.refuse(refusal);
                }
            }
            Phase::Read => {
                self.phase = Phase::Write;
                if let Err(refusal) = self.after_read() {
                    self.refuse(refusal);
                }
            }
            Phase::Write if self.outcome.written.is_empty() => self.phase = Phase::Done,
            Phase::Write | Phase::CleanUp => {
                self.phase = Phase::LookAgain;
                self.queue.push_back(DirectoryOperation::List);
            }
            Phase::LookAgain => self.phase = Phase::Done,
            Phase::Done => {}
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.outcome.end = End::Refused(refusal);
        self.queue.clear();
        self.phase = Phase::Done;
    }

    fn fail(&mut self, operation: String, kind: AskedKind, fault: DirectoryFault) {
        self.queue.clear();
        let ends_connection = fault.ends_connection();
        // Where nothing can be written there is nothing to clean up.
        let fault_leaves_a_part = fault != DirectoryFault::ReadOnly;
        match self.phase {
            Phase::LookAgain => {
                // The listing from before is out of date.
                self.outcome.listing = None;
                self.outcome.notes.push(Note::NotListed(fault));
                return;
            }
            Phase::CleanUp => {
                if let AskedKind::Remove { name: file } = kind {
                    self.outcome.notes.push(Note::Unfinished { file });
                }
                if ends_connection {
                    self.outcome.listing = None;
                    self.phase = Phase::Done;
                }
                return;
            }
            Phase::Look | Phase::Read | Phase::Write | Phase::Done => {}
        }
        self.outcome.end = End::Failed(Failure { operation, fault });
        if self.phase != Phase::Write {
            self.phase = Phase::Done;
            return;
        }
        if let AskedKind::Write { name } = kind
            && fault_leaves_a_part
        {
            self.unfinished = Some(name);
        }
        let mut unfinished = self.unfinished.take();
        // Where the old file has made room, the only whole copy is under the temporary name.
        if let Some(file) = self.removed.take()
            && let Some(part) = unfinished.take()
        {
            self.outcome.notes.push(Note::NotRenamed { file, part });
        }
        if ends_connection {
            let left = unfinished.map(|file| Note::Unfinished { file });
            self.outcome.notes.extend(left);
            self.outcome.listing = None;
            self.phase = Phase::Done;
        } else {
            self.phase = Phase::CleanUp;
            let remove = unfinished.map(|name| DirectoryOperation::Remove { name });
            self.queue.extend(remove);
        }
    }

    /// The directory is listed: which files are needed?
    fn after_look(&mut self) -> Result<(), Refusal> {
        let listing = self.outcome.listing.clone().unwrap_or_default();
        match self.work.clone() {
            Work::Refresh | Work::Refused { .. } => {}
            Work::Export { files } => {
                let units: BTreeSet<_> = files.iter().map(|f| f.unit).collect();
                for unit in units {
                    self.read_file(listing.consolidated(unit));
                }
            }
            Work::Consolidate { units } => {
                self.two_exports(&listing, &units)?;
                for file in listing.exported(&units) {
                    self.read_file(Some(file));
                }
                for unit in units {
                    self.read_file(listing.consolidated(unit));
                }
            }
            Work::Import { units } => {
                self.two_exports(&listing, &units)?;
                for unit in units {
                    if listing.exported(&[unit]).next().is_none() {
                        continue;
                    }
                    let consolidated = listing.consolidated(unit);
                    self.read_file(Some(consolidated.ok_or(Refusal::NotConsolidated { unit })?));
                    if !self.settings.import_stale {
                        for file in listing.exported(&[unit]) {
                            self.read_file(Some(file));
                        }
                    }
                }
            }
        }
        let sizes = self.queue.iter().filter_map(|operation| match operation {
            DirectoryOperation::Read { name } => Some(listing.file(name)?.bytes),
            _ => None,
        });
        let bytes = sizes.fold(0, u64::saturating_add);
        if self.queue.len() > MAX_READ_FILES || bytes > MAX_READ_BYTES {
            return Err(too_much(self.queue.len(), bytes));
        }
        Ok(())
    }

    fn two_exports(&self, listing: &Listing, units: &[Unit]) -> Result<(), Refusal> {
        let clusters = listing.clusters(units);
        if clusters.len() >= 2 {
            return Ok(());
        }
        Err(Refusal::ExportMissing {
            action: self.outcome.action,
            bulk_type: self.outcome.bulk_type.unwrap_or(BulkType::All),
            exported: clusters.into_iter().map(str::to_owned).collect(),
        })
    }

    fn read_file(&mut self, file: Option<&ListedFile>) {
        let Some(file) = file else { return };
        let name = file.name.clone();
        if file.bytes > MAX_BYTES as u64 {
            let error = P12Error::TooLarge { bytes: file.bytes };
            self.read.insert(name, Err(error));
        } else {
            self.queue.push_back(DirectoryOperation::Read { name });
        }
    }

    /// The files that are needed are here: what is written?
    fn after_read(&mut self) -> Result<(), Refusal> {
        let listing = self.outcome.listing.clone().unwrap_or_default();
        match std::mem::replace(&mut self.work, Work::Refresh) {
            Work::Refresh | Work::Refused { .. } => Ok(()),
            Work::Export { files } => {
                self.note_outdated(&files);
                self.note_abandoned(&listing, &files);
                self.remove_unfinished(&listing);
                for file in files {
                    self.write_file(&listing, file.name, file.bytes);
                }
                Ok(())
            }
            Work::Consolidate { units } => self.consolidate(&listing, &units),
            Work::Import { units } => {
                let mut fetched = Vec::new();
                for unit in units {
                    let Some(file) = listing.consolidated(unit) else {
                        continue;
                    };
                    if listing.exported(&[unit]).next().is_none() {
                        continue;
                    }
                    let entries = self.taken(&file.name)?;
                    if !self.settings.import_stale {
                        self.check_current(&listing, unit, &file.name, &entries)?;
                    }
                    fetched.push(ConsolidatedFile {
                        name: file.name.clone(),
                        unit: Some(unit),
                        entries,
                    });
                }
                self.outcome.end = End::Fetched(fetched);
                Ok(())
            }
        }
    }

    /// What this cluster exported before and does not replace now: of a node that it does not have
    /// any more, for instance.
    fn note_abandoned(&mut self, listing: &Listing, files: &[Export]) {
        let bulk_type = self.outcome.bulk_type.unwrap_or(BulkType::All);
        for file in listing.exported(&Unit::of_type(bulk_type, &self.settings)) {
            if let FileRole::Exported { cluster, .. } = &file.role
                && is_same_cluster(cluster, &self.outcome.cluster)
                && !files.iter().any(|f| f.name == file.name)
            {
                self.outcome.notes.push(Note::Abandoned {
                    file: file.name.clone(),
                    cluster: self.outcome.cluster.clone(),
                });
            }
        }
    }

    /// An export makes a consolidated file out of date that lacks one of its certificates.
    fn note_outdated(&mut self, files: &[Export]) {
        let mut notes = Vec::new();
        for (name, read) in &self.read {
            match read {
                Ok(entries) => {
                    let held: BTreeSet<_> = entries.iter().map(|e| e.der.as_slice()).collect();
                    let names = self.settings.file_names;
                    let mut exported = files
                        .iter()
                        .filter(|f| names.consolidated(f.unit) == *name)
                        .flat_map(|f| &f.ders);
                    if exported.any(|der| !held.contains(der.as_slice())) {
                        notes.push(Note::OutOfDate { file: name.clone() });
                    }
                }
                Err(error) => notes.push(Note::Unusable {
                    file: name.clone(),
                    error: error.clone(),
                }),
            }
        }
        self.outcome.notes.extend(notes);
    }

    fn consolidate(&mut self, listing: &Listing, units: &[Unit]) -> Result<(), Refusal> {
        let mut files = Vec::new();
        let mut notes = Vec::new();
        let mut anew = Vec::new();
        for &unit in units {
            let union = self.union(listing, unit)?;
            if union.is_empty() {
                continue;
            }
            if let Some(cluster) = only(listing.clusters(&[unit])) {
                notes.push(Note::OneClusterOnly { unit, cluster });
            }
            let name = self.settings.file_names.consolidated(unit);
            match self.read.get(&name) {
                Some(Ok(held))
                    if ders(held) == ders(&union) && !self.settings.consolidate_again =>
                {
                    continue;
                }
                Some(Err(error)) => anew.push((name.clone(), error.clone())),
                _ => {}
            }
            let bytes = write(&union, &self.settings).map_err(|error| Refusal::CannotWrite {
                file: name.clone(),
                error,
            })?;
            files.push((name, bytes));
        }
        if files.is_empty() {
            return Err(Refusal::AlreadyConsolidated {
                bulk_type: self.outcome.bulk_type.unwrap_or(BulkType::All),
            });
        }
        self.note_all(notes);
        self.anew = anew;
        self.note_others_unfinished(listing);
        self.remove_unfinished(listing);
        for (name, bytes) in files {
            self.write_file(listing, name, bytes);
        }
        Ok(())
    }

    /// All exported certificates of a unit, each under a name of its own.
    fn union(&self, listing: &Listing, unit: Unit) -> Result<Vec<P12Entry>, Refusal> {
        let mut union: Vec<P12Entry> = Vec::new();
        let mut aliases = BTreeSet::new();
        for file in listing.exported(&[unit]) {
            for (number, entry) in self.taken(&file.name)?.into_iter().enumerate() {
                let own_name = format!("{}#{number}", file.name);
                let alias = entry.alias.filter(|a| !a.is_empty());
                let mut alias = alias.unwrap_or_else(|| own_name.clone());
                if !aliases.insert(alias.to_lowercase()) {
                    alias = own_name;
                    aliases.insert(alias.to_lowercase());
                }
                union.push(P12Entry {
                    alias: Some(alias),
                    der: entry.der,
                });
            }
            if union.len() > MAX_CERTIFICATES {
                return Err(Refusal::CannotWrite {
                    file: self.settings.file_names.consolidated(unit),
                    error: P12Error::TooManyCertificates { count: union.len() },
                });
            }
        }
        Ok(union)
    }

    fn check_current(
        &self,
        listing: &Listing,
        unit: Unit,
        file: &str,
        entries: &[P12Entry],
    ) -> Result<(), Refusal> {
        let held = ders(entries);
        let mut exported = BTreeSet::new();
        for source in listing.exported(&[unit]) {
            for entry in self.taken(&source.name)? {
                if !held.contains(entry.der.as_slice()) {
                    return Err(Refusal::Stale {
                        file: file.to_owned(),
                        why: format!("it lacks a certificate of {}", source.name),
                    });
                }
                exported.insert(entry.der);
            }
        }
        if held.iter().any(|der| !exported.contains(*der)) {
            return Err(Refusal::Stale {
                file: file.to_owned(),
                why: "it holds a certificate that no exported file holds".to_owned(),
            });
        }
        Ok(())
    }

    /// What a file holds that the action needs.
    fn taken(&self, file: &str) -> Result<Vec<P12Entry>, Refusal> {
        match self.read.get(file) {
            Some(Ok(entries)) => Ok(entries.clone()),
            Some(Err(error)) => Err(self.bad_file(file, error.clone())),
            // Every file that is taken was asked for.
            None => Err(self.bad_file(file, P12Error::Damaged("it was not read".to_owned()))),
        }
    }

    fn note_others_unfinished(&mut self, listing: &Listing) {
        for file in listing.files() {
            if let FileRole::Unfinished { cluster } = &file.role
                && !is_same_cluster(cluster, &self.outcome.cluster)
            {
                self.outcome.notes.push(Note::OthersUnfinished {
                    file: file.name.clone(),
                    cluster: cluster.clone(),
                });
            }
        }
    }

    fn remove_unfinished(&mut self, listing: &Listing) {
        for file in listing.files() {
            if matches!(&file.role, FileRole::Unfinished { cluster } if is_same_cluster(cluster, &self.outcome.cluster))
            {
                self.queue.push_back(DirectoryOperation::Remove {
                    name: file.name.clone(),
                });
            }
        }
    }

    fn write_file(&mut self, listing: &Listing, name: String, bytes: Vec<u8>) {
        let part = FileNames::unfinished(&name, &self.outcome.cluster);
        self.queue.push_back(DirectoryOperation::Write {
            name: part.clone(),
            bytes,
        });
        if listing.file(&name).is_some() {
            self.queue
                .push_back(DirectoryOperation::Remove { name: name.clone() });
        }
        self.queue.push_back(DirectoryOperation::Rename {
            from: part,
            to: name,
        });
    }
}

fn too_much(files: usize, bytes: u64) -> Refusal {
    Refusal::TooMuchToRead {
        files,
        bytes,
        limits: (MAX_READ_FILES, MAX_READ_BYTES),
    }
}

fn ders(entries: &[P12Entry]) -> BTreeSet<&[u8]> {
    entries.iter().map(|e| e.der.as_slice()).collect()
}

fn only(clusters: BTreeSet<&str>) -> Option<String> {
    let mut clusters = clusters.into_iter();
    let first = clusters.next()?;
    clusters.next().is_none().then(|| first.to_owned())
}
