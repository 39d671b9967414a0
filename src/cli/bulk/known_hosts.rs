//! The host keys that were seen, in the form of OpenSSH's `known_hosts`, so that a changed one is
//! noticed by the next command.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::world::{cannot_open, read_up_to, shown};
use crate::net::sftp::{HostKey, Offer, PinnedKey};

/// Bytes of the file: some hundreds of keys.
const MAX_BYTES: u64 = 1024 * 1024;
const NEW: &str = ".known_hosts.new";

/// The file.
#[derive(Debug)]
pub(super) struct KnownHosts {
    path: PathBuf,
    text: String,
}

impl KnownHosts {
    /// Reads the file; one that is not there holds nothing.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let bytes = match read_up_to(path, MAX_BYTES + 1) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(cannot_open(path, &e)),
        };
        match String::from_utf8(bytes) {
            Ok(text) if text.len() as u64 <= MAX_BYTES => Ok(Self {
                path: path.to_owned(),
                text,
            }),
            _ => {
                let text = format!(
                    "{} is not a file of known hosts: remove it, and the next connection begins \
                     a new one",
                    shown(path)
                );
                Err(Failure::new(ExitCode::Usage, text))
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The key that `host` must show to whoever makes this offer: of a type that is asked for.
    ///
    /// A server has a key of each type. While one of them can be asked for it is the one that must
    /// come, so nobody in between gets by with a key of another type.
    pub(super) fn key_of(&self, host: &str, offer: Offer) -> Result<Option<PinnedKey>, Failure> {
        let keys = self.keys_of(host)?;
        Ok(keys.into_iter().find(|key| offer.asks_for(key)))
    }

    /// All keys of `host`, one a type.
    pub(super) fn keys_of(&self, host: &str) -> Result<Vec<PinnedKey>, Failure> {
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(self.text.lines()) {
            let Some(key) = key_in(line, host) else {
                continue;
            };
            keys.push(key.parse().map_err(|e| {
                let text = format!(
                    "{}, line {number}: {e}; mend or remove the line",
                    shown(&self.path)
                );
                Failure::new(ExitCode::Usage, text)
            })?);
        }
        Ok(keys)
    }

    /// Remembers a key of `host` in place of any other of its type, on disk too.
    pub(super) fn remember(&mut self, host: &str, key: &HostKey) -> Result<(), Failure> {
        let others = self.text.lines().filter(|line| {
            key_in(line, host).is_none_or(|known| type_of(known) != type_of(&key.line))
        });
        let mut text: String = others.flat_map(|line| [line, "\n"]).collect();
        text.push_str(&format!("{host} {}\n", key.line));
        self.text = text;
        self.write().map_err(|e| {
            let text = format!("cannot write {}: {e}", shown(&self.path));
            Failure::new(ExitCode::Unreachable, text)
        })
    }

    fn write(&self) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(dir)?;
        let new = dir.join(NEW);
        fs::write(&new, &self.text)?;
        fs::rename(&new, &self.path)
    }
}

/// The key in a line, if the line is about `host`. Names that are hashed or hold wildcards, and
/// lines with a mark, are not looked at.
fn key_in<'a>(line: &'a str, host: &str) -> Option<&'a str> {
    let (hosts, key) = line.trim().split_once([' ', '\t'])?;
    let is_host = hosts.split(',').any(|h| h.eq_ignore_ascii_case(host));
    is_host.then(|| key.trim())
}

/// The type of a key's line: its first word.
fn type_of(key: &str) -> Option<&str> {
    key.split_ascii_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = include_str!("../../../testdata/sftp/host-rsa.pub");
    const LOGIN: &str = include_str!("../../../testdata/sftp/login-ed25519.pub");

    fn known(text: String) -> KnownHosts {
        KnownHosts {
            path: PathBuf::from("known_hosts"),
            text,
        }
    }

    #[test]
    fn a_host_is_found_by_each_of_its_names() {
        let hosts = known(format!(
            "# a comment\n\n|1|c2FsdA==|aGFzaA== {LOGIN}\n@revoked a {LOGIN}\na,[B]:2222 {HOST}\nc nonsense\n"
        ));
        for host in ["a", "[b]:2222"] {
            let key = hosts.key_of(host, Offer::Modern).unwrap().unwrap();
            assert_eq!(key, HOST.parse().unwrap());
        }
        assert_eq!(hosts.key_of("b", Offer::Modern).unwrap(), None);
        let error = hosts.key_of("c", Offer::Modern).unwrap_err();
        assert_eq!(error.code, ExitCode::Usage);
        assert!(error.text.contains("line 9"), "{}", error.text);
    }

    #[test]
    fn a_key_takes_the_place_of_one_of_its_type_only() {
        const OTHER: &str = include_str!("../../../testdata/sftp/login-rsa.pub");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sftp").join("known_hosts");
        let key = |line: &str| HostKey {
            fingerprint: line.parse::<PinnedKey>().unwrap().fingerprint(),
            algorithm: String::new(),
            line: line.trim().to_owned(),
        };
        let pinned = |line: &str| line.parse::<PinnedKey>().unwrap();
        let mut hosts = KnownHosts::open(&path).unwrap();
        hosts.remember("a", &key(LOGIN)).unwrap();
        hosts.remember("b", &key(LOGIN)).unwrap();
        // No ed25519 key is asked for with the other offer, so that host is a new one to it.
        assert_eq!(hosts.key_of("a", Offer::Cucm).unwrap(), None);
        hosts.remember("a", &key(OTHER)).unwrap();
        hosts.remember("a", &key(HOST)).unwrap();
        let hosts = KnownHosts::open(&path).unwrap();
        assert_eq!(hosts.text.lines().count(), 3);
        let of = |host, offer| hosts.key_of(host, offer).unwrap();
        assert_eq!(of("a", Offer::Modern), Some(pinned(LOGIN)));
        assert_eq!(of("a", Offer::Cucm), Some(pinned(HOST)));
        assert_eq!(of("b", Offer::Modern), Some(pinned(LOGIN)));
        assert!(!path.with_file_name(NEW).exists());
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(KnownHosts::open(&path).unwrap_err().code, ExitCode::Usage);
    }
}
