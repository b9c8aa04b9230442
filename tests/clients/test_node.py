"""The official OpenAI client for Node, as a user would write it: node/ask.mjs."""

import json
import subprocess

import pytest

from tests.clients.fake_server import answering
from tests.clients.node_install import installed
from tests.fakes.live_server import eventually

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return installed(tmp_path_factory.mktemp("node")) / "ask.mjs"


@pytest.fixture(scope="module")
def told(program):
    with answering() as server:
        ran = subprocess.run(
            ["node", str(program), f"{server.url}/v1", "scripted"], capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stderr
        eventually(lambda: server.engine.running == 0, 1)
        return json.loads(ran.stdout)


def test_chats_whole_and_streamed(told):
    assert told["chat"] == {"text": "so it is \\boxed{42}", "candidates": 3}
    assert told["stream"]["text"] == told["helper"] == "so it is \\boxed{42}"
    assert told["stream"]["usage"]["completion_tokens"] == 15


def test_tool_calls_and_structured_output(told):
    assert told["call"] == {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert told["parsed"] == {"city": "Rome", "days": 3}


def test_responses_and_models(told):
    assert told["response"] == {"text": "so it is \\boxed{42}", "status": "completed"}
    assert {"scripted", "scripted@self_consistency"} <= set(told["models"])


def test_errors_are_the_clients_own_classes_and_name_the_field(told):
    assert told["errors"] == [
        ["NotFoundError", 404, "model"],
        ["BadRequestError", 400, "temperature"],
        ["BadRequestError", 400, "strategy"],
        ["BadRequestError", 400, "n"],
    ]


def test_an_abort_frees_the_engine(told):
    assert told["aborted"] == "APIUserAbortError"
