//! What holds whatever the bytes, the installed lists, the answers of TVS and the settings are.
//! A small reader of its own finds what a signature covers, and the `rsa` crate checks it with
//! keys that nothing under test has read.

use std::ops::Range;

use rsa::RsaPublicKey;
use trustline::rng::Rng;
use trustline::trust::decide::{Decision, How, Ruling};
use trustline::trust::installed::InstalledList;
use trustline::trust::rules::{Choices, RULES, Settings};
use trustline::wire::{ListKind, Role};

use crate::{Phone, TRUSTED, lab};

/// Digest code, where the signature element stands, and the signature.
struct Signed<'a> {
    digest: u8,
    element: Range<usize>,
    signature: &'a [u8],
}

/// Walks a header by its lengths alone. The last signature and the last digest count.
fn signed(bytes: &[u8]) -> Option<Signed<'_>> {
    let end = usize::from(u16::from_be_bytes([*bytes.get(8)?, *bytes.get(9)?]));
    let mut digest = None;
    let mut signature = None;
    let mut stack = Vec::from([Range { start: 10, end }]);
    let mut depth = 0;
    while let Some(Range { start, end }) = stack.pop() {
        if start >= end {
            depth = stack.len().saturating_sub(1);
            continue;
        }
        let tag = *bytes.get(start)?;
        if tag == 13 && depth == 0 {
            stack.push(start + 1..end);
            continue;
        }
        let head = bytes.get(start + 1..start + 3)?;
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        let value = bytes.get(start + 3..start + 3 + length)?;
        stack.push(start + 3 + length..end);
        match tag {
            8 => digest = value.first().copied(),
            12 => signature = Some((start..start + 3 + length, value)),
            3 | 7 | 9 if depth < 2 => stack.push(start + 3..start + 3 + length),
            _ => {}
        }
        depth = stack.len() - 1;
    }
    let (element, signature) = signature?;
    Some(Signed {
        digest: digest?,
        element,
        signature,
    })
}

/// Whether the signature of `bytes` holds by this key.
fn holds(bytes: &[u8], key: &RsaPublicKey) -> bool {
    let Some(found) = signed(bytes) else {
        return false;
    };
    let mut message = bytes.to_vec();
    message.drain(found.element);
    let Some((scheme, hash)) = lab::scheme(found.digest, &message) else {
        return false;
    };
    key.verify(scheme, &hash, found.signature).is_ok()
}

/// What may have signed.
fn candidates(phone: &Phone, how: How, allows: fn(Role) -> bool, any_role: bool) -> Vec<Vec<u8>> {
    let of_list = |l: &InstalledList| -> Vec<Vec<u8>> {
        let fitting = l.list.records.iter().filter(|r| allows(r.role()));
        fitting
            .filter_map(|r| r.certificate().map(<[u8]>::to_vec))
            .collect()
    };
    match how {
        How::Signer => [&phone.ctl, &phone.itl]
            .into_iter()
            .flatten()
            .flat_map(of_list)
            .collect(),
        _ => {
            let fitting = phone.vouches.iter();
            let fitting = fitting.filter(|v| any_role || v.roles.iter().any(|&r| allows(r)));
            fitting.map(|v| v.certificate.to_vec()).collect()
        }
    }
}

/// The laws for one decision. `kind`: the list that was offered; none for a signed file.
fn obeys(phone: &Phone, kind: Option<ListKind>, bytes: &[u8], d: &Decision, what: &str) {
    assert!(!d.reasons.is_empty(), "{what}: a decision without a reason");
    let word = |name: &str| {
        let rule = trustline::trust::rules::find(name).unwrap();
        rule.text_of(phone.settings.peek(rule.key))
    };
    let Ruling::Accept(how) = d.ruling else {
        if d.ruling == Ruling::Unchanged {
            let list = phone.in_force().installed(kind.unwrap()).unwrap();
            assert_eq!(*list.bytes, *bytes, "{what}: unchanged, and another file");
        }
        return;
    };
    if let Some(kind) = kind {
        // What was accepted installs, and is found again after a restart.
        let list = InstalledList::parse(kind, bytes.into());
        assert!(list.is_ok_and(|l| !l.list.records.is_empty()), "{what}");
    }
    match how {
        How::LeapOfFaith => {
            assert!(phone.ctl.is_none(), "{what}");
            if phone.itl.is_some() {
                assert_eq!(kind, Some(ListKind::Ctl), "{what}");
                assert_eq!(word("trust.first_ctl_checked"), "no", "{what}");
            }
            assert_eq!(word("trust.leap_of_faith"), "accept", "{what}");
        }
        How::Rollback => {
            assert_eq!(kind, Some(ListKind::Itl), "{what}");
            assert_eq!(word("trust.empty_itl"), "accept-any", "{what}");
            let itl = phone.itl.as_ref().unwrap();
            assert!(itl.list.is_empty_for_rollback(), "{what}");
            if !phone.in_force().is_prepared_for_rollback() {
                assert_eq!(word("trust.rollback_with_ctl"), "accept-any", "{what}");
            }
        }
        How::Signer | How::Tvs => {
            let allows = if kind.is_some() {
                Role::signs_lists
            } else {
                Role::signs_files
            };
            let any_role = word("tvs.role_required") == "no";
            let keys = lab::public_keys();
            let signed = candidates(phone, how, allows, any_role)
                .iter()
                .filter_map(|der| keys.get(der))
                .any(|key| holds(bytes, key));
            assert!(
                signed,
                "{what}: accepted by {}, and nobody signed it",
                how.as_str()
            );
        }
    }
}

/// Any settings of the areas that a decision reads.
fn any_settings(rng: &mut Rng) -> Settings {
    let mut settings = Settings::default();
    for rule in RULES {
        let read = ["trust.", "list.", "tvs.", "phone."];
        if !read.iter().any(|area| rule.name.starts_with(area)) || !rng.chance(150) {
            continue;
        }
        let value = match rule.choices {
            Choices::Words(words) => rng.below(words.len() as u64) as i64,
            Choices::Number { others, .. } => others[rng.below(others.len() as u64) as usize],
        };
        settings.choose(rule, value);
    }
    settings
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.below(from.len() as u64) as usize]
}

fn any_phone(rng: &mut Rng) -> Phone {
    let ctl = [
        "",
        "",
        "tool/ctl-a-v10-sha1.tlv",
        "new:tool/ctl-b.tlv",
        "lab/ctl-non-secure",
    ];
    let itl = [
        "",
        "tool/itl-a-v10-sha1.tlv",
        "tool/itl-a-allroles-v11-sha512.tlv",
        "tool/itl-b.tlv",
        "tool/itl-twin-then-real.tlv",
        "tool/itl-sast-expired.tlv",
        "lab/itl-tftp",
        "lab/itl-blank",
    ];
    let vouches = [
        "a-sast: SAST",
        "b-sast: SAST TFTP",
        "a-tftp: TFTP",
        "a-sast2: CCM",
        "a-tvs:",
    ];
    let mut phone = Phone::new(pick(rng, &ctl), pick(rng, &itl), &[], &[]);
    let n = rng.below(3);
    phone.vouches = (0..n).map(|_| lab::vouch(pick(rng, &vouches))).collect();
    phone.settings = any_settings(rng);
    phone
}

/// Cuts, flips, repeats or grows bytes; now and then leaves them.
fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let n = bytes.len() as u64;
    if n == 0 {
        return;
    }
    // Half of it in the first 512 bytes, where the header is.
    let reach = if rng.chance(500) { n.min(512) } else { n };
    let at = rng.below(reach) as usize;
    match rng.below(8) {
        0 => bytes.truncate(at),
        1..=3 => bytes[at] ^= 1 << rng.below(8),
        4 => bytes[at] = rng.next_u64() as u8,
        5 => bytes.insert(at, rng.next_u64() as u8),
        6 => {
            let end = (at + rng.below(300) as usize).min(bytes.len());
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        _ => {}
    }
}

const LISTS: &[&str] = &[
    "tool/itl-a-v10-sha1.tlv",
    "tool/itl-a-next.tlv",
    "tool/itl-a-next2.tlv",
    "tool/itl-b.tlv",
    "tool/itl-rogue-twin.tlv",
    "tool/itl-twin-then-real.tlv",
    "tool/itl-sast-expired.tlv",
    "tool/ctl-a-v11-sha512.tlv",
    "tool/ctl-b.tlv",
    "good/cucm-layout.tlv",
    "good/pad-64.tlv",
    "hostile/h033-digest-sha256.tlv",
    "hostile/h090-trailing-1.tlv",
    "hostile/h106-two-signatures-good-first.tlv",
    "hostile/h107-two-signatures-good-last.tlv",
    "hostile/h117-no-signer-name.tlv",
    "hostile/h127-children-outside-container.tlv",
    "hostile/h132-signer-is-tvs-only.tlv",
    "hostile/h165-sgn-named-tlv.tlv",
    "lab/itl-damaged-record",
    "lab/itl-without-sast",
];

const FILES: &[&str] = &[
    "tool/SEP001122334455.cnf.xml.d-lsc.sha512.pointer.sgn",
    "tool/SEP001122334455.cnf.xml.d-lsc.sha1.enc.sgn",
    "tool/SEP001122334455.cnf.xml.notinlist-b.sgn",
    "tool/SEP001122334455.cnf.xml.rogue-twin.sgn",
    "tool/SEP001122334455.cnf.xml.wrongrole-ccm.sgn",
    "hostile/h173-sgn-sha256.cnf.xml.sgn",
    "tool/itl-a-v10-sha1.tlv",
];

#[test]
fn nothing_is_trusted_that_nobody_trusted_signed() {
    let mut rng = Rng::new(2);
    let mut accepted = [0, 0];
    let mut rulings = std::collections::BTreeMap::new();
    for round in 0..6_000 {
        let phone = any_phone(&mut rng);
        let is_list = rng.chance(750);
        let name = pick(&mut rng, if is_list { LISTS } else { FILES });
        let mut bytes = lab::file_once(name);
        // Every third file stays whole, so that acceptance is tested too.
        if round % 3 != 0 {
            damage(&mut rng, &mut bytes);
        }
        let what = format!("round {round}, {name}");
        let (kind, d) = if is_list {
            let kind = if rng.chance(250) {
                ListKind::Ctl
            } else {
                ListKind::Itl
            };
            (Some(kind), phone.list(kind, &bytes))
        } else {
            (None, phone.file("SEP001122334455.cnf.xml.sgn", &bytes))
        };
        obeys(&phone, kind, &bytes, &d, &what);
        *rulings.entry(crate::ruling_text(d.ruling)).or_insert(0) += 1;
        accepted[usize::from(is_list)] += i32::from(TRUSTED.contains(&d.ruling));
    }
    // The law would hold for a phone that refuses all; so it must have been put to the test.
    assert!(accepted.iter().all(|&n| n > 50), "{rulings:?}");
    assert_eq!(rulings.len(), 7, "{rulings:?}");
}

/// Every single byte of a list that its signer vouches for: one wrong bit, and it is not taken.
#[test]
fn every_byte_counts() {
    let phone = Phone::new("", "tool/itl-a-v10-sha1.tlv", &[], &[]);
    let mut bytes = lab::file("tool/itl-a-next.tlv");
    assert_eq!(
        phone.list(ListKind::Itl, &bytes).ruling,
        Ruling::Accept(How::Signer)
    );
    for at in 0..bytes.len() {
        bytes[at] ^= 1 << (at % 8);
        let d = phone.list(ListKind::Itl, &bytes);
        assert!(!TRUSTED.contains(&d.ruling), "byte {at}: {d:?}");
        bytes[at] ^= 1 << (at % 8);
    }
}

/// The law's own reader finds what the tools signed, and sees a signature that does not hold.
#[test]
fn the_independent_check_tells_good_from_bad() {
    let keys = lab::public_keys();
    let key = |name| &keys[&lab::certificate(name)];
    for name in [
        "tool/itl-a-v10-sha1.tlv",
        "tool/itl-a-next.tlv",
        "good/pad-64.tlv",
    ] {
        let bytes = lab::file(name);
        assert!(holds(&bytes, key("a-sast")), "{name}");
        assert!(!holds(&bytes, key("b-sast")), "{name}");
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(!holds(&changed, key("a-sast")), "{name}");
    }
    let name = "tool/SEP001122334455.cnf.xml.d-lsc.sha1.enc.sgn";
    assert!(holds(&lab::file(name), key("a-tftp")));
    assert!(!holds(
        &lab::file("hostile/h002-sig-flip-last.tlv"),
        key("a-sast")
    ));
}
