"""A request is answered at its deadline, with the best answer so far or with a 504."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.resilience.background import Probe
from tests.resilience.concurrent_clients import post_simultaneously
from tests.resilience.measure import wait_until
from tests.resilience.ruff_check import check_source, check_text, count_source_files
from tests.resilience.server_process import Server

pytestmark = pytest.mark.fault("T25")

SLOW = {"budget": {"seconds": 2}, "cache": "no-store", "max_tokens": 500}
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
TEXT = "so it may be \\boxed{42} but I go on " + "and on " * 400
HOUR_SECONDS = 3600


def slow_requests(count: int) -> list[dict[str, object]]:
    return [SLOW | {"strategy": NAMES[at % len(NAMES)]} for at in range(count)]


def check_deadline(bar, count: int, volleys: int = 1) -> None:
    with Server(flags=FLAGS) as server:
        server.set_knobs(pace=0.05, texts=[TEXT])
        requests = slow_requests(count)
        with Probe(server) as probe:
            answers = [each for _ in range(volleys) for each in post_simultaneously(server, requests)]
        emptied = wait_until(lambda: server.in_flight == 0)
        server.assert_healthy()
    worst, kinds = max(seconds for *_, seconds in answers), {status for status, *_ in answers}
    partial = [answer for status, answer, _ in answers if status == 200]
    flagged = all(answer["cogitate"]["stopped"] == "deadline" for answer in partial)
    what = f"{len(answers)} requests with 2 s, {count} at once, of an engine that needs 25 s: the slowest answer"
    bar(what, f"{worst:.2f} s, statuses {kinds}", "2.25 s", worst <= 2.25 and kinds <= {200, 504})
    bar("... answers that say so", f"{len(partial)}", "all", flagged and len(partial) == len(answers))
    bar("... until the engine is empty", f"{emptied:.0f} ms", "250 ms", emptied <= 250)
    bar("... liveness, p99", f"{probe.p99:.0f} ms", "100 ms", probe.p99 <= 100)


def test_requests_are_answered_at_their_deadline(bar):
    check_deadline(bar, 24)


@pytest.mark.faults
def test_fifty_simultaneous_requests_are_answered_at_their_deadline(bar):
    check_deadline(bar, 50, volleys=10)


def test_deadline_without_any_answer_is_a_504_that_clients_do_not_retry(bar):
    with Server() as server:
        server.set_knobs(hang=True)
        began = time.monotonic()
        answer = server.ask(strategy="self_consistency", cache="no-store", budget={"seconds": 0.5})
        took = time.monotonic() - began
        server.set_knobs(hang=False)
        server.assert_healthy()
    figure = f"{answer.status_code}, x-should-retry {answer.headers.get('x-should-retry')}, {took:.2f} s of 0.5 s"
    bar("an engine that says nothing", figure, "504, false", answer.status_code == 504 and "false" in figure)


def write_offset(file_path: Path, seconds: int) -> None:
    """Write in place: a process that has mapped the file must never see it shorter."""
    with file_path.open("r+b") as file:
        file.write(seconds.to_bytes(8, sys.byteorder))


@pytest.mark.faults
def test_deadline_holds_when_the_wall_clock_is_set_back(bar, tmp_path):
    """The server's clock, set back by an hour a second after the requests were sent."""
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("NO CLOCK WAS SET BACK: there is no cc on the PATH")
    library, offset = tmp_path / "clock.so", tmp_path / "offset"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, Path(__file__).with_name("clock.c")], check=True)
    offset.touch()
    write_offset(offset, 0)
    with Server(flags=FLAGS, environment={"LD_PRELOAD": str(library), "CLOCK_BACK": str(offset)}) as server:
        server.set_knobs(pace=0.05, texts=[TEXT])
        answers = post_simultaneously(server, slow_requests(24), on_quiet=lambda: write_offset(offset, HOUR_SECONDS))
        emptied = wait_until(lambda: server.in_flight == 0)
        late = time.time() - server.ask(cache="no-store", max_tokens=1).json()["created"]  # noqa: TID251 the clock under test
        server.assert_healthy()
    worst, kinds = max(seconds for *_, seconds in answers), {status for status, *_ in answers}
    what = "24 requests with 2 s, the server's clock set back by an hour meanwhile: the slowest answer; empty after"
    met = worst <= 2.25 and kinds <= {200, 504} and emptied <= 250 and abs(late - HOUR_SECONDS) < 60
    figure = f"{worst:.2f} s, statuses {kinds}; {emptied:.0f} ms; its clock is {late:.0f} s late"
    bar(what, figure, "2.25 s; 250 ms", met)


def test_no_clock_that_can_be_set_back_decides_anything(bar):
    """Ruff bans clocks that can be set back; `created` fields show one, through unix_time()."""
    assert count_source_files()
    assert check_text("import time\ntime.time()\n", "server/new_module.py", "TID251")
    wrong = [str(violation) for violation in check_source("TID251") if "clock" in violation.message]
    bar("reckonings with a clock that can be set back", f"{wrong or 0}", "0", not wrong)
