"""The official OpenAI client for Node against a scripted server: node/all_features.mjs."""

import json
import subprocess

import pytest

from tests.clients.fake_server import run_fake_server
from tests.clients.node_install import install_node_client
from tests.fakes.live_server import eventually

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    return install_node_client(tmp_path_factory.mktemp("node")) / "all_features.mjs"


@pytest.fixture(scope="module")
def results(script):
    """What the script printed. Fails where its aborted request still runs in the engine."""
    with run_fake_server() as server:
        command = ["node", str(script), f"{server.url}/v1", "scripted"]
        process = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert process.returncode == 0, process.stderr
        eventually(lambda: server.engine.running == 0)
        return json.loads(process.stdout)


def test_chat_with_and_without_stream(results):
    assert results["chat"] == {"text": "so it is \\boxed{42}", "candidates": 3}
    assert results["stream"]["text"] == results["helper"] == "so it is \\boxed{42}"
    assert results["stream"]["usage"]["completion_tokens"] == 15


def test_tool_call_and_structured_output(results):
    assert results["call"] == {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert results["parsed"] == {"city": "Rome", "days": 3}


def test_responses_api_and_model_list(results):
    assert results["response"] == {"text": "so it is \\boxed{42}", "status": "completed"}
    assert {"scripted", "scripted@self_consistency"} <= set(results["models"])


def test_errors_have_the_clients_classes_and_name_the_field(results):
    assert results["errors"] == [
        ["NotFoundError", 404, "model"],
        ["BadRequestError", 400, "temperature"],
        ["BadRequestError", 400, "strategy"],
        ["BadRequestError", 400, "n"],
    ]


def test_aborted_request_frees_the_engine(results):
    assert results["aborted"] == "APIUserAbortError"
