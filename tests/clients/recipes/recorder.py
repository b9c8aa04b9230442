"""An HTTP server that forwards every request to another one, and records what the client sent."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

DROPPED = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding", "content-encoding"}


@dataclass(frozen=True, slots=True)
class Recorder:
    """The address of the recording server, and the POST requests so far: path and body."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)


@contextlib.contextmanager
def record(target: str) -> Iterator[Recorder]:
    """Run the recording server before `target` until the context ends."""
    requests: list[dict[str, Any]] = []
    with httpx.Client(base_url=target, timeout=60) as client:

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.command == "POST":
                    requests.append({"path": self.path, "body": json.loads(body)})
                headers = [(name, value) for name, value in self.headers.items() if name.lower() not in DROPPED]
                response = client.request(self.command, self.path, content=body, headers=headers)
                self.send_response(response.status_code)
                for name, value in response.headers.multi_items():
                    if name not in DROPPED:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(response.content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(response.content)

            do_GET = do_HEAD = do_POST = forward

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield Recorder(f"http://127.0.0.1:{server.server_port}", requests)
            server.shutdown()
