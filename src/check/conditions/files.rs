//! What is in the lists and configurations: dates, digests, sizes.

use std::collections::BTreeMap;

use super::Said;
use super::question::{ALL_LISTS, Question, and, configs, offered, parse, who};
use crate::check::answer::Condition;
use crate::check::evidence::Known;
use crate::check::predict::Subject;
use crate::report::text::day;
use crate::trust::certificate::Certificate;
use crate::trust::decide::policy;
use crate::trust::rules::{Basis, IgnoresExpiry, Key, Settings, Word};
use crate::trust::search::SignerId;
use crate::wire::{Digest, ListKind, Role, SignedFile, Strictness};

pub(super) const CERTIFICATE_DATES: &str = "certificate-dates";
pub(super) const DIGESTS: &str = "digests";
pub(super) const LIST_SIZES: &str = "list-sizes";

/// Days before its end from which a certificate is worth a remark.
const SOON_DAYS: u64 = 30;
const DAY: u64 = 86_400;
/// Seconds by which a certificate may begin late: clocks differ.
const CLOCKS_DIFFER: i64 = 86_400;
/// Hundredths of the largest list from which its size is worth a remark.
const NEARLY_FULL: u64 = 90;

/// Certificates of the lists that phones hold or will be offered, and of TVS, near their end or past
/// it.
pub(super) fn certificate_dates(q: &Question<'_>) -> Vec<Condition> {
    let mut found: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    let mut take = |der: &[u8], place: String| {
        let places = found.entry(der.to_vec()).or_default();
        if !places.contains(&place) {
            places.push(place);
        }
    };
    let offered_lists = q.tftp_nodes().into_iter().flat_map(|n| {
        ALL_LISTS
            .into_iter()
            .filter_map(move |kind| match offered(n.node, kind) {
                Known::Yes(Some(bytes)) => Some((bytes, format!("{kind} of {}", n.node.name))),
                _ => None,
            })
    });
    let own_lists = q.held.iter().flat_map(|h| {
        let pairs = [(ListKind::Ctl, h.ctl), (ListKind::Itl, h.itl)];
        let of = |(kind, bytes)| Some((bytes?, format!("{kind} of {}", who(&h.phones))));
        pairs.map(of).into_iter().flatten()
    });
    for (bytes, place) in own_lists.chain(offered_lists) {
        let Some(list) = parse(bytes) else { continue };
        for record in list.records.iter().filter(|r| decides(r.role())) {
            if let Some(der) = record.certificate() {
                take(der, place.clone());
            }
        }
    }
    for (_, node) in q.sides.nodes() {
        if let Known::Yes(der) = &node.tvs.certificate {
            take(der, format!("TVS of {}", node.name));
        }
    }
    let mut certificates: Vec<_> = found
        .iter()
        .filter_map(|(der, places)| Some((Certificate::parse(der).ok()?, places)))
        .collect();
    certificates.sort_by_key(|(c, _)| c.not_after);
    let Some((first, _)) = certificates.first() else {
        let said = Said::new(CERTIFICATE_DATES, "both clusters", Basis::Documented);
        return vec![said.unknown("no certificate was read", "give lists of both clusters")];
    };
    let first_end = first.not_after;
    let count = certificates.len();
    let of = |(c, places): &(Certificate<'_>, &Vec<String>)| date(q, c, places);
    let mut conditions: Vec<_> = certificates.iter().filter_map(of).collect();
    let mut unread = q.unread_lists();
    unread.extend(q.unread_phones().map(|phones| format!("lists of {phones}")));
    let asked = q.asked_tvs().0.into_iter();
    let silent = asked.filter(|(_, node)| node.tvs.certificate.get().is_none());
    unread.extend(silent.map(|(_, node)| format!("TVS of {}", node.name)));
    let said = || Said::new(CERTIFICATE_DATES, "both clusters", Basis::Documented);
    if !unread.is_empty() {
        conditions.push(not_read(said(), &unread));
    } else if conditions.is_empty() {
        conditions.push(said().good(format!(
            "{count} certificates of lists and TVS are valid; the first of them ends on {}",
            day(first_end)
        )));
    }
    conditions
}

/// What was read is in order, and the rest nobody read.
pub(super) fn not_read(said: Said, unread: &[String]) -> Condition {
    said.unknown(
        format!("not read: {}", and(unread)),
        "let the check reach these nodes, or give their lists and TVS.pem; where a node has no CTL, name it in not-served.txt",
    )
}

/// True for roles whose certificates the move hangs on.
fn decides(role: Role) -> bool {
    role.signs_lists() || role.signs_files() || role == Role::Tvs
}

/// What is to be said about the dates of a certificate; nothing about one that is valid for long.
fn date(q: &Question<'_>, c: &Certificate<'_>, places: &[String]) -> Option<Condition> {
    let settings = q.settings();
    let ignored = settings.word::<IgnoresExpiry>() == IgnoresExpiry::Yes;
    let basis = settings.basis(IgnoresExpiry::KEY);
    let now = i64::try_from(q.now).unwrap_or(i64::MAX);
    let soon = i64::try_from(q.now.saturating_add(SOON_DAYS * DAY)).unwrap_or(i64::MAX);
    let signer = SignerId::of_certificate(c);
    let said = Said::new(
        CERTIFICATE_DATES,
        format!("{signer} ({})", and(places)),
        basis,
    );
    let phones = match ignored {
        true => "phones are taken to ignore dates (phone.ignores_expiry), which no source says",
        false => "phones are taken to refuse it (phone.ignores_expiry)",
    };
    let renew = "renew it before the move, one kind of certificate at a time, and let the phones take the new list at home; then exchange certificates again";
    if c.not_after < now {
        return Some(said.bad(
            format!("it expired on {}; {phones}", day(c.not_after)),
            renew,
        ));
    }
    if c.not_before > now.saturating_add(CLOCKS_DIFFER) {
        let text = format!("it is valid from {} on; {phones}", day(c.not_before));
        return Some(said.bad(
            text,
            "look at the clocks of the nodes and at the date of this check (--date)",
        ));
    }
    (c.not_after <= soon).then(|| {
        let text = format!("it ends on {}, within {SOON_DAYS} days", day(c.not_after));
        Said {
            basis: Basis::Documented,
            ..said
        }
        .note(text, Some(renew.into()))
    })
}

/// Phones of one family that take the same digests.
struct Family<'a> {
    settings: &'a Settings,
    phones: Vec<&'a str>,
    /// What they are taken for, since nobody said their model or knows its firmware.
    taken_for: Option<Guess>,
}

/// What a phone is taken for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Guess {
    what: String,
    why: &'static str,
    mend: &'static str,
}

/// What a phone is taken for whose firmware is not known.
fn taken_for(subject: &Subject) -> Option<Guess> {
    let setup = &subject.setup;
    if subject.taken.model {
        Some(Guess {
            what: format!("a {}", setup.identity.model),
            why: "nobody said their model",
            mend: "put it into the inventory",
        })
    } else if subject.taken.firmware {
        Some(Guess {
            what: format!("{} phones", setup.profile.name),
            why: "no source says what firmware of their model knows",
            mend: "try one phone first",
        })
    } else {
        None
    }
}

/// Each family of phones knows the digests that the destination signs with (CUCM Security Guide, TFTP
/// File Signature Algorithm: phones without SHA-512 stop working).
pub(super) fn digests(q: &Question<'_>) -> Vec<Condition> {
    let mut used: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for n in q.tftp_nodes() {
        let mut note = |digest: Digest, what: String| {
            let places = used.entry(digest.code()).or_default();
            if !places.contains(&what) {
                places.push(what);
            }
        };
        for kind in ALL_LISTS {
            if let Known::Yes(Some(bytes)) = offered(n.node, kind)
                && let Some(list) = parse(bytes)
            {
                note(list.header.digest(), format!("{kind} of {}", n.node.name));
            }
        }
        for (_, bytes) in configs(n.node).filter(|(name, _)| name.ends_with(".sgn")) {
            if let Ok(file) = SignedFile::parse(bytes, &Strictness::default()) {
                let what = format!("configurations of {}", n.node.name);
                note(file.header.digest(), what);
            }
        }
    }
    let mut families: BTreeMap<(&str, [bool; 2], Option<Guess>), Family<'_>> = BTreeMap::new();
    for &(name, subject) in &q.subjects {
        let settings = &subject.setup.settings;
        let policy = policy(&settings.clone());
        let key = (
            subject.setup.profile.name,
            [policy.accept_sha256, policy.accept_sha512],
            taken_for(subject),
        );
        let guess = key.2.clone();
        let family = families.entry(key).or_insert_with(|| Family {
            settings,
            phones: Vec::new(),
            taken_for: guess,
        });
        family.phones.push(name);
    }
    if used.is_empty() || families.is_empty() {
        let said = Said::new(DIGESTS, q.destination_name(), Basis::Documented);
        return vec![said.unknown(
            "no signed file of the destination was read, or no phone is known",
            "give the lists of its TFTP nodes",
        )];
    }
    let pairs = families.iter().flat_map(|(key, family)| {
        used.iter()
            .map(move |(code, places)| (key, family, Digest::from_code(*code), places))
    });
    let mut conditions: Vec<_> = pairs
        .map(|(&(name, [sha256, sha512], _), family, digest, places)| {
            let Family { settings, phones, taken_for } = family;
            // SHA-1 every phone with Security by Default knows, whatever its model.
            let taken_for = taken_for.as_ref().filter(|_| digest != Digest::Sha1);
            let (takes, basis) = match digest {
                Digest::Sha1 => (true, Basis::Documented),
                Digest::Sha256 => (sha256, settings.basis(Key::DigestSha256)),
                Digest::Sha512 => (sha512, settings.basis(Key::DigestSha512)),
                Digest::Other(_) => (false, Basis::Assumed),
            };
            let (about, basis) = match taken_for {
                None => (format!("{name} phones ({})", who(phones)), basis),
                Some(guess) => (
                    format!("phones taken for {} ({})", guess.what, who(phones)),
                    Basis::Assumed,
                ),
            };
            let said = Said::new(DIGESTS, about, basis);
            let text = format!("{} signed with {digest}", and(places));
            let ctl = match places.iter().any(|place| place.starts_with("CTL of ")) {
                true => ", run `utils ctl update CTLFile` on its publisher",
                false => "",
            };
            let fix = format!(
                "set TFTP File Signature Algorithm of {} to SHA-1 until the phones have moved{ctl}, and restart Cisco Tftp",
                q.destination_name()
            );
            match (takes, taken_for, basis) {
                (false, ..) => said.bad(format!("{text}: this firmware is taken to refuse it"), fix),
                (true, Some(guess), _) => said.note(
                    format!("{text}: {}", guess.why),
                    Some(format!("{}; or {fix}", guess.mend)),
                ),
                (true, None, Basis::Assumed) => said.note(
                    format!("{text}: no source says whether this firmware knows it"),
                    Some(format!("try one phone first; or {fix}")),
                ),
                (true, None, _) => said.good(format!("{text}, which this firmware knows")),
            }
        })
        .collect();
    let unread = q.unread_lists();
    if !unread.is_empty() {
        let said = Said::new(DIGESTS, q.destination_name(), Basis::Documented);
        conditions.push(not_read(said, &unread));
    }
    conditions.extend(q.not_read_of_phones(DIGESTS));
    conditions
}

/// Lists near the size that phones do not load any more (CUCM 14SU2 Security Guide: 64 KB).
pub(super) fn list_sizes(q: &Question<'_>) -> Vec<Condition> {
    let settings = q.settings();
    let limit = settings.count(Key::ListMaxBytes);
    let mut largest: Option<(u64, String)> = None;
    let mut conditions = Vec::new();
    for n in q.tftp_nodes() {
        for kind in ALL_LISTS {
            let Known::Yes(Some(bytes)) = offered(n.node, kind) else {
                continue;
            };
            let size = bytes.len() as u64;
            let about = format!("{kind} of {}", n.node.name);
            let said = Said::new(LIST_SIZES, about.clone(), settings.basis(Key::ListMaxBytes));
            let fix = "remove certificates that nobody needs any more from the cluster's stores (each node adds its own to the list)";
            if size > limit {
                conditions
                    .push(said.bad(format!("{size} bytes: phones load at most {limit}"), fix));
            } else if size >= limit.saturating_mul(NEARLY_FULL) / 100 {
                let text = format!("{size} bytes, near the {limit} that phones load at most");
                conditions.push(said.note(text, Some(fix.into())));
            }
            if largest.as_ref().is_none_or(|(most, _)| size > *most) {
                largest = Some((size, about));
            }
        }
    }
    let basis = settings.basis(Key::ListMaxBytes);
    let said = || Said::new(LIST_SIZES, q.destination_name(), basis);
    let unread = q.unread_lists();
    let all = match largest {
        None => Some(said().unknown("no list was read", "give the lists of its TFTP nodes")),
        Some(_) if !unread.is_empty() => Some(not_read(said(), &unread)),
        Some((size, what)) if conditions.is_empty() => Some(said().good(format!(
            "the largest is {what} with {size} bytes; phones load {limit}"
        ))),
        Some(_) => None,
    };
    conditions.extend(all);
    conditions
}
