"""I/O with the API server: bytes in, bytes out, typed errors."""
