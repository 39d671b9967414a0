//! The lists of a boot: each is fetched, judged, and installed or refused.

use std::sync::{Arc, Mutex, PoisonError};

use super::boot::{Phone, Stage};
use super::download::Fetched;
use super::flash;
use super::known::{Known, fingerprint};
use super::remarks::Remarks;
use super::tvs::Asked;
use crate::event::{Kind, SignerFacts};
use crate::time::Time;
use crate::trust::decide::{Decision, How, ListQuestion, Ruling, decide_list};
use crate::trust::installed::{InForce, InstalledList};
#[cfg(feature = "planted-defects")]
use crate::trust::planted::Defect;
use crate::trust::reason::{Code, Reason};
use crate::trust::rules::{DamagedList, EmptyFile, NewCtlInForce, TvsCacheFlush};
use crate::trust::search::{FoundIn, SignerId};
use crate::trust::vouch::Vouch;
use crate::wire::{ListKind, WireError};

/// Result code of the trust list stage where a list was updated. It was seen after an update of the
/// ITL (Cisco 213407, EMCC technote); that one of the CTL gives the same is inferred.
const RC_UPDATED: u32 = 8;

/// Stands for every other result code: none of them is known.
const RC_UNKNOWN: u32 = 0;

/// What the trust list stage did, for the status screen.
#[derive(Debug, Default)]
pub(super) struct TrustOutcome {
    pub(super) had_any: bool,
    pub(super) had_ctl: bool,
    ctl_new: bool,
    itl_new: bool,
    pub(super) failed: Option<Reason>,
}

/// Reads a list that was accepted before. A phone reads those in its flash at each boot, and many
/// phones hold the same.
pub(super) fn installed(kind: ListKind, bytes: &Arc<[u8]>) -> Result<InstalledList, WireError> {
    /// Two megabytes at usual sizes.
    const LIMIT: usize = 128;
    static CTLS: Mutex<Known<InstalledList>> = Mutex::new(Known::new(LIMIT));
    static ITLS: Mutex<Known<InstalledList>> = Mutex::new(Known::new(LIMIT));
    let known = match kind {
        ListKind::Ctl => &CTLS,
        ListKind::Itl => &ITLS,
    };
    let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
    let fingerprint = fingerprint(bytes);
    if let Some(mut list) = lock().get(fingerprint, bytes) {
        list.bytes = Arc::clone(bytes);
        return Ok(list);
    }
    let list = InstalledList::parse(kind, Arc::clone(bytes))?;
    lock().keep(fingerprint, bytes, &list);
    Ok(list)
}

impl Phone {
    /// Name of the file that the stage asked for.
    fn list_file(&self) -> String {
        let device = &self.setup.identity.device;
        match self.stage {
            Stage::Ctl => format!("CTL{device}.tlv"),
            Stage::ItlOfDevice => format!("ITL{device}.tlv"),
            _ => "ITLFile.tlv".to_owned(),
        }
    }

    /// A list without any byte is no file, where the rule says so.
    pub(super) fn without_empty_list(&self, fetched: Fetched) -> Fetched {
        let is_list = matches!(
            self.stage,
            Stage::Ctl | Stage::ItlOfDevice | Stage::ItlOfNode
        );
        match fetched {
            Fetched::File { bytes, .. }
                if is_list
                    && bytes.is_empty()
                    && self.setup.settings.word::<EmptyFile>() == EmptyFile::AsMissing =>
            {
                Fetched::NotFound
            }
            other => other,
        }
    }

    pub(super) fn list_fetched(&mut self, kind: ListKind, fetched: Fetched, now: Time) {
        match fetched {
            Fetched::File { bytes, .. } => {
                return self.judge_list(kind, bytes.into(), None, now);
            }
            Fetched::NotFound => {
                if kind == ListKind::Ctl {
                    self.status(now, self.setup.profile.texts.value.no_ctl);
                }
            }
            Fetched::Failed(text) => {
                self.trust.failed = Some(Reason::new(
                    Code::DownloadFailed,
                    format!("{} could not be downloaded: {text}", self.list_file()),
                ));
            }
        }
        self.list_done(kind, now);
    }

    /// The lists that count, with what was installed in this boot by the rule.
    pub(super) fn in_force(&self) -> InForce<'_> {
        let is_old = self.setup.settings.weigh(|s| {
            let next_boot = s.word::<NewCtlInForce>() == NewCtlInForce::NextBoot;
            #[cfg(feature = "planted-defects")]
            let next_boot = next_boot || s.has(Defect::ItlAfterNewCtl);
            next_boot && self.trust.ctl_new
        });
        let ctl = if is_old { &self.old_ctl } else { &self.ctl };
        InForce {
            ctl: ctl.as_ref(),
            itl: self.itl.as_ref(),
        }
    }

    /// Judges a list; `tvs` is what asking TVS came to, if it was asked.
    pub(super) fn judge_list(
        &mut self,
        kind: ListKind,
        bytes: Arc<[u8]>,
        tvs: Option<Asked>,
        now: Time,
    ) {
        let file = self.list_file();
        if let Some(reason) = self.no_leap_over_damage() {
            self.refuse_list(kind, file, None, &[reason], now);
            return self.list_done(kind, now);
        }
        let mut check = std::mem::take(&mut self.check);
        let vouches = self.live_vouches(tvs.as_ref(), now);
        let in_force = self.in_force();
        let decision = self.setup.settings.weigh(|settings| {
            let question = ListQuestion {
                kind,
                bytes: &bytes,
                in_force,
                vouches: &vouches,
                settings,
                known_version: self.setup.profile.known_version.value,
                now: self.wall_clock(now),
            };
            decide_list(&question, &mut check)
        });
        self.check = check;
        let asked = tvs.is_some();
        let remarks = self.setup.profile.remarks.value;
        if !asked {
            if remarks == Remarks::BeforeSearch {
                self.tell_remarks(&file, &bytes, &decision, now);
            }
            self.tell_lookup(&file, &decision, now);
        }
        if decision.ruling == Ruling::AskTvs && !asked {
            let signer = signer_of(&decision);
            return self.ask_tvs(super::tvs::Waiting::List { kind, bytes }, signer, now);
        }
        self.tell_comparison(&file, &decision, now);
        if remarks == Remarks::AfterComparison && decision.compared.is_some() {
            self.tell_remarks(&file, &bytes, &decision, now);
        }
        let reasons = with_tvs(decision.ruling, decision.reasons, tvs);
        match decision.ruling {
            Ruling::Accept(how) => self.replace_list(kind, bytes, how, &reasons, now),
            Ruling::Unchanged => {
                self.event(
                    now,
                    Kind::ListUnchanged {
                        list: kind.to_string(),
                    },
                );
            }
            Ruling::Refuse | Ruling::AskTvs => {
                let signer = decision.signer.as_ref().map(|s| s.facts());
                self.refuse_list(kind, file, signer, &reasons, now);
            }
        }
        self.list_done(kind, now);
    }

    /// Why a phone whose only lists are damaged takes none: the list may be an attacker's way to
    /// the leap of faith.
    fn no_leap_over_damage(&self) -> Option<Reason> {
        let kind = self.damaged_list?;
        let in_force = self.in_force();
        if in_force.ctl.is_some() || in_force.itl.is_some() {
            return None;
        }
        let refuses = self.setup.settings.word::<DamagedList>() == DamagedList::Refuse;
        refuses.then(|| {
            let text = format!(
                "the {kind} in flash is damaged: no list is taken by leap of faith, and none is installed that names a TVS to ask"
            );
            Reason::new(Code::InstalledListDamaged, text).at(kind.file_name())
        })
    }

    fn refuse_list(
        &mut self,
        kind: ListKind,
        file: String,
        signer: Option<SignerFacts>,
        reasons: &[Reason],
        now: Time,
    ) {
        self.trust.failed = reasons.last().cloned();
        let refused = Kind::ListRefused {
            list: kind.to_string(),
            file,
            signer,
            reasons: reasons.iter().map(Reason::facts).collect(),
        };
        self.event(now, refused);
    }

    /// Says what is odd about the header of a list.
    fn tell_remarks(&mut self, file: &str, bytes: &[u8], d: &Decision, now: Time) {
        let remarks = self.setup.profile.remarks.value;
        for text in remarks.texts(bytes, d.note) {
            let file = file.to_owned();
            self.event(now, Kind::HeaderNote { file, text });
        }
    }

    /// Says where the signer was found.
    pub(super) fn tell_lookup(&mut self, file: &str, d: &Decision, now: Time) {
        // A decision that did not come to the signer has nothing to tell about it.
        let (Some(signer), Some(searched)) = (&d.signer, d.searched) else {
            return;
        };
        let kind = Kind::SignerLookedUp {
            file: file.into(),
            signer: signer.facts(),
            found_in: d.found_in.map_or("nowhere", FoundIn::as_str).into(),
            searched: searched.to_string(),
        };
        self.event(now, kind);
    }

    pub(super) fn tell_comparison(&mut self, file: &str, d: &Decision, now: Time) {
        if let Some((digest, matches)) = d.compared {
            let digest = digest.to_string();
            self.event(
                now,
                Kind::HashCompared {
                    file: file.into(),
                    digest,
                    matches,
                },
            );
        }
    }

    fn replace_list(
        &mut self,
        kind: ListKind,
        bytes: Arc<[u8]>,
        how: How,
        reasons: &[Reason],
        now: Time,
    ) {
        // What was accepted was read whole, so it reads again.
        let Ok(mut list) = installed(kind, &bytes) else {
            return;
        };
        list.is_new = true;
        self.flush_kept_notes(now);
        let operations = flash::replace(kind.file_name(), Arc::clone(&bytes));
        #[cfg(feature = "planted-defects")]
        let operations = if self.setup.settings.has(Defect::AtomicReplace) {
            flash::replace_in_place(kind.file_name(), Arc::clone(&bytes)).to_vec()
        } else {
            operations.to_vec()
        };
        for operation in operations {
            self.flash(now, operation);
        }
        let kind_event = Kind::ListInstalled {
            list: kind.to_string(),
            facts: self.facts(kind.file_name(), &bytes),
            how: how.as_str().into(),
            reasons: reasons.iter().map(Reason::facts).collect(),
        };
        self.event(now, kind_event);
        match kind {
            ListKind::Ctl => {
                self.old_ctl = self.ctl.take();
                self.trust.ctl_new = true;
            }
            ListKind::Itl => self.trust.itl_new = true,
        }
        self.install(kind, list);
        let flush = TvsCacheFlush::Yes;
        let kept = self.vouches.len() + self.unknown_signers.len();
        if kept > 0 && self.setup.settings.word::<TvsCacheFlush>() == flush {
            let entries = kept;
            self.vouches.clear();
            self.unknown_signers.clear();
            self.event(now, Kind::TvsCacheFlushed { entries });
        }
    }

    /// Goes on after a list was dealt with.
    fn list_done(&mut self, kind: ListKind, now: Time) {
        match kind {
            ListKind::Ctl => self.ask(Stage::ItlOfDevice, now),
            ListKind::Itl => {
                self.trust_stage_ended(now);
                self.begin_config(now);
            }
        }
    }

    pub(super) fn trust_stage_ended(&mut self, now: Time) {
        let texts = self.setup.profile.texts.value;
        let t = &self.trust;
        let holds_none = self.ctl.is_none() && self.itl.is_none();
        let text = if t.failed.is_some() && t.had_any {
            Some(texts.update_failed)
        } else if holds_none {
            Some(texts.none_installed)
        } else if !t.had_any {
            match (t.ctl_new, t.itl_new) {
                (true, true) => Some(texts.both_installed),
                (true, false) => Some(texts.ctl_installed),
                (false, true) => Some(texts.itl_installed),
                (false, false) => None,
            }
        } else if t.ctl_new && !t.had_ctl && !t.itl_new {
            Some(texts.ctl_installed)
        } else {
            (t.ctl_new || t.itl_new).then_some(texts.updated)
        };
        let updated = t.ctl_new || t.itl_new;
        let fail_reason = t
            .failed
            .as_ref()
            .map_or_else(|| "Success".to_owned(), |r| r.code.to_string());
        let rc = if updated && t.failed.is_none() {
            RC_UPDATED
        } else {
            RC_UNKNOWN
        };
        if let Some(text) = text {
            self.status(now, text);
        }
        self.event(now, Kind::TrustStageEnded { rc, fail_reason });
    }

    /// TVS answers that count: kept ones that have not run out, and the one just asked for.
    pub(super) fn live_vouches(&self, asked: Option<&Asked>, now: Time) -> Vec<Vouch> {
        let is_live = |v: &&Vouch| v.expires > now;
        #[cfg(feature = "planted-defects")]
        let is_live = |v: &&Vouch| is_live(v) || self.setup.settings.has(Defect::CacheLife);
        let kept = self.vouches.iter().filter(is_live);
        let answer = asked.and_then(|a| a.answer.as_ref());
        answer.into_iter().chain(kept).cloned().collect()
    }
}

/// Reasons of a decision together with those of asking TVS, so that the last stays the decisive
/// one: if nobody vouched, what the servers said; else they come where they happened, between not
/// finding the signer and what followed from the answer.
pub(super) fn with_tvs(
    ruling: Ruling,
    mut reasons: Vec<Reason>,
    tvs: Option<Asked>,
) -> Vec<Reason> {
    let Some(tvs) = tvs else {
        return reasons;
    };
    let at = match ruling {
        Ruling::AskTvs => reasons.len(),
        _ => reasons.len().min(1),
    };
    reasons.splice(at..at, tvs.reasons);
    reasons
}

/// The signer that TVS is asked about.
pub(super) fn signer_of(decision: &Decision) -> SignerId {
    let none = || SignerId {
        subject: Vec::new(),
        issuer: Vec::new(),
        serial: Vec::new(),
    };
    decision.signer.as_deref().cloned().unwrap_or_else(none)
}
