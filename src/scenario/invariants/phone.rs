//! One phone under watch: what its flash holds, what TVS told it, and what it is deciding.

use std::sync::Arc;

use super::answers::{Answers, Moment, Question, question};
use super::held::{Held, Lists, signs_files, signs_lists};
use super::law::Law;
use super::terms::Terms;
use crate::event::{Event, Kind, SignerFacts};
use crate::phone::power::BootEnd;
use crate::phone::{BootCause, Flash, PhoneSetup};
use crate::time::Time;
use crate::wire::ListKind;

/// Events that one boot of a phone tells at most: five downloads with their retransmissions, three
/// signers with three servers each, and the rest of a boot stay far below.
const MAX_EVENTS: usize = 2_000;

type Found = Vec<(Law, String)>;

/// Why a list may be installed, in the words of its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    Signer,
    Tvs,
    LeapOfFaith,
    Rollback,
}

impl Ground {
    fn word(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::Tvs => "tvs",
            Self::LeapOfFaith => "leap-of-faith",
            Self::Rollback => "rollback",
        }
    }
}

/// A phone.
#[derive(Debug, Default)]
pub(super) struct WatchedPhone {
    terms: Option<Terms>,
    flash: Option<Flash>,
    ctl: Option<Arc<Held>>,
    itl: Option<Arc<Held>>,
    /// The CTL at the start of the boot, once another took its place.
    old_ctl: Option<Option<Arc<Held>>>,
    answers: Answers,
    /// The wall clock at the world's start, as the last boot had it: it moves when the clock jumps.
    clock: Option<i64>,
    /// The file whose signer was looked up last.
    judging: Option<String>,
    /// Lists that were installed and whose event has not come yet.
    installed: Vec<(ListKind, Ground)>,
    /// In this boot a file was asked for over HTTPS, of a server that may hand out files.
    asked_over_https: bool,
    events: usize,
}

impl WatchedPhone {
    pub(super) fn boot(
        &mut self,
        setup: &PhoneSetup,
        flash: &Flash,
        lists: &mut Lists,
        found: &mut Found,
    ) {
        let terms = Terms::of(&setup.settings);
        if setup.cause == BootCause::FactoryReset {
            self.answers = Answers::default();
            if flash.files().next().is_some() {
                let text = "a factory reset left files in flash".to_owned();
                found.push((Law::ListsKept, text));
            }
        } else if setup.cause == BootCause::ListsErased {
            let lists = [ListKind::Ctl, ListKind::Itl];
            if lists
                .iter()
                .any(|kind| flash.get(kind.file_name()).is_some())
            {
                let text = "lists that were erased are in flash".to_owned();
                found.push((Law::ListsKept, text));
            }
        } else if let Some(last) = &self.flash {
            same_lists(last, flash, "between two boots", found);
        }
        let clock = i64::try_from(setup.clock).unwrap_or(i64::MAX);
        let last = self.clock.replace(clock).unwrap_or(clock);
        self.answers.boot(clock.saturating_sub(last), &terms);
        self.terms = Some(terms);
        self.flash = Some(flash.clone());
        self.ctl = read(ListKind::Ctl, flash, lists, found);
        self.itl = read(ListKind::Itl, flash, lists, found);
        self.old_ctl = None;
        self.judging = None;
        self.installed.clear();
        self.asked_over_https = false;
        self.events = 0;
    }

    pub(super) fn flash(
        &mut self,
        at: Time,
        before: &Flash,
        after: &Flash,
        cut: bool,
        lists: &mut Lists,
        found: &mut Found,
    ) {
        if let Some(last) = &self.flash {
            same_lists(last, before, "between two flash operations", found);
        }
        for kind in [ListKind::Ctl, ListKind::Itl] {
            let (old, new) = (before.get(kind.file_name()), after.get(kind.file_name()));
            if old == new {
                continue;
            }
            let when = if cut {
                "a power cut"
            } else {
                "a flash operation"
            };
            let Some(bytes) = new else {
                found.push((Law::ListsWhole, format!("the {kind} is gone after {when}")));
                self.replace(kind, None);
                continue;
            };
            let Some(list) = lists.read(bytes) else {
                let text = format!(
                    "after {when} the {kind} is neither the old nor a new one: {} bytes that are no whole list",
                    bytes.len()
                );
                found.push((Law::ListsWhole, text));
                self.replace(kind, None);
                continue;
            };
            match self.ground(kind, &list, at) {
                Ok(ground) => self.installed.push((kind, ground)),
                Err((law, text)) => {
                    found.push((law, text));
                }
            }
            self.replace(kind, Some(list));
        }
        self.flash = Some(after.clone());
    }

    fn replace(&mut self, kind: ListKind, list: Option<Arc<Held>>) {
        match kind {
            ListKind::Ctl => {
                let old = std::mem::replace(&mut self.ctl, list);
                self.old_ctl.get_or_insert(old);
            }
            ListKind::Itl => self.itl = list,
        }
    }

    /// The lists that count: the CTL, and the ITL.
    fn in_force(&self) -> (Option<&Held>, Option<&Held>) {
        let at_once = self.terms.as_ref().is_none_or(|t| t.new_ctl_counts_at_once);
        let ctl = match &self.old_ctl {
            Some(old) if !at_once => old.as_deref(),
            _ => self.ctl.as_deref(),
        };
        (ctl, self.itl.as_deref())
    }

    fn moment<'a>(&'a self, at: Time, terms: &'a Terms) -> Moment<'a> {
        let (ctl, itl) = self.in_force();
        let lists = [ctl, itl];
        Moment { at, terms, lists }
    }

    /// Those of them in which the signer of a list of `kind` is looked for.
    fn searched(&self, kind: ListKind, terms: &Terms) -> Vec<&Held> {
        let (ctl, itl) = self.in_force();
        let ctl_alone = match kind {
            ListKind::Ctl => terms.ctl_by_ctl_alone,
            ListKind::Itl => terms.itl_by_ctl_alone,
        };
        let itl = itl.filter(|_| ctl.is_none() || !ctl_alone);
        ctl.into_iter().chain(itl).collect()
    }

    /// Why this list may be installed now; else the law that it breaks.
    fn ground(&self, kind: ListKind, new: &Held, at: Time) -> Result<Ground, (Law, String)> {
        let Some(terms) = &self.terms else {
            return Ok(Ground::Signer);
        };
        let (ctl, itl) = self.in_force();
        if let Some(ground) = without_signer(kind, ctl, itl, terms) {
            let signs_itself = || new.certificates(signs_lists).any(|c| new.is_signed_by(c));
            if terms.first_list_signs_itself && !signs_itself() {
                let text = format!("the {kind} is signed by no SAST record of its own");
                return Err((Law::SignatureHolds, text));
            }
            return Ok(ground);
        }
        if !terms.takes(new.digest()) {
            let text = format!("the {kind} is signed with {}", new.digest());
            return Err((Law::SignatureHolds, text));
        }
        let lists = self.searched(kind, terms);
        let signed_by = |wanted: &dyn Fn(crate::wire::Role) -> bool| {
            let mut all = lists.iter().flat_map(|list| list.certificates(wanted));
            all.any(|certificate| new.is_signed_by(certificate))
        };
        if signed_by(&signs_lists) {
            return Ok(Ground::Signer);
        }
        let by_answer = self.answers.vouch_for(new, &self.moment(at, terms));
        if by_answer.is_ok() {
            return Ok(Ground::Tvs);
        }
        let (issuer, serial) = new.signer();
        let signer = named(issuer, serial);
        Err(match by_answer {
            Err(Some(law)) => {
                let text = format!(
                    "the {kind} of {signer} was installed by a TVS answer that does not let it"
                );
                (law, text)
            }
            _ if signed_by(&|_| true) => {
                let text = format!(
                    "the {kind} is signed by {signer}, which the installed lists hold without the role SAST"
                );
                (Law::SignerInRole, text)
            }
            _ if lists
                .iter()
                .any(|l| l.names(issuer, serial, terms.signer_by, signs_lists)) =>
            {
                let text =
                    format!("the {kind} names the signer {signer}, whose key did not sign it");
                (Law::SignatureHolds, text)
            }
            _ => {
                let text = format!(
                    "the {kind} is signed by {signer}, which neither an installed list nor a TVS answer vouches for"
                );
                (Law::SignerTrusted, text)
            }
        })
    }

    pub(super) fn tvs(
        &mut self,
        at: Time,
        server: Option<&Arc<[u8]>>,
        request: &[u8],
        answer: &[u8],
        found: &mut Found,
    ) {
        let Some(terms) = &self.terms else {
            return;
        };
        let now = self.moment(at, terms);
        if server.is_some_and(|certificate| !now.pins(certificate)) {
            let text =
                "a TVS was asked whose certificate no installed list holds as TVS".to_owned();
            found.push((Law::ServerInLists, text));
        }
        let Some(question) = question(request, terms) else {
            return;
        };
        let (issuer, serial) = match &question {
            Question::Signer { issuer, serial } => (&issuer[..], &serial[..]),
            Question::Server { certificate } => {
                if self.serves_files(certificate) {
                    let text = "TVS was asked about an HTTPS server that the installed lists hold";
                    found.push((Law::TvsNotNeeded, text.to_owned()));
                }
                let terms = terms.clone();
                return self.answers.sent(server, question, answer, &terms);
            }
        };
        let file = self.judging.clone().unwrap_or_default();
        let suffices = match ListKind::of_file_name(&file) {
            Some(kind) => {
                let lists = self.searched(kind, terms);
                lists
                    .iter()
                    .any(|list| list.names(issuer, serial, terms.signer_by, signs_lists))
            }
            None => now
                .lists
                .iter()
                .flatten()
                .any(|list| list.names(issuer, serial, terms.signer_by, signs_files)),
        };
        if suffices {
            let text = format!(
                "TVS was asked about {}, the signer of {file}, which the installed lists hold",
                named(issuer, serial)
            );
            found.push((Law::TvsNotNeeded, text));
        }
        let terms = terms.clone();
        self.answers.sent(server, question, answer, &terms);
    }

    /// True if an installed list holds this certificate with a role that signs files.
    fn serves_files(&self, certificate: &[u8]) -> bool {
        let (ctl, itl) = self.in_force();
        let lists = ctl.into_iter().chain(itl);
        lists
            .flat_map(|list| list.certificates(signs_files))
            .any(|own| own == certificate)
    }

    /// A file is asked for over HTTPS, of a server with this certificate.
    pub(super) fn https(&mut self, at: Time, certificate: &[u8], found: &mut Found) {
        let Some(terms) = &self.terms else {
            return;
        };
        self.asked_over_https = self.serves_files(certificate)
            || self.answers.let_serve(certificate, &self.moment(at, terms));
        if !self.asked_over_https {
            let text = "a configuration was asked for over HTTPS of a server that neither an installed list nor a TVS answer lets hand out files";
            found.push((Law::ConfigurationTrusted, text.to_owned()));
        }
    }

    pub(super) fn event(&mut self, event: &Event, found: &mut Found) {
        self.events += 1;
        if self.events == MAX_EVENTS {
            let text = format!("the boot has told {MAX_EVENTS} events and goes on");
            found.push((Law::BootEnds, text));
        }
        match &event.kind {
            Kind::SignerLookedUp { file, .. } => self.judging = Some(file.clone()),
            Kind::TvsAnswered { .. } => self.answers.arrived(event.at),
            Kind::ListInstalled { list, how, .. } => {
                self.marked(list, how, found);
                self.answers.decided();
            }
            Kind::ListRefused { .. }
            | Kind::ConfigRefused { .. }
            | Kind::NamedFileRefused { .. } => self.answers.decided(),
            Kind::NamedFileAccepted { facts, signer, .. } => {
                self.configuration(&facts.file, signer.as_ref(), event.at, found);
                self.answers.decided();
            }
            Kind::ConfigAccepted {
                facts,
                signer,
                transport,
                ..
            } => {
                if transport != "https" {
                    self.configuration(&facts.file, signer.as_ref(), event.at, found);
                } else if !self.asked_over_https {
                    let text = format!("{} was taken over HTTPS of nobody", facts.file);
                    found.push((Law::ConfigurationTrusted, text));
                }
                self.answers.decided();
            }
            _ => {}
        }
    }

    /// The event of an installed list says why it was taken, and says it rightly where no signer
    /// was checked.
    fn marked(&mut self, list: &str, how: &str, found: &mut Found) {
        let own = |(kind, _): &(ListKind, Ground)| kind.to_string() == list;
        let Some(index) = self.installed.iter().position(own) else {
            // The same list again changes nothing in flash.
            return;
        };
        let (_, ground) = self.installed.remove(index);
        let leaps = |word: &str| word == "leap-of-faith" || word == "rollback";
        if ground.word() != how && (leaps(how) || leaps(ground.word())) {
            let text = format!(
                "the {list} was taken by {}, its event says {how}",
                ground.word()
            );
            found.push((Law::LeapMarked, text));
        }
    }

    fn configuration(&self, file: &str, signer: Option<&SignerFacts>, at: Time, found: &mut Found) {
        let Some(terms) = &self.terms else {
            return;
        };
        let (ctl, itl) = self.in_force();
        let lists: Vec<&Held> = ctl.into_iter().chain(itl).collect();
        let Some(signer) = signer else {
            let demands = lists
                .iter()
                .any(|l| l.certificates(signs_files).next().is_some());
            if demands {
                let text =
                    format!("{file} was taken unsigned beside a list that has a TFTP certificate");
                found.push((Law::ConfigurationTrusted, text));
            }
            return;
        };
        let (issuer, serial) = (signer.issuer.as_bytes(), bytes_of(&signer.serial));
        let mut lists = lists.iter();
        if lists.any(|l| l.names(issuer, &serial, terms.signer_by, signs_files)) {
            return;
        }
        let now = self.moment(at, terms);
        if let Err(law) = self.answers.let_sign_files(issuer, &serial, &now) {
            let text = format!("{file} was taken from {}", named(issuer, &serial));
            found.push((law.unwrap_or(Law::ConfigurationTrusted), text));
        }
    }

    pub(super) fn over(&mut self, at: Time, end: BootEnd, flash: &Flash, found: &mut Found) {
        if end == BootEnd::Overdue {
            let text = format!("the boot is not over at {at} s");
            found.push((Law::BootEnds, text));
        }
        if let Some(last) = &self.flash {
            same_lists(last, flash, "at the end of a boot", found);
        }
        self.flash = Some(flash.clone());
    }
}

fn read(kind: ListKind, flash: &Flash, lists: &mut Lists, found: &mut Found) -> Option<Arc<Held>> {
    let bytes = flash.get(kind.file_name())?;
    let list = lists.read(bytes);
    if list.is_none() {
        let text = format!(
            "the {kind} in flash is no whole list: {} bytes",
            bytes.len()
        );
        found.push((Law::ListsWhole, text));
    }
    list
}

/// The two documented ways around a signer: nothing is installed, or the empty ITL of a rollback.
fn without_signer(
    kind: ListKind,
    ctl: Option<&Held>,
    itl: Option<&Held>,
    terms: &Terms,
) -> Option<Ground> {
    let first = ctl.is_none() && itl.is_none();
    let first_ctl = kind == ListKind::Ctl && ctl.is_none() && !terms.first_ctl_checked;
    if terms.leap && (first || first_ctl) {
        return Some(Ground::LeapOfFaith);
    }
    let blank = kind == ListKind::Itl && terms.rollback && itl.is_some_and(Held::is_blank);
    let ctl_demands = ctl.is_some_and(|l| l.certificates(signs_files).next().is_some());
    (blank && (!ctl_demands || terms.rollback_with_ctl)).then_some(Ground::Rollback)
}

/// Both flashes hold the same lists.
fn same_lists(last: &Flash, now: &Flash, when: &str, found: &mut Found) {
    for kind in [ListKind::Ctl, ListKind::Itl] {
        let name = kind.file_name();
        let same = match (last.get(name), now.get(name)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            (None, None) => true,
            _ => false,
        };
        if !same {
            found.push((Law::ListsKept, format!("the {kind} changed {when}")));
        }
    }
}

fn named(issuer: &[u8], serial: &[u8]) -> String {
    let serial: String = serial.iter().map(|b| format!("{b:02X}")).collect();
    format!("{} {serial}", issuer.escape_ascii())
}

/// Bytes of a serial number in hex.
fn bytes_of(hex: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(text, 16).unwrap_or_default()
    };
    hex.as_bytes().chunks(2).map(pair).collect()
}
