//! What no source says, or sources disagree about.

use super::names::FileNames;
use super::p12::{DEFAULT_ROUNDS, Form};

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

impl Expired {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::LeaveOut, Self::Import];

    /// The word in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::LeaveOut => "leave-out",
            Self::Import => "import",
        }
    }
}

/// The settings of the page. Both clusters need the same file names and password, as they need the
/// same directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkSettings {
    /// `bulk.file_names`: how files are called. Assumed: the names stand in screenshots only.
    pub file_names: FileNames,
    /// `bulk.password`: the password of the files. Assumed: `trustline`, no source has one.
    pub password: String,
    /// `bulk.form`: how files are encrypted. Assumed: PBES2, which today's tools write.
    pub form: Form,
    /// `bulk.rounds`: rounds of the key derivation, 1 to 1,000,000. Assumed: 2,048, as OpenSSL
    /// writes.
    pub rounds: u32,
    /// `bulk.tftp_type_carries_itlrecovery`: whether type TFTP carries ITLRecovery too. Assumed: no,
    /// since engineers had to add ITLRecovery by hand after the official exchange.
    pub tftp_type_carries_itlrecovery: bool,
    /// `bulk.capf_type`: whether CAPF can be chosen alone. Assumed: yes; sources show CAPF imported
    /// by type All (Cisco 215539), none has the whole drop-down list.
    pub capf_type: bool,
    /// `bulk.import_own`: whether a cluster imports its own certificates out of the consolidated
    /// file. Assumed: no, since Cisco 215539 speaks of uploads to the remote cluster.
    pub import_own: bool,
    /// `bulk.import_stale`: whether a consolidated file is imported that does not hold what the
    /// exported files hold now. Assumed: no; the refusal says to consolidate again.
    pub import_stale: bool,
    /// `bulk.expired`: what an import does with an expired certificate. Assumed: it is refused.
    pub expired: Expired,
    /// `bulk.reject_newer_release`: whether releases before 10.5.2 fail to import the certificates
    /// of 10.5.2 and later (CSCuy43181, documented from 10.5.2.13900 on). Off, for it is a defect of
    /// some builds.
    pub reject_newer_release: bool,
}

impl Default for BulkSettings {
    fn default() -> Self {
        Self {
            file_names: FileNames::default(),
            password: "trustline".to_owned(),
            form: Form::default(),
            rounds: DEFAULT_ROUNDS,
            tftp_type_carries_itlrecovery: false,
            capf_type: true,
            import_own: false,
            import_stale: false,
            expired: Expired::default(),
            reject_newer_release: false,
        }
    }
}
