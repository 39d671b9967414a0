//! A phone that is on renews its lease when its time has come.

use std::net::Ipv4Addr;

use trustline::dhcp::{LeaseTimes, Scope, Server, ServerConfig};
use trustline::event::Kind;
use trustline::phone::{
    BootCause, DhcpSetup, Flash, Identity, Output, Pace, Phone, PhoneSetup, Profile,
};
use trustline::time::Time;

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 2);

/// More than happens in a boot or a renewal.
const MAX_STEPS: usize = 10_000;

fn server(option_150: Ipv4Addr) -> Server {
    Server::new(ServerConfig {
        address: Ipv4Addr::new(10, 99, 1, 254),
        mask: Ipv4Addr::new(255, 255, 255, 0),
        pool: (Ipv4Addr::new(10, 99, 1, 100), Ipv4Addr::new(10, 99, 1, 110)),
        lease_secs: 3_600,
        scope: scope(option_150),
        answers: std::collections::BTreeMap::new(),
    })
    .unwrap()
}

fn scope(option_150: Ipv4Addr) -> Scope {
    Scope {
        option_150: vec![option_150],
        ..Scope::default()
    }
}

/// What a run of the machine came to.
struct Ran {
    at: Time,
    told: Vec<(Time, Kind)>,
    flash: Flash,
    times: Option<LeaseTimes>,
}

impl Ran {
    fn failures(&self) -> Vec<&str> {
        let failures = self.told.iter().filter_map(|(_, kind)| match kind {
            Kind::DhcpFailed { text } => Some(text.as_str()),
            _ => None,
        });
        failures.collect()
    }

    /// The servers of the last choice, and when they count.
    fn chosen(&self) -> Option<(Vec<String>, &str)> {
        self.told.iter().rev().find_map(|(_, kind)| match kind {
            Kind::ServersChosen { servers, used, .. } => Some((servers.clone(), used.as_str())),
            _ => None,
        })
    }
}

/// Runs a phone from `now` on. Its TFTP servers are silent.
fn run(
    cause: BootCause,
    lease: Option<LeaseTimes>,
    mut flash: Flash,
    mut server: Option<&mut Server>,
    mut now: Time,
) -> Ran {
    let profile = Profile::named("8800").unwrap();
    let setup = PhoneSetup {
        identity: Identity {
            device: "SEP001122334401".into(),
            model: "CP-8861".into(),
            certificate: None,
        },
        profile,
        settings: profile.settings(),
        pace: Pace::Real,
        clock: 0,
        clock_ahead: 0,
        option_150: Vec::new(),
        dhcp: Some(DhcpSetup {
            seed: 1,
            holds_address: false,
            lease,
        }),
        cause,
    };
    let mut phone = Phone::boot(setup, &flash, now);
    let mut told = Vec::new();
    for _ in 0..MAX_STEPS {
        match phone.poll_output() {
            Some(Output::Dhcp { payload, .. }) => {
                let answer = server
                    .as_mut()
                    .and_then(|s| s.handle_datagram(now, &payload));
                if let Some(answer) = answer {
                    phone.handle_dhcp(now, &answer.payload);
                }
            }
            Some(Output::Flash { operation, .. }) => flash.apply(&operation),
            Some(Output::Event(event)) => told.push((now, event.kind)),
            Some(_) => {}
            None if phone.is_over() => {
                let times = phone.lease_times();
                return Ran {
                    at: now,
                    told,
                    flash,
                    times,
                };
            }
            None => {
                now = phone.next_timeout().expect("it waits for something");
                phone.handle_timeout(now);
            }
        }
    }
    panic!("a phone without end");
}

fn seconds(time: Time) -> u64 {
    time.as_micros() / 1_000_000
}

#[test]
fn a_lease_is_renewed_when_its_time_has_come() {
    let mut server = server(FIRST);
    let booted = run(
        BootCause::Power,
        None,
        Flash::default(),
        Some(&mut server),
        Time::ZERO,
    );
    let times = booted.times.unwrap();
    assert_eq!(
        (seconds(times.next), seconds(times.expires)),
        (1_800, 3_600)
    );
    server.set_scope(scope(SECOND)).unwrap();
    let renewal = BootCause::Renewal;
    let at = times.next;
    let renewed = run(renewal, Some(times), booted.flash, Some(&mut server), at);
    let second = vec![SECOND.to_string()];
    assert_eq!(renewed.chosen(), Some((second, "at the next start")));
    let times = renewed.times.unwrap();
    assert_eq!(
        (seconds(times.next), seconds(times.expires)),
        (3_600, 5_400)
    );
    // Told to renew, it does not wait for its time.
    let at = Time::from_millis(2_000_000);
    let again = run(renewal, Some(times), renewed.flash, Some(&mut server), at);
    assert_eq!(again.chosen().unwrap().1, "unchanged");
    assert_eq!(seconds(again.times.unwrap().next), 3_800);
}

#[test]
fn a_lease_that_nobody_renews_runs_out() {
    let mut server = server(FIRST);
    let booted = run(
        BootCause::Power,
        None,
        Flash::default(),
        Some(&mut server),
        Time::ZERO,
    );
    let (times, flash) = (booted.times.unwrap(), booted.flash);
    let renewal = BootCause::Renewal;
    // Told to renew before its time, it gives up soon and waits for the time.
    let early = run(
        renewal,
        Some(times),
        flash.clone(),
        None,
        Time::from_millis(100_000),
    );
    assert!(seconds(early.at) < 200);
    assert_eq!(early.failures().len(), 2);
    assert_eq!(early.times.unwrap(), times);

    let late = run(renewal, Some(times), flash.clone(), None, times.next);
    let expected = [
        "nobody has renewed the lease so far; the phone goes on asking",
        "the lease has run out and nobody renewed it; the phone asks anew",
        "no DHCP server answers",
    ];
    assert_eq!(late.failures(), expected);
    let ran_out = late.told.iter().find_map(|(at, kind)| match kind {
        Kind::DhcpFailed { text } if text == expected[1] => Some(seconds(*at)),
        _ => None,
    });
    assert_eq!(ran_out, Some(3_600));
    assert_eq!(late.times, None);
    // The servers stay, for the next start.
    assert!(late.flash == flash);
}
