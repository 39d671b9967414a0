//! What a program that keeps running is told: lines on its stdin, and signals.

use std::io::{BufRead, BufReader, IsTerminal, Read};

use tokio::sync::mpsc;

/// The longest line that is looked at, in bytes; of a longer one the rest is dropped.
const MAX_LINE: u64 = 1_024;

/// Orders that may wait. Whoever writes faster waits at the pipe.
const MAX_WAITING: usize = 16;

/// What the program is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A line of stdin, without the white space around it.
    Line(String),
    /// Stdin has ended, and that means something: it is a terminal, or lines came before. A service
    /// that starts without a stdin goes on.
    InputEnded,
    /// SIGHUP came, once or more.
    HangUp,
    /// SIGINT or SIGTERM came.
    Stop,
}

/// What a program listens to beside SIGINT and SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ears {
    /// Stdin.
    pub lines: bool,
    /// SIGHUP, which ends a program that does not listen to it.
    pub hang_up: bool,
}

/// Where orders come from.
#[derive(Debug)]
pub struct Orders {
    lines: mpsc::Receiver<Order>,
    /// On ways of their own, so that no line stands before them.
    stop: mpsc::Receiver<()>,
    hang_up: mpsc::Receiver<()>,
}

impl Orders {
    /// Listens from now on, to signals inside the runtime and to stdin on a thread of its own, which
    /// lives as long as the process. `at_once` is called with the number of each signal to stop
    /// after the first.
    pub fn listen(ears: Ears, at_once: fn(i32)) -> Self {
        let (orders, lines) = mpsc::channel(MAX_WAITING);
        let (told, stop) = mpsc::channel(1);
        signals(told, at_once);
        let (hung_up, hang_up) = mpsc::channel(1);
        if ears.hang_up {
            hang_ups(hung_up);
        }
        if ears.lines {
            std::thread::spawn(move || {
                let stdin = std::io::stdin();
                let is_terminal = stdin.is_terminal();
                if is_terminal && is_in_background() {
                    return;
                }
                read(BufReader::new(stdin), is_terminal, |order| {
                    orders.blocking_send(order).is_ok()
                });
            });
        }
        Self {
            lines,
            stop,
            hang_up,
        }
    }

    /// Waits until SIGINT or SIGTERM comes; other orders wait.
    pub async fn stopped(&mut self) {
        // Who listens to signals never lets go.
        let _ = self.stop.recv().await;
    }

    /// The next order.
    pub async fn next(&mut self) -> Order {
        tokio::select! {
            biased;
            // Who listens to signals never lets go.
            _ = self.stop.recv() => Order::Stop,
            Some(()) = self.hang_up.recv() => Order::HangUp,
            Some(order) = self.lines.recv() => order,
        }
    }
}

/// True of a job in the background of a terminal, which the system would stop at its first read.
/// Where the system does not tell as Linux does, nobody knows.
fn is_in_background() -> bool {
    let stat = std::fs::read_to_string("/proc/self/stat");
    stat.is_ok_and(|stat| background(&stat))
}

/// What a line of `/proc/PID/stat` says: the process group is not the terminal's foreground group.
fn background(stat: &str) -> bool {
    // The name before them may hold anything, spaces and brackets too (proc(5)).
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace().skip(2);
    let (group, foreground) = (fields.next(), fields.nth(2));
    group.is_some() && foreground.is_some() && group != foreground
}

/// Passes lines on until they end or nobody wants them.
fn read(mut input: impl BufRead, is_terminal: bool, mut pass: impl FnMut(Order) -> bool) {
    let mut any = false;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) {
            break;
        }
        any = true;
        if line.last() != Some(&b'\n') && input.skip_until(b'\n').is_err() {
            break;
        }
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        if !pass(Order::Line(text)) {
            return;
        }
    }
    if any || is_terminal {
        pass(Order::InputEnded);
    }
}

#[cfg(unix)]
fn signals(told: mpsc::Sender<()>, at_once: fn(i32)) {
    use tokio::signal::unix::{SignalKind, signal};

    let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
    // Of a signal that cannot be caught the system's own answer is left, which ends the program.
    let caught = kinds.map(|kind| signal(kind).ok().map(|s| (kind.as_raw_value(), s)));
    tokio::spawn(async move {
        let [mut interrupt, mut terminate] = caught;
        let mut first = true;
        loop {
            let number = tokio::select! {
                number = next(&mut interrupt) => number,
                number = next(&mut terminate) => number,
            };
            if !first {
                at_once(number);
            }
            first = false;
            // Nobody listens any more if it is about to end.
            let _ = told.try_send(());
        }
    });
}

#[cfg(unix)]
async fn next(caught: &mut Option<(i32, tokio::signal::unix::Signal)>) -> i32 {
    if let Some((number, signal)) = caught
        && signal.recv().await.is_some()
    {
        return *number;
    }
    std::future::pending().await
}

/// Passes SIGHUP on, several that nobody has waited for as one.
#[cfg(unix)]
fn hang_ups(told: mpsc::Sender<()>) {
    use tokio::signal::unix::{SignalKind, signal};

    // As above: what cannot be caught ends the program.
    let Ok(mut signal) = signal(SignalKind::hangup()) else {
        return;
    };
    tokio::spawn(async move {
        while signal.recv().await.is_some() {
            // One that waits already stands for this one too.
            let _ = told.try_send(());
        }
    });
}

/// There is no such signal here.
#[cfg(not(unix))]
fn hang_ups(_told: mpsc::Sender<()>) {}

#[cfg(not(unix))]
fn signals(told: mpsc::Sender<()>, at_once: fn(i32)) {
    const INTERRUPT: i32 = 2;
    tokio::spawn(async move {
        let mut first = true;
        while tokio::signal::ctrl_c().await.is_ok() {
            if !first {
                at_once(INTERRUPT);
            }
            first = false;
            let _ = told.try_send(());
        }
        std::future::pending::<()>().await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(input: &[u8], is_terminal: bool) -> Vec<Order> {
        let mut all = Vec::new();
        read(input, is_terminal, |order| {
            all.push(order);
            true
        });
        all
    }

    fn line(text: &str) -> Order {
        Order::Line(text.into())
    }

    #[test]
    fn lines_come_one_by_one_and_then_the_end() {
        let got = orders(b" step \r\nquit", false);
        assert_eq!(got, [line("step"), line("quit"), Order::InputEnded]);
        assert_eq!(orders(b"\n", false), [line(""), Order::InputEnded]);
        assert_eq!(orders(b"\xff\n", false)[0], line("\u{fffd}"));
    }

    #[test]
    fn a_stdin_that_was_never_there_is_no_order() {
        assert_eq!(orders(b"", false), []);
        assert_eq!(orders(b"", true), [Order::InputEnded]);
    }

    #[test]
    fn a_job_in_the_background_is_told_by_its_groups() {
        let stat = |group, foreground| {
            format!("4711 (a) b) S 4000 {group} 3999 34816 {foreground} 4194304 1 0")
        };
        assert!(!background(&stat(4711, 4711)));
        assert!(background(&stat(4711, 4000)));
        assert!(!background(""));
        assert!(!background("4711 (trustline) S"));
    }

    #[test]
    fn of_a_long_line_the_start_counts() {
        let mut input = vec![b'x'; 5_000];
        input.extend(b"\nstatus\n");
        let got = orders(&input, false);
        assert_eq!(got.len(), 3);
        assert_eq!(got[0], line(&"x".repeat(1_024)));
        assert_eq!(got[1], line("status"));
        // One byte too many is no more than its line.
        let mut input = vec![b'x'; 1_024];
        input.extend(b"\nstep\n");
        assert_eq!(orders(&input, false)[1], line("step"));
    }

    #[test]
    fn reading_ends_when_nobody_wants_more() {
        let mut passed = 0;
        read(&b"a\nb\nc\n"[..], false, |_| {
            passed += 1;
            passed < 2
        });
        assert_eq!(passed, 2);
    }
}
