//! One SSH session at the server: login, and SFTP and nothing else on its channels.

use std::collections::BTreeMap;
use std::sync::Arc;

use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty};
use tokio::sync::watch;

use super::files::Files;
use super::server::{Client, ServeEvent};

type Russh = russh::server::Session;

pub(super) struct Session {
    client: Arc<Client>,
    channels: BTreeMap<ChannelId, Place>,
    /// Is dropped with the session, which whoever waits for its end notices.
    alive: watch::Sender<()>,
}

/// How far a channel is.
enum Place {
    /// Open, and not used yet.
    Open(Channel<Msg>),
    /// SFTP runs on it.
    Taken,
}

impl Session {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self {
            client,
            channels: BTreeMap::new(),
            alive: watch::Sender::new(()),
        }
    }

    fn judge(&self, user: &str, by_key: bool, right: bool) -> Auth {
        let peer = self.client.peer;
        let user = user.to_owned();
        if right {
            self.client
                .report(ServeEvent::LoggedIn { peer, user, by_key });
            return Auth::Accept;
        }
        self.client.report(ServeEvent::LoginRefused { peer, user });
        self.reject()
    }

    /// All ways stay open: by itself russh would withdraw one after its first failure.
    fn reject(&self) -> Auth {
        Auth::Reject {
            proceed_with_methods: Some(self.client.methods()),
            partial_success: false,
        }
    }

    fn knows(&self, user: &str, key: &PublicKey) -> bool {
        self.client.key_is(user, key)
    }
}

/// Shells and commands are not served; without an answer OpenSSH would wait for one.
fn refuse(channel: ChannelId, session: &mut Russh) -> Result<(), russh::Error> {
    session.channel_failure(channel)
}

impl Handler for Session {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        let right = self.client.password_is(user, password);
        Ok(self.judge(user, false, right))
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        if self.knows(user, offer.public_key) {
            return Ok(Auth::Accept);
        }
        // A client may offer all the keys it has; this one is not wrong yet.
        Ok(self.reject())
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        let right = self.knows(user, key.public_key);
        Ok(self.judge(user, true, right))
    }

    async fn auth_succeeded(&mut self, _: &mut Russh) -> Result<(), russh::Error> {
        self.client.logged_in.notify_one();
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Russh,
    ) -> Result<(), russh::Error> {
        if self.channels.len() >= self.client.limits().channels {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        self.channels.insert(channel.id(), Place::Open(channel));
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Russh,
    ) -> Result<(), russh::Error> {
        if name != "sftp" {
            return refuse(id, session);
        }
        match self.channels.insert(id, Place::Taken) {
            Some(Place::Open(channel)) => {
                session.channel_success(id)?;
                let files = Files::new(Arc::clone(&self.client), self.alive.subscribe());
                // Runs in a task of its own, which ends with the channel.
                russh_sftp::server::run(channel.into_stream(), files).await;
                Ok(())
            }
            Some(Place::Taken) => refuse(id, session),
            None => {
                self.channels.remove(&id);
                refuse(id, session)
            }
        }
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Russh,
    ) -> Result<(), russh::Error> {
        // OpenSSH's sftp fails without an exit status.
        session.exit_status_request(channel, 0)?;
        session.close(channel)
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _: &mut Russh,
    ) -> Result<(), russh::Error> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Russh,
    ) -> Result<(), russh::Error> {
        refuse(channel, session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Russh,
    ) -> Result<(), russh::Error> {
        refuse(channel, session)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: &str,
        session: &mut Russh,
    ) -> Result<(), russh::Error> {
        refuse(channel, session)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Russh,
    ) -> Result<(), russh::Error> {
        refuse(channel, session)
    }
}
