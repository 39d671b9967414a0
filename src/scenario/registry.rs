//! The names that a scenario may use: settings, parameters, reason codes, event kinds.

use super::settings::{Registry, Setting, SettingValue};
use crate::cluster::Parameter;
use crate::event::{KINDS, fields};
use crate::trust::reason::CODES;
use crate::trust::rules::{self, Key, Rule, Settings};
use crate::wire::tvs::fixed_tag;

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

    fn clash(&self, settings: &[Setting]) -> Option<(usize, String)> {
        let mut chosen = Settings::default();
        for setting in settings {
            if let Some(rule) = rules::find(&setting.name.value)
                && let Ok(value) = value_of(rule, &setting.value.value)
            {
                chosen.choose(rule, value);
            }
        }
        clash_of_tags(&chosen, settings)
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

    fn event_fields(&self, kind: &str) -> Option<Vec<&'static str>> {
        fields(kind)
    }
}

/// The rules of the tags of a TVS message, in the order of `Tags`.
const TAG_RULES: [Key; 4] = [
    Key::QueryIssuerTag,
    Key::QuerySerialTag,
    Key::AnswerRolesTag,
    Key::AnswerTtlTag,
];

/// Two elements of a TVS message under one tag: no message could be understood.
fn clash_of_tags(chosen: &Settings, settings: &[Setting]) -> Option<(usize, String)> {
    let tag = chosen.tvs_tags().clash()?;
    let names: Vec<&str> = TAG_RULES
        .into_iter()
        .filter(|&key| chosen.peek(key) == i64::from(tag))
        .map(|key| rules::rule(key).name)
        .collect();
    let is_one = |s: &Setting| names.contains(&s.name.value.as_str());
    let later = settings.iter().rposition(is_one)?;
    let why = match names.as_slice() {
        [one] => {
            let fixed = fixed_tag(tag).unwrap_or("another element");
            format!("`{one}` is {tag}, which is the tag of the {fixed}")
        }
        more => {
            let quoted: Vec<_> = more.iter().map(|name| format!("`{name}`")).collect();
            format!("{} are both tag {tag}", quoted.join(" and "))
        }
    };
    Some((later, why))
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
    use crate::scenario::diagnostic::Located;
    use crate::scenario::parse::parse;
    use crate::scenario::settings::apply_overrides;

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

    #[test]
    fn two_elements_of_a_tvs_message_have_no_tag_in_common() {
        let set = |name: &str, tag| Setting {
            name: Located::new(name.to_owned(), 0..0),
            value: Located::new(SettingValue::Number(tag), 0..0),
        };
        let (issuer, serial) = ("tvs.query_issuer_tag", "tvs.query_serial_tag");
        let (roles, ttl) = ("tvs.answer_roles_tag", "tvs.answer_ttl_tag");
        for fine in [
            vec![],
            vec![set(issuer, 5), set(serial, 4)],
            vec![set(roles, 10), set(ttl, 8)],
        ] {
            assert_eq!(Rules.clash(&fine), None, "{fine:?}");
        }
        for (settings, index, why) in [
            (
                vec![set(issuer, 5)],
                0,
                "`tvs.query_issuer_tag` and `tvs.query_serial_tag` are both tag 5",
            ),
            (
                vec![set(ttl, 6), set("tftp.retries", 6), set(issuer, 6)],
                2,
                "`tvs.query_issuer_tag` and `tvs.answer_ttl_tag` are both tag 6",
            ),
            (
                vec![set(ttl, 10), set(roles, 7)],
                1,
                "`tvs.answer_roles_tag` is 7, which is the tag of the status",
            ),
        ] {
            assert_eq!(Rules.clash(&settings), Some((index, why.to_owned())));
        }
    }

    #[test]
    fn a_clash_is_shown_where_it_was_written() {
        let text = include_str!("../../testdata/scenarios/rules/mixed.toml");
        let file = format!("{text}\n[settings]\n\"tvs.answer_ttl_tag\" = 10\n");
        let mut scenario = parse("mixed.toml", &file, &Rules).unwrap();
        let sets = ["tftp.retries=2", "tvs.answer_roles_tag=10"].map(str::to_owned);
        let errors = apply_overrides(&mut scenario, None, &sets, &Rules).unwrap_err();
        let shown = errors[0].to_string();
        assert!(shown.contains("are both tag 10"), "{shown}");
        assert!(shown.contains("tvs.answer_roles_tag=10"), "{shown}");

        let file = format!("{file}\"tvs.query_serial_tag\" = 10\n");
        let errors = parse("mixed.toml", &file, &Rules).unwrap_err();
        let shown: String = errors.iter().map(ToString::to_string).collect();
        assert!(
            shown.contains("`tvs.query_serial_tag` and `tvs.answer_ttl_tag`"),
            "{shown}"
        );
    }
}
