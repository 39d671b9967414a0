//! The guide's page "HTTPS provisioning" (Cisco 8832, firmware 11.3(1)), sentence by sentence: seed
//! `000_475d2cc2c19a43dd.txt`. Sentences are counted from the page's first; the three lines of
//! examples belong to sentence 10, and the page's foot is none.

use trustline::provisioning::authority::{self, Issuer, Root, ServerForm, Terms};
use trustline::provisioning::device::{Device, MacAttribute, mac_of, mac_text};
use trustline::provisioning::request::{self, Request as SigningRequest};
use trustline::trust::certificate::Certificate;
use trustline::wire::Digest;

use crate::certificates::{Draft, NOW, YEAR};
use crate::world::{FOREIGN, Phone, ROOT, answering, around, ip, server, with_chain};

const HERE: &str = "10.1.1.1";
const ELSEWHERE: &str = "10.9.9.9";

/// One rule of a sentence, and what shows that it holds.
struct Row {
    sentence: u8,
    rule: &'static str,
    holds: fn() -> bool,
}

const fn row(sentence: u8, rule: &'static str, holds: fn() -> bool) -> Row {
    Row {
        sentence,
        rule,
        holds,
    }
}

/// The deciding reason of a resync with a server of this name, where DNS has these entries.
fn code(name: &str, dns: &[(&str, &[&str])]) -> &'static str {
    let mut around = around([], [(HERE, server(name))]);
    for (name, all) in dns {
        let all = all.iter().map(|a| ip(a)).collect();
        around.dns.insert((*name).to_owned(), all);
    }
    Phone::with_rule("https://10.1.1.1/a")
        .resync(&around)
        .code()
}

/// [`code`], where DNS has the name before the slash at the server's address.
fn named(name: &str) -> &'static str {
    let host = name.split('/').next().unwrap_or_default();
    code(name, &[(host, &[HERE])])
}

fn signed_by(root: &Draft) -> &'static str {
    let chain = vec![Draft::of("sprov.callme.com").by(root)];
    let around = around([("sprov.callme.com", &[HERE])], [(HERE, with_chain(chain))]);
    Phone::with_rule("https://sprov.callme.com/a")
        .resync(&around)
        .code()
}

const TAKEN: &str = "provisioned";

/// What an authority of the test's gives for a request.
fn signs(request: &[u8]) -> Option<Vec<u8>> {
    let root_key = crate::certificates::key(trustline::cluster::key::KeyBits::B2048);
    let terms = |years: u64| Terms {
        serial: [1; authority::SERIAL_BYTES],
        not_before: NOW,
        not_after: NOW + years * YEAR,
        digest: Digest::Sha256,
    };
    let root = authority::root(Root::Server, "Lab", &*root_key, &terms(20)).ok()?;
    let request = SigningRequest::parse(request).ok()?;
    let issuer = Issuer::new(&root, &*root_key).ok()?;
    issuer.server(&request, ServerForm::Sipura, &terms(1)).ok()
}

/// Two phones with certificates of their own and one rule, and a server of ours, over TLS: whom the
/// server took each for, and what each was given. `present` says whose certificate each shows.
#[cfg(feature = "provisioning")]
fn on_sockets(devices: &[Device; 2], present: [usize; 2]) -> Vec<(Option<Device>, String)> {
    use std::sync::mpsc;

    use trustline::net::provisioning::client::Client;
    use trustline::net::provisioning::dns::Dns;
    use trustline::net::provisioning::server::{ProvisioningServer, Refusing};
    use trustline::net::tls::{Identity, TlsOptions, TlsVersions};
    use trustline::provisioning::server::Roots;

    const TLS: TlsOptions = TlsOptions {
        versions: TlsVersions::Only12,
        legacy: true,
    };
    let bits = trustline::cluster::key::KeyBits::B2048;
    let root_key = crate::certificates::key(bits);
    // The server's clock is the system's.
    let terms = Terms {
        serial: [2; authority::SERIAL_BYTES],
        not_before: 0,
        not_after: NOW + 100 * YEAR,
        digest: Digest::Sha256,
    };
    let root = authority::root(Root::Client, "Lab", &*root_key, &terms).unwrap();
    let issuer = Issuer::new(&root, &*root_key).unwrap();
    let identities = devices.each_ref().map(|device| {
        let key = crate::certificates::key(bits);
        let made = issuer.device(device, MacAttribute::State, key.spki(), &terms);
        Identity {
            certificate: made.unwrap(),
            key: key.pkcs8().to_vec(),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    for device in devices {
        let mac = mac_text(device.mac.unwrap());
        let profile = format!("<flat-profile><GPP_A>{mac}</GPP_A></flat-profile>");
        #[allow(clippy::disallowed_methods, reason = "a server's folder")]
        std::fs::write(folder.path().join(format!("{mac}.xml")), profile).unwrap();
    }
    let (tell, told) = mpsc::channel();
    let server = ProvisioningServer::new(
        folder.path(),
        Roots::new(vec![root.clone()]).unwrap(),
        Refusing::Handshake,
        move |told| tell.send(told).unwrap(),
    );
    let server = server.unwrap();
    let shown = Draft::of("sprov.callme.com");
    let shown = Identity {
        certificate: shown.by(&ROOT),
        key: shown.key.pkcs8().to_vec(),
    };
    let tls = server.tls(&shown, TLS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        tokio::spawn(server.serve(listener, tls, std::future::pending()));
        let mut seen = Vec::new();
        for (device, whose) in devices.iter().zip(present) {
            let phone = Phone::with_rule(&format!("https://{here}/$MA.xml"));
            // Nobody is asked for names here.
            let mut phone = phone.set("provision.dns_check", "skipped");
            phone.device = device.clone();
            let dns = Dns::of(here).unwrap();
            let client = Client::new(dns, Some(identities[whose].clone()));
            let mut resync = phone.machine();
            client.run(&mut resync, |_| {}).await;
            let told = told.try_recv().unwrap();
            let given = resync.parameters().get("GPP_A").to_owned();
            seen.push((told.device.map(|(device, _)| device), given));
        }
        seen
    })
}

const ROWS: &[Row] = &[
    row(1, "the phone provisions over HTTPS", || {
        named("sprov.callme.com") == TAKEN
    }),
    row(1, "a server without TLS is none for an https rule", || {
        let around = around([], [(HERE, with_chain(Vec::new()))]);
        Phone::with_rule("https://10.1.1.1/a")
            .resync(&around)
            .code()
            == "tls-failed"
    }),
    #[cfg(feature = "provisioning")]
    row(2, "each phone has a client certificate of its own", || {
        let devices = ["000e08abcdef", "000e08abcdee"].map(|mac| Device {
            product: "CP-8832-3PCC".into(),
            serial: format!("LAB{mac}"),
            mac: mac_of(mac),
        });
        let macs = devices.each_ref().map(|d| mac_text(d.mac.unwrap()));
        let [one, two] = devices.clone().map(Some);
        let own = on_sockets(&devices, [0, 1]);
        // With the other's certificate a phone is the other one, and its own profile is refused.
        let crossed = on_sockets(&devices, [1, 0]);
        let [mac_one, mac_two] = macs;
        own == [(one.clone(), mac_one), (two.clone(), mac_two)]
            && crossed == [(two, String::new()), (one, String::new())]
    }),
    row(2, "rules see whether it is there: $CCERT", || {
        let rule =
            "(\"$CCERT\" eq \"Installed\")? https://10.1.1.1/with | https://10.1.1.1/without";
        let asked = |has_certificate| {
            let around = around(
                [("sprov.callme.com", &[HERE])],
                [(HERE, server("sprov.callme.com"))],
            );
            let mut phone = Phone::with_rule(rule);
            phone.has_certificate = has_certificate;
            phone.resync(&around).asked().concat()
        };
        asked(true).contains("/with ") && asked(false).contains("/without ")
    }),
    row(2, "the phone has the root of its servers", || {
        signed_by(&ROOT) == TAKEN
    }),
    row(
        3,
        "a server that is not signed under the root is rejected",
        || signed_by(&FOREIGN) == "issuer-unknown",
    ),
    row(3, "a server that signed itself is rejected", || {
        let chain = vec![Draft::of("sprov.callme.com").self_signed()];
        let around = around([("sprov.callme.com", &[HERE])], [(HERE, with_chain(chain))]);
        Phone::with_rule("https://10.1.1.1/a")
            .resync(&around)
            .code()
            == "issuer-unknown"
    }),
    row(
        3,
        "an issuer of the root's name with another key is rejected",
        || {
            let mut forged = (*FOREIGN).clone();
            forged.subject.clone_from(&ROOT.subject);
            signed_by(&forged) == "signature-bad"
        },
    ),
    row(3, "a rejected server sees no request", || {
        let chain = vec![Draft::of("sprov.callme.com").by(&FOREIGN)];
        let server = answering(chain, |_, _| panic!("a request to a rejected server"));
        let around = around([("sprov.callme.com", &[HERE])], [(HERE, server)]);
        Phone::with_rule("https://10.1.1.1/a")
            .resync(&around)
            .asked()
            .is_empty()
    }),
    row(4, "the client certificate tells which phone asks", || {
        let device = Device {
            product: "CP-8832-3PCC".into(),
            serial: "88012BA01234".into(),
            mac: mac_of("000e08abcdef"),
        };
        let subject = device.subject(MacAttribute::State);
        let read = Device::of_subject(&subject, None).unwrap().0;
        read == device && read.mac.map(mac_text).as_deref() == Some("000e08abcdef")
    }),
    row(5, "each server has a certificate of its own", || {
        let of = |name| server(name);
        let dns = [
            ("one.callme.com", &["10.1.1.1"][..]),
            ("two.callme.com", &["10.1.1.2"]),
        ];
        let servers = [
            ("10.1.1.1", of("one.callme.com")),
            ("10.1.1.2", of("two.callme.com")),
        ];
        let around = around(dns, servers);
        let phone = Phone::with_rule("https://one.callme.com/a");
        let phone = phone.set("Profile_Rule_B", "https://two.callme.com/a");
        phone.resync(&around).end.result == Ok(2)
    }),
    row(
        5,
        "a server that shows another one's certificate is rejected",
        || {
            // The first is down; the second shows the certificate of the first.
            let dns = [
                ("one.callme.com", &["10.1.1.1"][..]),
                ("two.callme.com", &["10.1.1.2"]),
            ];
            let around = around(dns, [("10.1.1.2", server("one.callme.com"))]);
            let first = Phone::with_rule("https://one.callme.com/a").resync(&around);
            let second = Phone::with_rule("https://two.callme.com/a").resync(&around);
            (first.code(), second.code()) == ("server-unreachable", "dns-mismatch")
        },
    ),
    row(6, "the root's key signs the server's certificate", || {
        let mut tampered = Draft::of("sprov.callme.com").by(&ROOT);
        let last = tampered.len() - 1;
        tampered[last] ^= 1;
        let around = around(
            [("sprov.callme.com", &[HERE])],
            [(HERE, with_chain(vec![tampered]))],
        );
        let resynced = Phone::with_rule("https://10.1.1.1/a").resync(&around);
        resynced.code() == "signature-bad"
    }),
    row(
        7,
        "the authority signs a request and gives a certificate back",
        || signs(REQUEST).is_some(),
    ),
    row(8, "the subject holds a common name", || {
        let mut draft = Draft::of("");
        draft.subject = crate::certificates::name(&[(10, "sprov.callme.com")]);
        let around = around(
            [("sprov.callme.com", &[HERE])],
            [(HERE, with_chain(vec![draft.by(&ROOT)]))],
        );
        Phone::with_rule("https://10.1.1.1/a")
            .resync(&around)
            .code()
            == "name-missing"
    }),
    row(8, "the common name is the host's full name", || {
        named("sprov.callme.com") == TAKEN && named("sprov callme com") == "name-malformed"
    }),
    row(9, "information may follow the name after a slash", || {
        named("sprov.callme.com/anything at all") == TAKEN
    }),
    row(
        9,
        "the slash may be followed by nothing, or by more slashes",
        || named("sprov.callme.com/") == TAKEN && named("sprov.callme.com//a/b") == TAKEN,
    ),
    row(
        9,
        "what is before the slash counts, not what is after it",
        || {
            let dns = &[
                ("sprov.callme.com", &[HERE][..]),
                ("evil.example", &[ELSEWHERE]),
            ];
            code("evil.example/sprov.callme.com", dns) == "dns-mismatch"
        },
    ),
    row(9, "a longer name before the slash is another name", || {
        let dns = &[("sprov.callme.com", &[HERE][..])];
        code("sprov.callme.com.evil.example/sprov.callme.com", dns) == "dns-name-unknown"
    }),
    row(9, "nothing before the slash is no name", || {
        named("/sprov.callme.com") == "name-missing"
    }),
    row(9, "a NUL hides nothing", || {
        let dns = &[("sprov.callme.com", &[HERE][..])];
        code("sprov.callme.com\0.evil.example", dns) == "name-malformed"
    }),
    row(10, "CN=sprov.callme.com is taken", || {
        named("sprov.callme.com") == TAKEN
    }),
    row(
        10,
        "CN=pv.telco.net/mailto:admin@telco.net is taken",
        || named("pv.telco.net/mailto:admin@telco.net") == TAKEN,
    ),
    row(10, "CN=prof.voice.com/info@voice.com is taken", || {
        named("prof.voice.com/info@voice.com") == TAKEN
    }),
    row(11, "DNS is asked for the name in the certificate", || {
        // The URL is an address: nothing else needs DNS.
        let around = around([], [(HERE, server("sprov.callme.com"))]);
        Phone::with_rule("https://10.1.1.1/a")
            .resync(&around)
            .code()
            == "dns-name-unknown"
    }),
    row(11, "the server's address must be the name's", || {
        code("sprov.callme.com", &[("sprov.callme.com", &[ELSEWHERE])]) == "dns-mismatch"
    }),
    row(11, "one of several addresses will do", || {
        let all = &[ELSEWHERE, "10.9.9.8", HERE];
        code("sprov.callme.com", &[("sprov.callme.com", all)]) == TAKEN
    }),
    row(
        11,
        "a DNS server that is silent says nothing against the server",
        || {
            let mut around = around([], [(HERE, server("sprov.callme.com"))]);
            around.dns_is_down = true;
            let resynced = Phone::with_rule("https://10.1.1.1/a").resync(&around);
            let failure = resynced.end.result.as_ref().unwrap_err();
            resynced.code() == "dns-unavailable" && failure.fault.is_unreachable()
        },
    ),
    row(11, "this comes beside the check of the certificate", || {
        let chain = vec![Draft::of("sprov.callme.com").by(&FOREIGN)];
        let around = around([("sprov.callme.com", &[HERE])], [(HERE, with_chain(chain))]);
        Phone::with_rule("https://10.1.1.1/a")
            .resync(&around)
            .code()
            == "issuer-unknown"
    }),
    row(
        12,
        "a request of openssl's is read, in PEM and in DER",
        || {
            let pem = include_bytes!("../../testdata/provisioning/slash.csr");
            request::der_of_file(pem).is_ok_and(|der| der == REQUEST)
        },
    ),
    row(
        13,
        "a request with an RSA key of 1024 bits is signed, unless more are asked for",
        || {
            let pem = include_bytes!("../../testdata/provisioning/plain-1024.csr");
            let der = request::der_of_file(pem).unwrap();
            let request = SigningRequest::parse(&der).unwrap();
            request.check(1024).is_ok() && request.check(2048).is_err()
        },
    ),
    row(13, "a server with an RSA key of 1024 bits is taken", || {
        let mut draft = Draft::of("sprov.callme.com");
        draft.key = crate::certificates::key(trustline::cluster::key::KeyBits::B1024);
        let around = around(
            [("sprov.callme.com", &[HERE])],
            [(HERE, with_chain(vec![draft.by(&ROOT)]))],
        );
        Phone::with_rule("https://10.1.1.1/a")
            .resync(&around)
            .code()
            == TAKEN
    }),
    row(
        14,
        "the request has the public key alone, and proves that the private one is there",
        || {
            let request = SigningRequest::parse(REQUEST).unwrap();
            let mut forged = REQUEST.to_vec();
            let last = forged.len() - 1;
            forged[last] ^= 1;
            let forged = SigningRequest::parse(&forged).map(|request| request.check(1024).is_ok());
            request.check(1024).is_ok() && forged != Ok(true)
        },
    ),
    row(
        15,
        "a private key in place of the request is refused, and said to be one",
        || {
            let pem = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
            let error = request::der_of_file(pem).map(|_| ()).unwrap_err();
            error.to_string().contains("secret")
        },
    ),
    row(16, "the certificate has the request's name and key", || {
        let certificate = signs(REQUEST).unwrap();
        let certificate = Certificate::parse(&certificate).unwrap();
        let request = SigningRequest::parse(REQUEST).unwrap();
        certificate.spki == request.spki && certificate.subject == request.subject
    }),
];

/// Sentence 17 sends the reader to the vendor's portal and its login: the authority stands in.
const SENTENCES: u8 = 16;

/// A request that openssl made; see the folder's README.
const REQUEST: &[u8] = include_bytes!("../../testdata/provisioning/slash.der");

#[test]
fn every_rule_of_every_sentence_holds() {
    let broken: Vec<_> = ROWS.iter().filter(|row| !(row.holds)()).collect();
    let texts: Vec<_> = broken
        .iter()
        .map(|r| format!("{}: {}", r.sentence, r.rule))
        .collect();
    assert!(broken.is_empty(), "{}", texts.join("\n"));
}

#[test]
fn every_sentence_has_a_row() {
    for sentence in 1..=SENTENCES {
        assert!(
            ROWS.iter().any(|row| row.sentence == sentence),
            "{sentence}"
        );
    }
    assert!(ROWS.is_sorted_by_key(|row| row.sentence));
}
