"""Generated pairs and triples of fields under every strategy: an answer, or a 400 that names one of the fields."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cogitate.server.errors import truncate
from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import Reply, ScriptedEngine
from cogitate.strategies.core.types import Sampling
from tests.fakes.live_server import Live, live
from tests.fields.engines import PROGRAMS
from tests.fields.problems import find_problem
from tests.fields.requests import Body, small
from tests.fields.values import ENDPOINTS, NAMED, TOOLS, UNKNOWN, build_pairs, draw_triples

pytestmark = [pytest.mark.live, pytest.mark.slow]
COLUMNS = (None, *STRATEGIES)
EVERY = {"chat/completions": 1, "completions": 3, "responses": 3}
"""Of the pairs of each endpoint every n-th is sent: the fields of chats are those of the others, but for a few."""
TRIPLES = 500
"""Random triples of each endpoint."""
CLIENTS = 8


def reply(prompt: Prompt, sampling: Sampling) -> Reply:
    return "so \\boxed{7}" if "sea" in prompt.question else "Verdict: revise. 1. Is it so?"


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with live(ScriptedEngine(reply)) as running:
        running.service.settings = PROGRAMS
        yield running


def test_every_field_of_the_three_endpoints_has_values():
    for values, _, fields in ENDPOINTS.values():
        assert values.keys() | {"model", "strategy"} == fields


def send_all(server: Live, endpoint: str, bodies: list[Body]) -> list[str]:
    """Send the bodies, each with the next strategy in turn, and return the problems."""
    _, base, _ = ENDPOINTS[endpoint]

    def send(numbered: tuple[int, Body]) -> str | None:
        number, fields = numbered
        column = COLUMNS[number % len(COLUMNS)]
        strategy = {"strategy": small(column)} if column else {}
        body = {"model": "scripted", **base, **strategy, **fields}
        response = server.http.post(f"{server.url}/v1/{endpoint}", json=body, timeout=20)
        problem = find_problem(response, body)
        return problem and f"{problem} to {truncate(json.dumps(body), 300)}"

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [problem for problem in pool.map(send, enumerate(bodies)) if problem]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_pair_of_fields_is_answered_or_refused_by_name(server, endpoint):
    problems = send_all(server, endpoint, list(build_pairs(ENDPOINTS[endpoint][0]))[:: EVERY[endpoint]])
    assert not problems, (len(problems), problems[:5])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_triple_of_fields_is_answered_or_refused_by_name(server, endpoint):
    problems = send_all(server, endpoint, list(draw_triples(ENDPOINTS[endpoint][0], TRIPLES, seed=17)))
    assert not problems, (len(problems), problems[:5])


WEATHER = {"tools": TOOLS}
CONTRADICTIONS = [
    ("chat/completions", {"tool_choice": "required"}, "tool_choice"),
    ("chat/completions", {"tool_choice": "required", "tools": []}, "tool_choice"),
    ("chat/completions", {"tool_choice": "required", "tools": None}, "tool_choice"),
    ("chat/completions", {"tool_choice": NAMED}, "tool_choice"),
    ("chat/completions", {"tool_choice": UNKNOWN, **WEATHER}, "tool_choice"),
    ("chat/completions", {"allowed_token_ids": [5], "tool_choice": "required", **WEATHER}, "allowed_token_ids"),
    ("chat/completions", {"allowed_token_ids": [5], "response_format": {"type": "json_object"}}, "allowed_token_ids"),
    ("chat/completions", {"top_logprobs": 2}, "top_logprobs"),
    ("chat/completions", {"top_logprobs": 2, "logprobs": False}, "top_logprobs"),
    ("chat/completions", {"stream_options": {"include_usage": True}}, "stream_options"),
    ("chat/completions", {"stream_options": {"include_usage": True}, "stream": False}, "stream_options"),
    ("chat/completions", {"min_tokens": 7, "max_tokens": 6}, "min_tokens"),
    ("chat/completions", {"min_tokens": 7, "max_completion_tokens": 6}, "min_tokens"),
    ("completions", {"stream_options": {"include_usage": True}}, "stream_options"),
    ("completions", {"min_tokens": 7, "max_tokens": 6}, "min_tokens"),
    ("responses", {"tool_choice": "required"}, "tool_choice"),
    ("responses", {"tool_choice": {"type": "function", "name": "weather"}, "tools": []}, "tool_choice"),
    ("responses", {"top_logprobs": 2}, "top_logprobs"),
    ("responses", {"stream_options": {"include_obfuscation": False}}, "stream_options"),
]
"""Endpoint, fields that contradict each other, and the one that the error names."""


@pytest.mark.parametrize(("endpoint", "fields", "param"), CONTRADICTIONS)
def test_contradiction_is_refused_under_every_strategy_and_without_one(server, endpoint, fields, param):
    for column in COLUMNS:
        strategy = {"strategy": small(column)} if column else {}
        body = {"model": "scripted", **ENDPOINTS[endpoint][1], **strategy, **fields}
        response = server.http.post(f"{server.url}/v1/{endpoint}", json=body)
        assert (response.status_code, response.json()["error"]["param"]) == (400, param), response.text


def test_newer_of_two_limits_holds_under_every_strategy(server):
    """OpenAI calls max_tokens deprecated, and gateways send both: max_completion_tokens replaces it, as in vLLM."""
    for column in STRATEGIES:
        answer = server.ask(strategy=small(column), max_tokens=50, max_completion_tokens=2)
        assert answer.json()["choices"][0]["finish_reason"] == "length"
