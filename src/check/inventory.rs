//! The phones that are asked about: an inventory in CSV, and what each of them holds by what was read
//! of its cluster.

mod subjects;

use std::collections::BTreeMap;
use std::sync::Arc;

use csv::{ByteRecord, ReaderBuilder, Trim};

use super::folder::Files;
use crate::cluster::is_device_name;
use crate::phone::Flash;
use crate::phone::flash::{CONFIG, STATE};
use crate::report::text::did_you_mean;
use crate::trust::certificate::escape_for_terminal;
use crate::wire::ListKind;

pub use subjects::{Found, How, subjects};

/// The most bytes of an inventory.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The most rows of an inventory.
pub const MAX_ROWS: usize = 1_000_000;
/// The most columns of an inventory.
pub const MAX_COLUMNS: usize = 200;
/// The most letters of a model or a group.
const MAX_WORD: usize = 64;
/// The most sentences about bad rows.
const MAX_PROBLEMS: usize = 200;
/// The columns that a check uses.
const COLUMNS: [&str; 6] = [
    "device",
    "model",
    "ctl_sha1",
    "itl_sha1",
    "callmanager_group",
    "has_lsc",
];

/// A list that a phone holds, as an inventory says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// The list with this SHA-1, 40 hex digits in lower case.
    Sha1(String),
    /// None: the cell says `none`.
    Nothing,
}

/// A phone of an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `SEP` and the MAC address in upper hex.
    pub device: String,
    /// The line of the file where it begins, from 1.
    pub line: u64,
    /// Its model, `CP-8861`.
    pub model: Option<String>,
    /// Its CTL.
    pub ctl: Option<Held>,
    /// Its ITL.
    pub itl: Option<Held>,
    /// Its CallManager group.
    pub group: Option<String>,
    /// Whether it has an LSC.
    pub has_lsc: Option<bool>,
    /// What stands in the columns that a check does not use, in the order of [`Inventory::extra`].
    pub extra: Vec<String>,
}

impl Entry {
    /// A phone of which nothing but the name is known.
    pub fn named(device: &str) -> Self {
        Self {
            device: device.to_owned(),
            line: 0,
            model: None,
            ctl: None,
            itl: None,
            group: None,
            has_lsc: None,
            extra: Vec::new(),
        }
    }
}

/// The phones of an inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The phones, in the order of the file.
    pub entries: Vec<Entry>,
    /// Names of the columns that a check does not use, in the order of the file.
    pub extra: Vec<String>,
    /// Rows that are left out, by their line, and why.
    pub problems: Vec<String>,
}

/// Reads an inventory: CSV with a line of names first, separated by `,` or `;`.
///
/// # Errors
/// A sentence: it is no inventory, or too large.
pub fn read(place: &str, bytes: &[u8]) -> Result<Inventory, String> {
    if bytes.len() > MAX_BYTES {
        let length = bytes.len();
        return Err(format!("{place}: {length} bytes, the limit is {MAX_BYTES}"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(format!("{place} is in UTF-16: save it as CSV in UTF-8"));
    }
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let count = |separator: u8| first.iter().filter(|b| **b == separator).count();
    let separator = if count(b';') > count(b',') {
        b';'
    } else {
        b','
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(bytes);
    let header = reader.byte_headers();
    let header = header.map_err(|e| format!("{place}: {e}"))?.clone();
    let mut lines = Lines {
        bytes,
        counted: 0,
        line: 1,
    };
    let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
    let line = lines.of(0);
    if let Some(why) = unclosed(lines.row(0, end), line, separator, end >= bytes.len()) {
        return Err(format!("{place}, line {line}: {why}, the header: close it"));
    }
    let columns = Columns::of(&header).map_err(|why| format!("{place}: {why}"))?;
    let mut inventory = Inventory {
        extra: columns.extra.iter().map(|(name, _)| name.clone()).collect(),
        ..Inventory::default()
    };
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut dropped = 0_usize;
    let mut problem = |problems: &mut Vec<String>, line: u64, why: String| {
        if problems.len() < MAX_PROBLEMS {
            problems.push(format!("{place}, line {line}: {why}; the row is left out"));
        } else {
            dropped += 1;
        }
    };
    let mut record = ByteRecord::new();
    let mut rows = 0_usize;
    loop {
        let read = reader.read_byte_record(&mut record);
        let start = record.position().map_or(0, csv::Position::byte);
        let line = lines.of(usize::try_from(start).unwrap_or(usize::MAX));
        match read {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => return Err(format!("{place}, line {line}: {e}")),
        }
        rows += 1;
        if rows > MAX_ROWS {
            let why = format!("more than {MAX_ROWS} rows");
            inventory
                .problems
                .push(format!("{place}, line {line}: {why}; the rest is left out"));
            break;
        }
        if record.iter().all(<[u8]>::is_empty) {
            continue;
        }
        let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        let row = lines.row(usize::try_from(start).unwrap_or(usize::MAX), end);
        if let Some(why) = unclosed(row, line, separator, end >= bytes.len()) {
            problem(&mut inventory.problems, line, why);
            continue;
        }
        match columns.entry(&record, line) {
            Ok(entry) => match seen.get(&entry.device) {
                Some(before) => {
                    let why = format!("{} stands in line {before} already", entry.device);
                    problem(&mut inventory.problems, line, why);
                }
                None => {
                    seen.insert(entry.device.clone(), line);
                    inventory.entries.push(entry);
                }
            },
            Err(why) => problem(&mut inventory.problems, line, why),
        }
    }
    if dropped > 0 {
        let text = format!("{place}: {dropped} more rows are left out");
        inventory.problems.push(text);
    }
    Ok(inventory)
}

/// Lines of a file by offset. The reader of rows counts none that is blank, and a row of it may begin
/// with what ended the one before.
struct Lines<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    /// What a row is written as, without the ends of lines around it.
    fn row(&self, start: usize, end: usize) -> &'a [u8] {
        let end = end.min(self.bytes.len());
        let row = self.bytes.get(start..end).unwrap_or_default();
        row.trim_ascii()
    }

    /// The line of the first letter at or behind an offset; offsets come in order.
    fn of(&mut self, offset: usize) -> u64 {
        let rest = self.bytes.get(offset..).unwrap_or_default();
        let blank = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
        let start = offset.saturating_add(blank.count()).min(self.bytes.len());
        let passed = self.bytes.get(self.counted..start).unwrap_or_default();
        self.line += passed.iter().filter(|b| **b == b'\n').count() as u64;
        self.counted = self.counted.max(start);
        self.line
    }
}

/// What is wrong with a row that goes on where its writer did not mean it: a cell has a line of it that
/// names a phone, or the file ends before the cell does.
fn unclosed(row: &[u8], line: u64, separator: u8, is_last: bool) -> Option<String> {
    let is_device = |cell: &&[u8]| {
        let name = cell.trim_ascii().to_ascii_uppercase();
        let name = name.strip_prefix(b"\"").unwrap_or(&name);
        let name = name.strip_suffix(b"\"").unwrap_or(name);
        std::str::from_utf8(name).is_ok_and(is_device_name)
    };
    let is_end = |b: &u8| matches!(b, b'\r' | b'\n');
    let mut later = row.split(is_end).skip(1);
    let swallowed = later.find_map(|l| l.split(|b| *b == separator).find(is_device));
    let more = row.iter().filter(|b| **b == b'\n').count() as u64;
    let last = line + more;
    match (swallowed, is_last && ends_in_quotes(row, separator)) {
        (Some(device), false) => Some(format!(
            "a quote that opens here closes in line {last} alone and takes in the row of {}, so lines {line} \
             to {last} are one row",
            String::from_utf8_lossy(device.trim_ascii())
        )),
        (_, true) if more == 0 => Some("a quote is not closed".to_owned()),
        (_, true) => Some(format!(
            "a quote is not closed, so lines {line} to {last} are one row"
        )),
        (None, false) => None,
    }
}

/// True if a row ends within a cell in quotes, by the rules of the reader of rows: a quote opens a cell
/// at its very start alone, and two of them are one that does not close it.
fn ends_in_quotes(row: &[u8], separator: u8) -> bool {
    let (mut is_start, mut is_quoted) = (true, false);
    let mut rest = row.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' if is_quoted => is_quoted = rest.next_if_eq(&b'"').is_some(),
            b'"' if is_start => is_quoted = true,
            _ => {}
        }
        is_start = !is_quoted && byte == separator;
    }
    is_quoted
}

/// Where the columns stand.
struct Columns {
    used: [Option<usize>; COLUMNS.len()],
    extra: Vec<(String, usize)>,
}

impl Columns {
    fn of(header: &ByteRecord) -> Result<Self, String> {
        if header.len() > MAX_COLUMNS {
            let count = header.len();
            return Err(format!("{count} columns, the limit is {MAX_COLUMNS}"));
        }
        let mut used = [None; COLUMNS.len()];
        let mut extra = Vec::new();
        for (at, name) in header.iter().enumerate() {
            let name = String::from_utf8_lossy(name).into_owned();
            let plain = name.to_ascii_lowercase().replace([' ', '-'], "_");
            // What exports of CUCM call it.
            let plain = if plain == "device_name" {
                "device"
            } else {
                &plain
            };
            match COLUMNS.iter().position(|c| *c == plain) {
                Some(column) => {
                    let place = used.get_mut(column);
                    if let Some(place) = place.filter(|p| p.is_none()) {
                        *place = Some(at);
                    } else {
                        return Err(format!("line 1: two columns {plain}"));
                    }
                }
                None => extra.push((name, at)),
            }
        }
        if used.first().copied().flatten().is_none() {
            let names: Vec<_> = extra.iter().map(|(n, _)| n.as_str()).collect();
            let hint = names.iter().find_map(|n| {
                let hint = did_you_mean(n, COLUMNS.iter().copied());
                (!hint.is_empty()).then_some(hint)
            });
            return Err(format!(
                "line 1: no column device; expected {}, and found {}{}",
                COLUMNS.join(","),
                escape_for_terminal(
                    names
                        .join(",")
                        .chars()
                        .take(200)
                        .collect::<String>()
                        .as_bytes()
                ),
                hint.unwrap_or_default()
            ));
        }
        Ok(Self { used, extra })
    }

    fn entry(&self, record: &ByteRecord, line: u64) -> Result<Entry, String> {
        let cell = |at: usize| {
            let bytes = record.get(at).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let used = |column: usize| {
            let at = self.used.get(column).copied().flatten();
            at.map(cell).filter(|text| !text.is_empty())
        };
        let given = used(0).unwrap_or_default();
        let device = given.to_ascii_uppercase();
        if !is_device_name(&device) {
            return Err(format!(
                "expected a device, SEP and 12 hex digits, found {}",
                shown(&given)
            ));
        }
        Ok(Entry {
            device,
            line,
            model: used(1)
                .map(|text| word("model", text))
                .transpose()?
                .map(model),
            ctl: used(2).map(|text| held("ctl_sha1", &text)).transpose()?,
            itl: used(3).map(|text| held("itl_sha1", &text)).transpose()?,
            group: used(4)
                .map(|text| word("callmanager_group", text))
                .transpose()?,
            has_lsc: used(5).map(|text| yes_or_no(&text)).transpose()?,
            extra: self.extra.iter().map(|(_, at)| cell(*at)).collect(),
        })
    }
}

fn shown(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    if start.is_empty() {
        "nothing".into()
    } else {
        format!("`{}`", escape_for_terminal(start.as_bytes()))
    }
}

fn word(column: &str, text: String) -> Result<String, String> {
    let is_word = text.len() <= MAX_WORD && !text.contains(char::is_control);
    if is_word {
        Ok(text)
    } else {
        Err(format!("{column} {} is too long", shown(&text)))
    }
}

/// A model as phones call themselves: CUCM's pages write `Cisco 8861`.
fn model(text: String) -> String {
    let upper = text.to_ascii_uppercase();
    let number = upper.strip_prefix("CISCO").unwrap_or(&upper).trim_start();
    if number.starts_with(|c: char| c.is_ascii_digit()) {
        format!("CP-{number}")
    } else if upper.starts_with("CP-") {
        upper
    } else {
        text
    }
}

fn held(column: &str, text: &str) -> Result<Held, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    let digits = digits.to_ascii_lowercase();
    if matches!(digits.as_str(), "none" | "-") {
        return Ok(Held::Nothing);
    }
    if digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(Held::Sha1(digits));
    }
    Err(format!(
        "{column}: expected 40 hex digits, or none, found {}",
        shown(text)
    ))
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "1" => Ok(true),
        "no" | "n" | "false" | "0" => Ok(false),
        _ => Err(format!(
            "has_lsc: expected yes or no, found {}",
            shown(text)
        )),
    }
}

/// What phones hold, out of the folder of a world: `phones/SEP.../after/FILE`. What they keep of TVS is
/// left out: it counts by a clock that is over.
pub fn flashes(files: &Files) -> BTreeMap<String, Flash> {
    let mut flashes: BTreeMap<String, Flash> = BTreeMap::new();
    for (path, bytes) in files.range("phones/".to_owned()..) {
        let mut parts = path.split('/');
        let (Some("phones"), Some(device), Some("after"), Some(file), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            continue;
        };
        let lists = [ListKind::Ctl, ListKind::Itl].map(ListKind::file_name);
        if !is_device_name(device) {
            continue;
        }
        let flash = flashes.entry(device.to_owned()).or_default();
        if file == CONFIG || lists.contains(&file) {
            flash.put(file, Arc::clone(bytes));
        } else if file == STATE
            && let Some(notes) = without_answers(bytes)
        {
            flash.put(file, notes);
        }
    }
    flashes
}

fn without_answers(notes: &[u8]) -> Option<Arc<[u8]>> {
    let mut notes: serde_json::Value = serde_json::from_slice(notes).ok()?;
    *notes.get_mut("tvs_answers")? = serde_json::Value::Array(Vec::new());
    Some(serde_json::to_vec_pretty(&notes).ok()?.into())
}

#[cfg(test)]
mod tests;
