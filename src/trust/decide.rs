//! The decision: does a phone that holds these lists take this file?
//!
//! The order is the phone's (Cisco 213407, EMCC technote): find the signer, compare the hash, then
//! read the content, then replace. "Not trusted" is a result like any other, with its reasons.

use std::fmt;
use std::sync::Arc;

use super::certificate::{Certificate, CertificateError, Dates, escape_for_terminal};
use super::installed::{InForce, SignerKey};
use super::own_signature;
use super::reason::{Code, Reason, Sentence};
use super::rules::{
    ConfigFileName, DigestSha256, DigestSha512, DuplicateElements, EmptyItl, EqualList,
    FirstContactSelfSignature, FirstCtlChecked, IgnoresExpiry, Key, LeapOfFaith, ListFileName,
    ListVersion, ListWithoutSast, MissingElements, NameEncoding, OlderTimestamp, RollbackWithCtl,
    Settings, SignerContainer, TrailingBytes, TvsRoleRequired, UnknownElements, WrongRole,
};
use super::search::{self, FoundIn, Match, Searched, SignerId};
use super::signature::{Policy, SignatureCheck, SignatureFault};
use super::vouch::Vouch;
use crate::time::UnixSeconds;
use crate::wire::header::Header;
use crate::wire::{Digest, ListKind, Role, SignedFile, Strictness, TrustList, WireError};

/// What a phone may do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Take it.
    Accept(How),
    /// It is the installed one: nothing to do.
    Unchanged,
    /// The signer is not known here: TVS has to be asked.
    AskTvs,
    /// Refuse it; what is installed stays.
    Refuse,
}

/// Why a file may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Its signer is in an installed list.
    Signer,
    /// TVS vouches for its signer.
    Tvs,
    /// Nothing was installed. No signer was checked.
    LeapOfFaith,
    /// The empty list of a rollback is installed. No signer was checked.
    Rollback,
}

impl How {
    /// For events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::Tvs => "tvs",
            Self::LeapOfFaith => "leap-of-faith",
            Self::Rollback => "rollback",
        }
    }
}

/// A decision, with all that explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What may be done.
    pub ruling: Ruling,
    /// Why, in order; the last is the decisive one.
    pub reasons: Vec<Reason>,
    /// The signer that the header names, where it could be read.
    pub signer: Option<Arc<SignerId>>,
    /// Where the signer was found.
    pub found_in: Option<FoundIn>,
    /// What was searched, where it came to that.
    pub searched: Option<Searched>,
    /// The digest, and whether the signature holds, where it came to that.
    pub compared: Option<(Digest, bool)>,
    /// Dates of the certificate that the signature was checked by: for a clock on the same side of
    /// both the decision is the same.
    pub signer_dates: Option<Dates>,
    /// A remark on the header that changes nothing.
    pub note: Option<VersionNote>,
}

/// A header version that is newer than the firmware knows, which reads it all the same. As text it
/// is the phone's log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionNote {
    /// The header's version: major, minor.
    pub version: (u8, u8),
    /// The highest that the firmware knows.
    pub known: (u8, u8),
}

impl fmt::Display for VersionNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((major, minor), (known_major, known_minor)) = (self.version, self.known);
        write!(
            f,
            "hdr ver {major}.{minor} (knows only upto {known_major}.{known_minor})"
        )
    }
}

impl Decision {
    fn new() -> Self {
        Self {
            ruling: Ruling::Refuse,
            reasons: Vec::new(),
            signer: None,
            found_in: None,
            searched: None,
            compared: None,
            signer_dates: None,
            note: None,
        }
    }

    fn refuse(mut self, reason: Reason) -> Self {
        self.ruling = Ruling::Refuse;
        self.reasons.push(reason);
        self
    }

    fn accept(mut self, how: How) -> Self {
        self.ruling = Ruling::Accept(how);
        self
    }

    /// The decisive reason.
    pub fn decisive(&self) -> Option<&Reason> {
        self.reasons.last()
    }
}

/// A new CTL or ITL, and what it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct ListQuestion<'a> {
    /// Which list.
    pub kind: ListKind,
    /// The file's bytes.
    pub bytes: &'a [u8],
    /// The lists that count.
    pub in_force: InForce<'a>,
    /// TVS answers that have not run out.
    pub vouches: &'a [Vouch],
    /// The rules.
    pub settings: &'a Settings,
    /// Highest header version that the firmware knows, for its remark.
    pub known_version: (u8, u8),
    /// The phone's clock.
    pub now: UnixSeconds,
}

/// A signed configuration or another signed file, and what it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct FileQuestion<'a> {
    /// The name that was asked for.
    pub name: &'a str,
    /// The file's bytes.
    pub bytes: &'a [u8],
    /// The lists that count.
    pub in_force: InForce<'a>,
    /// TVS answers that have not run out.
    pub vouches: &'a [Vouch],
    /// The rules.
    pub settings: &'a Settings,
    /// The phone's clock.
    pub now: UnixSeconds,
}

/// Whether the header of a list with a fault was read to its end: then it is a list of its own,
/// one without records.
fn header_is_whole(bytes: &[u8], header: &Header<&[u8]>, strictness: &Strictness) -> bool {
    bytes
        .get(..header.length())
        .is_some_and(|head| TrustList::parse(head, strictness).is_ok())
}

/// How files are read under these settings.
pub fn strictness(s: &Settings) -> Strictness {
    Strictness {
        refuse_unknown: s.word::<UnknownElements>() == UnknownElements::Refuse,
        refuse_duplicates: s.word::<DuplicateElements>() == DuplicateElements::Refuse,
        refuse_missing: s.word::<MissingElements>() == MissingElements::Refuse,
        require_containers: s.word::<SignerContainer>() == SignerContainer::Required,
        refuse_trailing: s.word::<TrailingBytes>() == TrailingBytes::Refuse,
        refuse_odd_names: s.word::<NameEncoding>() == NameEncoding::Utf8,
        // Judged in `judge_list`, with a reason of its own.
        refuse_version: false,
    }
}

/// Which signatures count under these settings.
pub fn policy(s: &Settings) -> Policy {
    Policy {
        min_rsa_bits: usize::try_from(s.count(Key::MinRsaBits)).unwrap_or(usize::MAX),
        accept_sha256: s.word::<DigestSha256>() == DigestSha256::Accept,
        accept_sha512: s.word::<DigestSha512>() == DigestSha512::Accept,
    }
}

/// Judges a new CTL or ITL.
pub fn decide_list(q: &ListQuestion<'_>, check: &mut SignatureCheck) -> Decision {
    let s = q.settings;
    let mut d = Decision::new();
    if q.bytes.is_empty() {
        return d.refuse(Reason::new(
            Code::FileEmpty,
            format!("the {} has no bytes", q.kind),
        ));
    }
    let limit = s.count(Key::ListMaxBytes);
    if q.bytes.len() as u64 > limit {
        let text = format!(
            "the {} has {} bytes, the phone loads {limit}; fewer than 40 certificates fit",
            q.kind,
            q.bytes.len()
        );
        return d.refuse(Reason::new(Code::FileTooLarge, text));
    }
    let same = q
        .in_force
        .installed(q.kind)
        .is_some_and(|l| *l.bytes == *q.bytes);
    if same && s.word::<EqualList>() == EqualList::NoOp {
        d.ruling = Ruling::Unchanged;
        let text = format!("the {} is the installed one", q.kind);
        d.reasons.push(Reason::new(Code::FileEqual, text));
        return d;
    }
    let strictness = strictness(s);
    let partial = TrustList::parse_partial(q.bytes, &strictness);
    let list = &partial.list;
    // A fault in the records shows only after the hash was compared, as on the phone; one in the
    // header shows at once.
    let in_header = partial
        .fault
        .filter(|_| !header_is_whole(q.bytes, &list.header, &strictness));
    if in_header.is_some() || list.header.signature().is_empty() {
        return d.refuse(malformed(q.kind.file_name(), in_header));
    }
    let signer = SignerId::shared(&list.header, &q.in_force);
    d = judge_list(d, q, &signer, list, partial.fault, check);
    d.signer = Some(signer);
    d
}

/// Judges a list whose header is whole.
fn judge_list(
    mut d: Decision,
    q: &ListQuestion<'_>,
    signer: &Arc<SignerId>,
    list: &TrustList<&[u8]>,
    fault: Option<WireError>,
    check: &mut SignatureCheck,
) -> Decision {
    let s = q.settings;
    let version = list.header.version();
    if version > q.known_version {
        d.note = Some(VersionNote {
            version,
            known: q.known_version,
        });
    }
    if s.word::<ListVersion>() == ListVersion::Known && !matches!(version, (1, 1 | 2)) {
        let text = format!("header version {}.{} is not read", version.0, version.1);
        return d.refuse(Reason::new(Code::VersionUnknown, text).at_offset(3));
    }
    if s.word::<ListFileName>() == ListFileName::MustMatch
        && list.header.file_name() != Some(q.kind.file_name().as_bytes())
    {
        return d.refuse(wrong_name(&list.header, q.kind.file_name()));
    }

    if let Some(how) = unchecked(q) {
        return without_signer(d, how, q, list, fault, check);
    }
    d = judge_signer(
        d,
        signer,
        &list.header,
        q.bytes,
        Signs::Lists(q.kind),
        &q.common(),
        check,
    );
    if matches!(d.ruling, Ruling::Accept(_)) {
        content(d, q, list, fault)
    } else {
        d
    }
}

/// Judges a signed file, such as `SEP<MAC>.cnf.xml.sgn`.
pub fn decide_file(q: &FileQuestion<'_>, check: &mut SignatureCheck) -> Decision {
    let s = q.settings;
    let mut d = Decision::new();
    if q.bytes.is_empty() {
        return d.refuse(Reason::new(
            Code::FileEmpty,
            format!("{} has no bytes", q.name),
        ));
    }
    let file = match SignedFile::parse(q.bytes, &strictness(s)) {
        Ok(file) => file,
        Err(fault) => return d.refuse(malformed(q.name, Some(fault))),
    };
    let signer = SignerId::shared(&file.header, &q.in_force);
    if s.word::<ConfigFileName>() == ConfigFileName::MustMatch
        && file.header.file_name() != Some(q.name.as_bytes())
    {
        d.signer = Some(signer);
        return d.refuse(wrong_name(&file.header, q.name));
    }
    let common = Common {
        in_force: q.in_force,
        vouches: q.vouches,
        settings: q.settings,
        now: q.now,
    };
    let header = &file.header;
    d = judge_signer(d, &signer, header, q.bytes, Signs::Files, &common, check);
    d.signer = Some(signer);
    d
}

/// What lists and files are judged by alike.
struct Common<'a> {
    in_force: InForce<'a>,
    vouches: &'a [Vouch],
    settings: &'a Settings,
    now: UnixSeconds,
}

impl<'a> ListQuestion<'a> {
    fn common(&self) -> Common<'a> {
        Common {
            in_force: self.in_force,
            vouches: self.vouches,
            settings: self.settings,
            now: self.now,
        }
    }
}

/// What the signer is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signs {
    Lists(ListKind),
    Files,
}

impl Signs {
    fn allows(self, role: Role) -> bool {
        match self {
            Self::Lists(_) => role.signs_lists(),
            Self::Files => role.signs_files(),
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::Lists(_) => "SAST",
            Self::Files => "TFTP or CCM+TFTP",
        }
    }
}

/// Whether the phone takes the list without knowing its signer.
fn unchecked(q: &ListQuestion<'_>) -> Option<How> {
    let f = &q.in_force;
    if f.ctl.is_none() && f.itl.is_none() {
        return (q.settings.word::<LeapOfFaith>() == LeapOfFaith::Accept)
            .then_some(How::LeapOfFaith);
    }
    if q.kind == ListKind::Ctl
        && f.ctl.is_none()
        && q.settings.word::<FirstCtlChecked>() == FirstCtlChecked::No
        && q.settings.word::<LeapOfFaith>() == LeapOfFaith::Accept
    {
        return Some(How::LeapOfFaith);
    }
    // The rollback empties the ITL alone, so a CTL with TFTP certificates may demand its signer.
    let rollback = q.kind == ListKind::Itl
        && (f.is_prepared_for_rollback()
            || f.has_blank_itl()
                && q.settings.word::<RollbackWithCtl>() == RollbackWithCtl::AcceptAny);
    (rollback && q.settings.word::<EmptyItl>() == EmptyItl::AcceptAny).then_some(How::Rollback)
}

fn without_signer(
    mut d: Decision,
    how: How,
    q: &ListQuestion<'_>,
    list: &TrustList<&[u8]>,
    fault: Option<WireError>,
    check: &mut SignatureCheck,
) -> Decision {
    d.searched = Some(Searched::default());
    d.reasons.push(match how {
        How::Rollback => Reason::new(
            Code::RollbackItl,
            "the installed ITL is the empty one of a rollback: any ITL is taken, no signer checked",
        ),
        _ if q.in_force.itl.is_some() => Reason::new(
            Code::LeapOfFaith,
            "no CTL is installed: the first one is taken, no signer checked",
        ),
        _ => Reason::new(
            Code::LeapOfFaith,
            "no list is installed: the first one is taken, no signer checked",
        ),
    });
    if let Some(fault) = fault {
        return d.refuse(malformed(q.kind.file_name(), Some(fault)));
    }
    let required = FirstContactSelfSignature::Required;
    if q.settings.word::<FirstContactSelfSignature>() == required {
        let digest = list.header.digest();
        match own_signature::check_list(list, q.bytes, &policy(q.settings), check) {
            Ok(_) => d.compared = Some((digest, true)),
            Err(why) => {
                let text = format!("the list is not signed by a SAST record of its own: {why}");
                return d.refuse(Reason::new(Code::OwnSignatureFails, text));
            }
        }
    }
    content(d.accept(how), q, list, None)
}

/// Finds the signer and compares the hash.
fn judge_signer(
    mut d: Decision,
    signer: &Arc<SignerId>,
    header: &Header<&[u8]>,
    bytes: &[u8],
    signs: Signs,
    c: &Common<'_>,
    check: &mut SignatureCheck,
) -> Decision {
    let lists = match signs {
        Signs::Lists(kind) => c.in_force.searched_for(kind, c.settings),
        Signs::Files => c.in_force,
    };
    let searched = Searched::of(&lists);
    d.searched = Some(searched);
    let id = || Arc::clone(signer);
    let allows = |role| signs.allows(role);
    #[cfg(feature = "planted-defects")]
    let allows = |role| allows(role) || c.settings.has(super::planted::Defect::RoleCheck);
    match search::find(signer, &lists, allows, c.settings) {
        Match::Found {
            signer: found,
            list,
        } => {
            let list = list.name();
            d.found_in = Some(FoundIn::List(list));
            let sentence = Sentence::SignerInList {
                signer: id(),
                list,
                role: found.role,
            };
            d.reasons
                .push(Reason::of(Code::SignerInList, sentence).at_record(found.record));
            return match &found.key {
                Ok(key) => compare(d, How::Signer, key, header, bytes, c, check),
                Err(e) => d.refuse(unreadable(*e)),
            };
        }
        Match::Ambiguous { list } => {
            let sentence = Sentence::SignerAmbiguous {
                signer: id(),
                list: list.name(),
            };
            return d.refuse(Reason::of(Code::SignerAmbiguous, sentence));
        }
        Match::OtherRole { list, role } => {
            let sentence = Sentence::RoleMissing {
                signer: id(),
                list: list.name(),
                role,
                wanted: signs.wanted(),
            };
            let reason = Reason::of(Code::RoleMissing, sentence);
            if c.settings.word::<WrongRole>() == WrongRole::Refuse {
                return d.refuse(reason);
            }
            d.reasons.push(reason);
        }
        Match::Nowhere => {
            let sentence = Sentence::SignerNotInList {
                signer: id(),
                searched,
            };
            d.reasons.push(Reason::of(Code::SignerNotInList, sentence));
        }
    }
    let Some(vouch) = c.vouches.iter().find(|v| v.is_for(signer)) else {
        d.ruling = Ruling::AskTvs;
        return d;
    };
    d.found_in = Some(FoundIn::TvsAnswer);
    let role_is_needed = c.settings.word::<TvsRoleRequired>() == TvsRoleRequired::Yes;
    if role_is_needed && !vouch.roles.iter().any(|&r| allows(r)) {
        let given = crate::wire::join_roles(&vouch.roles);
        let text = format!(
            "TVS {} knows {signer} as {}, {} is needed",
            vouch.server,
            if given.is_empty() { "no role" } else { &given },
            signs.wanted()
        );
        return d.refuse(Reason::new(Code::TvsRoleMissing, text).at(vouch.server.clone()));
    }
    let text = format!(
        "TVS {} vouches for {signer}: {}, for {} h",
        vouch.server,
        crate::wire::join_roles(&vouch.roles),
        vouch.ttl_secs / 3_600
    );
    d.reasons
        .push(Reason::new(Code::SignerVouchedByTvs, text).at(vouch.server.clone()));
    match Certificate::parse(&vouch.certificate) {
        Ok(certificate) => {
            let key = SignerKey::of(&certificate);
            compare(d, How::Tvs, &key, header, bytes, c, check)
        }
        Err(e) => d.refuse(unreadable(e)),
    }
}

fn unreadable(error: CertificateError) -> Reason {
    let text = format!("the signer's certificate cannot be read: {error}");
    Reason::new(Code::KeyUnsupported, text)
}

fn compare(
    mut d: Decision,
    how: How,
    key: &SignerKey,
    header: &Header<&[u8]>,
    bytes: &[u8],
    c: &Common<'_>,
    check: &mut SignatureCheck,
) -> Decision {
    d.signer_dates = Some(key.dates);
    if !key.dates.contain(c.now) && c.settings.word::<IgnoresExpiry>() == IgnoresExpiry::No {
        let text = "the signer's certificate is outside its dates";
        return d.refuse(Reason::new(Code::SignerExpired, text));
    }
    let digest = header.digest();
    let span = header.signature_span();
    let start = span.start;
    let result = check.verify_by(
        &policy(c.settings),
        digest,
        key.public_key(),
        bytes,
        span,
        header.signature(),
    );
    match result {
        Ok(()) => {
            d.compared = Some((digest, true));
            let sentence = Sentence::SignatureHolds(digest);
            d.reasons.push(Reason::of(Code::SignatureHolds, sentence));
            d.accept(how)
        }
        Err(fault) => {
            let reason = signature_reason(fault);
            if reason.code == Code::SignatureMismatch {
                d.compared = Some((digest, false));
            }
            d.refuse(reason.at_offset(start))
        }
    }
}

/// What is looked at once the signature holds.
fn content(
    d: Decision,
    q: &ListQuestion<'_>,
    list: &TrustList<&[u8]>,
    fault: Option<WireError>,
) -> Decision {
    if fault.is_some() {
        return d.refuse(malformed(q.kind.file_name(), fault));
    }
    if list.records.is_empty() {
        // Else a signed configuration under a list's name would pass for a list and wipe the table.
        let text = format!("{} has no record", q.kind.file_name());
        let reason = Reason::new(Code::FileMalformed, text);
        return d.refuse(reason.at_offset(list.header.length()));
    }
    if let Err(why) = own_signature::check_new_records(list, &q.in_force) {
        return d.refuse(Reason::of(
            Code::RecordMismatch,
            Sentence::RecordMismatch(why),
        ));
    }
    let has_sast = list.records.iter().any(|r| r.role().signs_lists());
    if !has_sast && q.settings.word::<ListWithoutSast>() == ListWithoutSast::Refuse {
        let text = format!(
            "the {} has no SAST record: no later list could follow it",
            q.kind
        );
        return d.refuse(Reason::new(Code::NoSastRecord, text));
    }
    let older = match (q.in_force.installed(q.kind), list.header.timestamp()) {
        (Some(old), Some(new)) => old.list.header.timestamp().is_some_and(|t| new < t),
        _ => false,
    };
    if older && q.settings.word::<OlderTimestamp>() == OlderTimestamp::Refuse {
        let text = format!("the {} is older than the installed one", q.kind);
        return d.refuse(Reason::new(Code::TimestampOlder, text));
    }
    d
}

fn malformed(file: &str, fault: Option<WireError>) -> Reason {
    match fault {
        Some(fault) => Reason::new(
            Code::FileMalformed,
            format!("{file} is damaged: {}: {}", fault.element, fault.kind),
        )
        .at_offset(fault.offset),
        None => Reason::new(Code::FileMalformed, format!("{file} has no signature")),
    }
}

fn wrong_name(header: &Header<&[u8]>, wanted: &str) -> Reason {
    let text = match header.file_name() {
        Some(found) => {
            let found = escape_for_terminal(found);
            format!("the file names itself {found}, {wanted} was asked for")
        }
        None => format!("the file does not name itself, {wanted} was asked for"),
    };
    Reason::new(Code::FileNameMismatch, text)
}

fn signature_reason(fault: SignatureFault) -> Reason {
    let code = match fault {
        SignatureFault::DigestUnsupported(_) => Code::DigestUnsupported,
        SignatureFault::KeyTooSmall { .. } => Code::KeyTooSmall,
        SignatureFault::KeyNotRsa | SignatureFault::KeyTooLarge { .. } => Code::KeyUnsupported,
        SignatureFault::WrongLength { .. } | SignatureFault::Mismatch => Code::SignatureMismatch,
    };
    Reason::of(code, Sentence::SignatureFails(fault))
}

/// True if a phone with these lists asks for signed configuration files: it holds a TFTP
/// certificate (7906/7911 guide for CUCM 8.0).
pub fn asks_for_signed_files(in_force: &InForce<'_>) -> bool {
    in_force
        .iter()
        .any(|list| list.has_signer_with(Role::signs_files))
}
