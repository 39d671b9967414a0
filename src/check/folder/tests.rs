use super::*;
use crate::check::evidence::{Door, FileReply, TvsReply};
use crate::cluster::bulk::EntryName;
use crate::cluster::bulk::p12::{self, Form, P12Entry};
use crate::cluster::x509::{self, Name, Request, self_signed};
use crate::cluster::{CertificateKind, KeyBits, KeyPool, PublicCertificate, Release, TrustStore};
use crate::rng::Rng;
use crate::wire::Digest;

fn certificate(name: &str, kind: CertificateKind) -> Arc<PublicCertificate> {
    let request = Request {
        kind,
        subject: Name::new(name, "Voice"),
        host: name,
        serial: x509::serial(&mut Rng::stream(1, name), 16),
        not_before: 1_583_053_200,
        not_after: 1_683_053_200,
        digest: Digest::Sha256,
    };
    let key = KeyPool::new(1).take(KeyBits::B1024);
    self_signed(&request, key).unwrap().public
}

fn read_all(files: &[(&str, &[u8])]) -> Read {
    let files = files.iter();
    let files: Files = files.map(|(p, b)| ((*p).to_owned(), (*b).into())).collect();
    let options = Options {
        name: "voice",
        place: "dir",
        passwords: &["wrong".to_owned(), "secret".to_owned()],
        settings: &Settings::default(),
    };
    read(&files, &options)
}

/// A bulk export of one node.
fn exported(cluster: &str, certificates: &[(&str, CertificateKind)], password: &str) -> Vec<u8> {
    let entry = |(node, kind): &(&str, CertificateKind)| {
        let name = EntryName {
            cluster: cluster.into(),
            node: (*node).into(),
            kind: *kind,
            release: Release::V14,
        };
        P12Entry {
            alias: Some(name.to_string()),
            der: certificate(node, *kind).der.clone(),
        }
    };
    let entries: Vec<_> = certificates.iter().map(entry).collect();
    p12::write(&entries, password, Form::Modern, 2).unwrap()
}

#[test]
fn exports_name_nodes_and_their_certificates() {
    let kinds = [
        ("a-pub", CertificateKind::CallManager),
        ("a-pub", CertificateKind::Tomcat),
    ];
    let p12 = exported("a", &kinds, "secret");
    let found = read_all(&[("a-pub@a_tftp.p12", &p12)]);
    let [node] = &found.side.nodes[..] else {
        panic!("one node: {found:?}")
    };
    assert_eq!(node.name, "a-pub");
    let own: Vec<_> = node.certificates.iter().map(|(k, _)| k.as_str()).collect();
    assert_eq!(own, ["CallManager", "tomcat"]);
    // Of what it serves nothing is known, and nothing of who answers.
    assert!(node.tftp.door.get().is_none() && node.tftp.reply("ITLFile.tlv").get().is_none());
    let closed = exported("a", &kinds, "another");
    let found = read_all(&[("a-pub@a_tftp.p12", &closed)]);
    let told = found.side.failures.join("\n");
    assert!(
        told.contains("a-pub@a_tftp.p12: the password is wrong"),
        "{told}"
    );
}

#[test]
fn a_consolidated_export_adds_no_node_and_no_foreign_certificate() {
    let both = [
        ("a-pub", CertificateKind::CallManager),
        ("b-pub", CertificateKind::CallManager),
    ];
    let p12 = exported("a", &both, "secret");
    let config =
        br#"<device><devicePool><callManagerGroup><members><member priority="0"><callManager>
        <processNodeName>a-pub</processNodeName></callManager></member></members></callManagerGroup>
        </devicePool></device>"#;
    let found = read_all(&[
        ("consolidated_tftp.p12", &p12),
        ("a-pub/SEP001122334455.cnf.xml", config),
    ]);
    let names: Vec<_> = found.side.nodes.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["a-pub"]);
    let own = &found.side.nodes[0].certificates;
    assert!(own.len() == 1 && own[0].1.subject_text.contains("CN=a-pub"));
    assert!(
        found.notes.iter().any(|n| n.contains("CN=b-pub")),
        "{found:?}"
    );
}

#[test]
fn stores_without_files_are_empty_and_stores_without_folders_unknown() {
    let own = certificate("a-pub", CertificateKind::CallManager);
    let files: [(&str, &[u8]); 5] = [
        ("a-pub/certificates/CallManager.pem", &own.der),
        ("a-pub/tftp/ITLFile.tlv", b"list"),
        ("stores/Phone-SAST-trust/", b""),
        ("stores/CallManager-trust/.gitkeep", b""),
        ("stores/no-store/x.pem", b"x"),
    ];
    let node = &read_all(&files).side.nodes[0];
    assert_eq!(node.stores[&TrustStore::PhoneSast], Known::Yes(Vec::new()));
    assert_eq!(
        node.stores[&TrustStore::CallManager],
        Known::Yes(Vec::new())
    );
    assert!(node.stores[&TrustStore::Tomcat].get().is_none());
    assert!(node.stores[&TrustStore::Capf].get().is_none());
    assert_eq!(node.tvs.others, Known::Yes(TvsReply::Unknown));
    let node = &read_all(&files[..3]).side.nodes[0];
    let Known::No(why) = &node.tvs.others else {
        panic!("CallManager-trust is not there")
    };
    assert!(why.contains("CallManager-trust"), "{why}");
    // Without its own certificates a stranger may be one of them.
    let node = &read_all(&files[1..]).side.nodes[0];
    assert!(node.tvs.others.get().is_none());
}

#[test]
fn one_damaged_certificate_makes_its_store_unknown() {
    let files: [(&str, &[u8]); 2] = [
        ("a-pub/tftp/ITLFile.tlv", b"list"),
        ("a-pub/stores/Phone-SAST-trust/x.pem", b"nothing"),
    ];
    let found = read_all(&files).side;
    assert!(
        found.nodes[0].stores[&TrustStore::PhoneSast]
            .get()
            .is_none()
    );
    assert!(found.failures[0].contains("x.pem"), "{:?}", found.failures);
}

#[test]
fn services_open_and_close_doors() {
    let list = b"Cisco Tftp[STOPPED]  Service Not Activated\r\n cisco callmanager [ STARTED ]\r\n\
                 Cisco Trust Verification Service[STARTING]\r\nCisco CallManager Serviceability[STOPPED]\n";
    let found = read_all(&[
        ("a-pub/ITLFile.tlv", b"list"),
        ("a-pub/services.txt", list),
        (
            "a-pub/not-served.txt",
            b"# none\r\nctlfile.tlv # mixed mode is off\r\n\r\nITLFile.tlv\n",
        ),
    ]);
    let node = &found.side.nodes[0];
    assert_eq!(node.tftp.door, Known::Yes(Door::Silent));
    assert_eq!(node.http.door, Known::Yes(Door::Refused));
    assert_eq!(node.callmanager, Known::Yes(Door::Open));
    assert!(matches!(&node.tvs.door, Known::No(why) if why.contains("STARTING")));
    let missing = Known::Yes(FileReply::NotFound);
    assert_eq!(*node.tftp.reply("CTLFile.tlv"), missing);
    assert_ne!(*node.tftp.reply("ITLFile.tlv"), missing);
    assert!(found.notes.iter().any(|n| n.contains("the file counts")));
}

#[test]
fn parameters_and_cached_files_are_read() {
    let list = b"SEP001122334455.cnf.xml\t1234\r\n<a>SEP001122334466.cnf.xml.sgn</a>,Ringlist.xml";
    let found = read_all(&[
        ("a-pub/ITLFile.tlv", b"list"),
        ("ConfigFileCacheList.txt", list),
        (
            "parameters.txt",
            b"Auto-Registration = Off\nprepare-cluster-for-rollback=maybe\n",
        ),
    ]);
    let parameters = &found.side.parameters;
    let names = ["SEP001122334455.cnf.xml", "SEP001122334466.cnf.xml.sgn"];
    assert_eq!(
        parameters.cached_files,
        Known::Yes(names.map(str::to_owned).to_vec())
    );
    assert_eq!(parameters.auto_registration, Known::Yes(false));
    assert!(parameters.prepare_for_rollback.get().is_none());
    assert_eq!(found.side.nodes.len(), 1, "the list of phones is no node's");
}

#[test]
fn a_store_that_is_too_large_is_unknown() {
    let der = certificate("x", CertificateKind::CallManager).der.clone();
    let names: Vec<_> = (0..1_001)
        .map(|n| format!("a-pub/stores/CallManager-trust/{n}.der"))
        .collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &der[..])).collect();
    let found = read_all(&files).side;
    assert!(
        found.nodes[0].stores[&TrustStore::CallManager]
            .get()
            .is_none()
    );
    assert!(
        found.failures[0].contains("limit of 1000"),
        "{:?}",
        found.failures
    );
}
