//! The phone of the arguments.

use std::path::Path;

use ring::rand::{SecureRandom as _, SystemRandom};
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::EncodePrivateKey as _;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::{PRODUCT, ResyncArgs};
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::provision::files::{read, read_certificates};
use crate::cli::world::shown;
use crate::net::provisioning::client::Client;
use crate::net::provisioning::dns::Dns;
use crate::net::tls::{ClientTls, Identity};
use crate::provisioning::device::Device;
use crate::provisioning::parameters::{Parameters, RULES};
use crate::provisioning::resync::Setup;
use crate::provisioning::rule::Rule;
use crate::provisioning::settings::Settings;
use crate::provisioning::verify::Checker;
use crate::rng::Rng;
use crate::time::UnixSeconds;
use crate::trust::certificate::Certificate;

fn usage(text: String) -> Failure {
    Failure::new(ExitCode::Usage, text)
}

/// What the phone is, and its certificate.
pub(super) fn setup(
    args: &ResyncArgs,
    clock: UnixSeconds,
) -> Result<(Setup, Option<Identity>), Failure> {
    let settings = settings(args)?;
    let identity = identity(args)?;
    let device = device(args, identity.as_ref())?;
    let mut roots = Vec::new();
    for path in &args.ca {
        roots.extend(read_certificates(path)?);
    }
    let checker = Checker::new(&roots, &settings, clock);
    let checker = checker.map_err(|e| usage(format!("--ca: {e}")))?;
    let setup = Setup {
        device,
        software: args.software.clone(),
        hardware: String::new(),
        has_certificate: identity.is_some(),
        address: None,
        option_66: args.option_66.clone(),
        checker,
        settings,
    };
    Ok((setup, identity))
}

fn settings(args: &ResyncArgs) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    for (key, value) in &args.set {
        settings.set(key, value).map_err(|e| usage(e.to_string()))?;
    }
    if let Some(check) = args.name_check {
        settings.name_check = check;
    }
    Ok(settings)
}

/// The rules and parameters that the phone has before its first resync.
pub(super) fn parameters(args: &ResyncArgs) -> Result<Parameters, Failure> {
    let mut parameters = Parameters::new();
    for (name, value) in &args.parameter {
        parameters.set(name, value);
    }
    if args.profile_rule.len() > RULES.len() {
        let (given, most) = (args.profile_rule.len(), RULES.len());
        return Err(usage(format!(
            "{given} times --profile-rule: a phone has {most} rules"
        )));
    }
    for (name, rule) in RULES.iter().zip(&args.profile_rule) {
        if let Err(error) = Rule::parse(rule) {
            let at = rule.get(..error.offset).map_or(0, |r| r.chars().count());
            let caret = " ".repeat(at);
            let text = format!("{name}: {}\n  {rule}\n  {caret}^", error.what);
            return Err(usage(text));
        }
        parameters.set(name, rule);
    }
    Ok(parameters)
}

fn identity(args: &ResyncArgs) -> Result<Option<Identity>, Failure> {
    let (Some(certificate_path), Some(key_path)) = (&args.cert, &args.key) else {
        return Ok(None);
    };
    let certificates = read_certificates(certificate_path)?;
    let Some(certificate) = certificates.into_iter().next() else {
        let text = format!("{}: holds no certificate", shown(certificate_path));
        return Err(usage(text));
    };
    let key = pkcs8(&read(key_path)?).ok_or_else(|| {
        usage(format!(
            "{}: expected a private key in PEM (PRIVATE KEY or RSA PRIVATE KEY) without a pass \
             phrase: `openssl rsa -in FILE -out NEW` takes one away",
            shown(key_path)
        ))
    })?;
    belong(&certificate, certificate_path, &key, key_path)?;
    let identity = Identity { certificate, key };
    ClientTls::judged(Box::new(|_| false), Some(&identity), true)
        .map_err(|e| usage(format!("{}: {e}", shown(key_path))))?;
    Ok(Some(identity))
}

/// The private key in a PEM file, as PKCS#8.
fn pkcs8(pem: &[u8]) -> Option<Vec<u8>> {
    match PrivateKeyDer::from_pem_slice(pem).ok()? {
        PrivateKeyDer::Pkcs8(der) => Some(der.secret_pkcs8_der().to_vec()),
        PrivateKeyDer::Pkcs1(der) => {
            let key = RsaPrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).ok()?;
            Some(key.to_pkcs8_der().ok()?.as_bytes().to_vec())
        }
        _ => None,
    }
}

/// An RSA key must be the certificate's; a key of another kind is left to TLS.
fn belong(
    certificate: &[u8],
    certificate_path: &Path,
    key: &[u8],
    key_path: &Path,
) -> Result<(), Failure> {
    use rsa::pkcs1::EncodeRsaPublicKey as _;
    use rsa::pkcs8::DecodePrivateKey as _;

    let Ok(private) = RsaPrivateKey::from_pkcs8_der(key) else {
        return Ok(());
    };
    let public = private.to_public_key().to_pkcs1_der();
    let read = Certificate::parse(certificate).map_err(|e| usage(e.to_string()))?;
    if public.is_ok_and(|public| read.public_key.list_form() == Some(public.as_bytes())) {
        return Ok(());
    }
    let text = format!(
        "{} is not the key of {}",
        shown(key_path),
        shown(certificate_path)
    );
    Err(usage(text))
}

/// Who the phone is: what the arguments say goes before what its certificate says.
fn device(args: &ResyncArgs, identity: Option<&Identity>) -> Result<Device, Failure> {
    let said = identity.and_then(|identity| {
        let certificate = Certificate::parse(&identity.certificate).ok()?;
        Device::of_subject(certificate.subject, None).ok()
    });
    let said = said.map(|(device, _)| device);
    let of = |given: &Option<String>, said: Option<&String>, usual: &str| {
        let said = said.filter(|text| !text.is_empty());
        given
            .clone()
            .or_else(|| said.cloned())
            .unwrap_or_else(|| usual.to_owned())
    };
    let mac = args
        .mac
        .or_else(|| said.as_ref().and_then(|device| device.mac));
    if mac.is_none() {
        let text = "the phone has no MAC address: give --mac, or a --cert whose subject has one, such \
                    as OU=CP-8832-3PCC, L=serial, S=000e08abcdef";
        return Err(usage(text.into()));
    }
    Ok(Device {
        product: of(&args.product, said.as_ref().map(|d| &d.product), PRODUCT),
        serial: of(&args.serial, said.as_ref().map(|d| &d.serial), ""),
        mac,
    })
}

/// The phone's sockets. Must be made inside the runtime.
pub(super) fn client(args: &ResyncArgs, identity: Option<Identity>) -> Result<Client, Failure> {
    let dns = match args.dns {
        Some(server) => Dns::of(server),
        None => Dns::of_system(),
    };
    let dns = dns.map_err(|e| {
        let text = format!("cannot ask DNS: {e}; name a server with --dns");
        Failure::new(ExitCode::Unreachable, text)
    })?;
    Ok(Client::new(dns, identity))
}

/// Chance of the system, for delays and logins.
pub(super) fn rng() -> Rng {
    let mut seed = [0; 8];
    // Without it, the delays are the same each time, and nothing else depends on them.
    let _ = SystemRandom::new().fill(&mut seed);
    Rng::new(u64::from_be_bytes(seed))
}
