//! What a phone that holds given lists would do, and how sure that is.

use super::Judge;
use crate::report::text::count;
use crate::trust::decide::{
    Decision, FileQuestion, How, ListQuestion, Ruling, decide_file, decide_list,
};
use crate::trust::reason::{Code, Reason};
use crate::trust::rules::{Basis, Key, Settings, rule};
use crate::trust::search::FoundIn;
use crate::trust::signature::SignatureCheck;
use crate::wire::ListKind;

/// What the phone would do, and why.
#[derive(Debug)]
pub struct PhoneRuling {
    /// The decision.
    pub decision: Decision,
    /// Which lists the phone holds, for a sentence.
    pub holds: String,
    /// True if these lists have a certificate of a TVS, so that the phone can ask one.
    pub can_ask_tvs: bool,
    /// The rules whose other listed choice would change what the phone does: the least sure first.
    pub rests_on: Vec<Support>,
    verb: &'static str,
}

/// A rule that the ruling rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Support {
    /// The rule.
    pub key: Key,
    /// How sure its value is.
    pub basis: Basis,
    /// Its value.
    pub value: String,
    /// The choice that would change the ruling.
    pub other: String,
    /// What the phone would do then: `take it`, `ask TVS`, `refuse it`.
    pub then: &'static str,
}

impl PhoneRuling {
    pub(super) fn of_list(kind: ListKind, bytes: &[u8], judge: &Judge<'_>) -> Option<Self> {
        let in_force = judge.installed?;
        let decide = |settings: &Settings| {
            let question = ListQuestion {
                kind,
                bytes,
                in_force,
                vouches: &[],
                settings,
                known_version: judge.profile.known_version.value,
                now: judge.now,
            };
            decide_list(&question, &mut SignatureCheck::new())
        };
        Some(Self::of("installs it", judge, decide))
    }

    pub(super) fn of_file(name: &str, bytes: &[u8], judge: &Judge<'_>) -> Option<Self> {
        let in_force = judge.installed?;
        let decide = |settings: &Settings| {
            let question = FileQuestion {
                name,
                bytes,
                in_force,
                vouches: &[],
                settings,
                now: judge.now,
            };
            decide_file(&question, &mut SignatureCheck::new())
        };
        Some(Self::of("takes it", judge, decide))
    }

    fn of(verb: &'static str, judge: &Judge<'_>, decide: impl Fn(&Settings) -> Decision) -> Self {
        let in_force = judge.installed.unwrap_or_default();
        let settings = judge.settings.clone();
        settings.forget_used();
        let decision = decide(&settings);
        let can_ask_tvs = !in_force.tvs_certificates().is_empty();
        let outcome = outcome(decision.ruling, can_ask_tvs);
        let mut rests_on: Vec<Support> = settings
            .used()
            .into_iter()
            .filter_map(|key| {
                let now = settings.peek(key);
                rule(key).others(now).into_iter().find_map(|other| {
                    let mut changed = settings.clone();
                    changed.set(key, other, settings.basis(key));
                    let then = self::outcome(decide(&changed).ruling, can_ask_tvs);
                    (then != outcome).then(|| Support {
                        key,
                        basis: settings.basis(key),
                        value: rule(key).text_of(now),
                        other: rule(key).text_of(other),
                        then,
                    })
                })
            })
            .collect();
        rests_on.sort_by_key(|s| std::cmp::Reverse(s.basis));
        let lists = in_force.all();
        Self {
            holds: lists
                .iter()
                .map(|l| {
                    let records = count(l.list.records.len(), "record");
                    format!("{} ({records})", l.kind)
                })
                .collect::<Vec<_>>()
                .join(" and "),
            can_ask_tvs,
            decision,
            rests_on,
            verb,
        }
    }

    /// True if the phone has the file afterwards.
    pub fn is_taken(&self) -> bool {
        matches!(self.decision.ruling, Ruling::Accept(_) | Ruling::Unchanged)
    }

    /// The least sure rule that the ruling rests on; documented if there is none.
    pub fn basis(&self) -> Basis {
        self.rests_on.first().map_or(Basis::Documented, |s| s.basis)
    }

    /// What the phone would do, in a sentence.
    pub fn sentence(&self) -> String {
        let d = &self.decision;
        let signer = || {
            d.signer
                .as_ref()
                .map_or_else(|| "it".into(), ToString::to_string)
        };
        match d.ruling {
            Ruling::Accept(How::Signer) => {
                let place = d.found_in.map_or("installed list", FoundIn::as_str);
                let record = d
                    .reasons
                    .iter()
                    .find(|r| r.code == Code::SignerInList)
                    .and_then(Reason::evidence)
                    .map_or_else(String::new, |e| format!(", {e}"));
                format!("{} (signer in {place}{record})", self.verb)
            }
            Ruling::Accept(how) => {
                let why = match how {
                    How::Rollback => "the installed ITL is the empty one of a rollback",
                    How::LeapOfFaith => "leap of faith, no list is installed",
                    How::Signer | How::Tvs => "TVS vouches for the signer",
                };
                format!("{} ({why})", self.verb)
            }
            Ruling::Unchanged => "keeps what it has (this is the installed file)".into(),
            Ruling::AskTvs if self.can_ask_tvs => format!(
                "asks TVS about {}, and takes it only if TVS vouches for that signer",
                signer()
            ),
            Ruling::AskTvs => format!(
                "refuses it: only TVS could vouch for {}, and these lists hold no TVS certificate",
                signer()
            ),
            Ruling::Refuse => {
                let why = d
                    .decisive()
                    .map_or_else(|| "no reason given".into(), Reason::text);
                format!("refuses it: {why}")
            }
        }
    }

    /// A word for programs: `takes`, `keeps`, `asks-tvs`, `cannot-ask-tvs`, `refuses`.
    pub fn word(&self) -> &'static str {
        match self.decision.ruling {
            Ruling::Accept(_) => "takes",
            Ruling::Unchanged => "keeps",
            Ruling::AskTvs if self.can_ask_tvs => "asks-tvs",
            Ruling::AskTvs => "cannot-ask-tvs",
            Ruling::Refuse => "refuses",
        }
    }

    /// The reason that says what to do.
    pub fn decisive(&self) -> Option<Code> {
        if self.is_taken() {
            return None;
        }
        if self.decision.ruling == Ruling::AskTvs && !self.can_ask_tvs {
            return Some(Code::NoTvsInList);
        }
        self.decision.decisive().map(|r| r.code)
    }
}

/// What the phone has afterwards: two rulings of one outcome differ only in the way there.
fn outcome(ruling: Ruling, can_ask_tvs: bool) -> &'static str {
    match ruling {
        Ruling::Accept(_) | Ruling::Unchanged => "take it",
        Ruling::AskTvs if can_ask_tvs => "ask TVS",
        Ruling::AskTvs | Ruling::Refuse => "refuse it",
    }
}
