//! The language of profile rules.
