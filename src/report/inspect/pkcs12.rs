//! PKCS#12 files: what is in them, and what a bulk import would do with it.

use std::fmt::Write as _;
use std::sync::Arc;

use super::human::{certificate, field_at};
use crate::cluster::bulk::p12::{self, P12Error};
use crate::cluster::bulk::{KnownBy, LeftOut, Unit, identify};
use crate::cluster::{CertificateKind, PublicCertificate, TrustStore};
use crate::report::text::{Paint, count};
use crate::time::UnixSeconds;
use crate::trust::certificate::{CertificateError, escape_for_terminal};
use crate::trust::rules::Basis;

/// Who says which store a certificate goes to.
pub(super) const STORES_SOURCE: &str = "Cisco 215539";

/// What a file holds.
#[derive(Debug)]
pub struct Pkcs12 {
    /// False if nothing protects the file from changes.
    pub has_mac: bool,
    /// Private and secret keys beside the certificates.
    pub keys: usize,
    /// The certificates, in the file's order.
    pub bags: Vec<Bag>,
}

/// A certificate of a file.
#[derive(Debug)]
pub struct Bag {
    /// Its friendlyName.
    pub friendly_name: Option<String>,
    /// Its bytes.
    pub der: Vec<u8>,
    /// What an import would do with it; the place of the damage where it is no certificate.
    pub import: Result<WouldImport, CertificateError>,
}

/// What an import would do with a certificate.
#[derive(Debug)]
pub struct WouldImport {
    /// What the certificate is for and how that is known, or why it is left out.
    pub kind: Result<(CertificateKind, KnownBy), LeftOut>,
    /// True if it has expired.
    pub is_expired: bool,
}

impl WouldImport {
    /// The stores it would go to; none if it is left out.
    pub fn stores(&self) -> &'static [TrustStore] {
        let kind = self.kind.as_ref().ok();
        kind.map_or(&[], |(kind, _)| TrustStore::of_bulk_import(*kind))
    }
}

/// How sure it is what a certificate is for.
pub(super) fn basis_of(known_by: KnownBy) -> Basis {
    match known_by {
        // The names are this lab's own; what a CUCM writes nobody shows.
        KnownBy::FriendlyName | KnownBy::File => Basis::Assumed,
        // From the samples of subjects in Cisco's documents.
        KnownBy::Subject => Basis::Inferred,
    }
}

impl Pkcs12 {
    /// Opens a file with the first of the passwords that fits. `name` is the file's own; where an
    /// exchange would call a file so, it says what is in it.
    ///
    /// # Errors
    /// Why it cannot be opened; with the first password, if none fits.
    pub fn open(
        name: &str,
        bytes: &[u8],
        passwords: &[String],
        now: UnixSeconds,
    ) -> Result<Self, P12Error> {
        let mut first = None;
        for password in passwords {
            match p12::open(bytes, password) {
                Ok(contents) => return Ok(Self::of(contents, Unit::of_file(name), now)),
                Err(error @ (P12Error::WrongPassword | P12Error::Damaged(_))) => {
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(first.unwrap_or(P12Error::WrongPassword))
    }

    fn of(contents: p12::Contents, unit: Option<Unit>, now: UnixSeconds) -> Self {
        let bag = |entry: p12::P12Entry| Bag {
            import: PublicCertificate::from_der(&entry.der).map(|c| {
                let c = Arc::new(c);
                WouldImport {
                    kind: identify(entry.alias.as_deref(), &c, unit),
                    is_expired: c.not_after < now,
                }
            }),
            friendly_name: entry.alias,
            der: entry.der,
        };
        Self {
            has_mac: contents.has_mac,
            keys: contents.keys,
            bags: contents.entries.into_iter().map(bag).collect(),
        }
    }

    /// True if something in it is no certificate.
    pub fn is_damaged(&self) -> bool {
        self.bags.iter().any(|b| b.import.is_err())
    }

    /// What is wrong with the file as a whole, and would keep it out of an exchange.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.keys > 0 {
            warnings.push(format!(
                "holds {}: an exchange of certificates never needs one, and an import refuses the \
                 file; keep it from others, and write it again with certificates only (openssl \
                 pkcs12 -export -nokeys)",
                count(self.keys, "private or secret key")
            ));
        }
        if !self.has_mac {
            warnings.push(
                "has no MAC, so nothing protects it from changes, and an import refuses it".into(),
            );
        }
        warnings
    }
}

/// What to do about a file that does not open.
pub(super) fn fix(error: &P12Error) -> &'static str {
    match error {
        P12Error::WrongPassword | P12Error::Damaged(_) => {
            "give its password, the one line of a file: --p12-password-file FILE; if it is the \
             right one, fetch the file again"
        }
        P12Error::NotPkcs12 { .. } => "fetch the file again, in binary mode",
        P12Error::Unsupported(_) => {
            "write it again: openssl pkcs12 -in FILE -legacy -nokeys | openssl pkcs12 -export \
             -nokeys -out NEW"
        }
        P12Error::HoldsKeys(_) => {
            "write it again with certificates only: openssl pkcs12 -export -nokeys"
        }
        P12Error::TooLarge { .. }
        | P12Error::TooManyCertificates { .. }
        | P12Error::TooManyRounds { .. }
        | P12Error::NoMac
        | P12Error::DuplicateAlias(_)
        | P12Error::Alias(_) => "write it again: openssl pkcs12 -export -nokeys",
    }
}

/// The file for people.
pub(super) fn human(
    out: &mut String,
    paint: Paint,
    file: &Result<Pkcs12, P12Error>,
    size: usize,
    hint: Option<&'static str>,
) {
    let file = match file {
        Ok(file) => file,
        Err(error) => {
            let _ = writeln!(out, "{}: {error}", paint.bad("PKCS#12 file does not open"));
            field_at(out, "  ", "fix", hint.unwrap_or_else(|| fix(error)));
            return;
        }
    };
    let held = count(file.bags.len(), "certificate");
    let _ = writeln!(out, "PKCS#12 file, {size} bytes, {held}");
    for warning in file.warnings() {
        field_at(out, "", &paint.warn("warning"), &warning);
    }
    let of = file.bags.len();
    for (number, bag) in (1..).zip(&file.bags) {
        let heading = format!("certificate {number} of {of}");
        let _ = writeln!(out, "\n{}", paint.strong(&heading));
        one(out, paint, bag);
    }
}

fn one(out: &mut String, paint: Paint, bag: &Bag) {
    let mut line = |label: &str, text: &str| {
        let _ = writeln!(out, "{label:<9}{text}");
    };
    if let Some(name) = &bag.friendly_name {
        line("name", &escape_for_terminal(name.as_bytes()));
    }
    let import = match &bag.import {
        Ok(import) => import,
        Err(error) => {
            line("import", &paint.bad(&format!("not a certificate: {error}")));
            return;
        }
    };
    certificate(out, &bag.der);
    let mut line = |label: &str, text: &str| {
        let _ = writeln!(out, "{label:<9}{text}");
    };
    match &import.kind {
        Ok((kind, known_by)) => {
            let how = match known_by {
                KnownBy::FriendlyName => "by the name that trustline's export gave it",
                KnownBy::Subject => "by its subject",
                KnownBy::File => "by the name of its file",
            };
            line("kind", &format!("{kind}, {how} ({})", basis_of(*known_by)));
            let stores = import.stores();
            if stores.is_empty() {
                line(
                    "import",
                    &format!("left out: an import takes no {kind} certificate"),
                );
            } else {
                let stores = list_of(stores);
                line("import", &format!("{stores} ({})", basis_of_stores(*kind)));
            }
        }
        Err(LeftOut::UnknownKind) => {
            line("kind", "neither name nor subject tells");
            line("import", "left out; by hand it belongs");
            for kind in [
                CertificateKind::CallManager,
                CertificateKind::Tomcat,
                CertificateKind::Capf,
            ] {
                let stores = list_of(TrustStore::of_bulk_import(kind));
                line("", &format!("into {stores}, if it is a {kind} certificate"));
            }
        }
        Err(why) => line("import", &format!("left out: {why}")),
    }
    if import.is_expired {
        let expired = "has expired by today's date; a world has its own, see --date";
        line("", &paint.warn(expired));
        line(
            "",
            "by that date an import would refuse all (assumed: bulk.expired)",
        );
    }
}

/// How sure it is where an import puts a certificate, and who says so.
fn basis_of_stores(kind: CertificateKind) -> String {
    match kind {
        CertificateKind::CallManagerEcdsa => format!(
            "{}: rule bulk.ecdsa_store; Cisco security guide: it shares CallManager-trust",
            Basis::Assumed
        ),
        CertificateKind::TomcatEcdsa => {
            format!("{}: where tomcat's own go", Basis::Assumed)
        }
        _ => format!("{}: {STORES_SOURCE}", Basis::Documented),
    }
}

fn list_of(stores: &[TrustStore]) -> String {
    let names: Vec<_> = stores.iter().map(|s| s.name()).collect();
    names.join(" and ")
}
