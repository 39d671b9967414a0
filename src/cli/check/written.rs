//! Files that a check leaves. None takes the place of anything but an earlier one of its kind.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::world::shown;

/// How a work list begins.
pub(super) const WORK_LIST: &str = "device,verdict,reason,fix,visit_by_hand";
/// How a runbook begins.
pub(super) const RUNBOOK: &str = "# Moving the phones of ";

/// Makes sure that a file may be written there: nothing is there, or an earlier file of the kind that
/// begins with `start`.
///
/// # Errors
/// Something else is there.
pub(super) fn may_write(option: &str, path: &Path, start: &str) -> Result<(), Failure> {
    let refused = |why: String| {
        let text = format!("{option} {}: {why}", shown(path));
        Failure::new(ExitCode::Unreachable, text)
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(refused(format!("cannot be looked at: {e}"))),
    };
    let is_file = file.metadata().is_ok_and(|m| m.is_file());
    let mut held = vec![0; start.len()];
    let begins = is_file && file.read_exact(&mut held).is_ok() && held == start.as_bytes();
    let is_empty = is_file && file.metadata().is_ok_and(|m| m.len() == 0);
    match begins || is_empty {
        true => Ok(()),
        false => Err(refused(
            "something else is there, and is left alone; name a new file".into(),
        )),
    }
}

/// Writes a file.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(option: &str, path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|e| {
        let text = format!("{option} {}: cannot be written: {e}", shown(path));
        Failure::new(ExitCode::Unreachable, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_file_of_the_kind_gives_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        let may = || may_write("--csv", &path, WORK_LIST);
        assert!(may().is_ok(), "nothing is there");
        for (held, expected) in [
            ("", true),
            ("device,verdict,reason,fix,visit_by_hand\r\n", true),
            ("device,model\nSEP001122334455,CP-8861\n", false),
            ("x", false),
        ] {
            fs::write(&path, held).unwrap();
            assert_eq!(may().is_ok(), expected, "{held}");
        }
        assert!(may_write("--csv", dir.path(), WORK_LIST).is_err());
    }
}
