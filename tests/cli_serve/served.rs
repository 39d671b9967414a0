//! `trustline serve` as a child process, from its ready line to its end.

#![allow(clippy::disallowed_methods, reason = "a child process takes real time")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::Runtime;
use trustline::net::tftp::get;
use trustline::tftp::{ClientConfig, Outcome};

/// What a child is given to start, to speak or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child that is ended with the test, by its handle.
pub(crate) struct Served {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
    errors: Option<thread::JoinHandle<String>>,
    /// The first line.
    pub(crate) ready: Value,
    /// Lines that were read while another was waited for.
    pub(crate) events: Vec<Value>,
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

impl Served {
    /// Starts it without a stdin and waits until it is ready.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::begin(command, Stdio::null())
    }

    /// Starts it with a stdin for orders.
    pub(crate) fn start_with_orders(command: &mut Command) -> Self {
        Self::begin(command, Stdio::piped())
    }

    fn begin(command: &mut Command, stdin: Stdio) -> Self {
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the built command starts");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let mut served = Self {
            stdin: child.stdin.take(),
            child,
            lines,
            errors: Some(errors),
            ready: Value::Null,
            events: Vec::new(),
        };
        match served.lines.recv_timeout(PATIENCE) {
            Ok(line) => served.ready = serde_json::from_str(&line).unwrap(),
            Err(_) => panic!("not ready: {:?}", served.end()),
        }
        assert_eq!(served.ready["kind"], "ready", "{}", served.ready);
        served
    }

    /// What the ready line says of a node.
    pub(crate) fn node(&self, name: &str) -> &Value {
        let nodes = self.ready["nodes"].as_array().unwrap();
        nodes.iter().find(|n| n["node"] == name).unwrap()
    }

    /// A service's address of a node.
    pub(crate) fn at(&self, node: &str, service: &str) -> SocketAddr {
        self.node(node)[service].as_str().unwrap().parse().unwrap()
    }

    /// The next line of text.
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(_) => panic!("no more lines: {:?}", self.end()),
        }
    }

    /// The next JSON line of which this is true.
    pub(crate) fn wait_for(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.line();
            let value: Value =
                serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
            self.events.push(value.clone());
            if is_it(&value) {
                return value;
            }
        }
    }

    pub(crate) fn order(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }

    /// Closes its stdin.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal, to this child alone.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// True if it goes on after a while.
    pub(crate) fn goes_on(&mut self) -> bool {
        thread::sleep(Duration::from_millis(300));
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it ends by itself.
    pub(crate) fn ended(&mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                let stderr = self.errors.take().map(|e| e.join().unwrap());
                return Ended {
                    code: status.code(),
                    stderr: stderr.unwrap_or_default(),
                };
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end");
    }

    fn end(&mut self) -> Ended {
        let _ = self.child.kill();
        self.ended()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Downloads a file with our own client.
pub(crate) fn fetch(runtime: &Runtime, server: SocketAddr, file: &str) -> Outcome {
    let download = get(file.as_bytes(), server, ClientConfig::default());
    runtime.block_on(download).unwrap()
}

/// The file's bytes.
pub(crate) fn bytes(outcome: Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Done(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}
