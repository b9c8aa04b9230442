"""Requests without a valid key are rejected on every route, and web pages of other origins cannot send requests."""

import ast
import hashlib
import random
import re
from pathlib import Path

import httpx
import pytest

from cogitate.server.api.routers import ROUTERS
from cogitate.server.page.files import is_open
from tests.resilience.server_process import CHAT, Server, body

MIDDLEWARE = Path(__file__).parents[2] / "server/http"
KEY = "cog-right"
KEYS_FILE = f"{hashlib.sha256(KEY.encode()).hexdigest()} acme\n"
PUBLIC = ("/health", "/health/live", "/health/ready")
REJECTED = {400, 401, 403, 404, 405, 421, 429, 431}


def send_raw(server: Server, request: bytes) -> int:
    """Send raw bytes; returns the response status, 0 for a connection closed without a response."""
    with server.connect(5) as connection:
        try:
            connection.sendall(request)
            answer = connection.recv(65536)
        except OSError:
            return 0
    found = re.match(rb"HTTP/1\.\d (\d+)", answer)
    return int(found[1]) if found else 0


@pytest.mark.fault("T4")
def test_every_route_rejects_requests_without_a_key(bar):
    paths = {route.path for router in ROUTERS for route in router.routes} | {"/openapi.json", "/new"}
    with Server(keys=KEYS_FILE) as server, httpx.Client(base_url=server.url, verify=False) as client:
        open_routes = []
        for path in sorted(path for path in paths - set(PUBLIC) if not is_open(path)):
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"):
                status = client.request(method, path.replace("{", "").replace("}", ""), content=body()).status_code
                if status not in REJECTED:
                    open_routes.append((method, path, status))
        started = server.counters["started"]
        server.assert_healthy()
    what = f"{len(paths)} paths, a made-up one too, by 9 methods without a key: open"
    bar(what, f"{open_routes or 0}, {started} generations", "0, 0", not open_routes and not started)


def mutate_request(chance: random.Random) -> bytes:
    path = chance.choice([CHAT, "/v1/models", "/metrics", "/openapi.json", "/v1/traces/x"])
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


def check_mutations(bar, count: int) -> None:
    chance, accepted = random.Random(4), []
    with Server(keys=KEYS_FILE, flags=("--allowed-host", "evil")) as server:
        for _ in range(count):
            request = mutate_request(chance)
            status = send_raw(server, request)
            if status not in REJECTED | {0}:
                accepted.append((status, request[:90]))
        started = server.counters["started"]
        server.assert_healthy()
    what = f"{count} mutated requests without a key (Host, path, upgrade, rewriting headers): let in"
    bar(what, f"{accepted[:3] or 0}, {started} generations", "0, 0", not accepted and not started)


@pytest.mark.fault("T4")
def test_mutated_requests_without_a_key_are_rejected(bar):
    check_mutations(bar, 300)


@pytest.mark.fault("T4")
@pytest.mark.faults
def test_five_thousand_mutated_requests_without_a_key_are_rejected(bar):
    check_mutations(bar, 5000)


@pytest.mark.fault("T4")
def test_middleware_does_not_use_urls_rebuilt_from_headers(bar):
    """`scope["path"]` decides; starlette's `request.url` contains the Host header (the BadHost attack)."""
    # The parser's `url` is the request target as it was received.
    files = [path for path in sorted(MIDDLEWARE.glob("*.py")) if path.name != "upgrade_parser.py"]
    assert {"authentication.py", "trusted_host.py"} <= {path.name for path in files}
    used = [
        f"{path.name}:{node.lineno}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("url", "base_url")
    ]
    bar("uses of a URL put together from headers, at the door", f"{used or 0}", "0", not used)


@pytest.mark.fault("T36")
def test_cross_origin_web_page_cannot_send_requests(bar):
    evil = {"Origin": "http://evil.example"}
    with Server() as server, httpx.Client(base_url=server.url, verify=False) as client:
        json = {"content-type": "application/json"}
        headers_of = {
            "Origin": client.post(CHAT, content=body(max_tokens=1), headers=evil | json).headers,
            "preflight": client.options(CHAT, headers=evil | {"Access-Control-Request-Method": "POST"}).headers,
        }
        allowed = [name for name, headers in headers_of.items() if any("access-control" in key for key in headers)]
        before = server.counters["started"]
        rebound = client.post(CHAT, content=body(), headers=json | {"Host": "evil.example:8000"}).status_code
        kinds = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
        plain = [client.post(CHAT, content=body(), headers={"content-type": kind}).status_code for kind in kinds]
        started = server.counters["started"] - before
        server.assert_healthy()
    figure = f"CORS for {allowed or 'nobody'}; Host {rebound}; text/plain, forms {plain}; {started} generations"
    met = not allowed and rebound == 421 and set(plain) == {415} and started == 0
    bar("Origin, rebound Host, simple content types", figure, "nobody; 421; 415; 0", met)
