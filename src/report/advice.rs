//! What to do about a reason: the last line of an explanation.

use crate::trust::reason::Code;

/// What an engineer can do about this reason; none where the reason is good news, or where only
/// the other reasons say what to do.
pub fn advice(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::SignerNotInList | Code::SignerUnknownToTvs => {
            "import the signer's certificate into Phone-SAST-trust of the cluster that the phone \
             is on, then restart TVS on its nodes (lists: ITLRecovery from 12.0 on, before that \
             CallManager; files: CallManager)"
        }
        Code::RoleMissing | Code::TvsRoleMissing => {
            "publish the signer's certificate with the role that signs this, or sign with one \
             that has it"
        }
        Code::NoTvsInList => {
            "the phone cannot ask anybody: give it a list with a TVS record while it is still on \
             its present cluster, or erase its lists by hand"
        }
        Code::InstalledListDamaged => "erase CTL and ITL on the phone by hand",
        Code::FileEmpty | Code::DownloadFailed => {
            "fetch the file again from the TFTP node, and look at the Cisco Tftp service there"
        }
        Code::HttpsCertificateUnknown => {
            "publish the node's CallManager-ECDSA certificate in the ITL with role TFTP, or let the \
             phone's TVS know it; until then the phone takes the signed file over HTTP"
        }
        Code::SignatureMismatch => {
            "fetch the file again in octet mode and compare its checksum with `show ctl` or \
             `show itl` on the node; if it is the same, another key signs under this signer's \
             name: find out whose before anybody erases lists by hand"
        }
        Code::FileMalformed => {
            "fetch the file again in octet mode and compare its checksum with `show ctl` or \
             `show itl` on the node; if it is the same, let the cluster publish it anew"
        }
        Code::FileTooLarge => "remove certificates from the cluster's stores until the list fits",
        Code::RecordMismatch => "let the cluster publish the list anew",
        Code::FileNameMismatch => {
            "give the file the name that the phone asks for; if it was only saved under another \
             name, --set trust.config_file_name=ignored"
        }
        Code::DigestUnsupported => {
            "set the enterprise parameter TFTP File Signature Algorithm to one that the phone \
             knows: SHA-1, or SHA-512 for newer firmware"
        }
        Code::KeyTooSmall | Code::KeyUnsupported | Code::SignerExpired => {
            "regenerate the signer's certificate, and restart Cisco Tftp and TVS"
        }
        Code::SignerAmbiguous => "remove the certificate that is not the cluster's from the list",
        Code::OwnSignatureFails | Code::NoSastRecord => {
            "let the cluster publish the list anew, and check that its signer is among its SAST \
             records"
        }
        Code::TimestampOlder => "publish the list anew, so that it is newer than the installed one",
        Code::VersionUnknown => "use firmware that reads this version",
        Code::NoTvsInConfiguration => {
            "put the phone's device pool into a CallManager group whose servers run TVS, and \
             reset the phone before the move"
        }
        Code::TvsUnreachable | Code::TvsNoAnswer | Code::TvsAnswerMalformed => {
            "start TVS on the servers of the phone's CallManager group, and open TCP port 2445"
        }
        Code::TvsHandshakeFailed | Code::TvsCertificateNotInList => {
            "let the phone take its present cluster's newest ITL first: the TVS certificate in \
             the installed one is not the server's"
        }
        Code::TvsWrongCertificate => "remove the stale certificate from the TVS node's stores",
        Code::ConfigMalformed => "correct the configuration on the cluster, and apply it again",
        Code::EncryptedForAnotherKey | Code::CapfSessionNeeded => {
            "let the cluster have the phone's certificate (a CAPF operation on the phone's page), \
             or clear TFTP Encrypted Config in its security profile until it has"
        }
        Code::DeviceKeyMissing => {
            "give the phone an LSC, or clear TFTP Encrypted Config in its security profile"
        }
        Code::DecryptionFailed => "let the cluster publish the configuration anew",
        Code::ConfigIncomplete => {
            "give the phone a list with a TFTP certificate, so that it asks for signed files, or \
             clear TFTP Encrypted Config in its security profile"
        }
        Code::PhoneNotInDatabase => {
            "add the phone to the cluster's database, or enable auto-registration"
        }
        Code::LscNotTrusted => {
            "import the CAPF certificate that issued the LSC into the trust stores of the cluster \
             that the phone registers with, and restart CallManager"
        }
        Code::NotBooted => "reset the phone",
        Code::NoLease => {
            "let a DHCP server on the phone's segment name the servers in option 150, then reset the phone"
        }
        Code::BootOverdue => {
            "look at this server, which answers and never comes to an end: try it with another TFTP \
             client; with many slow servers set tftp.deadline_ms and http.timeout_ms lower"
        }
        Code::ListNotUpdated => "make sure that option 150 names nodes that serve their lists",
        Code::LeapOfFaith
        | Code::RollbackItl
        | Code::RollbackConfig
        | Code::SignerInList
        | Code::SignerVouchedByTvs
        | Code::SignatureHolds
        | Code::FileEqual
        | Code::FileMissing
        | Code::ConfigDecrypted
        | Code::FileUnsigned
        | Code::ConfigUnsigned
        | Code::ConfigOverHttps => return None,
    })
}
