//! Every vector as an offer to phones that hold different lists: ruling and reasons of each
//! decision.

use trustline::trust::decide::{FileQuestion, ListQuestion, decide_file, decide_list};
use trustline::trust::installed::{InForce, InstalledList};
use trustline::trust::rules::{Key, Rule, Settings};
use trustline::trust::signature::SignatureCheck;
use trustline::trust::vouch::Vouch;
use trustline::wire::ListKind;

use crate::lab;

/// The name under which every signed file is asked for.
const ASKED: &str = "SEP001122334455.cnf.xml.sgn";

/// Files beside the vectors, see `lab`.
const MADE: [&str; 4] = [
    "lab/itl-without-sast",
    "lab/itl-blank",
    "lab/itl-twice-the-same",
    "lab/config-without-name",
];

/// CTL, ITL, TVS answers and settings of each phone.
const PHONES: [(&str, &str, &[&str], &[&str]); 6] = [
    ("", "", &[], &[]),
    ("", "tool/itl-a-v10-sha1.tlv", &[], &[]),
    ("tool/ctl-b.tlv", "tool/itl-a-v10-sha1.tlv", &[], &[]),
    (
        "",
        "tool/itl-a-v10-sha1.tlv",
        &["b-sast: TFTP CCM+TFTP"],
        &[],
    ),
    ("", "lab/itl-blank", &[], &[]),
    (
        "",
        "tool/itl-sast-expired.tlv",
        &[],
        &["list.equal = reinstall"],
    ),
];

struct Phone {
    text: String,
    ctl: Option<InstalledList>,
    itl: Option<InstalledList>,
    vouches: Vec<Vouch>,
    settings: &'static [&'static str],
}

enum Offer {
    List(ListKind),
    File,
}

/// What was decided about one offer under the defaults.
struct Decided {
    phone: usize,
    offer: usize,
    used: Vec<Key>,
    outcome: String,
}

pub(crate) struct Decisions {
    phones: Vec<Phone>,
    offers: Vec<(String, Offer, Vec<u8>)>,
    decided: Vec<Decided>,
}

impl Decisions {
    pub(crate) fn new() -> Self {
        let index: serde_json::Value = serde_json::from_slice(&lab::vector("index.json")).unwrap();
        let vectors = index["vectors"].as_array().unwrap().iter();
        let names = vectors.map(|v| v["file"].as_str().unwrap().to_owned());
        let offers = names.chain(MADE.map(str::to_owned)).map(|name| {
            let offer = if name.contains("/ctl-") {
                Offer::List(ListKind::Ctl)
            } else if name.ends_with(".tlv") || name.starts_with("lab/itl") {
                Offer::List(ListKind::Itl)
            } else {
                Offer::File
            };
            let bytes = lab::file_once(&name);
            (name, offer, bytes)
        });
        let phones = PHONES.map(|(ctl, itl, vouches, settings)| Phone {
            text: format!("CTL {ctl:?}, ITL {itl:?}, TVS {vouches:?}, {settings:?}"),
            ctl: lab::installed(ListKind::Ctl, ctl),
            itl: lab::installed(ListKind::Itl, itl),
            vouches: vouches.iter().map(|v| lab::vouch(v)).collect(),
            settings,
        });
        let mut all = Self {
            phones: phones.into(),
            offers: offers.collect(),
            decided: Vec::new(),
        };
        let pairs: Vec<_> = (0..all.phones.len())
            .flat_map(|phone| (0..all.offers.len()).map(move |offer| (phone, offer)))
            .collect();
        all.decided = crate::in_threads(&pairs, |&(phone, offer)| {
            let settings = lab::settings(all.phones[phone].settings);
            let outcome = all.decide(phone, offer, &settings);
            Decided {
                phone,
                offer,
                used: settings.used(),
                outcome,
            }
        });
        all
    }

    fn decide(&self, phone: usize, offer: usize, settings: &Settings) -> String {
        let (phone, (_, offer, bytes)) = (&self.phones[phone], &self.offers[offer]);
        let in_force = InForce {
            ctl: phone.ctl.as_ref(),
            itl: phone.itl.as_ref(),
        };
        let check = &mut SignatureCheck::new();
        let decision = match offer {
            Offer::List(kind) => {
                let question = ListQuestion {
                    kind: *kind,
                    bytes,
                    in_force,
                    vouches: &phone.vouches,
                    settings,
                    known_version: (1, 1),
                    now: lab::NOW,
                };
                decide_list(&question, check)
            }
            Offer::File => {
                let question = FileQuestion {
                    name: ASKED,
                    bytes,
                    in_force,
                    vouches: &phone.vouches,
                    settings,
                    now: lab::NOW,
                };
                decide_file(&question, check)
            }
        };
        let codes: Vec<_> = decision.reasons.iter().map(|r| r.code.as_str()).collect();
        format!("{:?}: {}", decision.ruling, codes.join(" "))
    }

    /// The first decision that a choice changes. Those that did not look at the rule are passed
    /// over.
    pub(crate) fn change(&self, rule: &Rule, other: i64) -> Option<String> {
        let asked = self.decided.iter().filter(|d| d.used.contains(&rule.key));
        asked.into_iter().find_map(|d| {
            let phone = &self.phones[d.phone];
            let settings = lab::settings(phone.settings);
            settings_with(&settings, rule, other)
                .map(|settings| self.decide(d.phone, d.offer, &settings))
                .filter(|outcome| *outcome != d.outcome)
                .map(|outcome| {
                    let offer = &self.offers[d.offer].0;
                    let default = &d.outcome;
                    format!(
                        "{offer} offered to {}: {outcome}, not {default}",
                        phone.text
                    )
                })
        })
    }
}

/// The settings with one choice more; none where the phone has it already.
fn settings_with(settings: &Settings, rule: &Rule, other: i64) -> Option<Settings> {
    let mut settings = settings.clone();
    if settings.peek(rule.key) == other {
        return None;
    }
    settings.choose(rule, other);
    Some(settings)
}
