//! What a driver needs around a phone: how it is plugged in, where its power fails, and what is
//! left when the boot is over.

use std::time::Duration;

use super::flash::{CONFIG, Flash, FlashOperation, STATE};
use super::identity::PhoneSetup;
use crate::dhcp::LeaseTimes;
use crate::trust::rules::Key;
use crate::wire::ListKind;

/// No boot takes longer on any driver. Every machine in it has a deadline far below; only many slow
/// servers, or long waits by setting, add up to more, and then the driver gives the boot up:
/// [`BootEnd::Overdue`]. A renewal may take longer, where its lease lasts longer than nobody
/// answers; the driver then goes on with [`Booted::lease`].
pub const LONGEST_BOOT: Duration = Duration::from_secs(3_600);

/// A phone that is about to start.
#[derive(Clone, Debug)]
pub struct Booting {
    /// How it is set up.
    pub setup: PhoneSetup,
    /// Its flash.
    pub flash: Flash,
    /// Where its power fails in this boot, if it does.
    pub cut: Option<Cut>,
}

/// A phone whose boot is over.
#[derive(Clone, Debug)]
pub struct Booted {
    /// Its flash.
    pub flash: Flash,
    /// The rules that the boot used.
    pub used: Vec<Key>,
    /// Of these, the rules that it felt: see [`crate::trust::rules::Settings::felt`].
    pub felt: Vec<Key>,
    /// How it ended.
    pub end: BootEnd,
    /// The times of its lease, see [`Phone::lease_times`](super::Phone::lease_times).
    pub lease: Option<LeaseTimes>,
    /// The phone restarts by itself, see [`Phone::restarts`](super::Phone::restarts).
    pub restarts: bool,
}

/// How a boot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootEnd {
    /// The phone came to its end.
    Done,
    /// The power was cut.
    PowerCut,
    /// The driver could not carry a flash operation out.
    FlashFailed,
    /// The driver gave up: the phone did not end within the time that every boot ends in.
    Overdue,
}

/// A file in flash that a cut is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashFile {
    /// The CTL.
    Ctl,
    /// The ITL.
    Itl,
    /// The configuration.
    Config,
    /// The phone's notes.
    State,
}

impl FlashFile {
    /// Its name in flash.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ctl => ListKind::Ctl.file_name(),
            Self::Itl => ListKind::Itl.file_name(),
            Self::Config => CONFIG,
            Self::State => STATE,
        }
    }
}

/// Which write of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichWrite {
    /// The first one that replaces this file.
    Of(FlashFile),
    /// The n-th flash operation, from 1.
    Nth(u32),
}

/// How much a torn write leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Torn {
    /// Half of the bytes.
    Half,
    /// This many bytes, or all of a shorter write.
    Bytes(usize),
}

/// Before, inside or after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it has happened.
    Before,
    /// Only its first bytes are there.
    Inside(Torn),
    /// It is done, and nothing after it.
    After,
}

/// A power cut that waits for its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// At which write.
    pub write: WhichWrite,
    /// When.
    pub at: Moment,
}

/// What the cut leaves of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// Nothing of it.
    Nothing,
    /// This many of its first bytes.
    Torn(usize),
    /// All of it.
    All,
}

impl Cut {
    /// Whether the power fails at this operation, and what is left of it.
    pub fn strike(&self, number: u32, operation: &FlashOperation) -> Option<Strike> {
        let hits = match self.write {
            WhichWrite::Nth(n) => n == number,
            WhichWrite::Of(file) => match (self.at, operation) {
                (Moment::After, FlashOperation::Rename { to, .. }) => to == file.name(),
                (Moment::Before | Moment::Inside(_), FlashOperation::Write { file: f, .. }) => {
                    f.strip_suffix(".new").unwrap_or(f) == file.name()
                }
                _ => false,
            },
        };
        hits.then_some(match self.at {
            Moment::Before => Strike::Nothing,
            Moment::Inside(Torn::Half) => Strike::Torn(operation.bytes() / 2),
            Moment::Inside(Torn::Bytes(kept)) => Strike::Torn(kept.min(operation.bytes())),
            Moment::After => Strike::All,
        })
    }

    /// Carries an operation out, unless the power fails; says if it did, and where.
    pub fn carry_out(
        cut: Option<&Self>,
        flash: &mut Flash,
        number: u32,
        operation: &FlashOperation,
    ) -> Option<String> {
        let strike = cut.and_then(|c| c.strike(number, operation));
        let place = match strike {
            None => {
                flash.apply(operation);
                return None;
            }
            Some(Strike::Nothing) => "before",
            Some(Strike::Torn(kept)) => {
                flash.apply_torn(operation, kept);
                "inside"
            }
            Some(Strike::All) => {
                flash.apply(operation);
                "after"
            }
        };
        let (name, file) = (operation.name(), operation.file());
        Some(format!(
            "power cut {place} flash write {number} ({name} {file})"
        ))
    }
}
