"""T38: whatever a replica says, it is refused as its own fault, and this server is none the worse for it."""

import asyncio

import httpx
import pytest

from tests.fakes.upstream import FakeUpstream, Fault
from tests.resilience.server_process import CHAT, Server

SAID = {"model": "fake", "messages": [{"role": "user", "content": "What is 6*7+30?"}], "max_tokens": 100}
VOTE = {"strategy": {"name": "self_consistency", "n": 4, "stop_rule": "none"}, "cache": "no-store"}
HOSTILE: list[Fault] = ["extra_choices", "absurd_usage", "deep", "invalid_utf8", "malformed", "error_in_200", "endless"]


async def told(faults: list[Fault]) -> tuple[list[tuple[Fault, httpx.Response]], float, str]:
    """What was answered to plain questions and to votes, which are joint calls here, as bodies and as streams; the
    memory that it took, MiB; and what the replica that is well again is heard to say."""
    async with FakeUpstream() as fake, httpx.AsyncClient(timeout=30) as client:
        server = Server(upstream=fake.url, flags=("--upstream-abilities", "n", "--upstream-timeout", "5"))
        await asyncio.to_thread(server.__enter__)
        try:
            before, answers, most = server.memory, list[tuple[Fault, httpx.Response]](), 0.0
            for fault in faults:
                fake.script.fault = fault
                for asked in (SAID | way | {"stream": stream} for way in ({}, VOTE) for stream in (False, True)):
                    answers.append((fault, await client.post(server.url + CHAT, json=asked)))
                    most = max(most, server.memory - before)
            fake.script.fault = "none"
            well = await client.post(server.url + CHAT, json=SAID | VOTE)
            return answers, most, well.json()["cogitate"]["answer"]
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


def refused(answer: httpx.Response) -> bool:
    """As a status, or as the last event of a stream that does not say that it is done."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        return "[DONE]" not in answer.text and '"error"' in answer.text.strip().splitlines()[-1]
    return answer.status_code == 502 and "error" in answer.json()


def judged(bar, faults: list[Fault]) -> None:
    answers, grown, well = asyncio.run(told(faults))
    wrong = [(fault, answer.status_code, answer.text[-200:]) for fault, answer in answers if not refused(answer)]
    what = f"a replica says {', '.join(faults)}: neither a 502 nor an error event, of {len(answers)} answers"
    bar("T38", what, f"{len(wrong)} {wrong or ''}", "0", not wrong)
    bar("T38", "... memory; what is answered once it is well", f"+{grown:.0f} MiB; {well}", "+20 MiB; 72", grown <= 20)
    assert well == "72"


def test_t38_a_hostile_replica_is_refused(bar):
    judged(bar, HOSTILE[:2])


@pytest.mark.faults
def test_t38_every_kind_of_hostile_replica_is_refused(bar):
    judged(bar, HOSTILE)
