//! The arguments of `trustline serve`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args as ClapArgs, ValueEnum};

use crate::cli::args::{Format, Setting, parse_setting};
use crate::cli::exit_code::{self, ExitCode};
use crate::cli::failure::Failure;
use crate::cluster;
use crate::net::loopback;
use crate::report::text::did_you_mean;
use crate::scenario::model::{Cluster, Node, Service};
use crate::scenario::{self, Scenario, Site};
use crate::trust::certificate::escape_for_terminal;

pub(crate) const EXAMPLES: &str = "\
Examples:
  trustline serve scenarios/non-secure-migration.toml
  trustline serve move.toml --steps all --phone SEP001122334455=source
  trustline serve move.toml --ports real --bind src-pub=10.0.0.11 --bind src-sub=10.0.0.12 \\
    --bind dst-pub=10.0.0.21";

const ORDERS: &str = "\
The first line on stdout is JSON and says that all is ready, and where each node is. Events follow,
one a line. CallManager takes connections and closes them, where its port can be had: SIP is not
emulated.

Orders, one a line on stdin:
  step    take the scenario's next step; one that is about phones alone is left out
  steps   list the steps, and what became of each
  status  list the nodes, and what runs on them
  quit    stop, as SIGINT, SIGTERM and the end of the orders do; a second signal ends at once, with
          128 and its number. A stdin that is empty from the start is nobody's order.";

/// What stands below the help.
pub(crate) fn after_help() -> String {
    format!("{ORDERS}\n\n{}", exit_code::HELP)
}

/// Arguments of `serve`.
#[derive(Debug, ClapArgs)]
pub struct ServeArgs {
    /// The scenario whose clusters run
    pub scenario: PathBuf,
    /// Address of a node, which its lists and configurations then name too; may be given for each
    #[arg(long, value_name = "NODE=ADDRESS")]
    pub bind: Vec<Bind>,
    /// Ports of the nodes
    #[arg(long, value_enum, default_value_t = Ports::High)]
    pub ports: Ports,
    /// Steps to take before all is ready: a number, all or none
    #[arg(long, value_name = "N", default_value = "none")]
    pub steps: Steps,
    /// A phone that a cluster's database is to know, beside the scenario's; may be given for each
    #[arg(long, value_name = "SEP<MAC>=CLUSTER")]
    pub phone: Vec<NewPhone>,
    /// How configurations name the nodes
    #[arg(long, value_enum, default_value_t = Names::Address)]
    pub server_names: Names,
    /// Seed of all chance; wins over the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Change a rule; `trustline rules` lists them
    #[arg(long, value_name = "AREA.NAME=VALUE", value_parser = parse_setting)]
    pub set: Vec<Setting>,
    /// Leave every served file and the events in this folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// How events and answers are written
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,
}

/// Ports of the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ports {
    /// Free ones, on loopback unless --bind says otherwise; for trustline's own phones
    High,
    /// Those of real clusters, which real phones use; demands --bind for each node
    Real,
}

impl From<Ports> for loopback::Ports {
    fn from(ports: Ports) -> Self {
        match ports {
            Ports::High => Self::High,
            Ports::Real => Self::Real,
        }
    }
}

/// How configurations name the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Names {
    /// By address, as in a cluster without DNS
    Address,
    /// By host name, which your DNS has to know
    HostName,
}

/// One `--bind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    node: String,
    address: Ipv4Addr,
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "expected NODE=ADDRESS with an IPv4 address, such as src-pub=10.0.0.11";
        let (node, address) = text.split_once('=').ok_or(form)?;
        let address: Ipv4Addr = address.parse().map_err(|_| form)?;
        if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
            return Err(format!(
                "{address} is no node's address: lists name it, so it must be one address of this machine"
            ));
        }
        Ok(Self {
            node: node.to_owned(),
            address,
        })
    }
}

/// `--steps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// The first so many.
    First(usize),
    /// All of them.
    All,
}

impl FromStr for Steps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::First(0)),
            "all" => Ok(Self::All),
            number => number
                .parse()
                .map(Self::First)
                .map_err(|_| "expected a number of steps, all or none".into()),
        }
    }
}

impl Steps {
    /// How many of a scenario's steps.
    ///
    /// # Errors
    /// It has not as many.
    pub(super) fn of(self, scenario: &Scenario) -> Result<usize, Failure> {
        let all = scenario.steps.len();
        match self {
            Self::All => Ok(all),
            Self::First(n) if n <= all => Ok(n),
            Self::First(n) => Err(usage(format!(
                "--steps {n}: the scenario has {all} steps; say `--steps all` for all of them"
            ))),
        }
    }
}

/// One `--phone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPhone {
    device: String,
    cluster: String,
}

impl FromStr for NewPhone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "expected a device name with 12 hex digits in upper case and a cluster, such as \
                    SEP001122334455=source";
        let (device, cluster) = text.split_once('=').ok_or(form)?;
        if !cluster::is_device_name(device) {
            return Err(form.into());
        }
        Ok(Self {
            device: device.to_owned(),
            cluster: cluster.to_owned(),
        })
    }
}

impl ServeArgs {
    /// What the arguments say of the lab.
    ///
    /// # Errors
    /// A node or a cluster that the scenario does not have, one address for two nodes, or, at real
    /// ports, a node without one.
    pub(super) fn site(&self, scenario: &Scenario) -> Result<Site, Failure> {
        let nodes = || scenario.clusters.iter().flat_map(|c| &c.nodes);
        let names = || nodes().map(|n| n.name.value.as_str());
        let mut addresses = BTreeMap::new();
        for bind in &self.bind {
            if !names().any(|n| n == bind.node) {
                return Err(unknown("--bind", "node", &bind.node, names()));
            }
            if let Some((other, _)) = addresses.iter().find(|(_, a)| **a == bind.address) {
                let text = format!(
                    "--bind gives {} to {other} and to {}: each node needs an address of its own",
                    bind.address, bind.node
                );
                return Err(usage(text));
            }
            if addresses.insert(bind.node.clone(), bind.address).is_some() {
                return Err(usage(format!("--bind names {} twice", bind.node)));
            }
        }
        // Nodes without --bind keep their own.
        let own = scenario::clusters(scenario).map_err(|e| usage(e.to_string()))?;
        let kept = own.iter().flat_map(|(spec, _)| &spec.nodes);
        for node in kept.filter(|n| !addresses.contains_key(&n.name)) {
            if let Some((bound, address)) = addresses.iter().find(|(_, a)| **a == node.address) {
                let text = format!(
                    "--bind gives {address} to {bound}, but {} has it: give that one an address too",
                    node.name
                );
                return Err(usage(text));
            }
        }
        let needs = |n: &&Node| n.runs(Service::Tftp) || n.runs(Service::Tvs);
        let missing: Vec<_> = nodes()
            .filter(needs)
            .map(|n| n.name.value.as_str())
            .filter(|n| !addresses.contains_key(*n))
            .collect();
        if self.ports == Ports::Real && !missing.is_empty() {
            let binds: Vec<_> = missing
                .iter()
                .map(|n| format!("--bind {n}=ADDRESS"))
                .collect();
            return Err(usage(format!(
                "real ports demand an address for each node with TFTP or TVS; add {}, each an address \
                 of this machine (`ip addr add ADDRESS/24 dev INTERFACE` gives it one)",
                binds.join(" ")
            )));
        }
        let ids = || {
            scenario
                .clusters
                .iter()
                .map(|c: &Cluster| c.id.value.as_str())
        };
        for phone in &self.phone {
            if !ids().any(|id| id == phone.cluster) {
                return Err(unknown("--phone", "cluster", &phone.cluster, ids()));
            }
        }
        let phones = self.phone.iter().cloned();
        Ok(Site {
            addresses,
            phones: phones.map(|p| (p.device, p.cluster)).collect(),
            server_names: match self.server_names {
                Names::Address => cluster::ServerNames::Address,
                Names::HostName => cluster::ServerNames::HostName,
            },
        })
    }
}

fn unknown<'a>(
    option: &str,
    what: &str,
    name: &str,
    all: impl Iterator<Item = &'a str> + Clone,
) -> Failure {
    let hint = did_you_mean(name, all.clone());
    let all: Vec<_> = all.collect();
    usage(format!(
        "{option}: the scenario has no {what} {}; it has {}{hint}",
        escape_for_terminal(name.as_bytes()),
        all.join(", ")
    ))
}

pub(super) fn usage(text: String) -> Failure {
    Failure::new(ExitCode::Usage, text)
}
