//! Layer 1: decisions. Who may sign what, is this list trusted, and why. Pure functions of the
//! installed lists, the file, what TVS said, and the settings.

pub mod rules;
