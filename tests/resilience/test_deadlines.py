"""T25: a request is answered when its time is up, with the best there is or an honest 504."""

import ast
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.resilience.concurrent_clients import volley
from tests.resilience.server_process import Probe, Server, eventually

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


FLAGS = ("--max-concurrent-requests", "600", "--max-generations", "4096")
SAID = "so it may be \\boxed{42} but I go on " + "and on " * 400
HOUR = 3600


def slow(count: int) -> list[dict[str, object]]:
    return [SLOW | {"strategy": NAMES[at % len(NAMES)]} for at in range(count)]


def judged(bar, count: int, volleys: int = 1) -> None:
    with Server(flags=FLAGS) as server:
        server.turn(pace=0.05, texts=[SAID])
        asks = slow(count)
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


def put(back: Path, seconds: int) -> None:
    """In place: who has the file mapped must never find it shorter."""
    with back.open("r+b") as file:
        file.write(seconds.to_bytes(8, sys.byteorder))


@pytest.mark.faults
def test_t25_the_deadline_holds_where_the_clock_is_set_back(bar, tmp_path):
    """The server's own, by an hour, a second after it was asked."""
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("NO CLOCK WAS SET BACK: there is no cc on the PATH")
    library, back = tmp_path / "clock.so", tmp_path / "back"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, Path(__file__).with_name("clock.c")], check=True)
    back.touch()
    put(back, 0)
    with Server(flags=FLAGS, environment={"LD_PRELOAD": str(library), "CLOCK_BACK": str(back)}) as server:
        server.turn(pace=0.05, texts=[SAID])
        answers = volley(server, slow(24), then=lambda: put(back, HOUR))
        emptied = eventually(lambda: server.busy == 0)
        told = time.time() - server.ask(cache="no-store", max_tokens=1).json()["created"]
        server.healthy()
    worst, kinds = max(seconds for *_, seconds in answers), {status for status, *_ in answers}
    what = "24 requests with 2 s, the server's clock set back by an hour meanwhile: the slowest answer; empty after"
    met = worst <= 2.25 and kinds <= {200, 504} and emptied <= 250 and abs(told - HOUR) < 60
    figure = f"{worst:.2f} s, statuses {kinds}; {emptied:.0f} ms; its clock is {told:.0f} s late"
    bar("T25", what, figure, "2.25 s; 250 ms", met)


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
