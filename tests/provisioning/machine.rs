//! The machine of a resync: rules in their order, addresses, answers, messages.

use std::cell::{Cell, RefCell};

use trustline::provisioning::profile::Profile;
use trustline::provisioning::resync::{Answer, Fault, Happening};
use trustline::provisioning::schedule::Cause;

use crate::certificates::{Draft, address_name, dns_names};
use crate::world::{PROFILE, Phone, ROOT, answering, around, at, page, server, with_chain};

const HERE: &str = "10.1.1.1";
const NAME: &str = "sprov.callme.com";
const RULE: &str = "https://sprov.callme.com/$MA.xml";

fn chain() -> Vec<Vec<u8>> {
    vec![Draft::of(NAME).by(&ROOT)]
}

/// What a phone with this rule says to a server that answers so.
fn code(
    phone: Phone,
    answer: impl Fn(&str) -> Result<Answer, Fault>,
) -> (&'static str, Vec<String>) {
    let server = answering(chain(), |request, _| answer(&request.path));
    let around = around([(NAME, &[HERE])], [(HERE, server)]);
    let resynced = phone.resync(&around);
    (resynced.code(), resynced.asked())
}

fn moved(status: u16, location: &str) -> Result<Answer, Fault> {
    Ok(Answer {
        status,
        location: Some(location.to_owned()),
        ..Answer::default()
    })
}

#[test]
fn two_messages_for_each_download() {
    let around = around([(NAME, &[HERE])], [(HERE, server(NAME))]);
    let resynced = Phone::with_rule(RULE).resync(&around);
    let url = "HTTPS://10.1.1.1:443/000e08abcdef.xml";
    assert_eq!(
        resynced.said(),
        [
            format!("Requesting resync {url}"),
            format!("Successful resync {url}")
        ]
    );
    assert_eq!(resynced.end.result, Ok(1));
    assert_eq!(resynced.parameters.get("GPP_A"), "new");
    let nobody = crate::world::around([(NAME, &["10.1.1.2"][..])], []);
    let resynced = Phone::with_rule(RULE).resync(&nobody);
    assert_eq!(
        resynced.said(),
        [
            "Requesting resync HTTPS://10.1.1.2:443/000e08abcdef.xml",
            "Resync failed: Failed to connect to sprov.callme.com port 443: Couldn't connect to server",
        ]
    );
    let silent = Phone::with_rule(RULE)
        .set("Log_Failure_Msg", "")
        .resync(&nobody);
    assert_eq!(silent.said().len(), 1);
    let malformed = Phone::with_rule("(1 = 1 https://x/").resync(&nobody);
    assert_eq!(malformed.code(), "rule-malformed");
    assert!(malformed.said()[0].starts_with("Resync failed: character 1 of the rule"));
}

#[test]
fn rules_are_taken_in_their_order_and_a_failure_ends_them() {
    let paths = RefCell::new(Vec::new());
    let server = answering(chain(), |request, _| {
        paths.borrow_mut().push(request.path.clone());
        match request.path.as_str() {
            "/c" => page(503, ""),
            _ => page(200, PROFILE),
        }
    });
    let around = around([(NAME, &[HERE])], [(HERE, server)]);
    let phone = |c: &str| {
        Phone::with_rule("https://sprov.callme.com/a")
            .set(
                "Profile_Rule_B",
                "(\"$A\" eq \"new\")? https://sprov.callme.com/b",
            )
            .set("Profile_Rule_C", c)
            .set("Profile_Rule_D", "https://sprov.callme.com/d")
    };
    let failed = phone("https://sprov.callme.com/c").resync(&around);
    // The profile of the first counts for the second, and stays.
    assert_eq!(*paths.borrow(), ["/a", "/b", "/c"]);
    assert_eq!(failed.end.result.unwrap_err().rule, "Profile_Rule_C");
    assert_eq!(failed.parameters.get("GPP_A"), "new");
    paths.borrow_mut().clear();
    let good = phone("(1 = 2)? https://sprov.callme.com/c").resync(&around);
    assert_eq!(*paths.borrow(), ["/a", "/b", "/d"]);
    assert_eq!(good.end.result, Ok(3));
    assert!(good.happened.iter().any(|h| matches!(
        h,
        Happening::RuleSkipped {
            rule: "Profile_Rule_C",
            ..
        }
    )));
}

#[test]
fn addresses_are_tried_until_one_answers() {
    let dns = [(NAME, &["2001:db8::1", "10.1.1.9", HERE][..])];
    let around = around(dns, [(HERE, server(NAME))]);
    let resynced = Phone::with_rule(RULE).resync(&around);
    assert_eq!(resynced.code(), "provisioned");
    let tried: Vec<_> = resynced
        .happened
        .iter()
        .filter_map(|h| match h {
            Happening::NoConnection { address, .. } => Some(address.to_string()),
            _ => None,
        })
        .collect();
    // A records before AAAA records.
    assert_eq!(tried, ["10.1.1.9:443"]);
    // A server that answers and is not taken ends it: the next address is not tried.
    let foreign = with_chain(vec![Draft::of(NAME).self_signed()]);
    let dns = [(NAME, &["10.1.1.9", HERE][..])];
    let around = crate::world::around(dns, [("10.1.1.9", foreign), (HERE, server(NAME))]);
    assert_eq!(
        Phone::with_rule(RULE).resync(&around).code(),
        "issuer-unknown"
    );
}

#[test]
fn statuses_have_their_classes() {
    for (status, expected) in [
        (200, "provisioned"),
        (204, "profile-corrupt"),
        (303, "http-error"),
        (304, "http-error"),
        (307, "http-error"),
        (308, "http-error"),
        (400, "http-error"),
        (403, "http-forbidden"),
        (404, "file-not-found"),
        (410, "http-error"),
        (500, "http-error"),
        (503, "http-error"),
    ] {
        let answer = |_: &str| match status {
            200 => page(200, PROFILE),
            _ => moved(status, "/elsewhere"),
        };
        assert_eq!(code(Phone::with_rule(RULE), answer).0, expected, "{status}");
    }
    let missing = Phone::with_rule(RULE).set("Resync_Fails_On_FNF", "No");
    assert_eq!(code(missing, |_| page(404, "")).0, "provisioned");
    let page_of_nginx = "<html><head><title>400 No required SSL certificate was sent</title>";
    let refused = code(Phone::with_rule(RULE), |_| page(400, page_of_nginx));
    assert_eq!(refused.0, "client-certificate-refused");
}

#[test]
fn redirects_are_followed_up_to_a_limit() {
    for status in [301, 302] {
        let answer = |path: &str| match path {
            "/000e08abcdef.xml" => moved(status, "/next?x"),
            _ => page(200, PROFILE),
        };
        let (reason, asked) = code(Phone::with_rule(RULE), answer);
        assert_eq!(reason, "provisioned");
        assert_eq!(asked[1], "https://sprov.callme.com/next?x 10.1.1.1");
    }
    let (reason, asked) = code(Phone::with_rule(RULE), |_| moved(302, "/again"));
    assert_eq!((reason, asked.len()), ("too-many-redirects", 11));
    let none = Phone::with_rule(RULE).set("provision.max_redirects", "0");
    assert_eq!(code(none, |_| moved(302, "/again")).0, "too-many-redirects");
    for bad in ["", "ftp://x/y", "https://u@h/x"] {
        let (reason, _) = code(Phone::with_rule(RULE), |_| match bad {
            "" => page(302, ""),
            bad => moved(302, bad),
        });
        assert_eq!(reason, "redirect-malformed", "{bad:?}");
    }
}

#[test]
fn a_redirect_leads_to_a_server_that_is_judged_too() {
    let dns = [(NAME, &[HERE][..]), ("two.callme.com", &["10.1.1.2"])];
    let first = || answering(chain(), |_, _| moved(302, "https://two.callme.com/x"));
    let good = around(
        dns,
        [(HERE, first()), ("10.1.1.2", server("two.callme.com"))],
    );
    assert_eq!(Phone::with_rule(RULE).resync(&good).code(), "provisioned");
    let other = around(dns, [(HERE, first()), ("10.1.1.2", server(NAME))]);
    assert_eq!(Phone::with_rule(RULE).resync(&other).code(), "dns-mismatch");
    let plain = || answering(chain(), |_, _| moved(302, "http://two.callme.com/x"));
    let mut down = around(dns, [(HERE, plain())]);
    down.servers
        .insert(at("10.1.1.2:80"), with_chain(Vec::new()));
    assert_eq!(Phone::with_rule(RULE).resync(&down).code(), "provisioned");
    let strict = Phone::with_rule(RULE).set("provision.redirect_to_http", "refused");
    assert_eq!(strict.resync(&down).code(), "redirect-to-http");
}

#[test]
fn logins_are_tried_twice_and_for_the_rules_server_alone() {
    let account = format!("[--uid me --pwd \"$SA\"] {RULE}");
    let phone = || Phone::with_rule(&account).set("GPP_SA", "secret");
    let asks = |status| {
        Ok(Answer {
            status,
            challenges: vec!["Basic realm=\"x\"".into()],
            ..Answer::default()
        })
    };
    for (status, header) in [(401, "authorization"), (407, "proxy-authorization")] {
        let server = answering(chain(), |request, _| {
            let found = request.headers.iter().find(|(name, _)| *name == header);
            match found.map(|(_, value)| value.as_str()) {
                Some("Basic bWU6c2VjcmV0") => page(200, PROFILE),
                Some(other) => panic!("{other}"),
                None => asks(status),
            }
        });
        let around = around([(NAME, &[HERE])], [(HERE, server)]);
        assert_eq!(phone().resync(&around).code(), "provisioned");
    }
    let times = Cell::new(0);
    let (reason, _) = code(phone(), |_| {
        times.set(times.get() + 1);
        asks(401)
    });
    assert_eq!((reason, times.get()), ("login-refused", 3));
    assert_eq!(
        code(Phone::with_rule(RULE), |_| asks(401)).0,
        "login-refused"
    );
    // Another server gets no password.
    let first = answering(chain(), |_, _| moved(302, "https://two.callme.com/x"));
    let second = answering(vec![Draft::of("two.callme.com").by(&ROOT)], |_, _| {
        asks(401)
    });
    let dns = [(NAME, &[HERE][..]), ("two.callme.com", &["10.1.1.2"])];
    let around = around(dns, [(HERE, first), ("10.1.1.2", second)]);
    let resynced = phone().resync(&around);
    assert_eq!(
        (resynced.code(), resynced.asked().len()),
        ("login-refused", 2)
    );
}

#[test]
fn requests_look_like_the_phones() {
    let server = answering(chain(), |request, _| {
        let header = |name: &str| {
            let found = request.headers.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        assert_eq!(
            header("user-agent"),
            "Cisco-CP-8832-3PCC/11.3.2 (000e08abcdef)"
        );
        assert_eq!(header("host"), "sprov.callme.com:8443");
        assert_eq!((request.method, request.path.as_str()), ("POST", "/p?q"));
        assert_eq!(request.body, b"mac=000e08abcdef");
        page(200, PROFILE)
    });
    let mut around = around([(NAME, &[HERE])], []);
    around.servers.insert(at("10.1.1.1:8443"), server);
    let phone = Phone::with_rule("[--post a] https://sprov.callme.com:8443/p?q");
    let resynced = phone.set("GPP_A", "mac=$MA").resync(&around);
    assert_eq!(resynced.code(), "provisioned");
}

#[test]
fn triggers_gate_a_resync_that_nobody_asked_for() {
    let around = around([(NAME, &[HERE])], [(HERE, server(NAME))]);
    let asked = |cause, one: &str, two: &str| {
        let mut phone = Phone::with_rule(RULE).set("Resync_Trigger_1", one);
        phone.cause = cause;
        phone
            .set("Resync_Trigger_2", two)
            .resync(&around)
            .asked()
            .len()
    };
    let (no, yes) = ("1 = 2", "$PRVST = 0");
    for (cause, one, two, expected) in [
        (Cause::PowerUp, "", "", 1),
        (Cause::PowerUp, no, "", 0),
        (Cause::PowerUp, no, yes, 1),
        (Cause::Periodic, no, yes, 0),
        (Cause::Explicit, no, no, 1),
        (Cause::PowerUp, "no condition", "", 0),
    ] {
        assert_eq!(asked(cause, one, two), expected, "{cause:?} {one} {two}");
    }
}

#[test]
fn what_the_phone_does_not_do_is_said() {
    let around = around([(NAME, &[HERE])], [(HERE, server(NAME))]);
    for (rule, expected) in [
        ("tftp://sprov.callme.com/x", "rule-not-supported"),
        ("[--srv] https://sprov.callme.com/x", "rule-not-supported"),
        ("/$PSN.xml", "server-unnamed"),
        ("https:///x", "server-unnamed"),
        ("https://nowhere.example/x", "host-unknown"),
        ("http://sprov.callme.com/x", "server-unreachable"),
        ("https://sprov.callme.com", "rule-malformed"),
        (
            "($SWVER lt 12)? https://sprov.callme.com/x",
            "rule-malformed",
        ),
    ] {
        let resynced = Phone::with_rule(rule).resync(&around);
        assert_eq!(resynced.code(), expected, "{rule}");
        let failure = resynced.end.result.unwrap_err();
        for reason in failure.fault.reasons() {
            assert!(!reason.fix.is_empty() && !reason.text.is_empty(), "{rule}");
        }
    }
    let idle = Phone::with_rule("").resync(&around);
    assert_eq!((idle.code(), idle.end.result), ("nothing-to-do", Ok(0)));
}

#[test]
fn a_phone_that_may_not_resync_asks_nobody() {
    let around = around([(NAME, &[HERE])], [(HERE, server(NAME))]);
    for (parameter, cause, expected) in [
        ("Provision_Enable", Cause::PowerUp, "provisioning-off"),
        ("Provision_Enable", Cause::Explicit, "provisioning-off"),
        ("Provision_Enable", Cause::Retry, "provisioning-off"),
        ("Resync_On_Reset", Cause::PowerUp, "provisioning-off"),
        ("Resync_On_Reset", Cause::Explicit, "provisioned"),
        ("Resync_On_Reset", Cause::Periodic, "provisioned"),
    ] {
        let mut phone = Phone::with_rule(RULE).set(parameter, "No");
        phone.cause = cause;
        let resynced = phone.resync(&around);
        assert_eq!(resynced.code(), expected, "{parameter} {cause:?}");
        assert_eq!(resynced.asked().is_empty(), expected != "provisioned");
        let text = format!("{:?}", resynced.end.result);
        assert_eq!(
            text.contains(parameter),
            expected != "provisioned",
            "{text}"
        );
    }
}

#[test]
fn what_asks_no_server_is_no_success() {
    let around = around([(NAME, &[HERE])], [(HERE, server(NAME))]);
    for (parameter, value) in [
        ("Resync_Trigger_1", "1 = 2"),
        ("Profile_Rule", "(1 = 2)? https://sprov.callme.com/a"),
        ("Profile_Rule", "(a = \"x\")!"),
    ] {
        let resynced = Phone::with_rule(RULE).set(parameter, value).resync(&around);
        assert_eq!(resynced.code(), "nothing-to-do", "{parameter} {value}");
        assert!(resynced.said().is_empty());
    }
    // A file that may be missing was asked for.
    let missing = Phone::with_rule(RULE).set("Resync_Fails_On_FNF", "No");
    assert_eq!(code(missing, |_| page(404, "")).0, "provisioned");
}

#[test]
fn a_server_of_tls_gives_nothing_to_who_speaks_none() {
    let around = around([(NAME, &[HERE])], [(HERE, server(NAME))]);
    let resynced = Phone::with_rule("http://sprov.callme.com:443/p").resync(&around);
    assert_eq!(resynced.code(), "no-answer");
}

#[test]
fn a_redirect_never_takes_the_body_along() {
    let seen = RefCell::new(Vec::new());
    for to in ["https://two.callme.com/x", "/x", "http://two.callme.com/x"] {
        let answering = |name: &str| {
            let chain = vec![Draft::of(name).by(&ROOT)];
            answering(chain, |request, _| {
                let types = request.headers.iter().filter(|(n, _)| *n == "content-type");
                let body = String::from_utf8_lossy(&request.body).into_owned();
                seen.borrow_mut()
                    .push((request.method, body, types.count()));
                match request.path.as_str() {
                    "/x" => page(200, PROFILE),
                    _ => moved(302, to),
                }
            })
        };
        let dns = [(NAME, &[HERE][..]), ("two.callme.com", &["10.1.1.2"])];
        let two = "two.callme.com";
        let mut around = around(dns, [(HERE, answering(NAME)), ("10.1.1.2", answering(two))]);
        let mut plain = answering(two);
        plain.chain.clear();
        around.servers.insert(at("10.1.1.2:80"), plain);
        let phone = Phone::with_rule("[--post \"$SA\"] https://sprov.callme.com/p");
        let resynced = phone.set("GPP_SA", "secret").resync(&around);
        assert_eq!(resynced.code(), "provisioned", "{to}");
        drop(around);
        let asked = seen.take();
        assert_eq!(asked[0], ("POST", "secret".to_owned(), 1));
        assert_eq!(asked[1..], [("GET", String::new(), 0)], "{to}");
        let rests_on = &resynced.end.rests_on;
        assert!(rests_on.contains(&"provision.redirect_of_post"), "{to}");
    }
}

#[test]
fn thousands_of_addresses_are_not_all_tried() {
    let all: Vec<_> = (0..5_000)
        .map(|i| format!("10.2.{}.{}", i / 250, i % 250))
        .collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    let again = answering(chain(), |_, _| moved(302, "https://many.callme.com/x"));
    let around = around(
        [(NAME, &["10.1.1.9", HERE][..]), ("many.callme.com", &all)],
        [(HERE, again)],
    );
    let resynced = Phone::with_rule(RULE).resync(&around);
    assert_eq!(resynced.code(), "server-unreachable");
    let tried = resynced.happened.iter();
    let tried = tried.filter(|h| matches!(h, Happening::NoConnection { .. }));
    // Those before a redirect count too.
    assert_eq!(tried.count(), 8);
    // The bound turned it, and nobody knows what it is.
    assert_eq!(resynced.end.rests_on, ["provision.max_addresses"]);
    let text = resynced.end.result.unwrap_err().fault.to_string();
    let said = "7 of 5000 addresses were tried (provision.max_addresses)";
    assert!(text.ends_with(said), "{text}");
    let of_dns = resynced.happened.iter().map(ToString::to_string);
    let cut = of_dns.filter(|text| text.ends_with("and 4992 more, which are not tried"));
    assert_eq!(cut.count(), 1);
    // A larger one finds a server behind them; a smaller one would not have.
    let some = ["10.1.1.7", "10.1.1.8", "10.1.1.9", HERE];
    let around = crate::world::around([(NAME, &some[..])], [(HERE, server(NAME))]);
    for (bound, expected) in [
        ("3", "server-unreachable"),
        ("4", "provisioned"),
        ("8", "provisioned"),
    ] {
        let phone = Phone::with_rule(RULE).set("provision.max_addresses", bound);
        let resynced = phone.resync(&around);
        assert_eq!(resynced.code(), expected, "{bound}");
        assert_eq!(resynced.end.rests_on, ["provision.max_addresses"]);
    }
    // Where all of them are down, no bound turns it.
    let around = crate::world::around([(NAME, &some[..])], []);
    let resynced = Phone::with_rule(RULE).resync(&around);
    assert!(resynced.end.rests_on.is_empty());
}

#[test]
fn a_name_that_is_an_address_needs_no_dns() {
    let leaf = Draft::of("any").with(address_name([10, 1, 1, 1])).by(&ROOT);
    let mut around = around([], [(HERE, with_chain(vec![leaf]))]);
    around.dns_is_down = true;
    let phone = Phone::with_rule("https://10.1.1.1/a").set("provision.name_check", "mpp113");
    let resynced = phone.resync(&around);
    assert_eq!(resynced.code(), "provisioned");
    assert_eq!(resynced.end.rests_on, ["provision.name_check"]);
}

#[test]
fn large_parameters_keep_no_phone_busy() {
    // Each of these took hours: a value of megabytes that a text of megabytes names again and again.
    let large = "x".repeat(2 << 20);
    let names = "$(A:99999999)".repeat(100_000);
    let around = around([(NAME, &[HERE])], [(HERE, server(NAME))]);
    let phone = Phone::with_rule(RULE)
        .set("GPP_A", &large)
        .set("Resync_Trigger_1", &format!("\"{names}\" = \"\""))
        .set("Resync_Trigger_2", "1 = 1")
        .set("Log_Request_Msg", &names)
        .set("Log_Success_Msg", &names)
        .set("Profile_Rule_B", RULE);
    let resynced = phone.resync(&around);
    assert_eq!(resynced.end.result, Ok(2));
    assert!(resynced.said().iter().all(|text| text.len() <= 8 * 1024));
}

#[test]
fn a_body_goes_along_with_a_redirect_where_that_is_set() {
    let seen = RefCell::new(Vec::new());
    let answering = answering(chain(), |request, _| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        seen.borrow_mut().push((request.method, body));
        match request.path.as_str() {
            "/x" => page(200, PROFILE),
            _ => moved(301, "/x"),
        }
    });
    let around = around([(NAME, &[HERE])], [(HERE, answering)]);
    let phone = Phone::with_rule("[--post \"$SA\"] https://sprov.callme.com/p");
    let phone = phone
        .set("GPP_SA", "a")
        .set("provision.redirect_of_post", "post");
    assert_eq!(phone.resync(&around).code(), "provisioned");
    assert_eq!(
        *seen.borrow(),
        [("POST", "a".to_owned()), ("POST", "a".to_owned())]
    );
}

#[test]
fn a_verdict_names_what_it_rests_on() {
    let rests_on = |name: &str, set: &[(&str, &str)]| {
        let host = name.split('/').next().unwrap();
        let around = around([(host, &[HERE])], [(HERE, server(name))]);
        let phone = Phone::with_rule(&format!("https://{host}/a"));
        let phone = set
            .iter()
            .fold(phone, |phone, (key, value)| phone.set(key, value));
        phone.resync(&around).end.rests_on
    };
    assert!(rests_on(NAME, &[]).is_empty());
    assert_eq!(rests_on("pv.telco.net/x", &[]), ["provision.name_check"]);
    let mismatch = around([(NAME, &["10.9.9.9"])], [(HERE, server(NAME))]);
    let resynced = Phone::with_rule("https://10.1.1.1/a").resync(&mismatch);
    assert_eq!(resynced.end.rests_on, ["provision.dns_check"]);
    // The other check would take it under another name.
    let leaf = Draft::of("other.example")
        .with(dns_names(&[NAME]))
        .by(&ROOT);
    let there = around(
        [(NAME, &[HERE]), ("other.example", &["10.9.9.9"])],
        [(HERE, with_chain(vec![leaf]))],
    );
    let resynced = Phone::with_rule(RULE).resync(&there);
    assert_eq!(resynced.code(), "dns-mismatch");
    assert_eq!(
        resynced.end.rests_on,
        ["provision.dns_check", "provision.name_check"]
    );
    // An IPv6 address counts as a setting has it, and so do redirects and keys of pass phrases.
    let six = around([(NAME, &["2001:db8::1"])], [("2001:db8::1", server(NAME))]);
    let resynced = Phone::with_rule(RULE).resync(&six);
    assert_eq!(resynced.end.rests_on, ["provision.dns_aaaa"]);
    let moving = answering(chain(), |request, _| match request.path.as_str() {
        "/x" => page(200, PROFILE),
        _ => moved(302, "http://sprov.callme.com/x"),
    });
    let mut there = around([(NAME, &[HERE])], [(HERE, moving)]);
    there
        .servers
        .insert(at("10.1.1.1:80"), with_chain(Vec::new()));
    let resynced = Phone::with_rule(RULE).resync(&there);
    assert_eq!(
        resynced.end.rests_on,
        ["provision.max_redirects", "provision.redirect_to_http"]
    );
    // A profile that another bound would refuse.
    let large = format!("<flat-profile><A>{}</A></flat-profile>", "x".repeat(2_000));
    let giving = answering(chain(), |_, _| page(200, &large));
    let there = around([(NAME, &[HERE])], [(HERE, giving)]);
    for (bound, expected) in [("1024", "profile-too-large"), ("4096", "provisioned")] {
        let phone = Phone::with_rule(RULE).set("provision.max_profile_bytes", bound);
        let resynced = phone.resync(&there);
        assert_eq!(resynced.code(), expected);
        assert_eq!(resynced.end.rests_on, ["provision.max_profile_bytes"]);
    }
    let sealed = Profile::seal(PROFILE.as_bytes(), "phrase", &[1; 8]);
    let sealing = answering(chain(), |_, _| {
        Ok(Answer {
            status: 200,
            body: sealed.clone(),
            ..Answer::default()
        })
    });
    let there = around([(NAME, &[HERE])], [(HERE, sealing)]);
    for (digest, expected) in [
        ("sha256-then-md5", "provisioned"),
        ("md5", "profile-key-wrong"),
    ] {
        let phone = Phone::with_rule(&format!("[--key phrase] {RULE}"));
        let resynced = phone.set("provision.key_digest", digest).resync(&there);
        assert_eq!(resynced.code(), expected);
        assert_eq!(resynced.end.rests_on, ["provision.key_digest"]);
    }
    let skipped = &[("provision.dns_check", "skipped")];
    assert_eq!(rests_on(NAME, skipped), ["provision.dns_check"]);
}
