//! Firmware profiles as data. Every line cites its source.

use super::remarks::Remarks;
use crate::trust::rules::{Basis, Override, Settings};

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
    /// A configuration was refused; `{file}` and `{reason}` are filled in.
    pub config_refused: &'static str,
    /// No TFTP server answered.
    pub tftp_timeout: &'static str,
    /// The phone registered after a reset that the cluster asked for.
    pub restart: &'static str,
}

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
    config_refused: "invalid file {file}, authenticated fail. Reason:{reason}",
    tftp_timeout: "TFTP timeout",
    restart: "Restart requested by Cisco Unified Communications Manager",
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
    /// Status messages.
    pub texts: Cited<StatusTexts>,
    /// The TLS that this firmware speaks, where rustls cannot: it stands in.
    pub tls: Cited<Option<&'static str>>,
    /// Largest file that is downloaded, in bytes.
    pub max_download: Cited<usize>,
    /// Rules that this family has otherwise.
    pub overrides: &'static [Override],
}

/// Every profile.
pub const PROFILES: &[Profile] = &[
    Profile {
        name: "7900",
        models: documented(&["CP-79"], "phone.md 8: 7941 to 7975"),
        known_version: assumed((1, 1), "seen on 7800 and 8800 only"),
        remarks: assumed(Remarks::AfterComparison, "seen on 7800 and 8800 only"),
        stamp: documented(Stamp::Time, "real status lines of 79xx"),
        status_capacity: assumed(30, "8800 guide; none found for 7900"),
        texts: inferred(
            TEXTS_8800,
            "8800 guide; 79xx differ in wording that no readable source gives",
        ),
        tls: documented(
            Some("TLS 1.0"),
            "usecallmanager.nz: 7900 speaks TLS 1.0 only",
        ),
        max_download: inferred(2_048 * 1_024, "EMCC technote, a 7821"),
        overrides: &[],
    },
    Profile {
        name: "7800",
        models: documented(&["CP-78"], "phone.md 8"),
        known_version: documented((1, 1), "EMCC technote: a 7821 knows up to 1.1"),
        remarks: documented(Remarks::BeforeSearch, "EMCC technote, a 7821 with 12.1(1)"),
        stamp: documented(Stamp::TimeAndDate, "real status lines of 78xx"),
        status_capacity: inferred(30, "8800 guide"),
        texts: documented(
            StatusTexts {
                updated: "Trust List Updated",
                update_failed: "Trust List Update Failed",
                ..TEXTS_8800
            },
            "7832 Administration Guide, status messages",
        ),
        tls: assumed(None, "the exact offer to TVS is not known; TLS 1.2 exists"),
        max_download: documented(2_048 * 1_024, "EMCC technote: limited to 2048 KB"),
        overrides: &[],
    },
    Profile {
        name: "8800",
        models: documented(&["CP-88"], "phone.md 8"),
        known_version: documented((1, 1), "Cisco 213407: an 8861 knows up to 1.1"),
        remarks: documented(
            Remarks::AfterComparison,
            "Cisco 213407, an 8861 with 10.3(1): two warnings after the comparison",
        ),
        stamp: documented(Stamp::TimeAndDate, "real status lines of 88xx"),
        status_capacity: documented(30, "8800 Administration Guide"),
        texts: documented(TEXTS_8800, "8800 Administration Guide, status messages"),
        tls: inferred(
            None,
            "Cisco 213407 shows AES256-SHA with CUCM 10.5.2; TLS 1.2 exists",
        ),
        max_download: inferred(2_048 * 1_024, "EMCC technote, a 7821"),
        overrides: &[],
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

    /// The rules of this family.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.apply(self.overrides);
        settings
    }
}
