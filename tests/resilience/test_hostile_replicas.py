"""Hostile responses of a replica become 502 errors, without harm to the server's memory or later requests."""

import asyncio

import httpx
import pytest

from tests.fakes.upstream import FakeUpstream, Fault
from tests.resilience.server_process import CHAT, Server

pytestmark = pytest.mark.fault("T38")

PLAIN = {"model": "fake", "messages": [{"role": "user", "content": "What is 6*7+30?"}], "max_tokens": 100}
VOTE = {"strategy": {"name": "self_consistency", "n": 4, "stop_rule": "none"}, "cache": "no-store"}
HOSTILE: list[Fault] = ["extra_choices", "deep", "invalid_utf8", "malformed", "error_in_200", "endless"]


async def ask_hostile_replica(faults: list[Fault]) -> tuple[list[tuple[Fault, httpx.Response]], float, str]:
    """Send a plain request and a vote (one joint call), each as a body and as a stream, under each fault.

    Returns the responses, the memory growth in MiB, and the answer once the replica is well again.
    """
    async with FakeUpstream() as fake, httpx.AsyncClient(timeout=30) as client:
        server = Server(upstream=fake.url, flags=("--upstream-abilities", "n", "--upstream-timeout", "5"))
        await asyncio.to_thread(server.__enter__)
        try:
            before, answers, grown = server.memory, list[tuple[Fault, httpx.Response]](), 0.0
            for fault in faults:
                fake.script.fault = fault
                for payload in (PLAIN | way | {"stream": stream} for way in ({}, VOTE) for stream in (False, True)):
                    answers.append((fault, await client.post(server.url + CHAT, json=payload)))
                    grown = max(grown, server.memory - before)
            fake.script.fault = "none"
            well = await client.post(server.url + CHAT, json=PLAIN | VOTE)
            return answers, grown, well.json()["cogitate"]["answer"]
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


def is_error(answer: httpx.Response) -> bool:
    """Return whether the response is a 502, or a stream whose last event is an error and that has no [DONE]."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        return "[DONE]" not in answer.text and '"error"' in answer.text.strip().splitlines()[-1]
    return answer.status_code == 502 and "error" in answer.json()


def check_faults(bar, faults: list[Fault]) -> None:
    answers, grown, well = asyncio.run(ask_hostile_replica(faults))
    wrong = [(fault, answer.status_code, answer.text[-200:]) for fault, answer in answers if not is_error(answer)]
    what = f"a replica says {', '.join(faults)}: neither a 502 nor an error event, of {len(answers)} answers"
    bar(what, f"{len(wrong)} {wrong or ''}", "0", not wrong)
    bar("... memory; what is answered once it is well", f"+{grown:.0f} MiB; {well}", "+20 MiB; 72", grown <= 20)
    assert well == "72"


def test_hostile_replica_becomes_an_error(bar):
    check_faults(bar, HOSTILE[:2])


@pytest.mark.faults
def test_every_kind_of_hostile_replica_becomes_an_error(bar):
    check_faults(bar, HOSTILE)
