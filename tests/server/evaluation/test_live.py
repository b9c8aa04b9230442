"""What a live run writes down of a request is what the server's engine counted, over a real socket."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from cogitate.server.evaluation.arms import arm
from cogitate.server.evaluation.client import Client
from cogitate.server.evaluation.live import asked
from cogitate.server.evaluation.live_request import Asking
from cogitate.server.evaluation.results import Result
from cogitate.server.evaluation.told import Refused, Told
from cogitate.strategies.core.prompts import BOXED, CHOICE
from tests.fakes.banks import question
from tests.fakes.eval_server import FOUND, PLAIN, answering
from tests.fakes.live_server import live
from tests.fakes.scripted import ScriptedEngine

LENGTHS = itertools.cycle([0, 0, 0, 0, 40, 40, 40, 40])
ASKING = Asking(model="scripted", max_tokens=100)


def engine() -> ScriptedEngine:
    """Half of its samples are long, and all agree: they are aborted amid their words."""
    return ScriptedEngine(lambda *_: f"so {'on ' * next(LENGTHS)}it is \\boxed{{1}}", pace=0.004)


def result(url: str, written: str | None, **more: Any) -> Result:
    async def ask() -> Result:
        async with Client(url) as client:
            asking = Asking(model="scripted", max_tokens=100, **more)
            return (await asked(client, asking, arm(written) if written else None, question()))[0]

    return asyncio.run(ask())


def test_aborted_tokens_are_those_of_the_samples_that_were_stopped():
    with live(engine()) as server:
        found = result(server.url, "self_consistency:n=8,concurrency=8,stop_rule=beta")
        decoded = server.engine.decoded
    assert found.tokens == decoded and found.stopped == "decided" and server.engine.cancelled == 4
    assert 4 < found.aborted == decoded - 4 * 5 < 4 * 40
    assert found.correct and found.candidates == 4 and found.verifier == 0


def test_verdicts_are_counted_apart():
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        found = result(server.url, "best_of_n:n=4,verifier=judge")
        assert (found.tokens, found.verifier, found.aborted) == (server.engine.decoded, 4, 0)


@pytest.mark.parametrize(("more", "temperature"), [({}, 0.7), ({"temperature": 0.3}, 0.3)])
def test_the_strategys_own_temperature_stands_unless_another_is_asked_for(more: dict[str, float], temperature: float):
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        result(server.url, "self_consistency:n=1", **more)
        assert [sampling.temperature for _, sampling in server.engine.calls] == [temperature]


@pytest.mark.parametrize("said", [b"<html>", b"\xff", b"{}", b'{"data": []}'])
async def test_a_server_that_is_none_is_refused_in_one_line(said: bytes):
    async with answering((200, said)) as url, Client(url) as client:
        with pytest.raises(Refused, match=r"^the server's answer is none: "):
            await client.model()


async def test_a_server_without_strategies_is_refused_under_one():
    vote = arm("self_consistency")
    async with answering((200, PLAIN)) as url, Client(url) as client:
        assert (await asked(client, ASKING, None, question()))[0].correct
        with pytest.raises(
            Refused, match=r"^self_consistency, sums:0: the server has no strategies: its answer has no"
        ):
            await asked(client, ASKING, vote, question())
    async with answering((200, PLAIN | {"cogitate": FOUND})) as url, Client(url) as client:
        assert (await asked(client, ASKING, vote, question()))[0].depth == 0
        with pytest.raises(Refused, match=r"no `cogitate.samples`"):
            await asked(client, ASKING, vote, question(), n=8)
    async with answering((200, PLAIN | {"cogitate": FOUND | {"depth": 7}})) as url, Client(url) as client:
        assert (await asked(client, ASKING, vote, question()))[0].depth == 7


@pytest.mark.parametrize(
    ("given", "arms", "said"),
    [
        (None, "best_of_n:n=1,verifier=number", BOXED),
        (None, "self_consistency:n=1,answer_format=choice", CHOICE),
        (" In a word.", "best_of_n:n=1,verifier=number", " In a word."),
        (" In a word.", "best_of_n:n=1,verifier=number,instruction=Own.", "Own."),
        ("", "self_consistency:n=1", ""),
    ],
)
def test_an_instruction_is_greedys_and_every_strategys_that_has_none(given: str | None, arms: str, said: str):
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        for written in (None, arms):
            result(server.url, written, instruction=given)
        asked = [prompt.messages[-1].text.removeprefix(question().text) for prompt, _ in server.engine.calls]
    assert asked == [BOXED if given is None else given, said]


def test_a_plain_answer_pays_for_itself_alone():
    with live(ScriptedEngine(["it is \\boxed{1}"])) as server:
        found = result(server.url, None)
    assert (found.arm, found.tokens, found.aborted, found.candidates) == ("greedy", 4, 0, 1) and found.correct
    assert found.depth == 4


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], "object"),
        (PLAIN | {"choices": []}, "choices"),
        (PLAIN | {"usage": {"prompt_tokens": 3, "completion_tokens": -2}}, "usage.completion_tokens"),
        (PLAIN | {"cogitate": {**FOUND, "aborted_tokens": None}}, "cogitate.aborted_tokens"),
        (PLAIN | {"cogitate": {**FOUND, "stopped": "bribed"}}, "cogitate.stopped"),
    ],
)
def test_what_is_no_answer_is_refused_in_one_line(body: object, where: str):
    assert Told.of(json.dumps(PLAIN | {"cogitate": FOUND}).encode()).text == "\\boxed{1}"
    with pytest.raises(Refused, match=where) as refused:
        Told.of(json.dumps(body).encode())
    assert "\n" not in str(refused.value)
