//! Roles of a certificate: the FUNCTION of a list's record, the roles of a TVS answer.

use std::fmt;

/// What a certificate may do. Two bytes in a list's record, one byte in a TVS answer. Codes 0, 2,
/// 3 and 21 stand in Cisco's logs (213407, 118893); the rest are the open tools'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// 0, "System Administrator Security Token": signs lists.
    Sast,
    /// 1: a CallManager for signalling.
    Ccm,
    /// 2: signs configuration files and is a CallManager; its presence in an ITL means mixed mode.
    CcmTftp,
    /// 3: signs configuration files.
    Tftp,
    /// 4: the proxy function that issues phone certificates.
    Capf,
    /// 7: HTTPS services.
    AppServer,
    /// 21: a trust verification service.
    Tvs,
    /// A code that no source names. It is kept, and gives no right.
    Other(u16),
}

impl Role {
    /// The role with this code.
    pub fn from_code(code: u16) -> Self {
        match code {
            0 => Self::Sast,
            1 => Self::Ccm,
            2 => Self::CcmTftp,
            3 => Self::Tftp,
            4 => Self::Capf,
            7 => Self::AppServer,
            21 => Self::Tvs,
            other => Self::Other(other),
        }
    }

    /// The code on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Sast => 0,
            Self::Ccm => 1,
            Self::CcmTftp => 2,
            Self::Tftp => 3,
            Self::Capf => 4,
            Self::AppServer => 7,
            Self::Tvs => 21,
            Self::Other(code) => code,
        }
    }

    /// True for a role that may sign trust lists.
    pub fn signs_lists(self) -> bool {
        self == Self::Sast
    }

    /// True for a role that may sign configuration files.
    pub fn signs_files(self) -> bool {
        matches!(self, Self::Tftp | Self::CcmTftp)
    }

    /// The text of `show ctl` and `show itl`.
    pub fn display_name(self) -> String {
        match self {
            Self::Sast => "System Administrator Security Token".into(),
            other => other.to_string(),
        }
    }
}

/// The field's short name.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sast => f.write_str("SAST"),
            Self::Ccm => f.write_str("CCM"),
            Self::CcmTftp => f.write_str("CCM+TFTP"),
            Self::Tftp => f.write_str("TFTP"),
            Self::Capf => f.write_str("CAPF"),
            Self::AppServer => f.write_str("APP-SERVER"),
            Self::Tvs => f.write_str("TVS"),
            Self::Other(code) => write!(f, "role {code}"),
        }
    }
}

/// Roles joined for a sentence: `SAST, TFTP`.
pub fn join_roles(roles: &[Role]) -> String {
    roles
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
