"""POST /v1/decisions over a scripted engine: answers, order of the options, usage, cache, limits, cancel, refusals."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import permutations

import httpx
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.server.engine import ModelCard
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import eventually, live
from tests.resilience.measure import read_metric
from tests.strategies.decisions.letters import build_engine

pytestmark = pytest.mark.live
WEIGHTS = {"false": 1.0, "true": 3.0, '"billing"': 1.0, '"shipping"': 4.0, "Calm": 1.0, "Upset": 2.0, "Angry": 3.0}
DAMAGED = {"type": "predicate", "name": "damaged", "instructions": "The item is damaged."}
TEAM = {"type": "choice", "instructions": "Which team?", "choices": [{"value": "billing"}, {"value": "shipping"}]}
MOOD = {
    "type": "score",
    "instructions": "How angry?",
    "levels": [{"label": name} for name in ("Calm", "Upset", "Angry")],
}
HELLO = {"model": "scripted", "input": "The package arrived broken.", "questions": [DAMAGED, TEAM, MOOD]}


def letters(**fields):
    return build_engine(lambda name: WEIGHTS.get(name, 1.0), **fields)


def post(server, headers=None, **fields):
    return httpx.post(f"{server.url}/v1/decisions", json=HELLO | fields, headers=headers, timeout=10)


def test_three_kinds_of_questions_are_answered_in_their_order():
    with live(letters()) as server:
        body = post(server).json()
        damaged, team, mood = body["answers"]
        assert set(body) == {"model", "answers", "usage", "cogitate"} and body["model"] == "scripted"
        assert (damaged["type"], damaged["name"]) == ("predicate", "damaged") and damaged["probability"] > 0.6
        assert set(damaged) == {"type", "name", "probability", "cogitate"}
        assert (team["choice"], team["name"]) == ("shipping", None)
        assert [each["value"] for each in team["probabilities"]] == ["billing", "shipping"]
        assert [(each["value"], each["label"]) for each in mood["probabilities"]] == list(
            enumerate(("Calm", "Upset", "Angry"))
        )
        shares = [each["probability"] for each in mood["probabilities"]]
        assert mood["score"] == pytest.approx(shares[1] + 2 * shares[2]) and sum(shares) == pytest.approx(1)
        assert team["confidence"] == pytest.approx(0.9 * team["probabilities"][1]["probability"])
        summary = {"orders": "balanced", "repeats": 1, "reads": 10, "failed": 0, "uncounted": 0, "cache": "miss"}
        assert body["cogitate"] == summary
        assert [answer["cogitate"]["reads"] for answer in body["answers"]] == [2, 2, 6]
        assert team["cogitate"]["spread"] > 0.1 and team["cogitate"]["label_mass"] == pytest.approx(0.9)


def test_usage_counts_every_prompt_and_token():
    with live(letters()) as server:
        usage = post(server).json()["usage"]
        prompts = [len(server.engine.prompt_ids(prompt)) for prompt, _ in server.engine.calls]
        assert usage["input_tokens"] == sum(prompts) and usage["output_tokens"] == server.engine.decoded == 10
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        metrics = httpx.get(f"{server.url}/metrics").text
        read = [f'cogitate_prompt_tokens_total{{cache="{cache}",strategy="decisions"}}' for cache in ("hit", "miss")]
        assert sum(read_metric(metrics, name) for name in read) == sum(prompts)
        assert read_metric(metrics, 'cogitate_generated_tokens_total{fate="kept",strategy="decisions"}') == 10
        counted = 'cogitate_requests_total{endpoint="/v1/decisions",status="2xx",strategy="decisions"}'
        assert read_metric(metrics, counted) == 1


def test_answer_does_not_depend_on_the_order_of_the_choices():
    choices = [{"value": "billing"}, {"value": "shipping"}, {"value": True, "description": "a bug"}, {"value": "true"}]
    found = set()
    with live(letters()) as server:
        for order in permutations(choices):
            (team,) = post(server, questions=[TEAM | {"choices": order}]).json()["answers"]
            shares = {repr(each["value"]): each["probability"] for each in team["probabilities"]}
            found.add((team["choice"], team["confidence"], *sorted(shares.items()), team["cogitate"]["spread"]))
    assert len(found) == 1


def test_repeated_request_is_answered_from_the_cache():
    with live(letters()) as server:
        first, second = post(server), post(server)
        assert len(server.engine.calls) == 10 and second.headers["x-cache"] == "hit"
        assert second.json()["cogitate"] == first.json()["cogitate"] | {"cache": "hit"}
        assert second.json()["answers"] == first.json()["answers"]
        post(server, input="Another.")
        post(server, orders="one")
        assert post(server, cache="no-store").json()["cogitate"]["cache"] == "none"
        assert len(server.engine.calls) == 10 + 10 + 3 + 10


def test_idempotency_key_repeats_the_answer_and_refuses_another_body():
    with live(letters()) as server:
        headers = {"Idempotency-Key": "k", "X-Request-Id": "r"}
        first = post(server, headers, cache="no-store")
        assert post(server, headers, cache="no-store").json() == first.json() and len(server.engine.calls) == 10
        assert post(server, headers, input="other", cache="no-store").status_code == 422


def test_lost_reads_are_told_and_the_answer_is_not_cached():
    engine, lost = letters(), iter([SampleFailed("lost"), *["A"] * 100])
    engine.replies = lambda prompt, sampling: next(lost)
    with live(engine) as server:
        assert (summary := post(server).json()["cogitate"])["failed"] == 1 and summary["reads"] == 9
        assert post(server).json()["cogitate"]["cache"] == "miss"


def test_request_whose_reads_are_all_lost_is_a_502():
    with live(ScriptedEngine(lambda prompt, sampling: SampleFailed("lost"))) as server:
        response = post(server)
        assert (response.status_code, response.json()["error"]["code"]) == (502, "engine_error")


def test_question_that_the_model_gives_no_label_is_a_refusal():
    def labels(prompt):
        return {} if "The item is damaged." in prompt.question else {"A": -0.1, "B": -3.0, "C": -4.0}

    with live(ScriptedEngine(["A"], labels=labels)) as server:
        refused, team, _ = post(server).json()["answers"]
        assert refused == {"type": "refusal", "name": "damaged"} and team["type"] == "choice"


def test_request_is_cancelled_by_its_id():
    with live(letters(pace=30)) as server, ThreadPoolExecutor(1) as pool:
        running = pool.submit(post, server, {"X-Request-Id": "mine"})
        eventually(lambda: server.engine.running)
        assert httpx.post(f"{server.url}/v1/requests/mine/cancel").status_code == 200
        assert running.result(5).status_code == 499
        eventually(lambda: server.engine.running == 0)


def test_client_that_leaves_ends_the_reads():
    with live(letters(pace=30)) as server:
        with pytest.raises(httpx.TimeoutException):
            httpx.post(f"{server.url}/v1/decisions", json=HELLO, timeout=0.2)
        eventually(lambda: server.engine.cancelled == 10)


def test_limits_of_a_key_hold(tmp_path):
    keys = tmp_path / "keys"
    narrow = {"Authorization": f"Bearer {create_key(keys, 'a')}"}
    poor = {"Authorization": f"Bearer {create_key(keys, 'b')}"}
    lines = keys.read_text().splitlines()
    keys.write_text(f"{lines[-2]} generations=2\n{lines[-1]} max_cost=9\n")
    with live(letters(pace=0.01), api_keys_file=keys) as server:
        assert post(server).status_code == 401
        assert post(server, narrow).status_code == 200 and server.engine.peak_running <= 2
        error = post(server, poor).json()["error"]
        assert error["code"] == "cost_exceeded" and "10 reads" in error["message"] and error["param"] == "questions"
        assert post(server, poor, questions=[DAMAGED]).status_code == 200


class SaltedEngine(ScriptedEngine):
    """Records the cache salt of each decode."""

    def record_salt(self, salt: str) -> None:
        self.__dict__.setdefault("salts", []).append(salt)


def test_salt_is_the_clients_own_where_no_keys_divide_tenants(tmp_path):
    engine = SaltedEngine(["A"], labels=letters().labels)
    with live(engine) as server:
        assert post(server, cache_salt="mine", questions=[DAMAGED]).status_code == 200
    keys = tmp_path / "keys"
    key = {"Authorization": f"Bearer {create_key(keys, 'a')}"}
    with live(engine, api_keys_file=keys) as server:
        assert post(server, key, cache_salt="mine").json()["error"]["param"] == "cache_salt"
        assert post(server, key, questions=[DAMAGED]).status_code == 200
    assert engine.salts[:2] == ["mine"] * 2 and "mine" not in engine.salts[2:] and all(engine.salts[2:])


class WithoutLogprobs(ScriptedBackend):
    @property
    def card(self) -> ModelCard:
        return replace(ScriptedBackend(self.engine).card, abilities=frozenset({"continue", "seed"}))


def test_engine_without_logprobs_is_a_400_that_says_so():
    with live(letters(), backend=WithoutLogprobs) as server:
        error = post(server).json()["error"]
        assert error["code"] == "unsupported_parameter" and "log-probabilities" in error["message"]
        assert server.engine.calls == []


def test_input_beyond_the_context_is_a_400_that_names_it():
    with live(letters()) as server:
        response = post(server, input="word " * 5000)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", "input")


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "scripted@self_consistency"}, 400, "model"),
        ({"model": "another"}, 404, "model"),
        ({"strategy": "self_consistency"}, 400, "strategy"),
        ({"budget": {"seconds": 1}}, 400, "budget"),
        ({"joint": True}, 400, "joint"),
        ({"cache_salt": ""}, 400, "cache_salt"),
        ({"temperature": 0}, 400, "temperature"),
        ({"stream": True}, 400, "stream"),
        ({"questions": []}, 400, "questions"),
        ({"questions": [MOOD] * 401}, 400, "questions"),
        ({"questions": [MOOD] * 400, "repeats": 2}, 400, "questions"),
        ({"input": "x" * 50_000, "questions": [MOOD] * 400}, 400, "questions"),
        ({"repeats": 17}, 400, "repeats"),
        ({"orders": "some"}, 400, "orders"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(fields, status, param):
    with live(letters()) as server:
        response = post(server, **fields)
        assert (response.status_code, response.json()["error"]["param"]) == (status, param), response.text
        assert server.engine.calls == []


def test_fields_without_effect_are_accepted():
    hints = {"prompt_cache_key": "k", "prompt_cache_options": {"mode": "explicit", "ttl": "30m"}, "joint": False}
    with live(letters()) as server:
        assert post(server, safety_identifier="user-1", **hints).status_code == 200


SCALARS: list[object] = [None, True, 0, -1, 0.5, 2**70, "", "x", "\ud800", "a" * 5000, {}, [], [[]], [None], {"a": 1}]
SCALARS += [{"type": "choice"}, {"value": "a"}, {"label": "a"}, [DAMAGED], {"role": "user"}, {"type": "input_text"}]


def mutate(chance, value):
    """Return a JSON value with one of its parts replaced."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.2:
        return chance.choice(SCALARS)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = chance.choice(keys)
    return copy_with(value, key, mutate(chance, value[key]))


def copy_with(value, key, part):
    if isinstance(value, dict):
        return value | {key: part}
    return [part if at == key else each for at, each in enumerate(value)]


def test_random_bodies_never_cause_a_500():
    chance, statuses = random.Random(20261130), []
    items = [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}, {"role": "assistant", "content": "y"}]
    with live(letters()) as server, httpx.Client(timeout=10) as client:
        for _ in range(600):
            body = mutate(chance, HELLO | {"input": items, "orders": "all", "repeats": 1, "cache": "no-store"})
            content = json.dumps(body).encode()
            headers = {"content-type": "application/json"}
            response = client.post(f"{server.url}/v1/decisions", content=content, headers=headers)
            statuses.append(response.status_code)
            assert response.status_code < 500, content
            assert response.status_code < 400 or set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert statuses.count(200) > 10 and statuses.count(400) > 200
