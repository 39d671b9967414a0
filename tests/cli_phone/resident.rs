//! A phone that stays on: orders on stdin, and signals.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Stdio};

use crate::lab::Lab;

/// A phone that waits for orders.
struct Resident {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Resident {
    fn start(lab: &Lab) -> Self {
        let mut child = lab
            .command(&["--tftp", "dst-pub", "--format", "json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Reads on to the end of the boot; its cause.
    fn booted(&mut self) -> String {
        let mut cause = String::new();
        loop {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "it has ended");
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            match event["kind"].as_str().unwrap() {
                "boot" => cause = event["cause"].as_str().unwrap().to_owned(),
                "phone-judged" => {
                    assert_eq!(event["outcome"], "follows");
                    return cause;
                }
                _ => {}
            }
        }
    }

    fn order(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(kill.unwrap().success());
    }

    fn ends(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        // A test that failed leaves none behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_boots_again_at_a_reset_and_ends_at_quit() {
    let lab = Lab::of("non-secure-migration");
    let mut phone = Resident::start(&lab);
    assert_eq!(phone.booted(), "power");
    phone.order("reset\n");
    assert_eq!(phone.booted(), "reset");
    phone.order("what?\nquit\n");
    assert_eq!(phone.child.wait().unwrap().code(), Some(0));
}

#[test]
fn it_ends_where_stdin_ends_and_not_before_its_boot_is_over() {
    let lab = Lab::of("non-secure-migration");
    let mut phone = Resident::start(&lab);
    phone.order("reset\n");
    drop(phone.child.stdin.take());
    assert_eq!(phone.booted(), "power");
    assert_eq!(phone.booted(), "reset");
    assert_eq!(phone.ends(), Some(0));
}

#[cfg(unix)]
#[test]
fn signals_reset_and_end_it() {
    let lab = Lab::of("non-secure-migration");
    for end in ["-TERM", "-INT"] {
        let mut phone = Resident::start(&lab);
        assert_eq!(phone.booted(), "power");
        phone.signal("-HUP");
        assert_eq!(phone.booted(), "reset");
        phone.signal(end);
        assert_eq!(phone.child.wait().unwrap().code(), Some(0), "{end}");
    }
}

/// A boot that is cut short has not shown that the phone follows.
#[cfg(unix)]
#[test]
fn a_signal_ends_a_boot_on_its_way() {
    let lab = Lab::of("non-secure-migration");
    let mute = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = mute.local_addr().unwrap().to_string();
    let mut child = lab
        .command(&["--tftp", &at, "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let phone = Resident { child, out };
    // It has asked, so it is on its way.
    mute.recv_from(&mut [0; 600]).unwrap();
    phone.signal("-TERM");
    assert_eq!(phone.ends(), Some(1));
}
