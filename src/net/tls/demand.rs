//! Servers that demand a certificate of each client and judge it during the handshake.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{AlertDescription, CertificateError, DistinguishedName, Error, ServerConfig};

use super::verify::{Checks, signatures_by_checks};
use super::{Identity, OneKey, SetupError, TlsFailure, TlsOptions, provider};

/// Judges the certificates of clients.
pub trait ClientJudge: fmt::Debug + Send + Sync {
    /// Whether a client with this certificate (DER) may go on. That it holds the key is checked
    /// besides.
    ///
    /// # Errors
    /// Why not.
    fn judge(&self, certificate: &[u8]) -> Result<(), ClientFault>;
}

/// Why a client's certificate does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFault {
    /// What the client is told.
    pub alert: ClientAlert,
    /// Why, in words.
    pub why: String,
}

/// What a client is told of its certificate (RFC 5246, 7.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAlert {
    /// `bad_certificate`.
    Bad,
    /// `unsupported_certificate`: it is for something else.
    Unsupported,
    /// `unknown_ca`.
    UnknownAuthority,
    /// `certificate_expired`, also for one that is not valid yet.
    Expired,
    /// `decrypt_error`: its signature does not count.
    Signature,
}

impl ClientAlert {
    fn fault(self) -> CertificateError {
        match self {
            Self::Bad => CertificateError::BadEncoding,
            Self::Unsupported => CertificateError::InvalidPurpose,
            Self::UnknownAuthority => CertificateError::UnknownIssuer,
            Self::Expired => CertificateError::Expired,
            Self::Signature => CertificateError::BadSignature,
        }
    }

    /// The alert that goes out.
    pub(crate) fn description(self) -> AlertDescription {
        self.fault().into()
    }
}

impl From<ClientAlert> for Error {
    fn from(alert: ClientAlert) -> Self {
        Self::InvalidCertificate(alert.fault())
    }
}

/// What a server needs to make a configuration for each connection: the verifier keeps what it
/// refused, so that whoever drives the connection can say which certificate it was and why. The
/// error of the TLS library has room for one of the two, the alert or the reason.
#[derive(Debug)]
pub(super) struct Demand {
    judge: Arc<dyn ClientJudge>,
    checks: Checks,
    provider: Arc<CryptoProvider>,
    options: TlsOptions,
    key: Arc<OneKey>,
}

impl Demand {
    pub(super) fn new(
        identity: &Identity,
        judge: Arc<dyn ClientJudge>,
        options: TlsOptions,
    ) -> Result<Self, SetupError> {
        let provider = provider();
        Ok(Self {
            judge,
            checks: match options.legacy {
                true => Checks::of_provisioning(),
                false => Checks::new(&provider, false),
            },
            provider,
            options,
            key: Arc::new(OneKey(identity.certified(options)?)),
        })
    }

    /// The configuration for one connection.
    pub(super) fn config(&self) -> Result<(Arc<ServerConfig>, Refused), SetupError> {
        let refused = Refused::default();
        let verifier = Judged {
            judge: Arc::clone(&self.judge),
            checks: self.checks,
            refused: refused.clone(),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(self.options.versions()?)
            .map_err(SetupError::Tls)?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(self.key.clone());
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok((Arc::new(config), refused))
    }
}

/// What was refused on one connection, if its failure was that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refused(Arc<Mutex<Option<TlsFailure>>>);

impl Refused {
    /// The failure; none if the client's certificate is not why the handshake failed.
    pub(crate) fn take(&self) -> Option<TlsFailure> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take()
    }

    fn keep(&self, failure: TlsFailure) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }
}

/// The verifier of one connection.
#[derive(Debug)]
struct Judged {
    judge: Arc<dyn ClientJudge>,
    checks: Checks,
    refused: Refused,
}

impl ClientCertVerifier for Judged {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Phones have one certificate, and need no hint which to present.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge.judge(end_entity).map_err(|fault| {
            self.refused.keep(TlsFailure::ClientRefused {
                presented: end_entity.to_vec(),
                why: fault.why,
            });
            Error::from(fault.alert)
        })?;
        Ok(ClientCertVerified::assertion())
    }

    signatures_by_checks!();
}
