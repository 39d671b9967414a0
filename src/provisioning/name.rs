//! The name that a provisioning server's certificate must have.
