//! Phones of which one may stand for all in trials: whatever choice a rule is set to, they live
//! through the same.
//!
//! Two phones of a group are set up alike but for name, address and keys. They stay alike where every
//! step is about both or about neither, and where nothing is left to a chance of their own. That they
//! did in the run at hand is looked at besides: they told the same, and are left with the same.

use std::collections::BTreeMap;

use super::model::{Action, Scenario, ServedFile};
use super::run::LabPhone;
use super::select::Selector;
use crate::event::{Event, FileFacts, Kind};
use crate::phone::Flash;
use crate::phone::flash::STATE;
use crate::wire::ListKind;

/// The phones by class, each in the order of its numbers.
pub(super) fn classes(scenario: &Scenario, phones: &[LabPhone]) -> Vec<Vec<usize>> {
    if leaves_to_chance(scenario) {
        return (0..phones.len()).map(|i| vec![i]).collect();
    }
    let mut concerned: BTreeMap<Part, Vec<Vec<usize>>> = BTreeMap::new();
    for (i, part) in parts(scenario, phones.len()).into_iter().enumerate() {
        let classes = concerned.entry(part).or_default();
        let stands_for = |class: &&mut Vec<usize>| {
            let first = class.first();
            first.is_some_and(|&first| is_like(&phones[first], &phones[i]))
        };
        match classes.iter_mut().find(stands_for) {
            Some(class) => class.push(i),
            None => classes.push(vec![i]),
        }
    }
    concerned.into_values().flatten().collect()
}

/// True if equal phones may fare differently. Over links each has a stream of chance of its own, and
/// so it has for its waits where no DHCP server answers; damage strikes what is in the file of each.
fn leaves_to_chance(scenario: &Scenario) -> bool {
    let is_chance = |action: &Action| {
        matches!(
            action,
            Action::SwitchDhcp { on: false }
                | Action::DamageFile {
                    file: ServedFile::Config,
                    ..
                }
        )
    };
    scenario.needs_virtual_time().is_some() || scenario.steps.iter().any(|s| is_chance(&s.action))
}

/// The group of a phone, and for each step that names phones whether it is one of them.
type Part = (usize, Vec<bool>);

fn parts(scenario: &Scenario, count: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = vec![(0, Vec::new()); count];
    for (group, of_group) in scenario.phones.iter().enumerate() {
        for place in of_group.numbers().filter_map(|n| n.checked_sub(1)) {
            if let Some(part) = parts.get_mut(place) {
                part.0 = group;
            }
        }
    }
    let selectors = scenario.steps.iter().filter_map(|s| phones_of(&s.action));
    for selector in selectors {
        for part in &mut parts {
            part.1.push(false);
        }
        for number in selector.resolve(&scenario.phones) {
            let part = number.checked_sub(1).and_then(|i| parts.get_mut(i));
            if let Some(is_named) = part.and_then(|p| p.1.last_mut()) {
                *is_named = true;
            }
        }
    }
    parts
}

/// The phones that a step names. All actions are listed, so that a new one is not forgotten here.
fn phones_of(action: &Action) -> Option<&Selector> {
    match action {
        Action::SetOption150 { phones, .. }
        | Action::SetOption66 { phones, .. }
        | Action::RenewLeases { phones }
        | Action::ResetPhones { phones }
        | Action::EraseLists { phones }
        | Action::FactoryReset { phones }
        | Action::RemovePhones { phones, .. }
        | Action::AddPhones { phones, .. }
        | Action::PowerCut { phones, .. }
        | Action::SetLink { phones, .. } => Some(phones),
        Action::JumpClock(jump) => jump.phones.as_ref(),
        Action::Later { action, .. } => phones_of(action),
        Action::TrustCertificates { .. }
        | Action::SwitchDhcp { .. }
        | Action::ChangeService { .. }
        | Action::SwitchPower { .. }
        | Action::SetParameter { .. }
        | Action::RegenerateCertificate { .. }
        | Action::UploadCertificate { .. }
        | Action::UpdateCtl { .. }
        | Action::DamageFile { .. }
        | Action::AnswerHttp { .. }
        | Action::BulkSftp { .. }
        | Action::Bulk { .. }
        | Action::BulkFault { .. }
        | Action::KeepOldFiles { .. }
        | Action::ClearLinks
        | Action::Wait { .. }
        | Action::Note { .. } => None,
    }
}

/// True if two phones had the same life and are left with the same, but for what is each one's own.
fn is_like(a: &LabPhone, b: &LabPhone) -> bool {
    a.scope == b.scope
        && a.home_scope == b.home_scope
        && a.end == b.end
        && a.last_boot == b.last_boot
        && a.home_used == b.home_used
        && a.used == b.used
        && holds_the_same(&a.before, &b.before)
        && holds_the_same(&a.flash, &b.flash)
        && told_the_same((a, &a.home_events), (b, &b.home_events))
        && told_the_same((a, &a.events), (b, &b.events))
}

/// The phone's notes have its name, its address and times in them; what else they say was told.
fn holds_the_same(a: &Flash, b: &Flash) -> bool {
    fn files(flash: &Flash) -> impl Iterator<Item = (&str, &[u8])> {
        let notes: &[u8] = &[];
        flash.files().map(move |(name, bytes)| match name {
            name if name.starts_with(STATE) => (name, notes),
            name => (name, &**bytes),
        })
    }
    files(a).eq(files(b))
}

fn told_the_same((a, of_a): (&LabPhone, &[Event]), (b, of_b): (&LabPhone, &[Event])) -> bool {
    let is_same = |(x, y): (&Event, &Event)| x.kind == y.kind || common(x, a) == common(y, b);
    of_a.len() == of_b.len() && of_a.iter().zip(of_b).all(is_same)
}

/// What an event of a phone says without its name, its address, times, and the digests of what was
/// made for it alone.
fn common(event: &Event, phone: &LabPhone) -> String {
    let device = phone.setup.identity.device.as_str();
    let is_own = |facts: &FileFacts| {
        facts.file.contains(device) && ListKind::of_file_name(&facts.file).is_none()
    };
    let mut kind = event.kind.clone();
    match &mut kind {
        Kind::LeaseTaken { address, .. } | Kind::LeaseRenewed { address, .. } => address.clear(),
        Kind::Status { stamped, .. } => stamped.clear(),
        Kind::Downloaded { facts, .. } | Kind::ConfigAccepted { facts, .. } if is_own(facts) => {
            facts.sha1.clear();
            facts.sha256.clear();
        }
        _ => {}
    }
    format!("{kind:?}").replace(device, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::Pace;
    use crate::scenario::run::rehearse;
    use crate::scenario::{Network, Rules, parse};

    fn classes_of(text: &str, network: Network) -> Vec<Vec<usize>> {
        let scenario = parse("classes", text, &Rules).unwrap();
        let run = rehearse(&scenario, network, Pace::Fast, None, &mut |_| {});
        classes(&scenario, &run.unwrap().phones)
    }

    const MIGRATION: &str = include_str!("../../scenarios/non-secure-migration.toml");

    /// What makes the search cheap: of equal phones one is tried.
    #[test]
    fn phones_of_a_group_in_the_same_steps_are_of_one_class_on_both_networks() {
        for network in [Network::Sim, Network::Loopback] {
            assert_eq!(classes_of(MIGRATION, network), [[0, 1, 2, 3, 4]]);
        }
    }

    #[test]
    fn a_step_about_some_phones_parts_them_from_the_others() {
        let of_two = "do = \"reset-phones\"\nphones = [\"2\", \"4\"]";
        let text = MIGRATION.replace("do = \"reset-phones\"", of_two);
        assert_ne!(text, MIGRATION);
        let all = classes_of(&text, Network::Sim);
        assert_eq!(all, [vec![0, 2, 4], vec![1, 3]]);
    }

    #[test]
    fn phones_with_a_chance_of_their_own_are_of_no_class() {
        for step in ["do = \"set-link\"\nloss = 1", "do = \"stop-dhcp\""] {
            let step = format!("[[step]]\n{step}\n\n[[step]]\ndo = \"reset-phones\"");
            let text = MIGRATION.replace("[[step]]\ndo = \"reset-phones\"", &step);
            assert_ne!(text, MIGRATION);
            assert_eq!(classes_of(&text, Network::Sim).len(), 5, "{step}");
        }
    }

    /// Two phones that should be alike, of which one has told something else, or holds it.
    #[test]
    fn phones_that_told_or_hold_something_else_are_not_alike() {
        let scenario = parse("classes", MIGRATION, &Rules).unwrap();
        let run = rehearse(&scenario, Network::Sim, Pace::Fast, None, &mut |_| {});
        let phones = run.unwrap().phones;
        assert!(is_like(&phones[0], &phones[1]));
        let server = |kind: &mut Kind| {
            if let Kind::LeaseTaken { option_150, .. } = kind {
                option_150.push("127.1.9.9".into());
            }
        };
        let digest = |kind: &mut Kind| {
            if let Kind::ListInstalled { facts, .. } = kind {
                facts.sha1.push('0');
            }
        };
        for change in [server, digest] {
            let mut other = phones[1].clone();
            other.events.iter_mut().for_each(|e| change(&mut e.kind));
            assert!(!is_like(&phones[0], &other));
        }
        let mut other = phones[1].clone();
        other.flash.put("ITLFile.tlv", [0].into());
        assert!(!is_like(&phones[0], &other));
        let mut other = phones[1].clone();
        other.flash.put("state.json.new", [0].into());
        assert!(!is_like(&phones[0], &other));
        let mut other = phones[1].clone();
        other.scope.option_66 = Some("dst-pub".into());
        assert!(!is_like(&phones[0], &other));
        // Its own name, address and times make no difference.
        let mut other = phones[1].clone();
        for e in &mut other.events {
            e.at += std::time::Duration::from_secs(1);
            if let Kind::Status { stamped, .. } = &mut e.kind {
                stamped.push('0');
            }
        }
        assert!(is_like(&phones[0], &other));
    }
}
