//! When a phone resyncs.
