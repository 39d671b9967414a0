use super::*;

fn values() -> Values {
    let mut values = Values::new();
    for (name, value) in [
        ("MA", "000e08abcdef"),
        ("MAU", "000E08ABCDEF"),
        ("PSN", "8832-3PCC"),
        ("SWVER", "sip8832.11-3-2MPP0001-609"),
        ("CCERT", "Installed"),
        ("PRVTMR", "700"),
        ("PRVST", "-1"),
        ("A", "state=$MA"),
        ("B", "http://other/x"),
        ("SA", "secret phrase"),
        ("SB", "p\"w"),
    ] {
        values.set(name, value);
    }
    values
}

fn target(rule: &str) -> Option<Target> {
    let rule = Rule::parse(rule).unwrap();
    let values = values();
    rule.choose(&values).unwrap()?.target(&values).unwrap()
}

fn url(rule: &str) -> String {
    target(rule).map_or_else(String::new, |target| target.url.to_string())
}

#[test]
fn the_documents_examples_hold() {
    assert_eq!(
        url("http://remote.server.com/cisco/$MA.cfg"),
        "http://remote.server.com/cisco/000e08abcdef.cfg"
    );
    let post = "($PRVTMR ge 800)? http://p.tel.com/has-reg.cfg
                | [--post a] http://p.tel.com/lost-reg?";
    let found = target(post).unwrap();
    assert_eq!(found.url.to_string(), "http://p.tel.com/lost-reg?");
    assert_eq!(found.post.as_deref(), Some("state=000e08abcdef"));
    assert_eq!(
        url(&post.replace("800", "600")),
        "http://p.tel.com/has-reg.cfg"
    );
    let legacy = r#"("$CCERT" eq "Installed")? https://p.tel.com/config?
                    | https://p.tel.com/config?cisco$MAU"#;
    assert_eq!(url(legacy), "https://p.tel.com/config?");
    let key = r#"[--key "SecretPhrase1234"] http://prov.telco.com/path/profile.cfg"#;
    assert_eq!(
        target(key).unwrap().key.as_deref(),
        Some("SecretPhrase1234")
    );
    assert_eq!(url("/$PSN.xml"), "tftp:///8832-3PCC.xml");
}

#[test]
fn assignments_come_before_the_download() {
    let rule = r#"( User_ID_1_ = "uid$B" ; c = "" ; d = "$MA" ; )! https://h/$C"#;
    let rule = Rule::parse(rule).unwrap();
    let expected = [("User_ID_1_", "uid$B"), ("GPP_C", ""), ("GPP_D", "$MA")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(rule.alternatives[0].assignments, expected);
    // Without a URL nothing is downloaded, and nothing is wrong.
    assert_eq!(target(r#"(a = "1")!"#), None);
    assert!(Rule::parse(r#"(a = "1" b = "2")! x"#).is_err());
    assert!(Rule::parse(r#"(a = 1)! x"#).is_err());
}

#[test]
fn the_first_true_alternative_wins_and_none_is_no_failure() {
    for (rule, expected) in [
        (
            "(1 = 2)? http://a/1 | (2 = 2)? http://b/2 | http://c/3",
            "http://b/2",
        ),
        ("(1 = 2)? http://a/1 | http://c/3", "http://c/3"),
        ("(1 = 2)? http://a/1", ""),
        ("", ""),
        ("   ", ""),
        ("(1 = 1)?", ""),
        ("(1 = 1)? http://a/1 |", "http://a/1"),
    ] {
        assert_eq!(url(rule), expected, "{rule}");
    }
    let error = Rule::parse("http://a/1 | http://b/2").unwrap_err();
    assert_eq!(error.offset, 0);
    assert!(error.to_string().contains("must be the last one"));
}

#[test]
fn conditions() {
    for (condition, expected) in [
        ("1 = 1", Some(true)),
        ("1=1", Some(true)),
        ("1 eq 2", Some(false)),
        ("1 != 2", Some(true)),
        ("1<2 and 2<=2 and 3>2 and 3>=3", Some(true)),
        (
            "1 lt 2 and 2 le 2 and 3 gt 2 and 3 ge 3 and 1 ne 2",
            Some(true),
        ),
        ("$PRVST eq -1", Some(true)),
        ("9 lt 10", Some(true)),
        (r#""a" eq "a""#, Some(true)),
        (r#""$CCERT"ne"Installed""#, Some(false)),
        (r#""a" lt "b""#, None),
        (r#""1" = 1"#, None),
        ("$SWVER = sip8832.11-3-2MPP0001-609", Some(true)),
        ("$SWVER > sip8832.11-3-2MPP0001-608", Some(true)),
        ("$SWVER > sip7832.11-0-1MPP-9999", Some(true)),
        ("$SWVER lt sip8832.12-0-1MPP0001-1", Some(true)),
        // Numbers, not texts.
        ("$SWVER lt sip8832.11-10-1MPP0001-1", Some(true)),
        ("$SWVER lt 12", None),
        ("$SWVER lt 11.3.2", None),
        ("$EXTIP = 1", None),
        ("99999999999999999999 = 1", None),
        // What follows a false one is not looked at.
        ("1 = 2 and x = y", Some(false)),
    ] {
        let read = Condition::parse(condition).unwrap();
        assert_eq!(read.holds(&values()).ok(), expected, "{condition}");
    }
    for bad in [
        "",
        "1",
        "1 =",
        "= 1",
        "1 == 1",
        "1 = 1 and",
        "1 = 1 or 2 = 2",
        "1 = 1 2",
        "\"a",
        "1 =! 1",
        "and = 1",
    ] {
        assert!(Condition::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn versions_have_one_shape() {
    for bad in [
        "",
        "sip",
        "11-3-2MPP-1",
        "sip8832.11-3MPP-1",
        "sip8832.11-3-2-1MPP-1",
        "sip8832.11-3-2MPP1",
        "sip8832.11-3-2MPP0001-",
        "sip.11-3-2MPP-1",
        "sip8832.11-3-xMPP-1",
        "sip8832.11-3-99999999999MPP-1",
    ] {
        assert_eq!(Version::parse(bad), None, "{bad}");
    }
}

#[test]
fn options_are_read_and_expanded() {
    let all = r#"[ --key "$SA" --uid me --pwd "$SB" --srv --alias x ] https://h:8443/p"#;
    let found = target(all).unwrap();
    assert_eq!(found.key.as_deref(), Some("secret phrase"));
    let account = found.account.clone().unwrap();
    assert_eq!(
        (account.user.as_str(), account.password.as_str()),
        ("me", "p\"w")
    );
    assert!(found.srv);
    assert_eq!(found.url.port(), 8443);
    let shown = format!("{found:?}");
    assert!(
        !shown.contains("secret") && !shown.contains("p\\\"w"),
        "{shown}"
    );
    // Elsewhere a secret is not known.
    assert_eq!(url("http://h/$SA"), "http://h/$SA");
    for (bad, offset) in [
        ("[--key] http://h/", 1),
        ("[--kye a] http://h/", 1),
        ("[--key a --key b] http://h/", 9),
        ("[--key a http://h/", 0),
        ("[--key \"a] http://h/", 0),
        ("(1 = 1 http://h/", 0),
        ("(1 = 1) http://h/", 8),
        ("(1 = 1)? (1 = 1)? http://h/", 9),
        ("(a = \"1\")! (1 = 1)? http://h/", 11),
    ] {
        let error = Rule::parse(bad).unwrap_err();
        assert_eq!(error.offset, offset, "{bad}: {error}");
    }
    assert!(Rule::parse(&"x".repeat(MAX_RULE + 1)).is_err());
}

#[test]
fn urls() {
    for (text, shown) in [
        (
            "https://sprov.callme.com/p.xml",
            "https://sprov.callme.com/p.xml",
        ),
        ("HTTPS://Host:8443/p?a=b|c", "https://Host:8443/p?a=b|c"),
        ("host/p", "tftp://host/p"),
        ("10.1.2.3:6900/p", "tftp://10.1.2.3:6900/p"),
        (
            "https://[2001:db8::1]:4443/p",
            "https://[2001:db8::1]:4443/p",
        ),
        ("/p?u=http://x/", "tftp:///p?u=http://x/"),
    ] {
        assert_eq!(Url::parse(text).unwrap().to_string(), shown);
    }
    for bad in [
        "",
        "https://h",
        "ftp://h/p",
        "https://a b/p",
        "https://h:0/p",
        "https://h:65536/p",
        "https://h:/p",
        "https://h:+1/p",
        "https://u@h/p",
        "https://h/ä",
        "https://h/a b",
        "https://h/\r\nX: y",
        "https://[::g]/p",
        "https://[::1]x/p",
        "https://:1/p",
        "https://h\0/p",
    ] {
        assert!(Url::parse(bad).is_err(), "{bad}");
    }
    assert!(Url::parse(&format!("http://{}/", "h".repeat(254))).is_err());
    assert!(Url::parse(&format!("http://h/{}", "p".repeat(2_048))).is_err());
}

#[test]
fn locations_are_followed_from_where_they_came() {
    let from = Url::parse("https://h:8443/a/b?q").unwrap();
    for (location, to) in [
        ("https://o/x", "https://o/x"),
        ("http://o", "http://o/"),
        ("//o/x", "https://o/x"),
        ("/x?y", "https://h:8443/x?y"),
        ("x", "https://h:8443/a/x"),
        ("?z", "https://h:8443/a/b?z"),
        ("/x#part", "https://h:8443/x"),
    ] {
        assert_eq!(from.join(location).unwrap().to_string(), to, "{location}");
    }
    for bad in ["ftp://o/x", "https://o /x", "/a b", "https://u:p@o/x"] {
        assert!(from.join(bad).is_err(), "{bad}");
    }
}

#[test]
fn any_text_is_read_or_refused() {
    // Every cut and every changed character of a rule with all parts.
    let rule = r#"("$(A:1:2)" eq "x" and $PRVTMR < 5)? (a = "$$";)! [--key "a b"] https://h:1/$MA | (1=1)? /ä"#;
    for cut in (0..rule.len()).filter(|&cut| rule.is_char_boundary(cut)) {
        for odd in ["", "(", ")", "\"", "[", "]", "|", "$", "é", "\0"] {
            let text = format!("{}{odd}{}", &rule[..cut], &rule[cut..]);
            for text in [&text, &text[..cut + odd.len()]] {
                if let Ok(rule) = Rule::parse(text)
                    && let Ok(Some(chosen)) = rule.choose(&values())
                {
                    let _ = chosen.target(&values());
                }
            }
        }
    }
}
