"""POST /v1/completions: the engine's own, and no strategies."""

import httpx
import openai
import pytest

from tests.scripted import ScriptedEngine
from tests.server.live import live

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine(["one two three"])) as started:
        yield started


def ask(server, **fields):
    body = {"model": "scripted", "prompt": "Once"} | fields
    return httpx.post(f"{server.url}/v1/completions", json=body, timeout=10)


def test_the_official_client_completes(server):
    answer = server.client().completions.create(model="scripted", prompt="Once", max_tokens=2)
    assert answer.object == "text_completion" and answer.choices[0].text == "one two"


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"strategy": "self_consistency"}, 400, "strategy"),
        ({"model": "scripted@best_of_n"}, 400, "strategy"),
        ({"model": "other"}, 404, "model"),
        ({"prompt": ""}, 400, "prompt"),
        ({"prompt": []}, 400, "prompt"),
        ({"prompt": [[]]}, 400, "prompt.0"),
        ({"prompt": [-1]}, 400, "prompt.0"),
        ({"prompt": None}, 400, "prompt"),
        ({"best_of": 3}, 400, "best_of"),
        ({"logprobs": 99}, 400, "logprobs"),
        ({"messages": []}, 400, "messages"),
        ({"prompt": ["x"] * 128, "n": 128, "max_tokens": 4000}, 400, "max_tokens"),
    ],
)
def test_what_is_wrong_is_named(server, fields, status, param):
    response = ask(server, **fields)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param), response.text


def test_a_missing_prompt_is_the_clients_bad_request_error(server):
    with pytest.raises(openai.BadRequestError) as refused:
        server.client().completions.create(model="scripted", prompt=None)
    assert refused.value.param == "prompt"
