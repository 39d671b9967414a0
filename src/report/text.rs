//! Small parts of every report: colour, dates, hex, wrapped lines, "did you mean".

use std::fmt::Write as _;
use std::time::Duration;

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Paint that colours if `on`.
    pub const fn new(on: bool) -> Self {
        Self { on }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Something that holds: green.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Something that does not: red.
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Something to look at: yellow.
    pub fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// A heading: bold.
    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }
}

/// A moment for people: `2026-01-15 12:00:00 UTC`. Years that a calendar of four digits cannot
/// show are given in seconds.
pub fn utc(seconds: i64) -> String {
    match calendar(seconds) {
        Some(t) => format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minutes(),
            t.seconds()
        ),
        None => format!("{seconds} s since 1970-01-01"),
    }
}

/// A moment for programs: `2026-01-15T12:00:00Z`; none where four digits do not show its year.
pub fn rfc3339(seconds: i64) -> Option<String> {
    calendar(seconds).map(|t| t.to_string())
}

/// A day for people: `2026-01-15`.
pub fn day(seconds: i64) -> String {
    match calendar(seconds) {
        Some(t) => format!("{:04}-{:02}-{:02}", t.year(), t.month(), t.day()),
        None => format!("{seconds} s since 1970-01-01"),
    }
}

/// A moment as `show ctl` prints it: `Fri Mar 06 21:56:07 UTC 2015`.
pub fn ctime(seconds: u32) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let Some(t) = calendar(i64::from(seconds)) else {
        return seconds.to_string();
    };
    // 1970-01-01 was a Thursday.
    let weekday = DAYS[(seconds / 86_400 % 7) as usize];
    let month = MONTHS
        .get(usize::from(t.month()).wrapping_sub(1))
        .copied()
        .unwrap_or_default();
    format!(
        "{weekday} {month} {:02} {:02}:{:02}:{:02} UTC {}",
        t.day(),
        t.hour(),
        t.minutes(),
        t.seconds(),
        t.year()
    )
}

fn calendar(seconds: i64) -> Option<der::DateTime> {
    let since_1970 = Duration::from_secs(u64::try_from(seconds).ok()?);
    der::DateTime::from_unix_duration(since_1970).ok()
}

/// Lower hex without separators.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{b:02x}");
        text
    })
}

/// Upper hex with a separator: `70:CA:F6`.
pub fn hex_with(bytes: &[u8], separator: &str) -> String {
    bytes
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect::<Vec<_>>()
        .join(separator)
}

/// Lines before and after the one that is meant.
const DUMP_LINES_AROUND: usize = 1;

/// The bytes around `offset`, 16 a line, with a caret under the one that is meant. An offset past
/// the end stands behind the last byte.
pub fn hex_dump(bytes: &[u8], offset: usize) -> String {
    let offset = offset.min(bytes.len());
    let line = offset / 16;
    let first = line.saturating_sub(DUMP_LINES_AROUND);
    let mut text = String::new();
    for n in first..=line + DUMP_LINES_AROUND {
        let start = n * 16;
        if start >= bytes.len() && n != line {
            continue;
        }
        let row = bytes.get(start..).unwrap_or_default();
        let row = &row[..row.len().min(16)];
        let hex: Vec<_> = row.iter().map(|b| format!("{b:02x}")).collect();
        let plain: String = row
            .iter()
            .map(|&b| match b {
                b' '..=b'~' => char::from(b),
                _ => '.',
            })
            .collect();
        let _ = writeln!(
            text,
            "{}",
            format!("  {start:08x}  {:<47}  {plain}", hex.join(" ")).trim_end()
        );
        if n == line {
            let column = 12 + 3 * (offset - start);
            let what = if offset == bytes.len() {
                "^ end of the file".to_owned()
            } else {
                format!("^^ offset {offset}")
            };
            let _ = writeln!(text, "{:column$}{what}", "");
        }
    }
    text
}

/// `text` in lines of at most `width` characters, broken at blanks.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// How alike two names must be to be suggested, from 0 to 1 (Jaro-Winkler).
const ALIKE: f64 = 0.8;

/// `; did you mean X?` for the most alike of `names`, or nothing.
pub fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|&(alike, _)| alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}

/// `1 record`, `2 records`.
pub fn count(n: usize, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_printed() {
        assert_eq!(utc(1_768_478_400), "2026-01-15 12:00:00 UTC");
        let rfc3339_text = rfc3339(1_768_478_400);
        assert_eq!(rfc3339_text.as_deref(), Some("2026-01-15T12:00:00Z"));
        assert_eq!(ctime(1_768_478_400), "Thu Jan 15 12:00:00 UTC 2026");
        // The line of a published `show ctl`: Fri Mar 06 2015.
        assert_eq!(&ctime(1_425_675_367)[..10], "Fri Mar 06");
        assert_eq!(ctime(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(utc(-1), "-1 s since 1970-01-01");
        assert_eq!(utc(i64::MAX), format!("{} s since 1970-01-01", i64::MAX));
    }

    #[test]
    fn the_caret_stands_under_the_byte() {
        let bytes: Vec<u8> = (0..40).collect();
        let dump = hex_dump(&bytes, 18);
        let lines: Vec<_> = dump.lines().collect();
        assert_eq!(lines.len(), 4, "{dump}");
        let column = lines[2].find('^').unwrap();
        assert_eq!(&lines[1][column..column + 2], "12", "{dump}");
        assert!(hex_dump(&bytes, 40).contains("^ end of the file"));
        assert!(hex_dump(&bytes, usize::MAX).contains("^ end of the file"));
        assert!(hex_dump(&[], 0).contains("^ end of the file"));
        // The end falls on a line of its own.
        assert_eq!(hex_dump(&bytes[..32], 32).lines().count(), 3);
    }

    #[test]
    fn lines_are_wrapped_and_nothing_is_lost() {
        let text = "one two three four";
        assert_eq!(wrap(text, 9), ["one two", "three", "four"]);
        assert_eq!(wrap("unbreakable", 3), ["unbreakable"]);
    }

    #[test]
    fn suggestions_are_alike() {
        let names = ["trust.wrong_role", "tvs.miss"];
        assert_eq!(
            did_you_mean("trust.wrongrole", names),
            "; did you mean trust.wrong_role?"
        );
        assert_eq!(did_you_mean("zebra", names), "");
    }
}
