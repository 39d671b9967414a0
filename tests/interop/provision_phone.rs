//! The multiplatform phone against nginx and dnsmasq, with certificates that `openssl req` asks for
//! and `provision ca sign` signs.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real programs take real time and real files"
)]

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, Running};

const LIMIT: Duration = Duration::from_secs(60);

const PROFILE: &str = "<flat-profile><GPP_A>from nginx</GPP_A></flat-profile>";

/// What nginx shows at each port: the port, the common name, who signed it, bits of the key.
const SERVERS: [(u16, &str, &str, u32); 8] = [
    (8441, "sprov.callme.com", "authority", 2048),
    (
        8442,
        "pv.telco.net/mailto:admin@telco.net",
        "authority",
        2048,
    ),
    (8443, "prof.voice.com/info@voice.com", "authority", 2048),
    (8444, "sprov.callme.com", "foreign", 2048),
    (8445, "moved.callme.com", "authority", 2048),
    (8446, "small.callme.com", "authority", 1024),
    (8447, "sprov.callme.com", "twin", 2048),
    (8448, "nowhere.example", "authority", 2048),
];

/// nginx and dnsmasq on a loopback address of their own, and the files of both authorities.
struct World {
    folder: TempDir,
    ip: IpAddr,
    _nginx: Running,
    _dnsmasq: Running,
}

impl World {
    fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let last = NEXT.fetch_add(1, Ordering::Relaxed);
        let ip = IpAddr::from([127, 128 | high, low, last]);
        let folder = TempDir::new().unwrap();
        let dir = folder.path();
        // The twin has the name of the authority, and other keys.
        for (authority, name) in [("authority", "A"), ("foreign", "B"), ("twin", "A")] {
            ours(&["ca", "init", "--dir", &text(dir, authority), "--name", name]);
            let mac = "000e08abcdef";
            let authority = text(dir, authority);
            ours(&[
                "ca",
                "device",
                mac,
                "--dir",
                &authority,
                "--serial",
                "88012BA01234",
            ]);
            ours(&[
                "ca",
                "device",
                "000e08000002",
                "--dir",
                &authority,
                "--bits",
                "1024",
            ]);
        }
        for (port, name, authority, bits) in SERVERS {
            certify(dir, port, name, authority, bits);
        }
        fs::create_dir(dir.join("profiles")).unwrap();
        let profiles = dir.join("profiles");
        for name in ["000e08abcdef.xml", "000e08000002.xml"] {
            fs::write(profiles.join(name), PROFILE).unwrap();
        }
        fs::write(profiles.join("plain.xml"), PROFILE).unwrap();
        fs::write(profiles.join("broken.xml"), "<flat-profile>").unwrap();
        encrypt(&profiles);
        fs::write(dir.join("users"), "phone:{PLAIN}secret\n").unwrap();
        let nginx = nginx(dir, ip);
        let dnsmasq = dnsmasq(ip);
        Self {
            folder,
            ip,
            _nginx: nginx,
            _dnsmasq: dnsmasq,
        }
    }

    /// The lines of one resync, and its exit code.
    fn resync(&self, rule: &str, more: &[&str]) -> (i32, Vec<Value>) {
        self.resync_as(Some(("authority", "000e08abcdef")), rule, more)
    }

    fn resync_as(
        &self,
        device: Option<(&str, &str)>,
        rule: &str,
        more: &[&str],
    ) -> (i32, Vec<Value>) {
        let dir = self.folder.path();
        let rule = rule.replace("@IP", &self.ip.to_string());
        let dns = format!("{}:5353", self.ip);
        let mut args: Vec<String> = ["resync", "--once", "--format", "json"]
            .map(String::from)
            .into();
        args.extend(["--profile-rule".into(), rule]);
        args.extend(["--ca".into(), text(dir, "authority/server-root.crt")]);
        if let Some((authority, mac)) = device {
            let file = |kind| text(dir, &format!("{authority}/devices/{mac}.{kind}"));
            args.extend(["--cert".into(), file("crt"), "--key".into(), file("key")]);
        } else {
            args.extend(["--mac".into(), "000e08abcdef".into()]);
        }
        if !more.contains(&"--dns") {
            args.extend(["--dns".into(), dns]);
        }
        args.extend(
            more.iter()
                .map(|arg| arg.replace("@IP", &self.ip.to_string())),
        );
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let output = run(&args);
        let stdout = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Value> = stdout
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!lines.is_empty(), "{args:?}: {stderr}");
        (output.status.code().unwrap(), lines)
    }
}

fn text(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

/// `trustline provision` with these arguments.
fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustline"));
    command.arg("provision").args(args);
    support::run(&mut command, LIMIT).unwrap()
}

fn ours(args: &[&str]) {
    let output = run(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
}

fn openssl(dir: &Path, args: &[&str]) {
    let mut command = Command::new(support::program("openssl").expect("openssl: run .ci/packages"));
    command.current_dir(dir).args(args);
    let output = support::run(&mut command, LIMIT).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {args:?}: {stderr}");
}

/// A request by openssl for the name, signed by an authority of ours.
fn certify(dir: &Path, port: u16, name: &str, authority: &str, bits: u32) {
    // A slash in a value is escaped for -subj.
    let subject = format!("/C=US/O=Telco/CN={}", name.replace('/', "\\/"));
    let (key, request) = (format!("{port}.key"), format!("{port}.csr"));
    let bits = format!("rsa:{bits}");
    let args = [
        "req", "-new", "-newkey", &bits, "-nodes", "-keyout", &key, "-out", &request,
    ];
    openssl(dir, &[&args[..], &["-subj", &subject]].concat());
    let (request, out) = (text(dir, &request), text(dir, &format!("{port}.crt")));
    ours(&[
        "ca",
        "sign",
        &request,
        "--dir",
        &text(dir, authority),
        "--out",
        &out,
    ]);
}

/// The profile gzipped and encrypted, as the guide has it.
fn encrypt(profiles: &Path) {
    let gzip = support::program("gzip").expect("gzip");
    let status = Command::new(gzip)
        .current_dir(profiles)
        .args(["-k", "plain.xml"])
        .status();
    assert!(status.unwrap().success());
    let args = ["enc", "-e", "-aes-256-cbc", "-k", "SecretPhrase1234"];
    openssl(
        profiles,
        &[&args[..], &["-in", "plain.xml.gz", "-out", "sealed.xml"]].concat(),
    );
    let args = [
        &args[..],
        &["-md", "md5", "-in", "plain.xml", "-out", "md5.xml"],
    ]
    .concat();
    openssl(profiles, &args);
}

fn nginx(dir: &Path, ip: IpAddr) -> Running {
    let program = support::program("nginx").expect("nginx is not installed: run .ci/packages");
    let folder = dir.display();
    let servers: String = SERVERS
        .iter()
        .map(|(port, _, _, bits)| {
            let ciphers = match bits {
                1024 => "ssl_ciphers DEFAULT:@SECLEVEL=0;",
                _ => "",
            };
            format!(
                "server {{ listen {ip}:{port} ssl; root {folder}/profiles; {ciphers}
                   ssl_certificate {folder}/{port}.crt; ssl_certificate_key {folder}/{port}.key;
                   ssl_verify_client on; ssl_client_certificate {folder}/authority/client-root.crt;
                   location /moved {{ return 302 https://prof.voice.com:8443/000e08abcdef.xml; }}
                   location /relative {{ return 301 /000e08abcdef.xml; }}
                   location /other {{ return 307 /000e08abcdef.xml; }}
                   location /loop {{ return 302 /loop; }}
                   location /login/ {{ alias {folder}/profiles/; auth_basic phones;
                                       auth_basic_user_file {folder}/users; }}
                   location /gone {{ return 503; }} }}\n"
            )
        })
        .collect();
    let config = format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log info;
         events {{ }}
         http {{ absolute_redirect off; access_log {folder}/access.log;
           client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
           fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
           scgi_temp_path {folder}/scgi;
           {servers} }}"
    );
    let path: PathBuf = dir.join("nginx.conf");
    fs::write(&path, config).unwrap();
    let mut command = Command::new(program);
    command.arg("-e").arg(dir.join("error.log"));
    command.arg("-p").arg(dir).arg("-c").arg(path);
    let mut running = Running::start(&mut command).unwrap();
    let last = SocketAddr::new(ip, SERVERS[SERVERS.len() - 1].0);
    wait(&mut running, || TcpStream::connect(last).is_ok());
    running
}

fn dnsmasq(ip: IpAddr) -> Running {
    let program = support::program("dnsmasq").expect("dnsmasq is not installed: run .ci/packages");
    let mut command = Command::new(program);
    command
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--pid-file=",
        ])
        .args([
            "--port=5353",
            "--bind-interfaces",
            "--no-resolv",
            "--no-hosts",
        ])
        .args(["--user=root", "--local=/nowhere.example/"])
        .arg(format!("--listen-address={ip}"));
    let here = ip.to_string();
    for (name, address) in [
        ("sprov.callme.com", here.as_str()),
        ("pv.telco.net", &here),
        ("prof.voice.com", &here),
        ("small.callme.com", &here),
        // Nobody listens at the second.
        ("two.callme.com", &here),
        ("two.callme.com", "127.0.0.254"),
        ("down.callme.com", "127.0.0.254"),
        ("moved.callme.com", "127.0.0.254"),
    ] {
        command.arg(format!("--address=/{name}/{address}"));
    }
    let mut running = Running::start(&mut command).unwrap();
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    // A question for the root's name servers: any answer will do.
    let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
    wait(&mut running, || {
        let _ = socket.send_to(question, (ip, 5353));
        socket.recv_from(&mut [0; 512]).is_ok()
    });
    running
}

fn wait(running: &mut Running, mut is_ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_ready() {
        if let Some(status) = running.ended() {
            panic!("ended, {status}: {}", running.what_it_said());
        }
        assert!(Instant::now() < deadline, "{}", running.what_it_said());
        thread::sleep(Duration::from_millis(20));
    }
}

/// The line of the verdict.
fn verdict(lines: &[Value]) -> &Value {
    let last = lines.last().unwrap();
    assert_eq!(last["kind"], "verdict", "{lines:?}");
    last
}

fn code(lines: &[Value]) -> &str {
    verdict(lines)["reasons"][0]["code"]
        .as_str()
        .unwrap_or("provisioned")
}

fn syslog(lines: &[Value]) -> Vec<&str> {
    let said = lines.iter().filter(|line| line["kind"] == "syslog");
    said.filter_map(|line| line["text"].as_str()).collect()
}

#[test]
#[ignore = "needs nginx and dnsmasq"]
fn the_phone_takes_and_refuses_nginx_as_the_guide_says() {
    let world = World::new();
    // The rule, more arguments, exit code, first reason.
    let good = "provisioned";
    let mpp113 = &["--name-check", "mpp113"][..];
    let cases: &[(&str, &[&str], i32, &str)] = &[
        ("https://sprov.callme.com:8441/$MA.xml", &[], 0, good),
        ("https://pv.telco.net:8442/$MA.xml", &[], 0, good),
        ("https://prof.voice.com:8443/$MA.xml", &[], 0, good),
        // The URL's host is not compared, so an address will do, and another name of the server.
        ("https://@IP:8443/$MA.xml", &[], 0, good),
        ("https://two.callme.com:8441/$MA.xml", &[], 0, good),
        ("https://sprov.callme.com:8441/$MA.xml", mpp113, 0, good),
        (
            "https://prof.voice.com:8443/$MA.xml",
            mpp113,
            1,
            "name-mismatch",
        ),
        (
            "https://pv.telco.net:8441/$MA.xml",
            mpp113,
            1,
            "name-mismatch",
        ),
        (
            "https://sprov.callme.com:8444/$MA.xml",
            &[],
            1,
            "issuer-unknown",
        ),
        (
            "https://sprov.callme.com:8447/$MA.xml",
            &[],
            1,
            "signature-bad",
        ),
        (
            "https://sprov.callme.com:8445/$MA.xml",
            &[],
            1,
            "dns-mismatch",
        ),
        (
            "https://sprov.callme.com:8448/$MA.xml",
            &[],
            1,
            "dns-name-unknown",
        ),
        (
            "https://nowhere.example:8441/$MA.xml",
            &[],
            3,
            "host-unknown",
        ),
        (
            "https://down.callme.com:8441/$MA.xml",
            &[],
            3,
            "server-unreachable",
        ),
        // Nobody answers at port 1, and the URL needs no DNS: the certificate does.
        (
            "https://@IP:8441/$MA.xml",
            &["--dns", "@IP:1"],
            3,
            "dns-unavailable",
        ),
        (
            "https://sprov.callme.com:8441/$MA.xml",
            &["--dns", "@IP:1"],
            3,
            "dns-unavailable",
        ),
        (
            "https://sprov.callme.com:8441/$MA.xml",
            &["--date", "2044-01-01T00:00:00Z"],
            1,
            "certificate-expired",
        ),
        (
            "https://sprov.callme.com:8441/$MA.xml",
            &["--date", "2000-01-01T00:00:00Z"],
            1,
            "certificate-not-yet-valid",
        ),
        (
            "https://sprov.callme.com:8441/$MA.xml",
            &[
                "--date",
                "2044-01-01T00:00:00Z",
                "--set",
                "provision.dates=ignored",
            ],
            0,
            good,
        ),
        // nginx has RSA 1024 only at security level 0.
        ("https://small.callme.com:8446/$MA.xml", &[], 0, good),
        (
            "https://small.callme.com:8446/$MA.xml",
            &["--set", "provision.min_rsa_bits=2048"],
            1,
            "server-key-too-small",
        ),
        (
            "https://sprov.callme.com:8441/none.xml",
            &[],
            1,
            "file-not-found",
        ),
        (
            "https://sprov.callme.com:8441/none.xml",
            &["--parameter", "Resync_Fails_On_FNF=No"],
            0,
            good,
        ),
        (
            "https://sprov.callme.com:8441/broken.xml",
            &[],
            1,
            "profile-corrupt",
        ),
        ("https://sprov.callme.com:8441/gone", &[], 1, "http-error"),
        ("https://sprov.callme.com:8441/moved", &[], 0, good),
        ("https://sprov.callme.com:8441/relative", &[], 0, good),
        ("https://sprov.callme.com:8441/other", &[], 1, "http-error"),
        (
            "https://sprov.callme.com:8441/loop",
            &[],
            1,
            "too-many-redirects",
        ),
        ("https://sprov.callme.com:8441/plain.xml.gz", &[], 0, good),
        (
            "[--key SecretPhrase1234] https://sprov.callme.com:8441/sealed.xml",
            &[],
            0,
            good,
        ),
        (
            "[--key \"$SA\"] https://sprov.callme.com:8441/md5.xml",
            &["--parameter", "GPP_SA=SecretPhrase1234"],
            0,
            good,
        ),
        (
            "[--key other] https://sprov.callme.com:8441/sealed.xml",
            &[],
            1,
            "profile-key-wrong",
        ),
        (
            "https://sprov.callme.com:8441/sealed.xml",
            &[],
            1,
            "profile-key-missing",
        ),
        (
            "[--uid phone --pwd secret] https://sprov.callme.com:8441/login/plain.xml",
            &[],
            0,
            good,
        ),
        (
            "[--uid phone --pwd wrong] https://sprov.callme.com:8441/login/plain.xml",
            &[],
            1,
            "login-refused",
        ),
        (
            "https://sprov.callme.com:8441/login/plain.xml",
            &[],
            1,
            "login-refused",
        ),
        (
            "/$PSN.xml",
            &["--option-66", "sprov.callme.com"],
            1,
            "rule-not-supported",
        ),
        (
            "https:///$MA.xml",
            &["--option-66", "sprov.callme.com:8441"],
            0,
            good,
        ),
    ];
    let mut wrong = Vec::new();
    for (rule, more, exit, reason) in cases {
        let (found, lines) = world.resync(rule, more);
        println!("{found} {:<28} {rule} {more:?}", code(&lines));
        if (found, code(&lines)) != (*exit, reason) {
            wrong.push(format!("{rule} {more:?}: {found} {}", verdict(&lines)));
        }
    }
    // Who the phone is, the same server.
    let rule = "https://sprov.callme.com:8441/$MA.xml";
    let small = "https://small.callme.com:8446/$MA.xml";
    let refused = "client-certificate-refused";
    for (device, rule, exit, reason) in [
        (None, rule, 1, refused),
        (Some(("foreign", "000e08abcdef")), rule, 1, refused),
        (Some(("authority", "000e08000002")), small, 0, good),
        // Security level 2 does not take 1024 bits.
        (Some(("authority", "000e08000002")), rule, 1, refused),
    ] {
        let (found, lines) = world.resync_as(device, rule, &[]);
        println!("{found} {:<28} {rule} as {device:?}", code(&lines));
        if (found, code(&lines)) != (exit, reason) {
            wrong.push(format!("{rule} as {device:?}: {found} {}", verdict(&lines)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs nginx and dnsmasq"]
fn the_phone_says_what_it_does() {
    let world = World::new();
    let (_, lines) = world.resync("https://sprov.callme.com:8441/$MA.xml", &[]);
    let ip = world.ip;
    assert_eq!(
        syslog(&lines),
        [
            format!(
                "CP-8832-3PCC 00:0e:08:ab:cd:ef -- Requesting resync \
                 HTTPS://{ip}:8441/000e08abcdef.xml"
            ),
            format!(
                "CP-8832-3PCC 00:0e:08:ab:cd:ef -- Successful resync \
                 HTTPS://{ip}:8441/000e08abcdef.xml"
            ),
        ]
    );
    let (_, lines) = world.resync("https://sprov.callme.com:8444/$MA.xml", &[]);
    let failed = "CP-8832-3PCC 00:0e:08:ab:cd:ef -- Resync failed: SSL certificate problem: unable to \
                  get local issuer certificate";
    assert_eq!(syslog(&lines)[1], failed);
    // nginx never saw a request: the phone refused in the handshake.
    let errors = fs::read_to_string(world.folder.path().join("error.log")).unwrap();
    assert!(errors.contains("alert"), "{errors}");
    let access = fs::read_to_string(world.folder.path().join("access.log")).unwrap();
    assert_eq!(access.lines().count(), 1, "{access}");
    assert!(
        access.contains("\"Cisco-CP-8832-3PCC/11.3.2 (000e08abcdef)\""),
        "{access}"
    );
}
