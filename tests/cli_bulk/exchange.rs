//! The exchange of two clusters, in order and out of order.

use std::fs;

use serde_json::Value;

use crate::golden::compare;
use crate::session::Session;

#[test]
fn two_clusters_exchange_their_certificates() {
    let mut s = Session::start();
    let events = fs::read(s.world.dir().join("events.jsonl")).unwrap();
    s.ends("list --cluster source", 0);
    s.ends("export --cluster destination", 0);
    s.ends("list --cluster source", 0);
    s.ends("export --cluster source", 0);
    s.ends("consolidate --cluster source", 0);
    s.ends("import --cluster source", 0);
    s.ends("import --cluster destination", 0);
    compare("bulk-exchange", &s.said());

    let store = |cluster: &str, store: &str| {
        let dir = format!("clusters/{cluster}/stores/{store}");
        let mut names: Vec<_> = fs::read_dir(s.world.dir().join(dir))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .map(|name| name.rsplit_once('-').unwrap().0.to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(store("source", "tomcat-trust"), ["dst-pub"]);
    assert_eq!(
        store("source", "Phone-SAST-trust"),
        ["ITLRECOVERY_dst-pub", "dst-pub"]
    );
    let in_callmanager_trust = store("source", "CallManager-trust");
    assert_eq!(in_callmanager_trust.len(), 3);
    assert!(in_callmanager_trust[0].starts_with("CAPF-"));
    assert_eq!(store("destination", "tomcat-trust"), ["src-pub", "src-sub"]);
    assert!(
        !s.world
            .dir()
            .join("clusters/source/stores/CAPF-trust")
            .exists()
    );

    // Again, nothing is new, and the folder is a world as before.
    let before = s.world.files();
    let again = s.ends("import --cluster source", 0);
    assert!(
        again.contains("there already") && !again.contains("added"),
        "{again}"
    );
    assert!(s.world.files() == before);
    assert_eq!(
        fs::read(s.world.dir().join("events.jsonl")).unwrap(),
        events
    );
    trustline::cli::keep::prepare(s.world.dir()).unwrap();
}

#[test]
fn a_script_reads_json() {
    let mut s = Session::start();
    for line in ["export --cluster source", "export --cluster destination"] {
        s.ends(&format!("{line} --type tftp"), 0);
    }
    let json =
        |output: std::process::Output| -> Value { serde_json::from_slice(&output.stdout).unwrap() };
    let refused = s.bulk("import --cluster source --type TFTP --format json");
    assert_eq!(refused.status.code(), Some(1));
    let refused = json(refused);
    assert_eq!(refused["result"], "refused");
    assert!(refused["fix"].as_str().unwrap().contains("consolidate"));
    assert_eq!(
        refused["buttons"],
        serde_json::json!(["list", "export", "consolidate"])
    );
    let done = json(s.bulk("consolidate --cluster source --type TFTP --format json"));
    assert_eq!(
        done["written"],
        serde_json::json!([
            "consolidated_tftp.p12",
            "consolidated_callmanager-ecdsa.p12"
        ])
    );
    let done = json(s.bulk("import --cluster source --type TFTP --format json"));
    assert_eq!(done["result"], "done");
    let import = &done["import"];
    // The page of 10.5.2 leaves the companion where it is.
    assert_eq!(import["imported"].as_array().unwrap().len(), 1);
    let first = &import["imported"][0];
    assert_eq!(first["kind"], "CallManager");
    assert_eq!(first["cluster"], "destination");
    assert_eq!(first["stores"][0]["store"], "Phone-SAST-trust");
    assert_eq!(first["stores"][0]["result"], "added");
    assert_eq!(import["resets_phones"], true);
    assert_eq!(import["phones_at_home"].as_array().unwrap().len(), 5);
    assert_eq!(import["follow_ups"][0]["basis"], "assumed");
}

/// The rules of the world's scenario hold, and `--set` wins over them.
#[test]
fn rules_say_how_files_are_called_and_sealed() {
    let mut s = Session::start();
    let scenario = s.world.dir().join("scenario.toml");
    let text = fs::read_to_string(&scenario).unwrap();
    let rules = "\"bulk.file_names\" = \"type-node\"\n\"bulk.password\" = \"empty\"\n";
    let text = match text.split_once("[settings]\n") {
        Some((before, after)) => format!("{before}[settings]\n{rules}{after}"),
        None => format!("{text}\n[settings]\n{rules}"),
    };
    fs::write(&scenario, text).unwrap();
    let said = s.ends("export --cluster source --type TFTP", 0);
    assert!(said.contains("tftp_src-pub@source.p12"), "{said}");
    assert!(said.contains("with an empty password"), "{said}");
    let set = "--set bulk.file_names=node-type --set bulk.password=trustline";
    let said = s.ends(&format!("export --cluster source --type TFTP {set}"), 0);
    assert!(said.contains("src-pub@source_tftp.p12"), "{said}");
    assert!(
        said.contains("with the password of bulk.password"),
        "{said}"
    );
    // By the scenario's names, those of the other way are somebody else's.
    let said = s.ends("list --cluster source", 0);
    let is_foreign = |l: &str| l.contains("src-pub@source_tftp.p12") && l.contains("foreign");
    assert!(said.lines().any(is_foreign), "{said}");
    let both = "export --cluster destination --type TFTP";
    s.ends(both, 0);
    s.ends("consolidate --cluster source --type TFTP", 0);
    s.fails(
        "import --cluster source --type TFTP --set bulk.password=trustline",
        2,
        "the password is wrong",
    );
    s.ends("import --cluster source --type TFTP", 0);
}

#[test]
fn steps_out_of_order_name_the_missing_one() {
    let mut s = Session::start();
    // The server's key is known from here on.
    s.ends("list --cluster source", 0);
    s.fails(
        "import --cluster source",
        1,
        "export type All on both clusters",
    );
    s.fails(
        "consolidate --cluster source",
        1,
        "export type All on both clusters",
    );
    s.ends("export --cluster source", 0);
    s.fails(
        "consolidate --cluster source",
        1,
        "export type All on a cluster other than source too",
    );
    s.ends("export --cluster destination", 0);
    s.fails("import --cluster source", 1, "consolidate type All");
    s.ends("consolidate --cluster destination", 0);
    s.fails("consolidate --cluster source", 1, "consolidated already");
    s.fails(
        "export --cluster source --node src-sub",
        1,
        "open the page on src-pub",
    );
    s.fails(
        "export --cluster source --type ITL_Recovery",
        1,
        "does not offer",
    );
    // Usage.
    s.fails("export --cluster sorce", 2, "did you mean source?");
    s.fails(
        "export --cluster source --node src-sob",
        2,
        "did you mean src-sub?",
    );
    s.fails(
        "export --cluster source --type Tomcats",
        2,
        "possible values: All",
    );
    s.fails(
        "import --cluster source --host-key SHA256:x",
        2,
        "--host-key",
    );
    // The clock of the world counts: by that of today all have expired.
    s.fails(
        "import --cluster source --date 2040-01-01T00:00:00Z",
        1,
        "has expired; nothing was imported",
    );
    compare("bulk-order", &s.said());
    s.ends("import --cluster source", 0);
}

#[test]
fn a_certificate_that_was_made_anew_is_exported_again() {
    let mut s = Session::start();
    for line in [
        "export --cluster source",
        "export --cluster destination",
        "consolidate --cluster source",
    ] {
        s.ends(line, 0);
    }
    let certificates = s.world.dir().join("clusters/source/src-pub/certificates");
    // Any other one will do.
    fs::copy(
        certificates.join("TVS.pem"),
        certificates.join("CallManager.pem"),
    )
    .unwrap();
    let said = s.ends("export --cluster source --type TFTP", 0);
    assert!(
        said.contains("does not hold what was exported now"),
        "{said}"
    );
    s.fails("import --cluster destination", 1, "consolidate again");
    s.ends("consolidate --cluster source", 0);
    s.ends("import --cluster destination", 0);
}
