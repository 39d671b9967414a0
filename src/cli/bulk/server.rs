//! Where the SFTP server is: `sftp://USER@HOST[:PORT]/DIRECTORY`.

use std::fmt;
use std::str::FromStr;

/// SSH's own port.
const PORT: u16 = 22;
const FORM: &str = "expected sftp://USER@HOST[:PORT]/DIRECTORY";

/// A server, a user and a directory: what stands in the form of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The account.
    pub user: String,
    /// A name or an address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// As the server knows it; without a leading `/` it lies in the account's home, and empty it is
    /// the home.
    pub directory: String,
}

impl Server {
    /// The host as `known_hosts` names it: with its port, unless that is SSH's own.
    pub fn host_name(&self) -> String {
        match self.port {
            PORT => self.host.clone(),
            port => format!("[{}]:{port}", self.host),
        }
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("sftp://").ok_or(FORM)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (user, place) = authority.rsplit_once('@').ok_or(FORM)?;
        if user.contains(':') {
            return Err(
                "a password does not belong here, where others see it: use --password-file \
                 or TRUSTLINE_SFTP_PASSWORD"
                    .into(),
            );
        }
        let (host, port) = match place.strip_prefix('[') {
            Some(place) => {
                let (host, port) = place.split_once(']').ok_or(FORM)?;
                (host, port)
            }
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => PORT,
            None => return Err(FORM.into()),
            Some(number) => match number.parse() {
                Ok(number) if number > 0 => number,
                _ => return Err(format!("{number:?} is no port, expected 1 to 65535")),
            },
        };
        let (user, path) = (decoded(user)?, decoded(path)?);
        let is_plain = |part: &str| !part.chars().any(char::is_control);
        let is_host = |c: char| !c.is_whitespace() && !c.is_control() && !"*?!,".contains(c);
        if user.is_empty() || host.is_empty() || !host.chars().all(is_host) {
            return Err(FORM.into());
        }
        if !is_plain(&user) || !is_plain(&path) {
            return Err("control characters have no place in it".into());
        }
        let directory = match path.strip_prefix("/~") {
            Some("") => String::new(),
            Some(below) if below.starts_with('/') => below.trim_start_matches('/').to_owned(),
            _ => path,
        };
        Ok(Self {
            user,
            host: host.to_owned(),
            port,
            directory,
        })
    }
}

/// In its form again.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            host,
            port,
            directory,
        } = self;
        let (open, close) = if host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        write!(f, "sftp://{user}@{open}{host}{close}")?;
        if *port != PORT {
            write!(f, ":{port}")?;
        }
        match directory.as_str() {
            "" => Ok(()),
            absolute if absolute.starts_with('/') => f.write_str(absolute),
            relative => write!(f, "/~/{relative}"),
        }
    }
}

/// `%41` is `A`, as in every URL.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?}: expected two hex digits after each %, and UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = after.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let is_hex = |d: &&str| d.bytes().all(|b| b.is_ascii_hexdigit());
        let digits = digits.filter(is_hex).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> (String, String, u16, String) {
        let s: Server = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        (s.user, s.host, s.port, s.directory)
    }

    #[test]
    fn addresses_are_read_and_written_back() {
        let of = |user: &str, host: &str, port, directory: &str| {
            (user.to_owned(), host.to_owned(), port, directory.to_owned())
        };
        for (text, expected) in [
            ("sftp://bulk@host/bulk", of("bulk", "host", 22, "/bulk")),
            ("sftp://bulk@host", of("bulk", "host", 22, "")),
            ("sftp://bulk@host/", of("bulk", "host", 22, "/")),
            (
                "sftp://a@10.0.0.5:2222/~/x/y",
                of("a", "10.0.0.5", 2222, "x/y"),
            ),
            ("sftp://a@[::1]:2222/b", of("a", "::1", 2222, "/b")),
            ("sftp://a@[fe80::1]/b", of("a", "fe80::1", 22, "/b")),
            ("sftp://a@h/~tilde", of("a", "h", 22, "/~tilde")),
        ] {
            assert_eq!(server(text), expected);
            assert_eq!(text.parse::<Server>().unwrap().to_string(), text);
        }
        for home in ["sftp://a@h/~", "sftp://a@h/~/"] {
            assert_eq!(server(home), of("a", "h", 22, ""));
        }
        let at = server("sftp://a%40b@h/x%20y");
        assert_eq!(at, of("a@b", "h", 22, "/x y"));
    }

    #[test]
    fn what_is_no_address_is_explained() {
        for (text, expected) in [
            ("", FORM),
            ("http://a@h/x", FORM),
            ("sftp://h/x", FORM),
            ("sftp://@h/x", FORM),
            ("sftp://a@/x", FORM),
            ("sftp://a@[::1/x", FORM),
            ("sftp://a@[::1]22/x", FORM),
            ("sftp://a@h,i/x", FORM),
            ("sftp://a@h:0/x", "is no port"),
            ("sftp://a@h:65536/x", "is no port"),
            ("sftp://a@h:/x", "is no port"),
            ("sftp://a:secret@h/x", "--password-file"),
            ("sftp://a@h/%4", "two hex digits"),
            ("sftp://a@h/%+4", "two hex digits"),
            ("sftp://a@h/%ff", "UTF-8"),
            ("sftp://a@h/%0a", "control characters"),
        ] {
            let error = text.parse::<Server>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn known_hosts_name_the_port_where_it_is_another() {
        let name = |text: &str| text.parse::<Server>().unwrap().host_name();
        assert_eq!(name("sftp://a@h/x"), "h");
        assert_eq!(name("sftp://a@[::1]:2222/x"), "[::1]:2222");
    }
}
