"""No model output blocks the event loop: reading it is fast, or runs in a process that is killed after a limit."""

import psutil
import pytest

from tests.resilience.background import Probe
from tests.resilience.concurrent_clients import post_all
from tests.resilience.measure import wait_until
from tests.resilience.server_process import Server

pytestmark = pytest.mark.fault("T13")

SAMPLES = 4
"""Per request."""
SLOW_EXPRESSIONS = [
    r"\boxed{9**9**9**9}",
    r"\boxed{9^{9^{9^{9}}}}",
    r"\boxed{" + r"\frac{1}{" * 40 + "x" + "}" * 40 + "}",
    r"\boxed{\sqrt{" + "(" * 150 + "}}",
    r"\boxed{(x+1)^{99999}}",
    r"\boxed{\int_0^{9^9} x^{x^x} dx}",
    "the answer to the answer is: " * 20,
]
"""A computer algebra system works on these until it is killed."""
REPEATED = [
    "(",
    r"\boxed{",
    "aaaa!",
    r"\frac{1}{",
    '{"a":[',
    "Answer: ",
    "(A) (B) ",
    "#### ",
    "$",
    "-",
    "1,",
    "<think>",
]
"""Each is repeated to the length of a long reply, or far beyond it."""
STAGGER_SECONDS = 0.5
"""Samples begin spread over this time: a real engine does not end 64 of them in one step."""
FORMATS = [{"answer_format": form} for form in ("auto", "number", "choice", "json")]
QUESTION = "How many? (A) one (B) two (C) three"


def build_requests(count: int) -> list[dict[str, object]]:
    exact = {"name": "self_consistency", "n": SAMPLES, "stop_rule": "none"}
    messages = [{"role": "user", "content": QUESTION}]
    strategies = [exact | FORMATS[at % len(FORMATS)] for at in range(count)]
    return [{"strategy": strategy, "messages": messages, "cache": "no-store"} for strategy in strategies]


def children(server: Server) -> set[int]:
    return {child.pid for child in server.process.children(recursive=True)}


def attack(server: Server, size: int) -> tuple[set[int], float]:
    """Send 16 simultaneous requests over each kind of text; returns the statuses and the worst loop lag in ms."""
    server.set_knobs(texts=SLOW_EXPRESSIONS, submit=STAGGER_SECONDS)
    answers, lags = post_all(server, build_requests(32), 16), [0.0]
    for text in REPEATED:
        lags.append(server.set_knobs(texts=[text], repeat=size // len(text))["lag"])
        answers += post_all(server, build_requests(16), 16)
    lags.append(server.set_knobs(texts=["\\boxed{42}"], repeat=1)["lag"])
    return {answer.status_code for answer in answers}, max(lags)


@pytest.mark.faults
@pytest.mark.parametrize("size", [20_000, 200_000])
def test_hostile_output_does_not_block_the_event_loop(bar, size: int):
    with Server() as server:
        server.ask(strategy={"name": "self_consistency", "n": 2}, cache="no-store")
        server.set_knobs()
        with Probe(server) as probe:
            statuses, lag = attack(server, size)
        wait_until(lambda: len(children(server)) <= 2, 15)
        zombies = [child for child in server.process.children(recursive=True) if child.status() == psutil.STATUS_ZOMBIE]
        server.assert_healthy()
    what = f"texts of {size} characters and expressions without end, 16 requests at once: control p99"
    bar(
        what,
        f"{probe.p99:.0f} ms, {probe.failures} failed",
        "100 ms, 0",
        probe.p99 <= 100 and not probe.failures,
    )
    bar("... worst lag of the event loop", f"{lag:.0f} ms", "250 ms", lag <= 250)
    figure = f"statuses {sorted(statuses)}, {len(zombies)} workers left"
    bar("... every request is answered", figure, "200, 0", statuses == {200} and not zombies)


VOTE = {"name": "self_consistency", "stop_rule": "none", "return_candidates": True}
WORDS = [" ".join(str(at * number) for number in range(1500)) for at in range(1000, 1064)]
WIDE: dict[str, tuple[list[str], dict[str, object]]] = {
    "256 candidates of 500 characters": (["x" * 500 + "\\boxed{42}"], VOTE | {"n": 256}),
    "256 candidates that are slow to read": (["Answer: " * 2500], VOTE | {"n": 256}),
    "64 candidates of 1,000 tokens, weighed by their log-probabilities": (
        ["so it is " * 333 + "\\boxed{42}"],
        VOTE | {"n": 64, "weights": "confidence"},
    ),
    "64 candidates that are slow to compare, where the judge gives no verdict": (
        WORDS,
        {"name": "selection", "n": 64, "answer_format": "text"},
    ),
    "64 candidates that are slow to check": (
        ["1=" * 10_000],
        {"name": "best_of_n", "n": 64, "verifier": "programmatic"},
    ),
}


@pytest.mark.faults
@pytest.mark.parametrize("what", WIDE)
def test_many_candidates_of_one_request_do_not_block_the_event_loop(bar, what: str):
    texts, strategy = WIDE[what]
    check_reading(bar, what, texts, STAGGER_SECONDS, {"strategy": strategy, "max_tokens": 3000})


@pytest.mark.faults
def test_a_million_log_probabilities_do_not_block_the_event_loop(bar):
    what = "256 candidates of 4,000 tokens, with 5 alternatives each, weighed by them"
    strategy = VOTE | {"n": 256, "weights": "confidence"}
    # Even spread over 6 s, samples end many times as fast as on a real engine.
    check_reading(bar, what, ["so it is " * 1300 + "\\boxed{42}"], 6.0, {"strategy": strategy, "logprobs": True})


def check_reading(bar, what: str, texts: list[str], stagger: float, fields: dict[str, object]) -> None:
    with Server(flags=("--max-cost", "10000000")) as server:
        server.set_knobs(texts=texts, submit=stagger)
        with Probe(server) as probe:
            for _ in range(3):
                answer = server.ask(cache="no-store", timeout=60, **fields)
        lag = server.set_knobs()["lag"]
        server.assert_healthy()
    result, expected = answer.json()["cogitate"], fields["strategy"]["n"]
    figure = f"{probe.p99:.0f} ms for {result['candidates']}, lag {lag:.0f} ms"
    met = probe.p99 <= 100 and result["candidates"] == expected and lag <= 250
    bar(f"{what}: control p99", figure, f"100 ms for {expected}, lag 250 ms", met)
