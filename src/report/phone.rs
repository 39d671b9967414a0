//! What a boot of one phone came to, against servers that are not the lab's. Made from events alone.

use super::advice::advice;
use super::story::{short, signer_text, thousands};
use super::text::Paint;
use crate::event::{Event, Kind, ReasonFacts, SignerFacts};
use crate::net::phone::DOES_NOT_RESOLVE;
use crate::net::tvs::{ALLOW_LEGACY, NO_LEGACY, TLS_TOO_NEW};
use crate::phone::power::BootEnd;
use crate::trust::reason::Code;

/// What a boot came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootOutcome {
    /// The phone trusts a list and obeys an accepted configuration.
    Follows,
    /// It was answered, and does not.
    Refuses,
    /// No server answered anything.
    NoServer,
    /// It was switched off before it came to its end.
    Stopped,
    /// It was answered, and did not come to its end within the longest time that a boot may take.
    Overdue,
}

impl BootOutcome {
    /// Its word in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Follows => "follows",
            Self::Refuses => "refuses",
            Self::NoServer => "no-server",
            Self::Stopped => "stopped",
            Self::Overdue => "overdue",
        }
    }

    fn sentence(self, paint: Paint) -> String {
        match self {
            Self::Follows => paint.good("follows these servers"),
            Self::Refuses => paint.bad("does not follow these servers"),
            Self::NoServer => paint.bad("no server answered"),
            Self::Stopped => paint.warn("was switched off before its boot was over"),
            Self::Overdue => paint.bad("did not come to the end of its boot within an hour"),
        }
    }
}

/// A list of the phone in one boot.
#[derive(Clone, Debug, Default)]
struct ListStory {
    before: Option<String>,
    after: Option<String>,
    /// The signer of the list that was offered.
    signer: Option<SignerFacts>,
    installed: Option<Installed>,
    unchanged: bool,
    refused: Vec<ReasonFacts>,
}

#[derive(Clone, Debug)]
struct Installed {
    bytes: usize,
    how: String,
    reasons: Vec<ReasonFacts>,
}

/// Gathers what is to be said of one boot.
#[derive(Clone, Debug, Default)]
pub struct BootReport {
    device: String,
    ctl: ListStory,
    itl: ListStory,
    configuration: Option<String>,
    config_refused: Option<(String, Vec<ReasonFacts>)>,
    signer: Option<SignerFacts>,
    failures: Vec<ReasonFacts>,
    /// Why DHCP named no servers, or none that are new.
    no_lease: Option<String>,
    tvs_asked: u32,
    /// What it asked for last.
    asked_last: Option<Asked>,
    would_register: Option<Vec<String>>,
    shows: Vec<String>,
    settled: Option<bool>,
    judged: Option<Judged>,
}

#[derive(Clone, Debug)]
struct Asked {
    file: String,
    server: String,
    transport: String,
}

#[derive(Clone, Debug)]
struct Judged {
    outcome: BootOutcome,
    reasons: Vec<ReasonFacts>,
    fix: Option<String>,
}

/// The reasons of downloads that are kept: those of the first files say it all.
const MAX_FAILURES: usize = 2;
/// CallManagers that are named: a group has three, and two TFTP servers may follow.
const MAX_NAMED: usize = 5;
/// Status messages that are kept: more than a boot shows.
const MAX_SHOWN: usize = 30;

impl BootReport {
    /// Takes an event of the boot.
    pub fn take(&mut self, event: &Event) {
        match &event.kind {
            Kind::Boot {
                ctl_sha1, itl_sha1, ..
            } => {
                self.device.clone_from(&event.actor);
                self.ctl.before.clone_from(ctl_sha1);
                self.itl.before.clone_from(itl_sha1);
                self.ctl.after.clone_from(ctl_sha1);
                self.itl.after.clone_from(itl_sha1);
            }
            Kind::SignerLookedUp { file, signer, .. } => match list_of(file) {
                Some("CTL") => self.ctl.signer = Some(signer.clone()),
                Some(_) => self.itl.signer = Some(signer.clone()),
                None => {}
            },
            Kind::ListInstalled {
                list,
                facts,
                how,
                reasons,
            } => {
                let story = self.list(list);
                story.after = Some(facts.sha1.clone());
                story.installed = Some(Installed {
                    bytes: facts.bytes,
                    how: how.clone(),
                    reasons: reasons.clone(),
                });
            }
            Kind::ListUnchanged { list } => self.list(list).unchanged = true,
            Kind::ListRefused {
                list,
                signer,
                reasons,
                ..
            } => {
                self.list(list).refused.clone_from(reasons);
                self.refused_signer(signer.as_ref());
            }
            Kind::ConfigAccepted { facts, signer, .. } => {
                let by = signer.as_ref().map_or_else(
                    || "unsigned".to_owned(),
                    |s| format!("signed by {}", signer_text(s)),
                );
                self.configuration = Some(format!("{} accepted, {by}", facts.file));
            }
            Kind::ConfigRefused {
                file,
                signer,
                reasons,
            } => {
                self.config_refused = Some((file.clone(), reasons.clone()));
                self.refused_signer(signer.as_ref());
            }
            Kind::DownloadFailed { file, server, text } if self.failures.len() < MAX_FAILURES => {
                self.failures.push(ReasonFacts {
                    code: Code::DownloadFailed.as_str(),
                    text: format!("{file} could not be downloaded from {server}: {text}"),
                    evidence: Some(server.clone()),
                });
            }
            Kind::DhcpFailed { text } => self.no_lease = Some(text.clone()),
            Kind::Requested {
                file,
                server,
                transport,
                ..
            } => {
                self.asked_last = Some(Asked {
                    file: file.clone(),
                    server: server.clone(),
                    transport: transport.to_uppercase(),
                });
            }
            Kind::TvsAsked { .. } => self.tvs_asked = self.tvs_asked.saturating_add(1),
            Kind::RegistrationNotTried { servers, .. } => {
                self.would_register = Some(servers.clone());
            }
            Kind::Registered { server: None, .. } => self.would_register = Some(Vec::new()),
            Kind::Status { text, .. }
                if self.shows.len() < MAX_SHOWN && !self.shows.contains(text) =>
            {
                self.shows.push(text.clone());
            }
            Kind::BootEnded {
                settled,
                ctl_sha1,
                itl_sha1,
                ..
            } => {
                self.settled = Some(*settled);
                self.ctl.after.clone_from(ctl_sha1);
                self.itl.after.clone_from(itl_sha1);
            }
            _ => {}
        }
    }

    fn list(&mut self, list: &str) -> &mut ListStory {
        match list {
            "CTL" => &mut self.ctl,
            _ => &mut self.itl,
        }
    }

    fn refused_signer(&mut self, signer: Option<&SignerFacts>) {
        if self.signer.is_none() {
            self.signer = signer.cloned();
        }
    }

    /// Judges the boot; `end` is how it ended, none where it was cut short, and `heard` says if any
    /// server sent anything. The result is the event that says so.
    pub fn judge(&mut self, end: Option<BootEnd>, heard: bool) -> (BootOutcome, Kind) {
        let outcome = match (self.settled, end, heard) {
            (Some(true), ..) => BootOutcome::Follows,
            (Some(false), _, true) => BootOutcome::Refuses,
            (Some(false), _, false) | (None, Some(BootEnd::Overdue), false) => {
                BootOutcome::NoServer
            }
            (None, Some(BootEnd::Overdue), true) => BootOutcome::Overdue,
            (None, ..) => BootOutcome::Stopped,
        };
        let reasons = self.reasons(outcome);
        let fix = match outcome {
            BootOutcome::Refuses | BootOutcome::NoServer | BootOutcome::Overdue => {
                self.way_out(outcome, &reasons)
            }
            BootOutcome::Follows | BootOutcome::Stopped => None,
        };
        self.judged = Some(Judged {
            outcome,
            reasons: reasons.clone(),
            fix: fix.clone(),
        });
        let kind = Kind::PhoneJudged {
            outcome: outcome.as_str().into(),
            reasons,
            fix,
        };
        (outcome, kind)
    }

    /// Why it follows, or the first thing that went wrong: what goes wrong later mostly follows
    /// from it.
    fn reasons(&self, outcome: BootOutcome) -> Vec<ReasonFacts> {
        let lists = [&self.ctl, &self.itl];
        match outcome {
            BootOutcome::Follows => lists
                .iter()
                .filter_map(|l| l.installed.as_ref())
                .flat_map(|i| i.reasons.iter().cloned())
                .collect(),
            BootOutcome::Stopped => Vec::new(),
            BootOutcome::NoServer => {
                let no_lease = self.no_lease.as_ref().map(|text| ReasonFacts {
                    code: Code::NoLease.as_str(),
                    text: text.clone(),
                    evidence: None,
                });
                no_lease.into_iter().chain(self.failures.clone()).collect()
            }
            BootOutcome::Overdue => vec![self.overdue()],
            BootOutcome::Refuses => {
                let refused = lists.iter().map(|l| &l.refused).find(|r| !r.is_empty());
                let config = self.config_refused.as_ref().map(|(_, reasons)| reasons);
                match refused.or(config) {
                    Some(reasons) => reasons.clone(),
                    None if !self.failures.is_empty() => self.failures.clone(),
                    None => vec![ReasonFacts {
                        code: Code::ListNotUpdated.as_str(),
                        text: "the phone holds no trust list and was offered none".into(),
                        evidence: None,
                    }],
                }
            }
        }
    }

    /// What a boot without end waited for.
    fn overdue(&self) -> ReasonFacts {
        let (text, evidence) = match &self.asked_last {
            None => ("it had not asked for any file yet".to_owned(), None),
            Some(asked) => {
                let Asked {
                    file,
                    server,
                    transport,
                } = asked;
                let text = format!(
                    "the last file that it asked for is {file}, from {server} over {transport}"
                );
                (text, Some(server.clone()))
            }
        };
        ReasonFacts {
            code: Code::BootOverdue.as_str(),
            text,
            evidence,
        }
    }

    fn way_out(&self, outcome: BootOutcome, reasons: &[ReasonFacts]) -> Option<String> {
        if outcome == BootOutcome::NoServer && self.failures.is_empty() && self.no_lease.is_some() {
            return advice(Code::NoLease).map(str::to_owned);
        }
        if outcome == BootOutcome::NoServer {
            return Some(
                "check the addresses, that Cisco Tftp runs there, and that TCP ports 6970 and 6971, \
                 UDP port 69 and the UDP ports of its answers (any above 1023) are open from here"
                    .into(),
            );
        }
        let last = reasons.last()?;
        let code = Code::named(last.code)?;
        match code {
            Code::TvsUnreachable if last.text.contains(DOES_NOT_RESOLVE) => Some(
                "let this machine resolve the names of the TVS servers as the phones do, by DNS or \
                 in its hosts file, then try again"
                    .into(),
            ),
            Code::TvsHandshakeFailed if last.text.contains(NO_LEGACY) => Some(format!(
                "{ALLOW_LEGACY}, then try again: the TVS may be an old one that phones of its time \
                 can speak to"
            )),
            Code::TvsHandshakeFailed if last.text.contains(TLS_TOO_NEW) => Some(
                "lower `set tls min-version` to 1.0 on the TVS nodes until this phone has moved, or \
                 replace it"
                    .into(),
            ),
            Code::SignerUnknownToTvs | Code::SignerNotInList => {
                let signer = self.signer.as_ref();
                let signer = signer.map_or_else(|| "of the signer".to_owned(), signer_text);
                Some(format!(
                    "import the certificate {signer} into Phone-SAST-trust of the cluster that the \
                     phone comes from, restart TVS on its nodes, then try again"
                ))
            }
            Code::FileMissing => Some(format!(
                "add {} to the database of the cluster that serves it, then reset the phone",
                self.device
            )),
            code => advice(code).map(str::to_owned),
        }
    }

    /// The summary for people. `flash` is where the flash is kept.
    pub fn text(&self, paint: Paint, flash: &str) -> String {
        let Some(judged) = &self.judged else {
            return String::new();
        };
        let mut lines = vec![format!(
            " {}: {}",
            short(&self.device),
            judged.outcome.sentence(paint)
        )];
        let mut line = |label: &str, text: &str| lines.push(format!("   {label:<10} {text}"));
        if judged.outcome != BootOutcome::Follows
            && let Some(signer) = &self.signer
        {
            line("signer", &signer_text(signer));
        }
        let last = judged.reasons.len().saturating_sub(1);
        for (n, reason) in judged.reasons.iter().enumerate() {
            let label = if n == 0 { "because" } else { "" };
            let code = match judged.outcome {
                BootOutcome::Refuses | BootOutcome::NoServer | BootOutcome::Overdue
                    if n == last =>
                {
                    format!(" [{}]", reason.code)
                }
                _ => String::new(),
            };
            line(label, &format!("{}{code}", reason.text));
        }
        line("CTL", &self.ctl.text(paint));
        line("ITL", &self.itl.text(paint));
        line("config", &self.config_text(paint));
        if self.tvs_asked > 0 {
            let times = match self.tvs_asked {
                1 => "once".to_owned(),
                n => format!("{n} times"),
            };
            line("TVS", &format!("asked {times}"));
        }
        if let Some(servers) = &self.would_register {
            let text = match servers.as_slice() {
                [] => "nowhere: it knows no CallManager".to_owned(),
                all => {
                    let named = all.iter().take(MAX_NAMED).map(String::as_str);
                    let named: Vec<_> = named.collect();
                    let more = match all.len().saturating_sub(MAX_NAMED) {
                        0 => String::new(),
                        more => format!(" and {more} more"),
                    };
                    format!(
                        "not tried, trustline speaks no SIP to real servers; it would turn to {}{more}",
                        named.join(", then ")
                    )
                }
            };
            line("registers", &text);
        }
        let shows: Vec<_> = self.shows.iter().map(|s| format!("\"{s}\"")).collect();
        for (n, text) in shows.iter().enumerate() {
            line(if n == 0 { "shows" } else { "" }, text);
        }
        line("flash", flash);
        if let Some(fix) = &judged.fix {
            line("fix", fix);
        }
        lines.join("\n") + "\n"
    }

    fn config_text(&self, paint: Paint) -> String {
        match (&self.configuration, &self.config_refused) {
            (Some(accepted), _) => accepted.clone(),
            (None, Some((file, reasons))) => {
                let why = reasons.last().map_or("no reason", |r| &r.text);
                format!("{file} {}: {why}; the old one stays", paint.bad("refused"))
            }
            (None, None) => "not fetched".into(),
        }
    }
}

impl ListStory {
    fn text(&self, paint: Paint) -> String {
        let by = self
            .signer
            .as_ref()
            .map(|s| format!(", signed by {}", signer_text(s)))
            .unwrap_or_default();
        if let Some(new) = &self.installed {
            let how = match new.how.as_str() {
                "leap-of-faith" => paint.warn(" by leap of faith, no signer checked"),
                "rollback" => paint.warn(" over the empty list of a rollback, no signer checked"),
                "tvs" => " after asking TVS".to_owned(),
                _ => String::new(),
            };
            let what = match self.before {
                Some(_) => "replaced",
                None => "installed",
            };
            return format!("{what}{how}: {} bytes{by}", thousands(new.bytes));
        }
        let held = match &self.after {
            Some(sha1) => format!("the one that it held stays, SHA-1 {sha1}"),
            None => "none".to_owned(),
        };
        match (self.unchanged, self.refused.is_empty()) {
            (true, _) => format!("the servers' is the one that it holds{by}"),
            (false, false) => format!("{}{by}; {held}", paint.bad("refused")),
            (false, true) => held,
        }
    }
}

/// The list that a file name means; none for another file.
fn list_of(file: &str) -> Option<&'static str> {
    if file.starts_with("CTL") {
        Some("CTL")
    } else if file.starts_with("ITL") {
        Some("ITL")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    fn event(kind: Kind) -> Event {
        Event {
            at: Time::ZERO,
            actor: "SEP001122334401".into(),
            kind,
        }
    }

    fn booted(kinds: Vec<Kind>) -> BootReport {
        let boot = Kind::Boot {
            cause: "power".into(),
            option_150: vec!["10.0.0.5".into()],
            ctl_sha1: None,
            itl_sha1: Some("aa".into()),
        };
        let mut report = BootReport::default();
        for kind in std::iter::once(boot).chain(kinds) {
            report.take(&event(kind));
        }
        report
    }

    fn ended(settled: bool) -> Kind {
        Kind::BootEnded {
            settled,
            tvs_asked: 0,
            ctl_sha1: None,
            itl_sha1: Some("aa".into()),
        }
    }

    fn refused(code: Code, text: &str) -> Kind {
        Kind::ListRefused {
            list: "ITL".into(),
            file: "ITLSEP001122334401.tlv".into(),
            signer: None,
            reasons: vec![ReasonFacts {
                code: code.as_str(),
                text: text.into(),
                evidence: None,
            }],
        }
    }

    #[test]
    fn the_outcome_is_what_the_boot_and_the_wire_say() {
        let (done, overdue) = (Some(BootEnd::Done), Some(BootEnd::Overdue));
        for (kinds, end, heard, expected) in [
            (vec![ended(true)], done, true, BootOutcome::Follows),
            (vec![ended(false)], done, true, BootOutcome::Refuses),
            (vec![ended(false)], done, false, BootOutcome::NoServer),
            (vec![], None, true, BootOutcome::Stopped),
            (vec![], overdue, true, BootOutcome::Overdue),
            (vec![], overdue, false, BootOutcome::NoServer),
        ] {
            let (outcome, kind) = booted(kinds).judge(end, heard);
            assert_eq!(outcome, expected);
            let Kind::PhoneJudged { outcome, .. } = kind else {
                panic!("another kind")
            };
            assert_eq!(outcome, expected.as_str());
        }
    }

    #[test]
    fn without_a_lease_it_says_so_first() {
        let no_lease = || Kind::DhcpFailed {
            text: "no DHCP server answers".into(),
        };
        let mut report = booted(vec![no_lease(), ended(false)]);
        report.judge(Some(BootEnd::Done), false);
        let text = report.text(Paint::new(false), "here");
        assert!(text.contains("because    no DHCP server answers [no-lease]"));
        assert!(text.contains("fix        let a DHCP server on the phone's segment"));
        // It went on with the servers of last time, which do not answer either.
        let failed = Kind::DownloadFailed {
            file: "CTLSEP001122334401.tlv".into(),
            server: "10.0.0.5".into(),
            text: "no answer".into(),
        };
        let mut report = booted(vec![no_lease(), failed, ended(false)]);
        report.judge(Some(BootEnd::Done), false);
        let text = report.text(Paint::new(false), "here");
        let (lease, file) = (
            text.find("no DHCP server"),
            text.find("10.0.0.5: no answer"),
        );
        assert!(lease.is_some() && lease < file);
        assert!(text.contains("fix        check the addresses"));
    }

    #[test]
    fn a_refusal_says_why_and_what_to_do() {
        let unknown = refused(Code::SignerUnknownToTvs, "TVS a:2445 does not know CN=b");
        let mut report = booted(vec![unknown, ended(false)]);
        report.judge(Some(BootEnd::Done), true);
        let text = report.text(Paint::new(false), "here");
        assert!(text.contains("SEP..4401: does not follow these servers"));
        assert!(text.contains("does not know CN=b [signer-unknown-to-tvs]"));
        assert!(text.contains("stays, SHA-1 aa"));
        assert!(text.contains("fix        import the certificate of the signer"));
    }

    #[test]
    fn a_boot_without_end_names_what_it_waited_for() {
        let asked = Kind::Requested {
            file: "ITLFile.tlv".into(),
            server: "10.0.0.5".into(),
            transport: "tftp".into(),
            options: "none".into(),
            secure: false,
        };
        let mut report = booted(vec![asked]);
        report.judge(Some(BootEnd::Overdue), true);
        let text = report.text(Paint::new(false), "here");
        assert!(text.contains("did not come to the end of its boot within an hour"));
        assert!(text.contains("ITLFile.tlv, from 10.0.0.5 over TFTP [boot-overdue]"));
        assert!(text.contains("fix        look at this server"), "{text}");
    }
}
