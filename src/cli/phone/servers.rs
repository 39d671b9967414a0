//! Where the phone's servers are: `--tftp`, and the lab of `--lab`.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::path::Path;

use serde::Deserialize;

use super::clean;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::world::{cannot_open, read_up_to, shown};
use crate::net::real::{Addresses, LabNode, TFTP_PORT};
use crate::report::text::did_you_mean;

/// Bytes of a lab's line: a node takes about 200.
const MAX_LAB_LINE: u64 = 1024 * 1024;

/// The servers that were named, in order, and where they are: all that a phone without DHCP has, and
/// what an engineer sets as "Alternate TFTP" on one with DHCP.
///
/// # Errors
/// A name does not resolve, two cannot be told apart, or there are more than `most`.
pub(super) fn named(
    servers: &[String],
    lab: Option<&Path>,
    most: usize,
) -> Result<(Vec<Ipv4Addr>, Addresses), Failure> {
    if servers.len() > most {
        let text = format!(
            "--tftp is given {} times; a phone keeps {most} servers at most (setting \
             dhcp.max_servers)",
            servers.len()
        );
        return Err(Failure::new(ExitCode::Usage, text));
    }
    let mut addresses = Addresses {
        lab: lab.map(read_lab).transpose()?.unwrap_or_default(),
        ..Addresses::default()
    };
    let mut option_150 = Vec::new();
    for server in servers {
        let (host, port) = split(server)?;
        let address = match addresses.node(host) {
            Some(node) => node.address,
            None => resolve(host, &addresses)?,
        };
        if option_150.contains(&address) {
            let text = format!(
                "--tftp {}: both servers have the address {address}; option 150 has addresses \
                 alone, so a phone cannot tell them apart",
                clean(server)
            );
            return Err(Failure::new(ExitCode::Usage, text));
        }
        if let Some(port) = port {
            addresses.tftp_ports.insert(address, port);
        }
        option_150.push(address);
    }
    Ok((option_150, addresses))
}

/// Host and port of `HOST[:PORT]`.
fn split(server: &str) -> Result<(&str, Option<u16>), Failure> {
    let wrong = |why: &str| {
        let text = format!(
            "--tftp {}: {why}; expected HOST or HOST:PORT, such as 10.0.0.5 or 10.0.0.5:{TFTP_PORT}",
            clean(server)
        );
        Failure::new(ExitCode::Usage, text)
    };
    if server.matches(':').count() > 1 {
        return Err(wrong("option 150 has IPv4 addresses, no others"));
    }
    let (host, port) = match server.split_once(':') {
        None => (server, None),
        Some((host, port)) => match port.parse::<u16>() {
            Ok(port) if port > 0 => (host, Some(port)),
            _ => return Err(wrong("the port is no number from 1 to 65535")),
        },
    };
    if host.is_empty() {
        return Err(wrong("the host is missing"));
    }
    Ok((host, port))
}

fn resolve(host: &str, addresses: &Addresses) -> Result<Ipv4Addr, Failure> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let shown = clean(host);
    let hint = did_you_mean(host, addresses.lab.iter().map(|n| n.node.as_str()));
    let unreachable = |why: &str| {
        let text = format!("--tftp {shown} {why}: name the server's address instead{hint}");
        Failure::new(ExitCode::Unreachable, text)
    };
    let found = (host, TFTP_PORT).to_socket_addrs();
    let mut found = found.map_err(|e| unreachable(&format!("does not resolve ({e})")))?;
    found
        .find_map(|a| match a.ip() {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        })
        .ok_or_else(|| unreachable("has no IPv4 address, and option 150 has no others"))
}

/// The line that a lab prints when it is ready.
#[derive(Deserialize)]
struct Ready {
    schema_version: u32,
    kind: String,
    nodes: Vec<LabNode>,
}

/// Reads the first line of the file: live events may follow it.
///
/// # Errors
/// It cannot be opened, or begins with another line.
pub(in crate::cli) fn read_lab(path: &Path) -> Result<Vec<LabNode>, Failure> {
    let bytes = read_up_to(path, MAX_LAB_LINE + 1).map_err(|e| cannot_open(path, &e))?;
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let wrong = |why: &str| {
        let text = format!(
            "--lab {}: {why}; it must begin with the line that `trustline serve` prints when it is \
             ready",
            shown(path)
        );
        Failure::new(ExitCode::Usage, text)
    };
    if line.len() as u64 > MAX_LAB_LINE {
        return Err(wrong(&format!(
            "its first line has more than {MAX_LAB_LINE} bytes"
        )));
    }
    let ready: Ready = serde_json::from_slice(line).map_err(|e| wrong(&clean(&e.to_string())))?;
    match (ready.schema_version, ready.kind.as_str()) {
        (1, "ready") => Ok(ready.nodes),
        (1, kind) => Err(wrong(&format!("its first line is of kind {}", clean(kind)))),
        (other, _) => Err(wrong(&format!(
            "it has schema_version {other}, this build reads 1"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named_here(servers: &[&str]) -> Result<(Vec<Ipv4Addr>, Addresses), Failure> {
        let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
        named(&servers, None, 2)
    }

    #[test]
    fn ports_go_beside_option_150() {
        let (servers, addresses) = named_here(&["10.0.0.5:6969", "10.0.0.6"]).unwrap();
        let expected: Vec<Ipv4Addr> = vec![[10, 0, 0, 5].into(), [10, 0, 0, 6].into()];
        assert_eq!(servers, expected);
        let ports: Vec<_> = addresses.tftp_ports.into_iter().collect();
        assert_eq!(ports, [([10, 0, 0, 5].into(), 6_969)]);
    }

    #[test]
    fn what_cannot_be_a_server_is_explained() {
        for (servers, code, expected) in [
            (
                &["10.0.0.5", "10.0.0.5:70"][..],
                ExitCode::Usage,
                "tell them apart",
            ),
            (&["a", "b", "c"], ExitCode::Usage, "2 servers"),
            (&["::1"], ExitCode::Usage, "IPv4"),
            (&["10.0.0.5:0"], ExitCode::Usage, "port"),
            (&[":69"], ExitCode::Usage, "host is missing"),
            (
                &["no-such-host.invalid"],
                ExitCode::Unreachable,
                "does not resolve",
            ),
        ] {
            let failure = named_here(servers).unwrap_err();
            assert_eq!(failure.code, code, "{servers:?}");
            assert!(failure.text.contains(expected), "{}", failure.text);
        }
    }

    #[test]
    fn a_labs_line_is_read_and_another_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ready.json");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            named(&["dst-pub".into()], Some(&path), 2)
        };
        let line = r#"{"schema_version":1,"kind":"ready","nodes":[{"cluster":"b","node":"dst-pub","address":"127.1.2.1","tftp":"127.0.0.1:4001","tvs":"127.0.0.1:4002","http":"127.0.0.1:4003"}]}"#;
        let (servers, _) = read(&format!("{line}\n{{\"kind\":\"boot\"}}\n")).unwrap();
        assert_eq!(servers, [Ipv4Addr::new(127, 1, 2, 1)]);
        for (text, expected) in [
            ("", "EOF"),
            (
                r#"{"schema_version":2,"kind":"ready","nodes":[]}"#,
                "schema_version 2",
            ),
            (
                r#"{"schema_version":1,"kind":"boot","nodes":[]}"#,
                "of kind boot",
            ),
        ] {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.code, ExitCode::Usage);
            assert!(failure.text.contains(expected), "{}", failure.text);
        }
    }
}
