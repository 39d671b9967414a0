//! The emulated cluster from outside: what it publishes, what its TVS knows, what happens to it.

mod configs;
mod operate;
mod publish;
mod tvs;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use rsa::pkcs1::DecodeRsaPublicKey;
use trustline::cluster::{
    Cluster, ClusterMode, ClusterSettings, ClusterSpec, FileAnswer, KeyPool, LabCertificate,
    NodeSpec, Parameters, Release, Service,
};
use trustline::wire::phone_config::SecurityMode;
use trustline::wire::{Digest, ListKind, SignedFile, Strictness, TrustList};

/// 2020-03-01T09:00:00Z.
const DATE: u64 = 1_583_053_200;
const DEVICE: &str = "SEP001122334401";

fn node(name: &str, publisher: bool, services: &[Service], last: u8) -> NodeSpec {
    NodeSpec {
        name: name.into(),
        publisher,
        services: services.iter().copied().collect::<BTreeSet<_>>(),
        address: Ipv4Addr::new(127, 0, 1, last),
        tvs_port: 2_445,
    }
}

/// Publisher, a subscriber with TFTP, a subscriber with TVS and CallManager only.
fn spec(id: &str, release: Release, mode: ClusterMode) -> ClusterSpec {
    use Service::{CallManager, Capf, Tftp, Tvs};
    let nodes = vec![
        node(
            &format!("{id}-pub"),
            true,
            &[CallManager, Tftp, Tvs, Capf],
            1,
        ),
        node(&format!("{id}-sub"), false, &[CallManager, Tftp, Tvs], 2),
        node(&format!("{id}-third"), false, &[CallManager, Tvs], 3),
    ];
    ClusterSpec {
        id: id.into(),
        release,
        mode,
        callmanager_group: vec![format!("{id}-sub"), format!("{id}-pub")],
        nodes,
        parameters: Parameters::default(),
    }
}

fn cluster_with(release: Release, mode: ClusterMode, settings: ClusterSettings) -> Cluster {
    let mut keys = KeyPool::new(1);
    let mut cluster = Cluster::new(spec("src", release, mode), settings, DATE, &mut keys, 1)
        .expect("the spec is sound");
    cluster
        .add_phone(DEVICE, SecurityMode::NonSecure)
        .expect("a device name");
    cluster
}

fn cluster(release: Release, mode: ClusterMode) -> Cluster {
    cluster_with(release, mode, ClusterSettings::default())
}

fn bytes(cluster: &mut Cluster, node: &str, name: &str) -> Vec<u8> {
    match cluster.file(node, name) {
        FileAnswer::Found(bytes) => bytes.to_vec(),
        FileAnswer::NotFound => panic!("{node} has no {name}"),
    }
}

fn itl(cluster: &mut Cluster, node: &str) -> TrustList<Vec<u8>> {
    list(&bytes(cluster, node, "ITLFile.tlv"))
}

fn list(bytes: &[u8]) -> TrustList<Vec<u8>> {
    TrustList::parse(bytes, &strict())
        .expect("a published list is well-formed")
        .to_owned()
}

/// All that a reader can ask of a list, asked.
fn strict() -> Strictness {
    Strictness {
        refuse_unknown: true,
        refuse_duplicates: true,
        refuse_missing: false,
        require_containers: true,
        refuse_trailing: true,
        refuse_odd_names: true,
        refuse_version: true,
    }
}

/// True if the file's signature holds under this certificate's key. Two libraries check it, of which
/// one did not make it.
fn holds(file: &[u8], kind: Option<ListKind>, signer: &LabCertificate) -> bool {
    let header = match kind {
        Some(_) => TrustList::parse(file, &strict()).expect("a list").header,
        None => SignedFile::parse(file, &strict()).expect("a file").header,
    };
    if let Some(kind) = kind {
        assert_eq!(header.file_name(), Some(kind.file_name().as_bytes()));
    }
    let mut message = file.to_vec();
    message.drain(header.signature_span());
    let (hash, prefix, ring): (_, &[u8], &ring::signature::RsaParameters) = match header.digest() {
        Digest::Sha1 => (
            &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
            &[
                0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 0x14,
            ],
            &ring::signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        ),
        Digest::Sha512 => (
            &ring::digest::SHA512,
            &[
                0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40,
            ],
            &ring::signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        ),
        other => panic!("{other}"),
    };
    let public = &signer.public.public_key;
    let by_ring = ring::signature::UnparsedPublicKey::new(ring, public)
        .verify(&message, header.signature())
        .is_ok();
    let hash = ring::digest::digest(hash, &message);
    let padding = rsa::Pkcs1v15Sign {
        hash_len: Some(hash.as_ref().len()),
        prefix: prefix.into(),
    };
    let by_rsa = rsa::RsaPublicKey::from_pkcs1_der(public)
        .expect("a key")
        .verify(padding, hash.as_ref(), header.signature())
        .is_ok();
    assert_eq!(by_ring, by_rsa);
    by_rsa
}
