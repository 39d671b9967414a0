//! A provisioning server on real sockets: profiles out of a folder, over HTTPS.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;

use crate::net::http::{Asked, Limits, Reply, Site, serve_site};
use crate::net::tls::{
    ClientAlert, ClientFault as TlsFault, ClientJudge, Identity, ServerTls, SetupError, TlsFailure,
    TlsOptions,
};
use crate::provisioning::device::{Device, Form};
use crate::provisioning::server::{
    CERTIFICATE_PAGE, ClientFault, MAX_PROFILE, NO_CERTIFICATE_PAGE, Roots, files_for, identify,
};
use crate::time::UnixSeconds;

/// What becomes of a client whose certificate does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusing {
    /// TLS does not come up, as with Apache's `SSLVerifyClient require`, which the vendor's text
    /// shows (known of Apache, not measured here).
    #[default]
    Handshake,
    /// TLS comes up, and each request is answered 400, as with nginx's `ssl_verify_client`
    /// (measured).
    Status400,
}

/// What happened, for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When, in seconds since 1970.
    pub at: UnixSeconds,
    /// Who asked; none where the system gave no connection.
    pub peer: Option<SocketAddr>,
    /// The phone, and how it is known; none where nothing that counts says so.
    pub device: Option<(Device, Form)>,
    /// Method and path; none where TLS did not come up.
    pub asked: Option<(String, String)>,
    /// The status of the answer; none where TLS did not come up.
    pub status: Option<u16>,
    /// The file that was given, relative to the folder, and its bytes.
    pub given: Option<(String, usize)>,
    /// Kebab-case and stable, for programs.
    pub code: &'static str,
    /// Why, in words; empty where the file was given.
    pub why: String,
}

/// A server's settings.
pub struct ProvisioningServer {
    /// The folder of profiles, whole and without links.
    folder: PathBuf,
    roots: Arc<Roots>,
    refusing: Refusing,
    takes_generic: bool,
    tell: Box<dyn Fn(Told) + Send + Sync>,
}

impl ProvisioningServer {
    /// A server for the profiles in `folder`, for phones that `roots` signed. `tell` is called on
    /// the connections' own tasks, once a request and once a failed handshake.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub fn new(
        folder: &Path,
        roots: Roots,
        refusing: Refusing,
        tell: impl Fn(Told) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let folder = fs::canonicalize(folder)?;
        if !folder.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(Self {
            folder,
            roots: Arc::new(roots),
            refusing,
            takes_generic: false,
            tell: Box::new(tell),
        })
    }

    /// Whether the one certificate of all phones before firmware 2.0 of the Sipura line counts. It
    /// does not unless this is called with `true`: whoever has its key, which is in each of these
    /// phones, gets the profile of any phone by naming it in a User-Agent.
    pub fn take_generic(&mut self, takes: bool) {
        self.takes_generic = takes;
    }

    /// The server's end of TLS.
    ///
    /// # Errors
    /// The identity's key cannot be used, or `options` contradict each other.
    pub fn tls(&self, identity: &Identity, options: TlsOptions) -> Result<ServerTls, SetupError> {
        match self.refusing {
            Refusing::Handshake => {
                let judge = Judge {
                    roots: Arc::clone(&self.roots),
                    at: None,
                };
                ServerTls::demanding(identity, Arc::new(judge), options)
            }
            Refusing::Status400 => ServerTls::new(identity, true, options),
        }
    }

    /// Serves until `shutdown` is ready.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: ServerTls,
        shutdown: impl Future<Output = ()>,
    ) {
        serve_site(
            listener,
            Some(tls),
            Arc::new(self),
            Limits::default(),
            shutdown,
        )
        .await;
    }

    /// Who asks, as far as its certificate counts.
    fn identify(&self, asked: &Asked<'_>) -> Result<(Device, Form), Refusal> {
        let presented = asked.tls.and_then(|tls| tls.peer_certificate.as_deref());
        let Some(der) = presented else {
            return Err(Refusal {
                status: 400,
                code: "no-certificate",
                why: "the phone presented no certificate".into(),
                page: NO_CERTIFICATE_PAGE,
            });
        };
        // Checked in the handshake where TLS is what refuses; a second time costs little, and
        // nothing else says that it was.
        self.roots.judge(der, now()).map_err(|fault| Refusal {
            status: 400,
            code: fault.code(),
            why: fault.to_string(),
            page: CERTIFICATE_PAGE,
        })?;
        identify(der, asked.agent, self.takes_generic).map_err(|fault| Refusal {
            status: fault.status(),
            code: fault.code(),
            why: fault.to_string(),
            page: match fault.status() {
                400 => CERTIFICATE_PAGE,
                _ => "",
            },
        })
    }

    /// The file that this phone gets, and its name.
    fn find(&self, device: &Device, asked: &Asked<'_>) -> Result<(String, Vec<u8>), Refusal> {
        if !METHODS.contains(&asked.method) {
            return Err(Refusal {
                status: 405,
                code: "method",
                why: "phones fetch with GET, or with POST where their rule says --post".into(),
                page: "",
            });
        }
        let files = files_for(device, asked.path).map_err(|fault| Refusal {
            status: fault.status(),
            code: fault.code(),
            why: fault.to_string(),
            page: "",
        })?;
        for file in &files {
            match self.read(file) {
                Ok(Some(bytes)) => return Ok((file.clone(), bytes)),
                Ok(None) => {}
                Err(e) => {
                    return Err(Refusal {
                        status: 500,
                        code: "unreadable",
                        why: format!("{file} cannot be given: {e}"),
                        page: "",
                    });
                }
            }
        }
        Err(Refusal {
            status: 404,
            code: "not-found",
            why: format!("no such file: looked for {}", files.join(", ")),
            page: "",
        })
    }

    /// A file in the folder; none where there is none. A link that leads out of the folder is none.
    fn read(&self, file: &str) -> io::Result<Option<Vec<u8>>> {
        let path = match fs::canonicalize(self.folder.join(file)) {
            Ok(path) => path,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A part of the path is a file.
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            Err(e) => return Err(e),
        };
        // Before it is opened: to open a pipe would wait for its other end.
        if !path.starts_with(&self.folder) || !path.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let read = File::open(path)?
            .take(MAX_PROFILE + 1)
            .read_to_end(&mut bytes)?;
        if read as u64 > MAX_PROFILE {
            let text = format!("more than {MAX_PROFILE} bytes");
            return Err(io::Error::other(text));
        }
        Ok(Some(bytes))
    }
}

/// What phones fetch with, and what people look with.
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

/// Why a request is not answered with a file.
struct Refusal {
    status: u16,
    code: &'static str,
    why: String,
    /// What the phone is told.
    page: &'static str,
}

impl Site for ProvisioningServer {
    fn reply(&self, asked: &Asked<'_>) -> Reply {
        let identified = self.identify(asked);
        let device = identified.as_ref().ok().cloned();
        let found = identified.and_then(|(device, _)| self.find(&device, asked));
        let mut told = Told {
            at: now(),
            peer: Some(asked.peer),
            device,
            asked: Some((of_log(asked.method), of_log(asked.path))),
            status: Some(200),
            given: None,
            code: "given",
            why: String::new(),
        };
        let mut reply = Reply {
            status: 200,
            content_type: "application/octet-stream",
            allow: None,
            body: Arc::default(),
        };
        match found {
            Ok((file, bytes)) => {
                if file.ends_with(".xml") {
                    reply.content_type = "text/xml";
                }
                told.given = Some((file, bytes.len()));
                reply.body = bytes.into();
            }
            Err(refusal) => {
                reply.status = refusal.status;
                if !refusal.page.is_empty() {
                    reply.content_type = "text/plain";
                    reply.body = refusal.page.as_bytes().into();
                }
                reply.allow = (refusal.status == 405).then_some("GET, HEAD, POST");
                told.status = Some(refusal.status);
                told.code = refusal.code;
                told.why = refusal.why;
            }
        }
        (self.tell)(told);
        reply
    }

    fn handshake_failed(&self, peer: SocketAddr, failure: Option<TlsFailure>) {
        let (code, why) = match failure {
            None => ("too-slow", "the handshake took too long".to_owned()),
            Some(TlsFailure::ClientMissing) => (
                "no-certificate",
                "the phone presented no certificate".to_owned(),
            ),
            Some(TlsFailure::ClientRefused { presented, why }) => {
                let fault = self.roots.judge(&presented, now()).err();
                (fault.map_or("certificate-refused", |f| f.code()), why)
            }
            Some(other) => ("tls", other.to_string()),
        };
        (self.tell)(Told {
            at: now(),
            peer: Some(peer),
            device: None,
            asked: None,
            status: None,
            given: None,
            code,
            why,
        });
    }

    fn accept_failed(&self, error: io::ErrorKind) {
        (self.tell)(Told {
            at: now(),
            peer: None,
            device: None,
            asked: None,
            status: None,
            given: None,
            code: "no-connection",
            why: format!("the system gives no connection: {error}"),
        });
    }
}

/// Characters of a path in the log: so many that none of a profile is cut.
const MAX_IN_LOG: usize = 1_024;

fn of_log(text: &str) -> String {
    text.chars().take(MAX_IN_LOG).collect()
}

/// The roots, as the handshake asks them.
#[derive(Debug)]
pub(super) struct Judge {
    roots: Arc<Roots>,
    /// What the clock says, where that is not the system's.
    at: Option<UnixSeconds>,
}

impl Judge {
    /// The roots at one moment.
    pub(super) fn at(roots: Arc<Roots>, now: UnixSeconds) -> Self {
        let at = Some(now);
        Self { roots, at }
    }
}

impl ClientJudge for Judge {
    fn judge(&self, certificate: &[u8]) -> Result<(), TlsFault> {
        let now = self.at.unwrap_or_else(now);
        self.roots
            .judge(certificate, now)
            .map_err(|fault| TlsFault {
                alert: match fault {
                    ClientFault::Malformed(_)
                    | ClientFault::KeyTooSmall { .. }
                    | ClientFault::Extension { .. } => ClientAlert::Bad,
                    ClientFault::Purpose { .. } => ClientAlert::Unsupported,
                    ClientFault::UnknownIssuer { .. } | ClientFault::Issuer { .. } => {
                        ClientAlert::UnknownAuthority
                    }
                    ClientFault::Signature { .. } => ClientAlert::Signature,
                    ClientFault::Expired { .. } | ClientFault::NotYet { .. } => {
                        ClientAlert::Expired
                    }
                },
                why: fault.to_string(),
            })
    }
}

fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs())
}
