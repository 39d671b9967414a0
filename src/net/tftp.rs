//! TFTP over UDP.
