//! The way without a directory: one certificate into one store, by hand, on the publisher.

use std::sync::Arc;

use crate::cluster::state::Cluster;
use crate::cluster::store::{TrustStore, Trusted};
use crate::cluster::x509::PublicCertificate;
use crate::trust::certificate::CertificateError;

/// What an upload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// The store.
    pub store: TrustStore,
    /// The certificate.
    pub certificate: Arc<PublicCertificate>,
    /// What became of it.
    pub result: Trusted,
    /// The one node that holds it, if the store does not replicate.
    pub stays_on: Option<String>,
}

impl Uploaded {
    /// What an exchange by hand in one direction lacks (Cisco 213407).
    pub const TRAP: &str = "one way only: no phone comes back until the other cluster has this \
         one's signers too, as a bulk import on both sides does";
}

/// Uploads a certificate into a store, as Certificate Management on the publisher does.
///
/// # Errors
/// The first place where the bytes are not a certificate; the store is unchanged.
pub fn upload(
    cluster: &mut Cluster,
    der: &[u8],
    store: TrustStore,
) -> Result<Uploaded, CertificateError> {
    let certificate = Arc::new(PublicCertificate::from_der(der)?);
    let result = cluster.trust(store, Arc::clone(&certificate));
    let publisher = cluster.nodes().find(|n| n.publisher);
    let stays_on = publisher
        .filter(|_| !store.replicates())
        .map(|n| n.name.clone());
    Ok(Uploaded {
        store,
        certificate,
        result,
        stays_on,
    })
}
