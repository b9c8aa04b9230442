"""Web pages in a browser on this machine cannot use a server on a loopback address."""

import json
import socket

import httpx
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.server.http.trusted_host import build_allowed_hosts, strip_port
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import HELLO, live
from tests.server.test_errors import envelope

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine(["x"])) as started:
        yield started


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "a/?x=", "@", "[::2]"])
def test_foreign_hosts_are_rejected(server, host):
    for path in ("/v1/models", "/health/ready", "/"):
        assert httpx.get(f"{server.url}{path}", headers={"Host": host}).status_code in (400, 421)
    assert server.ask(headers={"Host": host}).status_code in (400, 421) and not server.engine.calls


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST:8000", "[::1]:8000", "127.0.0.1:1"])
def test_loopback_hosts_are_allowed(server, host):
    assert httpx.get(f"{server.url}/health/live", headers={"Host": host}).status_code == 200


def test_allowed_hosts_of_the_settings_are_accepted():
    with live(ScriptedEngine(["x"]), allowed_host="models.Example, other") as server:
        for host, status in (("models.example", 200), ("other:80", 200), ("evil.example", 421)):
            assert httpx.get(f"{server.url}/health/live", headers={"Host": host}).status_code == status


def test_servers_on_other_addresses_accept_any_host():
    assert build_allowed_hosts("0.0.0.0", ()) is None and b"localhost" in build_allowed_hosts("127.0.0.1", ())


def test_content_types_that_pages_can_send_without_preflight_are_rejected(server):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = httpx.post(
            f"{server.url}/v1/chat/completions", content=json.dumps(HELLO), headers={"Content-Type": kind}
        )
        assert answer.status_code == 415
    assert not server.engine.calls


def test_no_response_has_cors_headers(server):
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("GET", "POST", "OPTIONS"):
        answer = httpx.request(method, f"{server.url}/v1/chat/completions", headers=origin)
        assert not [name for name in answer.headers if name.startswith("access-control")] and answer.status_code >= 400


def test_strip_port_keeps_names_and_ipv6_literals():
    assert [strip_port(host) for host in (b"A:1", b"[::1]", b"[::1]:80", b"a:b", b"")] == [
        b"a",
        b"[::1]",
        b"[::1]",
        b"a:b",
        b"",
    ]


def exchange(server, *lines: str) -> str:
    """Send a GET request with exactly these header lines and return the response."""
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 10) as connection:
        connection.sendall("\r\n".join(["GET /health/live HTTP/1.1", *lines, "Connection: close", "", ""]).encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_requests_without_host_are_accepted(server):
    assert exchange(server).startswith("HTTP/1.1 200 ")


def test_rejections_use_the_error_envelope_and_come_before_authentication(tmp_path):
    create_key(tmp_path / "keys", "acme")
    with live(ScriptedEngine(["x"]), api_keys_file=tmp_path / "keys") as guarded:
        foreign = httpx.get(f"{guarded.url}/v1/models", headers={"Host": "evil.example"})
        assert (foreign.status_code, envelope(foreign)["code"]) == (421, "misdirected_request")
        twice = exchange(guarded, "Host: localhost", "Host: localhost")
        assert twice.startswith("HTTP/1.1 400 ") and '"The Host header is given more than once."' in twice
