//! What a phone writes to its syslog about a resync.
