//! Layer 1: decisions.

pub mod certificate;
pub mod decrypt;
pub mod own_signature;
pub mod signature;

mod name;
