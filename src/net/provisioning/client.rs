//! A multiplatform phone on real sockets.
