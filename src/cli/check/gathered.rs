//! Inputs that are not live: folders and scenarios.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::args::CheckArgs;
use super::emulated::World;
use super::files::read_folder;
use super::inputs::{Input, Target};
use super::live::Looked;
use super::mix;
use crate::check::evidence::{Known, Side};
use crate::check::folder::{self, Files};
use crate::check::groups::Asked;
use crate::check::inventory::flashes;
use crate::check::predict::Subject;
use crate::cli::args::Setting;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::password;
use crate::cli::world::shown;
use crate::phone::Flash;
use crate::time::UnixSeconds;
use crate::trust::rules::Settings;

/// What was gathered.
#[derive(Default)]
pub(super) struct Gathered {
    /// Scenarios that were run, by their path.
    worlds: BTreeMap<PathBuf, World>,
    /// The date of the first of them.
    pub(super) date: Option<UnixSeconds>,
    /// Phones of emulated clusters, as they are.
    subjects: Vec<Subject>,
    /// What phones hold, by device.
    pub(super) flashes: BTreeMap<String, Flash>,
}

impl Gathered {
    /// A side, as far as it is not live. `is_home` is that of the phones.
    ///
    /// # Errors
    /// An input cannot be opened.
    pub(super) fn side(
        &mut self,
        is_home: bool,
        inputs: &[Input],
        args: &CheckArgs,
        devices: &[String],
    ) -> Result<Looked, Failure> {
        let mut side = Side::default();
        for input in inputs {
            match input {
                Input::Node(_) => {}
                Input::Folder(path) => mix::add(&mut side, self.folder(path, args, is_home)?),
                Input::Emulated { scenario, cluster } => {
                    let world = self.world(scenario, args)?;
                    let emulated = world.side(scenario, cluster, devices)?;
                    if is_home {
                        let phones = world.subjects(cluster);
                        let held = phones.iter().map(|s| {
                            let device = s.setup.identity.device.clone();
                            (device, s.flash.clone())
                        });
                        self.flashes.extend(held);
                        self.subjects.extend(phones);
                    }
                    mix::add(&mut side, emulated);
                }
            }
        }
        let targets = targets(inputs);
        if let Some(first) = targets.first().filter(|_| side.name.is_empty()) {
            side.name.clone_from(&first.host);
        }
        if !targets.is_empty() {
            no_file_tells(&mut side);
        }
        Ok(Looked { side, targets })
    }

    fn folder(&mut self, path: &Path, args: &CheckArgs, is_home: bool) -> Result<Side, Failure> {
        let found = read_folder(path)?;
        if let Some(clusters) = clusters_of_world(&found.files) {
            let named: Vec<_> = clusters
                .iter()
                .map(|id| shown(&path.join("clusters").join(id)))
                .collect();
            let text = format!(
                "{} is the folder of a whole world: name one of its clusters, {}",
                shown(path),
                named.join(" or ")
            );
            return Err(Failure::new(ExitCode::Usage, text));
        }
        let mut rules = Settings::default();
        Setting::apply_all(&args.set, &mut rules);
        let passwords = password::of_p12(args.password_file.as_deref(), &rules)?;
        let place = shown(path);
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        let mut side = folder::gather(
            &found.files,
            &folder::Options {
                name: name.as_deref().unwrap_or(&place),
                place: &place,
                passwords: &passwords,
                settings: &rules,
            },
        );
        if is_home {
            self.flashes.extend(flashes(&found.files));
            // In the folder of a world the phones stand beside the clusters.
            if let Some(world) = path.parent().and_then(Path::parent) {
                let phones = world.join("phones");
                if path.parent().is_some_and(|p| p.ends_with("clusters")) && phones.is_dir() {
                    let below = read_folder(&phones)?.files.into_iter();
                    let below = below.map(|(path, bytes)| (format!("phones/{path}"), bytes));
                    self.flashes.extend(flashes(&below.collect()));
                }
            }
        }
        side.failures.extend(found.failures);
        Ok(side)
    }

    fn world(&mut self, path: &PathBuf, args: &CheckArgs) -> Result<&World, Failure> {
        if !self.worlds.contains_key(path) {
            let world = World::run(path, &args.set, args.steps)?;
            self.date.get_or_insert(world.date);
            self.worlds.insert(path.clone(), world);
        }
        // It was put there just now, if it was not there before.
        let bug = || Failure::new(ExitCode::Bug, "a scenario that was run is gone");
        self.worlds.get(path).ok_or_else(bug)
    }

    /// The phones of emulated clusters, with all that they remember; none where nothing is emulated.
    pub(super) fn phones(&mut self) -> Vec<Asked> {
        let asked = |subject: Subject| Asked {
            name: subject.setup.identity.device.clone(),
            model: subject.setup.identity.model.clone(),
            subject: Ok(Box::new(subject)),
        };
        self.subjects.drain(..).map(asked).collect()
    }
}

/// The live nodes among inputs.
pub(super) fn targets(inputs: &[Input]) -> Vec<Target> {
    let node = |input: &Input| match input {
        Input::Node(target) => Some(target.clone()),
        Input::Folder(_) | Input::Emulated { .. } => None,
    };
    inputs.iter().filter_map(node).collect()
}

/// The clusters of a folder that holds a whole world; none for another folder.
fn clusters_of_world(files: &Files) -> Option<Vec<String>> {
    if !files.contains_key(crate::cli::world::SCENARIO) {
        return None;
    }
    let below = files.range("clusters/".to_owned()..);
    let ids = below.map_while(|(path, _)| path.strip_prefix("clusters/"));
    let mut ids: Vec<String> = ids
        .filter_map(|path| Some(path.split_once('/')?.0.to_owned()))
        .collect();
    ids.dedup();
    (!ids.is_empty()).then_some(ids)
}

/// Says of what a live cluster does not show who can tell it.
fn no_file_tells(side: &mut Side) {
    let why = |parameter: &str| {
        format!(
            "no node tells it: look it up in Cisco Unified CM Administration, and put \
             `{parameter} = no` or `= yes` into parameters.txt of a folder beside the nodes"
        )
    };
    let parameters = &mut side.parameters;
    if parameters.auto_registration == Known::not_looked_at() {
        parameters.auto_registration = Known::No(why("auto-registration"));
    }
    if parameters.prepare_for_rollback == Known::not_looked_at() {
        parameters.prepare_for_rollback = Known::No(why("prepare-cluster-for-rollback"));
    }
}
