//! The rules that decide where a law applies, read from the phone's settings.

use crate::trust::rules::{
    CtlSearchedIn, DigestSha256, DigestSha512, DuplicateElements, EmptyItl,
    FirstContactSelfSignature, FirstCtlChecked, ItlSearchedIn, Key, LeapOfFaith, NewCtlInForce,
    RollbackWithCtl, Settings, SignerMatch, TvsCacheClock, TvsCacheFlush, TvsCacheSurvivesBoot,
    TvsRoleRequired, Word,
};
use crate::wire::Digest;
use crate::wire::tvs::{Duplicates, Tags};

use super::held::Names;
use super::law::Law;

/// The settings that lift a law, or a part of it: rule, value, law, and what is lifted. Whatever
/// is not in this table holds under every setting.
pub const MOOT: &[(Key, i64, Law, &str)] = &[
    (
        Key::LeapOfFaith,
        LeapOfFaith::Accept as i64,
        Law::SignerTrusted,
        "a phone without any list takes the first one",
    ),
    (
        Key::FirstContactSelfSignature,
        FirstContactSelfSignature::Ignored as i64,
        Law::SignatureHolds,
        "the first list needs no signature of its own",
    ),
    (
        Key::FirstCtlChecked,
        FirstCtlChecked::No as i64,
        Law::SignerTrusted,
        "the first CTL is taken as the first list is",
    ),
    (
        Key::EmptyItl,
        EmptyItl::AcceptAny as i64,
        Law::SignerTrusted,
        "any ITL follows the empty one of a rollback",
    ),
    (
        Key::RollbackWithCtl,
        RollbackWithCtl::AcceptAny as i64,
        Law::SignerTrusted,
        "the same beside a CTL with TFTP certificates",
    ),
    (
        Key::TvsRoleRequired,
        TvsRoleRequired::No as i64,
        Law::AnswerInRole,
        "any answer will do, whatever its roles",
    ),
    (
        Key::TvsCacheFlush,
        TvsCacheFlush::No as i64,
        Law::AnswerOfOwnCluster,
        "an answer that is kept over a new list counts, whoever gave it",
    ),
];

/// What the laws want to know of a phone's rules.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) leap: bool,
    pub(super) first_list_signs_itself: bool,
    pub(super) first_ctl_checked: bool,
    pub(super) rollback: bool,
    pub(super) rollback_with_ctl: bool,
    pub(super) ctl_by_ctl_alone: bool,
    pub(super) itl_by_ctl_alone: bool,
    pub(super) new_ctl_counts_at_once: bool,
    pub(super) tvs_role_required: bool,
    pub(super) answers_survive_boot: bool,
    pub(super) answers_end_by_wall_clock: bool,
    pub(super) signer_by: Names,
    pub(super) answers_end_with_lists: bool,
    pub(super) tags: Tags,
    pub(super) duplicates: Duplicates,
    sha256: bool,
    sha512: bool,
}

impl Terms {
    pub(super) fn of(settings: &Settings) -> Self {
        let s = settings;
        let byte = |key: Key| u8::try_from(s.peek(key)).unwrap_or(u8::MAX);
        Self {
            leap: is(s, LeapOfFaith::Accept as i64, LeapOfFaith::KEY),
            first_list_signs_itself: is(
                s,
                FirstContactSelfSignature::Required as i64,
                FirstContactSelfSignature::KEY,
            ),
            first_ctl_checked: is(s, FirstCtlChecked::Yes as i64, FirstCtlChecked::KEY),
            rollback: is(s, EmptyItl::AcceptAny as i64, EmptyItl::KEY),
            rollback_with_ctl: is(s, RollbackWithCtl::AcceptAny as i64, RollbackWithCtl::KEY),
            ctl_by_ctl_alone: is(s, CtlSearchedIn::CtlFirst as i64, CtlSearchedIn::KEY),
            itl_by_ctl_alone: is(s, ItlSearchedIn::Ctl as i64, ItlSearchedIn::KEY),
            new_ctl_counts_at_once: is(s, NewCtlInForce::AtOnce as i64, NewCtlInForce::KEY),
            tvs_role_required: is(s, TvsRoleRequired::Yes as i64, TvsRoleRequired::KEY),
            answers_survive_boot: is(
                s,
                TvsCacheSurvivesBoot::Yes as i64,
                TvsCacheSurvivesBoot::KEY,
            ),
            answers_end_by_wall_clock: is(s, TvsCacheClock::Wall as i64, TvsCacheClock::KEY),
            signer_by: if is(s, SignerMatch::IssuerBytes as i64, SignerMatch::KEY) {
                Names::OfRecord
            } else {
                Names::OfCertificate
            },
            answers_end_with_lists: is(s, TvsCacheFlush::Yes as i64, TvsCacheFlush::KEY),
            tags: Tags {
                issuer: byte(Key::QueryIssuerTag),
                serial: byte(Key::QuerySerialTag),
                roles: byte(Key::AnswerRolesTag),
                ttl: byte(Key::AnswerTtlTag),
            },
            duplicates: if is(s, DuplicateElements::Refuse as i64, DuplicateElements::KEY) {
                Duplicates::Refuse
            } else {
                Duplicates::LastWins
            },
            sha256: is(s, DigestSha256::Accept as i64, DigestSha256::KEY),
            sha512: is(s, DigestSha512::Accept as i64, DigestSha512::KEY),
        }
    }

    /// Whether the firmware takes signatures with this digest.
    pub(super) fn takes(&self, digest: Digest) -> bool {
        match digest {
            Digest::Sha1 => true,
            Digest::Sha256 => self.sha256,
            Digest::Sha512 => self.sha512,
            Digest::Other(_) => false,
        }
    }
}

/// Looking must not mark a rule as used by the phone.
fn is(settings: &Settings, value: i64, key: Key) -> bool {
    settings.peek(key) == value
}
