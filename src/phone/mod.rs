//! The phone's firmware as a trust client: one boot, from option 150 to registration, as a machine
//! without IO.
//!
//! [`Phone::boot`] starts it from a [`Flash`]. Feed what happens to `handle_*`, take what it wants
//! done from [`Phone::poll_output`], and call [`Phone::handle_timeout`] when
//! [`Phone::next_timeout`] has come. A reset or a power cut drops the machine and boots another one
//! from the flash.
//!
//! Its servers come from DHCP ([`DhcpSetup`]) or are set by hand.
//!
//! Order of a boot (captures of a 7942, a 7962 and an 8851; Cisco 213407): CTLSEP, ITLSEP, ITLFile if that was not found, then the
//! configuration: its signed name only if a list with a TFTP certificate is installed, the encrypted
//! one first if the last configuration says so; and the files that it names. A CTL is
//! installed at once, so the ITL of the same boot is checked by it.

mod boot;
mod config;
mod dhcp;
mod download;
mod encrypted;
mod facts;
mod http;
mod identity;
pub(crate) mod known;
mod lists;
mod named_files;
mod notes;
mod output;
mod remarks;
mod status;
mod tvs;

pub mod flash;
pub mod power;
pub mod profile;

pub use boot::Phone;
pub use dhcp::DhcpSetup;
pub use facts::file_facts;
pub use flash::{Flash, FlashOperation};
pub use http::{HTTP_PORT, HTTPS_PORT, HttpFailure, HttpInput};
pub use identity::{BootCause, DeviceIdentity, Identity, Pace, PhoneSetup};
pub use output::Output;
pub use profile::Profile;
pub use remarks::Remarks;
pub use tvs::{ConnectFailure, TvsInput};
