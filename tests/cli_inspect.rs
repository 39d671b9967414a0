//! `trustline inspect`: golden texts, the vectors' expectations, exit codes and streams.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests read and write files, and fail by panic"
)]

mod golden;

use std::process::Stdio;
use std::sync::Arc;

use golden::{check, command, run};
use serde_json::Value;
use trustline::cli::exit_code::ExitCode;
use trustline::cli::inspect::{MAX_FILE_BYTES, exit_code};
use trustline::phone::profile::Profile;
use trustline::report::inspect::{Judge, Outcome, document, human, inspect};
use trustline::report::text::Paint;
use trustline::trust::decrypt::DeviceKey;
use trustline::trust::installed::{InForce, InstalledList};
use trustline::trust::rules::{self, Settings};
use trustline::wire::element::{Element, header_tag, record_tag};
use trustline::wire::header::with_nul;
use trustline::wire::{Header, ListKind, Record, Role, SignedFile, Strictness, TrustList};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors");

/// The phone's clock: within the dates of the vectors' certificates.
const DATE: &str = "--date 2026-12-01T00:00:00Z";

fn vector(name: &str) -> Vec<u8> {
    std::fs::read(format!("{VECTORS}/{name}")).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Shorthand in golden lines: `T/`, `G/`, `H/`, `K/`, `P/` are the vectors' folders.
fn golden(name: &str, line: &str) {
    let mut line = format!("inspect {line}");
    for (short, folder) in [
        (" T/", "tool"),
        (" G/", "good"),
        (" H/", "hostile"),
        (" K/", "keys"),
        (" P/", "p12"),
    ] {
        line = line.replace(short, &format!(" testdata/vectors/{folder}/"));
    }
    check(name, &line);
}

#[test]
fn lists_have_the_layout_of_show() {
    golden("list-cucm-layout", "G/cucm-layout.tlv");
    golden("list-ctl", "T/ctl-a-v11-sha1.tlv");
    golden("list-all-roles", "T/itl-a-allroles-v11-sha512.tlv");
    golden("list-as-ctl", "G/cucm-layout.tlv --as ctl");
    golden("list-hash-fields", "G/cucm-layout-hash-fields.tlv");
    golden("list-name-escaped", "H/h152-filename-escape.tlv");
    golden("list-unknown-element", "H/h101-rec-tag-99.tlv");
    golden("list-trailing", "H/h091-trailing-pad.tlv");
    golden("list-without-certificate", "H/h124-rec-no-cert.tlv");
    golden("list-json", "G/cucm-layout.tlv --format json");
}

#[test]
fn a_signature_that_does_not_hold_says_why() {
    golden("own-changed", "H/h006-content-flip-cert.tlv");
    golden("own-digest", "H/h035-digest-id-4.tlv");
    golden("own-sha256", "H/h033-digest-sha256.tlv");
    golden(
        "own-sha256-accepted",
        "H/h033-digest-sha256.tlv --set trust.digest_sha256=accept",
    );
    golden("own-ec-signer", "H/h037-ecdsa-signer.tlv");
    golden("own-twins", "T/itl-twin-then-real.tlv");
    golden("own-other-role", "H/h132-signer-is-tvs-only.tlv");
    golden(
        "own-record-lies",
        "H/h135-sast-serial-claims-a-cert-rogue.tlv",
    );
    golden("own-bad-certificate", "H/h142-cert-garbage.tlv");
}

#[test]
fn damage_is_shown_with_its_place() {
    golden("damaged-empty", "H/h038-trunc-empty.tlv");
    golden(
        "damaged-cut-in-header",
        "H/h042-trunc-before-hlen-value.tlv",
    );
    golden("damaged-cut-in-record", "H/h050-trunc-in-sast-cert.tlv");
    golden("damaged-header-length", "H/h058-hlen-off-4.tlv");
    golden("damaged-element-length", "H/h072-name-len-crosses-hlen.tlv");
    golden("damaged-record-length", "H/h081-reclen-off-1.tlv");
    golden("damaged-duplicate", "H/h113-dup-rec-cert-rev.tlv");
    golden("damaged-missing", "H/h118-no-hash.tlv");
    golden("damaged-order", "H/h126-version-missing.tlv");
    golden("damaged-web-page", "H/h160-html-404.tlv");
    golden("damaged-is-der", "H/h164-der-instead.tlv");
    golden("damaged-is-signed-file", "H/h165-sgn-named-tlv.tlv");
    golden("damaged-signed-file", "H/h171-sgn-hlen-65535.cnf.xml.sgn");
    golden(
        "damaged-json",
        "H/h050-trunc-in-sast-cert.tlv --format json",
    );
}

#[test]
fn signed_files_are_judged_by_the_lists_of_a_phone() {
    let itl = "--trust T/itl-a-allroles-v11-sha1.tlv";
    let any_name = "--set trust.config_file_name=ignored";
    let case = |name: &str, file: &str, more: &str| {
        golden(name, &format!("{file} {itl} {DATE} {more}"));
    };
    golden("signed-unknown", "T/DialTemplate.xml.sgn");
    case("signed-trusted", "T/DialTemplate.xml.sgn", "");
    case(
        "signed-changed",
        "H/h166-sgn-payload-flip.cnf.xml.sgn",
        any_name,
    );
    case(
        "signed-other-name",
        "T/SEP001122334455.cnf.xml.wrongfilename.sgn",
        "",
    );
    case(
        "signed-wrong-role",
        "T/SEP001122334455.cnf.xml.wrongrole-app.sgn",
        any_name,
    );
    case(
        "signed-wrong-role-refused",
        "T/SEP001122334455.cnf.xml.wrongrole-app.sgn",
        "--set trust.config_file_name=ignored --set trust.wrong_role=refuse",
    );
    case(
        "signed-stranger",
        "T/SEP001122334455.cnf.xml.notinlist-b.sgn",
        any_name,
    );
    let encrypted = "T/SEP001122334455.cnf.xml.d-lsc.sha1.enc.sgn";
    let key = |key: &str| format!("{any_name} --device-key K/{key}.pem");
    case("encrypted", encrypted, any_name);
    case("encrypted-opened", encrypted, &key("d-lsc"));
    case("encrypted-other-key", encrypted, &key("a-sast"));
    case("encrypted-smaller-key", encrypted, &key("d-lsc-1024"));
    case(
        "encrypted-damaged",
        "H/h181-enc-digest-wrong.cnf.xml.enc.sgn",
        &key("d-lsc"),
    );
    case(
        "encrypted-json",
        encrypted,
        &(key("d-lsc") + " --format json"),
    );
    case(
        "encrypted-no-rsa-key",
        encrypted,
        "--device-key K/d-lsc-ec.pem",
    );
}

#[test]
fn certificates_are_shown() {
    golden("certificate-pem", "K/a-sast-ec.pem");
    golden("certificate-der", "K/s-negative.der");
    golden("certificate-json", "K/a-tvs.der --format json");
    golden(
        "certificate-damaged",
        "H/h188-random-00.tlv --as certificate",
    );
    golden("certificate-pkcs12", "P/modern.p12");
}

#[test]
fn a_phone_with_lists_says_what_it_does() {
    let case = |name: &str, line: &str| golden(name, &format!("{line} {DATE}"));
    let itl = "T/itl-a-v11-sha1.tlv";
    case("trust-installs", &format!("T/itl-a-next.tlv --trust {itl}"));
    case("trust-same", &format!("{itl} --trust {itl}"));
    case("trust-asks-tvs", &format!("T/itl-b.tlv --trust {itl}"));
    case(
        "trust-refuses",
        &format!("T/itl-rogue-twin.tlv --trust {itl}"),
    );
    case(
        "trust-ctl-and-itl",
        &format!("T/ctl-b.tlv --trust {itl} T/ctl-a-v11-sha1.tlv"),
    );
    case(
        "trust-cannot-ask",
        "T/itl-b.tlv --trust T/ctl-a-v11-sha1.tlv",
    );
    case(
        "trust-json",
        &format!("T/itl-b.tlv --trust {itl} --format json"),
    );
    case(
        "trust-damaged",
        &format!("H/h050-trunc-in-sast-cert.tlv --trust {itl}"),
    );
    case(
        "several-files",
        &format!("{itl} T/itl-b.tlv K/a-tvs.pem --trust {itl}"),
    );
}

#[test]
fn wrong_usage_is_explained() {
    golden("usage-no-file", "");
    golden("usage-swallowed", "--trust a.tlv");
    golden("usage-wrong-kind", "x --as tlv");
    golden("usage-wrong-rule", "x --set trust.wrong_rol=refuse");
    golden("usage-wrong-value", "x --set list.max_bytes=1");
    golden("usage-wrong-date", "x --date today");
    golden(
        "usage-two-itls",
        "T/itl-b.tlv --trust T/itl-b.tlv T/itl-a-v11-sha1.tlv",
    );
    golden(
        "usage-damaged-trust",
        "T/itl-b.tlv --trust H/h050-trunc-in-sast-cert.tlv",
    );
}

#[test]
fn what_cannot_be_opened_is_code_3_and_the_rest_is_still_shown() {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let good = "testdata/vectors/good/cucm-layout.tlv";
    let output = run(&["inspect", "no-such-file.tlv", good]);
    assert_eq!(output.status.code(), Some(3));
    let stderr = text(output.stderr);
    assert!(
        stderr.starts_with("error: cannot open no-such-file.tlv: "),
        "{stderr}"
    );
    assert!(text(output.stdout).contains("own signature: holds"));

    let output = run(&["inspect", "testdata"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(output.stderr).starts_with("error: cannot open testdata: "));

    for option in ["--trust", "--device-key"] {
        let output = run(&["inspect", good, option, "no-such-file"]);
        assert_eq!(output.status.code(), Some(3), "{option}");
    }

    // Malformed wins over what cannot be opened.
    let damaged = "testdata/vectors/hostile/h160-html-404.tlv";
    let output = run(&["inspect", "no-such-file.tlv", damaged, "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["files"][0]["outcome"], "not-opened");
    assert_eq!(json["files"][1]["outcome"], "damaged");
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ITLFile.tlv");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(MAX_FILE_BYTES + 1).unwrap();
    let output = run(&["inspect", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(&MAX_FILE_BYTES.to_string()), "{stderr}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let big = "testdata/vectors/good/many-records-200.tlv";
    let mut child = command(&["inspect", big])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn colour_is_only_where_it_is_wanted() {
    let file = "testdata/vectors/good/cucm-layout.tlv";
    let has_color = |args: &[&str]| run(args).stdout.contains(&0x1b);
    assert!(!has_color(&["inspect", file]), "stdout is no terminal");
    assert!(has_color(&["inspect", file, "--color", "always"]));
    assert!(!has_color(&["--color", "never", "inspect", file]));
    // What a file says never reaches the terminal raw.
    let escape = "testdata/vectors/hostile/h152-filename-escape.tlv";
    for format in ["human", "json"] {
        assert!(!has_color(&["inspect", escape, "--format", format]));
    }
}

/// A phone's ITL with one TFTP record: the signer of `file`, by the names in its header.
fn itl_for(file: &[u8], certificate: &[u8]) -> InstalledList {
    let strictness = Strictness::default();
    let (signed, _) = SignedFile::parse_partial(file, &strictness);
    let value = |tag, value: &[u8]| Element::<Vec<u8>>::value(tag, value);
    let record = Record {
        elements: vec![
            value(record_tag::FUNCTION, &Role::Tftp.code().to_be_bytes()),
            value(
                record_tag::ISSUER_NAME,
                &with_nul(signed.header.issuer_name().unwrap_or_default()),
            ),
            value(record_tag::SERIAL_NUMBER, signed.header.serial()),
            value(record_tag::CERTIFICATE, certificate),
        ],
    };
    let header = Header {
        elements: vec![
            value(header_tag::VERSION, &[1, 2]),
            value(header_tag::HEADER_LENGTH, &[0, 0]),
            value(header_tag::SERIAL_NUMBER, &[1]),
            value(header_tag::DIGEST_ALGORITHM, &[1]),
            value(header_tag::SIGNATURE, &[0; 256]),
        ],
    };
    let list = TrustList {
        header,
        records: vec![record],
        trailing: Vec::new(),
    };
    InstalledList::parse(ListKind::Itl, Arc::from(list.emit().unwrap())).unwrap()
}

/// Exit code of one vector, with a phone's list and key where it is a signed file.
fn code_of(vector_of: &Value, with_key: bool) -> ExitCode {
    let name = vector_of["file"].as_str().unwrap();
    let bytes = vector(name);
    let mut settings = Settings::default();
    // The vectors are not saved under the names that a phone asks for.
    let file_name = rules::find("trust.config_file_name").unwrap();
    settings.choose(file_name, file_name.parse("ignored").unwrap());
    let signed = vector_of["kind"] != "tlv";
    let itl = signed.then(|| {
        let signer = vector_of["signer"].as_str().unwrap();
        itl_for(&bytes, &vector(&format!("keys/{signer}.der")))
    });
    let key = if name.contains("d-lsc-1024") {
        "keys/d-lsc-1024.pem"
    } else {
        "keys/d-lsc.pem"
    };
    let key = DeviceKey::from_pem(&vector(key)).unwrap();
    let judge = Judge {
        profile: Profile::named("8800").unwrap(),
        settings: &settings,
        installed: itl.as_ref().map(|itl| InForce {
            ctl: None,
            itl: Some(itl),
        }),
        device_key: with_key.then_some(&key),
        passwords: &[],
        now: 1_796_083_200,
    };
    exit_code(&inspect(name, &bytes, None, &judge))
}

/// Classes of defects that leave no list or file to judge. What is whole, and lies, is judged.
const MALFORMED: &[&str] = &[
    "truncated",
    "header-length-lies",
    "tlv-length-lies",
    "record-length-lies",
    "duplicate-tag",
    "missing-tag",
    "order",
];

#[test]
fn every_vector_gets_its_exit_code() {
    let index: Value = serde_json::from_slice(&vector("index.json")).unwrap();
    let vectors = index["vectors"].as_array().unwrap();
    assert!(vectors.len() > 150, "{}", vectors.len());
    let mut wrong = Vec::new();
    for v in vectors {
        let code = code_of(v, true);
        // Cut behind the header it is a whole list without records.
        let malformed = MALFORMED.contains(&v["class"].as_str().unwrap())
            && v["file"] != "hostile/h047-trunc-header-only.tlv";
        let judged = matches!(code, ExitCode::Negative | ExitCode::Usage);
        let fits = match v["expect"].as_str().unwrap() {
            "accept" => code == ExitCode::Good,
            "reject" if malformed => code == ExitCode::Usage,
            "reject" => judged,
            "reject-at-decrypt" => {
                code == ExitCode::Negative && code_of(v, false) == ExitCode::Good
            }
            "policy" => judged || code == ExitCode::Good,
            other => panic!("{}: unknown expectation {other}", v["file"]),
        };
        if !fits {
            wrong.push(format!("{} {} {code:?}", v["file"], v["expect"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_cut_and_no_flipped_bit_is_taken_or_stops_the_report() {
    let settings = Settings::default();
    let key = DeviceKey::from_pem(&vector("keys/d-lsc.pem")).unwrap();
    let itl = "tool/itl-a-allroles-v11-sha1.tlv";
    let itl = InstalledList::parse(ListKind::Itl, vector(itl).into()).unwrap();
    let judge = Judge {
        profile: Profile::named("8800").unwrap(),
        settings: &settings,
        installed: Some(InForce {
            ctl: None,
            itl: Some(&itl),
        }),
        device_key: Some(&key),
        passwords: &[],
        now: 1_796_083_200,
    };
    let look = |name: &str, bytes: &[u8], what: &str, judge: &Judge<'_>| {
        let inspection = inspect(name, bytes, None, judge);
        assert_ne!(inspection.outcome(), Outcome::Good, "{name}, {what}");
        assert!(!human(&inspection, Paint::new(false)).contains('\x1b'));
        assert!(document(&[inspection.json()]).len() > 100);
    };
    for (path, name) in [
        ("tool/DialTemplate.xml.sgn", "DialTemplate.xml.sgn"),
        (
            "tool/SEP001122334455.cnf.xml.d-lsc.sha1.enc.sgn",
            "SEP001122334455.cnf.xml.enc.sgn",
        ),
        ("good/cucm-layout.tlv", "ITLFile.tlv"),
    ] {
        let whole = vector(path);
        // Every byte of the header; of the rest, a sample. Without a phone, for speed, but for some.
        let places = (0..whole.len()).filter(|&n| n < 600 || n % 11 == 0);
        for n in places {
            let installed = judge.installed.filter(|_| n % 16 == 0);
            let judge = Judge { installed, ..judge };
            look(name, &whole[..n], &format!("cut at {n}"), &judge);
            let mut flipped = whole.clone();
            flipped[n] ^= 1 << (n % 8);
            let what = format!("bit {} of byte {n} flipped", n % 8);
            look(name, &flipped, &what, &judge);
        }
    }
}

#[test]
fn the_trust_matrix_holds() {
    let matrix: Value = serde_json::from_slice(&vector("trust_matrix.json")).unwrap();
    let rows = matrix.as_array().unwrap();
    let mut seen = [0; 3];
    for row in rows {
        let Some(installed) = row["installed"].as_str() else {
            continue;
        };
        let candidate = row["candidate"].as_str().unwrap();
        let outcome = row["outcome"].as_str().unwrap();
        let itl = InstalledList::parse(ListKind::Itl, vector(installed).into()).unwrap();
        let settings = Settings::default();
        let judge = Judge {
            profile: Profile::named("8800").unwrap(),
            settings: &settings,
            installed: Some(InForce {
                ctl: None,
                itl: Some(&itl),
            }),
            device_key: None,
            passwords: &[],
            now: 1_796_083_200,
        };
        let bytes = vector(candidate);
        let inspection = inspect(candidate, &bytes, None, &judge);
        let word = inspection.ruling.as_ref().unwrap().word();
        let (n, fits) = if outcome.starts_with("install") {
            (0, matches!(word, "takes" | "keeps"))
        } else if outcome.starts_with("ask TVS") {
            (1, matches!(word, "asks-tvs" | "cannot-ask-tvs"))
        } else if outcome.starts_with("reject") {
            (2, word == "refuses")
        } else {
            continue;
        };
        seen[n] += 1;
        assert!(
            fits,
            "{installed}, {candidate}: {outcome}, and the phone {word}"
        );
    }
    assert!(seen.iter().all(|&n| n > 0), "{seen:?}");
}
