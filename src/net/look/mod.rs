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
    /// The host, or the network, says that nobody does.
    Refused,
    /// Nothing comes back in time.
    Silent,
}

impl Door {
    /// What an attempt to connect that failed so says of the port.
    fn of_failure(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Refused,
        }
    }
}

/// Opens a TCP connection and closes it again, without a byte. None where the time of the node is
/// over.
pub async fn knock(at: SocketAddr, within: Duration, turns: &Turns) -> Option<Door> {
    turns.take().await?;
    Some(match timeout(within, TcpStream::connect(at)).await {
        Ok(Ok(_)) => Door::Open,
        Ok(Err(error)) => Door::of_failure(error.kind()),
        Err(_) => Door::Silent,
    })
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
        assert_eq!(knock(at, WITHIN, &turns).await, Some(Door::Open));
        drop(listener);
        assert_eq!(knock(at, WITHIN, &turns).await, Some(Door::Refused));
        let over = Turns::new(1_000.0, Duration::ZERO);
        assert_eq!(knock(at, WITHIN, &over).await, None);
    }
}
