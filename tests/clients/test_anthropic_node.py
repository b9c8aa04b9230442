"""The official Anthropic client for Node against a scripted server: node/anthropic.mjs."""

import json
import subprocess

import pytest

from tests.clients.fake_server import run_fake_server
from tests.clients.node_install import install_node_client
from tests.fakes.live_server import eventually

pytestmark = [pytest.mark.live, pytest.mark.slow]
TEXT = "so it is \\boxed{42}"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What the script printed. Fails where its aborted request still runs in the engine."""
    script = install_node_client(tmp_path_factory.mktemp("node")) / "anthropic.mjs"
    with run_fake_server() as server:
        command = ["node", str(script), server.url, "scripted"]
        process = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert process.returncode == 0, process.stderr
        eventually(lambda: server.engine.running == 0)
        return json.loads(process.stdout)


def test_message_with_and_without_stream(results):
    assert results["message"] == {"text": TEXT, "candidates": 3}
    assert results["helper"] == {"text": TEXT, "stop": "end_turn", "tokens": 15} and results["usage"] == 15
    assert results["events"][0] == "message_start" and results["events"][-1] == "message_stop"


def test_thinking_and_tools(results):
    assert results["thinking"] == [["thinking", TEXT], ["text", "42"]]
    assert results["call"] == {"stop": "tool_use", "name": "weather", "input": {"city": "Rome"}}
    assert results["turns"] in ("end_turn", "tool_use")


def test_tokens_are_counted(results):
    assert results["count"] > 0


def test_errors_have_the_clients_classes_and_name_the_field(results):
    assert results["errors"] == [
        ["NotFoundError", 404, "not_found_error", "model"],
        ["BadRequestError", 400, "invalid_request_error", "temperature"],
        ["BadRequestError", 400, "invalid_request_error", "strategy"],
        ["BadRequestError", 400, "invalid_request_error", "mcp_servers"],
    ]


def test_aborted_request_frees_the_engine(results):
    assert results["aborted"] == "APIUserAbortError"
