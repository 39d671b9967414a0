//! A check for people: what becomes of whom, why and the way out; what must be true first; the load.

use std::fmt::Write as _;

use super::{
    certificate_text, doubt, doubt_of_return, fates, in_state, line, needs_visit, phones, who,
};
use crate::check::answer::{Action, Answer, Condition, Fate, Fix, Group, Load, State};
use crate::report::story::{signer_text, thousands};
use crate::report::text::{Paint, count, wrap};
use crate::trust::reason::Code;
use crate::trust::rules::{self, Basis};

/// Width of lines that are wrapped.
const WIDTH: usize = 110;
/// Conditions of one name that hold are shown one by one up to this many.
const GOOD_SHOWN: usize = 4;

/// The whole answer.
pub fn human(answer: &Answer, paint: Paint) -> String {
    let mut out = String::new();
    let (from, to) = (line(&answer.from), line(&answer.to));
    let _ = writeln!(out, "Will the phones of {from} follow to {to}?\n");
    out.push_str(&table(answer, paint));
    for group in &answer.groups {
        explain(&mut out, group, paint);
    }
    out.push_str(&conditions(&answer.conditions, paint));
    out.push_str(&load(&answer.load, paint));
    if !answer.failures.is_empty() {
        let _ = writeln!(out, "{}", paint.strong("Could not be read"));
        for failure in &answer.failures {
            item(&mut out, &paint.warn("?"), 1, &line(failure));
        }
        out.push('\n');
    }
    if !answer.notes.is_empty() {
        let _ = writeln!(out, "{}", paint.strong("To be known"));
        for note in &answer.notes {
            item(&mut out, "-", 1, &line(note));
        }
        out.push('\n');
    }
    out.push_str(&last_line(answer, paint));
    out
}

fn last_line(answer: &Answer, paint: Paint) -> String {
    let bad = in_state(answer, State::Bad);
    let unknown = in_state(answer, State::Unknown);
    let fates = fates(answer);
    let is_good = !answer.groups.is_empty() && answer.groups.iter().all(|g| g.fate.follows());
    let fates = if is_good {
        paint.good(&fates)
    } else {
        paint.bad(&fates)
    };
    let bad_text = match bad {
        0 => "no condition fails".to_owned(),
        1 => "1 condition does not hold".to_owned(),
        n => format!("{n} conditions do not hold"),
    };
    let bad_text = if bad == 0 {
        paint.good(&bad_text)
    } else {
        paint.bad(&bad_text)
    };
    let unknown = match unknown {
        0 => String::new(),
        n => format!(", {}", paint.warn(&format!("{n} not known"))),
    };
    let failures = match answer.failures.len() {
        0 => String::new(),
        n => format!(
            ", {}",
            paint.warn(&format!("{} could not be read", count(n, "thing")))
        ),
    };
    format!("{fates}; {bad_text}{unknown}{failures}\n")
}

fn painted(paint: Paint, fate: Fate, text: &str) -> String {
    match fate {
        Fate::FollowsDirectly | Fate::FollowsThroughTvs => paint.good(text),
        Fate::RegistersUntrusted | Fate::Stranded => paint.bad(text),
        Fate::Unknown => paint.warn(text),
    }
}

fn table(answer: &Answer, paint: Paint) -> String {
    const HEAD: [&str; 6] = ["phones", "", "fate", "reason", "rests on", "resets"];
    let mut rows = vec![HEAD.map(str::to_owned)];
    for g in &answer.groups {
        // That a signature holds is true of every file that is taken.
        let holds = |code: &str| g.fate.follows() && code == Code::SignatureHolds.as_str();
        let reason = match (&g.missing, g.reasons.iter().rfind(|r| !holds(r.code))) {
            (Some(_), _) => "something was not read".to_owned(),
            (None, Some(reason)) => reason.code.to_owned(),
            (None, None) => "-".to_owned(),
        };
        let rests_on = g.rests_on.as_ref().map_or("-", |r| r.basis);
        rows.push([
            g.phones.len().to_string(),
            who(g),
            g.fate.text().to_owned(),
            reason,
            rests_on.to_owned(),
            match g.fate {
                Fate::Unknown => "-".to_owned(),
                _ => g.resets.to_string(),
            },
        ]);
    }
    let width = |c: usize| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
    // The heading of the first column stands over both.
    let first = rows[1..]
        .iter()
        .map(|r| r[0].chars().count())
        .max()
        .unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut out = String::new();
    for (n, row) in rows.iter().enumerate() {
        let rest: Vec<String> = row
            .iter()
            .zip(&widths)
            .skip(2)
            .map(|(cell, &w)| format!("{cell:<w$}"))
            .collect();
        let names = widths[1];
        if n == 0 {
            let w = first + 2 + names;
            let text = format!(" {:<w$}  {}", row[0], rest.join("  ").trim_end());
            let _ = writeln!(out, "{}", paint.strong(&text));
            continue;
        }
        // Colour goes on last, since it has no width.
        let fate = painted(paint, answer.groups[n - 1].fate, &rest[0]);
        let rest = format!("{fate}  {}", rest[1..].join("  ").trim_end());
        let _ = writeln!(out, " {:>first$}  {:<names$}  {rest}", row[0], row[1]);
    }
    out.push('\n');
    out
}

/// A labelled line of a block, wrapped under itself.
fn part(out: &mut String, label: &str, text: &str) {
    for (n, text) in wrap(text, WIDTH - 14).iter().enumerate() {
        let label = if n == 0 { label } else { "" };
        let _ = writeln!(out, "{}", format!("   {label:<10} {text}").trim_end());
    }
}

/// A line of a list, with a mark of `width` columns before it, wrapped under itself.
fn item(out: &mut String, mark: &str, width: usize, text: &str) {
    for (n, text) in wrap(text, WIDTH - width - 3).iter().enumerate() {
        match n {
            0 => {
                let _ = writeln!(out, " {mark}  {text}");
            }
            _ => {
                let _ = writeln!(out, " {:width$}  {text}", "");
            }
        }
    }
}

fn explain(out: &mut String, group: &Group, paint: Paint) {
    let fate = painted(paint, group.fate, group.fate.text());
    let models: Vec<_> = group.models.iter().map(|m| line(m)).collect();
    let models = match models.is_empty() {
        true => String::new(),
        false => format!(" ({})", models.join(", ")),
    };
    let _ = writeln!(out, " {}{models}: {fate}", who(group));
    let follows = group.fate.follows();
    if let Some(missing) = &group.missing {
        part(out, "not known", &line(missing));
    }
    if let Some(signer) = group.signer.as_ref().filter(|_| !follows) {
        part(out, "signer", &signer_text(signer));
    }
    for (n, reason) in group.reasons.iter().enumerate() {
        let label = if n == 0 { "because" } else { "" };
        let place = reason
            .evidence
            .as_ref()
            .filter(|e| !reason.text.contains(e.as_str()))
            .map_or_else(String::new, |e| format!(" ({e})"));
        let code = match n + 1 == group.reasons.len() && !follows {
            true => format!(" [{}]", reason.code),
            false => String::new(),
        };
        part(out, label, &line(&format!("{}{place}{code}", reason.text)));
    }
    if let Some(shows) = shown(group) {
        part(out, "shows", &format!("\"{}\"", line(shows)));
    }
    if let Some(rests_on) = &group.rests_on
        && rests_on.basis != Basis::Documented.to_string()
    {
        for (n, name) in rests_on.rules.iter().enumerate() {
            let what = rules::find(name).map_or_else(String::new, |r| format!(": {}", r.what));
            let label = if n == 0 { "rests on" } else { "" };
            part(
                out,
                label,
                &format!("{} {}{what}", rests_on.basis, line(name)),
            );
        }
    }
    fix(out, group, paint);
    if let Some(back) = &group.back {
        let why = back
            .why
            .as_ref()
            .map_or_else(String::new, |w| format!(": {}", line(w)));
        let text = match back.fate {
            Fate::FollowsDirectly => "these phones can return, with their lists alone",
            Fate::FollowsThroughTvs => "these phones can return, through TVS of the new cluster",
            Fate::Unknown => "not known",
            Fate::RegistersUntrusted => "NO: back home they would register and refuse its files",
            Fate::Stranded => "NO: they could not return",
        };
        let label = if group.fate.follows() {
            "way back"
        } else {
            "back then"
        };
        let sure = doubt_of_return(back).map_or_else(String::new, |doubt| format!(" ({doubt})"));
        part(out, label, &format!("{text}{why}{sure}"));
    }
    out.push('\n');
}

/// The status message that tells most: the last one about trust lists, or else the last.
fn shown(group: &Group) -> Option<&str> {
    let is_trust = |text: &&String| {
        let text = text.to_ascii_lowercase();
        text.contains("trust list") || text.contains("installed") || text.contains("authenticated")
    };
    let last = group
        .status
        .iter()
        .rfind(is_trust)
        .or_else(|| group.status.last());
    last.map(String::as_str)
}

fn fix(out: &mut String, group: &Group, paint: Paint) {
    let Some(fix) = &group.fix else {
        if needs_visit(group) {
            let text = "none was found among what can be changed on the clusters: erase CTL and ITL at each of these phones by hand";
            part(out, "fix", text);
        }
        return;
    };
    for (n, text) in wrap(&line(&fix.text), WIDTH - 14).iter().enumerate() {
        let label = match fix {
            _ if n > 0 => "",
            Fix { proven: true, .. } => "fix",
            Fix { proven: false, .. } => "advice",
        };
        let _ = writeln!(out, "   {label:<10} {}", paint.strong(text));
    }
    // The whole names, to be compared with what the certificate list of the node shows.
    for action in &fix.actions {
        if let Action::Import { certificate, .. } = action
            && !fix.text.contains(&certificate.serial)
        {
            part(out, "", &line(&certificate_text(certificate)));
        }
    }
    match fix.proven {
        true => {
            let proof = "the phone's machine was run again with it, and follows";
            part(out, "proof", &paint.good(proof));
        }
        false => {
            let proof = match fix.actions.is_empty() {
                false => "not proven: this could not be tried with what was read",
                true => "none: nothing that could be tried makes the phone follow",
            };
            part(out, "proof", &paint.warn(proof));
        }
    }
    if let Some(text) = doubt(fix) {
        part(out, "", &format!("rests on {text}"));
    }
    if needs_visit(group) {
        let text = format!("{} by hand", phones(group.phones.len()));
        part(out, "visit", &paint.bad(&text));
    }
}

/// The mark of a state: a word as well as a colour.
fn mark(paint: Paint, state: State) -> String {
    match state {
        State::Good => paint.good("ok  "),
        State::Note => paint.warn("note"),
        State::Bad => paint.bad("BAD "),
        State::Unknown => paint.warn("?   "),
    }
}

fn conditions(all: &[Condition], paint: Paint) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut out = format!("{}\n", paint.strong("What must be true first"));
    for state in [State::Bad, State::Unknown, State::Note] {
        let mut same = all.iter().filter(|c| c.state == state).peekable();
        while let Some(c) = same.next() {
            let sure = match c.basis {
                "documented" => String::new(),
                basis => format!(" [{basis}]"),
            };
            let text = format!("{}: {}: {}{sure}", c.name, line(&c.about), line(&c.text));
            item(&mut out, &mark(paint, state), 4, &text);
            // What the next one asks for too stands once, under the last.
            let goes_on = same
                .peek()
                .is_some_and(|next| next.name == c.name && next.fix == c.fix);
            if let Some(fix) = c.fix.as_ref().filter(|_| !goes_on) {
                for (n, text) in wrap(&line(fix), WIDTH - 13).iter().enumerate() {
                    let label = if n == 0 { "do:" } else { "" };
                    let _ = writeln!(out, "       {label:<3} {text}");
                }
            }
        }
    }
    out.push_str(&good(all, paint));
    out.push('\n');
    out
}

/// What holds, one line each; of many with one name how many.
fn good(all: &[Condition], paint: Paint) -> String {
    let mut out = String::new();
    let good: Vec<_> = all.iter().filter(|c| c.state == State::Good).collect();
    let mut names: Vec<&str> = Vec::new();
    for c in &good {
        if !names.contains(&c.name) {
            names.push(c.name);
        }
    }
    for name in names {
        let same: Vec<_> = good.iter().filter(|c| c.name == name).collect();
        for c in same.iter().take(GOOD_SHOWN) {
            let text = format!("{name}: {}: {}", line(&c.about), line(&c.text));
            item(&mut out, &mark(paint, State::Good), 4, &text);
        }
        if same.len() > GOOD_SHOWN {
            let text = format!("{name}: {} more hold", same.len() - GOOD_SHOWN);
            item(&mut out, &mark(paint, State::Good), 4, &text);
        }
    }
    out
}

fn load(load: &Load, paint: Paint) -> String {
    if load.nodes.is_empty() {
        return String::new();
    }
    let n = usize::try_from(load.phones).unwrap_or(usize::MAX);
    let title = match n {
        1 => "If this phone resets".to_owned(),
        n => format!("If all {} phones reset at once", thousands(n)),
    };
    let mut out = format!("{}\n", paint.strong(&title));
    let number = |n: u64| thousands(usize::try_from(n).unwrap_or(usize::MAX));
    let mut rows = vec![
        [
            "node",
            "cluster",
            "requests",
            "downloads",
            "bytes",
            "TVS questions",
        ]
        .map(str::to_owned),
    ];
    for node in &load.nodes {
        rows.push([
            line(&node.node),
            line(&node.cluster),
            number(node.requests),
            number(node.downloads),
            number(node.bytes),
            number(node.tvs_questions),
        ]);
    }
    let width = |c: usize| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    for (r, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(c, (cell, &w))| {
                if c < 2 {
                    format!("{cell:<w$}")
                } else {
                    format!("{cell:>w$}")
                }
            })
            .collect();
        let text = format!(" {}", cells.join("  "));
        let _ = writeln!(out, "{}", if r == 0 { paint.strong(&text) } else { text });
    }
    let batches = match load.batches {
        0 | 1 => "one batch is enough".to_owned(),
        n => format!(
            "{n} batches of at most {} phones, {} s apart",
            number(load.batch),
            load.pause_secs
        ),
    };
    let _ = writeln!(out, " {}", paint.strong(&batches));
    for text in wrap(&line(&format!("reckoned so: {}", load.basis)), WIDTH - 3) {
        let _ = writeln!(out, "   {text}");
    }
    out.push('\n');
    out
}
