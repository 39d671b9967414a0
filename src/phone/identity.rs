//! Who a phone is, and what it is started with.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::dhcp::DhcpSetup;
use super::profile::Profile;
use crate::time::UnixSeconds;
use crate::trust::rules::Settings;

/// A certificate that the phone offers to TVS and opens encrypted configurations with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// `LSC` or `MIC`.
    pub kind: &'static str,
    /// Certificate, DER.
    pub certificate: Arc<[u8]>,
    /// Private key, PKCS#8.
    pub key: Arc<[u8]>,
}

/// Who a phone is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `SEP` and the MAC address in upper hex.
    pub device: String,
    /// `CP-8861`.
    pub model: String,
    /// Its LSC, else its MIC.
    pub certificate: Option<DeviceIdentity>,
}

impl Identity {
    /// The name that it gives to TVS: `CP-8861-SEPB000B4BA0AEE`.
    pub fn tvs_name(&self) -> String {
        format!("{}-{}", self.model, self.device)
    }
}

/// Whether the phone waits as a real one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// It looks at a TVS connection every 0.5 s, and retransmits after 0.5 s.
    #[default]
    Real,
    /// It goes on at once and retransmits ten times sooner; what gives up after a time still does.
    Fast,
}

/// Why a phone starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootCause {
    /// It was plugged in, or the power came back.
    Power,
    /// It was reset from the cluster.
    Reset,
    /// It was reset to factory defaults, so its flash is empty.
    FactoryReset,
    /// Its lists were erased at the phone (Trust List menu, `**#`); it keeps its configuration.
    ListsErased,
    /// It restarts by itself: its lease names other servers.
    Restart,
    /// It does not start: it is on, and renews its lease. A phone that is on has its lease in memory;
    /// between two runs of its machine it is in its notes.
    Renewal,
}

impl BootCause {
    /// For events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Reset => "reset",
            Self::FactoryReset => "factory-reset",
            Self::ListsErased => "lists-erased",
            Self::Restart => "restart",
            Self::Renewal => "renewal",
        }
    }
}

/// What a phone is started with.
#[derive(Clone, Debug)]
pub struct PhoneSetup {
    /// Who it is.
    pub identity: Identity,
    /// Its firmware.
    pub profile: &'static Profile,
    /// Its rules.
    pub settings: Settings,
    /// Whether it waits.
    pub pace: Pace,
    /// The wall clock at [`crate::time::Time::ZERO`].
    pub clock: UnixSeconds,
    /// Seconds by which the steps of a rehearsal are ahead of the world's time: each counts for one,
    /// so that what it makes is dated after what was there, and a phone that boots later must not
    /// take that for the future.
    pub clock_ahead: UnixSeconds,
    /// TFTP servers, in order. With DHCP, those that were set by hand (Alternate TFTP): they count in
    /// place of what a lease names.
    pub option_150: Vec<Ipv4Addr>,
    /// How it takes a lease; none for a phone that does not ask.
    pub dhcp: Option<DhcpSetup>,
    /// Why it starts.
    pub cause: BootCause,
}
