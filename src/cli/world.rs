//! The folder of a world: where what stands in it, and reading it again.
//!
//! ```text
//! scenario.toml                                the scenario that it was made of
//! events.jsonl                                 what happened, one event a line
//! clusters/ID/NODE/tftp/                       what the node served
//! clusters/ID/NODE/certificates/KIND.pem       its own certificates
//! clusters/ID/stores/STORE/*.pem               the cluster's trust stores
//! phones/SEP.../before, after                  each phone's flash
//! sftp/                                        the directory of an exchange, and known_hosts
//! ```
//!
//! Trust stores are replaced as a whole: the new ones are written beside the old, which then give
//! way by a rename.

mod certificates;
mod stores;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::args::Setting;
use super::exit_code::ExitCode;
use super::failure::Failure;
use crate::cluster::SavedCluster;
use crate::report::text::did_you_mean;
use crate::scenario::{self, Rules, Scenario};
use crate::time::UnixSeconds;
use crate::trust::certificate::escape_for_terminal;

pub use certificates::put_pem;
pub use stores::{put_stores, replace_stores};

/// The scenario's name in the folder.
pub const SCENARIO: &str = "scenario.toml";
/// The events' name in the folder.
pub const EVENTS: &str = "events.jsonl";
/// What a world's folder holds beside these two.
pub const FOLDERS: [&str; 3] = ["clusters", "phones", "sftp"];

/// A world's folder, with its scenario read.
#[derive(Debug)]
pub struct World {
    dir: PathBuf,
    scenario: Scenario,
}

impl World {
    /// Opens a folder; `sets` win over what its scenario sets.
    ///
    /// # Errors
    /// It is no world's folder, or its scenario cannot be read.
    pub fn open(dir: &Path, sets: &[Setting]) -> Result<Self, Failure> {
        let metadata = fs::metadata(dir).map_err(|e| cannot_open(dir, &e))?;
        if !metadata.is_dir() || !is_world(dir) {
            let text = format!(
                "{} is not the folder of a world: it needs {SCENARIO} and {EVENTS}; make one with \
                 `trustline bulk init SCENARIO DIR` or `trustline rehearse SCENARIO --keep DIR`",
                shown(dir)
            );
            return Err(Failure::new(ExitCode::Unreachable, text));
        }
        let (_, scenario) = read_scenario(&dir.join(SCENARIO), sets)?;
        Ok(Self {
            dir: dir.to_owned(),
            scenario,
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The world's clock at its start.
    pub fn date(&self) -> UnixSeconds {
        self.scenario.date.value
    }

    /// The folder of a cluster.
    pub fn cluster_dir(&self, id: &str) -> PathBuf {
        self.dir.join("clusters").join(id)
    }

    /// The keys of the SFTP servers that were seen from here, in the form of OpenSSH.
    pub fn known_hosts(&self) -> PathBuf {
        self.dir.join("sftp").join("known_hosts")
    }

    /// Reads a cluster: what it is from the scenario, its certificates and stores from their files.
    ///
    /// # Errors
    /// There is no such cluster, or a file of it is missing or damaged.
    pub fn cluster(&self, id: &str) -> Result<SavedCluster, Failure> {
        let clusters = scenario::clusters(&self.scenario);
        let clusters = clusters.map_err(|e| Failure::new(ExitCode::Usage, e.to_string()))?;
        let ids: Vec<_> = clusters.iter().map(|(spec, _)| spec.id.clone()).collect();
        let Some((spec, settings)) = clusters.into_iter().find(|(spec, _)| spec.id == id) else {
            let hint = did_you_mean(id, ids.iter().map(String::as_str));
            let text = format!(
                "{} has no cluster {}; it has {}{hint}",
                shown(&self.dir),
                escape_for_terminal(id.as_bytes()),
                ids.join(" and ")
            );
            return Err(Failure::new(ExitCode::Usage, text));
        };
        let dir = self.cluster_dir(id);
        let own = certificates::own(&dir, &spec)?;
        let mut cluster = SavedCluster::new(spec, settings, own)
            .map_err(|e| Failure::new(ExitCode::Usage, e.to_string()))?;
        stores::load(&dir, &mut cluster)?;
        Ok(cluster)
    }

    /// Keeps other commands from changing the folder until the answer is dropped.
    ///
    /// # Errors
    /// Another command holds it.
    pub fn lock(&self) -> Result<Option<File>, Failure> {
        let path = self.dir.join(SCENARIO);
        let file = File::open(&path).map_err(|e| cannot_open(&path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => {
                let text = format!(
                    "another trustline command changes {} just now: wait until it is done",
                    shown(&self.dir)
                );
                Err(Failure::new(ExitCode::Unreachable, text))
            }
            // Not every file system can lock; then nobody is kept out.
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }
}

/// True if the folder holds a world: a scenario, and events of ours.
pub fn is_world(dir: &Path) -> bool {
    let mut start = [0; 18];
    let events = File::open(dir.join(EVENTS));
    let read = events.and_then(|mut f| f.read_exact(&mut start));
    read.is_ok() && start == *b"{\"schema_version\":" && dir.join(SCENARIO).is_file()
}

/// A scenario file, its text and what it says; `sets` win over what it sets.
///
/// # Errors
/// It cannot be opened, or has slips: each is shown with its line.
pub fn read_scenario(path: &Path, sets: &[Setting]) -> Result<(String, Scenario), Failure> {
    let name = path.display().to_string();
    let limit = scenario::parse::MAX_TEXT as u64 + 1;
    let bytes = read_up_to(path, limit).map_err(|e| cannot_open(path, &e))?;
    let wrong = |slips: Vec<scenario::Diagnostic>| {
        let slips: Vec<_> = slips.iter().map(ToString::to_string).collect();
        Failure::labelled(ExitCode::Usage, slips.join("\n"))
    };
    let text = scenario::parse::decode(&name, &bytes).map_err(|e| wrong(vec![e]))?;
    let mut parsed = scenario::parse(&name, text, &Rules).map_err(wrong)?;
    let sets: Vec<_> = sets
        .iter()
        .map(|s| format!("{}={}", s.rule.name, s.rule.text_of(s.value)))
        .collect();
    scenario::settings::apply_overrides(&mut parsed, None, &sets, &Rules).map_err(wrong)?;
    Ok((text.to_owned(), parsed))
}

/// The first bytes of a file, `limit` at most.
pub(super) fn read_up_to(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn cannot_open(path: &Path, error: &io::Error) -> Failure {
    let text = format!("cannot open {}: {error}", shown(path));
    Failure::new(ExitCode::Unreachable, text)
}

/// A path as it may be printed.
pub(super) fn shown(path: &Path) -> String {
    escape_for_terminal(path.to_string_lossy().as_bytes())
}

/// Writes a file and the folders above it.
///
/// # Errors
/// It cannot be written.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)
}

/// True of a name that is a file name anywhere, as those of an exchange are.
pub fn is_safe(name: &str) -> bool {
    let is_letter = |c| is_safe_letter(c) || c == '@';
    name.len() <= 255 && !matches!(name, "" | "." | "..") && name.chars().all(is_letter)
}

fn is_safe_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// A name that is a file name anywhere, made of any.
pub fn safe(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if is_safe_letter(c) { c } else { '_' })
        .take(64)
        .collect();
    if name.is_empty() || name.starts_with('.') {
        format!("_{name}")
    } else {
        name
    }
}
