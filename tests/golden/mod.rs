//! Golden tests: what the command prints, on both streams, and its exit code, compared with a file
//! beside this one. `TRUSTLINE_BLESS=1 cargo test` writes the files anew.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The folder of the crate; commands run in it, so that names are short and the same everywhere.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The command, away from the terminal and from the user's wishes.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustline"));
    command
        .args(args)
        .current_dir(ROOT)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null());
    command
}

/// Runs the command to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    command(args).output().expect("the built command starts")
}

/// One golden case. Arguments stand as on a command line, without quotes.
#[allow(dead_code, reason = "not every test file has cases of one command")]
pub(crate) fn check(name: &str, line: &str) {
    let args: Vec<_> = line.split_whitespace().collect();
    compare(name, &transcript(line, &run(&args)));
}

/// What a command printed, and its exit code.
pub(crate) fn transcript(line: &str, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the output is UTF-8");
    format!(
        "$ trustline {line}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().map_or(-1, i64::from),
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// Compares with a golden file, or writes it.
pub(crate) fn compare(name: &str, actual: &str) {
    let path: PathBuf = [ROOT, "tests", "golden", &format!("{name}.txt")]
        .iter()
        .collect();
    if std::env::var_os("TRUSTLINE_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&path, actual).expect("the golden file is written");
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; TRUSTLINE_BLESS=1 writes it", path.display()));
    if let Some((n, (a, b))) = actual
        .lines()
        .zip(expected.lines())
        .enumerate()
        .find(|(_, (a, b))| a != b)
    {
        panic!(
            "{}:{}\n  golden {b}\n  actual {a}\nTRUSTLINE_BLESS=1 writes it anew",
            path.display(),
            n + 1
        );
    }
    assert_eq!(
        actual.lines().count(),
        expected.lines().count(),
        "{}: one is the other's beginning",
        path.display()
    );
}
