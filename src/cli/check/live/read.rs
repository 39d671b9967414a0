//! What was seen of a server, as evidence and as what could not be read.

use std::collections::BTreeMap;

use crate::check::evidence::{
    Door, FileReply, FileService, Known, Node, SignerKey, TvsReply, TvsService,
};
use crate::net::look::{self, FileAnswer, FilesSeen, Question, TvsAnswer, TvsSeen};
use crate::trust::certificate::escape_for_terminal;
use crate::tvs::Found;
use crate::wire::{SignedFile, Strictness, TrustList};

/// Bytes of a file that a failure shows, at most.
const SHOWN: usize = 16;

/// Which service of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Tftp,
    Http,
    Https,
}

impl Service {
    pub(super) const ALL: [Self; 3] = [Self::Tftp, Self::Http, Self::Https];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tftp => "TFTP",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }

    pub(super) fn of(self, node: &mut Node) -> &mut FileService {
        match self {
            Self::Tftp => &mut node.tftp,
            Self::Http => &mut node.http,
            Self::Https => &mut node.https,
        }
    }
}

pub(super) fn door(seen: look::Door) -> Door {
    match seen {
        look::Door::Open => Door::Open,
        look::Door::Refused => Door::Refused,
        look::Door::Silent => Door::Silent,
    }
}

/// Puts what was seen of a file service into a node, and says what could not be read. At first its
/// door is as other inputs have it, who may have concluded it from files; later as it was seen.
pub(super) fn files(
    node: &mut Node,
    service: Service,
    seen: FilesSeen,
    is_first: bool,
) -> Vec<String> {
    let mut failures = Vec::new();
    let (of, name) = (node.name.clone(), service.name());
    let into = service.of(node);
    match &seen.door {
        Ok(look::Door::Silent) => failures.push(format!(
            "{name} of {of} does not answer: check the address, what filters packets between, and \
             that Cisco Tftp runs there; if it is far away, give it longer (--timeout)"
        )),
        Err(why) => failures.push(format!("{name} of {of}: {why}")),
        Ok(look::Door::Open | look::Door::Refused) => {}
    }
    let was_open = !is_first && into.door == Known::Yes(Door::Open);
    let is_open = was_open || seen.door == Ok(look::Door::Open);
    // One that has answered before is there: what it does not answer any more is lost, each by itself.
    if !was_open {
        into.door = match seen.door {
            Ok(seen) => Known::Yes(door(seen)),
            Err(why) => Known::No(why),
        };
    }
    into.concluded = false;
    into.certificate = seen.certificate.or_else(|| into.certificate.take());
    into.others = Known::No(format!("{name} of {of} was not asked for it"));
    let mut lost: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, answer) in seen.files {
        let reply = match answer {
            FileAnswer::File(bytes) => {
                // Over HTTPS a signed file comes without its signature.
                let strange = strange(&file, &bytes).filter(|_| service != Service::Https);
                if let Some(why) = strange {
                    failures.push(format!("{file} over {name} of {of} {why}"));
                }
                Known::Yes(FileReply::File(bytes.into()))
            }
            FileAnswer::NotFound => Known::Yes(FileReply::NotFound),
            FileAnswer::Status(status) => Known::Yes(FileReply::Status(status)),
            FileAnswer::Failed(why) => {
                lost.entry(why.clone()).or_default().push(file.clone());
                Known::No(why)
            }
        };
        into.replies.insert(file, reply);
    }
    // Of a service that nobody opens its door says all.
    if is_open {
        for (why, files) in lost {
            let more = match files.len() {
                0..=2 => files.join(" and "),
                n => format!("{} and {} more files", files[0], n - 1),
            };
            failures.push(format!("{more} over {name} of {of}: {why}"));
        }
    }
    failures
}

/// Why a file cannot be what its name says.
fn strange(name: &str, bytes: &[u8]) -> Option<String> {
    let strictness = Strictness::default();
    let (what, fault) = if name.ends_with(".tlv") {
        ("trust list", TrustList::parse(bytes, &strictness).err()?)
    } else if name.ends_with(".sgn") {
        ("signed file", SignedFile::parse(bytes, &strictness).err()?)
    } else {
        return None;
    };
    let start = escape_for_terminal(&bytes[..bytes.len().min(SHOWN)]);
    Some(format!(
        "is no {what} ({fault}); it begins with `{start}`: is this a node of a cluster?"
    ))
}

/// Puts what was seen of a TVS into a node, and says what could not be read.
pub(super) fn tvs(
    node: &mut Node,
    port: u16,
    questions: &[Question],
    seen: TvsSeen,
) -> Vec<String> {
    let mut failures = Vec::new();
    let of = &node.name;
    match (&seen.door, &seen.certificate) {
        (Ok(look::Door::Silent), _) => failures.push(format!(
            "TVS of {of} (TCP {port}) does not answer: check what filters packets between, and that \
             Cisco Trust Verification Service runs there"
        )),
        (Err(why), _) | (Ok(look::Door::Open), Err(why)) => {
            failures.push(format!("TVS of {of} (TCP {port}): {why}"));
        }
        _ => {}
    }
    let mut replies = BTreeMap::new();
    let mut lost: BTreeMap<String, usize> = BTreeMap::new();
    for (question, answer) in questions.iter().zip(seen.answers) {
        let reply = match answer {
            TvsAnswer::Found {
                certificate,
                roles,
                ttl_secs,
            } => Known::Yes(TvsReply::Found(Found {
                certificate,
                roles,
                ttl_secs,
            })),
            TvsAnswer::Unknown => Known::Yes(TvsReply::Unknown),
            TvsAnswer::Closed => Known::Yes(TvsReply::Closed),
            TvsAnswer::Failed(why) => {
                *lost.entry(why.clone()).or_default() += 1;
                Known::No(why)
            }
        };
        let key = SignerKey::new(&question.issuer, &question.serial);
        replies.insert(key, reply);
    }
    if seen.certificate.is_ok() {
        for (why, count) in lost {
            let questions = match count {
                1 => "one question".to_owned(),
                n => format!("{n} questions"),
            };
            failures.push(format!("TVS of {of} (TCP {port}), {questions}: {why}"));
        }
    }
    node.tvs = TvsService {
        port: Some(port),
        door: match seen.door {
            Ok(seen) => Known::Yes(door(seen)),
            Err(why) => Known::No(why),
        },
        certificate: match seen.certificate {
            Ok(shown) => Known::Yes(shown),
            Err(why) => Known::No(why),
        },
        replies,
        others: Known::No("TVS was asked about the signers of the other side alone".into()),
        derived: false,
    };
    failures
}

/// Puts what was seen of CallManager's ports into a node, and says what could not be read. No port is
/// the one that a lab has in place of all.
pub(super) fn callmanager(
    node: &mut Node,
    seen: Vec<(Option<u16>, Result<look::Door, String>)>,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (port, seen) in seen {
        let of = match port {
            Some(port) => format!("CallManager of {} (TCP {port})", node.name),
            None => format!("CallManager of {}", node.name),
        };
        let found = match seen {
            Ok(seen) => Known::Yes(door(seen)),
            Err(why) => Known::No(why),
        };
        match &found {
            Known::Yes(Door::Silent) => failures.push(format!(
                "{of} does not answer: check what filters packets between"
            )),
            Known::Yes(_) => {}
            Known::No(why) => failures.push(format!("{of}: {why}")),
        }
        match port {
            Some(port) => {
                node.callmanager_ports.insert(port, found);
            }
            None => node.callmanager = found,
        }
    }
    if let Some(door) = at_any(node.callmanager_ports.values()) {
        node.callmanager = door;
    }
    failures
}

/// Whether a service answers at any of its ports.
fn at_any<'a>(doors: impl Iterator<Item = &'a Known<Door>>) -> Option<Known<Door>> {
    let worth = |door: &&Known<Door>| match door {
        Known::Yes(Door::Open) => 3,
        Known::No(_) => 2,
        Known::Yes(Door::Refused) => 1,
        Known::Yes(Door::Silent) => 0,
    };
    doors.max_by_key(worth).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_port_says_nothing_of_another_one() {
        let mut node = Node::default();
        let seen = vec![
            (Some(5_060), Ok(look::Door::Open)),
            (Some(5_061), Ok(look::Door::Refused)),
        ];
        assert!(callmanager(&mut node, seen).is_empty());
        assert_eq!(node.callmanager, Known::Yes(Door::Open));
        assert_eq!(node.callmanager_at(Some(5_060)), Known::Yes(Door::Open));
        assert_eq!(node.callmanager_at(Some(5_061)), Known::Yes(Door::Refused));
        assert!(node.callmanager_at(Some(2_000)).get().is_none());
        assert!(node.callmanager_at(None).get().is_none());
        let failures = callmanager(&mut node, vec![(Some(2_000), Ok(look::Door::Silent))]);
        assert_eq!(failures.len(), 1);
        assert!(failures[0].contains("TCP 2000"), "{failures:?}");
    }

    fn seen(door: look::Door, files: &[(&str, FileAnswer)]) -> FilesSeen {
        let files = files.iter().map(|(n, a)| ((*n).to_owned(), a.clone()));
        FilesSeen {
            door: Ok(door),
            certificate: None,
            files: files.collect(),
        }
    }

    #[test]
    fn a_page_in_place_of_a_list_is_kept_and_named() {
        let mut node = Node {
            name: "pub".into(),
            ..Node::default()
        };
        let html = FileAnswer::File(b"<html>\x1b".to_vec());
        let found = seen(look::Door::Open, &[("ITLFile.tlv", html)]);
        let failures = files(&mut node, Service::Http, found, true);
        assert_eq!(failures.len(), 1);
        assert!(failures[0].contains("begins with `<html>"), "{failures:?}");
        assert!(!failures[0].contains('\u{1b}'));
        assert!(node.http.reply("ITLFile.tlv").get().is_some());
        assert!(node.http.reply("CTLFile.tlv").get().is_none());
    }

    #[test]
    fn a_door_that_files_spoke_for_is_as_it_is_seen() {
        let mut node = Node::default();
        node.tftp.door = Known::Yes(Door::Open);
        let silent = || seen(look::Door::Silent, &[]);
        let failures = files(&mut node, Service::Tftp, silent(), true);
        assert_eq!(failures.len(), 1);
        assert_eq!(node.tftp.door, Known::Yes(Door::Silent));
        // What has answered in this look is there.
        let open = seen(look::Door::Open, &[]);
        assert!(files(&mut node, Service::Tftp, open, true).is_empty());
        assert_eq!(files(&mut node, Service::Tftp, silent(), false).len(), 1);
        assert_eq!(node.tftp.door, Known::Yes(Door::Open));
    }

    #[test]
    fn files_that_were_lost_for_one_reason_are_one_failure() {
        let mut node = Node::default();
        let lost = || FileAnswer::Failed("cut off".into());
        let found = seen(
            look::Door::Open,
            &[("a", lost()), ("b", lost()), ("c", lost())],
        );
        let failures = files(&mut node, Service::Tftp, found, true);
        assert_eq!(failures, ["a and 2 more files over TFTP of : cut off"]);
        let silent = seen(look::Door::Silent, &[("a", lost())]);
        let failures = files(&mut Node::default(), Service::Tftp, silent, true);
        assert_eq!(failures.len(), 1, "{failures:?}");
    }
}
