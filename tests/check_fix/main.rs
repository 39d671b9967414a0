//! The smallest fix, what a fate rests on, groups and the way back, of clusters that were looked at
//! from outside. A fix that is proven is then made to the clusters themselves.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and may look at the clock"
)]

mod fixes;
mod groups;
mod lab;
