//! Sockets on an interface, at DHCP's ports.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::dhcp::{CLIENT_PORT, SERVER_PORT};

/// Why a socket for DHCP cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such interface.
    #[error("there is no interface {interface}{}", others(.there_are))]
    NoInterface {
        /// The name asked for.
        interface: String,
        /// Those that there are, as far as the system says.
        there_are: Vec<String>,
    },
    /// This process may not.
    #[error(
        "DHCP on {interface} needs rights for port {port} and to bind to an interface: run as root, or give them to the program with\n    sudo setcap cap_net_bind_service,cap_net_raw=+ep \"$(command -v trustline)\""
    )]
    Rights {
        /// The interface.
        interface: String,
        /// The port.
        port: u16,
    },
    /// Another program has the port.
    #[error(
        "port {port} on {interface} is taken, perhaps by the system's own DHCP: `ss -lunp sport = {port}` says by whom"
    )]
    Taken {
        /// The interface.
        interface: String,
        /// The port.
        port: u16,
    },
    /// This system cannot bind a socket to an interface.
    #[error("DHCP on an interface works on Linux alone: give the servers' addresses instead")]
    Unsupported,
    /// Something else.
    #[error("no socket for DHCP on {interface}: {error}")]
    Other {
        /// The interface.
        interface: String,
        /// What the system says.
        error: io::Error,
    },
}

/// A client's socket on an interface, which needs no address: port 68, all that comes in there and
/// nothing else, broadcast allowed.
///
/// # Errors
/// See [`OpenError`].
pub fn client_socket(interface: &str) -> Result<UdpSocket, OpenError> {
    open(interface, CLIENT_PORT)
}

/// A server's socket on an interface: port 67.
///
/// # Errors
/// See [`OpenError`].
pub fn server_socket(interface: &str) -> Result<UdpSocket, OpenError> {
    open(interface, SERVER_PORT)
}

fn open(interface: &str, port: u16) -> Result<UdpSocket, OpenError> {
    let explain = |error: io::Error| {
        let interface = interface.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied => OpenError::Rights { interface, port },
            io::ErrorKind::AddrInUse => OpenError::Taken { interface, port },
            io::ErrorKind::Unsupported => OpenError::Unsupported,
            _ if is_no_interface(&error) => OpenError::NoInterface {
                interface,
                there_are: interfaces(),
            },
            _ => OpenError::Other { interface, error },
        }
    };
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).map_err(explain)?;
    bind_device(&socket, interface).map_err(explain)?;
    socket.set_broadcast(true).map_err(explain)?;
    socket.set_nonblocking(true).map_err(explain)?;
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    socket.bind(&any.into()).map_err(explain)?;
    UdpSocket::from_std(socket.into()).map_err(explain)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind_device(socket: &Socket, interface: &str) -> io::Result<()> {
    // An empty name would mean no interface at all.
    if interface.is_empty() {
        return Err(io::Error::from_raw_os_error(NO_DEVICE));
    }
    socket.bind_device(Some(interface.as_bytes()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind_device(_: &Socket, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The interfaces of this network namespace. Linux lists them there; elsewhere nothing does.
fn interfaces() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/sys/class/net") else {
        return Vec::new();
    };
    let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn others(there_are: &[String]) -> String {
    match there_are {
        [] => ": `ip link` lists those that there are".to_owned(),
        [only] => format!(": there is only {only}"),
        [all @ .., last] => format!(": there are {} and {last}", all.join(", ")),
    }
}

/// ENODEV of Linux.
const NO_DEVICE: i32 = 19;

/// ENODEV, or EINVAL for a name that is longer than any.
fn is_no_interface(error: &io::Error) -> bool {
    error.raw_os_error() == Some(NO_DEVICE) || error.kind() == io::ErrorKind::InvalidInput
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_interface_that_is_not_there_is_named() {
        for name in ["", "nosuchif0", "aninterfacewithalongname"] {
            let error = client_socket(name).expect_err("there is no such interface");
            // Old kernels ask for rights first.
            let is_right = matches!(
                error,
                OpenError::NoInterface { .. } | OpenError::Rights { .. }
            );
            assert!(is_right, "{error}");
            assert!(error.to_string().contains(name));
        }
    }

    #[test]
    fn those_that_there_are_are_named() {
        let said = |there_are: &[&str]| {
            let error = OpenError::NoInterface {
                interface: "eth9".into(),
                there_are: there_are.iter().map(ToString::to_string).collect(),
            };
            error.to_string()
        };
        let there = "there is no interface eth9: there are eth0, eth1 and lo";
        assert_eq!(said(&["eth0", "eth1", "lo"]), there);
        assert_eq!(
            said(&["lo"]),
            "there is no interface eth9: there is only lo"
        );
        assert!(said(&[]).ends_with("`ip link` lists those that there are"));
        assert!(interfaces().contains(&"lo".to_owned()));
    }

    #[test]
    fn what_is_missing_and_how_to_grant_it_is_said() {
        let error = OpenError::Rights {
            interface: "eth0".into(),
            port: 68,
        };
        assert_eq!(
            error.to_string(),
            "DHCP on eth0 needs rights for port 68 and to bind to an interface: run as root, or \
             give them to the program with\n    sudo setcap cap_net_bind_service,cap_net_raw=+ep \
             \"$(command -v trustline)\""
        );
    }
}
