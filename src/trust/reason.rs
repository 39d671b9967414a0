//! Reasons: why a decision fell as it did. Data with a stable code, a sentence, and the place that
//! shows it.

use crate::event::ReasonFacts;

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
    /// The list stage ended without a list of the cluster that option 150 names.
    ListNotUpdated = "list-not-updated",
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The stable code.
    pub code: Code,
    /// The sentence, in lower case and without a full stop.
    pub text: String,
    /// Where it shows: an offset in a file, a server, a file name.
    pub evidence: Option<String>,
}

impl Reason {
    /// A reason without a place.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            evidence: None,
        }
    }

    /// The same reason, with the place that shows it.
    #[must_use]
    pub fn at(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = Some(evidence.into());
        self
    }

    /// For an event.
    pub fn facts(&self) -> ReasonFacts {
        ReasonFacts {
            code: self.code.as_str(),
            text: self.text.clone(),
            evidence: self.evidence.clone(),
        }
    }
}
