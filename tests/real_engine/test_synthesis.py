"""Synthesis on the real engine: a judge's reading, and notes in place of answers that exceed the context."""

import httpx
import pytest

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from cogitate.server.observability.audit.cli import audit
from tests.fakes.vllm_reference import Pair

pytest_plugins = ["tests.fakes.vllm_reference"]
pytestmark = [pytest.mark.engine, pytest.mark.shared, pytest.mark.asyncio(loop_scope="session")]
STORY = {"model": DEMO_MODEL_NAME, "messages": [{"role": "user", "content": "Write a story about the sea."}]}


async def ask(pair: Pair, strategy: dict[str, object], **fields: object) -> tuple[dict, list[dict]]:
    """Return the response, and the events of its trace, which adds up."""
    body = STORY | {"strategy": strategy, "temperature": 0.8, "cache": "no-store"} | fields
    async with httpx.AsyncClient(base_url=pair.ours, timeout=240) as client:
        answer = (await client.post("/v1/chat/completions", json=body)).raise_for_status().json()
        trace = (await client.get(f"/v1/traces/{answer['cogitate']['trace_id']}")).raise_for_status().json()
    assert audit(trace).differences == []
    return answer, trace["events"]


@pytest.mark.parametrize(
    "strategy",
    [
        {"name": "self_consistency", "n": 2, "weights": "p_true"},
        {"name": "beam_search", "n": 2, "width": 2, "max_steps": 2, "verifier": "judge"},
        {"name": "budget_forcing", "waits": 1},
    ],
    ids=lambda strategy: str(strategy["name"]),
)
async def test_a_trace_of_real_decodes_adds_up(pair, strategy):
    """Prefixes are cached by the engine, continued by token ids, and asked for verdicts."""
    _, events = await ask(pair, strategy, max_tokens=16, seed=3)
    decodes = [event for event in events if event["kind"] == "decode"]
    assert all(event["counted"] and event["cached_tokens"] is not None for event in decodes)


async def test_fusion_decodes_candidates_a_reading_and_the_answer(pair):
    answer, events = await ask(
        pair, {"name": "synthesis", "method": "fusion", "n": 3, "notes_tokens": 64}, max_tokens=48
    )
    roles = [event["role"] for event in events if event["kind"] == "decode" and not event["aborted"]]
    assert roles == ["candidate"] * 3 + ["verifier", "candidate"]
    assert answer["choices"][0]["message"]["content"] and answer["cogitate"]["verifier_tokens"] <= 48


@pytest.mark.faults
async def test_pdr_goes_on_from_notes_where_the_answers_exceed_the_context(pair):
    """Five answers of 450 tokens do not fit into 2048."""
    strategy = {"name": "synthesis", "n": 5, "loops": 1, "notes_tokens": 128, "instruction": ""}
    lengths = {"max_tokens": 450, "min_tokens": 440}
    answer, events = await ask(pair, strategy | {"method": "pdr"}, **lengths)
    roles = [event["role"] for event in events if event["kind"] == "decode" and not event["aborted"]]
    assert roles[-1] == "candidate" and roles.count("candidate") == 6 and roles.count("verifier") > 1
    assert answer["cogitate"]["failed"] == 0
    answer, _ = await ask(pair, strategy | {"method": "moa"}, **lengths)
    assert answer["cogitate"]["failed"] == 1
