//! The closed lists of words of the file format, and of no other text.

use std::fmt;

#[cfg(doc)]
use super::model::Action;

/// A word of the file format that belongs to a closed list.
pub trait ClosedWord: Copy + Eq + 'static {
    /// What the list is of, for messages: "service".
    const WHAT: &'static str;
    /// Every word of the list, in the order that messages give them.
    const ALL: &'static [Self];
    /// The word as the file writes it.
    fn as_str(self) -> &'static str;

    /// The value that `word` stands for.
    fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == word)
    }
}

/// Declares an enum whose variants are the words of a closed list.
macro_rules! closed_words {
    ($(
        $(#[$doc:meta])* $name:ident, $what:literal {
            $( $(#[$variant_doc:meta])* $variant:ident = $word:literal, )+
        }
    )+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[$variant_doc])* $variant, )+ }

        impl ClosedWord for $name {
            const WHAT: &'static str = $what;
            const ALL: &'static [Self] = &[$( Self::$variant, )+];

            fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )+ };
}

closed_words! {
    /// The security mode of a cluster.
    Mode, "mode" {
        /// No CTL; phones register without TLS.
        NonSecure = "non-secure",
        /// A CTL; phones may be authenticated or encrypted.
        Mixed = "mixed",
    }

    /// What a node runs.
    Service, "service" {
        /// Holds the database and the certificates of the cluster; one node has it.
        Publisher = "publisher",
        /// Registers phones.
        CallManager = "callmanager",
        /// Publishes trust lists and configuration files.
        Tftp = "tftp",
        /// Vouches for signers, TCP 2445.
        Tvs = "tvs",
        /// Issues LSCs.
        Capf = "capf",
    }

    /// The firmware profile of a phone.
    FirmwareProfile, "firmware profile" {
        /// Phones 79xx.
        Series7900 = "7900",
        /// Phones 78xx.
        Series7800 = "7800",
        /// Phones 88xx.
        Series8800 = "8800",
    }

    /// The device security mode of a phone.
    PhoneSecurity, "security" {
        /// No TLS.
        NonSecure = "non-secure",
        /// TLS without encryption.
        Authenticated = "authenticated",
        /// TLS with encryption, and encrypted media.
        Encrypted = "encrypted",
    }

    /// What a cluster has of a phone's certificates.
    CertificateRecord, "record" {
        /// The LSC that the phone holds.
        Current = "current",
        /// One that it held before.
        Old = "old",
        /// Nothing.
        None = "none",
    }

    /// A file that configurations name.
    PhoneFile, "file" {
        /// The soft keys, `SK<uuid>.xml`.
        SoftKeys = "soft-keys",
        /// The feature policy.
        FeaturePolicy = "feature-policy",
        /// The folder of the phones' language.
        UserLocale = "user-locale",
        /// The folder of the country's tones.
        NetworkLocale = "network-locale",
        /// The dial plan.
        DialPlan = "dial-plan",
    }

    /// Certificates that the bulk exchange carries to another cluster.
    CarriedCertificate, "certificate" {
        /// Signs configuration files, and trust lists before 12.0; also called TFTP certificate.
        CallManager = "CallManager",
        /// Signs trust lists since 12.0.
        ItlRecovery = "ITLRecovery",
        /// Signs LSCs.
        Capf = "CAPF",
        /// Serves HTTPS.
        Tomcat = "Tomcat",
    }

    /// Trust stores of a cluster.
    Store, "store" {
        /// Those who may sign trust lists.
        PhoneSastTrust = "Phone-SAST-trust",
        /// Those whom CallManager and TFTP trust.
        CallManagerTrust = "CallManager-trust",
        /// Those who issue LSCs.
        CapfTrust = "CAPF-trust",
        /// Those whom the web server trusts.
        TomcatTrust = "tomcat-trust",
    }

    /// Services that a step stops and starts.
    StoppableService, "service" {
        /// Trust lists and configuration files.
        Tftp = "tftp",
        /// The trust verification service.
        Tvs = "tvs",
        /// Registration.
        CallManager = "callmanager",
        /// LSCs.
        Capf = "capf",
    }

    /// Certificates of a node that a step makes anew.
    OwnCertificate, "certificate" {
        /// Signs configuration files, and trust lists before 12.0.
        CallManager = "CallManager",
        /// The certificate of the trust verification service.
        Tvs = "TVS",
        /// Signs LSCs.
        Capf = "CAPF",
        /// Signs trust lists since 12.0.
        ItlRecovery = "ITLRecovery",
    }

    /// A file that a TFTP node serves to a phone.
    ServedFile, "file" {
        /// The identity trust list.
        Itl = "itl",
        /// The certificate trust list.
        Ctl = "ctl",
        /// The phone's configuration.
        Config = "config",
    }

    /// How a file is damaged.
    Damage, "damage" {
        /// One bit of one byte is wrong.
        FlipBit = "flip-bit",
        /// The end is missing.
        Truncate = "truncate",
        /// Nothing is left.
        Empty = "empty",
    }

    /// When the power fails, seen from one write to the phone's flash.
    CutMoment, "moment" {
        /// Nothing of the write has happened.
        Before = "before",
        /// A part is written.
        Inside = "inside",
        /// All is written, nothing has followed.
        After = "after",
    }

    /// What a write to the phone's flash is of.
    FlashFile, "flash write" {
        /// The certificate trust list.
        Ctl = "ctl",
        /// The identity trust list.
        Itl = "itl",
        /// The last good configuration.
        Config = "config",
        /// What the phone remembers beside its files.
        State = "state",
    }

    /// What becomes of a phone.
    Verdict, "verdict" {
        /// It trusts the destination and obeys it.
        Migrated = "migrated",
        /// Nothing new was offered to it.
        Unchanged = "unchanged",
        /// It reaches the destination's CallManager but refuses its files.
        RegistersUntrusted = "registers-untrusted",
        /// It is lost.
        Stranded = "stranded",
        /// An input is missing.
        Unknown = "unknown",
    }

    /// What a step does: the value of its key `do`.
    Verb, "step" {
        /// See [`Action::TrustCertificates`].
        TrustCertificates = "trust-certificates",
        /// See [`Action::SetOption150`].
        SetOption150 = "set-option-150",
        /// See [`Action::SetOption66`].
        SetOption66 = "set-option-66",
        /// See [`Action::RenewLeases`].
        RenewLeases = "renew-leases",
        /// See [`Action::SwitchDhcp`].
        StopDhcp = "stop-dhcp",
        /// See [`Action::SwitchDhcp`].
        StartDhcp = "start-dhcp",
        /// See [`Action::ResetPhones`].
        ResetPhones = "reset-phones",
        /// See [`Action::EraseLists`].
        EraseLists = "erase-lists",
        /// See [`Action::FactoryReset`].
        FactoryReset = "factory-reset",
        /// See [`Action::ChangeService`].
        StopService = "stop-service",
        /// See [`Action::ChangeService`].
        StartService = "start-service",
        /// See [`Action::ChangeService`].
        RestartService = "restart-service",
        /// See [`Action::SwitchPower`].
        SwitchOff = "switch-off",
        /// See [`Action::SwitchPower`].
        SwitchOn = "switch-on",
        /// See [`Action::SetParameter`].
        SetParameter = "set-parameter",
        /// See [`Action::RegenerateCertificate`].
        RegenerateCertificate = "regenerate-certificate",
        /// See [`Action::UploadCertificate`].
        UploadCertificate = "upload-certificate",
        /// See [`Action::UpdateCtl`].
        UpdateCtl = "update-ctl",
        /// See [`Action::DamageFile`].
        DamageFile = "damage-file",
        /// See [`Action::AnswerHttp`].
        AnswerHttp = "http-answers",
        /// See [`Action::BulkSftp`].
        BulkSftp = "bulk-sftp",
        /// See [`Action::Bulk`].
        BulkExport = "bulk-export",
        /// See [`Action::Bulk`].
        BulkConsolidate = "bulk-consolidate",
        /// See [`Action::Bulk`].
        BulkImport = "bulk-import",
        /// See [`Action::BulkFault`].
        BulkFault = "bulk-fault",
        /// See [`Action::KeepOldFiles`].
        KeepOldFiles = "keep-old-files",
        /// See [`Action::RemovePhones`].
        RemovePhones = "remove-phones",
        /// See [`Action::AddPhones`].
        AddPhones = "add-phones",
        /// See [`Action::PowerCut`].
        PowerCut = "power-cut",
        /// See [`Action::SetLink`].
        SetLink = "set-link",
        /// See [`Action::ClearLinks`].
        ClearLinks = "clear-links",
        /// See [`Action::JumpClock`].
        JumpClock = "jump-clock",
        /// See [`Action::Wait`].
        Wait = "wait",
        /// See [`Action::Note`].
        Note = "note",
    }

    /// A certificate type of bulk certificate management.
    BulkKind, "certificate type" {
        /// All that there are.
        All = "All",
        /// The certificates of HTTPS.
        Tomcat = "Tomcat",
        /// The CallManager certificates, which TFTP signs with.
        Tftp = "TFTP",
        /// The certificates that issue LSCs.
        Capf = "CAPF",
        /// The trust anchors, from 12.0 on.
        ItlRecovery = "ITL_Recovery",
    }

    /// How an action of bulk certificate management ends.
    BulkResult, "result" {
        /// It was done.
        Done = "done",
        /// A step was missing, and nothing was changed.
        Refused = "refused",
        /// The directory failed.
        Failed = "failed",
    }

    /// What goes wrong at the lab's own SFTP server.
    BulkFault, "fault" {
        /// Nothing listens at its port.
        Unreachable = "unreachable",
        /// It shows another host key than before.
        HostKeyChanged = "host-key-changed",
        /// It takes no password any more.
        WrongPassword = "wrong-password",
        /// The directories are not there.
        DirectoryMissing = "directory-missing",
        /// Nothing can be written.
        ReadOnly = "read-only",
        /// No byte more fits.
        DiskFull = "disk-full",
        /// Each connection is cut inside the first file that it carries, either way.
        Cut = "cut",
        /// Every file that is there now loses its second half. A new export or consolidation mends it.
        DamagedFile = "damaged-file",
        /// A file of somebody else lies in every directory.
        ForeignFile = "foreign-file",
        /// No fault. What became of files stays.
        Clear = "clear",
    }

    /// How TLS is done in virtual time.
    Tls, "kind of TLS" {
        /// The certificate check and the exchange of messages, without the cryptography.
        Modelled = "modelled",
        /// With real TLS over simulated bytes, to TVS and over HTTPS: events and verdicts are repeatable,
        /// packets are not.
        Real = "real",
    }

    /// Who signed a certificate of provisioning.
    ProvisioningAuthority, "authority" {
        /// The one whose roots all have.
        Ours = "ours",
        /// One that nobody knows.
        Foreign = "foreign",
    }

    /// What a provisioning server does about phones' certificates.
    CertificateDemand, "demand" {
        /// Without one that counts there is an error page, as from nginx.
        Page = "page-400",
        /// Without one that counts TLS does not come up, as with Apache. Where none comes the alert is
        /// certificate_required, as from trustline's own server.
        Handshake = "handshake",
        /// It asks for none.
        None = "not-asked",
    }

    /// The client certificate of a multiplatform phone.
    ClientCertificate, "client certificate" {
        /// Its own.
        Own = "own",
        /// None.
        Missing = "missing",
        /// One with its name, signed by a foreign authority.
        Foreign = "foreign",
        /// Another phone's.
        OtherDevice = "of-another-device",
    }

    /// How sure the weakest rule is that a verdict rests on.
    RestsOn, "basis" {
        /// A source says so.
        Documented = "documented",
        /// Arithmetic, or several sources together.
        Inferred = "inferred",
        /// Nobody says.
        Assumed = "assumed",
    }
}

impl StoppableService {
    /// The service of a node that a step stops or starts.
    pub fn service(self) -> Service {
        match self {
            Self::Tftp => Service::Tftp,
            Self::Tvs => Service::Tvs,
            Self::CallManager => Service::CallManager,
            Self::Capf => Service::Capf,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        fn all<T: ClosedWord + fmt::Debug>() {
            for &word in T::ALL {
                assert_eq!(T::from_word(word.as_str()), Some(word));
            }
            assert_eq!(T::from_word("nothing"), None);
        }
        all::<Service>();
        all::<CertificateRecord>();
        all::<PhoneFile>();
        all::<Verdict>();
        all::<Store>();
        all::<FirmwareProfile>();
        all::<Verb>();
    }
}
