//! Whatever is done to a scenario, there is a scenario or a list of errors.

use trustline::scenario::parse;
use trustline::scenario::parse::{MAX_TEXT, decode};

use crate::{Known, SAMPLE, with};

/// Whatever `text` is, there is a scenario (true) or a list of errors, all of them printable.
fn survives(text: &str) -> bool {
    let parsed = parse("x.toml", text, &Known);
    if let Err(errors) = &parsed {
        assert!(!errors.is_empty(), "refused without a word:\n{text}");
        let lines = text.lines().count();
        for error in errors {
            let shown = error.to_string();
            assert!(
                !shown.chars().any(|c| c != '\n' && c.is_control()),
                "{shown:?}"
            );
            if let Some((line, _)) = error.position() {
                assert!(line <= lines + 1, "{shown}");
            }
        }
    }
    parsed.is_ok()
}

#[test]
fn every_prefix_is_a_scenario_or_errors() {
    for end in 0..SAMPLE.len() {
        survives(&SAMPLE[..end]);
    }
}

#[test]
fn every_changed_byte_is_a_scenario_or_errors() {
    let mut bytes = SAMPLE.as_bytes().to_vec();
    for at in 0..bytes.len() {
        let old = bytes[at];
        for new in [0, b'\n', b'"', b'[', b'=', b'9', b'a', b'.', 0xff] {
            bytes[at] = new;
            match decode("x.toml", &bytes) {
                Ok(text) => {
                    survives(text);
                }
                Err(error) => assert!(error.to_string().contains("not UTF-8")),
            }
        }
        bytes[at] = old;
    }
}

#[test]
fn every_line_left_out_doubled_or_moved_is_a_scenario_or_errors() {
    let lines: Vec<&str> = SAMPLE.lines().collect();
    for at in 0..lines.len() {
        let mut less = lines.clone();
        let line = less.remove(at);
        survives(&less.join("\n"));
        for to in 0..lines.len() {
            let mut other = if to % 2 == 0 {
                less.clone()
            } else {
                lines.clone()
            };
            other.insert(to, line);
            survives(&other.join("\n"));
        }
    }
}

#[test]
fn hostile_texts_are_refused_in_time() {
    let n = MAX_TEXT / 8;
    for text in [
        "[".repeat(n),
        format!("a = {}", "[".repeat(n)),
        format!("{}a = 1", "a.".repeat(n)),
        "= \n".repeat(n),
        format!("a = {{{}}}", "x = 1,".repeat(n)),
        "x = 1\n".repeat(n),
        "[[step]]\n".repeat(n / 2),
        "[[phones]]\n".repeat(n / 2),
        "[x]\n".repeat(n),
        with(&format!(
            "[settings.{}]\n{}",
            "k".repeat(n),
            "a = 1\n".repeat(10)
        )),
        with(&format!("[[step]]\ndo = \"{}\"", "reset".repeat(n))),
        with(&format!(
            "[[step]]\ndo = \"reset-phones\"\nphones = [{}]",
            "\"all\", ".repeat(n)
        )),
        with(&format!(
            "[[expect]]\nphones = [{}]",
            "[".repeat(70) + &"]".repeat(70)
        )),
        with(&format!(
            "[settings]\n{}",
            (0..n / 4)
                .map(|i| format!("\"a.b{i}\" = 1\n"))
                .collect::<String>()
        )),
        format!("{}= 1", "\u{202e}".repeat(n / 4)),
        format!("a = \"{}", "\t\u{e4}".repeat(n / 4)),
        "\u{feff}".to_owned(),
        "\r\r\r".to_owned(),
    ] {
        assert!(!survives(&text), "{text:.100}");
    }
}
