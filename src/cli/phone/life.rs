//! A phone's life: boots, and what it is told between them.

use std::io;
use std::process;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::args::PhoneArgs;
use super::clean;
use super::flash::FlashFolder;
use crate::cli::args::Format;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::keep::event_line;
use crate::cli::output::Output;
use crate::dhcp::LeaseTimes;
use crate::event::Event;
use crate::net::dhcp::Link;
use crate::net::orders::{Ears, Order, Orders};
use crate::net::phone::{self, Surroundings};
use crate::net::real::{Addresses, Outside};
use crate::net::tvs::TvsTls;
use crate::phone::power::{BootEnd, Booting, LONGEST_BOOT};
use crate::phone::{BootCause, PhoneSetup};
use crate::report::phone::{BootOutcome, BootReport};
use crate::report::story::Story;

/// A phone that lives.
pub(super) struct Life<'a> {
    once: bool,
    setup: PhoneSetup,
    addresses: Addresses,
    /// Where it takes its leases.
    interface: Option<String>,
    tvs_tls: TvsTls,
    folder: Arc<FlashFolder>,
    teller: Teller<'a>,
}

/// What is around the phone as long as it lives.
struct Around {
    outside: Arc<Outside>,
    told: mpsc::UnboundedReceiver<Event>,
    orders: Orders,
}

impl<'a> Life<'a> {
    /// A phone that is about to be plugged in.
    pub(super) fn new(
        args: &PhoneArgs,
        output: &'a Output,
        setup: PhoneSetup,
        (addresses, tvs_tls): (Addresses, TvsTls),
        folder: FlashFolder,
    ) -> Self {
        Self {
            once: args.once,
            setup,
            addresses,
            interface: args.dhcp.clone(),
            tvs_tls,
            folder: Arc::new(folder),
            teller: Teller {
                output,
                format: args.format,
                verbose: args.verbose,
                seq: 0,
            },
        }
    }

    /// Boots, and again at each reset, until it is switched off. The code is that of the last boot.
    ///
    /// # Errors
    /// The system gives no runtime or no socket for DHCP, or the flash can be neither read nor
    /// written.
    pub(super) fn live(self) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| no_system(&e))?;
        let result = runtime.block_on(self.run());
        // A name that is still being resolved must not hold up the end.
        runtime.shutdown_background();
        result
    }

    async fn run(mut self) -> Result<ExitCode, Failure> {
        let link = match self.interface.as_deref() {
            Some(interface) => Some(self.link(interface)?),
            None => None,
        };
        let (events, told) = mpsc::unbounded_channel();
        let folder = Arc::clone(&self.folder);
        let outside = Arc::new(Outside::new(
            std::mem::take(&mut self.addresses),
            link,
            self.tvs_tls,
            events,
            Box::new(move |operation| folder.carry_out(operation)),
        ));
        let ears = Ears {
            lines: !self.once,
            hang_up: !self.once,
        };
        let mut around = Around {
            outside,
            told,
            // The flash is whole at any moment, so a second signal may end the process at once.
            orders: Orders::listen(ears, |signal| process::exit(128 + signal)),
        };
        loop {
            let (outcome, lease) = self.boot(&mut around).await?;
            if ends_with(self.once, outcome) {
                return Ok(exit_code(outcome));
            }
            match self.wait(lease, &mut around).await? {
                Some(cause) => self.setup.cause = cause,
                None => return Ok(exit_code(outcome)),
            }
        }
    }

    /// The segment that leases come from.
    fn link(&self, interface: &str) -> Result<Link, Failure> {
        let link = Link::on_interface(interface);
        let link = link.map_err(|error| {
            let text = format!("--dhcp {}: {}", clean(interface), error);
            Failure::new(ExitCode::Unreachable, text)
        })?;
        let output = self.teller.output;
        output.note(&format!(
            "the phone asks for a lease on {}; the interface itself stays as it is",
            clean(interface)
        ));
        Ok(link)
    }

    /// Waits until something makes the phone boot again, and renews its lease meanwhile. None when
    /// it is switched off.
    async fn wait(
        &mut self,
        mut lease: Option<LeaseTimes>,
        around: &mut Around,
    ) -> Result<Option<BootCause>, Failure> {
        let output = self.teller.output;
        let note = |text: &str| output.note(text);
        let known = match self.interface {
            Some(_) => "`reset` boots it again, `renew` renews its lease, `quit` switches it off",
            None => "`reset` boots it again, `quit` switches it off",
        };
        note(&format!("the phone waits: {known}"));
        let mut at_once = false;
        loop {
            let now = std::mem::take(&mut at_once);
            let order = match self.renewed_or_told(&mut lease, now, around).await? {
                Waited::Restarts => return Ok(Some(BootCause::Restart)),
                Waited::Renewed => continue,
                Waited::Told(order) => order,
            };
            match order {
                Order::HangUp => return Ok(Some(BootCause::Reset)),
                Order::Stop | Order::InputEnded => return Ok(None),
                Order::Line(line) => match line.as_str() {
                    "reset" => return Ok(Some(BootCause::Reset)),
                    "quit" => return Ok(None),
                    "renew" if lease.is_some() => at_once = true,
                    "renew" => note("there is no lease to renew; `reset` asks for one"),
                    "" => {}
                    other => note(&format!("{} is no order: {known}", clean(other))),
                },
            }
        }
    }

    /// Waits for an order, or until the lease has been renewed: when its time has come, or at once.
    /// An order that comes while it is being renewed ends that; it begins again if it is still time.
    async fn renewed_or_told(
        &mut self,
        lease: &mut Option<LeaseTimes>,
        at_once: bool,
        around: &mut Around,
    ) -> Result<Waited, Failure> {
        let Some(times) = *lease else {
            return Ok(Waited::Told(around.orders.next().await));
        };
        if !at_once {
            tokio::select! {
                biased;
                order = around.orders.next() => return Ok(Waited::Told(order)),
                () = tokio::time::sleep_until(around.outside.instant(times.next)) => {}
            }
        }
        let booting = self.booting(BootCause::Renewal, Some(times))?;
        let mut telling = self.telling();
        let Around {
            outside,
            told,
            orders,
        } = around;
        let ended = {
            let renewal = phone::run(booting, Arc::clone(outside), LONGEST_BOOT);
            tokio::pin!(renewal);
            loop {
                tokio::select! {
                    biased;
                    Some(event) = told.recv() => self.teller.tell(&event, &mut telling),
                    order = orders.next() => break Err(order),
                    booted = &mut renewal => break Ok(booted),
                }
            }
        };
        self.tell_rest(told, &mut telling);
        let booted = match ended {
            Ok(booted) => booted,
            Err(order) => return Ok(Waited::Told(order)),
        };
        self.check_flash(booted.end, outside)?;
        *lease = booted.lease;
        Ok(match booted.restarts {
            true => Waited::Restarts,
            false => Waited::Renewed,
        })
    }

    /// The phone as it is now, about to start.
    fn booting(&self, cause: BootCause, lease: Option<LeaseTimes>) -> Result<Booting, Failure> {
        let mut setup = self.setup.clone();
        setup.cause = cause;
        if let Some(dhcp) = &mut setup.dhcp {
            dhcp.lease = lease;
        }
        Ok(Booting {
            setup,
            flash: self.folder.read()?,
            cut: None,
        })
    }

    fn telling(&self) -> Telling {
        Telling {
            story: Story::of_one_phone(self.teller.output.paint(), self.teller.verbose),
            report: BootReport::default(),
        }
    }

    fn tell_rest(&mut self, told: &mut mpsc::UnboundedReceiver<Event>, telling: &mut Telling) {
        while let Ok(event) = told.try_recv() {
            self.teller.tell(&event, telling);
        }
    }

    fn check_flash(&self, end: BootEnd, outside: &Outside) -> Result<(), Failure> {
        if end != BootEnd::FlashFailed {
            return Ok(());
        }
        let error = outside.take_failure();
        let error = error.unwrap_or_else(|| io::Error::other("no reason given"));
        Err(self.folder.cannot_write(&error))
    }

    async fn boot(
        &mut self,
        around: &mut Around,
    ) -> Result<(BootOutcome, Option<LeaseTimes>), Failure> {
        let booting = self.booting(self.setup.cause, None)?;
        let mut telling = self.telling();
        let Around {
            outside,
            told,
            orders,
        } = around;
        outside.take_heard();
        let booted = {
            let boot = phone::run(booting, Arc::clone(outside), LONGEST_BOOT);
            tokio::pin!(boot);
            loop {
                tokio::select! {
                    biased;
                    Some(event) = told.recv() => self.teller.tell(&event, &mut telling),
                    // The boot is dropped between two operations on flash.
                    () = orders.stopped() => break None,
                    booted = &mut boot => break Some(booted),
                }
            }
        };
        self.tell_rest(told, &mut telling);
        if let Some(booted) = &booted {
            self.check_flash(booted.end, outside)?;
        }
        let (outcome, kind) = telling
            .report
            .judge(booted.as_ref().map(|b| b.end), outside.take_heard());
        let judged = Event {
            at: outside.now(),
            actor: self.setup.identity.device.clone(),
            kind,
        };
        self.teller.tell(&judged, &mut telling);
        self.teller.sum_up(&telling.report, &self.folder.shown());
        Ok((outcome, booted.and_then(|b| b.lease)))
    }
}

/// What ended a wait.
enum Waited {
    /// The lease has been renewed, or is lost.
    Renewed,
    /// It names other servers, and the phone restarts for them.
    Restarts,
    /// Somebody wants something.
    Told(Order),
}

/// What one boot is told with.
struct Telling {
    story: Story,
    report: BootReport,
}

/// Writes events as they happen.
struct Teller<'a> {
    output: &'a Output,
    format: Format,
    verbose: bool,
    seq: usize,
}

impl Teller<'_> {
    fn tell(&mut self, event: &Event, telling: &mut Telling) {
        telling.report.take(event);
        match self.format {
            Format::Human => {
                for line in telling.story.tell(event) {
                    self.output.result(&format!("{line}\n"));
                }
            }
            Format::Json => {
                // Events are strings, numbers and lists of them, which always serialise.
                if let Ok(line) = event_line(self.seq, event) {
                    self.output.result(&format!("{line}\n"));
                }
                self.seq += 1;
            }
        }
    }

    fn sum_up(&self, report: &BootReport, flash: &str) {
        if self.format == Format::Human {
            let text = report.text(self.output.paint(), flash);
            self.output.result(&format!("\n{text}\n"));
        }
    }
}

/// Whether a phone's life ends with a boot that came to this. A server that never comes to an end
/// ends no resident phone.
fn ends_with(once: bool, outcome: BootOutcome) -> bool {
    once || outcome == BootOutcome::Stopped
}

fn exit_code(outcome: BootOutcome) -> ExitCode {
    match outcome {
        BootOutcome::Follows => ExitCode::Good,
        BootOutcome::Refuses | BootOutcome::Stopped | BootOutcome::Overdue => ExitCode::Negative,
        BootOutcome::NoServer => ExitCode::Unreachable,
    }
}

fn no_system(error: &io::Error) -> Failure {
    let text = format!("the phone cannot be started: {error}");
    Failure::new(ExitCode::Unreachable, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overdue_boot_is_judged_and_ends_no_resident_phone() {
        let overdue = BootOutcome::Overdue;
        assert!(ends_with(true, overdue) && !ends_with(false, overdue));
        assert!(ends_with(false, BootOutcome::Stopped));
        assert_eq!(exit_code(overdue), ExitCode::Negative);
    }
}
