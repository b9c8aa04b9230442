"""Tests of the Dockerfile, Compose files, Prometheus and Grafana, by the parsers and programs that read them."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PATH = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TIMEOUT_SECONDS = 120


def find_program(name: str, source: str) -> str:
    """Return a program's path. `source`: the package that contains it.

    Skips the test where the program is missing; pytest lists skipped tests at the end of a run (-rs).
    """
    path = shutil.which(name) or shutil.which(name, path=PATH)
    if path is None:
        pytest.skip(f"{name} is not installed ({source})")
    return path


def run(*command: str | Path, **options: Any) -> str:
    """Run a program and return its output. Fails with the output where the exit status is not 0."""
    done = subprocess.run(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_SECONDS, **options
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def load_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())
