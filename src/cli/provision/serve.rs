//! `trustline provision serve`: profiles for multiplatform phones over HTTPS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::ca::RootFiles;
use super::{files, key};
use crate::cli::args::Format;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::world::{cannot_open, shown};
use crate::event::SCHEMA_VERSION;
use crate::net::orders::{Ears, Orders};
use crate::net::provisioning::server::{ProvisioningServer, Refusing, Told};
use crate::net::tls::{Identity, ServerTls, TlsOptions, TlsVersions};
use crate::provisioning::authority::Root;
use crate::provisioning::device::{Form, mac_text};
use crate::provisioning::server::Roots;
use crate::report::text::{count, rfc3339};
use crate::trust::certificate::{Certificate, escape_for_terminal};

/// Examples of `provision serve`.
pub const EXAMPLES: &str = "\
Examples:
  trustline provision serve --dir profiles --ca authority --cert provserver.crt --key privkey.pem
  trustline provision serve --dir profiles --ca spacroot.crt --cert provserver.crt --key privkey.pem --listen 0.0.0.0:443";

/// What becomes of a phone without a certificate that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClientAuth {
    /// TLS fails, as with Apache's `SSLVerifyClient require` (known of Apache, not measured)
    Require,
    /// TLS comes up and every request is answered 400, as with nginx's `ssl_verify_client on`
    /// (measured)
    #[value(name = "optional-400")]
    Optional400,
}

/// TLS versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tls {
    /// 1.2 alone, also with RSA keys of 1024 bits: firmware 11.3 speaks nothing newer (documented)
    #[value(name = "1.2")]
    V12,
    /// 1.2 and 1.3, with RSA keys from 2048 bits up
    Both,
}

impl Tls {
    fn options(self) -> TlsOptions {
        match self {
            Self::V12 => TlsOptions {
                versions: TlsVersions::Only12,
                legacy: true,
            },
            Self::Both => TlsOptions::default(),
        }
    }
}

/// Arguments of `provision serve`.
#[derive(Debug, ClapArgs)]
pub struct ServeArgs {
    /// The folder with the profiles
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Who signs phones: the folder of an authority, or a file of root certificates in PEM
    #[arg(long, value_name = "DIR|FILE")]
    pub ca: PathBuf,
    /// The server's certificate
    #[arg(long, value_name = "FILE")]
    pub cert: PathBuf,
    /// The server's private key, in PEM
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// A file with the pass phrase of an encrypted key
    #[arg(long, value_name = "FILE")]
    pub key_password_file: Option<PathBuf>,
    /// Where to listen; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// What becomes of a phone without a certificate that counts
    #[arg(long, value_enum, default_value_t = ClientAuth::Require)]
    pub client_auth: ClientAuth,
    /// Take the one certificate of all phones before firmware 2.0, which say who they are in their
    /// User-Agent alone: whoever has its key can then read every profile
    #[arg(long)]
    pub allow_generic: bool,
    /// TLS versions
    #[arg(long, value_enum, default_value_t = Tls::V12)]
    pub tls: Tls,
    /// How requests are told
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Serves until it is told to stop.
pub(super) fn run(args: &ServeArgs, output: &Output) -> Result<ExitCode, Failure> {
    let identity = identity(args, output)?;
    let roots = roots(&args.ca)?;
    let refusing = match args.client_auth {
        ClientAuth::Require => Refusing::Handshake,
        ClientAuth::Optional400 => Refusing::Status400,
    };
    let (lines, told) = mpsc::channel(MAX_WAITING);
    let lost = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lost);
    let server = ProvisioningServer::new(&args.dir, roots, refusing, move |line| {
        if lines.try_send(line).is_err() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut server = server.map_err(|e| cannot_open(&args.dir, &e))?;
    server.take_generic(args.allow_generic);
    let tls = server.tls(&identity, args.tls.options());
    let tls = tls.map_err(|e| usage(format!("--key {}: {e}", shown(&args.key))))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| unreachable(format!("cannot start: {e}")))?;
    runtime.block_on(serve(args, output, server, tls, told))?;
    let lost = lost.load(Ordering::Relaxed);
    if lost > 0 {
        output.note(&format!(
            "{} of the log were not told, because nobody read those before them",
            count(lost, "line")
        ));
    }
    Ok(ExitCode::Good)
}

/// Lines of the log that wait to be written.
const MAX_WAITING: usize = 4_096;

async fn serve(
    args: &ServeArgs,
    output: &Output,
    server: ProvisioningServer,
    tls: ServerTls,
    mut told: mpsc::Receiver<Told>,
) -> Result<(), Failure> {
    let ears = Ears {
        lines: false,
        hang_up: false,
    };
    let mut orders = Orders::listen(ears, |signal| process::exit(128 + signal));
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.map_err(|e| {
        unreachable(format!(
            "cannot listen on {}: {e}; name another address with --listen",
            args.listen
        ))
    })?;
    let address = listener.local_addr();
    let address = address.map_err(|e| unreachable(format!("cannot listen: {e}")))?;
    output.result(&ready(args.format, address));
    // Apart from the log, which waits for whoever reads it.
    tokio::spawn(async move {
        let stopped = async { orders.stopped().await };
        server.serve(listener, tls, stopped).await;
    });
    // It ends with the server, which holds the other end.
    while let Some(line) = told.recv().await {
        output.result(&line_of(args.format, &line));
    }
    Ok(())
}

/// The line that says where the server is.
fn ready(format: Format, address: SocketAddr) -> String {
    match format {
        Format::Human => format!("ready: https://{address}/\n"),
        Format::Json => {
            let line = json!({
                "schema_version": SCHEMA_VERSION,
                "kind": "ready",
                "address": address.to_string(),
            });
            format!("{line}\n")
        }
    }
}

/// One line of the log.
fn line_of(format: Format, told: &Told) -> String {
    let at = i64::try_from(told.at).ok().and_then(rfc3339);
    let at = at.unwrap_or_default();
    let clean = |text: &str| escape_for_terminal(text.as_bytes());
    if format == Format::Json {
        let device = told.device.as_ref().map(|(device, form)| {
            json!({
                "mac": device.mac.map(mac_text),
                "product": device.product,
                "serial": device.serial,
                "proven": *form != Form::Generic,
            })
        });
        let line = json!({
            "schema_version": SCHEMA_VERSION,
            "kind": kind(told),
            "at": at,
            "peer": told.peer.map(|peer| peer.to_string()),
            "device": device,
            "method": told.asked.as_ref().map(|(method, _)| method),
            "path": told.asked.as_ref().map(|(_, path)| path),
            "status": told.status,
            "file": told.given.as_ref().map(|(file, _)| file),
            "bytes": told.given.as_ref().map(|(_, bytes)| bytes),
            "reason": told.code,
            "text": told.why,
        });
        return format!("{line}\n");
    }
    let who = match &told.device {
        Some((device, Form::Generic)) => format!("{device} (by its User-Agent, unproven)"),
        Some((device, _)) => device.to_string(),
        None => "unknown phone".into(),
    };
    let what = match (&told.asked, told.status) {
        (Some((method, path)), Some(status)) => {
            let result = match &told.given {
                Some((file, bytes)) => format!("{bytes} bytes of {}", clean(file)),
                None => clean(&told.why),
            };
            format!("{} {}  {status}: {result}", clean(method), clean(path))
        }
        _ => format!("TLS failed: {}", clean(&told.why)),
    };
    match told.peer {
        Some(peer) => format!("{at}  {peer}  {}  {what}\n", clean(&who)),
        None => format!("{at}  {}\n", clean(&told.why)),
    }
}

/// What a line of JSON is about.
fn kind(told: &Told) -> &'static str {
    match (told.peer, &told.asked) {
        (None, _) => "accept-failed",
        (Some(_), None) => "tls-failed",
        (Some(_), Some(_)) => "request",
    }
}

/// The server's certificate and key.
fn identity(args: &ServeArgs, output: &Output) -> Result<Identity, Failure> {
    let mut chain = files::read_certificates(&args.cert)?;
    if chain.len() > 1 {
        output.note(&format!(
            "{}: only the first of {} certificates is presented",
            shown(&args.cert),
            chain.len()
        ));
    }
    let certificate = chain.swap_remove(0);
    let key = key::read(&args.key, args.key_password_file.as_deref())?;
    // It was read a moment ago.
    let spki = Certificate::parse(&certificate).map(|c| c.spki.to_vec());
    if let (Ok(spki), Some(own)) = (spki, key::public(&key))
        && spki != own
    {
        return Err(usage(format!(
            "--key {} does not belong to --cert {}: give the key that the request was made with",
            shown(&args.key),
            shown(&args.cert)
        )));
    }
    Ok(Identity { certificate, key })
}

/// The roots of phones: those in a file, or an authority's.
fn roots(ca: &Path) -> Result<Roots, Failure> {
    let file = match ca.is_dir() {
        true => RootFiles::of(ca, Root::Client).certificate,
        false => ca.to_owned(),
    };
    let roots = Roots::new(files::read_certificates(&file)?);
    roots.map_err(|e| usage(format!("{}: {e}", shown(&file))))
}

fn usage(text: String) -> Failure {
    Failure::new(ExitCode::Usage, text)
}

fn unreachable(text: String) -> Failure {
    Failure::new(ExitCode::Unreachable, text)
}
