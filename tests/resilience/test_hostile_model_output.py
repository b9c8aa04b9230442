"""T13: whatever a model says, the event loop goes on: nothing that reads its text takes long, or it can be killed."""

import psutil
import pytest

from tests.resilience.concurrent_clients import crowd
from tests.resilience.server_process import Probe, Server, eventually

BUDGET = 4
"""Samples a request."""
SHORT = [
    r"\boxed{9**9**9**9}",
    r"\boxed{9^{9^{9^{9}}}}",
    r"\boxed{" + r"\frac{1}{" * 40 + "x" + "}" * 40 + "}",
    r"\boxed{\sqrt{" + "(" * 150 + "}}",
    r"\boxed{(x+1)^{99999}}",
    r"\boxed{\int_0^{9^9} x^{x^x} dx}",
    "the answer to the answer is: " * 20,
]
"""Such as a computer algebra system works on until it is killed."""
LONG = ["(", r"\boxed{", "aaaa!", r"\frac{1}{", '{"a":[', "Answer: ", "(A) (B) ", "#### ", "$", "-", "1,", "<think>"]
"""Each says itself until it is as long as a reply is read, or longer by far."""
STAGGER = 0.5
"""Seconds over which samples begin, as on an engine, which ends no 64 in one step."""
ASKS = [{"answer_format": form} for form in ("auto", "number", "choice", "json")]
QUESTION = "How many? (A) one (B) two (C) three"


def asks(count: int) -> list[dict[str, object]]:
    exact = {"name": "self_consistency", "n": BUDGET, "stop_rule": "none"}
    messages = [{"role": "user", "content": QUESTION}]
    made = [exact | ASKS[at % len(ASKS)] for at in range(count)]
    return [{"strategy": strategy, "messages": messages, "cache": "no-store"} for strategy in made]


def children(server: Server) -> set[int]:
    return {child.pid for child in server.process.children(recursive=True)}


def attacked(server: Server, size: int) -> tuple[set[int], float]:
    """The statuses of 16 requests at once over each kind of text, and the event loop's worst lag in milliseconds."""
    server.turn(texts=SHORT, submit=STAGGER)
    answers, lags = crowd(server, asks(32), 16), [0.0]
    for text in LONG:
        told = server.turn(texts=[text], times=size // len(text))
        lags.append(told["lag"])
        answers += crowd(server, asks(16), 16)
    lags.append(server.turn(texts=["\\boxed{42}"], times=1)["lag"])
    return {answer.status_code for answer in answers}, max(lags)


@pytest.mark.faults
@pytest.mark.parametrize("size", [20_000, 200_000])
def test_t13_no_text_of_a_model_stops_the_event_loop(bar, size: int):
    with Server() as server:
        server.ask(strategy={"name": "self_consistency", "n": 2}, cache="no-store")
        server.turn()
        with Probe(server) as probe:
            statuses, lag = attacked(server, size)
        eventually(lambda: len(children(server)) <= 2, 15)
        left = [child for child in server.process.children(recursive=True) if child.status() == psutil.STATUS_ZOMBIE]
        server.healthy()
    what = f"texts of {size} characters and expressions without end, 16 requests at once: control p99"
    bar(
        "T13",
        what,
        f"{probe.p99:.0f} ms, {probe.failures} failed",
        "100 ms, 0",
        probe.p99 <= 100 and not probe.failures,
    )
    bar("T13", "... worst lag of the event loop", f"{lag:.0f} ms", "250 ms", lag <= 250)
    figure = f"statuses {sorted(statuses)}, {len(left)} workers left"
    bar("T13", "... every request is answered", figure, "200, 0", statuses == {200} and not left)


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
def test_t13_many_candidates_of_one_request_are_read_without_a_stop(bar, what: str):
    texts, strategy = WIDE[what]
    judged_reading(bar, what, texts, STAGGER, {"strategy": strategy, "max_tokens": 3000})


@pytest.mark.faults
def test_t13_a_million_log_probabilities_are_no_burden(bar):
    what = "256 candidates of 4,000 tokens, with 5 alternatives each, weighed by them"
    strategy = VOTE | {"n": 256, "weights": "confidence"}
    # Even this is many times as fast as an engine makes them.
    judged_reading(bar, what, ["so it is " * 1300 + "\\boxed{42}"], 6.0, {"strategy": strategy, "logprobs": True})


def judged_reading(bar, what: str, texts: list[str], stagger: float, fields: dict[str, object]) -> None:
    with Server(flags=("--max-cost", "10000000")) as server:
        server.turn(texts=texts, submit=stagger)
        with Probe(server) as probe:
            for _ in range(3):
                answer = server.ask(cache="no-store", timeout=60, **fields)
        lag = server.turn()["lag"]
        server.healthy()
    found, wanted = answer.json()["cogitate"], fields["strategy"]["n"]
    figure = f"{probe.p99:.0f} ms for {found['candidates']}, lag {lag:.0f} ms"
    met = probe.p99 <= 100 and found["candidates"] == wanted and lag <= 250
    bar("T13", f"{what}: control p99", figure, f"100 ms for {wanted}, lag 250 ms", met)
