"""The SandboxBackend port: how to start a process that is confined before it runs a program."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from cogitate.server.sandbox.limits import Limits

FIRST_UID = 0x7000_0000
"""Above all user ids that systemd's conventions assign to people, services and containers."""
BackendName = Literal["bwrap", "landlock"]


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """How to start one confined process."""

    command: tuple[str, ...]
    """Ends with the interpreter and its program. The first word is a path: there is no PATH to search."""
    confinement: Mapping[str, Any]
    """The argument of cogitate.server.sandbox.guest.confine."""
    descriptors: tuple[int, ...] = ()
    """File descriptors that it inherits besides its pipes."""


class SandboxBackend(Protocol):
    """One kind of sandbox on this machine."""

    @property
    def name(self) -> str: ...

    def prepare(self, slot: int, limits: Limits) -> AbstractContextManager[LaunchSpec]:
        """Yield how to start a process in this slot. Processes that run at the same time have different slots."""


def build_confinement(limits: Limits, landlock: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Build what the process confines itself by; `landlock` None: bubblewrap does the rest."""
    return {"limits": asdict(limits), "landlock": landlock}


def slot_user(slot: int) -> int | None:
    """Return a user id of the slot's own, so that limits per user hold; None where this process is not root."""
    return FIRST_UID + os.getpid() % 2**18 * 256 + slot if os.geteuid() == 0 else None
