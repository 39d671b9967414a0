//! TVS against openssl s_server and s_client.
