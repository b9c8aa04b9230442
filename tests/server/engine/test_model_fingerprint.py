"""Two servers share answers where they would give the same, and nowhere else."""

import json
import os
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from cogitate.server.engine.model_fingerprint import SLICE, SLICES, Recipe, fetched, sampled
from cogitate.server.engine.vllm import env
from tests.real_engine.test_load import LLAMA

pytestmark = pytest.mark.engine

BASE: dict[str, object] = {"max_model_len": 2048}
WORDS = {"<unk>": 0, "<think>": 1, "</think>": 2}
REWARD: dict[str, object] = {"dtype": "float32"}


@pytest.fixture(autouse=True)
def _prepared() -> None:
    env.prepare(demo=True, quiet=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(WORDS, "<unk>"))).save_pretrained(made)
    (made / "config.json").write_text(json.dumps(LLAMA))
    (made / "generation_config.json").write_text(json.dumps({"temperature": 0.6}))
    (made / "chat_template.jinja").write_text("{{ messages[0].content }}")
    (made / "model.safetensors").write_bytes(bytes(1000))
    return made


def revision(folder: Path, reward: Recipe | None = None, **engine_args: object) -> str:
    """As the server computes it, of a configuration that is read as for a start."""
    from cogitate.server.engine.vllm import engine, load

    given = BASE | engine_args
    config = load.configured(load.parsed(str(folder), "name", given)).model_config
    return engine.revision(config, Recipe(str(folder), given), reward)


def test_one_configuration_is_one_wherever_and_whenever_it_is_loaded(folder, tmp_path):
    first = revision(folder)
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    for file in moved.iterdir():
        os.utime(file, (1, 1))
    (moved / ".cache").mkdir()
    assert revision(folder) == first == revision(moved)


def test_what_is_of_speed_alone_is_left_out(folder):
    quick = {"max_num_seqs": 8, "kv_cache_memory_bytes": 1 << 30, "enable_prefix_caching": False, "block_size": 128}
    assert revision(folder, **quick) == revision(folder)


def test_every_argument_that_shapes_an_answer_counts(folder, tmp_path):
    (tmp_path / "other.jinja").write_text("{{ messages }}")
    changes: list[dict[str, object]] = [
        {},
        {"override_generation_config": {"temperature": 0.1}},
        {"generation_config": "vllm"},
        {"chat_template": "{{ messages[-1].content }}" * 200},
        {"chat_template": str(tmp_path / "other.jinja")},
        {"default_chat_template_kwargs": {"enable_thinking": False}},
        {"reasoning_parser": "qwen3"},
        {"enable_auto_tool_choice": True, "tool_call_parser": "hermes"},
        {"enable_auto_tool_choice": True, "tool_call_parser": "mistral"},
        {"max_model_len": 1024},
        {"logprobs_mode": "processed_logprobs"},
        {"dtype": "bfloat16"},
        {"hf_overrides": {"rope_theta": 5}},
        {"seed": 7},
    ]
    seen = [revision(folder, **change) for change in changes]
    assert len(set(seen)) == len(changes)
    (tmp_path / "other.jinja").write_text("{{ messages }}!")
    assert revision(folder, chat_template=str(tmp_path / "other.jinja")) not in seen


@pytest.mark.parametrize(
    "file", ["config.json", "generation_config.json", "chat_template.jinja", "model.safetensors", "tokenizer.json"]
)
def test_a_file_that_is_overwritten_counts_though_its_size_is_the_same(folder, file):
    before = revision(folder)
    old = (folder / file).read_text()
    changes = [("128", "256"), ("0.6", "0.7"), ("content", "CONTENT"), ("\0", "\1"), ("think", "thank")]
    new = old
    for word, other in changes:
        new = new if new != old else old.replace(word, other)
    (folder / file).write_text(new)
    assert len(new) == len(old) and revision(folder) != before


def test_the_reward_model_its_format_and_its_arguments_count(folder, tmp_path):
    judge = Path(shutil.copytree(folder, tmp_path / "judge"))

    def rewarded(form: str | None = None, **more: object) -> str:
        return revision(folder, Recipe(str(judge), REWARD | more, form))

    assert rewarded() == rewarded(gpu_memory_utilization=0.2)
    seen = [revision(folder), rewarded(), rewarded("qwen"), rewarded(max_model_len=9), rewarded(dtype="bfloat16")]
    (judge / "model.safetensors").write_bytes(b"\1" + bytes(999))
    seen.append(rewarded())
    assert len(set(seen)) == 6


def test_a_small_file_is_read_whole_and_a_large_one_from_end_to_end(tmp_path):
    """A hole in the file costs no room on the disk."""
    file = tmp_path / "shard"
    for size, places in ((0, ()), (3 * SLICE + 5, (0, SLICE, 3 * SLICE + 4)), (SLICE * SLICES * 9, (0, -1))):
        file.write_bytes(b"")
        os.truncate(file, size)
        seen = {sampled(file)}
        for place in places:
            with file.open("r+b") as data:
                data.seek(place, os.SEEK_SET if place >= 0 else os.SEEK_END)
                data.write(b"x")
            seen.add(sampled(file))
        os.truncate(file, size + 1)
        seen.add(sampled(file))
        assert len(seen) == len(places) + 2


def test_a_model_that_is_no_folder_counts_by_its_name_and_its_revision():
    shapes = [
        Recipe("org/model", {}).shape,
        Recipe("org/other", {}).shape,
        Recipe("org/model", {"revision": "v2"}).shape,
        Recipe("s3://bucket/model", {}).shape,
    ]
    assert len(set(map(str, shapes))) == 4


def test_what_the_hub_called_main_counts_by_its_commit(tmp_path):
    """The cache of the hub's own client, with a branch that moves."""
    home = tmp_path / "models--org--model"
    (home / "refs").mkdir(parents=True)
    seen = []
    for commit in ("a" * 40, "b" * 40):
        (home / "snapshots" / commit).mkdir(parents=True)
        (home / "snapshots" / commit / "config.json").write_text("{}")
        (home / "refs" / "main").write_text(commit)
        seen.append(fetched("org/model", folder=tmp_path))
    assert seen == ["a" * 40, "b" * 40] and fetched("org/model", "c" * 40, tmp_path) is None
