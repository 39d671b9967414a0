//! What no source says, or sources disagree about.

use super::names::FileNames;
use super::p12::{DEFAULT_ROUNDS, Form};
use crate::cluster::store::TrustStore;
use crate::cluster::x509::CertificateKind;
use crate::trust::rules::{
    BulkCapfType, BulkConsolidateAgain, BulkEcdsaStore, BulkExpired, BulkFileNames, BulkForm,
    BulkImportOwn, BulkImportResetsPhones, BulkImportStale, BulkPassword, BulkRejectNewerRelease,
    BulkTftpTypeCarriesItlRecovery, Settings,
};

/// What happens to an expired certificate in an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expired {
    /// Nothing is imported at all.
    #[default]
    Refuse,
    /// It is left out, the others are imported.
    LeaveOut,
    /// It is imported like the others.
    Import,
}

/// Where an import puts CallManager-ECDSA certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EcdsaStore {
    /// Into CallManager-trust.
    #[default]
    CallManagerTrust,
    /// Where CallManager's own go: into Phone-SAST-trust too.
    RsaStores,
    /// Nowhere.
    LeftOut,
}

/// The settings of the page. Both clusters need the same file names and password, as they need the
/// same directory. All but the rounds are rules; `trustline rules` has their sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkSettings {
    /// `bulk.file_names`: how files are called.
    pub file_names: FileNames,
    /// `bulk.password`: the password of the files.
    pub password: String,
    /// `bulk.form`: how files are encrypted.
    pub form: Form,
    /// Rounds of the key derivation, 1 to 1,000,000; 2,048, as OpenSSL writes. No rule: a file is
    /// read whatever its rounds are.
    pub rounds: u32,
    /// `bulk.tftp_type_carries_itlrecovery`: whether type TFTP carries ITLRecovery too.
    pub tftp_type_carries_itlrecovery: bool,
    /// `bulk.capf_type`: whether CAPF can be chosen alone.
    pub capf_type: bool,
    /// `bulk.import_own`: whether a cluster imports its own certificates out of the consolidated
    /// file.
    pub import_own: bool,
    /// `bulk.import_stale`: whether a consolidated file is imported that does not hold what the
    /// exported files hold now. Where not, the refusal says to consolidate again.
    pub import_stale: bool,
    /// `bulk.consolidate_again`: whether files are written again that hold the same already. Where
    /// not, the refusal says to import.
    pub consolidate_again: bool,
    /// `bulk.expired`: what an import does with an expired certificate.
    pub expired: Expired,
    /// `bulk.reject_newer_release`: whether releases before 10.5.2 fail to import the certificates
    /// of 10.5.2 and later (CSCuy43181, documented from 10.5.2.13900 on).
    pub reject_newer_release: bool,
    /// `bulk.ecdsa_store`: where an import puts CallManager-ECDSA certificates.
    pub ecdsa_store: EcdsaStore,
    /// `bulk.import_resets_phones`: whether an import resets the phones of the cluster.
    pub import_resets_phones: bool,
}

impl BulkSettings {
    /// What the rules say; marks them as used.
    pub fn of(rules: &Settings) -> Self {
        let password = match rules.word::<BulkPassword>() {
            BulkPassword::Trustline => "trustline",
            BulkPassword::Empty => "",
        };
        Self {
            file_names: match rules.word::<BulkFileNames>() {
                BulkFileNames::NodeType => FileNames::NodeType,
                BulkFileNames::TypeNode => FileNames::TypeNode,
            },
            password: password.to_owned(),
            form: match rules.word::<BulkForm>() {
                BulkForm::Modern => Form::Modern,
                BulkForm::TripleDes => Form::TripleDes,
                BulkForm::Rc2 => Form::Rc2,
            },
            rounds: DEFAULT_ROUNDS,
            tftp_type_carries_itlrecovery: rules.word::<BulkTftpTypeCarriesItlRecovery>()
                == BulkTftpTypeCarriesItlRecovery::Yes,
            capf_type: rules.word::<BulkCapfType>() == BulkCapfType::Yes,
            import_own: rules.word::<BulkImportOwn>() == BulkImportOwn::Yes,
            import_stale: rules.word::<BulkImportStale>() == BulkImportStale::Yes,
            consolidate_again: rules.word::<BulkConsolidateAgain>() == BulkConsolidateAgain::Write,
            expired: match rules.word::<BulkExpired>() {
                BulkExpired::Refuse => Expired::Refuse,
                BulkExpired::LeaveOut => Expired::LeaveOut,
                BulkExpired::Import => Expired::Import,
            },
            reject_newer_release: rules.word::<BulkRejectNewerRelease>()
                == BulkRejectNewerRelease::Yes,
            ecdsa_store: match rules.word::<BulkEcdsaStore>() {
                BulkEcdsaStore::CallManagerTrust => EcdsaStore::CallManagerTrust,
                BulkEcdsaStore::RsaStores => EcdsaStore::RsaStores,
                BulkEcdsaStore::LeftOut => EcdsaStore::LeftOut,
            },
            import_resets_phones: rules.word::<BulkImportResetsPhones>()
                == BulkImportResetsPhones::Yes,
        }
    }

    /// The stores into which an import puts certificates of this kind; none if it takes none.
    pub fn stores_of(&self, kind: CertificateKind) -> &'static [TrustStore] {
        match (kind, self.ecdsa_store) {
            (CertificateKind::CallManagerEcdsa, EcdsaStore::LeftOut) => &[],
            (CertificateKind::CallManagerEcdsa, EcdsaStore::RsaStores) => {
                TrustStore::of_bulk_import(CertificateKind::CallManager)
            }
            _ => TrustStore::of_bulk_import(kind),
        }
    }
}

impl Default for BulkSettings {
    /// The defaults of the rules.
    fn default() -> Self {
        Self::of(&Settings::default())
    }
}
