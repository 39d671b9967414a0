//! TFTP against tftpd-hpa, atftpd, dnsmasq, tftp-hpa, atftp and curl.

#![allow(
    clippy::disallowed_methods,
    reason = "real programs take real time and real files"
)]

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use trustline::net::clock::Clock;
use trustline::net::tftp::{Observer, ServerEvent, get_from, serve};
use trustline::tftp::{
    Asked, ClientConfig, ClientEvent, Delivery, Negotiated, Outcome, ProtocolError, RequestOptions,
    ServerConfig,
};
use trustline::wire::tftp::ErrorCode;

use crate::support::{self, TftpServer, Unavailable};

/// An empty file, one block more or less, a trust list of the usual size, and a large one.
const SIZES: [usize; 7] = [0, 1, 511, 512, 513, 6_702, 1 << 20];

/// No foreign client may take longer; the slowest here needs a fraction of a second.
const CLIENT_LIMIT: Duration = Duration::from_secs(40);

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

/// A folder that every user may read, with a file of each size, named after it.
fn served_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for size in SIZES {
        let file = folder.path().join(size.to_string());
        fs::write(&file, content(size)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    folder
}

/// Our client against one server.
struct Downloads {
    runtime: Runtime,
    server: TftpServer,
    _folder: TempDir,
}

impl Downloads {
    /// None, and a line that says so, if this needs root.
    fn from(start: fn(&Path) -> Result<TftpServer, Unavailable>) -> Option<Self> {
        let folder = served_folder();
        let server = match start(folder.path()) {
            Ok(server) => server,
            Err(Unavailable::NeedsRoot(name)) => {
                println!("skipped: needs root: {name}");
                return None;
            }
            Err(other) => panic!("{other}"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Some(Self {
            runtime,
            server,
            _folder: folder,
        })
    }

    /// Downloads one file, and prints what was exchanged.
    fn get(&self, file: &str, config: ClientConfig) -> (Outcome, Option<Negotiated>) {
        let mut answered = None;
        let mut noted = Vec::new();
        let outcome = self.runtime.block_on(async {
            let any = SocketAddr::new(self.server.address.ip(), 0);
            let socket = UdpSocket::bind(any).await.unwrap();
            let observer = |_, event| match event {
                ClientEvent::Answered { negotiated, .. } => answered = Some(negotiated),
                other => noted.push(other),
            };
            let clock = Clock::start();
            get_from(
                socket,
                file.as_bytes(),
                self.server.address,
                config,
                clock,
                observer,
            )
            .await
        });
        let outcome = outcome.unwrap();
        let ended = match &outcome {
            Outcome::Done(bytes) => format!("{} bytes", bytes.len()),
            Outcome::Refused { code, text } => {
                format!("ERROR {code} {:?}", text.escape_ascii().to_string())
            }
            other => format!("{other:?}"),
        };
        println!(
            "trustline <- {}: RRQ {file:?} {} -> {}, {ended}{}",
            self.server.name,
            show_options(config.options),
            show_negotiated(answered),
            if noted.is_empty() {
                String::new()
            } else {
                format!(", {noted:?}")
            },
        );
        (outcome, answered)
    }

    /// All sizes with these options; what the server must have agreed to.
    fn all_sizes(&self, options: RequestOptions, expected: Negotiated) {
        for size in SIZES {
            let (outcome, negotiated) = self.get(&size.to_string(), with(options));
            assert!(
                outcome == Outcome::Done(content(size)),
                "{size} bytes with {options:?}"
            );
            let tsize = expected.tsize.map(|_| size as u64);
            assert_eq!(
                negotiated,
                Some(Negotiated { tsize, ..expected }),
                "{size} bytes"
            );
        }
    }

    fn not_found(&self, name: &str) {
        for options in [NONE, ALL] {
            let (outcome, _) = self.get(name, with(options));
            assert!(outcome.is_not_found(), "{outcome:?}");
        }
    }
}

const NONE: RequestOptions = RequestOptions {
    tsize: false,
    blksize: None,
    timeout_secs: None,
    windowsize: None,
};
const ALL: RequestOptions = RequestOptions {
    tsize: true,
    blksize: Some(1_428),
    timeout_secs: Some(2),
    windowsize: Some(8),
};
/// What a server agrees to that knows them all.
const AGREED: Negotiated = Negotiated {
    blksize: 1_428,
    windowsize: 8,
    timeout_secs: Some(2),
    tsize: Some(0),
};

fn with(options: RequestOptions) -> ClientConfig {
    ClientConfig {
        options,
        dally: Duration::ZERO,
        ..ClientConfig::default()
    }
}

fn show_options(options: RequestOptions) -> String {
    if options == NONE {
        return "without options".to_owned();
    }
    let RequestOptions {
        tsize,
        blksize,
        timeout_secs,
        windowsize,
    } = options;
    let named = [
        tsize.then(|| "tsize".to_owned()),
        blksize.map(|value| format!("blksize {value}")),
        timeout_secs.map(|value| format!("timeout {value}")),
        windowsize.map(|value| format!("windowsize {value}")),
    ];
    named.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn show_negotiated(negotiated: Option<Negotiated>) -> String {
    let Some(Negotiated {
        blksize,
        windowsize,
        timeout_secs,
        tsize,
    }) = negotiated
    else {
        return "no transfer".to_owned();
    };
    let timeout = timeout_secs
        .map(|secs| format!(" timeout {secs}"))
        .unwrap_or_default();
    let tsize = tsize
        .map(|size| format!(" tsize {size}"))
        .unwrap_or_default();
    format!("blksize {blksize} windowsize {windowsize}{timeout}{tsize}")
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn downloads_from_tftpd_hpa() {
    let Some(downloads) = Downloads::from(support::tftpd_hpa) else {
        return;
    };
    downloads.all_sizes(NONE, Negotiated::DEFAULT);
    // It does not know windowsize.
    downloads.all_sizes(
        ALL,
        Negotiated {
            windowsize: 1,
            ..AGREED
        },
    );
    downloads.not_found("missing");
    downloads.not_found("New_Zealand\\x.sgn");
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn downloads_from_atftpd() {
    let Some(downloads) = Downloads::from(support::atftpd) else {
        return;
    };
    downloads.all_sizes(NONE, Negotiated::DEFAULT);
    downloads.all_sizes(ALL, AGREED);
    downloads.not_found("missing");
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn downloads_from_dnsmasq() {
    let Some(downloads) = Downloads::from(support::dnsmasq) else {
        return;
    };
    downloads.all_sizes(NONE, Negotiated::DEFAULT);
    // It knows neither timeout nor windowsize.
    downloads.all_sizes(
        ALL,
        Negotiated {
            windowsize: 1,
            timeout_secs: None,
            ..AGREED
        },
    );
    downloads.not_found("missing");
    // Larger blocks than it likes are lowered, to what the interface carries.
    let large = RequestOptions {
        blksize: Some(65_464),
        ..NONE
    };
    let (outcome, negotiated) = downloads.get("1048576", with(large));
    assert!(outcome == Outcome::Done(content(1 << 20)));
    assert!(
        negotiated.is_some_and(|negotiated| negotiated.blksize < 65_464),
        "{negotiated:?}"
    );
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn limits_and_refusals_reach_foreign_servers() {
    for start in [support::tftpd_hpa, support::atftpd, support::dnsmasq] {
        let Some(downloads) = Downloads::from(start) else {
            continue;
        };
        for options in [NONE, ALL] {
            let config = ClientConfig {
                max_bytes: 6_701,
                ..with(options)
            };
            let (outcome, _) = downloads.get("6702", config);
            assert_eq!(
                outcome,
                Outcome::TooLarge {
                    limit: 6_701,
                    actual: 6_702
                }
            );
        }
        // Above the root: whatever the server says, it is no file.
        let (outcome, _) = downloads.get("../../../../etc/hostname", with(NONE));
        let Outcome::Refused { code, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(
            [ErrorCode::NOT_FOUND, ErrorCode::ACCESS_VIOLATION].contains(&code),
            "{code}"
        );
        // No server of the three breaks the rules of negotiation against us.
        assert!(!matches!(
            outcome,
            Outcome::Protocol(ProtocolError::OptionNotAsked { .. })
        ));
    }
}

/// Our server against one client.
struct Uploads {
    address: SocketAddr,
    events: Arc<Mutex<Vec<ServerEvent>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    folder: TempDir,
}

impl Uploads {
    fn start() -> Self {
        let files: BTreeMap<_, _> = SIZES
            .iter()
            .map(|size| (size.to_string(), Arc::from(content(*size))))
            .collect();
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        let observer: Observer = Arc::new(move |_, event| seen.lock().unwrap().push(event));
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                bound.send(socket.local_addr().unwrap()).unwrap();
                let stopped = async { drop(stopped.await) };
                let config = ServerConfig::default();
                let clock = Clock::start();
                serve(socket, Arc::new(files), config, clock, observer, stopped)
                    .await
                    .unwrap();
            });
        });
        let address = address.recv().unwrap();
        let folder = TempDir::new().unwrap();
        Self {
            address,
            events,
            stop: Some(stop),
            thread: Some(thread),
            folder,
        }
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// Runs a client that writes to `out`: its exit code, and what is in the file now, if there is
    /// one.
    fn exit_and_file(&self, command: &mut Command) -> (Option<i32>, Option<Vec<u8>>) {
        let out = self.folder.path().join("out");
        let _ = fs::remove_file(&out);
        self.events.lock().unwrap().clear();
        let Output { status, .. } =
            support::run(command.current_dir(self.folder.path()), CLIENT_LIMIT)
                .unwrap_or_else(|error| panic!("{error}"));
        (status.code(), fs::read(&out).ok())
    }

    /// The same with what our server saw, and prints what was exchanged.
    fn run(&self, command: &mut Command) -> (Option<i32>, Option<Vec<u8>>, Seen) {
        let (exit, written) = self.exit_and_file(command);
        let seen = self.wait_for_end();
        let program = Path::new(command.get_program())
            .file_name()
            .unwrap_or_default();
        let file = match &written {
            Some(bytes) => format!("{} bytes", bytes.len()),
            None => "no file".to_owned(),
        };
        println!(
            "{} <- trustline: {seen}; exit {exit:?}, {file}",
            program.to_string_lossy()
        );
        (exit, written, seen)
    }

    /// A client may leave a moment before our server has seen its last datagram.
    fn wait_for_end(&self) -> Seen {
        for _ in 0..500 {
            let events = self.events.lock().unwrap().clone();
            let mut negotiated = None;
            for event in events {
                match event {
                    ServerEvent::Started {
                        negotiated: agreed, ..
                    } => negotiated = Some(agreed),
                    ServerEvent::Ended {
                        asked,
                        delivery,
                        retransmissions,
                        ..
                    } => {
                        assert_eq!(retransmissions, 0);
                        return Seen {
                            asked,
                            end: End::Ended(delivery),
                            negotiated,
                        };
                    }
                    ServerEvent::Refused {
                        asked: Some(asked),
                        code,
                        ..
                    } => {
                        return Seen {
                            asked,
                            end: End::Refused(code),
                            negotiated,
                        };
                    }
                    other => panic!("{other:?}"),
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no end among {:?}", self.events.lock().unwrap());
    }

    /// A whole file: right bytes, exit 0, delivered.
    fn whole(&self, size: usize, command: &mut Command) -> Seen {
        let (exit, written, seen) = self.run(command);
        assert_eq!(exit, Some(0), "{size} bytes");
        assert!(written == Some(content(size)), "{size} bytes");
        assert_eq!(seen.end, End::Ended(Delivery::Delivered), "{size} bytes");
        seen
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What our server saw of one download.
struct Seen {
    asked: Arc<Asked>,
    negotiated: Option<Negotiated>,
    end: End,
}

#[derive(Debug, PartialEq)]
enum End {
    Ended(Delivery),
    Refused(ErrorCode),
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Asked {
            file,
            mode,
            options,
            ..
        } = &*self.asked;
        write!(f, "RRQ \"{}\" {}", file.escape_ascii(), mode.escape_ascii())?;
        for (name, value) in options {
            write!(f, " {}={}", name.escape_ascii(), value.escape_ascii())?;
        }
        write!(
            f,
            " -> {}, {:?}",
            show_negotiated(self.negotiated),
            self.end
        )
    }
}

fn client(name: &str) -> Command {
    let missing = || {
        panic!(
            "{name} is not installed: run {} (as root)",
            support::PACKAGES
        )
    };
    Command::new(support::program(name).unwrap_or_else(missing))
}

fn asked(seen: &Seen) -> Vec<(&str, &str)> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    seen.asked
        .options
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn serves_tftp_hpa() {
    let uploads = Uploads::start();
    let get = |file: &str| {
        let mut command = client("tftp");
        command.args([
            "-m",
            "binary",
            "127.0.0.1",
            &uploads.port(),
            "-c",
            "get",
            file,
            "out",
        ]);
        command
    };
    for size in SIZES {
        let seen = uploads.whole(size, &mut get(&size.to_string()));
        assert!(seen.asked.options.is_empty());
    }
    // Its trap: a missing file is exit 0 and an empty file.
    let (exit, written, seen) = uploads.run(&mut get("missing"));
    assert_eq!((exit, written), (Some(0), Some(Vec::new())));
    assert_eq!(seen.end, End::Refused(ErrorCode::NOT_FOUND));

    // As text it stores lines as we have them.
    let mut ascii = client("tftp");
    ascii.args([
        "-m",
        "ascii",
        "127.0.0.1",
        &uploads.port(),
        "-c",
        "get",
        "6702",
        "out",
    ]);
    let seen = uploads.whole(6_702, &mut ascii);
    assert_eq!(seen.asked.mode, b"netascii");
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn serves_atftp() {
    let uploads = Uploads::start();
    let get = |file: &str, options: &[&str]| {
        let mut command = client("atftp");
        for option in options {
            command.args(["--option", option]);
        }
        command.args(["-g", "-r", file, "-l", "out", "127.0.0.1", &uploads.port()]);
        command
    };
    for size in SIZES {
        let seen = uploads.whole(size, &mut get(&size.to_string(), &[]));
        assert_eq!(seen.negotiated, Some(Negotiated::DEFAULT));
        let options = ["blksize 1428", "windowsize 8", "tsize", "timeout 2"];
        let seen = uploads.whole(size, &mut get(&size.to_string(), &options));
        assert_eq!(
            seen.negotiated,
            Some(Negotiated {
                tsize: Some(size as u64),
                ..AGREED
            })
        );
    }
    // Its trap: a missing file leaves an empty one, but the exit code tells.
    let (exit, written, seen) = uploads.run(&mut get("missing", &[]));
    assert_eq!((exit, written), (Some(255), Some(Vec::new())));
    assert_eq!(seen.end, End::Refused(ErrorCode::NOT_FOUND));
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn serves_curl() {
    let uploads = Uploads::start();
    let get = |file: &str, options: &[&str]| {
        let mut command = client("curl");
        command
            .args(["-sS", "--max-time", "30", "-o", "out"])
            .args(options);
        command.arg(format!("tftp://{}/{file}", uploads.address));
        command
    };
    // Its trap: it takes a size of 0 for an error, and leaves without a word. Our OACK was right.
    let (exit, written) = uploads.exit_and_file(&mut get("0", &[]));
    println!(
        "curl <- trustline: RRQ \"0\", tsize 0; exit {exit:?}, no file, no answer to the OACK"
    );
    assert_eq!((exit, written), (Some(71), None));
    for size in &SIZES[1..] {
        let name = size.to_string();
        let seen = uploads.whole(*size, &mut get(&name, &[]));
        assert_eq!(asked(&seen)[..2], [("tsize", "0"), ("blksize", "512")]);
        let seen = uploads.whole(*size, &mut get(&name, &["--tftp-no-options"]));
        assert!(seen.asked.options.is_empty());
        let seen = uploads.whole(*size, &mut get(&name, &["--tftp-blksize", "1428"]));
        assert_eq!(
            seen.negotiated.map(|negotiated| negotiated.blksize),
            Some(1_428)
        );
    }
    let (exit, written, seen) = uploads.run(&mut get("missing", &[]));
    assert_eq!((exit, written), (Some(68), None));
    assert_eq!(seen.end, End::Refused(ErrorCode::NOT_FOUND));
}
