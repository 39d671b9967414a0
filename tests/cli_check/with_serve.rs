//! Live, against the clusters of a scenario that `trustline serve` runs.

use std::path::Path;
use std::process::Output;

use crate::golden::{command, run};
use crate::served::Served;
use crate::{said, told};

/// Two clusters with a node each, four steps: trust, TVS restart, option 150, reset.
const SCENARIO: &str = "testdata/scenarios/suite/follows.toml";

/// The clusters after some steps, and a folder with their ready line.
struct Clusters {
    served: Served,
    dir: tempfile::TempDir,
}

impl Clusters {
    fn after(steps: &str) -> Self {
        let args = ["serve", SCENARIO, "--steps", steps];
        let served = Served::start_with_orders(&mut command(&args));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ready.json"), format!("{}\n", served.ready)).unwrap();
        Self { served, dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn check(&self, more: &[&str]) -> Output {
        let lab = self.path("ready.json");
        let mut args = vec![
            "check",
            "--from",
            "tftp://src-pub",
            "--to",
            "tftp://dst-pub",
        ];
        args.extend([
            "--lab",
            &lab,
            "--rate",
            "500",
            "--device",
            "SEP001122334401",
        ]);
        args.extend(more);
        run(&args)
    }
}

#[test]
fn what_is_asked_of_live_clusters_says_who_follows() {
    for (steps, code, expected) in [("none", 1, "stranded"), ("all", 0, "follows through TVS")] {
        let clusters = Clusters::after(steps);
        let output = clusters.check(&[]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(told(&output).contains(expected), "{}", said(&output));
        drop(clusters.served);
    }
}

/// Nothing is known of a TVS that was not asked.
/// What the command line says of a TVS counts by whatever name of its node, and a name that nobody has
/// is not passed over.
#[test]
fn a_tvs_is_overruled_by_any_name_of_its_node() {
    let clusters = Clusters::after("all");
    for (tvs, told_so) in [
        ("SRC-PUB=127.0.0.1:1", "TVS of src-pub"),
        ("src-pub.example.com=127.0.0.1:1", "TVS of src-pub"),
        (
            "nosuch=127.0.0.1:1",
            "--tvs nosuch=...: no node is called so",
        ),
    ] {
        let output = clusters.check(&["--tvs", tvs, "--timeout", "2"]);
        assert_ne!(output.status.code(), Some(0), "{tvs}: {}", said(&output));
        assert!(told(&output).contains(told_so), "{tvs}: {}", said(&output));
        let follows = told(&output).contains("1 of 1 phone follows");
        assert_eq!(
            follows,
            tvs.starts_with("nosuch"),
            "{tvs}: {}",
            said(&output)
        );
    }
}

#[test]
fn a_tvs_elsewhere_is_asked_there() {
    let clusters = Clusters::after("all");
    // Somebody listens there who is no TVS.
    let http = clusters.served.at("src-pub", "http").to_string();
    let tvs = format!("--tvs={http}");
    let output = clusters.check(&[&tvs, "--timeout", "1"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(told(&output).contains("unknown"), "{}", said(&output));
    assert!(said(&output).contains("TVS of"), "{}", said(&output));
    let real = clusters.served.at("src-pub", "tvs").to_string();
    let tvs = format!("--tvs={real}");
    let output = clusters.check(&[&tvs]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_phone_that_the_destination_does_not_know_is_never_good() {
    let clusters = Clusters::after("all");
    let lab = clusters.path("ready.json");
    let mut args = vec![
        "check",
        "--from",
        "tftp://src-pub",
        "--to",
        "tftp://dst-pub",
    ];
    args.extend([
        "--lab",
        &lab,
        "--rate",
        "500",
        "--device",
        "SEP00AA00AA00AA",
    ]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(Path::new(&lab).exists());
}

#[test]
fn servers_of_option_150_are_nodes_or_addresses() {
    let clusters = Clusters::after("all");
    let output = clusters.check(&["--option-150", "dst-pup"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("did you mean dst-pub?"));
    let output = clusters.check(&["--option-150", "src-pub"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("phones would stay there"));
    let output = clusters.check(&["--option-150", "10.255.0.1"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(told(&output).contains("10.255.0.1"), "{}", said(&output));
}

/// A node that says nothing is named, and what the others say counts.
#[test]
fn one_dead_node_does_not_hide_the_others() {
    let clusters = Clusters::after("all");
    let mute = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tftp = mute.local_addr().unwrap().port();
    let http = closed.local_addr().unwrap().port();
    drop(closed);
    let lab = clusters.path("ready.json");
    let from = format!("tftp://src-pub,tftp://127.0.0.1:{tftp},http://127.0.0.1:{http}");
    let record = clusters.path("record");
    let read = clusters.check(&["--record", &record]);
    assert_eq!(read.status.code(), Some(0), "{}", said(&read));
    let itl = Path::new(&record).join("from/src-pub/tftp/ITLFile.tlv");
    let sha1 = trustline::phone::file_facts("", &std::fs::read(itl).unwrap()).sha1;
    let inventory = clusters.path("phones.csv");
    let row = |itl_sha1: &str| {
        let text = format!("device,model,itl_sha1\nSEP001122334401,CP-8861,{itl_sha1}\n");
        std::fs::write(&inventory, text).unwrap();
    };
    let mut args = vec!["check", "--from", &from, "--to", "tftp://dst-pub"];
    args.extend(["--lab", &lab, "--rate", "500", "--timeout", "0.5"]);
    args.extend(["--phones", &inventory]);
    // What the dead one would have given to phones nobody knows.
    row("");
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let may_be = "the ITL of 127.0.0.1, which it may hold, nobody read";
    assert!(told(&output).contains(may_be), "{}", said(&output));
    row(&sha1);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let told = told(&output);
    assert!(told.contains("follows through TVS"), "{}", said(&output));
    assert!(
        told.contains("TFTP of 127.0.0.1 does not answer"),
        "{}",
        said(&output)
    );
    assert!(
        told.contains("127.0.0.1 hands out no files"),
        "{}",
        said(&output)
    );
}

/// A node that --to names is what option 150 will name, whether it can be read or not: nobody knows what
/// phones meet there.
#[test]
fn a_node_of_the_destination_that_nobody_can_read_stays_in_option_150() {
    let clusters = Clusters::after("all");
    let lab = clusters.path("ready.json");
    let mut args = vec!["check", "--from", "tftp://src-pub", "--to"];
    args.extend(["tftp://nobody.invalid,tftp://dst-pub", "--lab", &lab]);
    args.extend(["--rate", "500", "--timeout", "2"]);
    args.extend(["--device", "SEP001122334401"]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let words = told(&output);
    for part in ["0 of 1 phone follows, 1 unknown", "entry 1: nobody.invalid"] {
        assert!(words.contains(part), "{part}: {}", said(&output));
    }
    // Whoever says so leaves it out.
    args.extend(["--option-150", "dst-pub"]);
    let output = run(&args);
    assert!(
        told(&output).contains("1 of 1 phone follows"),
        "{}",
        said(&output)
    );
}

#[test]
fn without_a_phone_it_is_said_how_to_name_one() {
    let clusters = Clusters::after("all");
    let lab = clusters.path("ready.json");
    let mut args = vec![
        "check",
        "--from",
        "tftp://src-pub",
        "--to",
        "tftp://dst-pub",
    ];
    args.extend(["--lab", &lab, "--rate", "500"]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        crate::stderr(&output).contains("--device"),
        "{}",
        said(&output)
    );
    assert!(
        told(&output).contains("put SEP<MAC>.cnf.xml.sgn"),
        "{}",
        said(&output)
    );
    assert!(
        !told(&output).contains("nobody looked"),
        "{}",
        said(&output)
    );
}

/// What was looked at is kept, and says the same when nobody is there any more.
#[test]
fn a_recording_of_live_clusters_says_the_same_again() {
    let clusters = Clusters::after("all");
    let record = clusters.path("record");
    let output = clusters.check(&["--record", &record, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let Clusters { served, dir: _dir } = clusters;
    drop(served);
    let (from, to) = (format!("{record}/from"), format!("{record}/to"));
    let mut args = vec!["check", "--from", &from, "--to", &to, "--format", "json"];
    args.extend(["--device", "SEP001122334401"]);
    let again = run(&args);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    let groups = |output: &Output| {
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["schema_version"], 1);
        document["groups"].clone()
    };
    assert_eq!(groups(&output), groups(&again));
}

/// TVS of files in a folder is asked where the command line says it is, and nobody else is.
#[test]
fn a_tvs_is_asked_beside_a_folder() {
    let clusters = Clusters::after("all");
    let record = clusters.path("record");
    let output = clusters.check(&["--record", &record]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let from = Path::new(&record).join("from");
    let mut removed = 0;
    for node in std::fs::read_dir(&from).unwrap() {
        let told = node.unwrap().path().join("tvs.json");
        removed += usize::from(std::fs::remove_file(told).is_ok());
    }
    assert!(removed > 0);
    let (from, to) = (from.to_str().unwrap(), format!("{record}/to"));
    let mut args = vec!["check", "--from", from, "--to", &to];
    args.extend(["--device", "SEP001122334401", "--rate", "500"]);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let tvs = clusters.served.at("src-pub", "tvs").to_string();
    args.extend(["--tvs", &tvs]);
    let output = run(&args);
    assert!(
        told(&output).contains("follows through TVS"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_certificate_is_shown_to_tvs_with_its_own_key_alone() {
    let clusters = Clusters::after("all");
    let keys = "testdata/vectors/keys";
    let certificate = format!("{keys}/d-lsc.der");
    for (key, code) in [("d-lsc.pem", 0), ("d-lsc-1024.pem", 2)] {
        let key = format!("{keys}/{key}");
        let output = clusters.check(&["--client-cert", &certificate, "--client-key", &key]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    }
}
