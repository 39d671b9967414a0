//! `trustline phone --dhcp` against dnsmasq, which gives leases and serves files, each test on a
//! segment of its own.

#![allow(
    clippy::disallowed_methods,
    reason = "real programs take real time and real files"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::phone_lab::{Lab, said, stderr, stdout};
use crate::segment::{INTERFACE, Segment};
use crate::support::{self, Running, Unavailable};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(90);

/// Addresses of their end, each of which serves files.
const FIRST: &str = "10.99.1.1";
const SECOND: &str = "10.99.1.3";
/// Nobody has this one.
const DEAD: &str = "10.99.1.9";

/// Dead servers are given up soon.
const QUICK: [&str; 4] = ["--set", "tftp.retries=0", "--set", "tftp.timeout_ms=200"];

/// A segment, and the files of a node.
struct Bench {
    segment: Segment,
    folder: TempDir,
}

impl Bench {
    /// None, and a line that says so, if this needs root.
    fn new() -> Option<Self> {
        let segment = match Segment::new() {
            Ok(segment) => segment,
            Err(Unavailable::NeedsRoot(name)) => {
                println!("skipped: needs root: {name}");
                return None;
            }
            Err(other) => panic!("{other}"),
        };
        for address in [FIRST, SECOND] {
            let address = format!("{address}/24");
            segment.address(&segment.theirs, &address).unwrap();
        }
        segment.address(&segment.ours, "10.99.1.50/24").unwrap();
        let folder = TempDir::new().unwrap();
        let bench = Self { segment, folder };
        bench.put_files();
        Some(bench)
    }

    /// What the destination of a migration serves.
    fn put_files(&self) {
        let root = self.root();
        fs::create_dir(&root).unwrap();
        for dir in [self.folder.path(), &root] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let lab = Lab::of("non-secure-migration");
        let mut clusters = lab.rehearsed.lab();
        for (name, bytes) in clusters.cluster_mut(1).unwrap().published("dst-pub") {
            fs::write(root.join(name), bytes).unwrap();
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("tftp")
    }

    fn flash(&self) -> PathBuf {
        self.folder.path().join("flash")
    }

    /// The file with the DHCP options, which dnsmasq reads again at SIGHUP.
    fn options(&self) -> PathBuf {
        self.folder.path().join("options")
    }

    fn set_options(&self, options: &[&str]) {
        fs::write(self.options(), options.join("\n") + "\n").unwrap();
    }

    /// Serves files, and gives leases with what [`Self::set_options`] says where `leases`.
    fn dnsmasq(&self, leases: bool) -> Running {
        let program =
            support::program("dnsmasq").expect("dnsmasq is not installed: run .ci/packages");
        let mut command = self
            .segment
            .command(&self.segment.theirs, program.to_str().unwrap());
        command
            .args(["--keep-in-foreground", "--conf-file=/dev/null"])
            .args(["--pid-file=", "--port=0", "--user=root"])
            .args(["--log-facility=-", "--bind-interfaces"])
            .arg(format!("--interface={INTERFACE}"))
            .arg("--enable-tftp")
            .arg(format!("--tftp-root={}", self.root().display()));
        if leases {
            let file = self.folder.path().join("leases");
            command
                .args(["--no-ping", "--dhcp-authoritative"])
                .arg("--dhcp-range=10.99.1.100,10.99.1.110,255.255.255.0,2m")
                .arg(format!("--dhcp-optsfile={}", self.options().display()))
                .arg(format!("--dhcp-leasefile={}", file.display()));
        }
        Running::start(&mut command).unwrap()
    }

    fn phone(&self, args: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_trustline");
        let mut command = self.segment.command(&self.segment.ours, program);
        command
            .args(["phone", "--mac", "001122334401", "--model", "CP-8861"])
            .args(["--format", "json", "--flash"])
            .arg(self.flash())
            .args(args);
        command
    }

    /// One boot on the segment.
    fn boot(&self, args: &[&str]) -> Output {
        let mut command = self.phone(args);
        command.args(["--dhcp", INTERFACE, "--once"]).args(QUICK);
        let output = support::run(&mut command, LIMIT).unwrap();
        println!("{:?} {}", output.status, stderr(&output));
        output
    }

    /// The servers that flash has from the last lease.
    fn stored(&self) -> Value {
        let notes = fs::read(self.flash().join("state.json")).unwrap();
        let notes: Value = serde_json::from_slice(&notes).unwrap();
        notes["lease"]["servers"].clone()
    }
}

fn events(output: &Output) -> Vec<Value> {
    let text = stdout(output);
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What a boot chose: the servers, where they were named, and when they count.
fn chosen(events: &[Value]) -> (Value, String, String) {
    let event = events.iter().find(|e| e["kind"] == "servers-chosen");
    let event = event.expect("it chose no servers");
    let text = |key: &str| event[key].as_str().unwrap().to_owned();
    (event["servers"].clone(), text("source"), text("used"))
}

/// The servers that files came from.
fn fetched_from(events: &[Value]) -> Vec<String> {
    let all = events.iter().filter(|e| e["kind"] == "downloaded");
    let mut all: Vec<_> = all
        .map(|e| e["server"].as_str().unwrap().to_owned())
        .collect();
    all.dedup();
    all
}

fn list(servers: &[&str]) -> Value {
    servers.to_vec().into()
}

#[test]
#[ignore = "needs root and dnsmasq"]
fn both_servers_of_option_150_are_asked_and_a_changed_option_counts_at_the_next_start() {
    let Some(bench) = Bench::new() else { return };
    bench.set_options(&[&format!("150,{DEAD},{FIRST}"), "66,nowhere.lab"]);
    let server = bench.dnsmasq(true);
    let output = bench.boot(&[]);
    assert_eq!(output.status.code(), Some(0));
    let told = events(&output);
    let lease = told.iter().find(|e| e["kind"] == "lease-taken").unwrap();
    assert_eq!(lease["server"], FIRST);
    assert_eq!(lease["option_150"], list(&[DEAD, FIRST]));
    assert_eq!(lease["option_66"], "nowhere.lab");
    let both = list(&[DEAD, FIRST]);
    assert_eq!(chosen(&told), (both, "option 150".into(), "now".into()));
    let dead = |e: &&Value| e["kind"] == "download-failed" && e["server"] == DEAD;
    assert_eq!(
        told.iter().filter(dead).count(),
        1,
        "it stays with the one that answers"
    );
    assert_eq!(fetched_from(&told), [FIRST]);
    assert!(bench.flash().join("ITLFile.tlv").is_file());
    assert_eq!(bench.stored(), list(&[DEAD, FIRST]));
    drop(server);

    bench.set_options(&[&format!("150,{SECOND}")]);
    let _server = bench.dnsmasq(true);
    let output = bench.boot(&[]);
    assert_eq!(output.status.code(), Some(0));
    let told = events(&output);
    assert_eq!(fetched_from(&told), [SECOND]);
    assert_eq!(bench.stored(), list(&[SECOND]));
}

#[test]
#[ignore = "needs root and dnsmasq"]
fn option_66_alone_names_the_server_by_address_or_by_name() {
    let Some(bench) = Bench::new() else { return };
    // `ip netns exec` puts what is in this folder in the place of /etc.
    let etc = Etc::of(&bench.segment.ours);
    fs::write(etc.0.join("hosts"), format!("{SECOND} tftp.lab\n")).unwrap();
    for (option, server) in [(FIRST, FIRST), ("tftp.lab", SECOND)] {
        bench.set_options(&[&format!("66,{option}")]);
        let _server = bench.dnsmasq(true);
        let output = bench.boot(&[]);
        assert_eq!(output.status.code(), Some(0), "{option}");
        let told = events(&output);
        let expected = (list(&[server]), "option 66".into(), "now".into());
        assert_eq!(chosen(&told), expected);
        assert_eq!(fetched_from(&told), [server]);
    }
    bench.set_options(&["66,other.lab"]);
    let _server = bench.dnsmasq(true);
    let output = bench.boot(&[]);
    let told = events(&output);
    let failed = told.iter().find(|e| e["kind"] == "dhcp-failed").unwrap();
    let text = "option 66 names other.lab, which has no address";
    assert_eq!(failed["text"], text);
    let last = (list(&[SECOND]), "last time".into(), "now".into());
    assert_eq!(chosen(&told), last);
}

#[test]
#[ignore = "needs root and dnsmasq"]
fn servers_set_by_hand_win_over_those_of_the_lease() {
    let Some(bench) = Bench::new() else { return };
    bench.set_options(&[&format!("150,{FIRST}")]);
    let _server = bench.dnsmasq(true);
    let output = bench.boot(&["--tftp", SECOND]);
    assert_eq!(output.status.code(), Some(0));
    let told = events(&output);
    let by_hand = (list(&[SECOND]), "by hand".into(), "now".into());
    assert_eq!(chosen(&told), by_hand);
    assert_eq!(fetched_from(&told), [SECOND]);
    assert_eq!(bench.stored(), list(&[FIRST]), "of the lease");
}

#[test]
#[ignore = "needs root and dnsmasq"]
fn a_renewal_stores_a_changed_option_150_for_the_next_start() {
    let Some(bench) = Bench::new() else { return };
    bench.set_options(&[&format!("150,{FIRST}")]);
    let server = bench.dnsmasq(true);
    let mut phone = Resident::start(&bench, &[]);
    phone.judged();
    phone.order("renew\n");
    assert_eq!(phone.next("lease-renewed")["option_150"], list(&[FIRST]));
    assert_eq!(phone.next("servers-chosen")["used"], "unchanged");
    bench.set_options(&[&format!("150,{SECOND}")]);
    server.signal("-HUP");
    let changed = loop {
        // dnsmasq reads the file a moment after the signal.
        let event = phone.renewed();
        if event["used"] != "unchanged" {
            break event;
        }
    };
    assert_eq!(changed["used"], "at the next start");
    assert_eq!(changed["servers"], list(&[SECOND]));
    // It was stored before the next renewal.
    assert_eq!(phone.renewed()["used"], "unchanged");
    assert_eq!(bench.stored(), list(&[SECOND]));
    // Nobody gives leases any more, and the phone starts all the same.
    drop(server);
    let _server = bench.dnsmasq(false);
    phone.order("reset\n");
    assert_eq!(phone.next("boot")["cause"], "reset");
    let by_then = phone.judged();
    let last = (list(&[SECOND]), "last time".into(), "now".into());
    assert_eq!(chosen(&by_then), last);
    assert_eq!(fetched_from(&by_then), [SECOND]);
    assert_eq!(phone.quit(), Some(0));
}

#[test]
#[ignore = "needs root and dnsmasq"]
fn a_renewal_restarts_a_phone_that_acts_at_once() {
    let Some(bench) = Bench::new() else { return };
    bench.set_options(&[&format!("150,{FIRST}")]);
    let server = bench.dnsmasq(true);
    let mut phone = Resident::start(&bench, &["--set", "dhcp.act_at_once=yes"]);
    phone.judged();
    bench.set_options(&[&format!("150,{SECOND}")]);
    server.signal("-HUP");
    // T1 of dnsmasq's shortest lease comes after a minute.
    assert_eq!(phone.next("servers-chosen")["used"], "restart");
    assert_eq!(phone.next("boot")["cause"], "restart");
    assert_eq!(fetched_from(&phone.judged()), [SECOND]);
    assert_eq!(phone.quit(), Some(0));
}

#[test]
#[ignore = "needs root"]
fn what_is_in_the_way_of_a_lease_is_said() {
    let Some(bench) = Bench::new() else { return };
    let quick = ["--pace", "fast", "--set", "dhcp.tries=1"];
    let output = bench.boot(&quick);
    assert_eq!(output.status.code(), Some(3));
    let told = events(&output);
    let judged = told.last().unwrap();
    assert_eq!(judged["outcome"], "no-server");
    assert_eq!(judged["reasons"][0]["code"], "no-lease");
    assert_eq!(judged["reasons"][0]["text"], "no DHCP server answers");
    assert!(judged["fix"].as_str().unwrap().contains("option 150"));

    let mut command = bench.phone(&["--dhcp", "eth9", "--once"]);
    let output = support::run(&mut command, LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = format!("there is no interface eth9: there are lo and {INTERFACE}");
    assert!(stderr(&output).contains(&text), "{}", said(&output));

    let setpriv = support::program("setpriv").expect("setpriv is in util-linux");
    let mut command = bench
        .segment
        .command(&bench.segment.ours, setpriv.to_str().unwrap());
    let flash = TempDir::new().unwrap();
    fs::set_permissions(flash.path(), fs::Permissions::from_mode(0o777)).unwrap();
    command
        .args(["--bounding-set", "-all", "--inh-caps", "-all"])
        .args(["--reuid", "65534", "--clear-groups"])
        .arg(env!("CARGO_BIN_EXE_trustline"))
        .args(["phone", "--mac", "001122334401", "--model", "CP-8861"])
        .arg("--flash")
        .arg(flash.path().join("flash"))
        .args(["--dhcp", INTERFACE, "--once"]);
    let output = support::run(&mut command, LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let text = stderr(&output);
    assert!(text.contains("needs rights for port 68"), "{text}");
    assert!(text.contains("sudo setcap cap_net_bind_service"), "{text}");
}

/// Files that stand in for those of /etc in a network namespace; gone with this.
struct Etc(PathBuf);

impl Etc {
    fn of(namespace: &str) -> Self {
        let folder = Path::new("/etc/netns").join(namespace);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Etc {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        // Another test may have its own in there.
        let _ = fs::remove_dir("/etc/netns");
    }
}

/// A phone that stays on.
struct Resident {
    child: Child,
    told: mpsc::Receiver<Value>,
}

impl Resident {
    fn start(bench: &Bench, args: &[&str]) -> Self {
        let mut command = bench.phone(args);
        let mut child = command
            .args(["--dhcp", INTERFACE, "--pace", "fast"])
            .args(QUICK)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines() {
                let event = serde_json::from_str(&line.unwrap()).unwrap();
                if tell.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, told }
    }

    /// The next event of a kind.
    fn next(&mut self, kind: &str) -> Value {
        self.until(kind).pop().unwrap()
    }

    /// What comes of a renewal that it is told to make.
    fn renewed(&mut self) -> Value {
        self.order("renew\n");
        self.next("servers-chosen")
    }

    /// All to the end of a boot in which it follows.
    fn judged(&mut self) -> Vec<Value> {
        let all = self.until("phone-judged");
        assert_eq!(all.last().unwrap()["outcome"], "follows");
        all
    }

    /// All to the next event of a kind.
    fn until(&mut self, kind: &str) -> Vec<Value> {
        let deadline = Instant::now() + LIMIT;
        let mut all = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.told.recv_timeout(left);
            let event: Value = event.unwrap_or_else(|_| panic!("no {kind} after {all:?}"));
            let is_it = event["kind"] == kind;
            all.push(event);
            if is_it {
                return all;
            }
        }
    }

    fn order(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
    }

    fn quit(mut self) -> Option<i32> {
        self.order("quit\n");
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
