//! One phone on a segment with a DHCP server, or without: what a lease makes it ask, and when. Its
//! TFTP servers are silent.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use trustline::dhcp::{Scope, Server, ServerConfig};
use trustline::phone::{
    BootCause, DhcpSetup, Flash, Identity, Output, Pace, Phone, PhoneSetup, Profile,
};
use trustline::time::Time;
use trustline::trust::rules::{Rule, Settings};

/// The most that happens in a boot before it counts as endless.
const MAX_STEPS: usize = 10_000;

pub(crate) struct Leases {
    under_defaults: Vec<String>,
}

impl Leases {
    pub(crate) fn new() -> Self {
        Self {
            under_defaults: all(&Settings::default()),
        }
    }

    /// The first thing that the phone says or asks otherwise under a choice.
    pub(crate) fn change(&self, rule: &Rule, other: i64) -> Option<String> {
        let mut settings = Settings::default();
        settings.choose(rule, other);
        let difference = crate::difference(&self.under_defaults, &all(&settings))?;
        Some(format!("a phone that takes leases, {difference}"))
    }
}

fn server(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 1, last)
}

fn all(settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    let power = BootCause::Power;
    let mut run = |cause, flash: &Flash, scope: Option<Scope>| {
        let (told, flash) = boot(settings.clone(), cause, flash.clone(), scope);
        lines.extend(told);
        flash
    };
    let nothing = Flash::default();
    let next_server = Scope {
        siaddr: Some(server(9)),
        ..Scope::default()
    };
    run(power, &nothing, Some(next_server));
    let name = Scope {
        option_66: Some("tftp.lab".into()),
        ..Scope::default()
    };
    run(power, &nothing, Some(name));
    let both = Scope {
        option_150: vec![server(1)],
        option_66: Some(server(2).to_string()),
        ..Scope::default()
    };
    let settled = run(power, &nothing, Some(both));
    run(power, &settled, None);
    let many = Scope {
        option_150: (1..=9).map(server).collect(),
        ..Scope::default()
    };
    run(power, &nothing, Some(many));
    let moved = Scope {
        option_150: vec![server(3)],
        ..Scope::default()
    };
    run(BootCause::Renewal, &settled, Some(moved));
    lines
}

/// What the phone says and does to the end, and its flash then.
fn boot(
    settings: Settings,
    cause: BootCause,
    mut flash: Flash,
    scope: Option<Scope>,
) -> (Vec<String>, Flash) {
    let mut dhcp = scope.map(|scope| {
        let config = ServerConfig {
            address: server(254),
            mask: Ipv4Addr::new(255, 255, 255, 0),
            pool: (server(100), server(110)),
            lease_secs: 3_600,
            scope,
            answers: BTreeMap::new(),
        };
        Server::new(config).unwrap()
    });
    let setup = PhoneSetup {
        identity: Identity {
            device: "SEP001122334401".into(),
            model: "CP-8861".into(),
            certificate: None,
        },
        profile: Profile::named("8800").unwrap(),
        settings,
        pace: Pace::Real,
        clock: 0,
        clock_ahead: 0,
        option_150: Vec::new(),
        dhcp: Some(DhcpSetup {
            seed: 1,
            holds_address: true,
            lease: None,
        }),
        cause,
    };
    let mut now = Time::ZERO;
    let mut phone = Phone::boot(setup, &flash, now);
    let mut lines = Vec::new();
    for _ in 0..MAX_STEPS {
        match phone.poll_output() {
            Some(Output::Dhcp { to, payload }) => {
                lines.push(format!("{now} asks {to}"));
                let answer = dhcp.as_mut().and_then(|d| d.handle_datagram(now, &payload));
                if let Some(answer) = answer {
                    phone.handle_dhcp(now, &answer.payload);
                }
            }
            Some(Output::Resolve { host }) => lines.push(format!("{now} looks up {host}")),
            Some(Output::Flash { operation, .. }) => {
                lines.push(format!("{now} {} {}", operation.name(), operation.file()));
                flash.apply(&operation);
            }
            Some(Output::Event(event)) => lines.push(serde_json::to_string(&event).unwrap()),
            Some(_) => {}
            None if phone.is_over() => {
                lines.push(format!("restarts: {}", phone.restarts()));
                return (lines, flash);
            }
            None => {
                now = phone.next_timeout().expect("it waits for something");
                phone.handle_timeout(now);
            }
        }
    }
    panic!("a boot without end");
}
