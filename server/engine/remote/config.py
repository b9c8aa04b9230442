"""The operator's settings of an upstream: its URL, its key and its timeouts."""

import ipaddress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from cogitate.server.engine import CannotStart

Endpoint = Literal["models", "chat/completions", "completions", "responses", "tokenize"]


@dataclass(frozen=True, slots=True)
class UpstreamConfig:
    """A base URL that ends in /v1, and the API key that is sent to this host only."""

    url: str
    key: SecretStr | None = None
    address: str | None = None
    """The address that is connected to, one of those that the URL's DNS name has; None: the URL's host."""

    @property
    def name(self) -> str:
        """The URL, with the address in place of the DNS name."""
        return self.url if self.address is None else str(httpx.URL(self.url).copy_with(host=self.address))

    @property
    def dns_name(self) -> str | None:
        """The name whose addresses are replicas; None where the URL is one replica.

        An https URL is one: hosted services spread calls by themselves, over addresses that change all the time.
        """
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        return host if parts.scheme == "http" and not is_address(host) and not is_loopback_name(host) else None

    def validate(self) -> None:
        """Raises CannotStart where `url` cannot be a base URL."""
        try:
            parts = urlsplit(self.url)
            is_legal = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_legal = False
            parts = urlsplit("")
        if not is_legal or parts.query or parts.fragment or parts.username:
            raise CannotStart("--upstream takes a base URL such as http://127.0.0.1:8001/v1")

    def endpoint_url(self, endpoint: Endpoint) -> str:
        """The URL of an endpoint. vLLM serves /tokenize next to /v1, not below it."""
        base = self.url.rstrip("/")
        return f"{base.removesuffix('/v1') if endpoint == 'tokenize' else base}/{endpoint}"


def is_address(host: str) -> bool:
    """Whether the host of a URL is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback_name(host: str) -> bool:
    """Whether a host is this machine by its name, whatever DNS says (RFC 6761)."""
    return host == "localhost" or host.endswith(".localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Timeouts of upstream calls, in seconds."""

    total: float = 600.0
    """For one response, including all retries."""
    idle: float = 60.0
    """Between two reads of a response, and for the first byte of a stream."""
    connect: float = 5.0

    @property
    def response_start(self) -> float:
        """For the first byte of a response that is not streamed: half the total, so that one retry has as much."""
        return self.total / 2
