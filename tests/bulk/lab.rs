//! Two clusters and the directory that they share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use trustline::cluster::bulk::{
    BulkSettings, End, MemoryDirectory, Outcome, Page, Run, certificates_of, p12,
};
use trustline::cluster::release::BulkType;
use trustline::cluster::{
    Cluster, ClusterMode, ClusterSettings, ClusterSpec, KeyPool, NodeSpec, Parameters, Release,
    Service,
};

/// 2020-03-01T09:00:00Z.
pub(crate) const DATE: u64 = 1_583_053_200;

/// The settings with a key derivation that costs nothing.
pub(crate) fn settings() -> BulkSettings {
    BulkSettings {
        rounds: 1,
        ..BulkSettings::default()
    }
}

/// A cluster with a publisher and a subscriber.
pub(crate) fn cluster(id: &str, release: Release, keys: &mut KeyPool) -> Cluster {
    let settings = ClusterSettings::default();
    cluster_with(id, release, ClusterMode::NonSecure, settings, keys)
}

pub(crate) fn cluster_with(
    id: &str,
    release: Release,
    mode: ClusterMode,
    settings: ClusterSettings,
    keys: &mut KeyPool,
) -> Cluster {
    use Service::{CallManager, Capf, Tftp, Tvs};
    let node = |name: &str, publisher, services: &[Service], last| NodeSpec {
        name: format!("{id}-{name}"),
        publisher,
        services: services.iter().copied().collect::<BTreeSet<_>>(),
        address: Ipv4Addr::new(127, 0, 1, last),
        tvs_port: 2_445,
    };
    let spec = ClusterSpec {
        id: id.into(),
        release,
        mode,
        callmanager_group: vec![format!("{id}-sub"), format!("{id}-pub")],
        nodes: vec![
            node("pub", true, &[CallManager, Tftp, Tvs, Capf], 1),
            node("sub", false, &[CallManager, Tftp, Tvs], 2),
        ],
        parameters: Parameters::default(),
    };
    Cluster::new(spec, settings, DATE, keys, 1).unwrap()
}

/// Two clusters, their pages and the directory.
pub(crate) struct Lab {
    pub(crate) src: Cluster,
    pub(crate) dst: Cluster,
    pub(crate) keys: KeyPool,
    pub(crate) settings: BulkSettings,
    pub(crate) directory: MemoryDirectory,
}

impl Lab {
    /// From 10.5.2 to 12.5.
    pub(crate) fn new() -> Self {
        Self::of(Release::V10_5_2, Release::V12_5, settings())
    }

    pub(crate) fn of(src: Release, dst: Release, settings: BulkSettings) -> Self {
        let mut keys = KeyPool::new(1);
        Self {
            src: cluster("src", src, &mut keys),
            dst: cluster("dst", dst, &mut keys),
            keys,
            settings,
            directory: MemoryDirectory::new(),
        }
    }

    pub(crate) fn cluster(&self, id: &str) -> &Cluster {
        match id {
            "src" => &self.src,
            _ => &self.dst,
        }
    }

    pub(crate) fn page(&self, id: &str) -> Page {
        let cluster = self.cluster(id);
        Page::open(cluster, &format!("{id}-pub"), self.settings.clone()).unwrap()
    }

    /// An export that is not carried out yet.
    pub(crate) fn export_run(&self, id: &str, bulk_type: BulkType) -> Run {
        self.page(id)
            .export(bulk_type, &certificates_of(self.cluster(id)))
    }

    pub(crate) fn carry_out(&mut self, mut run: Run) -> Outcome {
        self.directory.carry_out(&mut run);
        run.into_outcome()
            .expect("a run without operations has ended")
    }

    pub(crate) fn export(&mut self, id: &str, bulk_type: BulkType) -> Outcome {
        self.carry_out(self.export_run(id, bulk_type))
    }

    pub(crate) fn consolidate(&mut self, id: &str, bulk_type: BulkType) -> Outcome {
        self.carry_out(self.page(id).consolidate(bulk_type))
    }

    pub(crate) fn import(&mut self, id: &str, bulk_type: BulkType) -> Outcome {
        self.carry_out(self.page(id).import(bulk_type))
    }

    /// Both exported, one consolidated.
    pub(crate) fn ready(mut self, bulk_type: BulkType) -> Self {
        for id in ["dst", "src"] {
            assert_eq!(self.export(id, bulk_type).end, End::Exported);
        }
        assert_eq!(self.consolidate("src", bulk_type).end, End::Consolidated);
        self
    }

    /// Every file with the certificates in it; panics at one that cannot be read.
    pub(crate) fn contents(&self) -> BTreeMap<String, BTreeSet<Vec<u8>>> {
        let read = |(name, bytes): (&String, &Vec<u8>)| {
            let entries =
                p12::read(bytes, &self.settings.password).unwrap_or_else(|e| panic!("{name}: {e}"));
            (name.clone(), entries.into_iter().map(|e| e.der).collect())
        };
        self.directory.files().iter().map(read).collect()
    }
}
