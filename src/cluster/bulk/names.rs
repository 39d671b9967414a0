//! What exported files and their entries are called. All of it is this lab's: a separator that no
//! host name has keeps the parts apart, so that a name is read back without guessing.

use std::fmt;

use super::settings::BulkSettings;
use crate::cluster::release::{BulkType, Release};
use crate::cluster::spec::check_host_name;
use crate::cluster::x509::CertificateKind;

/// What one exported file holds: certificates of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// tomcat certificates.
    Tomcat,
    /// CallManager certificates: the "TFTP certificate" of Cisco 215539.
    Tftp,
    /// CAPF certificates.
    Capf,
    /// ITLRecovery.
    ItlRecovery,
    /// CallManager-ECDSA certificates.
    CallManagerEcdsa,
    /// tomcat-ECDSA certificates.
    TomcatEcdsa,
}

impl Unit {
    /// All of them, in the order in which type All works through them (`tomcat` before `tftp`: the
    /// command line's output in Cisco's CLI guide; the rest assumed).
    pub const ALL: [Self; 6] = [
        Self::Tomcat,
        Self::Tftp,
        Self::Capf,
        Self::ItlRecovery,
        Self::CallManagerEcdsa,
        Self::TomcatEcdsa,
    ];

    /// The name in file names and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tomcat => "tomcat",
            Self::Tftp => "tftp",
            Self::Capf => "capf",
            Self::ItlRecovery => "itlrecovery",
            Self::CallManagerEcdsa => "callmanager-ecdsa",
            Self::TomcatEcdsa => "tomcat-ecdsa",
        }
    }

    /// The kind of certificate in it.
    pub fn kind(self) -> CertificateKind {
        match self {
            Self::Tomcat => CertificateKind::Tomcat,
            Self::Tftp => CertificateKind::CallManager,
            Self::Capf => CertificateKind::Capf,
            Self::ItlRecovery => CertificateKind::ItlRecovery,
            Self::CallManagerEcdsa => CertificateKind::CallManagerEcdsa,
            Self::TomcatEcdsa => CertificateKind::TomcatEcdsa,
        }
    }

    /// True if it holds certificates with EC keys, which clusters have from 11.0 on.
    pub fn is_ecdsa(self) -> bool {
        matches!(self, Self::CallManagerEcdsa | Self::TomcatEcdsa)
    }

    /// The type of the page that works on this and the least else.
    pub fn bulk_type(self) -> BulkType {
        match self {
            Self::Tomcat => BulkType::Tomcat,
            Self::Tftp | Self::CallManagerEcdsa => BulkType::Tftp,
            Self::Capf => BulkType::Capf,
            Self::ItlRecovery => BulkType::ItlRecovery,
            Self::TomcatEcdsa => BulkType::All,
        }
    }

    /// What a type of the page works on. TFTP and All carry certificates with EC keys too (Cisco
    /// security guide, from 11.0 on); that Tomcat does is not said.
    pub fn of_type(bulk_type: BulkType, settings: &BulkSettings) -> Vec<Self> {
        match bulk_type {
            BulkType::All => Self::ALL.to_vec(),
            BulkType::Tftp if settings.tftp_type_carries_itlrecovery => {
                vec![Self::Tftp, Self::ItlRecovery, Self::CallManagerEcdsa]
            }
            BulkType::Tftp => vec![Self::Tftp, Self::CallManagerEcdsa],
            BulkType::Tomcat => vec![Self::Tomcat],
            BulkType::Capf => vec![Self::Capf],
            BulkType::ItlRecovery => vec![Self::ItlRecovery],
        }
    }

    /// What a file holds by its name, whichever way files are called.
    pub fn of_file(name: &str) -> Option<Self> {
        FileNames::ALL
            .into_iter()
            .find_map(|names| match names.parse(name) {
                Parsed::Exported { unit, .. } | Parsed::Consolidated { unit } => Some(unit),
                Parsed::Unfinished { .. } | Parsed::Foreign => None,
            })
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|u| u.name() == name)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How files are called in the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileNames {
    /// `src-pub@src_tftp.p12`, and `consolidated_tftp.p12`.
    #[default]
    NodeType,
    /// `tftp_src-pub@src.p12`, and `tftp_consolidated.p12`.
    TypeNode,
}

/// Whether two ids mean one cluster. Case makes no difference, as in the host names beside them:
/// Java writes entry names in lower case.
pub(super) fn is_same_cluster(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

const SUFFIX: &str = ".p12";
const CONSOLIDATED: &str = "consolidated";
const UNFINISHED: &str = ".part";

/// What a name says of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    Exported {
        cluster: &'a str,
        node: &'a str,
        unit: Unit,
    },
    Consolidated {
        unit: Unit,
    },
    Unfinished {
        cluster: &'a str,
    },
    Foreign,
}

impl FileNames {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::NodeType, Self::TypeNode];

    /// The word in settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::NodeType => "node-type",
            Self::TypeNode => "type-node",
        }
    }

    /// The name of a node's exported file.
    pub fn exported(self, cluster: &str, node: &str, unit: Unit) -> String {
        self.join(&format!("{node}@{cluster}"), unit)
    }

    /// The name of the consolidated file.
    pub fn consolidated(self, unit: Unit) -> String {
        self.join(CONSOLIDATED, unit)
    }

    /// The name under which a cluster writes a file before it is whole.
    pub(super) fn unfinished(name: &str, cluster: &str) -> String {
        format!(".{name}@{cluster}{UNFINISHED}")
    }

    fn join(self, whose: &str, unit: Unit) -> String {
        match self {
            Self::NodeType => format!("{whose}_{unit}{SUFFIX}"),
            Self::TypeNode => format!("{unit}_{whose}{SUFFIX}"),
        }
    }

    pub(super) fn parse(self, name: &str) -> Parsed<'_> {
        let unfinished = name
            .strip_prefix('.')
            .and_then(|name| name.strip_suffix(UNFINISHED))
            .and_then(|name| name.rsplit_once('@'));
        match unfinished {
            Some((of, cluster))
                if self.finished(of).is_some() && check_host_name(cluster).is_ok() =>
            {
                Parsed::Unfinished { cluster }
            }
            _ => self.finished(name).unwrap_or(Parsed::Foreign),
        }
    }

    fn finished(self, name: &str) -> Option<Parsed<'_>> {
        let stem = name.strip_suffix(SUFFIX)?;
        let (whose, unit) = match self {
            Self::NodeType => stem.rsplit_once('_')?,
            Self::TypeNode => {
                let (unit, whose) = stem.split_once('_')?;
                (whose, unit)
            }
        };
        let unit = Unit::from_name(unit)?;
        if whose == CONSOLIDATED {
            return Some(Parsed::Consolidated { unit });
        }
        let (node, cluster) = whose.split_once('@')?;
        let both = check_host_name(node).is_ok() && check_host_name(cluster).is_ok();
        both.then_some(Parsed::Exported {
            cluster,
            node,
            unit,
        })
    }
}

/// What an export writes as the friendlyName of an entry: `src/src-pub/CallManager/10.5.2`. It tells
/// the importer what a certificate is for; the certificate itself does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryName {
    /// The cluster that exported it.
    pub cluster: String,
    /// The node that it is from.
    pub node: String,
    /// What it is for.
    pub kind: CertificateKind,
    /// The exporting cluster's release.
    pub release: Release,
}

impl EntryName {
    /// Reads a friendlyName; None if an export of this lab did not write it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (cluster, node) = (parts.next()?, parts.next()?);
        let kind = CertificateKind::from_name(parts.next()?)?;
        let release = parts.next()?.parse().ok()?;
        let is_whole = parts.next().is_none()
            && check_host_name(cluster).is_ok()
            && check_host_name(node).is_ok();
        is_whole.then(|| Self {
            cluster: cluster.to_owned(),
            node: node.to_owned(),
            kind,
            release,
        })
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cluster,
            node,
            kind,
            release,
        } = self;
        write!(f, "{cluster}/{node}/{kind}/{release}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for names in [FileNames::NodeType, FileNames::TypeNode] {
            for unit in Unit::ALL {
                for (cluster, node) in [("src", "src-pub"), ("a_b.c", "consolidated_x.p12")] {
                    let name = names.exported(cluster, node, unit);
                    let exported = Parsed::Exported {
                        cluster,
                        node,
                        unit,
                    };
                    assert_eq!(names.parse(&name), exported, "{name}");
                    let part = FileNames::unfinished(&name, cluster);
                    assert_eq!(names.parse(&part), Parsed::Unfinished { cluster });
                }
                let name = names.consolidated(unit);
                assert_eq!(names.parse(&name), Parsed::Consolidated { unit });
            }
        }
    }

    #[test]
    fn other_names_are_foreign() {
        for name in [
            "",
            ".p12",
            "_tftp.p12",
            "@_tftp.p12",
            "a@_tftp.p12",
            "a@b_ipsec.p12",
            "a@b_tftp.pem",
            "a b@c_tftp.p12",
            "a@b@c_tftp.p12",
            ".a@b_tftp.p12@.part",
            "a@b_tftp.p12@b.part",
            "../a@b_tftp.p12",
            ".../../a@b_tftp.p12@b.part",
        ] {
            assert_eq!(FileNames::NodeType.parse(name), Parsed::Foreign, "{name}");
        }
    }

    #[test]
    fn entry_names_are_read_back_and_others_refused() {
        let name = EntryName {
            cluster: "src".into(),
            node: "src-pub".into(),
            kind: CertificateKind::ItlRecovery,
            release: Release::V12_5,
        };
        let text = name.to_string();
        assert_eq!(text, "src/src-pub/ITLRecovery/12.5");
        assert_eq!(EntryName::parse(&text), Some(name.clone()));
        // Java writes entry names in lower case.
        assert_eq!(EntryName::parse(&text.to_lowercase()), Some(name));
        for other in [
            "",
            "one",
            "src/src-pub/ITLRecovery",
            "src/src-pub/LSC/12.5",
            "src/src-pub/CAPF/13",
            "src/src-pub/CAPF/12.5/",
            "src//CAPF/12.5",
            "sr c/pub/CAPF/12.5",
        ] {
            assert_eq!(EntryName::parse(other), None, "{other}");
        }
    }
}
