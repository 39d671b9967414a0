//! Which scenarios the arguments mean, read and checked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::args::RehearseArgs;
use crate::cli::exit_code::ExitCode;
use crate::cli::output::Output;
use crate::scenario::{self, Diagnostic, Rules, Scenario};

/// A scenario file, read.
#[derive(Debug)]
pub(super) struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
    /// What that means, with what the arguments change.
    pub scenario: Scenario,
}

/// A path that gave no scenario.
#[derive(Debug)]
pub(super) struct Broken {
    /// Where.
    pub path: PathBuf,
    /// Malformed, or not to be opened.
    pub code: ExitCode,
    /// Why, as stderr has it.
    pub text: String,
}

/// What one path came to.
#[derive(Debug)]
pub(super) enum Entry {
    /// A scenario.
    Ready(Box<File>),
    /// None.
    Broken(Broken),
}

impl Entry {
    fn path(&self) -> &Path {
        match self {
            Self::Ready(f) => &f.path,
            Self::Broken(b) => &b.path,
        }
    }

    /// The text stands in the path or in the scenario's name, whatever the case of its letters.
    fn matches(&self, filter: &str) -> bool {
        let has = |s: &str| s.to_lowercase().contains(&filter.to_lowercase());
        has(&self.path().to_string_lossy())
            || matches!(self, Self::Ready(f) if has(&f.scenario.name.value))
    }
}

/// The scenarios of a run.
#[derive(Debug)]
pub(super) struct Selection {
    /// In the order of the arguments, a folder's in the order of their names.
    pub entries: Vec<Entry>,
    /// True if a folder or several files were named.
    pub is_suite: bool,
}

/// Finds, reads and filters the scenarios, and tells what is wrong with them.
///
/// # Errors
/// The exit code, where nothing is left to do. It was told why.
pub(super) fn select(args: &RehearseArgs, output: &Output) -> Result<Selection, ExitCode> {
    let mut entries = Vec::new();
    let mut is_suite = args.paths.len() > 1;
    for path in &args.paths {
        match files_of(path) {
            Ok((inside, is_folder)) => {
                is_suite |= is_folder;
                entries.extend(inside.into_iter().map(|p| read(p, args)));
            }
            Err(e) => entries.push(Entry::Broken(cannot_open(path.clone(), &e))),
        }
    }
    if entries.is_empty() {
        output.error("no scenario there: the folder holds no .toml file, nor does one in it");
        return Err(ExitCode::Usage);
    }
    if let Some(filter) = &args.filter {
        let (chosen, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|e| e.matches(filter));
        if chosen.is_empty() {
            let there: Vec<_> = others.iter().map(described).collect();
            output.error(&format!(
                "no path and no name of a scenario holds \"{filter}\"; there are\n  {}",
                there.join("\n  ")
            ));
            return Err(ExitCode::Usage);
        }
        entries = chosen;
    }
    for e in &entries {
        match e {
            Entry::Broken(b) if b.code == ExitCode::Unreachable => output.error(&b.text),
            // A diagnostic says itself that it is an error.
            Entry::Broken(b) => output.note(&b.text),
            Entry::Ready(_) => {}
        }
    }
    Ok(Selection { entries, is_suite })
}

fn described(e: &Entry) -> String {
    let path = e.path().display();
    match e {
        Entry::Ready(f) => format!("{path}: {}", f.scenario.name.value),
        Entry::Broken(_) => format!("{path} (cannot be read)"),
    }
}

/// Folders within each other that are looked through, at most.
const MAX_DEPTH: usize = 8;

/// What a world that was kept has beside its scenario: it is a result, and no scenario of a suite.
const KEPT: &str = "events.jsonl";

/// The file itself, or the scenario files of a folder and of those in it, each folder's own first,
/// in the order of their names; and whether it is a folder.
fn files_of(path: &Path) -> io::Result<(Vec<PathBuf>, bool)> {
    if !fs::metadata(path)?.is_dir() {
        return Ok((vec![path.to_owned()], false));
    }
    let mut inside = Vec::new();
    look_into(path, MAX_DEPTH, &mut inside)?;
    Ok((inside, true))
}

fn look_into(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // A link to a folder is not followed: it may lead back.
        if entry.file_type()?.is_dir() {
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if !is_hidden && !path.join(KEPT).exists() {
                folders.push(path);
            }
        } else if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    files.sort();
    folders.sort();
    found.append(&mut files);
    if depth > 1 {
        for folder in folders {
            look_into(&folder, depth - 1, found)?;
        }
    }
    Ok(())
}

fn read(path: PathBuf, args: &RehearseArgs) -> Entry {
    let bytes = match read_bounded(&path) {
        Ok(bytes) => bytes,
        Err(e) => return Entry::Broken(cannot_open(path, &e)),
    };
    match understand(&path.display().to_string(), &bytes, args) {
        Ok((text, scenario)) => Entry::Ready(Box::new(File {
            path,
            text,
            scenario,
        })),
        Err(errors) => {
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            Entry::Broken(Broken {
                path,
                code: ExitCode::Usage,
                text: lines.join("\n"),
            })
        }
    }
}

fn understand(
    name: &str,
    bytes: &[u8],
    args: &RehearseArgs,
) -> Result<(String, Scenario), Vec<Diagnostic>> {
    let text = scenario::parse::decode(name, bytes).map_err(|e| vec![e])?;
    let mut parsed = scenario::parse(name, text, &Rules)?;
    let seed = args.seed.map(|s| s.to_string());
    let sets: Vec<_> = args
        .set
        .iter()
        .map(|s| format!("{}={}", s.rule.name, s.rule.text_of(s.value)))
        .collect();
    scenario::settings::apply_overrides(&mut parsed, seed.as_deref(), &sets, &Rules)?;
    Ok((text.to_owned(), parsed))
}

/// The file, or so much of it that the reader of scenarios sees that it is too large.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read;

    let mut bytes = Vec::new();
    let limit = scenario::parse::MAX_TEXT as u64 + 1;
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cannot_open(path: PathBuf, error: &io::Error) -> Broken {
    let text = format!("cannot open {}: {error}", path.display());
    Broken {
        path,
        code: ExitCode::Unreachable,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_looked_through_and_results_are_not() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "b.toml",
            "a.toml",
            "notes.txt",
            "phones/c.toml",
            "phones/more/d.toml",
            "kept/scenario.toml",
            "kept/events.jsonl",
            ".hidden/e.toml",
            "odd.toml/f.toml",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let (found, is_folder) = files_of(dir.path()).unwrap();
        assert!(is_folder);
        let found: Vec<_> = found
            .iter()
            .map(|p| p.strip_prefix(dir.path()).unwrap().to_str().unwrap())
            .collect();
        let expected = [
            "a.toml",
            "b.toml",
            "odd.toml/f.toml",
            "phones/c.toml",
            "phones/more/d.toml",
        ];
        assert_eq!(found, expected);
        // The folder itself may be a kept world.
        let (kept, _) = files_of(&dir.path().join("kept")).unwrap();
        assert_eq!(kept.len(), 1);
        let file = dir.path().join("a.toml");
        assert_eq!(files_of(&file).unwrap(), (vec![file], false));
    }
}
