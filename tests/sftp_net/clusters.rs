//! Two clusters that exchange their certificates through one directory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use trustline::cluster::bulk::{
    BulkSettings, ConsolidatedFile, End, Importer, MemoryDirectory, Outcome, Page, Run, apply,
    certificates_of, p12, plan_import,
};
use trustline::cluster::release::BulkType;
use trustline::cluster::{
    CertificateKind, Cluster, ClusterMode, ClusterSettings, ClusterSpec, KeyPool, NodeSpec,
    Parameters, Release, Service,
};
use trustline::net::sftp::SftpDirectory;

/// 2020-03-01T09:00:00Z.
const DATE: u64 = 1_583_053_200;

/// Files of a directory, each as the certificates in it.
pub(crate) type Contents = BTreeMap<String, BTreeSet<Vec<u8>>>;

pub(crate) struct Clusters {
    pub(crate) src: Cluster,
    pub(crate) dst: Cluster,
    pub(crate) settings: BulkSettings,
}

impl Clusters {
    /// From 10.5.2 to 12.5.
    pub(crate) fn new() -> Self {
        let mut keys = KeyPool::new(1);
        Self {
            src: cluster("src", Release::V10_5_2, &mut keys),
            dst: cluster("dst", Release::V12_5, &mut keys),
            settings: BulkSettings {
                // A key derivation that costs nothing.
                rounds: 1,
                ..BulkSettings::default()
            },
        }
    }

    fn cluster(&self, id: &str) -> &Cluster {
        if id == "src" { &self.src } else { &self.dst }
    }

    fn page(&self, id: &str) -> Page {
        let publisher = format!("{id}-pub");
        Page::open(self.cluster(id), &publisher, self.settings.clone()).unwrap()
    }

    pub(crate) fn export(&self, id: &str) -> Run {
        let certificates = certificates_of(self.cluster(id));
        self.page(id).export(BulkType::All, &certificates)
    }

    pub(crate) fn consolidate(&self, id: &str) -> Run {
        self.page(id).consolidate(BulkType::All)
    }

    pub(crate) fn fetch(&self, id: &str) -> Run {
        self.page(id).import(BulkType::All)
    }

    /// The last step of an import: how many certificates have come into stores.
    pub(crate) fn import(&mut self, id: &str, files: &[ConsolidatedFile]) -> usize {
        let importer = Importer::of(self.cluster(id), DATE);
        let plan = plan_import(files, &importer, &self.settings).unwrap();
        let cluster = if id == "src" {
            &mut self.src
        } else {
            &mut self.dst
        };
        apply(cluster, &plan).imported.len()
    }

    /// Panics unless TVS of each cluster knows who signs lists in the other, on every node.
    fn must_vouch_for_each_other(&self) {
        use CertificateKind::{CallManager, ItlRecovery};
        for (asked, other) in [(&self.src, &self.dst), (&self.dst, &self.src)] {
            let signers = other.certificates_to_exchange(&[CallManager, ItlRecovery]);
            assert!(!signers.is_empty());
            for (_, signer) in signers {
                let signer = &signer.public;
                let (subject, issuer) = (&signer.subject_text, &signer.issuer_text);
                for node in asked.nodes() {
                    let (subject, issuer) = (subject.as_bytes(), issuer.as_bytes());
                    let answer = asked.tvs_query(&node.name, subject, issuer, &signer.serial);
                    let answer = answer.unwrap_or_else(|| {
                        panic!("{} does not know {}", node.name, signer.subject_text)
                    });
                    assert_eq!(answer.certificate, signer.der);
                }
            }
        }
    }

    /// What the files hold; panics at one that cannot be read.
    pub(crate) fn contents<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>,
    ) -> Contents {
        let read = |(name, bytes): (&String, &Vec<u8>)| {
            let entries = p12::read(bytes, &self.settings.password);
            let entries = entries.unwrap_or_else(|error| panic!("{name}: {error}"));
            (name.clone(), entries.into_iter().map(|e| e.der).collect())
        };
        files.into_iter().map(read).collect()
    }

    /// What the same exchange leaves in a directory in memory.
    pub(crate) fn in_memory(&self) -> Contents {
        let mut memory = MemoryDirectory::new();
        for mut run in [
            self.export("dst"),
            self.export("src"),
            self.consolidate("src"),
        ] {
            memory.carry_out(&mut run);
        }
        self.contents(memory.files())
    }
}

fn cluster(id: &str, release: Release, keys: &mut KeyPool) -> Cluster {
    use Service::{CallManager, Capf, Tftp, Tvs};
    let node = |name: &str, publisher, services: &[Service], last| NodeSpec {
        name: format!("{id}-{name}"),
        publisher,
        services: services.iter().copied().collect(),
        address: Ipv4Addr::new(127, 0, 1, last),
        tvs_port: 2_445,
    };
    let spec = ClusterSpec {
        id: id.into(),
        release,
        mode: ClusterMode::NonSecure,
        callmanager_group: vec![format!("{id}-sub"), format!("{id}-pub")],
        nodes: vec![
            node("pub", true, &[CallManager, Tftp, Tvs, Capf], 1),
            node("sub", false, &[CallManager, Tftp, Tvs], 2),
        ],
        parameters: Parameters::default(),
    };
    Cluster::new(spec, ClusterSettings::default(), DATE, keys, 1).unwrap()
}

pub(crate) async fn carry_out(directory: &mut SftpDirectory, mut run: Run) -> Outcome {
    directory.carry_out(&mut run).await;
    run.into_outcome()
        .expect("a run without operations has ended")
}

/// The whole exchange, each cluster over a connection of its own: both export, one consolidates,
/// both import, and each TVS knows the other's signers.
pub(crate) async fn exchange(
    clusters: &mut Clusters,
    src: &mut SftpDirectory,
    dst: &mut SftpDirectory,
) {
    assert_eq!(
        carry_out(dst, clusters.export("dst")).await.end,
        End::Exported
    );
    assert_eq!(
        carry_out(src, clusters.export("src")).await.end,
        End::Exported
    );
    assert_eq!(
        carry_out(src, clusters.consolidate("src")).await.end,
        End::Consolidated
    );
    for (id, directory) in [("src", src), ("dst", dst)] {
        let outcome = carry_out(directory, clusters.fetch(id)).await;
        let End::Fetched(files) = outcome.end else {
            panic!("{outcome:?}");
        };
        assert!(clusters.import(id, &files) > 0);
    }
    clusters.must_vouch_for_each_other();
}
