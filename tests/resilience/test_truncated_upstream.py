"""A truncated or malformed upstream response is a lost sample: not voted, not cached, not a normal finish."""

import asyncio
import json
import re

import httpx
import pytest

from tests.fakes.upstream import FakeUpstream, Fault, Script
from tests.resilience.server_process import CHAT, Server

pytestmark = pytest.mark.fault("T21")

PLAIN = {"model": "fake", "messages": [{"role": "user", "content": "What is 6*7+30?"}]}
VOTE = {"strategy": {"name": "self_consistency", "n": 4, "stop_rule": "none"}}
FLAGS = ("--upstream-abilities", "none", "--upstream-timeout", "3", "--upstream-idle-timeout", "2")
BROKEN: list[Fault] = ["cut", "error_in_200", "malformed", "reset"]


async def ask_faulty_upstream(fault: Fault) -> list[httpx.Response]:
    """Send a plain request and a vote, each as a body and as a stream, under the fault; then the vote without it."""
    async with FakeUpstream() as fake, httpx.AsyncClient(timeout=20) as client:
        server = Server(upstream=fake.url, flags=FLAGS)
        await asyncio.to_thread(server.__enter__)
        try:
            fake.script.fault = fault
            requests = [PLAIN | way | more for way in ({}, VOTE) for more in ({}, {"stream": True})]
            responses = [await client.post(server.url + CHAT, json=payload) for payload in requests]
            fake.script.fault = "none"
            async with asyncio.timeout(20):
                while (well := await client.post(server.url + CHAT, json=PLAIN | VOTE)).status_code != 200:  # noqa: ASYNC110 another process
                    await asyncio.sleep(0.2)  # until the circuit breaker closes
            return [*responses, well]
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


def is_error(answer: httpx.Response) -> bool:
    """Return whether the response is a 5xx, or a stream whose last event is an error, without a finish reason."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return answer.status_code >= 500 and "error" in answer.json()
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    finished = [event for event in events if '"finish_reason":"' in event.replace(" ", "")]
    return "[DONE]" not in events and "error" in json.loads(events[-1]) and not finished


@pytest.mark.parametrize("fault", [BROKEN[0], *(pytest.param(fault, marks=pytest.mark.faults) for fault in BROKEN[1:])])
def test_broken_upstream_response_becomes_an_error(bar, fault: Fault):
    *broken, well = asyncio.run(ask_faulty_upstream(fault))
    wrong = [answer.text[-300:] for answer in broken if not is_error(answer)]
    cogitate = well.json()["cogitate"]
    what = f"an upstream breaks ({fault}): told as an error, as a body and as a stream, plain and voted"
    bar(what, f"{4 - len(wrong)} of 4 {wrong or ''}", "4 of 4", not wrong)
    recovered = cogitate["answer"] == "72" and cogitate.get("cache") != "hit"
    bar(
        f"... and once it is well ({fault})",
        f"{cogitate['answer']}, {cogitate.get('cache')}",
        "72, no hit",
        recovered,
    )


async def vote_over_two_replicas(fault: Fault, count: int, n: int) -> list[httpx.Response]:
    """Send `count` votes of n, every other one a stream, while one of two replicas is faulty."""
    cut = Script(texts=("It is \\boxed{1}",), fault=fault)
    async with FakeUpstream(cut) as sick, FakeUpstream() as well, httpx.AsyncClient(timeout=20) as client:
        server = Server(upstream=sick.url, flags=("--upstream", well.url, *FLAGS))
        await asyncio.to_thread(server.__enter__)
        try:
            vote = {"name": "self_consistency", "n": n, "stop_rule": "none"}
            requests = [{"messages": [{"role": "user", "content": f"{at}: what is 6*7+30?"}]} for at in range(count)]
            more = {"strategy": vote, "cache": "no-store"}
            return [
                await client.post(server.url + CHAT, json=PLAIN | fields | more | {"stream": at % 2 == 1})
                for at, fields in enumerate(requests)
            ]
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


def read_vote(answer: httpx.Response) -> object:
    """Return the answer voted for; the response's text where there is none."""
    if answer.status_code == 200 and not answer.headers["content-type"].startswith("text/event-stream"):
        return answer.json()["cogitate"]["answer"]
    found = re.search(r'"cogitate":{.*?"answer":"(\w+)"', answer.text)
    return found[1] if found and answer.text.endswith("data: [DONE]\n\n") else answer.text


def check_votes(bar, fault: Fault, count: int, n: int) -> None:
    votes = [read_vote(answer) for answer in asyncio.run(vote_over_two_replicas(fault, count, n))]
    what = f"{count} votes of {n}, one of two replicas breaks ({fault}) all that it says: the answers"
    bar(
        what,
        f"{votes.count('72')} times 72 {sorted(set(votes) - {'72'})[:3] or ''}",
        f"{count}",
        set(votes) == {"72"},
    )


def test_truncated_sample_has_no_vote(bar):
    check_votes(bar, "cut", 8, 4)


@pytest.mark.faults
@pytest.mark.parametrize("n", [4, 16])
@pytest.mark.parametrize("fault", BROKEN)
def test_broken_sample_has_no_vote(bar, fault: Fault, n: int):
    check_votes(bar, fault, 30, n)
