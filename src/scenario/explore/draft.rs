//! A scenario that is still being put together or taken apart: the parts of the file, not yet its
//! text. What it writes is read by [`crate::scenario::parse()`] like any other file; whether its
//! names fit together is found there and nowhere else.

use std::fmt::{self, Write as _};

/// The date of every explored world: chance has no part in it, so signatures can be kept.
const DATE: &str = "2020-03-01T09:00:00Z";

/// The parts of a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// One line for people.
    pub name: String,
    /// The scenario's own seed: keys, serial numbers and the chance of links.
    pub seed: u64,
    /// The clusters.
    pub clusters: Vec<ClusterDraft>,
    /// The phones.
    pub phones: Vec<PhonesDraft>,
    /// Settings by name, in file form.
    pub settings: Vec<(String, Value)>,
    /// The steps.
    pub steps: Vec<StepDraft>,
    /// Verdicts that are expected, by the number of the phone.
    pub expected: Vec<(usize, String)>,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDraft {
    /// Its id.
    pub id: String,
    /// Its release.
    pub release: String,
    /// True for mixed mode.
    pub mixed: bool,
    /// True if it is prepared for rollback from the start.
    pub rollback: bool,
    /// Its nodes.
    pub nodes: Vec<NodeDraft>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeDraft {
    /// Its host name.
    pub name: String,
    /// What it runs.
    pub services: Vec<&'static str>,
}

impl NodeDraft {
    /// True if it runs the service.
    pub fn runs(&self, service: &str) -> bool {
        self.services.contains(&service)
    }
}

/// A group of phones. It has a name, so that steps keep their meaning when another group goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhonesDraft {
    /// Its name.
    pub name: String,
    /// How many.
    pub count: usize,
    /// Their model.
    pub model: &'static str,
    /// Where they boot first.
    pub cluster: String,
    /// Their security mode, if it is not the default.
    pub security: Option<&'static str>,
    /// Whether they hold an LSC.
    pub lsc: bool,
}

/// A step: its verb and its other keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepDraft {
    /// The verb.
    pub verb: &'static str,
    /// The keys, in the order of the file.
    pub keys: Vec<(&'static str, Value)>,
}

impl StepDraft {
    /// A step without other keys.
    pub fn new(verb: &'static str) -> Self {
        Self {
            verb,
            keys: Vec::new(),
        }
    }

    /// The same with one more key.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.keys.push((key, value.into()));
        self
    }

    /// True if it has the key.
    pub fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(own, _)| *own == key)
    }

    /// The same without what is called `name`; nothing if the step has no meaning without it.
    pub fn without(&self, name: &str) -> Option<Self> {
        let mut left = self.clone();
        for (_, value) in &mut left.keys {
            match value {
                Value::Word(word) if word == name => return None,
                Value::Words(words) => {
                    words.retain(|word| word != name);
                    if words.is_empty() {
                        return None;
                    }
                }
                _ => {}
            }
        }
        Some(left)
    }
}

/// A value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Word(String),
    /// A list of strings.
    Words(Vec<String>),
    /// A number.
    Number(u64),
    /// True or false.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(word: &str) -> Self {
        Self::Word(word.to_owned())
    }
}

impl From<String> for Value {
    fn from(word: String) -> Self {
        Self::Word(word)
    }
}

impl From<Vec<String>> for Value {
    fn from(words: Vec<String>) -> Self {
        Self::Words(words)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// In the form of a scenario file. Words of a draft need no escapes beyond those of `Debug`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "{word:?}"),
            Self::Words(words) => write!(f, "{words:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

impl Draft {
    /// The text of the scenario file.
    pub fn to_toml(&self) -> String {
        let mut out = String::with_capacity(4_096);
        // Writing into a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "format = 1\nname = {:?}", self.name)?;
        writeln!(out, "source = \"trustline rehearse --explore\"")?;
        writeln!(out, "date = {DATE}\nseed = {}", self.seed)?;
        for cluster in &self.clusters {
            writeln!(out, "\n[cluster.{}]", cluster.id)?;
            writeln!(out, "release = {:?}", cluster.release)?;
            let mode = if cluster.mixed { "mixed" } else { "non-secure" };
            writeln!(out, "mode = {mode:?}")?;
            if cluster.rollback {
                writeln!(
                    out,
                    "parameters = {{ prepare-cluster-for-rollback = true }}"
                )?;
            }
            writeln!(out, "nodes = [")?;
            for node in &cluster.nodes {
                let (name, services) = (&node.name, &node.services);
                writeln!(out, "  {{ name = {name:?}, services = {services:?} }},")?;
            }
            writeln!(out, "]")?;
        }
        for group in &self.phones {
            writeln!(out, "\n[[phones]]\nname = {:?}", group.name)?;
            writeln!(out, "count = {}\nmodel = {:?}", group.count, group.model)?;
            writeln!(out, "cluster = {:?}", group.cluster)?;
            if let Some(security) = group.security {
                writeln!(out, "security = {security:?}")?;
            }
            if group.lsc {
                writeln!(out, "lsc = true")?;
            }
        }
        if !self.settings.is_empty() {
            writeln!(out, "\n[settings]")?;
        }
        for (name, value) in &self.settings {
            writeln!(out, "{name:?} = {value}")?;
        }
        for step in &self.steps {
            writeln!(out, "\n[[step]]\ndo = {:?}", step.verb)?;
            for (key, value) in &step.keys {
                writeln!(out, "{key} = {value}")?;
            }
        }
        for (number, verdict) in &self.expected {
            writeln!(
                out,
                "\n[[expect]]\nphones = {number}\nverdict = {verdict:?}"
            )?;
        }
        Ok(())
    }

    /// Every node, with the place of its cluster.
    pub fn nodes(&self) -> impl Iterator<Item = (usize, &NodeDraft)> {
        let clusters = self.clusters.iter().enumerate();
        clusters.flat_map(|(i, cluster)| cluster.nodes.iter().map(move |node| (i, node)))
    }

    /// Phones of all groups.
    pub fn phone_count(&self) -> usize {
        self.phones.iter().map(|group| group.count).sum()
    }
}
