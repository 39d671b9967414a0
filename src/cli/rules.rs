//! `trustline rules`.

use super::args::{Format, RulesArgs};
use super::exit_code::ExitCode;
use super::output::Output;
use crate::phone::profile::Profile;
use crate::report::rules as report;
use crate::report::text::did_you_mean;
use crate::trust::rules::{RULES, Rule};

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

/// The rules of these names and areas, in the registry's order; all of them for none.
fn select(names: &[String]) -> Result<Vec<&'static Rule>, Vec<String>> {
    let means = |name: &str, rule: &Rule| name == rule.name || name == report::area(rule);
    let wrong: Vec<_> = names
        .iter()
        .filter(|name| !RULES.iter().any(|r| means(name, r)))
        .map(|name| {
            let known = RULES.iter().flat_map(|r| [r.name, report::area(r)]);
            format!("no rule or area {name}{}", did_you_mean(name, known))
        })
        .collect();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(RULES
        .iter()
        .filter(|r| names.is_empty() || names.iter().any(|n| means(n, r)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_areas_select() {
        let names = |of: &[&str]| {
            let of: Vec<_> = of.iter().map(ToString::to_string).collect();
            select(&of).map(|rules| rules.iter().map(|r| r.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["tvs.miss"]), Ok(vec!["tvs.miss"]));
        assert_eq!(names(&[]).unwrap().len(), RULES.len());
        let tvs = names(&["tvs", "list.equal"]).unwrap();
        assert!(
            tvs.contains(&"tvs.miss") && tvs[0] == "list.equal",
            "{tvs:?}"
        );
        let wrong = names(&["tvs.mis", "tvs"]).unwrap_err();
        assert_eq!(wrong, ["no rule or area tvs.mis; did you mean tvs.miss?"]);
    }
}
