//! What a check found, as a table for people, as JSON, as a work list and as a runbook. All are made
//! from a [`crate::check::answer::Answer`] alone.

mod human;
mod json;
mod runbook;
mod work_list;

pub use human::human;
pub use json::{SCHEMA_VERSION, json};
pub use runbook::runbook;
pub use work_list::{Columns, work_list};

use super::story::short;
use crate::check::answer::{
    Action, Answer, Fate, Fix, Group, RestsOn, State, WayBack, Whose, parameter_titles,
};
use crate::trust::certificate::escape_for_terminal;
use crate::trust::rules::Basis;

/// How many phones of a group are named where the group has more.
const NAMED: usize = 3;

/// A text that came from outside, on one line.
fn line(text: &str) -> String {
    escape_for_terminal(text.as_bytes())
}

/// `SEP..4401`, `SEP..4401, SEP..4402 and 40 more`.
fn who(group: &Group) -> String {
    let names: Vec<_> = group.phones.iter().map(|p| line(&short(p))).collect();
    match names.len() {
        0 => "no phone".into(),
        n if n <= NAMED => names.join(", "),
        n => format!("{}, {} and {} more", names[0], names[1], n - 2),
    }
}

fn phones(n: usize) -> String {
    super::text::count(n, "phone")
}

/// Phones with this fate.
fn count(answer: &Answer, wanted: impl Fn(Fate) -> bool) -> usize {
    let groups = answer.groups.iter().filter(|g| wanted(g.fate));
    groups.map(|g| g.phones.len()).sum()
}

/// `5 of 6 phones follow, 1 stranded`.
fn fates(answer: &Answer) -> String {
    let total = count(answer, |_| true);
    let follow = count(answer, Fate::follows);
    let verb = if total == 1 { "follows" } else { "follow" };
    let mut text = format!("{follow} of {} {verb}", phones(total));
    for (fate, word) in [
        (Fate::Stranded, "stranded"),
        (Fate::RegistersUntrusted, "registered and untrusted"),
        (Fate::Unknown, "unknown"),
    ] {
        let n = count(answer, |f| f == fate);
        if n > 0 {
            text.push_str(&format!(", {n} {word}"));
        }
    }
    text
}

/// How many conditions are in a state.
fn in_state(answer: &Answer, state: State) -> usize {
    answer
        .conditions
        .iter()
        .filter(|c| c.state == state)
        .count()
}

/// True if somebody must go to the phone: its fix says so, or nothing else was found.
fn needs_visit(group: &Group) -> bool {
    if group.fate.follows() || group.fate == Fate::Unknown {
        return false;
    }
    match &group.fix {
        Some(fix) => fix.actions.contains(&Action::EraseLists),
        None => true,
    }
}

/// `documented`, `assumed: tvs.restart_needed; it holds the list that src-pub serves now`.
fn rests_on(rests_on: &RestsOn) -> String {
    let basis = rests_on.basis;
    match rests_on.rules.is_empty() || basis == Basis::Documented.to_string() {
        true => basis.to_owned(),
        false => line(&format!("{basis}: {}", rests_on.rules.join("; "))),
    }
}

/// What a fate rests on, where that is not documented.
fn guess(group: &Group) -> Option<String> {
    undocumented(group.rests_on.as_ref())
}

/// What the proof of a fix rests on, where that is not documented.
fn doubt(fix: &Fix) -> Option<String> {
    undocumented(fix.rests_on.as_ref())
}

/// What the way back rests on, where phones can return and that is not documented.
fn doubt_of_return(back: &WayBack) -> Option<String> {
    undocumented(back.rests_on.as_ref()).filter(|_| back.fate.follows())
}

fn undocumented(found: Option<&RestsOn>) -> Option<String> {
    let found = found?;
    (found.basis != Basis::Documented.to_string()).then(|| rests_on(found))
}

/// An action as an order.
fn order(action: &Action) -> String {
    let text = match action {
        Action::Import {
            certificate,
            from,
            into,
            store,
        } => {
            let whence = match from.as_str() {
                "" => "out of the list that has it, as no node was read that has it as its own,"
                    .into(),
                from => format!("from {from}"),
            };
            let what = certificate_text(certificate);
            format!("upload {what} {whence} into {store} of {into}")
        }
        Action::Restart {
            service,
            cluster,
            nodes,
        } => format!("restart {service} on {} of {cluster}", nodes.join(", ")),
        Action::SetParameter {
            cluster,
            parameter,
            value,
        } => {
            let (parameter, value) = parameter_titles(parameter, value);
            format!("set the enterprise parameter \"{parameter}\" of {cluster} to {value}")
        }
        Action::AddPhones { cluster } => format!("add the phones to the database of {cluster}"),
        Action::SetOption150 { nodes } => {
            format!("let option 150 name {}, in this order", nodes.join(", "))
        }
        Action::HomeFirst { cluster } => format!(
            "point option 150 back at {cluster}, reset the phones, and wait until they have its newest lists"
        ),
        Action::EraseLists => "erase CTL and ITL at each of these phones by hand".into(),
    };
    line(&text)
}

/// `ITLRecovery of dst-pub (subject CN=..., issuer CN=..., serial 7B9E...)`.
fn certificate_text(whose: &Whose) -> String {
    let kind = if whose.kind.is_empty() {
        "the certificate"
    } else {
        &whose.kind
    };
    let node = if whose.node.is_empty() {
        String::new()
    } else {
        format!(" of {}", whose.node)
    };
    let issuer = if whose.issuer == whose.subject {
        "self-signed".to_owned()
    } else {
        format!("issuer {}", whose.issuer)
    };
    format!(
        "{kind}{node} (subject {}, {issuer}, serial {})",
        whose.subject, whose.serial
    )
}
