//! What a scenario expects. Clusters, nodes and phones are known by then, so their names are
//! checked on the spot.

use toml::de::DeTable;

use super::super::diagnostic::{Located, Span, quote};
use super::super::model::{Expectation, ListOwner, Target};
use super::super::pattern::{EventPattern, FilePattern};
use super::super::select::Selector;
use super::check::{Found, Names};
use super::read::{Entry, Problem, Section};
use super::{MAX_EXPECTATIONS, Parser};

/// Bytes of the name of a file that a phone may ask for.
const MAX_FILE_NAME: usize = 255;

/// The keys of an expectation; the first says of which phones, the others what.
const KEYS: &[&str] = &[
    "phones",
    "verdict",
    "reason",
    "status",
    "tvs-asked",
    "requests",
    "silent",
    "ctl",
    "itl",
    "follows",
    "rests-on",
    "events",
];

impl Parser<'_, '_> {
    pub(super) fn expectations(
        &mut self,
        root: &Section<'_>,
        names: &Names<'_>,
    ) -> Vec<Expectation> {
        let tables = self.tables(root, "expect", MAX_EXPECTATIONS);
        let mut expectations = Vec::with_capacity(tables.len());
        for (span, table) in tables {
            if self.problems.full() {
                break;
            }
            expectations.push(self.expectation(span, table, names));
        }
        expectations
    }

    fn expectation(&mut self, span: Span, table: &DeTable<'_>, names: &Names<'_>) -> Expectation {
        let s = &Section::new(self.problems, table, Some(span), "[[expect]]", KEYS);
        let what = "which phones: \"all\", a group, \"1-3\" or a list of these";
        let phones = s
            .required(self.problems, "phones", what)
            .and_then(|entry| self.selector(entry))
            .unwrap_or_else(Selector::all);
        names.check_selector(self.problems, &phones);
        if KEYS[1..].iter().all(|key| s.optional(key).is_none()) {
            self.problems.add(
                Problem::at(span, "the expectation expects nothing of its phones")
                    .help(format!("add one of: {}", KEYS[1..].join(", "))),
            );
        }
        Expectation {
            span,
            phones,
            verdict: s
                .optional("verdict")
                .and_then(|entry| entry.word(self.problems)),
            reason: s.optional("reason").and_then(|entry| self.reason(entry)),
            status: self.texts(s, "status"),
            tvs_asked: s.optional("tvs-asked").and_then(|entry| {
                let asked = entry.number(self.problems, 0..=u64::from(u32::MAX))?;
                Some(asked.map(|asked| u32::try_from(asked).unwrap_or(u32::MAX)))
            }),
            requests: self.files(s, "requests"),
            silent: self.files(s, "silent"),
            ctl: s
                .optional("ctl")
                .and_then(|entry| self.list_owner(entry, names)),
            itl: s
                .optional("itl")
                .and_then(|entry| self.list_owner(entry, names)),
            follows: s
                .optional("follows")
                .and_then(|entry| self.followed(entry, names)),
            rests_on: s
                .optional("rests-on")
                .and_then(|entry| entry.word(self.problems)),
            events: self.events(s),
        }
    }

    fn reason(&mut self, entry: Entry<'_>) -> Option<Located<String>> {
        let reason = entry.text(self.problems)?;
        let known = self.registry.reason_codes();
        if known.contains(&reason.value.as_str()) {
            return Some(reason);
        }
        self.problems.add(
            Problem::at(reason.span, format!("unknown reason {}", quote(&reason))).suggest(
                &reason,
                "known reasons",
                &known,
            ),
        );
        None
    }

    /// A list of strings that may name one thing more than once.
    fn texts(&mut self, section: &Section<'_>, key: &'static str) -> Vec<Located<String>> {
        let entry = section.optional(key);
        let list = entry.and_then(|entry| entry.filled_list(self.problems, "a list of strings"));
        let list = list.unwrap_or_default();
        list.iter()
            .filter_map(|entry| entry.text(self.problems))
            .collect()
    }

    fn files(&mut self, section: &Section<'_>, key: &'static str) -> Vec<Located<FilePattern>> {
        let mut files = Vec::new();
        for text in self.texts(section, key) {
            if text.len() > MAX_FILE_NAME || text.contains(char::is_control) {
                let message = format!("{} is no file that a phone asks for", quote(&text));
                self.problems
                    .add(Problem::at(text.span, message).help(format!(
                        "up to {MAX_FILE_NAME} bytes; `*` stands for any characters"
                    )));
            } else {
                files.push(text.map(FilePattern::new));
            }
        }
        files
    }

    fn events(&mut self, section: &Section<'_>) -> Vec<Located<EventPattern>> {
        let mut events = Vec::new();
        for text in self.texts(section, "events") {
            let event = match EventPattern::from_text(&text) {
                Ok(event) => event,
                Err(why) => {
                    self.problems.add(
                        Problem::at(text.span, format!("{} is not an event", quote(&text)))
                            .label(why)
                            .help("write it as 'kind field=value field=\"two words\"'"),
                    );
                    continue;
                }
            };
            let known = self.registry.event_kinds();
            if !known.contains(&event.kind.as_str()) {
                self.problems.add(
                    Problem::at(
                        text.span,
                        format!("unknown kind of event {}", quote(&event.kind)),
                    )
                    .suggest(&event.kind, "known kinds", &known),
                );
            }
            self.event_fields(&text, &event);
            events.push(text.map(|_| event));
        }
        events
    }

    /// Reports fields that events of the kind do not have. `-` and `_` are the same in their names.
    fn event_fields(&mut self, text: &Located<String>, event: &EventPattern) {
        let Some(known) = self.registry.event_fields(&event.kind) else {
            return;
        };
        let known: Vec<String> = known.iter().map(|f| f.replace('_', "-")).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        for (name, _) in &event.fields {
            let name = name.replace('_', "-");
            if !known.contains(&name.as_str()) {
                let message = format!("events `{}` have no field {}", event.kind, quote(&name));
                let problem = Problem::at(text.span, message);
                self.problems
                    .add(problem.suggest(&name, "their fields", &known));
            }
        }
    }

    /// A cluster, a node or `none`.
    fn list_owner(&mut self, entry: Entry<'_>, names: &Names<'_>) -> Option<Located<ListOwner>> {
        let name = entry.text(self.problems)?;
        if name.value == "none" {
            return Some(name.map(|_| ListOwner::Nobody));
        }
        match names.either(self.problems, &name)? {
            Found::Cluster => Some(name.map(ListOwner::Cluster)),
            Found::Node => Some(name.map(ListOwner::Node)),
        }
    }

    /// A cluster or a node.
    fn followed(&mut self, entry: Entry<'_>, names: &Names<'_>) -> Option<Target> {
        let name = entry.text(self.problems)?;
        match names.either(self.problems, &name)? {
            Found::Cluster => Some(Target::Cluster(name)),
            Found::Node => Some(Target::Node(name)),
        }
    }
}
