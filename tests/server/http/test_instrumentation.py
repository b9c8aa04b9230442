"""What nobody foresaw is an answer like any other: with an id, and without a word. HEAD; 405."""

import httpx
import pytest

from tests.fakes.live_server import HELLO, live
from tests.fakes.scripted import ScriptedBackend, ScriptedEngine
from tests.server.test_errors import envelope

pytestmark = pytest.mark.live


class Broken(ScriptedBackend):
    """It fails with words of the client's."""

    def load(self):
        raise KeyError("canary")

    async def converse(self, request, prompt, salt=""):
        raise ValueError(prompt.messages[0].text)


def test_a_500_has_an_id_and_the_log_has_none_of_the_clients_words(caplog, capfd):
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
def test_head_is_get_without_its_content(server, path):
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
def test_a_405_says_what_is_allowed(server, method, path, allowed):
    answer = httpx.request(method, server.url + path, json=HELLO)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
