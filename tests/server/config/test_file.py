"""The YAML file of --config: names, vLLM's flags, and what is wrong with a file."""

from pathlib import Path

import pytest

from cogitate.server.config.file import InvalidConfigFile, read_config_file
from cogitate.server.settings import Settings


def write(folder: Path, text: str) -> Path:
    path = folder / "server.yaml"
    path.write_text(text)
    return path


def test_flags_stand_by_their_names_and_vllms_under_engine(tmp_path):
    text = """
    max-body-bytes: 4096
    cache_ttl: 5
    redis-url:
    served-model-name: [a, b]
    presets: {careful: {name: self_consistency, n: 32}}
    engine: {tensor-parallel-size: 2, enforce_eager: true, compilation-config: {mode: 0}, max-model-len: }
    """
    assert read_config_file(write(tmp_path, text), Settings) == {
        "max_body_bytes": 4096,
        "cache_ttl": 5,
        "served_model_name": ["a", "b"],
        "presets": {"careful": {"name": "self_consistency", "n": 32}},
        "engine_args": {"tensor-parallel-size": 2, "enforce_eager": True, "compilation-config": {"mode": 0}},
    }


def test_a_word_under_engine_selects_the_engine(tmp_path):
    path = write(tmp_path, "engine: openai\nupstream: [http://a/v1, http://b/v1]\ncode-exec: off\n")
    settings = Settings(config=path)
    assert (settings.engine, settings.upstream, settings.code_exec) == ("openai", ("http://a/v1", "http://b/v1"), "off")


def test_an_empty_file_sets_nothing(tmp_path):
    assert read_config_file(write(tmp_path, "# later\n"), Settings) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prot: 1", "prot is not a flag of `cogitate serve`; did you mean port"),
        ("tensor-parallel-size: 2", "stand under `engine:`"),
        ("port: 1\n a: b: c", "line 2"),
        ("[1, 2]", "mapping"),
        ("just words", "mapping"),
        ("max-cost: 1\nmax_cost: 2", "max_cost is given twice"),
        ("engine: {a: 1}\nengine-args: {b: 2}", "keep one"),
        ("config: other.yaml", "config is not a flag"),
        ("x: !!python/object:os.system {}", "line 1"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_file_and_place(tmp_path, text, reason):
    path = write(tmp_path, text)
    with pytest.raises(InvalidConfigFile) as failure:
        read_config_file(path, Settings)
    assert str(failure.value).startswith(f"--config {path}: ") and reason in str(failure.value)


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_missing_file_is_an_error(tmp_path, name):
    with pytest.raises(InvalidConfigFile, match="no such file"):
        read_config_file(tmp_path / name, Settings)


def test_single_flags_of_vllm_and_single_presets_replace_those_of_the_file(tmp_path):
    path = write(
        tmp_path,
        "engine: {max-model-len: 1024, compilation-config: {mode: 3}, seed: 1}\n"
        "presets: {a: {name: self_consistency, n: 32}, b: {name: best_of_n}}\n",
    )
    flags = {"max_model_len": 2048, "compilation_config.mode": 0}
    settings = Settings(config=path, engine_args=flags, presets='{"a": {"name": "chain_of_thought"}}')
    assert settings.engine_args == flags | {"seed": 1}
    assert {name: preset.name for name, preset in settings.presets.items()} == {
        "a": "chain_of_thought",
        "b": "best_of_n",
    }
