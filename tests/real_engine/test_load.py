"""vLLM's own parser reads --engine-args, so every argument of `vllm serve` is reachable."""

import json
from pathlib import Path
from typing import Any

import pytest

from cogitate.server.engine import CannotStart
from cogitate.server.engine.vllm import env

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def _prepared() -> None:
    env.prepare(demo=True, quiet=True)


def parsed(**engine_args: object) -> object:
    from cogitate.server.engine.vllm import load

    return load.parsed("a/model", "name", engine_args)


def test_the_distributed_engines_arguments_arrive():
    args = parsed(
        tensor_parallel_size=4,
        pipeline_parallel_size=2,
        data_parallel_size=3,
        distributed_executor_backend="ray",
        max_model_len=1234,
        gpu_memory_utilization=0.5,
        quantization="fp8",
    )
    assert (args.model, args.served_model_name) == ("a/model", ["name"])
    assert (args.tensor_parallel_size, args.pipeline_parallel_size, args.data_parallel_size) == (4, 2, 3)
    assert (args.distributed_executor_backend, args.max_model_len) == ("ray", 1234)
    assert (args.gpu_memory_utilization, args.quantization) == (0.5, "fp8")


def test_switches_objects_and_lists_arrive():
    args = parsed(
        enforce_eager=False,
        enable_prefix_caching=True,
        compilation_config={"mode": 0},
        enable_auto_tool_choice=True,
        tool_call_parser="hermes",
        reasoning_parser="qwen3",
        allowed_origins=["http://a"],
        lora_modules=[{"name": "l", "path": "/l"}],
    )
    assert not args.enforce_eager and args.enable_prefix_caching
    assert (args.tool_call_parser, args.enable_auto_tool_choice, args.reasoning_parser) == ("hermes", True, "qwen3")
    assert args.allowed_origins == ["http://a"] and args.lora_modules[0].name == "l"


LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "num_key_value_heads": 2,
    "vocab_size": 128,
    "max_position_embeddings": 32768,
    "torch_dtype": "float32",
}
GEMMA = {
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3",
    "text_config": LLAMA | {"model_type": "gemma3_text", "head_dim": 32, "sliding_window": 512},
}


def sizes(folder: Path, model: dict[str, Any], **engine_args: object) -> tuple[int, int]:
    """The longest context, and the most tokens of a batch, as vLLM has them of a folder with this configuration."""
    from cogitate.server.engine.vllm import load

    (folder / "config.json").write_text(json.dumps(model))
    given = {"skip_tokenizer_init": True, **engine_args}
    config = load.configured(load.parsed(str(folder), "name", given))
    return config.model_config.max_model_len, config.scheduler_config.max_num_batched_tokens


@pytest.mark.parametrize(
    ("said", "context", "batch"),
    [
        ({}, 8192, 8192),
        ({"max_model_len": -1}, 8192, 8192),
        ({"max_model_len": "auto"}, 8192, 8192),
        ({"max_model_len": 2048}, 2048, 8192),
        ({"max_model_len": 9000}, 9000, 9000),
        ({"max_model_len": "16k"}, 16000, 16000),
        ({"max_num_batched_tokens": 4096}, 4096, 4096),
        ({"max_num_batched_tokens": 16384}, 16384, 16384),
        ({"max_model_len": 9000, "max_num_batched_tokens": 10000}, 9000, 10000),
    ],
)
def test_on_a_cpu_one_batch_holds_the_context_and_the_operator_decides(tmp_path, said, context, batch):
    """A seeded request whose prefill is chunked kills the CPU build's engine for everyone."""
    assert not parsed(**said).enable_chunked_prefill
    assert sizes(tmp_path, LLAMA, **said) == (context, batch)


def test_on_a_cpu_a_short_context_stays_and_a_nested_one_is_found(tmp_path):
    assert sizes(tmp_path, LLAMA | {"max_position_embeddings": 1000}) == (1000, 8192)
    assert sizes(tmp_path, GEMMA) == (8192, 8192)


def test_who_chunks_on_a_cpu_has_the_models_own_context(tmp_path):
    assert sizes(tmp_path, LLAMA, enable_chunked_prefill=True)[0] == 32768


def test_a_folder_that_vllm_cannot_serve_is_one_line(tmp_path):
    with pytest.raises(CannotStart, match=r"^vLLM cannot serve .*99999") as refused:
        sizes(tmp_path, LLAMA, max_model_len=99999)
    assert "\n" not in str(refused.value)


def test_on_a_cpu_prompts_of_a_line_or_two_are_shared_and_the_operator_decides():
    assert parsed().block_size == 32
    assert parsed(block_size=128).block_size == 128


def test_on_a_cpu_two_gib_hold_the_cache_and_the_operator_decides():
    """vLLM would take 92 % of the memory, and on a machine that has less to spare it would not start."""
    assert parsed().kv_cache_memory_bytes == 2 << 30
    assert parsed(kv_cache_memory_bytes=1 << 30).kv_cache_memory_bytes == 1 << 30
    shared = parsed(gpu_memory_utilization=0.5)
    assert (shared.kv_cache_memory_bytes, shared.gpu_memory_utilization) == (None, 0.5)


def test_a_processor_without_bfloat16_gets_float32_and_the_operator_decides():
    from cogitate.server.engine.vllm.precision import cpu_precision

    assert parsed().dtype == cpu_precision().get("dtype", "auto")
    assert parsed(dtype="bfloat16").dtype == "bfloat16"


@pytest.mark.parametrize(
    "bad", [{"no_such_argument": 1}, {"max_model_len": "many"}, {"compilation_config": {"no_such": 1}}]
)
def test_what_vllm_does_not_take_is_one_line(bad):
    with pytest.raises(CannotStart) as refused:
        parsed(**bad)
    assert str(refused.value).startswith("--engine-args: ") and "\n" not in str(refused.value)
