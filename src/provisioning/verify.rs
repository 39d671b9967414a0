//! What a phone checks of a provisioning server's certificate.
