//! What came of an action of the page.

use std::fmt;

use thiserror::Error;

use super::directory::DirectoryFault;
use super::listing::Listing;
use super::names::Unit;
use super::p12::{Form, P12Entry, P12Error};
use super::refusal::Refusal;
use crate::cluster::release::BulkType;

/// A button of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Shows what the directory holds.
    Refresh,
    /// Writes the cluster's certificates into the directory.
    Export,
    /// Makes one file of all clusters' exports.
    Consolidate,
    /// Takes the consolidated certificates into the trust stores.
    Import,
}

impl Action {
    /// The name in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refresh => "list",
            Self::Export => "export",
            Self::Consolidate => "consolidate",
            Self::Import => "import",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A consolidated file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsolidatedFile {
    /// Its name.
    pub name: String,
    /// What it is to hold; none for a file from elsewhere, out of which every kind is taken.
    pub unit: Option<Unit>,
    /// What it holds.
    pub entries: Vec<P12Entry>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The directory was listed.
    Listed,
    /// All files of the export are in the directory.
    Exported,
    /// All consolidated files are in the directory.
    Consolidated,
    /// The consolidated files are here; now they can be imported.
    Fetched(Vec<ConsolidatedFile>),
    /// A step is missing; nothing was written.
    Refused(Refusal),
    /// The directory failed. Files that were written before are whole and stay.
    Failed(Failure),
}

/// What the directory did not do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{fault}", Attempt(self))]
pub struct Failure {
    /// The operation in words.
    pub operation: String,
    /// Why.
    pub fault: DirectoryFault,
}

/// "failed to ...: ", where the operation matters: without a session none was tried.
struct Attempt<'a>(&'a Failure);

impl fmt::Display for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.fault {
            DirectoryFault::Unreachable(_)
            | DirectoryFault::HostKeyChanged { .. }
            | DirectoryFault::LoginRefused => Ok(()),
            _ => write!(f, "failed to {}: ", self.0.operation),
        }
    }
}

/// What an engineer should know beside the end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Note {
    /// What another tool needs to know to read the files of an export.
    #[error(
        "the files are PKCS#12, form {}, {}",
        .form.name(),
        if *.has_password { "with the password of bulk.password" } else { "with an empty password" }
    )]
    Sealed {
        /// How they are encrypted.
        form: Form,
        /// False if the password is empty.
        has_password: bool,
    },
    /// No node has a certificate of this unit.
    #[error("no node has a certificate for {unit}: no file for it")]
    NoCertificate {
        /// The unit.
        unit: Unit,
    },
    /// Only one cluster's certificates of a unit are consolidated.
    #[error("{unit} was exported by {cluster} only")]
    OneClusterOnly {
        /// The unit.
        unit: Unit,
        /// The cluster.
        cluster: String,
    },
    /// The export made a consolidated file out of date.
    #[error("{file} does not hold what was exported now: consolidate again before anybody imports")]
    OutOfDate {
        /// The consolidated file.
        file: String,
    },
    /// A consolidated file cannot be used, and the run did not need to.
    #[error("{file} cannot be used ({error}): consolidate again before anybody imports")]
    Unusable {
        /// The consolidated file.
        file: String,
        /// Why.
        error: P12Error,
    },
    /// A consolidated file could not be read, and a consolidation wrote it anew.
    #[error("{file} could not be read ({error}) and was made anew")]
    MadeAnew {
        /// The consolidated file.
        file: String,
        /// Why the old one could not be read.
        error: P12Error,
    },
    /// A consolidated file could not be looked at, and the run did not need to.
    #[error("{file} could not be compared with what was exported now: {fault}")]
    NotCompared {
        /// The consolidated file.
        file: String,
        /// Why.
        fault: DirectoryFault,
    },
    /// Part of a file is left under a temporary name. The cluster's next run that writes removes it.
    #[error(
        "{file} is left behind unfinished; it counts for nothing, and what this cluster writes next removes it"
    )]
    Unfinished {
        /// The temporary name.
        file: String,
    },
    /// Another cluster is writing at this moment, or broke off, so its exports may not be all there.
    #[error(
        "{file} is unfinished: {cluster} is still writing, or broke off. Let it export again, then consolidate again"
    )]
    OthersUnfinished {
        /// The temporary name.
        file: String,
        /// The cluster that began it.
        cluster: String,
    },
    /// An earlier file of this name was removed to make room, and the new one did not get its name.
    #[error(
        "{file} gave way to a new one, which is whole and may still be called {part}: do the same again, or give it its name on the server"
    )]
    NotRenamed {
        /// The file.
        file: String,
        /// The temporary name.
        part: String,
    },
    /// An export found an earlier one of this cluster that it did not replace.
    #[error(
        "{file} is an earlier export of {cluster}, which has no such certificate any more: remove it, or the next consolidation takes it too"
    )]
    Abandoned {
        /// The file.
        file: String,
        /// The cluster.
        cluster: String,
    },
    /// Everything was done, but the list of files could not be fetched again.
    #[error("the directory could not be listed afterwards: {0}")]
    NotListed(DirectoryFault),
}

impl Note {
    /// Whether there is something to do or to be careful about. The others are good to know.
    pub fn is_warning(&self) -> bool {
        let is_companion = |unit: &Unit| matches!(unit, Unit::CallManagerEcdsa | Unit::TomcatEcdsa);
        match self {
            Self::Sealed { .. } => false,
            // Releases before 11.0 have none, and nothing is lost with them.
            Self::OneClusterOnly { unit, .. } => !is_companion(unit),
            _ => true,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The cluster whose page it was.
    pub cluster: String,
    /// The button.
    pub action: Action,
    /// The certificate type; none for a refresh.
    pub bulk_type: Option<BulkType>,
    /// How it ended.
    pub end: End,
    /// The files that were written, whole, in this order.
    pub written: Vec<String>,
    /// The directory as the page shows it afterwards; none if it could not be listed.
    pub listing: Option<Listing>,
    /// What else there is to say.
    pub notes: Vec<Note>,
}
