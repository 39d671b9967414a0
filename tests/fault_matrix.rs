//! What losses do to a migration, as a table that a person reads: `docs/fault-matrix.txt`.
//!
//! `TRUSTLINE_BLESS=1 cargo test --test fault_matrix` writes it anew; a difference is a change of
//! behaviour.

#![allow(clippy::disallowed_methods, reason = "reads and writes its snapshot")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use trustline::event::Kind;
use trustline::scenario::invariants::{Laws, after_faults};
use trustline::scenario::run::{LabPhone, rehearse_watched};
use trustline::scenario::{self, Rules};

/// Percent of datagrams and segments that are lost.
const LOSSES: [u32; 7] = [0, 5, 10, 20, 30, 50, 70];
/// Firmware profiles, with a model of each.
const PROFILES: [(&str, &str); 3] = [
    ("7900", "CP-7962G"),
    ("7800", "CP-7841"),
    ("8800", "CP-8861"),
];
/// Releases of source and destination.
const RELEASES: [(&str, &str); 2] = [("10.5.2", "11.5.1"), ("12.5", "14")];
/// Phones of each cell.
const PHONES: usize = 30;
/// Resets of each cell.
const RESETS: usize = 3;

const HEAD: &str = "\
What losses do to a migration between two non-secure clusters, in virtual time.

Of 30 phones: how many have migrated with the 1st, 2nd and 3rd reset, and how many not even then.
Of these, `half way` have taken the destination's configuration but not its list: the TVS that it
names is in no list that they hold, so no further reset brings them on. The loss is that of each
datagram and segment between every phone and every node, both ways.

";

struct Cell {
    /// Each table has luck of its own.
    seed: usize,
    loss: u32,
    profile: (&'static str, &'static str),
    releases: (&'static str, &'static str),
}

impl Cell {
    fn line(&self) -> String {
        let phones = self.run();
        let migrated: Vec<_> = phones.iter().map(migrated_with).collect();
        let with = |n| migrated.iter().filter(|m| **m == Some(n)).count();
        let never = migrated.iter().filter(|m| m.is_none()).count();
        let stuck = phones.iter().filter(|p| migrated_with(p).is_none());
        let half = stuck.filter(|p| is_half_way(p)).count();
        format!(
            "{:>4} % {:>6} {:>5} {:>5} {never:>5} {half:>9}",
            self.loss,
            with(1),
            with(2),
            with(3)
        )
    }

    fn run(&self) -> Vec<LabPhone> {
        let Self {
            seed,
            loss,
            profile: (profile, model),
            releases: (source, destination),
        } = self;
        let resets = "[[step]]\ndo = \"reset-phones\"\n".repeat(RESETS);
        let text = format!(
            r#"format = 1
name = "fault matrix"
source = "none: made for a test"
date = 2020-03-01T09:00:00Z
seed = {seed}
[cluster.source]
release = "{source}"
nodes = [
  {{ name = "src-pub", services = ["publisher", "tftp", "tvs"] }},
  {{ name = "src-sub", services = ["tftp", "tvs"] }},
]
[cluster.destination]
release = "{destination}"
nodes = [{{ name = "dst-pub", services = ["publisher", "tftp", "tvs"] }}]
[[phones]]
count = {PHONES}
model = "{model}"
profile = "{profile}"
cluster = "source"
[[step]]
do = "trust-certificates"
from = "destination"
into = "source"
[[step]]
do = "set-option-150"
to = ["dst-pub"]
[[step]]
do = "set-link"
loss = {loss}
{resets}"#
        );
        let scenario = scenario::parse("matrix", &text, &Rules).unwrap_or_else(|errors| {
            panic!("{}", errors[0]);
        });
        let mut laws = Laws::new();
        let run = rehearse_watched(&scenario, None, &mut laws).unwrap();
        let mut broken = laws.into_broken();
        broken.extend(after_faults(&scenario).broken);
        assert!(broken.is_empty(), "{broken:?}");
        run.phones
    }
}

/// The number of the reset with which the phone came to trust and obey the destination.
fn migrated_with(phone: &LabPhone) -> Option<usize> {
    let ends = phone.events.iter().filter_map(|e| match &e.kind {
        Kind::BootEnded { settled, .. } => Some(*settled),
        _ => None,
    });
    ends.zip(1..).find(|(settled, _)| *settled).map(|(_, n)| n)
}

fn is_half_way(phone: &LabPhone) -> bool {
    let same = |file| phone.flash.get(file) == phone.before.get(file);
    same("ITLFile.tlv") && !same("config.xml")
}

fn matrix() -> String {
    let mut cells = Vec::new();
    for releases in RELEASES {
        for profile in PROFILES {
            let seed = cells.len() / LOSSES.len() + 1;
            cells.extend(LOSSES.map(|loss| Cell {
                seed,
                loss,
                profile,
                releases,
            }));
        }
    }
    let next = AtomicUsize::new(0);
    let mut lines: Vec<(usize, String)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                match cells.get(index) {
                    Some(cell) => done.push((index, cell.line())),
                    None => return done,
                }
            }
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers
            .into_iter()
            .flat_map(|w| w.join().unwrap())
            .collect()
    });
    lines.sort();
    let mut text = HEAD.to_owned();
    for (cell, (index, line)) in cells.iter().zip(lines) {
        if index % LOSSES.len() == 0 {
            let (source, destination) = cell.releases;
            let gap = if index == 0 { "" } else { "\n" };
            let profile = cell.profile.0;
            writeln!(text, "{gap}{source} to {destination}, profile {profile}").unwrap();
            writeln!(text, "  loss    1st   2nd   3rd   not  half way").unwrap();
        }
        writeln!(text, "{line}").unwrap();
    }
    text
}

#[test]
fn the_matrix_is_as_it_was() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fault-matrix.txt");
    let found = matrix();
    if std::env::var_os("TRUSTLINE_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "the behaviour under losses has changed; with TRUSTLINE_BLESS=1 this becomes {}:\n\n{found}",
        path.display()
    );
}
