"""The `llm` command, configured with a file as its users do."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.fake_server import answering

pytestmark = [pytest.mark.live, pytest.mark.slow]
MODELS = """\
- model_id: voting
  model_name: scripted@self_consistency
  api_base: {url}/v1
- model_id: thinking
  model_name: scripted@chain_of_thought
  api_base: {url}/v1
  supports_tools: true
  supports_schema: true
"""


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    folder: Path = tmp_path_factory.mktemp("llm")
    with answering() as server:
        (folder / "extra-openai-models.yaml").write_text(MODELS.format(url=server.url))

        def run(*words: str) -> str:
            environment = {**os.environ, "LLM_USER_PATH": str(folder), "OPENAI_API_KEY": "none"}  # noqa: TID251
            ran = subprocess.run(
                [sys.executable, "-m", "llm", *words], env=environment, capture_output=True, text=True, timeout=60
            )
            assert ran.returncode == 0, ran.stderr
            return ran.stdout.strip()

        yield run


def test_it_streams_an_answer(llm):
    assert llm("-m", "thinking", "What is 6*7?") == "so it is \\boxed{42}"


def test_and_waits_for_one(llm):
    assert llm("-m", "voting", "--no-stream", "What is 6*7?") == "so it is \\boxed{42}"


def test_a_schema_is_kept_to(llm):
    assert '"Rome"' in llm("-m", "thinking", "--schema", "city str, days int", "Answer in JSON.")


def test_its_models_are_listed(llm):
    assert "voting" in llm("models") and "thinking" in llm("models")
