//! TVS answers as a phone got them.

use std::sync::Arc;
use std::time::Duration;

use super::held::{Held, is_named, signs_files, signs_lists};
use super::law::Law;
use super::terms::Terms;
use crate::time::Time;
use crate::wire::Role;
use crate::wire::header::same_serial;
use crate::wire::tvs::{Message, Request, STATUS_FOUND};

/// When an answer is used: the time, the rules, and the lists that count.
pub(super) struct Moment<'a> {
    pub(super) at: Time,
    pub(super) terms: &'a Terms,
    pub(super) lists: [Option<&'a Held>; 2],
}

impl Moment<'_> {
    /// True if a list that counts holds this certificate as that of a TVS.
    pub(super) fn pins(&self, certificate: &[u8]) -> bool {
        let is_tvs = |role| role == Role::Tvs;
        let lists = self.lists.iter().flatten();
        let mut all = lists.flat_map(|list| list.certificates(is_tvs));
        all.any(|own| own == certificate)
    }
}

/// One positive answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The question; a server's certificate is asked about by itself, without names.
    subject: Question,
    /// The certificate of the server that gave it, where the world shows it.
    server: Option<Arc<[u8]>>,
    certificate: Vec<u8>,
    roles: Vec<Role>,
    life: Duration,
    /// When it runs out, in microseconds of the world's time: before its start where the phone's
    /// wall clock has jumped ahead. Set when it has come to the phone.
    until_us: i64,
}

/// What a phone was told, and what is on its way to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    kept: Vec<Answer>,
    coming: Option<Answer>,
    /// The answer that came for the file which waits for it: it counts even without a life time.
    fresh: Option<Answer>,
}

/// The question that a message asks.
#[derive(Clone, Debug)]
pub(super) enum Question {
    /// About a signer.
    Signer { issuer: Vec<u8>, serial: Vec<u8> },
    /// About the server with this certificate.
    Server { certificate: Vec<u8> },
}

/// The question in these bytes, if they are one.
pub(super) fn question(bytes: &[u8], terms: &Terms) -> Option<Question> {
    let message = Message::parse(bytes, &terms.tags).ok()?;
    match message.request(&terms.tags, terms.duplicates).ok()? {
        Request::Query { issuer, serial, .. } => Some(Question::Signer { issuer, serial }),
        Request::Verify { certificate, .. } => Some(Question::Server { certificate }),
    }
}

impl Answers {
    /// The server with this certificate answered a question.
    pub(super) fn sent(
        &mut self,
        server: Option<&Arc<[u8]>>,
        question: Question,
        bytes: &[u8],
        terms: &Terms,
    ) {
        self.coming = None;
        let Ok(message) = Message::parse(bytes, &terms.tags) else {
            return;
        };
        let Ok(answer) = message.answer(&terms.tags, terms.duplicates) else {
            return;
        };
        // The answer about a server does not repeat its certificate.
        let certificate = match &question {
            Question::Signer { .. } => answer.certificate,
            Question::Server { certificate } => Some(certificate.clone()),
        };
        let (STATUS_FOUND, Some(certificate)) = (answer.status, certificate) else {
            return;
        };
        let roles = answer.roles.unwrap_or_default();
        self.coming = Some(Answer {
            subject: question,
            server: server.cloned(),
            certificate,
            roles: roles
                .iter()
                .map(|&code| Role::from_code(code.into()))
                .collect(),
            life: Duration::from_secs(answer.ttl_secs.unwrap_or(0).into()),
            until_us: 0,
        });
    }

    /// The answer has come to the phone.
    pub(super) fn arrived(&mut self, at: Time) {
        if let Some(mut answer) = self.coming.take() {
            answer.until_us = micros(at + answer.life);
            self.kept.push(answer.clone());
            self.fresh = Some(answer);
        }
    }

    /// The file that waited was decided.
    pub(super) fn decided(&mut self) {
        self.fresh = None;
    }

    /// The phone starts, and its wall clock has jumped this many seconds since it last did.
    pub(super) fn boot(&mut self, jumped: i64, terms: &Terms) {
        self.coming = None;
        self.fresh = None;
        if !terms.answers_survive_boot {
            self.kept.clear();
        }
        if terms.answers_end_by_wall_clock {
            let jumped = jumped.saturating_mul(1_000_000);
            for answer in &mut self.kept {
                answer.until_us = answer.until_us.saturating_sub(jumped);
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = (bool, &Answer)> {
        let fresh = self.fresh.iter().map(|answer| (true, answer));
        fresh.chain(self.kept.iter().map(|answer| (false, answer)))
    }

    /// Whether an answer lets the signer of this list sign it; else the law that every answer about
    /// the signer breaks first, or nothing where there is no answer about it.
    pub(super) fn vouch_for(&self, list: &Held, now: &Moment<'_>) -> Result<(), Option<Law>> {
        let (issuer, serial) = list.signer();
        let mut nearest = None;
        for (is_fresh, answer) in self.all().filter(|(_, a)| a.is_about(issuer, serial)) {
            match answer.lets(is_fresh, signs_lists, now) {
                Ok(()) if list.is_signed_by(&answer.certificate) => return Ok(()),
                Ok(()) => nearest = Some(Law::SignatureHolds),
                Err(law) => nearest = nearest.or(Some(law)),
            }
        }
        Err(nearest)
    }

    /// The same for a signed file, of which the phone tells the signer alone.
    pub(super) fn let_sign_files(
        &self,
        issuer: &[u8],
        serial: &[u8],
        now: &Moment<'_>,
    ) -> Result<(), Option<Law>> {
        let mut nearest = None;
        for (is_fresh, answer) in self.all().filter(|(_, a)| a.is_about(issuer, serial)) {
            match answer.lets(is_fresh, signs_files, now) {
                Ok(()) => return Ok(()),
                Err(law) => nearest = nearest.or(Some(law)),
            }
        }
        Err(nearest)
    }

    /// Whether an answer lets the server with this certificate hand out files.
    pub(super) fn let_serve(&self, certificate: &[u8], now: &Moment<'_>) -> bool {
        self.all()
            .filter(|(_, answer)| answer.certificate == certificate)
            .any(|(is_fresh, answer)| answer.lets(is_fresh, signs_files, now).is_ok())
    }
}

impl Answer {
    fn is_about(&self, asked_issuer: &[u8], asked_serial: &[u8]) -> bool {
        match &self.subject {
            Question::Signer { issuer, serial } => {
                issuer == asked_issuer && same_serial(serial, asked_serial)
            }
            Question::Server { .. } => false,
        }
    }

    fn lets(
        &self,
        is_fresh: bool,
        wanted: impl Fn(Role) -> bool,
        now: &Moment<'_>,
    ) -> Result<(), Law> {
        if let Question::Signer { issuer, serial } = &self.subject
            && !is_named(&self.certificate, issuer, serial)
        {
            return Err(Law::AnswerForItsCertificate);
        }
        if now.terms.tvs_role_required && !self.roles.iter().any(|&role| wanted(role)) {
            return Err(Law::AnswerInRole);
        }
        let is_of_another = |server: &Arc<[u8]>| !now.pins(server);
        if now.terms.answers_end_with_lists && self.server.as_ref().is_some_and(is_of_another) {
            return Err(Law::AnswerOfOwnCluster);
        }
        if !is_fresh && micros(now.at) >= self.until_us {
            return Err(Law::AnswerInTime);
        }
        Ok(())
    }
}

fn micros(at: Time) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::rules::{Basis, Settings, TvsCacheClock, TvsCacheSurvivesBoot, Word};

    /// The end of an answer of an hour that is kept over a boot, the wall clock having jumped so far
    /// before it.
    fn end(clock: TvsCacheClock, jumped: i64) -> Option<i64> {
        let mut settings = Settings::default();
        settings.set(
            TvsCacheSurvivesBoot::KEY,
            TvsCacheSurvivesBoot::Yes as i64,
            Basis::Assumed,
        );
        settings.set(TvsCacheClock::KEY, clock as i64, Basis::Assumed);
        let mut answers = Answers {
            coming: Some(Answer {
                subject: Question::Signer {
                    issuer: Vec::new(),
                    serial: Vec::new(),
                },
                server: None,
                certificate: Vec::new(),
                roles: Vec::new(),
                life: Duration::from_secs(3_600),
                until_us: 0,
            }),
            ..Answers::default()
        };
        answers.arrived(Time::ZERO + Duration::from_secs(100));
        answers.boot(jumped, &Terms::of(&settings));
        answers.kept.first().map(|a| a.until_us / 1_000_000)
    }

    #[test]
    fn an_answer_ends_by_the_clock_of_the_rule() {
        assert_eq!(end(TvsCacheClock::Running, 7_200), Some(3_700));
        assert_eq!(end(TvsCacheClock::Running, -7_200), Some(3_700));
        assert_eq!(end(TvsCacheClock::Wall, 7_200), Some(-3_500));
        assert_eq!(end(TvsCacheClock::Wall, -7_200), Some(10_900));
        assert_eq!(
            end(TvsCacheClock::Wall, i64::MIN),
            Some(i64::MAX / 1_000_000)
        );
    }
}
