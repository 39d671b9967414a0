//! Generated pairs of clusters: the worlds of the exploration, without what disturbs boots.

use std::sync::atomic::{AtomicU64, Ordering};

use trustline::scenario::explore::{Draft, StepDraft, generate};

use crate::beside::{disagreements, run_soon, scenario};
use crate::fixed::{Fixes, fixes};

/// The world of this number in which nothing disturbs a boot: what a disturbance does is luck, which
/// no look at clusters foresees.
fn calm(world: u64) -> Draft {
    let disturbs = |step: &StepDraft| {
        matches!(step.verb, "set-link" | "clear-links" | "power-cut") || step.has("after")
    };
    let mut draft = generate(world);
    draft.steps.retain(|step| !disturbs(step));
    draft
}

/// Worlds that are looked at together.
const PIECE: u64 = 100;

fn agree(worlds: std::ops::RangeInclusive<u64>) {
    let (mut found, mut boots, mut fixed) = (Vec::new(), 0, Fixes::default());
    for world in worlds.clone() {
        let text = calm(world).to_toml();
        let beside = run_soon(&scenario(&text));
        boots += beside.boots.values().map(Vec::len).sum::<usize>();
        let all = disagreements(&beside, |_, _| false);
        let of_world = fixes(&text, &beside);
        let wrong = of_world.wrong.iter().cloned();
        found.extend(
            all.into_iter()
                .chain(wrong)
                .map(|d| format!("world {world}: {d}")),
        );
        fixed.add(of_world);
        if found.len() > 20 {
            break;
        }
    }
    println!(
        "worlds {} to {}: {boots} boots compared, {} fixes proven and rehearsed, {} with a certificate of the past, {} not proven",
        worlds.start(),
        worlds.end(),
        fixed.proven,
        fixed.by_hand,
        fixed.unproven
    );
    assert!(boots > 0);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn generated_worlds_end_as_predicted() {
    agree(1..=50);
    // Its phones hold a list that no node serves any more, signed by a key that is gone.
    agree(3_967..=3_967);
    // A node serves a damaged list, which a phone without lists takes: it is nobody's.
    agree(376..=376);
    agree(647..=647);
}

/// `just check-pairs`
#[test]
#[ignore = "minutes; `just check-pairs`"]
fn ten_thousand_generated_worlds_end_as_predicted() {
    // In pieces on all cores, so that a long run says how far it is.
    let next = AtomicU64::new(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let first = next.fetch_add(PIECE, Ordering::Relaxed);
                    if first > 10_000 {
                        return;
                    }
                    agree(first..=first + PIECE - 1);
                }
            });
        }
    });
}
