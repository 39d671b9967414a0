//! Bulk certificate management in a scenario: the pages of the clusters and the directory that
//! they share.

use std::collections::BTreeMap;

use super::model::{BulkButton, SftpServer};
use super::words::{BulkKind, ClosedWord};
use crate::cluster::bulk::{
    self, BulkSettings, End, Import, ImportRefusal, Importer, LeftOut, MemoryDirectory, Omitted,
    Outcome, Page,
};
use crate::cluster::release::BulkType;
use crate::cluster::{Cluster, Lab};
use crate::event::Kind;
use crate::time::UnixSeconds;

/// The directory that the clusters of a lab share, and what each page says of the server.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    forms: BTreeMap<String, SftpServer>,
    memory: MemoryDirectory,
    settings: BulkSettings,
}

/// What an action on a page came to.
pub(super) struct Done {
    /// For the event stream: the action, then each certificate that came into a store.
    pub(super) events: Vec<Kind>,
    /// `done`, `refused` or `failed`.
    pub(super) result: &'static str,
    /// What the page says.
    pub(super) text: String,
    /// True if the phones of the cluster reset by themselves.
    pub(super) resets_phones: bool,
}

impl Exchange {
    /// An exchange for a run that only tries another rule: the files' key derivation, which no
    /// verdict depends on, is as short as it can be.
    pub(super) fn quick() -> Self {
        let settings = BulkSettings {
            rounds: 1,
            ..BulkSettings::default()
        };
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Fills in the form of a cluster's page.
    pub(super) fn fill_in(&mut self, cluster: &str, server: SftpServer) {
        self.forms.insert(cluster.to_owned(), server);
    }

    /// Presses a button.
    pub(super) fn press(
        &mut self,
        lab: &mut Lab,
        id: &str,
        node: Option<&str>,
        button: BulkButton,
        kind: BulkKind,
        now: UnixSeconds,
    ) -> Option<Done> {
        let index = lab.cluster_index(id)?;
        let cluster = lab.cluster_mut(index)?;
        let action = match button {
            BulkButton::Export => bulk::Action::Export,
            BulkButton::Consolidate => bulk::Action::Consolidate,
            BulkButton::Import => bulk::Action::Import,
        };
        let publisher = cluster
            .nodes()
            .find(|n| n.publisher)
            .map(|n| n.name.clone());
        let node = node.map(ToOwned::to_owned).or(publisher)?;
        let page = match Page::open(cluster, &node, self.settings.clone()) {
            Ok(page) => page,
            Err(refusal) => return Some(self.told(action, kind, "refused", refusal.to_string())),
        };
        if !self.forms.contains_key(id) {
            let text =
                format!("the SFTP form of {id} is empty: fill it in first (step `bulk-sftp`)");
            return Some(self.told(action, kind, "refused", text));
        }
        let bulk_type = bulk_type(kind);
        let now = cluster.clock_of(&node, now).unwrap_or(now);
        let mut run = match button {
            BulkButton::Export => page.export(bulk_type, &bulk::certificates_of(cluster)),
            BulkButton::Consolidate => page.consolidate(bulk_type),
            BulkButton::Import => page.import(bulk_type),
        };
        self.memory.carry_out(&mut run);
        let outcome = run.outcome()?.clone();
        Some(self.ended(cluster, action, kind, outcome, now))
    }

    fn ended(
        &self,
        cluster: &mut Cluster,
        action: bulk::Action,
        kind: BulkKind,
        outcome: Outcome,
        now: UnixSeconds,
    ) -> Done {
        let notes: Vec<_> = outcome.notes.iter().map(ToString::to_string).collect();
        let with_notes = |text: String| {
            if notes.is_empty() {
                text
            } else {
                format!("{text}; {}", notes.join("; "))
            }
        };
        let written = outcome.written.join(", ");
        match outcome.end {
            End::Listed => self.told(action, kind, "done", with_notes("listed".into())),
            End::Exported => self.told(
                action,
                kind,
                "done",
                with_notes(format!("exported {written}")),
            ),
            End::Consolidated => self.told(
                action,
                kind,
                "done",
                with_notes(format!("consolidated into {written}")),
            ),
            End::Refused(refusal) => self.told(action, kind, "refused", refusal.to_string()),
            End::Failed(failure) => self.told(action, kind, "failed", failure.to_string()),
            End::Fetched(files) => {
                match bulk::plan_import(&files, &Importer::of(cluster, now), &self.settings) {
                    Ok(plan) => self.imported(bulk::apply(cluster, &plan), action, kind, &notes),
                    Err(refusal) => {
                        let result = match refusal {
                            ImportRefusal::Damaged { .. } => "failed",
                            _ => "refused",
                        };
                        self.told(action, kind, result, refusal.to_string())
                    }
                }
            }
        }
    }

    fn imported(
        &self,
        import: Import,
        action: bulk::Action,
        kind: BulkKind,
        notes: &[String],
    ) -> Done {
        let mut parts = vec![format!("imported {} certificates", import.imported.len())];
        let is_own = |o: &&Omitted| matches!(o.why, LeftOut::Own);
        let own = import.omitted.iter().filter(is_own).count();
        if own > 0 {
            parts.push(format!("left out {own} of its own"));
        }
        let others = import.omitted.iter().filter(|o| !is_own(o));
        parts.extend(others.map(|o| format!("left out {}: {}", o.certificate.subject_text, o.why)));
        parts.extend(import.follow_ups.iter().map(|f| f.what.to_owned()));
        parts.extend_from_slice(notes);
        let mut done = self.told(action, kind, "done", parts.join("; "));
        done.resets_phones = import.resets_phones;
        for i in &import.imported {
            for (store, result) in &i.stores {
                done.events
                    .push(super::steps::trusted(*store, &i.certificate, result));
            }
        }
        done
    }

    fn told(
        &self,
        action: bulk::Action,
        kind: BulkKind,
        result: &'static str,
        text: String,
    ) -> Done {
        let event = Kind::Bulk {
            action: action.name().into(),
            certificate_type: kind.as_str().into(),
            directory: "in memory".into(),
            result: result.into(),
            text: text.clone(),
            files: self.memory.files().keys().cloned().collect(),
        };
        Done {
            events: vec![event],
            result,
            text,
            resets_phones: false,
        }
    }
}

fn bulk_type(kind: BulkKind) -> BulkType {
    match kind {
        BulkKind::All => BulkType::All,
        BulkKind::Tomcat => BulkType::Tomcat,
        BulkKind::Tftp => BulkType::Tftp,
        BulkKind::Capf => BulkType::Capf,
        BulkKind::ItlRecovery => BulkType::ItlRecovery,
    }
}
