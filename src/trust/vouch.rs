//! A TVS answer that a phone keeps: it vouches for one signer, for a time.

use std::sync::Arc;

use super::certificate::{Certificate, same_name};
use super::reason::{Code, Reason};
use super::search::SignerId;
use crate::time::Time;
use crate::wire::Role;

/// One kept answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouch {
    /// The signer that was asked for.
    pub signer: SignerId,
    /// Its certificate.
    pub certificate: Arc<[u8]>,
    /// Its roles.
    pub roles: Vec<Role>,
    /// Seconds that the answer may be used.
    pub ttl_secs: u32,
    /// When it runs out.
    pub expires: Time,
    /// Who answered: host and port.
    pub server: String,
}

impl Vouch {
    /// True if this answer is for that signer.
    pub fn is_for(&self, signer: &SignerId) -> bool {
        self.signer == *signer
    }
}

/// Checks that the certificate in an answer is the one that was asked for: same serial number, and
/// an issuer of that name.
///
/// # Errors
/// The reason why it is not.
pub fn check_answer(signer: &SignerId, certificate: &[u8], server: &str) -> Result<(), Reason> {
    let wrong =
        |text: String| Err(Reason::new(Code::TvsWrongCertificate, text).at(server.to_owned()));
    let parsed = match Certificate::parse(certificate) {
        Ok(parsed) => parsed,
        Err(e) => return wrong(format!("TVS {server} answered with no certificate: {e}")),
    };
    if !crate::wire::header::same_serial(parsed.serial, &signer.serial) {
        return wrong(format!(
            "TVS {server} answered with serial {}, asked for {signer}",
            super::search::hex(parsed.serial)
        ));
    }
    if !same_name(&signer.issuer, parsed.issuer) {
        return wrong(format!(
            "TVS {server} answered with a certificate of another issuer than {signer}"
        ));
    }
    Ok(())
}
