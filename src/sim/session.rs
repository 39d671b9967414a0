//! Real TLS over simulated bytes where the model has times of its own: each flight goes from one
//! end's memory straight into the other's. Both ends are rustls, with the configurations and the
//! judges of the driver on sockets.
//!
//! What an application says goes through records too. How HTTP frames it is left to the model: the
//! other end is given what it was, once the bytes have come through whole.

use std::io::{self, Write};
use std::ops::DerefMut;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ConnectionCommon, ServerConnection, SideData};

use super::tls::{Taken, flush, take};
use crate::net::tls::{ServerTls, TlsFailure, TlsInfo};

/// Flights of a handshake, at most. TLS 1.2 has two each way.
const MAX_FLIGHTS: usize = 8;

/// Bytes that an application writes at once: what a record holds.
const RECORD: usize = 16 * 1024;

/// A connection that is up.
#[derive(Debug)]
pub(super) struct Session {
    phone: ClientConnection,
    server: ServerConnection,
}

impl Session {
    /// Shakes hands. A server that fails tells the phone, whose failure is what counts.
    ///
    /// # Errors
    /// One of the ends does not take the other.
    pub(super) fn open(
        phone: Arc<ClientConfig>,
        name: ServerName<'static>,
        server: &ServerTls,
    ) -> Result<Self, TlsFailure> {
        let no_end = |e| TlsFailure::of(&io::Error::new(io::ErrorKind::InvalidData, e));
        let (server, _) = server.for_client();
        let session = Self {
            phone: ClientConnection::new(phone, name).map_err(no_end)?,
            server: ServerConnection::new(server).map_err(no_end)?,
        };
        session.shaken()
    }

    fn shaken(mut self) -> Result<Self, TlsFailure> {
        let mut flight = Vec::new();
        flush(&mut self.phone, &mut flight);
        for _ in 0..MAX_FLIGHTS {
            // A server that fails says so in its flight.
            let at_server = take(&mut self.server, &flight);
            let at_phone = take(&mut self.phone, &at_server.flight);
            flight = at_phone.flight;
            if let Some(failure) = at_phone.failure {
                return Err(failure);
            }
            if !self.phone.is_handshaking() && !self.server.is_handshaking() {
                return Ok(self);
            }
        }
        Err(TlsFailure::Closed(io::ErrorKind::UnexpectedEof))
    }

    /// The certificate (DER) that the server was shown.
    pub(super) fn presented(&self) -> Option<&[u8]> {
        self.server.peer_certificates()?.first().map(|der| &**der)
    }

    /// What was negotiated, as the phone knows it.
    pub(super) fn info(&self) -> TlsInfo {
        TlsInfo::of(&self.phone)
    }

    /// What the server's application reads where the phone's writes this.
    ///
    /// # Errors
    /// The connection breaks.
    pub(super) fn carry_to_server(&mut self, bytes: &[u8]) -> Result<Vec<u8>, TlsFailure> {
        carry(&mut self.phone, &mut self.server, bytes)
    }

    /// The other way.
    ///
    /// # Errors
    /// The connection breaks.
    pub(super) fn carry_to_phone(&mut self, bytes: &[u8]) -> Result<Vec<u8>, TlsFailure> {
        carry(&mut self.server, &mut self.phone, bytes)
    }
}

fn carry<A: SideData, B: SideData>(
    from: &mut (impl DerefMut<Target = ConnectionCommon<A>> + 'static),
    to: &mut (impl DerefMut<Target = ConnectionCommon<B>> + 'static),
    bytes: &[u8],
) -> Result<Vec<u8>, TlsFailure> {
    let mut arrived = Vec::new();
    for part in bytes.chunks(RECORD) {
        let written = from.writer().write_all(part);
        written.map_err(|e| TlsFailure::of(&e))?;
        let mut flight = Vec::new();
        flush(from, &mut flight);
        let Taken { plain, failure, .. } = take(to, &flight);
        if let Some(failure) = failure {
            return Err(failure);
        }
        arrived.extend(plain);
    }
    Ok(arrived)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::key::{KeyBits, KeyPool};
    use crate::net::tls::{ClientTls, Identity, TlsOptions};
    use crate::provisioning::authority::{self, Root, SERIAL_BYTES, Terms};
    use crate::wire::Digest;

    /// Two ends; the server's key is that of its certificate, or another one.
    fn session(is_own_key: bool) -> Result<Session, TlsFailure> {
        let mut keys = KeyPool::new(1);
        let (own, other) = (keys.take(KeyBits::B2048), keys.take(KeyBits::B2048));
        let terms = Terms {
            serial: [1; SERIAL_BYTES],
            not_before: 0,
            not_after: 1_000_000_000,
            digest: Digest::Sha256,
        };
        let certificate = authority::root(Root::Server, "a lab", &*own, &terms).unwrap();
        let identity = |key: &[u8]| Identity {
            certificate: certificate.clone(),
            key: key.to_vec(),
        };
        let shown = match is_own_key {
            true => identity(own.pkcs8()),
            false => identity(other.pkcs8()),
        };
        let options = TlsOptions::default();
        let server = ServerTls::new(&shown, true, options).unwrap();
        let phone = ClientTls::any(Some(&identity(own.pkcs8())), options).unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        Session::open(phone.config(), name, &server)
    }

    #[test]
    fn more_than_a_record_comes_through_both_ways() {
        let mut session = session(true).unwrap();
        assert!(session.presented().is_some());
        let many: Vec<u8> = (0..100_000_u32).map(|i| i.to_be_bytes()[3]).collect();
        assert_eq!(session.carry_to_server(&many), Ok(many.clone()));
        assert_eq!(session.carry_to_phone(&many), Ok(many));
        assert_eq!(session.carry_to_phone(&[]), Ok(Vec::new()));
    }

    #[test]
    fn a_server_without_the_key_of_its_certificate_does_not_come_up() {
        let failure = session(false).err();
        let is_that = matches!(failure, Some(TlsFailure::WrongKey { .. }));
        assert!(is_that, "{failure:?}");
    }
}
