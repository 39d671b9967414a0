//! Certificate verifiers that compare bytes, and check handshake signatures against the raw key.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use webpki::RawPublicKeyEntity;

use super::{der, legacy};

/// The part of both rustls verifiers that is about signatures, by the verifier's own `checks`.
macro_rules! signatures_by_checks {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &::rustls::pki_types::CertificateDer<'_>,
            signed: &::rustls::DigitallySignedStruct,
        ) -> Result<::rustls::client::danger::HandshakeSignatureValid, ::rustls::Error> {
            self.checks.tls12(message, certificate, signed)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &::rustls::pki_types::CertificateDer<'_>,
            signed: &::rustls::DigitallySignedStruct,
        ) -> Result<::rustls::client::danger::HandshakeSignatureValid, ::rustls::Error> {
            self.checks.tls13(message, certificate, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<::rustls::SignatureScheme> {
            self.checks.schemes()
        }
    };
}
pub(super) use signatures_by_checks;

/// Signature schemes, best first, and the algorithms that each may stand for.
pub(super) type Mapping = &'static [(
    SignatureScheme,
    &'static [&'static dyn SignatureVerificationAlgorithm],
)];

/// Checks that a peer holds the key of the certificate that it presents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checks {
    mapping: Mapping,
}

impl Checks {
    pub(super) fn new(provider: &CryptoProvider, legacy: bool) -> Self {
        let mapping = match legacy {
            true => legacy::MAPPING,
            false => provider.signature_verification_algorithms.mapping,
        };
        Self { mapping }
    }

    /// PKCS#1 v1.5 down to 1024 bits, and ECDSA: what both ends of provisioning sign with.
    pub(super) fn of_provisioning() -> Self {
        Self {
            mapping: legacy::WITH_ECDSA,
        }
    }

    pub(super) fn schemes(&self) -> Vec<SignatureScheme> {
        self.mapping.iter().map(|(scheme, _)| *scheme).collect()
    }

    /// TLS 1.2 does not bind a scheme to a curve, so every algorithm of the scheme may fit.
    pub(super) fn tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let fits = self
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == signed.scheme);
        let algorithms = fits.map_or(&[][..], |(_, algorithms)| algorithms);
        verify(algorithms, message, certificate, signed)
    }

    /// TLS 1.3 binds a scheme to one algorithm, and has neither PKCS#1 v1.5 nor SHA-1.
    pub(super) fn tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let allowed = matches!(
            signed.scheme,
            SignatureScheme::RSA_PSS_SHA256
                | SignatureScheme::RSA_PSS_SHA384
                | SignatureScheme::RSA_PSS_SHA512
                | SignatureScheme::ECDSA_NISTP256_SHA256
                | SignatureScheme::ECDSA_NISTP384_SHA384
                | SignatureScheme::ECDSA_NISTP521_SHA512
                | SignatureScheme::ED25519
        );
        let fits = self
            .mapping
            .iter()
            .find(|(scheme, _)| allowed && *scheme == signed.scheme);
        let algorithms = fits
            .and_then(|(_, algorithms)| algorithms.get(..1))
            .unwrap_or_default();
        verify(algorithms, message, certificate, signed)
    }
}

fn verify(
    algorithms: &[&'static dyn SignatureVerificationAlgorithm],
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let spki = der::spki(certificate).ok_or(CertificateError::BadEncoding)?;
    let spki = SubjectPublicKeyInfoDer::from(spki);
    let key = RawPublicKeyEntity::try_from(&spki).map_err(|_| CertificateError::BadEncoding)?;
    match algorithms.iter().any(|a| {
        key.verify_signature(*a, message, signed.signature())
            .is_ok()
    }) {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(PinFailure::WrongKey {
            presented: certificate.to_vec(),
        }
        .into()),
    }
}

/// Why a certificate was refused. It travels inside the TLS error, so that whoever drives the
/// connection can say which certificate it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum PinFailure {
    #[error("the certificate is not in the list")]
    NotPinned { presented: Vec<u8> },
    #[error("the handshake is not signed with the certificate's key")]
    WrongKey { presented: Vec<u8> },
}

impl PinFailure {
    pub(super) fn of(error: &Error) -> Option<&Self> {
        match error {
            Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
                inner.downcast_ref()
            }
            _ => None,
        }
    }
}

impl From<PinFailure> for Error {
    fn from(failure: PinFailure) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(failure))))
    }
}

/// Trusts the certificates of a list. No chain, no name, no dates: the list is the trust.
#[derive(Debug)]
pub(super) struct Pinned {
    /// None: any certificate will do.
    pins: Option<Vec<Vec<u8>>>,
    checks: Checks,
}

impl Pinned {
    pub(super) fn new(pins: Option<Vec<Vec<u8>>>, checks: Checks) -> Self {
        Self { pins, checks }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_right = |pins: &Vec<Vec<u8>>| pins.iter().any(|pin| pin[..] == end_entity[..]);
        if self.pins.as_ref().is_none_or(is_right) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(PinFailure::NotPinned {
                presented: end_entity.to_vec(),
            }
            .into())
        }
    }

    signatures_by_checks!();
}

/// Says whether a server is taken that presents these certificates (DER), its own first.
pub type Judge = Box<dyn Fn(&[&[u8]]) -> bool + Send + Sync>;

/// Leaves the certificates to somebody who knows which are taken.
pub(super) struct Judged {
    judge: Judge,
    checks: Checks,
}

impl Judged {
    pub(super) fn new(judge: Judge) -> Self {
        let checks = Checks::of_provisioning();
        Self { judge, checks }
    }
}

impl fmt::Debug for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judged").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Judged {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut presented: Vec<&[u8]> = vec![end_entity];
        presented.extend(intermediates.iter().map(|der| &der[..]));
        match (self.judge)(&presented) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    signatures_by_checks!();
}

/// Asks for a client certificate and takes any, or none. Whether a TVS demands one is not known;
/// the open `tvsd` does not.
#[derive(Debug)]
pub(super) struct AnyClient {
    checks: Checks,
}

impl AnyClient {
    pub(super) fn new(checks: Checks) -> Self {
        Self { checks }
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    signatures_by_checks!();
}
