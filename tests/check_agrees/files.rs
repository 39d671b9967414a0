//! Clusters as files, and out of them.

use trustline::check::evidence::Sides;
use trustline::check::folder::{self, Files, Options};
use trustline::check::recording;
use trustline::trust::rules::Settings;

/// The files of each cluster.
pub(crate) type Exported = Vec<Files>;

pub(crate) fn write(sides: &Sides) -> Exported {
    sides.sides.iter().map(recording::write).collect()
}

pub(crate) fn read(files: &Exported, settings: &Settings) -> Sides {
    let read = |(n, files): (usize, &Files)| {
        let name = format!("cluster {n}");
        let options = Options {
            name: &name,
            place: &name,
            passwords: &[],
            settings,
        };
        folder::read(files, &options).side
    };
    Sides::of(files.iter().enumerate().map(read).collect())
}
