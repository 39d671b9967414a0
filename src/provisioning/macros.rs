//! The macros of profile rules and log messages.
