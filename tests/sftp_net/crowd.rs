//! Many clients, and clients that hold what they should not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use russh::client::{self, Handle};
use russh::keys::PublicKeyOrCertificate;
use russh_sftp::client::RawSftpSession;
use russh_sftp::protocol::{FileAttributes, OpenFlags};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use trustline::net::sftp::{ServeEvent, SftpFault, connect};

use super::lab::{Lab, PASSWORD, USER, config, pattern};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_clients_at_once_are_all_served_a_few_at_a_time() {
    const CLIENTS: usize = 100;
    const SESSIONS: usize = 8;
    let mut config = config();
    config.limits.sessions = SESSIONS;
    config.limits.login_within = Duration::from_secs(60);
    let lab = Arc::new(Lab::with(config).await);
    let open = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let (lab, open, most) = (Arc::clone(&lab), Arc::clone(&open), Arc::clone(&most));
        clients.spawn(async move {
            let mut settings = lab.settings();
            settings.deadlines.login = Duration::from_secs(120);
            let mut directory = connect(&settings).await.unwrap();
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let (temporary, name) = (format!("{n}.tmp"), format!("{n}.p12"));
            let bytes = pattern(40_000 + n);
            directory.write(&temporary, &bytes).await.unwrap();
            directory.rename(&temporary, &name).await.unwrap();
            assert!(directory.read(&name).await.unwrap() == bytes);
            open.fetch_sub(1, Ordering::SeqCst);
            directory.close().await;
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let most = most.load(Ordering::SeqCst);
    assert!((2..=SESSIONS).contains(&most), "{most} at a time");
    let lab = Arc::into_inner(lab).unwrap();
    assert_eq!(lab.connect().await.list().await.unwrap().len(), CLIENTS);
    let events = lab.stop().await;
    let logins = events
        .iter()
        .filter(|e| matches!(e, ServeEvent::LoggedIn { .. }));
    assert_eq!(logins.count(), CLIENTS + 1);
}

#[tokio::test]
async fn silent_clients_hold_their_places_for_so_long_and_no_longer() {
    let mut config = config();
    config.limits.sessions = 4;
    config.limits.login_within = Duration::from_secs(2);
    let lab = Lab::with(config).await;
    let mut silent = Vec::new();
    for n in 0..8 {
        let mut stream = TcpStream::connect(lab.address).await.unwrap();
        if n % 2 == 0 {
            use tokio::io::AsyncWriteExt;
            stream.write_all(b"SSH-2.0-dribble\r\n").await.unwrap();
        }
        silent.push(stream);
    }
    let since = Instant::now();
    // Two rounds of silence, and then it is its turn.
    lab.connect().await.list().await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(30));
    for mut stream in silent {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
    }
    let slow = |e: &ServeEvent| matches!(e, ServeEvent::TooSlow { .. });
    assert_eq!(lab.stop().await.iter().filter(|e| slow(e)).count(), 8);
}

struct Anybody;

impl client::Handler for Anybody {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

async fn ssh(lab: &Lab) -> Handle<Anybody> {
    let config = Arc::new(client::Config::default());
    client::connect(config, lab.address, Anybody).await.unwrap()
}

async fn logged_in(lab: &Lab) -> Handle<Anybody> {
    let mut ssh = ssh(lab).await;
    let login = ssh.authenticate_password(USER, PASSWORD).await.unwrap();
    assert!(login.success());
    ssh
}

async fn sftp(ssh: &Handle<Anybody>) -> RawSftpSession {
    let channel = ssh.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let sftp = RawSftpSession::new(channel.into_stream());
    sftp.init().await.unwrap();
    sftp
}

#[tokio::test]
async fn channels_and_handles_have_limits() {
    let mut config = config();
    config.limits.channels = 2;
    config.limits.handles = 3;
    let lab = Lab::with(config).await;
    let ssh = logged_in(&lab).await;
    let one = sftp(&ssh).await;
    let _two = sftp(&ssh).await;
    assert!(ssh.channel_open_session().await.is_err());

    let flags = OpenFlags::WRITE | OpenFlags::CREATE;
    let mut handles = Vec::new();
    for n in 0..3 {
        let name = format!("/bulk/{n}");
        let opened = one.open(name, flags, FileAttributes::empty()).await;
        handles.push(opened.unwrap().handle);
    }
    let more = one.open("/bulk/3", flags, FileAttributes::empty()).await;
    assert!(
        more.unwrap_err()
            .to_string()
            .contains("too many open files")
    );
    assert_eq!(
        lab.get("/bulk/3"),
        None,
        "nothing is made that cannot be opened"
    );
    assert!(one.opendir("/bulk").await.is_err());
    one.close(handles.remove(0)).await.unwrap();
    one.opendir("/bulk").await.unwrap();
}

#[tokio::test]
async fn writes_arrive_in_any_order_and_in_parallel() {
    let lab = Lab::start().await;
    let ssh = logged_in(&lab).await;
    let sftp = Arc::new(sftp(&ssh).await);
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let opened = sftp.open("/bulk/p", flags, FileAttributes::empty()).await;
    let handle = opened.unwrap().handle;
    let bytes = pattern(300_000);
    let mut writes = JoinSet::new();
    for (n, chunk) in bytes
        .chunks(20_000)
        .enumerate()
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        let (sftp, handle, chunk) = (Arc::clone(&sftp), handle.clone(), chunk.to_vec());
        writes.spawn(async move { sftp.write(handle, n as u64 * 20_000, chunk).await.unwrap() });
    }
    while let Some(write) = writes.join_next().await {
        write.unwrap();
    }
    sftp.close(handle).await.unwrap();
    assert!(lab.get("/bulk/p").unwrap() == bytes);
}

#[tokio::test]
async fn a_file_that_is_written_over_in_place_is_cut_off() {
    let lab = Lab::start().await;
    lab.put("/bulk/a", b"a longer one");
    let ssh = logged_in(&lab).await;
    let sftp = sftp(&ssh).await;
    let sized = |bytes| FileAttributes {
        size: Some(bytes),
        ..FileAttributes::empty()
    };
    // As scp does it: open without truncating, write, set the size.
    let flags = OpenFlags::WRITE | OpenFlags::CREATE;
    let opened = sftp.open("/bulk/a", flags, FileAttributes::empty()).await;
    let handle = opened.unwrap().handle;
    sftp.write(handle.as_str(), 0, b"short".to_vec())
        .await
        .unwrap();
    sftp.fsetstat(handle.as_str(), sized(5)).await.unwrap();
    sftp.close(handle).await.unwrap();
    assert_eq!(lab.get("/bulk/a").unwrap(), b"short");
    sftp.setstat("/bulk/a", sized(2)).await.unwrap();
    assert_eq!(lab.get("/bulk/a").unwrap(), b"sh");

    // Who only reads may not, and there is no file in a directory's place.
    let flags = OpenFlags::READ;
    let opened = sftp.open("/bulk/a", flags, FileAttributes::empty()).await;
    let handle = opened.unwrap().handle;
    assert!(sftp.fsetstat(handle, sized(0)).await.is_err());
    let handle = sftp.opendir("/bulk").await.unwrap().handle;
    assert!(sftp.fsetstat(handle, sized(0)).await.is_err());
    assert!(sftp.setstat("/bulk", sized(0)).await.is_err());
    assert!(sftp.setstat("/bulk/none", sized(0)).await.is_err());
    assert!(sftp.setstat("/bulk/a", sized(u64::MAX)).await.is_err());
    assert_eq!(lab.get("/bulk/a").unwrap(), b"sh");
    assert_eq!(lab.get("/bulk/none"), None);
}

#[tokio::test]
async fn a_directory_that_goes_away_meanwhile_is_what_is_missing() {
    let lab = Lab::start().await;
    let mut settings = lab.settings();
    settings.directory = "/bulk/sub".to_owned();
    let ssh = logged_in(&lab).await;
    let other = sftp(&ssh).await;
    let plain = FileAttributes::empty();
    other.mkdir("/bulk/sub", plain).await.unwrap();
    let mut directory = connect(&settings).await.unwrap();
    other.rmdir("/bulk/sub").await.unwrap();
    let missing = SftpFault::NoDirectory {
        directory: settings.directory,
    };
    assert_eq!(directory.write("a", b"a").await, Err(missing.clone()));
    assert_eq!(directory.list().await, Err(missing));
}

#[tokio::test]
async fn nothing_but_sftp_is_served_and_only_after_the_login() {
    let lab = Lab::start().await;
    // Before the login there is no channel; russh's own client does not even ask.
    let mut early = ssh(&lab).await;
    for _ in 0..config().limits.login_attempts + 2 {
        let login = early.authenticate_password(USER, "wrong").await;
        assert!(!login.is_ok_and(|login| login.success()));
    }
    let right = early.authenticate_password(USER, PASSWORD).await;
    assert!(
        !right.is_ok_and(|login| login.success()),
        "too many attempts"
    );

    let ssh = logged_in(&lab).await;
    for request in ["shell", "exec", "subsystem"] {
        let mut channel = ssh.channel_open_session().await.unwrap();
        match request {
            "shell" => channel.request_shell(true).await.unwrap(),
            "exec" => channel.exec(true, "id").await.unwrap(),
            _ => channel.request_subsystem(true, "netconf").await.unwrap(),
        }
        loop {
            match channel.wait().await {
                Some(russh::ChannelMsg::Failure) => break,
                Some(russh::ChannelMsg::WindowAdjusted { .. }) => {}
                other => panic!("{request}: {other:?}"),
            }
        }
        channel.close().await.unwrap();
    }
    assert!(
        ssh.channel_open_direct_tcpip("127.0.0.1", 1, "127.0.0.1", 1)
            .await
            .is_err()
    );
    sftp(&ssh).await;
}

#[tokio::test]
async fn no_path_of_a_client_leads_out_of_the_tree() {
    let lab = Lab::start().await;
    let ssh = logged_in(&lab).await;
    let sftp = sftp(&ssh).await;
    let real = sftp.realpath("../../../../bulk/./x/..").await.unwrap();
    assert_eq!(real.files[0].filename, "/bulk");
    assert!(sftp.stat("/etc/passwd").await.is_err());
    assert!(sftp.symlink("/bulk/link", "/etc/passwd").await.is_err());
    assert!(sftp.hardlink("/etc/passwd", "/bulk/link").await.is_err());
    for bad in [
        "a\\b",
        "\u{1b}[2J",
        &"deep/".repeat(40),
        &"long".repeat(2000),
    ] {
        assert!(
            sftp.mkdir(bad, FileAttributes::empty()).await.is_err(),
            "{bad:?}"
        );
    }
    let flags = OpenFlags::READ;
    for handle in ["", "0", "-1", "99999999999999999999", "\0"] {
        assert!(sftp.read(handle, 0, 10).await.is_err(), "{handle:?}");
        assert!(sftp.write(handle, 0, vec![1]).await.is_err(), "{handle:?}");
        assert!(sftp.readdir(handle).await.is_err(), "{handle:?}");
    }
    lab.put("/bulk/a", b"abc");
    let handle = sftp.open("/bulk/a", flags, FileAttributes::empty()).await;
    let handle = handle.unwrap().handle;
    assert!(
        sftp.write(handle.as_str(), 0, vec![1]).await.is_err(),
        "opened for reading"
    );
    assert!(
        sftp.read(handle.as_str(), u64::MAX, u32::MAX)
            .await
            .is_err()
    );
    assert_eq!(
        sftp.read(handle.as_str(), 1, u32::MAX).await.unwrap().data,
        b"bc"
    );
}
