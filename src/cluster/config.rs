//! Phone configurations as a node hands them out: plain, signed, and encrypted for one phone.

use std::sync::Arc;

use super::list::{PublishError, Stamp, Unsigned};
use super::node::ConfigSource;
use super::serve::SignedCache;
use super::x509::LabCertificate;
use crate::rng::Rng;
use crate::trust::certificate::Certificate;
use crate::trust::decrypt::{certificate_hash, encrypt};
use crate::wire::phone_config::{PhoneConfig, SecurityMode, Transport};

/// A phone in a cluster's database: its security mode, whether its configuration is encrypted, and
/// the certificate that the cluster has of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneRecord {
    /// Its device security mode.
    pub(super) mode: SecurityMode,
    /// TFTP Encrypted Config of its security profile.
    pub(super) encrypted_config: bool,
    /// The certificate that the cluster has of it, DER.
    pub(super) certificate: Option<Arc<[u8]>>,
}

impl ConfigSource {
    /// True if the phone's configuration is there for its own eyes alone. The security guide has it
    /// for clusters in mixed mode.
    fn is_encrypted_for(&self, phone: &PhoneRecord) -> bool {
        self.is_mixed && phone.encrypted_config
    }

    /// The whole configuration of a phone.
    fn config(&self, phone: &PhoneRecord) -> PhoneConfig {
        let mode = if self.is_mixed {
            phone.mode
        } else {
            SecurityMode::NonSecure
        };
        let encr_config = self.is_encrypted_for(phone);
        let certificate = phone.certificate.as_ref().filter(|_| encr_config);
        PhoneConfig {
            version_stamp: Some(self.version_stamp.clone()),
            device_security_mode: mode,
            transport: match mode {
                SecurityMode::NonSecure => Transport::Tcp,
                SecurityMode::Authenticated | SecurityMode::Encrypted => Transport::Tls,
            },
            cert_hash: certificate.map(|der| certificate_hash(der)),
            encr_config,
            ..self.base.clone()
        }
    }

    /// What is there without encryption: the configuration, or the companion of an encrypted one.
    pub(super) fn plain(&self, phone: &PhoneRecord) -> Vec<u8> {
        let config = self.config(phone);
        let text = if config.encr_config {
            config.emit_companion()
        } else {
            config.emit()
        };
        text.into_bytes()
    }

    /// The same, signed.
    ///
    /// # Errors
    /// [`PublishError`] if it cannot be signed.
    pub(super) fn signed(
        &self,
        cache: &mut SignedCache,
        phone: &PhoneRecord,
        name: &str,
    ) -> Result<Arc<[u8]>, PublishError> {
        self.sign(cache, &self.signer, &self.plain(phone), name)
    }

    /// A `.sgn` around any file: header version 1.0. The CallManager of the TFTP node signs in every
    /// release.
    ///
    /// # Errors
    /// [`PublishError`] if it cannot be signed.
    pub(super) fn sign(
        &self,
        cache: &mut SignedCache,
        signer: &LabCertificate,
        body: &[u8],
        name: &str,
    ) -> Result<Arc<[u8]>, PublishError> {
        let unsigned = Unsigned::new(signer, &self.stamp((1, 0), name), body)?;
        cache.get_or_sign(unsigned, signer)
    }

    /// The configuration, encrypted for the certificate that the cluster has of the phone: header
    /// version 2.0. None where there is nothing to encrypt, or no certificate to encrypt for.
    pub(super) fn encrypted(
        &self,
        cache: &mut SignedCache,
        phone: &PhoneRecord,
        name: &str,
    ) -> Option<Arc<[u8]>> {
        let certificate = phone.certificate.as_ref()?;
        let config = self.config(phone);
        if !config.encr_config {
            return None;
        }
        // A certificate that the lab did not make may have a key that encrypts nothing.
        let device = Certificate::parse(certificate).ok()?;
        let mut rng = Rng::stream(self.seed, name);
        let (mut key, mut iv) = ([0; 16], [0; 16]);
        rng.fill(&mut key);
        rng.fill(&mut iv);
        let text = config.emit();
        let made = encrypt(text.as_bytes(), &device, key, iv, self.digest, &mut rng).ok()?;
        let stamp = self.stamp((2, 0), name);
        let unsigned = Unsigned::encrypted(&self.signer, &stamp, made).ok()?;
        cache.get_or_sign(unsigned, &self.signer).ok()
    }

    fn stamp<'a>(&self, version: (u8, u8), file_name: &'a str) -> Stamp<'a> {
        Stamp {
            version,
            signer_version: None,
            digest: self.digest,
            file_name,
            at: self.at,
        }
    }
}
