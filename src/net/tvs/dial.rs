//! A connection with the TLS that a server has: rustls' first, and OpenSSL's for servers that are
//! too old for it, where that is allowed and built in.

use std::net::SocketAddr;

use thiserror::Error;
use tokio::time::Instant;

#[cfg(feature = "legacy-tls")]
use super::client::connect_legacy;
use super::client::{AskError, Connection, Deadlines, connect};
use crate::net::tls::{ClientTls, Identity, SetupError, TlsFailure, TlsOptions};
#[cfg(feature = "legacy-tls")]
use crate::net::tls::{LegacyTls, LegacyVersions};

/// True if this build has TLS below 1.2 and suites without forward secrecy.
pub const LEGACY_BUILT_IN: bool = cfg!(feature = "legacy-tls");

/// Why a server is not spoken to in old TLS; part of [`DialError::TooOld`].
pub const NO_LEGACY: &str = if LEGACY_BUILT_IN {
    "which is not allowed here"
} else {
    "which this build does not have"
};

/// What has to be done before a server is spoken to in old TLS.
pub const ALLOW_LEGACY: &str = if LEGACY_BUILT_IN {
    "allow it with `--legacy-tls when-refused`, which is for servers outside a lab"
} else {
    "build trustline with `--features legacy-tls`"
};

/// What a phone's firmware speaks that is not enough for its TVS; part of [`DialError::TooNew`].
pub const TLS_TOO_NEW: &str = "the phone's firmware speaks TLS 1.0 alone";

/// Which TLS a TVS is spoken to with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TvsTls {
    /// 1.2 and 1.3.
    #[default]
    Modern,
    /// The same, and 1.0 to 1.2 of OpenSSL where the server has nothing in common with that. The
    /// attempt on it has what is left of the deadlines.
    LegacyIfRefused,
    /// 1.0 alone, of OpenSSL: what the oldest firmware speaks.
    Firmware10,
}

/// A connection that came up.
#[derive(Debug)]
pub struct Dialled {
    /// The connection.
    pub connection: Connection,
    /// How it came to old TLS, as a phrase after the suite; none with rustls'.
    pub because: Option<&'static str>,
}

/// Connects to a TVS whose certificate is one of `pins` (DER), and shows it `identity` if it asks.
///
/// # Errors
/// What [`DialError`] says.
pub async fn dial(
    addr: SocketAddr,
    pins: Vec<Vec<u8>>,
    identity: Option<&Identity>,
    choice: TvsTls,
    deadlines: Deadlines,
) -> Result<Dialled, DialError> {
    if choice == TvsTls::Firmware10 {
        return match legacy(addr, pins, identity, choice, deadlines).await {
            Ok(connection) => Ok(Dialled {
                connection,
                because: Some("all that the firmware has"),
            }),
            Err(DialError::Failed(AskError::Tls(refused))) if is_refusal(&refused) => {
                Err(DialError::TooNew { refused })
            }
            Err(other) => Err(other),
        };
    }
    let start = Instant::now();
    let tls = ClientTls::new(pins.clone(), identity, TlsOptions::default())?;
    let refused = match connect(addr, &tls, deadlines).await {
        Ok(connection) => {
            return Ok(Dialled {
                connection,
                because: None,
            });
        }
        Err(AskError::Tls(failure)) => failure,
        Err(other) => return Err(DialError::Failed(other)),
    };
    let Some(wanted) = refused.seems_to_want() else {
        return Err(DialError::Failed(AskError::Tls(refused)));
    };
    if choice == TvsTls::Modern || !LEGACY_BUILT_IN {
        return Err(DialError::TooOld { refused, wanted });
    }
    let deadlines = Deadlines {
        total: deadlines.total.saturating_sub(start.elapsed()),
        ..deadlines
    };
    match legacy(addr, pins, identity, choice, deadlines).await {
        Ok(connection) => Ok(Dialled {
            connection,
            because: Some("after TLS 1.3 and 1.2 of today were refused"),
        }),
        // Which certificate a server shows has nothing to do with how it was asked.
        Err(DialError::Failed(AskError::Tls(failure)))
            if !matches!(failure, TlsFailure::NotPinned { .. }) =>
        {
            let legacy = failure;
            Err(DialError::Neither { refused, legacy })
        }
        Err(other) => Err(other),
    }
}

/// True if a server that has nothing below TLS 1.2 may answer so.
fn is_refusal(failure: &TlsFailure) -> bool {
    /// `handshake_failure`, `protocol_version`, `insufficient_security` (RFC 5246 section 7.2), and
    /// `internal_error`, which OpenSSL 3 sends where its security level leaves TLS 1.0 no signature.
    const ALERTS: [u8; 4] = [40, 70, 71, 80];
    matches!(failure, TlsFailure::Alert { code, .. } if ALERTS.contains(code))
}

/// Connects with OpenSSL's TLS.
#[cfg(feature = "legacy-tls")]
async fn legacy(
    addr: SocketAddr,
    pins: Vec<Vec<u8>>,
    identity: Option<&Identity>,
    choice: TvsTls,
    deadlines: Deadlines,
) -> Result<Connection, DialError> {
    let versions = match choice {
        TvsTls::Firmware10 => LegacyVersions::Only10,
        TvsTls::Modern | TvsTls::LegacyIfRefused => LegacyVersions::UpTo12,
    };
    let tls = LegacyTls::new(pins, identity, versions)?;
    let connected = connect_legacy(addr, &tls, deadlines).await;
    connected.map_err(DialError::Failed)
}

/// There is none to connect with.
#[cfg(not(feature = "legacy-tls"))]
async fn legacy(
    _: SocketAddr,
    _: Vec<Vec<u8>>,
    _: Option<&Identity>,
    _: TvsTls,
    _: Deadlines,
) -> Result<Connection, DialError> {
    Err(DialError::NotBuiltIn)
}

/// Why no connection came up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DialError {
    /// The identity's key cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// No connection, no handshake in time, a certificate that is not pinned, other trouble.
    #[error(transparent)]
    Failed(AskError),
    /// The server has nothing that rustls has, and older TLS is not built in or not allowed.
    #[error("{refused}; the server seems to want {wanted}, {NO_LEGACY}")]
    TooOld {
        /// How it refused.
        refused: TlsFailure,
        /// What it seems to want.
        wanted: &'static str,
    },
    /// The firmware's TLS is asked for, and is not built in.
    #[error("the phone's firmware speaks TLS 1.0, {NO_LEGACY}")]
    NotBuiltIn,
    /// The server refuses the only TLS that the firmware has.
    #[error("{refused}; {TLS_TOO_NEW}, and the server seems to have nothing so old")]
    TooNew {
        /// How it refused.
        refused: TlsFailure,
    },
    /// The server refused rustls' TLS, and OpenSSL's failed too.
    #[error("{refused}; with TLS 1.0 to 1.2 of OpenSSL: {legacy}")]
    Neither {
        /// How it refused.
        refused: TlsFailure,
        /// How the second attempt failed.
        legacy: TlsFailure,
    },
}
