//! Foreign programs that a test starts, and ends by their handle.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real programs take real time and real sockets"
)]

use std::fmt;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The script that installs what is missing.
pub(crate) const PACKAGES: &str = ".ci/packages";

/// A child process that is killed and waited for when it goes out of scope.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts `command` without input, its output kept for [`Self::what_it_said`].
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Ok(Self {
            child: command.spawn()?,
        })
    }

    /// Sends it a signal, such as `-HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "kill {name} {pid}"
        );
    }

    /// The exit status, if it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(status.to_string())
    }

    /// What it wrote to stderr. Ends it first.
    pub(crate) fn what_it_said(&mut self) -> String {
        self.end();
        let mut text = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A TFTP server that serves a folder.
pub(crate) struct TftpServer {
    /// Its name.
    pub(crate) name: &'static str,
    /// Where it takes requests.
    pub(crate) address: SocketAddr,
    running: Running,
}

impl TftpServer {
    /// Waits until it answers requests.
    fn ready(mut self) -> Result<Self, Unavailable> {
        let probe = UdpSocket::bind("127.0.0.1:0").map_err(Unavailable::failed(self.name))?;
        probe
            .set_read_timeout(Some(Duration::from_millis(100)))
            .map_err(Unavailable::failed(self.name))?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(status) = self.running.ended() {
                let said = self.running.what_it_said();
                return Err(Unavailable::Failed(format!(
                    "{} ended, {status}: {said}",
                    self.name
                )));
            }
            let _ = probe.send_to(b"\0\x01no-such-file\0octet\0", self.address);
            // Whatever comes back, even an ICMP error's echo, is looked at by its length.
            if probe
                .recv_from(&mut [0; 600])
                .is_ok_and(|(length, _)| length >= 4)
            {
                return Ok(self);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let said = self.running.what_it_said();
        Err(Unavailable::Failed(format!(
            "{} does not answer: {said}",
            self.name
        )))
    }
}

/// Why a program cannot take part.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// It is not installed.
    NotInstalled(&'static str),
    /// It does its job only as root.
    NeedsRoot(&'static str),
    /// It was started, and something went wrong.
    Failed(String),
}

impl Unavailable {
    fn failed(name: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Failed(format!("{name}: {error}"))
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled(name) => {
                write!(f, "{name} is not installed: run {PACKAGES} (as root)")
            }
            Self::NeedsRoot(name) => write!(f, "{name} needs root"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

/// True if this process may bind port 69 and change its root.
pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The program `name`, in the path or where Debian puts servers.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Runs a foreign client to its end, which `limit` enforces.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Output, String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let shown = format!("{command:?}");
    let mut child = command
        .spawn()
        .map_err(|error| format!("{shown}: {error}"))?;
    // Read while it runs: a program that nobody reads from stops where a pipe is full.
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let mut running = Running { child };
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        match running.child.try_wait() {
            Ok(Some(status)) => {
                let said = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
                    reader.and_then(|r| r.join().ok()).unwrap_or_default()
                };
                return Ok(Output {
                    status,
                    stdout: said(stdout),
                    stderr: said(stderr),
                });
            }
            Ok(None) => thread::sleep(Duration::from_millis(2)),
            Err(error) => return Err(format!("{shown}: {error}")),
        }
    }
    Err(format!("{shown}: still going after {limit:?}"))
}

fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is what there is to show.
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// tftpd-hpa, which serves readable files of `root` and changes its root to it.
pub(crate) fn tftpd_hpa(root: &Path) -> Result<TftpServer, Unavailable> {
    let name = "tftpd-hpa";
    let program = program("in.tftpd").ok_or(Unavailable::NotInstalled(name))?;
    if !is_root() {
        return Err(Unavailable::NeedsRoot(name));
    }
    let address = free_address().map_err(Unavailable::failed(name))?;
    let mut command = Command::new(program);
    // `--ipv4`: else it refuses an address where only the loopback interface is up.
    command
        .args([
            "-L",
            "--ipv4",
            "--address",
            &address.to_string(),
            "--secure",
        ])
        .arg(root);
    start(name, address, &mut command)
}

/// atftpd, unpacked beside tftpd-hpa, with which its package conflicts.
pub(crate) fn atftpd(root: &Path) -> Result<TftpServer, Unavailable> {
    let name = "atftpd";
    let program = std::env::var_os("TRUSTLINE_ATFTPD").map_or_else(
        || PathBuf::from("/opt/trustline-interop/atftpd/usr/sbin/atftpd"),
        PathBuf::from,
    );
    if !program.is_file() {
        return Err(Unavailable::NotInstalled(name));
    }
    let address = free_address().map_err(Unavailable::failed(name))?;
    let port = address.port().to_string();
    let mut command = Command::new(program);
    command.args([
        "--daemon",
        "--no-fork",
        "--bind-address",
        "127.0.0.1",
        "--port",
        &port,
    ]);
    // Otherwise it becomes nobody, or stays who it is when it may not.
    if is_root() {
        command.args(["--user", "root.root"]);
    }
    command.args(["--logfile", "/dev/null"]).arg(root);
    start(name, address, &mut command)
}

/// dnsmasq, which takes requests at port 69 only: each has a loopback address of its own.
pub(crate) fn dnsmasq(root: &Path) -> Result<TftpServer, Unavailable> {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let name = "dnsmasq";
    let program = program("dnsmasq").ok_or(Unavailable::NotInstalled(name))?;
    if !is_root() {
        return Err(Unavailable::NeedsRoot(name));
    }
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let ip = [127, 64 | high, low, NEXT.fetch_add(1, Ordering::Relaxed)];
    let address = SocketAddr::from((ip, 69));
    let mut command = Command::new(program);
    command
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--pid-file=",
            "--port=0",
        ])
        .args(["--user=root", "--log-facility=/dev/null", "--quiet-tftp"])
        .args(["--enable-tftp", "--tftp-max=1000", "--bind-interfaces"])
        .arg(format!("--listen-address={}", address.ip()))
        .arg(format!("--tftp-root={}", root.display()));
    start(name, address, &mut command)
}

/// nginx, with `servers` as the content of its `http` block and all that it writes below `prefix`.
/// It is one process, so that its end is the end of all of it.
pub(crate) fn nginx(
    prefix: &Path,
    servers: &str,
    listening: &[SocketAddr],
) -> Result<Running, Unavailable> {
    let name = "nginx";
    let program = program(name).ok_or(Unavailable::NotInstalled(name))?;
    let below = prefix.display();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {below}/temp;"));
    let text = format!(
        "daemon off;\nmaster_process off;\npid {below}/pid;\nerror_log {below}/error.log;\n\
         events {{}}\nhttp {{\naccess_log {below}/access.log;\n{}\n{servers}\n}}\n",
        paths.join("\n")
    );
    let file = prefix.join("nginx.conf");
    std::fs::write(&file, text).map_err(Unavailable::failed(name))?;
    let mut command = Command::new(program);
    command.arg("-p").arg(prefix).arg("-c").arg(&file);
    command.arg("-e").arg(prefix.join("error.log"));
    let mut running = Running::start(&mut command).map_err(Unavailable::failed(name))?;
    let deadline = Instant::now() + Duration::from_secs(10);
    for at in listening {
        while TcpStream::connect(at).is_err() {
            if running.ended().is_some() || Instant::now() > deadline {
                let said = running.what_it_said();
                return Err(Unavailable::Failed(format!("nginx is not at {at}: {said}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(running)
}

fn start(
    name: &'static str,
    address: SocketAddr,
    command: &mut Command,
) -> Result<TftpServer, Unavailable> {
    let running = Running::start(command).map_err(Unavailable::failed(name))?;
    TftpServer {
        name,
        address,
        running,
    }
    .ready()
}

/// An address that was free a moment ago.
fn free_address() -> io::Result<SocketAddr> {
    UdpSocket::bind("127.0.0.1:0")?.local_addr()
}
