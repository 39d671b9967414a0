//! Every entry gets the outcome that the index expects, for a reason of its class.

use std::collections::BTreeMap;

use trustline::trust::decrypt::DecryptFault;
use trustline::trust::own_signature::{OwnSignatureFault, RecordField};
use trustline::trust::signature::SignatureFault;
use trustline::wire::{Digest, WireError, WireErrorKind};

use crate::policies::{POLICIES, policy_row};
use crate::signature_fault;
use crate::support::{Choices, Entry, Fault, entries, judge};

#[test]
fn every_entry_gets_its_outcome() {
    let mut outcomes = BTreeMap::new();
    for entry in entries() {
        let verdict = judge(&entry, &Choices::default());
        let name = entry.file();
        match entry.text("expect") {
            "accept" => assert_eq!(verdict, Ok(()), "{name}"),
            "reject" => {
                let fault = verdict.expect_err(name);
                let fits = reason_fits(&entry, &fault);
                assert!(fits, "{name} ({}): {fault}", entry.text("class"));
            }
            "reject-at-decrypt" => {
                let fault = verdict.expect_err(name);
                let Fault::Decrypt(fault) = fault else {
                    panic!("{name}: {fault}, expected a signature that holds");
                };
                let fits = match entry.text("class") {
                    "enc-padding" => matches!(fault, DecryptFault::PaddingCount { actual: 0 }),
                    "enc-digest" => fault == DecryptFault::DigestMismatch,
                    "enc-body" => matches!(fault, DecryptFault::BodyLength { .. }),
                    _ => false,
                };
                assert!(fits, "{name} ({}): {fault}", entry.text("class"));
            }
            // The table of policies, below, has these.
            "policy" => assert!(policy_row(name).is_some(), "{name} belongs to no setting"),
            other => panic!("{name}: unknown outcome {other}"),
        }
        *outcomes.entry(entry.text("expect").to_owned()).or_insert(0) += 1;
    }
    let expected = [
        ("accept", 69),
        ("policy", 17),
        ("reject", 78),
        ("reject-at-decrypt", 4),
    ];
    assert!(outcomes.iter().map(|(k, n)| (k.as_str(), *n)).eq(expected));
    // Two have tests of their own.
    assert_eq!(POLICIES.len() + 2, 17);
}

/// Whether a rejection gives a reason of the entry's class of defect.
fn reason_fits(entry: &Entry, fault: &Fault) -> bool {
    use OwnSignatureFault as Own;
    use WireErrorKind as Kind;

    // The index has these under the class of what was done, and they show as something else.
    match (entry.file(), fault) {
        // The flip hits the algorithm of a certificate's key, which is looked at first.
        ("hostile/h006-content-flip-cert.tlv", Fault::Own(fault)) => {
            let field = RecordField::PublicKey;
            return *fault == Own::RecordMismatch { record: 3, field };
        }
        // Cut between header and records.
        ("hostile/h047-trunc-header-only.tlv", Fault::Own(fault)) => return *fault == Own::NoSast,
        // Another format with the same header: its body is no record.
        ("hostile/h165-sgn-named-tlv.tlv", Fault::Own(fault)) => return *fault == Own::NoSast,
        // The header length is right, so it is the copy that gets cut.
        ("hostile/h105-dup-signature-good-last.tlv", Fault::Wire(error)) => {
            return matches!(error.kind, Kind::Overrun { .. });
        }
        ("hostile/h092-trailing-unsigned.tlv", Fault::Own(fault)) => {
            let fault = signature_fault(fault);
            return fault == Some(SignatureFault::Mismatch);
        }
        _ => {}
    }
    let wire_kind = match fault {
        Fault::Wire(WireError { kind, .. }) => Some(*kind),
        _ => None,
    };
    let signature = match fault {
        Fault::Own(fault) => signature_fault(fault),
        Fault::Signature(fault) => Some(*fault),
        _ => None,
    };
    match entry.text("class") {
        "ambiguous-signer" => {
            matches!(
                fault,
                Fault::Own(Own::Ambiguous {
                    first: 0,
                    second: 1
                })
            )
        }
        "signature-broken" if entry.file().contains("257") || entry.file().contains("64k") => {
            matches!(
                signature,
                Some(SignatureFault::WrongLength { key: 256, .. })
            )
        }
        "signature-broken" => signature == Some(SignatureFault::Mismatch),
        "unsupported-digest" => {
            matches!(
                signature,
                Some(SignatureFault::DigestUnsupported(Digest::Other(_)))
            )
        }
        "unsupported-signer-key" => signature == Some(SignatureFault::KeyNotRsa),
        "truncated" => {
            matches!(
                wire_kind,
                Some(Kind::Truncated { .. } | Kind::Overrun { .. })
            )
        }
        "header-length-lies" | "tlv-length-lies" | "record-length-lies" => wire_kind.is_some(),
        "duplicate-tag" => matches!(wire_kind, Some(Kind::Duplicate { .. })),
        "missing-tag" => wire_kind == Some(Kind::Missing),
        "order" => matches!(wire_kind, Some(Kind::Tag { expected: 1, .. })),
        "not-tlv" => matches!(wire_kind, Some(Kind::Tag { .. } | Kind::Missing)),
        "certificate-mismatch" => matches!(
            fault,
            Fault::Own(Own::RecordMismatch {
                field: RecordField::SerialNumber | RecordField::PublicKey,
                ..
            })
        ),
        "bad-certificate" => matches!(
            fault,
            Fault::Own(Own::RecordMismatch {
                field: RecordField::Certificate(_),
                ..
            })
        ),
        "random-damage" => true,
        _ => false,
    }
}
