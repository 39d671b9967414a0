//! Files that this process wrote with one round of key derivation, as virtual time does. Such a
//! lab is built again and again, for each rule that a verdict may rest on, and exchanges the same
//! certificates each time: a file is encrypted once, and decrypted once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::digest::{Context, SHA256};

use super::{Form, P12Entry};
use crate::phone::known::fingerprint;

/// How many files are kept, the newest: some megabytes, of files of a few kilobytes.
const LIMIT: usize = 512;

type Id = [u8; 32];

static KEPT: Mutex<Kept> = Mutex::new(Kept {
    written: BTreeMap::new(),
    read: BTreeMap::new(),
    order: VecDeque::new(),
});

struct Kept {
    /// Files, by what is in them, password and form.
    written: BTreeMap<Id, Arc<[u8]>>,
    /// What is read out of them, by the file's fingerprint.
    read: BTreeMap<u64, Read>,
    /// Oldest first, a pair of the above.
    order: VecDeque<(Id, u64)>,
}

struct Read {
    bytes: Arc<[u8]>,
    password: String,
    /// None before the first time.
    entries: Option<Vec<P12Entry>>,
}

impl Read {
    fn is_of(&self, bytes: &[u8], password: &str) -> bool {
        *self.bytes == *bytes && self.password == password
    }
}

fn kept() -> MutexGuard<'static, Kept> {
    // At worst a panic elsewhere left an entry out, which is then made again.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a file is made of, the salts aside.
pub(super) fn content(entries: &[P12Entry], password: &str, form: Form) -> Id {
    let mut all = Context::new(&SHA256);
    let mut add = |part: &[u8]| {
        all.update(&part.len().to_be_bytes());
        all.update(part);
    };
    add(form.name().as_bytes());
    add(password.as_bytes());
    for entry in entries {
        add(entry.alias.as_deref().unwrap_or_default().as_bytes());
        add(&entry.der);
    }
    let mut id = [0; 32];
    id.copy_from_slice(all.finish().as_ref());
    id
}

/// The file that was made of this before.
pub(super) fn written(content: &Id) -> Option<Vec<u8>> {
    kept().written.get(content).map(|bytes| bytes.to_vec())
}

/// Keeps a file.
pub(super) fn keep(content: Id, bytes: &[u8], password: &str) {
    let file = fingerprint(bytes);
    let mut kept = kept();
    // Two threads may have made it at once, with salts of their own: the first stays.
    if kept.written.contains_key(&content) {
        return;
    }
    if kept.order.len() >= LIMIT
        && let Some((content, file)) = kept.order.pop_front()
    {
        kept.written.remove(&content);
        kept.read.remove(&file);
    }
    kept.order.push_back((content, file));
    let bytes: Arc<[u8]> = bytes.into();
    kept.written.insert(content, Arc::clone(&bytes));
    let read = Read {
        bytes,
        password: password.to_owned(),
        entries: None,
    };
    kept.read.insert(file, read);
}

/// What is in a file, if it is kept: looked up, or read by `open` the first time.
pub(super) fn read<E>(
    bytes: &[u8],
    password: &str,
    open: impl FnOnce() -> Result<Vec<P12Entry>, E>,
) -> Result<Vec<P12Entry>, E> {
    let file = fingerprint(bytes);
    let known = kept().read.get(&file).and_then(|read| {
        let is_known = read.is_of(bytes, password);
        is_known.then(|| read.entries.clone())
    });
    if let Some(Some(entries)) = known {
        return Ok(entries);
    }
    let entries = open()?;
    if known.is_some()
        && let Some(read) = kept().read.get_mut(&file)
        && read.is_of(bytes, password)
    {
        read.entries = Some(entries.clone());
    }
    Ok(entries)
}
