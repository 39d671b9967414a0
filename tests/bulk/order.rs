//! Every order of actions up to a length, against a model of the page that knows no files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use trustline::cluster::bulk::{
    Action, End, Importer, MemoryDirectory, NodeCertificate, Page, Refusal, Run, Unit,
    certificates_of, directory::DirectoryFault, p12, plan_import,
};
use trustline::cluster::release::BulkType;
use trustline::cluster::{CertificateKind, Release};
use trustline::rng::Rng;

use crate::lab::{DATE, Lab};

/// A consolidated file out of date takes six: both export, one consolidates, a certificate changes, its
/// cluster exports again, one imports.
const LENGTH: usize = 6;
const IDS: [&str; 2] = ["src", "dst"];

/// The model: which generation of a cluster's certificates is where.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Model {
    /// Certificates of src: 0, or 1 after its CallManager was made anew.
    now: usize,
    exported: [Option<usize>; 2],
    consolidated: Option<[Option<usize>; 2]>,
    imported: [bool; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Page(Action, usize),
    Regenerate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Done,
    ExportMissing,
    NotConsolidated,
    AlreadyConsolidated,
    Stale,
}

impl Model {
    fn step(&mut self, step: Step) -> Expected {
        let both = self.exported.iter().all(Option::is_some);
        match step {
            Step::Regenerate => self.now = 1,
            Step::Page(Action::Refresh, _) => {}
            Step::Page(Action::Export, of) => {
                self.exported[of] = Some(if of == 0 { self.now } else { 0 });
            }
            Step::Page(Action::Consolidate | Action::Import, _) if !both => {
                return Expected::ExportMissing;
            }
            Step::Page(Action::Consolidate, _) => {
                if self.consolidated == Some(self.exported) {
                    return Expected::AlreadyConsolidated;
                }
                self.consolidated = Some(self.exported);
            }
            Step::Page(Action::Import, of) => match self.consolidated {
                None => return Expected::NotConsolidated,
                Some(c) if c != self.exported => return Expected::Stale,
                Some(_) => self.imported[of] = true,
            },
        }
        Expected::Done
    }
}

struct Explorer {
    pages: [Page; 2],
    /// By cluster and generation.
    certificates: [Vec<Vec<NodeCertificate>>; 2],
    importers: [Importer; 2],
    lab: Lab,
}

impl Explorer {
    fn new() -> Self {
        let mut lab = Lab::new();
        let before = certificates_of(&lab.src);
        lab.src
            .regenerate("src-pub", CertificateKind::CallManager, DATE, &mut lab.keys)
            .unwrap();
        Self {
            pages: IDS.map(|id| lab.page(id)),
            certificates: [
                vec![before, certificates_of(&lab.src)],
                vec![certificates_of(&lab.dst)],
            ],
            importers: IDS.map(|id| Importer::of(lab.cluster(id), DATE)),
            lab,
        }
    }

    fn run(&self, action: Action, of: usize, model: &Model) -> Run {
        let page = &self.pages[of];
        match action {
            Action::Refresh => page.refresh(),
            Action::Export => {
                let generation = if of == 0 { model.now } else { 0 };
                page.export(BulkType::All, &self.certificates[of][generation])
            }
            Action::Consolidate => page.consolidate(BulkType::All),
            Action::Import => page.import(BulkType::All),
        }
    }

    /// What the directory holds in a state of the model.
    fn expected(&self, model: &Model) -> BTreeMap<String, BTreeSet<Vec<u8>>> {
        let names = self.lab.settings.file_names;
        let mut files: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for (of, id) in IDS.iter().enumerate() {
            for unit in Unit::ALL {
                let of_unit = |generation: usize| {
                    let all = &self.certificates[of][generation];
                    all.iter().filter(move |c| c.kind == unit.kind())
                };
                for c in model.exported[of].into_iter().flat_map(of_unit) {
                    let name = names.exported(id, &c.node, unit);
                    files.entry(name).or_default().insert(c.der.clone());
                }
                let consolidated = model.consolidated.and_then(|c| c[of]);
                for c in consolidated.into_iter().flat_map(of_unit) {
                    let name = names.consolidated(unit);
                    files.entry(name).or_default().insert(c.der.clone());
                }
            }
        }
        files
    }
}

/// Transitions out of one state are the same however it was reached, and the directory is checked to
/// be what the state says, so each state is expanded once: all sequences are covered.
#[test]
fn every_order_of_actions_does_what_the_page_says() {
    let mut explorer = Explorer::new();
    let mut steps = vec![Step::Regenerate];
    for action in [
        Action::Refresh,
        Action::Export,
        Action::Consolidate,
        Action::Import,
    ] {
        steps.extend([Step::Page(action, 0), Step::Page(action, 1)]);
    }
    let start = (Model::default(), MemoryDirectory::new(), 0);
    let mut seen = BTreeSet::from([Model::default()]);
    let mut queue = VecDeque::from([start]);
    let mut ends = [0_usize; 5];
    while let Some((before, directory, length)) = queue.pop_front() {
        for &step in &steps {
            let mut model = before.clone();
            let expected = model.step(step);
            ends[expected as usize] += 1;
            let mut after = directory.clone();
            if let Step::Page(action, of) = step {
                let mut run = explorer.run(action, of, &before);
                after.carry_out(&mut run);
                let outcome = run.into_outcome().unwrap();
                let context = || format!("{step:?} in {before:?}");
                match (expected, &outcome.end) {
                    (Expected::Done, End::Fetched(files)) => {
                        let plan =
                            plan_import(files, &explorer.importers[of], &explorer.lab.settings)
                                .unwrap();
                        let other = IDS[1 - of];
                        assert!(
                            plan.planned
                                .iter()
                                .all(|p| p.from.as_ref().unwrap().cluster == other)
                        );
                    }
                    (Expected::Done, End::Listed | End::Exported | End::Consolidated)
                    | (Expected::ExportMissing, End::Refused(Refusal::ExportMissing { .. }))
                    | (Expected::NotConsolidated, End::Refused(Refusal::NotConsolidated { .. }))
                    | (
                        Expected::AlreadyConsolidated,
                        End::Refused(Refusal::AlreadyConsolidated { .. }),
                    )
                    | (Expected::Stale, End::Refused(Refusal::Stale { .. })) => {}
                    (expected, end) => panic!("{}: {expected:?}, not {end:?}", context()),
                }
                let may_write = matches!(action, Action::Export | Action::Consolidate);
                if !may_write || expected != Expected::Done {
                    assert_eq!(directory.files(), after.files(), "{}", context());
                }
                let listing = outcome.listing.as_ref().unwrap();
                let has_button = listing.buttons().contains(&action);
                if expected == Expected::Done {
                    assert!(has_button, "{}", context());
                }
                let needs_two = matches!(
                    expected,
                    Expected::ExportMissing | Expected::NotConsolidated
                );
                if needs_two {
                    assert!(!has_button, "{}", context());
                }
            }
            explorer.lab.directory = after.clone();
            assert_eq!(explorer.lab.contents(), explorer.expected(&model));
            if length + 1 < LENGTH && seen.insert(model.clone()) {
                queue.push_back((model, after, length + 1));
            }
        }
    }
    // The model itself went everywhere.
    assert!(ends.iter().all(|&n| n > 0), "{ends:?}");
    assert!(seen.iter().any(|m| m.imported == [true, false]));
}

/// Actions of all types, faults and damage in no order at all. The seed is in the message.
#[test]
fn a_random_life_of_the_directory_never_hurts_the_others() {
    for seed in 0..6 {
        let mut rng = Rng::new(seed);
        let mut lab = Lab::new();
        let mut damaged: BTreeSet<String> = BTreeSet::new();
        for _ in 0..40 {
            let id = IDS[rng.below(2) as usize];
            let bulk_type = BulkType::ALL[rng.below(5) as usize];
            if rng.chance(300) {
                let fault = [
                    DirectoryFault::Cut,
                    DirectoryFault::DiskFull,
                    DirectoryFault::ReadOnly,
                    DirectoryFault::NoFile,
                ][rng.below(4) as usize]
                    .clone();
                lab.directory.fail_at(rng.below(12), fault);
            }
            if rng.chance(100) {
                let names: Vec<_> = lab.directory.files().keys().cloned().collect();
                if let Some(name) = names.get(rng.below(names.len() as u64) as usize) {
                    let mut bytes = lab.directory.files()[name].clone();
                    bytes.truncate(rng.below(bytes.len() as u64) as usize);
                    lab.directory.put(name.clone(), bytes);
                    damaged.insert(name.clone());
                }
            }
            let before = lab.directory.files().clone();
            let outcome = match rng.below(4) {
                0 => lab.carry_out(lab.page(id).refresh()),
                1 => lab.export(id, bulk_type),
                2 => lab.consolidate(id, bulk_type),
                _ => lab.import(id, bulk_type),
            };
            lab.directory.reconnect();
            for name in &outcome.written {
                damaged.remove(name);
            }
            let own = match outcome.action {
                Action::Export => format!("@{id}_"),
                Action::Consolidate => "consolidated_".to_owned(),
                Action::Refresh | Action::Import => "nobody's".to_owned(),
            };
            for (name, bytes) in &before {
                if !name.contains(&own) && !name.ends_with(&format!("@{id}.part")) {
                    let now = lab.directory.files().get(name);
                    assert_eq!(now, Some(bytes), "seed {seed}: {name}");
                }
            }
            for (name, bytes) in lab.directory.files() {
                if !name.starts_with('.') && !damaged.contains(name) {
                    let read = p12::read(bytes, &lab.settings.password);
                    assert!(read.is_ok(), "seed {seed}: {name}: {read:?}");
                }
            }
        }
    }
}

#[test]
fn a_cluster_sees_the_others_files_before_it_exports() {
    let mut lab = Lab::new();
    lab.export("dst", BulkType::All);
    let outcome = lab.carry_out(lab.page("src").refresh());
    let listing = outcome.listing.unwrap();
    assert_eq!(listing.clusters(&Unit::ALL), BTreeSet::from(["dst"]));
    // Two nodes with five certificates each, and one ITLRecovery for the cluster.
    assert_eq!(listing.files().len(), 11);
    assert_eq!(listing.buttons(), [Action::Refresh, Action::Export]);
}

#[test]
fn the_page_is_the_publishers() {
    let lab = Lab::new();
    let refusal = Page::open(&lab.src, "src-sub", lab.settings.clone()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "src-sub is a subscriber: the page is the publisher's, here src-pub"
    );
    assert_eq!(refusal.missing_step(), "open the page on src-pub");
    assert_eq!(lab.page("dst").types().len(), 5);
    assert_eq!(lab.cluster("dst").profile().release, Release::V12_5);
}

#[test]
fn a_refusal_names_the_missing_step() {
    let mut lab = Lab::new();
    let step = |outcome: trustline::cluster::bulk::Outcome| match outcome.end {
        End::Refused(refusal) => (refusal.to_string(), refusal.missing_step()),
        other => panic!("{other:?}"),
    };
    let (text, missing) = step(lab.import("src", BulkType::Tftp));
    assert_eq!(
        text,
        "import of type TFTP needs the exports of two clusters; there are those of none"
    );
    assert_eq!(
        missing,
        "export type TFTP on both clusters, into this directory"
    );
    lab.export("src", BulkType::Tftp);
    let (text, missing) = step(lab.consolidate("src", BulkType::Tftp));
    assert!(text.ends_with("there are those of src"), "{text}");
    let on_the_other = "export type TFTP on a cluster other than src too, into this directory";
    assert_eq!(missing, on_the_other);
    // It is the same step for the cluster that has not exported.
    let (_, missing) = step(lab.consolidate("dst", BulkType::Tftp));
    assert_eq!(missing, on_the_other);
    lab.export("dst", BulkType::Tftp);
    let (text, missing) = step(lab.import("src", BulkType::Tftp));
    assert_eq!(
        text,
        "there is nothing to import: tftp is exported, but not consolidated"
    );
    assert_eq!(
        missing,
        "consolidate type All or TFTP on one of the clusters"
    );
    lab.consolidate("dst", BulkType::Tftp);
    let (text, missing) = step(lab.consolidate("src", BulkType::Tftp));
    assert_eq!(
        text,
        "type TFTP is consolidated already, and nothing was exported since"
    );
    assert_eq!(missing, "import on each cluster");
}
