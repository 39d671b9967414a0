//! Who the phone is: its device name, its firmware, its LSC.

use std::path::Path;

use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::args::{LegacyTls, PhoneArgs};
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::inspect;
use crate::cli::world::shown;
use crate::cluster::{PrivateKey, PublicCertificate};
use crate::net::tls::{self, ClientTls, TlsOptions};
use crate::net::tvs::{ALLOW_LEGACY, LEGACY_BUILT_IN, TvsTls};
use crate::phone::profile::PROFILES;
use crate::phone::{DeviceIdentity, Identity, Profile};

/// The firmware family that was named, or that of the model.
///
/// # Errors
/// No family has such a model.
pub(super) fn profile(args: &PhoneArgs) -> Result<&'static Profile, Failure> {
    let profile = match &args.profile {
        Some(name) => Profile::named(name),
        None => Profile::of_model(&args.model),
    };
    profile.ok_or_else(|| {
        let families: Vec<_> = PROFILES
            .iter()
            .map(|p| format!("{} ({}...)", p.name, p.models.value.first().unwrap_or(&"")))
            .collect();
        let text = format!(
            "no firmware family has the model {}; it may be written as on the phone, such as \
             CP-8861, or --profile names one of {}",
            args.model,
            families.join(", ")
        );
        Failure::new(ExitCode::Usage, text)
    })
}

/// The TLS that a TVS outside a lab is spoken to with.
///
/// # Errors
/// It is the firmware's, and this build does not have that.
pub(super) fn tvs_tls(args: &PhoneArgs, profile: &Profile) -> Result<TvsTls, Failure> {
    match (args.legacy_tls, profile.tls.value) {
        (LegacyTls::WhenRefused, _) => Ok(TvsTls::LegacyIfRefused),
        (LegacyTls::Never, _) | (LegacyTls::ByProfile, None) => Ok(TvsTls::Modern),
        (LegacyTls::ByProfile, Some(_)) if LEGACY_BUILT_IN => Ok(TvsTls::Firmware10),
        (LegacyTls::ByProfile, Some(tls)) => {
            let text = format!(
                "--legacy-tls by-profile: the firmware family {} speaks {tls} ({}), and this build \
                 has nothing below TLS 1.2: {ALLOW_LEGACY}, or leave the option out",
                profile.name, profile.tls.source
            );
            Err(Failure::new(ExitCode::Usage, text))
        }
    }
}

/// The phone.
///
/// # Errors
/// Its LSC or the key of it cannot be read, or do not belong together.
pub(super) fn identity(args: &PhoneArgs) -> Result<Identity, Failure> {
    let certificate = match args.lsc.as_slice() {
        [certificate, key] => Some(lsc("--lsc", certificate, key)?),
        // clap takes two or none.
        _ => None,
    };
    Ok(Identity {
        device: args.mac.0.clone(),
        model: args.model.clone(),
        certificate,
    })
}

/// The certificate and the private key of a phone, out of the files that `option` names.
///
/// # Errors
/// They cannot be read, or do not belong together.
pub(in crate::cli) fn lsc(
    option: &str,
    certificate_path: &Path,
    key_path: &Path,
) -> Result<DeviceIdentity, Failure> {
    let wrong = |path: &Path, why: &str| {
        Failure::new(ExitCode::Usage, format!("{option} {}: {why}", shown(path)))
    };
    let bytes = inspect::read(certificate_path)?;
    let certificate = match CertificateDer::from_pem_slice(&bytes) {
        Ok(der) => der.to_vec(),
        Err(_) => bytes,
    };
    let public = PublicCertificate::from_der(&certificate)
        .map_err(|e| wrong(certificate_path, &format!("not a certificate: {e}")))?;
    let pem = inspect::read(key_path)?;
    let key = pkcs8(&pem).ok_or_else(|| {
        let why = "no private key in PEM that can be read: PRIVATE KEY or RSA PRIVATE KEY, without \
                   a password";
        wrong(key_path, why)
    })?;
    // Keys of other sizes are left to TLS.
    if let Ok(private) = PrivateKey::from_pkcs8(key.clone())
        && private.list_form() != public.public_key
    {
        let why = format!("is not the key of {}", shown(certificate_path));
        return Err(wrong(key_path, &why));
    }
    let shown_to_tvs = tls::Identity {
        certificate: certificate.clone(),
        key: key.clone(),
    };
    ClientTls::new(Vec::new(), Some(&shown_to_tvs), TlsOptions::default())
        .map_err(|e| wrong(key_path, &e.to_string()))?;
    Ok(DeviceIdentity {
        kind: "LSC",
        certificate: certificate.into(),
        key: key.into(),
    })
}

/// The private key in a PEM file, as PKCS#8.
fn pkcs8(pem: &[u8]) -> Option<Vec<u8>> {
    match PrivateKeyDer::from_pem_slice(pem).ok()? {
        PrivateKeyDer::Pkcs8(der) => Some(der.secret_pkcs8_der().to_vec()),
        PrivateKeyDer::Pkcs1(der) => {
            let key = RsaPrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).ok()?;
            Some(key.to_pkcs8_der().ok()?.as_bytes().to_vec())
        }
        _ => None,
    }
}
