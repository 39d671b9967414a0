//! What a CallManager will say to a phone that registers, from what was read.

use super::evidence::{At, Door, Known, Node, Side, Sides};
use super::rehearsal::Gap;
use crate::cluster::{PublicCertificate, Registration, TrustStore};
use crate::trust::reason::{Code, Reason};
use crate::trust::rules::{LscTrustedBy, Settings};

/// The answer, or what it hangs on that nobody read: an empty LSC is one of which no more is known
/// than that there is one. `port` is the one that the phone's configuration says.
pub(super) fn answer(
    sides: &Sides,
    (at, port): (At, Option<u16>),
    device: &str,
    lsc: Option<&[u8]>,
    rules: &Settings,
) -> Result<Registration, Gap> {
    let (Some(side), Some(node)) = (sides.sides.get(at.0), sides.node(at)) else {
        return Ok(Registration::NoAnswer);
    };
    match node.callmanager_at(port) {
        Known::Yes(Door::Open) => {}
        Known::Yes(Door::Refused | Door::Silent) => return Ok(Registration::NoAnswer),
        Known::No(why) => {
            return Err(Gap {
                what: format!("whether CallManager of {} runs", node.name),
                why,
            });
        }
    }
    if !is_taken(side, device)? {
        let text = format!(
            "{device} is not in the database of {}, and auto-registration is disabled",
            side.name
        );
        let reason = Reason::new(Code::PhoneNotInDatabase, text).at(&node.name);
        return Ok(Registration::Refused(reason));
    }
    let Some(lsc) = lsc else {
        return Ok(Registration::Accepted);
    };
    if lsc.is_empty() {
        return Err(Gap {
            what: format!("the LSC of {device}"),
            why: format!(
                "no input has a phone's certificate: see whether the CAPF that issued it is in \
                 CAPF-trust of {}",
                node.name
            ),
        });
    }
    let issuer = match PublicCertificate::from_der(lsc) {
        Ok(lsc) if trusts_issuer(side, node, &lsc.issuer_text, rules)? => {
            return Ok(Registration::Accepted);
        }
        Ok(lsc) => lsc.issuer_text,
        Err(error) => error.to_string(),
    };
    let text = format!(
        "CallManager of {} does not trust {issuer}, which issued the LSC",
        node.name
    );
    let reason = Reason::new(Code::LscNotTrusted, text).at(&node.name);
    Ok(Registration::Refused(reason))
}

/// Whether the cluster has the phone in its database: it serves its configuration, or has it in the
/// list of its cached files. Unknown where nothing that was read tells.
pub fn has_phone(side: &Side, device: &str) -> Known<bool> {
    let names = [
        format!("{device}.cnf.xml.sgn"),
        format!("{device}.cnf.xml"),
        format!("{device}.cnf.xml.enc.sgn"),
    ];
    if let Some(cached) = side.parameters.cached_files.get()
        && cached.iter().any(|c| names.contains(c))
    {
        return Known::Yes(true);
    }
    let mut is_missing = false;
    let mut unread: Option<String> = None;
    for node in &side.nodes {
        for name in &names {
            match node.file(name) {
                Known::Yes(Some(_)) => return Known::Yes(true),
                Known::Yes(None) => is_missing = true,
                unlooked if unlooked == Known::not_looked_at() => {}
                Known::No(why) => {
                    unread.get_or_insert_with(|| format!("{name} of {}: {why}", node.name));
                }
            }
        }
    }
    match (is_missing, unread) {
        (true, _) => Known::Yes(false),
        (false, Some(why)) => Known::No(why),
        (false, None) => Known::No("no configuration of it was looked for".into()),
    }
}

fn is_taken(side: &Side, device: &str) -> Result<bool, Gap> {
    match has_phone(side, device) {
        Known::Yes(true) => Ok(true),
        Known::Yes(false) => match &side.parameters.auto_registration {
            Known::Yes(on) => Ok(*on),
            Known::No(why) => Err(Gap {
                what: format!("whether {} registers phones by itself", side.name),
                why: why.clone(),
            }),
        },
        Known::No(why) => Err(Gap {
            what: format!("whether {device} is in the database of {}", side.name),
            why,
        }),
    }
}

/// The stores that count by the rule `cluster.lsc_trusted_by`; of several one is enough.
pub(super) fn stores_of_issuers(rules: &Settings) -> &'static [TrustStore] {
    match rules.word::<LscTrustedBy>() {
        LscTrustedBy::EitherStore => &[TrustStore::Capf, TrustStore::CallManager],
        LscTrustedBy::CallManagerTrust => &[TrustStore::CallManager],
        LscTrustedBy::CapfTrust => &[TrustStore::Capf],
    }
}

/// True if CallManager of the node trusts this issuer of an LSC: a CAPF of its own cluster, or a
/// certificate in a store that counts by the rule `cluster.lsc_trusted_by`.
pub(super) fn trusts_issuer(
    side: &Side,
    node: &Node,
    issuer: &str,
    rules: &Settings,
) -> Result<bool, Gap> {
    let own = side.nodes.iter().flat_map(|n| &n.certificates);
    if own
        .filter(|(kind, _)| kind == "CAPF")
        .any(|(_, c)| c.subject_text == issuer)
    {
        return Ok(true);
    }
    let mut unread = None;
    for &store in stores_of_issuers(rules) {
        match node.stores.get(&store) {
            Some(Known::Yes(held)) if held.iter().any(|c| c.subject_text == issuer) => {
                return Ok(true);
            }
            Some(Known::Yes(_)) => {}
            Some(Known::No(why)) => unread = Some((store, why.as_str())),
            None => unread = Some((store, "nobody looked")),
        }
    }
    let knows_own = side.nodes.iter().flat_map(|n| &n.certificates);
    let knows_own = knows_own.into_iter().any(|(kind, _)| kind == "CAPF");
    match unread {
        // Every cluster has a CAPF.
        None if !knows_own => Err(Gap {
            what: format!("the CAPF certificate of {}", side.name),
            why: "no input has it".into(),
        }),
        None => Ok(false),
        Some((store, why)) => Err(Gap {
            what: format!("{} of {}", store.name(), node.name),
            why: why.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::evidence::FileReply;

    #[test]
    fn a_phone_is_answered_at_its_own_port_alone() {
        let mut node = Node {
            name: "pub".into(),
            callmanager: Known::Yes(Door::Open),
            ..Node::default()
        };
        node.tftp.others = Known::Yes(FileReply::NotFound);
        let mut side = Side::default();
        side.parameters.auto_registration = Known::Yes(true);
        let answered = |node: &Node, port| {
            let sides = Sides::of(vec![Side {
                nodes: vec![node.clone()],
                ..side.clone()
            }]);
            let rules = Settings::default();
            answer(&sides, (At(0, 0), port), "SEP001122334401", None, &rules)
        };
        // Whoever says that CallManager runs says it of all ports.
        assert_eq!(answered(&node, None), Ok(Registration::Accepted));
        node.callmanager_ports = [
            (5_060, Known::Yes(Door::Open)),
            (5_061, Known::Yes(Door::Refused)),
        ]
        .into();
        assert_eq!(answered(&node, Some(5_060)), Ok(Registration::Accepted));
        assert_eq!(answered(&node, Some(5_061)), Ok(Registration::NoAnswer));
        for port in [Some(2_000), None] {
            assert!(answered(&node, port).is_err(), "{port:?}");
        }
    }

    #[test]
    fn a_server_that_is_overloaded_says_nothing_of_a_phone() {
        let mut node = Node {
            name: "pub".into(),
            ..Node::default()
        };
        let device = "SEP001122334401";
        let found = |node: &Node| {
            let side = Side {
                nodes: vec![node.clone()],
                ..Side::default()
            };
            (has_phone(&side, device), is_taken(&side, device))
        };
        node.http.others = Known::Yes(FileReply::Status(503));
        node.tftp.others = Known::No("timed out".into());
        let (has, taken) = found(&node);
        assert!(has.get().is_none(), "{has:?}");
        let why = taken.unwrap_err().why;
        assert!(why.contains("HTTP said 503"), "{why}");
        // Beside it TFTP's word counts, and so does a 404.
        node.tftp.others = Known::Yes(FileReply::NotFound);
        assert_eq!(found(&node).0, Known::Yes(false));
        node.tftp.others = Known::No("timed out".into());
        node.http.others = Known::Yes(FileReply::Status(404));
        assert_eq!(found(&node).0, Known::Yes(false));
    }
}
