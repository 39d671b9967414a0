//! SFTP against OpenSSH: our client at `sshd`, and `sftp`, `scp` and `sshpass` at our server.
//!
//! | Case | Exchanged |
//! |---|---|
//! | our client, `sshd`, key of the current user | every operation; host key on first use, pinned, changed; as a CUCM offers it |
//! | our client, `sshd`, password of a user made for the test (root) | every operation, wrong password |
//! | two clusters, `sshd`, a connection each, by password (root) or key | both export, one consolidates, both import, each TVS knows the other's signers |
//! | our client, `internal-sftp -R` | permission denied |
//! | our client, `sshd` over a small and a read-only file system (root) | disk full, read-only |
//! | our client, `sshd` behind a connection that is cut | half a file under its temporary name |
//! | `sftp -b` with a key, `sshpass sftp` with a password, `scp` | our server: list, get, put, identical; over a longer file too |
//!
//! As root, `sshd` wants the folder `/run/sshd`, which the service makes at each start of the
//! machine; it is made here if it is missing, and stays.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real programs take real time, real files and real sockets"
)]

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener as StdTcpListener, TcpStream as StdTcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use trustline::net::sftp::{
    Account, Doing, HostKeyPolicy, Listed, Login, Offer, ServeConfig, ServeLimits, ServerKey,
    SftpDirectory, SftpFault, SftpSettings, SharedFaults, SharedTree, Tree, TreePath, connect,
    serve,
};

use crate::clusters::{Clusters, exchange};
use crate::support::{self, PACKAGES, Running};

/// No foreign program may take longer; the slowest here needs a second.
const LIMIT: Duration = Duration::from_secs(60);
const PASSWORD: &str = "lab-pass-1";

fn lab_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/sftp")
        .join(name)
}

fn lab_text(name: &str) -> String {
    fs::read_to_string(lab_file(name)).unwrap()
}

fn program(name: &str) -> PathBuf {
    let found = support::program(name);
    found.unwrap_or_else(|| panic!("{name} is not installed: run {PACKAGES} (as root)"))
}

/// A foreign program's run, which must go well.
fn must(command: &mut Command) -> Output {
    let output = support::run(command, LIMIT).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

fn current_user() -> String {
    let output = must(Command::new("id").arg("-un"));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Bytes that differ from place to place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

/// A private key that ssh takes: no one else may read it.
fn private_copy(name: &str, folder: &Path) -> PathBuf {
    let copy = folder.join(name);
    fs::copy(lab_file(name), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    copy
}

/// OpenSSH's server as a child of the test, on a free port of loopback.
struct Sshd {
    address: SocketAddr,
    /// The folder `bulk` of it is served.
    folder: TempDir,
    _running: Running,
}

impl Sshd {
    fn start(internal_sftp: &str, more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("bulk")).unwrap();
        let rsa = private_copy("host-rsa.pem", folder.path());
        let ed25519 = folder.path().join("host-ed25519");
        must(
            Command::new(program("ssh-keygen"))
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&ed25519),
        );
        let keys = folder.path().join("authorized_keys");
        let authorized = ["login-ed25519.pub", "login-rsa.pub"]
            .map(lab_text)
            .concat();
        fs::write(&keys, authorized).unwrap();
        let port = StdTcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let config = folder.path().join("sshd_config");
        let text = format!(
            "ListenAddress {address}\nHostKey {}\nHostKey {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPubkeyAuthentication yes\nPasswordAuthentication yes\n\
             KbdInteractiveAuthentication no\nAuthorizedKeysFile {}\nMaxStartups 100\n\
             Subsystem sftp internal-sftp {internal_sftp}\nForceCommand internal-sftp {internal_sftp}\n\
             {more}\n",
            ed25519.display(),
            rsa.display(),
            keys.display(),
        );
        fs::write(&config, text).unwrap();
        if support::is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut command = Command::new(program("sshd"));
        command.args(["-D", "-e", "-f"]).arg(&config);
        let mut running = Running::start(&mut command).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while StdTcpStream::connect(address).is_err() {
            if running.ended().is_some() || Instant::now() > deadline {
                panic!("sshd: {}", running.what_it_said());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            address,
            folder,
            _running: running,
        }
    }

    fn bulk(&self) -> PathBuf {
        self.folder.path().join("bulk")
    }

    /// By key, as the current user.
    fn settings(&self) -> SftpSettings {
        let login = Login::Key(lab_text("login-ed25519.pem"));
        let bulk = self.bulk().to_str().unwrap().to_owned();
        let host = self.address.ip().to_string();
        SftpSettings::new(host, self.address.port(), current_user(), login, bulk)
    }
}

fn file(name: &str) -> String {
    name.to_owned()
}

fn listed(files: &[(&str, u64)]) -> Vec<Listed> {
    let listed = |&(name, bytes): &(&str, u64)| Listed {
        name: name.to_owned(),
        bytes,
    };
    files.iter().map(listed).collect()
}

/// All that an exchange does, on a directory that is the folder `bulk`.
async fn exercise(mut directory: SftpDirectory, bulk: &Path) {
    assert_eq!(directory.list().await, Ok(vec![]));
    for size in [0, 1, 3147, 32_768, 32_769, 2 * 1024 * 1024] {
        let bytes = pattern(size);
        directory.write("part.tmp", &bytes).await.unwrap();
        directory.rename("part.tmp", "a node.p12").await.unwrap();
        assert!(
            fs::read(bulk.join("a node.p12")).unwrap() == bytes,
            "{size}"
        );
        assert!(
            directory.read("a node.p12").await.unwrap() == bytes,
            "{size}"
        );
        assert_eq!(
            directory.list().await,
            Ok(listed(&[("a node.p12", size as u64)]))
        );
        directory.remove("a node.p12").await.unwrap();
    }
    directory.write("a", b"longer").await.unwrap();
    directory.write("a", b"a").await.unwrap();
    directory.write("b", b"b").await.unwrap();
    let taken = SftpFault::Exists { file: file("b") };
    assert_eq!(directory.rename("a", "b").await, Err(taken));
    let missing = SftpFault::NoSuchFile { file: file("x") };
    assert_eq!(directory.read("x").await, Err(missing.clone()));
    assert_eq!(directory.remove("x").await, Err(missing.clone()));
    assert_eq!(directory.rename("x", "y").await, Err(missing));

    // Files of others: a folder, a link to a file, a link to nowhere.
    fs::create_dir(bulk.join("folder")).unwrap();
    symlink("b", bulk.join("link")).unwrap();
    symlink("nowhere", bulk.join("broken")).unwrap();
    let found = directory.list().await;
    assert_eq!(found, Ok(listed(&[("a", 1), ("b", 1), ("link", 1)])));
    assert_eq!(directory.read("link").await.unwrap(), b"b");
    directory.close().await;
    assert_eq!(fs::read(bulk.join("a")).unwrap(), b"a");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn our_client_does_its_exchange_at_sshd() {
    let sshd = Sshd::start("", "");
    exercise(connect(&sshd.settings()).await.unwrap(), &sshd.bulk()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn our_client_offers_sshd_what_a_cucm_offers() {
    let sshd = Sshd::start("", "");
    let mut settings = sshd.settings();
    settings.offer = Offer::Cucm;
    settings.login = Login::Key(lab_text("login-rsa.pem"));
    let directory = connect(&settings).await.unwrap();
    // sshd has two host keys; a CUCM takes the RSA one.
    assert_eq!(*directory.host_key(), ServerKey::lab().unwrap().host_key());
    exercise(directory, &sshd.bulk()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn our_client_knows_sshd_again() {
    let sshd = Sshd::start("", "");
    let mut settings = sshd.settings();
    let seen = connect(&settings).await.unwrap().host_key().clone();
    assert_eq!(seen.algorithm, "ssh-ed25519");
    // The fingerprint seen, and the line of either key: the one that is pinned is asked for.
    for pin in [
        seen.fingerprint.to_string(),
        seen.line,
        lab_text("host-rsa.pub"),
    ] {
        settings.host_key = HostKeyPolicy::Pinned(pin.parse().unwrap());
        connect(&settings).await.unwrap();
    }
    let other = ServerKey::from_pem(&lab_text("host-other.pem")).unwrap();
    let expected = other.host_key().fingerprint;
    settings.host_key = HostKeyPolicy::Pinned(expected.into());
    let fault = connect(&settings).await.unwrap_err();
    assert!(matches!(fault, SftpFault::HostKeyChanged { .. }), "{fault}");
    settings.host_key = HostKeyPolicy::Pinned(other.host_key().line.parse().unwrap());
    let fault = connect(&settings).await.unwrap_err();
    assert!(fault.to_string().contains("ssh-rsa"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn our_client_is_refused_by_sshd_in_plain_words() {
    let sshd = Sshd::start("", "MaxAuthTries 2");
    let mut settings = sshd.settings();
    settings.directory = "/nowhere/at/all".to_owned();
    let fault = connect(&settings).await.unwrap_err();
    let directory = settings.directory.clone();
    assert_eq!(fault, SftpFault::NoDirectory { directory });

    let user = settings.user.clone();
    settings.login = Login::Key(lab_text("host-other.pem"));
    let fault = connect(&settings).await.unwrap_err();
    let SftpFault::LoginRefused { user: told, offers } = fault else {
        panic!("{fault}");
    };
    assert_eq!(told, user);
    assert!(offers.contains(&file("publickey")), "{offers:?}");

    // One attempt, and sshd hangs up.
    let sshd = Sshd::start("", "MaxAuthTries 1");
    let mut settings = sshd.settings();
    settings.login = Login::Password(file("wrong"));
    let fault = connect(&settings).await.unwrap_err();
    assert!(matches!(fault, SftpFault::LoginRefused { .. }), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn our_client_may_not_write_at_sshd() {
    let sshd = Sshd::start("-R", "");
    fs::write(sshd.bulk().join("a"), b"a").unwrap();
    let mut directory = connect(&sshd.settings()).await.unwrap();
    let denied = SftpFault::PermissionDenied { file: file("a") };
    assert_eq!(directory.write("a", b"new").await, Err(denied.clone()));
    assert_eq!(directory.rename("a", "b").await, Err(denied.clone()));
    assert_eq!(directory.remove("a").await, Err(denied));
    assert_eq!(directory.read("a").await.unwrap(), b"a");
}

/// A file system of 64 KiB in memory, unmounted when it goes out of scope.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// None if this may not mount.
    fn mount(at: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "trustline"]);
        let output = support::run(mount.arg(at), LIMIT).unwrap();
        output.status.success().then_some(Self(at))
    }

    fn make_read_only(&self) {
        must(Command::new("mount").args(["-o", "remount,ro"]).arg(self.0));
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = support::run(Command::new("umount").arg(self.0), LIMIT);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn our_client_fills_the_disk_of_sshd() {
    let sshd = Sshd::start("", "");
    let bulk = sshd.bulk();
    let Some(disk) = SmallDisk::mount(&bulk) else {
        println!("skipped: needs root, and leave to mount");
        return;
    };
    let mut directory = connect(&sshd.settings()).await.unwrap();
    let full = SftpFault::DiskFull {
        file: file("part.tmp"),
    };
    assert_eq!(
        directory.write("part.tmp", &pattern(200_000)).await,
        Err(full)
    );
    directory.remove("part.tmp").await.unwrap();
    directory.write("fits", &pattern(10_000)).await.unwrap();

    disk.make_read_only();
    let read_only = SftpFault::ReadOnly { file: file("fits") };
    assert_eq!(directory.write("fits", b"x").await, Err(read_only.clone()));
    assert_eq!(directory.remove("fits").await, Err(read_only));
    assert_eq!(directory.read("fits").await.unwrap(), pattern(10_000));
    // So that nobody is inside when it is unmounted.
    directory.close().await;
}

/// A way to `server` that is cut after so many bytes from the client.
async fn cutting_way(server: SocketAddr, after: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(server).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let back = tokio::spawn(async move {
            let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        });
        let mut left = after;
        let mut buffer = [0; 4096];
        while left > 0 {
            let room = left.min(buffer.len());
            let count = from_client.read(&mut buffer[..room]).await.unwrap();
            assert!(count > 0, "the client has sent {} bytes only", after - left);
            to_server.write_all(&buffer[..count]).await.unwrap();
            left -= count;
        }
        back.abort();
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn our_client_is_cut_off_from_sshd_in_the_middle_of_a_file() {
    let sshd = Sshd::start("", "");
    let way = cutting_way(sshd.address, 100_000).await;
    let mut settings = sshd.settings();
    settings.port = way.port();
    let mut directory = connect(&settings).await.unwrap();
    let bytes = pattern(200_000);
    let doing = Doing::Writing(file("part.tmp"));
    let written = directory.write("part.tmp", &bytes).await;
    assert_eq!(written, Err(SftpFault::Cut { doing }));
    let half = fs::read(sshd.bulk().join("part.tmp")).unwrap();
    assert!(
        !half.is_empty() && half.len() < bytes.len(),
        "{}",
        half.len()
    );
    assert!(bytes.starts_with(&half));
}

/// A user of the system for one test; needs root.
struct ThrowAwayUser(String);

impl ThrowAwayUser {
    fn make(home: &Path) -> Self {
        // Tests may run side by side.
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("trustline{}-{number}", std::process::id());
        let hash = must(Command::new(program("openssl")).args(["passwd", "-6", PASSWORD]));
        let hash = String::from_utf8(hash.stdout).unwrap();
        must(
            Command::new(program("useradd"))
                .args(["--no-create-home", "--no-user-group", "--home-dir"])
                .arg(home)
                .args(["--shell", "/usr/sbin/nologin", "--password", hash.trim()])
                .arg(&name),
        );
        Self(name)
    }
}

impl Drop for ThrowAwayUser {
    fn drop(&mut self) {
        let _ = support::run(Command::new("userdel").arg(&self.0), LIMIT);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn our_client_gives_sshd_a_password() {
    if !support::is_root() {
        println!("skipped: needs root, to make a user with a password");
        return;
    }
    let sshd = Sshd::start("", "");
    let bulk = sshd.bulk();
    let user = ThrowAwayUser::make(&bulk);
    must(Command::new("chown").arg(&user.0).arg(&bulk));
    let mut settings = sshd.settings();
    settings.user = user.0.clone();
    settings.login = Login::Password(PASSWORD.to_owned());
    // The home, without naming it.
    settings.directory = String::new();
    exercise(connect(&settings).await.unwrap(), &bulk).await;

    // A directory that is somebody else's.
    let others = sshd.folder.path().join("others");
    fs::create_dir(&others).unwrap();
    settings.directory = others.to_str().unwrap().to_owned();
    let mut directory = connect(&settings).await.unwrap();
    let denied = SftpFault::PermissionDenied { file: file("a") };
    assert_eq!(directory.write("a", b"a").await, Err(denied));
    directory.close().await;

    settings.login = Login::Password(file("lab-pass-2"));
    let fault = connect(&settings).await.unwrap_err();
    let SftpFault::LoginRefused { user: told, offers } = fault else {
        panic!("{fault}");
    };
    assert_eq!(told, user.0);
    assert_eq!(offers, ["publickey", "password"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn two_clusters_exchange_their_certificates_at_sshd() {
    let sshd = Sshd::start("", "");
    let mut settings = sshd.settings();
    // The way a CUCM would come: by password, into a directory of the user's own.
    settings.offer = Offer::Cucm;
    let user = support::is_root().then(|| ThrowAwayUser::make(&sshd.bulk()));
    if let Some(user) = &user {
        must(Command::new("chown").arg(&user.0).arg(sshd.bulk()));
        settings.user = user.0.clone();
        settings.login = Login::Password(PASSWORD.to_owned());
        settings.directory = String::new();
    } else {
        println!("by key: to make a user with a password needs root");
    }
    let mut clusters = Clusters::new();
    let expected = clusters.in_memory();
    let mut src = connect(&settings).await.unwrap();
    let mut dst = connect(&settings).await.unwrap();
    exchange(&mut clusters, &mut src, &mut dst).await;
    let files: BTreeMap<String, Vec<u8>> = fs::read_dir(sshd.bulk())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    assert_eq!(clusters.contents(&files), expected);
    // The consolidated file opens elsewhere too.
    let consolidated = files.iter().max_by_key(|(_, bytes)| bytes.len());
    let consolidated = sshd.bulk().join(consolidated.unwrap().0);
    must(
        Command::new(program("openssl"))
            .args(["pkcs12", "-nokeys", "-in"])
            .arg(consolidated)
            .arg("-passin")
            .arg(format!("pass:{}", clusters.settings.password)),
    );
}

/// Our server, and what OpenSSH's clients need to reach it.
struct Ours {
    address: SocketAddr,
    tree: SharedTree,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Ours {
    async fn start() -> Self {
        let mut tree = Tree::default();
        tree.make_directory(&path("/bulk"), 0).unwrap();
        let tree = Arc::new(Mutex::new(tree));
        let keys = ["login-ed25519.pub", "login-rsa.pub"].map(|name| lab_text(name).parse());
        let config = ServeConfig {
            accounts: vec![Account {
                name: file("bulk"),
                password: Some(PASSWORD.to_owned()),
                keys: keys.into_iter().map(Result::unwrap).collect(),
            }],
            tree: Arc::clone(&tree),
            host_key: ServerKey::lab().unwrap(),
            limits: ServeLimits::default(),
            faults: SharedFaults::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let folder = TempDir::new().unwrap();
        let known = format!(
            "[{}]:{} {}\n",
            address.ip(),
            address.port(),
            config.host_key.host_key().line
        );
        fs::write(folder.path().join("known_hosts"), known).unwrap();
        for key in ["login-ed25519.pem", "login-rsa.pem"] {
            private_copy(key, folder.path());
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, config, Arc::new(|_| {}), async {
            let _ = stopped.await;
        }));
        Self {
            address,
            tree,
            folder,
            stop,
            task,
        }
    }

    /// Options that keep OpenSSH from anything of this machine's user.
    fn options(&self, command: &mut Command) {
        let known = self.folder.path().join("known_hosts");
        command
            .args(["-F", "/dev/null", "-P", &self.address.port().to_string()])
            .args([
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args(["-o", "GlobalKnownHostsFile=/dev/null", "-o"])
            .arg(format!("UserKnownHostsFile={}", known.display()));
    }

    fn by_key(&self, name: &str, key: &str) -> Command {
        let mut command = Command::new(program(name));
        self.options(&mut command);
        command.arg("-i").arg(self.folder.path().join(key));
        command
    }

    fn by_password(&self, password: &str) -> Command {
        let mut command = Command::new(program("sshpass"));
        command.args(["-p", password]).arg(program("sftp"));
        self.options(&mut command);
        // `-b` alone forbids to ask for a password.
        command.args(["-o", "BatchMode=no", "-o", "PubkeyAuthentication=no"]);
        command
    }

    /// Runs `sftp` over `batch`, with files relative to the folder.
    fn batch(&self, mut sftp: Command, batch: &str) -> Output {
        let script = self.folder.path().join("batch");
        fs::write(&script, batch).unwrap();
        sftp.arg("-b").arg(&script);
        sftp.arg(format!("bulk@{}", self.address.ip()));
        sftp.current_dir(self.folder.path());
        let (output, shown) = (support::run(&mut sftp, LIMIT), format!("{sftp:?}"));
        output.unwrap_or_else(|error| panic!("{shown}: {error}"))
    }

    fn get(&self, at: &str) -> Vec<u8> {
        self.tree.lock().unwrap().read(&path(at)).unwrap().to_vec()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn went_well(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{said}");
    text
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn openssh_sftp_works_on_our_server() {
    let ours = Ours::start().await;
    // Large enough for many writes at once, which arrive as they like.
    let bytes = pattern(3_000_000);
    fs::write(ours.folder.path().join("local"), &bytes).unwrap();
    for (key, name) in [("login-ed25519.pem", "one"), ("login-rsa.pem", "two")] {
        let batch = format!(
            "pwd\ncd bulk\nmkdir d\nput local d/{name}.tmp\nrename d/{name}.tmp {name}.p12\n\
             rmdir d\nls -la\nget {name}.p12 back\ndf\nput local gone\nrm gone\n-get missing\n\
             -rename {name}.p12 ../bulk\nchmod 600 {name}.p12\n"
        );
        let text = went_well(&ours.batch(ours.by_key("sftp", key), &batch));
        assert!(text.contains("Remote working directory: /\n"), "{text}");
        assert!(text.contains("-rw-------"), "{text}");
        assert!(text.contains(&format!("{} ", bytes.len())), "{text}");
        assert!(ours.get(&format!("/bulk/{name}.p12")) == bytes);
        assert!(fs::read(ours.folder.path().join("back")).unwrap() == bytes);
    }
    let left = ours.tree.lock().unwrap().list(&path("/bulk")).unwrap();
    let left: Vec<_> = left.into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["one.p12", "two.p12"]);
    ours.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn openssh_sftp_gives_our_server_a_password() {
    let ours = Ours::start().await;
    let bytes = pattern(100_000);
    fs::write(ours.folder.path().join("local"), &bytes).unwrap();
    let batch = "put local bulk/a\nget bulk/a back\nls bulk\n";
    let text = went_well(&ours.batch(ours.by_password(PASSWORD), batch));
    assert!(text.contains("bulk/a"), "{text}");
    assert!(ours.get("/bulk/a") == bytes);
    assert!(fs::read(ours.folder.path().join("back")).unwrap() == bytes);

    let wrong = ours.batch(ours.by_password("lab-pass-2"), "ls\n");
    assert!(!wrong.status.success());
    ours.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Debian packages of .ci/packages"]
async fn openssh_scp_works_on_our_server_and_the_old_one_is_refused() {
    let ours = Ours::start().await;
    let bytes = pattern(50_000);
    let local = ours.folder.path().join("local");
    fs::write(&local, &bytes).unwrap();
    let remote = format!("bulk@{}:/bulk/scp", ours.address.ip());
    let mut scp = ours.by_key("scp", "login-ed25519.pem");
    must(scp.arg(&local).arg(&remote));
    assert!(ours.get("/bulk/scp") == bytes);
    // Over a longer file nothing of that one stays.
    let bytes = pattern(20_000);
    fs::write(&local, &bytes).unwrap();
    let mut scp = ours.by_key("scp", "login-ed25519.pem");
    must(scp.arg(&local).arg(&remote));
    assert!(ours.get("/bulk/scp") == bytes);
    // The protocol before SFTP wants a command run.
    let mut scp = ours.by_key("scp", "login-ed25519.pem");
    let old = support::run(scp.arg("-O").arg(&local).arg(&remote), LIMIT).unwrap();
    assert!(!old.status.success());
    ours.stop().await;
}
