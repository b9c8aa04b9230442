"""Unhandled exceptions become a 500 with a request id and without details."""

import httpx
import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import live
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
