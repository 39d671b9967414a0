//! Cases, each with who says so. A case whose outcome hangs on a setting stands once for each of
//! its values.

mod beginnings;
mod content;
mod files;
mod signers;

use trustline::trust::search::FoundIn;
use trustline::wire::ListKind;

use crate::{Phone, codes, lab, ruling_text};

/// What is offered.
#[derive(Clone, Copy)]
enum Offer {
    Ctl(&'static str),
    Itl(&'static str),
    /// The name asked for, and the file.
    File(&'static str, &'static str),
}

struct Case {
    name: &'static str,
    source: &'static str,
    ctl: &'static str,
    itl: &'static str,
    offer: Offer,
    vouches: &'static [&'static str],
    settings: &'static [&'static str],
    ruling: &'static str,
    reasons: &'static str,
    /// Where the signer was found.
    found: &'static str,
}

/// A phone without lists and settings of its own.
const EMPTY: Case = Case {
    name: "",
    source: "",
    ctl: "",
    itl: "",
    offer: Offer::Itl(""),
    vouches: &[],
    settings: &[],
    ruling: "",
    reasons: "",
    found: "",
};

/// A phone of cluster A, as Security by Default leaves it.
const NON_SECURE: Case = Case {
    itl: "tool/itl-a-v10-sha1.tlv",
    ..EMPTY
};

/// A phone that holds the CTL of B and the ITL of A, so that it shows which list is searched.
const BOTH: Case = Case {
    ctl: "tool/ctl-b.tlv",
    itl: "tool/itl-a-v10-sha1.tlv",
    ..EMPTY
};

const NOBODY_SAYS: &str = "no source says; a setting";

const CONFIG: &str = "SEP001122334455.cnf.xml.sgn";

/// A phone of cluster A in mixed mode.
const BOTH_OF_A: Case = Case {
    ctl: "tool/ctl-a-v10-sha1.tlv",
    itl: "tool/itl-a-v10-sha1.tlv",
    ..EMPTY
};

fn cases() -> impl Iterator<Item = &'static Case> {
    let all = [
        signers::CASES,
        content::CASES,
        beginnings::CASES,
        files::CASES,
    ];
    all.into_iter().flatten()
}

#[test]
fn every_case_is_decided_so() {
    let mut wrong = Vec::new();
    for case in cases() {
        let phone = Phone::new(case.ctl, case.itl, case.vouches, case.settings);
        let d = match case.offer {
            Offer::Ctl(name) => phone.list(ListKind::Ctl, &lab::file(name)),
            Offer::Itl(name) => phone.list(ListKind::Itl, &lab::file(name)),
            Offer::File(asked, name) => phone.file(asked, &lab::file(name)),
        };
        let found = d.found_in.map_or("", FoundIn::as_str);
        let is = (&ruling_text(d.ruling)[..], &codes(&d)[..], found);
        let expected = (case.ruling, case.reasons, case.found);
        if is != expected {
            wrong.push(format!(
                "{} ({}):\n  is       {is:?}\n  expected {expected:?}\n  {:?}",
                case.name,
                case.source,
                d.decisive()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_says_who_says_so() {
    for case in cases() {
        assert!(
            !case.name.is_empty() && !case.source.is_empty(),
            "{}",
            case.name
        );
    }
}

/// Where a case stands again with another setting, that setting changes what comes out.
#[test]
fn every_other_choice_changes_the_outcome() {
    for pair in cases().collect::<Vec<_>>().windows(2) {
        let [first, second] = pair else { continue };
        if !second.name.starts_with("the same,") || second.settings == first.settings {
            continue;
        }
        let outcomes = [first, second].map(|c| (c.ruling, c.reasons));
        assert_ne!(outcomes[0], outcomes[1], "{}: {}", first.name, second.name);
    }
}
