//! A profile as it comes: plain, gzip or encrypted.
