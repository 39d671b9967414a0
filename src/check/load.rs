//! What a move asks of the nodes if all phones reset at once, and how many may at a time.
//!
//! A phone has one request out at a time. So of N phones that reset together each waits N / R seconds
//! for an answer of a node that gives R a second, and gives up after its own patience: a batch is
//! what a node can answer within that. How much a CUCM can answer no source says, so that is a stated
//! capacity ([`Rates`]).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::answer::{Load, NodeLoad};
use super::evidence::{At, Sides};
use crate::event::{Event, Kind};
use crate::report::text::did_you_mean;
use crate::trust::rules::{Key, Settings};

/// How much a node can do, and how long phones are away. No source has these numbers of a CUCM: they
/// are assumed unless the user states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Requests for files that a node answers a second.
    pub tftp: u64,
    /// Questions that the TVS of a node answers a second: each is a TLS handshake of its own.
    pub tvs: u64,
    /// Seconds that a phone needs from its reset until it asks for its first file.
    pub restart: u64,
    /// The rates that the user stated.
    stated: [bool; 3],
}

const NAMES: [&str; 3] = ["tftp", "tvs", "restart"];

impl Default for Rates {
    fn default() -> Self {
        Self {
            tftp: 50,
            tvs: 10,
            restart: 120,
            stated: [false; 3],
        }
    }
}

impl Rates {
    /// Takes a rate as the user states it: `tftp=N`, `tvs=N` (a second, each node) or `restart=N`
    /// (seconds).
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn state(&mut self, text: &str) -> Result<(), String> {
        let right = "one of tftp=N and tvs=N (a second, for each node), restart=N (seconds)";
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("{text}: expected {right}"))?;
        let Some(index) = NAMES.iter().position(|n| *n == name) else {
            let hint = did_you_mean(name, NAMES);
            return Err(format!("there is no rate {name}; expected {right}{hint}"));
        };
        let number: u64 = value
            .parse()
            .ok()
            .filter(|n| (1..=1_000_000).contains(n))
            .ok_or_else(|| format!("{name}: {value}: expected a number from 1 to 1000000"))?;
        *[&mut self.tftp, &mut self.tvs, &mut self.restart][index] = number;
        self.stated[index] = true;
        Ok(())
    }
}

/// Phones of one kind and what one of them will tell.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// How many there are.
    pub phones: u64,
    /// The events of one, none where nobody knows what it holds. Of several resets the first counts:
    /// later ones come after a pause.
    pub events: &'a [Event],
    /// True if its boot ended where something was not read, so that it asks for more than is known.
    pub is_cut_off: bool,
}

/// What is asked of one node.
#[derive(Clone, Copy, Default)]
struct Asked {
    requests: u64,
    downloads: u64,
    bytes: u64,
    questions: u64,
    /// Phones that ask for files, and that ask TVS.
    of_tftp: u64,
    of_tvs: u64,
}

/// Reckons it. `settings` are those of the phones: how long they wait.
pub fn load(sides: &Sides, demands: &[Demand<'_>], settings: &Settings, rates: &Rates) -> Load {
    let mut nodes: BTreeMap<At, Asked> = BTreeMap::new();
    let mut longest = 0;
    for demand in demands {
        let boot = first_boot(demand.events);
        let of_one = of_one(sides, boot);
        for (at, one) in of_one {
            let n = demand.phones;
            let all = nodes.entry(at).or_default();
            all.requests = all.requests.saturating_add(one.requests.saturating_mul(n));
            all.downloads = all
                .downloads
                .saturating_add(one.downloads.saturating_mul(n));
            all.bytes = all.bytes.saturating_add(one.bytes.saturating_mul(n));
            all.questions = all
                .questions
                .saturating_add(one.questions.saturating_mul(n));
            all.of_tftp += if one.requests > 0 { n } else { 0 };
            all.of_tvs += if one.questions > 0 { n } else { 0 };
        }
        longest = longest.max(boot_secs(boot));
    }
    let phones: u64 = demands.iter().map(|d| d.phones).sum();
    // Of whom nothing is known, of those it is taken that they ask as the others do.
    let counted = demands.iter().filter(|d| !d.events.is_empty());
    let counted: u64 = counted.map(|d| d.phones).sum();
    let patience = Patience::of(settings);
    let batch = nodes
        .values()
        .flat_map(|asked| {
            [
                share(
                    rates.tftp * patience.file_ms / 1_000,
                    asked.of_tftp,
                    counted,
                ),
                share(rates.tvs * patience.tvs_ms / 1_000, asked.of_tvs, counted),
            ]
        })
        .flatten()
        .fold(phones, u64::min)
        .max(1);
    let batch = if counted > 0 { batch } else { 0 };
    // The busiest node's time for one batch.
    let busy = nodes.values().map(|asked| {
        let of_batch = |n: u64| mul_div(n, batch, counted.max(1));
        let files = of_batch(asked.requests).div_ceil(rates.tftp);
        files.saturating_add(of_batch(asked.questions).div_ceil(rates.tvs))
    });
    let busy = busy.max().unwrap_or(0);
    let pause = rates.restart.saturating_add(longest).saturating_add(busy);
    let named = |(at, asked): (At, Asked)| NodeLoad {
        cluster: sides
            .sides
            .get(at.0)
            .map_or_else(String::new, |s| s.name.clone()),
        node: sides.node(at).map_or_else(String::new, |n| n.name.clone()),
        requests: asked.requests,
        downloads: asked.downloads,
        bytes: asked.bytes,
        tvs_questions: asked.questions,
    };
    let batches = phones
        .checked_div(batch)
        .map_or(0, |_| phones.div_ceil(batch));
    Load {
        phones,
        nodes: nodes.into_iter().map(named).collect(),
        batch,
        batches,
        // One batch alone waits for none.
        pause_secs: if batches > 1 {
            pause.div_ceil(30) * 30
        } else {
            0
        },
        basis: basis(rates, &patience, demands),
    }
}

/// How long a phone waits for an answer.
struct Patience {
    file_ms: u64,
    tvs_ms: u64,
}

impl Patience {
    fn of(settings: &Settings) -> Self {
        let settings = settings.clone();
        Self {
            file_ms: settings.count(Key::HttpTimeout),
            tvs_ms: settings.count(Key::TvsConnectTimeout),
        }
    }
}

/// Phones in all so that those among them who ask a node are not more than it can answer.
fn share(answered: u64, asking: u64, phones: u64) -> Option<u64> {
    (asking > 0).then(|| mul_div(answered.max(1), phones, asking).max(1))
}

fn mul_div(a: u64, b: u64, c: u64) -> u64 {
    let product = u128::from(a) * u128::from(b) / u128::from(c.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}

fn of_one(sides: &Sides, events: &[Event]) -> BTreeMap<At, Asked> {
    let mut nodes: BTreeMap<At, Asked> = BTreeMap::new();
    // Servers of files are addresses, with a port over HTTP; TVS is a host name with its port.
    let host = |server: &str| {
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        match host.parse::<Ipv4Addr>() {
            Ok(address) => sides.at(address),
            // Of several of one name mostly the phones' own cluster's is asked, which is the first.
            Err(_) => sides.hosts(host).first().copied(),
        }
    };
    for event in events {
        match &event.kind {
            Kind::Requested { server, .. } => {
                if let Some(at) = host(server) {
                    nodes.entry(at).or_default().requests += 1;
                }
            }
            Kind::Downloaded { facts, server, .. } => {
                if let Some(at) = host(server) {
                    let asked = nodes.entry(at).or_default();
                    asked.downloads += 1;
                    asked.bytes += facts.bytes as u64;
                }
            }
            Kind::TvsAsked { server, .. } => {
                if let Some(at) = host(server) {
                    nodes.entry(at).or_default().questions += 1;
                }
            }
            _ => {}
        }
    }
    nodes
}

/// The events up to the second boot.
fn first_boot(events: &[Event]) -> &[Event] {
    let is_boot = |e: &Event| matches!(e.kind, Kind::Boot { .. });
    let second = events.iter().skip(1).position(is_boot);
    second.map_or(events, |n| &events[..=n])
}

/// Seconds from the first event to the last, rounded up.
fn boot_secs(events: &[Event]) -> u64 {
    match (events.first(), events.last()) {
        (Some(first), Some(last)) => {
            let took = last.at.since(first.at);
            took.as_secs() + u64::from(took.subsec_nanos() > 0)
        }
        _ => 0,
    }
}

fn basis(rates: &Rates, patience: &Patience, demands: &[Demand<'_>]) -> String {
    let how = |index: usize| {
        if rates.stated[index] {
            "stated"
        } else {
            "assumed"
        }
    };
    let seconds = |ms: u64| ms as f64 / 1_000.0;
    let mut text = format!(
        "a node answers {} requests for files ({}) and {} TVS questions ({}) a second, no source says how many; \
         a phone waits {} s for a file (http.timeout_ms) and {} s for TVS (tvs.connect_timeout_ms), both assumed; \
         it is back {} s after a reset ({}); other rates: --rate-of tftp=N, tvs=N, restart=N",
        rates.tftp,
        how(0),
        rates.tvs,
        how(1),
        seconds(patience.file_ms),
        seconds(patience.tvs_ms),
        rates.restart,
        how(2)
    );
    let cut_off: u64 = demands
        .iter()
        .filter(|d| d.is_cut_off)
        .map(|d| d.phones)
        .sum();
    if cut_off > 0 {
        text.push_str(&format!(
            "; {cut_off} phones ask for more than is counted: what they need was not read"
        ));
    }
    text
}

#[cfg(test)]
mod tests;
