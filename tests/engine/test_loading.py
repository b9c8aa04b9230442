"""vLLM's own parser reads --engine-args, so every argument of `vllm serve` is reachable."""

import pytest

from server.engine import CannotStart, environment

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def _prepared() -> None:
    environment.prepare(demo=True, quiet=True)


def parsed(**engine_args: object) -> object:
    from server.engine.vllm import loading

    return loading.parsed("a/model", "name", engine_args)


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


def test_on_a_cpu_a_prompt_is_never_chunked():
    """A seeded request whose prefill is chunked kills the CPU build's engine for everyone."""
    args = parsed(max_model_len=9000)
    assert not args.enable_chunked_prefill and args.max_num_batched_tokens >= 9000


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
    from server.engine.precision import cpu_precision

    assert parsed().dtype == cpu_precision().get("dtype", "auto")
    assert parsed(dtype="bfloat16").dtype == "bfloat16"


@pytest.mark.parametrize(
    "bad", [{"no_such_argument": 1}, {"max_model_len": "many"}, {"compilation_config": {"no_such": 1}}]
)
def test_what_vllm_does_not_take_is_one_line(bad):
    with pytest.raises(CannotStart) as refused:
        parsed(**bad)
    assert str(refused.value).startswith("--engine-args: ") and "\n" not in str(refused.value)
