//! Layer 5: what was found, as text, as JSON and as JUnit. Pure: no file, no stream, no clock.

pub mod advice;
pub mod bulk;
pub mod check;
pub mod diff;
pub mod inspect;
pub mod junit;
pub mod phone;
pub mod rules;
pub mod show;
pub mod story;
pub mod text;
pub mod verdicts;
