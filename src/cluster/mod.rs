//! Layer 3: what surrounds the phones. A cluster's nodes with their certificates, the trust
//! stores, and what its TFTP and TVS services hand out. No sockets, no clock, no files.

pub mod key;
pub mod x509;
