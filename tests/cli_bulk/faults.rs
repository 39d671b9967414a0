//! What goes wrong at the server, in its directory, and in the folder.

use std::fs::{self, File};

use trustline::cluster::bulk::p12::{self, P12Entry};
use trustline::net::sftp::{ServerKey, Tree, TreeLimits, Writes};

use crate::golden::{command, compare};
use crate::lab::{self, Lab, PASSWORD, key, path};
use crate::session::Session;

/// friendlyNames and subjects are somebody else's, and a terminal obeys what they say.
#[test]
fn names_from_elsewhere_do_not_steer_the_terminal() {
    const NAME: &[u8] = b"dst-pub";
    const EVIL: &[u8] = b"d\x1b[2J\nx";
    let mut s = Session::start();
    for line in [
        "export --cluster source --type TFTP",
        "export --cluster destination --type TFTP",
        "consolidate --cluster source --type TFTP",
    ] {
        s.ends(line, 0);
    }
    let consolidated = path("/bulk/consolidated_tftp.p12");
    let file = s.world.dir().with_file_name("evil.p12");
    {
        let mut tree = s.lab().tree.lock().unwrap();
        let whole = tree.read(&path("/bulk/dst-pub@destination_tftp.p12"));
        let mut entry = p12::read(whole.unwrap(), "trustline").unwrap().remove(0);
        for at in 0..entry.der.len() - NAME.len() {
            if entry.der[at..].starts_with(NAME) {
                entry.der[at..at + NAME.len()].copy_from_slice(EVIL);
            }
        }
        assert!(entry.der.windows(EVIL.len()).any(|w| w == EVIL));
        let named = |alias: &str| P12Entry {
            alias: Some(alias.to_owned()),
            der: entry.der.clone(),
        };
        let evil = [
            named("a\u{1b}]0;b\u{7}\nc"),
            named("destination/dst-pub/TVS/12.5"),
        ];
        let evil = p12::write(&evil, "trustline", p12::Form::Modern, 2_048).unwrap();
        fs::write(&file, &evil).unwrap();
        tree.write(&consolidated, &evil, 0).unwrap();
    }
    let is_plain = |said: &str| {
        let is_steering = |c: char| c.is_control() && c != '\n';
        assert!(!said.contains(is_steering), "{said:?}");
        assert!(!said.lines().any(|l| l.starts_with('x')), "{said}");
    };
    let import = "import --cluster source --type TFTP --set bulk.import_stale=yes";
    // Refused first: the whole of it has expired by then.
    let late = s.ends(&format!("{import} --date 2060-01-01T00:00:00Z"), 1);
    assert!(late.contains("has expired"), "{late}");
    is_plain(&late);
    let json = s.ends(&format!("{import} --format json"), 0);
    is_plain(&json);
    let said = s.ends(import, 0);
    assert!(said.contains("left out"), "{said}");
    is_plain(&said);
    let file = file.to_str().unwrap();
    for line in [["bulk", "show", file], ["inspect", "--format=json", file]] {
        let output = command(&line).output().unwrap();
        is_plain(&String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
    }
    let output = command(&["inspect", file]).output().unwrap();
    is_plain(&String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
}

#[test]
fn a_server_that_cannot_be_used_is_explained() {
    let mut s = Session::start();
    s.ends("list --cluster source", 0);
    let at = s.at.clone();
    s.at = at.replace("/bulk", "/elsewhere");
    s.fails("export --cluster source", 3, "make the directory");
    s.at = at.replace("bulk@", "nobody@");
    s.fails("export --cluster source", 3, "refuses the login of nobody");
    s.at = at;
    s.lab().fail(|f| f.writes = Writes::ReadOnly);
    s.fails("export --cluster source", 3, "let the user write there");
    s.lab().fail(|f| f.writes = Writes::Denied);
    s.fails("export --cluster source", 3, "let the user write there");
    s.lab().fail(|f| f.writes = Writes::Taken);
    s.lab().fail(|f| f.cut_after = Some(2_000));
    s.fails("export --cluster source", 3, "the connection was cut");
    s.lab().fail(|f| f.cut_after = None);
    let listed = s.ends("list --cluster source", 0);
    // One file is there whole, of the next a part under another name.
    assert!(listed.contains("unfinished"), "{listed}");
    assert!(!listed.contains(" src-sub@source_tomcat.p12 "), "{listed}");
    s.ends("export --cluster source", 0);
    let listed = s.ends("list --cluster source", 0);
    assert!(
        listed.contains("exported") && !listed.contains("unfinished"),
        "{listed}"
    );
    let lab = s.lab.take().unwrap();
    s.runtime.block_on(lab.stop());
    s.fails(
        "export --cluster source",
        3,
        "cannot be reached: connection refused",
    );
    s.fails(
        "import --cluster source --format json",
        3,
        "\"result\": \"failed\"",
    );
    compare("bulk-faults", &s.said());
}

#[test]
fn a_full_disk_leaves_whole_files_only() {
    let mut config = lab::config();
    let limits = TreeLimits {
        total_bytes: 6_000,
        ..TreeLimits::default()
    };
    let mut tree = Tree::new(limits);
    tree.make_directory(&path("/bulk"), 0).unwrap();
    config.tree = std::sync::Arc::new(std::sync::Mutex::new(tree));
    let mut s = Session::with(config);
    s.ends("list --cluster source", 0);
    s.fails("export --cluster source", 3, "disk is full; make room");
    let listed = s.ends("list --cluster source", 0);
    assert!(!listed.contains("unfinished"), "{listed}");
}

#[test]
fn a_changed_host_key_is_seen_by_the_next_command() {
    let mut s = Session::start();
    let said = s.ends("list --cluster source", 0);
    let lab_key = "SHA256:Hn/JuDPnWla+gUsSGmLCaBuJbp/u+rzSTjQPnucLWr8";
    assert!(
        said.contains(lab_key) && said.contains("remembered"),
        "{said}"
    );
    let said = s.ends("export --cluster source", 0);
    assert!(!said.contains("remembered"), "{said}");
    let known = fs::read_to_string(s.world.dir().join("sftp/known_hosts")).unwrap();
    let address = s.lab().address;
    assert!(known.starts_with(&format!("[127.0.0.1]:{} ssh-rsa AAAA", address.port())));

    let lab = s.lab.take().unwrap();
    s.runtime.block_on(lab.stop());
    let mut config = lab::config();
    config.host_key = ServerKey::from_pem(key!("host-other.pem")).unwrap();
    let other = config.host_key.host_key().fingerprint.to_string();
    s.lab = Some(s.runtime.block_on(Lab::at(address, config)));
    let expected = format!("--host-key {other}");
    s.fails("export --cluster source", 3, &expected);
    s.fails("list --cluster source", 3, "has changed");
    // Whoever takes the new key is not asked again.
    s.ends(&format!("list --cluster source --host-key {other}"), 0);
    s.ends("list --cluster source", 0);
    // Nor does the old one fit any more.
    s.fails(
        &format!("list --cluster source --host-key {lab_key}"),
        3,
        "has changed",
    );
}

#[test]
fn damaged_and_foreign_files_change_nothing() {
    let mut s = Session::start();
    for line in [
        "export --cluster source --type TFTP",
        "export --cluster destination --type TFTP",
        "consolidate --cluster source --type TFTP",
    ] {
        s.ends(line, 0);
    }
    let consolidated = "/bulk/consolidated_tftp.p12";
    let whole = s.lab().get(consolidated).unwrap();
    let foreign = fs::read("testdata/vectors/p12/modern.p12").unwrap();
    let with_key = {
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        flipped
    };
    let import = "import --cluster destination --type TFTP";
    for (bytes, expected) in [
        (whole[..whole.len() / 2].to_vec(), "not a PKCS#12 file"),
        (with_key, "its MAC does not hold"),
        (foreign, "its MAC does not hold"),
        (b"<html>".to_vec(), "not a PKCS#12 file"),
    ] {
        s.lab().put(consolidated, &bytes);
        s.fails(import, 2, expected);
    }
    s.lab().put("/bulk/src-sub@source_tftp.p12", b"half");
    s.fails(
        "consolidate --cluster source --type TFTP",
        2,
        "export again on source",
    );
    s.ends("export --cluster source --type TFTP", 0);
    s.ends("consolidate --cluster source --type TFTP", 0);
    s.ends(import, 0);
    // With another password for its own files a cluster cannot read those of the others.
    let password = "--p12-password-file testdata/bulk/password.txt";
    s.fails(&format!("{import} {password}"), 2, "its MAC does not hold");
}

#[test]
fn logins_by_key_by_environment_and_none() {
    let mut s = Session::start();
    for name in ["login-ed25519.pem", "login-rsa.pem"] {
        let login = format!(" --identity testdata/sftp/{name}");
        assert_eq!(
            s.bulk_as("list --cluster source", &login).status.code(),
            Some(0)
        );
    }
    for (login, code, expected) in [
        ("", 2, "TRUSTLINE_SFTP_PASSWORD"),
        (
            " --identity testdata/sftp/login-locked.pem",
            2,
            "pass phrase",
        ),
        (" --identity testdata/sftp/no-such.pem", 3, "cannot open"),
        (
            " --password-file testdata/bulk/password.txt",
            3,
            "refuses the login",
        ),
        (" --password-file Cargo.toml", 2, "expected a password"),
        (" --identity a --password-file b", 2, "cannot be used with"),
    ] {
        let output = s.bulk_as("list --cluster source", login);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{login}: {said}");
        assert!(said.contains(expected), "{login}: {said}");
    }
    let server = format!("sftp://{}", s.at);
    let args = [
        "bulk",
        "list",
        s.world.path(),
        "--cluster",
        "source",
        "--server",
        &server,
    ];
    let output = command(&args)
        .env("TRUSTLINE_SFTP_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_folder_that_is_no_world_or_damaged_is_refused() {
    let mut s = Session::start();
    for line in [
        "export --cluster source --type TFTP",
        "export --cluster destination --type TFTP",
        "consolidate --cluster source --type TFTP",
        "import --cluster source --type TFTP",
    ] {
        s.ends(line, 0);
    }
    let import = "import --cluster source --type TFTP";
    let file = |name: &str| s.world.dir().join(name);
    let pem = file("clusters/source/src-pub/certificates/CallManager.pem");
    let odd = file("clusters/source/src-pub/certificates/Odd.pem");
    let stores = file("clusters/source/stores");
    let trusted = fs::read_dir(stores.join("Phone-SAST-trust")).unwrap();
    let trusted = trusted.map(|e| e.unwrap().path()).next().unwrap();
    let twin = trusted.with_file_name("twin.pem");
    let (scenario, events) = (file("scenario.toml"), file("events.jsonl"));

    let whole = fs::read(&pem).unwrap();
    fs::write(&pem, &whole[..whole.len() / 2]).unwrap();
    s.fails(import, 2, "no certificate in PEM");
    fs::write(
        &pem,
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    s.fails(import, 2, "not a certificate");
    fs::write(&pem, [whole.as_slice(), &whole].concat()).unwrap();
    s.fails(import, 2, "more than one section");
    fs::write(&pem, &whole).unwrap();
    fs::write(&odd, &whole).unwrap();
    s.fails(import, 2, "its name does not say");
    fs::remove_file(&odd).unwrap();
    // The same certificate twice is one; another of its subject is one too many.
    fs::copy(&trusted, &twin).unwrap();
    s.ends("list --cluster source", 0);
    fs::remove_file(&twin).unwrap();

    let held = File::open(&scenario).unwrap();
    held.lock().unwrap();
    s.fails(import, 3, "wait until it is done");
    drop(held);

    let text = fs::read_to_string(&scenario).unwrap();
    fs::write(&scenario, "formt = 1\n").unwrap();
    s.fails(import, 2, "did you mean `format`?");
    fs::write(&scenario, text).unwrap();
    fs::rename(&events, events.with_extension("old")).unwrap();
    s.fails(import, 3, "is not the folder of a world");
    fs::rename(events.with_extension("old"), &events).unwrap();
    s.ends(import, 0);
}
