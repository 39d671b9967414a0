//! Multiplatform phones (such as the 8832): HTTPS provisioning with certificates on both ends,
//! without IO. The phone's machine, what a provisioning server decides, and the authority that
//! signs for both.

pub mod authority;
pub mod device;
mod extension;
pub mod log;
pub mod login;
pub mod macros;
pub mod name;
pub mod parameters;
pub mod profile;
pub mod request;
pub mod resync;
pub mod rule;
pub mod schedule;
pub mod server;
pub mod settings;
pub mod signed;
pub mod unasked;
mod usage;
pub mod verify;
