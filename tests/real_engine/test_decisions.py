"""POST /v1/decisions on the real engine: the order of the choices has no effect, and the spread is told."""

import httpx
import pytest

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.fakes.vllm_reference import Pair

pytest_plugins = ["tests.fakes.vllm_reference"]
pytestmark = [pytest.mark.engine, pytest.mark.shared, pytest.mark.asyncio(loop_scope="session")]
CHOICES = [{"value": "billing"}, {"value": "shipping"}, {"value": "sales"}, {"value": "support"}]
LEVELS = [{"label": "calm"}, {"label": "upset"}, {"label": "angry"}]


async def decide(pair: Pair, *questions: dict[str, object]) -> dict[str, object]:
    text = "My parcel is three days late, and I want to know where it is."
    body = {"model": DEMO_MODEL_NAME, "input": text, "questions": questions, "cache": "no-store"}
    async with httpx.AsyncClient(timeout=120) as client:
        response = await client.post(f"{pair.ours}/v1/decisions", json=body)
        assert response.status_code == 200, response.text
        return dict(response.json())


def choose(choices):
    return {"type": "choice", "instructions": "Which team?", "choices": choices}


async def test_reversed_choices_and_levels_have_the_same_answer_and_the_spread_is_told(pair: Pair):
    def rate(levels):
        return {"type": "score", "instructions": "The mood?", "levels": levels}

    forwards = await decide(pair, choose(CHOICES), rate(LEVELS))
    backwards = await decide(pair, choose(CHOICES[::-1]), rate(LEVELS[::-1]))
    (team, mood), (other_team, other_mood) = forwards["answers"], backwards["answers"]
    assert team["choice"] == other_team["choice"]
    shares = [{each["value"]: each["probability"] for each in answer["probabilities"]} for answer in (team, other_team)]
    assert shares[0] == pytest.approx(shares[1], abs=1e-6)
    assert mood["score"] == pytest.approx(2 - other_mood["score"], abs=1e-6)
    for answer in (team, mood, other_team, other_mood):
        assert 0 < answer["cogitate"]["spread"] <= 1 and 0 < answer["cogitate"]["label_mass"] <= 1
    assert forwards["cogitate"]["reads"] == 8 + 6 == forwards["usage"]["output_tokens"]
    assert forwards["usage"]["input_tokens"] > 14 * 40
