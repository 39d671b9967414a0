//! Encrypted configurations, and the files that a configuration names.

use std::sync::Arc;

use trustline::cluster::{CertificateKind, Damage, DamagedFile, PhoneFiles};
use trustline::event::Kind;
use trustline::phone::flash::CONFIG;
use trustline::phone::{FlashOperation, Output};
use trustline::trust::rules::{AppDialRules, DefaultConfig, RingList};
use trustline::wire::phone_config::{NamedFiles, PhoneConfig};

use crate::bench::{Before, Bench, lock};

const DEVICE: &str = "SEP001122334401";
const SCENARIO: &str = "encrypted-configuration";

/// Why the configuration was refused, the decisive code.
fn refused(bench: &Bench) -> Option<&'static str> {
    bench.events.iter().find_map(|k| match k {
        Kind::ConfigRefused { reasons, .. } => reasons.last().map(|r| r.code),
        _ => None,
    })
}

/// The forms of the configuration that were asked for, without the device.
fn forms(bench: &Bench) -> Vec<&str> {
    let mut all: Vec<&str> = bench.requested();
    all.dedup();
    all.retain(|file| file.starts_with("SEP") || file.starts_with("XMLDefault"));
    all.iter()
        .map(|file| file.strip_prefix(DEVICE).unwrap_or(file))
        .collect()
}

fn run(before: &Before) -> Bench {
    let mut bench = before.boot();
    bench.run(&mut |_, _| {});
    bench
}

fn record(before: &Before, certificate: Option<Arc<[u8]>>) {
    let mut lab = lock(&before.lab);
    let index = lab.cluster_index("destination").unwrap();
    let cluster = lab.cluster_mut(index).unwrap();
    assert!(cluster.record_certificate(DEVICE, certificate));
}

/// The phone before it ever held a configuration: nothing tells it of encryption.
fn without_config(before: &mut Before) {
    before.old = trustline::phone::Flash::default();
}

#[test]
fn the_encrypted_configuration_is_asked_for_first() {
    let before = Before::of(SCENARIO);
    let bench = run(&before);
    assert_eq!(forms(&bench), [".cnf.xml.enc.sgn"]);
    assert_eq!(refused(&bench), None);
    let config = PhoneConfig::parse(bench.flash.get(CONFIG).unwrap()).unwrap();
    assert!(config.full_config && config.encr_config);
    assert_eq!(config.callmanager_group[0].host, "dst-pub");
}

#[test]
fn a_phone_that_knows_of_no_encryption_comes_to_it_by_the_companion() {
    let mut before = Before::of(SCENARIO);
    without_config(&mut before);
    let bench = run(&before);
    assert_eq!(forms(&bench), [".cnf.xml.sgn", ".cnf.xml.enc.sgn"]);
    assert_eq!(refused(&bench), None);
    let matched = |k: &Kind| matches!(k, Kind::CertHashCompared { matches: true, .. });
    assert_eq!(bench.count(matched), 1);
}

/// A flipped bit anywhere: the signature covers the cipher text, so nothing is opened.
#[test]
fn a_damaged_encrypted_configuration_is_refused_by_its_signature() {
    for at in [0, 40, 300, 500, 600, 700, 900, 5_000] {
        let before = Before::of(SCENARIO);
        lock(&before.lab)
            .cluster_mut(1)
            .unwrap()
            .damage_file(
                "dst-pub",
                DamagedFile::Config,
                Damage::FlipBit { at: Some(at) },
            )
            .unwrap();
        let bench = run(&before);
        let code = refused(&bench).unwrap_or_else(|| panic!("taken with bit {at}"));
        assert!(
            !code.contains("decrypt") && !code.contains("encrypted"),
            "{code}"
        );
        assert_eq!(bench.flash.get(CONFIG), before.old.get(CONFIG));
    }
}

#[test]
fn what_the_phones_key_does_not_open_is_not_applied() {
    let before = Before::of(SCENARIO);
    let other = {
        let lab = lock(&before.lab);
        let tvs = lab.clusters()[0].certificate("src-pub", CertificateKind::Tvs);
        tvs.unwrap().public.der.as_slice().into()
    };
    record(&before, Some(other));
    let bench = run(&before);
    assert_eq!(refused(&bench), Some("encrypted-for-another-key"));
    assert!(bench.shows("invalid file SEP001122334401.cnf.xml.enc.sgn"));
    assert_eq!(forms(&bench), [".cnf.xml.enc.sgn"]);
    assert_eq!(bench.flash.get(CONFIG), before.old.get(CONFIG));

    let mut before = Before::of(SCENARIO);
    let key: Arc<[u8]> = b"no key"[..].into();
    before.setup.identity.certificate.as_mut().unwrap().key = key;
    let bench = run(&before);
    assert_eq!(refused(&bench), Some("device-key-missing"));

    let mut before = Before::of(SCENARIO);
    before.setup.identity.certificate = None;
    let bench = run(&before);
    assert_eq!(refused(&bench), Some("device-key-missing"));
    assert_eq!(bench.flash.get(CONFIG), before.old.get(CONFIG));
}

#[test]
fn a_companion_for_no_or_another_certificate_sends_to_capf() {
    let other: Arc<[u8]> = b"another certificate"[..].into();
    for certificate in [None, Some(other)] {
        let mut before = Before::of(SCENARIO);
        without_config(&mut before);
        record(&before, certificate.clone());
        let bench = run(&before);
        assert_eq!(refused(&bench), Some("capf-session-needed"));
        assert_eq!(forms(&bench), [".cnf.xml.sgn"]);
        let needed = bench.events.iter().find_map(|k| match k {
            Kind::CapfNeeded {
                servers,
                auth_mode,
                reason,
            } => Some((servers.clone(), *auth_mode, reason.text.clone())),
            _ => None,
        });
        let (servers, mode, text) = needed.unwrap();
        assert_eq!(servers, ["dst-pub:3804"]);
        // The lab's clusters say nothing of it.
        assert_eq!(mode, None);
        assert!(text.contains("(no capfAuthMode;"), "{text}");
        assert!(bench.flash.get(CONFIG).is_none());
    }
    let mut before = Before::of(SCENARIO);
    without_config(&mut before);
    before.setup.identity.certificate = None;
    assert_eq!(refused(&run(&before)), Some("capf-session-needed"));
}

/// The companion's hash is right, and what it promises is not there: once asked, and no more.
#[test]
fn a_promised_file_that_is_not_there_ends_the_matter() {
    let mut before = Before::of(SCENARIO);
    without_config(&mut before);
    let nothing: Arc<[u8]> = b"nothing that anybody encrypts for"[..].into();
    record(&before, Some(Arc::clone(&nothing)));
    before
        .setup
        .identity
        .certificate
        .as_mut()
        .unwrap()
        .certificate = nothing;
    let bench = run(&before);
    assert_eq!(refused(&bench), Some("file-missing"));
    assert_eq!(forms(&bench), [".cnf.xml.sgn", ".cnf.xml.enc.sgn"]);
}

/// Without a list there is no signature to trust, so the unsigned companion leads nowhere.
#[test]
fn an_unsigned_companion_is_no_configuration() {
    let mut before = Before::of(SCENARIO);
    without_config(&mut before);
    before.set("trust.leap_of_faith", 1);
    let bench = run(&before);
    assert_eq!(refused(&bench), Some("config-incomplete"));
    assert_eq!(forms(&bench), [".cnf.xml"]);
    assert!(bench.flash.get(CONFIG).is_none());
}

/// After a visit to a cluster that does not know it, a phone with the default configuration in
/// flash has nobody to ask about the signers of its home; one that kept its own has.
#[test]
fn the_default_configuration_replaces_or_stands_beside_the_phones_own() {
    let mut before = Before::of("default-configuration");
    let own = before.old.get(CONFIG).cloned().unwrap();
    for choice in [DefaultConfig::Replaces, DefaultConfig::Beside] {
        before.set("phone.default_config", choice as i64);
        let bench = run(&before);
        assert!(forms(&bench).contains(&"XMLDefault.cnf.xml.sgn"));
        let registered =
            |k: &Kind| matches!(k, Kind::Registered { server: Some(s), .. } if s == "dst-pub");
        assert_eq!(bench.count(registered), 1, "{choice:?}");
        let held = bench.flash.get(CONFIG).unwrap();
        let config = PhoneConfig::parse(held).unwrap();
        let is_own = choice == DefaultConfig::Beside;
        assert_eq!(
            (*held == own, config.tvs.is_empty()),
            (is_own, !is_own),
            "{choice:?}"
        );
    }
    // A phone that has none of its own keeps the default one, and takes a newer one.
    let mut without = Before::of("default-configuration");
    without.set("phone.default_config", DefaultConfig::Beside as i64);
    let mut flash = run(&without).flash;
    flash.apply(&FlashOperation::Remove {
        file: CONFIG.into(),
    });
    let mut bench = without.boot_from(flash);
    bench.run(&mut |_, _| {});
    let taken = bench.flash.get(CONFIG).cloned();
    assert!(taken.is_some());
    let mut older = bench.flash.clone();
    let other = PhoneConfig::default().emit().into_bytes();
    older.put(CONFIG, other.into());
    let mut bench = without.boot_from(older);
    bench.run(&mut |_, _| {});
    assert!(
        bench.flash.get(CONFIG) == taken.as_ref(),
        "it is not its own"
    );
}

fn named(user_locale: &str) -> NamedFiles {
    NamedFiles {
        soft_keys: Some("SK1.xml".into()),
        dial_template: Some("dialplan.xml".into()),
        feature_policy: Some("policy.xml".into()),
        user_locale: Some(user_locale.into()),
        network_locale: Some("Germany".into()),
    }
}

fn with_files(scenario: &str, installed: NamedFiles) -> Before {
    let mut before = Before::of(scenario);
    before.set("phone.app_dial_rules", AppDialRules::Ask as i64);
    let files = PhoneFiles {
        named: named("German_Germany"),
        installed,
        signer: None,
    };
    let mut lab = lock(&before.lab);
    let cluster = lab.cluster_mut(1).unwrap();
    cluster.set_phone_files(files, 1_583_053_260).unwrap();
    drop(lab);
    before
}

/// What an 8861 asks for after its configuration, which names all but the application dial rules.
const FILES: [&str; 6] = [
    "SK1.xml.sgn",
    "policy.xml.sgn",
    "German_Germany/sl-be-sip.jar.sgn",
    "Germany/g3-tones.xml.sgn",
    "AppDialRules.xml.sgn",
    "dialplan.xml.sgn",
];

fn is_named_file(file: &str) -> bool {
    !file.ends_with(".tlv") && !file.contains(".cnf.xml")
}

#[test]
fn named_files_come_in_order_after_the_configuration() {
    let mut before = with_files("non-secure-migration", named("German_Germany"));
    let bench = run(&before);
    let mut files = bench.requested();
    files.retain(|f| is_named_file(f));
    assert_eq!(files, FILES);
    let accepted = |k: &Kind| matches!(k, Kind::NamedFileAccepted { .. });
    assert_eq!(bench.count(accepted), FILES.len());
    let last = bench.events.iter().rposition(accepted).unwrap();
    let config = bench
        .events
        .iter()
        .position(|k| matches!(k, Kind::ConfigAccepted { .. }));
    let registering = bench
        .events
        .iter()
        .position(|k| matches!(k, Kind::Registering { .. }));
    assert!(config.unwrap() < last && last < registering.unwrap());
    // The ring list in place of the application dial rules.
    before.set("phone.app_dial_rules", AppDialRules::LeaveOut as i64);
    before.set("phone.ring_list", RingList::Ask as i64);
    let bench = run(&before);
    let requested = bench.requested();
    let asked = |file: &str| requested.contains(&file);
    assert!(
        asked("Ringlist-wb.xml.sgn") && !asked("AppDialRules.xml.sgn"),
        "{requested:?}"
    );
    assert_eq!(bench.count(accepted), FILES.len());
}

#[test]
fn missing_files_are_told_and_stop_nothing() {
    let before = with_files("non-secure-migration", NamedFiles::default());
    let bench = run(&before);
    let refused = |k: &Kind| matches!(k, Kind::NamedFileRefused { .. });
    assert_eq!(bench.count(refused), 5);
    assert!(bench.shows("Error update locale"));
    let registered =
        |k: &Kind| matches!(k, Kind::Registered { server: Some(s), .. } if s == "dst-pub");
    assert_eq!(bench.count(registered), 1);
    let settled = |k: &Kind| matches!(k, Kind::BootEnded { settled: true, .. });
    assert_eq!(bench.count(settled), 1);
}

/// Nobody answers from the n-th file on: the boot ends, with the configuration that it took.
#[test]
fn silence_among_the_named_files_ends_in_time() {
    let before = with_files("non-secure-migration", named("German_Germany"));
    let new = run(&before).flash;
    for silent_from in FILES {
        let mut is_silent = false;
        let mut bench = before.boot();
        bench.run(&mut |output, replies| {
            if let Output::Event(event) = output
                && let Kind::Requested { file, .. } = &event.kind
            {
                is_silent |= file == silent_from;
            }
            if is_silent && !matches!(output, Output::Register { .. }) {
                replies.clear();
            }
        });
        assert_eq!(bench.flash.get(CONFIG), new.get(CONFIG), "{silent_from}");
    }
}
