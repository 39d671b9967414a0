//! A cluster as files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use der::pem::{LineEnding, encode_string};
use serde::Serialize;

use super::schema::{
    Answer, Asked, Body, Cluster, ListedNode, Look, NodeFile, Own, ParametersFile, SCHEMA_VERSION,
    Said, Service, Tvs,
};
use super::{CLUSTER, NODE, NOT_KEPT, TVS};
use crate::check::evidence::{
    Door, FileReply, FileService, Known, Node, Side, SignerKey, TvsReply, TvsService,
};
use crate::check::folder::Files;
use crate::cluster::{CertificateKind, PublicCertificate};
use crate::phone::file_facts;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::search::hex;

/// The most letters of a part of a path that is made of a name.
const MAX_NAME: usize = 64;
/// Names that mean devices on Windows, with any ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The files of a recording, by path. [`super::super::folder::gather`] makes the same cluster of them.
pub fn write(side: &Side) -> Files {
    let mut files = Files::new();
    let mut folders = BTreeSet::from([CLUSTER.to_owned()]);
    let mut listed = Vec::new();
    for node in &side.nodes {
        let folder = folder_of(&node.name, &mut folders);
        let mut out = Out {
            folder: &folder,
            taken: BTreeMap::new(),
            files: &mut files,
        };
        out.node(node);
        listed.push(ListedNode {
            name: node.name.clone(),
            folder,
        });
    }
    let parameters = &side.parameters;
    let cluster = Cluster {
        schema_version: SCHEMA_VERSION,
        name: side.name.clone(),
        nodes: listed,
        parameters: ParametersFile {
            auto_registration: Look::of(&parameters.auto_registration, |v| *v),
            prepare_for_rollback: Look::of(&parameters.prepare_for_rollback, |v| *v),
            cached_files: Look::of(&parameters.cached_files, Vec::clone),
        },
        failures: side.failures.clone(),
        notes: side.notes.clone(),
    };
    files.insert(CLUSTER.to_owned(), json(&cluster));
    files
}

fn json(value: &impl Serialize) -> Arc<[u8]> {
    // Strings, numbers, lists and maps of them always serialise.
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}

/// A folder of its own for each node.
fn folder_of(name: &str, taken: &mut BTreeSet<String>) -> String {
    let stem = safe(name);
    let stem = match stem.as_str() {
        // The folders of a node, of a world and of stores mean something else there.
        "tftp" | "certificates" | "http" | "https" | "tls" | "tvs" | "bodies" | "stores"
        | "clusters" | "phones" | "sftp" => format!("node-{stem}"),
        _ if crate::cluster::TrustStore::from_name(&stem).is_some() => format!("node-{stem}"),
        _ => stem,
    };
    let mut folder = stem.clone();
    let mut number = 2;
    while !taken.insert(folder.to_lowercase()) {
        folder = format!("{stem}-{number}");
        number += 1;
    }
    folder
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// True of a name that is a file name anywhere.
fn is_safe(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(is_letter)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !DEVICES.iter().any(|d| stem.eq_ignore_ascii_case(d))
}

/// A file name, made of any name.
fn safe(name: &str) -> String {
    let letters = name.chars().take(MAX_NAME - 2);
    let name: String = letters
        .map(|c| if is_letter(c) { c } else { '_' })
        .collect();
    if is_safe(&name) {
        name
    } else {
        format!("_{}_", name.trim_matches('.'))
    }
}

/// The files of one node.
struct Out<'a> {
    folder: &'a str,
    /// Paths in lower case, for systems that know no other, with what lies there.
    taken: BTreeMap<String, Body>,
    files: &'a mut Files,
}

impl Out<'_> {
    /// Puts bytes under a path or, where that is taken or none is good, under their SHA-256.
    fn put(&mut self, wanted: Option<String>, bytes: &[u8]) -> Body {
        let sha256 = file_facts("", bytes).sha256;
        let own = format!("bodies/{sha256}");
        let path = wanted.unwrap_or_else(|| own.clone());
        for path in [path, own] {
            match self.taken.get(&path.to_lowercase()) {
                Some(body) if body.path == path && body.sha256 == sha256 => return body.clone(),
                Some(_) => {}
                None => {
                    let body = Body {
                        path: path.clone(),
                        bytes: bytes.len(),
                        sha256,
                    };
                    self.taken.insert(path.to_lowercase(), body.clone());
                    let full = format!("{}/{path}", self.folder);
                    self.files.insert(full, bytes.into());
                    return body;
                }
            }
        }
        // What lies under a SHA-256 has it, and nothing else is put there.
        Body {
            path: format!("bodies/{sha256}"),
            bytes: bytes.len(),
            sha256,
        }
    }

    fn pem(&mut self, wanted: Option<String>, certificate: &PublicCertificate) -> Body {
        let der = &certificate.der;
        match encode_string("CERTIFICATE", LineEnding::LF, der) {
            Ok(pem) if wanted.is_some() => self.put(wanted, pem.as_bytes()),
            _ => self.put(None, der),
        }
    }

    fn json(&mut self, name: &str, value: &impl Serialize) {
        self.files
            .insert(format!("{}/{name}", self.folder), json(value));
    }

    fn node(&mut self, node: &Node) {
        let tftp = self.service("tftp", &node.tftp, None);
        let http = self.service("http", &node.http, Some(&node.tftp));
        let https = self.service("https", &node.https, Some(&node.tftp));
        let mut certificates = Vec::new();
        for (kind, certificate) in &node.certificates {
            let is_kind = CertificateKind::from_name(kind).is_some_and(|k| k.name() == kind);
            let wanted = is_kind.then(|| format!("certificates/{kind}.pem"));
            certificates.push(Own {
                kind: kind.clone(),
                file: self.pem(wanted, certificate),
                listed: node.listed.contains(certificate),
            });
        }
        let mut stores = BTreeMap::new();
        for (store, held) in &node.stores {
            let files = Look::of(held, |held| {
                let numbered = (1..).zip(held);
                let put = |(n, c): (usize, &Arc<PublicCertificate>)| {
                    let name = safe(c.subject_text.trim_start_matches("CN="));
                    let name = name
                        .split('_')
                        .find(|p| !p.is_empty())
                        .unwrap_or("certificate");
                    self.pem(Some(format!("stores/{store}/{n:04}-{name}.pem")), c)
                };
                numbered.map(put).collect()
            });
            stores.insert(store.name().to_owned(), files);
        }
        self.tvs(&node.tvs);
        let file = NodeFile {
            schema_version: SCHEMA_VERSION,
            name: node.name.clone(),
            address: node.address,
            tftp,
            http,
            https,
            callmanager: door(&node.callmanager),
            callmanager_ports: node
                .callmanager_ports
                .iter()
                .map(|(port, known)| (*port, door(known)))
                .collect(),
            certificates,
            stores,
        };
        self.json(NODE, &file);
    }

    /// What a service said. `first` has what another said, whose files are not put there twice.
    fn service(
        &mut self,
        folder: &str,
        service: &FileService,
        first: Option<&FileService>,
    ) -> Service {
        let certificate = service.certificate.as_ref();
        let certificate = certificate.map(|der| self.put(Some(format!("tls/{folder}.der")), der));
        let mut replies = BTreeMap::new();
        for (name, reply) in &service.replies {
            let is_same = first.is_some_and(|f| f.replies.get(name) == Some(reply));
            let folder = if is_same { "tftp" } else { folder };
            replies.insert(name.clone(), self.said(folder, name, reply));
        }
        Service {
            door: door(&service.door),
            concluded: service.concluded,
            certificate,
            replies,
            others: self.said(folder, "", &service.others),
        }
    }

    fn said(&mut self, folder: &str, name: &str, reply: &Known<FileReply>) -> Look<Said> {
        Look::of(reply, |reply| match reply {
            FileReply::File(bytes) => {
                let wanted = is_safe(name).then(|| format!("{folder}/{name}"));
                Said::File(self.put(wanted, bytes))
            }
            FileReply::NotFound => Said::NotFound,
            FileReply::Status(status) => Said::Status(*status),
        })
    }

    fn tvs(&mut self, tvs: &TvsService) {
        let own = Some("tvs/own.der".to_owned());
        let certificate = Look::of(&tvs.certificate, |der| self.put(own, der));
        let replies = tvs.replies.iter().filter(|_| !tvs.derived);
        let replies = replies.map(|(signer, reply)| self.asked(signer, reply));
        let replies = replies.collect();
        let file = Tvs {
            schema_version: SCHEMA_VERSION,
            port: tvs.port,
            door: door(&tvs.door),
            certificate,
            replies,
            others: match tvs.derived {
                true => Look::Unknown(NOT_KEPT.to_owned()),
                false => self.answer(&tvs.others),
            },
            derived: tvs.derived,
        };
        self.json(TVS, &file);
    }

    fn asked(&mut self, signer: &SignerKey, reply: &Known<TvsReply>) -> Asked {
        let text = std::str::from_utf8(&signer.issuer);
        Asked {
            issuer: text.map_or_else(|_| escape_for_terminal(&signer.issuer), str::to_owned),
            issuer_hex: text.is_err().then(|| hex(&signer.issuer)),
            serial: hex(&signer.serial),
            answer: self.answer(reply),
        }
    }

    fn answer(&mut self, reply: &Known<TvsReply>) -> Look<Answer> {
        Look::of(reply, |reply| match reply {
            TvsReply::Found(found) => {
                let sha256 = file_facts("", &found.certificate).sha256;
                let wanted = Some(format!("tvs/{sha256}.der"));
                Answer::Found {
                    certificate: self.put(wanted, &found.certificate),
                    roles: found.roles.clone(),
                    ttl_secs: found.ttl_secs,
                }
            }
            TvsReply::Unknown => Answer::Unknown,
            TvsReply::Closed => Answer::Closed,
        })
    }
}

fn door(door: &Known<Door>) -> Look<super::schema::DoorWord> {
    Look::of(door, |door| (*door).into())
}
