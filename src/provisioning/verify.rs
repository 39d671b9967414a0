//! Whether a phone takes a provisioning server: its certificate's chain, dates, name, and the
//! address that DNS gives for the name.
//!
//! Libraries cannot do this: they refuse certificates of version 1, RSA keys of 1024 bits and
//! `host/information` names, all of which are normal here. Source: Cisco's 8832 guide (HTTPS
//! provisioning); where it says nothing, OpenSSL's rules and the settings of
//! [`super::settings`]. What a phone shows of a failure is in no source: `$ERR` gets libcurl's
//! words, inferred from the guides' remark that provisioning uses it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use super::name::{self, NameCheck, NameFault, Names};
use super::settings::Settings;
use super::signed::{Hash, SignatureFault, issued_by};
use super::unasked::Unasked;
use super::usage::{End, Usage};
use crate::time::UnixSeconds;
use crate::trust::certificate::{
    Certificate, CertificateError, Dates, PublicKey, escape_for_terminal, name_text,
};

/// Certificates from the server's to a root, both counted, at most.
const MAX_DEPTH: usize = 8;

/// Certificates that a server may present; more are not looked at.
const MAX_PRESENTED: usize = 16;

/// What DNS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// These addresses; at least one.
    Found(Vec<IpAddr>),
    /// There is no such name, or it has no address.
    NoSuchName,
    /// No answer, or a server's failure: nothing is known about the name.
    Unavailable(String),
}

/// One thing that speaks against a server. The first one decides; the others are for whoever
/// mends it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The server presents nothing.
    #[error("the server presents no certificate")]
    NoCertificate,
    /// What it presents is no certificate.
    #[error("the server's certificate cannot be read: {0}")]
    Malformed(CertificateError),
    /// Nobody known issued it.
    #[error("the certificate {subject} was issued by {issuer}, which is none of the phone's roots")]
    UnknownIssuer {
        /// The certificate where the chain ends.
        subject: String,
        /// Who issued that.
        issuer: String,
        /// True if it issued itself.
        is_self_signed: bool,
    },
    /// A signature in the chain does not count.
    #[error("the signature of the certificate {subject}: {fault}")]
    Signature {
        /// The certificate.
        subject: String,
        /// Why not.
        fault: SignatureFault,
    },
    /// The server's own key is too small.
    #[error("the server's RSA key has {bits} bits, the least allowed is {min}")]
    KeyTooSmall {
        /// Bits of the modulus.
        bits: usize,
        /// The bound.
        min: usize,
    },
    /// The issuer may not issue.
    #[error("the certificate {subject} issued another one, and may not: {why}")]
    NotAnAuthority {
        /// The issuer.
        subject: String,
        /// Why not.
        why: &'static str,
    },
    /// The issuer may not stand so far above the server.
    #[error("the certificate {subject} issued an authority, and its path length forbids it")]
    PathTooLong {
        /// The issuer.
        subject: String,
    },
    /// An extension that must be understood, and is not.
    #[error(
        "the certificate {subject} has the extension {oid}, which must be understood and is not"
    )]
    ExtensionUnknown {
        /// The certificate.
        subject: String,
        /// The extension.
        oid: String,
    },
    /// The server's certificate is for something else.
    #[error("the certificate is not for TLS servers: {why}")]
    WrongPurpose {
        /// What it says.
        why: &'static str,
    },
    /// The phone's clock is after the last second.
    #[error("the certificate {subject} expired on {}, the phone's clock says {}", date(*.not_after), date(*.clock))]
    Expired {
        /// The certificate.
        subject: String,
        /// Its last second.
        not_after: i64,
        /// The phone's clock.
        clock: i64,
    },
    /// The phone's clock is before the first second.
    #[error("the certificate {subject} is valid from {}, the phone's clock says {}", date(*.not_before), date(*.clock))]
    NotYetValid {
        /// The certificate.
        subject: String,
        /// Its first second.
        not_before: i64,
        /// The phone's clock.
        clock: i64,
    },
    /// The name.
    #[error("{fault}")]
    Name {
        /// Why not.
        fault: NameFault,
        /// The host of the URL.
        host: String,
        /// How names are compared.
        check: NameCheck,
    },
    /// DNS cannot be asked for the certificate's name.
    #[error("DNS does not say where {name} is: {why}")]
    DnsUnavailable {
        /// The certificate's name.
        name: String,
        /// What happened.
        why: String,
    },
    /// DNS does not know the certificate's name.
    #[error("DNS knows no address of {name}, the name in the server's certificate")]
    DnsNoSuchName {
        /// The certificate's name.
        name: String,
    },
    /// DNS is not asked for the certificate's name, and what is known of it is not the server.
    #[error("DNS is not asked for {name}, the name in the server's certificate: {unasked}")]
    DnsUnasked {
        /// The certificate's name.
        name: String,
        /// Why not.
        unasked: Unasked,
        /// The server's address.
        peer: IpAddr,
    },
    /// DNS gives other addresses for the certificate's name.
    #[error("the server answers at {peer}, and DNS has {name}, the name in its certificate, at {}", addresses(.found))]
    DnsMismatch {
        /// The certificate's name.
        name: String,
        /// The server's address.
        peer: IpAddr,
        /// DNS's.
        found: Vec<IpAddr>,
    },
}

impl Refusal {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "certificate-missing",
            Self::Malformed(_) => "certificate-malformed",
            Self::UnknownIssuer { .. } => "issuer-unknown",
            Self::Signature { fault, .. } => match fault {
                SignatureFault::Weak { .. } | SignatureFault::Algorithm(_) => "signature-weak",
                SignatureFault::KeyTooSmall { .. } => "issuer-key-too-small",
                _ => "signature-bad",
            },
            Self::KeyTooSmall { .. } => "server-key-too-small",
            Self::NotAnAuthority { .. } => "issuer-not-an-authority",
            Self::PathTooLong { .. } => "issuer-path-too-long",
            Self::ExtensionUnknown { .. } => "certificate-extension-unknown",
            Self::WrongPurpose { .. } => "certificate-wrong-purpose",
            Self::Expired { .. } => "certificate-expired",
            Self::NotYetValid { .. } => "certificate-not-yet-valid",
            Self::Name { fault, .. } => fault.code(),
            Self::DnsUnavailable { .. } => "dns-unavailable",
            Self::DnsUnasked {
                unasked: Unasked::Localhost,
                ..
            } => "dns-mismatch",
            Self::DnsNoSuchName { .. } | Self::DnsUnasked { .. } => "dns-name-unknown",
            Self::DnsMismatch { .. } => "dns-mismatch",
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> String {
        match self {
            Self::NoCertificate | Self::Malformed(_) => {
                "check ssl_certificate (nginx) or SSLCertificateFile (Apache) of the server".into()
            }
            Self::UnknownIssuer { .. } => "have the server's request signed by the provisioning \
                 authority (trustline provision ca sign), and install provserver.crt with the \
                 certificates between it and the root"
                .into(),
            Self::Signature {
                fault: SignatureFault::Mismatch,
                ..
            } => "sign the server's request with the root that the phone has: this one was signed \
                 by another key of the same name, or was damaged since"
                .into(),
            Self::Signature { .. } | Self::KeyTooSmall { .. } => {
                "have the server's certificate signed anew, with a key and a digest that count".into()
            }
            Self::NotAnAuthority { subject, .. } => format!(
                "have the server's certificate signed by an authority: {subject} counts as none, \
                 whether the server presents it or the phone has it as a root"
            ),
            Self::PathTooLong { subject } => format!(
                "have {subject} issued without a path length, or sign with it the server's \
                 certificate itself"
            ),
            Self::ExtensionUnknown { .. } => {
                "have the certificate issued without that extension, or not as a critical one; name \
                 constraints (2.5.29.30) are refused in any case"
                    .into()
            }
            Self::WrongPurpose { .. } => "sign without an extended key usage or with serverAuth, \
                 and without a key usage or with digitalSignature and keyEncipherment"
                .into(),
            Self::Expired { .. } => {
                "have the certificate renewed; if it is not expired, set the phone's clock".into()
            }
            Self::NotYetValid { .. } => {
                "set the phone's clock (NTP), or wait until the certificate is valid".into()
            }
            Self::Name { host, check, .. } => match (check, host.parse::<IpAddr>().is_ok()) {
                (NameCheck::Sipura, true) => "have a certificate signed whose common name is the \
                     server's full name in DNS, not its address"
                    .into(),
                (NameCheck::Sipura, false) => format!(
                    "have a certificate signed whose common name is the server's full name, such \
                     as CN={host} or CN={host}/info"
                ),
                (NameCheck::Mpp113, true) => format!(
                    "name the server in the rule's URL as its certificate does, or have one signed \
                     with the alternative name IP:{host}"
                ),
                (NameCheck::Mpp113, false) => format!(
                    "have a certificate signed with the alternative name DNS:{host}, or with \
                     CN={host} and no alternative name"
                ),
            },
            Self::DnsUnavailable { .. } => {
                "let the phone's DNS server answer: the check needs it even if the URL is an address"
                    .into()
            }
            Self::DnsNoSuchName { name } => format!("add an A record for {name}"),
            Self::DnsUnasked { .. } => "have a certificate signed under another name: no resolver \
                 asks DNS for this one, so that no record helps"
                .into(),
            Self::DnsMismatch { name, peer, .. } => format!(
                "let the A record of {name} be {peer}, or let the server present the certificate of \
                 its own name; behind address translation the phone must see the server's own address"
            ),
        }
    }

    /// What libcurl says, which `$ERR` shows.
    pub fn curl_text(&self) -> String {
        let problem = |what: &str| format!("SSL certificate problem: {what}");
        match self {
            Self::NoCertificate | Self::Malformed(_) => {
                "SSL: couldn't get peer certificate!".into()
            }
            Self::UnknownIssuer {
                is_self_signed: true,
                ..
            } => problem("self-signed certificate"),
            Self::UnknownIssuer { .. } => problem("unable to get local issuer certificate"),
            Self::Signature { fault, .. } => problem(match fault {
                SignatureFault::Weak { .. } => "CA signature digest algorithm too weak",
                SignatureFault::KeyTooSmall { .. } => "CA certificate key too weak",
                _ => "certificate signature failure",
            }),
            Self::KeyTooSmall { .. } => problem("EE certificate key too weak"),
            Self::NotAnAuthority { .. } => problem("invalid CA certificate"),
            Self::PathTooLong { .. } => problem("path length constraint exceeded"),
            Self::ExtensionUnknown { .. } => problem("unhandled critical extension"),
            Self::WrongPurpose { .. } => problem("unsupported certificate purpose"),
            Self::Expired { .. } => problem("certificate has expired"),
            Self::NotYetValid { .. } => problem("certificate is not yet valid"),
            Self::Name { fault, host, .. } => {
                let subject = match fault {
                    NameFault::Other { names, .. } => names.join(", "),
                    NameFault::Empty(name) | NameFault::Nul(name) | NameFault::NotAHost(name) => {
                        escape_for_terminal(name.as_bytes())
                    }
                    NameFault::Wildcard(name) => name.clone(),
                    NameFault::None | NameFault::Several(_) | NameFault::NotText => {
                        return "SSL: unable to obtain common name from peer certificate".into();
                    }
                };
                format!(
                    "SSL: certificate subject name '{subject}' does not match target host name '{host}'"
                )
            }
            Self::DnsUnavailable { name, .. } | Self::DnsNoSuchName { name } => {
                format!("Could not resolve host: {name}")
            }
            Self::DnsUnasked { name, unasked, .. } if *unasked != Unasked::Localhost => {
                format!("Could not resolve host: {name}")
            }
            Self::DnsMismatch { name, peer, .. } | Self::DnsUnasked { name, peer, .. } => {
                format!(
                    "SSL: certificate subject name '{name}' does not match target host name '{peer}'"
                )
            }
        }
    }

    /// True if nothing is wrong with the server as far as is known: something could not be asked.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::DnsUnavailable { .. })
    }

    /// True if it rests on a name that DNS is not asked for, as is assumed of phones.
    pub fn is_of_assumed_name(&self) -> bool {
        matches!(self, Self::DnsUnasked { unasked, .. } if unasked.is_assumed())
    }
}

/// A server that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// The name that its certificate stands for, which DNS is to be asked for.
    pub name: String,
    /// The settings of which another choice would refuse it.
    pub rests_on: Vec<&'static str>,
    /// True if the other `provision.name_check` would take it under another name.
    pub has_other_name: bool,
}

/// A server that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What speaks against it, the deciding thing first; never empty.
    pub refusals: Vec<Refusal>,
    /// The settings of which another choice would take it.
    pub rests_on: Vec<&'static str>,
}

fn addresses(found: &[IpAddr]) -> String {
    let all: Vec<_> = found.iter().map(IpAddr::to_string).collect();
    all.join(", ")
}

/// A date as certificates have it, without its time of day where that is midnight.
fn date(seconds: i64) -> String {
    use der::DateTime;
    let since = u64::try_from(seconds).map(std::time::Duration::from_secs);
    match since.map(DateTime::from_unix_duration) {
        Ok(Ok(date)) => date.to_string(),
        _ => format!("{seconds} s from 1970"),
    }
}

/// Which server certificates a phone takes. Cheap to clone.
#[derive(Clone)]
pub struct Checker {
    /// Certificates, DER.
    roots: Arc<[Vec<u8>]>,
    settings: Settings,
    clock: UnixSeconds,
}

/// The phone's roots are many bytes that nobody reads.
impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots = self.roots.len();
        write!(f, "Checker({roots} roots, clock {})", self.clock)
    }
}

impl Checker {
    /// Trusts `roots` (DER) with `settings`, while the phone's clock says `clock`.
    ///
    /// # Errors
    /// A root that is no certificate.
    pub fn new(
        roots: &[Vec<u8>],
        settings: &Settings,
        clock: UnixSeconds,
    ) -> Result<Self, CertificateError> {
        for root in roots {
            Certificate::parse(root)?;
        }
        Ok(Self {
            roots: roots.into(),
            settings: settings.clone(),
            clock,
        })
    }

    /// The same phone when its clock says something else.
    #[must_use]
    pub fn at(&self, clock: UnixSeconds) -> Self {
        Self {
            clock,
            ..self.clone()
        }
    }

    /// Judges what a server presents, its own certificate first, for a URL that names `host`.
    ///
    /// # Errors
    /// What speaks against the server.
    pub fn certificate(&self, presented: &[&[u8]], host: &str) -> Result<Trusted, Refused> {
        let judged = self.judge(presented, host);
        let is_taken = judged.is_ok();
        let turns = |settings: &Settings| {
            let other = Self {
                settings: settings.clone(),
                ..self.clone()
            };
            other.judge(presented, host).is_ok() != is_taken
        };
        let all: BTreeSet<_> = self
            .other_choices()
            .into_iter()
            .filter(|(_, settings)| turns(settings))
            .map(|(key, _)| key)
            .collect();
        let rests_on = all.into_iter().collect();
        match judged {
            Ok(name) => Ok(Trusted {
                has_other_name: self.has_other_name(presented, host, &name),
                name,
                rests_on,
            }),
            Err(refusals) => Err(Refused { refusals, rests_on }),
        }
    }

    fn has_other_name(&self, presented: &[&[u8]], host: &str, name: &str) -> bool {
        let mut choices = self.other_choices().into_iter();
        let other = choices.find(|(key, _)| *key == "provision.name_check");
        other.is_some_and(|(_, settings)| {
            let other = Self {
                settings,
                ..self.clone()
            };
            other
                .judge(presented, host)
                .is_ok_and(|other| other != name)
        })
    }

    fn judge(&self, presented: &[&[u8]], host: &str) -> Result<String, Vec<Refusal>> {
        let Some((first, others)) = presented.split_first() else {
            return Err(vec![Refusal::NoCertificate]);
        };
        let own = Certificate::parse(first).map_err(|e| vec![Refusal::Malformed(e)])?;
        let mut refusals = Vec::new();
        let mut chain = vec![own];
        match self.follow(&mut chain, others) {
            Ok(()) => refusals.extend(constraints(&chain)),
            Err(refusal) => refusals.push(refusal),
        }
        if let PublicKey::Rsa { bits, .. } = own.public_key
            && bits < self.settings.signatures.min_rsa_bits
        {
            let min = self.settings.signatures.min_rsa_bits;
            refusals.push(Refusal::KeyTooSmall { bits, min });
        }
        let usage = Usage::of(&own).map_err(|e| vec![Refusal::Malformed(e)])?;
        if let Some(why) = usage.against(End::Server) {
            refusals.push(Refusal::WrongPurpose { why });
        }
        if self.settings.dates {
            refusals.extend(chain.iter().filter_map(|one| self.dates(one)));
        }
        let names = Names {
            dns: usage.dns,
            addresses: usage.addresses,
            ..Names::of_subject(own.subject)
        };
        match name::check(self.settings.name_check, &names, host) {
            Ok(name) if refusals.is_empty() => Ok(name),
            Ok(_) => Err(refusals),
            Err(fault) => {
                let host = host.to_owned();
                let check = self.settings.name_check;
                refusals.push(Refusal::Name { fault, host, check });
                Err(refusals)
            }
        }
    }

    /// Follows the chain from its first certificate to a root.
    fn follow<'a>(
        &'a self,
        chain: &mut Vec<Certificate<'a>>,
        others: &[&'a [u8]],
    ) -> Result<(), Refusal> {
        let policy = &self.settings.signatures;
        let mut unused: Vec<_> = others
            .iter()
            .take(MAX_PRESENTED)
            .filter_map(|der| Certificate::parse(der).ok())
            .collect();
        let roots: Vec<_> = self
            .roots
            .iter()
            .filter_map(|der| Certificate::parse(der).ok())
            .collect();
        for _ in 0..MAX_DEPTH {
            let Some(&last) = chain.last() else { break };
            // The server may present a root, or be one.
            if roots.iter().any(|root| root.der == last.der) {
                return Ok(());
            }
            let subject = || shown(last.subject);
            let mut bad = None;
            let mut issuer = |candidate: &Certificate<'a>| match issued_by(&last, candidate, policy)
            {
                Ok(()) => true,
                Err(fault) => {
                    bad = bad.take().or(fault);
                    false
                }
            };
            // A root and the one that renews it may have one name and one key, and so may two
            // authorities: one that counts goes before one that does not.
            let is_current =
                |one: &Certificate<'_>| !self.settings.dates || self.dates(one).is_none();
            let is_authority = |one: &Certificate<'_>| {
                Usage::of(one).is_ok_and(|usage| usage.against_signing(End::Server).is_none())
            };
            let issuers = roots.iter().filter(|root| issuer(root));
            let root = issuers.min_by_key(|root| (!is_authority(root), !is_current(root)));
            if let Some(root) = root {
                chain.push(*root);
                return Ok(());
            }
            let issuers = (0..unused.len()).filter(|&at| issuer(&unused[at]));
            let next =
                issuers.min_by_key(|&at| (!is_authority(&unused[at]), !is_current(&unused[at])));
            match (next, bad) {
                (Some(next), _) => {
                    let next = unused.swap_remove(next);
                    let usage = Usage::of(&next).map_err(Refusal::Malformed)?;
                    if let Some(why) = usage.against_signing(End::Server) {
                        let subject = shown(next.subject);
                        return Err(Refusal::NotAnAuthority { subject, why });
                    }
                    chain.push(next);
                }
                (None, Some(fault)) => {
                    let subject = subject();
                    return Err(Refusal::Signature { subject, fault });
                }
                (None, None) => break,
            }
        }
        let last = chain.last().copied();
        Err(Refusal::UnknownIssuer {
            subject: last.map_or_else(String::new, |c| shown(c.subject)),
            issuer: last.map_or_else(String::new, |c| shown(c.issuer)),
            is_self_signed: last.is_some_and(|c| c.issuer == c.subject),
        })
    }

    fn dates(&self, one: &Certificate<'_>) -> Option<Refusal> {
        let clock = i64::try_from(self.clock).unwrap_or(i64::MAX);
        let subject = || shown(one.subject);
        let Dates {
            not_before,
            not_after,
        } = Dates::of(one);
        if clock > not_after {
            let subject = subject();
            return Some(Refusal::Expired {
                subject,
                not_after,
                clock,
            });
        }
        (clock < not_before).then(|| Refusal::NotYetValid {
            subject: subject(),
            not_before,
            clock,
        })
    }

    /// Whether DNS must be asked for the certificate's name.
    pub fn asks_dns(&self) -> bool {
        self.settings.dns_check
    }

    /// Judges the server's address by what DNS says of the certificate's name.
    ///
    /// # Errors
    /// What speaks against the server. That DNS is silent does not mean that it says otherwise.
    ///
    /// Gives the settings of which another choice would refuse it.
    pub fn address(
        &self,
        name: &str,
        peer: IpAddr,
        dns: &Lookup,
    ) -> Result<Vec<&'static str>, Refused> {
        if !self.settings.dns_check {
            return Ok(Vec::new());
        }
        let refused = |refusal, rests_on: &[&'static str]| {
            Err(Refused {
                refusals: vec![refusal],
                rests_on: rests_on.to_vec(),
            })
        };
        let name = name.to_owned();
        let required = &["provision.dns_check"];
        let unasked = Unasked::of(&name);
        match dns {
            Lookup::Unavailable(why) => {
                let why = why.clone();
                refused(Refusal::DnsUnavailable { name, why }, required)
            }
            Lookup::NoSuchName => match unasked {
                Some(unasked) => refused(
                    Refusal::DnsUnasked {
                        name,
                        unasked,
                        peer,
                    },
                    required,
                ),
                None => refused(Refusal::DnsNoSuchName { name }, required),
            },
            Lookup::Found(all) => {
                let counts = |ip: &IpAddr| self.settings.dns_aaaa || ip.is_ipv4();
                let peer = peer.to_canonical();
                let found: Vec<_> = all
                    .iter()
                    .map(IpAddr::to_canonical)
                    .filter(counts)
                    .collect();
                if found.contains(&peer) {
                    let rests_on = peer.is_ipv6().then_some("provision.dns_aaaa");
                    return Ok(rests_on.into_iter().collect());
                }
                // An IPv6 address that DNS may have, if AAAA records counted: they need not be asked for.
                let rests_on: &[_] = match peer.is_ipv6() && !self.settings.dns_aaaa {
                    true => &["provision.dns_aaaa", "provision.dns_check"],
                    false => required,
                };
                match (unasked, found.is_empty()) {
                    (Some(unasked), _) => refused(
                        Refusal::DnsUnasked {
                            name,
                            unasked,
                            peer,
                        },
                        rests_on,
                    ),
                    (None, true) => refused(Refusal::DnsNoSuchName { name }, rests_on),
                    (None, false) => refused(Refusal::DnsMismatch { name, peer, found }, rests_on),
                }
            }
        }
    }

    /// Each setting that judges a certificate, with each other choice.
    fn other_choices(&self) -> Vec<(&'static str, Settings)> {
        let mut all = Vec::new();
        let mut with = |key, change: &dyn Fn(&mut Settings)| {
            let mut settings = self.settings.clone();
            change(&mut settings);
            if settings != self.settings {
                all.push((key, settings));
            }
        };
        with("provision.name_check", &|s| {
            s.name_check = match s.name_check {
                NameCheck::Sipura => NameCheck::Mpp113,
                NameCheck::Mpp113 => NameCheck::Sipura,
            };
        });
        with("provision.dates", &|s| s.dates = !s.dates);
        for bits in [512, 1_024, 2_048] {
            with("provision.min_rsa_bits", &|s| {
                s.signatures.min_rsa_bits = bits;
            });
        }
        for hash in [Hash::Md5, Hash::Sha1, Hash::Sha256] {
            with("provision.weakest_hash", &|s| s.signatures.weakest = hash);
        }
        all
    }
}

/// What the extensions of a chain, the server's certificate first, say against it.
fn constraints(chain: &[Certificate<'_>]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    // Authorities below the one at hand; one that issued itself does not count (RFC 5280, 6.1.4).
    let mut below = 0;
    for (depth, one) in chain.iter().enumerate() {
        let subject = || shown(one.subject);
        let found = match Usage::of(one) {
            Ok(found) => found,
            Err(error) => {
                refusals.push(Refusal::Malformed(error));
                continue;
            }
        };
        if let Some(oid) = found.unknown.clone() {
            let subject = subject();
            refusals.push(Refusal::ExtensionUnknown { subject, oid });
        }
        if depth == 0 {
            continue;
        }
        if let Some(why) = found.against_signing(End::Server) {
            let subject = subject();
            refusals.push(Refusal::NotAnAuthority { subject, why });
        }
        if found.path_length.is_some_and(|most| below > most) {
            let subject = subject();
            refusals.push(Refusal::PathTooLong { subject });
        }
        below += usize::from(one.subject != one.issuer);
    }
    refusals
}

/// A Name for people.
fn shown(name: &[u8]) -> String {
    escape_for_terminal(name_text(name, ',').as_bytes())
}
