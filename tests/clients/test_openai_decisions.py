"""The official OpenAI client's `decisions`, sync and async: its types, errors, and our fields beside OpenAI's."""

import asyncio
import warnings

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from tests.fakes.live_server import live
from tests.strategies.decisions.letters import build_engine

Decision = pytest.importorskip("openai.types.decision", reason="openai 3 has decisions").Decision
pytestmark = pytest.mark.live
QUESTIONS = [
    {"type": "predicate", "name": "damaged", "instructions": [{"type": "input_text", "text": "It is damaged."}]},
    {"type": "choice", "instructions": "Which team?", "choices": [{"value": "billing"}, {"value": False}]},
    {"type": "score", "instructions": "How angry?", "levels": [{"label": "calm"}, {"label": "angry"}]},
]


def prefer(name: str) -> float:
    return {'"billing"': 4.0, "true": 3.0, "angry": 2.0}.get(name, 1.0)


def test_answers_have_the_clients_types():
    with live(build_engine(prefer)) as server:
        decision = server.client().decisions.create(model="scripted", input="Broken.", questions=QUESTIONS)
        damaged, team, mood = decision.answers
        assert isinstance(decision, Decision) and decision.usage.output_tokens == 6
        assert (damaged.type, damaged.name) == ("predicate", "damaged") and damaged.probability > 0.5
        assert (team.choice, [each.value for each in team.probabilities]) == ("billing", ["billing", False])
        assert 0.5 < mood.score < 1 and mood.probabilities[1].label == "angry"
        assert 0 < team.cogitate["spread"] < 1 and decision.cogitate["orders"] == "balanced"


def test_async_client_sends_our_fields_as_extra_body():
    async def ask(url: str) -> object:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            return await client.decisions.create(
                model="scripted", input=[{"role": "user", "content": "Broken."}], questions=QUESTIONS, extra_body=ours
            )

    ours = {"orders": "one", "repeats": 2}
    with live(build_engine(prefer)) as server:
        assert asyncio.run(ask(server.url)).cogitate["reads"] == 6


def test_error_names_the_field():
    with live(build_engine(prefer)) as server, pytest.raises(openai.BadRequestError) as caught:
        server.client().decisions.create(model="scripted", input="x", questions=[QUESTIONS[1] | {"choices": []}])
    assert caught.value.param == "questions.0.choices"


def test_langchain_reads_every_kind_of_answer():
    decisions = pytest.importorskip("langchain_openai.decisions", reason="langchain-openai 1.6 has decisions")
    questions = {
        "damaged": decisions.Predicate(instructions="It is damaged."),
        "team": decisions.Choice(instructions="Which team?", choices={"billing": "Payments.", "other": None}),
        "mood": decisions.Score(instructions="How angry?", levels=["calm", "angry"]),
    }
    state = [AIMessage("How can I help?"), HumanMessage("It arrived broken.")]
    with live(build_engine(prefer)) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is in beta
        model = decisions.OpenAIDecisions(model="scripted", api_key="none", base_url=f"{server.url}/v1", max_retries=0)
        response = model.invoke({"input": state, "questions": questions})
        assert response.predicates["damaged"].probability > 0.5 and response.choices["team"].choice == "billing"
        assert response.scores["mood"].legend == {0: "calm", 1: "angry"} and response.usage.output_tokens == 6
