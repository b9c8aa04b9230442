"""vLLM's plugin: it registers a model class, and the server refuses to start where vLLM has not loaded it.

That engines use the class is shown by the scores in `test_reward_formats.py`; that a server starts with the plugin, by
every other test on the real engine.
"""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from cogitate.server.engine.vllm import env, plugin

pytestmark = pytest.mark.engine
ANOTHER_CLASS = "vllm.model_executor.models.qwen2_rm:Qwen2ForRewardModel"
MISSING_IN_WORKER = """
import asyncio, os, sys
from pathlib import Path
from cogitate.server.engine import CannotStart
from cogitate.server.engine.vllm import VllmBackend, env

async def main(model: str, other: bool) -> None:
    env.prepare(demo=False, quiet=True)
    from cogitate.server.engine.vllm.plugin_check import check_this_process
    check_this_process()
    os.environ["VLLM_PLUGINS"] = "other"
    arguments = {"dtype": "float32", "kv_cache_memory_bytes": 64 << 20}
    reward = {"reward_model": model, "reward_engine_args": arguments} if other else {}
    backend = VllmBackend(model, "tiny", {**arguments, "runner": "pooling"}, **reward)
    try:
        await backend.open()
    except CannotStart as error:
        print(f"refused: {error}")
    await backend.close()

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] == "reward"))
"""
"""Loads the plugin in its own process and keeps its engine's processes from doing so."""


def test_a_model_class_that_another_plugin_has_registered_is_not_replaced() -> None:
    from vllm import ModelRegistry

    ModelRegistry.register_model(plugin.SKYWORK_ARCHITECTURE, ANOTHER_CLASS)
    registered = ModelRegistry.models[plugin.SKYWORK_ARCHITECTURE]
    plugin.register()
    assert ModelRegistry.models[plugin.SKYWORK_ARCHITECTURE] is registered
    del ModelRegistry.models[plugin.SKYWORK_ARCHITECTURE]
    plugin.register()
    assert ModelRegistry.models[plugin.SKYWORK_ARCHITECTURE].module_name == "cogitate.server.engine.reward.skywork"


def test_this_process_passes_the_check_where_the_plugin_is_installed() -> None:
    env.prepare(demo=True, quiet=True)
    from cogitate.server.engine.vllm.plugin_check import check_this_process

    check_this_process()


def test_the_cause_of_a_missing_plugin_is_a_folder_of_its_name_or_a_failed_import(tmp_path: Path) -> None:
    env.prepare(demo=True, quiet=True)
    from cogitate.server.engine.vllm.plugin_check import find_cause

    with contextlib.chdir(tmp_path):
        assert find_cause() == "its import failed; the engine's log has the exception after 'Failed to load plugin'"
        (tmp_path / "cogitate").mkdir()
        assert find_cause().startswith(f"the folder {tmp_path / 'cogitate'} hides the installed package; start")


@pytest.mark.faults
def test_vllm_plugins_without_ours_stops_the_server_with_one_line() -> None:
    command = ["env", "VLLM_PLUGINS=other", sys.executable, "-m", "cogitate.server", "serve", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("cogitate: vLLM did not load the plugin 'cogitate' in this process")
    assert "VLLM_PLUGINS=other excludes it; add cogitate to VLLM_PLUGINS or unset it" in done.stderr


@pytest.mark.parametrize("engine", ["main", pytest.param("reward", marks=pytest.mark.faults)])
def test_a_worker_without_the_plugin_stops_the_start_with_one_line(tmp_path: Path, engine: str) -> None:
    from tests.fakes.tiny_reward_models import build

    script = tmp_path / "start.py"
    script.write_text(MISSING_IN_WORKER)
    command = [sys.executable, script, build(tmp_path / "model"), engine]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    lines = [line for line in done.stdout.splitlines() if line.startswith("refused: ")]
    assert len(lines) == 1, done.stderr[-2000:]
    assert "vLLM did not load the plugin 'cogitate' in the engine's process: VLLM_PLUGINS=other" in lines[0]
