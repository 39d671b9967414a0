//! What the command says beside the events: that it is ready, and the answers to orders.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde::Serialize;

use crate::cluster::Service;
use crate::event::SCHEMA_VERSION;
use crate::net::loopback::Ports;
use crate::report::text::{Paint, count};
use crate::scenario::serve::{ServedNode, StepLine, StepState};

/// The first line: all is ready.
#[derive(Serialize)]
struct Ready<'a> {
    schema_version: u32,
    kind: &'static str,
    ports: &'static str,
    nodes: Vec<Node<'a>>,
}

/// A node's line. A service that it does not have has no key.
#[derive(Serialize)]
struct Node<'a> {
    cluster: &'a str,
    node: &'a str,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tftp: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    https: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tvs: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callmanager: Option<SocketAddr>,
    /// In a status alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    up: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    down: Option<Vec<&'static str>>,
}

impl<'a> Node<'a> {
    fn of(node: &'a ServedNode) -> Self {
        Self {
            cluster: &node.cluster,
            node: &node.name,
            address: node.address.to_string(),
            tftp: node.at.tftp,
            http: node.at.http,
            https: node.at.https,
            tvs: node.at.tvs,
            callmanager: node.at.callmanager,
            up: None,
            down: None,
        }
    }

    fn with_services(node: &'a ServedNode) -> Self {
        let names = |services: &[Service]| Some(services.iter().map(|s| s.name()).collect());
        Self {
            up: names(&node.up),
            down: names(&node.down),
            ..Self::of(node)
        }
    }
}

#[derive(Serialize)]
struct Status<'a> {
    schema_version: u32,
    kind: &'static str,
    steps: usize,
    steps_taken: usize,
    nodes: Vec<Node<'a>>,
}

#[derive(Serialize)]
struct Steps<'a> {
    schema_version: u32,
    kind: &'static str,
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
struct StepTaken<'a> {
    schema_version: u32,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<Step<'a>>,
    left: usize,
}

#[derive(Serialize)]
struct Step<'a> {
    number: usize,
    #[serde(rename = "do")]
    verb: &'a str,
    text: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

impl<'a> Step<'a> {
    fn of(step: &'a StepLine) -> Self {
        let (state, why) = state(&step.state);
        Self {
            number: step.number,
            verb: &step.verb,
            text: &step.text,
            state,
            why,
        }
    }
}

fn state(state: &StepState) -> (&'static str, Option<&str>) {
    match state {
        StepState::ToCome => ("to-come", None),
        StepState::Done => ("done", None),
        StepState::LeftOut(why) => ("left-out", Some(why)),
        StepState::Failed { why, .. } => ("failed", Some(why)),
    }
}

fn line(document: &impl Serialize) -> String {
    // Keys are text and no number is out of range, so this does not fail.
    let text = serde_json::to_string(document).unwrap_or_default();
    format!("{text}\n")
}

/// The line that says that all is ready.
pub(super) fn ready(ports: Ports, nodes: &[ServedNode]) -> String {
    line(&Ready {
        schema_version: SCHEMA_VERSION,
        kind: "ready",
        ports: ports.as_str(),
        nodes: nodes.iter().map(Node::of).collect(),
    })
}

/// How the answers to orders are written.
pub(super) enum Answers {
    Json,
    Human(Paint),
}

impl Answers {
    /// The nodes, and what runs on them.
    pub(super) fn status(&self, nodes: &[ServedNode], steps: &[StepLine]) -> String {
        let taken = steps.len() - to_come(steps);
        match self {
            Self::Json => line(&Status {
                schema_version: SCHEMA_VERSION,
                kind: "status",
                steps: steps.len(),
                steps_taken: taken,
                nodes: nodes.iter().map(Node::with_services).collect(),
            }),
            Self::Human(paint) => {
                let mut text = String::new();
                for node in nodes {
                    text += &of_node(node, *paint);
                }
                // Writing to a string does not fail.
                let _ = writeln!(text, "{taken} of {} taken", count(steps.len(), "step"));
                text
            }
        }
    }

    /// All steps, and what became of each.
    pub(super) fn steps(&self, steps: &[StepLine]) -> String {
        match self {
            Self::Json => line(&Steps {
                schema_version: SCHEMA_VERSION,
                kind: "steps",
                steps: steps.iter().map(Step::of).collect(),
            }),
            Self::Human(paint) => steps.iter().map(|s| of_step(s, *paint)).collect(),
        }
    }

    /// What became of the step that was asked for; `step` is none where none was left.
    pub(super) fn taken(&self, step: Option<&StepLine>, steps: &[StepLine]) -> String {
        let left = to_come(steps);
        match self {
            Self::Json => line(&StepTaken {
                schema_version: SCHEMA_VERSION,
                kind: "step-taken",
                step: step.map(Step::of),
                left,
            }),
            Self::Human(paint) => {
                let done = step.map(|s| of_step(s, *paint)).unwrap_or_default();
                match steps.iter().find(|s| s.state == StepState::ToCome) {
                    Some(next) => format!("{done}next is step {}: {}\n", next.number, next.text),
                    None => format!("{done}no step is left\n"),
                }
            }
        }
    }
}

fn to_come(steps: &[StepLine]) -> usize {
    let is_to_come = |s: &&StepLine| s.state == StepState::ToCome;
    steps.iter().filter(is_to_come).count()
}

fn of_node(node: &ServedNode, paint: Paint) -> String {
    let shown = |name: &str, at: Option<SocketAddr>, is_up: bool| match at {
        Some(at) if is_up => format!("  {name} {at}"),
        Some(at) => format!("  {name} {at} {}", paint.warn("down")),
        None => String::new(),
    };
    let is_up = |service| node.up.contains(&service);
    format!(
        "{:<12} {:<12} {:<15}{}{}{}{}\n",
        node.cluster,
        node.name,
        node.address.to_string(),
        shown("TFTP", node.at.tftp, is_up(Service::Tftp)),
        shown("HTTP", node.at.http, is_up(Service::Tftp)),
        shown("HTTPS", node.at.https, is_up(Service::Tftp)),
        shown("TVS", node.at.tvs, is_up(Service::Tvs)),
    )
}

fn of_step(step: &StepLine, paint: Paint) -> String {
    let (state, why) = state(&step.state);
    // Padded before it is coloured: escapes have no width.
    let word = format!("{state:<8}");
    let word = match step.state {
        StepState::Done => paint.good(&word),
        StepState::Failed { .. } => paint.bad(&word),
        StepState::ToCome | StepState::LeftOut(_) => word,
    };
    let why = why.map(|w| format!(" ({w})")).unwrap_or_default();
    format!("{:>3}  {word}  {}{why}\n", step.number, step.text)
}
