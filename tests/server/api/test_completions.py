"""POST /v1/completions, by the engine alone and with a strategy."""

import httpx
import openai
import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine(["one two three"])) as started:
        yield started


def ask(server, **fields):
    body = {"model": "scripted", "prompt": "Once"} | fields
    return httpx.post(f"{server.url}/v1/completions", json=body, timeout=10)


def test_official_client_completes_a_prompt(server):
    answer = server.client().completions.create(model="scripted", prompt="Once", max_tokens=2)
    assert answer.object == "text_completion" and answer.choices[0].text == "one two"


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"strategy": "self_consistency", "prompt": ["a", "b"]}, 400, "prompt"),
        ({"strategy": "self_consistency", "prompt": [[1], [2]]}, 400, "prompt"),
        ({"strategy": "self_consistency", "echo": True}, 400, "echo"),
        ({"strategy": "budget_forcing", "logprobs": 0}, 400, "logprobs"),
        ({"strategy": {"name": "self_consistency", "reasoning": "separate"}, "logprobs": 0}, 400, "logprobs"),
        ({"strategy": {"name": "self_consistency", "reasoning": "hidden"}}, 400, "strategy.reasoning"),
        ({"model": "scripted@best_of_n", "n": 9}, 400, "n"),
        ({"budget": {"seconds": 1}}, 400, "budget"),
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
def test_wrong_field_is_named(server, fields, status, param):
    response = ask(server, **fields)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param), response.text


def test_missing_prompt_raises_bad_request_in_the_official_client(server):
    with pytest.raises(openai.BadRequestError) as refused:
        server.client().completions.create(model="scripted", prompt=None)
    assert refused.value.param == "prompt"


@pytest.fixture(scope="module")
def voting():
    with live(ScriptedEngine(["so \\boxed{1}", "so \\boxed{2}", "thus \\boxed{2}"])) as started:
        yield started


@pytest.mark.parametrize("strategy", ["chain_of_thought", "self_consistency", "best_of_n", "beam_search"])
def test_every_strategy_answers_a_raw_prompt(voting, strategy):
    answer = voting.client().completions.create(
        model="scripted", prompt="6*7 =", extra_body={"strategy": strategy, "cache": "no-store"}
    )
    assert answer.object == "text_completion" and answer.id.startswith("cmpl-")
    assert answer.choices[0].text and answer.cogitate["strategy"] == strategy


def test_raw_prompt_reaches_the_engine_unchanged(voting):
    for prompt in ("6*7 =", ["6*7 ="], [5, 6, 7], [[5, 6, 7]]):
        calls = len(voting.engine.calls)
        body = ask(voting, prompt=prompt, strategy={"name": "self_consistency", "n": 3, "stop_rule": "none"}).json()
        seen = {prompt.raw for prompt, _ in voting.engine.calls[calls:]}
        assert seen == ({"6*7 ="} if "6*7 =" in prompt else {(5, 6, 7)})
        assert body["cogitate"]["answer"] == "2" and body["usage"]["prompt_tokens"] == (2 if "6*7 =" in prompt else 3)


def test_instruction_option_is_appended_to_the_prompt(voting):
    ask(voting, strategy={"name": "chain_of_thought", "instruction": " Go:"}, cache="no-store")
    assert any(prompt.raw == "Once Go:" for prompt, _ in voting.engine.calls)


def test_stream_consists_of_text_completions(voting):
    create = voting.client().completions.create
    chunks = list(
        create(model="scripted@self_consistency", prompt="Once", stream=True, extra_body={"cache": "refresh"})
    )
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    assert "boxed" in "".join(chunk.choices[0].text for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop" and chunks[-1].cogitate["candidates"] >= 1


def test_n_answers_of_a_strategy_are_ranked(voting):
    vote = {"name": "self_consistency", "n": 3, "stop_rule": "none"}
    choices = ask(voting, n=3, strategy=vote, cache="no-store").json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2] and "2" in choices[0]["text"]
    assert "1" in choices[1]["text"]
