//! Signatures of certificates and of requests for them.
