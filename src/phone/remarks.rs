//! What a phone logs about the header of a list that it then takes all the same.
//!
//! The words are those of the two recordings: an 8861 remarks on the version after it has compared
//! the hash (Cisco 213407), a 7821 on the padding as well, before it looks for the signer (EMCC
//! technote).

use crate::trust::decide::VersionNote;
use crate::wire::element::{Body, Element, header_tag};
use crate::wire::{Strictness, TrustList};

/// When a firmware remarks on a header, and on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remarks {
    /// On padding and version, before the signer is looked for.
    BeforeSearch,
    /// On the version, after the signature was compared.
    AfterComparison,
}

impl Remarks {
    /// The remarks on the list `bytes`; `version` is what its version gives rise to.
    pub(super) fn texts(self, bytes: &[u8], version: Option<VersionNote>) -> Vec<String> {
        let Some(version) = version else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        match self {
            Self::AfterComparison => {
                texts.push("early exit from parser loop; old version header?".to_owned());
                texts.push(version.to_string());
            }
            Self::BeforeSearch => {
                let padding = padding(bytes);
                texts.extend(padding.map(|(at, _)| format!("start of pad ('T' 0x0d) at TLV {at}")));
                texts.push(version.to_string());
                texts.extend(
                    padding.map(|(_, n)| {
                        format!("skipping {n} trail bytes (pad and/or unknown TLVs)")
                    }),
                );
            }
        }
        texts
    }
}

/// Where the padding of a header starts, as the number of its element from 1, containers and what
/// they hold counted alike; and how many bytes it has.
fn padding(bytes: &[u8]) -> Option<(usize, usize)> {
    let header = TrustList::parse_partial(bytes, &Strictness::default())
        .list
        .header;
    let at = header
        .elements
        .iter()
        .position(|e| e.tag == header_tag::PADDING)?;
    let (before, rest) = header.elements.split_at(at);
    let Body::Padding(n) = rest.first()?.body else {
        return None;
    };
    Some((before.iter().map(count).sum::<usize>() + 1, n))
}

fn count(element: &Element<&[u8]>) -> usize {
    match &element.body {
        Body::Elements(inner) => 1 + inner.iter().map(count).sum::<usize>(),
        _ => 1,
    }
}
