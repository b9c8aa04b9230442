"""Unhandled exceptions become a 500 with a request id and without details; HEAD; Allow headers of a 405."""

import httpx
import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import HELLO, live
from tests.server.test_errors import envelope

pytestmark = pytest.mark.live


class Broken(ScriptedBackend):
    """Fails with exceptions that contain the client's text."""

    def load(self):
        raise KeyError("canary")

    async def converse(self, request, prompt, salt=""):
        raise ValueError(prompt.messages[0].text)


def test_unhandled_exceptions_become_a_500_and_neither_response_nor_log_has_their_message(caplog, capfd):
    with live(ScriptedEngine(["x"]), backend=Broken) as server:
        canary = [{"role": "user", "content": "canary"}]
        answers = [
            httpx.get(f"{server.url}/metrics", headers={"X-Request-Id": "mine"}),
            server.ask(messages=canary, strategy="self_consistency", headers={"X-Request-Id": "mine"}),
        ]
        assert server.http.get(f"{server.url}/health/live").status_code == 200
    for answer in answers:
        assert answer.status_code == 500 and answer.headers["x-request-id"] == "mine"
        assert envelope(answer)["type"] == "server_error" and answer.headers["x-should-retry"] == "false"
    out, err = capfd.readouterr()
    logged = caplog.text + out + err
    assert "KeyError at test_instrumentation.py:" in logged and "Traceback" not in logged and "canary" not in logged


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
