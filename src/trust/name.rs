//! Names of certificates as text, and the comparison of such texts.
//!
//! A list has names as text, a certificate has them in DER. Makers write the text differently: `;`
//! or `,` between the parts, with or without escapes and quotes. So the text of a list is opaque
//! for every decision; it is read only where a firmware profile says that signers are compared by
//! certificate.

use std::fmt::Write as _;

use super::certificate::{Der, der_tag};

/// Short names of attribute types, the usual one first, with the content of the OBJECT IDENTIFIER.
const TYPES: &[(&str, &[u8])] = &[
    ("CN", &[0x55, 4, 3]),
    ("SN", &[0x55, 4, 4]),
    ("serialNumber", &[0x55, 4, 5]),
    ("C", &[0x55, 4, 6]),
    ("L", &[0x55, 4, 7]),
    ("ST", &[0x55, 4, 8]),
    ("S", &[0x55, 4, 8]),
    ("STREET", &[0x55, 4, 9]),
    ("O", &[0x55, 4, 10]),
    ("OU", &[0x55, 4, 11]),
    ("title", &[0x55, 4, 12]),
    ("GN", &[0x55, 4, 42]),
    ("dnQualifier", &[0x55, 4, 46]),
    (
        "emailAddress",
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1],
    ),
    ("E", &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1]),
    (
        "unstructuredName",
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2],
    ),
    (
        "DC",
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
    ),
    (
        "UID",
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1],
    ),
];

/// A Name as text, in the certificate's order: `CN=..;OU=..;..` with `;` as the separator, as CUCM
/// writes it, or with `,`, as the open tools do. Parts of one RDN are joined by `+`; special
/// characters have the escapes of RFC 4514; a type without a short name is dotted; a value that is
/// no text is `#` and its DER in hex. A damaged Name ends where the damage begins.
pub fn name_text(name_der: &[u8], separator: char) -> String {
    let mut text = String::new();
    for attribute in Attributes::new(name_der) {
        if !text.is_empty() {
            text.push(if attribute.starts_rdn { separator } else { '+' });
        }
        match short_name(attribute.oid) {
            Some(short) => text.push_str(short),
            None => text.push_str(&dotted(attribute.oid)),
        }
        text.push('=');
        match attribute.text() {
            Some(value) => push_escaped(&mut text, &value),
            None => text.push_str(&hex_value(attribute.value)),
        }
    }
    text
}

/// Whether a list's name text means a certificate's Name. Loose on purpose, for it compares what
/// two makers wrote: either separator, escapes or quotes, spaces around a part, types in any case
/// or dotted. The parts must stand in the certificate's order, and their values must be equal.
pub fn same_name(text: &[u8], name_der: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let ours: Option<Vec<(Vec<u8>, String)>> = parse_text(text)
        .into_iter()
        .map(|(kind, value)| Some((oid_of(&kind)?, value)))
        .collect();
    let Some(ours) = ours else { return false };
    let theirs: Vec<_> = Attributes::new(name_der)
        .map(|a| {
            let value = a.text().unwrap_or_else(|| hex_value(a.value));
            (a.oid.to_vec(), value)
        })
        .collect();
    ours == theirs
}

/// Text that is safe to print: printable characters stay, every other byte is `\xNN`. A backslash
/// stays as it is.
pub fn escape_for_terminal(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.bytes().all(|b| matches!(b, b' '..=b'~'))
    {
        return text.to_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut escaped = c.escape_debug();
            let printable = matches!((escaped.next(), escaped.next()), (Some(_), None))
                || matches!(c, '"' | '\'' | '\\');
            if printable {
                text.push(c);
            } else {
                push_hex_escapes(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        push_hex_escapes(&mut text, chunk.invalid());
    }
    text
}

fn push_hex_escapes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// The attributes of a Name, in order, for who judges single values. It ends at the first damage.
pub fn attributes(name_der: &[u8]) -> impl Iterator<Item = Attribute<'_>> {
    Attributes::new(name_der)
}

/// One type and value of a Name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// True for the first of its RDN.
    pub starts_rdn: bool,
    /// The type: content of its OBJECT IDENTIFIER.
    pub oid: &'a [u8],
    /// The value's DER tag.
    pub tag: u8,
    /// The value with tag and length.
    pub value: &'a [u8],
    /// The value without them.
    pub content: &'a [u8],
}

impl Attribute<'_> {
    /// The value as text, if it is a string.
    pub fn text(&self) -> Option<String> {
        match self.tag {
            // UTF8String, NumericString, PrintableString, IA5String, VisibleString.
            0x0c | 0x12 | 0x13 | 0x16 | 0x1a => String::from_utf8(self.content.to_vec()).ok(),
            // TeletexString: in practice Latin-1.
            0x14 => Some(self.content.iter().map(|&b| char::from(b)).collect()),
            // BMPString.
            0x1e if self.content.len().is_multiple_of(2) => {
                let units = self
                    .content
                    .chunks_exact(2)
                    .map(|b| u16::from_be_bytes([b[0], b[1]]));
                char::decode_utf16(units).collect::<Result<_, _>>().ok()
            }
            // UniversalString.
            0x1c if self.content.len().is_multiple_of(4) => self
                .content
                .chunks_exact(4)
                .map(|b| char::from_u32(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
                .collect(),
            _ => None,
        }
    }
}

/// The attributes of a Name, in order. It ends at the first damage.
struct Attributes<'a> {
    rdns: Der<'a>,
    rdn: Der<'a>,
    starts_rdn: bool,
}

impl<'a> Attributes<'a> {
    fn new(name_der: &'a [u8]) -> Self {
        let rdns = Der::new(name_der)
            .take(der_tag::SEQUENCE, "Name", "a SEQUENCE")
            .map_or(&[][..], |name| name.content);
        Self {
            rdns: Der::new(rdns),
            rdn: Der::new(&[]),
            starts_rdn: true,
        }
    }

    fn read(&mut self) -> Result<Attribute<'a>, super::certificate::CertificateError> {
        while self.rdn.is_empty() {
            let set = self.rdns.take(der_tag::SET, "Name", "a SET")?;
            self.rdn = Der::new(set.content);
            self.starts_rdn = true;
        }
        let pair = self.rdn.take(der_tag::SEQUENCE, "Name", "a SEQUENCE")?;
        let mut pair = Der::new(pair.content);
        let oid = pair.take(der_tag::OID, "Name", "an OBJECT IDENTIFIER")?;
        let value = pair.any("Name")?;
        Ok(Attribute {
            starts_rdn: std::mem::replace(&mut self.starts_rdn, false),
            oid: oid.content,
            tag: value.tag,
            value: value.whole,
            content: value.content,
        })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let attribute = self.read();
        if attribute.is_err() {
            // Damage: the cursors may stand before it, so nothing more is read.
            self.rdns = Der::new(&[]);
            self.rdn = Der::new(&[]);
        }
        attribute.ok()
    }
}

fn short_name(oid: &[u8]) -> Option<&'static str> {
    TYPES.iter().find(|(_, o)| *o == oid).map(|(name, _)| *name)
}

/// The dotted form of an OBJECT IDENTIFIER's content. Arcs past 64 bits end it.
fn dotted(oid: &[u8]) -> String {
    let mut text = String::new();
    let mut arc = 0_u64;
    for &byte in oid {
        if arc >> 57 != 0 {
            break;
        }
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if text.is_empty() {
            // The first two arcs share a number (X.690 8.19.4).
            let first = (arc / 40).min(2);
            let _ = write!(text, "{first}.{}", arc - first * 40);
        } else {
            let _ = write!(text, ".{arc}");
        }
        arc = 0;
    }
    text
}

/// The OBJECT IDENTIFIER's content of an attribute type, short or dotted.
fn oid_of(kind: &str) -> Option<Vec<u8>> {
    if let Some((_, oid)) = TYPES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(kind))
    {
        return Some(oid.to_vec());
    }
    let kind = kind.strip_prefix("OID.").unwrap_or(kind);
    let arcs: Option<Vec<u64>> = kind.split('.').map(|arc| arc.parse().ok()).collect();
    let [first, second, rest @ ..] = arcs.as_deref()? else {
        return None;
    };
    if *first > 2 {
        return None;
    }
    let mut oid = Vec::new();
    push_arc(&mut oid, second.checked_add(first * 40)?);
    rest.iter().for_each(|arc| push_arc(&mut oid, *arc));
    Some(oid)
}

fn push_arc(oid: &mut Vec<u8>, arc: u64) {
    let digits = (64 - arc.leading_zeros()).div_ceil(7).max(1);
    for i in (0..digits).rev() {
        let more = if i == 0 { 0 } else { 0x80 };
        oid.push((arc >> (7 * i)) as u8 & 0x7f | more);
    }
}

/// A value as RFC 4514 2.4 writes what has no string form.
fn hex_value(der: &[u8]) -> String {
    let mut text = String::from("#");
    for byte in der {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Appends `value` with the escapes of RFC 4514 2.4.
fn push_escaped(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (i, c) in value.chars().enumerate() {
        match c {
            '\0' => text.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            ' ' if i == 0 || i == last => text.push_str("\\ "),
            '#' if i == 0 => text.push_str("\\#"),
            _ => text.push(c),
        }
    }
}

/// The types and values of a name text. With an unescaped `;` anywhere, `;` separates; else `,`
/// does. What has no `=` belongs to the value before it, so `O=Acme, Inc.` is one value.
fn parse_text(text: &str) -> Vec<(String, String)> {
    let separator = if has_unescaped(text, ';') { ';' } else { ',' };
    let mut parts: Vec<(String, String)> = Vec::new();
    let mut joint = separator;
    for (part, next_joint) in split(text, separator) {
        match part.split_once('=') {
            Some((kind, value)) if is_type(kind.trim()) => {
                parts.push((kind.trim().to_owned(), value.to_owned()));
            }
            _ => match parts.last_mut() {
                Some((_, value)) => {
                    value.push(joint);
                    value.push_str(part);
                }
                None if part.trim().is_empty() => {}
                None => parts.push((String::new(), part.to_owned())),
            },
        }
        joint = next_joint;
    }
    for (_, value) in &mut parts {
        *value = unescape(value);
    }
    parts
}

fn is_type(kind: &str) -> bool {
    !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
}

/// The characters of `text` that neither an escape nor quotes take in, with their offsets.
fn bare_chars(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut escaped = false;
    let mut quoted = false;
    text.char_indices().filter(move |&(_, c)| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ => return !quoted,
        }
        false
    })
}

fn has_unescaped(text: &str, wanted: char) -> bool {
    bare_chars(text).any(|(_, c)| c == wanted)
}

/// Parts of `text` between separators and `+`, each with the character that ends it.
fn split(text: &str, separator: char) -> Vec<(&str, char)> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, c) in bare_chars(text) {
        if c == separator || c == '+' {
            parts.push((&text[start..at], c));
            start = at + c.len_utf8();
        }
    }
    parts.push((&text[start..], separator));
    parts
}

/// A value without its escapes, its quotes and the bare spaces around it. An opening quote without
/// a closing one goes too: Cisco's tokens cut names that are too long.
fn unescape(value: &str) -> String {
    let value = value.trim_start();
    let mut bytes = Vec::with_capacity(value.len());
    // Bytes that a trailing bare space must not cut.
    let mut keep = 0;
    let mut quoted = false;
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (*first, tail) {
            (b'\\', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                bytes.push(hex_digit(*high) << 4 | hex_digit(*low));
                keep = bytes.len();
                rest = after;
            }
            (b'\\', [next, after @ ..]) => {
                bytes.push(*next);
                keep = bytes.len();
                rest = after;
            }
            (b'"', _) => quoted = !quoted,
            (b' ', _) if !quoted => bytes.push(b' '),
            (byte, _) => {
                bytes.push(byte);
                keep = bytes.len();
            }
        }
    }
    bytes.truncate(keep);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag, u8::try_from(content.len()).unwrap()];
        out.extend_from_slice(content);
        out
    }

    /// A Name of RDNs with one attribute each: type, string tag, value.
    fn name(attributes: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let rdns: Vec<u8> = attributes
            .iter()
            .flat_map(|(oid, tag, value)| {
                let pair = [tlv(0x06, oid), tlv(*tag, value)].concat();
                tlv(0x31, &tlv(0x30, &pair))
            })
            .collect();
        tlv(0x30, &rdns)
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const O: &[u8] = &[0x55, 4, 10];

    #[test]
    fn names_are_written_in_the_order_of_the_certificate() {
        let der = name(&[
            (CN, 0x0c, b"cucm1"),
            (&[0x55, 4, 11], 0x13, b"TAC"),
            (O, 0x13, b"Acme, \"Inc.\" "),
            (&[0x2a, 0x03, 0x87, 0x68], 0x13, b"#x"),
        ]);
        assert_eq!(
            name_text(&der, ';'),
            r#"CN=cucm1;OU=TAC;O=Acme\, \"Inc.\"\ ;1.2.3.1000=\#x"#
        );
        assert!(name_text(&der, ',').starts_with("CN=cucm1,OU=TAC,"));
        assert_eq!(name_text(&name(&[]), ';'), "");
    }

    #[test]
    fn strings_of_every_kind_are_read() {
        for (tag, value, text) in [
            (0x0c, "Ä".as_bytes(), "CN=Ä"),
            (0x14, &[0xc4], "CN=Ä"),
            (0x1e, &[0, 0xc4], "CN=Ä"),
            (0x1c, &[0, 0, 0, 0xc4], "CN=Ä"),
            (0x16, b"a\0b", "CN=a\\00b"),
            (0x0c, &[0xc4], "CN=#0c01c4"),
            (0x1e, &[0], "CN=#1e0100"),
            (0x1e, &[0xd8, 0], "CN=#1e02d800"),
            (0x02, &[5], "CN=#020105"),
        ] {
            let der = name(&[(CN, tag, value)]);
            assert_eq!(name_text(&der, ';'), text);
            assert!(same_name(text.as_bytes(), &der), "{text}");
        }
    }

    #[test]
    fn a_damaged_name_ends_where_the_damage_begins() {
        let mut der = name(&[(CN, 0x0c, b"cucm1"), (O, 0x0c, b"Acme")]);
        let second = 2 + 2 + 2 + 5 + 7;
        assert_eq!(der[second], 0x31);
        der[second] = 0x30;
        assert_eq!(name_text(&der, ';'), "CN=cucm1");
        assert_eq!(name_text(&[], ';'), "");
        assert_eq!(name_text(&[0x30, 5, 1], ';'), "");
    }

    #[test]
    fn what_makers_write_is_the_same_name() {
        let der = name(&[(CN, 0x0c, b"cucm1"), (O, 0x13, b"Acme, Inc.")]);
        for same in [
            "CN=cucm1;O=Acme\\, Inc.",
            "CN=cucm1;O=Acme, Inc.",
            "CN=cucm1,O=Acme\\, Inc.",
            "CN=cucm1,O=Acme, Inc.",
            "cn=\"cucm1\";o=\"Acme, Inc.",
            "cn=cucm1 , o = Acme\\2c Inc. ",
            "2.5.4.3=cucm1,OID.2.5.4.10=\"Acme, Inc.\"",
        ] {
            assert!(same_name(same.as_bytes(), &der), "{same}");
        }
        for other in [
            "O=Acme, Inc.;CN=cucm1",
            "CN=CUCM1;O=Acme, Inc.",
            "CN=cucm1",
            "CN=cucm1;O=Acme, Inc.;C=US",
            "CN=cucm1;OU=Acme, Inc.",
            "CN=cucm1;O=Acme",
            "",
            "cucm1",
            "=;=",
            "CN=cucm1\\",
        ] {
            assert!(!same_name(other.as_bytes(), &der), "{other}");
        }
        assert!(!same_name(&[0xff], &der));
        assert!(same_name(b"", &name(&[])));
    }

    #[test]
    fn text_and_name_agree_for_awkward_values() {
        for value in [
            " a ", "#a", "a=b", "a;b", "a,b", "a+b", "\\", "\"", "a\\,b", "", " ", "=", "b,O=c",
            "Ä;Ö", "<x>", "a  ",
        ] {
            let der = name(&[(CN, 0x0c, value.as_bytes()), (O, 0x0c, b"x")]);
            for separator in [';', ','] {
                let text = name_text(&der, separator);
                assert!(same_name(text.as_bytes(), &der), "{value:?}: {text}");
            }
        }
    }

    #[test]
    fn only_printable_text_reaches_a_terminal() {
        for (bytes, text) in [
            (&b"CN=a\\,b \"q\""[..], "CN=a\\,b \"q\""),
            ("Ünï".as_bytes(), "Ünï"),
            (b"\x1b[31m\x07\0", "\\x1b[31m\\x07\\x00"),
            (b"a\xffb\r\n", "a\\xffb\\x0d\\x0a"),
            // A right-to-left override turns what follows around.
            ("\u{202e}x".as_bytes(), "\\xe2\\x80\\xaex"),
            ("\u{9b}1m".as_bytes(), "\\xc2\\x9b1m"),
        ] {
            assert_eq!(escape_for_terminal(bytes), text);
        }
    }
}
