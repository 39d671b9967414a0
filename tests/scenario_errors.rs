//! Scenario files: what a good one says, and what is said about every bad one.
//!
//! Each `testdata/scenarios/bad/NAME.toml` has the expected text beside it, in `NAME.err`.
//! `TRUSTLINE_BLESS=1 cargo test --test scenario_errors` writes them anew; read the difference.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use trustline::scenario::model::{Action, FlashWrite, ListOwner, Target};
use trustline::scenario::parse::{MAX_TEXT, decode};
use trustline::scenario::settings::apply_overrides;
use trustline::scenario::words::{
    ClosedWord, Damage, FirmwareProfile, FlashFile, Mode, Service, Verb, Verdict,
};
use trustline::scenario::{Diagnostic, Registry, Scenario, SettingValue, parse};

/// A registry that does not change when the real settings do.
struct Known;

impl Registry for Known {
    fn check(&self, name: &str, value: &SettingValue) -> Result<(), String> {
        match (name, value) {
            ("tvs.restart_needed", SettingValue::Flag(_)) => Ok(()),
            ("tvs.restart_needed", _) => Err("expected true or false".to_owned()),
            ("list.max_bytes", SettingValue::Number(1..=65_535)) => Ok(()),
            ("list.max_bytes", _) => Err("expected 1 to 65535".to_owned()),
            ("tvs.miss", SettingValue::Word(word))
                if word == "close" || word == "status-1-only" =>
            {
                Ok(())
            }
            _ => Err("expected close or status-1-only".to_owned()),
        }
    }

    fn names(&self) -> Vec<&'static str> {
        vec!["list.max_bytes", "tvs.miss", "tvs.restart_needed"]
    }

    fn check_parameter(&self, name: &str, value: &SettingValue) -> Result<(), String> {
        match (name, value) {
            ("prepare-cluster-for-rollback", SettingValue::Flag(_)) => Ok(()),
            ("prepare-cluster-for-rollback", _) => Err("expected true or false".to_owned()),
            (_, SettingValue::Word(word)) if word == "sha1" || word == "sha512" => Ok(()),
            _ => Err("expected sha1 or sha512".to_owned()),
        }
    }

    fn parameter_names(&self) -> Vec<&'static str> {
        vec![
            "prepare-cluster-for-rollback",
            "tftp-file-signature-algorithm",
        ]
    }

    fn reason_codes(&self) -> Vec<&'static str> {
        vec![
            "signer-unknown-to-tvs",
            "tvs-certificate-not-in-list",
            "role-missing",
        ]
    }

    fn event_kinds(&self) -> Vec<&'static str> {
        vec!["request", "status", "tvs-answer"]
    }

    fn event_fields(&self, kind: &str) -> Option<Vec<&'static str>> {
        (kind == "status").then(|| vec!["actor", "t_us", "text", "stamped"])
    }
}

/// The sample of the format.
const SAMPLE: &str = r#"format = 1
name = "Non-secure migration, 10.5.2 to 11.5.1"
source = "004_a744759d0d6986ba.txt"       # where the outcome is documented
date = 2020-03-01T09:00:00Z               # the world's clock at the start, on both drivers
seed = 1

[cluster.source]
release = "10.5.2"
mode = "non-secure"                       # or "mixed"
parameters = { prepare-cluster-for-rollback = false }
nodes = [
  { name = "src-pub", services = ["publisher", "tftp", "tvs", "capf"] },
  { name = "src-sub", services = ["tftp", "tvs"] },
]

[cluster.destination]
release = "11.5.1"
mode = "non-secure"
nodes = [{ name = "dst-pub", services = ["publisher", "tftp", "tvs"] }]

[[phones]]
count = 5
model = "CP-8861"
cluster = "source"                        # boots there first, so it holds that cluster's lists

[settings]                                # any setting that `trustline rules` lists
"tvs.restart_needed" = true

[[step]]
do = "trust-certificates"                 # verbs are a closed list; each documents its keys
from = "destination"
into = "source"
[[step]]
do = "set-option-150"
to = ["dst-pub"]
[[step]]
do = "reset-phones"

[[expect]]
phones = "all"
verdict = "migrated"
status = ["Trust List updated"]
tvs-asked = 1
"#;

/// The sample's head, for scenarios with other steps and expectations.
fn with(rest: &str) -> String {
    let head = SAMPLE.split("[settings]").next().unwrap();
    format!("{head}{rest}")
}

fn good(text: &str) -> Scenario {
    parse("good.toml", text, &Known).unwrap_or_else(|errors| panic!("{}", shown(&errors)))
}

fn shown(errors: &[Diagnostic]) -> String {
    errors
        .iter()
        .map(|error| format!("{error}\n"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn errors(text: &str) -> Vec<Diagnostic> {
    match parse("bad.toml", text, &Known) {
        Ok(_) => panic!("no error in:\n{text}"),
        Err(errors) => errors,
    }
}

/// The only error of `text`.
fn error(text: &str) -> String {
    let errors = errors(text);
    assert_eq!(errors.len(), 1, "{}", shown(&errors));
    errors[0].to_string()
}

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
    } = scenario.steps[12].action
    else {
        panic!()
    };
    let Action::PowerCut {
        write: FlashWrite::Of(FlashFile::Itl),
        ..
    } = scenario.steps[16].action
    else {
        panic!()
    };
    let Action::PowerCut {
        write: FlashWrite::Nth(3),
        ..
    } = scenario.steps[17].action
    else {
        panic!()
    };
    assert_eq!(
        scenario.steps[18].action,
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

fn bad_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenarios/bad");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_bad_file_gives_its_errors() {
    let bless = std::env::var_os("TRUSTLINE_BLESS").is_some();
    let mut differ = Vec::new();
    let files = bad_files();
    assert!(files.len() >= 20, "only {} bad files", files.len());
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let actual = match decode(name, &bytes) {
            Ok(text) => match parse(name, text, &Known) {
                Ok(_) => "no error\n".to_owned(),
                Err(errors) => shown(&errors),
            },
            Err(error) => format!("{error}\n"),
        };
        let expected_path = path.with_extension("err");
        if bless {
            std::fs::write(&expected_path, &actual).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if actual != expected || actual == "no error\n" {
            differ.push(format!("{name}: expected\n{expected}\nactual\n{actual}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
}

#[test]
fn one_slip_is_one_error() {
    // A misspelled key or word is read as what it means, so nothing else is said about it.
    for (from, to) in [
        ("release = \"10.5.2\"", "relase = \"10.5.2\""),
        ("nodes = [\n", "nodess = [\n"),
        ("name = \"src-sub\"", "nmae = \"src-sub\""),
        ("\"tftp\", \"tvs\", \"capf\"", "\"tfpt\", \"tvs\", \"capf\""),
        ("[[expect]]", "[[expekt]]"),
        ("count = 5", "cuont = 5"),
        ("do = \"set-option-150\"", "do = \"set-option-15\""),
        ("from = \"destination\"", "form = \"destination\""),
        ("verdict = \"migrated\"", "verdict = \"migratd\""),
        ("verdict = \"migrated\"", "verdikt = \"migrated\""),
    ] {
        let text = SAMPLE.replacen(from, to, 1);
        assert_ne!(text, SAMPLE, "{from}");
        assert!(error(&text).contains("did you mean `"), "{to}");
    }
}

#[test]
fn another_format_is_the_only_error() {
    let text = SAMPLE
        .replace("format = 1", "format = 2")
        .replace("count", "amount");
    assert!(error(&text).contains("this version reads format 1"));
}

#[test]
fn limits_have_errors() {
    let long = format!("{SAMPLE}#{}", "x".repeat(MAX_TEXT));
    assert!(error(&long).contains("more than 1048576"));

    let steps = with(&"[[step]]\ndo = \"reset-phones\"\n".repeat(1_001));
    assert!(error(&steps).contains("`step` has 1001 elements, more than 1000"));

    let phones = "[[phones]]\ncount = 10000\nmodel = \"CP-8861\"\ncluster = \"source\"\n";
    assert!(error(&with(&phones.repeat(10))).contains("100005 phones, more than 100000"));

    let mut clusters = String::new();
    for n in 0..63 {
        clusters += &format!(
            "[cluster.c{n}]\nrelease = \"14\"\nnodes = [{{ name = \"n{n}\", \
             services = [\"publisher\", \"tftp\"] }}]\n"
        );
    }
    assert!(error(&with(&clusters)).contains("65 clusters, more than 64"));

    let unknown: String = (0..5_000).map(|n| format!("zz{n} = 1\n")).collect();
    let many = errors(&format!("{unknown}{SAMPLE}"));
    assert_eq!(many.len(), 101);
    assert!(
        many[100].to_string().contains("at least 900 more errors"),
        "{}",
        many[100]
    );
    let unknown: String = (0..150).map(|n| format!("zz{n} = 1\n")).collect();
    let many = errors(&format!("{unknown}{SAMPLE}"));
    assert!(
        many[100].to_string().starts_with("error: 50 more errors"),
        "{}",
        many[100]
    );
}

#[test]
fn errors_come_in_the_order_of_the_file() {
    let text = SAMPLE
        .replace("seed", "sead")
        .replace("release", "relase")
        .replace("count", "cuont")
        .replace("into", "inot")
        .replace("verdict", "verdikt");
    let errors = errors(&text);
    let lines: Vec<usize> = errors
        .iter()
        .map(|error| error.position().unwrap().0)
        .collect();
    assert_eq!(lines, [5, 8, 17, 22, 32, 41], "{}", shown(&errors));
}

/// Whatever `text` is, there is a scenario (true) or a list of errors, all of them printable.
fn survives(text: &str) -> bool {
    let parsed = parse("x.toml", text, &Known);
    if let Err(errors) = &parsed {
        assert!(!errors.is_empty(), "refused without a word:\n{text}");
        let lines = text.lines().count();
        for error in errors {
            let shown = error.to_string();
            assert!(
                !shown.chars().any(|c| c != '\n' && c.is_control()),
                "{shown:?}"
            );
            if let Some((line, _)) = error.position() {
                assert!(line <= lines + 1, "{shown}");
            }
        }
    }
    parsed.is_ok()
}

#[test]
fn every_prefix_is_a_scenario_or_errors() {
    for end in 0..SAMPLE.len() {
        survives(&SAMPLE[..end]);
    }
}

#[test]
fn every_changed_byte_is_a_scenario_or_errors() {
    let mut bytes = SAMPLE.as_bytes().to_vec();
    for at in 0..bytes.len() {
        let old = bytes[at];
        for new in [0, b'\n', b'"', b'[', b'=', b'9', b'a', b'.', 0xff] {
            bytes[at] = new;
            match decode("x.toml", &bytes) {
                Ok(text) => {
                    survives(text);
                }
                Err(error) => assert!(error.to_string().contains("not UTF-8")),
            }
        }
        bytes[at] = old;
    }
}

#[test]
fn every_line_left_out_doubled_or_moved_is_a_scenario_or_errors() {
    let lines: Vec<&str> = SAMPLE.lines().collect();
    for at in 0..lines.len() {
        let mut less = lines.clone();
        let line = less.remove(at);
        survives(&less.join("\n"));
        for to in 0..lines.len() {
            let mut other = if to % 2 == 0 {
                less.clone()
            } else {
                lines.clone()
            };
            other.insert(to, line);
            survives(&other.join("\n"));
        }
    }
}

#[test]
fn hostile_texts_are_refused_in_time() {
    let n = MAX_TEXT / 8;
    for text in [
        "[".repeat(n),
        format!("a = {}", "[".repeat(n)),
        format!("{}a = 1", "a.".repeat(n)),
        "= \n".repeat(n),
        format!("a = {{{}}}", "x = 1,".repeat(n)),
        "x = 1\n".repeat(n),
        "[[step]]\n".repeat(n / 2),
        "[[phones]]\n".repeat(n / 2),
        "[x]\n".repeat(n),
        with(&format!(
            "[settings.{}]\n{}",
            "k".repeat(n),
            "a = 1\n".repeat(10)
        )),
        with(&format!("[[step]]\ndo = \"{}\"", "reset".repeat(n))),
        with(&format!(
            "[[step]]\ndo = \"reset-phones\"\nphones = [{}]",
            "\"all\", ".repeat(n)
        )),
        with(&format!(
            "[[expect]]\nphones = [{}]",
            "[".repeat(70) + &"]".repeat(70)
        )),
        with(&format!(
            "[settings]\n{}",
            (0..n / 4)
                .map(|i| format!("\"a.b{i}\" = 1\n"))
                .collect::<String>()
        )),
        format!("{}= 1", "\u{202e}".repeat(n / 4)),
        format!("a = \"{}", "\t\u{e4}".repeat(n / 4)),
        "\u{feff}".to_owned(),
        "\r\r\r".to_owned(),
    ] {
        assert!(!survives(&text), "{text:.100}");
    }
}
