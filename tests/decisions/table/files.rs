//! Signed configurations and other signed files.

use super::Offer::File;
use super::{CONFIG, Case, EMPTY, NON_SECURE};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a configuration signed by the TFTP record",
        source: "CUCM 14SU2 Security Guide: TFTP authenticates configuration files",
        itl: "lab/itl-tftp",
        offer: File(
            CONFIG,
            "tool/SEP001122334455.cnf.xml.d-lsc.sha512.pointer.sgn",
        ),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "the same, and the TFTP record is in the CTL",
        source: "AG79: signed files are asked for where the CTL has a TFTP entry",
        ctl: "new:lab/itl-tftp",
        itl: "tool/itl-b.tlv",
        offer: File(
            CONFIG,
            "tool/SEP001122334455.cnf.xml.d-lsc.sha512.pointer.sgn",
        ),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "new CTL",
        ..EMPTY
    },
    Case {
        name: "a file in a folder has the folder in its name",
        source: "the open tools: New_Zealand/g3-tones.xml.sgn",
        itl: "lab/itl-tftp",
        offer: File("New_Zealand/g3-tones.xml.sgn", "tool/g3-tones.xml.sgn"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "a configuration of another phone",
        source: "the open tools insist on the name",
        itl: "lab/itl-tftp",
        offer: File(CONFIG, "tool/SEP001122334455.cnf.xml.wrongfilename.sgn"),
        ruling: "refuse",
        reasons: "file-name-mismatch",
        ..EMPTY
    },
    Case {
        name: "the same, and the name is not looked at",
        source: "the other choice of trust.config_file_name",
        itl: "lab/itl-tftp",
        offer: File(CONFIG, "tool/SEP001122334455.cnf.xml.wrongfilename.sgn"),
        settings: &["trust.config_file_name = ignored"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "a configuration without a name is nobody's",
        source: "the open tools insist on the name",
        itl: "lab/itl-tftp",
        offer: File(CONFIG, "lab/config-without-name"),
        ruling: "refuse",
        reasons: "file-name-mismatch",
        ..EMPTY
    },
    Case {
        name: "a configuration signed by a CCM record",
        source: "CUCM 14SU2 Security Guide: TFTP or CCM+TFTP",
        itl: "lab/itl-roles",
        offer: File(CONFIG, "tool/SEP001122334455.cnf.xml.wrongrole-ccm.sgn"),
        ruling: "ask tvs",
        reasons: "role-missing",
        ..EMPTY
    },
    Case {
        name: "a configuration signed by an APP-SERVER record, refused",
        source: "the other choice of trust.wrong_role",
        itl: "lab/itl-roles",
        offer: File(CONFIG, "tool/SEP001122334455.cnf.xml.wrongrole-app.sgn"),
        settings: &["trust.wrong_role = refuse"],
        ruling: "refuse",
        reasons: "role-missing",
        ..EMPTY
    },
    Case {
        name: "a configuration signed by a SAST that is not TFTP",
        source: "CUCM 14SU2 Security Guide: SAST authenticates the ITL",
        itl: "tool/itl-a-v10-sha1.tlv",
        offer: File(CONFIG, "tool/SEP001122334455.cnf.xml.rogue-twin.sgn"),
        ruling: "ask tvs",
        reasons: "role-missing",
        ..EMPTY
    },
    Case {
        name: "a configuration signed by a key that took the signer's name",
        source: "the signature decides",
        itl: "lab/itl-callmanager",
        offer: File(CONFIG, "tool/SEP001122334455.cnf.xml.rogue-twin.sgn"),
        ruling: "refuse",
        reasons: "signer-in-list signature-mismatch",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "a configuration of another cluster",
        source: "PROXY15: rejected unless TVS knows that certificate",
        offer: File(CONFIG, "tool/SEP001122334455.cnf.xml.notinlist-b.sgn"),
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..NON_SECURE
    },
    Case {
        name: "the same, and TVS gives role 3",
        source: "PROXY15; Cisco 213407: an answer with roles 0 and 3",
        offer: File(CONFIG, "tool/SEP001122334455.cnf.xml.notinlist-b.sgn"),
        vouches: &["b-ccmtftp: SAST TFTP"],
        ruling: "accept tvs",
        reasons: "signer-not-in-list signer-vouched-by-tvs signature-holds",
        found: "TVS answer",
        ..NON_SECURE
    },
    Case {
        name: "the same, and TVS gives role 0 alone",
        source: "Cisco 118893: an eToken has role 0 alone, it signs lists",
        offer: File(CONFIG, "tool/SEP001122334455.cnf.xml.notinlist-b.sgn"),
        vouches: &["b-ccmtftp: SAST"],
        ruling: "refuse",
        reasons: "signer-not-in-list tvs-role-missing",
        found: "TVS answer",
        ..NON_SECURE
    },
    Case {
        name: "a configuration changed after it was signed",
        source: "the signature decides",
        itl: "lab/itl-tftp",
        offer: File(CONFIG, "hostile/h166-sgn-payload-flip.cnf.xml.sgn"),
        ruling: "refuse",
        reasons: "signer-in-list signature-mismatch",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "a configuration signed with SHA-256",
        source: "defined in the open tools, which refuse it",
        itl: "lab/itl-tftp",
        offer: File(CONFIG, "hostile/h173-sgn-sha256.cnf.xml.sgn"),
        ruling: "refuse",
        reasons: "signer-in-list digest-unsupported",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "the same, taken",
        source: "the other choice of trust.digest_sha256",
        itl: "lab/itl-tftp",
        offer: File(CONFIG, "hostile/h173-sgn-sha256.cnf.xml.sgn"),
        settings: &["trust.digest_sha256 = accept"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "a configuration whose header runs past the file",
        source: "the format",
        itl: "lab/itl-tftp",
        offer: File(CONFIG, "hostile/h171-sgn-hlen-65535.cnf.xml.sgn"),
        ruling: "refuse",
        reasons: "file-malformed",
        ..EMPTY
    },
    Case {
        name: "an empty configuration file",
        source: "the format",
        itl: "lab/itl-tftp",
        offer: File(CONFIG, "hostile/h038-trunc-empty.tlv"),
        ruling: "refuse",
        reasons: "file-empty",
        ..EMPTY
    },
    Case {
        name: "an encrypted configuration is signed over its cipher text",
        source: "CUCM 12.5 Security Guide, encrypted configuration",
        itl: "lab/itl-tftp",
        offer: File(
            "SEP001122334455.cnf.xml.enc.sgn",
            "tool/SEP001122334455.cnf.xml.d-lsc.sha512.enc.sgn",
        ),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
];
