//! Servers that are not there, half there or something else; and the dry run, which asks nobody.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::golden::run;
use crate::{said, stdout, told};

/// The other side, of a scenario.
const TO: &str = "scenarios/non-secure-migration.toml#destination";

/// Takes connections, says `reply` to each and keeps it open.
fn tcp_server(reply: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            if !reply.is_empty() {
                let mut buffer = [0; 1_024];
                let _ = stream.read(&mut buffer);
                let _ = stream.write_all(reply);
            }
            open.push(stream);
        }
    });
    port
}

/// A port of UDP from which nothing comes.
fn mute_udp() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn half_dead_servers_end_in_time_and_the_other_side_is_read() {
    let (_mute, tftp) = mute_udp();
    let page: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>\n</html>";
    let trickle: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nx";
    for (reply, expected) in [
        (&b""[..], "not whole within"),
        (page, "is no trust list"),
        (trickle, "not whole within"),
        (&b"SSH-2.0-x\r\n"[..], "not HTTP"),
    ] {
        let http = tcp_server(reply);
        let from = format!("tftp://127.0.0.1:{tftp},http://127.0.0.1:{http}");
        let start = Instant::now();
        let output = run(&[
            "check",
            "--from",
            &from,
            "--to",
            TO,
            "--timeout",
            "0.5",
            "--rate",
            "500",
            "--device",
            "SEP001122334401",
        ]);
        assert!(start.elapsed() < Duration::from_secs(20), "{expected}");
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        let said = said(&output);
        assert!(said.contains(expected), "{said}");
        assert!(said.contains("TFTP of 127.0.0.1 does not answer"), "{said}");
        assert!(told(&output).contains("unknown"), "{said}");
    }
}

#[test]
fn a_configuration_that_names_hosts_without_end_ends_in_time() {
    let (_mute, tftp) = mute_udp();
    let members: String = (0..2_000)
        .map(|n| {
            format!(
                "<member><callManager><processNodeName>h{n}.invalid</processNodeName></callManager></member>"
            )
        })
        .collect();
    let file = format!(
        "<device><devicePool><callManagerGroup><members>{members}</members></callManagerGroup>\
         </devicePool></device>"
    );
    let page = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{file}",
        file.len()
    );
    let http = tcp_server(page.leak().as_bytes());
    let from = format!("tftp://127.0.0.1:{tftp},http://127.0.0.1:{http}");
    let start = Instant::now();
    let output = run(&[
        "check",
        "--from",
        &from,
        "--to",
        TO,
        "--timeout",
        "1",
        "--rate",
        "500",
        "--device",
        "SEP001122334401",
    ]);
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let told = told(&output);
    assert!(told.contains("names 2000 CallManager"), "{told}");
    assert!(told.contains("CallManager of h15.invalid"), "{told}");
    assert!(!told.contains("CallManager of h16.invalid"), "{told}");
}

#[test]
fn nobody_there_is_named() {
    let output = run(&[
        "check",
        "--from",
        "tftp://no-such-host.invalid",
        "--to",
        TO,
        "--timeout",
        "2",
    ]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        told(&output).contains("does not resolve"),
        "{}",
        said(&output)
    );
    assert!(told(&output).contains("unknown"), "{}", said(&output));
}

/// Hands out the files of a folder over TFTP, to one client after the other.
fn tftp_server(folder: PathBuf) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut buffer = [0; 1_024];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let name = buffer[2..length].split(|b| *b == 0).next().unwrap();
            let name = String::from_utf8(name.to_vec()).unwrap();
            let own = UdpSocket::bind("127.0.0.1:0").unwrap();
            own.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let Ok(bytes) = fs::read(folder.join(name)) else {
                own.send_to(b"\0\x05\0\x01none\0", client).unwrap();
                continue;
            };
            // The last block is shorter than the others, if only by being empty.
            for n in 0..=bytes.len() / 512 {
                let block = u16::try_from(n + 1).unwrap().to_be_bytes();
                let data = &bytes[n * 512..bytes.len().min((n + 1) * 512)];
                own.send_to(&[&[0, 3], &block[..], data].concat(), client)
                    .unwrap();
                if own.recv(&mut [0; 512]).is_err() {
                    break;
                }
            }
        }
    });
    port
}

/// The destination was exported, then its certificates were made anew: what its TFTP says now counts, by
/// whatever name the node is looked at, and not what lies in the folder.
#[test]
fn old_files_of_a_node_that_is_looked_at_by_its_address_do_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let kept = |seed: &str| {
        let path = dir.path().join(seed);
        let output = run(&[
            "rehearse",
            "scenarios/non-secure-migration.toml",
            "--seed",
            seed,
            "--keep",
            path.to_str().unwrap(),
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        // They hold the lists with which the rehearsal ended.
        fs::remove_dir_all(path.join("phones")).unwrap();
        let services = "Cisco Trust Verification Service[STARTED]\nCisco CallManager[STARTED]\n";
        let clusters = path.join("clusters");
        for node in ["source/src-pub", "source/src-sub", "destination/dst-pub"] {
            let node = clusters.join(node);
            fs::write(node.join("services.txt"), services).unwrap();
            fs::write(node.join("not-served.txt"), "CTLFile.tlv\n").unwrap();
        }
        clusters
    };
    let (exported, now) = (kept("1"), kept("77"));
    let from = exported.join("source");
    let check = |port: u16| {
        let of_folder = exported.join("destination");
        let to = format!("tftp://127.0.0.1:{port},{}", of_folder.to_str().unwrap());
        run(&[
            "check",
            "--from",
            from.to_str().unwrap(),
            "--to",
            &to,
            "--device",
            "SEP001122334401",
            "--date",
            "2020-06-01T00:00:00Z",
            "--timeout",
            "2",
            "--rate",
            "500",
        ])
    };
    let output = check(tftp_server(now.join("destination/dst-pub/tftp")));
    let table = told(&output);
    assert!(table.contains("stranded"), "{}", said(&output));
    assert_eq!(table.matches("entry 2").count(), 0, "{}", said(&output));
    // It says nothing: whether it is the folder's node nobody can tell.
    let (_mute, port) = mute_udp();
    let output = check(port);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let table = told(&output);
    assert!(!table.contains("1 of 1 phone follows"), "{}", said(&output));
    assert!(table.contains("name it, as in tftp://dst-pub"), "{table}");
}

#[test]
fn a_dry_run_sends_no_packet() {
    let (udp, tftp) = mute_udp();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = tcp.local_addr().unwrap().port();
    let from = format!("tftp://127.0.0.1:{tftp},http://127.0.0.1:{http}");
    for format in ["human", "json"] {
        let output = run(&[
            "check",
            "--from",
            &from,
            "--to",
            "tftp://no-such-host.invalid",
            "--dry-run",
            "--device",
            "SEP001122334401",
            "--format",
            format,
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let told = stdout(&output);
        for expected in ["ITLSEP001122334401.tlv", "TVS", "6971", &tftp.to_string()] {
            assert!(told.contains(expected), "{expected}: {told}");
        }
    }
    udp.set_nonblocking(true).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let mut buffer = [0; 16];
    assert!(udp.recv(&mut buffer).is_err(), "a datagram came");
    assert!(tcp.accept().is_err(), "a connection came");
}
