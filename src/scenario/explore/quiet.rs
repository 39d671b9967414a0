//! A world as the model of who migrates sees it: without the faults of links that were cleared
//! again, because what a phone comes to in the end does not hang on them.

use super::super::model::{Action, Scenario};

/// The world without its faulty links, where nothing but boots happened over them and every phone
/// booted once more before anything else changed. Anything else stays: the model says so.
pub(super) fn quiet(scenario: &Scenario) -> Option<Scenario> {
    let mut steps = Vec::with_capacity(scenario.steps.len());
    let mut phase = Phase::Whole;
    for step in &scenario.steps {
        phase = match (phase, &step.action) {
            (_, Action::SetLink { .. }) => Phase::Faulty,
            (Phase::Faulty, Action::ClearLinks) => Phase::Cleared,
            (phase, Action::ClearLinks) => phase,
            (Phase::Cleared, Action::ResetPhones { phones })
                if phones.resolve(&scenario.phones).len() == scenario.phone_count() =>
            {
                Phase::Whole
            }
            (Phase::Faulty, action) if changes_nothing_at_clusters(action) => Phase::Faulty,
            (Phase::Cleared, Action::Wait { .. } | Action::Note { .. }) => Phase::Cleared,
            (Phase::Whole, _) => Phase::Whole,
            (Phase::Faulty | Phase::Cleared, _) => return None,
        };
        if !matches!(step.action, Action::SetLink { .. } | Action::ClearLinks) {
            steps.push(step.clone());
        }
    }
    (phase == Phase::Whole).then(|| Scenario {
        steps,
        ..scenario.clone()
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Links are whole, and whatever they kept from phones has come to them.
    Whole,
    /// Links fail.
    Faulty,
    /// Links are whole again, and phones have not booted since.
    Cleared,
}

fn changes_nothing_at_clusters(action: &Action) -> bool {
    matches!(
        action,
        Action::SetOption150 { .. }
            | Action::ResetPhones { .. }
            | Action::PowerCut { .. }
            | Action::Wait { .. }
            | Action::Note { .. }
    )
}
