"""vLLM's own parser reads --engine-args: every argument of `vllm serve` is accepted, and the CPU build has defaults."""

import json
from pathlib import Path
from typing import Any

import pytest

from cogitate.server.cli import build_parser, build_settings
from cogitate.server.config.vllm_flags import SHORT_NAMES
from cogitate.server.engine import CannotStart, WrongFlag
from cogitate.server.engine.vllm import env

pytestmark = pytest.mark.engine
CPU_NEUTRAL = {
    "enable_chunked_prefill": False,
    "dtype": "float32",
    "block_size": 32,
    "kv_cache_memory_bytes": 2 << 30,
    "max_num_seqs": 64,
}
"""Values of the CPU build's own defaults."""


@pytest.fixture(autouse=True)
def _environment() -> None:
    env.prepare(demo=True, quiet=True)


def parse(**engine_args: object) -> object:
    from cogitate.server.engine.vllm import load

    return load.parse_arguments("a/model", "name", engine_args)


def test_arguments_of_distributed_engines_are_accepted():
    args = parse(
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


def test_boolean_object_and_list_arguments_are_accepted():
    args = parse(
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


@pytest.mark.parametrize(
    "words",
    [
        "-tp 2 -pp=2 --max-model-len 16k --enforce-eager --no-enable-prefix-caching",
        "--lora-modules a=/a b=/b --middleware a.b --middleware c.d --api-key k1 k2",
        '--allowed-origins ["http://a"] --root-path /r --uds /s --ssl-keyfile k --ssl-certfile c',
        "-O3 --compilation-config.mode 0 --compilation-config.cudagraph_mode none --max-num-seqs 8 --max-num-seqs 9",
        '--speculative-config {"model":"m","num_speculative_tokens":2} --max-model-len -1',
        "--generation-config=vllm --tokenizer_mode slow --chat-template-content-format openai",
    ],
)
def test_flags_on_our_command_line_mean_what_they_mean_to_vllm(words):
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    given = build_parser().parse_args(["serve", "a/model", *words.split()])
    ours = vars(parse(**CPU_NEUTRAL | build_settings(given).engine_args))
    flags = [
        f"--{name.replace('_', '-')}={value}" for name, value in CPU_NEUTRAL.items() if not isinstance(value, bool)
    ]
    plain = ["--model", "a/model", "--served-model-name", "name", "--no-enable-chunked-prefill", *flags, *words.split()]
    theirs = vars(make_arg_parser(FlexibleArgumentParser()).parse_args(plain))
    unset = {"enforce_eager"} - {"enforce_eager" for word in words.split() if word == "--enforce-eager"}
    assert {name for name in theirs if repr(ours[name]) != repr(theirs[name])} <= unset


def test_every_short_flag_of_vllm_has_its_name():
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    actions = make_arg_parser(FlexibleArgumentParser())._option_string_actions
    shorts = {flag: action.dest for flag, action in actions.items() if not flag.startswith("--") and flag != "-h"}
    assert shorts == {flag: name for flag, name in SHORT_NAMES.items() if flag in shorts} and len(shorts) > 15
    assert set(SHORT_NAMES) - set(shorts) <= {"-O"}


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (
            {"tensor_paralel_size": 2},
            "unrecognized arguments: --tensor-paralel-size; did you mean --tensor-parallel-size?",
        ),
        ({"prot": 1}, "did you mean --port?"),
        ({"nonsense": True}, "unrecognized arguments: --nonsense"),
    ],
)
def test_a_flag_that_neither_knows_is_named_with_the_nearest(flags, reason):
    with pytest.raises(WrongFlag) as failure:
        parse(**flags)
    assert reason in str(failure.value)


def test_a_model_after_a_flag_of_vllm_is_told_to_come_first():
    with pytest.raises(CannotStart, match="MODEL comes before"):
        parse(enforce_eager="a/model")


def test_list_of_a_repeatable_flag_is_one_flag_each():
    assert parse(middleware=["a.b", "c.d"]).middleware == ["a.b", "c.d"]


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


def read_sizes(folder: Path, model: dict[str, Any], **engine_args: object) -> tuple[int, int]:
    """Return context and batch size in tokens that vLLM derives from a model folder with this configuration."""
    from cogitate.server.engine.vllm import load

    (folder / "config.json").write_text(json.dumps(model))
    given = {"skip_tokenizer_init": True, **engine_args}
    config = load.build_config(load.parse_arguments(str(folder), "name", given))
    return config.model_config.max_model_len, config.scheduler_config.max_num_batched_tokens


@pytest.mark.parametrize(
    ("engine_args", "context", "batch"),
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
def test_on_a_cpu_the_default_context_fits_one_batch_and_arguments_override_it(tmp_path, engine_args, context, batch):
    """A seeded request whose prefill is chunked kills the CPU build's engine: test_cpu_build.py."""
    assert not parse(**engine_args).enable_chunked_prefill
    assert read_sizes(tmp_path, LLAMA, **engine_args) == (context, batch)


def test_on_a_cpu_a_short_context_is_unchanged_and_a_nested_one_is_bounded(tmp_path):
    assert read_sizes(tmp_path, LLAMA | {"max_position_embeddings": 1000}) == (1000, 8192)
    assert read_sizes(tmp_path, GEMMA) == (8192, 8192)


def test_with_chunked_prefill_the_context_is_the_models_own(tmp_path):
    assert read_sizes(tmp_path, LLAMA, enable_chunked_prefill=True)[0] == 32768


def test_the_error_of_a_model_that_vllm_cannot_serve_is_one_line(tmp_path):
    with pytest.raises(CannotStart, match=r"^vLLM cannot serve .*99999") as failure:
        read_sizes(tmp_path, LLAMA, max_model_len=99999)
    assert "\n" not in str(failure.value)


def test_on_a_cpu_cache_blocks_are_small_and_arguments_override_their_size():
    assert parse().block_size == 32
    assert parse(block_size=128).block_size == 128


def test_on_a_cpu_the_kv_cache_takes_two_gib_and_arguments_override_its_size():
    """vLLM would take 92 % of the memory, and not start on a machine that has less free."""
    assert parse().kv_cache_memory_bytes == 2 << 30
    assert parse(kv_cache_memory_bytes=1 << 30).kv_cache_memory_bytes == 1 << 30
    args = parse(gpu_memory_utilization=0.5)
    assert (args.kv_cache_memory_bytes, args.gpu_memory_utilization) == (None, 0.5)


def test_a_cpu_without_bfloat16_products_loads_float32_and_arguments_override_it():
    from cogitate.server.engine.vllm.cpu_build import cpu_precision

    assert parse().dtype == cpu_precision().get("dtype", "auto")
    assert parse(dtype="bfloat16").dtype == "bfloat16"


@pytest.mark.parametrize(
    "bad", [{"max_model_len": "many"}, {"compilation_config": {"no_such": 1}}, {"enable_auto_tool_choice": True}]
)
def test_the_error_of_an_argument_that_vllm_rejects_is_one_line(bad):
    with pytest.raises(CannotStart) as failure:
        parse(**bad)
    assert str(failure.value).startswith("--engine-args: ") and "\n" not in str(failure.value)
