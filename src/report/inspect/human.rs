//! An inspection for people: the table first, then what it comes to.

use std::fmt::Write as _;

use super::{Content, Inspection, NotACertificate, PhoneRuling, own_signature_code, pkcs12};
use crate::report::advice::advice;
use crate::report::show;
use crate::report::text::{Paint, count, day, hex, hex_dump, hex_with, utc, wrap};
use crate::trust::certificate::{Certificate, escape_for_terminal, name_text};
use crate::trust::decrypt::DecryptFault;
use crate::trust::own_signature::OwnSignatureFault;
use crate::trust::reason::Code;
use crate::trust::rules::{Basis, rule};
use crate::trust::search::{SignerId, short_serial};
use crate::trust::signature::digest_of;
use crate::wire::header::Header;
use crate::wire::{Digest, Record, SignedFile, TrustList, WireError};

/// Width of lines that are wrapped.
const WIDTH: usize = 100;

/// Everything about one file.
pub fn human(i: &Inspection<'_>, paint: Paint) -> String {
    let mut out = String::new();
    match &i.content {
        Content::List {
            kind,
            list,
            own,
            damage,
        } => {
            let verified = matches!(own, Some(Ok(_)));
            out.push_str(&show::list(
                *kind,
                list,
                i.bytes,
                &i.sums,
                damage.as_ref(),
                verified,
            ));
            out.push('\n');
            signed_line(&mut out, &list.header);
            records(&mut out, list);
            if let Some(fault) = damage {
                let read = count(list.records.len(), "whole record");
                damaged(&mut out, paint, fault, &format!("{kind}, {read}"), i);
            }
            own_signature(&mut out, paint, list, own.as_ref(), i.hint);
        }
        Content::SignedFile {
            file,
            plain,
            damage,
        } => {
            out.push_str(&show::signed_file(file, &i.sums, i.bytes.len()));
            out.push('\n');
            signed_line(&mut out, &file.header);
            if let Some(fault) = damage {
                damaged(&mut out, paint, fault, "signed file header", i);
            } else {
                body(&mut out, file);
                if i.ruling.is_none() {
                    let _ = writeln!(
                        out,
                        "signature: {}",
                        paint.bad("signer not known here, so nothing is checked")
                    );
                    field(
                        &mut out,
                        "fix",
                        "name the lists that the phone holds: --trust CTLFile.tlv ITLFile.tlv",
                    );
                }
            }
            decryption(&mut out, paint, plain.as_ref());
        }
        Content::Certificates(all) => {
            for (n, der) in all.iter().enumerate() {
                if n > 0 {
                    out.push('\n');
                }
                certificate(&mut out, der);
            }
        }
        Content::Pkcs12(file) => {
            pkcs12::human(&mut out, paint, file, i.bytes.len());
            if let Some(hint) = i.hint {
                field(&mut out, "", hint);
            }
        }
        Content::NotACertificate(why) => {
            not_a_certificate(&mut out, paint, *why, i.bytes);
            if let Some(hint) = i.hint {
                field(&mut out, "fix", hint);
            }
        }
    }
    if let Some(ruling) = &i.ruling {
        let opens = !matches!(
            i.content,
            Content::SignedFile {
                plain: Some(Err(_)),
                ..
            }
        );
        phone(&mut out, paint, ruling, opens);
    }
    for note in &i.notes {
        field_at(&mut out, "", "note", note);
    }
    if let Content::SignedFile {
        plain: Some(Ok(plain)),
        ..
    } = &i.content
    {
        out.push_str("\nplain text:\n");
        out.push_str(&plain_lines(plain));
    }
    out
}

/// `name: text` on one or more lines below a heading.
fn field(out: &mut String, name: &str, text: &str) {
    field_at(out, "  ", name, text);
}

pub(super) fn field_at(out: &mut String, indent: &str, name: &str, text: &str) {
    let lead = format!("{indent}{name:<10}");
    let rest = " ".repeat(lead.len());
    for (n, line) in wrap(text, WIDTH - lead.len()).iter().enumerate() {
        let start = if n == 0 { &lead } else { &rest };
        let _ = writeln!(out, "{start}{line}");
    }
}

/// When and by whom, what the table leaves out.
fn signed_line(out: &mut String, header: &Header<&[u8]>) {
    if header.signature().is_empty() {
        return;
    }
    let name = match header.file_name() {
        Some(name) => escape_for_terminal(name),
        None => "without a name inside".into(),
    };
    let when = header
        .timestamp()
        .map_or_else(|| "(no date)".into(), |t| utc(i64::from(t)));
    let _ = writeln!(
        out,
        "{name}, signed {when} by {}, {}",
        SignerId::of(header),
        header.digest()
    );
}

fn records(out: &mut String, list: &TrustList<&[u8]>) {
    if list.records.is_empty() {
        return;
    }
    let shown = list.records.iter().take(show::RECORDS_SHOWN);
    let rows: Vec<_> = shown.map(record_row).collect();
    let width = |of: fn(&[String; 4]) -> &String| {
        let widths = rows.iter().map(|r| of(r).chars().count());
        widths.max().unwrap_or_default()
    };
    let (role, name, serial) = (width(|r| &r[0]), width(|r| &r[1]), width(|r| &r[2]));
    for (n, [a, b, c, d]) in rows.iter().enumerate() {
        let line = format!("  {:>3}  {a:<role$}  {b:<name$}  {c:<serial$}  {d}", n + 1);
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// Role, name, serial number, and what the certificate says.
fn record_row(record: &Record<&[u8]>) -> [String; 4] {
    let name = record
        .subject()
        .or_else(|| record.dns_name())
        .map_or_else(|| "-".into(), |n| first_part(&escape_for_terminal(n)));
    let serial = record.serial().map_or_else(|| "-".into(), short_serial);
    let what = match record.certificate().map(Certificate::parse) {
        Some(Ok(c)) => format!("{}, until {}", c.public_key, day(c.not_after)),
        Some(Err(e)) => format!("the certificate cannot be read: {e}"),
        None => "no certificate".into(),
    };
    let at = match record.ip_address() {
        Some(ip) => format!(", {}", std::net::Ipv4Addr::from(ip)),
        None => String::new(),
    };
    [record.role().to_string(), name, serial, what + &at]
}

/// `CN=src-pub` of `CN=src-pub;OU=..`.
fn first_part(name: &str) -> String {
    name.split([';', ',']).next().unwrap_or_default().to_owned()
}

fn damaged(out: &mut String, paint: Paint, fault: &WireError, read: &str, i: &Inspection<'_>) {
    let _ = writeln!(
        out,
        "{} at offset {}: {}: {}",
        paint.bad("damaged"),
        fault.offset,
        fault.element,
        fault.kind
    );
    out.push_str(&hex_dump(i.bytes, fault.offset));
    field(out, "read", &format!("{read} before that"));
    if let Some(text) = i.hint.or_else(|| advice(Code::FileMalformed)) {
        field(out, "fix", text);
    }
}

fn own_signature(
    out: &mut String,
    paint: Paint,
    list: &TrustList<&[u8]>,
    own: Option<&Result<usize, OwnSignatureFault>>,
    hint: Option<&'static str>,
) {
    let text = match own {
        None => paint.bad("not judged, the file is damaged"),
        Some(Ok(record)) => paint.good("holds") + &signer_of(list, *record),
        Some(Err(why)) => paint.bad("does not hold") + &format!(": {why}"),
    };
    let _ = writeln!(out, "own signature: {text}");
    if let Some(Err(why)) = own
        && let Some(text) = hint.or_else(|| advice(own_signature_code(why)))
    {
        field(out, "fix", text);
    }
}

/// ` (record 1, SAST, CN=.., SHA-1, RSA 2048)`.
fn signer_of(list: &TrustList<&[u8]>, index: usize) -> String {
    let Some(record) = list.records.get(index) else {
        return String::new();
    };
    let name = first_part(&escape_for_terminal(record.subject().unwrap_or_default()));
    let key = record
        .certificate()
        .and_then(|der| Certificate::parse(der).ok())
        .map_or_else(|| "no key".into(), |c| c.public_key.to_string());
    format!(
        " (record {}, {}, {name}, {}, {key})",
        index + 1,
        record.role(),
        list.header.digest()
    )
}

/// Characters of the body's first line that are shown.
const FIRST_LINE: usize = 80;

fn body(out: &mut String, file: &SignedFile<&[u8]>) {
    let size = file.body.len();
    let text = if let Some(e) = file.encryption() {
        format!(
            "{size} bytes, AES-128-CBC; the key is wrapped for an RSA key of {} bits",
            e.wrapped_key.len() * 8
        )
    } else if size == 0 {
        "empty".into()
    } else {
        let line = file.body.split(|&b| b == b'\n').next().unwrap_or_default();
        let line = escape_for_terminal(line.strip_suffix(b"\r").unwrap_or(line));
        let mut shown: String = line.chars().take(FIRST_LINE).collect();
        if shown.len() < line.len() {
            shown.push_str("..");
        }
        format!("{size} bytes, begins {shown}")
    };
    let _ = writeln!(out, "body: {text}");
}

fn decryption(out: &mut String, paint: Paint, plain: Option<&Result<Vec<u8>, DecryptFault>>) {
    match plain {
        None => {}
        Some(Ok(plain)) => {
            let _ = writeln!(
                out,
                "decryption: {}, {} bytes of plain text",
                paint.good("opens"),
                plain.len()
            );
        }
        Some(Err(why)) => {
            let _ = writeln!(out, "decryption: {}: {why}", paint.bad("does not open"));
            field(
                out,
                "fix",
                "give the private key of the phone's own LSC, or of its MIC if it has no LSC; if \
                 it is the right one, apply the configuration again",
            );
        }
    }
}

fn plain_lines(plain: &[u8]) -> String {
    let mut out = String::new();
    let text = plain.strip_suffix(b"\n").unwrap_or(plain);
    for line in text.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let parts: Vec<_> = line
            .split(|&b| b == b'\t')
            .map(escape_for_terminal)
            .collect();
        let _ = writeln!(out, "{}", parts.join("\t"));
    }
    out
}

pub(super) fn certificate(out: &mut String, der: &[u8]) {
    // Only certificates that load get here.
    let Ok(c) = Certificate::parse(der) else {
        return;
    };
    let sha1 = digest_of(Digest::Sha1, der).unwrap_or_default();
    let sha256 = digest_of(Digest::Sha256, der).unwrap_or_default();
    let name = |n| escape_for_terminal(name_text(n, ';').as_bytes());
    for (label, text) in [
        ("subject", name(c.subject)),
        ("issuer", name(c.issuer)),
        ("serial", hex_with(c.serial, ":")),
        ("from", utc(c.not_before)),
        ("until", utc(c.not_after)),
        ("key", c.public_key.to_string()),
        ("SHA-1", hex(&sha1)),
        ("SHA-256", hex(&sha256)),
    ] {
        let _ = writeln!(out, "{label:<9}{text}");
    }
}

fn not_a_certificate(out: &mut String, paint: Paint, why: NotACertificate, bytes: &[u8]) {
    let head = paint.bad("not a certificate");
    match why {
        NotACertificate::Der { error, in_pem } => {
            let _ = writeln!(out, "{head}: {error}");
            if !in_pem {
                out.push_str(&hex_dump(bytes, error.offset));
            }
        }
        NotACertificate::NoPemSection => {
            let _ = writeln!(out, "{head}: no BEGIN CERTIFICATE section that can be read");
        }
    }
}

/// What the phone does; `opens` is false for an encrypted file that its key does not open.
fn phone(out: &mut String, paint: Paint, ruling: &PhoneRuling, opens: bool) {
    let sentence = ruling.sentence();
    let sentence = match (ruling.is_taken(), opens) {
        (true, true) => paint.good(&sentence),
        // CUCM 12.5 Security Guide, encrypted phone configuration: the signature is checked first;
        // what does not open is not applied.
        (true, false) => paint.bad(&format!(
            "{sentence}, and cannot open it: nothing is applied"
        )),
        (false, _) => paint.bad(&sentence),
    };
    let _ = writeln!(out, "a phone that holds these lists: {sentence}");
    field(out, "holds", &ruling.holds);
    for (n, r) in ruling.decision.reasons.iter().enumerate() {
        let place = r.evidence().map_or_else(String::new, |e| format!(" [{e}]"));
        let label = if n == 0 { "why" } else { "" };
        field(out, label, &format!("{}: {}{place}", r.code, r.text()));
    }
    let unsure: Vec<_> = ruling
        .rests_on
        .iter()
        .filter(|s| s.basis != Basis::Documented)
        .collect();
    if unsure.is_empty() {
        field(out, "rests on", "documented rules");
    }
    for (n, s) in unsure.iter().enumerate() {
        let label = if n == 0 { "rests on" } else { "" };
        let text = format!(
            "{}: {} ({}; with {} it would {})",
            s.basis,
            rule(s.key).name,
            s.value,
            s.other,
            s.then
        );
        field(out, label, &paint.warn(&text));
    }
    if let Some(note) = &ruling.decision.note {
        field(out, "remarks", &note.to_string());
    }
    if let Some(text) = ruling.decisive().and_then(advice) {
        field(out, "fix", text);
    }
}
