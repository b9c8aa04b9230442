"""Identifies a model and its configuration for cache keys; equal files give equal fingerprints on every machine.

A model's folder is identified by the contents of its files, not by path or dates, so that replicas on other machines
agree.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SLICE_BYTES = 64 << 10
MAX_SLICES = 256
"""Slices of a file that are read, evenly spaced: files up to 16 MiB completely, larger ones 16 MiB of them."""
IGNORED_ARGUMENTS = frozenset(
    {
        "allow_credentials",
        "allowed_headers",
        "allowed_local_media_path",
        "allowed_methods",
        "allowed_origins",
        "api_key",
        "block_size",
        "collect_detailed_traces",
        "data_parallel_size",
        "disable_fastapi_docs",
        "disable_log_stats",
        "distributed_executor_backend",
        "download_dir",
        "enable_chunked_prefill",
        "enable_log_deltas",
        "enable_log_outputs",
        "enable_log_requests",
        "enable_offline_docs",
        "enable_prefix_caching",
        "enable_request_id_headers",
        "enable_server_load_tracking",
        "enable_ssl_refresh",
        "enable_tokenizer_info_endpoint",
        "enforce_eager",
        "gpu_memory_utilization",
        "hf_token",
        "kv_cache_memory_bytes",
        "log_error_stack",
        "max_log_len",
        "max_num_batched_tokens",
        "max_num_seqs",
        "otlp_traces_endpoint",
        "pipeline_parallel_size",
        "root_path",
        "sse_keep_alive_interval",
        "ssl_ca_certs",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_ciphers",
        "ssl_keyfile",
        "tensor_parallel_size",
        "uds",
    }
)
"""Arguments that affect speed, access or logs only. Any other may shape a response."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model and the arguments that it is loaded with."""

    model: str
    """Folder or Hugging Face id."""
    engine_args: Mapping[str, object]
    format: str | None = None
    """The format of a reward model, where the operator set one."""

    @property
    def identity(self) -> object:
        """Everything that shapes responses, as a JSON value. Reads the model's files."""
        arguments = {name.replace("-", "_"): value for name, value in self.engine_args.items()}
        relevant = {name: _replace_paths(value) for name, value in arguments.items() if name not in IGNORED_ARGUMENTS}
        revision = arguments.get("revision")
        model = _digest_path(self.model) or [self.model, find_hub_commit(self.model, revision)]
        return [model, relevant, self.format]


def fingerprint(*identities: object) -> str:
    """Return 16 hex digits of the SHA-256 of JSON values."""
    return hashlib.sha256(json.dumps(identities, sort_keys=True, default=str).encode()).hexdigest()[:16]


def find_hub_commit(model: str, revision: object = None, cache: Path | None = None) -> str | None:
    """Return the commit of a Hugging Face model as it is on disk, since a branch name may move; None if it is not."""
    from huggingface_hub import try_to_load_from_cache

    with suppress(ValueError):
        file = try_to_load_from_cache(model, "config.json", cache, str(revision) if revision else None)
        return Path(file).parent.name if isinstance(file, str) else None
    return None


def digest_files(path: Path) -> Mapping[str, str]:
    """Return the digest of a file, under the name "", or of each file in a folder except hidden ones."""
    if path.is_file():
        return {"": digest_file(path)}
    return {file.name: digest_file(file) for file in path.iterdir() if file.is_file() and not file.name.startswith(".")}


def digest_file(file: Path) -> str:
    """Return a digest of a file's size and of slices of its content, the first and the last among them."""
    with file.open("rb") as data:
        size = os.fstat(data.fileno()).st_size
        digest = hashlib.sha256(str(size).encode())
        for start in (*range(0, size, max(SLICE_BYTES, size // MAX_SLICES)), max(0, size - SLICE_BYTES)):
            data.seek(start)
            digest.update(data.read(SLICE_BYTES))
    return digest.hexdigest()


def _digest_path(name: str) -> Mapping[str, str] | None:
    """Return the digests of the file or folder of this name; None if there is none."""
    with suppress(OSError, ValueError):  # a chat template given as text is too long for a path
        path = Path(name).expanduser()
        return digest_files(path) if name and path.exists() else None
    return None


def _replace_paths(value: Any) -> object:  # noqa: ANN401 JSON
    """Return a JSON value with each path of a file or folder replaced by its digests."""
    if isinstance(value, str):
        return _digest_path(value) or value
    if isinstance(value, Mapping):
        return {name: _replace_paths(item) for name, item in value.items()}
    return [_replace_paths(item) for item in value] if isinstance(value, list | tuple) else value
