"""The check of our source against a release of vLLM finds what the release lacks: shown on a vLLM of one file."""

from pathlib import Path

import pytest

from tests.vllm_versions.library import Library
from tests.vllm_versions.uses import Report, check_uses

ENGINE = """
from dataclasses import dataclass
from pydantic import BaseModel

class State:
    is_prefilling: bool

class Processor:
    def __init__(self) -> None:
        self.states: dict[str, State] = {}

class Engine:
    def __init__(self, processor: Processor):
        self.processor = processor

    async def add(self, name: str, *, priority: int = 0) -> State: ...

    @classmethod
    def start(cls, size: int) -> "Engine": ...

@dataclass
class Options:
    size: int
    seed: int = 0

class Body(BaseModel):
    text: str
"""
APP = """
from vllm.engine import Engine, Processor

def fill(app, state):
    state.engine = Engine(Processor()) if app else None
"""
OURS = """
import asyncio
from starlette.datastructures import State as ServerState
from vllm.engine import Body, Engine, Options

async def use(engine: Engine, server: ServerState):
    {statement}
"""


def check(folder: Path, source: str) -> Report:
    files = {"vllm/engine.py": ENGINE, "vllm/entrypoints/app.py": APP, "cogitate/use.py": source}
    for name, text in files.items():
        path = folder / Path(name).parts[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return check_uses(Library((folder / "vllm", folder / "cogitate")), ["cogitate.use"])


@pytest.mark.parametrize(
    "statement",
    [
        "await engine.add('a', priority=1)",
        "(await engine.add('a')).is_prefilling",
        "Engine.start(3).processor",
        "[state.is_prefilling for state in engine.processor.states.values()]",
        "[state.is_prefilling for _, state in engine.processor.states.items()]",
        "await asyncio.to_thread(engine.add, 'a', priority=1)",
        "await server.engine.add('a')",
        "Options(3, seed=4)",
        "Body(text='a').model_dump()",
        "engine.add(*names)",
    ],
)
def test_what_the_release_has_is_no_problem(tmp_path, statement):
    report = check(tmp_path, OURS.format(statement=statement))
    assert report.problems == [] and len(report.uses) > 3


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("engine.submit('a')", "vllm.engine.Engine.submit"),
        ("await engine.add('a', rank=1)", "vllm.engine.Engine.add() has no parameter rank"),
        ("await engine.add()", "vllm.engine.Engine.add() requires name"),
        ("await engine.add('a', 1)", "vllm.engine.Engine.add() takes 1 positional arguments, not 2"),
        ("(await engine.add('a')).is_waiting", "vllm.engine.State.is_waiting"),
        ("[state.rank for state in engine.processor.states.values()]", "vllm.engine.State.rank"),
        ("await asyncio.to_thread(engine.add, 'a', rank=1)", "vllm.engine.Engine.add() has no parameter rank"),
        ("await server.engine.add('a', rank=1)", "vllm.engine.Engine.add() has no parameter rank"),
        ("server.renderer", "starlette.datastructures.State.renderer"),
        ("Options(3, rank=4)", "vllm.engine.Options() has no parameter rank"),
        ("Options(seed=4)", "vllm.engine.Options() requires size"),
        ("Body(text='a').dump()", "vllm.engine.Body.dump"),
        ("engine.processor.size = 3", "vllm.engine.Processor.size"),
    ],
)
def test_what_the_release_lacks_is_named_with_its_line(tmp_path, statement, problem):
    assert check(tmp_path, OURS.format(statement=statement)).problems == [f"cogitate.use:7: {problem}"]


def test_an_import_that_fails_is_a_problem_unless_another_one_takes_its_place(tmp_path):
    gone, there = "    from vllm.gone import Engine", "    from vllm.engine import Engine"
    assert check(tmp_path, f"if True:\n{gone}").problems == ["cogitate.use:2: vllm.gone.Engine"]
    assert check(tmp_path, f"try:\n{gone}\nexcept ImportError:\n{there}").problems == []
    assert len(check(tmp_path, f"try:\n{gone}\nexcept ImportError:\n{gone}").problems) == 2
