//! Encrypted configurations: `SEP<MAC>.cnf.xml.enc.sgn`, and the signed companion that says for which
//! certificate it was encrypted.
//!
//! Source: security guide 12.5, encrypted phone configuration. The signature is checked first, then
//! the body's key is unwrapped with the key of the LSC or MIC; what does not open is not applied.
//! Where `certHash` is another certificate's, or blank, a phone goes to CAPF for a certificate and
//! starts again; not by itself where `capfAuthMode` demands an authentication string. CAPF is not emulated: the boot goes on without a new configuration, and says so.

use super::boot::Phone;
use super::config::{ConfigForm, SIGNED, Trusted};
use super::download::Transport;
use crate::event::Kind;
use crate::time::Time;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::decide::strictness;
use crate::trust::decrypt::{DecryptFault, DeviceKey, certificate_hash, decrypt};
use crate::trust::reason::{Code, Reason};
use crate::wire::SignedFile;
use crate::wire::phone_config::PhoneConfig;

/// How the name of an encrypted configuration ends.
const ENCRYPTED: &str = ".enc.sgn";

/// As much of `certHash` is looked at.
const MAX_HASH: usize = 64;

/// That many CAPF servers are named.
const MAX_CAPF: usize = 3;

impl Phone {
    /// Opens a configuration whose signature was accepted.
    pub(super) fn open_config(&mut self, mut trusted: Trusted, bytes: &[u8], now: Time) {
        let settings = &self.setup.settings;
        // What was accepted was read whole, so it reads again.
        let Ok(file) = settings.weigh(|s| SignedFile::parse(bytes, &strictness(s))) else {
            return;
        };
        if file.encryption().is_none() && !trusted.file.ends_with(ENCRYPTED) {
            return self.read_config(trusted, file.body, now);
        }
        match self.decrypt_config(&file) {
            Ok((xml, reason)) => {
                trusted.reasons.push(reason);
                self.read_config(trusted, &xml, now);
            }
            Err(reason) => {
                let text = self.setup.profile.config_unopened.value;
                self.status(now, &text.replace("{file}", &trusted.file));
                trusted.reasons.push(reason);
                self.config_refused(trusted.file, trusted.reasons, trusted.signer, now);
            }
        }
    }

    /// The plain text, and by which key it opened; else why it did not.
    fn decrypt_config(&self, file: &SignedFile<&[u8]>) -> Result<(Vec<u8>, Reason), Reason> {
        let Some(identity) = &self.setup.identity.certificate else {
            let text = "the phone has no certificate, so no key that opens an encrypted file";
            return Err(Reason::new(Code::DeviceKeyMissing, text));
        };
        let kind = identity.kind;
        let key = DeviceKey::from_pkcs8(&identity.key).map_err(|error| {
            let text = format!("the key of the phone's {kind} opens nothing: {error}");
            Reason::new(Code::DeviceKeyMissing, text)
        })?;
        match decrypt(file, &key) {
            Ok(xml) => {
                let text = format!("the key of the phone's {kind} opens it");
                Ok((xml, Reason::new(Code::ConfigDecrypted, text)))
            }
            Err(fault) => {
                let code = match fault {
                    DecryptFault::WrappedKeyLength { .. } | DecryptFault::WrongDeviceKey => {
                        Code::EncryptedForAnotherKey
                    }
                    _ => Code::DecryptionFailed,
                };
                let text = format!("the key of the phone's {kind} does not open it: {fault}");
                Err(Reason::new(code, text))
            }
        }
    }

    /// Looks at the companion of an encrypted configuration: if that is for this phone's
    /// certificate, it is asked for.
    pub(super) fn take_companion(
        &mut self,
        mut trusted: Trusted,
        companion: &PhoneConfig,
        now: Time,
    ) {
        let is_vouched_for =
            trusted.file.ends_with(SIGNED) || trusted.transport == Transport::Https;
        if trusted.file.ends_with(ENCRYPTED) || !is_vouched_for {
            let text = format!(
                "{} is no full configuration: the rest is in an encrypted file, which is asked for after a signed one alone",
                trusted.file
            );
            let reason = Reason::new(Code::ConfigIncomplete, text);
            trusted.reasons.push(reason);
            return self.config_refused(trusted.file, trusted.reasons, trusted.signer, now);
        }
        let identity = self.setup.identity.certificate.as_ref();
        let own = identity.map(|i| (i.kind, certificate_hash(&i.certificate)));
        // An MD5 in hex is far shorter; what is longer is nobody's.
        let offered = companion.cert_hash.as_deref().unwrap_or_default();
        let offered: String = offered.chars().take(MAX_HASH).collect();
        let offered = escape_for_terminal(offered.as_bytes());
        let why = match &own {
            Some((_, hash)) if hash.eq_ignore_ascii_case(&offered) => None,
            None => Some("the phone has no certificate".to_owned()),
            Some(_) if offered.is_empty() => {
                Some("the cluster has no certificate of this phone: certHash is blank".to_owned())
            }
            Some((kind, hash)) => Some(format!(
                "the cluster has another certificate of this phone: certHash is {offered}, the MD5 of its {kind} is {hash}"
            )),
        };
        let compared = Kind::CertHashCompared {
            file: trusted.file.clone(),
            offered,
            own: own.map(|(_, hash)| hash),
            matches: why.is_none(),
        };
        self.event(now, compared);
        let Some(why) = why else {
            return self.fetch_config(ConfigForm::Encrypted { promised: true }, now);
        };
        let capf = companion.capf.iter().take(MAX_CAPF);
        let servers: Vec<_> = capf.map(|c| format!("{}:{}", c.host, c.port)).collect();
        let at = match servers.as_slice() {
            [] => "and finds no CAPF server in the file".to_owned(),
            servers => format!("with {}", servers.join(" or ")),
        };
        let mode = match companion.capf_auth_mode {
            Some(mode) => format!("capfAuthMode {mode}"),
            None => "no capfAuthMode".to_owned(),
        };
        let text = format!(
            "{why}; a phone now starts a CAPF session {at}, for a new certificate, and boots again ({mode}; \
             where that is the one with an authentication string, somebody types it in first), which \
             is not emulated"
        );
        let reason = Reason::new(Code::CapfSessionNeeded, text);
        let needed = Kind::CapfNeeded {
            servers,
            auth_mode: companion.capf_auth_mode,
            reason: reason.facts(),
        };
        self.event(now, needed);
        trusted.reasons.push(reason);
        self.config_refused(trusted.file, trusted.reasons, trusted.signer, now);
    }
}
