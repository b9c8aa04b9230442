"""The tests of OpenAI's client and of LangChain pass with version 2 of the client too, which `make test` installs."""

import os
import subprocess
import sys
from pathlib import Path

import openai
import pytest

pytestmark = [pytest.mark.live, pytest.mark.slow]
OLDER = Path(sys.prefix, "openai2")
"""A folder of version 2: deploy/requirements/openai2.txt."""
SUITES = ("test_openai.py", "test_langchain.py")


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python that finds version 2 before the installed one."""
    path = os.pathsep.join([str(OLDER), *filter(None, sys.path)])
    command = ["env", f"PYTHONPATH={path}", sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    if not OLDER.is_dir():
        pytest.skip(f"{OLDER} is missing: make test installs it")


def test_both_versions_of_the_client_are_tested():
    version = run_python("-c", "import openai; print(openai.VERSION)").stdout
    assert version.startswith("2.") and openai.VERSION.startswith("3.")


@pytest.mark.parametrize("suite", [SUITES[0], pytest.param(SUITES[1], marks=pytest.mark.faults)])
def test_clients_suite_passes_with_version_2(suite):
    file = Path(__file__).with_name(suite)
    run = run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(file))
    assert run.returncode == 0 and " passed" in run.stdout, run.stdout[-2000:]
