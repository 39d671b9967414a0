//! Files that this process wrote with one round of key derivation, as virtual time does. Such a
//! lab is built again and again, for each rule that a verdict may rest on, and exchanges the same
//! certificates each time: a file is encrypted once, and decrypted once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Form, P12Entry};
use crate::cluster::state::sha256;

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
    written: BTreeMap<Id, Vec<u8>>,
    /// What is read out of them, by file and password; none before the first time.
    read: BTreeMap<Id, Option<Vec<P12Entry>>>,
    /// Oldest first, a pair of the above.
    order: VecDeque<(Id, Id)>,
}

fn kept() -> MutexGuard<'static, Kept> {
    // At worst a panic elsewhere left an entry out, which is then made again.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a file is made of, the salts aside.
pub(super) fn content(entries: &[P12Entry], password: &str, form: Form) -> Id {
    let mut all = Vec::new();
    let mut add = |part: &[u8]| {
        all.extend(part.len().to_be_bytes());
        all.extend_from_slice(part);
    };
    add(form.name().as_bytes());
    add(password.as_bytes());
    for entry in entries {
        add(entry.alias.as_deref().unwrap_or_default().as_bytes());
        add(&entry.der);
    }
    sha256(&all)
}

fn file(bytes: &[u8], password: &str) -> Id {
    let mut all = password.len().to_be_bytes().to_vec();
    all.extend_from_slice(password.as_bytes());
    all.extend_from_slice(bytes);
    sha256(&all)
}

/// The file that was made of this before.
pub(super) fn written(content: &Id) -> Option<Vec<u8>> {
    kept().written.get(content).cloned()
}

/// Keeps a file.
pub(super) fn keep(content: Id, bytes: &[u8], password: &str) {
    let file = file(bytes, password);
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
    kept.written.insert(content, bytes.to_vec());
    kept.read.insert(file, None);
}

/// What is in a file, if it is kept: looked up, or read by `open` the first time.
pub(super) fn read<E>(
    bytes: &[u8],
    password: &str,
    open: impl FnOnce() -> Result<Vec<P12Entry>, E>,
) -> Result<Vec<P12Entry>, E> {
    let id = file(bytes, password);
    let known = kept().read.get(&id).cloned();
    if let Some(Some(entries)) = known {
        return Ok(entries);
    }
    let entries = open()?;
    if known.is_some()
        && let Some(place) = kept().read.get_mut(&id)
    {
        *place = Some(entries.clone());
    }
    Ok(entries)
}
