//! The files about which no source says what a phone does: each belongs to a named setting, and
//! both values of the setting are tried.

use trustline::trust::decide::{How, ListQuestion, Ruling, decide_list, policy, strictness};
use trustline::trust::installed::InForce;
use trustline::trust::own_signature::OwnSignatureFault;
use trustline::trust::reason::Code;
use trustline::trust::rules::{Settings, find};
use trustline::trust::signature::{SignatureCheck, SignatureFault};
use trustline::wire::{Digest, ListKind, Role, WireErrorKind};

use crate::signature_fault;
use crate::support::{Choices, Fault, entries, judge, judge_list, vector};

/// A file whose outcome a setting decides, with what each of two values of the setting gives.
pub(crate) struct PolicyRow {
    file: &'static str,
    setting: &'static str,
    /// The value under which the file passes.
    lenient: &'static str,
    /// The value under which it does not.
    strict: &'static str,
}

pub(crate) const POLICIES: &[PolicyRow] = &[
    TRAILING.of("hostile/h090-trailing-1.tlv"),
    TRAILING.of("hostile/h091-trailing-pad.tlv"),
    UNKNOWN.of("hostile/h094-hdr-tag-0.tlv"),
    UNKNOWN.of("hostile/h098-hdr-enc-tag-16.tlv"),
    UNKNOWN.of("hostile/h099-rec-tag-0.tlv"),
    UNKNOWN.of("hostile/h100-rec-tag-13.tlv"),
    UNKNOWN.of("hostile/h101-rec-tag-99.tlv"),
    MISSING.of("hostile/h117-no-signer-name.tlv"),
    MISSING.of("hostile/h121-no-filename.tlv"),
    MISSING.of("hostile/h124-rec-no-cert.tlv"),
    PolicyRow {
        file: "hostile/h127-children-outside-container.tlv",
        setting: "list.signer_container",
        lenient: "optional",
        strict: "required",
    },
    PolicyRow {
        file: "hostile/h149-name-bad-utf8.tlv",
        setting: "list.name_encoding",
        lenient: "opaque",
        strict: "utf-8",
    },
    SHA256.of("hostile/h033-digest-sha256.tlv"),
    SHA256.of("hostile/h173-sgn-sha256.cnf.xml.sgn"),
    PolicyRow {
        file: "tool/itl-sast512-sha1.tlv",
        setting: "trust.min_rsa_bits",
        lenient: "512",
        strict: "1024",
    },
];

/// `list.version` says whether a list of such a version is read; the decision judges it, once the
/// header is.
const VERSION: &str = "hostile/h156-version-1.0.tlv";

/// `trust.wrong_role` says whether TVS is asked about such a signer; by itself the list never
/// holds, and the reason names the role.
const WRONG_ROLE: &str = "hostile/h132-signer-is-tvs-only.tlv";

const TRAILING: PolicyRow = PolicyRow {
    file: "",
    setting: "list.trailing_bytes",
    lenient: "ignore",
    strict: "refuse",
};
const UNKNOWN: PolicyRow = PolicyRow {
    file: "",
    setting: "list.unknown_elements",
    lenient: "skip",
    strict: "refuse",
};
const MISSING: PolicyRow = PolicyRow {
    file: "",
    setting: "list.missing_elements",
    lenient: "accept",
    strict: "refuse",
};
const SHA256: PolicyRow = PolicyRow {
    file: "",
    setting: "trust.digest_sha256",
    lenient: "accept",
    strict: "refuse",
};

impl PolicyRow {
    const fn of(&self, file: &'static str) -> Self {
        Self {
            file,
            setting: self.setting,
            lenient: self.lenient,
            strict: self.strict,
        }
    }
}

pub(crate) fn policy_row(file: &str) -> Option<&'static str> {
    let row = POLICIES.iter().find(|row| row.file == file);
    row.map(|row| row.setting)
        .or_else(|| (file == WRONG_ROLE).then_some("trust.wrong_role"))
        .or_else(|| (file == VERSION).then_some("list.version"))
}

/// The defaults, with one setting of the user.
fn settings(name: &str, value: &str) -> Settings {
    let rule = find(name).expect(name);
    let mut settings = Settings::default();
    settings.choose(rule, rule.parse(value).expect(value));
    settings
}

/// What a decision under these settings makes of them.
fn choices(settings: &Settings) -> Choices {
    Choices {
        strictness: strictness(settings),
        policy: policy(settings),
    }
}

#[test]
fn a_list_of_another_version_follows_its_setting() {
    let bytes = vector(VERSION);
    let all = entries();
    let entry = all.iter().find(|e| e.file() == VERSION).expect(VERSION);
    assert_eq!(entry.text("expect"), "policy");
    let decide = |value| {
        let question = ListQuestion {
            kind: ListKind::Itl,
            bytes: &bytes,
            in_force: InForce::default(),
            vouches: &[],
            settings: &settings("list.version", value),
            known_version: (1, 1),
            now: 0,
        };
        decide_list(&question, &mut SignatureCheck::new())
    };
    let read = decide("any");
    assert_eq!(read.ruling, Ruling::Accept(How::LeapOfFaith), "{read:?}");
    let refused = decide("known");
    assert_eq!(refused.ruling, Ruling::Refuse);
    assert_eq!(refused.decisive().unwrap().code, Code::VersionUnknown);
}

#[test]
fn every_policy_file_follows_its_setting() {
    let all = entries();
    for row in POLICIES {
        let (file, setting) = (row.file, row.setting);
        let entry = all.iter().find(|e| e.file() == file).expect(file);
        assert_eq!(entry.text("expect"), "policy", "{file}");
        let lenient = choices(&settings(setting, row.lenient));
        assert_eq!(judge(entry, &lenient), Ok(()), "{file}, {setting}");
        let strict = choices(&settings(setting, row.strict));
        let fault = judge(entry, &strict).expect_err(file);
        let fits = match (setting, fault) {
            ("list.trailing_bytes", Fault::Wire(e)) => {
                matches!(e.kind, WireErrorKind::Trailing { .. })
            }
            ("list.unknown_elements", Fault::Wire(e)) => {
                matches!(e.kind, WireErrorKind::Unknown { .. })
            }
            ("list.missing_elements", Fault::Wire(e)) => e.kind == WireErrorKind::Missing,
            ("list.signer_container" | "list.name_encoding", Fault::Wire(e)) => {
                e.element == "SIGNERNAME"
            }
            ("trust.digest_sha256", Fault::Own(f)) => {
                signature_fault(&f) == Some(SignatureFault::DigestUnsupported(Digest::Sha256))
            }
            ("trust.digest_sha256", Fault::Signature(f)) => {
                f == SignatureFault::DigestUnsupported(Digest::Sha256)
            }
            ("trust.min_rsa_bits", Fault::Own(f)) => {
                let too_small = SignatureFault::KeyTooSmall {
                    bits: 512,
                    min: 1024,
                };
                signature_fault(&f) == Some(too_small)
            }
            _ => false,
        };
        assert!(fits, "{file}, {setting}: {fault}");
    }
}

#[test]
fn the_least_key_size_is_a_setting_at_every_choice() {
    let bits_of = [
        ("tool/itl-sast512-sha1.tlv", 512),
        ("tool/itl-sast1024-sha1.tlv", 1024),
        ("tool/itl-a-v10-sha1.tlv", 2048),
        ("tool/itl-sast4096-sha512.tlv", 4096),
    ];
    for min in [512, 1024, 2048] {
        let choices = choices(&settings("trust.min_rsa_bits", &min.to_string()));
        for (file, bits) in bits_of {
            let verdict = judge_list(&vector(file), &choices, &mut SignatureCheck::new());
            assert_eq!(
                verdict.is_ok(),
                bits >= min,
                "{file} with {min}: {verdict:?}"
            );
        }
    }
    // The small key is checked, not waved through.
    let choices = choices(&settings("trust.min_rsa_bits", "512"));
    let mut bytes = vector("tool/itl-sast512-sha1.tlv");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(judge_list(&bytes, &choices, &mut SignatureCheck::new()).is_err());
}

#[test]
fn a_signer_of_another_role_is_named() {
    let verdict = judge_list(
        &vector(WRONG_ROLE),
        &Choices::default(),
        &mut SignatureCheck::new(),
    );
    let fault = OwnSignatureFault::SignerHasOtherRole {
        record: 3,
        role: Role::Tvs,
    };
    assert_eq!(verdict, Err(Fault::Own(fault)));
}

/// `list.duplicate_elements`: the index expects the default, which refuses. Under the other value
/// the last one counts, as in the open tools.
#[test]
fn duplicates_are_refused_or_the_last_one_counts() {
    let last_wins = choices(&settings("list.duplicate_elements", "last-wins"));
    for (file, holds) in [
        ("hostile/h103-dup-serial-rev.tlv", true),
        ("hostile/h106-two-signatures-good-first.tlv", false),
        ("hostile/h107-two-signatures-good-last.tlv", true),
        ("hostile/h108-dup-filename.tlv", true),
        ("hostile/h110-dup-signer-version.tlv", true),
        ("hostile/h113-dup-rec-cert-rev.tlv", true),
        // The last serial number is another signer's.
        ("hostile/h114-dup-rec-serial.tlv", false),
        // A record or a header that has swallowed a record is damaged under either value.
        ("hostile/h085-reclen-swallows-next.tlv", false),
        ("hostile/h062-hlen-eats-first-record.tlv", false),
    ] {
        let all = entries();
        let entry = all.iter().find(|e| e.file() == file).expect(file);
        let fault = judge(entry, &Choices::default()).expect_err(file);
        let Fault::Wire(error) = fault else {
            panic!("{file}: {fault}");
        };
        assert!(
            matches!(error.kind, WireErrorKind::Duplicate { .. }),
            "{error}"
        );
        let verdict = judge(entry, &last_wins);
        assert_eq!(verdict.is_ok(), holds, "{file}: {verdict:?}");
    }
}
