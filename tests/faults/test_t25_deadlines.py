"""T25: a request is answered when its time is up, with the best there is or an honest 504."""

import ast
import re
import time
from pathlib import Path

import pytest

from tests.faults.crowd import volley
from tests.faults.rig import Probe, Server, eventually

SLOW = {"budget": {"seconds": 2}, "cache": "no-store", "max_tokens": 500}
WALL = re.compile(r"\btime\.time\(|datetime\.|\bnow\(")
NAMES = (
    "self_consistency",
    "best_of_n",
    "beam_search",
    "chain_of_thought",
    "dvts",
    "particle_filter",
    "self_refine",
    "auto",
)


def judged(bar, count: int, volleys: int = 1) -> None:
    with Server(flags=("--max-concurrent-requests", "600", "--max-generations", "4096")) as server:
        server.turn(pace=0.05, texts=["so it may be \\boxed{42} but I go on " + "and on " * 400])
        asks = [SLOW | {"strategy": NAMES[at % len(NAMES)]} for at in range(count)]
        with Probe(server) as probe:
            answers = [each for _ in range(volleys) for each in volley(server, asks)]
        emptied = eventually(lambda: server.busy == 0)
        server.healthy()
    worst, kinds = max(seconds for *_, seconds in answers), {status for status, *_ in answers}
    partial = [answer for status, answer, _ in answers if status == 200]
    flagged = all(answer["cogitate"]["stopped"] == "deadline" for answer in partial)
    what = f"{len(answers)} requests with 2 s, {count} at once, of an engine that needs 25 s: the slowest answer"
    bar("T25", what, f"{worst:.2f} s, statuses {kinds}", "2.25 s", worst <= 2.25 and kinds <= {200, 504})
    bar("T25", "... answers that say so", f"{len(partial)}", "all", flagged and len(partial) == len(answers))
    bar("T25", "... until the engine is empty", f"{emptied:.0f} ms", "250 ms", emptied <= 250)
    bar("T25", "... liveness, p99", f"{probe.p99:.0f} ms", "100 ms", probe.p99 <= 100)


def test_t25_the_deadline_holds(bar):
    judged(bar, 24)


@pytest.mark.faults
def test_t25_the_deadline_holds_for_fifty_at_once(bar):
    judged(bar, 50, volleys=10)


def test_t25_without_any_answer_it_is_a_504_that_no_client_repeats(bar):
    with Server() as server:
        server.turn(hang=True)
        began = time.monotonic()
        answer = server.ask(strategy="self_consistency", cache="no-store", budget={"seconds": 0.5})
        took = time.monotonic() - began
        server.turn(hang=False)
        server.healthy()
    said = f"{answer.status_code}, x-should-retry {answer.headers.get('x-should-retry')}, {took:.2f} s of 0.5 s"
    bar("T25", "an engine that says nothing", said, "504, false", answer.status_code == 504 and "false" in said)


def test_t25_no_clock_that_can_be_set_back_decides_anything(bar):
    """The wall clock is shown (`created`); it is never added to, compared or waited for."""
    reckoned = [
        f"{path}:{node.lineno}"
        for folder in ("server", "strategies")
        for path in Path(folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.BinOp | ast.Compare | ast.Await) and WALL.search(ast.unparse(node))
    ]
    bar("T25", "reckonings with a clock that can be set back", f"{reckoned or 0}", "0", not reckoned)
