//! Live clusters: their files, then what their TVS and CallManager say.
//!
//! All nodes are looked at side by side, each at its own rate. A node that fails is named in its
//! side's failures, and the rest is read all the same.

mod asked;
mod nodes;
mod places;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use super::inputs::{Target, TvsPlace};
use super::mix;
use crate::check::evidence::{At, Door, Known, Node, Side, SignerKey};
use crate::net::look::{self, AskedAs, FilesSeen, Question, Turns, TvsSeen, longest};
use crate::net::real::LabNode;
use crate::net::tls::Identity;
use crate::report::text::count;
use crate::trust::certificate::escape_for_terminal;
use crate::tvs::ClientSettings;
use crate::wire::ListKind;
use asked::Named;
use nodes::{
    a_device, address_of, at_host, doubt_twins, name_nodes, no_port, nobody_named, node_of,
    note_cached_files,
};
use places::{Place, Places};
use read::Service;

/// Files that every node is asked for.
pub(super) const GENERAL: [&str; 5] = [
    "ITLFile.tlv",
    "CTLFile.tlv",
    "XMLDefault.cnf.xml",
    "XMLDefault.cnf.xml.sgn",
    CACHED_FILES,
];
/// The list of the files that a node has in its cache (many public scanners read it).
const CACHED_FILES: &str = "ConfigFileCacheList.txt";
/// Signers that one TVS is asked about, at most: a cluster has a few.
const MOST_QUESTIONS: usize = 200;
/// What TVS is told where no phone is known.
const NO_DEVICE: &str = "SEP000000000000";

/// The files that a phone of this name asks for.
pub(super) fn of_phone(device: &str) -> [String; 5] {
    [
        format!("CTL{device}.tlv"),
        format!("ITL{device}.tlv"),
        format!("{device}.cnf.xml.sgn"),
        format!("{device}.cnf.xml"),
        format!("{device}.cnf.xml.enc.sgn"),
    ]
}

/// Those of them that come over HTTPS: the configuration alone.
pub(super) fn is_over_https(name: &str) -> bool {
    name.contains(".cnf.xml") && !name.ends_with(".enc.sgn")
}

/// How clusters are looked at.
#[derive(Debug)]
pub(super) struct How {
    /// The longest that one answer may take.
    pub(super) within: Duration,
    /// Requests a second to a node.
    pub(super) rate: f64,
    /// Phones whose files are asked for; without any, one that the first side has.
    pub(super) devices: Vec<String>,
    /// What TVS is told as the model.
    pub(super) model: String,
    /// Where TVS of the first side are, over what configurations say.
    pub(super) tvs: Vec<TvsPlace>,
    /// What is shown to TVS.
    pub(super) identity: Option<Identity>,
    /// How TVS is asked.
    pub(super) settings: ClientSettings,
    /// The nodes of a lab.
    pub(super) lab: Vec<LabNode>,
}

/// A side that is looked at.
#[derive(Debug)]
pub(super) struct Looked {
    /// What is known of it; at first what its other inputs say.
    pub(super) side: Side,
    /// Its live nodes.
    pub(super) targets: Vec<Target>,
}

impl Looked {
    /// True if a live node is named by its address beside nodes of other inputs.
    fn has_dotted(&self) -> bool {
        let mut hosts = self.targets.iter().map(|t| t.host.as_str());
        !self.side.nodes.is_empty() && hosts.any(|host| host.parse::<Ipv4Addr>().is_ok())
    }
}

/// Looks at all sides.
pub(super) async fn look(sides: &mut [Looked], how: &How, progress: &dyn Fn(&str)) {
    let places = Places {
        lab: how.lab.clone(),
        within: how.within,
        resolved: BTreeMap::new(),
    };
    let mut look = Look {
        how,
        places,
        nodes: Vec::new(),
    };
    look.find(sides).await;
    let names: Vec<_> = GENERAL.iter().map(ToString::to_string).collect();
    look.files(sides, &names, true, progress).await;
    for (s, looked) in sides.iter_mut().enumerate() {
        note_cached_files(&mut looked.side);
        let live: Vec<At> = look.nodes.iter().map(|(at, _)| *at).collect();
        let nodes = &mut look.nodes;
        name_nodes(
            &mut looked.side,
            |n| live.contains(&At(s, n)),
            |gone, into| {
                for (at, _) in nodes.iter_mut().filter(|(at, _)| at.0 == s) {
                    at.1 = match at.1 {
                        n if n == gone => into,
                        n => n - usize::from(n > gone),
                    };
                }
            },
        );
        let live: Vec<usize> = look
            .nodes
            .iter()
            .filter(|(at, _)| at.0 == s)
            .map(|(at, _)| at.1)
            .collect();
        doubt_twins(&mut looked.side, |n| live.contains(&n));
    }
    let devices = match &how.devices[..] {
        [] => sides.first().map(|l| a_device(&l.side)).unwrap_or_default(),
        given => given.to_vec(),
    };
    let names: Vec<_> = devices.iter().flat_map(|d| of_phone(d)).collect();
    if names.is_empty() {
        progress(&format!(
            "no phone is named, and --from gives no {CACHED_FILES}: name one with --device, or all with \
             --phones"
        ));
    } else {
        look.files(sides, &names, false, progress).await;
    }
    look.services(sides, &devices, progress).await;
    for looked in sides.iter_mut().filter(|l| !l.targets.is_empty()) {
        nobody_named(&mut looked.side);
    }
}

struct Look<'a> {
    how: &'a How,
    places: Places,
    nodes: Vec<(At, Place)>,
}

/// What is asked of one node's TVS and CallManager.
#[derive(Debug, Default)]
struct Job {
    tvs: Option<SocketAddr>,
    questions: BTreeMap<SignerKey, Question>,
    pins: Vec<Vec<u8>>,
    /// Sockets, with the ports that phones know them by; none is whichever they know.
    callmanager: BTreeSet<(Option<u16>, SocketAddr)>,
}

/// What came of it.
struct JobDone {
    at: At,
    tvs: Option<(u16, Vec<Question>, TvsSeen)>,
    callmanager: Vec<(Option<u16>, Result<look::Door, String>)>,
}

/// The servers of a side that are asked.
struct Servers {
    /// TVS: host and port of the configuration, and what the command line says in its place.
    tvs: Vec<(String, u16, Option<TvsPlace>)>,
    /// What configurations call TVS.
    named: Vec<String>,
    /// CallManager: host and ports.
    callmanager: Vec<(String, Vec<u16>)>,
}

impl Servers {
    /// Those that a side's files name; of files in a folder nobody but who the command line names.
    fn of(looked: &mut Looked, overrides: &[TvsPlace]) -> Self {
        let is_live = !looked.targets.is_empty();
        let mut named = Named::by(&looked.side);
        let mut tvs = tvs_places(&named, overrides);
        if is_live {
            looked.side.failures.append(&mut named.left_out);
        } else {
            tvs.retain(|(_, _, over)| over.is_some());
            named.callmanager.clear();
        }
        Self {
            tvs,
            named: named.tvs.into_iter().map(|(host, _)| host).collect(),
            callmanager: named.callmanager,
        }
    }

    fn hosts(&self) -> impl Iterator<Item = &str> {
        let overrides = self.tvs.iter().filter_map(|(_, _, over)| over.as_ref());
        let tvs = self.tvs.iter().map(|(host, _, _)| host.as_str());
        let callmanager = self.callmanager.iter().map(|(host, _)| host.as_str());
        let overrides = overrides.map(|over| over.host.as_str());
        overrides.chain(tvs).chain(callmanager)
    }
}

impl Look<'_> {
    /// Finds the live nodes, and gives each its place among the nodes of its side.
    async fn find(&mut self, sides: &mut [Looked]) {
        let targets = sides.iter().flat_map(|l| &l.targets);
        let hosts: Vec<_> = targets.map(|t| t.host.clone()).collect();
        let of_folders = sides
            .iter()
            .filter(|l| l.has_dotted())
            .flat_map(|l| &l.side.nodes);
        let names: Vec<_> = of_folders.map(|node| node.name.clone()).collect();
        self.places
            .resolve_all(hosts.into_iter().chain(names))
            .await;
        for (s, looked) in sides.iter_mut().enumerate() {
            self.address_folders(looked).await;
            for target in &looked.targets {
                let side = &mut looked.side;
                match self.places.of(target).await {
                    Ok((name, place)) => {
                        let known = mix::position(side, &name, Some(place.address));
                        let name = match known.and_then(|n| side.nodes.get(n)) {
                            Some(node) => node.name.clone(),
                            None => name,
                        };
                        let n = node_of(side, &name, Some(place.address));
                        self.add(At(s, n), place);
                    }
                    Err(why) => {
                        side.failures.push(format!(
                            "{why}; name the node's address, or mend the name where this runs"
                        ));
                        let n = mix::position(side, &target.host, None)
                            .unwrap_or_else(|| node_of(side, &target.host, None));
                        let node = &mut side.nodes[n];
                        for service in Service::ALL {
                            service.of(node).door = Known::No(why.clone());
                        }
                        // Whoever names a node takes it for one that phones ask.
                        let itl = ListKind::Itl.file_name().to_owned();
                        let lost = || Known::No(why.clone());
                        node.tftp.replies.entry(itl).or_insert_with(lost);
                    }
                }
            }
        }
    }

    /// Gives the nodes of folders the addresses at which live nodes of their side are named, where their
    /// names resolve to them: each such pair is one node.
    async fn address_folders(&self, looked: &mut Looked) {
        if !looked.has_dotted() {
            return;
        }
        let dotted: Vec<Ipv4Addr> = looked
            .targets
            .iter()
            .filter_map(|t| t.host.parse().ok())
            .collect();
        for n in 0..looked.side.nodes.len() {
            let node = &looked.side.nodes[n];
            if node.address.is_some() {
                continue;
            }
            let Ok(address) = self.places.resolve(&node.name).await else {
                continue;
            };
            let mut nodes = looked.side.nodes.iter();
            let is_taken = nodes.any(|n| n.address == Some(address));
            if dotted.contains(&address) && !is_taken {
                looked.side.nodes[n].address = Some(address);
            }
        }
    }

    /// A node that is named twice, once for each transport, has the ports of both.
    fn add(&mut self, at: At, place: Place) {
        let standard = |p: &Place| Place {
            address: p.address,
            tftp: Some((p.address, crate::net::real::TFTP_PORT).into()),
            http: Some((p.address, crate::phone::HTTP_PORT).into()),
            https: p.https,
        };
        match self.nodes.iter_mut().find(|(a, _)| *a == at) {
            Some((_, known)) => {
                let usual = standard(known);
                if known.tftp == usual.tftp {
                    known.tftp = place.tftp;
                }
                if known.http == usual.http {
                    known.http = place.http;
                }
            }
            None => self.nodes.push((at, place)),
        }
    }

    /// Asks every live node for files: at first over each transport, then over those that answer.
    async fn files(
        &self,
        sides: &mut [Looked],
        names: &[String],
        is_first: bool,
        progress: &dyn Fn(&str),
    ) {
        let over_https: Vec<_> = names.iter().filter(|n| is_over_https(n)).cloned().collect();
        let (names, over_https): (Arc<[String]>, Arc<[String]>) = (names.into(), over_https.into());
        let mut tasks = JoinSet::new();
        for (at, place) in &self.nodes {
            let Some(node) = sides[at.0].side.nodes.get_mut(at.1) else {
                continue;
            };
            let open = Known::Yes(Door::Open);
            let wants = Service::ALL.map(|service| is_first || service.of(node).door == open);
            let of_one = names.len();
            let requests = [of_one, of_one, over_https.len().max(1)];
            let wanted = wants.iter().zip(requests).filter(|(w, _)| **w);
            let requests = wanted.map(|(_, n)| n).sum::<usize>();
            if requests == 0 {
                continue;
            }
            let (rate, within) = (self.how.rate, self.how.within);
            progress(&format!(
                "asking {} ({}) for {}, {rate} a second",
                escape_for_terminal(node.name.as_bytes()),
                place.address,
                count(requests, "file")
            ));
            let turns = Turns::new(rate, longest(requests, rate, within));
            let (at, place) = (*at, place.clone());
            let (names, over_https) = (Arc::clone(&names), Arc::clone(&over_https));
            tasks.spawn(async move {
                let [tftp, http, https] = wants;
                let t = &turns;
                let seen = tokio::join!(
                    seen_at(tftp, place.tftp, |a| look::tftp(a, &names, within, t)),
                    seen_at(http, place.http, |a| look::http(a, &names, within, t)),
                    seen_at(https, place.https, |a| look::https(
                        a,
                        &over_https,
                        within,
                        t
                    )),
                );
                (at, [seen.0, seen.1, seen.2])
            });
        }
        while let Some(done) = tasks.join_next().await {
            let Some((at, seen)) = finished(done) else {
                continue;
            };
            let side = &mut sides[at.0].side;
            let Some(node) = side.nodes.get_mut(at.1) else {
                continue;
            };
            for (service, seen) in Service::ALL.into_iter().zip(seen) {
                let Some(seen) = seen else { continue };
                side.failures
                    .extend(read::files(node, service, seen, is_first));
            }
            let serves = |node: &Node| {
                let open = Known::Yes(Door::Open);
                node.tftp.door == open || node.http.door == open
            };
            let why = format!(
                "{} hands out no files, over TFTP or over HTTP: check that it is a TFTP node",
                node.name
            );
            if !serves(node) && !side.failures.contains(&why) {
                side.failures.push(why);
            }
        }
    }

    /// Asks TVS and CallManager of the sides with live nodes, as their configurations name them.
    async fn services(
        &mut self,
        sides: &mut [Looked],
        devices: &[String],
        progress: &dyn Fn(&str),
    ) {
        let mut jobs: BTreeMap<At, Job> = BTreeMap::new();
        let mut servers = Vec::new();
        for (s, looked) in sides.iter_mut().enumerate() {
            let overrides: &[TvsPlace] = match s {
                0 => &self.how.tvs,
                _ => &[],
            };
            servers.push(Servers::of(looked, overrides));
        }
        let hosts = servers.iter().flat_map(Servers::hosts);
        let hosts: Vec<_> = hosts.map(str::to_owned).collect();
        self.places.resolve_all(hosts).await;
        for (s, servers) in servers.into_iter().enumerate() {
            self.plan(s, sides, servers, &mut jobs).await;
        }
        let device = devices.first().map_or(NO_DEVICE, String::as_str);
        let device = format!("{}-{device}", self.how.model);
        let mut tasks = JoinSet::new();
        for (at, job) in jobs {
            let Some(node) = sides[at.0].side.nodes.get_mut(at.1) else {
                continue;
            };
            if job.tvs.is_some() {
                progress(&format!(
                    "asking TVS of {} about {}",
                    escape_for_terminal(node.name.as_bytes()),
                    count(job.questions.len(), "signer")
                ));
            }
            let asked_as = AskedAs {
                device: device.clone(),
                pins: job.pins,
                identity: self.how.identity.clone(),
                settings: self.how.settings,
            };
            let (rate, within) = (self.how.rate, self.how.within);
            let questions: Vec<_> = job.questions.into_values().collect();
            let requests = questions.len().max(1) + job.callmanager.len();
            let turns = Turns::new(rate, longest(requests, rate, within));
            tasks.spawn(async move {
                let tvs = match job.tvs {
                    Some(to) => {
                        let seen = look::tvs(to, &questions, &asked_as, within, &turns).await;
                        Some((to.port(), questions, seen))
                    }
                    None => None,
                };
                let mut knocks = JoinSet::new();
                for (port, to) in job.callmanager {
                    let turns = turns.clone();
                    knocks.spawn(async move { (port, look::knock(to, within, &turns).await) });
                }
                let mut callmanager = Vec::new();
                while let Some(done) = knocks.join_next().await {
                    callmanager.extend(finished(done));
                }
                JobDone {
                    at,
                    tvs,
                    callmanager,
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            let Some(JobDone {
                at,
                tvs,
                callmanager,
            }) = finished(done)
            else {
                continue;
            };
            let side = &mut sides[at.0].side;
            let Some(node) = side.nodes.get_mut(at.1) else {
                continue;
            };
            if let Some((port, questions, seen)) = tvs {
                let failures = read::tvs(node, port, &questions, seen);
                side.failures.extend(failures);
            }
            let failures = read::callmanager(node, callmanager);
            side.failures.extend(failures);
        }
    }

    /// What is to be asked of TVS and CallManager that side `s` names.
    async fn plan(
        &self,
        s: usize,
        sides: &mut [Looked],
        servers: Servers,
        jobs: &mut BTreeMap<At, Job>,
    ) {
        if servers.tvs.is_empty() && servers.callmanager.is_empty() {
            return;
        }
        let mut questions = BTreeMap::new();
        let is_alone = sides.len() == 1;
        for (_, other) in sides
            .iter()
            .enumerate()
            .filter(|(o, _)| is_alone || *o != s)
        {
            questions.extend(asked::signers(&other.side));
        }
        if questions.len() > MOST_QUESTIONS {
            let text = format!(
                "the other side has {} signers; TVS was asked about {MOST_QUESTIONS} of them",
                questions.len()
            );
            sides[s].side.failures.push(text);
            questions = questions.into_iter().take(MOST_QUESTIONS).collect();
        }
        let pins = asked::pins(&sides[s].side);
        for (mut host, port, over) in servers.tvs {
            if over.as_ref().is_some_and(|o| o.name.is_some()) {
                let side = &mut sides[s].side;
                match mix::position(side, &host, None) {
                    Some(n) => host.clone_from(&side.nodes[n].name),
                    None if servers.named.iter().any(|n| n.eq_ignore_ascii_case(&host)) => {}
                    None => {
                        side.failures.push(format!(
                            "--tvs {host}=...: no node is called so, and the configurations that were read \
                             name {}: mend the name",
                            match servers.named.as_slice() {
                                [] => "no TVS".to_owned(),
                                names => names.join(", "),
                            }
                        ));
                        continue;
                    }
                }
            }
            let resolved = self.places.resolve(&host).await;
            let own = address_of(sides, s, &host, resolved);
            let found = self.tvs_at(&host, port, over.as_ref(), own).await;
            let at = at_host(sides, s, &host, found.as_ref().ok().and_then(|f| f.0));
            let Looked { side, .. } = &mut sides[at.0];
            let node = &mut side.nodes[at.1];
            match found {
                Ok((_, Some(to))) => {
                    let job = jobs.entry(at).or_default();
                    job.tvs.get_or_insert(to);
                    job.questions.extend(questions.clone());
                    job.pins.extend(pins.iter().cloned());
                }
                Ok((_, None)) => node.tvs.door = Known::Yes(Door::Refused),
                Err(why) => {
                    let text = format!(
                        "TVS of {}: {why}; say where it is with --tvs {0}=ADDRESS",
                        node.name
                    );
                    node.tvs.door = Known::No(why);
                    side.failures.push(text);
                }
            }
        }
        for (host, ports) in &servers.callmanager {
            let lab = self.places.of_lab(host);
            let found = match lab {
                Some(node) => Ok(node.address),
                None => {
                    let resolved = self.places.resolve(host).await;
                    address_of(sides, s, host, resolved)
                }
            };
            let at = at_host(sides, s, host, found.as_ref().ok().copied());
            let Looked { side, .. } = &mut sides[at.0];
            let node = &mut side.nodes[at.1];
            match (lab, found) {
                (Some(of_lab), _) => match of_lab.callmanager {
                    Some(to) => {
                        let job = jobs.entry(at).or_default();
                        job.callmanager.insert((None, to));
                    }
                    None => {
                        let why = "the lab's ready line names no port of CallManager for it";
                        node.callmanager = Known::No(why.into());
                    }
                },
                (None, Ok(_)) if ports.is_empty() => no_port(node),
                (None, Ok(address)) => {
                    let doors = ports.iter().map(|&p| (Some(p), (address, p).into()));
                    jobs.entry(at).or_default().callmanager.extend(doors);
                }
                (None, Err(why)) => {
                    let text = format!("CallManager of {}: {why}", node.name);
                    node.callmanager = Known::No(why);
                    side.failures.push(text);
                }
            }
        }
    }

    /// Address and socket of a TVS whose host is at `own`; no socket where a lab says that nobody listens.
    async fn tvs_at(
        &self,
        host: &str,
        port: u16,
        over: Option<&TvsPlace>,
        own: Result<Ipv4Addr, String>,
    ) -> Result<(Option<Ipv4Addr>, Option<SocketAddr>), String> {
        if let Some(over) = over {
            let address = self.places.resolve(&over.host).await?;
            return Ok((own.ok(), Some((address, over.port).into())));
        }
        if let Some(node) = self.places.of_lab(host) {
            return Ok((Some(node.address), node.tvs));
        }
        let address = own?;
        Ok((Some(address), Some((address, port).into())))
    }
}

/// TVS that configurations name, with where they really are if `overrides` say it: by the name that
/// they give, else in order. What `overrides` say of names that no configuration has comes first: it may
/// be another name of a node that configurations name, and then it counts. Places without a name that
/// are left come last.
fn tvs_places(named: &Named, overrides: &[TvsPlace]) -> Vec<(String, u16, Option<TvsPlace>)> {
    let same = |host: &str, other: &str| host.eq_ignore_ascii_case(other);
    let mut left: Vec<&TvsPlace> = overrides.iter().collect();
    let mut found: Vec<(String, u16, Option<TvsPlace>)> = Vec::new();
    for (host, port) in &named.tvs {
        let means = |o: &&TvsPlace| same(o.name.as_ref().unwrap_or(&o.host), host);
        let over = left.iter().position(means).map(|i| left.remove(i).clone());
        found.push((host.clone(), *port, over));
    }
    for (_, _, over) in found.iter_mut().filter(|(_, _, over)| over.is_none()) {
        if let Some(i) = left.iter().position(|o| o.name.is_none()) {
            *over = Some(left.remove(i).clone());
        }
    }
    let (named, nameless): (Vec<_>, Vec<_>) = left.into_iter().partition(|o| o.name.is_some());
    let place = |over: &TvsPlace| {
        let name = over.name.as_ref().unwrap_or(&over.host);
        (name.clone(), over.port, Some(over.clone()))
    };
    let mut all: Vec<_> = named.into_iter().map(place).collect();
    all.append(&mut found);
    all.extend(nameless.into_iter().map(place));
    all
}

/// What a task found. One that panicked is a bug of ours, and goes on to be one.
fn finished<T>(joined: Result<T, JoinError>) -> Option<T> {
    match joined {
        Ok(found) => Some(found),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // Nobody cancels them.
        Err(_) => None,
    }
}

async fn seen_at<F: Future<Output = FilesSeen>>(
    is_wanted: bool,
    at: Option<SocketAddr>,
    look: impl FnOnce(SocketAddr) -> F,
) -> Option<FilesSeen> {
    match at {
        _ if !is_wanted => None,
        Some(at) => Some(look(at).await),
        // A lab says that nobody listens.
        None => Some(FilesSeen {
            door: Ok(look::Door::Refused),
            certificate: None,
            files: BTreeMap::new(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(hosts: &[&str]) -> Named {
        Named {
            tvs: hosts.iter().map(|h| ((*h).to_owned(), 2_445)).collect(),
            ..Named::default()
        }
    }

    fn places(hosts: &[&str], overrides: &[&str]) -> Vec<String> {
        let overrides: Vec<TvsPlace> = overrides.iter().map(|o| o.parse().unwrap()).collect();
        let all = tvs_places(&named(hosts), &overrides);
        let text = |(host, port, over): (String, u16, Option<TvsPlace>)| match over {
            Some(over) => format!("{host} at {}:{}", over.host, over.port),
            None => format!("{host}:{port}"),
        };
        all.into_iter().map(text).collect()
    }

    #[test]
    fn tvs_of_the_command_line_stand_for_those_of_configurations() {
        assert_eq!(places(&["a", "b"], &[]), ["a:2445", "b:2445"]);
        let by_name = places(&["a", "b"], &["B=10.0.0.2:1", "10.0.0.1"]);
        assert_eq!(by_name, ["a at 10.0.0.1:2445", "b at 10.0.0.2:1"]);
        let its_own = places(&["10.0.0.1", "b"], &["10.0.0.1:7"]);
        assert_eq!(its_own, ["10.0.0.1 at 10.0.0.1:7", "b:2445"]);
        assert_eq!(places(&[], &["x:1"]), ["x at x:1"]);
        assert_eq!(places(&["a"], &["c=x:1"]), ["c at x:1", "a:2445"]);
    }
}
