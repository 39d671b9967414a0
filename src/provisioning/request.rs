//! Certificate signing requests (PKCS#10), as `openssl req` makes them.
