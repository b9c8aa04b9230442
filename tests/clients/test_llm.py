"""The command-line program `llm`, configured by its model file."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.fake_server import run_fake_server

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
    """A function that runs `llm` with some arguments against the server, and returns what it prints."""
    folder: Path = tmp_path_factory.mktemp("llm")
    with run_fake_server() as server:
        (folder / "extra-openai-models.yaml").write_text(MODELS.format(url=server.url))

        def run(*arguments: str) -> str:
            environment = {**os.environ, "LLM_USER_PATH": str(folder), "OPENAI_API_KEY": "none"}  # noqa: TID251
            command = [sys.executable, "-m", "llm", *arguments]
            process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
            assert process.returncode == 0, process.stderr
            return process.stdout.strip()

        yield run


def test_prompt_prints_the_streamed_answer(llm):
    assert llm("-m", "thinking", "What is 6*7?") == "so it is \\boxed{42}"


def test_prompt_without_stream_prints_the_answer(llm):
    assert llm("-m", "voting", "--no-stream", "What is 6*7?") == "so it is \\boxed{42}"


def test_prompt_with_schema_prints_json(llm):
    assert '"Rome"' in llm("-m", "thinking", "--schema", "city str, days int", "Answer in JSON.")


def test_models_lists_the_configured_models(llm):
    assert "voting" in llm("models") and "thinking" in llm("models")
