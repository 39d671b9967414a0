//! A witness sees what happens, in order, and changes nothing.

use std::path::PathBuf;

use trustline::cluster::{Lab, NodeId};
use trustline::event::{Event, Kind};
use trustline::phone::power::BootEnd;
use trustline::phone::{Flash, Pace, PhoneSetup};
use trustline::scenario::run::{rehearse, rehearse_watched};
use trustline::scenario::{self, Network, Rules, Scenario};
use trustline::sim::Witness;
use trustline::time::Time;
use trustline::wire::tvs::{Header, Message, Tags};

fn built_in(name: &str) -> Scenario {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    scenario::parse(name, &text, &Rules).unwrap()
}

#[derive(Default)]
struct Notes {
    labs: Vec<usize>,
    boots: Vec<(Time, String, Flash)>,
    writes: usize,
    tvs: Vec<(Vec<u8>, Vec<u8>)>,
    ends: Vec<(Time, String, BootEnd, Flash)>,
    events: Vec<Event>,
    /// The flash of each phone as the operations leave it.
    flash: std::collections::BTreeMap<String, Flash>,
}

impl Witness for Notes {
    fn lab(&mut self, _at: Time, step: usize, lab: &Lab) {
        assert!(!lab.clusters().is_empty());
        self.labs.push(step);
    }

    fn boot(&mut self, at: Time, device: &str, setup: &PhoneSetup, flash: &Flash) {
        assert_eq!(setup.identity.device, device);
        self.boots.push((at, device.to_owned(), flash.clone()));
        self.flash.insert(device.to_owned(), flash.clone());
    }

    fn flash(&mut self, _at: Time, device: &str, before: &Flash, after: &Flash, cut: bool) {
        assert!(!cut, "no cut in this scenario");
        assert_eq!(self.flash.get(device), Some(before));
        self.flash.insert(device.to_owned(), after.clone());
        self.writes += 1;
    }

    fn tvs(&mut self, _at: Time, _device: &str, _node: NodeId, request: &[u8], answer: &[u8]) {
        self.tvs.push((request.to_vec(), answer.to_vec()));
    }

    fn over(&mut self, at: Time, device: &str, end: BootEnd, flash: &Flash) {
        assert_eq!(self.flash.get(device), Some(flash));
        self.ends.push((at, device.to_owned(), end, flash.clone()));
    }

    fn event(&mut self, event: &Event) {
        self.events.push(event.clone());
    }
}

#[test]
fn a_witness_sees_everything_and_changes_nothing() {
    let scenario = built_in("non-secure-migration");
    let mut plain = Vec::new();
    let sink = &mut |e: &Event| plain.push(e.clone());
    let rehearsed = rehearse(&scenario, Network::Sim, Pace::Real, None, sink).unwrap();
    let mut notes = Notes::default();
    let watched = rehearse_watched(&scenario, None, &mut notes).unwrap();
    assert_eq!(notes.events, plain, "the same events as without a witness");
    assert_eq!(
        notes.labs,
        (0..=scenario.steps.len()).collect::<Vec<_>>(),
        "the clusters at the start and after each step"
    );
    let count = |is: fn(&Kind) -> bool| plain.iter().filter(|e| is(&e.kind)).count();
    assert_eq!(notes.boots.len(), count(|k| matches!(k, Kind::Boot { .. })));
    assert_eq!(notes.ends.len(), notes.boots.len());
    assert_eq!(
        notes.writes,
        count(|k| matches!(k, Kind::FlashWrite { .. }))
    );
    assert_eq!(
        notes.tvs.len(),
        count(|k| matches!(k, Kind::TvsAnswered { .. }))
    );
    assert!(!notes.tvs.is_empty(), "phones asked TVS");
    for (request, answer) in &notes.tvs {
        let request = Message::parse(request, &Tags::default()).unwrap();
        let answered = Header::parse(answer).unwrap();
        assert_eq!(request.session, answered.session);
    }
    for (a, b) in rehearsed.phones.iter().zip(&watched.phones) {
        assert_eq!(a.flash, b.flash);
        let device = &b.setup.identity.device;
        assert_eq!(notes.flash.get(device), Some(&b.flash));
    }
}
