//! The laws of every run: no built-in scenario breaks one, and each is broken by a record of a run
//! that was tampered with, so each can fail.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use trustline::cluster::NodeId;
use trustline::event::{Event, Kind};
use trustline::phone::power::BootEnd;
use trustline::phone::{Flash, PhoneSetup};
use trustline::scenario::invariants::{Law, Laws, MOOT};
use trustline::scenario::run::{Rehearsed, rehearse_watched};
use trustline::scenario::{self, Rules, Scenario};
use trustline::sim::Witness;
use trustline::time::Time;
use trustline::trust::rules::{Basis, Key, RULES, rule};
use trustline::wire::tvs::{Message, Tags};
use trustline::wire::{Strictness, TrustList};

const ITL: &str = "ITLFile.tlv";

fn read(path: &str) -> Scenario {
    let text = std::fs::read_to_string(path).unwrap();
    scenario::parse(path, &text, &Rules).unwrap()
}

fn built_in(name: &str) -> Scenario {
    read(&format!(
        "{}/scenarios/{name}.toml",
        env!("CARGO_MANIFEST_DIR")
    ))
}

#[test]
fn no_built_in_scenario_breaks_a_law() {
    let folder = format!("{}/scenarios", env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        let mut laws = Laws::new();
        rehearse_watched(&read(path.to_str().unwrap()), None, &mut laws).unwrap();
        let broken = laws.into_broken();
        assert!(broken.is_empty(), "{}: {broken:?}", path.display());
        seen += 1;
    }
    assert!(seen > 20, "the scenarios are not where they were");
}

/// What a witness saw of one phone.
#[derive(Clone)]
#[allow(clippy::large_enum_variant, reason = "one record in a test")]
enum Seen {
    Boot(Time, Box<PhoneSetup>, Flash),
    Flash(Time, Flash, Flash),
    Tvs(Time, NodeId, Vec<u8>, Vec<u8>),
    Over(Time, BootEnd, Flash),
    Event(Event),
}

#[derive(Default)]
struct Recorder(Vec<Seen>);

impl Witness for Recorder {
    fn boot(&mut self, at: Time, _: &str, setup: &PhoneSetup, flash: &Flash) {
        self.0
            .push(Seen::Boot(at, Box::new(setup.clone()), flash.clone()));
    }

    fn flash(&mut self, at: Time, _: &str, before: &Flash, after: &Flash, _: bool) {
        self.0.push(Seen::Flash(at, before.clone(), after.clone()));
    }

    fn tvs(&mut self, at: Time, _: &str, node: NodeId, request: &[u8], answer: &[u8]) {
        self.0
            .push(Seen::Tvs(at, node, request.to_vec(), answer.to_vec()));
    }

    fn over(&mut self, at: Time, _: &str, end: BootEnd, flash: &Flash) {
        self.0.push(Seen::Over(at, end, flash.clone()));
    }

    fn event(&mut self, event: &Event) {
        self.0.push(Seen::Event(event.clone()));
    }
}

/// The record of one phone.
struct Record {
    seen: Vec<Seen>,
    rehearsed: Rehearsed,
    device: String,
    /// A rule that the laws read otherwise than the phone did.
    read_as: Option<(Key, i64)>,
}

impl Record {
    /// Of a phone that migrates by a TVS answer.
    fn make() -> Self {
        let mut scenario = built_in("non-secure-migration");
        scenario.phones[0].count = 1;
        scenario.expectations.clear();
        Self::of(&scenario, None)
    }

    /// Of the first phone of a scenario, under a rule.
    fn of(scenario: &Scenario, forced: Option<(Key, i64)>) -> Self {
        let mut recorder = Recorder::default();
        let rehearsed = rehearse_watched(scenario, forced, &mut recorder).unwrap();
        let device = rehearsed.phones[0].setup.identity.device.clone();
        Self {
            seen: recorder.0,
            rehearsed,
            device,
            read_as: None,
        }
    }

    /// The laws that the record breaks, each thing that was seen changed as `tamper` says.
    fn broken(&self, mut tamper: impl FnMut(Seen) -> Vec<Seen>) -> BTreeSet<Law> {
        let mut laws = Laws::new();
        laws.lab(Time::ZERO, 0, &self.rehearsed.lab());
        let device = &self.device;
        for seen in self.seen.iter().cloned().flat_map(&mut tamper) {
            match seen {
                Seen::Boot(at, mut setup, flash) => {
                    if let Some((key, value)) = self.read_as {
                        setup.settings.set(key, value, Basis::Assumed);
                    }
                    laws.boot(at, device, &setup, &flash);
                }
                Seen::Flash(at, before, after) => laws.flash(at, device, &before, &after, false),
                Seen::Tvs(at, node, request, answer) => {
                    laws.tvs(at, device, node, &request, &answer);
                }
                Seen::Over(at, end, flash) => laws.over(at, device, end, &flash),
                Seen::Event(event) => laws.event(&event),
            }
        }
        laws.into_broken().into_iter().map(|b| b.law).collect()
    }

    /// The same with the TVS exchange changed alone.
    fn with_tvs(&self, change: impl Fn(&mut NodeId, &mut Vec<u8>, &mut Vec<u8>)) -> BTreeSet<Law> {
        self.broken(|seen| match seen {
            Seen::Tvs(at, mut node, mut request, mut answer) => {
                change(&mut node, &mut request, &mut answer);
                vec![Seen::Tvs(at, node, request, answer)]
            }
            other => vec![other],
        })
    }

    /// The same with the ITL changed that the migrating boot leaves, after each operation on it.
    fn with_new_itl(&self, change: impl Fn(&mut Vec<u8>)) -> BTreeSet<Law> {
        self.broken(|seen| match seen {
            Seen::Flash(at, before, mut after)
                if before.get(ITL).is_some() && before.get(ITL) != after.get(ITL) =>
            {
                let mut bytes = after.get(ITL).unwrap().to_vec();
                change(&mut bytes);
                after.put(ITL, bytes.into());
                vec![Seen::Flash(at, before, after)]
            }
            other => vec![other],
        })
    }

    fn flash_at_home(&self) -> Flash {
        self.rehearsed.phones[0].before.clone()
    }
}

/// Changes the value of an element of a message.
fn set_element(message: &mut Vec<u8>, tag: u8, value: &[u8]) {
    let mut parsed = Message::parse(message, &Tags::default()).unwrap();
    let element = parsed.elements.iter_mut().find(|e| e.tag == tag).unwrap();
    element.value = value.to_vec();
    *message = parsed.emit().unwrap();
}

fn without_itl(flash: &Flash) -> Flash {
    let mut left = Flash::default();
    for (name, bytes) in flash.files().filter(|(name, _)| *name != ITL) {
        left.put(name, Arc::clone(bytes));
    }
    left
}

#[test]
fn the_record_as_it_is_breaks_nothing() {
    assert_eq!(Record::make().broken(|seen| vec![seen]), BTreeSet::new());
}

/// For each law that one run can break, what a record breaks that was changed to break it.
fn breaches(record: &Record) -> Vec<(Law, BTreeSet<Law>)> {
    let tags = Tags::default();
    let mut shown = Vec::new();
    let mut check = |law: Law, broken: BTreeSet<Law>| shown.push((law, broken));

    let nobody_vouches = |seen| match seen {
        Seen::Tvs(..) => vec![],
        other => vec![other],
    };
    check(Law::SignerTrusted, record.broken(nobody_vouches));
    check(
        Law::AnswerInRole,
        record.with_tvs(|_, _, answer| set_element(answer, tags.roles, &[3])),
    );
    let another = record.rehearsed.lab();
    let another_node = another.host("src-pub").unwrap();
    let certificate = another.tvs_identity(another_node).unwrap().certificate;
    let destination = another.host("dst-pub").unwrap();
    drop(another);
    let certificate_tag = 2;
    check(
        Law::AnswerForItsCertificate,
        record.with_tvs(|_, _, answer| set_element(answer, certificate_tag, &certificate)),
    );
    let another_cluster = record.with_tvs(|node, _, _| *node = destination);
    check(Law::ServerInLists, another_cluster.clone());
    check(Law::AnswerOfOwnCluster, another_cluster);

    // Two days later, and for another file than the one that waited.
    let too_late = record.broken(|seen| match seen {
        Seen::Flash(at, before, after) => {
            let list = Kind::ListRefused {
                list: "CTL".into(),
                file: String::new(),
                signer: None,
                reasons: Vec::new(),
            };
            let decided = Event {
                at,
                actor: record.device.clone(),
                kind: list,
            };
            let later = at + Duration::from_secs(2 * 86_400);
            vec![Seen::Event(decided), Seen::Flash(later, before, after)]
        }
        other => vec![other],
    });
    check(Law::AnswerInTime, too_late);

    let installed = record.flash_at_home();
    let bytes = installed.get(ITL).unwrap();
    let own = TrustList::parse(bytes, &Strictness::default()).unwrap();
    let [_, issuer, serial] = own.header.signer();
    let named = [issuer, &[0]].concat();
    let about_a_known_one = record.with_tvs(|_, request, _| {
        set_element(request, tags.issuer, &named);
        set_element(request, tags.serial, serial);
    });
    check(Law::TvsNotNeeded, about_a_known_one);

    check(
        Law::ListsWhole,
        record.with_new_itl(|itl| itl.truncate(itl.len() / 2)),
    );
    check(
        Law::SignatureHolds,
        record.with_new_itl(|itl| *itl.last_mut().unwrap() ^= 1),
    );
    let lost = record.broken(|seen| match seen {
        Seen::Over(at, end, flash) => vec![Seen::Over(at, end, without_itl(&flash))],
        other => vec![other],
    });
    check(Law::ListsKept, lost);

    let unmarked = record.broken(|seen| match seen {
        Seen::Event(mut event) => {
            if let Kind::ListInstalled { how, .. } = &mut event.kind {
                *how = "signer".into();
            }
            vec![Seen::Event(event)]
        }
        other => vec![other],
    });
    check(Law::LeapMarked, unmarked);

    let of_a_stranger = record.broken(|seen| match seen {
        Seen::Event(mut event) => {
            if let Kind::ConfigAccepted {
                signer: Some(signer),
                ..
            } = &mut event.kind
            {
                signer.serial = "0102030405060708".into();
            }
            vec![Seen::Event(event)]
        }
        other => vec![other],
    });
    check(Law::ConfigurationTrusted, of_a_stranger);

    let endless = record.broken(|seen| match seen {
        Seen::Over(at, _, flash) => vec![Seen::Over(at, BootEnd::Overdue, flash)],
        other => vec![other],
    });
    check(Law::BootEnds, endless);

    check(Law::SignerInRole, signer_in_another_role(record));
    shown
}

#[test]
fn every_law_is_broken_by_the_record_that_breaks_it() {
    let mut shown = BTreeSet::new();
    for (law, broken) in breaches(&Record::make()) {
        assert!(broken.contains(&law), "{law}: {broken:?}");
        shown.insert(law);
    }
    // It compares two runs: broken on purpose beside its code, and in tests/planted_defects.rs.
    shown.insert(Law::MigratesAfterFaults);
    assert_eq!(shown, Law::ALL.into_iter().collect());
}

/// Under no other setting than the table's is a law silent about what breaks it.
#[test]
fn nothing_but_the_table_lifts_a_law() {
    let mut record = Record::make();
    let mut tried = 0;
    for rule in RULES {
        for value in rule.others(rule.default) {
            record.read_as = Some((rule.key, value));
            // The run as it was does not fit the rule, and is found so.
            if !record.broken(|seen| vec![seen]).is_empty() {
                continue;
            }
            for (law, broken) in breaches(&record) {
                let is_lifted = |(key, moot, of, _): &(Key, i64, Law, &str)| {
                    (*key, *moot, *of) == (rule.key, value, law)
                };
                let is_lifted = MOOT.iter().any(is_lifted);
                assert!(
                    is_lifted || broken.contains(&law),
                    "{} = {} lifts {law}, and the table does not say so",
                    rule.name,
                    rule.text_of(value)
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

/// A move whose phone gets through by a setting alone.
fn moved_by(key: Key) -> Scenario {
    let rollback = |cluster: &str| {
        format!(
            "[[step]]\ndo = \"set-parameter\"\ncluster = \"{cluster}\"\nname = \"prepare-cluster-for-rollback\"\nvalue = true\n"
        )
    };
    let reset = "[[step]]\ndo = \"reset-phones\"\n";
    let exchange =
        "[[step]]\ndo = \"trust-certificates\"\nfrom = \"destination\"\ninto = \"source\"\n";
    let (source, destination, steps, boot) = match key {
        // Its first boot is all that it takes.
        Key::LeapOfFaith => ("", "", String::new(), reset),
        Key::FirstContactSelfSignature => (
            "",
            "",
            "[[step]]\ndo = \"damage-file\"\nnode = \"dst-pub\"\nfile = \"itl\"\nhow = \"flip-bit\"\n"
                .to_owned(),
            "[[step]]\ndo = \"factory-reset\"\n",
        ),
        Key::FirstCtlChecked => ("", "mode = \"mixed\"", String::new(), reset),
        Key::EmptyItl => ("", "", rollback("source") + reset, reset),
        Key::RollbackWithCtl => ("mode = \"mixed\"", "", rollback("source") + reset, reset),
        Key::TvsRoleRequired => (
            "",
            "",
            "[[step]]\ndo = \"upload-certificate\"\nfrom = \"destination\"\ncertificate = \"ITLRecovery\"\ninto = \"source\"\nstore = \"CallManager-trust\"\n"
                .to_owned(),
            reset,
        ),
        // The list of the destination has no TVS, and the answer of the source outlives it.
        Key::TvsCacheFlush => (
            "mode = \"mixed\"",
            "",
            rollback("destination") + exchange,
            reset,
        ),
        _ => panic!("no scenario for {key:?}"),
    };
    let release = if key == Key::TvsRoleRequired {
        "12.5"
    } else {
        "11.5.1"
    };
    let text = format!(
        r#"format = 1
name = "by a setting alone"
source = "none: made for a test"
date = 2020-03-01T09:00:00Z
[cluster.source]
release = "10.5.2"
nodes = [{{ name = "src-pub", services = ["publisher", "tftp", "tvs"] }}]
{source}
[cluster.destination]
release = "{release}"
nodes = [{{ name = "dst-pub", services = ["publisher", "tftp", "tvs"] }}]
{destination}
[[phones]]
count = 1
model = "CP-8861"
cluster = "source"
{steps}
[[step]]
do = "set-option-150"
to = ["dst-pub"]
{boot}"#
    );
    scenario::parse("by a setting", &text, &Rules).unwrap_or_else(|e| panic!("{}", e[0]))
}

/// Each row of the table is there for a run that would break its law under any other setting.
#[test]
fn every_row_of_the_table_is_needed() {
    for &(key, value, law, _) in MOOT {
        let name = rule(key).name;
        let mut record = Record::of(&moved_by(key), Some((key, value)));
        let broken = record.broken(|seen| vec![seen]);
        assert_eq!(broken, BTreeSet::new(), "{name}");
        for other in rule(key).others(value) {
            record.read_as = Some((key, other));
            let broken = record.broken(|seen| vec![seen]);
            assert!(broken.contains(&law), "{name}: {broken:?}");
        }
    }
}

/// The installed ITL holds the new one's signer, but not as SAST, and nobody else vouches for it.
fn signer_in_another_role(record: &Record) -> BTreeSet<Law> {
    let last = record.rehearsed.phones[0].flash.clone();
    let new = last.get(ITL).unwrap();
    let new = TrustList::parse(new, &Strictness::default())
        .unwrap()
        .to_owned();
    let old = record.flash_at_home();
    let old_bytes = old.get(ITL).unwrap();
    let mut list = TrustList::parse(old_bytes, &Strictness::default())
        .unwrap()
        .to_owned();
    let only_files = |role| role == trustline::wire::Role::Tftp;
    list.records
        .extend(new.records.iter().filter(|r| only_files(r.role())).cloned());
    let odd: Arc<[u8]> = list.emit().unwrap().into();
    let with_odd = |flash: &Flash| {
        let mut flash = flash.clone();
        if flash.get(ITL) == Some(old_bytes) {
            flash.put(ITL, Arc::clone(&odd));
        }
        flash
    };
    record.broken(|seen| match seen {
        Seen::Tvs(..) => vec![],
        Seen::Boot(at, setup, flash) => vec![Seen::Boot(at, setup, with_odd(&flash))],
        Seen::Flash(at, before, after) => {
            vec![Seen::Flash(at, with_odd(&before), with_odd(&after))]
        }
        other => vec![other],
    })
}
