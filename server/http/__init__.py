"""Below the routes: the HTTP protocol of the server, and its ASGI middleware."""
