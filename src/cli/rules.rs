//! `trustline rules`.

use super::args::{Format, RulesArgs};
use super::exit_code::ExitCode;
use super::output::Output;
use crate::phone::profile::Profile;
use crate::provisioning::settings::TABLE;
use crate::report::rules::{self as report, Item};
use crate::report::text::did_you_mean;
use crate::trust::rules::RULES;

/// Lists rules.
pub fn run(args: &RulesArgs, output: &Output) -> ExitCode {
    let rules = match select(&args.names) {
        Ok(rules) => rules,
        Err(wrong) => {
            for text in wrong {
                output.error(&text);
            }
            output.note("`trustline rules` without a name lists them all");
            return ExitCode::Usage;
        }
    };
    let profile = args.profile.as_deref().and_then(Profile::named);
    output.result(&match args.format {
        Format::Human => report::human(&rules, profile, output.paint()),
        Format::Json => report::json(&rules, profile),
    });
    ExitCode::Good
}

/// All that can be set, in the registry's order; the settings of multiplatform phones come last.
fn all() -> impl Iterator<Item = Item> {
    let rules = RULES.iter().map(Item::Rule);
    rules.chain(TABLE.iter().map(Item::Provisioning))
}

/// The rules of these names and areas, in their order; all of them for none.
fn select(names: &[String]) -> Result<Vec<Item>, Vec<String>> {
    let means = |name: &str, item: &Item| name == item.name() || name == item.area();
    let wrong: Vec<_> = names
        .iter()
        .filter(|name| !all().any(|item| means(name, &item)))
        .map(|name| {
            let known = all().flat_map(|item| [item.name(), item.area()]);
            format!("no rule or area {name}{}", did_you_mean(name, known))
        })
        .collect();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(all()
        .filter(|item| names.is_empty() || names.iter().any(|n| means(n, item)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_areas_select() {
        let names = |of: &[&str]| {
            let of: Vec<_> = of.iter().map(ToString::to_string).collect();
            select(&of).map(|rules| rules.iter().map(Item::name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["tvs.miss"]), Ok(vec!["tvs.miss"]));
        assert_eq!(names(&[]).unwrap().len(), RULES.len() + TABLE.len());
        assert_eq!(names(&["provision"]).unwrap().len(), TABLE.len());
        let tvs = names(&["tvs", "list.equal"]).unwrap();
        assert!(
            tvs.contains(&"tvs.miss") && tvs[0] == "list.equal",
            "{tvs:?}"
        );
        let wrong = names(&["tvs.mis", "tvs"]).unwrap_err();
        assert_eq!(wrong, ["no rule or area tvs.mis; did you mean tvs.miss?"]);
    }
}
