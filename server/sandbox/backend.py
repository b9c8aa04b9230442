"""What stands around a program: a Cage tells how to start a process that it then cannot leave."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from cogitate.server.sandbox.limits import Limits

FIRST_USER = 0x7000_0000
"""Above every user that systemd's conventions give to people, services and containers."""
CageName = Literal["bwrap", "landlock"]


@dataclass(frozen=True, slots=True)
class Start:
    """How to start one confined process."""

    command: tuple[str, ...]
    """Up to the interpreter and its program. The first word is a path, for there is no environment to find it with."""
    confinement: Mapping[str, Any]
    """What cogitate.server.sandbox.guest.confine is told."""
    descriptors: tuple[int, ...] = ()
    """What it inherits besides its pipes."""


class Cage(Protocol):
    @property
    def name(self) -> str: ...

    def start(self, place: int, limits: Limits) -> AbstractContextManager[Start]:
        """For the process at this place; no two that run at one time share one."""


def confinement(limits: Limits, landlock: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    return {"limits": asdict(limits), "landlock": landlock}


def user_at(place: int) -> int | None:
    """A user of its own for this place, so that limits counted by user hold; None where only root could change it."""
    return FIRST_USER + os.getpid() % 2**18 * 256 + place if os.geteuid() == 0 else None
