//! What works: logins, host keys, every operation.

use trustline::net::sftp::{
    Fingerprint, HostKeyPolicy, Listed, Login, Offer, ServeEvent, ServerKey, SftpFault, connect,
};

use super::lab::{Lab, PASSWORD, USER, config, key, path, pattern, refused};

fn listed(files: &[(&str, u64)]) -> Vec<Listed> {
    let listed = |&(name, bytes): &(&str, u64)| Listed {
        name: name.to_owned(),
        bytes,
    };
    files.iter().map(listed).collect()
}

#[tokio::test]
async fn every_operation_on_a_directory() {
    let lab = Lab::start().await;
    lab.tree
        .lock()
        .unwrap()
        .make_directory(&path("/bulk/old"), 0)
        .unwrap();
    let mut directory = lab.connect().await;
    assert_eq!(directory.list().await, Ok(vec![]));

    let bytes = pattern(100_000);
    directory.write("part.tmp", &bytes).await.unwrap();
    directory.write("empty", b"").await.unwrap();
    assert_eq!(
        directory.list().await,
        Ok(listed(&[("empty", 0), ("part.tmp", 100_000)])),
        "directories are left out"
    );
    directory
        .rename("part.tmp", "CallManager src-pub.p12")
        .await
        .unwrap();
    assert_eq!(
        lab.get("/bulk/CallManager src-pub.p12"),
        Some(bytes.clone())
    );
    assert_eq!(directory.read("CallManager src-pub.p12").await, Ok(bytes));
    assert_eq!(directory.read("empty").await, Ok(vec![]));

    // Over what was there: nothing of the longer one stays.
    directory
        .write("CallManager src-pub.p12", b"short")
        .await
        .unwrap();
    assert_eq!(
        lab.get("/bulk/CallManager src-pub.p12"),
        Some(b"short".to_vec())
    );
    directory.remove("empty").await.unwrap();
    assert_eq!(
        directory.list().await,
        Ok(listed(&[("CallManager src-pub.p12", 5)]))
    );
    directory.close().await;
    lab.saw(|e| matches!(e, ServeEvent::Ended { .. })).await;

    let events = lab.stop().await;
    let has = |wanted: &dyn Fn(&ServeEvent) -> bool| events.iter().any(wanted);
    assert!(has(
        &|e| matches!(e, ServeEvent::LoggedIn { user, by_key: false, .. } if user == USER)
    ));
    assert!(has(
        &|e| matches!(e, ServeEvent::Wrote { path, bytes: 100_000, .. } if path.name() == Some("part.tmp"))
    ));
    assert!(has(
        &|e| matches!(e, ServeEvent::Renamed { to, .. } if to.to_string() == "/bulk/CallManager src-pub.p12")
    ));
    assert!(has(&|e| matches!(e, ServeEvent::Removed { .. })));
}

#[tokio::test]
async fn the_largest_file_comes_back_as_it_was() {
    let lab = Lab::start().await;
    let mut directory = lab.connect().await;
    let bytes = pattern(2 * 1024 * 1024);
    directory.write("large", &bytes).await.unwrap();
    assert!(lab.get("/bulk/large").as_ref() == Some(&bytes));
    assert!(directory.read("large").await.unwrap() == bytes);
}

#[tokio::test]
async fn a_directory_of_many_files_is_listed_whole() {
    let lab = Lab::start().await;
    let names: Vec<String> = (0..500).map(|i| format!("file-{i:04}.p12")).collect();
    for name in &names {
        lab.put(&format!("/bulk/{name}"), b"x");
    }
    let found = lab.connect().await.list().await.unwrap();
    let found: Vec<String> = found.into_iter().map(|file| file.name).collect();
    assert_eq!(found, names);
}

#[tokio::test]
async fn the_home_is_a_directory_too() {
    let lab = Lab::start().await;
    for directory in ["", ".", "/", "bulk/..", "/bulk/"] {
        let mut settings = lab.settings();
        settings.directory = directory.to_owned();
        let mut opened = connect(&settings).await.unwrap();
        opened.write("here", directory.as_bytes()).await.unwrap();
        assert_eq!(opened.read("here").await.unwrap(), directory.as_bytes());
    }
    assert_eq!(lab.get("/here").unwrap(), b"bulk/..");
    assert_eq!(lab.get("/bulk/here").unwrap(), b"/bulk/");
}

#[tokio::test]
async fn a_key_opens_the_door_too() {
    let lab = Lab::start().await;
    for pem in [key!("login-ed25519.pem"), key!("login-rsa.pem")] {
        let mut settings = lab.settings();
        settings.login = Login::Key(pem.to_owned());
        let mut directory = connect(&settings).await.unwrap();
        directory.write("by-key", b"k").await.unwrap();
        directory.close().await;
    }
    let by_key = |e: &ServeEvent| matches!(e, ServeEvent::LoggedIn { by_key: true, .. });
    assert_eq!(lab.stop().await.iter().filter(|e| by_key(e)).count(), 2);
}

#[tokio::test]
async fn a_wrong_login_is_refused_and_told() {
    let lab = Lab::start().await;
    let stranger = key!("host-other.pem");
    for (user, login) in [
        (USER, Login::Password("lab-pass-2".to_owned())),
        (USER, Login::Password(String::new())),
        ("nobody", Login::Password(PASSWORD.to_owned())),
        (USER, Login::Key(stranger.to_owned())),
    ] {
        let mut settings = lab.settings();
        settings.user = user.to_owned();
        settings.login = login;
        let fault = refused(&settings).await;
        let SftpFault::LoginRefused { user: told, offers } = &fault else {
            panic!("{fault}");
        };
        assert_eq!(told, user);
        assert_eq!(offers, &["password", "publickey"], "{fault}");
    }
    let refusals = lab.events();
    let refusals = refusals
        .iter()
        .filter(|e| matches!(e, ServeEvent::LoginRefused { .. }));
    assert_eq!(
        refusals.count(),
        3,
        "a key that is only offered is not wrong yet"
    );
    assert!(
        !lab.stop()
            .await
            .iter()
            .any(|e| matches!(e, ServeEvent::LoggedIn { .. }))
    );
}

#[tokio::test]
async fn a_server_for_keys_alone_says_so() {
    let mut config = config();
    config.accounts[0].password = None;
    let lab = Lab::with(config).await;
    let fault = refused(&lab.settings()).await;
    assert_eq!(
        fault.to_string(),
        "SFTP server refuses the login of bulk (it takes publickey)"
    );
}

#[tokio::test]
async fn a_login_key_that_is_locked_is_no_use() {
    let lab = Lab::start().await;
    for (pem, part) in [
        (key!("login-locked.pem"), "pass phrase"),
        ("not a key", "expected a private key in PEM"),
    ] {
        let mut settings = lab.settings();
        settings.login = Login::Key(pem.to_owned());
        let fault = refused(&settings).await;
        assert!(matches!(fault, SftpFault::LoginKey(_)));
        assert!(fault.to_string().contains(part), "{fault}");
    }
    assert_eq!(lab.stop().await, [], "nobody was asked");
}

#[tokio::test]
async fn the_first_use_says_whom_to_expect_from_then_on() {
    let lab = Lab::start().await;
    let directory = lab.connect().await;
    let seen = directory.host_key().clone();
    assert_eq!(seen, ServerKey::lab().unwrap().host_key());
    for pin in [
        seen.fingerprint.to_string(),
        seen.line,
        key!("host-rsa.pub").to_owned(),
    ] {
        let mut settings = lab.settings();
        settings.host_key = HostKeyPolicy::Pinned(pin.parse().unwrap());
        connect(&settings).await.unwrap();
    }
}

#[tokio::test]
async fn a_changed_host_key_gets_no_password() {
    let expected: Fingerprint = ServerKey::lab().unwrap().host_key().fingerprint;
    let mut config = config();
    config.host_key = ServerKey::from_pem(key!("host-other.pem")).unwrap();
    let found = config.host_key.host_key();
    let lab = Lab::with(config).await;
    let mut settings = lab.settings();
    settings.host_key = HostKeyPolicy::Pinned(expected.into());
    let fault = refused(&settings).await;
    let text = fault.to_string();
    assert!(
        text.contains(&expected.to_string()) && text.contains(&found.to_string()),
        "{text}"
    );
    assert_eq!(
        fault,
        SftpFault::HostKeyChanged {
            address: lab.address.to_string(),
            expected,
            found: Box::new(found),
        }
    );
    let logins = |e: &ServeEvent| {
        matches!(
            e,
            ServeEvent::LoggedIn { .. } | ServeEvent::LoginRefused { .. }
        )
    };
    assert!(!lab.stop().await.iter().any(logins));
}

#[tokio::test]
async fn a_cucm_s_own_offer_is_enough_for_the_lab() {
    let lab = Lab::start().await;
    let mut settings = lab.settings();
    settings.offer = Offer::Cucm;
    let mut directory = connect(&settings).await.unwrap();
    directory.write("cucm", b"c").await.unwrap();
    assert_eq!(directory.read("cucm").await.unwrap(), b"c");
}

#[tokio::test]
async fn a_cucm_finds_no_way_to_a_server_without_an_rsa_key() {
    let mut config = config();
    config.host_key = ServerKey::from_pem(key!("login-ed25519.pem")).unwrap();
    let lab = Lab::with(config).await;
    connect(&lab.settings()).await.unwrap();
    let mut settings = lab.settings();
    settings.offer = Offer::Cucm;
    let fault = refused(&settings).await;
    assert_eq!(
        fault.to_string(),
        "not a usable SFTP server: no host key algorithm in common: it has ssh-ed25519, we offer \
         rsa-sha2-256"
    );
}
