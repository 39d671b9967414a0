//! What was read is written back byte for byte from owned fields, and a changed field changes only
//! its bytes, the lengths and the signature.

use trustline::trust::signature::SignatureCheck;
use trustline::wire::element::{Element, find_mut, header_tag, record_tag};
use trustline::wire::header::with_nul;
use trustline::wire::{Header, Role, SignedFile, Strictness, TrustList};

use crate::support::{Choices, Entry, entries, judge_file, judge_list};
use crate::{accepted, signed_again};

#[test]
fn every_accepted_file_is_written_back_from_owned_fields() {
    for entry in accepted() {
        let bytes = entry.bytes();
        let original = bytes.clone();
        let written = if entry.is_list() {
            let owned = TrustList::parse(&bytes, &Strictness::default())
                .unwrap()
                .to_owned();
            drop(bytes);
            assert_eq!(owned.size(), original.len());
            owned.emit().unwrap()
        } else {
            let owned = SignedFile::parse(&bytes, &Strictness::default())
                .unwrap()
                .to_owned();
            drop(bytes);
            assert_eq!(owned.size(), original.len());
            owned.emit().unwrap()
        };
        assert!(written == original, "{}", entry.file());
    }
}

#[test]
fn what_a_tolerant_reader_takes_is_written_back_too() {
    let tolerant = Strictness {
        refuse_duplicates: false,
        ..Strictness::default()
    };
    let mut count = 0;
    for entry in entries().into_iter().filter(Entry::is_list) {
        let bytes = entry.bytes();
        if let Ok(list) = TrustList::parse(&bytes, &tolerant) {
            assert!(list.to_owned().emit().unwrap() == bytes, "{}", entry.file());
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn a_changed_header_field_changes_its_bytes_the_lengths_and_the_signature() {
    // The tag, the container it stands in, and another value.
    let changes = [
        (header_tag::FILE_NAME, None, with_nul("OtherFile.tlv")),
        (header_tag::TIMESTAMP, None, vec![0x6a, 0, 0, 1]),
        (
            header_tag::SIGNER_NAME,
            Some(header_tag::SIGNER_ID),
            with_nul("CN=another name;O=of another length"),
        ),
    ];
    for entry in accepted() {
        let bytes = entry.bytes();
        for (tag, container, value) in &changes {
            let name = entry.file();
            let list = TrustList::parse(&bytes, &Strictness::default());
            let file = SignedFile::parse(&bytes, &Strictness::default());
            let header = if entry.is_list() {
                list.as_ref().unwrap().header.to_owned()
            } else {
                file.as_ref().unwrap().header.to_owned()
            };
            let expected = {
                let mut expected = replaced(&bytes, header.offset_of(*tag).unwrap(), value);
                let grown = expected.len() as isize - bytes.len() as isize;
                add_to_u16(&mut expected, 8, grown);
                if let Some(container) = container {
                    let at = header.offset_of(*container).unwrap();
                    add_to_u16(&mut expected, at + 1, grown);
                }
                expected
            };
            let emit = |header: &Header<Vec<u8>>| {
                let header = header.clone();
                if entry.is_list() {
                    let mut list = list.as_ref().unwrap().to_owned();
                    list.header = header;
                    list.emit().unwrap()
                } else {
                    let mut file = file.as_ref().unwrap().to_owned();
                    file.header = header;
                    file.emit().unwrap()
                }
            };
            let mut header = header;
            *find_mut(&mut header.elements, *tag).unwrap() = value.clone();
            let written = emit(&header);
            assert!(written == expected, "{name}, tag {tag}");

            let signed = signed_again(&mut header, entry.text("signer"), emit);
            let span = header.signature_span();
            assert!(signed[..span.start] == written[..span.start], "{name}");
            assert!(signed[span.end..] == written[span.end..], "{name}");
            assert!(signed[span.clone()] != written[span], "{name}");
            let check = &mut SignatureCheck::new();
            let verdict = if entry.is_list() {
                assert!(judge_list(&written, &Choices::default(), check).is_err());
                judge_list(&signed, &Choices::default(), check).map(|_| ())
            } else {
                let signer = entry.signer_certificate();
                assert!(judge_file(&written, &signer, &Choices::default(), check).is_err());
                judge_file(&signed, &signer, &Choices::default(), check)
            };
            assert_eq!(verdict, Ok(()), "{name}, tag {tag}");
        }
    }
}

#[test]
fn a_changed_record_field_changes_its_bytes_the_lengths_and_the_signature() {
    for entry in accepted().filter(Entry::is_list) {
        let name = entry.file();
        let bytes = entry.bytes();
        let list = TrustList::parse(&bytes, &Strictness::default()).unwrap();
        let last = list.records.len() - 1;
        for (index, tag, value) in [
            (0, record_tag::SUBJECT_NAME, with_nul("CN=x")),
            (
                last,
                record_tag::SUBJECT_NAME,
                with_nul("CN=a longer name;O=than it was"),
            ),
            (last, record_tag::FUNCTION, vec![0, 9]),
        ] {
            // A list whose only SAST has another role does not hold.
            if tag == record_tag::FUNCTION && list.records[last].role() == Role::Sast {
                continue;
            }
            let mut owned = list.to_owned();
            let start = list.record_offset(index);
            let inside = offset_in_record(&list.records[index].elements, tag);
            let mut expected = replaced(&bytes, start + 5 + inside, &value);
            let grown = expected.len() as isize - bytes.len() as isize;
            add_to_u16(&mut expected, start + 3, grown);
            *find_mut(&mut owned.records[index].elements, tag).unwrap() = value;
            let written = owned.emit().unwrap();
            assert!(written == expected, "{name}, record {index}, tag {tag}");

            let records = owned.records.clone();
            let trailing = owned.trailing.clone();
            let signed = signed_again(&mut owned.header, entry.text("signer"), |header| {
                TrustList {
                    header: header.clone(),
                    records: records.clone(),
                    trailing: trailing.clone(),
                }
                .emit()
                .unwrap()
            });
            let check = &mut SignatureCheck::new();
            assert!(judge_list(&written, &Choices::default(), check).is_err());
            let verdict = judge_list(&signed, &Choices::default(), check);
            assert!(
                verdict.is_ok(),
                "{name}, record {index}, tag {tag}: {verdict:?}"
            );
        }
    }
}

/// `bytes` with another value in the element at `at`, whose length field follows.
fn replaced(bytes: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let length = usize::from(u16::from_be_bytes([bytes[at + 1], bytes[at + 2]]));
    let mut out = bytes[..=at].to_vec();
    out.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
    out.extend_from_slice(value);
    out.extend_from_slice(&bytes[at + 3 + length..]);
    out
}

fn add_to_u16(bytes: &mut [u8], at: usize, add: isize) {
    let old = isize::from(i16::from_be_bytes([bytes[at], bytes[at + 1]]));
    let new = u16::try_from(old + add).unwrap();
    bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
}

fn offset_in_record(elements: &[Element<&[u8]>], tag: u8) -> usize {
    let before = elements.iter().take_while(|e| e.tag != tag);
    before.map(Element::size).sum()
}
