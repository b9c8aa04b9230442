"""Random bodies: the status is below 500, every error is in the envelope, and streams are complete."""

import json
import random

import httpx
import pytest

from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live
from tests.server.api.responses_client import QUESTION, events

pytestmark = pytest.mark.live
ODD: list[object] = [None, True, False, 0, 1, -1, 0.5, 2**70, "", "x", "\ud800", "\x00", "auto", [], {}, [[]], [None]]
ODD += [{"": None}, ["x"] * 40, {"type": "message"}, {"type": "function"}, {"format": {}}, {"effort": "low"}]
PARTS: list[object] = [{"type": kind, "text": "x"} for kind in ("input_text", "output_text", "reasoning_text", "x")]
ROLES = ["user", "assistant", "system", "tool", None]
KINDS = ["message", "function_call", "function_call_output", "reasoning", "item_reference", None, 7]
KEYS = ["id", "status", "content", "output", "summary", "arguments", "call_id", "name", "encrypted_content", "x"]


def item(chance: random.Random) -> dict[str, object]:
    made: dict[str, object] = {"content": chance.choice(["x", [chance.choice(PARTS)], [], None])}
    if chance.random() < 0.7:
        made["type"] = chance.choice(KINDS)
    if chance.random() < 0.8:
        made["role"] = chance.choice(ROLES)
    for key in chance.sample(KEYS, chance.choice((0, 0, 1, 3))):
        made[key] = chance.choice([*ODD, [chance.choice(PARTS)]])
    return made


def mutate_body(chance: random.Random) -> dict[str, object]:
    body: dict[str, object] = {"model": "scripted", "input": QUESTION, "max_output_tokens": 5}
    if chance.random() < 0.4:
        body["input"] = [item(chance) for _ in range(chance.choice((1, 1, 2, 4)))]
    if chance.random() < 0.5:
        body["strategy"] = chance.choice(["chain_of_thought", "self_consistency", "best_of_n", "beam_search"])
    if chance.random() < 0.3:
        body["stream"] = True
    for name in chance.sample([*ResponsesRequest.model_fields, "n", "messages"], chance.choice((0, 0, 1, 2))):
        body[name] = chance.choice(ODD)
    return body


def test_random_bodies_never_cause_a_500():
    chance, kinds = random.Random(7), {}
    with live(ScriptedEngine(["\\boxed{1} x"])) as server, httpx.Client(timeout=10) as client:
        for _ in range(1500):
            content = json.dumps(mutate_body(chance)).encode()
            headers = {"content-type": "application/json"}
            response = client.post(f"{server.url}/v1/responses", content=content, headers=headers)
            kinds[response.status_code] = kinds.get(response.status_code, 0) + 1
            assert response.status_code < 500, content[:500]
            if response.status_code >= 400:
                assert set(response.json()["error"]) == {"message", "type", "param", "code"}
                assert len(response.content) <= 2048
            elif response.headers["content-type"].startswith("text/event-stream"):
                assert events(response)[-1]["type"] in ("response.completed", "response.incomplete"), content[:500]
        assert server.engine.running == 0
    assert kinds[200] > 100 and kinds[400] > 400
