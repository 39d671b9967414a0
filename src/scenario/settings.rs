//! Settings and parameters: names with values that the scenario format does not know itself.

use std::fmt;

use super::diagnostic::{Diagnostic, Located, Span, listed, quote, similar};
use super::model::Scenario;

/// The value of a setting or of an enterprise parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// A word of a closed list.
    Word(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// A setting or an enterprise parameter, with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name: `tvs.miss`, `prepare-cluster-for-rollback`. In a value from the command line the
    /// place is one in the argument.
    pub name: Located<String>,
    /// Its value.
    pub value: Located<SettingValue>,
}

/// The names that a scenario may use although its format does not list them.
pub trait Registry {
    /// Whether the setting `name`, one of [`Self::names`], may have this value.
    ///
    /// # Errors
    ///
    /// Says in a few words why not, and what it may be.
    fn check(&self, name: &str, value: &SettingValue) -> Result<(), String>;

    /// Two settings whose values cannot go together, or one whose value does not go with what is
    /// fixed: the index of the later one and what is wrong. Each value by itself was checked.
    fn clash(&self, _settings: &[Setting]) -> Option<(usize, String)> {
        None
    }

    /// Names of all settings, as `area.name`.
    fn names(&self) -> Vec<&'static str>;

    /// Whether the enterprise parameter `name`, one of [`Self::parameter_names`], may have this
    /// value.
    ///
    /// # Errors
    ///
    /// Says in a few words why not, and what it may be.
    fn check_parameter(&self, name: &str, value: &SettingValue) -> Result<(), String>;

    /// Names of all enterprise parameters that a cluster may have.
    fn parameter_names(&self) -> Vec<&'static str>;

    /// Reason codes that a verdict may give.
    fn reason_codes(&self) -> Vec<&'static str>;

    /// Kinds of events.
    fn event_kinds(&self) -> Vec<&'static str>;

    /// Names of the fields of a kind of event; none where they are not known, and so not checked.
    fn event_fields(&self, _kind: &str) -> Option<Vec<&'static str>> {
        None
    }
}

/// Lets the command line win over the file: `seed` is the argument of `--seed`, each of `sets` one
/// of `--set area.name=value`; of two for the same setting the later wins.
///
/// # Errors
///
/// Every argument that is wrong, each shown with its option. The scenario is then unchanged.
pub fn apply_overrides(
    scenario: &mut Scenario,
    seed: Option<&str>,
    sets: &[String],
    registry: &dyn Registry,
) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut new_seed = scenario.seed;
    if let Some(argument) = seed {
        match argument.parse() {
            Ok(seed) => new_seed = seed,
            Err(_) => errors.push(
                Diagnostic::in_argument(
                    "--seed",
                    argument,
                    Span {
                        start: 0,
                        end: argument.len(),
                    },
                    "a seed is a whole number",
                )
                .with_label(format!("0 to {}", u64::MAX)),
            ),
        }
    }
    let mut settings = scenario.settings.clone();
    for argument in sets {
        match read_argument(argument, registry) {
            Ok(setting) => {
                settings.retain(|other| other.name.value != setting.name.value);
                settings.push(setting);
            }
            Err(error) => errors.push(error),
        }
    }
    // The file's own settings go together, so what clashes came from an argument.
    if errors.is_empty()
        && let Some((index, why)) = registry.clash(&settings)
        && let Some(setting) = settings.get(index)
    {
        let of_setting = |a: &&String| a.split('=').next() == Some(setting.name.value.as_str());
        let argument = sets.iter().rfind(of_setting).map_or("", String::as_str);
        errors.push(Diagnostic::in_argument(
            "--set",
            argument,
            setting.value.span,
            why,
        ));
    }
    if errors.is_empty() {
        scenario.seed = new_seed;
        scenario.settings = settings;
        Ok(())
    } else {
        Err(errors)
    }
}

/// Reads the argument of one `--set`.
fn read_argument(argument: &str, registry: &dyn Registry) -> Result<Setting, Diagnostic> {
    let error =
        |span: Span, message: String| Diagnostic::in_argument("--set", argument, span, message);
    let Some((name, text)) = argument.split_once('=') else {
        let all = Span {
            start: 0,
            end: argument.len(),
        };
        return Err(error(all, "a setting needs a value".to_owned())
            .with_label("write --set area.name=value"));
    };
    let name_span = Span {
        start: 0,
        end: name.len(),
    };
    let value_span = Span {
        start: name.len() + 1,
        end: argument.len(),
    };
    let names = registry.names();
    if !names.contains(&name) {
        let error = error(name_span, format!("unknown setting {}", quote(name)));
        return Err(match similar(name, names.iter().copied()) {
            Some(known) => error.with_label(format!("did you mean `{known}`?")),
            None => error.with_help(format!("known settings: {}", listed(&names))),
        });
    }
    // A shell has no types: a word that looks like a number or a flag is first taken for one.
    let literal = match text {
        "true" => Some(SettingValue::Flag(true)),
        "false" => Some(SettingValue::Flag(false)),
        _ => text.parse().ok().map(SettingValue::Number),
    };
    let word = SettingValue::Word(text.to_owned());
    let mut refusal = None;
    for value in literal.into_iter().chain([word]) {
        match registry.check(name, &value) {
            Ok(()) => {
                return Ok(Setting {
                    name: Located::new(name.to_owned(), name_span),
                    value: Located::new(value, value_span),
                });
            }
            Err(why) => {
                refusal.get_or_insert(why);
            }
        }
    }
    Err(
        error(value_span, format!("{} does not fit `{name}`", quote(text)))
            .with_label(refusal.unwrap_or_default()),
    )
}
