//! Layer 5: what was found, as text and as JSON. Pure: no file, no stream, no clock.

pub mod advice;
pub mod bulk;
pub mod inspect;
pub mod rules;
pub mod show;
pub mod story;
pub mod text;
pub mod verdicts;
