"""Dockerfile, Compose files, Prometheus and Grafana: read by real parsers and, where it can be, run."""

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


def tool(name: str, source: str) -> str:
    """The program's path; without it the test is skipped, and conftest.py says so at the end of the run."""
    found = shutil.which(name) or shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"{name} is not here ({source})")
    return found


def ran(*command: str | Path, **options: Any) -> str:
    """What the program printed; fails with it when the program does."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def load_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())
