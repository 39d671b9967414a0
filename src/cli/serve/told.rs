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
    file: Option<File>,
    /// True once the file takes no more.
    pub(super) is_broken: bool,
}

impl<'a> Told<'a> {
    pub(super) fn new(output: &'a Output, story: Option<Story>, file: Option<File>) -> Self {
        Self {
            output,
            story,
            seq: 0,
            waiting: Some(String::new()),
            file,
            is_broken: false,
        }
    }

    /// Takes an event.
    pub(super) fn take(&mut self, event: &Event) {
        // An event of ours always has a line.
        let mut line = event_line(self.seq, event).unwrap_or_default();
        line.push('\n');
        self.seq += 1;
        if let Some(file) = &mut self.file
            && let Err(e) = file.write_all(line.as_bytes())
        {
            self.is_broken = true;
            self.file = None;
            self.output
                .error(&format!("cannot keep events any more: {e}"));
        }
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
