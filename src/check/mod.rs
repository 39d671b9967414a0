//! Will the phones of one cluster follow to another? Asked before anything is touched, of what was
//! read: [`evidence`] in, a phone's machine boots against it, and what it needs that nobody read
//! makes the answer unknown.
//!
//! Nothing here opens a file or a socket, and nothing here knows a scenario.

pub mod answer;
pub mod back;
pub mod basis;
pub mod conditions;
pub mod evidence;
pub mod fix;
pub mod folder;
pub mod groups;
mod held;
pub mod inventory;
pub mod load;
pub mod named;
pub mod places;
pub mod predict;
pub mod recording;
pub mod registration;
pub mod rehearsal;
pub mod verdict;
pub mod whole;
