//! Inputs to begin with: the files under `testdata/`, and what the project itself would send.

use std::path::{Path, PathBuf};

use trustline::wire::tftp::{ErrorCode, Packet, error_packet};
use trustline::wire::tvs::{Answer, Command, Message, Request, Tags};

const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");

/// The files in these folders of `testdata/` whose names end so, in the order of their names.
fn files(folders: &[&str], ending: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(Path::new(TESTDATA).join(folder));
        let entries = entries.expect("the folder is there").flatten();
        paths.extend(entries.map(|e| e.path()));
    }
    paths.retain(|p| p.to_string_lossy().ends_with(ending));
    paths.sort();
    assert!(!paths.is_empty(), "no {ending} in {folders:?}");
    let read = |p: &PathBuf| std::fs::read(p).expect("a file of testdata is read");
    paths.iter().map(read).collect()
}

const VECTORS: [&str; 3] = ["vectors/good", "vectors/hostile", "vectors/tool"];

pub(super) fn trust_lists() -> Vec<Vec<u8>> {
    files(&VECTORS, ".tlv")
}

pub(super) fn signed_files() -> Vec<Vec<u8>> {
    files(&VECTORS, ".sgn")
}

pub(super) fn encrypted_files() -> Vec<Vec<u8>> {
    files(&VECTORS, ".enc.sgn")
}

pub(super) fn certificates() -> Vec<Vec<u8>> {
    files(&["vectors/keys", "tvs"], ".der")
}

pub(super) fn pkcs12_files() -> Vec<Vec<u8>> {
    files(&["vectors/p12"], ".p12")
}

pub(super) fn scenarios() -> Vec<Vec<u8>> {
    let mut all = files(
        &[
            "scenarios/bad",
            "scenarios/rules",
            "../scenarios",
            "../scenarios/provisioning",
        ],
        ".toml",
    );
    // What takes long to read is slow to fuzz.
    all.retain(|s| s.len() < 16_384);
    all
}

pub(super) fn tvs_messages() -> Vec<Vec<u8>> {
    let tags = Tags::default();
    let device = b"CP-8861-SEP001122334401".to_vec();
    let query = Request::Query {
        device: device.clone(),
        subject: b"CN=dst-pub;O=trustline lab".to_vec(),
        issuer: b"CN=dst-pub;O=trustline lab".to_vec(),
        serial: vec![0x5a, 0x4b, 0x49],
    };
    let verify = Request::Verify {
        device,
        certificate: b"0\x03\x02\x01\x01".to_vec(),
    };
    let found = Answer {
        status: 0,
        certificate: Some(b"0\x03\x02\x01\x01".to_vec()),
        roles: Some(vec![0, 4]),
        ttl_secs: Some(86_400),
    };
    let messages = [
        Message::from_request(&query, 1, &tags),
        Message::from_request(&verify, 2, &tags),
        Message::from_answer(&found, Command::QueryResponse, 1, &tags),
        Message::from_answer(&Answer::unknown(), Command::VerifyResponse, 2, &tags),
    ];
    let bytes = |m: &Message| m.emit().expect("a short message fits");
    messages.iter().map(bytes).collect()
}

pub(super) fn tftp_packets() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        &b"\0\x01CTLSEP001122334401.tlv\0octet\0"[..],
        b"\0\x01ITLFile.tlv\0octet\0tsize\x000\0blksize\x001428\0windowsize\x0016\0timeout\x001\0",
        b"\0\x02upload\0netascii\0",
        b"\0\x06blksize\x001428\0",
        b"\0\x03\0\x01some data",
    ]
    .iter()
    .map(|b| b.to_vec())
    .collect();
    all.push(Packet::Ack { block: 1 }.to_bytes());
    all.push(error_packet(ErrorCode::NOT_FOUND, "File not found"));
    all
}

pub(super) fn phone_configs() -> Vec<Vec<u8>> {
    let full = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<device xsi:type=\"axl:XIPPhone\">\n\
        <fullConfig>true</fullConfig><devicePool><callManagerGroup><members>\
        <member priority=\"0\"><callManager><processNodeName>src-pub</processNodeName>\
        <ports><ethernetPhonePort>2000</ethernetPhonePort><sipPort>5060</sipPort></ports>\
        </callManager></member></members></callManagerGroup></devicePool>\n\
        <TVS><members><member priority=\"0\"><port>2445</port><address>src-pub</address></member>\
        </members></TVS><deviceSecurityMode>1</deviceSecurityMode>\
        <transportLayerProtocol>2</transportLayerProtocol><certHash>&amp;x</certHash>\n</device>\n";
    let mut all = vec![full.as_bytes().to_vec(), b"<Default></Default>".to_vec()];
    // The plain text of signed configurations stands behind their headers.
    for file in signed_files() {
        if let Some(at) = file.windows(5).position(|w| w == b"<?xml") {
            all.push(file[at..].to_vec());
        }
    }
    all
}

/// Scripts for both ends: a download or a question that goes well, and steps that do not.
pub(super) fn scripts() -> Vec<Vec<u8>> {
    let mut smooth = vec![0, 100];
    smooth.extend([0; 60]);
    let mut windows = vec![7, 100, 64, 4];
    windows.extend([0, 2, 1, 3, 4, 0, 6, 30].repeat(20));
    let mut asks = vec![0, 3, b'S', b'E', b'P', 0, 1, b'a', 1, b'b', 2, 7, 7];
    asks.extend([6, 1, 0, 255, 2, 10, 2, 255]);
    let mut verifies = vec![1, 0, 1, 2, 7, 7];
    verifies.extend([6, 1, 0, 12, 5, 3, 1, 0, 200, 12, 2, 1, 2, 15, 6, 255]);
    vec![smooth, windows, asks, verifies, Vec::new()]
}
