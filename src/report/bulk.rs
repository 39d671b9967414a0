//! What an action of bulk certificate management came to: for people, and as JSON.

mod json;
mod table;

use std::fmt::Write as _;

use super::text::{Paint, count, day, wrap};
use crate::cluster::Trusted;
use crate::cluster::bulk::directory::DirectoryFault;
use crate::cluster::bulk::{
    Action, End, FileRole, Import, ImportRefusal, LeftOut, Listing, Note, Omitted, Outcome, Refusal,
};
use crate::cluster::x509::PublicCertificate;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::search::short_serial;
use table::table;

pub use json::{SCHEMA_VERSION, not_begun};

/// Width of lines that are wrapped.
const WIDTH: usize = 100;

/// Files of others in the directory that are shown; what is in JSON is all of them.
const MAX_FOREIGN: usize = 10;

/// An action that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The server and the directory, as a URL.
    pub server: &'a str,
    /// What came of the run on the directory.
    pub outcome: &'a Outcome,
    /// What came of the import, where files were fetched for one.
    pub import: Option<Result<&'a Import, &'a ImportRefusal>>,
    /// The phones that are at home in the cluster.
    pub phones: &'a [String],
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was done.
    Done,
    /// The page does not do it: a step is missing, or a rule forbids it.
    Refused,
    /// A file is damaged or somebody else's.
    Malformed,
    /// The server did not do its part.
    Failed,
}

impl Ending {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
        }
    }
}

/// Why an action was not done, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Why.
    pub why: String,
    /// What to do, or which step is missing.
    pub fix: String,
}

impl Report<'_> {
    /// How it ended.
    pub fn ending(&self) -> Ending {
        match (&self.outcome.end, self.import) {
            (End::Refused(refusal), _) => of_refusal(refusal),
            (End::Failed(_), _) => Ending::Failed,
            (_, Some(Err(ImportRefusal::Damaged { .. }))) => Ending::Malformed,
            (_, Some(Err(_))) => Ending::Refused,
            _ => Ending::Done,
        }
    }

    /// Why it was not done; none if it was.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let (why, fix) = match (&self.outcome.end, self.import) {
            (End::Refused(refusal), _) => (refusal.to_string(), refusal.missing_step()),
            (End::Failed(failure), _) => (failure.to_string(), advice(&failure.fault)),
            (_, Some(Err(refusal))) => (
                refusal.to_string(),
                after_import_refusal(refusal).to_owned(),
            ),
            _ => return None,
        };
        Some(Obstacle { why, fix })
    }

    /// What was done, and what the directory holds now.
    pub fn human(&self, paint: Paint) -> String {
        let mut out = String::new();
        let outcome = self.outcome;
        let cluster = &outcome.cluster;
        let of_type = outcome.bulk_type.map_or("", |t| t.name());
        match (self.ending(), outcome.action) {
            (Ending::Refused, action) => {
                // Only what is not done has an obstacle.
                if let Some(Obstacle { why, fix }) = self.obstacle() {
                    let refused = paint.bad(&format!("{cluster} cannot {action} now"));
                    let _ = writeln!(out, "{refused}: {why}");
                    let is_step = matches!(outcome.end, End::Refused(_));
                    field(&mut out, if is_step { "missing" } else { "fix" }, &fix);
                }
            }
            (Ending::Malformed | Ending::Failed, _) => {}
            (Ending::Done, Action::Refresh) => {
                let _ = writeln!(out, "{}, as {cluster} sees it", self.server);
            }
            (Ending::Done, Action::Export) => {
                let files = count(outcome.written.len(), "file");
                let done = paint.good(&format!("{cluster} has exported type {of_type}"));
                let _ = writeln!(out, "{done}: {files} in {}", self.server);
            }
            (Ending::Done, Action::Consolidate) => {
                let files = count(outcome.written.len(), "file");
                let done = paint.good(&format!("{cluster} has consolidated type {of_type}"));
                let _ = writeln!(out, "{done}: {files} in {}", self.server);
            }
            (Ending::Done, Action::Import) => {
                if let Some(Ok(import)) = self.import {
                    self.imported(&mut out, paint, import);
                }
            }
        }
        for note in self.notes() {
            field(&mut out, "note", &note);
        }
        if outcome.action != Action::Import || self.ending() != Ending::Done {
            self.directory(&mut out);
        }
        if self.ending() == Ending::Done {
            for step in self.next() {
                field(&mut out, "next", &step);
            }
        }
        out
    }

    fn notes(&self) -> Vec<String> {
        self.outcome.notes.iter().map(Note::to_string).collect()
    }

    fn directory(&self, out: &mut String) {
        let Some(listing) = &self.outcome.listing else {
            return;
        };
        if listing.files().is_empty() {
            out.push_str("\n  the directory is empty\n\n");
            return;
        }
        let mut rows =
            vec![["file", "bytes", "type", "cluster", "node", "role"].map(str::to_owned)];
        let mut foreign = 0_usize;
        for file in listing.files() {
            if file.role == FileRole::Foreign {
                foreign += 1;
                if foreign > MAX_FOREIGN {
                    continue;
                }
            }
            let [unit, cluster, node, role] = role_of(&file.role);
            rows.push([
                escape_for_terminal(file.name.as_bytes()),
                file.bytes.to_string(),
                unit.to_owned(),
                cluster.to_owned(),
                node.to_owned(),
                role.to_owned(),
            ]);
        }
        out.push('\n');
        out.push_str(&table(&rows, &[1]));
        if foreign > MAX_FOREIGN {
            let more = count(foreign - MAX_FOREIGN, "more foreign file");
            let _ = writeln!(out, "  and {more}: is this the directory of the exchange?");
        }
        out.push('\n');
    }

    fn imported(&self, out: &mut String, paint: Paint, import: &Import) {
        let cluster = &self.outcome.cluster;
        let results = || import.imported.iter().flat_map(|i| &i.stores);
        let is_news = results().any(|(_, result)| *result != Trusted::AlreadyThere);
        let what = if is_news {
            count(import.imported.len(), "certificate")
        } else {
            "nothing new".to_owned()
        };
        let done = paint.good(&format!("{cluster} has imported {what}"));
        let _ = writeln!(out, "{done} from {}", self.server);
        let mut rows = vec![["certificate", "kind", "from", "store", "result"].map(str::to_owned)];
        for imported in &import.imported {
            let from = imported.from.as_ref();
            let from = from.map_or_else(|| "-".into(), |f| format!("{} of {}", f.node, f.cluster));
            for (number, (store, result)) in imported.stores.iter().enumerate() {
                let once = |text: String| if number == 0 { text } else { String::new() };
                rows.push([
                    once(named(&imported.certificate)),
                    once(imported.kind.name().to_owned()),
                    once(from.clone()),
                    store.name().to_owned(),
                    result_text(result),
                ]);
            }
        }
        out.push('\n');
        out.push_str(&table(&rows, &[]));
        out.push('\n');
        let is_own = |o: &&Omitted| o.why == LeftOut::Own;
        let own = import.omitted.iter().filter(is_own).count();
        if own > 0 {
            let text = format!("{} of its own", count(own, "certificate"));
            field(out, "left out", &text);
        }
        for other in import.omitted.iter().filter(|o| !is_own(o)) {
            let text = format!("{}: {}", named(&other.certificate), other.why);
            field(out, "left out", &paint.warn(&text));
        }
        field(out, "phones", &self.resets(import));
        for follow_up in &import.follow_ups {
            let needed = if follow_up.is_needed {
                "needed in this lab before TVS answers"
            } else {
                "not needed in this lab"
            };
            let (what, basis, source) = (follow_up.what, follow_up.basis, follow_up.source);
            field(
                out,
                "then",
                &format!("{what} ({needed}; {basis}: {source})"),
            );
        }
    }

    /// Which phones reset.
    fn resets(&self, import: &Import) -> String {
        let cluster = &self.outcome.cluster;
        if !import.resets_phones {
            return format!("none of {cluster} resets by itself");
        }
        let at_home = match self.phones {
            [] => "this world has none at home there".to_owned(),
            [one] => format!("at home there: {one}"),
            [first, .., last] => {
                format!("at home there: {first} to {last} ({})", self.phones.len())
            }
        };
        format!(
            "all that are registered with {cluster} reset (documented: admin guide 14); {at_home}"
        )
    }

    /// What an engineer does next.
    pub fn next(&self) -> Vec<String> {
        let Some(listing) = &self.outcome.listing else {
            return Vec::new();
        };
        let buttons = listing.buttons();
        let next = match self.outcome.action {
            Action::Import => return Vec::new(),
            Action::Consolidate => "import on each cluster",
            _ if !buttons.contains(&Action::Consolidate) => {
                match listing.clusters(&crate::cluster::bulk::Unit::ALL).len() {
                    0 => "export on both clusters",
                    _ => "export on the other cluster",
                }
            }
            Action::Export => "consolidate on one of the clusters",
            Action::Refresh if buttons.contains(&Action::Import) => "import on each cluster",
            Action::Refresh => "consolidate on one of the clusters",
        };
        vec![next.to_owned()]
    }
}

fn of_refusal(refusal: &Refusal) -> Ending {
    match refusal {
        Refusal::BadFile { .. } | Refusal::CannotWrite { .. } => Ending::Malformed,
        _ => Ending::Refused,
    }
}

fn after_import_refusal(refusal: &ImportRefusal) -> &'static str {
    match refusal {
        ImportRefusal::Damaged { .. } => {
            "export again on the cluster that the certificate is from, then consolidate"
        }
        ImportRefusal::Expired { .. } => {
            "regenerate the certificate on its cluster, export, consolidate"
        }
        ImportRefusal::NewerRelease { .. } => {
            "upload the certificates one by one: CallManager and ITLRecovery to Phone-SAST-trust \
             and CallManager-trust"
        }
        ImportRefusal::Nothing { .. } => "export on the other cluster, then consolidate",
    }
}

/// What to do about a directory that fails.
pub fn advice(fault: &DirectoryFault) -> String {
    match fault {
        DirectoryFault::Unreachable(_) => {
            "see that the SFTP server runs, and that host and port of --server are right".into()
        }
        DirectoryFault::HostKeyChanged { found, .. } => format!(
            "ask whoever runs the server; if it was given a new key, take that one: --host-key {}",
            // Without the algorithm after it, whose parentheses a shell does not take.
            found.split(' ').next().unwrap_or(found)
        ),
        DirectoryFault::LoginRefused => {
            "see the user in --server, and the password or the key that belongs to it".into()
        }
        DirectoryFault::NoDirectory => {
            "make the directory on the server, or name another in --server".into()
        }
        DirectoryFault::NoFile => "somebody removed it meanwhile: do the same again".into(),
        DirectoryFault::ReadOnly => {
            "let the user write there, or name another directory in --server".into()
        }
        DirectoryFault::DiskFull => "make room on the server, then do the same again".into(),
        DirectoryFault::Cut => {
            "do the same again; every file in the directory that has its name is whole".into()
        }
        DirectoryFault::Other(_) => "see the log of the SFTP server".into(),
    }
}

/// Type, cluster, node and role of a file.
fn role_of(role: &FileRole) -> [&str; 4] {
    match role {
        FileRole::Exported {
            cluster,
            node,
            unit,
        } => [unit.name(), cluster, node, "exported"],
        FileRole::Consolidated { unit } => [unit.name(), "-", "-", "consolidated"],
        FileRole::Unfinished { cluster } => ["-", cluster, "-", "unfinished"],
        FileRole::Foreign => ["-", "-", "-", "foreign"],
    }
}

/// `CN=dst-pub 4D:8C:..:B7`.
fn named(certificate: &PublicCertificate) -> String {
    let name = certificate.subject_text.split(';').next();
    let name = escape_for_terminal(name.unwrap_or_default().as_bytes());
    format!("{name} {}", short_serial(&certificate.serial))
}

fn result_text(result: &Trusted) -> String {
    let began = |c: &PublicCertificate| {
        let day = day(i64::try_from(c.not_before).unwrap_or(i64::MAX));
        format!("{}, from {day}", short_serial(&c.serial))
    };
    match result {
        Trusted::Added => "added".into(),
        Trusted::AlreadyThere => "there already".into(),
        Trusted::Replaced { old } => format!("replaces {}", began(old)),
        Trusted::DroppedOlder { existing } => {
            format!("dropped: {} stays, for it is not older", began(existing))
        }
    }
}

/// `  name: text` on one or more lines.
fn field(out: &mut String, name: &str, text: &str) {
    let lead = format!("  {name:<10}");
    let rest = " ".repeat(lead.len());
    for (number, line) in wrap(text, WIDTH - lead.len()).iter().enumerate() {
        let start = if number == 0 { &lead } else { &rest };
        let _ = writeln!(out, "{start}{line}");
    }
}

/// The buttons of the page, by the names of their commands.
fn buttons(listing: &Listing) -> Vec<&'static str> {
    listing.buttons().into_iter().map(Action::name).collect()
}

#[cfg(test)]
mod tests;
