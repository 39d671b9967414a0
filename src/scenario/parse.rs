//! From the text of a scenario file to its model.
//!
//! Reading goes on behind an error wherever what follows still has a meaning, so one run shows all
//! slips of a file: unknown keys, wrong values, and names that nothing has. No text makes it panic,
//! and the work is bounded by the limits below.

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Located, Span, quote};
use super::model::{FORMAT, Scenario};
use super::settings::{Registry, Setting};
use super::words::Tls;
use crate::time::UnixSeconds;
use check::Names;
use read::{Entry, Problem, Problems, Section, in_file_order};

mod actions;
mod check;
mod clusters;
mod dhcp;
mod expect;
mod faults;
mod phone_files;
mod phones;
mod provisioning;
mod read;
mod sftp;
mod syntax;

/// Bytes of a scenario file.
pub const MAX_TEXT: usize = 1 << 20;
/// Clusters of a scenario.
pub const MAX_CLUSTERS: usize = 64;
/// Nodes of a cluster.
pub const MAX_NODES: usize = 64;
/// Groups of phones in a scenario.
pub const MAX_PHONE_GROUPS: usize = 1_000;
/// Phones of one group.
pub const MAX_GROUP_PHONES: u64 = 10_000;
/// Phones of a scenario.
pub const MAX_PHONES: usize = 100_000;
/// Steps of a scenario.
pub const MAX_STEPS: usize = 1_000;
/// Expectations of a scenario.
pub const MAX_EXPECTATIONS: usize = 1_000;

/// Reads the scenario `text`, which errors say comes from `file`. Names that the format leaves open
/// (settings, parameters, reason codes, kinds of events) are looked up in `registry`.
///
/// # Errors
///
/// All errors that were found, in the order of the file.
pub fn parse(file: &str, text: &str, registry: &dyn Registry) -> Result<Scenario, Vec<Diagnostic>> {
    let mut problems = Problems::new(file, text);
    if text.len() > MAX_TEXT {
        problems.add(Problem::in_file(format!(
            "the file has {} bytes, more than {MAX_TEXT}",
            text.len()
        )));
        return Err(problems.into_diagnostics());
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    if syntax::report(&mut problems, text, errors) {
        return Err(problems.into_diagnostics());
    }
    let scenario = Parser {
        problems: &mut problems,
        registry,
    }
    .document(document.get_ref());
    match scenario {
        Some(scenario) if problems.count() == 0 => Ok(scenario),
        _ => Err(problems.into_diagnostics()),
    }
}

/// The text in `bytes`, which come from `file`.
///
/// # Errors
///
/// Shows the first line that is not UTF-8.
pub fn decode<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Diagnostic> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let valid = String::from_utf8_lossy(&bytes[..at]);
        Diagnostic::at(
            file,
            &valid,
            Span { start: at, end: at },
            format!("byte {at} of the file is not UTF-8"),
        )
        .with_help("save the file as UTF-8")
    })
}

/// What reading needs at every place.
struct Parser<'p, 't> {
    problems: &'p mut Problems<'t>,
    registry: &'p dyn Registry,
}

impl Parser<'_, '_> {
    fn document(&mut self, document: &DeTable<'_>) -> Option<Scenario> {
        let root = Section::new(
            self.problems,
            document,
            None,
            "the scenario",
            &[
                "format",
                "name",
                "source",
                "date",
                "seed",
                "tls",
                "cluster",
                "phones",
                "settings",
                "sftp",
                "dhcp",
                "provisioning",
                "step",
                "expect",
            ],
        );
        let what = format!("the format of the file: {FORMAT}");
        let format = root
            .required(self.problems, "format", &what)
            .and_then(|entry| entry.number(self.problems, 0..=u64::MAX));
        if let Some(format) = &format
            && format.value != FORMAT
        {
            // Another format may mean other things by the same words: nothing else is worth saying.
            self.problems.clear();
            self.problems.add(
                Problem::at(format.span, format!("format {} is not known", format.value))
                    .label(format!("this version reads format {FORMAT}")),
            );
            return None;
        }
        let name = root
            .required(self.problems, "name", "one line about the scenario")
            .and_then(|entry| entry.text(self.problems));
        let source = root
            .required(self.problems, "source", "where the outcome is documented")
            .and_then(|entry| entry.text(self.problems));
        let date = root
            .required(
                self.problems,
                "date",
                "the world's clock at the start, in UTC",
            )
            .and_then(|entry| self.date(entry));
        let seed = root
            .optional("seed")
            .and_then(|entry| entry.number(self.problems, 0..=u64::MAX))
            .map_or(1, |seed| seed.value);
        let tls = root
            .optional("tls")
            .and_then(|entry| entry.word(self.problems))
            .map_or(Tls::Modelled, |tls| tls.value);

        let provisioning = self.provisioning(&root);
        // Multiplatform phones need no cluster.
        let is_given = |key| root.optional(key).is_some();
        let has_clusters = provisioning.is_none() || is_given("cluster") || is_given("phones");
        let before = self.problems.count();
        let clusters = match has_clusters {
            true => self.clusters(&root),
            false => Vec::new(),
        };
        let clusters_sound = self.problems.count() == before;
        let before = self.problems.count();
        let phones = match has_clusters {
            true => self.phones(&root),
            false => Vec::new(),
        };
        let phones_sound = self.problems.count() == before;

        let mut settings = Vec::new();
        if let Some(entry) = root.optional("settings")
            && let Some(table) = entry.table(self.problems)
        {
            self.settings(table, "", &mut settings);
        }
        if let Some((index, why)) = self.registry.clash(&settings)
            && let Some(setting) = settings.get(index)
        {
            self.problems.add(Problem::at(setting.value.span, why));
        }
        let sftp = self.sftp(&root);
        let dhcp = self.dhcp(&root);
        let steps = self.steps(&root);
        check::dhcp(self.problems, dhcp, &steps);
        check::sftp(self.problems, sftp.as_ref(), &steps);
        let names = Names::new(&clusters, clusters_sound, &phones, phones_sound);
        names.check_clusters(self.problems);
        names.check_phones(self.problems);
        for step in &steps {
            names.check_step(self.problems, step);
        }
        let expectations = self.expectations(&root, &names);
        Some(Scenario {
            name: name.unwrap_or_else(nothing),
            source: source.unwrap_or_else(nothing),
            date: date.unwrap_or_else(|| Located::new(0, 0..0)),
            seed,
            tls,
            clusters,
            phones,
            settings,
            sftp,
            dhcp,
            provisioning,
            steps,
            expectations,
            #[cfg(feature = "planted-defects")]
            planted: None,
        })
    }

    /// The tables of `[[key]]`, up to `limit`.
    fn tables<'a>(
        &mut self,
        root: &Section<'a>,
        key: &'static str,
        limit: usize,
    ) -> Vec<(Span, &'a DeTable<'a>)> {
        let Some(entry) = root.optional(key) else {
            return Vec::new();
        };
        let expected = format!("a list of tables, each written as [[{key}]]");
        let list = entry
            .list(self.problems, &expected, limit)
            .unwrap_or_default();
        list.into_iter()
            .filter_map(|entry| Some((entry.span(), entry.table(self.problems)?)))
            .collect()
    }

    /// An RFC 3339 date with its offset. Trust lists count seconds in 32 bits: it must fit those.
    fn date(&mut self, entry: Entry<'_>) -> Option<Located<UnixSeconds>> {
        let DeValue::Datetime(date) = entry.value() else {
            entry.wrong_type(
                self.problems,
                "a date without quotes, as in 2020-03-01T09:00:00Z",
            );
            return None;
        };
        let Some(seconds) = unix_seconds(date) else {
            let message = "a date needs a day, a time and an offset";
            self.problems
                .add(Problem::at(entry.span(), message).label("write it as 2020-03-01T09:00:00Z"));
            return None;
        };
        match u32::try_from(seconds) {
            Ok(seconds) => Some(Located::new(seconds.into(), entry.span())),
            Err(_) => {
                let message = "the date is out of range";
                self.problems
                    .add(Problem::at(entry.span(), message).label("1970 to the start of 2106"));
                None
            }
        }
    }

    /// Settings may be written as `"area.name" = value` and, the same to TOML's eye, without quotes
    /// or below `[settings.area]`.
    fn settings(&mut self, table: &DeTable<'_>, area: &str, settings: &mut Vec<Setting>) {
        for entry in in_file_order(table) {
            if self.problems.full() {
                return;
            }
            let name = match area {
                "" => entry.key.to_owned(),
                _ => format!("{area}.{}", entry.key),
            };
            if let DeValue::Table(inner) = entry.value() {
                self.settings(inner, &name, settings);
                continue;
            }
            let name = Located::new(name, entry.key_span);
            if settings.iter().any(|other| other.name.value == name.value) {
                let message = format!("{} is given twice", quote(&name));
                self.problems
                    .add(Problem::at(name.span, message).label("the second one"));
                continue;
            }
            let names = self.registry.names();
            if !names.contains(&name.value.as_str()) {
                let message = format!("unknown setting {}", quote(&name));
                self.problems.add(Problem::at(name.span, message).suggest(
                    &name,
                    "known settings",
                    &names,
                ));
                continue;
            }
            let Some(value) = entry.setting(self.problems) else {
                continue;
            };
            match self.registry.check(&name, &value) {
                Ok(()) => settings.push(Setting { name, value }),
                Err(why) => {
                    let message = format!("wrong value for the setting {}", quote(&name));
                    self.problems
                        .add(Problem::at(value.span, message).label(why));
                }
            }
        }
    }

    /// The enterprise parameter `name` with the value of `entry`.
    fn parameter(&mut self, name: Located<String>, entry: Entry<'_>) -> Option<Setting> {
        let names = self.registry.parameter_names();
        if !names.contains(&name.value.as_str()) {
            let message = format!("unknown parameter {}", quote(&name));
            self.problems.add(Problem::at(name.span, message).suggest(
                &name,
                "known parameters",
                &names,
            ));
            return None;
        }
        let value = entry.setting(self.problems)?;
        if let Err(why) = self.registry.check_parameter(&name, &value) {
            let message = format!("wrong value for the parameter {}", quote(&name));
            self.problems
                .add(Problem::at(value.span, message).label(why));
            return None;
        }
        Some(Setting { name, value })
    }
}

/// What stands for a value that an error was reported for; no scenario with an error gets out.
fn nothing() -> Located<String> {
    Located::new(String::new(), 0..0)
}

/// Seconds since 1970 of a date that has a day, a time and an offset.
fn unix_seconds(datetime: &toml::value::Datetime) -> Option<i64> {
    let (date, time, offset) = (datetime.date?, datetime.time?, datetime.offset?);
    let offset_minutes = match offset {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    // Days of the proleptic Gregorian calendar, in years that start in March: a leap day then ends
    // its year, and the days before each month follow a line, (153 m + 2) / 5.
    let (year, month, day) = (
        i64::from(date.year),
        i64::from(date.month),
        i64::from(date.day),
    );
    let year = if month < 3 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = 365 * year + leap_days + (153 * month + 2) / 5 + day - 1;
    /// Days from 0000-03-01 to 1970-01-01.
    const EPOCH: i64 = 719_468;
    let minutes = i64::from(time.hour) * 60 + i64::from(time.minute) - offset_minutes;
    let second = i64::from(time.second.unwrap_or(0));
    Some((days - EPOCH) * 86_400 + minutes * 60 + second)
}
