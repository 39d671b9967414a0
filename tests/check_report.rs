//! What a check prints: table, JSON, work list and runbook of answers made by hand, compared with
//! files in `testdata/check-report`. `TRUSTLINE_BLESS=1 cargo test --test check_report` writes them
//! anew; read the difference.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests read and write files, and fail by panic"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use trustline::check::answer::{
    Action, Answer, Condition, Fate, Fix, Group, Load, NodeLoad, RestsOn, State, WayBack, Whose,
};
use trustline::event::{ReasonFacts, SignerFacts};
use trustline::report::check::{Columns, human, json, runbook, work_list};
use trustline::report::text::Paint;

const RECOVERY: &str = "CN=ITLRECOVERY_dst-pub;OU=dst;O=lab;L=Loopback;ST=Lab;C=ZZ";
const SERIAL: &str = "7B9E12345678ABCDEF0011223344550C";

fn reason(code: &'static str, text: &str, evidence: Option<&str>) -> ReasonFacts {
    ReasonFacts {
        code,
        text: text.into(),
        evidence: evidence.map(str::to_owned),
    }
}

fn group(phones: &[&str], fate: Fate) -> Group {
    Group {
        phones: phones.iter().map(|p| (*p).to_owned()).collect(),
        models: vec!["CP-8861".into()],
        fate,
        resets: 1,
        reasons: Vec::new(),
        signer: None,
        missing: None,
        rests_on: Some(RestsOn {
            basis: "documented",
            rules: Vec::new(),
        }),
        fix: None,
        back: None,
        status: Vec::new(),
    }
}

fn follows() -> Group {
    Group {
        reasons: vec![
            reason(
                "signer-not-in-list",
                "the signer is not in the installed ITL (5 records)",
                None,
            ),
            reason(
                "signer-vouched-by-tvs",
                "TVS src-pub:2445 knows the signer: SAST, TFTP, for 24 h",
                Some("src-pub:2445"),
            ),
            reason(
                "signature-holds",
                "the signature holds under that certificate",
                Some("offset 120"),
            ),
        ],
        back: Some(WayBack {
            fate: Fate::FollowsThroughTvs,
            why: None,
            rests_on: Some(RestsOn {
                basis: "assumed",
                rules: vec!["tvs.restart_needed".into()],
            }),
        }),
        status: vec![
            "File Not Found <CTLFile.tlv>".into(),
            "Trust List updated".into(),
            "SEP001122334401.cnf.xml.sgn(HTTP)".into(),
        ],
        ..group(
            &["SEP001122334401", "SEP001122334402"],
            Fate::FollowsThroughTvs,
        )
    }
}

fn stranded() -> Group {
    let certificate = Whose {
        kind: "ITLRecovery".into(),
        node: "dst-pub".into(),
        subject: RECOVERY.into(),
        issuer: RECOVERY.into(),
        serial: SERIAL.into(),
    };
    Group {
        models: vec!["CP-8861".into(), "CP-7841".into()],
        reasons: vec![
            reason("signer-not-in-list", "the signer is not in the installed ITL (5 records)", Some("record 1 to 5")),
            reason("signer-unknown-to-tvs", "TVS src-pub:2445 and src-sub:2445 do not know the signer", Some("src-sub:2445")),
        ],
        signer: Some(SignerFacts {
            subject: RECOVERY.into(),
            issuer: RECOVERY.into(),
            serial: SERIAL.into(),
        }),
        rests_on: Some(RestsOn {
            basis: "assumed",
            rules: vec![
                "tvs.restart_needed".into(),
                "it holds the list that src-pub serves now".into(),
            ],
        }),
        fix: Some(Fix {
            actions: vec![
                Action::Import {
                    certificate,
                    from: "dst".into(),
                    into: "src".into(),
                    store: "Phone-SAST-trust".into(),
                },
                Action::Restart {
                    service: "TVS".into(),
                    cluster: "src".into(),
                    nodes: vec!["src-pub".into(), "src-sub".into()],
                },
            ],
            proven: true,
            rests_on: Some(RestsOn {
                basis: "inferred",
                rules: vec!["tvs.roles_of_store".into()],
            }),
            text: "import ITLRecovery of dst-pub into Phone-SAST-trust of src, then restart TVS on src-pub and src-sub".into(),
            status: vec!["Trust List updated".into(), "SEP001122334411.cnf.xml.sgn(HTTP)".into()],
        }),
        back: Some(WayBack {
            fate: Fate::Stranded,
            why: Some("TVS of dst-pub does not know CallManager of src-pub".into()),
            rests_on: None,
        }),
        status: vec!["Trust List update failed".into()],
        ..group(
            &["SEP001122334411", "SEP001122334412", "SEP001122334413", "SEP001122334414"],
            Fate::Stranded,
        )
    }
}

fn visited() -> Group {
    Group {
        models: vec!["CP-7962".into()],
        resets: 2,
        reasons: vec![reason(
            "no-tvs-in-list",
            "no installed list has a TVS record",
            None,
        )],
        fix: Some(Fix {
            actions: vec![Action::EraseLists],
            proven: false,
            rests_on: None,
            text: "erase CTL and ITL on the phone by hand".into(),
            status: Vec::new(),
        }),
        status: vec!["TFTP timeout".into()],
        ..group(&["SEP0011223344AA"], Fate::Stranded)
    }
}

fn unknown() -> Group {
    Group {
        models: Vec::new(),
        missing: Some("what TVS of src-sub says of CN=dst-pub: it speaks TLS 1.0 only, build with --features legacy-tls".into()),
        rests_on: None,
        ..group(&["a phone of src-sub"], Fate::Unknown)
    }
}

fn condition(
    name: &'static str,
    about: &str,
    state: State,
    text: &str,
    fix: Option<&str>,
) -> Condition {
    Condition {
        name,
        about: about.into(),
        state,
        text: text.into(),
        fix: fix.map(str::to_owned),
        basis: if state == State::Note {
            "assumed"
        } else {
            "documented"
        },
    }
}

fn conditions() -> Vec<Condition> {
    let mut all = vec![
        condition(
            "nodes-reachable",
            "src-pub of src",
            State::Good,
            "TFTP answers, HTTP answers, TVS answers, CallManager answers",
            None,
        ),
        condition(
            "signers-known-to-tvs",
            "ITLRecovery of dst-pub, CN=ITLRECOVERY_dst-pub 7B:9E:..:0C (signs ITL of dst-pub and ITL of dst-sub)",
            State::Bad,
            "TVS of src-pub and src-sub do not know it",
            Some(
                "import ITLRecovery of dst-pub (serial 7B9E12345678ABCDEF0011223344550C) into Phone-SAST-trust and CallManager-trust of src, then restart TVS on src-pub and src-sub",
            ),
        ),
        condition(
            "phones-at-destination",
            "dst",
            State::Unknown,
            "of 1 of 8 phones nobody looked whether it has them: SEP0011223344AA",
            Some("give ConfigFileCacheList.txt of dst"),
        ),
        condition(
            "option-150",
            "entry 3: dst-sub",
            State::Note,
            "a phone keeps 2 servers of its lease (dhcp.max_servers), so this one is not asked",
            None,
        ),
        condition(
            "source-stays-up",
            "src",
            State::Note,
            "2 phones follow through its TVS: keep TVS, CallManager and TFTP of src up until every phone has moved",
            Some("count the phones that still register there"),
        ),
    ];
    for n in 1..=6 {
        all.push(condition(
            "destination-lists",
            &format!("ITL of dst-{n}"),
            State::Good,
            "6412 bytes, 5 records",
            None,
        ));
    }
    all
}

fn load() -> Load {
    let node = |cluster: &str, node: &str, requests, downloads, bytes, tvs_questions| NodeLoad {
        cluster: cluster.into(),
        node: node.into(),
        requests,
        downloads,
        bytes,
        tvs_questions,
    };
    Load {
        phones: 12_000,
        nodes: vec![
            node("src", "src-pub", 0, 0, 0, 12_000),
            node("dst", "dst-pub", 48_000, 24_000, 153_600_000, 0),
        ],
        batch: 50,
        batches: 240,
        pause_secs: 150,
        basis:
            "a node answers 50 requests for files (assumed) and 10 TVS questions (assumed) a second"
                .into(),
    }
}

fn mixed_answer() -> Answer {
    Answer {
        from: "src".into(),
        to: "dst".into(),
        option_150: vec!["dst-pub".into(), "dst-sub".into()],
        groups: vec![stranded(), visited(), unknown(), follows()],
        conditions: conditions(),
        load: load(),
        failures: vec!["src-sub: TVS, TCP port 2445: it speaks TLS 1.0 only".into()],
        notes: Vec::new(),
    }
}

fn good_answer() -> Answer {
    Answer {
        from: "src".into(),
        to: "dst".into(),
        option_150: vec!["dst-pub".into()],
        groups: vec![follows()],
        conditions: vec![condition(
            "destination-lists",
            "ITL of dst-pub",
            State::Good,
            "6412 bytes, 5 records",
            None,
        )],
        load: Load {
            phones: 2,
            batch: 2,
            batches: 1,
            pause_secs: 0,
            ..load()
        },
        failures: Vec::new(),
        notes: Vec::new(),
    }
}

/// Names and texts as a hostile inventory or server would give them.
fn hostile_answer() -> Answer {
    const NASTY: &str = "=HYPERLINK(\"http://x\") \u{1b}[31m\n# heading | <b>*bold*</b> `code`";
    let mut group = stranded();
    group.phones = vec![NASTY.into()];
    group.models = vec![NASTY.into()];
    group.status = vec![NASTY.into()];
    group.reasons = vec![reason("signer-unknown-to-tvs", NASTY, Some(NASTY))];
    Answer {
        from: NASTY.into(),
        to: NASTY.into(),
        option_150: vec![NASTY.into()],
        groups: vec![group],
        conditions: vec![condition(
            "option-150",
            NASTY,
            State::Bad,
            NASTY,
            Some(NASTY),
        )],
        load: Load {
            basis: NASTY.into(),
            ..load()
        },
        failures: vec![NASTY.into()],
        notes: Vec::new(),
    }
}

fn extra() -> Columns {
    let row = |cells: &[&str]| cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
    Columns {
        names: row(&["site", "owner"]),
        of: BTreeMap::from([
            ("SEP001122334401".into(), row(&["Berlin, 3rd floor", "-"])),
            ("SEP001122334411".into(), row(&["Oslo", "=1+1"])),
            ("SEP001122334412".into(), row(&["Oslo"])),
        ]),
    }
}

fn compare(name: &str, actual: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata", "check-report", name]
        .iter()
        .collect();
    if std::env::var_os("TRUSTLINE_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; TRUSTLINE_BLESS=1 writes it", path.display()));
    for (n, (a, b)) in actual.lines().zip(expected.lines()).enumerate() {
        assert_eq!(
            a,
            b,
            "{}:{}; TRUSTLINE_BLESS=1 writes it anew",
            path.display(),
            n + 1
        );
    }
    assert_eq!(actual, expected, "{}", path.display());
}

#[test]
fn golden() {
    let plain = Paint::new(false);
    compare("mixed.txt", &human(&mixed_answer(), plain));
    compare("mixed.color.txt", &human(&mixed_answer(), Paint::new(true)));
    compare("mixed.json", &json(&mixed_answer()));
    compare("mixed.csv", &work_list(&mixed_answer(), &extra()));
    compare("mixed.md", &runbook(&mixed_answer()));
    compare("good.txt", &human(&good_answer(), plain));
    compare("good.md", &runbook(&good_answer()));
    compare("good.csv", &work_list(&good_answer(), &Columns::default()));
}

/// Whoever reads the work list alone sees a guess as one, in the last column.
#[test]
fn the_work_list_says_what_a_verdict_rests_on() {
    let list = work_list(&mixed_answer(), &extra());
    let mut lines = list.lines();
    assert!(lines.next().unwrap().ends_with(",site,owner,rests_on"));
    let ends = |device: &str, end: &str| {
        let line = list.lines().find(|l| l.starts_with(device)).unwrap();
        assert!(line.ends_with(end), "{line}");
    };
    ends(
        "SEP001122334411",
        ",assumed: tvs.restart_needed; it holds the list that src-pub serves now",
    );
    ends("SEP001122334401", ",documented");
    ends("a phone of src-sub", ",");
}

/// That a fix helps may hang on a rule that no source settles.
#[test]
fn a_proof_that_rests_on_a_guess_says_so() {
    let answer = mixed_answer();
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let table = one_line(human(&answer, Paint::new(false)));
    assert!(
        table.contains("run again with it, and follows rests on inferred: tvs.roles_of_store"),
        "{table}"
    );
    let book = one_line(runbook(&answer));
    assert!(
        book.contains("its proof rests on inferred: tvs.roles"),
        "{book}"
    );
    let document: serde_json::Value = serde_json::from_str(&json(&answer)).unwrap();
    assert_eq!(
        document["groups"][0]["fix"]["rests_on"]["basis"],
        "inferred"
    );
}

/// Two groups have one step in common, and each fix is proven by a guess of its own.
#[test]
fn a_step_for_two_groups_has_the_doubts_of_both() {
    let mut answer = mixed_answer();
    let with_import = |g: &&Group| g.fix.as_ref().is_some_and(|fix| fix.actions.len() > 1);
    let mut other = answer.groups.iter().find(with_import).unwrap().clone();
    other.phones = vec!["SEP001122334499".into()];
    let fix = other.fix.as_mut().unwrap();
    fix.rests_on = Some(RestsOn {
        basis: "assumed",
        rules: vec!["it is a CP-8861".into()],
    });
    answer.groups.push(other);
    let book = runbook(&answer);
    let book = book.split_whitespace().collect::<Vec<_>>().join(" ");
    let both = r"rests on inferred: tvs.roles\_of\_store; and on assumed: it is a CP-8861";
    assert!(book.contains(both), "{book}");
}

/// Where another node of B mends it, no step sends phones to the one that strands them.
#[test]
fn a_runbook_sends_phones_to_the_servers_of_their_fix() {
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut answer = mixed_answer();
    answer.option_150 = vec!["dst-sub".into()];
    let mut moved = stranded();
    moved.fix.as_mut().unwrap().actions = vec![Action::SetOption150 {
        nodes: vec!["dst-pub".into()],
    }];
    answer.groups = vec![moved.clone()];
    let book = one_line(runbook(&answer));
    assert!(
        book.contains("(or Alternate TFTP) that names dst-pub."),
        "{book}"
    );
    assert!(book.contains("scopes name dst-pub;"), "{book}");
    assert!(
        book.contains("check` with `--option-150 dst-pub` then"),
        "{book}"
    );
    assert!(
        !book.contains("names dst-sub") && !book.contains("name dst-sub"),
        "{book}"
    );

    let once =
        "Once the changes above are made, and the check says that they follow: - [ ] let option";
    assert!(book.contains(once), "{book}");

    answer.groups[0].fix.as_mut().unwrap().proven = false;
    let book = one_line(runbook(&answer));
    assert!(book.contains("There are no others yet."), "{book}");
    assert!(!book.contains("- [ ] reset"), "{book}");

    answer.groups = vec![moved, follows()];
    let book = one_line(runbook(&answer));
    for part in [
        "that names the servers that stand at each.",
        "(its scope names dst-pub): shows, once the changes",
        "(its scope names dst-sub): shows, in this order",
        "150 of the scopes of SEP..4401, SEP..4402 name dst-sub;",
        "name dst-pub;",
    ] {
        assert!(book.contains(part), "{part}: {book}");
    }
}

/// A token's certificate stands on no node's page.
#[test]
fn a_certificate_of_no_node_comes_out_of_a_list() {
    let mut answer = mixed_answer();
    let mut group = stranded();
    let fix = group.fix.as_mut().unwrap();
    let Some(Action::Import {
        certificate, from, ..
    }) = fix.actions.first_mut()
    else {
        panic!("{fix:?}")
    };
    certificate.node.clear();
    certificate.kind.clear();
    from.clear();
    answer.groups = vec![group];
    let book = runbook(&answer);
    let book = book.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = "out of the list that has it, as no node was read that has it as its own, into";
    assert!(book.contains(told), "{book}");
    assert!(!book.contains("from into"), "{book}");
}

/// That phones can return may hang on answers that nobody heard.
#[test]
fn a_way_back_that_rests_on_a_guess_says_so() {
    let answer = mixed_answer();
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let table = one_line(human(&answer, Paint::new(false)));
    let told = "can return, through TVS of the new cluster (assumed: tvs.restart_needed)";
    assert!(table.contains(told), "{table}");
    let book = one_line(runbook(&answer));
    let told = r"they return (follows through TVS; assumed: tvs.restart\_needed)";
    assert!(book.contains(told), "{book}");
}

#[test]
fn without_colour_the_words_say_the_same() {
    let coloured = human(&mixed_answer(), Paint::new(true));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, human(&mixed_answer(), Paint::new(false)));
}

#[test]
fn json_has_every_field_of_the_answer() {
    let text = json(&mixed_answer());
    assert!(
        text.trim_start().starts_with("{\n  \"schema_version\": 1,"),
        "{text}"
    );
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let answer = serde_json::to_value(mixed_answer()).unwrap();
    let mut document = document.as_object().unwrap().clone();
    assert_eq!(document.remove("schema_version"), Some(1.into()));
    assert_eq!(serde_json::Value::Object(document), answer);
}

#[test]
fn nothing_from_outside_reaches_terminal_or_spreadsheet_raw() {
    let answer = hostile_answer();
    for text in [human(&answer, Paint::new(false)), runbook(&answer)] {
        assert!(!text.contains('\x1b'), "{text}");
        assert!(!text.lines().any(|l| l.starts_with("# heading")), "{text}");
    }
    let runbook = runbook(&answer);
    // What stands outside of code is escaped.
    for part in runbook.split('`').step_by(2) {
        assert!(!part.contains("<b>"), "{part}");
    }
    let list = work_list(&answer, &Columns::default());
    assert!(
        list.lines()
            .nth(1)
            .unwrap()
            .starts_with("\"'=HYPERLINK(\"\"http"),
        "{list}"
    );
}

#[test]
fn an_answer_without_phones_is_no_good_news() {
    let answer = Answer {
        groups: Vec::new(),
        conditions: Vec::new(),
        load: Load::default(),
        ..good_answer()
    };
    let text = human(&answer, Paint::new(true));
    let last = text.lines().last().unwrap();
    assert!(last.contains("\x1b[31m0 of 0 phones follow"), "{last}");
    assert!(runbook(&answer).contains("How many phones may reset together was not reckoned"));
}

#[test]
fn the_guide_explains_every_condition() {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs", "check.md"]
        .iter()
        .collect();
    let guide = std::fs::read_to_string(&path).unwrap();
    for name in trustline::check::conditions::NAMES {
        let row = format!("| `{name}` |");
        assert!(guide.contains(&row), "docs/check.md has no row for {name}");
    }
    for line in guide
        .lines()
        .filter(|l| l.starts_with("| `") && l.contains("-"))
    {
        let name = line.split('`').nth(1).unwrap_or_default();
        let is_condition = guide
            .split("## What must be true")
            .nth(1)
            .and_then(|rest| rest.split("\n## ").next())
            .is_some_and(|section| section.contains(line));
        if is_condition {
            let known = trustline::check::conditions::NAMES.contains(&name);
            assert!(known, "docs/check.md explains {name}, which there is not");
        }
    }
}
