//! The answer, put together of its parts.

use std::collections::BTreeMap;

use super::args::CheckArgs;
use crate::check::answer::{Answer, Condition, Fate, Group, RestsOn, State};
use crate::check::basis::weaker;
use crate::check::conditions;
use crate::check::evidence::Sides;
use crate::check::groups::{Asked, groups};
use crate::check::load::{Demand, Rates, load};
use crate::check::predict::{Move, Prediction, predict};
use crate::cli::args::Setting;
use crate::cli::exit_code::ExitCode;
use crate::time::UnixSeconds;
use crate::trust::rules::Settings;

/// Says what becomes of the phones. `notes` are what was concluded rather than read, and
/// what else is to be known; `guess` is what every fate rests on that nobody read.
pub(super) fn answer(
    sides: &Sides,
    phones: &[Asked],
    (plan, guess): (&Move, Option<&str>),
    args: &CheckArgs,
    now: UnixSeconds,
    notes: Vec<String>,
) -> Answer {
    let mut rules = Settings::default();
    Setting::apply_all(&args.set, &mut rules);
    let mut groups = groups(sides, phones, plan, &rules);
    if let Some(guess) = guess {
        groups.iter_mut().for_each(|group| assume(group, guess));
    }
    let unread = guess.map(|guess| Condition {
        name: conditions::OPTION_150,
        about: "nodes that it is taken not to name".into(),
        state: State::Unknown,
        text: format!("{guess}: nobody read whether TFTP runs there"),
        fix: Some(
            "say what it will name with --option-150, or give `utils service list` of these nodes"
                .into(),
        ),
        basis: "assumed",
    });
    let conditions = conditions::all(sides, plan, phones, now, &groups).into_iter();
    let conditions = conditions.chain(unread);
    let name = |n: usize| sides.sides.get(n).map(|s| s.name.clone());
    let last = sides.sides.len().saturating_sub(1);
    let server = |address: &std::net::Ipv4Addr| match sides.at(*address) {
        Some(at) => sides.node(at).map(|n| n.name.clone()).unwrap_or_default(),
        None => address.to_string(),
    };
    let failures = sides.sides.iter().flat_map(|side| {
        let told = |f: &String| format!("{}: {f}", side.name);
        side.failures.iter().map(told)
    });
    Answer {
        from: name(0).unwrap_or_default(),
        to: name(last).unwrap_or_default(),
        option_150: plan.option_150.iter().map(server).collect(),
        conditions: conditions.collect(),
        load: demand(sides, phones, &groups, plan, args),
        failures: failures.collect(),
        notes,
        groups,
    }
}

/// Lets a fate and a fix rest on a guess too.
fn assume(group: &mut Group, guess: &str) {
    let of_fix = group.fix.as_mut().map(|fix| &mut fix.rests_on);
    for found in of_fix.into_iter().chain([&mut group.rests_on]) {
        let guess = RestsOn {
            basis: "assumed",
            rules: vec![guess.to_owned()],
        };
        *found = found.take().map(|found| weaker(found, guess));
    }
}

/// What the move asks of the nodes: of each group one phone stands for all.
fn demand(
    sides: &Sides,
    phones: &[Asked],
    groups: &[Group],
    plan: &Move,
    args: &CheckArgs,
) -> crate::check::answer::Load {
    let mut rates = Rates::default();
    for rate in &args.rate_of {
        // It was checked when it was read.
        let _ = rates.state(rate);
    }
    let by_name: BTreeMap<&str, &Asked> = phones.iter().map(|p| (&p.name[..], p)).collect();
    let first = |group: &Group| {
        let phone = group.phones.first().and_then(|name| by_name.get(&name[..]));
        let subject = phone.and_then(|p| p.subject.as_ref().ok());
        let predicted = subject.map(|subject| predict(sides, subject, plan));
        (group.phones.len(), predicted)
    };
    let predicted: Vec<(usize, Option<Prediction>)> = groups.iter().map(first).collect();
    let demands = predicted.iter().map(|(phones, predicted)| Demand {
        // A number of phones fits.
        phones: u64::try_from(*phones).unwrap_or(u64::MAX),
        events: predicted.as_ref().map_or(&[], |p| &p.events),
        is_cut_off: predicted.as_ref().is_none_or(|p| p.gap.is_some()),
    });
    let settings = phones.iter().find_map(|p| p.subject.as_ref().ok());
    let settings = settings.map(|s| s.setup.settings.clone());
    let demands: Vec<_> = demands.collect();
    load(sides, &demands, &settings.unwrap_or_default(), &rates)
}

/// What it says to the shell.
pub(super) fn exit_code(answer: &Answer) -> ExitCode {
    let mut code = match answer.failures.is_empty() {
        true => ExitCode::Good,
        false => ExitCode::Unreachable,
    };
    for group in &answer.groups {
        code = code.worst(match group.fate {
            Fate::FollowsDirectly | Fate::FollowsThroughTvs => ExitCode::Good,
            Fate::RegistersUntrusted | Fate::Stranded => ExitCode::Negative,
            Fate::Unknown => ExitCode::Unreachable,
        });
    }
    if answer.groups.is_empty() {
        return code.worst(ExitCode::Unreachable);
    }
    code
}
