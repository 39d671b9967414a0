//! Each fix where it is the smallest, and where it must not be offered.

use trustline::check::answer::{Action, Fate, Fix, Group, Whose};
use trustline::cluster::{CertificateKind, Release};

use crate::lab::Lab;

fn fix(group: &Group) -> &Fix {
    group.fix.as_ref().unwrap()
}

fn import(kind: &str, node: &str, store: &str) -> impl Fn(&Action) -> bool {
    move |action| match action {
        Action::Import {
            certificate: Whose {
                kind: k, node: n, ..
            },
            from,
            into,
            store: s,
        } => k == kind && n == node && s == store && from == "dst" && into == "src",
        _ => false,
    }
}

fn restart(service: &str, cluster: &str, nodes: &[&str]) -> Action {
    Action::Restart {
        service: service.into(),
        cluster: cluster.into(),
        nodes: nodes.iter().map(|n| (*n).to_owned()).collect(),
    }
}

#[test]
fn a_missing_signer_is_imported() {
    let mut lab = Lab::non_secure(Release::V10_5_2, Release::V11_5_1);
    let phone = lab.phone();
    let group = lab.check(&phone, &["dst-pub"]);
    assert_eq!(group.fate, Fate::Stranded, "{group:#?}");
    let fix = fix(&group);
    assert!(fix.proven, "{fix:#?}");
    let [first, second] = fix.actions.as_slice() else {
        panic!("{fix:#?}");
    };
    assert!(
        import("CallManager", "dst-pub", "Phone-SAST-trust")(first),
        "{fix:#?}"
    );
    assert_eq!(*second, restart("TVS", "src", &["src-pub", "src-sub"]));
    // One way only.
    assert_eq!(group.back.as_ref().map(|b| b.fate), Some(Fate::Stranded));
    println!("{group:#?}");
    use trustline::cluster::TrustStore::PhoneSast;
    lab.import("dst-pub", CertificateKind::CallManager, &[PhoneSast]);
    assert!(lab.moved(&phone, &["dst-pub"]).follows());
}
