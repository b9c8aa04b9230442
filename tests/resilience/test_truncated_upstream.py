"""T21: what an upstream cuts off or says wrongly is a lost sample: never a vote, never kept, never an honest end."""

import asyncio
import json
import re

import httpx
import pytest

from tests.fakes.upstream import FakeUpstream, Fault, Script
from tests.resilience.server_process import CHAT, Server

SAID = {"model": "fake", "messages": [{"role": "user", "content": "What is 6*7+30?"}]}
VOTE = {"strategy": {"name": "self_consistency", "n": 4, "stop_rule": "none"}}
FLAGS = ("--upstream-abilities", "none", "--upstream-timeout", "3", "--upstream-idle-timeout", "2")
BROKEN: list[Fault] = ["cut", "error_in_200", "malformed", "reset"]


async def answers(fault: Fault) -> list[httpx.Response]:
    """A plain answer, a vote, both as streams, from an upstream that breaks; then the vote, once it is well."""
    async with FakeUpstream() as fake, httpx.AsyncClient(timeout=20) as client:
        server = Server(upstream=fake.url, flags=FLAGS)
        await asyncio.to_thread(server.__enter__)
        try:
            fake.script.fault = fault
            asks = [SAID | way | more for way in ({}, VOTE) for more in ({}, {"stream": True})]
            told = [await client.post(server.url + CHAT, json=asked) for asked in asks]
            fake.script.fault = "none"
            async with asyncio.timeout(20):
                while (well := await client.post(server.url + CHAT, json=SAID | VOTE)).status_code != 200:  # noqa: ASYNC110 another process
                    await asyncio.sleep(0.2)  # until its circuit closes again
            return [*told, well]
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


def honest(answer: httpx.Response) -> bool:
    """It is an error, as a status or as a stream's last event, and says of nothing that it came to its end."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return answer.status_code >= 500 and "error" in answer.json()
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    finished = [event for event in events if '"finish_reason":"' in event.replace(" ", "")]
    return "[DONE]" not in events and "error" in json.loads(events[-1]) and not finished


@pytest.mark.parametrize("fault", [BROKEN[0], *(pytest.param(fault, marks=pytest.mark.faults) for fault in BROKEN[1:])])
def test_t21_a_broken_answer_is_never_taken_for_a_whole_one(bar, fault: Fault):
    *broken, well = asyncio.run(answers(fault))
    wrong = [answer.text[-300:] for answer in broken if not honest(answer)]
    cogitate = well.json()["cogitate"]
    what = f"an upstream breaks ({fault}): told as an error, as a body and as a stream, plain and voted"
    bar("T21", what, f"{4 - len(wrong)} of 4 {wrong or ''}", "4 of 4", not wrong)
    kept = cogitate["answer"] == "72" and cogitate.get("cache") != "hit"
    bar(
        "T21",
        f"... and once it is well ({fault})",
        f"{cogitate['answer']}, {cogitate.get('cache')}",
        "72, no hit",
        kept,
    )


async def mixed(fault: Fault, count: int, n: int) -> list[httpx.Response]:
    """So many votes, every other one as a stream, while one replica of two breaks whatever it says."""
    cut = Script(texts=("It is \\boxed{1}",), fault=fault)
    async with FakeUpstream(cut) as sick, FakeUpstream() as well, httpx.AsyncClient(timeout=20) as client:
        server = Server(upstream=sick.url, flags=("--upstream", well.url, *FLAGS))
        await asyncio.to_thread(server.__enter__)
        try:
            vote = {"name": "self_consistency", "n": n, "stop_rule": "none"}
            asks = [{"messages": [{"role": "user", "content": f"{at}: what is 6*7+30?"}]} for at in range(count)]
            more = {"strategy": vote, "cache": "no-store"}
            return [
                await client.post(server.url + CHAT, json=SAID | asked | more | {"stream": at % 2 == 1})
                for at, asked in enumerate(asks)
            ]
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


def voted(answer: httpx.Response) -> object:
    """What was agreed on; the whole answer where there is none."""
    if answer.status_code == 200 and not answer.headers["content-type"].startswith("text/event-stream"):
        return answer.json()["cogitate"]["answer"]
    found = re.search(r'"cogitate":{.*?"answer":"(\w+)"', answer.text)
    return found[1] if found and answer.text.endswith("data: [DONE]\n\n") else answer.text


def judged(bar, fault: Fault, count: int, n: int) -> None:
    told = [voted(answer) for answer in asyncio.run(mixed(fault, count, n))]
    what = f"{count} votes of {n}, one of two replicas breaks ({fault}) all that it says: the answers"
    bar(
        "T21",
        what,
        f"{told.count('72')} times 72 {sorted(set(told) - {'72'})[:3] or ''}",
        f"{count}",
        set(told) == {"72"},
    )


def test_t21_what_was_cut_off_has_no_vote(bar):
    judged(bar, "cut", 8, 4)


@pytest.mark.faults
@pytest.mark.parametrize("n", [4, 16])
@pytest.mark.parametrize("fault", BROKEN)
def test_t21_what_breaks_has_no_vote(bar, fault: Fault, n: int):
    judged(bar, fault, 30, n)
