//! Firmware profiles as data. Every line cites its source.

use super::remarks::Remarks;
use crate::trust::rules::{
    AppDialRules, Basis, DigestSha512, EmptyFile, HttpFirst, HttpsConfig, Key, Override, Settings,
};

/// How the phone stamps a status message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// `[8:52:30am 10/01/19]`
    TimeAndDate,
    /// `8:52:30a`
    Time,
}

/// A line of a profile: the value, how sure it is, and who says so.
#[derive(Clone, Copy, Debug)]
pub struct Cited<T> {
    /// The value.
    pub value: T,
    /// How sure it is.
    pub basis: Basis,
    /// Who says so.
    pub source: &'static str,
}

const fn documented<T>(value: T, source: &'static str) -> Cited<T> {
    Cited {
        value,
        basis: Basis::Documented,
        source,
    }
}

const fn inferred<T>(value: T, source: &'static str) -> Cited<T> {
    Cited {
        value,
        basis: Basis::Inferred,
        source,
    }
}

const fn assumed<T>(value: T, source: &'static str) -> Cited<T> {
    Cited {
        value,
        basis: Basis::Assumed,
        source,
    }
}

/// What the phone writes on its status screen.
#[derive(Clone, Copy, Debug)]
pub struct StatusTexts {
    /// CTL and ITL are new, none was installed.
    pub both_installed: &'static str,
    /// The CTL is new.
    pub ctl_installed: &'static str,
    /// The ITL is new.
    pub itl_installed: &'static str,
    /// A list was replaced.
    pub updated: &'static str,
    /// A list could not be replaced.
    pub update_failed: &'static str,
    /// No list is installed.
    pub none_installed: &'static str,
    /// Lists were erased.
    pub erasing: &'static str,
    /// The cluster has no CTL.
    pub no_ctl: &'static str,
    /// Neither the phone's own nor the default configuration was found.
    pub no_config: &'static str,
    /// No TFTP server answered.
    pub tftp_timeout: &'static str,
    /// The phone registered after a reset that the cluster asked for.
    pub restart: &'static str,
    /// A file of the locale is missing or was refused.
    pub locale_failed: &'static str,
}

/// A file that a configuration names, or that has one name everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedFile {
    /// The soft keys: `SK<uuid>.xml`.
    SoftKeys,
    /// The feature policy.
    FeaturePolicy,
    /// Texts of the phone's language: an archive in the folder of the user locale.
    UserLocale,
    /// Tones of the country, in the folder of the network locale.
    Tones,
    /// `AppDialRules.xml`: rules for numbers out of call history and directory.
    ApplicationDialRules,
    /// The dial plan.
    DialTemplate,
    /// The list of ring tones, with its name.
    RingList(&'static str),
}

/// Soft keys come first in recordings of a 7821; captures of an 8851 have locale, tones and
/// application dial rules in this order, of a 7942 locale and dial plan.
const NAMED_FILES_SOURCE: &str = "EMCC technote: soft keys after the configuration; captures of an 8851, a 7942 and a 7962: locale, tones, dial rules";

const NEWER_NAMED_FILES: &[NamedFile] = &[
    NamedFile::SoftKeys,
    NamedFile::FeaturePolicy,
    NamedFile::UserLocale,
    NamedFile::Tones,
    NamedFile::ApplicationDialRules,
    NamedFile::DialTemplate,
    NamedFile::RingList("Ringlist-wb.xml"),
];

/// The page names these models one by one; the others of a family have the file of their nearest
/// kin.
const LOCALE_FILES_SOURCE: &str = "usecallmanager.nz, User Locale: 7906, 7911, 7941, 7942, 7945, 7961, 7962, 7965, 7970, 7971, 7975, 7811, 7821, 7841, 7861, 8841, 8851, 8845, 8865; other models have the file of their family";

/// The tones of these families.
const TONES: Cited<&str> = documented(
    "g3-tones.xml",
    "captures of a 7962 and an 8851; usecallmanager.nz, Network Locale",
);

/// No guide of these families has a text for this; an 8945 is the nearest phone that was seen, with
/// a signer that was in no list. That other refusals look the same is inferred too.
const CONFIG_REFUSED: Cited<&str> = inferred(
    "invalid file {file}, authenticated fail. Reason:{reason}",
    "an 8945 with an ITL of another cluster, community.cisco.com m-p/2064222",
);

const CONFIG_UNOPENED: Cited<&str> = assumed(
    "invalid file {file}",
    "no source shows it; the words for a refused signature, without the number of the reason",
);

const TEXTS_8800: StatusTexts = StatusTexts {
    both_installed: "CTL and ITL installed",
    ctl_installed: "CTL Installed",
    itl_installed: "ITL installed",
    updated: "Trust List updated",
    update_failed: "Trust List update failed",
    none_installed: "No Trust List installed",
    erasing: "Erasing CTL and ITL files",
    no_ctl: "File Not Found <CTLFile.tlv>",
    no_config: "File not found <Cfg File>",
    tftp_timeout: "TFTP timeout",
    restart: "Restart requested by Cisco Unified Communications Manager",
    locale_failed: "Error update locale",
};

/// The firmware of a family of phones.
#[derive(Debug)]
pub struct Profile {
    /// Its name, as a scenario gives it.
    pub name: &'static str,
    /// What the models of this family begin with.
    pub models: Cited<&'static [&'static str]>,
    /// Highest header version that the firmware knows; a higher one is remarked on.
    pub known_version: Cited<(u8, u8)>,
    /// What is remarked on a list's header, and when.
    pub remarks: Cited<Remarks>,
    /// How status messages are stamped.
    pub stamp: Cited<Stamp>,
    /// How many status messages are kept.
    pub status_capacity: Cited<usize>,
    /// Status messages, but for [`Self::config_refused`] and [`Self::config_unopened`].
    pub texts: Cited<StatusTexts>,
    /// The status message for a refused configuration; `{file}` and `{reason}` are filled in.
    pub config_refused: Cited<&'static str>,
    /// The status message for an encrypted configuration that does not open; `{file}` is filled in.
    pub config_unopened: Cited<&'static str>,
    /// The TLS that this firmware speaks, where rustls cannot: it stands in.
    pub tls: Cited<Option<&'static str>>,
    /// Largest file that is downloaded, in bytes.
    pub max_download: Cited<usize>,
    /// The files that are asked for after the configuration, in order.
    pub named_files: Cited<&'static [NamedFile]>,
    /// The archive with a phone's language, by what its model begins with; the last is for others.
    pub locale_files: Cited<&'static [(&'static str, &'static str)]>,
    /// The file with a country's tones.
    pub tones: Cited<&'static str>,
    /// Rules that this family has otherwise.
    pub overrides: &'static [Override],
}

/// Numbers of models that have no Security By Default: they hold no ITL and ask no TVS, so no profile
/// is theirs.
pub const WITHOUT_SECURITY_BY_DEFAULT: Cited<&[&str]> = documented(
    &["7940", "7960"],
    "Cisco 118893: 7940 and 7960 have no Security By Default",
);

/// Words, in small letters, of the names that CUCM has for models which are no desk phones: soft phones
/// and video rooms. What they do with trust lists no profile says.
pub const SOFT_PHONES_AND_ROOMS: Cited<&[&str]> = inferred(
    &[
        "client services framework",
        "communicator",
        "dual mode",
        "jabber",
        "telepresence",
    ],
    "Cisco 118893: many TelePresence and Jabber have no Security By Default; a capture of IP Communicator shows a CTL and no ITL; Jabber's device types in CUCM are Client Services Framework and Dual Mode",
);

/// Every profile.
pub const PROFILES: &[Profile] = &[
    Profile {
        name: "7900",
        models: inferred(
            &[
                "CP-7906", "CP-7911", "CP-7931", "CP-7941", "CP-7942", "CP-7945", "CP-7961",
                "CP-7962", "CP-7965", "CP-7970", "CP-7971", "CP-7975",
            ],
            "guides of 7906, 7911, 7931, 7961, 7965 and a 7975's log; Cisco 118893: 7940 and 7960 have no Security By Default",
        ),
        known_version: assumed((1, 1), "seen on 7800 and 8800 only"),
        remarks: assumed(Remarks::AfterComparison, "seen on 7800 and 8800 only"),
        stamp: documented(Stamp::Time, "real status lines of 79xx"),
        status_capacity: assumed(30, "8800 guide; none found for 7900"),
        texts: inferred(
            TEXTS_8800,
            "8800 guide; 79xx differ in wording that no readable source gives",
        ),
        config_refused: CONFIG_REFUSED,
        config_unopened: CONFIG_UNOPENED,
        tls: documented(
            Some("TLS 1.0"),
            "usecallmanager.nz: 7900 speaks TLS 1.0 only",
        ),
        max_download: inferred(2_048 * 1_024, "EMCC technote, a 7821"),
        named_files: inferred(
            &[
                NamedFile::SoftKeys,
                NamedFile::UserLocale,
                NamedFile::Tones,
                NamedFile::DialTemplate,
                NamedFile::RingList("Ringlist.xml"),
            ],
            NAMED_FILES_SOURCE,
        ),
        locale_files: inferred(
            &[
                ("CP-7906", "tc-sip.jar"),
                ("CP-7911", "tc-sip.jar"),
                ("CP-7945", "be-sip.jar"),
                ("CP-7965", "be-sip.jar"),
                ("CP-797", "td-sip.jar"),
                ("CP-79", "mk-sip.jar"),
            ],
            LOCALE_FILES_SOURCE,
        ),
        tones: TONES,
        overrides: &[
            Override {
                key: Key::DigestSha512,
                value: DigestSha512::Accept as i64,
                basis: Basis::Assumed,
                source: "no source says whether 7900 phones take SHA-512",
            },
            Override {
                key: Key::EmptyFile,
                value: EmptyFile::AsMissing as i64,
                basis: Basis::Documented,
                source: "a 79xx set up with empty CTLSEP, ITLSEP and ITLFile; one observer",
            },
            Override {
                key: Key::HttpFirst,
                value: HttpFirst::No as i64,
                basis: Basis::Inferred,
                source: "captures of a 7942 and a 7962 show TFTP alone",
            },
            Override {
                key: Key::HttpsConfig,
                value: HttpsConfig::No as i64,
                basis: Basis::Inferred,
                source: "TLS 1.0 only; the file's guide speaks of 7800 and 8800",
            },
        ],
    },
    Profile {
        name: "7800",
        models: documented(&["CP-78"], "7800 Administration Guide"),
        known_version: documented((1, 1), "EMCC technote: a 7821 knows up to 1.1"),
        remarks: documented(Remarks::BeforeSearch, "EMCC technote, a 7821 with 12.1(1)"),
        stamp: documented(Stamp::TimeAndDate, "real status lines of 78xx"),
        status_capacity: inferred(30, "8800 guide"),
        texts: inferred(
            StatusTexts {
                updated: "Trust List Updated",
                update_failed: "Trust List Update Failed",
                locale_failed: "Error Updating Locale",
                ..TEXTS_8800
            },
            "7832 Administration Guide, status messages, has the three that differ; the others are those of the 8800 guide",
        ),
        config_refused: CONFIG_REFUSED,
        config_unopened: CONFIG_UNOPENED,
        tls: assumed(None, "the exact offer to TVS is not known; TLS 1.2 exists"),
        max_download: documented(2_048 * 1_024, "EMCC technote: limited to 2048 KB"),
        named_files: inferred(NEWER_NAMED_FILES, NAMED_FILES_SOURCE),
        locale_files: inferred(&[("CP-78", "sp-sip.jar")], LOCALE_FILES_SOURCE),
        tones: TONES,
        overrides: &[],
    },
    Profile {
        name: "8800",
        models: documented(&["CP-88"], "8800 Administration Guide"),
        known_version: documented((1, 1), "Cisco 213407: an 8861 knows up to 1.1"),
        remarks: documented(
            Remarks::AfterComparison,
            "Cisco 213407, an 8861 with 10.3(1): two warnings after the comparison",
        ),
        stamp: documented(Stamp::TimeAndDate, "real status lines of 88xx"),
        status_capacity: documented(30, "8800 Administration Guide"),
        texts: documented(TEXTS_8800, "8800 Administration Guide, status messages"),
        config_refused: CONFIG_REFUSED,
        config_unopened: CONFIG_UNOPENED,
        tls: inferred(
            None,
            "Cisco 213407 shows AES256-SHA with CUCM 10.5.2; TLS 1.2 exists",
        ),
        max_download: inferred(2_048 * 1_024, "EMCC technote, a 7821"),
        named_files: inferred(NEWER_NAMED_FILES, NAMED_FILES_SOURCE),
        locale_files: inferred(
            &[
                ("CP-8845", "sl-bev-sip.jar"),
                ("CP-8865", "sl-bev-sip.jar"),
                ("CP-88", "sl-be-sip.jar"),
            ],
            LOCALE_FILES_SOURCE,
        ),
        tones: TONES,
        overrides: &[Override {
            key: Key::AppDialRules,
            value: AppDialRules::Ask as i64,
            basis: Basis::Documented,
            source: "captures of an 8851 always ask for it",
        }],
    },
];

impl Profile {
    /// The profile with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|p| p.name == name)
    }

    /// The profile of a model such as `CP-8861`.
    pub fn of_model(model: &str) -> Option<&'static Self> {
        PROFILES
            .iter()
            .find(|p| p.models.value.iter().any(|m| model.starts_with(m)))
    }

    /// The archive with the language of a model of this family.
    pub fn locale_file(&self, model: &str) -> &'static str {
        let mut files = self.locale_files.value.iter();
        let own = files.clone().find(|(prefix, _)| model.starts_with(prefix));
        own.or_else(|| files.next_back())
            .map_or("", |(_, file)| file)
    }

    /// The rules of this family.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.apply(self.overrides);
        settings
    }
}
