//! What a scenario says, as plain data. [`super::parse()`] makes it and has checked every name in
//! it: whoever runs a scenario finds each cluster, node, phone and setting that it mentions.
//!
//! Values that a later check may still complain about keep their place in the file ([`Located`]).

use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::{Located, Span};
use super::pattern::{EventPattern, FilePattern};
use super::provisioning::Provisioning;
use super::select::Selector;
use super::settings::Setting;
pub use super::words::{
    BulkFault, BulkKind, BulkResult, CarriedCertificate, CertificateRecord, CutMoment, Damage,
    FirmwareProfile, FlashFile, Mode, OwnCertificate, PhoneFile, PhoneSecurity, RestsOn,
    ServedFile, Service, StoppableService, Store, Tls, Verb, Verdict,
};
use crate::sim::Link;
use crate::time::UnixSeconds;

/// The format that this version reads, the value of the key `format`.
pub const FORMAT: u64 = 1;

/// The releases that a cluster may run, oldest first.
pub const RELEASES: [&str; 8] = ["8.6", "9.1", "10.5.2", "11.0", "11.5.1", "12.5", "14", "15"];

/// CallManagers in a group, and so in a phone's list of servers. Cisco's group has three places.
pub const MAX_GROUP_MEMBERS: usize = 3;

/// A whole scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// One line for people.
    pub name: Located<String>,
    /// Where the outcome is documented.
    pub source: Located<String>,
    /// The world's clock at the start.
    pub date: Located<UnixSeconds>,
    /// Where all chance comes from; 1 unless given.
    pub seed: u64,
    /// How TLS is done in virtual time; modelled unless given. On sockets it is always real.
    pub tls: Tls,
    /// The clusters, in the order of the file.
    pub clusters: Vec<Cluster>,
    /// The phones, in the order of the file.
    pub phones: Vec<PhoneGroup>,
    /// Settings that win over the firmware profile and the release.
    pub settings: Vec<Setting>,
    /// The SFTP server that every cluster's page names from the start; `None` leaves the forms empty
    /// until a step fills them in.
    pub sftp: Option<SftpServer>,
    /// The DHCP server of the phones' segment.
    pub dhcp: Dhcp,
    /// Multiplatform phones and their servers; none unless given. Their resyncs come after the steps.
    pub provisioning: Option<Provisioning>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What has to hold at the end.
    pub expectations: Vec<Expectation>,
    /// A defect in every phone, to see that it is found.
    #[cfg(feature = "planted-defects")]
    pub planted: Option<crate::trust::planted::Defect>,
}

impl Scenario {
    /// The cluster called `id`.
    pub fn cluster(&self, id: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| *cluster.id == id)
    }

    /// The node called `name`, with its cluster. Names are unique over all clusters.
    pub fn node(&self, name: &str) -> Option<(&Cluster, &Node)> {
        self.clusters
            .iter()
            .find_map(|cluster| Some((cluster, cluster.node(name)?)))
    }

    /// The group that phone `number` (from 1) belongs to.
    pub fn phone(&self, number: usize) -> Option<&PhoneGroup> {
        self.phones
            .iter()
            .find(|group| group.numbers().contains(&number))
    }

    /// How many phones there are.
    pub fn phone_count(&self) -> usize {
        self.phones.iter().map(|group| group.count).sum()
    }

    /// The first step that exists in virtual time alone: links with chance and partitions, and what
    /// happens in the middle of a boot. `None` if the scenario runs on sockets too.
    pub fn needs_virtual_time(&self) -> Option<&Step> {
        self.steps.iter().find(|step| {
            matches!(
                step.action,
                Action::SetLink { .. } | Action::ClearLinks | Action::Later { .. }
            )
        })
    }
}

/// The DHCP server that the phones take their servers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dhcp {
    /// Whether phones ask it; true unless given. Else what option 150 names is set on them by hand.
    pub on: bool,
    /// Life of a lease in seconds; a day unless given. In a scenario no lease ends by itself: the
    /// step `renew-leases` says when phones renew.
    pub lease_seconds: u32,
}

impl Default for Dhcp {
    fn default() -> Self {
        Self {
            on: true,
            lease_seconds: 86_400,
        }
    }
}

/// One cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// What steps call it, from `[cluster.ID]`.
    pub id: Located<String>,
    /// One of [`RELEASES`].
    pub release: Located<String>,
    /// Its security mode; non-secure unless given.
    pub mode: Mode,
    /// Its enterprise parameters, as far as given.
    pub parameters: Vec<Setting>,
    /// Its nodes, in the order of the file; exactly one is the publisher.
    pub nodes: Vec<Node>,
    /// The CallManager group of its phones, highest priority first: up to [`MAX_GROUP_MEMBERS`]
    /// names of nodes. Unless given, the first nodes of the file that run CallManager.
    pub callmanager_group: Vec<Located<String>>,
    /// The files that its phones' configurations name; none unless given.
    pub phone_files: PhoneFiles,
}

/// The files that the configurations of a cluster name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhoneFiles {
    /// Which, with the name of the file; of a locale, of its folder.
    pub names: Vec<(PhoneFile, Located<String>)>,
    /// Those of them that no node has.
    pub missing: Vec<PhoneFile>,
    /// The node of any cluster whose CallManager signs them, as a proxy TFTP does; unless given, the
    /// node that serves them.
    pub signed_by: Option<Located<String>>,
}

impl PhoneFiles {
    /// What configurations name.
    pub fn name(&self, file: PhoneFile) -> Option<&str> {
        let found = self.names.iter().find(|(named, _)| *named == file);
        found.map(|(_, name)| name.value.as_str())
    }
}

impl Cluster {
    /// The node called `name`.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| *node.name == name)
    }

    /// The node that holds the database.
    pub fn publisher(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| node.runs(Service::Publisher))
    }

    /// The nodes that run `service`, in the order of the file.
    pub fn nodes_running(&self, service: Service) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.runs(service))
    }
}

/// One node of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its host name.
    pub name: Located<String>,
    /// What it runs. Where no node of a cluster lists `callmanager`, all of them run it.
    pub services: Vec<Service>,
}

impl Node {
    /// Whether it runs `service`.
    pub fn runs(&self, service: Service) -> bool {
        self.services.contains(&service)
    }
}

/// Phones that differ in nothing but their number.
#[derive(Clone, Debug, PartialEq)]
pub struct PhoneGroup {
    /// What selectors call the group.
    pub name: Option<Located<String>>,
    /// Number of its first phone; phones are numbered from 1 over the whole file.
    pub first: usize,
    /// How many phones.
    pub count: usize,
    /// The model: `CP-8861`.
    pub model: Located<String>,
    /// How their firmware behaves; follows from the model unless given.
    pub profile: FirmwareProfile,
    /// The cluster where they boot first, so that they hold its lists.
    pub cluster: Located<String>,
    /// Their device security mode; non-secure unless given.
    pub security: PhoneSecurity,
    /// Whether they hold an LSC; false unless given.
    pub lsc: bool,
    /// TFTP Encrypted Config of their security profile, in every cluster; false unless given. It
    /// counts in clusters in mixed mode.
    pub encrypted_config: bool,
    /// What clusters have of their certificates, where it is not the usual: the cluster of their
    /// first boot has the LSC, the others nothing.
    pub certificate_records: Vec<(Located<String>, CertificateRecord)>,
}

impl PhoneGroup {
    /// The numbers of its phones, from 1 over the whole file.
    pub fn numbers(&self) -> RangeInclusive<usize> {
        self.first..=self.first.saturating_add(self.count).saturating_sub(1)
    }
}

/// The MAC address of phone `number` (from 1): 00:11:22:33:44:01 for the first, then counting up.
pub fn mac(number: usize) -> [u8; 6] {
    const FIRST: u64 = 0x0011_2233_4401;
    let [_, _, mac @ ..] = FIRST
        .wrapping_add((number as u64).wrapping_sub(1))
        .to_be_bytes();
    mac
}

/// The device name of phone `number` (from 1): `SEP001122334401` for the first.
pub fn device_name(number: usize) -> String {
    mac(number)
        .iter()
        .fold("SEP".to_owned(), |name, byte| name + &format!("{byte:02X}"))
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where it stands in the file.
    pub span: Span,
    /// The word for it in the file.
    pub verb: Verb,
    /// What is done.
    pub action: Action,
}

/// A node, or all nodes of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// One node, by name.
    Node(Located<String>),
    /// A whole cluster, by id.
    Cluster(Located<String>),
}

/// Which write to a phone's flash the power fails at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashWrite {
    /// The first write of this file in the boot.
    Of(FlashFile),
    /// The n-th write of the boot, from 1.
    Nth(u32),
}

/// Nodes that a step is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// Every node of every cluster.
    All,
    /// These.
    Named(Vec<Located<String>>),
}

/// A jump of wall clocks.
///
/// What it does to each use of wall time: a phone's status messages and its look at the dates of a
/// signer's certificate (`phone.ignores_expiry`) follow its new clock; an answer of TVS that it
/// keeps over a boot runs out as `tvs.cache_clock` says; what a node publishes and which
/// certificates it makes or imports from then on bears its new time, so that
/// `list.older_timestamp` may come to matter. Deadlines of machines do not look at wall clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockJump {
    /// Seconds, forward or back.
    pub by: i64,
    /// Whose clocks; `None` is no phone's.
    pub phones: Option<Selector>,
    /// Whose clocks; `None` is no node's.
    pub nodes: Option<Nodes>,
}

/// What becomes of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceChange {
    /// It stops.
    Stop,
    /// It starts.
    Start,
    /// It stops and starts.
    Restart,
}

/// A button of the page of bulk certificate management.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkButton {
    /// Writes the cluster's certificates into the directory.
    Export,
    /// Makes one file of all exports.
    Consolidate,
    /// Takes the consolidated certificates into the stores.
    Import,
}

/// The SFTP form of the page, as far as it is filled in. It has no key to log in with, for the page
/// of a CUCM has none (PCD 15: address, port, user, password, directory); `trustline bulk
/// --identity` logs in with one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SftpServer {
    /// Host name or address; `None` is the lab's own server.
    pub host: Option<Located<String>>,
    /// Port; 22 unless given. The lab's own server has a free one of the system's.
    pub port: Option<Located<u16>>,
    /// User.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Directory, as the server knows it; relative to the user's home where it does not begin with
    /// `/`.
    pub directory: Option<String>,
    /// The RSA host key that the server must have, as `ssh-keygen -l` prints it: `SHA256:` and 43
    /// letters. A CUCM asks for no other kind (security guide 12.5SU5: rsa-sha2-256). Unless given, the key of the first connection is taken and held for the run.
    pub host_key: Option<Located<String>>,
}

impl SftpServer {
    /// This form, with what it leaves out taken from `default`.
    pub fn or(&self, default: &Self) -> Self {
        // A port and a key are of a host: another host has its own.
        let (port, host_key) = match self.host {
            Some(_) => (&self.port, &self.host_key),
            None => (
                if self.port.is_some() {
                    &self.port
                } else {
                    &default.port
                },
                if self.host_key.is_some() {
                    &self.host_key
                } else {
                    &default.host_key
                },
            ),
        };
        Self {
            host: self.host.clone().or_else(|| default.host.clone()),
            port: port.clone(),
            user: self.user.clone().or_else(|| default.user.clone()),
            password: self.password.clone().or_else(|| default.password.clone()),
            directory: self.directory.clone().or_else(|| default.directory.clone()),
            host_key: host_key.clone(),
        }
    }
}

/// The steps that an engineer can take.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Puts certificates of one cluster into the trust stores of another.
    TrustCertificates {
        /// Whose certificates.
        from: Located<String>,
        /// Into whose stores.
        into: Located<String>,
        /// Which; `None` is all that the bulk exchange carries between these releases.
        certificates: Option<Vec<CarriedCertificate>>,
        /// Of which nodes; `None` is all nodes.
        nodes: Option<Vec<Located<String>>>,
        /// Into which stores; `None` is where the bulk import puts each certificate.
        stores: Option<Vec<Store>>,
    },
    /// Points DHCP option 150 at one or two TFTP nodes.
    SetOption150 {
        /// The nodes, first the one that is asked first.
        to: Vec<Located<String>>,
        /// For which phones.
        phones: Selector,
    },
    /// Names a TFTP node in DHCP option 66.
    SetOption66 {
        /// The node, by its name: phones look its address up.
        to: Located<String>,
        /// Whether option 150 stays as it is; else it is taken away.
        beside_150: bool,
        /// For which phones.
        phones: Selector,
    },
    /// Lets phones renew their leases, while they are on.
    RenewLeases {
        /// Which phones.
        phones: Selector,
    },
    /// Lets the DHCP server answer, or not.
    SwitchDhcp {
        /// It answers.
        on: bool,
    },
    /// Resets phones: they boot again.
    ResetPhones {
        /// Which phones.
        phones: Selector,
    },
    /// Erases the lists of phones by hand, at each phone: they keep their configuration and boot again.
    EraseLists {
        /// Which phones.
        phones: Selector,
    },
    /// Resets phones to what they left the factory with: no list, no configuration.
    FactoryReset {
        /// Which phones.
        phones: Selector,
    },
    /// Stops, starts or restarts a service.
    ChangeService {
        /// What becomes of it.
        change: ServiceChange,
        /// Where; of a cluster, on every node that runs it.
        target: Target,
        /// Which.
        service: StoppableService,
    },
    /// Switches nodes off or on.
    SwitchPower {
        /// On, or off.
        on: bool,
        /// Which nodes.
        target: Target,
    },
    /// Sets an enterprise parameter.
    SetParameter {
        /// Of which cluster.
        cluster: Located<String>,
        /// The parameter and its new value.
        parameter: Setting,
    },
    /// Makes a certificate of a node anew, with a new key.
    RegenerateCertificate {
        /// Of which node.
        node: Located<String>,
        /// Which.
        certificate: Located<OwnCertificate>,
    },
    /// Uploads certificates of another cluster by hand, on the publisher: the way without bulk
    /// certificate management.
    UploadCertificate {
        /// Whose certificate: the name of a node, or of a cluster for each of its nodes that has
        /// its own.
        from: Located<String>,
        /// Which.
        certificate: Located<CarriedCertificate>,
        /// Into whose store.
        into: Located<String>,
        /// Into which store.
        store: Store,
    },
    /// Writes the CTL of a mixed cluster anew (`utils ctl update CTLFile`).
    UpdateCtl {
        /// Of which cluster.
        cluster: Located<String>,
    },
    /// Damages a file that a node serves, until its TFTP starts again
    /// (`cluster.tftp_start_mends`).
    DamageFile {
        /// Which TFTP node.
        node: Located<String>,
        /// Which file.
        file: ServedFile,
        /// How.
        how: Damage,
        /// At which byte, from 0; `None` leaves it to the run. Never with [`Damage::Empty`].
        at: Option<u64>,
    },
    /// Lets a node answer every request over HTTP and HTTPS with a status, whatever it has; TFTP
    /// stays as it is.
    AnswerHttp {
        /// Which TFTP node.
        node: Located<String>,
        /// For which file; `None` is for all.
        file: Option<ServedFile>,
        /// The status; 200 lets it answer as it should again.
        status: u16,
    },
    /// Fills in the SFTP form of a cluster's page. What is left out is as the scenario's key `sftp`
    /// has it, and without that the lab's own server's.
    BulkSftp {
        /// On whose publisher.
        cluster: Located<String>,
        /// The server.
        server: SftpServer,
    },
    /// An action on a cluster's page of bulk certificate management.
    Bulk {
        /// Which button.
        button: BulkButton,
        /// Of which cluster.
        cluster: Located<String>,
        /// On which node; `None` is the publisher.
        node: Option<Located<String>>,
        /// Which certificates.
        kind: BulkKind,
        /// How it has to end; `done` unless said.
        result: Option<Located<BulkResult>>,
    },
    /// Lets something go wrong at the lab's own SFTP server, in place of what went wrong before.
    BulkFault {
        /// What.
        fault: BulkFault,
    },
    /// A node goes on serving what it has, whatever is published later, until its TFTP starts again.
    KeepOldFiles {
        /// Which TFTP node.
        node: Located<String>,
    },
    /// Takes phones out of a cluster's database, so that it has no configuration for them.
    RemovePhones {
        /// Which phones.
        phones: Selector,
        /// Out of which cluster.
        cluster: Located<String>,
    },
    /// Puts phones that were removed into a cluster's database again, as they were there. For phones
    /// that are there nothing happens.
    AddPhones {
        /// Which phones.
        phones: Selector,
        /// Into which cluster's.
        cluster: Located<String>,
    },
    /// Lets the power fail in the next boot of phones.
    PowerCut {
        /// Which phones.
        phones: Selector,
        /// When, seen from the write.
        at: CutMoment,
        /// At which write.
        write: FlashWrite,
    },
    /// Sets the links between phones and nodes, in virtual time. What is not given is as on a whole
    /// link, whatever an earlier step said. The links stay until they are set anew or cleared.
    SetLink {
        /// Of which phones.
        phones: Selector,
        /// To which nodes.
        nodes: Nodes,
        /// What happens on them, both ways alike.
        link: Link,
    },
    /// Makes every link whole again, in virtual time.
    ClearLinks,
    /// Moves wall clocks.
    JumpClock(ClockJump),
    /// Does something in the middle of the next boot, in virtual time: a step with `after`. If all
    /// phones are done by then, the world waits for it.
    Later {
        /// How long after the start of the boot.
        after: Located<Duration>,
        /// What.
        action: Box<Self>,
    },
    /// Lets time pass.
    Wait {
        /// How long.
        duration: Duration,
    },
    /// Says something in the report.
    Note {
        /// What.
        text: String,
    },
}

/// Whose list a phone holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListOwner {
    /// None at all.
    Nobody,
    /// A list of any node of this cluster.
    Cluster(String),
    /// The list of this node.
    Node(String),
}

/// What has to hold at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Where it stands in the file.
    pub span: Span,
    /// Of which phones, each of them.
    pub phones: Selector,
    /// What has become of the phone.
    pub verdict: Option<Located<Verdict>>,
    /// A reason code that the verdict gives.
    pub reason: Option<Located<String>>,
    /// Status messages that the phone shows, in this order, others between them allowed.
    pub status: Vec<Located<String>>,
    /// How many times the phone asked a TVS.
    pub tvs_asked: Option<Located<u32>>,
    /// Files that the phone asked for, in this order, others between them allowed.
    pub requests: Vec<Located<FilePattern>>,
    /// Files that the phone did not ask for.
    pub silent: Vec<Located<FilePattern>>,
    /// Whose CTL it holds.
    pub ctl: Option<Located<ListOwner>>,
    /// Whose ITL it holds.
    pub itl: Option<Located<ListOwner>>,
    /// Whose configuration it follows; of a cluster, of any of its nodes.
    pub follows: Option<Target>,
    /// What the verdict rests on.
    pub rests_on: Option<Located<RestsOn>>,
    /// Events that happened, in this order, others between them allowed.
    pub events: Vec<Located<EventPattern>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_count_up_with_carry() {
        assert_eq!(mac(1), [0x00, 0x11, 0x22, 0x33, 0x44, 0x01]);
        assert_eq!(mac(255), [0x00, 0x11, 0x22, 0x33, 0x44, 0xff]);
        assert_eq!(mac(256), [0x00, 0x11, 0x22, 0x33, 0x45, 0x00]);
        assert_eq!(device_name(1), "SEP001122334401");
        assert_eq!(device_name(16), "SEP001122334410");
    }
}
