//! Decryption of a part of a file, by the same steps as `p12-keystore`, which hands out nothing
//! before it has worked on all that is inside.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{Decode, Reader, SliceReader};
use des::TdesEde3;
use pkcs5::pbes2;
use pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
use rc2::Rc2;
use sha1::Sha1;

use super::shape::{PBES2, SHA1_RC2_40, SHA1_TRIPLE_DES};

/// What is encrypted under a scheme with these parameters, DER; nothing where the password or a
/// parameter is wrong. The rounds are the caller's to bound.
pub(super) fn decrypt(
    scheme: ObjectIdentifier,
    parameters: &[u8],
    encrypted: &[u8],
    password: &str,
) -> Option<Vec<u8>> {
    match scheme {
        PBES2 => {
            let parameters = pbes2::Parameters::from_der(parameters).ok()?;
            parameters.decrypt(password, encrypted).ok()
        }
        SHA1_TRIPLE_DES => {
            // Three keys of DES.
            let (key, iv) = key_and_iv(parameters, password, 24)?;
            let cipher = cbc::Decryptor::<TdesEde3>::new_from_slices(&key, &iv).ok()?;
            cipher.decrypt_padded_vec::<Pkcs7>(encrypted).ok()
        }
        SHA1_RC2_40 => {
            let (key, iv) = key_and_iv(parameters, password, 5)?;
            let cipher = cbc::Decryptor::<Rc2>::new_from_slices(&key, &iv).ok()?;
            cipher.decrypt_padded_vec::<Pkcs7>(encrypted).ok()
        }
        _ => None,
    }
}

/// Key and initial vector of the schemes of PKCS#12 itself (RFC 7292, appendices B and C). Both
/// block ciphers have blocks of 8 bytes.
fn key_and_iv(parameters: &[u8], password: &str, bytes: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut reader = SliceReader::new(parameters).ok()?;
    let (salt, rounds) = reader
        .sequence(|fields| {
            let salt: &OctetStringRef = fields.decode()?;
            let rounds: i32 = fields.decode()?;
            Ok::<_, der::Error>((salt.as_bytes(), rounds))
        })
        .ok()?;
    let derived = |purpose, bytes| derive_key_utf8::<Sha1>(password, salt, purpose, rounds, bytes);
    let key = derived(Pkcs12KeyType::EncryptionKey, bytes).ok()?;
    let iv = derived(Pkcs12KeyType::Iv, 8).ok()?;
    Some((key, iv))
}
