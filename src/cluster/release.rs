//! CUCM releases as data: who signs lists, which certificates a node has, what a list holds.
//!
//! A row of the table holds facts, each with the first release for which it is true, how sure it
//! is, and its source. Where no source speaks the fact is marked assumed; what a lab should be able
//! to switch is a field of [`super::ClusterSettings`] instead.

pub use crate::trust::rules::Basis;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::x509::CertificateKind;
use crate::wire::Digest;

/// A release of CUCM that the table knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// 8.6.
    V8_6,
    /// 9.1.
    V9_1,
    /// 10.5(2).
    V10_5_2,
    /// 11.0.
    V11_0,
    /// 11.5(1).
    V11_5_1,
    /// 12.5.
    V12_5,
    /// 14.
    V14,
    /// 15.
    V15,
}

use Release::{V8_6, V9_1, V10_5_2, V11_0, V11_5_1, V12_5, V14, V15};

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Self; 8] = [V8_6, V9_1, V10_5_2, V11_0, V11_5_1, V12_5, V14, V15];

    /// True if nodes have certificates with EC keys: from 11.0 on (Cisco security guide, Default
    /// Security Setup).
    pub fn has_ecdsa(self) -> bool {
        self >= V11_0
    }

    /// The name in scenarios: `8.6`, `10.5.2`, `14`.
    pub fn name(self) -> &'static str {
        match self {
            V8_6 => "8.6",
            V9_1 => "9.1",
            V10_5_2 => "10.5.2",
            V11_0 => "11.0",
            V11_5_1 => "11.5.1",
            V12_5 => "12.5",
            V14 => "14",
            V15 => "15",
        }
    }

    /// What this release does.
    pub fn profile(self) -> ReleaseProfile {
        ReleaseProfile {
            release: self,
            itl_signer: at(ITL_SIGNER, self),
            ctl_signer: at(CTL_SIGNER, self),
            ctl_anchors: at(CTL_ANCHORS, self),
            itl_recovery: at(ITL_RECOVERY, self),
            capf: at(CAPF, self),
            digest: at(DIGEST, self),
            header_version: at(HEADER_VERSION, self),
            signer_version: at(SIGNER_VERSION, self),
            serial_bytes: at(SERIAL_BYTES, self),
            certificate_digest: at(CERTIFICATE_DIGEST, self),
            validity_years: at(VALIDITY, self),
            itl_recovery_validity_years: at(ITL_RECOVERY_VALIDITY, self),
            bulk_types: at(BULK_TYPES, self),
            tvs_tls: at(TVS_TLS, self),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A release that the table does not know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown release `{0}`, expected one of 8.6, 9.1, 10.5.2, 11.0, 11.5.1, 12.5, 14, 15")]
pub struct UnknownRelease(pub String);

impl FromStr for Release {
    type Err = UnknownRelease;

    fn from_str(text: &str) -> Result<Self, UnknownRelease> {
        Self::ALL
            .into_iter()
            .find(|r| r.name() == text)
            .ok_or_else(|| UnknownRelease(text.chars().take(40).collect()))
    }
}

/// A value with how sure it is and where it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<T> {
    /// The value.
    pub value: T,
    /// How sure it is.
    pub basis: Basis,
    /// Where it is from, as a short citation.
    pub source: &'static str,
}

/// Whose key signs a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListSigner {
    /// A security token (USB), CTL only.
    Token,
    /// CallManager: of the TFTP node for its ITL, of the publisher for the CTL.
    CallManager,
    /// ITLRecovery.
    ItlRecovery,
}

impl ListSigner {
    /// The certificate that signs.
    pub fn certificate_kind(self) -> CertificateKind {
        match self {
            Self::Token => CertificateKind::Token,
            Self::CallManager => CertificateKind::CallManager,
            Self::ItlRecovery => CertificateKind::ItlRecovery,
        }
    }
}

impl fmt::Display for ListSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.certificate_kind().name())
    }
}

/// Where a kind of certificate exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nowhere.
    Absent,
    /// Each node has its own.
    EachNode,
    /// The publisher has one, and no other node.
    Publisher,
    /// The publisher makes one and all nodes hold it.
    Cluster,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "none",
            Self::EachNode => "one per node",
            Self::Publisher => "publisher only",
            Self::Cluster => "one for the cluster",
        })
    }
}

/// A choice in the drop-down list of bulk certificate management.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BulkType {
    /// Everything.
    All,
    /// CallManager certificates of the nodes.
    Tftp,
    /// tomcat certificates.
    Tomcat,
    /// CAPF certificates. No source shows whether a release offers them alone; it is a setting of
    /// the page, not a line of the table.
    Capf,
    /// ITLRecovery, spelled `ITL_Recovery`.
    ItlRecovery,
}

impl BulkType {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::All,
        Self::Tftp,
        Self::Tomcat,
        Self::Capf,
        Self::ItlRecovery,
    ];

    /// The type with this name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|t| t.name().eq_ignore_ascii_case(name))
    }

    /// The spelling on the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Tftp => "TFTP",
            Self::Tomcat => "Tomcat",
            Self::Capf => "CAPF",
            Self::ItlRecovery => "ITL_Recovery",
        }
    }
}

impl fmt::Display for BulkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one release does, line by line.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseProfile {
    /// The release.
    pub release: Release,
    /// Who signs the ITL of a TFTP node.
    pub itl_signer: Fact<ListSigner>,
    /// Who signs the CTL of a cluster in mixed mode.
    pub ctl_signer: Fact<ListSigner>,
    /// The cluster's own SAST records in the CTL, the signer first.
    pub ctl_anchors: Fact<&'static [ListSigner]>,
    /// Where ITLRecovery exists.
    pub itl_recovery: Fact<Scope>,
    /// Where CAPF exists.
    pub capf: Fact<Scope>,
    /// Digest of signed files while TFTP File Signature Algorithm has its default.
    pub digest: Fact<Digest>,
    /// Header version of lists: major, minor.
    pub header_version: Fact<(u8, u8)>,
    /// Signer version element of lists, if they have one.
    pub signer_version: Fact<Option<(u8, u8)>>,
    /// Length of a certificate's serial number.
    pub serial_bytes: Fact<usize>,
    /// Digest of self-signed certificates.
    pub certificate_digest: Fact<Digest>,
    /// Life of a certificate, in years.
    pub validity_years: Fact<u32>,
    /// Life of ITLRecovery, in years.
    pub itl_recovery_validity_years: Fact<u32>,
    /// What bulk certificate management offers.
    pub bulk_types: Fact<&'static [BulkType]>,
    /// The TLS that TVS speaks, where a modern library cannot and something else stands in.
    pub tvs_tls: Fact<Option<&'static str>>,
}

/// A line of a profile, for showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub name: &'static str,
    /// The value in words.
    pub value: String,
    /// How sure it is.
    pub basis: Basis,
    /// Where it is from.
    pub source: &'static str,
}

impl ReleaseProfile {
    /// Where a kind of certificate exists among the nodes of a cluster.
    pub fn scope_of(&self, kind: CertificateKind) -> Scope {
        match kind {
            CertificateKind::CallManager | CertificateKind::Tvs | CertificateKind::Tomcat => {
                Scope::EachNode
            }
            CertificateKind::CallManagerEcdsa | CertificateKind::TomcatEcdsa => {
                if self.release.has_ecdsa() {
                    Scope::EachNode
                } else {
                    Scope::Absent
                }
            }
            CertificateKind::Capf => self.capf.value,
            CertificateKind::ItlRecovery => self.itl_recovery.value,
            CertificateKind::Token | CertificateKind::Lsc => Scope::Absent,
        }
    }

    /// All lines, in a fixed order.
    pub fn lines(&self) -> Vec<Line> {
        let names = |kinds: &[ListSigner]| {
            let names: Vec<_> = kinds.iter().map(ToString::to_string).collect();
            names.join(", ")
        };
        let version = |(major, minor): (u8, u8)| format!("{major}.{minor}");
        let bulk: Vec<_> = self.bulk_types.value.iter().map(|b| b.name()).collect();
        vec![
            line("ITL signer", &self.itl_signer, ToString::to_string),
            line("CTL signer", &self.ctl_signer, ToString::to_string),
            line("CTL anchors", &self.ctl_anchors, |v| names(v)),
            line("ITLRecovery", &self.itl_recovery, ToString::to_string),
            line("CAPF", &self.capf, ToString::to_string),
            line("digest", &self.digest, ToString::to_string),
            line("header version", &self.header_version, |v| version(*v)),
            line("signer version", &self.signer_version, |v| {
                v.map_or_else(|| "absent".to_owned(), version)
            }),
            line("serial length", &self.serial_bytes, |v| {
                format!("{v} bytes")
            }),
            line(
                "certificate digest",
                &self.certificate_digest,
                ToString::to_string,
            ),
            line("certificate life", &self.validity_years, |v| {
                format!("{v} years")
            }),
            line("ITLRecovery life", &self.itl_recovery_validity_years, |v| {
                format!("{v} years")
            }),
            line("bulk types", &self.bulk_types, |_| bulk.join(", ")),
            line("TVS speaks", &self.tvs_tls, |v| {
                v.unwrap_or("TLS 1.2").to_owned()
            }),
        ]
    }
}

fn line<T>(name: &'static str, fact: &Fact<T>, words: impl Fn(&T) -> String) -> Line {
    Line {
        name,
        value: words(&fact.value),
        basis: fact.basis,
        source: fact.source,
    }
}

/// Facts with the first release for which each is true, oldest first; the first row's is the
/// oldest release.
type Row<T> = &'static [(Release, Fact<T>)];

const fn documented<T>(value: T, source: &'static str) -> Fact<T> {
    Fact {
        value,
        basis: Basis::Documented,
        source,
    }
}

const fn inferred<T>(value: T, source: &'static str) -> Fact<T> {
    Fact {
        value,
        basis: Basis::Inferred,
        source,
    }
}

const fn assumed<T>(value: T, source: &'static str) -> Fact<T> {
    Fact {
        value,
        basis: Basis::Assumed,
        source,
    }
}

fn at<T: Copy>(row: Row<T>, release: Release) -> Fact<T> {
    let mut fact = row[0].1;
    for &(from, next) in row {
        if from <= release {
            fact = next;
        }
    }
    fact
}

const REGEN: &str = "Cisco 214231, certificate regeneration";
const CTL_TABLE: &str = "Cisco security guide, SAST roles in the CTL";

const ITL_SIGNER: Row<ListSigner> = &[
    (V8_6, documented(ListSigner::CallManager, REGEN)),
    (V12_5, documented(ListSigner::ItlRecovery, REGEN)),
];

const CTL_SIGNER: Row<ListSigner> = &[
    (
        V8_6,
        inferred(
            ListSigner::Token,
            "Cisco security guide: 9.1 has tokens only; tokenless CTL since 10.0 (Cisco 118893)",
        ),
    ),
    (V9_1, documented(ListSigner::Token, CTL_TABLE)),
    (
        V10_5_2,
        documented(
            ListSigner::CallManager,
            "Cisco 118893: the publisher's; security guide, SAST roles in the CTL",
        ),
    ),
    (V12_5, documented(ListSigner::ItlRecovery, CTL_TABLE)),
];

const CTL_ANCHORS: Row<&[ListSigner]> = {
    const TOKENS: &[ListSigner] = &[ListSigner::Token];
    const OLD: &[ListSigner] = &[ListSigner::CallManager, ListSigner::ItlRecovery];
    const NEW: &[ListSigner] = &[ListSigner::ItlRecovery, ListSigner::CallManager];
    &[
        (
            V8_6,
            inferred(TOKENS, "Cisco security guide: 9.1 has tokens only"),
        ),
        (V9_1, documented(TOKENS, CTL_TABLE)),
        (V10_5_2, documented(OLD, CTL_TABLE)),
        (
            V11_0,
            inferred(OLD, "Cisco security guide: the same in 10.5(2) and 11.5"),
        ),
        (V11_5_1, documented(OLD, CTL_TABLE)),
        (V12_5, documented(NEW, CTL_TABLE)),
    ]
};

const ITL_RECOVERY: Row<Scope> = &[
    (
        V8_6,
        inferred(
            Scope::Absent,
            "Cisco 117598: an enhancement of 10.0(1); Cisco security guide: not in the CTL of 9.1",
        ),
    ),
    (
        V10_5_2,
        documented(
            Scope::EachNode,
            "Cisco 214231: one per node before 12.5; in the CTL since 10.5(2)",
        ),
    ),
    (
        V12_5,
        documented(
            Scope::Cluster,
            "Cisco 214231: from 12.5 one, made by the publisher",
        ),
    ),
];

const CAPF: Row<Scope> = &[
    (V8_6, documented(Scope::EachNode, REGEN)),
    (V14, documented(Scope::Publisher, REGEN)),
];

const DIGEST: Row<Digest> = &[(
    V8_6,
    documented(
        Digest::Sha1,
        "Cisco security guide: TFTP File Signature Algorithm, default SHA-1",
    ),
)];

const HEADER_VERSION: Row<(u8, u8)> = &[
    (
        V8_6,
        assumed((1, 2), "as in the lists of 10.5, Cisco 118893"),
    ),
    (
        V10_5_2,
        documented((1, 2), "show ctl of Cisco 118892 and 118893"),
    ),
    (
        V11_0,
        documented((1, 2), "an 8861 logs header version 1.2, Cisco 213407"),
    ),
    (
        V11_5_1,
        inferred((1, 2), "1.2 in 10.5, 11.0 and in the EMCC technote's list"),
    ),
];

const SIGNER_VERSION: Row<Option<(u8, u8)>> = &[
    (
        V8_6,
        inferred(
            None,
            "SIGNERID stands at once after HeaderLength in show ctl",
        ),
    ),
    (
        V11_0,
        assumed(
            None,
            "the open tools write one; no newer CUCM list was found",
        ),
    ),
];

const SERIAL_BYTES: Row<usize> = &[
    (V8_6, inferred(8, "a CTL dump of an older cluster")),
    (
        V10_5_2,
        inferred(16, "five samples of Cisco 118892 and 118893"),
    ),
];

const CERTIFICATE_DIGEST: Row<Digest> = &[
    (V8_6, assumed(Digest::Sha1, "no source")),
    (V10_5_2, assumed(Digest::Sha256, "no source")),
];

const VALIDITY: Row<u32> = &[(
    V8_6,
    documented(5, "Cisco Preferred Architecture, security"),
)];

const ITL_RECOVERY_VALIDITY: Row<u32> = &[(
    V8_6,
    assumed(
        20,
        "20 in Cisco's Preferred Architecture and field notice 70613; security guide 14SU2 also says 5",
    ),
)];

const BULK_TYPES: Row<&[BulkType]> = {
    const OLD: &[BulkType] = &[BulkType::All, BulkType::Tftp, BulkType::Tomcat];
    const NEW: &[BulkType] = &[
        BulkType::All,
        BulkType::Tftp,
        BulkType::Tomcat,
        BulkType::ItlRecovery,
    ];
    &[
        (
            V8_6,
            inferred(
                OLD,
                "Cisco 213407 and 215539 name All and TFTP, the CLI tomcat",
            ),
        ),
        (
            V12_5,
            documented(NEW, "Cisco security guide 12.5(1)SU3: ITL_Recovery added"),
        ),
    ]
};

const TVS_TLS: Row<Option<&str>> = &[
    (
        V8_6,
        inferred(
            Some("TLS 1.0"),
            "System Config Guide 15, Basic security: 9.x has TLS 1.0 only, so 8.6 too",
        ),
    ),
    (
        V9_1,
        documented(
            Some("TLS 1.0"),
            "System Config Guide 15, Basic security: 9.x",
        ),
    ),
    (
        V10_5_2,
        documented(
            Some("AES256-SHA"),
            "Cisco 213407: the handshake with CUCM 10.5.2",
        ),
    ),
    (
        V11_0,
        assumed(None, "what TVS of 10.5 to 14 enables is not known"),
    ),
    (
        V12_5,
        documented(
            None,
            "Security Guide 12.5(1)SU5, Cipher Management: GCM suites",
        ),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_others_refused() {
        for release in Release::ALL {
            assert_eq!(release.to_string().parse(), Ok(release));
        }
        for bad in ["", "10.5", "12", "15.0", "x"] {
            assert!(bad.parse::<Release>().is_err(), "{bad}");
        }
        let long = "9".repeat(5_000).parse::<Release>().unwrap_err();
        assert_eq!(long.0.len(), 40);
    }

    /// One line a release: who signs the ITL, who the CTL, the CTL's anchors, ITLRecovery, CAPF.
    #[test]
    fn who_signs_what() {
        let table: Vec<_> = Release::ALL
            .iter()
            .map(|r| {
                let p = r.profile();
                let l = p.lines();
                let v = |i: usize| l[i].value.clone();
                format!("{r}: {} | {} | {} | {} | {}", v(0), v(1), v(2), v(3), v(4))
            })
            .collect();
        assert_eq!(
            table,
            [
                "8.6: CallManager | eToken | eToken | none | one per node",
                "9.1: CallManager | eToken | eToken | none | one per node",
                "10.5.2: CallManager | CallManager | CallManager, ITLRecovery | one per node | one per node",
                "11.0: CallManager | CallManager | CallManager, ITLRecovery | one per node | one per node",
                "11.5.1: CallManager | CallManager | CallManager, ITLRecovery | one per node | one per node",
                "12.5: ITLRecovery | ITLRecovery | ITLRecovery, CallManager | one for the cluster | one per node",
                "14: ITLRecovery | ITLRecovery | ITLRecovery, CallManager | one for the cluster | publisher only",
                "15: ITLRecovery | ITLRecovery | ITLRecovery, CallManager | one for the cluster | publisher only",
            ]
        );
    }

    #[test]
    fn every_line_cites_and_rows_are_in_order() {
        for release in Release::ALL {
            let lines = release.profile().lines();
            assert_eq!(lines.len(), 14);
            assert!(
                lines
                    .iter()
                    .all(|l| !l.source.is_empty() && !l.value.is_empty())
            );
        }
        fn ordered<T>(row: Row<T>) -> bool {
            row[0].0 == V8_6 && row.windows(2).all(|w| w[0].0 < w[1].0)
        }
        assert!(ordered(ITL_SIGNER) && ordered(CTL_SIGNER) && ordered(CTL_ANCHORS));
        assert!(ordered(ITL_RECOVERY) && ordered(CAPF) && ordered(HEADER_VERSION));
        assert!(ordered(SIGNER_VERSION) && ordered(SERIAL_BYTES) && ordered(BULK_TYPES));
    }

    #[test]
    fn the_signer_is_the_first_anchor() {
        for release in Release::ALL {
            let p = release.profile();
            assert_eq!(p.ctl_anchors.value[0], p.ctl_signer.value);
            let has_recovery = p.itl_recovery.value != Scope::Absent;
            assert_eq!(
                p.ctl_anchors.value.contains(&ListSigner::ItlRecovery),
                has_recovery
            );
        }
    }
}
