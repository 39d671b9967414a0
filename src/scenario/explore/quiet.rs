//! A world as the model of who migrates sees it: without what disturbed boots and was mended again,
//! because what a phone comes to in the end does not hang on it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::model::{
    Action, ClockJump, Scenario, ServiceChange, Step, StoppableService, Target,
};
use super::super::words::{ClosedWord, Service};

/// The world without its faulty links, and with what comes in the middle of a boot put behind that
/// boot, where links and services were whole again before anything else changed and every phone
/// then booted once more. Otherwise none: then the model is asked about the world as it is, and
/// says what of it the table does not decide.
pub(super) fn quiet(scenario: &Scenario) -> Option<Scenario> {
    let mut quiet = Quiet {
        scenario,
        steps: Vec::with_capacity(scenario.steps.len()),
        planned: Vec::new(),
        links_fail: false,
        down: BTreeSet::new(),
        faulty: BTreeSet::new(),
        is_disturbed: false,
    };
    for step in &scenario.steps {
        quiet.step(step)?;
    }
    let Quiet {
        steps,
        planned,
        is_disturbed,
        ..
    } = quiet;
    (!is_disturbed && planned.is_empty()).then(|| Scenario {
        steps,
        ..scenario.clone()
    })
}

struct Quiet<'a> {
    scenario: &'a Scenario,
    steps: Vec<Step>,
    /// What comes in the next boot, with its moment.
    planned: Vec<(Duration, Step)>,
    links_fail: bool,
    /// Services that stopped in the middle of a boot and have not started since.
    down: BTreeSet<(String, &'static str)>,
    /// Nodes that serve damaged or old files, or have done so.
    faulty: BTreeSet<String>,
    /// True if phones have booted, or may boot, over what was not whole, and have not all booted
    /// since it is.
    is_disturbed: bool,
}

impl Quiet<'_> {
    /// Takes the next step; nothing if what it does cannot be told apart from the disturbance.
    fn step(&mut self, step: &Step) -> Option<()> {
        match &step.action {
            Action::Later { after, action } => {
                let planned = Step {
                    action: (**action).clone(),
                    ..step.clone()
                };
                self.planned.push((after.value, planned));
                return Some(());
            }
            Action::SetLink { .. } | Action::ClearLinks => {
                self.links(&step.action);
                return Some(());
            }
            Action::ResetPhones { phones } => {
                let is_all =
                    phones.resolve(&self.scenario.phones).len() == self.scenario.phone_count();
                let planned = std::mem::take(&mut self.planned);
                let is_whole = planned.is_empty() && !self.links_fail && self.down.is_empty();
                if is_whole && is_all {
                    self.is_disturbed = false;
                }
                self.steps.push(step.clone());
                return self.came(planned);
            }
            Action::ChangeService {
                change: ServiceChange::Start,
                target,
                service,
            } => {
                let mended: Vec<_> = self.services(target, *service);
                let was_down = mended.iter().any(|own| self.down.contains(own));
                // The stop is left out, and with it what the start does to the files.
                let mends = mended.iter().any(|own| self.mends(own));
                self.down.retain(|own| !mended.contains(own));
                if (!was_down || mends) && self.is_disturbed {
                    return None;
                }
            }
            action if self.is_disturbed && !changes_nothing_at_clusters(action) => return None,
            Action::DamageFile { node, .. } | Action::KeepOldFiles { node } => {
                self.faulty.insert(node.value.clone());
            }
            // These boot phones too; a plan is looked at with a plain reset alone.
            Action::EraseLists { .. } | Action::FactoryReset { .. } | Action::Bulk { .. }
                if !self.planned.is_empty() =>
            {
                return None;
            }
            _ => {}
        }
        self.steps.push(step.clone());
        Some(())
    }

    fn links(&mut self, action: &Action) {
        self.links_fail = matches!(action, Action::SetLink { .. });
        self.is_disturbed |= self.links_fail;
    }

    /// What was planned came in the middle of a boot, in the order of its moments.
    fn came(&mut self, mut planned: Vec<(Duration, Step)>) -> Option<()> {
        self.is_disturbed |= !planned.is_empty();
        planned.sort_by_key(|(after, _)| *after);
        for (_, step) in planned {
            match &step.action {
                Action::SetLink { .. } | Action::ClearLinks => self.links(&step.action),
                Action::ChangeService {
                    change,
                    target,
                    service,
                } => {
                    let services = self.services(target, *service);
                    match change {
                        // It starts again before it matters: left out.
                        ServiceChange::Stop => self.down.extend(services),
                        // Before it phones are served other files than after it.
                        ServiceChange::Start | ServiceChange::Restart
                            if services.iter().any(|own| self.mends(own)) =>
                        {
                            return None;
                        }
                        ServiceChange::Start | ServiceChange::Restart => {
                            self.down.retain(|own| !services.contains(own));
                            self.steps.push(step);
                        }
                    }
                }
                // A node that is off takes more with it than a service.
                _ => return None,
            }
        }
        Some(())
    }

    /// True if starting this service may end what is wrong with its files.
    fn mends(&self, (node, service): &(String, &'static str)) -> bool {
        *service == Service::Tftp.as_str() && self.faulty.contains(node)
    }

    /// The nodes that a change of a service is about.
    fn services(&self, target: &Target, service: StoppableService) -> Vec<(String, &'static str)> {
        let of = service.service();
        let names: Vec<String> = match target {
            Target::Node(name) => vec![name.value.clone()],
            Target::Cluster(id) => {
                let mut clusters = self.scenario.clusters.iter();
                let cluster = clusters.find(|cluster| *cluster.id == **id);
                let nodes = cluster.into_iter().flat_map(|c| c.nodes_running(of));
                nodes.map(|node| node.name.value.clone()).collect()
            }
        };
        names.into_iter().map(|name| (name, of.as_str())).collect()
    }
}

fn changes_nothing_at_clusters(action: &Action) -> bool {
    matches!(
        action,
        Action::SetOption150 { .. }
            | Action::PowerCut { .. }
            | Action::JumpClock(ClockJump { nodes: None, .. })
            | Action::Wait { .. }
            | Action::Note { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Rules, parse};

    /// Whether the model is asked about a world with these steps, and with which verbs.
    fn verbs(steps: &[&str]) -> Option<Vec<&'static str>> {
        let mut text = r#"format = 1
name = "a world"
source = "none: made for a test"
date = 2020-03-01T09:00:00Z
[cluster.a]
release = "11.5.1"
nodes = [
  { name = "a1", services = ["publisher", "tftp", "tvs"] },
  { name = "a2", services = ["tftp", "tvs"] },
]
[[phones]]
count = 1
model = "CP-8861"
cluster = "a"
"#
        .to_owned();
        for step in steps {
            text += "[[step]]\n";
            text += &step.replace("; ", "\n");
            text += "\n";
        }
        let scenario =
            parse("a.toml", &text, &Rules).unwrap_or_else(|errors| panic!("{}", errors[0]));
        let steps = quiet(&scenario)?.steps.into_iter();
        Some(steps.map(|step| step.verb.as_str()).collect())
    }

    const RESET: &str = "do = 'reset-phones'";
    const STOP: &str = "do = 'stop-service'; node = 'a1'; service = 'tftp'; after = '20ms'";
    const START: &str = "do = 'start-service'; node = 'a1'; service = 'tftp'";
    const RESTART: &str = "do = 'restart-service'; node = 'a1'; service = 'tftp'; after = '20ms'";
    const KEEP: &str = "do = 'keep-old-files'; node = 'a1'";
    const DAMAGE: &str = "do = 'damage-file'; node = 'a1'; file = 'itl'; how = 'empty'";

    #[test]
    fn a_service_that_comes_back_is_left_out() {
        let found = verbs(&[STOP, RESET, START, RESET]);
        let expected = ["reset-phones", "start-service", "reset-phones"];
        assert_eq!(found.as_deref(), Some(&expected[..]));
        let found = verbs(&[RESTART, RESET, RESET]);
        let expected = ["reset-phones", "restart-service", "reset-phones"];
        assert_eq!(found.as_deref(), Some(&expected[..]));
        assert_eq!(verbs(&[STOP, RESET]), None);
    }

    #[test]
    fn a_tftp_that_comes_back_with_other_files_is_not() {
        for fault in [KEEP, DAMAGE] {
            assert_eq!(verbs(&[fault, STOP, RESET, START, RESET]), None, "{fault}");
            assert_eq!(verbs(&[fault, RESTART, RESET, RESET]), None, "{fault}");
            let elsewhere = fault.replace("a1", "a2");
            assert!(verbs(&[&elsewhere, RESTART, RESET, RESET]).is_some());
            assert!(verbs(&[fault, RESET, START, RESET]).is_some());
        }
    }
}
