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
use crate::event::Event;
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
    tvs_tls: TvsTls,
    folder: Arc<FlashFolder>,
    teller: Teller<'a>,
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
    /// The system gives no runtime, or the flash can be neither read nor written.
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
        let (events, mut told) = mpsc::unbounded_channel();
        let folder = Arc::clone(&self.folder);
        let outside = Arc::new(Outside::new(
            std::mem::take(&mut self.addresses),
            self.tvs_tls,
            events,
            Box::new(move |operation| folder.carry_out(operation)),
        ));
        let ears = Ears {
            lines: !self.once,
            hang_up: !self.once,
        };
        // The flash is whole at any moment, so a second signal may end the process at once.
        let mut orders = Orders::listen(ears, |signal| process::exit(128 + signal));
        loop {
            let outcome = self.boot(&outside, &mut told, &mut orders).await?;
            let is_over = self.once || outcome == BootOutcome::Stopped;
            if is_over || !self.is_reset(&mut orders).await {
                return Ok(exit_code(outcome));
            }
            self.setup.cause = BootCause::Reset;
        }
    }

    /// Waits for an order that means something: true for a reset, false for the end.
    async fn is_reset(&self, orders: &mut Orders) -> bool {
        let note = |text: &str| self.teller.output.note(text);
        note("the phone waits: `reset` boots it again, `quit` switches it off");
        loop {
            match orders.next().await {
                Order::HangUp => return true,
                Order::Stop | Order::InputEnded => return false,
                Order::Line(line) => match line.as_str() {
                    "reset" => return true,
                    "quit" => return false,
                    "" => {}
                    other => note(&format!("{} is no order: `reset` or `quit`", clean(other))),
                },
            }
        }
    }

    async fn boot(
        &mut self,
        outside: &Arc<Outside>,
        told: &mut mpsc::UnboundedReceiver<Event>,
        orders: &mut Orders,
    ) -> Result<BootOutcome, Failure> {
        let booting = Booting {
            setup: self.setup.clone(),
            flash: self.folder.read()?,
            cut: None,
        };
        outside.take_heard();
        let mut telling = Telling {
            story: Story::of_one_phone(self.teller.output.paint(), self.teller.verbose),
            report: BootReport::default(),
        };
        let end = {
            let boot = phone::run(booting, Arc::clone(outside), LONGEST_BOOT);
            tokio::pin!(boot);
            loop {
                tokio::select! {
                    biased;
                    Some(event) = told.recv() => self.teller.tell(&event, &mut telling),
                    // The boot is dropped between two operations on flash.
                    () = orders.stopped() => break None,
                    booted = &mut boot => break Some(booted.end),
                }
            }
        };
        while let Ok(event) = told.try_recv() {
            self.teller.tell(&event, &mut telling);
        }
        if end == Some(BootEnd::FlashFailed) {
            let error = outside.take_failure();
            let error = error.unwrap_or_else(|| io::Error::other("no reason given"));
            return Err(self.folder.cannot_write(&error));
        }
        let (outcome, kind) = telling.report.judge(outside.take_heard());
        let judged = Event {
            at: outside.now(),
            actor: self.setup.identity.device.clone(),
            kind,
        };
        self.teller.tell(&judged, &mut telling);
        self.teller.sum_up(&telling.report, &self.folder.shown());
        Ok(outcome)
    }
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

fn exit_code(outcome: BootOutcome) -> ExitCode {
    match outcome {
        BootOutcome::Follows => ExitCode::Good,
        BootOutcome::Refuses | BootOutcome::Stopped => ExitCode::Negative,
        BootOutcome::NoServer => ExitCode::Unreachable,
    }
}

fn no_system(error: &io::Error) -> Failure {
    let text = format!("the phone cannot be started: {error}");
    Failure::new(ExitCode::Unreachable, text)
}
