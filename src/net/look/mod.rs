//! Looks at the servers of a real cluster from outside, before phones are moved: which files they
//! hand out, which certificates they show, what TVS says of a signer, whether a port is open.
//!
//! Everything here asks and nothing changes anything. Requests to one node keep to a rate, every
//! one has an end in time, and a service that goes on failing is left alone. What came and what did
//! not is told apart: a file that is not there is an answer, a server that says nothing is none.

mod files;
mod trust;
mod turns;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

pub use files::{FileAnswer, FilesSeen, http, https, tftp};
pub use trust::{AskedAs, Question, TvsAnswer, TvsSeen, tvs};
pub use turns::{Turns, longest};

/// Requests of one service that may fail one after the other; then it is asked nothing more.
const MOST_FAILURES: usize = 2;

/// Whether anybody answers at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A server answers.
    Open,
    /// The host says that nobody does.
    Refused,
    /// Nothing comes back in time, or the network does not find the host.
    Silent,
}

impl Door {
    /// What an attempt to connect that failed so says of the port. Only the host itself refuses; that
    /// no packet finds it says nothing of what runs there.
    ///
    /// # Errors
    /// It says nothing of the port: this machine could not ask.
    fn of_failure(kind: io::ErrorKind) -> Result<Self, String> {
        match kind {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Ok(Self::Refused),
            io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => Ok(Self::Silent),
            other => Err(format!("this machine cannot connect to it: {other}")),
        }
    }
}

/// Opens a TCP connection and closes it again, without a byte.
///
/// # Errors
/// The time of the node is over, or this machine cannot connect: in words for a person.
pub async fn knock(at: SocketAddr, within: Duration, turns: &Turns) -> Result<Door, String> {
    let Some(()) = turns.take().await else {
        return Err("there was no time left to look".into());
    };
    match timeout(within, TcpStream::connect(at)).await {
        Ok(Ok(_)) => Ok(Door::Open),
        Ok(Err(error)) => Door::of_failure(error.kind()),
        Err(_) => Ok(Door::Silent),
    }
}

/// Seconds as a person writes them.
fn seconds(time: Duration) -> String {
    let secs = time.as_secs_f64();
    match time.subsec_nanos() {
        0 => format!("{secs:.0} s"),
        _ => format!("{secs:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn an_open_port_is_told_from_a_closed_one() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let turns = Turns::new(1_000.0, Duration::from_secs(60));
        assert_eq!(knock(at, WITHIN, &turns).await, Ok(Door::Open));
        drop(listener);
        assert_eq!(knock(at, WITHIN, &turns).await, Ok(Door::Refused));
        let over = Turns::new(1_000.0, Duration::ZERO);
        assert!(knock(at, WITHIN, &over).await.is_err());
    }

    #[test]
    fn only_the_host_itself_refuses() {
        use io::ErrorKind as Kind;
        for (kind, expected) in [
            (Kind::ConnectionRefused, Some(Door::Refused)),
            (Kind::ConnectionReset, Some(Door::Refused)),
            (Kind::HostUnreachable, Some(Door::Silent)),
            (Kind::NetworkUnreachable, Some(Door::Silent)),
            (Kind::TimedOut, Some(Door::Silent)),
            (Kind::PermissionDenied, None),
            (Kind::Other, None),
        ] {
            assert_eq!(Door::of_failure(kind).ok(), expected, "{kind}");
        }
    }
}
