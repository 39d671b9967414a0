//! What a good scenario says.

use std::collections::BTreeSet;
use std::time::Duration;

use trustline::scenario::SettingValue;
use trustline::scenario::model::{Action, FlashWrite, ListOwner, Target};
use trustline::scenario::settings::apply_overrides;
use trustline::scenario::words::{
    ClosedWord, Damage, FirmwareProfile, FlashFile, Mode, Service, Verb, Verdict,
};

use crate::{Known, SAMPLE, error, good, shown, with};

#[test]
fn the_sample_parses() {
    let scenario = good(SAMPLE);
    assert_eq!(
        scenario.name.value,
        "Non-secure migration, 10.5.2 to 11.5.1"
    );
    assert_eq!(scenario.date.value, 1_583_053_200);
    assert_eq!(scenario.seed, 1);
    let ids: Vec<&str> = scenario
        .clusters
        .iter()
        .map(|cluster| cluster.id.as_str())
        .collect();
    assert_eq!(
        ids,
        ["source", "destination"],
        "clusters keep the order of the file"
    );
    let source = scenario.cluster("source").unwrap();
    assert_eq!(
        (source.release.as_str(), source.mode),
        ("10.5.2", Mode::NonSecure)
    );
    assert_eq!(
        source.parameters[0].name.value,
        "prepare-cluster-for-rollback"
    );
    assert_eq!(source.publisher().unwrap().name.value, "src-pub");
    assert!(
        source
            .nodes
            .iter()
            .all(|node| node.runs(Service::CallManager))
    );
    let group: Vec<&str> = source
        .callmanager_group
        .iter()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(group, ["src-pub", "src-sub"]);
    assert_eq!(scenario.node("dst-pub").unwrap().0.id.value, "destination");
    assert_eq!(scenario.phone_count(), 5);
    assert_eq!(
        scenario.phone(5).unwrap().profile,
        FirmwareProfile::Series8800
    );
    assert!(scenario.phone(6).is_none());
    assert_eq!(scenario.settings[0].value.value, SettingValue::Flag(true));
    let verbs: Vec<Verb> = scenario.steps.iter().map(|step| step.verb).collect();
    assert_eq!(
        verbs,
        [
            Verb::TrustCertificates,
            Verb::SetOption150,
            Verb::ResetPhones
        ]
    );
    let Action::ResetPhones { phones } = &scenario.steps[2].action else {
        panic!()
    };
    assert_eq!(phones.resolve(&scenario.phones), [1, 2, 3, 4, 5]);
    let expectation = &scenario.expectations[0];
    assert_eq!(
        expectation.verdict.as_ref().unwrap().value,
        Verdict::Migrated
    );
    assert_eq!(expectation.tvs_asked.as_ref().unwrap().value, 1);
    assert_eq!(expectation.status[0].value, "Trust List updated");
    // Places are in the text.
    let span = expectation.status[0].span;
    assert_eq!(&SAMPLE[span.start..span.end], "\"Trust List updated\"");
    let span = scenario.steps[1].span;
    assert_eq!(&SAMPLE[span.start..span.end], "[[step]]");
}

#[test]
fn every_step_and_every_expectation_parses() {
    let text = r#"
format = 1
name = "All of it"
source = "nowhere"
date = 2020-03-01T09:00:00+01:00
seed = 18446744073709551615

[cluster.a]
release = "12.5"
mode = "mixed"
parameters = { tftp-file-signature-algorithm = "sha512" }
nodes = [
  { name = "a1", services = ["publisher", "tftp", "tvs", "capf"] },
  { name = "a2", services = ["tftp", "tvs", "callmanager"] },
]
callmanager-group = ["a2"]

[cluster.b]
release = "15"
nodes = [{ name = "b1.lab", services = ["publisher", "tftp"] }]

[[phones]]
name = "lobby"
count = 2
model = "CP-7945G"
cluster = "a"
security = "encrypted"
lsc = true
[[phones]]
count = 1
model = "CP-6945"
profile = "7900"
cluster = "b"

[settings.tvs]
miss = "close"

[[step]]
do = "trust-certificates"
from = "a"
into = "b"
certificates = ["CallManager", "ITLRecovery", "CAPF", "Tomcat"]
nodes = ["a1"]
stores = ["Phone-SAST-trust", "CallManager-trust", "CAPF-trust", "tomcat-trust"]
[[step]]
do = "set-option-150"
to = ["a1", "b1.lab"]
phones = ["lobby", 3]
[[step]]
do = "reset-phones"
phones = "1-2"
[[step]]
do = "erase-lists"
phones = "3"
[[step]]
do = "factory-reset"
phones = "3"
[[step]]
do = "stop-service"
node = "a1"
service = "capf"
[[step]]
do = "start-service"
cluster = "a"
service = "tvs"
[[step]]
do = "restart-service"
cluster = "b"
service = "callmanager"
[[step]]
do = "switch-off"
cluster = "a"
[[step]]
do = "switch-on"
node = "a1"
[[step]]
do = "set-parameter"
cluster = "a"
name = "prepare-cluster-for-rollback"
value = true
[[step]]
do = "regenerate-certificate"
node = "a2"
certificate = "TVS"
[[step]]
do = "update-ctl"
cluster = "a"
[[step]]
do = "damage-file"
node = "a2"
file = "ctl"
how = "flip-bit"
at = 100
[[step]]
do = "http-answers"
node = "a2"
file = "itl"
status = 503
[[step]]
do = "keep-old-files"
node = "b1.lab"
[[step]]
do = "remove-phones"
phones = "lobby"
cluster = "b"
[[step]]
do = "power-cut"
at = "inside"
write = "itl"
[[step]]
do = "power-cut"
at = "after"
write = 3
[[step]]
do = "wait"
seconds = 0.5
[[step]]
do = "note"
text = "done"

[[step]]
do = "upload-certificate"
from = "b1.lab"
certificate = "CAPF"
into = "a"
store = "CAPF-trust"
[[step]]
do = "bulk-sftp"
cluster = "a"
host = "sftp.lab"
port = 2022
user = "bulk"
password = "lab"
directory = "/bulk"
[[step]]
do = "bulk-export"
cluster = "a"
type = "TFTP"
result = "done"
[[step]]
do = "bulk-consolidate"
cluster = "a"
result = "refused"
[[step]]
do = "bulk-import"
cluster = "a"
node = "a2"
[[step]]
do = "bulk-fault"
kind = "clear"

[[step]]
do = "set-link"
nodes = ["a2"]
loss = 12.5
latency = "30ms"
[[step]]
do = "clear-links"
after = "0.5s"
[[step]]
do = "jump-clock"
by = "-30m"
phones = "lobby"
[[step]]
do = "reset-phones"

[[step]]
do = "set-option-66"
to = "a1"
beside-150 = true
phones = 1
[[step]]
do = "renew-leases"
[[step]]
do = "stop-dhcp"
[[step]]
do = "start-dhcp"
[[step]]
do = "add-phones"
phones = "lobby"
cluster = "b"

[[expect]]
phones = ["lobby", "3"]
verdict = "stranded"
reason = "role-missing"
status = ["Trust List update failed"]
tvs-asked = 0
requests = ["CTLSEP*.tlv", "ITLSEP*.tlv"]
silent = ["ITLFile.tlv"]
ctl = "none"
itl = "a"
follows = "b1.lab"
rests-on = "assumed"
events = ['status text="Trust List update failed"', "request"]
"#;
    let scenario = good(text);
    assert_eq!(scenario.seed, u64::MAX);
    assert_eq!(scenario.date.value, 1_583_053_200 - 3_600);
    let a = scenario.cluster("a").unwrap();
    assert!(
        !a.node("a1").unwrap().runs(Service::CallManager),
        "a2 alone lists it"
    );
    assert_eq!(a.callmanager_group.len(), 1);
    assert_eq!(
        scenario.phone(3).unwrap().profile,
        FirmwareProfile::Series7900
    );
    assert_eq!(scenario.settings[0].name.value, "tvs.miss");

    let used: BTreeSet<Verb> = scenario.steps.iter().map(|step| step.verb).collect();
    let all: BTreeSet<Verb> = Verb::ALL.iter().copied().collect();
    assert_eq!(used, all, "each verb has a step in this test");
    let Action::SetOption150 { phones, .. } = &scenario.steps[1].action else {
        panic!()
    };
    assert_eq!(phones.resolve(&scenario.phones), [1, 2, 3]);
    let Action::DamageFile {
        how: Damage::FlipBit,
        at: Some(100),
        ..
    } = scenario.steps[13].action
    else {
        panic!()
    };
    let Action::PowerCut {
        write: FlashWrite::Of(FlashFile::Itl),
        ..
    } = scenario.steps[17].action
    else {
        panic!()
    };
    let Action::PowerCut {
        write: FlashWrite::Nth(3),
        ..
    } = scenario.steps[18].action
    else {
        panic!()
    };
    assert_eq!(
        scenario.steps[19].action,
        Action::Wait {
            duration: Duration::from_millis(500)
        }
    );

    let expectation = &scenario.expectations[0];
    assert_eq!(expectation.ctl.as_ref().unwrap().value, ListOwner::Nobody);
    assert_eq!(
        expectation.itl.as_ref().unwrap().value,
        ListOwner::Cluster("a".to_owned())
    );
    assert!(matches!(&expectation.follows, Some(Target::Node(name)) if name.value == "b1.lab"));
    assert!(expectation.requests[0].matches("CTLSEP001122334401.tlv"));
    assert_eq!(expectation.events[0].fields.len(), 1);
}

#[test]
fn numbers_may_be_written_in_every_way_of_toml() {
    let steps = "[[step]]\ndo = \"wait\"\nseconds = 1_000.5\n\
                 [[step]]\ndo = \"wait\"\nseconds = 0x10\n\
                 [[step]]\ndo = \"wait\"\nseconds = 31_622_400\n\
                 [settings]\nlist.max_bytes = 0o17\n";
    let scenario = good(&with(steps).replace("count = 5", "count = 1_0"));
    assert_eq!(scenario.phone_count(), 10);
    assert_eq!(scenario.settings[0].value.value, SettingValue::Number(15));
    let waits: Vec<Action> = scenario.steps.into_iter().map(|step| step.action).collect();
    assert_eq!(
        waits,
        [1_000_500, 16_000, 31_622_400_000].map(|ms| Action::Wait {
            duration: Duration::from_millis(ms)
        })
    );
}

#[test]
fn a_node_may_run_nothing_but_callmanager() {
    let text = SAMPLE.replace("services = [\"tftp\", \"tvs\"] }", "services = [] }");
    assert_ne!(text, SAMPLE);
    assert_eq!(
        good(&text).node("src-sub").unwrap().1.services,
        [Service::CallManager]
    );
}

#[test]
fn dates_are_counted_as_calendars_do() {
    for (date, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1972-02-29T23:59:59Z", 68_255_999),
        ("2000-03-01T00:00:00Z", 951_868_800),
        ("2020-03-01T09:00:00.999Z", 1_583_053_200),
        ("2020-02-29 23:30:00-10:30", 1_583_056_800),
        ("2024-12-31T00:00:00Z", 1_735_603_200),
        ("2106-02-07T06:28:15Z", u64::from(u32::MAX)),
    ] {
        let text = SAMPLE.replace("2020-03-01T09:00:00Z", date);
        assert_eq!(good(&text).date.value, seconds, "{date}");
    }
    for date in [
        "1969-12-31T23:59:59Z",
        "2106-02-07T06:28:16Z",
        "2020-03-01",
        "09:00:00",
    ] {
        error(&SAMPLE.replace("2020-03-01T09:00:00Z", date));
    }
}

#[test]
fn the_command_line_wins() {
    let mut scenario = good(SAMPLE);
    let sets = |sets: &[&str]| sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>();
    let before = scenario.clone();
    let refused = apply_overrides(
        &mut scenario,
        Some("-1"),
        &sets(&[
            "tvs.mis=close",
            "tvs.miss=open",
            "list.max_bytes",
            "list.max_bytes=0",
            "x=1",
        ]),
        &Known,
    )
    .unwrap_err();
    assert_eq!(scenario, before, "nothing is applied beside an error");
    assert_eq!(
        shown(&refused),
        "\
error: a seed is a whole number
  --> command line
   |
   | --seed -1
   |        ^^ 0 to 18446744073709551615

error: unknown setting `tvs.mis`
  --> command line
   |
   | --set tvs.mis=close
   |       ^^^^^^^ did you mean `tvs.miss`?

error: `open` does not fit `tvs.miss`
  --> command line
   |
   | --set tvs.miss=open
   |                ^^^^ expected close or status-1-only

error: a setting needs a value
  --> command line
   |
   | --set list.max_bytes
   |       ^^^^^^^^^^^^^^ write --set area.name=value

error: `0` does not fit `list.max_bytes`
  --> command line
   |
   | --set list.max_bytes=0
   |                      ^ expected 1 to 65535

error: unknown setting `x`
  --> command line
   |
   | --set x=1
   |       ^
   = known settings: list.max_bytes, tvs.miss, tvs.restart_needed
"
    );
    let wanted = [
        "tvs.miss=close",
        "tvs.restart_needed=false",
        "list.max_bytes=7",
        "tvs.miss=status-1-only",
    ];
    apply_overrides(&mut scenario, Some("7"), &sets(&wanted), &Known).unwrap();
    assert_eq!(scenario.seed, 7);
    let settings: Vec<String> = scenario
        .settings
        .iter()
        .map(|setting| format!("{}={}", setting.name.value, setting.value.value))
        .collect();
    assert_eq!(
        settings,
        [
            "tvs.restart_needed=false",
            "list.max_bytes=7",
            "tvs.miss=status-1-only"
        ]
    );
}
