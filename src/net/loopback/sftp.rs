//! The lab's own SFTP server, and pages that exchange their files over SFTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, MutexGuard};

use tokio::net::TcpSocket;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Loopback, lock};
use crate::cluster::bulk::Run;
use crate::net::sftp::{
    Faults, Reached, ServeConfig, ServerKey, SftpFault, SftpSettings, Tree, serve,
};

/// Clients that the system lets wait at the server's port.
const BACKLOG: u32 = 32;

/// The lab's own SFTP server. It listens from the first look at its address on.
#[derive(Debug)]
pub struct LabSftp {
    runtime: Handle,
    config: ServeConfig,
    /// Nothing listens at its port.
    away: bool,
    port: Port,
}

#[derive(Debug)]
enum Port {
    /// None yet, or the one that it had.
    Left(Option<SocketAddr>),
    /// Its own as long as the socket is there, but nothing listens: connections are refused.
    Held {
        address: SocketAddr,
        _socket: TcpSocket,
    },
    Served {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        task: JoinHandle<()>,
    },
}

impl Port {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Left(last) => *last,
            Self::Held { address, .. } | Self::Served { address, .. } => Some(*address),
        }
    }
}

impl LabSftp {
    fn new(runtime: Handle, config: ServeConfig) -> Self {
        Self {
            runtime,
            config,
            away: false,
            port: Port::Left(None),
        }
    }

    /// Where it is, or would be if it were not away.
    ///
    /// # Errors
    /// The system has no port.
    pub fn address(&mut self) -> io::Result<SocketAddr> {
        match (&self.port, self.away) {
            (Port::Held { address, .. }, true) | (Port::Served { address, .. }, false) => {
                return Ok(*address);
            }
            _ => {}
        }
        self.leave();
        let _inside = self.runtime.enter();
        let socket = bind(self.port.address())?;
        let address = socket.local_addr()?;
        if self.away {
            self.port = Port::Held {
                address,
                _socket: socket,
            };
            return Ok(address);
        }
        let listener = socket.listen(BACKLOG)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let task = self.runtime.spawn(serve(
            listener,
            self.config.clone(),
            Arc::new(|_| ()),
            async move {
                let _ = stopped.await;
            },
        ));
        self.port = Port::Served {
            address,
            stop,
            task,
        };
        Ok(address)
    }

    /// Its files.
    pub fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.config.tree)
    }

    /// What goes wrong from now on, in connections that are open too.
    pub fn set_faults(&mut self, faults: Faults) {
        *lock(&self.config.faults) = faults;
    }

    /// Nothing listens at its port, or the server again.
    pub fn set_away(&mut self, away: bool) {
        self.away = away;
    }

    /// The host key that it shows from now on. Connections that are open end if it is another.
    pub fn set_host_key(&mut self, key: ServerKey) {
        if key.host_key() != self.config.host_key.host_key() {
            self.config.host_key = key;
            self.leave();
        }
    }

    /// Leaves the port; connections end.
    fn leave(&mut self) {
        let left = Port::Left(self.port.address());
        if let Port::Served { stop, task, .. } = std::mem::replace(&mut self.port, left) {
            // It listens for this as long as it runs.
            let _ = stop.send(());
            // A panic of the server's would have shown itself as a connection that was cut.
            let _ = self.runtime.block_on(task);
        }
    }
}

/// The port that it had, if it is still to be had, else any.
fn bind(last: Option<SocketAddr>) -> io::Result<TcpSocket> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let at = |address| {
        let socket = TcpSocket::new_v4()?;
        // Connections of before may still be on their way out.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    match last.map(at) {
        Some(Ok(socket)) => Ok(socket),
        Some(Err(_)) | None => at(any),
    }
}

impl Loopback {
    /// The lab's own SFTP server, made as `plan` says when it is first needed.
    ///
    /// # Errors
    /// That of `plan`.
    pub fn sftp(
        &mut self,
        plan: impl FnOnce() -> io::Result<ServeConfig>,
    ) -> io::Result<&mut LabSftp> {
        if self.sftp.is_none() {
            self.sftp = Some(LabSftp::new(self.runtime.handle().clone(), plan()?));
        }
        self.sftp
            .as_mut()
            .ok_or_else(|| io::Error::other("no SFTP server"))
    }

    /// Carries out a run of a page over a connection of its own.
    ///
    /// # Errors
    /// The directory could not be opened; nothing of the run was done.
    pub fn exchange(&self, settings: &SftpSettings, run: &mut Run) -> Result<Reached, SftpFault> {
        self.runtime.block_on(Reached::carry_out(settings, run))
    }
}
