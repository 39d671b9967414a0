//! Files that a check leaves. None takes the place of anything but an earlier one of its kind.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::args::CheckArgs;
use super::files::write_folder;
use super::inputs::Input;
use crate::check::evidence::Sides;
use crate::check::recording;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::world::shown;

/// How a work list begins.
const WORK_LIST: &str = "device,verdict,reason,fix,visit_by_hand";
/// How a runbook begins.
const RUNBOOK: &str = "# Moving the phones of ";

/// Makes sure of all that is to be written, before anybody is asked.
///
/// # Errors
/// Something else is where one of them is to be, or two are to be in one place.
pub(super) fn may_write_all(args: &CheckArgs) -> Result<(), Failure> {
    let outputs = [
        ("--csv", &args.csv),
        ("--runbook", &args.runbook),
        ("--record", &args.record),
    ];
    apart(outputs.map(|(option, path)| (option, path.as_deref())))?;
    if let Some(path) = &args.csv {
        may_write("--csv", path, WORK_LIST)?;
    }
    if let Some(path) = &args.runbook {
        may_write("--runbook", path, RUNBOOK)?;
    }
    let Some(dir) = &args.record else {
        return Ok(());
    };
    let is_empty = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    };
    match is_empty {
        true => Ok(()),
        false => Err(Failure::new(
            ExitCode::Unreachable,
            format!(
                "--record {}: something is there, and is left alone; name a new folder or an empty one",
                shown(dir)
            ),
        )),
    }
}

/// Makes sure that no two outputs go to one place.
///
/// # Errors
/// Two do.
fn apart(outputs: [(&str, Option<&Path>); 3]) -> Result<(), Failure> {
    let named: Vec<_> = outputs
        .into_iter()
        .filter_map(|(option, path)| path.map(|path| (option, path, whole(path))))
        .collect();
    for (n, (option, path, at)) in named.iter().enumerate() {
        if let Some((other, ..)) = named[..n].iter().find(|(.., other)| other == at) {
            let text = format!(
                "{other} and {option} {}: both would be written to one place; name another for one of \
                 them",
                shown(path)
            );
            return Err(Failure::new(ExitCode::Usage, text));
        }
    }
    Ok(())
}

/// A path without what makes two of one: links and dots in the folder, and where we are.
fn whole(path: &Path) -> PathBuf {
    if let Ok(whole) = path.canonicalize() {
        return whole;
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_path_buf(),
    }
}

/// Leaves what was looked at in a folder, a folder each side.
///
/// # Errors
/// It cannot be written.
pub(super) fn record(
    dir: &Path,
    inputs: &[(&'static str, &[Input])],
    sides: &Sides,
) -> Result<(), Failure> {
    for ((which, _), side) in inputs.iter().zip(&sides.sides) {
        write_folder(&dir.join(which), &recording::write(side))?;
    }
    Ok(())
}

/// Makes sure that a file may be written there: nothing is there, or an earlier file of the kind that
/// begins with `start`.
///
/// # Errors
/// Something else is there.
fn may_write(option: &str, path: &Path, start: &str) -> Result<(), Failure> {
    let refused = |why: String| {
        let text = format!("{option} {}: {why}", shown(path));
        Failure::new(ExitCode::Unreachable, text)
    };
    let lost = |e: io::Error| refused(format!("cannot be looked at: {e}"));
    let taken = || refused("something else is there, and is left alone; name a new file".into());
    // Whoever opens a pipe waits for the one at its other end.
    match fs::metadata(path) {
        Ok(at) if at.is_file() => {}
        Ok(_) => return Err(taken()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(lost(e)),
    }
    let mut file = File::open(path).map_err(lost)?;
    let mut held = vec![0; start.len()];
    let begins = file.read_exact(&mut held).is_ok() && held == start.as_bytes();
    let is_empty = file.metadata().is_ok_and(|m| m.len() == 0);
    match begins || is_empty {
        true => Ok(()),
        false => Err(taken()),
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
    fn two_outputs_do_not_go_to_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("out"), dir.path().join("other"));
        let same = dir.path().join(".").join("out");
        let is_apart = |a: &Path, b: &Path| {
            apart([
                ("--csv", Some(a)),
                ("--runbook", Some(b)),
                ("--record", None),
            ])
            .is_ok()
        };
        for _ in 0..2 {
            assert!(!is_apart(&path, &path));
            assert!(!is_apart(&path, &same));
            assert!(is_apart(&path, &other));
            // The same once it is there.
            fs::write(&path, "").unwrap();
        }
    }

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

    /// A pipe that nobody writes to.
    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.is_ok_and(|m| m.success()), "mkfifo is not there");
        let refused = may_write("--csv", &path, WORK_LIST).unwrap_err();
        assert!(refused.text.contains("something else"), "{}", refused.text);
    }
}
