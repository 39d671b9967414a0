//! One boot.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::config::{ConfigForm, config_of};
use super::dhcp::DhcpStage;
use super::download::{Download, Fetched, TftpTransfer};
use super::flash::{self, Flash, FlashOperation};
use super::http::HttpSaid;
use super::identity::{BootCause, PhoneSetup};
use super::lists::{TrustOutcome, installed};
use super::notes::{KeptAnswer, Notes};
use super::output::Output;
use super::profile::NamedFile;
use super::status;
use super::tvs::TvsStage;
use crate::event::{Event, Kind};
use crate::time::{Time, UnixSeconds};
use crate::trust::installed::InstalledList;
use crate::trust::modelled::StandIns;
use crate::trust::rules::{Key, Settings, TvsCacheClock, TvsCacheSurvivesBoot};
use crate::trust::search::SignerId;
use crate::trust::signature::SignatureCheck;
use crate::trust::vouch::Vouch;
use crate::wire::ListKind;
use crate::wire::phone_config::PhoneConfig;

/// Where the boot is.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Stage {
    /// A lease is taken.
    Dhcp,
    /// A lease is renewed, and nothing else.
    Renewal,
    Ctl,
    ItlOfDevice,
    ItlOfNode,
    Config {
        form: ConfigForm,
    },
    NamedFiles,
    Register,
    Over,
}

/// A phone from its start to the end of a boot.
#[derive(Debug)]
pub struct Phone {
    pub(super) setup: PhoneSetup,
    pub(super) ctl: Option<InstalledList>,
    pub(super) itl: Option<InstalledList>,
    /// The CTL at the start of this boot, where a new one counts only from the next boot on.
    pub(super) old_ctl: Option<InstalledList>,
    pub(super) config: Option<PhoneConfig>,
    pub(super) config_bytes: Option<Arc<[u8]>>,
    pub(super) notes: Notes,
    /// The first list that was found damaged in flash.
    pub(super) damaged_list: Option<ListKind>,
    /// By a planted defect it asks for no file.
    #[cfg(feature = "planted-defects")]
    pub(super) gave_up: bool,
    /// The notes as flash holds them.
    notes_bytes: Option<Arc<[u8]>>,
    pub(super) vouches: Vec<Vouch>,
    /// Signers that no TVS knew in this boot; a boot asks about three at most.
    pub(super) unknown_signers: Vec<SignerId>,
    pub(super) check: SignatureCheck,
    /// False if nobody looks at the digests in its events.
    pub(super) has_digests: bool,
    pub(super) stage: Stage,
    pub(super) dhcp: Option<DhcpStage>,
    /// Index into option 150 of the server that answers.
    pub(super) server: usize,
    pub(super) download: Option<Download>,
    /// Downloads that are over but may have to repeat their last acknowledgement.
    pub(super) lingering: Vec<TftpTransfer>,
    /// What HTTP and HTTPS said about the file under way, of the server that is asked.
    pub(super) http_said: HttpSaid,
    pub(super) download_failures: Vec<String>,
    pub(super) fetched: Option<Fetched>,
    pub(super) next_transfer: u32,
    pub(super) tvs: Option<TvsStage>,
    pub(super) next_connection: u32,
    pub(super) next_session: u32,
    pub(super) tvs_asked: u32,
    flash_writes: u32,
    pub(super) trust: TrustOutcome,
    pub(super) config_accepted: bool,
    /// Files that the configuration names and that are still to come, with their unsigned names; the
    /// one in front is asked for.
    pub(super) named: VecDeque<(NamedFile, String)>,
    pub(super) register_queue: VecDeque<(String, String)>,
    /// When the phone gives the registration up that it waits for.
    pub(super) register_by: Option<Time>,
    pub(super) outputs: VecDeque<Output>,
}

impl Phone {
    /// Starts a phone.
    pub fn boot(setup: PhoneSetup, flash: &Flash, now: Time) -> Self {
        Self::start(setup, flash, now, true)
    }

    /// The same for a run that nobody is shown: its events leave the digests of files out.
    pub fn boot_unheard(setup: PhoneSetup, flash: &Flash, now: Time) -> Self {
        Self::start(setup, flash, now, false)
    }

    fn start(setup: PhoneSetup, flash: &Flash, now: Time, has_digests: bool) -> Self {
        setup.settings.forget_used();
        let mut phone = Self {
            setup,
            ctl: None,
            itl: None,
            old_ctl: None,
            config: None,
            config_bytes: None,
            notes: Notes::default(),
            damaged_list: None,
            #[cfg(feature = "planted-defects")]
            gave_up: flash.get(flash::GAVE_UP).is_some(),
            notes_bytes: None,
            vouches: Vec::new(),
            unknown_signers: Vec::new(),
            check: SignatureCheck::new(),
            has_digests,
            stage: Stage::Ctl,
            dhcp: None,
            server: 0,
            download: None,
            lingering: Vec::new(),
            http_said: HttpSaid::default(),
            download_failures: Vec::new(),
            fetched: None,
            next_transfer: 1,
            tvs: None,
            next_connection: 1,
            next_session: 1_001,
            tvs_asked: 0,
            flash_writes: 0,
            trust: TrustOutcome::default(),
            config_accepted: false,
            named: VecDeque::new(),
            register_queue: VecDeque::new(),
            register_by: None,
            outputs: VecDeque::new(),
        };
        phone.load(flash, now);
        if phone.setup.cause == BootCause::Renewal {
            phone.begin_renewal(now);
            return phone;
        }
        let sha1 = |l: &Option<InstalledList>| Some(phone.facts("", &l.as_ref()?.bytes).sha1);
        let kind = Kind::Boot {
            cause: phone.setup.cause.as_str().into(),
            option_150: phone
                .setup
                .option_150
                .iter()
                .map(ToString::to_string)
                .collect(),
            ctl_sha1: sha1(&phone.ctl),
            itl_sha1: sha1(&phone.itl),
        };
        phone.event(now, kind);
        for file in flash.unfinished() {
            phone.flash(now, FlashOperation::Remove { file });
        }
        match phone.setup.cause {
            BootCause::Reset => phone.status(now, phone.setup.profile.texts.value.restart),
            BootCause::FactoryReset | BootCause::ListsErased => {
                phone.status(now, phone.setup.profile.texts.value.erasing);
            }
            BootCause::Power | BootCause::Restart | BootCause::Renewal => {}
        }
        phone.trust.had_any = phone.ctl.is_some() || phone.itl.is_some();
        phone.trust.had_ctl = phone.ctl.is_some();
        if phone.setup.dhcp.is_some() {
            phone.begin_dhcp(now);
        } else {
            phone.begin_lists(now);
        }
        phone
    }

    /// Asks for the first list, of the servers in `setup.option_150`.
    pub(super) fn begin_lists(&mut self, now: Time) {
        self.ask(Stage::Ctl, now);
        self.advance(now);
    }

    /// Lets the phone live in a world whose signatures are modelled. To be called at once: no
    /// file has come yet.
    pub fn model_signatures(&mut self) {
        self.check = SignatureCheck::modelled();
    }

    /// Lets the phone take these modelled signatures beside real ones. To be called at once.
    pub fn take_stand_ins(&mut self, stand_ins: StandIns) {
        self.check = SignatureCheck::with_stand_ins(stand_ins);
    }

    /// Reads what the last boot left. A file that cannot be used counts as absent.
    fn load(&mut self, flash: &Flash, now: Time) {
        for kind in [ListKind::Ctl, ListKind::Itl] {
            let Some(bytes) = flash.get(kind.file_name()) else {
                continue;
            };
            match installed(kind, bytes) {
                Ok(list) => self.install(kind, list),
                Err(fault) => {
                    self.damaged_list.get_or_insert(kind);
                    self.damaged(kind.file_name(), &fault.to_string(), now);
                }
            }
        }
        if let Some(bytes) = flash.get(flash::CONFIG) {
            match config_of(bytes) {
                Ok(config) => {
                    self.config = Some(config);
                    self.config_bytes = Some(Arc::clone(bytes));
                }
                Err(error) => self.damaged(flash::CONFIG, &error.to_string(), now),
            }
        }
        if let Some(bytes) = flash.get(flash::STATE) {
            self.notes_bytes = Some(Arc::clone(bytes));
            match Notes::parse(bytes) {
                Ok(notes) => self.notes = notes,
                Err(error) => self.damaged(flash::STATE, &error, now),
            }
        }
        self.notes.schema_version = 1;
        self.notes.device.clone_from(&self.setup.identity.device);
        let survives = TvsCacheSurvivesBoot::Yes;
        let kept = &self.notes.tvs_answers;
        let is_used =
            |s: &Settings| s.word::<TvsCacheSurvivesBoot>() == survives && !kept.is_empty();
        if self.setup.settings.weigh(is_used) {
            let kept = kept.iter();
            self.vouches = kept.filter_map(|k| self.still_kept(k)).collect();
        }
    }

    /// A kept answer, with its end where the rule has it after the wall clock has jumped.
    fn still_kept(&self, kept: &KeptAnswer) -> Option<Vouch> {
        let mut vouch = kept.vouch()?;
        let jumped = kept.jumped(self.setup.clock);
        if jumped != 0 && self.setup.settings.word::<TvsCacheClock>() == TvsCacheClock::Wall {
            let seconds = Duration::from_secs(jumped.unsigned_abs());
            if jumped < 0 {
                vouch.expires += seconds;
            } else {
                let left = vouch.expires.since(Time::ZERO + seconds);
                // It ran out before the world began, and no jump back revives it: the time of the
                // world cannot say by how much.
                if left.is_zero() {
                    return None;
                }
                vouch.expires = Time::ZERO + left;
            }
        }
        Some(vouch)
    }

    fn damaged(&mut self, file: &str, text: &str, now: Time) {
        self.event(
            now,
            Kind::FlashDamaged {
                file: file.into(),
                text: text.into(),
            },
        );
    }

    pub(super) fn install(&mut self, kind: ListKind, list: InstalledList) {
        match kind {
            ListKind::Ctl => self.ctl = Some(list),
            ListKind::Itl => self.itl = Some(list),
        }
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// True when the boot has ended.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// The rules that this phone follows, and which of them it used in this boot.
    pub fn settings(&self) -> &Settings {
        &self.setup.settings
    }

    /// The configuration in force: a new one that it took, else that of its flash.
    pub fn config(&self) -> Option<&PhoneConfig> {
        self.config.as_ref()
    }

    /// When to call [`Self::handle_timeout`].
    pub fn next_timeout(&self) -> Option<Time> {
        let download = self.download.as_ref().and_then(Download::next_timeout);
        let lingering = self.lingering.iter();
        lingering
            .filter_map(TftpTransfer::next_timeout)
            .chain(download)
            .chain(self.tvs.as_ref().and_then(TvsStage::next_timeout))
            .chain(self.register_by)
            .chain(self.dhcp_timeout())
            .min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        let transfer = self.download.as_mut().and_then(Download::tftp);
        for t in transfer.into_iter().chain(&mut self.lingering) {
            if t.next_timeout().is_some_and(|t| t <= now) {
                t.handle_timeout(now);
            }
        }
        self.dhcp_waited(now);
        self.pump_download(now);
        self.http_timeout(now);
        self.tvs_timeout(now);
        self.register_timeout(now);
        self.advance(now);
    }

    /// Goes on as far as it can without waiting.
    pub(super) fn advance(&mut self, now: Time) {
        while self.tvs.is_none() {
            let Some(fetched) = self.fetched.take() else {
                return;
            };
            let fetched = self.without_empty_list(fetched);
            match self.stage {
                Stage::Ctl => self.list_fetched(ListKind::Ctl, fetched, now),
                Stage::ItlOfDevice if matches!(fetched, Fetched::NotFound) => {
                    self.ask(Stage::ItlOfNode, now);
                }
                Stage::ItlOfDevice | Stage::ItlOfNode => {
                    self.list_fetched(ListKind::Itl, fetched, now);
                }
                Stage::Config { form } => self.config_fetched(fetched, form, now),
                Stage::NamedFiles => self.named_file_fetched(fetched, now),
                Stage::Dhcp | Stage::Renewal | Stage::Register | Stage::Over => return,
            }
        }
    }

    /// Enters a stage by asking for its file.
    pub(super) fn ask(&mut self, stage: Stage, now: Time) {
        self.stage = stage;
        let device = &self.setup.identity.device;
        let file = match stage {
            Stage::Ctl => format!("CTL{device}.tlv"),
            Stage::ItlOfDevice => format!("ITL{device}.tlv"),
            _ => "ITLFile.tlv".to_owned(),
        };
        self.fetch(file, false, now);
    }

    /// Ends the boot.
    pub(super) fn end(&mut self, now: Time) {
        self.stage = Stage::Over;
        self.save_notes(now);
        let sha1 = |l: &Option<InstalledList>| Some(self.facts("", &l.as_ref()?.bytes).sha1);
        let holds_any = self.ctl.is_some() || self.itl.is_some();
        let kind = Kind::BootEnded {
            settled: holds_any && self.trust.failed.is_none() && self.config_accepted,
            tvs_asked: self.tvs_asked,
            ctl_sha1: sha1(&self.ctl),
            itl_sha1: sha1(&self.itl),
        };
        self.event(now, kind);
    }

    fn kept_answers(&self) -> Vec<KeptAnswer> {
        let clock = self.setup.clock;
        let all = self.vouches.iter();
        all.map(|v| KeptAnswer::of(v, clock)).collect()
    }

    /// Writes the notes with the TVS answers of this boot.
    pub(super) fn save_notes(&mut self, now: Time) {
        let kept = |s: &Settings| match s.word::<TvsCacheSurvivesBoot>() {
            TvsCacheSurvivesBoot::Yes => self.kept_answers(),
            TvsCacheSurvivesBoot::No => Vec::new(),
        };
        self.notes.tvs_answers = self.setup.settings.weigh(kept);
        self.write_notes(now);
    }

    /// Writes the notes as they are, unless flash holds the same.
    pub(super) fn write_notes(&mut self, now: Time) {
        let bytes: Arc<[u8]> = self.notes.emit().into();
        if self.notes_bytes.as_ref() == Some(&bytes) {
            return;
        }
        for operation in flash::replace(flash::STATE, Arc::clone(&bytes)) {
            self.flash(now, operation);
        }
        self.notes_bytes = Some(bytes);
    }

    pub(super) fn flash(&mut self, now: Time, operation: FlashOperation) {
        self.flash_writes += 1;
        let kind = Kind::FlashWrite {
            write: self.flash_writes,
            file: operation.file().to_owned(),
            operation: operation.name().into(),
            bytes: operation.bytes(),
        };
        self.event(now, kind);
        self.outputs.push_back(Output::Flash {
            number: self.flash_writes,
            operation,
        });
    }

    pub(super) fn event(&mut self, at: Time, kind: Kind) {
        let actor = self.setup.identity.device.clone();
        self.outputs
            .push_back(Output::Event(Box::new(Event { at, actor, kind })));
    }

    /// Shows a status message.
    pub(super) fn status(&mut self, now: Time, text: &str) {
        let stamp = self.setup.profile.stamp.value;
        let stamped = status::stamped(text, self.wall_clock(now), stamp);
        self.notes.status.push(stamped.clone());
        let capacity = self.setup.profile.status_capacity.value;
        let excess = self.notes.status.len().saturating_sub(capacity);
        self.notes.status.drain(..excess);
        self.event(
            now,
            Kind::Status {
                text: text.into(),
                stamped,
            },
        );
    }

    /// The phone's clock.
    pub(super) fn wall_clock(&self, now: Time) -> UnixSeconds {
        self.setup.clock + self.setup.clock_ahead + now.as_micros() / 1_000_000
    }

    /// A setting in milliseconds.
    pub(super) fn millis(&self, key: Key) -> Duration {
        Duration::from_millis(self.setup.settings.count(key))
    }
}
