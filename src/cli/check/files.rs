//! Folders on disk, as `check` reads and records them.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::check::folder::{Files, MAX_FILE, MAX_FILES, MAX_JSON, MAX_TOTAL};
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::world::{cannot_open, put, read_up_to, shown};

/// How deep folders may lie in each other; a cluster's has three levels.
const MAX_DEPTH: usize = 8;
/// The most sentences about files that could not be read.
const MAX_SENTENCES: usize = 200;

/// What lies below a folder.
#[derive(Debug, Default)]
pub struct Found {
    /// The files.
    pub files: Files,
    /// What could not be read, in sentences.
    pub failures: Vec<String>,
}

/// Reads every file below a folder.
///
/// # Errors
/// The folder itself cannot be opened, or is none.
pub fn read_folder(dir: &Path) -> Result<Found, Failure> {
    let metadata = fs::metadata(dir).map_err(|e| cannot_open(dir, &e))?;
    if !metadata.is_dir() {
        let text = format!("{} is no folder", shown(dir));
        return Err(Failure::new(ExitCode::Unreachable, text));
    }
    let entries = entries_of(dir).map_err(|e| cannot_open(dir, &e))?;
    let mut walk = Walk::default();
    for entry in entries {
        walk.take(dir, entry, "", 1);
    }
    if walk.left_out > 0 {
        walk.found.failures.push(format!(
            "{}: {} files are not read: the limit is {MAX_FILES} files and {MAX_TOTAL} bytes; keep \
             those that a check needs",
            shown(dir),
            walk.left_out
        ));
    }
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    found: Found,
    total: usize,
    left_out: usize,
}

impl Walk {
    fn fail(&mut self, path: &Path, why: &str) {
        if self.found.failures.len() < MAX_SENTENCES {
            let text = format!("{} is not read: {why}", shown(path));
            self.found.failures.push(text);
        }
    }

    fn take(&mut self, dir: &Path, name: PathBuf, above: &str, depth: usize) {
        let path = dir.join(&name);
        let Some(name) = name.to_str() else {
            return self.fail(&path, "its name is not UTF-8");
        };
        let relative = format!("{above}{name}");
        // A pipe or a device must not even be opened.
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(e) => return self.fail(&path, &e.to_string()),
        };
        if metadata.is_dir() {
            if depth >= MAX_DEPTH {
                return self.fail(&path, "it lies too deep");
            }
            match entries_of(&path) {
                Ok(entries) if entries.is_empty() => {
                    self.found.files.insert(format!("{relative}/"), [].into());
                }
                Ok(entries) => {
                    let relative = format!("{relative}/");
                    for entry in entries {
                        self.take(&path, entry, &relative, depth + 1);
                    }
                }
                Err(e) => self.fail(&path, &e.to_string()),
            }
            return;
        }
        if !metadata.is_file() {
            return self.fail(&path, "it is neither a file nor a folder");
        }
        let limit = if relative.ends_with(".json") {
            MAX_JSON
        } else {
            MAX_FILE
        };
        let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if size > limit {
            return self.fail(&path, &format!("{size} bytes, the limit is {limit}"));
        }
        if self.found.files.len() >= MAX_FILES || self.total.saturating_add(size) > MAX_TOTAL {
            self.left_out += 1;
            return;
        }
        match read_up_to(&path, limit as u64) {
            Ok(bytes) => {
                self.total += bytes.len();
                self.found.files.insert(relative, bytes.into());
            }
            Err(e) => self.fail(&path, &e.to_string()),
        }
    }
}

/// What lies in a folder, in the order of names. A link that leads back up ends at the depth.
fn entries_of(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.push(PathBuf::from(entry?.file_name()));
        if names.len() > MAX_FILES {
            let text = format!("it holds more than {MAX_FILES} files");
            return Err(io::Error::other(text));
        }
    }
    names.sort();
    Ok(names)
}

/// Writes files into a folder, which must be new or empty.
///
/// # Errors
/// It holds something, or a file cannot be written.
pub fn write_folder(dir: &Path, files: &Files) -> Result<(), Failure> {
    let cannot = |path: &Path, e: &io::Error| {
        let text = format!("cannot write {}: {e}", shown(path));
        Failure::new(ExitCode::Unreachable, text)
    };
    fs::create_dir_all(dir).map_err(|e| cannot(dir, &e))?;
    let held = entries_of(dir).map_err(|e| cannot_open(dir, &e))?;
    if let Some(first) = held.first() {
        let text = format!(
            "{} holds something ({}), so nothing is written there; name an empty folder or a new one",
            shown(dir),
            shown(first)
        );
        return Err(Failure::new(ExitCode::Unreachable, text));
    }
    for (path, bytes) in files {
        let to = dir.join(path);
        let stays = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !stays {
            let text = format!("{} would lie outside the folder", shown(&to));
            return Err(Failure::new(ExitCode::Bug, text));
        }
        put(&to, bytes).map_err(|e| cannot(&to, &e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_written_read_and_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("new");
        let mut files = Files::new();
        files.insert("a/b.txt".into(), b"x"[..].into());
        files.insert("c.json".into(), b"{}"[..].into());
        write_folder(&dir, &files).unwrap();
        fs::create_dir_all(dir.join("stores/CallManager-trust")).unwrap();
        let found = read_folder(&dir).unwrap();
        files.insert("stores/CallManager-trust/".into(), [].into());
        assert_eq!(found.files, files);
        assert_eq!(found.failures, Vec::<String>::new());
        assert!(write_folder(&dir, &files).is_err());
        assert!(read_folder(&dir.join("c.json")).is_err());
        assert!(read_folder(&dir.join("none")).is_err());
    }

    #[test]
    fn what_would_lie_outside_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["../x", "/tmp/trustline-outside", "a/../../x"] {
            let files = Files::from([(path.to_owned(), [].into())]);
            assert!(write_folder(&dir.path().join("in"), &files).is_err());
            assert!(!dir.path().join("x").exists());
        }
    }

    #[cfg(unix)]
    #[test]
    fn loops_pipes_and_large_files_end_well() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        std::os::unix::fs::symlink(dir, dir.join("loop")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
        let large = fs::File::create(dir.join("large.tlv")).unwrap();
        large.set_len(1 << 40).unwrap();
        fs::write(dir.join("small.tlv"), b"x").unwrap();
        let found = read_folder(dir).unwrap();
        assert!(found.files.contains_key("small.tlv"));
        assert!(found.files.len() <= MAX_DEPTH);
        for name in ["large.tlv", "socket", "loop"] {
            assert!(found.failures.iter().any(|f| f.contains(name)), "{name}");
        }
    }
}
