//! Why a resync failed: what a phone does about it, and what people can do.

use std::net::SocketAddr;

use thiserror::Error;

use crate::provisioning::profile::ProfileFault;
use crate::provisioning::rule::{EvaluationError, RuleError, UrlError};
use crate::provisioning::unasked::Unasked;
use crate::provisioning::verify::{Lookup, Refusal, Refused};

/// All codes that [`Fault::code`] gives, in the order of a resync.
pub const CODES: &[&str] = &[
    "provisioning-off",
    "rule-malformed",
    "rule-not-supported",
    "server-unnamed",
    "host-unknown",
    "dns-unavailable",
    "server-unreachable",
    "certificate-missing",
    "certificate-malformed",
    "issuer-unknown",
    "signature-weak",
    "issuer-key-too-small",
    "signature-bad",
    "server-key-too-small",
    "issuer-not-an-authority",
    "issuer-path-too-long",
    "certificate-extension-unknown",
    "certificate-wrong-purpose",
    "certificate-expired",
    "certificate-not-yet-valid",
    "name-missing",
    "name-ambiguous",
    "name-malformed",
    "name-wildcard",
    "name-mismatch",
    "dns-name-unknown",
    "dns-mismatch",
    "client-certificate-refused",
    "tls-failed",
    "no-answer",
    "file-not-found",
    "http-forbidden",
    "http-error",
    "redirect-malformed",
    "too-many-redirects",
    "redirect-to-http",
    "login-refused",
    "profile-too-large",
    "profile-key-missing",
    "profile-not-encrypted",
    "profile-key-wrong",
    "profile-coding-unknown",
    "profile-corrupt",
];

/// The class of an answer. A is success; both others wait for the retry delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The file is not there, or corrupt.
    B,
    /// Anything else.
    C,
}

/// One reason, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable.
    pub code: &'static str,
    /// What happened and why.
    pub text: String,
    /// What to do.
    pub fix: String,
}

/// Why a resync failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The phone may not resync.
    #[error("{parameter} is No: the phone does not resync{}", off_text(.parameter))]
    Off {
        /// The parameter that says so.
        parameter: &'static str,
    },
    /// The rule is none.
    #[error("{0}")]
    Rule(RuleError),
    /// The rule makes no sense with the phone's values.
    #[error("{0}")]
    Evaluation(EvaluationError),
    /// Nobody says which server.
    #[error("the rule names no server, and DHCP (option 66) none either")]
    NoServer,
    /// TFTP, which this phone does not fetch profiles with.
    #[error("the rule means TFTP, and trustline's multiplatform phone fetches over HTTP and HTTPS")]
    Tftp,
    /// SRV records, which are not asked for.
    #[error(
        "the rule has --srv, and trustline's multiplatform phone asks for A and AAAA records alone"
    )]
    Srv,
    /// The URL's host cannot be found.
    #[error("{}", dns_text(.host, .lookup))]
    Dns {
        /// The host.
        host: String,
        /// What DNS said; never `Found`.
        lookup: Lookup,
    },
    /// No address of the host answers.
    #[error("nobody answers for {host}{}: {}", unasked_text(.host), tried_text(.tried, *.untried))]
    Unreachable {
        /// The host.
        host: String,
        /// Each address, and why.
        tried: Vec<(SocketAddr, String)>,
        /// Addresses beyond `provision.max_addresses`, which were not tried.
        untried: usize,
    },
    /// The server is not taken.
    #[error("{}", .0.refusals.first().map_or_else(String::new, ToString::to_string))]
    Refused(Refused),
    /// The server ended the handshake.
    #[error("the server ended the TLS handshake with the alert {name} ({code})")]
    Alert {
        /// Its number.
        code: u8,
        /// Its name.
        name: String,
    },
    /// TLS failed otherwise.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The connection ended before a whole answer came.
    #[error("no whole answer came: {0}")]
    NoAnswer(String),
    /// The answer is larger than the phone takes.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The server refuses the phone's certificate, and says so in a page.
    #[error("the server answered {status} and does not take the phone's certificate")]
    CertificatePage {
        /// The status code.
        status: u16,
    },
    /// A status that is a failure.
    #[error("the server answered {0}")]
    Status(u16),
    /// A redirect without a place.
    #[error("the server redirects, and does not say where to")]
    NoLocation,
    /// A redirect to what is no URL.
    #[error("the server redirects to what a phone cannot follow: {0}")]
    Location(UrlError),
    /// Redirects without end.
    #[error("the server redirects more than {limit} times")]
    TooManyRedirects {
        /// The bound, `provision.max_redirects`.
        limit: u32,
    },
    /// A redirect that would lose TLS.
    #[error("the server redirects from HTTPS to {0}")]
    RedirectToHttp(String),
    /// A login is wanted, and there is none that works.
    #[error("the server answered {status} and wants a login: {why}")]
    Login {
        /// 401 or 407.
        status: u16,
        /// Why there is none.
        why: &'static str,
    },
    /// What came is no profile.
    #[error("{0}")]
    Profile(ProfileFault),
}

fn off_text(parameter: &str) -> &'static str {
    match parameter {
        "Resync_On_Reset" => " at power-up",
        _ => "",
    }
}

fn dns_text(host: &str, lookup: &Lookup) -> String {
    match lookup {
        Lookup::Unavailable(why) => format!("DNS does not say where {host} is: {why}"),
        _ => match Unasked::of(host) {
            Some(unasked) => format!("DNS is not asked for {host}: {unasked}"),
            None => format!("DNS knows no address of {host}"),
        },
    }
}

/// Why an address is none of DNS.
fn unasked_text(host: &str) -> String {
    match Unasked::of(host) {
        Some(unasked) => format!(" (DNS is not asked for it: {unasked})"),
        None => String::new(),
    }
}

fn tried_text(tried: &[(SocketAddr, String)], untried: usize) -> String {
    let all: Vec<_> = tried
        .iter()
        .map(|(address, why)| format!("{address} ({why})"))
        .collect();
    let rest = match untried {
        0 => String::new(),
        _ => format!(
            "; {} of {} addresses were tried (provision.max_addresses)",
            tried.len(),
            tried.len() + untried
        ),
    };
    match all.is_empty() {
        true => format!("no address is known{rest}"),
        false => all.join(", ") + &rest,
    }
}

/// TLS alerts about the phone's certificate: no_certificate to certificate_unknown, unknown_ca
/// (RFC 5246, 7.2), and certificate_required (RFC 8446, 6.2).
fn is_about_certificate(alert: u8) -> bool {
    matches!(alert, 41..=46 | 48 | 116)
}

impl Fault {
    /// Why there is no login: the account was shown as often as it may be.
    pub(super) const LOGINS_SPENT: &str = "the server does not take the account";

    /// The fault of an answer that is no success, with its body: nginx says in a page of its own
    /// that it does not take a certificate (measured).
    pub fn status(status: u16, body: &[u8]) -> Self {
        let page = &body[..body.len().min(2_048)];
        let names_it = page.windows(15).any(|w| w == b"SSL certificate");
        match status {
            400 | 495 | 496 if names_it => Self::CertificatePage { status },
            _ => Self::Status(status),
        }
    }

    /// The class of the answer.
    pub fn class(&self) -> Class {
        match self {
            Self::Status(404) | Self::Profile(_) => Class::B,
            _ => Class::C,
        }
    }

    /// True if nobody could be reached who might have said yes or no.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Dns { .. } | Self::Unreachable { .. } | Self::NoAnswer(_) => true,
            Self::Refused(refused) => refused
                .refusals
                .first()
                .is_some_and(Refusal::is_unreachable),
            _ => false,
        }
    }

    /// Its stable code: of a refusal the first one's.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Off { .. } => "provisioning-off",
            Self::Rule(_) | Self::Evaluation(_) => "rule-malformed",
            Self::NoServer => "server-unnamed",
            Self::Tftp | Self::Srv => "rule-not-supported",
            Self::Dns { lookup, .. } => match lookup {
                Lookup::Unavailable(_) => "dns-unavailable",
                _ => "host-unknown",
            },
            Self::Unreachable { .. } => "server-unreachable",
            Self::Refused(refused) => refused.refusals.first().map_or("refused", Refusal::code),
            Self::Alert { code, .. } if is_about_certificate(*code) => "client-certificate-refused",
            Self::Alert { .. } | Self::Tls(_) => "tls-failed",
            Self::NoAnswer(_) => "no-answer",
            Self::TooLarge { .. } => "profile-too-large",
            Self::CertificatePage { .. } => "client-certificate-refused",
            Self::Status(404) => "file-not-found",
            Self::Status(403) => "http-forbidden",
            Self::Status(_) => "http-error",
            Self::NoLocation | Self::Location(_) => "redirect-malformed",
            Self::TooManyRedirects { .. } => "too-many-redirects",
            Self::RedirectToHttp(_) => "redirect-to-http",
            Self::Login { .. } => "login-refused",
            Self::Profile(fault) => fault.code(),
        }
    }

    /// The setting of which another choice might have done without this fault, beside those of a
    /// refusal.
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { untried: 1.., .. } => Some("provision.max_addresses"),
            Self::TooManyRedirects { .. } => Some("provision.max_redirects"),
            Self::RedirectToHttp(_) => Some("provision.redirect_to_http"),
            Self::TooLarge { .. } | Self::Profile(ProfileFault::TooLarge { .. }) => {
                Some("provision.max_profile_bytes")
            }
            Self::Login { why, .. } if *why == Self::LOGINS_SPENT => Some("provision.max_logins"),
            _ => None,
        }
    }

    /// True if it rests on names that DNS is not asked for, as is assumed of phones.
    pub fn is_of_assumed_name(&self) -> bool {
        match self {
            Self::Dns { host, .. } | Self::Unreachable { host, .. } => {
                Unasked::of(host).is_some_and(Unasked::is_assumed)
            }
            Self::Refused(refused) => refused.refusals.iter().any(Refusal::is_of_assumed_name),
            _ => false,
        }
    }

    /// All reasons, the deciding one first.
    pub fn reasons(&self) -> Vec<Reason> {
        if let Self::Refused(refused) = self {
            let reason = |refusal: &Refusal| Reason {
                code: refusal.code(),
                text: refusal.to_string(),
                fix: refusal.fix(),
            };
            return refused.refusals.iter().map(reason).collect();
        }
        vec![Reason {
            code: self.code(),
            text: self.to_string(),
            fix: self.fix().to_owned(),
        }]
    }

    fn fix(&self) -> &'static str {
        const CERTIFICATE: &str = "give the phone a certificate under the root that the server \
             demands (ssl_client_certificate, SSLCACertificateFile), such as trustline provision \
             ca device makes";
        const SERVER_LOG: &str = "see the server's log for the same moment";
        match self {
            Self::Off { .. } => {
                "set it to Yes on the phone (--parameter), or see which profile has set it to No"
            }
            Self::Rule(_) | Self::Evaluation(_) => "correct the rule",
            Self::NoServer => "write the server into the rule, or let DHCP send option 66",
            Self::Tftp => "write https:// before the server",
            Self::Srv => "name the host itself, without --srv",
            Self::Dns { host, .. } | Self::Unreachable { host, .. }
                if Unasked::of(host).is_some() =>
            {
                "write another name into the rule: no resolver asks DNS for this one, so that no \
                 record helps"
            }
            Self::Dns { .. } => {
                "ask the phone's DNS server for the name with dig, and correct the record"
            }
            Self::Unreachable { untried: 1.., .. } => {
                "take dead servers out of the name's A records, or raise provision.max_addresses"
            }
            Self::Unreachable { .. } => "start the server, or correct its A records",
            // Each refusal has its own.
            Self::Refused(_) => "",
            Self::Alert { code, .. } if is_about_certificate(*code) => CERTIFICATE,
            // OpenSSL's alert where a certificate is demanded and none comes.
            Self::Alert { code: 40, .. } => {
                "give the phone its certificate, if the server demands one; else let the server \
                 speak TLS 1.2 with an ECDHE suite"
            }
            Self::Alert { .. } | Self::Tls(_) | Self::NoAnswer(_) => SERVER_LOG,
            Self::TooLarge { .. } => "shorten the profile, or raise provision.max_profile_bytes",
            Self::CertificatePage { .. } => CERTIFICATE,
            Self::Status(404) => "put the file there, or correct the path in the rule",
            Self::Status(403) => {
                "see whether the path belongs to this phone: a server may give a phone its own \
                 profile alone"
            }
            Self::Status(_) => SERVER_LOG,
            Self::NoLocation | Self::Location(_) => {
                "let the server send a Location with an https URL"
            }
            Self::TooManyRedirects { .. } => "break the server's loop of redirects",
            Self::RedirectToHttp(_) => {
                "redirect to https, or set provision.redirect_to_http to followed"
            }
            Self::Login { why, .. } if *why == Self::LOGINS_SPENT => {
                "correct the account in the rule ([--uid NAME --pwd PASSWORD]), or let the server \
                 know it"
            }
            Self::Login { .. } => "put [--uid NAME --pwd PASSWORD] before the URL of the rule",
            Self::Profile(fault) => fault.fix(),
        }
    }

    /// What `$ERR` shows: libcurl's words where it has some (inferred).
    pub fn curl_text(&self) -> String {
        match self {
            Self::Refused(refused) => refused
                .refusals
                .first()
                .map_or_else(|| self.to_string(), Refusal::curl_text),
            Self::Dns { host, .. } => format!("Could not resolve host: {host}"),
            Self::Unreachable { host, tried, .. } => {
                let port = tried.last().map_or(0, |(address, _)| address.port());
                format!("Failed to connect to {host} port {port}: Couldn't connect to server")
            }
            Self::NoAnswer(_) => "Empty reply from server".into(),
            Self::Status(status)
            | Self::CertificatePage { status }
            | Self::Login { status, .. } => {
                format!("The requested URL returned error: {status}")
            }
            Self::TooManyRedirects { limit } => format!("Maximum ({limit}) redirects followed"),
            Self::Alert { name, .. } => format!("SSL alert {name}"),
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_is_wanted_for_a_name_that_dns_is_not_asked_for() {
        let unknown = |host: &str| Fault::Dns {
            host: host.into(),
            lookup: Lookup::NoSuchName,
        };
        let unreachable = |host: &str| Fault::Unreachable {
            host: host.into(),
            tried: Vec::new(),
            untried: 0,
        };
        for (fault, is_unasked, is_assumed) in [
            (unknown("a.example"), false, false),
            (unknown("a.invalid"), true, true),
            (unknown("a.onion."), true, true),
            (unknown("a..example"), true, false),
            (unreachable("a.example"), false, false),
            (unreachable("a.localhost"), true, true),
        ] {
            let reason = fault.reasons().remove(0);
            let says = reason.text.contains("DNS is not asked for");
            let mends = reason.fix.starts_with("write another name into the rule");
            let found = (says, mends, fault.is_of_assumed_name());
            assert_eq!(found, (is_unasked, is_unasked, is_assumed), "{reason:?}");
        }
    }
}
