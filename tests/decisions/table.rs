//! Cases, each with who says so. A case whose outcome hangs on a setting stands once for each of
//! its values.

use trustline::wire::ListKind;

use crate::{Phone, codes, lab, ruling_text};

/// What is offered.
#[derive(Clone, Copy)]
enum Offer {
    Ctl(&'static str),
    Itl(&'static str),
    /// The name asked for, and the file.
    File(&'static str, &'static str),
}
use Offer::{Ctl, File, Itl};

struct Case {
    name: &'static str,
    source: &'static str,
    ctl: &'static str,
    itl: &'static str,
    offer: Offer,
    vouches: &'static [&'static str],
    settings: &'static [&'static str],
    ruling: &'static str,
    reasons: &'static str,
    /// Where the signer was found.
    found: &'static str,
}

/// A phone without lists and settings of its own.
const EMPTY: Case = Case {
    name: "",
    source: "",
    ctl: "",
    itl: "",
    offer: Itl(""),
    vouches: &[],
    settings: &[],
    ruling: "",
    reasons: "",
    found: "",
};

/// A phone of cluster A, as Security by Default leaves it.
const NON_SECURE: Case = Case {
    itl: "tool/itl-a-v10-sha1.tlv",
    ..EMPTY
};

/// A phone that holds the CTL of B and the ITL of A, so that it shows which list is searched.
const BOTH: Case = Case {
    ctl: "tool/ctl-b.tlv",
    itl: "tool/itl-a-v10-sha1.tlv",
    ..EMPTY
};

const NOBODY_SAYS: &str = "no source says; a setting";

const CASES: &[Case] = &[
    // Where the signer of a list is looked for.
    Case {
        name: "the signer of a new CTL is in the ITL alone",
        source: "Cisco 213407: not in the phone's existing CTL or ITL",
        offer: Ctl("tool/ctl-a-v10-sha512.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..BOTH
    },
    Case {
        name: "the same, where a CTL is looked for in the CTL alone",
        source: "the other choice of trust.ctl_searched_in",
        offer: Ctl("tool/ctl-a-v10-sha512.tlv"),
        settings: &["trust.ctl_searched_in = ctl-if-installed"],
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..BOTH
    },
    Case {
        name: "a first CTL is checked against the ITL",
        source: "Cisco 118893: phones with an ITL alone take the CTL of mixed mode",
        offer: Ctl("tool/ctl-a-v10-sha512.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "a first CTL of another cluster is asked about",
        source: "Cisco 213407",
        offer: Ctl("tool/ctl-b.tlv"),
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..NON_SECURE
    },
    Case {
        name: "a CTL does not know the signer of a new ITL though the ITL does",
        source: "CUCM 14SU2 Security Guide: uses the CTL file to authenticate the ITL signature",
        offer: Itl("tool/itl-a-next.tlv"),
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..BOTH
    },
    Case {
        name: "the same, where an ITL is looked for in both lists",
        source: "the other choice of trust.itl_searched_in",
        offer: Itl("tool/itl-a-next.tlv"),
        settings: &["trust.itl_searched_in = ctl-and-itl"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..BOTH
    },
    Case {
        name: "the new CTL is in force for the ITL of the same boot",
        source: "Cisco 215539 secure cluster, step 9; 213407, step 9",
        ctl: "new:tool/ctl-b.tlv",
        offer: Itl("tool/itl-b.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "new CTL",
        ..BOTH
    },
    Case {
        name: "a second SAST of the list signs the next one",
        source: "Cisco certificate regeneration guides: the other SAST bridges",
        itl: "tool/itl-a-next.tlv",
        offer: Itl("tool/itl-a-next2.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "more than two SASTs",
        source: "CUCM Security Guide, CTL: four SASTs in token-based CTLs",
        offer: Itl("tool/itl-a-three-sast.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "the signer stands twice with the same certificate",
        source: "CUCM 14SU2 Security Guide: one certificate in two records",
        itl: "lab/itl-twice-the-same",
        offer: Itl("tool/itl-a-next.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "the signer stands twice with different certificates",
        source: "no source says; which of them is meant cannot be told",
        itl: "tool/itl-twin-then-real.tlv",
        offer: Itl("tool/itl-a-v10-sha1.tlv"),
        ruling: "refuse",
        reasons: "signer-ambiguous",
        ..EMPTY
    },
    Case {
        name: "the signer's record has no certificate",
        source: "Cisco 118892: records without certificate",
        itl: "lab/itl-signer-without-certificate",
        offer: Itl("tool/itl-a-next.tlv"),
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..EMPTY
    },
    Case {
        name: "names are compared as bytes",
        source: "Cisco 213407: TVS looks up serial and issuer as the list has them",
        offer: Itl("good/cucm-layout.tlv"),
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..NON_SECURE
    },
    Case {
        name: "the same, where the signer is found by its certificate",
        source: "the other choice of trust.signer_match",
        offer: Itl("good/cucm-layout.tlv"),
        settings: &["trust.signer_match = certificate"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "serial numbers are compared as numbers: 00 before it in the header",
        source: "makers differ: DER has a leading 00, the open tools do not",
        offer: Itl("good/serial-zero-only-in-header.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    // Roles.
    Case {
        name: "a list signed by a TVS record",
        source: NOBODY_SAYS,
        offer: Itl("hostile/h132-signer-is-tvs-only.tlv"),
        settings: &["trust.wrong_role = ask-tvs"],
        ruling: "ask tvs",
        reasons: "role-missing",
        ..NON_SECURE
    },
    Case {
        name: "the same, refused",
        source: "the other choice of trust.wrong_role",
        offer: Itl("hostile/h132-signer-is-tvs-only.tlv"),
        settings: &["trust.wrong_role = refuse"],
        ruling: "refuse",
        reasons: "role-missing",
        ..NON_SECURE
    },
    Case {
        name: "the same, and TVS gives the role",
        source: "Cisco 213407: an answer with roles 0 and 3 is taken",
        offer: Itl("hostile/h132-signer-is-tvs-only.tlv"),
        vouches: &["a-tvs: SAST"],
        ruling: "accept tvs",
        reasons: "role-missing signer-vouched-by-tvs signature-holds",
        found: "TVS answer",
        ..NON_SECURE
    },
    // TVS.
    Case {
        name: "TVS vouches for the signer of another cluster's CTL",
        source: "Cisco 213407: roles 0 and 3, hash matches, list updated",
        offer: Ctl("tool/ctl-b.tlv"),
        vouches: &["b-sast: SAST TFTP"],
        ruling: "accept tvs",
        reasons: "signer-not-in-list signer-vouched-by-tvs signature-holds",
        found: "TVS answer",
        ..BOTH_OF_A
    },
    Case {
        name: "TVS vouches without role 0",
        source: "all answers shown for list signers contain role 0 (Cisco 213407, 118893)",
        offer: Itl("tool/itl-b.tlv"),
        vouches: &["b-sast: TFTP CCM+TFTP"],
        ruling: "refuse",
        reasons: "signer-not-in-list tvs-role-missing",
        found: "TVS answer",
        ..NON_SECURE
    },
    Case {
        name: "the same, where roles of answers do not matter",
        source: "the other choice of tvs.role_required",
        offer: Itl("tool/itl-b.tlv"),
        vouches: &["b-sast: TFTP CCM+TFTP"],
        settings: &["tvs.role_required = no"],
        ruling: "accept tvs",
        reasons: "signer-not-in-list signer-vouched-by-tvs signature-holds",
        found: "TVS answer",
        ..NON_SECURE
    },
    Case {
        name: "TVS vouches for another signer",
        source: "Cisco 213407: an answer is kept for the certificate that was asked for",
        offer: Itl("tool/itl-b.tlv"),
        vouches: &["a-sast2: SAST", "b-ccmtftp: SAST"],
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..NON_SECURE
    },
    Case {
        name: "TVS vouches for the signer's name, and another key signed",
        source: "the signature decides",
        itl: "tool/itl-b.tlv",
        offer: Itl("tool/itl-rogue-twin.tlv"),
        vouches: &["a-sast: SAST"],
        ruling: "refuse",
        reasons: "signer-not-in-list signer-vouched-by-tvs signature-mismatch",
        found: "TVS answer",
        ..EMPTY
    },
    // What is not looked up at all.
    Case {
        name: "a list over 64 KB",
        source: "CUCM 14SU2 and 15 Security Guides: over 64 KB does not load",
        offer: Itl("good/many-records-200.tlv"),
        ruling: "refuse",
        reasons: "file-too-large",
        ..NON_SECURE
    },
    Case {
        name: "the same, where 2 MB load",
        source: "EMCC technote: download will be limited to 2048 KB",
        offer: Itl("good/many-records-200.tlv"),
        settings: &["list.max_bytes = 2097152"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "an empty file",
        source: "a 79xx setup leaves empty files on its server: nothing changes",
        offer: Itl("hostile/h038-trunc-empty.tlv"),
        ruling: "refuse",
        reasons: "file-empty",
        ..NON_SECURE
    },
    Case {
        name: "an empty file for a phone without lists",
        source: "leap of faith is no reason to install nothing",
        offer: Itl("hostile/h038-trunc-empty.tlv"),
        ruling: "refuse",
        reasons: "file-empty",
        ..EMPTY
    },
    Case {
        name: "a web page in place of a list",
        source: "the format",
        offer: Itl("hostile/h160-html-404.tlv"),
        ruling: "refuse",
        reasons: "file-malformed",
        ..NON_SECURE
    },
    Case {
        name: "a header damaged before its signature",
        source: "the format",
        offer: Itl("hostile/h072-name-len-crosses-hlen.tlv"),
        ruling: "refuse",
        reasons: "file-malformed",
        ..NON_SECURE
    },
    Case {
        name: "a header damaged after its signature, signer known",
        source: "the format",
        offer: Itl("hostile/h108-dup-filename.tlv"),
        ruling: "refuse",
        reasons: "file-malformed",
        ..NON_SECURE
    },
    Case {
        name: "a header damaged after its signature: TVS is not asked about it",
        source: "the format",
        itl: "tool/itl-b.tlv",
        offer: Itl("hostile/h108-dup-filename.tlv"),
        ruling: "refuse",
        reasons: "file-malformed",
        ..EMPTY
    },
    Case {
        name: "a timestamp cut to two bytes",
        source: "the format",
        itl: "tool/itl-b.tlv",
        offer: Itl("hostile/h074-timestamp-len-2.tlv"),
        ruling: "refuse",
        reasons: "file-malformed",
        ..EMPTY
    },
    Case {
        name: "no element for the signature",
        source: "the format",
        offer: Itl("hostile/h120-no-signature.tlv"),
        ruling: "refuse",
        reasons: "file-malformed",
        ..NON_SECURE
    },
    // The signature comes before the content (Cisco 213407, EMCC technote).
    Case {
        name: "damaged records behind a good signature",
        source: "Cisco 213407: hashes match, then the list is parsed",
        offer: Itl("lab/itl-damaged-record"),
        ruling: "refuse",
        reasons: "signer-in-list signature-holds file-malformed",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "damaged records behind a signature that does not hold",
        source: "Cisco 213407: hashes match, then the list is parsed",
        offer: Itl("hostile/h050-trunc-in-sast-cert.tlv"),
        ruling: "refuse",
        reasons: "signer-in-list signature-mismatch",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "a record length past the file's end, and signed so",
        source: "Cisco 213407: hashes match, then the list is parsed",
        offer: Itl("hostile/h080-reclen-65535.tlv"),
        ruling: "refuse",
        reasons: "signer-in-list signature-holds file-malformed",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "a record that claims another's serial number",
        source: "else a record could carry one signer's name and another's key",
        offer: Itl("lab/itl-serial-lies"),
        ruling: "refuse",
        reasons: "signer-in-list signature-holds record-mismatch",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "bytes after the last record",
        source: NOBODY_SAYS,
        offer: Itl("hostile/h090-trailing-1.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "the same, refused",
        source: "the other choice of list.trailing_bytes",
        offer: Itl("hostile/h090-trailing-1.tlv"),
        settings: &["list.trailing_bytes = refuse"],
        ruling: "refuse",
        reasons: "signer-in-list signature-holds file-malformed",
        found: "installed ITL",
        ..NON_SECURE
    },
    // Digests and keys.
    Case {
        name: "SHA-256",
        source: "defined in the open tools, which refuse it",
        offer: Itl("hostile/h033-digest-sha256.tlv"),
        ruling: "refuse",
        reasons: "signer-in-list digest-unsupported",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "the same, taken",
        source: "the other choice of trust.digest_sha256",
        offer: Itl("hostile/h033-digest-sha256.tlv"),
        settings: &["trust.digest_sha256 = accept"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "a digest that nobody defined",
        source: "the format",
        offer: Itl("hostile/h035-digest-id-4.tlv"),
        ruling: "refuse",
        reasons: "signer-in-list digest-unsupported",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "a digest that says SHA-512 over a SHA-1 signature",
        source: "the format",
        offer: Itl("hostile/h016-digest-id-lies-512.tlv"),
        ruling: "refuse",
        reasons: "signer-in-list signature-mismatch",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "a signer of 1024 bits",
        source: "Cisco 118893: 1024 bits in 10.5.1",
        itl: "tool/itl-sast1024-sha1.tlv",
        offer: Itl("tool/itl-sast1024-sha1.tlv"),
        settings: &["list.equal = reinstall"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "the same, where 2048 are the least",
        source: "the other choice of trust.min_rsa_bits",
        itl: "tool/itl-sast1024-sha1.tlv",
        offer: Itl("tool/itl-sast1024-sha1.tlv"),
        settings: &["list.equal = reinstall", "trust.min_rsa_bits = 2048"],
        ruling: "refuse",
        reasons: "signer-in-list key-too-small",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "a signer of 512 bits",
        source: NOBODY_SAYS,
        itl: "tool/itl-sast512-sha1.tlv",
        offer: Itl("tool/itl-sast512-sha1.tlv"),
        settings: &["list.equal = reinstall"],
        ruling: "refuse",
        reasons: "signer-in-list key-too-small",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "the same, where 512 will do",
        source: "the other choice of trust.min_rsa_bits",
        itl: "tool/itl-sast512-sha1.tlv",
        offer: Itl("tool/itl-sast512-sha1.tlv"),
        settings: &["list.equal = reinstall", "trust.min_rsa_bits = 512"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "a signer of 4096 bits",
        source: "the header's modulus code ends there",
        itl: "tool/itl-sast4096-sha1.tlv",
        offer: Itl("tool/itl-sast4096-sha512.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "a signer with an elliptic key",
        source: "the open tools' documentation: RSA keys sign, EC keys serve HTTPS",
        itl: "hostile/h037-ecdsa-signer.tlv",
        offer: Itl("hostile/h037-ecdsa-signer.tlv"),
        settings: &["list.equal = reinstall"],
        ruling: "refuse",
        reasons: "signer-in-list key-unsupported",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "an expired signer",
        source: NOBODY_SAYS,
        itl: "tool/itl-sast-expired.tlv",
        offer: Itl("tool/itl-sast-expired.tlv"),
        settings: &["list.equal = reinstall"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "the same, where dates are looked at",
        source: "the other choice of phone.ignores_expiry",
        itl: "tool/itl-sast-expired.tlv",
        offer: Itl("tool/itl-sast-expired.tlv"),
        settings: &["list.equal = reinstall", "phone.ignores_expiry = no"],
        ruling: "refuse",
        reasons: "signer-in-list signer-expired",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "a signer of the future, where dates are looked at",
        source: "the other choice of phone.ignores_expiry",
        itl: "tool/itl-sast-future.tlv",
        offer: Itl("tool/itl-sast-future.tlv"),
        settings: &["list.equal = reinstall", "phone.ignores_expiry = no"],
        ruling: "refuse",
        reasons: "signer-in-list signer-expired",
        found: "installed ITL",
        ..EMPTY
    },
    Case {
        name: "a signer within its dates, where dates are looked at",
        source: "the other choice of phone.ignores_expiry",
        offer: Itl("tool/itl-a-next.tlv"),
        settings: &["phone.ignores_expiry = no"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    // What a trusted list may say.
    Case {
        name: "a list without SAST",
        source: NOBODY_SAYS,
        offer: Itl("lab/itl-without-sast"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "the same, refused",
        source: "the other choice of list.without_sast",
        offer: Itl("lab/itl-without-sast"),
        settings: &["list.without_sast = refuse"],
        ruling: "refuse",
        reasons: "signer-in-list signature-holds no-sast-record",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "a list without any record is none",
        source: "CUCM 15 Security Guide: the list of a rollback is a signed list with records too",
        offer: Itl("lab/itl-without-records"),
        ruling: "refuse",
        reasons: "signer-in-list signature-holds file-malformed",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "a signed configuration under a list's name is none",
        source: "the format: no record follows the header",
        itl: "lab/itl-tftp",
        offer: Itl("hostile/h165-sgn-named-tlv.tlv"),
        vouches: &["a-tftp: SAST TFTP"],
        ruling: "refuse",
        reasons: "role-missing signer-vouched-by-tvs signature-holds file-malformed",
        found: "TVS answer",
        ..EMPTY
    },
    Case {
        name: "a list older than the installed one",
        source: "a downgrade of a cluster is a normal rollback",
        offer: Itl("tool/itl-a-older.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "the same, refused",
        source: "the other choice of list.older_timestamp",
        offer: Itl("tool/itl-a-older.tlv"),
        settings: &["list.older_timestamp = refuse"],
        ruling: "refuse",
        reasons: "signer-in-list signature-holds timestamp-older",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "a list of the same second is not older",
        source: "the other choice of list.older_timestamp",
        offer: Itl("tool/itl-a-v11-sha512.tlv"),
        settings: &["list.older_timestamp = refuse"],
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "header version 1.0",
        source: NOBODY_SAYS,
        offer: Itl("hostile/h156-version-1.0.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "the same, where only 1.1 and 1.2 are read",
        source: "the other choice of list.version",
        offer: Itl("hostile/h156-version-1.0.tlv"),
        settings: &["list.version = known"],
        ruling: "refuse",
        reasons: "version-unknown",
        ..NON_SECURE
    },
    Case {
        name: "a CTL that calls itself ITLFile.tlv",
        source: NOBODY_SAYS,
        offer: Ctl("tool/ctl-fn-is-itl.tlv"),
        ruling: "accept signer",
        reasons: "signer-in-list signature-holds",
        found: "installed ITL",
        ..NON_SECURE
    },
    Case {
        name: "the same, where the name must match",
        source: "the other choice of trust.list_file_name",
        offer: Ctl("tool/ctl-fn-is-itl.tlv"),
        settings: &["trust.list_file_name = must-match"],
        ruling: "refuse",
        reasons: "file-name-mismatch",
        ..NON_SECURE
    },
    // The list of a rollback.
    Case {
        name: "after a rollback's ITL any ITL is taken",
        source: "CUCM 15 Security Guide, rollback",
        itl: "lab/itl-blank",
        offer: Itl("tool/itl-b.tlv"),
        ruling: "accept rollback",
        reasons: "rollback-itl",
        ..EMPTY
    },
    Case {
        name: "the same, blank by empty records",
        source: "the other choice of cluster.blank_itl",
        itl: "lab/itl-blank-empty-records",
        offer: Itl("tool/itl-b.tlv"),
        ruling: "accept rollback",
        reasons: "rollback-itl",
        ..EMPTY
    },
    Case {
        name: "the same, checked as always",
        source: "the other choice of trust.empty_itl",
        itl: "lab/itl-blank",
        offer: Itl("tool/itl-b.tlv"),
        settings: &["trust.empty_itl = check"],
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..EMPTY
    },
    Case {
        name: "a damaged ITL is not taken even then",
        source: "CUCM 15 Security Guide, rollback",
        itl: "lab/itl-blank",
        offer: Itl("lab/itl-damaged-record"),
        ruling: "refuse",
        reasons: "rollback-itl file-malformed",
        ..EMPTY
    },
    Case {
        name: "a rollback's ITL says nothing about a CTL",
        source: "Cisco 213407: in a secure cluster the new CTL is still verified",
        itl: "lab/itl-blank",
        offer: Ctl("tool/ctl-b.tlv"),
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..EMPTY
    },
    Case {
        name: "a rollback's ITL beside a CTL in use",
        source: "Cisco 213407: rollback on a secure source leaves phones stuck",
        ctl: "tool/ctl-a-v10-sha1.tlv",
        itl: "lab/itl-blank",
        offer: Itl("tool/itl-b.tlv"),
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..EMPTY
    },
    Case {
        name: "a rollback's ITL beside a CTL left over from mixed mode",
        source: "Cisco 221657: both lists show CAPF entries alone, the phone follows",
        ctl: "lab/ctl-non-secure",
        itl: "lab/itl-blank",
        offer: Itl("tool/itl-b.tlv"),
        ruling: "accept rollback",
        reasons: "rollback-itl",
        ..EMPTY
    },
    // A phone without lists.
    Case {
        name: "leap of faith for a CTL",
        source: "CUCM 14SU2 Security Guide, Default Security; 8941 firmware string",
        offer: Ctl("tool/ctl-a-v10-sha1.tlv"),
        ruling: "accept leap-of-faith",
        reasons: "leap-of-faith",
        ..EMPTY
    },
    Case {
        name: "no leap of faith",
        source: "the other choice of trust.leap_of_faith",
        offer: Ctl("tool/ctl-a-v10-sha1.tlv"),
        settings: &["trust.leap_of_faith = refuse"],
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..EMPTY
    },
    Case {
        name: "leap of faith, and the list's own signature does not hold",
        source: "no source says; a real server always satisfies it",
        offer: Itl("hostile/h002-sig-flip-last.tlv"),
        ruling: "refuse",
        reasons: "leap-of-faith own-signature-fails",
        ..EMPTY
    },
    Case {
        name: "the same, and nothing is checked",
        source: "the other choice of trust.first_contact_self_signature",
        offer: Itl("hostile/h002-sig-flip-last.tlv"),
        settings: &["trust.first_contact_self_signature = ignored"],
        ruling: "accept leap-of-faith",
        reasons: "leap-of-faith",
        ..EMPTY
    },
    Case {
        name: "leap of faith, and a record contradicts its certificate",
        source: "a table that contradicts itself cannot be searched",
        offer: Itl("hostile/h142-cert-garbage.tlv"),
        settings: &["trust.first_contact_self_signature = ignored"],
        ruling: "refuse",
        reasons: "leap-of-faith record-mismatch",
        ..EMPTY
    },
    Case {
        name: "leap of faith, and the file is cut off",
        source: "the format",
        offer: Itl("hostile/h050-trunc-in-sast-cert.tlv"),
        settings: &["trust.first_contact_self_signature = ignored"],
        ruling: "refuse",
        reasons: "leap-of-faith file-malformed",
        ..EMPTY
    },
    Case {
        name: "leap of faith is over with the CTL of the same boot",
        source: "Cisco 215539, step 9, and CUCM 14SU2 Security Guide",
        ctl: "new:tool/ctl-a-v10-sha1.tlv",
        offer: Itl("tool/itl-b.tlv"),
        ruling: "ask tvs",
        reasons: "signer-not-in-list",
        ..EMPTY
    },
    // Signed files.
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

const CONFIG: &str = "SEP001122334455.cnf.xml.sgn";

/// A phone of cluster A in mixed mode.
const BOTH_OF_A: Case = Case {
    ctl: "tool/ctl-a-v10-sha1.tlv",
    itl: "tool/itl-a-v10-sha1.tlv",
    ..EMPTY
};

#[test]
fn every_case_is_decided_so() {
    let mut wrong = Vec::new();
    for case in CASES {
        let phone = Phone::new(case.ctl, case.itl, case.vouches, case.settings);
        let d = match case.offer {
            Ctl(name) => phone.list(ListKind::Ctl, &lab::file(name)),
            Itl(name) => phone.list(ListKind::Itl, &lab::file(name)),
            File(asked, name) => phone.file(asked, &lab::file(name)),
        };
        let found = d.found_in.as_deref().unwrap_or_default();
        let is = (&ruling_text(d.ruling)[..], &codes(&d)[..], found);
        let expected = (case.ruling, case.reasons, case.found);
        if is != expected {
            wrong.push(format!(
                "{} ({}):\n  is       {is:?}\n  expected {expected:?}\n  {:?}",
                case.name,
                case.source,
                d.decisive()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_says_who_says_so() {
    for case in CASES {
        assert!(
            !case.name.is_empty() && !case.source.is_empty(),
            "{}",
            case.name
        );
    }
}

/// A phone that sets a value as its default is decides the same: a row with a setting would test
/// nothing if the default already had its outcome.
#[test]
fn every_other_choice_changes_the_outcome() {
    for pair in CASES.windows(2) {
        let [first, second] = pair else { continue };
        if !second.name.starts_with("the same,") || second.settings == first.settings {
            continue;
        }
        let outcomes = [first, second].map(|c| (c.ruling, c.reasons));
        assert_ne!(outcomes[0], outcomes[1], "{}: {}", first.name, second.name);
    }
}
