//! Bulk certificate management over SFTP.

use std::collections::BTreeMap;
use std::time::Duration;

use trustline::cluster::bulk::directory::{DirectoryFault, DirectoryOperation, DirectoryResult};
use trustline::cluster::bulk::{End, p12};
use trustline::net::sftp::{Fingerprint, HostKeyPolicy, Login, ServerKey, Writes, connect};

use super::clusters::{Clusters, carry_out, exchange};
use super::lab::{Lab, key, path, refused};

/// All files of the directory.
fn files(lab: &Lab) -> BTreeMap<String, Vec<u8>> {
    let tree = lab.tree.lock().unwrap();
    let names = tree.list(&path("/bulk")).unwrap().into_iter();
    names
        .map(|(name, _)| {
            let bytes = tree.read(&path(&format!("/bulk/{name}"))).unwrap();
            (name, bytes.to_vec())
        })
        .collect()
}

#[tokio::test]
async fn two_clusters_exchange_as_they_do_in_memory() {
    let lab = Lab::start().await;
    let mut clusters = Clusters::new();
    let expected = clusters.in_memory();
    let (mut src, mut dst) = (lab.connect().await, lab.connect().await);
    exchange(&mut clusters, &mut src, &mut dst).await;
    assert_eq!(clusters.contents(&files(&lab)), expected);
    assert!(
        expected.len() > 8,
        "a file a node and type, and the consolidated ones"
    );
}

#[tokio::test]
async fn a_cut_export_leaves_no_half_file_under_its_name() {
    let clusters = Clusters::new();
    let mut lengths = Vec::new();
    {
        let lab = Lab::start().await;
        let mut directory = lab.connect().await;
        carry_out(&mut directory, clusters.export("src")).await;
        lengths.extend(files(&lab).into_values().map(|bytes| bytes.len() as u64));
    }
    let whole: u64 = lengths.iter().sum();
    for cut_after in [0, 1, whole / 3, whole / 2, whole - 1] {
        let lab = Lab::start().await;
        lab.fail(|faults| faults.cut_after = Some(cut_after));
        let mut directory = lab.connect().await;
        let outcome = carry_out(&mut directory, clusters.export("src")).await;
        let End::Failed(failure) = outcome.end else {
            panic!("{outcome:?}");
        };
        assert_eq!(failure.fault, DirectoryFault::Cut);
        let left = files(&lab);
        let whole: Vec<_> = left
            .iter()
            .filter(|(name, _)| name.ends_with(".p12"))
            .collect();
        // All that has its own name can be read.
        clusters.contents(whole.iter().copied());
        assert_eq!(
            left.len(),
            whole.len() + 1,
            "and one temporary file is left"
        );

        // The next export, over a connection that lasts, makes it good.
        lab.fail(|faults| faults.cut_after = None);
        let mut directory = lab.connect().await;
        let outcome = carry_out(&mut directory, clusters.export("src")).await;
        assert_eq!(outcome.end, End::Exported);
        let left = files(&lab);
        clusters.contents(left.iter().filter(|(name, _)| name.ends_with(".p12")));
    }
}

#[tokio::test]
async fn the_page_hears_every_fault_of_the_server() {
    let lab = Lab::start().await;
    let clusters = Clusters::new();
    let mut directory = lab.connect().await;
    for (writes, capacity, expected) in [
        (Writes::ReadOnly, u64::MAX, DirectoryFault::ReadOnly),
        (Writes::Denied, u64::MAX, DirectoryFault::ReadOnly),
        (Writes::Taken, 1000, DirectoryFault::DiskFull),
    ] {
        lab.fail(|faults| faults.writes = writes);
        lab.tree.lock().unwrap().limits.total_bytes = capacity;
        let outcome = carry_out(&mut directory, clusters.export("src")).await;
        let End::Failed(failure) = outcome.end else {
            panic!("{outcome:?}");
        };
        assert_eq!(failure.fault, expected);
    }
    let mut settings = lab.settings();
    settings.deadlines.call = Duration::from_millis(300);
    let mut directory = connect(&settings).await.unwrap();
    lab.fail(|faults| faults.mute = true);
    let result = directory.perform(DirectoryOperation::List).await;
    let DirectoryResult::Failed(fault) = result else {
        panic!("{result:?}");
    };
    assert_eq!(
        fault.to_string(),
        "the SFTP server cannot be reached: no answer within 300ms while listing the directory; \
         check that it runs, and host and port of the page's SFTP settings"
    );
    assert!(fault.ends_connection());
}

#[tokio::test]
async fn the_page_hears_why_there_is_no_connection() {
    let lab = Lab::start().await;
    let fault = |settings| async move { DirectoryFault::from(refused(&settings).await) };
    let mut settings = lab.settings();
    settings.login = Login::Password("wrong".to_owned());
    assert_eq!(fault(settings).await, DirectoryFault::LoginRefused);
    let mut settings = lab.settings();
    settings.directory = "/nowhere".to_owned();
    assert_eq!(fault(settings).await, DirectoryFault::NoDirectory);

    let other = ServerKey::from_pem(key!("host-other.pem")).unwrap();
    let expected: Fingerprint = other.host_key().fingerprint;
    let mut settings = lab.settings();
    settings.host_key = HostKeyPolicy::Pinned(expected.into());
    assert_eq!(
        fault(settings).await,
        DirectoryFault::HostKeyChanged {
            expected: expected.to_string(),
            found: ServerKey::lab().unwrap().host_key().to_string(),
        }
    );
    let (settings, address) = (lab.settings(), lab.address);
    lab.stop().await;
    assert_eq!(
        fault(settings).await,
        DirectoryFault::Unreachable(format!("{address}: connection refused"))
    );
}

#[tokio::test]
async fn a_file_that_is_too_large_is_read_as_far_as_that_shows() {
    let lab = Lab::start().await;
    lab.put("/bulk/large", &vec![1; p12::MAX_BYTES + 5000]);
    let mut directory = lab.connect().await;
    let name = "large".to_owned();
    let read = directory.perform(DirectoryOperation::Read { name }).await;
    let DirectoryResult::Read(bytes) = read else {
        panic!("{read:?}");
    };
    assert_eq!(bytes.len(), p12::MAX_BYTES + 1);
    let name = "none".to_owned();
    let none = directory.perform(DirectoryOperation::Read { name }).await;
    assert_eq!(none, DirectoryResult::Failed(DirectoryFault::NoFile));
}
