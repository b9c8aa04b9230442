"""Flags of `vllm serve` on the command line of `cogitate serve`, as values by name, which --engine-args also has.

vLLM is not imported here: it takes seconds, and `--help` must not wait for it. So the values stay words; vLLM's own
parser reads them when the engine starts (engine/vllm/load.py) and refuses what it does not know.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SHORT_NAMES = {
    "-O": "optimization_level",
    "-ac": "attention_config",
    "-asc": "api_server_count",
    "-cc": "compilation_config",
    "-dc": "diffusion_config",
    "-dcp": "decode_context_parallel_size",
    "-dp": "data_parallel_size",
    "-dpa": "data_parallel_address",
    "-dpb": "data_parallel_backend",
    "-dpe": "data_parallel_external_lb",
    "-dph": "data_parallel_hybrid_lb",
    "-dpl": "data_parallel_size_local",
    "-dpm": "data_parallel_multi_port_external_lb",
    "-dpn": "data_parallel_rank",
    "-dpp": "data_parallel_rpc_port",
    "-dpr": "data_parallel_start_rank",
    "-ep": "enable_expert_parallel",
    "-n": "nnodes",
    "-pcp": "prefill_context_parallel_size",
    "-pp": "pipeline_parallel_size",
    "-q": "quantization",
    "-r": "node_rank",
    "-sc": "speculative_config",
    "-tp": "tensor_parallel_size",
}
"""vLLM's short flags. A test compares them with vLLM's parser."""


class InvalidVllmFlag(ValueError):
    """A flag of vLLM that cannot be read. The message is one line."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One occurrence of a flag that is not ours, with the words after it."""

    name: str
    """As typed, with its dashes."""
    words: tuple[str, ...] = ()


def to_engine_args(flags: Iterable[Flag]) -> dict[str, object]:
    """Return the values of vLLM's flags by name, as --engine-args takes them.

    A flag without a value is True, `--no-NAME` is False; several words are a list; a flag that is given several times
    has a tuple of its values, which vLLM's parser appends or replaces. Raises InvalidVllmFlag.
    """
    values: dict[str, list[object]] = {}
    for flag in flags:
        name, value = to_entry(flag)
        values.setdefault(name, []).append(value)
    return {name: each[0] if len(each) == 1 else tuple(each) for name, each in values.items()}


def to_entry(flag: Flag) -> tuple[str, object]:
    """Return a flag's name in --engine-args, and its value."""
    name, words = to_name(flag.name), flag.words
    if flag.name.startswith("-O") and len(flag.name) > 2:
        return "optimization_level", to_value(flag.name[2:])
    if not words and name.startswith("no_"):
        return name.removeprefix("no_"), False
    if not words:
        return name, True
    return name, to_value(words[0]) if len(words) == 1 else list(words)


def to_name(flag: str) -> str:
    """Return the name of a flag in --engine-args."""
    base, dot, key = flag.partition(".")
    if flag.startswith("-O"):
        return SHORT_NAMES["-O"]
    if not base.startswith("--") and base not in SHORT_NAMES:
        raise InvalidVllmFlag(f"unrecognized arguments: {base}")
    return with_underscores(f"{SHORT_NAMES.get(base) or base.removeprefix('--')}{dot}{key}")


def with_underscores(name: str) -> str:
    """Return a name with underscores for dashes, up to the first dot: a key of a JSON object follows it."""
    base, dot, key = name.partition(".")
    return f"{base.replace('-', '_')}{dot}{key}"


def to_value(word: str) -> object:
    """Return a whole number as such, so that a flag and --engine-args in JSON are equal; any other word unchanged."""
    return int(word) if word.isascii() and word.isdecimal() and str(int(word)) == word else word


def add_flags(engine_args: object, flags: Mapping[str, object]) -> object:
    """Return the value of --engine-args, JSON text or an object, with vLLM's flags added.

    Raises InvalidVllmFlag for a flag that both have. Text that is no JSON stays as it is.
    """
    given = parse_object(engine_args or {})
    if not isinstance(given, Mapping):
        return given
    bases = {with_underscores(name).partition(".")[0] for name in given}
    for name in sorted(flags):
        if (base := name.partition(".")[0]) in bases:
            raise InvalidVllmFlag(f"--{base.replace('_', '-')} is given as a flag and in --engine-args; keep one")
    return {**given, **flags}


def parse_object(value: object) -> object:
    """Parse JSON text; returns anything else, and text that is no JSON, unchanged."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
