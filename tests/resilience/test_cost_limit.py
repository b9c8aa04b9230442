"""The declared cost of a request is checked before it starts, and the request never decodes more."""

import random
import time
from typing import Any

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.errors import BadRequest
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedVerifier
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.backend import ScriptedBackend
from tests.resilience.measure import percentile
from tests.resilience.server_process import HELLO, Server
from tests.server.sandbox.backends import unavailable_reason

pytestmark = pytest.mark.fault("T3")

LIMIT = 3000
CODE_EXEC = "off" if unavailable_reason("bwrap") else "bwrap"
CODE_STRATEGIES = () if CODE_EXEC == "off" else ("program_aided",)
ABSURD: list[Any] = [10**9, -1, 1e308, True, "8", 8.5, None, [8], 2**63, 0]
TEXTS = ["2+2=4 \n\n then 3*3=9 \n\n so " + "on " * 40 + "\\boxed{9}", "I cannot say", "\\boxed{1} " + "and " * 70]


N = [1, 2, 4, 8, 12, 24, 64]
STOPS = ["none", "certain", "beta"]
VERIFIERS = ["judge", "scripted", "programmatic"]
CHOICES: dict[str, dict[str, list[Any]]] = {
    "chain_of_thought": {},
    "self_consistency": {"n": N, "stop_rule": [*STOPS, "windows"], "weights": ["none", "p_true", "verifier"]},
    "best_of_n": {"n": N, "verifier": VERIFIERS},
    "beam_search": {
        "n": N,
        "width": [1, 2, 4],
        "max_steps": [1, 2, 5, 40],
        "verifier": VERIFIERS,
        "lookahead": [0, 1, 4],
    },
    "dvts": {"n": N, "width": [1, 2, 4], "max_steps": [1, 2, 5, 40], "verifier": VERIFIERS},
    "particle_filter": {"n": N, "max_steps": [1, 2, 5, 40], "verifier": VERIFIERS},
    "budget_forcing": {
        "max_thinking": [None, 0, 20],
        "waits": [0, 1, 4],
        "early_exit": ["none", "confidence", "probes"],
        "probe_every": [8, 64],
    },
    "self_refine": {"method": ["critique", "verification", "tree"], "rounds": [1, 3], "verifier": VERIFIERS},
    "selection": {"n": N, "method": ["universal", "genselect", "knockout"]},
    "synthesis": {"n": N, "method": ["rsa", "pacore", "moa"], "loops": [1, 3]},
    "auto": {"n": N},
    **{name: {"n": N, "chains": [0, 3], "stop_rule": STOPS} for name in CODE_STRATEGIES},
}


def draw_request(chance: random.Random) -> dict[str, Any]:
    name = chance.choice(list(CHOICES))
    options = {option: chance.choice(values) for option, values in CHOICES[name].items()}
    budget = {"budget": {"tokens": chance.choice([1, 30, 900])}} if chance.random() < 0.3 else {}
    limit = chance.choice([1, 7, 50, 400])
    return {"strategy": {"name": name, **options}, "max_tokens": limit, "cache": "no-store", **budget}


def declare_cost(fields: dict[str, Any], limit: int) -> int | None:
    """Return the maximum tokens that the plan declares; None for a rejected request."""
    card = ScriptedBackend(ScriptedEngine([])).card
    verifiers = BUILT_IN | {"scripted": ScriptedVerifier(len)}
    try:
        request = ChatRequest.model_validate(HELLO | fields)
        return build_plan(request, card, Settings(max_cost=limit, code_exec=CODE_EXEC), verifiers, Caller()).cost
    except (BadRequest, ValueError):
        return None


def check_costs(bar, count: int) -> None:
    chance = random.Random(3)
    over, refusals, wrong = 0, list[float](), 0
    with Server(flags=("--max-cost", str(LIMIT), "--code-exec", CODE_EXEC)) as server:
        server.set_knobs(texts=TEXTS)
        for _ in range(count):
            fields, before = draw_request(chance), server.counters
            declared, began = declare_cost(fields, LIMIT), time.perf_counter()
            answer = server.ask(**fields)
            milliseconds, after = (time.perf_counter() - began) * 1000, server.counters
            spent, started = (int(after[name]) - int(before[name]) for name in ("decoded", "started"))
            over += spent > (declared or 0)
            if answer.status_code == 400:
                refusals.append(milliseconds)
                numbers = str(LIMIT) in answer.text or "multiple of width" in answer.text
                wrong += declared is not None or started > 0 or not numbers
            else:
                wrong += declared is None
        server.assert_healthy()
    bar(
        f"{count} random strategies: decoded more than was declared",
        str(over),
        "0",
        over == 0 < len(refusals) < count,
    )
    bar(f"... {len(refusals)} above the limit: not refused, or after a decode", str(wrong), "0", wrong == 0)
    p95 = percentile(refusals, 95)
    bar("... a refusal, p95", f"{p95:.1f} ms", "20 ms", p95 <= 20)


def test_no_request_decodes_more_than_its_declared_cost(bar):
    check_costs(bar, 150)


@pytest.mark.faults
def test_none_of_ten_thousand_requests_decodes_more_than_its_declared_cost(bar):
    check_costs(bar, 10_000)


def test_absurd_numbers_are_rejected_without_a_decode(bar):
    fields = [{"n": value} for value in ABSURD] + [{"max_tokens": value} for value in ABSURD[1:]]
    fields += [{"strategy": {"name": "self_consistency", "n": value}} for value in ABSURD]
    with Server() as server:
        server.ask(strategy="self_consistency")
        memory, before = server.memory, server.counters["started"]
        statuses = [server.ask(**each).status_code for each in fields if next(iter(each.values())) is not None]
        grown, started = server.memory - memory, server.counters["started"] - before
        server.assert_healthy()
    figure = f"{sorted(set(statuses))}, {started} generations, {grown:+.1f} MiB"
    bar(
        f"{len(statuses)} absurd numbers",
        figure,
        "400, 0, 5 MiB",
        set(statuses) == {400} and not started and grown < 5,
    )
