//! A difference for people: one line a change, then what it comes to.

use std::fmt::Write as _;

use super::{Change, Difference, Held, Replacement, Signer};
use crate::report::text::{Paint, count, day, wrap};
use crate::trust::certificate::escape_for_terminal;
use crate::trust::search::short_serial;
use crate::wire::{Role, join_roles};

/// Width of lines that are wrapped.
const WIDTH: usize = 100;

/// The whole difference.
pub fn human(d: &Difference, paint: Paint) -> String {
    let mut out = String::new();
    for (sign, (name, kind)) in ["---", "+++"].iter().zip(&d.sides) {
        let name = escape_for_terminal(name.as_bytes());
        let _ = writeln!(out, "{sign} {name}, {kind}");
    }
    out.push('\n');
    if d.signer_changed {
        for (sign, signer) in ["-", "+"].iter().zip(&d.signers) {
            let line = format!("{sign} signed by {}", signer_text(signer));
            let _ = writeln!(out, "{}", painted(paint, sign, &line));
        }
    } else {
        let _ = writeln!(out, "  signed by {}", signer_text(&d.signers[0]));
    }
    if d.version_changed {
        for (sign, version) in ["-", "+"].iter().zip(&d.versions) {
            let line = format!("{sign} {version}");
            let _ = writeln!(out, "{}", painted(paint, sign, &line));
        }
    }
    for change in &d.changes {
        show(&mut out, paint, change);
    }
    let _ = writeln!(out, "  {} the same in both", count(d.same, "certificate"));
    out.push('\n');
    let verdict = if d.is_none() && d.both_refused() {
        paint.bad("the two lists are the same to a phone: it refuses both")
    } else if d.is_none() {
        paint.good("the two lists mean the same to a phone")
    } else {
        paint.warn("the two lists differ")
    };
    let _ = writeln!(out, "{verdict}");
    for text in &d.consequences {
        bullet(&mut out, text);
    }
    for text in &d.remarks {
        bullet(&mut out, &format!("remark: {text}"));
    }
    out
}

fn bullet(out: &mut String, text: &str) {
    for (n, line) in wrap(text, WIDTH - 4).iter().enumerate() {
        let lead = if n == 0 { "  - " } else { "    " };
        let _ = writeln!(out, "{lead}{line}");
    }
}

fn painted(paint: Paint, sign: &str, line: &str) -> String {
    match sign {
        "+" => paint.good(line),
        "-" => paint.bad(line),
        _ => paint.warn(line),
    }
}

fn signer_text(signer: &Signer) -> String {
    let place = if signer.in_list {
        ""
    } else {
        ", whose certificate is not in the list with the role SAST"
    };
    format!("{}, {}{place}", signer.text, signer.digest)
}

fn show(out: &mut String, paint: Paint, change: &Change) {
    let mut line = |sign: &str, held: &Held, rest: &str| {
        let roles: Vec<Role> = held.roles.iter().copied().collect();
        let text = format!(
            "{sign} {:<12} {}{rest}",
            join_roles(&roles),
            certificate(held)
        );
        let _ = writeln!(out, "{}", painted(paint, sign, &text));
    };
    match change {
        Change::Added(held) => line("+", held, ""),
        Change::Removed(held) => line("-", held, ""),
        Change::Replaced { before, after } => {
            line("-", before, "");
            let how = match after.replaces(before) {
                Replacement::MadeAnew => ", made anew for the same name",
                Replacement::OtherBytes => {
                    ", same issuer and serial number but other bytes: damaged or forged"
                }
                Replacement::OtherNames => {
                    ", same certificate, but its record names another issuer or serial number"
                }
            };
            line("+", after, how);
        }
        Change::Roles { held, gained, lost } => {
            let mut rest = String::new();
            for (what, roles) in [("gains", gained), ("loses", lost)] {
                if !roles.is_empty() {
                    let _ = write!(rest, ", {what} {}", join_roles(roles));
                }
            }
            line("~", held, &rest);
        }
    }
}

fn certificate(held: &Held) -> String {
    let name = held.subject.split([',', ';']).next().unwrap_or_default();
    let mut text = format!("{name}, serial {}", short_serial(&held.serial));
    match (&held.key, held.not_after) {
        (Some(key), Some(end)) => {
            let _ = write!(text, ", {key}, until {}", day(end));
        }
        _ if held.sha256.is_some() => text.push_str(", certificate cannot be read"),
        _ => text.push_str(", no certificate"),
    }
    if held.misnamed {
        text.push_str(", not the serial number of its record");
    }
    text
}
