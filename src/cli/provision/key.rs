//! Private keys in files, as `openssl req` and `openssl genrsa` leave them.

use std::path::Path;

use der::Decode;
use pkcs5::EncryptionScheme;
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};

use super::files;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::password;
use crate::cli::world::shown;

/// A private key, as PKCS#8 in DER. What `openssl req -new` writes is encrypted, and opened with the
/// password in `password_file`.
///
/// # Errors
/// The file cannot be opened, is none of these, or the password is missing or wrong.
pub(super) fn read(path: &Path, password_file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let file = files::read(path)?;
    let wrong = |what: &str| {
        let text = format!("{}: {what}", shown(path));
        Failure::new(ExitCode::Usage, text)
    };
    if file.windows(9).any(|w| w == b"Proc-Type") {
        return Err(wrong(
            "a key encrypted in the old way; write it anew with `openssl pkcs8 -topk8`",
        ));
    }
    let pem = file.trim_ascii_start();
    match der::pem::decode_vec(pem) {
        Ok(("PRIVATE KEY", der)) => Ok(der),
        Ok(("RSA PRIVATE KEY", der)) => {
            let key = RsaPrivateKey::from_pkcs1_der(&der).ok();
            let pkcs8 = key.and_then(|key| key.to_pkcs8_der().ok());
            let pkcs8 = pkcs8.map(|der| der.as_bytes().to_vec());
            pkcs8.ok_or_else(|| wrong("a damaged RSA key"))
        }
        Ok(("ENCRYPTED PRIVATE KEY", der)) => {
            let Some(password_file) = password_file else {
                return Err(wrong(
                    "the key is encrypted, as `openssl req -new` writes it: give the file with its \
                     pass phrase with --key-password-file, or decrypt it with `openssl pkcs8 -in \
                     ... -out ...`",
                ));
            };
            let password = password::read(password_file)?;
            decrypted(&der, &password).map_err(|what| wrong(&what))
        }
        Ok((label, _)) => Err(wrong(&format!(
            "holds a {label}, expected a PRIVATE KEY: `openssl pkcs8 -topk8 -nocrypt` writes one"
        ))),
        Err(_) => Err(wrong("expected a private key in PEM")),
    }
}

/// The public key of an RSA key, as `SubjectPublicKeyInfo` in DER; none of another.
pub(super) fn public(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let key = RsaPrivateKey::from_pkcs8_der(pkcs8).ok()?;
    let public = key.to_public_key().to_public_key_der().ok()?;
    Some(public.as_bytes().to_vec())
}

/// What is in an EncryptedPrivateKeyInfo (RFC 5958, 3).
#[derive(der::Sequence)]
struct Encrypted<'a> {
    scheme: EncryptionScheme,
    data: &'a der::asn1::OctetStringRef,
}

fn decrypted(der: &[u8], password: &str) -> Result<Vec<u8>, String> {
    let read = Encrypted::from_der(der);
    let read = read.map_err(|e| format!("encrypted in a way that cannot be read here: {e}"))?;
    let opened = read.scheme.decrypt(password, read.data.as_bytes());
    let opened = opened.ok().filter(|key| key.first() == Some(&0x30));
    opened.ok_or_else(|| "the pass phrase is wrong, or the cipher is not known here".to_owned())
}
