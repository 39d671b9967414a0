//! TVS over TLS.
