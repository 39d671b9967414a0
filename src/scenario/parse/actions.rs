//! The steps of a scenario: a closed list of verbs, each with its own keys.

use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::super::diagnostic::{Located, Span, quote};
use super::super::model::{Action, BulkButton, FlashWrite, ServiceChange, Step, Target};
use super::super::select::{Part, Selector};
use super::super::words::{
    BulkFault, BulkKind, CarriedCertificate, ClosedWord, CutMoment, Damage, FlashFile,
    OwnCertificate, ServedFile, StoppableService, Store, Verb,
};
use super::read::{Entry, Problem, Section};
use super::{MAX_STEPS, Parser};

/// Nodes that option 150 names; phones take no more.
const MAX_OPTION_150: usize = 2;
/// The largest offset in a file that `at` may name; no file that a phone loads is that large.
const MAX_OFFSET: u64 = u32::MAX as u64;
/// The longest wait, in seconds: a leap year. A phone's answers from TVS live a day.
const MAX_WAIT: u32 = 366 * 86_400;

/// The keys that a step may have.
const fn keys(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::TrustCertificates => &["do", "from", "into", "certificates", "nodes", "stores"],
        Verb::SetOption150 => &["do", "to", "phones"],
        Verb::SetOption66 => &["do", "to", "beside-150", "phones"],
        Verb::StopDhcp | Verb::StartDhcp => &["do"],
        Verb::ResetPhones | Verb::EraseLists | Verb::FactoryReset | Verb::RenewLeases => {
            &["do", "phones"]
        }
        Verb::StopService | Verb::StartService | Verb::RestartService => {
            &["do", "node", "cluster", "service", "after"]
        }
        Verb::SwitchOff | Verb::SwitchOn => &["do", "node", "cluster", "after"],
        Verb::SetParameter => &["do", "cluster", "name", "value"],
        Verb::RegenerateCertificate => &["do", "node", "certificate"],
        Verb::UploadCertificate => &["do", "from", "certificate", "into", "store"],
        Verb::UpdateCtl => &["do", "cluster"],
        Verb::DamageFile => &["do", "node", "file", "how", "at"],
        Verb::AnswerHttp => &["do", "node", "file", "status"],
        Verb::BulkSftp => &[
            "do",
            "cluster",
            "host",
            "port",
            "user",
            "password",
            "directory",
            "host-key",
        ],
        Verb::BulkExport | Verb::BulkConsolidate | Verb::BulkImport => {
            &["do", "cluster", "node", "type", "result"]
        }
        Verb::BulkFault => &["do", "kind"],
        Verb::KeepOldFiles => &["do", "node"],
        Verb::RemovePhones | Verb::AddPhones => &["do", "phones", "cluster"],
        Verb::PowerCut => &["do", "phones", "at", "write"],
        Verb::SetLink => &[
            "do",
            "phones",
            "nodes",
            "loss",
            "duplicate",
            "reorder",
            "corrupt",
            "latency",
            "jitter",
            "partition",
            "lose-first",
            "after",
        ],
        Verb::ClearLinks => &["do", "after"],
        Verb::JumpClock => &["do", "by", "phones", "nodes"],
        Verb::Wait => &["do", "seconds"],
        Verb::Note => &["do", "text"],
    }
}

impl Parser<'_, '_> {
    pub(super) fn steps(&mut self, root: &Section<'_>) -> Vec<Step> {
        let tables = self.tables(root, "step", MAX_STEPS);
        let written = tables.len();
        let mut steps = Vec::with_capacity(written);
        for (span, table) in tables {
            if self.problems.full() {
                break;
            }
            steps.extend(self.step(span, table));
        }
        // Where a step could not be read, it may be the one that boots phones.
        if steps.len() == written {
            self.check_later(&steps);
        }
        steps
    }

    /// One step. `None` if it is not known what it does; its errors are reported.
    fn step(&mut self, span: Span, table: &DeTable<'_>) -> Option<Step> {
        let Some(verb) = Entry::find(table, "do") else {
            let verbs: Vec<&str> = Verb::ALL.iter().map(|verb| verb.as_str()).collect();
            self.problems.add(
                Problem::at(span, "a step lacks the key `do`")
                    .help(format!("`do` is one of: {}", verbs.join(", "))),
            );
            return None;
        };
        let verb = verb.word::<Verb>(self.problems)?.value;
        let title = format!("step `{verb}`");
        let s = &Section::new(self.problems, table, Some(span), title, keys(verb));
        let action = match verb {
            Verb::TrustCertificates => {
                let from = self.name(s, "from", "the cluster whose certificates are taken");
                let into = self.name(s, "into", "the cluster whose stores take them");
                let certificates = self.words::<CarriedCertificate>(s, "certificates");
                let nodes = s.optional("nodes").and_then(|e| e.names(self.problems));
                let stores = self.words::<Store>(s, "stores");
                Action::TrustCertificates {
                    from: from?,
                    into: into?,
                    certificates,
                    nodes,
                    stores,
                }
            }
            Verb::SetOption150 => {
                let phones = self.phones_of(s);
                Action::SetOption150 {
                    to: self.option_150(s)?,
                    phones: phones?,
                }
            }
            Verb::SetOption66 => {
                let phones = self.phones_of(s);
                let beside_150 = match s.optional("beside-150") {
                    Some(entry) => entry.flag(self.problems),
                    None => Some(false),
                };
                Action::SetOption66 {
                    to: self.name(s, "to", "a TFTP node")?,
                    beside_150: beside_150?,
                    phones: phones?,
                }
            }
            Verb::RenewLeases => Action::RenewLeases {
                phones: self.phones_of(s)?,
            },
            Verb::StopDhcp | Verb::StartDhcp => Action::SwitchDhcp {
                on: verb == Verb::StartDhcp,
            },
            Verb::ResetPhones => Action::ResetPhones {
                phones: self.phones_of(s)?,
            },
            Verb::EraseLists => Action::EraseLists {
                phones: self.phones_of(s)?,
            },
            Verb::FactoryReset => Action::FactoryReset {
                phones: self.phones_of(s)?,
            },
            Verb::StopService => self.change_service(s, ServiceChange::Stop)?,
            Verb::StartService => self.change_service(s, ServiceChange::Start)?,
            Verb::RestartService => self.change_service(s, ServiceChange::Restart)?,
            Verb::SwitchOff | Verb::SwitchOn => {
                let switch = Action::SwitchPower {
                    on: verb == Verb::SwitchOn,
                    target: self.target(s)?,
                };
                self.later(s, switch)?
            }
            Verb::SetParameter => {
                let cluster = self.name(s, "cluster", "the cluster whose parameter is set");
                let name = self.name(s, "name", "the parameter");
                let value = s.required(self.problems, "value", "its new value");
                Action::SetParameter {
                    parameter: self.parameter(name?, value?)?,
                    cluster: cluster?,
                }
            }
            Verb::RegenerateCertificate => {
                let node = self.name(s, "node", "the node whose certificate is made anew");
                let certificate = s
                    .required(self.problems, "certificate", &one_of::<OwnCertificate>())
                    .and_then(|e| e.word::<OwnCertificate>(self.problems));
                Action::RegenerateCertificate {
                    node: node?,
                    certificate: certificate?,
                }
            }
            Verb::UploadCertificate => {
                let what = "the node, or the cluster, whose certificate is uploaded";
                let from = self.name(s, "from", what);
                let certificate = s
                    .required(
                        self.problems,
                        "certificate",
                        &one_of::<CarriedCertificate>(),
                    )
                    .and_then(|e| e.word::<CarriedCertificate>(self.problems));
                let into = self.name(s, "into", "the cluster whose store takes it");
                let store = self.word::<Store>(s, "store");
                Action::UploadCertificate {
                    from: from?,
                    certificate: certificate?,
                    into: into?,
                    store: store?,
                }
            }
            Verb::UpdateCtl => Action::UpdateCtl {
                cluster: self.name(s, "cluster", "a mixed cluster")?,
            },
            Verb::DamageFile => {
                let node = self.name(s, "node", "the TFTP node that serves the file");
                let file = self.word::<ServedFile>(s, "file");
                let how = self.word::<Damage>(s, "how");
                let at = s
                    .optional("at")
                    .and_then(|e| e.number(self.problems, 0..=MAX_OFFSET));
                if let (Some(Damage::Empty), Some(at)) = (how, &at) {
                    self.problems.add(
                        Problem::at(at.span, "an emptied file has no byte left to choose")
                            .help("leave `at` out, or use \"truncate\" or \"flip-bit\""),
                    );
                }
                Action::DamageFile {
                    node: node?,
                    file: file?,
                    how: how?,
                    at: at.map(|at| at.value),
                }
            }
            Verb::AnswerHttp => self.answer_http(s)?,
            Verb::BulkSftp => {
                let cluster = self.name(s, "cluster", "the cluster whose page is filled in");
                let server = self.sftp_form(s);
                Action::BulkSftp {
                    cluster: cluster?,
                    server,
                }
            }
            Verb::BulkExport => self.bulk(s, BulkButton::Export)?,
            Verb::BulkConsolidate => self.bulk(s, BulkButton::Consolidate)?,
            Verb::BulkImport => self.bulk(s, BulkButton::Import)?,
            Verb::BulkFault => Action::BulkFault {
                fault: self.word::<BulkFault>(s, "kind")?,
            },
            Verb::KeepOldFiles => Action::KeepOldFiles {
                node: self.name(s, "node", "the TFTP node")?,
            },
            Verb::RemovePhones => {
                let phones = self.phones_of(s);
                let cluster = self.name(s, "cluster", "the cluster that does not know them");
                Action::RemovePhones {
                    phones: phones?,
                    cluster: cluster?,
                }
            }
            Verb::AddPhones => {
                let phones = self.phones_of(s);
                let cluster = self.name(s, "cluster", "the cluster that gets to know them");
                Action::AddPhones {
                    phones: phones?,
                    cluster: cluster?,
                }
            }
            Verb::PowerCut => {
                let phones = self.phones_of(s);
                let at = self.word::<CutMoment>(s, "at");
                let write = self.flash_write(s);
                Action::PowerCut {
                    phones: phones?,
                    at: at?,
                    write: write?,
                }
            }
            Verb::SetLink => self.set_link(s)?,
            Verb::ClearLinks => self.later(s, Action::ClearLinks)?,
            Verb::JumpClock => self.jump_clock(s)?,
            Verb::Wait => Action::Wait {
                duration: self.wait(s)?,
            },
            Verb::Note => {
                let entry = s.required(self.problems, "text", "what the report says")?;
                Action::Note {
                    text: entry.text(self.problems)?.value,
                }
            }
        };
        Some(Step { span, verb, action })
    }

    fn bulk(&mut self, s: &Section<'_>, button: BulkButton) -> Option<Action> {
        let cluster = self.name(s, "cluster", "the cluster on whose page it is done");
        let node = s.optional("node").and_then(|e| e.text(self.problems));
        let kind = match s.optional("type") {
            Some(entry) => entry.word::<BulkKind>(self.problems)?.value,
            None => BulkKind::All,
        };
        let result = s.optional("result").and_then(|e| e.word(self.problems));
        Some(Action::Bulk {
            button,
            cluster: cluster?,
            node,
            kind,
            result,
        })
    }

    /// A required name; whether it exists is checked when all is read.
    fn name(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        what: &str,
    ) -> Option<Located<String>> {
        section
            .required(self.problems, key, what)?
            .text(self.problems)
    }

    /// A required word of a closed list.
    fn word<T: ClosedWord>(&mut self, section: &Section<'_>, key: &'static str) -> Option<T> {
        let entry = section.required(self.problems, key, &one_of::<T>())?;
        entry.word(self.problems).map(|word| word.value)
    }

    /// An optional list of words of a closed list.
    fn words<T: ClosedWord>(&mut self, section: &Section<'_>, key: &'static str) -> Option<Vec<T>> {
        let words = section.optional(key)?.words::<T>(self.problems)?;
        Some(words.into_iter().map(|word| word.value).collect())
    }

    /// The phones that a step is about; all unless given.
    pub(super) fn phones_of(&mut self, section: &Section<'_>) -> Option<Selector> {
        match section.optional("phones") {
            Some(entry) => self.selector(entry),
            None => Some(Selector::all()),
        }
    }

    /// A selector: a word, a number or a list of these.
    pub(super) fn selector(&mut self, entry: Entry<'_>) -> Option<Selector> {
        let entries = match entry.value() {
            DeValue::Array(_) => entry.filled_list(self.problems, "a list of phones")?,
            _ => vec![entry],
        };
        let mut parts = Vec::with_capacity(entries.len());
        for entry in entries {
            if let DeValue::Integer(_) = entry.value() {
                let number = entry.number(self.problems, 1..=u64::from(u32::MAX))?;
                let number = usize::try_from(number.value).unwrap_or(usize::MAX);
                parts.push(Located::new(Part::Numbers(number..=number), entry.span()));
                continue;
            }
            if !matches!(entry.value(), DeValue::String(_)) {
                entry.wrong_type(self.problems, "a string, a number or a list of these");
                continue;
            }
            let text = entry.string(self.problems)?;
            match Part::from_text(&text) {
                Ok(part) => parts.push(Located::new(part, text.span)),
                Err(why) => {
                    let message = format!("{} names no phones", quote(&text));
                    self.problems.add(Problem::at(text.span, message).help(why));
                }
            }
        }
        Some(Selector::of(parts))
    }

    fn option_150(&mut self, section: &Section<'_>) -> Option<Vec<Located<String>>> {
        let what = "a list of one or two TFTP nodes";
        let to = section
            .required(self.problems, "to", what)?
            .names(self.problems)?;
        if let Some(extra) = to.get(MAX_OPTION_150) {
            let message = format!(
                "option 150 names {} nodes, more than {MAX_OPTION_150}",
                to.len()
            );
            self.problems.add(Problem::at(extra.span, message));
        }
        Some(to)
    }

    fn change_service(&mut self, section: &Section<'_>, change: ServiceChange) -> Option<Action> {
        let service = self.word::<StoppableService>(section, "service");
        let target = self.target(section);
        let change = Action::ChangeService {
            change,
            target: target?,
            service: service?,
        };
        self.later(section, change)
    }

    /// Either `node` or `cluster`.
    fn target(&mut self, section: &Section<'_>) -> Option<Target> {
        let both = section.key_span("node").zip(section.key_span("cluster"));
        if let Some((node, cluster)) = both {
            self.problems.add(
                Problem::at(node.max(cluster), "`node` and `cluster` exclude each other")
                    .help("a cluster stands for all its nodes"),
            );
        }
        if let Some(entry) = section.optional("cluster") {
            return entry.text(self.problems).map(Target::Cluster);
        }
        let what = "the node; for all nodes of a cluster write `cluster`";
        self.name(section, "node", what).map(Target::Node)
    }

    fn flash_write(&mut self, section: &Section<'_>) -> Option<FlashWrite> {
        let what = "\"ctl\", \"itl\", \"config\", \"state\" or the number of the write in the boot";
        let entry = section.required(self.problems, "write", what)?;
        if let DeValue::Integer(_) = entry.value() {
            let number = entry.number(self.problems, 1..=u64::from(u32::MAX))?;
            return u32::try_from(number.value).ok().map(FlashWrite::Nth);
        }
        entry
            .word::<FlashFile>(self.problems)
            .map(|file| FlashWrite::Of(file.value))
    }

    fn wait(&mut self, section: &Section<'_>) -> Option<Duration> {
        let entry = section.required(self.problems, "seconds", "how long to wait")?;
        let seconds: Option<f64> = match entry.value() {
            // Behind 32 bits every number is out of range.
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(f64::from),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => {
                entry.wrong_type(self.problems, "a number");
                return None;
            }
        };
        let limit = f64::from(MAX_WAIT);
        let Some(seconds) = seconds.filter(|seconds| (0.0..=limit).contains(seconds)) else {
            self.problems.add(
                Problem::at(entry.span(), "`seconds` is out of range").label(format!(
                    "0 to {MAX_WAIT}, one year; use several `wait` steps"
                )),
            );
            return None;
        };
        // Time is counted in microseconds.
        Duration::try_from_secs_f64(seconds)
            .ok()
            .and_then(|duration| u64::try_from(duration.as_micros()).ok())
            .map(Duration::from_micros)
    }
}

/// What a required word may be.
fn one_of<T: ClosedWord>() -> String {
    let known: Vec<&str> = T::ALL.iter().map(|word| word.as_str()).collect();
    format!("one of: {}", known.join(", "))
}
