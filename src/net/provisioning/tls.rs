//! TLS between multiplatform phones and their servers, both ends, whatever carries its bytes.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig};

use super::server::Judge;
use crate::net::tls::{
    ClientJudge, ClientTls, Identity, ServerTls, SetupError, TlsFailure, TlsOptions, TlsVersions,
};
use crate::provisioning::resync::{Connect, ConnectFault};
use crate::provisioning::server::Roots;
use crate::provisioning::verify::{Checker, Refused, Trusted};
use crate::time::UnixSeconds;

/// What firmware 11.3 speaks, and keys of 1024 bits.
const OPTIONS: TlsOptions = TlsOptions {
    versions: TlsVersions::Only12,
    legacy: true,
};

/// What a lab's server does about phones' certificates.
#[derive(Clone, Debug)]
pub enum Demand {
    /// It asks for none.
    Nothing,
    /// It asks for one, and takes whatever comes or does not.
    Any,
    /// TLS comes up with one alone that counts under these roots at this moment.
    Under(Arc<Roots>, UnixSeconds),
}

impl Demand {
    /// The end of a server that shows `identity`.
    ///
    /// # Errors
    /// Its key cannot be used.
    pub fn server(&self, identity: &Identity) -> Result<ServerTls, SetupError> {
        match self {
            Self::Nothing => ServerTls::new(identity, false, OPTIONS),
            Self::Any => ServerTls::new(identity, true, OPTIONS),
            Self::Under(roots, now) => {
                let judge = Judge::at(Arc::clone(roots), *now);
                ServerTls::demanding(identity, Arc::new(judge), OPTIONS)
            }
        }
    }

    /// The alert with which that end refuses a phone with this certificate (DER), as its number and
    /// its name; none where it takes it. For a model of TLS: the judge is the real one.
    pub fn alert(&self, certificate: Option<&[u8]>) -> Option<(u8, String)> {
        let alert = match (self, certificate) {
            (Self::Nothing | Self::Any, _) => return None,
            (Self::Under(..), None) => AlertDescription::CertificateRequired,
            (Self::Under(roots, now), Some(der)) => {
                let judge = Judge::at(Arc::clone(roots), *now);
                judge.judge(der).err()?.alert.description()
            }
        };
        Some((u8::from(alert), format!("{alert:?}")))
    }
}

/// A phone's end, which judges the server during the handshake.
pub(crate) struct PhoneTls {
    tls: ClientTls,
    name: ServerName<'static>,
    judged: Arc<OnceLock<Result<Trusted, Refused>>>,
}

impl PhoneTls {
    /// For a connection to a URL with this host. `identity` is what the phone presents where it is
    /// asked to.
    pub(crate) fn new(
        connect: &Connect,
        host: &str,
        checker: &Checker,
        identity: Option<&Identity>,
    ) -> Result<Self, ConnectFault> {
        let judged: Arc<OnceLock<Result<Trusted, Refused>>> = Arc::default();
        let judge = {
            let (judged, checker, host) = (Arc::clone(&judged), checker.clone(), host.to_owned());
            Box::new(move |presented: &[&[u8]]| {
                judged
                    .get_or_init(|| checker.certificate(presented, &host))
                    .is_ok()
            })
        };
        let tls = ClientTls::judged(judge, identity, connect.names_host)
            .map_err(|e| ConnectFault::Tls(e.to_string()))?;
        let name = server_name(host, connect.address);
        Ok(Self { tls, name, judged })
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.tls.config()
    }

    /// The name for the handshake.
    pub(crate) fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }

    /// What came of a handshake with this end.
    pub(crate) fn outcome<T>(
        &self,
        shaken: Result<T, TlsFailure>,
    ) -> Result<(T, Trusted), ConnectFault> {
        match (self.judged.get(), shaken) {
            (Some(Err(refused)), _) => Err(ConnectFault::Refused(refused.clone())),
            (Some(Ok(trusted)), Ok(connection)) => Ok((connection, trusted.clone())),
            // TLS 1.2 without a certificate is no suite of ours.
            (None, Ok(_)) => Err(ConnectFault::Tls("the server presented nothing".into())),
            (_, Err(failure)) => Err(match failure {
                TlsFailure::Alert { code, name } => ConnectFault::Alert { code, name },
                TlsFailure::WrongKey { .. } => {
                    ConnectFault::Tls("the server does not hold the key of its certificate".into())
                }
                other => ConnectFault::Tls(other.to_string()),
            }),
        }
    }
}

/// An address is never sent.
fn server_name(host: &str, address: SocketAddr) -> ServerName<'static> {
    ServerName::try_from(host.to_owned())
        .unwrap_or_else(|_| ServerName::IpAddress(address.ip().into()))
}
