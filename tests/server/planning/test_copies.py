"""A temperature at which candidates are copies: one is decoded, and the client is told."""

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.planning.plain_plan import build_body_plan
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.settings import Settings
from cogitate.strategies import STRATEGIES
from tests.server.planning.test_plan import CARD, make_plan, refusal

SEVERAL = {
    "self_consistency": {"n": 8},
    "best_of_n": {"n": 8},
    "selection": {"n": 8},
    "synthesis": {"n": 4, "loops": 2},
    "program_aided": {"n": 8, "chains": 4},
    "auto": {"n": 16},
    "beam_search": {"n": 8, "width": 4},
    "dvts": {"n": 8, "width": 4},
    "particle_filter": {"n": 8, "iterations": 2},
}
"""The strategies that vote or choose, with options for many candidates."""
ONE_CHAIN = {"chain_of_thought", "budget_forcing", "self_refine"}
"""Strategies whose decodes each continue or revise another."""


def options(name: str) -> dict[str, object]:
    return {"name": name, **SEVERAL.get(name, {})}


def test_every_strategy_is_of_one_kind():
    assert SEVERAL.keys() | ONE_CHAIN == STRATEGIES.keys()


@pytest.mark.parametrize("temperature", [0, 0.05, 0.0999])
@pytest.mark.parametrize("name", sorted(SEVERAL))
def test_strategy_that_votes_or_chooses_has_one_candidate_and_says_so(name, temperature):
    plan = make_plan(strategy=options(name), temperature=temperature)
    assert plan.width == 1 and plan.strategy.candidates == (2 if name == "program_aided" else 1)
    assert plan.cost < make_plan(strategy=options(name)).cost
    (warning,) = plan.warnings
    assert f"temperature {temperature:g}" in warning and name in warning and "only one was decoded" in warning


@pytest.mark.parametrize("temperature", [None, 0.1, 0.7])
@pytest.mark.parametrize("name", sorted(SEVERAL))
def test_temperature_that_varies_candidates_changes_nothing(name, temperature):
    plan = make_plan(strategy=options(name), temperature=temperature)
    assert plan.strategy.model_dump(include=set(SEVERAL[name])) == SEVERAL[name] and plan.warnings == ()


@pytest.mark.parametrize("name", sorted(ONE_CHAIN))
def test_strategy_with_one_chain_is_unchanged_at_temperature_0(name):
    assert make_plan(strategy=name, temperature=0).strategy == make_plan(strategy=name).strategy
    assert make_plan(strategy=name, temperature=0).warnings == ()


def test_one_candidate_that_was_asked_for_is_no_warning():
    assert make_plan(strategy={"name": "self_consistency", "n": 1}, temperature=0).warnings == ()


def test_limited_and_single_requests_are_cached_apart_since_one_has_a_warning():
    keys = {make_plan(strategy={"name": "self_consistency", "n": n}, temperature=0).key for n in (1, 8)}
    assert len(keys) == 2


def test_n_is_limited_by_the_candidates_that_were_asked_for():
    assert make_plan(strategy=options("best_of_n"), temperature=0, n=8).answer_count == 8
    assert refusal(strategy=options("best_of_n"), temperature=0, n=9).param == "n"


def test_plain_greedy_choices_are_one_decode_in_limits_and_two_cache_entries():
    single, three = make_plan(temperature=0, max_tokens=10), make_plan(temperature=0, max_tokens=10, n=3)
    assert (three.copies, three.request.n, three.width, three.cost) == (3, 1, 1, 10) and single.copies == 1
    assert single.key != three.key


def body_plan(path="/v1/chat/completions", **content):
    body = PlainBody(path, {"model": "tiny", **content})
    return build_body_plan(body, CARD, Settings(), Caller())


def test_body_for_vllms_own_handler_is_decoded_once_too():
    plan = body_plan(temperature=0, max_tokens=10, n=3)
    assert (plan.copies, plan.request.content["n"], plan.width, plan.cost) == (3, 1, 1, 10)
    assert plan.key != body_plan(temperature=0, max_tokens=10, n=1).key
    assert body_plan("/v1/completions", prompt=["a", "b"], temperature=0, n=2).width == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 3},
        {"n": 3, "temperature": 0.01},
        {"n": 1, "temperature": 0},
        {"n": 3, "temperature": 0, "use_beam_search": True},
        {"n": 1000, "temperature": 0},
        {"n": "3", "temperature": 0},
        {"n": 3, "temperature": -1},
        {"n": 3, "temperature": 0, "path": "/v1/responses"},
        {"n": 3, "temperature": 0, "path": "/v1/messages"},
    ],
)
def test_other_bodies_are_vllms_as_they_are(fields):
    plan = body_plan(**fields)
    assert plan.copies == 1 and plan.request.content.get("n") == fields["n"]


def test_plain_sampled_choices_are_decoded_each():
    plan = make_plan(temperature=0.01, max_tokens=10, n=3)
    assert (plan.copies, plan.request.n, plan.width, plan.cost) == (1, 3, 3, 30)
