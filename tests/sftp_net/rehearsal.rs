//! A scenario that names a server, and what happens to that server while the scenario runs.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::Handle;
use trustline::event::Kind;
use trustline::net::sftp::{ServeConfig, ServerKey, Writes};
use trustline::phone::Pace;
use trustline::scenario::run::{Rehearsed, rehearse};
use trustline::scenario::{self, Network, Rules};

use crate::lab::{Lab, PASSWORD, USER, config, key};

/// Both export, one consolidates, both import.
const STEPS: [(&str, &str); 5] = [
    ("export", "destination"),
    ("export", "source"),
    ("consolidate", "source"),
    ("import", "source"),
    ("import", "destination"),
];

fn scenario(address: SocketAddr) -> scenario::Scenario {
    let built_in = include_str!("../../testdata/scenarios/bulk/exchange.toml");
    let (head, rest) = built_in.split_once("[cluster.source]").unwrap();
    let clusters = rest.split_once("[[step]]").unwrap().0;
    let steps = STEPS.map(|(what, cluster)| {
        format!("[[step]]\ndo = \"bulk-{what}\"\ncluster = \"{cluster}\"\n")
    });
    let (host, port) = (address.ip(), address.port());
    let text = format!(
        "{head}sftp = {{ host = \"{host}\", port = {port}, user = \"{USER}\", password = \"{PASSWORD}\", directory = \"bulk\" }}\n[cluster.source]{clusters}{}",
        steps.concat()
    );
    scenario::parse("rehearsal", &text, &Rules).unwrap()
}

struct Told {
    /// Result of each action, and text with notes.
    actions: Vec<(String, String)>,
    /// How many certificates came into stores.
    trusted: usize,
    rehearsed: Rehearsed,
}

/// Rehearses on sockets; `after` an action with its number, from 1, something happens.
async fn rehearsed(address: SocketAddr, mut after: impl FnMut(usize) + Send + 'static) -> Told {
    let scenario = scenario(address);
    let running = tokio::task::spawn_blocking(move || {
        let mut actions = Vec::new();
        let mut trusted = 0;
        let rehearsed = rehearse(
            &scenario,
            Network::Loopback,
            Pace::Fast,
            None,
            &mut |event| match &event.kind {
                Kind::Bulk {
                    result,
                    text,
                    notes,
                    ..
                } => {
                    actions.push((result.clone(), format!("{text} {notes:?}")));
                    after(actions.len());
                }
                Kind::Trusted { .. } => trusted += 1,
                _ => {}
            },
        );
        Told {
            actions,
            trusted,
            rehearsed: rehearsed.unwrap(),
        }
    });
    running.await.unwrap()
}

fn results(told: &Told) -> Vec<&str> {
    told.actions
        .iter()
        .map(|(result, _)| result.as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_exchange_leaves_its_files_at_the_named_server() {
    let lab = Lab::start().await;
    let told = rehearsed(lab.address, |_| {}).await;
    assert_eq!(results(&told), ["done"; 5], "{:?}", told.actions);
    assert!(told.trusted > 0);
    let names = lab.tree.lock().unwrap().files().count();
    // 8 of the source, 6 of the destination, and 6 that are consolidated.
    assert_eq!(names, 20);
    // They are the server's, and no part of the world.
    assert!(told.rehearsed.exchanged.is_empty());
    assert!(!told.rehearsed.unreached);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_key_that_changes_between_two_steps_is_noticed() {
    let lab = Lab::start().await;
    let (address, tree) = (lab.address, Arc::clone(&lab.tree));
    let runtime = Handle::current();
    let mut lab = Some(lab);
    let told = rehearsed(address, move |number| {
        let Some(first) = lab.take_if(|_| number == 3) else {
            return;
        };
        let config = ServeConfig {
            tree: Arc::clone(&tree),
            host_key: ServerKey::from_pem(key!("host-other.pem")).unwrap(),
            ..config()
        };
        lab = Some(runtime.block_on(async {
            first.stop().await;
            Lab::at(address, config).await
        }));
    })
    .await;
    let expected = ["done", "done", "done", "failed", "failed"];
    assert_eq!(results(&told), expected, "{:?}", told.actions);
    assert!(
        told.actions[0]
            .1
            .contains("is taken, and held for this run")
    );
    for (_, text) in &told.actions[3..] {
        assert!(text.contains("host key has changed"), "{text}");
    }
    assert_eq!(told.trusted, 0);
    assert!(told.rehearsed.unreached);
    assert_eq!(told.rehearsed.checked.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_at_a_named_server_fails_the_step() {
    type Change = fn(&Lab);
    let cases: [(Change, &str, bool); 6] = [
        (
            |lab| lab.fail(|f| f.cut_after = Some(100)),
            "was cut",
            false,
        ),
        (
            |lab| lab.fail(|f| f.writes = Writes::ReadOnly),
            "is read-only",
            false,
        ),
        (
            |lab| lab.fail(|f| f.writes = Writes::Denied),
            "is read-only",
            false,
        ),
        (
            |lab| lab.fail(|f| f.no_login = true),
            "refused the login; check user and password",
            true,
        ),
        (
            |lab| lab.fail(|f| f.no_directory = true),
            "does not exist",
            true,
        ),
        (
            |lab| {
                let mut tree = lab.tree.lock().unwrap();
                tree.limits.total_bytes = tree.bytes();
            },
            "disk is full",
            false,
        ),
    ];
    for (change, expected, unreached) in cases {
        let lab = Arc::new(Lab::start().await);
        let changing = Arc::clone(&lab);
        // Both have exported when it happens, and one consolidates.
        let told = rehearsed(lab.address, move |number| {
            if number == 2 {
                change(&changing);
            }
        })
        .await;
        let (result, text) = &told.actions[2];
        assert_eq!(result, "failed", "{text}");
        assert!(text.contains(expected), "{text}");
        // Nobody has consolidated, so there is nothing to import, whatever else is wrong.
        assert!(results(&told)[3..].iter().all(|result| *result != "done"));
        assert_eq!(told.trusted, 0, "{expected}");
        assert_eq!(told.rehearsed.unreached, unreached, "{expected}");
        let tree = lab.tree.lock().unwrap();
        let consolidated = |path: String| path.contains("consolidated_") && path.ends_with(".p12");
        assert!(!tree.files().any(|(path, _)| consolidated(path.to_string())));
    }
}
