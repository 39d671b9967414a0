//! A fix as a sentence, and the advice where none is proven.

use super::apply::{TFTP, TVS, servers_of};
use super::scene::Looked;
use super::words::{self, Scene, asks_tvs};
use crate::check::answer::{Action, Fix, Whose, parameter_titles};
use crate::check::predict::Prediction;
use crate::cluster::TrustStore;

/// What to do, with names, for a fix that is proven. `resets` is how often phones have to be reset
/// until they have followed.
pub(super) fn sentence(actions: &[Action], resets: usize, looked: &Looked<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = actions;
    while let Some(action) = rest.first() {
        let (part, taken) = match action {
            Action::Import { .. } => imports(rest, looked),
            other => (one(other, looked), 1),
        };
        parts.push(part);
        rest = &rest[taken..];
    }
    let mut text = parts.join(", then ");
    let erases = actions.contains(&Action::EraseLists);
    text += match (erases, resets) {
        (true, _) => "",
        (false, 0 | 1) => ", then reset the phones",
        (false, 2) => ", then reset the phones twice",
        (false, _) => ", then reset the phones three times or more",
    };
    if let (true, Some(cheaper)) = (erases, cheaper(looked)) {
        text += &format!(
            ". That is a visit to each phone; try first, though nothing that was read proves it: {cheaper}"
        );
    }
    text + &stale_answers(looked)
}

/// Imports of one certificate as one part, and how many actions they are.
fn imports(actions: &[Action], looked: &Looked<'_>) -> (String, usize) {
    let Some(Action::Import {
        certificate,
        from,
        into,
        ..
    }) = actions.first()
    else {
        return (String::new(), 1);
    };
    let same = |a: &&Action| match a {
        Action::Import {
            certificate: c,
            into: i,
            ..
        } => c == certificate && i == into,
        _ => false,
    };
    let stores: Vec<_> = actions
        .iter()
        .take_while(same)
        .filter_map(|a| match a {
            Action::Import { store, .. } => Some(store.as_str()),
            _ => None,
        })
        .collect();
    let sast = TrustStore::PhoneSast.name();
    let role = if stores == [sast] {
        " (it gives the role SAST)"
    } else {
        ""
    };
    let text = format!(
        "import {} into {} of {into}{role}",
        whose(certificate, from, looked),
        stores.join(" and ")
    );
    (text, stores.len().max(1))
}

/// `CallManager of dst-pub (CN=..., issuer CN=..., serial 4F2A)`.
fn whose(c: &Whose, cluster: &str, looked: &Looked<'_>) -> String {
    let names = if c.issuer == c.subject {
        format!("{}, self-signed, serial {}", c.subject, c.serial)
    } else {
        format!("{}, issuer {}, serial {}", c.subject, c.issuer, c.serial)
    };
    let kind = if c.kind.is_empty() {
        "the certificate"
    } else {
        &c.kind
    };
    match c.node.as_str() {
        "" if cluster.is_empty() => format!(
            "{kind} ({names}), out of the list that has it, as no node was read that has it as its own,"
        ),
        "" => format!("{kind} ({names})"),
        node => format!("{kind} of {} ({names})", name_of(node, cluster, looked)),
    }
}

/// The name of a node, with its cluster where another one calls a node so too.
fn name_of(node: &str, cluster: &str, looked: &Looked<'_>) -> String {
    let others = looked.sides.sides.iter().filter(|s| s.name != cluster);
    let mut others = others.flat_map(|s| &s.nodes);
    match others.any(|n| n.name.eq_ignore_ascii_case(node)) {
        true if !cluster.is_empty() => format!("{node} of {cluster}"),
        _ => node.to_owned(),
    }
}

fn one(action: &Action, looked: &Looked<'_>) -> String {
    match action {
        Action::Import { .. } => String::new(),
        Action::Restart {
            service,
            cluster,
            nodes,
        } => {
            let is_running = is_running(service, cluster, nodes, looked);
            let verb = match service.as_str() {
                TVS | TFTP if is_running => "restart",
                TVS | TFTP => "start",
                _ if is_running => "restart",
                _ => "start",
            };
            let nodes = nodes.iter().map(|n| name_of(n, cluster, looked));
            let nodes: Vec<_> = nodes.collect();
            format!("{verb} {service} on {}", nodes.join(" and "))
        }
        Action::SetParameter {
            cluster,
            parameter,
            value,
        } => {
            let (parameter, value) = parameter_titles(parameter, value);
            format!("set \"{parameter}\" of {cluster} to {value}")
        }
        Action::AddPhones { cluster } => format!("add the phones to the database of {cluster}"),
        Action::SetOption150 { nodes } => {
            let destination = looked.destination();
            let nodes = nodes.iter().map(|n| name_of(n, &destination, looked));
            let nodes: Vec<_> = nodes.collect();
            format!("let option 150 name {}", nodes.join(", then "))
        }
        Action::HomeFirst { cluster } => {
            let side = looked.sides.sides.iter().find(|s| s.name == *cluster);
            let names = side.map(|s| {
                let nodes = servers_of(s).into_iter();
                let names: Vec<_> = nodes.map(|n| s.nodes[n].name.as_str()).collect();
                names.join(" and ")
            });
            format!(
                "point option 150 back to {cluster} ({}) and reset the phones, then point it at {} again",
                names.unwrap_or_default(),
                looked.destination()
            )
        }
        Action::EraseLists => {
            "erase CTL and ITL on each phone by hand, with option 150 at the new cluster".into()
        }
    }
}

/// True if the service runs on one of the nodes.
fn is_running(service: &str, cluster: &str, nodes: &[String], looked: &Looked<'_>) -> bool {
    use crate::check::evidence::{Door, Known};
    let side = looked.sides.sides.iter().find(|s| s.name == cluster);
    let mut nodes = nodes.iter().filter_map(|name| side?.node(name));
    nodes.any(|n| {
        let door = match service {
            TVS => &n.tvs.door,
            TFTP => &n.tftp.door,
            _ => &n.callmanager,
        };
        *door == Known::Yes(Door::Open)
    })
}

/// What to try before a visit to each phone, where the reason has such a thing.
fn cheaper(looked: &Looked<'_>) -> Option<String> {
    let code = looked.prediction.reason()?;
    let text = words::way_out(Some(code), true, looked);
    let is_last_resort =
        text.starts_with(words::ERASE) || code == "no-tvs-in-list" || code.starts_with("installed");
    let is_of_use = !is_last_resort || looked.is_prepared_for_rollback(&looked.home());
    is_of_use.then_some(text)
}

/// An answer that a phone got without the role that is needed counts for its life (`cluster` facts
/// 3.1: 86,400 s recorded); one that knows nothing has none.
fn stale_answers(looked: &Looked<'_>) -> String {
    match looked.prediction.reason() {
        Some("tvs-role-missing" | "tvs-wrong-certificate") => {
            ". A phone that has asked already may keep the old answer for 24 h".into()
        }
        _ => String::new(),
    }
}

/// The advice where no set of actions was proven: the words for the reason, and the actions that they
/// stand for.
pub(super) fn unproven(looked: &Looked<'_>) -> Fix {
    let code = looked.prediction.reason();
    let follows = looked.prediction.judged.follows.is_some();
    if looked.lacks_file() {
        let (nodes, cluster) = (looked.serving(), looked.destination());
        let text = format!(
            "{} does not hand out the phone's configuration, though {cluster} has it: restart TFTP there, then reset the phone",
            nodes.join(" and ")
        );
        let service = TFTP.to_owned();
        return Fix {
            actions: vec![Action::Restart {
                service,
                cluster,
                nodes,
            }],
            proven: false,
            rests_on: None,
            status: Vec::new(),
            text,
        };
    }
    let mut text = words::way_out(code, follows, looked);
    if looked.needs_new_ctl() && !text.contains("utils ctl") {
        text += "; `utils ctl update CTLFile` on its publisher signs the CTL anew";
    }
    Fix {
        actions: actions(code.unwrap_or_default(), looked),
        proven: false,
        rests_on: None,
        status: Vec::new(),
        text,
    }
}

/// Advice that was tried and after which the phone does not follow, or nobody knows.
pub(super) fn not_enough(advice: Fix, then: &Prediction) -> Fix {
    if let Some(gap) = &then.gap {
        let text = format!(
            "{}; whether that is enough hangs on {}, which was not read",
            advice.text, gap.what
        );
        return Fix { text, ..advice };
    }
    let why = match then.reasons.last() {
        Some(reason) => format!("since then {}", reason.text),
        None => "and nothing that was tried makes the phone follow".to_owned(),
    };
    Fix {
        text: format!("{}; that alone is not enough, {why}", advice.text),
        actions: Vec::new(),
        ..advice
    }
}

/// The advice for a phone whose lists were erased and that does not follow all the same.
pub(super) fn after_erasing(looked: &Looked<'_>) -> Fix {
    const NOT_ENOUGH: &str = "erasing CTL and ITL by hand is not enough";
    if let Some(gap) = &looked.prediction.gap {
        return Fix {
            actions: vec![Action::EraseLists],
            proven: false,
            rests_on: None,
            status: Vec::new(),
            text: format!(
                "{}; whether that is enough hangs on {}, which was not read",
                words::ERASE,
                gap.what
            ),
        };
    }
    let why = match looked.prediction.reasons.last() {
        Some(reason) => format!("{NOT_ENOUGH}, since then {}", reason.text),
        None => NOT_ENOUGH.to_owned(),
    };
    let more = unproven(looked);
    let is_no_help = more.actions == [Action::EraseLists];
    let (actions, text) = if is_no_help {
        let text = format!("{why}; nothing that was tried makes the phone follow");
        (Vec::new(), text)
    } else {
        let actions = more.actions.into_iter().chain([Action::EraseLists]);
        (
            actions.collect(),
            format!("{why}; before it: {}", more.text),
        )
    };
    Fix {
        actions,
        proven: false,
        rests_on: None,
        status: Vec::new(),
        text,
    }
}

fn actions(code: &str, looked: &Looked<'_>) -> Vec<Action> {
    let destination = looked.destination();
    let home = looked.home();
    let restart = |service: &str, cluster: &str, nodes: Vec<String>| Action::Restart {
        service: service.to_owned(),
        cluster: cluster.to_owned(),
        nodes,
    };
    let home_first = || Action::HomeFirst {
        cluster: home.clone(),
    };
    let mut all = match code {
        "signer-unknown-to-tvs" | "tvs-wrong-certificate" | "tvs-role-missing" => {
            match needed(looked) {
                None => vec![restart(TFTP, &destination, looked.serving())],
                Some(certificate) => {
                    let stores = [TrustStore::PhoneSast, TrustStore::CallManager];
                    let import = |s: TrustStore| Action::Import {
                        certificate: certificate.clone(),
                        from: destination.clone(),
                        into: home.clone(),
                        store: s.name().to_owned(),
                    };
                    let mut all: Vec<_> = stores.map(import).to_vec();
                    all.push(restart(TVS, &home, looked.tvs(&home)));
                    all
                }
            }
        }
        "tvs-unreachable" | "tvs-no-answer" | "tvs-handshake-failed" | "tvs-answer-malformed" => {
            vec![restart(TVS, &home, looked.tvs(&home))]
        }
        "no-tvs-in-list" if looked.is_prepared_for_rollback(&home) => {
            let set = Action::SetParameter {
                cluster: home.clone(),
                parameter: "prepare-cluster-for-rollback".into(),
                value: "false".into(),
            };
            let tftp = looked.running(&home, |n| &n.tftp.door);
            let tvs = looked.running(&home, |n| &n.tvs.door);
            let running = [(TFTP, tftp), (TVS, tvs)].into_iter();
            let running = running.filter(|(_, nodes)| !nodes.is_empty());
            let restarts = running.map(|(service, nodes)| restart(service, &home, nodes));
            let mut all = vec![set];
            all.extend(restarts);
            all.push(home_first());
            all
        }
        "no-tvs-in-configuration" => vec![home_first()],
        "tvs-certificate-not-in-list" if home != destination => vec![home_first()],
        "digest-unsupported" => vec![
            Action::SetParameter {
                cluster: destination.clone(),
                parameter: "tftp-file-signature-algorithm".into(),
                value: "sha1".into(),
            },
            restart(TFTP, &destination, looked.serving()),
        ],
        "phone-not-in-database" | "file-missing" => vec![Action::AddPhones {
            cluster: destination.clone(),
        }],
        "file-malformed"
        | "signature-mismatch"
        | "record-mismatch"
        | "file-empty"
        | "own-signature-fails"
        | "download-failed" => vec![restart(TFTP, &destination, looked.serving())],
        "no-tvs-in-list"
        | "installed-list-damaged"
        | "tvs-certificate-not-in-list"
        | "signer-not-in-list" => vec![Action::EraseLists],
        // What else there is to do is no action on a service, a store or a list.
        _ => Vec::new(),
    };
    // The phone asks whom it does not trust: it has to go home first.
    if asks_tvs(code) && looked.split_home().is_some() && !all.contains(&home_first()) {
        all.push(home_first());
    }
    all
}

/// The certificate that is needed, read or not; none if its node has another one now.
fn needed(looked: &Looked<'_>) -> Option<Whose> {
    let signer = looked.prediction.signer.as_ref()?;
    match looked.ground.certificates.of(signer) {
        Some(held) => held.is_current.then(|| held.whose.clone()),
        None => Some(Whose {
            kind: String::new(),
            node: looked.serving().join(" and "),
            subject: signer.subject.clone(),
            issuer: signer.issuer.clone(),
            serial: signer.serial.clone(),
        }),
    }
}
