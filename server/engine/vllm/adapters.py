"""LoRA adapters: which one a request names, and what identifies it in cache keys."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from vllm.lora.request import LoRARequest

from cogitate.server.engine.vllm.application import LoadedEngine
from cogitate.server.engine.vllm.render import VllmRequest
from cogitate.server.errors import ModelNotFound


def find_adapter(loaded: LoadedEngine, request: VllmRequest) -> LoRARequest | None:
    """Return the adapter that a request decodes with; None for the model itself. Raises ModelNotFound."""
    serving = loaded.state.openai_serving_chat
    try:
        return serving._maybe_get_adapters(request, supports_default_mm_loras=True)
    except ValueError as error:  # unloaded since the request was accepted
        raise ModelNotFound(str(error), param="model") from error


@dataclass(frozen=True, slots=True)
class AdapterIdentities:
    """Identities by name. An adapter that is loaded anew, also in place, is a new object and gets a new identity."""

    known: dict[str, tuple[LoRARequest, str]] = field(default_factory=dict)

    def identify(self, lora: LoRARequest) -> str:
        """Return a digest of the adapter's name, path and files: by size and time, when it was first seen."""
        entry = self.known.get(lora.lora_name)
        if entry is None or entry[0] is not lora:
            entry = self.known[lora.lora_name] = (lora, digest_files(lora))
        return entry[1]


def digest_files(lora: LoRARequest) -> str:
    folder = Path(lora.lora_path)
    stats = [(path.name, path.stat()) for path in sorted(folder.iterdir())] if folder.is_dir() else []
    files = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(repr((lora.lora_name, lora.lora_path, files)).encode()).hexdigest()
