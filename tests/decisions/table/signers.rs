//! Who signed a list: where the signer is looked for, roles, TVS.

use super::Offer::{Ctl, Itl};
use super::{BOTH, BOTH_OF_A, Case, EMPTY, NOBODY_SAYS, NON_SECURE};

pub(super) const CASES: &[Case] = &[
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
];
