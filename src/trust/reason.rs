//! Reasons: why a decision fell as it did. Data with a stable code, a sentence, and the place that
//! shows it.
//!
//! The sentence of a usual decision is kept as what it is made of and written when someone asks for
//! it: of a fleet's decisions most are read by nobody, and to write them all costs as much as to
//! read the lists.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::installed::ListLabel;
use super::own_signature::RecordFault;
use super::search::{Searched, SignerId};
use super::signature::SignatureFault;
use crate::event::ReasonFacts;
use crate::wire::{Digest, Role};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Stable code of a reason; scenarios expect it by its kebab-case name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name),+ }

        impl Code {
            /// The kebab-case name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The code with this name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)+ _ => None }
            }
        }

        /// Every code's name.
        pub const CODES: &[&str] = &[$($text),+];
    };
}

codes! {
    /// Nothing was installed, so there was nothing to check against.
    LeapOfFaith = "leap-of-faith",
    /// The empty ITL of a rollback is installed, so any ITL is taken.
    RollbackItl = "rollback-itl",
    /// The empty ITL of a rollback is installed, so an unsigned configuration is taken.
    RollbackConfig = "rollback-config",
    /// The signer is in the list named in the text, with a role that may sign this.
    SignerInList = "signer-in-list",
    /// A TVS answer vouches for the signer.
    SignerVouchedByTvs = "signer-vouched-by-tvs",
    /// The signature holds under that certificate.
    SignatureHolds = "signature-holds",
    /// The file is the installed one.
    FileEqual = "file-equal",
    /// The server has no such file.
    FileMissing = "file-missing",
    /// No server answered for the file.
    DownloadFailed = "download-failed",
    /// The file has no bytes.
    FileEmpty = "file-empty",
    /// The file is larger than the phone loads.
    FileTooLarge = "file-too-large",
    /// The bytes are not what the format says.
    FileMalformed = "file-malformed",
    /// A record contradicts its certificate.
    RecordMismatch = "record-mismatch",
    /// The header's version is not read.
    VersionUnknown = "version-unknown",
    /// The name inside the file is another one.
    FileNameMismatch = "file-name-mismatch",
    /// The list is older than the installed one.
    TimestampOlder = "timestamp-older",
    /// The list has no SAST record.
    NoSastRecord = "no-sast-record",
    /// The digest algorithm is not supported.
    DigestUnsupported = "digest-unsupported",
    /// The signer's key is smaller than the rule allows.
    KeyTooSmall = "key-too-small",
    /// The signer's key cannot sign this file: not RSA, or larger than is read.
    KeyUnsupported = "key-unsupported",
    /// The signature does not hold.
    SignatureMismatch = "signature-mismatch",
    /// The list is not signed by a SAST record of its own.
    OwnSignatureFails = "own-signature-fails",
    /// The signer is in none of the lists that count.
    SignerNotInList = "signer-not-in-list",
    /// The signer is in a list, with a role that may not sign this.
    RoleMissing = "role-missing",
    /// Two different certificates have the signer's issuer and serial.
    SignerAmbiguous = "signer-ambiguous",
    /// The signer's certificate is outside its dates.
    SignerExpired = "signer-expired",
    /// The list in flash is damaged, and no other is installed.
    InstalledListDamaged = "installed-list-damaged",
    /// No installed list has a TVS record with a certificate.
    NoTvsInList = "no-tvs-in-list",
    /// The installed configuration names no TVS server.
    NoTvsInConfiguration = "no-tvs-in-configuration",
    /// A TVS server could not be reached.
    TvsUnreachable = "tvs-unreachable",
    /// TLS with a TVS server failed.
    TvsHandshakeFailed = "tvs-handshake-failed",
    /// A TVS server's certificate is not among the installed TVS records.
    TvsCertificateNotInList = "tvs-certificate-not-in-list",
    /// A TVS server closed without an answer, or took too long.
    TvsNoAnswer = "tvs-no-answer",
    /// What a TVS server sent is not an answer.
    TvsAnswerMalformed = "tvs-answer-malformed",
    /// A TVS server does not know the signer.
    SignerUnknownToTvs = "signer-unknown-to-tvs",
    /// A TVS answer does not give the role that is needed.
    TvsRoleMissing = "tvs-role-missing",
    /// A TVS answered with another certificate than the one asked for.
    TvsWrongCertificate = "tvs-wrong-certificate",
    /// The configuration cannot be read.
    ConfigMalformed = "config-malformed",
    /// The configuration is unsigned, as asked.
    ConfigUnsigned = "config-unsigned",
    /// The configuration came over HTTPS from a server that the phone trusts, so it is unsigned.
    ConfigOverHttps = "config-over-https",
    /// The certificate of an HTTPS server is in no installed list, and no TVS vouches for it.
    HttpsCertificateUnknown = "https-certificate-unknown",
    /// The phone's key opens the encrypted configuration.
    ConfigDecrypted = "config-decrypted",
    /// A file that the phone's configuration names is unsigned, as asked.
    FileUnsigned = "file-unsigned",
    /// The phone has no certificate, and so no key that opens an encrypted configuration.
    DeviceKeyMissing = "device-key-missing",
    /// The configuration is encrypted for another key than the phone's.
    EncryptedForAnotherKey = "encrypted-for-another-key",
    /// The encrypted configuration does not open, or not to what its header says.
    DecryptionFailed = "decryption-failed",
    /// The cluster has encrypted for another certificate or for none: the phone would go to CAPF.
    CapfSessionNeeded = "capf-session-needed",
    /// The configuration is only the companion of an encrypted one.
    ConfigIncomplete = "config-incomplete",
    /// A CallManager does not know the phone.
    PhoneNotInDatabase = "phone-not-in-database",
    /// A CallManager does not trust the issuer of the phone's LSC.
    LscNotTrusted = "lsc-not-trusted",
    /// Option 150 has changed, and the phone has not booted since.
    NotBooted = "not-booted",
    /// The servers did not come by DHCP.
    NoLease = "no-lease",
    /// The list stage ended without a list of the cluster that option 150 names.
    ListNotUpdated = "list-not-updated",
    /// The boot did not come to its end within the longest time that one may take.
    BootOverdue = "boot-overdue",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reason. As text it is its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The stable code.
    pub code: Code,
    sentence: Sentence,
    place: Place,
}

impl Reason {
    /// A reason without a place. `text` is in lower case and without a full stop.
    pub fn new(code: Code, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            sentence: Sentence::Written(text.into()),
            place: Place::None,
        }
    }

    /// A reason whose sentence is written later.
    pub(super) fn of(code: Code, sentence: Sentence) -> Self {
        Self {
            code,
            sentence,
            place: Place::None,
        }
    }

    /// The same reason, with the place that shows it.
    #[must_use]
    pub fn at(mut self, evidence: impl Into<String>) -> Self {
        self.place = Place::Named(evidence.into());
        self
    }

    /// The same reason, shown by an offset in the file, in bytes.
    #[must_use]
    pub(super) fn at_offset(mut self, offset: usize) -> Self {
        self.place = Place::Offset(offset);
        self
    }

    /// The same reason, shown by a record of a list; records count from 0 here.
    #[must_use]
    pub(super) fn at_record(mut self, record: usize) -> Self {
        self.place = Place::Record(record);
        self
    }

    /// The sentence, in lower case and without a full stop.
    pub fn text(&self) -> String {
        self.sentence.to_string()
    }

    /// Where it shows: an offset in a file, a record, a server, a file name.
    pub fn evidence(&self) -> Option<String> {
        match &self.place {
            Place::None => None,
            Place::Offset(offset) => Some(format!("offset {offset}")),
            Place::Record(record) => Some(format!("record {}", record + 1)),
            Place::Named(place) => Some(place.clone()),
        }
    }

    /// For an event.
    pub fn facts(&self) -> ReasonFacts {
        ReasonFacts {
            code: self.code.as_str(),
            text: self.text(),
            evidence: self.evidence(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence.fmt(f)
    }
}

/// What shows a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    None,
    /// Bytes from the start of the file.
    Offset(usize),
    /// A record, from 0.
    Record(usize),
    /// A server or a file.
    Named(String),
}

/// What a sentence is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sentence {
    /// It is written already.
    Written(Cow<'static, str>),
    /// The signer is in a list, with a role that fits.
    SignerInList {
        signer: Arc<SignerId>,
        list: ListLabel,
        role: Role,
    },
    /// The signer is in a list twice, with different certificates.
    SignerAmbiguous {
        signer: Arc<SignerId>,
        list: ListLabel,
    },
    /// The signer is in a list, with a role that does not fit.
    RoleMissing {
        signer: Arc<SignerId>,
        list: ListLabel,
        role: Role,
        /// The roles that would.
        wanted: &'static str,
    },
    /// The signer is in no list.
    SignerNotInList {
        signer: Arc<SignerId>,
        searched: Searched,
    },
    /// The signature holds.
    SignatureHolds(Digest),
    /// The signature does not hold, or is not looked at.
    SignatureFails(SignatureFault),
    /// A record contradicts its certificate.
    RecordMismatch(RecordFault),
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(text) => f.write_str(text),
            Self::SignerInList { signer, list, role } => {
                write!(f, "signer {signer} is in the {list} as {role}")
            }
            Self::SignerAmbiguous { signer, list } => write!(
                f,
                "two different certificates in the {list} have the issuer and serial of {signer}"
            ),
            Self::RoleMissing {
                signer,
                list,
                role,
                wanted,
            } => write!(
                f,
                "signer {signer} is in the {list} as {role}, which may not sign this; \
                 {wanted} is needed"
            ),
            Self::SignerNotInList { signer, searched } => {
                write!(f, "signer {signer} is not in the {searched}")
            }
            Self::SignatureHolds(digest) => write!(f, "the {digest} signature holds"),
            Self::SignatureFails(fault) => fault.fmt(f),
            Self::RecordMismatch(fault) => fault.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ListKind;

    #[test]
    fn a_sentence_is_written_when_it_is_asked_for() {
        let signer = Arc::new(SignerId {
            subject: b"CN=src-pub;OU=lab".to_vec(),
            issuer: b"CN=CA".to_vec(),
            serial: vec![0x4f, 0x2a, 1, 2, 0x91],
        });
        let list = ListLabel {
            kind: ListKind::Itl,
            is_new: false,
        };
        let reason = |code, sentence| Reason::of(code, sentence).at_record(0);
        let found = reason(
            Code::SignerInList,
            Sentence::SignerInList {
                signer: Arc::clone(&signer),
                list,
                role: Role::Sast,
            },
        );
        let facts = found.facts();
        assert_eq!(facts.code, "signer-in-list");
        assert_eq!(
            facts.text,
            "signer CN=src-pub 4F:2A:..:91 is in the installed ITL as SAST"
        );
        assert_eq!(facts.evidence.as_deref(), Some("record 1"));
        let other = reason(
            Code::RoleMissing,
            Sentence::RoleMissing {
                signer: Arc::clone(&signer),
                list,
                role: Role::Tftp,
                wanted: "SAST",
            },
        );
        assert_eq!(
            other.text(),
            "signer CN=src-pub 4F:2A:..:91 is in the installed ITL as TFTP, which may not sign \
             this; SAST is needed"
        );
        let twice = reason(
            Code::SignerAmbiguous,
            Sentence::SignerAmbiguous { signer, list },
        );
        assert_eq!(
            twice.to_string(),
            "two different certificates in the installed ITL have the issuer and serial of \
             CN=src-pub 4F:2A:..:91"
        );
        let written = Reason::new(Code::FileMissing, "not there").at("tftp");
        assert_eq!(written.text(), "not there");
        assert_eq!(written.evidence().as_deref(), Some("tftp"));
        assert_eq!(written.at_offset(7).evidence().as_deref(), Some("offset 7"));
    }
}
