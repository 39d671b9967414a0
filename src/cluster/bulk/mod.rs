//! Bulk certificate management: how two clusters exchange their certificates through one SFTP
//! directory (Cisco 215539; admin guide 14, Manage Bulk Certificates).
//!
//! Each cluster exports PKCS#12 files ([`p12`]), one of them consolidates, each imports. A [`Page`]
//! is the publisher's web page; what is done there is a [`Run`], a machine that asks for operations
//! on a directory ([`directory`]) and is told what came of them. An import ends with the files in
//! hand: [`plan_import`] judges them as a whole, [`apply`] fills the trust stores. [`upload`] is the
//! way without a directory.
//!
//! No source shows the names of the files, their password, or what the page says when something is
//! missing. The first two are settings ([`BulkSettings`]); the last is a [`Refusal`] that names the
//! missing step.

pub mod directory;
pub mod p12;

mod import;
mod listing;
mod memory;
mod names;
mod outcome;
mod page;
mod refusal;
mod run;
mod settings;
mod upload;

pub use import::{
    FollowUp, Import, ImportPlan, ImportRefusal, ImportTarget, Imported, Importer, KnownBy,
    LeftOut, Omitted, Planned, apply, identify, plan_import,
};
pub use listing::{FileRole, ListedFile, Listing};
pub use memory::MemoryDirectory;
pub use names::{EntryName, FileNames, Unit};
pub use outcome::{Action, ConsolidatedFile, End, Failure, Note, Outcome};
pub use page::{NodeCertificate, Page, certificates_of};
pub use refusal::Refusal;
pub use run::Run;
pub use settings::{BulkSettings, EcdsaStore, Expired};
pub use upload::{Uploaded, upload};
