//! Whatever happens at any moment, and whatever flash holds.

use std::collections::VecDeque;
use std::time::Duration;

use trustline::cluster::Registration;
use trustline::event::Kind;
use trustline::phone::Flash;
use trustline::phone::Profile;
use trustline::phone::TvsInput;
use trustline::rng::Rng;
use trustline::time::Time;
use trustline::trust::reason::{Code, Reason};

use crate::bench::{Before, ITL, Input, LONGEST};

/// Nobody answers any more from the n-th reply on: timers alone bring the boot to its end.
#[test]
fn silence_at_every_moment_ends_in_time() {
    for name in ["non-secure-migration", "secure-migration"] {
        let before = Before::of(name);
        let new = before.new_flash();
        let mut total = 0;
        before.boot().run(&mut |_, replies| total += replies.len());
        assert!(total > 20);
        for silent_from in 0..total {
            let mut seen = 0;
            let mut bench = before.boot();
            bench.run(&mut |_, replies| {
                // Who is asked to register has no timer in the phone, so it is refused.
                for reply in replies.iter_mut() {
                    if seen >= silent_from
                        && let Input::Registered(answer) = reply
                    {
                        *answer = Registration::NoAnswer;
                    }
                }
                replies.retain(|reply| {
                    seen += 1;
                    seen <= silent_from || matches!(reply, Input::Registered(_))
                });
            });
            bench.assert_old_or_new(&before, &new, &format!("{name}, {silent_from}"));
        }
    }
}

/// Timers called at any time change nothing.
#[test]
fn a_nervous_driver_changes_nothing() {
    let before = Before::of("secure-migration");
    let new = before.new_flash();
    let mut bench = before.boot();
    let mut inbox: VecDeque<Input> = VecDeque::new();
    while !bench.phone.is_over() {
        while let Some(output) = bench.phone.poll_output() {
            inbox.extend(bench.honest(&output));
        }
        bench.now += Duration::from_micros(250);
        bench.phone.handle_timeout(bench.now);
        if let Some(input) = inbox.pop_front() {
            bench.feed(input);
        }
        assert!(bench.now.since(Time::ZERO) < LONGEST);
    }
    bench.assert_migrated(&new, "nervous");
    assert_eq!(bench.asked_tvs(), 1);
}

/// Everything at once: inputs flipped, dropped, doubled, swapped and late, over all firmwares.
#[test]
fn whatever_comes_only_trusted_lists_are_installed() {
    for name in [
        "non-secure-migration",
        "secure-migration",
        "certificates-not-imported",
    ] {
        let mut before = Before::of(name);
        let new = before.new_flash();
        for seed in 0..60 {
            let mut rng = Rng::stream(seed, name);
            let profiles = trustline::phone::profile::PROFILES;
            before.setup.profile = Profile::named(profiles[seed as usize % 3].name).unwrap();
            let mut late = Vec::new();
            let mut bench = before.boot();
            bench.run(&mut |_, replies| {
                replies.append(&mut late);
                for reply in std::mem::take(replies) {
                    match (rng.below(20), reply) {
                        (_, Input::Registered(_)) => {
                            let answer = match rng.below(4) {
                                0 | 1 => Registration::Accepted,
                                2 => Registration::NoAnswer,
                                _ => Registration::Refused(Reason::new(
                                    Code::LscNotTrusted,
                                    "not trusted",
                                )),
                            };
                            replies.push(Input::Registered(answer));
                        }
                        (0, _) => {}
                        (1, reply) => replies.extend([reply.clone(), reply]),
                        (2, reply) => late.push(reply),
                        (3, mut reply) => {
                            if let Input::Datagram { bytes, .. }
                            | Input::Tvs {
                                input: TvsInput::Bytes(bytes),
                                ..
                            } = &mut reply
                                && !bytes.is_empty()
                            {
                                let at = rng.below(bytes.len() as u64) as usize;
                                bytes[at] ^= 1 << rng.below(8);
                            }
                            replies.push(reply);
                        }
                        (4, reply) => replies.insert(0, reply),
                        (_, reply) => replies.push(reply),
                    }
                }
            });
            bench.assert_old_or_new(&before, &new, &format!("{name}, seed {seed}"));
        }
    }
}

/// Flash can hold anything; what cannot be read counts as absent.
#[test]
fn rubbish_in_flash_is_survived() {
    let before = Before::of("secure-migration");
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut flash = Flash::default();
        for (name, bytes) in before.old.files() {
            let mut bytes = bytes.to_vec();
            match rng.below(4) {
                0 => bytes.truncate(rng.below(bytes.len() as u64) as usize),
                1 => rng.fill(&mut bytes),
                2 => {
                    let at = rng.below(bytes.len() as u64) as usize;
                    bytes[at] ^= 1 << rng.below(8);
                }
                _ => {}
            }
            flash.put(name, bytes.into());
        }
        flash.put("ITLFile.tlv.new", b"torn"[..].into());
        let mut bench = before.boot_from(flash);
        bench.run(&mut |_, _| {});
        assert_eq!(bench.flash.unfinished(), [""; 0], "seed {seed}");
    }
}

/// A phone whose only list is damaged says so, and takes none on faith.
#[test]
fn a_damaged_list_in_flash_has_a_reason_of_its_own() {
    let before = Before::of("non-secure-migration");
    let mut flash = before.old.clone();
    flash.put(ITL, b"rubbish"[..].into());
    let mut bench = before.boot_from(flash);
    bench.run(&mut |_, _| {});
    let refused = bench.events.iter().find_map(|kind| match kind {
        Kind::ListRefused { reasons, .. } => reasons.last(),
        _ => None,
    });
    assert_eq!(refused.unwrap().code, "installed-list-damaged");
}
