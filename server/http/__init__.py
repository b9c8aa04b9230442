"""The layer below the routes: uvicorn's HTTP protocol with limits, and the ASGI middleware."""
