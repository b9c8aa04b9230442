"""What a live run writes down of a request is what the server's engine counted, over a real socket."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from server.evaluation.arms import arm
from server.evaluation.client import Client
from server.evaluation.live import Asking, asked
from server.evaluation.results import Result
from server.evaluation.told import Refused, Told
from tests.evaluation.banks import question
from tests.scripted import ScriptedEngine
from tests.server.live import live

LENGTHS = itertools.cycle([0, 0, 0, 0, 40, 40, 40, 40])
BODY: dict[str, Any] = {
    "choices": [{"message": {"content": "\\boxed{1}"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
FOUND = {"answer": "1", "stopped": "decided", "candidates": 4, "aborted_tokens": 5, "verifier_tokens": 0}


def engine() -> ScriptedEngine:
    """Half of its samples are long, and all agree: they are aborted amid their words."""
    return ScriptedEngine(lambda *_: f"so {'on ' * next(LENGTHS)}it is \\boxed{{1}}", pace=0.004)


def result(url: str, written: str | None, **more: float) -> Result:
    async def ask() -> Result:
        async with Client(url) as client:
            asking = Asking(model="scripted", max_tokens=100, instruction="", **more)
            return await asked(client, asking, arm(written) if written else None, question())

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
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(said), said))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}") as client:
            with pytest.raises(Refused, match=r"^the server's answer is none: "):
                await client.model()


def test_a_plain_answer_pays_for_itself_alone():
    with live(ScriptedEngine(["it is \\boxed{1}"])) as server:
        found = result(server.url, None)
    assert (found.arm, found.tokens, found.aborted, found.candidates) == ("greedy", 4, 0, 1) and found.correct


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], "object"),
        (BODY | {"choices": []}, "choices"),
        (BODY | {"usage": {"prompt_tokens": 3, "completion_tokens": -2}}, "usage.completion_tokens"),
        (BODY | {"cogitate": {**FOUND, "aborted_tokens": None}}, "cogitate.aborted_tokens"),
        (BODY | {"cogitate": {**FOUND, "stopped": "bribed"}}, "cogitate.stopped"),
    ],
)
def test_what_is_no_answer_is_refused_in_one_line(body: object, where: str):
    assert Told.of(json.dumps(BODY | {"cogitate": FOUND}).encode()).text == "\\boxed{1}"
    with pytest.raises(Refused, match=where) as refused:
        Told.of(json.dumps(body).encode())
    assert "\n" not in str(refused.value)
