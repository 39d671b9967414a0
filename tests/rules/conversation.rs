//! One phone that talks to servers which answer by hand: what it sends, byte for byte, and when.
//! Here shows what no scenario can, where both ends follow the same rule.
//!
//! The situation is that of the recording R1: an 8861 is offered a CTL whose signer it does not
//! know, so it asks TVS. One of these TVS answers with another certificate, the others take the
//! question and say nothing. Over HTTPS nobody listens; over HTTP the server forbids the CTL, is
//! silent about the phone's own ITL, and has nothing else. TFTP says nothing about the node's ITL.

use std::net::{Ipv4Addr, SocketAddr};

use trustline::cluster::Registration;
use trustline::phone::{
    BootCause, Flash, HttpFailure, HttpInput, Identity, Output, Pace, Phone, PhoneSetup, Profile,
    TvsInput, flash,
};
use trustline::time::Time;
use trustline::trust::rules::{Rule, Settings};
use trustline::wire::element::{Element, header_tag};
use trustline::wire::header::with_nul;
use trustline::wire::phone_config::{PhoneConfig, TvsServer};
use trustline::wire::tvs::{Answer, Command, Message, STATUS_FOUND, Tags};
use trustline::wire::{Header, ListKind, Role, TrustList};

use crate::lab;

const DEVICE: &str = "SEPB000B4BA0AEE";

/// The recorded QUERY: its length, and the bytes that were published (Cisco 213407).
const QUERY_LENGTH: usize = 153;
const QUERY_START: [u8; 50] = *b"\x57\x01\x03\x00\x00\x00\x03\xe9\x00\x8f\x01\x00\x18\x01CP-8861-SEPB000B4BA0AEE\x03\x00BCN=ucm11pu";

/// The most that happens in a boot before it counts as endless.
const MAX_STEPS: usize = 10_000;

/// The connection to the TVS that does answer: neither the first nor the last.
const THE_ONE_THAT_ANSWERS: u32 = 2;

pub(crate) struct Conversation {
    under_defaults: Vec<String>,
}

impl Conversation {
    pub(crate) fn new() -> Self {
        Self {
            under_defaults: both(&Settings::default()),
        }
    }

    /// The first thing that the phone sends or does otherwise under a choice.
    pub(crate) fn change(&self, rule: &Rule, other: i64) -> Option<String> {
        let mut settings = Settings::default();
        settings.choose(rule, other);
        let difference = crate::difference(&self.under_defaults, &both(&settings))?;
        Some(format!(
            "a phone that asks TVS, then one with a damaged list, {difference}"
        ))
    }
}

/// What a phone with its list says and does, and then one whose list is cut off.
fn both(settings: &Settings) -> Vec<String> {
    let itl = lab::file_once("tool/itl-a-v11-sha1.tlv");
    let damaged = itl[..itl.len() - 1].to_vec();
    let of = |itl| talk(settings.clone(), itl);
    [of(itl), of(damaged)].concat()
}

/// The list of recording R1, as far as it is known: its signer.
fn recorded_ctl() -> Vec<u8> {
    let subject = "CN=ucm11pub.stormin.local;OU=IST;O=Stormin;L=Brisbane;ST=QLD;C=AU";
    let serial = [
        0x24, 0, 0, 0, 0x17, 0x94, 0x79, 0xb8, 0xf1, 0x24, 0xac, 0x3f, 0x3b, 0, 0, 0, 0, 0, 0x17,
    ];
    let elements = vec![
        Element::value(header_tag::VERSION, [1, 2]),
        Element::value(header_tag::HEADER_LENGTH, [0, 0]),
        Element::container(
            header_tag::SIGNER_ID,
            vec![
                Element::value(header_tag::SIGNER_NAME, with_nul(subject)),
                Element::value(header_tag::SERIAL_NUMBER, serial),
                Element::value(header_tag::CA_NAME, with_nul("CN=stormin-WIN2012-CA")),
            ],
        ),
        Element::container(
            header_tag::SIGNATURE_INFO,
            vec![Element::value(header_tag::DIGEST_ALGORITHM, [1])],
        ),
        Element::value(header_tag::SIGNATURE, vec![0; 256]),
        Element::value(header_tag::FILE_NAME, with_nul(ListKind::Ctl.file_name())),
        Element::value(header_tag::TIMESTAMP, lab::SIGNED_AT.to_be_bytes()),
    ];
    let list = TrustList {
        header: Header { elements },
        records: vec![lab::record(Role::Sast, "b-sast")],
        trailing: Vec::new(),
    };
    list.emit().unwrap()
}

/// What the phone says and does from its start to the end of the boot.
fn talk(settings: Settings, itl: Vec<u8>) -> Vec<String> {
    let tvs = (0..5).map(|priority| TvsServer {
        priority,
        host: format!("tvs-{priority}"),
        port: 2_445,
    });
    let config = PhoneConfig {
        tvs: tvs.collect(),
        ..PhoneConfig::default()
    };
    let mut held = Flash::default();
    held.put(ListKind::Itl.file_name(), itl.into());
    held.put(flash::CONFIG, config.emit().into_bytes().into());
    let setup = PhoneSetup {
        identity: Identity {
            device: DEVICE.into(),
            model: "CP-8861".into(),
            certificate: None,
        },
        profile: Profile::named("8800").unwrap(),
        settings,
        pace: Pace::Real,
        clock: lab::NOW,
        clock_ahead: 0,
        option_150: vec![Ipv4Addr::LOCALHOST],
        dhcp: None,
        cause: BootCause::Reset,
    };
    let mut now = Time::ZERO;
    let mut phone = Phone::boot(setup, &held, now);
    let mut lines = Vec::new();
    let ctl = recorded_ctl();
    for _ in 0..MAX_STEPS {
        match phone.poll_output() {
            Some(Output::Datagram {
                transfer, payload, ..
            }) => {
                lines.push(format!("{now} sends {}", payload.escape_ascii()));
                if let Some(answer) = answer(&payload, &ctl) {
                    let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
                    phone.handle_datagram(now, transfer, from, &answer);
                }
            }
            Some(Output::HttpOpen { request, to, tls }) => {
                lines.push(format!("{now} opens {to}"));
                let input = match tls {
                    true => HttpInput::Failed(HttpFailure::Refused("refused".into())),
                    false => HttpInput::Connected {
                        certificate: None,
                        tls: None,
                    },
                };
                phone.handle_http(now, request, input);
            }
            Some(Output::HttpGet { request, path, .. }) => {
                lines.push(format!("{now} gets {path}"));
                let status = match &path[1..4] {
                    "CTL" => 403,
                    "ITL" if path.contains(DEVICE) => continue,
                    _ => 404,
                };
                let answer = HttpInput::Answer {
                    status,
                    reason: "No".into(),
                    body: Vec::new(),
                };
                phone.handle_http(now, request, answer);
            }
            Some(Output::TvsConnect {
                connection, host, ..
            }) => {
                lines.push(format!("{now} connects to {host}"));
                let up = TvsInput::Connected {
                    certificate: lab::certificate("a-tvs"),
                    tls: "none".into(),
                };
                phone.handle_tvs(now, connection, up);
            }
            Some(Output::TvsWrite { connection, bytes }) => {
                lines.push(format!("{now} asks {}", bytes.escape_ascii()));
                if connection == THE_ONE_THAT_ANSWERS {
                    let answer = TvsInput::Bytes(tvs_answer(&bytes));
                    phone.handle_tvs(now, connection, answer);
                }
            }
            Some(Output::Flash { operation, .. }) => {
                lines.push(format!("{now} {} {}", operation.name(), operation.file()));
            }
            Some(Output::Register { host, .. }) => {
                lines.push(format!("{now} registers with {host}"));
                phone.handle_registered(now, Registration::Accepted);
            }
            Some(Output::Event(event)) => lines.push(serde_json::to_string(&event).unwrap()),
            Some(
                Output::Dhcp { .. }
                | Output::Resolve { .. }
                | Output::CloseTransfer { .. }
                | Output::HttpClose { .. }
                | Output::TvsClose { .. },
            ) => {}
            None if phone.is_over() => return lines,
            None => {
                let timeout = phone.next_timeout();
                now = now.max(timeout.expect("a phone that does nothing waits for something"));
                phone.handle_timeout(now);
            }
        }
    }
    panic!("the boot does not end:\n{}", lines.join("\n"));
}

/// What a real TVS would write to a question, about another certificate.
fn tvs_answer(question: &[u8]) -> Vec<u8> {
    let session = question[4..8].try_into().map(u32::from_be_bytes).unwrap();
    let answer = Answer {
        status: STATUS_FOUND,
        certificate: Some(lab::certificate("b-sast")),
        roles: Some(vec![0, 2]),
        ttl_secs: Some(86_400),
    };
    let message = Message::from_answer(&answer, Command::QueryResponse, session, &Tags::default());
    message.emit().unwrap()
}

/// A TFTP server that has the CTL and nothing else, without options. A request for the node's ITL
/// never reaches it.
fn answer(request: &[u8], ctl: &[u8]) -> Option<Vec<u8>> {
    const BLOCK: usize = 512;
    let data = |block: u16| {
        let start = (usize::from(block) - 1) * BLOCK;
        let part = ctl.get(start..)?;
        let part = &part[..part.len().min(BLOCK)];
        Some([&[0, 3], &block.to_be_bytes()[..], part].concat())
    };
    match *request {
        [0, 1, ref name @ ..] if name.starts_with(b"CTL") => data(1),
        [0, 1, ref name @ ..] if name.starts_with(b"ITLFile") => None,
        [0, 1, ..] => Some(b"\x00\x05\x00\x01File not found\x00".to_vec()),
        [0, 4, high, low] => data(u16::from_be_bytes([high, low]) + 1),
        _ => None,
    }
}

#[test]
fn the_question_is_the_recorded_one() {
    let lines = both(&Settings::default());
    let asked: Vec<_> = lines.iter().filter(|l| l.contains(" asks ")).collect();
    assert_eq!(asked.len(), 3, "three servers are tried");
    let start = QUERY_START.escape_ascii().to_string();
    assert!(asked[0].contains(&start), "{}", asked[0]);
    let told = lines.iter().find(|l| l.contains(r#""kind":"tvs-asked""#));
    let bytes = format!(r#""bytes":{QUERY_LENGTH}"#);
    assert!(told.unwrap().contains(&bytes), "{told:?}");
}
