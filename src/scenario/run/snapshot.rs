//! Phones as they were earlier in a run.

use super::LabPhone;
use crate::event::Event;
use crate::phone::PhoneSetup;

/// A phone as it was at a moment of a run. What it had told by then it tells later too, so that is
/// only counted.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Snapshot {
    /// Without events.
    phone: LabPhone,
    home_events: usize,
    events: usize,
}

impl Snapshot {
    pub(in crate::scenario) fn of(phone: &LabPhone) -> Self {
        Self {
            phone: LabPhone {
                setup: phone.setup.clone(),
                flash: phone.flash.clone(),
                before: phone.before.clone(),
                home: phone.home.clone(),
                scope: phone.scope.clone(),
                home_scope: phone.home_scope.clone(),
                home_events: Vec::new(),
                home_used: phone.home_used.clone(),
                end: phone.end,
                used: phone.used.clone(),
                events: Vec::new(),
                last_boot: phone.last_boot,
                cut: phone.cut,
            },
            home_events: phone.home_events.len(),
            events: phone.events.len(),
        }
    }

    pub(in crate::scenario) fn setup(&self) -> &PhoneSetup {
        &self.phone.setup
    }

    /// The phone as it was. `later` is the same one, later in the same run.
    pub(in crate::scenario) fn restored(&self, later: &LabPhone) -> LabPhone {
        let first = |events: &[Event], count| events.iter().take(count).cloned().collect();
        // What it tells before the first step becomes what it told at home.
        let was_at_home = self.home_events == 0 && !later.home_events.is_empty();
        let events = if was_at_home {
            &later.home_events
        } else {
            &later.events
        };
        LabPhone {
            home_events: first(&later.home_events, self.home_events),
            events: first(events, self.events),
            ..self.phone.clone()
        }
    }
}
