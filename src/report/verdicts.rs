//! The end of a rehearsal: the table, the reasons with the way out, the expectations. Made from
//! events alone.

use super::story::{short, signer_text};
use super::text::Paint;
use crate::event::{Event, Kind, ReasonFacts, SignerFacts};
use crate::trust::rules::{self, Basis};

/// `3 of 5 phones migrated`, for each verdict in the order in which they came.
fn counted<'v>(what: &str, verdicts: impl ExactSizeIterator<Item = &'v str>) -> Vec<String> {
    let total = verdicts.len();
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for verdict in verdicts {
        match counts.iter_mut().find(|(v, _)| *v == verdict) {
            Some((_, n)) => *n += 1,
            None => counts.push((verdict, 1)),
        }
    }
    let text = |(verdict, n): &(&str, usize)| format!("{n} of {total} {what} {verdict}");
    counts.iter().map(text).collect()
}

/// One phone's verdict, as its event told it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    device: String,
    verdict: String,
    ctl: (String, String),
    itl: (String, String),
    tvs_asked: u32,
    follows: String,
    configuration: String,
    rests_on: String,
    rules: Vec<String>,
    reasons: Vec<ReasonFacts>,
    fix: Option<String>,
    signer: Option<SignerFacts>,
    shows: Option<String>,
}

/// Gathers what the end of a rehearsal shows.
#[derive(Debug, Default)]
pub struct Verdicts {
    name: String,
    seed: u64,
    network: String,
    rows: Vec<Row>,
    /// The last signer that a phone refused, and its last trust list message.
    signers: std::collections::BTreeMap<String, SignerFacts>,
    shows: std::collections::BTreeMap<String, String>,
    stand_ins: std::collections::BTreeSet<String>,
    /// Files that phones went on without in their last boot: what and why, by device.
    left_out: std::collections::BTreeMap<String, Vec<String>>,
    failed: Vec<(String, String)>,
    held: usize,
    expectations: usize,
    /// The verdict of each resync of a multiplatform phone.
    resynced: Vec<String>,
}

impl Verdicts {
    /// Takes an event.
    pub fn take(&mut self, event: &Event) {
        match &event.kind {
            Kind::RunStarted {
                name,
                seed,
                network,
                ..
            } => {
                self.name.clone_from(name);
                self.seed = *seed;
                self.network.clone_from(network);
            }
            Kind::Boot { .. } => {
                self.signers.remove(&event.actor);
                self.shows.remove(&event.actor);
                self.left_out.remove(&event.actor);
            }
            Kind::NamedFileRefused { what, reasons, .. } => {
                let why = reasons.last().map_or("", |r| r.text.as_str());
                let texts = self.left_out.entry(event.actor.clone()).or_default();
                texts.push(format!("without its {what}: {why}"));
            }
            Kind::ListRefused {
                signer: Some(s), ..
            }
            | Kind::ConfigRefused {
                signer: Some(s), ..
            } => {
                self.signers
                    .entry(event.actor.clone())
                    .or_insert_with(|| s.clone());
            }
            Kind::Status { text, .. } if is_trust_message(text) => {
                self.shows.insert(event.actor.clone(), text.clone());
            }
            Kind::TvsConnected { tls, .. } => {
                if let Some((_, old)) = tls.split_once("stands in for ") {
                    self.stand_ins.insert(old.to_owned());
                }
            }
            Kind::Verdict {
                verdict,
                ctl_before,
                itl_before,
                ctl_after,
                itl_after,
                tvs_asked,
                follows,
                configuration,
                rests_on,
                rules,
                reasons,
                fix,
                ..
            } => self.rows.push(Row {
                device: event.actor.clone(),
                verdict: verdict.clone(),
                ctl: (ctl_before.clone(), ctl_after.clone()),
                itl: (itl_before.clone(), itl_after.clone()),
                tvs_asked: *tvs_asked,
                follows: follows.clone(),
                configuration: configuration.clone(),
                rests_on: rests_on.clone(),
                rules: rules.clone(),
                reasons: reasons.clone(),
                fix: fix.clone(),
                signer: self.signers.get(&event.actor).cloned(),
                shows: self.shows.get(&event.actor).cloned(),
            }),
            Kind::Expectation {
                text,
                holds: false,
                found,
            } => {
                self.failed
                    .push((text.clone(), found.clone().unwrap_or_default()));
            }
            Kind::Resynced { verdict, .. } => self.resynced.push(verdict.clone()),
            Kind::RunEnded { held, expectations } => {
                self.held = *held;
                self.expectations = *expectations;
            }
            _ => {}
        }
    }

    /// The report. `again` is the command that repeats the run, `seconds` how long it took, where
    /// that is told.
    pub fn text(&self, paint: Paint, again: &str, seconds: Option<f64>) -> String {
        let mut out = match self.rows.is_empty() && !self.resynced.is_empty() {
            true => String::from("\n"),
            false => self.table(paint),
        };
        out.push_str(&self.reasons(paint));
        if !self.stand_ins.is_empty() {
            let old: Vec<_> = self.stand_ins.iter().cloned().collect();
            out.push_str(&format!(
                " note: TLS 1.2 or 1.3 stood in for {}, which these releases or phones speak; a real one may refuse what this lab accepts\n\n",
                old.join(" and ")
            ));
        }
        out.push_str(&self.without_files());
        for (text, found) in &self.failed {
            out.push_str(&format!(" {} expected {text}\n", paint.bad("FAILED")));
            out.push_str(&format!("        found    {found}\n"));
        }
        if !self.failed.is_empty() {
            out.push_str(&format!(" repeat with: {again}\n\n"));
        }
        out.push_str(&self.last_line(paint, seconds));
        out
    }

    /// A note for each file that phones went on without, which no verdict hangs on.
    fn without_files(&self) -> String {
        let mut notes: Vec<(&str, Vec<&str>)> = Vec::new();
        for (device, texts) in &self.left_out {
            for text in texts {
                match notes.iter_mut().find(|(t, _)| t == text) {
                    Some((_, devices)) => devices.push(device),
                    None => notes.push((text, vec![device])),
                }
            }
        }
        let mut out = String::new();
        for (text, devices) in &notes {
            let who = match devices.as_slice() {
                [first, .., last] => {
                    format!("{} to {} ({})", short(first), short(last), devices.len())
                }
                one => one.first().map_or_else(String::new, |d| short(d)),
            };
            out.push_str(&format!(" note: {who} goes on {text}\n"));
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }

    /// One line for a run among many. `broken` is the law of every run that this one broke, a bug of
    /// the program.
    pub fn line(&self, paint: Paint, file: &str, broken: Option<&str>) -> String {
        let (name, counts) = (&self.name, self.counts());
        let mark = match broken {
            Some(law) => {
                let mark = paint.bad("BUG   ");
                return format!("{mark} {file}: {name} ({counts}; broke the law {law})");
            }
            None if self.failed.is_empty() => paint.good("ok    "),
            None => paint.bad("FAILED"),
        };
        format!("{mark} {file}: {name} ({counts})")
    }

    /// The expectations that do not hold, each with what was found instead.
    pub fn failed(&self) -> &[(String, String)] {
        &self.failed
    }

    /// How many expectations were looked at.
    pub fn expectations(&self) -> usize {
        self.expectations
    }

    fn counts(&self) -> String {
        let verdicts = self.rows.iter().map(|row| row.verdict.as_str());
        let mut words = counted("phones", verdicts);
        words.extend(counted("resyncs", self.resynced.iter().map(String::as_str)));
        words.join(", ")
    }

    fn last_line(&self, paint: Paint, seconds: Option<f64>) -> String {
        let held = format!("{} of {} expectations hold", self.held, self.expectations);
        let held = if self.failed.is_empty() {
            paint.good(&held)
        } else {
            paint.bad(&held)
        };
        let (seed, network) = (self.seed, &self.network);
        let seconds = seconds.map_or_else(String::new, |s| format!("{s:.1} s, "));
        format!(
            "{}, {held} ({seconds}seed {seed}, {network})\n",
            self.counts()
        )
    }

    fn table(&self, paint: Paint) -> String {
        let mut lines = vec![[
            "phone".to_owned(),
            "verdict".into(),
            "CTL".into(),
            "ITL".into(),
            "TVS asked".into(),
            "follows".into(),
            "rests on".into(),
        ]];
        for group in self.groups(|a, b| {
            let key = |r: &Row| {
                (
                    r.verdict.clone(),
                    r.ctl.clone(),
                    r.itl.clone(),
                    r.tvs_asked,
                    r.follows.clone(),
                    r.rests_on.clone(),
                )
            };
            // Few phones are shown one by one.
            self.rows.len() > 12 && key(a) == key(b)
        }) {
            let row = group[0];
            lines.push([
                who(&group),
                row.verdict.clone(),
                change(&row.ctl),
                change(&row.itl),
                row.tvs_asked.to_string(),
                row.follows.clone(),
                row.rests_on.clone(),
            ]);
        }
        let width = |c: usize| {
            lines
                .iter()
                .map(|l| l[c].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..7).map(width).collect();
        let mut out = String::from("\n");
        for (i, line) in lines.iter().enumerate() {
            let cells: Vec<_> = line
                .iter()
                .zip(&widths)
                .map(|(c, &w)| format!("{c:<w$}"))
                .collect();
            let text = format!(" {}", cells.join("  ").trim_end());
            out.push_str(&if i == 0 { paint.strong(&text) } else { text });
            out.push('\n');
        }
        out.push('\n');
        out
    }

    fn reasons(&self, paint: Paint) -> String {
        let mut out = String::new();
        let same = |a: &Row, b: &Row| {
            a.verdict == b.verdict
                && a.rules == b.rules
                && a.fix.as_ref().map(|f| without_device(f, a))
                    == b.fix.as_ref().map(|f| without_device(f, b))
                && a.reasons
                    .iter()
                    .map(|r| r.code)
                    .eq(b.reasons.iter().map(|r| r.code))
        };
        for group in self.groups(same) {
            out.push_str(&explain(&group, paint));
        }
        out
    }

    /// Rows that belong together, in the order of their first.
    fn groups(&self, same: impl Fn(&Row, &Row) -> bool) -> Vec<Vec<&Row>> {
        let mut groups: Vec<Vec<&Row>> = Vec::new();
        for row in &self.rows {
            match groups.iter_mut().find(|g| same(g[0], row)) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        groups
    }
}

fn explain(group: &[&Row], paint: Paint) -> String {
    let row = group[0];
    let followed = matches!(row.verdict.as_str(), "migrated" | "unchanged");
    let verdict = if followed {
        paint.good(&row.verdict)
    } else {
        paint.bad(&row.verdict)
    };
    let mut out = format!(" {}: {verdict}\n", who(group));
    let mut part = |label: &str, text: &str| {
        out.push_str(&format!("   {label:<10} {text}\n"));
    };
    if let Some(signer) = row.signer.as_ref().filter(|_| !followed) {
        part("signer", &signer_text(signer));
    }
    for (i, reason) in row.reasons.iter().enumerate() {
        let label = if i == 0 { "because" } else { "" };
        let code = if i + 1 == row.reasons.len() && !followed {
            format!(" [{}]", reason.code)
        } else {
            String::new()
        };
        let place = reason
            .evidence
            .as_ref()
            .filter(|e| !reason.text.contains(e.as_str()))
            .map(|e| format!(" ({e})"))
            .unwrap_or_default();
        part(label, &format!("{}{place}{code}", reason.text));
    }
    if !followed {
        let stays = if row.itl.0 == row.itl.1 && row.ctl.0 == row.ctl.1 {
            format!("on the lists of {}, follows {}", owner(row), row.follows)
        } else {
            format!("holds the lists of {}, follows {}", owner(row), row.follows)
        };
        part("stays", &stays);
        part(
            "config",
            &format!("of its last boot: {}", row.configuration),
        );
    }
    if let Some(shows) = &row.shows {
        part("shows", &format!("\"{shows}\""));
    }
    // A documented rule is no reason for doubt.
    let doubtful = row.rests_on != Basis::Documented.to_string();
    for name in row.rules.iter().filter(|_| doubtful) {
        let what = rules::find(name).map_or("", |r| r.what);
        part("rests on", &format!("{} {name}: {what}", row.rests_on));
    }
    if let Some(fix) = &row.fix {
        part("fix", &paint.strong(fix));
    }
    out.push('\n');
    out
}

/// A sentence without what differs from phone to phone.
fn without_device(text: &str, row: &Row) -> String {
    text.replace(row.device.trim_start_matches("SEP"), "")
}

fn who(group: &[&Row]) -> String {
    match group {
        [one] => short(&one.device),
        [first, .., last] => {
            format!(
                "{} to {} ({})",
                short(&first.device),
                short(&last.device),
                group.len()
            )
        }
        [] => String::new(),
    }
}

fn change((before, after): &(String, String)) -> String {
    if before == after {
        after.clone()
    } else {
        format!("{before} -> {after}")
    }
}

fn owner(row: &Row) -> String {
    match (row.ctl.1.as_str(), row.itl.1.as_str()) {
        ("-", "-") => "nobody".into(),
        ("-", itl) => itl.to_owned(),
        (ctl, itl) if ctl == itl => itl.to_owned(),
        (ctl, itl) => format!("{itl} (ITL) and {ctl} (CTL)"),
    }
}

fn is_trust_message(text: &str) -> bool {
    let t = text.to_ascii_lowercase();
    t.contains("trust list") || t.contains("installed")
}
