"""Two servers share cache entries where they would give the same responses, and nowhere else."""

import json
import os
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from cogitate.server.engine.model_fingerprint import MAX_SLICES, SLICE_BYTES, ModelSpec, digest_file, find_hub_commit
from cogitate.server.engine.vllm import env
from tests.real_engine.test_load import LLAMA

pytestmark = pytest.mark.engine

BASE: dict[str, object] = {"max_model_len": 2048}
WORDS = {"<unk>": 0, "<think>": 1, "</think>": 2}
REWARD: dict[str, object] = {"dtype": "float32"}


@pytest.fixture(autouse=True)
def _environment() -> None:
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


def compute_revision(folder: Path, reward: ModelSpec | None = None, **engine_args: object) -> str:
    """Compute the revision as a start does, from the configuration without the weights."""
    from cogitate.server.engine.vllm import engine, load

    given = BASE | engine_args
    config = load.build_config(load.parse_arguments(str(folder), "name", given)).model_config
    return engine.compute_revision(config, ModelSpec(str(folder), given), reward)


def test_the_revision_does_not_depend_on_path_or_dates(folder, tmp_path):
    first = compute_revision(folder)
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    for file in moved.iterdir():
        os.utime(file, (1, 1))
    (moved / ".cache").mkdir()
    assert compute_revision(folder) == first == compute_revision(moved)


def test_arguments_that_only_affect_speed_do_not_change_the_revision(folder):
    quick = {"max_num_seqs": 8, "kv_cache_memory_bytes": 1 << 30, "enable_prefix_caching": False, "block_size": 128}
    assert compute_revision(folder, **quick) == compute_revision(folder)


def test_every_argument_that_identities_a_response_changes_the_revision(folder, tmp_path):
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
    seen = [compute_revision(folder, **change) for change in changes]
    assert len(set(seen)) == len(changes)
    (tmp_path / "other.jinja").write_text("{{ messages }}!")
    assert compute_revision(folder, chat_template=str(tmp_path / "other.jinja")) not in seen


@pytest.mark.parametrize(
    "file", ["config.json", "generation_config.json", "chat_template.jinja", "model.safetensors", "tokenizer.json"]
)
def test_overwriting_a_model_file_with_one_of_equal_size_changes_the_revision(folder, file):
    before = compute_revision(folder)
    old = (folder / file).read_text()
    changes = [("128", "256"), ("0.6", "0.7"), ("content", "CONTENT"), ("\0", "\1"), ("think", "thank")]
    new = old
    for word, replacement in changes:
        new = new if new != old else old.replace(word, replacement)
    (folder / file).write_text(new)
    assert len(new) == len(old) and compute_revision(folder) != before


def test_the_reward_model_its_format_and_its_arguments_change_the_revision(folder, tmp_path):
    judge = Path(shutil.copytree(folder, tmp_path / "judge"))

    def with_reward(form: str | None = None, **more: object) -> str:
        return compute_revision(folder, ModelSpec(str(judge), REWARD | more, form))

    assert with_reward() == with_reward(gpu_memory_utilization=0.2)
    seen = [
        compute_revision(folder),
        with_reward(),
        with_reward("qwen"),
        with_reward(max_model_len=9),
        with_reward(dtype="bfloat16"),
    ]
    (judge / "model.safetensors").write_bytes(b"\1" + bytes(999))
    seen.append(with_reward())
    assert len(set(seen)) == 6


def test_a_change_at_either_end_of_a_large_file_changes_its_digest(tmp_path):
    """Sparse files, which take no disk space."""
    file = tmp_path / "shard"
    for size, places in (
        (0, ()),
        (3 * SLICE_BYTES + 5, (0, SLICE_BYTES, 3 * SLICE_BYTES + 4)),
        (SLICE_BYTES * MAX_SLICES * 9, (0, -1)),
    ):
        file.write_bytes(b"")
        os.truncate(file, size)
        seen = {digest_file(file)}
        for place in places:
            with file.open("r+b") as data:
                data.seek(place, os.SEEK_SET if place >= 0 else os.SEEK_END)
                data.write(b"x")
            seen.add(digest_file(file))
        os.truncate(file, size + 1)
        seen.add(digest_file(file))
        assert len(seen) == len(places) + 2


def test_a_model_id_is_identified_by_name_and_revision():
    identities = [
        ModelSpec("org/model", {}).identity,
        ModelSpec("org/other", {}).identity,
        ModelSpec("org/model", {"revision": "v2"}).identity,
        ModelSpec("s3://bucket/model", {}).identity,
    ]
    assert len(set(map(str, identities))) == 4


def test_a_hub_model_is_identified_by_the_commit_on_disk(tmp_path):
    """The cache layout of the hub's client, with a branch that moves."""
    home = tmp_path / "models--org--model"
    (home / "refs").mkdir(parents=True)
    seen = []
    for commit in ("a" * 40, "b" * 40):
        (home / "snapshots" / commit).mkdir(parents=True)
        (home / "snapshots" / commit / "config.json").write_text("{}")
        (home / "refs" / "main").write_text(commit)
        seen.append(find_hub_commit("org/model", cache=tmp_path))
    assert seen == ["a" * 40, "b" * 40] and find_hub_commit("org/model", "c" * 40, tmp_path) is None
