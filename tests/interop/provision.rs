//! The provisioning authority and server against OpenSSL and curl.
//!
//! | Case | Expected |
//! |---|---|
//! | `openssl req -new -out provserver.csr` typed at its prompts, with each name of the vendor's text | signed by `ca sign`; `openssl verify` accepts the chain; the subject prints as the request's |
//! | the same with 1024 bits, with SHA-1 and MD5 requests | signed; verified at the security level of their time |
//! | `ca sign --profile mpp113` | `openssl verify -x509_strict` accepts it, and its alternative names |
//! | `ca device` | `openssl verify -purpose sslclient` accepts it, and not under the other root |
//! | certificates of 40 purposes under one root | `openssl verify -purpose sslclient` and the server take the same ones, `-purpose sslserver` and the phone too |
//! | `curl --cert` of a phone at `serve` | its own profile 200, another's 403, through both kinds of `--client-auth` |
//! | `curl` without a certificate, with a foreign one, with an expired one | no TLS, or 400 |
//! | `curl` with an RSA-1024 certificate, OpenSSL at security level 0 | 200 |

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test that cannot go on should stop, and runs programs"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use trustline::provisioning::server::Roots;
use trustline::provisioning::settings::Settings;
use trustline::provisioning::verify::Checker;

use crate::support::run;

const PATIENCE: Duration = Duration::from_secs(60);
const PASS_PHRASE: &str = "correct horse";

/// A folder in which commands run.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.0.path());
        command
    }

    /// Runs a command to its end, whatever that is.
    fn run(&self, program: &str, args: &[&str]) -> Output {
        run(&mut self.command(program, args), PATIENCE).unwrap()
    }

    /// Runs a command that must do well, and gives what it said.
    fn good(&self, program: &str, args: &[&str]) -> String {
        let output = self.run(program, args);
        assert!(
            output.status.success(),
            "{program} {args:?}: {}",
            said(&output)
        );
        said(&output)
    }

    /// `trustline provision`, which must do well.
    fn provision(&self, args: &[&str]) -> String {
        self.good(TRUSTLINE, &[&["provision"], args].concat())
    }

    /// `openssl req -new -out provserver.csr`, typed at its prompts.
    fn request(&self, common_name: &str, more: &[&str]) {
        let answers = [
            PASS_PHRASE,
            PASS_PHRASE,
            "MX",
            "Jalisco",
            "Guadalajara",
            "Call Me",
            "Voz",
            common_name,
            "",
            "",
            "",
        ];
        // In a session of its own there is no terminal, so it asks stdin.
        let args = ["--wait", "openssl", "req", "-new", "-out", "provserver.csr"];
        let mut command = self.command("setsid", &[&args, more].concat());
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let typed = answers.map(|line| format!("{line}\n")).concat();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(typed.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let key = fs::read_to_string(self.at("privkey.pem")).unwrap();
        assert!(
            key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
            "{key}"
        );
        assert_eq!(mode(&self.at("privkey.pem")), 0o600);
        fs::write(self.at("pass"), format!("{PASS_PHRASE}\n")).unwrap();
    }
}

const TRUSTLINE: &str = env!("CARGO_BIN_EXE_trustline");

fn said(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&all).into_owned()
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;

    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
#[ignore = "needs openssl"]
fn a_request_typed_at_the_prompts_of_openssl_is_signed() {
    let bench = Bench::new();
    bench.provision(&["ca", "init"]);
    let names = [
        "sprov.callme.com",
        "pv.telco.net/mailto:admin@telco.net",
        "prof.voice.com/info@voice.com",
    ];
    for (n, name) in names.into_iter().enumerate() {
        bench.request(name, &[]);
        bench.provision(&["ca", "sign", "provserver.csr"]);
        let verified = bench.good(
            "openssl",
            &[
                "verify",
                "-CAfile",
                "authority/server-root.crt",
                "provserver.crt",
            ],
        );
        assert_eq!(verified.trim(), "provserver.crt: OK");
        let subject = |kind, file| {
            bench.good(
                "openssl",
                &[
                    kind,
                    "-in",
                    file,
                    "-noout",
                    "-subject",
                    "-nameopt",
                    "RFC2253,show_type",
                ],
            )
        };
        let own = subject("x509", "provserver.crt");
        assert_eq!(own, subject("req", "provserver.csr"));
        assert!(own.contains(&format!("CN=UTF8STRING:{name}")), "{own}");
        // The key that stayed at home belongs to it.
        let key = bench.good(
            "openssl",
            &[
                "pkey",
                "-in",
                "privkey.pem",
                "-passin",
                "file:pass",
                "-pubout",
            ],
        );
        assert_eq!(
            key,
            bench.good(
                "openssl",
                &["x509", "-in", "provserver.crt", "-noout", "-pubkey"]
            )
        );
        let other = bench.run(
            "openssl",
            &[
                "verify",
                "-CAfile",
                "authority/client-root.crt",
                "provserver.crt",
            ],
        );
        assert!(!other.status.success());
        // Another server's certificate does not give way to the next one.
        let kept = bench.at(&format!("server-{n}.crt"));
        fs::rename(bench.at("provserver.crt"), kept).unwrap();
        println!("ok: {name}, signed and verified");
    }
    for file in ["server-root.key", "client-root.key"] {
        assert_eq!(mode(&bench.at("authority").join(file)), 0o600);
        bench.good(
            "openssl",
            &[
                "pkey",
                "-in",
                &format!("authority/{file}"),
                "-noout",
                "-check",
            ],
        );
    }
}

#[test]
#[ignore = "needs openssl"]
fn keys_and_digests_of_the_old_time_are_signed() {
    let bench = Bench::new();
    bench.provision(&["ca", "init", "--bits", "1024"]);
    for digest in ["-sha1", "-md5"] {
        bench.request("sprov.callme.com", &["-newkey", "rsa:1024", digest]);
        let signed = bench.provision(&["ca", "sign", "provserver.csr", "--digest", "sha1"]);
        assert!(signed.contains("1024 bits"), "{signed}");
        let verify = [
            "verify",
            "-CAfile",
            "authority/server-root.crt",
            "provserver.crt",
        ];
        let verified = bench.good(
            "openssl",
            &[&verify[..1], &["-auth_level", "0"], &verify[1..]].concat(),
        );
        assert_eq!(verified.trim(), "provserver.crt: OK");
        let modern = bench.run(
            "openssl",
            &[&verify[..1], &["-auth_level", "2"], &verify[1..]].concat(),
        );
        assert!(!modern.status.success(), "{}", said(&modern));
        let refused = bench.run(
            TRUSTLINE,
            &[
                "provision",
                "ca",
                "sign",
                "provserver.csr",
                "--min-rsa",
                "2048",
            ],
        );
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        println!("ok: RSA 1024, request with {digest}");
    }
    // Given for the request, the key is refused before anything is done with it.
    let refused = bench.run(TRUSTLINE, &["provision", "ca", "sign", "privkey.pem"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        said(&refused).contains("holds a private key"),
        "{}",
        said(&refused)
    );
}

#[test]
#[ignore = "needs openssl"]
fn strict_readers_take_what_is_made() {
    let bench = Bench::new();
    bench.provision(&["ca", "init", "--name", "Example Telco (lab)"]);
    bench.request(
        "sprov.callme.com",
        &[
            "-addext",
            "subjectAltName=DNS:sprov.callme.com,DNS:pv.callme.com",
        ],
    );
    bench.provision(&["ca", "sign", "provserver.csr", "--profile", "mpp113"]);
    for (host, fits) in [("pv.callme.com", true), ("callme.com", false)] {
        let verified = bench.run(
            "openssl",
            &[
                "verify",
                "-x509_strict",
                "-purpose",
                "sslserver",
                "-verify_hostname",
                host,
                "-CAfile",
                "authority/server-root.crt",
                "provserver.crt",
            ],
        );
        assert_eq!(
            verified.status.success(),
            fits,
            "{host}: {}",
            said(&verified)
        );
    }
    bench.provision(&["ca", "device", "000e08abcdef", "--serial", "88012BA01234"]);
    let device = "authority/devices/000e08abcdef.crt";
    let strict = ["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile"];
    bench.good(
        "openssl",
        &[&strict[..], &["authority/client-root.crt", device]].concat(),
    );
    let other = bench.run(
        "openssl",
        &[&strict[..], &["authority/server-root.crt", device]].concat(),
    );
    assert!(!other.status.success());
    let subject = bench.good(
        "openssl",
        &[
            "x509", "-in", device, "-noout", "-subject", "-nameopt", "compat",
        ],
    );
    assert_eq!(
        subject.trim(),
        "subject=/OU=CP-8832-3PCC/L=88012BA01234/ST=000e08abcdef"
    );
    let key = "authority/devices/000e08abcdef.key";
    assert_eq!(mode(&bench.at(key)), 0o600);
    bench.good("openssl", &["pkey", "-in", key, "-noout", "-check"]);
    println!("ok: strict openssl takes a server of mpp113 and a phone");
}

/// One root signs all of them, as some providers have it, so that the purpose alone decides.
#[test]
#[ignore = "needs openssl"]
fn openssl_and_both_ends_take_the_same_certificates() {
    let bench = Bench::new();
    let request = ["req", "-newkey", "rsa:2048", "-nodes"];
    let root = ["-x509", "-subj", "/CN=One root", "-keyout", "root.key"];
    bench.good(
        "openssl",
        &[&request[..], &root, &["-out", "root.pem"]].concat(),
    );
    let phone = [
        "-new",
        "-subj",
        "/OU=CP-8832-3PCC/L=88012BA01234/ST=000e08abcdef",
    ];
    let files = ["-keyout", "phone.key", "-out", "phone.csr"];
    bench.good("openssl", &[&request[..], &phone, &files].concat());
    let der = |file: &str| {
        let pem = fs::read(bench.at(file)).unwrap();
        der::pem::decode_vec(&pem).unwrap().1
    };
    let roots = Roots::new(vec![der("root.pem")]).unwrap();
    let checker = Checker::new(&[der("root.pem")], &Settings::default(), 0).unwrap();
    let mut rows = Vec::new();
    for purpose in [
        "",
        "extendedKeyUsage=clientAuth",
        "extendedKeyUsage=serverAuth",
        "extendedKeyUsage=serverAuth,clientAuth",
        "extendedKeyUsage=anyExtendedKeyUsage",
        "extendedKeyUsage=critical,codeSigning",
    ] {
        for usage in [
            "",
            "keyUsage=digitalSignature",
            "keyUsage=critical,keyAgreement",
            "keyUsage=keyEncipherment",
            "keyUsage=nonRepudiation,decipherOnly",
        ] {
            rows.push(format!("{purpose}\n{usage}"));
        }
    }
    let others = [
        "nsCertType=client",
        "nsCertType=critical,client",
        "nsCertType=server",
        "nsCertType=critical,server",
        "nsCertType=client,server",
        "nsCertType=email",
        "extendedKeyUsage=clientAuth,serverAuth\nnsCertType=server",
        "extendedKeyUsage=nsSGC",
        "extendedKeyUsage=msSGC,clientAuth",
        "extendedKeyUsage=msSGC\nkeyUsage=keyEncipherment",
    ];
    rows.extend(others.map(str::to_owned));
    let (mut phones, mut servers) = (0, 0);
    for row in &rows {
        let extensions = format!("basicConstraints=CA:FALSE\n{row}\n");
        fs::write(bench.at("extensions"), extensions).unwrap();
        let sign = ["x509", "-req", "-in", "phone.csr", "-CA", "root.pem"];
        let with = ["-CAkey", "root.key", "-CAcreateserial"];
        let out = ["-extfile", "extensions", "-out", "phone.pem"];
        bench.good("openssl", &[&sign[..], &with, &out].concat());
        let theirs = |purpose: &str| {
            let verify = ["verify", "-purpose", purpose, "-CAfile", "root.pem"];
            bench.run("openssl", &[&verify[..], &["phone.pem"]].concat())
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        // The certificate begins with this second, or the one before.
        let now = now.as_secs() + 2;
        let made = der("phone.pem");
        let client = roots.judge(&made, now);
        let openssl = theirs("sslclient");
        assert_eq!(
            client.is_ok(),
            openssl.status.success(),
            "{row}: {client:?}, openssl: {}",
            said(&openssl)
        );
        phones += usize::from(client.is_ok());
        // Its name is no server's; the purpose is looked at all the same.
        let refused = checker.at(now).certificate(&[&made], "a.example");
        let refusals = refused.map_or_else(|refused| refused.refusals, |_| Vec::new());
        let mut codes = refusals.iter().map(|refusal| refusal.code());
        let is_server = codes.all(|code| code.starts_with("name-"));
        let openssl = theirs("sslserver");
        assert_eq!(
            is_server,
            openssl.status.success(),
            "{row}: {refusals:?}, openssl: {}",
            said(&openssl)
        );
        servers += usize::from(is_server);
    }
    assert_eq!((rows.len(), phones), (40, 13));
    assert!(servers > 13, "{servers}");
    println!("ok: openssl, the server and the phone judge 40 purposes alike");
}

/// `provision serve`, ended by its handle.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(bench: &Bench, more: &[&str]) -> Self {
        let args = [
            "provision",
            "serve",
            "--dir",
            "profiles",
            "--cert",
            "provserver.crt",
            "--key",
            "privkey.pem",
            "--key-password-file",
            "pass",
            "--listen",
            "127.0.0.1:0",
        ];
        let mut command = bench.command(TRUSTLINE, &[&args, more].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        // Somebody has to read the log, or it would fill.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                println!("  {line}");
            }
        });
        let address = line.trim().strip_prefix("ready: https://").unwrap();
        let address = address.trim_end_matches('/').parse().unwrap();
        Self { child, address }
    }

    /// What curl gets: its exit code, and the status.
    fn curl(&self, bench: &Bench, path: &str, more: &[&str]) -> (i32, String, String) {
        let port = self.address.port();
        let url = format!("https://sprov.callme.com:{port}{path}");
        let resolve = format!("sprov.callme.com:{port}:127.0.0.1");
        let args = [
            "--silent",
            "--show-error",
            "--path-as-is",
            "--cacert",
            "authority/server-root.crt",
            "--resolve",
            &resolve,
            "--max-time",
            "30",
            "--write-out",
            "\n%{http_code}",
            &url,
        ];
        let mut command = bench.command("curl", &[&args, more].concat());
        // With what the time of RSA-1024 needs, for every call alike.
        command.env("OPENSSL_CONF", bench.at("level0.cnf"));
        let output = run(&mut command, PATIENCE).unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = stdout.rsplit_once('\n').unwrap_or_default();
        (
            output.status.code().unwrap_or(-1),
            status.to_owned(),
            body.to_owned(),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs openssl and curl"]
fn curl_gets_a_phones_own_profile_with_its_certificate() {
    let bench = Bench::new();
    bench.provision(&["ca", "init"]);
    bench.request("sprov.callme.com", &[]);
    bench.provision(&["ca", "sign", "provserver.csr"]);
    for (mac, bits) in [("000e08abcdef", "2048"), ("000e08abcdee", "1024")] {
        bench.provision(&["ca", "device", mac, "--bits", bits]);
        let file = bench.at("profiles").join(format!("{mac}.xml"));
        fs::create_dir_all(bench.at("profiles")).unwrap();
        fs::write(file, format!("<flat-profile>{mac}</flat-profile>")).unwrap();
    }
    bench.provision(&["ca", "init", "--dir", "foreign", "--name", "somebody else"]);
    bench.provision(&["ca", "device", "000e08abcdef", "--dir", "foreign"]);
    let then = "2020-01-01T00:00:00Z";
    bench.provision(&["ca", "init", "--dir", "old", "--date", then]);
    bench.provision(&[
        "ca",
        "device",
        "000e08abcdef",
        "--dir",
        "old",
        "--date",
        then,
        "--days",
        "30",
    ]);
    let roots =
        ["authority", "old"].map(|dir| fs::read(bench.at(dir).join("client-root.crt")).unwrap());
    fs::write(bench.at("roots.pem"), roots.concat()).unwrap();
    let level = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n\
                 CipherString = DEFAULT@SECLEVEL=0\n";
    fs::write(bench.at("level0.cnf"), level).unwrap();

    let of =
        |dir: &str, mac: &str| ["crt", "key"].map(|kind| format!("{dir}/devices/{mac}.{kind}"));
    let (own, small) = (
        of("authority", "000e08abcdef"),
        of("authority", "000e08abcdee"),
    );
    let (foreign, old) = (of("foreign", "000e08abcdef"), of("old", "000e08abcdef"));
    fn with([crt, key]: &[String; 2]) -> [&str; 4] {
        ["--cert", crt, "--key", key]
    }
    for client_auth in ["require", "optional-400"] {
        println!("--client-auth {client_auth}");
        let server = Server::start(&bench, &["--client-auth", client_auth, "--ca", "roots.pem"]);
        let (code, status, body) = server.curl(&bench, "/000e08abcdef.xml", &with(&own));
        assert_eq!((code, status.as_str()), (0, "200"));
        assert_eq!(body, "<flat-profile>000e08abcdef</flat-profile>");
        let other = server.curl(&bench, "/000e08abcdee.xml", &with(&own));
        assert_eq!(
            (other.0, other.1.as_str(), other.2.as_str()),
            (0, "403", "")
        );
        let out = server.curl(&bench, "/../pass", &with(&own));
        assert_eq!(out.1, "400");
        let small = server.curl(&bench, "/000e08abcdee.xml", &with(&small));
        assert_eq!((small.0, small.1.as_str()), (0, "200"), "RSA 1024");
        for (what, identity) in [
            ("none", None),
            ("foreign", Some(&foreign)),
            ("expired", Some(&old)),
        ] {
            let args = identity.map(with);
            let args = args.as_ref().map_or(&[][..], |args| &args[..]);
            let (code, status, body) = server.curl(&bench, "/000e08abcdef.xml", args);
            if client_auth == "require" {
                assert!(code != 0 && status == "000", "{what}: {code} {status}");
            } else {
                assert_eq!((code, status.as_str()), (0, "400"), "{what}");
                // As nginx says it.
                assert!(body.contains("SSL certificate"), "{what}: {body}");
            }
        }
    }
}
