//! The independent model of who migrates against what the built-in scenarios say, and row by row
//! against `docs/who-migrates.md`.

#![allow(clippy::disallowed_methods, reason = "reads the scenarios")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::collections::BTreeMap;
use std::path::Path;

use trustline::scenario::explore::expected::{Expected, Reason, Unsupported, expected};
use trustline::scenario::{Rules, Scenario, parse};

/// Built-in scenarios that the model does not decide, each with the word for why.
const UNSUPPORTED: &[(&str, &str)] = &[
    (
        "bulk-type-tftp",
        "whether the type TFTP carries ITLRecovery",
    ),
    (
        "capf-in-the-wrong-store",
        "setting cluster.lsc_trusted_by = capf-trust",
    ),
    (
        "capf-uploaded-astray",
        "registration of a secured phone that a cluster may not take",
    ),
    ("certificate-unknown-to-cluster", "encrypted configurations"),
    (
        "default-configuration",
        "parameter auto-registration = true",
    ),
    ("dhcp-act-at-once", "setting dhcp.act_at_once = yes"),
    (
        "dhcp-renewal",
        "options 150 and 66 beside each other, or no DHCP",
    ),
    (
        "dhcp-silent",
        "options 150 and 66 beside each other, or no DHCP",
    ),
    ("emcc-exchange", "whether a bulk import resets phones"),
    ("encrypted-configuration", "encrypted configurations"),
    ("encrypted-for-another-key", "encrypted configurations"),
    (
        "newer-release-refused",
        "setting bulk.reject_newer_release = yes",
    ),
    ("http-404-final", "setting http.fallback_on = 5xx"),
    ("https-by-tvs", "setting cluster.signer_version = 1.1"),
    ("https-record", "setting cluster.signer_version = 1.1"),
    ("https-unknown", "setting cluster.signer_version = 1.1"),
    (
        "option-66",
        "options 150 and 66 beside each other, or no DHCP",
    ),
    ("recording-7821-emcc", "the step set-link"),
];

/// Built-in scenarios at the time of writing; new ones may come, none may go.
const BUILT_IN: usize = 33;

fn built_in() -> BTreeMap<String, Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            all.insert(name.clone(), scenario(&name, &text));
        }
    }
    all
}

fn scenario(name: &str, text: &str) -> Scenario {
    match parse(name, text, &Rules) {
        Ok(scenario) => scenario,
        Err(errors) => panic!("{name}: {}", errors[0]),
    }
}

/// The verdicts and reasons that `scenario` states and `found` lacks.
fn differences(scenario: &Scenario, found: &[Expected]) -> Vec<String> {
    let mut all = Vec::new();
    for expectation in &scenario.expectations {
        for number in expectation.phones.resolve(&scenario.phones) {
            let phone = found[number - 1];
            assert_eq!(phone.phone, number);
            if let Some(verdict) = &expectation.verdict
                && verdict.value != phone.verdict
            {
                all.push(format!(
                    "phone {number}: stated {verdict}, the table says {} ({})",
                    phone.verdict,
                    phone.reason,
                    verdict = verdict.value
                ));
            }
            if let Some(reason) = &expectation.reason
                && phone.reason != Reason::Damaged
                && reason.as_str() != phone.reason.as_str()
            {
                all.push(format!(
                    "phone {number}: stated {}, the table says {}",
                    reason.as_str(),
                    phone.reason
                ));
            }
        }
    }
    all
}

#[test]
fn the_table_gives_the_verdicts_of_the_built_in_scenarios() {
    let all = built_in();
    assert!(all.len() >= BUILT_IN, "{} scenarios", all.len());
    let mut wrong = Vec::new();
    let mut stated = 0;
    let mut unsupported = BTreeMap::new();
    for (name, scenario) in &all {
        match expected(scenario) {
            Ok(found) => {
                assert_eq!(found.len(), scenario.phone_count(), "{name}");
                stated += usize::from(scenario.expectations.iter().any(|e| e.verdict.is_some()));
                let differences = differences(scenario, &found);
                wrong.extend(differences.into_iter().map(|d| format!("{name}: {d}")));
            }
            Err(Unsupported { what }) => {
                unsupported.insert(name.as_str(), what);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let known: BTreeMap<&str, String> = UNSUPPORTED
        .iter()
        .map(|(n, w)| (*n, (*w).to_owned()))
        .collect();
    assert_eq!(unsupported, known);
    assert_eq!(
        stated,
        all.len() - UNSUPPORTED.len(),
        "a scenario states no verdict"
    );
}

/// Two clusters of two nodes each, `a1` and `a2`, `b1` and `b2`, and one phone of `a`.
#[derive(Clone, Copy)]
struct Row {
    /// The row of `docs/who-migrates.md`.
    row: &'static str,
    /// Release and mode of `a`, then of `b`.
    clusters: [(&'static str, &'static str); 2],
    /// Settings as `name=value`, with blanks between.
    settings: &'static str,
    /// Steps in the shorthand of [`step`], with `;` between.
    steps: &'static str,
    outcome: &'static str,
}

const NON: &str = "non-secure";
const MIX: &str = "mixed";

/// One step from its shorthand; words after the first fill in the keys.
fn step(shorthand: &str) -> String {
    let words: Vec<&str> = shorthand.split_whitespace().collect();
    let list = |names: &[&str]| {
        let quoted: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
        format!("[{}]", quoted.join(", "))
    };
    let body = match words.as_slice() {
        ["reset"] => "do = \"reset-phones\"".to_owned(),
        ["erase"] => "do = \"erase-lists\"".to_owned(),
        ["factory"] => "do = \"factory-reset\"".to_owned(),
        // `trust FROM INTO [CERTIFICATE...] [@NODE] [>STORE]`
        ["trust", from, into, rest @ ..] => {
            let part = |key: &str, mark: char| {
                let named: Vec<&str> = rest.iter().filter_map(|w| w.strip_prefix(mark)).collect();
                let line = format!("\n{key} = {}", list(&named));
                if named.is_empty() {
                    String::new()
                } else {
                    line
                }
            };
            let plain = |w: &&&str| !w.starts_with(['@', '>']);
            let kinds: Vec<&str> = rest.iter().filter(plain).copied().collect();
            let kinds = match kinds.as_slice() {
                [] => String::new(),
                kinds => format!("\ncertificates = {}", list(kinds)),
            };
            format!(
                "do = \"trust-certificates\"\nfrom = \"{from}\"\ninto = \"{into}\"{kinds}{}{}",
                part("nodes", '@'),
                part("stores", '>')
            )
        }
        ["upload", from, certificate, into, store] => format!(
            "do = \"upload-certificate\"\nfrom = \"{from}\"\ncertificate = \"{certificate}\"\n\
             into = \"{into}\"\nstore = \"{store}\""
        ),
        // `jump BY phones` or `jump BY nodes`
        ["jump", by, whose] => {
            format!("do = \"jump-clock\"\nby = \"{by}\"\n{whose} = \"all\"")
        }
        ["later", after, rest @ ..] => {
            let step = step(&rest.join(" "));
            return format!("{step}after = \"{after}\"\n");
        }
        ["150", to @ ..] => format!("do = \"set-option-150\"\nto = {}", list(to)),
        [change @ ("stop" | "start" | "restart"), service, target] => {
            let key = if target.len() == 1 { "cluster" } else { "node" };
            format!("do = \"{change}-service\"\n{key} = \"{target}\"\nservice = \"{service}\"")
        }
        [power @ ("off" | "on"), target] => {
            let key = if target.len() == 1 { "cluster" } else { "node" };
            format!("do = \"switch-{power}\"\n{key} = \"{target}\"")
        }
        ["rollback", cluster, value] => format!(
            "do = \"set-parameter\"\ncluster = \"{cluster}\"\n\
             name = \"prepare-cluster-for-rollback\"\nvalue = {value}"
        ),
        ["sha512", cluster] => format!(
            "do = \"set-parameter\"\ncluster = \"{cluster}\"\n\
             name = \"tftp-file-signature-algorithm\"\nvalue = \"sha512\""
        ),
        ["renew", node, certificate] => format!(
            "do = \"regenerate-certificate\"\nnode = \"{node}\"\ncertificate = \"{certificate}\""
        ),
        ["update-ctl", cluster] => format!("do = \"update-ctl\"\ncluster = \"{cluster}\""),
        ["keep", node] => format!("do = \"keep-old-files\"\nnode = \"{node}\""),
        ["remove", cluster] => {
            format!("do = \"remove-phones\"\nphones = \"all\"\ncluster = \"{cluster}\"")
        }
        ["add", cluster] => {
            format!("do = \"add-phones\"\nphones = \"all\"\ncluster = \"{cluster}\"")
        }
        ["damage", node, file, how] => {
            format!("do = \"damage-file\"\nnode = \"{node}\"\nfile = \"{file}\"\nhow = \"{how}\"")
        }
        ["cut", at, write] => {
            format!("do = \"power-cut\"\nphones = \"all\"\nat = \"{at}\"\nwrite = \"{write}\"")
        }
        ["sftp", cluster] => format!("do = \"bulk-sftp\"\ncluster = \"{cluster}\""),
        ["bulk", button, cluster, kind] => {
            format!("do = \"bulk-{button}\"\ncluster = \"{cluster}\"\ntype = \"{kind}\"")
        }
        other => panic!("no step {other:?}"),
    };
    format!("[[step]]\n{body}\n")
}

impl Row {
    fn scenario(&self) -> Scenario {
        let mut text = "format = 1\nname = \"row\"\nsource = \"docs/who-migrates.md\"\n\
                        date = 2020-03-01T09:00:00Z\n"
            .to_owned();
        text += "[settings]\n";
        for setting in self.settings.split_whitespace() {
            let (name, value) = setting.split_once('=').unwrap();
            let value = match value.parse::<u32>() {
                Ok(number) => number.to_string(),
                Err(_) => format!("\"{value}\""),
            };
            text += &format!("\"{name}\" = {value}\n");
        }
        for (id, (release, mode)) in ["a", "b"].iter().zip(self.clusters) {
            text += &format!(
                "[cluster.{id}]\nrelease = \"{release}\"\nmode = \"{mode}\"\nnodes = [\n\
                 {{ name = \"{id}1\", services = [\"publisher\", \"tftp\", \"tvs\", \"capf\"] }},\n\
                 {{ name = \"{id}2\", services = [\"tftp\", \"tvs\"] }},\n]\n"
            );
        }
        text += "[[phones]]\ncount = 1\nmodel = \"CP-8861\"\ncluster = \"a\"\n";
        for shorthand in self.steps.split(';').filter(|s| !s.trim().is_empty()) {
            text += &step(shorthand);
        }
        text += "[[expect]]\nphones = \"all\"\nverdict = \"unknown\"\n";
        scenario(self.row, &text)
    }

    fn found(&self) -> String {
        match expected(&self.scenario()) {
            Ok(phones) => format!("{} {}", phones[0].verdict, phones[0].reason),
            Err(unsupported) => format!("? {}", unsupported.what),
        }
    }
}

#[track_caller]
fn check(rows: &[Row]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter(|row| row.found() != row.outcome)
        .map(|row| format!("{}: {} instead of {}", row.row, row.found(), row.outcome))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The usual move, with `done` before it.
macro_rules! row {
    ($row:literal, $a:expr, $b:expr, $settings:literal, $steps:literal => $outcome:literal) => {
        Row {
            row: $row,
            clusters: [$a, $b],
            settings: $settings,
            steps: $steps,
            outcome: $outcome,
        }
    };
}

const OLD: (&str, &str) = ("10.5.2", NON);
const OLD_MIXED: (&str, &str) = ("10.5.2", MIX);
const NEWER: (&str, &str) = ("11.5.1", NON);
const NEWER_MIXED: (&str, &str) = ("11.5.1", MIX);
const NEW: (&str, &str) = ("12.5", NON);
const NEW_MIXED: (&str, &str) = ("12.5", MIX);

const UNKNOWN: &str = "signer-unknown-to-tvs";

#[test]
fn moves_come_out_as_the_table_says() {
    assert_eq!(UNKNOWN, Reason::SignerUnknownToTvs.as_str());
    check(&[
        row!("V1", OLD, NEW, "", "trust b a; 150 b1" => "unchanged not-reset"),
        row!("V6", OLD, NEW, "", "reset" => "unchanged nothing-new"),
        row!("M1", OLD, NEWER, "", "trust b a; 150 b1; reset" => "migrated signature-holds"),
        row!("M1", OLD, NEW, "", "trust b a; 150 b2; reset" => "migrated signature-holds"),
        row!("M1 S12", OLD, NEW, "tvs.restart_needed=yes", "trust b a; 150 b1; reset"
            => "stranded signer-unknown-to-tvs"),
        row!("M1 S12", OLD, NEW, "tvs.restart_needed=yes", "trust b a; restart tvs a; 150 b1; reset"
            => "migrated signature-holds"),
        // The second server read the stores, and the first is no reason to stop.
        row!("S12 S2", OLD, NEW, "tvs.restart_needed=yes", "trust b a; restart tvs a2; 150 b1; reset"
            => "migrated signature-holds"),
        row!("M2", OLD_MIXED, NEWER_MIXED, "", "trust b a; 150 b1; reset"
            => "migrated signature-holds"),
        row!("M3", OLD_MIXED, NEWER_MIXED, "", "trust b a; 150 b2; reset"
            => "migrated signature-holds"),
        row!("M3", OLD_MIXED, NEWER_MIXED, "trust.wrong_role=refuse", "trust b a; 150 b2; reset"
            => "registers-untrusted role-missing"),
        row!("M4", OLD_MIXED, NEWER, "", "trust b a; 150 b1; reset" => "migrated signature-holds"),
        row!("M5", OLD, NEW_MIXED, "", "trust b a; 150 b2; reset" => "migrated signature-holds"),
        row!("M6", OLD, NEWER, "", "150 b1; reset" => "stranded signer-unknown-to-tvs"),
        row!("M6", OLD_MIXED, NEW_MIXED, "", "150 b1; reset" => "stranded signer-unknown-to-tvs"),
        row!("M6 R2", OLD, NEWER, "phone.after_refusal=tftp-server", "150 b1; reset"
            => "registers-untrusted signer-unknown-to-tvs"),
        row!("M7", OLD, NEW, "", "trust b a CallManager; 150 b1; reset"
            => "registers-untrusted signer-unknown-to-tvs"),
        row!("M8", OLD, NEW, "", "trust b a CallManager; 150 b1; reset; trust b a; reset"
            => "registers-untrusted tvs-certificate-not-in-list"),
        row!("M9", OLD, NEW, "",
            "trust b a CallManager; trust b a ITLRecovery >CallManager-trust; 150 b1; reset"
            => "registers-untrusted tvs-role-missing"),
        row!("M9", OLD, NEW, "tvs.role_required=no",
            "trust b a CallManager; trust b a ITLRecovery >CallManager-trust; 150 b1; reset"
            => "migrated signature-holds"),
        row!("M10", OLD, NEWER, "", "trust b a @b1; 150 b2; reset"
            => "stranded signer-unknown-to-tvs"),
        // From 12.0 the list of every node has the same signer; the configuration has the node's,
        // which the new ITL names.
        row!("M10 L8", OLD, NEW, "", "trust b a @b1; 150 b2; reset" => "migrated signature-holds"),
        // And the upload from any node brings it.
        row!("M10 L8", OLD, NEW, "", "trust b a @b2; 150 b1; reset" => "migrated signature-holds"),
        row!("M11", OLD, NEW, "", "trust b a; 150 b1; off a; reset"
            => "registers-untrusted tvs-unreachable"),
        row!("M12", OLD, NEW, "", "trust b a; 150 b1; stop tvs a; reset"
            => "stranded tvs-unreachable"),
        row!("M13", OLD, NEW, "", "trust b a; 150 b1; stop tvs a1; reset"
            => "migrated signature-holds"),
        row!("M13", OLD, NEW, "tvs.max_servers=1", "trust b a; 150 b1; stop tvs a1; reset"
            => "stranded tvs-unreachable"),
        row!("M13", OLD, NEW, "", "trust b a; 150 b1; stop tvs a1; jump +400d phones; reset"
            => "migrated signature-holds"),
        row!("F9", OLD, NEW, "tvs.cache_clock=wall",
            "trust b a; jump -400d phones; 150 b1; reset" => "migrated signature-holds"),
        row!("S9", OLD, NEWER, "", "upload b1 CallManager a Phone-SAST-trust; 150 b1; reset"
            => "migrated signature-holds"),
        row!("S8", OLD, NEWER, "", "upload b1 CallManager a CallManager-trust; 150 b1; reset"
            => "registers-untrusted tvs-role-missing"),
        // Tomcat came later, so it keeps nothing out.
        row!("S14", OLD, NEWER, "",
            "upload b CallManager a Phone-SAST-trust; upload b Tomcat a Phone-SAST-trust; 150 b1; \
             reset" => "migrated signature-holds"),
        row!("M14", OLD, NEW, "", "trust b a; renew a1 TVS; renew a2 TVS; 150 b1; reset"
            => "stranded tvs-certificate-not-in-list"),
        row!("M14 S3", OLD, NEW, "", "trust b a; renew a1 TVS; 150 b1; reset"
            => "migrated signature-holds"),
        row!("M15", NEWER_MIXED, NEW_MIXED, "",
            "trust b a; update-ctl a; reset; stop tvs a; 150 b1; reset"
            => "migrated signature-holds"),
        row!("M15", NEWER_MIXED, NEW_MIXED, "", "trust b a; reset; stop tvs a; 150 b1; reset"
            => "stranded tvs-unreachable"),
        row!("M16", OLD, NEW, "", "rollback a true; reset; 150 b1; reset"
            => "migrated rollback-itl"),
        row!("M16", OLD, NEW, "trust.empty_itl=check", "rollback a true; reset; 150 b1; reset"
            => "registers-untrusted no-tvs-in-list"),
        row!("M17", OLD, NEW_MIXED, "", "rollback a true; reset; 150 b1; reset"
            => "registers-untrusted no-tvs-in-list"),
        row!("M17", OLD, NEW_MIXED, "trust.first_ctl_checked=no",
            "rollback a true; reset; 150 b1; reset" => "migrated signature-holds"),
        row!("M18", OLD_MIXED, NEWER_MIXED, "", "trust b a; rollback a true; reset; 150 b1; reset"
            => "stranded no-tvs-in-list"),
        row!("M18", OLD_MIXED, NEWER, "trust.rollback_with_ctl=accept-any",
            "rollback a true; reset; 150 b1; reset" => "migrated rollback-itl"),
        row!("M19", OLD, NEW, "", "rollback a true; 150 b1; reset"
            => "stranded signer-unknown-to-tvs"),
        row!("M20", OLD_MIXED, NEW_MIXED, "", "150 b1; factory" => "migrated signature-holds"),
        row!("M20", OLD, NEW, "", "150 b1; erase" => "migrated leap-of-faith"),
        row!("M20", OLD_MIXED, NEW, "", "150 b1; factory" => "migrated leap-of-faith"),
        row!("M21", OLD, NEW, "", "trust b a; 150 b1; reset; 150 a1; reset"
            => "stranded signer-unknown-to-tvs"),
        row!("M22", OLD, NEW, "", "trust b a; trust a b; 150 b1; reset; 150 a1; reset"
            => "unchanged signature-holds"),
        row!("M23", OLD, NEW, "", "trust b a; remove b; 150 b1; reset" => "stranded file-missing"),
        row!("M24", OLD, NEWER, "", "trust b a; damage b1 itl flip-bit; 150 b1 b2; reset"
            => "registers-untrusted damaged"),
        row!("M24", OLD, NEWER, "", "trust b a; damage b1 config truncate; 150 b1; reset"
            => "stranded damaged"),
        row!("M25", OLD, NEWER, "", "keep b1; renew b1 CallManager; trust b a; 150 b1; reset"
            => "stranded signer-unknown-to-tvs"),
        row!("M32", OLD, NEW, "", "trust b a; remove b; 150 b1; reset; add b; reset"
            => "migrated nothing-new"),
        row!("M32", OLD, NEW, "", "trust b a; add b; remove b; add b; 150 b1; reset"
            => "migrated signature-holds"),
        row!("M33 L14", OLD, NEWER, "",
            "trust b a; damage b1 itl flip-bit; restart tftp b1; 150 b1; reset"
            => "migrated signature-holds"),
        row!("M33 L14", OLD, NEWER, "",
            "trust b a; damage b1 itl flip-bit; stop tftp b; start tftp b; 150 b1; reset"
            => "migrated signature-holds"),
        row!("M33 L14", OLD, NEWER, "",
            "trust b a; damage b1 itl flip-bit; off b1; on b1; 150 b1; reset"
            => "migrated signature-holds"),
        row!("M33 L14", OLD, NEWER, "cluster.tftp_start_mends=no",
            "trust b a; damage b1 itl flip-bit; restart tftp b1; off b1; on b1; 150 b1; reset"
            => "registers-untrusted damaged"),
        // Nothing starts that runs.
        row!("L14", OLD, NEWER, "",
            "trust b a; damage b1 itl flip-bit; start tftp b1; on b1; restart tftp b2; 150 b1; reset"
            => "registers-untrusted damaged"),
        row!("M34 L14", OLD, NEWER, "",
            "trust b a; damage b1 itl flip-bit; 150 b1; reset; restart tftp b1; reset"
            => "registers-untrusted tvs-certificate-not-in-list"),
        row!("M35 L14", OLD_MIXED, NEW_MIXED, "",
            "trust b a; damage b1 itl flip-bit; 150 b1; reset; restart tftp b1; reset"
            => "migrated signature-holds"),
        row!("M35 L14", OLD_MIXED, NEW_MIXED, "cluster.tftp_start_mends=no",
            "trust b a; damage b1 itl flip-bit; 150 b1; reset; restart tftp b1; reset"
            => "registers-untrusted damaged"),
        row!("M36 L12", OLD, NEWER, "",
            "keep b1; renew b1 CallManager; trust b a; 150 b1; reset; restart tftp b1; reset"
            => "migrated signature-holds"),
        row!("M36 L12", OLD, NEWER, "cluster.tftp_start_mends=no",
            "keep b1; renew b1 CallManager; trust b a; 150 b1; reset; off b; on b; reset"
            => "migrated signature-holds"),
        row!("M26", NEWER, NEW, "", "renew a1 CallManager; renew a1 TVS; renew a2 TVS; reset"
            => "registers-untrusted tvs-certificate-not-in-list"),
        row!("M27", NEWER, NEW, "", "renew a1 CallManager; reset; renew a1 TVS; reset"
            => "migrated signature-holds"),
        row!("M28", NEW, NEW, "", "renew a1 CallManager; renew a1 TVS; renew a2 TVS; reset"
            => "migrated signature-holds"),
        row!("M31", OLD_MIXED, NEWER, "", "trust b a; rollback b true; 150 b1; reset; reset"
            => "stranded no-tvs-in-list"),
        row!("M31 S16", OLD_MIXED, NEWER, "tvs.cache_flush=never",
            "trust b a; rollback b true; 150 b1; reset" => "migrated signature-holds"),
        row!("M31 S16", OLD_MIXED, NEWER, "tvs.cache_flush=never",
            "trust b a; rollback b true; 150 b1; reset; reset" => "registers-untrusted no-tvs-in-list"),
    ]);
}

#[test]
fn single_rules_come_out_as_the_table_says() {
    check(&[
        row!("F1", OLD, NEW, "", "trust b a; stop tftp b1; 150 b1 b2; reset"
            => "migrated signature-holds"),
        row!("F1 V4", OLD, NEW, "", "trust b a; stop tftp b; 150 b1 b2; reset"
            => "stranded download-failed"),
        row!("V5", OLD, NEW, "", "stop tftp a; reset" => "unchanged download-failed"),
        row!("T2", OLD, NEW, "", "damage b1 itl flip-bit; 150 b1; factory"
            => "registers-untrusted damaged"),
        row!("T3", OLD, NEW_MIXED, "trust.new_ctl_in_force=next-boot", "150 b1; factory"
            => "? trust.new_ctl_in_force = next-boot on a phone without lists"),
        // The new CTL does not count yet, but TVS knows the ITL's signer too.
        row!("T10", OLD, NEW_MIXED, "trust.new_ctl_in_force=next-boot", "trust b a; 150 b1; reset"
            => "migrated signature-holds"),
        row!("T10", OLD, NEW_MIXED, "trust.first_ctl_checked=no", "150 b1; reset"
            => "migrated signature-holds"),
        row!("T10", OLD, NEW_MIXED, "trust.first_ctl_checked=no trust.new_ctl_in_force=next-boot",
            "150 b1; reset" => "registers-untrusted signer-unknown-to-tvs"),
        // A mixed cluster renews the ITL's signer and not its CTL: TVS bridges.
        row!("T11", NEWER_MIXED, NEW, "", "renew a1 CallManager; reset"
            => "migrated signature-holds"),
        row!("T11", NEWER_MIXED, NEW, "", "renew a1 CallManager; stop tvs a; reset"
            => "registers-untrusted tvs-unreachable"),
        // The ITL that was taken then knows the signer of the new CTL, if it is searched too.
        row!("T8", NEWER_MIXED, NEW, "",
            "renew a1 CallManager; reset; stop tvs a; update-ctl a; reset"
            => "migrated signature-holds"),
        row!("T8", NEWER_MIXED, NEW, "trust.ctl_searched_in=ctl-if-installed",
            "renew a1 CallManager; reset; stop tvs a; update-ctl a; reset"
            => "registers-untrusted tvs-unreachable"),
        row!("T17", OLD, NEW, "", "trust b a; damage b1 itl empty; 150 b1; reset"
            => "registers-untrusted damaged"),
        row!("T17", OLD, NEW_MIXED, "list.empty_file=as-missing",
            "trust b a; damage b1 ctl empty; 150 b1; reset" => "migrated signature-holds"),
        row!("T18", OLD, NEW, "", "trust b a; sha512 b; 150 b1; reset"
            => "migrated signature-holds"),
        row!("T18", OLD, NEW, "trust.digest_sha512=refuse", "trust b a; sha512 b; 150 b1; reset"
            => "stranded digest-refused"),
        row!("T18 L13", OLD, NEW, "trust.digest_sha512=refuse cluster.digest_scope=files",
            "trust b a; sha512 b; 150 b1; reset" => "stranded digest-refused"),
        row!("S8", OLD, NEWER, "", "trust b a CallManager >CallManager-trust; 150 b1; reset"
            => "registers-untrusted tvs-role-missing"),
        row!("S8", OLD, NEWER, "tvs.roles_of_store=callmanager-trust-gives-both",
            "trust b a CallManager >CallManager-trust; 150 b1; reset"
            => "migrated signature-holds"),
        row!("S7", OLD, NEWER, "", "trust b a CallManager >Phone-SAST-trust; 150 b1; reset"
            => "migrated signature-holds"),
        // The node keeps its old signer, whom its own CTL on disk still has as SAST.
        row!("S10", OLD, NEWER_MIXED, "",
            "trust b a; 150 b1; reset; keep b2; renew b2 CallManager; 150 b2; reset"
            => "registers-untrusted tvs-role-missing"),
        row!("S2", OLD, NEWER, "tvs.miss=close", "150 b1; reset" => "stranded tvs-no-answer"),
        row!("S11", OLD, NEWER, "", "trust b a; renew b1 CallManager; 150 b1; reset"
            => "stranded signer-unknown-to-tvs"),
        row!("S11", OLD, NEWER, "", "trust b a; renew b1 CallManager; trust b a; 150 b1; reset"
            => "migrated signature-holds"),
        row!("L4", OLD_MIXED, ("9.1", MIX), "", "trust b a; 150 b1; reset"
            => "registers-untrusted signer-unknown-to-tvs"),
        row!("R4", OLD, NEW, "", "150 b1; stop callmanager a; stop callmanager b; reset"
            => "stranded signer-unknown-to-tvs"),
    ]);
}

#[test]
fn bulk_management_carries_what_the_table_says() {
    const ALL: &str = "sftp a; sftp b; bulk export a All; bulk export b All; \
                       bulk consolidate a All; bulk import a All; 150 b1; reset";
    let done = Row {
        row: "S9",
        clusters: [OLD, NEW],
        settings: "",
        steps: ALL,
        outcome: "migrated signature-holds",
    };
    let without = |left_out: &str| {
        assert!(ALL.contains(left_out));
        let steps = ALL.replace(left_out, "");
        Row {
            steps: steps.leak(),
            outcome: "stranded signer-unknown-to-tvs",
            ..done
        }
    };
    check(&[
        done,
        without("bulk export a All;"),
        without("bulk consolidate a All;"),
        without("bulk import a All;"),
    ]);
    // The type TFTP carries CallManager for sure, which is enough up to 11.5.
    let tftp = Row {
        steps: ALL.replace("All", "TFTP").leak(),
        outcome: "? whether the type TFTP carries ITLRecovery",
        ..done
    };
    check(&[
        tftp,
        Row {
            clusters: [OLD, NEWER],
            outcome: "migrated signature-holds",
            ..tftp
        },
    ]);
    // The import that moves the phones matters where option 150 was moved before.
    check(&[row!("bulk", OLD, NEW, "",
        "sftp a; sftp b; bulk export a All; bulk export b All; bulk consolidate a All; 150 b1; \
         bulk import a All" => "? whether a bulk import resets phones")]);
}

#[test]
fn a_power_cut_changes_no_outcome() {
    for clusters in [[OLD_MIXED, NEW_MIXED], [OLD, NEW], [OLD, NEW_MIXED]] {
        for at in ["before", "inside", "after"] {
            for write in ["ctl", "itl", "config", "state"] {
                let steps = format!("trust b a; 150 b1; cut {at} {write}; reset").leak();
                let row = Row {
                    row: "M30",
                    clusters,
                    settings: "",
                    steps,
                    outcome: "migrated",
                };
                // The boot after the cut may find both lists there already.
                let found = row.found();
                assert!(
                    found.starts_with(row.outcome),
                    "{clusters:?} {steps}: {found}"
                );
            }
        }
    }
}

#[test]
fn what_the_table_leaves_open_is_said() {
    check(&[
        row!("option 150", OLD, NEW, "", "trust b a; 150 b1; reset; 150 a1"
            => "? option 150 changed after the last boot"),
        row!("option 150", OLD, NEW, "", "150 a1 b1; reset" => "? option 150 over two clusters"),
        row!("settings", OLD, NEW, "list.older_timestamp=refuse", "reset"
            => "? setting list.older_timestamp = refuse"),
        row!("settings", OLD, NEW, "list.max_bytes=9000", "reset"
            => "? lists that come near list.max_bytes"),
        row!("bulk", OLD, NEW, "", "bulk export a All" => "? bulk management before its SFTP form"),
        row!("registration", OLD, NEW, "", "trust b a; 150 b1; stop callmanager b; reset"
            => "? no CallManager for an accepted configuration"),
        row!("S12", OLD, NEW, "tvs.restart_needed=yes", "renew a1 CallManager; reset"
            => "? a cluster's own certificate made anew, and tvs.restart_needed = yes"),
        row!("S12", OLD, NEW, "tvs.restart_needed=yes",
            "renew a1 CallManager; restart tvs a; reset" => "migrated signature-holds"),
        row!("S14", OLD, NEW, "",
            "upload b Tomcat a Phone-SAST-trust; upload b CallManager a Phone-SAST-trust; 150 b1; \
             reset" => "? whether Tomcat has the subject of CallManager, and keeps it out of a store"),
        row!("S14", OLD, NEW, "", "jump -2h nodes; renew a1 CallManager; reset"
            => "? a certificate made anew by a clock that was set back"),
        row!("faults", OLD, NEW, "", "trust b a; 150 b1; later 20ms stop tvs a1; reset"
            => "? the step stop-service in the middle of a boot"),
        row!("L12", OLD, NEW, "", "remove b; keep b1; add b; 150 b1; reset"
            => "? a phone added at a node with old files"),
        row!("L12", OLD, NEW, "", "keep b1; stop tvs b1; off b1; on b1; 150 b1; reset"
            => "? a node with stopped services switched on again"),
        row!("faults", OLD, NEW, "", "trust b a; 150 b1; later 20ms restart tftp b1; reset"
            => "? the step restart-service in the middle of a boot"),
        row!("R2", OLD, NEW, "phone.after_refusal=tftp-server",
            "trust b a; remove b; 150 b1; reset"
            => "? a configuration not loaded, and phone.after_refusal = tftp-server"),
    ]);
}

/// A row of the table of moves that no test names would be a claim that nothing checks.
#[test]
fn every_move_of_the_table_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("docs/who-migrates.md")).unwrap();
    let tests = std::fs::read_to_string(root.join("tests/expected.rs")).unwrap();
    let moves: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| M")?.split(' ').next())
        .collect();
    assert!(moves.len() >= 30, "{moves:?}");
    for number in moves {
        // The phone of a third cluster is in the built-in scenario `third-cluster`.
        let named = number == "29" || tests.contains(&format!("\"M{number}"));
        assert!(named, "no test for row M{number}");
    }
}
