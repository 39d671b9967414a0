//! A provisioning server on real sockets.
