//! A world's folder for one test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::golden::run;

pub(crate) const SCENARIO: &str = "scenarios/non-secure-migration.toml";

pub(crate) struct World {
    folder: TempDir,
    dir: PathBuf,
}

impl World {
    /// The clusters `source`, 10.5.2, and `destination`, 11.5.1.
    pub(crate) fn init() -> Self {
        let folder = TempDir::new().unwrap();
        let dir = folder.path().join("world");
        let output = run(&["bulk", "init", SCENARIO, dir.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        Self { folder, dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn path(&self) -> &str {
        self.dir.to_str().unwrap()
    }

    /// Every file and folder, folders without bytes.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut all = BTreeMap::new();
        collect(self.folder.path(), &mut all);
        all
    }
}

fn collect(dir: &Path, all: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, all);
            all.insert(path, None);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            all.insert(path, Some(bytes));
        }
    }
}
