"""The programs of examples/, run as they are against a server over a scripted engine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from tests.deploy import PATH, ROOT
from tests.fakes.live_server import live
from tests.server.sandbox.backends import unavailable_reason

pytestmark = [pytest.mark.live, pytest.mark.slow]
EXAMPLES = ROOT / "examples"
RIGHT = "```python\ndef is_leap(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)\n```"
WRONG = "```python\ndef is_leap(year):\n    return year % 4 == 0\n```"


def answer(prompt: Prompt, _: Sampling) -> str:
    return "so it is \\boxed{42}" if "13 + 29" in prompt.question else "there are \\boxed{25} " + "or so " * 20


def run(name: str, url: str) -> str:
    """Run an example and return what it prints; fails where it fails."""
    program = EXAMPLES / name
    command = [sys.executable, program, url] if program.suffix == ".py" else ["bash", program, url]
    process = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=100,
        env={"PATH": PATH, "PYTHONPATH": str(ROOT / "deploy/package")},
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_vote_prints_its_progress_its_answer_and_its_cost():
    with live(ScriptedEngine(answer, pace=0.001)) as server:
        output = run("vote.py", server.url)
    assert output.count("candidate ") >= 3 and "leading: 42, agreement 1.00" in output
    assert "stopped: decided" in output and "so it is \\boxed{42}" in output
    assert int(re.findall(r"(\d+) tokens in all", output)[0]) == 5 * output.count("candidate ")


def test_best_of_n_chooses_the_program_that_passes_its_tests():
    if reason := unavailable_reason("bwrap"):
        pytest.skip(f"no sandbox for programs: {reason}")
    with live(ScriptedEngine([WRONG, WRONG, RIGHT, WRONG]), code_exec="bwrap") as server:
        output = run("best_of_n.py", server.url)
    assert output.count("of the tests passed") == 4 and output.count("1.00 of the tests passed, chosen") == 1
    assert RIGHT in output


def test_deadline_shows_each_limit():
    with live(ScriptedEngine(answer, pace=lambda call: 0.01 * (1 + call % 8))) as server:
        output = run("deadline.py", server.url)
    assert re.findall(r"stopped: (\w+)", output) == ["deadline", "budget", "asked"], output


def test_trace_is_drawn_and_its_audit_agrees():
    with live(ScriptedEngine(answer)) as server:
        output = run("trace.py", server.url)
    assert len(re.findall(r"candidate \d of scripted: 5 tokens", output)) == output.count("verdict on") == 4
    assert "of best_of_n, completed" in output and "different" not in output


def test_requests_by_curl_are_answered():
    with live(ScriptedEngine(answer)) as server:
        output = run("requests.sh", server.url)
    assert output.count("== ") == 5 and '"name":"dvts"' in output and '"param":"strategy.n"' in output
    assert output.count('"answer":"42"') >= 2 and '"id":"example-1"' in output


def test_every_example_is_listed_and_tested():
    programs = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".sh")}
    listed = set(re.findall(r"^\| \[([\w.]+)\]", (EXAMPLES / "README.md").read_text(), flags=re.MULTILINE))
    tested = set(re.findall(r'run\("([\w.]+)"', Path(__file__).read_text()))
    assert programs == listed == tested
