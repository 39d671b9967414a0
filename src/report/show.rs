//! The layout of `show ctl` and `show itl`, as a CUCM prints it.
//!
//! Source: the dumps in Cisco 118893 and 118892. BYTEPOS is the element's tag, not an offset;
//! names count their NUL; ALGORTITHM is spelled so; signature bytes have no leading zero. A full
//! `show itl` is not published: its words follow `show ctl` (CUCM 14SU2 Security Guide: the same
//! format). Names are escaped, so that no file can write to the terminal.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use super::text::{ctime, hex, hex_with};
use crate::trust::certificate::escape_for_terminal;
use crate::trust::signature::digest_of;
use crate::wire::element::{Body, Element, header_tag, record_tag};
use crate::wire::header::{Header, header_element_name, same_serial, without_nul};
use crate::wire::trust_list::record_element_name;
use crate::wire::{Digest, ListKind, Reader, Record, Role, SignedFile, TrustList, WireError};

/// Checksums of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksums {
    /// MD5, 16 bytes.
    pub md5: Vec<u8>,
    /// SHA-1, 20 bytes.
    pub sha1: Vec<u8>,
    /// SHA-256, 32 bytes.
    pub sha256: Vec<u8>,
}

impl Checksums {
    /// The checksums of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let of = |digest| digest_of(digest, bytes).unwrap_or_default();
        Self {
            md5: Md5::digest(bytes).to_vec(),
            sha1: of(Digest::Sha1),
            sha256: of(Digest::Sha256),
        }
    }
}

/// How many records of a list are shown. A list that a phone loads has far fewer than 100.
pub const RECORDS_SHOWN: usize = 1_000;

/// How many of the bytes after the last record are shown.
pub const TRAILING_SHOWN: usize = 64;

const TABLE_HEAD: &str = "\
BYTEPOS TAG             LENGTH  VALUE
------- ---             ------  -----
";

/// A list, as much of it as could be read from `bytes`. `damage` is where reading ended;
/// `verified` is whether its own signature holds.
pub fn list(
    kind: ListKind,
    list: &TrustList<&[u8]>,
    bytes: &[u8],
    sums: &Checksums,
    damage: Option<&WireError>,
    verified: bool,
) -> String {
    let mut out = checksums(&format!("{kind} file"), sums, bytes.len());
    if let Some(timestamp) = list.header.timestamp() {
        // A server prints when its file was written; the file itself says when it was signed.
        let _ = writeln!(
            out,
            "The {kind} File was last modified on {}",
            ctime(timestamp)
        );
    }
    let _ = write!(
        out,
        "\n        Parse {kind} File\n        ----------------\n\n"
    );
    header(&mut out, &list.header);
    let head = |n: usize| format!("\n        {kind} Record #:{n}\n                  ----\n");
    for (i, r) in list.records.iter().take(RECORDS_SHOWN).enumerate() {
        out.push_str(&head(i + 1));
        record(&mut out, r);
        if r.role() == Role::Sast {
            let used = if names_signer(r, &list.header) {
                "used"
            } else {
                "not used"
            };
            let _ = writeln!(out, "This etoken was {used} to sign the {kind} file.");
        }
    }
    let more = list.records.len().saturating_sub(RECORDS_SHOWN);
    if more > 0 {
        let _ = writeln!(out, "\n        {more} more records are not shown");
    }
    if let Some(fault) = damage
        && fault.offset > list.header.length()
        && !list.header.signature().is_empty()
    {
        let start = list.record_offset(list.records.len());
        out.push_str(&head(list.records.len() + 1));
        // Where the length of the record itself is wrong, its elements may still be whole.
        let end = if fault.element == record_element_name(record_tag::RECORD_LENGTH) {
            None
        } else {
            Some(fault.offset)
        };
        damaged_record(&mut out, bytes, start, end);
    }
    if !list.trailing.is_empty() {
        let _ = writeln!(
            out,
            "\nAfter the last record: {} bytes that no element accounts for{}\n{}",
            list.trailing.len(),
            if list.trailing.len() > TRAILING_SHOWN {
                format!(", the first {TRAILING_SHOWN}:")
            } else {
                ":".into()
            },
            value_rows(&list.trailing[..list.trailing.len().min(TRAILING_SHOWN)]).trim_end()
        );
    }
    let was = if verified {
        "was verified successfully"
    } else {
        "was not verified"
    };
    let _ = writeln!(out, "\nThe {kind} file {was}.");
    out
}

/// A signed file, in the same layout. No server prints these.
pub fn signed_file(file: &SignedFile<&[u8]>, sums: &Checksums, size: usize) -> String {
    let mut out = checksums("signed file", sums, size);
    out.push('\n');
    header(&mut out, &file.header);
    out
}

fn checksums(what: &str, sums: &Checksums, size: usize) -> String {
    format!(
        "The checksum value of the {what}:\n{}(MD5)\n{}(SHA1)\n\nLength of {what}: {size}\n",
        hex(&sums.md5),
        hex(&sums.sha1)
    )
}

/// True if the record has the issuer and serial number that the header names.
pub fn names_signer(record: &Record<&[u8]>, header: &Header<&[u8]>) -> bool {
    record.issuer() == header.issuer_name()
        && record
            .serial()
            .is_some_and(|s| same_serial(s, header.serial()))
}

fn header(out: &mut String, header: &Header<&[u8]>) {
    for e in &header.elements {
        match (e.tag, &e.body) {
            (header_tag::VERSION, Body::Value([major, minor])) => {
                let _ = writeln!(out, "Version:        {major}.{minor}");
            }
            (header_tag::HEADER_LENGTH, Body::Value([high, low])) => {
                let length = u16::from_be_bytes([*high, *low]);
                let _ = writeln!(out, "HeaderLength:   {length} (BYTES)\n");
                out.push_str(TABLE_HEAD);
            }
            _ => header_element(out, e),
        }
    }
}

fn header_element(out: &mut String, e: &Element<&[u8]>) {
    use header_tag as tag;

    let name = match e.tag {
        tag::DIGEST_ALGORITHM => "DIGESTALGORTITHM",
        tag::SIGNATURE_ALGORITHM => "SIGNATUREALGORTITHM",
        tag => header_element_name(tag),
    };
    match &e.body {
        // A server does not print the padding.
        Body::Padding(_) => {}
        Body::Elements(inner) => {
            row(out, e.tag, name, 2, &(e.size() - 3).to_string());
            for e in inner {
                header_element(out, e);
            }
        }
        Body::Value(value) => match e.tag {
            tag::SIGNER_NAME | tag::CA_NAME => row(out, e.tag, name, value.len(), &text(value)),
            tag::SERIAL_NUMBER => row(out, e.tag, name, value.len(), &hex_with(value, ":")),
            tag::SIGNATURE => {
                row(out, e.tag, name, value.len(), "");
                out.push_str(&value_rows(value));
            }
            // Cisco's output leaves these values out; the lines after the table have them.
            tag::DIGEST_ALGORITHM
            | tag::SIGNATURE_ALGORITHM
            | tag::SIGNATURE_MODULUS
            | tag::FILE_NAME
            | tag::TIMESTAMP => row(out, e.tag, name, value.len(), ""),
            _ => other(out, e.tag, name, value),
        },
    }
}

fn record(out: &mut String, record: &Record<&[u8]>) {
    out.push_str(TABLE_HEAD);
    let length = record.size().to_be_bytes();
    record_element(out, record_tag::RECORD_LENGTH, &length[length.len() - 2..]);
    for e in &record.elements {
        if let Body::Value(value) = &e.body {
            record_element(out, e.tag, value);
        }
    }
}

/// The elements of a damaged record: those before offset `end` of the file or, without it, all
/// that look like elements of one record.
fn damaged_record(out: &mut String, bytes: &[u8], start: usize, end: Option<usize>) {
    out.push_str(TABLE_HEAD);
    let mut reader = Reader::at(bytes.get(start..).unwrap_or_default(), start);
    while end.is_none_or(|end| reader.offset() < end) {
        let at = reader.offset();
        let tag = reader.u8("record");
        let value = reader
            .u16("record")
            .and_then(|length| reader.take(usize::from(length), "record"));
        let (Ok(tag), Ok(value)) = (tag, value) else {
            return;
        };
        let fits = matches!(tag, record_tag::DNS_NAME..=record_tag::HASH_ALGORITHM);
        if end.is_none() && at > start && !fits {
            return;
        }
        record_element(out, tag, value);
    }
}

fn record_element(out: &mut String, element: u8, value: &[u8]) {
    use record_tag as tag;

    let name = record_element_name(element);
    let shown = match element {
        tag::RECORD_LENGTH => match value {
            [high, low] => u16::from_be_bytes([*high, *low]).to_string(),
            _ => hex(value),
        },
        tag::DNS_NAME | tag::SUBJECT_NAME | tag::ISSUER_NAME => text(value),
        tag::FUNCTION => match value {
            [high, low] => Role::from_code(u16::from_be_bytes([*high, *low])).display_name(),
            _ => hex(value),
        },
        tag::SERIAL_NUMBER => hex_with(value, ":"),
        tag::CERTIFICATE => {
            let sha1 = digest_of(Digest::Sha1, value).unwrap_or_default();
            format!("{} (SHA1 Hash HEX)", hex_with(&sha1, " "))
        }
        tag::PUBLIC_KEY | tag::SIGNATURE | tag::IP_ADDRESS => String::new(),
        _ => {
            other(out, element, name, value);
            return;
        }
    };
    row(out, element, name, value.len(), &shown);
}

fn row(out: &mut String, tag: u8, name: &str, length: usize, value: &str) {
    // Columns are tab stops: a name that fills its column takes the next one too.
    let column = if name.len() < 16 {
        16
    } else {
        (name.len() / 8 + 1) * 8
    };
    let line = format!("{tag:<8}{name:<column$}{length:<8}{value}");
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Values of at most this many bytes stand in the row.
const IN_ROW: usize = 20;

/// An element that a server does not print: its bytes in hex.
fn other(out: &mut String, tag: u8, name: &str, value: &[u8]) {
    if value.len() <= IN_ROW {
        row(
            out,
            tag,
            name,
            value.len(),
            &hex_with(value, " ").to_lowercase(),
        );
    } else {
        row(out, tag, name, value.len(), "");
        out.push_str(&value_rows(value));
    }
}

/// Eight bytes a row, in hex without leading zeros.
fn value_rows(value: &[u8]) -> String {
    let mut out = String::new();
    for bytes in value.chunks(8) {
        let cells: String = bytes.iter().map(|b| format!("{b:<4x}")).collect();
        let _ = writeln!(out, "                {}", cells.trim_end());
    }
    out
}

fn text(value: &[u8]) -> String {
    escape_for_terminal(without_nul(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_published_dump() {
        let mut out = String::new();
        row(&mut out, 3, "SIGNERID", 2, "149");
        row(&mut out, 8, "DIGESTALGORTITHM", 1, "");
        row(&mut out, 9, "SIGNATUREALGOINFO", 2, "8");
        row(&mut out, 9, "CERTIFICATE", 680, "A0 A6");
        assert_eq!(
            out,
            "3       SIGNERID        2       149\n\
             8       DIGESTALGORTITHM        1\n\
             9       SIGNATUREALGOINFO       2       8\n\
             9       CERTIFICATE     680     A0 A6\n"
        );
    }

    #[test]
    fn a_list_of_very_many_records_stays_short() {
        let function = Element::value(record_tag::FUNCTION, &[0_u8, 4][..]);
        let record = Record {
            elements: vec![function],
        };
        let list = TrustList {
            header: Header { elements: vec![] },
            records: vec![record; RECORDS_SHOWN + 5],
            trailing: &[][..],
        };
        let sums = Checksums::of(&[]);
        let text = super::list(ListKind::Itl, &list, &[], &sums, None, false);
        assert!(text.contains("ITL Record #:1000\n"));
        assert!(!text.contains("ITL Record #:1001\n"));
        assert!(text.contains("5 more records are not shown"));
    }

    #[test]
    fn signature_bytes_have_no_leading_zero() {
        let rows = value_rows(&[0xbf, 5, 0xf2, 0x74, 0xcb, 0xf2, 0x59, 0xbc, 0]);
        assert_eq!(
            rows,
            "                bf  5   f2  74  cb  f2  59  bc\n                0\n"
        );
    }
}
