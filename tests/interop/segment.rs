//! A network segment of a test's own: two network namespaces, joined by a veth pair.

#![allow(
    clippy::disallowed_methods,
    reason = "real programs take real time and real files"
)]

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{self, Unavailable};

/// Set in the copy of the test that runs inside.
const INSIDE: &str = "TRUSTLINE_TEST_INSIDE";

/// The interface at either end.
pub(crate) const INTERFACE: &str = "tl0";

/// Two namespaces, gone when this goes out of scope.
pub(crate) struct Segment {
    /// Where the foreign program runs.
    pub(crate) theirs: String,
    /// Where trustline runs.
    pub(crate) ours: String,
}

impl Segment {
    /// Makes them. The interfaces are up and have no address.
    pub(crate) fn new() -> Result<Self, Unavailable> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if support::program("ip").is_none() {
            return Err(Unavailable::NotInstalled("ip"));
        }
        if !support::is_root() {
            return Err(Unavailable::NeedsRoot("ip netns"));
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |end| format!("tl{}-{number}-{end}", std::process::id());
        let segment = Self {
            theirs: name("theirs"),
            ours: name("ours"),
        };
        let (theirs, ours) = (segment.theirs.as_str(), segment.ours.as_str());
        ip(&["netns", "add", theirs])?;
        ip(&["netns", "add", ours])?;
        let pair = ["link", "add", INTERFACE, "type", "veth", "peer", "name"];
        ip(&[&["-n", theirs][..], &pair, &[INTERFACE, "netns", ours]].concat())?;
        for end in [theirs, ours] {
            ip(&["-n", end, "link", "set", "lo", "up"])?;
            ip(&["-n", end, "link", "set", INTERFACE, "up"])?;
        }
        Ok(segment)
    }

    /// Gives an end an address such as `10.99.1.1/24`.
    pub(crate) fn address(&self, end: &str, address: &str) -> Result<(), Unavailable> {
        ip(&["-n", end, "address", "add", address, "dev", INTERFACE])
    }

    /// A command that runs at an end. The process that it starts is the program itself.
    pub(crate) fn command(&self, end: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", end, program]);
        command
    }

    /// Runs the test of this name once more, at our end, with `inside` for [`inside`].
    pub(crate) fn run_inside(&self, test: &str, inside: &str) {
        let program = std::env::current_exe().unwrap();
        let mut command = self.command(&self.ours, program.to_str().unwrap());
        command
            .args([
                "--exact",
                test,
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(INSIDE, inside);
        let output = support::run(&mut command, Duration::from_secs(60)).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        for line in said.lines().filter(|l| l.starts_with("trustline ")) {
            println!("{line}");
        }
        assert!(
            output.status.success() && said.contains("1 passed"),
            "inside {}:\n{said}{}",
            self.ours,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        for end in [&self.theirs, &self.ours] {
            let _ = Command::new("ip").args(["netns", "delete", end]).output();
        }
    }
}

/// What [`Segment::run_inside`] was given, where this is the copy that it started.
pub(crate) fn inside() -> Option<String> {
    std::env::var(INSIDE).ok()
}

fn ip(arguments: &[&str]) -> Result<(), Unavailable> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| Unavailable::Failed(format!("ip: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown = arguments.join(" ");
    Err(Unavailable::Failed(format!("ip {shown}: {said}")))
}
