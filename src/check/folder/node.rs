//! A node out of its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::certificates::{self, Loose};
use super::pile::{Folder, Pile};
use super::said;
use super::{Draft, Options, Problems};
use crate::check::evidence::{Door, FileReply, FileService, Known, TvsService};
use crate::check::recording;
use crate::cluster::{PublicCertificate, TrustStore, is_device_name};
use crate::trust::certificate::escape_for_terminal;

/// Names of files that a node does not have.
const NOT_SERVED: &str = "not-served.txt";
/// What `utils service list` prints.
const SERVICES: &str = "services.txt";
/// The most names that `not-served.txt` may have.
const MAX_NAMES: usize = 10_000;
/// The most certificates of a trust store, or beside what a node serves: a large cluster's store has
/// some dozens.
const MAX_CERTIFICATES: usize = 1_000;
/// The most .p12 files of a cluster: each takes up to a second of work.
const MAX_P12: usize = 32;

/// How the files came to lie there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Somebody put them there, or a rehearsal did.
    ByHand,
    /// A recording has them, and the file that says what the node did with them is gone.
    Recorded,
}

/// A file with its name.
type Named<'a> = (&'a str, &'a Arc<[u8]>);

/// What lies in a node's folder.
#[derive(Default)]
struct Content<'a> {
    served: BTreeMap<String, &'a Arc<[u8]>>,
    /// Those of them that somebody fetched one by one.
    fetched: BTreeSet<String>,
    certificates: Vec<(&'a str, &'a Arc<[u8]>, bool)>,
    stores: BTreeMap<TrustStore, Vec<Named<'a>>>,
    not_served: Vec<String>,
    services: Option<&'a [u8]>,
    unused: Vec<&'a str>,
}

impl<'a> Content<'a> {
    fn sort(files: &Folder<'a>) -> Self {
        let mut content = Self::default();
        for (&path, &bytes) in files {
            let of_store = path.strip_prefix("stores/").unwrap_or(path);
            if path.ends_with('/') && store_in(of_store).is_none() {
                continue;
            }
            match path.split_once('/') {
                Some(("tftp", name)) => {
                    content.served.insert(name.to_owned(), bytes);
                }
                Some(("certificates", name)) => content.certificates.push((name, bytes, true)),
                Some(_) if store_in(of_store).is_some() => content.store(of_store, bytes),
                // What a recording lists itself.
                Some(("http" | "https" | "tls" | "tvs" | "bodies", _)) => {}
                Some(_) => content.unused.push(path),
                None => content.flat(path, bytes),
            }
        }
        content
    }

    fn store(&mut self, path: &'a str, bytes: &'a Arc<[u8]>) {
        let Some((store, file)) = store_in(path) else {
            return;
        };
        let files = self.stores.entry(store).or_default();
        if certificates::is_certificate(file) {
            files.push((file, bytes));
        }
    }

    fn flat(&mut self, name: &'a str, bytes: &'a Arc<[u8]>) {
        match name {
            SERVICES => self.services = Some(bytes),
            NOT_SERVED => self.not_served = names(bytes),
            recording::NODE | recording::TVS | recording::CLUSTER | said::PARAMETERS => {}
            _ if certificates::is_certificate(name) || certificates::is_p12(name) => {
                self.certificates.push((name, bytes, false));
            }
            _ if is_served(name) => {
                self.fetched.insert(canonical(name));
                self.served.insert(canonical(name), bytes);
            }
            _ if name.starts_with('.') => {}
            _ => self.unused.push(name),
        }
    }
}

/// The trust store and the file that a path means.
fn store_in(path: &str) -> Option<(TrustStore, &str)> {
    let (store, file) = path.split_once('/')?;
    Some((TrustStore::from_name(store)?, file))
}

/// A node as its folder has it.
pub(super) fn plain(
    name: &str,
    place: &str,
    files: &Folder<'_>,
    how: How,
    options: &Options<'_>,
    problems: &mut Problems,
) -> Draft {
    let content = Content::sort(files);
    for path in &content.unused {
        let path = escape_for_terminal(path.as_bytes());
        problems.note(format!("{place}/{path} is not used: its name says nothing"));
    }
    let doors = Doors::read(content.services, place, how);
    let mut draft = Draft::named(name, place.to_owned());
    draft.node.tftp = tftp(&content, place, &doors, how, problems);
    let (http, https) = http(&draft.node.tftp, place, how);
    draft.node.http = http;
    draft.node.https = https;
    draft.node.callmanager = doors.callmanager;
    draft.loose = loose(&content, place, options, problems);
    for (store, held) in &content.stores {
        let known = store_of(*store, held, place, problems);
        draft.node.stores.insert(*store, known);
    }
    match recording::tvs(place, files, problems) {
        // What was concluded elsewhere is concluded here from what lies here.
        Some(tvs) if how == How::Recorded || !tvs.derived => draft.node.tvs = tvs,
        None if how == How::Recorded => {
            let why = format!("{place}/{} is gone", recording::TVS);
            draft.node.tvs = TvsService::unknown(&why);
        }
        _ => {
            let why = format!("no input has it: put TVS.pem of {name} into {place}/certificates");
            draft.node.tvs.door = doors.tvs;
            draft.node.tvs.certificate = Known::No(why);
            draft.node.tvs.derived = true;
        }
    }
    if how == How::Recorded {
        // Nothing else says whose they are.
        for loose in std::mem::take(&mut draft.loose) {
            draft.own(loose.kind, &loose.certificate);
        }
    }
    draft
}

/// A node of which there is no folder.
pub(super) fn nothing_of(name: &str, options: &Options<'_>) -> Draft {
    let place = format!("{}/{name}", options.place);
    let nothing = Folder::new();
    let mut problems = Problems::default();
    plain(name, &place, &nothing, How::ByHand, options, &mut problems)
}

fn tftp(
    content: &Content<'_>,
    place: &str,
    doors: &Doors,
    how: How,
    problems: &mut Problems,
) -> FileService {
    let mut replies = BTreeMap::new();
    for (name, bytes) in &content.served {
        let reply = FileReply::File(Arc::clone(bytes));
        replies.insert(name.clone(), Known::Yes(reply));
    }
    for name in &content.not_served {
        if content.served.contains_key(name) {
            let name = escape_for_terminal(name.as_bytes());
            problems.note(format!(
                "{place}/{NOT_SERVED} names {name}, which lies there: the file counts"
            ));
            continue;
        }
        replies.insert(name.clone(), Known::Yes(FileReply::NotFound));
    }
    if how == How::ByHand {
        for list in ["CTL", "ITL"] {
            for_every_phone(list, &content.fetched, &mut replies, place, problems);
        }
    }
    let concluded = doors.tftp.get().is_none() && how == How::ByHand && !content.served.is_empty();
    let door = match concluded {
        true => Known::Yes(Door::Open),
        false => doors.tftp.clone(),
    };
    let others = match how {
        How::ByHand => format!(
            "no input has it: put it into {place}, or name it in {place}/{NOT_SERVED} if the node \
             does not have it"
        ),
        How::Recorded => gone(place),
    };
    FileService {
        door,
        concluded,
        certificate: None,
        replies,
        others: Known::No(others),
    }
}

/// A list that was fetched under a phone's name alone stands for the node's: CUCM serves the same
/// bytes under both.
fn for_every_phone(
    list: &str,
    fetched: &BTreeSet<String>,
    replies: &mut BTreeMap<String, Known<FileReply>>,
    place: &str,
    problems: &mut Problems,
) {
    let general = format!("{list}File.tlv");
    if replies.contains_key(&general) {
        return;
    }
    let is_of_phone = |name: &str| {
        let device = name.strip_prefix(list).and_then(|n| n.strip_suffix(".tlv"));
        device.is_some_and(is_device_name) && fetched.contains(name)
    };
    let all = replies.iter().filter(|(name, _)| is_of_phone(name));
    let mut lists = all.filter_map(|(name, reply)| Some((name, reply.get()?.file()?)));
    let Some((name, first)) = lists.next() else {
        return;
    };
    if let Some((other, _)) = lists.find(|(_, bytes)| *bytes != first) {
        let text = format!(
            "{place}: {name} and {other} are different lists, so neither is taken for the node's; \
             put {general} there"
        );
        problems.fail(text);
        return;
    }
    let text =
        format!("{place}: {name} is taken for {general}, as the node serves one list to all");
    let list = FileReply::File(Arc::clone(first));
    problems.note(text);
    replies.insert(general, Known::Yes(list));
}

/// A node's TFTP service hands the same files out over HTTP (inferred: usecallmanager.nz; Cisco's
/// port list gives 6970 to the TFTP service). Of HTTPS a folder tells nothing, and it counts as
/// refused: a phone then takes the same file over HTTP or TFTP.
fn http(tftp: &FileService, place: &str, how: How) -> (FileService, FileService) {
    if how == How::Recorded {
        let unknown = || FileService {
            door: Known::No(gone(place)),
            others: Known::No(gone(place)),
            ..FileService::default()
        };
        return (unknown(), unknown());
    }
    let refused = FileService {
        door: tftp
            .door
            .get()
            .map_or_else(|| tftp.door.clone(), |_| Known::Yes(Door::Refused)),
        others: tftp.others.clone(),
        ..FileService::default()
    };
    let http = FileService {
        door: match tftp.door {
            Known::Yes(Door::Silent) => Known::Yes(Door::Refused),
            _ => tftp.door.clone(),
        },
        ..tftp.clone()
    };
    (http, refused)
}

fn gone(place: &str) -> String {
    format!("{place}/{} is gone, which said it", recording::NODE)
}

fn loose(
    content: &Content<'_>,
    place: &str,
    options: &Options<'_>,
    problems: &mut Problems,
) -> Vec<Loose> {
    let mut all = Vec::new();
    let mut exports = 0;
    for (name, bytes, is_own) in &content.certificates {
        let shown = escape_for_terminal(name.as_bytes());
        let path = if *is_own {
            format!("{place}/certificates/{shown}")
        } else {
            format!("{place}/{shown}")
        };
        let read = if certificates::is_p12(name) {
            exports += 1;
            if exports > MAX_P12 {
                problems.fail(format!(
                    "{path} is not used: the limit is {MAX_P12} .p12 files"
                ));
                continue;
            }
            certificates::exported(name, &path, bytes, options.passwords)
        } else if certificates::is_certificate(name) {
            certificates::loose(name, &path, bytes, *is_own)
        } else {
            continue;
        };
        match read {
            Ok(read) => all.extend(read),
            Err(why) => problems.fail(format!("{path}: {why}")),
        }
        if all.len() > MAX_CERTIFICATES {
            problems.fail(format!(
                "{place}: more than the limit of {MAX_CERTIFICATES} certificates; the rest is not used"
            ));
            break;
        }
    }
    all
}

/// What a trust store holds; unknown as a whole if one of its files cannot be read.
fn store_of(
    store: TrustStore,
    files: &[Named<'_>],
    place: &str,
    problems: &mut Problems,
) -> Known<Vec<Arc<PublicCertificate>>> {
    let mut held: Vec<Arc<PublicCertificate>> = Vec::new();
    if files.len() > MAX_CERTIFICATES {
        let why =
            format!("{place}, {store}: more than the limit of {MAX_CERTIFICATES} certificates");
        problems.fail(why.clone());
        return Known::No(why);
    }
    for (file, bytes) in files {
        let path = format!("{place}, {store}, {}", escape_for_terminal(file.as_bytes()));
        match certificates::certificates_of(bytes) {
            Ok(read) => held.extend(read),
            Err(why) => {
                problems.fail(format!("{path}: {why}; put the certificate there again"));
                return Known::No(format!("{path}: {why}"));
            }
        }
    }
    Known::Yes(held)
}

/// The stores that lie beside the nodes' folders: those that replicate are every node's. CAPF-trust
/// stays where it was filled; a rehearsal leaves the publisher's there.
pub(super) fn shared_stores(
    pile: &Pile<'_>,
    drafts: &mut [Draft],
    options: &Options<'_>,
    problems: &mut Problems,
) {
    let shared = Content::sort(&pile.root).stores;
    let publisher = said::publisher(drafts);
    for store in TrustStore::ALL {
        let beside = shared.get(&store);
        let beside = beside.map(|files| store_of(store, files, options.place, problems));
        for (at, draft) in drafts.iter_mut().enumerate() {
            let place = &draft.place;
            let is_here = store.replicates() || publisher == Some(at);
            let why = match &beside {
                Some(_) if !is_here => format!(
                    "{}/stores/{store} is one node's, and this may be another: put its own into \
                     {place}/stores/{store}",
                    options.place
                ),
                _ if store.replicates() => format!(
                    "no input has it: put its certificates into {}/stores/{store}, or leave that \
                     folder empty if it has none",
                    options.place
                ),
                _ => format!("no input has it: put its certificates into {place}/stores/{store}"),
            };
            let held = &mut draft.node.stores;
            let known = beside.as_ref().filter(|_| is_here);
            held.entry(store)
                .or_insert_with(|| known.cloned().unwrap_or(Known::No(why)));
        }
    }
}

/// The node whose files lie at the top, and the certificates that may be any node's.
pub(super) fn root(
    pile: &Pile<'_>,
    drafts: &mut Vec<Draft>,
    options: &Options<'_>,
    problems: &mut Problems,
) -> Vec<Loose> {
    let content = Content::sort(&pile.root);
    let is_node = drafts.is_empty() || content.served.keys().any(|n| n != said::CACHE_LIST);
    if !is_node {
        if content.services.is_some() {
            let place = options.place;
            problems.fail(format!(
                "{place}/{SERVICES} does not say whose services it lists: put it into the folder of \
                 its node"
            ));
        }
        return loose(&content, options.place, options, problems);
    }
    let is_empty = content.served.is_empty()
        && content.certificates.is_empty()
        && content.stores.is_empty()
        && content.services.is_none()
        && content.not_served.is_empty();
    if is_empty {
        return Vec::new();
    }
    let mut draft = plain(
        options.name,
        options.place,
        &pile.root,
        How::ByHand,
        options,
        problems,
    );
    if let Some(name) = said::name_in_lists(&draft.node) {
        draft.node.name = name;
    }
    if draft.node.tftp.replies.is_empty() && content.stores.is_empty() && content.services.is_none()
    {
        // Certificates alone name their nodes themselves.
        return std::mem::take(&mut draft.loose);
    }
    if drafts.iter().any(|d| d.node.is_host(&draft.node.name)) {
        problems.fail(format!(
            "{} holds files of {} that lie outside its folder: put them there",
            options.place, draft.node.name
        ));
        return std::mem::take(&mut draft.loose);
    }
    let pool = draft.loose.extract_if(.., |l| !l.is_own).collect();
    drafts.push(draft);
    pool
}

/// Names that no node has.
pub(super) fn not_served_anywhere(pile: &Pile<'_>, drafts: &mut [Draft]) {
    if pile.nodes.is_empty() {
        return;
    }
    for name in Content::sort(&pile.root).not_served {
        for node in drafts.iter_mut().map(|d| &mut d.node) {
            for service in [&mut node.tftp, &mut node.http] {
                let entry = service.replies.entry(name.clone());
                entry.or_insert(Known::Yes(FileReply::NotFound));
            }
        }
    }
}

/// Whether the services of a node run.
struct Doors {
    tftp: Known<Door>,
    tvs: Known<Door>,
    callmanager: Known<Door>,
}

impl Doors {
    /// Names and states as `utils service list` prints them: `Cisco Tftp[STARTED]`. A service that
    /// was stopped leaves its port closed.
    fn read(list: Option<&[u8]>, place: &str, how: How) -> Self {
        let text = list.map(String::from_utf8_lossy);
        let state_of = |service: &str| {
            let mut lines = text.as_deref()?.lines().take(MAX_NAMES);
            lines.find_map(|line| {
                let (name, rest) = line.split_once('[')?;
                let (state, _) = rest.split_once(']')?;
                let is_it = name.trim().eq_ignore_ascii_case(service);
                is_it.then(|| state.trim().to_ascii_uppercase())
            })
        };
        let door = |service: &str, closed: Door| match state_of(service).as_deref() {
            _ if how == How::Recorded => Known::No(gone(place)),
            Some("STARTED") => Known::Yes(Door::Open),
            Some("STOPPED") => Known::Yes(closed),
            Some(other) => Known::No(format!(
                "{place}/{SERVICES} says {}: save the list again when it has settled",
                escape_for_terminal(other.as_bytes())
            )),
            None => Known::No(format!(
                "no input says whether {service} runs there: save what `utils service list` prints \
                 as {place}/{SERVICES}"
            )),
        };
        Self {
            // Nobody says of UDP that nobody listens.
            tftp: door("Cisco Tftp", Door::Silent),
            tvs: door("Cisco Trust Verification Service", Door::Refused),
            callmanager: door("Cisco CallManager", Door::Refused),
        }
    }
}

/// One name a line; what follows `#` is a remark.
fn names(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = text.lines().take(MAX_NAMES);
    let names = lines.map(|line| line.split('#').next().unwrap_or_default().trim());
    let is_name = |name: &&str| !name.is_empty() && name.len() <= 255;
    names.filter(is_name).map(canonical).collect()
}

/// A name as CUCM knows it, which compares letters exactly: some systems change their case.
fn canonical(name: &str) -> String {
    const FIXED: [&str; 5] = [
        "ITLFile.tlv",
        "CTLFile.tlv",
        "XMLDefault.cnf.xml",
        "XMLDefault.cnf.xml.sgn",
        said::CACHE_LIST,
    ];
    if let Some(fixed) = FIXED.into_iter().find(|f| f.eq_ignore_ascii_case(name)) {
        return fixed.to_owned();
    }
    let of_device = |prefix: &str| {
        let (start, rest) = name.split_at_checked(prefix.len())?;
        let (device, ending) = rest.split_at_checked(15)?;
        let device = device.to_ascii_uppercase();
        let is_it = start.eq_ignore_ascii_case(prefix) && is_device_name(&device);
        is_it.then(|| format!("{prefix}{device}{}", ending.to_ascii_lowercase()))
    };
    let found = ["CTL", "ITL", ""].into_iter().find_map(of_device);
    found.unwrap_or_else(|| name.to_owned())
}

/// True of a name that a file has which phones are served.
fn is_served(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let ends = [".tlv", ".sgn", ".xml", ".jar", ".raw", ".loads", ".sbn"];
    name.eq_ignore_ascii_case(said::CACHE_LIST) || ends.iter().any(|e| lower.ends_with(e))
}
