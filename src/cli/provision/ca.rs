//! `trustline provision ca`: the authority of multiplatform phones and their servers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use ring::rand::{SecureRandom, SystemRandom};
use rsa::rand_core::{TryCryptoRng, TryRng, UnwrapErr};

use super::files::{self, Existing, Secrecy};
use crate::cli::args::{TEMPLATE, parse_date};
use crate::cli::exit_code::{self, ExitCode};
use crate::cli::failure::Failure;
use crate::cli::inspect::now;
use crate::cli::output::Output;
use crate::cli::world::{cannot_open, read_up_to, shown};
use crate::cluster::key::{KeyBits, KeyError, PrivateKey};
use crate::provisioning::authority::{
    self, IssueError, Issuer, Root, SERIAL_BYTES, ServerForm, Terms,
};
use crate::provisioning::device::{self, Device, MacAttribute};
use crate::provisioning::name::{self, NameCheck, Names};
use crate::provisioning::request::{self, Request, RequestError};
use crate::provisioning::signed::Hash;
use crate::report::text::rfc3339;
use crate::time::UnixSeconds;
use crate::trust::certificate::{Certificate, PublicKey, escape_for_terminal, name_text};
use crate::wire::Digest;

/// Examples of `provision ca`.
pub const EXAMPLES: &str = "\
Examples:
  trustline provision ca init --dir authority
  trustline provision ca sign provserver.csr --dir authority --out provserver.crt
  trustline provision ca device 000e08abcdef --dir authority --serial 88012BA01234";

const INIT_EXAMPLES: &str = "\
Examples:
  trustline provision ca init --dir authority
  trustline provision ca init --dir authority --name \"Example Telco\"";

const SIGN_EXAMPLES: &str = "\
Examples, the server's own key and request first:
  openssl req -new -out provserver.csr
  trustline provision ca sign provserver.csr --dir authority
  trustline provision ca sign provserver.csr --dir authority --profile mpp113 --min-rsa 2048";

const DEVICE_EXAMPLES: &str = "\
Examples:
  trustline provision ca device 000e08abcdef --dir authority
  trustline provision ca device 00:0E:08:AB:CD:EF --dir authority --product CP-8841-3PCC --serial 88012BA01234 --out phone";

/// Arguments of `provision ca`.
#[derive(Debug, ClapArgs)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct CaArgs {
    /// What to do
    #[command(subcommand)]
    pub command: CaCommand,
}

/// The commands of `provision ca`.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Make the two roots: one for servers, one for phones
    #[command(help_template = TEMPLATE, before_help = INIT_EXAMPLES, after_help = exit_code::HELP)]
    Init(InitArgs),
    /// Sign a server's request
    #[command(help_template = TEMPLATE, before_help = SIGN_EXAMPLES, after_help = exit_code::HELP)]
    Sign(SignArgs),
    /// Make a phone's certificate and its key
    #[command(help_template = TEMPLATE, before_help = DEVICE_EXAMPLES, after_help = exit_code::HELP)]
    Device(DeviceArgs),
}

/// Digests of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignWith {
    /// SHA-1, which the vendor's portal still offers
    Sha1,
    /// SHA-256
    Sha256,
    /// SHA-512
    Sha512,
}

/// What a server's certificate looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The name is in the subject alone, as phones of the Sipura line compare it
    Sipura,
    /// The request's alternative names come along, as firmware from 11.3 on compares them first
    Mpp113,
}

/// Where a phone's certificate has its MAC address: the guides write `S=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MacIn {
    /// In the state, ST (inferred: tools that print certificates mean it by S)
    State,
    /// In the surname, SN (assumed: mod_ssl means it by S)
    Surname,
}

/// Arguments of `provision ca init`.
#[derive(Debug, ClapArgs)]
pub struct InitArgs {
    /// The folder to write: a new one, or an empty one, which keeps its mode
    #[arg(long, value_name = "DIR", default_value = "authority")]
    pub dir: PathBuf,
    /// Whose authority it is; stands in both subjects
    #[arg(long, value_name = "NAME", default_value = "trustline lab")]
    pub name: String,
    /// Bits of the roots' keys
    #[arg(long, value_name = "BITS", default_value = "2048", value_parser = ["1024", "2048", "4096"])]
    pub bits: String,
    /// Days that the roots are valid
    #[arg(long, value_name = "DAYS", default_value_t = 7_300, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,
    /// The authority's clock, such as 2026-03-01T09:00:00Z [default: now]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
}

/// Arguments of `provision ca sign`.
#[derive(Debug, ClapArgs)]
pub struct SignArgs {
    /// The request, PEM or DER
    #[arg(value_name = "REQUEST")]
    pub request: PathBuf,
    /// The authority's folder, as `ca init` made it
    #[arg(long, value_name = "DIR", default_value = "authority")]
    pub dir: PathBuf,
    /// The certificate to write [default: the request's name with .crt]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Days that the certificate is valid
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,
    /// The smallest RSA key that is signed
    #[arg(long, value_name = "BITS", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(512..=16_384))]
    pub min_rsa: u32,
    /// The digest of the signature
    #[arg(long, value_enum, default_value_t = SignWith::Sha256)]
    pub digest: SignWith,
    /// What the certificate looks like
    #[arg(long, value_enum, default_value_t = Form::Sipura)]
    pub profile: Form,
    /// The authority's clock, such as 2026-03-01T09:00:00Z [default: now]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
}

/// Arguments of `provision ca device`.
#[derive(Debug, ClapArgs)]
pub struct DeviceArgs {
    /// The phone's MAC address, with or without separators
    #[arg(value_name = "MAC")]
    pub mac: String,
    /// The authority's folder, as `ca init` made it
    #[arg(long, value_name = "DIR", default_value = "authority")]
    pub dir: PathBuf,
    /// The product name
    #[arg(long, value_name = "NAME", default_value = "CP-8832-3PCC")]
    pub product: String,
    /// The serial number [default: one made from the MAC address]
    #[arg(long, value_name = "SERIAL")]
    pub serial: Option<String>,
    /// The folder for `MAC.crt` and `MAC.key` [default: devices in the authority's folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Bits of the key
    #[arg(long, value_name = "BITS", default_value = "2048", value_parser = ["1024", "2048", "4096"])]
    pub bits: String,
    /// Which attribute of the subject holds the MAC address, S in the guides
    #[arg(long, value_enum, default_value_t = MacIn::State)]
    pub mac_in: MacIn,
    /// Days that the certificate is valid
    #[arg(long, value_name = "DAYS", default_value_t = 3_650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,
    /// The authority's clock, such as 2026-03-01T09:00:00Z [default: now]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
}

/// Does what was asked for.
pub(super) fn run(args: &CaArgs, output: &Output) -> Result<ExitCode, Failure> {
    match &args.command {
        CaCommand::Init(args) => init(args, output),
        CaCommand::Sign(args) => sign(args, output),
        CaCommand::Device(args) => device(args, output),
    }
}

/// Makes the two roots.
fn init(args: &InitArgs, output: &Output) -> Result<ExitCode, Failure> {
    let dir = &args.dir;
    if !is_text(&args.name) {
        return Err(usage(
            "--name: expected a name of 1 to 64 characters, none of them a control character",
        ));
    }
    let found = fs::read_dir(dir).map(|mut entries| entries.next());
    match found {
        Ok(None) => {}
        Ok(Some(_)) => {
            let text = format!(
                "{} holds files already, and an authority is never written over: name a new folder \
                 with --dir",
                shown(dir)
            );
            return Err(Failure::new(ExitCode::Unreachable, text));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => files::make_folder(dir)?,
        Err(e) => return Err(cannot_open(dir, &e)),
    }
    let mut lines = String::new();
    for root in Root::ALL {
        let terms = terms(args.date, args.days, Digest::Sha256)?;
        let key = new_key(&args.bits)?;
        let made = authority::root(root, &args.name, &key, &terms);
        let made = made.map_err(|e| usage(&e.to_string()))?;
        let place = RootFiles::of(dir, root);
        write_key(&place.key, &key)?;
        write_certificate(&place.certificate, &made, Existing::Keep)?;
        lines.push_str(&describe(&place.certificate, &made));
    }
    output.result(&lines);
    output.note(&format!(
        "every phone needs {}, every provisioning server {}; keep the .key files secret",
        shown(&RootFiles::of(dir, Root::Server).certificate),
        shown(&RootFiles::of(dir, Root::Client).certificate),
    ));
    Ok(ExitCode::Good)
}

/// Signs a server's request.
fn sign(args: &SignArgs, output: &Output) -> Result<ExitCode, Failure> {
    let refused = |e: RequestError| {
        let code = match e {
            RequestError::Signature(_)
            | RequestError::KeyTooSmall { .. }
            | RequestError::KeyTooLarge(_)
            | RequestError::KeyKind
            | RequestError::NoCommonName(_)
            | RequestError::Phone(_)
            | RequestError::CommonName { .. } => ExitCode::Negative,
            _ => ExitCode::Usage,
        };
        Failure::new(code, format!("{}: {e}", shown(&args.request)))
    };
    let limit = request::MAX_REQUEST as u64 + 1;
    let file = read_up_to(&args.request, limit).map_err(|e| cannot_open(&args.request, &e))?;
    let der = request::der_of_file(&file).map_err(refused)?;
    let asked = Request::parse(&der).map_err(refused)?;
    asked.check(args.min_rsa as usize).map_err(refused)?;
    let root = OpenRoot::open(&args.dir, Root::Server)?;
    let digest = match args.digest {
        SignWith::Sha1 => Digest::Sha1,
        SignWith::Sha256 => Digest::Sha256,
        SignWith::Sha512 => Digest::Sha512,
    };
    let form = match args.profile {
        Form::Sipura => ServerForm::Sipura,
        Form::Mpp113 => ServerForm::Mpp113,
    };
    let terms = terms(args.date, args.days, digest)?;
    let made = root.issuer()?.server(&asked, form, &terms);
    let made = made.map_err(|e| root.refuses(&e))?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => args.request.with_extension("crt"),
    };
    let existing = Existing::ReplaceCertificateOf(asked.subject);
    write_certificate(&out, &made, existing)?;
    let mut lines = describe(&out, &made);
    if form == ServerForm::Mpp113 {
        for name in asked.alternative_name_texts() {
            lines.push_str(&format!("  name     {name}\n"));
        }
    }
    output.result(&lines);
    for remark in remarks(&asked, args.profile) {
        output.note(&remark);
    }
    Ok(ExitCode::Good)
}

/// What whoever asked should know about a certificate that was signed.
fn remarks(asked: &Request<'_>, form: Form) -> Vec<String> {
    let mut all = Vec::new();
    let names = asked.common_names();
    if names.len() > 1 {
        all.push(format!(
            "the subject has {} common names; which of them a phone compares is not documented",
            names.len()
        ));
    } else if let Err(fault) = name::check(NameCheck::Sipura, &Names::of_subject(asked.subject), "")
    {
        let fault = escape_for_terminal(fault.to_string().as_bytes());
        all.push(format!(
            "phones of the Sipura line refuse this server: {fault}"
        ));
    }
    let has_slash = names.iter().flatten().any(|name| name.contains('/'));
    match (form, asked.alternative_names.is_some()) {
        (Form::Sipura, true) => all.push(
            "the alternative names that the request asks for are left out, as `openssl x509 -req` \
             does: --profile mpp113 takes them along"
                .into(),
        ),
        (Form::Mpp113, false) if has_slash => all.push(
            "the common name has a / and there are no alternative names: phones of the Sipura line \
             take it, usual TLS libraries do not; ask for subjectAltName in the request"
                .into(),
        ),
        _ => {}
    }
    if let PublicKey::Rsa { bits, .. } = asked.public_key
        && bits < 2048
    {
        all.push(format!(
            "the key has {bits} bits, as in the vendor's text: OpenSSL's default security level on \
             present systems refuses to serve with less than 2048 (DEFAULT:@SECLEVEL=0 allows it)"
        ));
    }
    if let Some(hash @ (Hash::Md5 | Hash::Sha1)) = asked.hash() {
        all.push(format!(
            "the request is signed with {hash}, which only proves that its maker holds the key; the \
             certificate is not"
        ));
    }
    all
}

/// Makes a phone's certificate and key.
fn device(args: &DeviceArgs, output: &Output) -> Result<ExitCode, Failure> {
    let Some(mac) = device::mac_of(&args.mac) else {
        let text = format!(
            "{:?} is no MAC address, expected 12 hex digits such as 000e08abcdef",
            args.mac
        );
        return Err(usage(&text));
    };
    let name = device::mac_text(mac);
    let serial = match &args.serial {
        Some(serial) => serial.clone(),
        None => format!("LAB{}", name.to_uppercase()),
    };
    for (option, value) in [("--product", &args.product), ("--serial", &serial)] {
        if !device::is_plain(value) {
            let text = format!(
                "{option}: expected 1 to 64 letters, digits, `-`, `_` or `.`, not a dot first"
            );
            return Err(usage(&text));
        }
    }
    let phone = Device {
        product: args.product.clone(),
        serial,
        mac: Some(mac),
    };
    if let Some(what) = phone.names_another() {
        let text = format!(
            "{what} that reads as the MAC address of another phone would open that phone's files: \
             give another --serial or --product"
        );
        return Err(usage(&text));
    }
    let mac_in = match args.mac_in {
        MacIn::State => MacAttribute::State,
        MacIn::Surname => MacAttribute::Surname,
    };
    let root = OpenRoot::open(&args.dir, Root::Client)?;
    let terms = terms(args.date, args.days, Digest::Sha256)?;
    let key = new_key(&args.bits)?;
    let made = root.issuer()?.device(&phone, mac_in, key.spki(), &terms);
    let made = made.map_err(|e| root.refuses(&e))?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => args.dir.join("devices"),
    };
    files::make_folder(&out)?;
    let certificate = out.join(format!("{name}.crt"));
    // Before the key: one without its certificate would keep the name taken.
    if certificate.exists() {
        return Err(files::already(&certificate));
    }
    write_key(&out.join(format!("{name}.key")), &key)?;
    write_certificate(&certificate, &made, Existing::Keep)?;
    output.result(&describe(&certificate, &made));
    Ok(ExitCode::Good)
}

/// Where a root's files are.
pub(super) struct RootFiles {
    /// Its certificate, in PEM.
    pub(super) certificate: PathBuf,
    /// Its key, PKCS#8 in PEM.
    key: PathBuf,
}

impl RootFiles {
    pub(super) fn of(dir: &Path, root: Root) -> Self {
        let name = match root {
            Root::Server => "server-root",
            Root::Client => "client-root",
        };
        Self {
            certificate: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
        }
    }
}

/// A root that was read from its files.
struct OpenRoot {
    files: RootFiles,
    certificate: Vec<u8>,
    key: PrivateKey,
}

impl OpenRoot {
    fn open(dir: &Path, root: Root) -> Result<Self, Failure> {
        let files = RootFiles::of(dir, root);
        if !files.certificate.exists() {
            let text = format!(
                "{} is not there: make an authority with `trustline provision ca init --dir {}`",
                shown(&files.certificate),
                shown(dir)
            );
            return Err(Failure::new(ExitCode::Unreachable, text));
        }
        let mut all = files::read_certificates(&files.certificate)?;
        if all.len() > 1 {
            let text = format!("{}: more than one certificate", shown(&files.certificate));
            return Err(usage(&text));
        }
        let pem = files::read(&files.key)?;
        let damaged = |what: &str| {
            let text = format!(
                "{}: {what}; put the key there again that `ca init` wrote",
                shown(&files.key)
            );
            usage(&text)
        };
        let Ok(("PRIVATE KEY", pkcs8)) = der::pem::decode_vec(&pem) else {
            return Err(damaged("expected a PRIVATE KEY in PEM"));
        };
        let key = PrivateKey::from_pkcs8(pkcs8).map_err(|e| damaged(&e.to_string()))?;
        Ok(Self {
            certificate: all.remove(0),
            key,
            files,
        })
    }

    fn issuer(&self) -> Result<Issuer<'_, PrivateKey>, Failure> {
        Issuer::new(&self.certificate, &self.key).map_err(|e| self.refuses(&e))
    }

    fn refuses(&self, e: &IssueError<KeyError>) -> Failure {
        usage(&format!("{}: {e}", shown(&self.files.certificate)))
    }
}

fn new_key(bits: &str) -> Result<PrivateKey, Failure> {
    // clap takes no other sizes.
    let bits = bits.parse().ok().and_then(KeyBits::from_bits);
    let bits = bits.ok_or_else(|| usage("expected 1024, 2048 or 4096 bits"))?;
    let key = PrivateKey::generate(bits, &mut UnwrapErr(OsChance(SystemRandom::new())));
    key.map_err(|e| Failure::new(ExitCode::Bug, format!("cannot make a key: {e}")))
}

/// From now, or from the date that was given, for so many days.
fn terms(date: Option<u64>, days: u32, digest: Digest) -> Result<Terms, Failure> {
    let mut serial = [0; SERIAL_BYTES];
    let chance = SystemRandom::new().fill(&mut serial);
    chance.map_err(|_| Failure::new(ExitCode::Unreachable, NO_CHANCE))?;
    let not_before = date.unwrap_or_else(now);
    Ok(Terms {
        serial,
        not_before,
        not_after: not_before.saturating_add(u64::from(days) * 86_400),
        digest,
    })
}

const NO_CHANCE: &str = "the system gives no random numbers, so no key and no serial can be made";

/// The system's own randomness, for keys.
struct OsChance(SystemRandom);

#[derive(Debug, thiserror::Error)]
#[error("{NO_CHANCE}")]
struct NoChance;

impl TryRng for OsChance {
    type Error = NoChance;

    fn try_next_u32(&mut self) -> Result<u32, NoChance> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, NoChance> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), NoChance> {
        self.0.fill(out).map_err(|_| NoChance)
    }
}

impl TryCryptoRng for OsChance {}

fn write_key(path: &Path, key: &PrivateKey) -> Result<(), Failure> {
    let pem = files::pem("PRIVATE KEY", key.pkcs8())?;
    files::write(path, pem.as_bytes(), Secrecy::Secret, Existing::Keep)
}

fn write_certificate(path: &Path, der: &[u8], existing: Existing<'_>) -> Result<(), Failure> {
    let pem = files::pem("CERTIFICATE", der)?;
    files::write(path, pem.as_bytes(), Secrecy::Public, existing)
}

/// A certificate that was written, in a few lines.
fn describe(path: &Path, der: &[u8]) -> String {
    // It was made a moment ago, so it can be read.
    let Ok(read) = Certificate::parse(der) else {
        return format!("{}\n", shown(path));
    };
    let name = |der| escape_for_terminal(name_text(der, ',').as_bytes());
    let date = |at| rfc3339(at).unwrap_or_default();
    let print = ring::digest::digest(&ring::digest::SHA256, der);
    format!(
        "{}\n  subject  {}\n  issuer   {}\n  valid    {} to {}\n  serial   {}\n  SHA-256  {}\n",
        shown(path),
        name(read.subject),
        name(read.issuer),
        date(read.not_before),
        date(read.not_after),
        hex(read.serial),
        hex(print.as_ref()),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

fn is_text(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= 64 && !name.chars().any(char::is_control)
}

fn usage(text: &str) -> Failure {
    Failure::new(ExitCode::Usage, text)
}
