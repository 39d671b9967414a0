//! The SFTP form of the page of bulk certificate management.

use super::super::diagnostic::{Located, quote};
use super::super::model::SftpServer;
use super::Parser;
use super::read::{Problem, Section};

/// Bytes of a name in a path, as most file systems have it.
const MAX_NAME: usize = 255;
/// Names in a path, as many as the lab's own server takes.
const MAX_DEPTH: usize = 16;

impl Parser<'_, '_> {
    /// The key `sftp` of the scenario.
    pub(super) fn sftp(&mut self, root: &Section<'_>) -> Option<SftpServer> {
        let entry = root.optional("sftp")?;
        let table = entry.table(self.problems)?;
        let section = Section::new(
            self.problems,
            table,
            Some(entry.key_span),
            "`sftp`",
            &["host", "port", "user", "password", "directory", "host-key"],
        );
        Some(self.sftp_form(&section))
    }

    /// The keys of a form.
    pub(super) fn sftp_form(&mut self, s: &Section<'_>) -> SftpServer {
        let text = |this: &mut Self, key| s.optional(key).and_then(|e| e.text(this.problems));
        SftpServer {
            host: text(self, "host"),
            port: s
                .optional("port")
                .and_then(|e| e.number(self.problems, 1..=u64::from(u16::MAX)))
                .and_then(|n| Some(Located::new(u16::try_from(n.value).ok()?, n.span))),
            user: text(self, "user").map(|t| t.value),
            password: text(self, "password").map(|t| t.value),
            directory: text(self, "directory").and_then(|path| self.directory(path)),
            host_key: text(self, "host-key").filter(|key| self.fingerprint(key)),
        }
    }

    fn directory(&mut self, path: Located<String>) -> Option<String> {
        let names = || path.value.split('/').filter(|name| !name.is_empty());
        let wrong = if names().any(|n| n.contains(|c: char| c == '\\' || c.is_control())) {
            "neither a backslash nor a control character"
        } else if names().any(|n| n.len() > MAX_NAME) {
            "each name in it has at most 255 bytes"
        } else if names().count() > MAX_DEPTH {
            "at most 16 names deep"
        } else {
            return Some(path.value);
        };
        let message = format!("{} is no directory of an SFTP server", quote(&path));
        let problem = Problem::at(path.span, message).label(wrong);
        self.problems
            .add(problem.help("write it with /, as in \"/bulk\""));
        None
    }

    fn fingerprint(&mut self, key: &Located<String>) -> bool {
        let is_one = is_fingerprint(&key.value);
        if !is_one {
            let message = format!("{} is no fingerprint of a host key", quote(key));
            self.problems.add(
                Problem::at(key.span, message)
                    .label("SHA256: and 43 letters")
                    .help("`ssh-keyscan -t rsa HOST | ssh-keygen -lf -` prints it"),
            );
        }
        is_one
    }
}

/// `SHA256:` and 32 bytes in Base64 without padding.
fn is_fingerprint(text: &str) -> bool {
    let Some(letters) = text.strip_prefix("SHA256:") else {
        return false;
    };
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    // The last of 43 letters has two bits too many, which are zero.
    letters.len() == 43
        && letters.chars().all(is_letter)
        && letters.ends_with(|c| "AEIMQUYcgkosw048".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_as_ssh_keygen_prints_them() {
        let good = "SHA256:Hn/JuDPnWla+gUsSGmLCaBuJbp/u+rzSTjQPnucLWr8";
        assert!(is_fingerprint(good));
        for bad in [
            &good[..good.len() - 1],
            "SHA256:Hn/JuDPnWla+gUsSGmLCaBuJbp/u+rzSTjQPnucLWr9",
            "SHA256:Hn_JuDPnWla+gUsSGmLCaBuJbp/u+rzSTjQPnucLWr8",
            "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
            "",
        ] {
            assert!(!is_fingerprint(bad), "{bad}");
        }
    }
}
