use super::*;

fn ok(text: &str) -> Inventory {
    read("p.csv", text.as_bytes()).unwrap()
}

#[test]
fn columns_stand_in_any_order_and_others_are_kept() {
    let found = ok("site,has_lsc,Device Name,owner\nA,yes,sep001122334455,\"Bo, \"\"B\"\"\"\n");
    assert_eq!(found.extra, ["site", "owner"]);
    let [entry] = &found.entries[..] else {
        panic!("one row")
    };
    assert_eq!(entry.device, "SEP001122334455");
    assert_eq!(entry.line, 2);
    assert_eq!(entry.has_lsc, Some(true));
    assert_eq!(entry.extra, ["A", "Bo, \"B\""]);
    assert_eq!(
        (&entry.model, &entry.itl, &entry.group),
        (&None, &None, &None)
    );
}

#[test]
fn marks_line_ends_and_semicolons_of_spreadsheets_are_read() {
    let text =
        "\u{feff}device;model\r\nSEP001122334455;Cisco 8861\r\n\r\n;\r\nSEP001122334456;\r\n";
    let found = ok(text);
    assert_eq!(found.problems, Vec::<String>::new());
    assert_eq!(found.entries.len(), 2);
    assert_eq!(found.entries[0].model.as_deref(), Some("CP-8861"));
    assert_eq!(found.entries[1].model, None);
    assert_eq!(found.entries[1].line, 5);
}

#[test]
fn bad_rows_are_named_by_line_and_left_out() {
    let text = "device,itl_sha1,has_lsc\n\
                SEP001122334455,,\n\
                SEP00112233445,,\n\
                ATA001122334455,,\n\
                SEP001122334456,123,\n\
                SEP001122334457,,perhaps\n\
                sep001122334455,,\n\
                SEP001122334458\n\
                SEP001122334459,AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD,no,more\n";
    let found = ok(text);
    let devices: Vec<_> = found.entries.iter().map(|e| e.device.as_str()).collect();
    assert_eq!(
        devices,
        ["SEP001122334455", "SEP001122334458", "SEP001122334459"]
    );
    let sha1 = "aabbccddeeff00112233445566778899aabbccdd".to_owned();
    assert_eq!(found.entries[2].itl, Some(Held::Sha1(sha1)));
    let lines = [3, 4, 5, 6, 7];
    assert_eq!(found.problems.len(), lines.len(), "{:?}", found.problems);
    for (problem, line) in found.problems.iter().zip(lines) {
        assert!(
            problem.starts_with(&format!("p.csv, line {line}: ")),
            "{problem}"
        );
    }
    assert!(found.problems[4].contains("stands in line 2 already"));
}

#[test]
fn what_is_no_inventory_is_said_so() {
    for (text, part) in [
        ("", "no column device"),
        ("devise,model\nSEP001122334455,x\n", "did you mean"),
        ("device,device\n", "two columns device"),
        ("SEP001122334455\n", "expected device,model"),
    ] {
        let why = read("p.csv", text.as_bytes()).unwrap_err();
        assert!(why.contains(part), "{text:?}: {why}");
        assert!(why.starts_with("p.csv"), "{why}");
    }
    assert!(
        read("p.csv", b"\xff\xfed\0e\0")
            .unwrap_err()
            .contains("UTF-16")
    );
    let wide = "a,".repeat(MAX_COLUMNS + 1);
    assert!(read("p.csv", wide.as_bytes()).unwrap_err().contains("200"));
}

#[test]
fn hostile_text_is_bounded_and_shown_without_its_escapes() {
    let row = format!("\u{1b}[2J{}\n", "x".repeat(100_000));
    let found = ok(&format!("device\n{}", row.repeat(50)));
    assert_eq!(found.problems.len(), 50);
    for problem in &found.problems {
        assert!(
            problem.len() < 300 && !problem.contains('\u{1b}'),
            "{problem}"
        );
    }
    let found = ok(&format!("device\n{}", "x\n".repeat(1_000)));
    assert_eq!(found.problems.len(), MAX_PROBLEMS + 1);
    assert!(found.problems[MAX_PROBLEMS].contains("800 more rows"));
    let open = format!("device,note\nSEP001122334455,\"{}", "\n".repeat(100_000));
    let found = ok(&open);
    assert_eq!((found.entries.len(), found.problems.len()), (0, 1));
    let found = read("p.csv", b"device,\xe9\nSEP001122334455,\xe9\xff\n").unwrap();
    assert_eq!(found.entries.len(), 1);
}

/// An open quote takes in the phones behind it: they are missed, and not lost without a word.
#[test]
fn a_quote_that_is_not_closed_hides_no_phone() {
    let header = "device,note,site";
    for (rows, line, told) in [
        (
            "SEP001122334401,\"19 inch,a\nSEP001122334402,x,b\nSEP001122334403,\"y\",c\n",
            2,
            "lines 2 to 4",
        ),
        (
            "SEP001122334401,a,b\nSEP001122334402,\"19 inch\nsep001122334403\n",
            3,
            "lines 3 to 4",
        ),
        ("SEP001122334401,\"x\n\n y", 2, "lines 2 to 4"),
        ("SEP001122334401,\"x", 2, "a quote is not closed;"),
        ("SEP001122334401,a,\"\"\"", 2, "a quote is not closed;"),
    ] {
        let found = ok(&format!("{header}\n{rows}"));
        let problems = &found.problems;
        assert_eq!(problems.len(), 1, "{rows}: {problems:?}");
        let place = format!("p.csv, line {line}: ");
        assert!(problems[0].starts_with(&place), "{problems:?}");
        assert!(problems[0].contains(told), "{problems:?}");
        assert!(found.entries.iter().all(|e| e.device != "SEP001122334403"));
    }
    for (text, told) in [
        (
            "device,\"note\nSEP001122334401,x\nSEP001122334402,\"y\"\n",
            "takes in the row of SEP001122334401",
        ),
        (
            "\n\ndevice,\"note\nSEP001122334401,x\n",
            "lines 3 to 4 are one row",
        ),
        ("device,\"note", "a quote is not closed, the header"),
    ] {
        let said = read("p.csv", text.as_bytes()).unwrap_err();
        assert!(
            said.starts_with("p.csv, line ") && said.contains(told),
            "{text}: {said}"
        );
    }
    assert_eq!(
        ok("\n\ndevice,\"a\nb\"\nSEP001122334401,x\n").entries.len(),
        1
    );
    // Cells with lines, quotes and names of phones of their own.
    for row in [
        "SEP001122334401,\"two\nlines\",a",
        "SEP001122334401,\"was SEP001122334402\nonce \"\"x\"\"\",\"\"",
        "SEP001122334401,19\" rack,\"\"\"\"",
        "SEP001122334401, \"x,\"a\" b",
    ] {
        let found = ok(&format!("{header}\n{row}"));
        assert_eq!(found.problems, Vec::<String>::new(), "{row}");
        assert_eq!(found.entries.len(), 1, "{row}");
    }
}

#[test]
fn flashes_of_a_world_are_read_without_what_tvs_said() {
    let state = br#"{"schema_version":1,"tvs_answers":[{"x":1}],"status":["a"]}"#;
    let mut files = Files::new();
    for (path, bytes) in [
        ("phones/SEP001122334455/after/ITLFile.tlv", &b"itl"[..]),
        ("phones/SEP001122334455/after/state.json", state),
        ("phones/SEP001122334455/after/other", b"x"),
        ("phones/SEP001122334455/before/CTLFile.tlv", b"ctl"),
        ("phones/../after/CTLFile.tlv", b"ctl"),
        ("phones/SEP001122334466/after/state.json", b"[1"),
        ("phones/SEP001122334466/after/a/ITLFile.tlv", b"x"),
    ] {
        files.insert(path.to_owned(), bytes.into());
    }
    let flashes = flashes(&files);
    assert_eq!(flashes.len(), 2);
    let flash = &flashes["SEP001122334455"];
    let names: Vec<_> = flash.files().map(|(name, _)| name).collect();
    assert_eq!(names, ["ITLFile.tlv", "state.json"]);
    let state = String::from_utf8_lossy(flash.get("state.json").unwrap());
    assert!(
        state.contains("\"tvs_answers\": []") && state.contains("\"a\""),
        "{state}"
    );
    assert_eq!(flashes["SEP001122334466"].files().count(), 0);
}

/// A phone has the configuration of another one of its group for sure only where all that were read
/// of it name the same servers, by the same protocol.
#[test]
fn what_the_phones_of_a_group_share_stands_for_another_one() {
    use crate::check::evidence::{FileReply, Known, Node, Side, Sides};
    use crate::wire::phone_config::{Member, PhoneConfig};
    let config = |host: &str, is_sccp| PhoneConfig {
        full_config: true,
        is_sccp,
        callmanager_group: vec![Member {
            priority: 0,
            host: host.into(),
            ethernet_phone_port: 2_000,
            sip_port: 5_060,
            secured_sip_port: 5_061,
        }],
        ..PhoneConfig::default()
    };
    let taken = |configs: [PhoneConfig; 2], group: &str| {
        let mut node = Node::default();
        node.tftp.others = Known::Yes(FileReply::NotFound);
        let mut put = |name: String, bytes: &[u8]| {
            let file = Known::Yes(FileReply::File(bytes.into()));
            node.tftp.replies.insert(name, file);
        };
        put("ITLFile.tlv".into(), b"itl");
        for (n, config) in configs.iter().enumerate() {
            let name = format!("SEP00000000000{n}.cnf.xml");
            put(name, config.emit().as_bytes());
        }
        let sides = Sides::of(vec![Side {
            nodes: vec![node],
            ..Side::default()
        }]);
        let rows = format!(
            "device,itl_sha1,callmanager_group\nSEP000000000000,,{group}\nSEP000000000001,,{group}\n\
             SEP000000000002,none,{group}\n"
        );
        let how = How {
            clock: 0,
            model: "CP-8861",
            is_model_said: false,
            change: &|_| {},
            flashes: &BTreeMap::new(),
        };
        let found = subjects(&sides, &ok(&rows).entries, &how);
        let third = found.asked[2].subject.as_ref();
        third.map(|s| s.taken.configuration).map_err(Clone::clone)
    };
    let same = || [config("a", false), config("a", false)];
    assert_eq!(taken(same(), "g"), Ok(false));
    for other in [config("b", false), config("a", true)] {
        let differ = || [config("a", false), other.clone()];
        assert_eq!(taken(differ(), "g"), Ok(true));
        // Without a group nothing says which of them it is like.
        assert!(taken(differ(), "").is_err());
    }
    assert_eq!(taken(same(), ""), Ok(true));
}
