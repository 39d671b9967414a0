//! The sample folders of the repository, and the command on them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use trustline::cli::check::files::read_folder;

use crate::{ROOT, migration};

/// Two clusters as an engineer puts them into folders, for trying the command out. Made anew with
/// `TRUSTLINE_BLESS=1`.
#[test]
fn the_sample_folders_are_what_this_lab_makes() {
    let (folders, _) = migration();
    let sample = Path::new(ROOT).join("testdata/check");
    for (name, (_, mut files)) in ["old", "new"].into_iter().zip(folders) {
        // Two phones are enough for a sample.
        let others = ["/ITLSEP", "34403.", "34404.", "34405."];
        files.retain(|path, _| !others.iter().any(|o| path.contains(o)));
        let dir = sample.join(name);
        if std::env::var_os("TRUSTLINE_BLESS").is_some() {
            if dir.exists() {
                fs::remove_dir_all(&dir).unwrap();
            }
            trustline::cli::check::files::write_folder(&dir, &files).unwrap();
        }
        let found = read_folder(&dir).unwrap();
        assert_eq!(
            found.files, files,
            "{name}: renew it with TRUSTLINE_BLESS=1"
        );
    }
}

#[test]
fn the_command_reads_the_sample_folders() {
    let check = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_trustline"))
            .args(["check", "--date", "2020-03-01T10:00:00Z"])
            .args(["--from", "testdata/check/old", "--to", "testdata/check/new"])
            .args(args)
            .current_dir(ROOT)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let output = check(&["--phones", "testdata/check/phones.csv"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let noted = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("follows through TVS"), "{said}{noted}");
    // One phone of the inventory holds a list that nobody has.
    assert!(
        said.contains("holds a list that no input has"),
        "{said}{noted}"
    );
    assert_eq!(output.status.code(), Some(3), "{said}{noted}");
    let output = check(&[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let noted = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{noted}");
    assert!(
        said.contains("src-pub") && said.contains("follows through TVS"),
        "{said}"
    );
}
