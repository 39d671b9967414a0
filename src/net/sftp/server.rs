//! The lab's own SFTP server.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::keys::PublicKey;
use russh::{MethodKind, MethodSet, Preferred, kex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::key::{AuthorizedKey, ServerKey};
use super::link::Link;
use super::session::Session;
use super::tree::{Tree, TreePath};

/// A tree that the server and others look at.
pub type SharedTree = Arc<Mutex<Tree>>;
/// Faults that may change while the server runs.
pub type SharedFaults = Arc<Mutex<Faults>>;
/// What a server reports, as it happens.
pub type Observed = Arc<dyn Fn(ServeEvent) + Send + Sync>;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Who may log in.
    pub accounts: Vec<Account>,
    /// What it serves; every account's home is the root.
    pub tree: SharedTree,
    /// Its host key.
    pub host_key: ServerKey,
    /// What clients may cost.
    pub limits: ServeLimits,
    /// What goes wrong.
    pub faults: SharedFaults,
}

/// Who may log in.
#[derive(Clone)]
pub struct Account {
    /// The user's name.
    pub name: String,
    /// With it, the user may log in by password.
    pub password: Option<String>,
    /// With one of these, the user may log in by key.
    pub keys: Vec<AuthorizedKey>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("password", &self.password.as_ref().map(|_| ".."))
            .field("keys", &self.keys.len())
            .finish()
    }
}

/// What clients may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// Connections at a time; others wait in the listener's queue. A session needs two file
    /// descriptors, and each of its channels at most some 1 MB, if its client sends more than is
    /// worked on.
    pub sessions: usize,
    /// From the connection to the login. Silent clients hold their place for so long.
    pub login_within: Duration,
    /// Wrong passwords and keys of one connection.
    pub login_attempts: usize,
    /// How long a wrong password is thought about.
    pub refusal_pause: Duration,
    /// A session that says nothing for so long is ended.
    pub idle_within: Duration,
    /// SSH channels of one session.
    pub channels: usize,
    /// Open files and directories of one channel.
    pub handles: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            sessions: 32,
            login_within: Duration::from_secs(10),
            login_attempts: 6,
            refusal_pause: Duration::from_millis(100),
            idle_within: Duration::from_secs(300),
            channels: 4,
            handles: 64,
        }
    }
}

/// What goes wrong at a server. A full disk is a matter of the [`Tree`]'s limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// What becomes of changes.
    pub writes: Writes,
    /// Cuts each connection that has carried so many bytes of files, either way; bytes beyond are
    /// not written, and not sent.
    pub cut_after: Option<u64>,
    /// No password and no key is right.
    pub no_login: bool,
    /// There is no directory but the root, and no file.
    pub no_directory: bool,
    /// Takes requests and never answers.
    pub mute: bool,
}

/// What becomes of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writes {
    /// They are made.
    #[default]
    Taken,
    /// The file system is read-only: "failure", as OpenSSH says it, and statvfs tells why.
    ReadOnly,
    /// The user may not: "permission denied".
    Denied,
}

/// What happens at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServeEvent {
    /// A user is in.
    LoggedIn {
        /// The client.
        peer: SocketAddr,
        /// Who.
        user: String,
        /// By key, else by password.
        by_key: bool,
    },
    /// A password or a key was wrong.
    LoginRefused {
        /// The client.
        peer: SocketAddr,
        /// Who it said to be.
        user: String,
    },
    /// A directory was listed to its end.
    Listed {
        /// The client.
        peer: SocketAddr,
        /// The directory.
        path: TreePath,
    },
    /// A file was read and closed.
    Read {
        /// The client.
        peer: SocketAddr,
        /// The file, by the name it was opened with.
        path: TreePath,
        /// Bytes that were sent.
        bytes: u64,
    },
    /// A file was written and closed.
    Wrote {
        /// The client.
        peer: SocketAddr,
        /// The file, by the name it was opened with.
        path: TreePath,
        /// Its size then.
        bytes: u64,
    },
    /// A file or directory has another name.
    Renamed {
        /// The client.
        peer: SocketAddr,
        /// Before.
        from: TreePath,
        /// Now.
        to: TreePath,
    },
    /// A file was removed.
    Removed {
        /// The client.
        peer: SocketAddr,
        /// The file.
        path: TreePath,
    },
    /// The connection was cut, as [`Faults::cut_after`] wants it.
    Cut {
        /// The client.
        peer: SocketAddr,
    },
    /// A client did not log in within its time.
    TooSlow {
        /// The client.
        peer: SocketAddr,
    },
    /// A connection ended.
    Ended {
        /// The client.
        peer: SocketAddr,
    },
    /// The system gave no connection, for want of descriptors or memory.
    AcceptFailed(io::ErrorKind),
}

/// Longest wait after a failed accept, so that it is neither a busy loop nor an end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Bytes that a client may send on a channel before it hears that more may come.
const WINDOW: u32 = 512 * 1024;
/// Packets of a channel, of 32 KiB, that wait to be worked on.
const BUFFERED: usize = 16;
/// Between the cut of a connection and its end, at most.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Serves `config.tree` on `listener` until `shutdown` is ready; then it stops listening and cuts
/// what is still open.
pub async fn serve(
    listener: TcpListener,
    config: ServeConfig,
    observer: Observed,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(config.limits.sessions));
    let server = Arc::new(Server {
        ssh: Arc::new(ssh_config(&config)),
        config,
        observer,
    });
    let mut tasks = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        // Finished connections are let go of, so that the set does not grow.
        while tasks.try_join_next().is_some() {}
        let accept = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let server = Arc::clone(&server);
                tasks.spawn(async move {
                    server.connection(stream, peer).await;
                    drop(slot);
                });
            }
            Err(error) => {
                (server.observer)(ServeEvent::AcceptFailed(error.kind()));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.shutdown().await;
}

/// What russh is told.
fn ssh_config(config: &ServeConfig) -> russh::server::Config {
    let limits = &config.limits;
    let mut preferred = Preferred::default();
    // What a CUCM 12.5SU5 asks for first (SG125X) and russh does not offer by itself. The order is
    // the client's.
    let of_cucm = [kex::ECDH_SHA2_NISTP521, kex::ECDH_SHA2_NISTP384];
    preferred.kex.to_mut().extend(of_cucm);
    let mut methods = MethodSet::empty();
    if config.accounts.iter().any(|a| a.password.is_some()) {
        methods.push(MethodKind::Password);
    }
    if config.accounts.iter().any(|a| !a.keys.is_empty()) {
        methods.push(MethodKind::PublicKey);
    }
    russh::server::Config {
        methods,
        auth_rejection_time: limits.refusal_pause,
        // OpenSSH asks first which methods there are, and would wait at every login.
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![config.host_key.private().clone()],
        preferred,
        window_size: WINDOW,
        channel_buffer_size: BUFFERED,
        max_auth_attempts: limits.login_attempts,
        inactivity_timeout: Some(limits.idle_within),
        nodelay: true,
        ..russh::server::Config::default()
    }
}

pub(super) struct Server {
    pub(super) config: ServeConfig,
    ssh: Arc<russh::server::Config>,
    observer: Observed,
}

impl Server {
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let login_until = Instant::now() + self.config.limits.login_within;
        // Every write is a whole message; a socket that refuses works all the same.
        let _ = stream.set_nodelay(true);
        let Ok(link) = Link::of(&stream) else {
            return self.report(ServeEvent::Ended { peer });
        };
        let client = Arc::new(Client {
            peer,
            link,
            logged_in: Notify::new(),
            server: Arc::clone(&self),
        });
        // When the server stops, this task does, and russh's own ends with the socket.
        let _cut = CutOnDrop(Arc::clone(&client));
        let session = Session::new(Arc::clone(&client));
        let greeting = russh::server::run_stream(Arc::clone(&self.ssh), stream, session);
        let Ok(greeted) = timeout_at(login_until, greeting).await else {
            return self.report(ServeEvent::TooSlow { peer });
        };
        let Ok(mut running) = greeted else {
            return self.report(ServeEvent::Ended { peer });
        };
        tokio::select! {
            _ = &mut running => return self.report(ServeEvent::Ended { peer }),
            () = client.logged_in.notified() => {}
            () = sleep_until(login_until) => {
                client.link.sever();
                let _ = timeout_at(Instant::now() + END_WITHIN, running).await;
                return self.report(ServeEvent::TooSlow { peer });
            }
        }
        // How a session ends makes no difference: what it wanted was said before.
        let _ = running.await;
        self.report(ServeEvent::Ended { peer });
    }

    fn report(&self, event: ServeEvent) {
        (self.observer)(event);
    }
}

/// One connection, as its parts see it.
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    pub(super) link: Link,
    pub(super) logged_in: Notify,
    pub(super) server: Arc<Server>,
}

impl Client {
    pub(super) fn report(&self, event: ServeEvent) {
        self.server.report(event);
    }

    pub(super) fn tree(&self) -> MutexGuard<'_, Tree> {
        let tree = self.server.config.tree.lock();
        tree.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn faults(&self) -> Faults {
        let faults = self.server.config.faults.lock();
        *faults.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limits(&self) -> &ServeLimits {
        &self.server.config.limits
    }

    /// How one can log in.
    pub(super) fn methods(&self) -> MethodSet {
        self.server.ssh.methods.clone()
    }

    pub(super) fn password_is(&self, user: &str, password: &str) -> bool {
        if self.faults().no_login {
            return false;
        }
        let expected = self.account(user).and_then(|a| a.password.as_deref());
        expected == Some(password)
    }

    pub(super) fn key_is(&self, user: &str, key: &PublicKey) -> bool {
        let account = self.account(user).filter(|_| !self.faults().no_login);
        account.is_some_and(|a| a.keys.iter().any(|known| known.is(key)))
    }

    fn account(&self, user: &str) -> Option<&Account> {
        let accounts = &self.server.config.accounts;
        accounts.iter().find(|account| account.name == user)
    }
}

struct CutOnDrop(Arc<Client>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.link.sever();
    }
}
