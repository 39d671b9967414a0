//! How long an answer of TVS counts.

use std::sync::Arc;
use std::time::Duration;

use trustline::event::Kind;
use trustline::phone::TvsInput;
use trustline::phone::flash::CONFIG;

use crate::bench::{Before, Input};

/// Damaged ITL, sound configuration, one signer: the second question is one for the cache.
fn asked_with(ttl_secs: u32, pace: Duration) -> (usize, bool) {
    let before = Before::phone_of("second-tftp-node-damaged", 2);
    let mut bench = before.boot();
    bench.pace = pace;
    bench.run(&mut |_, replies| {
        for reply in replies {
            if let Input::Tvs {
                input: TvsInput::Bytes(bytes),
                ..
            } = reply
            {
                // The life time stands at the end.
                let at = bytes.len() - 4;
                bytes[at..].copy_from_slice(&ttl_secs.to_be_bytes());
            }
        }
    });
    let accepted = bench.count(|k| matches!(k, Kind::ConfigAccepted { .. })) == 1;
    (bench.asked_tvs(), accepted)
}

#[test]
fn answers_are_kept_for_their_time() {
    let fast = Duration::from_millis(1);
    assert_eq!(asked_with(86_400, fast), (1, true), "kept");
    assert_eq!(asked_with(u32::MAX, fast), (1, true), "kept for ever");
    // An answer that may not be kept is still the answer to this question.
    assert_eq!(asked_with(0, fast), (2, true), "not kept");
    // One second; each datagram takes longer.
    assert_eq!(
        asked_with(1, Duration::from_millis(400)),
        (2, true),
        "run out"
    );
}

/// A changed list throws kept answers away (Cisco 118893).
#[test]
fn a_new_list_flushes_the_cache() {
    let asked = |flush: i64| {
        let mut before = Before::of("role-missing-asks-tvs");
        before.set("tvs.cache_flush", flush);
        let mut bench = before.boot();
        bench.run(&mut |_, _| {});
        let flushed = bench.count(|k| matches!(k, Kind::TvsCacheFlushed { .. }));
        (bench.asked_tvs(), flushed)
    };
    // CTL and ITL have different signers, so both ask either way.
    assert_eq!(asked(0), (2, 2));
    assert_eq!(asked(1), (2, 0));
}

#[test]
fn a_kept_answer_is_used_in_the_next_boot_only_by_setting() {
    let mut before = Before::phone_of("second-tftp-node-damaged", 2);
    for (value, asked_again) in [(0, 1), (1, 0)] {
        before.set("tvs.cache_survives_boot", value);
        let mut first = before.boot();
        first.run(&mut |_, _| {});
        assert_eq!(first.asked_tvs(), 1);
        let mut flash = first.flash.clone();
        // Its old configuration again, so that it still asks the same servers.
        flash.put(CONFIG, Arc::clone(before.old.get(CONFIG).unwrap()));
        let mut second = before.boot_from(flash);
        second.run(&mut |_, _| {});
        assert_eq!(second.asked_tvs(), asked_again, "setting {value}");
    }
}
