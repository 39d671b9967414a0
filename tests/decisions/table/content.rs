//! What a list is: its bytes, its signature, what it says.

use super::Offer::{Ctl, Itl};
use super::{Case, EMPTY, NOBODY_SAYS, NON_SECURE};

pub(super) const CASES: &[Case] = &[
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
];
