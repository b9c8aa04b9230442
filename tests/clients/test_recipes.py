"""Each page of examples/recipes, run as it stands with the client's real package against a scripted server.

`make faults` runs these: the packages of a client take hundreds of megabytes. test_recipe_requests.py, in `make test`,
sends the same requests. After an update: python -m tests.clients.recipes.write_recorded
"""

from pathlib import Path

import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from tests.clients.fake_server import run_fake_server
from tests.clients.recipes.environment import REQUIREMENTS, install, install_claude_code
from tests.clients.recipes.recipe import FOLDER, read_recipe
from tests.clients.recipes.recorded import read_recorded, run_recipe
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import live

pytestmark = [pytest.mark.live, pytest.mark.faults, pytest.mark.timeout(900)]  # the packages are installed once
ANSWER = "so it is \\boxed{42}"
PRINTED = {
    "inspect": ["accuracy  1.000"],
    "litellm": [
        ANSWER,
        "4 candidates, stopped: decided",
        "best_of_n",
        '"strategy":"self_consistency"',
        '"type":"message"',
    ],
    "llamaindex": [ANSWER, "4 candidates, stopped: decided", "best_of_n"],
    "lm-eval": ["exact_match|↑  |    1|"],
}
"""What a page's commands print."""


@pytest.mark.parametrize("name", PRINTED)
def test_recipe_runs_and_sends_what_was_recorded(tmp_path: Path, name: str) -> None:
    programs = install(name)
    with run_fake_server() as server:
        output, requests = run_recipe(name, server.url, tmp_path, programs)
        sampled = [sampling.temperature for _, sampling in server.engine.calls if sampling.max_tokens > 1]
    assert [text for text in PRINTED[name] if text not in output] == []
    assert requests == read_recorded()[name]
    assert len(sampled) > len(requests) and min(sampled) >= 0.7


@pytest.mark.parametrize("name", PRINTED)
def test_page_installs_the_versions_that_are_tested(name: str) -> None:
    (line,) = read_recipe(name, "", "").files["install"].splitlines()
    pins = [word.strip("'").replace("[api]", "").replace("[proxy]", "") for word in line.split()[2:]]
    tested = (REQUIREMENTS / f"{name}.txt").read_text().lower().replace("_", "-").splitlines()
    assert pins and set(pins) <= set(tested)


def test_claude_code_answers_by_a_vote(tmp_path: Path) -> None:
    (line,) = read_recipe("claude-code", "", "").files["install"].splitlines()
    programs = install_claude_code(line.rpartition("@")[2])
    engine = ScriptedEngine(lambda *_: ANSWER)
    with live(engine, backend=lambda engine: ScriptedBackend(engine, max_model_len=200_000)) as server:
        output = read_recipe("claude-code", server.url, "scripted").run(tmp_path, programs)
    assert '"subtype":"success"' in output and "so it is" in output
    assert 1 < len(engine.calls) <= 4 and (FOLDER / "claude-code.md").is_file()
