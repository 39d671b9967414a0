//! Layer 1: decisions.
