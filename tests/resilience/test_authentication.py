"""T4, T36: who is let in, and what a page in somebody's browser may send."""

import ast
import hashlib
import random
import re
from pathlib import Path

import httpx
import pytest

from cogitate.server.app import ROUTERS
from tests.resilience.server_process import CHAT, Server, body

KEY = "cog-right"
FILE = f"{hashlib.sha256(KEY.encode()).hexdigest()} acme\n"
PUBLIC = ("/health/live", "/health/ready")
REFUSED = {400, 401, 403, 404, 405, 421, 429, 431}


def sent(server: Server, request: bytes) -> int:
    """The status of the answer to raw bytes; 0 where the connection was closed without one."""
    with server.socket(5) as connection:
        try:
            connection.sendall(request)
            answer = connection.recv(65536)
        except OSError:
            return 0
    found = re.match(rb"HTTP/1\.\d (\d+)", answer)
    return int(found[1]) if found else 0


def test_t4_every_route_is_closed_without_a_key(bar):
    paths = {route.path for router in ROUTERS for route in router.routes} | {"/", "/docs", "/openapi.json", "/new"}
    with Server(keys=FILE) as server, httpx.Client(base_url=server.url, verify=False) as client:
        opened = []
        for path in sorted(paths - set(PUBLIC)):
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"):
                status = client.request(method, path.replace("{", "").replace("}", ""), content=body()).status_code
                if status not in REFUSED:
                    opened.append((method, path, status))
        started = server.counters["started"]
        server.healthy()
    what = f"{len(paths)} paths, a made-up one too, by 9 methods without a key: open"
    bar("T4", what, f"{opened or 0}, {started} generations", "0, 0", not opened and not started)


def mutated(chance: random.Random) -> bytes:
    path = chance.choice([CHAT, "/v1/models", "/metrics", "/docs", "/health", "/v1/traces/x"])
    path = chance.choice(
        [path, "/" + path, "/health/live/.." + path, "/health/live/../.." + path, path.replace("/", "%2f", 1)]
        + [path.upper(), path + "/", "http://health/live" + path, path + "?/health/live", "/health/live;" + path]
        + ["/health/live%00" + path, "/.//" + path, path + "#/health/live", "\\health\\live" + path, "*"]
    )
    host = chance.choice(["localhost", "a/?x=", "h/health/live", "@", "", "localhost\r\nHost: evil", "health/live"])
    more = chance.choice(
        ["", "Upgrade: websocket\r\nConnection: Upgrade\r\n", "X-Original-URL: /health/live\r\n"]
        + ["X-Forwarded-Prefix: /health/live\r\n", "Authorization: Bearer\r\n", "Authorization: Basic Y29n\r\n"]
        + [f"Authorization: Bearer {KEY}x\r\n", f"X-Api-Key: {KEY}\r\n", "X-Rewrite-URL: /health/live\r\n"]
    )
    content = body()
    method = chance.choice(["POST", "GET", "PUT"])
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content


def judged_mutations(bar, count: int) -> None:
    chance, opened = random.Random(4), []
    with Server(keys=FILE, flags=("--allowed-host", "evil")) as server:
        for _ in range(count):
            request = mutated(chance)
            status = sent(server, request)
            if status not in REFUSED | {0}:
                opened.append((status, request[:90]))
        started = server.counters["started"]
        server.healthy()
    what = f"{count} mutated requests without a key (Host, path, upgrade, rewriting headers): let in"
    bar("T4", what, f"{opened[:3] or 0}, {started} generations", "0, 0", not opened and not started)


def test_t4_no_disguise_opens_a_route(bar):
    judged_mutations(bar, 300)


@pytest.mark.faults
def test_t4_no_disguise_of_five_thousand_opens_a_route(bar):
    judged_mutations(bar, 5000)


def test_t4_who_may_come_in_is_not_decided_by_a_rebuilt_url(bar):
    used = [
        f"{path}:{node.lineno}"
        for path in (
            Path("server/http/authentication.py"),
            Path("server/http/trusted_host.py"),
            Path("server/http/instrumentation.py"),
        )
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("url", "base_url")
    ]
    bar("T4", "uses of a URL put together from headers, at the door", f"{used or 0}", "0", not used)


def test_t36_a_page_in_a_browser_may_send_nothing(bar):
    evil = {"Origin": "http://evil.example"}
    with Server() as server, httpx.Client(base_url=server.url, verify=False) as client:
        json = {"content-type": "application/json"}
        asks = {
            "Origin": client.post(CHAT, content=body(max_tokens=1), headers=evil | json).headers,
            "preflight": client.options(CHAT, headers=evil | {"Access-Control-Request-Method": "POST"}).headers,
        }
        allowed = [name for name, headers in asks.items() if any("access-control" in key for key in headers)]
        before = server.counters["started"]
        rebound = client.post(CHAT, content=body(), headers=json | {"Host": "evil.example:8000"}).status_code
        kinds = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
        plain = [client.post(CHAT, content=body(), headers={"content-type": kind}).status_code for kind in kinds]
        started = server.counters["started"] - before
        server.healthy()
    figure = f"CORS for {allowed or 'nobody'}; Host {rebound}; text/plain, forms {plain}; {started} generations"
    met = not allowed and rebound == 421 and set(plain) == {415} and started == 0
    bar("T36", "Origin, rebound Host, simple content types", figure, "nobody; 421; 415; 0", met)
