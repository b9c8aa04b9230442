"""Keys: who may ask. Only digests are stored; every route is closed unless it is named here."""

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from cogitate.server.auth.key_limits import BadRights, Rights
from cogitate.server.auth.rate_limit import Headers, Rates
from cogitate.server.errors import ApiError, Unauthorized
from cogitate.server.protocol.json import JSON

log = logging.getLogger("cogitate.auth")
PUBLIC = frozenset({"/health/live", "/health/ready"})
PREFIX = "cog-"
ANYONE = ""
"""The tenant where no keys are configured."""
GUESSES = 20
"""Wrong keys a minute that one address may send before it is told to wait. A right key never waits for them."""


class BadKeysFile(Exception):
    """The keys file cannot be read. One line."""


@dataclass(frozen=True, slots=True)
class Holder:
    tenant: str = ANYONE
    rights: Rights = Rights()


@dataclass(slots=True)
class Keys:
    """The keys file: `SHA256HEX TENANT [limits...]` a line, # for comments. Read again when it changes.

    A file that goes bad while the server runs locks nobody out: the keys read before stay, and the log says so once.
    """

    path: Path
    _known: dict[bytes, Holder] = field(default_factory=dict)
    _read_at: tuple[int, int] = (0, 0)
    _trouble: str | None = None

    def holder(self, key: str) -> Holder | None:
        """Whose key this is. Compares with every digest, in the same time for every key."""
        self._refresh()
        sent, found = digest(key), None
        for known, holder in self._known.items():
            if hmac.compare_digest(known, sent):
                found = holder
        return found

    def _refresh(self) -> None:
        try:
            stat = self.path.stat()
            if (stat.st_mtime_ns, stat.st_size) != self._read_at:
                self._known = parsed(self.path.read_text())
                self._read_at = (stat.st_mtime_ns, stat.st_size)
        except (OSError, BadKeysFile) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            if not self._known:
                raise BadKeysFile(f"the keys file cannot be used: {reason}") from None
            if reason != self._trouble:
                log.error("the keys file cannot be used, the keys read before stay: %s", reason)
            self._trouble = reason
        else:
            self._trouble = None


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()


def parsed(text: str) -> dict[bytes, Holder]:
    known = {}
    for number, line in enumerate(text.splitlines(), 1):
        if words := line.split("#")[0].split():
            try:
                hashed, holder = _holder(words)
            except BadRights as error:
                raise BadKeysFile(f"line {number} of the keys file: {error}") from None
            known[hashed] = holder
    return known


def _holder(words: list[str]) -> tuple[bytes, Holder]:
    try:
        hashed = bytes.fromhex(words[0])
    except ValueError:
        hashed = b""
    if len(hashed) != 32:
        raise BadRights("it does not begin with a SHA-256 digest")
    if len(words) < 2 or "=" in words[1]:
        raise BadRights("it is not `SHA256HEX TENANT [limits]`")
    return hashed, Holder(words[1], Rights.parsed(words[2:]))


def new_key(path: Path, tenant: str) -> str:
    """Makes a key of 256 random bits, appends its digest to the file, and returns it: the only time it is seen."""
    if not tenant or len(tenant.split()) != 1 or "#" in tenant:
        raise BadKeysFile("a tenant's name is one word without #")
    key, fresh = PREFIX + secrets.token_urlsafe(32), not path.exists()
    with path.open("a") as file:
        file.write(f"{digest(key).hex()} {tenant}\n")
    if fresh:
        path.chmod(0o600)
    return key


@dataclass(slots=True)
class Authentication:
    """Names the tenant of every request, or answers 401. Without keys everyone is the same tenant."""

    app: ASGIApp
    keys: Keys | None
    rates: Rates = field(default_factory=Rates)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        holder, key, told = Holder(), "", Headers()
        if self.keys is not None and scope["path"] not in PUBLIC:
            try:
                holder, key = self._identified(scope, self.keys)
                if (most := holder.rights.requests_per_minute) and scope.get("method") == "POST":
                    told = self.rates.spend(key, most)
            except ApiError as error:
                answer = JSON(error.body, error.status, headers=error.headers)
                return await answer(scope, receive, send)
        scope.setdefault("state", {}).update(tenant=holder.tenant, rights=holder.rights, key=key, headers=told)
        return await self.app(scope, receive, send)

    def _identified(self, scope: Scope, keys: Keys) -> tuple[Holder, str]:
        """Who holds the key, and what tells it from others. Raises Unauthorized; for who guesses on, Overloaded."""
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, key = (sent[0].decode("latin-1") if len(sent) == 1 else "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Unauthorized("You did not provide an API key: send it as `Authorization: Bearer KEY`.")
        key = key.strip()[:512]
        holder = keys.holder(key)
        if holder is None:
            self.rates.spend(f"wrong keys from {(scope.get('client') or ('',))[0]}", GUESSES)
            raise Unauthorized("Incorrect API key provided.")
        return holder, digest(key).hex()[:8]
