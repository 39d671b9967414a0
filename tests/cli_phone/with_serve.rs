//! A phone against the clusters that `trustline serve` runs, before and after the certificates are
//! exchanged.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::golden::command;
use crate::lab::{said, stdout, text};

/// The clusters of the built-in migration, running.
struct Serve {
    child: Child,
    dir: tempfile::TempDir,
}

impl Serve {
    fn start(steps: &str) -> Self {
        let scenario = "scenarios/non-secure-migration.toml";
        let mut child = command(&["serve", scenario, "--steps", steps])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        std::fs::write(dir.path().join("ready.json"), line).unwrap();
        // Somebody reads the events, or the clusters wait for a reader.
        std::thread::spawn(move || out.lines().count());
        Self { child, dir }
    }

    fn phone(&self, node: &str) -> Command {
        let (flash, ready) = (
            self.dir.path().join("flash"),
            self.dir.path().join("ready.json"),
        );
        let mut args = vec!["phone", "--mac", "001122334401", "--model", "CP-8861"];
        args.extend(["--flash", text(&flash), "--lab", text(&ready)]);
        args.extend(["--pace", "fast", "--once", "--tftp", node]);
        command(&args)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.child.stdin.take() {
            let _ = stdin.write_all(b"quit\n");
        }
        let _ = self.child.wait();
    }
}

#[test]
fn a_phone_moves_once_the_certificates_are_exchanged() {
    for (steps, moves) in [("none", false), ("all", true)] {
        let serve = Serve::start(steps);
        let home = serve.phone("src-pub").output().unwrap();
        assert_eq!(home.status.code(), Some(0), "{}", said(&home));
        let away = serve.phone("dst-pub").output().unwrap();
        assert_eq!(
            away.status.code(),
            Some(i32::from(!moves)),
            "{}",
            said(&away)
        );
        let told = stdout(&away);
        let expected = match moves {
            true => "replaced after asking TVS",
            false => "[signer-unknown-to-tvs]",
        };
        assert!(told.contains(expected), "{told}");
    }
}
