//! A fix that is called proven makes its phone follow in the rehearsal too.

use std::fmt::Write as _;

use trustline::check::answer::Action;
use trustline::check::fix::{Certificates, Ground, smallest};
use trustline::phone::power::BootEnd;
use trustline::phone::{BootCause, Pace};
use trustline::scenario::judge::fates;
use trustline::scenario::run::rehearse;
use trustline::scenario::words::{Verb, Verdict};
use trustline::scenario::{Network, Scenario};

use crate::beside::{Beside, Boot, asked, predicted, scenario};

/// What came of the fixes of a run.
#[derive(Debug, Default)]
pub(crate) struct Fixes {
    pub(crate) proven: usize,
    pub(crate) unproven: usize,
    /// Proven, with a certificate that no node has any more: a scenario cannot upload it.
    pub(crate) by_hand: usize,
    pub(crate) wrong: Vec<String>,
}

impl Fixes {
    pub(crate) fn add(&mut self, other: Self) {
        self.proven += other.proven;
        self.unproven += other.unproven;
        self.by_hand += other.by_hand;
        self.wrong.extend(other.wrong);
    }
}

/// Looks for a fix of every phone that does not follow in its last boot, and rehearses the scenario
/// again up to that boot, with the fix before it.
pub(crate) fn fixes(text: &str, beside: &Beside) -> Fixes {
    let mut found = Fixes::default();
    let whole = scenario(text);
    for (index, (phone, fate)) in beside.phones.iter().zip(&beside.fates).enumerate() {
        let device = &phone.setup.identity.device;
        let Some((boot, earlier)) = beside.boots.get(device).and_then(|b| b.split_last()) else {
            continue;
        };
        let is_lost = matches!(
            fate.verdict,
            Verdict::Stranded | Verdict::RegistersUntrusted
        );
        let is_plain = boot.setup.cause == BootCause::Reset && boot.end == BootEnd::Done;
        // An import resets phones after it has changed the cluster: what stood before that step is not
        // what they met.
        let step = boot.step.checked_sub(1).and_then(|n| whole.steps.get(n));
        let is_reset = step.is_some_and(|s| s.verb == Verb::ResetPhones);
        if !is_lost || !is_plain || !is_reset || boot.servers().is_empty() {
            continue;
        }
        let earlier: Vec<_> = earlier.iter().flat_map(|b| b.events.clone()).collect();
        let prediction = predicted(boot, &phone.before, earlier.clone());
        // What a lease did not bring is none of a check's.
        if prediction.follows() {
            continue;
        }
        let (subject, plan) = asked(boot, &phone.before, earlier);
        let certificates = Certificates::read(&boot.sides);
        let rules = subject.setup.settings.clone();
        let ground = Ground {
            certificates: &certificates,
            rules: &rules,
        };
        let Some(mended) = smallest(&boot.sides, &subject, &plan, &prediction, ground) else {
            continue;
        };
        if !mended.fix.proven {
            found.unproven += 1;
            continue;
        }
        let is_nobodys = |action: &Action| matches!(action, Action::Import { certificate, .. } if certificate.kind.is_empty());
        if mended.fix.actions.iter().any(is_nobodys) {
            found.by_hand += 1;
            continue;
        }
        found.proven += 1;
        let verdict = with_actions(text, boot, index, &mended.fix.actions);
        if !matches!(verdict, Ok(Verdict::Migrated | Verdict::Unchanged)) {
            found.wrong.push(format!(
                "{device} ({:?}) is {verdict:?} after {:?}: {}",
                fate.reason(),
                mended.fix.actions,
                mended.fix.text
            ));
        }
    }
    found
}

/// The verdict of a phone in the scenario up to this boot, with the actions before it.
fn with_actions(
    text: &str,
    boot: &Boot,
    phone: usize,
    actions: &[Action],
) -> Result<Verdict, String> {
    let number = phone + 1;
    let whole = scenario(text);
    let servers = |addresses: &[std::net::Ipv4Addr]| -> Vec<String> {
        let at = |a: &std::net::Ipv4Addr| boot.sides.at(*a);
        let nodes = addresses.iter().filter_map(at);
        nodes
            .filter_map(|at| boot.sides.node(at))
            .map(|n| n.name.clone())
            .collect()
    };
    let mut steps = String::new();
    let mut step = |verb: &str, keys: &[(&str, String)]| {
        let _ = write!(steps, "\n[[step]]\ndo = {verb:?}\n");
        for (key, value) in keys {
            let _ = writeln!(steps, "{key} = {value}");
        }
    };
    let word = |w: &str| format!("{w:?}");
    let is_erased = actions.contains(&Action::EraseLists);
    for action in actions {
        match action {
            Action::Import {
                certificate,
                into,
                store,
                ..
            } => step(
                "upload-certificate",
                &[
                    ("from", word(&certificate.node)),
                    ("certificate", word(&certificate.kind)),
                    ("into", word(into)),
                    ("store", word(store)),
                ],
            ),
            Action::Restart { service, nodes, .. } => {
                for node in nodes {
                    let keys = [
                        ("node", word(node)),
                        ("service", word(&service.to_lowercase())),
                    ];
                    step("start-service", &keys);
                    step("restart-service", &keys);
                }
            }
            Action::SetOption150 { nodes } => step(
                "set-option-150",
                &[("to", format!("{nodes:?}")), ("phones", number.to_string())],
            ),
            Action::HomeFirst { cluster } => {
                let home = boot.sides.sides.iter().find(|s| s.name == *cluster);
                let home: Vec<_> = home
                    .map(trustline::check::fix::servers_of)
                    .into_iter()
                    .flatten()
                    .filter_map(|n| Some(home?.nodes.get(n)?.name.clone()))
                    .collect();
                let phones = ("phones", number.to_string());
                step(
                    "set-option-150",
                    &[("to", format!("{home:?}")), phones.clone()],
                );
                step("reset-phones", std::slice::from_ref(&phones));
                let back = servers(&boot.servers());
                step("set-option-150", &[("to", format!("{back:?}")), phones]);
            }
            Action::EraseLists => {}
            Action::SetParameter {
                cluster,
                parameter,
                value,
            } => {
                let value = match value.as_str() {
                    "true" | "false" => value.clone(),
                    other => word(other),
                };
                let keys = [
                    ("cluster", word(cluster)),
                    ("name", word(parameter)),
                    ("value", value),
                ];
                step("set-parameter", &keys);
            }
            Action::AddPhones { cluster } => step(
                "add-phones",
                &[("cluster", word(cluster)), ("phones", number.to_string())],
            ),
        }
    }
    let last = if is_erased {
        "erase-lists"
    } else {
        "reset-phones"
    };
    step(last, &[("phones", number.to_string())]);
    let expectations = text.find("\n[[expect]]").unwrap_or(text.len());
    let with_steps = format!("{}\n{steps}", &text[..expectations]);
    let added = scenario(&with_steps).steps.split_off(whole.steps.len());
    let mut steps = whole.steps.clone();
    steps.truncate(boot.step - 1);
    steps.extend(added);
    let rehearsed = Scenario {
        steps,
        expectations: Vec::new(),
        ..whole
    };
    let result = rehearse(&rehearsed, Network::Sim, Pace::Real, None, &mut |_| {});
    let rehearsed = result.map_err(|e| e.to_string())?;
    Ok(fates(&rehearsed)[phone].verdict)
}
