//! TVS messages.
