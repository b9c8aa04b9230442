"""A live run's results equal what the server's engine counted, over a real socket."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from cogitate.server.evaluation.arms import parse_arm
from cogitate.server.evaluation.client import Client, RequestFailed, parse_response
from cogitate.server.evaluation.live import ask
from cogitate.server.evaluation.live_request import RequestSettings
from cogitate.server.evaluation.results import Result
from cogitate.server.protocol.chat_response import ChatCompletion
from cogitate.strategies.core.prompts import BOXED, CHOICE
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.banks import question
from tests.fakes.eval_server import COGITATE, PLAIN, eval_server
from tests.fakes.live_server import live

LENGTHS = itertools.cycle([0, 0, 0, 0, 40, 40, 40, 40])
SETTINGS = RequestSettings(model="scripted", max_tokens=100)


def engine() -> ScriptedEngine:
    """Return an engine half of whose samples are long; all agree, so that the long ones are aborted."""
    return ScriptedEngine(lambda *_: f"so {'on ' * next(LENGTHS)}it is \\boxed{{1}}", pace=0.004)


def result(url: str, written: str | None, **more: Any) -> Result:
    async def send() -> Result:
        async with Client(url) as client:
            settings = RequestSettings(model="scripted", max_tokens=100, **more)
            return (await ask(client, settings, parse_arm(written) if written else None, question()))[0]

    return asyncio.run(send())


def test_aborted_tokens_are_those_of_aborted_samples():
    with live(engine()) as server:
        found = result(server.url, "self_consistency:n=8,concurrency=8,stop_rule=beta")
        decoded = server.engine.decoded
    assert found.tokens == decoded and found.stopped == "decided" and server.engine.cancelled == 4
    assert 4 < found.aborted == decoded - 4 * 5 < 4 * 40
    assert found.correct and found.candidates == 4 and found.verifier == 0


def test_verifier_tokens_are_counted_separately():
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        found = result(server.url, "best_of_n:n=4,verifier=judge")
        assert (found.tokens, found.verifier, found.aborted) == (server.engine.decoded, 4, 0)


@pytest.mark.parametrize(("more", "temperature"), [({}, 0.7), ({"temperature": 0.3}, 0.3)])
def test_temperature_flag_overrides_the_strategys_own(more: dict[str, float], temperature: float):
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        result(server.url, "self_consistency:n=1", **more)
        assert [sampling.temperature for _, sampling in server.engine.calls] == [temperature]


@pytest.mark.parametrize("content", [b"<html>", b"\xff", b"{}", b'{"data": []}'])
async def test_malformed_model_list_fails_in_one_line(content: bytes):
    async with eval_server((200, content)) as url, Client(url) as client:
        with pytest.raises(RequestFailed, match=r"^the server's response is malformed: |^the server lists no models"):
            await client.model()


async def test_server_without_strategies_or_samples_fails():
    vote = parse_arm("self_consistency")
    async with eval_server((200, PLAIN)) as url, Client(url) as client:
        assert (await ask(client, SETTINGS, None, question()))[0].correct
        with pytest.raises(
            RequestFailed, match=r"^self_consistency, sums:0: the server has no strategies: its response has no"
        ):
            await ask(client, SETTINGS, vote, question())
    async with eval_server((200, PLAIN | {"cogitate": COGITATE})) as url, Client(url) as client:
        assert (await ask(client, SETTINGS, vote, question()))[0].depth == 0
        with pytest.raises(RequestFailed, match=r"no `cogitate.samples`"):
            await ask(client, SETTINGS, vote, question(), n=8)
    async with eval_server((200, PLAIN | {"cogitate": COGITATE | {"depth": 7}})) as url, Client(url) as client:
        assert (await ask(client, SETTINGS, vote, question()))[0].depth == 7


@pytest.mark.parametrize(
    ("given", "arms", "appended"),
    [
        (None, "best_of_n:n=1,verifier=number", BOXED),
        (None, "self_consistency:n=1,answer_format=choice", CHOICE),
        (" In a word.", "best_of_n:n=1,verifier=number", " In a word."),
        (" In a word.", "best_of_n:n=1,verifier=number,instruction=Own.", "Own."),
        ("", "self_consistency:n=1", ""),
    ],
)
def test_instruction_applies_to_greedy_and_to_strategies_without_one(given: str | None, arms: str, appended: str):
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        for written in (None, arms):
            result(server.url, written, instruction=given)
        asked = [prompt.messages[-1].text.removeprefix(question().text) for prompt, _ in server.engine.calls]
    assert asked == [BOXED if given is None else given, appended]


def test_greedy_costs_its_own_tokens():
    with live(ScriptedEngine(["it is \\boxed{1}"])) as server:
        found = result(server.url, None)
    assert (found.arm, found.tokens, found.aborted, found.candidates) == ("greedy", 4, 0, 1) and found.correct
    assert found.depth == 4


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], "object"),
        (PLAIN | {"choices": []}, "choices"),
        (
            PLAIN | {"usage": {"prompt_tokens": 3, "completion_tokens": -2, "total_tokens": 1}},
            "usage.completion_tokens",
        ),
        (PLAIN | {"cogitate": {**COGITATE, "aborted_tokens": None}}, "cogitate.aborted_tokens"),
        (PLAIN | {"cogitate": {**COGITATE, "stopped": "bribed"}}, "cogitate.stopped"),
    ],
)
def test_malformed_response_fails_naming_the_field(body: object, where: str):
    assert parse_response(ChatCompletion, json.dumps(PLAIN | {"cogitate": COGITATE}).encode()).text == "\\boxed{1}"
    with pytest.raises(RequestFailed, match=where) as refused:
        parse_response(ChatCompletion, json.dumps(body).encode())
    assert "\n" not in str(refused.value)
