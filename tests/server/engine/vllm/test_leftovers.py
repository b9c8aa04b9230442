"""Processes of a stopped engine that do not end by themselves are killed."""

import subprocess
import sys
import time

import pytest

psutil = pytest.importorskip("psutil")

from cogitate.server.engine.vllm.leftovers import kill_leftovers, list_descendants  # noqa: E402


def test_processes_that_do_not_end_are_killed_and_others_are_left():
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        earlier = list_descendants()
        hanging = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        kill_leftovers(list_descendants() - earlier)
        assert hanging.wait(5) == -9
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_process_that_has_ended_is_not_waited_for_though_nobody_collects_it():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(ended.pid)
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    began = time.monotonic()
    kill_leftovers(frozenset({process}))
    assert time.monotonic() - began < 1
    ended.wait()
