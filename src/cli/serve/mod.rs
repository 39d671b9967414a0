//! `trustline serve`: the clusters of a scenario left running, for real phones and other tools.

pub mod args;

mod answers;
mod failed;
mod told;

use std::cell::RefCell;
use std::path::Path;
use std::process;

use answers::Answers;
use args::{Ports, ServeArgs};
use told::Told;

use super::args::Format;
use super::exit_code::ExitCode;
use super::failure::Failure;
use super::keep;
use super::output::Output;
use super::world::{read_scenario, shown};
use crate::event::Event;
use crate::net::orders::{Order, Orders};
use crate::report::story::Story;
use crate::report::text::count;
use crate::scenario::run::RunError;
use crate::scenario::serve::{ServedNode, Serving, StepState};

/// Runs the clusters until they are told to stop.
pub fn run(args: &ServeArgs, output: &Output) -> ExitCode {
    serve(args, output).unwrap_or_else(|failure| {
        failure.tell(output);
        failure.code
    })
}

fn serve(args: &ServeArgs, output: &Output) -> Result<ExitCode, Failure> {
    let (text, mut scenario) = read_scenario(&args.scenario, &args.set)?;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    let site = args.site(&scenario)?;
    let steps = args.steps.of(&scenario)?;
    if let Some(dir) = &args.keep {
        keep::prepare(dir).map_err(|text| Failure::new(ExitCode::Unreachable, text))?;
    }
    let (story, answers) = match args.format {
        Format::Json => (None, Answers::Json),
        Format::Human => {
            let paint = output.paint();
            (Some(Story::of_nodes(paint)), Answers::Human(paint))
        }
    };
    let told = RefCell::new(Told::new(output, story, args.keep.is_some()));
    let mut sink = |event: &Event| told.borrow_mut().take(event);
    let ports = args.ports.into();
    let failed = |e| failed::to_run(&args.scenario, &e);
    let mut serving = Serving::start(&scenario, &site, ports, &mut sink).map_err(failed)?;
    if let Some(dir) = &args.keep {
        let file = keep::begin(dir, &text).map_err(|e| cannot_keep(dir, &e))?;
        told.borrow_mut().keep_in(file);
    }
    let Some(mut orders) = serving.orders(|signal| process::exit(128 + signal)) else {
        return Err(Failure::new(ExitCode::Bug, "the clusters have no sockets"));
    };
    for _ in 0..steps {
        let Some(step) = serving.take_step().map_err(failed)? else {
            break;
        };
        if let StepState::LeftOut(why) = step.state {
            let (number, text) = (step.number, &step.text);
            output.note(&format!("step {number} is left out: {text} ({why})"));
        }
        if let Some(failure) = failed::of_step(&args.scenario, &step) {
            return Err(failure);
        }
    }
    let nodes = serving.nodes();
    told.borrow_mut().ready(&answers::ready(ports, &nodes));
    if args.ports == Ports::Real {
        note_stand_ins(&nodes, output);
    }
    let mut session = Session {
        serving: &mut serving,
        answers,
        output,
    };
    let code = match session.follow(&mut orders) {
        Ok(()) => ExitCode::Good,
        Err(e) => {
            let failure = failed::to_run(&args.scenario, &e);
            failure.tell(output);
            failure.code
        }
    };
    let lost = serving.lost_events();
    if lost > 0 {
        output.note(&format!(
            "{} were not told, because nobody read those before them",
            count(usize::try_from(lost).unwrap_or(usize::MAX), "event")
        ));
    }
    let left = serving.finish().map_err(failed)?;
    if let Some(dir) = &args.keep {
        keep::finish(dir, &left).map_err(|e| cannot_keep(dir, &e))?;
        output.note(&format!("kept in {}", shown(dir)));
    }
    let of_events = if told.borrow().is_broken() {
        ExitCode::Unreachable
    } else {
        ExitCode::Good
    };
    Ok(code.worst(of_events))
}

/// The running clusters, and who gives them orders.
struct Session<'s, 'a> {
    serving: &'s mut Serving<'a>,
    answers: Answers,
    output: &'s Output,
}

impl Session<'_, '_> {
    /// Does what is ordered until the end is.
    fn follow(&mut self, orders: &mut Orders) -> Result<(), RunError> {
        loop {
            let line = match self.serving.listen(orders) {
                // It does not listen to the hang-up.
                Order::Stop | Order::InputEnded | Order::HangUp => return Ok(()),
                Order::Line(line) => line,
            };
            match line.as_str() {
                "" => {}
                "quit" => return Ok(()),
                "step" => {
                    let step = self.serving.take_step()?;
                    let steps = self.serving.steps();
                    self.output
                        .result(&self.answers.taken(step.as_ref(), &steps));
                }
                "steps" => self
                    .output
                    .result(&self.answers.steps(&self.serving.steps())),
                "status" => {
                    let (nodes, steps) = (self.serving.nodes(), self.serving.steps());
                    self.output.result(&self.answers.status(&nodes, &steps));
                }
                other => self.output.error(&format!(
                    "no order `{}`: expected step, steps, status or quit",
                    other.escape_debug()
                )),
            }
        }
    }
}

/// Says on stderr which phones cannot ask TVS here.
fn note_stand_ins(nodes: &[ServedNode], output: &Output) {
    for node in nodes.iter().filter(|n| n.at.tvs.is_some()) {
        if let Some(real) = node.tls_stand_in {
            output.note(&format!(
                "TVS of {} speaks TLS 1.2 and 1.3 where a real one of its release speaks {real}: a phone \
                 that speaks nothing newer cannot ask it",
                node.name
            ));
        }
    }
}

fn cannot_keep(dir: &Path, error: &std::io::Error) -> Failure {
    let text = format!("cannot keep the files in {}: {error}", shown(dir));
    Failure::new(ExitCode::Unreachable, text)
}
