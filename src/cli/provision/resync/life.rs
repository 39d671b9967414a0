//! The phone's life: a resync, and what it is told between two of them.

use std::io;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use super::ResyncArgs;
use super::phone;
use super::tell::Teller;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::inspect;
use crate::cli::output::Output;
use crate::net::clock::Clock;
use crate::net::orders::{Ears, Order, Orders};
use crate::net::provisioning::client::Client;
use crate::net::tls::Identity;
use crate::provisioning::parameters::Parameters;
use crate::provisioning::resync::{End, Resync, Setup};
use crate::provisioning::schedule::{Cause, Schedule};
use crate::rng::Rng;
use crate::time::{Time, UnixSeconds};
use crate::trust::certificate::escape_for_terminal;

/// A phone that lives.
pub(super) struct Life<'a> {
    args: &'a ResyncArgs,
    output: &'a Output,
    setup: Setup,
    identity: Option<Identity>,
    parameters: Parameters,
    /// The phone's clock at the start.
    started: UnixSeconds,
    rng: Rng,
}

impl<'a> Life<'a> {
    /// A phone that is about to be switched on.
    ///
    /// # Errors
    /// What the arguments name cannot be read, or makes no phone.
    pub(super) fn new(args: &'a ResyncArgs, output: &'a Output) -> Result<Self, Failure> {
        let started = args.date.unwrap_or_else(inspect::now);
        let parameters = phone::parameters(args)?;
        let (setup, identity) = phone::setup(args, started)?;
        Ok(Self {
            args,
            output,
            setup,
            identity,
            parameters,
            started,
            rng: phone::rng(),
        })
    }

    /// Resyncs once, or until it is switched off. The code is that of the last resync.
    ///
    /// # Errors
    /// The system gives no runtime, or DNS cannot be set up.
    pub(super) fn live(mut self) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e: io::Error| {
                let text = format!("the system gives no runtime: {e}");
                Failure::new(ExitCode::Unreachable, text)
            })?;
        runtime.block_on(async {
            let client = phone::client(self.args, self.identity.take())?;
            Ok(self.run(&client).await)
        })
    }

    async fn run(mut self, client: &Client) -> ExitCode {
        let ears = Ears {
            lines: !self.args.once,
            hang_up: !self.args.once,
        };
        let mut orders = Orders::listen(ears, |signal| process::exit(128 + signal));
        let clock = Clock::start();
        let mut teller = Teller::new(self.output, self.args.format, clock);
        let timing = self.parameters.timing();
        let delays = Rng::new(self.rng.next_u64());
        let mut schedule = Schedule::new(timing, &self.setup.settings, delays);
        let mut last = ExitCode::Good;
        if self.args.once {
            // Whoever looks on does not wait for the random delay.
            return match self
                .resync(
                    client,
                    Cause::PowerUp,
                    Duration::ZERO,
                    &mut teller,
                    &mut orders,
                )
                .await
            {
                Some(end) => exit_code(&end, teller.has_bad_trigger()),
                None => ExitCode::Good,
            };
        }
        schedule.handle_power_up(clock.now());
        loop {
            // Whatever follows may never wait, and signals are heard by who waits alone.
            tokio::task::yield_now().await;
            teller.next(schedule.next_timeout());
            let cause = loop {
                if let Some(cause) = schedule.poll(clock.now()) {
                    break Some(cause);
                }
                let due = schedule.next_timeout().unwrap_or(Time::NEVER);
                tokio::select! {
                    biased;
                    order = orders.next() => match self.obey(order) {
                        Told::Resync if !schedule.handle_request(clock.now()) => {
                            self.output.note("Provision_Enable is off: the phone does not resync");
                        }
                        Told::Resync | Told::Nothing => {}
                        Told::Quit => break None,
                    },
                    () = clock.sleep_until(due) => {}
                }
            };
            let ended = match cause {
                Some(cause) => {
                    let since = schedule.since_last(clock.now());
                    self.resync(client, cause, since, &mut teller, &mut orders)
                        .await
                }
                None => None,
            };
            let Some(end) = ended else {
                return last;
            };
            let now = clock.now();
            schedule.set_timing(self.parameters.timing());
            let wall = self.wall(&clock);
            match end.is_idle {
                true => schedule.handle_idle(now, wall),
                false => schedule.handle_end(end.result.is_ok(), now, wall),
            }
            last = exit_code(&end, teller.has_bad_trigger());
        }
    }

    fn wall(&self, clock: &Clock) -> UnixSeconds {
        self.started + clock.now().as_micros() / 1_000_000
    }

    fn obey(&self, order: Order) -> Told {
        match order {
            Order::HangUp => Told::Resync,
            Order::Stop | Order::InputEnded => Told::Quit,
            Order::Line(line) => match line.as_str() {
                "resync" => Told::Resync,
                "quit" => Told::Quit,
                "" => Told::Nothing,
                other => {
                    let other = escape_for_terminal(other.as_bytes());
                    self.output
                        .note(&format!("{other} is no order: `resync` or `quit`"));
                    Told::Nothing
                }
            },
        }
    }

    /// One resync; none if it was stopped.
    async fn resync(
        &mut self,
        client: &Client,
        cause: Cause,
        since_last: Duration,
        teller: &mut Teller<'_>,
        orders: &mut Orders,
    ) -> Option<End> {
        let now = teller.now();
        let wall = self.started + now.as_micros() / 1_000_000;
        let setup = Setup {
            checker: self.setup.checker.at(wall),
            ..self.setup.clone()
        };
        let parameters = self.parameters.clone();
        let rng = Rng::new(self.rng.next_u64());
        let mut resync = Resync::new(Arc::new(setup), parameters, cause, since_last, rng);
        let end = tokio::select! {
            biased;
            () = orders.stopped() => None,
            end = client.run(&mut resync, |happening| teller.tell(&happening)) => Some(end),
        };
        if let Some(end) = &end {
            teller.end(end);
            self.parameters = resync.parameters().clone();
        }
        end
    }
}

enum Told {
    Resync,
    Quit,
    Nothing,
}

/// A rule or a trigger that cannot be read is the user's; nobody reached is no judgement.
fn exit_code(end: &End, has_bad_trigger: bool) -> ExitCode {
    match &end.result {
        // The trigger that cannot be read counted as false.
        Ok(_) if end.is_idle && has_bad_trigger => ExitCode::Usage,
        Ok(_) => ExitCode::Good,
        Err(failure) if failure.fault.code() == "rule-malformed" => ExitCode::Usage,
        Err(failure) if failure.fault.is_unreachable() => ExitCode::Unreachable,
        Err(_) => ExitCode::Negative,
    }
}
