//! What a check predicts is what the rehearsal then shows: before each boot of each phone the
//! clusters are looked at from outside, the boot is predicted from that alone, and compared.

mod beside;
mod built_in;
mod files;
mod fixed;
mod generated;
mod withheld;
