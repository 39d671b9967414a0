//! Layer 3: what surrounds the phones. A cluster's nodes with their certificates, the trust
//! stores, and what its TFTP and TVS services hand out. No sockets, no clock, no files.
//!
//! [`Cluster::new`] makes certificates and publishes; a driver answers TFTP requests with
//! [`Cluster::file`] and TVS requests with [`Cluster::tvs_query`] and [`Cluster::tvs_verify`] while
//! [`Cluster::is_up`] says that the service runs. The other calls are an engineer's work. What a
//! release does is data ([`release`]); what no source says is a setting ([`ClusterSettings`]).

pub mod bulk;
pub mod key;
pub mod release;
pub mod x509;

mod certificates;
mod change;
mod config;
mod face;
mod lab;
mod list;
mod node;
mod operate;
mod phone_files;
mod records;
mod register;
mod saved;
mod segment;
mod serve;
mod spec;
mod state;
mod store;
mod tvs;

pub use change::{Change, FileFault, Turn};
pub use config::PhoneRecord;
pub use face::Face;
pub use key::{KeyBits, KeyPool, PrivateKey};
pub use lab::{Answers, Lab, NodeId, TlsIdentity, answers_of_tvs};
pub use list::{PublishError, record as list_record};
pub use node::{Damage, DamagedFile};
pub use operate::Target;
pub use phone_files::PhoneFiles;
pub use register::Registration;
pub use release::Release;
pub use saved::{OwnCertificate, SavedCluster};
pub use segment::phone_address;
pub use serve::{FileAnswer, HttpAnswer, is_device_name};
pub use spec::{
    BlankItl, ClusterError, ClusterMode, ClusterSettings, ClusterSpec, HttpMissing, LscTrustedBy,
    NodeSpec, Parameter, Parameters, RolesOfStore, ServerNames, Service, SignedDefault,
};
pub use state::{Cluster, Publication};
pub use store::{Store, TrustStore, Trusted};
pub use tvs::{TvsAnswer, TvsCache};
pub use x509::{CertificateKind, LabCertificate, PublicCertificate};
