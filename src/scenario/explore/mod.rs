//! Exploration: worlds that chance makes, run like any other scenario and held against laws and
//! against a model of who migrates, both written without a look at the product's decisions.

mod check;
mod draft;
mod generate;
mod quiet;
mod shrink;

pub mod expected;

#[cfg(feature = "planted-defects")]
pub use check::check_planted;
pub use check::{Finding, FindingKind, Judged, check, check_scenario, expected_verdicts};
pub use draft::{ClusterDraft, Draft, NodeDraft, PhonesDraft, StepDraft, Value};
pub use generate::generate;
pub use shrink::shrink;
