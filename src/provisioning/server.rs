//! What a provisioning server gives to whom.
