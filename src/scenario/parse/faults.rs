//! The steps that break things on purpose: links, clocks, and what happens while phones boot.

use std::time::Duration;

use toml::de::DeValue;

use super::super::diagnostic::{Located, Span, quote};
use super::super::model::{Action, ClockJump, Nodes, Step};
use super::super::words::ServedFile;
use super::Parser;
use super::read::{Entry, Problem, Problems, Section};
use crate::phone::power::LONGEST_BOOT;
use crate::sim::{Link, PerMille};

/// The keys of a link, as `set-link` has them.
const OF_LINK: [&str; 8] = [
    "loss",
    "duplicate",
    "reorder",
    "corrupt",
    "latency",
    "jitter",
    "partition",
    "lose-first",
];

/// The statuses that a node can be told to answer with over HTTP; 200 is back to normal.
const STATUSES: [u16; 5] = [200, 403, 404, 500, 503];

/// The most datagrams that `lose-first` may name: no transfer sends as many before it gives up.
const MAX_LOSE_FIRST: u64 = 1_000;
/// The slowest link: by then every machine has given up.
const MAX_LATENCY: Duration = Duration::from_secs(10);
/// The longest jump of a clock: ten years.
const MAX_JUMP: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Units of time, with their length in microseconds.
const UNITS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

impl Parser<'_, '_> {
    pub(super) fn set_link(&mut self, s: &Section<'_>) -> Option<Action> {
        let phones = self.phones_of(s);
        let nodes = self.nodes_of(s);
        let default = Link::default();
        let mut share = |key| match s.optional(key) {
            Some(entry) => percent(self.problems, entry),
            None => Some(PerMille::NONE),
        };
        let (loss, duplicate) = (share("loss"), share("duplicate"));
        let (reorder, corrupt) = (share("reorder"), share("corrupt"));
        let mut time = |key, or| match s.optional(key) {
            Some(entry) => duration(self.problems, entry, MAX_LATENCY),
            None => Some(or),
        };
        let latency = time("latency", default.latency);
        let jitter = time("jitter", default.jitter);
        let partition = match s.optional("partition") {
            Some(entry) => entry.flag(self.problems),
            None => Some(false),
        };
        let lose_first = match s.optional("lose-first") {
            Some(entry) => entry
                .number(self.problems, 0..=MAX_LOSE_FIRST)
                .and_then(|n| u16::try_from(n.value).ok()),
            None => Some(0),
        };
        if OF_LINK.iter().all(|key| s.optional(key).is_none())
            && let Some(span) = s.span
        {
            let message = "this step says nothing about the link";
            self.problems.add(Problem::at(span, message).help(format!(
                "give it one of: {}; `clear-links` makes every link whole",
                OF_LINK.join(", ")
            )));
        }
        let link = Link {
            latency: latency?,
            jitter: jitter?,
            loss: loss?,
            duplicate: duplicate?,
            reorder: reorder?,
            corrupt: corrupt?,
            partition: partition?,
            lose_first: lose_first?,
        };
        let set = Action::SetLink {
            phones: phones?,
            nodes: nodes?,
            link,
        };
        self.later(s, set)
    }

    pub(super) fn answer_http(&mut self, s: &Section<'_>) -> Option<Action> {
        let what = "the TFTP node that answers";
        let node = s.required(self.problems, "node", what);
        let node = node.and_then(|entry| entry.text(self.problems));
        let file = match s.optional("file") {
            Some(entry) => Some(entry.word::<ServedFile>(self.problems)?.value),
            None => None,
        };
        let known = STATUSES.map(|status| status.to_string()).join(", ");
        let status = s.required(self.problems, "status", &format!("one of: {known}"))?;
        let status = status.number(self.problems, 0..=u64::from(u16::MAX))?;
        let Some(&found) = STATUSES.iter().find(|s| u64::from(**s) == status.value) else {
            let message = format!("no node is told to answer with status {}", status.value);
            let problem = Problem::at(status.span, message);
            self.problems.add(problem.label(format!("one of: {known}")));
            return None;
        };
        Some(Action::AnswerHttp {
            node: node?,
            file,
            status: found,
        })
    }

    pub(super) fn jump_clock(&mut self, s: &Section<'_>) -> Option<Action> {
        let what = "how far the clocks jump: \"+2h\", \"-30m\"";
        let entry = s.required(self.problems, "by", what);
        let by = entry.and_then(|entry| jump(self.problems, entry));
        let of_phones = s.optional("phones").is_some();
        let of_nodes = s.optional("nodes").is_some();
        if !of_phones
            && !of_nodes
            && let Some(span) = s.span
        {
            let message = "step `jump-clock` does not say whose clocks";
            self.problems
                .add(Problem::at(span, message).help("give it `phones`, `nodes` or both"));
            return None;
        }
        let phones = match of_phones {
            true => Some(self.phones_of(s)?),
            false => None,
        };
        let nodes = match of_nodes {
            true => Some(self.nodes_of(s)?),
            false => None,
        };
        Some(Action::JumpClock(ClockJump {
            by: by?,
            phones,
            nodes,
        }))
    }

    /// The nodes that a step is about; all unless given.
    fn nodes_of(&mut self, s: &Section<'_>) -> Option<Nodes> {
        let Some(entry) = s.optional("nodes") else {
            return Some(Nodes::All);
        };
        if matches!(entry.value(), DeValue::String(word) if word == "all") {
            return Some(Nodes::All);
        }
        if matches!(entry.value(), DeValue::String(_)) {
            entry.wrong_type(self.problems, "\"all\" or a list of nodes");
            return None;
        }
        entry.names(self.problems).map(Nodes::Named)
    }

    /// The same action, put off into the next boot if the step says so.
    pub(super) fn later(&mut self, s: &Section<'_>, action: Action) -> Option<Action> {
        let Some(entry) = s.optional("after") else {
            return Some(action);
        };
        let after = duration(self.problems, entry, LONGEST_BOOT)?;
        Some(Action::Later {
            after: Located::new(after, entry.span()),
            action: Box::new(action),
        })
    }

    /// Reports what is put off into a boot that never comes.
    pub(super) fn check_later(&mut self, steps: &[Step]) {
        let boots = |step: &Step| {
            matches!(
                step.action,
                Action::ResetPhones { .. }
                    | Action::EraseLists { .. }
                    | Action::FactoryReset { .. }
                    | Action::Bulk { .. }
            )
        };
        let last_boot = steps.iter().rposition(boots);
        for (index, step) in steps.iter().enumerate() {
            if let Action::Later { after, .. } = &step.action
                && last_boot.is_none_or(|last| last < index)
            {
                let message = "no later step boots phones, so this never happens";
                self.problems.add(
                    Problem::at(after.span, message)
                        .help("`after` counts from the start of the next boot: add reset-phones behind it, or leave `after` out"),
                );
            }
        }
    }
}

/// A share in percent, with one decimal at most.
fn percent(problems: &mut Problems<'_>, entry: Entry<'_>) -> Option<PerMille> {
    let per_mille = match entry.value() {
        DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|n| *n <= 100)
            .map(|n| n * 10),
        DeValue::Float(number) => tenths(number.as_str()),
        _ => {
            entry.wrong_type(problems, "a number of percent");
            return None;
        }
    };
    if per_mille.is_none() {
        let message = format!("{} is out of range", quote(entry.key));
        problems.add(
            Problem::at(entry.span(), message).label("0 to 100 percent, with one decimal at most"),
        );
    }
    per_mille.map(PerMille::new)
}

/// `12.5` as 125, up to 1,000.
fn tenths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.')?;
    let whole: u16 = whole.strip_prefix('+').unwrap_or(whole).parse().ok()?;
    let part: u16 = match part.trim_end_matches('0') {
        "" => 0,
        digit if digit.len() == 1 => digit.parse().ok()?,
        _ => return None,
    };
    whole
        .checked_mul(10)?
        .checked_add(part)
        .filter(|n| *n <= 1_000)
}

/// A time such as "300ms".
fn duration(problems: &mut Problems<'_>, entry: Entry<'_>, limit: Duration) -> Option<Duration> {
    let text = entry.string(problems)?;
    let time = measured(problems, text.span, text.value, text.value)?;
    within(problems, text.span, entry.key, time, limit)
}

/// A jump such as "+2h", in seconds.
fn jump(problems: &mut Problems<'_>, entry: Entry<'_>) -> Option<i64> {
    let text = entry.string(problems)?;
    let (sign, rest) = match text.value.as_bytes().first() {
        Some(b'+') => (1, &text.value[1..]),
        Some(b'-') => (-1, &text.value[1..]),
        _ => {
            let message = format!("{} does not say which way", quote(text.value));
            problems
                .add(Problem::at(text.span, message).label("begin it with + or -, as in \"+2h\""));
            return None;
        }
    };
    let time = measured(problems, text.span, text.value, rest)?;
    let time = within(problems, text.span, entry.key, time, MAX_JUMP)?;
    if time.is_zero() || time.subsec_nanos() != 0 {
        let message = format!("{} is no jump of a clock", quote(text.value));
        problems.add(Problem::at(text.span, message).label("wall clocks count whole seconds"));
        return None;
    }
    i64::try_from(time.as_secs()).ok().map(|secs| sign * secs)
}

fn within(
    problems: &mut Problems<'_>,
    span: Span,
    key: &str,
    time: Duration,
    limit: Duration,
) -> Option<Duration> {
    if time <= limit {
        return Some(time);
    }
    let message = format!("{} is out of range", quote(key));
    problems.add(Problem::at(span, message).label(format!("up to {}", shown(limit))));
    None
}

/// A number with its unit; `whole` is what the file says, for messages.
fn measured(problems: &mut Problems<'_>, span: Span, whole: &str, text: &str) -> Option<Duration> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let names = UNITS.map(|(name, _)| name);
    let Some((_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let problem = Problem::at(span, format!("{} is no time", quote(whole)));
        let problem = match unit {
            "" => problem.label("a time has a unit, as in \"300ms\""),
            "min" => problem.label("did you mean `m`?"),
            _ => problem,
        };
        problems.add(problem.help(format!("units: {}", names.join(", "))));
        return None;
    };
    let micros = in_micros(number, *length);
    if micros.is_none() {
        let problem = Problem::at(span, format!("{} is no time", quote(whole)));
        problems.add(problem.label("a number and a unit, as in \"300ms\" or \"1.5s\""));
    }
    micros.map(Duration::from_micros)
}

/// `1.5` of a unit of this many microseconds.
fn in_micros(number: &str, unit: u64) -> Option<u64> {
    let (whole, part) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(split) => split,
        None => (number, ""),
    };
    let mut micros = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let mut place = unit;
    for digit in part.bytes() {
        // A digit below a microsecond counts for nothing.
        place /= 10;
        micros = micros.checked_add(u64::from(digit.checked_sub(b'0')?).checked_mul(place)?)?;
    }
    Some(micros)
}

/// A time in its largest unit that leaves no rest.
fn shown(time: Duration) -> String {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let fitting = UNITS.iter().rfind(|(_, unit)| micros.is_multiple_of(*unit));
    fitting.map_or_else(String::new, |(name, unit)| {
        format!("{}{name}", micros / unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_exactly() {
        let micros = |n: &str, unit: &str| {
            let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).unwrap();
            in_micros(n, *length)
        };
        assert_eq!(micros("300", "ms"), Some(300_000));
        assert_eq!(micros("1.5", "s"), Some(1_500_000));
        assert_eq!(micros("0.25", "h"), Some(900_000_000));
        assert_eq!(micros("2", "d"), Some(172_800_000_000));
        assert_eq!(micros("99999999999999999999", "s"), None);
        assert_eq!(micros("999999999999999", "d"), None);
        for wrong in ["", ".", "1.", ".5", "1.2.3"] {
            assert_eq!(micros(wrong, "s"), None, "{wrong}");
        }
        assert_eq!(shown(Duration::from_secs(90)), "90s");
        assert_eq!(shown(Duration::from_secs(3_600)), "1h");
        assert_eq!(shown(Duration::from_millis(300)), "300ms");
    }

    #[test]
    fn percent_has_one_decimal() {
        assert_eq!(tenths("12.5"), Some(125));
        assert_eq!(tenths("100.0"), Some(1_000));
        for wrong in ["100.1", "12.55", "-1.0", "inf", "1e1", "9999999.0"] {
            assert_eq!(tenths(wrong), None, "{wrong}");
        }
    }
}
