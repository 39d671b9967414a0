//! The runbook: the ordered steps of the move, as Markdown, to be printed and ticked off.

use std::fmt::Write as _;

use super::{doubt, doubt_of_return, fates, guess, line, needs_visit, order, phones, who};
use crate::check::answer::{Action, Answer, Condition, Fate, Group, State};
use crate::report::text::wrap;

const WIDTH: usize = 110;
/// The condition that says until when.
const SOURCE_STAYS_UP: &str = "source-stays-up";

/// The whole runbook.
pub fn runbook(answer: &Answer) -> String {
    let mut book = Book {
        out: String::new(),
        section: 0,
    };
    let (from, to) = (text(&answer.from), text(&answer.to));
    book.plain(&format!("# Moving the phones of {from} to {to}"));
    book.plain(&format!(
        "What `trustline check` says: {}. Run it again after every change, and make this runbook anew: it says what was true when it was made.",
        fates(answer)
    ));
    let assumed = answer
        .groups
        .iter()
        .filter(|g| g.fate.follows() && guess(g).is_some());
    let assumed: usize = assumed.map(|g| g.phones.len()).sum();
    if assumed > 0 {
        book.plain(&format!(
            "**Of {} of them that they follow is no documented fact**: section 3 names what it hangs on. Find that out, or move one such phone first.",
            phones(assumed)
        ));
    }
    before(&mut book, answer);
    changes(&mut book, answer);
    pilot(&mut book, answer);
    batches(&mut book, answer);
    stop(&mut book, answer);
    way_back(&mut book, answer);
    after(&mut book, answer);
    book.out
}

struct Book {
    out: String,
    section: usize,
}

impl Book {
    fn section(&mut self, title: &str) {
        self.section += 1;
        let _ = writeln!(self.out, "## {}. {title}\n", self.section);
    }

    fn plain(&mut self, text: &str) {
        for line in wrap(text, WIDTH) {
            let _ = writeln!(self.out, "{line}");
        }
        self.out.push('\n');
    }

    fn item(&mut self, mark: &str, text: &str) {
        for (n, line) in wrap(text, WIDTH - mark.len() - 1).iter().enumerate() {
            match n {
                0 => {
                    let _ = writeln!(self.out, "{mark} {line}");
                }
                _ => {
                    let _ = writeln!(self.out, "{:1$} {line}", "", mark.len());
                }
            }
        }
    }

    /// A step to be ticked off.
    fn step(&mut self, text: &str) {
        self.item("- [ ]", text);
    }

    fn bullet(&mut self, text: &str) {
        self.item("-", text);
    }

    fn end(&mut self) {
        self.out.push('\n');
    }
}

/// A text that came from outside, on one line, and without what Markdown would take for its own.
fn text(outside: &str) -> String {
    let mut safe = String::with_capacity(outside.len());
    for c in line(outside).chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#'
        ) {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// Words that must be found as they stand: a status message, a reason's code.
fn code(outside: &str) -> String {
    format!("`{}`", line(outside).replace('`', "'"))
}

fn before(book: &mut Book, answer: &Answer) {
    book.section("Before: what must be true");
    let of = |state: State| answer.conditions.iter().filter(move |c| c.state == state);
    let (bad, unknown) = (of(State::Bad), of(State::Unknown));
    if bad.clone().next().is_none() && unknown.clone().next().is_none() {
        book.plain("Every condition that was looked at holds.");
    }
    let mut list = |conditions: Vec<&Condition>, lead: &str| {
        if conditions.is_empty() {
            return;
        }
        book.plain(lead);
        for c in conditions {
            let fix = c
                .fix
                .as_deref()
                .map_or_else(String::new, |f| format!(" Do: {}.", text(f)));
            let sure = match c.basis {
                "documented" => String::new(),
                basis => format!(" ({basis})"),
            };
            book.step(&format!(
                "{} {}: {}{sure}.{fix}",
                code(c.name),
                text(&c.about),
                text(&c.text)
            ));
        }
        book.end();
    };
    list(
        bad.collect(),
        "These do not hold. Put them right in this order:",
    );
    list(
        unknown.collect(),
        "These nobody could say. Find out, and do not take silence for yes:",
    );
    // Until when the source stays up stands at the end.
    let notes = of(State::Note).filter(|c| c.name != SOURCE_STAYS_UP);
    list(notes.collect(), "Know this:");
    for failure in &answer.failures {
        book.bullet(&format!("could not be read: {}", text(failure)));
    }
    for note in &answer.notes {
        book.bullet(&format!("to be known: {}", text(note)));
    }
    if !answer.failures.is_empty() || !answer.notes.is_empty() {
        book.end();
    }
}

/// The actions of all fixes, each once: first what goes into stores and databases, then parameters,
/// then restarts, then what is done with phones.
fn changes(book: &mut Book, answer: &Answer) {
    book.section("Changes on the clusters");
    let fixes = answer
        .groups
        .iter()
        .filter_map(|g| Some((g, g.fix.as_ref()?)));
    let mut actions: Vec<(&Action, Vec<&Group>)> = Vec::new();
    for (group, fix) in fixes.clone() {
        for action in &fix.actions {
            match actions.iter_mut().find(|(a, _)| *a == action) {
                Some((_, groups)) => groups.push(group),
                None => actions.push((action, vec![group])),
            }
        }
    }
    let turn = |a: &Action| match a {
        Action::AddPhones { .. } => 0,
        Action::Import { .. } => 1,
        Action::SetParameter { .. } => 2,
        Action::Restart { .. } => 3,
        Action::SetOption150 { .. } => 4,
        Action::HomeFirst { .. } => 5,
        Action::EraseLists => 6,
    };
    let on_clusters = |a: &Action| turn(a) <= 3;
    actions.sort_by_key(|(a, _)| turn(a));
    let mut done = false;
    for (action, groups) in actions.iter().filter(|(a, _)| on_clusters(a)) {
        done = true;
        let whom: Vec<_> = groups.iter().map(|g| text(&who(g))).collect();
        book.step(&format!(
            "{} (for {}){}",
            text(&order(action)),
            whom.join("; "),
            doubts(groups)
        ));
    }
    if done {
        book.end();
        book.plain(
            "An import on the publisher replicates, but for CAPF-trust: look at the store of every node before a restart. Then run `trustline check` again.",
        );
    } else {
        book.plain("None that the check knows of.");
    }
    let unproven: Vec<_> = fixes.filter(|(_, fix)| !fix.proven).collect();
    for (group, fix) in &unproven {
        book.bullet(&format!(
            "not proven, for {}: {}",
            text(&who(group)),
            text(&fix.text)
        ));
    }
    if !unproven.is_empty() {
        book.end();
    }
    for (action, groups) in actions.iter().filter(|(a, _)| !on_clusters(a)) {
        let whom: Vec<_> = groups.iter().map(|g| text(&who(g))).collect();
        book.step(&format!(
            "when phones move, for {}: {}{}",
            whom.join("; "),
            text(&order(action)),
            doubts(groups)
        ));
    }
    if actions.iter().any(|(a, _)| !on_clusters(a)) {
        book.end();
    }
    for (servers, _) in by_servers(answer) {
        if *servers != *answer.option_150 {
            book.plain(&format!(
                "Run `trustline check` with `--option-150 {}` then: it has looked at what {} hand out.",
                servers.iter().map(|s| text(s)).collect::<Vec<_>>().join(","),
                named(&answer.option_150, answer)
            ));
        }
    }
}

/// What is to be known of a step that no fix of these groups proves, or whose proofs rest on guesses: on
/// another one, it may be, for each group.
fn doubts(groups: &[&Group]) -> String {
    let fixes = groups.iter().filter_map(|g| g.fix.as_ref());
    let proven: Vec<_> = fixes.filter(|fix| fix.proven).collect();
    if proven.is_empty() {
        return " - **not proven**: no run of the phone's machine shows that it helps".into();
    }
    let mut all: Vec<String> = Vec::new();
    for doubt in proven.into_iter().filter_map(doubt) {
        if !all.contains(&doubt) {
            all.push(doubt);
        }
    }
    match all.is_empty() {
        true => String::new(),
        false => format!(" - its proof rests on {}", text(&all.join("; and on "))),
    }
}

/// What option 150 is to name for phones that follow or have a proven way: what was planned, but where
/// their fix is to name others.
fn servers_of<'a>(answer: &'a Answer, group: &'a Group) -> Option<&'a [String]> {
    if group.fate.follows() {
        return Some(&answer.option_150);
    }
    let fix = group.fix.as_ref().filter(|fix| fix.proven)?;
    let named = fix.actions.iter().find_map(|action| match action {
        Action::SetOption150 { nodes } => Some(nodes.as_slice()),
        _ => None,
    });
    Some(named.unwrap_or(&answer.option_150))
}

/// The groups that follow or have a proven way, by what option 150 is to name for them.
fn by_servers(answer: &Answer) -> Vec<(&[String], Vec<&Group>)> {
    let mut all: Vec<(&[String], Vec<&Group>)> = Vec::new();
    for group in &answer.groups {
        let Some(servers) = servers_of(answer, group) else {
            continue;
        };
        match all.iter_mut().find(|(s, _)| *s == servers) {
            Some((_, groups)) => groups.push(group),
            None => all.push((servers, vec![group])),
        }
    }
    if all.is_empty() {
        all.push((&answer.option_150, Vec::new()));
    }
    all
}

/// What option 150 is to name, for a sentence.
fn named(servers: &[String], answer: &Answer) -> String {
    let servers: Vec<_> = servers.iter().map(|s| text(s)).collect();
    match servers.as_slice() {
        [] => format!("the TFTP nodes of {}", text(&answer.to)),
        [one] => one.clone(),
        all => format!("{}, in this order", all.join(", ")),
    }
}

fn pilot(book: &mut Book, answer: &Answer) {
    book.section("One phone of each kind");
    let all = by_servers(answer);
    let scope = match all.as_slice() {
        [(servers, _)] => named(servers, answer),
        _ => "the servers that stand at each".to_owned(),
    };
    book.plain(&format!(
        "Give these phones alone a scope (or Alternate TFTP) that names {scope}. A phone whose servers are set by hand asks whether to keep its lists: press Continue. Reset one phone, and watch its status messages.",
    ));
    for group in &answer.groups {
        let first = group.phones.first();
        let first = first.map_or_else(|| "a phone".to_owned(), |p| text(p));
        let name = match group.phones.len() {
            0 | 1 => first,
            _ => format!("{first}, for {}", text(&who(group))),
        };
        let name = match servers_of(answer, group) {
            Some(servers) if all.len() > 1 => {
                format!("{name} (its scope names {})", named(servers, answer))
            }
            _ => name,
        };
        let fixed = group
            .fix
            .as_ref()
            .filter(|fix| fix.proven && !fix.status.is_empty());
        let (lead, status) = match fixed {
            _ if group.fate.follows() => ("shows, in this order", &group.status),
            Some(fix) => (
                "shows, once the changes above are made, in this order",
                &fix.status,
            ),
            None => {
                let state = group.fate.text();
                book.step(&format!(
                    "{name}: {state} as things are. Do not move these phones before the check says that they follow."
                ));
                continue;
            }
        };
        let resets = match (group.fate.follows(), group.resets) {
            (true, n) if n > 1 => format!(", after {n} resets"),
            _ => String::new(),
        };
        let sure = guess(group).filter(|_| group.fate.follows());
        let sure = sure.map_or_else(String::new, |g| format!(" ({})", text(&g)));
        match status.is_empty() {
            true => book.step(&format!("{name}: its status screen has nothing new{sure}")),
            false => book.step(&format!("{name}: {lead}{resets}{sure}:")),
        }
        for message in status {
            book.item("      -", &code(message));
        }
        let then = format!(
            "then it is registered at {}, and a changed setting (a label, a speed dial) reaches it after Apply Config: only that shows that it trusts the files.",
            text(&answer.to)
        );
        book.item("     ", &then);
    }
    book.end();
}

fn batches(book: &mut Book, answer: &Answer) {
    book.section("The others, in batches");
    let load = &answer.load;
    let waits = answer
        .groups
        .iter()
        .filter(|g| !g.fate.follows())
        .map(|g| g.phones.len());
    let waits: usize = waits.sum();
    if waits > 0 {
        book.plain(&format!(
            "**Not yet {}: of them the check does not say that they follow.** Leave option 150 of their scopes as it is, and do not reset them, until it does.",
            phones(waits)
        ));
    }
    let all = by_servers(answer);
    if waits > 0 && answer.groups.iter().all(|g| !g.fate.follows()) {
        if all.iter().all(|(_, groups)| groups.is_empty()) {
            book.plain("There are no others yet.");
            return;
        }
        book.plain("Once the changes above are made, and the check says that they follow:");
    }
    for (servers, groups) in all.iter().filter(|_| load.batches > 0) {
        let whose = match all.len() {
            1 => "the phones' scopes".to_owned(),
            _ => {
                let whom: Vec<_> = groups.iter().map(|g| text(&who(g))).collect();
                format!("the scopes of {}", whom.join("; "))
            }
        };
        book.step(&format!(
            "let option 150 of {whose} name {}; with more than one scope, scope by scope as the batches go",
            named(servers, answer)
        ));
    }
    match load.batches {
        0 => book.plain("How many phones may reset together was not reckoned."),
        1 => book.step("reset the phones: they may all reset together"),
        n => {
            book.step(&format!(
                "reset at most {} phones at a time: {n} batches, {} s between two",
                load.batch, load.pause_secs
            ));
            book.step("after each batch count the phones that are registered at the new cluster, and go on when none is missing");
        }
    }
    book.end();
    if !load.basis.is_empty() {
        book.plain(&format!("Reckoned so: {}.", text(&load.basis)));
    }
}

fn stop(book: &mut Book, answer: &Answer) {
    book.section("When to stop");
    book.plain("Stop at the first phone that shows one of these, and do not reset another:");
    // Status texts of families that are not in the inventory too: what a refused list looks like.
    let mut seen: Vec<String> = ["Trust List update failed", "No Trust List installed"]
        .map(str::to_owned)
        .to_vec();
    let is_alarm = |text: &str| {
        let text = text.to_ascii_lowercase();
        ["failed", "invalid", "error", "timeout", "not found <cfg"]
            .iter()
            .any(|w| text.contains(w))
    };
    for status in answer
        .groups
        .iter()
        .filter(|g| !g.fate.follows())
        .flat_map(|g| &g.status)
    {
        let known = seen.iter().any(|s| s.eq_ignore_ascii_case(status));
        if is_alarm(status) && !known {
            seen.push(status.clone());
        }
    }
    for status in &seen {
        book.bullet(&code(status));
    }
    book.bullet("registered at the new cluster, and a changed setting does not reach it: it refuses the files");
    book.bullet("not registered anywhere when the next batch is due");
    book.end();
    let mut reasons: Vec<(&str, &str)> = Vec::new();
    for g in answer.groups.iter().filter(|g| !g.fate.follows()) {
        if let Some(reason) = g.reasons.last()
            && reasons.iter().all(|(code, _)| *code != reason.code)
        {
            reasons.push((reason.code, &reason.text));
        }
    }
    if !reasons.is_empty() {
        book.plain("What the check found where phones do not follow:");
        for (reason, sentence) in reasons {
            book.bullet(&format!("{}: {}", code(reason), text(sentence)));
        }
        book.end();
    }
    book.plain("`File Not Found <CTLFile.tlv>` is no alarm: a cluster that is not in mixed mode has no CTL.");
}

fn way_back(book: &mut Book, answer: &Answer) {
    let from = text(&answer.from);
    book.section("The way back");
    book.step(&format!(
        "let option 150 name the TFTP nodes of {from} again, and reset the phones that had moved"
    ));
    for group in &answer.groups {
        let Some(back) = &group.back else { continue };
        let whom = text(&who(group));
        let why = back
            .why
            .as_deref()
            .map_or_else(String::new, |w| format!(": {}", text(w)));
        let said = match back.fate {
            Fate::FollowsDirectly | Fate::FollowsThroughTvs => {
                let sure = doubt_of_return(back);
                let sure = sure.map_or_else(String::new, |doubt| format!("; {}", text(&doubt)));
                format!("{whom}: they return ({}{sure})", back.fate.text())
            }
            Fate::Unknown => format!("{whom}: whether they return is not known{why}"),
            Fate::Stranded | Fate::RegistersUntrusted => format!(
                "{whom}: **there is no way back** with lists as they are ({}{why}); exchange certificates in both directions first, or count on erasing lists by hand",
                back.fate.text()
            ),
        };
        book.bullet(&said);
    }
    book.end();
}

fn after(book: &mut Book, answer: &Answer) {
    let from = text(&answer.from);
    book.section("After");
    let up = answer.conditions.iter().find(|c| c.name == SOURCE_STAYS_UP);
    match up {
        Some(c) => book.step(&format!("{}: {}", text(&c.about), text(&c.text))),
        None => book.step(&format!("keep {from} up until every phone has moved")),
    }
    book.step(&format!(
        "look for phones that were switched off: each that comes back later needs TVS of {from}, or a visit"
    ));
    let visits: usize = answer
        .groups
        .iter()
        .filter(|g| needs_visit(g))
        .map(|g| g.phones.len())
        .sum();
    if visits > 0 {
        book.step(&format!(
            "go to {} and erase CTL and ITL there (the work list, --csv, names them)",
            phones(visits)
        ));
    }
    book.end();
}
