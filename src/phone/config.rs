//! The configuration: which name is asked for, who may have signed it, and where the phone
//! registers with it or without.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::boot::{Phone, Stage};
use super::download::{Fetched, Transport};
use super::flash;
use super::known::{Known, fingerprint};
use super::lists::{signer_of, with_tvs};
use super::output::Output;
use super::tvs::{Asked, Waiting};
use crate::cluster::Registration;
use crate::event::{Kind, SignerFacts};
use crate::time::Time;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::decide::{Decision, FileQuestion, Ruling, asks_for_signed_files, decide_file};
use crate::trust::reason::{Code, Reason};
use crate::trust::rules::{AfterRefusal, DefaultConfig, Key};
use crate::wire::phone_config::{ConfigError, PhoneConfig, SecurityMode};

/// The default configuration, asked for when a phone is in nobody's database.
const DEFAULT_CONFIG: &str = "XMLDefault.cnf.xml";

/// How the name of a signed file ends.
pub(super) const SIGNED: &str = ".sgn";

/// How the status screen numbered a configuration whose signer was in no list (8945, community
/// thread 2064222). It is shown for every refusal; whether others have a number of their own is not
/// known.
const REASON_AUTHENTICATION: &str = "14";

/// Reads a configuration. A phone reads its own at each boot, and again when it is handed out.
pub(super) fn config_of(xml: &[u8]) -> Result<PhoneConfig, ConfigError> {
    /// Half a megabyte at usual sizes.
    const LIMIT: usize = 128;
    static KNOWN: Mutex<Known<PhoneConfig>> = Mutex::new(Known::new(LIMIT));
    let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let fingerprint = fingerprint(xml);
    if let Some(known) = lock().get(fingerprint, xml) {
        return Ok(known);
    }
    let config = PhoneConfig::parse(xml)?;
    lock().keep(fingerprint, xml, &config);
    Ok(config)
}

/// Which configuration is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConfigForm {
    /// The phone's own, encrypted.
    Encrypted {
        /// The signed companion has said that it is there.
        promised: bool,
    },
    /// The phone's own.
    Own,
    /// The one for phones that are in nobody's database.
    Default,
}

/// A configuration that may be taken, and why.
#[derive(Debug)]
pub(super) struct Trusted {
    /// The name that was asked for.
    pub(super) file: String,
    /// The bytes that came.
    pub(super) bytes: Arc<[u8]>,
    pub(super) transport: Transport,
    pub(super) signer: Option<SignerFacts>,
    pub(super) reasons: Vec<Reason>,
}

impl Phone {
    /// Asks for the phone's own configuration: for the encrypted one first, if the last one says
    /// that it is encrypted (6901 and 6911 Administration Guide; security guide 12.5).
    pub(super) fn begin_config(&mut self, now: Time) {
        let is_encrypted = self.config.as_ref().is_some_and(|c| c.encr_config);
        let form = if is_encrypted && asks_for_signed_files(&self.in_force()) {
            ConfigForm::Encrypted { promised: false }
        } else {
            ConfigForm::Own
        };
        self.fetch_config(form, now);
    }

    pub(super) fn fetch_config(&mut self, form: ConfigForm, now: Time) {
        self.stage = Stage::Config { form };
        let secure = asks_for_signed_files(&self.in_force());
        let file = self.config_file(form, secure);
        self.fetch(file, secure, now);
    }

    /// True if the stage asks for the phone's own configuration, as it may come over HTTPS.
    pub(super) fn wants_own_config(&self) -> bool {
        let form = ConfigForm::Own;
        self.stage == Stage::Config { form }
    }

    fn config_file(&self, form: ConfigForm, secure: bool) -> String {
        let device = &self.setup.identity.device;
        let base = match form {
            ConfigForm::Encrypted { .. } => return format!("{device}.cnf.xml.enc.sgn"),
            ConfigForm::Own => format!("{device}.cnf.xml"),
            ConfigForm::Default => {
                if secure {
                    // Whether a cluster has it signed, clusters decide by this rule.
                    self.setup.settings.feel(Key::SignedDefault);
                }
                DEFAULT_CONFIG.to_owned()
            }
        };
        if secure { base + ".sgn" } else { base }
    }

    pub(super) fn config_fetched(&mut self, fetched: Fetched, form: ConfigForm, now: Time) {
        let secure = asks_for_signed_files(&self.in_force());
        let file = self.config_file(form, secure);
        let text = match fetched {
            Fetched::File { bytes, transport } => {
                return self.judge_config(file, bytes.into(), transport, None, now);
            }
            Fetched::Failed(text) => {
                let text = format!("{file} could not be downloaded: {text}");
                let reasons = vec![Reason::new(Code::DownloadFailed, text)];
                return self.config_refused(file, reasons, None, now);
            }
            Fetched::NotFound => match form {
                ConfigForm::Encrypted { promised: false } => {
                    return self.fetch_config(ConfigForm::Own, now);
                }
                ConfigForm::Own => return self.fetch_config(ConfigForm::Default, now),
                ConfigForm::Encrypted { promised: true } => {
                    "the configuration is offered encrypted alone, and the encrypted one was not found"
                }
                ConfigForm::Default => {
                    self.status(now, self.setup.profile.texts.value.no_config);
                    "neither the phone's own nor the default configuration was found"
                }
            },
        };
        self.config_refused(file, vec![Reason::new(Code::FileMissing, text)], None, now);
    }

    /// Judges a configuration; `tvs` is what asking TVS came to, if it was asked.
    pub(super) fn judge_config(
        &mut self,
        file: String,
        bytes: Arc<[u8]>,
        transport: Transport,
        tvs: Option<Asked>,
        now: Time,
    ) {
        let unsigned = if transport == Transport::Https {
            let text = "it came over HTTPS from a server that the phone trusts, so it is unsigned";
            Some(Reason::new(Code::ConfigOverHttps, text))
        } else if file.ends_with(SIGNED) {
            None
        } else if self.in_force().is_prepared_for_rollback() {
            let text = "the installed ITL is the empty one of a rollback: an unsigned configuration is taken";
            Some(Reason::new(Code::RollbackConfig, text))
        } else {
            let text = "no installed list has a TFTP certificate: the configuration is unsigned";
            Some(Reason::new(Code::ConfigUnsigned, text))
        };
        if let Some(reason) = unsigned {
            let trusted = Trusted {
                file,
                bytes: Arc::clone(&bytes),
                transport,
                signer: None,
                reasons: vec![reason],
            };
            return self.read_config(trusted, &bytes, now);
        }
        let asked = tvs.is_some();
        let decision = self.decide_file(&file, &bytes, tvs.as_ref(), now);
        if decision.ruling == Ruling::AskTvs && !asked {
            let signer = signer_of(&decision);
            let waiting = Waiting::Config {
                file,
                bytes,
                transport,
            };
            return self.ask_tvs(waiting, signer, now);
        }
        self.tell_comparison(&file, &decision, now);
        let signer = decision.signer.as_ref().map(|s| s.facts());
        let reasons = with_tvs(decision.ruling, decision.reasons, tvs);
        if !matches!(decision.ruling, Ruling::Accept(_)) {
            self.show_refused(&file, now);
            return self.config_refused(file, reasons, signer, now);
        }
        let trusted = Trusted {
            file,
            bytes: Arc::clone(&bytes),
            transport,
            signer,
            reasons,
        };
        self.open_config(trusted, &bytes, now);
    }

    /// Judges a signed file, and tells where its signer was found unless TVS was asked about it.
    pub(super) fn decide_file(
        &mut self,
        file: &str,
        bytes: &[u8],
        tvs: Option<&Asked>,
        now: Time,
    ) -> Decision {
        let mut check = std::mem::take(&mut self.check);
        let vouches = self.live_vouches(tvs, now);
        let in_force = self.in_force();
        let decision = self.setup.settings.weigh(|settings| {
            let question = FileQuestion {
                name: file,
                bytes,
                in_force,
                vouches: &vouches,
                settings,
                now: self.wall_clock(now),
            };
            decide_file(&question, &mut check)
        });
        self.check = check;
        if tvs.is_none() {
            self.tell_lookup(file, &decision, now);
        }
        decision
    }

    /// Shows that the signature of a file was not accepted.
    pub(super) fn show_refused(&mut self, file: &str, now: Time) {
        let text = self.setup.profile.config_refused.value;
        let text = text
            .replace("{file}", file)
            .replace("{reason}", REASON_AUTHENTICATION);
        self.status(now, &text);
    }

    /// Looks into a configuration that is signed as it should be, or needs no signature.
    pub(super) fn read_config(&mut self, mut trusted: Trusted, xml: &[u8], now: Time) {
        let config = match config_of(xml) {
            Ok(config) => config,
            Err(error) => {
                let error = escape_for_terminal(error.to_string().as_bytes());
                let text = format!("{} cannot be read: {error}", trusted.file);
                let reason = Reason::new(Code::ConfigMalformed, text);
                trusted.reasons.push(reason);
                return self.config_refused(trusted.file, trusted.reasons, trusted.signer, now);
            }
        };
        if config.full_config {
            self.apply_config(trusted, xml, config, now);
        } else {
            self.take_companion(trusted, &config, now);
        }
    }

    fn apply_config(&mut self, trusted: Trusted, xml: &[u8], config: PhoneConfig, now: Time) {
        let file = trusted.file;
        let accepted = Kind::ConfigAccepted {
            facts: self.facts(&file, &trusted.bytes),
            signer: trusted.signer,
            transport: trusted.transport.as_str().into(),
            callmanager_group: group(&config),
            reasons: trusted.reasons.iter().map(Reason::facts).collect(),
        };
        let keeps_own = self.keeps_own_config(xml);
        if !keeps_own && self.config_bytes.as_deref() != Some(xml) {
            let xml: Arc<[u8]> = xml.into();
            for operation in flash::replace(flash::CONFIG, Arc::clone(&xml)) {
                self.flash(now, operation);
            }
            self.config_bytes = Some(xml);
        }
        self.event(now, accepted);
        // `SEP....cnf.xml.sgn(HTTP)` is a line of a real phone; over HTTPS it is inferred.
        self.status(now, &format!("{file}{}", trusted.transport.suffix()));
        self.config = Some(config);
        self.config_accepted = true;
        if !keeps_own {
            self.notes.config_file = Some(file);
        }
        self.begin_named_files(now);
    }

    /// True if the configuration that is being taken is the default one, and the phone's own stays
    /// in flash for the next boot. The rule counts as used only where there is one to keep.
    fn keeps_own_config(&self, xml: &[u8]) -> bool {
        let form = ConfigForm::Default;
        let held = self.notes.config_file.as_deref();
        let holds_own = self.config_bytes.is_some()
            && held.is_none_or(|file| !file.starts_with(DEFAULT_CONFIG));
        self.stage == Stage::Config { form }
            && holds_own
            && self.config_bytes.as_deref() != Some(xml)
            && self.setup.settings.word::<DefaultConfig>() == DefaultConfig::Beside
    }

    pub(super) fn config_refused(
        &mut self,
        file: String,
        reasons: Vec<Reason>,
        signer: Option<SignerFacts>,
        now: Time,
    ) {
        let reasons = reasons.iter().map(Reason::facts).collect();
        self.event(
            now,
            Kind::ConfigRefused {
                file,
                signer,
                reasons,
            },
        );
        self.begin_registration(now);
    }

    /// Lists the servers to register with, in order, and tries the first.
    pub(super) fn begin_registration(&mut self, now: Time) {
        self.stage = Stage::Register;
        let group = self.config.as_ref().map(group).unwrap_or_default();
        let tftp: Vec<_> = self
            .setup
            .option_150
            .iter()
            .map(ToString::to_string)
            .collect();
        let own = "its CallManager group";
        let old = "the CallManager group of its old configuration";
        let default = "No Valid Unified CMs. Defaulting to TFTP Server";
        let with = |hosts: &[String], text: &str| -> Vec<(String, String)> {
            hosts.iter().map(|h| (h.clone(), text.to_owned())).collect()
        };
        let queue = if self.config_accepted {
            with(&group, own)
        } else if self.setup.settings.word::<AfterRefusal>() == AfterRefusal::OldGroup {
            [with(&group, old), with(&tftp, default)].concat()
        } else {
            [with(&tftp, default), with(&group, old)].concat()
        };
        self.register_queue = queue.into();
        self.try_registration(now);
    }

    fn try_registration(&mut self, now: Time) {
        match self.register_queue.front() {
            Some((host, _)) => {
                let host = host.clone();
                self.event(
                    now,
                    Kind::Registering {
                        server: host.clone(),
                    },
                );
                let lsc = self.lsc_to_show();
                // The rule counts as used only where somebody does not answer, or late.
                let millis = self.setup.settings.peek(Key::RegisterTimeout);
                let wait = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
                self.register_by = Some(now + wait);
                self.outputs.push_back(Output::Register { host, lsc });
            }
            None => {
                self.register_by = None;
                let text = "no CallManager answers".to_owned();
                self.event(now, Kind::Registered { server: None, text });
                self.end(now);
            }
        }
    }

    /// Time has passed for the registration.
    pub(super) fn register_timeout(&mut self, now: Time) {
        if self.register_by.is_some_and(|by| by <= now) {
            self.setup.settings.count(Key::RegisterTimeout);
            self.handle_registered(now, Registration::NoAnswer);
        }
    }

    /// What a CallManager said to the registration.
    pub fn handle_registered(&mut self, now: Time, answer: Registration) {
        if self.stage != Stage::Register {
            return;
        }
        let Some((server, text)) = self.register_queue.pop_front() else {
            return;
        };
        if let Some(by) = self.register_by.take() {
            let settings = &self.setup.settings;
            settings.waited(Key::RegisterTimeout, by.since(now));
        }
        match answer {
            Registration::NotTried => {
                let others = self.register_queue.drain(..).map(|(host, _)| host);
                let servers = std::iter::once(server).chain(others).collect();
                self.event(now, Kind::RegistrationNotTried { servers, text });
                self.end(now);
            }
            Registration::Accepted => {
                self.event(
                    now,
                    Kind::Registered {
                        server: Some(server),
                        text,
                    },
                );
                self.end(now);
            }
            Registration::NoAnswer => self.try_registration(now),
            Registration::Refused(reason) => {
                let reason = reason.facts();
                self.event(now, Kind::RegistrationRefused { server, reason });
                self.try_registration(now);
            }
        }
    }

    /// The LSC, if the configuration in force asks for TLS.
    fn lsc_to_show(&self) -> Option<Arc<[u8]>> {
        let mode = self.config.as_ref()?.device_security_mode;
        let identity = self.setup.identity.certificate.as_ref()?;
        let shows = mode != SecurityMode::NonSecure && identity.kind == "LSC";
        shows.then(|| Arc::clone(&identity.certificate))
    }
}

/// Hosts of the CallManager group, in order of priority.
fn group(config: &PhoneConfig) -> Vec<String> {
    let mut members: Vec<_> = config.callmanager_group.iter().collect();
    members.sort_by_key(|m| m.priority);
    members.iter().map(|m| m.host.clone()).collect()
}
