//! What a resident phone is told: lines on stdin, and signals.

use std::io::{self, BufRead, Read};
use std::thread;

use tokio::sync::mpsc;

/// What the phone is told to do once its boot is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Reset.
    Reset,
    /// Switch off.
    Quit,
    /// A line that means nothing.
    Unknown(String),
}

/// Lines longer than this are cut.
const MAX_LINE: u64 = 1_024;
/// Orders that wait; a writer that sends more waits itself.
const MAX_WAITING: usize = 16;

/// The orders on stdin, in order; the last is [`Order::Quit`], at its end at the latest.
///
/// # Errors
/// The system gives no thread.
pub(super) fn of_stdin() -> io::Result<mpsc::Receiver<Order>> {
    let (orders, received) = mpsc::channel(MAX_WAITING);
    // A read of stdin cannot be taken back, so the thread is left alone: it ends with the process.
    thread::Builder::new().spawn(move || read(io::stdin().lock(), &orders))?;
    Ok(received)
}

fn read(mut from: impl BufRead, orders: &mpsc::Sender<Order>) {
    loop {
        let mut line = Vec::new();
        let read = from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let order = match read {
            Ok(0) | Err(_) => Order::Quit,
            Ok(_) => match line.trim_ascii() {
                b"" => continue,
                b"reset" => Order::Reset,
                b"quit" => Order::Quit,
                other => Order::Unknown(String::from_utf8_lossy(other).into_owned()),
            },
        };
        let is_last = order == Order::Quit;
        if orders.blocking_send(order).is_err() || is_last {
            return;
        }
    }
}

/// Signals that concern a phone.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    /// Takes signals from now on. A phone that boots once leaves SIGHUP to the system.
    ///
    /// # Errors
    /// The system does not let them be taken.
    pub(super) fn new(once: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: match once {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
        })
    }

    /// Waits for SIGINT or SIGTERM.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for SIGHUP, SIGINT or SIGTERM.
    pub(super) async fn order(&mut self) -> Order {
        let hangup = async {
            match &mut self.hangup {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Order::Quit,
            _ = self.terminate.recv() => Order::Quit,
            _ = hangup => Order::Reset,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Takes signals from now on.
    ///
    /// # Errors
    /// None here.
    pub(super) fn new(_once: bool) -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for Ctrl-C.
    pub(super) async fn stop(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for Ctrl-C.
    pub(super) async fn order(&mut self) -> Order {
        self.stop().await;
        Order::Quit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(text: &[u8]) -> Vec<Order> {
        let (sender, mut receiver) = mpsc::channel(MAX_WAITING);
        read(text, &sender);
        drop(sender);
        std::iter::from_fn(|| receiver.blocking_recv()).collect()
    }

    #[test]
    fn lines_are_orders_and_the_end_is_quit() {
        let unknown = Order::Unknown("restart".into());
        assert_eq!(
            orders(b"reset\n\n  reset \r\nrestart\n"),
            [Order::Reset, Order::Reset, unknown, Order::Quit]
        );
        assert_eq!(orders(b"quit\nreset\n"), [Order::Quit]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let orders = orders(&[b'x'; 3_000]);
        assert_eq!(orders.len(), 4);
        assert_eq!(orders.last(), Some(&Order::Quit));
    }
}
