"""Bearer authentication: ASGI middleware that resolves the API key of every request to a tenant and its limits."""

from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from cogitate.server.auth.keys import KeyHolder, Keys, digest
from cogitate.server.auth.rate_limit import Headers, RateLimiter
from cogitate.server.errors import ApiError, Unauthorized
from cogitate.server.protocol.json import OrjsonResponse

PUBLIC_PATHS = frozenset({"/health", "/health/live", "/health/ready"})
"""Paths that need no API key. Every other path needs one."""
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
    limiter: RateLimiter = field(default_factory=RateLimiter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        holder, key, headers = KeyHolder(), "", Headers()
        if self.keys is not None and scope["path"] not in PUBLIC_PATHS:
            try:
                holder, key = self._authenticate(scope, self.keys)
                if (per_minute := holder.limits.requests_per_minute) and scope.get("method") == "POST":
                    headers = self.limiter.acquire(key, per_minute)
            except ApiError as error:
                response = OrjsonResponse(error.body, error.status, headers=error.headers)
                return await response(scope, receive, send)
        scope.setdefault("state", {}).update(tenant=holder.tenant, limits=holder.limits, key=key, headers=headers)
        return await self.app(scope, receive, send)

    def _authenticate(self, scope: Scope, keys: Keys) -> tuple[KeyHolder, str]:
        """Returns the holder of the request's key, and the key's id.

        Raises Unauthorized, or Overloaded for an address that has sent too many wrong keys.
        """
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, key = (values[0].decode("latin-1") if len(values) == 1 else "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Unauthorized("You did not provide an API key: send it as `Authorization: Bearer KEY`.")
        key = key.strip()[:MAX_KEY_CHARACTERS]
        holder = keys.find_holder(key)
        if holder is None:
            address = (scope.get("client") or ("",))[0]
            self.limiter.acquire(f"wrong keys from {address}", MAX_WRONG_KEYS_PER_MINUTE)
            raise Unauthorized("Incorrect API key provided.")
        return holder, digest(key).hex()[:8]
