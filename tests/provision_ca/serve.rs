//! `trustline provision serve`: to each phone its own profile, and to nobody else anything.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use trustline::cluster::key::{KeyBits, KeyPool, PrivateKey};
use trustline::net::tls::{ClientTls, Identity, TlsInfo, TlsOptions, TlsVersions};
use trustline::provisioning::authority::{self, Issuer, Root, ServerForm, Terms};
use trustline::provisioning::device::{Device, MacAttribute, mac_of};
use trustline::provisioning::request::Request;
use trustline::provisioning::resync::Fault;
use trustline::trust::certificate::Certificate;
use trustline::wire::Digest;

use super::{ca, data, der, path, stderr};

const OLD: TlsOptions = TlsOptions {
    versions: TlsVersions::Only12,
    legacy: true,
};

const MAC: &str = "000e08abcdef";
const OTHER_MAC: &str = "000e08abcdee";

/// An authority that is valid today, with a server's certificate and phones.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let authority = site.at("authority");
        site.ca(&["init", "--dir", path(&authority)]);
        fs::copy(data("provserver.csr"), site.at("provserver.csr")).unwrap();
        fs::copy(data("privkey.pem"), site.at("privkey.pem")).unwrap();
        fs::write(site.at("pass"), "trustline\n").unwrap();
        site.ca(&[
            "sign",
            path(&site.at("provserver.csr")),
            "--dir",
            path(&authority),
        ]);
        for mac in [MAC, OTHER_MAC] {
            site.ca(&["device", mac, "--dir", path(&authority)]);
        }
        let profiles = site.at("profiles");
        fs::create_dir_all(profiles.join("Cisco")).unwrap();
        for name in [
            "000e08abcdef.xml",
            "000e08abcdee.xml",
            "8832-3PCC.xml",
            "Cisco/000E08ABCDEF.cfg",
        ] {
            fs::write(
                profiles.join(name),
                format!("<flat-profile>{name}</flat-profile>"),
            )
            .unwrap();
        }
        fs::write(site.at("secret.xml"), "secret").unwrap();
        std::os::unix::fs::symlink(site.at("secret.xml"), profiles.join("CP-8832-3PCC.xml"))
            .unwrap();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ca(&self, args: &[&str]) {
        let made = ca(args);
        assert!(made.status.success(), "{args:?}: {}", stderr(&made));
    }

    /// A start with these arguments and, where one is missing, the usual one.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trustline"));
        command
            .args(["provision", "serve", "--format", "json"])
            .args(args);
        for (option, value) in [
            ("--dir", self.at("profiles")),
            ("--ca", self.at("authority")),
            ("--listen", "127.0.0.1:0".into()),
            ("--cert", self.at("provserver.crt")),
            ("--key", self.at("privkey.pem")),
        ] {
            if !args.contains(&option) {
                command.args([option, path(&value)]);
            }
        }
        command
    }

    fn serve(&self, more: &[&str]) -> Server {
        let pass = self.at("pass");
        let args = [more, &["--key-password-file", path(&pass)]].concat();
        Server::start(&mut self.command(&args))
    }

    fn phone(&self, mac: &str) -> Identity {
        let devices = self.at("authority").join("devices");
        Identity {
            certificate: der(&devices.join(format!("{mac}.crt"))),
            key: der(&devices.join(format!("{mac}.key"))),
        }
    }
}

/// A running server, ended by its handle.
struct Server {
    child: Child,
    address: SocketAddr,
    lines: Receiver<Value>,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str::<Value>(&line).unwrap());
            }
        });
        let mut server = Self {
            child,
            address: "127.0.0.1:0".parse().unwrap(),
            lines,
        };
        let ready = server.line();
        assert_eq!(ready["kind"], "ready");
        server.address = ready["address"].as_str().unwrap().parse().unwrap();
        server
    }

    fn line(&self) -> Value {
        self.lines.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    /// What a request brings, and what the log says of it.
    fn ask(
        &self,
        identity: Option<&Identity>,
        request: &str,
    ) -> (Result<(u16, String), String>, Value) {
        let asking = ask(self.address, identity, OLD, request);
        (asking.map(|(status, body, _)| (status, body)), self.line())
    }

    /// Ends it as a service manager does.
    fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(asked.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: provserver\r\nConnection: close\r\n\r\n")
}

/// Status, body and what TLS negotiated.
fn ask(
    address: SocketAddr,
    identity: Option<&Identity>,
    options: TlsOptions,
    request: &str,
) -> Result<(u16, String, TlsInfo), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tls = ClientTls::any(identity, options).unwrap();
    let asking = async {
        let tcp = TcpStream::connect(address).await?;
        let name = rustls::pki_types::ServerName::IpAddress(address.ip().into());
        let mut stream = TlsConnector::from(tls.config()).connect(name, tcp).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let info = TlsInfo::of(stream.get_ref().1);
        std::io::Result::Ok((answer, info))
    };
    let limited = async { tokio::time::timeout(Duration::from_secs(60), asking).await };
    let (answer, info) = runtime
        .block_on(limited)
        .unwrap()
        .map_err(|e| e.to_string())?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, body.to_owned(), info))
}

#[test]
fn a_phone_gets_its_own_profile_and_no_other() {
    let site = Site::new();
    let server = site.serve(&[]);
    let phone = site.phone(MAC);
    for (path, file) in [
        ("/000e08abcdef.xml", "000e08abcdef.xml"),
        ("/000E08ABCDEF.xml", "000e08abcdef.xml"),
        ("/000e08abcdef.xml?x=/../", "000e08abcdef.xml"),
        ("/", "000e08abcdef.xml"),
        ("/8832-3PCC.xml", "8832-3PCC.xml"),
        ("/Cisco/000e08abcdef.cfg", "Cisco/000E08ABCDEF.cfg"),
    ] {
        let (answer, line) = server.ask(Some(&phone), &get(path));
        let body = format!("<flat-profile>{file}</flat-profile>");
        assert_eq!(answer, Ok((200, body.clone())), "{path}");
        assert_eq!(
            (&line["kind"], &line["reason"]),
            (&"request".into(), &"given".into())
        );
        assert_eq!(line["device"]["mac"], MAC);
        assert_eq!(line["device"]["product"], "CP-8832-3PCC");
        assert_eq!(line["device"]["serial"], "LAB000E08ABCDEF");
        assert_eq!(line["device"]["proven"], true);
        assert_eq!(
            (&line["file"], &line["bytes"]),
            (&file.into(), &body.len().into())
        );
        assert_eq!(line["schema_version"], 1);
    }
    for (path, status, reason) in [
        ("/000e08abcdee.xml", 403, "not-this-phones"),
        ("/000e08abcded.xml", 403, "not-this-phones"),
        ("/secret.xml", 403, "not-this-phones"),
        ("/000e08abcdef.cfg", 404, "not-found"),
        ("/000e08abcdef.xml/x", 403, "not-this-phones"),
        ("/000e08abcdef/../../secret.xml", 400, "bad-path"),
        ("/000e08abcdef/%2e%2e/%2e%2e/secret.xml", 400, "bad-path"),
        // A link that leads out of the folder is no file in it.
        ("/CP-8832-3PCC.xml", 404, "not-found"),
        // A folder is none either.
        ("/Cisco", 403, "not-this-phones"),
    ] {
        let (answer, line) = server.ask(Some(&phone), &get(path));
        assert_eq!(answer, Ok((status, String::new())), "{path}: {line}");
        assert_eq!(
            (&line["status"], &line["reason"]),
            (&status.into(), &reason.into())
        );
        assert!(!line["text"].as_str().unwrap().is_empty());
        assert_eq!(line["device"]["mac"], MAC);
    }
    let (answer, _) = server.ask(Some(&site.phone(OTHER_MAC)), &get("/000e08abcdee.xml"));
    assert_eq!(answer.unwrap().0, 200);
    let (answer, _) = server.ask(Some(&site.phone(OTHER_MAC)), &get("/000e08abcdef.xml"));
    assert_eq!(answer.unwrap().0, 403);
    for (method, status) in [("POST", 200), ("HEAD", 200), ("PUT", 405), ("DELETE", 405)] {
        let request = get("/000e08abcdef.xml").replace("GET", method);
        let (answer, line) = server.ask(Some(&phone), &request);
        let (got, body) = answer.unwrap();
        assert_eq!(
            (got, body.is_empty()),
            (status, method != "POST"),
            "{method}"
        );
        assert_eq!(line["method"], method);
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_phone_that_proves_nothing_gets_nothing() {
    let site = Site::new();
    let foreign = Site::new();
    let expired = site.at("expired");
    let then = "2020-01-01T00:00:00Z";
    site.ca(&["init", "--dir", path(&expired), "--date", then]);
    let device = [
        "device",
        MAC,
        "--dir",
        path(&expired),
        "--date",
        then,
        "--days",
        "30",
    ];
    site.ca(&device);
    let expired_phone = Identity {
        certificate: der(&expired.join("devices").join(format!("{MAC}.crt"))),
        key: der(&expired.join("devices").join(format!("{MAC}.key"))),
    };
    let server_root = fs::read(site.at("authority/server-root.crt")).unwrap();
    let roots = [
        fs::read(expired.join("client-root.crt")).unwrap(),
        fs::read(site.at("authority/client-root.crt")).unwrap(),
        server_root,
    ];
    fs::write(site.at("roots.pem"), roots.concat()).unwrap();
    let key = KeyPool::new(5).take(KeyBits::B2048);
    let asked = super::made(&key, Some((der::Tag::Utf8String, b"sprov.callme.com")));
    fs::write(site.at("nobody.csr"), asked).unwrap();
    let request = site.at("nobody.csr");
    site.ca(&["sign", path(&request), "--dir", path(&site.at("authority"))]);
    let nobody = Identity {
        certificate: der(&site.at("nobody.crt")),
        key: key.pkcs8().to_vec(),
    };
    // A server's certificate is no phone's, though the authority signed it and it names a phone.
    let (root, root_key) = (
        der(&site.at("authority/server-root.crt")),
        der(&site.at("authority/server-root.key")),
    );
    let root_key = PrivateKey::from_pkcs8(root_key).unwrap();
    let device = Device {
        product: "CP-8832-3PCC".into(),
        serial: "88012BA01234".into(),
        mac: mac_of(MAC),
    };
    let not_before = Certificate::parse(&root).unwrap().not_before;
    let not_before = u64::try_from(not_before).unwrap();
    let terms = Terms {
        serial: [2; authority::SERIAL_BYTES],
        not_before,
        not_after: not_before + 30 * 86_400,
        digest: Digest::Sha256,
    };
    let asked = super::made_for(&key, &device.subject(MacAttribute::State));
    let asked = Request::parse(&asked).unwrap();
    let issuer = Issuer::new(&root, &root_key).unwrap();
    let server_made = Identity {
        certificate: issuer.server(&asked, ServerForm::Mpp113, &terms).unwrap(),
        key: key.pkcs8().to_vec(),
    };
    let wrong_key = Identity {
        key: site.phone(OTHER_MAC).key,
        ..site.phone(MAC)
    };
    let own = site.phone(MAC);
    let foreign = foreign.phone(MAC);
    for (client_auth, is_tls) in [("require", true), ("optional-400", false)] {
        let ca = path(&site.at("roots.pem")).to_owned();
        let server = site.serve(&["--client-auth", client_auth, "--ca", &ca]);
        for (what, identity, reason) in [
            ("no certificate", None, "no-certificate"),
            ("foreign", Some(&foreign), "certificate-signature"),
            ("expired", Some(&expired_phone), "certificate-expired"),
            ("a server's", Some(&server_made), "certificate-purpose"),
        ] {
            let (answer, line) = server.ask(identity, &get("/000e08abcdef.xml"));
            assert_eq!(line["reason"], reason, "{what}: {line}");
            assert_eq!(line["device"], Value::Null, "{what}");
            if is_tls {
                assert!(answer.is_err(), "{what}: {answer:?}");
                assert_eq!(line["kind"], "tls-failed");
            } else {
                let (status, page) = answer.unwrap();
                // What nginx says, by which phones know why.
                let fault = Fault::status(status, page.as_bytes());
                assert_eq!(fault.code(), "client-certificate-refused", "{what}: {page}");
                assert_eq!(line["kind"], "request");
            }
        }
        let (answer, line) = server.ask(Some(&nobody), &get("/000e08abcdef.xml"));
        assert_eq!(answer, Ok((403, String::new())), "{line}");
        assert_eq!(line["reason"], "no-phone");
        let (answer, line) = server.ask(Some(&wrong_key), &get("/000e08abcdef.xml"));
        assert!(
            answer.is_err() && line["kind"] == "tls-failed",
            "{answer:?} {line}"
        );
        let (answer, _) = server.ask(Some(&own), &get("/000e08abcdef.xml"));
        assert_eq!(answer.unwrap().0, 200, "the others did no harm");
    }
}

#[test]
fn keys_and_certificates_of_the_old_time_work_on_both_ends() {
    let site = Site::new();
    let mut keys = KeyPool::new(3);
    let mut take = || keys.take(KeyBits::B1024);
    let (server_key, phone_key, root_key) = (take(), take(), take());
    let terms = Terms {
        serial: [1; authority::SERIAL_BYTES],
        not_before: 1_700_000_000,
        not_after: 4_000_000_000,
        digest: Digest::Sha1,
    };
    // A root and a phone of 1024 bits with SHA-1, the phone's certificate of version 1.
    let root = authority::root(Root::Client, "trustline lab", &*root_key, &terms).unwrap();
    let issuer = Issuer::new(&root, &*root_key).unwrap();
    let phone = |subject: &[u8]| {
        let asked = super::made_for(&phone_key, subject);
        let asked = Request::parse(&asked).unwrap();
        Identity {
            certificate: issuer.server(&asked, ServerForm::Sipura, &terms).unwrap(),
            key: phone_key.pkcs8().to_vec(),
        }
    };
    let device = Device {
        product: "SPA-962".into(),
        serial: "88012BA01234".into(),
        mac: mac_of(MAC),
    };
    let own = phone(&device.subject(MacAttribute::Surname));
    assert_eq!(super::extensions(&own.certificate), None, "version 1");
    let pem =
        |label, der: &[u8]| der::pem::encode_string(label, der::pem::LineEnding::LF, der).unwrap();
    fs::write(site.at("spacroot.crt"), pem("CERTIFICATE", &root)).unwrap();
    let asked = super::made(
        &server_key,
        Some((der::Tag::Utf8String, b"sprov.callme.com")),
    );
    fs::write(site.at("old.csr"), asked).unwrap();
    fs::write(site.at("old.key"), pem("PRIVATE KEY", server_key.pkcs8())).unwrap();
    let authority = site.at("authority");
    let request = site.at("old.csr");
    site.ca(&[
        "sign",
        path(&request),
        "--dir",
        path(&authority),
        "--digest",
        "sha1",
    ]);
    let (roots, crt, key) = (
        site.at("spacroot.crt"),
        site.at("old.crt"),
        site.at("old.key"),
    );
    let files = [
        "--ca",
        path(&roots),
        "--cert",
        path(&crt),
        "--key",
        path(&key),
    ];
    let more = |tls| site.command(&[&files[..], &["--tls", tls]].concat());
    let server = Server::start(&mut more("1.2"));
    let answer = ask(server.address, Some(&own), OLD, &get("/000e08abcdef.xml"));
    let (status, _, info) = answer.unwrap();
    assert_eq!((status, info.version), (200, "TLS 1.2"));
    assert_eq!(server.line()["device"]["product"], "SPA-962");

    // The generic certificate of the first firmware, whose key all phones of that time have: the
    // User-Agent says who it is, where that is allowed.
    let generic = super::name(&[
        ("2.5.4.11", "cisco.com"),
        ("2.5.4.7", "ciscogeneric"),
        ("2.5.4.8", "ciscogeneric"),
    ]);
    let generic = phone(&generic);
    let agent = "User-Agent: Cisco/SPA501G-7.4.4 (000E08ABCDEF)(CBT141100HR)\r\n\r\n";
    let request = get("/000e08abcdef.xml").replacen("\r\n\r\n", &format!("\r\n{agent}"), 1);
    for request in [&request, &get("/000e08abcdef.xml")] {
        let (answer, line) = server.ask(Some(&generic), request);
        assert_eq!(answer.unwrap().0, 403, "{line}");
        assert_eq!(line["reason"], "generic-certificate");
        assert!(line["text"].as_str().unwrap().contains("--allow-generic"));
    }
    let server = Server::start(more("1.2").arg("--allow-generic"));
    let (answer, line) = server.ask(Some(&generic), &request);
    assert_eq!(answer.unwrap().0, 200);
    assert_eq!(
        (&line["device"]["serial"], &line["device"]["proven"]),
        (&"CBT141100HR".into(), &false.into())
    );
    let (answer, line) = server.ask(Some(&generic), &get("/000e08abcdef.xml"));
    assert_eq!(
        (answer.unwrap().0, &line["reason"]),
        (403, &"no-phone".into())
    );

    // TLS 1.3 has no signatures that such keys can make here.
    let refused = more("both").output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
}

#[test]
fn both_versions_of_tls_are_spoken_where_that_is_asked_for() {
    let site = Site::new();
    let phone = site.phone(MAC);
    for (tls, expected) in [("both", "TLS 1.3"), ("1.2", "TLS 1.2")] {
        let server = site.serve(&["--tls", tls]);
        let answer = ask(
            server.address,
            Some(&phone),
            TlsOptions::default(),
            &get("/"),
        );
        let (status, _, info) = answer.unwrap();
        assert_eq!((status, info.version), (200, expected));
        assert_eq!(info.peer_certificate, Some(der(&site.at("provserver.crt"))));
    }
}

#[test]
fn what_a_server_cannot_start_with_is_said() {
    let site = Site::new();
    let (crt, key) = (site.at("provserver.crt"), site.at("privkey.pem"));
    let pass = site.at("pass");
    fs::write(site.at("wrong"), "guess\n").unwrap();
    fs::write(
        site.at("old.pem"),
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
    )
    .unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_at = taken.local_addr().unwrap().to_string();
    let other_key = site.at(&format!("authority/devices/{MAC}.key"));
    let none = site.at("none");
    let (old, wrong) = (site.at("old.pem"), site.at("wrong"));
    for (what, args, code, expected) in [
        ("no pass phrase", &[][..], 2, "--key-password-file"),
        (
            "a wrong one",
            &["--key-password-file", path(&wrong)],
            2,
            "the pass phrase is wrong",
        ),
        (
            "an old cipher",
            &["--key", path(&old)],
            2,
            "openssl pkcs8 -topk8",
        ),
        (
            "another key",
            &["--key", path(&other_key)],
            2,
            "does not belong to --cert",
        ),
        (
            "a key for a certificate",
            &["--cert", path(&key)],
            2,
            "expected certificates",
        ),
        (
            "a certificate for a key",
            &["--key", path(&crt)],
            2,
            "holds a CERTIFICATE",
        ),
        ("no such file", &["--key", path(&none)], 3, "cannot open"),
        ("no such folder", &["--dir", path(&none)], 3, "cannot open"),
        (
            "a file for a folder",
            &["--dir", path(&crt)],
            3,
            "cannot open",
        ),
        ("no such roots", &["--ca", path(&none)], 3, "cannot open"),
        (
            "a taken port",
            &["--listen", &taken_at],
            3,
            "name another address with --listen",
        ),
    ] {
        let mut args = args.to_vec();
        if code == 3 {
            args.extend(["--key-password-file", path(&pass)]);
        }
        let refused = site.command(&args).output().unwrap();
        let text = stderr(&refused);
        assert_eq!(refused.status.code(), Some(code), "{what}: {text}");
        assert!(text.contains(expected), "{what}: {text}");
    }
}

/// Both ends are ours here; `tests/interop` has each against others.
#[cfg(feature = "provisioning")]
#[test]
fn our_phone_resyncs_with_our_server() {
    let site = Site::new();
    let key = KeyPool::new(6).take(KeyBits::B2048);
    // Every resolver knows this name by itself.
    let name = (der::Tag::Utf8String, &b"localhost/info@voice.com"[..]);
    fs::write(site.at("near.csr"), super::made(&key, Some(name))).unwrap();
    let (request, authority) = (site.at("near.csr"), site.at("authority"));
    site.ca(&["sign", path(&request), "--dir", path(&authority)]);
    let pem = der::pem::encode_string("PRIVATE KEY", der::pem::LineEnding::LF, key.pkcs8());
    fs::write(site.at("near.key"), pem.unwrap()).unwrap();
    let (crt, key) = (site.at("near.crt"), site.at("near.key"));
    for (client_auth, missing) in [
        ("require", "client-certificate-refused"),
        ("optional-400", "400"),
    ] {
        let args = [
            "--cert",
            path(&crt),
            "--key",
            path(&key),
            "--client-auth",
            client_auth,
        ];
        let server = Server::start(&mut site.command(&args));
        let resync = |file: &str, more: &[&str]| {
            let rule = format!("https://{}/{file}", server.address);
            let mut command = Command::new(env!("CARGO_BIN_EXE_trustline"));
            command.args(["provision", "resync", "--once", "--format", "json"]);
            command.args(["--profile-rule", &rule, "--dns", "127.0.0.1:1"]);
            command.args(["--ca", path(&authority.join("server-root.crt"))]);
            let done = command.args(more).output().unwrap();
            (done.status.code(), String::from_utf8(done.stdout).unwrap())
        };
        let device = |kind| authority.join("devices").join(format!("{MAC}.{kind}"));
        let (device_crt, device_key) = (device("crt"), device("key"));
        let own = ["--cert", path(&device_crt), "--key", path(&device_key)];
        let (code, told) = resync("$MA.xml", &own);
        assert_eq!(code, Some(0), "{told}");
        assert_eq!(server.line()["file"], "000e08abcdef.xml");
        let (code, told) = resync("000e08abcdee.xml", &own);
        assert_eq!((code, told.contains("403")), (Some(1), true), "{told}");
        assert_eq!(server.line()["reason"], "not-this-phones");
        let (code, told) = resync("$MA.xml", &["--mac", MAC]);
        assert_eq!((code, told.contains(missing)), (Some(1), true), "{told}");
        assert_eq!(server.line()["reason"], "no-certificate");
    }
}
