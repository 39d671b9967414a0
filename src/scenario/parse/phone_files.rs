//! The files that a cluster names in its phones' configurations.

use super::super::diagnostic::{Located, quote};
use super::super::model::PhoneFiles;
use super::super::words::{ClosedWord, PhoneFile};
use super::Parser;
use super::read::{Entry, Problem, Section};

/// Longest name of a file or a folder.
const MAX_NAME: usize = 64;

impl Parser<'_, '_> {
    /// The value of `phone-files` of a cluster.
    pub(super) fn phone_files(&mut self, entry: Entry<'_>) -> PhoneFiles {
        let mut files = PhoneFiles::default();
        let Some(table) = entry.table(self.problems) else {
            return files;
        };
        let section = Section::new(
            self.problems,
            table,
            Some(entry.key_span),
            "phone-files",
            &[
                "soft-keys",
                "feature-policy",
                "user-locale",
                "network-locale",
                "dial-plan",
                "missing",
                "signed-by",
            ],
        );
        for &file in PhoneFile::ALL {
            let name = section
                .optional(file.as_str())
                .and_then(|entry| entry.text(self.problems));
            if let Some(name) = name {
                self.file_name(&name);
                files.names.push((file, name));
            }
        }
        let missing = section
            .optional("missing")
            .and_then(|entry| entry.words::<PhoneFile>(self.problems));
        for file in missing.unwrap_or_default() {
            if files.name(file.value).is_none() {
                let message = format!("no configuration names `{}`", file.value);
                self.problems.add(
                    Problem::at(file.span, message)
                        .help("`missing` is for files that are named and that no node has"),
                );
            }
            files.missing.push(file.value);
        }
        files.signed_by = section
            .optional("signed-by")
            .and_then(|entry| entry.text(self.problems));
        files
    }

    /// Phones ask for it by this name, and it becomes a file on disk.
    fn file_name(&mut self, name: &Located<String>) {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let is_name = (1..=MAX_NAME).contains(&name.value.len())
            && name.value.bytes().all(fits)
            && !name.value.starts_with('.');
        let taken = [".sgn", ".tlv", ".cnf.xml"];
        let is_taken = taken.iter().any(|end| name.value.ends_with(end));
        if is_name && !is_taken {
            return;
        }
        let message = format!("{} cannot be the name of such a file", quote(&name.value));
        self.problems.add(Problem::at(name.span, message).help(
            "up to 64 letters, digits, `-`, `_` and `.`, and no ending .sgn, .tlv or .cnf.xml: the nodes sign by themselves",
        ));
    }
}
