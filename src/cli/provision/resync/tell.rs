//! What happens, told line by line: for people, or as JSON.

use serde_json::{Map, Value, json};

use crate::cli::args::Format;
use crate::cli::output::Output;
use crate::net::clock::Clock;
use crate::provisioning::log::Message;
use crate::provisioning::resync::{End, Fault, Happening};
use crate::time::Time;
use crate::trust::certificate::escape_for_terminal;

/// Of every JSON line.
const SCHEMA_VERSION: u32 = 1;

/// Tells what happens.
pub(super) struct Teller<'a> {
    output: &'a Output,
    format: Format,
    clock: Clock,
    seq: u64,
    /// In this resync a trigger could not be read.
    has_bad_trigger: bool,
}

/// One thing to tell: a kind, a text for people, and fields.
struct Line {
    kind: &'static str,
    text: String,
    fields: Vec<(&'static str, Value)>,
}

impl Line {
    fn new(kind: &'static str, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            fields: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

impl<'a> Teller<'a> {
    pub(super) fn new(output: &'a Output, format: Format, clock: Clock) -> Self {
        Self {
            output,
            format,
            clock,
            seq: 0,
            has_bad_trigger: false,
        }
    }

    /// The time since the start.
    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// When the next resync comes.
    pub(super) fn next(&mut self, at: Option<Time>) {
        let text = match at {
            Some(at) => format!(
                "the next resync comes in {} s; `resync` asks for one, `quit` switches the phone off",
                (at - self.now()).as_secs()
            ),
            None => {
                "no resync is planned; `resync` asks for one, `quit` switches the phone off".into()
            }
        };
        self.output.note(&text);
    }

    /// True if a trigger of the last resync could not be read.
    pub(super) fn has_bad_trigger(&self) -> bool {
        self.has_bad_trigger
    }

    pub(super) fn tell(&mut self, happening: &Happening) {
        match happening {
            Happening::Started(_) => self.has_bad_trigger = false,
            Happening::BadTrigger(_) => self.has_bad_trigger = true,
            _ => {}
        }
        self.print(line(happening));
    }

    fn print(&mut self, line: Line) {
        let now = self.now();
        match self.format {
            Format::Human => {
                // Servers, profiles and rules have their say in these texts.
                let text = escape_for_terminal(line.text.as_bytes());
                let (kind, now) = (line.kind, now.to_string());
                self.output
                    .result(&format!("{now:>7}  {kind:<12} {text}\n"));
            }
            Format::Json => {
                let mut fields = Map::new();
                fields.insert("schema_version".into(), SCHEMA_VERSION.into());
                fields.insert("seq".into(), self.seq.into());
                fields.insert("t_us".into(), now.as_micros().into());
                fields.insert("kind".into(), line.kind.into());
                let more = line.fields.into_iter();
                fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
                self.output.result(&format!("{}\n", Value::Object(fields)));
                self.seq += 1;
            }
        }
    }

    /// The verdict, with its reasons.
    pub(super) fn end(&mut self, end: &End) {
        let basis = end.basis();
        let verdict = end.verdict();
        let reasons = match &end.result {
            Ok(_) => Vec::new(),
            Err(failure) => failure.fault.reasons(),
        };
        let is_off = matches!(&end.result, Err(f) if matches!(f.fault, Fault::Off { .. }));
        if self.format == Format::Json {
            let all: Vec<_> = reasons
                .iter()
                .map(|r| json!({"code": r.code, "text": r.text, "fix": r.fix}))
                .collect();
            let mut line = Line::new("verdict", "")
                .with("verdict", verdict)
                .with("basis", basis.to_string())
                .with("rests_on", json!(end.rests_on))
                .with("reasons", all);
            match &end.result {
                Ok(profiles) => line = line.with("profiles", *profiles),
                Err(_) if is_off => {}
                Err(failure) => {
                    line = line
                        .with("rule", failure.rule)
                        .with("class", format!("{:?}", failure.fault.class()))
                        .with("url", json!(failure.url))
                        .with("error", failure.fault.curl_text());
                }
            }
            return self.print(line);
        }
        let paint = self.output.paint();
        let clean = |text: &str| escape_for_terminal(text.as_bytes());
        let mut text = match &end.result {
            Ok(_) if end.is_idle => format!("{verdict}: no server was asked\n"),
            Ok(1) => format!("{}: 1 profile taken over\n", paint.good(verdict)),
            Ok(n) => format!("{}: {n} profiles taken over\n", paint.good(verdict)),
            // No rule was looked at, and no server said anything.
            Err(_) if is_off => format!("{}\n", paint.bad(verdict)),
            Err(failure) => {
                let url = failure.url.as_deref().unwrap_or("no download");
                let what = format!("{}, {}", failure.rule, clean(url));
                let class = failure.fault.class();
                format!("{}: {what} (class {class:?})\n", paint.bad(verdict))
            }
        };
        for reason in &reasons {
            text += &format!("  {}  {}\n", paint.strong(reason.code), clean(&reason.text));
            text += &format!("    fix  {}\n", clean(&reason.fix));
        }
        match end.rests_on.as_slice() {
            [] => text += &format!("  rests on  {basis}\n"),
            settings => {
                let settings = settings.join(", ");
                text += &format!("  rests on  {basis} ({settings})\n");
            }
        }
        self.output.result(&text);
    }
}

/// The fields of each, beside its kind and its text.
fn line(happening: &Happening) -> Line {
    let line = Line::new(happening.kind(), happening.to_string());
    match happening {
        Happening::Started(cause) => line.with("cause", cause.text()),
        Happening::Syslog(message, text) => {
            let which = match message {
                Message::Request => "request",
                Message::Success => "success",
                Message::Failure => "failure",
            };
            line.with("message", which).with("text", text.as_str())
        }
        Happening::RuleSkipped { rule, why } => line.with("rule", *rule).with("why", *why),
        Happening::BadTrigger(why) => line.with("why", why.as_str()),
        Happening::Resolved {
            host,
            addresses,
            all,
        } => {
            let first: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            line.with("host", host.as_str())
                .with("addresses", first)
                .with("all", *all)
        }
        Happening::NoConnection { address, why } => line
            .with("address", address.to_string())
            .with("why", why.as_str()),
        Happening::Trusted {
            name,
            address,
            in_dns,
        } => line
            .with("name", name.as_str())
            .with("address", address.to_string())
            .with("in_dns", *in_dns),
        Happening::Requested { url, address } => line
            .with("url", url.as_str())
            .with("address", address.to_string()),
        Happening::Answered { status, bytes } => line.with("status", *status).with("bytes", *bytes),
        Happening::Redirected(to) => line.with("to", to.as_str()),
        Happening::LogsIn(how) => line.with("how", *how),
        Happening::MissingFileAccepted => line,
        Happening::Applied {
            parameters,
            changed,
            unwrapped,
        } => line
            .with("parameters", *parameters)
            .with("changed", *changed)
            .with("unwrapped", json!(unwrapped)),
    }
}
