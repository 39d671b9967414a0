//! Scenarios: what an engineer wants rehearsed, as a TOML file.
//!
//! Text goes in, a model comes out, or a list of errors that each show the line and a caret. This
//! part is pure: the command line opens the files.
//!
//! ```
//! use trustline::scenario::{self, Registry, SettingValue};
//!
//! struct NoSettings;
//! impl Registry for NoSettings {
//!     fn check(&self, _: &str, _: &SettingValue) -> Result<(), String> {
//!         Ok(())
//!     }
//!     fn names(&self) -> Vec<&'static str> {
//!         Vec::new()
//!     }
//!     fn check_parameter(&self, _: &str, _: &SettingValue) -> Result<(), String> {
//!         Ok(())
//!     }
//!     fn parameter_names(&self) -> Vec<&'static str> {
//!         Vec::new()
//!     }
//!     fn reason_codes(&self) -> Vec<&'static str> {
//!         Vec::new()
//!     }
//!     fn event_kinds(&self) -> Vec<&'static str> {
//!         Vec::new()
//!     }
//! }
//!
//! let errors = scenario::parse("a.toml", "formt = 1", &NoSettings).unwrap_err();
//! assert!(errors.iter().any(|error| error.to_string().contains("did you mean `format`?")));
//! ```

mod alike;
mod basis;
mod build;
mod classes;
mod driver;
mod exchange;
mod expect;
mod faults;
mod fix;
mod lanes;
mod registry;
mod steps;

pub mod diagnostic;
pub mod explore;
pub mod exported;
pub mod invariants;
pub mod judge;
pub mod model;
pub mod outcome;
pub mod parse;
pub mod pattern;
pub mod provisioning;
pub mod run;
pub mod select;
pub mod serve;
pub mod settings;
pub mod words;

pub use basis::RestsOn;
pub use build::{Site, clusters, rules};
pub use diagnostic::{Diagnostic, Located, Span};
pub use driver::Network;
pub use expect::{Checked, event_matches};
pub use model::Scenario;
pub use parse::parse;
pub use registry::Rules;
pub use select::Selector;
pub use settings::{Registry, SettingValue};
