"""`cogitate audit`, and the same program on a machine with Python alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.observability.audit.cli import run
from tests.server.observability.audit.test_audit import trace_of

SCRIPT = Path(__file__).parents[4] / "deploy" / "audit_trace.py"


@pytest.fixture(scope="module")
def trace():
    return trace_of("self_consistency")


def write(folder: Path, content: object) -> str:
    path = folder / "trace.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_a_trace_that_adds_up_ends_with_status_0(tmp_path, trace, capsys):
    assert run(write(tmp_path, trace)) == 0
    printed = capsys.readouterr().out
    assert "of self_consistency, completed" in printed and "same       completion_tokens" in printed
    assert "same       chosen (votes) " in printed and "DIFFERENT" not in printed


def test_a_difference_is_printed_and_ends_with_status_1(tmp_path, trace, capsys):
    trace = trace | {"usage": trace["usage"] | {"completion_tokens": 7}}
    with pytest.raises(SystemExit) as ended:
        main(["audit", write(tmp_path, trace)])
    assert ended.value.code == 1
    assert "DIFFERENT  completion_tokens: the trace says 7, its events say" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"object":"trace","version":9,"events":[]}', "[" * 10**5])
def test_what_is_no_trace_is_one_line_and_status_2(tmp_path, content, capsys):
    assert run(write(tmp_path, content)) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("cogitate audit: ") and captured.err.count("\n") == 1


def test_a_missing_file_is_status_2(tmp_path, capsys):
    assert run(str(tmp_path / "none.json")) == 2
    assert "none.json" in capsys.readouterr().err


def test_the_script_needs_python_alone(trace):
    """-I and -S: no site-packages, no environment, no folder of the caller's."""
    command = [sys.executable, "-I", "-S", str(SCRIPT), "-"]
    same = subprocess.run(command, input=json.dumps(trace), capture_output=True, text=True, timeout=60)
    assert (same.returncode, same.stderr) == (0, "") and "same       agreement" in same.stdout
    wrong = subprocess.run(
        command, input=json.dumps(trace | {"answer": "43"}), capture_output=True, text=True, timeout=60
    )
    assert wrong.returncode == 1 and "DIFFERENT" in wrong.stdout
