//! Which certificates count as a phone's under the roots that a server has.

use trustline::cluster::key::{KeyBits, KeyPool, PrivateKey};
use trustline::provisioning::authority::{self, Issuer, Root, ServerForm, Terms};
use trustline::provisioning::device::{Device, MacAttribute, mac_of};
use trustline::provisioning::request::Request;
use trustline::provisioning::server::{ClientFault, Roots};
use trustline::wire::Digest;

use super::{AT, DAY, MAC, made_for};

fn terms(not_before: u64, not_after: u64) -> Terms {
    Terms {
        serial: [7; authority::SERIAL_BYTES],
        not_before,
        not_after,
        digest: Digest::Sha256,
    }
}

fn root(name: &str, key: &PrivateKey, not_before: u64, not_after: u64) -> Vec<u8> {
    authority::root(Root::Client, name, key, &terms(not_before, not_after)).unwrap()
}

fn phone() -> Device {
    Device {
        product: "CP-8832-3PCC".into(),
        serial: "88012BA01234".into(),
        mac: mac_of(MAC),
    }
}

fn code(roots: &[&Vec<u8>], certificate: &[u8], now: u64) -> &'static str {
    let roots = roots.iter().map(|root| root.to_vec()).collect();
    let judged = Roots::new(roots).unwrap().judge(certificate, now);
    judged.as_ref().map_or_else(ClientFault::code, |()| "good")
}

#[test]
fn a_renewed_root_counts_wherever_the_old_one_stands() {
    let mut keys = KeyPool::new(11);
    let (key, own) = (keys.take(KeyBits::B1024), keys.take(KeyBits::B1024));
    let old = root("lab", &key, AT - 20 * DAY, AT - DAY);
    let new = root("lab", &key, AT - DAY, AT + 20 * DAY);
    let later = root("lab", &key, AT + 5 * DAY, AT + 9 * DAY);
    let issuer = Issuer::new(&new, &*key).unwrap();
    let of = |from, to| {
        let terms = terms(from, to);
        let made = issuer.device(&phone(), MacAttribute::State, own.spki(), &terms);
        made.unwrap()
    };
    let certificate = of(AT - DAY, AT + 10 * DAY);
    assert_eq!(code(&[&old, &new], &certificate, AT), "good");
    assert_eq!(code(&[&new, &old], &certificate, AT), "good");
    assert_eq!(code(&[&later, &old, &new], &certificate, AT), "good");
    // Where none of them counts, the first one says why.
    assert_eq!(
        code(&[&old, &later], &certificate, AT),
        "certificate-expired"
    );
    assert_eq!(
        code(&[&later, &old], &certificate, AT),
        "certificate-not-yet-valid"
    );
    // The phone's own dates count with each.
    let over = of(AT - DAY, AT);
    assert_eq!(code(&[&old, &new], &over, AT + 1), "certificate-expired");
    // A root of the same name with another key is another root.
    let namesake = root("lab", &own, AT - 20 * DAY, AT + 20 * DAY);
    assert_eq!(code(&[&namesake, &new], &certificate, AT), "good");
    assert_eq!(
        code(&[&namesake], &certificate, AT),
        "certificate-signature"
    );
    assert_eq!(
        code(&[&namesake, &old], &certificate, AT),
        "certificate-expired"
    );
}

/// One root may sign both, as many providers have it; then the purpose alone tells them apart.
#[test]
fn a_certificate_for_servers_is_no_phones_whoever_it_names() {
    let mut keys = KeyPool::new(12);
    let (key, own) = (keys.take(KeyBits::B1024), keys.take(KeyBits::B1024));
    let root = root("lab", &key, AT, AT + 20 * DAY);
    let issuer = Issuer::new(&root, &*key).unwrap();
    let terms = terms(AT, AT + DAY);
    let subject = phone().subject(MacAttribute::State);
    let asked = made_for(&own, &subject);
    let asked = Request::parse(&asked).unwrap();
    let server = |form| issuer.server(&asked, form, &terms).unwrap();
    let judge = |der: &[u8]| code(&[&root], der, AT);
    assert_eq!(judge(&server(ServerForm::Mpp113)), "certificate-purpose");
    // Certificates of old phones do not say what they are for.
    assert_eq!(judge(&server(ServerForm::Sipura)), "good");
    let device = issuer.device(&phone(), MacAttribute::State, own.spki(), &terms);
    assert_eq!(judge(&device.unwrap()), "good");
}
