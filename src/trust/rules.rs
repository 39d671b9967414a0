//! The registry of rules: every choice that a decision depends on, with its other choices, its
//! source and how sure it is. `trustline rules` prints it; a scenario's `[settings]` changes it.

mod choices;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::wire::tvs::Tags;

pub use choices::*;

/// How sure a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// A source says so.
    Documented,
    /// It follows from arithmetic, or from several sources together.
    Inferred,
    /// Nobody says, or sources disagree.
    Assumed,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Documented => "documented",
            Self::Inferred => "inferred",
            Self::Assumed => "assumed",
        })
    }
}

/// What a rule can be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choices {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A number.
    Number {
        /// What it counts.
        unit: &'static str,
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// Other values worth trying.
        others: &'static [i64],
    },
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its key.
    pub key: Key,
    /// `area.name`.
    pub name: &'static str,
    /// What it decides.
    pub what: &'static str,
    /// What it can be set to.
    pub choices: Choices,
    /// The value that it has unless something sets it: index of a word, or a number.
    pub default: i64,
    /// How sure the default is.
    pub basis: Basis,
    /// Who says so.
    pub source: &'static str,
}

impl Rule {
    /// A value in words.
    pub fn text_of(&self, value: i64) -> String {
        match self.choices {
            Choices::Words(words) => usize::try_from(value)
                .ok()
                .and_then(|i| words.get(i))
                .map_or_else(|| value.to_string(), ToString::to_string),
            Choices::Number { .. } => value.to_string(),
        }
    }

    /// The value that a text means.
    ///
    /// # Errors
    /// What would be right, as a phrase.
    pub fn parse(&self, text: &str) -> Result<i64, String> {
        match self.choices {
            Choices::Words(words) => words
                .iter()
                .position(|w| *w == text)
                .and_then(|i| i64::try_from(i).ok())
                .ok_or_else(|| format!("one of {}", words.join(", "))),
            Choices::Number { unit, min, max, .. } => text
                .parse()
                .ok()
                .filter(|n| (min..=max).contains(n))
                .ok_or_else(|| format!("a number of {unit} from {min} to {max}")),
        }
    }

    /// The listed values other than `value`.
    pub fn others(&self, value: i64) -> Vec<i64> {
        match self.choices {
            Choices::Words(words) => (0_i64..)
                .zip(words)
                .map(|(i, _)| i)
                .filter(|&i| i != value)
                .collect(),
            Choices::Number { others, .. } => {
                let all = others.iter().copied().chain([self.default]);
                all.filter(|&n| n != value).collect()
            }
        }
    }
}

/// A rule whose choices are words, as a type.
pub trait Word: Sized + Copy {
    /// The rule.
    const KEY: Key;
    /// The words, in the order of the type's variants.
    const WORDS: &'static [&'static str];
    /// The choice with this index.
    fn from_index(index: i64) -> Self;
}

macro_rules! rules {
    ($($key:ident $name:literal $choices:expr, $default:expr, $basis:ident, $what:literal, $source:literal;)+) => {
        /// A rule's key: an index into [`RULES`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the table says what each is")]
        pub enum Key { $($key),+ }

        /// Every rule.
        pub const RULES: &[Rule] = &[$(Rule {
            key: Key::$key,
            name: $name,
            what: $what,
            choices: $choices,
            default: $default as i64,
            basis: Basis::$basis,
            source: $source,
        }),+];
    };
}

const fn of<W: Word>() -> Choices {
    Choices::Words(W::WORDS)
}

const fn number(unit: &'static str, min: i64, max: i64, others: &'static [i64]) -> Choices {
    Choices::Number {
        unit,
        min,
        max,
        others,
    }
}

rules! {
    SignerMatch "trust.signer_match" of::<SignerMatch>(), 0, Inferred,
        "how a file's signer is found among the records of a list (the serial always as a number)",
        "Cisco 213407 and 118893: TVS looks up serial and issuer; the phone's own key is not documented";
    WrongRole "trust.wrong_role" of::<WrongRole>(), 0, Assumed,
        "what a signer means that is in a list with a role that may not sign this file",
        "no source shows it";
    FirstContactSelfSignature "trust.first_contact_self_signature" of::<FirstContactSelfSignature>(), 0, Assumed,
        "whether the first list must at least be signed by a SAST record of its own",
        "no source says; a real server always satisfies it";
    LeapOfFaith "trust.leap_of_faith" of::<LeapOfFaith>(), 0, Documented,
        "whether a phone without lists takes the first one without knowing its signer",
        "CUCM 14SU2 Security Guide, Default Security; 8941 firmware string";
    EmptyItl "trust.empty_itl" of::<EmptyItl>(), 0, Documented,
        "what a phone with the empty ITL of a rollback does with a new ITL",
        "CUCM 15 Security Guide, rollback";
    FirstCtlChecked "trust.first_ctl_checked" of::<FirstCtlChecked>(), 0, Inferred,
        "whether the first CTL of a phone that has an ITL is checked",
        "Cisco 213407: not in the phone's existing CTL or ITL; 118893: phones with an ITL alone follow into mixed mode";
    RollbackWithCtl "trust.rollback_with_ctl" of::<RollbackWithCtl>(), 0, Assumed,
        "what the empty ITL of a rollback means beside a CTL with TFTP certificates",
        "no source shows a new ITL beside both; Cisco 213407: the parameter blanks the ITL, never the CTL";
    CtlSearchedIn "trust.ctl_searched_in" of::<CtlSearchedIn>(), 0, Documented,
        "where the signer of a new CTL is looked for",
        "Cisco 213407: not in the phone's existing CTL or ITL";
    ItlSearchedIn "trust.itl_searched_in" of::<ItlSearchedIn>(), 0, Documented,
        "where the signer of a new ITL is looked for while a CTL is installed",
        "CUCM 14SU2 Security Guide: uses the CTL file to authenticate the ITL signature";
    NewCtlInForce "trust.new_ctl_in_force" of::<NewCtlInForce>(), 0, Documented,
        "whether a CTL installed in this boot counts for the ITL of the same boot",
        "Cisco 215539, secure cluster, step 9; 213407, step 9";
    DigestSha256 "trust.digest_sha256" of::<DigestSha256>(), 0, Assumed,
        "what is done with SHA-256 signatures (digest 2)",
        "defined in the open tools, which refuse it; no phone shown";
    DigestSha512 "trust.digest_sha512" of::<DigestSha512>(), 0, Documented,
        "what is done with SHA-512 signatures (digest 3)",
        "CUCM Security Guide, TFTP File Signature Algorithm: SHA-1 or SHA-512; phones that lack SHA-512 stop working";
    MinRsaBits "trust.min_rsa_bits" number("bits", 512, 4096, &[512, 2048]), 1024, Assumed,
        "the smallest RSA key that may sign",
        "1024-bit signers are in Cisco's dumps; a bound is stated for FIPS mode alone, 2048 (8800 Administration Guide)";
    IgnoresExpiry "phone.ignores_expiry" of::<IgnoresExpiry>(), 0, Assumed,
        "whether a signer's certificate may be past its dates",
        "no source says that a phone looks at the dates";
    ConfigFileName "trust.config_file_name" of::<ConfigFileName>(), 0, Assumed,
        "whether the name inside a signed configuration must be the name asked for",
        "the open tools insist on the name; no phone shown";
    ListFileName "trust.list_file_name" of::<ListFileName>(), 0, Assumed,
        "whether the name inside a list must be CTLFile.tlv or ITLFile.tlv",
        "no source says";
    ListMaxBytes "list.max_bytes" number("bytes", 1_024, 2_097_152, &[4_096, 2_097_152]), 65_535, Documented,
        "the largest list that a phone loads",
        "CUCM 14SU2 and 15 Security Guides: over 64 KB does not load";
    EmptyFile "list.empty_file" of::<EmptyFile>(), 0, Assumed,
        "what a list without any byte means",
        "one observer saw a 79xx tolerate empty files; of other phones no source speaks";
    OlderTimestamp "list.older_timestamp" of::<OlderTimestamp>(), 0, Assumed,
        "what a list means that is older than the installed one",
        "no source says; a downgrade of a cluster is a normal rollback";
    EqualList "list.equal" of::<EqualList>(), 0, Assumed,
        "what is done with a list that is the installed one",
        "8800 Administration Guide: Trust List updated means that a file is updated; the short-cut is not described";
    TrailingBytes "list.trailing_bytes" of::<TrailingBytes>(), 0, Assumed,
        "what is done with bytes after the last record",
        "no source says; phones skip trailing bytes of a header";
    UnknownElements "list.unknown_elements" of::<UnknownElements>(), 0, Documented,
        "what is done with elements whose tag is unknown",
        "EMCC technote: skipping 1 trail bytes (pad and/or unknown TLVs)";
    DuplicateElements "list.duplicate_elements" of::<DuplicateElements>(), 0, Assumed,
        "what is done with an element that stands twice",
        "no source says; the open tools let the last one win";
    MissingElements "list.missing_elements" of::<MissingElements>(), 0, Inferred,
        "whether names, file name, timestamp or a record's certificate may be missing",
        "Cisco 118892: records without certificate; header elements are not described";
    SignerContainer "list.signer_container" of::<SignerContainer>(), 0, Assumed,
        "whether the signer's elements must stand in their container",
        "no source documents an order";
    NameEncoding "list.name_encoding" of::<NameEncoding>(), 0, Inferred,
        "how names are read",
        "Cisco 118892 prints names with odd quotes and cuts; the open tools use other separators and phones accept them";
    ListVersion "list.version" of::<ListVersion>(), 0, Inferred,
        "which header versions are read",
        "Cisco 213407 and the EMCC technote: firmware that knows 1.1 remarks on 1.2 and accepts it; of other versions no source speaks";
    ListWithoutSast "list.without_sast" of::<ListWithoutSast>(), 0, Assumed,
        "whether a list without any SAST record is installed",
        "no source says; nothing could ever follow such a list but TVS";
    QueryIssuerTag "tvs.query_issuer_tag" number("tag", 1, 255, &[6]), 4, Inferred,
        "tag of the issuer in a QUERY",
        "Cisco 213407: lengths fit, the dump is cut before it";
    QuerySerialTag "tvs.query_serial_tag" number("tag", 1, 255, &[6]), 5, Inferred,
        "tag of the serial number in a QUERY",
        "Cisco 213407: lengths fit, the dump is cut before it";
    AnswerRolesTag "tvs.answer_roles_tag" number("tag", 1, 255, &[10]), 8, Inferred,
        "tag of the roles in a TVS answer",
        "the open tvsd writes it; Cisco 213407: lengths fit, the dump is cut before it";
    AnswerTtlTag "tvs.answer_ttl_tag" number("tag", 1, 255, &[11]), 9, Inferred,
        "tag of the life time in a TVS answer",
        "the open tvsd writes it; Cisco 213407: lengths fit, the dump is cut before it";
    TvsMiss "tvs.miss" of::<TvsMiss>(), 0, Assumed,
        "what a TVS says to a QUERY for a certificate that it does not have",
        "no source shows it; the open tvsd answers a VERIFY so";
    TvsRoleRequired "tvs.role_required" of::<TvsRoleRequired>(), 0, Inferred,
        "whether the roles in a TVS answer must allow what the signer did",
        "all answers shown for list signers contain role 0 (Cisco 213407, 118893)";
    TvsCacheSurvivesBoot "tvs.cache_survives_boot" of::<TvsCacheSurvivesBoot>(), 0, Assumed,
        "whether TVS answers are kept over a restart of the phone",
        "no reliable source";
    TvsCacheFlush "tvs.cache_flush" of::<TvsCacheFlush>(), 0, Documented,
        "whether a new list throws the kept TVS answers away",
        "Cisco 118893: tvsReqFlushTvsCertCache around a list change";
    TvsNegativeCache "tvs.negative_cache" of::<TvsNegativeCache>(), 0, Assumed,
        "whether a signer that no TVS knew stays unknown for the other files of the boot, without a question",
        "no source speaks of negative answers that are kept";
    TvsCacheClock "tvs.cache_clock" of::<TvsCacheClock>(), 0, Assumed,
        "by which clock a TVS answer that is kept over a restart runs out, when the phone's wall clock jumps",
        "Cisco 213407 shows expires in 24 hours; no source says what a new time does to it";
    TvsMaxServers "tvs.max_servers" number("servers", 1, 5, &[1, 5]), 3, Inferred,
        "how many TVS servers of the configuration are tried",
        "CUCM names primary, secondary, tertiary; the XML takes five";
    TvsConnectTimeout "tvs.connect_timeout_ms" number("milliseconds", 100, 60_000, &[10_000]), 5_000, Assumed,
        "how long a TVS connection may take until TLS is up",
        "no source; the open tvsc takes 10 s for the whole";
    TvsAnswerTimeout "tvs.answer_timeout_ms" number("milliseconds", 100, 60_000, &[10_000]), 5_000, Assumed,
        "how long a TVS may take to answer",
        "no source";
    TvsPoll "tvs.poll_ms" number("milliseconds", 0, 5_000, &[0]), 500, Documented,
        "how often the phone looks at a TVS connection (dropped on loopback unless --pace real)",
        "Cisco 213407: Blocked TVS Secure Connection - Waiting";
    TvsRestartNeeded "tvs.restart_needed" of::<TvsRestartNeeded>(), 0, Assumed,
        "whether TVS must restart before it answers for a newly imported certificate",
        "sources disagree: CUCM 14SU2 Security Guide says changes are reflected by themselves, Cisco 213407 restarts TVS";
    TvsRolesOfStore "tvs.roles_of_store" of::<TvsRolesOfStore>(), 0, Inferred,
        "which roles a TVS gives to a certificate of a trust store",
        "Cisco 213407: an imported CallManager certificate has roles 0 and 3; 118893: own ones 0 and 2";
    TvsAnswerTtl "tvs.answer_ttl" number("seconds", 0, 4_294_967_295, &[3_600]), 86_400, Documented,
        "how long a TVS answer may be kept, as the server says it",
        "Cisco 213407: expires in 24 hours";
    TftpOptions "tftp.options" of::<TftpOptions>(), 0, Assumed,
        "which options the phone's TFTP requests have",
        "a 7962's capture shows 512-byte blocks and no option; nothing is known of other models";
    TftpRetries "tftp.retries" number("retransmissions", 0, 20, &[2]), 5, Assumed,
        "how often a TFTP request is sent again before the next server is tried",
        "no source";
    TftpTimeout "tftp.timeout_ms" number("milliseconds", 50, 30_000, &[1_000]), 500, Documented,
        "the time before the first retransmission (shorter on loopback unless --pace real)",
        "EMCC technote: about 0.5 s";
    TftpBackoff "tftp.backoff" of::<TftpBackoff>(), 0, Assumed,
        "how the time between retransmissions grows",
        "no source for phones; RFC 1123 asks for exponential";
    TftpBackoffMax "tftp.backoff_max_ms" number("milliseconds", 50, 60_000, &[2_000]), 8_000, Assumed,
        "the longest time between retransmissions where it doubles",
        "no source";
    TftpDeadline "tftp.deadline_ms" number("milliseconds", 1_000, 600_000, &[20_000]), 120_000, Assumed,
        "how long a TFTP download may take, however steadily it crawls, before the next server is tried",
        "no source";
    HttpFirst "http.first" of::<HttpFirst>(), 0, Documented,
        "whether a file is asked for over HTTP (port 6970) before TFTP",
        "usecallmanager.nz; EMCC technote, a 7821; an 8945's log: HTTP, on an error TFTP";
    HttpFallbackOn "http.fallback_on" of::<HttpFallbackOn>(), 0, Inferred,
        "after which HTTP answers the same server is asked over TFTP (it always is where no answer comes)",
        "EMCC technote: a 503 leads to TFTP; an 8945's log: any download error does; of a plain 404 no source speaks";
    HttpMissingAlone "http.missing_alone" of::<HttpMissingAlone>(), 0, Assumed,
        "what a file is that HTTP answers 404 or 503 for, where TFTP on the same server does not answer at all",
        "no source: wherever HTTP lacked a file, TFTP answered (EMCC technote: 503, then error 1)";
    HttpTimeout "http.timeout_ms" number("milliseconds", 100, 60_000, &[15_000]), 5_000, Assumed,
        "how long an HTTP or HTTPS connection may take until it is up, and then the answer until it is whole",
        "no source";
    HttpsConfig "https.config" of::<HttpsConfig>(), 0, Documented,
        "whether the configuration is asked for over HTTPS (port 6971) while the installed ITL has signer version 1.1",
        "usecallmanager.nz, HTTP provisioning; seen at an 8845 with 12.1";
    DhcpPrecedence "dhcp.precedence" of::<DhcpPrecedence>(), 0, Assumed,
        "where a phone takes its servers from when a lease names some in several places",
        "150 before 66 before siaddr: one blog on option 150 for VoIP phones; Cisco recommends 150; multiplatform phones prefer 66; dnsmasq names itself in siaddr unasked";
    DhcpNoAnswer "dhcp.no_answer" of::<DhcpNoAnswer>(), 0, Assumed,
        "which servers a phone asks when no lease names any, or no DHCP server answers",
        "no source";
    DhcpActAtOnce "dhcp.act_at_once" of::<DhcpActAtOnce>(), 0, Assumed,
        "whether a phone restarts when the renewal of its lease names other servers",
        "not documented; Cisco 215539 resets the phones after the change of option 150";
    DhcpMaxServers "dhcp.max_servers" number("servers", 2, 63, &[8]), 2, Assumed,
        "how many servers of a lease a phone keeps; the first two it does, as TFTP Server 1 and 2",
        "8800 Administration Guide for the two; no source says what becomes of a third";
    DhcpTries "dhcp.tries" number("sendings", 1, 10, &[2]), 4, Assumed,
        "how often a phone sends DISCOVER before it goes on without a lease",
        "RFC 2131 section 4.1 gives the waits between, no source how many phones send";
    DhcpLookup "dhcp.lookup_ms" number("milliseconds", 100, 60_000, &[1_000]), 5_000, Assumed,
        "how long a phone waits for the address of the name in option 66",
        "no source";
    AfterRefusal "phone.after_refusal" of::<AfterRefusal>(), 0, Assumed,
        "where a phone registers that has refused its configuration",
        "sources disagree: CUCM 14SU2 Security Guide says it bounces back to its prior server, Cisco's community page that it registers with the TFTP server";
    DefaultConfig "phone.default_config" of::<DefaultConfig>(), 0, Assumed,
        "whether the default configuration, taken where nobody knows the phone, replaces its own in flash (then it knows no TVS any more) or counts for this boot alone",
        "guides of 6900 to 7900 phones say when it is fetched, no source says what becomes of the phone's own";
    RegisterTimeout "phone.register_timeout_ms" number("milliseconds", 1_000, 120_000, &[10_000]), 30_000, Assumed,
        "how long a CallManager may take to answer a registration before the next one is tried",
        "no source";
    DamagedList "phone.damaged_list" of::<DamagedList>(), 0, Assumed,
        "what a damaged CTL or ITL in flash means to a phone without another list: no leap of faith, or absent",
        "no source says what a phone does with a damaged list in its flash";
    AppDialRules "phone.app_dial_rules" of::<AppDialRules>(), 0, Inferred,
        "whether a phone asks for AppDialRules.xml too, which no configuration names (nothing that is trusted hangs on it)",
        "EMCC technote: the log of a 7821 has no such request; captures of an 8851 always have it";
    RingList "phone.ring_list" of::<RingList>(), 0, Assumed,
        "whether a phone asks for the ring list when it boots, which no configuration names (nothing that is trusted hangs on it)",
        "no source: it is in no capture of a boot";
    SignedDefault "cluster.signed_default" of::<SignedDefault>(), 0, Assumed,
        "when a cluster serves the default configuration in its signed form, XMLDefault.cnf.xml.sgn",
        "guides of 6900 to 7900 phones: the default is for auto-registration; the name is in lists of what CUCM serves, of which settings they have no source says";
    TftpStartMends "cluster.tftp_start_mends" of::<TftpStartMends>(), 0, Assumed,
        "whether TFTP writes its files anew when it starts, so that a damaged one is whole again",
        "no source says it of damaged files; CUCM Security Guide 12.5(1)SU3: TFTP serves its cached certificate until it is restarted";
    BlankItl "cluster.blank_itl" of::<BlankItl>(), 0, Assumed,
        "what is left in the ITL of a cluster that is prepared for rollback",
        "CUCM 15 Security Guide: empty TVS and TFTP sections; the bytes are not shown";
    DigestScope "cluster.digest_scope" of::<DigestScope>(), 0, Assumed,
        "which files the parameter TFTP File Signature Algorithm is for",
        "not said whether it reaches the lists";
    SignerVersion "cluster.signer_version" of::<SignerVersion>(), 0, Assumed,
        "which signer version the header of a list has",
        "the open tools write one; no CUCM list of 11.0 or newer was found, older ones have none";
    SignerKeyBits "cluster.signer_key_bits" of::<SignerKeyBits>(), 0, Assumed,
        "RSA key size, in bits, of the certificates that sign lists and files",
        "Cisco 118893: 1024 in 10.5.1, 2048 after regeneration; defaults of other releases are not said";
    HttpMissing "cluster.http_missing" of::<HttpMissing>(), 0, Assumed,
        "what CUCM answers over HTTP for a file that it does not have",
        "EMCC technote: 503 for the CTL of a non-secure cluster; elsewhere 404 was seen for a missing configuration";
    HttpsRecord "cluster.https_record" of::<HttpsRecord>(), 0, Assumed,
        "whether an ITL lists the EC certificate of HTTPS (port 6971) with role TFTP, from release 11.0 on",
        "CUCM Security Guide: phones that use CallManager-ECDSA need it in the ITL; when CUCM puts it there is not said";
    LscTrustedBy "cluster.lsc_trusted_by" of::<LscTrustedBy>(), 0, Assumed,
        "which store must hold the CAPF certificate of another cluster before a phone with its LSC registers over TLS",
        "sources disagree: Cisco 215539 imports CAPF into CallManager-trust, CUCM 12.5(1)SU5 Security Guide asks for CAPF-trust, which stays on its node";
    BulkFileNames "bulk.file_names" of::<BulkFileNames>(), 0, Assumed,
        "how the files of a bulk exchange are called: node and cluster first, or the certificate type",
        "Cisco 215539 shows the names in pictures only; both clusters follow the same rule";
    BulkPassword "bulk.password" of::<BulkPassword>(), 0, Assumed,
        "the password of the PKCS#12 files of a bulk exchange",
        "no source has it";
    BulkForm "bulk.form" of::<BulkForm>(), 0, Assumed,
        "how the PKCS#12 files of a bulk exchange are encrypted (all forms are read)",
        "no source says; today's tools write modern, OpenSSL of CUCM's time wrote rc2";
    BulkTftpTypeCarriesItlRecovery "bulk.tftp_type_carries_itlrecovery" of::<BulkTftpTypeCarriesItlRecovery>(), 0, Assumed,
        "whether certificate type TFTP carries ITLRecovery beside CallManager",
        "no source says; a report of 2021 had to add ITLRecovery by hand after the official exchange";
    BulkCapfType "bulk.capf_type" of::<BulkCapfType>(), 0, Assumed,
        "whether CAPF can be chosen alone as a certificate type",
        "Cisco 215539 shows CAPF imported by type All; no source has the whole list of types";
    BulkImportOwn "bulk.import_own" of::<BulkImportOwn>(), 0, Assumed,
        "whether a cluster imports its own certificates out of the consolidated file",
        "not said; Cisco 215539 speaks of uploads to the remote cluster";
    BulkImportStale "bulk.import_stale" of::<BulkImportStale>(), 0, Assumed,
        "whether a consolidated file is imported that does not hold what is exported now",
        "no source says; admin guide 14: keep all exported files, later consolidations need them";
    BulkConsolidateAgain "bulk.consolidate_again" of::<BulkConsolidateAgain>(), 0, Assumed,
        "what happens to whoever consolidates what is consolidated already",
        "Cisco 215539: on one of the clusters only; what the page says to the other is not shown";
    BulkExpired "bulk.expired" of::<BulkExpired>(), 0, Assumed,
        "what an import does with an expired certificate",
        "no source says; expired certificates of a store stop upgrades to 12.5SU6 and 14SU2";
    BulkRejectNewerRelease "bulk.reject_newer_release" of::<BulkRejectNewerRelease>(), 0, Assumed,
        "whether releases before 10.5.2 fail to import the certificates of 10.5.2 and later ones",
        "CSCuy43181, Cisco 213407 and 200599: certificates of 10.5.2.13900 or later; the releases here have no builds, so whether a cluster has the defect is open";
    BulkEcdsaStore "bulk.ecdsa_store" of::<BulkEcdsaStore>(), 0, Assumed,
        "into which stores an import puts the CallManager-ECDSA certificates of clusters from 11.0 on",
        "no source shows such an import; Cisco security guide: CallManager-ECDSA shares CallManager-trust";
    BulkImportResetsPhones "bulk.import_resets_phones" of::<BulkImportResetsPhones>(), 0, Documented,
        "whether an import of CallManager or CAPF certificates resets the phones of the cluster",
        "admin guide 14, Manage Bulk Certificates; from 14 on an enterprise parameter can leave it to the engineer (Cisco 214231)";
}

/// Looks a rule up by name.
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|r| r.name == name)
}

/// The rule with this key.
pub fn rule(key: Key) -> &'static Rule {
    &RULES[key as usize]
}

/// One value that a profile, a release or a user sets in place of a rule's default.
#[derive(Clone, Copy, Debug)]
pub struct Override {
    /// The rule.
    pub key: Key,
    /// The value.
    pub value: i64,
    /// How sure it is.
    pub basis: Basis,
    /// Who says so.
    pub source: &'static str,
}

/// A set of rules that were used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsedRules(u128);

/// The values of all rules for one phone or one cluster, and which of them were used.
#[derive(Clone, Debug)]
pub struct Settings {
    values: Vec<i64>,
    basis: Vec<Basis>,
    used: Cell<u128>,
    /// Other choices that [`Self::weigh`] tries.
    watched: Arc<[(Key, i64)]>,
    felt: Cell<u128>,
    #[cfg(feature = "planted-defects")]
    planted: Option<super::planted::Defect>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            values: RULES.iter().map(|r| r.default).collect(),
            basis: RULES.iter().map(|r| r.basis).collect(),
            used: Cell::new(0),
            watched: Arc::default(),
            felt: Cell::new(0),
            #[cfg(feature = "planted-defects")]
            planted: None,
        }
    }
}

#[cfg(feature = "planted-defects")]
impl Settings {
    /// Plants a defect in whoever follows these rules.
    pub fn plant(&mut self, defect: Option<super::planted::Defect>) {
        self.planted = defect;
    }

    /// True if this defect is planted.
    pub fn has(&self, defect: super::planted::Defect) -> bool {
        self.planted == Some(defect)
    }
}

impl Settings {
    /// The element tags of TVS messages; marks their rules as used.
    pub fn tvs_tags(&self) -> Tags {
        // The rules allow nothing that is no byte.
        let byte = |key| u8::try_from(self.number(key)).unwrap_or(u8::MAX);
        Tags {
            issuer: byte(Key::QueryIssuerTag),
            serial: byte(Key::QuerySerialTag),
            roles: byte(Key::AnswerRolesTag),
            ttl: byte(Key::AnswerTtlTag),
        }
    }

    /// The choice of a rule with words; marks it as used.
    pub fn word<W: Word>(&self) -> W {
        W::from_index(self.number(W::KEY))
    }

    /// The value of a rule; marks it as used.
    pub fn number(&self, key: Key) -> i64 {
        self.used.set(self.used.get() | bit(key));
        self.feel(key);
        self.values[key as usize]
    }

    /// The value of a rule that is never negative, as a count.
    pub fn count(&self, key: Key) -> u64 {
        u64::try_from(self.number(key)).unwrap_or(0)
    }

    /// The value of a rule; does not mark it.
    pub fn peek(&self, key: Key) -> i64 {
        self.values[key as usize]
    }

    /// Something came while as much was left of the time that a rule gives it, in milliseconds. The rule
    /// counts as used if another listed choice would not have given it so long.
    pub fn waited(&self, key: Key, left: Duration) {
        let value = self.peek(key);
        let millis = |n: i64| Duration::from_millis(u64::try_from(n).unwrap_or(0));
        let passed = millis(value).saturating_sub(left);
        let others = rule(key).others(value);
        if others.into_iter().any(|other| millis(other) <= passed) {
            self.number(key);
        }
    }

    /// How sure the value of a rule is. A value that the user chose is the user's own assumption.
    pub fn basis(&self, key: Key) -> Basis {
        self.basis[key as usize]
    }

    /// Sets a rule, with the basis of the new value.
    pub fn set(&mut self, key: Key, value: i64, basis: Basis) {
        self.values[key as usize] = value;
        self.basis[key as usize] = basis;
    }

    /// Applies the values of a profile or a release.
    pub fn apply(&mut self, overrides: &[Override]) {
        for o in overrides {
            self.set(o.key, o.value, o.basis);
        }
    }

    /// Sets a rule by the user's wish. The value that it has anyway keeps its basis; any other is
    /// the user's own assumption, the table's default too where a profile or a release has its own.
    pub fn choose(&mut self, rule: &Rule, value: i64) {
        if self.peek(rule.key) != value {
            self.set(rule.key, value, Basis::Assumed);
        }
    }

    /// The rules that were used since the last [`Self::forget_used`].
    pub fn used(&self) -> Vec<Key> {
        keys(self.used.get())
    }

    /// Forgets which rules were used, and which were felt.
    pub fn forget_used(&self) {
        self.used.set(0);
        self.felt.set(0);
    }

    /// Watches these other choices, each by itself, from now on: [`Self::felt`] tells which of them
    /// could have made a difference.
    pub fn watch(&mut self, others: Arc<[(Key, i64)]>) {
        self.watched = others;
    }

    /// What `judge` makes of the rules, where nothing but its result goes on from here. The rules
    /// that it reads count as used, and those count as felt whose watched other choice comes to
    /// another result. A rule that is read elsewhere counts as felt.
    pub fn weigh<T: PartialEq>(&self, mut judge: impl FnMut(&Self) -> T) -> T {
        if self.watched.is_empty() {
            return judge(self);
        }
        let (before, felt) = (self.used.take(), self.felt.get());
        let result = judge(self);
        let used = self.used.get();
        self.used.set(used | before);
        self.felt.set(felt);
        let mut other: Option<Self> = None;
        for &(key, value) in &*self.watched {
            let usual = self.peek(key);
            if used & bit(key) == 0 || self.felt.get() & bit(key) != 0 || value == usual {
                continue;
            }
            let other = other.get_or_insert_with(|| Self {
                watched: Arc::default(),
                ..self.clone()
            });
            other.values[key as usize] = value;
            if judge(other) != result {
                self.feel(key);
            }
            other.values[key as usize] = usual;
        }
        result
    }

    /// What `read` makes of the rules, where they matter only later, if at all: who sees that they
    /// do says so with [`Self::feel`].
    pub fn read_ahead<T>(&self, read: impl FnOnce(&Self) -> T) -> T {
        let felt = self.felt.get();
        let result = read(self);
        self.felt.set(felt);
        result
    }

    /// A rule makes a difference, or may.
    pub fn feel(&self, key: Key) {
        self.felt.set(self.felt.get() | bit(key));
    }

    /// The rules that were felt since the last [`Self::forget_used`]: had another one a watched
    /// other choice, whoever follows these rules would have done the same.
    pub fn felt(&self) -> Vec<Key> {
        keys(self.felt.get())
    }

    /// The rules that were used, and forgets them.
    pub fn take_used(&self) -> UsedRules {
        UsedRules(self.used.take())
    }

    /// Marks rules as used, beside those that are.
    pub fn mark_used(&self, rules: UsedRules) {
        self.used.set(self.used.get() | rules.0);
    }

    /// True if every rule has the same value in both; how sure a value is does not matter.
    pub fn has_values_of(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

/// The rule's bit in a mask.
fn bit(key: Key) -> u128 {
    1 << key as u32
}

/// The rules of a mask, in the order of the table.
fn keys(mask: u128) -> Vec<Key> {
    let all = RULES.iter().map(|r| r.key);
    all.filter(|&k| mask & bit(k) != 0).collect()
}

#[cfg(test)]
mod tests;
