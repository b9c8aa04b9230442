"""An ASGI application that returns the request body, for the least time of uvicorn: python -m tests.bench.noop_app"""

import sys

import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from cogitate.server.launcher import bind_socket


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    listener = bind_socket("127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/v1\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, log_level="warning", access_log=False, proxy_headers=False, lifespan="off")
    uvloop.run(uvicorn.Server(config).serve(sockets=[listener]))
