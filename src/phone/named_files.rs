//! The files that a configuration names: soft keys, locale, dial rules. They come after the
//! configuration, from the same server and signed by the same rule; one that is missing or refused
//! is told and left out, and the phone goes on to register.
//!
//! What is in them is not looked at: nothing that is trusted hangs on it.

use std::sync::Arc;

use super::boot::{Phone, Stage};
use super::config::SIGNED;
use super::download::Fetched;
use super::lists::{signer_of, with_tvs};
use super::profile::NamedFile;
use super::tvs::{Asked, Waiting};
use crate::event::{Kind, SignerFacts};
use crate::time::Time;
use crate::trust::decide::{Ruling, asks_for_signed_files};
use crate::trust::reason::{Code, Reason};
use crate::trust::rules::{AppDialRules, Key, RingList, Word};

impl NamedFile {
    /// What it is, for people.
    pub fn what(self) -> &'static str {
        match self {
            Self::SoftKeys => "soft keys",
            Self::FeaturePolicy => "feature policy",
            Self::UserLocale => "user locale",
            Self::Tones => "network locale",
            Self::ApplicationDialRules => "application dial rules",
            Self::DialTemplate => "dial plan",
            Self::RingList(_) => "ring list",
        }
    }
}

impl Phone {
    /// Asks for the first file that the accepted configuration names.
    pub(super) fn begin_named_files(&mut self, now: Time) {
        let profile = self.setup.profile;
        let named = profile.named_files.value.iter();
        self.named = named
            .filter_map(|&file| Some((file, self.name_of(file)?)))
            .collect();
        self.ask_named_file(now);
    }

    /// The name of such a file, unsigned; none if the configuration does not name it.
    fn name_of(&self, file: NamedFile) -> Option<String> {
        let files = &self.config.as_ref()?.files;
        // No verdict hangs on these rules, so they do not count as used.
        let peek = |key| self.setup.settings.peek(key);
        let fixed = |name: &str, asks: bool| asks.then(|| name.to_owned());
        match file {
            NamedFile::SoftKeys => files.soft_keys.clone(),
            NamedFile::FeaturePolicy => files.feature_policy.clone(),
            NamedFile::DialTemplate => files.dial_template.clone(),
            NamedFile::UserLocale => {
                let folder = files.user_locale.as_ref()?;
                let jar = self.setup.profile.locale_file(&self.setup.identity.model);
                Some(format!("{folder}/{jar}"))
            }
            NamedFile::Tones => {
                let folder = files.network_locale.as_ref()?;
                Some(format!("{folder}/{}", self.setup.profile.tones.value))
            }
            NamedFile::ApplicationDialRules => {
                let rule = AppDialRules::from_index(peek(Key::AppDialRules));
                fixed("AppDialRules.xml", rule == AppDialRules::Ask)
            }
            NamedFile::RingList(name) => {
                let rule = RingList::from_index(peek(Key::RingList));
                fixed(name, rule == RingList::Ask)
            }
        }
    }

    /// Asks for the file at the front of the queue; without one, the phone registers.
    fn ask_named_file(&mut self, now: Time) {
        let Some((_, name)) = self.named.front() else {
            return self.begin_registration(now);
        };
        self.stage = Stage::NamedFiles;
        let secure = asks_for_signed_files(&self.in_force());
        let file = if secure {
            format!("{name}{SIGNED}")
        } else {
            name.clone()
        };
        self.fetch(file, secure, now);
    }

    pub(super) fn named_file_fetched(&mut self, fetched: Fetched, now: Time) {
        let Some((_, name)) = self.named.front() else {
            return self.begin_registration(now);
        };
        let secure = asks_for_signed_files(&self.in_force());
        let file = format!("{name}{}", if secure { SIGNED } else { "" });
        let reason = match fetched {
            Fetched::File { bytes, .. } => {
                return self.judge_named_file(file, bytes.into(), None, now);
            }
            Fetched::NotFound => {
                let text = "the configuration names it, and the server does not have it";
                Reason::new(Code::FileMissing, text)
            }
            Fetched::Failed(text) => {
                let text = format!("it could not be downloaded: {text}");
                Reason::new(Code::DownloadFailed, text)
            }
        };
        self.named_file_refused(file, None, &[reason], now);
    }

    /// Judges a file that the configuration names; `tvs` is what asking TVS came to, if it was asked.
    pub(super) fn judge_named_file(
        &mut self,
        file: String,
        bytes: Arc<[u8]>,
        tvs: Option<Asked>,
        now: Time,
    ) {
        if !file.ends_with(SIGNED) {
            let text = if self.in_force().is_prepared_for_rollback() {
                "the installed ITL is the empty one of a rollback: an unsigned file is taken"
            } else {
                "no installed list has a TFTP certificate: the file is unsigned"
            };
            let reason = Reason::new(Code::FileUnsigned, text);
            return self.named_file_accepted(&file, &bytes, None, &[reason], now);
        }
        let asked = tvs.is_some();
        let decision = self.decide_file(&file, &bytes, tvs.as_ref(), now);
        if decision.ruling == Ruling::AskTvs && !asked {
            let signer = signer_of(&decision);
            return self.ask_tvs(Waiting::NamedFile { file, bytes }, signer, now);
        }
        self.tell_comparison(&file, &decision, now);
        let signer = decision.signer.as_ref().map(|s| s.facts());
        let reasons = with_tvs(decision.ruling, decision.reasons, tvs);
        if matches!(decision.ruling, Ruling::Accept(_)) {
            self.named_file_accepted(&file, &bytes, signer, &reasons, now);
        } else {
            self.show_refused(&file, now);
            self.named_file_refused(file, signer, &reasons, now);
        }
    }

    fn named_file_accepted(
        &mut self,
        file: &str,
        bytes: &[u8],
        signer: Option<SignerFacts>,
        reasons: &[Reason],
        now: Time,
    ) {
        let what = self.named_file_done();
        let accepted = Kind::NamedFileAccepted {
            what: what.map_or("", NamedFile::what).into(),
            facts: self.facts(file, bytes),
            signer,
            reasons: reasons.iter().map(Reason::facts).collect(),
        };
        self.event(now, accepted);
        self.ask_named_file(now);
    }

    fn named_file_refused(
        &mut self,
        file: String,
        signer: Option<SignerFacts>,
        reasons: &[Reason],
        now: Time,
    ) {
        let what = self.named_file_done();
        let refused = Kind::NamedFileRefused {
            what: what.map_or("", NamedFile::what).into(),
            file,
            signer,
            reasons: reasons.iter().map(Reason::facts).collect(),
        };
        self.event(now, refused);
        if matches!(what, Some(NamedFile::UserLocale | NamedFile::Tones)) {
            self.status(now, self.setup.profile.texts.value.locale_failed);
        }
        self.ask_named_file(now);
    }

    fn named_file_done(&mut self) -> Option<NamedFile> {
        self.named.pop_front().map(|(file, _)| file)
    }
}
