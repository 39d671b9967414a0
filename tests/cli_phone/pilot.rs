//! One pilot phone with the source's lists, sent to the destination.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::thread;

use der::pem::{LineEnding, encode_string};
use serde_json::Value;
use trustline::cluster::KeyPool;
use trustline::event::KINDS;
use trustline::phone::flash::CONFIG;

use crate::lab::{DEVICE, Lab, said, stderr, stdout, text};

const TO: [&str; 3] = ["--tftp", "dst-pub", "--once"];

#[test]
fn it_follows_where_the_sources_tvs_vouches() {
    let lab = Lab::of("non-secure-migration");
    let output = lab.run_seeded(&TO);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let told = stdout(&output);
    for line in [
        "TVS src-pub:2445 knows the signer: SAST, TFTP, for 24 h",
        "shows \"Trust List updated\"",
        "SEP..4401: follows these servers",
        "replaced after asking TVS: 7,240 bytes, signed by CN=dst-pub",
        "would turn to dst-pub",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let itl = lab.held("ITLFile.tlv").unwrap();
    assert!(lab.rehearsed.lab().clusters()[1].owner_of(&itl).is_some());
    // It lives on: the second boot finds what it holds.
    let output = lab.run(&TO);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(stdout(&output).contains("the ITL is the installed one"));
    assert_eq!(lab.held("ITLFile.tlv").unwrap(), itl);
}

#[test]
fn it_says_why_it_does_not_follow_and_what_to_do() {
    let lab = Lab::of("certificates-not-imported");
    let output = lab.run_seeded(&TO);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = stdout(&output);
    for line in [
        "SEP..4401: does not follow these servers",
        "[signer-unknown-to-tvs]",
        "shows      ",
        "\"Trust List update failed\"",
        "fix        import the certificate CN=dst-pub 4D:8C:..:B7 into Phone-SAST-trust",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let before = lab.before("ITLFile.tlv").map(|p| std::fs::read(p).unwrap());
    assert_eq!(lab.held("ITLFile.tlv"), before);
}

#[test]
fn both_lists_of_a_secure_cluster_are_replaced() {
    let lab = Lab::of("secure-migration");
    let output = lab.run_seeded(&TO);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for file in ["CTLFile.tlv", "ITLFile.tlv"] {
        let held = lab.held(file).unwrap();
        assert!(lab.rehearsed.lab().clusters()[1].owner_of(&held).is_some());
    }
}

#[test]
fn a_signed_configuration_seeds_like_a_plain_one() {
    let lab = Lab::of("non-secure-migration");
    let name = format!("{DEVICE}.cnf.xml.sgn");
    let src = lab.rehearsed.lab().host("src-pub").unwrap();
    let signed = lab.rehearsed.lab().open(src, &name).unwrap();
    let path = lab.dir.path().join(&name);
    std::fs::write(&path, signed).unwrap();
    let itl = lab.before("ITLFile.tlv").unwrap();
    let mut args = vec!["--installed", &itl, "--config", text(&path)];
    args.extend(TO);
    let output = lab.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(stdout(&output).contains("TVS src-pub:2445 knows the signer"));
}

#[test]
fn a_server_is_named_by_address_and_port_too() {
    let lab = Lab::of("non-secure-migration");
    let at = lab.at("dst-pub", "tftp");
    // Without a lab's line, HTTP would go to the machine's own port 6970.
    let output = lab.run(&["--tftp", &at, "--once", "--set", "http.first=no"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(stdout(&output).contains("option 150 names 127.0.0.1"));
    assert!(stdout(&output).contains("leap of faith"));
}

/// The TVS of a configuration by its own address and port, without any lab in between.
#[test]
fn tvs_is_found_where_the_configuration_says() {
    let lab = Lab::of("non-secure-migration");
    let config = lab.before(CONFIG).unwrap();
    let xml = std::fs::read_to_string(&config).unwrap();
    let tvs = lab.at("src-pub", "tvs");
    let (_, port) = tvs.split_once(':').unwrap();
    let changed = xml
        .replace("<address>src-pub</address>", "<address>localhost</address>")
        .replace("2445", port);
    assert_ne!(changed, xml);
    std::fs::write(&config, changed).unwrap();
    let itl = lab.before("ITLFile.tlv").unwrap();
    let mut args = vec!["--installed", &itl, "--config", &config];
    args.extend(TO);
    let output = lab.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let line = format!("TVS localhost:{port} knows the signer");
    assert!(stdout(&output).contains(&line), "{}", said(&output));
}

#[test]
fn a_name_that_does_not_resolve_is_named() {
    let lab = Lab::of("non-secure-migration");
    // Names of the configuration are the system's to resolve where no lab is given.
    std::fs::write(
        lab.ready(),
        r#"{"schema_version":1,"kind":"ready","nodes":[]}"#,
    )
    .unwrap();
    let at = lab.at("dst-pub", "tftp");
    let output = lab.run_seeded(&["--tftp", &at, "--once", "--set", "http.first=no"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = stdout(&output);
    assert!(told.contains("src-pub does not resolve"), "{told}");
    assert!(
        told.contains("fix        let this machine resolve"),
        "{told}"
    );
}

#[test]
fn without_an_answer_the_exit_code_is_3() {
    let lab = Lab::of("non-secure-migration");
    // Bound, and mute.
    let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = mute.local_addr().unwrap().to_string();
    let quick = [
        "--set",
        "tftp.retries=0",
        "--set",
        "tftp.timeout_ms=50",
        // It would go to the machine's own port 6970.
        "--set",
        "http.first=no",
    ];
    let mut args = vec!["--tftp", &at, "--once"];
    args.extend(quick);
    let output = lab.run(&args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let told = stdout(&output);
    assert!(told.contains("SEP..4401: no server answered"), "{told}");
    assert!(told.contains("UDP port 69"), "{told}");
    // A second server that answers makes it a verdict.
    let mut args = vec!["--tftp", &at, "--tftp", "dst-pub", "--once"];
    args.extend(quick);
    let output = lab.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn events_are_lines_of_json() {
    let lab = Lab::of("non-secure-migration");
    let output = lab.run_seeded(&[&TO[..], &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let told = stdout(&output);
    let lines: Vec<Value> = told
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(line["schema_version"], 1);
        assert_eq!(line["seq"], n);
        assert_eq!(line["actor"], DEVICE);
        assert!(KINDS.contains(&line["kind"].as_str().unwrap()), "{line}");
    }
    let last = lines.last().unwrap();
    assert_eq!(last["kind"], "phone-judged");
    assert_eq!(last["outcome"], "follows");
    let not_tried = lines.iter().find(|l| l["kind"] == "registration-not-tried");
    assert_eq!(not_tried.unwrap()["servers"][0], "dst-pub");
    assert!(!lines.iter().any(|l| l["kind"] == "registered"));
}

#[test]
fn an_lsc_is_shown_to_tvs() {
    let lab = Lab::of("non-secure-migration");
    let (certificate, key) = {
        let clusters = lab.rehearsed.lab();
        let name = format!("CP-8861-{DEVICE}");
        let mut keys = KeyPool::new(7);
        let lsc = clusters.clusters()[0].issue_lsc(&name, 1_583_053_200, &mut keys);
        let lsc = lsc.unwrap();
        (lsc.public.der.clone(), lsc.key.pkcs8().to_vec())
    };
    let pem = |label: &str, der: &[u8], file: &str| {
        let path = lab.dir.path().join(file);
        std::fs::write(&path, encode_string(label, LineEnding::LF, der).unwrap()).unwrap();
        text(&path).to_owned()
    };
    let certificate = pem("CERTIFICATE", &certificate, "lsc.pem");
    let right = pem("PRIVATE KEY", &key, "lsc.key");
    let output = lab.run_seeded(&[&["--lsc", &certificate, &right, "-v"], &TO[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(stdout(&output).contains("client certificate LSC"));

    let other = KeyPool::new(8).take(trustline::cluster::KeyBits::B2048);
    let other = pem("PRIVATE KEY", other.pkcs8(), "other.key");
    for (key, expected) in [
        (other.as_str(), "is not the key of"),
        (certificate.as_str(), "no private key in PEM"),
        ("no-such.key", "cannot open"),
    ] {
        let output = lab.run(&[&["--lsc", &certificate, key], &TO[..]].concat());
        assert!(
            matches!(output.status.code(), Some(2 | 3)),
            "{}",
            said(&output)
        );
        assert!(stderr(&output).contains(expected), "{}", said(&output));
    }
}

/// A TVS that finds no TLS in common, as one of an old release does: no version, or no suite.
#[test]
fn an_old_tvs_is_told_apart() {
    for (alert, wanted) in [
        (70, "seems to want TLS 1.0 or 1.1"),
        (
            40,
            "seems to want a suite without forward secrecy, such as AES256-SHA",
        ),
    ] {
        let told = refused_by_an_alert(alert);
        assert!(told.contains(wanted), "{told}");
        // A lab's TVS is never spoken to in old TLS.
        let fix = match cfg!(feature = "legacy-tls") {
            false => "fix        build trustline with `--features legacy-tls`",
            true => "fix        allow it with `--legacy-tls when-refused`",
        };
        assert!(told.contains(fix), "{told}");
        assert!(told.contains("[tvs-handshake-failed]"), "{told}");
    }
}

/// What the phone prints when every TVS ends the handshake with this alert.
fn refused_by_an_alert(alert: u8) -> String {
    let lab = Lab::of("non-secure-migration");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let alert = [0x15, 3, 1, 0, 2, 2, alert];
    thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else {
                return;
            };
            let _ = connection.read(&mut [0; 4_096]);
            let _ = connection.write_all(&alert);
        }
    });
    let ready = std::fs::read_to_string(lab.ready()).unwrap();
    let ready = ready.replace(&lab.at("src-pub", "tvs"), &at.to_string());
    let ready = ready.replace(&lab.at("src-sub", "tvs"), &at.to_string());
    std::fs::write(lab.ready(), ready).unwrap();
    let output = lab.run_seeded(&TO);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    stdout(&output)
}

#[test]
fn a_model_or_a_server_that_cannot_be_is_refused_at_once() {
    let lab = Lab::of("non-secure-migration");
    for (args, code, expected) in [
        (&["--tftp", "dst-pubb"][..], 3, "did you mean dst-pub?"),
        (
            &["--tftp", "dst-pub", "--model", "CP-1"],
            2,
            "the argument '--model",
        ),
        (&["--once"], 2, "--tftp"),
    ] {
        let output = lab.run(args);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(stderr(&output).contains(expected), "{}", said(&output));
    }
    assert!(!lab.flash().exists());
}
