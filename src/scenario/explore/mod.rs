//! Exploration: worlds that chance makes, run like any other scenario and held against laws that
//! were written without a look at the product's decisions.

mod draft;
mod generate;

pub use draft::{ClusterDraft, Draft, NodeDraft, PhonesDraft, StepDraft, Value};
pub use generate::generate;
