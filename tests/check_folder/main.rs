//! Clusters put into folders by hand and read again: what is predicted from the files is what is
//! predicted from the clusters, or unknown, and never better.

#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]
#![allow(clippy::disallowed_methods, reason = "tests read scenarios")]

mod concluded;
mod namesakes;
mod phones;
mod predicted;
mod sample;
mod shapes;
mod unnamed;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use der::pem::{LineEnding, encode_string};
use trustline::check::evidence::{At, Door, FileReply, Known, Node, Side, Sides};
use trustline::check::folder::{self, Files, Options, Read};
use trustline::check::predict::{Move, Prediction, Subject, predict};
use trustline::cluster::PublicCertificate;
use trustline::scenario::exported::{self, Looked};
use trustline::scenario::words::Verdict;
use trustline::scenario::{Rules, parse};
use trustline::trust::rules::Settings;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn scenario_text(name: &str) -> String {
    let path = Path::new(ROOT).join("scenarios").join(name);
    fs::read_to_string(path).unwrap()
}

fn looked(text: &str) -> Option<Looked> {
    let scenario = parse("world.toml", text, &Rules).unwrap();
    exported::before_move(&scenario).ok()
}

fn read(name: &str, files: &Files) -> Read {
    read_by(name, files, &Settings::default())
}

fn read_by(name: &str, files: &Files, settings: &Settings) -> Read {
    let options = Options {
        name,
        place: name,
        passwords: &["secret".to_owned(), String::new()],
        settings,
    };
    folder::read(files, &options)
}

fn pem(certificate: &PublicCertificate) -> Arc<[u8]> {
    let pem = encode_string("CERTIFICATE", LineEnding::LF, &certificate.der);
    pem.unwrap().into_bytes().into()
}

/// The folder that an engineer would make of a node.
fn put_node(files: &mut Files, at: &str, node: &Node) {
    let mut put = |path: String, bytes: &[u8]| {
        files.insert(format!("{at}{path}"), bytes.into());
    };
    let mut not_served = String::from("# what the node does not have\n");
    for (name, reply) in &node.tftp.replies {
        match reply {
            Known::Yes(FileReply::File(bytes)) => put(format!("tftp/{name}"), bytes),
            Known::Yes(_) => not_served.push_str(&format!("{name}\n")),
            Known::No(_) => {}
        }
    }
    put("not-served.txt".into(), not_served.as_bytes());
    for (kind, certificate) in &node.certificates {
        put(format!("certificates/{kind}.pem"), &pem(certificate));
    }
    for (store, held) in &node.stores {
        put(format!("stores/{store}/.keep"), b"");
        for (number, certificate) in held.get().unwrap().iter().enumerate() {
            put(format!("stores/{store}/{number}.pem"), &pem(certificate));
        }
    }
    let state = |door: &Known<Door>| match door.get() {
        Some(Door::Open) => "[STARTED]",
        _ => "[STOPPED]  Commanded Out of Service",
    };
    let services = format!(
        "Requesting service status, please wait...\nCisco Tftp{}\nCisco CallManager{}\n\
         Cisco CallManager Serviceability[STARTED]\nCisco Trust Verification Service{}\n",
        state(&node.tftp.door),
        state(&node.callmanager),
        state(&node.tvs.door)
    );
    put("services.txt".into(), services.as_bytes());
}

fn by_hand(side: &Side) -> Files {
    let mut files = Files::new();
    for node in &side.nodes {
        put_node(&mut files, &format!("{}/", node.name), node);
    }
    let yes = |known: &Known<bool>| {
        if known.get() == Some(&true) {
            "yes"
        } else {
            "no"
        }
    };
    let parameters = format!(
        "auto-registration = {}\nprepare-cluster-for-rollback = {}\n",
        yes(&side.parameters.auto_registration),
        yes(&side.parameters.prepare_for_rollback)
    );
    files.insert("parameters.txt".into(), parameters.as_bytes().into());
    files
}

fn sides_of(folders: &[(String, Files)]) -> Sides {
    let read = |(name, files): &(String, Files)| read(name, files).side;
    Sides::of(folders.iter().map(read).collect())
}

/// Sends a phone to all TFTP nodes of a cluster.
fn sent(sides: &Sides, subject: &Subject, to: &str) -> Prediction {
    let of_side = |at: &At| sides.sides[at.0].name == to;
    let serves = |node: &Node| {
        node.tftp
            .replies
            .values()
            .any(|r| r.get().is_some_and(|r| r.file().is_some()))
    };
    let nodes = sides
        .nodes()
        .filter(|(at, node)| of_side(at) && serves(node));
    let plan = Move {
        option_150: nodes.map(|(at, _)| sides.address(at)).collect(),
        resets: 3,
    };
    predict(sides, subject, &plan)
}

fn follows(prediction: &Prediction) -> bool {
    matches!(prediction.verdict, Verdict::Migrated | Verdict::Unchanged)
}

/// One phone of each cluster.
fn subjects(looked: &Looked) -> BTreeMap<&str, &Subject> {
    let mut subjects = BTreeMap::new();
    for (home, subject) in &looked.phones {
        subjects.entry(home.as_str()).or_insert(subject);
    }
    subjects
}

fn built_in() -> Vec<(String, Looked)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(Path::new(ROOT).join("scenarios")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            all.extend(looked(&text).map(|looked| (name, looked)));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Of a scenario whose phones follow through TVS: both folders and the phone.
fn migration() -> (Vec<(String, Files)>, Subject) {
    let looked = looked(&scenario_text("non-secure-migration.toml")).unwrap();
    let folders = looked.sides.sides.iter();
    let folders: Vec<_> = folders.map(|s| (s.name.clone(), by_hand(s))).collect();
    let subject = subjects(&looked)["source"].clone();
    (folders, subject)
}
