"""What the operator said of an upstream."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from cogitate.server.engine import CannotStart

Path = Literal["models", "chat/completions", "completions", "responses", "tokenize"]


@dataclass(frozen=True, slots=True)
class Upstream:
    """A base URL that ends in /v1, and the key for that host alone."""

    url: str
    key: SecretStr | None = None

    def check(self) -> None:
        """Raises CannotStart for what can never be a base URL."""
        try:
            parts = urlsplit(self.url)
            legal = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            legal = False
            parts = urlsplit("")
        if not legal or parts.query or parts.fragment or parts.username:
            raise CannotStart("--upstream takes a base URL such as http://127.0.0.1:8001/v1")

    def at(self, path: Path) -> str:
        """An endpoint's URL. vLLM's own endpoints are beside /v1, not below it."""
        base = self.url.rstrip("/")
        return f"{base.removesuffix('/v1') if path == 'tokenize' else base}/{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds."""

    total: float = 600.0
    """For one answer, every attempt included."""
    idle: float = 60.0
    """For the next byte of an answer, and for the first one of a stream."""
    connect: float = 5.0

    @property
    def silent(self) -> float:
        """For an answer that comes whole: as long as leaves the same again to another replica."""
        return self.total / 2
