"""Several models behind one server, each a scripted engine."""

import asyncio
import contextlib

import pytest

from cogitate.server.engine.fleet import Fleet
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import live

RIGHT, WRONG = "so it is \\boxed{42}", "perhaps \\boxed{41}"
JUDGE = "strategy.verifier_model"
CASCADE = [{"model": "small", "n": 4}, {"model": "large", "n": 8}]


@contextlib.contextmanager
def serve(small=(RIGHT,), large=(RIGHT,), loading=(), **settings):
    engines = {"small": ScriptedEngine(list(small)), "large": ScriptedEngine(list(large))}

    def build(own):
        backends = {
            name: ScriptedBackend(engine, name=name, loading=asyncio.Event() if name in loading else None)
            for name, engine in engines.items()
        }
        return Fleet(backends, grace_seconds=0.05)

    with live(engines["small"], backend=build, **settings) as server:
        yield server, engines


def calls(engines):
    return {name: len(engine.calls) for name, engine in engines.items()}


def test_cascade_over_http_reports_candidates_and_tokens_by_model():
    with serve(small=[RIGHT, WRONG]) as (server, engines):
        strategy = {"name": "self_consistency", "concurrency": 1}
        body = server.ask(model="small", strategy=strategy, models=CASCADE).json()
    report = body["cogitate"]
    assert (report["answer"], report["stopped"], body["model"]) == ("42", "decided", "small")
    assert report["models"]["small"]["candidates"] == 4
    assert report["models"]["large"]["candidates"] == 5
    spent = sum(one["completion_tokens"] for one in report["models"].values())
    assert spent == body["usage"]["completion_tokens"] == sum(engine.decoded for engine in engines.values())


def test_decided_cascade_does_not_ask_the_next_model():
    with serve() as (server, engines):
        report = server.ask(model="small", strategy="self_consistency", models=CASCADE).json()["cogitate"]
        assert calls(engines) == {"small": 4, "large": 0}
    assert report["models"]["large"] == {"candidates": 0, "completion_tokens": 0}


def test_models_may_stand_in_the_strategy_too():
    with serve() as (server, engines):
        strategy = {"name": "self_consistency", "models": ["small", "large"], "order": "together", "stop_rule": "none"}
        report = server.ask(model="large", strategy=strategy).json()["cogitate"]
        assert calls(engines) == {"small": 4, "large": 4}
    assert report["candidates"] == 8


def test_plain_request_and_suffix_go_to_the_model_that_is_named():
    with serve(small=["small says"], large=["large says \\boxed{7}"]) as (server, engines):
        plain = server.ask(model="large").json()
        assert plain["choices"][0]["message"]["content"] == "large says \\boxed{7}"
        assert server.ask(model="large@self_consistency").json()["cogitate"]["answer"] == "7"
        assert calls(engines)["small"] == 0


def test_listing_has_every_model_with_its_strategies():
    with serve() as (server, _):
        names = [one["id"] for one in server.http.get(f"{server.url}/v1/models").json()["data"]]
    assert names[:2] == ["small", "large"]
    assert {"small@self_consistency", "large@self_consistency", "large@auto"} <= set(names)


def test_model_that_is_down_is_a_warning_where_another_answers():
    with serve(small=[SampleFailed("The upstream has gone.")]) as (server, _):
        report = server.ask(model="large", strategy="self_consistency", models=CASCADE).json()["cogitate"]
    assert report["warnings"] == ["The model small did not answer: The upstream has gone."]
    assert (report["answer"], report["models"]["small"]["candidates"], report["failed"]) == ("42", 0, 4)


def test_model_that_never_responded_is_a_warning_too_and_its_own_requests_get_a_503():
    with serve(loading=["small"]) as (server, engines):
        report = server.ask(model="large", strategy="self_consistency", models=CASCADE).json()["cogitate"]
        assert report["answer"] == "42" and "small did not answer" in report["warnings"][0]
        assert server.ask(model="small").status_code == 503
        assert calls(engines)["small"] == 0


def test_answer_without_a_lost_model_is_cached_and_one_with_it_is_not():
    with serve() as (server, _):
        fields = {"model": "small", "strategy": "self_consistency", "models": CASCADE}
        assert [server.ask(**fields).json()["cogitate"]["cache"] for _ in range(2)] == ["miss", "hit"]
        other = fields | {"models": [{"model": "large", "n": 4}, {"model": "small", "n": 8}]}
        assert server.ask(**other).json()["cogitate"]["cache"] == "miss"
    with serve(small=[SampleFailed("gone")]) as (server, _):
        assert [server.ask(**fields).json()["cogitate"]["cache"] for _ in range(2)] == ["miss", "miss"]


def test_error_of_the_last_model_is_the_clients_where_all_are_lost():
    lost = [SampleFailed("gone")]
    with serve(small=lost, large=lost) as (server, _):
        assert server.ask(model="small", strategy="self_consistency", models=CASCADE).status_code == 502


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"models": ["small"]}, 400, "models"),
        ({"strategy": "beam_search", "models": ["small", "large"]}, 400, "models"),
        ({"strategy": "auto", "models": ["small", "large"]}, 400, "models"),
        ({"strategy": {"name": "dvts", "models": ["small", "large"]}}, 400, "models"),
        ({"strategy": "self_consistency", "models": ["small", "huge"]}, 404, "models"),
        ({"strategy": {"name": "self_consistency", "models": ["huge"]}}, 404, "models"),
        ({"strategy": "self_consistency", "models": [{"model": "small", "n": 0}]}, 400, "strategy.models.0.n"),
        ({"strategy": "self_consistency", "models": "small"}, 400, "strategy.models"),
        ({"strategy": "self_consistency", "order": "together"}, 400, "strategy"),
        ({"strategy": "self_consistency", "models": ["small", "large"], "order": "best"}, 400, "strategy.order"),
        ({"strategy": "self_consistency", "models": ["small"], "logit_bias": {"3": 1}}, 400, "logit_bias"),
        ({"strategy": "synthesis", "synthesis_model": "large", "logit_bias": {"3": 1}}, 400, "logit_bias"),
        ({"strategy": "best_of_n", "verifier_model": "huge"}, 404, "verifier_model"),
        ({"strategy": {"name": "best_of_n", "verifier": "number"}, "verifier_model": "large"}, 400, JUDGE),
        ({"strategy": "self_consistency", "synthesis_model": "large"}, 400, "synthesis_model"),
        ({"strategy": {"name": "self_consistency", "models": ["small"]}, "models": ["large"]}, 400, "models"),
    ],
)
def test_models_that_cannot_be_honoured_are_refused_by_name(fields, status, param):
    with serve() as (server, engines):
        response = server.ask(model="small", **fields)
        assert (response.status_code, response.json()["error"]["param"]) == (status, param), response.text
        assert calls(engines) == {"small": 0, "large": 0}


def test_trace_says_which_model_decoded():
    with serve(small=[RIGHT, WRONG]) as (server, _):
        server.ask(model="small", strategy="self_consistency", models=CASCADE, headers={"X-Request-Id": "one"})
        events = server.http.get(f"{server.url}/v1/traces/one").json()["events"]
    assert {event["model"] for event in events if event["kind"] == "decode"} == {"small", "large"}


def test_copies_of_each_model_are_decoded_once():
    with serve(large=[WRONG]) as (server, engines):
        body = server.ask(model="small", strategy="self_consistency", models=CASCADE, temperature=0).json()
        assert calls(engines) == {"small": 1, "large": 1}
    assert "copies" in body["cogitate"]["warnings"][0]


@pytest.mark.parametrize("name", ["selection", "best_of_n", "synthesis"])
def test_bill_by_model_is_the_bill_where_the_own_model_both_draws_and_judges(name):
    with serve() as (server, _):
        body = server.ask(model="small", strategy={"name": name, "n": 4}, models=["small", "large"]).json()
        spent = body["cogitate"]["models"]
        assert sum(one["completion_tokens"] for one in spent.values()) == body["usage"]["completion_tokens"]
        assert spent["small"]["candidates"] >= 2 <= spent["large"]["candidates"]


def test_suffix_of_every_model_names_a_strategy_beside_foreign_fields():
    with serve() as (server, _):
        for model in ("small", "large"):
            body = server.ask(model=f"{model}@best_of_n", headers={"X-ITS-Budget": "2"}).json()
            assert body["cogitate"]["strategy"] == "best_of_n", body
