//! The decision whether a phone takes a list or a signed file: the matrix of an independent
//! writer, a table of cases with their sources, and the laws that hold whatever the bytes are.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads its vectors"
)]

mod cache;
mod lab;
mod laws;
mod matrix;
mod parts;
mod table;

use trustline::trust::decide::{
    Decision, FileQuestion, How, ListQuestion, Ruling, decide_file, decide_list,
};
use trustline::trust::installed::InForce;
use trustline::trust::rules::Settings;
use trustline::trust::signature::SignatureCheck;
use trustline::trust::vouch::Vouch;
use trustline::wire::ListKind;

/// What a phone holds, knows and is set to.
struct Phone {
    ctl: Option<trustline::trust::installed::InstalledList>,
    itl: Option<trustline::trust::installed::InstalledList>,
    vouches: Vec<Vouch>,
    settings: Settings,
}

impl Phone {
    fn new(ctl: &str, itl: &str, vouches: &[&str], settings: &[&str]) -> Self {
        Self {
            ctl: lab::installed(ListKind::Ctl, ctl),
            itl: lab::installed(ListKind::Itl, itl),
            vouches: vouches.iter().map(|v| lab::vouch(v)).collect(),
            settings: lab::settings(settings),
        }
    }

    fn in_force(&self) -> InForce<'_> {
        InForce {
            ctl: self.ctl.as_ref(),
            itl: self.itl.as_ref(),
        }
    }

    fn list_question<'a>(&'a self, kind: ListKind, bytes: &'a [u8]) -> ListQuestion<'a> {
        ListQuestion {
            kind,
            bytes,
            in_force: self.in_force(),
            vouches: &self.vouches,
            settings: &self.settings,
            known_version: (1, 1),
            now: lab::NOW,
        }
    }

    fn list(&self, kind: ListKind, bytes: &[u8]) -> Decision {
        decide_list(&self.list_question(kind, bytes), &mut SignatureCheck::new())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Decision {
        let question = FileQuestion {
            name,
            bytes,
            in_force: self.in_force(),
            vouches: &self.vouches,
            settings: &self.settings,
            now: lab::NOW,
        };
        decide_file(&question, &mut SignatureCheck::new())
    }
}

/// `accept signer`, `ask tvs`, ...
fn ruling_text(ruling: Ruling) -> String {
    match ruling {
        Ruling::Accept(how) => format!("accept {}", how.as_str()),
        Ruling::Unchanged => "unchanged".into(),
        Ruling::AskTvs => "ask tvs".into(),
        Ruling::Refuse => "refuse".into(),
    }
}

/// The reasons' codes in order.
fn codes(decision: &Decision) -> String {
    let codes: Vec<_> = decision.reasons.iter().map(|r| r.code.as_str()).collect();
    codes.join(" ")
}

const TRUSTED: [Ruling; 2] = [Ruling::Accept(How::Signer), Ruling::Accept(How::Tvs)];
