//! What happens, for people.

use std::fmt;

use super::Happening;

impl Happening {
    /// Its kind in one word, for columns and programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started(_) => "resync",
            Self::Syslog(..) => "syslog",
            Self::RuleSkipped { .. } => "skipped",
            Self::BadTrigger(_) => "trigger",
            Self::Resolved { .. } => "dns",
            Self::NoConnection { .. } => "connection",
            Self::Trusted { .. } => "certificate",
            Self::Requested { .. } => "request",
            Self::Answered { .. } => "answer",
            Self::Redirected(_) => "redirect",
            Self::LogsIn(_) => "login",
            Self::MissingFileAccepted | Self::Applied { .. } => "profile",
        }
    }
}

/// One line. Servers, rules and profiles have their say in it: escape it for a terminal.
impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(cause) => f.write_str(cause.text()),
            Self::Syslog(_, text) | Self::BadTrigger(text) => f.write_str(text),
            Self::RuleSkipped { rule, why } => write!(f, "{rule}: {why}"),
            Self::Resolved {
                host,
                addresses,
                all,
            } => {
                let first: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                write!(f, "{host} is at {}", first.join(", "))?;
                match all - addresses.len() {
                    0 => Ok(()),
                    more => write!(f, ", and {more} more, which are not tried"),
                }
            }
            Self::NoConnection { address, why } => write!(f, "{address} does not answer: {why}"),
            Self::Trusted {
                name,
                address,
                in_dns: true,
            } => write!(f, "taken for {name}; DNS has {} for it", address.ip()),
            Self::Trusted { name, .. } => write!(f, "taken for {name}; DNS was not asked"),
            Self::Requested { url, address } => write!(f, "{url} at {address}"),
            Self::Answered { status, bytes } => write!(f, "{status}, {bytes} bytes"),
            Self::Redirected(to) => write!(f, "to {to}"),
            Self::LogsIn(how) => write!(f, "tried with {how}"),
            Self::MissingFileAccepted => {
                f.write_str("not there, which counts as a success: Resync_Fails_On_FNF is off")
            }
            Self::Applied {
                parameters,
                changed,
                unwrapped,
            } => {
                write!(f, "{parameters} parameters, {changed} of them new")?;
                match unwrapped.is_empty() {
                    true => Ok(()),
                    false => write!(f, " ({})", unwrapped.join("; ")),
                }
            }
        }
    }
}
