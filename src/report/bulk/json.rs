//! A report as JSON: serial numbers in upper hex, moments as text of RFC 3339.

use serde_json::{Value, json};

use super::{Report, buttons, role_of};
use crate::cluster::Trusted;
use crate::cluster::bulk::{Import, ListedFile, Listing};
use crate::cluster::x509::PublicCertificate;
use crate::report::text::rfc3339;
use crate::trust::search::hex;

/// Version of the document's form. It grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

impl Report<'_> {
    /// The document.
    pub fn json(&self) -> String {
        let outcome = self.outcome;
        let obstacle = self.obstacle();
        let import = self.import.and_then(Result::ok);
        let notes: Vec<_> = outcome.notes.iter().map(ToString::to_string).collect();
        let document = json!({
            "schema_version": SCHEMA_VERSION,
            "action": outcome.action.name(),
            "cluster": outcome.cluster,
            "type": outcome.bulk_type.map(|t| t.name()),
            "server": self.server,
            "result": self.ending().name(),
            "why": obstacle.as_ref().map(|o| &o.why),
            "fix": obstacle.as_ref().map(|o| &o.fix),
            "written": outcome.written,
            "files": outcome.listing.as_ref().map(files),
            "buttons": outcome.listing.as_ref().map(buttons),
            "notes": notes,
            "import": import.map(|i| self.import_facts(i)),
        });
        format!("{document:#}\n")
    }

    fn import_facts(&self, import: &Import) -> Value {
        let imported: Vec<_> = import
            .imported
            .iter()
            .map(|i| {
                let stores: Vec<_> = i
                    .stores
                    .iter()
                    .map(|(store, result)| json!({ "store": store.name(), "result": word(result) }))
                    .collect();
                json!({
                    "certificate": certificate(&i.certificate),
                    "kind": i.kind.name(),
                    "cluster": i.from.as_ref().map(|f| &f.cluster),
                    "node": i.from.as_ref().map(|f| &f.node),
                    "stores": stores,
                })
            })
            .collect();
        let omitted: Vec<_> = import
            .omitted
            .iter()
            .map(|o| {
                json!({
                    "certificate": certificate(&o.certificate),
                    "file": o.file,
                    "friendly_name": o.alias,
                    "why": o.why.to_string(),
                })
            })
            .collect();
        let follow_ups: Vec<_> = import
            .follow_ups
            .iter()
            .map(|f| {
                json!({
                    "what": f.what,
                    "is_needed": f.is_needed,
                    "basis": f.basis.to_string(),
                    "source": f.source,
                })
            })
            .collect();
        json!({
            "imported": imported,
            "left_out": omitted,
            "resets_phones": import.resets_phones,
            "phones_at_home": self.phones,
            "follow_ups": follow_ups,
        })
    }
}

/// The document of an action that did not come to look into the directory.
pub fn not_begun(action: &str, cluster: &str, server: &str, why: &str, fix: &str) -> String {
    let document = json!({
        "schema_version": SCHEMA_VERSION,
        "action": action,
        "cluster": cluster,
        "server": server,
        "result": super::Ending::Failed.name(),
        "why": why,
        "fix": fix,
    });
    format!("{document:#}\n")
}

fn files(listing: &Listing) -> Vec<Value> {
    let known = |text: &str| (text != "-").then(|| text.to_owned());
    let file = |file: &ListedFile| {
        let [unit, cluster, node, role] = role_of(&file.role);
        json!({
            "name": file.name,
            "bytes": file.bytes,
            "type": known(unit),
            "cluster": known(cluster),
            "node": known(node),
            "role": role,
        })
    };
    listing.files().iter().map(file).collect()
}

fn certificate(c: &PublicCertificate) -> Value {
    let moment = |t: u64| i64::try_from(t).ok().and_then(rfc3339);
    json!({
        "subject": c.subject_text,
        "issuer": c.issuer_text,
        "serial": hex(&c.serial),
        "not_before": moment(c.not_before),
        "not_after": moment(c.not_after),
    })
}

fn word(result: &Trusted) -> &'static str {
    match result {
        Trusted::Added => "added",
        Trusted::Replaced { .. } => "replaced",
        Trusted::DroppedOlder { .. } => "dropped-older",
        Trusted::AlreadyThere => "already-there",
    }
}
