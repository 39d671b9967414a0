//! The formats: what is read is written back as it was, and an error points into the input.

use std::sync::OnceLock;

use trustline::cluster::bulk::p12;
use trustline::scenario::{self, Rules};
use trustline::trust::certificate::{Certificate, escape_for_terminal, name_text};
use trustline::trust::decrypt::{DeviceKey, decrypt};
use trustline::wire::phone_config::PhoneConfig;
use trustline::wire::tftp::Packet;
use trustline::wire::tvs::{Duplicates, Message, Prefix, Tags};
use trustline::wire::{Header, SignedFile, Strictness, TrustList};

/// The choices of a reader: what phones are seen to do, all that can be tolerated, all that can be
/// refused.
fn strictnesses() -> [Strictness; 3] {
    let all = |refuse| Strictness {
        refuse_unknown: refuse,
        refuse_duplicates: refuse,
        refuse_missing: refuse,
        require_containers: refuse,
        refuse_trailing: refuse,
        refuse_odd_names: refuse,
        refuse_version: refuse,
    };
    [Strictness::default(), all(false), all(true)]
}

pub(super) fn trust_list(data: &[u8]) {
    for strictness in strictnesses() {
        let partial = TrustList::parse_partial(data, &strictness);
        assert!(partial.list.records.len() <= data.len());
        look_at(&partial.list.header);
        for record in &partial.list.records {
            record.role();
            record.ip_address();
            if let Some(der) = record.certificate() {
                certificate(der);
            }
        }
        match partial.fault {
            Some(fault) => {
                assert!(fault.offset <= data.len(), "{fault}");
                assert!(TrustList::parse(data, &strictness).is_err());
            }
            None => {
                let list = partial.list;
                assert_eq!(list.size(), data.len());
                assert!(list.emit().as_deref() == Ok(data), "written back");
                assert!(
                    list.to_owned().emit().as_deref() == Ok(data),
                    "from owned fields"
                );
                list.is_empty_for_rollback();
            }
        }
    }
}

pub(super) fn signed_file(data: &[u8]) {
    for strictness in strictnesses() {
        let (file, fault) = SignedFile::parse_partial(data, &strictness);
        look_at(&file.header);
        file.encryption();
        match fault {
            Some(fault) => assert!(fault.offset <= data.len(), "{fault}"),
            None => {
                assert_eq!(file.size(), data.len());
                assert!(file.emit().as_deref() == Ok(data), "written back");
                assert!(
                    file.to_owned().emit().as_deref() == Ok(data),
                    "from owned fields"
                );
            }
        }
    }
}

fn look_at(header: &Header<&[u8]>) {
    header.signature_span();
    header.digest();
    escape_for_terminal(header.signature());
}

pub(super) fn encrypted_file(data: &[u8]) {
    /// The smallest key there is, so that unwrapping is fast.
    static KEY: OnceLock<DeviceKey> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let pem = include_bytes!("../../testdata/vectors/keys/d-lsc-1024.pem");
        DeviceKey::from_pem(pem).expect("the vector is a key")
    });
    signed_file(data);
    if let Ok(file) = SignedFile::parse(data, &Strictness::default())
        && let Ok(plain) = decrypt(&file, key)
    {
        assert!(plain.len() < file.body.len(), "padding is always there");
    }
}

pub(super) fn certificate(data: &[u8]) {
    match Certificate::parse(data) {
        Err(fault) => assert!(fault.offset <= data.len(), "{fault:?}"),
        Ok(c) => {
            assert!(data.starts_with(c.der));
            for name in [c.subject, c.issuer] {
                let text = name_text(name, ',');
                assert!(text.len() <= 64 * data.len().max(64), "a name grows");
                escape_for_terminal(text.as_bytes());
            }
            c.public_key.list_form();
        }
    }
}

pub(super) fn tvs_message(data: &[u8]) {
    let tags = Tags::default();
    let prefix = Prefix::read(data, &tags);
    let message = match Message::parse(data, &tags) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            assert_eq!(prefix.problem, Some(error));
            return;
        }
    };
    assert!(message.emit().as_deref() == Ok(data), "written back");
    for duplicates in [Duplicates::Refuse, Duplicates::LastWins] {
        if let Ok(request) = message.request(&tags, duplicates) {
            let made = Message::from_request(&request, message.session, &tags);
            let bytes = made.emit().expect("what fitted fits");
            let again = Message::parse(&bytes, &tags).expect("own bytes are read");
            assert_eq!(again.request(&tags, Duplicates::Refuse), Ok(request));
        }
        if let Ok(answer) = message.answer(&tags, duplicates) {
            let made = Message::from_answer(&answer, message.command, message.session, &tags);
            let bytes = made.emit().expect("what fitted fits");
            let again = Message::parse(&bytes, &tags).expect("own bytes are read");
            assert_eq!(again.answer(&tags, Duplicates::Refuse), Ok(answer));
        }
    }
}

pub(super) fn tftp_packet(data: &[u8]) {
    match Packet::parse(data) {
        Ok(packet) => assert!(packet.to_bytes() == data, "{packet:?}"),
        Err(error) => assert!(error.offset <= data.len(), "{error}"),
    }
}

pub(super) fn phone_config(data: &[u8]) {
    let Ok(config) = PhoneConfig::parse(data) else {
        return;
    };
    let text = config.emit();
    // Own bytes hold no more than was read, in words of a bounded length.
    assert!(text.len() <= 4_096 + 512 * data.len());
    let again = PhoneConfig::parse(text.as_bytes());
    assert_eq!(
        again.as_ref(),
        Ok(&config),
        "read from its own bytes:\n{text}"
    );
    PhoneConfig::parse(config.emit_default().as_bytes()).expect("own bytes are read");
}

pub(super) fn pkcs12(data: &[u8]) {
    // The password of the vectors.
    const PASSWORD: &str = "cisco";
    let Ok(contents) = p12::open(data, PASSWORD) else {
        assert!(p12::read(data, PASSWORD).is_err());
        return;
    };
    assert!(contents.entries.len() <= p12::MAX_CERTIFICATES);
    if let Ok(entries) = p12::read(data, PASSWORD) {
        assert!(contents.has_mac && contents.keys == 0);
        assert!(entries == contents.entries);
    }
}

pub(super) fn scenario(data: &[u8]) {
    let Ok(text) = scenario::parse::decode("fuzz.toml", data) else {
        return;
    };
    match scenario::parse("fuzz.toml", text, &Rules) {
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in &errors {
                assert!(error.to_string().contains("fuzz.toml"), "{error}");
            }
        }
        Ok(scenario) => {
            let count = scenario.phone_count();
            assert!(count <= scenario::parse::MAX_PHONES);
            for e in &scenario.expectations {
                let numbers = e.phones.resolve(&scenario.phones);
                assert!(numbers.iter().all(|n| (1..=count).contains(n)));
            }
        }
    }
}
