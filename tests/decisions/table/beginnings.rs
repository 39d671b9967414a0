//! Phones without lists, and phones with the empty list of a rollback.

use super::Offer::{Ctl, Itl};
use super::{Case, EMPTY};

pub(super) const CASES: &[Case] = &[
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
];
