"""A new strategy is one file and one line: a copy of the package gets both, and serves, documents and tables it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = '''"""Shortest: samples n answers and returns the shortest."""

from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.options import Options
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt


class Shortest(Options):
    """Sample n answers and take the shortest."""

    paper: ClassVar[str] = "arXiv:2505.17813"
    when: ClassVar[str] = "models that ramble"
    when_not: ClassVar[str] = "hard questions"
    cost_note: ClassVar[str] = "n answers"

    name: Literal["shortest"] = "shortest"
    n: int = Field(default=3, ge=1, le=64, description="Number of samples.")

    @property
    def candidates(self) -> int:
        return self.n

    def cost(self, max_tokens: int) -> int:
        return self.n * max_tokens

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        outcomes = list[Outcome]()
        async with run.race(prompt, self.n) as samples:
            async for sample in samples:
                outcomes.append(Outcome(sample, await run.read(sample)))
                run.propose(min(outcomes, key=lambda outcome: len(outcome.completion.text)))
        return min(outcomes, key=lambda outcome: len(outcome.completion.text))
'''
LINE = '    "shortest",\n'
PROGRAM = """
import cogitate
from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.bench.write_strategy_docs import build_catalogue, build_table
from tests.fakes.live_server import live
from tests.fields.matrix import COLUMNS

print(cogitate.__file__)
with live(ScriptedEngine(["far away \\\\boxed{41}", "so \\\\boxed{42}", "it may be \\\\boxed{43}"])) as server:
    answer = server.ask(strategy={"name": "shortest", "n": 3}).json()
    assert answer["choices"][0]["message"]["content"] == "so \\\\boxed{42}", answer
    assert answer["cogitate"]["strategy"] == "shortest" and answer["cogitate"]["candidates"] == 3, answer
    refused = server.ask(strategy={"name": "shortest", "n": 65})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "strategy.n", refused.text

    listed = {each["name"]: each for each in server.http.get(server.url + "/v1/strategies").json()["data"]}
    assert listed["shortest"]["summary"] == "Sample n answers and take the shortest.", listed
    assert listed["shortest"]["cost"] == "n answers" and "n" in listed["shortest"]["schema"]["properties"]
    models = {each["id"] for each in server.http.get(server.url + "/v1/models").json()["data"]}
    assert "scripted@shortest" in models
    schemas = server.http.get(server.url + "/openapi.json").json()["components"]["schemas"]
    assert schemas["Shortest"]["properties"]["name"]["const"] == "shortest", sorted(schemas)

assert "| `shortest` | Sample n answers and take the shortest. | models that ramble |" in build_table()
assert "## `shortest`" in build_catalogue() and COLUMNS[-1] == "shortest" == [*STRATEGIES][-1]
print("served, documented and tabled")
"""


@pytest.mark.live
def test_new_strategy_is_one_file_and_one_line(tmp_path: Path):
    package = tmp_path / "cogitate"
    shutil.copytree(REPOSITORY / "deploy/package/cogitate", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "strategies/shortest.py").write_text(FILE)
    registry = package / "strategies/__init__.py"
    before = registry.read_text()
    registry.write_text(before.replace('    "auto",\n)', f'    "auto",\n{LINE})'))
    assert registry.read_text().replace(LINE, "") == before != registry.read_text()

    path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.splitlines() == [str(package / "__init__.py"), "served, documented and tabled"]
