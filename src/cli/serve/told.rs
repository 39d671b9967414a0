//! The events of the running clusters, as they are told and kept.

use std::fs::File;
use std::io::Write;

use crate::cli::keep::event_line;
use crate::cli::output::Output;
use crate::event::Event;
use crate::report::story::Story;

/// Where events go.
pub(super) struct Told<'a> {
    output: &'a Output,
    /// How they are told to people; none for JSON.
    story: Option<Story>,
    seq: usize,
    /// What comes before all is ready waits for the line that says so.
    waiting: Option<String>,
    kept: Kept,
}

/// Where events are kept.
enum Kept {
    /// Nowhere.
    No,
    /// They wait for their file, which gives way to nothing before the clusters are there.
    Waiting(String),
    To(File),
    /// Their file takes no more.
    Broken,
}

impl<'a> Told<'a> {
    pub(super) fn new(output: &'a Output, story: Option<Story>, keep: bool) -> Self {
        Self {
            output,
            story,
            seq: 0,
            waiting: Some(String::new()),
            kept: match keep {
                true => Kept::Waiting(String::new()),
                false => Kept::No,
            },
        }
    }

    /// Keeps what came until now in a file, and what comes.
    pub(super) fn keep_in(&mut self, file: File) {
        let before = std::mem::replace(&mut self.kept, Kept::To(file));
        if let Kept::Waiting(lines) = before {
            self.keep(&lines);
        }
    }

    fn keep(&mut self, line: &str) {
        match &mut self.kept {
            Kept::No | Kept::Broken => {}
            Kept::Waiting(lines) => lines.push_str(line),
            Kept::To(file) => {
                if let Err(e) = file.write_all(line.as_bytes()) {
                    self.kept = Kept::Broken;
                    let text = format!("cannot keep events any more: {e}");
                    self.output.error(&text);
                }
            }
        }
    }

    /// True if events were to be kept and are not.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.kept, Kept::Broken)
    }

    /// Takes an event.
    pub(super) fn take(&mut self, event: &Event) {
        // An event of ours always has a line.
        let mut line = event_line(self.seq, event).unwrap_or_default();
        line.push('\n');
        self.seq += 1;
        self.keep(&line);
        let text = match &mut self.story {
            Some(story) => story.tell(event).iter().map(|l| format!("{l}\n")).collect(),
            None => line,
        };
        match &mut self.waiting {
            Some(waiting) => waiting.push_str(&text),
            None => self.output.result(&text),
        }
    }

    /// Says that all is ready, then what came before.
    pub(super) fn ready(&mut self, line: &str) {
        let before = self.waiting.take().unwrap_or_default();
        self.output.result(line);
        self.output.result(&before);
    }
}
