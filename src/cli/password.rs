//! Passwords out of files: never on the command line, where everybody sees them.

use std::path::Path;

use super::exit_code::ExitCode;
use super::failure::Failure;
use super::world::{cannot_open, read_up_to, shown};
use crate::cluster::bulk::BulkSettings;

/// Bytes of a password.
const MAX_BYTES: u64 = 1_024;

/// The password in a file: its one line. An empty file is the empty password.
///
/// # Errors
/// The file cannot be opened, or holds more than a line.
pub fn read(path: &Path) -> Result<String, Failure> {
    let bytes = read_up_to(path, MAX_BYTES + 1).map_err(|e| cannot_open(path, &e))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_line = bytes.len() as u64 <= MAX_BYTES && !line.contains(&b'\n');
    match std::str::from_utf8(line) {
        Ok(password) if is_line => Ok(password.to_owned()),
        _ => {
            let text = format!(
                "{}: expected a password, one line of at most {MAX_BYTES} bytes in UTF-8",
                shown(path)
            );
            Err(Failure::new(ExitCode::Usage, text))
        }
    }
}

/// The passwords that PKCS#12 files are tried with: the one in the file or, without it, the default
/// of `bulk.password` and the empty one.
///
/// # Errors
/// As [`read`].
pub fn of_p12(file: Option<&Path>) -> Result<Vec<String>, Failure> {
    match file {
        Some(file) => Ok(vec![read(file)?]),
        None => Ok(vec![BulkSettings::default().password, String::new()]),
    }
}
