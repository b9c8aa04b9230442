"""The server: HTTP API, engines, caches, sandbox and evaluation. It may import strategies, never the reverse."""
