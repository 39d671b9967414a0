//! `trustline check`: will the phones of one cluster follow to another?

pub mod files;
