//! File names in a request: what a path may not hold is escaped (RFC 3986 section 2.1).

use std::borrow::Cow;
use std::fmt::Write;

/// The name as a path may hold it. What a path may hold stays as it is, so the names that phones ask
/// for go out as they are.
pub(super) fn escape(path: &str) -> Cow<'_, str> {
    if path.bytes().all(is_plain) {
        return path.into();
    }
    let mut escaped = String::with_capacity(path.len() + 8);
    for byte in path.bytes() {
        if is_plain(byte) {
            escaped.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped.into()
}

/// The name that a path means. No name of a file has other than printable ASCII characters, so an
/// escape of another byte stays as it is.
pub(super) fn unescape(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let mut name = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        name.push_str(before);
        let byte = escape.get(1..3).and_then(byte_of);
        let (meant, length) = byte.map_or(('%', 1), |byte| (byte.into(), 3));
        name.push(meant);
        rest = &escape[length..];
    }
    name.push_str(rest);
    name.into()
}

/// The printable byte that two digits stand for.
fn byte_of(digits: &str) -> Option<u8> {
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    let byte = is_hex.then(|| u8::from_str_radix(digits, 16).ok())??;
    matches!(byte, b' '..=b'~').then_some(byte)
}

/// A slash, or what RFC 3986 calls a `pchar`.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_name_comes_through() {
        let all: String = (b' '..=b'~').map(char::from).collect();
        let escaped = escape(&all);
        assert!(format!("/{escaped}").parse::<hyper::Uri>().is_ok());
        assert_eq!(unescape(&escaped), all);
        assert_eq!(escape("/Soft Keys#1?.xml"), "/Soft%20Keys%231%3F.xml");
        let usual = "/German_Germany/sl-be-sip.jar.sgn";
        assert!(matches!(escape(usual), Cow::Borrowed(path) if path == usual));
        assert!(matches!(unescape(usual), Cow::Borrowed(path) if path == usual));
    }

    #[test]
    fn odd_escapes_stay_as_they_are() {
        for path in [
            "/%", "/%2", "/%zz", "/%+1", "/%0a", "/%1b[2J", "/%ff", "/%é1",
        ] {
            assert_eq!(unescape(path), path);
        }
        assert_eq!(unescape("/%2541%41"), "/%41A");
    }
}
