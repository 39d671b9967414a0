//! The choices of the rules that are words, as types.

use super::{Key, Word};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $name { $($(#[$vdoc])* $variant),+ }

            impl Word for $name {
                const KEY: Key = Key::$name;
                const WORDS: &'static [&'static str] = &[$($word),+];
                fn from_index(index: i64) -> Self {
                    const ALL: &[$name] = &[$($name::$variant),+];
                    usize::try_from(index).ok().and_then(|i| ALL.get(i)).copied().unwrap_or(ALL[0])
                }
            }
        )+
    };
}

words! {
    /// How a file's signer is found among the records of a list.
    SignerMatch {
        /// Issuer bytes of the header equal those of the record, and the serial number.
        IssuerBytes = "issuer-bytes",
        /// The header's issuer names the certificate's issuer, and the serial number.
        Certificate = "certificate",
    }
    /// What a signer means that is in the list with a role that may not sign this.
    WrongRole {
        /// TVS is asked about it.
        AskTvs = "ask-tvs",
        /// The file is refused.
        Refuse = "refuse",
    }
    /// Whether the first list must at least be signed by a SAST record of its own.
    FirstContactSelfSignature {
        /// It must.
        Required = "required",
        /// Nothing is checked.
        Ignored = "ignored",
    }
    /// Whether a phone without lists takes the first one without knowing its signer.
    LeapOfFaith {
        /// It does.
        Accept = "accept",
        /// It refuses.
        Refuse = "refuse",
    }
    /// What a phone with the empty ITL of a rollback does with a new ITL.
    EmptyItl {
        /// It takes any.
        AcceptAny = "accept-any",
        /// It checks the signer as always.
        Check = "check",
    }
    /// Whether the first CTL of a phone that has an ITL is checked.
    FirstCtlChecked {
        /// Its signer must be known.
        Yes = "yes",
        /// It is taken as the very first list is.
        No = "no",
    }
    /// What the empty ITL of a rollback means beside a CTL with TFTP certificates.
    RollbackWithCtl {
        /// A new ITL is checked as always.
        Check = "check",
        /// The phone takes any ITL.
        AcceptAny = "accept-any",
    }
    /// Where the signer of a new CTL is looked for.
    CtlSearchedIn {
        /// In the installed CTL and in the installed ITL.
        Both = "ctl-and-itl",
        /// In the installed CTL, and in the ITL only where there is no CTL.
        CtlFirst = "ctl-if-installed",
    }
    /// Where the signer of a new ITL is looked for while a CTL is installed.
    ItlSearchedIn {
        /// In the CTL alone.
        Ctl = "ctl-if-installed",
        /// In the CTL and in the installed ITL.
        Both = "ctl-and-itl",
    }
    /// Whether a CTL installed in this boot counts for the ITL of the same boot.
    NewCtlInForce {
        /// At once.
        AtOnce = "at-once",
        /// From the next boot on.
        NextBoot = "next-boot",
    }
    /// What is done with SHA-256 signatures, which are defined and seen nowhere.
    DigestSha256 {
        /// They are refused.
        Refuse = "refuse",
        /// They are checked like the others.
        Accept = "accept",
    }
    /// What is done with SHA-512 signatures, which a parameter of the cluster asks for.
    DigestSha512 {
        /// They are checked like the others.
        Accept = "accept",
        /// They are refused.
        Refuse = "refuse",
    }
    /// Whether a signer's certificate may be past its dates.
    IgnoresExpiry {
        /// Dates are not looked at.
        Yes = "yes",
        /// A signer outside its dates is refused.
        No = "no",
    }
    /// Whether the name inside a signed configuration must be the name asked for.
    ConfigFileName {
        /// It must.
        MustMatch = "must-match",
        /// It is not looked at.
        Ignored = "ignored",
    }
    /// Whether the name inside a list must be CTLFile.tlv or ITLFile.tlv.
    ListFileName {
        /// It is not looked at.
        Ignored = "ignored",
        /// It must.
        MustMatch = "must-match",
    }
    /// What a list means that is older than the installed one.
    OlderTimestamp {
        /// It is a list like any other.
        Accept = "accept",
        /// It is refused.
        Refuse = "refuse",
    }
    /// What is done with a list that is the installed one.
    EqualList {
        /// Nothing.
        NoOp = "no-op",
        /// It is checked and installed again.
        Reinstall = "reinstall",
    }
    /// What is done with bytes after the last record.
    TrailingBytes {
        /// They are skipped.
        Ignore = "ignore",
        /// The list is refused.
        Refuse = "refuse",
    }
    /// What is done with elements whose tag is unknown.
    UnknownElements {
        /// They are skipped.
        Skip = "skip",
        /// The file is refused.
        Refuse = "refuse",
    }
    /// What is done with an element that stands twice.
    DuplicateElements {
        /// The file is refused.
        Refuse = "refuse",
        /// The last one counts.
        LastWins = "last-wins",
    }
    /// Whether names, file name, timestamp or a record's certificate may be missing.
    MissingElements {
        /// They may.
        Accept = "accept",
        /// The file is refused.
        Refuse = "refuse",
    }
    /// Whether the signer's elements must stand in their container.
    SignerContainer {
        /// They may stand outside.
        Optional = "optional",
        /// They must.
        Required = "required",
    }
    /// How names are read.
    NameEncoding {
        /// As opaque bytes.
        Opaque = "opaque",
        /// As UTF-8; anything else is refused.
        Utf8 = "utf-8",
    }
    /// Which header versions are read.
    ListVersion {
        /// Any.
        Any = "any",
        /// 1.1 and 1.2.
        Known = "known",
    }
    /// Whether a list without any SAST record is installed: its signer may be trusted, and yet
    /// nothing can follow it.
    ListWithoutSast {
        /// It is.
        Accept = "accept",
        /// It is refused.
        Refuse = "refuse",
    }
    /// What a TVS says to a QUERY for a certificate that it does not have.
    TvsMiss {
        /// Status 1 and nothing else.
        StatusOnly = "status-1-only",
        /// Nothing: it closes.
        Close = "close",
    }
    /// Whether the roles in a TVS answer must allow what the signer did.
    TvsRoleRequired {
        /// They must.
        Yes = "yes",
        /// Any answer will do.
        No = "no",
    }
    /// Whether TVS answers are kept over a restart of the phone.
    TvsCacheSurvivesBoot {
        /// They are in memory only.
        No = "no",
        /// They are kept in flash.
        Yes = "yes",
    }
    /// Whether a new list throws the kept TVS answers away.
    TvsCacheFlush {
        /// It does.
        Yes = "on-list-change",
        /// They stay for their time.
        No = "never",
    }
    /// Whether a signer that no TVS knew is asked about again in the same boot.
    TvsNegativeCache {
        /// It is asked about for each file.
        No = "no",
        /// It stays unknown until the phone restarts or takes a new list.
        Yes = "yes",
    }
    /// Whether TVS must restart before it answers for a newly imported certificate.
    TvsRestartNeeded {
        /// Changes count at once.
        No = "no",
        /// They count after a restart.
        Yes = "yes",
    }
    /// Which roles a TVS gives to a certificate of a trust store.
    TvsRolesOfStore {
        /// Phone-SAST-trust gives SAST, CallManager-trust gives TFTP.
        ByStore = "by-store",
        /// CallManager-trust alone gives both.
        CallManagerGivesBoth = "callmanager-trust-gives-both",
    }
    /// Which options the phone's TFTP requests have.
    TftpOptions {
        /// None.
        None = "none",
        /// tsize.
        Tsize = "tsize",
        /// tsize and blksize 1428.
        TsizeBlksize = "tsize-blksize",
    }
    /// By which clock a TVS answer that is kept over a restart runs out.
    TvsCacheClock {
        /// By time that passes, whatever the wall clock shows.
        Running = "running",
        /// By the wall clock: a jump forward ends it sooner, a jump back later.
        Wall = "wall",
    }
    /// How the time between retransmissions grows.
    TftpBackoff {
        /// It doubles.
        Double = "double",
        /// It stays.
        Constant = "constant",
    }
    /// Whether a file is asked for over HTTP before TFTP.
    HttpFirst {
        /// HTTP, and TFTP where that brings nothing.
        Yes = "yes",
        /// TFTP alone.
        No = "no",
    }
    /// After which HTTP answers the same server is asked over TFTP.
    HttpFallbackOn {
        /// After any but 200.
        AnyError = "any-error",
        /// After 500 to 599. 404 counts as a missing file, anything else as a failed download.
        ServerError = "5xx",
    }
    /// What a file is that HTTP does not have, where TFTP does not answer.
    HttpMissingAlone {
        /// It could not be downloaded: a failure, and the next server is asked.
        Failed = "failed",
        /// The server does not have it.
        Missing = "missing",
    }
    /// Whether the configuration is asked for over HTTPS.
    HttpsConfig {
        /// While the installed ITL has signer version 1.1.
        Yes = "yes",
        /// Never.
        No = "no",
    }
    /// What CUCM answers over HTTP for a file that it does not have.
    HttpMissing {
        /// 503 Service Unavailable.
        Unavailable = "503",
        /// 404 Not Found.
        NotFound = "404",
    }
    /// Whether an ITL lists the EC certificate of HTTPS with role TFTP.
    HttpsRecord {
        /// It does not: phones ask TVS about the certificate.
        No = "no",
        /// It does, where the node has one.
        Yes = "yes",
    }
    /// Where a phone takes its servers from when a lease names some in several places.
    DhcpPrecedence {
        /// Option 150, else option 66, else the field `siaddr`.
        Option150First = "150-66-siaddr",
        /// Option 150, else option 66.
        WithoutSiaddr = "150-66",
        /// Option 66, else option 150, else the field `siaddr`.
        Option66First = "66-150-siaddr",
    }
    /// Which servers a phone asks that no lease names any to.
    DhcpNoAnswer {
        /// Those that it had last.
        Stored = "stored",
        /// None.
        None = "none",
    }
    /// Whether a phone restarts when the renewal of its lease names other servers.
    DhcpActAtOnce {
        /// It keeps them for its next start.
        No = "no",
        /// It restarts.
        Yes = "yes",
    }
    /// Where a phone registers that has refused its configuration.
    AfterRefusal {
        /// With its old CallManager group; with the TFTP server where that does not answer.
        OldGroup = "old-group",
        /// With the TFTP server.
        TftpServer = "tftp-server",
    }
    /// What becomes of a phone's own configuration when it takes the default one.
    DefaultConfig {
        /// The default one takes its place in flash.
        Replaces = "replaces",
        /// It stays in flash, and counts again from the next boot on.
        Beside = "beside",
    }
    /// What a list without any byte means.
    EmptyFile {
        /// It is refused.
        Refuse = "refuse",
        /// The server counts as not having the file.
        AsMissing = "as-missing",
    }
    /// What a damaged CTL or ITL in flash means where no other list is installed.
    DamagedList {
        /// No list is taken by leap of faith.
        Refuse = "refuse",
        /// The list counts as absent.
        AsAbsent = "as-absent",
    }
    /// Whether a phone asks for application dial rules, whose name is fixed.
    AppDialRules {
        /// It does not.
        LeaveOut = "leave-out",
        /// It does, among the files that its configuration names.
        Ask = "ask",
    }
    /// Whether a phone asks for the ring list, whose name is fixed.
    RingList {
        /// It does not.
        LeaveOut = "leave-out",
        /// It does, after the files that its configuration names.
        Ask = "ask",
    }
    /// When a cluster serves the default configuration in its signed form.
    SignedDefault {
        /// While auto-registration is enabled.
        AutoRegistration = "auto-registration",
        /// Always.
        Always = "always",
        /// Never: it is there in its plain form alone.
        Never = "never",
    }
    /// Whether TFTP writes its files anew when it starts.
    TftpStartMends {
        /// It does: none is damaged any more.
        Yes = "yes",
        /// It does not: a damaged file stays damaged.
        No = "no",
    }
    /// What is left in the ITL of a cluster that is prepared for rollback.
    BlankItl {
        /// No TFTP and no TVS record.
        NoRecords = "no-records",
        /// TFTP and TVS records without a certificate.
        EmptyRecords = "empty-records",
    }
    /// Which signer version the header of a list has, where the release has none of its own.
    SignerVersion {
        /// The element is not there.
        Absent = "absent",
        /// 1.0.
        V1_0 = "1.0",
        /// 1.1.
        V1_1 = "1.1",
    }
    /// RSA key size of the certificates that sign lists and files.
    SignerKeyBits {
        /// 2048 bits.
        B2048 = "2048",
        /// 1024 bits.
        B1024 = "1024",
        /// 4096 bits.
        B4096 = "4096",
    }
    /// Which files the parameter "TFTP File Signature Algorithm" is for.
    DigestScope {
        /// Configuration files and lists.
        All = "files-and-lists",
        /// Configuration files; lists stay at SHA-1.
        Files = "files",
    }
    /// In which trust store the CAPF certificate of another cluster must be, so that a phone with an
    /// LSC of that cluster can register over TLS.
    LscTrustedBy {
        /// CallManager-trust, or CAPF-trust of the node.
        EitherStore = "either-store",
        /// CallManager-trust.
        CallManagerTrust = "callmanager-trust",
        /// CAPF-trust of the node.
        CapfTrust = "capf-trust",
    }
    /// How the files of a bulk exchange are called.
    BulkFileNames {
        /// `src-pub@src_tftp.p12`.
        NodeType = "node-type",
        /// `tftp_src-pub@src.p12`.
        TypeNode = "type-node",
    }
    /// The password of the files of a bulk exchange.
    BulkPassword {
        /// `trustline`.
        Trustline = "trustline",
        /// No character at all.
        Empty = "empty",
    }
    /// How the files of a bulk exchange are encrypted.
    BulkForm {
        /// AES-256 and SHA-256.
        Modern = "modern",
        /// Triple DES and SHA-1.
        TripleDes = "triple-des",
        /// RC2 with 40 bits and SHA-1.
        Rc2 = "rc2",
    }
    /// Whether type TFTP carries ITLRecovery too.
    BulkTftpTypeCarriesItlRecovery {
        /// CallManager alone.
        No = "no",
        /// Both.
        Yes = "yes",
    }
    /// Whether CAPF can be chosen alone.
    BulkCapfType {
        /// It is in the list.
        Yes = "yes",
        /// Only type All carries CAPF.
        No = "no",
    }
    /// Whether a cluster imports its own certificates out of the consolidated file.
    BulkImportOwn {
        /// They are left out.
        No = "no",
        /// They are imported like the others.
        Yes = "yes",
    }
    /// Whether a consolidated file is imported that does not hold what is exported now.
    BulkImportStale {
        /// It is refused.
        No = "no",
        /// It is imported as it is.
        Yes = "yes",
    }
    /// Whether what is consolidated already can be consolidated again.
    BulkConsolidateAgain {
        /// It is refused, and the refusal says to import.
        Refuse = "refuse",
        /// The files are written again.
        Write = "write",
    }
    /// What an import does with an expired certificate.
    BulkExpired {
        /// Nothing is imported at all.
        Refuse = "refuse",
        /// It is left out.
        LeaveOut = "leave-out",
        /// It is imported like the others.
        Import = "import",
    }
    /// Whether releases before 10.5.2 fail to import certificates of later ones.
    BulkRejectNewerRelease {
        /// They import them.
        No = "no",
        /// The import fails.
        Yes = "yes",
    }
    /// Into which stores an import puts CallManager-ECDSA certificates.
    BulkEcdsaStore {
        /// Into CallManager-trust.
        CallManagerTrust = "callmanager-trust",
        /// Into Phone-SAST-trust too, as CallManager's own.
        RsaStores = "rsa-stores",
        /// Nowhere: they are left out.
        LeftOut = "left-out",
    }
    /// Whether phones reset by themselves after an import.
    BulkImportResetsPhones {
        /// They do.
        Yes = "yes",
        /// They stay as they are.
        No = "no",
    }
}
