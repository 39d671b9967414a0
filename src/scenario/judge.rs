//! What became of each phone, why, what the verdict rests on, and the way out.

use super::fix;
use super::run::{LabPhone, Rehearsed};
use super::words::{ClosedWord, Verdict};
use crate::cluster::Lab;
use crate::event::{Event, Kind, ReasonFacts, SignerFacts};
use crate::phone::Flash;
use crate::phone::flash::CONFIG;
use crate::phone::power::BootEnd;
use crate::trust::reason::{Code, Reason};
use crate::wire::ListKind;
use crate::wire::phone_config::PhoneConfig;

/// Whose list a phone holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Id of the cluster; none for a list that nobody in the lab published.
    pub cluster: Option<String>,
    /// The node.
    pub node: String,
}

/// What became of one phone.
#[derive(Clone, Debug)]
pub struct Fate {
    /// The device.
    pub device: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Owner of the CTL before the first step.
    pub ctl_before: Option<Owner>,
    /// Owner of the ITL before the first step.
    pub itl_before: Option<Owner>,
    /// Owner of the CTL at the end.
    pub ctl: Option<Owner>,
    /// Owner of the ITL at the end.
    pub itl: Option<Owner>,
    /// TVS questions since the first step.
    pub tvs_asked: u32,
    /// Id of the cluster whose CallManager group it follows, and the host.
    pub follows: Option<(String, String)>,
    /// `accepted`, `refused` or `not fetched`: the configuration of the last boot.
    pub configuration: &'static str,
    /// Why, in order; the last is the decisive one.
    pub reasons: Vec<ReasonFacts>,
    /// The signer that the decisive reason is about.
    pub signer: Option<SignerFacts>,
    /// The way out, for a phone that did not follow.
    pub fix: Option<String>,
}

impl Fate {
    /// Code of the decisive reason.
    pub fn reason(&self) -> Option<&'static str> {
        self.reasons.last().map(|r| r.code)
    }
}

/// Judges every phone.
pub fn fates(rehearsed: &Rehearsed) -> Vec<Fate> {
    let lab = rehearsed.lab();
    rehearsed.phones.iter().map(|p| fate(p, &lab)).collect()
}

/// The verdicts alone, of the phones with these indices.
pub(super) fn verdicts(rehearsed: &Rehearsed, phones: &[usize]) -> Vec<Verdict> {
    let lab = rehearsed.lab();
    let of = |&i: &usize| rehearsed.phones.get(i);
    let verdict_of = |p: Option<&LabPhone>| p.map_or(Verdict::Unknown, |p| verdict(p, &lab));
    phones.iter().map(of).map(verdict_of).collect()
}

/// The verdict of one phone alone.
pub(super) fn verdict(phone: &LabPhone, lab: &Lab) -> Verdict {
    Seen::of(phone, lab).verdict
}

/// What a verdict is made of, and the verdict.
struct Seen<'a> {
    /// The events of the boot that counts.
    events: &'a [Event],
    ctl: Option<Owner>,
    itl: Option<Owner>,
    /// Id of the cluster whose CallManager group it follows, and the host.
    follows: Option<(String, String)>,
    /// Id of the cluster that option 150 names.
    destination: Option<String>,
    /// It accepted a configuration.
    accepted: bool,
    /// Option 150 has changed, and it was not booted since.
    waits: bool,
    verdict: Verdict,
}

fn owner(lab: &Lab, flash: &Flash, kind: ListKind) -> Option<Owner> {
    let bytes = flash.get(kind.file_name());
    bytes.map(|bytes| owner_of(lab, bytes))
}

impl<'a> Seen<'a> {
    fn of(p: &'a LabPhone, lab: &Lab) -> Self {
        // A phone that no step boots is still in its first boot.
        let booted = p.events.iter().any(|e| matches!(e.kind, Kind::Boot { .. }));
        let events = if booted {
            &p.events[p.last_boot.min(p.events.len())..]
        } else {
            &p.home_events[..]
        };
        let ctl = owner(lab, &p.flash, ListKind::Ctl);
        let itl = owner(lab, &p.flash, ListKind::Itl);
        let registered = events.iter().rev().find_map(|e| match &e.kind {
            Kind::Registered {
                server: Some(server),
                ..
            } => Some(server.clone()),
            _ => None,
        });
        let follows = registered.and_then(|host| {
            let id = lab.host(&host)?;
            let cluster = lab.clusters()[id.cluster].id().to_owned();
            Some((cluster, lab.name(id).to_owned()))
        });
        let accepted = events
            .iter()
            .any(|e| matches!(e.kind, Kind::ConfigAccepted { .. }));
        let destination = p
            .servers(lab)
            .iter()
            .find_map(|a| lab.at(*a))
            .map(|id| lab.clusters()[id.cluster].id().to_owned());
        let same = |kind: ListKind| p.flash.get(kind.file_name()) == p.before.get(kind.file_name());
        let lists_same = same(ListKind::Ctl) && same(ListKind::Itl);
        let holds = |o: &Option<Owner>| {
            o.as_ref()
                .is_some_and(|o| o.cluster.is_some() && o.cluster == destination)
        };
        let refused = events
            .iter()
            .any(|e| matches!(e.kind, Kind::ListRefused { .. }) && is_refusal(e));
        let follows_destination = follows.as_ref().map(|(c, _)| c) == destination.as_ref();
        // A list that could not be downloaded is no distrust, as long as the destination's is held;
        // nor is a boot in which no server of option 150 answers at all.
        let obeys = accepted
            || (is_silent(events)
                && trusted_last(p)
                && config_of(lab, &p.flash).is_some_and(|c| Some(c) == destination.as_deref()));
        let trusts = obeys && holds(&itl) && !refused;
        let waits = !booted && p.scope != p.home_scope;
        // What becomes of a phone that goes to CAPF hangs on CAPF, which is not emulated.
        let needs_capf = events
            .iter()
            .any(|e| matches!(e.kind, Kind::CapfNeeded { .. }));
        let is_open = p.end != BootEnd::Done || waits || needs_capf;
        let verdict = if is_open || destination.is_none() {
            Verdict::Unknown
        } else if trusts && follows_destination {
            if lists_same {
                Verdict::Unchanged
            } else {
                Verdict::Migrated
            }
        } else if follows_destination {
            Verdict::RegistersUntrusted
        } else {
            Verdict::Stranded
        };
        Self {
            events,
            ctl,
            itl,
            follows,
            destination,
            accepted,
            waits,
            verdict,
        }
    }
}

/// True if a boot ended and no server gave the phone an answer to any file.
fn is_silent(events: &[Event]) -> bool {
    let is_answer = |e: &Event| {
        let is_file = matches!(e.kind, Kind::Downloaded { .. } | Kind::NotFound { .. });
        is_file || is_refusal(e)
    };
    !events.iter().any(is_answer)
}

/// True if the phone refused a file: one that did not come is none that it refused.
fn is_refusal(event: &Event) -> bool {
    match &event.kind {
        Kind::ListRefused { reasons, .. } | Kind::ConfigRefused { reasons, .. } => {
            let download_failed = Code::DownloadFailed.as_str();
            reasons.last().is_none_or(|r| r.code != download_failed)
        }
        _ => false,
    }
}

/// True if the phone refused nothing in the last boot in which a server answered.
fn trusted_last(p: &LabPhone) -> bool {
    let earlier = &p.events[..p.last_boot.min(p.events.len())];
    let earlier: Vec<_> = p.home_events.iter().chain(earlier).cloned().collect();
    let mut boots = earlier.chunk_by(|_, next| !matches!(next.kind, Kind::Boot { .. }));
    let last = boots.rfind(|boot| !is_silent(boot));
    last.is_some_and(|boot| !boot.iter().any(is_refusal))
}

/// Id of the cluster whose configuration the phone holds: that of the first CallManager.
fn config_of<'a>(lab: &'a Lab, flash: &Flash) -> Option<&'a str> {
    let config = PhoneConfig::parse(flash.get(CONFIG)?).ok()?;
    let mut hosts = config.callmanager_group.iter();
    let id = hosts.find_map(|member| lab.host(&member.host))?;
    Some(lab.clusters()[id.cluster].id())
}

fn fate(p: &LabPhone, lab: &Lab) -> Fate {
    let Seen {
        events,
        ctl,
        itl,
        follows,
        destination,
        accepted,
        waits,
        verdict,
    } = Seen::of(p, lab);
    let followed = matches!(verdict, Verdict::Migrated | Verdict::Unchanged);
    let (mut reasons, signer, file) = why(events, followed);
    if waits {
        let reason = Reason::new(
            Code::NotBooted,
            "option 150 has changed, and no step has reset the phone since",
        );
        reasons = vec![reason.facts()];
    }
    let no_lease = events.iter().find_map(|e| match &e.kind {
        Kind::DhcpFailed { text } => Some(text),
        _ => None,
    });
    // Whatever followed, followed from asking other servers.
    if let (Some(text), false, false) = (no_lease, followed, waits) {
        let text = format!("{text}, so the phone does not ask the servers of option 150");
        reasons = vec![Reason::new(Code::NoLease, text).facts()];
    }
    let refused_config = events
        .iter()
        .any(|e| matches!(e.kind, Kind::ConfigRefused { .. }));
    let configuration = match (accepted, refused_config) {
        (true, _) => "accepted",
        (false, true) => "refused",
        (false, false) => "not fetched",
    };
    let tvs_asked = p
        .events
        .iter()
        .filter(|e| matches!(e.kind, Kind::TvsAsked { .. }))
        .count();
    let mut fate = Fate {
        device: p.setup.identity.device.clone(),
        verdict,
        ctl_before: owner(lab, &p.before, ListKind::Ctl),
        itl_before: owner(lab, &p.before, ListKind::Itl),
        ctl,
        itl,
        tvs_asked: u32::try_from(tvs_asked).unwrap_or(u32::MAX),
        follows,
        configuration,
        reasons,
        signer,
        fix: None,
    };
    if !followed {
        let destination = destination.unwrap_or_default();
        fate.fix = Some(fix::way_out(&fate, p, lab, &destination, file.as_deref()));
    }
    fate
}

/// Who published a list.
fn owner_of(lab: &Lab, bytes: &[u8]) -> Owner {
    for cluster in lab.clusters() {
        if let Some(p) = cluster.owner_of(bytes) {
            let (cluster, node) = (Some(cluster.id().to_owned()), p.node.clone());
            return Owner { cluster, node };
        }
    }
    Owner {
        cluster: None,
        node: "nobody here".into(),
    }
}

type Why = (Vec<ReasonFacts>, Option<SignerFacts>, Option<String>);

/// The reasons of the last boot: why it followed, or the first thing that went wrong, since what
/// goes wrong later mostly follows from it.
fn why(events: &[Event], followed: bool) -> Why {
    let mut good = Vec::new();
    for e in events {
        match &e.kind {
            Kind::ListInstalled { reasons, .. } if followed => good.extend(reasons.iter().cloned()),
            Kind::ConfigAccepted { reasons, .. } if followed && good.is_empty() => {
                good.extend(reasons.iter().cloned());
            }
            Kind::ListRefused {
                reasons,
                signer,
                file,
                ..
            }
            | Kind::ConfigRefused {
                reasons,
                signer,
                file,
            } if !followed => {
                return (reasons.clone(), signer.clone(), Some(file.clone()));
            }
            Kind::RegistrationRefused { reason, .. } if !followed => {
                return (vec![reason.clone()], None, None);
            }
            Kind::TrustStageEnded { fail_reason, .. }
                if !followed && fail_reason == "download-failed" =>
            {
                return (download_failure(events), None, None);
            }
            _ => {}
        }
    }
    if good.is_empty() && is_silent(events) {
        good = download_failure(events);
    }
    (good, None, None)
}

fn download_failure(events: &[Event]) -> Vec<ReasonFacts> {
    let failures = events.iter().filter_map(|e| match &e.kind {
        Kind::DownloadFailed { file, server, text } => Some(ReasonFacts {
            code: "download-failed",
            text: format!("{file} could not be downloaded from {server}: {text}"),
            evidence: Some(server.clone()),
        }),
        _ => None,
    });
    failures.take(2).collect()
}

/// A list's owner for a table: the node, or a dash.
pub fn owner_text(owner: Option<&Owner>) -> String {
    owner.map_or_else(|| "-".to_owned(), |o| o.node.clone())
}

/// The verdict's word.
pub fn verdict_text(v: Verdict) -> String {
    v.as_str().to_owned()
}
