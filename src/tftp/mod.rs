//! TFTP transfer machines, both ends, without IO.
