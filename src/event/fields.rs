//! The fields of each kind of event, for those who name them in a scenario.

/// Names of the fields of every kind, in the order of [`KINDS`](super::KINDS). `t_us` and `actor`, which
/// all have, are not repeated.
const FIELDS: &[(&str, &[&str])] = &[
    (
        "run-started",
        &[
            "name", "source", "seed", "network", "clusters", "phones", "date",
        ],
    ),
    (
        "node",
        &[
            "cluster",
            "release",
            "mode",
            "address",
            "services",
            "tls_stand_in",
        ],
    ),
    ("step", &["verb", "text"]),
    (
        "published",
        &[
            "list", "file", "bytes", "sha1", "sha256", "signer", "records",
        ],
    ),
    (
        "trusted",
        &["store", "certificate", "result", "stays_on", "note"],
    ),
    (
        "bulk",
        &[
            "action",
            "certificate_type",
            "directory",
            "result",
            "text",
            "notes",
            "details",
            "written",
            "files",
        ],
    ),
    ("boot", &["cause", "option_150", "ctl_sha1", "itl_sha1"]),
    (
        "lease-taken",
        &[
            "server",
            "address",
            "seconds",
            "option_150",
            "option_66",
            "notes",
        ],
    ),
    (
        "lease-renewed",
        &[
            "server",
            "address",
            "seconds",
            "option_150",
            "option_66",
            "notes",
        ],
    ),
    ("servers-chosen", &["servers", "source", "used"]),
    ("dhcp-failed", &["text"]),
    ("flash-damaged", &["file", "text"]),
    (
        "requested",
        &["file", "server", "transport", "options", "secure"],
    ),
    ("https-connected", &["server", "tls", "serial", "found_in"]),
    (
        "http-failed",
        &["file", "server", "transport", "status", "text", "then"],
    ),
    ("retransmitted", &["file", "attempt"]),
    (
        "downloaded",
        &[
            "file",
            "bytes",
            "sha1",
            "sha256",
            "server",
            "transport",
            "status",
        ],
    ),
    (
        "not-found",
        &["file", "server", "text", "status", "meaning"],
    ),
    ("download-failed", &["file", "server", "text"]),
    ("header-note", &["file", "text"]),
    (
        "signer-looked-up",
        &["file", "signer", "found_in", "searched"],
    ),
    ("tvs-connecting", &["server"]),
    ("tvs-connected", &["server", "tls", "client_certificate"]),
    (
        "tvs-certificate-checked",
        &["server", "role", "serial", "found_in"],
    ),
    (
        "tvs-asked",
        &["server", "message", "bytes", "session", "signer"],
    ),
    (
        "tvs-answered",
        &["server", "bytes", "status", "roles", "ttl"],
    ),
    ("tvs-cached", &["serial", "ttl"]),
    ("tvs-cache-flushed", &["entries"]),
    ("tvs-failed", &["server", "reason"]),
    ("hash-compared", &["file", "digest", "matches"]),
    (
        "list-installed",
        &["list", "file", "bytes", "sha1", "sha256", "how", "reasons"],
    ),
    ("list-unchanged", &["list"]),
    ("list-refused", &["list", "file", "signer", "reasons"]),
    ("trust-stage-ended", &["rc", "fail_reason"]),
    ("flash-write", &["write", "file", "operation", "bytes"]),
    ("power-cut", &["text"]),
    (
        "config-accepted",
        &[
            "file",
            "bytes",
            "sha1",
            "sha256",
            "signer",
            "transport",
            "callmanager_group",
            "reasons",
        ],
    ),
    ("config-refused", &["file", "signer", "reasons"]),
    ("cert-hash-compared", &["file", "offered", "own", "matches"]),
    ("capf-needed", &["servers", "auth_mode", "reason"]),
    (
        "named-file-accepted",
        &[
            "what", "file", "bytes", "sha1", "sha256", "signer", "reasons",
        ],
    ),
    ("named-file-refused", &["what", "file", "signer", "reasons"]),
    ("registering", &["server"]),
    ("registration-refused", &["server", "reason"]),
    ("registered", &["server", "text"]),
    ("registration-not-tried", &["servers", "text"]),
    ("status", &["text", "stamped"]),
    (
        "boot-ended",
        &["settled", "tvs_asked", "ctl_sha1", "itl_sha1"],
    ),
    ("served", &["file", "client", "transport", "result"]),
    ("tvs-served", &["client", "result"]),
    (
        "verdict",
        &[
            "verdict",
            "ctl_before",
            "itl_before",
            "ctl_after",
            "itl_after",
            "tvs_asked",
            "follows",
            "configuration",
            "rests_on",
            "rules",
            "trace",
            "reasons",
            "fix",
        ],
    ),
    ("phone-judged", &["outcome", "reasons", "fix"]),
    ("provisioning", &["what", "text"]),
    (
        "resynced",
        &["round", "verdict", "rests_on", "rules", "reasons", "fix"],
    ),
    ("expectation", &["text", "holds", "found"]),
    ("run-ended", &["held", "expectations"]),
];

/// Names of the fields that an event of this kind may have; none for a kind that there is not.
pub fn fields(kind: &str) -> Option<Vec<&'static str>> {
    let (_, fields) = FIELDS.iter().find(|(name, _)| *name == kind)?;
    Some(
        ["actor", "t_us"]
            .into_iter()
            .chain(fields.iter().copied())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::KINDS;

    /// Kinds and fields as the declaration of the enum has them.
    fn declared() -> Vec<(String, Vec<String>)> {
        let source = include_str!("../event.rs");
        let (_, body) = source.split_once("pub enum Kind {\n").unwrap();
        let (body, _) = body.split_once("\n}\n").unwrap();
        let mut kinds: Vec<(String, Vec<String>)> = Vec::new();
        let mut is_flattened = false;
        for line in body.lines() {
            let indent = line.len() - line.trim_start().len();
            if line.contains("#[serde(flatten)]") {
                is_flattened = true;
            } else if let (4, Some(name)) = (indent, line.trim().strip_suffix(" {")) {
                let mut kebab = String::new();
                for c in name.chars() {
                    if c.is_uppercase() && !kebab.is_empty() {
                        kebab.push('-');
                    }
                    kebab.extend(c.to_lowercase());
                }
                kinds.push((kebab, Vec::new()));
            } else if let (8, Some((name, of_type))) = (indent, line.trim().split_once(": "))
                && !name.starts_with("//")
            {
                let fields = &mut kinds.last_mut().unwrap().1;
                if std::mem::take(&mut is_flattened) {
                    assert_eq!(of_type, "FileFacts,");
                    fields.extend(["file", "bytes", "sha1", "sha256"].map(str::to_owned));
                } else {
                    fields.push(name.to_owned());
                }
            }
        }
        kinds
    }

    #[test]
    fn the_table_is_what_the_events_have() {
        let declared = declared();
        let names: Vec<_> = declared.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(names, KINDS);
        for (kind, declared) in &declared {
            let found = fields(kind).unwrap();
            assert_eq!(found[2..], *declared, "{kind}");
        }
        assert_eq!(FIELDS.len(), declared.len());
        assert_eq!(fields("no-kind"), None);
    }
}
