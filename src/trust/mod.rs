//! Layer 1: decisions. Who may sign what, is this list trusted, and why. Pure functions of the
//! installed lists, the file, what TVS said, and the settings.

pub mod cache;
pub mod certificate;
pub mod decide;
pub mod decrypt;
pub mod installed;
pub mod modelled;
pub mod own_signature;
#[cfg(feature = "planted-defects")]
pub mod planted;
pub mod reason;
pub mod rules;
pub mod search;
pub mod signature;
pub mod vouch;

mod name;
