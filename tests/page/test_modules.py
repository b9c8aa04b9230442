"""The page's pure modules: `node --test` over node/*.test.mjs."""

import json
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.fakes.live_server import live
from tests.page.searches import SEARCHES, build_engine
from tests.page.tools import find_node

NODE = Path(__file__).with_name("node")
RECORDED = NODE / "recorded.test.mjs"


def run_node(path: Path, **environment: str) -> None:
    command = [find_node(), "--test", str(path)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert process.returncode == 0 and "pass 0\n" not in process.stdout, process.stdout + process.stderr


@pytest.mark.parametrize("path", sorted({*NODE.glob("*.test.mjs")} - {RECORDED}), ids=lambda path: path.stem)
def test_modules_in_node(path):
    run_node(path)


@pytest.mark.live
def test_fold_of_the_traces_of_every_strategy(tmp_path):
    with live(build_engine()) as server:
        for name in SEARCHES.keys() - {"program_aided"}:  # the browser's tests have it, where there is a sandbox
            strategy = {"name": name, **SEARCHES[name]}
            server.ask(60, {"X-Request-Id": name}, strategy=strategy, seed=1, cache="no-store")
            trace = httpx.get(f"{server.url}/v1/traces/{name}").json()
            (tmp_path / f"{name}.json").write_text(json.dumps(trace))
    run_node(RECORDED, TRACES=str(tmp_path))
