mod table;
mod world;

use super::*;
use crate::check::answer::Fate;
use crate::check::evidence::{Door, Known, Node, Parameters, Side};
use crate::cluster::{ClusterMode, Release};
use crate::phone::Flash;
use crate::phone::flash::CONFIG;
use std::net::Ipv4Addr;
use table::TABLE;
use world::*;

#[test]
fn a_world_in_good_order_has_nothing_bad_and_nothing_unknown() {
    let all = world().exchanged().ask();
    let names: Vec<&str> = {
        let mut names: Vec<_> = all.iter().map(|c| c.name).collect();
        names.dedup();
        names
    };
    assert_eq!(names, NAMES);
    for c in &all {
        // Without groups nobody says who needs the source.
        if c.name != "source-stays-up" {
            assert!(matches!(c.state, State::Good | State::Note), "{c:?}");
        }
        let is_clear = c.state == State::Good || c.state == State::Note || c.fix.is_some();
        assert!(is_clear, "{c:?}");
        assert!(["documented", "inferred", "assumed"].contains(&c.basis));
    }
}

#[test]
fn each_condition_tells_of_its_own_trouble() {
    let mut wrong = Vec::new();
    for (what, change, name, state, word) in TABLE {
        let mut world = world().exchanged();
        change(&mut world);
        let (found, text) = world.of(name);
        if found != *state || !text.contains(word) {
            wrong.push(format!(
                "{what}: expected {state:?} with {word:?}, found {found:?}\n{text}"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[test]
fn every_condition_has_a_bad_or_unknown_case() {
    for name in NAMES {
        // These two depend on dates and fates and have tests of their own; names are a remark at most.
        if ["certificate-dates", "source-stays-up", "dns-names"].contains(name) {
            continue;
        }
        let has = TABLE
            .iter()
            .any(|(_, _, n, state, _)| n == name && matches!(state, State::Bad | State::Unknown));
        assert!(has, "{name}");
    }
}

#[test]
fn what_nobody_read_is_never_good() {
    let empty = World {
        sides: Sides::of(vec![Side::default(), Side::default()]),
        plan: Move {
            option_150: vec![Ipv4Addr::new(10, 1, 2, 1)],
            resets: 1,
        },
        subjects: Vec::new(),
        ..world()
    };
    for c in empty.ask() {
        assert_eq!(c.state, State::Unknown, "{c:?}");
        assert!(c.fix.is_some(), "{c:?}");
    }
    // A node of which only the name is known.
    let mut blind = world();
    for side in &mut blind.sides.sides {
        for node in &mut side.nodes {
            *node = Node {
                name: node.name.clone(),
                address: node.address,
                ..Node::default()
            };
        }
        side.parameters = Parameters::default();
    }
    for c in blind.ask() {
        let of_phones = [
            "phones-lists",
            "certificate-dates",
            "dns-names",
            "lsc-issuer",
        ];
        if !of_phones.contains(&c.name) {
            assert!(matches!(c.state, State::Unknown | State::Note), "{c:?}");
            assert!(
                c.state == State::Unknown || c.name == "nodes-reachable",
                "{c:?}"
            );
        }
    }
}

/// A phone of which nobody read the list is no better news than one whose list is read.
#[test]
fn a_phone_that_nobody_read_drops_out_of_no_condition() {
    let mut less = world().exchanged();
    let lost = less.subjects.pop().unwrap().setup.identity.device;
    assert_eq!(lost, OTHER);
    less.unread.push(OTHER);
    for name in [
        "phones-lists",
        "tvs-certificates",
        "signers-known-to-tvs",
        "certificate-dates",
        "digests",
        "lsc-issuer",
        "dns-names",
    ] {
        let (state, text) = less.of(name);
        assert_eq!(state, State::Unknown, "{name}: {text}");
        assert!(text.contains(OTHER), "{name}: {text}");
    }
    // Whether the destination has it hangs on its name alone.
    let (state, text) = less.of("phones-at-destination");
    assert_eq!(state, State::Good, "{text}");
    assert!(text.contains("all 2 phones"), "{text}");
    for node in &mut less.sides.sides[1].nodes {
        for service in [&mut node.tftp, &mut node.http] {
            service.replies.retain(|name, _| !name.starts_with(OTHER));
        }
    }
    let (state, text) = less.of("phones-at-destination");
    assert_eq!(state, State::Bad, "{text}");
    assert!(text.contains("1 of 2 phones"), "{text}");
    less.unread = vec!["a phone of src-pub"];
    let (state, text) = less.of("phones-at-destination");
    assert_eq!(state, State::Unknown, "{text}");
    // It may ask a TVS that no other phone asks.
    less.unread.clear();
    less.src(1).tvs.door = Known::Yes(Door::Refused);
    for subject in &mut less.subjects {
        let config = subject.flash.get(CONFIG).unwrap();
        let config = String::from_utf8(config.to_vec()).unwrap();
        let config = config.replace("src-sub", "src-pub");
        subject.flash.put(CONFIG, config.into_bytes().into());
    }
    let (state, text) = less.of("nodes-reachable");
    assert_eq!(state, State::Note, "{text}");
    less.unread.push(OTHER);
    let (state, text) = less.of("nodes-reachable");
    assert_eq!(state, State::Unknown, "{text}");
    assert!(text.contains("not every configuration was read"), "{text}");
}

/// That every phone took the empty ITL nobody knows of whom no list was read.
#[test]
fn a_phone_that_nobody_read_may_not_have_the_empty_list() {
    let mut world = world();
    world.sides.sides[0].parameters.prepare_for_rollback = Known::Yes(true);
    for subject in &mut world.subjects {
        let list = subject.flash.get("ITLFile.tlv").unwrap();
        let empty = changed(list, |list| list.records.clear());
        subject.flash.put("ITLFile.tlv", empty.into());
    }
    let (state, text) = world.of("rollback-parameter");
    assert_eq!(state, State::Note, "{text}");
    world.subjects.pop();
    world.unread.push(OTHER);
    let (state, text) = world.of("rollback-parameter");
    assert_eq!(state, State::Unknown, "{text}");
    assert!(text.contains(OTHER), "{text}");
    world.subjects.clear();
    let (state, text) = world.of("rollback-parameter");
    assert_eq!(state, State::Unknown, "{text}");
}

#[test]
fn dates_are_looked_at_before_they_end() {
    let world = world().exchanged();
    let certificates = world.sides.nodes().flat_map(|(_, n)| &n.certificates);
    let end = certificates.map(|(_, c)| c.not_after).min().unwrap();
    let at = |now| of(&world.ask_at(now), "certificate-dates");
    assert_eq!(at(DATE).0, State::Good);
    let (soon, text) = at(end - 20 * 86_400);
    assert_eq!(soon, State::Note, "{text}");
    assert!(text.contains("within 30 days"), "{text}");
    let (over, text) = at(end + 20 * 86_400);
    assert_eq!(over, State::Bad, "{text}");
    assert!(text.contains("phone.ignores_expiry"), "{text}");
    assert!(text.contains("expired on 2025-"), "{text}");
    let (early, text) = at(0);
    assert_eq!(early, State::Bad, "{text}");
    assert!(text.contains("clocks"), "{text}");
    // Far dates do not overflow.
    assert_eq!(at(u64::MAX).0, State::Bad);
}

#[test]
fn in_mixed_mode_the_new_ctl_speaks_for_the_itl() {
    let mut world = made(Release::V12_5, ClusterMode::Mixed);
    for tvs in 0..2 {
        world.vouch(tvs, "dst-pub", &[0]);
    }
    let (state, text) = world.of("signers-known-to-tvs");
    assert_eq!(state, State::Good, "{text}");
    // One ITLRecovery signs all: one line.
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("ITLRecovery of dst-pub"), "{text}");
    let (state, text) = world.of("rollback-parameter");
    assert_eq!(state, State::Good, "{text}");
    world.sides.sides[0].parameters.prepare_for_rollback = Known::Yes(true);
    let (state, text) = world.of("rollback-parameter");
    assert_eq!(state, State::Bad, "{text}");
    assert!(text.contains("phones hold a CTL"), "{text}");
}

#[test]
fn hosts_that_are_names_are_told() {
    let (state, text) = world().of("dns-names");
    assert_eq!(state, State::Note, "{text}");
    assert!(text.contains("dst-pub and dst-sub"), "{text}");
    // A file that nobody signed may name thousands.
    let mut many = world();
    let members: String = (0..2_000)
        .map(|n| format!("<member><callManager><processNodeName>h{n}</processNodeName></callManager></member>"))
        .collect();
    let config = format!(
        "<device><devicePool><callManagerGroup><members>{members}</members></callManagerGroup></devicePool></device>"
    );
    serve(
        many.dst(0),
        "SEP001122334409.cnf.xml",
        file(config.into_bytes()),
    );
    let (_, text) = many.of("dns-names");
    assert!(text.contains("more names") && text.len() < 2_000, "{text}");
    let mut world = world();
    for subject in &mut world.subjects {
        subject.flash = Flash::default();
    }
    let (state, text) = world.of("dns-names");
    assert_eq!(state, State::Unknown, "{text}");
}

#[test]
fn the_source_stays_up_for_those_who_need_it() {
    let group = |fate| Group {
        phones: vec![DEVICE.into(), OTHER.into()],
        models: Vec::new(),
        fate,
        resets: 1,
        reasons: Vec::new(),
        signer: None,
        missing: None,
        rests_on: None,
        fix: None,
        back: None,
        status: Vec::new(),
    };
    let state = |fates: &[Fate]| {
        let groups: Vec<_> = fates.iter().map(|f| group(*f)).collect();
        phones::source_stays_up("src", &groups)
    };
    assert_eq!(state(&[Fate::FollowsDirectly]).state, State::Good);
    let through = state(&[Fate::FollowsDirectly, Fate::FollowsThroughTvs]);
    assert_eq!(through.state, State::Note);
    assert!(
        through.text.contains("2 phones follow through its TVS"),
        "{}",
        through.text
    );
    assert_eq!(state(&[Fate::Stranded]).state, State::Note);
    assert_eq!(
        state(&[Fate::FollowsDirectly, Fate::Unknown]).state,
        State::Unknown
    );
    assert_eq!(state(&[]).state, State::Unknown);
}
