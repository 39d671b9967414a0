//! Every row of `trust_matrix.json`: the independent writer's outcome for an installed list and a
//! new one.

use serde_json::Value;
use trustline::trust::decide::{Decision, How, Ruling};
use trustline::wire::ListKind;

use crate::{Phone, codes, lab};

struct Row {
    installed: String,
    candidate: String,
    outcome: String,
}

fn rows() -> Vec<Row> {
    let json: Value = serde_json::from_slice(&lab::vector("trust_matrix.json")).unwrap();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let rows = json.as_array().unwrap().iter().map(|row| Row {
        installed: text(&row["installed"]),
        candidate: text(&row["candidate"]),
        outcome: text(&row["outcome"]),
    });
    rows.collect()
}

impl Row {
    fn decide(&self, settings: &[&str]) -> Decision {
        // The kind of the installed list is in its name; every candidate is an ITL.
        let (ctl, itl) = if self.installed.contains("/ctl-") {
            (&self.installed[..], "")
        } else {
            ("", &self.installed[..])
        };
        let phone = Phone::new(ctl, itl, &[], settings);
        phone.list(ListKind::Itl, &lab::vector(&self.candidate))
    }

    fn name(&self) -> String {
        format!(
            "{} over {:?}: {}",
            self.candidate, self.installed, self.outcome
        )
    }
}

#[test]
fn every_row_holds() {
    let mut seen = [0; 6];
    for row in rows() {
        let name = row.name();
        let equal = row.installed == row.candidate;
        let d = row.decide(&["list.equal = reinstall"]);
        let kind = if let Some(rest) = row.outcome.strip_prefix("ask TVS about ") {
            assert_eq!(d.ruling, Ruling::AskTvs, "{name}");
            assert_eq!(codes(&d), "signer-not-in-list", "{name}");
            // The header names the very certificate that the writer would ask about.
            let der = lab::certificate(rest.split(' ').next().unwrap());
            let asked = d.signer.clone().unwrap();
            trustline::trust::vouch::check_answer(&asked, &der, "tvs").unwrap();
            0
        } else if row.outcome == "install (signer in installed list)" {
            assert_eq!(d.ruling, Ruling::Accept(How::Signer), "{name}");
            assert_eq!(codes(&d), "signer-in-list signature-holds", "{name}");
            1
        } else if row.outcome.starts_with("install (first contact") {
            assert_eq!(d.ruling, Ruling::Accept(How::LeapOfFaith), "{name}");
            assert_eq!(codes(&d), "leap-of-faith", "{name}");
            2
        } else if row.outcome == "reject: signer in installed list, signature invalid" {
            assert_eq!(d.ruling, Ruling::Refuse, "{name}");
            assert_eq!(codes(&d), "signer-in-list signature-mismatch", "{name}");
            3
        } else if row
            .outcome
            .starts_with("reject: malformed (record 0: serial")
        {
            assert_eq!(d.ruling, Ruling::Refuse, "{name}");
            // The hash is compared before the records are looked at, and another key signed it.
            assert_eq!(codes(&d), "signer-in-list signature-mismatch", "{name}");
            let bytes = lab::vector(&row.candidate);
            let d = Phone::new("", "", &[], &[]).list(ListKind::Itl, &bytes);
            assert_eq!(codes(&d), "leap-of-faith own-signature-fails", "{name}");
            assert!(
                d.decisive()
                    .unwrap()
                    .text()
                    .contains("record 1: SERIALNUMBER"),
                "{name}"
            );
            4
        } else {
            assert!(row.outcome.starts_with("policy"), "{name}");
            policy(&row);
            5
        };
        seen[kind] += 1;
        // By default the list that is installed already is left alone.
        let d = row.decide(&[]);
        assert_eq!(d.ruling == Ruling::Unchanged, equal, "{name}");
        if equal {
            assert_eq!(codes(&d), "file-equal", "{name}");
        }
    }
    assert_eq!(seen, [23, 15, 10, 6, 1, 2], "rows of each outcome");
}

/// A row whose outcome hangs on a setting, with both values of it.
fn policy(row: &Row) {
    let outcomes = if row.outcome.contains("trust.first_contact_self_signature") {
        [
            (
                "required",
                Ruling::Refuse,
                "leap-of-faith own-signature-fails",
            ),
            ("ignored", Ruling::Accept(How::LeapOfFaith), "leap-of-faith"),
        ]
        .map(|(v, r, c)| (format!("trust.first_contact_self_signature = {v}"), r, c))
    } else {
        [
            ("ask-tvs", Ruling::AskTvs, "role-missing"),
            ("refuse", Ruling::Refuse, "role-missing"),
        ]
        .map(|(v, r, c)| (format!("trust.wrong_role = {v}"), r, c))
    };
    for (setting, ruling, reasons) in outcomes {
        let d = row.decide(&[&setting]);
        assert_eq!(d.ruling, ruling, "{setting}: {}", row.name());
        assert_eq!(codes(&d), reasons, "{setting}: {}", row.name());
    }
}
