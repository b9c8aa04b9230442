"""What tells one configuration of a model from another: part of every cache key, the same for the same files anywhere.

A model's folder counts by what is in it and not by its path or its dates, so that replicas on other machines agree.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SLICE = 64 << 10
SLICES = 256
"""A file is read at so many places, evenly spaced: up to 16 MiB whole, and 16 MiB of a shard of any size."""
APART = frozenset(
    {
        "allowed_local_media_path",
        "api_key",
        "block_size",
        "data_parallel_size",
        "disable_log_stats",
        "distributed_executor_backend",
        "download_dir",
        "enable_chunked_prefill",
        "enable_prefix_caching",
        "enforce_eager",
        "gpu_memory_utilization",
        "hf_token",
        "kv_cache_memory_bytes",
        "max_num_batched_tokens",
        "max_num_seqs",
        "pipeline_parallel_size",
        "tensor_parallel_size",
    }
)
"""Arguments of speed alone, and of access. Any other may shape an answer."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model, and what it is loaded with."""

    model: str
    engine_args: Mapping[str, object]
    format: str | None = None
    """A reward model's, where the operator named it."""

    @property
    def shape(self) -> object:
        """What of it shapes an answer, as JSON. Reads the model's files."""
        said = {name.replace("-", "_"): value for name, value in self.engine_args.items()}
        shaping = {name: _followed(value) for name, value in said.items() if name not in APART}
        revision = said.get("revision")
        return [_found(self.model) or [self.model, fetched(self.model, revision)], shaping, self.format]


def fingerprint(*shapes: object) -> str:
    return hashlib.sha256(json.dumps(shapes, sort_keys=True, default=str).encode()).hexdigest()[:16]


def fetched(model: str, revision: object = None, folder: Path | None = None) -> str | None:
    """The commit of a model from the Hugging Face hub, as it is on disk: what a branch's name means may change."""
    from huggingface_hub import try_to_load_from_cache

    with suppress(ValueError):
        file = try_to_load_from_cache(model, "config.json", folder, str(revision) if revision else None)
        return Path(file).parent.name if isinstance(file, str) else None
    return None


def contents(place: Path) -> Mapping[str, str]:
    """Of a file, or of each file of a folder, hidden ones left out: a digest of its size and of what is in it."""
    if place.is_file():
        return {"": sampled(place)}
    return {file.name: sampled(file) for file in place.iterdir() if file.is_file() and not file.name.startswith(".")}


def sampled(file: Path) -> str:
    """A digest of the size and of slices of the content, the first and the last among them."""
    with file.open("rb") as data:
        size = os.fstat(data.fileno()).st_size
        digest = hashlib.sha256(str(size).encode())
        for start in (*range(0, size, max(SLICE, size // SLICES)), max(0, size - SLICE)):
            data.seek(start)
            digest.update(data.read(SLICE))
    return digest.hexdigest()


def _found(said: str) -> Mapping[str, str] | None:
    """What is in the file or the folder of this name, if there is one."""
    with suppress(OSError, ValueError):  # a template in place of a name is too long for one
        place = Path(said).expanduser()
        return contents(place) if said and place.exists() else None
    return None


def _followed(value: Any) -> object:  # noqa: ANN401 JSON
    """The same, with each name of a file or a folder replaced by what is in it."""
    if isinstance(value, str):
        return _found(value) or value
    if isinstance(value, Mapping):
        return {name: _followed(each) for name, each in value.items()}
    return [_followed(each) for each in value] if isinstance(value, list | tuple) else value
