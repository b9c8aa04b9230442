"""Processes of a stopped engine that do not end by themselves are killed."""

import subprocess
import sys

import pytest

psutil = pytest.importorskip("psutil")

from cogitate.server.engine.vllm.leftovers import kill_leftovers, list_descendants  # noqa: E402


def test_processes_that_do_not_end_are_killed_and_others_are_left():
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        earlier = list_descendants()
        hanging = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        kill_leftovers(list_descendants() - earlier)
        assert not psutil.pid_exists(hanging.pid)
        hanging.wait(0)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
