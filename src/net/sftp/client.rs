//! From a server's address to an open directory.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{self, AuthResult, DisconnectReason, Msg};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{AlgorithmKind, Channel, ChannelMsg, Error, MethodKind, MethodSet};
use russh_sftp::client::RawSftpSession;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::directory::SftpDirectory;
use super::fault::{Doing, SftpFault, Unreachable, quoted};
use super::key::{self, HostKey, PinnedKey};
use super::link::{End, Link, Watched};
use super::settings::{HostKeyPolicy, Login, SftpSettings};

/// Connects, checks the host key, logs in and finds the directory.
///
/// # Errors
/// [`SftpFault`]; whatever was opened is closed again.
pub async fn connect(settings: &SftpSettings) -> Result<SftpDirectory, SftpFault> {
    let proof = match &settings.login {
        Login::Password(password) => Proof::Password(password),
        Login::Key(pem) => match key::login(pem) {
            Ok(key) => Proof::Key(key),
            Err(error) => return Err(SftpFault::LoginKey(error.to_string())),
        },
    };
    let unreachable = |why| SftpFault::Unreachable {
        address: settings.address(),
        why,
    };
    let within = settings.deadlines.connect;
    let stream = match timeout(within, tcp(settings)).await {
        Ok(stream) => stream.map_err(unreachable)?,
        Err(_) => return Err(unreachable(Unreachable::TimedOut(within))),
    };
    let link = Link::of(&stream).map_err(|error| unreachable((&error).into()))?;

    let mut doing = Doing::KeyExchange;
    let opening = async {
        let note = Arc::new(Note::default());
        let mut session = greet(settings, stream, Arc::clone(&note)).await?;
        doing = Doing::Login;
        log_in(&settings.user, proof, &mut session, &note).await?;
        doing = Doing::Opening;
        let started = start_sftp(&session).await?;
        let host_key = note.take_seen();
        let directory = SftpDirectory {
            sftp: started.sftp,
            end: started.end,
            session,
            link,
            host_key: host_key.ok_or_else(|| protocol("key exchange without a host key"))?,
            has_statvfs: started.has_statvfs,
            directory: settings.directory.clone(),
            call_within: settings.deadlines.call,
            limits: settings.limits,
        };
        directory.find().await?;
        Ok(directory)
    };
    let within = settings.deadlines.login;
    match timeout(within, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(SftpFault::NoAnswer { doing, within }),
    }
}

/// Tries the host's addresses in their order; the last failure counts.
async fn tcp(settings: &SftpSettings) -> Result<TcpStream, Unreachable> {
    let host = (settings.host.as_str(), settings.port);
    let addresses = lookup_host(host).await;
    let mut why = Unreachable::UnknownHost;
    for address in addresses.map_err(|_| Unreachable::UnknownHost)? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Every write is a whole message; a socket that refuses works all the same.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => why = (&error).into(),
        }
    }
    Err(why)
}

type Session = client::Handle<Checker>;

async fn greet(
    settings: &SftpSettings,
    stream: TcpStream,
    note: Arc<Note>,
) -> Result<Session, SftpFault> {
    let pinned = match &settings.host_key {
        HostKeyPolicy::FirstUse => None,
        HostKeyPolicy::Pinned(pinned) => Some(pinned.clone()),
    };
    let config = client::Config {
        preferred: settings.offer.preferred(pinned.as_ref()),
        ..client::Config::default()
    };
    let checker = Checker { pinned, note };
    let session = client::connect_stream(Arc::new(config), stream, checker).await;
    session.map_err(|stop| match stop {
        Stop::HostKey { expected, found } => SftpFault::HostKeyChanged {
            address: settings.address(),
            expected: expected.fingerprint(),
            found: Box::new(found),
        },
        Stop::Ssh(error) => explain(&error, Doing::KeyExchange),
    })
}

/// What a login is proved with.
enum Proof<'a> {
    Password(&'a str),
    Key(Arc<PrivateKey>),
}

async fn log_in(
    user: &str,
    proof: Proof<'_>,
    session: &mut Session,
    note: &Note,
) -> Result<(), SftpFault> {
    let result = match proof {
        Proof::Password(password) => session.authenticate_password(user, password).await,
        Proof::Key(key) => {
            let hash = if key.algorithm().is_rsa() {
                // What the server says it takes; SHA-256 where it does not say (RFC 8332).
                let best = session.best_supported_rsa_hash().await;
                let best = best.map_err(|error| explain(&error, Doing::Login))?;
                best.unwrap_or(Some(HashAlg::Sha256))
            } else {
                None
            };
            let key = PrivateKeyWithHashAlg::new(key, hash);
            session.authenticate_publickey(user, key).await
        }
    };
    let refused = |offers: &MethodSet| SftpFault::LoginRefused {
        user: user.to_owned(),
        offers: offers.iter().map(method_name).collect(),
    };
    match result.map_err(|error| explain(&error, Doing::Login))? {
        AuthResult::Success => Ok(()),
        AuthResult::Failure {
            remaining_methods, ..
        } if !session.is_closed() => Err(refused(&remaining_methods)),
        // The session has ended, which russh reports as a refusal too. A server that has had enough
        // of wrong passwords says goodbye; a connection that was cut says nothing.
        AuthResult::Failure { .. } if note.said_goodbye() => Err(refused(&MethodSet::empty())),
        AuthResult::Failure { .. } => Err(SftpFault::Cut {
            doing: Doing::Login,
        }),
    }
}

fn method_name(method: &MethodKind) -> String {
    method.into()
}

/// SFTP on a channel.
struct Started {
    sftp: RawSftpSession,
    end: End,
    has_statvfs: bool,
}

async fn start_sftp(session: &Session) -> Result<Started, SftpFault> {
    let explain = |error| explain(&error, Doing::Opening);
    let mut channel = session.channel_open_session().await.map_err(explain)?;
    let asked = channel.request_subsystem(true, "sftp").await;
    asked.map_err(explain)?;
    granted(&mut channel).await?;

    let end = End::new();
    let stream = Watched::new(channel.into_stream(), end.clone());
    let config = russh_sftp::client::Config {
        // The deadlines are this module's own, to the millisecond and over whole calls.
        request_timeout_secs: u64::MAX,
        ..russh_sftp::client::Config::default()
    };
    let sftp = RawSftpSession::new_with_config(stream, config);
    let cut = SftpFault::Cut {
        doing: Doing::Opening,
    };
    let version = match end.or(sftp.init()).await {
        Some(Ok(version)) => version,
        Some(Err(error)) if !end.has_come() => return Err(protocol(&error.to_string())),
        Some(Err(_)) | None => return Err(cut),
    };
    if version.version < russh_sftp::protocol::VERSION {
        let text = format!("it speaks SFTP version {}, expected 3", version.version);
        return Err(SftpFault::Protocol(text));
    }
    Ok(Started {
        sftp,
        end,
        has_statvfs: version.extensions.contains_key("statvfs@openssh.com"),
    })
}

/// Waits for the answer to the request for the subsystem.
async fn granted(channel: &mut Channel<Msg>) -> Result<(), SftpFault> {
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => return Ok(()),
            Some(ChannelMsg::Failure) => return Err(protocol("it has no SFTP subsystem")),
            None | Some(ChannelMsg::Eof | ChannelMsg::Close) => {
                return Err(SftpFault::Cut {
                    doing: Doing::Opening,
                });
            }
            Some(_) => {}
        }
    }
}

fn protocol(text: &str) -> SftpFault {
    SftpFault::Protocol(quoted(text))
}

/// What SSH says when it stops.
fn explain(error: &Error, doing: Doing) -> SftpFault {
    match error {
        Error::IO(_)
        | Error::Disconnect
        | Error::HUP
        | Error::SendError
        | Error::RecvError
        | Error::Join(_) => SftpFault::Cut { doing },
        Error::Version => protocol("it does not greet as an SSH server"),
        Error::NoCommonAlgo { kind, ours, theirs } => SftpFault::Protocol(format!(
            "no {} in common: it has {}, we offer {}",
            match kind {
                AlgorithmKind::Kex => "key exchange",
                AlgorithmKind::Key => "host key algorithm",
                AlgorithmKind::Cipher => "cipher",
                AlgorithmKind::Compression => "compression",
                AlgorithmKind::Mac => "MAC",
            },
            quoted(&theirs.join(", ")),
            quoted(&ours.join(", ")),
        )),
        other => protocol(&other.to_string()),
    }
}

/// What a session has shown, for those outside its task.
#[derive(Default)]
pub(super) struct Note(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    seen: Option<HostKey>,
    goodbye: bool,
}

impl Note {
    fn with<T>(&self, f: impl FnOnce(&mut Noted) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_seen(&self) -> Option<HostKey> {
        self.with(|noted| noted.seen.take())
    }

    fn said_goodbye(&self) -> bool {
        self.with(|noted| noted.goodbye)
    }
}

/// Looks at the host key.
pub(super) struct Checker {
    pinned: Option<PinnedKey>,
    note: Arc<Note>,
}

/// Why a session ended.
#[derive(Debug)]
pub(super) enum Stop {
    HostKey { expected: PinnedKey, found: HostKey },
    Ssh(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Ssh(error)
    }
}

impl client::Handler for Checker {
    type Error = Stop;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Stop> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            // Certificates are not offered, so none may come.
            return Ok(false);
        };
        let found = HostKey::of(key);
        match &self.pinned {
            Some(pinned) if pinned.fingerprint() != found.fingerprint => Err(Stop::HostKey {
                expected: pinned.clone(),
                found,
            }),
            _ => {
                self.note.with(|noted| noted.seen = Some(found));
                Ok(true)
            }
        }
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Stop>) -> Result<(), Stop> {
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => {
                self.note.with(|noted| noted.goodbye = true);
                Ok(())
            }
            DisconnectReason::Error(stop) => Err(stop),
        }
    }
}
