"""A request body that asks for no strategy, as the client sent it: vLLM's own handlers validate it.

Only the fields that this server's limits and its cache depend on are read, and leniently: a value of a wrong type
counts as absent here, and is vLLM's to refuse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cogitate.server.protocol.json import dumps

OWN_FIELDS = frozenset({"strategy", "budget", "cache"})
"""This server's own fields, which no engine is sent."""
LIMIT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "/v1/chat/completions": ("max_completion_tokens", "max_tokens"),
    "/v1/completions": ("max_tokens",),
    "/v1/responses": ("max_output_tokens",),
    "/v1/messages": ("max_tokens",),
}
"""Path -> the fields that limit one answer, the first that is set wins."""
ID_PREFIXES = {"/v1/completions": "cmpl", "/v1/responses": "resp", "/v1/messages": "msg"}
MAX_CHOICES = 128


@dataclass(frozen=True, slots=True)
class PlainBody:
    """The JSON object of a request to one of vLLM's paths."""

    path: str
    content: Mapping[str, Any]
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """The client's headers that vLLM may read: without those of the connection and of authentication."""

    strategy: ClassVar[None] = None
    stream_options: ClassVar[None] = None
    """Read by vLLM alone."""
    needs_engine_stream: ClassVar[bool] = True
    """A stream is always vLLM's own."""

    @property
    def model(self) -> str:
        return str(self.content.get("model", ""))

    @property
    def budget(self) -> object:
        return self.content.get("budget")

    @property
    def cache(self) -> object:
        return self.content.get("cache", "default")

    @property
    def stream(self) -> bool:
        return self.content.get("stream") is True

    @property
    def seed(self) -> int | None:
        return self._read_int("seed")

    @property
    def temperature(self) -> float | None:
        value = self.content.get("temperature")
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def n(self) -> int:
        """Number of answers to each prompt."""
        return min(max(self._read_int("n") or 1, 1), MAX_CHOICES)

    @property
    def width(self) -> int:
        """Number of prompts."""
        prompt = self.content.get("prompt")
        is_batch = isinstance(prompt, list) and bool(prompt) and not isinstance(prompt[0], int)
        return len(prompt) if is_batch and isinstance(prompt, list) else 1

    @property
    def limit_field(self) -> str:
        """The field that limits one answer: the one that is set, else the usual one."""
        names = LIMIT_FIELDS[self.path]
        return next((name for name in names if self._read_int(name)), names[-1])

    @property
    def limit(self) -> int | None:
        """Maximum number of tokens in one answer; None where the client sets none."""
        return self._read_int(self.limit_field) or None

    @property
    def id_prefix(self) -> str:
        return ID_PREFIXES.get(self.path, "chatcmpl")

    def with_limit(self, tokens: int) -> "PlainBody":
        return PlainBody(self.path, {**self.content, self.limit_field: tokens}, self.headers)

    def with_n(self, n: int) -> "PlainBody":
        return PlainBody(self.path, {**self.content, "n": n}, self.headers)

    def to_engine(self, salt: str) -> bytes:
        """Build the body that vLLM gets: without our own fields, and with the tenant's salt where there is one."""
        body = {name: value for name, value in self.content.items() if name not in OWN_FIELDS}
        if isinstance(options := body.get("stream_options"), dict) and "include_progress" in options:
            body["stream_options"] = {k: v for k, v in options.items() if k != "include_progress"}
        return dumps(body | {"cache_salt": salt} if salt else body)

    def model_dump_json(self) -> str:
        """The content as JSON, as a pydantic request model's."""
        return dumps(self.content).decode()

    def _read_int(self, name: str) -> int | None:
        value = self.content.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None
