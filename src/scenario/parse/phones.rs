//! The phones of a scenario.

use toml::de::DeTable;

use super::super::diagnostic::{Located, Span, quote};
use super::super::model::PhoneGroup;
use super::super::select::is_group_name;
use super::super::words::{CertificateRecord, ClosedWord, FirmwareProfile, PhoneSecurity};
use super::read::{Entry, Problem, Section, in_file_order};
use super::{MAX_CLUSTERS, MAX_GROUP_PHONES, MAX_PHONE_GROUPS, MAX_PHONES, Parser, nothing};
use crate::phone::Profile;

/// Models that look like 7900 phones and have no Security By Default (Cisco 118893).
const WITHOUT_LISTS: [&str; 2] = ["CP-7940", "CP-7960"];

impl Parser<'_, '_> {
    pub(super) fn phones(&mut self, root: &Section<'_>) -> Vec<PhoneGroup> {
        let tables = self.tables(root, "phones", MAX_PHONE_GROUPS);
        if root.optional("phones").is_none() {
            self.problems.add(
                Problem::in_file("the scenario has no phones")
                    .help("add [[phones]] with count, model and cluster"),
            );
        }
        let mut groups: Vec<PhoneGroup> = Vec::new();
        let mut first: usize = 1;
        for (span, table) in tables {
            let group = self.phone_group(span, table, first);
            if let Some(name) = &group.name
                && groups
                    .iter()
                    .filter_map(|other| other.name.as_ref())
                    .any(|o| **o == **name)
            {
                let message = format!("a group of phones is called {} already", quote(name));
                self.problems.add(Problem::at(name.span, message));
            }
            first = first.saturating_add(group.count);
            if first > MAX_PHONES + 1 {
                let message = format!("{} phones, more than {MAX_PHONES}", first - 1);
                self.problems.add(Problem::at(span, message));
                break;
            }
            groups.push(group);
        }
        groups
    }

    fn phone_group(&mut self, span: Span, table: &DeTable<'_>, first: usize) -> PhoneGroup {
        let section = Section::new(
            self.problems,
            table,
            Some(span),
            "[[phones]]",
            &[
                "name",
                "count",
                "model",
                "cluster",
                "security",
                "lsc",
                "profile",
                "encrypted-config",
                "certificate-records",
            ],
        );
        let name = section
            .optional("name")
            .and_then(|entry| entry.text(self.problems));
        if let Some(name) = &name
            && !is_group_name(name)
        {
            let message = format!("{} cannot be the name of a group", quote(name));
            self.problems.add(
                Problem::at(name.span, message)
                    .help("a name starts with a letter and goes on with letters, digits, - and _"),
            );
        }
        let count = section
            .required(self.problems, "count", "how many phones")
            .and_then(|entry| entry.number(self.problems, 1..=MAX_GROUP_PHONES))
            .and_then(|count| usize::try_from(count.value).ok())
            .unwrap_or(1);
        let profile = section
            .optional("profile")
            .and_then(|entry| entry.word::<FirmwareProfile>(self.problems))
            .map(|profile| profile.value);
        let model = section
            .required(self.problems, "model", "their model, as in \"CP-8861\"")
            .and_then(|entry| entry.text(self.problems))
            .unwrap_or_else(nothing);
        let chosen = if model.value.is_empty() {
            None
        } else if is_model(&model.value) {
            if WITHOUT_LISTS.iter().any(|m| model.value.starts_with(m)) {
                let message = format!("{} takes no trust list", quote(&model.value));
                self.problems.add(Problem::at(model.span, message).help(
                    "CP-7940 and CP-7960 have no Security By Default (Cisco 118893): they hold \
                     no ITL and ask no TVS, so no profile is theirs",
                ));
                None
            } else {
                profile.or_else(|| profile_of(&model.value)).or_else(|| {
                    let message =
                        format!("no firmware profile is known for {}", quote(&model.value));
                    self.problems.add(Problem::at(model.span, message).help(
                        "known: CP-78xx (7800), CP-7906 to CP-7975 (7900), CP-88xx (8800); \
                         for others say which one with `profile`",
                    ));
                    None
                })
            }
        } else {
            let message = format!("{} is not a model of phone", quote(&model.value));
            self.problems.add(
                Problem::at(model.span, message)
                    .help("a model is CP- and four digits, as in CP-8861 or CP-7945G"),
            );
            None
        };
        let cluster = section
            .required(self.problems, "cluster", "where they boot first")
            .and_then(|entry| entry.text(self.problems))
            .unwrap_or_else(nothing);
        let security = section
            .optional("security")
            .and_then(|entry| entry.word(self.problems))
            .map_or(PhoneSecurity::NonSecure, |security| security.value);
        let lsc = section
            .optional("lsc")
            .and_then(|entry| entry.flag(self.problems))
            .unwrap_or(false);
        let encrypted_config = section
            .optional("encrypted-config")
            .and_then(|entry| entry.flag(self.problems))
            .unwrap_or(false);
        let certificate_records = match section.optional("certificate-records") {
            Some(entry) => self.certificate_records(entry, lsc),
            None => Vec::new(),
        };
        PhoneGroup {
            name,
            first,
            count,
            model,
            profile: chosen.unwrap_or(FirmwareProfile::Series8800),
            cluster,
            security,
            lsc,
            encrypted_config,
            certificate_records,
        }
    }

    /// What clusters have of the phones' certificates.
    fn certificate_records(
        &mut self,
        entry: Entry<'_>,
        lsc: bool,
    ) -> Vec<(Located<String>, CertificateRecord)> {
        let Some(table) = entry.table(self.problems) else {
            return Vec::new();
        };
        let mut records = Vec::new();
        for entry in in_file_order(table).into_iter().take(MAX_CLUSTERS) {
            let Some(record) = entry.word::<CertificateRecord>(self.problems) else {
                continue;
            };
            if record.value != CertificateRecord::None && !lsc {
                let message = "these phones have no LSC that a cluster could have";
                self.problems
                    .add(Problem::at(record.span, message).help("say `lsc = true`"));
            }
            let cluster = Located::new(entry.key.to_owned(), entry.key_span);
            records.push((cluster, record.value));
        }
        records
    }
}

/// `CP-` and four digits, then perhaps letters (`G`) and a suffix (`-GE`).
fn is_model(model: &str) -> bool {
    let Some(rest) = model.strip_prefix("CP-") else {
        return false;
    };
    let Some((digits, rest)) = rest.split_at_checked(4) else {
        return false;
    };
    let (letters, suffix) = match rest.split_once('-') {
        Some((letters, suffix)) => (letters, Some(suffix)),
        None => (rest, None),
    };
    digits.bytes().all(|b| b.is_ascii_digit())
        && letters.len() <= 2
        && letters.bytes().all(|b| b.is_ascii_uppercase())
        && suffix.is_none_or(|suffix| {
            (1..=3).contains(&suffix.len())
                && suffix
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        })
}

/// The firmware that phones of a model run.
fn profile_of(model: &str) -> Option<FirmwareProfile> {
    FirmwareProfile::from_word(Profile::of_model(model)?.name)
}
