//! Child processes that a test starts, and ends by their handle.
