//! Worlds that nobody wrote, and what has to come out of them.

pub mod expected;
