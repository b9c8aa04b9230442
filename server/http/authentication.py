"""Authentication: ASGI middleware that resolves the API key of every request to a tenant and its limits.

Keys are sent as `Authorization: Bearer KEY`; by Anthropic's clients also as `x-api-key: KEY`.
"""

from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from cogitate.server.auth.keys import KeyHolder, Keys, digest
from cogitate.server.auth.quotas import Quotas
from cogitate.server.auth.rate_limit import Headers, RateLimiter
from cogitate.server.errors import ApiError, Unauthorized
from cogitate.server.http.error_response import build_error_response, is_anthropic
from cogitate.server.page.files import is_open

PUBLIC_PATHS = frozenset({"/health", "/health/live", "/health/ready"})
"""Paths that need no API key, as do the page's files (`page/files.py`). Every other path needs one."""
MAX_KEY_CHARACTERS = 512
MAX_WRONG_KEYS_PER_MINUTE = 20
"""Limit per client address; further wrong keys get a 429. Wrong keys never delay requests with a valid key."""


@dataclass(slots=True)
class Authentication:
    """Sets `tenant`, `limits`, `key` and `headers` in the request's state, or answers 401 or 429.

    Without a keys file every request has the same tenant and no limits.
    """

    app: ASGIApp
    keys: Keys | None
    quotas: Quotas = field(default_factory=Quotas)
    limiter: RateLimiter = field(default_factory=RateLimiter)
    """Of wrong keys by address, in this process alone."""
    prefix: str = ""
    """The path that a proxy adds before all others, as vLLM's --root-path names it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        holder, key, headers = KeyHolder(), "", Headers()
        if self.keys is not None and not self._is_public(scope["path"]):
            try:
                holder, key = self._authenticate(scope, self.keys)
                if (per_minute := holder.limits.requests_per_minute) and scope.get("method") == "POST":
                    headers = await self.quotas.take_request(key, per_minute)
            except ApiError as error:
                return await build_error_response(scope, error)(scope, receive, send)
        scope.setdefault("state", {}).update(tenant=holder.tenant, limits=holder.limits, key=key, headers=headers)
        return await self.app(scope, receive, send)

    def _is_public(self, path: str) -> bool:
        path = path.removeprefix(self.prefix)
        return path in PUBLIC_PATHS or is_open(path)

    def _authenticate(self, scope: Scope, keys: Keys) -> tuple[KeyHolder, str]:
        """Return the holder of the request's key, and the key's id.

        Raises Unauthorized, or Overloaded for an address that has sent too many wrong keys.
        """
        key = find_key(scope)[:MAX_KEY_CHARACTERS]
        if not key:
            other = " or `x-api-key: KEY`" if is_anthropic(scope) else ""
            raise Unauthorized(f"You did not provide an API key: send it as `Authorization: Bearer KEY`{other}.")
        holder = keys.find_holder(key)
        if holder is None:
            address = (scope.get("client") or ("",))[0]
            self.limiter.acquire(f"wrong keys from {address}", MAX_WRONG_KEYS_PER_MINUTE, "wrong_keys")
            raise Unauthorized("Incorrect API key provided.")
        return holder, digest(key).hex()[:8]


def find_key(scope: Scope) -> str:
    """Return the key that the request is sent with; empty where it has none, or several.

    Anthropic's clients may send two: then the bearer is meant for this server, the other one for Anthropic.
    """
    headers = scope["headers"]
    bearers = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
    if bearers or not is_anthropic(scope):
        scheme, _, key = (bearers[0] if len(bearers) == 1 else "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""
    own = [value.decode("latin-1").strip() for name, value in headers if name == b"x-api-key"]
    return own[0] if len(own) == 1 else ""
