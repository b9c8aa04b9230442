"""HEAD is answered as GET, and a 405 lists the allowed methods."""

import httpx
import pytest

from cogitate.server.http.head import build_allow_header
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import HELLO, live

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine(["x"])) as started:
        yield started


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/health", "/v1/models", "/v1/models/scripted"])
def test_head_is_answered_as_get_without_content(server, path):
    head, got = httpx.head(server.url + path), httpx.get(server.url + path)
    assert head.status_code == got.status_code == 200 and head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"] and head.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("HEAD", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/health/live", "GET, HEAD"),
        ("GET", "/v1/requests/a/cancel", "POST"),
    ],
)
def test_405_has_the_allow_header(server, method, path, allowed):
    answer = httpx.request(method, server.url + path, json=HELLO)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_allow_header_adds_head_to_get():
    assert build_allow_header(["POST"]) == "POST"
    assert build_allow_header(["POST", "GET"]) == "GET, HEAD, POST"
