//! The power fails before, inside and after every write to flash of a migrating boot, once and
//! twice in a row. Whatever the moment: each file is the old one or the new one, byte for byte, no
//! list is lost, and the phone boots again by itself and ends migrated.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::sync::Arc;

use trustline::event::{Event, Kind};
use trustline::phone::flash::STATE;
use trustline::phone::power::{BootEnd, Booting, Cut, Moment, Torn, WhichWrite};
use trustline::phone::{BootCause, Flash, Pace, PhoneSetup};
use trustline::scenario::model::Action;
use trustline::scenario::run::{Rehearsed, rehearse};
use trustline::scenario::{self, Network, Rules};
use trustline::sim::World;

const CTL: &str = "CTLFile.tlv";
const ITL: &str = "ITLFile.tlv";

/// One boot.
struct Boot {
    flash: Flash,
    end: BootEnd,
    events: Vec<Event>,
}

impl Boot {
    fn asked_tvs(&self) -> usize {
        self.count(|k| matches!(k, Kind::TvsAsked { .. }))
    }

    fn count(&self, wanted: impl Fn(&Kind) -> bool) -> usize {
        self.events.iter().filter(|e| wanted(&e.kind)).count()
    }

    /// Operations on flash: name and bytes written, none where it writes no bytes.
    fn operations(&self) -> Vec<(u32, Option<usize>)> {
        let operation = |e: &Event| match &e.kind {
            Kind::FlashWrite {
                write,
                operation,
                bytes,
                ..
            } => Some((*write, (operation == "write").then_some(*bytes))),
            _ => None,
        };
        self.events.iter().filter_map(operation).collect()
    }
}

/// A phone that is about to migrate.
struct Before {
    rehearsed: Rehearsed,
    setup: PhoneSetup,
    old: Flash,
}

impl Before {
    /// The scenario up to the reset.
    fn of(name: &str) -> Self {
        let file = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&file).unwrap();
        let mut scenario = scenario::parse(&file, &text, &Rules).unwrap();
        let last = scenario.steps.pop().unwrap();
        assert!(matches!(last.action, Action::ResetPhones { .. }));
        let sink = &mut |_: &Event| {};
        let rehearsed = rehearse(&scenario, Network::Sim, Pace::Real, None, sink).unwrap();
        let phone = &rehearsed.phones[0];
        let (setup, old) = (phone.setup.clone(), phone.flash.clone());
        Self {
            rehearsed,
            setup,
            old,
        }
    }

    fn boot(&self, cause: BootCause, flash: &Flash, cut: Option<Cut>) -> Boot {
        let mut events = Vec::new();
        let setup = PhoneSetup {
            cause,
            ..self.setup.clone()
        };
        let booting = Booting {
            setup,
            flash: flash.clone(),
            cut,
        };
        let mut world = World::new(Arc::clone(&self.rehearsed.lab), 1);
        let booted = world.boot(vec![booting], &mut |e| events.push(e)).remove(0);
        Boot {
            flash: booted.flash,
            end: booted.end,
            events,
        }
    }
}

/// Every cut of these operations, writes torn at several lengths.
fn cuts(operations: &[(u32, Option<usize>)]) -> Vec<Cut> {
    let mut all = Vec::new();
    for &(number, bytes) in operations {
        let mut moments = vec![Moment::Before, Moment::After];
        if let Some(n) = bytes {
            let lengths = [0, 1, n / 2, n - 1, n];
            moments.extend(lengths.map(|kept| Moment::Inside(Torn::Bytes(kept))));
        }
        let write = WhichWrite::Nth(number);
        all.extend(moments.into_iter().map(|at| Cut { write, at }));
    }
    all
}

/// Checks that each file is one of the old or the new, and that no list is lost.
fn assert_old_or_new(flash: &Flash, old: &Flash, new: &Flash, cut: &str) {
    for (name, bytes) in flash.files() {
        // What was being written does not count; the notes hold the time, so they are any whole
        // ones.
        if name.ends_with(".new") {
            continue;
        }
        if name == STATE {
            let whole: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
            assert!(whole.is_ok(), "{cut}: {name} is torn");
            continue;
        }
        let is = |other: &Flash| other.get(name) == Some(bytes);
        assert!(
            is(old) || is(new),
            "{cut}: {name} is neither the old nor the new one"
        );
    }
    for (name, _) in old.files() {
        assert!(flash.get(name).is_some(), "{cut}: {name} is lost");
    }
}

fn assert_migrated(boot: &Boot, new: &Flash, cut: &str) {
    assert_eq!(boot.end, BootEnd::Done, "{cut}");
    for name in [CTL, ITL, trustline::phone::flash::CONFIG] {
        assert!(
            boot.flash.get(name) == new.get(name),
            "{cut}: {name} is not the new one"
        );
    }
    assert_eq!(
        boot.flash.unfinished(),
        [""; 0],
        "{cut}: what was torn is still there"
    );
    let registered = boot.count(
        |k| matches!(k, Kind::Registered { server: Some(server), .. } if server == "dst-pub"),
    );
    assert_eq!(registered, 1, "{cut}");
    let settled = boot.count(|k| matches!(k, Kind::BootEnded { settled: true, .. }));
    assert_eq!(settled, 1, "{cut}");
    assert_eq!(
        boot.count(|k| matches!(k, Kind::FlashDamaged { .. })),
        0,
        "{cut}"
    );
}

/// How many cuts left the new CTL beside the old ITL.
fn cut_everywhere(scenario: &str) -> usize {
    let before = Before::of(scenario);
    let old = &before.old;
    let whole = before.boot(BootCause::Reset, old, None);
    let new = &whole.flash;
    assert_migrated(&whole, new, "no cut");
    assert_eq!(whole.asked_tvs(), 1);
    let has_ctl = new.get(CTL).is_some();
    let cuts = cuts(&whole.operations());
    let files = if has_ctl { 4 } else { 3 };
    assert_eq!(
        whole.operations().len(),
        files * 2,
        "each file is written and renamed"
    );
    let mut new_ctl_old_itl = 0;
    for cut in cuts {
        let text = format!("{scenario}, {cut:?}");
        let dead = before.boot(BootCause::Reset, old, Some(cut));
        assert_eq!(dead.end, BootEnd::PowerCut, "{text}");
        assert_old_or_new(&dead.flash, old, new, &text);
        let again = before.boot(BootCause::Power, &dead.flash, None);
        assert_migrated(&again, new, &text);

        let is_new = |name| dead.flash.get(name) == new.get(name);
        let anchored = if has_ctl { is_new(CTL) } else { is_new(ITL) };
        assert_eq!(again.asked_tvs(), usize::from(!anchored), "{text}");
        if has_ctl && is_new(CTL) && !is_new(ITL) {
            new_ctl_old_itl += 1;
            assert_new_ctl_vouches(&again, &text);
        }
    }
    new_ctl_old_itl
}

/// New CTL, old ITL: the CTL is the installed one, it vouches for the ITL, and nobody is asked.
fn assert_new_ctl_vouches(boot: &Boot, cut: &str) {
    let unchanged = |k: &Kind| matches!(k, Kind::ListUnchanged { list } if list == "CTL");
    assert_eq!(boot.count(unchanged), 1, "{cut}");
    let found = |k: &Kind| match k {
        Kind::SignerLookedUp { file, found_in, .. } => {
            file.starts_with("ITLSEP") && found_in == "installed CTL"
        }
        _ => false,
    };
    assert_eq!(boot.count(found), 1, "{cut}");
    let by_signer = |k: &Kind| match k {
        Kind::ListInstalled { list, how, .. } => list == "ITL" && how == "signer",
        _ => false,
    };
    assert_eq!(boot.count(by_signer), 1, "{cut}");
    assert_eq!(
        boot.count(|k| matches!(k, Kind::TvsConnecting { .. })),
        0,
        "{cut}"
    );
}

#[test]
fn non_secure_migration_survives_every_cut() {
    assert_eq!(cut_everywhere("non-secure-migration"), 0, "there is no CTL");
}

#[test]
fn secure_migration_survives_every_cut() {
    // After the CTL's rename, before, inside (five lengths) and after the ITL's write, and before
    // its rename.
    assert_eq!(cut_everywhere("secure-migration"), 9);
}

/// In the state "new CTL, old ITL" the old TVS can still be asked: the old ITL holds its
/// certificate, and the old configuration its address.
#[test]
fn between_ctl_and_itl_the_old_tvs_is_still_trusted() {
    let before = Before::of("secure-migration");
    let cut = Cut {
        write: WhichWrite::Nth(2),
        at: Moment::After,
    };
    let dead = before.boot(BootCause::Reset, &before.old, Some(cut));
    assert_ne!(dead.flash.get(CTL), before.old.get(CTL));
    assert_eq!(dead.flash.get(ITL), before.old.get(ITL));
    // At home again: the source's CTL is unknown to the new one, and its signer is in the old ITL.
    let source = before.rehearsed.lab().clusters()[0]
        .nodes()
        .next()
        .unwrap()
        .address;
    let home = Before {
        setup: PhoneSetup {
            option_150: vec![source],
            dhcp: None,
            ..before.setup.clone()
        },
        ..before
    };
    let back = home.boot(BootCause::Power, &dead.flash, None);
    assert_eq!(back.end, BootEnd::Done);
    assert_eq!(
        back.flash.get(CTL),
        home.old.get(CTL),
        "it can still go back"
    );
    assert_eq!(back.flash.get(ITL), home.old.get(ITL));
}

#[test]
fn two_cuts_in_a_row_lose_nothing() {
    for scenario in ["non-secure-migration", "secure-migration"] {
        let before = Before::of(scenario);
        let old = &before.old;
        let new = before.boot(BootCause::Reset, old, None);
        let half = Moment::Inside(Torn::Half);
        for &(first, _) in &new.operations() {
            for at in [Moment::Before, half, Moment::After] {
                let cut = Cut {
                    write: WhichWrite::Nth(first),
                    at,
                };
                let dead = before.boot(BootCause::Reset, old, Some(cut));
                assert_eq!(dead.end, BootEnd::PowerCut);
                let whole = before.boot(BootCause::Power, &dead.flash, None);
                for &(second, _) in &whole.operations() {
                    let write = WhichWrite::Nth(second);
                    let next = Cut {
                        write,
                        at: if second % 2 == 0 { half } else { at },
                    };
                    let text = format!("{scenario}, {cut:?}, then {next:?}");
                    let dead = before.boot(BootCause::Power, &dead.flash, Some(next));
                    assert_eq!(dead.end, BootEnd::PowerCut, "{text}");
                    assert_old_or_new(&dead.flash, old, &new.flash, &text);
                    let again = before.boot(BootCause::Power, &dead.flash, None);
                    assert_migrated(&again, &new.flash, &text);
                }
            }
        }
    }
}
