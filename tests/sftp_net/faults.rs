//! Every fault, made for real.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use trustline::net::sftp::{
    Doing, ServeEvent, SftpFault, SftpSettings, TreeLimits, Unreachable, Writes, connect,
};

use super::lab::{Lab, listener, pattern, refused, settings};

/// What a silent server is given in these tests.
const SHORT: Duration = Duration::from_millis(300);

fn file(name: &str) -> String {
    name.to_owned()
}

#[tokio::test]
async fn nobody_listens_at_the_port() {
    let address = listener().await.local_addr().unwrap();
    let fault = refused(&settings(address)).await;
    assert_eq!(
        fault.to_string(),
        format!("SFTP server {address} cannot be reached: connection refused")
    );
    assert!(matches!(
        fault,
        SftpFault::Unreachable {
            why: Unreachable::Refused,
            ..
        }
    ));
}

#[tokio::test]
async fn a_name_without_an_address() {
    let mut settings = settings(([127, 0, 0, 1], 1).into());
    // An empty label: no resolver needs to be asked.
    settings.host = "no..such..name".to_owned();
    let fault = refused(&settings).await;
    assert!(
        matches!(
            fault,
            SftpFault::Unreachable {
                why: Unreachable::UnknownHost,
                ..
            }
        ),
        "{fault}"
    );
}

#[tokio::test]
async fn a_queue_that_is_full_is_a_time_out() {
    // A listener that never accepts, with a queue for one.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let connecting = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(SHORT, connecting).await {
            Ok(stream) => waiting.push(stream),
            Err(_) => break,
        }
    }
    if waiting.len() == 8 {
        println!("skipped: this system's listeners take more than they are told");
        return;
    }
    let mut settings = settings(address);
    settings.deadlines.connect = SHORT;
    let why = Unreachable::TimedOut(SHORT);
    let address = address.to_string();
    assert_eq!(
        refused(&settings).await,
        SftpFault::Unreachable { address, why }
    );
}

async fn silent(listener: &TcpListener, greeting: &[u8]) -> (SftpFault, Duration) {
    let mut settings = settings(listener.local_addr().unwrap());
    settings.deadlines.login = SHORT;
    let since = Instant::now();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(greeting).await.unwrap();
        stream
    };
    let (_held, fault) = tokio::join!(serving, refused(&settings));
    (fault, since.elapsed())
}

#[tokio::test]
async fn a_silent_server_meets_the_deadline() {
    let listener = listener().await;
    // Nothing at all; a greeting and then nothing; half a greeting.
    for greeting in [&b""[..], b"SSH-2.0-silence\r\n", b"SSH-2.0-"] {
        let (fault, took) = silent(&listener, greeting).await;
        let expected = SftpFault::NoAnswer {
            doing: Doing::KeyExchange,
            within: SHORT,
        };
        assert_eq!(fault, expected);
        assert!(took < SHORT * 20, "{took:?}");
    }
}

#[tokio::test]
async fn the_socket_of_a_given_up_connection_is_closed() {
    use tokio::io::AsyncReadExt;
    let listener = listener().await;
    let mut settings = settings(listener.local_addr().unwrap());
    settings.deadlines.login = SHORT;
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-silence\r\n").await.unwrap();
        let mut all = Vec::new();
        // To the end: the client's greeting, its key exchange, and the end of the stream.
        let _ = stream.read_to_end(&mut all).await;
        all
    };
    let (sent, _) = tokio::join!(serving, refused(&settings));
    assert!(sent.starts_with(b"SSH-2.0-"));
}

#[tokio::test]
async fn a_server_that_falls_silent_later_meets_the_deadline_of_a_call() {
    let lab = Lab::start().await;
    let mut settings = lab.settings();
    settings.deadlines.call = SHORT;
    let mut directory = connect(&settings).await.unwrap();
    directory.write("a", b"a").await.unwrap();
    lab.fail(|faults| faults.mute = true);
    let expected = SftpFault::NoAnswer {
        doing: Doing::Reading(file("a")),
        within: SHORT,
    };
    assert_eq!(directory.read("a").await, Err(expected.clone()));
    assert_eq!(
        expected.to_string(),
        "no answer from the SFTP server within 300ms while reading \"a\""
    );
    // The connection is given up, and does not hang a second time.
    lab.fail(|faults| faults.mute = false);
    let doing = Doing::Listing;
    assert_eq!(directory.list().await, Err(SftpFault::Cut { doing }));

    lab.fail(|faults| faults.mute = true);
    let mut settings = lab.settings();
    settings.deadlines.login = Duration::from_secs(2);
    let fault = refused(&settings).await;
    assert!(
        matches!(
            fault,
            SftpFault::NoAnswer {
                doing: Doing::Opening | Doing::Login | Doing::KeyExchange,
                ..
            }
        ),
        "{fault}"
    );
}

#[tokio::test]
async fn a_directory_that_is_none() {
    let lab = Lab::start().await;
    lab.put("/bulk/file", b"x");
    for directory in ["/nowhere", "bulk/no", "/bulk/file"] {
        let mut settings = lab.settings();
        settings.directory = directory.to_owned();
        let directory = directory.to_owned();
        assert_eq!(
            refused(&settings).await,
            SftpFault::NoDirectory { directory }
        );
    }
}

#[tokio::test]
async fn files_that_are_missing_or_there_already() {
    let lab = Lab::start().await;
    lab.put("/bulk/a", b"a");
    lab.put("/bulk/b", b"b");
    let mut directory = lab.connect().await;
    let missing = |name: &str| SftpFault::NoSuchFile { file: file(name) };
    assert_eq!(directory.read("x").await, Err(missing("x")));
    assert_eq!(directory.remove("x").await, Err(missing("x")));
    assert_eq!(directory.rename("x", "y").await, Err(missing("x")));
    let taken = SftpFault::Exists { file: file("b") };
    assert_eq!(directory.rename("a", "b").await, Err(taken));
    assert_eq!(lab.get("/bulk/b").unwrap(), b"b");
    // None of that ends the connection.
    assert_eq!(directory.read("a").await.unwrap(), b"a");
}

#[tokio::test]
async fn only_plain_names_are_sent() {
    let lab = Lab::start().await;
    lab.put("/secret", b"s");
    let mut directory = lab.connect().await;
    for name in [
        "../secret",
        "/secret",
        "..",
        ".",
        "",
        "a\0b",
        "a\\b",
        "a\nb",
    ] {
        let bad = SftpFault::BadName { name: file(name) };
        assert_eq!(directory.read(name).await, Err(bad.clone()));
        assert_eq!(directory.write(name, b"x").await, Err(bad.clone()));
        assert_eq!(directory.remove(name).await, Err(bad.clone()));
        assert_eq!(directory.rename(name, "ok").await, Err(bad.clone()));
        assert_eq!(directory.rename("ok", name).await, Err(bad));
    }
    assert_eq!(lab.get("/secret").unwrap(), b"s");
}

#[tokio::test]
async fn a_read_only_file_system_and_a_user_who_may_not() {
    let lab = Lab::start().await;
    lab.put("/bulk/a", b"a");
    let mut directory = lab.connect().await;
    for (writes, expected) in [
        (Writes::ReadOnly, SftpFault::ReadOnly { file: file("a") }),
        (
            Writes::Denied,
            SftpFault::PermissionDenied { file: file("a") },
        ),
    ] {
        lab.fail(|faults| faults.writes = writes);
        assert_eq!(directory.write("a", b"new").await, Err(expected.clone()));
        assert_eq!(directory.rename("a", "b").await, Err(expected.clone()));
        assert_eq!(directory.remove("a").await, Err(expected.clone()));
        assert_eq!(directory.read("a").await.unwrap(), b"a");
    }
    lab.fail(|faults| faults.writes = Writes::Taken);
    directory.write("a", b"new").await.unwrap();
}

#[tokio::test]
async fn a_full_disk() {
    let lab = Lab::start().await;
    lab.tree.lock().unwrap().limits.total_bytes = 100_000;
    let mut directory = lab.connect().await;
    let full = |name: &str| SftpFault::DiskFull { file: file(name) };
    let bytes = pattern(150_000);
    assert_eq!(directory.write("a", &bytes).await, Err(full("a")));
    assert_eq!(lab.get("/bulk/a").unwrap(), bytes[..100_000]);
    assert_eq!(directory.write("b", b"b").await, Err(full("b")));
    // Files that may not be made are a full disk too.
    lab.tree.lock().unwrap().limits = TreeLimits {
        entries: 2,
        ..TreeLimits::default()
    };
    assert_eq!(directory.write("c", b"c").await, Err(full("c")));
    lab.tree.lock().unwrap().limits = TreeLimits {
        total_bytes: 100_000,
        ..TreeLimits::default()
    };
    // With room again it goes on over the same connection.
    directory.remove("a").await.unwrap();
    directory.write("a", &bytes[..99_000]).await.unwrap();
    assert_eq!(directory.read("a").await.unwrap(), &bytes[..99_000]);
}

/// On two threads, so that the end of a connection and what is asked over it can meet anyhow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_a_connection_is_cut_nobody_waits() {
    let lab = Lab::start().await;
    let bytes = pattern(100_000);
    for round in 0..60 {
        lab.fail(|faults| faults.cut_after = Some(round * 1_600));
        let mut directory = lab.connect().await;
        let doing = Doing::Writing(file("a"));
        let cut = Err(SftpFault::Cut { doing });
        assert_eq!(directory.write("a", &bytes).await, cut);
        let doing = Doing::Removing(file("a"));
        assert_eq!(directory.remove("a").await, Err(SftpFault::Cut { doing }));
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_of_a_file() {
    let lab = Lab::start().await;
    let bytes = pattern(200_000);
    for cut_after in [0, 1, 32_768, 70_000, 199_999] {
        lab.fail(|faults| faults.cut_after = Some(cut_after));
        let mut directory = lab.connect().await;
        let doing = Doing::Writing(file("part.tmp"));
        let written = directory.write("part.tmp", &bytes).await;
        assert_eq!(written, Err(SftpFault::Cut { doing }));
        assert_eq!(
            lab.get("/bulk/part.tmp").unwrap(),
            bytes[..cut_after as usize]
        );
        let again = directory.list().await;
        let doing = Doing::Listing;
        assert_eq!(again, Err(SftpFault::Cut { doing }));
    }
    // A byte more, and the file is whole.
    lab.fail(|faults| faults.cut_after = Some(200_000));
    let mut directory = lab.connect().await;
    directory.write("part.tmp", &bytes).await.unwrap();
    let events = lab.stop().await;
    let cuts = events
        .iter()
        .filter(|e| matches!(e, ServeEvent::Cut { .. }));
    assert_eq!(cuts.count(), 5);
}

#[tokio::test]
async fn a_server_that_stops_cuts_what_is_open() {
    let lab = Lab::start().await;
    let mut directory = lab.connect().await;
    directory.write("a", b"a").await.unwrap();
    let settings: SftpSettings = lab.settings();
    lab.stop().await;
    let doing = Doing::Reading(file("a"));
    assert_eq!(directory.read("a").await, Err(SftpFault::Cut { doing }));
    let fault = refused(&settings).await;
    assert!(matches!(fault, SftpFault::Unreachable { .. }), "{fault}");
}

#[tokio::test]
async fn files_above_the_limit() {
    let lab = Lab::start().await;
    lab.put("/bulk/large", &[0; 1001]);
    lab.put("/bulk/fits", &[0; 1000]);
    let mut settings = lab.settings();
    settings.limits.file_bytes = 1000;
    let mut directory = connect(&settings).await.unwrap();
    let large = directory.read("large").await.unwrap_err();
    assert_eq!(
        large.to_string(),
        "\"large\" is above the limit of 1000 bytes"
    );
    assert_eq!(directory.read("fits").await.unwrap().len(), 1000);
    directory.write("w", &[1; 1000]).await.unwrap();
    let large = directory.write("x", &[1; 1001]).await.unwrap_err();
    assert!(matches!(large, SftpFault::TooLarge { limit: 1000, .. }));
    assert_eq!(lab.get("/bulk/x"), None);

    settings.limits.entries = 2;
    let mut directory = connect(&settings).await.unwrap();
    let many = directory.list().await.unwrap_err();
    assert_eq!(
        many.to_string(),
        "the directory \"/bulk\" is above the limit of 2 files"
    );
}
