use super::*;

const NOW: Time = Time::from_millis(1_000);

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 1, last)
}

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

fn config() -> ServerConfig {
    ServerConfig {
        address: ip(1),
        mask: Ipv4Addr::new(255, 255, 255, 0),
        pool: (ip(100), ip(101)),
        lease_secs: 600,
        scope: Scope {
            option_150: vec![ip(1), ip(2)],
            ..Scope::default()
        },
        answers: BTreeMap::new(),
    }
}

fn question(kind: MessageKind, mac: Mac) -> Message {
    let mut m = Message::new(Operation::Request, kind, 42, mac);
    m.options.set(option::PARAMETERS, [1, 3, 6, 15, 66, 150]);
    m
}

fn ask(server: &mut Server, m: &Message) -> Option<Message> {
    let reply = server.handle_datagram(NOW, &m.to_bytes())?;
    Some(Message::parse(&reply.payload).unwrap())
}

/// DISCOVER and REQUEST.
fn lease(server: &mut Server, mac: Mac) -> Option<Message> {
    let offer = ask(server, &question(MessageKind::Discover, mac))?;
    assert_eq!(offer.kind, MessageKind::Offer);
    let mut request = question(MessageKind::Request, mac);
    request.options.set(option::SERVER_ID, ip(1).octets());
    let wish = offer.yiaddr.octets();
    request.options.set(option::REQUESTED_ADDRESS, wish);
    ask(server, &request)
}

#[test]
fn it_says_what_is_asked_for_and_no_more() {
    let mut server = Server::new(config()).unwrap();
    let ack = lease(&mut server, mac(1)).unwrap();
    assert_eq!(ack.kind, MessageKind::Ack);
    assert_eq!(ack.options.addresses(150).unwrap(), [ip(1), ip(2)]);
    let codes: Vec<u8> = ack.options.iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [1, 51, 54, 58, 59, 150]);
    let mut silent = question(MessageKind::Discover, mac(1));
    silent.options = crate::dhcp::Options::default();
    let offer = ask(&mut server, &silent).unwrap();
    assert_eq!(offer.yiaddr, ack.yiaddr);
    assert_eq!(offer.options.get(150), None);
}

#[test]
fn one_phone_is_told_something_else() {
    let mut config = config();
    let scope = Scope {
        option_66: Some("10.99.1.7".into()),
        siaddr: Some(ip(8)),
        ..Scope::default()
    };
    let answers = Answers {
        address: Some(ip(50)),
        scope: Some(scope),
    };
    config.answers.insert(mac(1), answers);
    let mut server = Server::new(config).unwrap();
    let ack = lease(&mut server, mac(1)).unwrap();
    assert_eq!((ack.yiaddr, ack.siaddr), (ip(50), ip(8)));
    assert_eq!(ack.options.text(66).as_deref(), Some("10.99.1.7"));
    assert_eq!(ack.options.get(150), None);
    assert_eq!(lease(&mut server, mac(2)).unwrap().yiaddr, ip(100));
}

#[test]
fn a_foreign_request_is_refused() {
    let mut server = Server::new(config()).unwrap();
    lease(&mut server, mac(1)).unwrap();
    // Somebody else's address, one beside the pool, and none.
    for wish in [Some(ip(100)), Some(ip(200)), None] {
        let mut request = question(MessageKind::Request, mac(2));
        request.options.set(option::SERVER_ID, ip(1).octets());
        if let Some(wish) = wish {
            let wish = wish.octets();
            request.options.set(option::REQUESTED_ADDRESS, wish);
        }
        let nak = ask(&mut server, &request).unwrap();
        assert_eq!(nak.kind, MessageKind::Nak);
        assert!(nak.options.text(option::TEXT).is_some());
        assert_eq!(nak.yiaddr, Ipv4Addr::UNSPECIFIED);
    }
    assert_eq!(server.clients(), 1);
    // A phone that comes from elsewhere: its old address is of another network, and this server
    // never knew it, so another server may.
    let mut request = question(MessageKind::Request, mac(3));
    let away = Ipv4Addr::new(192, 168, 0, 5).octets();
    request.options.set(option::REQUESTED_ADDRESS, away);
    assert_eq!(ask(&mut server, &request), None);
    // It has an address here, and asks for the other.
    request.mac = mac(1);
    assert_eq!(ask(&mut server, &request).unwrap().kind, MessageKind::Nak);
    // It has none, and renews one of this network that nobody has: the lab was restarted.
    let mut renew = question(MessageKind::Request, mac(3));
    renew.ciaddr = ip(101);
    assert_eq!(ask(&mut server, &renew).unwrap().kind, MessageKind::Ack);
}

#[test]
fn anothers_offer_was_taken() {
    let mut server = Server::new(config()).unwrap();
    let mut request = question(MessageKind::Request, mac(1));
    request.options.set(option::SERVER_ID, ip(9).octets());
    assert_eq!(ask(&mut server, &request), None);
    let other = ServerEvent::Ignored(Unanswered::OtherServer(ip(9)));
    assert_eq!(server.poll_event(), Some(other));
}

#[test]
fn a_changed_scope_reaches_those_who_renew() {
    let mut server = Server::new(config()).unwrap();
    let ack = lease(&mut server, mac(1)).unwrap();
    let scope = Scope {
        option_150: vec![ip(9)],
        ..Scope::default()
    };
    server.set_scope(scope.clone()).unwrap();
    let too_many = Scope {
        option_150: vec![ip(9); 64],
        ..Scope::default()
    };
    assert_eq!(server.set_scope(too_many), Err(ConfigError::Addresses(64)));
    assert_eq!(*server.scope(), scope);
    let mut renew = question(MessageKind::Request, mac(1));
    renew.ciaddr = ack.yiaddr;
    let renewed = server.handle_datagram(NOW, &renew.to_bytes()).unwrap();
    assert_eq!(renewed.to, ReplyTo::Client(ack.yiaddr));
    let renewed = Message::parse(&renewed.payload).unwrap();
    assert_eq!(renewed.options.addresses(150).unwrap(), [ip(9)]);
    let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
    let acknowledged = ServerEvent::Acknowledged {
        mac: mac(1),
        address: ip(100),
        renewed: true,
    };
    assert_eq!(events.last(), Some(&acknowledged));
}

#[test]
fn addresses_come_back_and_declined_ones_do_not() {
    let mut server = Server::new(config()).unwrap();
    for n in [1, 2] {
        lease(&mut server, mac(n)).unwrap();
    }
    assert_eq!(
        ask(&mut server, &question(MessageKind::Discover, mac(3))),
        None
    );
    assert_eq!(
        ask(&mut server, &question(MessageKind::Release, mac(1))),
        None
    );
    assert_eq!(lease(&mut server, mac(3)).unwrap().yiaddr, ip(100));
    assert_eq!(
        ask(&mut server, &question(MessageKind::Decline, mac(3))),
        None
    );
    assert_eq!(
        ask(&mut server, &question(MessageKind::Discover, mac(1))),
        None
    );
    let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
    let empty = ServerEvent::Ignored(Unanswered::PoolEmpty);
    assert_eq!(events.last(), Some(&empty));
    assert!(events.contains(&ServerEvent::Declined { mac: mac(3) }));
}

#[test]
fn answers_go_where_the_client_can_hear_them() {
    let mut server = Server::new(config()).unwrap();
    let mut to = |m: &Message| server.handle_datagram(NOW, &m.to_bytes()).unwrap().to;
    let mut discover = question(MessageKind::Discover, mac(1));
    assert_eq!(to(&discover), ReplyTo::Broadcast);
    discover.giaddr = ip(77);
    assert_eq!(to(&discover), ReplyTo::Relay(ip(77)));
    let mut inform = question(MessageKind::Inform, mac(1));
    inform.ciaddr = ip(50);
    assert_eq!(to(&inform), ReplyTo::Client(ip(50)));
    let reply = ask(&mut server, &inform).unwrap();
    assert_eq!(
        (reply.yiaddr, reply.options.get(51)),
        (Ipv4Addr::UNSPECIFIED, None)
    );
    // A refusal goes to all: the address in it is what is refused.
    let mut renew = question(MessageKind::Request, mac(2));
    renew.ciaddr = ip(100);
    let reply = server.handle_datagram(NOW, &renew.to_bytes()).unwrap();
    assert_eq!(reply.to, ReplyTo::Broadcast);
    assert_eq!(
        Message::parse(&reply.payload).unwrap().kind,
        MessageKind::Nak
    );
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let refused = |change: fn(&mut ServerConfig)| {
        let mut config = config();
        change(&mut config);
        Server::new(config).unwrap_err()
    };
    let pool = refused(|c| c.pool = (ip(9), ip(8)));
    assert_eq!(pool, ConfigError::Pool(ip(9), ip(8)));
    let all = |c: &mut ServerConfig| c.pool = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    assert!(matches!(refused(all), ConfigError::Pool(..)));
    assert_eq!(refused(|c| c.lease_secs = 0), ConfigError::LeaseTime);
    let text = refused(|c| c.scope.option_66 = Some("a\nb".into()));
    let said = r#""a\nb" is no text of 1 to 255 printable ASCII characters"#;
    assert_eq!(text.to_string(), said);
    let twice = refused(|c| {
        let own = Answers {
            address: Some(ip(50)),
            scope: None,
        };
        c.answers = BTreeMap::from([(mac(1), own.clone()), (mac(2), own)]);
    });
    assert_eq!(twice, ConfigError::Reserved(ip(50)));
}
