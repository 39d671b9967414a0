//! The settings that change a row of the table, and those that change none.

use super::super::super::model::Scenario;
use super::super::super::words::FirmwareProfile;
use super::Unsupported;

/// The settings that change a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choices {
    /// `trust.wrong_role = ask-tvs`
    pub(super) wrong_role_asks_tvs: bool,
    /// `trust.first_contact_self_signature = required`
    pub(super) first_list_signs_itself: bool,
    /// `trust.empty_itl = accept-any`
    pub(super) empty_itl_accepts_any: bool,
    /// `trust.first_ctl_checked = yes`
    pub(super) first_ctl_checked: bool,
    /// `trust.rollback_with_ctl = check`
    pub(super) rollback_with_ctl_checked: bool,
    /// `trust.ctl_searched_in = ctl-and-itl`
    pub(super) ctl_searched_in_both: bool,
    /// `trust.itl_searched_in = ctl-and-itl`
    pub(super) itl_searched_in_both: bool,
    /// `trust.new_ctl_in_force = at-once`
    pub(super) new_ctl_at_once: bool,
    /// `trust.digest_sha512 = accept`
    pub takes_sha512: bool,
    /// `cluster.digest_scope = files-and-lists`
    pub(super) digest_covers_lists: bool,
    /// `phone.after_refusal = old-group`
    pub(super) refusal_leads_to_old_group: bool,
    /// `list.empty_file`, where it is set: whether an empty file counts as missing.
    empty_file_is_missing: Option<bool>,
    /// `tvs.miss = close`: it changes the reason alone.
    pub(super) tvs_miss_closes: bool,
    /// `tvs.role_required = yes`
    pub(super) tvs_role_required: bool,
    /// `tvs.max_servers`
    pub(super) tvs_servers: usize,
    /// `tvs.cache_flush = never`, and answers live at all (`tvs.answer_ttl`)
    pub(super) answers_outlive_lists: bool,
    /// `tvs.restart_needed = yes`
    pub(super) tvs_restart_needed: bool,
    /// `cluster.tftp_start_mends = yes`
    pub(super) tftp_start_mends: bool,
    /// `tvs.roles_of_store = callmanager-trust-gives-both`
    pub(super) callmanager_trust_gives_both: bool,
}

/// How much of a setting the table covers.
enum Cover {
    /// Any value: no row depends on it.
    Any,
    /// This one value only.
    Only(&'static str),
    /// These two; the first is the usual one.
    Both(&'static str, &'static str),
    /// A number that has a part in [`Choices`] or in a bound.
    Number,
}

/// Every setting that the table speaks of. What is not here is unsupported.
const SETTINGS: &[(&str, Cover)] = &[
    // Each certificate has an issuer and serial number of its own, so both keys find the same one.
    ("trust.signer_match", Cover::Any),
    ("trust.wrong_role", Cover::Both("ask-tvs", "refuse")),
    (
        "trust.first_contact_self_signature",
        Cover::Both("required", "ignored"),
    ),
    ("trust.leap_of_faith", Cover::Only("accept")),
    ("trust.empty_itl", Cover::Both("accept-any", "check")),
    ("trust.first_ctl_checked", Cover::Both("yes", "no")),
    (
        "trust.rollback_with_ctl",
        Cover::Both("check", "accept-any"),
    ),
    (
        "trust.ctl_searched_in",
        Cover::Both("ctl-and-itl", "ctl-if-installed"),
    ),
    (
        "trust.itl_searched_in",
        Cover::Both("ctl-if-installed", "ctl-and-itl"),
    ),
    (
        "trust.new_ctl_in_force",
        Cover::Both("at-once", "next-boot"),
    ),
    // CUCM signs with SHA-1 or SHA-512.
    ("trust.digest_sha256", Cover::Any),
    ("trust.digest_sha512", Cover::Both("accept", "refuse")),
    ("trust.min_rsa_bits", Cover::Number),
    // CUCM writes the names that phones ask for.
    ("trust.config_file_name", Cover::Any),
    ("trust.list_file_name", Cover::Any),
    ("phone.ignores_expiry", Cover::Only("yes")),
    // What names one place alone has no precedence, and no phone goes without an answer.
    ("dhcp.precedence", Cover::Any),
    ("dhcp.no_answer", Cover::Any),
    ("dhcp.act_at_once", Cover::Only("no")),
    // Nobody names more than two.
    ("dhcp.max_servers", Cover::Any),
    ("dhcp.tries", Cover::Any),
    ("dhcp.lookup_ms", Cover::Any),
    (
        "phone.after_refusal",
        Cover::Both("old-group", "tftp-server"),
    ),
    ("phone.default_config", Cover::Only("replaces")),
    // A list in flash is the old one or the new one, so none is damaged there.
    ("phone.damaged_list", Cover::Any),
    ("list.max_bytes", Cover::Number),
    ("list.empty_file", Cover::Both("refuse", "as-missing")),
    ("list.older_timestamp", Cover::Only("accept")),
    ("list.equal", Cover::Only("no-op")),
    // CUCM writes nothing after the last record, and no element twice.
    ("list.trailing_bytes", Cover::Any),
    ("list.duplicate_elements", Cover::Any),
    ("list.unknown_elements", Cover::Only("skip")),
    ("list.missing_elements", Cover::Only("accept")),
    ("list.signer_container", Cover::Only("optional")),
    ("list.name_encoding", Cover::Any),
    ("list.version", Cover::Only("any")),
    ("list.without_sast", Cover::Only("accept")),
    ("tvs.query_issuer_tag", Cover::Only("4")),
    ("tvs.query_serial_tag", Cover::Only("5")),
    ("tvs.answer_roles_tag", Cover::Only("8")),
    ("tvs.answer_ttl_tag", Cover::Only("9")),
    ("tvs.miss", Cover::Both("status-1-only", "close")),
    ("tvs.role_required", Cover::Both("yes", "no")),
    ("tvs.cache_survives_boot", Cover::Only("no")),
    ("tvs.cache_flush", Cover::Both("on-list-change", "never")),
    // How often a phone asks about the unknown and how long it waits do not change what it learns.
    ("tvs.negative_cache", Cover::Any),
    // It counts for answers that outlive a boot alone.
    ("tvs.cache_clock", Cover::Any),
    ("tvs.max_servers", Cover::Number),
    ("tvs.connect_timeout_ms", Cover::Any),
    ("tvs.answer_timeout_ms", Cover::Any),
    ("tvs.poll_ms", Cover::Any),
    ("tvs.restart_needed", Cover::Both("no", "yes")),
    (
        "tvs.roles_of_store",
        Cover::Both("by-store", "callmanager-trust-gives-both"),
    ),
    ("tvs.answer_ttl", Cover::Number),
    ("tftp.options", Cover::Any),
    ("tftp.retries", Cover::Any),
    ("tftp.timeout_ms", Cover::Any),
    ("tftp.backoff", Cover::Any),
    ("tftp.backoff_max_ms", Cover::Any),
    ("tftp.deadline_ms", Cover::Any),
    // TFTP brings what HTTP does not, and a signed file is the same over both.
    ("http.first", Cover::Any),
    ("http.fallback_on", Cover::Only("any-error")),
    // TFTP answers.
    ("http.missing_alone", Cover::Any),
    ("http.timeout_ms", Cover::Any),
    ("cluster.http_missing", Cover::Any),
    ("cluster.tftp_start_mends", Cover::Both("yes", "no")),
    // Both shapes have neither a TFTP nor a TVS certificate, and that is what counts.
    ("cluster.blank_itl", Cover::Any),
    (
        "cluster.digest_scope",
        Cover::Both("files-and-lists", "files"),
    ),
    ("cluster.signer_version", Cover::Only("absent")),
    ("cluster.signer_key_bits", Cover::Number),
];

/// A list that Cisco's own bound of 64 KB could cut off has more records than this: a record of a
/// 2048-bit certificate takes about 1.8 KB, one of 4096 bits about 3 KB.
const RECORDS_AT_2048: usize = 32;
const RECORDS_AT_4096: usize = 18;

impl Choices {
    /// What `scenario` sets.
    pub(super) fn of(scenario: &Scenario) -> Result<Self, Unsupported> {
        for setting in &scenario.settings {
            let name = setting.name.as_str();
            let value = setting.value.to_string();
            let cover = SETTINGS.iter().find(|(known, _)| *known == name);
            let covered = cover.is_some_and(|(_, cover)| match cover {
                Cover::Any | Cover::Number => true,
                Cover::Only(only) => value == *only,
                Cover::Both(one, other) => value == *one || value == *other,
            });
            if !covered {
                return Err(Unsupported::new(format!("setting {name} = {value}")));
            }
        }
        let value = |name: &str| {
            let mut settings = scenario.settings.iter().rev();
            let setting = settings.find(|setting| setting.name.as_str() == name)?;
            Some(setting.value.to_string())
        };
        let is = |name: &str, wanted: &str, usual: bool| value(name).map_or(usual, |v| v == wanted);
        let number = |name: &str, usual: usize| {
            let given = value(name).and_then(|v| v.parse().ok());
            given.unwrap_or(usual)
        };
        let bits = number("cluster.signer_key_bits", 2048);
        if number("trust.min_rsa_bits", 1024) > bits {
            return Err(Unsupported::new("trust.min_rsa_bits above the lab's keys"));
        }
        let most = if bits > 2048 {
            RECORDS_AT_4096
        } else {
            RECORDS_AT_2048
        };
        // A list names the nodes once as TVS or as CCM+TFTP, and a handful of others.
        let large = scenario.clusters.iter().any(|c| c.nodes.len() + 6 > most);
        if large || number("list.max_bytes", 65_535) < 65_535 {
            return Err(Unsupported::new("lists that come near list.max_bytes"));
        }
        Ok(Self {
            wrong_role_asks_tvs: is("trust.wrong_role", "ask-tvs", true),
            first_list_signs_itself: is("trust.first_contact_self_signature", "required", true),
            empty_itl_accepts_any: is("trust.empty_itl", "accept-any", true),
            first_ctl_checked: is("trust.first_ctl_checked", "yes", true),
            rollback_with_ctl_checked: is("trust.rollback_with_ctl", "check", true),
            ctl_searched_in_both: is("trust.ctl_searched_in", "ctl-and-itl", true),
            itl_searched_in_both: is("trust.itl_searched_in", "ctl-and-itl", false),
            new_ctl_at_once: is("trust.new_ctl_in_force", "at-once", true),
            takes_sha512: is("trust.digest_sha512", "accept", true),
            digest_covers_lists: is("cluster.digest_scope", "files-and-lists", true),
            refusal_leads_to_old_group: is("phone.after_refusal", "old-group", true),
            empty_file_is_missing: value("list.empty_file").map(|v| v == "as-missing"),
            tvs_miss_closes: is("tvs.miss", "close", false),
            tvs_role_required: is("tvs.role_required", "yes", true),
            tvs_servers: number("tvs.max_servers", 3),
            answers_outlive_lists: is("tvs.cache_flush", "never", false)
                && number("tvs.answer_ttl", 86_400) > 0,
            tvs_restart_needed: is("tvs.restart_needed", "yes", false),
            tftp_start_mends: is("cluster.tftp_start_mends", "yes", true),
            callmanager_trust_gives_both: is(
                "tvs.roles_of_store",
                "callmanager-trust-gives-both",
                false,
            ),
        })
    }

    /// Whether a list without any byte counts as missing: so with 79xx unless a setting says
    /// otherwise.
    pub(super) fn empty_file_is_missing(&self, profile: FirmwareProfile) -> bool {
        self.empty_file_is_missing
            .unwrap_or(profile == FirmwareProfile::Series7900)
    }
}
