//! Addresses of names, from a DNS server of choice.
