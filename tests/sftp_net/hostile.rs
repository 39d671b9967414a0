//! Our client at servers that lie, and our server under rubbish.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{PrivateKey, decode_secret_key};
use russh::server::{Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId};
use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Status, StatusCode, Version,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use trustline::net::sftp::{SftpFault, connect};
use trustline::rng::Rng;

use super::lab::{Lab, key, listener, refused, settings};

/// How a server lies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    OldVersion,
    EndlessListing,
    EmptyListings,
    OddNames,
    EndlessFile,
    EmptyData,
    LosesBytes,
    FailsWithoutReason,
    NoSpaceInWords,
    TerminalCodes,
    NoSubsystem,
    Unreadable(&'static [u8]),
}

#[derive(Clone)]
struct Liar {
    lie: Lie,
    channel: Option<Arc<std::sync::Mutex<Option<Channel<Msg>>>>>,
}

impl russh::server::Handler for Liar {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channel = Some(Arc::new(Some(channel).into()));
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.lie == Lie::NoSubsystem {
            return session.channel_failure(id);
        }
        session.channel_success(id)?;
        let channel = self.channel.take().unwrap().lock().unwrap().take().unwrap();
        if let Lie::Unreadable(answer) = self.lie {
            tokio::spawn(unreadable(channel, answer));
            return Ok(());
        }
        russh_sftp::server::run(channel.into_stream(), Lying(self.lie)).await;
        Ok(())
    }
}

/// Answers the first request as it should, and the others with `answer`.
async fn unreadable(channel: Channel<Msg>, answer: &[u8]) {
    let mut stream = channel.into_stream();
    let version = [0, 0, 0, 5, 2, 0, 0, 0, 3];
    let mut next = &version[..];
    while let Ok(length) = stream.read_u32().await {
        let mut request = vec![0; length as usize];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(next).await.unwrap();
        next = answer;
    }
}

struct Lying(Lie);

fn status(id: u32, status_code: StatusCode) -> Status {
    Status {
        id,
        status_code,
        error_message: String::new(),
        language_tag: String::new(),
    }
}

impl russh_sftp::server::Handler for Lying {
    type Error = russh_sftp::server::StatusReply;

    fn unimplemented(&self) -> Self::Error {
        StatusCode::OpUnsupported.into()
    }

    async fn init(
        &mut self,
        _: u32,
        _: std::collections::HashMap<String, String>,
    ) -> Result<Version, Self::Error> {
        let mut version = Version::new();
        if self.0 == Lie::OldVersion {
            version.version = 2;
        }
        Ok(version)
    }

    async fn stat(&mut self, id: u32, _: String) -> Result<Attrs, Self::Error> {
        // Says nothing at all.
        let attrs = FileAttributes::empty();
        Ok(Attrs { id, attrs })
    }

    async fn fstat(&mut self, id: u32, _: String) -> Result<Attrs, Self::Error> {
        let attrs = FileAttributes {
            size: Some(3),
            ..FileAttributes::empty()
        };
        Ok(Attrs { id, attrs })
    }

    async fn open(
        &mut self,
        id: u32,
        _: String,
        flags: OpenFlags,
        _: FileAttributes,
    ) -> Result<Handle, Self::Error> {
        if flags.contains(OpenFlags::WRITE) {
            match self.0 {
                Lie::FailsWithoutReason => return Err(StatusCode::Failure.into()),
                Lie::NoSpaceInWords => {
                    return Err(StatusCode::Failure.with_message("No space left on device"));
                }
                Lie::TerminalCodes => {
                    let said = format!("\u{1b}[2J{}", "x".repeat(10_000));
                    return Err(StatusCode::Failure.with_message(said));
                }
                _ => {}
            }
        }
        let handle = "h".to_owned();
        Ok(Handle { id, handle })
    }

    async fn opendir(&mut self, id: u32, _: String) -> Result<Handle, Self::Error> {
        let handle = "d".to_owned();
        Ok(Handle { id, handle })
    }

    async fn readdir(&mut self, id: u32, _: String) -> Result<Name, Self::Error> {
        let file = |name: &str| {
            let attrs = FileAttributes {
                size: Some(1),
                permissions: Some(0o100_644),
                ..FileAttributes::empty()
            };
            File::new(name, attrs)
        };
        let files = match self.0 {
            Lie::EmptyListings => vec![],
            Lie::OddNames => {
                self.0 = Lie::EmptyData;
                let odd = [
                    "good.p12",
                    "..",
                    ".",
                    "a/b",
                    "/etc/passwd",
                    "\u{1b}[2J",
                    "",
                    "a\\b",
                ];
                let mut files: Vec<File> = odd.iter().map(|name| file(name)).collect();
                files.push(file(&"x".repeat(60_000)));
                files
            }
            Lie::EmptyData => return Err(StatusCode::Eof.into()),
            _ => vec![file("again"); 100],
        };
        Ok(Name { id, files })
    }

    async fn close(&mut self, id: u32, _: String) -> Result<Status, Self::Error> {
        Ok(status(id, StatusCode::Ok))
    }

    async fn read(&mut self, id: u32, _: String, _: u64, len: u32) -> Result<Data, Self::Error> {
        let data = match self.0 {
            Lie::EmptyData => vec![],
            _ => vec![0; len as usize],
        };
        Ok(Data { id, data })
    }

    async fn write(
        &mut self,
        id: u32,
        _: String,
        _: u64,
        _: Vec<u8>,
    ) -> Result<Status, Self::Error> {
        Ok(status(id, StatusCode::Ok))
    }
}

async fn liar(lie: Lie) -> SocketAddr {
    let listener = listener().await;
    let address = listener.local_addr().unwrap();
    let host_key: PrivateKey = decode_secret_key(key!("host-rsa.pem"), None).unwrap();
    let config = Arc::new(russh::server::Config {
        keys: vec![host_key],
        ..russh::server::Config::default()
    });
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let channel = None;
        let session = russh::server::run_stream(config, stream, Liar { lie, channel }).await;
        let _ = session.unwrap().await;
    });
    address
}

#[tokio::test]
async fn lists_and_files_without_end_meet_the_limits() {
    let mut at_liar = connect(&settings(liar(Lie::EndlessListing).await))
        .await
        .unwrap();
    let fault = at_liar.list().await.unwrap_err();
    assert!(
        matches!(fault, SftpFault::TooLarge { limit: 10_000, .. }),
        "{fault}"
    );

    let mut at_liar = connect(&settings(liar(Lie::EndlessFile).await))
        .await
        .unwrap();
    let fault = at_liar.read("f").await.unwrap_err();
    assert!(
        matches!(
            fault,
            SftpFault::TooLarge {
                limit: 2_097_152,
                ..
            }
        ),
        "{fault}"
    );

    let mut settings = settings(liar(Lie::EmptyListings).await);
    settings.deadlines.call = Duration::from_millis(300);
    let fault = connect(&settings).await.unwrap().list().await.unwrap_err();
    assert!(matches!(fault, SftpFault::NoAnswer { .. }), "{fault}");
}

#[tokio::test]
async fn names_that_are_no_names_are_left_out() {
    let mut at_liar = connect(&settings(liar(Lie::OddNames).await)).await.unwrap();
    let listed = at_liar.list().await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].name, "good.p12");
    // An answer to a read must have something in it.
    let fault = at_liar.read("good.p12").await.unwrap_err();
    assert!(matches!(fault, SftpFault::Protocol(_)), "{fault}");
}

#[tokio::test]
async fn what_a_server_loses_is_noticed() {
    let mut at_liar = connect(&settings(liar(Lie::LosesBytes).await))
        .await
        .unwrap();
    at_liar.write("f", b"abc").await.unwrap();
    let fault = at_liar.write("f", b"abcd").await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "SFTP server failed with \"f\": 4 bytes were written, 3 are there"
    );
}

#[tokio::test]
async fn failures_are_told_by_what_is_known_of_them() {
    for (lie, expected) in [
        (
            Lie::FailsWithoutReason,
            "SFTP server failed with \"f\": Failure",
        ),
        (
            Lie::NoSpaceInWords,
            "\"f\" cannot be written whole: the SFTP server's disk is full",
        ),
    ] {
        let mut at_liar = connect(&settings(liar(lie).await)).await.unwrap();
        let fault = at_liar.write("f", b"abc").await.unwrap_err();
        assert_eq!(fault.to_string(), expected);
    }
    let mut at_liar = connect(&settings(liar(Lie::TerminalCodes).await))
        .await
        .unwrap();
    let text = at_liar.write("f", b"abc").await.unwrap_err().to_string();
    assert!(text.len() < 400 && !text.contains('\u{1b}'), "{text:?}");
}

#[tokio::test]
async fn servers_without_sftp_or_with_an_old_one() {
    let fault = refused(&settings(liar(Lie::NoSubsystem).await)).await;
    assert_eq!(
        fault.to_string(),
        "not a usable SFTP server: it has no SFTP subsystem"
    );
    let fault = refused(&settings(liar(Lie::OldVersion).await)).await;
    assert_eq!(
        fault.to_string(),
        "not a usable SFTP server: it speaks SFTP version 2, expected 3"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_cannot_be_read_end_the_connection() {
    for answer in [
        // A status with a code of later versions; with a text that ends too soon; a length of
        // 4 GiB; a packet without a type; a type that is none; a request.
        &[
            0, 0, 0, 17, 101, 0, 0, 0, 1, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0,
        ][..],
        &[0, 0, 0, 13, 101, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 200],
        &[255, 255, 255, 255, 101],
        &[0, 0, 0, 0],
        &[0, 0, 0, 5, 77, 0, 0, 0, 1],
        &[0, 0, 0, 9, 4, 0, 0, 0, 1, 0, 0, 0, 0],
    ] {
        let fault = refused(&settings(liar(Lie::Unreadable(answer)).await)).await;
        assert!(
            matches!(fault, SftpFault::Protocol(_)),
            "{answer:?}: {fault}"
        );
    }
}

#[tokio::test]
async fn what_is_no_ssh_server_is_named_so() {
    for (greeting, expected) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "was cut while exchanging keys",
        ),
        (b"", "was cut while exchanging keys"),
        (&[b'x'; 70_000], "it does not greet as an SSH server"),
        (
            b"SSH-2.0-x\r\n\x7f\xff\xff\xff\x00AAAAAAAAAAAAAAAA",
            "not a usable SFTP server",
        ),
    ] {
        let listener = listener().await;
        let settings = settings(listener.local_addr().unwrap());
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(greeting).await;
            let _ = stream.shutdown().await;
            // So that closing does not overtake the greeting.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        };
        let ((), fault) = tokio::join!(serving, refused(&settings));
        assert!(fault.to_string().contains(expected), "{fault}");
    }
}

#[tokio::test]
async fn a_server_under_rubbish_goes_on_serving() {
    let lab = Lab::start().await;
    let mut rng = Rng::new(1);
    for n in 0..60 {
        let mut stream = TcpStream::connect(lab.address).await.unwrap();
        let mut rubbish = vec![0; rng.below(2000) as usize];
        rng.fill(&mut rubbish);
        if n % 2 == 0 {
            let _ = stream.write_all(b"SSH-2.0-rubbish\r\n").await;
        }
        let _ = stream.write_all(&rubbish).await;
    }
    let mut directory = lab.connect().await;
    directory.write("a", b"a").await.unwrap();
    assert_eq!(directory.read("a").await.unwrap(), b"a");
}
