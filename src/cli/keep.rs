//! The folder of a world, as `--keep` leaves it: what each node served and holds, each phone's
//! flash before and after, the events, the scenario.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::world::{EVENTS, FOLDERS, SCENARIO, is_safe, is_world, put, put_pem, put_stores, safe};
use crate::cluster::CertificateKind;
use crate::event::{Event, SCHEMA_VERSION};
use crate::phone::Flash;
use crate::scenario::run::Rehearsed;

/// Makes the folder ready: new, empty, or a world's that is taken away.
///
/// # Errors
/// A sentence: it holds something else, or cannot be made.
pub fn prepare(dir: &Path) -> Result<(), String> {
    let shown = dir.display();
    let cannot = |e: io::Error| format!("cannot make the folder {shown}: {e}");
    fs::create_dir_all(dir).map_err(cannot)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(cannot)? {
        names.push(
            entry
                .map_err(cannot)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    let is_ours = |n: &String| n == SCENARIO || n == EVENTS || FOLDERS.contains(&n.as_str());
    let marked = names.is_empty() || is_world(dir);
    if let Some(other) = names
        .iter()
        .find(|n| !is_ours(n))
        .or_else(|| names.first().filter(|_| !marked))
    {
        return Err(format!(
            "{shown} holds something else ({other}), so nothing is written there; name an empty folder or a new one"
        ));
    }
    Ok(())
}

/// Makes the folder of several worlds ready: new, empty, or with worlds in it and nothing else.
///
/// # Errors
/// A sentence: it holds something else, or cannot be made.
pub fn prepare_many(dir: &Path) -> Result<(), String> {
    let shown = dir.display();
    let cannot = |e: io::Error| format!("cannot make the folder {shown}: {e}");
    fs::create_dir_all(dir).map_err(cannot)?;
    for entry in fs::read_dir(dir).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if !is_world(&path) {
            return Err(format!(
                "{shown} holds something else ({}), so nothing is written there; name an empty folder or a new one",
                path.file_name().unwrap_or_default().display()
            ));
        }
    }
    Ok(())
}

/// Writes a world.
///
/// # Errors
/// A file or a folder cannot be written.
pub fn write(dir: &Path, scenario: &str, r: &Rehearsed, events: &[Event]) -> io::Result<()> {
    // An earlier world gives way only now that there is another.
    let mut file = begin(dir, scenario)?;
    let mut lines = String::new();
    for (seq, event) in events.iter().enumerate() {
        lines.push_str(&event_line(seq, event)?);
        lines.push('\n');
    }
    file.write_all(lines.as_bytes())?;
    finish(dir, r)
}

/// Begins to write a world while it runs: an earlier one gives way, and the file for the events is
/// there.
///
/// # Errors
/// A file or a folder cannot be written.
pub fn begin(dir: &Path, scenario: &str) -> io::Result<File> {
    for folder in FOLDERS {
        let folder = dir.join(folder);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
    }
    fs::write(dir.join(SCENARIO), scenario)?;
    File::create(dir.join(EVENTS))
}

/// Writes what a world that was begun is at its end.
///
/// # Errors
/// A file or a folder cannot be written.
pub fn finish(dir: &Path, r: &Rehearsed) -> io::Result<()> {
    write_clusters(dir, r)?;
    write_served(dir, r)?;
    for (path, bytes) in &r.exchanged {
        let names = path.split('/').filter(|name| !name.is_empty());
        let names = names.map(|name| {
            if is_safe(name) {
                name.into()
            } else {
                safe(name)
            }
        });
        put(
            &names.fold(dir.join("sftp"), |at, name| at.join(name)),
            bytes,
        )?;
    }
    for p in &r.phones {
        let phone = dir.join("phones").join(&p.setup.identity.device);
        write_flash(&phone.join("before"), &p.before)?;
        write_flash(&phone.join("after"), &p.flash)?;
    }
    Ok(())
}

/// One line of JSON, the common fields first.
///
/// # Errors
/// None that an event of ours gives.
pub fn event_line(seq: usize, event: &Event) -> io::Result<String> {
    let event = serde_json::to_string(event)?;
    let rest = event.strip_prefix('{').unwrap_or(&event);
    Ok(format!(
        "{{\"schema_version\":{SCHEMA_VERSION},\"seq\":{seq},{rest}"
    ))
}

fn write_clusters(dir: &Path, r: &Rehearsed) -> io::Result<()> {
    let mut lab = r.lab();
    for index in 0..lab.clusters().len() {
        let Some(cluster) = lab.cluster_mut(index) else {
            continue;
        };
        let base = dir.join("clusters").join(cluster.id());
        let nodes: Vec<_> = cluster.nodes().map(|n| n.name.clone()).collect();
        for node in &nodes {
            for (name, bytes) in cluster.published(node) {
                put(&base.join(node).join("tftp").join(name), &bytes)?;
            }
            for kind in CertificateKind::OF_NODE {
                if let Some(c) = cluster.certificate(node, kind) {
                    let file = format!("{}.pem", kind.name());
                    put_pem(
                        &base.join(node).join("certificates").join(file),
                        &c.public.der,
                    )?;
                }
            }
        }
        // What replicates is the same on every node; CAPF-trust is the publisher's.
        if let Some(publisher) = cluster.nodes().find(|n| n.publisher) {
            // The cluster has this node.
            put_stores(&base, |s| cluster.store(&publisher.name, s).unwrap_or(&[]))?;
        }
    }
    Ok(())
}

/// What was served, under the name that was asked for. Where a node served other bytes under the
/// name before, they stand beside it: `NAME.1` is the first.
fn write_served(dir: &Path, r: &Rehearsed) -> io::Result<()> {
    let lab = r.lab();
    for (id, name, versions) in lab.served() {
        let cluster = lab.clusters()[id.cluster].id();
        let folder = dir
            .join("clusters")
            .join(cluster)
            .join(lab.name(id))
            .join("tftp");
        let Some((last, earlier)) = versions.split_last() else {
            continue;
        };
        for (n, bytes) in (1..).zip(earlier) {
            put(&folder.join(format!("{}.{n}", safe(name))), bytes)?;
        }
        put(&folder.join(safe(name)), last)?;
    }
    Ok(())
}

fn write_flash(dir: &Path, flash: &Flash) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for (name, bytes) in flash.files() {
        put(&dir.join(name), bytes)?;
    }
    Ok(())
}
