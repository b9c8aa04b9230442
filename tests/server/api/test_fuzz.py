"""Random bodies: the status is below 500, and every error is in the envelope."""

import json
import random

import httpx
import pytest

from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import HELLO, live

pytestmark = pytest.mark.live
FIELDS = [*ChatRequest.model_fields, "chat_template", "prompt_logprobs", "priority", "request_id", "guided_regex"]
STRATEGIES = ("chain_of_thought", "self_consistency", "best_of_n", "beam_search", "dvts", "particle_filter")
SCALARS: list[object] = [None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, 2**31, 2**63, 2**70, 10**400, "", "x"]
SCALARS += ["\ud800", "\x00", "a" * 5000, "self_consistency", "number", "beta", "๛", "1e999", [], {}, [[]], [None]]
SCALARS += [{"": None}, ["x"] * 40, {"name": "best_of_n"}]


def mutate_body(chance: random.Random) -> object:
    body: dict[str, object] = json.loads(json.dumps(HELLO | {"max_tokens": 5}))
    if chance.random() < 0.5:
        body["strategy"] = {"name": chance.choice(STRATEGIES), **({"n": 4} if chance.random() < 0.5 else {})}
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        target = body
        if chance.random() < 0.3 and isinstance(body.get("strategy"), dict):
            target = body["strategy"]
        name = chance.choice([*FIELDS, "n", "width", "verifier", "stop_rule", "answer_format", "instruction"])
        target[name] = chance.choice(SCALARS)
        if chance.random() < 0.2 and isinstance(body.get("messages"), list):
            body["messages"].append(chance.choice([*SCALARS, {"role": "user", "content": chance.choice(SCALARS)}]))
    return body


def test_random_bodies_never_cause_a_500():
    chance = random.Random(20261123)
    kinds: dict[int, int] = {}
    with live(ScriptedEngine(["\\boxed{1} x"])) as server, httpx.Client(timeout=10) as client:
        for _ in range(1500):
            content = json.dumps(mutate_body(chance)).encode()
            if chance.random() < 0.1:
                content = content[: chance.randrange(len(content))]
            headers = {"content-type": "application/json"}
            response = client.post(f"{server.url}/v1/chat/completions", content=content, headers=headers)
            kinds[response.status_code] = kinds.get(response.status_code, 0) + 1
            assert response.status_code < 500, content[:500]
            if response.status_code >= 400:
                assert set(response.json()["error"]) == {"message", "type", "param", "code"}
                assert len(response.content) <= 2048
            elif response.headers["content-type"].startswith("text/event-stream"):
                assert '"error"' not in response.text and response.text.endswith("data: [DONE]\n\n"), content[:500]
        assert client.post(f"{server.url}/v1/chat/completions", json=HELLO).status_code == 200
        assert server.engine.running == 0
    assert kinds[200] > 40 and kinds[400] > 500
