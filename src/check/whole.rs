//! Whether a list is whole by itself. Bytes that a server damaged are nobody's list, though a phone
//! that asks for no signer may take them.

use std::sync::Arc;

use super::evidence::Sides;
use crate::trust::own_signature::check_list;
use crate::trust::signature::{Policy, SignatureCheck};
use crate::wire::{Strictness, TrustList};

/// The list, if its own signature holds.
///
/// # Errors
///
/// It is no list, or its own signature does not hold; the text follows a name ("ITL of a node ...").
pub fn whole_list(bytes: &[u8]) -> Result<TrustList<&[u8]>, String> {
    whole_by(bytes, SignatureCheck::new())
}

impl Sides {
    /// The same, where the list may be one that was published after a change.
    ///
    /// # Errors
    ///
    /// As [`whole_list`].
    pub fn whole_list<'a>(&self, bytes: &'a [u8]) -> Result<TrustList<&'a [u8]>, String> {
        whole_by(
            bytes,
            SignatureCheck::with_stand_ins(Arc::clone(&self.stand_ins)),
        )
    }
}

fn whole_by(bytes: &[u8], mut check: SignatureCheck) -> Result<TrustList<&[u8]>, String> {
    let list = TrustList::parse(bytes, &Strictness::default())
        .map_err(|e| format!("is no trust list: {e}"))?;
    // Which digests a phone takes is another question.
    let any = Policy {
        accept_sha256: true,
        accept_sha512: true,
        ..Policy::default()
    };
    match check_list(&list, bytes, &any, &mut check) {
        Ok(_) => Ok(list),
        Err(fault) => Err(format!("is not signed as it says: {fault}")),
    }
}
