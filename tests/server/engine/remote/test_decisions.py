"""Decisions over upstreams: letters among the alternatives of the first token, one call a read, and what is missing."""

import contextlib
from collections.abc import AsyncIterator
from itertools import permutations
from typing import Any

import httpx
import pytest

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.scripted import ScriptedProver
from tests.fakes.upstream import FakeUpstream, Script
from tests.fakes.vllm_reference import listen
from tests.server.engine.remote.fakes import open_backend
from tests.strategies.decisions.letters import build_engine

WEIGHTS = {'"billing"': 1.0, '"shipping"': 4.0, '"sales"': 2.0}
TEAM = {"type": "choice", "instructions": "Which team?", "choices": [{"value": "billing"}, {"value": "shipping"}]}
HELLO = {"model": "fake", "input": "It arrived broken.", "questions": [TEAM]}


class LetterUpstream(FakeUpstream):
    """Reports a log-probability for each letter of the prompt, as the scripted engine of `letters` does."""

    def _body(self, request: dict[str, Any], decodes: Any) -> dict[str, Any]:
        body = super()._body(request, decodes)
        prompt = Prompt(tuple(Message(each["role"], each["content"]) for each in request["messages"]))
        labels = build_engine(lambda name: WEIGHTS.get(name, 1.0)).labels(prompt)
        for choice in body["choices"] if request.get("top_logprobs") else ():
            tops = [{"token": letter, "logprob": value, "bytes": None} for letter, value in labels.items()]
            choice["logprobs"]["content"][0]["top_logprobs"] = tops
            choice["logprobs"]["content"][0] |= tops[0]
        return body


@contextlib.asynccontextmanager
async def serving(upstream: FakeUpstream, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with upstream, open_backend(upstream, **options) as backend:
        service = Service(backend, MemoryCache(ttl=60), ScriptedProver(), Settings(), Metrics())
        async with listen(create_app(service)) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
            while (await client.get("/health/ready")).status_code != 200:
                pass
            yield client


async def post(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    return await client.post("/v1/decisions", json=HELLO | fields)


def sent_chats(upstream: FakeUpstream) -> list[dict[str, Any]]:
    return [body for path, body, _ in upstream.requests if path == "/v1/chat/completions"]


async def test_answer_over_an_upstream_does_not_depend_on_the_order_of_the_choices():
    choices, found = [{"value": "billing"}, {"value": "shipping"}, {"value": "sales"}], set()
    async with serving(LetterUpstream()) as client:
        for order in permutations(choices):
            body = (await post(client, questions=[TEAM | {"choices": order}])).json()
            (team,) = body["answers"]
            shares = {each["value"]: each["probability"] for each in team["probabilities"]}
            found.add((team["choice"], team["confidence"], *sorted(shares.items())))
            assert team["cogitate"]["spread"] > 0.1 and body["cogitate"]["reads"] == 6
    assert len(found) == 1 and next(iter(found))[0] == "shipping"


async def test_each_read_is_one_call_whose_tokens_are_on_the_bill():
    upstream = LetterUpstream()
    async with serving(upstream) as client:
        usage = (await post(client)).json()["usage"]
        assert usage["output_tokens"] == upstream.counters.tokens == 2 == upstream.counters.calls
        prompts = [
            len(upstream.vocabulary.encode(f"<user> {sent['messages'][0]['content']} "))
            for sent in sent_chats(upstream)
        ]
        assert usage["input_tokens"] == sum(prompts)
        assert usage["input_tokens_details"]["cached_tokens"] == sum(tokens // 2 for tokens in prompts)
        for sent in sent_chats(upstream):
            assert (sent["max_tokens"], sent["temperature"], sent["logprobs"], sent["top_logprobs"]) == (
                1,
                0.0,
                True,
                20,
            )
            assert sent["chat_template_kwargs"] == {"enable_thinking": False}


async def test_upstream_that_is_not_vllm_is_sent_openai_fields_only():
    upstream = LetterUpstream(Script(vllm=False))
    async with serving(upstream, abilities=frozenset({"logprobs"})) as client:
        assert (await post(client)).status_code == 200
        assert {"chat_template_kwargs", "cache_salt"}.isdisjoint(sent_chats(upstream)[0])


async def test_upstream_without_logprobs_is_a_400_that_says_so():
    async with serving(FakeUpstream(Script(logprobs=False)), abilities=None) as client:
        response = await post(client)
        assert response.status_code == 400 and "log-probabilities" in response.json()["error"]["message"]


async def test_question_of_which_the_upstream_reports_no_letter_is_a_refusal():
    async with serving(FakeUpstream()) as client:
        assert (await post(client)).json()["answers"] == [{"type": "refusal", "name": None}]


@pytest.mark.parametrize("fault", ["500", "malformed"])
async def test_upstream_that_fails_is_a_502_or_503(fault):
    upstream = LetterUpstream()
    async with serving(upstream) as client:
        upstream.script.fault = fault
        assert (await post(client)).status_code in (502, 503)
