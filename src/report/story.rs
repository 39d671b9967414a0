//! A rehearsal as it happens, one line a step. Made from events alone.
//!
//! Phones that live through the same are told once: the first phone of a round of boots is told as it
//! goes, the others at the end of the round, in one line if their story was told.

use std::collections::BTreeMap;

use super::text::{Paint, count};
use crate::event::{Event, Kind, ReasonFacts, SignerFacts};
use crate::time::Time;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::reason::Code;

/// Turns events into lines.
#[derive(Debug)]
pub struct Story {
    paint: Paint,
    verbose: bool,
    /// True if it tells what nodes are asked, and by whom.
    requests: bool,
    /// Names of nodes by address.
    names: BTreeMap<String, String>,
    /// True once the phones' own first boot is over.
    begun: bool,
    /// The phone whose boot is told as it goes.
    lead: Option<String>,
    /// Boots of this round: lines with their times. The lead's is told already.
    boots: BTreeMap<String, Vec<(Time, String)>>,
    out: Vec<String>,
}

impl Story {
    /// A story without events yet. `verbose` tells everything of every phone.
    pub fn new(paint: Paint, verbose: bool) -> Self {
        Self {
            paint,
            verbose,
            requests: false,
            names: BTreeMap::new(),
            begun: false,
            lead: None,
            boots: BTreeMap::new(),
            out: Vec::new(),
        }
    }

    /// The same of clusters that others use: it tells what nodes there are and what they are asked.
    pub fn of_nodes(paint: Paint) -> Self {
        Self {
            requests: true,
            ..Self::new(paint, false)
        }
    }

    /// The story of one phone without a lab: every boot is told as it goes.
    pub fn of_one_phone(paint: Paint, verbose: bool) -> Self {
        Self {
            begun: true,
            ..Self::new(paint, verbose)
        }
    }

    /// Takes an event; gives the lines to print.
    pub fn tell(&mut self, event: &Event) -> Vec<String> {
        if let Kind::Node { address, .. } = &event.kind {
            self.names.insert(address.clone(), event.actor.clone());
        }
        if event.actor.starts_with("SEP") {
            self.of_phone(event);
        } else {
            if matches!(event.kind, Kind::Step { .. } | Kind::RunEnded { .. }) {
                self.close_boots();
            }
            if let Kind::Step { verb, .. } = &event.kind {
                self.begun |= verb != "boot-at-home";
            }
            if let Some(text) = self.text(event) {
                self.line(event.at, &event.actor, &text);
            }
            self.beside(&event.kind);
        }
        std::mem::take(&mut self.out)
    }

    fn line(&mut self, at: Time, actor: &str, text: &str) {
        let actor = short(actor);
        self.out
            .push(format!("{:>7}  {actor:<14} {text}", at.to_string()));
    }

    /// What stands below the line of an action on a page, or of an upload by hand.
    fn beside(&mut self, kind: &Kind) {
        let mut lines = Vec::new();
        match kind {
            Kind::Bulk {
                notes,
                details,
                written,
                files,
                ..
            } => {
                lines.extend(notes.iter().map(|n| self.paint.warn(n)));
                if self.verbose {
                    lines.extend(details.iter().cloned());
                    let listed = |what: &str, names: &[String]| {
                        (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
                    };
                    lines.extend(listed("wrote", written));
                    lines.extend(listed("the directory holds", files));
                }
            }
            Kind::Trusted {
                note: Some(note), ..
            } => lines.push(note.clone()),
            Kind::Resynced {
                reasons,
                fix: Some(fix),
                ..
            } => {
                let clean = |text: &str| escape_for_terminal(text.as_bytes());
                let others = reasons.iter().skip(1);
                lines.extend(others.map(|r| format!("also {} ({})", clean(&r.text), r.code)));
                lines.push(format!("fix  {}", clean(fix)));
            }
            _ => {}
        }
        let lines = lines.iter().map(|l| format!("{:>7}  {:<14} {l}", "", ""));
        self.out.extend(lines);
    }

    fn of_phone(&mut self, event: &Event) {
        if matches!(event.kind, Kind::Verdict { .. } | Kind::PhoneJudged { .. }) {
            return;
        }
        if !self.begun && !self.verbose {
            return;
        }
        let device = &event.actor;
        if matches!(event.kind, Kind::Boot { .. }) && self.lead.is_none() {
            self.lead = Some(device.clone());
        }
        if let Some(text) = self.text(event) {
            if self.verbose || self.lead.as_ref() == Some(device) {
                self.line(event.at, device, &text);
            }
            let boot = self.boots.entry(device.clone()).or_default();
            boot.push((event.at, text));
        }
    }

    /// Ends the telling of a round of boots: the phones that were not told as they went.
    fn close_boots(&mut self) {
        let boots = std::mem::take(&mut self.boots);
        let lead = self.lead.take();
        if self.verbose {
            return;
        }
        // Phones with one story, the lead's first; the others in the order of their names.
        let mut groups: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        let leads = |d: &&String| Some(*d) == lead.as_ref();
        let first = boots.keys().filter(leads);
        let rest = boots.keys().filter(|d| !leads(d));
        for device in first.chain(rest) {
            let story = alike_form(device, &boots[device]);
            match groups.iter_mut().find(|(s, _)| *s == story) {
                Some((_, phones)) => phones.push(device.clone()),
                None => groups.push((story, vec![device.clone()])),
            }
        }
        for (_, phones) in groups {
            let told = &phones[0];
            if lead.as_ref() != Some(told) {
                for (at, text) in &boots[told] {
                    self.line(*at, told, text);
                }
            }
            let like = short(told);
            match &phones[1..] {
                [] => {}
                [one] => self
                    .out
                    .push(format!("{:>7}  {:<14} the same as {like}", "", short(one))),
                [first, .., last] => self.out.push(format!(
                    "{:>7}  {:<14} to {}, {} phones: the same as {like}",
                    "",
                    short(first),
                    short(last),
                    phones.len() - 1
                )),
            }
        }
    }

    fn name(&self, host: &str) -> String {
        self.names
            .get(host)
            .cloned()
            .unwrap_or_else(|| host.to_owned())
    }

    fn all_names(&self, hosts: &[String]) -> String {
        let names: Vec<_> = hosts.iter().map(|host| self.name(host)).collect();
        names.join(" and ")
    }

    /// The event in words; none for what only `verbose` tells.
    fn text(&self, event: &Event) -> Option<String> {
        let is_request = matches!(
            event.kind,
            Kind::Node { .. } | Kind::Served { .. } | Kind::TvsServed { .. }
        );
        let tells_rare = self.verbose || (self.requests && is_request);
        self.usual(event)
            .or_else(|| tells_rare.then(|| self.rare(event)).flatten())
    }

    fn usual(&self, event: &Event) -> Option<String> {
        let p = self.paint;
        Some(match &event.kind {
            Kind::Step { text, .. } => p.strong(text),
            Kind::Provisioning { what, text } => {
                format!("{what:<12} {}", escape_for_terminal(text.as_bytes()))
            }
            Kind::Resynced {
                verdict,
                rests_on,
                rules,
                reasons,
                ..
            } => {
                let rules = match rules.is_empty() {
                    true => String::new(),
                    false => format!(": {}", rules.join(", ")),
                };
                let painted = match verdict.as_str() {
                    "provisioned" => p.good(verdict),
                    "nothing-to-do" => p.strong(verdict),
                    _ => p.bad(verdict),
                };
                match reasons.first() {
                    Some(first) => {
                        let text = escape_for_terminal(first.text.as_bytes());
                        format!("{painted}: {text} ({}; {rests_on}{rules})", first.code)
                    }
                    None => format!("{painted} ({rests_on}{rules})"),
                }
            }
            Kind::Published {
                list,
                facts,
                signer,
                records,
            } => format!(
                "publishes its {list}: {} bytes, {records} records, signed by {}",
                thousands(facts.bytes),
                signer_text(signer)
            ),
            Kind::Trusted {
                store,
                certificate,
                result,
                ..
            } if result == "dropped-older" => format!(
                "{store} {}: it has one of this name that begins later",
                p.warn(&format!("drops {}", signer_text(certificate)))
            ),
            Kind::Trusted {
                stays_on: Some(node),
                store,
                certificate,
                ..
            } => format!(
                "{store} takes {}, on {node} only: this store does not replicate",
                signer_text(certificate)
            ),
            Kind::Trusted {
                note: Some(_),
                store,
                certificate,
                ..
            } => format!("{store} takes {}", signer_text(certificate)),
            Kind::Bulk {
                action,
                result,
                text,
                directory,
                files,
                ..
            } => {
                let text = match result.as_str() {
                    "done" => p.good(text),
                    _ => format!("{}: {text}", p.bad(&format!("{action} {result}"))),
                };
                let place = match directory.as_str() {
                    "" => String::new(),
                    directory if files.is_empty() => format!(" ({directory})"),
                    directory => format!(" ({} in {directory})", count(files.len(), "file")),
                };
                format!("{text}{place}")
            }
            Kind::Boot {
                cause,
                option_150,
                ctl_sha1,
                itl_sha1,
            } => {
                let lists = match (ctl_sha1, itl_sha1) {
                    (Some(_), Some(_)) => "holds CTL and ITL",
                    (Some(_), None) => "holds a CTL",
                    (None, Some(_)) => "holds an ITL",
                    (None, None) => "holds no list",
                };
                match option_150[..] {
                    // A lease says which servers.
                    [] => format!("boots ({cause}), {lists}"),
                    _ => format!(
                        "boots ({cause}), option 150 names {}, {lists}",
                        self.all_names(option_150)
                    ),
                }
            }
            Kind::LeaseTaken { notes, .. } | Kind::LeaseRenewed { notes, .. }
                if !notes.is_empty() =>
            {
                p.warn(&format!("its lease is odd: {}", notes.join("; ")))
            }
            Kind::ServersChosen {
                servers,
                source,
                used,
            } => {
                let who = match servers[..] {
                    [] => "no server".to_owned(),
                    _ => self.all_names(servers),
                };
                let text = match source.as_str() {
                    "by hand" => format!("asks {who}, as set by hand"),
                    "last time" => format!("asks {who}, as last time"),
                    "nowhere" => format!("has {who} to ask"),
                    place => format!("{place} names {who}"),
                };
                match used.as_str() {
                    "now" => text,
                    "unchanged" => format!("lease renewed: {text}, as before"),
                    "restart" => format!("lease renewed: {text}, so it restarts"),
                    used => format!("lease renewed: {text}, used {used}"),
                }
            }
            Kind::DhcpFailed { text } => p.warn(text),
            Kind::FlashDamaged { file, text } => {
                p.warn(&format!("{file} in flash is damaged: {text}"))
            }
            Kind::Downloaded { facts, .. } if facts.file.ends_with(".tlv") => {
                self.downloaded(&event.kind)?
            }
            // An answer such as 503 is how CUCM says that it does not have the file.
            Kind::HttpFailed { status: None, .. } => self.http_failed(&event.kind)?,
            Kind::HttpsConnected {
                server,
                serial,
                found_in,
                ..
            } => match found_in.as_str() {
                "none" => format!("HTTPS server {server} shows a certificate of no list: {serial}"),
                list => format!("HTTPS server {server} is in the {list}: {serial}"),
            },
            Kind::NotFound {
                file,
                server,
                meaning,
                ..
            } => {
                format!("{file}  not found on {}: {meaning}", self.name(server))
            }
            Kind::DownloadFailed { file, server, text } => p.warn(&format!(
                "{file}  failed from {}: {text}",
                self.name(server)
            )),
            Kind::SignerLookedUp {
                signer,
                found_in,
                searched,
                file,
            } if file.ends_with(".tlv") => {
                let who = signer_text(signer);
                match found_in.as_str() {
                    "nowhere" if searched == "no installed list" => {
                        format!("signer {who}, no list to look in")
                    }
                    "nowhere" => format!("signer {who} is not in the {searched}"),
                    place => format!("signer {who} is in the {place}"),
                }
            }
            Kind::TvsConnected {
                server,
                tls,
                client_certificate,
            } if tls.contains("stands in") || tls.contains("of OpenSSL") => {
                format!("TLS with TVS {server}: {tls}, client certificate {client_certificate}")
            }
            Kind::TvsAnswered {
                server,
                status: 0,
                roles,
                ttl,
                ..
            } => {
                format!(
                    "TVS {server} knows the signer: {roles}, for {} h",
                    ttl / 3_600
                )
            }
            Kind::TvsFailed { reason, .. } => p.warn(&reason.text),
            Kind::HashCompared {
                file,
                digest,
                matches: false,
            } => p.bad(&format!("{file}: the {digest} signature does not hold")),
            Kind::ListInstalled { list, how, .. } => {
                let how = match how.as_str() {
                    "leap-of-faith" => p.warn("leap of faith, no signer checked"),
                    "rollback" => p.warn("empty list of a rollback held before, no signer checked"),
                    _ => "signature holds".to_owned(),
                };
                format!("{how}: {}", p.good(&format!("{list} installed")))
            }
            Kind::ListUnchanged { list } => format!("the {list} is the installed one"),
            Kind::ListRefused { list, reasons, .. } => {
                let why = last_text(reasons);
                format!(
                    "{}: {why}; the installed one stays",
                    p.bad(&format!("{list} refused"))
                )
            }
            Kind::PowerCut { text } => p.warn(text),
            Kind::ConfigAccepted {
                facts,
                signer,
                reasons,
                ..
            } => {
                let by = signer.as_ref().map_or_else(
                    || "unsigned".to_owned(),
                    |s| format!("signed by {}", signer_text(s)),
                );
                let is_opened = |r: &ReasonFacts| r.code == Code::ConfigDecrypted.as_str();
                let opened = if reasons.iter().any(is_opened) {
                    ", encrypted for this phone"
                } else {
                    ""
                };
                format!("{} {}, {by}{opened}", facts.file, p.good("accepted"))
            }
            Kind::CertHashCompared {
                file,
                matches: true,
                ..
            } => {
                format!("{file} offers the encrypted one, for the phone's own certificate")
            }
            Kind::NamedFileAccepted {
                what,
                facts,
                signer,
                ..
            } => {
                let by = signer.as_ref().map_or_else(
                    || "unsigned".to_owned(),
                    |s| format!("signed by {}", signer_text(s)),
                );
                format!("{what} {} {}, {by}", facts.file, p.good("accepted"))
            }
            Kind::NamedFileRefused {
                what,
                file,
                reasons,
                ..
            } if came(reasons) => format!(
                "{what} {file} {}: {}",
                p.warn("refused"),
                last_text(reasons)
            ),
            Kind::ConfigRefused { file, reasons, .. } => {
                format!("{file} {}: {}", p.bad("refused"), last_text(reasons))
            }
            Kind::Registered {
                server: Some(server),
                text,
            } => {
                format!("registers with {} ({text})", self.name(server))
            }
            Kind::Registered { server: None, text } => p.bad(text),
            Kind::RegistrationNotTried { servers, text } => format!(
                "would register with {} now ({text}); trustline speaks no SIP to real servers, so it does not try",
                servers.first().map(|s| self.name(s)).unwrap_or_default()
            ),
            Kind::RegistrationRefused { server, reason } => format!(
                "{}: {}",
                p.bad(&format!("{} refuses the registration", self.name(server))),
                reason.text
            ),
            Kind::Status { text, .. } if is_told(text) => format!("shows \"{text}\""),
            _ => return None,
        })
    }

    fn downloaded(&self, kind: &Kind) -> Option<String> {
        let Kind::Downloaded {
            facts,
            server,
            transport,
            ..
        } = kind
        else {
            return None;
        };
        Some(format!(
            "{}  {} bytes from {} over {}",
            facts.file,
            thousands(facts.bytes),
            self.name(server),
            upper(transport)
        ))
    }

    fn http_failed(&self, kind: &Kind) -> Option<String> {
        let Kind::HttpFailed {
            file,
            server,
            transport,
            text,
            then,
            ..
        } = kind
        else {
            return None;
        };
        let next = then
            .as_deref()
            .map(|next| format!("; tries {}", upper(next)));
        Some(format!(
            "{file}  not over {} from {}: {text}{}",
            upper(transport),
            self.name(server),
            next.unwrap_or_default()
        ))
    }

    fn rare(&self, event: &Event) -> Option<String> {
        Some(match &event.kind {
            Kind::Node {
                cluster,
                release,
                mode,
                address,
                services,
                ..
            } => format!(
                "node of {cluster} ({release}, {mode}) at {address}: {}",
                services.join(", ")
            ),
            Kind::Trusted {
                store,
                certificate,
                result,
                ..
            } => {
                format!("{store}: {} {result}", signer_text(certificate))
            }
            Kind::Requested {
                file,
                server,
                transport,
                options,
                ..
            } => {
                format!(
                    "asks {} for {file} over {}, options: {options}",
                    self.name(server),
                    upper(transport)
                )
            }
            Kind::Retransmitted { file, attempt } => {
                format!("{file}: sends again, time {attempt}")
            }
            Kind::Downloaded { .. } => self.downloaded(&event.kind)?,
            Kind::HttpFailed { .. } => self.http_failed(&event.kind)?,
            Kind::HeaderNote { file, text } => format!("{file}: {text}"),
            Kind::SignerLookedUp {
                file,
                signer,
                found_in,
                ..
            } => {
                format!(
                    "{file}: signer {} found in: {found_in}",
                    signer_text(signer)
                )
            }
            Kind::TvsConnecting { server } => format!("connects to TVS {server}"),
            Kind::TvsConnected {
                server,
                tls,
                client_certificate,
            } => {
                format!("TLS with TVS {server}: {tls}, client certificate {client_certificate}")
            }
            Kind::TvsCertificateChecked {
                server,
                serial,
                found_in,
                role,
            } => {
                format!("certificate {serial} of TVS {server}: role {role} found in: {found_in}")
            }
            Kind::TvsAsked {
                server,
                message,
                bytes,
                session,
                ..
            } => {
                format!(
                    "asks TVS {server}: message type {message}, {bytes} bytes, session {session}"
                )
            }
            Kind::TvsAnswered {
                server,
                bytes,
                status,
                roles,
                ..
            } => {
                format!("TVS {server} answered {bytes} bytes: status {status}, roles {roles}")
            }
            Kind::TvsCached { serial, ttl } => {
                format!("keeps the answer about {serial} for {ttl} s")
            }
            Kind::TvsCacheFlushed { entries } => format!("drops {entries} kept TVS answers"),
            Kind::HashCompared { file, digest, .. } => format!("{file}: the {digest} hash matches"),
            Kind::TrustStageEnded { rc, fail_reason } => {
                format!("updateCTL() rc={rc}, failReason:{fail_reason}")
            }
            Kind::FlashWrite {
                write,
                file,
                operation,
                bytes,
            } => {
                format!("flash write {write}: {operation} {file}, {bytes} bytes")
            }
            Kind::Registering { server } => format!("tries to register with {}", self.name(server)),
            Kind::Status { stamped, .. } => format!("screen: {stamped}"),
            Kind::Served {
                file,
                client,
                transport,
                result,
            } => format!("{file} to {client} over {}: {result}", upper(transport)),
            Kind::TvsServed { client, result } => format!("TVS, {client}: {result}"),
            _ => return None,
        })
    }
}

/// Status messages that say what another line says already are left out.
/// True if the file of these reasons came at all; where not, that is told already.
fn came(reasons: &[ReasonFacts]) -> bool {
    let absent = [Code::FileMissing, Code::DownloadFailed].map(Code::as_str);
    reasons.last().is_none_or(|r| !absent.contains(&r.code))
}

fn is_told(text: &str) -> bool {
    !text.contains(".cnf.xml")
        && !text.starts_with("File Not Found <CTL")
        && !text.starts_with("Restart")
}

/// A boot without what differs from phone to phone.
fn alike_form(device: &str, boot: &[(Time, String)]) -> Vec<String> {
    let device = device.trim_start_matches("SEP");
    boot.iter()
        .map(|(_, text)| text.replace(device, ""))
        .collect()
}

/// `SEP..4401` for a device, other names as they are.
pub(super) fn short(actor: &str) -> String {
    match actor.strip_prefix("SEP") {
        Some(mac) if mac.len() == 12 => format!("SEP..{}", &mac[8..]),
        _ => actor.to_owned(),
    }
}

/// `CN=dst-pub 4F:2A:..:91`
pub(super) fn signer_text(s: &SignerFacts) -> String {
    let name = s.subject.split([';', ',']).next().unwrap_or_default();
    let name = escape_for_terminal(name.as_bytes());
    let pairs: Vec<_> = s
        .serial
        .as_bytes()
        .chunks(2)
        .map(|c| String::from_utf8_lossy(c).into_owned())
        .collect();
    let serial = match pairs.as_slice() {
        [a, b, .., z] if pairs.len() > 4 => format!("{a}:{b}:..:{z}"),
        all => all.join(":"),
    };
    format!("{name} {serial}")
}

fn last_text(reasons: &[ReasonFacts]) -> &str {
    reasons.last().map_or("no reason", |r| &r.text)
}

/// `10,498`
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// The name of a transport in a sentence: `HTTP`.
fn upper(transport: &str) -> String {
    transport.to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_short() {
        assert_eq!(thousands(6_412), "6,412");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_048_576), "1,048,576");
        assert_eq!(short("SEP001122334401"), "SEP..4401");
        assert_eq!(short("dst-pub"), "dst-pub");
    }
}
