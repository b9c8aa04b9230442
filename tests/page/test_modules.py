"""The page's pure modules: `node --test` over node/*.test.mjs."""

import subprocess
from pathlib import Path

import pytest

from tests.page.tools import find_node

TESTS = sorted(Path(__file__).with_name("node").glob("*.test.mjs"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.partition(".")[0])
def test_modules_in_node(path):
    process = subprocess.run([find_node(), "--test", str(path)], capture_output=True, text=True, timeout=60)
    assert process.returncode == 0 and "pass 0\n" not in process.stdout, process.stdout + process.stderr
