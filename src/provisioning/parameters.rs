//! The parameters of a phone that provisioning itself reads: rules, triggers, timing, messages.

use std::collections::BTreeMap;

use super::log::Templates;
use super::macros::Values;
use super::profile::Profile;
use super::schedule::{Delays, TimeOfDay, Timing};

/// Parameters that a phone keeps, at most. A profile of a real phone has some thousand.
pub const MAX_PARAMETERS: usize = 20_000;

/// The four rules of a resync, in order.
pub const RULES: [&str; 4] = [
    "Profile_Rule",
    "Profile_Rule_B",
    "Profile_Rule_C",
    "Profile_Rule_D",
];

/// What a phone's parameters are set to. A name that is not here has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    values: BTreeMap<String, String>,
}

impl Parameters {
    /// All at their defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one. Past [`MAX_PARAMETERS`] new ones are dropped.
    pub fn set(&mut self, name: &str, value: &str) {
        if let Some(old) = self.values.get_mut(name) {
            value.clone_into(old);
        } else if self.values.len() < MAX_PARAMETERS {
            self.values.insert(name.to_owned(), value.to_owned());
        }
    }

    /// The value of one; empty if nobody has set it.
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// All that were set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.values.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Takes over a profile: what it does not mention stays, and of two the last one counts. Gives
    /// the number of parameters that have another value than before.
    pub fn apply(&mut self, profile: &Profile) -> usize {
        let mut changed = 0;
        for parameter in profile.parameters.iter().filter(|p| !p.keeps_value()) {
            changed += usize::from(self.get(&parameter.name) != parameter.value);
            self.set(&parameter.name, &parameter.value);
        }
        changed
    }

    /// `yes` and `no`, as profiles write them; `default` for anything else.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        match self.get(name).to_ascii_lowercase().as_str() {
            "yes" | "1" | "true" => true,
            "no" | "0" | "false" => false,
            _ => default,
        }
    }

    /// Rule number `index` (from 0) of a resync.
    pub fn rule(&self, index: usize) -> &str {
        match (RULES.get(index), self.values.contains_key(RULES[0])) {
            // The factory's; no server, so DHCP's over TFTP.
            (Some(&"Profile_Rule"), false) => "/$PSN.xml",
            (Some(name), _) => self.get(name),
            (None, _) => "",
        }
    }

    /// The general purpose parameters, for macros.
    pub fn fill(&self, values: &mut Values) {
        for letter in 'A'..='P' {
            values.set(&letter.to_string(), self.get(&format!("GPP_{letter}")));
        }
        for letter in 'A'..='D' {
            values.set(&format!("S{letter}"), self.get(&format!("GPP_S{letter}")));
        }
    }

    /// The log messages.
    pub fn templates(&self) -> Templates {
        let mut templates = Templates::default();
        for (name, value) in self.iter() {
            templates.set(name, value);
        }
        templates
    }

    /// When to resync. What cannot be read has its default.
    pub fn timing(&self) -> Timing {
        let usual = Timing::default();
        let delays = |name, usual| match self.values.get(name) {
            Some(text) => Delays::parse(text).unwrap_or(usual),
            None => usual,
        };
        let number = |name, usual| self.get(name).trim().parse().unwrap_or(usual);
        Timing {
            enabled: self.flag("Provision_Enable", usual.enabled),
            on_reset: self.flag("Resync_On_Reset", usual.on_reset),
            random_delay: number("Resync_Random_Delay", usual.random_delay),
            periodic: delays("Resync_Periodic", usual.periodic),
            retry: delays("Resync_Error_Retry_Delay", usual.retry),
            at: TimeOfDay::parse(self.get("Resync_At__HHmm_")),
            at_random_delay: number("Resync_At_Random_Delay", usual.at_random_delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::macros::Place;

    #[test]
    fn a_profile_changes_what_it_mentions() {
        let mut parameters = Parameters::new();
        parameters.set("GPP_A", "user's");
        parameters.set("GPP_B", "old");
        let profile =
            "<flat-profile><GPP_A ua=\"rw\"/><GPP_B>new</GPP_B><gpp_b>x</gpp_b><GPP_SA>k</GPP_SA>
            <Profile_Rule_C>/c</Profile_Rule_C><Resync_Periodic>10,20</Resync_Periodic>
            <Provision_Enable>No</Provision_Enable><Log_Failure_Msg></Log_Failure_Msg>
            <Resync_At__HHmm_>2560</Resync_At__HHmm_></flat-profile>";
        let profile = Profile::parse(profile).unwrap();
        assert_eq!(parameters.apply(&profile), 7);
        assert_eq!(parameters.apply(&profile), 0);
        assert_eq!(parameters.get("GPP_A"), "user's");
        assert_eq!(parameters.get("GPP_B"), "new");
        let mut values = Values::new();
        parameters.fill(&mut values);
        assert_eq!(values.get("B", Place::Text), Some("new"));
        assert_eq!(values.get("SA", Place::OptionArgument), Some("k"));
        assert_eq!(parameters.rule(0), "/$PSN.xml");
        assert_eq!(parameters.rule(2), "/c");
        let timing = parameters.timing();
        assert_eq!(timing.periodic, Delays::parse("10,20").unwrap());
        assert_eq!(timing.retry, Timing::default().retry);
        assert!(!timing.enabled && timing.on_reset && timing.at.is_none());
        assert_eq!(parameters.templates().failure, "");
        parameters.set("Profile_Rule", "");
        assert_eq!(parameters.rule(0), "");
    }

    #[test]
    fn their_number_is_bounded() {
        let mut parameters = Parameters::new();
        for i in 0..MAX_PARAMETERS + 10 {
            parameters.set(&format!("P{i}"), "x");
        }
        assert_eq!(parameters.iter().count(), MAX_PARAMETERS);
        parameters.set("P1", "y");
        assert_eq!(parameters.get("P1"), "y");
    }
}
