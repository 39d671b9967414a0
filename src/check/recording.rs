//! The recording of what was looked at, as files: a check of live clusters is repeated with it where
//! they cannot be reached, and an emulated cluster is taken elsewhere.
//!
//! ```text
//! cluster.json               nodes and their folders, parameters, what could not be read
//! NODE/node.json             address, who answers, what was said to each request and when not, why
//! NODE/tvs.json              what its TVS showed and said
//! NODE/tftp, http, https     files that it served
//! NODE/tls, tvs              certificates that its servers and its TVS showed or gave
//! NODE/certificates, stores  certificates
//! NODE/bodies/SHA256         whatever has no name that is a file name everywhere
//! ```
//!
//! Each file that another lists has its SHA-256 there: one that is gone or changed is unknown, so that
//! taking files away never makes an answer better.

mod schema;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::evidence::{
    FileReply, FileService, Known, Node, Parameters, SignerKey, TvsReply, TvsService,
};
use super::folder::{Problems, certificates_of};
use crate::cluster::{CertificateKind, PublicCertificate, TrustStore};
use crate::phone::file_facts;
use crate::trust::certificate::escape_for_terminal;
use crate::tvs::Found;
use schema::{Answer, Body, Cluster, Look, NodeFile, Said, Service, Tvs};

pub use write::write;

/// The file that lists the nodes.
pub const CLUSTER: &str = "cluster.json";
/// The file that says what a node did.
pub const NODE: &str = "node.json";
/// The file that says what a node's TVS said.
pub const TVS: &str = "tvs.json";

/// Stands for the answers of a TVS that nobody asked.
const NOT_KEPT: &str =
    "nobody asked it: what it would say is concluded from stores when this is read";

type Folder<'a> = BTreeMap<&'a str, &'a Arc<[u8]>>;

/// What [`CLUSTER`] says.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    /// Names of nodes and their folders, in order.
    pub(super) nodes: Vec<(String, String)>,
    pub(super) parameters: Parameters,
    pub(super) failures: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Reads [`CLUSTER`]; none where it is not there or damaged, which is a problem.
pub(super) fn listed(root: &Folder<'_>, place: &str, problems: &mut Problems) -> Option<Listed> {
    let bytes = root.get(CLUSTER)?;
    let place = format!("{place}/{CLUSTER}");
    match schema::read::<Cluster>(bytes, &place) {
        Ok(cluster) => Some(Listed {
            name: cluster.name,
            nodes: cluster
                .nodes
                .into_iter()
                .take(super::folder::MAX_NODES)
                .map(|n| (n.name, n.folder))
                .collect(),
            parameters: Parameters {
                auto_registration: cluster.parameters.auto_registration.into(),
                prepare_for_rollback: cluster.parameters.prepare_for_rollback.into(),
                cached_files: cluster.parameters.cached_files.into(),
            },
            failures: cluster.failures,
            notes: cluster.notes,
        }),
        Err(why) => {
            problems.fail(why);
            None
        }
    }
}

/// Reads [`NODE`], and what it lists; none where it is not there.
pub(super) fn node(
    place: &str,
    files: &Folder<'_>,
    problems: &mut Problems,
) -> Option<Result<Node, String>> {
    let bytes = files.get(NODE)?;
    Some(
        schema::read::<NodeFile>(bytes, &format!("{place}/{NODE}")).map(|file| {
            let tvs = tvs(place, files, problems);
            let mut reader = Reader {
                place,
                files,
                problems,
            };
            reader.node(file, tvs)
        }),
    )
}

/// Reads [`TVS`], and what it lists; none where it is not there.
pub(super) fn tvs(place: &str, files: &Folder<'_>, problems: &mut Problems) -> Option<TvsService> {
    let bytes = files.get(TVS)?;
    let mut reader = Reader {
        place,
        files,
        problems,
    };
    Some(
        match schema::read::<Tvs>(bytes, &format!("{place}/{TVS}")) {
            Ok(tvs) => reader.tvs(tvs),
            Err(why) => {
                reader.problems.fail(why.clone());
                TvsService::unknown(&why)
            }
        },
    )
}

/// Reads what a node's files list.
struct Reader<'a, 'b> {
    place: &'a str,
    files: &'a Folder<'b>,
    problems: &'a mut Problems,
}

impl Reader<'_, '_> {
    /// A file; where it is gone or changed, why nothing is known of it.
    fn body(&mut self, body: &Body) -> Result<Arc<[u8]>, String> {
        let path = escape_for_terminal(body.path.as_bytes());
        let path = format!("{}/{path}", self.place);
        let found = self.files.get(body.path.as_str());
        let why = match found {
            Some(bytes) if file_facts("", bytes).sha256 == body.sha256 => {
                return Ok(Arc::clone(bytes));
            }
            Some(_) => format!("{path} is not the file that was recorded: its SHA-256 is another"),
            None => format!("{path} is gone, which was recorded"),
        };
        self.problems.fail(why.clone());
        Err(why)
    }

    fn certificate(&mut self, body: &Body) -> Result<Arc<PublicCertificate>, String> {
        let bytes = self.body(body)?;
        let read = certificates_of(&bytes).and_then(|mut all| match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err("expected one certificate".to_owned()),
        });
        read.map_err(|why| {
            let path = escape_for_terminal(body.path.as_bytes());
            let why = format!("{}/{path}: {why}", self.place);
            self.problems.fail(why.clone());
            why
        })
    }

    fn node(&mut self, file: NodeFile, tvs: Option<TvsService>) -> Node {
        let tvs = tvs.unwrap_or_else(|| {
            let why = format!("{}/{TVS} is gone, which was recorded", self.place);
            self.problems.fail(why.clone());
            TvsService::unknown(&why)
        });
        let (mut certificates, mut listed) = (Vec::new(), Vec::new());
        for own in file.certificates {
            match self.certificate(&own.file) {
                Ok(certificate) => {
                    if own.listed {
                        listed.push(Arc::clone(&certificate));
                    }
                    certificates.push((own.kind, certificate));
                }
                // Without the file there is no such certificate; the problem is noted.
                Err(why) => {
                    if own.kind == CertificateKind::Capf.name() {
                        self.problems.capf_lost.get_or_insert_with(|| why.clone());
                    }
                    self.problems.lose(why);
                }
            }
        }
        let mut stores = BTreeMap::new();
        for (name, held) in file.stores {
            let Some(store) = TrustStore::from_name(&name) else {
                let name = escape_for_terminal(name.as_bytes());
                let text = format!("{}/{NODE} has a trust store {name}: unknown", self.place);
                self.problems.fail(text);
                continue;
            };
            let held = match held {
                Look::Is(files) => {
                    let read = files.iter().map(|file| self.certificate(file));
                    match read.collect::<Result<Vec<_>, _>>() {
                        Ok(held) => Known::Yes(held),
                        Err(why) => Known::No(why),
                    }
                }
                Look::Unknown(why) => Known::No(why),
            };
            stores.insert(store, held);
        }
        Node {
            name: file.name,
            address: file.address,
            tftp: self.service(file.tftp),
            http: self.service(file.http),
            https: self.service(file.https),
            tvs,
            callmanager: file.callmanager.into(),
            callmanager_ports: file
                .callmanager_ports
                .into_iter()
                .map(|(port, door)| (port, door.into()))
                .collect(),
            certificates,
            listed,
            stores,
        }
    }

    fn service(&mut self, service: Service) -> FileService {
        let mut door = service.door.into();
        let certificate = service.certificate.and_then(|body| {
            let read = self.body(&body);
            match read {
                Ok(bytes) => Some(bytes.to_vec()),
                // Nothing can be said of a server whose certificate nobody has.
                Err(why) => {
                    door = Known::No(why);
                    None
                }
            }
        });
        let replies = service.replies.into_iter();
        let replies = replies.map(|(name, said)| {
            let was_known = matches!(said, Look::Is(_));
            let known = self.said(said);
            if let Known::No(why) = &known
                && was_known
                && name.ends_with(".tlv")
            {
                self.problems.lose(why.clone());
            }
            (name, known)
        });
        let replies = replies.collect();
        FileService {
            door,
            concluded: service.concluded,
            certificate,
            replies,
            others: self.said(service.others),
        }
    }

    fn said(&mut self, said: Look<Said>) -> Known<FileReply> {
        match said {
            Look::Is(Said::File(body)) => match self.body(&body) {
                Ok(bytes) => Known::Yes(FileReply::File(bytes)),
                Err(why) => Known::No(why),
            },
            Look::Is(Said::NotFound) => Known::Yes(FileReply::NotFound),
            Look::Is(Said::Status(status)) => Known::Yes(FileReply::Status(status)),
            Look::Unknown(why) => Known::No(why),
        }
    }

    fn tvs(&mut self, tvs: Tvs) -> TvsService {
        let mut replies = BTreeMap::new();
        // What was concluded is concluded again, by the rules of this check.
        for asked in tvs.replies.into_iter().filter(|_| !tvs.derived) {
            let Some(signer) = asked.signer() else {
                let text = format!(
                    "{}/{TVS}: an issuer or a serial number is not in hex; it is left out",
                    self.place
                );
                self.problems.fail(text);
                continue;
            };
            let reply = self.answer(asked.answer);
            replies.insert(signer, reply);
        }
        TvsService {
            port: tvs.port,
            door: tvs.door.into(),
            certificate: match tvs.certificate {
                Look::Is(body) => match self.body(&body) {
                    Ok(bytes) => Known::Yes(bytes.to_vec()),
                    Err(why) => Known::No(why),
                },
                Look::Unknown(why) => Known::No(why),
            },
            replies,
            others: match tvs.derived {
                true => Known::No(NOT_KEPT.into()),
                false => self.answer(tvs.others),
            },
            derived: tvs.derived,
        }
    }

    fn answer(&mut self, answer: Look<Answer>) -> Known<TvsReply> {
        match answer {
            Look::Is(Answer::Found {
                certificate,
                roles,
                ttl_secs,
            }) => match self.body(&certificate) {
                Ok(bytes) => Known::Yes(TvsReply::Found(Found {
                    certificate: bytes.to_vec(),
                    roles,
                    ttl_secs,
                })),
                Err(why) => Known::No(why),
            },
            Look::Is(Answer::Unknown) => Known::Yes(TvsReply::Unknown),
            Look::Is(Answer::Closed) => Known::Yes(TvsReply::Closed),
            Look::Unknown(why) => Known::No(why),
        }
    }
}

/// The signer of a question that a recording has.
impl schema::Asked {
    fn signer(&self) -> Option<SignerKey> {
        let issuer = match &self.issuer_hex {
            Some(hex) => schema::unhex(hex)?,
            None => self.issuer.as_bytes().to_vec(),
        };
        Some(SignerKey {
            issuer,
            serial: schema::unhex(&self.serial)?,
        })
    }
}

#[cfg(test)]
mod tests;
