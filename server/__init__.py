"""The edges: HTTP, engines, caches. May import strategies; nothing imports server."""
