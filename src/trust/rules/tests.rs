use super::*;

#[test]
fn the_registry_is_in_order_and_whole() {
    assert!(RULES.len() <= 128, "the mask of used rules has 128 bits");
    for (i, r) in RULES.iter().enumerate() {
        assert_eq!(r.key as usize, i, "{}", r.name);
        assert!(r.name.split_once('.').is_some(), "{}", r.name);
        assert!(!r.source.is_empty() && !r.what.is_empty(), "{}", r.name);
        assert!(
            !r.others(r.default).is_empty(),
            "{} has no other choice",
            r.name
        );
        assert_eq!(
            RULES.iter().filter(|o| o.name == r.name).count(),
            1,
            "{}",
            r.name
        );
        assert_eq!(r.parse(&r.text_of(r.default)), Ok(r.default), "{}", r.name);
    }
}

/// Settings that scenarios and other documents may rely on, with their defaults and choices.
#[test]
fn pinned_settings_stay() {
    for (name, default, choices) in [
        (
            "trust.signer_match",
            "issuer-bytes",
            "issuer-bytes certificate",
        ),
        ("trust.wrong_role", "ask-tvs", "ask-tvs refuse"),
        (
            "trust.first_contact_self_signature",
            "required",
            "required ignored",
        ),
        ("trust.digest_sha256", "refuse", "refuse accept"),
        ("list.max_bytes", "65535", ""),
        ("list.older_timestamp", "accept", "accept refuse"),
        ("list.equal", "no-op", "no-op reinstall"),
        ("list.trailing_bytes", "ignore", "ignore refuse"),
        ("list.unknown_elements", "skip", "skip refuse"),
        ("list.duplicate_elements", "refuse", "refuse last-wins"),
        ("tvs.query_issuer_tag", "4", ""),
        ("tvs.query_serial_tag", "5", ""),
        ("tvs.miss", "status-1-only", "status-1-only close"),
        ("tvs.role_required", "yes", "yes no"),
        ("tvs.cache_survives_boot", "no", "no yes"),
        ("tvs.restart_needed", "no", "no yes"),
        (
            "tvs.roles_of_store",
            "by-store",
            "by-store callmanager-trust-gives-both",
        ),
        ("tftp.options", "none", "none tsize tsize-blksize"),
        ("tftp.retries", "5", ""),
        ("http.first", "yes", "yes no"),
        ("http.fallback_on", "any-error", "any-error 5xx"),
        ("https.config", "yes", "yes no"),
        ("cluster.http_missing", "503", "503 404"),
        (
            "dhcp.precedence",
            "150-66-siaddr",
            "150-66-siaddr 150-66 66-150-siaddr",
        ),
        ("dhcp.no_answer", "stored", "stored none"),
        ("dhcp.act_at_once", "no", "no yes"),
        (
            "cluster.blank_itl",
            "no-records",
            "no-records empty-records",
        ),
        ("cluster.tftp_start_mends", "yes", "yes no"),
        ("phone.ignores_expiry", "yes", "yes no"),
        ("bulk.file_names", "node-type", "node-type type-node"),
        ("bulk.password", "trustline", "trustline empty"),
        ("bulk.tftp_type_carries_itlrecovery", "no", "no yes"),
        ("bulk.import_own", "no", "no yes"),
    ] {
        let rule = find(name).unwrap_or_else(|| panic!("no rule {name}"));
        assert_eq!(rule.text_of(rule.default), default, "{name}");
        let words = match rule.choices {
            Choices::Words(words) => words.join(" "),
            Choices::Number { .. } => String::new(),
        };
        assert_eq!(words, choices, "{name}");
    }
}

#[test]
fn used_rules_are_remembered() {
    let mut s = Settings::default();
    assert_eq!(s.word::<WrongRole>(), WrongRole::AskTvs);
    assert_eq!(s.used(), vec![Key::WrongRole]);
    s.choose(rule(Key::WrongRole), 1);
    assert_eq!(s.word::<WrongRole>(), WrongRole::Refuse);
    s.forget_used();
    assert_eq!((s.peek(Key::WrongRole), s.used()), (1, vec![]));
}

#[test]
fn what_makes_no_difference_is_used_and_not_felt() {
    let mut s = Settings::default();
    let others = [(Key::WrongRole, 1), (Key::ListMaxBytes, 4_096)];
    s.watch(others.into());
    let fits = |size: u64| move |s: &Settings| size <= s.count(Key::ListMaxBytes);
    assert!(s.weigh(fits(4_000)));
    assert_eq!((s.used(), s.felt()), (vec![Key::ListMaxBytes], vec![]));
    assert!(s.weigh(fits(5_000)));
    assert_eq!(s.felt(), vec![Key::ListMaxBytes]);
    assert_eq!(s.peek(Key::ListMaxBytes), 65_535);
    // Read elsewhere.
    assert_eq!(s.word::<WrongRole>(), WrongRole::AskTvs);
    assert_eq!(s.felt(), vec![Key::WrongRole, Key::ListMaxBytes]);
    s.forget_used();
    assert_eq!((s.used(), s.felt()), (vec![], vec![]));
    // Read for later.
    let wrong_role = |s: &Settings| s.word::<WrongRole>();
    assert_eq!(s.read_ahead(wrong_role), WrongRole::AskTvs);
    assert_eq!((s.used(), s.felt()), (vec![Key::WrongRole], vec![]));
    s.feel(Key::WrongRole);
    assert_eq!(s.felt(), vec![Key::WrongRole]);
    // What nobody watches is not tried.
    s.forget_used();
    let mut times = 0;
    s.weigh(|s| {
        times += 1;
        s.count(Key::TvsAnswerTtl)
    });
    assert_eq!((times, s.felt()), (1, vec![]));
}

#[test]
fn what_a_user_changes_is_assumed() {
    let leap = rule(Key::LeapOfFaith);
    let mut s = Settings::default();
    s.choose(leap, 0);
    assert_eq!(s.basis(leap.key), Basis::Documented, "as it is anyway");
    s.choose(leap, 1);
    assert_eq!(s.basis(leap.key), Basis::Assumed);

    let cited = Override {
        key: leap.key,
        value: 1,
        basis: Basis::Inferred,
        source: "a profile",
    };
    let mut s = Settings::default();
    s.apply(&[cited]);
    s.choose(leap, 1);
    assert_eq!(s.basis(leap.key), Basis::Inferred, "the profile says it");
    s.choose(leap, 0);
    assert_eq!(s.basis(leap.key), Basis::Assumed, "against the profile");
}

#[test]
fn wrong_values_are_explained() {
    let r = find("list.max_bytes").unwrap();
    assert_eq!(
        r.parse("12").unwrap_err(),
        "a number of bytes from 1024 to 2097152"
    );
    assert!(
        find("trust.wrong_role")
            .unwrap()
            .parse("maybe")
            .unwrap_err()
            .contains("refuse")
    );
}

/// 30 s, or 10 s by the other listed choice.
#[test]
fn a_wait_counts_as_used_where_a_shorter_choice_would_have_run_out() {
    let key = Key::RegisterTimeout;
    for (left, is_used) in [(29_998, false), (20_001, false), (20_000, true), (0, true)] {
        let s = Settings::default();
        s.waited(key, Duration::from_millis(left));
        assert_eq!(s.used() == [key], is_used, "{left}");
        assert_eq!(s.felt() == [key], is_used, "{left}");
    }
    // Nothing is listed that is shorter than the user's own.
    let mut s = Settings::default();
    s.choose(rule(key), 5_000);
    s.waited(key, Duration::from_millis(1));
    assert_eq!(s.used(), []);
}
