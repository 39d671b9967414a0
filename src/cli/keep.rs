//! The folder of a world, as `--keep` leaves it: what each node served and holds, each phone's
//! flash before and after, the events, the scenario.

use std::fs;
use std::io;
use std::path::Path;

use crate::cluster::{CertificateKind, TrustStore};
use crate::event::{Event, SCHEMA_VERSION};
use crate::phone::Flash;
use crate::scenario::run::Rehearsed;
use der::pem::{LineEnding, encode_string};

const SCENARIO: &str = "scenario.toml";
const EVENTS: &str = "events.jsonl";
/// What a world's folder holds beside these two.
const FOLDERS: [&str; 3] = ["clusters", "phones", "sftp"];

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

/// True if the folder holds a world: a scenario, and events of ours.
fn is_world(dir: &Path) -> bool {
    use std::io::Read;

    let mut start = [0; 18];
    let events = fs::File::open(dir.join(EVENTS));
    let read = events.and_then(|mut f| f.read_exact(&mut start));
    read.is_ok() && start == *b"{\"schema_version\":" && dir.join(SCENARIO).is_file()
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
    for folder in FOLDERS {
        let folder = dir.join(folder);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
    }
    fs::write(dir.join(SCENARIO), scenario)?;
    let mut lines = String::new();
    for (seq, event) in events.iter().enumerate() {
        lines.push_str(&event_line(seq, event)?);
        lines.push('\n');
    }
    fs::write(dir.join(EVENTS), lines)?;
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
fn event_line(seq: usize, event: &Event) -> io::Result<String> {
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
        let publisher = cluster
            .nodes()
            .find(|n| n.publisher)
            .map(|n| n.name.clone());
        for store in TrustStore::ALL {
            let Some(node) = &publisher else { continue };
            let held = cluster
                .store(node, store)
                .map_err(|e| io::Error::other(e.to_string()))?;
            for c in held {
                let name = c.subject_text.split(';').next().unwrap_or_default();
                let name = name.trim_start_matches("CN=");
                let serial = crate::trust::search::hex(&c.serial);
                let file = format!("{}-{serial}.pem", safe(name));
                put_pem(&base.join("stores").join(store.name()).join(file), &c.der)?;
            }
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

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)
}

fn put_pem(path: &Path, der: &[u8]) -> io::Result<()> {
    let pem = encode_string("CERTIFICATE", LineEnding::LF, der)
        .map_err(|e| io::Error::other(e.to_string()))?;
    put(path, pem.as_bytes())
}

/// True of a name that is a file name anywhere, as those of an exchange are.
fn is_safe(name: &str) -> bool {
    let is_letter = |c| is_safe_letter(c) || c == '@';
    name.len() <= 255 && !matches!(name, "" | "." | "..") && name.chars().all(is_letter)
}

fn is_safe_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// A name that is a file name anywhere, made of any.
fn safe(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if is_safe_letter(c) { c } else { '_' })
        .take(64)
        .collect();
    if name.is_empty() || name.starts_with('.') {
        format!("_{name}")
    } else {
        name
    }
}
