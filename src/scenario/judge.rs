//! What became of each phone, why, what the verdict rests on, and the way out.

use std::net::Ipv4Addr;

use super::fix;
use super::run::{LabPhone, Rehearsed};
use super::words::{ClosedWord, Verdict};
use crate::check::verdict::{self, Judged, Life, Places, is_silent, owner};
use crate::cluster::Lab;
use crate::event::{Event, Kind, ReasonFacts, SignerFacts};
use crate::phone::power::BootEnd;
use crate::trust::reason::{Code, Reason};
use crate::wire::ListKind;

pub use crate::check::verdict::Owner;

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
    Seen::of(phone, lab).judged.verdict
}

/// The cluster that a phone registered with in its last boot.
pub(super) fn registered_with(phone: &LabPhone, lab: &Lab) -> Option<String> {
    let (cluster, _) = Seen::of(phone, lab).judged.follows?;
    Some(cluster)
}

impl Places for Lab {
    fn owner_of(&self, list: &[u8]) -> Owner {
        for cluster in self.clusters() {
            if let Some(p) = cluster.owner_of(list) {
                let (cluster, node) = (Some(cluster.id().to_owned()), p.node.clone());
                return Owner { cluster, node };
            }
        }
        Owner {
            cluster: None,
            node: "nobody here".into(),
        }
    }

    fn host(&self, host: &str) -> Option<(String, String)> {
        let id = Self::host(self, host)?;
        let cluster = self.clusters()[id.cluster].id().to_owned();
        Some((cluster, self.name(id).to_owned()))
    }

    fn cluster_at(&self, address: Ipv4Addr) -> Option<String> {
        let id = self.at(address)?;
        Some(self.clusters()[id.cluster].id().to_owned())
    }
}

/// The boot that counts of a phone, and what the verdict makes of it.
struct Seen<'a> {
    events: &'a [Event],
    /// Option 150 has changed, and it was not booted since.
    waits: bool,
    judged: Judged,
}

impl<'a> Seen<'a> {
    fn of(p: &'a LabPhone, lab: &Lab) -> Self {
        // A phone that no step boots is still in its first boot.
        let booted = p.events.iter().any(|e| matches!(e.kind, Kind::Boot { .. }));
        let (earlier, last) = p.events.split_at(p.last_boot.min(p.events.len()));
        let events = if booted { last } else { &p.home_events[..] };
        let waits = !booted && p.scope != p.home_scope;
        let life = Life {
            earlier: [&p.home_events, earlier],
            last: events,
            before: &p.before,
            flash: &p.flash,
            servers: &p.servers(lab),
            is_open: p.end != BootEnd::Done || waits,
        };
        Self {
            events,
            waits,
            judged: verdict::judge(&life, lab),
        }
    }
}

fn fate(p: &LabPhone, lab: &Lab) -> Fate {
    let Seen {
        events,
        waits,
        judged,
    } = Seen::of(p, lab);
    let Judged {
        ctl,
        itl,
        follows,
        destination,
        accepted,
        verdict,
    } = judged;
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

pub(crate) type Why = (Vec<ReasonFacts>, Option<SignerFacts>, Option<String>);

/// The reasons of the last boot: why it followed, or the first thing that went wrong, since what
/// goes wrong later mostly follows from it.
pub(crate) fn why(events: &[Event], followed: bool) -> Why {
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
