//! Certificates that were issued before.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{CertificateKind, Name, PublicCertificate, Request};
use crate::cluster::key::PrivateKey;
use crate::wire::Digest;

/// The newest certificates that a key signed. A lab that is built again asks for the same, and no
/// chance is in them.
#[derive(Default)]
pub(in crate::cluster) struct Issued {
    made: VecDeque<Made>,
}

struct Made {
    kind: CertificateKind,
    host: String,
    digest: Digest,
    issuer: Name,
    subject: Name,
    is_ca: bool,
    certificate: Arc<PublicCertificate>,
}

impl Issued {
    /// Half a megabyte at most.
    const LIMIT: usize = 256;

    pub(super) fn get(
        &self,
        request: &Request<'_>,
        key: &PrivateKey,
        issuer: &Name,
        is_ca: bool,
    ) -> Option<Arc<PublicCertificate>> {
        let is_same = |made: &&Made| {
            let c = &made.certificate;
            c.serial == request.serial
                && c.not_before == request.not_before
                && c.not_after == request.not_after
                && c.public_key == key.list_form()
                && made.kind == request.kind
                && made.host == request.host
                && made.digest == request.digest
                && made.subject == request.subject
                && made.issuer == *issuer
                && made.is_ca == is_ca
        };
        let found = self.made.iter().find(is_same);
        found.map(|made| Arc::clone(&made.certificate))
    }

    pub(super) fn keep(
        &mut self,
        request: &Request<'_>,
        issuer: &Name,
        is_ca: bool,
        certificate: &Arc<PublicCertificate>,
    ) {
        if self.made.len() >= Self::LIMIT {
            self.made.pop_front();
        }
        self.made.push_back(Made {
            kind: request.kind,
            host: request.host.to_owned(),
            digest: request.digest,
            issuer: issuer.clone(),
            subject: request.subject.clone(),
            is_ca,
            certificate: Arc::clone(certificate),
        });
    }
}
