"""What tells an engine one tenant's prompts from another's: a name for the tenant that nobody else can work out."""

import hmac
import os
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Salts:
    """The same for a tenant as long as the secret is; without a configured one, as long as the process lives."""

    secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)

    def __call__(self, tenant: str) -> str:
        return hmac.digest(self.secret, b"cache_salt\0" + tenant.encode(), "sha256").hex()
