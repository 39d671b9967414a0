//! Trust verification service machines, both ends, without IO.
