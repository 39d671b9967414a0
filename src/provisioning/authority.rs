//! The two roots of a provisioning authority, and what it signs.
