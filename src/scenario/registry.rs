//! The names that a scenario may use: settings, parameters, reason codes, event kinds.

use super::settings::{Registry, SettingValue};
use crate::cluster::Parameter;
use crate::event::KINDS;
use crate::trust::reason::CODES;
use crate::trust::rules::{self, Rule};

/// The registry of this build.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules;

impl Registry for Rules {
    fn check(&self, name: &str, value: &SettingValue) -> Result<(), String> {
        match rules::find(name) {
            Some(rule) => value_of(rule, value).map(|_| ()),
            None => Err("no such setting".into()),
        }
    }

    fn names(&self) -> Vec<&'static str> {
        rules::RULES.iter().map(|r| r.name).collect()
    }

    fn check_parameter(&self, name: &str, value: &SettingValue) -> Result<(), String> {
        parameter_of(name, value).map(|_| ())
    }

    fn parameter_names(&self) -> Vec<&'static str> {
        Parameter::NAMES.to_vec()
    }

    fn reason_codes(&self) -> Vec<&'static str> {
        CODES.to_vec()
    }

    fn event_kinds(&self) -> Vec<&'static str> {
        KINDS.to_vec()
    }
}

/// The value of a rule that a scenario gives; `true` and `false` mean the words yes and no.
pub(super) fn value_of(rule: &Rule, value: &SettingValue) -> Result<i64, String> {
    let text = match value {
        SettingValue::Flag(true) => "yes".to_owned(),
        SettingValue::Flag(false) => "no".to_owned(),
        other => other.to_string(),
    };
    rule.parse(&text)
        .map_err(|expected| format!("expected {expected}"))
}

/// The enterprise parameter that a scenario sets.
pub(super) fn parameter_of(name: &str, value: &SettingValue) -> Result<Parameter, String> {
    Parameter::from_words(name, &value.to_string()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, value: SettingValue) -> Result<String, String> {
        Rules.check(name, &value)?;
        let rule = rules::find(name).ok_or("no such setting")?;
        Ok(rule.text_of(value_of(rule, &value)?))
    }

    #[test]
    fn true_and_false_are_yes_and_no() {
        use SettingValue::{Flag, Number, Word};
        for rule in rules::RULES {
            let yes_or_no = rule.parse("yes").is_ok() && rule.parse("no").is_ok();
            for (flag, word) in [(true, "yes"), (false, "no")] {
                let found = value(rule.name, Flag(flag));
                assert_eq!(found.is_ok(), yes_or_no, "{}: {found:?}", rule.name);
                assert!(found.is_err() || found == Ok(word.to_owned()));
            }
        }
        for name in [
            "tvs.role_required",
            "tvs.restart_needed",
            "tvs.cache_survives_boot",
            "phone.ignores_expiry",
        ] {
            assert_eq!(value(name, Flag(true)), Ok("yes".into()), "{name}");
            assert_eq!(value(name, Word("no".into())), Ok("no".into()), "{name}");
        }
        assert_eq!(value("tftp.retries", Number(2)), Ok("2".into()));
        assert_eq!(
            value("tvs.miss", Flag(true)),
            Err("expected one of status-1-only, close".into())
        );
        assert_eq!(
            value("tftp.retries", Flag(true)),
            Err("expected a number of retransmissions from 0 to 20".into())
        );
        assert_eq!(
            value("tftp.retires", Number(1)),
            Err("no such setting".into())
        );
    }
}
