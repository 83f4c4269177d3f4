//! WebSocket and TLS alone, against the libraries below them; many connections.
