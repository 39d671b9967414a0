//! URLs of rules.

use std::fmt;
use std::net::Ipv6Addr;

use thiserror::Error;

/// Bytes of a URL, at most. No source gives a bound; servers commonly take no longer request line.
pub(super) const MAX_URL: usize = 2 * 1024;

/// Bytes of a host name, at most (RFC 1035 2.3.4, without the last dot).
const MAX_HOST: usize = 253;

/// How a profile is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without protection.
    Tftp,
    /// Without protection.
    Http,
    /// Over TLS, the server and the phone known by their certificates.
    Https,
}

impl Scheme {
    /// As macros and log messages write it.
    pub fn upper(self) -> &'static str {
        match self {
            Self::Tftp => "TFTP",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }

    /// As a URL writes it.
    pub fn lower(self) -> &'static str {
        match self {
            Self::Tftp => "tftp",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where a URL names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Tftp => 69,
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host and, where the URL names one, a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or an address, an IPv6 address without brackets.
    pub host: String,
    /// None: the scheme's.
    pub port: Option<u16>,
}

impl Server {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`.
    ///
    /// # Errors
    /// What is no host or no port.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let no_host = || UrlError::Host(text.to_owned());
        let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
            let (host, after) = bracketed.split_once(']').ok_or_else(no_host)?;
            host.parse::<Ipv6Addr>().map_err(|_| no_host())?;
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':').ok_or_else(no_host)?)),
            }
        } else {
            let (host, port) = match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
            if host.is_empty() || host.len() > MAX_HOST || !host.bytes().all(is_host) {
                return Err(no_host());
            }
            (host, port)
        };
        let port = match port {
            None => None,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                let port = digits.parse().ok().filter(|port| *port > 0);
                Some(port.ok_or_else(|| UrlError::Port(digits.to_owned()))?)
            }
            Some(other) => return Err(UrlError::Port(other.to_owned())),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// Where a profile is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// How it is fetched.
    pub scheme: Scheme,
    /// None: the server that DHCP option 66 names.
    pub server: Option<Server>,
    /// Begins with a slash; may have a query.
    pub path: String,
}

/// What is no URL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// A scheme that no phone speaks.
    #[error("the scheme {0:?} is none: expected tftp, http or https")]
    Scheme(String),
    /// Not a name and not an address.
    #[error("the server {0:?} is none: expected a host name or an address, and :port if any")]
    Host(String),
    /// Not a port.
    #[error("the port {0:?} is none: expected 1 to 65535")]
    Port(String),
    /// Nothing after the server.
    #[error("the URL {0:?} has no path: expected /path after the server")]
    NoPath(String),
    /// A character that a request line cannot carry.
    #[error("the path holds {0:?}, which a request cannot carry: write it as %XX")]
    Character(char),
    /// Too long.
    #[error("the URL has {0} bytes, at most {MAX_URL}")]
    TooLong(usize),
}

impl Url {
    /// Reads a URL whose macros are expanded.
    ///
    /// # Errors
    /// The first part that is none.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL {
            return Err(UrlError::TooLong(text.len()));
        }
        let (scheme, rest) = match text.split_once("://") {
            // A path may hold `://`, in a query for example.
            Some((scheme, rest)) if !scheme.contains('/') => (match_scheme(scheme)?, rest),
            _ => (Scheme::Tftp, text),
        };
        let Some(slash) = rest.find('/') else {
            return Err(UrlError::NoPath(text.to_owned()));
        };
        let (server, path) = rest.split_at(slash);
        let server = match server {
            "" => None,
            server => Some(Server::parse(server)?),
        };
        if let Some(odd) = path.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(UrlError::Character(odd));
        }
        Ok(Self {
            scheme,
            server,
            path: path.to_owned(),
        })
    }

    /// What a `Location` header means that came with the answer to this URL.
    ///
    /// # Errors
    /// The location is none that a phone can follow.
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        // A fragment is never sent.
        let location = location.trim().split('#').next().unwrap_or_default();
        let moved = |path: String| Self::parse(&path).map(|read| read.path);
        if let Some((scheme, _)) = location.split_once("://")
            && !scheme.contains(['/', '?'])
        {
            return match Self::parse(location) {
                // RFC 9110 4.2.1: an absolute URL without a path means the root.
                Err(UrlError::NoPath(_)) => Self::parse(&format!("{location}/")),
                other => other,
            };
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme.lower()));
        }
        let path = if location.starts_with('/') {
            moved(location.to_owned())?
        } else {
            let own = self.path.split('?').next().unwrap_or_default();
            let folder = match own.rfind('/') {
                Some(_) if location.is_empty() || location.starts_with('?') => own,
                Some(slash) => &own[..=slash],
                None => "/",
            };
            moved(format!("{folder}{location}"))?
        };
        Ok(Self {
            path,
            ..self.clone()
        })
    }

    /// The port: the URL's, else the scheme's.
    pub fn port(&self) -> u16 {
        let named = self.server.as_ref().and_then(|server| server.port);
        named.unwrap_or_else(|| self.scheme.default_port())
    }
}

fn match_scheme(text: &str) -> Result<Scheme, UrlError> {
    [Scheme::Tftp, Scheme::Http, Scheme::Https]
        .into_iter()
        .find(|scheme| scheme.lower().eq_ignore_ascii_case(text))
        .ok_or_else(|| UrlError::Scheme(text.to_owned()))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.lower())?;
        if let Some(server) = &self.server {
            match server.host.contains(':') {
                true => write!(f, "[{}]", server.host)?,
                false => f.write_str(&server.host)?,
            }
            if let Some(port) = server.port {
                write!(f, ":{port}")?;
            }
        }
        f.write_str(&self.path)
    }
}
