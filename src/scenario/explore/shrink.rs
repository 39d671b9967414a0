//! Making a failing world smaller while it still fails the same way: fewer clusters, phones, nodes,
//! steps, settings and keys of steps. What is left is what a person has to understand.

use super::draft::{Draft, StepDraft};

/// Worlds that are tried for one failing world. Each round takes away what it can, so that few
/// rounds do; a world that is still large after this many is shown as it is.
const MAX_TRIALS: usize = 600;

/// The smallest draft that was found for which `fails` is still true. `fails` is true of `draft`.
pub fn shrink(draft: &Draft, fails: &mut dyn FnMut(&Draft) -> bool) -> Draft {
    let mut best = draft.clone();
    let mut left = MAX_TRIALS;
    loop {
        let mut smaller = false;
        for cut in [
            runs_of_steps,
            clusters,
            nodes,
            phones,
            settings,
            services,
            plain,
            keys,
        ] {
            let mut at = 0;
            // A candidate that fails takes the place of the draft: the next one at this place is
            // made from it.
            while let Some(candidate) = cut(&best, at) {
                if left == 0 {
                    return best;
                }
                if candidate == best {
                    at += 1;
                    continue;
                }
                left -= 1;
                if fails(&candidate) {
                    best = candidate;
                    smaller = true;
                } else {
                    at += 1;
                }
            }
        }
        if !smaller {
            return best;
        }
    }
}

/// The draft without a run of steps: halves first, then quarters, then each step alone, the last
/// first. None when all runs are through.
fn runs_of_steps(draft: &Draft, mut at: usize) -> Option<Draft> {
    let count = draft.steps.len();
    let mut size = count.div_ceil(2);
    while size > 0 {
        let runs = count.div_ceil(size);
        if at < runs {
            let end = count - at * size;
            let start = end.saturating_sub(size);
            let mut smaller = draft.clone();
            smaller.steps.drain(start..end);
            return Some(smaller);
        }
        at -= runs;
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    None
}

fn clusters(draft: &Draft, at: usize) -> Option<Draft> {
    let cluster = draft.clusters.get(at)?;
    let mut smaller = draft.clone();
    smaller.clusters.remove(at);
    smaller.phones.retain(|group| group.cluster != cluster.id);
    forget(&mut smaller, &cluster.id);
    for node in &cluster.nodes {
        forget(&mut smaller, &node.name);
    }
    Some(smaller)
}

fn nodes(draft: &Draft, at: usize) -> Option<Draft> {
    let (cluster, node) = draft.nodes().nth(at)?;
    let mut smaller = draft.clone();
    smaller.clusters[cluster]
        .nodes
        .retain(|n| n.name != node.name);
    forget(&mut smaller, &node.name);
    Some(smaller)
}

/// Without a group; then each group with one phone.
fn phones(draft: &Draft, at: usize) -> Option<Draft> {
    let mut smaller = draft.clone();
    let groups = draft.phones.len();
    if at < groups {
        let group = smaller.phones.remove(at);
        forget(&mut smaller, &group.name);
        return Some(smaller);
    }
    let group = smaller.phones.get_mut(at - groups)?;
    group.count = 1;
    Some(smaller)
}

fn settings(draft: &Draft, at: usize) -> Option<Draft> {
    let mut smaller = draft.clone();
    (at < smaller.settings.len()).then(|| smaller.settings.remove(at))?;
    Some(smaller)
}

/// Without a service of a node.
fn services(draft: &Draft, at: usize) -> Option<Draft> {
    let mut places = Vec::new();
    for (c, cluster) in draft.clusters.iter().enumerate() {
        for (n, node) in cluster.nodes.iter().enumerate() {
            places.extend((0..node.services.len()).map(|s| (c, n, s)));
        }
    }
    let &(cluster, node, service) = places.get(at)?;
    let mut smaller = draft.clone();
    smaller.clusters[cluster].nodes[node]
        .services
        .remove(service);
    Some(smaller)
}

/// With the plainest phones and clusters.
fn plain(draft: &Draft, at: usize) -> Option<Draft> {
    let mut smaller = draft.clone();
    let groups = draft.phones.len();
    if let Some(group) = smaller.phones.get_mut(at) {
        group.security = None;
        group.lsc = false;
        group.model = "CP-8861";
        return Some(smaller);
    }
    let cluster = smaller.clusters.get_mut(at - groups)?;
    if cluster.rollback {
        cluster.rollback = false;
    } else {
        cluster.mixed = false;
    }
    Some(smaller)
}

/// Without a key of a step, so that the step comes at once, to all phones, or with fewer faults. A
/// step that lacks a key which it needs is no scenario, and does not fail the same way.
fn keys(draft: &Draft, at: usize) -> Option<Draft> {
    let steps = draft.steps.iter().enumerate();
    let mut places = steps.flat_map(|(s, step)| (0..step.keys.len()).map(move |k| (s, k)));
    let (step, key) = places.nth(at)?;
    let mut smaller = draft.clone();
    smaller.steps[step].keys.remove(key);
    Some(smaller)
}

/// Takes a name out of all steps.
fn forget(draft: &mut Draft, name: &str) {
    let steps = draft.steps.iter();
    draft.steps = steps
        .filter_map(|step: &StepDraft| step.without(name))
        .collect();
}

#[cfg(test)]
mod tests {
    use super::super::generate::generate;
    use super::*;
    use crate::scenario::{Rules, parse};

    #[test]
    fn what_is_left_fails_still_and_is_small() {
        let is_scenario = |d: &Draft| parse("w", &d.to_toml(), &Rules).is_ok();
        let has = |d: &Draft, verb: &str| d.steps.iter().any(|s| s.verb == verb);
        let mut shrunk = 0;
        for world in 0..60 {
            let draft = generate(world);
            let mut fails =
                |d: &Draft| is_scenario(d) && has(d, "set-option-150") && has(d, "power-cut");
            if !fails(&draft) {
                continue;
            }
            shrunk += 1;
            let small = shrink(&draft, &mut fails);
            assert!(fails(&small));
            assert_eq!(small.steps.len(), 2, "{}", small.to_toml());
            // A step each may be of another group of phones.
            assert!(small.phone_count() <= 2, "{}", small.to_toml());
            // The phone's cluster and, where option 150 names another, that one's node and publisher.
            assert!(small.clusters.len() <= 2, "{}", small.to_toml());
            assert!(small.nodes().count() <= 3, "{}", small.to_toml());
            assert!(small.settings.is_empty());
        }
        assert!(shrunk > 10);
    }

    /// What is put off, and to whom it happens, is left out where it does not matter.
    #[test]
    fn keys_that_do_not_matter_go() {
        let is_scenario = |d: &Draft| parse("w", &d.to_toml(), &Rules).is_ok();
        let mut shrunk = 0;
        for world in 0..200 {
            let draft = generate(world);
            let late = |s: &StepDraft| s.verb == "set-link" && s.has("after");
            let Some(index) = draft.steps.iter().position(late) else {
                continue;
            };
            shrunk += 1;
            let is_kept = draft.steps[index].has("loss");
            let kept = |d: &Draft| {
                let mut links = d.steps.iter().filter(|s| s.verb == "set-link");
                links.any(|s| s.has("loss") == is_kept)
            };
            let small = shrink(&draft, &mut |d| is_scenario(d) && kept(d));
            let [step] = &small.steps[..] else {
                panic!("{}", small.to_toml());
            };
            assert_eq!(step.keys.len(), 1, "{}", small.to_toml());
        }
        assert!(shrunk > 5);
    }

    #[test]
    fn shrinking_is_bounded() {
        let mut trials = 0;
        shrink(&generate(3), &mut |_| {
            trials += 1;
            false
        });
        assert!(trials < MAX_TRIALS);
    }
}
