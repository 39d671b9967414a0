//! TLS as phones and clusters use it: certificates are trusted because they stand in a list, not
//! because a chain leads to a root.
//!
//! The stock verifiers would refuse most of what is normal here (self-signed `CA:TRUE` servers,
//! X.509 v1, odd serials, expired certificates), so both ends compare bytes and check the handshake
//! signature against the raw public key. Nothing is resumed: phones do not (`caching disabled,
//! session not saved`). The provider is always ring, never the process-wide default.

mod demand;
mod der;
mod legacy;
#[cfg(feature = "legacy-tls")]
mod openssl;
mod verify;

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{
    ClientConfig, CommonState, ServerConfig, SignatureScheme, SupportedProtocolVersion, version,
};
use thiserror::Error;

use demand::Demand;
use verify::{AnyClient, Checks, Judged, PinFailure, Pinned};

#[cfg(feature = "legacy-tls")]
pub use self::openssl::{LegacyStream, LegacyTls, LegacyVersions};
pub use verify::Judge;

pub(crate) use demand::Refused;
pub use demand::{ClientAlert, ClientFault, ClientJudge};

/// A certificate and its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, DER. It is presented as it stands and never parsed.
    pub certificate: Vec<u8>,
    /// The private key, PKCS#8 DER. Nothing checks that it belongs to the certificate, so that a
    /// server with the wrong key can be played.
    pub key: Vec<u8>,
}

impl Identity {
    fn certified(&self, options: TlsOptions) -> Result<Arc<CertifiedKey>, SetupError> {
        let chain = vec![CertificateDer::from(self.certificate.clone())];
        Ok(Arc::new(CertifiedKey::new(
            chain,
            signing_key(&self.key, options)?,
        )))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certificate = self.certificate.len();
        write!(
            f,
            "Identity {{ certificate: {certificate} bytes, key: not shown }}"
        )
    }
}

/// Which TLS versions an end speaks. Releases before 11.5(1)SU3 speak TLS 1.0 alone, which rustls
/// does not have: TLS 1.2 stands in for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// 1.2 alone.
    Only12,
    /// 1.3 alone.
    Only13,
}

/// What an end speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// TLS versions.
    pub versions: TlsVersions,
    /// For peers and identities with RSA keys of 1024 bits, and for SHA-1 signatures: PKCS#1
    /// schemes alone are offered, because OpenSSL would choose PSS, which ring refuses for such
    /// keys. TLS 1.3 has no PKCS#1 signatures, so this means TLS 1.2.
    pub legacy: bool,
}

impl TlsOptions {
    fn versions(self) -> Result<&'static [&'static SupportedProtocolVersion], SetupError> {
        match (self.versions, self.legacy) {
            (TlsVersions::Only13, true) => Err(SetupError::LegacyNeeds12),
            (_, true) | (TlsVersions::Only12, _) => Ok(TLS12),
            (TlsVersions::Only13, false) => Ok(TLS13),
            (TlsVersions::Both, false) => Ok(TLS13_AND_12),
        }
    }
}

/// A phone's end: which servers it trusts, and its own certificate. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts exactly the certificates `pins` (DER), compared byte for byte. `identity` (LSC or
    /// MIC) is presented if the server asks for a certificate.
    ///
    /// # Errors
    /// The identity's key cannot be used, or `options` contradict each other.
    pub fn new(
        pins: Vec<Vec<u8>>,
        identity: Option<&Identity>,
        options: TlsOptions,
    ) -> Result<Self, SetupError> {
        Self::trusting(Some(pins), identity, options)
    }

    /// Takes whatever certificate the server presents, as long as it holds its key: whoever asks
    /// judges the certificate afterwards.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn any(identity: Option<&Identity>, options: TlsOptions) -> Result<Self, SetupError> {
        Self::trusting(None, identity, options)
    }

    /// Leaves what the server presents to `judge`, during the handshake: a server that it does not
    /// take gets an alert, and never sees `identity`. TLS 1.2 with RSA PKCS#1 and ECDSA signatures,
    /// keys of 1024 bits too, as provisioning has them. With `names_host` the server's name goes
    /// into the handshake.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn judged(
        judge: Judge,
        identity: Option<&Identity>,
        names_host: bool,
    ) -> Result<Self, SetupError> {
        let options = TlsOptions {
            versions: TlsVersions::Only12,
            legacy: true,
        };
        let verifier = Arc::new(Judged::new(judge));
        Self::with(verifier, identity, options, names_host)
    }

    fn trusting(
        pins: Option<Vec<Vec<u8>>>,
        identity: Option<&Identity>,
        options: TlsOptions,
    ) -> Result<Self, SetupError> {
        let checks = Checks::new(&provider(), options.legacy);
        let verifier = Arc::new(Pinned::new(pins, checks));
        // The peer is known by its certificate; phones name no host.
        Self::with(verifier, identity, options, false)
    }

    fn with(
        verifier: Arc<dyn ServerCertVerifier>,
        identity: Option<&Identity>,
        options: TlsOptions,
        names_host: bool,
    ) -> Result<Self, SetupError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(options.versions()?)
            .map_err(SetupError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match identity {
            Some(identity) => {
                let key = OneKey(identity.certified(options)?);
                builder.with_client_cert_resolver(Arc::new(key))
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = rustls::client::Resumption::disabled();
        config.enable_sni = names_host;
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// The configuration for a connector.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

/// A node's end: its certificate, and whether it asks phones for theirs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// Where each client is judged.
    demand: Option<Arc<Demand>>,
}

impl ServerTls {
    /// Presents `identity`. With `ask_certificate` phones are asked for a certificate; any is
    /// taken, and none is, as long as the phone holds the key to what it presents.
    ///
    /// # Errors
    /// The identity's key cannot be used, or `options` contradict each other.
    pub fn new(
        identity: &Identity,
        ask_certificate: bool,
        options: TlsOptions,
    ) -> Result<Self, SetupError> {
        let provider = provider();
        let checks = Checks::new(&provider, options.legacy);
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(options.versions()?)
            .map_err(SetupError::Tls)?;
        let builder = if ask_certificate {
            builder.with_client_cert_verifier(Arc::new(AnyClient::new(checks)))
        } else {
            builder.with_no_client_auth()
        };
        let key = OneKey(identity.certified(options)?);
        let mut config = builder.with_cert_resolver(Arc::new(key));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            config: Arc::new(config),
            demand: None,
        })
    }

    /// Presents `identity`, and comes up with those clients alone whose certificate `judge` lets
    /// through.
    ///
    /// # Errors
    /// The identity's key cannot be used, or `options` contradict each other.
    pub fn demanding(
        identity: &Identity,
        judge: Arc<dyn ClientJudge>,
        options: TlsOptions,
    ) -> Result<Self, SetupError> {
        let demand = Demand::new(identity, judge, options)?;
        let (config, _) = demand.config()?;
        Ok(Self {
            config,
            demand: Some(Arc::new(demand)),
        })
    }

    /// The configuration for one client, and where it is said if its certificate is refused.
    pub(crate) fn for_client(&self) -> (Arc<ServerConfig>, Refused) {
        // What was made once can be made again.
        let made = self.demand.as_ref().and_then(|d| d.config().ok());
        made.unwrap_or_else(|| (self.config(), Refused::default()))
    }

    /// The configuration for an acceptor.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// Why an end cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The private key is not PKCS#8, or of a kind or size that cannot be used.
    #[error("the private key cannot be used: {0}")]
    Key(String),
    /// The legacy mode has no TLS 1.3.
    #[error("RSA keys of 1024 bits need TLS 1.2, asked for was TLS 1.3 alone")]
    LegacyNeeds12,
    /// rustls refuses the configuration.
    #[error("TLS configuration refused: {0}")]
    Tls(rustls::Error),
    /// The system's OpenSSL cannot be set up for TLS below 1.2.
    #[cfg(feature = "legacy-tls")]
    #[error("OpenSSL cannot be set up for TLS 1.0: {0}")]
    Legacy(String),
}

/// What was negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLS 1.2` or `TLS 1.3`; `TLS 1.0` and `TLS 1.1` of a legacy client alone.
    pub version: &'static str,
    /// The cipher suite's IANA name; of a legacy client OpenSSL's, which phones write to their logs
    /// too (`AES256-SHA`).
    pub suite: &'static str,
    /// The first certificate that the peer presented, DER; a client need not present any.
    pub peer_certificate: Option<Vec<u8>>,
}

impl TlsInfo {
    /// What a connection whose handshake is done has negotiated.
    pub fn of(connection: &CommonState) -> Self {
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "unknown",
        };
        let suite = connection.negotiated_cipher_suite();
        let suite = suite.and_then(|s| s.suite().as_str()).unwrap_or("unknown");
        let chain = connection.peer_certificates().unwrap_or_default();
        let peer_certificate = chain.first().map(|certificate| certificate.to_vec());
        Self {
            version,
            suite,
            peer_certificate,
        }
    }

    /// The subject name of the peer's certificate, DER; `None` without one, or if it cannot be
    /// read.
    pub fn peer_subject(&self) -> Option<&[u8]> {
        der::subject(self.peer_certificate.as_deref()?)
    }
}

/// Why a handshake, or a connection after it, failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The server's certificate is none of the pinned ones.
    #[error("the server's certificate ({} bytes) is not in the list", presented.len())]
    NotPinned {
        /// The certificate that was presented, DER.
        presented: Vec<u8>,
    },
    /// The peer presents a certificate whose key it does not hold.
    #[error("the peer does not hold the key of its certificate ({} bytes)", presented.len())]
    WrongKey {
        /// The certificate that was presented, DER.
        presented: Vec<u8>,
    },
    /// A client was asked for a certificate and has none.
    #[error("the client presented no certificate")]
    ClientMissing,
    /// A client's certificate does not count.
    #[error("the client's certificate is refused: {why}")]
    ClientRefused {
        /// The certificate that was presented, DER.
        presented: Vec<u8>,
        /// Why.
        why: String,
    },
    /// The peer refused with an alert.
    #[error("the peer sent the TLS alert {name} ({code})")]
    Alert {
        /// The alert's number.
        code: u8,
        /// Its name, as rustls has it.
        name: String,
    },
    /// The peer chose a version or a suite that this end does not have.
    #[error("TLS failed: {0}")]
    Incompatible(String),
    /// What came is no TLS that this end understands or agrees to.
    #[error("TLS failed: {0}")]
    Protocol(String),
    /// The connection was closed or reset.
    #[error("the connection was closed: {0}")]
    Closed(io::ErrorKind),
}

impl TlsFailure {
    /// What a server that fails so seems to want in place of what rustls has: a version below 1.2
    /// or a suite without forward secrecy. It finds nothing in common, or chooses what was not
    /// offered. None where the failure says no such thing.
    pub fn seems_to_want(&self) -> Option<&'static str> {
        /// RFC 5246 section 7.2.
        const HANDSHAKE_FAILURE: u8 = 40;
        /// The same.
        const PROTOCOL_VERSION: u8 = 70;
        match self {
            Self::Alert { code, .. } => match *code {
                PROTOCOL_VERSION => Some("TLS 1.0 or 1.1"),
                HANDSHAKE_FAILURE => Some("a suite without forward secrecy, such as AES256-SHA"),
                _ => None,
            },
            Self::Incompatible(_) => Some("TLS 1.0 or 1.1, or a suite such as AES256-SHA"),
            _ => None,
        }
    }

    /// Sorts an error of a TLS stream.
    pub fn of(error: &io::Error) -> Self {
        let inner = error.get_ref();
        if let Some(sorted) = inner.and_then(|e| e.downcast_ref::<Self>()) {
            return sorted.clone();
        }
        match inner.and_then(|e| e.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => Self::Alert {
                code: u8::from(*alert),
                name: format!("{alert:?}"),
            },
            Some(rustls::Error::NoCertificatesPresented) => Self::ClientMissing,
            Some(other @ rustls::Error::PeerIncompatible(_)) => {
                Self::Incompatible(other.to_string())
            }
            Some(other) => match PinFailure::of(other) {
                Some(PinFailure::NotPinned { presented }) => Self::NotPinned {
                    presented: presented.clone(),
                },
                Some(PinFailure::WrongKey { presented }) => Self::WrongKey {
                    presented: presented.clone(),
                },
                None => Self::Protocol(other.to_string()),
            },
            None => Self::Closed(error.kind()),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn signing_key(pkcs8: &[u8], options: TlsOptions) -> Result<Arc<dyn SigningKey>, SetupError> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8));
    match any_supported_type(&key) {
        Ok(key) => Ok(key),
        // ring signs from 2048 bits up.
        Err(error) if options.legacy => match legacy::ShortRsaKey::from_pkcs8(pkcs8) {
            Some(key) => Ok(Arc::new(key)),
            None => Err(SetupError::Key(error.to_string())),
        },
        Err(error) => Err(SetupError::Key(error.to_string())),
    }
}

/// Presents one certificate to whoever asks.
#[derive(Debug)]
struct OneKey(Arc<CertifiedKey>);

impl ResolvesServerCert for OneKey {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for OneKey {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

static TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
static TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
static TLS13_AND_12: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
