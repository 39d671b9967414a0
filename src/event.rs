//! What happened: the one stream of events that every report is made from. Reports read events
//! and never feed back. The kinds are a closed list; names and fields are stable within a
//! [`SCHEMA_VERSION`].

mod fields;

use serde::Serialize;

use crate::time::Time;

pub use fields::fields;

/// Version of the event lines and of the reports made from them. It changes with the fields.
pub const SCHEMA_VERSION: u32 = 1;

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Microseconds since the world's start.
    #[serde(rename = "t_us", serialize_with = "micros")]
    pub at: Time,
    /// Who: a phone's device name, a node's name, or `lab`.
    pub actor: String,
    /// What.
    #[serde(flatten)]
    pub kind: Kind,
}

fn micros<S: serde::Serializer>(at: &Time, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u64(at.as_micros())
}

/// A file by name, size and digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileFacts {
    /// The name asked for.
    pub file: String,
    /// Its size.
    pub bytes: usize,
    /// SHA-1, lower hex.
    pub sha1: String,
    /// SHA-256, lower hex.
    pub sha256: String,
}

/// A signer as a header names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignerFacts {
    /// Subject name, escaped for a terminal.
    pub subject: String,
    /// Issuer name, escaped for a terminal.
    pub issuer: String,
    /// Serial number, upper hex without separators.
    pub serial: String,
}

/// One reason of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonFacts {
    /// The stable code.
    pub code: &'static str,
    /// The sentence.
    pub text: String,
    /// Where it shows: an offset in a file, a server, a file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case"
)]
#[non_exhaustive]
pub enum Kind {
    /// The run begins.
    RunStarted {
        /// The scenario's name.
        name: String,
        /// The scenario's source.
        source: String,
        /// The seed.
        seed: u64,
        /// `loopback` or `sim`.
        network: String,
        /// How many clusters.
        clusters: usize,
        /// How many phones.
        phones: usize,
        /// World clock at the start, RFC 3339.
        date: String,
    },
    /// A node of the lab, at the start.
    Node {
        /// Its cluster.
        cluster: String,
        /// The cluster's release.
        release: String,
        /// `non-secure` or `mixed`.
        mode: String,
        /// Its address, as option 150 names it.
        address: String,
        /// What it runs.
        services: Vec<String>,
        /// The TLS that its TVS really speaks, where rustls cannot: it stands in.
        #[serde(skip_serializing_if = "Option::is_none")]
        tls_stand_in: Option<String>,
    },
    /// A step of the scenario.
    Step {
        /// The verb.
        verb: String,
        /// What it did, as a sentence.
        text: String,
    },
    /// A node published a list.
    Published {
        /// `CTL` or `ITL`.
        list: String,
        /// Digest and size.
        #[serde(flatten)]
        facts: FileFacts,
        /// Who signed it.
        signer: SignerFacts,
        /// How many records it has.
        records: usize,
    },
    /// A certificate came into a trust store, or did not.
    Trusted {
        /// The store.
        store: String,
        /// Whose certificate.
        certificate: SignerFacts,
        /// `added`, `replaced`, `dropped-older` or `already-there`.
        result: String,
        /// The one node that holds it now, where the store does not replicate.
        #[serde(skip_serializing_if = "Option::is_none")]
        stays_on: Option<String>,
        /// What an engineer should know of an upload by hand.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// An action on a cluster's page of bulk certificate management ended.
    Bulk {
        /// `export`, `consolidate` or `import`.
        action: String,
        /// The certificate type.
        certificate_type: String,
        /// Where the directory is: `sftp://USER@HOST:PORT/DIRECTORY`, or `/DIRECTORY in memory` and
        /// why; empty where the form is empty.
        directory: String,
        /// `done`, `refused` or `failed`.
        result: String,
        /// What the page says, in a sentence.
        text: String,
        /// What to do or to be careful about now.
        notes: Vec<String>,
        /// What else is good to know.
        details: Vec<String>,
        /// The files that were written.
        written: Vec<String>,
        /// Files in the directory afterwards.
        files: Vec<String>,
    },
    /// The phone starts.
    Boot {
        /// `power`, `reset`, `lists-erased`, `factory-reset`, `restart`, `renewal`.
        cause: String,
        /// Addresses of option 150, in order.
        option_150: Vec<String>,
        /// Digest of the installed CTL.
        #[serde(skip_serializing_if = "Option::is_none")]
        ctl_sha1: Option<String>,
        /// Digest of the installed ITL.
        #[serde(skip_serializing_if = "Option::is_none")]
        itl_sha1: Option<String>,
    },
    /// The phone has a lease.
    LeaseTaken {
        /// The DHCP server.
        server: String,
        /// The phone's address.
        address: String,
        /// Life in seconds.
        seconds: u32,
        /// Option 150, in order.
        option_150: Vec<String>,
        /// Option 66.
        #[serde(skip_serializing_if = "Option::is_none")]
        option_66: Option<String>,
        /// What was odd in the answer, and was left out.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// The phone's lease goes on.
    LeaseRenewed {
        /// The DHCP server.
        server: String,
        /// The phone's address.
        address: String,
        /// Life in seconds.
        seconds: u32,
        /// Option 150, in order.
        option_150: Vec<String>,
        /// Option 66.
        #[serde(skip_serializing_if = "Option::is_none")]
        option_66: Option<String>,
        /// What was odd in the answer, and was left out.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// The servers that follow from a lease, or from none.
    ServersChosen {
        /// Their addresses, in order.
        servers: Vec<String>,
        /// `option 150`, `option 66`, `siaddr`, `by hand`, `last time` or `nowhere`.
        source: String,
        /// `now`; after a renewal `at the next start`, `restart` or `unchanged`.
        used: String,
    },
    /// DHCP did not give what the phone asked for.
    DhcpFailed {
        /// Why, in a sentence.
        text: String,
    },
    /// A file in flash could not be used and counts as absent.
    FlashDamaged {
        /// The file.
        file: String,
        /// What is wrong.
        text: String,
    },
    /// The phone asks for a file.
    Requested {
        /// The file.
        file: String,
        /// The server.
        server: String,
        /// `http`, `https` or `tftp`.
        transport: String,
        /// Options of the request.
        options: String,
        /// True if the file must be signed.
        secure: bool,
    },
    /// TLS with the HTTPS server of the configuration is up, and its certificate was looked for
    /// among the installed records with a TFTP role.
    HttpsConnected {
        /// Host and port.
        server: String,
        /// Protocol version and cipher suite.
        tls: String,
        /// Serial of the certificate, upper hex.
        serial: String,
        /// Which list holds it, or `none`.
        found_in: String,
    },
    /// A download over HTTP or HTTPS brought no file.
    HttpFailed {
        /// The file.
        file: String,
        /// The server.
        server: String,
        /// `http` or `https`.
        transport: String,
        /// Status code of the answer, if there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// The answer or what went wrong.
        text: String,
        /// Over what the same server is asked next: `http` or `tftp`; nothing if that was all.
        #[serde(skip_serializing_if = "Option::is_none")]
        then: Option<String>,
    },
    /// The request or an acknowledgement goes out again.
    Retransmitted {
        /// The file.
        file: String,
        /// Which time.
        attempt: u32,
    },
    /// A file is whole.
    Downloaded {
        /// The file.
        #[serde(flatten)]
        facts: FileFacts,
        /// The server.
        server: String,
        /// `http`, `https` or `tftp`.
        transport: String,
        /// The transport's status: 100 is success.
        status: u32,
    },
    /// The server has no such file.
    NotFound {
        /// The file.
        file: String,
        /// The server.
        server: String,
        /// The server's text, escaped.
        text: String,
        /// The transport's status.
        status: u32,
        /// What it means.
        meaning: String,
    },
    /// A download failed.
    DownloadFailed {
        /// The file.
        file: String,
        /// The server.
        server: String,
        /// Why.
        text: String,
    },
    /// The header has something that this phone's firmware remarks on.
    HeaderNote {
        /// The file.
        file: String,
        /// The remark.
        text: String,
    },
    /// The signer was looked up in the installed lists.
    SignerLookedUp {
        /// The file.
        file: String,
        /// The signer.
        signer: SignerFacts,
        /// `CTL`, `ITL`, `new CTL`, `TVS cache` or `nowhere`.
        found_in: String,
        /// What was searched, with how many records.
        searched: String,
    },
    /// The phone opens a connection to TVS.
    TvsConnecting {
        /// Host and port.
        server: String,
    },
    /// TLS is up.
    TvsConnected {
        /// Host and port.
        server: String,
        /// Protocol version and cipher suite; says when it stands in for an older one.
        tls: String,
        /// `LSC`, `MIC` or `none`: the certificate that the phone offers.
        client_certificate: String,
    },
    /// The server's certificate was looked for among the installed TVS records.
    TvsCertificateChecked {
        /// Host and port.
        server: String,
        /// Role looked for: 21.
        role: u16,
        /// Serial of the certificate, upper hex.
        serial: String,
        /// Which list holds it, or `none`.
        found_in: String,
    },
    /// The question goes out.
    TvsAsked {
        /// Host and port.
        server: String,
        /// Message type: 3 is QUERY.
        message: u8,
        /// Bytes written.
        bytes: usize,
        /// Session id.
        session: u32,
        /// The signer asked for.
        signer: SignerFacts,
    },
    /// The answer is whole.
    TvsAnswered {
        /// Host and port.
        server: String,
        /// Bytes read.
        bytes: usize,
        /// Status: 0 is found.
        status: u8,
        /// Roles.
        roles: String,
        /// Life time of the answer in seconds.
        ttl: u32,
    },
    /// The answer is kept.
    TvsCached {
        /// Serial, upper hex.
        serial: String,
        /// Seconds that it may be used.
        ttl: u32,
    },
    /// Kept answers are thrown away because the list changed.
    TvsCacheFlushed {
        /// How many.
        entries: usize,
    },
    /// A TVS server was of no help; the next one is tried.
    TvsFailed {
        /// Host and port.
        server: String,
        /// Why.
        reason: ReasonFacts,
    },
    /// The signature was compared.
    HashCompared {
        /// The file.
        file: String,
        /// Digest algorithm.
        digest: String,
        /// True if it holds.
        matches: bool,
    },
    /// A list was installed.
    ListInstalled {
        /// `CTL` or `ITL`.
        list: String,
        /// Digests of what is now installed.
        #[serde(flatten)]
        facts: FileFacts,
        /// `signer`, `tvs`, `leap-of-faith` or `rollback`.
        how: String,
        /// Why.
        reasons: Vec<ReasonFacts>,
    },
    /// The offered list is the installed one.
    ListUnchanged {
        /// `CTL` or `ITL`.
        list: String,
    },
    /// A list was refused; the installed one stays.
    ListRefused {
        /// `CTL` or `ITL`.
        list: String,
        /// The file.
        file: String,
        /// The signer, if the header could be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        signer: Option<SignerFacts>,
        /// Why, in order; the last is the decisive one.
        reasons: Vec<ReasonFacts>,
    },
    /// The trust list stage ended.
    TrustStageEnded {
        /// Result code: 8 where a list was updated, as was seen. No source has another; 0 stands for
        /// all of them.
        rc: u32,
        /// `Success` or the failure.
        fail_reason: String,
    },
    /// Bytes go into flash.
    FlashWrite {
        /// Number of the write in this boot, from 1.
        write: u32,
        /// The file.
        file: String,
        /// `write`, `rename` or `remove`.
        operation: String,
        /// Bytes written.
        bytes: usize,
    },
    /// The power went.
    PowerCut {
        /// Where.
        text: String,
    },
    /// A configuration was accepted.
    ConfigAccepted {
        /// The file.
        #[serde(flatten)]
        facts: FileFacts,
        /// Who signed it; none for a plain one.
        #[serde(skip_serializing_if = "Option::is_none")]
        signer: Option<SignerFacts>,
        /// `http`, `https` or `tftp`: how it came.
        transport: String,
        /// CallManager group, in order of priority.
        callmanager_group: Vec<String>,
        /// Why.
        reasons: Vec<ReasonFacts>,
    },
    /// A configuration was refused; the last good one stays.
    ConfigRefused {
        /// The file.
        file: String,
        /// The signer, if the header could be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        signer: Option<SignerFacts>,
        /// Why, in order; the last is the decisive one.
        reasons: Vec<ReasonFacts>,
    },
    /// The phone compared its certificate with the one that a configuration is encrypted for.
    CertHashCompared {
        /// The companion of the encrypted configuration.
        file: String,
        /// `certHash`: an MD5 in hex, or nothing.
        offered: String,
        /// MD5 of the phone's certificate, in hex; none for a phone without one.
        #[serde(skip_serializing_if = "Option::is_none")]
        own: Option<String>,
        /// True if they are one.
        matches: bool,
    },
    /// The phone would go to CAPF for a certificate now, which is not emulated.
    CapfNeeded {
        /// CAPF servers of the configuration, host and port.
        servers: Vec<String>,
        /// How the phone would prove itself to CAPF, `capfAuthMode`.
        #[serde(skip_serializing_if = "Option::is_none")]
        auth_mode: Option<u8>,
        /// Why.
        reason: ReasonFacts,
    },
    /// A file that the configuration names was accepted.
    NamedFileAccepted {
        /// What it is: `soft keys`, `user locale`.
        what: String,
        /// The file.
        #[serde(flatten)]
        facts: FileFacts,
        /// Who signed it; none for a plain one.
        #[serde(skip_serializing_if = "Option::is_none")]
        signer: Option<SignerFacts>,
        /// Why.
        reasons: Vec<ReasonFacts>,
    },
    /// A file that the configuration names is missing or was refused; the phone goes on without.
    NamedFileRefused {
        /// What it is: `soft keys`, `user locale`.
        what: String,
        /// The file.
        file: String,
        /// The signer, if the header could be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        signer: Option<SignerFacts>,
        /// Why, in order; the last is the decisive one.
        reasons: Vec<ReasonFacts>,
    },
    /// The phone tries to register.
    Registering {
        /// Host.
        server: String,
    },
    /// A CallManager answered and did not take the phone.
    RegistrationRefused {
        /// Host.
        server: String,
        /// Why.
        reason: ReasonFacts,
    },
    /// The phone registered, or found no CallManager.
    Registered {
        /// Host, or nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        server: Option<String>,
        /// How it came to this server.
        text: String,
    },
    /// The phone would register now, and does not: the driver speaks no SIP.
    RegistrationNotTried {
        /// Hosts that it would try, in order.
        servers: Vec<String>,
        /// How it came to the first of them.
        text: String,
    },
    /// A line on the phone's status screen.
    Status {
        /// The text, in the phone's words.
        text: String,
        /// As the phone stamps it.
        stamped: String,
    },
    /// The boot ended.
    BootEnded {
        /// True if the phone trusts a list and obeys an accepted configuration.
        settled: bool,
        /// TVS questions of this boot.
        tvs_asked: u32,
        /// Digest of the installed CTL.
        #[serde(skip_serializing_if = "Option::is_none")]
        ctl_sha1: Option<String>,
        /// Digest of the installed ITL.
        #[serde(skip_serializing_if = "Option::is_none")]
        itl_sha1: Option<String>,
    },
    /// A node served a file, or did not.
    Served {
        /// The file.
        file: String,
        /// To whom.
        client: String,
        /// `http`, `https` or `tftp`.
        transport: String,
        /// How it ended.
        result: String,
    },
    /// A node's TVS had a client.
    TvsServed {
        /// To whom.
        client: String,
        /// How it ended.
        result: String,
    },
    /// What became of a phone.
    Verdict {
        /// The verdict.
        verdict: String,
        /// Owner of the CTL and ITL before, and after.
        ctl_before: String,
        /// Owner of the ITL before.
        itl_before: String,
        /// Owner of the CTL after.
        ctl_after: String,
        /// Owner of the ITL after.
        itl_after: String,
        /// TVS questions since the first step.
        tvs_asked: u32,
        /// Which cluster's CallManager group it follows.
        follows: String,
        /// `accepted`, `refused` or `not fetched`: the configuration of its last boot.
        configuration: String,
        /// Basis that the verdict rests on; `not-searched` where nobody asked.
        rests_on: String,
        /// The rules that it rests on: their other choice changes the verdict.
        rules: Vec<String>,
        /// Rules that were used and would not change it.
        trace: Vec<String>,
        /// Why, in order.
        reasons: Vec<ReasonFacts>,
        /// The way out.
        #[serde(skip_serializing_if = "Option::is_none")]
        fix: Option<String>,
    },
    /// What a boot against servers that are not the lab's came to.
    PhoneJudged {
        /// `follows`, `refuses`, `no-server`, `stopped` or `overdue`.
        outcome: String,
        /// Why, in order; the last is the decisive one.
        reasons: Vec<ReasonFacts>,
        /// The way out.
        #[serde(skip_serializing_if = "Option::is_none")]
        fix: Option<String>,
    },
    /// A multiplatform phone did something in a resync.
    Provisioning {
        /// What in one word: `dns`, `certificate`, `request`, `syslog`, ...
        what: String,
        /// The line.
        text: String,
    },
    /// A resync of a multiplatform phone ended.
    Resynced {
        /// The round of resyncs, from 1.
        round: usize,
        /// `provisioned`, `nothing-to-do`, `refused` or `unreachable`.
        verdict: String,
        /// Basis that it rests on.
        rests_on: String,
        /// The settings whose other choice would change it.
        rules: Vec<String>,
        /// Why, the deciding reason first.
        reasons: Vec<ReasonFacts>,
        /// The way out.
        #[serde(skip_serializing_if = "Option::is_none")]
        fix: Option<String>,
    },
    /// An expectation holds or not.
    Expectation {
        /// What was expected.
        text: String,
        /// True if it holds.
        holds: bool,
        /// What was found, where it does not hold.
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<String>,
    },
    /// The run ended.
    RunEnded {
        /// Expectations that hold.
        held: usize,
        /// Expectations in all.
        expectations: usize,
    },
}

/// Names of all kinds, as the lines give them.
pub const KINDS: &[&str] = &[
    "run-started",
    "node",
    "step",
    "published",
    "trusted",
    "bulk",
    "boot",
    "lease-taken",
    "lease-renewed",
    "servers-chosen",
    "dhcp-failed",
    "flash-damaged",
    "requested",
    "https-connected",
    "http-failed",
    "retransmitted",
    "downloaded",
    "not-found",
    "download-failed",
    "header-note",
    "signer-looked-up",
    "tvs-connecting",
    "tvs-connected",
    "tvs-certificate-checked",
    "tvs-asked",
    "tvs-answered",
    "tvs-cached",
    "tvs-cache-flushed",
    "tvs-failed",
    "hash-compared",
    "list-installed",
    "list-unchanged",
    "list-refused",
    "trust-stage-ended",
    "flash-write",
    "power-cut",
    "config-accepted",
    "config-refused",
    "cert-hash-compared",
    "capf-needed",
    "named-file-accepted",
    "named-file-refused",
    "registering",
    "registration-refused",
    "registered",
    "registration-not-tried",
    "status",
    "boot-ended",
    "served",
    "tvs-served",
    "verdict",
    "phone-judged",
    "provisioning",
    "resynced",
    "expectation",
    "run-ended",
];
