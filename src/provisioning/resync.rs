//! The machine of one resync.
