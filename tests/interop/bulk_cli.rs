//! `trustline bulk` against OpenSSH's server: the whole exchange of two emulated clusters, by the
//! command alone.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::sftp::{PASSWORD, Sshd, ThrowAwayUser, current_user, must, program};
use crate::support;

fn trustline(args: &str) -> Output {
    let args: Vec<_> = args.split_whitespace().collect();
    Command::new(env!("CARGO_BIN_EXE_trustline"))
        .args(&args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("TRUSTLINE_SFTP_PASSWORD")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn ends(args: &str, code: i32) -> String {
    let output = trustline(args);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args}: {said}");
    said
}

/// Init, export, export, consolidate, import, import; `login` is the options that say where and as
/// whom.
fn exchange(world: &Path, bulk: &Path, login: &str) {
    let world = world.display();
    ends(
        &format!("bulk init scenarios/non-secure-migration.toml {world}"),
        0,
    );
    let on = |action: &str, cluster: &str, code| {
        ends(
            &format!("bulk {action} {world} --cluster {cluster} {login}"),
            code,
        )
    };
    let early = on("import", "source", 1);
    assert!(
        early.contains("export type All on both clusters"),
        "{early}"
    );
    on("export", "destination", 0);
    on("export", "source", 0);
    on("consolidate", "destination", 0);
    let listed = on("list", "source", 0);
    assert!(listed.contains("consolidated_tftp.p12"), "{listed}");
    for cluster in ["source", "destination"] {
        let said = on("import", cluster, 0);
        assert!(
            said.contains("Phone-SAST-trust") && said.contains("added"),
            "{said}"
        );
    }
    // What is in the directory opens here and elsewhere.
    for entry in fs::read_dir(bulk).unwrap() {
        let path = entry.unwrap().path();
        ends(&format!("bulk show {}", path.display()), 0);
        must(
            Command::new(program("openssl"))
                .args(["pkcs12", "-nokeys", "-passin", "pass:trustline", "-in"])
                .arg(&path),
        );
    }
    let said = ends(
        &format!("bulk show {}", bulk.join("consolidated_tftp.p12").display()),
        0,
    );
    assert!(
        said.contains("Phone-SAST-trust and CallManager-trust"),
        "{said}"
    );
    let again = on("export", "source", 0);
    assert!(
        !again.contains("remembered"),
        "the host key is known: {again}"
    );
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn the_command_exchanges_certificates_at_sshd() {
    let sshd = Sshd::start("", "");
    let worlds = TempDir::new().unwrap();
    let bulk = sshd.bulk();
    let (user, address) = (current_user(), sshd.address);
    let server = format!("--server sftp://{user}@{address}{}", bulk.display());
    let key = "--identity testdata/sftp/login-rsa.pem --offer cucm";
    exchange(
        &worlds.path().join("by-key"),
        &bulk,
        &format!("{server} {key}"),
    );
}

#[test]
#[ignore = "needs the Debian packages of .ci/packages"]
fn the_command_gives_sshd_a_password() {
    if !support::is_root() {
        println!("skipped: needs root, to make a user with a password");
        return;
    }
    let sshd = Sshd::start("", "");
    let worlds = TempDir::new().unwrap();
    let bulk = sshd.bulk();
    let user = ThrowAwayUser::make(&bulk);
    must(Command::new("chown").arg(&user.0).arg(&bulk));
    let password = worlds.path().join("password");
    fs::write(&password, PASSWORD).unwrap();
    let server = format!("--server sftp://{}@{}/~/", user.0, sshd.address);
    let login = format!("{server} --password-file {}", password.display());
    let world = worlds.path().join("by-password");
    exchange(&world, &bulk, &login);

    // Files that OpenSSL wrote, old and new form, are shown.
    let pem = world.join("clusters/source/src-pub/certificates/ITLRecovery.pem");
    for form in [&[][..], &["-legacy"]] {
        let p12 = worlds.path().join("openssl.p12");
        must(
            Command::new(program("openssl"))
                .args(["pkcs12", "-export", "-nokeys", "-passout", "pass:", "-in"])
                .arg(&pem)
                .args(form)
                .arg("-out")
                .arg(&p12),
        );
        let said = ends(&format!("inspect {}", p12.display()), 0);
        assert!(
            said.contains("ITLRecovery, by its subject (inferred)"),
            "{said}"
        );
    }

    fs::write(&password, "wrong").unwrap();
    let refused = format!("bulk list {} --cluster source {login}", world.display());
    assert!(ends(&refused, 3).contains("refuses the login"));
}
