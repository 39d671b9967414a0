//! The two encryptions of profiles.

use aes::Aes256;
use cbc::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use md5::{Digest as _, Md5};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{digest, hkdf};

use super::{KeyDigest, ProfileFault, begins_as_profile};

/// How `openssl enc` begins its output; 8 bytes of salt follow.
pub(super) const SALTED: &[u8] = b"Salted__";
const SALT: usize = 8;
const BLOCK: usize = 16;

/// Opens the output of `openssl enc -e -aes-256-cbc -k phrase`. Gives the plain text and how it was
/// opened.
pub(super) fn salted(
    body: &[u8],
    phrase: &str,
    digests: KeyDigest,
) -> Result<(Vec<u8>, &'static str), ProfileFault> {
    let rest = body.get(SALTED.len()..).unwrap_or_default();
    let Some((salt, sealed)) = rest.split_first_chunk::<SALT>() else {
        return Err(ProfileFault::CutOff(rest.len()));
    };
    if sealed.is_empty() || !sealed.len().is_multiple_of(BLOCK) {
        return Err(ProfileFault::CutOff(sealed.len()));
    }
    let sha256: (fn(&[u8]) -> Vec<u8>, _) = (
        |bytes| digest::digest(&digest::SHA256, bytes).as_ref().to_vec(),
        "AES-256-CBC, key by SHA-256",
    );
    let md5: (fn(&[u8]) -> Vec<u8>, _) = (
        |bytes| Md5::digest(bytes).to_vec(),
        "AES-256-CBC, key by MD5",
    );
    let tried: &[_] = match digests {
        KeyDigest::Both => &[sha256, md5],
        KeyDigest::Sha256 => &[sha256],
        KeyDigest::Md5 => &[md5],
    };
    tried
        .iter()
        .find_map(|(hash, how)| {
            let plain = open(sealed, &key_and_iv(*hash, phrase, salt))?;
            begins_as_profile(&plain).then_some((plain, *how))
        })
        .ok_or(ProfileFault::WrongKey)
}

/// `EVP_BytesToKey` with one round: 32 bytes of key, 16 of initialization vector.
fn key_and_iv(hash: impl Fn(&[u8]) -> Vec<u8>, phrase: &str, salt: &[u8; SALT]) -> [u8; 48] {
    let mut made: Vec<u8> = Vec::with_capacity(64);
    let mut last: Vec<u8> = Vec::new();
    while made.len() < 48 {
        last = hash(&[&last, phrase.as_bytes(), salt].concat());
        made.extend_from_slice(&last);
    }
    let mut out = [0; 48];
    out.copy_from_slice(&made[..48]);
    out
}

/// The sending side of [`salted`].
pub(super) fn seal(plain: &[u8], phrase: &str, salt: &[u8; SALT]) -> Vec<u8> {
    let sha256 = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes).as_ref().to_vec();
    let made = key_and_iv(sha256, phrase, salt);
    let (mut key, mut iv) = ([0; 32], [0; BLOCK]);
    key.copy_from_slice(&made[..32]);
    iv.copy_from_slice(&made[32..]);
    let count = BLOCK - plain.len() % BLOCK;
    let mut sealed = plain.to_vec();
    sealed.resize(plain.len() + count, u8::try_from(count).unwrap_or_default());
    let (blocks, _) = Array::slice_as_chunks_mut(&mut sealed);
    cbc::Encryptor::<Aes256>::new(&key.into(), &iv.into()).encrypt_blocks(blocks);
    [SALTED, salt, &sealed].concat()
}

/// The plain text, if its padding (PKCS#7) holds.
fn open(sealed: &[u8], key_and_iv: &[u8; 48]) -> Option<Vec<u8>> {
    let (key, iv) = key_and_iv.split_first_chunk::<32>()?;
    let iv: [u8; BLOCK] = iv.try_into().ok()?;
    let mut plain = sealed.to_vec();
    let (blocks, _) = Array::slice_as_chunks_mut(&mut plain);
    cbc::Decryptor::<Aes256>::new(&(*key).into(), &iv.into()).decrypt_blocks(blocks);
    let count = usize::from(*plain.last()?);
    let text = plain.len().checked_sub(count)?;
    let holds =
        (1..=BLOCK).contains(&count) && plain[text..].iter().all(|&b| usize::from(b) == count);
    holds.then(|| {
        plain.truncate(text);
        plain
    })
}

/// Opens a body of RFC 8188: salt 16, record size 4, length of the key's name 1, the name, records.
pub(super) fn aes128gcm(body: &[u8], material: &[u8]) -> Result<Vec<u8>, ProfileFault> {
    /// Bytes of the tag, and the delimiter after the text of a record.
    const OVERHEAD: usize = 17;
    let damaged = ProfileFault::Aes128Gcm;
    let head = || damaged("the header is cut off, expected 21 bytes and the key's name");
    let (salt, rest) = body.split_first_chunk::<16>().ok_or_else(head)?;
    let (size, rest) = rest.split_first_chunk::<4>().ok_or_else(head)?;
    let (&name, rest) = rest.split_first().ok_or_else(head)?;
    let records = rest.get(usize::from(name)..).ok_or_else(head)?;
    let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
    if size <= OVERHEAD {
        return Err(damaged("the record size is below 18"));
    }
    if records.is_empty() {
        return Err(damaged("there is no record"));
    }
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(material);
    let mut key = [0; 16];
    let mut base = [0; NONCE_LEN];
    expand(&derived, b"Content-Encoding: aes128gcm\0", &mut key)?;
    expand(&derived, b"Content-Encoding: nonce\0", &mut base)?;
    let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| ProfileFault::WrongKey)?;
    let key = LessSafeKey::new(key);
    let count = records.len().div_ceil(size);
    let mut plain = Vec::with_capacity(records.len());
    for (index, record) in records.chunks(size).enumerate() {
        let mut nonce = base;
        for (byte, part) in nonce[4..].iter_mut().zip((index as u64).to_be_bytes()) {
            *byte ^= part;
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let mut sealed = record.to_vec();
        let opened = key.open_in_place(nonce, Aad::empty(), &mut sealed);
        let opened = opened.map_err(|_| ProfileFault::WrongKey)?;
        // Zeros may follow the delimiter: 2 in the last record, 1 in the others.
        let end = opened.iter().rposition(|&b| b != 0);
        let delimiter = if index + 1 == count { 2 } else { 1 };
        match end.map(|end| (end, opened[end])) {
            Some((end, found)) if found == delimiter => plain.extend_from_slice(&opened[..end]),
            _ => return Err(damaged("a record does not end as it should: it is cut off")),
        }
    }
    Ok(plain)
}

fn expand(from: &hkdf::Prk, info: &[u8], out: &mut [u8]) -> Result<(), ProfileFault> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    // Both lengths are far below the bound of HKDF, so this cannot fail.
    from.expand(&[info], Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .map_err(|_| ProfileFault::WrongKey)
}
