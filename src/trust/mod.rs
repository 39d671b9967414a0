//! Layer 1: decisions. Who may sign what, is this list trusted, and why. Pure functions of the
//! installed lists, the file, what TVS said, and the settings.

pub mod certificate;
pub mod decrypt;
pub mod own_signature;
pub mod rules;
pub mod signature;

mod name;
