//! A difference as JSON: serial numbers in upper hex without separators, digests in lower hex,
//! moments in seconds since 1970.

use serde::Serialize;

use super::{Change, Difference, Held, OwnSignature, Replacement, Signer};
use crate::report::text::hex;
use crate::trust::search::hex as upper_hex;
use crate::wire::Role;

/// Version of the document's form. It grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    same: bool,
    files: [FileFacts<'a>; 2],
    signer_changed: bool,
    version_changed: bool,
    changes: Vec<ChangeFacts<'a>>,
    certificates_in_both: usize,
    consequences: &'a [String],
    remarks: &'a [&'static str],
}

#[derive(Serialize)]
struct FileFacts<'a> {
    name: &'a str,
    kind: String,
    versions: &'a str,
    signer: &'a str,
    digest: String,
    signer_in_list: bool,
    /// `holds`, `does-not-hold` or `not-checked`.
    own_signature: &'static str,
    /// Why it does not hold.
    own_signature_fault: Option<String>,
}

#[derive(Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
enum ChangeFacts<'a> {
    Added {
        certificate: CertificateFacts<'a>,
    },
    Removed {
        certificate: CertificateFacts<'a>,
    },
    Replaced {
        before: CertificateFacts<'a>,
        after: CertificateFacts<'a>,
        /// `made-anew`, `other-bytes` or `other-names`.
        replacement: &'static str,
    },
    Roles {
        certificate: CertificateFacts<'a>,
        gained: Vec<String>,
        lost: Vec<String>,
    },
}

#[derive(Serialize)]
struct CertificateFacts<'a> {
    subject: &'a str,
    issuer: &'a str,
    serial: String,
    roles: Vec<String>,
    key: Option<&'a str>,
    not_after: Option<i64>,
    sha256: Option<String>,
}

impl<'a> CertificateFacts<'a> {
    fn of(held: &'a Held) -> Self {
        Self {
            subject: &held.subject,
            issuer: &held.issuer,
            serial: upper_hex(&held.serial),
            roles: names(&held.roles),
            key: held.key.as_deref(),
            not_after: held.not_after,
            sha256: held.sha256.as_deref().map(hex),
        }
    }
}

fn names<'r>(roles: impl IntoIterator<Item = &'r Role>) -> Vec<String> {
    roles.into_iter().map(ToString::to_string).collect()
}

/// The whole difference.
pub fn json(d: &Difference) -> String {
    let file = |n: usize| {
        let Signer {
            text,
            digest,
            in_list,
            own,
        } = &d.signers[n];
        FileFacts {
            name: &d.sides[n].0,
            kind: d.sides[n].1.to_string(),
            versions: &d.versions[n],
            signer: text,
            digest: digest.to_string(),
            signer_in_list: *in_list,
            own_signature: match own {
                OwnSignature::Holds => "holds",
                OwnSignature::Fails(_) => "does-not-hold",
                OwnSignature::NotChecked => "not-checked",
            },
            own_signature_fault: match own {
                OwnSignature::Fails(why) => Some(why.to_string()),
                OwnSignature::Holds | OwnSignature::NotChecked => None,
            },
        }
    };
    let document = Document {
        schema_version: SCHEMA_VERSION,
        same: d.is_none(),
        files: [file(0), file(1)],
        signer_changed: d.signer_changed,
        version_changed: d.version_changed,
        changes: d.changes.iter().map(facts).collect(),
        certificates_in_both: d.same,
        consequences: &d.consequences,
        remarks: &d.remarks,
    };
    // These types have no map with keys that are no text: nothing here can fail.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn facts(change: &Change) -> ChangeFacts<'_> {
    match change {
        Change::Added(held) => ChangeFacts::Added {
            certificate: CertificateFacts::of(held),
        },
        Change::Removed(held) => ChangeFacts::Removed {
            certificate: CertificateFacts::of(held),
        },
        Change::Replaced { before, after } => ChangeFacts::Replaced {
            before: CertificateFacts::of(before),
            after: CertificateFacts::of(after),
            replacement: match after.replaces(before) {
                Replacement::MadeAnew => "made-anew",
                Replacement::OtherBytes => "other-bytes",
                Replacement::OtherNames => "other-names",
            },
        },
        Change::Roles { held, gained, lost } => ChangeFacts::Roles {
            certificate: CertificateFacts::of(held),
            gained: names(gained),
            lost: names(lost),
        },
    }
}
